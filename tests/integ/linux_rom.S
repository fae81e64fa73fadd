/* SPDX-License-Identifier: BSD-3-Clause */
/* Stands in for an engine: a 64 KiB ROM, from reset to the start of VP 0. KIND, ENTRY, BOOT and AREA are
 * symbols given to the assembler (enum hv_start_kind and the addresses of struct hv_vp_start). Since
 * it covers the loader's reset vector, it runs those very bytes (reset.bin) when Linux comes back. */
	.set BASE, 0xf0000
	.set LINUX, 1
	.text
	.code16
start:
	cli
	mov	$(AREA + 0x7000) >> 4, %ax
	mov	%ax, %ds
	cmpb	$1, 0
	je	again
	movb	$1, 0
	lgdtl	%cs:gdtr
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$0x08, $BASE + protected
again:	.incbin "reset.bin"		/* the loader's reset vector */
	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 08: 32-bit code */
	.quad	0x00af9b000000ffff	/* 10: 64-bit code */
	.quad	0x00cf93000000ffff	/* 18: data */
gdtr:	.word	. - gdt - 1
	.long	BASE + gdt

	.code32
protected:
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	.if KIND - LINUX
	mov	$BOOT, %ebx		/* PVH */
	mov	$ENTRY, %eax
	jmp	*%eax
	.else
	movl	$AREA + 0x1003, AREA	/* PML4 -> PDPT -> 4 directories of 2 MiB pages */
	mov	$AREA + 0x2003, %eax
	mov	$AREA + 0x1000, %edi
1:	mov	%eax, (%edi)
	add	$0x1000, %eax
	add	$8, %edi
	cmp	$AREA + 0x1020, %edi
	jne	1b
	mov	$0x83, %eax
	mov	$AREA + 0x2000, %edi
2:	mov	%eax, (%edi)
	add	$0x200000, %eax
	add	$8, %edi
	cmp	$AREA + 0x6000, %edi
	jne	2b
	mov	$0x20, %eax
	mov	%eax, %cr4
	mov	$AREA, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	ljmp	$0x10, $BASE + long_mode
	.code64
long_mode:
	mov	$BOOT, %rsi
	mov	$ENTRY, %rax
	jmp	*%rax
	.endif

	.code16
	.org	0xfff0
	jmp	start
	.org	0x10000
