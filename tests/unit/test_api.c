/* The gate of credd and certmgr (lib/api*.c), confined as in the daemon, with the test in
 * the places of supervisor, door, core and clients.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "lib/api.h"
#include "lib/clock.h"
#include "lib/problem.h"
#include "lib/roles.h"

#include "tests/unit/fd_test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WAIT_S = 60,
	ANSWER = 32 << 20,
	CONN = 7,
	IDLE_S = 30, /* API_IDLE_NS */
};

static struct {
	pid_t pid;
	int sup, door, core;
	struct buf in;
} w;

/* The gate's clock, if the test has it (the linker's --wrap): a page of both. */
static _Atomic uint64_t *its_clock;

uint64_t __real_clock_boot(void);
uint64_t __wrap_clock_boot(void);

uint64_t __wrap_clock_boot(void)
{
	return its_clock && !w.pid ? *its_clock : __real_clock_boot();
}

/* One answer, as it came. */
struct answer {
	unsigned status;
	char *text; /* head and body, NUL-terminated */
	const char *body;
};

static void list(struct attrs *a, const char *text)
{
	struct fault f = { 0 };

	attrs_init(a);
	if (attrs_parse_text(a, text, strlen(text), &f) != OK)
		fail_msg("%s", f.text);
}

static void pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
}

/* The descriptor is closed here. */
static void send_fd(int to, uint32_t kind, uint64_t id, const char *text,
		    int fd)
{
	struct attrs a;

	list(&a, text);
	fd_send(to, kind, id, attrs_view(&a), fd);
	attrs_wipe(&a);
	close(fd);
}

static void say(int to, uint32_t kind, uint64_t id, const char *text)
{
	struct attrs a;

	list(&a, text);
	assert_int_equal(chan_put1(to, kind, id, attrs_view(&a)), OK);
	attrs_wipe(&a);
}

static struct msg hear(int from, uint32_t kind)
{
	struct fault f = { .text = "" };
	struct msg m = { 0 };
	enum err e = chan_get1(from, &w.in, &m, NULL,
			       clock_boot() + WAIT_S * CLOCK_SECOND, &f);

	if (e != OK)
		fail_msg("%s: %s", err_name(e), f.text);
	if (m.kind != kind)
		fail_msg("the gate said %u where %u was awaited", m.kind, kind);
	return m;
}

/* A new channel from the gate to peer, whose end the test has. */
static int meet(const char *peer)
{
	int sv[2];

	pair(sv);
	send_fd(w.sup, SUP_PEER, 0, peer, sv[1]);
	return sv[0];
}

static void start_alone(void)
{
	int sv[2];

	pair(sv);
	fflush(NULL);
	w.pid = fork();
	if (!w.pid) {
		if (dup2(sv[1], SUP_FD) < 0)
			_exit(70);
		close_range(SUP_FD + 1, ~0u, 0);
		_exit(role_gate());
	}
	close(sv[1]);
	w.sup = sv[0];
	w.core = -1;
	buf_init(&w.in, MSG_MAX + MSG_HEAD);
	say(w.sup, SUP_START, 0,
	    "daemon=credd role=gate node=n gate_type=gate");
	(void)hear(w.sup, SUP_READY);
	w.door = meet("peer=door");
}

static void start(void)
{
	start_alone();
	w.core = meet("peer=vault");
}

/* It ends by itself, and not by its filter. */
static void end(void)
{
	int status = -1;

	fd_close(&w.core);
	fd_close(&w.door);
	fd_close(&w.sup);
	assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
	assert_int_equal(status, 0);
	buf_wipe(&w.in);
}

/* Clients */

static int client(uint64_t conn)
{
	struct timeval wait = { .tv_sec = WAIT_S };
	int sv[2];

	pair(sv);
	assert_int_equal(
		setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait),
		0);
	send_fd(w.door, DF_CONN, conn, "pid=1", sv[1]);
	return sv[0];
}

