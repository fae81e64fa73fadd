/* SPDX-License-Identifier: BSD-3-Clause */
/* The extension `sflow`: one packet of N, at random, where it enters the switch, told to a collector.
 *
 * An lcore counts down to its next sample, which costs nothing between samples, and writes it into a ring of
 * its own. ctl puts samples into datagrams and sends them over a non-blocking socket; one that is not full
 * waits for the next second. Interfaces are port numbers + 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "vswitch/ext/builtin/sflow.h"

#define RING	128u		      /* samples of an lcore that may wait; a power of two */
#define SOURCES (NETHV_PORTS_MAX + 1) /* each port, and what the switch makes itself */
#define SELF	NETHV_PORTS_MAX

/* A packet as it was seen. */
struct shot {
	uint32_t frame_len;
	uint16_t source, vlan, priority, header_len;
	uint8_t header[SFLOW_HEADER_MAX];
};

/* One lcore writes, ctl reads; head is the lcore's, tail is ctl's. */
struct lane {
	uint64_t prng;
	uint32_t until; /* packets until the next sample */
	uint32_t head;
	uint32_t pool[SOURCES];
	uint32_t lost[SOURCES];
	_Alignas(64) uint32_t tail;
	struct shot ring[RING];
};

struct sflow {
	const struct nethv_host *h;
	uint32_t rate, header_bytes; /* read by lcores */
	/* ctl: */
	int fd;
	char collector[64];
	struct sflow_agent agent;
	struct sflow_dgram dgram;
	uint32_t seq[SOURCES];
	uint32_t dgram_seq;
	uint64_t start_ms;
	uint64_t samples, sent, failed;
};

static const struct nethv_key keys[] = {
	{"collector", NETHV_KEY_TEXT, 1, NULL, "ADDRESS:PORT, [IPv6]:PORT; without port 6343", 0,
	 0},
	{"rate", NETHV_KEY_INT, 0, "1000", "one packet of so many is sampled", 1, 1 << 24},
	{"header_bytes", NETHV_KEY_INT, 0, "128", "of a frame that are sent, in bytes", 14,
	 NETHV_PRIVATE_MAX},
	{"agent", NETHV_KEY_TEXT, 0, NULL,
	 "IP address by which the collector knows us; empty: the one that we send from", 0, 0},
	{"sub_agent", NETHV_KEY_INT, 0, "0", "tells several switches of an agent apart", 0, 65535},
	{"seed", NETHV_KEY_INT, 0, "0", "of the random choice; 0: from the clock", 0, 0},
	{NULL, 0, 0, NULL, NULL, 0, 0},
};

/* ---- Configuration: ctl -------------------------------------------------------------------- */

/* "192.0.2.1:6343", "[2001:db8::1]:6343", "192.0.2.1", "2001:db8::1" */
static bool split_address(const char *s, char *addr, size_t size, uint16_t *port)
{
	const char *end = NULL, *digits = NULL;
	unsigned int v = SFLOW_PORT;
	size_t n;
	char more;

	if (*s == '[') {
		end = strchr(++s, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		digits = end[1] ? end + 2 : NULL;
	} else if (strchr(s, ':') && strchr(s, ':') == strrchr(s, ':')) {
		end = strchr(s, ':');
		digits = end + 1;
	}
	n = end ? (size_t)(end - s) : strlen(s);
	if (n == 0 || n >= size)
		return false;
	memcpy(addr, s, n);
	addr[n] = 0;
	if (digits && (*digits < '0' || *digits > '9' || sscanf(digits, "%5u%c", &v, &more) != 1))
		return false;
	*port = (uint16_t)v;
	return v >= 1 && v <= 65535;
}

/* Both address families begin alike. The length, or 0. */
static socklen_t fill_address(const char *text, struct sockaddr_storage *sa)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;
	char addr[INET6_ADDRSTRLEN];
	uint16_t port;

	memset(sa, 0, sizeof(*sa));
	if (!split_address(text, addr, sizeof(addr), &port))
		return 0;
	if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, addr, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return sizeof(*v6);
	}
	return 0;
}

static int fail_errno(const struct nethv_host *h, const char *what, const char *whom)
{
	char text[160];

	snprintf(text, sizeof(text), "%s %s: %s", what, whom, strerror(errno));
	return h->fail(h, text);
}

static int open_socket(const struct nethv_host *h, const char *collector, int *fd)
{
	struct sockaddr_storage sa;
	socklen_t len = fill_address(collector, &sa);

	if (!len)
		return h->fail(h, "collector is ADDRESS:PORT, such as 192.0.2.1:6343 or "
				  "[2001:db8::1]:6343; names are not looked up");
	*fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return fail_errno(h, "socket for", collector);
	if (connect(*fd, (struct sockaddr *)&sa, len) == 0)
		return 0;
	fail_errno(h, "collector", collector);
	fd_close(fd);
	return -1;
}

