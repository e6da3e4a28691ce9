/* Door, view and the helper that the kernel calls; holds nothing: what /proc tells
 * about a process. The folder /proc/ID is opened once and everything is read below
 * it, so that no process that comes later under the same number is mixed in. */
#include "lib/procinfo.h"

#include "lib/num.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	STAT_MAX = 2048,   /* 52 numbers and a name */
	STATUS_MAX = 4096, /* its first lines; the groups may go on for pages */
	FDINFO_MAX = 512,
	ID_MAX = INT32_MAX,
};

/* Fields of /proc/PID/stat, numbered as in proc(5). */
enum {
	STAT_STATE = 3,
	STAT_PARENT = 4,
	STAT_START = 22,
	STAT_STARTCODE = 26,
	STAT_STARTSTACK = 28,
};

/* Text */

struct word {
	const char *p;
	size_t n;
};

/* The text up to `end`, which is stepped over. */
static bool word_to(struct rd *r, char end, struct word *w)
{
	const uint8_t *at = rd_left(r) ? memchr(r->p, end, rd_left(r)) : NULL;
	const uint8_t *p;

	if (!at)
		return false;
	w->n = (size_t)(at - r->p);
	if (rd_bytes(r, w->n + 1, &p) != OK)
		return false;
	w->p = (const char *)p;
	return true;
}

static bool word_u64(struct word w, uint64_t max, uint64_t *v)
{
	return num_u64(w.p, w.n, max, v) == OK;
}

/* A number that may be negative and does not matter. */
static bool word_any(struct word w)
{
	uint64_t v;

	if (w.n && w.p[0] == '-')
		w = (struct word){ w.p + 1, w.n - 1 };
	return word_u64(w, UINT64_MAX, &v);
}

/* Mixes two addresses into one number that tells neither (the finalizer of
 * splitmix64, twice). Never 0. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t image_of(uint64_t code, uint64_t stack)
{
	uint64_t h = mix(mix(code + 0x9e3779b97f4a7c15u) + stack);

	return h ? h : 1;
}

struct stat_text {
	uint64_t pid, parent, start, code, stack;
	char state;
};

static bool stat_field(struct stat_text *t, unsigned field, struct word w)
{
	if (field == STAT_STATE) {
		t->state = w.n == 1 ? w.p[0] : 0;
		return t->state >= 'A' && t->state <= 'z';
	}
	if (field == STAT_PARENT)
		return word_u64(w, ID_MAX, &t->parent);
	if (field == STAT_START)
		return word_u64(w, UINT64_MAX, &t->start);
	if (field == STAT_STARTCODE)
		return word_u64(w, UINT64_MAX, &t->code);
	if (field == STAT_STARTSTACK)
		return word_u64(w, UINT64_MAX, &t->stack);
	return word_any(w);
}

/* "PID (NAME) STATE PARENT …\n". The name may hold brackets and line ends, what
 * comes after it cannot: the last bracket ends it. */
static bool stat_split(const char *text, size_t len, struct stat_text *t)
{
	const char *close = len ? memrchr(text, ')', len) : NULL;
	struct rd r;
	struct word w;
	unsigned field;

	if (!close || text[len - 1] != '\n')
		return false;
	r = rd_from(text, (size_t)(close - text));
	if (!word_to(&r, ' ', &w) || !word_u64(w, ID_MAX, &t->pid) ||
	    !rd_left(&r) || *r.p != '(')
		return false;
	r = rd_from(close + 1, (size_t)(text + len - 1 - (close + 1)));
	if (!word_to(&r, ' ', &w) || w.n)
		return false;
	for (field = STAT_STATE; word_to(&r, ' ', &w); field++)
		if (!stat_field(t, field, w))
			return false;
	w = (struct word){ (const char *)r.p, rd_left(&r) };
	return stat_field(t, field, w) && field >= STAT_STARTSTACK;
}

enum err procinfo_parse_stat(const char *text, size_t len, struct procinfo *p)
{
	struct stat_text t = { 0 };

	if (!stat_split(text, len, &t))
		return ERR_INVALID;
	p->pid = (pid_t)t.pid;
	p->parent = (pid_t)t.parent;
	p->start = t.start;
	p->state = t.state;
	/* whoever may not look gets 1 and 0 */
	p->image = t.stack ? image_of(t.code, t.stack) : 0;
	return OK;
}

/* The four ids of a line Uid or Gid: real, effective, saved, of the file system. */
static bool four_ids(struct word w, uint64_t id[4])
{
	struct rd r = rd_from(w.p, w.n);

	for (unsigned i = 0; i < 3; i++)
		if (!word_to(&r, '\t', &w) || !word_u64(w, UINT32_MAX, &id[i]))
			return false;
	w = (struct word){ (const char *)r.p, rd_left(&r) };
	return word_u64(w, UINT32_MAX, &id[3]);
}

struct status_text {
	uint64_t tgid, parent, uid[4], gid[4];
	char state;
};

