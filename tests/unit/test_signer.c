/* ca/signer_init and ca/signer_cert: what the signer makes, and what a broken issuer
 * cannot get out of it. */
#include "tests/unit/signer_world.h"

static struct world w;

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

static struct span agent(void)
{
	return signkey_spki(w.key);
}

static struct span attr_bytes(const char *name)
{
	struct attr a;

	assert_int_equal(attr_only(attrs_view(&w.reply), name, &a), OK);
	return span_of(a.value, a.len);
}

static void state_of(struct attrs *a)
{
	attrs_init(a);
	assert_int_equal(signer_state_format(&w.s, a), OK);
}

static uint64_t state_number(const char *name)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct attr v;
	uint64_t n = 0;

	state_of(&a);
	assert_int_equal(attr_only(attrs_view(&a), name, &v), OK);
	assert_int_equal(attr_u64(&v, UINT64_MAX, &n), OK);
	return n;
}

/* --- what is made */

static void test_the_ca_is_what_was_asked_for(void **state)
{
	struct cert_signed r, i;
	struct cert root, ca;
	struct pubkey key;

	(void)state;
	world_ok(cert_split(span_of(w.s.keys.root.p, w.s.keys.root.len), &r,
			    &w.f),
		 &w.f);
	world_ok(cert_parse_tbs(r.tbs, &root, &w.f), &w.f);
	world_ok(pubkey_parse(root.spki, &key, &w.f), &w.f);
	assert_int_equal(pubkey_verify(&key, r.alg, r.tbs, r.sig), OK);
	assert_true(root.ca);
	assert_int_equal(root.path_len, -1);
	assert_int_equal(root.not_after, WORLD_NOW + SIGNER_ROOT_LIFE);
	world_ok(cert_split(span_of(w.s.keys.issuing_cert.p,
				    w.s.keys.issuing_cert.len),
			    &i, &w.f),
		 &w.f);
	world_ok(cert_parse_tbs(i.tbs, &ca, &w.f), &w.f);
	assert_int_equal(pubkey_verify(&key, i.alg, i.tbs, i.sig), OK);
	assert_int_equal(ca.path_len, 0);
	assert_true(ca.exclude_ip);
	assert_int_equal(ca.permit_dns.count, 2);
	assert_int_equal(ca.permit_uri.count, 3);
	assert_true(span_is(ca.permit_uri.at[0], ".example"));
	assert_true(span_is(ca.permit_uri.at[2], "td.example"));
	assert_true(span_equal(ca.authority_key, root.subject_key));
	assert_true(span_is(ca.subject.cn, "Cretula issuing CA"));
	assert_true(span_is(ca.subject.domain, "example"));
}

static void test_every_key_type_makes_a_ca_that_signs(void **state)
{
	static const char *const type[] = { "p384", "ed25519", "rsa" };

	(void)state;
	for (size_t i = 0; i < NELEM(type); i++) {
		struct world v;

		world_open(&v);
		world_init(&v, type[i]);
		world_check_signed(&v,
				   world_sign(&v, "web", signkey_spki(v.key)));
		world_restart(&v);
		v.next = v.s.mark.next;
		world_check_signed(&v,
				   world_sign(&v, "web", signkey_spki(v.key)));
		world_close(&v);
	}
}

static void test_a_ca_is_made_once(void **state)
{
	(void)state;
	assert_int_equal(world_init_with(&w, "p256", WORLD_SCOPE), ERR_EXISTS);
}

static void test_a_bad_wish_makes_no_ca(void **state)
{
	struct world v;

	(void)state;
	world_open(&v);
	assert_int_equal(world_init_with(&v, "p256", "url=http://x"),
			 ERR_INVALID);
	assert_int_equal(world_init_with(&v, "dsa", WORLD_SCOPE), ERR_INVALID);
	assert_int_equal(v.s.state, SIGNER_NONE);
	world_refused(&v, IG_SIGN, -1, ERR_UNAVAILABLE, "cretula ca init");
	world_init(&v, "p256");
	world_close(&v);
}

static void test_profiles_sign(void **state)
{
	uint64_t before = w.s.mark.now.count;

	(void)state;
	world_check_signed(&w, world_sign(&w, "web", agent()));
	world_check_signed(&w, world_sign(&w, "plain", agent()));
	world_check_signed(&w, world_sign(&w, "node", agent()));
	world_check_signed(&w, world_sign(&w, "spiffe", agent()));
	world_check_signed(&w, world_sign(&w, "ca-tls", agent()));
	assert_int_equal(w.s.mark.now.count, before + 5);
	assert_int_equal(attr_bytes("chain").n, MERKLE_HASH);
}

