/*
 * The processes of one container, from their pipes to execve: what each tells while it is set up.
 */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char packet[RESULT_BYTES_MAX + 64];

struct process *find_process(struct monitor *m, const char *id)
{
	for (struct process *p = m->processes; p; p = p->next)
		if (!strcmp(p->id, id) && p->state != ENDED && p->state != FAILED)
			return p;
	return NULL;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int set_nonblocking(int fd)
{
	return fd < 0 ? 0 : fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Pipes for what is not a terminal; the child's ends in `child`. */
static int make_pipes(struct process *p, int child[3])
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
	child[0] = child[1] = child[2] = -1;
	if (p->tty)
		return 0;
	if ((p->stdin_mode != STDIN_NONE && pipe2(in, O_CLOEXEC) < 0) || pipe2(out, O_CLOEXEC) < 0 ||
	    pipe2(err, O_CLOEXEC) < 0) {
		int saved = errno;
		for (int i = 0; i < 2; i++) {
			close_fd(&in[i]);
			close_fd(&out[i]);
			close_fd(&err[i]);
		}
		return errno = saved, -1;
	}
	child[0] = in[0];
	child[1] = out[1];
	child[2] = err[1];
	p->in = in[1];
	p->out[OUT] = out[0];
	p->out[ERR] = err[0];
	set_nonblocking(p->in);
	set_nonblocking(p->out[OUT]);
	set_nonblocking(p->out[ERR]);
	return 0;
}

struct process *new_process(struct monitor *m, const char *id, struct client *owner, uint32_t owner_id)
{
	struct process *p = calloc(1, sizeof *p);
	if (!p || !(p->id = strdup(id)))
		abort();
	p->pidfd = p->sync = p->in = p->out[OUT] = p->out[ERR] = -1;
	p->owner = owner;
	p->owner_id = owner_id;
	p->next = m->processes;
	m->processes = p;
	return p;
}

/* Our child, and not reaped, so it cannot be another one yet. */
static int know_pid(struct process *p, pid_t pid)
{
	p->pid = pid;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return p->pidfd < 0 ? -1 : 0;
}

/* Made by a helper, or about to be: which of our children it is, its packet will tell. */
bool is_joining(const struct process *p) { return p->pid == 0 && p->sync >= 0; }

static void note_exit(struct monitor *m, pid_t pid, int status)
{
	for (struct process *p = m->processes; p; p = p->next) {
		if (p->pid != pid || p->reaped)
			continue;
		p->reaped = true;
		p->exit.signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
		p->exit.code = WIFSIGNALED(status) ? 128 + p->exit.signal : (uint32_t)WEXITSTATUS(status);
		p->exit.when = now_ns(CLOCK_REALTIME);
		p->drain_until = now_ns(CLOCK_MONOTONIC) + DRAIN_MS_MAX * 1000000ull;
		/* The terminal's other processes are gone with pid 1, or keep it as a pipe is kept. */
	}
}

/* While one is joining, children that nobody knows are left: it may have been killed before its packet is read. */
void reap(struct monitor *m)
{
	bool all = true;
	int status;
	for (struct process *p = m->processes; p; p = p->next)
		all = all && !is_joining(p);
	for (pid_t pid; all && (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		note_exit(m, pid, status);
	for (struct process *p = m->processes; !all && p; p = p->next)
		if (p->pid > 0 && !p->reaped && waitpid(p->pid, &status, WNOHANG) == p->pid)
			note_exit(m, p->pid, status);
}

int start_process(struct process *p, struct spawn *s)
{
	int child[3];
	if (make_pipes(p, child) < 0)
		return -1;
	memcpy(s->stdio, child, sizeof child);
	pid_t pid;
	int result = spawn(s, &p->sync, &pid);
	int saved = errno;
	for (int i = 0; i < 3; i++)
		close_fd(&child[i]);
	if (result < 0)
		return errno = saved, -1;
	return pid ? know_pid(p, pid) : 0;
}

/* Tells whoever asked that it failed; the process, if any, is on its way out. */
void fail(struct process *p)
{
	p->state = FAILED;
	answer_results(p, FRAME_FAILED);
	close_fd(&p->sync);
	if (p->pid == 0)
		p->reaped = true;
	else if (!p->reaped)
		kill(p->pid, SIGKILL);
}

void send_go(struct process *p)
{
	if (send(p->sync, "g", 1, MSG_NOSIGNAL) == 1)
		p->state = STARTING;
	else
		fail(p);
}

static void take_terminal(struct process *p, int master)
{
	struct winsize size = { .ws_row = p->rows, .ws_col = p->columns };
	set_nonblocking(master);
	p->out[OUT] = p->in = master;
	if (size.ws_row)
		ioctl(master, TIOCSWINSZ, &size);
}

/* One packet of a process that is being set up, or the end of file that says execve succeeded. */
void on_sync(struct monitor *m, struct process *p)
{
	struct iovec part = { packet, sizeof packet };
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
	};
	ssize_t n = recvmsg(p->sync, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	struct cmsghdr *passed = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	int fd = -1;
	if (passed && passed->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(passed), sizeof fd);
	if (n < 12) {
		close_fd(&p->sync);
		if (p->state != RUNNING) /* ended before it could say that all is done */
			fail(p);
		return;
	}
	struct reader r = { packet, packet + n, false };
	uint32_t kind = get_u32(&r), value = get_u32(&r), count = get_u32(&r);
	put(&p->results.body, r.at, (size_t)(r.end - r.at));
	p->results.count += count;
	switch (kind) {
	case PACKET_JOINED:
		if (know_pid(p, (pid_t)value) == 0) {
			send(p->sync, "s", 1, MSG_NOSIGNAL);
			break;
		}
		clone_failed(&p->results, PLACE_JOIN, p->results.count);
		fail(p);
		break;
	case PACKET_TERMINAL:
		if (fd >= 0)
			take_terminal(p, fd);
		fd = -1;
		break;
	case PACKET_READY:
		p->state = READY;
		if (p == m->first)
			answer_results(p, FRAME_READY);
		else
			send_go(p);
		break;
	case PACKET_RESULTS:
		p->state = RUNNING; /* unless PACKET_FAILED follows: the answer waits for that or the end of file */
		break;
	case PACKET_FAILED:
		fail(p);
		break;
	}
	close_fd(&fd);
}
