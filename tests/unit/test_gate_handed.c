/* lib/gate_port.c, gate_route.c: a port whose connections are handed in, and the routes
 * of a daemon. The gate runs in this process, whose loop the clients turn. */
#include "lib/clock.h"
#include "lib/gate.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FEW = 8,
	WAIT_S = 60,
	ANSWER = 4096,
};

struct test_conn {
	struct gate_conn conn;
	unsigned requests;
};

static struct loop *loop;
static struct gate_port port;
static struct gate_conn *waiting;
static unsigned came, forgotten, gone;

/* Says what varied in the path, and the connection's number. */
static enum MHD_Result tell(struct gate_conn *c)
{
	char text[512] = "";
	size_t n = 0;

	for (unsigned i = 0; i < c->vars; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "[%.*s]",
				      (int)c->var[i].n,
				      (const char *)c->var[i].p);
	(void)snprintf(text + n, sizeof text - n, " %s %llu %u %.*s",
		       c->route->verb, (unsigned long long)c->id,
		       ++((struct test_conn *)c)->requests, (int)c->body.len,
		       c->body.p ? (const char *)c->body.p : "");
	return gate_text(c, 200, text);
}

static enum MHD_Result later(struct gate_conn *c)
{
	waiting = c;
	return gate_wait(c);
}

static void on_came(struct gate_conn *c)
{
	(void)c;
	came++;
}

static void on_forget(struct gate_conn *c)
{
	forgotten++;
	if (waiting == c)
		waiting = NULL;
}

static void on_gone(struct gate_conn *c)
{
	(void)c;
	gone++;
}

static const struct gate_route routes[] = {
	{ .path = "/modules",
	  .methods = GATE_GET,
	  .verb = "list",
	  .run = tell },
	{ .path = "/modules/*/operations",
	  .methods = GATE_GET,
	  .verb = "ops",
	  .run = tell },
	{ .path = "/modules/*/operations/*/*",
	  .methods = GATE_POST,
	  .body_max = 2 << 20,
	  .type = "application/json",
	  .verb = "run",
	  .run = tell },
	{ .path = "/of/**/tail",
	  .methods = GATE_GET,
	  .verb = "of",
	  .run = tell },
	{ .path = "/far", .ports = GATE_TLS, .methods = GATE_GET, .run = tell },
	{ .path = "/later", .methods = GATE_GET, .run = later },
};

static void open_port(void)
{
	static const struct gate_ops ops = {
		.routes = routes,
		.count = NELEM(routes),
		.conn_size = sizeof(struct test_conn),
		.nothing = "nothing here",
		.came = on_came,
		.forget = on_forget,
		.gone = on_gone,
	};
	struct fault f = { .text = "" };

	came = forgotten = gone = 0;
	waiting = NULL;
	if (gate_init(&ops, &f) != OK || gate_port_handed(&port, FEW, &f) != OK)
		fail_msg("%s", f.text);
	loop = loop_new();
	gate_run(loop);
}

static void close_port(void)
{
	gate_close();
	loop_free(loop);
}

static int client(uint64_t id)
{
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(gate_port_hand(&port, pair[0], id), OK);
	return pair[1];
}

static ssize_t turn_until(int fd, char *p, size_t n)
{
	uint64_t end = clock_boot() + WAIT_S * CLOCK_SECOND;
	ssize_t got;

	do {
		loop_turn(loop, 5 * CLOCK_MS);
		got = recv(fd, p, n, MSG_DONTWAIT);
	} while (got < 0 && errno == EAGAIN && clock_boot() < end);
	return got;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 (ssize_t)strlen(text));
}

/* The answer has that status and those words. */
static void answered(int fd, const char *status, const char *words)
{
	char p[ANSWER];
	ssize_t n = turn_until(fd, p, sizeof p - 1);

	assert_true(n > 12);
	p[n] = 0;
	assert_memory_equal(p + 9, status, 3);
	if (!strstr(p, words))
		fail_msg("no '%s' in: %s", words, p);
}

static void get(int fd, const char *path, const char *status, const char *words)
{
	char text[512];

	(void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
		       path);
	say(fd, text);
	answered(fd, status, words);
}

