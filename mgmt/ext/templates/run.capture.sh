#!/bin/sh
# SPDX-License-Identifier: 0BSD
# run.sh EXTENSION.so: what it does with the frames of in.pcap.
set -eu
here=$(dirname "$0")
exec "${NETHV:-nethv}" ext test "$1" --config "$here/config.json" \
	--in "$here/in.pcap" --expect "$here/expect.pcap" \
	--expect-status '{"arp": 1, "tcp": 5, "udp": 1, "other": 0, "bytes": 459}'
