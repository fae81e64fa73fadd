/* SPDX-License-Identifier: BSD-3-Clause */
/* Hypercalls that reach the worker: one table, parameters fetched once into private memory. A
 * wrong call gets its TLFS status; nothing here waits. */
#include <string.h>

#include "base/fd.h"
#include "hv/priv.h"

struct call {
	uint16_t code;
	uint16_t in_bytes; /* fixed input block; <= 16 may also come in registers */
	bool is_memory_only;
	int (*fn)(struct hv_vp *vp, const void *in);
};

static int post_message(struct hv_vp *vp, const void *in)
{
	const struct hv_post_message_input *m = in;
	const struct hv_partition *p = vp->p;

	if (m->reserved || m->message_type & 0x80000000u || m->message_type == HV_MESSAGE_NONE ||
	    m->payload_size > HV_MESSAGE_PAYLOAD_MAX)
		return HV_STATUS_INVALID_PARAMETER;
	if ((m->connection_id & ~HV_CONNECTION_MASK) || !p->ops->post_message)
		return HV_STATUS_INVALID_CONNECTION_ID;
	return p->ops->post_message(p->ctx, vp->index, m->connection_id, m->message_type,
				    m->payload, m->payload_size);
}

static int signal_event(struct hv_vp *vp, const void *in)
{
	const struct hv_partition *p = vp->p;
	uint64_t param, relid;

	memcpy(&param, in, sizeof(param));
	vp->signals_trapped++;
	if (param >> 48)
		return HV_STATUS_INVALID_PARAMETER;
	relid = (uint32_t)param ^ HV_CONNECTION_DOORBELL;
	if (relid == 0 || relid > p->nr_doorbells)
		return HV_STATUS_INVALID_CONNECTION_ID;
	fd_kick(p->eng->doorbell(p->vm, (unsigned int)relid));
	return HV_STATUS_SUCCESS;
}

/* TLFS HvCallSendSyntheticClusterIpi. */
static int send_ipi(struct hv_vp *vp, const void *in)
{
	const struct hv_partition *p = vp->p;
	uint64_t word[2];
	unsigned int i, vector;

	memcpy(word, in, sizeof(word));
	vector = (unsigned int)word[0];
	if (word[0] >> 32 || vector < 16 || vector > 255)
		return HV_STATUS_INVALID_PARAMETER;
	if (p->nr_vps < 64 && word[1] >> p->nr_vps)
		return HV_STATUS_INVALID_PARAMETER;
	for (i = 0; i < p->nr_vps; i++) {
		if (word[1] & 1ull << i)
			hv_raise_vector(vp->p, i, vector);
	}
	return HV_STATUS_SUCCESS;
}

static const struct call calls[] = {
	{HV_CALL_SEND_IPI, 16, false, send_ipi},
	{HV_CALL_POST_MESSAGE, sizeof(struct hv_post_message_input), true, post_message},
	{HV_CALL_SIGNAL_EVENT, 8, false, signal_event},
};

static const struct call *call_find(uint64_t control)
{
	unsigned int i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].code == (control & HV_CALL_CODE_MASK))
			return &calls[i];
	}
	return NULL;
}

/* The input block from registers or memory, once. TLFS 3.8: alignment, then page crossing. */
static int fetch(struct hv_vp *vp, const struct call *c, uint64_t control, const uint64_t reg[2],
		 void *in)
{
	if (control & HV_CALL_FAST) {
		if (c->is_memory_only)
			return HV_STATUS_INVALID_HYPERCALL_INPUT;
		memcpy(in, reg, c->in_bytes);
		return HV_STATUS_SUCCESS;
	}
	if (reg[0] % 8)
		return HV_STATUS_INVALID_ALIGNMENT;
	if (reg[0] % GMEM_PAGE_SIZE + c->in_bytes > GMEM_PAGE_SIZE)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (gmem_read(&vp->p->gm, gpa(reg[0]), in, c->in_bytes))
		return HV_STATUS_INVALID_PARAMETER;
	return HV_STATUS_SUCCESS;
}

uint64_t hv_hypercall(struct hv_vp *vp, uint64_t control, uint64_t in, uint64_t out)
{
	uint64_t block[sizeof(struct hv_post_message_input) / 8];
	const uint64_t reg[2] = {in, out};
	const struct call *c = call_find(control);
	int status;

	vp->hypercalls++;
	if (!c)
		return HV_STATUS_INVALID_HYPERCALL_CODE;
	/* None of ours is a rep call, has a variable header, or is nested. */
	if ((control & (HV_CALL_RESERVED | HV_CALL_NESTED)) || HV_CALL_VARHEAD(control) ||
	    HV_CALL_REPS(control) || HV_CALL_START(control))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	status = fetch(vp, c, control, reg, block);
	if (status)
		return (uint64_t)status;
	return (uint64_t)c->fn(vp, block) & 0xffff;
}
