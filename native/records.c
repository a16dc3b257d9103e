/*
 * A tree as a stream of records, for TypeScript to make an archive or a list of changes of: each
 * directory before what is in it, names in the order of their bytes, content in pieces. The asker takes
 * as much at a time as it wants (tree_next). What the container does meanwhile changes what is seen,
 * never where: each step is one name below a descriptor, and no link is followed (D1).
 *
 * Where there is something to compare with, only what differs is told, as Docker counts it: by owner,
 * mode, device and capabilities, and of what is no directory by size and time. A directory that is the
 * same is told only before something in it; with EVERY_FILE, files are told in any case. SAME_INODE is for
 * two images that share their lower layers, on one file system: what is another file is told though it
 * looks the same. A union shows the inode numbers of its layers (overlayfs.rst, "Inode properties").
 *
 * Records: u32 kind, and for
 *   RECORD_ENTRY  s path below the start, u32 flags, stat (visit.c), u64 size before, s link, u32 count, (s name, s value)*
 *   RECORD_DATA   s bytes of the entry before
 *   RECORD_ZEROS  u64 length of a hole in it
 */
#define _GNU_SOURCE
#include "visit.h"
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#define WALK_DEPTH_MAX 4000
#define WALK_PATH_BYTES_MAX 65536
#define RECORDS_MAX 256 /* in one answer */
#define PIECE_BYTES 131072
#define ATTRIBUTE_BYTES_MAX 65536
#define ATTRIBUTES_BYTES_MAX (8u << 20) /* of one file: more could be 600 MB, where the file system sets no limit */

enum { RECORD_ENTRY = 1, RECORD_DATA = 2, RECORD_ZEROS = 3 };
/* of tree_walk */
enum { WANT_DATA = 1, COMPARE = 2, ABSENT_IS_GONE = 4, EVERY_FILE = 8, SAME_INODE = 16 };
/* of an entry */
enum { WAS_THERE = 1, IS_SAME = 2, IS_GONE = 4, IS_OPAQUE = 8, IS_LINK = 16, WAS_FILE = 32 };

struct level {
	int fd, below; /* below: the same directory to compare with, or -1 */
	char **names;
	size_t count, at;
	size_t length; /* of the path up to here */
	bool told, opaque;
	uint64_t mount;
};

struct walk {
	unsigned flags;
	int parent, below_parent; /* of the start */
	char leaf[256];
	bool begun;
	struct level *levels;
	int depth;
	char path[WALK_PATH_BYTES_MAX]; /* of the entry, below the start */
	size_t length;
	char base[4097]; /* where the start is */
	char **omit, **hidden;
	int file; /* whose content is being told, or -1 */
	off_t at, size;
	bool holes;
	struct inodes met; /* files with several names that were told */
};

static char **copy_list(const struct argument *a)
{
	char **list = calloc(a->length + 1, sizeof *list);
	if (!list)
		abort();
	for (uint32_t i = 0; i < a->length; i++)
		if (!(list[i] = strdup(a->l[i])))
			abort();
	return list;
}

static void free_list(char **list)
{
	for (char **at = list; at && *at; at++)
		free(*at);
	free(list);
}

static bool has(char **list, const char *path)
{
	while (*list && strcmp(*list, path))
		list++;
	return *list != NULL;
}

static void close_level(struct level *l)
{
	closing(l->below, closing(l->fd, 0));
	for (size_t i = 0; i < l->count; i++)
		free(l->names[i]);
	free(l->names);
}

static void end_walk(struct tree *t)
{
	struct walk *w = t->walk;
	if (!w)
		return;
	while (w->depth > 0)
		close_level(&w->levels[--w->depth]);
	free_inodes(&w->met);
	closing(w->file, closing(w->parent, closing(w->below_parent, 0)));
	free_list(w->omit);
	free_list(w->hidden);
	free(w->levels);
	free(w);
	t->walk = NULL;
}

