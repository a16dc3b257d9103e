/*
 * The protocol between the daemon and the C program. src/kernel/native/encode.ts is the other side.
 *
 *   daemon                    agent                monitor                     init
 *     | PERFORM [monitor] ----->|                     |                          |
 *     |                         | fork -------------->| listens on monitor.sock  |
 *     |<---- RESULTS (pid) -----|                     |                          |
 *     | LAUNCH {host,join,init,teardown} ------------>| performs host            |
 *     |                                               | clone3 ----------------->| performs init
 *     |<------------------ READY {pid,results} -------|<------- READY packet ----| waits
 *     | (connects streams: ATTACH)                    |                          |
 *     | GO ------------------------------------------>|------- GO packet ------->| performs the rest
 *     |                                               |<------ RESULTS packet ---| execve
 *     |<------------------ STARTED {results} ---------|<------ end of file ------| (the program runs)
 *     |<------------------ EXITED --------------------| drains, teardown, exit file
 *
 * A frame is a header and a body; all integers are in the machine's order (both sides are on one
 * machine). In a body: u32 and u64 as they are; bytes and strings as u32 length, the bytes, one NUL
 * that the length does not count; a list of strings as u32 count and the strings; an operation as u32
 * opcode and its arguments in the order of ops.def; a list of operations as u32 count and those.
 */
#ifndef CORACLE_PROTOCOL_H
#define CORACLE_PROTOCOL_H
#include <stdint.h>

struct frame_header {
	uint32_t length; /* of the body */
	uint32_t kind;
	uint32_t id; /* chosen by the asker, repeated in the answer */
};

enum frame_kind {
	/* to the agent, or to a tree process */
	FRAME_PERFORM = 1, /* ops */
	FRAME_RESULTS = 2, /* u32 failed, results */
	/* to a monitor */
	FRAME_LAUNCH = 16, /* u32 tty, u32 stdin, u32 log, s path, u64 max_bytes, u32 max_files,
	                      ops host, ops join, u64 clone_flags, ops init, ops teardown */
	FRAME_GO = 17,
	FRAME_STATE = 18,
	FRAME_SIGNAL = 19, /* s exec, u32 signal */
	FRAME_RESIZE = 20, /* s exec, u32 height, u32 width */
	FRAME_EXEC = 21,   /* s id, u32 tty, u32 stdin, u32 streams, ops join, ops init */
	FRAME_ATTACH = 22, /* s exec, u32 streams; after OK the connection is a raw stream */
	/* from a monitor */
	FRAME_READY = 32,       /* u32 pid, results */
	FRAME_STARTED = 33,     /* u32 pid, results; after it an EXEC's connection is a raw stream */
	FRAME_FAILED = 34,      /* u32 pid, results: the last one is the failure */
	FRAME_STATE_REPLY = 35, /* u32 pid, u32 started, u32 exited, exit, u32 count, (s id, u32 pid)* */
	FRAME_OK = 36,
	FRAME_REFUSED = 37,     /* u32 errno or fault */
	FRAME_EXITED = 38,      /* exit, results of teardown */
	FRAME_EXEC_EXITED = 39, /* s id, exit */
	/* to and from the relay of DNS queries */
	FRAME_RELAY_ADD = 64,    /* s sandbox, s path of its namespace; OK or REFUSED */
	FRAME_RELAY_REMOVE = 65, /* s sandbox; OK */
	FRAME_RELAY_LIST = 66,   /* answered by the same kind: u32 count, (s sandbox)* */
	FRAME_RELAY_QUERY = 67,  /* id is the query's token; s sandbox, u32 tcp, bytes message */
	FRAME_RELAY_ANSWER = 68, /* the same id; bytes message */
	FRAME_RELAY_FORWARD = 69, /* s sandbox, u32 tcp, s address, u32 port, u32 milliseconds, bytes message;
				     answered by the same kind: bytes message, empty when none came */
};
/* exit: u32 code, u32 signal, u64 nanoseconds since 1970 */
/* result: u32 place, u32 index, u32 opcode, u32 errno or fault, u64 nanoseconds, bytes output */

enum place { PLACE_AGENT, PLACE_HOST, PLACE_JOIN, PLACE_INIT, PLACE_TEARDOWN, PLACE_TREE };
enum stdin_mode { STDIN_NONE, STDIN_OPEN, STDIN_ONCE };
enum log_driver { LOG_NONE, LOG_JSON_FILE };
/* Where log lines go besides (sink.c), and the form of the time before each. */
enum sink_transport { SINK_NONE, SINK_UNIX, SINK_UDP, SINK_TCP };
enum sink_time { SINK_TIME_NONE, SINK_TIME_STAMP, SINK_TIME_SECONDS, SINK_TIME_MICRO };
enum stream_bit { STREAM_STDIN = 1, STREAM_STDOUT = 2, STREAM_STDERR = 4 };

/* Failures that have no errno; FAULT in op.ts. */
enum fault {
	FAULT_COMMAND_NOT_FOUND = 10001,
	FAULT_USER_UNKNOWN = 10002,
	FAULT_GROUP_UNKNOWN = 10003,
	FAULT_ID_RANGE = 10004,
	FAULT_NOT_CONFINED = 10005,
	FAULT_CWD_OUTSIDE = 10006,
	FAULT_BAD_PLAN = 10007,
	FAULT_TOO_MANY = 10008,
	FAULT_OVER_DIRECTORY = 10009, /* tree_strict: what is no directory would replace one */
	FAULT_OVER_FILE = 10010,
};

/* Limits. */
#define FRAME_BYTES_MAX (64u << 20)
#define OPS_MAX 4096
#define RESULT_BYTES_MAX (150u << 10) /* one packet from init */
#define OUTPUT_BYTES_MAX 65536
#define NETLINK_BYTES_MAX (8u << 20) /* what one netlink operation may answer */
#define CLIENTS_MAX 512
#define IO_BYTES 65536
#define DRAIN_MS_MAX 2000        /* after a process ended, for its output, if somebody else holds the pipe */
#define LAUNCH_WAIT_MS_MAX 30000 /* of a monitor for its first connection */
#define CGROUP_WAIT_MS_MAX 10000 /* for a cgroup to become empty */
#define PASSWD_BYTES_MAX (4u << 20)
#define GROUPS_MAX 1024
#define LOG_LINE_BYTES 16384 /* a longer line is logged in parts, as Docker does */

#endif
