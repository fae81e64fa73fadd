/* SPDX-License-Identifier: BSD-3-Clause */
/* Assigned devices above the scripted engine: life, interrupts, retargeting, memory. The order of
 * events is in prop_hv_device.c, windows are in test_hv_window.c. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "hv/device.h"
#include "hv/retarget.h"
#include "tests/support/hvbed.h"

#define ID	0x12340000abull
#define ADDRESS 0xfee00000ull
#define BAR	0xf8000000ull
#define PAGE	4096ull

static struct hv_device *dev;
static uint8_t pages[8 * 4096] __attribute__((aligned(4096)));

static struct hv_device *device_make(const char *name, uint64_t id, unsigned int nr)
{
	const struct hv_device_cfg cfg = {.name = name, .device_id = id, .nr_vectors = nr};
	struct hv_device *d = NULL;

	cr_assert_eq(hv_device_create(&d, bed, &cfg), 0, "%s", err_text());
	return d;
}

static void up(void)
{
	bed_up();
	dev = device_make("vf0", ID, 4);
}

static void down(void)
{
	hv_device_destroy(dev);
	bed_down();
}

TestSuite(hv_device, .init = up, .fini = down);

static uint32_t cookie(struct hv_device *d, unsigned int count)
{
	uint64_t address = 0;
	uint32_t data = 0;

	cr_assert_eq(hv_device_irq_create(d, count, &address, &data), 0, "%s", err_text());
	cr_assert_eq(address, ADDRESS);
	return data;
}

static unsigned int nr_fds(void)
{
	unsigned int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* --- Life ---------------------------------------------------------------------------------------- */

Test(hv_device, refuses_what_is_no_device)
{
	const struct hv_device_cfg row[] = {
		{.name = "", .nr_vectors = 1},
		{.name = NULL, .nr_vectors = 1},
		{.name = "x", .nr_vectors = 0},
		{.name = "x", .nr_vectors = HV_DEVICE_VECTORS_MAX + 1},
	};
	struct hv_device *d = NULL;
	unsigned int i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_assert_eq(hv_device_create(&d, bed, &row[i]), -EINVAL, "row %u", i);
	cr_assert(strstr(err_text(), "want 1..64"), "%s", err_text());
	cr_assert_null(d);
}

Test(hv_device, an_id_belongs_to_one_device)
{
	const struct hv_device_cfg cfg = {.name = "vf1", .device_id = ID, .nr_vectors = 1};
	struct hv_device *d = NULL;

	cr_assert_eq(hv_device_create(&d, bed, &cfg), -EEXIST);
	cr_assert(strstr(err_text(), "that of vf0"), "%s", err_text());
	hv_device_destroy(dev);
	dev = NULL;
	cr_assert_eq(hv_device_create(&d, bed, &cfg), 0, "%s", err_text());
	hv_device_destroy(d);
}

Test(hv_device, there_is_an_end_to_devices)
{
	const struct hv_device_cfg cfg = {.name = "more", .device_id = 99, .nr_vectors = 1};
	struct hv_device *d[HV_DEVICES_MAX] = {0}, *more = NULL;
	unsigned int i;

	for (i = 1; i < HV_DEVICES_MAX; i++)
		d[i] = device_make("some", i, 1);
	cr_assert_eq(hv_device_create(&more, bed, &cfg), -ENOSPC);
	for (i = 0; i < HV_DEVICES_MAX; i++)
		hv_device_destroy(d[i]);
}

Test(hv_device, one_that_does_not_get_its_lines_leaves_nothing_behind)
{
	const struct hv_device_cfg cfg = {.name = "big", .device_id = 1, .nr_vectors = 64};
	struct hv_device *d[2] = {0};
	unsigned int i, lines = 0, fds;

	cr_assert_eq(hv_device_create(&d[0], bed, &cfg), 0);
	fds = nr_fds();
	cr_assert_eq(hv_device_create(&d[1], bed, &(struct hv_device_cfg){"b", 2, 64}), -ENOSPC);
	cr_assert_null(d[1]);
	cr_assert_eq(nr_fds(), fds);
	for (i = 0; i < HV_SCRIPT_LINES; i++)
		lines += bed_script.line[i].is_used;
	cr_assert_eq(lines, 4 + 64);
	hv_device_destroy(d[0]);
}

