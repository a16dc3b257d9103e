/*
 * Ports of the host that are published: a socket that is bound and never listens keeps every other
 * program from taking the port, and tells at once when one has it already. Packets never reach it:
 * the firewall leads them away before. It belongs to a process of its own (a second agent), which
 * forks nothing: a descriptor that a monitor inherits would hold the port for ever.
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUCKETS 1024

struct held {
	struct held *next;
	int fd;
	uint64_t protocol;
	uint32_t length; /* of the address: 4 or 16 */
	char address[16];
	uint16_t port;
	char namespace[];
};
static struct held *held[BUCKETS];

static struct held **find(const struct op *op)
{
	struct held **at = &held[op->a[3].u % BUCKETS];
	for (; *at; at = &(*at)->next) {
		struct held *h = *at;
		if (h->port == op->a[3].u && h->protocol == op->a[1].u && h->length == op->a[2].length &&
		    !memcmp(h->address, op->a[2].s, h->length) && !strcmp(h->namespace, op->a[0].s))
			break;
	}
	return at;
}

struct wanted {
	int family, type, protocol;
};

static int open_socket(void *data)
{
	struct wanted *w = data;
	return socket(w->family, w->type | SOCK_CLOEXEC, w->protocol);
}

/*
 * Without SO_REUSEADDR, so that nobody else's SO_REUSEADDR helps (inet_csk_bind_conflict()); for ::
 * without the IPv4 half, which is held by a socket of its own.
 */
static int bind_port(int fd, int family, const struct op *op)
{
	int on = 1;
	if (family == AF_INET) {
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)op->a[3].u) };
		memcpy(&a.sin_addr, op->a[2].s, sizeof a.sin_addr);
		return bind(fd, (struct sockaddr *)&a, sizeof a);
	}
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)op->a[3].u) };
	memcpy(&a.sin6_addr, op->a[2].s, sizeof a.sin6_addr);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
		return -1;
	return bind(fd, (struct sockaddr *)&a, sizeof a);
}

/* A datagram that no rule led away would otherwise wait in the socket's queue until it is full. */
static void take_nothing(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int op_port_hold(struct context *c, const struct op *op)
{
	(void)c;
	uint32_t length = op->a[2].length;
	if ((length != 4 && length != 16) || op->a[3].u == 0 || op->a[3].u > 65535)
		return errno = FAULT_BAD_PLAN, -1;
	struct held **at = find(op);
	if (*at)
		return errno = EEXIST, -1;
	struct wanted w = { length == 4 ? AF_INET : AF_INET6, op->a[1].u == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM,
			    (int)op->a[1].u };
	int fd = in_namespace(op->a[0].s, open_socket, &w);
	if (fd < 0)
		return -1;
	if (w.type == SOCK_DGRAM)
		take_nothing(fd);
	struct held *h = bind_port(fd, w.family, op) < 0 ? NULL : malloc(sizeof *h + strlen(op->a[0].s) + 1);
	if (!h)
		return closing(fd, -1);
	*h = (struct held){ .fd = fd, .protocol = op->a[1].u, .length = length, .port = (uint16_t)op->a[3].u };
	memcpy(h->address, op->a[2].s, length);
	strcpy(h->namespace, op->a[0].s);
	h->next = *at;
	*at = h;
	return 0;
}

int op_port_release(struct context *c, const struct op *op)
{
	(void)c;
	struct held **at = find(op), *h = *at;
	if (!h)
		return 0;
	*at = h->next;
	close(h->fd);
	free(h);
	return 0;
}
