/* The inodes that a walk has met, each with the path where it was, so that a file with several names is told as one. */
#define _GNU_SOURCE
#include "volume.h"
#include <stdlib.h>
#include <string.h>

struct inode {
	struct inode *next;
	dev_t device;
	ino_t number;
	char path[];
};

/* NULL for one that was not met yet. */
const char *inode_path(const struct inodes *met, const struct stat *st)
{
	const struct inode *i = met->buckets[st->st_ino % INODE_BUCKETS];
	while (i && (i->number != st->st_ino || i->device != st->st_dev))
		i = i->next;
	return i ? i->path : NULL;
}

/* False where there is no memory. */
bool add_inode(struct inodes *met, const struct stat *st, const char *path, size_t length)
{
	struct inode **first = &met->buckets[st->st_ino % INODE_BUCKETS];
	struct inode *new = malloc(sizeof *new + length + 1);
	if (!new)
		return false;
	*new = (struct inode){ *first, st->st_dev, st->st_ino };
	memcpy(new->path, path, length);
	new->path[length] = '\0';
	*first = new;
	return true;
}

void free_inodes(struct inodes *met)
{
	for (size_t n = 0; n < INODE_BUCKETS; n++)
		for (struct inode *i = met->buckets[n], *next; i; i = next) {
			next = i->next;
			free(i);
		}
}
