/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker for an adapter on plain memory. */
#include "tests/support/vfbed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "vswitch/vswitch.h"

#define RELID 1u

#define must(cond)                                                                            \
	do {                                                                                  \
		if (!(cond)) {                                                                \
			fprintf(stderr, "vfbed: %s:%d: %s failed (%s)\n", __func__, __LINE__, \
				#cond, err_text());                                           \
			abort();                                                              \
		}                                                                             \
	} while (0)

void vfbed_up(struct vfbed *v, struct bed *b)
{
	struct be_peer *p = b->peer;
	int sv[2];

	*v = (struct vfbed){.b = b};
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
	must(vmbus_link_init(&p->link, sv[0]) == 0 && vmbus_link_init(&v->w, sv[1]) == 0);
	p->is_up = true;
	p->chans = &b->chan[0].vch;
	p->by_relid[RELID] = &b->chan[0].vch;
	b->nic->chan[0].vch = &b->chan[0].vch;
}

void vfbed_down(struct vfbed *v)
{
	struct be_peer *p = v->b->peer;

	if (v->b->nic)
		v->b->nic->chan[0].vch = NULL; /* it is no channel of the backend's */
	vmbus_link_fini(&p->link);
	vmbus_link_fini(&v->w);
	p->is_ended = true; /* nothing more is sent */
}

/* What came on the socket is handled as backend.c does; the backend does not know this peer. */
static void serve(struct vfbed *v)
{
	struct be_peer *p = v->b->peer;
	int fds[VMBUS_LINK_FDS_MAX];
	struct vmbus_link_msg m;

	while (vmbus_link_recv(&p->link, &m, fds) > 0) {
		if (m.type == VMBUS_LINK_ACK)
			must(be_chan_answered(p, &m) == 0);
		else if (m.type == VMBUS_LINK_RESET)
			p->be->ops->reset(p->be->ctx, &p->pub);
		else
			must(be_chan_request(p, &m) == 0);
	}
}

void vfbed_hear(struct vfbed *v)
{
	int fds[VMBUS_LINK_FDS_MAX];
	struct vmbus_link_msg m;

	while (vmbus_link_recv(&v->w, &m, fds) > 0) {
		if (m.type == VMBUS_LINK_PATH) {
			must(m.path.relid == RELID);
			v->path_id = m.id;
			v->is_vf = m.path.is_vf;
			v->nr_asked++;
		} else if (m.type == VMBUS_LINK_VF_REMOVE) {
			v->nr_removes++;
			memcpy(v->why, m.error.text, sizeof(v->why) - 1);
		}
	}
}

static void say(struct vfbed *v, struct vmbus_link_msg *m)
{
	must(vmbus_link_send(&v->w, m, NULL, 0) == 0);
	serve(v);
	vfbed_hear(v);
}

void vfbed_vf(struct vfbed *v, uint32_t serial, bool is_allocated)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_VF, .vf = {RELID, serial, is_allocated}};

	say(v, &m);
}

void vfbed_answer_to(struct vfbed *v, uint32_t id, int status, const char *why)
{
	must(vmbus_link_ack(&v->w, id, status, 0, why) == 0);
	serve(v);
	vfbed_hear(v);
}

void vfbed_answer(struct vfbed *v, int status, const char *why)
{
	uint32_t id = v->path_id;

	must(id);
	v->path_id = 0;
	vfbed_answer_to(v, id, status, why);
}

void vfbed_reset(struct vfbed *v)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_RESET};

	say(v, &m);
}

void vfbed_ask(struct vfbed *v, bool is_vf, bool wants_answer, uint64_t trans_id)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_SWITCH_DATA_PATH, .switch_data_path = {is_vf}};
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
					 .offset8 = sizeof(d) / 8,
					 .len8 = (sizeof(d) + NVSP_MSG_SIZE) / 8,
					 .flags = wants_answer ? VMBUS_PKT_FLAG_COMPLETION_REQUESTED
							       : 0,
					 .trans_id = trans_id};

	must(bed_send(v->b, 0, &d, NULL, 0, &m, NVSP_MSG_SIZE));
}

void vfbed_turn(struct vfbed *v)
{
	static struct vsw_vec vec;

	vec.n = 0;
	must(netvsp_rx(v->b->nic, 0, &vec) == 0);
	vsw_event_process(v->b->sw);
	vfbed_hear(v);
}
