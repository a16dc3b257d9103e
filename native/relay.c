/*
 * The relay of the embedded DNS: holds 127.0.0.11:53 (udp and tcp) inside containers' network
 * namespaces, passes each query to the daemon as a frame and the answer back. It knows no DNS. It
 * outlives the daemon: queries that come while none is connected wait for the next one, so a restart
 * of the daemon costs a resolver a delay and not a failure.
 *
 * It ends when it holds no namespace and its daemon went away, or none came for FIRST_DAEMON_MS_MAX.
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_DAEMON_MS_MAX 30000
#define QUERY_WAIT_MS_MAX 8000 /* resolvers ask again after 5 s; older queries are dropped */
#define QUERIES_MAX 4096
#define SESSIONS_MAX 512 /* tcp connections */
/* Of one container, so that none can take what the others need. */
#define SANDBOX_QUERIES_MAX 256
#define SANDBOX_SESSIONS_MAX 64
#define QUERY_BYTES_MAX 4096 /* a question is some hundred bytes, its options included */
#define SESSION_IDLE_MS 10000
#define TICK_MS 250
#define MESSAGE_BYTES_MAX 65535

#define EVENTS 64

struct sandbox {
	struct sandbox *next;
	struct watch udp_watch, tcp_watch;
	char *id, *path;
	unsigned queries, sessions;
	struct resolver resolver;
};
struct session { /* one tcp connection of a container */
	struct session *next;
	struct watch watch;
	struct sandbox *sandbox;
	int fd;
	bool dead;
	uint64_t last;
	struct buffer in;
};
struct query {
	struct query *next;
	struct sandbox *sandbox;
	struct session *session; /* NULL for udp */
	struct sockaddr_in from;
	uint32_t token;
	bool sent; /* to the daemon that is connected now */
	uint64_t deadline;
	struct buffer message;
};

static struct {
	int epoll, listener, daemon;
	struct watch listener_watch, daemon_watch;
	uint64_t started;
	bool was_used, wants_out;
	uint32_t token;
	unsigned queries_count, sessions_count;
	struct sandbox *sandboxes;
	struct session *sessions;
	struct query *queries;
	struct buffer in, out;
} relay = { .listener = -1, .daemon = -1 };

static void read_udp(void *of);
static void accept_tcp(void *of);

/* Calls w->ready for every event until the descriptor is closed; other events than before replace them. */
void relay_watch(int fd, uint32_t events, struct watch *w)
{
	struct epoll_event event = { .events = events, .data.ptr = w };
	if (epoll_ctl(relay.epoll, EPOLL_CTL_ADD, fd, &event) < 0 && errno == EEXIST)
		epoll_ctl(relay.epoll, EPOLL_CTL_MOD, fd, &event);
}

static uint64_t now_ms(void) { return now_ns(1 /* CLOCK_MONOTONIC */) / 1000000; }

static void drop_daemon(void)
{
	if (relay.daemon >= 0)
		close(relay.daemon);
	relay.daemon = -1;
	relay.in.used = relay.out.used = 0;
	relay.wants_out = false;
	forward_expire(UINT64_MAX); /* the next daemon gets the queries and asks anew */
	for (struct query *q = relay.queries; q; q = q->next)
		q->sent = false; /* the next daemon shall answer it */
}

