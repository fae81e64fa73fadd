// SPDX-License-Identifier: BSD-3-Clause
/* Numbered frames from one end of a wire to the other, each full of a pattern that its number makes: which are lost,
 * late, twice, or not as they were sent. The sender is never more than WINDOW frames ahead of the receiver, so that no
 * queue on the way overflows: what is lost is somebody's fault.
 *   frames send IFACE ADDRESS LOW HIGH COUNT [VLAN]   frames of LOW to HIGH bytes (without tag); until all are there.
 *                                                     COUNT 0: until SIGTERM
 *   frames take IFACE LOW HIGH                        until the sender is done
 * Besides, frames that only say of which kind they are, and who sees how many of each kind:
 *   frames say IFACE ADDRESS KIND COUNT [VLAN]        COUNT 0: 32 each 10 ms, until SIGTERM
 *   frames tally IFACE                                until SIGTERM: {"KIND": {"VLAN": COUNT}}; VLAN 0: no tag */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TYPE	    0x88B5 /* for experiments */
#define MAGIC	    0x6e76666du
#define SIZE_MAX_   9018u
#define BATCH	    64u
#define WINDOW	    256u
#define TELL_EACH   64u	 /* frames */
#define IMPATIENCE  1000 /* ms without an answer */
#define TRIES_MAX   120u
#define NUMBERS_MAX (1u << 26)
#define KINDS	    256u
#define VLANS	    4096u

enum what { DATA, ASK, END, TOLD, SAID };

struct head {
	uint32_t magic, what;
	uint32_t number; /* of the frame; TOLD: all before it came or are lost; SAID: the kind */
	uint32_t serial; /* of what is asked, and told */
} __attribute__((packed));

struct link {
	int fd;
	uint8_t own[6];
};

struct frame {
	uint8_t bytes[SIZE_MAX_ + 4];
	uint32_t len;
	uint16_t vlan; /* received; 0: none */
};

static struct frame ring[BATCH];
static struct mmsghdr msg[BATCH];
static struct iovec iov[BATCH];
static char control[BATCH][64];
static uint8_t seen[NUMBERS_MAX / 8];
static volatile sig_atomic_t is_over;

static void on_signal(int sig)
{
	(void)sig;
	is_over = 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint32_t size_of(uint32_t number, uint32_t low, uint32_t high)
{
	return low + (uint32_t)(mix(number + 1) % (high - low + 1));
}

/* Fills @len bytes, or compares them: the first that differs, or -1. */
static int pattern(uint8_t *at, uint32_t len, uint32_t number, bool is_check)
{
	uint64_t word = mix(number * 0x9e3779b97f4a7c15ull + 1);
	uint32_t i, n;

	for (i = 0; i < len; i += 8, word = word * 0xd1342543de82ef95ull + 1) {
		n = len - i < 8 ? len - i : 8;
		if (!is_check)
			memcpy(at + i, &word, n);
		else if (memcmp(at + i, &word, n))
			return (int)i;
	}
	return -1;
}

static uint32_t put_head(uint8_t *b, const uint8_t *dst, const uint8_t *src, uint16_t vlan,
			 const struct head *h)
{
	uint16_t word[3] = {htons(0x8100), htons(vlan), htons(TYPE)};
	uint32_t tag = vlan ? 4 : 0;

	memcpy(b, dst, 6);
	memcpy(b + 6, src, 6);
	memcpy(b + 12, tag ? word : word + 2, 2 + tag);
	memcpy(b + 14 + tag, h, sizeof(*h));
	return 14 + tag + sizeof(*h);
}

/* ---- The socket ------------------------------------------------------------------------------ */

enum mode { OWN, EVERYTHING };

static struct link open_link(const char *iface, uint16_t type, enum mode mode)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(type)};
	struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
	struct ifreq r = {0};
	int one = 1, room = 32 << 20;
	struct link l;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", iface);
	at.sll_ifindex = all.mr_ifindex = (int)if_nametoindex(iface);
	l.fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (l.fd < 0 || ioctl(l.fd, SIOCGIFHWADDR, &r))
		err(1, "%s", iface);
	memcpy(l.own, r.ifr_hwaddr.sa_data, 6);
	if (setsockopt(l.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    setsockopt(l.fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    setsockopt(l.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    /* A queue of the kernel's would drop what waits for long. */
	    setsockopt(l.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    bind(l.fd, (struct sockaddr *)&at, sizeof(at)))
		err(1, "%s: socket", iface);
	if (mode == EVERYTHING &&
	    setsockopt(l.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)))
		err(1, "%s: promiscuous", iface);
	return l;
}

/* What the device does not take now it takes later; without a link it is lost, as on the wire. */
static void send_all(const struct link *l, unsigned int n)
{
	unsigned int i, done = 0;
	int k;

	for (i = 0; i < n; i++) {
		iov[i] = (struct iovec){ring[i].bytes, ring[i].len};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	while (done < n) {
		k = sendmmsg(l->fd, msg + done, n - done, 0);
		if (k > 0)
			done += (unsigned int)k;
		else if (errno == ENETDOWN || errno == ENXIO)
			done++;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			err(1, "send");
		else
			usleep(200);
	}
}

static void send_head(const struct link *l, const uint8_t *dst, uint16_t vlan, const struct head *h,
		      unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		memset(ring[i].bytes, 0, 64);
		put_head(ring[i].bytes, dst, l->own, vlan, h);
		ring[i].len = 64;
	}
	send_all(l, n);
}

static uint16_t tag_of(struct msghdr *m)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct tpacket_auxdata a;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&a, CMSG_DATA(c), sizeof(a));
		if (a.tp_status & TP_STATUS_VLAN_VALID)
			return a.tp_vlan_tci & 0xFFF;
	}
	return 0;
}

