/*
 * A look into the files of one container, by a tree process: in the mount namespace of a running one,
 * or in a namespace of our own where a stopped one is mounted and nobody else sees it. From then on
 * "/" is the container's, every name is resolved below it (D1), and of root's powers only those over
 * files are left.
 */
#define _GNU_SOURCE
#include "visit.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define VISIT_FILES_MAX 16384 /* descriptors: two for each level of a tree that is walked */

/* Our own descriptors in the host's procfs: a container's procfs does not show this process. */
static int own_fds = -1;

/*
 * From here on the working directory is where our descriptors are: "12" is descriptor 12, for calls
 * that take a path and have no *at() form, in whatever mount namespace we are. Checked to be procfs (D2).
 */
int go_to_fds(void)
{
	struct statfs fs;
	struct rlimit files = { VISIT_FILES_MAX, VISIT_FILES_MAX };
	if (own_fds < 0)
		own_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (own_fds < 0)
		return -1;
	if (fstatfs(own_fds, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return errno = FAULT_NOT_CONFINED, -1;
	setrlimit(RLIMIT_NOFILE, &files);
	return fchdir(own_fds);
}

/* The same file once more, opened for another use. */
int reopen(int fd, int flags)
{
	char name[16];
	snprintf(name, sizeof name, "%d", fd);
	return openat(own_fds, name, flags | O_CLOEXEC);
}

/* Where it is, as "/" is seen from here; "" when it is nowhere below. */
static void path_of(int fd, char *path, size_t size)
{
	char name[16];
	snprintf(name, sizeof name, "%d", fd);
	ssize_t n = readlinkat(own_fds, name, path, size - 1);
	path[n > 0 ? n : 0] = '\0';
	if (*path != '/')
		*path = '\0';
}

/* Into the mount namespace of a process. With alone 1: only its root, without what is mounted below. */
int op_tree_enter(struct context *c, const struct op *op)
{
	char path[64];
	struct stat own, other;
	snprintf(path, sizeof path, "/proc/%u/ns/mnt", (unsigned)op->a[0].u);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return -1;
	/* It has ended and its number is somebody else's: of ours nothing is shown. */
	if (fstat(namespace, &other) < 0 || stat("/proc/self/ns/mnt", &own) < 0)
		return closing(namespace, -1);
	if (own.st_ino == other.st_ino && own.st_dev == other.st_dev)
		return errno = FAULT_NOT_CONFINED, closing(namespace, -1);
	if (setns(namespace, CLONE_NEWNS) < 0)
		return closing(namespace, -1);
	close(namespace);
	c->root = op->a[1].u ? sys_open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE) : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	c->inside = true;
	return c->root < 0 ? -1 : fchdir(own_fds);
}

/* A layer with, if there are any, the layers below it as one directory to compare it with. */
int op_tree_layer(struct context *c, const struct op *op)
{
	c->root = open(op->a[0].s, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->root < 0 || op->a[1].length == 0)
		return c->root < 0 ? -1 : 0;
	c->tree->below = image_view(c, &op->a[1], op->a[2].u);
	return c->tree->below < 0 ? -1 : 0;
}

int op_tree_image(struct context *c, const struct op *op)
{
	c->root = image_view(c, &op->a[0], op->a[1].u);
	return c->root < 0 ? -1 : 0;
}

int op_tree_below(struct context *c, const struct op *op)
{
	c->tree->below = image_view(c, &op->a[0], op->a[1].u);
	return c->tree->below < 0 ? -1 : 0;
}

#define CAP(name) (1u << (name))

static int keep_powers_over_files(void)
{
	/* SYS_ADMIN: attributes that an overlay keeps for itself are shown and set only with it (xattr(7)). */
	uint32_t keep = CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) |
			CAP(CAP_MKNOD) | CAP(CAP_SETFCAP) | CAP(CAP_SYS_ADMIN);
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { .effective = keep, .permitted = keep } };
	return syscall(SYS_capset, &header, caps) < 0 ? -1 : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/*
 * What is made belongs to `uid` and `gid` at first, targets of binds too: on a root whose owners are
 * shifted our own ids do not exist, and nothing could be made (EOVERFLOW).
 */
