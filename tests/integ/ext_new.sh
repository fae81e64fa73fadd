#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A newcomer's first extension: everything that docs/extensions.md shows, in a clean folder, with nothing but
# the installed package, and as nobody when we are root. Then the two other templates, with Make and with
# Meson. BUILD: the build tree, SRC: the sources. Exit status 77: skipped, with a spoken reason.
set -u
: "${BUILD:?}" "${SRC:?}"
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT

fail() {
	echo "FAIL: $*"
	exit 1
}

for tool in meson make pkg-config cc python3; do
	command -v $tool >/dev/null || { echo "SKIP: there is no $tool"; exit 77; }
done

if [ -z "${EXT_NEW_INSIDE:-}" ]; then
	root=$TMP/root
	meson install -C "$BUILD" --no-rebuild --quiet --destdir "$root" || fail "it does not install"
	prefix=$(find "$root" -path '*/bin/nethv' -type f)
	prefix=${prefix%/bin/nethv}
	[ -n "$prefix" ] || fail "nethv is not installed"
	for f in include/nethv/extension.h include/nethv/extension_dpdk.h libexec/nethv/nethv-ext \
		share/nethv/templates/filter.c; do
		[ -f "$prefix/$f" ] || fail "$f is not installed"
	done
	# Nothing of the sources and the build may be seen.
	cp "$SRC/docs/extensions.md" "$SRC/tests/integ/docrun.py" "$0" "$TMP"
	mkdir "$TMP/home"
	chmod -R a+rX "$TMP"
	as=
	if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
		chown nobody "$TMP/home"
		as="setpriv --reuid=65534 --regid=65534 --clear-groups"
	fi
	cd "$TMP/home" || exit 1
	python=$(command -v /usr/bin/python3 || command -v python3)
	pc=$(dirname "$(find "$root" -name nethv-extension.pc)")
	$as env -i EXT_NEW_INSIDE="$TMP" BUILD=none SRC=none PYTHON="$python" HOME="$TMP/home" \
		PATH="$prefix/bin:/usr/bin:/bin" TMPDIR="$TMP/home" \
		PKG_CONFIG_PATH="$pc" PKG_CONFIG_SYSROOT_DIR="$root" sh "$TMP/$(basename "$0")"
	exit $?
fi

DIR=$EXT_NEW_INSIDE
rm -rf "$TMP"
TMP=$HOME
trap - EXIT
cd "$HOME" || exit 1
"$PYTHON" "$DIR/docrun.py" "$DIR/extensions.md" || exit 1

cd "$HOME" || exit 1
for class in capture forward filter; do
	nethv ext new "my-$class-2" --class $class --dir "$class" >"$class.out" || fail "new $class: $(cat "$class.out")"
	make -C $class test >"$class.out" 2>&1 || fail "make test of $class: $(cat "$class.out")"
	grep -q '^good$' "$class.out" || fail "$class is not good: $(cat "$class.out")"
	grep -q ' 0 broken' "$class.out" || fail "$class breaks rules: $(cat "$class.out")"
	! grep -q 'warning' "$class.out" || fail "$class has warnings: $(cat "$class.out")"
	echo "ok: $class, with Make"
	! nethv ext new other --class $class --dir "$class" 2>"$class.err" || fail "it writes over a project"
	grep -q 'there are files in it already' "$class.err" || fail "$(cat "$class.err")"
done
# Each has a GUID of its own, of version 4.
nr=$(for class in capture forward filter; do nethv ext info $class/my-$class-2.so --json; done |
	grep -E '"guid": "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]' | sort -u | wc -l)
[ "$nr" = 3 ] || fail "$nr different GUIDs of 3"
echo "ok: GUIDs"

if /usr/bin/meson --version >/dev/null 2>&1; then
	for class in capture forward filter; do
		/usr/bin/meson setup "$class/build" "$class" >m.out 2>&1 || fail "meson setup: $(cat m.out)"
		/usr/bin/meson test -C "$class/build" >m.out 2>&1 || fail "meson test: $(cat m.out)"
		grep -Eq '^Ok: +2' m.out || fail "meson test ran something else: $(cat m.out)"
		echo "ok: $class, with Meson"
	done
fi

# The test of the project can fail: a filter that lets everything pass is found.
sed -i 's/nethv_drop(b, i, DROP_CLOSED);/;/' filter/my-filter-2.c
! make -C filter test >m.out 2>&1 || fail "a filter that does nothing passes its test"
grep -q 'packet 3 differs' m.out || fail "$(cat m.out)"
echo "ok: the project's test fails when it should"
