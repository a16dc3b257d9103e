/*
 * The loop that performs a list of operations. One table says which function performs an operation
 * and in which places it may stand; an operation in a wrong place is refused, not tried.
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AT(place) (1u << PLACE_##place)
enum {
	ANYWHERE = AT(AGENT) | AT(HOST) | AT(TEARDOWN),
	INSIDE = AT(INIT),
	ENTER = AT(JOIN) | AT(INIT),
	IN_TREE = AT(TREE),
};

static const struct {
	performer *run;
	unsigned places;
} TABLE[OP_COUNT] = {
	[OP_mkdir] = { op_mkdir, ANYWHERE },
	[OP_read] = { op_read, ANYWHERE },
	[OP_remove_tree] = { op_remove_tree, ANYWHERE },
	[OP_cgroup_write] = { op_cgroup_write, ANYWHERE },
	[OP_cgroup_device] = { op_cgroup_device, ANYWHERE },
	[OP_cgroup_kill] = { op_cgroup_kill, ANYWHERE },
	[OP_cgroup_rmdir] = { op_cgroup_rmdir, ANYWHERE },
	[OP_monitor] = { op_monitor, AT(AGENT) },
	[OP_netns_create] = { op_netns_create, AT(AGENT) },
	[OP_netns_delete] = { op_netns_delete, AT(AGENT) },
	[OP_netlink] = { op_netlink, AT(AGENT) },
	[OP_netns_sysctl] = { op_netns_sysctl, AT(AGENT) },
	[OP_userns] = { op_userns, AT(HOST) | IN_TREE },
	[OP_root_overlay] = { op_root_overlay, AT(HOST) | IN_TREE },
	[OP_root_bind] = { op_root_bind, AT(HOST) | IN_TREE },
	[OP_cgroup_join] = { op_cgroup_join, ENTER },
	[OP_join_init] = { op_join_init, AT(JOIN) },
	[OP_join_userns] = { op_join_userns, AT(JOIN) },
	[OP_setns] = { op_setns, ENTER },
	[OP_unshare] = { op_unshare, ENTER | IN_TREE },
	[OP_hostname] = { op_hostname, INSIDE },
	[OP_domainname] = { op_domainname, INSIDE },
	[OP_propagation] = { op_propagation, INSIDE | IN_TREE },
	[OP_root_attach] = { op_root_attach, INSIDE | IN_TREE },
	[OP_mount] = { op_mount, INSIDE },
	[OP_bind] = { op_bind, INSIDE | IN_TREE },
	[OP_tmpfs] = { op_tmpfs, INSIDE },
	[OP_directory] = { op_directory, INSIDE },
	[OP_file] = { op_file, INSIDE },
	[OP_symlink] = { op_symlink, INSIDE },
	[OP_node] = { op_node, INSIDE },
	[OP_unlink_links] = { op_unlink_links, INSIDE },
	[OP_mask] = { op_mask, INSIDE },
	[OP_readonly] = { op_readonly, INSIDE },
	[OP_root_readonly] = { op_root_readonly, INSIDE | IN_TREE },
	[OP_terminal] = { op_terminal, INSIDE },
	[OP_console] = { op_console, INSIDE },
	[OP_pivot_root] = { op_pivot_root, INSIDE | IN_TREE },
	[OP_root_propagation] = { op_propagation, INSIDE },
	[OP_sysctl] = { op_sysctl, ENTER },
	[OP_rlimit] = { op_rlimit, ENTER },
	[OP_oom_score_adj] = { op_oom_score_adj, ENTER },
	[OP_umask] = { op_umask, INSIDE },
	[OP_loopback_up] = { op_loopback_up, INSIDE },
	[OP_lookup_user] = { op_lookup_user, INSIDE },
	[OP_workdir] = { op_workdir, INSIDE },
	[OP_ready] = { op_ready, INSIDE },
	[OP_no_new_privs] = { op_no_new_privs, INSIDE },
	[OP_seccomp] = { op_seccomp, INSIDE },
	[OP_bounding] = { op_bounding, INSIDE },
	[OP_set_user] = { op_set_user, INSIDE },
	[OP_caps] = { op_caps, INSIDE },
	[OP_exec] = { op_exec, INSIDE },
	[OP_tree_dir] = { op_tree_dir, IN_TREE },
	[OP_tree_file] = { op_tree_file, IN_TREE },
	[OP_tree_data] = { op_tree_data, IN_TREE },
	[OP_tree_hole] = { op_tree_hole, IN_TREE },
	[OP_tree_symlink] = { op_tree_symlink, IN_TREE },
	[OP_tree_link] = { op_tree_link, IN_TREE },
	[OP_tree_node] = { op_tree_node, IN_TREE },
	[OP_tree_whiteout] = { op_tree_whiteout, IN_TREE },
	[OP_tree_remove] = { op_tree_remove, IN_TREE },
	[OP_tree_opaque] = { op_tree_opaque, IN_TREE },
	[OP_tree_xattr] = { op_tree_xattr, IN_TREE },
	[OP_tree_finish] = { op_tree_finish, IN_TREE },
	[OP_source] = { op_source, ENTER },
	[OP_source_in] = { op_source_in, ENTER },
	[OP_attach] = { op_attach, INSIDE },
	[OP_cgroup_into] = { op_cgroup_into, AT(HOST) },
	[OP_port_hold] = { op_port_hold, AT(AGENT) },
	[OP_port_release] = { op_port_release, AT(AGENT) },
	[OP_netns_pin] = { op_netns_pin, AT(AGENT) },
	[OP_cgroup_mount] = { op_cgroup_mount, AT(AGENT) | AT(HOST) },
	[OP_cgroup_unmount] = { op_cgroup_unmount, AT(AGENT) },
	[OP_root_overlay_joined] = { op_root_overlay_joined, AT(HOST) | IN_TREE },
	[OP_cgroup_device_replace] = { op_cgroup_device_replace, AT(AGENT) },
	[OP_volume_mount] = { op_volume_mount, AT(AGENT) },
	[OP_volume_bind] = { op_volume_bind, AT(AGENT) },
	[OP_volume_unmount] = { op_volume_unmount, AT(AGENT) },
	[OP_disk_mount] = { op_disk_mount, AT(AGENT) },
	[OP_disk_grow] = { op_disk_grow, AT(AGENT) },
	[OP_disk_idle] = { op_disk_idle, AT(AGENT) },
	[OP_spread] = { op_spread, AT(AGENT) },
	[OP_quota_set] = { op_quota_set, AT(AGENT) },
	[OP_quota_read] = { op_quota_read, AT(AGENT) },
	[OP_copy_up] = { op_copy_up, AT(AGENT) },
	[OP_copy_tree] = { op_copy_tree, AT(AGENT) },
	[OP_copy_file] = { op_copy_file, AT(AGENT) },
	[OP_thaw] = { op_thaw, AT(AGENT) },
	[OP_exchange] = { op_exchange, AT(AGENT) },
	[OP_empty_directory] = { op_empty_directory, AT(AGENT) },
	[OP_tree_usage] = { op_tree_usage, AT(AGENT) },
	[OP_source_below] = { op_source_below, AT(HOST) | IN_TREE },
	[OP_source_overlay] = { op_source_overlay, AT(HOST) | IN_TREE },
	[OP_chown_tree] = { op_chown_tree, INSIDE },
	[OP_tree_enter] = { op_tree_enter, IN_TREE },
	[OP_tree_layer] = { op_tree_layer, IN_TREE },
	[OP_tree_below] = { op_tree_below, IN_TREE },
	[OP_tree_image] = { op_tree_image, IN_TREE },
	[OP_tree_owner] = { op_tree_owner, IN_TREE },
	[OP_tree_settle] = { op_tree_settle, IN_TREE },
	[OP_tree_stat] = { op_tree_stat, IN_TREE },
	[OP_tree_user] = { op_tree_user, IN_TREE },
	[OP_tree_walk] = { op_tree_walk, IN_TREE },
	[OP_tree_next] = { op_tree_next, IN_TREE },
	[OP_tree_strict] = { op_tree_strict, IN_TREE },
	[OP_tree_end] = { op_tree_end, IN_TREE },
	[OP_tree_source] = { op_tree_source, IN_TREE },
	[OP_tree_copy] = { op_tree_copy, IN_TREE },
	[OP_tree_spread] = { op_tree_spread, IN_TREE },
	[OP_layer_copy] = { op_layer_copy, AT(AGENT) },
	[OP_layer_merge] = { op_layer_merge, AT(AGENT) },
};

void context_init(struct context *c)
{
	memset(c, 0, sizeof *c);
	c->root = c->userns = c->cgroup = c->init_pidfd = c->sync = c->slave = c->mask_tmpfs = -1;
	strcpy(c->home, "/");
}

void output(struct context *c, const void *data, size_t length)
{
	if (c->out.used + length <= OUTPUT_BYTES_MAX)
		put(&c->out, data, length);
}

static void add_result(struct results *r, enum place place, uint32_t index, uint32_t code, int error, uint64_t ns,
		       const struct buffer *out)
{
	put_u32(&r->body, place);
	put_u32(&r->body, index);
	put_u32(&r->body, code);
	put_u32(&r->body, (uint32_t)error);
	put_u64(&r->body, ns);
	put_bytes(&r->body, out->data, out->used);
	r->count++;
}

/*
 * Performs ops[from..] in order; returns 0, or the errno or fault of the first that fails. In a tree
 * only failures are told: there are too many operations to answer each.
 */
int perform(struct context *c, enum place place, const struct ops *ops, uint32_t from, struct results *results)
{
	int error = 0;
	c->results = results;
	for (uint32_t i = from; i < ops->count && error == 0; i++) {
		const struct op *op = &ops->list[i];
		uint64_t begin = place == PLACE_TREE ? 0 : now_ns(CLOCK_MONOTONIC);
		c->out.used = 0;
		if (!TABLE[op->code].run || !(TABLE[op->code].places & (1u << place)))
			error = FAULT_BAD_PLAN;
		else if (TABLE[op->code].run(c, op) < 0)
			error = errno ? errno : EIO;
		if (place != PLACE_TREE)
			add_result(results, place, i, op->code, error, now_ns(CLOCK_MONOTONIC) - begin, &c->out);
		else if (error || c->out.used)
			add_result(results, place, i, op->code, error, 0, &c->out);
	}
	return error;
}

void put_results(struct buffer *b, const struct results *r)
{
	put_u32(b, r->count);
	put(b, r->body.data, r->body.used);
}

void free_results(struct results *r)
{
	free(r->body.data);
	memset(r, 0, sizeof *r);
}
