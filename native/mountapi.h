/* The new mount calls (fsopen(2) and friends), which glibc 2.36 does not wrap, and what the files on mounts share. */
#ifndef CORACLE_MOUNTAPI_H
#define CORACLE_MOUNTAPI_H
#include "native.h"
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int sys_fsopen(const char *type) { return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC); }
static inline int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}
static inline int sys_fsmount(int fd, uint64_t attr) { return (int)syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attr); }
static inline int sys_open_tree(int at, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, at, path, flags | OPEN_TREE_CLOEXEC);
}
static inline int sys_mount_setattr(int fd, unsigned flags, struct mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | flags, attr, sizeof *attr);
}

/* mount.c */
int new_mount(struct context *c, const char *type, const char *source, const struct argument *options, uint64_t attr);
int attach_on(struct context *c, int tree, int target, const char *path);
int fs_failed(struct context *c, int fs);
int need_root(const struct context *c);
uint64_t mount_of(int fd);

#endif
