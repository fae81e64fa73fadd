/* SPDX-License-Identifier: BSD-3-Clause */
/* What each vPCI message does. A guest waits for completions for ever, so whoever asks for one gets it:
 * what is out of order, of no use or unknown is completed with a failure. A message that cannot be read
 * is the guest's end. No thread, ring or timer in here. */
#include "sriov/vpci_priv.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

#define SLOT 0u /* of the one function */

/* Who may have the message. */
enum needs {
	NEEDS_NOTHING,
	NEEDS_VERSION,
	NEEDS_FUNCTION, /* and names the slot */
	NEEDS_D0,	/* and names the slot */
};

/* Behind the status. */
struct reply {
	uint32_t len; /* with the status */
	union {
		uint32_t status;
		struct vpci_version_reply version;
		struct vpci_resource_reqs reqs;
		struct vpci_interrupt_reply interrupt;
	};
};

struct handler {
	enum vpci_msgtype type;
	uint32_t since; /* version */
	enum needs needs;
	uint16_t reply_len; /* if it is to be completed; a failure has the same length */
	uint32_t (*run)(struct vpci *v, const struct vpci_msg *m, struct reply *r); /* status */
};

static bool is_out(const struct vpci *v)
{
	return v->proto.ejection == VPCI_EJECT_DONE || vpci_is(&v->is_gone) || vpci_has_failed(v);
}

static int send_inband(struct vpci *v, const void *body, uint32_t len)
{
	return v->io.send(v->io.ctx, VMBUS_PKT_INBAND, 0, body, len);
}

/* ---- Negotiation and the bus ---------------------------------------------------------------- */

static uint32_t query_version(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	r->version.version = VPCI_V1_4;
	if (vpci_is(&v->is_d0))
		return VPCI_STATUS_INVALID_DEVICE_STATE;
	if (m->version < VPCI_V1_1 || m->version > VPCI_V1_4)
		return VPCI_STATUS_REVISION_MISMATCH;
	r->version.version = m->version;
	v->proto.version = m->version;
	v->proto.phase = VPCI_PHASE_READY;
	return VPCI_STATUS_OK;
}

static struct vpci_function_desc describe(const struct vpci *v)
{
	const struct vpci_ids *ids = &v->ids;
	bool has_numa = v->cfg.numa_node >= 0;

	return (struct vpci_function_desc){
		.vendor = ids->vendor,
		.device = ids->device,
		.revision = (uint8_t)ids->class_revision,
		.prog_if = (uint8_t)(ids->class_revision >> 8),
		.subclass = (uint8_t)(ids->class_revision >> 16),
		.base_class = (uint8_t)(ids->class_revision >> 24),
		.subsystem_vendor = ids->subsystem_vendor,
		.subsystem = ids->subsystem,
		.slot = SLOT,
		.serial = v->cfg.serial,
		.flags = has_numa ? VPCI_DESC_HAS_NUMA : 0,
		.numa_node = has_numa ? (uint16_t)v->cfg.numa_node : 0,
	};
}

/* The caller saw to it that there is room. */
static uint32_t query_relations(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	struct vpci_function_desc desc = describe(v);
	uint8_t msg[VPCI_RELATIONS_MAX];
	bool is_there = !is_out(v);
	uint32_t len = vpci_msg_relations(msg, v->proto.version, is_there ? &desc : NULL);

	if (send_inband(v, msg, len))
		return VPCI_STATUS_NO_RESOURCES;
	v->proto.is_known = is_there;
	return VPCI_STATUS_OK;
}

static uint32_t query_reqs(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		r->reqs.probed_bar[i] = vpci_bar_probe(v, i);
	return VPCI_STATUS_OK;
}

/* ---- D0 ------------------------------------------------------------------------------------- */

/* A crash kernel finds the function in the D0 of the kernel before: the refusal tells it to release
 * and leave first. */
static uint32_t d0_entry(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	if (is_out(v))
		return VPCI_STATUS_NO_SUCH_DEVICE;
	if (vpci_is(&v->is_d0))
		return VPCI_STATUS_INVALID_DEVICE_STATE;
	return vpci_func_enter(v, m->window_gpa);
}

static uint32_t d0_exit(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	v->proto.is_assigned = false;
	vpci_func_leave(v);
	return vpci_has_failed(v) ? VPCI_STATUS_UNSUCCESSFUL : VPCI_STATUS_OK;
}

/* All zero behind the slot: BARs are written as registers. */
static uint32_t resources_assigned(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	v->proto.is_assigned = true;
	return VPCI_STATUS_OK;
}

