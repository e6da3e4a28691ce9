/* lib/conns.c, lib/call.c: a core with the test in the places of door and of the
 * fronts of two users. */
#include "lib/call.h"
#include "lib/clock.h"

#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
	ANNA = 1000,
	BERT = 1001,
};

/* One of the others: what it has received last. */
struct other {
	struct chan chan; /* first member */
	unsigned msgs;
	uint32_t kind;
	uint64_t id;
	int fd; /* the last that came */
	struct attrs attrs;
};

static struct {
	struct loop *loop;
	struct conns conns;
	struct chan near_sup;
	struct call_server server;
	struct other door, anna, bert, sup;
	unsigned calls, orphaned, checks;
	uint64_t ref;
	bool alive, exe;
	struct call last;
	bool takes;   /* one descriptor of each call */
	int taken[8]; /* by call */
	unsigned examined;
	struct procinfo process;
	bool gone;
	int pidfd;
} world;

static void heard(struct chan *c, const struct msg *m)
{
	struct other *o = (struct other *)c;

	o->msgs++;
	o->kind = m->kind;
	o->id = m->id;
	fd_close(&o->fd);
	o->fd = chan_take_fd(c);
	attrs_clear(&o->attrs);
	assert_int_equal(attrs_add_view(&o->attrs, m->attrs), OK);
}

static void ended(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
}

static void called(const struct conn *c, const struct msg *m)
{
	assert_non_null(c);
	world.calls++;
	world.last = call_new(&world.server, m->id);
	if (world.takes)
		world.taken[world.calls - 1] = conns_take_fd(&world.conns);
}

static void examined(uint64_t ref, const struct procinfo *p, int pidfd)
{
	world.examined++;
	world.ref = ref;
	world.gone = !p;
	if (p)
		world.process = *p;
	fd_close(&world.pidfd);
	world.pidfd = pidfd;
}

static void checked(uint64_t ref, bool alive, bool exe)
{
	world.checks++;
	world.ref = ref;
	world.alive = alive;
	world.exe = exe;
}

static void orphaned(void)
{
	world.orphaned++;
}

/* Turns as long as something comes within a moment of what is awaited. */
static void until(const unsigned *count, unsigned n)
{
	uint64_t end = clock_boot() + 30 * CLOCK_SECOND;

	while (*count < n) {
		assert_true(clock_boot() < end);
		loop_turn(world.loop, CLOCK_SECOND);
	}
}

static void meets(struct other *o, const char *peer, uint64_t uid)
{
	static const struct chan_ops ops = { heard, ended, NULL };
	struct msg m = { .kind = SUP_PEER };
	struct attrs a;
	int sv[2];

	attrs_init(&o->attrs);
	attrs_init(&a);
	assert_int_equal(attrs_add_u64(&a, "uid", uid), OK);
	m.attrs = attrs_view(&a);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	chan_open(&o->chan, world.loop, sv[0], false, &ops);
	assert_true(conns_peer(&world.conns, peer, &m, sv[1]));
	attrs_wipe(&a);
}

static void says(struct other *o, uint32_t kind, uint64_t id, const char *text)
{
	struct fault f;
	struct attrs a;

	attrs_init(&a);
	assert_int_equal(attrs_parse_text(&a, text, strlen(text), &f), OK);
	assert_int_equal(chan_send(&o->chan, kind, id, attrs_view(&a)), OK);
	attrs_wipe(&a);
}

static int begin(void **state)
{
	static const struct conns_ops ops = { called, checked, orphaned,
					      examined, NULL };

	(void)state;
	memset(&world, 0, sizeof world);
	world.door.fd = world.anna.fd = world.bert.fd = world.sup.fd = -1;
	world.pidfd = -1;
	world.loop = loop_new();
	conns_init(&world.conns, world.loop, &world.near_sup, &ops);
	call_server_init(&world.server, &world.conns);
	conns_pause(&world.conns, false);
	meets(&world.door, "door", 0);
	meets(&world.anna, "front", ANNA);
	meets(&world.bert, "front", BERT);
	says(&world.door, DC_CONN, 7, "uid=1000 gid=1000 groups=1000 pid=70");
	until(&world.door.msgs, 1);
	return 0;
}

static int end(void **state)
{
	struct other *all[] = { &world.door, &world.anna, &world.bert,
				&world.sup };

	(void)state;
	for (size_t i = 0; i < NELEM(all); i++) {
		chan_close(&all[i]->chan);
		fd_close(&all[i]->fd);
		attrs_wipe(&all[i]->attrs);
	}
	fd_close(&world.pidfd);
	conns_wipe(&world.conns);
	chan_close(&world.near_sup);
	loop_free(world.loop);
	return 0;
}

