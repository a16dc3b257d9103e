/* What the files of the C program share. Each function says who may call it by its file. */
#ifndef CORACLE_NATIVE_H
#define CORACLE_NATIVE_H
#include "protocol.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* wire.c: growing output buffers, decoding, frames */
struct buffer {
	char *data;
	size_t used, size;
};
void put(struct buffer *b, const void *data, size_t length);
char *put_room(struct buffer *b, size_t length);
void put_u32(struct buffer *b, uint32_t value);
void put_u64(struct buffer *b, uint64_t value);
void put_bytes(struct buffer *b, const void *data, size_t length);
size_t frame_begin(struct buffer *b, uint32_t kind, uint32_t id);
void frame_end(struct buffer *b, size_t begin);

struct reader {
	const char *at, *end;
	bool broken;
};
uint32_t get_u32(struct reader *r);
uint64_t get_u64(struct reader *r);
const char *get_string(struct reader *r, uint32_t *length);

enum opcode {
#define OP(name, signature) OP_##name,
#include "ops.def"
#undef OP
	OP_COUNT
};
struct argument {
	union {
		uint64_t u;
		const char *s;
		const char **l;
	};
	uint32_t length; /* of s, or items of l (which also ends in NULL) */
};
struct op {
	uint32_t code;
	struct argument a[8];
};
struct ops {
	struct op *list;
	uint32_t count;
};
bool get_ops(struct reader *r, struct ops *ops);
void free_ops(struct ops *ops);

bool read_all(int fd, void *data, size_t length);
bool write_all(int fd, const void *data, size_t length);
uint64_t now_ns(int clock);

/* perform.c: the loop over a list of operations, and who may do which */
struct results {
	struct buffer body; /* encoded, without the count */
	uint32_t count;
};
struct context;
typedef int performer(struct context *c, const struct op *op);
int perform(struct context *c, enum place place, const struct ops *ops, uint32_t from, struct results *out);
void output(struct context *c, const void *data, size_t length);
void put_results(struct buffer *b, const struct results *r);
void free_results(struct results *r);

/*
 * What operations of one list leave for later ones. One per process that performs; nothing in it is
 * shared memory. -1 where there is none.
 */
struct context {
	int root;        /* the container's root, as a mount; after pivot_root the same as "/" */
	bool inside;     /* paths are below root (after root_attach or join_init) */
	int userns;      /* made by the userns operation */
	uid_t userns_uid; /* who root inside of it is outside */
	gid_t userns_gid;
	int cgroup;      /* of version 2, which the processes are cloned into */
	int init_pidfd;  /* of the container's first process, for join_init */
	int sync;        /* init's end of the packet socket to the monitor */
	int slave;       /* of the terminal */
	int mask_tmpfs;  /* the one empty tmpfs that masks directories */
	struct source *sources; /* opened by the source operation for later binds */
	struct results *results;
	struct buffer out; /* of the operation that is being performed */
	/* lookup_user */
	uid_t uid;
	gid_t gid;
	gid_t groups[GROUPS_MAX];
	int group_count;
	char home[4096];
	struct tree *tree;
};
void context_init(struct context *c);

/* file.c */
int closing(int fd, int result);
int open_in(int root, const char *path, int flags, mode_t mode);
int open_parent(int root, const char *path, mode_t mode, char *leaf, size_t size);
int make_path(int root, const char *path, mode_t mode);
int make_file(int root, const char *path, mode_t mode);
int remove_tree_at(int parent, const char *name);
int read_file(int at, const char *path, char *data, size_t size);
performer op_mkdir, op_read, op_remove_tree;
/* cgroup.c */
performer op_cgroup_write, op_cgroup_device, op_cgroup_kill, op_cgroup_rmdir, op_cgroup_join,
	op_cgroup_into, op_cgroup_mount, op_cgroup_unmount, op_cgroup_device_replace;
int cgroup_below(int top, pid_t pid);
/* overlay.c, mount.c, root.c: the mounts that make the world inside */
performer op_root_overlay, op_root_overlay_joined, op_root_bind, op_source, op_source_in, op_source_below,
	op_source_overlay, op_attach, op_propagation, op_root_attach, op_mount,
	op_bind, op_tmpfs, op_directory, op_file, op_symlink, op_unlink_links, op_node, op_mask, op_readonly, op_root_readonly, op_terminal, op_console,
	op_pivot_root;
void forget_sources(struct context *c);
/* disk.c, clone.c, walk.c: volumes, and copies of what they hold */
performer op_spread, op_volume_mount, op_volume_bind, op_volume_unmount, op_disk_mount, op_disk_grow, op_disk_idle, op_quota_set,
	op_quota_read, op_copy_up, op_copy_tree, op_copy_file, op_thaw, op_exchange, op_empty_directory, op_tree_usage,
	op_chown_tree;