/* The agent's address: as configured, or the one that the socket sends from. */
static int find_agent(const struct nethv_host *h, int fd, struct sflow_agent *a)
{
	const char *text = h->cfg_text(h, "agent");
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);

	memset(a, 0, sizeof(*a));
	a->sub_id = (uint32_t)h->cfg_int(h, "sub_agent");
	if (text[0]) {
		a->is_v6 = inet_pton(AF_INET6, text, a->addr) == 1;
		if (a->is_v6 || inet_pton(AF_INET, text, a->addr) == 1)
			return 0;
		return h->fail(h, "agent is an IPv4 or IPv6 address");
	}
	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		return fail_errno(h, "address towards", "the collector");
	a->is_v6 = sa.ss_family == AF_INET6;
	if (a->is_v6)
		memcpy(a->addr, &((struct sockaddr_in6 *)&sa)->sin6_addr, 16);
	else
		memcpy(a->addr, &((struct sockaddr_in *)&sa)->sin_addr, 4);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void dispatch(struct sflow *s)
{
	if (!s->dgram.len)
		return;
	if (send(s->fd, s->dgram.bytes, s->dgram.len, MSG_NOSIGNAL) == (ssize_t)s->dgram.len)
		s->sent++;
	else
		s->failed++; /* also the answer to an earlier one that nobody wanted */
	s->dgram.len = 0;
}

static int configure(void *inst)
{
	struct sflow *s = inst;
	const char *collector = s->h->cfg_text(s->h, "collector");
	struct sflow_agent agent;
	int fd = -1;

	if (open_socket(s->h, collector, &fd))
		return -1;
	if (find_agent(s->h, fd, &agent)) {
		fd_close(&fd);
		return -1;
	}
	if (s->fd >= 0)
		dispatch(s);
	fd_close(&s->fd);
	s->fd = fd;
	s->agent = agent;
	snprintf(s->collector, sizeof(s->collector), "%s", collector);
	__atomic_store_n(&s->rate, (uint32_t)s->h->cfg_int(s->h, "rate"), __ATOMIC_RELAXED);
	__atomic_store_n(&s->header_bytes, (uint32_t)s->h->cfg_int(s->h, "header_bytes"),
			 __ATOMIC_RELAXED);
	return 0;
}

/* ---- Choice: lcore ------------------------------------------------------------------------- */

static uint64_t random_next(uint64_t *s)
{
	uint64_t z = (*s += 0x9E3779B97F4A7C15ull); /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}

/* 0 .. 2 * rate - 2 packets are skipped, each number as likely as the others: one of rate in the mean. */
static uint32_t skip(struct lane *l, uint32_t rate)
{
	return (uint32_t)(random_next(&l->prng) % (2ull * rate - 1));
}

static int create(const struct nethv_host *h, void **inst)
{
	struct sflow *s = h->alloc(h, sizeof(*s));
	uint64_t seed = (uint64_t)h->cfg_int(h, "seed");
	uint16_t lc;

	if (!s)
		return h->fail(h, "no memory");
	s->h = h;
	s->fd = -1;
	s->start_ms = now_ms();
	*inst = s;
	if (configure(s))
		return -1;
	for (lc = 0; lc < h->nr_lcores; lc++) {
		struct lane *l = h->lcore_data(h, lc);

		l->prng = (seed ? seed : __builtin_ia32_rdtsc()) + ((uint64_t)lc << 32);
		l->until = skip(l, s->rate);
	}
	return 0;
}

static void destroy(void *inst)
{
	struct sflow *s = inst;

	dispatch(s);
	fd_close(&s->fd);
}

static uint16_t source_of(const struct nethv_pkt *p)
{
	return p->src_port < NETHV_PORTS_MAX ? p->src_port : SELF;
}

/* The frame as it was on the wire: with its tag, which the switch keeps beside the bytes. */
static uint16_t copy_header(struct nethv_burst *b, uint16_t i, uint8_t *to, uint32_t want)
{
	const struct nethv_pkt *p = b->pkt[i];
	uint32_t n = p->len < want ? p->len : want;

	if (nethv_copy(b, i, 0, to, n) != NETHV_OK)
		return 0;
	if (!(p->flags & NETHV_PKT_VLAN) || n < 12)
		return (uint16_t)n;
	memmove(to + 16, to + 12, n - 12);
	to[12] = 0x81;
	to[13] = 0x00;
	to[14] = (uint8_t)(p->vlan_tci >> 8);
	to[15] = (uint8_t)p->vlan_tci;
	return (uint16_t)(n + 4);
}

static bool shoot(struct sflow *s, struct lane *l, struct nethv_burst *b, uint16_t i)
{
	const struct nethv_pkt *p = b->pkt[i];
	bool is_tagged = p->flags & NETHV_PKT_VLAN;
	struct shot *to = &l->ring[l->head % RING];

	/* pairs with collect(): what ctl has read may be overwritten */
	if (l->head - __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE) == RING) {
		l->lost[source_of(p)]++;
		return false;
	}
	to->frame_len = p->len + SFLOW_FRAME_BYTES + (is_tagged ? 4 : 0);
	to->source = source_of(p);
	to->vlan = p->vlan;
	to->priority = is_tagged ? p->vlan_tci >> 13 : 0;
	to->header_len =
		copy_header(b, i, to->header, __atomic_load_n(&s->header_bytes, __ATOMIC_RELAXED));
	__atomic_store_n(&l->head, l->head + 1, __ATOMIC_RELEASE); /* pairs with collect() */
	return true;
}

