/*
 * Control groups: writes that are read back, joining, emptying and removing, and the device program
 * of version 2. Which files and values: TypeScript's business.
 */
#define _GNU_SOURCE
#include "native.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_DEPTH_MAX 64

/* EINTR-safe pause between two looks at a cgroup that is emptying. */
static void pause_ms(int ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

int op_cgroup_write(struct context *c, const struct op *op)
{
	int fd = open(op->a[0].s, O_RDWR | O_CLOEXEC);
	bool readable = fd >= 0;
	if (fd < 0 && errno == EACCES)
		fd = open(op->a[0].s, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, op->a[1].s, op->a[1].length);
	int saved = errno;
	char back[4096];
	if (n >= 0 && readable) {
		/* Some files (devices.allow) cannot be read; that is no failure of the write. */
		ssize_t got = pread(fd, back, sizeof back, 0);
		if (got > 0)
			output(c, back, (size_t)got);
	}
	close(fd);
	return n < 0 ? (errno = saved, -1) : 0;
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int load_device_program(const struct op *op)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)op->a[1].s;
	attr.insn_cnt = op->a[1].length / 8;
	attr.license = (uint64_t)(uintptr_t)"Apache-2.0";
	return bpf(BPF_PROG_LOAD, &attr);
}

/* Programs of one cgroup must all allow, so a second one could only forbid: `old` makes room. */
static int attach_device_program(int cgroup, int program, int old)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t)cgroup;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (old >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old;
	}
	return bpf(BPF_PROG_ATTACH, &attr);
}

/* The first program that is attached to this very cgroup: -1 with errno 0 when there is none. */
static int attached_device_program(int cgroup)
{
	union bpf_attr attr;
	uint32_t ids[64];
	memset(&attr, 0, sizeof attr);
	attr.query.target_fd = (uint32_t)cgroup;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = sizeof ids / sizeof *ids;
	if (bpf(BPF_PROG_QUERY, &attr) < 0)
		return -1;
	if (attr.query.prog_cnt == 0)
		return errno = 0, -1;
	memset(&attr, 0, sizeof attr);
	attr.prog_id = ids[0];
	return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

int op_cgroup_device(struct context *c, const struct op *op)
{
	(void)c;
	int cgroup = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		return -1;
	int program = load_device_program(op);
	int result = program < 0 ? -1 : attach_device_program(cgroup, program, -1);
	return closing(cgroup, closing(program, result));
}

static int replace_device_program(int cgroup, const struct op *op)
{
	int old = attached_device_program(cgroup);
	if (old < 0 && errno != 0)
		return -1;
	int program = op->a[1].length == 0 ? -1 : load_device_program(op);
	int result = 0;
	if (program >= 0) {
		result = attach_device_program(cgroup, program, old);
	} else if (op->a[1].length > 0) {
		result = -1;
	} else if (old >= 0) {
		union bpf_attr attr;
		memset(&attr, 0, sizeof attr);
		attr.target_fd = (uint32_t)cgroup;
		attr.attach_bpf_fd = (uint32_t)old;
		attr.attach_type = BPF_CGROUP_DEVICE;
		result = bpf(BPF_PROG_DETACH, &attr);
	}
	return closing(old, closing(program, result));
}

int op_cgroup_device_replace(struct context *c, const struct op *op)
{
	(void)c;
	int cgroup = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		return -1;
	return closing(cgroup, replace_device_program(cgroup, op));
}

static bool is_cgroup1(const char *path)
{
	struct statfs info;
	return statfs(path, &info) == 0 && info.f_type == CGROUP_SUPER_MAGIC;
}

int op_cgroup_mount(struct context *c, const struct op *op)
{
	(void)c;
	const char *path = op->a[0].s;
	if (is_cgroup1(path))
		return 0;
	char above[4096];
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path) : 0;
	if (snprintf(above, sizeof above, "%.*s", length, path) >= (int)sizeof above)
		return errno = ENAMETOOLONG, -1;
	if (length > 0 && mkdir(above, 0700) < 0 && errno != EEXIST)
		return -1;
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -1;
	/* Two containers may be the first at once: a second mount there would hide under the first. */
	if (mount(op->a[1].s, path, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, op->a[2].s) < 0)
		return errno == EBUSY && is_cgroup1(path) ? 0 : -1;
	return 0;
}

int op_cgroup_unmount(struct context *c, const struct op *op)
{
	(void)c;
	while (is_cgroup1(op->a[0].s))
		if (umount2(op->a[0].s, UMOUNT_NOFOLLOW) < 0)
			return -1;
	return 0;
}

int op_cgroup_join(struct context *c, const struct op *op)
{
	(void)c;
	/*
	 * v1's `tasks` moves one thread, and we have one. For it the kernel does not hold up every fork and
	 * exit of the machine, which takes milliseconds (cgroup_procs_write_start()). v2 has no such file,
	 * and its processes are cloned into place.
	 */
	static const char *const files[] = { "tasks", "cgroup.procs" };
	char path[4096];
	int fd = -1;
	for (int i = 0; i < 2 && fd < 0; i++) {
		if (snprintf(path, sizeof path, "%s/%s", op->a[0].s, files[i]) >= (int)sizeof path)
			return errno = ENAMETOOLONG, -1;
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno != ENOENT)
			return -1;
	}
	if (fd < 0)
		return -1;
	/* 0 is the writer: no pid of another namespace is needed */
	return closing(fd, write(fd, "0", 1) == 1 ? 0 : -1);
}

/*
 * A process that is cloned into its cgroup costs nothing. One that is moved there through v2's
 * cgroup.procs makes the kernel wait until no fork and no exit is under way on the whole machine,
 * which takes a grace period, 10 ms and more, unless somebody else just did (cgroup_attach_lock()).
 */
