/* SPDX-License-Identifier: BSD-3-Clause */
/* A 16550A serial port: what goes out is kept in a buffer until somebody takes it, what comes in waits
 * with its sender until the FIFO has room. Sending takes no time: the baud rate is only remembered. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/bus.h"

#define HV_UART_FIFO 16u
#define HV_UART_OUT  65536u /* bytes of output that wait; then the oldest are lost */

/* All optional but irq. */
struct hv_uart_ops {
	/* any, with the UART's lock held, so that changes come in order. Must not call the UART. */
	void (*irq)(void *ctx, bool is_high);
	/* vcpu.  There is output, and there was none. Must not block. */
	void (*ready)(void *ctx);
	/* vcpu.  Input that was not taken may come now. Must not block. */
	void (*room)(void *ctx);
};

struct hv_uart {
	const struct hv_uart_ops *ops;
	void *ctx;
	pthread_mutex_t lock; /* of what follows */

	uint8_t ier, lcr, mcr, lsr, msr, scr, fcr;
	uint16_t divisor;
	bool has_thre; /* the transmitter's interrupt is pending */
	bool is_high;  /* of the interrupt line */
	uint8_t fifo[HV_UART_FIFO];
	unsigned int fifo_at, fifo_n;
	bool wants_room; /* somebody was refused */

	uint8_t out[HV_UART_OUT];
	uint64_t out_head, out_tail; /* bytes ever written, ever taken or lost */
	uint64_t out_lost;	     /* since the last read */
	uint64_t out_lost_all;
};

/* ctl.  Puts it on @bus at port @base; @u must live as long. 0 or -errno (text set). */
int hv_uart_init(struct hv_uart *u, struct hv_bus *bus, uint16_t base,
		 const struct hv_uart_ops *ops, void *ctx);
void hv_uart_fini(struct hv_uart *u);

/* any.  Takes up to @n bytes of output. *@lost (may be NULL): how many were lost before them.
 * After a return of less than @n, ops->ready tells of more. */
size_t hv_uart_take(struct hv_uart *u, void *buf, size_t n, uint64_t *lost);
/* any.  Gives input; returns how many bytes were taken. Fewer than @n: ops->room follows. */
size_t hv_uart_give(struct hv_uart *u, const void *buf, size_t n);
uint64_t hv_uart_lost(struct hv_uart *u); /* any.  Bytes of output lost so far */
