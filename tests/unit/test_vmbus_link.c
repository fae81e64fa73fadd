/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker-switch protocol: wire form, strictness, fds, and a peer that does not read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmbus/link.h"

static uint8_t buf[VMBUS_LINK_MSG_MAX];
static uint64_t pfns[VMBUS_GPADL_PAGES_MAX];

static struct vmbus_link_msg hello(void)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_HELLO, .id = 1};

	strcpy(m.hello.name, "web");
	m.hello.nr_vps = 2;
	m.hello.nr_regions = 1;
	m.hello.region[0].len = 1 << 20;
	return m;
}

static struct vmbus_link_msg gpadl(uint32_t pages)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_GPADL_ADD, .id = 9};

	m.gpadl_add = (struct vmbus_link_gpadl_add){.relid = 3,
						    .handle = 4,
						    .byte_count = pages * 4096,
						    .nr_pages = pages,
						    .pfns = pfns};
	return m;
}

static int pass(struct vmbus_link_msg m, struct vmbus_link_msg *out)
{
	int len = vmbus_link_encode(&m, buf, sizeof(buf));

	return len < 0 ? len : vmbus_link_decode(buf, (size_t)len, out);
}

Test(vmbus_link, each_message_arrives_as_it_was_sent)
{
	struct vmbus_link_msg in = hello(), out;

	cr_assert_eq(pass(in, &out), 0);
	cr_assert_arr_eq((uint8_t *)&out.hello, (uint8_t *)&in.hello, sizeof(in.hello));
	in = (struct vmbus_link_msg){.type = VMBUS_LINK_OPEN, .id = 7};
	in.open = (struct vmbus_link_open){1, 2, 3, 4, 1, 127, 1ull << 40};
	cr_assert_eq(pass(in, &out), 0);
	cr_assert_arr_eq((uint8_t *)&out.open, (uint8_t *)&in.open, sizeof(in.open));
	in = (struct vmbus_link_msg){.type = VMBUS_LINK_ACK, .id = 7};
	in.ack.status = -EBUSY;
	in.ack.relid = 5;
	strcpy(in.ack.text, "why");
	cr_assert_eq(pass(in, &out), 0);
	cr_assert_eq(out.ack.status, -EBUSY);
	cr_assert_str_eq(out.ack.text, "why");
}

Test(vmbus_link, what_is_said_of_vfs_arrives_as_it_was_sent)
{
	struct vmbus_link_msg in = {.type = VMBUS_LINK_VF, .id = 3, .vf = {5, 77, 1}}, out;

	cr_assert_eq(pass(in, &out), 0);
	cr_assert_eq(out.vf.relid, 5);
	cr_assert_eq(out.vf.serial, 77);
	cr_assert_eq(out.vf.is_allocated, 1);
	in = (struct vmbus_link_msg){.type = VMBUS_LINK_PATH, .id = 4, .path = {6, 1}};
	cr_assert_eq(pass(in, &out), 0);
	cr_assert_eq(out.path.relid, 6);
	cr_assert_eq(out.path.is_vf, 1);
	in = (struct vmbus_link_msg){.type = VMBUS_LINK_VF_REMOVE, .id = 5, .error = {7, "policy"}};
	cr_assert_eq(pass(in, &out), 0);
	cr_assert_eq(out.error.relid, 7);
	cr_assert_str_eq(out.error.text, "policy");
}

Test(vmbus_link, the_largest_page_list_arrives)
{
	struct vmbus_link_msg out;
	uint32_t i;

	for (i = 0; i < VMBUS_GPADL_PAGES_MAX; i++)
		pfns[i] = i * 3;
	cr_assert_eq(pass(gpadl(VMBUS_GPADL_PAGES_MAX), &out), 0);
	for (i = 0; i < VMBUS_GPADL_PAGES_MAX; i++)
		cr_assert_eq(vmbus_link_pfn(&out.gpadl_add, i), i * 3);
}

Test(vmbus_link, a_message_cut_or_padded_anywhere_is_refused)
{
	struct vmbus_link_msg all[] = {hello(),
				       gpadl(3),
				       {.type = VMBUS_LINK_PING, .id = 1},
				       {.type = VMBUS_LINK_OFFER, .id = 1},
				       {.type = VMBUS_LINK_VF, .id = 1},
				       {.type = VMBUS_LINK_PATH, .id = 1},
				       {.type = VMBUS_LINK_VF_REMOVE, .id = 1}};
	struct vmbus_link_msg out;
	size_t i;
	int n, len;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		len = vmbus_link_encode(&all[i], buf, sizeof(buf));
		cr_assert_gt(len, 0);
		for (n = 0; n < len; n++)
			cr_assert_eq(vmbus_link_decode(buf, (size_t)n, &out), -EPROTO);
		cr_assert_eq(vmbus_link_decode(buf, (size_t)len, &out), 0);
		cr_assert_eq(vmbus_link_decode(buf, (size_t)len + 1, &out), -EPROTO);
	}
}

