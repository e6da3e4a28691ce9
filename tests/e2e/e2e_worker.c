/* Tests: what workers are for, in each way they can be kept: they answer, they are
 * bounded, they draw numbers of their own, and they end with those they belong to. */
#include "credd/kinds.h"
#include "credd/roles.h"
#include "tests/e2e/lib/cages.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RANDOM_WORKERS = 100,
};

/* One request to a fresh worker, and what came of it. */
static void one_request(const char *op, const char *name, const char *value,
			const char *key, uint32_t kind, const char *attr,
			const char *want, const char *title)
{
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan;

	buf_init(&in, MSG_MAX + 4);
	chan = hostile_ready(&id, &in, key);
	if (chan < 0) {
		case_failed(title, "the worker does not start");
		return;
	}
	rig_run(chan, VW_RUN, 7, op, name, value);
	if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
		m.kind = 0;
	case_check(m.kind == kind && m.id == 7 &&
			   !strcmp(rig_text(&m, attr), want),
		   cage_case(title), "kind %u %s='%s', expected '%s'", m.kind,
		   attr, m.kind ? rig_text(&m, attr) : "", want);
	if (m.kind == VW_FAILED)
		case_check(!strstr(rig_text(&m, "text"), key), cage_case(title),
			   "the key is in the error text");
	buf_wipe(&in);
	close(chan);
}

static void operations(void)
{
	static const char key[] = "a key of some length";

	one_request("echo", "text", "hello", key, VW_REPLY, "text", "hello",
		    "an operation answers");
	one_request("echo", "other", "x", key, VW_FAILED, "error", "invalid",
		    "an unknown request attribute is refused");
	one_request("nothing", NULL, NULL, key, VW_FAILED, "error",
		    "unsupported", "an unknown operation is refused");
	one_request("echo", "text", "x", "refused", VW_FAILED, "error",
		    "expired", "a credential can be refused by open");
	one_request("leak", NULL, NULL, key, VW_FAILED, "tripwire", "yes",
		    "a reply with the key is withheld");
	one_request("leak_error", NULL, NULL, key, VW_FAILED, "tripwire", "yes",
		    "an error text with the key is withheld");
	one_request("echo", "text", key, key, VW_REPLY, "text", key,
		    "what the request held may be in the reply");
	one_request("leak_sent", NULL, NULL, key, VW_REPLY, "text",
		    "a token that is sent along",
		    "an attribute that is sent may be in the reply");
	one_request("reveal", NULL, NULL, key, VW_REPLY, "text", key,
		    "an operation that reveals may reveal");
	one_request("large", NULL, NULL, key, VW_FAILED, "error", "too_large",
		    "a reply over its bound is an error");
}

static void endless_reply(void)
{
	struct buf in;
	uint64_t id;
	int chan;

	buf_init(&in, MSG_MAX + 4);
	chan = hostile_ready(&id, &in, "k");
	if (chan >= 0) {
		rig_run(chan, VW_RUN, 1, "endless", NULL, NULL);
		expect_deadline(chan, id, cage_case("an endless reply"));
		close(chan);
	}
	buf_wipe(&in);
}

static void steps(void)
{
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan;
	bool good = true;

	buf_init(&in, MSG_MAX + 4);
	chan = hostile_ready(&id, &in, "k");
	/* two sessions at once, each with its own state */
	for (int i = 0; good && i < 6; i++) {
		rig_run(chan, VW_RUN, 1 + (uint64_t)i % 2, "steps", NULL, NULL);
		good = rig_get(chan, &in, &m, ANSWER_MS) == OK &&
		       m.kind == (i < 4 ? VW_MORE : VW_REPLY) &&
		       rig_number(&m, "step") == i / 2 + 1;
	}
	case_check(good, cage_case("operations of several steps"), "kind %u",
		   m.kind);
	buf_wipe(&in);
	close(chan);
}

/* The facts need no credential, and are refused beside one. */
static void facts(void)
{
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id;
	int chan = hostile_start("none", &id);

	buf_init(&in, MSG_MAX + 4);
	if (rig_get(chan, &in, &m, ANSWER_MS) == OK && m.kind == VW_READY) {
		rig_run(chan, VW_FACTS, 3, "echo", "text", "x");
		if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
			m.kind = 0;
	}
	case_check(m.kind == VW_REPLY &&
			   !strcmp(rig_text(&m, "action"), "echo"),
		   cage_case("facts without a credential"), "kind %u", m.kind);
	rig_run(chan, VW_RUN, 4, "echo", "text", "x");
	if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
		m.kind = 0;
	case_check(m.kind == VW_FAILED &&
			   !strcmp(rig_text(&m, "error"), "conflict"),
		   cage_case("no operation without a credential"), "kind %u",
		   m.kind);
	buf_wipe(&in);
	close(chan);
}

