#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The host's side of the lab: boots L1 in QEMU's software CPU, has it run jobs, collects what they say.
docs/lab.md tells how it works; ./dev lab is the way to call it."""
import argparse
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import images

HERE = os.path.dirname(os.path.abspath(__file__))
SRC = os.path.dirname(os.path.dirname(HERE))
SCENARIOS = os.path.join(HERE, "scenarios")
CACHE = os.environ.get("NETHV_LAB_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "nethv-lab")
BUILD = os.path.abspath(os.environ.get("NETHV_BUILD") or os.path.join(SRC, "build"))
BOOT_LIMIT = 180  # seconds until L1 is ready; a busy machine needs many times the usual
# What scenarios read of the environment.
PASSED_ON = ("LAB_ONLY", "CYCLES", "CHANGES", "FRAMES", "RELOADS", "KILLS", "LIVES", "SEED", "STEPS")
GRACE = 45        # a job that passed its time limit is ended in L1; when that fails, L1 is, after this
PR_SET_PDEATHSIG = 1
# Start-up work of the kernel that costs seconds here and serves nobody in L1.
NEEDLESS = ("jent_mod_init", "load_system_certificate_list", "init_encrypted", "crypto_kdf108_init",
            "bpf_tcp_ca_kfunc_init", "bpf_dummy_struct_ops_init")
RESULT = re.compile(r"^(ok|not ok|skip) (.+?)(?: - (.*))?$", re.M)


VERSIONS = ("6.1", "6.12")
IOMMUS = {"on": "intremap=on", "rmrr": "intremap=on", "noremap": "intremap=off", "none": None}
# What the n-th NIC is plugged into: a port of its own; one without ACS, so that its group is not its own; one
# below a host bridge that the firmware's table leaves out, so that no unit covers it.
NICS = {
    "port": ["pcie-root-port,id=rp{n},chassis={n},slot={n}"],
    "noacs": ["pcie-root-port,id=rp{n},chassis={n},slot={n},disable-acs=on"],
    "uncovered": ["pxb-pcie,id=pxb{n},bus_nr=128,bus=pcie.0,bypass_iommu=on",
                  "pcie-root-port,id=rp{n},bus=pxb{n},chassis={n},slot={n}"],
}
# Nobody else is on a wire: QEMU's own network would answer, in the name of whoever is asked for.
WIRES = {"apart": "hubport,id=n{n},hubid=1{n}", "hub": "hubport,id=n{n},hubid=0"}
# "counted": an instruction is a nanosecond of all clocks of the machine, and a tick of its TSC.
CPUS = {
    "two": ["-accel", "tcg,thread=multi,tb-size=1024", "-smp", "2"],
    "counted": ["-accel", "tcg,thread=single,tb-size=1024", "-icount", "shift=0", "-smp", "1"],
}


def say(text):
    print(text, flush=True)


class Needs:
    """What a scenario asks of its L1, from its lines "# lab: key=value …"."""

    def __init__(self, path=None, **values):
        self.kernel, self.timeout, self.memory, self.hugepages = "6.1", 300, 4096, 0
        self.load = ""      # further modules, with commas between
        self.guests = ""    # kernels that child partitions boot: 6.1,6.12
        self.dpdk = "no"    # "yes": the disk with Debian 13's DPDK, too
        self.iommu = "on"   # "none": the machine has none; "noremap": one that cannot remap interrupts; "rmrr":
        #                     its table keeps memory for DMA by the first NIC
        self.nic = "port"   # where the NICs are, with commas between: see NICS
        self.wire = "apart" # "hub": the NICs reach each other
        self.append = ""    # further words for the kernel's command line, with commas between
        self.cpu = "two"    # "counted": one, whose clock and TSC count its instructions
        self.test = "yes"   # part of ./dev test; "no": of ./dev lab only
        text = ""
        if path:
            with open(path, errors="replace") as f:
                text = f.read(4096)
        words = [w for line in re.findall(r"^# lab: (.*)$", text, re.M) for w in line.split()]
        values = {**dict(w.split("=", 1) for w in words), **values}
        for key, value in values.items():
            if key not in vars(self):
                sys.exit(f"lab: {path}: nobody knows '{key}'")
            setattr(self, key, type(getattr(self, key))(value))
        for value, known in [(self.iommu, IOMMUS), (self.wire, WIRES), (self.cpu, CPUS)] + [
                (n, NICS) for n in self.nic.split(",")]:
            if value not in known:
                sys.exit(f"lab: {path}: nobody knows '{value}'; there are: {' '.join(known)}")

    def machine(self):
        return (self.kernel, self.memory, self.hugepages, self.load, self.iommu, self.nic, self.wire, self.append,
                self.cpu)


class Job:
    def __init__(self, name, command, needs, echo=False):
        self.name, self.command, self.needs, self.echo = name, command, needs, echo
        self.status = None      # exit status; None while it did not end by itself
        self.seconds = 0.0
        self.fault = None       # why it did not end
        self.results = []       # (word, name, why)
        self.is_retried = False  # and passed at its second try

    def close(self, log):
        """Reads its results out of @log; one that says nothing is judged by its exit status."""
        self.results = RESULT.findall(log)
        bad = any(r[0] == "not ok" for r in self.results)
        if self.fault:
            self.results.append(("not ok", self.name, self.fault))
        elif self.status and not bad:
            self.results.append(("not ok", self.name, f"exit status {self.status}"))
        elif not self.results:
            self.results.append(("ok", self.name, ""))

    def count(self, word):
        return sum(r[0] == word for r in self.results)


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class L1:
    """One boot of the root partition. @out: its folder; what is in there L1 sees as /lab."""

    trace = False   # keep events of its KVM

    def __init__(self, needs, out, shell=False):
        self.needs, self.out, self.shell = needs, out, shell
        self.serial = os.path.join(out, "serial.log")
        self.p, self.jobs = None, []
        self.begun = time.monotonic()

    def command_line(self):
        kernel = images.Kernel(CACHE, self.needs.kernel)
        words = ["console=ttyS0", "panic=1", "intel_iommu=on", "iommu=pt", "tsc=reliable", "quiet",
                 "mitigations=off", "nowatchdog", "audit=0", "init_on_alloc=0", "random.trust_cpu=on",
                 "no_timer_check", "cryptomgr.notests=1", "lsm=",
                 "initcall_blacklist=" + ",".join(NEEDLESS),
                 f"lab_main={HERE}/l1/main", f"lab_modules={kernel.modules}"]
        words += [w for w in self.needs.append.split(",") if w]
        words += os.environ.get("NETHV_LAB_APPEND", "").split()
        if self.needs.hugepages:
            words.append(f"lab_hugepages={self.needs.hugepages}")
        if self.needs.load:
            words.append(f"lab_load={self.needs.load}")
        return kernel, " ".join(words)

    def unit(self):
        """The IOMMU, which comes before what is below it."""
        words = IOMMUS[self.needs.iommu]
        return ["-device", f"intel-iommu,{words},caching-mode=on,device-iotlb=on"] if words else []

    def nics(self):
        out = []
        for n, slot in enumerate(self.needs.nic.split(","), 1):
            out += ["-netdev", WIRES[self.needs.wire].format(n=n)]
            for device in NICS[slot] + ["igb,netdev=n{n},bus=rp{n},addr=0"]:
                out += ["-device", device.format(n=n)]
        return out

    def qemu(self):
        root = os.path.join(CACHE, "qemu")
        kernel, append = self.command_line()
        serial = ["-serial", "stdio"] if self.shell else ["-serial", "file:" + self.serial]
        return [f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path",
                f"{root}/usr/lib/x86_64-linux-gnu", f"{root}/usr/bin/qemu-system-x86_64",
                "-L", f"{root}/usr/share/qemu", "-L", f"{root}/usr/share/seabios",
                *CPUS[self.needs.cpu], "-machine", "q35,kernel-irqchip=off",
                "-cpu", "EPYC-Milan,+svm,+npt", "-m", str(self.needs.memory),
                "-nodefaults", "-display", "none", "-no-reboot", *serial,
                *self.unit(),
                "-fsdev", "local,id=hr,path=/,security_model=none,readonly=on,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=hr,mount_tag=hostroot",
                "-fsdev", f"local,id=lab,path={self.out},security_model=none",
                "-device", "virtio-9p-pci,fsdev=lab,mount_tag=lab",
                *self.nics(), "-kernel", kernel.vmlinux,
                "-initrd", images.l1(CACHE, kernel, self.needs.iommu == "rmrr"), "-append", append]

    def environment(self):
        env = {"LAB_SRC": SRC, "NETHV_BUILD": BUILD, "LAB_CACHE": CACHE,
               "NETHV": os.path.join(BUILD, "mgmt/nethv"), "SRC": SRC, "LAB_KERNEL": self.needs.kernel,
               "LAB_TRACE": "1" if self.trace else ""}
        env.update((name, os.environ[name]) for name in PASSED_ON if name in os.environ)
        return "".join(f"{k}={shlex.quote(v)}\n" for k, v in env.items())

    def images(self):
        """Paths of what guests boot, by version, and of their disk."""
        kernels = [images.Kernel(CACHE, v) for v in guest_versions(self.jobs)]
        found = {k.version: images.l2(CACHE, k) for k in kernels}
        if kernels:
            found["disk"] = images.disk(CACHE, [images.Kernel(CACHE, v) for v in VERSIONS])
        if needs_dpdk(self.jobs):
            found["dpdk"] = images.dpdk(CACHE)
        return found

    def start(self, jobs):
        self.jobs = jobs
        shutil.rmtree(self.out, ignore_errors=True)
        os.makedirs(self.out)
        self.write("images.json", json.dumps(self.images()))
        self.write("env", self.environment())
        self.write("jobs", "".join(f"{j.name} {j.needs.timeout} {j.command}\n" for j in jobs))
        if self.shell:
            size = shutil.get_terminal_size()
            self.write("shell", f"rows {size.lines} cols {size.columns}\n")
        with open(os.path.join(self.out, "qemu.log"), "w") as log:
            self.p = subprocess.Popen(self.qemu(), stderr=log, preexec_fn=die_with_parent,
                                      stdin=None if self.shell else subprocess.DEVNULL)

    def write(self, name, text):
        with open(os.path.join(self.out, name), "w") as f:
            f.write(text)

    def has(self, *path):
        return os.path.exists(os.path.join(self.out, *path))

    def read(self, *path):
        try:
            with open(os.path.join(self.out, *path), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def is_up(self):
        return self.p.poll() is None

    def end(self, patience=15):
        """Ends QEMU if it does not by itself within @patience seconds; always reaped."""
        if self.p is None:
            return
        try:
            self.p.wait(patience)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.end(0)

    def wait(self, what, seconds, each=lambda: None):
        """Until the file @what is there: None; else a word on what happened instead."""
        end = time.monotonic() + seconds
        while not self.has(what):
            each()
            if not self.is_up() and not self.has(what):
                return f"L1 ended (QEMU's status {self.p.returncode})"
            if time.monotonic() > end:
                return f"nothing heard for {seconds} s"
            time.sleep(0.05)
        each()
        return None

    def tail(self, lines=25):
        text = self.read("serial.log")
        return "\n".join("   | " + l for l in text.splitlines()[-lines:])

    def run(self, job):
        """Follows one job to its end. False when this L1 is of no more use."""
        echo = Echo(os.path.join(self.out, job.name, "log")) if job.echo else lambda: None
        fault = self.wait(f"{job.name}/started", 60)
        begun = time.monotonic()
        fault = fault or self.wait(f"{job.name}/status", job.needs.timeout + GRACE, echo)
        job.seconds = time.monotonic() - begun
        if not fault:
            job.status = int(self.read(job.name, "status"))
            if job.status in (124, 137):
                fault = f"not done after {job.needs.timeout} s"
        job.fault = fault
        job.close(self.read(job.name, "log"))
        return not fault


class Echo:
    """Prints what is added to a file."""

    def __init__(self, path):
        self.path, self.at = path, 0

    def __call__(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.at)
                data = f.read()
        except OSError:
            return
        self.at += len(data)
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def row(job, out):
    word = "failed" if job.count("not ok") else "passed" if job.count("ok") else "skipped"
    say(f"   {job.name:<24} {word:<8} {job.count('ok'):>4} ok {job.count('not ok'):>3} not ok "
        f"{job.count('skip'):>3} skipped {job.seconds:>7.1f} s")
    for kind, name, why in job.results:
        if kind != "ok":
            say(f"      {kind} {name}{' - ' + why if why else ''}")
    if word == "failed":
        say(f"      logs in {os.path.relpath(out)}; the last lines:")
        with_log = os.path.join(out, job.name, "log")
        if os.path.exists(with_log):
            with open(with_log, errors="replace") as f:
                for line in f.read().splitlines()[-15:]:
                    say("      | " + line)


def run_jobs(jobs, top):
    """All of @jobs, which want the same machine; a boot that a job spoiled is followed by another."""
    left, boot = list(jobs), 0
    while left:
        boot += 1
        needs = left[0].needs
        out = os.path.join(top, f"{needs.kernel}-{left[0].name}")
        say(f"== L1: Linux {needs.kernel}, {needs.memory} MiB; boots")
        with L1(needs, out) as vm:
            vm.start(left)
            fault = vm.wait("ready", BOOT_LIMIT)
            if fault:
                say(f"   L1 did not come up: {fault}\n{vm.tail()}")
                for job in left:
                    job.fault = "L1 did not come up"
                    job.close("")
                    row(job, out)
                return
            say(f"   ready after {time.monotonic() - vm.begun:.1f} s")
            good = True
            while left and good:
                job = left.pop(0)
                good = vm.run(job)
                row(job, out)
            if not good:
                say(f"   serial log of L1, its end:\n{vm.tail()}")
            vm.end(15 if good else 3)


def second_try(jobs, top):
    """A software CPU on a shared machine stands still at times, for longer than a protocol's patience. So
    what failed has one more try, alone in a fresh L1, and says so; what fails twice has failed."""
    for job in [j for j in jobs if j.count("not ok")]:
        say(f"== {job.name}: one more try")
        again = Job(job.name, job.command, job.needs)
        run_jobs([again], os.path.join(top, "again"))
        if again.count("not ok"):
            continue
        say(f"   {job.name} passed at its second try; at the first:")
        for _, name, why in [r for r in job.results if r[0] == "not ok"]:
            say(f"      not ok {name}{' - ' + why if why else ''}")
        job.results, job.is_retried = again.results, True


def scenario_names():
    return sorted(n for n in os.listdir(SCENARIOS) if os.access(os.path.join(SCENARIOS, n), os.X_OK)
                  and os.path.isfile(os.path.join(SCENARIOS, n)))


def title(name):
    with open(os.path.join(SCENARIOS, name), errors="replace") as f:
        text = f.read(4096)
    found = re.search(r'^(?:"""|# )(?!lab:|SPDX|!)(.*)$', text, re.M)
    return found.group(1).strip('"') if found else ""


