# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of a worker, and of `nethv run` itself: the rest behaves, and nothing is left.
. "$(dirname "$0")/lib.sh"

cat >"$TMP/kill.yaml" <<END
name: kill
uplinks:
  - {name: tap, devargs: "net_tap0,iface=nv-kill"}
partitions:
  - {name: sink, cmdline: app=sink, memory: 64, nics: [{mac: "02:4e:00:00:00:02"}]}
  - name: gen
    cmdline: app=pktgen dst=02:4e:00:00:00:02 count=0 size=64
    memory: 64
    nics: [{mac: "02:4e:00:00:00:01"}]
  - {name: victim, cmdline: app=echo ip=10.99.0.9, memory: 64, nics: [{}]}
END
[ -e /dev/net/tun ] || skip "no /dev/net/tun"
start "$TMP/kill.yaml"
ok "traffic flows" until_true 20 'guest("sink")["rx_packets"] > 1000'
kill -9 "$(value 'part("victim")["pid"]')"
ok "the victim's partition has failed" until_true 5 'part("victim")["state"] == "failed"'
ok "ps gives the reason" sh -c "$NETHV ps | grep -q 'killed by signal 9'"
before=$(value 'guest("sink")["rx_packets"]')
ok "the others go on" until_true 10 "guest('sink')['rx_packets'] > $before + 1000"
ok "they lost nothing" is 'guest("sink")["lost"] + guest("sink")["duplicated"] + guest("sink")["corrupted"]' 0
ok "the guest of the dead worker is gone" sh -c "[ \$(ps -eo comm | grep -c '^nethv-guest') -le 2 ]"

kill -9 $RUN
wait $RUN 2>/dev/null
ok "nothing is left after kill -9 of nethv run" nothing_left

start "$TMP/kill.yaml"
ok "it can be started again at once" true
stop_clean
