#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Real traffic through the offline bench: what ping, iperf3, curl, dig, a DHCP client and their servers say to
each other over a veth, captured by tcpdump, goes through extensions, ACLs, guards, VLANs and the overlay. What
leaves is compared with what tshark finds in what entered, and looked at by tshark again. Needs root for the
namespaces, the bench does not. Environment: NETHV_EXT (the program), EXTS (the folder of the tests'
extensions). Exit status 77: skipped, with a spoken reason."""
import collections
import contextlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

SKIP = 77
TOOLS = ["ip", "ethtool", "tcpdump", "tshark", "iperf3", "curl", "dig", "dnsmasq", "udhcpc", "ping"]
L, R = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
LV, RV = "02:00:00:00:00:1a", "02:00:00:00:00:1b"  # inside of the overlay
PER_PACKET = [o for k in ("ip.defragment", "ipv6.defragment", "tcp.desegment_tcp_streams",
                          "tcp.analyze_sequence_numbers") for o in ("-o", k + ":FALSE")]
SUMS = [o for k in ("ip", "tcp", "udp") for o in ("-o", f"{k}.check_checksum:TRUE")]
BAD = ("_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || "
       "udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0")
FAULTS = 0
VLANS = True  # the kernel has VLAN devices


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIP)


def inside():
    """Namespaces of our own, that go away with us."""
    if os.environ.get("PCAPS_INSIDE"):
        return
    if os.geteuid() != 0:
        skip("needs root for network namespaces")
    missing = [t for t in TOOLS if not shutil.which(t)]
    if missing:
        skip(f"these programs are missing: {' '.join(missing)}")
    if subprocess.run(["unshare", "--net", "--mount", "true"], stderr=subprocess.DEVNULL).returncode:
        skip("no right to make namespaces here")
    os.environ["PCAPS_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                          "--mount-proc", sys.executable, *sys.argv])


def run(*argv, check=True, timeout=120):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, argv))}: status {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout


def say(ok, what, more=""):
    global FAULTS
    FAULTS += not ok
    print(f"{'ok' if ok else 'FAIL'}: {what}{'' if ok else f': {more}'}", flush=True)


# ---- Traffic -------------------------------------------------------------------------------------

def left(*argv, **kw):
    return run("ip", "netns", "exec", "left", *argv, **kw)


@contextlib.contextmanager
def program(ns, *argv):
    p = subprocess.Popen(["ip", "netns", "exec", ns, *map(str, argv)], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield p
    finally:
        p.terminate()
        p.wait()


@contextlib.contextmanager
def capture(ns, dev, path):
    with program(ns, "tcpdump", "-i", dev, "-s", "0", "-U", "--immediate-mode", "-w", path):
        yield
        time.sleep(0.5)


def links():
    global VLANS
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    run("ip", "link", "set", "lo", "up")
    VLANS = not subprocess.run(["ip", "link", "add", "link", "lo", "name", "try", "type", "vlan", "id",
                                "10"], stderr=subprocess.DEVNULL).returncode
    for ns in ("left", "right"):
        run("ip", "netns", "add", ns)
    run("ip", "link", "add", "l0", "address", L, "netns", "left", "type", "veth", "peer", "name",
        "r0", "address", R, "netns", "right")
    for ns, dev, n in (("left", "l0", 1), ("right", "r0", 2)):
        def ip(*argv):
            run("ip", "-n", ns, *argv)
        ip("link", "set", "lo", "up")
        # Nobody sees frames with checksums that are still to be made, nor longer ones than a link has.
        run("ip", "netns", "exec", ns, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso",
            "off", "gro", "off")
        # A second address by router advertisements: iperf3 would answer from it.
        run("ip", "netns", "exec", ns, "sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{dev}/autoconf")
        ip("addr", "add", f"192.0.2.{n}/24", "dev", dev)
        ip("addr", "add", f"198.51.100.{n}/24", "dev", dev)
        ip("addr", "add", f"2001:db8::{n}/64", "dev", dev, "nodad")
        ip("link", "set", dev, "up")
        for vlan in (10, 20):
            on = f"v{vlan}" if VLANS else dev
            if VLANS:
                ip("link", "add", "link", dev, "name", on, "type", "vlan", "id", str(vlan))
            ip("addr", "add", f"10.{vlan}.0.{n}/24", "dev", on)
            ip("link", "set", on, "up")
        ip("link", "add", "vx0", "address", LV if n == 1 else RV, "type", "vxlan", "id", "42",
           "dstport", "4789", "remote", f"198.51.100.{3 - n}", "dev", dev)
        ip("addr", "add", f"10.42.0.{n}/24", "dev", "vx0")
        run("ip", "netns", "exec", ns, "ethtool", "-K", "vx0", "tx", "off", "tso", "off", "gso",
            "off", "gro", "off")
        ip("link", "set", "vx0", "up")
    time.sleep(2)  # link-local addresses


def iperf(to, *how):
    with program("right", "iperf3", "-s", "-1"):
        left("iperf3", "-c", to, *how)


def base(tmp):
    www = tmp / "www"
    www.mkdir()
    (www / "file").write_bytes(bytes(range(256)) * 1200)
    with contextlib.ExitStack() as s:
        s.enter_context(program("right", "python3", "-m", "http.server", "8000", "-d", www, "-b",
                                "::"))
        s.enter_context(capture("left", "l0", tmp / "base.pcap"))
        s.enter_context(program("right", "dnsmasq", "-k", "--conf-file=/dev/null", "--no-resolv",
                                "--no-hosts", "--user=root", "--interface=r0", "--except-interface=lo",
                                "--bind-interfaces", "--address=/example.test/192.0.2.80",
                                "--address=/example.test/2001:db8::80",
                                "--dhcp-range=192.0.2.100,192.0.2.110,1h",
                                "--dhcp-range=2001:db8::,ra-only", "--enable-ra",
                                f"--dhcp-leasefile={tmp}/leases", "--pid-file="))
        for to in ("192.0.2.2", "2001:db8::2"):
            left("ping", "-c", 3, "-i", 0.2, to)
            left("ping", "-c", 2, "-i", 0.2, "-s", 4000, to)
            iperf(to, "-n", "300K")
            iperf(to, "-u", "-b", "4M", "-n", "100K")
        for host in ("192.0.2.2", "[2001:db8::2]"):
            got = subprocess.run(["ip", "netns", "exec", "left", "curl", "-sg", f"http://{host}:8000/file"],
                                 capture_output=True, timeout=60, check=True).stdout
            assert got == (www / "file").read_bytes()
        assert "192.0.2.80" in left("dig", "@192.0.2.2", "example.test", "A")
        assert "2001:db8::80" in left("dig", "@2001:db8::2", "example.test", "AAAA")
        left("udhcpc", "-i", "l0", "-n", "-q", "-s", "/bin/true")
        time.sleep(1)


def vlan(tmp):
    """Without VLAN devices in the kernel the tags are put in here, by subnet."""
    pcap = tmp / "vlan.pcap"
    with capture("left", "l0", pcap):
        for to in ("10.10.0.2", "10.20.0.2"):
            left("ping", "-c", 3, "-i", 0.2, to)
            left("ping", "-c", 1, "-s", 3000, to)
    if VLANS:
        return
    print("this kernel has no VLAN devices: tags are put in by the test")
    some = []
    for vid, net in ((10, "10.10.0.0/16"), (20, "10.20.0.0/16")):
        some += [(t, b[:12] + struct.pack("!HH", 0x8100, vid) + b[12:]) for t, b in
                 pick(pcap, f"ip.addr == {net} || arp.dst.proto_ipv4 == {net}")]
    write(pcap, sorted(some))


def vxlan(tmp):
    with capture("left", "l0", tmp / "vxlan.pcap"), \
            capture("right", "vx0", tmp / "inner.pcap"):
        left("ping", "-c", 3, "-i", 0.2, "10.42.0.2")
        left("ping", "-c", 1, "-s", 3000, "10.42.0.2")
        iperf("10.42.0.2", "-n", "200K")
        iperf("10.42.0.2", "-n", "100K", "-R")


# ---- Packets -------------------------------------------------------------------------------------

def frames(path):
    """[(time in ns, bytes)] of a pcap, of microseconds or nanoseconds."""
    data, at, out = pathlib.Path(path).read_bytes(), 24, []
    scale = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}[struct.unpack_from("<I", data)[0]]
    while at < len(data):
        s, f, n, _ = struct.unpack_from("<IIII", data, at)
        out.append((s * 10**9 + f * scale, data[at + 16:at + 16 + n]))
        at += 16 + n
    return out


def raw(path):
    return [b for _, b in frames(path)]


def write(path, some):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for ts, b in some:
            f.write(struct.pack("<IIII", ts // 10**9, ts % 10**9, len(b), len(b)) + b)
    return path


def tshark(path, flt, *fields):
    """Lines of the packets that match."""
    fields = [a for f in fields or ["frame.number"] for a in ("-e", f)]
    return run("tshark", "-n", "-r", path, *PER_PACKET, *SUMS, "-Y", flt, "-T", "fields",
               *fields).splitlines()


def pick(path, flt):
    """The packets of a pcap that match, as [(time, bytes)]."""
    all_, nr = frames(path), {int(n) for n in tshark(path, flt)}
    return [f for i, f in enumerate(all_, 1) if i in nr]


def bench(*args):
    done = subprocess.run([os.environ["NETHV_EXT"], "test", *map(str, args), "--json", "--repeat", "1"],
                          capture_output=True, text=True, timeout=120)
    if not done.stdout:
        raise AssertionError(f"nethv ext test {args}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def drops(r):
    return {d["reason"]: d["packets"] for d in r["drops"]}


def good(path, what):
    bad = tshark(path, BAD, "frame.number", "frame.protocols")
    say(not bad, f"{what}: tshark finds nothing wrong", bad[:5])


def compare(got, want, what):
    """Every frame that should have left did, in that order, and no other."""
    got, want = list(got), list(want)
    more = collections.Counter(got) - collections.Counter(want)
    less = collections.Counter(want) - collections.Counter(got)
    say(got == want and len(want) > 0, f"{what}: {len(want)} frames",
        f"{len(got)} frames, {sum(more.values())} too many, {sum(less.values())} missing, "
        f"first too many {[b.hex() for b in more][:1]}, first missing {[b.hex() for b in less][:1]}")


# ---- Through the bench ---------------------------------------------------------------------------

def has_everything(tmp):
    """A test that meets none of its kind shows nothing."""
    pcap = tmp / "base.pcap"
    for flt in ("arp", "icmp.type == 8", "icmpv6.type == 128", "icmpv6.type == 134", "icmpv6.type == 135",
                "tcp.port == 5201 && ip", "tcp.port == 5201 && ipv6", "udp.dstport == 5201 && ip",
                "udp.dstport == 5201 && ipv6", "http.request || tcp.dstport == 8000",
                "dns.flags.response == 1", "udp.srcport == 67", "ip.frag_offset > 0",
                "ipv6.fraghdr.offset > 0"):
        say(bool(tshark(pcap, flt)), f"captured: {flt}")


def through_extensions(tmp):
    exts = pathlib.Path(os.environ["EXTS"])
    for so in ("capture", "filter", "forward"):
        rc, r = bench(exts / f"{so}.so", "--by-mac", "--in", tmp / "base.pcap", "--out",
                      tmp / "out.pcap")
        say(rc == 0 and not r["drops"], f"{so}: nothing is dropped", r["drops"])
        compare(raw(tmp / "out.pcap"), raw(tmp / "base.pcap"), so)
        good(tmp / "out.pcap", so)


def switch(tmp, text, *args):
    """The two sides of a capture through the switch of a configuration; what left at each."""
    conf = tmp / "conf.yaml"
    conf.write_text(text)
    outs = [a for p in ("a/0", "b/0") for a in ("--out-port", f"{p}={tmp}/{p[0]}.out.pcap")]
    rc, r = bench("--switch", conf, *args, *outs)
    say(rc == 0 and r["balanced"], "the switch's books balance", r)
    return r, raw(tmp / "a.out.pcap"), raw(tmp / "b.out.pcap")


def sides(tmp, pcap):
    return ("--port", f"a/0={write(tmp / 'a.pcap', pick(pcap, f'eth.src == {L}'))}",
            "--port", f"b/0={write(tmp / 'b.pcap', pick(pcap, f'eth.src == {R}'))}")


def acl(tmp):
    pcap = tmp / "base.pcap"
    r, a, b = switch(tmp, f"""
