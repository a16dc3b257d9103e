/*
 * The container's log, written here so that it goes on while no daemon runs: one JSON object a line,
 * {"log":"...","stream":"stdout","time":"..."}, the format of Docker's json-file driver. A line
 * longer than LOG_LINE_BYTES is logged in parts; a part that is not the last has no "\n".
 */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
	int fd;
	const char *path, *attributes;
	uint64_t max_bytes, size;
	uint32_t max_files;
	char *line[2]; /* a line that has not ended, per stream */
	size_t used[2];
	struct buffer out;
} log = { .fd = -1 };

static void open_file(void)
{
	struct stat st;
	log.fd = open(log.path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	log.size = log.fd >= 0 && fstat(log.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* attributes: a JSON object that each record has, or "". */
void log_open(const char *path, uint64_t max_bytes, uint32_t max_files, const char *attributes)
{
	log.attributes = attributes;
	log.path = strdup(path);
	log.max_bytes = max_bytes;
	log.max_files = max_files ? max_files : 1;
	if (log.path)
		open_file();
}

/* path.1 is the newest of the old files; with one file in all, the log starts again empty. */
static void rotate(void)
{
	char from[4200], to[4200];
	close_fd(&log.fd);
	for (uint32_t i = log.max_files - 1; i > 0; i--) {
		snprintf(to, sizeof to, "%s.%u", log.path, i);
		snprintf(from, sizeof from, i > 1 ? "%s.%u" : "%s", log.path, i - 1);
		rename(from, to);
	}
	if (log.max_files == 1)
		unlink(log.path);
	open_file();
}

/* Length of the UTF-8 sequence at s, or 0 if there is none (RFC 3629). */
static size_t utf8(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void put_escaped(struct buffer *b, const char *data, size_t length)
{
	const unsigned char *s = (const unsigned char *)data;
	size_t plain = 0; /* start of what needs no escape */
	for (size_t i = 0; i < length;) {
		char escape[8] = "";
		size_t n = 1;
		if (s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\') {
			i++;
			continue;
		}
		if (s[i] == '"' || s[i] == '\\')
			snprintf(escape, sizeof escape, "\\%c", s[i]);
		else if (s[i] == '\n')
			strcpy(escape, "\\n");
		else if (s[i] == '\r')
			strcpy(escape, "\\r");
		else if (s[i] == '\t')
			strcpy(escape, "\\t");
		else if (s[i] < 0x80)
			snprintf(escape, sizeof escape, "\\u%04x", s[i]);
		else if ((n = utf8(s + i, length - i)) == 0) {
			strcpy(escape, "\\ufffd");
			n = 1;
		}
		if (*escape) {
			put(b, data + plain, i - plain);
			put(b, escape, strlen(escape));
			plain = i + n;
		}
		i += n;
	}
	put(b, data + plain, length - plain);
}

static void put_record(int which, const char *head, size_t head_length, const char *data, size_t length)
{
	/* One stamp for all lines of one read would be cheaper, but then their order is lost to `since`. */
	static time_t second;
	static char date[32];
	struct timespec now;
	char tail[64];
	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second) {
		struct tm tm;
		second = now.tv_sec;
		strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &tm));
	}
	int n = snprintf(tail, sizeof tail, ",\"time\":\"%s.%09ldZ\"}\n", date, now.tv_nsec);
	const char *stream = which == ERR ? "\",\"stream\":\"stderr\"" : "\",\"stream\":\"stdout\"";
	put(&log.out, "{\"log\":\"", 8);
	put_escaped(&log.out, head, head_length);
	put_escaped(&log.out, data, length);
	put(&log.out, stream, strlen(stream));
	if (*log.attributes) {
		put(&log.out, ",\"attrs\":", 9);
		put(&log.out, log.attributes, strlen(log.attributes));
	}
	put(&log.out, tail, (size_t)n);
	sink_write(which, head, head_length, data, length);
}

/* A full disk costs log lines, never the container. What was begun and is not whole would spoil the next one. */
static void write_out(void)
{
	struct stat st;
	size_t done = 0;
	while (done < log.out.used) {
		ssize_t n = write(log.fd, log.out.data + done, log.out.used - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	const char *end = memrchr(log.out.data, '\n', done);
	size_t kept = end ? (size_t)(end + 1 - log.out.data) : 0;
	log.size += kept;
	if (kept < done && (fstat(log.fd, &st) < 0 || ftruncate(log.fd, st.st_size - (off_t)(done - kept)) < 0))
		log.size += done - kept;
}

static void flush(void)
{
	struct stat st;
	if (log.out.used == 0)
		return;
	if (log.fd < 0 && *log.path)
		open_file(); /* it could not be, earlier */
	/* Somebody may have cleared it meanwhile. */
	if (log.max_bytes && log.size + log.out.used > log.max_bytes && fstat(log.fd, &st) == 0)
		log.size = (uint64_t)st.st_size;
	if (log.max_bytes && log.size && log.size + log.out.used > log.max_bytes)
		rotate();
	if (log.fd >= 0)
		write_out();
	log.out.used = 0;
	if (log.out.size > 2 * IO_BYTES) { /* one burst must not stay in memory */
		free(log.out.data);
		memset(&log.out, 0, sizeof log.out);
	}
}

/* Parts of a long line must not cut a character: as many bytes as make whole ones. */
static size_t whole(const char *data, size_t length)
{
	const unsigned char *s = (const unsigned char *)data;
	for (size_t back = 1; back <= 3 && back < length; back++)
		if (s[length - back] >= 0xc0)
			return utf8(s + length - back, back) ? length : length - back;
		else if (s[length - back] < 0x80)
			break;
	return length;
}

void log_write(int which, const char *data, size_t length)
{
	if (!log.path)
		return;
	while (length > 0) {
		const char *end = memchr(data, '\n', length);
		size_t n = end ? (size_t)(end - data) + 1 : length, held = log.used[which];
		if (end && held + n <= LOG_LINE_BYTES) {
			put_record(which, log.line[which], held, data, n);
			log.used[which] = 0;
		} else {
			if (!log.line[which] && !(log.line[which] = malloc(LOG_LINE_BYTES)))
				return;
			if (n > LOG_LINE_BYTES - held)
				n = LOG_LINE_BYTES - held;
			memcpy(log.line[which] + held, data, n);
			log.used[which] = held += n;
			if (held == LOG_LINE_BYTES) {
				size_t part = whole(log.line[which], held);
				put_record(which, log.line[which], part, NULL, 0);
				memmove(log.line[which], log.line[which] + part, held - part);
				log.used[which] = held - part;
			}
		}
		data += n;
		length -= n;
		/* One read may have as many lines as bytes, each a record; and a file that rotates is cut near its limit. */
		if (log.out.used >= (log.max_bytes && log.max_bytes < IO_BYTES ? log.max_bytes : IO_BYTES))
			flush();
	}
	flush();
}

/* What has not ended in a newline is logged as it is. */
void log_end(void)
{
	for (int which = 0; which < 2; which++) {
		if (log.used[which])
			put_record(which, log.line[which], log.used[which], NULL, 0);
		log.used[which] = 0;
	}
	flush();
	sink_end();
}
