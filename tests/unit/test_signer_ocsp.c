/* ca/signer_ocsp and ca/signer_note: what is said of certificates and of the log. */
#include "lib/note.h"

#include "tests/unit/signer_world.h"

static struct world w;
static struct serial signed_serial;

struct answer {
	struct ocsp_basic b;
	struct buf id[OCSP_CERTS_MAX];
	unsigned ids;
};

static struct span attr_bytes(const char *name)
{
	struct attr a;

	assert_int_equal(attr_only(attrs_view(&w.reply), name, &a), OK);
	return span_of(a.value, a.len);
}

static void ask_use(struct span der)
{
	AUTO(buf_wipe) struct buf copy = { 0 };

	buf_init(&copy, CERT_MAX);
	assert_int_equal(buf_put(&copy, der.p, der.n), OK);
	attrs_clear(&w.ask);
	world_add(&w, "certificate", copy.p, copy.len);
}

static void new_responder(void)
{
	attrs_clear(&w.ask);
	world_ok(world_call(&w, IG_OCSP_NEW, -1, NULL), &w.f);
	ask_use(world_sign(&w, "ca-ocsp", signkey_spki(w.s.ocsp_next)));
	world_ok(world_call(&w, IG_OCSP_USE, -1, NULL), &w.f);
}

static int begin(void **state)
{
	struct cert_signed split;
	struct cert c;

	(void)state;
	world_open(&w);
	world_init(&w, "p256");
	new_responder();
	world_ok(cert_split(world_sign(&w, "web", signkey_spki(w.key)), &split,
			    &w.f),
		 &w.f);
	world_ok(cert_parse_tbs(split.tbs, &c, &w.f), &w.f);
	memcpy(signed_serial.b, c.serial.p, SERIAL_SIZE);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

/* CertID, RFC 6960 4.1.1: what a client would have sent. */
static struct span certid(struct buf *b, const struct ocsp_issuer *i,
			  enum ocsp_hash hash, const struct serial *s)
{
	bool sha1 = hash == OCSP_SHA1;
	size_t id, alg;

	buf_init(b, 512);
	assert_int_equal(der_begin(b, DER_SEQ, &id), OK);
	assert_int_equal(der_begin(b, DER_SEQ, &alg), OK);
	assert_int_equal(oid_put(b, sha1 ? OID_SHA1 : OID_SHA256), OK);
	assert_int_equal(der_put_null(b), OK);
	assert_int_equal(der_end(b, alg), OK);
	assert_int_equal(der_put(b, DER_OCTETS,
				 sha1 ? i->sha1_name : i->sha256_name,
				 sha1 ? 20 : 32),
			 OK);
	assert_int_equal(der_put(b, DER_OCTETS,
				 sha1 ? i->sha1_key : i->sha256_key,
				 sha1 ? 20 : 32),
			 OK);
	assert_int_equal(der_put_uint(b, span_of(s->b, SERIAL_SIZE)), OK);
	assert_int_equal(der_end(b, id), OK);
	return span_of(b->p, b->len);
}

static void answer_init(struct answer *a)
{
	memset(a, 0, sizeof *a);
	memcpy(a->b.responder, w.s.ocsp.id, 20);
	a->b.produced_at = WORLD_NOW;
}

static void answer_wipe(struct answer *a)
{
	for (unsigned i = 0; i < a->ids; i++)
		buf_wipe(&a->id[i]);
}

static void answer_add(struct answer *a, const struct ocsp_issuer *i,
		       const struct serial *s, enum ocsp_cert_status status)
{
	struct ocsp_single *o = &a->b.single[a->b.count++];
	enum ocsp_hash hash = a->ids % 2 ? OCSP_SHA256 : OCSP_SHA1;

	o->id.der = certid(&a->id[a->ids++], i, hash, s);
	o->status = status;
	o->this_update = WORLD_NOW;
	o->next_update = WORLD_NOW + 600;
	o->revoked_at = status == OCSP_REVOKED ? WORLD_NOW - 5 : 0;
	o->reason = status == OCSP_REVOKED ? 1 : 0;
}

static void ask_answer(const struct answer *a)
{
	AUTO(buf_wipe) struct buf data = { 0 };

	buf_init(&data, OCSP_RESPONSE_MAX);
	assert_int_equal(ocsp_data_build(&a->b, &data), OK);
	attrs_clear(&w.ask);
	world_add(&w, "data", data.p, data.len);
}

static void refused(const struct answer *a, enum err e, const char *words)
{
	ask_answer(a);
	world_refused(&w, IG_OCSP, -1, e, words);
}

static struct serial serial_at(uint64_t number, uint8_t instance)
{
	uint8_t tail[SERIAL_TAIL] = { 9 };
	struct serial s;

	serial_make(instance, number, tail, &s);
	return s;
}

static void test_every_status_is_signed(void **state)
{
	struct serial never = serial_at(900000, 7);
	AUTO(answer_wipe) struct answer a = { 0 };
	struct span got;

	(void)state;
	answer_init(&a);
	answer_add(&a, &w.s.ids, &signed_serial, OCSP_GOOD);
	answer_add(&a, &w.s.ids, &signed_serial, OCSP_REVOKED);
	answer_add(&a, &w.s.ids, &never, OCSP_UNKNOWN);
	a.b.nonce = span_str("0123456789abcdef");
	ask_answer(&a);
	world_ok(world_call(&w, IG_OCSP, -1, NULL), &w.f);
	got = attr_bytes("response");
	assert_true(got.n > 400);
	/* the signer's own certificate is in it */
	assert_non_null(
		memmem(got.p, got.n, w.s.ocsp.cert.p, w.s.ocsp.cert.len));
}

static void test_no_good_for_what_was_not_signed(void **state)
{
	const struct serial bad[] = { serial_at(w.s.mark.next, 7),
				      serial_at(900000, 7),
				      serial_at(SIGNER_FIRST, 8),
				      serial_at(1, 7), serial_at(2, 7) };

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		AUTO(answer_wipe) struct answer a = { 0 };

		answer_init(&a);
		answer_add(&a, &w.s.ids, &signed_serial, OCSP_GOOD);
		answer_add(&a, &w.s.ids, &bad[i], OCSP_GOOD);
		refused(&a, ERR_DENIED, "never signed");
	}
}