static void door_hears_that_a_connection_is_known(void **state)
{
	(void)state;
	assert_int_equal(world.door.kind, DC_KNOWN);
	assert_int_equal(world.door.id, 7);
	assert_int_equal(conns_count(&world.conns), 1);
	assert_int_equal(conns_find(&world.conns, 7)->subject.uid, ANNA);
}

static void an_answer_goes_to_the_front_of_its_connection(void **state)
{
	struct attr a;
	char id[REQUEST_ID];

	(void)state;
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 3, "verb=x");
	until(&world.calls, 1);
	call_error(&world.last, ERR_LIMITED, "too much");
	until(&world.anna.msgs, 1);
	assert_int_equal(world.anna.kind, CLIENT_ERROR);
	assert_int_equal(world.anna.id, 7ull << 32 | 3);
	assert_int_equal(
		attr_only(attrs_view(&world.anna.attrs), "request_id", &a), OK);
	call_request_id(&world.last, id);
	assert_true(attr_is(&a, id));
	assert_true(
		attr_find(attrs_view(&world.anna.attrs), "retry_after", &a));
	assert_int_equal(world.bert.msgs, 0);
}

static bool is_there(const struct other *o)
{
	char byte;

	return recv(o->chan.watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void what_somebody_waits_for_leaves_before_the_turn_ends(void **state)
{
	(void)state;
	conns_flush(&world.conns, 99ull << 32 | 1); /* nobody */
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 3, "verb=x");
	until(&world.calls, 1);
	call_error(&world.last, ERR_LIMITED, "too much");
	assert_false(is_there(&world.anna));
	conns_flush(&world.conns, world.last.id);
	assert_true(is_there(&world.anna));
	until(&world.anna.msgs, 1);
	assert_int_equal(world.anna.id, world.last.id);
}

static void a_front_speaks_for_its_own_user_only(void **state)
{
	(void)state;
	says(&world.bert, CLIENT_CALL, 7ull << 32 | 1, "verb=x");
	says(&world.bert, CLIENT_CALL, 8ull << 32 | 1, "verb=x");
	says(&world.door, DC_CONN, 9, "uid=1001 gid=1001 groups=1001 pid=71");
	until(&world.door.msgs, 2);
	says(&world.bert, CLIENT_CALL, 9ull << 32 | 1, "verb=x");
	until(&world.calls, 1);
	assert_int_equal(world.last.id, 9ull << 32 | 1);
	assert_int_equal(world.calls, 1);
}

static void a_front_that_breaks_the_rules_is_the_supervisors_to_end(
	void **state)
{
	static const struct chan_ops ops = { heard, ended, NULL };
	struct attr a;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	attrs_init(&world.sup.attrs);
	chan_open(&world.near_sup, world.loop, sv[0], false, &ops);
	chan_open(&world.sup.chan, world.loop, sv[1], false, &ops);
	says(&world.bert, 99, 1, "");
	until(&world.sup.msgs, 1);
	assert_int_equal(world.sup.kind, SUP_BROKEN);
	assert_int_equal(attr_only(attrs_view(&world.sup.attrs), "uid", &a),
			 OK);
	assert_true(attr_is(&a, "1001"));
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 1, "verb=x");
	until(&world.calls, 1);
	/* one that has simply ended is none */
	chan_close(&world.anna.chan);
	says(&world.door, DC_CONN, 9, "uid=1000 gid=1000 groups=1000 pid=71");
	until(&world.door.msgs, 2);
	assert_int_equal(world.sup.msgs, 1);
}

/* A new core may hear of a call by its front before door has told who asks. */
static void a_call_of_an_unknown_connection_is_answered_by_an_error(
	void **state)
{
	struct attr a;

	(void)state;
	says(&world.anna, CLIENT_CALL, 8ull << 32 | 5, "verb=x");
	until(&world.anna.msgs, 1);
	assert_int_equal(world.calls, 0);
	assert_int_equal(world.anna.kind, CLIENT_ERROR);
	assert_int_equal(world.anna.id, 8ull << 32 | 5);
	assert_int_equal(attr_only(attrs_view(&world.anna.attrs), "error", &a),
			 OK);
	assert_true(attr_is(&a, "unavailable"));
}

