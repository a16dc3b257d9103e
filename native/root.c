/*
 * The root from attaching it to entering it: its own files, links, devices and terminal, and
 * pivot_root (D5).
 */
#define _GNU_SOURCE
#include "mountapi.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/* mount(2) flags; glibc 2.36's sys/mount.h and linux/mount.h cannot be included together */
#define MNT_DETACH 2
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);

#define DEVPTS_SUPER_MAGIC 0x1cd1

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

int op_directory(struct context *c, const struct op *op)
{
	if (need_root(c) < 0)
		return -1;
	int fd = make_path(c->root, op->a[0].s, (mode_t)op->a[1].u);
	if (fd < 0)
		return -1;
	int result = fchownat(fd, "", (uid_t)op->a[2].u, (gid_t)op->a[3].u, AT_EMPTY_PATH);
	return closing(fd, result);
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
	bool ok = fd >= 0 && write_all(fd, op->a[2].s, op->a[2].length);
	return closing(parent, closing(fd, ok ? 0 : -1));
}

int op_symlink(struct context *c, const struct op *op)
{
	char leaf[256];
	if (need_root(c) < 0)
		return -1;
	int parent = open_parent(c->root, op->a[1].s, 0755, leaf, sizeof leaf);
	if (parent < 0)
		return -1;
	return closing(parent, symlinkat(op->a[0].s, parent, leaf) == 0 || errno == EEXIST ? 0 : -1);
}

int op_unlink_links(struct context *c, const struct op *op)
{
	char leaf[256];
	if (need_root(c) < 0)
		return -1;
	for (uint32_t i = 0; i < op->a[0].length; i++) {
		struct stat st;
		int parent = open_parent(c->root, op->a[0].l[i], 0, leaf, sizeof leaf);
		bool is_link = parent >= 0 && fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
		if (closing(parent, is_link ? unlinkat(parent, leaf, 0) : 0) < 0)
			return -1;
	}
	return 0;
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
	mode_t mode = (mode_t)op->a[1].u;
	struct stat st;
	int result = mknodat(parent, leaf, mode, device);
	if (result < 0 && errno == EEXIST) {
		/* Outside of /dev it is there from the last start, and the device may have another number now. */
		bool again = fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
		errno = EEXIST;
		if (again && unlinkat(parent, leaf, 0) == 0)
			result = mknodat(parent, leaf, mode, device);
	}
	if (result == 0)
		result = fchownat(parent, leaf, (uid_t)op->a[4].u, (gid_t)op->a[5].u, AT_SYMLINK_NOFOLLOW);
	return closing(parent, result);
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
		return errno = FAULT_NOT_CONFINED, closing(master, -1);
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || (size.ws_row && ioctl(master, TIOCSWINSZ, &size) < 0))
		return closing(master, -1);
	c->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0)
		return closing(master, -1);
	if (!send_packet(c->sync, PACKET_TERMINAL, 0, NULL, master))
		return closing(master, -1);
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
	return closing(target, closing(tree, result));
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
		return closing(old, -1);
	close(old);
	if (mount(NULL, ".", NULL, 0x84000 /* MS_REC | MS_SLAVE */, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}
