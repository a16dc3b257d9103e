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
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char packet[RESULT_BYTES_MAX + 64];

/* ---- answers ---- */

static void begin_answer(struct client *c, uint32_t kind, uint32_t id, size_t *begin)
{
	*begin = frame_begin(&c->out, kind, id);
}

static void end_answer(struct client *c, size_t begin)
{
	frame_end(&c->out, begin);
	flush_client(c);
}

static void answer(struct client *c, uint32_t kind, uint32_t id)
{
	size_t begin;
	begin_answer(c, kind, id, &begin);
	end_answer(c, begin);
}

static void refuse(struct client *c, uint32_t id, int error)
{
	size_t begin;
	begin_answer(c, FRAME_REFUSED, id, &begin);
	put_u32(&c->out, (uint32_t)error);
	end_answer(c, begin);
}

static void answer_results(struct process *p, uint32_t kind)
{
	size_t begin;
	if (!p->owner)
		return;
	begin_answer(p->owner, kind, p->owner_id, &begin);
	put_u32(&p->owner->out, (uint32_t)p->pid);
	put_results(&p->owner->out, &p->results);
	end_answer(p->owner, begin);
	free_results(&p->results);
}

static void put_exit(struct buffer *b, const struct exit_status *e)
{
	put_u32(b, e->code);
	put_u32(b, e->signal);
	put_u64(b, e->when);
}

/* ---- processes ---- */

static struct process *find_process(struct monitor *m, const char *id)
{
	for (struct process *p = m->processes; p; p = p->next)
		if (!strcmp(p->id, id) && p->state != ENDED && p->state != FAILED)
			return p;
	return NULL;
}

static void close_fd(int *fd)
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

static struct process *new_process(struct monitor *m, const char *id, struct client *owner, uint32_t owner_id)
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

static void know_pid(struct process *p, pid_t pid)
{
	p->pid = pid;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* our child, so it cannot be another one yet */
}

static int start_process(struct process *p, struct spawn *s)
{
	int child[3];
	if (make_pipes(p, child) < 0)
		return -1;
	memcpy(s->stdio, child, sizeof child);
	pid_t pid;
	int result = spawn(s, &p->sync, &pid, &p->helper);
	int saved = errno;
	for (int i = 0; i < 3; i++)
		close_fd(&child[i]);
	if (result < 0)
		return errno = saved, -1;
	if (pid)
		know_pid(p, pid);
	return 0;
}

