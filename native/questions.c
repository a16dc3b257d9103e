/*
 * What containers ask of 127.0.0.11:53, by udp and tcp, until the daemon has answered or the time is
 * over. Each container has a share of everything, so that none can take what the others need.
 */
#define _GNU_SOURCE
#include "native.h"
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUERY_WAIT_MS_MAX 8000 /* resolvers ask again after 5 s; older queries are dropped */
#define QUERIES_MAX 8192
#define SESSIONS_MAX 4096 /* tcp connections */
#define SANDBOX_QUERIES_MAX 256
#define SANDBOX_SESSIONS_MAX 64
#define QUERY_BYTES_MAX 4096 /* a question is some hundred bytes, its options included */
#define SESSION_IDLE_MS 10000

struct sandbox {
	struct sandbox *next;
	struct watch udp_watch, tcp_watch;
	char *id, *path;
	struct stat namespace; /* which it is; our sockets hold it, so that no other gets its number */
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
	uint32_t token;
	unsigned queries_count, sessions_count;
	struct sandbox *sandboxes;
	struct session *sessions;
	struct query *queries;
} all;

static void free_query(struct query **at)
{
	struct query *q = *at;
	*at = q->next;
	all.queries_count--;
	q->sandbox->queries--;
	free(q->message.data);
	free(q);
}

static void send_query(struct query *q)
{
	if (!q->sent)
		q->sent = relay_query(q->token, q->sandbox->id, q->session != NULL, &q->message);
}

static void ask(struct sandbox *s, struct session *t, const struct sockaddr_in *from, const char *data, size_t length)
{
	if (all.queries_count >= QUERIES_MAX || s->queries >= SANDBOX_QUERIES_MAX || length > QUERY_BYTES_MAX)
		return; /* as a full queue of a name server: the resolver asks again */
	struct query *q = calloc(1, sizeof *q);
	if (!q)
		return;
	q->sandbox = s;
	q->session = t;
	if (from)
		q->from = *from;
	q->token = ++all.token;
	q->deadline = now_ms() + QUERY_WAIT_MS_MAX;
	put(&q->message, data, length);
	q->next = all.queries;
	all.queries = q;
	all.queries_count++;
	s->queries++;
	send_query(q);
}

static void read_udp(void *of)
{
	struct sandbox *s = of;
	char data[QUERY_BYTES_MAX + 1]; /* one that fills it is too long */
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
	bool full = all.sessions_count >= SESSIONS_MAX || s->sessions >= SANDBOX_SESSIONS_MAX;
	struct session *t = fd < 0 || full ? NULL : calloc(1, sizeof *t);
	if (!t) {
		if (fd >= 0)
			close(fd);
		return;
	}
	*t = (struct session){ .next = all.sessions, .sandbox = s, .fd = fd, .last = now_ms() };
	t->watch = (struct watch){ read_tcp, t };
	relay_watch(fd, EPOLLIN, &t->watch);
	all.sessions = t;
	all.sessions_count++;
	s->sessions++;
}

static struct sandbox *find(const char *id)
{
	for (struct sandbox *s = all.sandboxes; s; s = s->next)
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

void questions_close(const char *id)
{
	struct sandbox **at = &all.sandboxes;
	while (*at && strcmp((*at)->id, id))
		at = &(*at)->next;
	struct sandbox *s = *at;
	if (!s)
		return;
	*at = s->next;
	for (struct query **q = &all.queries; *q;)
		if ((*q)->sandbox == s)
			free_query(q);
		else
			q = &(*q)->next;
	for (struct session *t = all.sessions; t; t = t->next)
		if (t->sandbox == s) {
			t->dead = true;
			t->sandbox = NULL;
		}
	free_sandbox(s);
}

/* Again with the same path it is what the daemon does when it comes back; another path replaces it. */
int questions_open(const char *id, const char *path)
{
	struct sandbox *s = find(id);
	if (s && !strcmp(s->path, path))
		return 0;
	questions_close(id);
	s = calloc(1, sizeof *s);
	if (!s || !(s->id = strdup(id)) || !(s->path = strdup(path)))
		abort();
	if (stat(path, &s->namespace) < 0 || resolver_open(&s->resolver, path) < 0) {
		int saved = errno;
		free_sandbox(s);
		return errno = saved, -1;
	}
	s->udp_watch = (struct watch){ read_udp, s };
	s->tcp_watch = (struct watch){ accept_tcp, s };
	relay_watch(s->resolver.udp, EPOLLIN, &s->udp_watch);
	relay_watch(s->resolver.tcp, EPOLLIN, &s->tcp_watch);
	s->next = all.sandboxes;
	all.sandboxes = s;
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

/* Ends what is too old, and what its container closed. */
void questions_expire(uint64_t now)
{
	for (struct session *t = all.sessions; t; t = t->next)
		t->dead = t->dead || now - t->last > SESSION_IDLE_MS;
	for (struct query **q = &all.queries; *q;)
		if (now >= (*q)->deadline || ((*q)->session && (*q)->session->dead))
			free_query(q);
		else
			q = &(*q)->next;
	for (struct session **at = &all.sessions; *at;) {
		struct session *t = *at;
		if (!t->dead) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		all.sessions_count--;
		if (t->sandbox)
			t->sandbox->sessions--;
		close(t->fd);
		free(t->in.data);
		free(t);
	}
}


/* Path of the namespace of a container that may ask; NULL when it may not. */
const char *questions_path(const char *id)
{
	const struct sandbox *s = find(id);
	return s ? s->path : NULL;
}

void questions_answer(uint32_t token, const char *data, uint32_t length)
{
	for (struct query **q = &all.queries; *q; q = &(*q)->next)
		if ((*q)->token == token) {
			if (length > 0)
				send_answer(*q, data, length);
			free_query(q);
			return;
		}
}

/* A daemon is there: what waits goes to it. */
void questions_send(void)
{
	for (struct query *q = all.queries; q; q = q->next)
		send_query(q);
}

/* The daemon went: the next one shall answer what it had. */
void questions_hold(void)
{
	for (struct query *q = all.queries; q; q = q->next)
		q->sent = false;
}

void questions_list(struct buffer *b)
{
	uint32_t count = 0;
	for (struct sandbox *s = all.sandboxes; s; s = s->next)
		count++;
	put_u32(b, count);
	for (struct sandbox *s = all.sandboxes; s; s = s->next)
		put_bytes(b, s->id, strlen(s->id));
}

bool questions_wait(void) { return all.queries || all.sessions; }
bool questions_possible(void) { return all.sandboxes != NULL; }

/* Whether a process is in any of the namespaces; also where that cannot be told. */
bool questions_inhabited(void)
{
	DIR *proc = opendir("/proc");
	if (!proc)
		return true;
	bool found = false;
	for (struct dirent *d; !found && (d = readdir(proc));) {
		char path[sizeof d->d_name + sizeof "/ns/net"];
		struct stat st;
		snprintf(path, sizeof path, "%s/ns/net", d->d_name);
		/* One that ended meanwhile has none, nor has a zombie. */
		if (d->d_name[0] < '1' || d->d_name[0] > '9' || fstatat(dirfd(proc), path, &st, 0) < 0)
			continue;
		for (struct sandbox *s = all.sandboxes; s && !found; s = s->next)
			found = st.st_ino == s->namespace.st_ino && st.st_dev == s->namespace.st_dev;
	}
	closedir(proc);
	return found;
}
