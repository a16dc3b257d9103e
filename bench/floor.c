/*
 * The floor: what the kernel itself asks for one container, with no engine around. The same cgroups,
 * namespaces, union mount, /dev, masks, pivot_root, privileges and execve as a default container of
 * ours (no network), then wait and clean up. `make bench` gives the engine's start as a multiple.
 *
 * usage: floor LOWER SCRATCH [ITERATIONS] [PARTS]
 *   LOWER    a root file system with /bin/true        SCRATCH  a directory for upper and work
 *   PARTS    letters of what to do: c cgroups, n namespaces beyond mount and pid, m mounts inside
 *            the root, p privileges (capabilities, seccomp), v the overlay's "volatile" option, as
 *            the engine has it for --rm: no sync of the whole file system at umount; default cnmp
 * Prints one JSON line: milliseconds a start, median over the iterations, and the parts of it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HIERARCHIES_MAX = 24, ITERATIONS_MAX = 10000, PHASES = 6 };
static const char *const phase_names[PHASES] = { "prepare", "clone", "join", "mounts", "exec", "cleanup" };

/* Written by the child too, so it lies in shared memory: the time at which each phase ended. */
struct stamps { long long at[PHASES + 1]; };

struct hierarchy { char mountpoint[256]; char controllers[128]; int unified; };
static struct hierarchy hierarchies[HIERARCHIES_MAX];
static int hierarchy_count;
static char cpus[256], mems[256], lower[512], scratch[512];
static int do_cgroups, do_namespaces, do_mounts, do_privileges, do_volatile;
static struct stamps *stamps;

