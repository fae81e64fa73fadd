/* SPDX-License-Identifier: BSD-3-Clause */
/* A partition without a hypervisor: the worker's VMBus server over memfds, and the platform on
 * which the guest driver runs. One thread at a time. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "tests/integ/hostile.h"

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void nap_us(unsigned int us)
{
	nanosleep(&(struct timespec){0, us * 1000l}, NULL);
}

/* ---- The server's ops ------------------------------------------------------------------------ */

static int on_post(void *ctx, uint32_t vp, const void *msg, size_t len)
{
	struct part *p = ctx;
	unsigned int at = p->tail % INBOX_MAX;

	if (p->is_deaf || p->tail - p->head == INBOX_MAX)
		return -EAGAIN;
	p->inbox[at].len = (uint32_t)len;
	memcpy(p->inbox[at].data, msg, len);
	p->tail++;
	return 0;
}

static void on_interrupt(void *ctx, uint32_t vp)
{
}

static void on_need_kill(void *ctx, const char *why)
{
	struct part *p = ctx;

	die("the worker of %s wants the switch killed: %s", p->name, why);
}

static void on_event(void *ctx, const char *text)
{
	struct part *p = ctx;

	snprintf(p->event, sizeof(p->event), "%s", text);
}

static const struct vmbus_server_ops server_ops = {.post = on_post,
						   .vp_interrupt = on_interrupt,
						   .need_kill = on_need_kill,
						   .event = on_event};

/* ---- Life ------------------------------------------------------------------------------------- */

static int event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	must(fd >= 0, "eventfd: %s", strerror(errno));
	return fd;
}

void part_init(struct part *p, const char *name, uint32_t nr_pages, unsigned int nr_nics)
{
	void *at;
	int i;

	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->nr_nics = nr_nics;
	p->nr_pages = nr_pages;
	p->state_fd = p->link_fd = -1;
	p->mem_fd = fd_memfd(name, (size_t)nr_pages * PAGE, FD_HUGE_NO, NULL);
	must(p->mem_fd >= 0 && !fd_map(p->mem_fd, 0, (size_t)nr_pages * PAGE, &at), "%s",
	     err_text());
	p->mem = at;
	must(!gmem_add(&p->gm, gpa((uint64_t)RAM_FIRST * PAGE), (uint64_t)nr_pages * PAGE, at),
	     "%s", err_text());
	for (i = 0; i < (int)EVIL_VPS; i++)
		p->sint_fd[i] = event();
	for (i = 1; i < (int)VMBUS_CHANS_MAX; i++)
		p->bell_fd[i] = event();
}

static bool nobody_else(void *ctx)
{
	return true;
}

static void fresh_state(struct part *p)
{
	void *at;
	uint32_t i;

	p->state_fd = fd_memfd("state", sizeof(struct vmbus_state), FD_HUGE_NO, NULL);
	must(p->state_fd >= 0 && !fd_map(p->state_fd, 0, sizeof(struct vmbus_state), &at), "%s",
	     err_text());
	p->state = at;
	vmbus_state_init(p->state, EVIL_VPS);
	for (i = 0; i < EVIL_VPS; i++) /* the last pages hold the event flags */
		vmbus_state_set_siefp(p->state, &p->gm, i,
				      ((uint64_t)RAM_FIRST + p->nr_pages - 1 - i) * PAGE | 1,
				      nobody_else, NULL);
}

static bool is_offered(struct part *p)
{
	struct vmbus_server_chan_status ch;
	unsigned int n = 0;
	uint32_t relid = 0;

	for (; vmbus_server_chan_next(p->server, relid, &ch); relid = ch.relid)
		n += ch.has_switch && ch.sub_index == 0;
	return n == p->nr_nics;
}

