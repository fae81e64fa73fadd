#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Numbered frames for the guest application `revoke` (guest/apps/revoke.h), a burst again and again, until SIGTERM; then
it prints how many went out. Nobody tells it to be slower.
    flood.py IFACE ADDRESS SIZE PAUSE      SIZE: bytes without FCS; PAUSE: milliseconds between bursts"""
import ctypes
import os
import signal
import socket
import struct
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


class Frames:
    """As many frames in memory as there are different bodies, in bursts that sendmmsg() takes: only the numbers change."""
    KINDS = 256

    def __init__(self, head, size):
        self.mem = ctypes.create_string_buffer(self.KINDS * size)
        at = ctypes.addressof(self.mem)
        self.iov = (Iovec * self.KINDS)(*[Iovec(at + i * size, size) for i in range(self.KINDS)])
        self.msg = (Mmsghdr * self.KINDS)(*[Mmsghdr(iov=ctypes.pointer(self.iov[i]), iovlen=1) for i in range(self.KINDS)])
        self.offsets = [i * size + len(head) for i in range(self.KINDS)]
        for i in range(self.KINDS):
            body = BYTES[(i + 1) % 256:][:size - HEAD]
            ctypes.memmove(at + i * size, head + bytes(8) + body, size)

    def burst(self, first):
        """The frames numbered from @first on, a multiple of BURST."""
        start = first % self.KINDS
        for i in range(BURST):
            struct.pack_into(">Q", self.mem, self.offsets[start + i], first + i)
        return ctypes.byref(self.msg[start])


def main(iface, mac, size, pause):
    libc = ctypes.CDLL(None, use_errno=True)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((iface, 0))
    sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    own = sock.getsockname()[4]
    frames = Frames(bytes.fromhex(mac.replace(":", "")) + own + b"\x88\xb5", int(size))
    ended, number, sent = [], BURST, 0
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    while not ended:
        n = libc.sendmmsg(sock.fileno(), frames.burst(number), BURST, 0)
        number += BURST
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