/* Waits for up to @ms; how many there are in ring[]. */
static unsigned int receive(const struct link *l, int ms)
{
	struct pollfd p = {l->fd, POLLIN, 0};
	int i, n;

	if (ms && poll(&p, 1, ms) <= 0)
		return 0;
	for (i = 0; i < (int)BATCH; i++) {
		iov[i] = (struct iovec){ring[i].bytes, sizeof(ring[i].bytes)};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
						 .msg_iovlen = 1,
						 .msg_control = control[i],
						 .msg_controllen = sizeof(control[i])};
	}
	n = recvmmsg(l->fd, msg, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
	for (i = 0; i < n; i++) {
		ring[i].len = msg[i].msg_len;
		ring[i].vlan = tag_of(&msg[i].msg_hdr);
	}
	return n < 0 ? 0 : (unsigned int)n; /* a link that is down is one without frames */
}

static bool is_ours(const struct frame *f, struct head *h)
{
	const uint16_t type = htons(TYPE);

	if (f->len < 14 + sizeof(*h) || memcmp(f->bytes + 12, &type, 2))
		return false;
	memcpy(h, f->bytes + 14, sizeof(*h));
	return h->magic == MAGIC;
}

/* ---- The sender ------------------------------------------------------------------------------ */

struct sender {
	struct link l;
	uint8_t to[6];
	uint16_t vlan;
	uint32_t low, high, count;
	uint32_t sent, base; /* before base: it came, or is lost */
	uint32_t serial, asked, asked_at;
	bool is_told; /* the last question was answered */
};

static void ask(struct sender *s, enum what what)
{
	struct head h = {MAGIC, what, s->sent, ++s->serial};

	s->asked_at = s->sent;
	s->is_told = false;
	send_head(&s->l, s->to, s->vlan, &h, 1);
}

static bool hear_now(struct sender *s, unsigned int n)
{
	unsigned int i;
	bool is_news = false;
	struct head h;

	for (i = 0; i < n; i++) {
		if (!is_ours(&ring[i], &h) || h.what != TOLD ||
		    memcmp(ring[i].bytes + 6, s->to, 6) || memcmp(ring[i].bytes, s->l.own, 6))
			continue;
		is_news = true;
		if (h.serial && h.serial == s->serial) {
			s->is_told = true;
			s->base = s->asked_at;
		} else if (h.number - s->base <= s->sent - s->base) {
			s->base = h.number;
		}
	}
	return is_news;
}

/* Until there is news from the receiver, for up to @ms: others' frames are none. */
static bool hear(struct sender *s, int ms)
{
	double end = now() + ms / 1e3;

	do {
		if (hear_now(s, receive(&s->l, ms)))
			return true;
	} while (ms && now() < end);
	return false;
}

static void send_data(struct sender *s, uint32_t n)
{
	uint32_t i, at, tag = s->vlan ? 4 : 0;

	for (i = 0; i < n; i++) {
		struct head h = {MAGIC, DATA, s->sent + i, 0};
		struct frame *f = &ring[i];

		f->len = size_of(h.number, s->low, s->high) + tag;
		at = put_head(f->bytes, s->to, s->l.own, s->vlan, &h);
		pattern(f->bytes + at, f->len - at, h.number, false);
	}
	send_all(&s->l, n);
	s->sent += n;
}

