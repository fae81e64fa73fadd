/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's messages to vPCI, one after the other: whoever asks for a completion gets one, nothing is
 * left when the channel closes, and the fake partition aborts on memory where none may be. Input, for
 * each message: a byte of flags (1: completion asked for, 2: the ring is full, 4: the host asks for the
 * function, 8: it is taken by surprise, 16: memory and MSI-X are switched on first), its length, itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/vpcicore.h"

#define MSGS_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pcicore c;

static void use_function(void)
{
	pcicore_wr(&c, 0x18, 4, 0xF8100000);
	pcicore_wr(&c, 0x24, 4, 0x10);
	pcicore_wr(&c, 4, 2, 6);
	pcicore_wr(&c, VF_CAP_MSIX + 2, 2, 0x8000);
}

/* False when the channel is over. */
static bool one(uint8_t flags, const uint8_t *body, uint32_t len)
{
	unsigned int sent = c.nr_sent;
	uint32_t type = 0;
	int rc;

	if (flags & 16)
		use_function();
	if (flags & 8) {
		__atomic_store_n(&c.v.is_gone, true, __ATOMIC_RELEASE);
		vpci_func_stop(&c.v);
	}
	if (flags & 4 && !vpci_proto_eject(&c.v))
		vpci_proto_try_eject(&c.v);
	sent = c.nr_sent;
	c.is_full = flags & 2;
	rc = vpci_proto_packet(&c.v, 7, flags & 1, body, len);
	if (rc) {
		pcicore_need(rc == -71); /* EPROTO */
		return false;
	}
	memcpy(&type, body, sizeof(type));
	if (c.is_full)
		pcicore_need(c.nr_sent == sent);
	else if (flags & 1)
		pcicore_need(c.nr_sent == sent + 1 + (c.nr_sent > sent + 1) &&
			     c.last_type == VMBUS_PKT_COMPLETION && c.last_len >= 4);
	else
		pcicore_need(c.nr_sent <= sent + (type == VPCI_QUERY_BUS_RELATIONS));
	c.is_full = false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t cfg_space[sizeof(c.vf.cfg)];
	uint8_t body[256];
	struct vpci_cfg cfg;

	if (!c.vf.mem[0]) {
		fakevf_init(&c.vf);
		memcpy(cfg_space, c.vf.cfg, sizeof(cfg_space));
	}
	memcpy(c.vf.cfg, cfg_space, sizeof(cfg_space));
	cfg = fakevf_cfg(&c.vf);
	pcicore_need(pcicore_init(&c, &cfg) == 0);
	vpci_proto_opened(&c.v);
	for (unsigned int i = 0; i < MSGS_MAX && size >= 2; i++) {
		uint8_t flags = data[0], len = data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = (uint8_t)size;
		memcpy(body, data, len);
		data += len;
		size -= len;
		if (!one(flags, body, len))
			break;
	}
	c.is_full = false;
	vpci_proto_closed(&c.v);
	pcicore_need(!fakevf_nr_maps(&c.vf) && !fakevf_nr_windows(&c.vf) && !c.vf.window[0].len);
	pcicore_need(!c.vf.has_irqs && !c.vf.nr_irqs && !vpci_has_failed(&c.v));
	pcicore_fini(&c);
	return 0;
}