static void die(const char *what) {
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* A path of ours; one that does not fit ends the program rather than name another file. */
static void format(char *out, size_t size, const char *text, ...) {
	va_list arguments;
	va_start(arguments, text);
	int n = vsnprintf(out, size, text, arguments);
	va_end(arguments);
	if (n < 0 || (size_t)n >= size) errno = ENAMETOOLONG, die(text);
}

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int write_file(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	ssize_t n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static void read_line(const char *path, char *out, size_t size) {
	FILE *f = fopen(path, "re");
	out[0] = 0;
	if (!f) return;
	if (!fgets(out, (int)size, f)) out[0] = 0;
	fclose(f);
}

static void find_hierarchies(void) {
	FILE *f = fopen("/proc/self/mounts", "re");
	char source[256], where[256], type[64], options[512];
	if (!f) die("/proc/self/mounts");
	while (fscanf(f, "%255s %255s %63s %511s %*d %*d\n", source, where, type, options) == 4) {
		int unified = !strcmp(type, "cgroup2");
		if ((!unified && strcmp(type, "cgroup")) || hierarchy_count == HIERARCHIES_MAX) continue;
		struct hierarchy *h = &hierarchies[hierarchy_count++];
		format(h->mountpoint, sizeof h->mountpoint, "%s", where);
		format(h->controllers, sizeof h->controllers, "%.*s", (int)sizeof h->controllers - 1, options);
		h->unified = unified;
	}
	fclose(f);
}

static int has(const struct hierarchy *h, const char *controller) {
	return !h->unified && strstr(h->controllers, controller) != NULL;
}

static const char *const device_rules[] = {
	"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",
	"c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm", "c 10:200 rwm",
};

static void cgroup_path(char *out, size_t size, const struct hierarchy *h, int n, const char *file) {
	format(out, size, "%s/coracle-floor/%d%s%s", h->mountpoint, n, file ? "/" : "", file ? file : "");
}

static void cgroup_set(const struct hierarchy *h, int n, const char *file, const char *value) {
	char path[512];
	cgroup_path(path, sizeof path, h, n, file);
	if (write_file(path, value)) die(path);
}

static void make_cgroups(int n) {
	char path[512];
	for (int i = 0; i < hierarchy_count; i++) {
		const struct hierarchy *h = &hierarchies[i];
		cgroup_path(path, sizeof path, h, n, NULL);
		if (mkdir(path, 0755)) die(path);
		if (has(h, "cpuset")) {
			cgroup_set(h, n, "cpuset.cpus", cpus);
			cgroup_set(h, n, "cpuset.mems", mems);
		}
		if (has(h, "devices")) {
			cgroup_set(h, n, "devices.deny", "a");
			for (size_t r = 0; r < sizeof device_rules / sizeof *device_rules; r++)
				cgroup_set(h, n, "devices.allow", device_rules[r]);
		}
	}
}

static void remove_cgroups(int n) {
	char path[512];
	for (int i = 0; i < hierarchy_count; i++) {
		cgroup_path(path, sizeof path, &hierarchies[i], n, NULL);
		while (rmdir(path) && errno == EBUSY) usleep(200);
	}
}

static void cgroup_parents(int make) {
	char path[512];
	for (int i = 0; i < hierarchy_count; i++) {
		format(path, sizeof path, "%s/coracle-floor", hierarchies[i].mountpoint);
		if (!make) rmdir(path);
		else if (mkdir(path, 0755) && errno != EEXIST) die(path);
		if (!make || !has(&hierarchies[i], "cpuset")) continue;
		format(path, sizeof path, "%s/cpuset.cpus", hierarchies[i].mountpoint);
		read_line(path, cpus, sizeof cpus);
		format(path, sizeof path, "%s/cpuset.mems", hierarchies[i].mountpoint);
		read_line(path, mems, sizeof mems);
		format(path, sizeof path, "%s/coracle-floor/cpuset.cpus", hierarchies[i].mountpoint);
		write_file(path, cpus);
		format(path, sizeof path, "%s/coracle-floor/cpuset.mems", hierarchies[i].mountpoint);
		write_file(path, mems);
	}
}

static void join_cgroups(int n) {
	for (int i = 0; i < hierarchy_count; i++)
		if (!hierarchies[i].unified) cgroup_set(&hierarchies[i], n, "cgroup.procs", "0");
}

static void attach(const char *type, const char *source, const char *target, unsigned long flags, const char *data) {
	if (mount(source, target, type, flags, data)) die(target);
}

static void bind_read_only(const char *source, const char *target, unsigned long more) {
	attach(NULL, source, target, MS_BIND, NULL);
	attach(NULL, NULL, target, MS_BIND | MS_REMOUNT | MS_RDONLY | more, NULL);
}

static void make_dev(void) {
	static const struct { const char *path; int major, minor; } nodes[] = {
		{ "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 },
		{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
	};
	static const char *const links[][2] = {
		{ "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" }, { "/proc/self/fd/1", "dev/stdout" },
		{ "/proc/self/fd/2", "dev/stderr" }, { "pts/ptmx", "dev/ptmx" }, { "/proc/kcore", "dev/core" },
	};
	attach("tmpfs", "tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	mkdir("dev/pts", 0755);
	mkdir("dev/shm", 0755);
	mkdir("dev/mqueue", 0755);
	attach("devpts", "devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	attach("tmpfs", "shm", "dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k");
	attach("mqueue", "mqueue", "dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor))) die(nodes[i].path);
		if (chmod(nodes[i].path, 0666)) die(nodes[i].path);
	}
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (symlink(links[i][0], links[i][1])) die(links[i][1]);
}

static void mount_cgroups(int n) {
	char source[512], target[600];
	attach("tmpfs", "cgroup", "sys/fs/cgroup", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=755");
	for (int i = 0; i < hierarchy_count; i++) {
		if (hierarchies[i].unified) continue;
		cgroup_path(source, sizeof source, &hierarchies[i], n, NULL);
		format(target, sizeof target, "sys/fs/cgroup/%d", i);
		mkdir(target, 0755);
		bind_read_only(source, target, MS_NOSUID | MS_NOEXEC | MS_NODEV);
	}
	attach(NULL, NULL, "sys/fs/cgroup", MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=755");
}

static void protect_proc(void) {
	static const char *const masked[] = { "proc/acpi", "proc/asound", "proc/interrupts", "proc/kcore", "proc/keys",
		"proc/latency_stats", "proc/sched_debug", "proc/scsi", "proc/timer_list", "proc/timer_stats",
		"sys/devices/virtual/powercap", "sys/firmware" };
	static const char *const read_only[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };
	struct stat s;
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
		if (stat(masked[i], &s)) continue;
		if (S_ISDIR(s.st_mode)) attach("tmpfs", "tmpfs", masked[i], MS_RDONLY, "nr_blocks=1,nr_inodes=1");
		else attach(NULL, "dev/null", masked[i], MS_BIND, NULL);
	}
	for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++)
		if (!stat(read_only[i], &s)) bind_read_only(read_only[i], read_only[i], MS_NOSUID | MS_NOEXEC | MS_NODEV);
}

static void bind_files(const char *directory) {
	static const char *const names[] = { "hosts", "hostname", "resolv.conf" };
	char source[700], target[64];
	mkdir("etc", 0755);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		format(source, sizeof source, "%s/%s", directory, names[i]);
		format(target, sizeof target, "etc/%s", names[i]);
		int fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd >= 0) close(fd);
		attach(NULL, source, target, MS_BIND, NULL);
	}
}

static void inside(int n, const char *directory) {
	attach("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	if (!do_mounts) return;
	make_dev();
	attach("sysfs", "sysfs", "sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL);
	if (do_cgroups) mount_cgroups(n);
	bind_files(directory);
	if (do_namespaces) {
		write_file("proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
		write_file("proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	}
	protect_proc();
}

static void loopback_up(void) {
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request)) die("lo up");
	close(fd);
}

/* As many rules as our default profile has, all of them passed by the calls of /bin/true. */
static void install_filter(void) {
	enum { RULES = 300 };
	static struct sock_filter code[RULES + 3];
	size_t n = 0;
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < RULES; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 10000 + i, 0, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = (unsigned short)n, .filter = code };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) die("seccomp");
}

static void drop_privileges(void) {
	const unsigned long long keep = 0xa80425fbULL;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = (unsigned)keep, .permitted = (unsigned)keep } };
	for (int c = 0; c < 41; c++)
		if (!(keep >> c & 1)) prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	install_filter();
	if (syscall(SYS_capset, &header, data)) die("capset");
}

static void child(int n, const char *directory) {
	char options[2048], root[600];
	char *argv[] = { "true", NULL }, *envp[] = { "PATH=/bin", "HOSTNAME=floor", "HOME=/root", NULL };
	stamps->at[2] = now();
	if (do_cgroups) join_cgroups(n);
	stamps->at[3] = now();
	if (do_namespaces) {
		if (sethostname("floor", 5)) die("sethostname");
		loopback_up();
	}
	attach(NULL, NULL, "/", MS_REC | MS_SLAVE, NULL);
	format(root, sizeof root, "%s/root", scratch);
	format(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work%s", lower, directory,
		directory, do_volatile ? ",volatile" : "");
	attach("overlay", "overlay", root, 0, options);
	if (chdir(root)) die(root);
	inside(n, directory);
	if (syscall(SYS_pivot_root, ".", ".")) die("pivot_root");
	attach(NULL, NULL, ".", MS_REC | MS_SLAVE, NULL);
	if (umount2(".", MNT_DETACH) || chdir("/")) die("old root");
	stamps->at[4] = now();
	setsid();
	if (do_privileges) drop_privileges();
	syscall(SYS_close_range, 3, ~0U, 0);
	execve("/bin/true", argv, envp);
	die("/bin/true");
}

static void make_directory(const char *directory) {
	static const char *const folders[] = { "", "/upper", "/work" };
	static const char *const files[] = { "/hosts", "/hostname", "/resolv.conf" };
	char path[700];
	for (size_t i = 0; i < 3; i++) {
		format(path, sizeof path, "%s%s", directory, folders[i]);
		if (mkdir(path, 0755)) die(path);
	}
	for (size_t i = 0; i < 3; i++) {
		format(path, sizeof path, "%s%s", directory, files[i]);
		int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, "127.0.0.1 localhost\n", 20) != 20) die(path);
		close(fd);
	}
}

static void remove_tree(int parent, const char *name) {
	if (!unlinkat(parent, name, 0)) return;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) die(name);
	for (struct dirent *e; (e = readdir(dir));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) remove_tree(fd, e->d_name);
	closedir(dir);
	if (unlinkat(parent, name, AT_REMOVEDIR)) die(name);
}

