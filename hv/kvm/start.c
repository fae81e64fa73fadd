/* SPDX-License-Identifier: BSD-3-Clause */
/* The state in which a VP begins: our image and Linux in 64-bit mode with an identity map, PVH in
 * 32-bit protected mode, the other VPs of a PC in wait for SIPI. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "hv/kvm/priv.h"
#include "hv/priv.h"

#define PAGE		4096u
#define ENTRIES		512u
#define PRESENT_RW	0x3ull
#define PAGE_2M		0x83ull
#define SIZE_2M		(2ull << 20)
#define SIZE_1G		(1ull << 30)
#define IMAGE_TABLES	(NETHV_RAM_BASE + 0x20000) /* GDT, PML4, PDPT, PDs; up to the image */
#define LINUX_MAP_BYTES (4ull << 30)

#define CR0_PE	     (1ull << 0)
#define CR0_LONG     0x80050033ull /* PG AM WP NE ET MP PE */
#define CR4_PAE	     (1ull << 5)
#define CR4_SSE	     (3ull << 9) /* OSFXSR, OSXMMEXCPT */
#define EFER_LONG    0x500ull	 /* LME LMA */
#define RFLAGS_FIXED 2ull

#define APIC_BASE_X2APIC 0xc00ull /* enabled, in x2APIC mode */
#define APIC_BASE_BSP	 0x100ull
#define APIC_SPIV	 0xf0
#define APIC_SPIV_ON	 0x1ffu

/* Entries 1 and 2 are those of Linux's boot protocol (0x10, 0x18), too. */
static const uint64_t gdt[] = {
	0, 0x00af9b000000ffffull, /* 0x08: 64-bit code */
	0x00af9b000000ffffull,	  /* 0x10: 64-bit code, __BOOT_CS */
	0x00cf93000000ffffull,	  /* 0x18: data, __BOOT_DS */
};
#define SEL_CODE 0x10
#define SEL_DATA 0x18

/* GDT at @at, then the page tables that map [0, @bytes) onto itself. 0 or -errno. */
static int tables_write(const struct kvm_vm *vm, uint64_t at, uint64_t room, uint64_t bytes)
{
	const unsigned int nr_pd = (unsigned int)((bytes + SIZE_1G - 1) / SIZE_1G);
	const uint64_t pdpt = at + 2 * PAGE, pd = at + 3 * PAGE;
	uint8_t *base = kvm_hva(vm, at, room);
	uint64_t *t;
	unsigned int i;

	if (!base || (3 + (uint64_t)nr_pd) * PAGE > room || nr_pd > ENTRIES)
		return err_set(-EINVAL, "%s: no room for the page tables of %llu GiB", vm->name,
			       (unsigned long long)(bytes >> 30));
	memset(base, 0, (3 + (size_t)nr_pd) * PAGE);
	memcpy(base, gdt, sizeof(gdt));
	t = (uint64_t *)(base + PAGE);
	t[0] = pdpt | PRESENT_RW;
	t = (uint64_t *)(base + 2 * PAGE);
	for (i = 0; i < nr_pd; i++)
		t[i] = (pd + (uint64_t)i * PAGE) | PRESENT_RW;
	t = (uint64_t *)(base + 3 * PAGE);
	for (i = 0; i < nr_pd * ENTRIES; i++)
		t[i] = i * SIZE_2M | PAGE_2M;
	return 0;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool is_long)
{
	return (struct kvm_segment){.limit = ~0u,
				    .selector = selector,
				    .type = type,
				    .present = 1,
				    .s = 1,
				    .g = 1,
				    .l = is_long,
				    .db = !is_long};
}

static void segments_set(struct kvm_sregs *s, uint64_t gdt_at, bool is_long)
{
	s->cs = segment(SEL_CODE, 11, is_long);
	s->ds = s->es = s->ss = s->fs = s->gs = segment(SEL_DATA, 3, false);
	s->gdt.base = gdt_at;
	s->gdt.limit = gdt_at ? sizeof(gdt) - 1 : 0;
	s->idt.base = 0;
	s->idt.limit = 0;
}

