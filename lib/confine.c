/* Confinement of every role, in the one order in which the steps do not get into
 * each other's way: namespaces while privileged, then ids and capabilities, Landlock
 * before a tight descriptor limit, the system call filter last. Holds nothing. */
#include "lib/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEP_ALL UINT64_MAX

enum {
	CAPS_MAX = 64,
	PRIVATE_NS = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
};

/* Ids and folders are the caller's to add. Fronts hold no confidential byte, but
 * nobody who gets into one shall find a file or a network there either. */
static const struct confine_spec specs[] = {
	[CONFINE_SUPERVISOR] = { .files = CONFINE_FILES_ANY,
				 .keep_caps = KEEP_ALL },
	[CONFINE_DOOR] = { .files = CONFINE_FILES_ANY,
			   .keep_caps = 1ull << CAP_SYS_PTRACE,
			   .unshare = PRIVATE_NS,
			   .no_children = true },
	[CONFINE_FRONT] = { .files = CONFINE_FILES_NONE,
			    .unshare = PRIVATE_NS | CLONE_NEWNS,
			    .empty_root = true,
			    .no_children = true },
	[CONFINE_VAULT] = { .files = CONFINE_FILES_NONE,
			    .unshare = PRIVATE_NS | CLONE_NEWNS,
			    .empty_root = true,
			    .no_children = true },
	[CONFINE_STORE] = { .files = CONFINE_FILES_PATHS,
			    .unshare = PRIVATE_NS,
			    .no_children = true },
	[CONFINE_OPENER] = { .files = CONFINE_FILES_NONE,
			     .unshare = PRIVATE_NS | CLONE_NEWNS,
			     .empty_root = true,
			     .no_children = true },
	[CONFINE_ZYGOTE] = { .files = CONFINE_FILES_ANY },
	/* its listeners were made outside, and accept there */
	[CONFINE_GATE] = { .files = CONFINE_FILES_NONE,
			   .unshare = PRIVATE_NS | CLONE_NEWNS,
			   .empty_root = true,
			   .no_children = true },
	/* a path is its current folder's, certmgr's; sockets have no network */
	[CONFINE_GATE_REMOTE] = { .files = CONFINE_FILES_NONE,
				  .unshare = PRIVATE_NS | CLONE_NEWNS,
				  .empty_root = true,
				  .no_children = true },
	[CONFINE_ISSUER] = { .files = CONFINE_FILES_NONE,
			     .unshare = PRIVATE_NS | CLONE_NEWNS,
			     .empty_root = true,
			     .no_children = true },
	[CONFINE_CA_STORE] = { .files = CONFINE_FILES_PATHS,
			       .unshare = PRIVATE_NS,
			       .no_children = true },
	[CONFINE_CA_SIGNER] = { .files = CONFINE_FILES_PATHS,
				.unshare = PRIVATE_NS,
				.no_children = true },
	[CONFINE_PROBER] = { .files = CONFINE_FILES_NONE,
			     .unshare = PRIVATE_NS | CLONE_NEWNS,
			     .empty_root = true,
			     .no_children = true },
	[CONFINE_DIALER] = { .files = CONFINE_FILES_PATHS,
			     .unshare = CLONE_NEWIPC | CLONE_NEWUTS,
			     .connects = true,
			     .no_children = true },
	/* connections come from the dialer */
	[CONFINE_VERIFIER] = { .files = CONFINE_FILES_NONE,
			       .unshare = PRIVATE_NS | CLONE_NEWNS,
			       .empty_root = true,
			       .no_children = true },
	/* its listener was made outside; the helper connects there */
	[CONFINE_KEEPER] = { .files = CONFINE_FILES_NONE,
			     .unshare = PRIVATE_NS | CLONE_NEWNS,
			     .empty_root = true,
			     .no_children = true },
	/* connections come from the dialer */
	[CONFINE_NET] = { .files = CONFINE_FILES_PATHS,
			  .unshare = PRIVATE_NS,
			  .no_children = true },
	/* looks at who opens a file, as door does at who connects; three descriptors
	 * an agent */
	[CONFINE_VIEW] = { .files = CONFINE_FILES_ANY,
			   .keep_caps = 1ull << CAP_SYS_PTRACE,
			   .unshare = PRIVATE_NS,
			   .nofile = 50000,
			   .no_children = true },
	[CONFINE_WORKER_LOAD] = { .files = CONFINE_FILES_NONE,
				  .no_children = true,
				  .no_files = true },
	[CONFINE_WORKER] = { .files = CONFINE_FILES_NONE,
			     .no_children = true,
			     .no_files = true },
};

