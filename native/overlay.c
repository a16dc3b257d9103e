/*
 * The root, as a detached mount that no namespace holds, so that it can leak nowhere: the layers of an
 * image under a writable top, or a copy of a directory; with a user namespace, its owners shifted.
 */
#define _GNU_SOURCE
#include "volume.h"
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

/* An overlay to make. Without an upper directory it is read-only. */
struct overlay {
	const struct argument *lower;
	const char *upper, *work;
	const struct argument *options;
	bool joined; /* all layers in one option: before Linux 6.8 */
};

static int set_overlay(struct context *c, int fs, const struct overlay *o, struct held *held)
{
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
		return -1;
	if ((o->joined ? set_layers_joined(fs, o->lower, held) : set_layers(c, fs, o->lower, held)) < 0)
		return -1;
	if (*o->upper && c->userns >= 0) {
		if (set_top_idmapped(fs, o->upper, o->work, c->userns, held) < 0)
			return -1;
	} else if (*o->upper && (sys_fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", o->upper, 0) < 0 ||
				 sys_fsconfig(fs, FSCONFIG_SET_STRING, "workdir", o->work, 0) < 0)) {
		return -1;
	}
	for (uint32_t i = 0; o->options && i < o->options->length; i++) {
		const char *option = o->options->l[i], *equals = strchr(option, '=');
		char key[64];
		snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - option) : 63, option);
		if (sys_fsconfig(fs, equals ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, equals ? equals + 1 : NULL, 0) < 0)
			return -1;
	}
	return c->userns >= 0 ? create_as_mapped(c, fs) : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* The detached mount, or -1. */
static int mount_overlay(struct context *c, const struct overlay *o)
{
	struct held held = { .count = 0 };
	/* The descriptors in the one option are names in this directory. */
	int before = o->joined ? open(".", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (o->joined && (before < 0 || chdir("/proc/self/fd") < 0))
		return closing(before, -1);
	int fs = sys_fsopen("overlay");
	int result = fs < 0 ? -1 : set_overlay(c, fs, o, &held);
	release(&held);
	int tree = result < 0 ? -1 : sys_fsmount(fs, *o->upper ? 0 : MOUNT_ATTR_RDONLY);
	if (tree < 0)
		fs_failed(c, fs);
	else
		close(fs);
	if (o->joined && fchdir(before) < 0 && tree >= 0)
		return closing(before, closing(tree, -1));
	return closing(before, tree);
}

/*
 * The layers of an image as one directory. One layer alone is that directory: overlayfs wants two
 * where nothing is above them.
 */
int image_view(struct context *c, const struct argument *lower, bool joined)
{
	struct overlay o = { lower, "", "", NULL, joined };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	if (lower->length != 1)
		return mount_overlay(c, &o);
	int tree = c->userns >= 0 ? idmapped(lower->l[0], c->userns) : sys_open_tree(AT_FDCWD, lower->l[0], OPEN_TREE_CLONE);
	return tree >= 0 && sys_mount_setattr(tree, 0, &attr) < 0 ? closing(tree, -1) : tree;
}

/* A union as the source of a later bind: a view of an image, or a directory under a top of its own. */
int op_source_overlay(struct context *c, const struct op *op)
{
	struct overlay o = { &op->a[1], op->a[2].s, op->a[3].s, NULL, op->a[5].u };
	int tree = *o.upper ? mount_overlay(c, &o) : image_view(c, o.lower, o.joined);
	const char *below = op->a[4].s;
	if (tree >= 0 && *below) {
		/* From a mount that is attached nowhere: Linux 6.15. */
		int at = open_in(tree, below, O_PATH, 0);
		int part = at < 0 ? -1 : sys_open_tree(at, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
		tree = closing(tree, closing(at, part));
	}
	return add_source(c, op->a[0].s, 0, tree);
}

static int make_root(struct context *c, const struct op *op, bool joined)
{
	struct overlay o = { &op->a[0], op->a[1].s, op->a[2].s, &op->a[3], joined };
	c->root = mount_overlay(c, &o);
	return c->root < 0 ? -1 : 0;
}

int op_root_overlay(struct context *c, const struct op *op) { return make_root(c, op, false); }
int op_root_overlay_joined(struct context *c, const struct op *op) { return make_root(c, op, true); }

int op_root_bind(struct context *c, const struct op *op)
{
	c->root = c->userns >= 0 ? idmapped(op->a[0].s, c->userns)
				 : sys_open_tree(AT_FDCWD, op->a[0].s, OPEN_TREE_CLONE | AT_RECURSIVE);
	return c->root < 0 ? -1 : 0;
}
