/*
 * Where log lines go besides the container's own log: datagrams or a stream to a syslog or journal.
 * What surrounds a line is made by the daemon; here only the time is put in between. Nothing waits for
 * a receiver: what does not fit into its socket, and into SINK_BYTES_MAX for a stream, is dropped, so
 * that a container never stops because of its log.
 */
#define _GNU_SOURCE
#include "monitor.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Of a stream whose receiver does not read. */
#define SINK_BYTES_MAX (1024 * 1024)
#define RETRY_NS 1000000000ull
/* The last lines of a container, to a stream that is slow. */
#define END_SECONDS 2

static struct {
	struct sink_plan plan;
	int fd;
	bool stream;
	uint64_t retry_at;
	struct buffer out; /* of a stream */
} sink = { .fd = -1 };

static socklen_t address_of(const struct sink_plan *p, struct sockaddr_storage *to)
{
	memset(to, 0, sizeof *to);
	struct sockaddr_un *local = (struct sockaddr_un *)to;
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	if (p->transport == SINK_UNIX) {
		if (strlen(p->address) >= sizeof local->sun_path)
			return 0;
		local->sun_family = AF_UNIX;
		strcpy(local->sun_path, p->address);
		return sizeof *local;
	}
	if (inet_pton(AF_INET, p->address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)p->port);
		return sizeof *v4;
	}
	if (inet_pton(AF_INET6, p->address, &v6->sin6_addr) != 1)
		return 0;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)p->port);
	return sizeof *v6;
}

static bool try_connect(int type)
{
	struct sockaddr_storage to;
	socklen_t length = address_of(&sink.plan, &to);
	sink.fd = length ? socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
	sink.stream = type == SOCK_STREAM;
	if (sink.fd < 0)
		return false;
	if (connect(sink.fd, (struct sockaddr *)&to, length) == 0 || errno == EINPROGRESS)
		return true;
	int error = errno;
	close_fd(&sink.fd);
	errno = error;
	return false;
}

static void give_up(void)
{
	close_fd(&sink.fd);
	sink.out.used = 0;
	sink.retry_at = now_ns(CLOCK_MONOTONIC) + RETRY_NS;
}

static bool connected(void)
{
	if (sink.fd >= 0)
		return true;
	if (now_ns(CLOCK_MONOTONIC) < sink.retry_at)
		return false;
	if (sink.plan.transport == SINK_TCP ? try_connect(SOCK_STREAM) : try_connect(SOCK_DGRAM))
		return true;
	/* Some syslogs listen on /dev/log for streams (syslog(3) tries both, too). */
	if (sink.plan.transport == SINK_UNIX && errno == EPROTOTYPE && try_connect(SOCK_STREAM))
		return true;
	give_up();
	return false;
}

void sink_open(const struct sink_plan *plan)
{
	sink.plan = *plan;
	if (plan->transport != SINK_NONE)
		connected();
}

static size_t put_time(char *to, size_t size)
{
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	switch (sink.plan.time) {
	case SINK_TIME_STAMP: /* RFC 3164, section 4.1.2: local time */
		return strftime(to, size, "%b %e %H:%M:%S", localtime_r(&now.tv_sec, &tm));
	case SINK_TIME_SECONDS: /* RFC 3339 */
		return strftime(to, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now.tv_sec, &tm));
	case SINK_TIME_MICRO: {
		size_t n = strftime(to, size, "%Y-%m-%dT%H:%M:%S.000000Z", gmtime_r(&now.tv_sec, &tm));
		long micro = now.tv_nsec / 1000;
		for (size_t at = n - 2; n > 8 && to[at] != '.'; at--, micro /= 10)
			to[at] = (char)('0' + micro % 10);
		return n;
	}
	}
	return 0;
}

static void push_stream(void)
{
	size_t sent = 0;
	while (sent < sink.out.used) {
		ssize_t n = send(sink.fd, sink.out.data + sent, sink.out.used - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
			give_up();
			return;
		}
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	memmove(sink.out.data, sink.out.data + sent, sink.out.used - sent);
	sink.out.used -= sent;
}

/* Where something waits for a receiver that has no room, or -1. */
int sink_waits(void) { return sink.stream && sink.out.used ? sink.fd : -1; }

void sink_push(void)
{
	if (sink_waits() >= 0)
		push_stream();
}

/* One line, in two parts, with its newline or without. */
void sink_write(int which, const char *first, size_t first_length, const char *second, size_t second_length)
{
	if (sink.plan.transport == SINK_NONE || !connected())
		return;
	struct buffer *b = &sink.out;
	size_t begin = sink.stream ? b->used : 0;
	if (begin + first_length + second_length > SINK_BYTES_MAX) {
		push_stream();
		return;
	}
	char when[40];
	b->used = begin;
	put(b, sink.plan.head[which], strlen(sink.plan.head[which]));
	put(b, when, put_time(when, sizeof when));
	put(b, sink.plan.tail, strlen(sink.plan.tail));
	put(b, first, first_length);
	put(b, second, second_length);
	if (b->data[b->used - 1] != '\n')
		put(b, "\n", 1);
	if (sink.stream) {
		push_stream();
		return;
	}
	/* A datagram that finds no room is lost; one that finds nobody is tried again on a new socket. */
	if (send(sink.fd, b->data, b->used, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EINTR &&
	    errno != EMSGSIZE && errno != ENOBUFS)
		give_up();
	b->used = 0;
}

void sink_end(void)
{
	const uint64_t end = now_ns(CLOCK_MONOTONIC) + END_SECONDS * 1000000000ull;
	for (uint64_t now; sink_waits() >= 0 && (now = now_ns(CLOCK_MONOTONIC)) < end;) {
		struct pollfd room = { .fd = sink.fd, .events = POLLOUT };
		poll(&room, 1, (int)((end - now) / 1000000) + 1);
		push_stream();
	}
}