static void count_pool(struct lane *l, const struct nethv_burst *b)
{
	uint16_t i;

	if (b->flags & NETHV_BURST_SINGLE_SOURCE) {
		l->pool[source_of(b->pkt[0])] += b->n;
		return;
	}
	for (i = 0; i < b->n; i++)
		l->pool[source_of(b->pkt[i])]++;
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct sflow *s = inst;
	struct lane *l = b->lcore_data;
	uint32_t rate = __atomic_load_n(&s->rate, __ATOMIC_RELAXED);
	uint32_t at = l->until < 2 * rate ? l->until : skip(l, rate); /* of a lower rate now */
	bool is_news = false;

	count_pool(l, b);
	for (; at < b->n; at += 1 + skip(l, rate))
		is_news |= shoot(s, l, b, (uint16_t)at);
	l->until = at - b->n;
	if (is_news)
		(void)b->host->post(b, b->lcore); /* no room: tick() comes by */
}

/* ---- Telling: ctl -------------------------------------------------------------------------- */

static uint32_t sum_pool(const struct sflow *s, uint16_t source)
{
	uint32_t sum = 0;
	uint16_t lc;

	for (lc = 0; lc < s->h->nr_lcores; lc++)
		sum += ((struct lane *)s->h->lcore_data(s->h, lc))->pool[source];
	return sum;
}

static uint32_t sum_lost(const struct sflow *s, uint16_t source)
{
	uint32_t sum = 0;
	uint16_t lc;

	for (lc = 0; lc < s->h->nr_lcores; lc++)
		sum += ((struct lane *)s->h->lcore_data(s->h, lc))->lost[source];
	return sum;
}

static void tell(struct sflow *s, const struct shot *shot)
{
	uint16_t from = shot->source;
	struct sflow_sample sample = {
		.seq = ++s->seq[from],
		.source = from == SELF ? 0 : from + 1u,
		.input = from == SELF ? SFLOW_IF_SELF : from + 1u,
		.rate = s->rate,
		.pool = sum_pool(s, from),
		.drops = sum_lost(s, from),
		.frame_len = shot->frame_len,
		.vlan = shot->vlan,
		.priority = shot->priority,
		.header_len = shot->header_len,
		.header = shot->header,
	};

	s->samples++;
	if (s->dgram.len && sflow_add(&s->dgram, &sample))
		return;
	dispatch(s);
	sflow_begin(&s->dgram, &s->agent, ++s->dgram_seq, (uint32_t)(now_ms() - s->start_ms));
	sflow_add(&s->dgram, &sample);
}

static void collect(struct sflow *s, uint16_t lcore)
{
	struct lane *l = s->h->lcore_data(s->h, lcore);
	uint32_t head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE); /* pairs with shoot() */
	uint32_t tail = l->tail;

	for (; tail != head; tail++)
		tell(s, &l->ring[tail % RING]);
	__atomic_store_n(&l->tail, tail, __ATOMIC_RELEASE); /* pairs with shoot() */
}

static void notify(void *inst, uint64_t arg)
{
	collect(inst, (uint16_t)arg);
}

static void tick(void *inst)
{
	struct sflow *s = inst;
	uint16_t lc;

	for (lc = 0; lc < s->h->nr_lcores; lc++)
		collect(s, lc);
	dispatch(s);
}

static int status(void *inst, char *json, size_t size)
{
	const struct sflow *s = inst;
	char agent[INET6_ADDRSTRLEN] = "";
	unsigned long long pool = 0, lost = 0;
	uint16_t i;

	inet_ntop(s->agent.is_v6 ? AF_INET6 : AF_INET, s->agent.addr, agent, sizeof(agent));
	for (i = 0; i < SOURCES; i++) {
		pool += sum_pool(s, i);
		lost += sum_lost(s, i);
	}
	return snprintf(json, size,
			"{\"collector\":\"%s\",\"agent\":\"%s\",\"rate\":%u,\"pool\":%llu,"
			"\"samples\":%llu,\"lost\":%llu,\"datagrams\":%llu,\"send_errors\":%llu}",
			s->collector, agent, s->rate, pool, (unsigned long long)s->samples, lost,
			(unsigned long long)s->sent, (unsigned long long)s->failed);
}

const struct nethv_ext vsw_sflow_ext = {
	NETHV_EXT_HEAD,
	.guid = {{0x8e, 0x1d, 0x60, 0x2b, 0x5f, 0xc4, 0x4e, 0x1f, 0xb1, 0x0a, 0x1c, 0x7d, 0x43,
		  0x90, 0x5e, 0x01}},
	.name = "sflow",
	.version = "1.0",
	.summary = "Samples packets and tells an sFlow collector (version 5)",
	.cls = NETHV_CAPTURE,
	.lcore_size = sizeof(struct lane),
	.keys = keys,
	.create = create,
	.destroy = destroy,
	.configure = configure,
	.status = status,
	.notify = notify,
	.tick = tick,
	.ingress = ingress,
};
