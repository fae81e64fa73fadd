/* SPDX-License-Identifier: BSD-3-Clause */
/* SynIC: SINTs, the message page with its queues, the event flags page. All page writes of the
 * worker happen here, under the VP's lock; the switch ORs event flags on its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hv/priv.h"

void hv_synic_init(struct hv_synic *s)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < HV_NR_SINTS; i++)
		s->sint[i] = HV_SINT_MASKED;
}

static struct hv_msg *queue_pop(struct hv_msgq *q)
{
	struct hv_msg *m = q->head;

	if (!m)
		return NULL;
	q->head = m->next;
	if (!q->head)
		q->tail = NULL;
	q->n--;
	return m;
}

static void queue_push(struct hv_msgq *q, struct hv_msg *m)
{
	m->next = NULL;
	if (q->tail)
		q->tail->next = m;
	else
		q->head = m;
	q->tail = m;
	q->n++;
}

void hv_synic_fini(struct hv_synic *s)
{
	struct hv_msg *m;
	unsigned int i;

	for (i = 0; i < HV_NR_SINTS; i++) {
		while ((m = queue_pop(&s->queue[i])))
			free(m);
	}
}

/* The page behind SIMP or SIEFP, or NULL while it is off. */
static uint8_t *page_of(struct hv_vp *vp, uint64_t reg)
{
	if (!(reg & HV_MSR_ENABLE))
		return NULL;
	return gmem_page(&vp->p->gm, reg >> GMEM_PAGE_SHIFT);
}

/* The vector that @sint raises now; 0: none (SynIC off, masked or polling). */
static unsigned int sint_vector(const struct hv_synic *s, unsigned int sint)
{
	uint64_t v = s->sint[sint];

	if (!(s->scontrol & HV_MSR_ENABLE) || (v & (HV_SINT_MASKED | HV_SINT_POLLING)))
		return 0;
	return (unsigned int)(v & HV_SINT_VECTOR);
}

void hv_vp_raise(struct hv_vp *vp, unsigned int vector)
{
	if (vector == 0)
		return;
	vp->stats.raised++;
	vp->p->eng->irq(vp->p->vm, vp->index, vector);
}

static void slot_write(struct hv_message *slot, const struct hv_message *m, uint8_t flags)
{
	memcpy(slot->payload, m->payload, m->payload_size);
	slot->payload_size = m->payload_size;
	slot->reserved = 0;
	slot->sender = 0;
	__atomic_store_n(&slot->flags, flags, __ATOMIC_RELAXED);
	/* Pairs with the guest's acquire load of the type: it sees a whole message. */
	__atomic_store_n(&slot->type, m->type, __ATOMIC_RELEASE);
}

static bool has_message(const struct hv_vp *vp, unsigned int sint)
{
	return vp->synic.queue[sint].head || hv_stimer_has_message(vp, sint);
}

static bool take_message(struct hv_vp *vp, unsigned int sint, struct hv_message *out)
{
	struct hv_msg *m = queue_pop(&vp->synic.queue[sint]);

	if (!m)
		return hv_stimer_take_message(vp, sint, out);
	*out = m->m;
	free(m);
	return true;
}

/* True when the slot is free. Else the pending flag is set, so that the guest ends with EOM. The
 * guest frees the slot (a full barrier) and reads the flag afterwards; we set the flag and look at
 * the slot again: one of the two sees the other. */
static bool slot_is_free(struct hv_message *slot)
{
	if (__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE) == HV_MESSAGE_NONE)
		return true;
	__atomic_fetch_or(&slot->flags, HV_MESSAGE_FLAG_PENDING, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&slot->type, __ATOMIC_SEQ_CST) == HV_MESSAGE_NONE;
}

/* At most one message goes in: the slot is busy until the guest has taken it, and its EOM or the
 * next post comes back here. */
void hv_synic_deliver(struct hv_vp *vp, unsigned int sint)
{
	struct hv_synic *s = &vp->synic;
	uint8_t *page = page_of(vp, s->simp);
	struct hv_message m, *slot;

	if (!page || !(s->scontrol & HV_MSR_ENABLE) || (s->sint[sint] & HV_SINT_MASKED) ||
	    !has_message(vp, sint))
		return;
	slot = (struct hv_message *)page + sint;
	if (!slot_is_free(slot) || !take_message(vp, sint, &m))
		return;
	slot_write(slot, &m, has_message(vp, sint) ? HV_MESSAGE_FLAG_PENDING : 0);
	vp->stats.messages_sent++;
	hv_vp_raise(vp, sint_vector(s, sint));
}

