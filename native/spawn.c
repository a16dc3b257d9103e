/*
 * From a plan to a process that waits at its ready step. With an empty join list the monitor clones
 * the process itself; else a helper enters the other namespaces first and clones with CLONE_PARENT,
 * so that the monitor is the parent in both cases, and reaps.
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* One packet: u32 kind, u32 value, u32 count, results; pass_fd, if not -1, goes with it (unix(7) SCM_RIGHTS). */
bool send_packet(int fd, enum packet kind, uint32_t value, const struct results *r, int pass_fd)
{
	uint32_t head[3] = { kind, value, r ? r->count : 0 };
	struct iovec part[2] = { { head, sizeof head }, { r ? r->body.data : NULL, r ? r->body.used : 0 } };
	struct msghdr message = { .msg_iov = part, .msg_iovlen = 2 };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	if (pass_fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof control;
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof pass_fd);
	}
	ssize_t n;
	while ((n = sendmsg(fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n >= 0;
}

/* The child's descriptors 0, 1, 2. */
static void set_stdio(const int stdio[3])
{
	int null = -1;
	for (int fd = 0; fd < 3; fd++) {
		int from = stdio[fd];
		if (from < 0 && null < 0)
			null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (from < 0)
			from = null;
		if (from < 0 || dup2(from, fd) < 0)
			_exit(1);
	}
}

static _Noreturn void perform_and_report(struct context *c, enum place place, const struct ops *ops)
{
	struct results results = { 0 };
	int error = perform(c, place, ops, 0, &results);
	if (error || place == PLACE_INIT) /* init returns only if it failed */
		send_packet(c->sync, PACKET_FAILED, 0, &results, -1);
	_exit(error || place == PLACE_INIT ? 1 : 0);
}

static pid_t clone3(uint64_t flags, int exit_signal, int cgroup)
{
	struct clone_args args = { .flags = flags, .exit_signal = (uint64_t)exit_signal };
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/* errno of a clone3 that failed, as a result of its own: opcode unshare is what clone3 with flags does. */
void clone_failed(struct results *r, enum place place, uint32_t index)
{
	int error = errno;
	put_u32(&r->body, place);
	put_u32(&r->body, index);
	put_u32(&r->body, OP_unshare);
	put_u32(&r->body, (uint32_t)error);
	put_u64(&r->body, 0);
	put_bytes(&r->body, "clone3", 6);
	r->count++;
}

static _Noreturn void become_helper(const struct spawn *s, struct context *c)
{
	struct results results = { 0 };
	if (perform(c, PLACE_JOIN, s->join, 0, &results) != 0) {
		send_packet(c->sync, PACKET_FAILED, 0, &results, -1);
		_exit(1);
	}
	pid_t pid = clone3(s->clone_flags | CLONE_PARENT, 0, -1); /* the exit signal is inherited from us, so is the cgroup */
	if (pid == 0) {
		char go;
		if (recv(c->sync, &go, 1, 0) != 1) /* until the monitor knows our pid */
			_exit(1);
		perform_and_report(c, PLACE_INIT, s->init);
	}
	if (pid < 0)
		clone_failed(&results, PLACE_JOIN, s->join->count);
	send_packet(c->sync, pid < 0 ? PACKET_FAILED : PACKET_JOINED, pid < 0 ? 0 : (uint32_t)pid, &results, -1);
	_exit(pid < 0);
}

/*
 * 0, or -1 with errno. *sync is the monitor's end of the packet socket. *pid is the new process, or 0
 * if a helper makes it: then PACKET_JOINED tells, and the process waits for one byte.
 */
int spawn(const struct spawn *s, int *sync, pid_t *pid)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	bool join = s->join->count > 0;
	uint64_t flags = s->clone_flags;
	/* Made ahead, if it may belong to the host's user namespace. */
	int network = take_spare_network();
	bool ahead = network >= 0 && !join && s->userns < 0 && flags & CLONE_NEWNET;
	if (ahead)
		flags &= ~(uint64_t)CLONE_NEWNET;
	pid_t child = clone3(join ? 0 : flags, SIGCHLD, s->cgroup);
	int below = -1;
	/* The container has handed controllers down, as systemd does: its cgroup may hold no process any more. */
	if (child < 0 && errno == EBUSY && s->first > 0 && (below = cgroup_below(s->cgroup, s->first)) >= 0)
		child = clone3(0, SIGCHLD, below);
	if (child == 0) {
		struct context *c = malloc(sizeof *c);
		if (!c || (ahead && setns(network, CLONE_NEWNET) < 0))
			_exit(1);
		close(pair[0]);
		context_init(c);
		c->sync = pair[1];
		c->root = s->root;
		c->userns = s->userns;
		c->init_pidfd = s->init_pidfd;
		c->sources = s->sources;
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		set_stdio(s->stdio);
		if (join)
			become_helper(s, c);
		perform_and_report(c, PLACE_INIT, s->init);
	}
	int saved = errno;
	if (below >= 0)
		close(below);
	close(pair[1]);
	if (network >= 0)
		close(network);
	if (child < 0) {
		close(pair[0]);
		return errno = saved, -1;
	}
	*sync = pair[0];
	*pid = join ? 0 : child;
	return 0;
}
