/* SPDX-License-Identifier: BSD-3-Clause */
/* The serial port: what a driver's search for it sees, interrupts as a driver takes them, FIFOs,
 * loopback, and a guest that floods it. The interrupt is edge-triggered: edges are what is counted. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "hv/uart.h"

#define BASE 0x3f8u

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

static struct hv_bus bus;
static struct hv_uart u;

static struct {
	bool is_high;
	unsigned int edges, ready, room;
} ev;

static void on_irq(void *ctx, bool is_high)
{
	cr_assert_neq(is_high, ev.is_high, "changes only");
	ev.is_high = is_high;
	ev.edges += is_high;
}

static void on_ready(void *ctx)
{
	ev.ready++;
}

static void on_room(void *ctx)
{
	ev.room++;
}

static const struct hv_uart_ops ops = {on_irq, on_ready, on_room};

static void setup(void)
{
	cr_assert_eq(hv_uart_init(&u, &bus, BASE, &ops, NULL), 0);
}

static void teardown(void)
{
	hv_uart_fini(&u);
}

TestSuite(hv_uart, .init = setup, .fini = teardown);

static void wr(unsigned int reg, uint8_t v)
{
	struct hv_access a = {.space = HV_SPACE_PORT, .at = BASE + reg, .size = 1, .value = v};
	struct hv_stop stop;

	cr_assert_eq(hv_bus_write(&bus, &a, &stop), HV_GO_ON);
}

static uint8_t rd(unsigned int reg)
{
	struct hv_access a = {.space = HV_SPACE_PORT, .at = BASE + reg, .size = 1};

	hv_bus_read(&bus, &a);
	return (uint8_t)a.value;
}

/* As a driver leaves it: FIFOs on, trigger at 8, OUT2, RTS and DTR. */
static void open_port(uint8_t ier)
{
	wr(FCR, 0x87);
	wr(LCR, 0x03);
	wr(MCR, 0x0b);
	wr(IER, ier);
}

static size_t give(const char *s)
{
	return hv_uart_give(&u, s, strlen(s));
}

Test(hv_uart, registers_after_power_on)
{
	cr_expect_eq(rd(IER), 0);
	cr_expect_eq(rd(IIR), 0x01);
	cr_expect_eq(rd(LCR), 0);
	cr_expect_eq(rd(MCR), 0);
	cr_expect_eq(rd(LSR), 0x60);
	cr_expect_eq(rd(MSR), 0xb0, "the other end is there");
	cr_expect_eq(rd(SCR), 0);
}

/* The steps by which Linux' 8250 driver looks what there is, in its order. */
Test(hv_uart, is_found_as_a_16550a)
{
	uint8_t mcr = rd(MCR), one, two;

	wr(IER, 0);
	cr_assert_eq(rd(IER) & 0x0f, 0);
	wr(IER, 0x0f);
	cr_assert_eq(rd(IER) & 0x0f, 0x0f);
	wr(IER, 0);

	wr(MCR, 0x10 | 0x0a);
	cr_assert_eq(rd(MSR) & 0xf0, 0x90, "loopback");
	wr(MCR, mcr);

	wr(LCR, 0xbf); /* an enhanced feature register is not there: it writes to IIR's place */
	wr(2, 0);
	wr(LCR, 0);
	wr(FCR, 0x01);
	cr_assert_eq(rd(IIR) >> 6, 3, "FIFOs that work");

	wr(LCR, 0x80);
	cr_assert_neq(rd(2), 0, "not a 16650");
	wr(LCR, 0xbf);
	cr_assert_neq(rd(2), 0, "not a 16650V2");
	wr(LCR, 0);
	one = rd(MCR);
	wr(LCR, 0xe0);
	two = rd(2);
	if (!((one ^ two) & 0x10)) { /* National's SuperIO has the bit in both places */
		wr(LCR, 0);
		wr(MCR, one ^ 0x10);
		wr(LCR, 0xe0);
		two = rd(2);
		wr(LCR, 0);
		wr(MCR, one);
		cr_assert_eq((one ^ two) & 0x10, 0, "not a 16550 of National's SuperIO");
	}
	wr(LCR, 0);
	wr(FCR, 0x21);
	cr_assert_eq(rd(IIR) & 0xe0, 0xc0, "not a 16750");
	wr(LCR, 0x80);
	wr(FCR, 0x21);
	cr_assert_eq(rd(IIR) & 0xe0, 0xc0);
	wr(LCR, 0);
	wr(IER, 0x40);
	cr_assert_eq(rd(IER), 0, "not an XScale");
	wr(SCR, 0xa5);
	cr_assert_eq(rd(SCR), 0xa5);
}

