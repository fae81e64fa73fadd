/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext test --switch FILE`: the ports of the bench are those of a configuration file, with VLANs,
 * policies, mirrors, overlay and extensions as there. */
#pragma once

struct test;
struct mgmt_cfg;

/* Makes t->port[] the ports of @path; those that options named must be among them. 0 or -errno (text set). */
int like_ports(struct test *t, const char *path);
/* When t->bed has the ports: everything else. 0 or -errno (text set). */
int like_rest(struct test *t);
