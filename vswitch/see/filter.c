/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters in libpcap's language, on packets whose first bytes are private, whose tag is out of band, and
 * whose rest may lie in pieces in a guest.
 *
 * A program of classic BPF is run by libpcap's interpreter: it wants one buffer, and takes a load
 * behind its end for "no match", which must not happen before the frame's end. So each program is looked
 * through once for how far it can read. Mostly that is a few headers and lies among the private bytes:
 * nothing is copied. Else so many bytes are put together in a buffer of the lcore. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "base/err.h"
#include "vswitch/see/priv.h"

#define TAG_AT	 12u
#define TAG_LEN	 4u
#define TEXT_MAX 4096u

struct see_filter {
	struct bpf_program prog;
	uint32_t need;
};

static uint32_t add_capped(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* The most that the index register can hold: after IHL-style loads 60, after a computation anything. */
static uint32_t index_max(const struct bpf_program *p)
{
	uint32_t max = 0;
	unsigned int i;

	for (i = 0; i < p->bf_len; i++) {
		const struct bpf_insn *in = &p->bf_insns[i];

		if (BPF_CLASS(in->code) == BPF_MISC && BPF_MISCOP(in->code) == BPF_TAX)
			return UINT32_MAX;
		if (BPF_CLASS(in->code) != BPF_LDX)
			continue;
		switch (BPF_MODE(in->code)) {
		case BPF_IMM: max = in->k > max ? in->k : max; break;
		case BPF_MSH: max = max < 60 ? 60 : max; break;
		default: return UINT32_MAX;
		}
	}
	return max;
}

static uint32_t load_end(const struct bpf_insn *in, uint32_t x_max)
{
	uint32_t size = BPF_SIZE(in->code) == BPF_W ? 4 : BPF_SIZE(in->code) == BPF_H ? 2 : 1;

	if (BPF_CLASS(in->code) == BPF_LDX)
		return BPF_MODE(in->code) == BPF_MSH ? add_capped(in->k, 1) : 0;
	if (BPF_CLASS(in->code) != BPF_LD)
		return 0;
	if (BPF_MODE(in->code) == BPF_ABS)
		return add_capped(in->k, size);
	if (BPF_MODE(in->code) == BPF_IND)
		return add_capped(add_capped(in->k, x_max), size);
	return 0;
}

static uint32_t reach(const struct bpf_program *p)
{
	uint32_t x_max = index_max(p), need = 0;
	unsigned int i;

	for (i = 0; i < p->bf_len; i++) {
		uint32_t end = load_end(&p->bf_insns[i], x_max);

		need = end > need ? end : need;
	}
	return need;
}

static int compile(struct see_filter *f, const char *text)
{
	pcap_t *pc = pcap_open_dead(DLT_EN10MB, VSW_SEE_SNAP_MAX);
	int rc = 0;

	if (!pc)
		return err_set(-ENOMEM, "no memory for a filter");
	if (pcap_compile(pc, &f->prog, text, 1, PCAP_NETMASK_UNKNOWN))
		rc = err_set(-EINVAL, "filter \"%.200s\": %s", text, pcap_geterr(pc));
	else if (!bpf_validate(f->prog.bf_insns, (int)f->prog.bf_len))
		rc = err_set(-EINVAL, "filter \"%.200s\": libpcap's program is not valid", text);
	pcap_close(pc);
	return rc;
}

int see_filter_create(struct see_filter **out, const char *text)
{
	struct see_filter *f;
	int rc;

	*out = NULL;
	if (!text || !*text)
		return 0;
	if (strlen(text) > TEXT_MAX)
		return err_set(-EINVAL, "filter of %zu bytes: at most %u", strlen(text), TEXT_MAX);
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(-ENOMEM, "no memory for a filter");
	rc = compile(f, text);
	if (rc) {
		see_filter_destroy(f);
		return rc;
	}
	f->need = reach(&f->prog);
	*out = f;
	return 0;
}

void see_filter_destroy(struct see_filter *f)
{
	if (!f)
		return;
	pcap_freecode(&f->prog);
	free(f);
}

uint32_t see_filter_need(const struct see_filter *f)
{
	return f ? f->need : 0;
}

bool see_filter_match(const struct see_filter *f, const uint8_t *bytes, uint32_t n, uint32_t len)
{
	return !f || bpf_filter(f->prog.bf_insns, bytes, len, n) != 0;
}

static bool has_backing(const struct vsw_slot *s)
{
	return s->data || s->sg_count;
}

/* A frame without room for both addresses cannot carry a tag. */
static uint32_t tag_len(const struct nethv_pkt *p)
{
	return p->flags & NETHV_PKT_VLAN && p->len >= TAG_AT ? TAG_LEN : 0;
}

uint32_t see_wire_len(const struct nethv_pkt *p)
{
	return p->len + tag_len(p);
}

uint32_t see_wire_here(const struct vsw_slot *s)
{
	uint32_t n = has_backing(s) || s->pkt.hdr_len > s->pkt.len ? s->pkt.len : s->pkt.hdr_len;

	n += n >= TAG_AT ? tag_len(&s->pkt) : 0;
	return n < VSW_SEE_SNAP_MAX ? n : VSW_SEE_SNAP_MAX;
}

static void frame_copy(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t from,
		       uint8_t *dst, uint32_t n)
{
	uint32_t part = 0;

	if (from < s->pkt.hdr_len) {
		part = s->pkt.hdr_len - from < n ? s->pkt.hdr_len - from : n;
		memcpy(dst, vsw_hdr(&s->pkt) + from, part);
	}
	if (part < n)
		vsw_slot_copy_backing(v, s, from + part, dst + part, n - part);
}

void see_wire_copy(const struct vsw_vec *v, const struct vsw_slot *s, uint8_t *dst, uint32_t n)
{
	uint8_t tag[TAG_LEN] = {0x81, 0, s->pkt.vlan_tci >> 8, s->pkt.vlan_tci & 0xFF};
	uint32_t part;

	if (!tag_len(&s->pkt) || n <= TAG_AT) {
		frame_copy(v, s, 0, dst, n);
		return;
	}
	frame_copy(v, s, 0, dst, TAG_AT);
	part = n - TAG_AT < TAG_LEN ? n - TAG_AT : TAG_LEN;
	memcpy(dst + TAG_AT, tag, part);
	if (n > TAG_AT + TAG_LEN)
		frame_copy(v, s, TAG_AT, dst + TAG_AT + TAG_LEN, n - TAG_AT - TAG_LEN);
}

bool see_filter_run(const struct see_filter *f, const struct vsw_vec *v, const struct vsw_slot *s,
		    uint8_t *scratch)
{
	uint32_t len, n;

	if (!f)
		return true;
	len = see_wire_len(&s->pkt);
	n = f->need < see_wire_here(s) ? f->need : see_wire_here(s);
	if (!tag_len(&s->pkt) && n <= s->pkt.hdr_len)
		return see_filter_match(f, vsw_hdr(&s->pkt), n, len);
	see_wire_copy(v, s, scratch, n);
	return see_filter_match(f, scratch, n, len);
}
