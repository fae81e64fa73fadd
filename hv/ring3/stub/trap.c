/* SPDX-License-Identifier: BSD-3-Clause */
/* Privileged instructions: decoded here, finished here where they concern this VP alone, else
 * handed to the worker as an exit. Whatever is not in the table ends the partition. */
#include "hv/ring3/stub/stub.h"
#include "hv/ring3/stub/sys.h"

#define SIG_SEGV 11
#define TRAP_GP	 13u
#define LOW32	 0xffffffffull

struct insn {
	uint64_t rip;
	uint8_t nr_bytes;
	uint8_t byte[HV_EXIT_BYTES];
	bool is_16bit, is_rex_b;
	unsigned int op; /* index of the opcode byte, behind prefixes */
};

static void insn_fetch(struct insn *in, uint64_t rip)
{
	*in = (struct insn){.rip = rip};
	while (in->nr_bytes < HV_EXIT_BYTES && stub_is_ram(rip + in->nr_bytes, 1)) {
		in->byte[in->nr_bytes] = *(const uint8_t *)(rip + in->nr_bytes);
		in->nr_bytes++;
	}
	if (in->byte[0] == 0x66) {
		in->is_16bit = true;
		in->op++;
	}
	if ((in->byte[in->op] & 0xf0) == 0x40) {
		in->is_rex_b = in->byte[in->op] & 1;
		in->op++;
	}
}

void stub_read_byte(int fd)
{
	uint8_t byte;
	long n;

	do {
		n = sys3(__NR_read, (uint64_t)fd, (uint64_t)&byte, 1);
	} while (n < 0); /* a signal came */
	if (n == 0)
		sys3(__NR_exit_group, 1, 0, 0);
}

/* Writes the exit, wakes the worker's thread of this VP, and waits for its answer. */
static uint64_t exit_to_worker(struct stub_vp *vp, const struct hv_exit *ex)
{
	int out = r3_vp_fd(vp->index, R3_VP_EXIT), in = r3_vp_fd(vp->index, R3_VP_RESUME);
	uint8_t byte = 1;

	vp->sh->exit = *ex;
	/* Pairs with the worker's acquire load: the record is complete. */
	__atomic_store_n(&vp->sh->state, R3_VP_EXITED, __ATOMIC_RELEASE);
	sys3(__NR_write, (uint64_t)out, (uint64_t)&byte, 1);
	stub_read_byte(in);
	return __atomic_load_n(&vp->sh->value, __ATOMIC_ACQUIRE);
}

void stub_fault(struct stub_vp *vp, const uint64_t *g, uint32_t trap, uint64_t address)
{
	struct hv_exit ex = {
		.kind = HV_EXIT_FAULT,
		.rip = g[G_RIP],
		.value = address,
		.trap = trap,
		.error = (uint32_t)g[G_ERR],
	};
	struct insn in;
	unsigned int i;

	insn_fetch(&in, g[G_RIP]);
	ex.nr_bytes = in.nr_bytes;
	for (i = 0; i < HV_EXIT_BYTES; i++)
		ex.bytes[i] = in.byte[i];
	exit_to_worker(vp, &ex);
	for (;;)
		sys3(__NR_exit_group, 1, 0, 0);
}

static bool do_msr(struct stub_vp *vp, uint64_t *g, uint64_t rip, bool is_write)
{
	struct hv_exit ex = {
		.kind = is_write ? HV_EXIT_WRMSR : HV_EXIT_RDMSR,
		.rip = rip,
		.msr = (uint32_t)g[G_RCX],
		.value = (g[G_RDX] & LOW32) << 32 | (g[G_RAX] & LOW32),
	};
	uint64_t value = exit_to_worker(vp, &ex);

	if (!is_write) {
		g[G_RAX] = value & LOW32;
		g[G_RDX] = value >> 32;
	}
	return true;
}

static void do_cpuid(uint64_t *g)
{
	const struct nethv_boot *b = (const struct nethv_boot *)stub_config()->boot_gpa;
	uint32_t leaf = (uint32_t)g[G_RAX], sub = (uint32_t)g[G_RCX], i;
	struct nethv_cpuid r = {0};

	for (i = 0; i < b->nr_cpuid && i < NETHV_CPUID_MAX; i++) {
		const struct nethv_cpuid *c = &b->cpuid[i];

		if (c->leaf != leaf || (c->subleaf != sub && c->subleaf != 0))
			continue;
		r = *c; /* subleaf 0 stands in for one that is not listed */
		if (r.subleaf == sub)
			break;
	}
	g[G_RAX] = r.eax;
	g[G_RBX] = r.ebx;
	g[G_RCX] = r.ecx;
	g[G_RDX] = r.edx;
}

static const uint8_t reg_of_modrm[16] = {
	G_RAX, G_RCX, G_RDX, G_RBX, G_RSP, G_RBP, G_RSI, G_RDI,
	G_R8,  G_R9,  G_R10, G_R11, G_R12, G_R13, G_R14, G_R15,
};

