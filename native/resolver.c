/*
 * The sockets that are 127.0.0.11:53 of a network namespace.
 *
 * A name server in a container wants port 53 on every address for itself, and could not have it
 * beside a socket of ours that is bound there. So ours are bound to other ports, and a program of the
 * namespace's socket lookup leads queries to them before the table of bound ports is asked
 * (Documentation/bpf/prog_sk_lookup.rst, Linux 5.9). Without BPF they are bound to port 53 itself.
 */
#define _GNU_SOURCE
#include "native.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADDRESS 0x7f00000b /* 127.0.0.11 */
#define PORT 53
#define BACKLOG 64
enum { SLOT_UDP, SLOT_TCP, SLOTS };

static int bpf(enum bpf_cmd command, union bpf_attr *attr) { return (int)syscall(SYS_bpf, command, attr, sizeof *attr); }

static int make_map(int udp, int tcp)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr);
	attr.map_type = BPF_MAP_TYPE_SOCKMAP;
	attr.key_size = attr.value_size = sizeof(uint32_t);
	attr.max_entries = SLOTS;
	int map = bpf(BPF_MAP_CREATE, &attr);
	const int sockets[SLOTS] = { [SLOT_UDP] = udp, [SLOT_TCP] = tcp };
	for (uint32_t slot = 0; map >= 0 && slot < SLOTS; slot++) {
		memset(&attr, 0, sizeof attr);
		attr.map_fd = (uint32_t)map;
		attr.key = (uint64_t)(uintptr_t)&slot;
		attr.value = (uint64_t)(uintptr_t)&sockets[slot];
		if (bpf(BPF_MAP_UPDATE_ELEM, &attr) < 0)
			map = closing(map, -1);
	}
	return map;
}

#define INSN(c, d, s, o, i) ((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define LOAD(d, s, o) INSN(BPF_LDX | BPF_MEM | BPF_W, d, s, o, 0)
#define MOVE(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define CALL(f) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define UNLESS(d, i, skip) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, skip, i)
#define CONTEXT(field) ((int16_t)offsetof(struct bpf_sk_lookup, field))

/* Port 53 of our address goes to our socket of that protocol; everything else as ever. */
static int load_program(int map)
{
	const struct bpf_insn program[] = {
		MOVE(6, 1),
		LOAD(2, 6, CONTEXT(local_port)), /* host byte order, unlike the address */
		UNLESS(2, PORT, 21),
		LOAD(2, 6, CONTEXT(local_ip4)),
		/* 32 bits: a constant is sign-extended to the 64 that the other comparison would use. */
		INSN(BPF_JMP32 | BPF_JNE | BPF_K, 2, 0, 19, (int32_t)htonl(ADDRESS)),
		LOAD(2, 6, CONTEXT(protocol)),
		SET(7, SLOT_UDP),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 2, IPPROTO_UDP),
		SET(7, SLOT_TCP),
		UNLESS(2, IPPROTO_TCP, 14),
		INSN(BPF_STX | BPF_MEM | BPF_W, 10, 7, -4, 0),
		INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0), /* the second half of the 64-bit constant */
		MOVE(2, 10),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7, 0),
		MOVE(7, 0),
		MOVE(1, 6),
		MOVE(2, 7),
		SET(3, 0),
		CALL(BPF_FUNC_sk_assign),
		MOVE(1, 7),
		CALL(BPF_FUNC_sk_release),
		SET(0, SK_PASS),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
	attr.expected_attach_type = BPF_SK_LOOKUP;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = sizeof program / sizeof *program;
	attr.license = (uint64_t)(uintptr_t)"Apache-2.0";
	return bpf(BPF_PROG_LOAD, &attr);
}

/* The lookup of the namespace that we are in leads to the sockets while the descriptor is open. */
static int steer(int udp, int tcp)
{
	int map = make_map(udp, tcp);
	int program = map < 0 ? -1 : load_program(map);
	int here = program < 0 ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int link = -1;
	if (here >= 0) {
		union bpf_attr attr;
		memset(&attr, 0, sizeof attr);
		attr.link_create.prog_fd = (uint32_t)program;
		attr.link_create.target_fd = (uint32_t)here;
		attr.link_create.attach_type = BPF_SK_LOOKUP;
		link = bpf(BPF_LINK_CREATE, &attr);
		close(here);
	}
	if (program >= 0)
		close(program);
	if (map >= 0)
		close(map);
	return link;
}

static int open_socket(int type, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	address.sin_addr.s_addr = htonl(ADDRESS);
	int one = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* Bound to port 53, a name server of the container may at least have it by udp beside us. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	/* lo may not be up yet: the daemon makes the endpoints at the same time. */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return closing(fd, -1);
	return fd;
}

void resolver_close(struct resolver *r)
{
	int *const all[] = { &r->link, &r->udp, &r->tcp, &r->raw };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (*all[i] >= 0)
			close(*all[i]);
		*all[i] = -1;
	}
}

static int open_sockets(struct resolver *r, uint16_t port)
{
	r->udp = open_socket(SOCK_DGRAM, port);
	r->tcp = r->udp < 0 ? -1 : open_socket(SOCK_STREAM, port);
	int saved = errno;
	if (r->tcp < 0)
		resolver_close(r);
	return errno = saved, r->tcp < 0 ? -1 : 0;
}

static int open_here(void *of)
{
	struct resolver *r = of;
	r->raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	if (r->raw >= 0 && open_sockets(r, 0) == 0 && (r->link = steer(r->udp, r->tcp)) >= 0)
		return 0;
	resolver_close(r);
	return open_sockets(r, PORT);
}

/* 127.0.0.11:53 of the namespace at path. */
int resolver_open(struct resolver *r, const char *path)
{
	*r = (struct resolver){ -1, -1, -1, -1 };
	return in_namespace(path, open_here, r);
}

/* Our socket has another port, so the datagram is written whole. */
static void send_raw(const struct resolver *r, struct sockaddr_in to, const void *data, size_t length)
{
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} __attribute__((packed)) head = {
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP }, /* the rest is filled in: raw(7) */
		.udp = { .source = htons(PORT), .dest = to.sin_port, .len = htons((uint16_t)(sizeof head.udp + length)) },
	};
	if (length > UINT16_MAX - sizeof head)
		return;
	head.ip.saddr = htonl(ADDRESS);
	head.ip.daddr = to.sin_addr.s_addr;
	head.ip.tot_len = htons((uint16_t)(sizeof head + length));
	to.sin_port = 0;
	struct iovec parts[] = { { &head, sizeof head }, { (void *)data, length } };
	struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = parts, .msg_iovlen = 2 };
	sendmsg(r->raw, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/*
 * The source is said each time: a socket that was bound before lo came up has none of its own, since
 * a namespace without any route takes each address for a broadcast (inet_bind, inet_addr_type).
 */
static void send_plain(const struct resolver *r, struct sockaddr_in to, const void *data, size_t length)
{
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = { 0 };
	struct iovec part = { (void *)data, length };
	struct msghdr m = { .msg_name = &to,
			    .msg_namelen = sizeof to,
			    .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof control };
	struct in_pktinfo source = { .ipi_spec_dst.s_addr = htonl(ADDRESS) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof source);
	memcpy(CMSG_DATA(c), &source, sizeof source);
	sendmsg(r->udp, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* An answer by udp, from 127.0.0.11:53. */
void resolver_send(const struct resolver *r, const struct sockaddr_in *to, const void *data, size_t length)
{
	if (r->link >= 0)
		send_raw(r, *to, data, length);
	else
		send_plain(r, *to, data, length);
}