static void what_is_gone_is_answered_to_nobody(void **state)
{
	struct call before;

	(void)state;
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 1, "verb=x");
	until(&world.calls, 1);
	before = world.last;
	says(&world.door, DC_GONE, 7, "");
	says(&world.door, DC_CONN, 9, "uid=1000 gid=1000 groups=1000 pid=71");
	until(&world.door.msgs, 2);
	assert_null(call_conn(&before));
	call_error(&before, ERR_DENIED, "no");
	before.id = CALL_NOBODY;
	call_error(&before, ERR_DENIED, "no");
	says(&world.anna, CLIENT_CALL, 9ull << 32 | 2, "verb=x");
	until(&world.calls, 2);
	call_error(&world.last, ERR_DENIED, "no");
	until(&world.anna.msgs, 1);
	assert_int_equal(world.anna.id, 9ull << 32 | 2);
}

/* Door and fronts are heard in no order. */
static void what_was_sent_before_it_went_is_still_its_senders(void **state)
{
	(void)state;
	says(&world.door, DC_GONE, 7, "handed=yes");
	says(&world.door, DC_CONN, 9, "uid=1000 gid=1000 groups=1000 pid=71");
	until(&world.door.msgs, 2);
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 1, "verb=x");
	until(&world.calls, 1);
	assert_non_null(call_conn(&world.last));
	says(&world.anna, FC_CLOSED, 7ull << 32, "");
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 2, "verb=x");
	until(&world.anna.msgs, 1); /* an error: nobody is there any more */
	assert_int_equal(world.calls, 1);
	assert_null(conns_find(&world.conns, 7));
}

static void whom_door_and_front_have_closed_is_forgotten(void **state)
{
	(void)state;
	says(&world.anna, FC_CLOSED, 7ull << 32, "");
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 1, "verb=x");
	until(&world.calls, 1); /* door has not said so yet */
	says(&world.door, DC_GONE, 7, "handed=yes");
	says(&world.door, DC_CONN, 9, "uid=1000 gid=1000 groups=1000 pid=71");
	until(&world.door.msgs, 2);
	assert_null(conns_find(&world.conns, 7));
}

/* What it said is read when its call to nobody has been answered. */
static void has_said(struct other *o, const char *text)
{
	unsigned before = o->msgs;

	says(o, FC_OWN, 0, text);
	says(o, CLIENT_CALL, 99ull << 32 | 1, "verb=x");
	until(&o->msgs, before + 1);
}

static void why_the_remote_gate_serves_nobody(void **state)
{
	struct other *gate = &world.sup;
	char long_one[2 * CONNS_WHY];

	(void)state;
	has_said(&world.anna, "text=mine"); /* a front has none to lack */
	assert_string_equal(world.conns.gate_why, "");
	meets(gate, "gate", SUBJECT_NO_ID);
	has_said(gate, "text=\"no grant\"");
	assert_string_equal(world.conns.gate_why, "no grant");
	memset(long_one, 'x', sizeof long_one);
	memcpy(long_one, "text=", 5);
	long_one[sizeof long_one - 1] = '\0';
	has_said(gate, long_one);
	assert_int_equal(strlen(world.conns.gate_why), CONNS_WHY - 1);
	has_said(gate, "");
	assert_string_equal(world.conns.gate_why, "");
	has_said(gate, "text=again");
	chan_close(&gate->chan);
	attrs_wipe(&gate->attrs);
	meets(gate, "gate", SUBJECT_NO_ID); /* another, in its place */
	assert_string_equal(world.conns.gate_why, "");
}

static void door_proves_who_is_there(void **state)
{
	struct attr a;

	(void)state;
	assert_int_equal(conns_check(&world.conns, 7, "/bin/sh", 7, 42), OK);
	until(&world.door.msgs, 2);
	assert_int_equal(world.door.kind, DC_CHECK);
	assert_int_equal(attr_only(attrs_view(&world.door.attrs), "exe", &a),
			 OK);
	assert_true(attr_is(&a, "/bin/sh"));
	says(&world.door, DC_CHECKED, 7, "alive=yes exe=no ref=42");
	until(&world.checks, 1);
	assert_int_equal(world.ref, 42);
	assert_true(world.alive);
	assert_false(world.exe);
}

static void with_door_go_all_connections(void **state)
{
	(void)state;
	chan_close(&world.door.chan);
	until(&world.orphaned, 1);
	assert_int_equal(conns_count(&world.conns), 0);
	assert_int_equal(conns_check(&world.conns, 7, NULL, 0, 1),
			 ERR_UNAVAILABLE);
}