static void start_one(int n) {
	char directory[600], path[512];
	int unified = -1, status;
	stamps->at[0] = now();
	format(directory, sizeof directory, "%s/c%d", scratch, n);
	make_directory(directory);
	struct clone_args args = { .flags = CLONE_NEWNS | CLONE_NEWPID, .exit_signal = SIGCHLD };
	if (do_namespaces) args.flags |= CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWTIME;
	if (do_cgroups) {
		make_cgroups(n);
		for (int i = 0; i < hierarchy_count; i++) {
			if (!hierarchies[i].unified) continue;
			cgroup_path(path, sizeof path, &hierarchies[i], n, NULL);
			unified = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		if (unified >= 0) args.flags |= CLONE_INTO_CGROUP, args.cgroup = (unsigned)unified;
	}
	stamps->at[1] = now();
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0) die("clone3");
	if (!pid) child(n, directory);
	if (waitpid(pid, &status, 0) != pid || status) die("the container failed");
	stamps->at[5] = now();
	if (unified >= 0) close(unified);
	if (do_cgroups) remove_cgroups(n);
	remove_tree(AT_FDCWD, directory);
	stamps->at[6] = now();
}

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv) {
	static double total[ITERATIONS_MAX], phase[PHASES][ITERATIONS_MAX];
	char path[600];
	int iterations = argc > 3 ? atoi(argv[3]) : 100;
	const char *parts = argc > 4 ? argv[4] : "cnmp";
	if (argc < 3 || iterations < 1 || iterations > ITERATIONS_MAX || !realpath(argv[1], lower) || !realpath(argv[2], scratch)) {
		fprintf(stderr, "usage: floor LOWER SCRATCH [ITERATIONS] [PARTS]\n");
		return 2;
	}
	do_cgroups = strchr(parts, 'c') != NULL;
	do_namespaces = strchr(parts, 'n') != NULL;
	do_mounts = strchr(parts, 'm') != NULL;
	do_privileges = strchr(parts, 'p') != NULL;
	do_volatile = strchr(parts, 'v') != NULL;
	stamps = mmap(NULL, sizeof *stamps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stamps == MAP_FAILED) die("mmap");
	umask(0022);
	find_hierarchies();
	if (do_cgroups) cgroup_parents(1);
	format(path, sizeof path, "%s/root", scratch);
	if (mkdir(path, 0755) && errno != EEXIST) die(path);
	for (int i = 0; i < iterations; i++) {
		start_one(i);
		total[i] = (double)(stamps->at[PHASES] - stamps->at[0]) / 1e6;
		for (int p = 0; p < PHASES; p++) phase[p][i] = (double)(stamps->at[p + 1] - stamps->at[p]) / 1e6;
	}
	if (do_cgroups) cgroup_parents(0);
	rmdir(path);
	qsort(total, (size_t)iterations, sizeof *total, compare);
	printf("{\"iterations\":%d,\"median_ms\":%.3f,\"p95_ms\":%.3f", iterations, total[iterations / 2], total[iterations * 95 / 100]);
	for (int p = 0; p < PHASES; p++) {
		qsort(phase[p], (size_t)iterations, sizeof **phase, compare);
		printf(",\"%s_ms\":%.3f", phase_names[p], phase[p][iterations / 2]);
	}
	printf("}\n");
	return 0;
}
