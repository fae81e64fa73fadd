/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define RECORD_MAX     8192 /* of the kernel's printk, with escapes */
#define RECORDS_A_READ 256
#define AMD_FLAG_RW    0x20
#define AMD_FLAG_INTR  0x08

/* What is left of the line. */
struct cursor {
	const char *at;
	size_t len;
};

/* Goes behind the next @word, if there is one. */
static bool skip_past(struct cursor *c, const char *word)
{
	size_t n = strlen(word);
	const char *hit = c->len >= n ? memmem(c->at, c->len, word, n) : NULL;

	if (!hit)
		return false;
	c->len -= (size_t)(hit + n - c->at);
	c->at = hit + n;
	return true;
}

/* A number to the base @base (16: with or without 0x). Stays where it is when there is none. */
static bool number(struct cursor *c, unsigned int base, uint64_t *v)
{
	size_t n = 0, digits = 0;
	uint64_t r = 0;

	if (c->len >= 2 && c->at[0] == '0' && c->at[1] == 'x') {
		base = 16;
		n = 2;
	}
	for (; n < c->len; n++, digits++) {
		char ch = c->at[n];
		unsigned int d = ch >= '0' && ch <= '9' ? (unsigned int)(ch - '0')
				 : (ch | 0x20) >= 'a' && (ch | 0x20) <= 'f'
					 ? (unsigned int)((ch | 0x20) - 'a') + 10
					 : 99;

		if (d >= base)
			break;
		r = r * base + d;
	}
	if (!digits || digits > 16)
		return false;
	*v = r;
	c->at += n;
	c->len -= n;
	return true;
}

static void copy_text(struct iommu_fault *f, struct cursor c)
{
	size_t n = 0;

	while (c.len && *c.at == ' ') {
		c.at++;
		c.len--;
	}
	while (n < c.len && n < sizeof(f->text) - 1 && c.at[n] != '\n') {
		f->text[n] = c.at[n] >= 0x20 && c.at[n] < 0x7f ? c.at[n] : '?';
		n++;
	}
	f->text[n] = 0;
}

/* "[fault reason 05]" is decimal in older kernels, "[fault reason 0x05]" is not: number() tells them
 * apart. Very old ones print it in a line of its own. */
static void vtd_reason(struct cursor c, struct iommu_fault *f)
{
	uint64_t v;

	if (!skip_past(&c, "[fault reason ") || !number(&c, 10, &v) || v > 0xff)
		return;
	f->has_reason = true;
	f->reason = (unsigned int)v;
	if (skip_past(&c, "]"))
		copy_text(f, c);
}

static void vtd_pasid(struct cursor c, struct iommu_fault *f)
{
	uint64_t v;

	/* ffffffff: there was none */
	if (!skip_past(&c, " PASID ") || !number(&c, 16, &v) || v >= 0xffffffff)
		return;
	f->has_pasid = true;
	f->pasid = (uint32_t)v;
}

/* DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr 0x1000 [fault reason 0x05] text
 * DMAR: [DMA Read PASID 0x5] ...
 * DMAR: [DMA Write] Request device [01:10.0] PASID ffffffff fault addr 1000 [fault reason 05] text
 * DMAR: [INTR-REMAP] Request device [01:10.0] fault index 0x1 [fault reason 0x26] text */
static bool parse_vtd(struct cursor c, struct iommu_fault *f)
{
	struct cursor head = c;
	size_t n;

	if (!skip_past(&c, "] Request device ["))
		return false;
	n = iommu_bdf_scan(c.at, c.len, &f->bdf);
	if (!n)
		return false;
	head.len -= c.len; /* what stands before the device */
	c.at += n;
	c.len -= n;
	if (memmem(head.at, head.len, "INTR-REMAP", 10))
		f->kind = IOMMU_FAULT_INTERRUPT;
	else if (memmem(head.at, head.len, "DMA Write", 9))
		f->kind = IOMMU_FAULT_WRITE;
	else if (memmem(head.at, head.len, "DMA Read", 8))
		f->kind = IOMMU_FAULT_READ;
	vtd_pasid(head, f);
	vtd_pasid(c, f);
	if (!skip_past(&c, f->kind == IOMMU_FAULT_INTERRUPT ? "fault index " : "fault addr ") ||
	    !number(&c, 16, &f->address))
		return false;
	vtd_reason(c, f);
	return true;
}

/* "...vfio-pci 0000:04:10.0: " before what @c is at the beginning of. */
static bool bdf_before(const char *line, const struct cursor *c, struct iommu_bdf *out)
{
	const char *end = c->at, *start;

	while (end > line && (end[-1] == ' ' || end[-1] == ':'))
		end--;
	for (start = end; start > line && start[-1] != ' ' && start[-1] != ';'; start--)
		;
	return start < end &&
	       iommu_bdf_scan(start, (size_t)(end - start), out) == (size_t)(end - start);
}

