/* net: its own small files, attribute lists, in the folder that is descriptor 4. The private
 * key of the node passes through here, in secret memory. */
#include "certmgr/net.h"

#include "lib/log.h"
#include "lib/own_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	FOLDER = 4,
	FILE_MAX = 128 << 10,
};

static enum err in_folder(enum err e, struct fault *f)
{
	struct fault why = *f;

	return fault_set(f, e, "in net's state folder, %s", why.text);
}

/* What cannot be ours is made anew, whatever is wrong with it. */
enum err net_file_read(const char *name, struct attrs *out, struct fault *f)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct attr_view v;
	enum err e;

	buf_init_secret(&b, FILE_MAX);
	e = own_file_read(FOLDER, name, &b, f);
	if (e == ERR_NOT_FOUND)
		return e;
	if (e != OK)
		return in_folder(e == ERR_TOO_LARGE ? ERR_INVALID : e, f);
	if (attr_parse(b.p, b.len, &v, f) != OK || attrs_add_view(out, v) != OK)
		return fault_set(f, ERR_INVALID,
				 "the file '%s' of net's state folder is not "
				 "what net wrote",
				 name);
	return OK;
}

enum err net_file_write(const char *name, const struct attrs *a,
			struct fault *f)
{
	enum err e;

	ENSURE(a->bytes.len <= FILE_MAX);
	e = own_file_replace(FOLDER, name, &a->bytes, f);
	return e == OK ? OK : in_folder(e, f);
}

void net_file_drop(const char *name)
{
	if (unlinkat(FOLDER, name, 0) && errno != ENOENT)
		log_text(LOG_WARN, "file_left", "'%s' cannot be removed: %s",
			 name, strerror(errno));
}