/* --- what a broken issuer could try */

static void refused(const char *profile, const struct draft *d, enum err e,
		    const char *words)
{
	struct merkle_hash before = w.s.mark.now.chain;

	world_ask(&w, profile, d);
	world_refused(&w, IG_SIGN, -1, e, words);
	assert_true(merkle_equal(&before, &w.s.mark.now.chain));
	w.next = MAX(w.next, w.s.mark.next);
}

static void test_no_ca_certificate(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	draft_of(&w, &d, w.profiles, "web", agent());
	d.c.ca = true;
	d.c.path_len = -1;
	refused("web", &d, ERR_DENIED, "certificate of a CA");
	draft_wipe(&d);
	draft_of(&w, &d, w.profiles, "web", agent());
	d.c.key_usage |= KU_CERT_SIGN;
	refused("web", &d, ERR_DENIED, "certificate of a CA");
	d.c.key_usage = KU_DIGITAL_SIGNATURE | KU_CRL_SIGN;
	refused("web", &d, ERR_DENIED, "certificate of a CA");
}

static void test_no_foreign_name(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	draft_of(&w, &d, w.profiles, "web", agent());
	d.c.dns.at[d.c.dns.count++] = span_str("www.example.com");
	refused("web", &d, ERR_DENIED, "www.example.com");
	d.c.dns.at[d.c.dns.count - 1] = span_str("n2.example");
	refused("web", &d, ERR_DENIED, "n2.example");
	d.c.dns.count--;
	d.c.subject.ou = span_str("n2.other");
	refused("web", &d, ERR_DENIED, "n2.other");
}

static void test_no_foreign_uri(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	draft_of(&w, &d, w.profiles, "spiffe", agent());
	d.c.uri.at[0] = span_str("spiffe://td.example/root/" WORLD_AGENT);
	refused("spiffe", &d, ERR_DENIED, "");
}

static void test_no_wider_capability(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	draft_of(&w, &d, w.profiles, "web", agent());
	assert_int_equal(d.c.caps.count, 1);
	d.c.caps.at[0] = span_str("sign:prod@*");
	refused("web", &d, ERR_INVALID, "capabilities");
	d.c.caps.at[0] = span_str("admin:ca@*");
	refused("web", &d, ERR_INVALID, "capabilities");
	d.c.caps.at[0] = span_str("sign:prod@n2.example");
	refused("web", &d, ERR_INVALID, "capabilities");
	d.c.caps.at[0] = span_str("sign:prod@n1.example");
	d.c.caps.at[1] = span_str("sign:test@n1.example");
	d.c.caps.count = 2;
	refused("web", &d, ERR_INVALID, "capabilities");
}

static void test_no_profile_that_the_signer_has_not(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	draft_of(&w, &d, w.other, "strong", agent());
	refused("strong", &d, ERR_NOT_FOUND, "no profile 'strong'");
	refused("web", &d, ERR_INVALID, "");
	refused("node", &d, ERR_INVALID, "");
}

static void test_no_longer_life(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	draft_of(&w, &d, w.profiles, "plain", agent());
	d.c.not_after += 3600;
	refused("plain", &d, ERR_INVALID, "life");
	d.c.not_before -= 86400;
	d.c.not_after -= 86400;
	refused("plain", &d, ERR_INVALID, "notBefore");
}

static void test_no_key_of_the_ca(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	draft_of(&w, &d, w.profiles, "web", agent());
	d.c.spki = w.s.issuing.spki;
	d.c.subject_key = span_of(w.s.scope.key_id, 20);
	refused("web", &d, ERR_DENIED, "issuing CA's own");
}

static void test_no_ocsp_signer_for_another_key(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	draft_of(&w, &d, w.profiles, "ca-ocsp", agent());
	refused("ca-ocsp", &d, ERR_DENIED, "only for the key");
	attrs_clear(&w.ask);
	world_ok(world_call(&w, IG_OCSP_NEW, -1, NULL), &w.f);
	refused("ca-ocsp", &d, ERR_DENIED, "only for the key");
	draft_wipe(&d);
	draft_of(&w, &d, w.profiles, "web", signkey_spki(w.s.ocsp_next));
	refused("web", &d, ERR_DENIED, "OCSP signer's");
}

static void test_no_serial_twice_and_none_lower(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };

	(void)state;
	for (uint64_t back = 1; back < 3; back++) {
		(void)world_sign(&w, "web", agent());
		w.next -= back;
		draft_of(&w, &d, w.profiles, "web", agent());
		refused("web", &d, ERR_CONFLICT, "may have been signed before");
		draft_wipe(&d);
		(void)world_sign(&w, "web", agent());
	}
}

