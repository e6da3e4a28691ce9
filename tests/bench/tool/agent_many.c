/* Benchmark: many agents.
 *	agent_many run API AT-ONCE MS	each a process of its own, started, waited for
 *					until its certificate is there, and ended; again
 *					and again, so many at once
 *	agent_many hold API COUNT	COUNT agents, until standard input ends
 * Prints how many there were and seconds that it took; "ready" before it holds. */
#include "lib/clock.h"
#include "tests/bench/lib/agents.h"
#include "tests/bench/lib/stage.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	AT_ONCE_MAX = 256,
	MS_MAX = 600000,
	COUNT_MAX = 1000,
};

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	ENSURE(pid > 0);
	return pid;
}

static void one(struct cretula *c)
{
	struct cretula_agent_ref ref;
	struct buf token;
	pid_t pid = sleeper();
	int fd = pidfd_open(pid, 0);

	ENSURE(fd >= 0);
	buf_init_secret(&token, 1024);
	agents_spawn(c, fd, NULL, true, &ref);
	agents_token(&ref, &token);
	close(ref.token_fd);
	buf_wipe(&token);
	close(fd);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static _Noreturn void worker(const char *api, uint64_t until, unsigned *count)
{
	struct cretula *c = agents_connect(api);

	while (clock_boot() < until) {
		one(c);
		(*count)++;
	}
	cretula_close(c);
	_exit(0);
}

static void run(const char *api, unsigned at_once, unsigned ms)
{
	unsigned *count =
		mmap(NULL, AT_ONCE_MAX * sizeof *count, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t start = clock_boot();
	unsigned all = 0;
	int status;

	ENSURE(count != MAP_FAILED);
	for (unsigned i = 0; i < at_once; i++) {
		pid_t pid = fork();

		ENSURE(pid >= 0);
		if (pid == 0)
			worker(api, start + ms * CLOCK_MS, &count[i]);
	}
	while (wait(&status) > 0)
		if (status)
			bench_die("one of them failed");
	for (unsigned i = 0; i < at_once; i++)
		all += count[i];
	printf("{\"agents\": %u, \"seconds\": %.3f}\n", all,
	       (double)(clock_boot() - start) / (double)CLOCK_SECOND);
}

static void hold(const char *api, unsigned count)
{
	struct cretula *c = agents_connect(api);
	uint64_t start = clock_boot();
	int self = agents_self();

	for (unsigned i = 0; i < count; i++) {
		struct cretula_agent_ref ref;
		struct buf token;

		buf_init_secret(&token, 1024);
		agents_spawn(c, self, NULL, false, &ref);
		agents_token(&ref, &token);
		close(ref.token_fd);
		buf_wipe(&token);
	}
	printf("{\"agents\": %u, \"seconds\": %.3f}\n", count,
	       (double)(clock_boot() - start) / (double)CLOCK_SECOND);
	fflush(stdout);
	(void)!getchar();
	close(self);
	cretula_close(c);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "run"))
		run(argv[2], agents_number(argv[3], AT_ONCE_MAX),
		    agents_number(argv[4], MS_MAX));
	else if (argc == 4 && !strcmp(argv[1], "hold"))
		hold(argv[2], agents_number(argv[3], COUNT_MAX));
	else
		bench_die("usage: agent_many run API AT-ONCE MS | hold API "
			  "COUNT");
	return 0;
}
