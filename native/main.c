/*
 * The C program of Coracle. It performs plans and decides nothing (docs/native.md). Roles:
 *   coracle-native agent        operations for the daemon on descriptor 3; forks monitors
 *   coracle-native tree ROOT    a layer's files below ROOT, by operations on descriptor 3; "-": a container's
 *   coracle-native relay SOCKET the sockets of 127.0.0.11:53 inside containers, for whoever connects
 *   coracle-native confine ...  a program of the host's, with no power (confine.c)
 *   coracle-init -- PATH ARGS   pid 1 of `docker run --init`
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int self_exe = -1;

#ifdef __SANITIZE_ADDRESS__
/* The test build: LeakSanitizer cannot trace a process that is not dumpable. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0:handle_segv=1"; }
#endif

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif
#define SEAL_TRIES_MAX 20
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/*
 * D3: run from a sealed copy in memory, so that a container that reaches /proc/PID/exe of ours finds
 * nothing that it could write (CVE-2019-5736).
 */
static int run_sealed(char **argv)
{
	self_exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self_exe < 0)
		return -1;
	int seals = fcntl(self_exe, F_GET_SEALS);
	if (seals >= 0 && (seals & SEALS) == SEALS)
		return 0;
	struct stat st;
	int copy = memfd_create("coracle-native", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL)
		copy = memfd_create("coracle-native", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0 || fstat(self_exe, &st) < 0)
		return -1;
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(copy, self_exe, NULL, (size_t)left);
		if (n <= 0)
			return -1;
		left -= n;
	}
	/* EBUSY: the kernel itself holds a page, to move it say; each time it has waited for that up to 150 ms. */
	for (int tries = 1; fcntl(copy, F_ADD_SEALS, SEALS) < 0; tries++)
		if (errno != EBUSY || tries == SEAL_TRIES_MAX)
			return -1;
	char *const none[] = { NULL }; /* D6: no environment steers us */
	syscall(SYS_execveat, copy, "", argv, none, AT_EMPTY_PATH);
	return -1;
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "";
	if (!strcmp(name, "coracle-init") && argc > 3 && !strcmp(argv[1], "--"))
		return reaper_main(argv + 2);
	/* Nothing that a container reaches, and the environment is the program's: not sealed. */
	if (argc > 6 && !strcmp(argv[1], "confine"))
		return confine_main(argv + 2);
	bool agent = argc == 2 && !strcmp(argv[1], "agent"), tree = argc == 3 && !strcmp(argv[1], "tree");
	bool relay = argc == 3 && !strcmp(argv[1], "relay");
	if (!agent && !tree && !relay) {
		fprintf(stderr, "usage: coracle-native agent | tree ROOT | relay SOCKET\n"
				"Serves the Coracle daemon on descriptor 3; not meant to be started by hand.\n");
		return 2;
	}
	/* D4: what the daemon got from whoever started it, a monitor would keep open as long as its container runs. */
	syscall(SYS_close_range, relay ? 3U : 4U, ~0U, 0U);
	if (run_sealed(argv) < 0) {
		perror("coracle-native: cannot run from a sealed copy of itself");
		return 1;
	}
	prctl(PR_SET_DUMPABLE, 0);
	umask(0);
	return agent ? agent_main() : tree ? tree_main(argv[2]) : relay_main(argv[2]);
}
