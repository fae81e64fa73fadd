// SPDX-License-Identifier: BSD-3-Clause
/* Run-time data: save, restore, what is not known here, and the stream. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/objsbed.h"

static struct bed b;
static struct vsw_rtd r;

static void up(void)
{
	bed_up(&b);
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	bed_port(&b, 8, NETHV_NIC_CONNECTED);
}

static void down(void)
{
	vsw_rtd_free(&r);
	bed_down(&b);
}

TestSuite(vsw_objects, .init = up, .fini = down);

/* An extension with two features; priv points to how many it has answered in this save. */
static int two_features(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	unsigned int *n = e->priv;

	if (ev->kind == NETHV_EV_NIC_SAVE_COMPLETE)
		*n = 0;
	if (ev->kind != NETHV_EV_NIC_SAVE || *n == 2)
		return NETHV_EV_PASS;
	ev->feature = bed_guid((uint8_t)(50 + *n));
	ev->out_len =
		(size_t)snprintf(ev->out, ev->out_max, "%s%u of %u", e->x.name, *n, ev->port->port);
	++*n;
	return NETHV_EV_DONE;
}

static unsigned int n_f1, n_fwd;

static void with_data(void)
{
	bed_ext(&b, "f1")->event = two_features;
	bed_ext(&b, "f1")->priv = &n_f1;
	bed_ext(&b, "fwd")->event = two_features;
	bed_ext(&b, "fwd")->priv = &n_fwd;
}

Test(vsw_objects, rtd_1_save_is_repeated_until_nobody_answers)
{
	with_data();
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0, "%s", err_text());
	cr_assert_eq(r.n, 4);
	cr_assert_eq(r.blob[3].port, 7);
	cr_assert_eq(r.blob[3].nic, 0);
	cr_assert_eq(r.blob[3].version, 3);
	cr_assert_eq(r.blob[3].ext.b[15], 4);
	cr_assert_eq(r.blob[3].feature.b[15], 51);
	cr_assert_str_eq(r.blob[3].name, "fwd");
	cr_assert_eq(r.blob[3].len, 9);
	cr_assert_arr_eq(r.blob[3].data, "fwd1 of 7", 9);
	cr_assert_str_eq(bed_log(&b),
			 "cap:NIC_SAVE f1:NIC_SAVE cap:NIC_SAVE f1:NIC_SAVE "
			 "cap:NIC_SAVE f1:NIC_SAVE f2:NIC_SAVE fwd:NIC_SAVE "
			 "cap:NIC_SAVE f1:NIC_SAVE f2:NIC_SAVE fwd:NIC_SAVE "
			 "cap:NIC_SAVE f1:NIC_SAVE f2:NIC_SAVE fwd:NIC_SAVE "
			 "cap:NIC_SAVE_COMPLETE f1:NIC_SAVE_COMPLETE f2:NIC_SAVE_COMPLETE "
			 "fwd:NIC_SAVE_COMPLETE");
}

static size_t big_len;

static int one_big(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	unsigned int *n = e->priv;

	if (ev->kind != NETHV_EV_NIC_SAVE || *n)
		return NETHV_EV_PASS;
	ev->out_len = big_len;
	*n = ev->out_len <= ev->out_max;
	if (*n)
		memset(ev->out, 'b', ev->out_len);
	return NETHV_EV_DONE;
}

Test(vsw_objects, rtd_1_a_blob_that_does_not_fit_is_asked_for_with_more_room)
{
	bed_ext(&b, "f1")->event = one_big;
	bed_ext(&b, "f1")->priv = &n_f1;
	big_len = 200000;
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0, "%s", err_text());
	cr_assert_eq(r.n, 1);
	cr_assert_eq(r.blob[0].len, 200000);
	n_f1 = 0;
	big_len = VSW_ANSWER_MAX + 1;
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), -EMSGSIZE);
	cr_assert_eq(r.n, 1, "as before");
}

Test(vsw_objects, rtd_1_a_save_without_end_is_given_up_and_completed)
{
	bed_ext(&b, "f2")->answer[NETHV_EV_NIC_SAVE] = NETHV_EV_DONE;
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), -EMSGSIZE);
	cr_assert(strstr(err_text(), "extension f2: no end"));
	cr_assert_str_eq(bed_broken(&b), "RTD-1 f2: answers NIC_SAVE twice with the same feature");
	cr_assert_eq(r.n, 0);
	cr_assert(strstr(bed_log(&b), "fwd:NIC_SAVE_COMPLETE"), "extensions leave their save");
}

static int always_new(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	static uint16_t n;

	if (ev->kind != NETHV_EV_NIC_SAVE)
		return NETHV_EV_PASS;
	memcpy(&ev->feature, &n, 2);
	n++;
	return NETHV_EV_DONE;
}

