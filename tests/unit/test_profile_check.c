/* lib/profile_check: whatever profile_fill makes of a wish passes, and nothing else
 * does: random wishes, each changed in one thing after the other. */
#include "lib/lint.h"

#include "tests/unit/profile_changes.h"

enum {
	ROUNDS = 1500
};

static int begin(void **state)
{
	(void)state;
	world_open(&w);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static const char *const nodes[] = { "n1.example", "n2.example", "localhost",
				     "a.b.example", "x.localhost" };

static void agent_random(uint64_t *rnd, char out[AGENT_ID_LEN + 1])
{
	unsigned long long a = unit_next(rnd), b = unit_next(rnd);

	snprintf(out, AGENT_ID_LEN + 1,
		 "%08llx-%04llx-7%03llx-%c%03llx-%012llx", a >> 32,
		 a >> 16 & 0xffff, a & 0xfff, "89ab"[b >> 62], b >> 48 & 0xfff,
		 b & 0xffffffffffff);
}

static void key_random(struct luck *l)
{
	enum key_type t;

	do
		t = (enum key_type)unit_below(&l->rnd, KEY__MAX);
	while (!(l->p->keys & 1u << t));
	l->wish.key = &w.key[t];
}

static void serial_random(struct luck *l)
{
	uint8_t tail[SERIAL_TAIL];

	for (size_t i = 0; i < sizeof tail; i++)
		tail[i] = (uint8_t)unit_next(&l->rnd);
	serial_make(w.scope.instance,
		    1 + unit_below(&l->rnd, SERIAL_NUMBER_MAX - 1), tail,
		    &l->serial);
	l->wish.serial = &l->serial;
}

static void names_random(struct luck *l)
{
	static const char *const form[] = { "%s", "h1.%s", "a.b.%s", "*.%s" };
	size_t n = unit_below(&l->rnd, 4);
	const char *node = (const char *)l->wish.node.p;

	for (size_t i = 0; i < n; i++) {
		size_t k = unit_below(&l->rnd, NELEM(form));
		bool web = span_is(span_str(l->p->name), "web");

		if (web ? k : !k)
			continue; /* not allowed there */
		snprintf(l->text[i], TEXT, "%.*s%s", (int)strlen(form[k]) - 2,
			 form[k], node);
		l->wish.dns.at[l->wish.dns.count++] = span_str(l->text[i]);
	}
	for (size_t i = 4; i < TEXTS && unit_below(&l->rnd, 2); i++) {
		snprintf(l->text[i], TEXT, "http%zu+tcp://%s.%s:%zu", i,
			 l->agent, node, 1 + unit_below(&l->rnd, 65535));
		l->wish.uri.at[l->wish.uri.count++] = span_str(l->text[i]);
	}
}

static void luck_draw(struct luck *l)
{
	static const char *const names[] = {
		"web",  "wild", "strict", "mesh",
		"boss", "node", "ca-tls", "ca-ocsp"
	};

	memset(&l->wish, 0, sizeof l->wish);
	l->p = world_profile(&w, names[unit_below(&l->rnd, NELEM(names))]);
	key_random(l);
	serial_random(l);
	l->wish.now = WORLD_NOW;
	if (unit_below(&l->rnd, 2))
		l->wish.life = 60 + unit_below(&l->rnd, l->p->max_life - 59);
	if (!unit_below(&l->rnd, 3))
		l->wish.delay = 1 + unit_below(&l->rnd, PROFILE_DELAY_MAX);
	if (l->p->kind == PROFILE_TLS) {
		l->wish.dns.at[l->wish.dns.count++] = span_str("ca.example");
		if (unit_below(&l->rnd, 2))
			l->wish.dns.at[l->wish.dns.count++] =
				span_str("localhost");
	}
	if (l->p->kind == PROFILE_TLS || l->p->kind == PROFILE_OCSP)
		return;
	agent_random(&l->rnd, l->agent);
	l->wish.agent = span_str(l->agent);
	l->wish.node = span_str(nodes[unit_below(&l->rnd, NELEM(nodes))]);
	if (l->p->kind == PROFILE_AGENT &&
	    (l->p->wildcard || !strcmp(l->p->name, "web")))
		names_random(l);
}

static unsigned tried[NELEM(changes)];

/* As the signer gets it: written, read back, looked at. ERR_UNSUPPORTED if it is
 * nothing that can be written. */
static enum err judge(const struct cert *c, const struct profile *p,
		      int64_t now, struct fault *f)
{
	AUTO(buf_wipe) struct buf der = { .max = CERT_TBS_MAX };
	struct cert back;

	if (cert_build(c, &der) != OK)
		return ERR_UNSUPPORTED;
	TRY(cert_parse_tbs(span_of(der.p, der.len), &back, f));
	return profile_check(p, &w.scope, &back, now, f);
}

/* The linter, which knows nothing of profiles, finds nothing either. */
static void lint(const struct cert *c)
{
	AUTO(buf_wipe) struct buf der = { .max = CERT_TBS_MAX };
	AUTO(buf_wipe) struct buf name = { .max = CERT_TBS_MAX };
	struct lint_issuer i = { .not_after = w.scope.not_after };
	struct fault f = { .code = OK };

	assert_int_equal(dn_put(&name, &w.scope.name), OK);
	assert_int_equal(cert_build(c, &der), OK);
	i.name = span_of(name.p, name.len);
	i.key_id = span_of(w.scope.key_id, sizeof w.scope.key_id);
	if (lint_tbs(span_of(der.p, der.len), &i, &f) != OK)
		fail_msg("%.*s: %s", (int)c->subject.o.n,
			 (const char *)c->subject.o.p, f.text);
}

static void change_each(const struct cert *good, const struct luck *l)
{
	struct fault f;

	for (size_t i = 0; i < NELEM(changes); i++) {
		struct cert c = *good;

		if (!changes[i].change(&c, l))
			continue;
		tried[i]++;
		if (judge(&c, l->p, WORLD_NOW, &f) == OK)
			fail_msg("profile %s: %s passed", l->p->name,
				 changes[i].name);
		/* and without writing, where what cannot be written could */
		if (profile_check(l->p, &w.scope, &c, WORLD_NOW, &f) == OK)
			fail_msg("profile %s: %s passed unwritten", l->p->name,
				 changes[i].name);
	}
}

static void test_what_is_filled_passes_and_nothing_else(void **state)
{
	static struct luck l;

	(void)state;
	l.rnd = unit_seed();
	for (unsigned i = 0; i < ROUNDS; i++) {
		AUTO(profile_room_wipe)
		struct profile_room room = { .text.max = 0 };
		struct fault f = { .code = OK };
		struct cert c;

		luck_draw(&l);
		if (profile_fill(l.p, &w.scope, &l.wish, &room, &c, &f) != OK)
			fail_msg("profile %s: not filled: %s", l.p->name,
				 f.text);
		if (judge(&c, l.p, WORLD_NOW, &f) != OK)
			fail_msg("profile %s: refused: %s", l.p->name, f.text);
		assert_int_equal(judge(&c, l.p, WORLD_NOW + 300, &f), OK);
		lint(&c);
		change_each(&c, &l);
	}
	for (size_t i = 0; i < NELEM(changes); i++)
		if (!tried[i])
			fail_msg("never tried: %s", changes[i].name);
}

/* A certificate of one profile is none of another. */
static void test_profiles_are_not_exchanged(void **state)
{
	static struct luck l;

	(void)state;
	l.rnd = unit_seed();
	for (unsigned i = 0; i < ROUNDS; i++) {
		AUTO(profile_room_wipe)
		struct profile_room room = { .text.max = 0 };
		const struct profile *p;
		struct fault f;
		struct cert c;
		size_t at = 0;

		luck_draw(&l);
		assert_int_equal(
			profile_fill(l.p, &w.scope, &l.wish, &room, &c, &f),
			OK);
		while ((p = profiles_next(w.set, &at)))
			if (p != l.p)
				assert_int_not_equal(
					judge(&c, p, WORLD_NOW, &f), OK);
	}
}

/* The signer's own copy decides: one narrower by a single attribute refuses. */
static void test_a_narrower_copy_refuses(void **state)
{
	static const char *const narrower[] = {
		"profile=wild dns=*.{node} capability=sign:prod@{node}",
		"profile=wild dns={node} wildcard=yes "
		"capability=sign:prod@{node}",
		"profile=wild dns=*.{node} wildcard=yes",
		"profile=wild dns=*.{node} wildcard=yes "
		"capability=sign:test@{node}",
		"profile=wild dns=*.{node} wildcard=yes life=1h "
		"capability=sign:prod@{node}",
		"profile=wild dns=*.{node} wildcard=yes usage=client "
		"capability=sign:prod@{node}",
		"profile=wild dns=*.{node} wildcard=yes keys=ed25519 "
		"capability=sign:prod@{node}",
		"profile=wild kind=spiffe capability=sign:prod@{node}",
	};
	AUTO(profile_room_wipe) struct profile_room room = { .text.max = 0 };
	static const uint8_t tail[SERIAL_TAIL];
	struct serial serial;
	struct wish wish = { .node = span_str("n1.example"),
			     .agent = span_str(WORLD_AGENT),
			     .key = &w.key[KEY_P256],
			     .dns = { .at = { span_str("*.n1.example") },
				      .count = 1 },
			     .now = WORLD_NOW,
			     .serial = &serial };
	struct fault f;
	struct cert c;

	(void)state;
	serial_make(3, 1, tail, &serial);
	assert_int_equal(profile_fill(world_profile(&w, "wild"), &w.scope,
				      &wish, &room, &c, &f),
			 OK);
	assert_int_equal(judge(&c, world_profile(&w, "wild"), WORLD_NOW, &f),
			 OK);
	for (size_t i = 0; i < NELEM(narrower); i++) {
		AUTO(profile_wipe) struct profile p = { .n_dns = 0 };

		assert_int_equal(profile_line(narrower[i], &p, &f), OK);
		if (judge(&c, &p, WORLD_NOW, &f) == OK)
			fail_msg("passed: %s", narrower[i]);
		assert_true(f.text[0]);
	}
}

/* A second beyond the issuing CA's own life is too much, however short the life. */
static void test_the_issuing_ca_lives_longer(void **state)
{
	AUTO(profile_room_wipe) struct profile_room room = { .text.max = 0 };
	const struct profile *p = world_profile(&w, "web");
	static struct luck l;
	struct fault f;
	struct cert c;

	(void)state;
	do
		luck_draw(&l);
	while (l.p != p);
	l.wish.delay = l.wish.life = 0;
	l.wish.now = w.scope.not_after - 3600;
	assert_int_equal(profile_fill(p, &w.scope, &l.wish, &room, &c, &f), OK);
	assert_int_equal(judge(&c, p, l.wish.now, &f), OK);
	c.not_after++;
	assert_int_equal(judge(&c, p, l.wish.now, &f), ERR_INVALID);

	l.wish.now = w.scope.not_before + 5;
	assert_int_equal(profile_fill(p, &w.scope, &l.wish, &room, &c, &f), OK);
	assert_int_equal(judge(&c, p, l.wish.now, &f), OK);
	c.not_before--;
	assert_int_equal(judge(&c, p, l.wish.now, &f), ERR_INVALID);
}

/* The backdating comes on top of a life only where there is one. */
static void test_a_delayed_one_is_not_backdated(void **state)
{
	AUTO(profile_room_wipe) struct profile_room room = { .text.max = 0 };
	const struct profile *p = world_profile(&w, "web");
	static struct luck l;
	struct fault f;
	struct cert c;

	(void)state;
	do
		luck_draw(&l);
	while (l.p != p);
	l.wish.delay = 3600;
	l.wish.life = p->max_life;
	assert_int_equal(profile_fill(p, &w.scope, &l.wish, &room, &c, &f), OK);
	assert_int_equal(judge(&c, p, WORLD_NOW, &f), OK);
	c.not_after++;
	assert_int_equal(judge(&c, p, WORLD_NOW, &f), ERR_INVALID);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_filled_passes_and_nothing_else),
		cmocka_unit_test(test_profiles_are_not_exchanged),
		cmocka_unit_test(test_a_narrower_copy_refuses),
		cmocka_unit_test(test_the_issuing_ca_lives_longer),
		cmocka_unit_test(test_a_delayed_one_is_not_backdated),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
