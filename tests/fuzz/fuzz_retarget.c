/* SPDX-License-Identifier: BSD-3-Clause */
/* HvRetargetDeviceInterrupt: a guest's input block and any variable header. Input: {units of the header
 * (2), VPs (1), flags (1)}, then the block, zeros where it is too short. Flag 1: also as a hypercall, of
 * a device with id 1 and the cookie 1. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/device.h"
#include "hv/priv.h"
#include "hv/retarget.h"
#include "hv/scripted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIXED	   sizeof(struct hv_retarget_input)
#define HEADER_MAX 0x3ffu
#define VPS	   3u

static uint64_t word(const uint8_t *block, size_t i)
{
	uint64_t v;

	memcpy(&v, block + 8 * i, sizeof(v));
	return v;
}

/* Does the set name @vp? Word 6 is the mask or the format, banks begin at word 8. */
static bool naive_names(const uint8_t *block, unsigned int vp)
{
	bool is_set = word(block, 5) >> 32 & HV_RETARGET_VP_SET;
	unsigned int bank, at = 8;

	if (!is_set)
		return vp < 64 && word(block, 6) >> vp & 1;
	if (word(block, 6) == HV_VP_SET_ALL)
		return true;
	for (bank = 0; bank < vp / 64; bank++)
		at += word(block, 7) >> bank & 1;
	return vp / 64 < 64 && word(block, 7) >> (vp / 64) & 1 && word(block, at) >> (vp % 64) & 1;
}

/* The block is exactly as long as it says, so that a sanitizer sees who reads beyond. */
static void parse(const uint8_t *data, size_t size, unsigned int nr_header, unsigned int nr_vps)
{
	size_t len = FIXED + 8ull * nr_header, n = size < len ? size : len;
	uint8_t *block = calloc(1, len);
	struct hv_retarget r;
	unsigned int vp;
	int status;

	if (!block)
		abort();
	memcpy(block, data, n);
	status = hv_retarget_parse(block, nr_header, nr_vps, &r);
	if (!status) {
		if (r.vector < 16 || r.vector > 255 || r.vp >= nr_vps ||
		    !naive_names(block, r.vp) || r.device_id != word(block, 1))
			abort();
		for (vp = 0; vp < r.vp; vp++) {
			if (naive_names(block, vp))
				abort();
		}
	} else if (status != HV_STATUS_INVALID_PARAMETER &&
		   status != HV_STATUS_INVALID_HYPERCALL_INPUT &&
		   status != HV_STATUS_INVALID_PARTITION_ID) {
		abort();
	}
	free(block);
}

static struct hv_script script;
static const struct hv_partition_ops none;

static struct hv_partition *partition(struct hv_device **dev)
{
	const struct hv_device_cfg cfg = {.name = "vf", .device_id = 1, .nr_vectors = 1};
	struct hv_partition *p;
	uint64_t address;
	uint32_t cookie;

	if (hv_scripted_create(&p, &script, VPS, &none, NULL) || hv_device_create(dev, p, &cfg) ||
	    hv_device_irq_create(*dev, 1, &address, &cookie) || cookie != 1)
		abort();
	hv_device_entry_set(*dev, 0, address, cookie, false);
	return p;
}

static void call(const uint8_t *data, size_t size, unsigned int nr_header)
{
	const uint64_t at = NETHV_IMAGE_BASE + 0x1000;
	static struct hv_partition *p;
	static struct hv_device *dev;
	uint8_t *page;
	uint64_t status;

	if (!p)
		p = partition(&dev);
	page = gmem_page(&p->gm, at >> 12);
	memset(page, 0, GMEM_PAGE_SIZE);
	memcpy(page, data, size < GMEM_PAGE_SIZE ? size : GMEM_PAGE_SIZE);
	script.line[0].vector = 0;
	status = hv_hypercall(&p->vp[0], HV_CALL_RETARGET | (uint64_t)nr_header << 17, at, 0);
	if (status > HV_STATUS_INVALID_PARTITION_ID || script.line[0].vp >= VPS)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int nr_header;

	if (size < 4)
		return 0;
	nr_header = (data[0] | data[1] << 8) & HEADER_MAX;
	parse(data + 4, size - 4, nr_header, data[2] ? data[2] : 1u);
	if (data[3] & 1)
		call(data + 4, size - 4, nr_header);
	return 0;
}