/* Many requests in one write are all answered, in order. */
static void batch(void)
{
	struct msg m = { .kind = 0 };
	struct buf in;
	uint64_t id, got = 0;
	int chan;

	buf_init(&in, MSG_MAX + 4);
	chan = hostile_ready(&id, &in, "k");
	for (uint64_t i = 1; i <= 500; i++)
		rig_run(chan, VW_RUN, i, "echo", "text", "x");
	while (got < 500 && rig_get(chan, &in, &m, ANSWER_MS) == OK &&
	       m.kind == VW_REPLY && m.id == got + 1)
		got++;
	case_check(got == 500, cage_case("500 requests at once"),
		   "%llu answers", (unsigned long long)got);
	buf_wipe(&in);
	close(chan);
}

static void bad_modules(void)
{
	struct buf text, in;
	struct msg m = { .kind = 0 };
	char reason[256] = "";
	uint64_t id;
	int so, chan, sig = 0;

	buf_init(&text, 64);
	buf_init(&in, MSG_MAX + 4);
	ENSURE(buf_str(&text, "not a library") == OK);
	so = rig_memfd(&text, true);
	chan = rig_spawn(&cage_rig, so, 0, &id);
	if (rig_get(chan, &in, &m, ANSWER_MS) != OK)
		m.kind = 0;
	case_check(m.kind == VW_FAILED &&
			   strstr(rig_text(&m, "text"), "loaded"),
		   cage_case("a file that is no module is refused"), "kind %u",
		   m.kind);
	close(chan);
	close(so);
	so = rig_memfd(&hostile_module, false);
	chan = rig_spawn(&cage_rig, so, 0, &id);
	case_check(rig_ended(&cage_rig, id, &sig, reason, sizeof reason) &&
			   strstr(reason, "sealed"),
		   cage_case("a memfd that is not sealed is refused"), "%s",
		   reason);
	close(chan);
	close(so);
	buf_wipe(&text);
	buf_wipe(&in);
}

static bool same_anywhere(uint8_t (*v)[32], size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (!memcmp(v[i], v[k], 32))
				return true;
	return false;
}

/* All are pid 1 of a namespace; none may draw another's numbers. OpenSSL sees a fork
 * by its pid: where the zygote is pid 1 as well, only seeding anew helps. */
static void random_numbers(void)
{
	static uint8_t drawn[2 * RANDOM_WORKERS][32];
	struct buf in;
	struct msg m;
	struct attr a, b;
	uint64_t id;
	size_t n = 0;

	buf_init(&in, MSG_MAX + 4);
	for (int i = 0; i < RANDOM_WORKERS; i++) {
		int chan = hostile_ready(&id, &in, "k");

		rig_run(chan, VW_RUN, 1, "random", NULL, NULL);
		if (rig_get(chan, &in, &m, ANSWER_MS) == OK &&
		    attr_only(m.attrs, "public", &a) == OK && a.len == 32 &&
		    attr_only(m.attrs, "private", &b) == OK && b.len == 32) {
			memcpy(drawn[n++], a.value, 32);
			memcpy(drawn[n++], b.value, 32);
		}
		close(chan);
	}
	case_check(n == NELEM(drawn) && !same_anywhere(drawn, n),
		   cage_case("100 workers draw different numbers"),
		   "%zu of %zu, or two the same", n, NELEM(drawn));
	buf_wipe(&in);
}

/* A vault that dies takes its workers along; killed workers leave nothing. */
static void vault_gone(void)
{
	struct buf in;
	struct msg m;
	uint64_t id;
	int chan;

	buf_init(&in, MSG_MAX + 4);
	chan = hostile_ready(&id, &in, "k");
	shutdown(cage_rig.vault, SHUT_RDWR);
	/* the worker does not end by itself: its channel is still open */
	case_check(rig_get(chan, &in, &m, ANSWER_MS) == ERR_UNAVAILABLE,
		   cage_case("workers end with the vault"), "it lives on");
	buf_wipe(&in);
	close(chan);
}

/* Nor do they outlive the zygote, though their channels are open. */
static void zygote_gone(void)
{
	struct rig other;
	struct fault f;
	struct buf in;
	struct msg m;
	uint64_t id;
	int chan, so = hostile_memfd("none");

	buf_init(&in, MSG_MAX + 4);
	ENSURE(rig_start(&other, cage_map, 0, &f) == OK);
	chan = rig_spawn(&other, so, 0, &id);
	ENSURE(rig_get(chan, &in, &m, ANSWER_MS) == OK);
	rig_stop(&other);
	case_check(rig_get(chan, &in, &m, ANSWER_MS) == ERR_UNAVAILABLE,
		   cage_case("workers end with the zygote"), "it lives on");
	buf_wipe(&in);
	close(chan);
	close(so);
}

static void run_all(void)
{
	operations();
	endless_reply();
	steps();
	facts();
	batch();
	bad_modules();
	random_numbers();
	vault_gone();
	zygote_gone();
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc == 2 && !strcmp(argv[1], "--role=zygote"))
		return role_zygote();
	hostile_load();
	if (getuid())
		case_skip("worker/mapped", "needs root");
	else
		bad = cage_try("mapped", run_all) |
		      cage_try("pid1", random_numbers);
	bad |= cage_try("single", run_all);
	bad |= cage_try("plain", run_all);
	return bad;
}
