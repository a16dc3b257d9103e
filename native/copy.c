/*
 * Copies a small tree (what an image has where a tmpfs goes): owners, modes, links and nodes are kept.
 */
#define _GNU_SOURCE
#include "mountapi.h"
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Copies regular files, directories, links and nodes with owner and mode; used for small content. */
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
		return closing(in, closing(out, n < 0 ? -1 : 0));
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
		if (closing(in, closing(out, out < 0 ? -1 : copy_entries(in, out, depth + 1))) < 0)
			return -1;
	}
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return fchmodat(to, name, st.st_mode & 07777, 0);
}

int copy_entries(int from, int to, int depth)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return closing(fd, -1);
	int result = 0;
	for (struct dirent *e; result == 0 && (errno = 0, e = readdir(stream));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			result = copy_entry(from, to, e->d_name, depth);
	int saved = errno; /* readdir(3) fails by it alone */
	closedir(stream);
	return errno = saved, saved ? -1 : result;
}
