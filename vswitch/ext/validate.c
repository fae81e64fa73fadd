// SPDX-License-Identifier: BSD-3-Clause
/* Validation ports: whether extensions would accept a port's settings, without anything staying. */
#include "vswitch/ext/objects_priv.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"

static int number_free(const struct vsw_objs *o, uint16_t *out)
{
	unsigned int i;

	for (i = NETHV_PORTS_MAX; i-- > 0;) {
		if (!o->port[i]) {
			*out = i;
			return 0;
		}
	}
	return err_set(-ENOSPC, "validation port: all %u numbers are taken", NETHV_PORTS_MAX);
}

int vsw_objs_validate(struct vsw_objs *o, const struct nethv_port_info *info,
		      const struct nethv_property *props, unsigned int n)
{
	struct nethv_port_info temp = *info;
	char text[512] = "";
	unsigned int i;
	int rc;

	rc = number_free(o, &temp.port);
	if (rc)
		return rc;
	temp.flags |= NETHV_PORT_VALIDATION;
	obj_enter(o);
	rc = vsw_objs_port_create(o, &temp);
	if (rc)
		return obj_leave(o, rc);
	for (i = 0; i < n && rc == 0; i++)
		rc = vsw_objs_property_add(o, temp.port, &props[i]);
	if (rc)
		snprintf(text, sizeof(text), "%s", err_text());
	vsw_objs_port_teardown(o, temp.port); /* nothing can keep it: references are refused */
	vsw_objs_port_delete(o, temp.port);
	if (rc)
		err_set(rc, "%s", text);
	return obj_leave(o, rc);
}
