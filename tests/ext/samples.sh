#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# samples.sh ROOT NETHV-EXT: each sample is built out of tree by its own Makefile, with nothing but the SDK's
# header, and put through the rules by `nethv ext check`. TAP.
root=$1
ext=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/sdk"
cp -r "$root/include/nethv" "$work/sdk/"
cp -r "$root/docs/examples/extensions" "$work/samples"
printf '#!/bin/sh\nshift\nexec "%s" "$@"\n' "$ext" >"$work/nethv" # nethv ext VERB is nethv-ext VERB
chmod +x "$work/nethv"
names=$(cd "$work/samples" && ls -d */)
# shellcheck disable=SC2086
echo "1..$(echo $names | wc -w)"
n=0
for d in $names; do
	n=$((n + 1))
	if make -C "$work/samples/$d" test SDK="-I$work/sdk" CFLAGS="-O2 -Werror" NETHV="$work/nethv" \
		>"$work/log" 2>&1; then
		echo "ok $n - ${d%/}"
	else
		echo "not ok $n - ${d%/}"
		sed 's/^/# /' "$work/log"
	fi
done
