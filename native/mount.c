/*
 * The mounts inside. All targets are resolved below the root's descriptor and mounted on by
 * descriptor, and after each mount we look again at what is there (D1).
 */
#define _GNU_SOURCE
#include "volume.h"
#include <errno.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BIND_RECURSIVE 1u
#define BIND_FILE_TARGET 2u
#define BIND_ATTR_RECURSIVE 4u
#define BIND_IDMAP 8u
#define BIND_IDMAP_TRY 16u

/* The file system's own words for a failure (fsopen(2), "the message buffer") go to the output. */
int fs_failed(struct context *c, int fs)
{
	int saved = errno;
	char text[512];
	ssize_t n = fs >= 0 ? read(fs, text, sizeof text) : 0;
	if (n > 0)
		output(c, text, (size_t)n);
	if (fs >= 0)
		close(fs);
	return errno = saved, -1;
}

uint64_t mount_of(int fd)
{
	struct statx sx;
	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0 ? sx.stx_mnt_id : 0;
}

/* Puts a detached mount on an opened target, and verifies that the path now leads to it. */
int attach_on(struct context *c, int tree, int target, const char *path)
{
	if (syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -1;
	int again = open_in(c->root, path, O_PATH, 0);
	bool same = again >= 0 && mount_of(again) == mount_of(tree);
	closing(again, 0);
	return same ? 0 : (errno = FAULT_NOT_CONFINED, -1);
}

/* A new file system from options "key=value" or "flag", as a detached mount. */
int new_mount(struct context *c, const char *type, const char *source, const struct argument *options,
		     uint64_t attr)
{
	int fs = sys_fsopen(type);
	if (fs < 0)
		return -1;
	if (*source && sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return fs_failed(c, fs);
	for (uint32_t i = 0; i < options->length; i++) {
		char key[256];
		const char *equals = strchr(options->l[i], '=');
		size_t length = equals ? (size_t)(equals - options->l[i]) : strlen(options->l[i]);
		if (length == 0 || length >= sizeof key)
			return errno = EINVAL, fs_failed(c, fs);
		memcpy(key, options->l[i], length);
		key[length] = '\0';
		if (sys_fsconfig(fs, equals ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, equals ? equals + 1 : NULL, 0) < 0)
			return fs_failed(c, fs);
	}
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_failed(c, fs);
	int tree = sys_fsmount(fs, attr);
	if (tree < 0)
		return fs_failed(c, fs);
	close(fs);
	return tree;
}

/* Everything below needs an attached root; a plan that forgot it must not act on the host's files. */
int need_root(const struct context *c)
{
	return c->inside && c->root >= 0 ? 0 : (errno = FAULT_BAD_PLAN, -1);
}

int op_mount(struct context *c, const struct op *op)
{
	if (need_root(c) < 0)
		return -1;
	int target = make_path(c->root, op->a[2].s, 0755);
	if (target < 0)
		return -1;
	int tree = new_mount(c, op->a[0].s, op->a[1].s, &op->a[4], op->a[3].u);
	int result = tree < 0 ? -1 : attach_on(c, tree, target, op->a[2].s);
	return closing(target, closing(tree, result));
}

/* attr_set and attr_clear are MOUNT_ATTR_*; propagation is MS_PRIVATE and friends, MS_REC for the tree. */
static int set_attributes(int tree, const struct op *op)
{
	unsigned flags = op->a[2].u & BIND_ATTR_RECURSIVE ? AT_RECURSIVE : 0;
	struct mount_attr attr = { .attr_set = op->a[3].u, .attr_clr = op->a[4].u };
	if ((attr.attr_set || attr.attr_clr) && sys_mount_setattr(tree, flags, &attr) < 0)
		return -1;
	const uint64_t rec = 0x4000; /* MS_REC */
	struct mount_attr spread = { .propagation = op->a[5].u & ~rec };
	if (spread.propagation && sys_mount_setattr(tree, op->a[5].u & rec ? AT_RECURSIVE : 0, &spread) < 0)
		return -1;
	return 0;
}

/*
 * Copies of host mounts that were opened before they got out of reach: a mapped user may not walk to
 * them any more, and a shared mount is no longer shared after `propagation`. A bind takes its copy.
 */
struct source {
	struct source *next;
	const char *path;
	unsigned flags;
	int tree;
};

static int copy_tree(const char *path, unsigned flags)
{
	return sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | (flags & BIND_RECURSIVE ? AT_RECURSIVE : 0));
}

/* The tree (-1: errno says why there is none) is the list's from here on. */
int add_source(struct context *c, const char *name, unsigned flags, int tree)
{
	struct source *s = tree < 0 ? NULL : malloc(sizeof *s);
	if (!s)
		return closing(tree, -1);
	*s = (struct source){ c->sources, name, flags & BIND_RECURSIVE, tree };
	c->sources = s;
	return 0;
}

/* Those that no bind has taken; a monitor's are copied into each process that it clones. */
void forget_sources(struct context *c)
{
	for (struct source *s = c->sources, *next; s; s = next) {
		next = s->next;
		close(s->tree);
		free(s);
	}
	c->sources = NULL;
}

int op_source(struct context *c, const struct op *op)
{
	unsigned flags = (unsigned)op->a[1].u;
	return add_source(c, op->a[0].s, flags, copy_tree(op->a[0].s, flags));
}

/* A part of a directory, found as if that were "/" (D1), with owners shifted where that is asked for. */
int op_source_below(struct context *c, const struct op *op)
{
	unsigned flags = (unsigned)op->a[3].u, recursive = flags & BIND_RECURSIVE ? AT_RECURSIVE : 0;
	int top = open(op->a[0].s, O_PATH | O_CLOEXEC);
	int at = top < 0 ? -1 : *op->a[1].s ? open_in(top, op->a[1].s, O_PATH, 0) : fcntl(top, F_DUPFD_CLOEXEC, 3);
	int tree = at < 0 ? -1 : sys_open_tree(at, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | recursive);
	closing(top, closing(at, 0));
	if (tree >= 0 && flags & (BIND_IDMAP | BIND_IDMAP_TRY) && c->userns >= 0) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)c->userns };
		/* EINVAL: a file system that cannot (yet); then who tries goes on without. */
		if (sys_mount_setattr(tree, recursive, &attr) < 0 && !(flags & BIND_IDMAP_TRY && errno == EINVAL))
			return closing(tree, -1);
	}
	return add_source(c, op->a[2].s, flags, tree);
}

