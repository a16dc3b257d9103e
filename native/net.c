/*
 * Network namespaces and netlink for the agent. TypeScript encodes the messages; here they are sent in
 * the namespace that they are for, and what the kernel answers is handed back. The agent has one
 * thread, so it may enter another network namespace for the length of a call.
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors of the namespaces that a message names (IFLA_NET_NS_FD): the n-th path is this plus n. */
#define NAMESPACE_FD 200
#define NAMESPACES_MAX 16
#define NETLINK_BUFFER_BYTES (1u << 20)
#define TRANSACTION_BYTES_MAX (8 << 20)

/* Runs f in the namespace at path ("" = here), and comes back whatever happened. */
int in_namespace(const char *path, int (*f)(void *), void *data)
{
	if (!*path)
		return f(data);
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = home < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0 || setns(there, CLONE_NEWNET) < 0)
		return closing(home, closing(there, -1));
	int result = f(data), saved = errno;
	if (setns(home, CLONE_NEWNET) < 0)
		abort(); /* in a wrong namespace every later call would be wrong */
	return errno = saved, closing(home, closing(there, result));
}

/* A new namespace, pinned by a bind mount of its file, so that it is there before any process (ip-netns(8)). */
int op_netns_create(struct context *c, const struct op *op)
{
	(void)c;
	const char *path = op->a[0].s;
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int file = home < 0 ? -1 : open(path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (file < 0)
		return closing(home, -1);
	close(file);
	int spare = take_spare_network();
	int result = closing(spare, spare >= 0 ? setns(spare, CLONE_NEWNET) : unshare(CLONE_NEWNET));
	int saved = errno;
	if (result == 0) {
		result = mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL);
		saved = errno;
		if (setns(home, CLONE_NEWNET) < 0)
			abort();
	}
	close(home);
	if (result < 0)
		unlink(path);
	return errno = saved, result;
}

/* The same for a namespace that a process has already: one that its user namespace must own. */
int op_netns_pin(struct context *c, const struct op *op)
{
	(void)c;
	const char *path = op->a[0].s;
	int file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (file < 0)
		return -1;
	close(file);
	if (mount(op->a[1].s, path, NULL, MS_BIND, NULL) == 0)
		return 0;
	int saved = errno;
	unlink(path);
	return errno = saved, -1;
}

int op_netns_delete(struct context *c, const struct op *op)
{
	(void)c;
	if (umount2(op->a[0].s, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return -1;
	return unlink(op->a[0].s) == 0 || errno == ENOENT ? 0 : -1;
}

static int open_netlink(void *protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, *(int *)protocol), on = 1, transaction = TRANSACTION_BYTES_MAX;
	if (fd >= 0) { /* old kernels have neither, and then say less */
		setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
		setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
		/* A transaction is one datagram, which must fit. */
		if (*(int *)protocol == NETLINK_NETFILTER)
			setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &transaction, sizeof transaction);
	}
	return fd;
}

/* What the kernel says beside the errno (NETLINK_EXT_ACK), moved to the front of data as text. */
static void keep_reason(char *data, struct nlmsghdr *h)
{
	size_t at = NLMSG_ALIGN(sizeof *h + sizeof(struct nlmsgerr)), length = 0;
	const char *text = NULL;
	while (h->nlmsg_flags & NLM_F_ACK_TLVS && at + NLA_HDRLEN <= h->nlmsg_len) {
		struct nlattr *a = (struct nlattr *)((char *)h + at);
		if (a->nla_len < NLA_HDRLEN || at + a->nla_len > h->nlmsg_len)
			break;
		if (a->nla_type == NLMSGERR_ATTR_MSG) {
			text = (char *)a + NLA_HDRLEN;
			length = strnlen(text, a->nla_len - NLA_HDRLEN);
		}
		at += NLA_ALIGN(a->nla_len);
	}
	if (text)
		memmove(data, text, length);
	data[length] = 0;
}

/*
 * Reads answers until the request with this sequence number is acknowledged or its dump is done.
 * Messages that are not acknowledgements go to the output. After a failure data is text for people.
 */
static int read_answers(struct context *c, int fd, uint32_t sequence, char *data)
{
	for (;;) {
		ssize_t n = recv(fd, data, NETLINK_BUFFER_BYTES, MSG_TRUNC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || n > (ssize_t)NETLINK_BUFFER_BYTES)
			return data[0] = 0, n < 0 ? -1 : (errno = FAULT_TOO_MANY, -1);
		for (struct nlmsghdr *h = (struct nlmsghdr *)data; NLMSG_OK(h, (uint32_t)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_seq != sequence)
				continue;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR) {
				int error = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
				if (error == 0)
					return 0;
				keep_reason(data, h);
				return errno = error, -1;
			}
			if (c->out.used + h->nlmsg_len > NETLINK_BYTES_MAX)
				return data[0] = 0, errno = FAULT_TOO_MANY, -1;
			put(&c->out, h, h->nlmsg_len);
		}
	}
}

