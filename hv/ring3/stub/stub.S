/* SPDX-License-Identifier: BSD-3-Clause */
/* Entry, signal return, thread creation and the jump into the guest. */
#include <asm/unistd.h>

	.text
	.globl	_start
_start:
	xorl	%ebp, %ebp
	movq	%rsp, %rdi
	leaq	boot_stack_top(%rip), %rsp
	call	stub_main
	ud2

	.globl	stub_restorer
stub_restorer:
	movl	$__NR_rt_sigreturn, %eax
	syscall
	ud2

/* long stub_clone(flags, stack_top, fn, vp): the thread calls fn(vp) on its own stack. */
	.globl	stub_clone
stub_clone:
	pushq	%r12
	movl	%ecx, %r12d		/* the child inherits the registers */
	movq	%rdx, %r9
	xorl	%edx, %edx
	xorl	%r10d, %r10d
	xorl	%r8d, %r8d
	movl	$__NR_clone, %eax
	syscall
	testq	%rax, %rax
	jz	1f
	popq	%r12
	ret
1:	xorl	%ebp, %ebp
	movl	%r12d, %edi
	call	*%r9
	ud2

/* void stub_enter(entry, rdi, rsi, rsp): every other register starts as 0. */
	.globl	stub_enter
stub_enter:
	movq	%rcx, %rsp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	xorl	%ebx, %ebx
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%ebp, %ebp
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	xorl	%r14d, %r14d
	xorl	%r15d, %r15d
	jmp	*%rax

	.bss
	.balign	16
boot_stack:
	.skip	16384
boot_stack_top:
	.section .note.GNU-stack,"",@progbits
