/*
 * Bytes between a process and those attached to it. Output goes to the log and to each client that
 * wants it; while one of them has not taken the last piece, no more is read, so the process waits as
 * it would on a full pipe: nothing is lost, and a monitor holds at most one piece per client.
 */
#define _GNU_SOURCE
#include "monitor.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define REST_PIECES_MAX 16 /* the largest pipe that a process may have asked for is 1 MiB (pipe(7)) */

/* The Engine API's header: stream number, three zeros, length big endian. */
static char piece[8 + IO_BYTES];

static bool wants(const struct client *c, const struct process *p, int which)
{
	return c->stream == p && !c->dead && !c->starting && !c->finish &&
	       c->wanted & (which == ERR ? STREAM_STDERR : STREAM_STDOUT);
}

bool output_blocked(const struct monitor *m, const struct process *p, int which)
{
	for (const struct client *c = m->clients; c; c = c->next)
		if (wants(c, p, which) && c->out.used > 0)
			return true;
	return false;
}

/* Sends what it can now and keeps the rest. */
static void send_to(struct client *c, const char *data, size_t length)
{
	ssize_t n = c->out.used ? 0 : send(c->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		c->dead = true;
		return;
	}
	if (n < 0)
		n = 0;
	if ((size_t)n < length)
		put(&c->out, data + n, length - (size_t)n);
}

void flush_client(struct client *c)
{
	if (c->out.used == 0)
		return;
	ssize_t n = send(c->fd, c->out.data, c->out.used, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		c->dead = true;
	if (n <= 0)
		return;
	c->out.used -= (size_t)n;
	memmove(c->out.data, c->out.data + n, c->out.used);
	if (c->out.used == 0) {
		free(c->out.data);
		memset(&c->out, 0, sizeof c->out);
	}
}

static void close_output(struct process *p, int which)
{
	if (p->out[which] < 0)
		return;
	if (p->tty && p->in == p->out[which])
		p->in = -1;
	close(p->out[which]);
	p->out[which] = -1;
}

void process_output(struct monitor *m, struct process *p, int which)
{
	ssize_t n = read(p->out[which], piece + 8, IO_BYTES);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* A terminal whose last slave closed says EIO; closing it here would send SIGHUP. */
		if (p->tty)
			p->hung_up = true;
		else
			close_output(p, which);
		return;
	}
	if (p == m->first)
		log_write(which, piece + 8, (size_t)n);
	char *data = p->tty ? piece + 8 : piece;
	size_t length = p->tty ? (size_t)n : (size_t)n + 8;
	piece[0] = which == ERR ? 2 : 1;
	piece[1] = piece[2] = piece[3] = 0;
	for (int i = 0; i < 4; i++)
		piece[4 + i] = (char)((size_t)n >> (24 - 8 * i));
	for (struct client *c = m->clients; c; c = c->next)
		if (wants(c, p, which))
			send_to(c, data, length);
}

/* The end. A client that does not read has kept it from being read; the log shall have it, and the client as before. */
void take_rest(struct monitor *m, struct process *p, int which)
{
	for (int pieces = 0; pieces < REST_PIECES_MAX && p->out[which] >= 0 && !p->hung_up; pieces++)
		process_output(m, p, which);
	close_output(p, which);
}

bool input_wanted(const struct process *p)
{
	return p->to_in.used == 0;
}

void end_input(struct process *p)
{
	p->close_in = true;
	write_input(p);
}

/* Writes what clients sent; closes after the last byte if it was the end. */
void write_input(struct process *p)
{
	while (p->in >= 0 && p->to_in.used > 0) {
		ssize_t n = write(p->in, p->to_in.data, p->to_in.used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* nobody reads any more */
			p->to_in.used = 0;
			if (!p->tty)
				p->close_in = true;
			break;
		}
		p->to_in.used -= (size_t)n;
		memmove(p->to_in.data, p->to_in.data + n, p->to_in.used);
	}
	if (p->in < 0)
		p->to_in.used = 0;
	if (p->to_in.used == 0 && p->to_in.data) {
		free(p->to_in.data);
		memset(&p->to_in, 0, sizeof p->to_in);
	}
	if (p->close_in && p->in >= 0 && !p->tty) {
		close(p->in);
		p->in = -1;
	}
}

/* From an attached client to the process. */
void process_input(struct client *c)
{
	struct process *p = c->stream;
	ssize_t n = recv(c->fd, piece, IO_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->in_ended = true;
		if (n < 0)
			c->dead = true;
		if (c->wanted & STREAM_STDIN && p->stdin_mode == STDIN_ONCE)
			end_input(p);
		return;
	}
	if (c->wanted & STREAM_STDIN && p->in >= 0) {
		put(&p->to_in, piece, (size_t)n);
		write_input(p);
	}
}
