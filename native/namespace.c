/*
 * Namespaces: making one for users, entering others, and the settings that belong to one. Files of
 * procfs are written through a descriptor that is checked to be procfs, never crossing a mount or a
 * link on the way (D2).
 */
#define _GNU_SOURCE
#include "mountapi.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROC_SUPER_MAGIC 0x9fa0

/* Below a procfs that is open. */
static int write_proc_at(int proc, const char *path, const char *data, size_t length)
{
	struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	struct statfs fs;
	int fd = -1;
	if (fstatfs(proc, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		errno = FAULT_NOT_CONFINED;
	else
		fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof how);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, data, length);
	if (n >= 0)
		errno = EIO; /* of a write that was cut short */
	return closing(fd, n == (ssize_t)length ? 0 : -1);
}

static int write_proc(const char *path, const char *data, size_t length)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return proc < 0 ? -1 : closing(proc, write_proc_at(proc, path, data, length));
}

/* /proc/self is a link; its target is our pid as this procfs counts. */
static int write_proc_self(const char *name, const char *data)
{
	char self[32], path[96];
	ssize_t n = readlink("/proc/self", self, sizeof self - 1);
	if (n < 0)
		return -1;
	self[n] = '\0';
	snprintf(path, sizeof path, "%s/%s", self, name);
	return write_proc(path, data, strlen(data));
}

static int write_map(pid_t pid, const char *file, const char *map)
{
	char path[64];
	snprintf(path, sizeof path, "%d/%s", pid, file);
	return write_proc(path, map, strlen(map));
}

/* The outside id of 0, from the lines of uid_map(5). */
static bool outside_of_root(const char *map, unsigned *id)
{
	unsigned inside, outside, count;
	for (const char *line = map; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && count > 0)
			return *id = outside, true;
	return false;
}

/* A process that lives only until its new user namespace is mapped and opened. */
int op_userns(struct context *c, const struct op *op)
{
	int up[2];
	char path[64], byte = 0;
	if (!outside_of_root(op->a[0].s, &c->userns_uid) || !outside_of_root(op->a[1].s, &c->userns_gid))
		return errno = EINVAL, -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, up) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		int error = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
		if (write(up[1], &error, sizeof error) != sizeof error)
			_exit(1);
		close(up[0]);
		_exit(read(up[1], &byte, 1) == 1 ? 0 : 1); /* until the parent is done with /proc/PID */
	}
	close(up[1]);
	int error = EIO, status;
	if (pid < 0)
		error = errno;
	else if (!read_all(up[0], &error, sizeof error))
		error = EIO;
	else if (error == 0) {
		snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
		if (write_map(pid, "uid_map", op->a[0].s) < 0 || write_map(pid, "gid_map", op->a[1].s) < 0 ||
		    (c->userns = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			error = errno;
	}
	close(up[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	return error ? (errno = error, -1) : 0;
}

int op_join_userns(struct context *c, const struct op *op)
{
	(void)op;
	if (c->userns < 0)
		return errno = FAULT_BAD_PLAN, -1;
	if (setns(c->userns, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0)
		return -1;
	return setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? -1 : 0;
}

int op_join_init(struct context *c, const struct op *op)
{
	int flags = (int)op->a[0].u;
	if (c->init_pidfd < 0)
		return errno = FAULT_BAD_PLAN, -1;
	if (setns(c->init_pidfd, flags) < 0)
		return -1;
	if (flags & CLONE_NEWUSER &&
	    (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return -1;
	if (flags & CLONE_NEWNS) {
		c->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		c->inside = true;
		return c->root < 0 ? -1 : 0;
	}
	return 0;
}

int op_setns(struct context *c, const struct op *op)
{
	(void)c;
	int fd = open(op->a[0].s, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : closing(fd, setns(fd, (int)op->a[1].u));
}

int op_unshare(struct context *c, const struct op *op)
{
	(void)c;
	return unshare((int)op->a[0].u);
}

int op_hostname(struct context *c, const struct op *op)
{
	(void)c;
	return sethostname(op->a[0].s, op->a[0].length);
}

int op_domainname(struct context *c, const struct op *op)
{
	(void)c;
	return setdomainname(op->a[0].s, op->a[0].length);
}

/* key as sysctl(8) writes it, dots or slashes */
static int write_sysctl(int proc, const struct argument *key, const struct argument *value)
{
	char path[512] = "sys/";
	if (key->length + 5 > sizeof path)
		return errno = ENAMETOOLONG, -1;
	strcat(path, key->s);
	if (!strchr(key->s, '/'))
		for (char *s = path; *s; s++)
			if (*s == '.')
				*s = '/';
	return proc < 0 ? write_proc(path, value->s, value->length) : write_proc_at(proc, path, value->s, value->length);
}

/*
 * A procfs remembers the directories of each network namespace under the same names, and goes through all
 * of them to find those of the next: with a thousand containers that is a millisecond a namespace. So there
 * is one for this alone, which is made anew before it knows too many; without it the host's serves. The
 * monitors get that of the agent, and close it once their container is made.
 */
#define PROC_NAMES_MAX 256
static int sysctl_proc = -1;

void forget_sysctl_proc(void)
{
	if (sysctl_proc >= 0)
		close(sysctl_proc);
	sysctl_proc = -1;
}

static void make_sysctl_proc(void)
{
	int fs = sys_fsopen("proc");
	if (fs >= 0 && sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		sysctl_proc = sys_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fs >= 0)
		close(fs);
}

/* Before it learns so many names more. */
void refresh_sysctl_proc(unsigned names)
{
	static unsigned known = PROC_NAMES_MAX;
	known += names;
	if (known <= PROC_NAMES_MAX)
		return;
	forget_sysctl_proc();
	make_sysctl_proc();
	known = names;
}

int op_sysctl(struct context *c, const struct op *op)
{
	(void)c;
	return write_sysctl(sysctl_proc, &op->a[0], &op->a[1]);
}

static int set_netns_sysctl(void *data)
{
	const struct op *op = data;
	return write_sysctl(sysctl_proc, &op->a[1], &op->a[2]);
}

int op_netns_sysctl(struct context *c, const struct op *op)
{
	if (!*op->a[0].s)
		return write_sysctl(-1, &op->a[1], &op->a[2]);
	refresh_sysctl_proc(1);
	(void)c;
	return in_namespace(op->a[0].s, set_netns_sysctl, (void *)op);
}

int op_oom_score_adj(struct context *c, const struct op *op)
{
	(void)c;
	return write_proc_self("oom_score_adj", op->a[0].s);
}

int op_loopback_up(struct context *c, const struct op *op)
{
	(void)c;
	(void)op;
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : closing(fd, ioctl(fd, SIOCSIFFLAGS, &request));
}
