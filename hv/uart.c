/* SPDX-License-Identifier: BSD-3-Clause */
/* Register names and bits are those of the PC16550D data sheet. */
#include "hv/uart.h"

#include <string.h>

#define REG_DATA 0u /* RBR, THR; with DLAB the divisor's low byte */
#define REG_IER	 1u /* with DLAB the divisor's high byte */
#define REG_IIR	 2u /* to read; FCR to write */
#define REG_LCR	 3u
#define REG_MCR	 4u
#define REG_LSR	 5u
#define REG_MSR	 6u
#define REG_SCR	 7u
#define NR_REGS	 8u

#define IER_RDA	 0x01u
#define IER_THRE 0x02u
#define IER_RLS	 0x04u
#define IER_MSI	 0x08u
#define IER_ALL	 0x0fu

#define IIR_NONE    0x01u
#define IIR_MSI	    0x00u
#define IIR_THRE    0x02u
#define IIR_RDA	    0x04u
#define IIR_RLS	    0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFO    0xc0u

#define FCR_ENABLE     0x01u
#define FCR_CLEAR_RX   0x02u
#define FCR_KEPT       0xc9u /* enable, DMA mode, trigger */
#define FCR_TRIGGER(f) ((f) >> 6 & 3)

#define LCR_DLAB 0x80u

#define MCR_DTR	 0x01u
#define MCR_RTS	 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u /* on a PC: lets the interrupt through */
#define MCR_LOOP 0x10u
#define MCR_ALL	 0x1fu

#define LSR_DR	  0x01u
#define LSR_OE	  0x02u
#define LSR_ERROR 0x1eu
#define LSR_SENT  0x60u /* THRE and TEMT: always, since sending takes no time */

#define MSR_CTS	  0x10u
#define MSR_DSR	  0x20u
#define MSR_RI	  0x40u
#define MSR_DCD	  0x80u
#define MSR_LINES 0xf0u
#define MSR_DELTA 0x0fu
#define MSR_TERI  0x04u

/* What to tell the owner when the lock is free again. */
struct news {
	bool is_ready, has_room;
};

static unsigned int depth(const struct hv_uart *u)
{
	return u->fcr & FCR_ENABLE ? HV_UART_FIFO : 1;
}

static unsigned int trigger(const struct hv_uart *u)
{
	static const uint8_t level[] = {1, 4, 8, 14};

	return u->fcr & FCR_ENABLE ? level[FCR_TRIGGER(u->fcr)] : 1;
}

/* The pending interrupt of the highest priority. The character timeout is taken to have passed as
 * soon as something lies below the trigger level: nothing else will come by itself. */
static uint8_t pending(const struct hv_uart *u)
{
	if ((u->ier & IER_RLS) && (u->lsr & LSR_ERROR))
		return IIR_RLS;
	if ((u->ier & IER_RDA) && u->fifo_n)
		return u->fifo_n >= trigger(u) ? IIR_RDA : IIR_TIMEOUT;
	if ((u->ier & IER_THRE) && u->has_thre)
		return IIR_THRE;
	if ((u->ier & IER_MSI) && (u->msr & MSR_DELTA))
		return IIR_MSI;
	return IIR_NONE;
}

