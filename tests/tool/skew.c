/* Tests only: the clock of one host. Named in that host's own /etc/ld.so.preload, which
 * the loader reads whatever the environment is; so our daemons, whose children begin with
 * an empty one and are confined later, have it as all programs of that host.
 * /etc/cretula-skew holds a number of seconds in the machine's byte order: what the wall
 * clock is ahead. It stays mapped, so that a clock jumps under a process that runs. Boot
 * clock and what the kernel itself stamps (files, timers) are the machine's. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SKEW_FILE "/etc/cretula-skew"

static const volatile int64_t *ahead;
static int (*real_clock)(clockid_t id, struct timespec *t);

__attribute__((constructor)) static void skew_begin(void)
{
	int fd = open(SKEW_FILE, O_RDONLY | O_CLOEXEC);
	void *page, *sym = dlsym(RTLD_NEXT, "clock_gettime");

	if (!sym)
		abort();
	*(void **)&real_clock = sym;
	if (fd < 0)
		return;
	page = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (page != MAP_FAILED)
		ahead = page;
}

/* Others' constructors may come first, while there is one thread. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int rc;

	if (!real_clock)
		skew_begin();
	rc = real_clock(id, t);
	if (!rc && ahead &&
	    (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += *ahead;
	return rc;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec t;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &t))
		return -1;
	tv->tv_sec = t.tv_sec;
	tv->tv_usec = t.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec t;

	if (clock_gettime(CLOCK_REALTIME, &t))
		return -1;
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}
