#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Images of the lab: initramfs of L1 and of L2, and L2's disk, made of busybox, kernel modules and a Debian
root file system. An image's name carries a hash of what went in, so it is made only when that changed."""
import functools
import hashlib
import lzma
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUSYBOX = "/bin/busybox"
# What child partitions load, or may be asked to. ahci: for a plain QEMU that stands in for us.
L2_MODULES = ("hv_vmbus", "hv_netvsc", "hv_utils", "hv_storvsc", "pci-hyperv", "uio_hv_generic",
              "uio_pci_generic", "8021q", "sd_mod", "ext4", "overlay", "igbvf", "msr", "ahci")
# Programs of the initramfs besides busybox, out of the cache's guest-root.
L2_TOOLS = ("usr/bin/iperf3", "usr/bin/ping", "usr/bin/tcpdump", "usr/sbin/ethtool", "usr/bin/ip",
            "usr/sbin/tc", "usr/sbin/bridge", "usr/bin/dash", "usr/bin/kmod", "usr/sbin/hv_kvp_daemon")
ACCOUNTS = b"root:x:0:0::/root:/bin/sh\ntcpdump:x:100:100::/:/bin/false\n"
GROUPS = b"root:x:0:\ntcpdump:x:100:\n"
# Called by the kernel too, when the host asks for an orderly end; no service manager to tell.
POWER = "#!/bin/sh\nsync\necho {} >/proc/sysrq-trigger\nsleep 60\n"


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
        lines = output("modprobe", "-d", self.dir, "-S", self.release, "--show-depends", "-a",
                       *names).splitlines()
        return list(dict.fromkeys(l.split()[1] for l in lines if l.startswith("insmod ")))

    def module_data(self, names):
        """(path below lib/modules/RELEASE, plain content) of each."""
        for source in self.module_files(names):
            with open(source, "rb") as f:
                data = f.read()
            name = os.path.relpath(source, self.modules)
            yield (name[:-3], lzma.decompress(data)) if name.endswith(".xz") else (name, data)

    def module_tree(self, names):
        """Files of a lib/modules/RELEASE with these modules alone, as {path: content}."""
        with tempfile.TemporaryDirectory() as top:
            root = os.path.join(top, "lib/modules", self.release)
            for name, data in self.module_data(names):
                os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
                with open(os.path.join(root, name), "wb") as f:
                    f.write(data)
            for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
                shutil.copy(os.path.join(self.modules, name), root)
            subprocess.run(["depmod", "-b", top, self.release], check=True)
            found = {}
            for folder, _, files in os.walk(root):
                for name in files:
                    with open(os.path.join(folder, name), "rb") as f:
                        found[os.path.relpath(os.path.join(folder, name), top)] = f.read()
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
        """Writes it as CACHE/images/NAME-HASH.cpio unless it is there."""
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
    for path, data in kernel.module_data(names):
        name = os.path.basename(path)
        ar.add("mod/" + name, data)
        listed.append(f"mod/{name} {parameters.get(name[:-3], '')}")
    ar.add("modules", "\n".join(listed).encode() + b"\n")


def base(init):
    """What every initramfs of ours begins with."""
    ar = Archive()
    for d in ("proc", "sys", "dev", "tmp", "run", "root", "bin"):
        ar.folder(d)
    ar.copy(BUSYBOX, "bin/busybox", 0o755)
    ar.copy(init, "init", 0o755)
    return ar


def dmar_with_rmrr():
    """A DMAR table for the kernel to take in place of QEMU's: its unit, and 4 KiB of the firmware's memory that
    the device in the first port, slot 3 of bus 0, is to reach (VT-d spec §8.1 to §8.4)."""
    ioapic = struct.pack("<BBHBBBB", 3, 8, 0, 0, 0xff, 0, 0)
    unit = struct.pack("<HHBBHQ", 0, 16 + len(ioapic), 1, 0, 0, 0xfed90000) + ioapic
    device = struct.pack("<BBHBBBBBB", 1, 10, 0, 0, 0, 3, 0, 0, 0)
    rmrr = struct.pack("<HHHHQQ", 1, 24 + len(device), 0, 0, 0x7ffff000, 0x7fffffff) + device
    body = struct.pack("<BB10x", 47, 1) + unit + rmrr
    # The same names as QEMU's, and newer.
    table = struct.pack("<4sIBB6s8sI4sI", b"DMAR", 36 + len(body), 1, 0, b"BOCHS ", b"BXPC    ", 2, b"BXPC", 1)
    table += body
    return table[:9] + bytes([-sum(table) & 0xff]) + table[10:]


def l1(cache, kernel, has_rmrr=False):
    ar = base(os.path.join(HERE, "l1/init"))
    add_modules(ar, kernel, ["virtio_pci", "9pnet_virtio", "9p", "overlay", "tun", "kvm-amd"],
                **{"kvm-amd": "nested=0"})  # nothing in L2 wants SVM
    if has_rmrr:
        ar.add("kernel/firmware/acpi/dmar.aml", dmar_with_rmrr())
    return ar.store(cache, "l1-" + kernel.version)


def libraries(root, program):
    """Shared libraries that @program of the root file system @root needs, as (path in it, path here)."""
    text = output(os.path.join(root, "lib64/ld-linux-x86-64.so.2"), "--library-path",
                  os.path.join(root, "usr/lib/x86_64-linux-gnu"), "--list", os.path.join(root, program))
    for line in text.splitlines():
        here = next((w for w in line.split() if w.startswith("/")), None)
        if here:
            name = os.path.basename(here)
            yield ("lib64/" if name.startswith("ld-") else "lib/x86_64-linux-gnu/") + name, here


