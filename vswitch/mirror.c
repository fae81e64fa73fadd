/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets are copied to which monitor port. See vswitch/mirror.h. */
#include "vswitch/mirror.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static bool is_source(const struct vsw_mirror_cfg *c, unsigned int port)
{
	return c->sources[port / 64] >> (port % 64) & 1;
}

static int check(const struct vsw_mirror_cfg *c, uint32_t n)
{
	if (c->to >= VSW_PORTS_MAX)
		return err_set(-EINVAL, "mirror %u: no monitor port", n);
	if (is_source(c, c->to))
		return err_set(-EINVAL, "mirror %u: port %u is a source and the monitor port", n,
			       c->to);
	if (!c->way || c->way & ~VSW_MIRROR_BOTH)
		return err_set(-EINVAL, "mirror %u: want in, out or both", n);
	if (!c->what || c->what & ~VSW_MIRROR_ALL)
		return err_set(-EINVAL, "mirror %u: want forwarded packets, drops or all", n);
	if (c->snap_len && c->snap_len < VSW_FRAME_MIN)
		return err_set(-EINVAL, "mirror %u: snap length %u: want 0 (all) or at least %u", n,
			       c->snap_len, VSW_FRAME_MIN);
	return 0;
}

static void add(struct vsw_mirror *m, const struct vsw_mirror_cfg *c)
{
	uint8_t bit = (uint8_t)(1u << m->nr);
	unsigned int port;

	for (port = 0; port < VSW_PORTS_MAX; port++) {
		if (!is_source(c, port))
			continue;
		if (c->way & VSW_MIRROR_IN)
			m->in[port] |= bit;
		if (c->way & VSW_MIRROR_OUT)
			m->out[port] |= bit;
	}
	if (c->what & VSW_MIRROR_FORWARDED)
		m->forwarded |= bit;
	if (c->what & VSW_MIRROR_DROPS)
		m->drops |= bit;
	m->session[m->nr++] = *c;
}

int vsw_mirror_init(struct vsw_mirror *m, const struct vsw_mirror_cfg *cfg, uint32_t nr)
{
	uint32_t i;
	int rc = 0;

	memset(m, 0, sizeof(*m));
	if (nr > VSW_MIRRORS_MAX)
		return err_set(-EINVAL, "%u mirrors: want at most %u", nr, VSW_MIRRORS_MAX);
	for (i = 0; i < nr && !rc; i++) {
		rc = check(&cfg[i], i);
		if (!rc)
			add(m, &cfg[i]);
	}
	return rc;
}

/* Without the sessions whose monitor port is @port: it has the packet already. */
static uint8_t without(const struct vsw_mirror *m, uint8_t sessions, uint16_t port)
{
	uint8_t left = sessions;
	unsigned int n;

	for (; sessions; sessions &= sessions - 1) {
		n = (unsigned int)__builtin_ctz(sessions);
		if (m->session[n].to == port)
			left &= (uint8_t) ~(1u << n);
	}
	return left;
}

/* Of sessions with the same monitor port the one with the longest copies; of equals the first. */
static uint8_t one_a_port(const struct vsw_mirror *m, uint8_t sessions)
{
	uint8_t rest, left = 0;
	unsigned int n, best;

	while (sessions) {
		best = (unsigned int)__builtin_ctz(sessions);
		for (rest = sessions & (sessions - 1); rest; rest &= rest - 1) {
			n = (unsigned int)__builtin_ctz(rest);
			if (m->session[n].to == m->session[best].to &&
			    vsw_mirror_len(m, n, UINT32_MAX) > vsw_mirror_len(m, best, UINT32_MAX))
				best = n;
		}
		left |= (uint8_t)(1u << best);
		sessions = without(m, sessions, m->session[best].to);
	}
	return left;
}

static uint8_t in_of(const struct vsw_mirror *m, const struct nethv_pkt *p)
{
	return p->src_port < VSW_PORTS_MAX ? m->in[p->src_port] : 0;
}

/* A destination that is excluded or a mirror's is none that the packet was forwarded to. */
static bool is_real(const struct nethv_dst *d)
{
	return d->port < VSW_PORTS_MAX && !(d->flags & (NETHV_DST_EXCLUDED | NETHV_DST_MIRROR));
}

