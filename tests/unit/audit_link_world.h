/* What the tests of lib/audit_link share: a core, who waits in it, and the store's end of
 * its channel. */
#ifndef TESTS_AUDIT_LINK_WORLD_H
#define TESTS_AUDIT_LINK_WORLD_H

#include "lib/audit_link.h"

#include "tests/unit/role_test.h"

#include <ftw.h>
#include <sys/stat.h>

enum {
	KEPT_MAX = 64,
	WAIT_S = 60,
};

/* Who waits, and what he was told. */
struct waiter {
	struct audit_wait wait; /* first member */
	unsigned told;
	bool closes; /* the log, when told */
	struct fault why;
};

/* What the store has of a record, a note, a frontier. */
struct piece {
	uint8_t *p;
	size_t len;
};

static struct {
	struct loop *loop;
	struct chan store;
	struct audit_link *link;
	struct secret *seed;
	int peer; /* the store's end */
	struct buf in;
	struct msg m; /* of the store's end, the last one */
	struct piece kept[KEPT_MAX], note, frontier;
	uint64_t size;
	unsigned opened, broken, ended, others, told;
	struct fault why; /* of opened, broken */
	struct audit_tail tail;
	uint64_t generation;
} w;

static char folder[64];
static int folder_fd = -1;

/* The core */

static inline void opened(const struct fault *why)
{
	w.opened++;
	w.why = why ? *why : (struct fault){ 0 };
}

static inline void broken(const struct fault *why)
{
	assert_false(audit_link_is_open(w.link));
	w.broken++;
	w.why = *why;
}

static inline enum err check(const struct audit_tail *t, struct fault *f)
{
	w.tail = *t;
	return t->noted ? audit_check_generation(t->note.generation,
						 w.generation, f)
			: OK;
}

static inline uint64_t generation(void)
{
	return w.generation;
}

static inline void ended(void)
{
	w.ended++;
}

static inline void heard(struct chan *c, const struct msg *m)
{
	(void)c;
	if (!audit_link_from_store(w.link, m))
		w.others++;
}

static inline void gone(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
	audit_link_store_gone(w.link);
}

static inline void told(struct audit_wait *wait, const struct fault *why)
{
	struct waiter *a = (struct waiter *)wait;

	a->told++;
	w.told++;
	a->why = why ? *why : (struct fault){ 0 };
	if (a->closes)
		audit_link_close(w.link);
}

static inline enum err record(struct waiter *a, const char *text,
			      unsigned flags)
{
	AUTO(attrs_wipe) struct attrs what = { 0 };
	struct fault f = { 0 };

	if (a)
		a->wait.then = told;
	attrs_init(&what);
	list_of(&what, text);
	return audit_link_record(w.link, attrs_view(&what), flags,
				 a ? &a->wait : NULL, &f);
}

static inline void deny(struct waiter *a)
{
	AUTO(attrs_wipe) struct attrs what = { 0 }, once = { 0 };
	struct fault f = { 0 };

	a->wait.then = told;
	attrs_init(&what);
	attrs_init(&once);
	list_of(&what, "event=run outcome=deny");
	list_of(&once, "request_id=1");
	fault_ok(audit_link_denial(w.link, attrs_view(&what), attrs_view(&once),
				   &a->wait, &f),
		 &f);
}

static inline void note(struct waiter *a)
{
	a->wait.then = told;
	audit_link_note(w.link, &a->wait);
}

static inline void assert_told(const struct waiter *a, const char *words)
{
	assert_int_equal(a->told, 1);
	assert_false(a->wait.waits);
	if (!words && a->why.code != OK)
		fail_msg("%s", a->why.text);
	if (!words)
		return;
	assert_int_equal(a->why.code, ERR_UNAVAILABLE);
	if (!strstr(a->why.text, words))
		fail_msg("no '%s' in '%s'", words, a->why.text);
}

/* The store's end, played */

static inline void turn(void)
{
	loop_turn(w.loop, 0);
}

static inline void meet(void)
{
	static const struct chan_ops ops = { heard, gone, NULL };
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	chan_open(&w.store, w.loop, pair[0], false, &ops);
	w.peer = pair[1];
}

static inline void say(uint32_t kind, uint64_t id, const struct attrs *a)
{
	struct fault f = { .text = "saying" };

	fault_ok(chan_put1(w.peer, kind, id,
			   a ? attrs_view(a) : (struct attr_view){ 0 }),
		 &f);
}

static inline void say_failed(uint64_t id, const char *text)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "error", "unavailable"), OK);
	assert_int_equal(attrs_add_str(&a, "text", text), OK);
	say(RS_FAILED, id, &a);
	turn();
}

