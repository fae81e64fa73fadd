# SPDX-License-Identifier: BSD-3-Clause
"""For scenarios in Python, which run in L1: results, nethv instances with Linux guests in them, and a
QEMU that stands in for nethv where the lab itself is under test. See docs/lab.md.

    import lab
    with lab.Instance([lab.linux("a", ip="eth0:10.0.0.1/24"),
                       lab.linux("b", ip="eth0:10.0.0.2/24")]) as inst:
        a = inst.guest("a")
        with lab.case("ping"):
            a.ok("ping -c 3 10.0.0.2")
    lab.finish()
"""
import contextlib
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integ")]
import nv  # noqa: E402
from guest import Guest, GuestError, GuestHung, connect  # noqa: E402,F401

CACHE = os.environ["LAB_CACHE"]
OUT = os.environ["LAB_OUT"]
BUILD = os.environ["NETHV_BUILD"]
NETHV = nv.NETHV

faulthandler.enable()
bad = 0
guests = []  # whose consoles are shown when something fails
instances = []  # that run


# --- results --------------------------------------------------------------------------------------

def say(line):
    print(line, flush=True)


def ok(name):
    say(f"ok {name}")


def not_ok(name, why):
    global bad
    bad += 1
    say(f"not ok {name} - {str(why).splitlines()[0] if str(why) else 'no reason given'}")


def skip(name, why):
    say(f"skip {name} - {why}")


def chosen(names):
    """Those of @names that LAB_ONLY asks for: all, if it is not set."""
    only = os.environ.get("LAB_ONLY")
    return [n for n in names if n in only.split(",")] if only else list(names)


TRACING = "/sys/kernel/tracing"


def tracing(word):
    with open(f"{TRACING}/tracing_on", "w") as f:
        f.write(word)


def trace_begin():
    """With LAB_TRACE set, L1's KVM keeps its last events, which machine() leaves in the file "trace"; or
    those that led to a triple fault, or to an access far beyond the memory that guests here have."""
    for name, value in (("buffer_size_kb", "8192"), ("events/kvm/enable", "1"),
                        ("events/kvm/kvm_exit/trigger", "traceoff if exit_reason == 0x7f"),
                        ("events/kvm/kvm_page_fault/trigger", "traceoff if fault_address >= 0x100000000")):
        with open(f"{TRACING}/{name}", "w") as f:
            f.write(value)
    tracing("1")


def trace_end():
    tracing("0")
    with open(f"{TRACING}/trace", errors="replace") as f, open(os.path.join(OUT, "trace"), "w") as to:
        shutil.copyfileobj(f, to)


def machine():
    """What L1 does at this moment: for guests that hang."""
    if os.environ.get("LAB_TRACE"):
        trace_end()
    for inst in instances:
        for verb in ("stats", "ps"):
            with contextlib.suppress(subprocess.SubprocessError, AssertionError, OSError):
                say(nv.run(NETHV, verb, inst.name, check=False).stdout)
    for command in ("top -bH -n 2 -d 3 | awk '/^top/ { n++ } n == 2' | head -40", "cat /proc/interrupts",
                    "dmesg | tail -5"):
        with contextlib.suppress(subprocess.SubprocessError):
            say(subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, timeout=60).stdout)


@contextlib.contextmanager
def attempt(name):
    """No result, unless it fails. That does not stop the scenario, but for a guest that hangs."""
    try:
        yield
    except GuestHung as e:
        not_ok(name, e)
        say(str(e))
        machine()
        raise
    except (AssertionError, GuestError, subprocess.SubprocessError, OSError) as e:
        not_ok(name, e)
        say("".join(traceback.format_exception(e)).rstrip())


@contextlib.contextmanager
def case(name):
    """As attempt(), and a result when it went well."""
    before = bad
    with attempt(name):
        yield
    if bad == before:
        ok(name)


def finish():
    sys.exit(1 if bad else 0)


