/* Random grants, requests, and the truth about who asks, for tests of what must
 * hold of every decision (UNIT_SEED repeats a run). A small world, so that grants
 * and requests often meet. */
#ifndef TESTS_GRANT_WORLD_H
#define TESTS_GRANT_WORLD_H

#include "lib/grant_set.h"

#include "tests/unit/unit.h"

static const int64_t now = 1767322800; /* 2026-01-02T03:00:00Z */

static uint64_t rnd;

static inline bool chance(size_t percent)
{
	return unit_below(&rnd, 100) < percent;
}

#define PICK(array) ((array)[unit_below(&rnd, NELEM(array))])

static const char *const creds[] = { "a", "b" };
static const char *const types[] = { "t", "u" };
static const char *const ops[] = { "sign", "presign", "token" };
static const char *const ids[] = { "1", "2", "3", "4" };
static const char *const units[] = { "u.service", "v.service" };
static const char *const exes[] = { "/bin/x", "/bin/y", "/bin/z" };
static const char *const hosts[] = { "*", "*.a", "h.a", "h.b" };
static const char *const paths[] = { "/**", "/p/*", "/p/q", "/r" };
static const char *const queries[] = { "k", "k=1", "k=*", "l=1*" };
static const char *const words[] = { "s3", "sts", "s*" };
static const char *const periods[] = { "0s", "10s", "900s", "any" };
static const char *const times[] = { "2026-01-02T02:00:00Z",
				     "2026-01-02T03:10:00Z",
				     "2027-01-01T00:00:00Z" };
static const char *const cert_os[] = { "web", "db" };
static const char *const cert_ous[] = { "n1", "n2.a" };
static const char *const cert_uids[] = {
	"01900000-0000-7000-8000-000000000001",
	"01900000-0000-7000-8000-000000000002",
};
static const char *const cert_caps[] = { "use:a@n1",   "use:*@n1", "use:a@*",
					 "use:b@n2.a", "do:a@n1",  "use:*@*" };
static const char *const reveals[] = { "token", "secret", "token,secret" };

static inline void put_set(struct attrs *a, const char *name,
			   const char *const *from, size_t n)
{
	struct buf b;
	size_t k = 1 + unit_below(&rnd, 3);

	buf_init(&b, 1024);
	for (size_t i = 0; i < k; i++)
		assert_int_equal(buf_fmt(&b, "%s%s", i ? "," : "",
					 from[unit_below(&rnd, n)]),
				 OK);
	assert_int_equal(attrs_add(a, name, 0, b.p, b.len), OK);
	buf_wipe(&b);
}

struct maybe {
	const char *name;
	const char *const *from;
	size_t n;
	size_t percent;
	bool both; /* also in grants for agents */
	enum {
		ANYBODY,
		HERE,
		AWAY
	} who; /* whose grants have it */
};

/* Limits that are sets, with how often a random grant has them. */
static const struct maybe sets[] = {
	{ "op", ops, NELEM(ops), 40, false, ANYBODY },
	{ "gid", ids, NELEM(ids), 20, true, HERE },
	{ "unit", units, NELEM(units), 15, true, HERE },
	{ "user_unit", units, NELEM(units), 10, true, HERE },
	{ "exe", exes, NELEM(exes), 20, true, HERE },
	{ "cert.o", cert_os, NELEM(cert_os), 40, false, AWAY },
	{ "cert.ou", cert_ous, NELEM(cert_ous), 40, false, AWAY },
	{ "cert.uid", cert_uids, NELEM(cert_uids), 20, false, AWAY },
	{ "cert.cap", cert_caps, NELEM(cert_caps), 30, false, AWAY },
	{ "host", hosts, NELEM(hosts), 30, false, ANYBODY },
	{ "path", paths, NELEM(paths), 20, false, ANYBODY },
	{ "query", queries, NELEM(queries), 20, false, ANYBODY },
	{ "service", words, NELEM(words), 20, false, ANYBODY },
};

static const struct maybe singles[] = {
	{ "max_skew", periods, NELEM(periods), 30, false, ANYBODY },
	{ "lifetime", periods, NELEM(periods), 30, false, ANYBODY },
	{ "not_before", times, NELEM(times), 10, true, ANYBODY },
	{ "not_after", times, NELEM(times), 20, true, ANYBODY },
	{ "reveal", reveals, NELEM(reveals), 30, false, ANYBODY },
};

static inline void put_object(struct attrs *a, bool agent)
{
	if (!agent)
		put_set(a, "credential", creds, NELEM(creds));
	else if (chance(30))
		assert_int_equal(attrs_add_str(a, "agent", "*"), OK);
	else
		put_set(a, "agent", types, NELEM(types));
}

/* A list that grant_parse takes. */
static inline void random_grant(struct attrs *a)
{
	struct grant *g = NULL;
	bool agent, away;

	do {
		attrs_clear(a);
		agent = chance(20);
		away = !agent && chance(25);
		put_object(a, agent);
		if (!away && chance(70))
			put_set(a, "uid", ids, NELEM(ids));
		for (size_t i = 0; i < NELEM(sets); i++)
			if ((sets[i].both || !agent) &&
			    sets[i].who != (away ? HERE : AWAY) &&
			    chance(sets[i].percent))
				put_set(a, sets[i].name, sets[i].from,
					sets[i].n);
		for (size_t i = 0; i < NELEM(singles); i++)
			if ((singles[i].both || !agent) &&
			    chance(singles[i].percent))
				assert_int_equal(
					attrs_add_str(
						a, singles[i].name,
						singles[i].from[unit_below(
							&rnd, singles[i].n)]),
					OK);
	} while (grant_parse(attrs_view(a), &g, NULL) != OK);
	grant_free(g);
}

