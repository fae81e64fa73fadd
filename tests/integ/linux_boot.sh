# SPDX-License-Identifier: BSD-3-Clause
# The loader's work, seen by its reader: the memory that it makes goes into QEMU's software CPU as it
# is, a small ROM does what an engine does, and Debian's kernels (the lab's cache has them) must boot
# in it, find what ACPI promises, switch off by ACPI and reset. No KVM, no root.
# Variables from meson: LINUX_RAM (the program), SRC (the source tree).
set -u
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/nethv-lab
QEMU=$CACHE/qemu
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT

skip() {
	echo "SKIP: $*"
	exit 77
}

fail() {
	echo "FAIL: $*"
	cat "$TMP/log"
	exit 1
}

[ -x "$QEMU/usr/bin/qemu-system-x86_64" ] || skip "no QEMU in $CACHE (./dev lab fetches it)"
BUSYBOX=$(command -v busybox) || skip "no busybox"
ldd "$BUSYBOX" >/dev/null 2>&1 && skip "$BUSYBOX is not static (busybox-static is)"
command -v cpio >/dev/null || skip "no cpio"
KHZ=$(awk '/^cpu MHz/ {printf "%d", $4 * 1000; exit}' /proc/cpuinfo)

mkdir -p "$TMP/root/bin" "$TMP/root/proc" "$TMP/root/sys"
cp "$BUSYBOX" "$TMP/root/bin/busybox"
cat >"$TMP/root/init" <<'END'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
echo "cpus $(/bin/busybox grep -c ^processor /proc/cpuinfo)"
echo "acpi $(echo $(/bin/busybox ls /sys/bus/acpi/devices))"
/bin/busybox grep ttyS0 /proc/interrupts
/bin/busybox grep RAM /proc/iomem
case "$(/bin/busybox cat /proc/cmdline)" in
*then=reset*) exec /bin/busybox reboot -f ;;
*) exec /bin/busybox poweroff -f ;;
esac
END
chmod +x "$TMP/root/init"
(cd "$TMP/root" && find . | cpio -o -H newc --quiet) >"$TMP/initrd"

# boot KERNEL VPS THEN: the exit status of QEMU: 105 after power off, 3 after a reset.
boot() {
	# A software CPU on a busy machine stands still for seconds: what the kernel says of that says nothing of us.
	set -- "$1" "$2" "console=ttyS0 panic=-1 nowatchdog workqueue.watchdog_thresh=0 lpj=8000000 tsc_early_khz=$KHZ then=$3"
	"${LINUX_RAM:?}" "$1" "$TMP/initrd" "$3" 256 "$2" "$TMP/ram" >"$TMP/start" || return 1
	read -r kind entry boot area <"$TMP/start"
	dd if="$TMP/ram" of="$TMP/reset.bin" bs=1 skip=$((0xffff0)) count=16 2>/dev/null
	as --64 -I "$TMP" --defsym KIND="$kind" --defsym ENTRY="$entry" --defsym BOOT="$boot" \
		--defsym AREA="$area" -o "$TMP/rom.o" "${SRC:?}/tests/integ/linux_rom.S" || return 1
	ld -e 0 -Ttext=0 --oformat binary -o "$TMP/rom" "$TMP/rom.o" || return 1
	timeout 200 "$QEMU/lib64/ld-linux-x86-64.so.2" \
		--library-path "$QEMU/usr/lib/x86_64-linux-gnu" \
		"$QEMU/usr/bin/qemu-system-x86_64" -L "$QEMU/usr/share/qemu" -accel tcg,thread=multi \
		-machine "microvm,acpi=off,pit=off,pic=off,rtc=off,isa-serial=on,x-option-roms=off,\
auto-kernel-cmdline=off,ioapic2=off,memory-backend=m" \
		-object "memory-backend-file,id=m,mem-path=$TMP/ram,size=256M,share=on" \
		-m 256 -smp "$2" -cpu max -nodefaults -nographic -no-reboot -serial stdio \
		-bios "$TMP/rom" -device isa-debug-exit,iobase=0x604,iosize=1 \
		-device isa-debug-exit,iobase=0x605,iosize=1 >"$TMP/log" 2>&1 </dev/null
}

# check KERNEL VPS THEN STATUS
check() {
	[ -f "$CACHE/$1" ] || skip "no $CACHE/$1 (./dev lab fetches it)"
	boot "$CACHE/$1" "$2" "$3"
	rc=$?
	[ $rc = "$4" ] || fail "$1: $3 ended with $rc, want $4"
	grep -q "^cpus $2" "$TMP/log" || fail "$1: not $2 processors"
	grep -q "^acpi ACPI0004:00 .*PNP0501:00 .*VMBUS:00" "$TMP/log" || fail "$1: ACPI devices"
	grep -q "IO-APIC *4-edge *ttyS0" "$TMP/log" || fail "$1: no interrupt for ttyS0"
	grep -q "^00100000-0fffffff : System RAM" "$TMP/log" || fail "$1: memory map"
	complaint=$(grep -i -m 1 "ACPI.*\(error\|warning\|exception\)\|BUG:\|WARNING:" "$TMP/log")
	[ -z "$complaint" ] || fail "$1: complains: $complaint"
	echo "ok: $1 with $2 VPs boots, finds everything, and ends by $3"
}

check kernel-6.1/vmlinuz 2 off 105
check kernel-6.12/vmlinuz 1 reset 3
check kernel-6.1/vmlinux 1 reset 3