def on_deadline(*_):
    """The lab ends a scenario that takes too long by SIGTERM: say where it was."""
    faulthandler.dump_traceback(sys.stdout)
    for g in guests:
        say(f"--- console of {g.name}, its end:\n{g.tail(30)}")
    sys.exit(124)


signal.signal(signal.SIGTERM, on_deadline)
if os.environ.get("LAB_TRACE"):
    trace_begin()


# --- partitions -----------------------------------------------------------------------------------

def made(what):
    """The path of an image that the host made, because the scenario asks for guests: what it boots."""
    with open("/lab/images.json") as f:
        return json.load(f)[what]


def vmlinuz(version):
    return os.path.join(CACHE, "kernel-" + version, "vmlinuz")


def mac(partition, index):
    """The address of an adapter of a partition by its number."""
    return f"02:4e:01:00:{partition:02x}:{index:02x}"


# A kernel line on the serial port costs two exits a byte, and zeroing and self-tests cost time, too; none of
# it is the matter. dmesg has all lines; warnings come to the console as well.
BRISK = ("quiet init_on_alloc=0 audit=0 lsm= random.trust_cpu=on cryptomgr.notests=1 initcall_blacklist="
         "jent_mod_init,load_system_certificate_list,init_encrypted,crypto_kdf108_init")


def linux(name, version=None, nics=1, ip="", root=None, words="", **keys):
    """A partition with a stock kernel, as a mapping for Instance. @version: 6.1 (default) or 6.12.
    @nics: a count, or the list itself. @root: "ro" or "rw", to go on from the disk in keys["disks"].
    @words: more for the kernel's command line. @keys: further keys of the configuration, as they are."""
    version = version or "6.1"
    cmdline = f"console=ttyS0 panic=1 mitigations=off {BRISK} lab.name={name}"
    if ip:
        cmdline += f" lab.ip={ip}"
    count = nics if isinstance(nics, int) else len(nics or ())
    if count > 1:
        cmdline += f" lab.nics={count}"
    if root:
        cmdline += f" root=/dev/sda {root}"
    part = {"name": name, "kernel": vmlinuz(version), "initrd": made(version), "memory": 256,
            "cmdline": f"{cmdline} {words}".strip(), "engine": "kvm"}
    if nics:
        part["nics"] = [{} for _ in range(nics)] if isinstance(nics, int) else nics
    part.update(keys)
    return part


def disk():
    """The disk image with the root file system. L1 sees it read-only: partitions that write want a copy."""
    return made("disk")


def until_ping(guest, address, seconds=180):
    """Until @guest reaches @address."""
    end = time.monotonic() + seconds
    while guest.run(f"ping -c 1 -W 5 {address}", 30)[0]:
        if time.monotonic() > end:
            nv.fail(f"{guest.name} does not reach {address}")