static uint32_t resources_released(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	v->proto.is_assigned = false;
	vpci_func_release(v);
	return VPCI_STATUS_OK;
}

/* Of no consequence: config space has the register that counts. */
static uint32_t power_state(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	return VPCI_STATUS_OK;
}

/* ---- Interrupts ----------------------------------------------------------------------------- */

static uint32_t create_interrupt(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	struct vpci_irq irq = {.count = m->want.nr_vectors};
	struct vpci_proto *p = &v->proto;

	if (!irq.count || irq.count > v->cfg.nr_vectors || m->want.nr_cpus > VPCI_CPUS_MAX)
		return VPCI_STATUS_INVALID_PARAMETER;
	if (p->nr_irqs == VPCI_IRQS_MAX || v->cfg.host->irq_create(v->cfg.host_ctx, &irq))
		return VPCI_STATUS_NO_RESOURCES;
	p->irq[p->nr_irqs++] = irq;
	r->interrupt.interrupt = (struct vpci_interrupt){
		.vector_count = (uint16_t)irq.count, .data = irq.data, .address = irq.address};
	return VPCI_STATUS_OK;
}

static uint32_t delete_interrupt(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	struct vpci_proto *p = &v->proto;

	for (unsigned int i = 0; i < p->nr_irqs; i++) {
		struct vpci_irq irq = p->irq[i];

		if (irq.address != m->irq.address || irq.data != m->irq.data)
			continue;
		p->irq[i] = p->irq[--p->nr_irqs];
		v->cfg.host->irq_delete(v->cfg.host_ctx, &irq);
		return VPCI_STATUS_OK;
	}
	return VPCI_STATUS_INVALID_PARAMETER;
}

/* ---- Removal -------------------------------------------------------------------------------- */

static void ejected(struct vpci *v)
{
	v->proto.ejection = VPCI_EJECT_DONE;
	v->proto.is_assigned = false;
	vpci_func_leave(v);
	__atomic_store_n(&v->is_ejected, true, __ATOMIC_RELEASE);
	v->io.tell(v->io.ctx);
}

static uint32_t ejection_complete(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	if (v->proto.ejection != VPCI_EJECT_SENT)
		return VPCI_STATUS_INVALID_DEVICE_STATE;
	ejected(v);
	return VPCI_STATUS_OK;
}

int vpci_proto_try_eject(struct vpci *v)
{
	struct vpci_slot_msg msg = {VPCI_EJECT, SLOT};
	int rc;

	if (v->proto.ejection != VPCI_EJECT_WANTED)
		return 0;
	rc = send_inband(v, &msg, sizeof(msg));
	if (!rc)
		v->proto.ejection = VPCI_EJECT_SENT;
	return rc;
}

int vpci_proto_eject(struct vpci *v)
{
	struct vpci_proto *p = &v->proto;

	if (vpci_is(&v->is_gone))
		return err_set(-ENODEV, "%s: it is gone", v->name);
	if (p->ejection != VPCI_EJECT_NO)
		return err_set(-EALREADY, "%s: the guest was asked before", v->name);
	p->ejection = VPCI_EJECT_WANTED;
	if (!p->is_known)
		ejected(v);
	return 0;
}

/* ---- Dispatch ------------------------------------------------------------------------------- */

static uint32_t not_supported(struct vpci *v, const struct vpci_msg *m, struct reply *r)
{
	return VPCI_STATUS_NOT_SUPPORTED;
}

#define STATUS sizeof(uint32_t)