/* Begins at the entry `name` of a directory: "" and "." are that directory. */
int op_tree_walk(struct context *c, const struct op *op)
{
	struct tree *t = c->tree;
	end_walk(t);
	int parent, fd = find_entry(c, op->a[0].s, op->a[1].s, &parent);
	if (fd < 0)
		return -1;
	close(fd);
	struct walk *w = calloc(1, sizeof *w);
	if (!w)
		return closing(parent, -1);
	w->flags = (unsigned)op->a[2].u;
	w->omit = copy_list(&op->a[3]);
	w->hidden = copy_list(&op->a[4]);
	w->parent = parent;
	w->file = w->below_parent = -1;
	if (w->flags & COMPARE && t->below >= 0)
		w->below_parent = fcntl(t->below, F_DUPFD_CLOEXEC, 3);
	snprintf(w->leaf, sizeof w->leaf, "%s", *op->a[1].s ? op->a[1].s : ".");
	snprintf(w->base, sizeof w->base, "%s", op->a[5].s);
	t->walk = w;
	return 0;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int read_names(int directory, char ***names, size_t *count)
{
	size_t room = 0;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return closing(fd, -1);
	errno = 0;
	for (struct dirent *e; (e = readdir(stream)); errno = 0) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (*count == room) {
			room = room ? room * 2 : 64;
			*names = realloc(*names, room * sizeof **names);
			if (!*names)
				abort();
		}
		if (!((*names)[(*count)++] = strdup(e->d_name)))
			abort();
	}
	int saved = errno;
	closedir(stream);
	if (*count)
		qsort(*names, *count, sizeof **names, by_bytes);
	return errno = saved, saved ? -1 : 0;
}

