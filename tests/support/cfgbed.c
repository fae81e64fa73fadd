/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/cfgbed.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"

const struct mgmt_host cfg_host = {.cpus = {0xf}, .default_image = "/dev/null"};

int cfg_load(struct mgmt_cfg **out, const char *text)
{
	return mgmt_config_load(out, "f.yaml", text, strlen(text), &cfg_host);
}

void cfg_refused(const struct cfg_bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct mgmt_cfg *cfg = (void *)1;
		int rc = cfg_load(&cfg, bad[i].text);

		cr_expect_eq(rc, -EINVAL, "row %zu: rc %d for\n%s", i, rc, bad[i].text);
		cr_expect_null(cfg);
		cr_expect_null(strchr(err_text(), '\n'), "row %zu: more than one line", i);
		for (int k = 0; k < 4 && bad[i].want[k]; k++)
			cr_expect(strstr(err_text(), bad[i].want[k]), "row %zu: no `%s` in: %s", i,
				  bad[i].want[k], err_text());
	}
}

void cfg_kept(const char *text, void (*expect)(const struct mgmt_cfg *c))
{
	struct mgmt_cfg *c, *again;
	int fd;

	cr_assert_eq(cfg_load(&c, text), 0, "%s", err_text());
	expect(c);
	fd = mgmt_config_memfd(c);
	cr_assert_geq(fd, 0, "%s", err_text());
	cr_assert_eq(mgmt_config_load_fd(&again, fd, &cfg_host), 0, "%s", err_text());
	expect(again);
	mgmt_config_free(again);
	mgmt_config_free(c);
	close(fd);
}

void cfg_written_as_read(const char *text)
{
	struct mgmt_cfg *c, *again;
	json_t *one, *two;

	cr_assert_eq(cfg_load(&c, text), 0, "%s", err_text());
	one = mgmt_config_json(c);
	cr_assert_eq(mgmt_config_load_json(&again, "json", one, &cfg_host), 0, "%s", err_text());
	two = mgmt_config_json(again);
	cr_expect(json_equal(one, two));
	json_decref(one);
	json_decref(two);
	mgmt_config_free(c);
	mgmt_config_free(again);
}
