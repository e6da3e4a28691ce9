/* What was seen of a process, as attributes and back. Used by every process that
 * asks about one; holds nothing. */
#include "lib/procinfo.h"

#include <string.h>

enum err procinfo_format(const struct procinfo *p, struct attrs *out)
{
	TRY(attrs_add_u64(out, "pid", (uint64_t)p->pid));
	TRY(attrs_add_u64(out, "parent", (uint64_t)p->parent));
	TRY(attrs_add_u64(out, "start", p->start));
	TRY(attrs_add_u64(out, "uid", p->uid));
	TRY(attrs_add_u64(out, "euid", p->euid));
	TRY(attrs_add_u64(out, "fsuid", p->fsuid));
	TRY(attrs_add_u64(out, "gid", p->gid));
	TRY(attrs_add_u64(out, "user_ns", p->user_ns));
	TRY(attrs_add_u64(out, "pid_ns", p->pid_ns));
	TRY(attrs_add_u64(out, "exe_dev", p->exe_dev));
	TRY(attrs_add_u64(out, "exe_ino", p->exe_ino));
	TRY(attrs_add_u64(out, "image", p->image));
	return attrs_add_str(out, "dumpable", p->dumpable ? "yes" : "no");
}

static enum err get(struct attr_view v, const char *name, uint64_t max,
		    uint64_t *n, struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || attr_u64(&a, max, n) != OK)
		return fault_set(f, ERR_INVALID,
				 "what was seen of a process has no readable "
				 "%s=, or two",
				 name);
	return OK;
}

static enum err get_dumpable(struct attr_view v, bool *yes, struct fault *f)
{
	struct attr a;

	if (attr_only(v, "dumpable", &a) != OK ||
	    (!attr_is(&a, "yes") && !attr_is(&a, "no")))
		return fault_set(f, ERR_INVALID,
				 "what was seen of a process has no "
				 "dumpable=yes|no, or two");
	*yes = attr_is(&a, "yes");
	return OK;
}

enum err procinfo_parse(struct attr_view v, struct procinfo *p, struct fault *f)
{
	uint64_t pid, parent, uid, euid, fsuid, gid;
	struct procinfo q = { 0 };

	TRY(get(v, "pid", INT32_MAX, &pid, f));
	TRY(get(v, "parent", INT32_MAX, &parent, f));
	TRY(get(v, "start", UINT64_MAX, &q.start, f));
	TRY(get(v, "uid", UINT32_MAX, &uid, f));
	TRY(get(v, "euid", UINT32_MAX, &euid, f));
	TRY(get(v, "fsuid", UINT32_MAX, &fsuid, f));
	TRY(get(v, "gid", UINT32_MAX, &gid, f));
	TRY(get(v, "user_ns", UINT64_MAX, &q.user_ns, f));
	TRY(get(v, "pid_ns", UINT64_MAX, &q.pid_ns, f));
	TRY(get(v, "exe_dev", UINT64_MAX, &q.exe_dev, f));
	TRY(get(v, "exe_ino", UINT64_MAX, &q.exe_ino, f));
	TRY(get(v, "image", UINT64_MAX, &q.image, f));
	TRY(get_dumpable(v, &q.dumpable, f));
	if (!pid)
		return fault_set(f, ERR_INVALID, "no process has the pid 0");
	q.pid = (pid_t)pid;
	q.parent = (pid_t)parent;
	q.uid = (uid_t)uid;
	q.euid = (uid_t)euid;
	q.fsuid = (uid_t)fsuid;
	q.gid = (gid_t)gid;
	*p = q;
	return OK;
}