_Static_assert(NELEM(specs) == CONFINE__MAX, "every role has a spec");

struct confine_spec confine_spec_of(enum confine_role role)
{
	struct confine_spec s;

	ENSURE((unsigned)role < CONFINE__MAX);
	s = specs[role];
	s.role = role;
	return s;
}

void confine_weaker(struct confine_report *r, const char *fmt, ...)
{
	va_list ap;

	if (r->count == CONFINE_WEAKER_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(r->weaker[r->count++], CONFINE_TEXT_MAX, fmt, ap);
	va_end(ap);
}

static enum err step_failed(struct fault *f, const char *step)
{
	return fault_set(f, ERR_INTERNAL, "cannot confine: %s: %s", step,
			 strerror(errno));
}

enum err confine_limit(int what, uint64_t value, struct fault *f)
{
	struct rlimit now, r;

	if (getrlimit((__rlimit_resource_t)what, &now))
		return step_failed(f, "getrlimit");
	r.rlim_max = MIN((rlim_t)value, now.rlim_max);
	r.rlim_cur = r.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &r))
		return step_failed(f, "setrlimit");
	return OK;
}

void confine_bounding(uint64_t keep)
{
	/* EINVAL: past the last capability of this kernel. EPERM, without
	 * CAP_SETPCAP, is made up for by no_new_privs. */
	for (unsigned long c = 0; c < CAPS_MAX; c++)
		if (!(keep >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) &&
		    errno == EINVAL)
			break;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

enum err confine_caps(uint64_t keep, struct fault *f)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
						 0 };
	struct __user_cap_data_struct now[2], set[2];

	if (syscall(SYS_capget, &head, now))
		return step_failed(f, "capget");
	for (unsigned i = 0; i < 2; i++) {
		uint32_t want = (uint32_t)(keep >> (32 * i));

		set[i].permitted = set[i].effective = now[i].permitted & want;
		set[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, set))
		return step_failed(f, "capset");
	return OK;
}

enum err confine_ids(uid_t uid, gid_t gid, bool groups, uint64_t keep,
		     struct fault *f)
{
	if (groups && setgroups(0, NULL))
		return step_failed(f, "setgroups");
	if (setresgid(gid, gid, gid))
		return step_failed(f, "setresgid");
	if (keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return step_failed(f, "keep capabilities");
	if (setresuid(uid, uid, uid))
		return step_failed(f, "setresuid");
	if (keep && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0))
		return step_failed(f, "keep capabilities no longer");
	return OK;
}

enum err confine_root(const char *at, uint64_t bytes,
		      enum err (*fill)(void *arg, struct fault *f), void *arg,
		      struct fault *f)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV;
	char options[64];

	(void)snprintf(options, sizeof options,
		       "size=%llu,nr_inodes=8,mode=0755",
		       (unsigned long long)bytes);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return step_failed(f, "private mounts");
	if (mount("none", at, "tmpfs", flags, options) || chdir(at))
		return step_failed(f, "mount an empty root");
	if (fill)
		TRY(fill(arg, f));
	if (mount(NULL, at, NULL, MS_REMOUNT | MS_RDONLY | flags, NULL))
		return step_failed(f, "make the root read-only");
	if (syscall(SYS_pivot_root, ".", "."))
		return step_failed(f, "pivot_root");
	if (umount2(".", MNT_DETACH) || chdir("/"))
		return step_failed(f, "leave the old root");
	return OK;
}

