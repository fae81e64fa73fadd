/* SPDX-License-Identifier: BSD-3-Clause */
/* A vPCI device without channel and thread. */
#include "tests/support/vpcicore.h"

#include <errno.h>
#include <string.h>

static int send(void *ctx, enum vmbus_pkttype type, uint64_t trans_id, const void *body,
		uint32_t len)
{
	struct pcicore *c = ctx;

	if (len > sizeof(c->last))
		__builtin_trap();
	if (c->is_full)
		return -EAGAIN;
	memset(c->last, 0, sizeof(c->last));
	memcpy(c->last, body, len);
	c->last_len = len;
	c->last_type = type;
	c->nr_sent++;
	return 0;
}

static void tell(void *ctx)
{
	__atomic_fetch_add(&((struct pcicore *)ctx)->nr_told, 1, __ATOMIC_RELAXED);
}

int pcicore_init(struct pcicore *c, const struct vpci_cfg *cfg)
{
	struct vpci_io io = {send, tell, c};

	c->nr_sent = c->nr_told = 0;
	c->is_full = false;
	return vpci_core_init(&c->v, cfg, &io);
}

void pcicore_fini(struct pcicore *c)
{
	vpci_core_fini(&c->v);
}

uint32_t pcicore_start(struct pcicore *c)
{
	struct vpci_version_query query = {VPCI_QUERY_PROTOCOL_VERSION, VPCI_V1_4};
	struct vpci_d0_entry entry = {VPCI_D0ENTRY, 0, CORE_WIN};
	uint32_t status;

	vpci_proto_opened(&c->v);
	vpci_proto_packet(&c->v, 1, true, (const uint8_t *)&query, sizeof(query));
	vpci_proto_packet(&c->v, 2, true, (const uint8_t *)&entry, sizeof(entry));
	memcpy(&status, c->last, sizeof(status));
	return status;
}

uint32_t pcicore_rd(struct pcicore *c, uint32_t off, unsigned int size)
{
	return (uint32_t)fakevf_read(&c->vf, CORE_WIN + VPCI_WINDOW_PAGE + off, size);
}

void pcicore_wr(struct pcicore *c, uint32_t off, unsigned int size, uint32_t value)
{
	fakevf_write(&c->vf, CORE_WIN + VPCI_WINDOW_PAGE + off, size, value);
}
