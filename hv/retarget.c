/* SPDX-License-Identifier: BSD-3-Clause */
#include "hv/retarget.h"

#include <string.h>

#include <nethv/abi/hv.h>

#define VECTOR_MIN 16u
#define VECTOR_MAX 255u
#define BANK_VPS   64u

/* The first VP of @mask, counted from @base, that exists; @nr_vps: none does. */
static unsigned int first_of(uint64_t mask, unsigned int base, unsigned int nr_vps)
{
	unsigned int vp = mask ? base + (unsigned int)__builtin_ctzll(mask) : nr_vps;

	return vp < nr_vps ? vp : nr_vps;
}

/* The banks stand packed, in the order of the bits of their mask. */
static int sparse_first(const uint8_t *header, unsigned int nr_header, unsigned int nr_vps,
			unsigned int *vp)
{
	uint64_t banks, mask;
	unsigned int i, at = 1;

	if (nr_header == 0)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	memcpy(&banks, header, sizeof(banks));
	if (nr_header != 1 + (unsigned int)__builtin_popcountll(banks))
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	*vp = nr_vps;
	for (i = 0; i < HV_VP_SET_BANKS_MAX && *vp == nr_vps; i++) {
		if (!(banks & 1ull << i))
			continue;
		memcpy(&mask, header + at++ * sizeof(mask), sizeof(mask));
		*vp = first_of(mask, i * BANK_VPS, nr_vps);
	}
	return HV_STATUS_SUCCESS;
}

static int set_first(const struct hv_retarget_input *r, const uint8_t *header,
		     unsigned int nr_header, unsigned int nr_vps, unsigned int *vp)
{
	if (r->vps == HV_VP_SET_SPARSE_4K)
		return sparse_first(header, nr_header, nr_vps, vp);
	*vp = 0;
	if (r->vps != HV_VP_SET_ALL)
		return HV_STATUS_INVALID_PARAMETER;
	/* The mask of banks may be there, and means nothing. */
	return nr_header <= 1 ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_HYPERCALL_INPUT;
}

static int mask_first(const struct hv_retarget_input *r, unsigned int nr_header,
		      unsigned int nr_vps, unsigned int *vp)
{
	if (nr_header)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	*vp = first_of(r->vps, 0, nr_vps);
	return HV_STATUS_SUCCESS;
}

static int fields_check(const struct hv_retarget_input *r)
{
	if (r->partition_id != HV_PARTITION_SELF)
		return HV_STATUS_INVALID_PARTITION_ID;
	if (r->source != HV_INTERRUPT_SOURCE_MSI || r->reserved1 || r->reserved2)
		return HV_STATUS_INVALID_PARAMETER;
	if (r->vector < VECTOR_MIN || r->vector > VECTOR_MAX || r->flags & ~HV_RETARGET_VP_SET)
		return HV_STATUS_INVALID_PARAMETER;
	return HV_STATUS_SUCCESS;
}

int hv_retarget_parse(const void *in, unsigned int nr_header, unsigned int nr_vps,
		      struct hv_retarget *out)
{
	const uint8_t *header = (const uint8_t *)in + sizeof(struct hv_retarget_input);
	struct hv_retarget_input r;
	unsigned int vp;
	int status;

	if (nr_header > HV_RETARGET_HEADER_MAX)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	memcpy(&r, in, sizeof(r));
	status = fields_check(&r);
	if (status)
		return status;
	status = r.flags & HV_RETARGET_VP_SET ? set_first(&r, header, nr_header, nr_vps, &vp)
					      : mask_first(&r, nr_header, nr_vps, &vp);
	if (status)
		return status;
	if (vp == nr_vps)
		return HV_STATUS_INVALID_PARAMETER;
	*out = (struct hv_retarget){.device_id = r.device_id,
				    .address = r.address,
				    .data = r.data,
				    .vector = r.vector,
				    .vp = vp};
	return HV_STATUS_SUCCESS;
}
