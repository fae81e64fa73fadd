// SPDX-License-Identifier: BSD-3-Clause
/* What busybox's nc cannot do: IPv6 and UDP, for the lab's guests. Addresses are numeric.
 *   talk send HOST PORT <FILE       one TCP stream
 *   talk recv PORT >FILE            takes one, over IPv4 or IPv6
 *   talk udp HOST PORT COUNT SIZE [FROM FLOWS]   COUNT datagrams each from FLOWS ports, from FROM on */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buf[1 << 16];

static struct sockaddr_in6 address(const char *host, const char *port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6};
	char mapped[64] = "::ffff:";

	strncat(mapped, host, sizeof(mapped) - 8);
	a.sin6_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET6, strchr(host, ':') ? host : mapped, &a.sin6_addr) != 1)
		errx(2, "no address: %s", host);
	return a;
}

static int new_socket(int type)
{
	int on = 1, off = 0, fd = socket(AF_INET6, type, 0);

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		err(1, "socket");
	return fd;
}

static void copy(int from, int to)
{
	ssize_t n, done, m;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		for (done = 0; done < n; done += m) {
			m = write(to, buf + done, (size_t)(n - done));
			if (m <= 0)
				err(1, "write");
		}
	}
	if (n < 0)
		err(1, "read");
}

/* Done when the other side has taken all and closed. */
static void send_stream(const char *host, const char *port)
{
	struct sockaddr_in6 a = address(host, port);
	int fd = new_socket(SOCK_STREAM);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		err(1, "connect to %s", host);
	copy(STDIN_FILENO, fd);
	shutdown(fd, SHUT_WR);
	if (read(fd, buf, sizeof(buf)) != 0)
		err(1, "the end");
}

static void recv_stream(const char *port)
{
	struct sockaddr_in6 a = address("::", port);
	int fd = new_socket(SOCK_STREAM), c;

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
		err(1, "port %s", port);
	c = accept(fd, NULL, NULL);
	if (c < 0)
		err(1, "accept");
	copy(c, STDOUT_FILENO);
}

static void datagrams(char **argv)
{
	struct sockaddr_in6 a = address(argv[0], argv[1]),
			    from = address("::", argv[4] ? argv[4] : "0");
	int count = atoi(argv[2]), flows = argv[4] && argv[5] ? atoi(argv[5]) : 1, i, k;
	size_t size = (size_t)atoi(argv[3]);

	for (k = 0; k < flows; k++) {
		int fd = new_socket(SOCK_DGRAM);

		if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
			err(1, "bind");
		for (i = 0; i < count; i++) {
			if (sendto(fd, buf, size, 0, (struct sockaddr *)&a, sizeof(a)) < 0)
				err(1, "send");
			usleep(1000);
		}
		close(fd);
		from.sin6_port = htons((uint16_t)(ntohs(from.sin6_port) + 1));
	}
}

int main(int argc, char **argv)
{
	bool is_udp = (argc == 6 || argc == 8) && strcmp(argv[1], "udp") == 0;

	if (argc == 4 && strcmp(argv[1], "send") == 0)
		send_stream(argv[2], argv[3]);
	else if (argc == 3 && strcmp(argv[1], "recv") == 0)
		recv_stream(argv[2]);
	else if (is_udp && strtoul(argv[5], NULL, 10) <= sizeof(buf))
		datagrams(argv + 2);
	else
		errx(2,
		     "usage: talk send HOST PORT | recv PORT | udp HOST PORT COUNT SIZE [FROM FLOWS]");
	return 0;
}
