/*
 * A layer's files, written below the one directory that the process was started with. TypeScript has
 * parsed the archive; here every name is resolved below the root (D1), parents that are links stay
 * inside it, and the entry itself is made by an *at() call on its parent's descriptor.
 */
#define _GNU_SOURCE
#include "visit.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct attribute {
	struct attribute *next;
	char *name;
	char *value;
	size_t length;
};
struct directory_time {
	char *path;
	struct timespec time;
};
static struct timespec stamp(const struct op *op, int at)
{
	struct timespec t = { (time_t)op->a[at].u, (long)op->a[at + 1].u };
	return t;
}

static int set_time(int fd, const char *name, struct timespec time)
{
	struct timespec both[2] = { time, time };
	return name ? utimensat(fd, name, both, AT_SYMLINK_NOFOLLOW) : futimens(fd, both);
}

static int finish_file(struct tree *t)
{
	if (t->file < 0)
		return 0;
	int result = t->offset == t->size ? 0 : (errno = EIO, -1);
	if (result == 0 && t->hole_last)
		result = ftruncate(t->file, t->size);
	for (struct attribute *a = t->attributes, *next; a; a = next) {
		next = a->next;
		if (result == 0)
			result = fsetxattr(t->file, a->name, a->value, a->length, 0);
		free(a->name);
		free(a->value);
		free(a);
	}
	t->attributes = NULL;
	if (result == 0)
		result = set_time(t->file, NULL, t->file_time);
	int saved = errno;
	close(t->file);
	t->file = -1;
	return errno = saved, result;
}

static void forget_parent(struct tree *t)
{
	if (t->parent >= 0)
		close(t->parent);
	t->parent = -1;
}

/* The parent of path, made where missing; leaf is left in t->leaf. "" and "." name the root itself. */
static int enter(struct context *c, const char *path)
{
	struct tree *t = c->tree;
	size_t length = strlen(path);
	if (finish_file(t) < 0)
		return -1;
	while (length > 0 && path[length - 1] == '/')
		length--;
	size_t slash = length;
	while (slash > 0 && path[slash - 1] != '/')
		slash--;
	if (length - slash >= sizeof t->leaf || slash >= sizeof t->parent_path)
		return errno = ENAMETOOLONG, -1;
	memcpy(t->leaf, path + slash, length - slash);
	t->leaf[length - slash] = '\0';
	if (!*t->leaf || !strcmp(t->leaf, ".") || !strcmp(t->leaf, ".."))
		return errno = EINVAL, -1;
	if (t->parent >= 0 && strlen(t->parent_path) == slash && !memcmp(t->parent_path, path, slash))
		return t->parent;
	forget_parent(t);
	memcpy(t->parent_path, path, slash);
	t->parent_path[slash] = '\0';
	t->parent = make_path(c->root, t->parent_path, 0755);
	struct stat st;
	t->parent_setgid = t->parent >= 0 && (fstat(t->parent, &st) < 0 || (st.st_mode & S_ISGID));
	return t->parent;
}

