/*
 * The floor of a container's network: what the kernel itself asks for one endpoint on a bridge, with
 * no engine around. A pinned network namespace, a veth pair, its end as a port of the bridge with
 * hairpin, lo, an address and a default route, in as few messages as there are; then the port down,
 * and the namespace given up, with which the pair goes a moment later. No rule is in it: a container
 * that publishes nothing needs none of its own. `make bench` gives the engine's time beside it.
 *
 * usage: net-floor DIRECTORY [ITERATIONS [PRESENT]]
 * PRESENT endpoints are on the bridge before, and stay.
 * Works in a network namespace of its own. Prints one JSON line: milliseconds, medians.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ITERATIONS_MAX = 10000, PRESENT_MAX = 1000, MESSAGE_BYTES = 1024, INSIDE_INDEX = 16 };

struct message { struct nlmsghdr h; char body[MESSAGE_BYTES]; };

static void die(const char *what) {
	fprintf(stderr, "net-floor: %s: %s\n", what, strerror(errno));
	exit(99);
}

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void start(struct message *m, int type, int flags, const void *header, size_t size) {
	memset(m, 0, sizeof *m);
	m->h.nlmsg_type = (unsigned short)type;
	m->h.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
	m->h.nlmsg_len = NLMSG_LENGTH(size);
	memcpy(NLMSG_DATA(&m->h), header, size);
}

static struct rtattr *put(struct message *m, int type, const void *data, size_t size) {
	struct rtattr *a = (struct rtattr *)((char *)m + NLMSG_ALIGN(m->h.nlmsg_len));
	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(size);
	if (size) memcpy(RTA_DATA(a), data, size);
	m->h.nlmsg_len = NLMSG_ALIGN(m->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(struct message *m, struct rtattr *nest) {
	nest->rta_len = (unsigned short)((char *)m + m->h.nlmsg_len - (char *)nest);
}

static void put_text(struct message *m, int type, const char *text) { put(m, type, text, strlen(text) + 1); }
static void put_number(struct message *m, int type, unsigned value) { put(m, type, &value, sizeof value); }

static void ask(int fd, struct message *m, const char *what) {
	char answer[8192];
	if (send(fd, m, m->h.nlmsg_len, 0) < 0) die(what);
	ssize_t n = recv(fd, answer, sizeof answer, 0);
	struct nlmsghdr *h = (struct nlmsghdr *)answer;
	if (n < (ssize_t)sizeof *h || h->nlmsg_type != NLMSG_ERROR) die(what);
	int error = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
	if (error) errno = error, die(what);
}

static int open_route(void) {
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0) die("netlink");
	return fd;
}

/*
 * No address of IPv6 of its own making: what each end then tells of itself goes to every port of the
 * bridge, and with a thousand of them that costs twenty times the rest.
 */
