# SPDX-License-Identifier: BSD-3-Clause
# A switch that is stopped (SIGSTOP) instead of dead: it is killed and started again, both guests go
# on, and the instance ends cleanly even while it hangs.
. "$(dirname "$0")/lib.sh"

cat >"$TMP/hang.yaml" <<END
name: hang
partitions:
  - {name: sink, cmdline: app=sink, memory: 64, nics: [{mac: "02:4e:00:00:00:02"}]}
  - name: gen
    cmdline: app=pktgen dst=02:4e:00:00:00:02 count=0 size=64
    memory: 64
    nics: [{mac: "02:4e:00:00:00:01"}]
END
start "$TMP/hang.yaml"
ok "traffic flows" until_true 20 'guest("sink")["rx_packets"] > 1000'
kill -STOP "$(value 'sw["pid"]')"
ok "a switch that hangs is killed and started again" until_true 30 "sw['restarts'] == 1 and sw['state'] == 'running'"
before=$(value 'guest("sink")["rx_packets"]')
ok "traffic flows" until_true 20 "guest('sink')['rx_packets'] > $before + 1000"
kill -STOP "$(value 'sw["pid"]')"
stop_clean