name: acl
partitions:
  - name: a
    nics:
      - mac: {L}
        acl:
          - {{way: in, action: deny, proto: tcp, dport: 8000}}
          - {{way: in, action: deny, proto: icmp, icmp_type: 8}}
          - {{way: out, action: deny, src: "2001:db8::2", proto: udp, sport: 53}}
  - {{name: b, nics: [{{mac: "{R}"}}]}}
""", *sides(tmp, pcap))
    denied = f"eth.src == {L} && (tcp.dstport == 8000 || icmp.type == 8 || " \
             "(ip.proto == 1 && ip.frag_offset > 0))"
    late = f"eth.src == {R} && ipv6.src == 2001:db8::2 && udp.srcport == 53"
    compare(b, [f for _, f in pick(pcap, f"eth.src == {L} && !({denied})")], "ACL, ingress")
    compare(a, [f for _, f in pick(pcap, f"eth.src == {R} && !({late})")], "ACL, egress")
    nr = len(tshark(pcap, denied)) + len(tshark(pcap, late))
    say(drops(r) == {"acl_denied": nr} and nr > 10, f"ACL: {nr} drops have their reason", drops(r))
    good(tmp / "b.out.pcap", "ACL")


def connections(tmp):
    """Only what the left side began with TCP to port 5201, and its answers."""
    pcap = tmp / "base.pcap"
    r, a, b = switch(tmp, f"""
