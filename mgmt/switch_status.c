/* SPDX-License-Identifier: BSD-3-Clause */
/* What the switch knows, as JSON. Reads counters that lcores write; never makes an lcore wait. */
#include "mgmt/switch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <nethv/abi/nvsp.h>

#include "netvsp/netvsp.h"

const char *sw_poll_word(enum vsw_poll_mode mode)
{
	static const char *const word[] = {
		[VSW_POLL_AUTO] = "auto",
		[VSW_POLL_BUSY] = "busy",
		[VSW_POLL_ADAPTIVE] = "adaptive",
		[VSW_POLL_SHARED] = "shared",
	};

	return word[mode];
}

static json_t *num(uint64_t v)
{
	return json_integer((json_int_t)v);
}

/* Only reasons that occurred. */
static json_t *drops_json(const uint64_t *drops)
{
	json_t *o = json_object();

	for (unsigned int r = 1; r < VSW_DROP_COUNT; r++)
		if (drops[r])
			json_object_set_new(o, vsw_drop_name(r), num(drops[r]));
	return o;
}

static json_t *ports_json(const struct sw *sw)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++) {
		struct vsw_port_stats st;

		vsw_port_stats_get(sw->vsw, (uint16_t)i, &st);
		if (!sw->stats->port[i].name[0] ||
		    (sw->stats->port[i].name[0] == '(' && !st.in_packets && !st.out_packets))
			continue;
		json_array_append_new(
			list,
			json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
				  sw->stats->port[i].name, "in", num(st.in_packets), "in_bytes",
				  num(st.in_bytes), "out", num(st.out_packets), "out_bytes",
				  num(st.out_bytes), "copies", num(st.copies), "delivered",
				  num(st.delivered), "rx_bursts", num(st.rx_bursts), "tx_bursts",
				  num(st.tx_bursts), "drops", drops_json(st.drops)));
	}
	return list;
}

static json_t *totals_json(const struct sw *sw)
{
	struct vsw_totals t;

	vsw_totals_get(sw->vsw, &t);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I}", "in", num(t.in), "copies", num(t.copies),
			 "out", num(t.out), "drops", num(t.drops), "by_reason",
			 drops_json(t.by_reason), "on_the_way",
			 (json_int_t)(t.in + t.copies - t.out - t.drops));
}

static json_t *lcores_json(const struct sw *sw)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < sw->nr_lcores; i++) {
		struct vsw_lcore_stats st;

		vsw_lcore_stats_get(sw->vsw, i, &st);
		json_array_append_new(
			list, json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cpu",
					(int)sw->cpu[i], "loops", num(st.loops), "busy_loops",
					num(st.busy_loops), "sleeps", num(st.sleeps), "packets",
					num(st.packets), "tsc_busy", num(st.tsc_busy), "tsc_idle",
					num(st.tsc_idle), "tsc_asleep", num(st.tsc_asleep)));
	}
	return list;
}

static const char *nvsp_text(uint32_t version)
{
	switch (version) {
	case 0: return "none";
	case NVSP_V1: return "1";
	case NVSP_V2: return "2";
	case NVSP_V4: return "4";
	case NVSP_V5: return "5";
	case NVSP_V6: return "6";
	case NVSP_V6_1: return "6.1";
	default: return "?";
	}
}

static void add_nic(const struct netvsp_nic *nic, void *ctx)
{
	struct netvsp_nic_status st;
	char mac[18];
	const uint8_t *m;
	json_t *o;

	netvsp_nic_status(nic, &st);
	m = st.cfg->mac;
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		 m[5]);
	o = json_pack("{s:s, s:s, s:i, s:s, s:i, s:b, s:b, s:s, s:i, s:i, s:i, s:i, s:i, s:s}",
		      "name", st.cfg->name, "partition", st.cfg->partition, "index", st.cfg->index,
		      "mac", mac, "port", st.port, "offered", st.is_offered, "up", st.is_up, "nvsp",
		      nvsp_text(st.nvsp_version), "mtu", st.mtu, "packet_filter", st.packet_filter,
		      "channels", st.nr_channels, "sections", st.nr_sections, "sections_free",
		      st.nr_sections_free, "last_fault", st.last_fault);
	json_object_set_new(o, "link", json_string(st.is_link_down ? "down" : "up"));
	json_object_set_new(o, "path", json_string(st.path));
	json_object_set_new(o, "path_state", json_string(st.path_state));
	json_object_set_new(o, "path_since", num(st.path_since_ms / 1000)); /* Unix time, s */
	json_object_set_new(o, "vf_serial", num(st.vf_serial));
	json_object_set_new(o, "switches", num(st.path_switches));
	json_object_set_new(o, "why_not_vf", json_string(st.why_not_vf));
	json_object_set_new(o, "why_not_vf_text", json_string(st.why_not_vf_text));
	json_object_set_new(o, "rx_vmbus_packets", num(st.rx_vmbus_packets));
	json_object_set_new(o, "tx_vmbus_packets", num(st.tx_vmbus_packets));
	json_object_set_new(o, "rndis_control", num(st.rndis_control));
	json_object_set_new(o, "interrupts", num(st.interrupts));
	json_object_set_new(o, "doorbells_armed", num(st.doorbells_armed));
	json_object_set_new(o, "monitored", num(st.monitored));
	json_object_set_new(o, "copies", num(st.copies));
	json_object_set_new(o, "direct", num(st.direct));
	json_object_set_new(o, "faults", num(st.faults));
	json_array_insert_new(ctx, 0, o); /* the walk begins with the youngest */
}

static json_t *uplinks_json(const struct sw *sw)
{
	const struct mgmt_cfg *cfg = sw->child.cfg;
	json_t *list = json_array();

	for (uint32_t i = 0; i < cfg->uplinks_count; i++) {
		struct vsw_uplink_status st;

		vsw_uplink_status(sw->uplink[i], &st);
		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:b, s:o, s:o}",
				  "name", cfg->uplinks[i].name, "devargs", cfg->uplinks[i].devargs,
				  "driver", vsw_uplink_driver(sw->uplink[i]), "link", st.is_link_up,
				  "wakeup", st.has_wakeup, "rx_packets", num(st.rx_packets),
				  "tx_packets", num(st.tx_packets), "rx_missed", num(st.rx_missed),
				  "tx_errors", num(st.tx_errors), "zero_copy", st.has_zero_copy,
				  "tx_lent", num(st.tx_lent), "tx_copied", num(st.tx_copied)));
	}
	return list;
}

static void count_fdb(const struct vsw_fdb_entry *e, void *ctx)
{
	(*(unsigned int *)ctx)++;
}

json_t *sw_status_json(struct sw *sw)
{
	json_t *nics = json_array();
	struct timespec now;
	unsigned int fdb = 0;

	netvsp_nic_walk(sw->netvsp, add_nic, nics);
	vsw_fdb_walk(sw->vsw, count_fdb, &fdb);
	clock_gettime(CLOCK_MONOTONIC, &now); /* rates are made from two of these */
	return json_pack("{s:I, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time_ns",
			 (json_int_t)now.tv_sec * 1000000000 + now.tv_nsec, "poll",
			 sw_poll_word(vsw_poll_mode(sw->vsw)), "hugepages",
			 sw->child.cfg->sw.hugepages == MGMT_HUGE_YES ? "yes" : "no", "fdb",
			 (int)fdb, "lcores", lcores_json(sw), "ports", ports_json(sw), "totals",
			 totals_json(sw), "nics", nics, "uplinks", uplinks_json(sw), "extensions",
			 sw_exts_json(sw, false), "vmq", sw_vmq_json(sw));
}
