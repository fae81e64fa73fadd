/* SPDX-License-Identifier: BSD-3-Clause */
/* The CLI's end of the control socket, and `nethv stop`. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/cli.h"
#include "mgmt/control.h"
#include "mgmt/rpc.h"

#define STATUS_MS 5000
#define CHANGE_MS 30000
#define STOP_MS	  10000 /* beyond what the instance itself takes at most */

int cli_error(int status)
{
	fprintf(stderr, "nethv: %s\n", err_text());
	return status;
}

static void list_names(const struct control_instance *all, unsigned int n, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = 0;
	for (unsigned int i = 0; i < n && len + 34 < size; i++)
		len += snprintf(buf + len, size - len, "%s%s", i ? ", " : "", all[i].name);
}

int cli_find(const char *name, struct control_instance *out)
{
	struct control_instance all[CONTROL_INSTANCES_MAX];
	unsigned int n = control_list(all);
	char names[400];

	list_names(all, n, names, sizeof(names));
	if (!n)
		return err_set(-ENOENT, "no instance is running; start one with `nethv run FILE`");
	if (!name && n > 1)
		return err_set(-EINVAL, "which instance? %s are running", names);
	for (unsigned int i = 0; i < n; i++)
		if (!name || !strcmp(all[i].name, name)) {
			*out = all[i];
			return 0;
		}
	return err_set(-ENOENT, "no instance named %.40s is running; there is %s", name, names);
}

int cli_connect(const char *name)
{
	struct control_instance in;
	int rc = cli_find(name, &in);

	return rc ? rc : control_connect(in.uid, in.name);
}

int cli_call(const char *name, const char *method, json_t *params, int timeout_ms, json_t **out)
{
	struct rpc_conn c;
	int fd = cli_connect(name), rc;

	if (fd < 0) {
		json_decref(params);
		return fd;
	}
	rc = rpc_conn_init(&c, fd);
	if (rc)
		json_decref(params);
	else
		rc = rpc_call(&c, method, params, timeout_ms, out);
	rpc_conn_fini(&c);
	return rc;
}

int cli_status(const char *name, json_t **out)
{
	return cli_call(name, "status", NULL, STATUS_MS, out);
}

/* The instance is gone when its process is: nothing of it lives longer. */
static int wait_end(pid_t pid, int limit_ms)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int n;

	if (p.fd < 0)
		return errno == ESRCH ? 0 : err_sys(-errno, "pidfd_open %d", pid);
	n = poll(&p, 1, limit_ms);
	fd_close(&p.fd);
	if (n == 1)
		return 0;
	return err_set(-ETIMEDOUT,
		       "pid %d has not ended after %d s; `kill -9 %d` ends it and all it "
		       "started",
		       pid, limit_ms / 1000, pid);
}

int cmd_stop(const struct cli_args *a)
{
	json_t *result = NULL;
	struct rpc_conn c;
	pid_t pid = 0;
	int fd = cli_connect(a->operand), rc;
	int64_t limit_ms;

	if (fd < 0)
		return cli_error(1);
	control_peer_ok(fd, &pid);
	rc = rpc_conn_init(&c, fd);
	if (!rc)
		rc = rpc_call(&c, "stop", NULL, STATUS_MS, &result);
	limit_ms = STOP_MS + ji(result, "within_ms");
	json_decref(result);
	if (!rc)
		rc = wait_end(pid, (int)limit_ms);
	rpc_conn_fini(&c);
	return rc ? cli_error(1) : 0;
}

json_t *jo(json_t *o, const char *path)
{
	while (o && *path) {
		size_t n = strcspn(path, ".");

		o = json_object_getn(o, path, n);
		path += n + (path[n] == '.');
	}
	return o;
}

const char *js(json_t *o, const char *path)
{
	const char *s = json_string_value(jo(o, path));

	return s ? s : "";
}

json_int_t ji(json_t *o, const char *path)
{
	return json_integer_value(jo(o, path));
}

int cli_print_json(json_t *o)
{
	if (json_dumpf(o, stdout, JSON_INDENT(2)) || fputc('\n', stdout) == EOF)
		return 1;
	return 0;
}

int cli_show_status(const struct cli_args *a, void (*show)(json_t *status))
{
	json_t *s = NULL;
	int rc = cli_status(a->operand, &s);

	if (rc)
		return cli_error(1);
	if (a->is_json)
		rc = cli_print_json(s);
	else
		show(s);
	json_decref(s);
	return rc;
}

int cli_change(const struct cli_args *a, const char *method, json_t *params,
	       void (*show)(json_t *result))
{
	json_t *result = NULL;
	int rc = cli_call(cli_option(a, "--instance"), method, params, CHANGE_MS, &result);

	if (rc)
		return cli_error(1);
	if (a->is_json)
		rc = cli_print_json(result);
	else if (show)
		show(result);
	json_decref(result);
	return rc;
}
