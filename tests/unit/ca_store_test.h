/* What the tests of ca's store share: a folder, the role in a process of its own with
 * the test as its issuer, and transactions put together. */
#ifndef TESTS_CA_STORE_TEST_H
#define TESTS_CA_STORE_TEST_H

#include "ca/kinds.h"
#include "ca/roles.h"
#include "lib/note.h"

#include "tests/unit/role_test.h"

#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>

static char folder[64];
static int folder_fd = -1;

static inline int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_ca_store.XXXXXX");
	if (!mkdtemp(folder) || chdir(folder))
		return -1;
	folder_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
	fd_close(&folder_fd);
	return chdir("/") || nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, begin, end)

static inline void start(struct role *r)
{
	role_start_for(r, role_store, folder_fd, "peer=issuer");
}

static inline uint64_t number_in(struct attr_view v, const char *name)
{
	struct attr a;
	uint64_t n = 0;

	if (attr_only(v, name, &a) != OK || attr_u64(&a, UINT64_MAX, &n) != OK)
		fail_msg("no number '%s'", name);
	return n;
}

static inline bool text_in(struct attr_view v, const char *name,
			   const char *want)
{
	struct attr a;

	return attr_only(v, name, &a) == OK && attr_is(&a, want);
}

/* What the last IS_LOAD said. */
struct loaded {
	uint64_t generation, next, log_size, records;
	struct attrs state; /* wiped by the next load */
};

static inline void load(struct role *r, struct loaded *l)
{
	struct msg m;

	role_send(r, IS_LOAD, 1, NULL);
	m = role_get(r);
	if (m.kind == IS_FAILED)
		assert_failed(&m, IS_STATE, "", "");
	assert_int_equal(m.kind, IS_STATE);
	l->generation = number_in(m.attrs, "generation");
	l->next = number_in(m.attrs, "next");
	l->log_size = number_in(m.attrs, "log_size");
	attrs_init(&l->state);
	assert_int_equal(attrs_add_view(&l->state, m.attrs), OK);
	l->records = 0;
	for (m = role_get(r); m.kind == IS_RECORD; m = role_get(r))
		l->records++;
	assert_int_equal(m.kind, IS_READY);
}

/* Starts it and loads, without looking at what there is. */
static inline uint64_t start_loaded(struct role *r)
{
	struct loaded l;

	start(r);
	load(r, &l);
	attrs_wipe(&l.state);
	return l.generation;
}

/* Transactions: a list of operations, sent with the next generation. */

struct txn {
	struct attrs ops;
	uint64_t *generation;
};

static inline struct txn txn(uint64_t *generation)
{
	struct txn t = { .generation = generation };

	attrs_init(&t.ops);
	assert_int_equal(attrs_add_u64(&t.ops, "generation", *generation + 1),
			 OK);
	return t;
}

static inline void op(struct txn *t, const char *name, struct attrs *list)
{
	assert_int_equal(
		attrs_add(&t->ops, name, 0, list->bytes.p, list->bytes.len),
		OK);
	attrs_wipe(list);
}

static inline void add_u64(struct attrs *a, const char *name, uint64_t n)
{
	assert_int_equal(attrs_add_u64(a, name, n), OK);
}

static inline void add_bytes(struct attrs *a, const char *name, const void *p,
			     size_t n)
{
	assert_int_equal(attrs_add(a, name, 0, p, n), OK);
}

struct cert {
	uint64_t number, not_before, not_after, shard;
	const char *agent, *node, *type;
	uint64_t log; /* 0: none; else index + 1 */
	size_t der;
	bool unproven;
};

static inline struct cert cert_of(uint64_t number)
{
	return (struct cert){
		.number = number,
		.not_before = 1000,
		.not_after = 5000,
		.shard = number % 4,
		.agent = "01890000-0000-7000-8000-000000000001",
		.node = "n1.example",
		.type = "web",
		.der = 700,
	};
}

