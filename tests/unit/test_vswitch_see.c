/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures: what is taken at which station, what the file says, what becomes of what cannot be written. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/support/pcapread.h"
#include "tests/support/scratch.h"
#include "tests/support/seebed.h"

static const struct seebed_form plain = {.tci = -1}, tagged = {.tci = 0x200A};
static const struct seebed_form scattered = {.hdr_len = 64, .piece = 53, .tci = -1};

static struct seebed *b;
static struct pcapread in;
static uint8_t file_bytes[8 << 20];
static char path[SCRATCH_PATH];

static void setup(void)
{
	b = seebed_new(2, 0);
	scratch_name(path, "see");
}

static void teardown(void)
{
	seebed_free(b);
	unlink(path);
}

TestSuite(vsw_see, .init = setup, .fini = teardown);

/* A UDP frame 10.0.0.1:1000 > 10.0.0.2:@dport. */
static const uint8_t *udp(uint16_t dport, uint32_t len)
{
	static uint8_t f[SEEBED_FRAME];
	uint32_t i;

	for (i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 7);
	memcpy(f, "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0\x45\0", 16);
	f[20] = f[21] = 0;
	f[23] = 17;
	memcpy(f + 26, "\x0a\0\0\1\x0a\0\0\2\x03\xe8", 10);
	f[36] = (uint8_t)(dport >> 8);
	f[37] = (uint8_t)dport;
	return f;
}

static int open_file(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	return fd;
}

static uint32_t capture(struct vsw_see_capture_cfg cfg)
{
	uint32_t id = 0;

	if (!cfg.fd)
		cfg.fd = open_file();
	cr_assert_eq(vsw_see_capture_add(b->see, &cfg, &id), 0, "%s", err_text());
	return id;
}

static void read_file(void)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, file_bytes, sizeof(file_bytes));

	close(fd);
	cr_assert_gt(n, 0);
	cr_assert(pcapread(&in, file_bytes, (size_t)n), "%s", in.fault);
}

static struct vsw_see_capture_status end(uint32_t id)
{
	struct vsw_see_capture_status st;

	cr_assert_eq(vsw_see_capture_remove(b->see, id, &st), 0, "%s", err_text());
	read_file();
	return st;
}

Test(vsw_see, has_no_tap_when_there_is_nothing_to_see)
{
	uint32_t id;

	cr_assert_null(b->tap);
	id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in});
	cr_assert_not_null(b->tap);
	cr_assert(vsw_tap_wants_packets(b->tap));
	cr_assert(vsw_see_is_busy(b->see));
	end(id);
	cr_assert_null(b->tap);
	cr_assert_not(vsw_see_is_busy(b->see));
	cr_assert_not(vsw_tap_wants_packets(NULL));
}

Test(vsw_see, captures_what_matches_at_its_station_only)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_filter_in,
							   .filter = "udp port 53"});

	seebed_put(b, udp(53, 200), 200, plain);
	seebed_put(b, udp(54, 200), 200, plain);
	seebed_put(b, udp(53, 1400), 1400, scattered);
	seebed_at(b, VSW_AT_in);
	seebed_at(b, VSW_AT_filter_in);
	seebed_at(b, VSW_AT_policy_in);
	cr_assert_eq(end(id).packets, 2);
	cr_assert_eq(in.nr_packets, 2);
	cr_assert_eq(in.packet[0].len, 200);
	cr_assert_eq(in.packet[1].cap, 1400);
	cr_assert_arr_eq(in.packet[1].bytes, udp(53, 1400), 1400);
	cr_assert_str_eq(in.packet[0].comment, "at filter_in src p0 vlan 0");
	cr_assert_str_eq(in.iface[0].name, "p0");
	cr_assert_eq(in.packet[0].flags, 1);
	cr_assert_leq(llabs((long long)(in.packet[0].ns / 1000000000) - time(NULL)), 60);
}

Test(vsw_see, puts_the_tag_back_into_the_frame)
{
	uint8_t want[204];
	uint32_t id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in,
							   .filter = "vlan 10 and udp port 53"});

	memcpy(want, udp(53, 200), 12);
	memcpy(want + 12, "\x81\0\x20\x0a", 4);
	memcpy(want + 16, udp(53, 200) + 12, 188);
	seebed_put(b, udp(53, 200), 200, tagged);
	seebed_put(b, udp(53, 200), 200, plain);
	seebed_at(b, VSW_AT_in);
	end(id);
	cr_assert_eq(in.nr_packets, 1);
	cr_assert_eq(in.packet[0].len, 204);
	cr_assert_arr_eq(in.packet[0].bytes, want, 204);
	cr_assert_str_eq(in.packet[0].comment, "at in src p0 vlan 10");
}