/* The answer comes after all that was sent before. */
static void ask_until_told(struct sender *s, enum what what)
{
	unsigned int tries;

	for (tries = 0; tries < TRIES_MAX; tries++) {
		ask(s, what);
		s->asked += what == ASK;
		while (!s->is_told && hear(s, IMPATIENCE))
			;
		if (s->is_told)
			return;
	}
	errx(1, "no answer after %u frames", s->sent);
}

static bool is_done(const struct sender *s)
{
	return is_over || (s->count && s->sent == s->count) || s->sent == NUMBERS_MAX;
}

static void send_numbers(struct sender *s)
{
	double begun = now();
	uint32_t n;

	while (!is_done(s)) {
		n = WINDOW - (s->sent - s->base);
		if (n >= BATCH) {
			if (s->count && n > s->count - s->sent)
				n = s->count - s->sent;
			send_data(s, n > BATCH ? BATCH : n);
			hear(s, 0);
		} else if (!hear(s, IMPATIENCE)) {
			ask_until_told(s, ASK);
		}
	}
	ask_until_told(s, END);
	printf("{\"sent\": %u, \"asked\": %u, \"seconds\": %.1f}\n", s->sent, s->asked,
	       now() - begun);
}

/* ---- The receiver ---------------------------------------------------------------------------- */

struct taker {
	struct link l;
	uint32_t low, high;
	uint32_t received, next, told, late, twice, wrong, end;
	char first_wrong[120];
};

static void complain(struct taker *t, const struct frame *f, uint32_t number, const char *what,
		     int at)
{
	if (t->wrong++ == 0)
		snprintf(t->first_wrong, sizeof(t->first_wrong), "%u: %s, %u bytes, byte %d: %02x",
			 number, what, f->len, at, at >= 0 ? f->bytes[at] : 0);
}

static void judge(struct taker *t, struct frame *f, uint32_t number)
{
	const uint32_t head = 14 + sizeof(struct head);
	int at;

	if (number >= NUMBERS_MAX) {
		complain(t, f, number, "number", -1);
	} else if (f->len != size_of(number, t->low, t->high)) {
		complain(t, f, number, "length", -1);
	} else {
		at = pattern(f->bytes + head, f->len - head, number, true);
		if (at >= 0)
			complain(t, f, number, "pattern", (int)head + at);
	}
}

static void tell(struct taker *t, const uint8_t *to, uint32_t number, uint32_t serial)
{
	struct head h = {MAGIC, TOLD, number, serial};
	struct frame f;

	memset(f.bytes, 0, 64);
	put_head(f.bytes, to, t->l.own, 0, &h);
	/* What gets lost is asked for. */
	if (send(t->l.fd, f.bytes, 64, 0) < 0 && errno != ENETDOWN && errno != ENOBUFS &&
	    errno != ENXIO)
		err(1, "send");
}

static void take_data(struct taker *t, struct frame *f, uint32_t number)
{
	uint8_t bit = (uint8_t)(1u << number % 8);

	judge(t, f, number);
	if (number >= NUMBERS_MAX)
		return;
	if (seen[number / 8] & bit) {
		t->twice++;
		return;
	}
	seen[number / 8] |= bit;
	t->received++;
	t->late += number < t->next;
	if (number >= t->next)
		t->next = number + 1;
	if (t->next - t->told >= TELL_EACH) {
		t->told = t->next;
		tell(t, f->bytes + 6, t->told, 0);
	}
}

static bool take_one(struct taker *t, struct frame *f)
{
	struct head h;

	if (!is_ours(f, &h) || memcmp(f->bytes, t->l.own, 6))
		return false;
	if (h.what == DATA)
		take_data(t, f, h.number);
	if (h.what == ASK || h.what == END)
		tell(t, f->bytes + 6, t->next, h.serial);
	if (h.what == END)
		t->end = h.number;
	return h.what == END;
}

/* "3, 64-97": up to eight pieces. */
static void print_lost(const struct taker *t)
{
	uint32_t n, from, pieces = 0;

	printf(", \"gone\": \"");
	for (n = 0; n < t->end && pieces < 8; n++) {
		for (from = n; n < t->end && !(seen[n / 8] >> n % 8 & 1); n++)
			;
		if (n == from)
			continue;
		printf("%s%u-%u", pieces++ ? ", " : "", from, n - 1);
	}
	printf("\"");
}