name: stateful
partitions:
  - name: a
    nics:
      - mac: {L}
        acl: [{{way: in, action: permit, proto: tcp, dport: 5201, stateful: true}}]
        acl_default: {{in: deny, out: deny}}
  - {{name: b, nics: [{{mac: "{R}"}}]}}
""", *sides(tmp, pcap))
    compare(b, [f for _, f in pick(pcap, f"eth.src == {L} && (arp || tcp.dstport == 5201)")],
            "connections, there")
    compare(a, [f for _, f in pick(pcap, f"eth.src == {R} && (arp || tcp.srcport == 5201)")],
            "connections, back")
    say(not tshark(tmp / "a.out.pcap", "!(tcp.srcport == 5201) && !arp"),
        "connections: tshark sees nothing else")


def guards(tmp):
    pcap = tmp / "base.pcap"
    r, a, _ = switch(tmp, f"""
name: guards
partitions:
  - {{name: a, nics: [{{mac: "{L}"}}]}}
  - {{name: b, nics: [{{mac: "{R}", guards: [dhcp, router]}}]}}
""", *sides(tmp, pcap))
    dhcp = f"eth.src == {R} && udp.srcport == 67"
    ra = f"eth.src == {R} && (icmpv6.type == 134 || icmpv6.type == 137)"
    compare(a, [f for _, f in pick(pcap, f"eth.src == {R} && !({dhcp}) && !({ra})")], "guards")
    say(drops(r) == {"dhcp_guard": len(tshark(pcap, dhcp)), "router_guard": len(tshark(pcap, ra))},
        "guards: drops have their reasons", drops(r))
    say(not tshark(tmp / "a.out.pcap", "dhcp.option.dhcp || icmpv6.type == 134"),
        "guards: tshark sees no server and no router")


def untag(b):
    return b[:12] + b[16:]


def vlans(tmp):
    """The left side is a trunk with VLAN 10, the right one an access port of it."""
    pcap = tmp / "vlan.pcap"
    ten = [f for f in pick(pcap, f"eth.src == {R} && vlan.id == 10")]
    there = write(tmp / "a.pcap", pick(pcap, f"eth.src == {L} && vlan"))
    back = write(tmp / "b.pcap", [(t, untag(b)) for t, b in ten])
    r, a, b = switch(tmp, f"""