/* Tells whoever asked that it failed; the process, if any, is on its way out. */
static void fail(struct process *p)
{
	p->state = FAILED;
	answer_results(p, FRAME_FAILED);
	close_fd(&p->sync);
	if (p->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
	else if (p->pid == 0)
		p->reaped = true;
}

static void send_go(struct process *p)
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
static void on_sync(struct monitor *m, struct process *p)
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
		know_pid(p, (pid_t)value);
		send(p->sync, "s", 1, MSG_NOSIGNAL);
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

/* ---- requests ---- */

static void on_launch(struct monitor *m, struct client *c, uint32_t id, struct reader *r, char *frame)
{
	struct ops host, join, init;
	struct context context;
	uint32_t length;
	m->launched = true;
	m->frame = frame;
	struct process *p = m->first = new_process(m, "", c, id);
	p->tty = get_u32(r);
	p->stdin_mode = get_u32(r);
	bool json = get_u32(r) == LOG_JSON_FILE;
	const char *path = get_string(r, &length);
	uint64_t max_bytes = get_u64(r);
	uint32_t max_files = get_u32(r);
	bool good = get_ops(r, &host) && get_ops(r, &join);
	uint64_t flags = get_u64(r);
	good = good && get_ops(r, &init) && get_ops(r, &m->teardown);
	context_init(&context);
	if (!good) {
		errno = EPROTO;
	} else if (perform(&context, PLACE_HOST, &host, 0, &p->results) == 0) {
		if (json && length)
			log_open(path, max_bytes, max_files);
		struct spawn s = { .join = &join, .init = &init, .clone_flags = flags, .init_pidfd = -1,
				   .userns = context.userns, .root = context.root };
		if (start_process(p, &s) < 0) {
			put_u32(&p->results.body, PLACE_HOST);
			put_u32(&p->results.body, host.count);
			put_u32(&p->results.body, OP_unshare);
			put_u32(&p->results.body, (uint32_t)errno);
			put_u64(&p->results.body, 0);
			put_bytes(&p->results.body, "clone3", 6);
			p->results.count++;
			fail(p);
		}
	} else {
		fail(p);
	}
	if (!good)
		fail(p);
	close_fd(&context.root);
	close_fd(&context.userns);
	free(context.out.data);
	if (good) {
		free_ops(&host);
		free_ops(&join);
		free_ops(&init);
	}
}

static void on_exec(struct monitor *m, struct client *c, uint32_t id, struct reader *r)
{
	struct ops join = { 0 }, init = { 0 };
	if (!m->gone || m->first->state != RUNNING || m->first->reaped) {
		refuse(c, id, ESRCH);
		return;
	}
	const char *name = get_string(r, NULL);
	if (!*name || find_process(m, name)) {
		refuse(c, id, EEXIST);
		return;
	}
	struct process *p = new_process(m, name, c, id);
	p->tty = get_u32(r);
	p->stdin_mode = get_u32(r);
	c->stream = p;
	c->starting = true;
	c->wanted = get_u32(r);
	if (!get_ops(r, &join) || !get_ops(r, &init)) {
		errno = EPROTO;
		fail(p);
	} else {
		struct spawn s = { .join = &join, .init = &init, .init_pidfd = m->first->pidfd, .userns = -1, .root = -1 };
		if (start_process(p, &s) < 0)
			fail(p);
	}
	free_ops(&join);
	free_ops(&init);
}

static void on_attach(struct monitor *m, struct client *c, uint32_t id, struct reader *r)
{
	struct process *p = find_process(m, get_string(r, NULL));
	unsigned wanted = get_u32(r);
	if (!p || r->broken) {
		refuse(c, id, ESRCH);
		return;
	}
	answer(c, FRAME_OK, id);
	c->stream = p;
	c->wanted = wanted;
}

static void on_state(struct monitor *m, struct client *c, uint32_t id)
{
	size_t begin;
	uint32_t count = 0;
	struct exit_status none = { 0 };
	bool ended = m->first && m->first->reported;
	begin_answer(c, FRAME_STATE_REPLY, id, &begin);
	put_u32(&c->out, m->first ? (uint32_t)m->first->pid : 0);
	put_u32(&c->out, m->gone);
	put_u32(&c->out, ended);
	put_exit(&c->out, ended ? &m->first->exit : &none);
	for (struct process *p = m->processes; p; p = p->next)
		count += p != m->first && p->state == RUNNING && !p->reaped;
	put_u32(&c->out, count);
	for (struct process *p = m->processes; p; p = p->next)
		if (p != m->first && p->state == RUNNING && !p->reaped) {
			put_bytes(&c->out, p->id, strlen(p->id));
			put_u32(&c->out, (uint32_t)p->pid);
		}
	end_answer(c, begin);
}

static void on_signal(struct monitor *m, struct client *c, uint32_t id, struct reader *r)
{
	struct process *p = find_process(m, get_string(r, NULL));
	int number = (int)get_u32(r);
	if (!p || p->pidfd < 0 || p->reaped)
		refuse(c, id, ESRCH);
	else if (syscall(SYS_pidfd_send_signal, p->pidfd, number, NULL, 0) < 0)
		refuse(c, id, errno);
	else
		answer(c, FRAME_OK, id);
}

static void on_resize(struct monitor *m, struct client *c, uint32_t id, struct reader *r)
{
	struct process *p = find_process(m, get_string(r, NULL));
	uint32_t rows = get_u32(r), columns = get_u32(r);
	if (!p || !p->tty) {
		refuse(c, id, p ? ENOTTY : ESRCH);
		return;
	}
	p->rows = (unsigned short)rows; /* kept for a terminal that does not exist yet */
	p->columns = (unsigned short)columns;
	struct winsize size = { .ws_row = p->rows, .ws_col = p->columns };
	if (p->out[OUT] >= 0 && ioctl(p->out[OUT], TIOCSWINSZ, &size) < 0)
		refuse(c, id, errno);
	else
		answer(c, FRAME_OK, id);
}

static void on_go(struct monitor *m, struct client *c, uint32_t id)
{
	if (!m->first || m->first->state != READY) {
		refuse(c, id, EINVAL);
		return;
	}
	m->gone = true;
	m->first->owner = c;
	m->first->owner_id = id;
	send_go(m->first);
}

/* Takes ownership of the frame only for LAUNCH. */
static bool on_frame(struct monitor *m, struct client *c, char *frame, const struct frame_header *h)
{
	struct reader r = { frame, frame + h->length, false };
	switch (h->kind) {
	case FRAME_LAUNCH:
		if (m->launched)
			break;
		on_launch(m, c, h->id, &r, frame);
		return true;
	case FRAME_GO: on_go(m, c, h->id); return false;
	case FRAME_STATE: on_state(m, c, h->id); return false;
	case FRAME_SIGNAL: on_signal(m, c, h->id, &r); return false;
	case FRAME_RESIZE: on_resize(m, c, h->id, &r); return false;
	case FRAME_EXEC: on_exec(m, c, h->id, &r); return false;
	case FRAME_ATTACH: on_attach(m, c, h->id, &r); return false;
	}
	refuse(c, h->id, EPROTO);
	return false;
}

/* Frames that have arrived whole are served; a connection that became a stream keeps its other bytes. */
static void on_control(struct monitor *m, struct client *c)
{
	char chunk[16384];
	ssize_t n = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->dead = true;
		return;
	}
	put(&c->in, chunk, (size_t)n);
	while (!c->dead && !c->stream && c->in.used >= sizeof(struct frame_header)) {
		struct frame_header h;
		memcpy(&h, c->in.data, sizeof h);
		if (h.length > FRAME_BYTES_MAX) {
			c->dead = true;
			return;
		}
		size_t whole = sizeof h + h.length;
		if (c->in.used < whole)
			return;
		char *frame = malloc(h.length + 1);
		if (!frame)
			abort();
		memcpy(frame, c->in.data + sizeof h, h.length);
		c->in.used -= whole;
		memmove(c->in.data, c->in.data + whole, c->in.used);
		if (!on_frame(m, c, frame, &h))
			free(frame);
	}
	if (c->in.used == 0) {
		free(c->in.data);
		memset(&c->in, 0, sizeof c->in);
	}
}