enum status_line {
	LINE_STATE,
	LINE_TGID,
	LINE_PARENT,
	LINE_UID,
	LINE_GID, /* the last one that is read */
	LINE__MAX
};

static const char *const line_name[] = { "State:\t", "Tgid:\t", "PPid:\t",
					 "Uid:\t", "Gid:\t" };
_Static_assert(NELEM(line_name) == LINE__MAX, "every line has a name");

static bool status_value(struct status_text *t, enum status_line line,
			 struct word w)
{
	switch (line) {
	case LINE_STATE:
		t->state = w.n ? w.p[0] : 0;
		return t->state >= 'A' && t->state <= 'z';
	case LINE_TGID:
		return word_u64(w, ID_MAX, &t->tgid);
	case LINE_PARENT:
		return word_u64(w, ID_MAX, &t->parent);
	case LINE_UID:
		return four_ids(w, t->uid);
	case LINE_GID:
		return four_ids(w, t->gid);
	case LINE__MAX:
		break;
	}
	return false;
}

/* Which line it is, with its value in w; LINE__MAX: one that does not matter. */
static enum status_line status_line(struct word *w)
{
	for (enum status_line i = 0; i < LINE__MAX; i++) {
		size_t n = strlen(line_name[i]);

		if (w->n < n || memcmp(w->p, line_name[i], n))
			continue;
		*w = (struct word){ w->p + n, w->n - n };
		return i;
	}
	return LINE__MAX;
}

enum err procinfo_parse_status(const char *text, size_t len, struct procinfo *p)
{
	struct rd r = rd_from(text, len);
	struct status_text t = { 0 };
	enum status_line want = 0;
	struct word w;

	/* in this order, each once; the kernel escapes line ends in the name */
	while (want < LINE__MAX) {
		enum status_line line;

		if (!word_to(&r, '\n', &w))
			return ERR_INVALID;
		line = status_line(&w);
		if (line == LINE__MAX)
			continue;
		if (line != want++ || !status_value(&t, line, w))
			return ERR_INVALID;
	}
	p->pid = (pid_t)t.tgid;
	p->parent = (pid_t)t.parent;
	p->state = t.state;
	p->uid = (uid_t)t.uid[0];
	p->euid = (uid_t)t.uid[1];
	p->fsuid = (uid_t)t.uid[3];
	p->gid = (gid_t)t.gid[0];
	return OK;
}

/* Files */

/* All of a small file, or its beginning; -1 and errno. */
static ssize_t slurp(int fd, char *text, size_t size)
{
	size_t n = 0;

	for (;;) {
		ssize_t k = read(fd, text + n, size - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		n += (size_t)k;
		/* /proc gives a small file whole in one read */
		if (!k || n == size || text[n - 1] == '\n')
			return (ssize_t)n;
	}
}

static enum err gone(pid_t id, struct fault *f)
{
	if (errno == ENOENT || errno == ESRCH)
		return fault_set(f, ERR_NOT_FOUND,
				 "there is no process %d (or it has ended)",
				 (int)id);
	return fault_set(f, ERR_UNAVAILABLE,
			 "process %d cannot be looked at in /proc: %s", (int)id,
			 strerror(errno));
}

static enum err odd(pid_t id, const char *name, struct fault *f)
{
	return fault_set(f, ERR_UNAVAILABLE,
			 "/proc/%d/%s is not as this program knows it", (int)id,
			 name);
}

/* /proc/PID is everybody's own, but files in it belong to root once the process
 * is not dumpable (task_dump_owner in the kernel). */
static enum err read_stat_at(int dir, const char *path, pid_t id,
			     struct procinfo *p, uid_t *owner, struct fault *f)
{
	AUTO(fd_close) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	char text[STAT_MAX];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return gone(id, f);
	n = slurp(fd, text, sizeof text);
	if (n < 0)
		return gone(id, f);
	if (procinfo_parse_stat(text, (size_t)n, p) != OK)
		return odd(id, "stat", f);
	*owner = st.st_uid;
	return OK;
}

static enum err read_status_at(int dir, pid_t id, struct procinfo *p,
			       struct fault *f)
{
	AUTO(fd_close) int fd = openat(dir, "status", O_RDONLY | O_CLOEXEC);
	char text[STATUS_MAX];
	ssize_t n;

	if (fd < 0)
		return gone(id, f);
	n = slurp(fd, text, sizeof text);
	if (n < 0)
		return gone(id, f);
	if (procinfo_parse_status(text, (size_t)n, p) != OK)
		return odd(id, "status", f);
	return OK;
}

enum err procinfo_read_stat(pid_t id, struct procinfo *p, struct fault *f)
{
	struct procinfo q = { 0 };
	char path[48];
	uid_t owner;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)id);
	TRY(read_stat_at(AT_FDCWD, path, id, &q, &owner, f));
	*p = q;
	return OK;
}

/* The start of a process is its leader's, also once that thread has ended. */
static enum err read_start(pid_t pid, uint64_t *start, struct fault *f)
{
	struct procinfo leader;

	TRY(procinfo_read_stat(pid, &leader, f));
	*start = leader.start;
	return OK;
}

