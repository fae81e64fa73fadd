/* SPDX-License-Identifier: BSD-3-Clause */
/* A checked configuration as JSON: what the switch and the workers are given in a sealed memfd, and
 * what changes at run time are made on. It walks the schema that loads it again, so that no key can
 * be forgotten on the way. */
#include "mgmt/config.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/config_priv.h"

static uint64_t read_uint(const void *at, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, at, size); /* x86: little endian */
	return v;
}

static int64_t read_int(const void *at, size_t size)
{
	unsigned int shift = 64 - 8 * (unsigned int)size;

	return (int64_t)(read_uint(at, size) << shift) >> shift;
}

/* The first word of a value; NULL when it has none, which means that the key was not given. */
static json_t *enum_json(const cyaml_schema_value_t *v, uint64_t value)
{
	for (uint32_t i = 0; i < v->enumeration.count; i++)
		if ((uint64_t)v->enumeration.strings[i].val == value)
			return json_string(v->enumeration.strings[i].str);
	return NULL;
}

static json_t *value_json(const cyaml_schema_value_t *v, const void *at, uint64_t count);

static json_t *list_json(const cyaml_schema_value_t *entry, const char *at, uint64_t count)
{
	bool is_pointer = entry->flags & CYAML_FLAG_POINTER;
	size_t step = is_pointer ? sizeof(void *) : entry->data_size;
	json_t *list = json_array();

	for (uint64_t i = 0; i < count; i++, at += step) {
		const void *value = at;

		if (is_pointer)
			memcpy(&value, at, sizeof(value));
		json_array_append_new(list, value_json(entry, value, 0));
	}
	return list;
}

/* A number that may be left out and is 0 was left out, or says the same. Its limits may not allow 0. */
static bool is_left_out(const cyaml_schema_value_t *v, const void *at)
{
	return v->type == CYAML_UINT && v->flags & CYAML_FLAG_OPTIONAL &&
	       !(v->flags & CYAML_FLAG_POINTER) && !read_uint(at, v->data_size);
}

static json_t *map_json(const cyaml_schema_field_t *f, const char *base)
{
	json_t *o = json_object();

	for (; f->key; f++) {
		const void *at = base + f->data_offset;
		json_t *value = NULL;

		if (f->value.flags & CYAML_FLAG_POINTER)
			memcpy(&at, base + f->data_offset, sizeof(at));
		if (at && !is_left_out(&f->value, at))
			value = value_json(&f->value, at,
					   read_uint(base + f->count_offset, f->count_size));
		if (value)
			json_object_set_new(o, f->key, value);
	}
	return o;
}

/* @at: the value itself. @count: of a list. */
static json_t *value_json(const cyaml_schema_value_t *v, const void *at, uint64_t count)
{
	switch (v->type) {
	case CYAML_INT: return json_integer(read_int(at, v->data_size));
	case CYAML_UINT: return json_integer((json_int_t)read_uint(at, v->data_size));
	case CYAML_BOOL: return json_boolean(read_uint(at, v->data_size));
	case CYAML_ENUM: return enum_json(v, read_uint(at, v->data_size));
	case CYAML_STRING:
		return mgmt_schema_is_free(v) ? json_loads(at, 0, NULL) : json_string(at);
	case CYAML_SEQUENCE: return list_json(v->sequence.entry, at, count);
	default: return map_json(v->mapping.fields, at);
	}
}

json_t *mgmt_schema_json(const cyaml_schema_value_t *v, const void *at)
{
	return value_json(v, at, 0);
}

json_t *mgmt_config_json(const struct mgmt_cfg *cfg)
{
	return value_json(&mgmt_schema, cfg, 0);
}

static int write_sealed(int fd, const char *text, size_t len)
{
	int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	if (write(fd, text, len) != (ssize_t)len || fcntl(fd, F_ADD_SEALS, seals))
		return err_sys(-errno, "configuration memfd");
	return 0;
}

int mgmt_config_memfd(const struct mgmt_cfg *cfg)
{
	json_t *o = mgmt_config_json(cfg);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	int fd, rc;

	json_decref(o);
	if (!text)
		return err_set(-ENOMEM, "configuration: no memory for its JSON form");
	fd = memfd_create("nethv-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	rc = fd < 0 ? err_sys(-errno, "configuration memfd") : write_sealed(fd, text, strlen(text));
	free(text);
	if (rc) {
		fd_close(&fd);
		return rc;
	}
	return fd;
}
