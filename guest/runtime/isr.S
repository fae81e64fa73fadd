/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt entries. Masking is in software: while this VP's irq_off is set, an interrupt leaves
 * its vector in `pending` and returns. No SSE register is touched. */
#define VP_IRQ_OFF 12
#define VP_PENDING 16
#define X2APIC_EOI 0x80b
#define EXCEPTIONS_WITH_ERROR 0x60227d00 /* 8, 10 to 14, 17, 21, 29, 30 */

	.text
	.balign	16
	.globl	rt_isr_table
rt_isr_table:
	.set	vector, 0
	.rept	256
	.balign	16
	pushq	$vector
	jmp	isr_common
	.set	vector, vector + 1
	.endr

	.balign	16
isr_common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	cld
	cmpb	$0, rt_apic_eoi
	jne	3f
1:	cmpl	$0, %gs:VP_IRQ_OFF
	jne	2f
	/* An interrupt that comes in here runs to its end, and leaves irq_off 0 again. */
	movl	$1, %gs:VP_IRQ_OFF
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	movl	72(%rsp), %edi
	subq	$8, %rsp
	call	rt_isr
	addq	$8, %rsp
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	jmp	4f
2:	movl	24(%rsp), %eax
	btsq	%rax, %gs:VP_PENDING
4:	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$8, %rsp
	iretq
3:	movl	$X2APIC_EOI, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	jmp	1b

/* Exceptions, where the guest has CPL 0: the frame is struct rt_exception of priv.h. Those without an
 * error code get a 0. An interrupt that somebody sends with such a vector is taken for one. */
	.balign	16
	.globl	rt_exception_table
rt_exception_table:
	.set	vector, 0
	.rept	32
	.balign	16
	.if	(EXCEPTIONS_WITH_ERROR >> vector) & 1 == 0
	pushq	$0
	.endif
	pushq	$vector
	jmp	exception_common
	.set	vector, vector + 1
	.endr

	.balign	16
exception_common:
	.irp	reg, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	pushq	%\reg
	.endr
	cld
	movq	%rsp, %rdi
	call	rt_exception
	.irp	reg, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
	popq	%\reg
	.endr
	addq	$16, %rsp
	iretq
	.section .note.GNU-stack,"",@progbits
