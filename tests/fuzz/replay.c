/* Feeds a fuzz target with its corpus in the ordinary tests: every file of
 * tests/data/fuzz/NAME, whole, and cut short after each byte (of long ones:
 * after a sample of them). Runs alone; holds nothing. A target that finds a
 * fault ends the process, and the file it had last is on standard error.
 *	replay_NAME [FOLDER] */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"

enum {
	FILE_MAX = 4 << 20,
	CUTS_MAX = 512, /* a file's truncations, spread over its length */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly that size, so that a sanitizer sees a read past its end. */
static void feed(const uint8_t *p, size_t n)
{
	uint8_t *copy = n ? xmemdup(p, n) : NULL;

	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void feed_cut(const uint8_t *p, size_t n)
{
	size_t step = n / CUTS_MAX + 1;

	for (size_t cut = 0; cut < n; cut += step)
		feed(p, cut);
	feed(p, n);
}

static bool read_file(int folder, const char *name, uint8_t **p, size_t *n)
{
	AUTO(fd_close) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return false;
	*p = xcalloc(1, (size_t)st.st_size);
	*n = 0;
	while (*n < (size_t)st.st_size) {
		ssize_t got = read(fd, *p + *n, (size_t)st.st_size - *n);

		if (got <= 0)
			break;
		*n += (size_t)got;
	}
	return true;
}

static unsigned replay(DIR *dir)
{
	unsigned files = 0;
	struct dirent *e;

	while ((e = readdir(dir)) != NULL) {
		uint8_t *p = NULL;
		size_t n = 0;

		if (e->d_name[0] == '.')
			continue;
		if (!read_file(dirfd(dir), e->d_name, &p, &n))
			continue;
		fprintf(stderr, "replay: %s\n", e->d_name);
		feed_cut(p, n);
		free(p);
		files++;
	}
	return files;
}

/* replay_attr -> attr */
static const char *target_name(const char *argv0)
{
	const char *name = strrchr(argv0, '/');

	name = name ? name + 1 : argv0;
	return strncmp(name, "replay_", 7) == 0 ? name + 7 : name;
}

int main(int argc, char **argv)
{
	const char *name = target_name(argv[0]);
	char folder[256];
	unsigned files;
	DIR *dir;

	snprintf(folder, sizeof(folder), "tests/data/fuzz/%s", name);
	dir = opendir(argc > 1 ? argv[1] : folder);
	if (!dir) {
		printf("not ok replay %s - no corpus in %s: %s\n", name,
		       argc > 1 ? argv[1] : folder, strerror(errno));
		return 1;
	}
	files = replay(dir);
	closedir(dir);
	if (files == 0) {
		printf("not ok replay %s - the corpus is empty\n", name);
		return 1;
	}
	printf("ok replay %s (%u files)\n", name, files);
	return 0;
}