static bool same_namespace(int one, int other)
{
	struct stat a, b;
	return fstat(one, &a) < 0 || fstat(other, &b) < 0 || (a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

/* There and back by descriptor. setns(2) puts us at the root of the namespace, so our own is kept, too. */
static int copy_in(int namespace, int own, int root, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	if (setns(namespace, CLONE_NEWNS) < 0)
		return -1;
	int there = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int at = there < 0 ? -1 : (int)syscall(SYS_openat2, there, path, &how, sizeof how);
	int tree = -1;
	struct statx sx;
	/* A mount of its own, nothing less: a directory would bring the file system that it lies on. */
	if (at >= 0 && statx(at, "", AT_EMPTY_PATH, 0, &sx) == 0) {
		if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
			tree = sys_open_tree(at, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
		else
			errno = FAULT_NOT_CONFINED;
	}
	closing(there, closing(at, 0));
	int saved = errno;
	if (setns(own, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0)
		return tree >= 0 ? closing(tree, -1) : -1;
	return errno = saved, tree;
}

int op_source_in(struct context *c, const struct op *op)
{
	if (c->inside)
		return errno = FAULT_BAD_PLAN, -1;
	int namespace = open(op->a[0].s, O_RDONLY | O_CLOEXEC);
	int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int tree = -1;
	if (namespace >= 0 && own >= 0 && root >= 0) {
		/* The process has ended and its number is somebody else's: of ours nothing is shared. */
		if (same_namespace(namespace, own))
			errno = FAULT_NOT_CONFINED;
		else
			tree = copy_in(namespace, own, root, op->a[1].s);
	}
	return add_source(c, op->a[2].s, 0, closing(root, closing(own, closing(namespace, tree))));
}

/* The copy made by `source`, once; else a new one. */
static int take_source(struct context *c, const char *path, unsigned flags)
{
	for (struct source **at = &c->sources; *at; at = &(*at)->next) {
		struct source *s = *at;
		if (strcmp(s->path, path) || s->flags != (flags & BIND_RECURSIVE))
			continue;
		int tree = s->tree;
		*at = s->next;
		free(s);
		return tree;
	}
	return copy_tree(path, flags);
}

int op_bind(struct context *c, const struct op *op)
{
	unsigned flags = (unsigned)op->a[2].u;
	if (need_root(c) < 0)
		return -1;
	int tree = take_source(c, op->a[0].s, flags);
	if (tree < 0)
		return -1;
	if (set_attributes(tree, op) < 0)
		return closing(tree, -1);
	int target = flags & BIND_FILE_TARGET ? make_file(c->root, op->a[1].s, 0644) : make_path(c->root, op->a[1].s, 0755);
	if (target < 0)
		return closing(tree, -1);
	int result = attach_on(c, tree, target, op->a[1].s);
	return closing(target, closing(tree, result));
}

/* For a program that makes the container's mounts itself: it finds the copy at a path. */
int op_attach(struct context *c, const struct op *op)
{
	if (c->inside || !c->sources || strcmp(c->sources->path, op->a[0].s))
		return errno = FAULT_BAD_PLAN, -1;
	struct source *s = c->sources;
	int tree = s->tree;
	c->sources = s->next;
	free(s);
	int result = (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, op->a[1].s, MOVE_MOUNT_F_EMPTY_PATH);
	return closing(tree, result);
}

/* What tmpfs has by itself. */
#define TMPFS_MODE 01777

/*
 * A tmpfs is as open to others as the directory that it covers. One that is made to be covered gets the
 * mode of tmpfs, too: the next start finds it.
 */
int op_tmpfs(struct context *c, const struct op *op)
{
	if (need_root(c) < 0)
		return -1;
	const char *path = op->a[0].s;
	int target = open_in(c->root, path, O_PATH | O_DIRECTORY, 0);
	if (target < 0 && errno == ENOENT) {
		target = make_path(c->root, path, 0755);
		if (target >= 0 && fchmodat(target, ".", TMPFS_MODE, 0) < 0)
			return closing(target, -1);
	}
	struct stat covered;
	if (target < 0 || fstat(target, &covered) < 0)
		return closing(target, -1);
	/* Read-only is set when the mode is. */
	uint64_t late = op->a[1].u & MOUNT_ATTR_RDONLY;
	int tree = new_mount(c, "tmpfs", "tmpfs", &op->a[2], op->a[1].u & ~late);
	int result = tree < 0 ? -1 : fchmodat(tree, ".", covered.st_mode & 07777, 0);
	struct mount_attr attr = { .attr_set = late };
	if (result == 0 && late)
		result = sys_mount_setattr(tree, 0, &attr);
	if (result == 0)
		result = attach_on(c, tree, target, path);
	return closing(target, closing(tree, result));
}

/* A directory is hidden by one empty read-only tmpfs shared by all, a file by the container's own /dev/null. */
int op_mask(struct context *c, const struct op *op)
{
	if (need_root(c) < 0)
		return -1;
	int target = open_in(c->root, op->a[0].s, O_PATH, 0);
	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	struct stat st;
	int tree = -1;
	if (fstat(target, &st) < 0)
		return closing(target, -1);
	if (S_ISDIR(st.st_mode) && c->mask_tmpfs < 0) {
		static const char *list[] = { "nr_blocks=1", "nr_inodes=1", "ro", NULL };
		struct argument options = { .l = list, .length = 3 };
		tree = new_mount(c, "tmpfs", "tmpfs", &options, MOUNT_ATTR_RDONLY);
		c->mask_tmpfs = tree >= 0 ? fcntl(tree, F_DUPFD_CLOEXEC, 3) : -1;
	} else if (S_ISDIR(st.st_mode)) {
		tree = sys_open_tree(c->mask_tmpfs, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
	} else {
		int null = open_in(c->root, "dev/null", O_PATH, 0);
		struct stat device;
		if (null < 0)
			return closing(target, -1);
		if (fstat(null, &device) < 0 || !S_ISCHR(device.st_mode) || device.st_rdev != makedev(1, 3))
			errno = FAULT_NOT_CONFINED;
		else
			tree = sys_open_tree(null, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
		closing(null, 0);
	}
	int result = tree < 0 ? -1 : attach_on(c, tree, target, op->a[0].s);
	return closing(target, closing(tree, result));
}

int op_readonly(struct context *c, const struct op *op)
{
	if (need_root(c) < 0)
		return -1;
	int target = open_in(c->root, op->a[0].s, O_PATH, 0);
	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	struct statx sx;
	/* What is a mount of its own needs no second one over it. */
	bool mounted = statx(target, "", AT_EMPTY_PATH, 0, &sx) == 0 && sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	int tree = mounted ? -1 : sys_open_tree(target, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH);
	int result = mounted ? sys_mount_setattr(target, AT_RECURSIVE, &attr)
		     : tree < 0 || sys_mount_setattr(tree, AT_RECURSIVE, &attr) < 0
			     ? -1
			     : attach_on(c, tree, target, op->a[0].s);
	return closing(target, closing(tree, result));
}

int op_root_readonly(struct context *c, const struct op *op)
{
	(void)op;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	return need_root(c) < 0 ? -1 : sys_mount_setattr(c->root, 0, &attr);
}
