#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Numbered frames for the guest application `revoke` (guest/apps/revoke.h), a burst again and again, until SIGTERM; then
it prints how many went out. Nobody tells it to be slower.
    flood.py IFACE ADDRESS SIZE PAUSE      SIZE: bytes without FCS; PAUSE: milliseconds between bursts"""
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

BURST = 32
HEAD = 14 + 8
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
BYTES = bytes(range(256)) * 40


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(Iovec)),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("len", ctypes.c_uint32)]


class Burst:
    """BURST frames in memory that sendmmsg() takes."""

    def __init__(self, head, size):
        self.size = size
        self.mem = ctypes.create_string_buffer(BURST * size)
        self.at = ctypes.addressof(self.mem)
        self.iov = (Iovec * BURST)(*[Iovec(self.at + i * size, size) for i in range(BURST)])
        self.msg = (Mmsghdr * BURST)(*[Mmsghdr(iov=ctypes.pointer(self.iov[i]), iovlen=1) for i in range(BURST)])
        for i in range(BURST):
            ctypes.memmove(self.at + i * size, head, len(head))

    def number(self, first):
        for i in range(BURST):
            n = first + i
            start = (n + 1) % 256
            body = n.to_bytes(8, "big") + BYTES[start:start + self.size - HEAD]
            ctypes.memmove(self.at + i * self.size + 14, body, len(body))


def main(iface, mac, size, pause):
    libc = ctypes.CDLL(None, use_errno=True)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((iface, 0))
    sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    own = sock.getsockname()[4]
    burst = Burst(bytes.fromhex(mac.replace(":", "")) + own + b"\x88\xb5", int(size))
    ended, number, sent = [], 1, 0
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    while not ended:
        burst.number(number)
        number += BURST
        n = libc.sendmmsg(sock.fileno(), burst.msg, BURST, 0)
        if n > 0:
            sent += n  # the rest had no room: it is lost
        elif ctypes.get_errno() not in (11, 105, 4):  # EAGAIN, ENOBUFS, EINTR
            sys.exit(f"sendmmsg: {os.strerror(ctypes.get_errno())}")
        time.sleep(float(pause) / 1000)
    print(sent)


class Flood:
    """A process that does it; @ns: in that namespace."""

    def __init__(self, iface, mac, size, pause, ns=None):
        words = ["ip", "netns", "exec", ns] if ns else []
        self.p = subprocess.Popen([*words, sys.executable, os.path.abspath(__file__), iface, mac, str(size),
                                   str(pause)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        return self

    def end(self):
        """How many frames it sent."""
        self.p.terminate()
        text = self.p.communicate(timeout=60)[0]
        if self.p.returncode:
            raise AssertionError(f"the sender ended with {self.p.returncode}: {text}")
        return int(text)

    def __exit__(self, *what):
        if self.p.poll() is None:
            self.p.kill()
            self.p.communicate()


if __name__ == "__main__":
    main(*sys.argv[1:])
