/* ca/signer_crl: lists read in pieces, signed as they were read. */
#include "lib/crl.h"

#include "tests/unit/signer_world.h"

#include <sys/mman.h>

static struct world w;

struct list {
	struct crl_head h;
	uint64_t entries;
	uint8_t instance;
};

static int begin(void **state)
{
	(void)state;
	world_open(&w);
	world_init(&w, "p256");
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static struct list list_of(const struct world *v, uint64_t number,
			   const char *point)
{
	return (struct list){
		.h = { .alg = v->s.scope.alg,
		       .issuer = v->s.scope.name,
		       .this_update = WORLD_NOW,
		       .next_update = WORLD_NOW + 86400,
		       .number = number,
		       .authority_key = span_of(v->s.scope.key_id, 20),
		       .point = span_str(point) },
		.entries = 3,
		.instance = v->s.scope.instance,
	};
}

static void entries_put(const struct list *l, struct buf *b)
{
	uint8_t tail[SERIAL_TAIL] = { 2 };

	for (uint64_t i = 0; i < l->entries; i++) {
		struct crl_entry e = { .at = WORLD_NOW - 60,
				       .reason = (unsigned)(i % 2) };

		serial_make(l->instance, SIGNER_FIRST + i, tail, &e.serial);
		assert_int_equal(crl_entry_put(b, &e), OK);
	}
}

static void tbs_of(const struct list *l, struct buf *tbs)
{
	AUTO(buf_wipe) struct buf entries = { 0 };

	buf_init(&entries, 64 << 20);
	buf_init(tbs, 64 << 20);
	entries_put(l, &entries);
	assert_int_equal(crl_head_put(tbs, &l->h, entries.len), OK);
	assert_int_equal(buf_put(tbs, entries.p, entries.len), OK);
	assert_int_equal(crl_tail_put(tbs, &l->h), OK);
}

static void ask(struct world *v, uint64_t offset, uint64_t size)
{
	attrs_clear(&v->ask);
	assert_int_equal(attrs_add_u64(&v->ask, "offset", offset), OK);
	assert_int_equal(attrs_add_u64(&v->ask, "size", size), OK);
}

/* A memfd with some bytes before the list. */
static int file_of(const struct buf *tbs)
{
	int fd = memfd_create("crl", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, tbs->p, tbs->len, 100), (ssize_t)tbs->len);
	return fd;
}

static enum err signs(struct world *v, const struct list *l)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(fd_close) int fd = -1;
	struct attr a;
	enum err e;

	tbs_of(l, &tbs);
	fd = file_of(&tbs);
	ask(v, 100, tbs.len);
	e = world_call(v, IG_CRL, fd, NULL);
	if (e != OK)
		return e;
	assert_int_equal(attr_only(attrs_view(&v->reply), "signature", &a), OK);
	assert_int_equal(pubkey_verify(&v->s.issuing_key, v->s.scope.alg,
				       span_of(tbs.p, tbs.len),
				       span_of(a.value, a.len)),
			 OK);
	return OK;
}

static void refused(const struct list *l, enum err want, const char *words)
{
	enum err e = signs(&w, l);

	if (e != want || !strstr(w.f.text, words))
		fail_msg("%s: %s", err_name(e), w.f.text);
	/* and the key is as usable as before */
	(void)world_sign(&w, "web", signkey_spki(w.key));
}

static void test_full_and_sharded_lists_are_signed(void **state)
{
	struct list full = list_of(&w, 10, "");
	struct list shard = list_of(&w, 4, "http://ca.example:7080/crl/3");
	struct list empty = list_of(&w, 11, "");

	(void)state;
	empty.entries = 0;
	world_ok(signs(&w, &full), &w.f);
	world_ok(signs(&w, &shard), &w.f);
	world_ok(signs(&w, &empty), &w.f);
}

