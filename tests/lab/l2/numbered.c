// SPDX-License-Identifier: BSD-3-Clause
/* A stream of numbered datagrams between two guests: which are lost, which come twice and when, and when none
 * came for how long.
 *   numbered send ADDRESS PORT RATE SECONDS   RATE a second
 *   numbered tally PORT GAP IDLE >FILE        until none came for IDLE seconds; tells of gaps from GAP ms on
 * Times are those of the kernel's log, in seconds: tally writes its clock there to compare. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define NUMBERS_MAX (1u << 22)
#define TOLD_MAX    20000u

struct told {
	double at, ms;
};

static uint8_t seen[NUMBERS_MAX / 8];
static struct told gaps[TOLD_MAX], twice[TOLD_MAX];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_numbers(char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
	double gap = 1 / atof(argv[2]), begun = now(), end = begun + atof(argv[3]);
	uint32_t word[32] = {0}, n, failed = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || inet_pton(AF_INET, argv[0], &to.sin_addr) != 1)
		err(1, "%s", argv[0]);
	for (n = 0; n < NUMBERS_MAX && now() < end; n++) {
		double wait = begun + n * gap - now();
		struct timespec t = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};

		if (wait > 0)
			nanosleep(&t, NULL);
		word[0] = n;
		/* What the kernel does not take is lost like what the wire loses. */
		if (sendto(fd, word, sizeof(word), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			failed++;
	}
	printf("{\"sent\": %u, \"failed\": %u}\n", n, failed);
}

static void print_list(const char *name, const struct told *t, uint32_t n)
{
	printf(", \"%s\": [", name);
	for (uint32_t i = 0; i < n && i < TOLD_MAX; i++)
		printf("%s[%.3f, %.0f]", i ? ", " : "", t[i].at, t[i].ms);
	printf("]");
}

static void note(struct told *to, uint32_t *n, double at, double ms)
{
	if (*n < TOLD_MAX)
		to[*n] = (struct told){at, ms};
	++*n;
}

static void say_clock(void)
{
	FILE *f = fopen("/dev/kmsg", "w");

	if (!f)
		err(1, "/dev/kmsg");
	fprintf(f, "numbered: %.6f\n", now());
	fclose(f);
}

static void tally(char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[0]))};
	struct timeval idle = {.tv_sec = atoi(argv[2])};
	uint32_t received = 0, nr_gaps = 0, nr_twice = 0, late = 0, next = 0, word[32];
	double gap = atof(argv[1]), last = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		err(1, "port %s", argv[0]);
	say_clock();
	/* The first may take its time. */
	while (recv(fd, word, sizeof(word), 0) == (ssize_t)sizeof(word) && word[0] < NUMBERS_MAX) {
		double t = now();

		if (!last && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle)))
			err(1, "timeout");
		if (last && (t - last) * 1e3 >= gap)
			note(gaps, &nr_gaps, t, (t - last) * 1e3);
		last = t;
		if (seen[word[0] / 8] & 1u << word[0] % 8) {
			note(twice, &nr_twice, t, word[0]);
			continue;
		}
		seen[word[0] / 8] |= (uint8_t)(1u << word[0] % 8);
		received++;
		late += word[0] < next;
		next = word[0] < next ? next : word[0] + 1;
	}
	printf("{\"received\": %u, \"next\": %u, \"late\": %u, \"twice\": %u, \"gaps\": %u",
	       received, next, late, nr_twice, nr_gaps);
	print_list("twice_at", twice, nr_twice);
	print_list("gaps_at", gaps, nr_gaps);
	printf("}\n");
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "send") == 0)
		send_numbers(argv + 2);
	else if (argc == 5 && strcmp(argv[1], "tally") == 0)
		tally(argv + 2);
	else
		errx(2, "usage: numbered send ADDRESS PORT RATE SECONDS | tally PORT GAP IDLE");
	return 0;
}
