/*
 * Copies a tree as exactly as the file system can: owners, modes, times, attributes, hard links, holes
 * and nodes. Content is shared instead of copied where the file system has copy-on-write
 * (ioctl_ficlone(2)). Links are never followed, mounts never crossed.
 */
#define _GNU_SOURCE
#include "volume.h"
#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define XATTR_LIST_BYTES_MAX 65536
#define XATTR_BYTES_MAX 65536

struct walk {
	struct copied *done;
	unsigned how;
	int root;        /* of the copy */
	uint64_t mount;  /* that is copied: others are left out */
	bool may_share;  /* until the file system has said no */
	char path[4096]; /* of the entry, below root */
	size_t length;
	struct inodes met; /* files with several names: where the first one is */
};

static int copy_attributes(const char *from, const char *to, unsigned how)
{
	char names[XATTR_LIST_BYTES_MAX], *value = NULL;
	ssize_t length = listxattr(from, names, sizeof names);
	if (length <= 0)
		return length == 0 || errno == ENOTSUP ? 0 : -1;
	int result = (value = malloc(XATTR_BYTES_MAX)) ? 0 : -1;
	for (char *name = names; result == 0 && name < names + length; name += strlen(name) + 1) {
		/* What an overlay has written for itself, and a label that belongs to the place. */
		if ((!(how & CLONE_MARKS) && !strncmp(name, "trusted.overlay.", 16)) || !strcmp(name, "security.selinux"))
			continue;
		ssize_t n = getxattr(from, name, value, XATTR_BYTES_MAX);
		if (n < 0)
			result = errno == ENODATA || errno == ENOTSUP ? 0 : -1;
		else if (setxattr(to, name, value, (size_t)n, 0) < 0 && errno != ENOTSUP)
			result = -1;
	}
	int saved = errno;
	free(value);
	return errno = saved, result;
}