static void ask(int fd, const char *method, const char *path, const char *body)
{
	char text[4096];
	int n = snprintf(text, sizeof text,
			 "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: "
			 "application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 method, path, strlen(body), body);

	assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

static void get(int fd, const char *path)
{
	ask(fd, "GET", path, "");
}

static size_t more(int fd, char *p, size_t n)
{
	ssize_t got = recv(fd, p, n, 0);

	if (got <= 0)
		fail_msg("an answer is cut short");
	return (size_t)got;
}

static void answer(int fd, struct answer *r)
{
	char *p = malloc(ANSWER), *at = NULL;
	uint64_t length = 0, status = 0;
	size_t n = 0, head;

	assert_non_null(p);
	while (!at) {
		n += more(fd, p + n, 1);
		p[n] = 0;
		at = n >= 4 ? strstr(p + n - 4, "\r\n\r\n") : NULL;
	}
	head = n;
	assert_int_equal(num_u64(p + 9, 3, 999, &status), OK);
	at = strcasestr(p, "\r\nContent-Length: ") + 18;
	assert_int_equal(
		num_u64(at, strspn(at, "0123456789"), ANSWER / 2, &length), OK);
	while (n < head + length)
		n += more(fd, p + n, head + length - n);
	p[n] = 0;
	*r = (struct answer){ (unsigned)status, p, p + head };
}

/* That status, with words in head or body. */
static void expect(int fd, unsigned status, const char *words)
{
	struct answer r;

	answer(fd, &r);
	if (r.status != status || !strstr(r.text, words))
		fail_msg("%u '%s' was awaited: %.2000s", status, words, r.text);
	free(r.text);
}

static void ended(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, 0), 0);
	close(fd);
}

static uint64_t called(const char *verb)
{
	struct msg m = hear(w.core, CLIENT_CALL);
	struct attr a;

	assert_int_equal(attr_only(m.attrs, "verb", &a), OK);
	assert_true(attr_is(&a, verb));
	assert_int_equal(m.id >> 32, CONN);
	return m.id;
}

/* Tests */

static void a_request_is_a_call_and_its_answers_are_json(void **state)
{
	struct attr_view request;
	struct attr a;
	struct msg m;
	uint64_t id;
	int fd;

	(void)state;
	start();
	fd = client(CONN);
	get(fd, "/credentials");
	id = called("credentials");
	say(w.core, CLIENT_ITEM, id, "name=one op=sign");
	say(w.core, CLIENT_ITEM, id, "name=two op=sign op=presign");
	say(w.core, CLIENT_REPLY, id, "request_id=r-1");
	expect(fd, 200,
	       "{\"credentials\":[{\"name\":\"one\",\"op\":[\"sign\"]},"
	       "{\"name\":\"two\",\"op\":[\"sign\",\"presign\"]}],"
	       "\"request_id\":\"r-1\"}\n");
	get(fd, "/v1/credentials");
	id = called("credentials");
	say(w.core, CLIENT_REPLY, id, "");
	expect(fd, 200, "\r\n\r\n{\"credentials\":[]}\n");
	ask(fd, "POST", "/modules/m/operations/o/c%2Fd", "{\"x\":[1,\"2\"]}");
	m = hear(w.core, CLIENT_CALL);
	assert_true(attr_find(m.attrs, "credential", &a) && attr_is(&a, "c/d"));
	assert_true(attr_find(m.attrs, "module", &a) && attr_is(&a, "m"));
	assert_true(attr_find(m.attrs, "op", &a) && attr_is(&a, "o"));
	assert_true(attr_find(m.attrs, "request", &a));
	assert_int_equal(attr_parse(a.value, a.len, &request, NULL), OK);
	assert_int_equal(attr_count(request, "x"), 2);
	say(w.core, CLIENT_REPLY, m.id, "header=H version=1");
	expect(fd, 200, "{\"header\":[\"H\"],\"version\":\"1\"}\n");
	close(fd);
	end();
}