/* Two tests that the driver makes before it trusts the interrupt of an empty transmitter. */
Test(hv_uart, an_enabled_empty_transmitter_interrupts)
{
	open_port(0);
	wr(IER, 0x02);
	cr_expect_eq(ev.edges, 1);
	cr_expect_eq(rd(LSR) & 0x60, 0x60);
	cr_expect_eq(rd(IIR), 0xc2);
	cr_expect_eq(rd(IIR), 0xc1, "reading it takes it away");
	cr_expect_not(ev.is_high);
	wr(IER, 0x00);
	wr(IER, 0x02);
	cr_expect_eq(ev.edges, 2, "also the second time");
	wr(IER, 0x02);
	cr_expect_eq(ev.edges, 2, "not when it was enabled");
	wr(IER, 0x00);
	cr_expect_not(ev.is_high);
}

Test(hv_uart, dlab_shows_the_divisor)
{
	open_port(0x05);
	wr(LCR, 0x83);
	wr(DATA, 0x34);
	wr(IER, 0x12);
	cr_expect_eq(rd(DATA), 0x34);
	cr_expect_eq(rd(IER), 0x12);
	cr_expect_eq(u.divisor, 0x1234);
	wr(LCR, 0x03);
	cr_expect_eq(rd(IER), 0x05);
	cr_expect_eq(hv_uart_take(&u, &(char[4]){0}, 4, NULL), 0, "nothing was sent");
}

/* As a driver sends: 16 bytes for each interrupt until its buffer is empty. */
Test(hv_uart, interrupt_driven_transmit)
{
	char text[200], got[256];
	unsigned int i, at = 0, interrupts = 0;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	open_port(0x02);
	while (at < sizeof(text)) {
		cr_assert(ev.is_high, "at %u", at);
		interrupts++;
		cr_assert_eq(rd(IIR), 0xc2);
		cr_assert(rd(LSR) & 0x20);
		for (i = 0; i < 16 && at < sizeof(text); i++)
			wr(DATA, (uint8_t)text[at++]);
	}
	cr_expect_eq(ev.edges, interrupts + 1, "one a burst, not one a byte");
	wr(IER, 0);
	cr_expect_not(ev.is_high);
	cr_expect_eq(hv_uart_take(&u, got, sizeof(got), NULL), sizeof(text));
	cr_expect(!memcmp(got, text, sizeof(text)));
	cr_expect_eq(ev.ready, 1);
}

Test(hv_uart, interrupt_driven_receive)
{
	open_port(0x01);
	cr_assert_eq(give("ab"), 2);
	cr_expect_eq(ev.edges, 1);
	cr_expect_eq(rd(IIR), 0xcc, "below the trigger level: the timeout");
	cr_expect_eq(rd(LSR), 0x61);
	cr_expect_eq(rd(DATA), 'a');
	cr_expect(ev.is_high);
	cr_expect_eq(rd(DATA), 'b');
	cr_expect_not(ev.is_high);
	cr_expect_eq(rd(LSR), 0x60);
	cr_expect_eq(rd(IIR), 0xc1);
	cr_expect_eq(rd(DATA), 'b', "empty");
	cr_assert_eq(give("12345678"), 8);
	cr_expect_eq(ev.edges, 2);
	cr_expect_eq(rd(IIR), 0xc4);
	rd(DATA);
	cr_expect_eq(rd(IIR), 0xcc);
}

Test(hv_uart, trigger_levels)
{
	static const uint8_t level[] = {1, 4, 8, 14};
	unsigned int i, n;

	for (i = 0; i < 4; i++) {
		open_port(0x01);
		wr(FCR, (uint8_t)(0x03 | i << 6));
		for (n = 1; n <= 16; n++) {
			cr_assert_eq(give("x"), 1);
			cr_assert_eq(rd(IIR), n < level[i] ? 0xcc : 0xc4, "%u of %u", n, level[i]);
		}
	}
}

Test(hv_uart, a_full_fifo_leaves_the_rest_to_its_sender)
{
	unsigned int i;

	open_port(0x01);
	cr_expect_eq(give("0123456789abcdefGHI"), 16);
	cr_expect_eq(give("GHI"), 0);
	for (i = 0; i < 15; i++)
		rd(DATA);
	cr_expect_eq(ev.room, 0, "asked when it is empty, not for each byte");
	cr_expect_eq(rd(DATA), 'f');
	cr_expect_eq(ev.room, 1);
	cr_expect_eq(rd(LSR) & 0x02, 0, "nothing was overrun");
	cr_expect_eq(give("GHI"), 3);
	rd(DATA);
	rd(DATA);
	rd(DATA);
	cr_expect_eq(ev.room, 1, "nobody was refused");
}

Test(hv_uart, without_fifo_one_byte_at_a_time)
{
	wr(MCR, 0x0b);
	wr(IER, 0x01);
	cr_expect_eq(give("ab"), 1);
	cr_expect_eq(rd(IIR), 0x04, "no timeout without FIFO");
	cr_expect_eq(rd(DATA), 'a');
	cr_expect_eq(ev.room, 1);
	cr_expect_eq(give("b"), 1);
	cr_expect_eq(ev.edges, 2);
}

