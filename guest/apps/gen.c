/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `pktgen`. */
#include "guest/apps/gen.h"

#define PATIENCE_DIV 5u /* 200 ms at first */
#define PATIENCE_MAX 2u /* seconds; it doubles up to there */
#define FINS_MAX     40u
#define HELLO_DIV    50u /* every 20 ms */

static void be_patient(struct gen *g, uint64_t tsc)
{
	g->patience = g->cfg.tsc_hz / PATIENCE_DIV;
	g->deadline = tsc + g->patience;
}

void gen_init(struct gen *g, const struct gen_cfg *cfg)
{
	__builtin_memset(g, 0, sizeof(*g));
	g->cfg = *cfg;
	flow_tmpl_init(&g->hello, &cfg->id, FLOW_HELLO, FLOW_LEN_MIN);
	flow_tmpl_init(&g->data, &cfg->id, FLOW_DATA, cfg->len);
	flow_tmpl_init(&g->fin, &cfg->id, FLOW_FIN, FLOW_LEN_MIN);
}

void gen_join(struct gen *g, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		g[i].all = g;
		g[i].nr_all = n;
	}
}

static bool mail_lock(struct gen_mail *box)
{
	return !__atomic_test_and_set(&box->is_locked, __ATOMIC_ACQUIRE);
}

static void mail_unlock(struct gen_mail *box)
{
	__atomic_clear(&box->is_locked, __ATOMIC_RELEASE);
}

static void mail_put(struct gen_mail *box, const struct flow_msg *m)
{
	if (!mail_lock(box))
		return;
	box->m = *m;
	__atomic_store_n(&box->is_full, true, __ATOMIC_RELAXED);
	mail_unlock(box);
}

static bool mail_get(struct gen_mail *box, struct flow_msg *m)
{
	if (!__atomic_load_n(&box->is_full, __ATOMIC_RELAXED) || !mail_lock(box))
		return false;
	*m = box->m;
	__atomic_store_n(&box->is_full, false, __ATOMIC_RELAXED);
	mail_unlock(box);
	return true;
}

static void stop(struct gen *g, uint64_t tsc)
{
	g->state = GEN_FIN;
	be_patient(g, tsc);
	g->deadline = tsc; /* ask at once */
}

static void take_credit(struct gen *g, const struct flow_msg *m, uint64_t tsc)
{
	if (m->id.flow != g->cfg.id.flow || m->id.epoch != g->cfg.id.epoch || m->seq > g->seq) {
		g->strange++;
		return;
	}
	g->credits++;
	if (m->seq > g->acked) {
		g->acked = m->seq;
		hist_add(&g->rtt, (tsc - m->tsc) & FLOW_TSC_MASK);
	}
	g->report = m->report;
	g->is_probing = false;
	if (g->state == GEN_HELLO)
		g->state = GEN_RUN;
	if (g->state == GEN_RUN)
		be_patient(g, tsc);
	if (g->state == GEN_FIN && m->type == FLOW_FIN_ACK) {
		g->has_report = true;
		g->state = GEN_DONE;
	}
}

/* Takes a credit, or hands it to the flow that it is for. */
static void pass_credit(struct gen *g, const struct flow_msg *m, uint64_t tsc)
{
	if (m->id.flow == g->cfg.id.flow || m->id.flow >= g->nr_all)
		take_credit(g, m, tsc);
	else
		mail_put(&g->all[m->id.flow].mail, m);
}

static unsigned int receive(struct gen *g, struct nvsc_queue *q, uint64_t tsc)
{
	struct nvsc_frame f[NVSC_BURST];
	unsigned int n = nvsc_rx_burst(q, f, NVSC_BURST), i;
	enum flow_verdict v;
	struct flow_msg m;

	for (i = 0; i < n; i++) {
		v = flow_parse(f[i].data, f[i].len, &m);
		if (v == FLOW_GOOD && (m.type == FLOW_CREDIT || m.type == FLOW_FIN_ACK))
			pass_credit(g, &m, tsc);
		else if (v == FLOW_CORRUPT)
			g->corrupted++;
		else
			g->strange++;
	}
	nvsc_rx_drop(q, f, n);
	if (mail_get(&g->mail, &m)) {
		take_credit(g, &m, tsc);
		n++;
	}
	return n;
}

