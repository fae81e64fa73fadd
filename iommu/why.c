/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/why.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define LINE_MAX_BYTES 512

static const struct iommu_why_row rows[IOMMU_WHY_COUNT] = {
	[IOMMU_WHY_NONE] = {"NONE", "none", 0, IOMMU_NOTE, "nothing is wrong", "nothing"},
#define X(name, id, code, weight, text, step) \
	[IOMMU_WHY_##name] = {#name, id, -code, IOMMU_##weight, text, step},
	IOMMU_WHYS(X)
#undef X
};

static __thread enum iommu_why last;

const struct iommu_why_row *iommu_why_row(enum iommu_why why)
{
	return &rows[(unsigned int)why < IOMMU_WHY_COUNT ? why : IOMMU_WHY_NONE];
}

enum iommu_why iommu_why_find(const char *id)
{
	for (unsigned int i = 0; i < IOMMU_WHY_COUNT; i++)
		if (!strcmp(rows[i].id, id))
			return (enum iommu_why)i;
	return IOMMU_WHY_NONE;
}

const char *iommu_weight_word(enum iommu_weight weight)
{
	static const char *const words[] = {
		[IOMMU_BLOCKS] = "blocks",
		[IOMMU_WAITS] = "waits",
		[IOMMU_OURS] = "ours",
		[IOMMU_NOTE] = "note",
	};

	return (unsigned int)weight <= IOMMU_NOTE ? words[weight] : "?";
}

char *iommu_why_line(char *buf, size_t size, enum iommu_why why, const char *subject,
		     const char *detail)
{
	const struct iommu_why_row *r = iommu_why_row(why);
	bool has_detail = detail && detail[0];

	snprintf(buf, size, "%s: %s%s%s%s [%s] -> %s", subject, r->text, has_detail ? " (" : "",
		 has_detail ? detail : "", has_detail ? ")" : "", r->id, r->step);
	return buf;
}

int iommu_refuse(enum iommu_why why, const char *subject, const char *fmt, ...)
{
	/* A long detail is cut, so that the next step is never lost. */
	char line[LINE_MAX_BYTES], detail[160] = "";
	va_list ap;

	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(detail, sizeof(detail), fmt, ap);
		va_end(ap);
	}
	last = why;
	return err_set(iommu_why_row(why)->code, "%s",
		       iommu_why_line(line, sizeof(line), why, subject, detail));
}

enum iommu_why iommu_refused(void)
{
	return last;
}

void iommu_refuse_clear(void)
{
	last = IOMMU_WHY_NONE;
}
