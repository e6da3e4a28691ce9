/* Benchmarks only: agents, as libcretula starts them, and percentiles; see agents.h. */
#include "tests/bench/lib/agents.h"

#include "lib/clock.h"
#include "lib/num.h"
#include "lib/proc.h"
#include "tests/bench/lib/stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum {
	TOKEN_ROOM = 512,
	AGENT_WAIT_MS = 60000,
};

struct cretula *agents_connect(const char *api)
{
	struct cretula_error err;
	struct cretula *c = NULL;

	if (cretula_open_certmgr(api, &c, &err))
		bench_die("%s", err.text);
	cretula_timeout(c, AGENT_WAIT_MS);
	return c;
}

void agents_spawn(struct cretula *c, int pidfd, const char *view, bool wait,
		  struct cretula_agent_ref *out)
{
	struct cretula_list *o = cretula_list_new();
	struct cretula_error err;

	if (view)
		ENSURE(!cretula_list_add_str(o, "view", view));
	if (wait)
		ENSURE(!cretula_list_add_str(o, "wait", "yes"));
	if (cretula_agent_spawn(c, "web", o, pidfd, out, &err))
		bench_die("%s", err.text);
	cretula_list_free(o);
}

void agents_token(const struct cretula_agent_ref *ref, struct buf *token)
{
	char room[TOKEN_ROOM];
	ssize_t n = read(ref->token_fd, room, sizeof room);

	if (n <= 0)
		bench_die("there is no token");
	ENSURE(buf_put(token, room, (size_t)n) == OK);
}

int agents_self(void)
{
	int fd = pidfd_open(getpid(), 0);

	if (fd < 0)
		bench_die("no pidfd of this process: %s", strerror(errno));
	return fd;
}

unsigned agents_number(const char *text, unsigned max)
{
	uint64_t n;

	if (num_u64(text, strlen(text), max, &n) != OK || !n)
		bench_die("'%s' is not a number from 1 to %u", text, max);
	return (unsigned)n;
}

void times_init(struct times *t, unsigned room)
{
	*t = (struct times){ .us = xcalloc(room, sizeof *t->us), .room = room };
}

void times_add(struct times *t, uint64_t since)
{
	ENSURE(t->n < t->room);
	t->us[t->n++] = (double)(clock_boot() - since) / 1000;
}

void times_print(struct times *t, const char *name)
{
	double median = bench_median(t->us, t->n); /* sorts */

	printf("\"%s_us\": %.2f, \"%s_p99_us\": %.2f", name, median, name,
	       t->us[t->n * 99 / 100]);
	free(t->us);
	*t = (struct times){ 0 };
}
