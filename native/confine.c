/*
 * A program of the host that speaks with strangers (git, for builds), with nothing that it does not
 * need: a user of its own without groups or capabilities, no way to get any, no process in sight but
 * its own, the whole file system read-only but DIRECTORY, which is its /tmp, and limits.
 *   coracle-native confine UID FILE_BYTES MEMORY_BYTES DIRECTORY PROGRAM ARGS...
 * It ends as the program ends, with all that the program started; by a signal, and when the daemon
 * dies, all of it is killed first.
 */
#define _GNU_SOURCE
#include "native.h"
#include "mountapi.h"
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ITS_DIRECTORY "/tmp"
#define CANNOT 125 /* as a shell's codes for "not found", and Docker's for itself */

struct wish {
	uid_t uid;
	rlim_t file_bytes, memory_bytes;
	const char *directory;
	char **argv;
};

static int failed(const char *what)
{
	fprintf(stderr, "coracle-native confine: %s: %s\n", what, strerror(errno));
	return CANNOT;
}

static int set_mount(const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };
	int fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -1 : closing(fd, sys_mount_setattr(fd, flags, &attr));
}

/* Slaves: what the host unmounts goes here too, so that nothing is kept busy. */
static const char *make_world(const struct wish *w)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return "cannot leave the host's mounts";
	if (set_mount("/", AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0) < 0)
		return "cannot make the host's mounts read-only";
	if (mount(w->directory, ITS_DIRECTORY, NULL, MS_BIND, NULL) < 0)
		return "cannot mount the directory";
	uint64_t set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	if (set_mount(ITS_DIRECTORY, 0, set, MOUNT_ATTR_RDONLY) < 0)
		return "cannot make the directory writable";
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return "cannot mount /proc";
	if (chown(ITS_DIRECTORY, w->uid, w->uid) < 0 || chdir(ITS_DIRECTORY) < 0)
		return "cannot enter the directory";
	return NULL;
}

static const char *become_nobody(const struct wish *w)
{
	const struct rlimit file = { w->file_bytes, w->file_bytes }, none = { 0, 0 };
	const struct rlimit memory = { w->memory_bytes, w->memory_bytes };
	if (setrlimit(RLIMIT_FSIZE, &file) < 0 || setrlimit(RLIMIT_DATA, &memory) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return "cannot set limits";
	/* The kernel takes all capabilities from who leaves uid 0 (capabilities(7)). */
	if (setgroups(0, NULL) < 0 || setresgid(w->uid, w->uid, w->uid) < 0 ||
	    setresuid(w->uid, w->uid, w->uid) < 0)
		return "cannot change the user";
	/* After the change of user, which would forget the signal (prctl(2)). */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return "cannot give up privileges";
	umask(022);
	return NULL;
}

static int become(const struct wish *w)
{
	const char *what = make_world(w);
	if (!what)
		what = become_nobody(w);
	if (what)
		return failed(what);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	syscall(SYS_close_range, 3U, ~0U, 0U);
	execv(w->argv[0], w->argv);
	return failed(w->argv[0]);
}

/* As pid 1 of a namespace: when it ends the kernel kills all others, and waits for them. */
static int stay(pid_t child, const sigset_t *signals)
{
	for (;;) {
		int signal_number, status;
		if (sigwait(signals, &signal_number) != 0)
			continue;
		if (signal_number != SIGCHLD)
			kill(child, SIGKILL);
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

int confine_main(char **argv)
{
	const struct wish w = {
		.uid = (uid_t)strtoul(argv[0], NULL, 10),
		.file_bytes = strtoull(argv[1], NULL, 10),
		.memory_bytes = strtoull(argv[2], NULL, 10),
		.directory = argv[3],
		.argv = argv + 4,
	};
	sigset_t signals;
	sigemptyset(&signals);
	for (const int *s = (const int[]){ SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0 }; *s; s++)
		sigaddset(&signals, *s);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGCHLD, SIG_DFL);
	if (w.uid == 0) {
		errno = EINVAL;
		return failed("a user other than root");
	}
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 ||
	    unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC) < 0)
		return failed("cannot make namespaces");
	pid_t child = fork();
	if (child < 0)
		return failed("cannot fork");
	if (child == 0)
		_exit(become(&w));
	return stay(child, &signals);
}
