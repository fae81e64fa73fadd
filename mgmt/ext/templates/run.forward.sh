#!/bin/sh
# SPDX-License-Identifier: 0BSD
# run.sh EXTENSION.so: what it does with the frames of in.pcap on a switch with three ports.
set -eu
here=$(dirname "$0")
exec "${NETHV:-nethv}" ext test "$1" --config "$here/config.json" --ports 3 \
	--in "$here/in.pcap" \
	--expect-port "out=$here/expect.pcap" --expect-port "p3=$here/expect3.pcap"
