/* Benchmarks only: see stage.h. */
#include "tests/bench/lib/stage.h"

#include "lib/clock.h"
#include "lib/num.h"

#include <cretula/client.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SOCKET "BENCH_FIRST_SOCKET"

void bench_die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

const char *bench_build(void)
{
	const char *build = getenv("CRETULA_BUILD");

	return build ? build : "build";
}

const char *bench_folder(void)
{
	const char *folder = getenv("CRETULA_PLAYGROUND");

	return folder ? folder : "/tmp";
}

static _Noreturn void playground(char **argv)
{
	static char verb[] = "playground", dashes[] = "--";
	char path[512], self[512];
	char *words[] = { path, verb, dashes, self, NULL };
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	(void)argv;
	if (n <= 0)
		bench_die("/proc is not there");
	self[n] = 0;
	(void)snprintf(path, sizeof path, "%s/bin/cretula", bench_build());
	(void)execv(path, words);
	bench_die("'%s' cannot be run: %s", path, strerror(errno));
}

void bench_enter(char **argv)
{
	if (!getenv("CRETULA_PLAYGROUND"))
		playground(argv);
}

void bench_enter_twice(char **argv)
{
	bench_enter(argv);
	if (getenv(FIRST_SOCKET))
		return;
	(void)setenv(FIRST_SOCKET, getenv("CRETULA_CREDD"), 1);
	playground(argv);
}

const char *bench_socket(unsigned which)
{
	const char *first = getenv(FIRST_SOCKET);

	return which == 0 && first ? first : getenv("CRETULA_CREDD");
}

uint64_t bench_round_ns(void)
{
	const char *text = getenv("BENCH_MS");
	uint64_t ms = 1000;

	if (text && (num_u64(text, strlen(text), 60000, &ms) != OK || !ms))
		bench_die("BENCH_MS is not a number of 1 to 60000");
	return ms * CLOCK_MS;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double bench_median(double *v, unsigned n)
{
	qsort(v, n, sizeof *v, by_value);
	return v[n / 2];
}

int bench_connect(void *arg)
{
	struct cretula_error err = { 0 };
	struct cretula *c; /* as long as this program */

	if (cretula_open(arg, &c, &err))
		bench_die("%s", err.text);
	return cretula_fd(c);
}

/* What is measured */

void bench_request(struct attrs *request)
{
	static const char *const header[] = {
		"Host: examplebucket.s3.eu-west-1.amazonaws.com",
		"Accept-Encoding: identity",
		"Range: bytes=0-1048575",
		"If-None-Match: \"d41d8cd98f00b204e9800998ecf8427e\"",
		"X-Amz-Request-Payer: requester",
		"User-Agent: Boto3/1.26.27 Python/3.11.2 Linux/6.1.0",
	};
	static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb924"
				    "27ae41e4649b934ca495991b7852b855";

	attrs_init(request);
	ENSURE(attrs_add_str(request, "method", "GET") == OK);
	ENSURE(attrs_add_str(request, "target",
			     "/photos/2026/11/holiday%20in%20the%20north.jpg"
			     "?versionId=3HL4kqtJlcpXroDTDmJ") == OK);
	for (size_t i = 0; i < NELEM(header); i++)
		ENSURE(attrs_add_str(request, "header", header[i]) == OK);
	ENSURE(attrs_add_str(request, "body_sha256", empty) == OK);
}

void bench_call(const char *credential, struct attrs *call)
{
	struct attrs request;

	bench_request(&request);
	attrs_init(call);
	ENSURE(attrs_add_str(call, "verb", "run") == OK);
	ENSURE(attrs_add_str(call, "credential", credential) == OK);
	ENSURE(attrs_add_str(call, "op", "sign") == OK);
	ENSURE(attrs_add(call, "request", 0, request.bytes.p,
			 request.bytes.len) == OK);
	attrs_wipe(&request);
}

/* The table */

void bench_heading(const char *what)
{
	printf("\n%-52s %14s  %-14s %s\n", what, "measured", "target",
	       "reached");
}

void bench_at_least(const char *what, double measured, double target)
{
	printf("%-52s %14.2f  at least %-5.2f %s\n", what, measured, target,
	       measured >= target ? "yes" : "NO");
	fflush(stdout);
}

void bench_at_most(const char *what, double measured, double target,
		   const char *unit)
{
	printf("%-52s %9.2f %-4s  at most %-6.1f %s\n", what, measured, unit,
	       target, measured <= target ? "yes" : "NO");
	fflush(stdout);
}

void bench_figure(const char *what, double measured, const char *unit)
{
	printf("%-52s %12.*f %s\n", what, measured < 1000 ? 1 : 0, measured,
	       unit);
	fflush(stdout);
}
