/* Zygote: holds our code and the libraries, warm; no module's code, no credential.
 * As root it is nobody on the host: root only in a user namespace the supervisor made.
 *	supervisor -> zygote	SUP_START [worker_uid=] [uid= gid=]; SUP_PEER peer=vault
 *	zygote -> supervisor	SUP_READY weaker=
 *	vault -> zygote		VZ_SPAWN worker memory=, fds: channel, module
 *	vault -> zygote		VZ_KILL worker
 *	zygote -> vault		VZ_ENDED worker reason= [signal=]
 * worker_uid: the uid and gid, in the namespace we are in, that workers take; absent:
 * there is no such namespace, and uid and gid, if given, are to be taken. */
#include "credd/cage.h"
#include "credd/kinds.h"
#include "credd/roles.h"
#include "credd/worker.h"
#include "lib/chan.h"
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	WORKERS_MAX = 1024,
	EXIT_CAGE = 70, /* a worker that could not enter its cage */
	MODULE_SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK,
};

struct kid {
	struct loop_fd watch; /* its pidfd */
	struct kid *next;
	uint64_t id;
	struct proc proc;
	bool asked; /* its end was wanted */
};

static struct zygote {
	struct loop *loop;
	struct chan sup;
	struct chan vault;
	struct cage cage;
	struct kid *kids;
	unsigned count;
} z;

/* What a request for a worker comes down to. */
struct order {
	uint64_t id;
	uint64_t memory;
	int chan;
	int module;
};

static void say_ended(uint64_t id, const char *reason, int sig)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "reason", reason) == OK);
	if (sig)
		ENSURE(attrs_add_u64(&a, "signal", (uint64_t)sig) == OK);
	if (chan_send(&z.vault, VZ_ENDED, id, attrs_view(&a)) != OK)
		chan_flush(&z.vault); /* a vault that is gone needs no answer */
	attrs_wipe(&a);
}

static void kid_unlink(struct kid *k)
{
	struct kid **at = &z.kids;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	z.count--;
}

static void kid_reason(const struct kid *k, struct proc_end end, char *text,
		       size_t size)
{
	char how[64];

	proc_end_text(end, how, sizeof how);
	if (end.killed && end.value == SIGSYS)
		(void)snprintf(text, size,
			       "%s: it made a system call that the sandbox "
			       "forbids",
			       how);
	else if (k->asked)
		(void)snprintf(text, size, "%s on request", how);
	else
		(void)snprintf(text, size, "%s", how);
}

static void kid_ended(struct loop_fd *w, uint32_t events)
{
	struct kid *k = (struct kid *)((char *)w - offsetof(struct kid, watch));
	struct proc_end end;
	char text[160];

	(void)events;
	loop_unwatch(&k->watch);
	kid_unlink(k);
	end = proc_reap(&k->proc);
	kid_reason(k, end, text, sizeof text);
	say_ended(k->id, text, end.killed ? end.value : 0);
	free(k);
}

static struct kid *kid_find(uint64_t id)
{
	for (struct kid *k = z.kids; k; k = k->next)
		if (k->id == id)
			return k;
	return NULL;
}

static void kid_kill(struct kid *k)
{
	k->asked = true;
	proc_kill(&k->proc);
}

/* The new process. From here on nothing of the zygote is used but its cage. */
_Noreturn static void kid_run(const struct order *o)
{
	struct worker_start start = { .chan = CAGE_CHAN,
				      .filter = z.cage.final };
	struct fault f;

	(void)prctl(PR_SET_NAME, "credd-worker", 0, 0, 0);
	if (cage_enter(&z.cage, o->chan, o->module, o->memory, &start.path,
		       &f) != OK) {
		worker_refuse(CAGE_CHAN, &f);
		_exit(EXIT_CAGE);
	}
	_exit(worker_main(&start));
}

static pid_t kid_clone(int *pidfd)
{
	return (pid_t)syscall(SYS_clone, cage_clone_flags(&z.cage), NULL, pidfd,
			      NULL, NULL);
}

