/*
 * Who the process is: user and groups by the image's own files (D6: no NSS, size caps), capabilities,
 * seccomp, limits; and the last step, execve(2).
 */
#define _GNU_SOURCE
#include "native.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ID_MAX 2147483647UL
#define FIELDS_MAX 7

/* /etc/passwd or /etc/group of the root, whole and NUL-terminated; "" if missing. */
static char *database(struct context *c, const char *path)
{
	struct stat st;
	int fd = open_in(c->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? strdup("") : NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return strdup("");
	}
	if (st.st_size > (off_t)PASSWD_BYTES_MAX) {
		close(fd);
		return errno = FAULT_TOO_MANY, NULL;
	}
	char *text = malloc((size_t)st.st_size + 1);
	size_t used = 0;
	for (ssize_t n; text && used < (size_t)st.st_size && (n = read(fd, text + used, (size_t)st.st_size - used)) > 0;)
		used += (size_t)n;
	close(fd);
	if (text)
		text[used] = '\0';
	return text;
}

/* Cuts the next line into its fields at ':'; false at the end. */
static bool next_entry(char **at, char *fields[FIELDS_MAX])
{
	for (int i = 0; i < FIELDS_MAX; i++)
		fields[i] = (char *)"";
	if (!**at)
		return false;
	char *line = *at, *end = strchrnul(line, '\n');
	*at = *end ? end + 1 : end;
	if (end > line && end[-1] == '\r') /* a file that Windows has written */
		end--;
	*end = '\0';
	for (int i = 0; i < FIELDS_MAX && line; i++) {
		fields[i] = line;
		line = strchr(line, ':');
		if (line)
			*line++ = '\0';
	}
	return true;
}

/* A number is an id, whatever names there are; -1 not a number, -2 out of range. */
static long parse_id(const char *text)
{
	if (!*text || strspn(text, "0123456789") != strlen(text))
		return -1;
	errno = 0;
	unsigned long value = strtoul(text, NULL, 10);
	return errno || value > ID_MAX ? -2 : (long)value;
}

