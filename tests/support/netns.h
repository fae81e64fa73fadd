/* SPDX-License-Identifier: BSD-3-Clause */
/* Named network namespaces that end with the test, however it ends. */
#pragma once

/* From here on `ip netns` of this thread and its children knows only names that they make: they lie
 * in a mount namespace of their own. Needs root; fails the test otherwise. */
void netns_private(void);