static void test_every_key_type_signs_lists(void **state)
{
	static const char *const type[] = { "ed25519", "rsa", "p384" };

	(void)state;
	for (size_t i = 0; i < NELEM(type); i++) {
		struct world v;
		struct list l;

		world_open(&v);
		world_init(&v, type[i]);
		l = list_of(&v, 1, "");
		l.entries = 20000; /* several pieces */
		world_ok(signs(&v, &l), &v.f);
		world_close(&v);
	}
}

static void test_no_list_of_another_issuer(void **state)
{
	struct list l = list_of(&w, 100, "");
	uint8_t key[20] = { 1 };

	(void)state;
	l.h.issuer.cn = span_str("Another CA");
	refused(&l, ERR_DENIED, "another CA");
	l = list_of(&w, 100, "");
	l.h.authority_key = span_of(key, sizeof key);
	refused(&l, ERR_DENIED, "another CA");
	l = list_of(&w, 100, "");
	l.h.alg = SIG_ED25519;
	refused(&l, ERR_INVALID, "algorithm");
	l = list_of(&w, 100, "");
	l.instance = 8;
	refused(&l, ERR_INVALID, "");
}

static void test_no_other_distribution_point(void **state)
{
	static const char *const bad[] = {
		"http://ca.example:7080/crl/4",
		"http://ca.example:7080/crl/",
		"http://ca.example:7080/crl/03",
		"http://ca.example:7080/crl",
		"http://other.example:7080/crl/1",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct list l = list_of(&w, 100, bad[i]);

		refused(&l, ERR_INVALID, "distribution point");
	}
}

static void test_numbers_of_a_list_only_grow(void **state)
{
	struct list l = list_of(&w, 50, "");
	struct fault f;

	(void)state;
	world_ok(signs(&w, &l), &w.f);
	refused(&l, ERR_CONFLICT, "not above 50");
	l.h.number = 49;
	refused(&l, ERR_CONFLICT, "not above 50");
	/* a list of its own has numbers of its own */
	l.h.point = span_str("http://ca.example:7080/crl/0");
	world_ok(signs(&w, &l), &w.f);
	world_ok(mark_write(&w.s.mark, &f), &f);
	world_restart(&w);
	w.next = w.s.mark.next;
	l = list_of(&w, 50, "");
	refused(&l, ERR_CONFLICT, "not above 50");
	l.h.number = 51;
	world_ok(signs(&w, &l), &w.f);
}

static void test_no_list_of_another_time(void **state)
{
	struct list l = list_of(&w, 200, "");

	(void)state;
	l.h.this_update += SIGNER_NEAR + 1;
	refused(&l, ERR_INVALID, "thisUpdate");
	l = list_of(&w, 200, "");
	l.h.next_update = WORLD_NOW + SIGNER_CRL_LIFE + 1;
	refused(&l, ERR_INVALID, "8 days");
}

static void test_no_cut_list_and_no_bytes_after_it(void **state)
{
	struct list l = list_of(&w, 300, "");
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(fd_close) int fd = -1;

	(void)state;
	tbs_of(&l, &tbs);
	fd = file_of(&tbs);
	for (size_t i = 0; i < tbs.len; i++) {
		ask(&w, 100, i);
		world_refused(&w, IG_CRL, fd, ERR_INVALID, "");
	}
	ask(&w, 100, tbs.len + 1);
	world_refused(&w, IG_CRL, fd, ERR_INVALID, "shorter");
	ask(&w, 99, tbs.len + 1);
	world_refused(&w, IG_CRL, fd, ERR_INVALID, "");
	ask(&w, 100, tbs.len);
	world_refused(&w, IG_CRL, -1, ERR_INVALID, "descriptor");
	ask(&w, 100, tbs.len);
	world_ok(world_call(&w, IG_CRL, fd, NULL), &w.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_and_sharded_lists_are_signed),
		cmocka_unit_test(test_every_key_type_signs_lists),
		cmocka_unit_test(test_no_list_of_another_issuer),
		cmocka_unit_test(test_no_other_distribution_point),
		cmocka_unit_test(test_numbers_of_a_list_only_grow),
		cmocka_unit_test(test_no_list_of_another_time),
		cmocka_unit_test(test_no_cut_list_and_no_bytes_after_it),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