static enum err apply_namespaces(const struct confine_spec *s,
				 struct confine_report *r, struct fault *f)
{
	if (!s->unshare)
		return OK;
	if (unshare(s->unshare)) {
		confine_weaker(r,
			       "%s has no namespaces of its own (%s): start "
			       "as root",
			       confine_role_name(s->role), strerror(errno));
		return OK;
	}
	if (s->empty_root)
		TRY(confine_root("/tmp", 4096, NULL, NULL, f));
	return OK;
}

static enum err apply_ids(const struct confine_spec *s,
			  struct confine_report *r, struct fault *f)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
						 0 };
	struct __user_cap_data_struct now[2];

	if (s->keep_caps == KEEP_ALL)
		return OK;
	confine_bounding(s->keep_caps);
	if (s->change_ids)
		TRY(confine_ids(s->uid, s->gid, true, s->keep_caps, f));
	TRY(confine_caps(s->keep_caps, f));
	if (syscall(SYS_capget, &head, now))
		return step_failed(f, "capget");
	if (s->keep_caps &
	    ~(now[0].effective | (uint64_t)now[1].effective << 32))
		confine_weaker(r,
			       "%s lacks a capability and sees only processes "
			       "of its own user: start as root",
			       confine_role_name(s->role));
	return OK;
}

enum err confine_process(bool end_with_parent, struct fault *f)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return step_failed(f, "forbid dumps");
	/* Changing ids has cleared it. */
	if (end_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return step_failed(f, "end with the parent");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return step_failed(f, "no new privileges");
	return OK;
}

/* A role that may open nothing is held by its filter too, and only gets weaker
 * without Landlock; one that opens files below a folder must not run without. */
static enum err apply_files(const struct confine_spec *s,
			    struct confine_report *r, struct fault *f)
{
	enum err e;

	if (s->files == CONFINE_FILES_ANY)
		return OK;
	ENSURE((s->files == CONFINE_FILES_PATHS) == (s->paths > 0));
	e = landlock_apply(s->path, s->paths, s->connects, f);
	if (e != ERR_UNSUPPORTED || s->files == CONFINE_FILES_PATHS)
		return e;
	confine_weaker(r, "%s runs without Landlock, which this kernel lacks",
		       confine_role_name(s->role));
	return OK;
}

static enum err apply_limits(const struct confine_spec *s, struct fault *f)
{
	TRY(confine_limit(RLIMIT_CORE, 0, f));
	if (s->no_children)
		TRY(confine_limit(RLIMIT_NPROC, 0, f));
	if (s->nofile)
		TRY(confine_limit(RLIMIT_NOFILE, s->nofile, f));
	/* Secret memory is locked memory: as much as there is to have. */
	TRY(confine_limit(RLIMIT_MEMLOCK, RLIM_INFINITY, f));
	if (!confine_variant_limits())
		return OK;
	if (s->no_files)
		TRY(confine_limit(RLIMIT_FSIZE, 0, f));
	if (s->memory)
		TRY(confine_limit(RLIMIT_AS, s->memory, f));
	return OK;
}

enum err confine_apply(const struct confine_spec *s, struct confine_report *r,
		       struct fault *f)
{
	struct confine_filter *filter = NULL;
	enum err e;

	confine_variant_begin();
	TRY(apply_namespaces(s, r, f));
	TRY(apply_ids(s, r, f));
	TRY(confine_process(s->role != CONFINE_SUPERVISOR, f));
	TRY(apply_files(s, r, f));
	TRY(confine_filter_new(s->role, &filter, f));
	e = apply_limits(s, f);
	if (e == OK)
		e = confine_filter_load(filter, f);
	confine_filter_free(filter);
	return e;
}