def scenario_jobs(names, kernel):
    jobs = []
    for name in names:
        path = os.path.join(SCENARIOS, name)
        if name not in scenario_names():
            sys.exit(f"lab: no scenario '{name}'; there are: {' '.join(scenario_names())}")
        needs = Needs(path, **({"kernel": kernel} if kernel else {}))
        jobs.append(Job(name, shlex.quote(path), needs))
    return jobs


def closing(jobs, results):
    if results:
        with open(results, "w") as f:
            for job in jobs:
                tap = "\n".join({"ok": "ok ", "not ok": "not ok ", "skip": "ok # skip "}[w] + n
                                for w, n, _ in job.results)
                bad = job.count("not ok")
                f.write(json.dumps({"name": "lab " + job.name, "stdout": tap,
                                    "result": "FAIL" if bad else "OK"}) + "\n")
    retried = [j.name for j in jobs if j.is_retried]
    if retried:
        say(f"at their second try only: {' '.join(retried)}")
    sums = [sum(j.count(w) for j in jobs) for w in ("ok", "not ok", "skip")]
    say("{} passed, {} failed, {} skipped".format(*sums))
    return 1 if sums[1] or not sum(sums) else 0


def guest_versions(jobs):
    return sorted({v for j in jobs for v in j.needs.guests.split(",") if v})


