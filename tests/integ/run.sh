# SPDX-License-Identifier: BSD-3-Clause
# One life of an instance without devices: run, ps, stats, why-dropped, stop; pktgen to sink.
. "$(dirname "$0")/lib.sh"

: "${FRAMES:=200000}"

cat >"$TMP/v2v.yaml" <<END
name: v2v
partitions:
  - {name: sink, cmdline: app=sink, memory: 64, nics: [{mac: "02:4e:00:00:00:02"}]}
  - name: gen
    cmdline: app=pktgen dst=02:4e:00:00:00:02 count=$FRAMES size=64
    memory: 64
    nics: [{mac: "02:4e:00:00:00:01"}]
END
start "$TMP/v2v.yaml"
ok "the engine is named with its reason" grep -Eq "engine +(ring3|kvm): ." "$OUT"
ok "pktgen ends" until_true 60 'part("gen")["state"] == "exited"'
ok "all frames arrived" is 'guest("sink")["rx_packets"]' "$FRAMES"
for what in lost duplicated reordered corrupted; do
	ok "none $what" is "guest('sink')['$what']" 0
done
ok "the books balance" is 'sw["totals"]["in"] + sw["totals"]["copies"] - sw["totals"]["out"] - sw["totals"]["drops"]' 0
ok "ps shows the partitions" sh -c "$NETHV ps | grep -q 'sink .*running'"
ok "ps shows how gen ended" sh -c "$NETHV ps v2v | grep -q 'gen .*exited'"
ok "stats shows the ports" sh -c "$NETHV stats | grep -q '^sink/0 .*${FRAMES%?}'"
ok "why-dropped answers" "$NETHV" why-dropped
ok "another name is refused" sh -c "! $NETHV ps other 2>$TMP/e.out && grep -q 'no instance named other.*v2v' $TMP/e.out"
"$NETHV" run "$TMP/v2v.yaml" >"$TMP/second.out" 2>&1
[ $? = 1 ] || fail "a second instance of the name was not refused with status 1"
ok "a second instance of the name is refused" grep -q "v2v is running already" "$TMP/second.out"
# Junk on the control socket gets an error each, and harms nobody.
cat >"$TMP/junk.py" <<END
import json, os, socket
def talk(data, answers):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(b"\0nethv/0/v2v")
    s.sendall(data)
    f = s.makefile()
    for code in answers:
        got = json.loads(f.readline())
        assert got.get("error", {}).get("code") == code, got
talk(b"{\n[]\n\x00\xff\n", [-32700, -32600, -32700])
talk(b'{"jsonrpc":"2.0","id":1,"method":"frob"}\n', [-32601])
talk(b'{"jsonrpc":"2.0","id":1,"method":"status","params":[]}\n', [-32602])
talk(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n' * 20, [None] * 20)
talk(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n' * 20, [])
idle = [socket.socket(socket.AF_UNIX) for _ in range(100)]
for s in idle: s.connect(b"\0nethv/0/v2v")
END
ok "junk on the control socket is answered" python3 "$TMP/junk.py"
ok "and harmed nobody" is 's["state"]' running
stop_clean
ok "afterwards ps says so" sh -c "! $NETHV ps 2>$TMP/e.out && grep -q 'no instance is running' $TMP/e.out"

start "$TMP/v2v.yaml"
kill -INT $RUN
wait $RUN || fail "status $? after SIGINT"
ok "nothing is left after SIGINT" nothing_left
