/* Benchmark: certificate and key read in the file view, by turns with a bare FUSE file
 * system of the same form (fuse_bare).
 *	agent_view API COUNT
 * Prints the sizes of the five files in a line, then waits for a line with the other
 * folder, then prints median and p99 of reading both files. */
#include "lib/clock.h"
#include "lib/proc.h"
#include "tests/bench/lib/agents.h"
#include "tests/bench/lib/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	COUNT_MAX = 100000,
	PATH_ROOM = 600,
	CONTENT_ROOM = 64 << 10,
};

static const char *const file_name[] = { "cert", "chain", "key", "ca",
					 "bundle" };

static void path_of(const char *folder, const char *name, char out[PATH_ROOM])
{
	ENSURE(snprintf(out, PATH_ROOM, "%s/%s.pem", folder, name) < PATH_ROOM);
}

static void print_sizes(const char *folder)
{
	for (size_t i = 0; i < NELEM(file_name); i++) {
		char path[PATH_ROOM];
		struct stat st;

		path_of(folder, file_name[i], path);
		if (stat(path, &st))
			bench_die("%s: %s", path, strerror(errno));
		printf("%lld ", (long long)st.st_size);
	}
	printf("\n");
	fflush(stdout);
}

static void read_whole(const char *folder, const char *name)
{
	static char content[CONTENT_ROOM];
	char path[PATH_ROOM];
	ssize_t n;
	int fd;

	path_of(folder, name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bench_die("%s: %s", path, strerror(errno));
	do
		n = read(fd, content, sizeof content);
	while (n > 0);
	ENSURE(!n);
	close(fd);
}

static void read_both(const char *folder, struct times *t)
{
	uint64_t start = clock_boot();

	read_whole(folder, "cert");
	read_whole(folder, "key");
	times_add(t, start);
}

int main(int argc, char **argv)
{
	struct cretula_agent_ref ref;
	struct times view, bare;
	char other[PATH_ROOM];
	struct buf token;
	struct cretula *c;
	unsigned count;

	if (argc != 3)
		bench_die("usage: agent_view API COUNT");
	count = agents_number(argv[2], COUNT_MAX);
	c = agents_connect(argv[1]);
	agents_spawn(c, agents_self(), "yes", true, &ref);
	buf_init_secret(&token, 1024);
	agents_token(&ref, &token);
	close(ref.token_fd);
	buf_wipe(&token);
	print_sizes(ref.dir);
	if (!fgets(other, sizeof other, stdin))
		bench_die("there is no other folder");
	other[strcspn(other, "\n")] = 0;
	times_init(&view, count);
	times_init(&bare, count);
	for (unsigned i = 0; i < count; i++) {
		read_both(ref.dir, &view);
		read_both(other, &bare);
	}
	printf("{");
	times_print(&view, "view");
	printf(", ");
	times_print(&bare, "bare");
	printf("}\n");
	cretula_close(c);
	return 0;
}
