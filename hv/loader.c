/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts the image and the boot record into a new partition's memory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "hv/image.h"
#include "hv/linux/load.h"
#include "hv/priv.h"

#define BOOT_GPA    NETHV_RAM_BASE
#define REPORT_GPA  (NETHV_RAM_BASE + 0x10000)
#define CONTROL_GPA (NETHV_RAM_BASE + 0x11000)
#define IMAGE_MAX   (256ull << 20)

static uint64_t ram_end(const struct hv_partition *p)
{
	const struct hv_region *last = &p->region[p->nr_regions - 1];

	return last->gpa + last->len;
}

uint64_t hv_vp_areas(const struct hv_partition *p)
{
	return ram_end(p) - (uint64_t)p->nr_vps * NETHV_VP_AREA;
}

static void mem_add(struct nethv_boot *b, uint64_t from, uint64_t to, enum nethv_mem_type type)
{
	b->mem[b->nr_mem++] = (struct nethv_mem){.base = from, .len = to - from, .type = type};
}

void hv_boot_record(struct hv_partition *p, const struct hv_cfg *cfg, uint64_t image_end)
{
	struct nethv_boot b = {
		.magic = NETHV_BOOT_MAGIC,
		.version = NETHV_BOOT_VERSION,
		.size = sizeof(b),
		.nr_vps = p->nr_vps,
		.flags = p->eng->boot_flags,
		.tsc_hz = p->clock.tsc_hz,
		.vp_area_base = hv_vp_areas(p),
		.report_gpa = REPORT_GPA,
		.control_gpa = CONTROL_GPA,
		.nr_doorbells = p->nr_doorbells,
	};
	const struct hv_cpuid_cfg cc = {
		.nr_vps = p->nr_vps, .hints = p->eng->hints, .has_tsc = p->clock.is_tsc};
	uint64_t free_from = (image_end + GMEM_PAGE_SIZE - 1) & ~(uint64_t)(GMEM_PAGE_SIZE - 1);

	mem_add(&b, NETHV_RAM_BASE, free_from, NETHV_MEM_RESERVED);
	mem_add(&b, free_from, b.vp_area_base, NETHV_MEM_USABLE);
	mem_add(&b, b.vp_area_base, ram_end(p), NETHV_MEM_RESERVED);
	b.nr_cpuid = p->eng->cpuid(p->vm, b.cpuid, NETHV_CPUID_MAX);
	b.nr_cpuid = hv_cpuid_add(b.cpuid, b.nr_cpuid, NETHV_CPUID_MAX, &cc);
	if (getrandom(b.seed, sizeof(b.seed), GRND_NONBLOCK) < 0)
		memcpy(b.seed, &p->clock, sizeof(p->clock)); /* early boot: not for secrets */
	if (cfg->cmdline)
		memcpy(b.cmdline, cfg->cmdline, strlen(cfg->cmdline));
	gmem_write(&p->gm, gpa(BOOT_GPA), &b, sizeof(b));
}

static int segments_load(struct hv_partition *p, const struct hv_elf_map *map, const uint8_t *image)
{
	unsigned int i;

	for (i = 0; i < map->nr_segments; i++) {
		const struct hv_elf_segment *s = &map->segment[i];

		if (s->file_len &&
		    gmem_write(&p->gm, gpa(s->gpa), image + s->file_off, s->file_len))
			return err_set(-ENOEXEC, "image: segment %u does not fit into memory", i);
	}
	return 0;
}

static int image_load(struct hv_partition *p, const struct hv_cfg *cfg, const uint8_t *image,
		      size_t len, struct hv_vp_start *start)
{
	struct hv_image img;
	int rc;

	rc = hv_image_parse(image, len, NETHV_IMAGE_BASE, hv_vp_areas(p), &img);
	if (!rc)
		rc = segments_load(p, &img.map, image);
	if (rc)
		return rc;
	start->entry = img.entry;
	hv_boot_record(p, cfg, img.map.high);
	return 0;
}

