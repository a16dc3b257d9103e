/*
 * The monitor: one per container, parent of its processes. It outlives the daemon and the agent. It
 * holds the pipes and terminals, writes the log, reaps, keeps the exit status in a file, and serves
 * whoever connects to <directory>/monitor.sock: control connections speak frames (protocol.h), an
 * ATTACH or EXEC turns its connection into a raw stream.
 *
 * One loop over poll(2); nothing in it blocks but the operations of the host and teardown lists.
 */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void on_child(struct monitor *m)
{
	struct signalfd_siginfo info;
	while (read(m->signals, &info, sizeof info) > 0)
		;
	reap(m);
}

/* execve succeeded: tell, and let the bytes flow. */
static void settle(struct process *p)
{
	if (p->sync >= 0 || p->state != RUNNING || p->started)
		return;
	p->started = true;
	answer_results(p, FRAME_STARTED);
	if (p->owner && p->owner->stream == p)
		p->owner->starting = false;
}

static bool write_exit_file(struct monitor *m)
{
	struct buffer b = { 0 };
	struct exit_status *e = &m->first->exit;
	char head[160];
	int n = snprintf(head, sizeof head, "exit_code=%u\nsignal=%u\nfinished_at=%llu\nteardown=", e->code, e->signal,
			 (unsigned long long)e->when);
	put(&b, head, (size_t)n);
	/* The encoded results, in hexadecimal: the daemon reads them as it reads an EXITED frame. */
	struct buffer body = { 0 };
	put_results(&body, &m->teardown_results);
	for (size_t i = 0; i < body.used; i++) {
		snprintf(head, sizeof head, "%02x", (unsigned char)body.data[i]);
		put(&b, head, 2);
	}
	put(&b, "\n", 1);
	int fd = openat(m->directory, "exit.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool written = fd >= 0 && write_all(fd, b.data, b.used) &&
		       renameat(m->directory, "exit.new", m->directory, "exit") == 0;
	closing(fd, 0);
	free(b.data);
	free(body.data);
	return written;
}

static bool drained(const struct process *p)
{
	bool silent = p->hung_up || (p->out[OUT] < 0 && p->out[ERR] < 0);
	return p->reaped && (silent || now_ns(CLOCK_MONOTONIC) >= p->drain_until);
}

static void finish_streams(struct monitor *m, struct process *p)
{
	for (struct client *c = m->clients; c; c = c->next)
		if (c->stream == p)
			c->finish = true;
}

static void tell_exec_exit(struct monitor *m, struct process *p)
{
	for (struct client *c = m->clients; c; c = c->next) {
		size_t begin;
		if (c->stream || c->dead)
			continue;
		begin_answer(c, FRAME_EXEC_EXITED, 0, &begin);
		put_bytes(&c->out, p->id, strlen(p->id));
		put_exit(&c->out, &p->exit);
		end_answer(c, begin);
	}
}

static void end_process(struct monitor *m, struct process *p)
{
	bool failed = p->state == FAILED;
	p->reported = true;
	p->state = failed ? FAILED : ENDED;
	take_rest(m, p, OUT);
	take_rest(m, p, ERR);
	close_fd(&p->in);
	close_fd(&p->pidfd);
	close_fd(&p->sync);
	if (p != m->first) {
		if (!failed)
			tell_exec_exit(m, p);
		finish_streams(m, p);
	}
}

static void tear_down(struct monitor *m)
{
	struct context context;
	log_end();
	context_init(&context);
	for (uint32_t from = 0; from < m->teardown.count;) {
		/* Each step is tried, whatever became of the one before. */
		struct ops one = { m->teardown.list, from + 1 };
		perform(&context, PLACE_TEARDOWN, &one, from, &m->teardown_results);
		from++;
	}
	free(context.out.data);
	m->torn_down = true;
}

static bool is_watched(const struct monitor *m)
{
	const struct client *c = m->clients;
	while (c && (c->stream || c->dead))
		c = c->next;
	return c != NULL;
}

/*
 * The container is over: undo on the host, keep the status, tell. Where there is no room for the status
 * and nobody to tell, it is tried again.
 */
static void end_container(struct monitor *m)
{
	struct process *p = m->first;
	if (!m->torn_down)
		tear_down(m);
	if (p->state != FAILED && m->gone && !write_exit_file(m) && !is_watched(m))
		return;
	/* From here on whoever looks finds the exit file, and no socket that would have to be tried. */
	unlinkat(m->directory, "monitor.sock", 0);
	for (struct client *c = m->clients; c; c = c->next) {
		size_t begin;
		if (c->stream || c->dead)
			continue;
		begin_answer(c, FRAME_EXITED, 0, &begin);
		put_exit(&c->out, &p->exit);
		put_results(&c->out, &m->teardown_results);
		end_answer(c, begin);
	}
	finish_streams(m, p);
	m->over = true;
}

static bool all_ended(const struct monitor *m)
{
	for (const struct process *p = m->processes; p; p = p->next)
		if (!p->reported)
			return false;
	return true;
}

/* A client that closed its connection may have left bytes for a process that does not read yet. */
static void read_left_input(struct monitor *m)
{
	for (struct client *c = m->clients; c; c = c->next) {
		while (c->hung && !c->dead && !c->in_ended && input_wanted(c->stream))
			process_input(c);
		c->dead = c->dead || (c->hung && (c->in_ended || c->finish));
	}
}

/* Moves every process on that can be moved on; the container ends after its last process. */
static void advance(struct monitor *m)
{
	for (struct process *p = m->processes; p; p = p->next) {
		settle(p);
		if (p->reported || p->sync >= 0)
			continue;
		if (p->state == FAILED ? p->reaped : drained(p))
			end_process(m, p);
	}
	if (!m->first || !m->first->reported || m->over)
		return;
	for (struct process *p = m->processes; p; p = p->next) {
		if (!p->reported && p->pidfd >= 0)
			syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
		if (is_joining(p)) { /* nobody waits for its helper, which may be frozen */
			fail(p);
			end_process(m, p);
		}
	}
	if (all_ended(m))
		end_container(m);
}

/* Nobody will say go any more: the daemon died between launch and go. */
static void give_up_if_abandoned(struct monitor *m, const struct client *c)
{
	for (struct process *p = m->processes; p; p = p->next)
		if (p->owner == c) {
			if (p == m->first && !m->gone && p->state != FAILED)
				fail(p);
			p->owner = NULL;
		}
	if (!m->launched)
		m->over = true; /* connected, and never launched anything */
}

static void remove_dead_clients(struct monitor *m)
{
	for (struct client **at = &m->clients; *at;) {
		struct client *c = *at;
		if (c->finish && c->out.used == 0)
			c->dead = true;
		if (!c->dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		if (c->stream && !c->in_ended && c->wanted & STREAM_STDIN && c->stream->stdin_mode == STDIN_ONCE)
			end_input(c->stream);
		give_up_if_abandoned(m, c);
		/* Bytes left unread at close would turn the peer's end of file into ECONNRESET. */
		char waste[4096];
		for (int i = 0; i < 256 && recv(c->fd, waste, sizeof waste, MSG_DONTWAIT) > 0; i++)
			;
		close(c->fd);
		free(c->in.data);
		free(c->out.data);
		free(c);
	}
}

/* An exec that has ended and that no stream points to is forgotten. */
static void remove_ended_execs(struct monitor *m)
{
	for (struct process **at = &m->processes; *at;) {
		struct process *p = *at;
		bool used = p == m->first || !p->reported;
		for (struct client *c = m->clients; c && !used; c = c->next)
			used = c->stream == p;
		if (used) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p->to_in.data);
		free_results(&p->results);
		free(p->id);
		free(p);
	}
}

static void on_connect(struct monitor *m)
{
	int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	m->deaf = fd < 0;
	if (m->deaf)
		return;
	int count = 0;
	struct client *oldest = NULL; /* of those that are gone, and left input that nobody reads */
	for (struct client *c = m->clients; c; c = c->next) {
		count++;
		if (c->hung)
			oldest = c;
	}
	if (count >= CLIENTS_MAX && oldest)
		oldest->dead = true;
	struct client *c = count < CLIENTS_MAX || oldest ? calloc(1, sizeof *c) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->next = m->clients;
	m->clients = c;
}

/* ---- the loop ---- */

struct watched {
	enum { LISTENER, SIGNALS, SINK, CLIENT, SYNC, OUTPUT, INPUT } kind;
	void *of;
	int which;
};
static struct pollfd *polls;
static struct watched *watched;
static size_t watch_count, watch_size;

static void watch(int fd, short events, int kind, void *of, int which)
{
	if (fd < 0)
		return;
	if (watch_count == watch_size) {
		watch_size = watch_size ? watch_size * 2 : 16;
		polls = realloc(polls, watch_size * sizeof *polls);
		watched = realloc(watched, watch_size * sizeof *watched);
		if (!polls || !watched)
			abort();
	}
	polls[watch_count] = (struct pollfd){ .fd = fd, .events = events };
	watched[watch_count++] = (struct watched){ kind, of, which };
}

static void watch_all(struct monitor *m)
{
	watch_count = 0;
	watch(m->deaf ? -1 : m->listener, POLLIN, LISTENER, NULL, 0);
	watch(m->signals, POLLIN, SIGNALS, NULL, 0);
	watch(sink_waits(), POLLOUT, SINK, NULL, 0);
	for (struct client *c = m->clients; c; c = c->next) {
		bool read = c->stream ? !c->starting && !c->in_ended && input_wanted(c->stream) : true;
		if (!c->hung)
			watch(c->fd, (short)((read ? POLLIN : 0) | (c->out.used ? POLLOUT : 0)), CLIENT, c, 0);
	}
	for (struct process *p = m->processes; p; p = p->next) {
		watch(p->sync, POLLIN, SYNC, p, 0);
		/* Output waits until the answer that the program runs is out, and for slow clients. */
		bool hold = p->state != RUNNING || p->sync >= 0;
		for (int which = OUT; which <= ERR; which++)
			if (!hold && !p->hung_up && !output_blocked(m, p, which))
				watch(p->out[which], POLLIN, OUTPUT, p, which);
		if (p->to_in.used && p->in >= 0)
			watch(p->in, POLLOUT, INPUT, p, 0);
	}
}

#define RETRY_NS 100000000ull

static int timeout_ms(const struct monitor *m)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), next = m->launched || m->clients ? 0 : m->give_up;
	for (const struct process *p = m->processes; p; p = p->next)
		if (p->reaped && !p->reported && p->drain_until && (!next || p->drain_until < next))
			next = p->drain_until;
	if ((m->deaf || (m->torn_down && !m->over)) && (!next || now + RETRY_NS < next))
		next = now + RETRY_NS;
	return next == 0 ? -1 : next <= now ? 0 : (int)((next - now) / 1000000) + 1;
}

