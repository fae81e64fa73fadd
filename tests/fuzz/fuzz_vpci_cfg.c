/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's accesses to vPCI: config space, and what it put where. The fake partition aborts on memory
 * over RAM or other memory; here no write reaches what only the host may change. Input: 8 bytes for each
 * access: what (1: write; 2: inside of what lies at 0xF8000000 and above; else config space; bits 3:2: log2 of
 * the size), where (3 bytes), value (4 bytes). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/vpcicore.h"

#define ACCESSES_MAX 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pcicore c;

static void one(const uint8_t in[8])
{
	unsigned int size = 1u << (in[0] >> 2 & 3);
	uint64_t gpa = CORE_WIN, value = 0;
	uint32_t where = in[1] | (uint32_t)in[2] << 8 | (uint32_t)in[3] << 16;

	gpa += in[0] & 2 ? where : where % VPCI_WINDOW_BYTES;
	memcpy(&value, in + 4, 4);
	if (in[0] & 1)
		fakevf_write(&c.vf, gpa, size, value | value << 32);
	else
		fakevf_read(&c.vf, gpa, size);
}

static void check(const uint8_t *before)
{
	pcicore_need(!memcmp(c.vf.cfg, before, 4));
	pcicore_need(!memcmp(c.vf.cfg + 8, before + 8, VF_CAP_PCIE - 8));
	pcicore_need(!memcmp(c.vf.cfg + 0x100, before + 0x100, sizeof(c.vf.cfg) - 0x100));
	for (unsigned int i = 0; i < VF_VECTORS; i++)
		pcicore_need(c.vf.has_irqs || c.vf.entry[i].is_masked);
	pcicore_need(!vpci_has_failed(&c.v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t cfg_space[sizeof(c.vf.cfg)];
	struct vpci_cfg cfg;

	if (!c.vf.mem[0]) {
		fakevf_init(&c.vf);
		memcpy(cfg_space, c.vf.cfg, sizeof(cfg_space));
	}
	memcpy(c.vf.cfg, cfg_space, sizeof(cfg_space));
	cfg = fakevf_cfg(&c.vf);
	pcicore_need(pcicore_init(&c, &cfg) == 0);
	pcicore_need(pcicore_start(&c) == 0);
	for (unsigned int i = 0; i < ACCESSES_MAX && size >= 8; i++, data += 8, size -= 8)
		one(data);
	check(cfg_space);
	vpci_proto_closed(&c.v);
	pcicore_need(!fakevf_nr_maps(&c.vf) && !fakevf_nr_windows(&c.vf) && !c.vf.has_irqs);
	pcicore_fini(&c);
	return 0;
}