static inline void keep(struct piece *to, const struct attr *a)
{
	free(to->p);
	*to = (struct piece){ xmemdup(a->value, a->len), a->len };
}

static inline void hear(void)
{
	struct fault f = { 0 };

	fault_ok(chan_get1(w.peer, &w.in, &w.m, NULL,
			   clock_boot() + WAIT_S * CLOCK_SECOND, &f),
		 &f);
}

static inline void keep_note(void)
{
	struct attr a;

	assert_int_equal(w.m.id, STORE_ID_NOTE);
	assert_int_equal(attr_only(w.m.attrs, "note", &a), OK);
	keep(&w.note, &a);
	assert_int_equal(attr_only(w.m.attrs, "frontier", &a), OK);
	keep(&w.frontier, &a);
}

/* The next message is of that kind. A checkpoint that was merely due is written. */
static inline void expect(uint32_t kind)
{
	turn();
	for (hear(); w.m.kind != kind; hear()) {
		assert_int_equal(w.m.kind, RS_CHECKPOINT);
		keep_note();
		say(RS_DONE, STORE_ID_NOTE, NULL);
		turn();
	}
}

static inline void expect_nothing(void)
{
	char byte;

	turn();
	assert_int_equal(recv(w.peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
}

/* Of the append that was heard: its records, from the place the log ends. */
static inline unsigned keep_records(void)
{
	struct attr_view it = w.m.attrs;
	struct attr a;
	unsigned n = 0;

	assert_int_equal(w.m.kind, RS_APPEND);
	assert_int_equal(w.m.id, w.size);
	while (attr_next(&it, &a))
		if (attr_named(&a, "record"))
			keep(&w.kept[w.size + n++], &a);
	return n;
}

static inline void say_appended(unsigned n)
{
	w.size += n;
	say(RS_APPENDED, w.size, NULL);
	turn();
}

/* Where the log stands. */
static inline void say_where(void)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	assert_int_equal(attrs_add_u64(&a, "size", w.size), OK);
	if (w.note.len) {
		assert_int_equal(attrs_add(&a, "note", 0, w.note.p, w.note.len),
				 OK);
		assert_int_equal(attrs_add(&a, "frontier", 0, w.frontier.p,
					   w.frontier.len),
				 OK);
	}
	say(RS_AUDIT_OPEN, STORE_ID_LOG, &a);
	for (uint64_t i = w.note.len ? 1 : 0; i < w.size; i++) {
		attrs_clear(&a);
		assert_int_equal(
			attrs_add(&a, "record", 0, w.kept[i].p, w.kept[i].len),
			OK);
		say(RS_RECORD, i, &a);
	}
	say(RS_AUDIT_READY, STORE_ID_LOG, NULL);
	turn();
}

static inline void open_link(void)
{
	audit_link_open(w.link, "cretula/credd/00", w.seed, false);
}

/* An open log: one record, and a checkpoint of it, so that none is due soon. */
static inline void open_played(void)
{
	struct waiter a = { 0 };

	meet();
	open_link();
	expect(RS_AUDIT_OPEN);
	say_where();
	assert_int_equal(w.opened, 1);
	assert_int_equal(w.why.code, OK);
	assert_int_equal(record(&a, "event=first", 0), OK);
	expect(RS_APPEND);
	say_appended(keep_records());
	assert_told(&a, NULL);
	expect(RS_CHECKPOINT);
	keep_note();
	say(RS_DONE, STORE_ID_NOTE, NULL);
	turn();
}

/* The store dies; the next one begins with what was written. */
static inline void die_and_come(void)
{
	fd_close(&w.peer);
	turn();
	assert_false(chan_is_open(&w.store));
	meet();
	audit_link_store_came(w.link);
	expect(RS_AUDIT_OPEN);
	say_where();
}

static inline int begin(void **state)
{
	static const struct audit_link_ops ops = { opened, broken, check,
						   generation, ended };

	(void)state;
	memset(&w, 0, sizeof w);
	w.peer = -1;
	w.loop = loop_new();
	w.seed = secret_random();
	buf_init(&w.in, MSG_MAX + MSG_HEAD);
	w.link = audit_link_new(w.loop, &w.store, &ops);
	(void)snprintf(folder, sizeof folder, "/tmp/test_audit_link.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int end(void **state)
{
	(void)state;
	audit_link_free(&w.link);
	chan_close(&w.store);
	fd_close(&w.peer);
	loop_free(w.loop);
	secret_drop(&w.seed);
	buf_wipe(&w.in);
	for (size_t i = 0; i < KEPT_MAX; i++)
		free(w.kept[i].p);
	free(w.note.p);
	free(w.frontier.p);
	fd_close(&folder_fd);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
