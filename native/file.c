/*
 * Files. The *_in and make_* functions are the confined ones (D1): every path is resolved by
 * openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS below a directory descriptor, and the last
 * component is acted on by *at() calls on its parent's descriptor.
 */
#define _GNU_SOURCE
#include "native.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Closes fd (-1 is none) and hands the result on, with the errno that belongs to it. */
int closing(int fd, int result)
{
	int saved = errno;
	if (fd >= 0)
		close(fd);
	return errno = saved, result;
}

/* open(2) of a path as if `root` were "/". */
int open_in(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	for (int tries = 0;; tries++) {
		int fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
		/* EAGAIN: something was renamed meanwhile, openat2(2) */
		if (fd >= 0 || errno != EAGAIN || tries == 32)
			return fd;
	}
}

/*
 * Splits off the last component into `leaf` and opens the directory before it, made with `mode` (0 =
 * must exist). "..", "." and "" as the last component are refused: they name no entry.
 */
int open_parent(int root, const char *path, mode_t mode, char *leaf, size_t size)
{
	char copy[4096];
	size_t length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		length--;
	if (length >= sizeof copy)
		return errno = ENAMETOOLONG, -1;
	memcpy(copy, path, length);
	copy[length] = '\0';
	char *slash = strrchr(copy, '/');
	const char *name = slash ? slash + 1 : copy;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return errno = EINVAL, -1;
	if (strlen(name) >= size)
		return errno = ENAMETOOLONG, -1;
	strcpy(leaf, name);
	if (!slash)
		copy[0] = '\0';
	else
		*slash = '\0';
	return mode ? make_path(root, copy, mode) : open_in(root, copy, O_PATH | O_DIRECTORY, 0);
}

static int make_directory(int root, const char *path, mode_t mode)
{
	char leaf[256];
	int parent = open_parent(root, path, 0, leaf, sizeof leaf);
	return parent < 0 ? -1 : closing(parent, mkdirat(parent, leaf, mode));
}

