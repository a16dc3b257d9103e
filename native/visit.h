/* What tree.c, visit.c and walk.c share: the state of a tree process. */
#ifndef CORACLE_VISIT_H
#define CORACLE_VISIT_H
#include "volume.h"
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

struct walk;
struct attribute;
struct directory_time;

struct tree {
	/* the parent of the last entry: neighbours come together in archives */
	char parent_path[4096];
	int parent;
	bool parent_setgid; /* what is made in it gets its group */
	/* the file that is being written, or -1 */
	int file;
	char file_path[4096];
	struct timespec file_time;
	off_t offset, size;
	bool hole_last;
	struct attribute *attributes; /* set after the data: writing would clear security.capability */
	struct directory_time *times; /* set at the end: making entries changes them */
	size_t time_count, time_size;
	char leaf[256];
	bool strict;       /* a directory and what is none do not replace each other */
	int source;        /* the archive that tree_copy takes from; -1 = none */
	int below;         /* what the layers below have, to compare with; -1 = nothing */
	struct walk *walk; /* that is going on */
};

/* visit.c */
int go_to_fds(void);
int reopen(int fd, int flags);
int find_entry(struct context *c, const char *directory, const char *name, int *parent);
void put_stat(struct buffer *b, const struct stat *st);

#endif
