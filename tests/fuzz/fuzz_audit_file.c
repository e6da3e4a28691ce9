/* lib/audit_file: any bytes as the log's first file are opened or refused, and what
 * was opened can be read to its end and appended to. */
#include "lib/audit_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err count(void *arg, uint64_t index, struct attr_view v)
{
	uint64_t *n = arg;

	ENSURE(index == *n && v.len);
	++*n;
	return OK;
}

static void place(int dir, const uint8_t *data, size_t size)
{
	AUTO(fd_close)
	int fd = openat(dir, "audit/log-00000001",
			O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	ENSURE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
}

static char path[] = "/tmp/fuzz_audit_file.XXXXXX";

static void clean(void)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)unlinkat(dir, "audit/log-00000001", 0);
	(void)unlinkat(dir, "audit/checkpoints", 0);
	(void)unlinkat(dir, "audit", AT_REMOVEDIR);
	(void)rmdir(path);
	close(dir);
}

static int folder(void)
{
	int dir;

	ENSURE(mkdtemp(path) && !atexit(clean));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ENSURE(dir >= 0 && !mkdirat(dir, "audit", 0700));
	return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t record[] = { 1, 0, 0, 0, 0, 1, 'n', '1' };
	static const struct attr_view v = { record, sizeof record };
	static int dir = -1;
	struct audit_file *af = NULL;
	struct fault f;
	uint64_t n = 0;

	if (dir < 0)
		dir = folder();
	place(dir, data, size);
	if (audit_file_open(dir, &af, &f) != OK)
		return 0;
	audit_file_bounds(af, 0, AUDIT_SEGMENT);
	ENSURE(audit_file_append(af, audit_file_size(af), &v, 1, 0, &f) == OK);
	ENSURE(audit_file_read(af, 0, UINT64_MAX, count, &n, &f) == OK);
	ENSURE(n == audit_file_size(af));
	audit_file_close(&af);
	return 0;
}