/* How many frames may go now. */
static uint64_t allowance(const struct gen *g, uint64_t tsc)
{
	uint64_t n = g->acked + g->cfg.window - g->seq, due, dt;

	if (g->is_probing || g->seq - g->acked >= g->cfg.window)
		return 0;
	if (g->cfg.count && n > g->cfg.count - g->seq)
		n = g->cfg.count - g->seq;
	if (g->cfg.rate) {
		dt = tsc - g->start_tsc;
		due = dt / g->cfg.tsc_hz * g->cfg.rate +
		      dt % g->cfg.tsc_hz * g->cfg.rate / g->cfg.tsc_hz;
		due = due > g->seq ? due - g->seq : 0;
		n = n < due ? n : due;
	}
	return n < g->cfg.burst ? n : g->cfg.burst;
}

static unsigned int send(struct gen *g, struct nvsc_queue *q, uint64_t n, uint64_t tsc)
{
	unsigned int sent = 0;
	uint8_t *p;

	for (; sent < n; sent++) {
		p = nvsc_tx_alloc(q, g->cfg.len, 0, 0);
		if (!p)
			break;
		flow_build(&g->data, p, g->seq++, tsc, NULL);
	}
	return sent;
}

/* Nothing was heard for too long. */
static void impatient(struct gen *g, struct nvsc_queue *q, uint64_t tsc)
{
	if (g->seq == g->acked) {
		be_patient(g, tsc);
		return;
	}
	g->credits_timeouts++;
	g->is_probing = true;
	if (!g->cfg.count || g->seq < g->cfg.count)
		send(g, q, 1, tsc);
	if (g->patience < PATIENCE_MAX * g->cfg.tsc_hz)
		g->patience *= 2;
	g->deadline = tsc + g->patience;
	if (g->cfg.count && g->seq == g->cfg.count)
		stop(g, tsc);
}

static unsigned int run(struct gen *g, struct nvsc_queue *q, uint64_t tsc)
{
	unsigned int n;

	if (!g->start_tsc) {
		g->start_tsc = tsc;
		be_patient(g, tsc);
	}
	if (g->seq == g->acked)
		g->deadline = tsc + g->patience; /* nothing is awaited */
	n = send(g, q, allowance(g, tsc), tsc);
	if ((g->cfg.count && g->acked == g->cfg.count) ||
	    __atomic_load_n(&g->is_stop_wanted, __ATOMIC_RELAXED))
		stop(g, tsc);
	else if (tsc > g->deadline)
		impatient(g, q, tsc);
	return n;
}

static bool ask(const struct gen *g, struct nvsc_queue *q, const struct flow_tmpl *t, uint64_t tsc)
{
	uint8_t *p = nvsc_tx_alloc(q, FLOW_LEN_MIN, 0, 0);

	if (p)
		flow_build(t, p, g->seq, tsc, NULL);
	return p;
}

static void greet(struct gen *g, struct nvsc_queue *q, uint64_t tsc)
{
	if (__atomic_load_n(&g->is_stop_wanted, __ATOMIC_RELAXED))
		g->state = GEN_DONE; /* nothing was sent, nothing is to be confirmed */
	else if (tsc >= g->deadline && ask(g, q, &g->hello, tsc))
		g->deadline = tsc + g->cfg.tsc_hz / HELLO_DIV;
}

/* Asks for the final report, again and again. */
static void finish(struct gen *g, struct nvsc_queue *q, uint64_t tsc)
{
	if (tsc < g->deadline)
		return;
	if (g->fins == FINS_MAX) {
		g->state = GEN_DONE;
		return;
	}
	if (!ask(g, q, &g->fin, tsc))
		return;
	g->fins++;
	g->deadline = tsc + g->patience;
	if (g->patience < PATIENCE_MAX * g->cfg.tsc_hz)
		g->patience *= 2;
}

unsigned int gen_poll(struct gen *g, struct nvsc_queue *q, uint64_t tsc)
{
	unsigned int n = receive(g, q, tsc);

	if (g->state == GEN_HELLO)
		greet(g, q, tsc);
	if (g->state == GEN_RUN)
		n += run(g, q, tsc);
	if (g->state == GEN_FIN)
		finish(g, q, tsc);
	nvsc_flush(q);
	return n;
}
