/*
 * The mounts that make the world inside. A root is made as a detached mount (no namespace holds it,
 * so it can leak nowhere), attached in the container's own mount namespace, filled, and entered by
 * pivot_root. All targets are resolved below the root's descriptor and mounted on by descriptor, and
 * after each mount we look again at what is there (D1).
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* mount(2) flags; glibc 2.36's sys/mount.h and linux/mount.h cannot be included together */
#define MNT_DETACH 2
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);

#define DEVPTS_SUPER_MAGIC 0x1cd1
#define BIND_RECURSIVE 1u
#define BIND_FILE_TARGET 2u
#define BIND_ATTR_RECURSIVE 4u

static int sys_fsopen(const char *type) { return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC); }
static int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}
static int sys_fsmount(int fd, uint64_t attr) { return (int)syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attr); }
static int sys_open_tree(int at, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, at, path, flags | OPEN_TREE_CLOEXEC);
}
static int sys_mount_setattr(int fd, unsigned flags, struct mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | flags, attr, sizeof *attr);
}
static int close_failed(int fd)
{
	int saved = errno;
	if (fd >= 0)
		close(fd);
	return errno = saved, -1;
}

/* The file system's own words for a failure (fsopen(2), "the message buffer") go to the output. */
static int fs_failed(struct context *c, int fs)
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

static uint64_t mount_id(int fd)
{
	struct statx sx;
	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0 ? sx.stx_mnt_id : 0;
}

/* Puts a detached mount on an opened target, and verifies that the path now leads to it. */
static int attach_on(struct context *c, int tree, int target, const char *path)
{
	if (syscall(SYS_move_mount, tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -1;
	int again = open_in(c->root, path, O_PATH, 0);
	bool same = again >= 0 && mount_id(again) == mount_id(tree);
	if (again >= 0)
		close(again);
	return same ? 0 : (errno = FAULT_NOT_CONFINED, -1);
}

/* A new file system from options "key=value" or "flag", as a detached mount. */
static int new_mount(struct context *c, const char *type, const char *source, const struct argument *options,
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

/* A layer as a mount of its own whose owners are shifted by the user namespace. */
static int idmapped(const char *path, int userns)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };
	int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	if (tree >= 0 && sys_mount_setattr(tree, 0, &attr) < 0)
		return close_failed(tree);
	return tree;
}

/*
 * Descriptors of idmapped copies. They are detached mounts, which end with their descriptor, and the
 * overlay takes its own copies of them only when it is created (clone_private_mount() in the kernel).
 */
#define LAYERS_MAX 500 /* OVL_MAX_STACK */
struct held {
	int fd[LAYERS_MAX + 3];
	int count;
};

static int hold(struct held *held, int fd)
{
	if (fd >= 0 && held->count == LAYERS_MAX + 3) {
		close(fd);
		return errno = FAULT_TOO_MANY, -1;
	}
	if (fd >= 0)
		held->fd[held->count++] = fd;
	return fd;
}

static void release(struct held *held)
{
	int saved = errno;
	while (held->count > 0)
		close(held->fd[--held->count]);
	errno = saved;
}

static int set_layer(int fs, const char *path, int userns, struct held *held)
{
	if (userns < 0)
		return sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", path, 0);
	int tree = hold(held, idmapped(path, userns));
	return tree < 0 ? -1 : sys_fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL, tree);
}

