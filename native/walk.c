/*
 * Whole trees that strangers filled: emptied, handed to another owner, measured. Each entry is found by
 * its parent's descriptor; links are never followed, mounts never crossed.
 */
#define _GNU_SOURCE
#include "volume.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool is_empty(int directory)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	bool empty = stream != NULL;
	for (struct dirent *e; empty && (e = readdir(stream));)
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	if (stream)
		closedir(stream);
	else
		closing(fd, 0);
	return empty;
}

int op_empty_directory(struct context *c, const struct op *op)
{
	(void)c;
	int fd = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return closing(fd, -1);
	int result = 0;
	for (struct dirent *e; result == 0 && (errno = 0, e = readdir(stream));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			result = remove_tree_at(fd, e->d_name);
	int saved = errno; /* readdir(3) fails by it alone */
	closedir(stream);
	return errno = saved, saved ? -1 : result;
}

static int chown_below(int directory, uint64_t mount, const struct context *c, int depth)
{
	if (depth > TREE_DEPTH_MAX)
		return errno = FAULT_TOO_MANY, -1;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return closing(fd, -1);
	int result = 0;
	for (struct dirent *e; result == 0 && (errno = 0, e = readdir(stream));) {
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		int entry = openat(directory, e->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (entry < 0 || fstat(entry, &st) < 0) {
			result = closing(entry, errno == ENOENT ? 0 : -1);
			continue;
		}
		if (mount_of(entry) == mount) {
			if (S_ISDIR(st.st_mode))
				result = chown_below(entry, mount, c, depth + 1);
			if (result == 0 && (st.st_uid != c->uid || st.st_gid != c->gid))
				result = fchownat(entry, "", c->uid, c->gid, AT_EMPTY_PATH);
		}
		closing(entry, 0);
	}
	int saved = errno; /* readdir(3) fails by it alone */
	closedir(stream);
	return errno = saved, saved ? -1 : result;
}

/* After lookup_user and pivot_root: the path is the container's own. */
int op_chown_tree(struct context *c, const struct op *op)
{
	struct stat st;
	int top = c->inside ? open_in(c->root, op->a[0].s, O_PATH, 0) : (errno = FAULT_BAD_PLAN, -1);
	if (top < 0 || fstat(top, &st) < 0)
		return closing(top, -1);
	int result = S_ISDIR(st.st_mode) ? chown_below(top, mount_of(top), c, 0) : 0;
	if (result == 0 && (st.st_uid != c->uid || st.st_gid != c->gid))
		result = fchownat(top, "", c->uid, c->gid, AT_EMPTY_PATH);
	return closing(top, result);
}

struct usage {
	uint64_t bytes, entries, limit, mount;
	struct inodes met;
};

/* A file with several names is counted once. */
static bool is_new(struct usage *u, const struct stat *st)
{
	if (inode_path(&u->met, st))
		return false;
	add_inode(&u->met, st, "", 0);
	return true;
}

static int measure(int directory, struct usage *u, int depth)
{
	if (depth > TREE_DEPTH_MAX)
		return errno = FAULT_TOO_MANY, -1;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return closing(fd, errno == ENOENT ? 0 : -1);
	int result = 0;
	for (struct dirent *e; result == 0 && (errno = 0, e = readdir(stream));) {
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* gone meanwhile */
		if (++u->entries > u->limit) {
			errno = FAULT_TOO_MANY;
			result = -1;
		} else if (!S_ISDIR(st.st_mode)) {
			u->bytes += st.st_nlink == 1 || is_new(u, &st) ? (uint64_t)st.st_size : 0;
		} else {
			int child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (child >= 0)
				result = closing(child, mount_of(child) == u->mount ? measure(child, u, depth + 1) : 0);
		}
	}
	int saved = errno; /* readdir(3) fails by it alone */
	closedir(stream);
	return errno = saved, saved ? -1 : result;
}

int op_tree_usage(struct context *c, const struct op *op)
{
	struct usage *u = calloc(1, sizeof *u);
	int top = u ? open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (top < 0)
		return free(u), -1;
	u->limit = op->a[1].u;
	u->mount = mount_of(top);
	int result = measure(top, u, 0);
	uint64_t numbers[2] = { u->bytes, u->entries };
	if (result == 0)
		output(c, numbers, sizeof numbers);
	int saved = errno;
	free_inodes(&u->met);
	free(u);
	return errno = saved, closing(top, result);
}
