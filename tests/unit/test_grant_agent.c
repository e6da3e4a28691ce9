/* lib/grant.c, lib/grant_match.c, lib/grant_set.c: who may start agents. */
#include "lib/grant_set.h"

#include "tests/unit/grant_text.h"

static const int64_t now = 1767322800; /* 2026-01-02T03:00:00Z */

/* Parsing. */

static struct grant *grant_made(const char *text, uint64_t id)
{
	struct grant *g = NULL;
	struct fault f;

	if (grant_of(text, &g, &f) != OK)
		fail_msg("'%s': %s", text, f.text);
	g->id = id;
	return g;
}

static void test_a_whole_grant(void **state)
{
	struct grant *g = grant_made(
		"agent=web,db agent=cache uid=1000 gid=5 exe=/usr/bin/ci "
		"unit=a.service user_unit=b.service "
		"not_before=2026-01-01T00:00:00Z "
		"not_after=2027-01-01T00:00:00Z",
		0);

	(void)state;
	assert_true(grant_is_agent(g));
	assert_int_equal(g->set[GRANT_AGENT].count, 3);
	assert_int_equal(g->set[GRANT_CREDENTIAL].count, 0);
	assert_int_equal(g->set[GRANT_EXE].count, 1);
	assert_int_equal(g->uids.item[0], 1000);
	assert_int_equal(g->not_before, 1767225600);
	grant_free(g);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "agent=web", "a grant needs a subject" },
		{ "agent=web exe=/bin/a", "only narrows a uid or a unit" },
		{ "agent=web user_unit=a.service", "only narrows" },
		{ "agent= uid=1", "an empty value" },
		{ "agent=a, uid=1", "an empty value" },
		{ "agent=Web uid=1", "a type begins with a letter" },
		{ "agent=we* uid=1", "a type begins with a letter" },
		{ "agent=** uid=1", "a type begins with a letter" },
		{ "agent=1a uid=1", "a type begins with a letter" },
		{ "agent=ca-node uid=1", "are the CA's own" },
		{ "agent=*,web uid=1", "name no other beside it" },
		{ "agent=web,* uid=1", "name no other beside it" },
		{ "agent=* agent=* uid=1", "name no other beside it" },
		{ "agent=web credential=c uid=1", "make two of" },
		{ "agent=web cert.o=ci", "cert.*= is for credentials" },
		{ "agent=web uid=1 op=sign", "op= limits requests" },
		{ "agent=web uid=1 method=GET", "method= limits requests" },
		{ "agent=web uid=1 host=a", "host= limits requests" },
		{ "agent=web uid=1 path=/", "path= limits requests" },
		{ "agent=web uid=1 query=a", "query= limits requests" },
		{ "agent=web uid=1 service=s", "service= limits requests" },
		{ "agent=web uid=1 region=r", "region= limits requests" },
		{ "agent=web uid=1 action=a", "action= limits requests" },
		{ "agent=web uid=1 max_skew=1s", "max_skew= limits requests" },
		{ "agent=web uid=1 lifetime=1h", "lifetime= limits requests" },
		{ "agent=web uid=1 reveal=token", "reveal= limits requests" },
		{ "agent=web uid=1 not_after=1", "a time such as" },
		{ "agent=web uid=1 colour=red", "no limit 'colour'" },
		{ "!agent=web uid=1", "nothing confidential" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct grant *g = NULL;
		struct fault f;

		if (grant_of(bad[i].text, &g, &f) == OK)
			fail_msg("'%s' was taken", bad[i].text);
		if (!strstr(f.text, bad[i].why))
			fail_msg("'%s' gives '%s'", bad[i].text, f.text);
		assert_null(g);
	}
}

