# SPDX-License-Identifier: BSD-3-Clause
"""The machine under a benchmark: what it is, that nobody else measures, how it is right now, and whether a start was
disturbed."""
import contextlib
import fcntl
import glob
import json
import os
import platform
import re
import subprocess
import sys

from .process import ROOT, Failure, run, tool

LOCK = "/tmp/nethv-bench.lock"
HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
SPEED = re.compile(r"(isolcpus|nohz|rcu_nocbs|mitigations|.*hugepage|.*iommu|idle|.*idle\.|cpuidle|processor\.|intel_|amd_|"
                   r"nosmt|maxcpus|tsc|clocksource|numa|spectre|retbleed|nopti|skew_tick|nmi_watchdog|nowatchdog)")
STEAL_MAX = 0.01      # of a start's time
CLOCK_SHIFT_MAX = 0.10
LINE_SHIFT_MAX = 1.7   # hosts move virtual processors nearer to and farther from each other


def first(path, pattern):
    try:
        with open(path) as f:
            found = re.search(pattern, f.read(), re.M)
    except OSError:
        return None
    return found[1].strip() if found else None


def text_of(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return ""


def cpu_model():
    return first("/proc/cpuinfo", r"^model name\s*: (.*)") or platform.machine()


def tsc_mhz():
    """As the kernel measured it, or as the processor's name says."""
    said = first("/proc/cpuinfo", r"^cpu MHz\s*: ([0-9.]+)")
    return float(said) if said else None


def hypervisor():
    try:
        return run("systemd-detect-virt", "--vm", timeout=5).strip()
    except (Failure, OSError, subprocess.SubprocessError):
        return "yes" if first("/proc/cpuinfo", r"^flags.* (hypervisor)\b") else "none seen"


def cmdline():
    """What of the kernel's command line bears on speed; the rest is nobody's business."""
    return " ".join(w for w in text_of("/proc/cmdline").split() if SPEED.match(w))


def mitigations():
    return {os.path.basename(p): text_of(p) for p in sorted(glob.glob("/sys/devices/system/cpu/vulnerabilities/*"))}


def facts(core_a, core_b, core_c=None):
    return {
        "cpu": cpu_model(),
        "family_model": "/".join(first("/proc/cpuinfo", rf"^{k}\s*: (.*)") or "?" for k in ("cpu family", "model")),
        "cores": os.cpu_count(),
        "cores_used": f"{core_a} switches, {core_b} is the guest's or the generator's"
                      + ("" if core_c is None else f", {core_c} the generator's where there is a guest besides"),
        "siblings": text_of(f"/sys/devices/system/cpu/cpu{core_a}/topology/thread_siblings_list"),
        "tsc_mhz": tsc_mhz(),
        "kernel": platform.release(),
        "cmdline": cmdline(),
        "hypervisor": hypervisor(),
        "memory_mib": int(first("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0) // 1024,
        "hugepages": text_of(HUGE),
        "transparent_hugepages": text_of("/sys/kernel/mm/transparent_hugepage/enabled"),
        "mitigations": mitigations(),
    }


def package(name):
    r = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True)
    return r.stdout.strip() if r.returncode == 0 else "not there"


def versions():
    git = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {"nethv": git.stdout.strip() or "?", "dpdk": package("dpdk"), "ovs-dpdk": package("openvswitch-switch-dpdk"),
            "gcc": package("gcc"), "libc": package("libc6"), "python": platform.python_version()}


@contextlib.contextmanager
def alone():
    """Nobody else measures on this machine meanwhile."""
    with open(LOCK, "a+") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            f.seek(0)
            raise Failure(f"another benchmark runs on this machine ({f.read().strip()}); two would measure each other: "
                          "wait for its end") from None
        f.truncate(0)
        f.write(f"pid {os.getpid()}\n")
        f.flush()
        yield


def _write(path, text):
    with open(path, "w") as f:
        f.write(text)


@contextlib.contextmanager
def huge_pages(want):
    """Sees to enough huge pages of 2 MiB for everybody, and puts back what was there."""
    had = int(text_of(HUGE) or 0)
    if had < want:
        _write(HUGE, str(want))
    got = int(text_of(HUGE) or 0)
    if got < want:
        print(f"bench: only {got} of {want} huge pages of 2 MiB could be had", file=sys.stderr)
    try:
        yield got
    finally:
        _write(HUGE, str(had))


def clocks(core_a, core_b):
    """What bench/clocks says: {"add": [a, b], "add_worst", "line_ns"}."""
    return json.loads(run(tool("clocks"), str(core_a), str(core_b), timeout=30))


def wake(sleeping, waking):
    """How long the kernel takes to wake a thread on core @sleeping, us: {"p50", "p90", "max"}."""
    return json.loads(run(tool("clocks"), str(sleeping), str(waking), "wake", timeout=30))["wake_us"]


def wake_limit_path(core):
    return f"/sys/devices/system/cpu/cpu{core}/power/pm_qos_resume_latency_us"


def wake_limit_word(us):
    """The kernel's word: 0 would be no limit."""
    return str(us) if us else "n/a"


@contextlib.contextmanager
def wake_limit(core, us):
    """The core may take @us to wake up meanwhile; None: as it is. Puts back what was there."""
    if us is None:
        yield
        return
    path = wake_limit_path(core)
    had = text_of(path)
    _write(path, wake_limit_word(us))
    try:
        yield
    finally:
        _write(path, had)


def check_wake_limit(core, us):
    """That somebody else has set this limit."""
    found = text_of(wake_limit_path(core))
    if found != wake_limit_word(us):
        raise Failure(f"core {core} may take {found or 'any time'} to wake up ({wake_limit_path(core)}), not {us} us")


def stalls(switch, guest):
    """How long a frame waits for two cores that poll, because they are away now and then: {"stalls_us": {"p50", "p90", "p99",
    "p99.9", "max"}, "share_away", "share_over_10us": [switch, guest], "stalls_a_second": [switch, guest], "watched_s"}."""
    return json.loads(run(tool("clocks"), str(switch), str(guest), "stalls", timeout=30))


def steal():
    """Time that other machines took from ours, s, since its start."""
    return int(first("/proc/stat", r"^cpu (?: *\d+ ){7} *(\d+)") or 0) / os.sysconf("SC_CLK_TCK")


def disturbance(before, after, stolen, seconds):
    """Why a start does not count, or None. Decided by the machine's own figures, never by the result."""
    if stolen > STEAL_MAX * seconds * 2:
        return f"{stolen:.2f} s of {seconds:.1f} s on two cores were stolen"
    for a, b in zip(before["add"], after["add"]):
        if abs(b / a - 1) > CLOCK_SHIFT_MAX:
            return f"a core's clock changed by {(b / a - 1) * 100:+.0f} %"
    shift = after["line_ns"] / before["line_ns"]
    if not 1 / LINE_SHIFT_MAX < shift < LINE_SHIFT_MAX:
        return f"a cache line's way changed from {before['line_ns']:.0f} to {after['line_ns']:.0f} ns"
    return None
