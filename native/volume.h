/* What the files about volumes share: clone.c, disk.c, volume.c, overlay.c. */
#ifndef CORACLE_VOLUME_H
#define CORACLE_VOLUME_H
#include "mountapi.h"

#define TREE_DEPTH_MAX 300 /* each level holds up to three descriptors, of 1024 */

struct copied {
	uint64_t copied;  /* bytes that were written anew */
	uint64_t shared;  /* bytes that both files have in common */
	uint64_t entries;
};

/* clone.c */
int clone_tree(int from, int to, struct copied *done);
/* walk.c */
bool is_empty(int directory);
/* disk.c */
int put_on(int tree, const char *target);
/* overlay.c */
int image_view(struct context *c, const struct argument *lower, bool joined);
/* mount.c */
int add_source(struct context *c, const char *name, unsigned flags, int tree);

#endif
