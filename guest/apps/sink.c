/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `sink`. */
#include "guest/apps/sink.h"

#define CREDIT_EVERY 16u /* frames; sooner when the queue runs empty */

void sink_init(struct sink *s)
{
	__builtin_memset(s, 0, sizeof(*s));
}

static void retire(struct sink *s, const struct sink_flow *f)
{
	s->past_lost += seq_lost(&f->seq, f->total);
	s->past_duplicated += f->seq.duplicated;
	s->past_reordered += f->seq.reordered;
}

static void start(struct sink_flow *f, const struct flow_id *id)
{
	struct flow_id back = flow_reverse(id);

	__builtin_memset(f, 0, sizeof(*f));
	f->is_used = true;
	f->id = *id;
	seq_init(&f->seq);
	flow_tmpl_init(&f->credit, &back, FLOW_CREDIT, FLOW_REPORT_LEN);
	flow_tmpl_init(&f->fin_ack, &back, FLOW_FIN_ACK, FLOW_REPORT_LEN);
}

/* The flow of this message; a new one, or one in a new epoch, is begun. NULL: too many. */
static struct sink_flow *find(struct sink *s, const struct flow_msg *m)
{
	struct sink_flow *f;
	unsigned int i;

	for (i = 0; i < SINK_FLOWS_MAX; i++) {
		f = &s->flow[i];
		if (!f->is_used)
			break;
		if (f->id.flow == m->id.flow && !__builtin_memcmp(f->id.src, m->id.src, 6)) {
			if (f->id.epoch == m->id.epoch)
				return f;
			retire(s, f);
			break;
		}
	}
	if (i == SINK_FLOWS_MAX)
		return NULL;
	start(&s->flow[i], &m->id);
	return &s->flow[i];
}

static void take_data(struct sink *s, struct sink_flow *f, const struct flow_msg *m, uint32_t len)
{
	if (m->seq >= f->seq.next)
		f->tsc = m->tsc;
	seq_add(&f->seq, m->seq);
	f->uncredited++;
	f->owes_credit = true;
	s->rx_packets++;
	s->rx_bytes += len;
}

static void take_fin(struct sink *s, struct sink_flow *f, const struct flow_msg *m)
{
	if (!f->is_finished)
		s->finished++;
	f->is_finished = true;
	f->total = m->seq;
	f->owes_fin_ack = true;
}

void sink_frame(struct sink *s, const uint8_t *frame, uint32_t len)
{
	struct sink_flow *f;
	struct flow_msg m;

	switch (flow_parse(frame, len, &m)) {
	case FLOW_OTHER: s->strange++; return;
	case FLOW_CORRUPT: s->corrupted++; return;
	case FLOW_GOOD: break;
	}
	if (m.type != FLOW_DATA && m.type != FLOW_FIN && m.type != FLOW_HELLO) {
		s->strange++;
		return;
	}
	f = find(s, &m);
	if (!f)
		s->strange++;
	else if (m.type == FLOW_DATA)
		take_data(s, f, &m, len);
	else if (m.type == FLOW_FIN)
		take_fin(s, f, &m);
	else
		f->owes_credit = true;
}

/* Sends a report of @f with template @t. False: no room now. */
static bool report(struct sink *s, struct nvsc_queue *q, struct sink_flow *f,
		   const struct flow_tmpl *t)
{
	struct flow_report r = {.next = f->seq.next,
				.unique = f->seq.unique,
				.lost = seq_lost(&f->seq, f->total),
				.duplicated = f->seq.duplicated,
				.reordered = f->seq.reordered,
				.corrupted = s->corrupted};
	uint8_t *p = nvsc_tx_alloc(q, t->len, 0, 0);

	if (!p)
		return false;
	flow_build(t, p, f->seq.next, f->tsc, &r);
	s->credits++;
	return true;
}

static unsigned int pay(struct sink *s, struct nvsc_queue *q, bool is_idle)
{
	unsigned int i, n = 0;
	struct sink_flow *f;

	for (i = 0; i < SINK_FLOWS_MAX && s->flow[i].is_used; i++) {
		f = &s->flow[i];
		if (f->owes_credit && (is_idle || f->uncredited >= CREDIT_EVERY) &&
		    report(s, q, f, &f->credit)) {
			f->owes_credit = false;
			f->uncredited = 0;
			n++;
		}
		if (f->owes_fin_ack && report(s, q, f, &f->fin_ack)) {
			f->owes_fin_ack = false;
			n++;
		}
	}
	return n;
}

unsigned int sink_poll(struct sink *s, struct nvsc_queue *q)
{
	struct nvsc_frame f[NVSC_BURST];
	unsigned int n = nvsc_rx_burst(q, f, NVSC_BURST), i, paid;

	for (i = 0; i < n; i++)
		sink_frame(s, f[i].data, f[i].len);
	nvsc_rx_drop(q, f, n);
	paid = pay(s, q, n < NVSC_BURST);
	nvsc_flush(q);
	return n + paid;
}

void sink_totals(const struct sink *s, struct sink_totals *t)
{
	unsigned int i;

	*t = (struct sink_totals){s->past_lost, s->past_duplicated, s->past_reordered};
	for (i = 0; i < SINK_FLOWS_MAX && s->flow[i].is_used; i++) {
		t->lost += seq_lost(&s->flow[i].seq, s->flow[i].total);
		t->duplicated += s->flow[i].seq.duplicated;
		t->reordered += s->flow[i].seq.reordered;
	}
}