static void test_no_answer_about_another_ca(void **state)
{
	AUTO(answer_wipe) struct answer a = { 0 };
	struct ocsp_issuer other = w.s.ids;

	(void)state;
	other.sha1_key[3] ^= 1;
	other.sha256_key[3] ^= 1;
	answer_init(&a);
	answer_add(&a, &other, &signed_serial, OCSP_GOOD);
	refused(&a, ERR_DENIED, "another CA");
}

static void test_no_answer_of_another_time(void **state)
{
	AUTO(answer_wipe) struct answer a = { 0 };
	struct ocsp_single *o = &a.b.single[0];

	(void)state;
	answer_init(&a);
	answer_add(&a, &w.s.ids, &signed_serial, OCSP_GOOD);
	o->next_update = o->this_update + SIGNER_OCSP_LIFE + 1;
	refused(&a, ERR_INVALID, "a day at most");
	o->this_update += SIGNER_NEAR + 1;
	refused(&a, ERR_INVALID, "thisUpdate");
	o->this_update -= 2 * (SIGNER_NEAR + 1);
	refused(&a, ERR_INVALID, "thisUpdate");
	o->this_update = WORLD_NOW;
	o->next_update = WORLD_NOW + 600;
	a.b.produced_at += SIGNER_NEAR + 1;
	refused(&a, ERR_INVALID, "producedAt");
}

static void test_no_answer_of_another_responder(void **state)
{
	AUTO(answer_wipe) struct answer a = { 0 };

	(void)state;
	answer_init(&a);
	answer_add(&a, &w.s.ids, &signed_serial, OCSP_GOOD);
	a.b.responder[0] ^= 1;
	refused(&a, ERR_CONFLICT, "another OCSP signer");
}

static void test_no_other_bytes(void **state)
{
	AUTO(buf_wipe) struct buf data = { 0 };
	AUTO(answer_wipe) struct answer a = { 0 };

	(void)state;
	buf_init(&data, OCSP_RESPONSE_MAX);
	answer_init(&a);
	answer_add(&a, &w.s.ids, &signed_serial, OCSP_GOOD);
	assert_int_equal(ocsp_data_build(&a.b, &data), OK);
	for (size_t i = 1; i < data.len; i++) {
		attrs_clear(&w.ask);
		world_add(&w, "data", data.p, i);
		world_refused(&w, IG_OCSP, -1, ERR_INVALID, "");
	}
	assert_int_equal(buf_put(&data, "\x05", 2), OK);
	attrs_clear(&w.ask);
	world_add(&w, "data", data.p, data.len);
	world_refused(&w, IG_OCSP, -1, ERR_INVALID, "");
}

/* Only a certificate that we signed, for the key that waits for it. */
static void test_no_other_certificate_is_used(void **state)
{
	(void)state;
	ask_use(span_of(w.s.ocsp.cert.p, w.s.ocsp.cert.len));
	world_refused(&w, IG_OCSP_USE, -1, ERR_NOT_FOUND, "no OCSP key waits");
	attrs_clear(&w.ask);
	world_ok(world_call(&w, IG_OCSP_NEW, -1, NULL), &w.f);
	ask_use(span_of(w.s.ocsp.cert.p, w.s.ocsp.cert.len));
	world_refused(&w, IG_OCSP_USE, -1, ERR_DENIED, "another key");
	ask_use(world_sign(&w, "web", signkey_spki(w.key)));
	world_refused(&w, IG_OCSP_USE, -1, ERR_DENIED, "another key");
}

