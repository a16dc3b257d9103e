/*
 * The relay of the embedded DNS: holds 127.0.0.11:53 (udp and tcp) inside containers' network
 * namespaces, passes each query to the daemon as a frame and the answer back. It knows no DNS. It
 * outlives the daemon: queries that come while none is connected wait for the next one, so a restart
 * of the daemon costs a resolver a delay and not a failure.
 *
 * It ends when it holds no namespace and its daemon went away, or none came for FIRST_DAEMON_MS_MAX;
 * and while no daemon is connected, when no process is left in the namespaces, or none can come any
 * more, since the socket was removed or is another relay's. It is looked for each UNUSED_MS.
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_DAEMON_MS_MAX 30000
#define TICK_MS 250
#define UNUSED_MS 3000
#define MESSAGE_BYTES_MAX 65535
#define EVENTS 64
/* What a daemon that does not read may have to read: with more, questions wait as without a daemon. */
#define DAEMON_BYTES_MAX (1u << 20)

static struct {
	int epoll, listener, daemon;
	struct watch listener_watch, daemon_watch;
	struct stat socket;
	uint64_t started, looked;
	bool was_used, wants_out, refused;
	struct buffer in, out;
} relay = { .listener = -1, .daemon = -1 };

/* Calls w->ready for every event until the descriptor is closed; other events than before replace them. */
void relay_watch(int fd, uint32_t events, struct watch *w)
{
	struct epoll_event event = { .events = events, .data.ptr = w };
	if (epoll_ctl(relay.epoll, EPOLL_CTL_ADD, fd, &event) < 0 && errno == EEXIST)
		epoll_ctl(relay.epoll, EPOLL_CTL_MOD, fd, &event);
}

uint64_t now_ms(void) { return now_ns(1 /* CLOCK_MONOTONIC */) / 1000000; }

static void drop_daemon(void)
{
	if (relay.daemon >= 0)
		close(relay.daemon);
	relay.daemon = -1;
	relay.looked = now_ms();
	relay.in.used = relay.out.used = 0;
	relay.wants_out = relay.refused = false;
	forward_expire(UINT64_MAX); /* the next daemon gets the queries and asks anew */
	questions_hold();
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
	if (relay.refused && relay.out.used < DAEMON_BYTES_MAX / 2) {
		relay.refused = false;
		questions_send();
	}
	bool wants = relay.out.used > 0;
	if (relay.daemon >= 0 && wants != relay.wants_out) {
		relay.wants_out = wants;
		relay_watch(relay.daemon, wants ? EPOLLIN | EPOLLOUT : EPOLLIN, &relay.daemon_watch);
	}
}

/* False while there is no daemon, or one that has too much to read: then the question waits. */
bool relay_query(uint32_t token, const char *sandbox, bool tcp, const struct buffer *message)
{
	if (relay.daemon < 0)
		return false;
	if (relay.out.used >= DAEMON_BYTES_MAX)
		return relay.refused = true, false;
	size_t begin = frame_begin(&relay.out, FRAME_RELAY_QUERY, token);
	put_bytes(&relay.out, sandbox, strlen(sandbox));
	put_u32(&relay.out, tcp);
	put_bytes(&relay.out, message->data, message->used);
	frame_end(&relay.out, begin);
	return true;
}

/* An answer that the daemon has no room for is none: it asks elsewhere, or tells its container. */
void forward_done(uint32_t token, const void *data, size_t length)
{
	if (relay.daemon < 0)
		return;
	if (relay.out.used >= DAEMON_BYTES_MAX)
		length = 0;
	size_t begin = frame_begin(&relay.out, FRAME_RELAY_FORWARD, token);
	put_bytes(&relay.out, data, length);
	frame_end(&relay.out, begin);
}

static void start_forward(uint32_t token, struct reader *r)
{
	struct question q = { .token = token, .path = questions_path(get_string(r, NULL)) };
	q.tcp = get_u32(r) != 0;
	q.host = get_string(r, NULL);
	q.port = (uint16_t)get_u32(r);
	q.deadline = now_ms() + get_u32(r);
	uint32_t length;
	q.message = get_string(r, &length);
	q.length = length;
	if (r->broken || !q.path || !forward_start(&q))
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
		questions_answer(h->id, data, r->broken || length > MESSAGE_BYTES_MAX ? 0 : length);
		return;
	case FRAME_RELAY_ADD:
		id = get_string(r, NULL);
		data = get_string(r, NULL);
		result = r->broken ? (errno = EPROTO, -1) : questions_open(id, data);
		break;
	case FRAME_RELAY_REMOVE:
		questions_close(get_string(r, NULL));
		break;
	case FRAME_RELAY_FORWARD:
		start_forward(h->id, r);
		return;
	case FRAME_RELAY_LIST:
		begin = frame_begin(&relay.out, FRAME_RELAY_LIST, h->id);
		questions_list(&relay.out);
		frame_end(&relay.out, begin);
		return;
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
	questions_send();
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

/* One removed it, or has replaced it by its own. */
static bool is_unreachable(const char *path)
{
	struct stat st;
	return lstat(path, &st) < 0 || st.st_ino != relay.socket.st_ino || st.st_dev != relay.socket.st_dev;
}

/* A container that ended while there was no daemon is told by nobody else. */
static bool is_over(const char *path, uint64_t now)
{
	if (relay.daemon >= 0)
		return false;
	if (!questions_possible())
		return relay.was_used || now - relay.started > FIRST_DAEMON_MS_MAX;
	if (now - relay.looked < UNUSED_MS)
		return false;
	relay.looked = now;
	return is_unreachable(path) || !questions_inhabited();
}

int relay_main(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address.sun_path)
		return 2;
	strcpy(address.sun_path, path);
	prctl(PR_SET_NAME, "coracle-relay");
	setsid();
	umask(077); /* the socket is for the daemon alone */
	if (chdir("/") < 0)
		return 1;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	relay.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(path);
	if (relay.listener < 0 || bind(relay.listener, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(relay.listener, 8) < 0 || lstat(path, &relay.socket) < 0)
		return 1;
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (relay.epoll < 0)
		return 1;
	relay.listener_watch = (struct watch){ accept_daemon, NULL };
	relay_watch(relay.listener, EPOLLIN, &relay.listener_watch);
	relay.started = now_ms();
	for (;;) {
		bool waits = questions_wait() || forward_waits() || !questions_possible();
		struct epoll_event events[EVENTS];
		int wait_ms = waits ? TICK_MS : relay.daemon < 0 ? UNUSED_MS : -1;
		serve(events, epoll_wait(relay.epoll, events, EVENTS, wait_ms));
		flush_daemon();
		uint64_t now = now_ms();
		questions_expire(now);
		forward_expire(now);
		if (is_over(path, now)) {
			if (!is_unreachable(path))
				unlink(path);
			return 0;
		}
	}
}
