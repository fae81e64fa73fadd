/* SPDX-License-Identifier: BSD-3-Clause */
#include "rules.h"

static struct table *table_new(const struct nethv_host *h)
{
	struct table *t;

	return (struct table *)h->alloc(h, sizeof(*t) + h->nr_lcores * sizeof(t->packets[0]));
}

/* Copies the word at *@s, up to a comma, and moves behind it. False: too long, or the end. */
static bool next_word(const char **s, char *out, size_t size)
{
	size_t n = 0;

	while (**s == ' ')
		(*s)++;
	while (**s && **s != ',') {
		if (n + 1 == size)
			return false;
		out[n++] = *(*s)++;
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
	if (**s == ',')
		(*s)++;
	return n > 0;
}

/* The argument of "NAME:ARGUMENT", or NULL. */
static const char *argument(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) == 0 && word[n] == ':' ? word + n + 1 : NULL;
}

static bool set_number(const char *arg, uint32_t max, uint8_t *is_set, uint32_t *out)
{
	*is_set = 1;
	return text_number(&arg, 10, 10, max, out) && !*arg;
}

static bool set_output(const char *arg, struct want *w)
{
	if (w->nr_outputs == NETHV_ROUTE_DSTS || !*arg || strlen(arg) >= PORT_NAME)
		return false;
	memcpy(w->output[w->nr_outputs++], arg, strlen(arg));
	w->verdict = RULE_OUTPUT;
	return true;
}

static bool set_mac(const char *arg, uint8_t *is_set, uint8_t mac[6])
{
	*is_set = 1;
	return text_mac(arg, mac);
}

static int verdict_of(const char *word)
{
	if (strcmp(word, "drop") == 0)
		return RULE_DROP;
	if (strcmp(word, "flood") == 0)
		return RULE_FLOOD;
	return strcmp(word, "normal") == 0 ? RULE_NORMAL : -1;
}

/* One action; what ends in a place sets *@has_end. */
static bool parse_action(const char *word, struct want *w, bool *has_end)
{
	const char *arg;
	uint32_t vlan;

	if ((arg = argument(word, "set_src")))
		return set_mac(arg, &w->is_setting_src, w->new_src);
	if ((arg = argument(word, "set_dst")))
		return set_mac(arg, &w->is_setting_dst, w->new_dst);
	if ((arg = argument(word, "mark")))
		return set_number(arg, UINT32_MAX, &w->is_setting_mark, &w->new_mark);
	if ((arg = argument(word, "set_vlan"))) {
		if (!set_number(arg, 4094, &w->is_setting_vlan, &vlan) || vlan == 0)
			return false;
		w->new_vlan = (int32_t)vlan;
		return true;
	}
	if (strcmp(word, "strip_vlan") == 0) {
		w->is_setting_vlan = 1;
		w->new_vlan = -1;
		return true;
	}
	if (*has_end && w->verdict != RULE_OUTPUT)
		return false; /* nothing comes after drop, flood, normal */
	if ((arg = argument(word, "output"))) {
		*has_end = true;
		return set_output(arg, w);
	}
	if (*has_end || verdict_of(word) < 0)
		return false;
	*has_end = true;
	w->verdict = (uint8_t)verdict_of(word);
	return true;
}

static bool parse_actions(const char *s, struct want *w)
{
	bool has_end = false;
	char word[64];

	while (*s)
		if (!next_word(&s, word, sizeof(word)) || !parse_action(word, w, &has_end))
			return false;
	return has_end;
}

/* ---- From the configuration ---- */

/* A list element's values: "rules[i].key". */
struct at {
	const struct nethv_host *h;
	uint32_t i;
};

static const char *text(struct at a, const char *key)
{
	char path[48];

	snprintf(path, sizeof(path), "rules[%u].%s", a.i, key);
	return a.h->cfg_text(a.h, path);
}

static int64_t number(struct at a, const char *key)
{
	char path[48];

	snprintf(path, sizeof(path), "rules[%u].%s", a.i, key);
	return a.h->cfg_int(a.h, path);
}