Test(vsw_see, tells_the_forwarding_context)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_forward});
	struct vsw_slot *s = seebed_put(b, udp(53, 300), 300, plain);

	s->pkt.mark = 0x5a;
	s->pkt.vlan = 10;
	s->pkt.src_nic = 2;
	s->pkt.flags |= NETHV_PKT_LSO | NETHV_PKT_CSUM | NETHV_PKT_CLONE;
	s->pkt.lso_mss = 1448;
	seebed_to(b, s, 1, 0);
	seebed_to(b, s, 2, NETHV_DST_EXCLUDED);
	seebed_to(b, s, 3, NETHV_DST_MIRROR);
	seebed_at(b, VSW_AT_forward);
	end(id);
	cr_assert_str_eq(in.packet[0].comment, "at forward src p0.2 vlan 10 dst p1,p2(excluded),"
					       "p3(mirror) mark 0x5a lso 1448 clone");
}

Test(vsw_see, names_no_more_destinations_than_people_read)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_forward});
	struct vsw_slot *s = seebed_put(b, udp(53, 300), 300, plain);
	uint16_t i;

	for (i = 0; i < 100; i++)
		seebed_to(b, s, i, 0);
	seebed_at(b, VSW_AT_forward);
	end(id);
	cr_assert(strstr(in.packet[0].comment, "p15,+84 more"), "%s", in.packet[0].comment);
}

Test(vsw_see, writes_a_delivered_packet_for_each_port_that_got_it)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_out});
	struct vsw_slot *s = seebed_put(b, udp(53, 300), 300, plain);

	seebed_to(b, s, 4, 0);
	seebed_to(b, s, 5, NETHV_DST_EXCLUDED);
	seebed_to(b, s, 6, 0);
	seebed_at(b, VSW_AT_out);
	cr_assert_eq(end(id).packets, 2);
	cr_assert_eq(in.nr_packets, 2);
	cr_assert_str_eq(in.iface[in.packet[0].iface].name, "p4");
	cr_assert_str_eq(in.iface[in.packet[1].iface].name, "p6");
	cr_assert_eq(in.packet[1].flags, 2);
	cr_assert_eq(in.iface[1].received, 1);
}

Test(vsw_see, keeps_to_its_ports)
{
	uint32_t id =
		capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in | 1 << VSW_AT_out,
						     .is_for_ports = true,
						     .ports = {1 << 4}});
	struct vsw_slot *s = seebed_put(b, udp(1, 300), 300, plain);

	seebed_to(b, s, 3, 0);
	seebed_to(b, s, 4, 0);
	s = seebed_put(b, udp(2, 300), 300, plain);
	s->pkt.src_port = 4;
	seebed_to(b, s, 6, 0);
	s = seebed_put(b, udp(3, 300), 300, plain);
	seebed_to(b, s, 4, NETHV_DST_EXCLUDED);
	s = seebed_put(b, udp(4, 300), 300, plain);
	s->pkt.src_port = NETHV_PORT_DEFAULT;
	seebed_to(b, s, 3, 0);
	seebed_at(b, VSW_AT_in);
	seebed_at(b, VSW_AT_out);
	end(id);
	cr_assert_eq(in.nr_packets, 3); /* in: from 4; out: to 4, and from 4 to 6 */
	cr_assert_eq(in.packet[0].bytes[37], 2);
	cr_assert_eq(in.packet[1].bytes[37], 1);
	cr_assert_str_eq(in.iface[in.packet[1].iface].name, "p4");
	cr_assert_str_eq(in.iface[in.packet[2].iface].name, "p6");
}

Test(vsw_see, cuts_at_the_snap_length)
{
	uint32_t id =
		capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in, .snaplen = 96});

	seebed_put(b, udp(53, 9000), 9000, scattered);
	seebed_at(b, VSW_AT_in);
	end(id);
	cr_assert_eq(in.packet[0].cap, 96);
	cr_assert_eq(in.packet[0].len, 9000);
	cr_assert_arr_eq(in.packet[0].bytes, udp(53, 9000), 96);
}