def l2(cache, kernel):
    root = os.path.join(cache, "guest-root")
    ar = base(os.path.join(HERE, "l2/init"))
    for applet in output(BUSYBOX, "--list").split():
        if applet not in {"busybox", "sh", "poweroff", "reboot", "halt", *map(os.path.basename, L2_TOOLS)}:
            ar.link("bin/" + applet, "busybox")
    for path, data in kernel.module_tree(L2_MODULES).items():
        ar.add(path, data)
    for program in L2_TOOLS:
        ar.copy(os.path.join(root, program), program, 0o755)
        for path, here in libraries(root, program):
            ar.copy(here, path, 0o755)
    # Not busybox's shell, which prefers its own applets to any program in PATH.
    ar.link("bin/sh", "../usr/bin/dash")
    for name in ("modprobe", "rmmod", "insmod", "lsmod", "modinfo"):
        ar.link("usr/sbin/" + name, "../bin/kmod")
    ar.link("sbin/modprobe", "../usr/bin/kmod")  # where the kernel looks
    for path, (data, mode) in extras().items():
        ar.add(path, data, mode)
    ar.add("etc/passwd", ACCOUNTS)
    ar.add("etc/group", GROUPS)
    ar.copy(os.path.join(root, "etc/os-release"), "etc/os-release")
    return ar.store(cache, "l2-" + kernel.version)


@functools.lru_cache
def compiled(source, *flags):
    """What the compiler makes of our l2/@source."""
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "out")
        subprocess.run(["cc", "-O2", "-s", "-Wl,--build-id=none", *flags, "-o", out,
                        os.path.join(HERE, "l2", source)], check=True)
        with open(out, "rb") as f:
            return f.read()


PROGRAMS = ("talk", "numbered", "steady", "frames", "dma")


def extras():
    """Our own files in every L2, as {path: (content, mode)}."""
    with open(os.path.join(HERE, "l2/agent"), "rb") as f:
        found = {"sbin/lab-agent": (f.read(), 0o755),
                 "usr/lib/rmv.so": (compiled("rmv.c", "-shared", "-fPIC", "-D_GNU_SOURCE"), 0o644)}
    found.update(("usr/bin/" + name, (compiled(name + ".c", "-static"), 0o755)) for name in PROGRAMS)
    for name, key in (("poweroff", "o"), ("halt", "o"), ("reboot", "b")):
        found["sbin/" + name] = (POWER.format(key).encode(), 0o755)
    return found


def fill_tree(top, files):
    for path, (data, mode) in files.items():
        # Replaced, never written into: the tree's files are links to those of the cache.
        path = os.path.join(os.path.realpath(os.path.join(top, os.path.dirname(path))),
                            os.path.basename(path))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.remove(path)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)


def disk(cache, kernels):
    """A raw ext4 image of guest-root with the modules of all @kernels: /sbin/lab-init is its first program;
    /boot has each kernel and its initramfs, for kexec."""
    root = os.path.join(cache, "guest-root")
    files = extras()
    with open(os.path.join(HERE, "l2/init"), "rb") as f:
        files["sbin/lab-init"] = (f.read(), 0o755)
    for kernel in kernels:
        files.update((p, (d, 0o644)) for p, d in kernel.module_tree(L2_MODULES).items())
        for path, name in ((kernel.vmlinuz, "vmlinuz-"), (l2(cache, kernel), "initrd-")):
            with open(path, "rb") as f:
                files[f"boot/{name}{kernel.version}"] = (f.read(), 0o644)
    h = hashlib.sha256(str(os.stat(root).st_ctime_ns).encode())
    for path, (data, mode) in sorted(files.items()):
        h.update(f"{path}\0{mode}\0{len(data)}\0".encode() + data)
    return ext4(cache, "disk", "root", root, files, h)


def ext4(cache, name, label, root, files, h):
    """The image of the folder @root with @files in it; @h: a hash of all that is in it."""
    image = os.path.join(cache, "images", f"{name}-{h.hexdigest()[:12]}.img")
    if not os.path.exists(image):
        with tempfile.TemporaryDirectory(dir=cache, prefix=".new-disk-") as tmp:
            tree = os.path.join(tmp, "tree")
            subprocess.run(["cp", "-al", root, tree], check=True)
            fill_tree(tree, files)
            made = os.path.join(tmp, "disk.img")
            subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", tree, made, "1536M"],
                           check=True)
            os.rename(made, image)
    os.utime(image)
    return image


def dpdk(cache):
    """A raw ext4 image, labelled dpdk, of dpdk-root: to be mounted in a guest."""
    root = os.path.join(cache, "dpdk-root")
    return ext4(cache, "dpdk", "dpdk", root, {}, hashlib.sha256(str(os.stat(root).st_ctime_ns).encode()))


def prune(cache, days=3):
    """Images that nobody used for a while."""
    folder = os.path.join(cache, "images")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.stat(path).st_mtime < time.time() - days * 86400:
            os.remove(path)


if __name__ == "__main__":  # images.py CACHE VERSION…: paths of L2's images
    which = [Kernel(sys.argv[1], v) for v in sys.argv[2:]]
    print("\n".join([l2(sys.argv[1], k) for k in which] + [disk(sys.argv[1], which)]))