int op_cgroup_into(struct context *c, const struct op *op)
{
	c->cgroup = open(op->a[0].s, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c->cgroup < 0 ? -1 : 0;
}

/*
 * Where below `top`, a cgroup of version 2, a process of the container is; -1 with EBUSY if at no such
 * place. Its path ends in what the container chose, and is resolved below `top`, come what may.
 */
int cgroup_below(int top, pid_t pid)
{
	char proc[64], path[4096], name[NAME_MAX + 3], text[16384];
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", top);
	ssize_t length = readlink(proc, path, sizeof path - 1);
	snprintf(proc, sizeof proc, "/proc/%d/cgroup", (int)pid);
	if (length < 0 || read_file(AT_FDCWD, proc, text, sizeof text) < 0)
		return -1;
	path[length] = '\0';
	const char *last = strrchr(path, '/');
	snprintf(name, sizeof name, "%s/", last ? last : "");
	/* "0::/coracle/ID/init.scope"; the other lines are of version 1. */
	char *line = strncmp(text, "0::", 3) ? strstr(text, "\n0::") : text;
	char *inside = line ? strstr(line, name) : NULL;
	if (!inside)
		return errno = EBUSY, -1;
	inside += strlen(name);
	inside[strcspn(inside, "\n")] = '\0';
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	return (int)syscall(SYS_openat2, top, inside, &how, sizeof how);
}

typedef int visit(int directory, void *data);

/* Calls f for every cgroup of the tree, children before parents. */
static int walk(int parent, const char *name, visit *f, void *data, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -1;
	DIR *stream = fdopendir(fd);
	if (!stream)
		return close(fd), -1;
	int result = 0;
	for (struct dirent *e; result == 0 && (e = readdir(stream));)
		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && depth < CGROUP_DEPTH_MAX)
			result = walk(fd, e->d_name, f, data, depth + 1);
	if (result == 0)
		result = f(fd, data);
	closedir(stream);
	return result;
}

struct members {
	bool kill; /* one by one; else they are only counted */
	int found;
};

static int look_at_members(int directory, void *data)
{
	struct members *m = data;
	int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -1;
	FILE *file = fdopen(fd, "r");
	if (!file)
		return closing(fd, -1);
	for (int pid; fscanf(file, "%d", &pid) == 1; m->found++)
		if (m->kill && pid > 0 && pid != getpid())
			kill(pid, SIGKILL);
	fclose(file);
	return 0;
}

/* All at once and whatever they fork meanwhile, by their cgroup, not by numbers: version 2 since Linux 5.14. */
static bool kill_whole(const char *path)
{
	char file[4096];
	if (snprintf(file, sizeof file, "%s/cgroup.kill", path) >= (int)sizeof file)
		return false;
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool killed = fd >= 0 && write(fd, "1", 1) == 1;
	closing(fd, 0);
	return killed;
}

/* Version 1 keeps even from SIGKILL what is frozen. */
static void thaw(const char *state)
{
	int fd = *state ? open(state, O_WRONLY | O_CLOEXEC) : -1;
	if (fd >= 0 && write(fd, "THAWED", 6) < 0)
		errno = 0; /* what stays frozen is told as what is not empty */
	closing(fd, 0);
}

int op_cgroup_kill(struct context *c, const struct op *op)
{
	(void)c;
	for (int waited = 0, step = 1;; waited += step, step = step < 50 ? step * 2 : 50) {
		struct members members = { .kill = false };
		if (walk(AT_FDCWD, op->a[0].s, look_at_members, &members, 0) < 0)
			return -1;
		if (members.found == 0)
			return 0;
		if (waited > CGROUP_WAIT_MS_MAX)
			return errno = EBUSY, -1;
		members.kill = true;
		if (!kill_whole(op->a[0].s) && walk(AT_FDCWD, op->a[0].s, look_at_members, &members, 0) < 0)
			return -1;
		thaw(op->a[1].s);
		pause_ms(step);
	}
}

/* The name of a cgroup in this one; false when there is none. */
static bool first_child(int directory, char name[NAME_MAX + 1])
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	bool found = false;
	for (struct dirent *e; stream && !found && (e = readdir(stream));) {
		found = e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
		strcpy(name, e->d_name);
	}
	if (stream)
		closedir(stream);
	else
		closing(fd, 0);
	return found;
}

/* What is below an open cgroup, which this closes; with one descriptor, however deep a container went. */
static int remove_below(int fd)
{
	char name[NAME_MAX + 1], deeper[NAME_MAX + 1];
	for (int depth = 0; fd >= 0;) {
		int next;
		if (!first_child(fd, name)) {
			if (depth == 0)
				return closing(fd, 0);
			next = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			depth--;
		} else if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
			continue;
		} else if (errno != EBUSY) {
			return closing(fd, -1);
		} else {
			next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (next >= 0 && !first_child(next, deeper)) /* a process is in it */
				return closing(fd, closing(next, (errno = EBUSY, -1)));
			depth++;
		}
		fd = closing(fd, next);
	}
	return -1;
}

int op_cgroup_rmdir(struct context *c, const struct op *op)
{
	(void)c;
	const char *path = op->a[0].s;
	for (int waited = 0, step = 1;; waited += step, step = step < 50 ? step * 2 : 50) {
		if (unlinkat(AT_FDCWD, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -1;
		if (remove_below(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0 && errno != EBUSY && errno != ENOENT)
			return -1;
		if (waited > CGROUP_WAIT_MS_MAX)
			return errno = EBUSY, -1;
		/* The last process has exited, but the kernel may not have taken it out yet. */
		if (waited)
			pause_ms(step);
	}
}