Test(hv_device, destroy_unplugs_and_unmaps_all)
{
	uint32_t c = cookie(dev, 1);
	unsigned int i;

	hv_device_entry_set(dev, 1, ADDRESS, c, false);
	cr_assert_eq(bed_retarget(ID, c, 0x41, 1), 0);
	cr_assert_eq(bed_script.line[1].vector, 0x41);
	cr_assert_eq(hv_device_mem_map(dev, BAR, pages, 2 * PAGE, false), 0, "%s", err_text());
	cr_assert_eq(hv_device_mem_map(dev, BAR + 4 * PAGE, pages, PAGE, true), 0);
	hv_device_destroy(dev);
	dev = NULL;
	for (i = 0; i < HV_SCRIPT_LINES; i++)
		cr_assert_not(bed_script.line[i].is_used);
	for (i = 0; i < HV_SCRIPT_MAPS; i++)
		cr_assert_eq(bed_script.map[i].len, 0);
	cr_assert_eq(bed_retarget(ID, c, 0x41, 1), HV_STATUS_INVALID_PARAMETER);
}

Test(hv_device_bare, an_engine_without_device_assignment_says_so)
{
	const struct hv_device_cfg cfg = {.name = "vf0", .device_id = 1, .nr_vectors = 1};
	struct hv_device *d = NULL;

	bed_script.is_bare = true;
	bed_up();
	cr_assert_eq(hv_device_create(&d, bed, &cfg), -EOPNOTSUPP);
	cr_assert(strstr(err_text(), "engine scripted has no device assignment"), "%s", err_text());
	cr_assert_eq(hv_device_vfio_attach(bed, 3), -EOPNOTSUPP);
	hv_device_vfio_detach(bed, 3);
	hv_device_destroy(NULL);
	bed_down();
}

Test(hv_device, vfio_files_reach_the_engine)
{
	cr_assert_eq(hv_device_vfio_attach(bed, 77), 0);
	cr_assert_eq(bed_script.vfio_fd, 77);
	hv_device_vfio_detach(bed, 77);
	cr_assert_eq(bed_script.vfio_fd, -1);
}

/* --- Cookies ------------------------------------------------------------------------------------- */

Test(hv_device, cookies_are_unique_also_after_many_rounds)
{
	uint32_t data[HV_DEVICE_IRQS_MAX], hole;
	unsigned int i, j, round;
	uint64_t address;

	for (i = 0; i < HV_DEVICE_IRQS_MAX; i++)
		data[i] = cookie(dev, 1);
	cr_assert_eq(hv_device_irq_create(dev, 1, &address, &hole), -ENOSPC);
	/* More rounds than there are numbers, around the long-lived ones. */
	for (round = 0; round < 70000; round++) {
		i = round % 7;
		cr_assert_eq(hv_device_irq_delete(dev, ADDRESS, data[i]), 0);
		data[i] = cookie(dev, 1);
		cr_assert(data[i] >= 1 && data[i] <= 0xffff);
		for (j = 0; j < HV_DEVICE_IRQS_MAX; j++)
			cr_assert(j == i || data[j] != data[i], "%#x twice", data[i]);
	}
}

Test(hv_device, several_at_once_are_aligned_and_go_together)
{
	uint32_t one = cookie(dev, 1), four = cookie(dev, 4);
	unsigned int i;

	cr_assert_eq(four % 4, 0);
	cr_assert(one < four || one >= four + 4);
	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS, four + 1), -ENOENT, "not its first");
	for (i = 0; i < 4; i++)
		cr_assert_eq(bed_retarget(ID, four + i, 0x40 + i, 1), 0);
	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS, four), 0);
	for (i = 0; i < 4; i++)
		cr_assert_eq(bed_retarget(ID, four + i, 0x40, 1), HV_STATUS_INVALID_PARAMETER);
	cr_assert_eq(bed_retarget(ID, one, 0x40, 1), 0);
}

Test(hv_device, refuses_counts_and_deletions_that_make_no_sense)
{
	static const unsigned int count[] = {0, 3, 5, 63, 65, 128, ~0u};
	uint32_t data = cookie(dev, 1);
	uint64_t address;
	unsigned int i;

	for (i = 0; i < sizeof(count) / sizeof(count[0]); i++)
		cr_assert_eq(hv_device_irq_create(dev, count[i], &address, &data), -EINVAL);
	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS + 4, data), -ENOENT);
	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS | 1ull << 32, data), -ENOENT);
	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS, data + 1), -ENOENT);
	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS, data), 0);
	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS, data), -ENOENT);
}