/* Owner, attributes, mode and times, in the order in which none undoes another. Both O_PATH or open. */
int copy_identity(int from, int to, const struct stat *st, unsigned how)
{
	char a[64], b[64];
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	snprintf(a, sizeof a, "/proc/self/fd/%d", from);
	snprintf(b, sizeof b, "/proc/self/fd/%d", to);
	if (fchownat(to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return -1;
	/* chown(2) clears set-user-ID and capabilities, so both come after it. */
	if (copy_attributes(a, b, how) < 0)
		return -1;
	if (!S_ISLNK(st->st_mode) && chmod(b, st->st_mode & 07777) < 0)
		return -1;
	return utimensat(to, "", times, AT_EMPTY_PATH);
}

static int copy_range(struct walk *w, int in, int out, off_t at, off_t end)
{
	if (lseek(out, at, SEEK_SET) < 0)
		return -1;
	while (at < end) {
		size_t want = end - at > 1 << 30 ? 1 << 30 : (size_t)(end - at);
		ssize_t n = sendfile(out, in, &at, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : -1; /* it became shorter meanwhile */
		w->done->copied += (uint64_t)n;
	}
	return 0;
}

static int copy_content(struct walk *w, int in, int out, const struct stat *st)
{
	if (w->may_share && st->st_size > 0) {
		if (ioctl(out, FICLONE, in) == 0) {
			w->done->shared += (uint64_t)st->st_size;
			return 0;
		}
		if (errno != EOPNOTSUPP && errno != EXDEV && errno != ENOTTY && errno != EINVAL && errno != ENOSYS)
			return -1;
		w->may_share = false;
	}
	for (off_t at = 0; at < st->st_size;) {
		off_t data = lseek(in, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break; /* a hole up to the end */
		off_t end = data < 0 ? st->st_size : lseek(in, data, SEEK_HOLE);
		if (data < 0)
			data = at; /* a file system without holes */
		if (end < 0)
			end = st->st_size;
		if (copy_range(w, in, out, data, end) < 0)
			return -1;
		at = end;
	}
	return ftruncate(out, st->st_size);
}

/* The first one is found below the root of the copy (D1): a container may have that, and exchange it. */
static int link_again(struct walk *w, const char *first, int to, const char *name)
{
	char leaf[256];
	int parent = open_parent(w->root, first, 0, leaf, sizeof leaf);
	return parent < 0 ? -1 : closing(parent, linkat(parent, leaf, to, name, 0));
}

static int copy_below(struct walk *w, int from, int to, int depth);

/* A new entry of the same kind, opened: by what may be written for files and directories. */
static int make_like(struct walk *w, int source, int to, const char *name, const struct stat *st, int depth)
{
	char link[4096], proc[64];
	snprintf(proc, sizeof proc, "/proc/self/fd/%d", source);
	if (S_ISDIR(st->st_mode)) {
		if (mkdirat(to, name, 0700) < 0)
			return -1;
		int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int result = out < 0 ? -1 : copy_below(w, source, out, depth + 1);
		return result < 0 ? closing(out, -1) : out;
	}
	if (S_ISREG(st->st_mode)) {
		int in = open(proc, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOATIME);
		int out = in < 0 ? -1 : openat(to, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		int result = out < 0 ? -1 : copy_content(w, in, out, st);
		return closing(in, result < 0 ? closing(out, -1) : out);
	}
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(source, "", link, sizeof link - 1);
		if (n < 0)
			return -1;
		link[n] = '\0';
		if (symlinkat(link, to, name) < 0)
			return -1;
	} else if (mknodat(to, name, st->st_mode, st->st_rdev) < 0) {
		return -1;
	}
	return openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static int copy_one(struct walk *w, int from, int to, const char *name, int depth)
{
	struct stat st;
	int source = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (source < 0)
		return errno == ENOENT ? 0 : -1; /* gone meanwhile */
	if (fstat(source, &st) < 0)
		return closing(source, -1);
	/* A socket is its listener's. */
	if (S_ISSOCK(st.st_mode) || (S_ISDIR(st.st_mode) && mount_of(source) != w->mount))
		return closing(source, 0);
	w->done->entries++;
	if (w->how & CLONE_LINKS && !S_ISDIR(st.st_mode)) {
		if (linkat(from, name, to, name, 0) == 0)
			return w->done->shared += (uint64_t)st.st_size, closing(source, 0);
		if (errno != EMLINK && errno != EPERM)
			return closing(source, -1);
	}
	bool many = !S_ISDIR(st.st_mode) && st.st_nlink > 1;
	const char *first = many ? inode_path(&w->met, &st) : NULL;
	if (first && link_again(w, first, to, name) == 0)
		return closing(source, 0);
	int made = make_like(w, source, to, name, &st, depth);
	int result = made < 0 ? -1 : copy_identity(source, made, &st, w->how);
	if (result == 0 && many && !first && !add_inode(&w->met, &st, w->path, w->length))
		result = -1;
	return closing(source, closing(made, result));
}

static int copy_below(struct walk *w, int from, int to, int depth)
{
	if (depth > TREE_DEPTH_MAX)
		return errno = FAULT_TOO_MANY, -1;
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return closing(fd, -1);
	int result = 0;
	size_t before = w->length;
	for (struct dirent *e; result == 0 && (errno = 0, e = readdir(stream));) {
		size_t length = strlen(e->d_name);
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (before + length + 2 > sizeof w->path) {
			errno = ENAMETOOLONG;
			result = -1;
			break;
		}
		w->length = before + (size_t)sprintf(w->path + before, before ? "/%s" : "%s", e->d_name);
		result = copy_one(w, from, to, e->d_name, depth);
		w->length = before;
		w->path[before] = '\0';
	}
	int saved = errno; /* readdir(3) fails by it alone */
	closedir(stream);
	return errno = saved, saved ? -1 : result;
}

/* All that is in directory `from` into the empty directory `to`, which then is like it. */
int clone_tree(int from, int to, unsigned how, struct copied *done)
{
	struct walk *w = calloc(1, sizeof *w);
	struct stat st;
	if (!w)
		return -1;
	w->done = done;
	w->how = how;
	w->root = to;
	w->may_share = true;
	int result = fstat(from, &st);
	w->mount = mount_of(from);
	if (result == 0)
		result = copy_below(w, from, to, 0);
	if (result == 0)
		result = copy_identity(from, to, &st, how);
	int saved = errno;
	free_inodes(&w->met);
	free(w);
	return errno = saved, result;
}

void tell_copied(struct context *c, const struct copied *done)
{
	uint64_t numbers[3] = { done->copied, done->shared, done->entries };
	output(c, numbers, sizeof numbers);
}

/* Into `to`, which is made, or is empty; half of a copy is the caller's to remove. */
int op_copy_tree(struct context *c, const struct op *op)
{
	struct copied done = { 0 };
	if (mkdir(op->a[1].s, 0700) < 0 && errno != EEXIST)
		return -1;
	int from = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int to = from < 0 ? -1 : open(op->a[1].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = to < 0 ? -1 : !is_empty(to) ? (errno = ENOTEMPTY, -1) : clone_tree(from, to, 0, &done);
	if (result == 0)
		result = syncfs(to);
	if (result == 0)
		tell_copied(c, &done);
	return closing(from, closing(to, result));
}

/* All that was written is in the image then, and more waits (FIFREEZE, ext4 has an empty journal). */
static int hold_writes(int mounted) { return mounted < 0 ? 0 : ioctl(mounted, FIFREEZE, 0); }

static int let_go(int mounted, int result)
{
	int saved = errno;
	if (mounted >= 0)
		ioctl(mounted, FITHAW, 0);
	return errno = saved, result;
}

int op_copy_file(struct context *c, const struct op *op)
{
	struct copied done = { 0 };
	struct walk w = { .done = &done, .may_share = true };
	struct stat st;
	const char *mount = op->a[2].s;
	int mounted = *mount ? open(mount, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (*mount && mounted < 0)
		return -1;
	int in = open(op->a[0].s, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int out = in < 0 ? -1 : open(op->a[1].s, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result = out < 0 || hold_writes(mounted) < 0 ? -1 : 0;
	if (result == 0)
		result = let_go(mounted, fstat(in, &st) < 0 ? -1 : copy_content(&w, in, out, &st));
	if (result == 0)
		result = fsync(out);
	if (result == 0)
		tell_copied(c, &done);
	return closing(mounted, closing(in, closing(out, result)));
}

int op_thaw(struct context *c, const struct op *op)
{
	(void)c;
	int fd = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int result = ioctl(fd, FITHAW, 0) < 0 && errno != EINVAL ? -1 : 0; /* EINVAL: it does not wait */
	return closing(fd, result);
}

int op_exchange(struct context *c, const struct op *op)
{
	(void)c;
	return (int)syscall(SYS_renameat2, AT_FDCWD, op->a[0].s, AT_FDCWD, op->a[1].s, 2 /* RENAME_EXCHANGE */);
}

/* What the image has at `path` into the directory `target`, if that is empty. */
int op_copy_up(struct context *c, const struct op *op)
{
	struct copied done = { 0 };
	struct stat st;
	int target = open(op->a[2].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return -1;
	if (!is_empty(target)) {
		tell_copied(c, &done);
		return closing(target, 0);
	}
	int view = image_view(c, &op->a[0], op->a[3].u);
	int source = view < 0 ? -1 : open_in(view, op->a[1].s, O_PATH, 0);
	if (view >= 0 && source < 0 && errno == ENOENT) {
		tell_copied(c, &done); /* the image has nothing there */
		return closing(view, closing(target, 0));
	}
	int from = -1, result = -1;
	if (source >= 0 && fstat(source, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			errno = ENOTDIR;
		else
			from = openat(source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (from >= 0)
		result = clone_tree(from, target, 0, &done);
	if (result == 0)
		tell_copied(c, &done);
	return closing(view, closing(source, closing(from, closing(target, result))));
}
