/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock that Linux reads at boot. */
#include <criterion/criterion.h>

#include <string.h>
#include <time.h>

#include "hv/priv.h"
#include "hv/rtc.h"

static struct hv_bus bus;
static struct hv_rtc rtc;

static void out(uint16_t port, uint8_t v)
{
	struct hv_access a = {.space = HV_SPACE_PORT, .at = port, .size = 1, .value = v};
	struct hv_stop stop;

	cr_assert_eq(hv_bus_write(&bus, &a, &stop), HV_GO_ON);
	cr_assert_not(a.is_nobodys);
}

static uint8_t in(uint16_t port)
{
	struct hv_access a = {.space = HV_SPACE_PORT, .at = port, .size = 1};

	hv_bus_read(&bus, &a);
	cr_assert_not(a.is_nobodys);
	return (uint8_t)a.value;
}

static uint8_t reg(uint8_t index)
{
	out(0x70, index);
	return in(0x71);
}

static int from_bcd(uint8_t v)
{
	cr_assert_leq(v & 0xf, 9);
	return (v >> 4) * 10 + (v & 0xf);
}

Test(hv_rtc, shows_a_given_time_in_bcd)
{
	const struct tm t = {.tm_year = 126,
			     .tm_mon = 10,
			     .tm_mday = 25,
			     .tm_hour = 23,
			     .tm_min = 59,
			     .tm_sec = 60, /* a leap second has no place in the register */
			     .tm_wday = 3};
	static const uint8_t want[][2] = {{0, 0x59}, {2, 0x59}, {4, 0x23}, {6, 0x04},
					  {7, 0x25}, {8, 0x11}, {9, 0x26}, {0x32, 0x20}};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		cr_assert_eq(hv_rtc_register(want[i][0], &t), want[i][1], "register %#x: %#x",
			     want[i][0], hv_rtc_register(want[i][0], &t));
}

Test(hv_rtc, reads_as_linux_reads_it)
{
	time_t before = time(NULL), got;
	struct tm t = {0};

	memset(&bus, 0, sizeof(bus));
	cr_assert_eq(hv_rtc_init(&rtc, &bus), 0);
	cr_assert_eq(reg(0x0a) & 0x80, 0, "an update in progress never ends");
	cr_assert_eq(reg(0x0b) & 0x06, 0x02, "24 hours, BCD");
	cr_assert_eq(reg(0x0d) & 0x80, 0x80, "the battery is good");
	do {
		t.tm_sec = from_bcd(reg(0));
		t.tm_min = from_bcd(reg(2));
		t.tm_hour = from_bcd(reg(4));
		t.tm_mday = from_bcd(reg(7));
		t.tm_mon = from_bcd(reg(8)) - 1;
		t.tm_year = from_bcd(reg(9)) + from_bcd(reg(0x32)) * 100 - 1900;
	} while (t.tm_sec != from_bcd(reg(0)));
	got = timegm(&t);
	cr_assert(got >= before && got <= time(NULL), "%ld, is %ld", (long)got, (long)before);
}

Test(hv_rtc, writes_do_not_set_it)
{
	memset(&bus, 0, sizeof(bus));
	cr_assert_eq(hv_rtc_init(&rtc, &bus), 0);
	out(0x70, 0x89); /* the NMI bit is not part of the register's number */
	out(0x71, 0x99);
	cr_assert_neq(in(0x71), 0x99);
	cr_assert_eq(in(0x70), 0xff);
}