bool procinfo_exe(int dir, const char *path, uint64_t *dev, uint64_t *ino)
{
	struct statx x;

	/* not every C library that this is built with has statx */
	if (syscall(SYS_statx, dir, path, AT_STATX_DONT_SYNC, STATX_INO, &x))
		return false;
	*dev = makedev(x.stx_dev_major, x.stx_dev_minor);
	*ino = x.stx_ino;
	return true;
}

static void look_at_links(int dir, struct procinfo *p)
{
	struct stat st;

	(void)!procinfo_exe(dir, "exe", &p->exe_dev, &p->exe_ino);
	if (!fstatat(dir, "ns/user", &st, 0))
		p->user_ns = st.st_ino;
	if (!fstatat(dir, "ns/pid", &st, 0))
		p->pid_ns = st.st_ino;
}

static enum err read_below(int dir, pid_t id, struct procinfo *p,
			   struct fault *f)
{
	struct procinfo thread = { 0 };
	uid_t owner;

	TRY(read_status_at(dir, id, p, f));
	if (p->pid != id)
		TRY(read_start(p->pid, &p->start, f));
	look_at_links(dir, p);
	/* read last: the thread lived until here, and so did its process */
	TRY(read_stat_at(dir, "stat", id, &thread, &owner, f));
	if (p->pid == id)
		p->start = thread.start;
	p->state = thread.state;
	p->image = thread.image;
	p->dumpable = owner == p->euid;
	return OK;
}

enum err procinfo_read(pid_t id, struct procinfo *p, struct fault *f)
{
	struct procinfo q = { 0 };
	char path[32];
	AUTO(fd_close) int dir = -1;

	(void)snprintf(path, sizeof path, "/proc/%d", (int)id);
	dir = openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return gone(id, f);
	TRY(read_below(dir, id, &q, f));
	*p = q;
	return OK;
}

/* pidfds */

/* The line "Pid:\tN": -1 has ended, 0 is not in our namespace. False: no such line. */
static bool fdinfo_pid(const char *text, size_t len, pid_t *pid)
{
	static const char key[] = "Pid:\t";
	struct rd r = rd_from(text, len);
	struct word w;
	uint64_t v = 0;

	while (word_to(&r, '\n', &w)) {
		if (w.n < sizeof key || memcmp(w.p, key, sizeof key - 1))
			continue;
		w = (struct word){ w.p + sizeof key - 1,
				   w.n - (sizeof key - 1) };
		if (w.n == 2 && !memcmp(w.p, "-1", 2))
			*pid = -1;
		else if (word_u64(w, ID_MAX, &v))
			*pid = (pid_t)v;
		else
			return false;
		return true;
	}
	return false;
}

static enum err pid_of(int pidfd, pid_t *pid, struct fault *f)
{
	char path[48], text[FDINFO_MAX];
	AUTO(fd_close) int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : slurp(fd, text, sizeof text);
	if (n < 0 && errno != ENOENT)
		return fault_set(f, ERR_UNAVAILABLE, "%s cannot be read: %s",
				 path, strerror(errno));
	if (n < 0 || !fdinfo_pid(text, (size_t)n, pid))
		return fault_set(f, ERR_INVALID, "descriptor %d is not a pidfd",
				 pidfd);
	return OK;
}

enum err procinfo_of_pidfd(int pidfd, struct procinfo *p, struct fault *f)
{
	struct pollfd alive = { .fd = pidfd, .events = POLLIN };
	struct procinfo q;
	pid_t pid = 0;

	TRY(pid_of(pidfd, &pid, f));
	if (pid <= 0)
		return fault_set(
			f, ERR_NOT_FOUND, "the process of the pidfd %s",
			pid ? "has ended" : "is not in this pid namespace");
	TRY(procinfo_read(pid, &q, f));
	if (poll(&alive, 1, 0))
		return fault_set(f, ERR_NOT_FOUND, "process %d has ended",
				 (int)pid);
	*p = q;
	return OK;
}

bool procinfo_same(const struct procinfo *a, const struct procinfo *b)
{
	return a->pid == b->pid && a->start == b->start;
}

bool procinfo_same_program(const struct procinfo *a, const struct procinfo *b)
{
	return procinfo_same(a, b) && a->exe_ino && a->image &&
	       a->exe_dev == b->exe_dev && a->exe_ino == b->exe_ino &&
	       a->image == b->image;
}

enum err procinfo_boot(char boot[BOOT_ID + 1])
{
	AUTO(fd_close)
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[BOOT_ID + 2];
	ssize_t n = fd < 0 ? -1 : slurp(fd, text, sizeof text);

	if (n != BOOT_ID + 1 || text[BOOT_ID] != '\n')
		return ERR_UNAVAILABLE;
	text[BOOT_ID] = 0;
	if (strspn(text, "0123456789abcdef-") != BOOT_ID)
		return ERR_UNAVAILABLE;
	memcpy(boot, text, BOOT_ID + 1);
	return OK;
}