Test(vmbus_link, what_breaks_a_rule_is_neither_sent_nor_taken)
{
	struct vmbus_link_msg m = hello(), out;

	m.hello.nr_vps = 0;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m.hello.nr_vps = VMBUS_VPS_MAX + 1;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = hello();
	m.hello.nr_regions = GMEM_REGIONS_MAX + 1;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = hello();
	m.hello.region[0].len = 100;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = hello();
	m.hello.name[1] = '\n';
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = hello();
	memset(m.hello.name, 'x', sizeof(m.hello.name));
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = gpadl(3);
	m.gpadl_add.byte_count = 2 * 4096;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m.gpadl_add.byte_offset = 4096;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = (struct vmbus_link_msg){.type = VMBUS_LINK_OPEN, .id = 1};
	m.open.monitor_id = 1;
	cr_assert_eq(pass(m, &out), -EINVAL, "a monitor without its page");
	m.open.monitor_page = 4096;
	cr_assert_eq(pass(m, &out), 0);
	m.open.monitor_page = 4097;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m.open.monitor_page = 4096;
	m.open.monitor_id = 128;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = (struct vmbus_link_msg){.type = VMBUS_LINK_OFFER, .id = 1};
	m.offer.wants_monitor = 2;
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = (struct vmbus_link_msg){.type = VMBUS_LINK_VF, .id = 1, .vf = {1, 1, 2}};
	cr_assert_eq(pass(m, &out), -EINVAL);
	m.vf.serial = 0;
	m.vf.is_allocated = 1;
	cr_assert_eq(pass(m, &out), -EINVAL, "a VF without a number");
	m.vf.is_allocated = 0;
	cr_assert_eq(pass(m, &out), 0);
	m = (struct vmbus_link_msg){.type = VMBUS_LINK_PATH, .id = 1, .path = {1, 2}};
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = (struct vmbus_link_msg){.type = VMBUS_LINK_VF_REMOVE, .id = 1, .error = {1, "a\tb"}};
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = (struct vmbus_link_msg){.type = 99, .id = 1};
	cr_assert_eq(pass(m, &out), -EINVAL);
	m = (struct vmbus_link_msg){.type = VMBUS_LINK_PING};
	cr_assert_eq(pass(m, &out), -EINVAL, "a message without an id");
}

Test(vmbus_link, another_version_is_refused)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_PING, .id = 1}, out;
	int len = vmbus_link_encode(&m, buf, sizeof(buf));

	buf[4]++;
	cr_assert_eq(vmbus_link_decode(buf, (size_t)len, &out), -EPROTO);
}

static void pair(struct vmbus_link *a, struct vmbus_link *b)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	cr_assert_eq(vmbus_link_init(a, sv[0]), 0);
	cr_assert_eq(vmbus_link_init(b, sv[1]), 0);
}

static unsigned int open_fds(void)
{
	unsigned int n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(vmbus_link, hello_carries_its_fds_with_cloexec)
{
	int fds[VMBUS_LINK_FDS_MAX], got[VMBUS_LINK_FDS_MAX];
	struct vmbus_link_msg m = hello(), out;
	struct vmbus_link a, b;
	uint32_t i, n = vmbus_link_nr_fds(&m);

	pair(&a, &b);
	cr_assert_eq(n, 1 + 2 + 63 + 1);
	for (i = 0; i < n; i++)
		fds[i] = eventfd(i, EFD_NONBLOCK);
	cr_assert_eq(vmbus_link_send(&a, &m, fds, n), 0);
	cr_assert_eq(vmbus_link_recv(&b, &out, got), 1);
	for (i = 0; i < n; i++) {
		uint64_t v = 0;

		cr_assert(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
		cr_assert(i == 0 || read(got[i], &v, 8) == 8);
		cr_assert_eq(v, i, "in order");
	}
	vmbus_link_fini(&a);
	vmbus_link_fini(&b);
}

/* Sends raw bytes with @nr fds. */
static void send_raw(int fd, const void *data, size_t len, uint32_t nr)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} ctl = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[8] = {0}, dup_of = 0;
	struct cmsghdr *cm;
	uint32_t i;

	if (nr) {
		mh.msg_control = ctl.room;
		mh.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nr * sizeof(int));
		for (i = 0; i < nr; i++)
			fds[i] = dup_of;
		memcpy(CMSG_DATA(cm), fds, nr * sizeof(int));
	}
	cr_assert_eq(sendmsg(fd, &mh, 0), (ssize_t)len);
}

