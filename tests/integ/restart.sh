# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of nethv-switch ten times under pktgen -> sink: it is started again, both guests go on,
# nothing arrives twice or damaged. ROUNDS= by environment.
. "$(dirname "$0")/lib.sh"

cat >"$TMP/restart.yaml" <<END
name: restart
partitions:
  - {name: sink, cmdline: app=sink, memory: 64, nics: [{mac: "02:4e:00:00:00:02"}]}
  - name: gen
    cmdline: app=pktgen dst=02:4e:00:00:00:02 count=0 size=64
    memory: 64
    nics: [{mac: "02:4e:00:00:00:01"}]
END
start "$TMP/restart.yaml"
for i in $(seq "${ROUNDS:-10}"); do
	before=$(value 'guest("sink")["rx_packets"]')
	ok "round $i: traffic flows" until_true 20 "guest('sink')['rx_packets'] > $before + 1000"
	kill -9 "$(value 'sw["pid"]')"
	ok "round $i: the switch is up again" until_true 20 "sw['restarts'] == $i and sw['state'] == 'running'"
done
before=$(value 'guest("sink")["rx_packets"]')
ok "traffic flows" until_true 20 "guest('sink')['rx_packets'] > $before + 1000"
ok "none duplicated" is 'guest("sink")["duplicated"]' 0
ok "none corrupted" is 'guest("sink")["corrupted"]' 0
ok "both run on" is 'part("sink")["state"] + part("gen")["state"]' runningrunning
grep "all partitions resumed" "$OUT"
ok "each pause was printed" sh -c "[ \$(grep -c 'all partitions resumed after' $OUT) = ${ROUNDS:-10} ]"
stop_clean

start "$TMP/restart.yaml"
ok "traffic flows" until_true 20 'guest("sink")["rx_packets"] > 1000'
kill -STOP "$(value 'sw["pid"]')"
ok "a switch that hangs is killed and started again" until_true 30 "sw['restarts'] == 1 and sw['state'] == 'running'"
before=$(value 'guest("sink")["rx_packets"]')
ok "traffic flows" until_true 20 "guest('sink')['rx_packets'] > $before + 1000"
kill -STOP "$(value 'sw["pid"]')"
stop_clean
