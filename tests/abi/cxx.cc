// SPDX-License-Identifier: BSD-3-Clause
// An extension in C++20: the header compiles there without a warning, and the descriptor is as in C.
#include <nethv/extension.h>

#include <atomic>

namespace
{
struct counters {
	std::atomic<uint64_t> seen;
};

const nethv_key keys[] = {
	{"port", NETHV_KEY_INT, 0, "23", "TCP port that is dropped", 1, 65535},
	{nullptr, 0, 0, nullptr, nullptr, 0, 0},
};

const char *const reasons[] = {"to_port: sent to the port that is closed"};

int create(const nethv_host *h, void **inst)
{
	*inst = h->alloc(h, sizeof(counters));
	return *inst ? 0 : h->fail(h, "no memory");
}

void ingress(void *inst, nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		const nethv_pkt *p = b->pkt[i];

		if (p->l4_off && p->l4_proto == 6 && nethv_pull(b, i, p->l4_off + 4u) == NETHV_OK &&
		    nethv_get16(nethv_bytes(p) + p->l4_off + 2) == 23)
			nethv_drop(b, i, 0);
	}
	static_cast<counters *>(inst)->seen += b->n;
}

int event(void *, nethv_event *e)
{
	return e->kind == NETHV_EV_NIC_CREATE && e->nic ? nethv_veto(e, "no teams") : NETHV_EV_PASS;
}
} // namespace

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x6b, 0x2f, 0x4c, 0x11, 0x90, 0x3d, 0x4e, 0x7a, 0x8f, 0x12, 0x55, 0x0e, 0x5c,
		  0x8a, 0x77, 0x01}},
	.name = "cxx",
	.version = "1.0",
	.summary = "drops what goes to TCP port 23",
	.cls = NETHV_FILTER,
	.reasons = reasons,
	.nr_reasons = 1,
	.keys = keys,
	.create = create,
	.event = event,
	.ingress = ingress,
};