/* mkdir -p below root; the directory, opened O_PATH. */
int make_path(int root, const char *path, mode_t mode)
{
	char copy[4096];
	int fd = open_in(root, path, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (strlen(path) >= sizeof copy)
		return errno = ENAMETOOLONG, -1;
	strcpy(copy, path);
	for (char *end = copy;;) {
		end += strspn(end, "/");
		end += strcspn(end, "/");
		const char rest = *end;
		*end = '\0';
		fd = open_in(root, copy, O_PATH | O_DIRECTORY, 0);
		/* By the whole path again: the entry may be a link to a directory, also one that hangs. */
		if (fd < 0 && errno == ENOENT && (make_directory(root, copy, mode) == 0 || errno == EEXIST))
			fd = open_in(root, copy, O_PATH | O_DIRECTORY, 0);
		if (fd < 0 || !rest)
			return fd;
		close(fd);
		*end = rest;
	}
}

/* Where the link `leaf` of `parent` leads to; `path` is its own. */
static int link_target(int parent, const char *leaf, const char *path, char *target, size_t size)
{
	char link[4096];
	ssize_t n = readlinkat(parent, leaf, link, sizeof link - 1);
	if (n < 0)
		return -1;
	link[n] = '\0';
	const char *slash = *link == '/' ? NULL : strrchr(path, '/');
	int length = snprintf(target, size, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, link);
	return length < (int)size ? 0 : (errno = ENAMETOOLONG, -1);
}

/* As many as the kernel follows (path_resolution(7)). */
#define LINKS_MAX 40

/* The file at path, made empty with its parents where missing, also where a link leads that hangs; opened O_PATH. */
int make_file(int root, const char *path, mode_t mode)
{
	char paths[2][4096], leaf[256];
	for (int links = 0; links < LINKS_MAX; links++) {
		int fd = open_in(root, path, O_PATH, 0);
		if (fd >= 0 || errno != ENOENT)
			return fd;
		int parent = open_parent(root, path, 0755, leaf, sizeof leaf);
		if (parent < 0)
			return -1;
		fd = openat(parent, leaf, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, mode);
		if (fd >= 0)
			return closing(parent, closing(fd, open_in(root, path, O_PATH, 0)));
		char *target = paths[links % 2];
		bool hangs = errno == EEXIST && link_target(parent, leaf, path, target, sizeof paths[0]) == 0;
		if (closing(parent, hangs ? 0 : -1) < 0)
			return -1;
		path = target;
	}
	return errno = ELOOP, -1;
}

/* Each level holds a descriptor and a buffer, and how deep it goes is the choice of who made the tree. */
#define REMOVE_DEPTH_MAX 100

struct removal {
	int top;
	unsigned lifted; /* directories that were moved up to the top, to be removed there */
};

static int lift(struct removal *r, int parent, const char *name)
{
	char up[32];
	do {
		snprintf(up, sizeof up, ".lifted-%u", r->lifted++);
		if (renameat(parent, name, r->top, up) == 0)
			return 0;
	} while (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR); /* the name is taken */
	return -1;
}

/*
 * unlink(2) has refused it, with this error: a directory, or something that cannot be removed. A mount is
 * not ours to empty, also when it is of the same file system.
 */
static int open_to_empty(int parent, const char *name, int refused)
{
	struct statx sx;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno = errno == ENOTDIR ? refused : errno, -1;
	if (statx(fd, "", AT_EMPTY_PATH, 0, &sx) < 0)
		return closing(fd, -1);
	return sx.stx_attributes & STATX_ATTR_MOUNT_ROOT ? (errno = EXDEV, closing(fd, -1)) : fd;
}

static int remove_entries(int directory, struct removal *r, int depth);

static int remove_directory(int parent, const char *name, struct removal *r, int depth, int refused)
{
	int child = open_to_empty(parent, name, refused);
	if (child < 0)
		return -1;
	if (depth == REMOVE_DEPTH_MAX)
		return closing(child, lift(r, parent, name));
	return remove_entries(child, r, depth + 1) < 0 ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
}

static int remove_entries(int directory, struct removal *r, int depth)
{
	DIR *stream = fdopendir(directory);
	if (!stream)
		return closing(directory, -1);
	int result = 0;
	for (struct dirent *e; result == 0 && (errno = 0, e = readdir(stream));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(directory, e->d_name, 0) < 0 && errno != ENOENT)
			result = remove_directory(directory, e->d_name, r, depth, errno);
	}
	int saved = errno; /* readdir(3) fails by it alone */
	closedir(stream);
	return errno = saved, saved ? -1 : result;
}

/* rm -rf of one entry; ENOENT is success. Links are removed, not followed. */
int remove_tree_at(int parent, const char *name)
{
	struct removal r = { .top = -1 };
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	int refused = errno;
	do {
		r.lifted = 0;
		r.top = open_to_empty(parent, name, refused);
		if (r.top < 0 || remove_entries(r.top, &r, 0) < 0)
			return -1;
	} while (r.lifted);
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int read_file(int at, const char *path, char *data, size_t size)
{
	int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t used = 0;
	ssize_t n = 0;
	while (used < size - 1 && (n = read(fd, data + used, size - 1 - used)) > 0)
		used += (size_t)n;
	closing(fd, 0);
	if (n < 0)
		return -1;
	data[used] = '\0';
	return (int)used;
}

int op_mkdir(struct context *c, const struct op *op)
{
	(void)c;
	struct stat st;
	if (mkdir(op->a[0].s, (mode_t)op->a[1].u) == 0)
		return 0;
	if (errno == EEXIST && stat(op->a[0].s, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return -1;
}

int op_read(struct context *c, const struct op *op)
{
	char data[OUTPUT_BYTES_MAX];
	size_t limit = op->a[1].u < sizeof data ? (size_t)op->a[1].u : sizeof data;
	int n = read_file(AT_FDCWD, op->a[0].s, data, limit ? limit : 1);
	if (n > 0)
		output(c, data, (size_t)n);
	return n;
}

int op_remove_tree(struct context *c, const struct op *op)
{
	(void)c;
	return remove_tree_at(AT_FDCWD, op->a[0].s);
}