static void flush_daemon(void)
{
	if (relay.daemon < 0 || relay.out.used == 0)
		return;
	ssize_t n = send(relay.daemon, relay.out.data, relay.out.used, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		drop_daemon();
	else if (n > 0) {
		relay.out.used -= (size_t)n;
		memmove(relay.out.data, relay.out.data + n, relay.out.used);
	}
	bool wants = relay.out.used > 0;
	if (relay.daemon >= 0 && wants != relay.wants_out) {
		relay.wants_out = wants;
		relay_watch(relay.daemon, wants ? EPOLLIN | EPOLLOUT : EPOLLIN, &relay.daemon_watch);
	}
}

static void send_query(struct query *q)
{
	if (relay.daemon < 0 || q->sent)
		return;
	size_t begin = frame_begin(&relay.out, FRAME_RELAY_QUERY, q->token);
	put_bytes(&relay.out, q->sandbox->id, strlen(q->sandbox->id));
	put_u32(&relay.out, q->session != NULL);
	put_bytes(&relay.out, q->message.data, q->message.used);
	frame_end(&relay.out, begin);
	q->sent = true;
}

static void free_query(struct query **at)
{
	struct query *q = *at;
	*at = q->next;
	relay.queries_count--;
	q->sandbox->queries--;
	free(q->message.data);
	free(q);
}

static void ask(struct sandbox *s, struct session *t, const struct sockaddr_in *from, const char *data, size_t length)
{
	if (relay.queries_count >= QUERIES_MAX || s->queries >= SANDBOX_QUERIES_MAX || length > QUERY_BYTES_MAX)
		return; /* as a full queue of a name server: the resolver asks again */
	struct query *q = calloc(1, sizeof *q);
	if (!q)
		return;
	q->sandbox = s;
	q->session = t;
	if (from)
		q->from = *from;
	q->token = ++relay.token;
	q->deadline = now_ms() + QUERY_WAIT_MS_MAX;
	put(&q->message, data, length);
	q->next = relay.queries;
	relay.queries = q;
	relay.queries_count++;
	s->queries++;
	send_query(q);
}

static struct sandbox *find_sandbox(const char *id)
{
	for (struct sandbox *s = relay.sandboxes; s; s = s->next)
		if (!strcmp(s->id, id))
			return s;
	return NULL;
}

static void free_sandbox(struct sandbox *s)
{
	resolver_close(&s->resolver);
	free(s->id);
	free(s->path);
	free(s);
}

static void remove_sandbox(const char *id)
{
	struct sandbox **at = &relay.sandboxes;
	while (*at && strcmp((*at)->id, id))
		at = &(*at)->next;
	struct sandbox *s = *at;
	if (!s)
		return;
	*at = s->next;
	for (struct query **q = &relay.queries; *q;)
		if ((*q)->sandbox == s)
			free_query(q);
		else
			q = &(*q)->next;
	for (struct session *t = relay.sessions; t; t = t->next)
		if (t->sandbox == s) {
			t->dead = true;
			t->sandbox = NULL;
		}
	free_sandbox(s);
}

/* Again with the same path it is what the daemon does when it comes back; another path replaces it. */
static int add_sandbox(const char *id, const char *path)
{
	struct sandbox *s = find_sandbox(id);
	if (s && !strcmp(s->path, path))
		return 0;
	remove_sandbox(id);
	s = calloc(1, sizeof *s);
	if (!s || !(s->id = strdup(id)) || !(s->path = strdup(path)))
		abort();
	if (resolver_open(&s->resolver, path) < 0) {
		int saved = errno;
		free_sandbox(s);
		return errno = saved, -1;
	}
	s->udp_watch = (struct watch){ read_udp, s };
	s->tcp_watch = (struct watch){ accept_tcp, s };
	relay_watch(s->resolver.udp, EPOLLIN, &s->udp_watch);
	relay_watch(s->resolver.tcp, EPOLLIN, &s->tcp_watch);
	s->next = relay.sandboxes;
	relay.sandboxes = s;
	return 0;
}

static void send_answer(struct query *q, const char *data, uint32_t length)
{
	if (!q->session) {
		resolver_send(&q->sandbox->resolver, &q->from, data, length);
		return;
	}
	/* One small answer fits the socket's buffer; a client that does not read loses its connection. */
	unsigned char size[2] = { (unsigned char)(length >> 8), (unsigned char)length };
	struct buffer b = { 0 };
	put(&b, size, 2);
	put(&b, data, length);
	if (send(q->session->fd, b.data, b.used, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)b.used)
		q->session->dead = true;
	free(b.data);
}

void forward_done(uint32_t token, const void *data, size_t length)
{
	if (relay.daemon < 0)
		return;
	size_t begin = frame_begin(&relay.out, FRAME_RELAY_FORWARD, token);
	put_bytes(&relay.out, data, length);
	frame_end(&relay.out, begin);
}

static void start_forward(uint32_t token, struct reader *r)
{
	struct sandbox *s = find_sandbox(get_string(r, NULL));
	struct question q = { .token = token, .tcp = get_u32(r) != 0 };
	q.host = get_string(r, NULL);
	q.port = (uint16_t)get_u32(r);
	q.deadline = now_ms() + get_u32(r);
	uint32_t length;
	q.message = get_string(r, &length);
	q.length = length;
	q.path = s ? s->path : NULL;
	if (r->broken || !s || !forward_start(&q))
		forward_done(token, NULL, 0);
}

static void on_frame(const struct frame_header *h, struct reader *r)
{
	uint32_t length;
	size_t begin;
	const char *id, *data;
	int result = 0;
	switch (h->kind) {
	case FRAME_RELAY_ANSWER:
		data = get_string(r, &length);
		for (struct query **q = &relay.queries; *q; q = &(*q)->next)
			if ((*q)->token == h->id) {
				if (!r->broken && length <= MESSAGE_BYTES_MAX && length > 0)
					send_answer(*q, data, length);
				free_query(q);
				break;
			}
		return;
	case FRAME_RELAY_ADD:
		id = get_string(r, NULL);
		data = get_string(r, NULL);
		result = r->broken ? (errno = EPROTO, -1) : add_sandbox(id, data);
		break;
	case FRAME_RELAY_REMOVE:
		remove_sandbox(get_string(r, NULL));
		break;
	case FRAME_RELAY_FORWARD:
		start_forward(h->id, r);
		return;
	case FRAME_RELAY_LIST: {
		uint32_t count = 0;
		for (struct sandbox *s = relay.sandboxes; s; s = s->next)
			count++;
		begin = frame_begin(&relay.out, FRAME_RELAY_LIST, h->id);
		put_u32(&relay.out, count);
		for (struct sandbox *s = relay.sandboxes; s; s = s->next)
			put_bytes(&relay.out, s->id, strlen(s->id));
		frame_end(&relay.out, begin);
		return;
	}
	default:
		result = -1;
		errno = EPROTO;
	}
	int saved = errno;
	begin = frame_begin(&relay.out, result < 0 ? FRAME_REFUSED : FRAME_OK, h->id);
	if (result < 0)
		put_u32(&relay.out, (uint32_t)saved);
	frame_end(&relay.out, begin);
}

static void read_daemon(void *of)
{
	(void)of;
	char chunk[16384];
	ssize_t n = recv(relay.daemon, chunk, sizeof chunk, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop_daemon();
		return;
	}
	put(&relay.in, chunk, (size_t)n);
	size_t at = 0;
	while (relay.in.used - at >= sizeof(struct frame_header)) {
		struct frame_header h;
		memcpy(&h, relay.in.data + at, sizeof h);
		if (h.length > 4 * MESSAGE_BYTES_MAX) {
			drop_daemon();
			return;
		}
		if (relay.in.used - at < sizeof h + h.length)
			break;
		struct reader r = { relay.in.data + at + sizeof h, relay.in.data + at + sizeof h + h.length, false };
		on_frame(&h, &r);
		at += sizeof h + h.length;
	}
	relay.in.used -= at;
	memmove(relay.in.data, relay.in.data + at, relay.in.used);
}

static void accept_daemon(void *of)
{
	(void)of;
	int fd = accept4(relay.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	drop_daemon(); /* the newest is the one that lives */
	relay.daemon = fd;
	relay.daemon_watch = (struct watch){ read_daemon, NULL };
	relay_watch(fd, EPOLLIN, &relay.daemon_watch);
	relay.was_used = true;
	for (struct query *q = relay.queries; q; q = q->next)
		send_query(q);
}

static void read_udp(void *of)
{
	struct sandbox *s = of;
	char data[MESSAGE_BYTES_MAX];
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t n = recvfrom(s->resolver.udp, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
	if (n > 0)
		ask(s, NULL, &from, data, (size_t)n);
}

static void read_tcp(void *of)
{
	struct session *t = of;
	char chunk[4096];
	ssize_t n = recv(t->fd, chunk, sizeof chunk, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		t->dead = true;
		return;
	}
	t->last = now_ms();
	put(&t->in, chunk, (size_t)n);
	while (t->in.used >= 2) {
		size_t length = (size_t)(unsigned char)t->in.data[0] << 8 | (unsigned char)t->in.data[1];
		if (length > QUERY_BYTES_MAX) {
			t->dead = true;
			return;
		}
		if (t->in.used < length + 2)
			return;
		ask(t->sandbox, t, NULL, t->in.data + 2, length);
		t->in.used -= length + 2;
		memmove(t->in.data, t->in.data + length + 2, t->in.used);
	}
}

static void accept_tcp(void *of)
{
	struct sandbox *s = of;
	int fd = accept4(s->resolver.tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	bool full = relay.sessions_count >= SESSIONS_MAX || s->sessions >= SANDBOX_SESSIONS_MAX;
	struct session *t = fd < 0 || full ? NULL : calloc(1, sizeof *t);
	if (!t) {
		if (fd >= 0)
			close(fd);
		return;
	}
	*t = (struct session){ .next = relay.sessions, .sandbox = s, .fd = fd, .last = now_ms() };
	t->watch = (struct watch){ read_tcp, t };
	relay_watch(fd, EPOLLIN, &t->watch);
	relay.sessions = t;
	relay.sessions_count++;
	s->sessions++;
}

static void remove_dead(uint64_t now)
{
	for (struct session *t = relay.sessions; t; t = t->next)
		t->dead = t->dead || now - t->last > SESSION_IDLE_MS;
	for (struct query **q = &relay.queries; *q;)
		if (now >= (*q)->deadline || ((*q)->session && (*q)->session->dead))
			free_query(q);
		else
			q = &(*q)->next;
	for (struct session **at = &relay.sessions; *at;) {
		struct session *t = *at;
		if (!t->dead) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		relay.sessions_count--;
		if (t->sandbox)
			t->sandbox->sessions--;
		close(t->fd);
		free(t->in.data);
		free(t);
	}
}

/* Those that may free what others of the same batch are about come last. */
static void serve(const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++) {
		const struct watch *w = events[i].data.ptr;
		if (w != &relay.daemon_watch && w != &relay.listener_watch)
			w->ready(w->of);
	}
	for (int i = 0; i < count; i++) {
		const struct watch *w = events[i].data.ptr;
		if (w == &relay.daemon_watch || w == &relay.listener_watch)
			w->ready(w->of);
	}
}

int relay_main(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path)
		return 2;
	strcpy(address.sun_path, path);
	prctl(PR_SET_NAME, "coracle-relay");
	setsid();
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	relay.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(path);
	if (relay.listener < 0 || bind(relay.listener, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(relay.listener, 8) < 0)
		return 1;
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (relay.epoll < 0)
		return 1;
	relay.listener_watch = (struct watch){ accept_daemon, NULL };
	relay_watch(relay.listener, EPOLLIN, &relay.listener_watch);
	relay.started = now_ms();
	for (;;) {
		bool waits = relay.queries || relay.sessions || forward_waits() || !relay.sandboxes;
		struct epoll_event events[EVENTS];
		serve(events, epoll_wait(relay.epoll, events, EVENTS, waits ? TICK_MS : -1));
		flush_daemon();
		uint64_t now = now_ms();
		remove_dead(now);
		forward_expire(now);
		if (!relay.sandboxes && relay.daemon < 0 && (relay.was_used || now - relay.started > FIRST_DAEMON_MS_MAX)) {
			unlink(path);
			return 0;
		}
	}
}