/* --- Entries ------------------------------------------------------------------------------------- */

Test(hv_device, what_fires_while_it_cannot_be_delivered_is_pending_and_comes_later)
{
	const struct hv_script_line *l = &bed_script.line[2];
	uint32_t c = cookie(dev, 1);

	cr_assert_not(hv_device_entry_pending(dev, 2));
	fd_kick(hv_device_entry_fd(dev, 2));
	cr_assert(hv_device_entry_pending(dev, 2));
	hv_device_entry_set(dev, 2, ADDRESS, c, true);
	cr_assert_eq(bed_retarget(ID, c, 0x51, 2), 0);
	cr_assert(hv_device_entry_pending(dev, 2));
	cr_assert_eq(l->vector, 0);
	hv_device_entry_set(dev, 2, ADDRESS, c, false);
	cr_assert_not(hv_device_entry_pending(dev, 2));
	cr_assert_eq(l->nr_raised, 1);
	cr_assert_eq(l->raised_vp, 1);
	cr_assert_eq(l->raised_vector, 0x51);
}

Test(hv_device, a_reset_forgets_cookies_entries_and_what_is_pending)
{
	uint32_t c = cookie(dev, 1);

	hv_device_entry_set(dev, 0, ADDRESS, c, false);
	cr_assert_eq(bed_retarget(ID, c, 0x51, 1), 0);
	fd_kick(hv_device_entry_fd(dev, 3));
	cr_assert(hv_device_entry_pending(dev, 3));
	hv_device_irqs_reset(dev);
	cr_assert_not(hv_device_entry_pending(dev, 3));
	cr_assert_eq(bed_script.line[0].vector, 0);
	cr_assert_eq(bed_retarget(ID, c, 0x51, 1), HV_STATUS_INVALID_PARAMETER);
	cr_assert_eq(hv_device_irq_delete(dev, ADDRESS, c), -ENOENT);
}

Test(hv_device, entries_that_do_not_exist_are_ignored)
{
	uint32_t c = cookie(dev, 1);

	hv_device_entry_set(dev, 4, ADDRESS, c, false);
	hv_device_entry_set(dev, ~0u, ADDRESS, c, false);
	cr_assert_eq(bed_retarget(ID, c, 0x51, 1), 0);
	cr_assert_eq(bed_script.nr_line_sets, 0);
	cr_assert_not(hv_device_entry_pending(dev, 4));
	cr_assert_eq(hv_device_entry_fd(dev, 4), -EINVAL);
}

Test(hv_device, two_entries_may_hold_one_cookie_and_follow_it)
{
	uint32_t c = cookie(dev, 1);
	unsigned int i;

	hv_device_entry_set(dev, 0, ADDRESS, c, false);
	hv_device_entry_set(dev, 3, ADDRESS, c, false);
	for (i = 0; i < 3; i++) {
		cr_assert_eq(bed_retarget(ID, c, 0x60 + i, 1ull << i), 0);
		cr_assert_eq(bed_script.line[0].vector, 0x60 + i);
		cr_assert_eq(bed_script.line[3].vector, 0x60 + i);
		cr_assert_eq(bed_script.line[3].vp, i);
	}
}

Test(hv_device, what_changes_nothing_costs_nothing)
{
	uint32_t c = cookie(dev, 1);
	unsigned int sets;

	hv_device_entry_set(dev, 0, ADDRESS, c, false);
	cr_assert_eq(bed_retarget(ID, c, 0x60, 1), 0);
	sets = bed_script.nr_line_sets;
	hv_device_entry_set(dev, 0, ADDRESS, c, false);
	cr_assert_eq(bed_retarget(ID, c, 0x60, 1), 0);
	cr_assert_eq(bed_script.nr_line_sets, sets);
}

Test(hv_device, an_engine_that_fails_leaves_the_entry_unplugged_and_tells_the_guest)
{
	uint32_t c = cookie(dev, 1);

	hv_device_entry_set(dev, 0, ADDRESS, c, false);
	bed_script.line_error = -ENOMEM;
	cr_assert_eq(bed_retarget(ID, c, 0x60, 1), HV_STATUS_INSUFFICIENT_MEMORY);
	fd_kick(hv_device_entry_fd(dev, 0));
	cr_assert(hv_device_entry_pending(dev, 0));
	bed_script.line_error = 0;
	cr_assert_eq(bed_retarget(ID, c, 0x60, 1), 0);
	cr_assert_eq(bed_script.line[0].nr_raised, 1);
}