/* More than a block of them; then it goes on where the issuer is. */
static void test_refused_numbers_are_not_to_be_had_again(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };
	uint64_t first = w.next;

	(void)state;
	for (int i = 0; i < 2 * MARK_BLOCK; i++) {
		draft_of(&w, &d, w.profiles, "plain", agent());
		refused("web", &d, ERR_INVALID, "");
		draft_wipe(&d);
	}
	assert_int_equal(w.next, first + 2 * MARK_BLOCK);
	(void)world_sign(&w, "web", agent());
	w.next = first;
	draft_of(&w, &d, w.profiles, "web", agent());
	refused("web", &d, ERR_CONFLICT, "may have been signed before");
}

static void test_no_serial_of_another_instance_or_length(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };
	uint8_t tail[SERIAL_TAIL] = { 1 };

	(void)state;
	draft_of(&w, &d, w.profiles, "web", agent());
	serial_make(8, w.next, tail, &d.serial);
	refused("web", &d, ERR_INVALID, "instance 8");
	draft_number(&w, &d, w.next);
	d.c.serial.n--;
	refused("web", &d, ERR_INVALID, "");
}

static void test_no_number_over_the_block_after_a_restart(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };
	uint64_t first, before = w.s.mark.now.epoch;

	(void)state;
	(void)world_sign(&w, "web", agent());
	world_restart(&w);
	first = w.s.mark.next;
	assert_int_equal(state_number("next"), first);
	assert_int_equal(state_number("epoch"), before + 1);
	assert_true(first >= w.next);
	draft_of(&w, &d, w.profiles, "web", agent());
	refused("web", &d, ERR_CONFLICT, "may have been signed before");
	draft_wipe(&d);
	w.next = first + MARK_BLOCK;
	draft_of(&w, &d, w.profiles, "web", agent());
	refused("web", &d, ERR_INVALID, "beyond the next block");
	w.next = first;
	(void)world_sign(&w, "web", agent());
}

/* One way to write a certificate: each cut, each changed byte, and a longer form of a
 * length are refused. Some changed bytes make another certificate that may be had
 * (the random part of the serial; the key is looked at by who asked for it). */
static void test_no_other_bytes(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };
	AUTO(buf_wipe) struct buf tbs = { 0 }, bad = { 0 };
	uint8_t *at;

	(void)state;
	buf_init(&tbs, CERT_TBS_MAX);
	buf_init(&bad, CERT_TBS_MAX);
	draft_of(&w, &d, w.profiles, "web", agent());
	assert_int_equal(cert_build(&d.c, &tbs), OK);
	for (size_t i = 1; i < tbs.len; i++) {
		world_ask_raw(&w, "web", tbs.p, i);
		assert_int_not_equal(world_call(&w, IG_SIGN, -1, NULL), OK);
	}
	/* 30 82 xx xx -> 30 83 00 xx xx */
	assert_int_equal(tbs.p[1], 0x82);
	assert_int_equal(buf_put(&bad, "\x30\x83", 3), OK);
	assert_int_equal(buf_grow(&bad, tbs.len - 2, &at), OK);
	memcpy(at, tbs.p + 2, tbs.len - 2);
	world_ask_raw(&w, "web", bad.p, bad.len);
	world_refused(&w, IG_SIGN, -1, ERR_INVALID, "");
	/* trailing bytes */
	assert_int_equal(buf_put(&tbs, "\x05\x00", 2), OK);
	world_ask_raw(&w, "web", tbs.p, tbs.len);
	world_refused(&w, IG_SIGN, -1, ERR_INVALID, "");
}

/* Signed, or refused for its number alone, which is looked at last. */
static bool taken(enum err e)
{
	return e == OK || e == ERR_CONFLICT ||
	       strstr(w.f.text, "beyond the next block");
}

static void test_changed_bytes_make_no_other_certificate(void **state)
{
	AUTO(draft_wipe) struct draft d = { 0 };
	AUTO(buf_wipe) struct buf tbs = { 0 };
	unsigned passed = 0;

	(void)state;
	buf_init(&tbs, CERT_TBS_MAX);
	draft_of(&w, &d, w.profiles, "web", agent());
	assert_int_equal(cert_build(&d.c, &tbs), OK);
	for (size_t i = 0; i < tbs.len; i++) {
		tbs.p[i] ^= 1;
		world_ask_raw(&w, "web", tbs.p, tbs.len);
		passed += taken(world_call(&w, IG_SIGN, -1, NULL));
		tbs.p[i] ^= 1;
	}
	/* number and tail of the serial; digits of the two times; no byte of
	 * names, key, capabilities or usages */
	print_message("%u changed bytes made a certificate\n", passed);
	assert_in_range(passed, SERIAL_TAIL, SERIAL_SIZE - 1 + 8);
	w.next = w.s.mark.next;
}

