/* Tests: see rig.h. */
#include "tests/e2e/lib/rig.h"

#include "credd/kinds.h"
#include "lib/clock.h"
#include "lib/num.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PATIENCE_MS = 120000,
	FILE_MAX = 16 << 20,
};

static int failed;

__attribute__((format(printf, 2, 0))) static void print_case(
	const char *verdict, const char *fmt, va_list ap)
{
	char text[1024];

	(void)vsnprintf(text, sizeof text, fmt, ap);
	printf("%s %s\n", verdict, text);
	(void)fflush(stdout);
}

void case_ok(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_case("ok", fmt, ap);
	va_end(ap);
}

void case_failed(const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	failed++;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	printf("not ok %s - %s\n", name, text);
	(void)fflush(stdout);
}

void case_skip(const char *name, const char *why)
{
	printf("skip %s - %s\n", name, why);
	(void)fflush(stdout);
}

bool case_check(bool good, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (good)
		case_ok("%s", name);
	else
		case_failed(name, "%s", text);
	return good;
}

int cases_failed(void)
{
	return failed;
}

static uint64_t in_ms(unsigned ms)
{
	return clock_boot() + ms * CLOCK_MS;
}

static void send_with_fds(int sock, uint32_t kind, uint64_t id,
			  const struct attrs *a, const int *fd, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 4)];
	} ctl;
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct buf b;

	memset(&ctl, 0, sizeof ctl);
	buf_init(&b, MSG_MAX);
	ENSURE(msg_put(&b, kind, id, attrs_view(a)) == OK);
	iov = (struct iovec){ .iov_base = b.p, .iov_len = b.len };
	m.msg_control = &ctl;
	m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
	ctl.align.cmsg_level = SOL_SOCKET;
	ctl.align.cmsg_type = SCM_RIGHTS;
	ctl.align.cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(&ctl.align), fd, sizeof(int) * n);
	ENSURE(sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)b.len);
	buf_wipe(&b);
}

static enum err rig_begin(struct rig *r, bool mapped, uid_t uid,
			  struct fault *f)
{
	struct attrs a;
	struct attr_view v;
	struct attr one;
	struct msg m;
	enum err e;

	attrs_init(&a);
	if (mapped)
		TRY(attrs_add_u64(&a, "worker_uid", 1));
	if (uid) {
		TRY(attrs_add_u64(&a, "uid", uid));
		TRY(attrs_add_u64(&a, "gid", uid));
	}
	e = chan_put1(r->sup, SUP_START, 0, attrs_view(&a));
	attrs_wipe(&a);
	TRY(e);
	TRY(chan_get1(r->sup, &r->in, &m, NULL, in_ms(PATIENCE_MS), f));
	if (m.kind != SUP_READY)
		return fault_set(f, ERR_INTERNAL, "no SUP_READY");
	for (v = m.attrs; attr_next(&v, &one); r->weaker++)
		(void)snprintf(r->text, sizeof r->text, "%.*s", (int)one.len,
			       (const char *)one.value);
	return OK;
}

enum err rig_start(struct rig *r, const struct proc_idmap *map, uid_t uid,
		   struct fault *f)
{
	int sup[2], vault[2];
	struct proc_spec spec = { .daemon = "credd",
				  .role = "zygote",
				  .fd = &sup[1],
				  .fds = 1,
				  .idmap = map };
	struct attrs a;

	*r = (struct rig){ .next_id = 1 };
	buf_init(&r->in, MSG_MAX + 4);
	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sup));
	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, vault));
	TRY(proc_spawn(&spec, &r->zygote, f));
	close(sup[1]);
	r->sup = sup[0];
	r->vault = vault[0];
	TRY(rig_begin(r, map != NULL, uid, f));
	attrs_init(&a);
	TRY(attrs_add_str(&a, "peer", "vault"));
	send_with_fds(r->sup, SUP_PEER, 0, &a, &vault[1], 1);
	attrs_wipe(&a);
	close(vault[1]);
	return OK;
}

void rig_stop(struct rig *r)
{
	proc_kill(&r->zygote);
	(void)proc_reap(&r->zygote);
	close(r->sup);
	close(r->vault);
	buf_wipe(&r->in);
}

