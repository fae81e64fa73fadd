#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The headers of the SDK by themselves, pedantic, in C11 and C++; compile.sh INCLUDE SOURCE.cc
set -u
inc=$1 cxx=$2 tmp=$(mktemp -d) bad=0
trap 'rm -rf "$tmp"' EXIT
flags="-Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers -I$inc"

try() {
	what=$1
	shift
	if ! command -v "$1" >/dev/null; then
		echo "not tried, there is no $1: $what"
	elif "$@"; then
		echo "ok: $what"
	else
		echo "FAIL: $what"
		bad=1
	fi
}

printf '#include <nethv/extension.h>\nint x;\n' >"$tmp/h.c"
cp "$tmp/h.c" "$tmp/h.cc"
for c in gcc clang; do
	try "C11, $c" $c -std=c11 $flags -fsyntax-only "$tmp/h.c"
done
for c in g++ clang++; do
	try "C++11, $c" $c -std=c++11 $flags -fsyntax-only "$tmp/h.cc"
	try "an extension in C++20, $c" $c -std=c++20 $flags -shared -fPIC -o "$tmp/$c.so" "$cxx"
done
# The optional header, with DPDK's own flags.
sed 's/extension.h/extension_dpdk.h/' "$tmp/h.c" >"$tmp/d.c"
try "extension_dpdk.h" gcc -std=gnu11 -Wall -Wextra -Werror -I"$inc" $(pkg-config --cflags libdpdk) \
	-fsyntax-only "$tmp/d.c"
exit $bad
