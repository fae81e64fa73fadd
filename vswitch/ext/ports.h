/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port's life means to extensions: vswitch/port.c calls these, in this order. ctl, all. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vsw;
struct vsw_port;

/* Whether the number is free: nobody refers to the port that had it before. */
bool vsw_ext_port_is_free(const struct vsw *sw, uint16_t id);

/* PORT_CREATE and NIC_CREATE. 0, or -EACCES and others (text set: who refuses it and why). */
int vsw_ext_port_created(const struct vsw_port *p);
/* Before lcores see the port, and before they see it no more. */
int vsw_ext_port_connected(const struct vsw_port *p);
void vsw_ext_port_disconnected(const struct vsw_port *p);
/* NIC_UPDATED: its VF came or went. */
void vsw_ext_port_updated(const struct vsw_port *p);
/* After the grace period. */
void vsw_ext_port_removed(const struct vsw_port *p);