/* layer.c */
performer op_layer_copy, op_layer_merge;
/* namespace.c */
performer op_userns, op_join_init, op_join_userns, op_setns, op_unshare, op_hostname, op_domainname, op_sysctl,
	op_oom_score_adj, op_loopback_up;
/* identity.c: who the process is, and the last step */
performer op_rlimit, op_umask, op_lookup_user, op_workdir, op_ready, op_no_new_privs, op_seccomp, op_bounding,
	op_set_user, op_caps, op_exec;
/* net.c */
performer op_netns_create, op_netns_delete, op_netns_pin, op_netlink, op_netns_sysctl;
void forget_netlink(void);
void forget_sysctl_proc(void);
void refresh_sysctl_proc(unsigned names);
int in_namespace(const char *path, int (*f)(void *), void *data);
/* port.c */
performer op_port_hold, op_port_release;
/* agent.c */
performer op_monitor;
int take_spare_network(void);
int agent_main(void);
int serve_daemon(struct context *c, enum place place);
/* tree.c */
performer op_tree_dir, op_tree_file, op_tree_data, op_tree_hole, op_tree_symlink, op_tree_link, op_tree_node,
	op_tree_whiteout, op_tree_remove, op_tree_opaque, op_tree_xattr, op_tree_finish, op_tree_end, op_tree_strict,
	op_tree_source, op_tree_copy, op_tree_spread;
int tree_main(const char *root);
/* visit.c, records.c */
performer op_tree_enter, op_tree_layer, op_tree_image, op_tree_below, op_tree_owner, op_tree_settle, op_tree_stat, op_tree_user,
	op_tree_walk, op_tree_next;
/* spawn.c: from a plan to a process that waits at its ready step */
enum packet { PACKET_JOINED = 1, PACKET_TERMINAL, PACKET_READY, PACKET_RESULTS, PACKET_FAILED };
struct spawn {
	const struct ops *join, *init;
	uint64_t clone_flags;
	int stdio[3];    /* the child's ends; -1 for /dev/null or a terminal */
	int init_pidfd;
	int userns, root, cgroup;
	struct source *sources; /* what the host operations opened for binds */
	pid_t first;     /* of the container that is joined: 0 when it is made */
};
void clone_failed(struct results *r, enum place place, uint32_t index);
int spawn(const struct spawn *s, int *sync, pid_t *pid);
bool send_packet(int fd, enum packet kind, uint32_t value, const struct results *r, int pass_fd);
/* monitor.c, stream.c, log.c */
_Noreturn void monitor_main(int listener, int directory);
/* resolver.c: 127.0.0.11:53 of a network namespace; -1 where there is none */
struct resolver {
	int udp, tcp;
	int raw, link; /* where the sockets are bound to other ports */
};
struct sockaddr_in;
int resolver_open(struct resolver *r, const char *path);
void resolver_send(const struct resolver *r, const struct sockaddr_in *to, const void *data, size_t length);
void resolver_close(struct resolver *r);
/* forward.c: questions to name servers from inside a network namespace */
struct question {
	uint32_t token;
	const char *path; /* of the namespace */
	const char *host;
	uint16_t port;
	bool tcp;
	uint64_t deadline; /* milliseconds of CLOCK_MONOTONIC */
	const void *message;
	size_t length;
};
bool forward_start(const struct question *q);
void forward_expire(uint64_t now);
bool forward_waits(void);
/* questions.c: what containers ask */
int questions_open(const char *id, const char *path);
void questions_close(const char *id);
const char *questions_path(const char *id);
void questions_answer(uint32_t token, const char *data, uint32_t length);
void questions_send(void);
void questions_hold(void);
void questions_list(struct buffer *b);
void questions_expire(uint64_t now);
bool questions_wait(void);
bool questions_possible(void);
bool questions_inhabited(void);
/* relay.c */
int relay_main(const char *path);
struct watch {
	void (*ready)(void *of);
	void *of;
};
void relay_watch(int fd, uint32_t events, struct watch *w);
bool relay_query(uint32_t token, const char *sandbox, bool tcp, const struct buffer *message);
uint64_t now_ms(void);
void forward_done(uint32_t token, const void *data, size_t length);
/* reaper.c */
int reaper_main(char **argv);
/* confine.c */
int confine_main(char **argv);
/* main.c: the sealed copy of this program, for a reaper */
extern int self_exe;

#endif
