/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv run FILE` and `nethv check FILE`. */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "mgmt/cli.h"
#include "mgmt/paths.h"
#include "mgmt/sup.h"

/* A mistake in the file is status 2, all else 1. */
static int load(const char *file, struct mgmt_cfg **out)
{
	struct mgmt_host host;
	char image[PATH_MAX];
	int rc;

	/* Without a built-in image a configuration that names images is still good. */
	if (mgmt_path_find(MGMT_FILE_IMAGE, image))
		snprintf(image, sizeof(image), "nethv-guest.elf");
	mgmt_host_get(&host, image);
	rc = mgmt_config_load_file(out, file, &host);
	if (!rc)
		return 0;
	return cli_error(rc == -ENOMEM ? 1 : 2);
}

int cmd_check(const struct cli_args *a)
{
	struct mgmt_cfg *cfg;
	uint32_t nics = 0;
	int rc = load(a->operand, &cfg);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < cfg->partitions_count; i++)
		nics += cfg->partitions[i].nics_count;
	printf("%s: good: %s, %u partition%s with %u nic%s, %u uplink%s\n", a->operand, cfg->name,
	       cfg->partitions_count, cfg->partitions_count == 1 ? "" : "s", nics,
	       nics == 1 ? "" : "s", cfg->uplinks_count, cfg->uplinks_count == 1 ? "" : "s");
	mgmt_config_free(cfg);
	return 0;
}

void sup_banner(const struct sup *sup)
{
	const struct mgmt_cfg *cfg = sup->cfg;

	printf("nethv: %s is up after %lld ms\n", cfg->name,
	       (long long)(loop_now_ms() - sup->started_ms));
	printf("  engine      %s: %s\n", hv_engine_name(sup->engine.kind), sup->engine.text);
	printf("  memory      %s\n", sup->preflight.memory);
	printf("  switch      %s\n", js(sup->sw.ready, "text"));
	for (uint32_t i = 0; i < cfg->uplinks_count; i++)
		printf("  uplink      %s: %s%s%s\n", cfg->uplinks[i].name, cfg->uplinks[i].devargs,
		       cfg->uplinks[i].netns ? ", in network namespace " : "",
		       cfg->uplinks[i].netns ? cfg->uplinks[i].netns : "");
	for (uint32_t i = 0; i < cfg->partitions_count; i++) {
		const struct mgmt_partition *p = &cfg->partitions[i];

		printf("  partition   %s: %u VP%s, %u MiB, %u nic%s\n", p->name, p->vps,
		       p->vps == 1 ? "" : "s", p->memory, p->nics_count,
		       p->nics_count == 1 ? "" : "s");
	}
	printf("  look        nethv ps %s | nethv stats %s | nethv stop %s, or Ctrl-C here\n",
	       cfg->name, cfg->name, cfg->name);
	fflush(stdout);
}

int cmd_run(const struct cli_args *a)
{
	struct hv_engine_report engine = {0};
	struct preflight pre = {{0}};
	struct mgmt_cfg *cfg;
	struct sup *sup;
	int rc = load(a->operand, &cfg);

	if (rc)
		return rc;
	rc = preflight_check(cfg, &pre);
	if (!rc)
		rc = preflight_engines(cfg, &engine);
	if (rc) {
		mgmt_config_free(cfg);
		return cli_error(1);
	}
	rc = sup_create(&sup, cfg, a->operand);
	if (rc)
		return cli_error(1);
	sup->engine = engine;
	sup->preflight = pre;
	rc = sup_run(sup);
	sup_destroy(sup);
	return rc;
}