static void an_error_is_its_problem(void **state)
{
	char text[256], line[64];
	uint64_t id;
	int fd;

	(void)state;
	start();
	fd = client(CONN);
	for (unsigned e = OK + 1; e < E__MAX; e++) {
		get(fd, "/v1/transport");
		id = called("transport");
		(void)snprintf(text, sizeof text,
			       "error=%s text=\"some words\" request_id=r-%u%s",
			       err_name((enum err)e), e,
			       e == ERR_LIMITED ? " retry_after=17" : "");
		say(w.core, CLIENT_ERROR, id, text);
		(void)snprintf(text, sizeof text,
			       "\"detail\":\"some words\",\"request_id\":"
			       "\"r-%u\"}",
			       e);
		(void)snprintf(line, sizeof line, "urn:cretula:error:%s\"",
			       err_name((enum err)e));
		if (e == ERR_LIMITED)
			(void)snprintf(line, sizeof line,
				       "\r\nRetry-After: 17\r\n");
		if (e == ERR_UNAVAILABLE)
			(void)snprintf(line, sizeof line,
				       "\r\nRetry-After: 1\r\n");
		expect(fd, problem_status((enum err)e), e % 2 ? text : line);
	}
	get(fd, "/v1/transport");
	say(w.core, CLIENT_ERROR, called("transport"), "error=strange");
	expect(fd, 500, "urn:cretula:error:internal");
	close(fd);
	end();
}

static void answers_to_nobody_are_dropped(void **state)
{
	uint64_t id;
	int fd;

	(void)state;
	start();
	fd = client(CONN);
	get(fd, "/v1/transport");
	id = called("transport");
	say(w.core, CLIENT_REPLY, id + 1, "key=wrong");
	say(w.core, CLIENT_REPLY, id - 1, "key=wrong");
	say(w.core, CLIENT_ITEM, (uint64_t)(CONN + 1) << 32 | 1, "key=wrong");
	say(w.core, CLIENT_REPLY, id, "key=right");
	expect(fd, 200, "{\"key\":\"right\"}\n");
	say(w.core, CLIENT_REPLY, id, "key=wrong");
	get(fd, "/v1/transport");
	say(w.core, CLIENT_REPLY, called("transport"), "key=again");
	expect(fd, 200, "{\"key\":\"again\"}\n");
	close(fd);
	end();
}

static void an_answer_over_its_bound_is_refused_and_forgotten(void **state)
{
	size_t n = 900 << 10, sent = 0;
	char *item = malloc(n + 16);
	uint64_t id;
	int fd;

	(void)state;
	assert_non_null(item);
	memcpy(item, "x=", 2);
	memset(item + 2, 'y', n);
	item[n + 2] = 0;
	start();
	fd = client(CONN);
	get(fd, "/v1/credentials");
	id = called("credentials");
	for (; sent <= API_ANSWER_MAX; sent += n)
		say(w.core, CLIENT_ITEM, id, item);
	expect(fd, 413, "the answer is over 16 MiB");
	say(w.core, CLIENT_REPLY, id, "");
	get(fd, "/v1/credentials");
	id = called("credentials");
	for (sent = n; sent + n < API_ANSWER_MAX; sent += n)
		say(w.core, CLIENT_ITEM, id, item);
	say(w.core, CLIENT_REPLY, id, "last=yes");
	expect(fd, 200, "\"last\":\"yes\"}\n");
	get(fd, "/metrics");
	expect(fd, 200, "cretula_credd_gate_answers_held_bytes 0\n");
	close(fd);
	free(item);
	end();
}

/* More than all bodies and all answers together may have. */
enum {
	PIECE = 900 << 10,
	BODIES = GATE_BODIES_MAX / PIECE + 2,
	ANSWERS = API_ANSWERS_MAX / PIECE + 1,
};