static int file_load(struct hv_partition *p, const struct hv_cfg *cfg, struct hv_vp_start *start)
{
	int rc, fd = open(cfg->image_path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0)
		return err_sys(-errno, "image %s", cfg->image_path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0 ||
	    (uint64_t)st.st_size > IMAGE_MAX) {
		fd_close(&fd);
		return err_set(-ENOEXEC, "image %s: want a file of 1 byte to %llu MiB",
			       cfg->image_path, IMAGE_MAX >> 20);
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	rc = map == MAP_FAILED ? err_sys(-errno, "image %s: cannot map it", cfg->image_path) : 0;
	fd_close(&fd);
	if (rc)
		return rc;
	rc = image_load(p, cfg, map, (size_t)st.st_size, start);
	if (rc)
		err_prefix("%s", cfg->image_path);
	munmap(map, (size_t)st.st_size);
	return rc;
}

int hv_load(struct hv_partition *p, const struct hv_cfg *cfg, struct hv_vp_start *start)
{
	*start = (struct hv_vp_start){.entry = NETHV_IMAGE_BASE, .boot_gpa = BOOT_GPA};
	if (p->is_linux)
		return hv_linux_load(p, cfg, start);
	if (cfg->image_path)
		return file_load(p, cfg, start);
	if (cfg->image)
		return image_load(p, cfg, cfg->image, cfg->image_len, start);
	hv_boot_record(p, cfg, NETHV_IMAGE_BASE);
	return 0;
}

struct hv_vp_start hv_start_of(const struct hv_partition *p, const struct hv_vp_start *first,
			       unsigned int vp)
{
	struct hv_vp_start start = *first;

	if (first->kind == HV_START_IMAGE)
		start.area_gpa = hv_vp_areas(p) + (uint64_t)vp * NETHV_VP_AREA;
	else if (vp != 0)
		start = (struct hv_vp_start){.kind = HV_START_SIPI};
	return start;
}

static struct nethv_control *control(struct hv_partition *p)
{
	return gmem_map(&p->gm, gpa(CONTROL_GPA), sizeof(struct nethv_control));
}

static void wake_all(struct hv_partition *p)
{
	unsigned int i;

	for (i = 0; i < p->nr_vps; i++)
		hv_raise_vector(p, i, NETHV_VECTOR_WAKE);
}

void hv_request_stop(struct hv_partition *p)
{
	if (p->is_linux)
		return;
	__atomic_store_n(&control(p)->stop, 1, __ATOMIC_RELEASE);
	wake_all(p);
}

int hv_order(struct hv_partition *p, const char *line, uint32_t *seq)
{
	struct nethv_control *c = control(p);
	size_t len = strlen(line);

	if (p->is_linux)
		return err_set(-EOPNOTSUPP, "only our own guest image takes orders");
	if (len == 0 || len > NETHV_ORDER_MAX)
		return err_set(-EINVAL, "an order of %zu bytes, want 1 to %u", len,
			       NETHV_ORDER_MAX);
	*seq = p->order_seq += 2;
	/* Pairs with rt_order(): the number is odd before the line changes, even after it has. */
	__atomic_store_n(&c->order_seq, *seq - 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(c->order, line, len + 1);
	__atomic_store_n(&c->order_seq, *seq, __ATOMIC_RELEASE);
	wake_all(p);
	return 0;
}

static void name_clean(char *s, size_t size)
{
	size_t i;

	s[size - 1] = '\0';
	for (i = 0; s[i]; i++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_.-", s[i]))
			s[i] = '?';
	}
}

static void text_clean(char *s, size_t size)
{
	size_t i;

	s[size - 1] = '\0';
	for (i = 0; s[i]; i++) {
		if (s[i] < ' ' || s[i] > '~')
			s[i] = '?';
	}
}

int hv_report_read(struct hv_partition *p, struct nethv_report *out)
{
	unsigned int i;

	if (p->is_linux || gmem_read(&p->gm, gpa(REPORT_GPA), out, sizeof(*out)) ||
	    out->magic != NETHV_REPORT_MAGIC) {
		memset(out, 0, sizeof(*out));
		return -ENODATA;
	}
	if (out->nr > NETHV_REPORT_ENTRIES)
		out->nr = NETHV_REPORT_ENTRIES;
	if (out->state > NETHV_STATE_FAILED)
		out->state = NETHV_STATE_FAILED;
	text_clean(out->message, sizeof(out->message));
	for (i = 0; i < out->nr; i++)
		name_clean(out->entry[i].name, sizeof(out->entry[i].name));
	return 0;
}