def needs_dpdk(jobs):
    return any(j.needs.dpdk == "yes" for j in jobs)


def fill(jobs):
    """Sees to it that the cache has what @jobs need."""
    parts = {"qemu"} | {"kernel-" + j.needs.kernel for j in jobs}
    if guest_versions(jobs):
        parts |= {"guest-root", *("kernel-" + v for v in VERSIONS)}
    if needs_dpdk(jobs):
        parts.add("dpdk-root")
    if subprocess.run([os.path.join(HERE, "fetch.sh"), CACHE, *sorted(parts)]).returncode:
        sys.exit(2)
    images.prune(CACHE)


def cmd_scenarios(args):
    jobs = scenario_jobs(args.names or scenario_names(), args.kernel)
    if args.test:
        jobs = [j for j in jobs if j.needs.test == "yes"]
    if os.geteuid():
        for job in jobs:
            job.results.append(("skip", job.name, "the lab needs root"))
        return closing(jobs, args.results)
    fill(jobs)
    top = os.path.join(BUILD, "lab")
    for machine in dict.fromkeys(j.needs.machine() for j in jobs):
        run_jobs([j for j in jobs if j.needs.machine() == machine], top)
    if not args.once:
        second_try(jobs, top)
    return closing(jobs, args.results)


def cmd_run(args):
    """One command in a fresh L1, its output here, its exit status ours."""
    needs = Needs(None, kernel=args.kernel or "6.1", timeout=args.timeout, memory=args.memory,
                  hugepages=args.hugepages, guests=",".join(VERSIONS) if args.guests else "")
    command = args.command[0] if len(args.command) == 1 else shlex.join(args.command)
    job = Job("run", command, needs, echo=True)
    fill([job])
    out = os.path.join(BUILD, "lab", f"run-{os.getpid()}")
    with L1(needs, out) as vm:
        vm.start([job])
        fault = vm.wait("ready", BOOT_LIMIT)
        if fault or not vm.run(job):
            print(f"lab: {fault or job.fault}\n{vm.tail()}", file=sys.stderr)
            return 124
        vm.end()
    if not args.keep:
        shutil.rmtree(out)
    return job.status