Test(vsw_see, takes_the_longest_frame_whole)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){
		.stations = 1 << VSW_AT_in, .filter = "ether[65552] = 0x70 or len > 65556"});

	seebed_put(b, udp(53, VSW_LSO_MAX), VSW_LSO_MAX, tagged);
	seebed_at(b, VSW_AT_in);
	end(id);
	cr_assert_eq(in.nr_packets, 1);
	cr_assert_eq(in.packet[0].cap, VSW_LSO_MAX + 4);
	cr_assert_arr_eq(in.packet[0].bytes + 16, udp(53, VSW_LSO_MAX) + 12, VSW_LSO_MAX - 12);
}

Test(vsw_see, tells_why_a_packet_was_dropped)
{
	uint32_t all, id;

	cr_assert_eq(vsw_see_stations(&all, "drop"), 0);
	id = capture((struct vsw_see_capture_cfg){.stations = all});
	seebed_put(b, udp(53, 300), 300, plain);
	seebed_at(b, VSW_AT_drop); /* no-one's business: vsw_tap_drop() is the station */
	seebed_drop(b, 0, (struct vsw_tap_drop){.port = 3, .reason = VSW_DROP_rx_no_buffer});
	seebed_drop(b, 0,
		    (struct vsw_tap_drop){.port = VSW_PORT_NONE,
					  .reason = VSW_DROP_filtered,
					  .ext = "acl",
					  .ext_reason = "rule: a rule denies it"});
	end(id);
	cr_assert_eq(in.nr_packets, 2);
	cr_assert_str_eq(in.packet[0].comment, "at drop src p0 vlan 0 towards p3 drop rx_no_buffer "
					       "(destination has no free receive section)");
	cr_assert_str_eq(in.packet[1].comment,
			 "at drop src p0 vlan 0 drop filtered (an extension dropped it) by acl: "
			 "rule: a rule denies it");
}

Test(vsw_see, reads_no_bytes_of_a_packet_that_has_none)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_drop});
	struct vsw_slot *s = seebed_put(b, udp(53, 300), 300, plain);

	s->pkt.hdr_len = 0;
	s->data = NULL;
	s->pkt.len = 12000;
	seebed_drop(b, 0, (struct vsw_tap_drop){.port = VSW_PORT_NONE, .reason = VSW_DROP_too_big});
	end(id);
	cr_assert_eq(in.nr_packets, 1);
	cr_assert_eq(in.packet[0].cap, 0);
	cr_assert_eq(in.packet[0].len, 12000);
}

Test(vsw_see, ends_by_itself_when_it_has_enough)
{
	struct vsw_see_capture_status st;
	uint32_t id =
		capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in, .max_packets = 3});
	unsigned int i;

	for (i = 0; i < 5; i++)
		seebed_put(b, udp(53, 300), 300, plain);
	seebed_at(b, VSW_AT_in);
	vsw_see_poll(b->see);
	cr_assert_null(b->tap);
	cr_assert_not(vsw_see_is_busy(b->see));
	cr_assert_eq(vsw_see_capture_status(b->see, id, &st), 0);
	cr_assert_eq(st.state, VSW_SEE_DONE);
	read_file();
	cr_assert_eq(in.nr_packets, 3);
	cr_assert(in.iface[0].has_stats);
	cr_assert_eq(end(id).packets, 3);
}

/* A packet that was lost does not count as one of those that were asked for. */
Test(vsw_see, takes_as_many_as_it_should_in_spite_of_losses)
{
	struct vsw_see_capture_status st;
	uint32_t id = capture(
		(struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in, .max_packets = 200});
	unsigned int i;

	for (i = 0; i < VSW_VEC_SIZE; i++)
		seebed_put(b, udp(53, 9000), 9000, plain);
	for (i = 0; i < 4; i++)
		seebed_at(b, VSW_AT_in);
	vsw_see_poll(b->see);
	cr_assert_eq(vsw_see_capture_status(b->see, id, &st), 0);
	cr_assert_eq(st.state, VSW_SEE_RUNNING);
	cr_assert_gt(st.lost, 0);
	for (i = 0; i < 2; i++)
		seebed_at(b, VSW_AT_in);
	st = end(id);
	cr_assert_eq(st.packets, 200);
	cr_assert_eq(in.nr_packets, 200);
}