/* The bytes of a number's certificate and serial. */
static inline void tail_of(uint64_t number, uint8_t tail[12])
{
	for (size_t i = 0; i < 12; i++)
		tail[i] = (uint8_t)(number * (i + 3));
}

static inline void op_cert(struct txn *t, const struct cert *c)
{
	static uint8_t der[1 << 20];
	uint8_t tail[12];
	struct attrs a;

	tail_of(c->number, tail);
	memset(der, (int)(c->number & 0xff), c->der);
	attrs_init(&a);
	add_u64(&a, "number", c->number);
	add_bytes(&a, "tail", tail, sizeof tail);
	add_bytes(&a, "agent", c->agent, strlen(c->agent));
	add_bytes(&a, "node", c->node, strlen(c->node));
	add_bytes(&a, "type", c->type, strlen(c->type));
	add_u64(&a, "not_before", c->not_before);
	add_u64(&a, "not_after", c->not_after);
	add_u64(&a, "shard", c->shard);
	if (c->log)
		add_u64(&a, "log", c->log - 1);
	if (c->unproven)
		add_bytes(&a, "valid_after_proof", "yes", 3);
	add_bytes(&a, "der", der, c->der);
	op(t, "cert", &a);
}

static inline void op_revoke(struct txn *t, uint64_t number, uint64_t time,
			     uint64_t reason)
{
	struct attrs a;

	attrs_init(&a);
	add_u64(&a, "number", number);
	add_u64(&a, "time", time);
	add_u64(&a, "reason", reason);
	op(t, "revoke", &a);
}

static inline void op_text(struct txn *t, const char *name, const char *list)
{
	struct attrs a;

	attrs_init(&a);
	list_of(&a, list);
	op(t, name, &a);
}

/* Sends it; the answer is read later. */
static inline void txn_send(struct role *r, struct txn *t)
{
	role_send(r, IS_COMMIT, *t->generation + 1, &t->ops);
	attrs_wipe(&t->ops);
}

static inline void txn_done(struct role *r, struct txn *t)
{
	struct msg m;

	txn_send(r, t);
	m = role_get(r);
	if (m.kind == IS_FAILED)
		assert_failed(&m, IS_DONE, "", "");
	assert_int_equal(m.kind, IS_DONE);
	++*t->generation;
	assert_int_equal(m.id, *t->generation);
}

static inline void txn_fails(struct role *r, struct txn *t, const char *error,
			     const char *words)
{
	struct msg m;

	txn_send(r, t);
	m = role_get(r);
	assert_failed(&m, IS_FAILED, error, words);
}

/* Asks in text form; the answer is the next message. */
static inline struct msg ask(struct role *r, uint32_t kind, const char *text)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	list_of(&a, text);
	role_send(r, kind, 77, &a);
	return role_get(r);
}

/* Records of the log: what each says is its index. */

static inline void record_hash(uint64_t index, struct merkle_hash *out)
{
	char text[32];
	int n = snprintf(text, sizeof text, "record %" PRIu64, index);

	merkle_leaf(text, (size_t)n, out);
}

static inline void op_records(struct txn *t, uint64_t first, uint64_t count)
{
	char text[32];

	add_u64(&t->ops, "first", first);
	for (uint64_t i = first; i < first + count; i++) {
		int n = snprintf(text, sizeof text, "record %" PRIu64, i);

		add_bytes(&t->ops, "record", text, (size_t)n);
	}
}

/* It must end by itself, cleanly. */
static inline void assert_ends(struct role *r)
{
	int status;
	struct fault f;
	struct msg m;

	if (chan_get1(r->vault, &r->in, &m, NULL,
		      clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f) == OK)
		fail_msg("the store answered %u", m.kind);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
		fail_msg("the store ended with status %#x", (unsigned)status);
	fd_close(&r->vault);
	fd_close(&r->sup);
	buf_wipe(&r->in);
}

#endif
