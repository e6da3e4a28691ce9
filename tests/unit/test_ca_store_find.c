/* ca's store, `find`: every combination of filters against the plain way, over random
 * inventories, in pages.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "tests/unit/ca_store_test.h"

#include "ca/store_db.h"

enum {
	CERTS = 24000, /* more than one answer looks at */
	AGENTS = 40,
	QUESTIONS = 150,
	TIMES = 1000,
};

static struct cert certs[CERTS];
static bool is_revoked[CERTS];
static char agents[AGENTS][40];
static const char *const nodes[] = { "n1.example", "n2.example", "n3.example" };
static const char *const types[] = { "web", "db", "mail", "" };

static void make_agents(void)
{
	for (unsigned i = 0; i < AGENTS; i++)
		(void)snprintf(agents[i], sizeof agents[i],
			       i % 5 ? "01890000-0000-7000-8000-0000000000%02x"
				     : "odd agent %02u",
			       i);
}

static void make_inventory(struct role *r, uint64_t *g, uint64_t *seed)
{
	make_agents();
	for (unsigned i = 0; i < CERTS;) {
		struct txn t = txn(g);

		for (unsigned n = 0; n < 500; n++, i++) {
			struct cert *c = &certs[i];

			*c = cert_of(i + 1);
			c->agent = agents[unit_below(seed, AGENTS)];
			c->node = nodes[unit_below(seed, NELEM(nodes))];
			c->type = types[unit_below(seed, NELEM(types))];
			c->not_after = unit_below(seed, TIMES);
			c->unproven = !unit_below(seed, 9);
			c->der = 1 + i % 50;
			is_revoked[i] = !unit_below(seed, 7);
			op_cert(&t, c);
			if (is_revoked[i])
				op_revoke(&t, i + 1, 9, 1);
		}
		txn_done(r, &t);
	}
}

struct question {
	const char *agent, *node, *type, *revoked;
	uint64_t before, not_expired; /* 0: not asked */
	bool unproven;
	uint64_t limit;
};

static bool fits(const struct question *q, unsigned i)
{
	const struct cert *c = &certs[i];

	return (!q->agent || !strcmp(q->agent, c->agent)) &&
	       (!q->node || !strcmp(q->node, c->node)) &&
	       (!q->type || !strcmp(q->type, c->type)) &&
	       (!q->revoked || is_revoked[i] == !strcmp(q->revoked, "yes")) &&
	       (!q->before || c->not_after < q->before) &&
	       c->not_after >= q->not_expired && (!q->unproven || c->unproven);
}

static void ask_page(struct role *r, const struct question *q, uint64_t after,
		     bool der)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	if (q->agent)
		add_bytes(&a, "agent", q->agent, strlen(q->agent));
	if (q->node)
		add_bytes(&a, "node", q->node, strlen(q->node));
	if (q->type)
		add_bytes(&a, "type", q->type, strlen(q->type));
	if (q->revoked)
		add_bytes(&a, "revoked", q->revoked, strlen(q->revoked));
	if (q->before)
		add_u64(&a, "expires_before", q->before);
	if (q->not_expired)
		add_u64(&a, "not_expired", q->not_expired);
	if (q->unproven)
		add_bytes(&a, "unproven", "yes", 3);
	if (der)
		add_bytes(&a, "der", "yes", 3);
	if (after)
		add_u64(&a, "after", after);
	add_u64(&a, "limit", q->limit);
	role_send(r, IS_FIND, 5, &a);
}

static void check_item(struct attr_view v, unsigned i, bool der)
{
	const struct cert *c = &certs[i];
	struct attr a;

	assert_int_equal(number_in(v, "number"), c->number);
	assert_true(text_in(v, "agent", c->agent));
	assert_true(text_in(v, "node", c->node));
	assert_true(text_in(v, "type", c->type));
	assert_int_equal(number_in(v, "not_before"), c->not_before);
	assert_int_equal(number_in(v, "not_after"), c->not_after);
	assert_int_equal(number_in(v, "shard"), c->shard);
	assert_int_equal(attr_count(v, "revoked"), is_revoked[i]);
	assert_int_equal(attr_count(v, "valid_after_proof"), c->unproven);
	assert_int_equal(attr_count(v, "der"), der);
	if (!der)
		return;
	assert_int_equal(attr_only(v, "der", &a), OK);
	assert_int_equal(a.len, c->der);
	assert_int_equal(a.value[0], c->number & 0xff);
}

/* The next certificate below `below` (index + 1) that fits; 0: none. */
static unsigned next_fit(const struct question *q, unsigned below)
{
	while (below && !fits(q, below - 1))
		below--;
	return below;
}

static void compare(struct role *r, const struct question *q, bool der)
{
	unsigned at = CERTS;
	uint64_t after = 0, n;
	bool more = true;

	while (more) {
		struct msg m;

		ask_page(r, q, after, der);
		m = role_get(r);
		for (n = 0; m.kind == IS_ITEM; n++, m = role_get(r)) {
			at = next_fit(q, at);
			assert_true(at > 0);
			check_item(m.attrs, --at, der);
		}
		assert_int_equal(m.kind, IS_DONE);
		assert_true(n <= q->limit);
		more = text_in(m.attrs, "more", "yes");
		if (more)
			after = number_in(m.attrs, "after");
	}
	assert_int_equal(next_fit(q, at), 0);
}

