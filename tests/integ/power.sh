# SPDX-License-Identifier: BSD-3-Clause
# The life of partitions while the instance runs: start, reset, shutdown, and what happens to one whose
# guest dies, with and without on_crash: restart. The others go on and lose nothing.
. "$(dirname "$0")/lib.sh"

cat >"$TMP/power.yaml" <<END
name: power
partitions:
  - {name: sink, cmdline: app=sink, memory: 64, nics: [{mac: "02:4e:00:00:00:02"}]}
  - name: gen
    cmdline: app=pktgen dst=02:4e:00:00:00:02 count=0 size=64 rate=20000
    memory: 64
    nics: [{mac: "02:4e:00:00:00:01"}]
  - {name: mortal, cmdline: app=echo ip=10.99.0.8, memory: 64, nics: [{}]}
  - {name: immortal, cmdline: app=echo ip=10.99.0.9, memory: 64, on_crash: restart, nics: [{}]}
END
start "$TMP/power.yaml"
ok "traffic flows" until_true 20 'guest("sink")["rx_packets"] > 1000'

pid=$(value 'part("mortal")["pid"]')
ok "reset" "$NETHV" reset mortal
ok "it runs again, in another process" until_true 20 "part('mortal')['state'] == 'running' and part('mortal')['pid'] not in (0, $pid) and part('mortal')['reboots'] == 1 and part('mortal')['guest']['state'] == 'running'"
ok "its adapter is up again" until_true 10 'any(n["up"] for n in sw["nics"] if n["partition"] == "mortal")'

ok "shutdown" "$NETHV" shutdown mortal
ok "its guest ends" until_true 20 'part("mortal")["state"] == "exited"'
ok "a second shutdown is no mistake" sh -c "[ \"\$($NETHV shutdown mortal)\" = stopped ]"
ok "start" "$NETHV" start mortal
ok "it runs" until_true 20 'part("mortal")["guest"]["state"] == "running" and part("mortal")["state"] == "running"'
pid=$(value 'part("mortal")["pid"]')
ok "ps tells its last end" sh -c "$NETHV ps | grep -q 'started again 2 times (last end: exited'"
ok "a second start leaves it alone" sh -c "[ \"\$($NETHV start mortal)\" = running ]"
ok "indeed" is 'part("mortal")["pid"]' "$pid"
ok "shutdown --reboot" "$NETHV" shutdown mortal --reboot
ok "it runs again" until_true 20 'part("mortal")["reboots"] == 3 and part("mortal")["state"] == "running"'
ok "shutdown --now" "$NETHV" shutdown mortal --now --json
ok "it is stopped" until_true 10 'part("mortal")["state"] == "stopped"'
ok "start" "$NETHV" start mortal
ok "it runs" until_true 20 'part("mortal")["guest"]["state"] == "running" and part("mortal")["state"] == "running"'

for who in mortal immortal; do
	# With engine kvm the guest has no process of its own: 0, which would be this whole group.
	pid=$(value "part('$who')['guest_pid'] or part('$who')['pid']")
	kill -9 "${pid:?}" || fail "no guest of $who"
done
ok "the guest that died is gone, with a reason" until_true 10 'part("mortal")["state"] == "failed" and part("mortal")["reason"] != ""'
ok "the one with on_crash: restart is back" until_true 20 'part("immortal")["reboots"] == 1 and part("immortal")["state"] == "running"'
ok "ps says what ended it" sh -c "$NETHV ps | grep -q 'started again 1 time (last end: failed: .'"
pid=$(value 'part("immortal")["pid"]')
kill -9 "${pid:?}" || fail "no worker"
ok "it is back when its worker was killed" until_true 20 'part("immortal")["reboots"] == 2 and part("immortal")["state"] == "running"'
ok "with the signal as reason" until_true 5 '"signal 9" in part("immortal")["last_end"]'

ok "no partition of that name" sh -c "! $NETHV reset nobody 2>$TMP/e.out && grep -q 'no partition nobody' $TMP/e.out"
ok "the others lost nothing" is 'guest("sink")["lost"] + guest("sink")["duplicated"] + guest("sink")["corrupted"]' 0
ok "and were never started again" is 'part("sink")["reboots"] + part("gen")["reboots"]' 0
ok "doctor answers" sh -c "$NETHV doctor --json | python3 -c 'import json, sys; assert len(json.load(sys.stdin)) > 10'"
stop_clean
