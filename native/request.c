/*
 * What a daemon asks of a monitor and how it is answered (protocol.h): each frame has one function.
 */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void begin_answer(struct client *c, uint32_t kind, uint32_t id, size_t *begin)
{
	*begin = frame_begin(&c->out, kind, id);
}

void end_answer(struct client *c, size_t begin)
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

void answer_results(struct process *p, uint32_t kind)
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

void put_exit(struct buffer *b, const struct exit_status *e)
{
	put_u32(b, e->code);
	put_u32(b, e->signal);
	put_u64(b, e->when);
}

static void on_launch(struct monitor *m, struct client *c, uint32_t id, struct reader *r, char *frame)
{
	struct ops host, join, init;
	struct context context;
	m->launched = true;
	prctl(PR_SET_NAME, "coracle-monitor");
	m->frame = frame;
	struct process *p = m->first = new_process(m, "", c, id);
	p->tty = get_u32(r);
	p->stdin_mode = get_u32(r);
	bool json = get_u32(r) == LOG_JSON_FILE;
	const char *path = get_string(r, NULL);
	uint64_t max_bytes = get_u64(r);
	uint32_t max_files = get_u32(r);
	const char *attributes = get_string(r, NULL);
	struct sink_plan sink = { .transport = get_u32(r) };
	sink.address = get_string(r, NULL);
	sink.port = get_u32(r);
	sink.time = get_u32(r);
	sink.head[OUT] = get_string(r, NULL);
	sink.head[ERR] = get_string(r, NULL);
	sink.tail = get_string(r, NULL);
	bool good = get_ops(r, &host) && get_ops(r, &join);
	uint64_t flags = get_u64(r);
	good = good && get_ops(r, &init) && get_ops(r, &m->teardown);
	context_init(&context);
	if (!good) {
		errno = EPROTO;
	} else if (perform(&context, PLACE_HOST, &host, 0, &p->results) == 0) {
		m->cgroup = context.cgroup;
		if (json)
			log_open(path, max_bytes, max_files, attributes);
		sink_open(&sink);
		struct spawn s = { .join = &join, .init = &init, .clone_flags = flags, .init_pidfd = -1,
				   .userns = context.userns, .root = context.root, .cgroup = m->cgroup,
				   .sources = context.sources };
		if (start_process(p, &s) < 0) {
			clone_failed(&p->results, PLACE_HOST, host.count);
			fail(p);
		}
	} else {
		fail(p);
	}
	if (!good)
		fail(p);
	forget_sysctl_proc();
	forget_sources(&context);
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
		struct spawn s = { .join = &join, .init = &init, .init_pidfd = m->first->pidfd,
				   .userns = -1, .root = -1, .cgroup = m->cgroup, .first = m->first->pid };
		if (start_process(p, &s) < 0) {
			clone_failed(&p->results, PLACE_JOIN, join.count);
			fail(p);
		}
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

/* Frames that have arrived whole are served. Who asks for a stream sends nothing more before the answer. */
void on_control(struct monitor *m, struct client *c)
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
