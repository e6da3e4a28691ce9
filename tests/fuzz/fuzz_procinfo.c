/* /proc/PID/stat, /proc/PID/status and the attributes: what was read is formatted and
 * read again as the same. First byte: which of them. */
#include "lib/procinfo.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct procinfo *p)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct procinfo q;
	struct fault f;

	attrs_init(&a);
	ENSURE(procinfo_format(p, &a) == OK);
	/* the parsers of texts know a pid 0, which no process has */
	ENSURE(procinfo_parse(attrs_view(&a), &q, &f) ==
	       (p->pid ? OK : ERR_INVALID));
	ENSURE(!p->pid || (procinfo_same(p, &q) && q.fsuid == p->fsuid &&
			   q.image == p->image && q.parent == p->parent));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct procinfo p = { 0 };
	const char *text = (const char *)data + 1;
	struct attr_view v;
	struct fault f;
	enum err e;

	if (!size--)
		return 0;
	if (data[0] == '1')
		e = procinfo_parse_stat(text, size, &p);
	else if (data[0] == '2')
		e = procinfo_parse_status(text, size, &p);
	else if (attr_parse(text, size, &v, &f) == OK)
		e = procinfo_parse(v, &p, &f);
	else
		return 0;
	ENSURE(e == OK || e == ERR_INVALID);
	if (e == OK)
		again(&p);
	return 0;
}