static bool is_opaque(int fd)
{
	char name[16], value;
	snprintf(name, sizeof name, "%d", fd);
	return getxattr(name, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

/* Names that were there and are not any more come among the others, as their own. */
static int add_gone(struct level *l)
{
	char **before = NULL, **all;
	size_t count = 0, used = 0, i = 0, j = 0;
	if (read_names(l->below, &before, &count) < 0)
		return -1;
	all = calloc(l->count + count + 1, sizeof *all);
	if (!all)
		abort();
	while (i < l->count || j < count) {
		int order = i == l->count ? 1 : j == count ? -1 : strcmp(l->names[i], before[j]);
		if (order == 0)
			free(before[j++]);
		all[used++] = order <= 0 ? l->names[i++] : before[j++];
	}
	free(before);
	free(l->names);
	l->names = all;
	l->count = used;
	return 0;
}

/* The kernel's own views, and mounts that whoever asks does not want. */
static bool is_hidden(struct walk *w, int fd)
{
	static const unsigned long views[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		DEVPTS_SUPER_MAGIC, 0x19800202 /* mqueue */, DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, BPF_FS_MAGIC };
	struct statfs fs;
	char path[WALK_PATH_BYTES_MAX + 4200];
	if (fstatfs(fd, &fs) == 0)
		for (size_t i = 0; i < sizeof views / sizeof *views; i++)
			if ((unsigned long)fs.f_type == views[i])
				return true;
	snprintf(path, sizeof path, "%s/%s", strcmp(w->base, "/") ? w->base : "", w->path);
	return has(w->hidden, path);
}

/* Gone meanwhile, or of a user's own file system (fuse(4)), which does not even serve root. */
static bool is_lost(void) { return errno == ENOENT || errno == EACCES || errno == ESTALE; }

static int enter_directory(struct walk *w, int entry, int below, bool told)
{
	struct level *up = w->depth ? &w->levels[w->depth - 1] : NULL;
	struct level l = { .fd = -1, .below = -1, .length = w->length, .told = told, .mount = mount_of(entry) };
	if (up && l.mount != up->mount && is_hidden(w, entry))
		return 0;
	if (w->depth == WALK_DEPTH_MAX)
		return errno = FAULT_TOO_MANY, -1;
	l.fd = openat(entry, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.fd < 0)
		return is_lost() ? 0 : -1;
	l.opaque = w->flags & COMPARE && is_opaque(l.fd);
	if (below >= 0)
		l.below = openat(below, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* -1: it was no directory */
	int result = read_names(l.fd, &l.names, &l.count);
	if (result == 0 && l.below >= 0 && (l.opaque || w->flags & ABSENT_IS_GONE))
		result = add_gone(&l);
	if (result < 0 && !is_lost()) {
		close_level(&l);
		return -1;
	}
	if (w->depth % 64 == 0)
		w->levels = realloc(w->levels, ((size_t)w->depth + 64) * sizeof *w->levels);
	if (!w->levels)
		abort();
	w->levels[w->depth++] = l;
	return 0;
}

static int put_attributes(struct buffer *b, int fd)
{
	static char names[ATTRIBUTE_BYTES_MAX], value[ATTRIBUTE_BYTES_MAX];
	char self[16];
	uint32_t count = 0;
	snprintf(self, sizeof self, "%d", fd);
	size_t counted = b->used;
	put_u32(b, 0);
	ssize_t length = listxattr(self, names, sizeof names);
	for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
		/* What belongs to the file, not to the place where it is. */
		if (strcmp(name, "security.capability") && (strncmp(name, "user.", 5) || !strncmp(name, "user.overlay.", 13)))
			continue;
		ssize_t n = getxattr(self, name, value, sizeof value);
		if (n < 0)
			continue;
		put_bytes(b, name, strlen(name));
		put_bytes(b, value, (size_t)n);
		count++;
		if (b->used - counted > ATTRIBUTES_BYTES_MAX)
			return errno = FAULT_TOO_MANY, -1;
	}
	memcpy(b->data + counted, &count, sizeof count);
	return 0;
}

/* fd: O_PATH or open; -1 when there is nothing any more. */
struct told {
	int fd;
	const struct stat *st;
	unsigned flags;
	uint64_t before;
	const char *link;
};

static int put_entry(struct context *c, struct walk *w, const struct told *e, size_t path_length)
{
	struct buffer *b = &c->out;
	put_u32(b, RECORD_ENTRY);
	put_bytes(b, w->path, path_length);
	put_u32(b, e->flags);
	put_stat(b, e->st);
	put_u64(b, e->before);
	put_bytes(b, e->link, strlen(e->link));
	if (e->fd >= 0 && !(e->flags & IS_LINK) && (S_ISREG(e->st->st_mode) || S_ISDIR(e->st->st_mode)))
		return put_attributes(b, e->fd);
	put_u32(b, 0);
	return 0;
}

/* Directories on the way that were not worth telling by themselves. */
static int tell_parents(struct context *c, struct walk *w)
{
	for (int i = 0; i < w->depth; i++) {
		struct level *l = &w->levels[i];
		struct stat st;
		struct told e = { l->fd, &st, WAS_THERE | IS_SAME | (l->opaque ? IS_OPAQUE : 0), 0, "" };
		if (l->told)
			continue;
		if (fstat(l->fd, &st) < 0)
			return -1;
		/* The start itself is not told for what is in it. */
		if (l->length && put_entry(c, w, &e, l->length) < 0)
			return -1;
		l->told = true;
	}
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	/* A tool that keeps only seconds has not changed anything. */
	return a->tv_sec == b->tv_sec && (a->tv_nsec == b->tv_nsec || a->tv_nsec == 0 || b->tv_nsec == 0);
}

static bool same_capabilities(int a, int b)
{
	char one[16], other[16], x[64], y[64];
	snprintf(one, sizeof one, "%d", a);
	snprintf(other, sizeof other, "%d", b);
	ssize_t n = getxattr(one, "security.capability", x, sizeof x);
	ssize_t m = getxattr(other, "security.capability", y, sizeof y);
	return n < 0 || m < 0 ? (n < 0) == (m < 0) : n == m && !memcmp(x, y, (size_t)n);
}

static bool is_same(int fd, const struct stat *st, int below, const struct stat *before)
{
	if (st->st_mode != before->st_mode || st->st_uid != before->st_uid || st->st_gid != before->st_gid ||
	    st->st_rdev != before->st_rdev)
		return false;
	if (S_ISDIR(st->st_mode))
		return true;
	return st->st_size == before->st_size && same_time(&st->st_mtim, &before->st_mtim) &&
	       (!S_ISREG(st->st_mode) || same_capabilities(fd, below));
}

static bool is_whiteout(const struct stat *st) { return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0); }

/* Another name of a file that was told, which `first` is then. */
static bool find_link(struct walk *w, const struct stat *st, const char **first)
{
	const char *path = inode_path(&w->met, st);
	if (path)
		return *first = path, true;
	if (!add_inode(&w->met, st, w->path, w->length))
		abort();
	return false;
}

static int tell_gone(struct context *c, struct walk *w, const struct stat *before)
{
	struct told e = { -1, before, WAS_THERE | IS_GONE | (S_ISREG(before->st_mode) ? WAS_FILE : 0), (uint64_t)before->st_size, "" };
	return tell_parents(c, w) < 0 ? -1 : put_entry(c, w, &e, w->length);
}

static int open_content(int fd)
{
	int content = reopen(fd, O_RDONLY | O_NONBLOCK | O_NOATIME);
	return content < 0 && errno == EPERM ? reopen(fd, O_RDONLY | O_NONBLOCK) : content;
}

/* What is no directory. */
static int tell_file(struct context *c, struct walk *w, struct told *e)
{
	char target[4097];
	const struct stat *st = e->st;
	int content = -1;
	if (S_ISSOCK(st->st_mode))
		return 0; /* its listener's: no archive holds one */
	if (st->st_nlink > 1 && find_link(w, st, &e->link)) {
		e->flags |= IS_LINK;
	} else if (S_ISREG(st->st_mode) && st->st_size > 0 && w->flags & WANT_DATA) {
		if ((content = open_content(e->fd)) < 0)
			return is_lost() ? 0 : -1;
	} else if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(e->fd, "", target, sizeof target - 1);
		if (n < 0)
			return -1;
		target[n] = '\0';
		e->link = target;
	}
	if (tell_parents(c, w) < 0 || put_entry(c, w, e, w->length) < 0)
		return closing(content, -1);
	w->file = content;
	w->at = 0;
	w->size = st->st_size;
	w->holes = (off_t)st->st_blocks * 512 < st->st_size;
	return 0;
}

