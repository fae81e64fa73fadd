// SPDX-License-Identifier: BSD-3-Clause
/* A TCP stream at a steady rate between two guests, each byte of it checked: it must live through whatever is done to
 * the paths below it.
 *   steady take PORT                          one connection, until its end
 *   steady give ADDRESS PORT BYTES SECONDS    BYTES a second; ends when the other side has all
 * Each prints a line of JSON at the end, and fails when the connection does. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE	  4096u
#define PIECES_MS 10

static uint8_t buf[PIECE];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Byte @at of the stream. No two pages of it are the same for long. */
static uint8_t byte_of(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

static void take(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0), c;
	uint64_t got = 0, wrong = 0;
	ssize_t n, i;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 1))
		err(1, "port %s", port);
	c = accept(fd, NULL, NULL);
	if (c < 0)
		err(1, "accept");
	while ((n = read(c, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i++)
			wrong += buf[i] != byte_of(got + (uint64_t)i);
		got += (uint64_t)n;
	}
	if (n < 0)
		err(1, "after %lu bytes", got);
	if (write(c, &got, sizeof(got)) != sizeof(got))
		err(1, "the last word");
	printf("{\"bytes\": %lu, \"wrong\": %lu}\n", got, wrong);
}

static uint64_t put(int fd, uint64_t sent, uint64_t due)
{
	while (sent < due) {
		uint32_t i, n = due - sent < PIECE ? (uint32_t)(due - sent) : PIECE;
		ssize_t put;

		for (i = 0; i < n; i++)
			buf[i] = byte_of(sent + i);
		put = send(fd, buf, n, MSG_NOSIGNAL);
		if (put < 0)
			err(1, "after %lu bytes", sent);
		sent += (uint64_t)put;
	}
	return sent;
}

static void give(char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
	double rate = atof(argv[2]), seconds = atof(argv[3]), begun, t;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timespec nap = {0, PIECES_MS * 1000000};
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	uint64_t sent = 0, got = 0;

	if (fd < 0 || inet_pton(AF_INET, argv[0], &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "%s", argv[0]);
	for (begun = now(); (t = now() - begun) < seconds; nanosleep(&nap, NULL))
		sent = put(fd, sent, (uint64_t)(t * rate));
	if (shutdown(fd, SHUT_WR) || recv(fd, &got, sizeof(got), MSG_WAITALL) != sizeof(got))
		err(1, "the other side did not say how much it got of %lu bytes", sent);
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	printf("{\"bytes\": %lu, \"received\": %lu, \"sent_again\": %u}\n", sent, got,
	       info.tcpi_total_retrans);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "take") == 0)
		take(argv[2]);
	else if (argc == 6 && strcmp(argv[1], "give") == 0)
		give(argv + 2);
	else
		errx(2, "usage: steady take PORT | give ADDRESS PORT BYTES SECONDS");
	return 0;
}