static char *piece(const char *before, const char *after)
{
	size_t n = strlen(before), end = strlen(after);
	char *p = malloc(n + PIECE + end + 1);

	assert_non_null(p);
	memcpy(p, before, n);
	memset(p + n, 'y', PIECE);
	memcpy(p + n + PIECE, after, end + 1);
	return p;
}

static void bodies_of_calls_in_flight_keep_nobody_out(void **state)
{
	char *body = piece("{\"list\":[[\"x\",\"", "\"]]}"), head[256];
	int fd[BODIES], n;

	(void)state;
	n = snprintf(head, sizeof head,
		     "POST /v1/verbs/status HTTP/1.1\r\nHost: x\r\nContent-"
		     "Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		     strlen(body));
	start();
	for (unsigned i = 0; i < BODIES; i++) {
		fd[i] = client(CONN + i);
		assert_int_equal(send(fd[i], head, (size_t)n, 0), n);
		assert_int_equal(send(fd[i], body, strlen(body), 0),
				 strlen(body));
		assert_int_equal(hear(w.core, CLIENT_CALL).id >> 32, CONN + i);
	}
	for (unsigned i = 0; i < BODIES; i++)
		close(fd[i]);
	free(body);
	end();
}

/* Answers to clients that do not read, one more than there is room for. */
static void nobody_reads(int fd[ANSWERS])
{
	char *reply = piece("x=", "");

	for (unsigned i = 0; i < ANSWERS; i++) {
		fd[i] = client(CONN + i);
		get(fd[i], "/v1/transport");
		say(w.core, CLIENT_REPLY, hear(w.core, CLIENT_CALL).id, reply);
	}
	free(reply);
}

static void answers_that_nobody_reads_are_bounded(void **state)
{
	int fd[ANSWERS];

	(void)state;
	start();
	nobody_reads(fd);
	expect(fd[ANSWERS - 1], 503, "too many answers wait to be read");
	for (unsigned i = 0; i < ANSWERS; i++)
		close(fd[i]);
	end();
}

static void who_reads_for_long_makes_room(void **state)
{
	uint64_t usual = api.read_ns;
	int fd[ANSWERS];

	(void)state;
	api.read_ns = 1;
	start();
	api.read_ns = usual;
	nobody_reads(fd);
	expect(fd[ANSWERS - 1], 200, "{\"x\":\"yyy");
	assert_int_equal(hear(w.door, DF_CLOSED).id, CONN);
	for (unsigned i = 0; i < ANSWERS; i++)
		close(fd[i]);
	end();
}

static void who_leaves_is_told_to_door_and_core(void **state)
{
	int fd;

	(void)state;
	start();
	fd = client(CONN);
	get(fd, "/healthz");
	expect(fd, 200, "ok\n");
	close(fd);
	assert_int_equal(hear(w.door, DF_CLOSED).id, CONN);
	assert_int_equal(hear(w.core, FC_CLOSED).id, (uint64_t)CONN << 32);
	/* its number is free again */
	fd = client(CONN);
	get(fd, "/v1/transport");
	say(w.core, CLIENT_REPLY, called("transport"), "key=k");
	expect(fd, 200, "\"k\"");
	close(fd);
	end();
}

static void who_is_dropped_ends_also_with_a_call_in_flight(void **state)
{
	int fd;

	(void)state;
	start();
	for (int by_core = 0; by_core < 2; by_core++) {
		fd = client(CONN);
		get(fd, "/v1/transport");
		(void)called("transport");
		if (by_core)
			say(w.core, FC_DROP, (uint64_t)CONN << 32, "");
		else
			say(w.door, DF_DROP, CONN, "");
		assert_int_equal(hear(w.core, FC_CLOSED).id,
				 (uint64_t)CONN << 32);
		if (by_core)
			assert_int_equal(hear(w.door, DF_CLOSED).id, CONN);
		ended(fd);
	}
	/* door has gone: all connections with it */
	fd = client(CONN);
	get(fd, "/healthz");
	expect(fd, 200, "ok\n");
	fd_close(&w.door);
	assert_int_equal(hear(w.core, FC_CLOSED).id, (uint64_t)CONN << 32);
	ended(fd);
	w.door = meet("peer=door");
	fd = client(CONN);
	get(fd, "/healthz");
	expect(fd, 200, "ok\n");
	close(fd);
	end();
}

static void a_core_that_ends_is_503_and_the_next_one_serves(void **state)
{
	int fd;

	(void)state;
	start();
	fd = client(CONN);
	get(fd, "/v1/transport");
	(void)called("transport");
	fd_close(&w.core);
	expect(fd, 503, "\r\nRetry-After: 1\r\n");
	get(fd, "/readyz");
	expect(fd, 503, "being started\n");
	get(fd, "/v1/transport");
	expect(fd, 503, "credd is being started");
	w.core = meet("peer=vault");
	do {
		struct answer r;

		get(fd, "/readyz");
		answer(fd, &r);
		free(r.text);
		if (r.status == 200)
			break;
	} while (true);
	get(fd, "/v1/transport");
	say(w.core, CLIENT_REPLY, called("transport"), "key=k");
	expect(fd, 200, "\"k\"");
	close(fd);
	end();
}

static void who_comes_before_the_core_waits_for_it(void **state)
{
	int fd, other;

	(void)state;
	start_alone();
	fd = client(CONN);
	other = client(CONN + 1);
	get(fd, "/v1/transport");
	say(w.door, DF_DROP, CONN + 1, "");
	ended(other);
	w.core = meet("peer=vault");
	say(w.core, CLIENT_REPLY, called("transport"), "key=k");
	expect(fd, 200, "\"k\"");
	close(fd);
	end();
}

/* The gate looks at its clock when something comes: of no connection of his. */
static void time_passes(unsigned seconds)
{
	*its_clock += seconds * CLOCK_SECOND;
	say(w.door, DF_DROP, CONN + 1, "");
}

static void comes_and_goes(void)
{
	int fd = client(CONN);

	get(fd, "/healthz");
	expect(fd, 200, "ok\n");
	close(fd);
	assert_int_equal(hear(w.door, DF_CLOSED).id, CONN);
}

static void who_serves_nobody_for_so_long_says_so(void **state)
{
	char c;

	(void)state;
	its_clock = mmap(NULL, sizeof *its_clock, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(its_clock != MAP_FAILED);
	*its_clock = clock_boot();
	start();
	comes_and_goes();
	time_passes(IDLE_S - 1);
	comes_and_goes(); /* and from then on */
	time_passes(IDLE_S - 1);
	comes_and_goes();
	assert_int_equal(recv(w.sup, &c, 1, MSG_DONTWAIT), -1);
	time_passes(IDLE_S);
	(void)hear(w.sup, SUP_IDLE);
	end();
	munmap(its_clock, sizeof *its_clock);
	its_clock = NULL;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_a_call_and_its_answers_are_json),
		cmocka_unit_test(an_error_is_its_problem),
		cmocka_unit_test(answers_to_nobody_are_dropped),
		cmocka_unit_test(
			an_answer_over_its_bound_is_refused_and_forgotten),
		cmocka_unit_test(bodies_of_calls_in_flight_keep_nobody_out),
		cmocka_unit_test(answers_that_nobody_reads_are_bounded),
		cmocka_unit_test(who_reads_for_long_makes_room),
		cmocka_unit_test(who_leaves_is_told_to_door_and_core),
		cmocka_unit_test(
			who_is_dropped_ends_also_with_a_call_in_flight),
		cmocka_unit_test(
			a_core_that_ends_is_503_and_the_next_one_serves),
		cmocka_unit_test(who_comes_before_the_core_waits_for_it),
		cmocka_unit_test(who_serves_nobody_for_so_long_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