void part_boot(struct part *p)
{
	struct vmbus_server_cfg cfg = {.name = p->name,
				       .nr_vps = EVIL_VPS,
				       .gm = &p->gm,
				       .nr_regions = 1,
				       .ack_timeout_ms = PATIENCE_MS};
	uint64_t until = now_ms() + PATIENCE_MS;
	int fd = switch_connect();

	fresh_state(p);
	cfg.region[0] = (struct vmbus_server_region){(uint64_t)RAM_FIRST * PAGE,
						     (uint64_t)p->nr_pages * PAGE, p->mem_fd, 0};
	memcpy(cfg.sint_fd, p->sint_fd, sizeof(p->sint_fd));
	memcpy(cfg.doorbell_fd, p->bell_fd, sizeof(p->bell_fd));
	cfg.state_fd = p->state_fd;
	cfg.state = p->state;
	p->head = p->tail = 0;
	p->next_page = 16;
	p->is_deaf = false;
	p->event[0] = 0;
	p->link_fd = dup(fd);
	must(!vmbus_server_create(&p->server, &cfg, &server_ops, p), "%s", err_text());
	must(!vmbus_server_link_up(p->server, fd), "%s", err_text());
	while (!is_offered(p)) {
		must(now_ms() < until, "%s: its adapters are not offered (%s)", p->name, p->event);
		if (!part_pump(p))
			nap_us(50);
	}
}

void part_kill(struct part *p)
{
	struct pollfd pfd = {.fd = p->link_fd, .events = POLLIN};
	char buf[512];
	ssize_t n;

	vmbus_server_destroy(p->server);
	p->server = NULL;
	shutdown(p->link_fd, SHUT_WR);
	do { /* it closes its end when nothing of ours is touched any more */
		must(poll(&pfd, 1, PATIENCE_MS) == 1, "%s: the switch does not let go", p->name);
		n = recv(p->link_fd, buf, sizeof(buf), MSG_DONTWAIT);
	} while (n > 0);
	fd_close(&p->link_fd);
	munmap(p->state, sizeof(struct vmbus_state));
	fd_close(&p->state_fd);
	p->state = NULL;
}

bool part_pump(struct part *p)
{
	struct pollfd pfd = {.fd = vmbus_server_fd(p->server), .events = POLLIN};

	if (poll(&pfd, 1, 0) != 1)
		return false;
	vmbus_server_process(p->server);
	return true;
}

uint32_t part_message(struct part *p, void *buf)
{
	uint32_t len;

	part_pump(p);
	if (p->head == p->tail)
		return 0;
	len = p->inbox[p->head % INBOX_MAX].len;
	memcpy(buf, p->inbox[p->head % INBOX_MAX].data, len);
	if (p->tail - p->head++ == INBOX_MAX)
		vmbus_server_wake(p->server);
	return len;
}

/* ---- The guest driver's platform --------------------------------------------------------------- */

void *part_alloc(struct part *p, uint32_t nr_pages)
{
	uint8_t *at = p->mem + (size_t)p->next_page * PAGE;

	if (nr_pages > p->nr_pages - EVIL_VPS - p->next_page)
		return NULL;
	p->next_page += nr_pages;
	memset(at, 0, (size_t)nr_pages * PAGE);
	return at;
}

uint64_t part_pfn(const struct part *p, const void *at)
{
	return RAM_FIRST + (uint64_t)((const uint8_t *)at - p->mem) / PAGE;
}

static int host_post(void *ctx, uint32_t conn_id, const void *payload, uint32_t len)
{
	struct part *p = ctx;
	int rc = vmbus_server_post(p->server, 0, conn_id, VMBUS_MSG_TYPE_CHANNEL, payload, len);

	if (rc == VMBUS_POST_NO_BUFFERS)
		return NVSC_E_AGAIN;
	return rc ? NVSC_E_IO : 0;
}

static int host_next_message(void *ctx, void *buf)
{
	return (int)part_message(ctx, buf);
}

static void host_signal(void *ctx, uint32_t conn_id)
{
	struct part *p = ctx;

	fd_kick(p->bell_fd[conn_id % VMBUS_CHANS_MAX]);
}

static void *host_alloc(void *ctx, uint32_t nr_pages)
{
	return part_alloc(ctx, nr_pages);
}

static uint64_t host_gpa(void *ctx, const void *ptr)
{
	const struct part *p = ctx;

	return (uint64_t)RAM_FIRST * PAGE + (uint64_t)((const uint8_t *)ptr - p->mem);
}

static void host_relax(void *ctx)
{
	if (!part_pump(ctx))
		nap_us(30);
}

static uint64_t host_now(void *ctx)
{
	return now_ms() * 10000;
}

static const struct nvsc_transport_ops host_ops = {.post = host_post,
						   .next_message = host_next_message,
						   .signal = host_signal,
						   .alloc = host_alloc,
						   .gpa = host_gpa,
						   .relax = host_relax,
						   .now = host_now};

struct nvsc_transport part_transport(struct part *p)
{
	return (struct nvsc_transport){&host_ops, p};
}
