/* The audit log in ca's store: records and checkpoints come back as they were written,
 * and proofs from its tiles are those of lib/merkle over all leaves.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "tests/unit/ca_store_test.h"

enum {
	MANY = 70000, /* one tile of level 2 and a bit */
	BATCH = 4000,
	TRIES = 60,
};

static struct merkle_hash leaves[MANY];

static enum err leaf_at(void *arg, uint64_t i, struct merkle_hash *out)
{
	(void)arg;
	assert_true(i < MANY);
	*out = leaves[i];
	return OK;
}

static const struct merkle_source plain = { .leaf = leaf_at };

static void write_records(struct role *r, uint64_t *g, uint64_t first,
			  uint64_t count)
{
	for (uint64_t i = 0; i < count;) {
		uint64_t n = MIN(count - i, BATCH);
		struct txn t = txn(g);

		op_records(&t, first + i, n);
		txn_done(r, &t);
		i += n;
	}
}

static void assert_proof(const struct msg *m, const struct merkle_proof *want)
{
	struct attr_view it = m->attrs;
	unsigned n = 0;
	struct attr a;

	assert_int_equal(m->kind, IS_PROOF);
	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "hash"))
			continue;
		assert_true(n < want->count);
		assert_int_equal(a.len, MERKLE_HASH);
		assert_memory_equal(a.value, want->path[n].b, MERKLE_HASH);
		n++;
	}
	assert_int_equal(n, want->count);
}

static void compare_one(struct role *r, uint64_t at, uint64_t size)
{
	struct merkle_proof want;
	char text[96];
	struct msg m;

	(void)snprintf(text, sizeof text, "index=%" PRIu64 " size=%" PRIu64, at,
		       size);
	assert_int_equal(merkle_inclusion(&plain, at, size, &want), OK);
	m = ask(r, IS_PROVE, text);
	assert_proof(&m, &want);
	(void)snprintf(text, sizeof text, "old=%" PRIu64 " size=%" PRIu64, at,
		       size);
	assert_int_equal(merkle_consistency(&plain, at, size, &want), OK);
	m = ask(r, IS_PROVE, text);
	assert_proof(&m, &want);
}

static void compare(struct role *r, uint64_t *seed, uint64_t log, int tries)
{
	while (tries--) {
		uint64_t size = 1 + unit_below(seed, log);

		compare_one(r, unit_below(seed, size), size);
	}
}

static void test_proofs_are_those_of_all_leaves(void **state)
{
	uint64_t g, seed = unit_seed();
	struct role r;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++)
		record_hash(i, &leaves[i]);
	g = start_loaded(&r);
	write_records(&r, &g, 0, 300);
	compare(&r, &seed, 300, TRIES);
	/* It goes on where it was, also in the middle of a tile. */
	assert_int_equal(kill(r.pid, SIGKILL), 0);
	(void)role_end(&r);
	g = start_loaded(&r);
	write_records(&r, &g, 300, 2345);
	compare(&r, &seed, 2645, TRIES);
	assert_int_equal(role_end(&r), 0);
	g = start_loaded(&r);
	write_records(&r, &g, 2645, MANY - 2645);
	compare(&r, &seed, MANY, TRIES);
	compare_one(&r, 0, MANY);
	compare_one(&r, 65535, 65536);
	compare_one(&r, 65536, 65537);
	compare_one(&r, MANY - 1, MANY);
	assert_int_equal(role_end(&r), 0);
}

static void test_nothing_is_proved_beyond_the_log(void **state)
{
	struct role r;
	struct msg m;
	uint64_t g;

	(void)state;
	g = start_loaded(&r);
	write_records(&r, &g, 0, 10);
	m = ask(&r, IS_PROVE, "index=3 size=11");
	assert_failed(&m, IS_FAILED, "invalid", "10 records");
	m = ask(&r, IS_PROVE, "index=10 size=10");
	assert_failed(&m, IS_FAILED, "invalid", "10 records");
	m = ask(&r, IS_PROVE, "old=11 size=10");
	assert_failed(&m, IS_FAILED, "invalid", "10 records");
	m = ask(&r, IS_PROVE, "index=9");
	assert_int_equal(m.kind, IS_PROOF);
	assert_int_equal(number_in(m.attrs, "size"), 10);
	assert_int_equal(role_end(&r), 0);
}

static void test_certificate_finds_its_record(void **state)
{
	struct cert c = cert_of(5);
	struct merkle_proof want;
	struct role r;
	struct txn t;
	struct msg m;
	uint64_t g;

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		record_hash(i, &leaves[i]);
	g = start_loaded(&r);
	write_records(&r, &g, 0, 10);
	t = txn(&g);
	c.log = 1 + 12;
	op_cert(&t, &c);
	op_records(&t, 10, 5);
	c = cert_of(6);
	op_cert(&t, &c);
	txn_done(&r, &t);
	m = ask(&r, IS_PROVE, "number=5 size=14");
	assert_int_equal(merkle_inclusion(&plain, 12, 14, &want), OK);
	assert_proof(&m, &want);
	assert_int_equal(number_in(m.attrs, "index"), 12);
	m = ask(&r, IS_PROVE, "number=6");
	assert_failed(&m, IS_FAILED, "not_found", "no record");
	m = ask(&r, IS_PROVE, "number=7");
	assert_failed(&m, IS_FAILED, "not_found", "number 7");
	assert_int_equal(role_end(&r), 0);
}