/* upper and work must lie in one mount, so both are opened through one copy of their parent. */
static int set_top_idmapped(int fs, const char *upper, const char *work, int userns, struct held *held)
{
	char parent[4096];
	const char *slash = strrchr(upper, '/'), *slash_work = strrchr(work, '/');
	size_t length = slash ? (size_t)(slash - upper) : 0;
	if (!slash || !slash_work || length >= sizeof parent || strncmp(upper, work, length + 1) != 0)
		return errno = EINVAL, -1;
	memcpy(parent, upper, length);
	parent[length] = '\0';
	int tree = hold(held, idmapped(parent, userns));
	if (tree < 0)
		return -1;
	int up = hold(held, openat(tree, slash + 1, O_PATH | O_DIRECTORY | O_CLOEXEC));
	int wo = up < 0 ? -1 : hold(held, openat(tree, slash_work + 1, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (wo < 0)
		return -1;
	return sys_fsconfig(fs, FSCONFIG_SET_FD, "upperdir", NULL, up) < 0 ||
			       sys_fsconfig(fs, FSCONFIG_SET_FD, "workdir", NULL, wo) < 0
		       ? -1
		       : 0;
}

/*
 * An overlay works in its upper layer as who made it. On an idmapped layer the host's root is nobody
 * (its id is not in the map), so the file system id is that of the container's root for the moment
 * of making; the capabilities, which the kernel takes along with it (capabilities(7)), are put back.
 */
static int create_as_mapped(const struct context *c, int fs)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	if (syscall(SYS_capget, &header, caps) < 0)
		return -1;
	setfsgid(c->userns_gid);
	setfsuid(c->userns_uid);
	int result = syscall(SYS_capset, &header, caps) < 0 ? -1 : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	int saved = errno;
	setfsuid(0);
	setfsgid(0);
	return errno = saved, result;
}

static int set_overlay(struct context *c, int fs, const struct op *op, struct held *held)
{
	const struct argument *lower = &op->a[0], *options = &op->a[3];
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
		return -1;
	/* One key a layer (Linux 6.5), so that their number is not bound by a page of options. */
	for (uint32_t i = 0; i < lower->length; i++)
		if (set_layer(fs, lower->l[i], c->userns, held) < 0)
			return -1;
	if (c->userns >= 0) {
		if (set_top_idmapped(fs, op->a[1].s, op->a[2].s, c->userns, held) < 0)
			return -1;
	} else if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", op->a[1].s, 0) < 0 ||
		   sys_fsconfig(fs, FSCONFIG_SET_STRING, "workdir", op->a[2].s, 0) < 0) {
		return -1;
	}
	for (uint32_t i = 0; i < options->length; i++) {
		char key[64];
		const char *equals = strchr(options->l[i], '=');
		snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - options->l[i]) : 63, options->l[i]);
		if (sys_fsconfig(fs, equals ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, equals ? equals + 1 : NULL, 0) < 0)
			return -1;
	}
	return c->userns >= 0 ? create_as_mapped(c, fs) : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

int op_root_overlay(struct context *c, const struct op *op)
{
	struct held held = { .count = 0 };
	int fs = sys_fsopen("overlay");
	if (fs < 0)
		return -1;
	int result = set_overlay(c, fs, op, &held);
	release(&held);
	if (result < 0)
		return fs_failed(c, fs);
	c->root = sys_fsmount(fs, 0);
	if (c->root < 0)
		return fs_failed(c, fs);
	close(fs);
	return 0;
}

int op_root_bind(struct context *c, const struct op *op)
{
	c->root = c->userns >= 0 ? idmapped(op->a[0].s, c->userns)
				 : sys_open_tree(AT_FDCWD, op->a[0].s, OPEN_TREE_CLONE | AT_RECURSIVE);
	return c->root < 0 ? -1 : 0;
}

int op_propagation(struct context *c, const struct op *op)
{
	(void)c;
	return mount(NULL, "/", NULL, (unsigned long)op->a[0].u, NULL);
}

