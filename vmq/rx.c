/* SPDX-License-Identifier: BSD-3-Clause */
/* When a port's queue receives directly: with one queue that the device itself sorted into, into a buffer that is
 * there, and while nobody must judge first. */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "base/err.h"
#include "base/log.h"
#include "vmq/priv.h"

/* What vsw_direct_obstacle() says, in full. */
static const char *judge_text(const char *word)
{
	static const struct {
		const char *word, *text;
	} texts[] = {
		{"extension", "an extension is to see frames first (nethv ext list)"},
		{"policy", "a policy of the adapter or of an uplink is to judge frames first"},
		{"capture", "a capture, a trace or the memory of drops is to see frames first"},
		{"mirror", "a mirror is to see frames first (switch.mirrors)"},
		{"overlay", "the overlay is to see frames first (switch.overlay)"},
		{"vf", "its frames come by its VF"},
	};

	for (unsigned int i = 0; i < RTE_DIM(texts); i++)
		if (!strcmp(texts[i].word, word))
			return texts[i].text;
	return word;
}

static const char no_buffer[] = "the guest has no receive buffer for it now";

/* NULL: nothing is in the way. */
static const char *obstacle(struct vmq *v, const struct vmq_port *vp)
{
	const char *word = vsw_direct_obstacle(vp->p);

	if (v->cfg.is_direct_off)
		return "switched off for the uplink (vmq.direct)";
	if (!vp->cfg.wants_direct)
		return "switched off for the adapter (vmq.direct)";
	if (v->ops == &vmq_software)
		return "the NIC does not sort, we do";
	if (!v->ops->prove)
		return "the NIC cannot prove that its rules are exact";
	if (vp->nr_q > 1)
		return "it has several queues";
	if (!v->direct[vp->q[0]])
		return "there is no memory for buffers, or no VFIO container (see the log)";
	if (!vsw_rxbuf_of(vp->p))
		return no_buffer;
	return word ? judge_text(word) : NULL;
}

/* NULL: it is not copied. */
static void say(struct vmq_port *vp, const char *why)
{
	snprintf(vp->why_copied, sizeof(vp->why_copied), "%s", why ? why : "");
}

void vmq_direct_try(struct vmq *v, struct vmq_port *vp)
{
	const char *why;

	if (!vp->nr_q || vp->is_direct)
		return;
	why = obstacle(v, vp);
	if (why) {
		say(vp, why);
		return;
	}
	if (v->ops->prove(v->pv, vp->q[0]) ||
	    vmq_direct_begin(v->direct[vp->q[0]], vsw_rxbuf_of(vp->p))) {
		say(vp, err_text());
		return;
	}
	vp->is_direct = true;
	say(vp, NULL);
}

static void filters_move(struct vmq *v, struct vmq_port *vp, uint16_t to)
{
	for (uint16_t i = 0; i < vp->nr_filters; i++)
		if (vmq_filter_move(v->nic, vp->filter[i], vsw_port_id(vp->p) + 1u, to))
			log_err(v->cfg.name, "%s: %s", vsw_port_cfg(vp->p)->name, err_text());
}

static void detour(struct vmq *v, struct vmq_port *vp, uint16_t from, uint16_t to)
{
	struct vmq_over o;

	vmq_over_begin(&o, v, from, to);
	filters_move(v, vp, to);
	vmq_over_end(&o);
}

void vmq_direct_stop(struct vmq *v, struct vmq_port *vp)
{
	if (!vp->is_direct)
		return;
	detour(v, vp, vp->q[0], VMQ_DEFAULT);
	vmq_direct_end(v->direct[vp->q[0]]);
	detour(v, vp, VMQ_DEFAULT, vp->q[0]);
	vp->is_direct = false;
}

void vmq_direct_offered(struct vmq *v, struct vsw_port *p)
{
	struct vmq_port *vp = vmq_port_of(v, p);

	if (vp)
		vmq_direct_try(v, vp);
}

/* The port gets nothing any more; but a frame that came meanwhile would be stopped by the IOMMU, and be told as if the
 * device had reached for memory that is not its own. So frames go another way first here, too. */
void vmq_direct_withdrawn(struct vmq *v, struct vsw_port *p)
{
	struct vmq_port *vp = vmq_port_of(v, p);

	if (!vp || !vp->nr_q)
		return;
	vmq_direct_stop(v, vp);
	say(vp, no_buffer);
}

void vmq_direct_judged(struct vmq *v, struct vsw_port *p, bool is_judged)
{
	struct vmq_port *vp = vmq_port_of(v, p);

	if (!vp || !vp->nr_q)
		return;
	if (!is_judged) {
		vmq_direct_try(v, vp);
		return;
	}
	vmq_direct_stop(v, vp);
	say(vp, obstacle(v, vp));
}
