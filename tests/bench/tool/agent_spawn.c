/* Benchmark: agents started one after the other on a kept connection, each by the pidfd
 * of this process: until its token is there, then until its certificate is, claimed over
 * the socket; by turns with a bare round trip over a UNIX socket, and with the way of a
 * spawn through processes that do nothing.
 *	agent_spawn API COUNT
 * API: certmgr's api.sock. Prints median and p99 of each. The agents end with us.
 * All are measured alike: the others are processes of their own, which wait in epoll and
 * run on any CPU, as certmgr's do, and each turn begins after the same rest, when all of
 * them sleep. A bare round trip is a message and its answer, no more: nobody passes it on,
 * no descriptors go with it. */
#include "lib/client.h"
#include "lib/clock.h"
#include "lib/kinds.h"
#include "lib/msg.h"
#include "tests/bench/lib/agents.h"
#include "tests/bench/lib/echo.h"
#include "tests/bench/lib/relay.h"
#include "tests/bench/lib/stage.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	COUNT_MAX = 900,
	ANSWER = 120, /* bytes of an answer to agent.spawn, about */
	PAYLOAD_ROOM = 16 << 10,
	REST_MS = 3, /* for what goes on behind the last one */
};

struct bench {
	struct cretula *spawns, *claims;
	int self, echo;
	struct relay *relay;
	struct buf call; /* of about what agent.spawn sends */
	struct times bare, way, spawn, cert;
};

static void rest(void)
{
	const struct timespec t = { .tv_nsec = REST_MS * 1000000 };

	(void)nanosleep(&t, NULL);
}

static void bare(struct bench *b)
{
	uint64_t start = clock_boot();
	uint8_t in[ANSWER];
	size_t have = 0;

	ENSURE(write(b->echo, b->call.p, b->call.len) == (ssize_t)b->call.len);
	while (have < sizeof in) {
		ssize_t n = read(b->echo, in + have, sizeof in - have);

		ENSURE(n > 0);
		have += (size_t)n;
	}
	times_add(&b->bare, start);
}

/* What comes out of the socket up to its end is the certificate and its key. */
static void claim(struct bench *b, const char *name, const struct buf *token)
{
	static uint8_t payload[PAYLOAD_ROOM];
	struct cretula_answer *answer = NULL;
	struct cretula_error err;
	struct attrs a;
	size_t n = 0;
	ssize_t got;
	int pair[2];

	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ENSURE(write(pair[0], token->p, token->len) == (ssize_t)token->len);
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "agent", strchr(name, ':') + 1) == OK);
	if (client_call_fds(b->claims, "agent.claim", attrs_view(&a), &pair[1],
			    1, &answer, &err))
		bench_die("%s", err.text);
	close(pair[1]);
	while ((got = read(pair[0], payload + n, sizeof payload - n)) > 0)
		n += (size_t)got;
	ENSURE(n > 0);
	close(pair[0]);
	cretula_answer_free(answer);
	attrs_wipe(&a);
}

static void turn(struct bench *b)
{
	struct cretula_agent_ref ref;
	struct buf token;
	uint64_t start;

	buf_init(&token, 1024);
	ENSURE(buf_reserve(&token, 1024) == OK);
	rest();
	bare(b);
	rest();
	start = clock_boot();
	relay_turn(b->relay, b->self);
	times_add(&b->way, start);
	rest();
	start = clock_boot();
	agents_spawn(b->spawns, b->self, NULL, false, &ref);
	agents_token(&ref, &token);
	times_add(&b->spawn, start);
	close(ref.token_fd);
	start = clock_boot();
	claim(b, ref.name, &token);
	times_add(&b->cert, start);
	buf_wipe(&token);
}

static void make_call(struct buf *out)
{
	struct attrs a;

	attrs_init(&a);
	buf_init(out, MSG_MAX);
	ENSURE(attrs_add_str(&a, "verb", "agent.spawn") == OK);
	ENSURE(attrs_add_str(&a, "type", "web") == OK);
	ENSURE(attrs_add_str(&a, "fds", "2") == OK);
	ENSURE(msg_put(out, CLIENT_CALL, 1, attrs_view(&a)) == OK);
	attrs_wipe(&a);
}

int main(int argc, char **argv)
{
	struct bench b = { .self = agents_self() };
	unsigned count;
	struct echo *e;

	if (argc != 3)
		bench_die("usage: agent_spawn API COUNT");
	count = agents_number(argv[2], COUNT_MAX);
	b.spawns = agents_connect(argv[1]);
	b.claims = agents_connect(argv[1]);
	e = echo_start(ANSWER);
	b.echo = echo_connect(e);
	ENSURE(b.echo >= 0);
	b.relay = relay_start();
	make_call(&b.call);
	times_init(&b.bare, count);
	times_init(&b.way, count);
	times_init(&b.spawn, count);
	times_init(&b.cert, count);
	for (unsigned i = 0; i < count; i++)
		turn(&b);
	printf("{");
	times_print(&b.bare, "bare");
	printf(", ");
	times_print(&b.way, "way");
	printf(", ");
	times_print(&b.spawn, "spawn");
	printf(", ");
	times_print(&b.cert, "cert");
	printf("}\n");
	buf_wipe(&b.call);
	close(b.echo);
	close(b.self);
	relay_stop(b.relay);
	echo_stop(e);
	cretula_close(b.spawns);
	cretula_close(b.claims);
	return 0;
}
