/* What the files about volumes and trees share. */
#ifndef CORACLE_VOLUME_H
#define CORACLE_VOLUME_H
#include "mountapi.h"
#include <sys/stat.h>

#define TREE_DEPTH_MAX 300 /* each level holds up to three descriptors, of 1024 */

struct copied {
	uint64_t copied;  /* bytes that were written anew */
	uint64_t shared;  /* bytes that both files have in common */
	uint64_t entries;
};

/* inodes.c */
#define INODE_BUCKETS 4096
struct inodes {
	struct inode *buckets[INODE_BUCKETS];
};
const char *inode_path(const struct inodes *met, const struct stat *st);
bool add_inode(struct inodes *met, const struct stat *st, const char *path, size_t length);
void free_inodes(struct inodes *met);
/* clone.c */
enum {
	CLONE_MARKS = 1, /* what an overlay has written for itself is kept, too */
	CLONE_LINKS = 2, /* files are not copied: the same ones get a second name */
};
int clone_tree(int from, int to, unsigned how, struct copied *done);
int copy_identity(int from, int to, const struct stat *st, unsigned how);
void tell_copied(struct context *c, const struct copied *done);
/* walk.c */
bool is_empty(int directory);
/* overlay.c */
int image_view(struct context *c, const struct argument *lower, bool joined);
/* mount.c */
int add_source(struct context *c, const char *name, unsigned flags, int tree);

#endif
