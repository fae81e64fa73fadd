/* SPDX-License-Identifier: BSD-3-Clause */
/* Every kind of frame, in bursts of every size, kept in every way, on one lcore and on two. */
#include "mgmt/ext/check.h"

#include <stdio.h>

#include "base/err.h"

static const struct {
	const char *step;
	struct bed_backing how;
} ways[] = {
	{"every frame, in one piece", {0}},
	{"every frame, in pieces of 53 bytes", {.piece = 53}},
	{"every frame, few private bytes", {.hdr_max = 64, .hdr_off = 44}},
	{"every frame, in pieces of 7 bytes, few private bytes", {.piece = 7, .hdr_max = 64}},
};

static int every_way(struct check *c)
{
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
		struct session s;
		int rc = session_begin(&s, c, ways[w].step, 1, session_config(c));

		if (rc)
			return rc;
		for (unsigned int i = 0; i < CHECK_PORTS; i++)
			bed_port_backing(s.bed, s.port[i], &ways[w].how);
		session_traffic(&s, 0, c->cat.bytes.n, 32);
		session_traffic(&s, 7, c->cat.bytes.n, 1);
		session_end(&s);
	}
	return 0;
}

static int every_burst(struct check *c)
{
	struct session s;
	int rc = session_begin(&s, c, "bursts of 1 to 64", 1, session_config(c));

	for (unsigned int burst = 1; !rc && burst <= BED_BURST_MAX; burst++)
		session_traffic(&s, burst * 97, 3 * burst + 64, burst);
	if (!rc)
		session_end(&s);
	return rc;
}

static int two_lcores(struct check *c)
{
	struct session s;
	int rc = session_begin(&s, c, "two lcores", 2, session_config(c));

	if (rc)
		return rc;
	session_traffic(&s, 0, c->cat.bytes.n, 32);
	session_traffic(&s, 11, c->cat.bytes.n, 5);
	if (!s.is_over)
		check_kept(c, "CHK-10");
	else
		check_broken(c, "CHK-10", NULL, "two lcores: it faulted");
	session_end(&s);
	return 0;
}

/* What leaves with a capture is what leaves without it, but for what it originates. */
static int is_silent(struct check *c)
{
	uint64_t hash, nr_out;
	struct session s;
	int rc;

	if (c->desc.cls != NETHV_CAPTURE)
		return 0;
	rc = session_begin(&s, c, "without the extension", 1, NULL);
	if (rc)
		return rc;
	session_traffic(&s, 0, c->cat.bytes.n, 32);
	hash = s.hash;
	nr_out = s.nr_out;
	session_end(&s);
	rc = session_begin(&s, c, "beside a switch without it", 1, session_config(c));
	if (rc)
		return rc;
	session_traffic(&s, 0, c->cat.bytes.n, 32);
	if (session_counts(&s).originated == 0 && (s.nr_out != nr_out || s.hash != hash))
		check_broken(c, "EXT-1", NULL,
			     "what leaves is not what leaves without it: %llu packets, and %llu",
			     (unsigned long long)s.nr_out, (unsigned long long)nr_out);
	session_end(&s);
	return 0;
}

int check_traffic(struct check *c)
{
	int rc = every_way(c);

	if (!rc)
		rc = every_burst(c);
	if (!rc)
		rc = two_lcores(c);
	return rc ? rc : is_silent(c);
}
