/* SPDX-License-Identifier: BSD-3-Clause */
/* Entry of every VP; nethv/abi/boot.h says with what in the registers. */
	.text
	.globl	_start
_start:
	xorl	%ebp, %ebp
	cld
	call	rt_start	/* RSP was a multiple of 16; RDI and RSI are its arguments */
	ud2
	.section .note.GNU-stack,"",@progbits
