/* SPDX-License-Identifier: BSD-3-Clause */
/* A partition of three VPs above the scripted engine, whose registers, hypercalls and ports a test
 * uses as a guest would. One at a time; everything happens on the test's thread. */
#pragma once

#include "hv/priv.h"
#include "hv/scripted.h"

#define BED_PAGE(n) (NETHV_IMAGE_BASE + (n)*4096ull)
#define BED_SIMP    BED_PAGE(1)
#define BED_SIEFP   BED_PAGE(2)
#define BED_INPUT   BED_PAGE(3)
#define BED_CODE    BED_PAGE(4)
#define BED_VECTOR  0xf3u /* of SINT2 */
#define BED_SINT2   (HV_MSR_SINT0 + 2)

extern struct hv_script bed_script; /* to be set before bed_up() */
extern struct hv_partition *bed;
extern struct hv_stop bed_stop; /* why the last exit ended the partition */

/* What the partition told its owner. */
struct bed_heard {
	unsigned int nr_messages, nr_siefp, nr_stopped, nr_lines;
	uint32_t connection, type, status;
	size_t len;
	uint8_t payload[HV_MESSAGE_PAYLOAD_MAX];
	uint64_t siefp;
	enum hv_stop_reason reason;
	char text[512], line[300];
};
extern struct bed_heard bed_heard;

/* For TestSuite(.init, .fini). */
void bed_up(void);
void bed_down(void);

enum hv_verdict bed_wrmsr_on(unsigned int vp, uint32_t msr, uint64_t v);
/* On VP 0; the test fails when the partition does not go on. */
void bed_wrmsr(uint32_t msr, uint64_t v);
uint64_t bed_rdmsr(uint32_t msr);
uint64_t bed_hypercall(uint64_t control, uint64_t in, uint64_t out);

/* Guest memory at @gpa. */
void *bed_mem(uint64_t gpa);
/* The message slot of @sint on BED_SIMP. */
struct hv_message *bed_slot(unsigned int sint);
/* VP 0's pages and control on, SINT2 with BED_VECTOR. */
void bed_synic_on(void);
/* A message of type 1 with @n to SINT2; as hv_post_to_guest(). */
uint32_t bed_post(uint32_t n);
/* HvRetargetDeviceInterrupt on VP 0, for the cookie {0xfee00000, @data} of device @id; its status. */
uint64_t bed_retarget(uint64_t id, uint32_t data, unsigned int vector, uint64_t vp_mask);