static void paused_fronts_are_not_read(void **state)
{
	(void)state;
	conns_pause(&world.conns, true);
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 1, "verb=x");
	says(&world.door, DC_CONN, 9, "uid=1000 gid=1000 groups=1000 pid=71");
	until(&world.door.msgs, 2);
	assert_int_equal(world.calls, 0);
	conns_pause(&world.conns, false);
	until(&world.calls, 1);
}

/* A message with n descriptors, which are numbered by what they say of themselves: their
 * other ends are in far. */
static void brings(struct other *o, uint32_t kind, uint64_t id,
		   const char *text, size_t n, int far[2])
{
	struct fault f;
	struct attrs a;
	int near[2];

	attrs_init(&a);
	assert_int_equal(attrs_parse_text(&a, text, strlen(text), &f), OK);
	for (size_t i = 0; i < n; i++) {
		int sv[2];

		assert_int_equal(
			socketpair(AF_UNIX,
				   SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				   0, sv),
			0);
		near[i] = sv[0];
		far[i] = sv[1];
	}
	assert_int_equal(
		chan_post_fds(&o->chan, kind, id, attrs_view(&a), near, n), OK);
	attrs_wipe(&a);
}

static bool is_closed(int far)
{
	char byte;

	return recv(far, &byte, 1, MSG_DONTWAIT) == 0;
}

static void a_call_has_its_descriptors_and_leaves_go_to_its_front(void **state)
{
	int far[2];
	char byte = 0;

	(void)state;
	world.takes = true;
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 1, "verb=x");
	brings(&world.anna, CLIENT_CALL, 7ull << 32 | 2, "verb=x fds=2", 2,
	       far);
	until(&world.calls, 2);
	assert_int_equal(world.taken[0], -1);
	assert_int_equal(write(world.taken[1], "a", 1), 1);
	assert_int_equal(recv(far[0], &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, 'a');
	until(&world.anna.msgs, 1);
	assert_int_equal(world.anna.kind, FC_CLOSE);
	assert_true(world.anna.fd >= 0);
	assert_false(is_closed(far[1]));
	fd_close(&world.anna.fd);
	assert_true(is_closed(far[1]));
	/* outside of a call there is none */
	assert_int_equal(conns_take_fd(&world.conns), -1);
	conns_close_fd(&world.conns, ANNA, world.taken[1]);
	until(&world.anna.msgs, 2);
	assert_int_equal(world.anna.kind, FC_CLOSE);
	close(far[0]);
	close(far[1]);
}

/* Nobody there, or somebody else's: nothing stays here. */
static void descriptors_of_calls_that_are_refused_go_back(void **state)
{
	int far[2];

	(void)state;
	brings(&world.anna, CLIENT_CALL, 8ull << 32 | 1, "verb=x fds=1", 1,
	       far);
	until(&world.anna.msgs, 2);
	assert_int_equal(world.anna.kind, FC_CLOSE);
	close(far[0]);
	brings(&world.bert, CLIENT_CALL, 7ull << 32 | 1, "verb=x fds=1", 1,
	       far);
	until(&world.bert.msgs, 1);
	assert_int_equal(world.bert.kind, FC_CLOSE);
	assert_int_equal(world.calls, 0);
	close(far[0]);
}

static void a_front_that_breaks_the_rules_is_not_read_any_more(void **state)
{
	int far[2];

	(void)state;
	brings(&world.bert, CLIENT_CALL, 9ull << 32 | 1, "verb=x", 1, far);
	says(&world.bert, CLIENT_CALL, 9ull << 32 | 2, "verb=x");
	while (!is_closed(far[0]))
		loop_turn(world.loop, CLOCK_SECOND);
	close(far[0]);
	says(&world.anna, CLIENT_CALL, 7ull << 32 | 1, "verb=x fds=2");
	while (chan_is_open(&world.anna.chan))
		loop_turn(world.loop, CLOCK_SECOND);
	assert_int_equal(world.calls, 0);
}

