/* SPDX-License-Identifier: BSD-3-Clause */
/* GPADL assembly: whole, in pieces, interleaved, and every way to get it wrong. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/gpadl.h"

#define NO_LIMIT 0xffffffffu
#define LATE	 1000u

static struct vmbus_gpadl_builds b;
static struct vmbus_gpadl_build *out;

static struct vmbus_msg_gpadl_header head(uint32_t handle, uint32_t pages)
{
	return (struct vmbus_msg_gpadl_header){.hdr.msgtype = VMBUS_MSG_GPADL_HEADER,
					       .child_relid = 1,
					       .gpadl = handle,
					       .range_buflen = (uint16_t)(8 + 8 * pages),
					       .rangecount = 1};
}

static int feed_head(struct vmbus_msg_gpadl_header h, struct vmbus_gpa_range r, uint32_t pfns,
		     uint32_t left)
{
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];
	uint32_t i;

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), &r, sizeof(r));
	for (i = 0; i < pfns; i++)
		memcpy(buf + 28 + i * 8, &(uint64_t){i}, 8);
	return vmbus_gpadl_header(&b, buf, 28 + pfns * 8, left, LATE, &out);
}

static int header(uint32_t handle, uint32_t pages, uint32_t pfns)
{
	return feed_head(head(handle, pages), (struct vmbus_gpa_range){.byte_count = pages * 4096},
			 pfns, NO_LIMIT);
}

static int body(uint32_t handle, uint32_t from, uint32_t pfns)
{
	struct vmbus_msg_gpadl_body h = {.hdr.msgtype = VMBUS_MSG_GPADL_BODY, .gpadl = handle};
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];
	uint32_t i;

	memcpy(buf, &h, sizeof(h));
	for (i = 0; i < pfns; i++)
		memcpy(buf + 16 + i * 8, &(uint64_t){from + i}, 8);
	return vmbus_gpadl_body(&b, buf, 16 + pfns * 8, &out);
}

static void check_and_free(uint32_t handle, uint32_t pages)
{
	uint32_t i;

	cr_assert_not_null(out);
	cr_assert_eq(out->handle, handle);
	cr_assert_eq(out->nr_pages, pages);
	for (i = 0; i < pages; i++)
		cr_assert_eq(out->pfn[i], i, "page %u", i);
	free(out);
}

Test(vmbus_gpadl, a_small_one_fits_the_header)
{
	cr_assert_eq(header(5, 26, 26), 1);
	check_and_free(5, 26);
	cr_assert_eq(b.nr, 0);
}

Test(vmbus_gpadl, the_largest_one_needs_292_bodies)
{
	uint32_t got = 26;

	cr_assert_eq(header(5, 8190, 26), 0);
	while (got + 28 < 8190) {
		cr_assert_eq(body(5, got, 28), 0);
		got += 28;
	}
	cr_assert_eq(body(5, got, 8190 - got), 1);
	check_and_free(5, 8190);
	cr_assert_eq(b.nr_pages, 0);
}

Test(vmbus_gpadl, several_of_16_mib_may_be_interleaved)
{
	uint32_t got, n, h;

	for (h = 1; h <= 4; h++)
		cr_assert_eq(header(h, 4096, 26), 0);
	for (got = 26; got < 4096; got += n) {
		n = 4096 - got < 28 ? 4096 - got : 28;
		for (h = 1; h <= 4; h++) {
			cr_assert_eq(body(h, got, n), got + n == 4096);
			if (got + n == 4096)
				check_and_free(h, 4096);
		}
	}
	cr_assert_eq(b.nr, 0);
}

Test(vmbus_gpadl, a_header_that_contradicts_itself_is_refused)
{
	struct vmbus_gpa_range r = {.byte_count = 30 * 4096};
	struct vmbus_msg_gpadl_header h = head(5, 30);

	h.gpadl = 0;
	cr_assert_eq(feed_head(h, r, 26, NO_LIMIT), -EINVAL);
	h = head(5, 30);
	h.rangecount = 2;
	cr_assert_eq(feed_head(h, r, 26, NO_LIMIT), -EINVAL);
	h.rangecount = 0;
	cr_assert_eq(feed_head(h, r, 26, NO_LIMIT), -EINVAL);
	h = head(5, 29);
	cr_assert_eq(feed_head(h, r, 26, NO_LIMIT), -EINVAL);
	h = head(5, 30);
	h.range_buflen += 1;
	cr_assert_eq(feed_head(h, r, 26, NO_LIMIT), -EINVAL);
	h = head(5, 30);
	r.byte_offset = 4096;
	cr_assert_eq(feed_head(h, r, 26, NO_LIMIT), -EINVAL);
	r = (struct vmbus_gpa_range){.byte_count = 0xffffffff, .byte_offset = 4095};
	cr_assert_eq(feed_head(h, r, 26, NO_LIMIT), -EINVAL);
	r = (struct vmbus_gpa_range){0};
	cr_assert_eq(feed_head(h, r, 26, NO_LIMIT), -EINVAL);
	cr_assert_eq(b.nr, 0);
}

Test(vmbus_gpadl, an_offset_can_cost_one_page_more)
{
	struct vmbus_gpa_range r = {.byte_count = 4096, .byte_offset = 8};

	cr_assert_eq(feed_head(head(5, 2), r, 2, NO_LIMIT), 1);
	cr_assert_eq(out->nr_pages, 2);
	free(out);
}

Test(vmbus_gpadl, more_pages_than_announced_end_it)
{
	cr_assert_eq(header(5, 2, 3), -EINVAL);
	cr_assert_eq(header(5, 30, 26), 0);
	cr_assert_eq(body(5, 26, 5), -EPROTO);
	cr_assert_eq(out->handle, 5);
	free(out);
	cr_assert_eq(body(5, 26, 1), -ENOENT, "it is gone");
	cr_assert_eq(b.nr_pages, 0);
}

Test(vmbus_gpadl, a_body_of_none_in_progress_is_a_stray)
{
	cr_assert_eq(body(5, 0, 1), -ENOENT);
	cr_assert_eq(vmbus_gpadl_body(&b, "short", 5, &out), -ENOENT);
}

Test(vmbus_gpadl, a_handle_in_progress_cannot_be_begun_again)
{
	cr_assert_eq(header(5, 30, 26), 0);
	cr_assert_eq(header(5, 30, 26), -EEXIST);
	cr_assert_eq(body(5, 26, 4), 1);
	free(out);
	cr_assert_eq(header(5, 30, 26), 0);
	vmbus_gpadl_drop(&b);
}

Test(vmbus_gpadl, number_and_pages_are_bounded)
{
	struct vmbus_gpa_range r = {.byte_count = 30 * 4096};
	uint32_t i;

	cr_assert_eq(feed_head(head(5, 30), r, 26, 29), -ENOSPC);
	cr_assert_eq(feed_head(head(5, 30), r, 26, 30), 0);
	for (i = 1; i < VMBUS_GPADL_BUILDS_MAX; i++)
		cr_assert_eq(header(5 + i, 30, 26), 0);
	cr_assert_eq(b.nr_pages, 30 * VMBUS_GPADL_BUILDS_MAX);
	cr_assert_eq(header(999, 30, 26), -ENOSPC);
	vmbus_gpadl_drop(&b);
	cr_assert_eq(b.nr_pages, 0);
}

Test(vmbus_gpadl, one_that_takes_too_long_is_given_back)
{
	struct vmbus_gpadl_build *late;

	cr_assert_eq(vmbus_gpadl_deadline(&b), UINT64_MAX);
	cr_assert_eq(header(5, 30, 26), 0);
	cr_assert_eq(vmbus_gpadl_deadline(&b), LATE);
	cr_assert_null(vmbus_gpadl_take_late(&b, LATE - 1));
	late = vmbus_gpadl_take_late(&b, LATE);
	cr_assert_eq(late->handle, 5);
	free(late);
	cr_assert_eq(b.nr, 0);
}

Test(vmbus_gpadl, one_can_be_taken_out_by_its_channel)
{
	struct vmbus_gpadl_build *g;

	cr_assert_eq(header(5, 30, 26), 0);
	cr_assert_null(vmbus_gpadl_take(&b, 2, 5));
	cr_assert_null(vmbus_gpadl_take(&b, 1, 6));
	g = vmbus_gpadl_take(&b, 1, 0);
	cr_assert_eq(g->handle, 5);
	free(g);
}
