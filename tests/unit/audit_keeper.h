/* What the tests of lib/audit share: a keeper of the log in memory. */
#ifndef TESTS_AUDIT_KEEPER_H
#define TESTS_AUDIT_KEEPER_H

#include "lib/audit.h"

#include "lib/clock.h"
#include "tests/unit/unit.h"

enum {
	KEPT_MAX = 70000
};

/* A keeper: what it was handed, and what it has written. */
struct keeper {
	uint8_t *p[KEPT_MAX];
	size_t len[KEPT_MAX];
	uint64_t size;   /* written */
	uint64_t handed; /* and handed over */
	unsigned flags, calls;
	struct buf note, frontier;
	bool dead;
};

static const char origin[] = "cretula/credd/00";
static struct keeper k;
static struct secret *seed;
static struct audit *a;
static struct audit_now now;

static inline enum err take(void *arg, uint64_t first,
			    const struct attr_view *r, unsigned count,
			    unsigned flags)
{
	(void)arg;
	if (k.dead)
		return ERR_UNAVAILABLE;
	assert_int_equal(first, k.size);
	assert_int_equal(k.handed, k.size);
	for (unsigned i = 0; i < count; i++) {
		free(k.p[first + i]);
		k.p[first + i] = xmemdup(r[i].p, r[i].len);
		k.len[first + i] = r[i].len;
	}
	k.handed = first + count;
	k.flags = flags;
	k.calls++;
	return OK;
}

static inline enum err take_note(void *arg, const struct note *n,
				 struct attr_view note,
				 struct attr_view frontier)
{
	(void)arg;
	(void)n;
	buf_clear(&k.note);
	buf_clear(&k.frontier);
	assert_int_equal(buf_put(&k.note, note.p, note.len), OK);
	assert_int_equal(buf_put(&k.frontier, frontier.p, frontier.len), OK);
	return OK;
}

static const struct audit_sink sink = { take, take_note, NULL };

static inline void written(uint64_t size)
{
	k.size = size;
}

static inline void ack(void)
{
	written(k.handed);
	assert_int_equal(audit_acked(a, k.size), OK);
}

static inline void send_all(void)
{
	while (audit_kept(a) < audit_size(a)) {
		assert_int_equal(audit_send(a), OK);
		ack();
	}
}

static inline struct audit_tail read_back(enum err want)
{
	uint8_t key[NOTE_PUBLIC];
	struct audit_tail t = { 0 };
	struct fault f = { 0 };
	enum err e;

	note_public(seed, key);
	e = audit_tail_open(
		&t, origin, key, (struct attr_view){ k.note.p, k.note.len },
		(struct attr_view){ k.frontier.p, k.frontier.len }, &f);
	for (uint64_t i = t.tree.size; e == OK && i < k.size; i++)
		e = audit_tail_add(&t, i,
				   (struct attr_view){ k.p[i], k.len[i] }, &f);
	if (e == OK)
		e = audit_tail_end(&t, k.size, &f);
	if (e != want)
		fail_msg("%d: %s", e, f.text);
	return t;
}

static inline int begin(void **state)
{
	struct audit_tail t;

	(void)state;
	buf_init(&k.note, NOTE_MAX);
	buf_init(&k.frontier, MERKLE_BYTES_MAX);
	seed = secret_random();
	t = read_back(OK);
	a = audit_new(&t, origin, seed, &sink, false);
	now = (struct audit_now){ 1767323045123456789, 1000 * CLOCK_SECOND };
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	audit_free(&a);
	secret_drop(&seed);
	for (size_t i = 0; i < KEPT_MAX; i++)
		free(k.p[i]);
	buf_wipe(&k.note);
	buf_wipe(&k.frontier);
	memset(&k, 0, sizeof k);
	return 0;
}

static inline enum err put(uint64_t n, unsigned flags, uint64_t *index)
{
	struct attrs what;
	enum err e;

	attrs_init(&what);
	assert_int_equal(attrs_add_u64(&what, "n", n), OK);
	e = audit_record(a, now, attrs_view(&what), flags, index, NULL);
	attrs_wipe(&what);
	return e;
}

static inline void put_many(uint64_t count)
{
	uint64_t index;

	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(put(i, 0, &index), OK);
}

static inline struct attr_view kept_at(uint64_t i)
{
	return (struct attr_view){ k.p[i], k.len[i] };
}

static inline void assert_attr(uint64_t i, const char *name, const char *value)
{
	struct attr one;

	assert_int_equal(attr_only(kept_at(i), name, &one), OK);
	if (!attr_is(&one, value))
		fail_msg("record %d: %s=%.*s", (int)i, name, (int)one.len,
			 (const char *)one.value);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
