#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every C file is as clang-format leaves it. Prints the files that are not.
find base bench docs/examples/extensions guest hv include iommu mgmt netvsp sriov tests vmbus vmq vswitch -name '*.[ch]' -print0 |
	xargs -0 clang-format --dry-run -Werror 2>&1 | grep -o '^[^:]*:[0-9]*' | sort -u >"${TMPDIR:-/tmp}/nethv-format.$$"
bad=$(cat "${TMPDIR:-/tmp}/nethv-format.$$")
rm -f "${TMPDIR:-/tmp}/nethv-format.$$"
[ -z "$bad" ] && exit 0
printf 'not formatted (run clang-format -i on them):\n%s\n' "$bad"
exit 1