int op_tree_owner(struct context *c, const struct op *op)
{
	(void)c;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	if (syscall(SYS_capget, &header, caps) < 0)
		return -1;
	setfsgid((gid_t)op->a[1].u);
	setfsuid((uid_t)op->a[0].u); /* takes powers away, which come back here: capabilities(7) */
	return (int)syscall(SYS_capset, &header, caps);
}

/* The look begins. */
int op_tree_settle(struct context *c, const struct op *op)
{
	(void)op;
	int root = c->root < 0 ? open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			       : openat(c->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	if (c->root >= 0)
		close(c->root);
	c->root = root;
	return keep_powers_over_files() < 0 ? -1 : fchdir(own_fds);
}

void put_stat(struct buffer *b, const struct stat *st)
{
	put_u32(b, st->st_mode);
	put_u32(b, st->st_uid);
	put_u32(b, st->st_gid);
	put_u32(b, major(st->st_rdev));
	put_u32(b, minor(st->st_rdev));
	put_u64(b, (uint64_t)st->st_size);
	put_u64(b, (uint64_t)st->st_blocks * 512);
	put_u64(b, (uint64_t)st->st_mtim.tv_sec);
	put_u32(b, (uint32_t)st->st_mtim.tv_nsec);
}

/* The entry `name` of a directory whose links are all followed; "" and "." are the directory itself. */
int find_entry(struct context *c, const char *directory, const char *name, int *parent)
{
	*parent = open_in(c->root, directory, O_PATH | O_DIRECTORY, 0);
	if (*parent < 0)
		return -1;
	if (strchr(name, '/') || !strcmp(name, ".."))
		return errno = EINVAL, closing(*parent, -1);
	int fd = !*name || !strcmp(name, ".") ? fcntl(*parent, F_DUPFD_CLOEXEC, 3)
					      : openat(*parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? closing(*parent, -1) : fd;
}

/*
 * Output: u32 read-only, u32 on the root's own mount, the entry's stat, s path of it (of a link: of its
 * directory), s what a link says, s where that leads to ("" = nowhere).
 */
int op_tree_stat(struct context *c, const struct op *op)
{
	struct stat st;
	struct statvfs fs;
	char path[4097] = "", link[4097] = "", target[4097] = "";
	int parent, fd = find_entry(c, op->a[0].s, op->a[1].s, &parent);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || fstatvfs(fd, &fs) < 0)
		return closing(parent, closing(fd, -1));
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(fd, "", link, sizeof link - 1);
		link[n > 0 ? n : 0] = '\0';
		char whole[8300];
		path_of(parent, path, sizeof path);
		snprintf(whole, sizeof whole, "%s/%s", path, op->a[1].s);
		int there = open_in(c->root, whole, O_PATH, 0);
		if (there >= 0)
			path_of(there, target, sizeof target);
		closing(there, 0);
	} else {
		path_of(fd, path, sizeof path);
	}
	put_u32(&c->out, (fs.f_flag & ST_RDONLY) != 0);
	put_u32(&c->out, mount_of(fd) == mount_of(c->root));
	put_stat(&c->out, &st);
	put_bytes(&c->out, path, strlen(path));
	put_bytes(&c->out, link, strlen(link));
	put_bytes(&c->out, target, strlen(target));
	return closing(parent, closing(fd, 0));
}

/* The numbers of a user by the container's own files. Output: u32 uid, u32 gid. */
int op_tree_user(struct context *c, const struct op *op)
{
	struct op lookup = { .code = OP_lookup_user, .a = { op->a[0] } };
	c->inside = true;
	if (op_lookup_user(c, &lookup) < 0)
		return -1;
	put_u32(&c->out, c->uid);
	put_u32(&c->out, c->gid);
	return 0;
}