static bool header_at(const struct argument *messages, uint32_t at, struct nlmsghdr *h)
{
	if (at > messages->length || messages->length - at < sizeof *h)
		return false;
	memcpy(h, messages->s + at, sizeof *h);
	return h->nlmsg_len >= sizeof *h && h->nlmsg_len <= messages->length - at;
}

/*
 * A transaction of nfnetlink stands in one datagram, from its begin to its end: the kernel takes back
 * all of it when it refuses a part (nfnetlink_rcv_batch()). The answers are queued before send()
 * returns, so a missing one is no reason to wait. *index is which message was refused.
 */
static int exchange_transaction(int fd, const struct argument *messages, uint32_t *at, uint32_t *index, char *data)
{
	uint32_t begin = *at, first = 0, count = 0, last = 0;
	struct nlmsghdr h;
	data[0] = 0;
	do {
		if (!header_at(messages, *at, &h))
			return errno = FAULT_BAD_PLAN, -1;
		if (count++ == 0)
			first = h.nlmsg_seq;
		if (h.nlmsg_flags & NLM_F_ACK)
			last = h.nlmsg_seq;
		*at += NLMSG_ALIGN(h.nlmsg_len);
	} while (h.nlmsg_type != NFNL_MSG_BATCH_END);
	if (send(fd, messages->s + begin, *at - begin, 0) < 0)
		return -1;
	for (;;) {
		ssize_t n = recv(fd, data, NETLINK_BUFFER_BYTES, MSG_DONTWAIT);
		if (n < 0)
			return data[0] = 0, errno = errno == EAGAIN ? EIO : errno, -1;
		for (struct nlmsghdr *a = (struct nlmsghdr *)data; NLMSG_OK(a, (uint32_t)n); a = NLMSG_NEXT(a, n)) {
			if (a->nlmsg_type != NLMSG_ERROR || a->nlmsg_seq - first >= count)
				continue;
			int error = -((struct nlmsgerr *)NLMSG_DATA(a))->error;
			if (error) {
				*index += a->nlmsg_seq - first;
				keep_reason(data, a);
				return errno = error, -1;
			}
			if (a->nlmsg_seq == last)
				return *index += count - 1, 0;
		}
	}
}

/*
 * Each message is sent and answered before the next, but for transactions; the first that the kernel
 * refuses ends the batch.
 */
static int exchange(struct context *c, int fd, bool netfilter, const struct argument *messages)
{
	char *data = malloc(NETLINK_BUFFER_BYTES);
	int result = data ? 0 : -1;
	for (uint32_t at = 0, index = 0; result == 0 && at < messages->length; index++) {
		struct nlmsghdr h;
		if (!header_at(messages, at, &h)) {
			result = (errno = FAULT_BAD_PLAN, -1);
			break;
		}
		if (netfilter && h.nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
			h.nlmsg_len = 0;
			result = exchange_transaction(fd, messages, &at, &index, data);
		} else if (send(fd, messages->s + at, h.nlmsg_len, 0) < 0)
			result = (data[0] = 0, -1);
		else
			result = read_answers(c, fd, h.nlmsg_seq, data);
		if (result < 0) {
			int saved = errno;
			c->out.used = 0;
			put_u32(&c->out, index); /* which message it was */
			put(&c->out, data, strlen(data));
			errno = saved;
		}
		at += NLMSG_ALIGN(h.nlmsg_len);
	}
	int saved = errno;
	free(data);
	return errno = saved, result;
}

/*
 * The host's socket to netfilter stays open: to close one waits until all that was ever deleted
 * through it is freed, a grace period of milliseconds (nft_rcv_nl_event()).
 */
static int kept = -1;

void forget_netlink(void)
{
	if (kept >= 0)
		close(kept);
	kept = -1;
}

int op_netlink(struct context *c, const struct op *op)
{
	const struct argument *paths = &op->a[1];
	int protocol = (int)op->a[2].u, opened = 0, result = 0;
	bool keep = protocol == NETLINK_NETFILTER && !*op->a[0].s;
	if (paths->length > NAMESPACES_MAX)
		return errno = FAULT_TOO_MANY, -1;
	for (; result == 0 && opened < (int)paths->length; opened++) {
		int fd = open(paths->l[opened], O_RDONLY | O_CLOEXEC);
		result = closing(fd, fd < 0 || dup3(fd, NAMESPACE_FD + opened, O_CLOEXEC) < 0 ? -1 : 0);
	}
	int fd = result < 0		? -1
		 : keep && kept >= 0 ? kept
				     : in_namespace(op->a[0].s, open_netlink, &protocol);
	result = fd < 0 ? -1 : exchange(c, fd, protocol == NETLINK_NETFILTER, &op->a[3]);
	int saved = errno;
	if (keep && fd >= 0)
		kept = fd;
	if (keep && result < 0)
		forget_netlink(); /* answers that nobody read may be left in it */
	else if (!keep && fd >= 0)
		close(fd);
	while (opened-- > 0)
		close(NAMESPACE_FD + opened);
	return errno = saved, result;
}