int op_root_attach(struct context *c, const struct op *op)
{
	if (c->root < 0)
		return errno = FAULT_BAD_PLAN, -1;
	if (syscall(SYS_move_mount, c->root, "", AT_FDCWD, op->a[0].s, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -1;
	c->inside = true;
	return 0;
}

/* Everything below needs an attached root; a plan that forgot it must not act on the host's files. */
static int need_root(const struct context *c)
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
	int saved = errno;
	close(target);
	if (tree >= 0)
		close(tree);
	return errno = saved, result;
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

int op_source(struct context *c, const struct op *op)
{
	struct source *s = malloc(sizeof *s);
	if (!s)
		return -1;
	*s = (struct source){ c->sources, op->a[0].s, (unsigned)op->a[1].u & BIND_RECURSIVE, -1 };
	s->tree = copy_tree(s->path, s->flags);
	if (s->tree < 0) {
		int saved = errno;
		free(s);
		return errno = saved, -1;
	}
	c->sources = s;
	return 0;
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
		return close_failed(tree);
	int target = flags & BIND_FILE_TARGET ? make_file(c->root, op->a[1].s, 0644) : make_path(c->root, op->a[1].s, 0755);
	if (target < 0)
		return close_failed(tree);
	int result = attach_on(c, tree, target, op->a[1].s);
	int saved = errno;
	close(target);
	close(tree);
	return errno = saved, result;
}

/* Copies regular files, directories, links and nodes with owner and mode; used for small content. */
static int copy_entries(int from, int to, int depth);

static int copy_entry(int from, int to, const char *name, int depth)
{
	struct stat st;
	char link[4096];
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(from, name, link, sizeof link - 1);
		if (n < 0)
			return -1;
		link[n] = '\0';
		if (symlinkat(link, to, name) < 0)
			return -1;
		return fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
	}
	if (S_ISREG(st.st_mode)) {
		int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		char data[8192];
		ssize_t n = out < 0 ? -1 : 0;
		while (out >= 0 && (n = read(in, data, sizeof data)) > 0)
			if (!write_all(out, data, (size_t)n)) {
				n = -1;
				break;
			}
		if (n == 0 && (fchown(out, st.st_uid, st.st_gid) < 0 || fchmod(out, st.st_mode & 07777) < 0))
			n = -1;
		int saved = errno;
		if (in >= 0)
			close(in);
		if (out >= 0)
			close(out);
		return errno = saved, n < 0 ? -1 : 0;
	}
	if (!S_ISDIR(st.st_mode)) {
		if (mknodat(to, name, st.st_mode, st.st_rdev) < 0)
			return -1;
	} else {
		if (depth > 256)
			return errno = ELOOP, -1;
		int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int made = in < 0 ? -1 : mkdirat(to, name, 0700);
		int out = made < 0 ? -1 : openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int result = out < 0 ? -1 : copy_entries(in, out, depth + 1);
		int saved = errno;
		if (in >= 0)
			close(in);
		if (out >= 0)
			close(out);
		if (result < 0)
			return errno = saved, -1;
	}
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return fchmodat(to, name, st.st_mode & 07777, 0);
}

#include <dirent.h>
static int copy_entries(int from, int to, int depth)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return close_failed(fd);
	int result = 0;
	for (struct dirent *e; result == 0 && (e = readdir(stream));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			result = copy_entry(from, to, e->d_name, depth);
	int saved = errno;
	closedir(stream);
	return errno = saved, result;
}

int op_tmpfs_copy(struct context *c, const struct op *op)
{
	if (need_root(c) < 0)
		return -1;
	int target = make_path(c->root, op->a[0].s, 0755);
	if (target < 0)
		return -1;
	/* Read-only is set after the copy. */
	uint64_t late = op->a[1].u & MOUNT_ATTR_RDONLY;
	int tree = new_mount(c, "tmpfs", "tmpfs", &op->a[2], op->a[1].u & ~late);
	struct stat st;
	int result = tree < 0 ? -1 : copy_entries(target, tree, 0);
	if (result == 0 && fstat(target, &st) == 0)
		result = fchownat(tree, ".", st.st_uid, st.st_gid, 0);
	struct mount_attr attr = { .attr_set = late };
	if (result == 0 && late)
		result = sys_mount_setattr(tree, 0, &attr);
	if (result == 0)
		result = attach_on(c, tree, target, op->a[0].s);
	int saved = errno;
	close(target);
	if (tree >= 0)
		close(tree);
	return errno = saved, result;
}

int op_directory(struct context *c, const struct op *op)
{
	if (need_root(c) < 0)
		return -1;
	int fd = make_path(c->root, op->a[0].s, (mode_t)op->a[1].u);
	if (fd < 0)
		return -1;
	int result = fchownat(fd, "", (uid_t)op->a[2].u, (gid_t)op->a[3].u, AT_EMPTY_PATH);
	int saved = errno;
	close(fd);
	return errno = saved, result;
}

int op_file(struct context *c, const struct op *op)
{
	char leaf[256];
	if (need_root(c) < 0)
		return -1;
	int parent = open_parent(c->root, op->a[0].s, 0755, leaf, sizeof leaf);
	if (parent < 0)
		return -1;
	int fd = openat(parent, leaf, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, (mode_t)op->a[1].u);
	int saved = errno;
	close(parent);
	if (fd < 0)
		return errno = saved, -1;
	bool ok = write_all(fd, op->a[2].s, op->a[2].length);
	return close(fd), ok ? 0 : -1;
}

int op_symlink(struct context *c, const struct op *op)
{
	char leaf[256];
	if (need_root(c) < 0)
		return -1;
	int parent = open_parent(c->root, op->a[1].s, 0755, leaf, sizeof leaf);
	if (parent < 0)
		return -1;
	int result = symlinkat(op->a[0].s, parent, leaf);
	int saved = errno;
	close(parent);
	return result == 0 || saved == EEXIST ? 0 : (errno = saved, -1);
}

int op_node(struct context *c, const struct op *op)
{
	char leaf[256];
	if (need_root(c) < 0)
		return -1;
	int parent = open_parent(c->root, op->a[0].s, 0755, leaf, sizeof leaf);
	if (parent < 0)
		return -1;
	dev_t device = makedev((unsigned)op->a[2].u, (unsigned)op->a[3].u);
	int result = mknodat(parent, leaf, (mode_t)op->a[1].u, device);
	if (result == 0)
		result = fchownat(parent, leaf, (uid_t)op->a[4].u, (gid_t)op->a[5].u, AT_SYMLINK_NOFOLLOW);
	int saved = errno;
	close(parent);
	return errno = saved, result;
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
		return close_failed(target);
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
			return close_failed(target);
		if (fstat(null, &device) < 0 || !S_ISCHR(device.st_mode) || device.st_rdev != makedev(1, 3))
			errno = FAULT_NOT_CONFINED;
		else
			tree = sys_open_tree(null, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
		int saved = errno;
		close(null);
		errno = saved;
	}
	int result = tree < 0 ? -1 : attach_on(c, tree, target, op->a[0].s);
	int saved = errno;
	close(target);
	if (tree >= 0)
		close(tree);
	return errno = saved, result;
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
	int saved = errno;
	close(target);
	if (tree >= 0)
		close(tree);
	return errno = saved, result;
}

int op_root_readonly(struct context *c, const struct op *op)
{
	(void)op;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	return need_root(c) < 0 ? -1 : sys_mount_setattr(c->root, 0, &attr);
}

/*
 * A terminal of the container's own devpts: `tty` inside says /dev/pts/0. The multiplexer is checked
 * to be devpts' before it is used, and the slave comes from the master itself (TIOCGPTPEER), not by a path.
 */
int op_terminal(struct context *c, const struct op *op)
{
	struct statfs fs;
	struct winsize size = { .ws_row = (unsigned short)op->a[0].u, .ws_col = (unsigned short)op->a[1].u };
	int unlock = 0;
	if (need_root(c) < 0)
		return -1;
	int master = open_in(c->root, "dev/pts/ptmx", O_RDWR | O_NOCTTY, 0);
	if (master < 0)
		return -1;
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return errno = FAULT_NOT_CONFINED, close_failed(master);
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || (size.ws_row && ioctl(master, TIOCSWINSZ, &size) < 0))
		return close_failed(master);
	c->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0)
		return close_failed(master);
	if (!send_packet(c->sync, PACKET_TERMINAL, 0, NULL, master))
		return close_failed(master);
	close(master);
	if (setsid() < 0 && errno != EPERM) /* EPERM: already a leader */
		return -1;
	if (ioctl(c->slave, TIOCSCTTY, 0) < 0)
		return -1;
	for (int fd = 0; fd < 3; fd++)
		if (dup2(c->slave, fd) < 0)
			return -1;
	return 0;
}

int op_console(struct context *c, const struct op *op)
{
	(void)op;
	if (need_root(c) < 0 || c->slave < 0)
		return errno = FAULT_BAD_PLAN, -1;
	int target = make_file(c->root, "dev/console", 0600);
	if (target < 0)
		return -1;
	int tree = sys_open_tree(c->slave, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
	int result = tree < 0 ? -1 : attach_on(c, tree, target, "dev/console");
	int saved = errno;
	close(target);
	if (tree >= 0)
		close(tree);
	return errno = saved, result;
}

/*
 * D5, pivot_root(2) "pivot_root(".", ".")": the old root ends up on top of the new one, is made a
 * slave so that unmounting tells nobody, and is detached.
 */
int op_pivot_root(struct context *c, const struct op *op)
{
	(void)op;
	if (need_root(c) < 0)
		return -1;
	int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0)
		return -1;
	if (fchdir(c->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || fchdir(old) < 0)
		return close_failed(old);
	close(old);
	if (mount(NULL, ".", NULL, 0x84000 /* MS_REC | MS_SLAVE */, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}

int op_root_propagation(struct context *c, const struct op *op)
{
	(void)c;
	return mount(NULL, "/", NULL, (unsigned long)op->a[0].u, NULL);
}