/* --- Retargeting: what the hypercall refuses ------------------------------------------------------- */

static struct hv_retarget_input good(uint32_t data)
{
	return (struct hv_retarget_input){.partition_id = HV_PARTITION_SELF,
					  .device_id = ID,
					  .source = HV_INTERRUPT_SOURCE_MSI,
					  .address = ADDRESS,
					  .data = data,
					  .vector = 0x41,
					  .vps = 1};
}

static uint64_t call_with(const struct hv_retarget_input *in, uint64_t nr_header)
{
	memcpy(bed_mem(BED_INPUT), in, sizeof(*in));
	return bed_hypercall(HV_CALL_RETARGET | nr_header << 17, BED_INPUT, 0);
}

Test(hv_device, retarget_refuses_each_field_that_is_wrong)
{
	uint32_t c = cookie(dev, 1);
	struct hv_retarget_input in;
	unsigned int i;
	const struct {
		size_t at;
		uint32_t value;
		uint64_t status;
	} row[] = {
		{offsetof(struct hv_retarget_input, partition_id), 1, 13},
		{offsetof(struct hv_retarget_input, device_id), 0xac, 5},
		{offsetof(struct hv_retarget_input, device_id) + 4, 0x13, 5},
		{offsetof(struct hv_retarget_input, source), 0, 5},
		{offsetof(struct hv_retarget_input, source), 2, 5},
		{offsetof(struct hv_retarget_input, reserved1), 1, 5},
		{offsetof(struct hv_retarget_input, address), 0xfee01000, 5},
		{offsetof(struct hv_retarget_input, data), c + 1, 5},
		{offsetof(struct hv_retarget_input, reserved2) + 4, 1, 5},
		{offsetof(struct hv_retarget_input, vector), 15, 5},
		{offsetof(struct hv_retarget_input, vector), 256, 5},
		{offsetof(struct hv_retarget_input, vector), 0x141, 5},
		{offsetof(struct hv_retarget_input, flags), HV_RETARGET_MULTICAST, 5},
		{offsetof(struct hv_retarget_input, flags), 4, 5},
		{offsetof(struct hv_retarget_input, vps), 0, 5},
		{offsetof(struct hv_retarget_input, vps), 8, 5}, /* VP 3 of 3 */
	};

	hv_device_entry_set(dev, 0, ADDRESS, c, false);
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		in = good(c);
		memcpy((uint8_t *)&in + row[i].at, &row[i].value, sizeof(row[i].value));
		cr_assert_eq(call_with(&in, 0), row[i].status, "row %u", i);
		cr_assert_eq(bed_script.line[0].vector, 0, "row %u", i);
	}
	in = good(c);
	cr_assert_eq(call_with(&in, 0), 0);
	cr_assert_eq(bed_script.line[0].vector, 0x41);
}

Test(hv_device, retarget_obeys_the_rules_of_hypercall_input)
{
	const struct hv_retarget_input in = good(cookie(dev, 1));
	const uint64_t end = BED_INPUT + PAGE - sizeof(in);
	static const uint64_t bad[] = {1ull << 27, 1ull << 31, 1ull << 32, 1ull << 48, 1ull << 60};
	unsigned int i;

	cr_assert_eq(call_with(&in, 0), 0);
	cr_assert_eq(call_with(&in, 1), HV_STATUS_INVALID_HYPERCALL_INPUT);
	cr_assert_eq(call_with(&in, 0x3ff), HV_STATUS_INVALID_HYPERCALL_INPUT);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(bed_hypercall(HV_CALL_RETARGET | bad[i], BED_INPUT, 0),
			     HV_STATUS_INVALID_HYPERCALL_INPUT, "row %u", i);
	cr_assert_eq(bed_hypercall(HV_CALL_RETARGET | HV_CALL_FAST, 1, 1),
		     HV_STATUS_INVALID_HYPERCALL_INPUT);
	cr_assert_eq(bed_hypercall(HV_CALL_RETARGET, BED_INPUT + 4, 0),
		     HV_STATUS_INVALID_ALIGNMENT);
	cr_assert_eq(bed_hypercall(HV_CALL_RETARGET, 1ull << 40, 0), HV_STATUS_INVALID_PARAMETER);
	memcpy((uint8_t *)bed_mem(BED_INPUT) + PAGE - sizeof(in), &in, sizeof(in));
	cr_assert_eq(bed_hypercall(HV_CALL_RETARGET, end, 0), 0, "up to the page's end");
	cr_assert_eq(bed_hypercall(HV_CALL_RETARGET, end + 8, 0),
		     HV_STATUS_INVALID_HYPERCALL_INPUT);
	cr_assert_eq(bed_hypercall(HV_CALL_RETARGET | 1ull << 17, end, 0),
		     HV_STATUS_INVALID_HYPERCALL_INPUT, "the header, too, must be in the page");
}

