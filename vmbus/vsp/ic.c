/* SPDX-License-Identifier: BSD-3-Clause */
/* Integration components: framing and negotiation. */
#include "vmbus/vsp/ic.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static const struct ic_version frameworks[] = {{1, 0}, {3, 0}};

#define NR_FRAMEWORKS (sizeof(frameworks) / sizeof(frameworks[0]))

void ic_init(struct ic *ic, const struct ic_service *svc, const struct ic_io *io)
{
	*ic = (struct ic){.svc = svc, .io = *io, .deadline_ms = IC_NEVER};
	svc->reset(ic);
}

static int send(struct ic *ic, uint16_t type, const void *body, uint16_t len)
{
	struct ic_pipe_hdr pipe = {IC_PIPE_TYPE_DATA, (uint32_t)sizeof(struct ic_hdr) + len};
	struct ic_hdr hdr = {
		.framework = ic->framework,
		.type = type,
		.message = ic->message,
		.size = len,
		.trans_id = ++ic->trans_id,
		.flags = IC_FLAG_TRANSACTION | IC_FLAG_REQUEST,
	};
	uint8_t msg[IC_MSG_MAX];
	int rc;

	memcpy(msg, &pipe, sizeof(pipe));
	memcpy(msg + sizeof(pipe), &hdr, sizeof(hdr));
	memcpy(msg + IC_HDRS_SIZE, body, len);
	rc = ic->io.send(ic->io.ctx, msg, IC_HDRS_SIZE + len);
	if (!rc) {
		ic->is_waiting = true;
		ic->deadline_ms = IC_NEVER;
	}
	return rc;
}

int ic_request(struct ic *ic, const void *body, uint16_t len)
{
	return send(ic, ic->svc->type, body, len);
}

int ic_open(struct ic *ic)
{
	struct {
		struct ic_negotiate head;
		struct ic_version version[NR_FRAMEWORKS + 8];
	} body = {.head = {NR_FRAMEWORKS, ic->svc->nr_versions}};
	uint16_t nr = (uint16_t)(NR_FRAMEWORKS + ic->svc->nr_versions);
	int rc;

	ic_close(ic);
	memcpy(body.version, frameworks, sizeof(frameworks));
	memcpy(body.version + NR_FRAMEWORKS, ic->svc->version,
	       ic->svc->nr_versions * sizeof(body.version[0]));
	ic->state = IC_NEGOTIATING;
	rc = send(ic, IC_MSG_NEGOTIATE, &body,
		  (uint16_t)(sizeof(body.head) + nr * sizeof(body.version[0])));
	return rc == -EAGAIN ? err_set(-EPROTO, "a new ring has no room") : rc;
}

void ic_close(struct ic *ic)
{
	ic->state = IC_CLOSED;
	ic->is_waiting = false;
	ic->framework = ic->message = (struct ic_version){0, 0};
	ic->deadline_ms = IC_NEVER;
	ic->svc->reset(ic);
}

static bool has_version(const struct ic_version *list, uint16_t nr, struct ic_version v)
{
	for (uint16_t i = 0; i < nr; i++) {
		if (list[i].major == v.major && list[i].minor == v.minor)
			return true;
	}
	return false;
}

/* The guest names one version of each kind, or none of either when it knows none of ours. */
static int negotiated(struct ic *ic, const struct ic_hdr *hdr, const uint8_t *body, uint32_t len,
		      int64_t now_ms)
{
	struct ic_negotiate head;
	struct ic_version v[2];

	if (len < sizeof(head))
		return err_set(-EPROTO, "negotiation of %u bytes", len);
	memcpy(&head, body, sizeof(head));
	if (hdr->status || (!head.framework_count && !head.message_count)) {
		ic->state = IC_REFUSED;
		return 0;
	}
	if (head.framework_count != 1 || head.message_count != 1 || len < sizeof(head) + sizeof(v))
		return err_set(-EPROTO, "negotiation answered by %u and %u versions in %u bytes",
			       head.framework_count, head.message_count, len);
	memcpy(v, body + sizeof(head), sizeof(v));
	if (!has_version(frameworks, NR_FRAMEWORKS, v[0]) ||
	    !has_version(ic->svc->version, ic->svc->nr_versions, v[1]))
		return err_set(-EPROTO, "versions %u.%u and %u.%u were not offered", v[0].major,
			       v[0].minor, v[1].major, v[1].minor);
	ic->framework = v[0];
	ic->message = v[1];
	ic->state = IC_READY;
	ic->svc->ready(ic, now_ms);
	return 0;
}

/* Finds the header and the body of a message in @len private bytes. */
static int parse(const uint8_t *msg, uint32_t len, struct ic_hdr *hdr)
{
	struct ic_pipe_hdr pipe;

	if (len < IC_HDRS_SIZE)
		return err_set(-EPROTO, "message of %u bytes", len);
	memcpy(&pipe, msg, sizeof(pipe));
	memcpy(hdr, msg + sizeof(pipe), sizeof(*hdr));
	if (pipe.type != IC_PIPE_TYPE_DATA || pipe.length < sizeof(*hdr) ||
	    pipe.length > len - sizeof(pipe))
		return err_set(-EPROTO, "pipe message of type %u, %u bytes in %u", pipe.type,
			       pipe.length, len);
	if (hdr->size > pipe.length - sizeof(*hdr))
		return err_set(-EPROTO, "message of %u bytes in a pipe message of %u", hdr->size,
			       pipe.length);
	return 0;
}

int ic_packet(struct ic *ic, const struct vmbus_pkt_desc *d, const uint8_t *pkt, int64_t now_ms)
{
	uint16_t want = ic->state == IC_NEGOTIATING ? IC_MSG_NEGOTIATE : ic->svc->type;
	const uint8_t *msg = pkt + d->offset8 * 8u, *body = msg + IC_HDRS_SIZE;
	struct ic_hdr hdr = {0};
	int rc;

	if (d->type != VMBUS_PKT_INBAND)
		return err_set(-EPROTO, "packet of type %u", d->type);
	rc = parse(msg, (d->len8 - d->offset8) * 8u, &hdr);
	if (rc)
		return rc;
	if (!ic->is_waiting)
		return err_set(-EPROTO, "message of type %u that answers nothing", hdr.type);
	if (hdr.type != want || hdr.trans_id != ic->trans_id || !(hdr.flags & IC_FLAG_RESPONSE))
		return err_set(-EPROTO, "answer of type %u, id %u, flags %u to type %u, id %u",
			       hdr.type, hdr.trans_id, hdr.flags, want, ic->trans_id);
	ic->is_waiting = false;
	ic->answers += ic->state == IC_READY;
	return ic->state == IC_NEGOTIATING
		       ? negotiated(ic, &hdr, body, hdr.size, now_ms)
		       : ic->svc->answered(ic, hdr.status, body, hdr.size, now_ms);
}

int ic_timer(struct ic *ic, int64_t now_ms)
{
	int rc;

	if (now_ms < ic->deadline_ms || ic->is_waiting || ic->state != IC_READY)
		return 0;
	ic->deadline_ms = IC_NEVER;
	rc = ic->svc->due(ic, now_ms);
	if (rc != -EAGAIN)
		return rc;
	ic->deadline_ms = now_ms + IC_RETRY_MS;
	return 0;
}

const char *ic_state_text(const struct ic *ic)
{
	static const char *const text[] = {
		[IC_CLOSED] = "closed",
		[IC_NEGOTIATING] = "negotiating",
		[IC_READY] = "ready",
		[IC_REFUSED] = "refused",
	};

	return text[ic->state];
}
