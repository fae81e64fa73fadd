# SPDX-License-Identifier: BSD-3-Clause
"""What scenarios with traffic share: pings and iperf3 runs between Linux guests and the root, whose
results are counts. A side is a lab Guest, or Root()."""
import contextlib
import re
import subprocess
import time


class Root:
    """The root partition's side of a TAP uplink, with what a Guest has."""

    name = "root"

    def __init__(self, iface=None, address=None):
        if not iface:
            return
        end = time.monotonic() + 20
        while self.run(f"ip link show {iface}")[0]:
            assert time.monotonic() < end, f"no {iface} in the root"
            time.sleep(0.1)
        self.ok(f"ip addr add {address} dev {iface} && ip link set {iface} up")

    def run(self, command, seconds=30):
        r = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=seconds + 15)
        return r.returncode, r.stdout

    def ok(self, command, seconds=30):
        status, text = self.run(command, seconds)
        assert status == 0, f"root: status {status} of: {command}\n{text}"
        return text

    def start(self, command):
        return RootJob(command)


class RootJob:
    def __init__(self, command):
        self.p = subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  start_new_session=True)

    def wait(self, seconds=60):
        text = self.p.communicate(timeout=seconds)[0]
        return self.p.returncode, text

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            subprocess.run(["kill", "-TERM", "--", f"-{self.p.pid}"], check=False)
        self.p.wait()


def ping(side, address, count=3, size=56, lost=0):
    """All but @lost of @count echoes come back, none twice."""
    text = side.run(f"ping -c {count} -s {size} -i 0.2 -W 10 {address}", 60)[1]
    found = re.search(r"(\d+) packets transmitted, (\d+) (?:packets )?received", text)
    assert found and int(found.group(2)) >= count - lost, f"{side.name}: ping {address}:\n{text}"
    assert "DUP" not in text, f"{side.name}: ping {address}:\n{text}"


class Result:
    """What iperf3 says at its end. TCP: sent, received, retransmits; UDP: packets, lost."""

    def __init__(self, text):
        part, self.sections = None, {}
        for key, value in re.findall(r'"(\w+)":\s*(\d+|\{)?', text):
            if value == "{":
                part = self.sections.setdefault(key, {})
            elif part is not None and value:
                part[key] = int(value)
        total = self.sections.get("sum", {})
        self.sent = self.sections.get("sum_sent", {}).get("bytes", 0)
        self.received = self.sections.get("sum_received", {}).get("bytes", 0)
        self.retransmits = self.sections.get("sum_sent", {}).get("retransmits", 0)
        self.packets, self.lost = total.get("packets", 0), total.get("lost_packets", 0)


SOCKET = 2**17  # bytes of a socket buffer; Linux takes twice what it is asked for
WANTED = r"\"(sum|sum_sent|sum_received|bytes|retransmits|packets|lost_packets)\""


def iperf(server, client, address, words, seconds=120):
    """One run of iperf3: @client, with @words, to @address of @server. @return: Result."""
    s = server.start("iperf3 -s -1")
    try:
        end = time.monotonic() + 30
        while server.run("grep -qi ':1451 [0-9A-F:]* 0A' /proc/net/tcp /proc/net/tcp6")[0]:
            assert time.monotonic() < end, f"{server.name}: iperf3 does not listen"
            time.sleep(0.1)
        file = f"/tmp/iperf.{client.name}"
        status, text = client.run(f"iperf3 -c {address} {words} -J >{file}; s=$?; [ $s = 0 ] || cat {file};"
                                  f" sed -n '/\"end\"/,$p' {file} | grep -oE '{WANTED}:\\s*([0-9]+|\\{{)'"
                                  "; exit $s", seconds)
        assert status == 0, f"{client.name} -> {server.name}: iperf3 {words}: status {status}\n{text}"
    finally:
        s.kill()
    return Result(text)


def tcp(server, client, address, megabytes=4, words=""):
    """What was sent arrives, and little is sent twice. @return: Result. What lies in the sockets when
    the sender is through is no longer counted, so they are small."""
    r = iperf(server, client, address, f"-n {megabytes}M -w {SOCKET // 2} {words}")
    segments = megabytes * 2**20 // 1448
    assert r.sent >= megabytes * 2**20, f"sent {r.sent} bytes of {megabytes} MiB"
    assert r.received >= r.sent - 2 * SOCKET - 2**17, f"received {r.received} bytes of {r.sent}"
    assert r.retransmits <= 10 + segments // 50, f"{r.retransmits} retransmits of {segments} segments"
    return r


def udp(server, client, address, megabytes=1, rate="10M", words=""):
    """Nearly all datagrams arrive: the receiving socket may drop a few when its reader does not run."""
    r = iperf(server, client, address, f"-u -b {rate} -l 1400 -n {megabytes}M {words}")
    want = megabytes * 2**20 // 1400
    assert r.packets >= want, f"{r.packets} datagrams of {want}"
    assert r.lost <= r.packets // 20, f"{r.lost} of {r.packets} datagrams lost"
    return r
