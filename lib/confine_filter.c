/* A role's table of system calls made into a filter, and that loaded; used by every
 * confined process, holds nothing. */
#include "lib/confine_calls.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	FILTER_INSNS_MAX = 4096
};

const char *confine_role_name(enum confine_role role)
{
	return confine_calls_of(role)->name;
}

struct confine_filter {
	unsigned short count;
	struct sock_filter insn[];
};

static int rules_add(scmp_filter_ctx ctx, uint32_t action,
		     const struct rule *group)
{
	for (const struct rule *r = group; r->nr != -1; r++) {
		int e = seccomp_rule_add_array(
			ctx, r->nothing ? SCMP_ACT_ERRNO(0) : action, r->nr,
			r->args, r->arg);

		if (e)
			return e;
	}
	return 0;
}

static int filter_fill(scmp_filter_ctx ctx, enum confine_role role)
{
	uint32_t action = confine_calls_of(role)->listed_are_denied
				  ? confine_variant_action()
				  : SCMP_ACT_ALLOW;
	int e = 0;

	for (size_t i = 0;
	     !e && i < GROUPS_MAX && confine_calls_of(role)->group[i]; i++)
		e = rules_add(ctx, action, confine_calls_of(role)->group[i]);
	if (!e)
		e = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
				     SCMP_ACT_KILL_PROCESS);
	/* A binary tree instead of a list; pointless for a short list. */
	if (!e)
		e = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return e;
}

/* This libseccomp gives the program only to a file. */
static int filter_export(scmp_filter_ctx ctx, struct confine_filter **out)
{
	AUTO(fd_close) int fd = memfd_create("filter", MFD_CLOEXEC);
	struct confine_filter *c;
	off_t len;
	int e;

	if (fd < 0)
		return -errno;
	e = seccomp_export_bpf(ctx, fd);
	if (e)
		return e;
	len = lseek(fd, 0, SEEK_END);
	ENSURE(len > 0 && len % (off_t)sizeof(struct sock_filter) == 0 &&
	       len / (off_t)sizeof(struct sock_filter) <= FILTER_INSNS_MAX);
	c = xcalloc(1, sizeof *c + (size_t)len);
	c->count = (unsigned short)((size_t)len / sizeof(struct sock_filter));
	ENSURE(pread(fd, c->insn, (size_t)len, 0) == len);
	*out = c;
	return 0;
}

enum err confine_filter_new(enum confine_role role, struct confine_filter **out,
			    struct fault *f)
{
	scmp_filter_ctx ctx;
	int e = -ENOMEM;

	ENSURE((unsigned)role < CONFINE__MAX);
	ctx = seccomp_init(confine_calls_of(role)->listed_are_denied
				   ? SCMP_ACT_ALLOW
				   : confine_variant_action());
	if (ctx) {
		e = filter_fill(ctx, role);
		if (!e)
			e = filter_export(ctx, out);
		seccomp_release(ctx);
	}
	if (e)
		return fault_set(f, ERR_INTERNAL,
				 "cannot make the system call filter of '%s': "
				 "%s",
				 confine_role_name(role), strerror(-e));
	return OK;
}

void confine_filter_free(struct confine_filter *c)
{
	free(c);
}

enum err confine_filter_load(struct confine_filter *c, struct fault *f)
{
	struct sock_fprog prog = { .len = c->count, .filter = c->insn };

	for (unsigned i = 0; i < c->count; i++)
		if (c->insn[i].k == PID_MARK)
			c->insn[i].k = (uint32_t)getpid();
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return fault_set(f, ERR_UNSUPPORTED,
				 "the kernel takes no system call filter "
				 "(CONFIG_SECCOMP_FILTER): %s",
				 strerror(errno));
	return OK;
}
