/* What monitor.c (processes and protocol), stream.c (bytes) and log.c share. */
#ifndef CORACLE_MONITOR_H
#define CORACLE_MONITOR_H
#include "native.h"

enum state { SETTING_UP, READY, STARTING, RUNNING, FAILED, ENDED };
enum { OUT = 0, ERR = 1 }; /* index of the two outputs; a terminal is OUT */

struct exit_status {
	uint32_t code, signal;
	uint64_t when;
};

struct client;
struct process {
	struct process *next;
	char *id; /* "" is the container's first process */
	enum state state;
	bool tty, started, reaped, reported;
	bool hung_up; /* every slave of the terminal is closed */
	enum stdin_mode stdin_mode;
	pid_t pid; /* 0 until it is known */
	int pidfd, sync;
	int in;      /* the end we write; a terminal's is a copy of out[OUT] */
	int out[2];  /* the ends we read; -1 after end of file */
	struct buffer to_in; /* bytes a client sent that the process has not read yet */
	bool close_in;       /* after to_in is written */
	struct results results;
	struct client *owner; /* who asked, and is answered */
	uint32_t owner_id;    /* of the request to answer next */
	struct exit_status exit;
	uint64_t drain_until; /* monotonic, 0 = no limit yet */
	unsigned short rows, columns;
};

struct client {
	struct client *next;
	int fd;
	bool dead, hung; /* hung: closed by the peer, but bytes may be left to read */
	struct buffer in, out; /* frames half received; bytes not sent yet */
	/* a stream */
	struct process *stream; /* NULL = a control connection */
	bool starting;          /* its exec has not started: keep the streams off */
	unsigned wanted;        /* stream_bit */
	bool in_ended, finish;  /* the client sent its end of file; close when out is empty */
};

struct monitor {
	int listener, signals;
	int directory; /* its run directory, whatever its name becomes */
	struct client *clients;
	struct process *processes; /* the first process is the last in the list */
	struct process *first;
	int cgroup; /* which every process is cloned into; -1 where cgroups have version 1 only */
	char *frame; /* the LAUNCH frame, kept for the teardown list that points into it */
	struct ops teardown;
	struct results teardown_results;
	bool launched, gone; /* gone: said go */
	uint64_t give_up;    /* when, if nobody ever connects */
	bool torn_down;
	bool over;           /* the container has ended and everybody was told */
	bool deaf;           /* no descriptor for who connects: not looked at for a moment */
};

/* request.c */
void begin_answer(struct client *c, uint32_t kind, uint32_t id, size_t *begin);
void end_answer(struct client *c, size_t begin);
void answer_results(struct process *p, uint32_t kind);
void put_exit(struct buffer *b, const struct exit_status *e);
void on_control(struct monitor *m, struct client *c);
/* process.c */
struct process *find_process(struct monitor *m, const char *id);
void close_fd(int *fd);
struct process *new_process(struct monitor *m, const char *id, struct client *owner, uint32_t owner_id);
int start_process(struct process *p, struct spawn *s);
void fail(struct process *p);
void send_go(struct process *p);
void on_sync(struct monitor *m, struct process *p);
bool is_joining(const struct process *p);
void reap(struct monitor *m);
/* stream.c */
void process_input(struct client *c);
void write_input(struct process *p);
void end_input(struct process *p);
void process_output(struct monitor *m, struct process *p, int which);
bool output_blocked(const struct monitor *m, const struct process *p, int which);
bool input_wanted(const struct process *p);
void flush_client(struct client *c);
void take_rest(struct monitor *m, struct process *p, int which);
/* log.c */
void log_open(const char *path, uint64_t max_bytes, uint32_t max_files, const char *attributes);
void log_write(int which, const char *data, size_t length);
void log_end(void);
/* sink.c */
struct sink_plan { /* the strings live as long as the monitor */
	uint32_t transport, port, time;
	const char *address, *head[2], *tail; /* HEAD of the stream, time, TAIL, line */
};
void sink_open(const struct sink_plan *plan);
void sink_write(int which, const char *first, size_t first_length, const char *second, size_t second_length);
int sink_waits(void);
void sink_push(void);
void sink_end(void);

#endif