/* What is there now, and what was there before it (below, or -1). */
static int tell_entry(struct context *c, struct walk *w, struct told *e, int below, const struct stat *before)
{
	/* Made by whoever made the container, not in it. */
	bool expected = (below < 0 || !S_ISDIR(e->st->st_mode)) && has(w->omit, w->path);
	bool quiet = expected || (below >= 0 && is_same(e->fd, e->st, below, before));
	if (quiet && below >= 0 && w->flags & SAME_INODE && !S_ISDIR(e->st->st_mode))
		quiet = e->st->st_ino == before->st_ino;
	/* Who sets a time back hides a change; that it lies in the layer tells nevertheless. */
	if (!S_ISDIR(e->st->st_mode))
		return expected || (quiet && !(w->flags & EVERY_FILE)) ? 0 : tell_file(c, w, e);
	if (!quiet) {
		if (w->flags & COMPARE && is_opaque(e->fd))
			e->flags |= IS_OPAQUE;
		if (tell_parents(c, w) < 0 || put_entry(c, w, e, w->length) < 0)
			return -1;
	}
	return enter_directory(w, e->fd, below, !quiet);
}

static int visit(struct context *c, struct walk *w, int parent, int below_parent, const char *name)
{
	struct stat st, before;
	int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && !is_lost())
		return -1;
	int below = below_parent < 0 ? -1 : openat(below_parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (below >= 0 && fstat(below, &before) < 0)
		return closing(fd, closing(below, -1));
	struct told e = { fd, &st, 0, 0, "" };
	if (below >= 0) {
		e.flags = WAS_THERE | (S_ISREG(before.st_mode) ? WAS_FILE : 0);
		e.before = (uint64_t)before.st_size;
	}
	int result = 0;
	if (fd >= 0 && fstat(fd, &st) < 0)
		result = is_lost() ? 0 : -1;
	else if (fd < 0 || (w->flags & COMPARE && is_whiteout(&st)))
		result = below < 0 ? 0 : tell_gone(c, w, &before); /* or gone meanwhile */
	else
		result = tell_entry(c, w, &e, below, &before);
	return closing(fd, closing(below, result));
}