static bool lists(const char *members, const char *name)
{
	size_t length = strlen(name);
	for (const char *at = members; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (!strncmp(at, name, length) && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

static int add_group(struct context *c, gid_t gid)
{
	for (int i = 0; i < c->group_count; i++)
		if (c->groups[i] == gid)
			return 0;
	if (c->group_count == GROUPS_MAX)
		return errno = FAULT_TOO_MANY, -1;
	c->groups[c->group_count++] = gid;
	return 0;
}

/* The group called `name` or numbered so; the number itself if no entry has it. */
static int find_group(struct context *c, const char *name, gid_t *gid)
{
	long id = parse_id(name);
	if (id == -2)
		return errno = FAULT_ID_RANGE, -1;
	if (id >= 0)
		return *gid = (gid_t)id, 0;
	char *text = database(c, "etc/group"), *at = text, *f[FIELDS_MAX];
	if (!text)
		return -1;
	bool found = false;
	while (!found && next_entry(&at, f))
		if (!strcmp(f[0], name) && parse_id(f[2]) >= 0) {
			*gid = (gid_t)parse_id(f[2]);
			found = true;
		}
	free(text);
	return found ? 0 : (errno = FAULT_GROUP_UNKNOWN, -1);
}

static int find_user(struct context *c, const char *name, char *login, size_t size)
{
	long id = parse_id(name);
	if (id == -2)
		return errno = FAULT_ID_RANGE, -1;
	char *text = database(c, "etc/passwd"), *at = text, *f[FIELDS_MAX];
	if (!text)
		return -1;
	bool found = false;
	while (!found && next_entry(&at, f))
		if (parse_id(f[2]) >= 0 && (id >= 0 ? parse_id(f[2]) == id : !strcmp(f[0], name))) {
			long gid = parse_id(f[3]);
			c->uid = (uid_t)parse_id(f[2]);
			c->gid = gid >= 0 ? (gid_t)gid : 0;
			snprintf(login, size, "%s", f[0]);
			if (*f[5])
				snprintf(c->home, sizeof c->home, "%s", f[5]);
			found = true;
		}
	free(text);
	if (!found && id < 0)
		return errno = FAULT_USER_UNKNOWN, -1;
	if (!found) {
		c->uid = (uid_t)id;
		c->gid = 0;
	}
	return 0;
}

/* user: "", "name", "1000", "name:group", ":group"; the supplementary groups come from the image unless a group is named */
int op_lookup_user(struct context *c, const struct op *op)
{
	char name[512], login[256] = "";
	if (!c->inside || op->a[0].length >= sizeof name)
		return errno = FAULT_BAD_PLAN, -1;
	strcpy(name, op->a[0].s);
	char *group = strchr(name, ':');
	if (group)
		*group++ = '\0';
	c->group_count = 0;
	if (find_user(c, *name ? name : "0", login, sizeof login) < 0)
		return -1;
	if (group && *group && find_group(c, group, &c->gid) < 0)
		return -1;
	/* As in Docker: without it, a file that denies the primary group is open to who drops it. */
	if (add_group(c, c->gid) < 0)
		return -1;
	if (!(group && *group) && *login) {
		char *text = database(c, "etc/group"), *at = text, *f[FIELDS_MAX];
		if (!text)
			return -1;
		int result = 0;
		while (result == 0 && next_entry(&at, f))
			if (lists(f[3], login) && parse_id(f[2]) >= 0)
				result = add_group(c, (gid_t)parse_id(f[2]));
		free(text);
		if (result < 0)
			return -1;
	}
	for (uint32_t i = 0; i < op->a[1].length; i++) {
		gid_t gid;
		if (find_group(c, op->a[1].l[i], &gid) < 0 || add_group(c, gid) < 0)
			return -1;
	}
	return 0;
}

/* D4: reached by openat2 and fchdir, then the kernel itself must say that it lies below the root. */
int op_workdir(struct context *c, const struct op *op)
{
	char cwd[4097];
	int fd = op->a[1].u ? make_path(c->root, op->a[0].s, 0755) : open_in(c->root, op->a[0].s, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return -1;
	if (closing(fd, fchdir(fd)) < 0)
		return -1;
	if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0 || cwd[0] != '/')
		return errno = FAULT_CWD_OUTSIDE, -1;
	return 0;
}

int op_ready(struct context *c, const struct op *op)
{
	char go;
	(void)op;
	if (!send_packet(c->sync, PACKET_READY, 0, c->results, -1))
		_exit(1);
	c->results->count = 0;
	c->results->body.used = 0;
	ssize_t n;
	while ((n = recv(c->sync, &go, 1, 0)) < 0 && errno == EINTR)
		;
	if (n != 1)
		_exit(1); /* the monitor gave up, and undoes what was made */
	return 0;
}

int op_rlimit(struct context *c, const struct op *op)
{
	(void)c;
	struct rlimit limit = { .rlim_cur = (rlim_t)op->a[1].u, .rlim_max = (rlim_t)op->a[2].u };
	return setrlimit((int)op->a[0].u, &limit);
}

int op_umask(struct context *c, const struct op *op)
{
	(void)c;
	umask((mode_t)op->a[0].u);
	return 0;
}

int op_no_new_privs(struct context *c, const struct op *op)
{
	(void)c;
	(void)op;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int op_seccomp(struct context *c, const struct op *op)
{
	(void)c;
	if (op->a[0].length % sizeof(struct sock_filter) || op->a[0].length / sizeof(struct sock_filter) > 65535)
		return errno = EINVAL, -1;
	/* The frame gives no alignment. */
	struct sock_filter *filter = malloc(op->a[0].length + 1);
	if (!filter)
		return -1;
	memcpy(filter, op->a[0].s, op->a[0].length);
	struct sock_fprog program = { .len = (unsigned short)(op->a[0].length / sizeof *filter), .filter = filter };
	long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)op->a[1].u, &program);
	free(filter);
	return result == 0 ? 0 : -1;
}

int op_bounding(struct context *c, const struct op *op)
{
	(void)c;
	for (int cap = 0; cap < 64; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (has < 0)
			break; /* above the last capability of this kernel */
		if (has && !(op->a[0].u >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -1;
	}
	return 0;
}

/*
 * The program may open /dev/stdout again only if its pipe or terminal belongs to it. A /dev/null was
 * opened on the host: the container's own takes its place, so that no descriptor of the host stays.
 */
static int own_stdio(uid_t uid)
{
	struct stat null, st;
	int fresh = open("/dev/null", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	bool has_null = fresh >= 0 && fstat(fresh, &null) == 0 && S_ISCHR(null.st_mode) && fcntl(fresh, F_SETFL, 0) == 0;
	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0)
			continue;
		if (has_null && S_ISCHR(st.st_mode) && st.st_rdev == null.st_rdev)
			dup2(fresh, fd);
		else if (st.st_uid != uid && fchown(fd, uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
			 errno != EROFS)
			return closing(fresh, -1);
	}
	return closing(fresh, 0);
}

int op_set_user(struct context *c, const struct op *op)
{
	if (own_stdio(c->uid) < 0)
		return -1;
	if (op->a[0].u && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -1;
	if (setgroups((size_t)c->group_count, c->groups) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
	    setresuid(c->uid, c->uid, c->uid) < 0)
		return -1;
	return op->a[0].u ? prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) : 0;
}

int op_caps(struct context *c, const struct op *op)
{
	(void)c;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t ambient = op->a[3].u;
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(op->a[0].u >> 32 * i);
		data[i].permitted = (uint32_t)(op->a[1].u >> 32 * i);
		data[i].inheritable = (uint32_t)(op->a[2].u >> 32 * i);
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	for (int cap = 0; cap < 64; cap++)
		if (ambient >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -1;
	return 0;
}

static int executable(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return errno = EISDIR, -1;
	if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return errno = EACCES, -1;
	return 0;
}

/* execvp(3)'s search, with the PATH of the new environment. */
static int find_command(const char *name, const char **env, char *found, size_t size)
{
	if (strchr(name, '/')) {
		snprintf(found, size, "%s", name);
		return executable(found);
	}
	const char *path = NULL;
	for (const char **e = env; *e; e++)
		if (!strncmp(*e, "PATH=", 5))
			path = *e + 5;
	for (const char *at = path; at && *name; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
		size_t length = strcspn(at, ":");
		int n = length ? snprintf(found, size, "%.*s/%s", (int)length, at, name) : snprintf(found, size, "./%s", name);
		if (n > 0 && (size_t)n < size && executable(found) == 0)
			return 0;
	}
	return errno = FAULT_COMMAND_NOT_FOUND, -1;
}

/* With HOME from passwd where the plan has none; nothing else is added (D6). */
static const char **environment(struct context *c, const struct argument *env, char *home, size_t size)
{
	const char **list = calloc(env->length + 2, sizeof *list);
	bool has = false;
	uint32_t n = 0;
	if (!list)
		return NULL;
	for (uint32_t i = 0; i < env->length; i++) {
		has = has || (!strncmp(env->l[i], "HOME=", 5) && env->l[i][5]);
		if (strcmp(env->l[i], "HOME="))
			list[n++] = env->l[i];
	}
	if (!has) {
		snprintf(home, size, "HOME=%s", c->home);
		list[n++] = home;
	}
	return list;
}

/* A reaper starts with all blocked: one that comes before it waits for them stays pending (execve(2)). */
static void reset_signals(bool block)
{
	/*
	 * By the system call: glibc keeps 32 and 33 for itself and refuses them, yet whoever started the
	 * daemon may have left them ignored, and execve(2) hands that on. All zero is SIG_DFL, no flags.
	 */
	const unsigned long action[4] = { 0 };
	sigset_t mask;
	for (int s = 1; s < NSIG; s++)
		syscall(SYS_rt_sigaction, s, action, NULL, 8);
	if (block)
		sigfillset(&mask);
	else
		sigemptyset(&mask);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

/*
 * The last step. What is open above 2 closes at execve (D4); the packet socket among it, and its end
 * of file tells the monitor that the program runs. A reaper (docker run --init) is our own sealed
 * program executed as pid 1, which then starts the command.
 */
int op_exec(struct context *c, const struct op *op)
{
	char home[4200], path[4096];
	const char **env = environment(c, &op->a[1], home, sizeof home);
	if (!env || op->a[0].length == 0)
		return errno = FAULT_BAD_PLAN, -1;
	if (find_command(op->a[0].l[0], env, path, sizeof path) < 0)
		return -1;
	setsid(); /* its own session also without a terminal; fails if it leads one already */
	reset_signals(op->a[2].u);
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	/* After the change of user, which clears it: without its monitor nobody would reap it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (!send_packet(c->sync, PACKET_RESULTS, 0, c->results, -1))
		_exit(1);
	c->results->count = 0;
	c->results->body.used = 0;
	if (!op->a[2].u) {
		execve(path, (char **)op->a[0].l, (char **)env);
		return -1;
	}
	const char **argv = calloc(op->a[0].length + 4, sizeof *argv);
	if (!argv)
		return -1;
	argv[0] = "coracle-init";
	argv[1] = "--";
	argv[2] = path;
	memcpy(argv + 3, op->a[0].l, op->a[0].length * sizeof *argv);
	syscall(SYS_execveat, self_exe, "", argv, env, AT_EMPTY_PATH);
	return -1;
}
