/* Bytes in and out: buffers, decoding of frames and operations. Knows no operation's meaning. */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const SIGNATURES[OP_COUNT] = {
#define OP(name, signature) signature,
#include "ops.def"
#undef OP
};

/* Bytes that the caller fills. A buffer has memory from its first use on, be it of no bytes. */
char *put_room(struct buffer *b, size_t length)
{
	if (!b->data || b->used + length > b->size) {
		size_t size = b->size ? b->size : 256;
		while (size < b->used + length)
			size *= 2;
		b->data = realloc(b->data, size);
		if (!b->data)
			abort();
		b->size = size;
	}
	b->used += length;
	return b->data + b->used - length;
}

void put(struct buffer *b, const void *data, size_t length)
{
	char *room = put_room(b, length);
	if (length)
		memcpy(room, data, length);
}

void put_u32(struct buffer *b, uint32_t value) { put(b, &value, sizeof value); }
void put_u64(struct buffer *b, uint64_t value) { put(b, &value, sizeof value); }

void put_bytes(struct buffer *b, const void *data, size_t length)
{
	put_u32(b, (uint32_t)length);
	put(b, data, length);
	put(b, "", 1);
}

size_t frame_begin(struct buffer *b, uint32_t kind, uint32_t id)
{
	size_t begin = b->used;
	struct frame_header h = { 0, kind, id };
	put(b, &h, sizeof h);
	return begin;
}

void frame_end(struct buffer *b, size_t begin)
{
	uint32_t length = (uint32_t)(b->used - begin - sizeof(struct frame_header));
	memcpy(b->data + begin, &length, sizeof length);
}

static const void *take(struct reader *r, size_t length)
{
	if (r->broken || (size_t)(r->end - r->at) < length) {
		r->broken = true;
		return NULL;
	}
	const void *at = r->at;
	r->at += length;
	return at;
}

uint32_t get_u32(struct reader *r)
{
	uint32_t value = 0;
	const void *at = take(r, sizeof value);
	if (at)
		memcpy(&value, at, sizeof value);
	return value;
}

uint64_t get_u64(struct reader *r)
{
	uint64_t value = 0;
	const void *at = take(r, sizeof value);
	if (at)
		memcpy(&value, at, sizeof value);
	return value;
}

/* The string stays inside the frame; its NUL is checked, so it is a C string too. */
const char *get_string(struct reader *r, uint32_t *length)
{
	uint32_t n = get_u32(r);
	const char *at = take(r, (size_t)n + 1);
	if (at && at[n] != '\0')
		r->broken = true;
	if (length)
		*length = at ? n : 0;
	return at && !r->broken ? at : "";
}

static void get_argument(struct reader *r, char type, struct argument *a)
{
	if (type == 'u') {
		a->u = get_u64(r);
	} else if (type == 's' || type == 'b') {
		a->s = get_string(r, &a->length);
		if (type == 's' && strlen(a->s) != a->length)
			r->broken = true; /* a NUL inside a path would hide its rest */
	} else {
		uint32_t count = get_u32(r);
		if (r->broken || count > (size_t)(r->end - r->at) / 5) {
			r->broken = true;
			return;
		}
		a->l = calloc(count + 1, sizeof *a->l);
		if (!a->l)
			abort();
		a->length = count;
		for (uint32_t i = 0; i < count; i++)
			a->l[i] = get_string(r, NULL);
	}
}

bool get_ops(struct reader *r, struct ops *ops)
{
	uint32_t count = get_u32(r);
	ops->list = NULL;
	ops->count = 0;
	if (r->broken || count > OPS_MAX)
		return false;
	ops->list = calloc(count ? count : 1, sizeof *ops->list);
	if (!ops->list)
		abort();
	for (uint32_t i = 0; i < count && !r->broken; i++) {
		struct op *op = &ops->list[i];
		op->code = get_u32(r);
		ops->count = i + 1;
		if (op->code >= OP_COUNT)
			return false;
		int argument = 0;
		for (const char *s = strchr(SIGNATURES[op->code], ':'); s; s = strchr(s + 1, ':'))
			get_argument(r, s[1], &op->a[argument++]);
	}
	return !r->broken;
}

void free_ops(struct ops *ops)
{
	for (uint32_t i = 0; i < ops->count; i++) {
		int argument = 0;
		if (ops->list[i].code >= OP_COUNT)
			break;
		for (const char *s = strchr(SIGNATURES[ops->list[i].code], ':'); s; s = strchr(s + 1, ':')) {
			if (s[1] == 'l')
				free(ops->list[i].a[argument].l);
			argument++;
		}
	}
	free(ops->list);
	ops->list = NULL;
	ops->count = 0;
}

bool read_all(int fd, void *data, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = read(fd, (char *)data + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

bool write_all(int fd, const void *data, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(fd, (const char *)data + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

uint64_t now_ns(int clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