/* Something waits for the guest in the pages of @sint. */
static bool sint_has_work(struct hv_vp *vp, unsigned int sint)
{
	const uint8_t *page = page_of(vp, vp->synic.simp);
	const struct hv_message *slot = (const struct hv_message *)page;
	unsigned int i;

	if (slot && __atomic_load_n(&slot[sint].type, __ATOMIC_ACQUIRE) != HV_MESSAGE_NONE)
		return true;
	page = page_of(vp, vp->synic.siefp);
	if (!page)
		return false;
	for (i = 0; i < HV_EVENT_AREA_BYTES; i += sizeof(uint64_t)) {
		const uint64_t *w = (const void *)(page + sint * HV_EVENT_AREA_BYTES + i);

		if (__atomic_load_n(w, __ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

/* Lock held.  After any change of SCONTROL or a SINT. An interrupt that came while it was masked is
 * lost in the engine, so at unmask we look whether anything waits. The engine publishes the vector
 * before we look; whoever signals sets the flag before it fires. */
static void sint_update(struct hv_vp *vp, unsigned int sint, unsigned int old_vector)
{
	unsigned int vector = sint_vector(&vp->synic, sint);

	vp->p->eng->sint_set(vp->p->vm, vp->index, sint, vector);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vector && !old_vector && sint_has_work(vp, sint))
		hv_vp_raise(vp, vector);
	hv_synic_deliver(vp, sint);
}

void hv_synic_recheck(struct hv_vp *vp, uint32_t sints)
{
	unsigned int i;

	pthread_mutex_lock(&vp->lock);
	for (i = 0; i < HV_NR_SINTS; i++) {
		if ((sints & 1u << i) && sint_vector(&vp->synic, i) && sint_has_work(vp, i))
			hv_vp_raise(vp, sint_vector(&vp->synic, i));
	}
	pthread_mutex_unlock(&vp->lock);
}

int hv_synic_set_scontrol(struct hv_vp *vp, uint64_t v)
{
	unsigned int i, old[HV_NR_SINTS];

	pthread_mutex_lock(&vp->lock);
	for (i = 0; i < HV_NR_SINTS; i++)
		old[i] = sint_vector(&vp->synic, i);
	vp->synic.scontrol = v;
	for (i = 0; i < HV_NR_SINTS; i++)
		sint_update(vp, i, old[i]);
	pthread_mutex_unlock(&vp->lock);
	return 0;
}

int hv_synic_set_sint(struct hv_vp *vp, unsigned int sint, uint64_t v)
{
	unsigned int old;

	if (!(v & (HV_SINT_MASKED | HV_SINT_POLLING)) && (v & HV_SINT_VECTOR) < 16)
		return -EINVAL;
	pthread_mutex_lock(&vp->lock);
	old = sint_vector(&vp->synic, sint);
	vp->synic.sint[sint] = v;
	sint_update(vp, sint, old);
	pthread_mutex_unlock(&vp->lock);
	return 0;
}

/* 0 when @v is off or points to RAM. A page that was not enabled there before starts as zeros. */
static int page_enable(struct hv_vp *vp, uint64_t old, uint64_t v)
{
	uint8_t *page;

	if (!(v & HV_MSR_ENABLE))
		return 0;
	page = page_of(vp, v);
	if (!page)
		return -EINVAL;
	if ((v ^ old) & (HV_MSR_PFN_MASK | HV_MSR_ENABLE))
		memset(page, 0, GMEM_PAGE_SIZE);
	return 0;
}

int hv_synic_set_simp(struct hv_vp *vp, uint64_t v)
{
	unsigned int i;
	int rc;

	pthread_mutex_lock(&vp->lock);
	rc = page_enable(vp, vp->synic.simp, v);
	if (!rc) {
		vp->synic.simp = v;
		for (i = 0; i < HV_NR_SINTS; i++)
			hv_synic_deliver(vp, i);
	}
	pthread_mutex_unlock(&vp->lock);
	return rc;
}

/* ORs one flag into the page; true when it was clear. */
static bool flag_set(uint8_t *area, unsigned int flag)
{
	uint8_t bit = (uint8_t)(1u << (flag % 8));

	return !(__atomic_fetch_or(&area[flag / 8], bit, __ATOMIC_SEQ_CST) & bit);
}

static void kept_merge(struct hv_vp *vp, uint8_t *page)
{
	unsigned int sint, f;

	for (sint = 0; sint < HV_NR_SINTS; sint++) {
		uint8_t *kept = vp->synic.kept[sint];
		bool any = false;

		for (f = 0; f < HV_EVENT_FLAGS; f++) {
			if (kept[f / 8] & 1u << (f % 8))
				any |= flag_set(page + sint * HV_EVENT_AREA_BYTES, f);
		}
		memset(kept, 0, HV_EVENT_AREA_BYTES);
		if (any)
			hv_vp_raise(vp, sint_vector(&vp->synic, sint));
	}
}

int hv_synic_set_siefp(struct hv_vp *vp, uint64_t v)
{
	const struct hv_partition *p = vp->p;
	uint8_t *page;
	bool changed;
	int rc;

	pthread_mutex_lock(&vp->lock);
	rc = page_enable(vp, vp->synic.siefp, v);
	changed = !rc && v != vp->synic.siefp;
	if (changed) {
		vp->synic.siefp = v;
		page = page_of(vp, v);
		if (page)
			kept_merge(vp, page);
	}
	pthread_mutex_unlock(&vp->lock);
	if (changed && p->ops->siefp_changed)
		p->ops->siefp_changed(p->ctx, vp->index, hv_siefp(vp->p, vp->index));
	return rc;
}

void hv_synic_eom(struct hv_vp *vp)
{
	unsigned int i;

	pthread_mutex_lock(&vp->lock);
	for (i = 0; i < HV_NR_SINTS; i++)
		hv_synic_deliver(vp, i);
	pthread_mutex_unlock(&vp->lock);
}

uint64_t hv_siefp(struct hv_partition *p, unsigned int vp)
{
	uint64_t v;

	if (vp >= p->nr_vps)
		return 0;
	pthread_mutex_lock(&p->vp[vp].lock);
	v = p->vp[vp].synic.siefp;
	pthread_mutex_unlock(&p->vp[vp].lock);
	return v & HV_MSR_ENABLE ? v & (HV_MSR_PFN_MASK | HV_MSR_ENABLE) : 0;
}

int hv_post_to_guest(struct hv_partition *p, unsigned int vp, unsigned int sint, uint32_t type,
		     const void *payload, size_t len)
{
	struct hv_msg *m;
	struct hv_vp *v;
	int rc = 0;

	if (vp >= p->nr_vps || sint >= HV_NR_SINTS || type == HV_MESSAGE_NONE ||
	    len > HV_MESSAGE_PAYLOAD_MAX)
		return err_set(-EINVAL, "message to VP %u, SINT %u, type %#x, %zu bytes", vp, sint,
			       type, len);
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(-ENOMEM, "message to VP %u", vp);
	m->m.type = type;
	m->m.payload_size = (uint8_t)len;
	if (len)
		memcpy(m->m.payload, payload, len);
	v = &p->vp[vp];
	pthread_mutex_lock(&v->lock);
	if (v->synic.queue[sint].n >= HV_MSGQ_MAX) {
		free(m);
		rc = -EAGAIN;
	} else {
		queue_push(&v->synic.queue[sint], m);
		hv_synic_deliver(v, sint);
	}
	pthread_mutex_unlock(&v->lock);
	return rc;
}

int hv_signal_event_flag(struct hv_partition *p, unsigned int vp, unsigned int sint,
			 unsigned int flag)
{
	struct hv_vp *v;
	uint8_t *page;

	if (vp >= p->nr_vps || sint >= HV_NR_SINTS || flag >= HV_EVENT_FLAGS)
		return err_set(-EINVAL, "event flag %u of VP %u, SINT %u", flag, vp, sint);
	v = &p->vp[vp];
	pthread_mutex_lock(&v->lock);
	page = page_of(v, v->synic.siefp);
	if (!page)
		flag_set(v->synic.kept[sint], flag);
	else if (flag_set(page + sint * HV_EVENT_AREA_BYTES, flag))
		hv_vp_raise(v, sint_vector(&v->synic, sint));
	pthread_mutex_unlock(&v->lock);
	return 0;
}