Test(vsw_see, ends_when_the_file_is_large_enough)
{
	struct vsw_see_capture_status st;
	uint32_t id = capture(
		(struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in, .max_bytes = 10000});
	unsigned int i;

	for (i = 0; i < 60; i++)
		seebed_put(b, udp(53, 1000), 1000, plain);
	seebed_at(b, VSW_AT_in);
	vsw_see_poll(b->see);
	cr_assert_eq(vsw_see_capture_status(b->see, id, &st), 0);
	cr_assert_eq(st.state, VSW_SEE_DONE);
	cr_assert_geq(st.bytes, 10000);
	cr_assert_lt(st.bytes, 12000);
}

Test(vsw_see, counts_what_a_full_ring_loses_and_says_so_in_the_file)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in});
	struct vsw_see_capture_status st;
	unsigned int i;

	for (i = 0; i < VSW_VEC_SIZE; i++)
		seebed_put(b, udp(53, 9000), 9000, plain);
	for (i = 0; i < 4; i++)
		seebed_at(b, VSW_AT_in);
	st = end(id);
	cr_assert_gt(st.lost, 0);
	cr_assert_eq(st.packets + st.lost, 4 * VSW_VEC_SIZE);
	cr_assert_eq(in.nr_packets, st.packets);
	cr_assert_eq(in.iface[0].dropped, st.lost);
	cr_assert_arr_eq(in.packet[st.packets - 1].bytes, udp(53, 9000), 9000);
}

Test(vsw_see, serves_several_captures_at_once)
{
	struct vsw_see_capture_cfg all = {.stations = 1 << VSW_AT_in};
	uint32_t whole, cut;
	json_t *j;

	all.fd = open("/dev/null", O_WRONLY);
	whole = capture(all);
	cut = capture((struct vsw_see_capture_cfg){
		.stations = 1 << VSW_AT_in, .snaplen = 64, .filter = "udp port 7"});
	seebed_put(b, udp(7, 300), 300, plain);
	seebed_put(b, udp(8, 300), 300, plain);
	seebed_at(b, VSW_AT_in);
	vsw_see_poll(b->see);
	j = vsw_see_captures_json(b->see);
	cr_assert_eq(json_array_size(j), 2);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(j, 0), "packets")), 2);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(j, 1), "packets")), 1);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(j, 1), "filter")),
			 "udp port 7");
	json_decref(j);
	cr_assert_eq(vsw_see_capture_remove(b->see, whole, NULL), 0);
	seebed_at(b, VSW_AT_in);
	cr_assert_eq(end(cut).packets, 2);
}

Test(vsw_see, keeps_the_order_of_time_over_lcores)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in});
	unsigned int i;

	for (i = 0; i < 10; i++) {
		seebed_clear(b);
		b->v.lcore = i % 3 % 2;
		seebed_put(b, udp((uint16_t)i, 300), 300, plain);
		seebed_at(b, VSW_AT_in);
	}
	end(id);
	cr_assert_eq(in.nr_packets, 10);
	for (i = 0; i < 10; i++)
		cr_assert_eq(in.packet[i].bytes[37], i);
}

Test(vsw_see, does_not_wait_for_a_reader_that_does_not_read)
{
	uint32_t id;
	struct vsw_see_capture_status st;
	unsigned int i, round;
	int sk[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sk), 0);
	id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in, .fd = sk[0]});
	for (i = 0; i < 40; i++)
		seebed_put(b, udp(53, 9000), 9000, plain);
	for (round = 0; round < 10; round++) {
		seebed_at(b, VSW_AT_in);
		vsw_see_poll(b->see);
	}
	cr_assert_eq(vsw_see_capture_remove(b->see, id, &st), 0);
	cr_assert_eq(st.state, VSW_SEE_FAILED);
	cr_assert(strstr(st.text, "does not read"), "%s", st.text);
	cr_assert_eq(st.packets + st.lost, 400);
	cr_assert_gt(st.lost, 200);
	close(sk[1]);
}

static ssize_t nr_read;

static void *late_reader(void *arg)
{
	ssize_t n;

	nr_read = 0;
	while ((n = read(*(int *)arg, file_bytes + nr_read, 65536)) > 0)
		nr_read += n;
	return NULL;
}

