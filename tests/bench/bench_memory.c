/* Benchmark: the memory of an idle credd that has signed with one credential: PSS of
 * all its processes, and the most each role ever had. */
#include "lib/clock.h"
#include "tests/bench/lib/load.h"
#include "tests/bench/lib/procs.h"
#include "tests/bench/lib/stage.h"

#include <stdio.h>
#include <stdlib.h>

static struct procs procs;

static void sign_for_a_while(uint64_t ns, unsigned conns, unsigned window)
{
	char *socket = xstrdup(bench_socket(0));
	struct attrs call;
	struct load *l;

	bench_call("sample", &call);
	l = load_new(conns, window, attrs_view(&call), bench_connect, socket);
	(void)load_run(l, ns);
	load_free(l);
	attrs_wipe(&call);
	free(socket);
}

static double mib(const struct proc *p, const char *file, const char *key)
{
	return (double)proc_field(p, file, key) / 1024;
}

static double pss(void)
{
	double sum = 0;

	procs_read(&procs);
	for (size_t i = 0; i < procs.count; i++)
		sum += mib(&procs.at[i], "smaps_rollup", "Pss:");
	return sum;
}

int main(int argc, char **argv)
{
	double idle, after;

	(void)argc;
	bench_enter(argv);
	sign_for_a_while(50 * CLOCK_MS, 1, 1);
	idle = pss();
	sign_for_a_while(bench_round_ns(), 64, 1);
	sign_for_a_while(bench_round_ns(), 8, 32);
	after = pss();
	bench_heading("memory");
	bench_at_most("PSS of all processes, idle, one credential used", idle,
		      16, "MiB");
	bench_figure("  … after signing at 64 x 1 and at 8 x 32", after, "MiB");
	for (size_t i = 0; i < procs.count; i++) {
		char what[64];

		(void)snprintf(what, sizeof what, "  peak of %s",
			       procs.at[i].name);
		bench_figure(what, mib(&procs.at[i], "status", "VmHWM:"),
			     "MiB");
	}
	return 0;
}
