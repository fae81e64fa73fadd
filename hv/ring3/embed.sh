#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Writes an assembler file that embeds the stub: embed.sh <stub ELF> <output.S>
set -eu
cat > "$2" <<END
	.section .rodata
	.balign 16
	.globl r3_stub_start, r3_stub_end
r3_stub_start:
	.incbin "$1"
r3_stub_end:
	.section .note.GNU-stack,"",@progbits
END
