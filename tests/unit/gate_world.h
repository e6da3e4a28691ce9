/* The gate in a forked, confined process, between the test's own clients and the
 * test in the places of supervisor and issuer. */
#ifndef TESTS_GATE_WORLD_H
#define TESTS_GATE_WORLD_H

#include "ca/gate.h"
#include "ca/kinds.h"
#include "ca/roles.h"
#include "lib/clock.h"
#include "lib/kinds.h"
#include "lib/num.h"

#include "tests/unit/fd_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WORLD_WAIT_S = 60,
	WORLD_ANSWER = 1 << 20,
};

struct world {
	pid_t pid;
	int sup, issuer;
	uint16_t tls, plain; /* ports */
	struct buf in;       /* of the last message of the gate */
};

/* One answer, as it came. */
struct answer {
	unsigned status;
	char *head; /* NUL-terminated, with its blank line */
	uint8_t *body;
	size_t len;
};

static inline int world_listen(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 4096), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static inline void world_text(struct attrs *a, const char *text)
{
	struct fault f = { 0 };

	attrs_init(a);
	if (attrs_parse_text(a, text, strlen(text), &f) != OK)
		fail_msg("%s", f.text);
}

/* A (new) issuer, which is the test. */
static inline void world_meet(struct world *w)
{
	struct attrs a;
	int pair[2];

	fd_close(&w->issuer);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	world_text(&a, "peer=issuer");
	fd_send(w->sup, SUP_PEER, 0, attrs_view(&a), pair[1]);
	attrs_wipe(&a);
	close(pair[1]);
	w->issuer = pair[0];
}

static inline void world_child(int sup, int tls, int plain)
{
	int fd[3] = { fcntl(sup, F_DUPFD, 20), fcntl(tls, F_DUPFD, 20),
		      fcntl(plain, F_DUPFD, 20) };

	for (int i = 0; i < 3; i++)
		if (dup2(fd[i], 3 + i) < 0)
			_exit(70);
	close_range(6, ~0u, 0);
	_exit(role_ca_gate());
}

static inline struct msg world_from(struct world *w, int fd)
{
	struct fault f = { .text = "" };
	struct msg m = { 0 };
	enum err e = chan_get1(fd, &w->in, &m, NULL,
			       clock_boot() + WORLD_WAIT_S * CLOCK_SECOND, &f);

	if (e != OK)
		fail_msg("%s: %s", err_name(e), f.text);
	return m;
}

static inline void world_start(struct world *w)
{
	int pair[2], tls, plain;
	struct attrs a;

	*w = (struct world){ .issuer = -1 };
	buf_init(&w->in, MSG_MAX + MSG_HEAD);
	tls = world_listen(&w->tls);
	plain = world_listen(&w->plain);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	w->pid = fork();
	if (!w->pid)
		world_child(pair[1], tls, plain);
	close(pair[1]);
	close(tls);
	close(plain);
	w->sup = pair[0];
	world_text(&a, "daemon=ca role=gate");
	assert_int_equal(chan_put1(w->sup, SUP_START, 0, attrs_view(&a)), OK);
	attrs_wipe(&a);
	assert_int_equal(world_from(w, w->sup).kind, SUP_READY);
	world_meet(w);
}

/* It ends by itself, and not by its filter. */
static inline void world_end(struct world *w)
{
	int status = -1;

	fd_close(&w->issuer);
	fd_close(&w->sup);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
	buf_wipe(&w->in);
}

static inline struct msg world_get(struct world *w, uint32_t kind)
{
	struct msg m = world_from(w, w->issuer);

	if (m.kind != kind)
		fail_msg("the gate said %u where %u was awaited", m.kind, kind);
	return m;
}

static inline void world_put(struct world *w, uint32_t kind, uint64_t id,
			     const struct attrs *a)
{
	assert_int_equal(chan_put1(w->issuer, kind, id,
				   a ? attrs_view(a) : (struct attr_view){ 0 }),
			 OK);
}

static inline void world_put_text(struct world *w, uint32_t kind, uint64_t id,
				  const char *text)
{
	struct attrs a;

	world_text(&a, text);
	world_put(w, kind, id, &a);
	attrs_wipe(&a);
}

/* Nothing more has come from the gate: it is asked something it answers at once,
 * whose answer must be the next. */
static inline void world_quiet(struct world *w)
{
	world_put_text(w, GI_DROP, 4711, "number=999999999");
	assert_int_equal(world_get(w, GI_DROPPED).id, 4711);
}

/* Clients */

static inline int client_open(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { .tv_sec = WORLD_WAIT_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static inline void client_send(int fd, const void *p, size_t n)
{
	assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static inline void client_text(int fd, const char *text)
{
	client_send(fd, text, strlen(text));
}

/* The number that a text begins with. */
static inline uint64_t world_number(const char *text)
{
	uint64_t v = 0;

	assert_int_equal(
		num_u64(text, strspn(text, "0123456789"), INT64_MAX, &v), OK);
	return v;
}

/* Reads by more(arg, p, n), which gives at least one byte, or 0 at the end. */
static inline void answer_read(struct answer *r, bool head_only,
			       ssize_t (*more)(void *arg, void *p, size_t n),
			       void *arg)
{
	uint8_t *p = malloc(WORLD_ANSWER);
	size_t n = 0, head = 0, length = 0;
	const char *at;

	assert_non_null(p);
	while (!head) {
		ssize_t got = more(arg, p + n, 1);

		if (got <= 0)
			fail_msg("no answer after %zu bytes", n);
		n++;
		if (n >= 4 && !memcmp(p + n - 4, "\r\n\r\n", 4))
			head = n;
	}
	r->head = calloc(1, head + 1);
	assert_non_null(r->head);
	memcpy(r->head, p, head);
	assert_int_equal(strncmp(r->head, "HTTP/1.1 ", 9), 0);
	r->status = (unsigned)world_number(r->head + 9);
	at = strcasestr(r->head, "\r\nContent-Length: ");
	if (at && !head_only)
		length = (size_t)world_number(at + 18);
	assert_true(length < WORLD_ANSWER);
	for (n = 0; n < length;) {
		ssize_t got = more(arg, p + n, length - n);

		if (got <= 0)
			fail_msg("cut short after %zu bytes", n);
		n += (size_t)got;
	}
	r->body = p;
	r->len = length;
	p[length] = 0;
}

static inline ssize_t client_more(void *arg, void *p, size_t n)
{
	return recv(*(int *)arg, p, n, 0);
}

static inline void client_answer(int fd, struct answer *r)
{
	answer_read(r, false, client_more, &fd);
}

static inline void answer_wipe(struct answer *r)
{
	free(r->head);
	free(r->body);
}

static inline void answer_has(const struct answer *r, const char *line)
{
	char want[512];

	(void)snprintf(want, sizeof want, "\r\n%s\r\n", line);
	if (!strcasestr(r->head, want))
		fail_msg("no '%s' in:\n%s", line, r->head);
}

static inline void body_has(const struct answer *r, const char *words)
{
	if (!strstr((const char *)r->body, words))
		fail_msg("no '%s' in: %s", words, (const char *)r->body);
}

#endif
