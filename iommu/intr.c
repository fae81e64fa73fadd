/* SPDX-License-Identifier: BSD-3-Clause */
/* Is interrupt remapping on, not only possible? No register of it is in sysfs, and the kernel's log
 * forgets its beginning. But the names of interrupt chips in /proc/interrupts begin with "IR-" exactly
 * when interrupts go through the remapping hardware, so that is what decides. What firmware, hardware
 * and command line say can only prove that it is off. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/files.h"
#include "iommu/topology.h"

struct chips {
	unsigned int nr_remapped, nr_plain;
};

/* Chips of the remapping units' own and of the processors' local interrupts are never remapped. */
static void count_chip(const char *line, struct chips *c)
{
	if (strstr(line, " IR-IO-APIC") || strstr(line, " IR-PCI-MSI"))
		c->nr_remapped++;
	else if (strstr(line, " IO-APIC") || strstr(line, " PCI-MSI"))
		c->nr_plain++;
}

static struct chips count_chips(const char *root)
{
	struct chips c = {0};
	char p[FILES_PATH_MAX], *line = NULL;
	FILE *f = fopen(files_path(p, root, "proc/interrupts"), "re");
	size_t size = 0;

	if (!f)
		return c;
	/* Lines are long where there are many processors, and there are many: one at a time. */
	while (getline(&line, &size, f) > 0)
		count_chip(line, &c);
	free(line);
	fclose(f);
	return c;
}

static bool no_unit_can(const struct iommu_topology *t)
{
	for (unsigned int i = 0; i < t->nr_units; i++)
		if (t->unit[i].has_intr_remap || t->unit[i].kind == IOMMU_UNIT_OTHER)
			return false;
	return t->nr_units > 0;
}

static bool is_off_by_word(const char *root, const char **word)
{
	static const char *const words[] = {"intremap=off", "nointremap"};
	char p[FILES_PATH_MAX], line[4096];

	if (!files_text(files_path(p, root, "proc/cmdline"), line, sizeof(line)))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (files_has_word(line, words[i])) {
			*word = words[i];
			return true;
		}
	return false;
}

enum iommu_intr iommu_intr_now(const char *root, const struct iommu_topology *t, char *evidence,
			       unsigned int size)
{
	struct chips c = count_chips(root);
	const char *word;

	if (c.nr_remapped) {
		snprintf(evidence, size, "/proc/interrupts has %u interrupts of IR- chips",
			 c.nr_remapped);
		return IOMMU_INTR_ON;
	}
	if (is_off_by_word(root, &word))
		snprintf(evidence, size, "%s on the kernel's command line", word);
	else if (t->dmar && !t->dmar->has_intr_remap)
		snprintf(evidence, size, "the DMAR table says that it is not supported");
	else if (no_unit_can(t))
		snprintf(evidence, size, "no remapping unit has it (ecap bit 3)");
	else if (c.nr_plain)
		snprintf(evidence, size,
			 "/proc/interrupts has %u interrupts, and none of an IR- chip", c.nr_plain);
	else {
		snprintf(evidence, size, "/proc/interrupts tells nothing");
		return IOMMU_INTR_UNKNOWN;
	}
	return IOMMU_INTR_OFF;
}