Test(vsw_objects, rtd_1_the_number_of_blobs_is_bounded)
{
	bed_ext(&b, "f2")->event = always_new;
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), -EMSGSIZE);
	cr_assert(strstr(err_text(), "256 blobs"), "%s", err_text());
}

Test(vsw_objects, ev_8_save_and_restore_end_for_everybody_and_can_only_be_answered)
{
	unsigned int kind;

	for (kind = NETHV_EV_NIC_SAVE; kind <= NETHV_EV_NIC_RESTORE_COMPLETE; kind++) {
		bed_ext(&b, "f1")->answer[kind] = NETHV_EV_VETO;
		bed_ext(&b, "f2")->answer[kind] = kind == NETHV_EV_NIC_SAVE ? 0 : NETHV_EV_DONE;
	}
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0, "%s", err_text());
	cr_assert_eq(vsw_objs_restore(b.o, 7, 0, &r, 7), 0);
	cr_assert_str_eq(bed_log(&b),
			 "cap:NIC_SAVE f1:NIC_SAVE f2:NIC_SAVE fwd:NIC_SAVE "
			 "cap:NIC_SAVE_COMPLETE f1:NIC_SAVE_COMPLETE f2:NIC_SAVE_COMPLETE "
			 "fwd:NIC_SAVE_COMPLETE cap:NIC_RESTORE_COMPLETE f1:NIC_RESTORE_COMPLETE "
			 "f2:NIC_RESTORE_COMPLETE fwd:NIC_RESTORE_COMPLETE");
	cr_assert_eq(b.nr_broken, 5);
}

Test(vsw_objects, rtd_1_only_adapters_that_are_there_are_saved)
{
	bed_port(&b, 9, NETHV_PORT_CREATED);
	cr_assert_eq(vsw_objs_save(b.o, 9, 0, &r), -EPROTO);
	cr_assert_eq(vsw_objs_restore(b.o, 9, 0, &r, 9), -EPROTO);
	cr_assert_eq(vsw_objs_save(b.o, 7, 1, &r), -EPROTO);
	cr_assert_str_eq(bed_log(&b), "");
}

static int nested(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	struct vsw_rtd own = {0};

	if (ev->kind != NETHV_EV_NIC_SAVE || ev->port->port != 7)
		return NETHV_EV_PASS;
	cr_assert_eq(vsw_objs_save(bed->o, 7, 0, &own), -EBUSY);
	cr_assert_eq(vsw_objs_restore(bed->o, 7, 0, &own, 7), -EBUSY);
	cr_assert_eq(vsw_objs_save(bed->o, 8, 0, &own), 0, "another NIC may");
	vsw_rtd_free(&own);
	return NETHV_EV_PASS;
}

Test(vsw_objects, rtd_2_saves_interleave_between_nics_and_never_on_one)
{
	bed_ext(&b, "fwd")->event = nested;
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0, "%s", err_text());
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0, "and again afterwards");
}

/* Takes what has its feature; remembers it in priv (64 bytes). */
static int take(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	if (ev->kind != NETHV_EV_NIC_RESTORE || ev->feature.b[15] != 50)
		return NETHV_EV_PASS;
	cr_assert_eq(ev->number, 3);
	snprintf(e->priv, 64, "%.*s at %u", (int)ev->in_len, (const char *)ev->in, ev->port->port);
	return NETHV_EV_DONE;
}

static char got_f1[64], got_fwd[64];

static void with_takers(void)
{
	bed_ext(&b, "f1")->event = take;
	bed_ext(&b, "f1")->priv = got_f1;
	bed_ext(&b, "fwd")->event = take;
	bed_ext(&b, "fwd")->priv = got_fwd;
	bed_log(&b);
}

Test(vsw_objects, rtd_3_restore_finds_the_extension_by_guid_at_another_port)
{
	with_data();
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0);
	with_takers();
	cr_assert_eq(vsw_objs_restore(b.o, 8, 0, &r, 7), 0, "%s", err_text());
	cr_assert_str_eq(got_f1, "f10 of 7 at 8");
	cr_assert_str_eq(got_fwd, "fwd0 of 7 at 8");
	cr_assert_str_eq(bed_log(&b),
			 "f1:NIC_RESTORE f1:NIC_RESTORE fwd:NIC_RESTORE fwd:NIC_RESTORE "
			 "cap:NIC_RESTORE_COMPLETE f1:NIC_RESTORE_COMPLETE "
			 "f2:NIC_RESTORE_COMPLETE fwd:NIC_RESTORE_COMPLETE");
}