static void test_pairs_are_bounded(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct grant *g = NULL;
	struct fault f;

	(void)state;
	buf_init(&b, 1 << 16);
	assert_int_equal(buf_str(&b, "uid=1,2,3,4,5 agent=a"), OK);
	for (int i = 0; i < 205; i++)
		assert_int_equal(buf_fmt(&b, ",a%d", i), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_int_equal(grant_of((char *)b.p, &g, &f), ERR_TOO_LARGE);
	assert_non_null(strstr(f.text, "pairs at most 1024 types"));
}

static void test_each_daemon_keeps_its_kind(void **state)
{
	struct grant *agent = grant_made("agent=web uid=1", 1);
	struct grant *cred = grant_made("credential=c uid=1", 2);
	struct fault f;

	(void)state;
	assert_false(grant_is_agent(cred));
	assert_int_equal(grant_kept_check(agent, true, &f), OK);
	assert_int_equal(grant_kept_check(cred, false, &f), OK);
	assert_int_equal(grant_kept_check(agent, false, &f), ERR_INVALID);
	assert_non_null(strstr(f.text, "kept by certmgr"));
	assert_int_equal(grant_kept_check(cred, true, &f), ERR_INVALID);
	assert_non_null(strstr(f.text, "kept by credd"));
	grant_free(agent);
	grant_free(cred);
}

/* Deciding. A row: grant, subject, type, verdict, why. */

struct row {
	const char *grant, *subject, *type;
	enum grant_verdict verdict;
	const char *why;
};

static void row_check(const struct row *r)
{
	AUTO(attrs_wipe) struct attrs who = { 0 };
	AUTO(subject_wipe) struct subject s = { .pid = 0 };
	struct grant_request rq = { .agent = r->type };
	struct grant *g = grant_made(r->grant, 3);
	struct fault f = { .code = OK };
	enum grant_verdict got;

	list(&who, r->subject);
	assert_int_equal(subject_parse(attrs_view(&who), &s, &f), OK);
	got = grant_match(g, &s, &rq, now, &f);
	if (got != r->verdict)
		fail_msg("'%s' for '%s' '%s': verdict %d (%s)", r->grant,
			 r->subject, r->type, (int)got, f.text);
	if (got == GRANT_DENY && (!r->why || !strstr(f.text, r->why)))
		fail_msg("'%s' '%s': '%s'", r->grant, r->subject, f.text);
	assert_int_equal(grant_admits(g, &s, &rq, now, NULL), got);
	grant_free(g);
}

static void test_who_may_start_what(void **state)
{
	static const struct row rows[] = {
		{ "agent=web uid=1", "uid=1", "web", GRANT_ALLOW, NULL },
		{ "agent=db,web uid=1", "uid=1", "web", GRANT_ALLOW, NULL },
		{ "agent=* uid=1", "uid=1", "web", GRANT_ALLOW, NULL },
		{ "agent=web uid=1", "uid=1", "we", GRANT_DENY,
		  "agent 'we' is not within agent=web" },
		{ "agent=web uid=1", "uid=1", "*", GRANT_DENY,
		  "is not within agent=web" },
		{ "agent=web uid=1", "uid=2", "web", GRANT_DENY,
		  "uid 2 is not among" },
		{ "agent=* gid=5", "uid=1 groups=4,5", "web", GRANT_ALLOW,
		  NULL },
		{ "agent=* gid=5", "uid=1 gid=6", "web", GRANT_DENY, "groups" },
		{ "agent=web unit=a.service", "uid=1 unit=a.service", "web",
		  GRANT_NEEDS_ALIVE, NULL },
		{ "agent=web unit=a.service", "uid=1", "web", GRANT_DENY,
		  "no system unit" },
		{ "agent=web uid=1 exe=/bin/a", "uid=1", "web", GRANT_NEEDS_EXE,
		  NULL },
		{ "agent=web uid=1 not_after=2026-01-02T03:00:00Z", "uid=1",
		  "web", GRANT_DENY, "it ended at" },
		{ "agent=web uid=1 not_before=2026-01-02T03:00:01Z", "uid=1",
		  "web", GRANT_DENY, "holds only from" },
		{ "credential=web uid=1", "uid=1", "web", GRANT_DENY,
		  "for credentials, not for agents" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++)
		row_check(&rows[i]);
}

static void test_proof_is_asked_for(void **state)
{
	AUTO(proof_wipe) struct proof yes = { .count = 0 };
	AUTO(proof_wipe) struct proof no = { .count = 0 };
	struct subject s = { .uid = 1 };
	struct grant_request rq = { .agent = "web", .proof = &yes };
	struct grant *g = grant_made("agent=* uid=1 exe=/bin/a", 1);

	(void)state;
	assert_int_equal(grant_exe_wanted(g, &yes).len, 6);
	proof_set(&yes, "/bin/a", 6, true, true);
	assert_int_equal(grant_admits(g, &s, &rq, now, NULL), GRANT_ALLOW);
	proof_set(&no, "/bin/a", 6, true, false);
	rq.proof = &no;
	assert_int_equal(grant_admits(g, &s, &rq, now, NULL), GRANT_DENY);
	grant_free(g);
}

/* Many grants. */

static void put(struct grant_set *set, uint64_t id, const char *text)
{
	assert_int_equal(grant_set_add(set, grant_made(text, id)), OK);
}

static uint64_t admitted(const struct grant_set *set, uint32_t uid,
			 const char *type)
{
	struct subject s = { .uid = uid };
	struct grant_request rq = { .agent = type };
	struct grant_decision d;

	grants_admit(set, &s, &rq, now, &d);
	return d.verdict == GRANT_ALLOW ? d.grant->id : 0;
}

static void test_type_and_all_types_are_found(void **state)
{
	struct grant_set *set = grant_set_new();

	(void)state;
	put(set, 2, "credential=web uid=1");
	assert_int_equal(admitted(set, 1, "web"), 0);
	put(set, 5, "agent=* uid=1");
	put(set, 7, "agent=web,db uid=1,2");
	assert_int_equal(admitted(set, 1, "web"), 5); /* the oldest */
	assert_int_equal(admitted(set, 2, "web"), 7);
	assert_int_equal(admitted(set, 1, "mail"), 5);
	assert_int_equal(admitted(set, 2, "mail"), 0);
	assert_int_equal(grant_set_drop(set, 5), OK);
	assert_int_equal(admitted(set, 1, "web"), 7);
	assert_int_equal(admitted(set, 1, "mail"), 0);
	grant_set_free(set);
}

static void test_a_type_is_no_credential(void **state)
{
	struct grant_set *set = grant_set_new();
	struct subject s = { .uid = 1 };
	struct grant_request rq = { .credential = "web", .op = "sign" };
	struct grant_decision d;

	(void)state;
	put(set, 1, "agent=web uid=1");
	put(set, 2, "agent=* uid=1");
	grants_decide(set, &s, &rq, now, &d);
	assert_int_equal(d.verdict, GRANT_DENY);
	rq.credential = "*";
	grants_decide(set, &s, &rq, now, &d);
	assert_int_equal(d.verdict, GRANT_DENY);
	grant_set_free(set);
}

static void test_what_a_denial_says(void **state)
{
	struct grant_set *set = grant_set_new();
	struct subject s = { .uid = 7 };
	struct grant_request rq = { .agent = "web" };
	struct grant_decision d;
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	put(set, 1, "agent=web uid=1");
	put(set, 2, "credential=web uid=7");
	put(set, 3, "agent=* uid=2");
	grants_decide(set, &s, &rq, now, &d);
	assert_int_equal(d.why.code, ERR_DENIED);
	assert_string_equal(d.why.text,
			    "no grant lets uid 7 start agents of type 'web': "
			    "cretula grant add agent=web uid=7");
	buf_init(&b, 1 << 16);
	assert_int_equal(grants_explain(set, &s, &rq, now, &b), OK);
	rq.agent = "db";
	assert_int_equal(grant_set_drop(set, 3), OK);
	assert_int_equal(grants_explain(set, &s, &rq, now, &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p,
			    "grant 1: uid 7 is not among its uids\n"
			    "grant 3: uid 7 is not among its uids\n"
			    "no grant names type 'db'\n");
	grant_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_whole_grant),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_pairs_are_bounded),
		cmocka_unit_test(test_each_daemon_keeps_its_kind),
		cmocka_unit_test(test_who_may_start_what),
		cmocka_unit_test(test_proof_is_asked_for),
		cmocka_unit_test(test_type_and_all_types_are_found),
		cmocka_unit_test(test_a_type_is_no_credential),
		cmocka_unit_test(test_what_a_denial_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
