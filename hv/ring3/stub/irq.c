/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts in the stub: a signal says that a pipe has something; the vector's handler in the
 * guest is entered by an interrupt frame on the guest's stack, and left by its native iretq.
 * The guest masks in software, so a frame is pushed at any time but between cli and sti. */
#include "hv/ring3/stub/stub.h"
#include "hv/ring3/stub/sys.h"

#define GATE_BYTES    16u
#define FRAME_BYTES   40u
#define SEL_USER_DATA 0x2bu
#define POLLIN_EVENT  1
#define DRAIN_BYTES   512u

bool stub_is_ram(uint64_t at, uint64_t len)
{
	const struct r3_config *cfg = stub_config();
	uint32_t i;

	for (i = 0; i < cfg->nr_regions && i < R3_REGIONS_MAX; i++) {
		const struct r3_region *r = &cfg->region[i];

		if (at >= r->gpa && at - r->gpa < r->len)
			return len <= r->len - (at - r->gpa);
	}
	return false;
}

static bool drain(int fd)
{
	char buf[DRAIN_BYTES];
	long n, total = 0;

	do {
		n = sys3(__NR_read, (uint64_t)fd, (uint64_t)buf, sizeof(buf));
		if (n > 0)
			total += n;
	} while (n == (long)sizeof(buf));
	return total > 0;
}

static void inject(struct stub_vp *vp, uint64_t *g, unsigned int vector)
{
	uint64_t *frame = (uint64_t *)((g[G_RSP] & ~15ull) - FRAME_BYTES);
	uint64_t gate = vp->idt_base + (uint64_t)vector * GATE_BYTES;
	const uint16_t *w = (const uint16_t *)gate;
	const uint32_t *hi = (const uint32_t *)(gate + 8);

	if ((vector + 1) * GATE_BYTES - 1 > vp->idt_limit || !stub_is_ram(gate, GATE_BYTES))
		stub_fault(vp, g, 8, gate);
	if (!stub_is_ram((uint64_t)frame, FRAME_BYTES))
		stub_fault(vp, g, 12, (uint64_t)frame);
	frame[0] = g[G_RIP];
	frame[1] = g[G_CSGSFS] & 0xffff;
	frame[2] = g[G_EFL];
	frame[3] = g[G_RSP];
	frame[4] = SEL_USER_DATA;
	g[G_RSP] = (uint64_t)frame;
	g[G_RIP] = (uint64_t)*hi << 32 | (uint64_t)w[3] << 16 | w[0];
	vp->sh->injected++;
}

/* Several at once nest: the last one pushed runs first, and its iretq enters the one before. */
void stub_inject_held(struct stub_vp *vp, uint64_t *g)
{
	unsigned int i, bit;

	for (i = 0; i < 4; i++) {
		while (vp->held[i]) {
			bit = (unsigned int)__builtin_ctzll(vp->held[i]);
			vp->held[i] &= vp->held[i] - 1;
			inject(vp, g, i * 64 + bit);
		}
	}
}

static void deliver(struct stub_vp *vp, uint8_t *ucontext)
{
	uint64_t *g = (uint64_t *)(ucontext + UCONTEXT_GREGS);

	if (vp->irq_on)
		stub_inject_held(vp, g);
}

void stub_on_sint(int sig, void *info, uint8_t *ucontext)
{
	struct stub_vp *vp = stub_current_vp();
	uint32_t vector;

	vp->sh->irq_signals++;
	if (!drain(r3_vp_fd(vp->index, R3_VP_SINT)))
		return;
	/* Pairs with the worker's store before it looks for flags that came while masked. */
	vector = __atomic_load_n(&vp->sh->sint_vector, __ATOMIC_SEQ_CST) & 0xff;
	if (vector)
		vp->held[vector / 64] |= 1ull << (vector % 64);
	deliver(vp, ucontext);
}

void stub_on_aux(int sig, void *info, uint8_t *ucontext)
{
	struct stub_vp *vp = stub_current_vp();
	unsigned int i;

	vp->sh->irq_signals++;
	drain(r3_vp_fd(vp->index, R3_VP_AUX));
	/* Pairs with the worker's OR before it wrote the pipe. */
	for (i = 0; i < 4; i++)
		vp->held[i] |= __atomic_exchange_n(&vp->sh->vectors[i], 0, __ATOMIC_ACQ_REL);
	deliver(vp, ucontext);
}

/* Until a pipe is readable. Its signal is pending by then, or about to be: it is delivered when
 * the handler returns, and drains the pipe. */
void stub_wait_irq(struct stub_vp *vp)
{
	struct {
		int32_t fd;
		int16_t events, revents;
	} pfd[2] = {
		{r3_vp_fd(vp->index, R3_VP_SINT), POLLIN_EVENT, 0},
		{r3_vp_fd(vp->index, R3_VP_AUX), POLLIN_EVENT, 0},
	};

	vp->sh->halts++;
	sys6(__NR_ppoll, (uint64_t)pfd, 2, 0, 0, 8, 0);
}
