/* SPDX-License-Identifier: BSD-3-Clause */
/* Shutdown: asks the guest to power off or reboot in order. It answers whether it will. */
#include "vmbus/vsp/services.h"

#include <errno.h>

#include "base/err.h"

static const struct ic_version versions[] = {{1, 0}, {3, 0}, {3, 1}, {3, 2}};

static void change(struct shutdown *s, enum vsp_answer to)
{
	s->answer = to;
	if (s->changed)
		s->changed(s);
}

/* What was accepted stays so when the channel closes: the guest is going down. */
static void reset(struct ic *ic)
{
	struct shutdown *s = (struct shutdown *)ic;

	if (s->answer == VSP_ANSWER_WAITING)
		change(s, VSP_ANSWER_NONE);
}

static void ready(struct ic *ic, int64_t now_ms)
{
	((struct shutdown *)ic)->answer = VSP_ANSWER_NONE;
}

static int due(struct ic *ic, int64_t now_ms)
{
	return 0; /* never by itself */
}

static int answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t len,
		    int64_t now_ms)
{
	change((struct shutdown *)ic, status ? VSP_ANSWER_REFUSED : VSP_ANSWER_ACCEPTED);
	return 0;
}

int shutdown_request(struct shutdown *s, enum vsp_shutdown what)
{
	struct ic_shutdown m = {
		.reason = IC_SHUTDOWN_PLANNED,
		.flags = what == VSP_SHUTDOWN_REBOOT ? IC_SHUTDOWN_REBOOT : IC_SHUTDOWN_OFF,
	};
	int rc;

	if (s->ic.state != IC_READY)
		return err_set(-ENOTCONN, "the guest has no shutdown service (%s)",
			       ic_state_text(&s->ic));
	if (s->ic.is_waiting)
		return err_set(-EBUSY, "the guest has not answered the last request yet");
	rc = ic_request(&s->ic, &m, sizeof(m));
	if (rc == -EAGAIN)
		return err_set(rc, "the guest's ring is full");
	if (!rc)
		s->answer = VSP_ANSWER_WAITING;
	return rc;
}

const struct ic_service shutdown_service = {
	.name = "shutdown",
	.type = IC_MSG_SHUTDOWN,
	.if_type = IC_CLASS_SHUTDOWN,
	/* b6650ff7-33bc-4840-8048-e0676786f393 */
	.if_instance = {0xb6650ff7,
			0x33bc,
			0x4840,
			{0x80, 0x48, 0xe0, 0x67, 0x67, 0x86, 0xf3, 0x93}},
	.version = versions,
	.nr_versions = sizeof(versions) / sizeof(versions[0]),
	.reset = reset,
	.ready = ready,
	.due = due,
	.answered = answered,
};