/* The length of the hole at which a file with holes is, and where its data ends after it. */
static off_t hole_at(struct walk *w, off_t *end)
{
	off_t from = lseek(w->file, w->at, SEEK_DATA);
	if (from < 0)
		from = errno == ENXIO ? w->size : w->at;
	if (from > w->size)
		from = w->size;
	off_t hole = from > w->at ? 0 : lseek(w->file, w->at, SEEK_HOLE);
	if (hole > w->at && hole < *end)
		*end = hole;
	return from - w->at;
}

static void put_zeros(struct context *c, struct walk *w, off_t length)
{
	put_u32(&c->out, RECORD_ZEROS);
	put_u64(&c->out, (uint64_t)length);
	w->at += length;
}

/* One piece of the file that was told last; a part that is missing by now is zeros. */
static int tell_content(struct context *c, struct walk *w)
{
	off_t end = w->size, hole = w->holes ? hole_at(w, &end) : 0;
	size_t want = end - w->at > PIECE_BYTES ? PIECE_BYTES : (size_t)(end - w->at);
	if (hole > 0) {
		put_zeros(c, w, hole);
	} else {
		/* Read to where it is sent from. */
		size_t before = c->out.used;
		put_u32(&c->out, RECORD_DATA);
		put_u32(&c->out, (uint32_t)want);
		char *data = put_room(&c->out, want + 1);
		ssize_t n = pread(w->file, data, want, w->at);
		c->out.used = before;
		if (n < 0)
			return errno == EINTR ? 0 : -1;
		if (n == 0) {
			put_zeros(c, w, w->size - w->at);
		} else {
			uint32_t length = (uint32_t)n;
			memcpy(data - sizeof length, &length, sizeof length);
			data[n] = '\0';
			c->out.used = before + 2 * sizeof length + (size_t)n + 1;
			w->at += n;
		}
	}
	if (w->at >= w->size) {
		close(w->file);
		w->file = -1;
	}
	return 0;
}

/* The next name; 1 when there is none any more. */
static int step(struct context *c, struct walk *w)
{
	if (!w->begun) {
		w->begun = true;
		return visit(c, w, w->parent, w->below_parent, w->leaf);
	}
	while (w->depth > 0) {
		struct level *l = &w->levels[w->depth - 1];
		if (l->at == l->count) {
			close_level(l);
			w->depth--;
			continue;
		}
		const char *name = l->names[l->at++];
		size_t length = strlen(name);
		w->length = l->length;
		if (w->length + length + 2 > sizeof w->path)
			return errno = ENAMETOOLONG, -1;
		if (w->length)
			w->path[w->length++] = '/';
		memcpy(w->path + w->length, name, length + 1);
		w->length += length;
		return visit(c, w, l->fd, l->below, name);
	}
	return 1;
}

/* The next records, of about so many bytes; none when all was told. */
int op_tree_next(struct context *c, const struct op *op)
{
	struct walk *w = c->tree->walk;
	if (!w)
		return errno = FAULT_BAD_PLAN, -1;
	for (int told = 0; c->out.used < op->a[0].u && told < RECORDS_MAX;) {
		size_t before = c->out.used;
		int result = w->file >= 0 ? tell_content(c, w) : step(c, w);
		told += c->out.used > before;
		if (result < 0) {
			c->out.used = 0; /* the answer is then which one it was */
			put(&c->out, w->path, w->length);
			return -1;
		}
		if (result > 0)
			break;
	}
	return 0;
}
