/*
 * Questions to name servers, asked from inside a container's network namespace: for servers that the
 * container itself named, which may be on its own loopback or where the host has no way to. One
 * message goes out, one comes back; what is in them is not looked at.
 */
#define _GNU_SOURCE
#include "native.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FORWARDS_MAX 1024
#define MESSAGE_BYTES_MAX 65535
#define LENGTH_BYTES 2 /* before each message by tcp (RFC 1035, 4.2.2) */

struct forward {
	struct forward *next;
	struct watch watch;
	uint32_t token;
	int fd;
	bool tcp;
	uint64_t deadline;
	size_t written;
	struct buffer out, in;
};
struct target {
	struct sockaddr_storage address;
	socklen_t size;
	int type;
};

static struct forward *forwards;
static unsigned count;

static bool read_address(struct target *t, const char *host, uint16_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&t->address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&t->address;
	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		t->size = sizeof *four;
		return true;
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	t->size = sizeof *six;
	return inet_pton(AF_INET6, host, &six->sin6_addr) == 1;
}

static int connect_here(void *of)
{
	const struct target *t = of;
	int fd = socket(t->address.ss_family, t->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&t->address, t->size) < 0 && errno != EINPROGRESS)
		return closing(fd, -1);
	return fd;
}

static void serve(void *of);

/* False where it cannot even be asked: then there will be no answer. */
bool forward_start(const struct question *q)
{
	struct target t = { .type = q->tcp ? SOCK_STREAM : SOCK_DGRAM };
	if (count >= FORWARDS_MAX || q->length > MESSAGE_BYTES_MAX || !read_address(&t, q->host, q->port))
		return false;
	int fd = in_namespace(q->path, connect_here, &t);
	struct forward *f = fd < 0 ? NULL : calloc(1, sizeof *f);
	if (!f)
		return closing(fd, false);
	*f = (struct forward){ .next = forwards, .token = q->token, .fd = fd, .tcp = q->tcp, .deadline = q->deadline };
	const unsigned char length[LENGTH_BYTES] = { (unsigned char)(q->length >> 8), (unsigned char)q->length };
	if (q->tcp)
		put(&f->out, length, sizeof length);
	put(&f->out, q->message, q->length);
	f->watch = (struct watch){ serve, f };
	relay_watch(fd, EPOLLIN | EPOLLOUT, &f->watch);
	forwards = f;
	count++;
	return true;
}

static void end(struct forward **at, const void *data, size_t length)
{
	struct forward *f = *at;
	*at = f->next;
	count--;
	forward_done(f->token, data, length);
	close(f->fd);
	free(f->out.data);
	free(f->in.data);
	free(f);
}

/* Whether it goes on. */
static bool send_some(struct forward *f)
{
	if (f->written == f->out.used)
		return true;
	ssize_t n = send(f->fd, f->out.data + f->written, f->out.used - f->written, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		f->written += (size_t)n;
	if (f->written == f->out.used)
		relay_watch(f->fd, EPOLLIN, &f->watch);
	return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static void serve(void *of)
{
	struct forward *f = of, **at = &forwards;
	while (*at != f)
		at = &(*at)->next;
	char chunk[MESSAGE_BYTES_MAX];
	if (!send_some(f)) {
		end(at, NULL, 0);
		return;
	}
	ssize_t n = recv(f->fd, chunk, sizeof chunk, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || !f->tcp) {
		end(at, chunk, n < 0 ? 0 : (size_t)n);
		return;
	}
	put(&f->in, chunk, (size_t)n);
	if (f->in.used < LENGTH_BYTES)
		return;
	size_t length = (size_t)(unsigned char)f->in.data[0] << 8 | (unsigned char)f->in.data[1];
	if (f->in.used - LENGTH_BYTES >= length)
		end(at, f->in.data + LENGTH_BYTES, length);
}

/* The time is over, or everything is (UINT64_MAX). */
void forward_expire(uint64_t now)
{
	for (struct forward **at = &forwards; *at;)
		if (now >= (*at)->deadline)
			end(at, NULL, 0);
		else
			at = &(*at)->next;
}

bool forward_waits(void) { return forwards != NULL; }