static void kid_new(const struct order *o)
{
	struct kid *k = xcalloc(1, sizeof *k);
	int pidfd = -1;
	pid_t pid = kid_clone(&pidfd);

	if (!pid)
		kid_run(o);
	if (pid < 0) {
		free(k);
		say_ended(o->id, "cannot make a process", 0);
		return;
	}
	k->id = o->id;
	k->proc = (struct proc){ .pid = pid, .pidfd = pidfd };
	k->watch = (struct loop_fd){ .fd = pidfd,
				     .events = EPOLLIN,
				     .on = kid_ended };
	k->next = z.kids;
	z.kids = k;
	z.count++;
	ENSURE(loop_watch(z.loop, &k->watch) == OK);
}

/* What is loaded must be what the vault hashed, to the end. */
static bool module_ok(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & MODULE_SEALS) == MODULE_SEALS &&
	       !fstat(fd, &st) && st.st_size > 0 &&
	       st.st_size <= CAGE_MODULE_MAX;
}

static void on_spawn(const struct msg *m)
{
	AUTO(fd_close) int chan = chan_take_fd(&z.vault);
	AUTO(fd_close) int module = chan_take_fd(&z.vault);
	struct order o = { .id = m->id,
			   .memory = CAGE_MEMORY,
			   .chan = chan,
			   .module = module };
	struct attr a;

	if (attr_find(m->attrs, "memory", &a) &&
	    attr_u64(&a, CAGE_MEMORY_MAX, &o.memory) != OK)
		o.memory = CAGE_MEMORY;
	if (chan < 0 || module < 0 || !module_ok(module))
		say_ended(o.id, "the module did not come as a sealed memfd", 0);
	else if (z.count >= WORKERS_MAX)
		say_ended(o.id, "there are too many workers", 0);
	else if (kid_find(o.id))
		say_ended(o.id, "there is a worker of that id", 0);
	else
		kid_new(&o);
}

static void on_vault(struct chan *c, const struct msg *m)
{
	struct kid *k;

	(void)c;
	switch ((enum vault_zygote_kind)m->kind) {
	case VZ_SPAWN:
		on_spawn(m);
		return;
	case VZ_KILL:
		k = kid_find(m->id);
		if (k)
			kid_kill(k);
		return;
	case VZ_ENDED:
		break;
	}
	_exit(1);
}

/* A vault's workers die with it: the next one has other channels. */
static void vault_end(struct chan *c, const struct fault *why)
{
	(void)why;
	for (struct kid *k = z.kids; k; k = k->next)
		kid_kill(k);
	chan_close(c);
}

static void on_sup(struct chan *c, const struct msg *m)
{
	static const struct chan_ops ops = { .on_msg = on_vault,
					     .on_end = vault_end };
	int fd = chan_take_fd(c);

	if (m->kind != SUP_PEER || fd < 0)
		_exit(1);
	if (chan_is_open(&z.vault))
		vault_end(&z.vault, NULL);
	chan_open(&z.vault, z.loop, fd, false, &ops);
}

/* Our children end with us. */
static void sup_end(struct chan *c, const struct fault *why)
{
	(void)c;
	(void)why;
	_exit(0);
}

/* What a probe needs and a confined zygote can no longer make. */
struct probe {
	int module;
	int said[2];
};

static enum err probe_open(struct probe *p, struct fault *f)
{
	p->module = memfd_create("probe", MFD_CLOEXEC);
	if (p->module < 0 || pipe2(p->said, O_CLOEXEC | O_NONBLOCK))
		return fault_set(f, ERR_INTERNAL, "cannot make a probe: %s",
				 strerror(errno));
	return OK;
}

static void probe_close(struct probe *p)
{
	fd_close(&p->module);
	fd_close(&p->said[0]);
	fd_close(&p->said[1]);
}

_Noreturn static void probe_run(const struct probe *p)
{
	const char *path;
	struct fault f;

	if (cage_enter(&z.cage, p->said[1], p->module, CAGE_MEMORY, &path,
		       &f) == OK)
		_exit(0);
	(void)!write(CAGE_CHAN, f.text, strlen(f.text));
	_exit(EXIT_CAGE);
}

/* Whether a worker can really enter its cage here, found out with one that loads
 * nothing; why not is then in f. */
static enum err probe(const struct probe *p, struct fault *f)
{
	char text[FAULT_TEXT_MAX] = "";
	struct proc kid = { .pidfd = -1 };
	struct proc_end end;

