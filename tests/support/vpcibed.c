/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest before a vPCI bus. */
#include "tests/support/vpcibed.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>

#include "base/err.h"

/* ---- Life ----------------------------------------------------------------------------------- */

void pcibed_init(struct pcibed *b)
{
	struct vpci_cfg cfg;

	memset(b, 0, sizeof(*b));
	bed_init(&b->bed);
	fakevf_init(&b->vf);
	cfg = fakevf_cfg(&b->vf);
	cfg.bus = bed_bus();
	cfg.bus_ctx = &b->bed;
	b->next_id = 1;
	cr_assert_eq(vpci_create(&b->v, &cfg), 0, "%s", err_text());
	b->ch = bed_find(&b->bed, VPCI_CLASS);
	cr_assert_not_null(b->ch);
	cr_assert_eq(b->ch->cfg.if_instance.data2, 0x1234);
}

void pcibed_fini(struct pcibed *b)
{
	vpci_destroy(b->v);
	bed_fini(&b->bed);
	fakevf_fini(&b->vf);
}

void pcibed_open(struct pcibed *b)
{
	cr_assert_eq(bed_open(&b->bed, b->ch, 5), 0, "%s", err_text());
}

static void process(struct pcibed *b)
{
	struct pollfd p = {.fd = vpci_fd(b->v), .events = POLLIN};

	cr_assert_eq(poll(&p, 1, 30000), 1, "nothing is told");
	vpci_process(b->v);
}

void pcibed_await(struct pcibed *b, const unsigned int *nr, unsigned int want)
{
	while (*nr != want)
		process(b);
}

const char *pcibed_fault(struct pcibed *b)
{
	while (!b->ch->is_faulted)
		process(b);
	return b->ch->why;
}

struct vpci_status pcibed_status(struct pcibed *b)
{
	struct vpci_status st;

	vpci_status(b->v, &st);
	return st;
}

/* ---- Messages ------------------------------------------------------------------------------- */

void pcibed_send(struct pcibed *b, const void *msg, uint32_t len)
{
	bed_send(b->ch, VMBUS_PKT_INBAND, 0, 0, NULL, 0, msg, len);
}

uint32_t pcibed_ask(struct pcibed *b, const void *msg, uint32_t len, void *reply,
		    uint32_t reply_len)
{
	struct vmbus_pkt_desc d;
	uint8_t body[64];
	uint32_t status, n;

	bed_send(b->ch, VMBUS_PKT_INBAND, VMBUS_PKT_FLAG_COMPLETION_REQUESTED, b->next_id, NULL, 0,
		 msg, len);
	n = bed_recv(b->ch, &d, body, sizeof(body));
	cr_assert_eq(d.type, VMBUS_PKT_COMPLETION);
	cr_assert_eq(d.trans_id, b->next_id++);
	cr_assert_geq(n, 8, "Linux drops it");
	cr_assert_geq(n, reply_len);
	if (reply)
		memcpy(reply, body, reply_len);
	memcpy(&status, body, sizeof(status));
	return status;
}

uint32_t pcibed_ask_slot(struct pcibed *b, uint32_t type, uint32_t slot)
{
	struct vpci_slot_msg msg = {type, slot};

	return pcibed_ask(b, &msg, sizeof(msg), NULL, 0);
}

/* ---- Steps ---------------------------------------------------------------------------------- */

uint32_t pcibed_agree(struct pcibed *b, uint32_t version)
{
	struct vpci_version_query msg = {VPCI_QUERY_PROTOCOL_VERSION, version};
	struct vpci_version_reply reply;
	uint32_t status = pcibed_ask(b, &msg, sizeof(msg), &reply, sizeof(reply));

	if (!status) {
		cr_assert_eq(reply.version, version);
		b->version = version;
	}
	return status;
}

