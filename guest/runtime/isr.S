/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt entries. Masking is in software: while this VP's irq_off is set, an interrupt leaves
 * its vector in `pending` and returns. No SSE register is touched. */
#define VP_IRQ_OFF 12
#define VP_PENDING 16
#define X2APIC_EOI 0x80b

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
	.section .note.GNU-stack,"",@progbits
