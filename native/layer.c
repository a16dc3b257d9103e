/*
 * Layers and tops as whole trees: copies of what a container has written, and a layer put on the tree
 * of those below it, where the file system cannot do that by itself (overlayfs).
 */
#define _GNU_SOURCE
#include "volume.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define MARK ".wh."
#define OPAQUE ".wh..wh..opq"

/* A new directory at `to`; how: 1 keeps the marks of an overlay, 2 gives files a second name instead of a copy, 4 waits for the disk. */
#define AND_SYNC 4
int op_layer_copy(struct context *c, const struct op *op)
{
	struct copied done = { 0 };
	unsigned how = (unsigned)op->a[2].u;
	if (mkdir(op->a[1].s, 0700) < 0)
		return -1;
	int from = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int to = from < 0 ? -1 : open(op->a[1].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = to < 0 ? -1 : clone_tree(from, to, how & (CLONE_MARKS | CLONE_LINKS), &done);
	if (result == 0 && how & AND_SYNC)
		result = syncfs(to);
	if (result == 0)
		tell_copied(c, &done);
	return closing(from, closing(to, result));
}

static int open_directory(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int empty(int directory)
{
	int fd = open_directory(directory, ".");
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return closing(fd, -1);
	int result = 0;
	for (struct dirent *e; result == 0 && (errno = 0, e = readdir(stream));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			result = remove_tree_at(directory, e->d_name);
	int saved = errno; /* readdir(3) fails by it alone */
	closedir(stream);
	return errno = saved, saved ? -1 : result;
}

static int merge(int from, int to, int depth);

/* A directory of the layer: over one it is put together with that, over anything else it takes its place. */
static int merge_directory(int from, int to, const char *name, int depth)
{
	struct stat st;
	int in = open_directory(from, name);
	if (in < 0 || fstat(in, &st) < 0)
		return closing(in, -1);
	int out = open_directory(to, name);
	if (out < 0) {
		if (errno != ENOENT && remove_tree_at(to, name) < 0)
			return closing(in, -1);
		out = mkdirat(to, name, 0700) < 0 ? -1 : open_directory(to, name);
	}
	int result = out < 0 ? -1 : merge(in, out, depth + 1);
	if (result == 0)
		result = copy_identity(in, out, &st, 0);
	return closing(in, closing(out, result));
}

static int merge_entry(int from, int to, const char *name, bool marks, int depth)
{
	struct stat st;
	bool mark = !strncmp(name, MARK, sizeof MARK - 1);
	if (marks && !mark)
		return 0;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	/* A directory may be called so: an archive can have something in it without an entry of its own. */
	if (mark && S_ISREG(st.st_mode))
		return marks && strcmp(name, OPAQUE) ? remove_tree_at(to, name + sizeof MARK - 1) : 0;
	if (marks)
		return 0;
	if (S_ISDIR(st.st_mode))
		return merge_directory(from, to, name, depth);
	return remove_tree_at(to, name) < 0 ? -1 : renameat(from, name, to, name);
}

static int merge_entries(int from, int to, bool marks, int depth)
{
	int fd = open_directory(from, ".");
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return closing(fd, -1);
	int result = 0;
	for (struct dirent *e; result == 0 && (errno = 0, e = readdir(stream));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			result = merge_entry(from, to, e->d_name, marks, depth);
	int saved = errno; /* readdir(3) fails by it alone */
	closedir(stream);
	return errno = saved, saved ? -1 : result;
}

/* Marks speak of the layers below, so they come before what the layer itself has. */
static int merge(int from, int to, int depth)
{
	if (depth > TREE_DEPTH_MAX)
		return errno = FAULT_TOO_MANY, -1;
	if (faccessat(from, OPAQUE, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && empty(to) < 0)
		return -1;
	return merge_entries(from, to, true, depth) < 0 ? -1 : merge_entries(from, to, false, depth);
}

/* A layer whose marks are names (.wh.NAME) is moved onto the tree of the layers below it. */
int op_layer_merge(struct context *c, const struct op *op)
{
	struct stat st;
	(void)c;
	int from = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int to = from < 0 ? -1 : open(op->a[1].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = to < 0 || fstat(from, &st) < 0 ? -1 : merge(from, to, 0);
	if (result == 0)
		result = copy_identity(from, to, &st, 0);
	return closing(from, closing(to, result));
}
