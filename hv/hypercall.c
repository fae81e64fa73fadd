/* SPDX-License-Identifier: BSD-3-Clause */
/* Hypercalls that reach the worker: one table, parameters fetched once into private memory. A
 * wrong call gets its TLFS status; nothing here waits. */
#include <string.h>

#include "base/fd.h"
#include "hv/priv.h"
#include "hv/retarget.h"

struct call {
	uint16_t code;
	uint16_t in_bytes;   /* fixed input block; <= 16 may also come in registers */
	uint16_t header_max; /* variable header, in 8 bytes; only without registers */
	bool is_memory_only;
	int (*fn)(struct hv_vp *vp, const void *in, unsigned int nr_header);
};

static int post_message(struct hv_vp *vp, const void *in, unsigned int nr_header)
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

static int signal_event(struct hv_vp *vp, const void *in, unsigned int nr_header)
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
static int send_ipi(struct hv_vp *vp, const void *in, unsigned int nr_header)
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

static int retarget(struct hv_vp *vp, const void *in, unsigned int nr_header)
{
	struct hv_retarget r;
	int status = hv_retarget_parse(in, nr_header, vp->p->nr_vps, &r);

	return status ? status : hv_device_retarget(vp->p, &r);
}

static const struct call calls[] = {
	{HV_CALL_SEND_IPI, 16, 0, false, send_ipi},
	{HV_CALL_POST_MESSAGE, sizeof(struct hv_post_message_input), 0, true, post_message},
	{HV_CALL_SIGNAL_EVENT, 8, 0, false, signal_event},
	{HV_CALL_RETARGET, sizeof(struct hv_retarget_input), HV_RETARGET_HEADER_MAX, true,
	 retarget},
};

/* The largest of them. */
#define INPUT_BYTES (sizeof(struct hv_retarget_input) + 8 * HV_RETARGET_HEADER_MAX)
_Static_assert(INPUT_BYTES >= sizeof(struct hv_post_message_input), "room for every call's input");

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
	const size_t len = c->in_bytes + 8 * HV_CALL_VARHEAD(control);

	if (control & HV_CALL_FAST) {
		if (c->is_memory_only)
			return HV_STATUS_INVALID_HYPERCALL_INPUT;
		memcpy(in, reg, c->in_bytes);
		return HV_STATUS_SUCCESS;
	}
	if (reg[0] % 8)
		return HV_STATUS_INVALID_ALIGNMENT;
	if (reg[0] % GMEM_PAGE_SIZE + len > GMEM_PAGE_SIZE)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (gmem_read(&vp->p->gm, gpa(reg[0]), in, len))
		return HV_STATUS_INVALID_PARAMETER;
	return HV_STATUS_SUCCESS;
}

uint64_t hv_hypercall(struct hv_vp *vp, uint64_t control, uint64_t in, uint64_t out)
{
	uint64_t block[INPUT_BYTES / 8];
	const uint64_t reg[2] = {in, out};
	const struct call *c = call_find(control);
	int status;

	vp->hypercalls++;
	if (!c)
		return HV_STATUS_INVALID_HYPERCALL_CODE;
	/* None of ours is a rep call or nested. */
	if ((control & (HV_CALL_RESERVED | HV_CALL_NESTED)) ||
	    HV_CALL_VARHEAD(control) > c->header_max || HV_CALL_REPS(control) ||
	    HV_CALL_START(control))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	status = fetch(vp, c, control, reg, block);
	if (status)
		return (uint64_t)status;
	return (uint64_t)c->fn(vp, block, (unsigned int)HV_CALL_VARHEAD(control)) & 0xffff;
}