/* The sender may not have heard the answer: then it asks again. */
static void take(struct taker *t)
{
	bool is_end = false;
	double quiet = 0;
	unsigned int i, n;

	while (!is_over && (!is_end || now() < quiet)) {
		n = receive(&t->l, 500);
		for (i = 0; i < n; i++) {
			if (!take_one(t, &ring[i]))
				continue;
			is_end = true;
			quiet = now() + 3 * IMPATIENCE / 1e3;
		}
	}
	printf("{\"received\": %u, \"lost\": %d, \"late\": %u, \"twice\": %u, \"wrong\": %u, "
	       "\"first_wrong\": \"%s\"",
	       t->received, is_end ? (int)(t->end - t->received) : -1, t->late, t->twice, t->wrong,
	       t->first_wrong);
	print_lost(t);
	printf("}\n");
}

/* ---- Kinds ----------------------------------------------------------------------------------- */

static void tally(const struct link *l)
{
	static uint32_t count[KINDS][VLANS];
	const char *outer = "", *inner;
	unsigned int i, k, v, n;
	struct head h;

	printf("ready\n");
	fflush(stdout);
	while (!is_over) {
		n = receive(l, 500);
		for (i = 0; i < n; i++)
			if (is_ours(&ring[i], &h) && h.what == SAID && h.number < KINDS)
				count[h.number][ring[i].vlan]++;
	}
	printf("{");
	for (k = 0; k < KINDS; k++) {
		inner = "";
		for (v = 0; v < VLANS; v++) {
			if (!count[k][v])
				continue;
			if (!*inner)
				printf("%s\"%u\": {", outer, k);
			printf("%s\"%u\": %u", inner, v, count[k][v]);
			inner = ", ";
		}
		if (*inner)
			printf("}");
		if (*inner)
			outer = ", ";
	}
	printf("}\n");
}

static void say_kind(const struct link *l, char **argv, const uint8_t *to, uint16_t vlan)
{
	struct head h = {MAGIC, SAID, (uint32_t)atoi(argv[0]), 0};
	unsigned int n = (unsigned int)atoi(argv[1]), k;

	for (; n; n -= k) {
		k = n < BATCH ? n : BATCH;
		send_head(l, to, vlan, &h, k);
	}
	for (; !atoi(argv[1]) && !is_over; usleep(10000))
		send_head(l, to, vlan, &h, 32);
}

static void parse_address(uint8_t out[6], const char *text)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", out, out + 1, out + 2, out + 3, out + 4,
		   out + 5) != 6)
		errx(2, "no address: %s", text);
}

static void parse_sizes(char **argv, uint32_t *low, uint32_t *high)
{
	*low = (uint32_t)atoi(argv[0]);
	*high = (uint32_t)atoi(argv[1]);
	if (*low < 60 || *high < *low || *high > SIZE_MAX_ - 4)
		errx(2, "sizes are 60 to %u", SIZE_MAX_ - 4);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	struct sigaction act = {.sa_handler = on_signal};

	sigaction(SIGTERM, &act, NULL);
	if (!strcmp(verb, "send") && (argc == 7 || argc == 8)) {
		struct sender s = {.count = (uint32_t)atoi(argv[6])};

		/* A device may filter VLANs, too. */
		s.l = open_link(argv[2], TYPE, EVERYTHING);
		parse_address(s.to, argv[3]);
		parse_sizes(argv + 4, &s.low, &s.high);
		s.vlan = argc == 8 ? (uint16_t)atoi(argv[7]) : 0;
		send_numbers(&s);
	} else if (!strcmp(verb, "take") && argc == 5) {
		struct taker t = {.l = open_link(argv[2], TYPE, OWN)};

		parse_sizes(argv + 3, &t.low, &t.high);
		printf("ready\n");
		fflush(stdout);
		take(&t);
	} else if (!strcmp(verb, "say") && (argc == 6 || argc == 7)) {
		struct link l = open_link(argv[2], TYPE, OWN);
		uint8_t to[6];

		parse_address(to, argv[3]);
		say_kind(&l, argv + 4, to, argc == 7 ? (uint16_t)atoi(argv[6]) : 0);
	} else if (!strcmp(verb, "tally") && argc == 3) {
		struct link l = open_link(argv[2], ETH_P_ALL, EVERYTHING);

		tally(&l);
	} else {
		errx(2, "usage: frames send IFACE ADDRESS LOW HIGH COUNT [VLAN] | take IFACE LOW "
			"HIGH | say IFACE ADDRESS KIND COUNT [VLAN] | tally IFACE");
	}
	return 0;
}