Test(hv_device, retarget_by_vp_set_reaches_the_engine)
{
	uint32_t c = cookie(dev, 1);
	struct {
		struct hv_retarget_input in;
		uint64_t banks, bank[1];
	} call = {.in = good(c), .banks = 1, .bank = {4}};

	hv_device_entry_set(dev, 0, ADDRESS, c, false);
	call.in.flags = HV_RETARGET_VP_SET;
	call.in.vps = HV_VP_SET_SPARSE_4K;
	memcpy(bed_mem(BED_INPUT), &call, sizeof(call));
	cr_assert_eq(bed_hypercall(HV_CALL_RETARGET | 2ull << 17, BED_INPUT, 0), 0);
	cr_assert_eq(bed_script.line[0].vp, 2);
}

/* --- VP sets --------------------------------------------------------------------------------------- */

struct vp_set_row {
	uint32_t flags;
	uint64_t vps;
	unsigned int nr_header;
	uint64_t header[4];
	unsigned int nr_vps;
	int status;
	unsigned int vp;
};

Test(hv_device, vp_sets_of_all_formats)
{
	enum { M = 0, S = HV_RETARGET_VP_SET };
	static const struct vp_set_row row[] = {
		/* A mask. */
		{M, 1, 0, {0}, 1, 0, 0},
		{M, 0xc, 0, {0}, 4, 0, 2},
		{M, 1ull << 63, 0, {0}, 64, 0, 63},
		{M, 1ull << 63, 0, {0}, 63, 5, 0},
		{M, 0, 0, {0}, 4, 5, 0},
		{M, 1, 1, {1}, 4, 3, 0},
		/* All. */
		{S, 1, 0, {0}, 4, 0, 0},
		{S, 1, 1, {~0ull}, 4, 0, 0},
		{S, 1, 2, {1, 1}, 4, 3, 0},
		{S, 2, 1, {0}, 4, 5, 0},
		{S, ~0ull, 2, {1, 1}, 4, 5, 0},
		/* Sparse. */
		{S, 0, 2, {1, 0x6}, 4, 0, 1},
		{S, 0, 3, {3, 0, 1}, 66, 0, 64},
		{S, 0, 3, {3, 0, 1}, 64, 5, 0},
		{S, 0, 2, {2, 1}, 65, 0, 64},
		{S, 0, 3, {5, 0, 1ull << 5}, 200, 0, 133},
		{S, 0, 2, {1ull << 63, 1}, 4096, 0, 4032},
		{S, 0, 2, {1ull << 63, 1}, 64, 5, 0},
		{S, 0, 3, {3, 0, 0}, 200, 5, 0},
		{S, 0, 1, {0}, 4, 5, 0},
		/* The header is not what the mask of banks says. */
		{S, 0, 0, {0}, 4, 3, 0},
		{S, 0, 1, {1}, 4, 3, 0},
		{S, 0, 3, {1, 1, 1}, 4, 3, 0},
		{S, 0, 2, {~0ull, 1}, 4, 3, 0},
		{S, 0, 2, {0, 1}, 4, 3, 0},
		{S, 0, 66, {0}, 4, 3, 0},
	};
	struct {
		struct hv_retarget_input in;
		uint64_t header[HV_RETARGET_HEADER_MAX];
	} block;
	struct hv_retarget out;
	unsigned int i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		memset(&block, 0, sizeof(block));
		block.in = good(7);
		block.in.flags = row[i].flags;
		block.in.vps = row[i].vps;
		memcpy(block.header, row[i].header, sizeof(row[i].header));
		cr_assert_eq(hv_retarget_parse(&block, row[i].nr_header, row[i].nr_vps, &out),
			     row[i].status, "row %u", i);
		cr_assert(row[i].status || out.vp == row[i].vp, "row %u: VP %u", i, out.vp);
	}
}