/* AMD-Vi: Event logged [IO_PAGE_FAULT device=0a:00.0 domain=0x001d address=0x1000 flags=0x0020]
 * vfio-pci 0000:04:10.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0037 address=0x1000 flags=0x0000] */
static bool parse_amd(const char *line, struct cursor at, struct cursor c, struct iommu_fault *f)
{
	struct cursor dev = c, flags = c;
	uint64_t v;

	if (skip_past(&dev, "device=")) {
		if (!iommu_bdf_scan(dev.at, dev.len, &f->bdf))
			return false;
	} else if (!bdf_before(line, &at, &f->bdf)) {
		return false;
	}
	if (!skip_past(&c, "address=") || !number(&c, 16, &f->address))
		return false;
	if (skip_past(&flags, "flags=") && number(&flags, 16, &v) && v <= 0xffff) {
		f->has_reason = true;
		f->reason = (unsigned int)v;
		f->kind = v & AMD_FLAG_INTR ? IOMMU_FAULT_INTERRUPT
			  : v & AMD_FLAG_RW ? IOMMU_FAULT_WRITE
					    : IOMMU_FAULT_READ;
	}
	snprintf(f->text, sizeof(f->text), "IO page fault");
	return true;
}

bool iommu_fault_parse(const char *line, size_t len, struct iommu_fault *out)
{
	struct cursor c = {line, len}, at;

	memset(out, 0, sizeof(*out));
	if (skip_past(&c, "DMAR:"))
		return parse_vtd(c, out);
	c = (struct cursor){line, len};
	if (!skip_past(&c, "AMD-Vi: "))
		return false;
	at = (struct cursor){c.at - strlen("AMD-Vi: "), c.len};
	return skip_past(&c, "[IO_PAGE_FAULT") && parse_amd(line, at, c, out);
}

const char *iommu_fault_word(enum iommu_fault_kind kind)
{
	static const char *const words[] = {
		[IOMMU_FAULT_OTHER] = "access",
		[IOMMU_FAULT_READ] = "read",
		[IOMMU_FAULT_WRITE] = "write",
		[IOMMU_FAULT_INTERRUPT] = "interrupt",
	};

	return words[(unsigned int)kind <= IOMMU_FAULT_INTERRUPT ? kind : IOMMU_FAULT_OTHER];
}

char *iommu_fault_line(const struct iommu_fault *f, char *buf, size_t size)
{
	static const char *const how[] = {
		[IOMMU_FAULT_OTHER] = "an access to",
		[IOMMU_FAULT_READ] = "a read of",
		[IOMMU_FAULT_WRITE] = "a write to",
		[IOMMU_FAULT_INTERRUPT] = "an interrupt with index",
	};
	char bdf[IOMMU_BDF_TEXT];

	snprintf(buf, size, "%s: %s 0x%llx was stopped%s%s", iommu_bdf_text(f->bdf, bdf),
		 how[(unsigned int)f->kind <= IOMMU_FAULT_INTERRUPT ? f->kind : 0],
		 (unsigned long long)f->address, f->text[0] ? ": " : "", f->text);
	return buf;
}

int iommu_fault_log_open(struct iommu_fault_log *l, const char *path)
{
	int rc;

	if (!path)
		path = "/dev/kmsg";
	*l = (struct iommu_fault_log){.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC),
				      .read = read};
	if (l->fd < 0) {
		rc = -errno;
		return err_sys(rc, "%s: DMA faults cannot be seen", path);
	}
	if (lseek(l->fd, 0, SEEK_END) < 0 && errno != ESPIPE) {
		rc = -errno;
		fd_close(&l->fd);
		return err_sys(rc, "%s: cannot go to the end", path);
	}
	return 0;
}

void iommu_fault_log_close(struct iommu_fault_log *l)
{
	fd_close(&l->fd);
}

/* A record is "prio,seq,time,flags;message\n" and lines " KEY=value\n", which are not the message. */
static bool record_fault(const char *rec, size_t len, struct iommu_fault *f)
{
	const char *msg = memchr(rec, ';', len), *end;

	if (!msg)
		return false;
	msg++;
	len -= (size_t)(msg - rec);
	end = memchr(msg, '\n', len);
	return iommu_fault_parse(msg, end ? (size_t)(end - msg) : len, f);
}

int iommu_fault_log_read(struct iommu_fault_log *l,
			 void (*fn)(const struct iommu_fault *f, void *ctx), void *ctx)
{
	char rec[RECORD_MAX];
	struct iommu_fault f;
	int nr = 0;

	for (int i = 0; i < RECORDS_A_READ; i++) {
		ssize_t n = l->read(l->fd, rec, sizeof(rec));

		if (n < 0 && errno == EPIPE) { /* overwritten; the next read goes on behind it */
			l->lost++;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (n < 0 && errno == EAGAIN))
			break;
		if (n < 0)
			return err_sys(-errno, "the kernel's log");
		l->records++;
		if (!record_fault(rec, (size_t)n, &f))
			continue;
		l->faults++;
		nr++;
		fn(&f, ctx);
	}
	return nr;
}
