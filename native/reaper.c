/*
 * Pid 1 for `docker run --init`: starts the command (argv: coracle-init -- PATH ARG0 ARG1 ...), passes
 * every signal on to it, reaps whatever becomes its child, and ends as the command ended. All signals
 * are blocked when it starts (op_exec()): the kernel drops what a pid 1 neither blocks nor handles
 * (pid_namespaces(7)), and `docker stop` may come that soon.
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int reaper_main(char **argv)
{
	sigset_t all;
	sigfillset(&all);
	prctl(PR_SET_NAME, "coracle-init"); /* else it is called after the memfd, in ps and top */
	pid_t child = fork();
	if (child < 0)
		return dprintf(2, "coracle-init: fork: %s\n", strerror(errno)), 125;
	if (child == 0) {
		/* Its own process group in the foreground, so that ^C reaches the command alone. */
		setpgid(0, 0);
		pid_t group = getpgrp();
		if (isatty(0))
			ioctl(0, TIOCSPGRP, &group);
		sigprocmask(SIG_UNBLOCK, &all, NULL);
		execv(argv[0], argv + 1);
		int error = errno;
		dprintf(2, "coracle-init: %s: %s\n", argv[0], strerror(error));
		_exit(error == ENOENT ? 127 : 126);
	}
	for (;;) {
		int signal_number, status;
		if (sigwait(&all, &signal_number) != 0)
			continue;
		if (signal_number != SIGCHLD) {
			kill(child, signal_number);
			continue;
		}
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
			if (pid == child)
				return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}