static struct question random_question(uint64_t *seed)
{
	struct question q = { .limit = 1 + unit_below(seed, 1000) };

	if (!unit_below(seed, 3))
		q.agent = agents[unit_below(seed, AGENTS)];
	if (!unit_below(seed, 3))
		q.node = nodes[unit_below(seed, NELEM(nodes))];
	if (!unit_below(seed, 3))
		q.type = types[unit_below(seed, NELEM(types))];
	if (!unit_below(seed, 3))
		q.revoked = unit_below(seed, 2) ? "yes" : "no";
	if (!unit_below(seed, 3))
		q.before = 1 + unit_below(seed, TIMES);
	if (!unit_below(seed, 3))
		q.not_expired = unit_below(seed, TIMES);
	q.unproven = !unit_below(seed, 5);
	return q;
}

static void test_any_filters_find_what_there_is(void **state)
{
	uint64_t g, seed = unit_seed();
	struct role r;

	(void)state;
	g = start_loaded(&r);
	make_inventory(&r, &g, &seed);
	for (int i = 0; i < QUESTIONS; i++) {
		struct question q = random_question(&seed);

		compare(&r, &q, !(i % 4));
	}
	assert_int_equal(role_end(&r), 0);
}

static void test_one_number(void **state)
{
	uint64_t g, seed = unit_seed();
	struct role r;
	struct msg m;

	(void)state;
	g = start_loaded(&r);
	make_inventory(&r, &g, &seed);
	m = ask(&r, IS_FIND, "number=1234 limit=1 der=yes");
	assert_int_equal(m.kind, IS_ITEM);
	check_item(m.attrs, 1233, true);
	m = role_get(&r);
	assert_int_equal(m.kind, IS_DONE);
	assert_int_equal(attr_count(m.attrs, "more"), 0);
	m = ask(&r, IS_FIND, "number=1234 tail=abcdefghijkl limit=1");
	assert_int_equal(m.kind, IS_DONE);
	m = ask(&r, IS_FIND, "number=999999 limit=1");
	assert_int_equal(m.kind, IS_DONE);
	m = ask(&r, IS_FIND, "node=nowhere limit=10");
	assert_int_equal(m.kind, IS_DONE);
	assert_int_equal(attr_count(m.attrs, "more"), 0);
	assert_int_equal(role_end(&r), 0);
}

static void test_proven_is_found_no_more(void **state)
{
	struct cert c = cert_of(1);
	struct role r;
	struct txn t;
	uint64_t g;

	(void)state;
	g = start_loaded(&r);
	c.unproven = true;
	t = txn(&g);
	op_cert(&t, &c);
	txn_done(&r, &t);
	assert_int_equal(ask(&r, IS_FIND, "unproven=yes limit=9").kind,
			 IS_ITEM);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	t = txn(&g);
	op_text(&t, "proven", "number=1");
	txn_done(&r, &t);
	assert_int_equal(ask(&r, IS_FIND, "unproven=yes limit=9").kind,
			 IS_DONE);
	t = txn(&g);
	op_text(&t, "proven", "number=2");
	txn_fails(&r, &t, "not_found", "number 2");
	assert_int_equal(role_end(&r), 0);
}

/* What decides how a question is walked must not itself look at every row. */
static void test_a_range_is_probed_up_to_its_bound(void **state)
{
	enum {
		BOUND = 50
	};
	sqlite3_stmt *s = NULL;
	struct store_db *db;
	struct fault f = { 0 };
	uint64_t n = 0;

	(void)state;
	assert_int_equal(store_db_open(&db, &f), OK);
	assert_int_equal(
		sqlite_file_exec(
			&db->file,
			"INSERT INTO cert WITH RECURSIVE i(n) AS (VALUES(1) "
			"UNION ALL SELECT n + 1 FROM i WHERE n < 20000) "
			"SELECT 1000 + n, x'00', '', 1, 1, 0, n, 0, NULL, NULL, "
			"NULL FROM i",
			&f),
		OK);
	assert_int_equal(store_sql(db, SQL_PROBE_EXPIRY, &s, &f), OK);
	store_bind_u64(s, 1, 0);
	store_bind_u64(s, 2, 1000); /* a page that none of them is on */
	store_bind_u64(s, 3, BOUND);
	store_bind_u64(s, 4, 30000);
	assert_int_equal(store_one(db, s, &n, &f), OK);
	assert_int_equal(n, BOUND);
	assert_in_range(sqlite3_stmt_status(s, SQLITE_STMTSTATUS_VM_STEP, 0), 1,
			100 * BOUND);
	store_db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_any_filters_find_what_there_is),
		IN_FOLDER(test_one_number),
		IN_FOLDER(test_proven_is_found_no_more),
		IN_FOLDER(test_a_range_is_probed_up_to_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