def cmd_shell(args):
    needs = Needs(None, kernel=args.kernel or "6.1", memory=args.memory, hugepages=args.hugepages,
                  guests=",".join(VERSIONS) if args.guests else "")
    job = Job("shell", "", needs)
    fill([job])
    say("== a prompt in L1 comes in some 10 s; exit or Ctrl-D powers it off")
    saved = subprocess.run(["stty", "-g"], stdout=subprocess.PIPE, text=True).stdout.strip()
    try:
        if saved:
            subprocess.run(["stty", "raw", "-echo"])
        with L1(needs, os.path.join(BUILD, "lab", "shell"), shell=True) as vm:
            vm.start([job])
            return vm.p.wait()
    finally:
        if saved:
            subprocess.run(["stty", saved])


def cmd_list(args):
    for name in scenario_names():
        say(f"{name:<20} {title(name)}")
    return 0


def arguments(argv):
    ap = argparse.ArgumentParser(prog="./dev lab", description=__doc__)
    sub = ap.add_subparsers(dest="verb", required=True)
    verbs = {}
    for verb, fn, text in (("scenarios", cmd_scenarios, "run scenarios (all of them, or those named)"),
                           ("list", cmd_list, "list them"),
                           ("run", cmd_run, "run a command in L1"),
                           ("shell", cmd_shell, "a prompt in L1")):
        verbs[verb] = sub.add_parser(verb, help=text)
        verbs[verb].set_defaults(fn=fn)
        verbs[verb].add_argument("--kernel", help="L1's kernel: 6.1 (default) or 6.12")
        verbs[verb].add_argument("--trace", action="store_true",
                                 help="keep the last events of L1's KVM, for guests that hang (docs/lab.md)")
    verbs["scenarios"].add_argument("--results", help="write a log for tests/count.py")
    verbs["scenarios"].add_argument("--test", action="store_true", help="those of ./dev test only")
    verbs["scenarios"].add_argument("--once", action="store_true", help="no second try for what failed")
    verbs["scenarios"].add_argument("names", nargs="*")
    for verb in ("run", "shell"):
        verbs[verb].add_argument("--memory", type=int, default=4096, help="MiB")
        verbs[verb].add_argument("--hugepages", type=int, default=0, help="2 MiB pages in L1")
        verbs[verb].add_argument("--guests", action="store_true",
                                 help="make images for child partitions: /lab/images.json")
    verbs["run"].add_argument("--timeout", type=int, default=600, help="seconds")
    verbs["run"].add_argument("--keep", action="store_true", help="keep the logs in build/lab/")
    verbs["run"].add_argument("command", nargs="+")
    return ap.parse_args(argv)


def main():
    argv = sys.argv[1:]
    if not argv or argv[0] not in ("scenarios", "list", "run", "shell", "-h", "--help"):
        argv.insert(0, "scenarios")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = arguments(argv)
    L1.trace = args.trace
    try:
        return args.fn(args)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
