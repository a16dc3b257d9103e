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

#define PATH_DEPTH_MAX 1024

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

static int make_path_depth(int root, const char *path, mode_t mode, int depth)
{
	int fd = open_in(root, path, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (depth > PATH_DEPTH_MAX)
		return errno = ELOOP, -1;
	char leaf[256], copy[4096];
	size_t length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		length--;
	if (length >= sizeof copy)
		return errno = ENAMETOOLONG, -1;
	memcpy(copy, path, length);
	copy[length] = '\0';
	char *slash = strrchr(copy, '/');
	const char *name = slash ? slash + 1 : copy;
	if (strlen(name) >= sizeof leaf)
		return errno = ENAMETOOLONG, -1;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return errno = ENOENT, -1;
	strcpy(leaf, name);
	if (slash)
		*slash = '\0';
	else
		copy[0] = '\0';
	int parent = make_path_depth(root, copy, mode, depth + 1);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, leaf, mode) < 0 && errno != EEXIST) {
		int saved = errno;
		close(parent);
		return errno = saved, -1;
	}
	close(parent);
	/* By the whole path again: the entry may be a link to a directory, also one that hangs. */
	return open_in(root, path, O_PATH | O_DIRECTORY, 0);
}

/* mkdir -p below root; the directory, opened O_PATH. */
int make_path(int root, const char *path, mode_t mode) { return make_path_depth(root, path, mode, 0); }

/* The file at path, made empty with its parents where missing, opened O_PATH. */
int make_file(int root, const char *path, mode_t mode)
{
	int fd = open_in(root, path, O_PATH, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	char leaf[256];
	int parent = open_parent(root, path, 0755, leaf, sizeof leaf);
	if (parent < 0)
		return -1;
	fd = openat(parent, leaf, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, mode);
	int saved = errno;
	close(parent);
	if (fd < 0 && saved != EEXIST)
		return errno = saved, -1;
	if (fd >= 0)
		close(fd);
	return open_in(root, path, O_PATH, 0);
}

static int remove_entries(int directory, dev_t device)
{
	DIR *stream = fdopendir(directory);
	if (!stream)
		return close(directory), -1;
	int error = 0;
	for (struct dirent *e; !error && (errno = 0, e = readdir(stream));) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd(stream), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			error = errno;
			break;
		}
		struct stat st;
		int child = openat(dirfd(stream), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child < 0 || fstat(child, &st) < 0)
			error = errno;
		else if (st.st_dev != device)
			error = EXDEV; /* a mount: not ours to empty */
		if (error) {
			if (child >= 0)
				close(child);
		} else if (remove_entries(child, device) < 0 || unlinkat(dirfd(stream), e->d_name, AT_REMOVEDIR) < 0) {
			error = errno;
		}
	}
	if (!error)
		error = errno;
	closedir(stream);
	return error ? (errno = error, -1) : 0;
}

/* rm -rf of one entry; ENOENT is success. Links are removed, not followed. */
int remove_tree_at(int parent, const char *name)
{
	struct stat st;
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return close(fd), -1;
	if (remove_entries(fd, st.st_dev) < 0)
		return -1;
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
	int saved = errno;
	close(fd);
	if (n < 0)
		return errno = saved, -1;
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