	kid.pid = kid_clone(&kid.pidfd);
	if (!kid.pid)
		probe_run(p);
	if (kid.pid < 0)
		return fault_set(f, ERR_UNSUPPORTED, "clone: %s",
				 strerror(errno));
	end = proc_reap(&kid);
	if (!end.killed && end.value == 0)
		return OK;
	if (read(p->said[0], text, sizeof text - 1) <= 0)
		proc_end_text(end, text, sizeof text);
	return fault_set(f, ERR_UNSUPPORTED, "%s", text);
}

/* What is needed to make cages, in the namespace we are in. */
static uint64_t cage_caps(void)
{
	if (z.cage.kind == CAGE_PLAIN)
		return 0;
	return 1ull << CAP_SYS_ADMIN | 1ull << CAP_SETPCAP |
	       1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_KILL;
}

static bool start_number(const struct msg *m, const char *name, uint32_t *v)
{
	struct attr a;
	uint64_t n;

	if (attr_only(m->attrs, name, &a) != OK ||
	    attr_u64(&a, UINT32_MAX, &n) != OK)
		return false;
	*v = (uint32_t)n;
	return true;
}

/* Without a namespace made for it, root would be root on the host. */
static enum err leave_root(struct confine_spec *s, const struct msg *m,
			   struct fault *f)
{
	if (!start_number(m, "uid", &s->uid) ||
	    !start_number(m, "gid", &s->gid))
		return OK;
	confine_bounding(0);
	TRY(confine_ids(s->uid, s->gid, true, 0, f));
	return confine_caps(0, f);
}

static enum err probe_cage(const struct probe *p, struct confine_report *r,
			   struct fault *f)
{
	struct fault why;

	if (probe(p, f) == OK)
		return OK;
	if (z.cage.kind == CAGE_PLAIN)
		return ERR_UNSUPPORTED;
	why = *f;
	TRY(cage_weaken(&z.cage, r, why.text, f));
	return probe(p, f);
}

static enum err start_cage(const struct msg *m, struct confine_report *r,
			   struct fault *f)
{
	struct confine_spec s = confine_spec_of(CONFINE_ZYGOTE);
	struct probe p = { .module = -1, .said = { -1, -1 } };
	uid_t worker = 0;
	bool mapped = start_number(m, "worker_uid", &worker);
	enum err e;

	if (!mapped)
		TRY(leave_root(&s, m, f));
	TRY(cage_prepare(&z.cage, mapped, worker, r, f));
	TRY(probe_open(&p, f));
	s.keep_caps = cage_caps();
	e = confine_apply(&s, r, f);
	if (e == OK)
		e = probe_cage(&p, r, f);
	probe_close(&p);
	return e;
}

static enum err say_ready(const struct confine_report *r)
{
	struct attrs a;
	enum err e = OK;

	attrs_init(&a);
	for (size_t i = 0; e == OK && i < r->count; i++)
		e = attrs_add_str(&a, "weaker", r->weaker[i]);
	if (e == OK)
		e = chan_put1(SUP_FD, SUP_READY, 0, attrs_view(&a));
	attrs_wipe(&a);
	return e;
}

static enum err start(struct fault *f)
{
	struct confine_report r = { .count = 0 };
	struct buf in;
	struct msg m;
	enum err e;

	buf_init(&in, MSG_MAX + 4);
	e = chan_get1(SUP_FD, &in, &m, NULL, UINT64_MAX, f);
	if (e == OK && m.kind != SUP_START)
		e = fault_set(f, ERR_INVALID, "the supervisor does not start");
	if (e == OK)
		e = start_cage(&m, &r, f);
	buf_wipe(&in);
	return e == OK ? say_ready(&r) : e;
}

int role_zygote(void)
{
	static const struct chan_ops ops = { .on_msg = on_sup,
					     .on_end = sup_end };
	struct fault f = { .code = OK };

	if (start(&f) != OK) {
		fprintf(stderr,
			"level=crit role=zygote event=start_failed "
			"text=\"%s\"\n",
			f.text);
		return 1;
	}
	z.loop = loop_new();
	chan_open(&z.sup, z.loop, SUP_FD, false, &ops);
	loop_run(z.loop);
	return 0;
}