static int regs_put(const struct kvm_vm *vm, unsigned int vp, const struct kvm_sregs *s,
		    const struct kvm_regs *r)
{
	struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_RUNNABLE};
	int fd = vm->vp[vp].fd;

	if (ioctl(fd, KVM_SET_SREGS, s) < 0 || ioctl(fd, KVM_SET_REGS, r) < 0 ||
	    ioctl(fd, KVM_SET_MP_STATE, &mp) < 0)
		return err_sys(-errno, "%s: registers of VP %u", vm->name, vp);
	return 0;
}

static void long_mode(struct kvm_sregs *s, uint64_t tables)
{
	segments_set(s, tables, true);
	s->cr3 = tables + PAGE;
	s->cr4 = CR4_PAE;
	s->cr0 = CR0_LONG;
	s->efer = EFER_LONG;
}

/* The image writes the EOI register and is otherwise ignorant of the APIC: it gets one that is on. */
static int apic_on(const struct kvm_vm *vm, unsigned int vp)
{
	struct kvm_lapic_state l;
	const uint32_t on = APIC_SPIV_ON;

	if (ioctl(vm->vp[vp].fd, KVM_GET_LAPIC, &l) < 0)
		return err_sys(-errno, "%s: APIC of VP %u", vm->name, vp);
	memcpy(l.regs + APIC_SPIV, &on, sizeof(on));
	if (ioctl(vm->vp[vp].fd, KVM_SET_LAPIC, &l) < 0)
		return err_sys(-errno, "%s: APIC of VP %u", vm->name, vp);
	return 0;
}

static uint64_t ram_end(const struct kvm_vm *vm)
{
	const struct kvm_mem *last = &vm->mem[vm->nr_mem - 1];

	return last->gpa + last->len;
}

static int start_image(struct kvm_vm *vm, unsigned int vp, const struct hv_vp_start *start,
		       struct kvm_sregs *s)
{
	struct kvm_regs r = {.rip = start->entry,
			     .rflags = RFLAGS_FIXED,
			     .rsp = start->area_gpa + NETHV_VP_AREA,
			     .rdi = start->boot_gpa,
			     .rsi = vp};
	int rc = 0;

	if (vp == 0)
		rc = tables_write(vm, IMAGE_TABLES, NETHV_IMAGE_BASE - IMAGE_TABLES, ram_end(vm));
	if (rc)
		return rc;
	long_mode(s, IMAGE_TABLES);
	s->cr4 |= CR4_SSE;
	s->gs.base = start->area_gpa;
	s->apic_base |= APIC_BASE_X2APIC | (vp == 0 ? APIC_BASE_BSP : 0);
	rc = regs_put(vm, vp, s, &r);
	return rc ? rc : apic_on(vm, vp);
}

static int start_linux(struct kvm_vm *vm, unsigned int vp, const struct hv_vp_start *start,
		       struct kvm_sregs *s)
{
	struct kvm_regs r = {.rip = start->entry, .rflags = RFLAGS_FIXED, .rsi = start->boot_gpa};
	int rc = tables_write(vm, start->area_gpa, HV_LINUX_START_BYTES, LINUX_MAP_BYTES);

	if (rc)
		return rc;
	long_mode(s, start->area_gpa);
	return regs_put(vm, vp, s, &r);
}

static int start_pvh(struct kvm_vm *vm, unsigned int vp, const struct hv_vp_start *start,
		     struct kvm_sregs *s)
{
	struct kvm_regs r = {.rip = start->entry, .rflags = RFLAGS_FIXED, .rbx = start->boot_gpa};

	segments_set(s, 0, false);
	s->cr0 = CR0_PE;
	s->cr4 = 0;
	s->efer = 0;
	return regs_put(vm, vp, s, &r);
}

int kvm_vp_start(struct kvm_vm *vm, unsigned int vp, const struct hv_vp_start *start)
{
	struct kvm_sregs s;
	int rc = kvm_msr_start(vm, vp);

	if (rc || start->kind == HV_START_SIPI)
		return rc; /* KVM's reset state is the right one for SIPI */
	if (ioctl(vm->vp[vp].fd, KVM_GET_SREGS, &s) < 0)
		return err_sys(-errno, "%s: registers of VP %u", vm->name, vp);
	switch (start->kind) {
	case HV_START_IMAGE: return start_image(vm, vp, start, &s);
	case HV_START_LINUX: return start_linux(vm, vp, start, &s);
	default: return start_pvh(vm, vp, start, &s);
	}
}