class Instance(nv.Instance):
    """`nethv run` with @partitions (mappings); @keys: further keys of the configuration's top level."""

    count = 0

    def __init__(self, partitions, name=None, env=None, **keys):
        Instance.count += 1
        self.partitions = partitions
        name = name or f"lab{Instance.count}"
        lines = [f"name: {name}"] + [f"{k}: {json.dumps(v)}" for k, v in keys.items()]
        for p in partitions:
            if "kernel" in p:
                p.setdefault("serial", f"socket {self.serial(name, p['name'])}")
        lines += ["partitions:"] + [f"  - {json.dumps(p)}" for p in partitions]
        self.left = nv.Leftovers()
        self.guests = {}
        super().__init__("\n".join(lines) + "\n", env)

    def __enter__(self):
        instances.append(self)
        self.wait_up()
        return self

    def __exit__(self, kind, *rest):
        instances.remove(self)
        for name in list(self.guests):
            self.forget(name)
        with open(os.path.join(OUT, f"{self.name}.log"), "w") as f:
            f.write(self.text())
        super().__exit__(kind, *rest)

    def wait_up(self, seconds=180):
        """Until `nethv stats` knows all partitions as running; their guests may still boot."""
        def up():
            if self.p.poll() is not None:
                nv.fail(f"nethv run ended with {self.p.returncode}:\n{self.text()}")
            s = self.json("stats")
            return s and s["state"] == "running" and s
        return nv.wait_until("the instance to run", up, seconds)

    @staticmethod
    def serial(instance, partition):
        return f"/run/{instance}-{partition}.serial"

    def guest(self, partition, seconds=400):
        """The Linux guest in @partition, booted and obedient."""
        g = self.guests.get(partition)
        if not g or g.closed:
            self.forget(partition)
            g = Guest(partition, connect(self.serial(self.name, partition)),
                      os.path.join(OUT, f"{self.name}-{partition}.console"))
            self.guests[partition] = g
            guests.append(g)
            g.wait_ready(seconds)
        return g

    def forget(self, partition):
        """After the partition ended: the next guest() looks at the new one."""
        g = self.guests.pop(partition, None)
        if g:
            guests.remove(g)
            g.close()

    def reborn(self, partition, seconds=240):
        """The guest of @partition after it was started again."""
        self.forget(partition)
        return self.guest(partition, seconds)

    def wait_state(self, partition, *states, seconds=120):
        """Until `nethv ps` says that @partition is in one of @states; returns what it says of it."""
        def look():
            s = self.json("ps")
            part = s and self.part(partition, s)
            return part if part and part["state"] in states else None
        return nv.wait_until(f"{partition} to be {' or '.join(states)}", look, seconds)

    def nethv(self, *words, seconds=60):
        """`nethv WORDS… --instance NAME`: what it prints; it must end with status 0."""
        return nv.run(NETHV, *words, "--instance", self.name, timeout=seconds).stdout

    def guest_values(self, partition, stats=None):
        """What our own guest image in @partition reports."""
        return super().guest(partition, stats)

    def part(self, name, stats=None):
        return next(p for p in (stats or self.stats())["partitions"] if p["name"] == name)

    def stop_clean(self):
        """Stops it and checks that it ended well and left nothing."""
        status = self.stop()
        if status:
            nv.fail(f"nethv run ended with status {status}:\n{self.text()[-2000:]}")
        self.left.check(self)


class StandIn:
    """QEMU on L1's KVM, as a machine for the guest images where nethv is not the matter. @disk: an image;
    writes to it are lost."""

    def __init__(self, name, version="6.1", words="", disk_image=None, memory=512, accel="kvm", cpu="host"):
        root = os.path.join(CACHE, "qemu")
        self.socket = os.path.join("/run", f"stand-in-{name}")
        more = []
        if disk_image:
            more = ["-drive", f"file={disk_image},format=raw,if=none,id=d,snapshot=on",
                    "-device", "ich9-ahci,id=ahci", "-device", "ide-hd,drive=d,bus=ahci.0"]
        self.p = subprocess.Popen(
            [f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path", f"{root}/usr/lib/x86_64-linux-gnu",
             f"{root}/usr/bin/qemu-system-x86_64", "-L", f"{root}/usr/share/qemu",
             "-L", f"{root}/usr/share/seabios", "-accel", accel, "-machine", "q35", "-cpu", cpu,
             "-m", str(memory), "-nodefaults", "-display", "none", "-no-reboot",
             "-serial", f"unix:{self.socket},server=on,wait=off", *more,
             "-kernel", vmlinuz(version), "-initrd", made(version),
             "-append", f"console=ttyS0 panic=1 mitigations=off lab.name={name} {words}"],
            stdin=subprocess.DEVNULL)
        self.guest = Guest(name, connect(self.socket), os.path.join(OUT, f"{name}.console"))
        guests.append(self.guest)

    def __enter__(self):
        return self.guest.wait_ready(400)

    def __exit__(self, *what):
        guests.remove(self.guest)
        self.p.kill()
        self.p.wait()
