# SPDX-License-Identifier: BSD-3-Clause
# What bad input gets: one clear line, status 1 or 2, and nothing left behind.
. "$(dirname "$0")/lib.sh"

# refuses STATUS PATTERN command...: ends with STATUS and exactly one line that matches PATTERN.
refuses() {
	want=$1 pattern=$2
	shift 2
	timeout 60 "$@" >"$TMP/bad.out" 2>&1
	rc=$?
	[ $rc = "$want" ] || fail "status $rc, not $want: $*"
	grep -Eq "$pattern" "$TMP/bad.out" || fail "no \"$pattern\" from: $*"
	[ "$(wc -l <"$TMP/bad.out")" = 1 ] || fail "more than one line from: $*"
	nothing_left || fail "left behind by: $*"
	echo "ok: $(cat "$TMP/bad.out")"
}

# yaml NAME: the file from stdin; prints its path.
yaml() {
	cat >"$TMP/$1.yaml"
	echo "$TMP/$1.yaml"
}

refuses 2 'no verb "frob"' "$NETHV" frob
refuses 2 'which PARTITION' "$NETHV" start
refuses 2 'nic add' "$NETHV" nic remove a/1 --mtu 9000
refuses 2 'nic: use: add' "$NETHV" nic plug a/1
refuses 2 'mtu wants a value' "$NETHV" nic add a --mtu
refuses 2 'which FILE' "$NETHV" run
refuses 2 'no option --fast' "$NETHV" ps --fast
refuses 2 'too many: b' "$NETHV" ps a b
refuses 1 'no instance is running' "$NETHV" stop
refuses 2 'which list' "$NETHV" ext
refuses 2 'no verb "frob"; there are list show load' "$NETHV" ext frob
refuses 2 'use: nethv ext load FILE' "$NETHV" ext load
refuses 2 'use: nethv ext move NAME POSITION' "$NETHV" ext move a
refuses 2 'position "top"; allowed: a number' "$NETHV" ext move a top
refuses 2 'ext unload: no option --ports' "$NETHV" ext unload a --ports u
refuses 2 'no option --fast' "$NETHV" ext list --fast
refuses 1 '/nosuch.so: No such file' "$NETHV" ext load /nosuch.so
refuses 2 'command line:1: "a": found nothing; allowed: a value' "$NETHV" ext configure a '{a: }'
refuses 1 '/nosuch.yaml: cannot open' "$NETHV" ext upgrade a --config /nosuch.yaml
refuses 2 'command line:[12]: not YAML' "$NETHV" policy a/0 '{'
refuses 1 'no instance is running' "$NETHV" ext list
refuses 2 'count: found "0"; allowed: 1..256' "$NETHV" trace udp --count 0
refuses 2 'for: found "x"; allowed: 1..3600' "$NETHV" why-dropped udp --for x
refuses 2 'count: found "-1"' "$NETHV" capture --count -1
refuses 2 'one word too many: udp' "$NETHV" capture udp
refuses 1 'no instance is running' "$NETHV" capture
refuses 2 'nosuch.yaml: cannot open: No such file' "$NETHV" run "$TMP/nosuch.yaml"

f=$(printf 'partitions:\n  - name: a\n    vsp: 2\n' | yaml key)
refuses 2 'key.yaml:3: partitions\[0\]: found unknown key "vsp"; allowed: name, engine, image' "$NETHV" run "$f"
refuses 2 'key.yaml:3: ' "$NETHV" check "$f"
f=$(printf 'partitions:\n  - {name: a, image: /nosuch}\n' | yaml image)
refuses 2 'image.yaml:2: partitions\[0\].image: found "/nosuch".*No such file' "$NETHV" run "$f"
f=$(printf 'partitions:\n  - {name: a, nics: [{mac: "02:00:00:00:00:01"}, {mac: "02:00:00:00:00:01"}]}\n' | yaml mac)
refuses 2 'mac.yaml:2: .*each address once' "$NETHV" run "$f"

f=$(printf 'switch: {extensions: [{path: nosuch.so}]}\npartitions: [{name: a}]\n' | yaml ext)
refuses 2 "ext.yaml:1: switch.extensions\\[0\\].path: found \"$TMP/nosuch.so\" \\(No such file" "$NETHV" run "$f"
f=$(printf 'switch:\n  extensions:\n    - {path: "builtin:nosuch", name: x}\npartitions: [{name: a, memory: 64}]\n' | yaml builtin)
refuses 1 'nosuch' "$NETHV" run "$f"

head -c 100000 /dev/urandom >"$TMP/junk"
f=$(printf 'partitions:\n  - {name: a, memory: 64, image: %s}\n' "$TMP/junk" | yaml junk)
refuses 1 'partition a: .*junk' "$NETHV" run "$f"
f=$(printf 'partitions:\n  - {name: a, memory: 1048576}\n' | yaml memory)
refuses 1 'want 10[0-9]+ MiB, but [0-9]+ MiB are free' "$NETHV" run "$f"
f=$(printf 'switch: {memory: 900000, hugepages: yes}\npartitions: [{name: a}]\n' | yaml huge)
refuses 1 'switch.hugepages is yes, but of 900000 MiB' "$NETHV" run "$f"

f=$(printf 'uplinks: [{name: u, devargs: "net_nosuch0"}]\npartitions: [{name: a, memory: 64}]\n' | yaml dev)
refuses 1 'uplink u.*net_nosuch0' "$NETHV" run "$f"
f=$(printf 'uplinks: [{name: u, devargs: "net_tap0,iface=nv", netns: nosuch}]\npartitions: [{name: a}]\n' | yaml netns)
refuses 1 'uplink u: there is no network namespace nosuch; make it with' "$NETHV" run "$f"

f=$(printf 'uplinks: [{name: u, devargs: "net_tap0,iface=nv"}]\npartitions: [{name: a}]\n' | yaml tap)
refuses 1 'uplink u: making a TAP needs root' setpriv --bounding-set=-all --inh-caps=-all "$NETHV" run "$f"

[ -e /dev/net/tun ] && {
	ip tuntap add taken mode tap || fail "cannot make a TAP"
	f=$(printf 'uplinks: [{name: u, devargs: "net_tap0,iface=taken"}]\npartitions: [{name: a}]\n' | yaml taken)
	"$NETHV" run "$f" >"$TMP/bad.out" 2>&1
	[ $? = 1 ] || fail "a TAP name in use was not refused"
	ok "a TAP name in use is refused" grep -q "uplink u: a network interface taken exists already" "$TMP/bad.out"
	ip link del taken
}
ok "no program is started by hand" sh -c "! $(dirname "$NETHV")/nethv-switch 2>/dev/null"
