// SPDX-License-Identifier: BSD-3-Clause
/* Drives the VF of an 82576 in a guest without a driver, to reach for any address:  dma DEVICE VERB [ADDRESS]
 *   show             what its registers say of rings
 *   read ADDRESS     a descriptor is fetched from there, for transmission
 *   write ADDRESS    what is received goes there: the next frame
 *   own              what is received goes to this program's memory, as long as it lives; says so
 * Registers: Intel 82576 datasheet, 8.26 (virtual functions). */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	CTRL = 0x0,
	VMBMEM = 0x800,
	MAILBOX = 0xc40,
	RDBAL = 0x2800,
	RDBAH = 0x2804,
	RDLEN = 0x2808,
	SRRCTL = 0x280c,
	RDH = 0x2810,
	RDT = 0x2818,
	RXDCTL = 0x2828,
	TDBAL = 0x3800,
	TDBAH = 0x3804,
	TDLEN = 0x3808,
	TDH = 0x3810,
	TDT = 0x3818,
	TXDCTL = 0x3828,
};

#define PAGE	 4096u
#define RING	 256u		 /* descriptors of 16 bytes: a page */
#define ENABLE	 (1u << 25)	 /* RXDCTL, TXDCTL */
#define ONE_2KIB (1u << 25 | 2u) /* SRRCTL: advanced descriptors, one buffer of 2 KiB */
#define TO_PF	 1u		 /* mailbox: a request */
#define OURS	 4u		 /* mailbox: the buffer is ours */
#define VF_RESET 1u		 /* message */

static volatile uint32_t *bar;

static void reg(unsigned int off, uint32_t v)
{
	bar[off / 4] = v;
}

static int open_file(const char *dev, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", dev, name);
	fd = open(path, O_RDWR | O_SYNC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* Memory decoding and bus mastering on; the registers in reach. */
static void device_up(const char *dev)
{
	uint16_t cmd = 0x6;
	int fd = open_file(dev, "config");

	if (pwrite(fd, &cmd, sizeof(cmd), 4) != sizeof(cmd))
		err(1, "%s: command register", dev);
	close(fd);
	fd = open_file(dev, "resource0");
	bar = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED)
		err(1, "%s: BAR 0", dev);
	close(fd);
}

/* The PF lets a VF receive and transmit when it has asked for its reset by mailbox. */
static void ask_pf(void)
{
	reg(MAILBOX, OURS);
	reg(VMBMEM, VF_RESET);
	reg(MAILBOX, TO_PF);
	sleep(2);
}

static uint64_t physical(const void *at)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (off_t)((uintptr_t)at / PAGE * 8)) != 8)
		err(1, "pagemap");
	close(fd);
	return (entry & ((1ull << 55) - 1)) * PAGE;
}

/* Pages of our own, which stay where they are. */
static void *pages(size_t n)
{
	void *at = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		err(1, "memory");
	return at;
}

static void show(void)
{
	printf("RDBAL %08x RDBAH %08x RDLEN %08x RXDCTL %08x TDBAL %08x TDBAH %08x TDLEN %08x TXDCTL %08x\n",
	       bar[RDBAL / 4], bar[RDBAH / 4], bar[RDLEN / 4], bar[RXDCTL / 4] & ENABLE,
	       bar[TDBAL / 4], bar[TDBAH / 4], bar[TDLEN / 4], bar[TXDCTL / 4] & ENABLE);
}

static void fetch_from(uint64_t address)
{
	ask_pf();
	reg(TXDCTL, 0);
	reg(TDBAL, (uint32_t)address);
	reg(TDBAH, (uint32_t)(address >> 32));
	reg(TDLEN, PAGE);
	reg(TDH, 0);
	reg(TXDCTL, ENABLE);
	reg(TDT, 1);
	sleep(1);
}

/* Each buffer of the ring is at @address, or one of our own pages. */
static void receive_to(uint64_t address)
{
	uint64_t *ring = pages(1);

	for (unsigned int i = 0; i < RING; i++)
		ring[2 * i] = address ? address : physical(pages(1));
	ask_pf();
	reg(RXDCTL, 0);
	reg(RDBAL, (uint32_t)physical(ring));
	reg(RDBAH, (uint32_t)(physical(ring) >> 32));
	reg(RDLEN, RING * 16);
	reg(SRRCTL, ONE_2KIB);
	reg(RDH, 0);
	reg(RXDCTL, ENABLE);
	reg(RDT, RING - 1);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[2] : "";
	uint64_t address = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;

	if (argc < 3)
		errx(2, "usage: dma DEVICE show|read ADDRESS|write ADDRESS|own");
	device_up(argv[1]);
	if (!strcmp(verb, "read") && address)
		fetch_from(address);
	else if (!strcmp(verb, "write") && address)
		receive_to(address);
	else if (!strcmp(verb, "own"))
		receive_to(0);
	else if (strcmp(verb, "show") != 0)
		errx(2, "%s: what?", verb);
	show();
	fflush(stdout);
	if (!strcmp(verb, "write") || !strcmp(verb, "own"))
		pause();
	return 0;
}