/* However many packets found no room, the end of the file does. */
Test(vsw_see, keeps_room_for_the_end_of_the_file)
{
	struct vsw_see_capture_status st;
	pthread_t reader;
	unsigned int i, round;
	uint32_t id;
	int sk[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sk), 0);
	id = capture((struct vsw_see_capture_cfg){
		.stations = 1 << VSW_AT_in, .snaplen = 1, .fd = sk[0]});
	for (round = 0; round < 300; round++) {
		seebed_clear(b);
		for (i = 0; i < VSW_VEC_SIZE; i++)
			seebed_put(b, udp(53, 100), 100, plain)->pkt.src_port = (uint16_t)i;
		seebed_at(b, VSW_AT_in);
		vsw_see_poll(b->see);
	}
	cr_assert_eq(vsw_see_capture_status(b->see, id, &st), 0);
	cr_assert_gt(st.lost, 0);
	cr_assert_eq(pthread_create(&reader, NULL, late_reader, &sk[1]), 0);
	cr_assert_eq(vsw_see_capture_remove(b->see, id, &st), 0);
	pthread_join(reader, NULL);
	close(sk[1]);
	cr_assert_eq(st.state, VSW_SEE_DONE, "%s", st.text);
	cr_assert_eq(st.packets + st.lost, 300 * VSW_VEC_SIZE);
	cr_assert(pcapread(&in, file_bytes, (size_t)nr_read), "%s", in.fault);
	cr_assert_eq(in.nr_packets, st.packets);
	cr_assert_eq(in.nr_ifaces, VSW_VEC_SIZE);
	for (i = 0; i < in.nr_ifaces; i++)
		cr_assert(in.iface[i].has_stats, "%u", i);
	cr_assert_eq(in.iface[0].dropped, st.lost);
}

/* What comes out of a pipe is a file as good as any, whatever the reader's pace. */
Test(vsw_see, streams_into_a_pipe)
{
	uint32_t id;
	ssize_t n, all = 0;
	unsigned int i;
	int p[2];

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	cr_assert_eq(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in, .fd = p[1]});
	for (i = 0; i < 30; i++)
		seebed_put(b, udp((uint16_t)i, 9000), 9000, plain);
	seebed_at(b, VSW_AT_in);
	for (i = 0; i < 20; i++) {
		vsw_see_poll(b->see);
		while ((n = read(p[0], file_bytes + all, 10000)) > 0)
			all += n;
	}
	cr_assert_eq(vsw_see_capture_remove(b->see, id, NULL), 0);
	while ((n = read(p[0], file_bytes + all, 10000)) > 0)
		all += n;
	cr_assert_eq(n, 0);
	cr_assert(pcapread(&in, file_bytes, (size_t)all), "%s", in.fault);
	cr_assert_eq(in.nr_packets, 30);
	cr_assert_arr_eq(in.packet[29].bytes, udp(29, 9000), 9000);
	close(p[0]);
}

Test(vsw_see, ends_when_its_reader_is_gone)
{
	struct vsw_see_capture_status st;
	uint32_t id;
	int p[2];

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	id = capture((struct vsw_see_capture_cfg){.stations = 1 << VSW_AT_in, .fd = p[1]});
	close(p[0]);
	vsw_see_poll(b->see);
	cr_assert_null(b->tap);
	cr_assert_eq(vsw_see_capture_remove(b->see, id, &st), 0);
	cr_assert_eq(st.state, VSW_SEE_FAILED);
	cr_assert(strstr(st.text, "Broken pipe"), "%s", st.text);
}

Test(vsw_see, leaves_the_descriptor_alone_when_it_refuses)
{
	struct vsw_see_capture_cfg cfg = {.stations = 1 << VSW_AT_in, .filter = "no such words"};
	uint32_t id;

	cfg.fd = open_file();
	cr_assert_eq(vsw_see_capture_add(b->see, &cfg, &id), -EINVAL);
	cr_assert(strstr(err_text(), "no such words"), "%s", err_text());
	cr_assert_eq(fcntl(cfg.fd, F_GETFD), FD_CLOEXEC);
	cfg.filter = "";
	cfg.stations = 0;
	cr_assert_eq(vsw_see_capture_add(b->see, &cfg, &id), -EINVAL);
	cfg.stations = 1;
	close(cfg.fd);
	cr_assert_eq(vsw_see_capture_add(b->see, &cfg, &id), -EBADF);
	cr_assert_eq(b->nr_published, 0);
}

