# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's testpmd in a guest, for scenarios with "dpdk=yes": huge pages and drivers for it, a conversation with
it, and a pktgen and a sink of ours before and behind it."""
import re
import time

import lab
from lab import nv

NET_CLASS = "f8615163-df3e-46c5-913f-f2d2f965ed0e"
DPDK = "/opt"  # where the guests have Debian 13 with its DPDK


def prepare(guest):
    """A driver for DPDK, and huge pages."""
    guest.ok(f"modprobe uio_hv_generic && echo {NET_CLASS} >/sys/bus/vmbus/drivers/uio_hv_generic/new_id &&"
             " echo 48 >/proc/sys/vm/nr_hugepages && mkdir -p /dev/hugepages &&"
             " mount -t hugetlbfs none /dev/hugepages", 60)
    guest.ok(f"mount -o ro,noload LABEL=dpdk {DPDK} && for d in dev proc sys run tmp; do mount --rbind /$d {DPDK}/$d ||"
             " exit 1; done", 60)


def device_of(guest, mac):
    """The VMBus device of an adapter."""
    return guest.ok(f"for d in /sys/class/net/eth*; do grep -q {mac} $d/address && basename $(readlink -f $d/device);"
                    " done; true").strip()


def bind(guest, device, driver):
    guest.ok(f"d=/sys/bus/vmbus/devices/{device}; [ ! -e $d/driver ] || echo {device} >$d/driver/unbind;"
             f" [ -e $d/driver ] || echo {device} >/sys/bus/vmbus/drivers/{driver}/bind;"
             f" readlink $d/driver | grep -q {driver}", 60)


class Testpmd:
    """testpmd in @guest with @devices, talked to by a FIFO. @macs: of its ports, which port_of knows then;
    @words, @eal: more for it and for its EAL; @preload: a library for it, as seen from DPDK's root. Without a
    terminal it would keep what it says to itself."""

    def __init__(self, guest, devices, macs, words, eal="", preload=""):
        self.guest = guest
        # What hv_netvsc still has stays with it: on Hyper-V, DPDK would take it by a TAP of its own.
        allow = " ".join(f"-a {d}" for d in devices) + " --vdev=net_vdev_netvsc,ignore=1"
        env = f"env LD_PRELOAD={preload} " if preload else ""
        guest.ok("rm -f /tmp/in; mkfifo /tmp/in")
        self.bg = guest.start(f"exec chroot {DPDK} {env}stdbuf -oL dpdk-testpmd -l 0,1 -n 1 --no-telemetry"
                              f" {allow} {eal} -- -i --nb-cores=1 --total-num-mbufs=8192 {words} <>/tmp/in")
        self.port_of = {}
        self.note_ports(self.say("", r"Checking link statuses\.\.\.\s+Done", 240), macs)

    def note_ports(self, text, macs):
        """Its numbers for the ports with @macs, as it told them in @text."""
        self.port_of.update((m.lower(), int(n)) for n, m in re.findall(r"Port (\d): ([0-9A-F:]{17})", text))
        if not set(macs) <= set(self.port_of):
            raise lab.GuestError(f"testpmd has not the ports {macs}:\n{text[-3000:]}")

    def say(self, command, answer="", seconds=120):
        """Sends a line, waits until @answer is in what it printed since; returns that."""
        size = len(self.bg.output()) if command else 0
        if command:
            self.guest.ok(f"echo '{command}' >/tmp/in")
        end = time.monotonic() + seconds
        while not re.search(answer, (text := self.bg.output())[size:]):
            if time.monotonic() > end or self.bg.status() is not None:
                raise lab.GuestError(f"testpmd: {command!r}: no {answer!r}:\n{text[-3000:]}")
            time.sleep(0.5)
        return text[size:]

    def stats(self, ports):
        """(received, sent, missed) of each of @ports"""
        text = self.say("show port stats all", rf"(?s)for port {max(self.port_of.values())} .*?pps.*?####\n")
        parts = dict(re.findall(r"(?s)NIC statistics for port (\d)\s+#+\n(.*?)####\n", text))
        return [tuple(int(re.search(rf"{w}: +(\d+)", parts[str(p)])[1])
                      for w in ("RX-packets", "TX-packets", "RX-missed")) for p in ports]

    def quit(self):
        self.say("stop", "Done.")
        self.guest.ok("echo quit >/tmp/in")
        return self.bg.wait(60)


def pktgen(name, mac, dst, count, nic=None, words="window=256"):
    """A partition that sends @count frames to @dst as soon as its link is up."""
    return {"name": name, "memory": 64, "cmdline": f"app=pktgen dst={dst} size=64 count={count} {words}",
            "nics": [{"mac": mac, **(nic or {})}]}


def sink(name, mac, nic=None):
    return {"name": name, "cmdline": "app=sink", "memory": 64, "nics": [{"mac": mac, **(nic or {})}]}


def set_link(inst, name, word):
    nv.run(lab.NETHV, "nic", "set", f"{name}/0", "link", word, "--instance", inst.name)


def port(stats, name):
    """The switch's port @name."""
    return next(p for p in stats["switch"]["ports"] if p["name"] == name)


def is_whole(values, count):
    """A sink with @values has got @count frames, each once, in order."""
    return values["rx_packets"] == count and not any(
        values[k] for k in ("lost", "duplicated", "corrupted", "reordered"))