static void paths_have_their_routes(void **state)
{
	int fd;

	(void)state;
	open_port();
	fd = client(7);
	get(fd, "/modules", "200", " list 7 1 ");
	get(fd, "/modules/", "404", "nothing here");
	get(fd, "/modulesx", "404", "nothing here");
	get(fd, "/modules/aws/operations", "200", "[aws] ops 7 2 ");
	get(fd, "/modules/a%2Fb/operations", "200", "[a%2Fb] ops 7 3 ");
	get(fd, "/modules//operations", "404", "nothing here");
	get(fd, "/modules/a/b/operations", "404", "nothing here");
	get(fd, "/modules/a/operations/", "404", "nothing here");
	get(fd, "/modules/a/operations/b/c", "405",
	    "does not take that method");
	get(fd, "/of/tail", "404", "nothing here");
	get(fd, "/of//tail", "200", "[] of 7 4 ");
	get(fd, "/of/a/b/tail", "200", "[a/b] of 7 5 ");
	get(fd, "/far", "404", "nothing here");
	say(fd,
	    "POST /modules/a/operations/b/c HTTP/1.1\r\nHost: x\r\n"
	    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
	answered(fd, "200", "[a][b][c] run 7 6 {}");
	close(fd);
	close_port();
}

static void a_refused_body_is_told_what_its_route_takes(void **state)
{
	static const char head[] =
		"POST /modules/a/operations/b/c HTTP/1.1\r\nHost: x\r\n";
	int fd;

	(void)state;
	open_port();
	fd = client(1);
	say(fd, head);
	say(fd, "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}");
	answered(fd, "415", "must be of Content-Type application/json");
	close(fd);
	fd = client(2);
	say(fd, head);
	say(fd, "Content-Type: application/json\r\nContent-Length: 2097153"
		"\r\n\r\n");
	answered(fd, "413", "the body is over 2 MiB");
	close(fd);
	close_port();
}

static void ended(int fd)
{
	char p[ANSWER];

	assert_int_equal(turn_until(fd, p, sizeof p), 0);
	close(fd);
}

static void hooks_hear_of_every_end(void **state)
{
	int a, b;

	(void)state;
	open_port();
	a = client(1);
	b = client(2);
	assert_int_equal(came, 2);
	say(a, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!waiting)
		loop_turn(loop, CLOCK_MS);
	assert_int_equal(waiting->id, 1);
	gate_resume(waiting, 503,
		    gate_problem(ERR_UNAVAILABLE, 0, "later", NULL, 1));
	answered(a, "503", "later");
	assert_int_equal(forgotten, 1);
	assert_int_equal(gone, 0);
	close(a);
	while (gone < 1)
		loop_turn(loop, CLOCK_MS);
	gate_conn_end(port.newest);
	ended(b);
	close_port();
	assert_int_equal(gone, 2);
	assert_int_equal(port.conns, 0);
}

/* One more than there may be: the one that waits longest goes. */
static void too_many_make_room(void **state)
{
	int fd[FEW + 1];

	(void)state;
	open_port();
	for (uint64_t i = 0; i < NELEM(fd); i++) {
		fd[i] = client(i);
		loop_turn(loop, 0);
	}
	ended(fd[0]);
	for (size_t i = 1; i < NELEM(fd); i++) {
		get(fd[i], "/modules", "200", "list");
		close(fd[i]);
	}
	close_port();
	assert_int_equal(gone, NELEM(fd));
}

static void what_is_no_socket_is_not_taken(void **state)
{
	int pair[2], fd;

	(void)state;
	open_port();
	assert_int_equal(pipe(pair), 0);
	close(pair[1]);
	if (gate_port_hand(&port, pair[0], 1) == OK) /* it ends at once */
		while (gone < came)
			loop_turn(loop, CLOCK_MS);
	fd = client(2);
	get(fd, "/modules", "200", " list 2 1 ");
	close(fd);
	close_port();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_have_their_routes),
		cmocka_unit_test(a_refused_body_is_told_what_its_route_takes),
		cmocka_unit_test(hooks_hear_of_every_end),
		cmocka_unit_test(too_many_make_room),
		cmocka_unit_test(what_is_no_socket_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