uint32_t pcibed_relations(struct pcibed *b, struct vpci_function_desc *out)
{
	uint32_t type = VPCI_QUERY_BUS_RELATIONS, n;
	bool is_2 = b->version >= VPCI_V1_3;
	uint32_t each = is_2 ? VPCI_DESC2_BYTES : VPCI_DESC_BYTES;
	struct {
		struct vpci_bus_relations head;
		struct vpci_function_desc desc;
		uint32_t pad;
	} msg = {0};
	struct vmbus_pkt_desc d;

	pcibed_send(b, &type, sizeof(type));
	n = bed_recv(b->ch, &d, &msg, sizeof(msg));
	cr_assert_eq(d.type, VMBUS_PKT_INBAND);
	cr_assert_eq(d.trans_id, 0);
	cr_assert_eq(msg.head.type, is_2 ? VPCI_BUS_RELATIONS2 : VPCI_BUS_RELATIONS);
	cr_assert_leq(msg.head.device_count, 1);
	cr_assert_eq(n, (sizeof(msg.head) + each * msg.head.device_count + 7) / 8 * 8);
	if (out)
		*out = msg.desc;
	return msg.head.device_count;
}

uint32_t pcibed_d0(struct pcibed *b, uint64_t gpa)
{
	struct vpci_d0_entry msg = {VPCI_D0ENTRY, 0, gpa};

	return pcibed_ask(b, &msg, sizeof(msg), NULL, 0);
}

uint32_t pcibed_assign(struct pcibed *b, uint32_t slot)
{
	bool is_2 = b->version >= VPCI_V1_2;
	uint8_t msg[VPCI_RESOURCES2_BYTES] = {0};
	struct vpci_slot_msg head = {is_2 ? VPCI_RESOURCES_ASSIGNED2 : VPCI_RESOURCES_ASSIGNED,
				     slot};

	memcpy(msg, &head, sizeof(head));
	return pcibed_ask(b, msg, is_2 ? VPCI_RESOURCES2_BYTES : VPCI_RESOURCES_BYTES, NULL, 0);
}

uint32_t pcibed_irq(struct pcibed *b, uint32_t slot, uint16_t nr, struct vpci_interrupt *out)
{
	struct vpci_create_interrupt c1 = {VPCI_CREATE_INTERRUPT, slot, 0xEF, 0, nr, 0, ~0ull};
	struct vpci_create_interrupt2 c2 = {VPCI_CREATE_INTERRUPT2, slot, 0xEF, 0, nr, 1, {0}};
	struct vpci_create_interrupt3 c3 = {VPCI_CREATE_INTERRUPT3, slot, 0xEF, 0, 0, nr, 1, {0}};
	struct vpci_interrupt_reply r;

	if (b->version == VPCI_V1_1)
		pcibed_ask(b, &c1, sizeof(c1), &r, sizeof(r));
	else if (b->version < VPCI_V1_4)
		pcibed_ask(b, &c2, sizeof(c2), &r, sizeof(r));
	else
		pcibed_ask(b, &c3, sizeof(c3), &r, sizeof(r));
	if (out)
		*out = r.interrupt;
	return r.status;
}

void pcibed_irq_delete(struct pcibed *b, const struct vpci_interrupt *irq)
{
	struct vpci_delete_interrupt msg = {VPCI_DELETE_INTERRUPT, 0, *irq};

	pcibed_send(b, &msg, sizeof(msg));
}

uint32_t pcibed_rd(struct pcibed *b, uint32_t off, unsigned int size)
{
	return (uint32_t)fakevf_read(&b->vf, WIN_GPA + VPCI_WINDOW_PAGE + off, size);
}

void pcibed_wr(struct pcibed *b, uint32_t off, unsigned int size, uint32_t value)
{
	fakevf_write(&b->vf, WIN_GPA + VPCI_WINDOW_PAGE + off, size, value);
}