/* ---- ends ---- */

static void on_child(struct monitor *m)
{
	struct signalfd_siginfo info;
	while (read(m->signals, &info, sizeof info) > 0)
		;
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		for (struct process *p = m->processes; p; p = p->next) {
			if (p->helper == pid)
				p->helper = 0;
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

static void write_exit_file(struct monitor *m)
{
	char path[4200], temp[4300];
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
	snprintf(path, sizeof path, "%s/exit", m->directory);
	snprintf(temp, sizeof temp, "%s.new", path);
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		if (write_all(fd, b.data, b.used))
			rename(temp, path);
		close(fd);
	}
	free(b.data);
	free(body.data);
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
	close_output(p, OUT);
	close_output(p, ERR);
	close_fd(&p->in);
	close_fd(&p->pidfd);
	close_fd(&p->sync);
	if (p != m->first) {
		if (!failed)
			tell_exec_exit(m, p);
		finish_streams(m, p);
	}
}

/* The container is over: undo on the host, keep the status, tell. */
static void end_container(struct monitor *m)
{
	struct context context;
	struct process *p = m->first;
	log_end();
	context_init(&context);
	for (uint32_t from = 0; from < m->teardown.count;) {
		/* Each step is tried, whatever became of the one before. */
		struct ops one = { m->teardown.list, from + 1 };
		perform(&context, PLACE_TEARDOWN, &one, from, &m->teardown_results);
		from++;
	}
	free(context.out.data);
	if (p->state != FAILED && m->gone)
		write_exit_file(m);
	/* From here on whoever looks finds the exit file, and no socket that would have to be tried. */
	char path[4200];
	snprintf(path, sizeof path, "%s/monitor.sock", m->directory);
	unlink(path);
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
			process_input(m, c);
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
	for (struct process *p = m->processes; p; p = p->next)
		if (!p->reported && p->pidfd >= 0)
			syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
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
	if (fd < 0)
		return;
	int count = 0;
	for (struct client *c = m->clients; c; c = c->next)
		count++;
	struct client *c = count < CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;
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
	enum { LISTENER, SIGNALS, CLIENT, SYNC, OUTPUT, INPUT } kind;
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
	watch(m->listener, POLLIN, LISTENER, NULL, 0);
	watch(m->signals, POLLIN, SIGNALS, NULL, 0);
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

static int timeout_ms(const struct monitor *m)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), next = m->launched || m->clients ? 0 : m->give_up;
	for (const struct process *p = m->processes; p; p = p->next)
		if (p->reaped && !p->reported && p->drain_until && (!next || p->drain_until < next))
			next = p->drain_until;
	return next == 0 ? -1 : next <= now ? 0 : (int)((next - now) / 1000000) + 1;
}

static void serve(struct monitor *m, const struct watched *w, short happened)
{
	struct client *c = w->of;
	struct process *p = w->of;
	switch (w->kind) {
	case LISTENER: on_connect(m); break;
	case SIGNALS: on_child(m); break;
	case SYNC: on_sync(m, p); break;
	case OUTPUT: process_output(m, p, w->which); break;
	case INPUT: write_input(p); break;
	case CLIENT:
		if (happened & POLLOUT)
			flush_client(c);
		if (!c->stream && happened & POLLIN)
			on_control(m, c);
		else if (c->stream && !c->starting && happened & POLLIN)
			process_input(m, c);
		else if (happened & (POLLHUP | POLLERR)) {
			c->hung = c->stream && c->wanted & STREAM_STDIN && !c->in_ended && !c->starting;
			c->dead = !c->hung;
		}
		break;
	}
}

_Noreturn void monitor_main(int listener, const char *directory)
{
	struct monitor m = { .listener = listener, .directory = strdup(directory) };
	sigset_t set;
	prctl(PR_SET_NAME, "coracle-monitor");
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
			break;
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
