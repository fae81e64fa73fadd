/* SPDX-License-Identifier: BSD-3-Clause */
/* base/: errors, fds, guest memory map. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/gmem.h"

#define COPY_MOST 400u

static uint8_t ram[8 * GMEM_PAGE_SIZE] __attribute__((aligned(4096)));

Test(err, keeps_code_text_and_prefix)
{
	cr_assert_eq(err_set(-EBUSY, "port %u taken", 3), -EBUSY);
	err_prefix("nic %s", "a");
	cr_assert_str_eq(err_text(), "nic a: port 3 taken");
}

Test(err, appends_what_the_kernel_said)
{
	cr_assert_eq(err_sys(-ENOENT, "file %s", "x"), -ENOENT);
	cr_assert_str_eq(err_text(), "file x: No such file or directory");
}

Test(fd, memfd_is_sealed_against_shrinking_and_growing)
{
	int fd = fd_memfd("t", 1 << 20, FD_HUGE_NO, NULL);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, 4096), -1);
	cr_assert_eq(ftruncate(fd, 2 << 20), -1);
	fd_close(&fd);
	cr_assert_eq(fd, -1);
}

Test(fd, memfd_that_cannot_be_had_says_how_much_was_wanted)
{
	cr_assert_lt(fd_memfd("t", 1ul << 60, FD_HUGE_NO, NULL), 0);
	cr_assert(strstr(err_text(), "memory t: cannot allocate"));
}

static struct gmem two_regions(void)
{
	struct gmem gm = {0};

	cr_assert_eq(gmem_add(&gm, gpa(0x100000), 4 * GMEM_PAGE_SIZE, ram), 0);
	cr_assert_eq(gmem_add(&gm, gpa(0x200000), 4 * GMEM_PAGE_SIZE, ram + 4 * GMEM_PAGE_SIZE), 0);
	return gm;
}

Test(gmem, maps_what_is_ram_and_nothing_else)
{
	struct gmem gm = two_regions();

	cr_assert_eq(gmem_map(&gm, gpa(0x100000), 1), ram);
	cr_assert_eq(gmem_map(&gm, gpa(0x103fff), 1), ram + 0x3fff);
	cr_assert_eq(gmem_map(&gm, gpa(0x200010), 16), ram + 0x4010);
	cr_assert_null(gmem_map(&gm, gpa(0x103fff), 2));
	cr_assert_null(gmem_map(&gm, gpa(0x104000), 1));
	cr_assert_null(gmem_map(&gm, gpa(0xfffff), 2));
	cr_assert_null(gmem_map(&gm, gpa(0x100000), 0));
	cr_assert_null(gmem_map(&gm, gpa(0x100000), UINT64_MAX));
	cr_assert_null(gmem_map(&gm, gpa(UINT64_MAX), 2));
}

Test(gmem, page_numbers_that_overflow_are_refused)
{
	struct gmem gm = two_regions();

	cr_assert_eq(gmem_page(&gm, 0x100), ram);
	cr_assert_null(gmem_page(&gm, 0x104));
	cr_assert_null(gmem_page(&gm, 0x100 + (1ull << 52)));
	cr_assert_null(gmem_page(&gm, UINT64_MAX));
}

Test(gmem, refuses_overlap_and_broken_pages)
{
	struct gmem gm = two_regions();

	cr_assert_eq(gmem_add(&gm, gpa(0x103000), GMEM_PAGE_SIZE, ram), -EINVAL);
	cr_assert_eq(gmem_add(&gm, gpa(0x300800), GMEM_PAGE_SIZE, ram), -EINVAL);
	cr_assert_eq(gmem_add(&gm, gpa(UINT64_MAX - 4095), 2 * GMEM_PAGE_SIZE, ram), -EINVAL);
	cr_assert_eq(gm.nr_regions, 2);
}

/* Each byte of the source is another one than its neighbours, and what stands around the place is not touched. */
static void copies_exactly(uint32_t at, uint32_t from, uint32_t n)
{
	uint8_t src[COPY_MOST + 64], dst[COPY_MOST + 192] __attribute__((aligned(64)));
	uint32_t i;

	for (i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i * 7 + 1);
	memset(dst, 0xEE, sizeof(dst));
	copy_lines(dst + 64 + at, src + from, n);
	for (i = 0; i < sizeof(dst); i++) {
		const bool is_in = i >= 64 + at && i < 64 + at + n;

		cr_assert_eq(dst[i], is_in ? src[from + i - 64 - at] : 0xEE,
			     "%u bytes at %u: byte %u", n, at, i);
	}
}

Test(copy, writes_exactly_what_it_is_given_by_stores_of_each_width)
{
	enum copy_width width, got;
	uint32_t at, n;

	for (width = COPY_16; width <= COPY_64; width++) {
		got = copy_use(width);
		cr_assert(got <= width);
		for (n = 0; n <= COPY_MOST; n++) {
			for (at = 0; at < 64; at += 4)
				copies_exactly(at, (at * 3 + n) % 64, n);
		}
	}
	cr_assert_eq(copy_use(COPY_16), COPY_16, "what every processor has");
}
