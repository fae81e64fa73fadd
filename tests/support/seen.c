/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/seen.h"

#include <stdio.h>
#include <string.h>

char seen_order[256];

static void note(const char *what)
{
	if (strlen(seen_order) + strlen(what) < sizeof(seen_order))
		strcat(seen_order, what);
}

void see_in(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	char what[16];

	snprintf(what, sizeof(what), "%s< ", s->name);
	note(what);
	s->in += b->n;
	for (uint16_t i = 0; s->drop && i < b->n; i++)
		b->verdict[i] = s->drop;
}

void see_out(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	char what[16];

	snprintf(what, sizeof(what), "%s> ", s->name);
	note(what);
	s->out += b->n;
}
