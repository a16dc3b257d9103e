/*
 * The root, as a detached mount that no namespace holds, so that it can leak nowhere: the layers of an
 * image under a writable top, or a copy of a directory; with a user namespace, its owners shifted.
 */
#define _GNU_SOURCE
#include "mountapi.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>

/* A layer as a mount of its own whose owners are shifted by the user namespace. */
static int idmapped(const char *path, int userns)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };
	int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	if (tree >= 0 && sys_mount_setattr(tree, 0, &attr) < 0)
		return closing(tree, -1);
	return tree;
}

/*
 * Descriptors of idmapped copies. They are detached mounts, which end with their descriptor, and the
 * overlay takes its own copies of them only when it is created (clone_private_mount() in the kernel).
 */
#define LAYERS_MAX 500 /* OVL_MAX_STACK */
struct held {
	int fd[LAYERS_MAX + 3];
	int count;
};

static int hold(struct held *held, int fd)
{
	if (fd >= 0 && held->count == LAYERS_MAX + 3) {
		close(fd);
		return errno = FAULT_TOO_MANY, -1;
	}
	if (fd >= 0)
		held->fd[held->count++] = fd;
	return fd;
}

static void release(struct held *held)
{
	int saved = errno;
	while (held->count > 0)
		close(held->fd[--held->count]);
	errno = saved;
}

static int set_layer(int fs, const char *path, int userns, struct held *held)
{
	if (userns < 0)
		return sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", path, 0);
	int tree = hold(held, idmapped(path, userns));
	return tree < 0 ? -1 : sys_fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL, tree);
}

/* upper and work must lie in one mount, so both are opened through one copy of their parent. */
static int set_top_idmapped(int fs, const char *upper, const char *work, int userns, struct held *held)
{
	char parent[4096];
	const char *slash = strrchr(upper, '/'), *slash_work = strrchr(work, '/');
	size_t length = slash ? (size_t)(slash - upper) : 0;
	if (!slash || !slash_work || length >= sizeof parent || strncmp(upper, work, length + 1) != 0)
		return errno = EINVAL, -1;
	memcpy(parent, upper, length);
	parent[length] = '\0';
	int tree = hold(held, idmapped(parent, userns));
	if (tree < 0)
		return -1;
	int up = hold(held, openat(tree, slash + 1, O_PATH | O_DIRECTORY | O_CLOEXEC));
	int wo = up < 0 ? -1 : hold(held, openat(tree, slash_work + 1, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (wo < 0)
		return -1;
	return sys_fsconfig(fs, FSCONFIG_SET_FD, "upperdir", NULL, up) < 0 ||
			       sys_fsconfig(fs, FSCONFIG_SET_FD, "workdir", NULL, wo) < 0
		       ? -1
		       : 0;
}

/*
 * An overlay works in its upper layer as who made it. On an idmapped layer the host's root is nobody
 * (its id is not in the map), so the file system id is that of the container's root for the moment
 * of making; the capabilities, which the kernel takes along with it (capabilities(7)), are put back.
 */
static int create_as_mapped(const struct context *c, int fs)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	if (syscall(SYS_capget, &header, caps) < 0)
		return -1;
	setfsgid(c->userns_gid);
	setfsuid(c->userns_uid);
	int result = syscall(SYS_capset, &header, caps) < 0 ? -1 : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	int saved = errno;
	setfsuid(0);
	setfsgid(0);
	return errno = saved, result;
}

/* One key a layer (Linux 6.8), so that their number is not bound by the length of an option. */
static int set_layers(struct context *c, int fs, const struct argument *lower, struct held *held)
{
	for (uint32_t i = 0; i < lower->length; i++)
		if (set_layer(fs, lower->l[i], c->userns, held) < 0)
			return -1;
	return 0;
}

#define OPTION_LENGTH_MAX 255 /* of fsconfig(2) */

/*
 * The one key of older kernels: names with colons between. Paths would soon be too long for it, so they
 * are opened, and named as what they are in /proc/self/fd: see op_root_overlay_joined().
 */
static int set_layers_joined(int fs, const struct argument *lower, struct held *held)
{
	char text[OPTION_LENGTH_MAX + 1] = "";
	size_t at = 0;
	for (uint32_t i = 0; i < lower->length; i++) {
		int layer = hold(held, open(lower->l[i], O_PATH | O_DIRECTORY | O_CLOEXEC));
		if (layer < 0)
			return -1;
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%d", i > 0 ? ":" : "", layer);
		if (at >= sizeof text)
			return errno = FAULT_TOO_MANY, -1;
	}
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", text, 0);
}

static int set_overlay(struct context *c, int fs, const struct op *op, struct held *held, bool joined)
{
	const struct argument *lower = &op->a[0], *options = &op->a[3];
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
		return -1;
	if ((joined ? set_layers_joined(fs, lower, held) : set_layers(c, fs, lower, held)) < 0)
		return -1;
	if (c->userns >= 0) {
		if (set_top_idmapped(fs, op->a[1].s, op->a[2].s, c->userns, held) < 0)
			return -1;
	} else if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", op->a[1].s, 0) < 0 ||
		   sys_fsconfig(fs, FSCONFIG_SET_STRING, "workdir", op->a[2].s, 0) < 0) {
		return -1;
	}
	for (uint32_t i = 0; i < options->length; i++) {
		char key[64];
		const char *equals = strchr(options->l[i], '=');
		snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - options->l[i]) : 63, options->l[i]);
		if (sys_fsconfig(fs, equals ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, equals ? equals + 1 : NULL, 0) < 0)
			return -1;
	}
	return c->userns >= 0 ? create_as_mapped(c, fs) : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static int mount_overlay(struct context *c, const struct op *op, bool joined)
{
	struct held held = { .count = 0 };
	int fs = sys_fsopen("overlay");
	if (fs < 0)
		return -1;
	int result = set_overlay(c, fs, op, &held, joined);
	release(&held);
	if (result < 0)
		return fs_failed(c, fs);
	c->root = sys_fsmount(fs, 0);
	if (c->root < 0)
		return fs_failed(c, fs);
	close(fs);
	return 0;
}

int op_root_overlay(struct context *c, const struct op *op)
{
	return mount_overlay(c, op, false);
}

int op_root_overlay_joined(struct context *c, const struct op *op)
{
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (before < 0)
		return -1;
	int result = chdir("/proc/self/fd") < 0 ? -1 : mount_overlay(c, op, true);
	int saved = errno;
	if (fchdir(before) < 0 && result == 0)
		result = -1, saved = errno;
	close(before);
	return errno = saved, result;
}

int op_root_bind(struct context *c, const struct op *op)
{
	c->root = c->userns >= 0 ? idmapped(op->a[0].s, c->userns)
				 : sys_open_tree(AT_FDCWD, op->a[0].s, OPEN_TREE_CLONE | AT_RECURSIVE);
	return c->root < 0 ? -1 : 0;
}