Test(vsw_see, has_a_bound_on_captures)
{
	struct vsw_see_capture_cfg cfg = {.stations = 1};
	unsigned int i;
	uint32_t id;

	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++)
		capture(cfg);
	cfg.fd = open_file();
	cr_assert_eq(vsw_see_capture_add(b->see, &cfg, &id), -ENOSPC);
	close(cfg.fd);
	cr_assert_eq(vsw_see_capture_remove(b->see, 77, NULL), -ENOENT);
}

Test(vsw_see, knows_its_stations)
{
	uint32_t m;

	cr_assert_eq(vsw_see_stations(&m, "in,filter_out"), 0);
	cr_assert_eq(m, 1u << VSW_AT_in | 1u << VSW_AT_filter_out);
	cr_assert_eq(vsw_see_stations(&m, "all"), 0);
	cr_assert_eq(m, (1u << VSW_STATION_COUNT) - 1);
	cr_assert_eq(vsw_see_stations(&m, "in,filter"), -EINVAL);
	cr_assert(strstr(err_text(), "filter_in, "), "%s", err_text());
	cr_assert_eq(vsw_see_stations(&m, ""), -EINVAL);
	cr_assert_eq(vsw_see_stations(&m, "in,"), -EINVAL);
}

Test(vsw_see, refuses_what_it_cannot_be)
{
	static const struct vsw_see_cfg bad[] = {
		{.nr_lcores = 0, .tsc_hz = 1},
		{.nr_lcores = VSW_LCORES_MAX + 1, .tsc_hz = 1},
		{.nr_lcores = 1},
		{.nr_lcores = 1, .tsc_hz = 1, .ring_size = 300000},
		{.nr_lcores = 1, .tsc_hz = 1, .ring_size = 1 << 17},
	};
	struct vsw_see *see = NULL;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(vsw_see_create(&see, &bad[i], NULL, NULL), -EINVAL, "%u", i);
		cr_assert_null(see);
	}
	vsw_see_destroy(NULL);
}

Test(vsw_see, looks_no_further_than_a_filter_can_read)
{
	static const struct {
		const char *text;
		uint32_t need;
	} rows[] = {
		{"ether proto 0x88b5", 14},
		{"arp", 14},
		{"udp port 53", 14 + 60 + 4},
		{"ether[100] = 1", 101},
		{"len > 100", 0},
		{"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", UINT32_MAX},
	};
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct see_filter *f;

		cr_assert_eq(see_filter_create(&f, rows[i].text), 0, "%s", err_text());
		cr_assert_eq(see_filter_need(f), rows[i].need, "%s: %u", rows[i].text,
			     see_filter_need(f));
		see_filter_destroy(f);
	}
}

/* ---- What others read of it --------------------------------------------------------------------- */

static void tshark(const char *args, char *out, size_t size)
{
	char cmd[512];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "tshark -n -r %s %s 2>/dev/null", path, args);
	f = popen(cmd, "r");
	cr_assert_not_null(f);
	out[fread(out, 1, size - 1, f)] = 0;
	cr_assert_eq(pclose(f), 0, "%s", cmd);
}

Test(vsw_see, is_read_by_tshark, .timeout = 60)
{
	uint32_t id = capture((struct vsw_see_capture_cfg){
		.stations = 1 << VSW_AT_in | 1 << VSW_AT_out | 1 << VSW_AT_drop});
	struct vsw_slot *s = seebed_put(b, udp(5353, 300), 300, tagged);
	char out[4096];

	if (access("/usr/bin/tshark", X_OK))
		cr_skip_test("tshark is not installed");
	seebed_to(b, s, 4, 0);
	seebed_at(b, VSW_AT_in);
	seebed_at(b, VSW_AT_out);
	seebed_drop(b, 0, (struct vsw_tap_drop){.port = 5, .reason = VSW_DROP_link_down});
	end(id);
	tshark("-T fields -E separator='|' -e frame.interface_name -e frame.packet_flags_direction"
	       " -e vlan.id -e udp.dstport -e frame.len -e frame.comment",
	       out, sizeof(out));
	cr_assert_str_eq(
		out,
		"p0|0x00000001|10|5353|304|at in src p0 vlan 10\n"
		"p4|0x00000002|10|5353|304|at out src p0 vlan 10 dst p4\n"
		"p0|0x00000001|10|5353|304|at drop src p0 vlan 10 towards p5 drop link_down (link of "
		"the source or destination is down)\n");
}