static void serve(struct monitor *m, const struct watched *w, short happened)
{
	struct client *c = w->of;
	struct process *p = w->of;
	switch (w->kind) {
	case LISTENER: on_connect(m); break;
	case SIGNALS: on_child(m); break;
	case SINK: sink_push(); break;
	case SYNC:
		on_sync(m, p);
		reap(m);
		break;
	case OUTPUT: process_output(m, p, w->which); break;
	case INPUT: write_input(p); break;
	case CLIENT:
		if (happened & POLLOUT)
			flush_client(c);
		if (!c->stream && happened & POLLIN)
			on_control(m, c);
		else if (c->stream && !c->starting && happened & POLLIN)
			process_input(c);
		else if (happened & (POLLHUP | POLLERR)) {
			c->hung = c->stream && c->wanted & STREAM_STDIN && !c->in_ended && !c->starting;
			c->dead = !c->hung;
		}
		break;
	}
}

_Noreturn void monitor_main(int listener, int directory)
{
	struct monitor m = { .listener = listener, .directory = directory, .cgroup = -1 };
	sigset_t set;
	prctl(PR_SET_NAME, "coracle-spare"); /* until it gets a container */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setsid();
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL); /* only SIGKILL ends a monitor before its container */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	m.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	m.give_up = now_ns(CLOCK_MONOTONIC) + LAUNCH_WAIT_MS_MAX * 1000000ull;
	while (!(m.over && !m.clients)) {
		watch_all(&m);
		int n = poll(polls, watch_count, timeout_ms(&m));
		if (n < 0 && errno != EINTR)
			poll(NULL, 0, RETRY_NS / 1000000); /* no memory for it: to end would end the container */
		m.deaf = false;
		for (size_t i = 0; n > 0 && i < watch_count; i++)
			if (polls[i].revents)
				serve(&m, &watched[i], polls[i].revents);
		read_left_input(&m);
		advance(&m);
		if (!m.launched && !m.clients && now_ns(CLOCK_MONOTONIC) >= m.give_up)
			break; /* the daemon died before it could connect */
		if (m.over)
			for (struct client *c = m.clients; c; c = c->next)
				c->finish = true;
		remove_dead_clients(&m);
		remove_ended_execs(&m);
	}
	_exit(0);
}