/* In loopback OUT2 is off at the pin, so that no interrupt comes through. */
static void line_update(struct hv_uart *u)
{
	bool is_open = (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
	bool is_high = is_open && pending(u) != IIR_NONE;

	if (is_high == u->is_high)
		return;
	u->is_high = is_high;
	u->ops->irq(u->ctx, is_high);
}

/* The other end is always there; in loopback our own outputs come in. */
static void msr_update(struct hv_uart *u)
{
	uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD, changed;

	if (u->mcr & MCR_LOOP)
		lines = (u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
			(u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0);
	changed = (u->msr ^ lines) & MSR_LINES;
	if (lines & MSR_RI)
		changed &= (uint8_t)~MSR_RI; /* RI counts when it ends: TERI */
	u->msr = lines | (u->msr & MSR_DELTA) | changed >> 4;
}

static void fifo_clear(struct hv_uart *u)
{
	u->fifo_n = 0;
	u->lsr &= (uint8_t)~LSR_DR;
}

static void fifo_put(struct hv_uart *u, uint8_t c)
{
	if (u->fifo_n == depth(u)) {
		u->lsr |= LSR_OE;
		return;
	}
	u->fifo[(u->fifo_at + u->fifo_n++) % HV_UART_FIFO] = c;
	u->lsr |= LSR_DR;
}

/* An empty FIFO reads as the byte that was there last, as in the chip. */
static uint8_t fifo_get(struct hv_uart *u)
{
	uint8_t c = u->fifo[u->fifo_at];

	if (!u->fifo_n)
		return u->fifo[(u->fifo_at + HV_UART_FIFO - 1) % HV_UART_FIFO];
	u->fifo_at = (u->fifo_at + 1) % HV_UART_FIFO;
	if (--u->fifo_n == 0)
		u->lsr &= (uint8_t)~LSR_DR;
	return c;
}

static void out_put(struct hv_uart *u, uint8_t c, struct news *news)
{
	news->is_ready = u->out_head == u->out_tail;
	if (u->out_head - u->out_tail == HV_UART_OUT) {
		u->out_tail++; /* the latest is worth most: a crash writes last */
		u->out_lost++;
		u->out_lost_all++;
	}
	u->out[u->out_head++ % HV_UART_OUT] = c;
}

static void thr_write(struct hv_uart *u, uint8_t c, struct news *news)
{
	if (u->mcr & MCR_LOOP)
		fifo_put(u, c);
	else
		out_put(u, c, news);
	u->has_thre = true;
}

static void ier_write(struct hv_uart *u, uint8_t v)
{
	if (v & ~u->ier & IER_THRE)
		u->has_thre = true; /* the transmitter is empty, and now that counts */
	u->ier = v & IER_ALL;
}

static void fcr_write(struct hv_uart *u, uint8_t v)
{
	if (((u->fcr ^ v) & FCR_ENABLE) || (v & FCR_CLEAR_RX))
		fifo_clear(u);
	u->fcr = v & FCR_ENABLE ? v & FCR_KEPT : 0;
}

static bool is_divisor(const struct hv_uart *u, uint64_t reg)
{
	return (u->lcr & LCR_DLAB) && reg <= REG_IER;
}

static void reg_write(struct hv_uart *u, uint64_t reg, uint8_t v, struct news *news)
{
	if (is_divisor(u, reg)) {
		u->divisor = reg == REG_DATA ? (u->divisor & 0xff00) | v
					     : (uint16_t)((u->divisor & 0xff) | v << 8);
		return;
	}
	switch (reg) {
	case REG_DATA: thr_write(u, v, news); break;
	case REG_IER: ier_write(u, v); break;
	case REG_IIR: fcr_write(u, v); break;
	case REG_LCR: u->lcr = v; break;
	case REG_MCR:
		u->mcr = v & MCR_ALL;
		msr_update(u);
		break;
	case REG_SCR: u->scr = v; break;
	default: break; /* LSR and MSR are read-only, but for factory tests */
	}
}

static uint8_t iir_read(struct hv_uart *u)
{
	uint8_t v = pending(u);

	if (v == IIR_THRE)
		u->has_thre = false;
	return v | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t reg_read(struct hv_uart *u, uint64_t reg)
{
	uint8_t v;

	if (is_divisor(u, reg))
		return (uint8_t)(reg == REG_DATA ? u->divisor : u->divisor >> 8);
	switch (reg) {
	case REG_DATA: return fifo_get(u);
	case REG_IER: return u->ier;
	case REG_IIR: return iir_read(u);
	case REG_LCR: return u->lcr;
	case REG_MCR: return u->mcr;
	case REG_LSR:
		v = u->lsr | LSR_SENT;
		u->lsr &= (uint8_t)~LSR_ERROR;
		return v;
	case REG_MSR:
		v = u->msr;
		u->msr &= MSR_LINES;
		return v;
	default: return u->scr;
	}
}

/* The FIFO was emptied for somebody who waits. Lock held. */
static bool room_due(struct hv_uart *u)
{
	if (!u->wants_room || u->fifo_n || (u->mcr & MCR_LOOP))
		return false;
	u->wants_room = false;
	return true;
}

static void tell(const struct hv_uart *u, const struct news *news)
{
	if (news->is_ready && u->ops->ready)
		u->ops->ready(u->ctx);
	if (news->has_room && u->ops->room)
		u->ops->room(u->ctx);
}

static uint64_t io_read(void *dev, uint64_t off, unsigned int size)
{
	struct hv_uart *u = dev;
	struct news news = {0};
	uint8_t v;

	pthread_mutex_lock(&u->lock);
	v = reg_read(u, off);
	line_update(u);
	news.has_room = room_due(u);
	pthread_mutex_unlock(&u->lock);
	tell(u, &news);
	return v;
}

static enum hv_verdict io_write(void *dev, uint64_t off, unsigned int size, uint64_t value,
				struct hv_stop *stop)
{
	struct hv_uart *u = dev;
	struct news news = {0};

	pthread_mutex_lock(&u->lock);
	reg_write(u, off, (uint8_t)value, &news);
	line_update(u);
	news.has_room = room_due(u);
	pthread_mutex_unlock(&u->lock);
	tell(u, &news);
	return HV_GO_ON;
}

size_t hv_uart_take(struct hv_uart *u, void *buf, size_t n, uint64_t *lost)
{
	uint64_t at, have, first;

	pthread_mutex_lock(&u->lock);
	if (lost)
		*lost = u->out_lost;
	u->out_lost = 0;
	have = u->out_head - u->out_tail;
	n = n < have ? n : (size_t)have;
	at = u->out_tail % HV_UART_OUT;
	first = n < HV_UART_OUT - at ? n : HV_UART_OUT - at;
	memcpy(buf, u->out + at, first);
	memcpy((uint8_t *)buf + first, u->out, n - first);
	u->out_tail += n;
	pthread_mutex_unlock(&u->lock);
	return n;
}

/* Nothing comes in from outside during loopback. */
size_t hv_uart_give(struct hv_uart *u, const void *buf, size_t n)
{
	const uint8_t *c = buf;
	size_t i = 0;

	pthread_mutex_lock(&u->lock);
	while (i < n && u->fifo_n < depth(u) && !(u->mcr & MCR_LOOP))
		fifo_put(u, c[i++]);
	u->wants_room |= i < n;
	line_update(u);
	pthread_mutex_unlock(&u->lock);
	return i;
}

uint64_t hv_uart_lost(struct hv_uart *u)
{
	uint64_t n;

	pthread_mutex_lock(&u->lock);
	n = u->out_lost_all;
	pthread_mutex_unlock(&u->lock);
	return n;
}

static const struct hv_bus_ops io_ops = {io_read, io_write};

int hv_uart_init(struct hv_uart *u, struct hv_bus *bus, uint16_t base,
		 const struct hv_uart_ops *ops, void *ctx)
{
	const struct hv_bus_range r = {base, base + NR_REGS - 1, 1, &io_ops, u};

	memset(u, 0, sizeof(*u));
	u->ops = ops;
	u->ctx = ctx;
	u->divisor = 1;
	u->msr = MSR_CTS | MSR_DSR | MSR_DCD;
	pthread_mutex_init(&u->lock, NULL);
	return hv_bus_add(bus, HV_SPACE_PORT, &r);
}

void hv_uart_fini(struct hv_uart *u)
{
	pthread_mutex_destroy(&u->lock);
}