/* Decoding off, then the largest first, low half and high half. */
void pcibed_place_bars(struct pcibed *b)
{
	pcibed_wr(b, 4, 2, pcibed_rd(b, 4, 2) & ~2u);
	pcibed_wr(b, 0x20, 4, (uint32_t)BAR4_GPA);
	pcibed_wr(b, 0x24, 4, (uint32_t)(BAR4_GPA >> 32));
	pcibed_wr(b, 0x10, 4, (uint32_t)BAR0_GPA);
	pcibed_wr(b, 0x14, 4, (uint32_t)(BAR0_GPA >> 32));
	pcibed_wr(b, 0x18, 4, (uint32_t)BAR2_GPA);
	pcibed_wr(b, 0x1C, 4, (uint32_t)BAR3_GPA);
}

/* What the PCI core does to find a BAR's size. */
static void size_bar(struct pcibed *b, uint32_t reg, uint32_t probed)
{
	uint32_t old = pcibed_rd(b, reg, 4);

	pcibed_wr(b, reg, 4, ~0u);
	cr_assert_eq(pcibed_rd(b, reg, 4), probed, "register 0x%x", reg);
	pcibed_wr(b, reg, 4, old);
	cr_assert_eq(pcibed_rd(b, reg, 4), old);
}

static void enable_vectors(struct pcibed *b, unsigned int nr)
{
	uint64_t table = BAR2_GPA + VF_TABLE_OFF;
	struct vpci_interrupt irq;

	/* Enabled and masked as a whole, then entry by entry. */
	pcibed_wr(b, VF_CAP_MSIX + 2, 2, pcibed_rd(b, VF_CAP_MSIX + 2, 2) | 0xC000);
	for (unsigned int i = 0; i < nr; i++) {
		fakevf_write(&b->vf, table + 16 * i + 12, 4, 1);
		cr_assert_eq(pcibed_irq(b, 0, 1, &irq), 0);
		cr_assert_eq(irq.vector_count, 1);
		fakevf_write(&b->vf, table + 16 * i, 4, (uint32_t)irq.address);
		fakevf_write(&b->vf, table + 16 * i + 4, 4, (uint32_t)(irq.address >> 32));
		fakevf_write(&b->vf, table + 16 * i + 8, 4, irq.data);
	}
	pcibed_wr(b, VF_CAP_MSIX + 2, 2, pcibed_rd(b, VF_CAP_MSIX + 2, 2) & ~0x4000u);
	for (unsigned int i = 0; i < nr; i++)
		fakevf_write(&b->vf, table + 16 * i + 12, 4, 0);
}

void pcibed_start(struct pcibed *b, uint32_t version)
{
	struct vpci_slot_msg reqs = {VPCI_QUERY_RESOURCE_REQS, 0};
	struct vpci_function_desc desc;
	struct vpci_resource_reqs r;

	cr_assert_eq(pcibed_agree(b, version), 0);
	cr_assert_eq(pcibed_relations(b, &desc), 1);
	cr_assert_eq(pcibed_ask(b, &reqs, sizeof(reqs), &r, sizeof(r)), 0);
	cr_assert_eq(pcibed_d0(b, WIN_GPA), 0);
	cr_assert_eq(pcibed_assign(b, desc.slot), 0);
	fakevf_write(&b->vf, WIN_GPA, 4, desc.slot);
	pcibed_place_bars(b);
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		size_bar(b, 0x10 + 4 * i, r.probed_bar[i]);
	pcibed_wr(b, 4, 2, pcibed_rd(b, 4, 2) | 2);
	enable_vectors(b, 2);
	pcibed_wr(b, 4, 2, pcibed_rd(b, 4, 2) | 4);
}

void pcibed_taken_back(struct pcibed *b)
{
	cr_assert_eq(fakevf_nr_maps(&b->vf), 0);
	cr_assert_eq(fakevf_nr_windows(&b->vf), 0);
	cr_assert_eq(b->vf.window[0].len, 0);
	cr_assert_eq(b->vf.nr_irqs, 0);
	cr_assert(!b->vf.has_irqs);
	cr_assert_eq(fakevf_reg(&b->vf, 4, 2), 0);
	for (unsigned int i = 0; i < VF_VECTORS; i++)
		cr_assert(b->vf.entry[i].is_masked && !b->vf.entry[i].address);
}
