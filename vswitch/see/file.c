/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a capture goes. A regular file takes everything at once. A pipe or socket takes what its reader
 * leaves room for; O_NONBLOCK is not touched, for it would be the reader's, too. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "vswitch/see/ctl.h"

#define BUF_SIZE   (1u << 20)
#define PIPE_WRITE 4096u /* a pipe that is ready for writing takes so much without blocking */
#define LAST_WAITS 10u
#define WAIT_MS	   20

int see_file_open(struct see_file *f, int fd)
{
	struct stat st;

	f->fd = -1;
	if (fstat(fd, &st))
		return err_sys(-errno, "capture: file descriptor %d", fd);
	f->kind = S_ISREG(st.st_mode)	 ? SEE_FILE_REGULAR
		  : S_ISSOCK(st.st_mode) ? SEE_FILE_SOCKET
					 : SEE_FILE_OTHER;
	f->buf.mem = malloc(BUF_SIZE);
	if (!f->buf.mem)
		return err_set(-ENOMEM, "no memory for a capture's buffer");
	f->buf.size = BUF_SIZE;
	f->fd = fd;
	return 0;
}

/* What write(2) would say; 0: not now. */
static ssize_t write_some(struct see_file *f, const uint8_t *p, size_t n)
{
	struct pollfd pf = {.fd = f->fd, .events = POLLOUT};

	if (f->kind == SEE_FILE_REGULAR)
		return write(f->fd, p, n);
	if (f->kind == SEE_FILE_SOCKET)
		return send(f->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (poll(&pf, 1, 0) <= 0)
		return 0;
	if (pf.revents & (POLLERR | POLLNVAL)) { /* nobody reads: write() would raise SIGPIPE */
		errno = EPIPE;
		return -1;
	}
	return write(f->fd, p, n < PIPE_WRITE ? n : PIPE_WRITE);
}

int see_file_flush(struct see_file *f)
{
	size_t at = 0;
	int rc = 0;

	while (at < f->buf.len && f->fd >= 0) {
		ssize_t n = write_some(f, f->buf.mem + at, f->buf.len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			rc = err_sys(-errno, "capture: cannot write");
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	f->written += at;
	memmove(f->buf.mem, f->buf.mem + at, f->buf.len - at);
	f->buf.len -= at;
	return rc;
}

int see_file_close(struct see_file *f)
{
	struct pollfd pf = {.fd = f->fd, .events = POLLOUT};
	unsigned int i;
	int rc = 0;

	if (f->fd >= 0)
		rc = see_file_flush(f);
	for (i = 0; i < LAST_WAITS && f->fd >= 0 && f->buf.len && !rc; i++) {
		poll(&pf, 1, WAIT_MS);
		rc = see_file_flush(f);
	}
	if (f->buf.len && !rc)
		rc = err_set(-EAGAIN, "capture: the reader does not read, %zu bytes are lost",
			     f->buf.len);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	free(f->buf.mem);
	memset(&f->buf, 0, sizeof(f->buf));
	return rc;
}
