/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv console`. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/cli.h"
#include "mgmt/control.h"
#include "mgmt/terminal.h"

int cmd_console(const struct cli_args *a)
{
	const char *partition = a->word[0];
	struct control_instance in;
	bool is_tty = isatty(STDIN_FILENO);
	const char *name = a->word[1] ? a->word[1] : cli_option(a, "--instance");
	int rc = cli_find(name, &in), fd;

	if (rc)
		return cli_error(1);
	fd = control_connect_console(in.uid, in.name, partition);
	if (fd < 0)
		return cli_error(1);
	if (is_tty)
		fprintf(stderr, "nethv: console of %s; Ctrl-] leaves it\n", partition);
	rc = terminal_run(STDIN_FILENO, STDOUT_FILENO, fd);
	fd_close(&fd);
	if (is_tty)
		fprintf(stderr, "\nnethv: %s\n",
			rc == TERMINAL_CLOSED ? "the partition has ended" : "console left");
	if (rc == -EPIPE)
		return 0; /* as in `nethv console vm | head` */
	return rc < 0 ? cli_error(1) : 0;
}