/* lidt with the operand at (reg) or disp32(%rip). */
static unsigned int do_lidt(struct stub_vp *vp, const uint64_t *g, const struct insn *in)
{
	uint8_t modrm = in->byte[in->op + 2], rm = modrm & 7;
	unsigned int len = in->op + 3;
	uint64_t at;

	if ((modrm & 0xf8) != 0x18 || rm == 4)
		return 0;
	if (rm == 5) {
		len += 4;
		at = in->rip + len +
		     (uint64_t)(int64_t)(int32_t)((uint32_t)in->byte[len - 4] |
						  (uint32_t)in->byte[len - 3] << 8 |
						  (uint32_t)in->byte[len - 2] << 16 |
						  (uint32_t)in->byte[len - 1] << 24);
	} else {
		at = g[reg_of_modrm[rm + (in->is_rex_b ? 8 : 0)]];
	}
	if (!stub_is_ram(at, 10))
		return 0;
	vp->idt_limit = *(const uint16_t *)at;
	vp->idt_base = *(const uint64_t *)(at + 2);
	return len;
}

static void do_io(struct stub_vp *vp, uint64_t *g, uint64_t rip, uint16_t port, uint8_t size,
		  bool is_out)
{
	uint64_t mask = size == 4 ? LOW32 : (1ull << (8 * size)) - 1;
	struct hv_exit ex = {
		.kind = HV_EXIT_IO,
		.rip = rip,
		.port = port,
		.size = size,
		.is_out = is_out,
		.value = g[G_RAX] & mask,
	};
	uint64_t value;

	if (is_out && port == NETHV_PORT_HYPERCALL) {
		ex.kind = HV_EXIT_HYPERCALL;
		ex.rcx = g[G_RCX];
		ex.rdx = g[G_RDX];
		ex.r8 = g[G_R8];
	}
	value = exit_to_worker(vp, &ex);
	if (ex.kind == HV_EXIT_HYPERCALL)
		g[G_RAX] = value;
	else if (!is_out)
		g[G_RAX] = size == 4 ? value & mask : (g[G_RAX] & ~mask) | (value & mask);
}

/* E4-E7 and EC-EF: bit 0 is the operand size, bit 1 out, bit 3 the port in DX. */
static unsigned int io_insn(struct stub_vp *vp, uint64_t *g, const struct insn *in)
{
	uint8_t op = in->byte[in->op], size = op & 1 ? (in->is_16bit ? 2 : 4) : 1;
	bool is_dx = op & 8;

	do_io(vp, g, in->rip, is_dx ? (uint16_t)g[G_RDX] : in->byte[in->op + 1], size, op & 2);
	return in->op + (is_dx ? 1 : 2);
}

/* sti. With hlt behind it the pair is one step, as the interrupt shadow makes it on a CPU: nothing
 * can come in between that hlt would then sleep over. */
static unsigned int do_sti(struct stub_vp *vp, const struct insn *in)
{
	bool has_hlt = in->byte[in->op + 1] == 0xf4;
	unsigned int i;

	vp->irq_on = 1;
	if (!has_hlt)
		return in->op + 1;
	for (i = 0; i < 4; i++) {
		if (vp->held[i])
			return in->op + 2;
	}
	stub_wait_irq(vp);
	return in->op + 2;
}

static unsigned int two_byte(struct stub_vp *vp, uint64_t *g, const struct insn *in)
{
	switch (in->byte[in->op + 1]) {
	case 0x01: return do_lidt(vp, g, in);
	case 0x30: do_msr(vp, g, in->rip, true); return in->op + 2;
	case 0x32: do_msr(vp, g, in->rip, false); return in->op + 2;
	case 0xa2: do_cpuid(g); return in->op + 2;
	default: return 0;
	}
}

/* The length of the instruction, or 0 when it is none of ours. */
static unsigned int emulate(struct stub_vp *vp, uint64_t *g, const struct insn *in)
{
	switch (in->byte[in->op]) {
	case 0x0f: return two_byte(vp, g, in);
	case 0xe4 ... 0xe7:
	case 0xec ... 0xef: return io_insn(vp, g, in);
	case 0xfa: vp->irq_on = 0; return in->op + 1;
	case 0xfb: return do_sti(vp, in);
	case 0xf4: stub_wait_irq(vp); return in->op + 1;
	default: return 0;
	}
}

void stub_on_fault(int sig, void *info, uint8_t *ucontext)
{
	uint64_t *g = (uint64_t *)(ucontext + UCONTEXT_GREGS);
	struct stub_vp *vp = stub_current_vp();
	unsigned int len = 0;
	struct insn in;

	vp->sh->traps++;
	if (sig == SIG_SEGV && g[G_TRAPNO] == TRAP_GP) {
		insn_fetch(&in, g[G_RIP]);
		len = emulate(vp, g, &in);
	}
	if (len == 0)
		stub_fault(vp, g, (uint32_t)g[G_TRAPNO], g[G_CR2]);
	g[G_RIP] += len;
	if (vp->irq_on)
		stub_inject_held(vp, g);
}