/* What a later entry replaces goes away first; a directory over a directory stays. */
static int make_room(struct tree *t, bool directory)
{
	struct stat st;
	if (fstatat(t->parent, t->leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (directory && S_ISDIR(st.st_mode))
		return 1;
	if (t->strict && directory != S_ISDIR(st.st_mode))
		return errno = directory ? FAULT_OVER_FILE : FAULT_OVER_DIRECTORY, -1;
	return remove_tree_at(t->parent, t->leaf);
}

static int own(struct tree *t, const struct op *op, int at)
{
	return fchownat(t->parent, t->leaf, (uid_t)op->a[at].u, (gid_t)op->a[at + 1].u, AT_SYMLINK_NOFOLLOW);
}

/* Of the entry itself: a process of the container may have put a link in its place, which is refused. */
static int set_mode(struct tree *t, mode_t mode)
{
	char name[16];
	int entry = openat(t->parent, t->leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	snprintf(name, sizeof name, "%d", entry); /* go_to_fds() */
	return closing(entry, entry < 0 ? -1 : chmod(name, mode));
}

int op_tree_dir(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	mode_t mode = (mode_t)op->a[1].u & 07777;
	const char *path = op->a[0].s;
	bool root = !*path || !strcmp(path, ".") || !strcmp(path, "./");
	if (root) {
		if (finish_file(t) < 0 || fchown(c->root, (uid_t)op->a[2].u, (gid_t)op->a[3].u) < 0 || fchmod(c->root, mode) < 0)
			return -1;
	} else {
		if (enter(c, path) < 0)
			return -1;
		int there = make_room(t, true);
		if (there < 0 || (there == 0 && mkdirat(t->parent, t->leaf, 0700) < 0))
			return -1;
		int made = openat(t->parent, t->leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (made < 0 || fchown(made, (uid_t)op->a[2].u, (gid_t)op->a[3].u) < 0 || fchmod(made, mode) < 0)
			return closing(made, -1);
		close(made);
	}
	if (t->time_count == t->time_size) {
		t->time_size = t->time_size ? t->time_size * 2 : 256;
		t->times = realloc(t->times, t->time_size * sizeof *t->times);
		if (!t->times)
			abort();
	}
	t->times[t->time_count++] = (struct directory_time){ strdup(path), stamp(op, 4) };
	return 0;
}

/* Most files of a layer are root's: made as they have to be, they are spared two changes in the journal. */
static bool is_made_right(const struct tree *t, const struct op *op)
{
	return op->a[2].u == 0 && op->a[3].u == 0 && !t->parent_setgid && geteuid() == 0 && getegid() == 0;
}

int op_tree_file(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	mode_t mode = (mode_t)op->a[1].u & 07777;
	if (enter(c, op->a[0].s) < 0)
		return -1;
	bool right = is_made_right(t, op);
	int fd = openat(t->parent, t->leaf, flags, right ? mode : 0600);
	if (fd < 0 && errno == EEXIST && make_room(t, false) == 0)
		fd = openat(t->parent, t->leaf, flags, right ? mode : 0600);
	if (fd < 0)
		return -1;
	if (!right && (fchown(fd, (uid_t)op->a[2].u, (gid_t)op->a[3].u) < 0 || fchmod(fd, mode) < 0))
		return closing(fd, -1);
	t->file = fd;
	t->file_time = stamp(op, 4);
	t->offset = 0;
	t->size = (off_t)op->a[6].u;
	t->hole_last = false;
	snprintf(t->file_path, sizeof t->file_path, "%s", op->a[0].s);
	return t->size == 0 ? finish_file(t) : 0;
}

int op_tree_data(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	const char *data = op->a[0].s;
	if (t->file < 0 || t->offset + (off_t)op->a[0].length > t->size)
		return errno = FAULT_BAD_PLAN, -1;
	for (uint32_t done = 0; done < op->a[0].length;) {
		ssize_t n = pwrite(t->file, data + done, op->a[0].length - done, t->offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (uint32_t)n;
		t->offset += n;
	}
	t->hole_last = false;
	return 0;
}

int op_tree_source(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	if (t->source >= 0)
		close(t->source);
	t->source = open(op->a[0].s, O_RDONLY | O_CLOEXEC);
	return t->source < 0 ? -1 : 0;
}

/* A part of the archive is the next part of the file: its bytes go from file to file inside the kernel. */
int op_tree_copy(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	off_t from = (off_t)op->a[0].u, left = (off_t)op->a[1].u;
	static char buffer[128 * 1024];
	bool direct = true;
	if (t->file < 0 || t->source < 0 || from < 0 || left < 0 || left > t->size - t->offset)
		return errno = FAULT_BAD_PLAN, -1;
	while (left > 0) {
		ssize_t n;
		if (direct) {
			n = copy_file_range(t->source, &from, t->file, &t->offset, (size_t)left, 0);
			/* a kernel or file system that cannot do it between these two */
			if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
				direct = false;
				continue;
			}
		} else {
			n = pread(t->source, buffer, left < (off_t)sizeof buffer ? (size_t)left : sizeof buffer, from);
			if (n > 0)
				n = pwrite(t->file, buffer, (size_t)n, t->offset);
			if (n > 0)
				from += n, t->offset += n;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return errno = EIO, -1; /* shorter than its headers said */
		if (n < 0)
			return -1;
		left -= n;
	}
	t->hole_last = false;
	return 0;
}

/*
 * ext4 makes a directory's files near it, and is slow where many were deleted in the last minutes, as a
 * layer's were: it looks at each of their inodes (recently_deleted() in ialloc.c). With this flag each
 * directory in the root begins where there is room (chattr(1), "T"); file systems without it need none.
 */
int op_tree_spread(struct context *c, const struct op *op)
{
	(void)op;
	int flags;
	if (ioctl(c->root, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
		flags |= FS_TOPDIR_FL;
		ioctl(c->root, FS_IOC_SETFLAGS, &flags);
	}
	return 0;
}

int op_tree_hole(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	if (t->file < 0 || (off_t)op->a[0].u < 0 || (off_t)op->a[0].u > t->size - t->offset)
		return errno = FAULT_BAD_PLAN, -1;
	t->offset += (off_t)op->a[0].u;
	t->hole_last = op->a[0].u > 0;
	return 0;
}

int op_tree_symlink(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	if (enter(c, op->a[0].s) < 0 || make_room(t, false) < 0 || symlinkat(op->a[1].s, t->parent, t->leaf) < 0)
		return -1;
	return own(t, op, 2) < 0 ? -1 : set_time(t->parent, t->leaf, stamp(op, 4));
}

/* The existing name is resolved below the root too, and the link is made to that very inode. */
int op_tree_link(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	char leaf[256], name[16];
	if (enter(c, op->a[0].s) < 0)
		return -1;
	int parent = open_parent(c->root, op->a[1].s, 0, leaf, sizeof leaf);
	if (parent < 0)
		return -1;
	int existing = closing(parent, openat(parent, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC));
	if (existing < 0)
		return -1;
	snprintf(name, sizeof name, "%d", existing); /* go_to_fds() */
	struct stat old, now;
	int result = fstat(existing, &old);
	if (result == 0 && fstatat(t->parent, t->leaf, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == old.st_ino &&
	    now.st_dev == old.st_dev)
		goto done; /* the link is there already; making room would remove the file */
	if (result == 0 && S_ISDIR(old.st_mode))
		result = (errno = EPERM, -1);
	if (result == 0)
		result = make_room(t, false);
	if (result == 0)
		result = linkat(AT_FDCWD, name, t->parent, t->leaf, AT_SYMLINK_FOLLOW);
done:
	return closing(existing, result);
}

int op_tree_node(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	mode_t mode = (mode_t)op->a[1].u;
	if (!S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISFIFO(mode))
		return errno = FAULT_BAD_PLAN, -1;
	if (enter(c, op->a[0].s) < 0 || make_room(t, false) < 0 ||
	    mknodat(t->parent, t->leaf, mode, makedev((unsigned)op->a[2].u, (unsigned)op->a[3].u)) < 0)
		return -1;
	if (own(t, op, 4) < 0 || set_mode(t, mode & 07777) < 0)
		return -1;
	return set_time(t->parent, t->leaf, stamp(op, 6));
}

/* Hides the name in the layers below: overlayfs.rst "whiteouts". */
int op_tree_whiteout(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	if (enter(c, op->a[0].s) < 0 || make_room(t, false) < 0)
		return -1;
	return mknodat(t->parent, t->leaf, S_IFCHR, makedev(0, 0));
}

int op_tree_remove(struct context *c, const struct op *op)
{
	if (enter(c, op->a[0].s) < 0)
		return -1;
	int result = remove_tree_at(c->tree->parent, c->tree->leaf);
	forget_parent(c->tree);
	return result;
}

static int set_attribute(struct context *c, const char *path, const char *name, const char *value, size_t length)
{
	struct tree *t = c->tree;
	char place[280];
	bool root = !*path || !strcmp(path, ".") || !strcmp(path, "./");
	if (root) {
		if (finish_file(t) < 0)
			return -1;
		return fsetxattr(c->root, name, value, length, 0);
	}
	if (enter(c, path) < 0)
		return -1;
	/* No *at() call for attributes before Linux 6.13: by the parent's descriptor (go_to_fds()). */
	snprintf(place, sizeof place, "%d/%s", t->parent, t->leaf);
	return lsetxattr(place, name, value, length, 0);
}

int op_tree_opaque(struct context *c, const struct op *op)
{
	return set_attribute(c, op->a[0].s, "trusted.overlay.opaque", "y", 1);
}

int op_tree_xattr(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	if (t->file < 0 || strcmp(t->file_path, op->a[0].s) != 0)
		return set_attribute(c, op->a[0].s, op->a[1].s, op->a[2].s, op->a[2].length);
	struct attribute *a = calloc(1, sizeof *a);
	if (!a || !(a->name = strdup(op->a[1].s)) || !(a->value = malloc(op->a[2].length + 1)))
		abort();
	memcpy(a->value, op->a[2].s, op->a[2].length);
	a->length = op->a[2].length;
	a->next = t->attributes;
	t->attributes = a;
	return 0;
}

/* What had to wait until all entries are there. */
int op_tree_end(struct context *c, const struct op *op)
{
	(void)op;
	struct tree *t = c->tree;
	if (finish_file(t) < 0)
		return -1;
	forget_parent(t);
	/* In order: of a directory that came twice, the last entry counts. */
	for (size_t i = 0; i < t->time_count; i++) {
		const char *path = t->times[i].path;
		char leaf[256];
		bool root = !*path || !strcmp(path, ".") || !strcmp(path, "./");
		int parent = root ? -1 : open_parent(c->root, path, 0, leaf, sizeof leaf);
		if (root)
			set_time(c->root, NULL, t->times[i].time);
		else if (parent >= 0)
			set_time(parent, leaf, t->times[i].time); /* gone or replaced meanwhile: nothing to set */
		if (parent >= 0)
			close(parent);
		free(t->times[i].path);
	}
	t->time_count = 0;
	return 0;
}

int op_tree_finish(struct context *c, const struct op *op) { return op_tree_end(c, op) < 0 ? -1 : syncfs(c->root); }

int op_tree_strict(struct context *c, const struct op *op)
{
	c->tree->strict = op->a[0].u;
	return 0;
}

/* With "-" for the root, the first operations say which one it is. */
int tree_main(const char *root)
{
	static struct tree tree = { .parent = -1, .file = -1, .below = -1, .source = -1 };
	struct context *c = malloc(sizeof *c);
	if (!c)
		return 1;
	context_init(c);
	prctl(PR_SET_NAME, "coracle-tree");
	c->tree = &tree;
	if (strcmp(root, "-") != 0)
		c->root = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if ((strcmp(root, "-") != 0 && c->root < 0) || go_to_fds() < 0) {
		perror(root);
		return 1;
	}
	return serve_daemon(c, PLACE_TREE);
}