static void without_link_local(struct message *m) {
	unsigned char none = 1; /* IN6_ADDR_GEN_MODE_NONE */
	struct rtattr *families = put(m, IFLA_AF_SPEC, NULL, 0);
	struct rtattr *six = put(m, AF_INET6, NULL, 0);
	put(m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
	end(m, six);
	end(m, families);
}

static void link_up(int fd, int index, unsigned up) {
	struct message m;
	struct ifinfomsg link = { .ifi_index = index, .ifi_change = IFF_UP, .ifi_flags = up ? IFF_UP : 0 };
	start(&m, RTM_NEWLINK, 0, &link, sizeof link);
	if (index == INSIDE_INDEX) without_link_local(&m);
	ask(fd, &m, "link up");
}

static void add_address(int fd, int index, const char *ip) {
	struct message m;
	struct in_addr in;
	struct ifaddrmsg address = { .ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = (unsigned)index };
	inet_pton(AF_INET, ip, &in);
	start(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address, sizeof address);
	put(&m, IFA_LOCAL, &in, sizeof in);
	put(&m, IFA_ADDRESS, &in, sizeof in);
	ask(fd, &m, "address");
}

static void add_default(int fd, const char *gateway) {
	struct message m;
	struct in_addr in;
	struct rtmsg route = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST };
	inet_pton(AF_INET, gateway, &in);
	start(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
	put(&m, RTA_GATEWAY, &in, sizeof in);
	ask(fd, &m, "route");
}

static int make_bridge(int fd) {
	struct message m;
	struct ifinfomsg link = { .ifi_change = IFF_UP, .ifi_flags = IFF_UP };
	start(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof link);
	put_text(&m, IFLA_IFNAME, "floor0");
	struct rtattr *info = put(&m, IFLA_LINKINFO, NULL, 0);
	put_text(&m, IFLA_INFO_KIND, "bridge");
	end(&m, info);
	ask(fd, &m, "bridge");
	int index = (int)if_nametoindex("floor0");
	add_address(fd, index, "10.99.0.1");
	return index;
}

/* The pair, made inside, where the index is chosen; its peer is born in the namespace of `host`. */
static void add_pair(int fd, const char *name, int host) {
	struct message m;
	struct ifinfomsg link = { .ifi_index = INSIDE_INDEX };
	struct ifinfomsg other = { 0 };
	start(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof link);
	put_text(&m, IFLA_IFNAME, "eth0");
	struct rtattr *info = put(&m, IFLA_LINKINFO, NULL, 0);
	put_text(&m, IFLA_INFO_KIND, "veth");
	struct rtattr *data = put(&m, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *peer = put(&m, VETH_INFO_PEER, &other, sizeof other);
	put_text(&m, IFLA_IFNAME, name);
	put_number(&m, IFLA_NET_NS_FD, (unsigned)host);
	end(&m, peer);
	end(&m, data);
	end(&m, info);
	ask(fd, &m, "veth");
}

/* As a port of the bridge (0 takes it out), with hairpin. */
static void set_port(int fd, const char *name, int bridge, unsigned up) {
	struct message m;
	struct ifinfomsg link = { .ifi_change = up ? 0 : IFF_UP };
	start(&m, RTM_NEWLINK, 0, &link, sizeof link);
	put_text(&m, IFLA_IFNAME, name);
	put_number(&m, IFLA_MASTER, (unsigned)bridge);
	if (up) without_link_local(&m);
	ask(fd, &m, "port");
	if (!up) return;
	struct ifinfomsg port = { .ifi_change = IFF_UP, .ifi_flags = IFF_UP };
	unsigned char on = 1;
	start(&m, RTM_NEWLINK, 0, &port, sizeof port);
	put_text(&m, IFLA_IFNAME, name);
	struct rtattr *info = put(&m, IFLA_LINKINFO, NULL, 0);
	put_text(&m, IFLA_INFO_SLAVE_KIND, "bridge");
	struct rtattr *slave = put(&m, IFLA_INFO_SLAVE_DATA, NULL, 0);
	put(&m, IFLA_BRPORT_MODE, &on, sizeof on);
	end(&m, slave);
	end(&m, info);
	ask(fd, &m, "hairpin");
}

static void set_up(int fd, int host, const char *pin, const char *name, const char *ip, int bridge) {
	int file = open(pin, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (file < 0) die(pin);
	close(file);
	if (unshare(CLONE_NEWNET)) die("unshare");
	if (mount("/proc/self/ns/net", pin, NULL, MS_BIND, NULL)) die("pin");
	int inside = open_route();
	add_pair(inside, name, host);
	link_up(inside, INSIDE_INDEX, 1);
	link_up(inside, 1, 1);
	add_address(inside, INSIDE_INDEX, ip);
	add_default(inside, "10.99.0.1");
	close(inside);
	if (setns(host, CLONE_NEWNET)) die("setns");
	set_port(fd, name, bridge, 1);
}

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *values, int count) {
	qsort(values, (size_t)count, sizeof *values, compare);
	return values[count / 2];
}

int main(int argc, char **argv) {
	static double made[ITERATIONS_MAX], removed[ITERATIONS_MAX], both[ITERATIONS_MAX];
	int iterations = argc > 2 ? atoi(argv[2]) : 50;
	int present = argc > 3 ? atoi(argv[3]) : 0;
	if (argc < 2 || iterations < 1 || iterations > ITERATIONS_MAX || present < 0 || present > PRESENT_MAX) {
		fprintf(stderr, "usage: net-floor DIRECTORY [ITERATIONS [PRESENT]]\n");
		return 2;
	}
	if (unshare(CLONE_NEWNET)) die("unshare");
	int host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = open_route();
	if (host < 0) die("namespace");
	int bridge = make_bridge(fd);
	for (int i = -present; i < iterations; i++) {
		char pin[600], name[IF_NAMESIZE], ip[32];
		int number = i + present;
		if ((size_t)snprintf(pin, sizeof pin, "%s/ns%d", argv[1], number) >= sizeof pin) die(argv[1]);
		snprintf(name, sizeof name, "cv%d", number);
		snprintf(ip, sizeof ip, "10.99.%d.%d", 1 + number / 250, 1 + number % 250);
		long long a = now();
		set_up(fd, host, pin, name, ip, bridge);
		long long b = now();
		if (i < 0) continue;
		set_port(fd, name, 0, 0);
		if (umount2(pin, MNT_DETACH) || unlink(pin)) die(pin);
		long long c = now();
		made[i] = (double)(b - a) / 1e6;
		removed[i] = (double)(c - b) / 1e6;
		both[i] = (double)(c - a) / 1e6;
	}
	for (int number = 0; number < present; number++) {
		char pin[600];
		snprintf(pin, sizeof pin, "%s/ns%d", argv[1], number);
		if (umount2(pin, MNT_DETACH) || unlink(pin)) die(pin);
	}
	printf("{\"iterations\":%d,\"median_ms\":%.3f,\"set_up_ms\":%.3f,\"removal_ms\":%.3f}\n", iterations,
		median(both, iterations), median(made, iterations), median(removed, iterations));
	return 0;
}