static void test_broken_messages_are_refused(void **state)
{
	(void)state;
	attrs_clear(&w.ask);
	for (uint32_t kind = 0; kind < 32; kind++)
		if (kind != IG_OCSP_NEW)
			assert_int_not_equal(world_call(&w, kind, -1, NULL),
					     OK);
	world_ask_raw(&w, "web", "", 0);
	world_refused(&w, IG_SIGN, -1, ERR_INVALID, "tbs=");
}

/* --- renewal */

static void ask_renew(const char *passphrase)
{
	attrs_clear(&w.ask);
	world_add_box(&w, passphrase);
	assert_int_equal(attrs_add_u64(&w.ask, "issuing_life", 86400 * 400),
			 OK);
}

static void move(const char *from, const char *to)
{
	assert_int_equal(renameat(w.s.dir, from, w.s.dir, to), 0);
}

static void test_renewal_needs_the_root_key_and_its_passphrase(void **state)
{
	(void)state;
	ask_renew("wrong");
	world_refused(&w, IG_RENEW, -1, ERR_DENIED, "wrong passphrase");
	move(ROOT_FILE, "away");
	ask_renew(WORLD_PASS);
	world_refused(&w, IG_RENEW, -1, ERR_NOT_FOUND, "root.key");
	/* issuing goes on without it, also after a start */
	world_restart(&w);
	w.next = w.s.mark.next;
	(void)world_sign(&w, "web", agent());
	move("away", ROOT_FILE);
	ask_renew(WORLD_PASS);
	world_ok(world_call(&w, IG_RENEW, -1, NULL), &w.f);
	assert_int_equal(w.s.scope.not_after, WORLD_NOW + 86400 * 400);
	assert_int_equal(w.s.keys.root_next, SIGNER_FIRST + 1);
	(void)world_sign(&w, "web", agent());
	world_restart(&w);
	w.next = w.s.mark.next;
	assert_int_equal(w.s.scope.not_after, WORLD_NOW + 86400 * 400);
	(void)world_sign(&w, "web", agent());
}

static void test_the_root_key_of_another_ca_is_refused(void **state)
{
	char from[128], to[128];
	struct world v;

	(void)state;
	world_open(&v);
	world_init(&v, "p256");
	move(ROOT_FILE, "away");
	snprintf(from, sizeof from, "%s/" ROOT_FILE, v.path);
	snprintf(to, sizeof to, "%s/" ROOT_FILE, w.path);
	assert_int_equal(rename(from, to), 0);
	ask_renew(WORLD_PASS);
	world_refused(&w, IG_RENEW, -1, ERR_CONFLICT, "of another CA");
	move("away", ROOT_FILE);
	world_close(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_ca_is_what_was_asked_for),
		cmocka_unit_test(test_every_key_type_makes_a_ca_that_signs),
		cmocka_unit_test(test_a_ca_is_made_once),
		cmocka_unit_test(test_a_bad_wish_makes_no_ca),
		cmocka_unit_test(test_profiles_sign),
		cmocka_unit_test(test_no_ca_certificate),
		cmocka_unit_test(test_no_foreign_name),
		cmocka_unit_test(test_no_foreign_uri),
		cmocka_unit_test(test_no_wider_capability),
		cmocka_unit_test(test_no_profile_that_the_signer_has_not),
		cmocka_unit_test(test_no_longer_life),
		cmocka_unit_test(test_no_key_of_the_ca),
		cmocka_unit_test(test_no_ocsp_signer_for_another_key),
		cmocka_unit_test(test_no_serial_twice_and_none_lower),
		cmocka_unit_test(test_refused_numbers_are_not_to_be_had_again),
		cmocka_unit_test(test_no_serial_of_another_instance_or_length),
		cmocka_unit_test(test_no_number_over_the_block_after_a_restart),
		cmocka_unit_test(test_no_other_bytes),
		cmocka_unit_test(test_changed_bytes_make_no_other_certificate),
		cmocka_unit_test(test_broken_messages_are_refused),
		cmocka_unit_test(
			test_renewal_needs_the_root_key_and_its_passphrase),
		cmocka_unit_test(test_the_root_key_of_another_ca_is_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
