/* Benchmark: the first request_key(2) of agents whose certificate is made, and another
 * for the key that is there then; by turns with a key whose helper answers a constant
 * (request_key_bare, which /etc/request-key.d names for "bench:bare:*").
 *	agent_key API COUNT
 * Prints median and p99 of each. The agents end with us. Needs root, for its quota. */
#include "lib/clock.h"
#include "tests/bench/lib/agents.h"
#include "tests/bench/lib/stage.h"

#include <errno.h>
#include <keyutils.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	COUNT_MAX = 900,
	NAME_ROOM = 80,
	REST_MS = 3,
};

struct bench {
	struct cretula *c;
	int self;
	struct times first, bare, cached;
};

static void rest(void)
{
	const struct timespec t = { .tv_nsec = REST_MS * 1000000 };

	(void)nanosleep(&t, NULL);
}

static key_serial_t ask(const char *name, const char *callout, struct times *t)
{
	uint64_t start = clock_boot();
	key_serial_t key = request_key("user", name, callout,
				       callout ? KEY_SPEC_PROCESS_KEYRING : 0);

	times_add(t, start);
	if (key < 0)
		bench_die("no key '%s': %s", name, strerror(errno));
	return key;
}

static void bare(struct bench *b, unsigned i)
{
	char name[NAME_ROOM];
	key_serial_t key;

	(void)snprintf(name, sizeof name, "bench:bare:%d:%u", (int)getpid(), i);
	key = ask(name, "x", &b->bare);
	ENSURE(!keyctl_unlink(key, KEY_SPEC_PROCESS_KEYRING));
}

static void ours(struct bench *b)
{
	struct cretula_agent_ref ref;
	char name[NAME_ROOM];
	struct buf token;
	key_serial_t key;

	buf_init_secret(&token, 1024);
	agents_spawn(b->c, b->self, NULL, true, &ref);
	agents_token(&ref, &token);
	close(ref.token_fd);
	ENSURE(buf_put(&token, "", 1) == OK);
	(void)snprintf(name, sizeof name, "cretula:cert:%s", ref.name);
	rest();
	key = ask(name, (const char *)token.p, &b->first);
	rest();
	ENSURE(ask(name, NULL, &b->cached) == key);
	ENSURE(!keyctl_unlink(key, KEY_SPEC_PROCESS_KEYRING));
	buf_wipe(&token);
}

int main(int argc, char **argv)
{
	struct bench b = { .self = agents_self() };
	unsigned count;

	if (argc != 3)
		bench_die("usage: agent_key API COUNT");
	count = agents_number(argv[2], COUNT_MAX);
	b.c = agents_connect(argv[1]);
	times_init(&b.first, count);
	times_init(&b.bare, count);
	times_init(&b.cached, count);
	for (unsigned i = 0; i < count; i++) {
		ours(&b);
		rest();
		bare(&b, i);
	}
	printf("{");
	times_print(&b.first, "first");
	printf(", ");
	times_print(&b.bare, "bare");
	printf(", ");
	times_print(&b.cached, "cached");
	printf("}\n");
	close(b.self);
	cretula_close(b.c);
	return 0;
}
