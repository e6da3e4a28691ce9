/* gate: the last words of a refusal. A client that is still sending when its connection
 * is closed gets a reset, which may throw away the answer it has not read; so the socket
 * is kept a little longer, and what still comes is read and forgotten. */
#include "lib/gate_part.h"

#include "lib/clock.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LINGERING = 64, /* at once; others are simply closed */
	LINGER_S = 2,
	LINGER_BYTES = 8 << 20, /* read of one */
	LINGER_GULP = 64 << 10,
	LINGER_READS = 4, /* at a time */
};

struct lingerer {
	struct loop_fd watch;
	struct gate_due due;
	size_t bytes;
	bool used;
};

static struct {
	struct lingerer at[LINGERING];
	struct gate_dues dues;
	uint8_t gulp[LINGER_GULP];
} lingers;

static void linger_end(struct lingerer *l)
{
	gate_due_drop(&lingers.dues, &l->due);
	loop_unwatch(&l->watch);
	close(l->watch.fd);
	l->used = false;
}

static void on_bytes(struct loop_fd *w, uint32_t events)
{
	struct lingerer *l = (struct lingerer *)w;
	ssize_t n = 1;

	(void)events;
	for (int i = 0; i < LINGER_READS && n > 0; i++) {
		n = recv(w->fd, lingers.gulp, sizeof lingers.gulp,
			 MSG_DONTWAIT);
		l->bytes += n > 0 ? (size_t)n : 0;
		if (!n || l->bytes > LINGER_BYTES) {
			linger_end(l);
			return;
		}
	}
	if (events & (EPOLLERR | EPOLLHUP))
		linger_end(l);
}

static void on_due(struct gate_due *d)
{
	struct lingerer *l =
		(struct lingerer *)((char *)d - offsetof(struct lingerer, due));

	gate_due_add(&lingers.dues, d);
	linger_end(l);
}

void gate_linger_open(void)
{
	gate_dues_init(&lingers.dues, gate.loop, LINGER_S * CLOCK_SECOND,
		       on_due);
}

void gate_linger_close(void)
{
	for (size_t i = 0; i < LINGERING; i++)
		if (lingers.at[i].used)
			linger_end(&lingers.at[i]);
	gate_dues_end(&lingers.dues);
}

void gate_linger(int fd)
{
	struct lingerer *l = lingers.at;

	while (l < &lingers.at[LINGERING] && l->used)
		l++;
	if (l == &lingers.at[LINGERING])
		return;
	*l = (struct lingerer){ .used = true };
	l->watch = (struct loop_fd){ .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
				     .events = EPOLLIN,
				     .on = on_bytes };
	if (l->watch.fd < 0) {
		l->used = false;
		return;
	}
	(void)shutdown(l->watch.fd, SHUT_WR);
	if (loop_watch(gate.loop, &l->watch) != OK) {
		close(l->watch.fd);
		l->used = false;
		return;
	}
	gate_due_add(&lingers.dues, &l->due);
}