Test(vsw_objects, rtd_3_unknown_blobs_are_kept_and_handed_on)
{
	struct vsw_rtd again = {0};
	struct vsw_blob strange = {
		.port = 7, .ext = bed_guid(99), .name = "far", .len = 4, .data = "data"};
	const struct vsw_blob *found;

	cr_assert_eq(vsw_rtd_add(&r, &strange), 0);
	cr_assert_eq(vsw_objs_restore(b.o, 8, 0, &r, 7), 0);
	cr_assert_eq(vsw_objs_restore(b.o, 8, 0, &r, 7), 0, "the later one replaces it");
	cr_assert_eq(vsw_objs_save(b.o, 8, 0, &again), 0);
	cr_assert_eq(again.n, 1);
	strange.port = 8;
	found = vsw_rtd_find(&again, &strange);
	cr_assert_not_null(found);
	cr_assert_arr_eq(found->data, "data", 4);
	vsw_rtd_free(&again);
	vsw_objs_nic_disconnect(b.o, 8, 0);
	vsw_objs_nic_delete(b.o, 8, 0);
	vsw_objs_nic_create(b.o, 8, 0);
	cr_assert_eq(vsw_objs_save(b.o, 8, 0, &again), 0);
	cr_assert_eq(again.n, 0, "they were that adapter's");
}

Test(vsw_objects, rtd_3_what_the_extension_saves_itself_replaces_what_was_kept)
{
	struct vsw_rtd again = {0};

	with_data();
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0);
	bed_ext(&b, "f1")->event = NULL; /* takes nothing: all is kept */
	bed_ext(&b, "fwd")->event = NULL;
	cr_assert_eq(vsw_objs_restore(b.o, 8, 0, &r, 7), 0);
	with_data();
	cr_assert_eq(vsw_objs_save(b.o, 8, 0, &again), 0);
	cr_assert_eq(again.n, 4);
	cr_assert_arr_eq(again.blob[0].data, "f10 of 8", 8);
	vsw_rtd_free(&again);
}

static int cannot(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	return ev->kind == NETHV_EV_NIC_RESTORE ? nethv_veto(ev, "too old") : NETHV_EV_PASS;
}

Test(vsw_objects, rtd_3_a_blob_that_cannot_be_read_is_an_error_and_the_rest_is_restored)
{
	with_data();
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0);
	with_takers();
	bed_ext(&b, "f1")->event = cannot;
	cr_assert_eq(vsw_objs_restore(b.o, 8, 0, &r, 7), -EBADMSG);
	cr_assert(strstr(err_text(), "extension f1 cannot restore 8 bytes of version 3: too old"),
		  "%s", err_text());
	cr_assert_str_eq(got_fwd, "fwd0 of 7 at 8");
	cr_assert_eq(b.nr_broken, 0);
}

Test(vsw_objects, rtd_3_of_two_instances_each_gets_its_own)
{
	static char got_f3[64];
	static unsigned int n_f3;

	bed_add(&b, NETHV_FILTER, "f3");
	bed_ext(&b, "f3")->x.guid = bed_ext(&b, "f1")->x.guid;
	with_data();
	bed_ext(&b, "f3")->event = two_features;
	bed_ext(&b, "f3")->priv = &n_f3;
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0, "%s", err_text());
	cr_assert_eq(r.n, 6);
	with_takers();
	bed_ext(&b, "f3")->event = take;
	bed_ext(&b, "f3")->priv = got_f3;
	cr_assert_eq(vsw_objs_restore(b.o, 8, 0, &r, 7), 0);
	cr_assert_str_eq(got_f1, "f10 of 7 at 8");
	cr_assert_str_eq(got_f3, "f30 of 7 at 8");
}

/* The order of RTD-4, source and target being two ports of one switch. */
Test(vsw_objects, rtd_4_a_migration_takes_these_steps_in_this_order)
{
	struct nethv_port_info info = bed_info(20, NETHV_PORT_SYNTHETIC);
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5");
	void *stream;
	size_t len;

	with_data();
	cr_assert_eq(vsw_objs_validate(b.o, &info, &p, 1), 0);
	cr_assert_eq(vsw_objs_port_create(b.o, &info), 0);
	cr_assert_eq(vsw_objs_property_add(b.o, 20, &p), 0);
	cr_assert_eq(vsw_objs_save(b.o, 7, 0, &r), 0);
	cr_assert_eq(vsw_rtd_pack(&r, &stream, &len), 0);
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	cr_assert_eq(vsw_objs_port_remove(b.o, 7), 0);
	vsw_rtd_free(&r);
	cr_assert_eq(vsw_rtd_parse(&r, stream, len), 0, "%s", err_text());
	free(stream);
	cr_assert_eq(vsw_objs_restore(b.o, 20, 0, &r, 7), -EPROTO, "not before its NIC");
	cr_assert_eq(vsw_objs_nic_create(b.o, 20, 0), 0);
	cr_assert_eq(vsw_objs_nic_connect(b.o, 20, 0), 0);
	with_takers();
	cr_assert_eq(vsw_objs_restore(b.o, 20, 0, &r, 7), 0);
	cr_assert_str_eq(got_fwd, "fwd0 of 7 at 20");
}