static const struct handler handlers[] = {
	{VPCI_QUERY_PROTOCOL_VERSION, 0, NEEDS_NOTHING, sizeof(struct vpci_version_reply),
	 query_version},
	{VPCI_QUERY_BUS_RELATIONS, VPCI_V1_1, NEEDS_VERSION, STATUS, query_relations},
	{VPCI_QUERY_RESOURCE_REQS, VPCI_V1_1, NEEDS_FUNCTION, sizeof(struct vpci_resource_reqs),
	 query_reqs},
	{VPCI_QUERY_RESOURCES, VPCI_V1_1, NEEDS_FUNCTION, STATUS, not_supported},
	{VPCI_D0ENTRY, VPCI_V1_1, NEEDS_VERSION, STATUS, d0_entry},
	{VPCI_D0EXIT, VPCI_V1_1, NEEDS_VERSION, STATUS, d0_exit},
	{VPCI_POWER_STATE_CHANGE, VPCI_V1_1, NEEDS_FUNCTION, STATUS, power_state},
	{VPCI_READ_BLOCK, VPCI_V1_1, NEEDS_FUNCTION, STATUS, not_supported},
	{VPCI_WRITE_BLOCK, VPCI_V1_1, NEEDS_FUNCTION, STATUS, not_supported},
	{VPCI_RESOURCES_ASSIGNED, VPCI_V1_1, NEEDS_D0, STATUS, resources_assigned},
	{VPCI_RESOURCES_ASSIGNED2, VPCI_V1_2, NEEDS_D0, STATUS, resources_assigned},
	{VPCI_RESOURCES_RELEASED, VPCI_V1_1, NEEDS_FUNCTION, STATUS, resources_released},
	{VPCI_CREATE_INTERRUPT, VPCI_V1_1, NEEDS_D0, sizeof(struct vpci_interrupt_reply),
	 create_interrupt},
	{VPCI_CREATE_INTERRUPT2, VPCI_V1_2, NEEDS_D0, sizeof(struct vpci_interrupt_reply),
	 create_interrupt},
	{VPCI_CREATE_INTERRUPT3, VPCI_V1_4, NEEDS_D0, sizeof(struct vpci_interrupt_reply),
	 create_interrupt},
	{VPCI_DELETE_INTERRUPT, VPCI_V1_1, NEEDS_FUNCTION, STATUS, delete_interrupt},
	{VPCI_EJECTION_COMPLETE, VPCI_V1_1, NEEDS_FUNCTION, STATUS, ejection_complete},
};

static const struct handler *find(const struct vpci_msg *m)
{
	for (unsigned int i = 0; m->is_known && i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].type == m->type)
			return &handlers[i];
	}
	return NULL;
}

/* Whether the message may come now; the status of its refusal. */
static uint32_t judge(struct vpci *v, const struct handler *h, const struct vpci_msg *m)
{
	if (h->needs == NEEDS_NOTHING)
		return VPCI_STATUS_OK;
	if (v->proto.phase != VPCI_PHASE_READY)
		return VPCI_STATUS_INVALID_DEVICE_STATE;
	if (v->proto.version < h->since)
		return VPCI_STATUS_NOT_SUPPORTED;
	if (h->needs == NEEDS_VERSION)
		return VPCI_STATUS_OK;
	if (m->slot != SLOT || is_out(v))
		return VPCI_STATUS_NO_SUCH_DEVICE;
	if (h->needs == NEEDS_D0 && !vpci_is(&v->is_d0))
		return VPCI_STATUS_INVALID_DEVICE_STATE;
	return VPCI_STATUS_OK;
}

int vpci_proto_packet(struct vpci *v, uint64_t trans_id, bool wants_completion, const uint8_t *body,
		      uint32_t len)
{
	uint32_t status = VPCI_STATUS_NOT_SUPPORTED;
	struct reply r = {.len = STATUS};
	const struct handler *h;
	struct vpci_msg m;
	int rc;

	rc = vpci_msg_parse(&m, body, len);
	if (rc)
		return rc;
	memset(&r.reqs, 0, sizeof(r.reqs)); /* no byte of ours leaves by padding */
	v->proto.messages++;
	h = find(&m);
	if (!h) {
		v->proto.unknown++;
	} else {
		r.len = h->reply_len;
		status = judge(v, h, &m);
		if (!status)
			status = h->run(v, &m, &r);
	}
	v->proto.refused += status != VPCI_STATUS_OK;
	if (!wants_completion)
		return 0;
	r.status = status;
	rc = v->io.send(v->io.ctx, VMBUS_PKT_COMPLETION, trans_id, &r.status, r.len);
	return rc == -EAGAIN ? err_set(-EPROTO, "no room for a completion") : rc;
}

void vpci_proto_opened(struct vpci *v)
{
	v->proto.phase = VPCI_PHASE_OPEN;
	v->proto.version = 0;
	v->proto.is_known = v->proto.is_assigned = false;
}

/* Closed by the guest, by its reset, or by us: whoever opens next finds a function as after power-on,
 * or none. */
void vpci_proto_closed(struct vpci *v)
{
	struct vpci_proto *p = &v->proto;

	p->phase = VPCI_PHASE_CLOSED;
	p->version = 0;
	p->is_known = p->is_assigned = false;
	if (p->ejection == VPCI_EJECT_WANTED || p->ejection == VPCI_EJECT_SENT)
		ejected(v);
	else
		vpci_func_leave(v);
}