Test(vmbus_link, fds_that_nobody_asked_for_are_closed)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_PING, .id = 1}, out;
	int got[VMBUS_LINK_FDS_MAX], len;
	struct vmbus_link a, b;
	unsigned int before;

	pair(&a, &b);
	len = vmbus_link_encode(&m, buf, sizeof(buf));
	before = open_fds();
	send_raw(a.fd, buf, (size_t)len, 5);
	cr_assert_eq(vmbus_link_recv(&b, &out, got), -EPROTO);
	cr_assert_eq(open_fds(), before);
	send_raw(a.fd, "rubbish", 7, 3);
	cr_assert_eq(vmbus_link_recv(&b, &out, got), -EPROTO);
	cr_assert_eq(open_fds(), before);
	vmbus_link_fini(&a);
	vmbus_link_fini(&b);
}

Test(vmbus_link, a_message_longer_than_any_is_refused)
{
	static uint8_t big[VMBUS_LINK_MSG_MAX + 8];
	int got[VMBUS_LINK_FDS_MAX];
	struct vmbus_link_msg out;
	struct vmbus_link a, b;

	pair(&a, &b);
	send_raw(a.fd, big, sizeof(big), 1);
	cr_assert_eq(vmbus_link_recv(&b, &out, got), -EPROTO);
	vmbus_link_fini(&a);
	vmbus_link_fini(&b);
}

Test(vmbus_link, what_was_sent_before_the_close_still_arrives)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_PING}, out;
	int got[VMBUS_LINK_FDS_MAX];
	struct vmbus_link a, b;

	pair(&a, &b);
	cr_assert_eq(vmbus_link_recv(&b, &out, got), 0, "nothing yet");
	cr_assert_eq(vmbus_link_send(&a, &m, NULL, 0), 0);
	m.id = 0;
	cr_assert_eq(vmbus_link_send(&b, &m, NULL, 0), 0, "left unread by the one that closes");
	vmbus_link_fini(&a);
	cr_assert_eq(vmbus_link_recv(&b, &out, got), 1);
	cr_assert_eq(out.type, VMBUS_LINK_PING);
	cr_assert_eq(vmbus_link_recv(&b, &out, got), -EPIPE);
	m.id = 0;
	cr_assert_eq(vmbus_link_send(&b, &m, NULL, 0), -EPIPE);
	vmbus_link_fini(&b);
}

Test(vmbus_link, a_peer_that_does_not_read_costs_bounded_memory)
{
	struct vmbus_link_msg m, out;
	int got[VMBUS_LINK_FDS_MAX], rc = 0;
	struct vmbus_link a, b;
	uint32_t sent = 0, seen = 0;

	pair(&a, &b);
	while (!rc) {
		m = gpadl(VMBUS_GPADL_PAGES_MAX);
		m.id = 0;
		rc = vmbus_link_send(&a, &m, NULL, 0);
		sent += rc == 0;
	}
	cr_assert_eq(rc, -ENOBUFS);
	cr_assert_lt(a.bytes_queued, 17u << 20);
	while (seen < sent) {
		cr_assert_eq(vmbus_link_flush(&a), 0);
		while (vmbus_link_recv(&b, &out, got) == 1)
			cr_assert_eq(out.id, ++seen, "in order");
	}
	cr_assert_eq(a.nr_queued, 0);
	vmbus_link_fini(&a);
	vmbus_link_fini(&b);
}

Test(vmbus_link, queued_fds_are_kept_until_sent)
{
	int fds[VMBUS_LINK_FDS_MAX], got[VMBUS_LINK_FDS_MAX], i, n;
	struct vmbus_link_msg m = hello(), out;
	struct vmbus_link a, b;
	uint64_t v;

	pair(&a, &b);
	n = (int)vmbus_link_nr_fds(&m);
	while (a.nr_queued == 0) {
		struct vmbus_link_msg g = gpadl(VMBUS_GPADL_PAGES_MAX);

		cr_assert_eq(vmbus_link_send(&a, &g, NULL, 0), 0);
	}
	for (i = 0; i < n; i++)
		fds[i] = eventfd(7, EFD_NONBLOCK);
	cr_assert_eq(vmbus_link_send(&a, &m, fds, (uint32_t)n), 0);
	for (i = 0; i < n; i++)
		close(fds[i]);
	do {
		vmbus_link_flush(&a);
		cr_assert_eq(vmbus_link_recv(&b, &out, got), 1);
	} while (out.type != VMBUS_LINK_HELLO);
	cr_assert_eq(read(got[0], &v, 8), 8);
	cr_assert_eq(v, 7);
	vmbus_link_fini(&a);
	vmbus_link_fini(&b);
}

Test(vmbus_link, texts_are_made_printable)
{
	char t[VMBUS_LINK_TEXT_MAX], longer[400];

	vmbus_link_text(t, "a\tb\x7f");
	cr_assert_str_eq(t, "a?b?");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[399] = 0;
	vmbus_link_text(t, longer);
	cr_assert_eq(strlen(t), VMBUS_LINK_TEXT_MAX - 1);
	vmbus_link_text(t, NULL);
	cr_assert_str_eq(t, "");
}
