/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive side scaling: which of the guest's channels a frame goes to. Toeplitz over addresses
 * and ports with the guest's key and table, so that the guest's own hash agrees. And the other way: the channels
 * that the guest is to send on. */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_thash.h>

#include "netvsp/priv.h"

#define ETH_IPV4   0x0800u
#define ETH_IPV6   0x86DDu
#define PROTO_TCP  6u
#define PROTO_UDP  17u
#define TUPLE_V6_W 9u /* 32-bit words: addresses and ports */

/* What is hashed of a frame, and how that is called. */
struct tuple {
	uint32_t word[TUPLE_V6_W];
	uint32_t n; /* 0: not IP */
	uint32_t type;
};

/* Converts @words network-order words at @addr_off, appends the port word if it lies in the private
 * head. */
static void tuple(const struct nethv_pkt *p, uint32_t addr_off, uint32_t words, uint32_t l4,
		  uint8_t proto, struct tuple *t)
{
	const bool is_v4 = words == 2;
	uint32_t i, w;

	for (i = 0; i < words; i++) {
		memcpy(&w, vsw_hdr(p) + addr_off + i * 4, 4);
		t->word[i] = rte_be_to_cpu_32(w);
	}
	t->n = words;
	t->type = is_v4 ? NDIS_HASH_IPV4 : NDIS_HASH_IPV6;
	if ((proto != PROTO_TCP && proto != PROTO_UDP) || l4 + 4u > p->hdr_len)
		return;
	memcpy(&w, vsw_hdr(p) + l4, 4);
	t->word[t->n++] = rte_be_to_cpu_32(w);
	if (proto == PROTO_TCP)
		t->type = is_v4 ? NDIS_HASH_TCP_IPV4 : NDIS_HASH_TCP_IPV6;
	else
		t->type = is_v4 ? NDIS_HASH_UDP_IPV4 : NDIS_HASH_UDP_IPV6;
}

static void flow_of(const struct nethv_pkt *p, struct tuple *t)
{
	uint32_t type = p->hdr_len >= 14 ? (uint32_t)vsw_hdr(p)[12] << 8 | vsw_hdr(p)[13] : 0;

	t->n = 0;
	if (type == ETH_IPV4 && p->hdr_len >= 34) {
		uint32_t ihl = (vsw_hdr(p)[14] & 15u) * 4;
		uint32_t frag = ((uint32_t)vsw_hdr(p)[20] << 8 | vsw_hdr(p)[21]) & 0x3FFF;

		tuple(p, 26, 2, 14 + ihl, frag ? 0 : vsw_hdr(p)[23], t);
	} else if (type == ETH_IPV6 && p->hdr_len >= 54) {
		tuple(p, 22, 8, 54, vsw_hdr(p)[20], t);
	}
}

uint32_t netvsp_rss_hash(const struct netvsp_nic *nic, const struct nethv_pkt *p, uint32_t *hash)
{
	struct tuple t;

	flow_of(p, &t);
	if (t.n == 0)
		return 0;
	*hash = rte_softrss(t.word, t.n, nic->st->rss_key);
	return t.type | NDIS_HASH_TOEPLITZ;
}

uint8_t netvsp_rss_queue(const struct netvsp_nic *nic, uint32_t hash)
{
	const struct netvsp_state *st = nic->st;
	uint32_t entries = __atomic_load_n(&st->rss_entries, __ATOMIC_RELAXED);

	return entries ? __atomic_load_n(&st->rss_table[hash % entries], __ATOMIC_RELAXED) : 0;
}

/* Entries that name no channel fall to the primary. Other lcores look flows up meanwhile: an old and
 * a new entry are both good. */
