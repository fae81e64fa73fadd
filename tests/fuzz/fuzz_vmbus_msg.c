/* SPDX-License-Identifier: BSD-3-Clause */
/* Control messages of a hostile guest against the whole: server, link and backend. Input: {length
 * (1), payload} again and again, from a fresh connection; length 255 kills the switch and starts
 * another. Whatever came before, the next input's contact is answered. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/vmbus_loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *l;

static void drain(void)
{
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];

	while (loop_next_msg(l, buf))
		;
}

static void restart_switch(void)
{
	loop_switch_kill(l);
	loop_switch_start(l, NULL, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop_cfg cfg = {.mem_bytes = 1 << 20};
	size_t at = 0;

	if (!l)
		l = loop_create(&cfg);
	loop_connect(l, VMBUS_V5_3);
	while (at < size) {
		uint8_t msg[VMBUS_MSG_PAYLOAD_MAX];
		size_t len = data[at++];

		if (len == 255) {
			restart_switch();
			continue;
		}
		len %= sizeof(msg) + 1;
		len = len < size - at ? len : size - at;
		memcpy(msg, data + at, len);
		if (loop_post(l, msg, len) == VMBUS_POST_NO_BUFFERS)
			drain();
		at += len;
	}
	drain();
	return 0;
}