name: vlans
partitions:
  - {{name: a, nics: [{{mac: "{L}", vlan: {{mode: trunk, allowed: [10]}}}}]}}
  - {{name: b, nics: [{{mac: "{R}", vlan: {{pvid: 10}}}}]}}
""", "--port", f"a/0={there}", "--port", f"b/0={back}")
    compare(b, [untag(f) for _, f in pick(pcap, f"eth.src == {L} && vlan.id == 10")],
            "from trunk to access")
    compare(a, [f for _, f in ten], "from access to trunk")
    nr = len(tshark(pcap, f"eth.src == {L} && vlan.id == 20"))
    say(drops(r) == {"vlan_denied": nr} and nr > 0, f"VLAN 20 is denied, {nr} times", drops(r))
    say(not tshark(tmp / "b.out.pcap", "vlan") and not tshark(tmp / "a.out.pcap", "!(vlan.id == 10)"),
        "tshark sees tags on the trunk only")
    good(tmp / "b.out.pcap", "VLAN")


def overlay(tmp):
    """The left side's VXLAN comes in by the uplink; the right side is a partition's port, and back."""
    outer, inner = tmp / "vxlan.pcap", tmp / "inner.pcap"
    conf = tmp / "conf.yaml"
    conf.write_text(f"""
name: overlay
switch:
  overlay:
    uplink: up
    local: 198.51.100.2/24
    mac: {R}
    subnets:
      - {{vsid: 42, ports: [vm/0], remotes: [{{vtep: 198.51.100.1, next_hop_mac: "{L}"}}]}}