static void take_table(struct netvsp_state *st, const uint8_t *table, uint32_t entries)
{
	uint32_t i, ch;

	for (i = 0; i < entries; i++) {
		memcpy(&ch, table + i * 4, 4);
		__atomic_store_n(&st->rss_table[i], (uint8_t)(ch <= st->nr_subs ? ch : 0),
				 __ATOMIC_RELAXED);
	}
	__atomic_store_n(&st->rss_entries, entries, __ATOMIC_RELAXED);
}

static bool is_table(const struct ndis_rss_params *p, uint32_t in_len)
{
	return p->table_offset <= in_len && p->table_size <= in_len - p->table_offset &&
	       p->table_size % 4 == 0 && p->table_size != 0 &&
	       p->table_size <= NDIS_RSS_TABLE_MAX * 4;
}

static bool is_key(const struct ndis_rss_params *p, uint32_t in_len)
{
	return p->key_offset <= in_len && p->key_size <= in_len - p->key_offset &&
	       p->key_size == NDIS_RSS_KEY_SIZE;
}

/* A request that is wrong anywhere changes nothing. */
uint32_t netvsp_rss_set(struct netvsp_nic *nic, const uint8_t *in, uint32_t in_len)
{
	struct netvsp_state *st = nic->st;
	struct ndis_rss_params p;
	bool has_table, has_key;

	if (in_len < sizeof(p))
		return RNDIS_STATUS_INVALID_LENGTH;
	memcpy(&p, in, sizeof(p));
	if (p.hdr.type != NDIS_OBJECT_RSS_PARAMS)
		return RNDIS_STATUS_INVALID_DATA;
	if (p.flags & NDIS_RSS_DISABLE) {
		__atomic_store_n(&st->rss_on, 0, __ATOMIC_RELAXED);
		return RNDIS_STATUS_SUCCESS;
	}
	has_table = !(p.flags & NDIS_RSS_TABLE_UNCHANGED);
	has_key = !(p.flags & NDIS_RSS_KEY_UNCHANGED);
	if ((has_table && !is_table(&p, in_len)) || (has_key && !is_key(&p, in_len)))
		return RNDIS_STATUS_INVALID_LENGTH;
	if (has_table)
		take_table(st, in + p.table_offset, p.table_size / 4);
	if (has_key)
		memcpy(st->rss_key, in + p.key_offset, NDIS_RSS_KEY_SIZE);
	st->rss_hash_info = p.hash_info;
	__atomic_store_n(&st->rss_on, st->nr_subs > 0, __ATOMIC_RELAXED);
	return RNDIS_STATUS_SUCCESS;
}

/* ---- Send indirection table ---------------------------------------------------------------- */

/* Flows are spread evenly over the primary and the sub-channels. */
void netvsp_send_table(struct netvsp_chan *ch, unsigned int lcore)
{
	const uint32_t channels = ch->nic->st->nr_subs + 1, head = 12;
	struct {
		uint32_t type, count, offset;
		uint32_t table[NVSP_SEND_TABLE_COUNT];
		uint32_t pad;
	} m = {NVSP_MSG_INDIRECTION_TABLE, NVSP_SEND_TABLE_COUNT, head, {0}, 0};
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
					 .offset8 = sizeof(d) / 8,
					 .len8 = (sizeof(d) + sizeof(m)) / 8};
	bool wanted = false;
	uint32_t i;

	for (i = 0; i < NVSP_SEND_TABLE_COUNT; i++)
		m.table[i] = i % channels;
	rte_spinlock_lock(&ch->lock);
	if (vmbus_ring_space(&ch->out) >= (int32_t)(netvsp_out_reserve(ch) + sizeof(m) + 64)) {
		vmbus_ring_put(&ch->out, &d, NULL, 0, &m, sizeof(m));
		vmbus_state_h2g_commit(ch->cs, ch->out.own, ch->rx_seq, ch->burst_done);
		wanted = vmbus_ring_publish_write(&ch->out);
		atomic_store(&ch->nic->wants_table, false);
	}
	rte_spinlock_unlock(&ch->lock);
	netvsp_signal(ch, lcore, wanted);
}