static uint8_t out_of(const struct vsw_mirror *m, const struct nethv_pkt *p,
		      const struct nethv_dst *dst, uint8_t *real)
{
	uint8_t want = 0;
	uint16_t i;

	*real = 0;
	for (i = 0; i < p->ndst; i++) {
		if (is_real(&dst[i])) {
			want |= m->out[dst[i].port];
			*real = 0xFF;
		}
	}
	return want;
}

/* Of @want those that do not have it. */
static uint8_t lacking(const struct vsw_mirror *m, const struct nethv_pkt *p,
		       const struct nethv_dst *dst, uint8_t want)
{
	uint16_t i;

	if (!want)
		return 0;
	want = without(m, want, p->src_port);
	for (i = 0; i < p->ndst && want; i++) {
		if (!(dst[i].flags & NETHV_DST_EXCLUDED))
			want = without(m, want, dst[i].port);
	}
	return one_a_port(m, want);
}

static uint8_t match(const struct vsw_mirror *m, const struct nethv_pkt *p,
		     const struct nethv_dst *dst)
{
	uint8_t real, want = in_of(m, p) | out_of(m, p, dst, &real);

	return lacking(m, p, dst,
		       want & m->forwarded & real); /* of what goes nowhere there is a drop */
}

uint8_t vsw_mirror_entered(const struct vsw_mirror *m, const struct nethv_pkt *p)
{
	return one_a_port(m, without(m, in_of(m, p) & m->forwarded, p->src_port));
}

uint8_t vsw_mirror_leaves(const struct vsw_mirror *m, const struct nethv_pkt *p,
			  const struct nethv_dst *dst)
{
	uint8_t real, want = out_of(m, p, dst, &real);

	return lacking(m, p, dst, want & m->forwarded);
}

/* Sessions whose copy was a packet of its own. */
static uint8_t has_short(const struct vsw_mirror *m, const struct nethv_pkt *p)
{
	uint8_t left = 0;
	unsigned int n;

	for (n = 0; n < m->nr; n++)
		if (vsw_mirror_len(m, n, p->len) < p->len)
			left |= (uint8_t)(1u << n);
	return left;
}

uint8_t vsw_mirror_lost(const struct vsw_mirror *m, const struct nethv_pkt *p,
			const struct nethv_dst *dst)
{
	uint8_t real, want = in_of(m, p) | out_of(m, p, dst, &real);
	uint16_t i;

	want &= m->drops & real & (uint8_t) ~(m->forwarded & has_short(m, p));
	for (i = 0; i < p->ndst && want; i++) {
		if (dst[i].flags & NETHV_DST_EXCLUDED && dst[i].flags & NETHV_DST_MIRROR)
			want = without(m, want, dst[i].port);
	}
	return one_a_port(m, without(m, want, p->src_port));
}

void vsw_mirror_match(const struct vsw_mirror *m, const struct vsw_vec *v, const uint16_t *idx,
		      uint16_t n, const struct nethv_dst *dstv, uint8_t *hit)
{
	uint16_t k;

	for (k = 0; k < n; k++) {
		const struct nethv_pkt *p = &v->slot[idx[k]].pkt;

		hit[k] = match(m, p, dstv + p->dst_first);
	}
}

uint8_t vsw_mirror_drop(const struct vsw_mirror *m, const struct nethv_pkt *p,
			const struct nethv_dst *to, bool is_forwarded)
{
	uint8_t want = in_of(m, p);

	if (to && to->flags & NETHV_DST_MIRROR)
		return 0;
	if (to && to->port < VSW_PORTS_MAX)
		want |= m->out[to->port];
	want &= m->drops;
	/* Who wants what was forwarded, too, has it by now. */
	if (is_forwarded)
		want &= (uint8_t)~m->forwarded;
	return want ? one_a_port(m, without(m, want, p->src_port)) : 0;
}

struct nethv_dst vsw_mirror_dst(const struct vsw_mirror *m, unsigned int n)
{
	return (struct nethv_dst){
		.port = m->session[n].to,
		.flags = NETHV_DST_MIRROR | NETHV_DST_KEEP_VLAN,
	};
}

uint32_t vsw_mirror_len(const struct vsw_mirror *m, unsigned int n, uint32_t len)
{
	uint32_t snap = m->session[n].snap_len;

	return snap && snap < len ? snap : len;
}
