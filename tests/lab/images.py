#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Initramfs images of the lab, made of static busybox, kernel modules and files of this machine. An image's
name carries a hash of all that went in, so it is made again only when that changed."""
import hashlib
import lzma
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
BUSYBOX = "/bin/busybox"


def output(*args):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True).stdout


class Kernel:
    """A kernel of the cache: where its parts are."""

    def __init__(self, cache, version):
        self.version = version
        self.dir = os.path.join(cache, "kernel-" + version)
        self.vmlinuz = os.path.join(self.dir, "vmlinuz")
        self.vmlinux = os.path.join(self.dir, "vmlinux")
        with open(os.path.join(self.dir, "release")) as f:
            self.release = f.read().strip()
        self.modules = os.path.join(self.dir, "lib/modules", self.release)

    def module_files(self, names):
        """Paths of the modules @names and of all they need, in the order of loading."""
        found = []
        for name in names:
            for line in output("modprobe", "-d", self.dir, "-S", self.release, "--show-depends",
                               name).splitlines():
                kind, *rest = line.split()
                if kind == "insmod" and rest[0] not in found:
                    found.append(rest[0])
        return found


class Archive:
    """A cpio archive in the "newc" form, put together in memory; owner is always root."""

    def __init__(self):
        self.entries = {}  # path: (mode, bytes)

    def folder(self, path, mode=0o755):
        if path and path not in self.entries:
            self.folder(os.path.dirname(path))
            self.entries[path] = (0o040000 | mode, b"")

    def add(self, path, data, mode=0o644):
        self.folder(os.path.dirname(path))
        self.entries[path] = (0o100000 | mode, data)

    def link(self, path, target):
        self.folder(os.path.dirname(path))
        self.entries[path] = (0o120777, target.encode())

    def copy(self, source, path=None, mode=None):
        with open(source, "rb") as f:
            data = f.read()
        self.add(path or source.lstrip("/"), data, mode or os.stat(source).st_mode & 0o777)

    def digest(self):
        h = hashlib.sha256()
        for path, (mode, data) in sorted(self.entries.items()):
            h.update(f"{path}\0{mode}\0{len(data)}\0".encode() + data)
        return h.hexdigest()[:12]

    @staticmethod
    def record(name, mode, data, ino):
        fields = [ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
        head += b"\0" * (-len(head) % 4)
        return head + data + b"\0" * (-len(data) % 4)

    def write(self, path):
        tmp = f"{path}.new{os.getpid()}"
        with open(tmp, "wb") as f:
            # Parents first: "a" sorts before "a/b".
            for ino, (name, (mode, data)) in enumerate(sorted(self.entries.items()), 1):
                f.write(self.record(name, mode, data, ino))
            f.write(self.record("TRAILER!!!", 0, b"", 0))
        os.rename(tmp, path)

    def store(self, cache, name):
        """Writes it as CACHE/images/NAME-HASH.cpio unless it is there, and removes older ones of that name."""
        folder = os.path.join(cache, "images")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, f"{name}-{self.digest()}.cpio")
        if not os.path.exists(path):
            self.write(path)
        os.utime(path)
        return path


def add_modules(ar, kernel, names, **parameters):
    """Plain .ko files and the list /modules of them: busybox insmod takes them as they are."""
    listed = []
    for source in kernel.module_files(names):
        with open(source, "rb") as f:
            data = f.read()
        base = os.path.basename(source)
        if base.endswith(".xz"):
            base, data = base[:-3], lzma.decompress(data)
        ar.add("mod/" + base, data)
        listed.append(f"mod/{base} {parameters.get(base[:-3], '')}")
    ar.add("modules", "\n".join(listed).encode() + b"\n")


def base(init):
    ar = Archive()
    for d in ("proc", "sys", "dev", "tmp", "run", "root", "bin"):
        ar.folder(d)
    ar.copy(BUSYBOX, "bin/busybox", 0o755)
    ar.link("bin/sh", "busybox")
    ar.copy(init, "init", 0o755)
    return ar


def l1(cache, kernel):
    ar = base(os.path.join(HERE, "l1/init"))
    add_modules(ar, kernel, ["virtio_pci", "9pnet_virtio", "9p", "overlay", "tun", "kvm-amd"],
                **{"kvm-amd": "nested=0"})  # nothing in L2 wants SVM
    return ar.store(cache, "l1-" + kernel.version)