/* What is wrong with the rule, or NULL. */
static const char *parse_rule(struct at a, struct want *w)
{
	const char *src_mac = text(a, "src_mac"), *dst_mac = text(a, "dst_mac");

	w->priority = (uint32_t)number(a, "priority");
	w->vlan = (int32_t)number(a, "vlan");
	w->ether_type = (uint16_t)number(a, "ether_type");
	w->proto = (uint8_t)number(a, "proto");
	w->has_src_mac = src_mac[0] != 0;
	w->has_dst_mac = dst_mac[0] != 0;
	if (strlen(text(a, "in_port")) >= PORT_NAME)
		return "in_port is longer than a port's name";
	memcpy(w->in_port, text(a, "in_port"), strlen(text(a, "in_port")));
	if ((w->has_src_mac && !text_mac(src_mac, w->src_mac)) ||
	    (w->has_dst_mac && !text_mac(dst_mac, w->dst_mac)))
		return "a MAC is written as 02:00:00:00:00:01";
	if (!text_prefix(text(a, "src"), &w->src) || !text_prefix(text(a, "dst"), &w->dst))
		return "src and dst are prefixes such as 10.0.0.0/8 or 2001:db8::/32";
	if (!text_range(text(a, "sport"), &w->sport_lo, &w->sport_hi) ||
	    !text_range(text(a, "dport"), &w->dport_lo, &w->dport_hi))
		return "sport and dport are a number or a range such as 1024-65535";
	if (!parse_actions(text(a, "actions"), w))
		return "actions are set_src:MAC, set_dst:MAC, set_vlan:1..4094, strip_vlan, mark:N, and at "
		       "last up to six output:PORT, or flood, normal, drop";
	return NULL;
}

/* Puts the rule behind those of at least its priority. */
static void insert(struct table *t, const struct rule *r)
{
	uint32_t i = t->n++;

	for (; i && t->rule[i - 1].want.priority < r->want.priority; i--)
		t->rule[i] = t->rule[i - 1];
	t->rule[i] = *r;
}

static int read_rules(const struct nethv_host *h, struct table *t)
{
	uint32_t n = h->cfg_count(h, "rules");
	int miss = verdict_of(h->cfg_text(h, "miss"));
	char said[256];

	if (n > RULES_MAX)
		return h->fail(h, "rules: more than 256");
	if (miss < 0)
		return h->fail(h, "miss is normal, flood or drop");
	t->miss = (uint32_t)miss;
	for (uint32_t i = 0; i < n; i++) {
		const char *wrong;
		struct rule r;

		memset(&r, 0, sizeof(r));
		r.line = i;
		wrong = parse_rule((struct at){h, i}, &r.want);
		if (wrong) {
			snprintf(said, sizeof(said), "rules[%u]: %s", i, wrong);
			return h->fail(h, said);
		}
		insert(t, &r);
	}
	return 0;
}

struct table *rules_read(const struct nethv_host *h)
{
	struct table *t = table_new(h);

	if (!t) {
		h->fail(h, "no memory");
		return NULL;
	}
	if (read_rules(h, t)) {
		h->free(h, t);
		return NULL;
	}
	rules_resolve(h, t, NULL, PORT_NONE);
	return t;
}

struct table *rules_copy(const struct nethv_host *h, const struct table *t)
{
	struct table *copy = table_new(h);

	if (!copy)
		return NULL;
	copy->n = t->n;
	copy->miss = t->miss;
	memcpy(copy->rule, t->rule, sizeof(t->rule));
	return copy;
}

static uint16_t resolve(const struct nethv_host *h, const char *name,
			const struct nethv_port_info *come, uint16_t gone)
{
	struct nethv_port_info info = {.size = sizeof(info)};
	uint16_t port;

	if (come && strcmp(come->name, name) == 0)
		return come->port;
	port = name[0] ? h->port_find(h, name) : NETHV_PORT_DEFAULT;
	if (port == NETHV_PORT_DEFAULT || port == gone || !h->port_next(h, port, &info) ||
	    info.port != port || info.state != NETHV_NIC_CONNECTED)
		return PORT_NONE;
	return port;
}

void rules_resolve(const struct nethv_host *h, struct table *t, const struct nethv_port_info *come,
		   uint16_t gone)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct rule *r = &t->rule[i];

		r->in_port = resolve(h, r->want.in_port, come, gone);
		for (uint32_t k = 0; k < r->want.nr_outputs; k++)
			r->output[k] = resolve(h, r->want.output[k], come, gone);
	}
}