/* A record of another transaction */
static void test_foreign_record_is_the_end(void **state)
{
	struct cert c = cert_of(5);
	struct role r;
	struct txn t;
	uint64_t g;

	(void)state;
	g = start_loaded(&r);
	write_records(&r, &g, 0, 10);
	t = txn(&g);
	c.log = 1 + 9;
	op_cert(&t, &c);
	op_records(&t, 10, 1);
	txn_send(&r, &t);
	assert_ends(&r);
}

static void test_records_are_read_back(void **state)
{
	struct role r;
	struct attr a;
	struct msg m;
	uint64_t g, n;

	(void)state;
	g = start_loaded(&r);
	write_records(&r, &g, 0, 500);
	m = ask(&r, IS_READ, "from=100 count=200");
	for (n = 100; m.kind == IS_RECORD; n++, m = role_get(&r)) {
		char text[32];

		(void)snprintf(text, sizeof text, "record %" PRIu64, n);
		assert_int_equal(m.id, n);
		assert_int_equal(attr_only(m.attrs, "record", &a), OK);
		assert_true(attr_is(&a, text));
	}
	assert_int_equal(m.kind, IS_DONE);
	assert_int_equal(m.id, 77);
	assert_int_equal(n, 300);
	m = ask(&r, IS_READ, "from=499 count=200");
	assert_int_equal(m.kind, IS_RECORD);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	assert_int_equal(ask(&r, IS_READ, "from=500 count=9").kind, IS_DONE);
	assert_int_equal(ask(&r, IS_READ, "from=0 count=0").kind, IS_DONE);
	assert_int_equal(role_end(&r), 0);
}

/* Checkpoints */

static void op_note(struct txn *t, uint64_t size)
{
	AUTO(buf_wipe) struct buf text = { 0 }, frontier = { 0 };
	AUTO(secret_drop) struct secret *seed = secret_new();
	struct note n = { .origin = "cretula/ca/x", .size = size, .time = 1 };
	struct merkle m;
	struct attrs a;

	merkle_init(&m);
	for (uint64_t i = 0; i < size; i++) {
		struct merkle_hash h;

		record_hash(i, &h);
		merkle_append(&m, &h);
	}
	merkle_root(&m, &n.root);
	buf_init(&text, NOTE_MAX);
	buf_init(&frontier, MERKLE_BYTES_MAX);
	assert_int_equal(note_sign(&n, seed, &text), OK);
	assert_int_equal(merkle_format(&m, &frontier), OK);
	attrs_init(&a);
	add_bytes(&a, "text", text.p, text.len);
	add_bytes(&a, "frontier", frontier.p, frontier.len);
	op(t, "note", &a);
}

static void test_checkpoints_are_all_kept(void **state)
{
	struct loaded l;
	struct merkle tree;
	struct note n;
	struct attr a;
	struct role r;
	struct txn t;
	struct msg m;
	uint64_t g, sizes[] = { 5, 5, 12 };

	(void)state;
	g = start_loaded(&r);
	t = txn(&g);
	op_records(&t, 0, 5);
	op_note(&t, 5);
	txn_done(&r, &t);
	t = txn(&g);
	op_note(&t, 5);
	op_records(&t, 5, 10);
	op_note(&t, 12);
	txn_done(&r, &t);
	(void)role_end(&r);
	start(&r);
	load(&r, &l);
	assert_int_equal(l.records, 3);
	assert_int_equal(attr_only(attrs_view(&l.state), "note", &a), OK);
	assert_int_equal(note_parse(a.value, a.len, &n, NULL), OK);
	assert_int_equal(n.size, 12);
	assert_int_equal(attr_only(attrs_view(&l.state), "frontier", &a), OK);
	assert_int_equal(merkle_parse(a.value, a.len, &tree), OK);
	assert_int_equal(tree.size, 12);
	attrs_wipe(&l.state);
	m = ask(&r, IS_READ, "notes=yes");
	for (size_t i = 0; i < NELEM(sizes); i++, m = role_get(&r)) {
		assert_int_equal(m.kind, IS_NOTE);
		assert_int_equal(attr_only(m.attrs, "text", &a), OK);
		assert_int_equal(note_parse(a.value, a.len, &n, NULL), OK);
		assert_int_equal(n.size, sizes[i]);
	}
	assert_int_equal(m.kind, IS_DONE);
	assert_int_equal(role_end(&r), 0);
}

static void test_checkpoint_beyond_the_log_is_the_end(void **state)
{
	struct role r;
	struct txn t;
	uint64_t g;

	(void)state;
	g = start_loaded(&r);
	t = txn(&g);
	op_records(&t, 0, 5);
	op_note(&t, 6);
	txn_send(&r, &t);
	assert_ends(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_proofs_are_those_of_all_leaves),
		IN_FOLDER(test_nothing_is_proved_beyond_the_log),
		IN_FOLDER(test_certificate_finds_its_record),
		IN_FOLDER(test_foreign_record_is_the_end),
		IN_FOLDER(test_records_are_read_back),
		IN_FOLDER(test_checkpoints_are_all_kept),
		IN_FOLDER(test_checkpoint_beyond_the_log_is_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
