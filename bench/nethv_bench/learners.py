# SPDX-License-Identifier: BSD-3-Clause
"""Switches that learn addresses, with three ports: one to send from, one to learn at, and one to listen at, at which no
address is. Both have a table of so many addresses as --table says, and forget nothing of themselves meanwhile.

    learner(o, work)   a context: what has a generator `g` as soon as forget() has made the switch forget all addresses"""
import contextlib
import time

from .generator import MAC_A, MAC_B, STD_FRAME, generator
from .peers import PACKED, ovs_between, virtio_user
from .process import run
from .systems import Nethv, all_run

MAC_LISTENS = "02:00:01:00:00:01"  # not among those of either side, which differ in the last three bytes
FLOWS_MAX = 2_000_000              # of OVS's datapath: each address is one

CONFIG = """\
name: {name}
engine: {engine}
switch: {{lcores: [{a}], poll: busy, fdb_size: {table}}}
partitions:
  - name: guest
    cpus: [{b}]
    memory: 128
    cmdline: "{cmdline}"
    nics:
"""
NIC = '      - {{mac: "{mac}", channels: 1, allow_spoofing: true, vlan: {{mode: access, pvid: 100}}}}\n'


class NethvLearner(Nethv):
    def config(self, o, name, frame, cmdline):
        top = CONFIG.format(name=name, engine=o.engine, a=o.core_a, b=o.core_b, table=o.table, cmdline=cmdline)
        return top + "".join(NIC.format(mac=mac) for mac in (MAC_A, MAC_B, MAC_LISTENS))

    @contextlib.contextmanager
    def learner(self, o, work):
        with NethvAnew(self, o, work) as l:
            yield l


class NethvAnew(contextlib.ExitStack):
    """What an adapter's switch learned stays as long as the adapter, so another instance begins with each forgetting."""

    def __init__(self, system, o, work):
        super().__init__()
        self.system, self.o, self.work = system, o, work

    def forget(self):
        self.close()
        self.g = self.enter_context(self.system.instance(self.o, self.work, STD_FRAME,
                                                         "app=trial nics=0,1,2 poll=1 promiscuous=1"))
        self.g.until(all_run)


class OvsLearner:
    @contextlib.contextmanager
    def learner(self, o, work):
        vdevs = [virtio_user(work, i, PACKED, mac) for i, mac in enumerate((MAC_A, MAC_B, MAC_LISTENS))]
        with ovs_between(o, work, STD_FRAME, ports=3) as ctl:
            run(*ctl, "set", "bridge", "br0", f"other-config:mac-table-size={o.table}", "--", "set", "Open_vSwitch", ".",
                f"other_config:flow-limit={FLOWS_MAX}")
            with generator(o, work, vdevs, STD_FRAME) as g:
                time.sleep(0.5)  # for the rings to be found
                yield OvsFlushed(g, work + "/vs.ctl")


class OvsFlushed:
    def __init__(self, g, ctl):
        self.g, self.ctl = g, ctl

    def forget(self):
        """A flow of the datapath knows where its address is, too."""
        for words in (("fdb/flush", "br0"), ("dpctl/del-flows",)):
            run("ovs-appctl", "-t", self.ctl, *words)


LEARNERS = {"nethv": NethvLearner(), "ovs-dpdk packed": OvsLearner()}
