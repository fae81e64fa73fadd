/* SPDX-License-Identifier: BSD-3-Clause */
/* KVM's own statistics of a VP (KVM_GET_STATS_FD): found by name once, read at any time without
 * stopping the VP. */
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "hv/kvm/priv.h"

#define DESCS_MAX      512u
#define NAME_MAX_BYTES 256u

static const char *const names[KVM_STATS_NAMES] = {
	"exits",     "halt_exits",	    "irq_injections", "halt_successful_poll",
	"io_exits",  "halt_attempted_poll", "halt_wakeup",    "mmio_exits",
	"irq_exits",
};

static void desc_take(struct kvm_vp *vp, const struct kvm_stats_header *h,
		      const struct kvm_stats_desc *d, const char *name)
{
	unsigned int i;

	for (i = 0; i < KVM_STATS_NAMES; i++) {
		if (!strcmp(name, names[i]))
			vp->stats_at[i] = (uint64_t)h->data_offset + d->offset;
	}
}

static void descs_read(struct kvm_vp *vp, const struct kvm_stats_header *h)
{
	const size_t size = sizeof(struct kvm_stats_desc) + h->name_size;
	uint8_t buf[sizeof(struct kvm_stats_desc) + NAME_MAX_BYTES + 1];
	unsigned int i;

	if (h->name_size > NAME_MAX_BYTES || h->num_desc > DESCS_MAX)
		return;
	for (i = 0; i < h->num_desc; i++) {
		struct kvm_stats_desc d;

		memset(buf, 0, sizeof(buf));
		if (pread(vp->stats_fd, buf, size, (off_t)(h->desc_offset + i * size)) !=
		    (ssize_t)size)
			return;
		memcpy(&d, buf, sizeof(d));
		desc_take(vp, h, &d, (const char *)buf + sizeof(d));
	}
}

void kvm_stats_open(struct kvm_vp *vp)
{
	struct kvm_stats_header h;

	vp->stats_fd = ioctl(vp->fd, KVM_GET_STATS_FD, NULL);
	if (vp->stats_fd < 0) {
		vp->stats_fd = -1;
		return;
	}
	if (pread(vp->stats_fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h))
		descs_read(vp, &h);
}

static uint64_t value(const struct kvm_vp *vp, unsigned int i)
{
	uint64_t v = 0;

	if (!vp->stats_at[i] ||
	    pread(vp->stats_fd, &v, sizeof(v), (off_t)vp->stats_at[i]) != (ssize_t)sizeof(v))
		return 0;
	return v;
}

void kvm_stats_read(const struct kvm_vp *vp, struct hv_vp_stats *out)
{
	if (vp->stats_fd < 0)
		return;
	out->has_kvm = true;
	out->kvm_exits = value(vp, 0);
	out->halts = value(vp, 1);
	out->injected = value(vp, 2);
	out->halt_polls_won = value(vp, 3);
	out->kvm_io_exits = value(vp, 4);
	out->halt_polls = value(vp, 5);
	out->halt_wakeups = value(vp, 6);
	out->kvm_mmio_exits = value(vp, 7);
	out->kvm_irq_exits = value(vp, 8);
}
