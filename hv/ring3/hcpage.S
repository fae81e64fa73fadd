/* SPDX-License-Identifier: BSD-3-Clause */
/* Hypercall page of ring3. HvSignalEvent on a connection with a doorbell is one write(2) to it;
 * everything else is an OUT, which traps. Only RAX, RCX, RDX, R8-R11 change (TLFS 3.7). */
	.section .rodata
	.balign	16
	.globl	r3_hcpage_start, r3_hcpage_end
r3_hcpage_start:
.Lpage:
	endbr64
	movl	$0x1005d, %eax		/* fast HvSignalEvent, no other control bit */
	cmpq	%rax, %rcx
	jne	1f
	leaq	-0x2001(%rdx), %rax	/* relid - 1, when flag and upper bits are 0 */
	cmpq	.Lpage + 4088(%rip), %rax
	jae	1f
	movq	%rdi, %r9
	movq	%rsi, %r10
	leal	272(%rax), %edi		/* R3_FD_DOORBELLS */
	leaq	.Lpage + 4080(%rip), %rsi
	movl	$8, %edx
	movl	$1, %eax		/* write */
	syscall
	movq	%r9, %rdi
	movq	%r10, %rsi
	xorl	%eax, %eax
	ret
1:	outl	%eax, $0xe4		/* NETHV_PORT_HYPERCALL */
	ret
r3_hcpage_end:
	.section .note.GNU-stack,"",@progbits
