# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# For scenarios in shell: how they tell the host what they found. See docs/lab.md.
#   case_ok NAME            case_bad NAME WHY            case_skip NAME WHY
#   check NAME command…     one of the first two by the command's status; its output follows a failure

case_ok() { echo "ok $1"; }
case_bad() { echo "not ok $1 - $2"; }
case_skip() { echo "skip $1 - $2"; }

check() {
	_name=$1
	shift
	if _said=$("$@" 2>&1); then
		case_ok "$_name"
	else
		case_bad "$_name" "status $? of: $*"
		echo "$_said" | sed 's/^/   | /'
	fi
}
