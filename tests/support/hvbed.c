/* SPDX-License-Identifier: BSD-3-Clause */
/* A partition above the scripted engine, for tests. */
#include "tests/support/hvbed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

struct hv_script bed_script;
struct hv_partition *bed;
struct hv_stop bed_stop;
struct bed_heard bed_heard;

static int on_message(void *ctx, unsigned int vp, uint32_t connection, uint32_t type,
		      const void *payload, size_t len)
{
	bed_heard.nr_messages++;
	bed_heard.connection = connection;
	bed_heard.type = type;
	bed_heard.len = len;
	memcpy(bed_heard.payload, payload, len);
	return connection == 1 ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_CONNECTION_ID;
}

static void on_siefp(void *ctx, unsigned int vp, uint64_t siefp)
{
	bed_heard.nr_siefp++;
	bed_heard.siefp = siefp;
}

static void on_stopped(void *ctx, enum hv_stop_reason reason, uint32_t status, const char *text)
{
	bed_heard.nr_stopped++;
	bed_heard.reason = reason;
	bed_heard.status = status;
	snprintf(bed_heard.text, sizeof(bed_heard.text), "%s", text);
}

static void on_console(void *ctx, const char *line, size_t n)
{
	bed_heard.nr_lines++;
	snprintf(bed_heard.line, sizeof(bed_heard.line), "%.*s", (int)n, line);
}

static const struct hv_partition_ops ops = {on_message, on_siefp, on_stopped, on_console};

void bed_up(void)
{
	cr_assert_eq(hv_scripted_create(&bed, &bed_script, 3, &ops, NULL), 0, "%s", err_text());
}

void bed_down(void)
{
	hv_partition_destroy(bed);
}

enum hv_verdict bed_wrmsr_on(unsigned int vp, uint32_t msr, uint64_t v)
{
	const struct hv_exit ex = {.kind = HV_EXIT_WRMSR, .msr = msr, .value = v};
	uint64_t ignored;

	return hv_dispatch(&bed->vp[vp], &ex, &ignored, &bed_stop);
}

void bed_wrmsr(uint32_t msr, uint64_t v)
{
	cr_assert_eq(bed_wrmsr_on(0, msr, v), HV_GO_ON, "%#x: %s", msr, bed_stop.text);
}

uint64_t bed_rdmsr(uint32_t msr)
{
	const struct hv_exit ex = {.kind = HV_EXIT_RDMSR, .msr = msr};
	uint64_t v = 0;

	cr_assert_eq(hv_dispatch(&bed->vp[0], &ex, &v, &bed_stop), HV_GO_ON, "%#x: %s", msr,
		     bed_stop.text);
	return v;
}

uint64_t bed_hypercall(uint64_t control, uint64_t in, uint64_t out)
{
	const struct hv_exit ex = {.kind = HV_EXIT_HYPERCALL, .rcx = control, .rdx = in, .r8 = out};
	uint64_t v = ~0ull;

	cr_assert_eq(hv_dispatch(&bed->vp[0], &ex, &v, &bed_stop), HV_GO_ON);
	return v;
}

void *bed_mem(uint64_t at)
{
	return gmem_page(&bed->gm, at >> 12);
}

struct hv_message *bed_slot(unsigned int sint)
{
	return (struct hv_message *)bed_mem(BED_SIMP) + sint;
}

void bed_synic_on(void)
{
	bed_wrmsr(HV_MSR_SIMP, BED_SIMP | 1);
	bed_wrmsr(HV_MSR_SIEFP, BED_SIEFP | 1);
	bed_wrmsr(BED_SINT2, BED_VECTOR);
	bed_wrmsr(HV_MSR_SCONTROL, 1);
}

uint32_t bed_post(uint32_t n)
{
	return (uint32_t)hv_post_to_guest(bed, 0, 2, 1, &n, sizeof(n));
}

uint64_t bed_retarget(uint64_t id, uint32_t data, unsigned int vector, uint64_t vp_mask)
{
	const struct hv_retarget_input in = {
		.partition_id = HV_PARTITION_SELF,
		.device_id = id,
		.source = HV_INTERRUPT_SOURCE_MSI,
		.address = 0xfee00000,
		.data = data,
		.vector = vector,
		.vps = vp_mask,
	};

	memcpy(bed_mem(BED_INPUT), &in, sizeof(in));
	return bed_hypercall(HV_CALL_RETARGET, BED_INPUT, 0);
}
