/*
 * How long a command takes for who waits for it, started as a shell starts it: Node's own spawn, a fork of a
 * process of a hundred megabytes with three pipes, would add two milliseconds to each.
 *
 *   stopwatch ROUNDS PROGRAM [ARGUMENT...]      prints the milliseconds of each round
 *
 * Exit status 1 when a round fails; the command's own stderr says why.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[1]) : 0;
	if (rounds < 1) {
		fprintf(stderr, "usage: stopwatch ROUNDS PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < rounds; i++) {
		pid_t pid;
		int status, error;
		double begin = now_ms();
		if ((error = posix_spawnp(&pid, argv[2], &actions, NULL, argv + 2, environ))) {
			fprintf(stderr, "%s: %s\n", argv[2], strerror(error));
			return 1;
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		double end = now_ms();
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			fprintf(stderr, "round %d of %s ended with status 0x%x\n", i + 1, argv[2], (unsigned)status);
			return 1;
		}
		printf("%.3f\n", end - begin);
	}
	return 0;
}
