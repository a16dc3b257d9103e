/*
 * File systems on a directory of the host: those that a volume's options name, and ext4 inside of a
 * sparse file, which is how a size is limited where the host's own file system cannot. One image has
 * one loop device however many mount it, because two would not see each other's writes; the kernel
 * lets it go with the last mount (LO_FLAGS_AUTOCLEAR, loop(4)). Limits of a directory are project quotas.
 */
#define _GNU_SOURCE
#include "volume.h"
#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/quota.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define LOOP_TRIES_MAX 64
#define LOOP_BLOCK_BYTES 4096
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

/* A link in the place of the directory is refused: what is mounted must be found there again. */
static int put_on(int tree, const char *target)
{
	int at = open(target, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return -1;
	int result = (int)syscall(SYS_move_mount, tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	return closing(at, result);
}

int op_volume_mount(struct context *c, const struct op *op)
{
	int tree = new_mount(c, op->a[1].s, op->a[2].s, &op->a[4], op->a[3].u);
	return tree < 0 ? -1 : closing(tree, put_on(tree, op->a[0].s));
}

int op_volume_bind(struct context *c, const struct op *op)
{
	(void)c;
	unsigned recursive = op->a[2].u ? AT_RECURSIVE : 0;
	int tree = sys_open_tree(AT_FDCWD, op->a[1].s, OPEN_TREE_CLONE | recursive);
	struct mount_attr attr = { .attr_set = op->a[3].u, .attr_clr = op->a[4].u };
	/* What the host mounts there comes along; what is unmounted with the volume stays on the host. */
	struct mount_attr slave = { .propagation = MS_SLAVE };
	if (tree < 0)
		return -1;
	if (sys_mount_setattr(tree, AT_RECURSIVE, &slave) < 0)
		return closing(tree, -1);
	if ((attr.attr_set || attr.attr_clr) && sys_mount_setattr(tree, 0, &attr) < 0)
		return closing(tree, -1);
	return closing(tree, put_on(tree, op->a[0].s));
}

/* Containers that still use it have copies of their own; EINVAL: nothing is mounted there. */
int op_volume_unmount(struct context *c, const struct op *op)
{
	(void)c;
	if (umount2(op->a[0].s, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
		return 0;
	return -1;
}

/* The loop device that has this file already, opened; else -1 with errno 0. */
static int find_loop(const struct stat *image)
{
	DIR *blocks = opendir("/sys/block");
	int found = -1;
	if (!blocks)
		return -1;
	for (struct dirent *e; found < 0 && (e = readdir(blocks));) {
		char path[512];
		struct loop_info64 info;
		if (strncmp(e->d_name, "loop", 4) != 0)
			continue;
		/* Opening one that is not set up is slow, and there may be many. */
		snprintf(path, sizeof path, "/sys/block/%s/loop", e->d_name);
		if (access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof path, "/dev/%s", e->d_name);
		/* To read: udev looks anew at every disk that somebody could have written to. */
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == image->st_ino &&
		    info.lo_device == image->st_dev)
			found = fd;
		else
			closing(fd, 0);
	}
	closedir(blocks);
	errno = 0;
	return found;
}

static int new_loop(int image, const char *name)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -1;
	for (int tries = 0; tries < LOOP_TRIES_MAX; tries++) {
		char path[64];
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			break;
		snprintf(path, sizeof path, "/dev/loop%d", number);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			break;
		struct loop_config config = { .fd = (uint32_t)image, .block_size = LOOP_BLOCK_BYTES };
		/* Direct, so that nothing is cached twice; where the file cannot be read so, the kernel goes without. */
		config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
		snprintf((char *)config.info.lo_file_name, sizeof config.info.lo_file_name, "%s", name);
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return closing(control, fd);
		closing(fd, 0);
		if (errno != EBUSY) /* somebody else was faster */
			break;
	}
	return closing(control, -1);
}

static void explain(struct context *c, const char *why)
{
	output(c, why, strlen(why));
}

/*
 * Opened and locked, so that two of us do not set up two loop devices for it. The device keeps this
 * open file, and with it the lock, so it is taken off, not left to close(2).
 */
static int open_image(const char *path, struct stat *st)
{
	int image = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (image >= 0 && (flock(image, LOCK_EX) < 0 || fstat(image, st) < 0))
		return closing(image, -1);
	return image;
}

static int close_image(int image, int result)
{
	int saved = errno;
	flock(image, LOCK_UN);
	return errno = saved, closing(image, result);
}

int op_disk_mount(struct context *c, const struct op *op)
{
	struct stat st;
	int image = open_image(op->a[0].s, &st);
	if (image < 0)
		return -1;
	int loop = find_loop(&st);
	if (loop < 0)
		loop = new_loop(image, op->a[0].s);
	if (loop < 0) {
		explain(c, "no loop device for the image (is /dev/loop-control there, and the module loop?)");
		return close_image(image, -1);
	}
	char device[64], link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", loop);
	ssize_t n = readlink(link, device, sizeof device - 1);
	device[n > 0 ? n : 0] = '\0';
	struct argument none = { .l = NULL, .length = 0 };
	int tree = new_mount(c, "ext4", device, &none, MOUNT_ATTR_NODEV);
	int result = tree < 0 ? -1 : put_on(tree, op->a[1].s);
	return close_image(image, closing(loop, closing(tree, result)));
}

/* The file, the device over it, the file system on that: each may have grown in an attempt before. */
int op_disk_grow(struct context *c, const struct op *op)
{
	struct stat st;
	struct statfs fs;
	uint64_t bytes = op->a[2].u;
	int image = open_image(op->a[0].s, &st);
	if (image < 0)
		return -1;
	int loop = find_loop(&st);
	int mounted = open(op->a[1].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = -1;
	if (loop < 0)
		errno = ENXIO;
	else if (mounted >= 0 && fstatfs(mounted, &fs) == 0)
		result = (uint64_t)st.st_size < bytes ? ftruncate(image, (off_t)bytes) : 0;
	if (result == 0)
		result = ioctl(loop, LOOP_SET_CAPACITY, 0);
	if (result == 0) {
		uint64_t blocks = bytes / (uint64_t)fs.f_bsize;
		result = ioctl(mounted, EXT4_IOC_RESIZE_FS, &blocks);
		if (result < 0)
			explain(c, "ext4 cannot grow it");
	}
	return close_image(image, closing(loop, closing(mounted, result)));
}

/*
 * Success when nothing has the file system in the image alive any more. After an unmount that may take
 * a moment: a container that is being made has copies of all mounts of the host until it lets them go.
 */
int op_disk_idle(struct context *c, const struct op *op)
{
	(void)c;
	struct stat st;
	int image = open_image(op->a[0].s, &st);
	if (image < 0)
		return -1;
	int loop = find_loop(&st);
	if (loop >= 0)
		errno = EBUSY;
	return close_image(image, loop < 0 ? 0 : closing(loop, -1));
}

/* quotactl_fd(2), Linux 5.14: by the file system that a directory is in, not by a device's name. */
static int project_quota(int fd, unsigned cmd, uint64_t project, struct if_dqblk *block)
{
	return (int)syscall(SYS_quotactl_fd, fd, QCMD(cmd, PRJQUOTA), (int)project, block);
}

/*
 * Each directory that is made in this one gets a part of the disk of its own, as ext4 does it for home
 * directories (chattr(1), "T"): else all share one group of inodes, where each new one is looked for
 * among those that were deleted in the last minutes.
 */
int op_spread(struct context *c, const struct op *op)
{
	(void)c;
	int flags;
	int fd = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return closing(fd, -1);
	flags |= FS_TOPDIR_FL;
	return closing(fd, ioctl(fd, FS_IOC_SETFLAGS, &flags));
}

/* A new directory, and all that will be made in it, belongs to the project, which has this limit. */
int op_quota_set(struct context *c, const struct op *op)
{
	(void)c;
	struct fsxattr attributes;
	struct if_dqblk block = { .dqb_valid = QIF_BLIMITS };
	block.dqb_bhardlimit = op->a[2].u / 1024;
	int fd = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return closing(fd, -1);
	attributes.fsx_projid = (uint32_t)op->a[1].u;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	if (block.dqb_bhardlimit > 0 && ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0)
		return closing(fd, -1);
	return closing(fd, project_quota(fd, Q_SETQUOTA, op->a[1].u, &block));
}

/* Used bytes and the limit of a project; the error says whether the file system counts at all. */
int op_quota_read(struct context *c, const struct op *op)
{
	struct if_dqblk block = { 0 };
	int fd = open(op->a[0].s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int result = project_quota(fd, Q_GETQUOTA, op->a[1].u, &block);
	if (result < 0 && errno == ENOENT) /* XFS: a project that nobody has named yet */
		result = 0;
	uint64_t numbers[2] = { block.dqb_curspace, block.dqb_bhardlimit * 1024 };
	if (result == 0)
		output(c, numbers, sizeof numbers);
	return closing(fd, result);
}