Test(hv_device, all_64_banks_are_read)
{
	struct {
		struct hv_retarget_input in;
		uint64_t banks, bank[64];
	} block = {.in = good(7), .banks = ~0ull};
	struct hv_retarget out;

	block.in.flags = HV_RETARGET_VP_SET;
	block.in.vps = HV_VP_SET_SPARSE_4K;
	block.bank[63] = 1ull << 63;
	cr_assert_eq(hv_retarget_parse(&block, 65, 4096, &out), 0);
	cr_assert_eq(out.vp, 4095);
	cr_assert_eq(hv_retarget_parse(&block, 65, 4095, &out), HV_STATUS_INVALID_PARAMETER);
}

/* --- Memory -------------------------------------------------------------------------------------- */

Test(hv_device, memory_goes_to_the_engine_and_comes_back_as_a_whole)
{
	cr_assert_eq(hv_device_mem_map(dev, BAR, pages, 2 * PAGE, true), 0, "%s", err_text());
	cr_assert_eq(bed_script.map[0].gpa, BAR);
	cr_assert_eq(bed_script.map[0].len, 2 * PAGE);
	cr_assert_eq(bed_script.map[0].hva, (void *)pages);
	cr_assert(bed_script.map[0].is_readonly);
	cr_assert_eq(hv_device_mem_unmap(dev, BAR, PAGE), -ENOENT);
	cr_assert_eq(hv_device_mem_unmap(dev, BAR + PAGE, PAGE), -ENOENT);
	cr_assert_eq(hv_device_mem_unmap(dev, 0, 0), -ENOENT);
	cr_assert_eq(hv_device_mem_unmap(dev, BAR, 2 * PAGE), 0, "%s", err_text());
	cr_assert_eq(hv_device_mem_unmap(dev, BAR, 2 * PAGE), -ENOENT);
	cr_assert_eq(bed_script.map[0].len, 0);
}

Test(hv_device, memory_refuses_what_is_not_whole_pages_in_free_space)
{
	struct hv_device *other = device_make("vf1", 5, 1);
	const struct {
		uint64_t at, len;
		void *hva;
		int rc;
	} row[] = {
		{BAR + 1, PAGE, pages, -EINVAL},
		{BAR, PAGE + 1, pages, -EINVAL},
		{BAR, PAGE, pages + 8, -EINVAL},
		{BAR, 0, pages, -EINVAL},
		{~0ull & ~(PAGE - 1), PAGE, pages, -EINVAL},
		{1ull << 51, 1ull << 52, pages, -EINVAL},
		{BAR, ~0ull & ~(PAGE - 1), pages, -EINVAL},
		{NETHV_IMAGE_BASE, PAGE, pages, -EEXIST},
		{0, 1ull << 40, pages, -EEXIST},
		{BAR + 2 * PAGE, 2 * PAGE, pages, -EEXIST}, /* the other's */
		{BAR + 3 * PAGE, 4 * PAGE, pages, -EEXIST},
		{BAR, 8 * PAGE, pages, -EEXIST},
		{BAR, 3 * PAGE, pages, 0},
		{BAR, PAGE, pages, -EEXIST},
		{BAR + 5 * PAGE, PAGE, pages, 0},
	};
	unsigned int i;

	cr_assert_eq(hv_device_mem_map(other, BAR + 3 * PAGE, pages, 2 * PAGE, false), 0);
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_assert_eq(hv_device_mem_map(dev, row[i].at, row[i].hva, row[i].len, false),
			     row[i].rc, "row %u: %s", i, err_text());
	hv_device_destroy(other);
	cr_assert_eq(hv_device_mem_map(dev, BAR + 3 * PAGE, pages, PAGE, false), 0);
}

Test(hv_device, there_is_an_end_to_memory_and_its_places_are_used_again)
{
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < HV_DEVICE_MAPS_MAX; i++)
			cr_assert_eq(hv_device_mem_map(dev, BAR + i * PAGE, pages, PAGE, false), 0);
		cr_assert_eq(hv_device_mem_map(dev, BAR + i * PAGE, pages, PAGE, false), -ENOSPC);
		for (i = 0; i < HV_DEVICE_MAPS_MAX; i++)
			cr_assert_eq(hv_device_mem_unmap(dev, BAR + i * PAGE, PAGE), 0);
	}
}
