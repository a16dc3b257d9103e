/*
 * The agent: one small process per daemon that performs short operations in order, and forks
 * monitors. It lives as long as the daemon's end of descriptor 3; its monitors live on.
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAEMON_FD 3
#define IDLE_MS 6 /* after the last request, before something is made ahead: others have the processors until then */

/*
 * A network namespace that nobody is in yet. Making one takes half a millisecond, so it is made when
 * nothing else is asked for, and the next container finds it made. Never more than this one.
 */
static int spare_network = -1;
static bool want_spare;

static void make_spare_network(void)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return;
	if (unshare(CLONE_NEWNET) == 0) {
		spare_network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (setns(home, CLONE_NEWNET) < 0)
			abort();
	}
	close(home);
}

/* Its descriptor, which the caller owns now; -1 if there is none. */
int take_spare_network(void)
{
	int fd = spare_network;
	spare_network = -1;
	want_spare = true;
	return fd;
}

static void drop_spare_network(void)
{
	int spare = take_spare_network();
	if (spare >= 0)
		close(spare);
}

/* What an init sets where it is not the agent that makes the network, by default, with their directories. */
#define SYSCTLS_USUAL 4

/* The socket exists before the answer, so whoever got the pid can connect at once. */
int op_monitor(struct context *c, const struct op *op)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/monitor.sock", op->a[0].s);
	if (n >= (int)sizeof address.sun_path)
		return errno = ENAMETOOLONG, -1;
	int directory = open(op->a[0].s, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int listener = directory < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0)
		return closing(directory, -1);
	unlink(address.sun_path);
	pid_t pid = -1;
	refresh_sysctl_proc(SYSCTLS_USUAL);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 128) == 0)
		pid = fork();
	if (pid == 0) {
		close(DAEMON_FD);
		forget_netlink();
		drop_spare_network();
		if (op->a[1].u)
			make_spare_network();
		monitor_main(listener, directory);
	}
	int saved = errno;
	close(listener);
	close(directory);
	if (pid < 0)
		return errno = saved, -1;
	uint32_t answer = (uint32_t)pid;
	output(c, &answer, sizeof answer);
	return 0;
}

static bool serve_frame(struct context *c, enum place place)
{
	struct frame_header h;
	struct ops ops;
	struct results results = { 0 };
	struct buffer answer = { 0 };
	if (!read_all(DAEMON_FD, &h, sizeof h) || h.length > FRAME_BYTES_MAX || h.kind != FRAME_PERFORM)
		return false;
	char *frame = malloc(h.length + 1);
	if (!frame || !read_all(DAEMON_FD, frame, h.length))
		return false;
	struct reader r = { frame, frame + h.length, false };
	int error = get_ops(&r, &ops) ? perform(c, place, &ops, 0, &results) : EPROTO;
	size_t begin = frame_begin(&answer, FRAME_RESULTS, h.id);
	put_u32(&answer, (uint32_t)error);
	put_u32(&answer, results.count);
	/* The results may be large: written from where they are. */
	uint32_t length = (uint32_t)(answer.used - begin - sizeof h + results.body.used);
	memcpy(answer.data + begin, &length, sizeof length);
	bool sent = write_all(DAEMON_FD, answer.data, answer.used) && write_all(DAEMON_FD, results.body.data, results.body.used);
	free_results(&results);
	free(answer.data);
	free_ops(&ops);
	free(frame);
	return sent;
}

static void reap(int number)
{
	(void)number;
	int saved = errno;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

/* The loop of the agent and of a tree process; they differ in what they may perform. */
int serve_daemon(struct context *c, enum place place)
{
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	struct pollfd asked = { .fd = DAEMON_FD, .events = POLLIN };
	do {
		if (want_spare && spare_network < 0 && poll(&asked, 1, IDLE_MS) == 0)
			make_spare_network();
	} while (serve_frame(c, place));
	return 0;
}

int agent_main(void)
{
	struct context *c = malloc(sizeof *c);
	struct sigaction action = { .sa_handler = reap, .sa_flags = SA_RESTART | SA_NOCLDSTOP };
	/* The monitors outlive the daemon, and where that was started must not be busy because of them. */
	if (!c || chdir("/") < 0)
		return 1;
	context_init(c);
	prctl(PR_SET_NAME, "coracle-agent");
	sigaction(SIGCHLD, &action, NULL);
	/* Signals for the daemon's process group (^C in its terminal) are the daemon's to answer. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	return serve_daemon(c, PLACE_AGENT);
}
