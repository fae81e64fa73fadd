# SPDX-License-Identifier: BSD-3-Clause
# Shared by the tests that start real processes. Sourced first: it runs the test again inside
# network, mount and PID namespaces of its own, so that instance names, TAPs and namespaces cannot
# collide with anything, a stray process is simply one that is still there, and all of it goes away
# with the test. Exit status 77: skipped, with a spoken reason.
# Variables from meson: NETHV (the program), SRC (the source tree). ENGINE=: for instances that name none.
# NV_PATIENCE: a factor for all waiting.

: "${NV_PATIENCE:=1}"

skip() {
	echo "SKIP: $*"
	exit 77
}

fail() {
	echo "FAIL: $*"
	for f in "$TMP"/*.out; do
		[ -f "$f" ] && echo "--- $f" && cat "$f"
	done
	exit 1
}

if [ -z "${NV_INSIDE:-}" ]; then
	[ "$(id -u)" = 0 ] || skip "needs root for namespaces and TAPs"
	[ -x "${NETHV:?}" ] || fail "no program at $NETHV"
	unshare --net --mount --pid --fork --mount-proc true 2>/dev/null ||
		skip "no right to make namespaces here"
	NV_INSIDE=1 exec unshare --net --mount --pid --fork --kill-child --mount-proc sh "$0" "$@"
fi

set -u
mount -t tmpfs tmpfs /run || skip "cannot mount"
# Not where TMPDIR says: this is memory of the test's own mount namespace, gone with it however it
# ends, and the names of sockets stay short.
TMP=$(mktemp -d /run/nv.XXXXXX)
ip link set lo up

# ok "what" command...: the command must succeed.
ok() {
	what=$1
	shift
	"$@" || fail "$what: $*"
	echo "ok: $what"
}

# start FILE: runs it in the background and waits until it is up. Sets RUN (pid) and OUT.
start() {
	OUT=$TMP/run.out
	[ -z "${ENGINE:-}" ] || grep -q '^engine:' "$1" || echo "engine: $ENGINE" >>"$1"
	"$NETHV" run "$1" >"$OUT" 2>&1 &
	RUN=$!
	for _ in $(seq $((300 * NV_PATIENCE))); do
		grep -q "is up after" "$OUT" && return 0
		kill -0 $RUN 2>/dev/null || fail "nethv run ended early"
		sleep 0.1
	done
	fail "nethv run is not up after 30 s"
}

# value EXPRESSION: of the status `s` as Python sees it; part("a") is a partition of it.
value() {
	"$NETHV" stats --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
sw = s["switch"]
part = lambda name: next(p for p in s["partitions"] if p["name"] == name)
guest = lambda name: part(name)["guest"]["values"]
print(eval(sys.argv[1]))' "$1"
}

# until_true SECONDS EXPRESSION
until_true() {
	for _ in $(seq $(($1 * 5 * NV_PATIENCE))); do
		[ "$(value "$2" 2>/dev/null)" = True ] && return 0
		sleep 0.2
	done
	echo "after $1 s still not: $2"
	return 1
}

is() {
	got=$(value "$1")
	[ "$got" = "$2" ] && return 0
	echo "$1 is $got, not $2"
	return 1
}

# No process, socket, TAP or huge page file of ours may be left (waits up to 3 s).
nothing_left() {
	for _ in $(seq $((30 * NV_PATIENCE))); do
		left=$(ps -eo args | grep -E '^(nethv|\[nethv|[^ ]*/nethv)' | grep -v grep)
		left="$left$(grep '@nethv/' /proc/net/unix)"
		left="$left$(ip -o link | grep -vE ': (lo|tunl0|sit0|[a-z0-9_]+@NONE)')"
		left="$left$(find /dev/hugepages /run/dpdk /var/run/dpdk -type f 2>/dev/null)"
		[ -z "$left" ] && return 0
		sleep 0.1
	done
	echo "left: $left"
	return 1
}

# stop_clean: `nethv stop`, and everything ends well.
stop_clean() {
	ok "nethv stop" "$NETHV" stop
	wait $RUN
	rc=$?
	[ $rc = 0 ] || fail "nethv run ended with status $rc"
	ok "nothing is left" nothing_left
	ok "no sanitizer complained" sh -c "! grep -E 'Sanitizer|runtime error' $OUT"
}
