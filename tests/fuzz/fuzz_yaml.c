/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a configuration: refused with one line, or loaded, and then its JSON form loads
 * again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "mgmt/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mgmt_host host = {.cpus = {0xff}, .default_image = "/dev/null"};
	struct mgmt_cfg *cfg, *again;
	int fd;

	if (mgmt_config_load(&cfg, "fuzz", (const char *)data, size, &host)) {
		if (cfg || !err_text()[0] || strchr(err_text(), '\n'))
			abort();
		return 0;
	}
	fd = mgmt_config_memfd(cfg);
	if (fd < 0 || mgmt_config_load_fd(&again, fd, &host))
		abort();
	close(fd);
	mgmt_config_free(again);
	mgmt_config_free(cfg);
	return 0;
}