Test(hv_uart, clearing_the_fifo_makes_room)
{
	open_port(0x01);
	give("0123456789abcdefg");
	wr(FCR, 0x83);
	cr_expect_eq(rd(LSR), 0x60);
	cr_expect_not(ev.is_high);
	cr_expect_eq(ev.room, 1);
	give("0123456789abcdefg");
	wr(FCR, 0x00);
	cr_expect_eq(rd(LSR), 0x60, "turning it off clears it");
	cr_expect_eq(rd(IIR), 0x01);
	cr_expect_eq(ev.room, 2);
}

Test(hv_uart, priority_of_interrupts)
{
	unsigned int i;

	open_port(0);
	wr(MCR, 0x1b);
	for (i = 0; i < 17; i++)
		wr(DATA, (uint8_t)('a' + i));
	wr(MCR, 0x0f); /* OUT1 goes on, RI was off in loopback: only DSR, DCD, CTS may change */
	wr(IER, 0x0f);
	cr_expect_eq(rd(IIR), 0xc6, "line status first");
	cr_expect_eq(rd(LSR), 0x63, "overrun");
	cr_expect_eq(rd(LSR), 0x61, "told once");
	cr_expect_eq(rd(IIR), 0xc4);
	for (i = 0; i < 16; i++)
		cr_expect_eq(rd(DATA), 'a' + i, "the newest was lost");
	cr_expect_eq(rd(IIR), 0xc2);
	wr(IER, 0x0d);
	cr_expect_eq(rd(IIR), 0xc1);
	cr_expect_eq(ev.edges, 1, "it stayed up all the time");
}

Test(hv_uart, loopback_of_modem_lines)
{
	static const struct {
		uint8_t mcr, lines;
	} t[] = {{0x10, 0}, {0x11, 0x20}, {0x12, 0x10}, {0x14, 0x40}, {0x18, 0x80}, {0x1f, 0xf0}};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		wr(MCR, t[i].mcr);
		cr_expect_eq(rd(MSR) & 0xf0, t[i].lines, "%#x", t[i].mcr);
		cr_expect_eq(rd(MSR) & 0x0f, 0, "read: no change left");
	}
	wr(MCR, 0x10);
	cr_expect_eq(rd(MSR), 0x0f, "all went off; RI's end counts");
	wr(MCR, 0x14);
	cr_expect_eq(rd(MSR), 0x40, "RI's begin does not");
	wr(MCR, 0xe0);
	cr_expect_eq(rd(MCR), 0);
}

Test(hv_uart, modem_status_interrupts_and_loopback_does_not_get_through)
{
	open_port(0x08);
	wr(MCR, 0x18); /* CTS and DSR off */
	cr_expect_eq(rd(IIR), 0xc0);
	cr_expect_eq(ev.edges, 0, "OUT2 is off at the pin in loopback");
	wr(MCR, 0x08);
	cr_expect_eq(ev.edges, 1);
	cr_expect_eq(rd(MSR), 0xb3);
	cr_expect_not(ev.is_high);
	wr(MCR, 0x00);
	wr(IER, 0x0a);
	cr_expect_eq(ev.edges, 1, "without OUT2 none");
	wr(MCR, 0x08);
	cr_expect_eq(ev.edges, 2);
}

Test(hv_uart, loopback_keeps_bytes_inside)
{
	open_port(0x01);
	wr(MCR, 0x1b);
	wr(DATA, 'z');
	cr_expect_eq(rd(LSR), 0x61);
	cr_expect_eq(give("x"), 0, "nothing comes from outside");
	cr_expect_eq(rd(DATA), 'z');
	cr_expect_eq(ev.room, 0);
	wr(MCR, 0x0b);
	cr_expect_eq(ev.room, 1);
	cr_expect_eq(ev.ready, 0);
}

Test(hv_uart, a_flood_costs_the_oldest_output_and_is_counted)
{
	static uint8_t got[2 * HV_UART_OUT];
	const unsigned int n = HV_UART_OUT + 1000;
	uint64_t lost;
	unsigned int i;

	open_port(0);
	for (i = 0; i < n; i++)
		wr(DATA, (uint8_t)(i % 251));
	cr_expect_eq(ev.ready, 1);
	cr_expect_eq(hv_uart_lost(&u), 1000);
	cr_assert_eq(hv_uart_take(&u, got, 100, &lost), 100);
	cr_expect_eq(lost, 1000);
	cr_assert_eq(hv_uart_take(&u, got + 100, sizeof(got) - 100, &lost), HV_UART_OUT - 100);
	cr_expect_eq(lost, 0);
	for (i = 0; i < HV_UART_OUT; i++)
		cr_assert_eq(got[i], (1000 + i) % 251, "%u", i);
	wr(DATA, 'x');
	cr_expect_eq(ev.ready, 2);
	cr_expect_eq(hv_uart_take(&u, got, 1, &lost), 1);
	cr_expect_eq(got[0], 'x');
	cr_expect_eq(hv_uart_lost(&u), 1000);
}

Test(hv_uart, status_registers_cannot_be_written)
{
	open_port(0);
	wr(LSR, 0xff);
	wr(MSR, 0xff);
	cr_expect_eq(rd(LSR), 0x60);
	cr_expect_eq(rd(MSR), 0xb0);
}