Test(vsw_objects, rtd_4_a_refusal_on_the_target_leaves_the_source_alone)
{
	struct nethv_port_info info = bed_info(20, NETHV_PORT_SYNTHETIC);

	bed_ext(&b, "f1")->answer[NETHV_EV_PORT_CREATE] = NETHV_EV_VETO;
	cr_assert_eq(vsw_objs_validate(b.o, &info, NULL, 0), -EACCES);
	cr_assert_eq(vsw_objs_state(b.o, 7, 0), NETHV_NIC_CONNECTED);
}

/* ---- The stream ----------------------------------------------------------------------------- */

static void *stream_of(size_t *len)
{
	struct vsw_blob a = {.port = 7,
			     .nic = 2,
			     .version = 9,
			     .ext = bed_guid(1),
			     .name = "a",
			     .len = 5,
			     .data = "12345"};
	struct vsw_blob c = {.port = 8, .ext = bed_guid(2), .name = "c"};
	void *s;

	cr_assert_eq(vsw_rtd_add(&r, &a), 0);
	cr_assert_eq(vsw_rtd_add(&r, &c), 0);
	cr_assert_eq(vsw_rtd_pack(&r, &s, len), 0);
	return s;
}

Test(vsw_objects, rtd_1_stream_comes_back_as_it_was)
{
	struct vsw_rtd got;
	size_t len, len2;
	void *s = stream_of(&len), *s2;

	cr_assert_eq(len, 24 + 80 + 8 + 80);
	cr_assert_eq(vsw_rtd_parse(&got, s, len), 0, "%s", err_text());
	cr_assert_eq(got.n, 2);
	cr_assert_eq(got.blob[0].nic, 2);
	cr_assert_eq(got.blob[0].version, 9);
	cr_assert_arr_eq(got.blob[0].data, "12345", 5);
	cr_assert_eq(vsw_rtd_pack(&got, &s2, &len2), 0);
	cr_assert_eq(len2, len);
	cr_assert_arr_eq(s2, s, len);
	free(s);
	free(s2);
	vsw_rtd_free(&got);
}

Test(vsw_objects, rtd_1_a_stream_cut_anywhere_is_refused)
{
	struct vsw_rtd got;
	size_t len, i;
	void *s = stream_of(&len);

	for (i = 0; i < len; i++) {
		void *cut = malloc(i ? i : 1);

		memcpy(cut, s, i);
		cr_assert_eq(vsw_rtd_parse(&got, cut, i), -EBADMSG, "%zu", i);
		if (i >= 24) { /* a header that agrees with the length */
			memcpy((char *)cut + 16, &i, 8);
			cr_assert_eq(vsw_rtd_parse(&got, cut, i), -EBADMSG, "%zu", i);
		}
		cr_assert_eq(got.n, 0);
		free(cut);
	}
	free(s);
}

Test(vsw_objects, rtd_1_each_field_of_the_stream_is_checked)
{
	static const struct {
		size_t at;
		uint8_t value;
		int rc;
	} rows[] = {
		{0, 'x', -EBADMSG},	      /* magic */
		{8, 2, -EBADMSG},	      /* version */
		{12, 1, -EBADMSG},	      /* fewer blobs than there are */
		{12, 3, -EBADMSG},	      /* more */
		{13, 0x20, -EMSGSIZE},	      /* many more */
		{17, 1, -EBADMSG},	      /* length */
		{25, 1, -EBADMSG},	      /* port 263 */
		{26, 33, -EBADMSG},	      /* adapter 33 */
		{24 + 40 + 5, 'x', -EBADMSG}, /* name with something behind its end */
		{24 + 72, 4, -EBADMSG},	      /* data is not zero in the padding */
		{24 + 72, 9, -EBADMSG},	      /* longer by a unit: the next record is askew */
		{24 + 74, 0x20, -EMSGSIZE},   /* 2 MiB */
		{24 + 76, 1, -EBADMSG},	      /* reserved */
		{24 + 80 + 7, 1, -EBADMSG},   /* padding */
	};
	struct vsw_rtd got;
	size_t len, i;
	uint8_t *s = stream_of(&len);

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t old = s[rows[i].at];

		s[rows[i].at] = rows[i].value;
		cr_assert_eq(vsw_rtd_parse(&got, s, len), rows[i].rc, "row %zu: %s", i, err_text());
		cr_assert_eq(got.n, 0);
		s[rows[i].at] = old;
	}
	cr_assert_eq(vsw_rtd_parse(&got, s, len), 0);
	vsw_rtd_free(&got);
	memcpy(s + 24 + 88, s + 24, 72); /* the second the same as the first */
	cr_assert_eq(vsw_rtd_parse(&got, s, len), -EBADMSG);
	free(s);
}
