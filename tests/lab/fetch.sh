#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fills the lab's cache with what comes from Debian's archive: two stock kernels, Debian 13's QEMU and its
# DPDK, and a Debian 12 root file system for child partitions.
# Each part is made in a folder of its own and renamed into place when it is whole, so an interrupted run
# goes on where it was, and several runs share one cache (a lock lets one of them fill it).
#   usage: fetch.sh CACHE [PART…]      parts: kernel-6.1 kernel-6.12 qemu guest-root dpdk-root; all if none is named
# Packages come from the archive that this machine's own apt uses; NETHV_LAB_MIRROR names another.
set -euo pipefail

KEPT_DRIVERS='bus_vmbus|bus_pci|bus_vdev|mempool_ring|net_(netvsc|vdev_netvsc|failsafe|e1000|ring|null|af_packet|tap)'
GUEST_PACKAGES=iproute2,iputils-ping,iperf3,ethtool,tcpdump,kmod,procps,kexec-tools,hyperv-daemons

here=$(dirname "$(readlink -f "$0")")
cache=${1:?usage: fetch.sh CACHE [PART...]}
shift
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(kernel-6.1 kernel-6.12 qemu guest-root dpdk-root)
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

say() { printf '   lab cache: %s\n' "$*"; }
die() { printf 'lab: %s\n' "$*" >&2; exit 2; }

# repo CODENAME: the address that this machine's apt has for it.
repo() {
	apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
		awk -v want="$1" '$2 == want { print $1; exit }'
}

mirrors() {
	mirror=${NETHV_LAB_MIRROR:-$(repo bookworm)}
	[ -n "$mirror" ] || mirror=$(repo trixie)
	[ -n "$mirror" ] || die "apt here knows no Debian archive: set NETHV_LAB_MIRROR to one"
}

# An apt of our own: its sources and lists lie in the cache, the machine's stay as they are.
private_apt() {
	local dir=$cache/apt
	apt=(-q -o "Dir::State=$dir/state" -o "Dir::Cache=$dir/cache" -o "Dir::Etc::SourceList=$dir/sources.list"
		-o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3
		-o "Dir::State::status=$dir/status")
	[ -z "${apt_is_ready:-}" ] || return 0
	mirrors
	mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
	: >"$dir/status"
	printf 'deb %s %s main\n' "$mirror" bookworm "$mirror" bookworm-backports >"$dir/sources.list"
	say "reading the package lists"
	apt-get "${apt[@]}" update >"$cache/apt.log" 2>&1 ||
		{ tail "$cache/apt.log" >&2; die "apt-get update failed"; }
	apt_is_ready=1
}

# download DIR PACKAGE…: unpacks the newest of each into DIR.
download() {
	local into=$1 deb
	shift
	mkdir -p "$into/.deb"
	(cd "$into/.deb" && apt-get "${apt[@]}" download "$@" >"$cache/apt.log" 2>&1) ||
		{ tail "$cache/apt.log" >&2; die "cannot download $*"; }
	for deb in "$into"/.deb/*.deb; do
		dpkg -x "$deb" "$into"
	done
	rm -r "$into/.deb"
}

# The package that linux-image-amd64 of a suite stands for: linux-image-6.x.y…-amd64.
image_package() {
	apt-cache "${apt[@]}" show "linux-image-amd64/$1" 2>/dev/null |
		sed -n 's/^Depends: \(linux-image-[0-9][^ ,]*\).*/\1/p' | head -n 1
}