static void test_a_changed_certificate_is_not_used(void **state)
{
	AUTO(buf_wipe) struct buf der = { 0 };
	struct span got;

	(void)state;
	buf_init(&der, CERT_MAX);
	attrs_clear(&w.ask);
	world_ok(world_call(&w, IG_OCSP_NEW, -1, NULL), &w.f);
	got = world_sign(&w, "ca-ocsp", signkey_spki(w.s.ocsp_next));
	assert_int_equal(buf_put(&der, got.p, got.n), OK);
	der.p[der.len - 1] ^= 1;
	ask_use(span_of(der.p, der.len));
	world_refused(&w, IG_OCSP_USE, -1, ERR_DENIED, "not of this CA");
	der.p[der.len - 1] ^= 1;
	ask_use(span_of(der.p, der.len));
	world_ok(world_call(&w, IG_OCSP_USE, -1, NULL), &w.f);
}

static void test_a_start_forgets_the_responder(void **state)
{
	AUTO(answer_wipe) struct answer a = { 0 };

	(void)state;
	answer_init(&a);
	answer_add(&a, &w.s.ids, &signed_serial, OCSP_GOOD);
	world_restart(&w);
	refused(&a, ERR_UNAVAILABLE, "no OCSP signer yet");
	w.next = w.s.mark.next;
	new_responder();
	memcpy(a.b.responder, w.s.ocsp.id, 20);
	ask_answer(&a);
	world_ok(world_call(&w, IG_OCSP, -1, NULL), &w.f);
}

/* --- checkpoints */

static void ask_note(uint64_t size, int64_t time)
{
	struct merkle_hash root = { { 1 } };

	attrs_clear(&w.ask);
	assert_int_equal(attrs_add_u64(&w.ask, "size", size), OK);
	world_add(&w, "root", root.b, sizeof root.b);
	assert_int_equal(attrs_add_u64(&w.ask, "time", (uint64_t)time), OK);
	assert_int_equal(attrs_add_u64(&w.ask, "generation", 4), OK);
}

static void test_a_checkpoint_tells_what_was_signed(void **state)
{
	char origin[NOTE_ORIGIN_MAX + 1];
	struct span text;
	struct note n;

	(void)state;
	ask_note(10, WORLD_NOW);
	world_ok(world_call(&w, IG_NOTE, -1, NULL), &w.f);
	text = attr_bytes("note");
	note_origin("ca", w.s.keys.store, origin);
	world_ok(
		note_verify(text.p, text.n, w.s.keys.log_key, origin, &n, &w.f),
		&w.f);
	assert_int_equal(n.size, 10);
	assert_int_equal(n.generation, 4);
	assert_true(n.chained);
	assert_int_equal(n.count, w.s.mark.now.count);
	assert_int_equal(n.epoch, w.s.mark.now.epoch);
	assert_true(merkle_equal(&n.chain, &w.s.mark.now.chain));
}

static void test_no_shorter_log_not_after_a_start_either(void **state)
{
	(void)state;
	ask_note(20, WORLD_NOW);
	world_ok(world_call(&w, IG_NOTE, -1, NULL), &w.f);
	ask_note(19, WORLD_NOW);
	world_refused(&w, IG_NOTE, -1, ERR_CONFLICT, "19 records, and had 20");
	world_restart(&w);
	ask_note(19, WORLD_NOW);
	world_refused(&w, IG_NOTE, -1, ERR_CONFLICT, "19 records, and had 20");
	ask_note(20, WORLD_NOW);
	world_ok(world_call(&w, IG_NOTE, -1, NULL), &w.f);
}

static void test_no_checkpoint_of_another_time(void **state)
{
	(void)state;
	ask_note(30, WORLD_NOW + SIGNER_NEAR + 1);
	world_refused(&w, IG_NOTE, -1, ERR_INVALID, "10 minutes");
	ask_note(30, WORLD_NOW - SIGNER_NEAR - 1);
	world_refused(&w, IG_NOTE, -1, ERR_INVALID, "10 minutes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status_is_signed),
		cmocka_unit_test(test_no_good_for_what_was_not_signed),
		cmocka_unit_test(test_no_answer_about_another_ca),
		cmocka_unit_test(test_no_answer_of_another_time),
		cmocka_unit_test(test_no_answer_of_another_responder),
		cmocka_unit_test(test_no_other_bytes),
		cmocka_unit_test(test_no_other_certificate_is_used),
		cmocka_unit_test(test_a_changed_certificate_is_not_used),
		cmocka_unit_test(test_a_start_forgets_the_responder),
		cmocka_unit_test(test_a_checkpoint_tells_what_was_signed),
		cmocka_unit_test(test_no_shorter_log_not_after_a_start_either),
		cmocka_unit_test(test_no_checkpoint_of_another_time),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