struct buf rig_file(const char *path)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf b;
	uint8_t *at;
	ssize_t n;

	buf_init(&b, FILE_MAX);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	do {
		ENSURE(buf_reserve(&b, 65536) == OK);
		n = read(fd, b.p + b.len, 65536);
		ENSURE(n >= 0 && buf_grow(&b, (size_t)n, &at) == OK);
	} while (n);
	return b;
}

int rig_memfd(const struct buf *b, bool seal)
{
	int fd = memfd_create("module", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ENSURE(fd >= 0 && write(fd, b->p, b->len) == (ssize_t)b->len);
	if (seal)
		ENSURE(!fcntl(fd, F_ADD_SEALS,
			      F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK |
				      F_SEAL_SEAL));
	return fd;
}

int rig_spawn(struct rig *r, int module, uint64_t memory, uint64_t *id)
{
	int sv[2], fds[2];
	struct attrs a;

	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	fds[0] = sv[1];
	fds[1] = module;
	attrs_init(&a);
	if (memory)
		ENSURE(attrs_add_u64(&a, "memory", memory) == OK);
	*id = r->next_id++;
	send_with_fds(r->vault, VZ_SPAWN, *id, &a, fds, 2);
	attrs_wipe(&a);
	close(sv[1]);
	return sv[0];
}

void rig_kill(struct rig *r, uint64_t id)
{
	ENSURE(chan_put1(r->vault, VZ_KILL, id, (struct attr_view){ 0 }) == OK);
}

bool rig_ended(struct rig *r, uint64_t id, int *sig, char *reason, size_t size)
{
	uint64_t until = in_ms(PATIENCE_MS), v = 0;
	struct attr a;
	struct msg m;

	for (;;) {
		if (chan_get1(r->vault, &r->in, &m, NULL, until, NULL) != OK)
			return false;
		if (m.kind != VZ_ENDED || m.id != id)
			continue;
		if (attr_find(m.attrs, "signal", &a))
			ENSURE(attr_u64(&a, 64, &v) == OK);
		*sig = (int)v;
		(void)snprintf(reason, size, "%s", rig_text(&m, "reason"));
		return true;
	}
}

enum err rig_get(int chan, struct buf *in, struct msg *m, unsigned ms)
{
	return chan_get1(chan, in, m, NULL, in_ms(ms), NULL);
}

void rig_credential(int chan, const char *key, const char *sent)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add(&a, "key", ATTR_CONFIDENTIAL, key, strlen(key)) == OK);
	if (sent)
		ENSURE(attrs_add(&a, "sent", ATTR_CONFIDENTIAL, sent,
				 strlen(sent)) == OK);
	ENSURE(chan_put1(chan, VW_CREDENTIAL, 0, attrs_view(&a)) == OK);
	attrs_wipe(&a);
}

void rig_run(int chan, uint32_t kind, uint64_t id, const char *op,
	     const char *name, const char *value)
{
	struct attrs a, list;

	attrs_init(&a);
	attrs_init(&list);
	if (name)
		ENSURE(attrs_add_str(&list, name, value) == OK);
	ENSURE(attrs_add_str(&a, "op", op) == OK);
	ENSURE(attrs_add_str(&a, "now", "1700000000") == OK);
	ENSURE(attrs_add(&a, "request", 0, list.bytes.p, list.bytes.len) == OK);
	if (chan_put1(chan, kind, id, attrs_view(&a)) != OK)
		printf("# the worker's channel is closed\n");
	attrs_wipe(&a);
	attrs_wipe(&list);
}

const char *rig_text(const struct msg *m, const char *name)
{
	static char text[3][2048];
	static unsigned next;
	char *to = text[next++ % 3];
	struct attr a;

	to[0] = 0;
	if (attr_find(m->attrs, name, &a))
		(void)snprintf(to, sizeof text[0], "%.*s", (int)a.len,
			       (const char *)a.value);
	return to;
}

long rig_number(const struct msg *m, const char *name)
{
	const char *text = rig_text(m, name);
	uint64_t v;

	return num_u64(text, strlen(text), INT32_MAX, &v) == OK ? (long)v : -1;
}