uplinks: [{{name: up, devargs: net_null0}}]
partitions: [{{name: vm, nics: [{{mac: "{RV}", mtu: 1450}}]}}]
""")
    from_left = pick(outer, f"eth.src == {L} && vxlan && ip.frag_offset == 0")
    from_right = pick(inner, f"eth.src == {RV}")
    rc, r = bench("--switch", conf, "--port", f"up={write(tmp / 'up.pcap', from_left)}", "--port",
                  f"vm/0={write(tmp / 'vm.pcap', from_right)}", "--out-port", f"up={tmp}/up.out.pcap",
                  "--out-port", f"vm/0={tmp}/vm.out.pcap")
    say(rc == 0 and r["balanced"] and not r["drops"], "overlay: nothing is lost", r["drops"])
    compare(raw(tmp / "vm.out.pcap"), [b[50:] for _, b in from_left], "out of the tunnel")
    good(tmp / "vm.out.pcap", "out of the tunnel")
    sent = raw(tmp / "up.out.pcap")
    compare([b[50:] for b in sent], [b for _, b in from_right], "into the tunnel")
    good(tmp / "up.out.pcap", "into the tunnel")
    ours = f"eth.src == {R} && eth.dst == {L} && ip.src == 198.51.100.2 && ip.dst == 198.51.100.1 " \
           "&& udp.dstport == 4789 && vxlan.vni == 42 && vxlan.flag_i == 1"
    say(len(tshark(tmp / "up.out.pcap", ours)) == len(sent), "tshark sees VXLAN with VNI 42",
        f"{len(tshark(tmp / 'up.out.pcap', ours))} of {len(sent)}")
    ports = set(tshark(tmp / "up.out.pcap", "vxlan && tcp", "udp.srcport"))
    say(len(ports) >= 2, f"flows have {len(ports)} source ports", ports)


def main():
    inside()
    with tempfile.TemporaryDirectory() as t:
        tmp = pathlib.Path(t)
        tmp.chmod(0o755)
        links()
        for make in (base, vlan, vxlan):
            make(tmp)
        for look in (has_everything, through_extensions, acl, connections, guards, vlans, overlay):
            look(tmp)
    print(f"{FAULTS} failed")
    return 1 if FAULTS else 0


sys.exit(main())