static void door_looks_at_a_process(void **state)
{
	static const char alive[] =
		"alive=yes pid=70 parent=1 start=12 uid=1000 euid=1000 "
		"fsuid=1000 gid=1000 user_ns=1 pid_ns=2 exe_dev=3 exe_ino=4 "
		"image=5 dumpable=yes";
	int far[2];

	(void)state;
	assert_int_equal(conns_examine_conn(&world.conns, 7, 41), OK);
	until(&world.door.msgs, 2);
	assert_int_equal(world.door.kind, DC_EXAMINE);
	assert_int_equal(world.door.fd, -1);
	brings(&world.door, DC_EXAMINED, world.door.id, alive, 1, far);
	until(&world.examined, 1);
	assert_int_equal(world.ref, 41);
	assert_int_equal(world.process.pid, 70);
	assert_int_equal(world.process.start, 12);
	assert_true(world.pidfd >= 0 && !is_closed(far[0]));
	fd_close(&world.pidfd);
	assert_true(is_closed(far[0]));

	assert_int_equal(conns_examine_pidfd(&world.conns, far[0], 42), OK);
	until(&world.door.msgs, 3);
	assert_true(world.door.fd >= 0);
	says(&world.door, DC_EXAMINED, world.door.id, "alive=no");
	until(&world.examined, 2);
	assert_int_equal(world.ref, 42);
	assert_true(world.gone && world.pidfd == -1);
	close(far[0]);

	assert_int_equal(conns_examine_pid(&world.conns, 70, 12, 43), OK);
	until(&world.door.msgs, 4);
	chan_close(&world.door.chan);
	until(&world.orphaned, 1);
	assert_int_equal(conns_examine_pid(&world.conns, 70, 12, 43),
			 ERR_UNAVAILABLE);
	assert_int_equal(world.examined, 2);
}

static void request_ids_differ(void **state)
{
	struct call a = call_new(&world.server, 1), b;
	char ida[REQUEST_ID], idb[REQUEST_ID];

	(void)state;
	b = call_new(&world.server, 1);
	call_request_id(&a, ida);
	call_request_id(&b, idb);
	assert_string_not_equal(ida, idb);
	assert_memory_equal(ida, idb, 2 * CALL_BOOT + 1);
}

static void now(const struct call *c, struct attr_view v)
{
	(void)c;
	(void)v;
}

static void a_verb_takes_what_its_table_says(void **state)
{
	static const struct call_verb table[] = {
		{ "status", 0, now, NULL, " verb" },
		{ "token", 0, now, NULL, " verb node type" },
	};
	static const struct {
		const char *call;
		const char *verb;
		enum err check;
	} cases[] = {
		{ "verb=status", "status", OK },
		{ "verb=token node=n1 type=web", "token", OK },
		{ "verb=token nod=n1", "token", ERR_INVALID },
		{ "verb=token nodes=n1", "token", ERR_INVALID },
		{ "verb=status type=web", "status", ERR_INVALID },
		{ "verb=stat", NULL, OK },
		{ "verb=status verb=token", NULL, OK },
		{ "node=n1", NULL, OK },
	};
	struct attrs a;
	struct fault f;

	(void)state;
	attrs_init(&a);
	for (size_t i = 0; i < NELEM(cases); i++) {
		const struct call_verb *v;

		attrs_clear(&a);
		assert_int_equal(attrs_parse_text(&a, cases[i].call,
						  strlen(cases[i].call), &f),
				 OK);
		v = call_verb_find(table, NELEM(table), attrs_view(&a));
		if (!cases[i].verb) {
			assert_null(v);
			continue;
		}
		assert_non_null(v);
		assert_string_equal(v->name, cases[i].verb);
		assert_int_equal(call_verb_check(v, attrs_view(&a), &f),
				 cases[i].check);
	}
	attrs_wipe(&a);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(door_hears_that_a_connection_is_known),
		CASE(an_answer_goes_to_the_front_of_its_connection),
		CASE(what_somebody_waits_for_leaves_before_the_turn_ends),
		CASE(a_front_speaks_for_its_own_user_only),
		CASE(a_front_that_breaks_the_rules_is_the_supervisors_to_end),
		CASE(a_call_of_an_unknown_connection_is_answered_by_an_error),
		CASE(what_is_gone_is_answered_to_nobody),
		CASE(what_was_sent_before_it_went_is_still_its_senders),
		CASE(whom_door_and_front_have_closed_is_forgotten),
		CASE(why_the_remote_gate_serves_nobody),
		CASE(door_proves_who_is_there),
		CASE(with_door_go_all_connections),
		CASE(paused_fronts_are_not_read),
		CASE(a_call_has_its_descriptors_and_leaves_go_to_its_front),
		CASE(descriptors_of_calls_that_are_refused_go_back),
		CASE(a_front_that_breaks_the_rules_is_not_read_any_more),
		CASE(door_looks_at_a_process),
		CASE(request_ids_differ),
		CASE(a_verb_takes_what_its_table_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
