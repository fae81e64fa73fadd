/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that plays with the devices of a Linux partition. Input: {kind, port or address (2), size,
 * value (4)} again and again; odd kinds come from the host's side. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/devices.h"
#include "hv/linux/machine.h"
#include "hv/priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct step {
	uint8_t kind, at[2], size, value[4];
};

static void f_msi(void *vm, uint64_t address, uint32_t data)
{
	if ((address & ~0xff004ull) != 0xfee00000 || (data & 0xff) < 16 || data & 0xffff3600)
		abort();
}

static const struct hv_engine_ops eng = {.name = "fuzz", .msi = f_msi};
static const struct hv_partition_ops ops;

static void check(struct hv_devices *d)
{
	const struct hv_uart *u = &d->uart;

	if (u->fifo_n > HV_UART_FIFO || u->fifo_at >= HV_UART_FIFO ||
	    u->out_head - u->out_tail > HV_UART_OUT || !!(u->lsr & 1) != !!u->fifo_n)
		abort();
}

/* Ports near the devices, whatever the input says. */
static uint16_t port_of(const struct step *s)
{
	static const uint16_t base[] = {HV_PC_COM1, HV_PORT_RESET - 4, 0x60, 0xcf8};
	uint16_t raw = (uint16_t)(s->at[0] | s->at[1] << 8);

	return s->kind & 0x80 ? raw : (uint16_t)(base[raw >> 3 & 3] + (raw & 7));
}

static void access_one(struct hv_vp *vp, const struct step *s)
{
	static const uint16_t reg[] = {0, 0x10, 0x10, 0x40};
	struct hv_exit ex = {.kind = HV_EXIT_IO,
			     .port = port_of(s),
			     .size = s->size,
			     .is_out = s->kind >> 3 & 1};
	struct hv_stop stop;
	uint64_t v = 0;

	ex.value = (uint64_t)s->value[0] | s->value[1] << 8 | s->value[2] << 16 |
		   (uint64_t)s->value[3] << 24;
	if (s->kind & 0x10) {
		ex.kind = HV_EXIT_MMIO;
		ex.gpa = HV_PC_IOAPIC + (s->kind & 0x80 ? s->at[0] * 8u : reg[s->at[0] & 3]);
	}
	if (hv_dispatch(vp, &ex, &v, &stop) == HV_STOP && stop.reason != HV_STOP_GUEST_OFF &&
	    stop.reason != HV_STOP_GUEST_RESET)
		abort();
}

static void play(struct hv_vp *vp, const struct step *s)
{
	struct hv_devices *d = vp->p->devices;
	uint8_t buf[256];

	switch (s->kind & 7) {
	case 1: hv_serial_write(vp->p, s->value, sizeof(s->value)); break;
	case 3: hv_serial_read(vp->p, buf, s->at[0], NULL); break;
	case 5: hv_ioapic_set(&d->ioapic, s->at[0] % HV_IOAPIC_PINS, s->at[1] & 1); break;
	case 7: hv_ioapic_eoi(&d->ioapic, s->at[0]); break;
	default: access_one(vp, s); break;
	}
	check(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hv_partition p = {.name = "fuzz", .eng = &eng, .ops = &ops, .is_linux = true};
	struct hv_vp vp = {.p = &p};
	struct step s;
	size_t at;

	if (hv_devices_create(&p.devices, &p))
		abort();
	for (at = 0; at + sizeof(s) <= size; at += sizeof(s)) {
		memcpy(&s, data + at, sizeof(s));
		play(&vp, &s);
	}
	hv_devices_destroy(p.devices);
	return 0;
}
