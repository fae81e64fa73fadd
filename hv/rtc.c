/* SPDX-License-Identifier: BSD-3-Clause */
#include "hv/rtc.h"

#define PORT_INDEX 0x70u
#define PORT_DATA  0x71u
#define NMI_BIT	   0x80u

enum { REG_S = 0, REG_MIN = 2, REG_H = 4, REG_WDAY = 6, REG_MDAY, REG_MON, REG_YEAR };
#define REG_A	    0x0au
#define REG_B	    0x0bu
#define REG_D	    0x0du
#define REG_CENTURY 0x32u

#define A_DIVIDER 0x26u /* 32768 Hz, and never "update in progress": a read takes one instant */
#define B_24H	  0x02u /* and BCD, the format that every reader knows */
#define D_VALID	  0x80u

static uint8_t bcd(int v)
{
	return (uint8_t)(v / 10 << 4 | v % 10);
}

uint8_t hv_rtc_register(uint8_t index, const struct tm *t)
{
	switch (index) {
	case REG_S: return bcd(t->tm_sec < 60 ? t->tm_sec : 59);
	case REG_MIN: return bcd(t->tm_min);
	case REG_H: return bcd(t->tm_hour);
	case REG_WDAY: return bcd(t->tm_wday + 1);
	case REG_MDAY: return bcd(t->tm_mday);
	case REG_MON: return bcd(t->tm_mon + 1);
	case REG_YEAR: return bcd(t->tm_year % 100);
	case REG_CENTURY: return bcd(19 + t->tm_year / 100);
	case REG_A: return A_DIVIDER;
	case REG_B: return B_24H;
	case REG_D: return D_VALID;
	default: return 0;
	}
}

static uint64_t rtc_read(void *dev, uint64_t off, unsigned int size)
{
	const struct hv_rtc *rtc = dev;
	time_t now = time(NULL);
	struct tm t;

	if (PORT_INDEX + off != PORT_DATA)
		return 0xff; /* the index port is write-only */
	gmtime_r(&now, &t);
	return hv_rtc_register(rtc->index, &t);
}

static enum hv_verdict rtc_write(void *dev, uint64_t off, unsigned int size, uint64_t v,
				 struct hv_stop *stop)
{
	struct hv_rtc *rtc = dev;

	if (PORT_INDEX + off == PORT_INDEX)
		rtc->index = (uint8_t)(v & ~NMI_BIT);
	return HV_GO_ON;
}

int hv_rtc_init(struct hv_rtc *rtc, struct hv_bus *bus)
{
	static const struct hv_bus_ops ops = {rtc_read, rtc_write};
	const struct hv_bus_range ports = {PORT_INDEX, PORT_DATA, 1, &ops, rtc};

	return hv_bus_add(bus, HV_SPACE_PORT, &ports);
}