# vmlinux DIR: the kernel's ELF file out of the bzImage: it starts without decompressing itself, which
# a software CPU does slowly. The payload's place is in the header (Linux boot protocol, payload_offset).
vmlinux() {
	python3 - "$1/vmlinuz" "$1/vmlinux" <<-'END'
	import struct, subprocess, sys
	data = open(sys.argv[1], "rb").read()
	sects, = struct.unpack_from("<B", data, 0x1f1)
	off, size = struct.unpack_from("<II", data, 0x248)
	body = data[(sects + 1) * 512 + off:][:size]
	tools = {b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip"}
	tool = next(t for magic, t in tools.items() if body.startswith(magic))
	args = {"xz": ["xz", "-dc", "--single-stream"], "zstd": ["zstd", "-dcq"], "gzip": ["gzip", "-dcq"]}[tool]
	elf = subprocess.run(args, input=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
	assert elf.startswith(b"\x7fELF"), "no ELF file in the kernel image"
	open(sys.argv[2], "wb").write(elf)
	END
}

# make_kernel DIR SUITE: DIR/vmlinuz, vmlinux, config, release, lib/modules/RELEASE
make_kernel() {
	local dir=$1 suite=$2 package release
	private_apt
	package=$(image_package "$suite")
	[ -n "$package" ] || die "no linux-image-amd64 in $suite"
	say "$package from $suite"
	download "$dir" "$package"
	release=${package#linux-image-}
	mv "$dir/boot/vmlinuz-$release" "$dir/vmlinuz"
	mv "$dir/boot/config-$release" "$dir/config"
	rm -rf "${dir:?}/boot" "${dir:?}/usr/share"
	depmod -b "$dir" "$release"
	vmlinux "$dir"
	echo "$release" >"$dir/release"
}

# bootstrap DIR SUITE PACKAGE,PACKAGE…: a small root file system
bootstrap() {
	local dir=$1
	[ "$(id -u)" = 0 ] || die "filling the cache needs root (debootstrap does)"
	mirrors
	debootstrap --variant=minbase --include="$3" "$2" "$dir" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
		{ tail "$cache/debootstrap.log" >&2; die "debootstrap failed"; }
	rm -rf "$dir"/var/cache/apt/archives/*.deb "$dir"/var/lib/apt/lists/* \
		"$dir"/usr/share/{doc,locale,man,info,i18n} "$dir"/usr/include
	find "$dir/usr/lib" -name '*.a' -delete
}

make_qemu() {
	say "Debian 13's QEMU, with a small root file system of its own (about 30 s)"
	bootstrap "$1" trixie "${2%% *}"
	"$here/qemu_fix.py" "$1/usr/bin/qemu-system-x86_64" || say "it stays as it is"
}

# program_needs ROOT PROGRAM: file names of all shared libraries that it is linked with.
program_needs() {
	"$1/lib64/ld-linux-x86-64.so.2" --library-path "$1/usr/lib/x86_64-linux-gnu" --list "$1/$2" |
		awk '{ print $1 }'
}

# few_drivers ROOT: of DPDK's drivers it keeps those that a child partition can use and those that testpmd is
# linked with, because an application loads all that it finds.
few_drivers() {
	local needed file name
	needed=" $(program_needs "$1" usr/bin/dpdk-testpmd | tr '\n' ' ')"
	for file in "$1"/usr/lib/x86_64-linux-gnu/dpdk/pmds-*/*.so*; do
		name=${file##*/}
		name=${name%%.so*}
		[[ $name =~ ^librte_($KEPT_DRIVERS)$ ]] || [[ $needed == *" $name.so."* ]] || rm "$file"
	done
	find "$1/usr/lib/x86_64-linux-gnu" -xtype l -name 'librte_*' -delete
	program_needs "$1" usr/bin/dpdk-testpmd >/dev/null
}

# Without systemd: tests/lab/l2/init is its first program.
make_guest_root() {
	say "a Debian 12 root file system for child partitions (one to three minutes)"
	bootstrap "$1" bookworm "$GUEST_PACKAGES"
}

# Debian 12's testpmd (22.11) would not do: it asks each queue for its state, which its netvsc driver does not keep
# yet, and then polls none of them.
make_dpdk_root() {
	say "Debian 13's testpmd for child partitions (about a minute)"
	bootstrap "$1" trixie "${2%% *}"
	few_drivers "$1"
}

# part NAME RECIPE command: makes the folder CACHE/NAME by `command DIR RECIPE`, once for each recipe.
part() {
	local name=$1 recipe=$2 dir=$cache/$1 tmp=$cache/.new-$1
	is_made() { [ "$(cat "$dir/.recipe" 2>/dev/null)" = "$recipe" ]; }
	! is_made || return 0
	exec 9>"$cache/.lock"
	flock -n 9 || { say "waiting for another run that fills it"; flock 9; }
	is_made || {
		rm -rf "$tmp"
		mkdir -p "$tmp"
		"$3" "$tmp" "$recipe"
		echo "$recipe" >"$tmp/.recipe"
		[ ! -d "$dir" ] || { mv "$dir" "$tmp.old" && rm -rf "$tmp.old"; }
		mv "$tmp" "$dir"
		say "$name is there ($(du -sh "$dir" | cut -f1))"
	}
	exec 9>&-
}

for p in "${parts[@]}"; do
	case $p in
	kernel-6.1) part $p bookworm make_kernel ;;
	kernel-6.12) part $p bookworm-backports make_kernel ;;
	qemu) part $p "qemu-system-x86 with two repairs" make_qemu ;;
	guest-root) part $p "$GUEST_PACKAGES" make_guest_root ;;
	dpdk-root) part $p "dpdk-dev $KEPT_DRIVERS" make_dpdk_root ;;
	*) die "no part '$p' of the cache" ;;
	esac
done