static inline struct grant *make(const struct attrs *a, uint64_t id)
{
	struct grant *g = NULL;
	struct fault f;

	if (grant_parse(attrs_view(a), &g, &f) != OK)
		fail_msg("%s", f.text);
	g->id = id;
	return g;
}

/* A random request, and the truth about the process that makes it. */
struct world {
	struct subject s;
	uint32_t gids[2];
	char unit[16], user_unit[16];
	char o[8], ou[8], uid[40], cap[2][16];
	struct attrs facts;
	struct grant_request rq;
	bool alive;
	bool exe[NELEM(exes)];
	struct proof proof;
};

static inline void fact(struct world *w, const char *name, const char *value,
			size_t percent)
{
	if (chance(percent))
		assert_int_equal(attrs_add_str(&w->facts, name, value), OK);
}

static inline void random_facts(struct world *w)
{
	static const char *const host[] = { "h.a", "x.a", "h.b", "c" };
	static const char *const path[] = { "/p/q", "/p/w", "/r", "/p//q" };
	static const char *const query[] = { "", "k=1", "k=2&l=12", "z" };
	static const char *const time[] = { "1767322800", "1767322805",
					    "1767323000", "0" };
	static const char *const life[] = { "5", "900", "86400" };

	attrs_init(&w->facts);
	fact(w, "host", PICK(host), 90);
	fact(w, "path", PICK(path), 90);
	fact(w, "query", PICK(query), 90);
	fact(w, "service", PICK(words), 90);
	fact(w, "time", PICK(time), 60);
	fact(w, "lifetime", PICK(life), 40);
	fact(w, "normalises", "no", 20);
	w->rq.facts = attrs_view(&w->facts);
}

/* He came with a certificate. */
static inline void random_cert(struct world *w)
{
	struct subject_cert *c = &w->s.cert;

	w->s = (struct subject){ .uid = SUBJECT_NO_ID,
				 .gid = SUBJECT_NO_ID,
				 .via = VIA_TLS };
	(void)snprintf(w->o, sizeof w->o, "%s", PICK(cert_os));
	(void)snprintf(w->ou, sizeof w->ou, "%s", PICK(cert_ous));
	(void)snprintf(w->uid, sizeof w->uid, "%s", PICK(cert_uids));
	c->o = chance(95) ? w->o : NULL;
	c->ou = chance(95) ? w->ou : NULL;
	c->uid = chance(95) ? w->uid : NULL;
	c->caps = (unsigned)unit_below(&rnd, 3);
	for (unsigned i = 0; i < c->caps; i++) {
		(void)snprintf(w->cap[i], sizeof w->cap[i], "%s",
			       PICK(cert_caps));
		c->cap[i] = w->cap[i];
	}
}

static inline void random_local(struct world *w)
{
	w->s.uid = 1 + (uint32_t)unit_below(&rnd, 4);
	w->gids[0] = 1 + (uint32_t)unit_below(&rnd, 2);
	w->gids[1] = 3 + (uint32_t)unit_below(&rnd, 2);
	w->s.gids = w->gids;
	w->s.gid_count = (unsigned)unit_below(&rnd, 3);
	(void)snprintf(w->unit, sizeof w->unit, "%s", PICK(units));
	(void)snprintf(w->user_unit, sizeof w->user_unit, "%s", PICK(units));
	w->s.unit = chance(50) ? w->unit : NULL;
	w->s.user_unit = chance(50) ? w->user_unit : NULL;
	w->s.via = chance(10) ? VIA_GATE : VIA_SOCKET;
}

static inline void random_world(struct world *w)
{
	*w = (struct world){ .alive = chance(90) };
	if (chance(25))
		random_cert(w);
	else
		random_local(w);
	for (size_t i = 0; i < NELEM(exes); i++)
		w->exe[i] = chance(40);
	w->rq.credential = PICK(creds);
	w->rq.agent = chance(20) ? PICK(types) : NULL;
	w->rq.op = PICK(ops);
	w->rq.reveals = (enum cretula_reveal)unit_below(&rnd, 4);
	w->rq.credential_not_after = chance(20) ? now + 500 : 0;
	w->rq.proof = &w->proof;
	random_facts(w);
}

static inline void world_wipe(struct world *w)
{
	attrs_wipe(&w->facts);
	proof_wipe(&w->proof);
}

/* What door would say. */
static inline void answer(struct world *w, struct piece exe)
{
	bool is = false;

	for (size_t i = 0; i < NELEM(exes); i++)
		if (strlen(exes[i]) == exe.len &&
		    !memcmp(exes[i], exe.p, exe.len))
			is = w->exe[i];
	proof_set(&w->proof, exe.len ? exe.p : NULL, exe.len, w->alive, is);
}

static inline uint64_t allowed_by(const struct grant_set *set, struct world *w)
{
	struct grant_decision d;

	proof_wipe(&w->proof);
	for (unsigned i = 0; i < 16; i++) {
		grants_decide(set, &w->s, &w->rq, now, &d);
		if (d.verdict == GRANT_ALLOW)
			return d.grant->id;
		if (d.verdict == GRANT_DENY)
			return 0;
		answer(w, d.exe);
	}
	fail_msg("the questions do not end");
	return 0;
}

static inline bool grant_allows(const struct attrs *a, struct world *w)
{
	struct grant_set *set = grant_set_new();
	bool is;

	assert_int_equal(grant_set_add(set, make(a, 1)), OK);
	is = allowed_by(set, w) != 0;
	grant_set_free(set);
	return is;
}

#endif
