/* SPDX-License-Identifier: BSD-3-Clause */
/* vPCI messages and bytes: what is read from a guest's message, and how the bus is described to it. No
 * state; all input is private bytes that nobody has checked. */
#include "sriov/vpci_priv.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

/* No message is longer than RESOURCES_ASSIGNED2, padded as rings pad. */
#define MSG_MAX 256u

/* What a message must have at least, and where it names the slot (0: it does not). Guests pad to 8. */
struct msg_kind {
	enum vpci_msgtype type;
	uint16_t bytes;
	uint16_t slot_at;
};

static const struct msg_kind kinds[] = {
	{VPCI_QUERY_BUS_RELATIONS, sizeof(uint32_t), 0},
	{VPCI_POWER_STATE_CHANGE, sizeof(struct vpci_slot_msg), 4},
	{VPCI_QUERY_RESOURCE_REQS, sizeof(struct vpci_slot_msg), 4},
	{VPCI_QUERY_RESOURCES, sizeof(struct vpci_slot_msg), 4},
	{VPCI_D0ENTRY, sizeof(struct vpci_d0_entry), 0},
	{VPCI_D0EXIT, sizeof(uint32_t), 0},
	{VPCI_READ_BLOCK, sizeof(struct vpci_read_block), offsetof(struct vpci_read_block, slot)},
	{VPCI_WRITE_BLOCK, offsetof(struct vpci_write_block, data),
	 offsetof(struct vpci_write_block, slot)},
	{VPCI_EJECTION_COMPLETE, sizeof(struct vpci_ejection_complete), 4},
	{VPCI_RESOURCES_ASSIGNED, VPCI_RESOURCES_BYTES, 4},
	{VPCI_RESOURCES_ASSIGNED2, VPCI_RESOURCES2_BYTES, 4},
	{VPCI_RESOURCES_RELEASED, sizeof(struct vpci_slot_msg), 4},
	{VPCI_QUERY_PROTOCOL_VERSION, sizeof(struct vpci_version_query), 0},
	{VPCI_CREATE_INTERRUPT, sizeof(struct vpci_create_interrupt), 4},
	{VPCI_CREATE_INTERRUPT2, sizeof(struct vpci_create_interrupt2), 4},
	{VPCI_CREATE_INTERRUPT3, sizeof(struct vpci_create_interrupt3), 4},
	{VPCI_DELETE_INTERRUPT, sizeof(struct vpci_delete_interrupt), 4},
};

static const struct msg_kind *find(uint32_t type)
{
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].type == type)
			return &kinds[i];
	}
	return NULL;
}

/* What the type has beyond its slot. @body is as long as the type wants. */
static void parse_rest(struct vpci_msg *m, const uint8_t *body)
{
	struct vpci_create_interrupt c1;
	struct vpci_create_interrupt2 c2;
	struct vpci_create_interrupt3 c3;
	struct vpci_delete_interrupt del;

	switch (m->type) {
	case VPCI_QUERY_PROTOCOL_VERSION:
		memcpy(&m->version, body + offsetof(struct vpci_version_query, version), 4);
		break;
	case VPCI_D0ENTRY:
		memcpy(&m->window_gpa, body + offsetof(struct vpci_d0_entry, window_gpa), 8);
		break;
	case VPCI_CREATE_INTERRUPT:
		memcpy(&c1, body, sizeof(c1));
		m->want.nr_vectors = c1.vector_count;
		break;
	case VPCI_CREATE_INTERRUPT2:
		memcpy(&c2, body, sizeof(c2));
		m->want.nr_vectors = c2.vector_count;
		m->want.nr_cpus = c2.processor_count;
		break;
	case VPCI_CREATE_INTERRUPT3:
		memcpy(&c3, body, sizeof(c3));
		m->want.nr_vectors = c3.vector_count;
		m->want.nr_cpus = c3.processor_count;
		break;
	case VPCI_DELETE_INTERRUPT:
		memcpy(&del, body, sizeof(del));
		m->irq = (struct vpci_irq){.count = del.interrupt.vector_count,
					   .data = del.interrupt.data,
					   .address = del.interrupt.address};
		break;
	default: break;
	}
}

int vpci_msg_parse(struct vpci_msg *m, const uint8_t *body, uint32_t len)
{
	const struct msg_kind *kind;

	memset(m, 0, sizeof(*m));
	if (len < sizeof(m->type) || len > MSG_MAX)
		return err_set(-EPROTO, "message of %u bytes", len);
	memcpy(&m->type, body, sizeof(m->type));
	kind = find(m->type);
	if (!kind)
		return 0;
	if (len < kind->bytes)
		return err_set(-EPROTO, "message of type 0x%x with %u bytes, want %u", m->type, len,
			       kind->bytes);
	m->is_known = true;
	if (kind->slot_at)
		memcpy(&m->slot, body + kind->slot_at, sizeof(m->slot));
	parse_rest(m, body);
	return 0;
}

uint32_t vpci_msg_relations(uint8_t out[VPCI_RELATIONS_MAX], uint32_t version,
			    const struct vpci_function_desc *desc)
{
	bool is_2 = version >= VPCI_V1_3;
	struct vpci_bus_relations head = {is_2 ? VPCI_BUS_RELATIONS2 : VPCI_BUS_RELATIONS,
					  desc ? 1 : 0};
	uint32_t len = is_2 ? VPCI_DESC2_BYTES : VPCI_DESC_BYTES;

	memcpy(out, &head, sizeof(head));
	if (!desc)
		return sizeof(head);
	memcpy(out + sizeof(head), desc, len);
	return (uint32_t)sizeof(head) + len;
}
