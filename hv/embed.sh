#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Writes an assembler file that embeds a binary: embed.sh <symbol> <file> <output.S>
# gives <symbol>_start and <symbol>_end.
set -eu
cat > "$3" <<END
	.section .rodata
	.balign 16
	.globl $1_start, $1_end
$1_start:
	.incbin "$2"
$1_end:
	.section .note.GNU-stack,"",@progbits
END
