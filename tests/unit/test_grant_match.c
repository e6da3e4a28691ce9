/* lib/grant_match.c, lib/grant_fact.c: what a grant allows. */
#include "lib/clock.h"

#include "tests/unit/grant_text.h"

static const int64_t now = 1767322800; /* 2026-01-02T03:00:00Z */

/* What is allowed. A row: grant, subject, request, facts, verdict, why. */

struct row {
	const char *grant, *subject, *request, *facts;
	enum grant_verdict verdict;
	const char *why;
};

static enum cretula_reveal reveal_of(const struct attrs *rq)
{
	static const char *const names[] = { "signature", "bearer", "token",
					     "secret" };
	struct attr a;

	if (!attr_find(attrs_view(rq), "reveals", &a))
		return CRETULA_REVEAL_SIGNATURE;
	for (unsigned i = 0; i < NELEM(names); i++)
		if (attr_is(&a, names[i]))
			return (enum cretula_reveal)i;
	fail_msg("reveals?");
	return CRETULA_REVEAL_SECRET;
}

static char *word(const struct attrs *a, const char *name, const char *preset)
{
	struct attr one;
	char *s = NULL;

	if (!attr_find(attrs_view(a), name, &one))
		return xstrdup(preset);
	assert_int_equal(attr_str(&one, &s), OK);
	return s;
}

static void row_check(const struct row *r)
{
	AUTO(attrs_wipe) struct attrs rq = { 0 };
	AUTO(attrs_wipe) struct attrs facts = { 0 };
	AUTO(attrs_wipe) struct attrs who = { 0 };
	AUTO(subject_wipe) struct subject s = { .pid = 0 };
	AUTO(mem_free) char *credential = NULL;
	AUTO(mem_free) char *op = NULL;
	AUTO(mem_free) char *end = NULL;
	struct grant_request ask = { .proof = NULL };
	struct grant *g = NULL;
	struct fault f;
	enum grant_verdict got;

	if (grant_of(r->grant, &g, &f) != OK)
		fail_msg("'%s': %s", r->grant, f.text);
	g->id = 3;
	list(&rq, r->request);
	list(&facts, r->facts);
	list(&who, r->subject);
	assert_int_equal(subject_parse(attrs_view(&who), &s, &f), OK);
	ask.credential = credential = word(&rq, "credential", "c");
	ask.op = op = word(&rq, "op", "sign");
	end = word(&rq, "end", "");
	if (*end)
		assert_int_equal(clock_parse(end, strlen(end),
					     &ask.credential_not_after),
				 OK);
	ask.reveals = reveal_of(&rq);
	ask.facts = attrs_view(&facts);
	f.text[0] = 0;
	got = grant_match(g, &s, &ask, now, &f);
	if (got != r->verdict)
		fail_msg("'%s' for '%s' '%s' '%s': verdict %d (%s)", r->grant,
			 r->subject, r->request, r->facts, (int)got, f.text);
	if (got == GRANT_DENY && (!r->why || !strstr(f.text, r->why)))
		fail_msg("'%s' '%s': '%s'", r->grant, r->facts, f.text);
	if (got == GRANT_DENY)
		assert_memory_equal(f.text, "grant 3: ", 9);
	grant_free(g);
}

#define YES GRANT_ALLOW, NULL
#define NO  GRANT_DENY

static void rows_check(const struct row *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		row_check(&r[i]);
}

static void test_subject(void **state)
{
	static const struct row rows[] = {
		{ "credential=c uid=1", "uid=1", "", "", YES },
		{ "credential=c uid=1", "uid=2", "", "", NO, "uid 2 is not" },
		{ "credential=c uid=1,2", "uid=2", "", "", YES },
		{ "credential=c uid=1 uid=2", "uid=2", "", "", YES },
		{ "credential=c gid=5", "uid=1 gid=5", "", "", YES },
		{ "credential=c gid=5", "uid=1 gid=6 groups=4,5", "", "", YES },
		{ "credential=c gid=5", "uid=5 gid=6", "", "", NO, "groups" },
		{ "credential=c uid=1 gid=5", "uid=1 gid=6", "", "", NO,
		  "groups" },
		{ "credential=c uid=1 gid=5", "uid=2 gid=5", "", "", NO,
		  "uids" },
		{ "credential=c unit=a.service", "uid=1", "", "", NO,
		  "in no system unit" },
		{ "credential=c unit=a.service", "uid=1 unit=b.service", "", "",
		  NO, "unit 'b.service' is not within unit=a.service" },
		{ "credential=c unit=a.service", "uid=1 user_unit=a.service",
		  "", "", NO, "in no system unit" },
		{ "credential=c unit=a.service", "uid=1 unit=a.service", "", "",
		  GRANT_NEEDS_ALIVE, NULL },
		{ "credential=c uid=1 user_unit=a.service",
		  "uid=1 unit=a.service", "", "", NO, "user's manager" },
		{ "credential=c uid=1 user_unit=a.service",
		  "uid=1 user_unit=a.service", "", "", GRANT_NEEDS_ALIVE,
		  NULL },
		{ "credential=c uid=1 exe=/bin/a", "uid=1", "", "",
		  GRANT_NEEDS_EXE, NULL },
		{ "credential=c uid=1 exe=/bin/a", "uid=2", "", "", NO, "uid" },
		/* the content decides before door is asked */
		{ "credential=c uid=1 exe=/bin/a host=h", "uid=1", "", "host=x",
		  NO, "host" },
		{ "credential=c cert.o=web", "uid=1", "", "", NO,
		  "comes with a certificate" },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
}

/* Over HTTP on this machine: who connected is known, what he runs is not proved. */
static void test_subject_over_http(void **state)
{
	static const char who[] = "uid=1 gid=2 groups=3 via=gate "
				  "unit=a.service user_unit=b.service "
				  "exe=/bin/a";
	static const struct row rows[] = {
		{ "credential=c uid=1", who, "", "", YES },
		{ "credential=c gid=3", who, "", "", YES },
		{ "credential=c uid=1 gid=2", who, "", "", YES },
		{ "credential=c uid=2", who, "", "", NO, "uid 1 is not" },
		{ "credential=c gid=4", who, "", "", NO, "groups" },
		{ "credential=c unit=a.service", who, "", "", NO,
		  "it limits the unit, which nobody proves over HTTP" },
		{ "credential=c uid=1 user_unit=b.service", who, "", "", NO,
		  "it limits the user_unit" },
		{ "credential=c uid=1 exe=/bin/a", who, "", "", NO,
		  "it limits the exe" },
		{ "credential=c cert.o=web", who, "", "", NO,
		  "comes with a certificate" },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
}

#define ID_1 "01900000-0000-7000-8000-000000000001"
#define ID_2 "01900000-0000-7000-8000-000000000002"

static void test_subject_with_a_certificate(void **state)
{
	static const char who[] = "via=tls cert.o=web cert.ou=n1.example "
				  "cert.uid=" ID_1 " cert.cap=use:*@n1 "
				  "cert.cap=do:a@* serial=01ab";
	static const struct row rows[] = {
		{ "credential=c cert.o=web", who, "", "", YES },
		{ "credential=c cert.o=db,web", who, "", "", YES },
		{ "credential=c cert.o=db", who, "", "", NO,
		  "cert.o 'web' is not within cert.o=db" },
		{ "credential=c cert.ou=n1.example", who, "", "", YES },
		{ "credential=c cert.ou=n1", who, "", "", NO,
		  "cert.ou 'n1.example' is not within cert.ou=n1" },
		{ "credential=c cert.ou=n1.example cert.uid=" ID_1, who, "", "",
		  YES },
		{ "credential=c cert.ou=n1.example cert.uid=" ID_2, who, "", "",
		  NO, "cert.uid '" ID_1 "' is not within" },
		/* another node may call one of its agents the same */
		{ "credential=c cert.ou=n2.example cert.uid=" ID_1, who, "", "",
		  NO, "cert.ou" },
		{ "credential=c cert.ou=n1.example cert.o=db", who, "", "", NO,
		  "cert.o" },
		{ "credential=c cert.ou=n1.example cert.o=web", who, "", "",
		  YES },
		{ "credential=c cert.cap=use:x@n1", who, "", "", YES },
		{ "credential=c cert.cap=use:*@n1", who, "", "", YES },
		{ "credential=c cert.cap=do:a@anywhere", who, "", "", YES },
		{ "credential=c cert.cap=do:a@*", who, "", "", YES },
		{ "credential=c cert.cap=do:b@n1,do:a@n1", who, "", "", YES },
		{ "credential=c cert.cap=use:x@n2", who, "", "", NO,
		  "no capability for cert.cap=use:x@n2" },
		/* narrower capabilities do not cover wider ones */
		{ "credential=c cert.cap=use:x@*", who, "", "", NO, "no cap" },
		{ "credential=c cert.cap=do:*@n1", who, "", "", NO, "no cap" },
		{ "credential=c cert.cap=use:x@n1", "cert.o=web", "", "", NO,
		  "no capability" },
		{ "credential=c cert.o=web", "cert.ou=n1", "", "", NO,
		  "the certificate has no cert.o" },
		{ "credential=c cert.o=web", "cert.o=webx", "", "", NO, "o" },
		/* nothing local is his */
		{ "credential=c uid=0", who, "", "", NO, "on this machine" },
		{ "credential=c gid=0", who, "", "", NO, "on this machine" },
		{ "credential=c unit=a.service", who, "", "", NO,
		  "on this machine" },
		/* the rest of the grant limits him as anybody */
		{ "credential=c cert.o=web host=a", who, "", "host=b", NO,
		  "host" },
		{ "credential=c cert.o=web op=presign", who, "", "", NO,
		  "op 'sign'" },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
}

static void test_credential_operation_and_reveal(void **state)
{
	static const struct row rows[] = {
		{ "credential=c,d uid=1", "uid=1", "credential=d", "", YES },
		{ "credential=c uid=1", "uid=1", "credential=C", "", NO,
		  "credential 'C' is not within credential=c" },
		{ "credential=c uid=1", "uid=1", "credential=c1", "", NO,
		  "credential" },
		{ "credential=c uid=1 op=sign,presign", "uid=1", "op=presign",
		  "", YES },
		{ "credential=c uid=1 op=presign", "uid=1", "op=sign", "", NO,
		  "op 'sign' is not within op=presign" },
		{ "credential=c uid=1", "uid=1", "reveals=token", "", NO,
		  "reveal=token" },
		{ "credential=c uid=1 reveal=secret", "uid=1", "reveals=token",
		  "", NO, "reveal=token" },
		{ "credential=c uid=1 reveal=token", "uid=1", "reveals=token",
		  "", YES },
		{ "credential=c uid=1 reveal=token", "uid=1", "reveals=secret",
		  "", NO, "reveal=secret" },
		{ "credential=c uid=1 reveal=secret,token", "uid=1",
		  "reveals=secret", "", YES },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
}

static void test_unknown_facts_deny(void **state)
{
	static const char *const limits[] = {
		"method=GET", "host=*",   "path=**",  "query=a",
		"service=*",  "region=*", "action=*",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(limits); i++) {
		char text[64];
		struct row r = { text, "uid=1",
				 "",   "time=1767322800",
				 NO,   "which is not known of this request" };

		(void)snprintf(text, sizeof text, "credential=c uid=1 %s",
			       limits[i]);
		row_check(&r);
	}
}

static void test_facts(void **state)
{
	static const struct row rows[] = {
		{ "credential=c uid=1 host=*.a.com,b.com", "uid=1", "",
		  "host=x.a.com", YES },
		{ "credential=c uid=1 host=*.a.com,b.com", "uid=1", "",
		  "host=B.com", YES },
		{ "credential=c uid=1 host=*.a.com,b.com", "uid=1", "",
		  "host=c.com", NO,
		  "host 'c.com' is not within host=*.a.com,b.com" },
		/* each of several facts has to fit */
		{ "credential=c uid=1 host=*.a.com", "uid=1", "",
		  "host=x.a.com host=evil", NO, "'evil'" },
		{ "credential=c uid=1 method=GET,PUT", "uid=1", "",
		  "method=PUT", YES },
		{ "credential=c uid=1 method=GET", "uid=1", "", "method=get",
		  NO, "method" },
		{ "credential=c uid=1 service=s3 region=eu-* action=Get*",
		  "uid=1", "", "service=s3 region=eu-west-1 action=GetObject",
		  YES },
		{ "credential=c uid=1 service=s3", "uid=1", "", "service=sts",
		  NO, "service" },
		{ "credential=c uid=1 region=eu-*", "uid=1", "",
		  "region=us-east-1", NO, "region" },
		{ "credential=c uid=1 action=Get*", "uid=1", "",
		  "action=PutObject", NO, "action" },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
}

static void test_paths(void **state)
{
	static const char *const bad[] = {
		"/b/../x",   "/b/./x",     "/b/..",     "/b/.",
		"/b//x",     "//b/x",      "/b/%2e/x",  "/b/%2E%2e/x",
		"/b/a%2fx",  "/b/a%2Fx",   "/b/a\\\\x", "/b/a%5cx",
		"/b/%252e/", "/b/%25252F",
	};
	static const struct row rows[] = {
		{ "credential=c uid=1 path=/b/*", "uid=1", "", "path=/b/k",
		  YES },
		{ "credential=c uid=1 path=/b/*", "uid=1", "", "path=/b/k/l",
		  NO, "path '/b/k/l' is not within path=/b/*" },
		{ "credential=c uid=1 path=/b/**", "uid=1", "",
		  "path=/b/k/l.m/..n/%20%2B/", YES },
		{ "credential=c uid=1", "uid=1", "", "path=/../x", YES },
		{ "credential=c uid=1 path=/**", "uid=1", "",
		  "path=/b//../x normalises=no", YES },
		{ "credential=c uid=1 path=/**", "uid=1", "",
		  "path=/b//../x normalises=yes", NO, "read as another" },
		{ "credential=c uid=1 path=/**", "uid=1", "",
		  "path=/b//x normalises=no normalises=yes", NO,
		  "read as another" },
		{ "credential=c uid=1 path=/**", "uid=1", "",
		  "path=/b//x normalises=", NO, "read as another" },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
	for (size_t i = 0; i < NELEM(bad); i++) {
		char facts[64];
		struct row r = {
			"credential=c uid=1 path=**", "uid=1", "", facts, NO,
			"could be read as another"
		};

		(void)snprintf(facts, sizeof facts, "path=\"%s\"", bad[i]);
		row_check(&r);
	}
}

static void test_queries(void **state)
{
	static const char g[] =
		"credential=c uid=1 query=list-type,prefix=home/*,e=";
	static const struct row rows[] = {
		{ g, "uid=1", "", "query=", YES },
		{ g, "uid=1", "", "query=list-type=2", YES },
		{ g, "uid=1", "", "query=list-type", YES },
		{ g, "uid=1", "", "query=list-type=2&prefix=home%2Fx", YES },
		{ g, "uid=1", "", "query=prefix=home%2fx query=e=", YES },
		{ g, "uid=1", "", "query=e", YES },
		{ g, "uid=1", "", "query=e=1", NO, "query" },
		{ g, "uid=1", "", "query=prefix=etc", NO, "query" },
		{ g, "uid=1", "", "query=prefix", NO, "query" },
		{ g, "uid=1", "", "query=list-type&acl", NO, "query" },
		{ g, "uid=1", "", "query=%61cl", NO, "query" },
		{ g, "uid=1", "", "query=%6cist-type", YES },
		{ g, "uid=1", "", "query=list-type%26acl", NO, "query" },
		{ g, "uid=1", "", "query=list-type=%zz", NO, "query" },
		{ g, "uid=1", "", "query=list-type=%2", NO, "query" },
		{ g, "uid=1", "", "query=list-type&", NO, "query" },
		{ g, "uid=1", "", "query=&list-type", NO, "query" },
		{ g, "uid=1", "", "query=list-type&&e", NO, "query" },
		{ "credential=c uid=1", "uid=1", "", "query=acl", YES },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
}

static void test_time(void **state)
{
	static const char skew[] = "credential=c uid=1 max_skew=300s";
	static const struct row rows[] = {
		{ skew, "uid=1", "", "", YES },
		{ skew, "uid=1", "", "time=1767322800", YES },
		{ skew, "uid=1", "", "time=1767323100", YES },
		{ skew, "uid=1", "", "time=1767322500", YES },
		{ skew, "uid=1", "", "time=1767323101", NO, "301 s after now" },
		{ skew, "uid=1", "", "time=1767322499", NO, "301 s before" },
		{ skew, "uid=1", "", "time=20260102T030500Z", YES },
		{ skew, "uid=1", "", "time=20260102T030501Z", NO, "301 s" },
		{ skew, "uid=1", "", "time=2026-01-02T03:05:01Z", NO, "301" },
		{ skew, "uid=1", "", "time=soon", NO, "cannot be read" },
		{ skew, "uid=1", "", "time=", NO, "cannot be read" },
		{ skew, "uid=1", "", "time=1767322800 time=0", NO, "before" },
		{ "credential=c uid=1 max_skew=any", "uid=1", "",
		  "time=20150830T123600Z", YES },
		{ "credential=c uid=1 max_skew=any", "uid=1", "", "time=x", NO,
		  "cannot be read" },
		{ "credential=c uid=1", "uid=1", "", "time=1767323701", NO,
		  "over its max_skew of 900 s" },
		{ "credential=c uid=1 not_before=2026-01-02T03:00:00Z", "uid=1",
		  "", "", YES },
		{ "credential=c uid=1 not_before=2026-01-02T03:00:01Z", "uid=1",
		  "", "", NO, "only from 2026-01-02T03:00:01Z" },
		{ "credential=c uid=1 not_after=2026-01-02T03:00:01Z", "uid=1",
		  "", "", YES },
		{ "credential=c uid=1 not_after=2026-01-02T03:00:00Z", "uid=1",
		  "", "", NO, "ended at 2026-01-02T03:00:00Z" },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
}

static void test_lifetime(void **state)
{
	static const char any[] = "credential=c uid=1 lifetime=any";
	static const char ends[] =
		"credential=c uid=1 lifetime=any max_skew=any "
		"not_after=2026-01-02T04:00:00Z";
	static const struct row rows[] = {
		{ "credential=c uid=1", "uid=1", "reveals=bearer",
		  "lifetime=900", YES },
		{ "credential=c uid=1", "uid=1", "reveals=bearer",
		  "lifetime=901", NO, "901 s, over its lifetime of 900 s" },
		{ "credential=c uid=1", "uid=1", "", "lifetime=901", NO,
		  "over its lifetime" },
		{ "credential=c uid=1", "uid=1", "reveals=bearer", "", NO,
		  "lives is not known" },
		{ "credential=c uid=1", "uid=1", "", "", YES },
		{ any, "uid=1", "reveals=bearer", "", YES },
		{ any, "uid=1", "reveals=bearer", "lifetime=604800", YES },
		{ any, "uid=1", "reveals=bearer", "lifetime=x", NO,
		  "cannot be read" },
		{ any, "uid=1", "reveals=bearer", "lifetime=99999999999999999",
		  NO, "cannot be read" },
		{ any, "uid=1", "reveals=bearer end=2030-01-01T00:00:00Z", "",
		  NO, "lives is not known" },
		{ any, "uid=1", "reveals=bearer end=2026-01-02T04:00:00Z",
		  "lifetime=3600", YES },
		{ any, "uid=1", "reveals=bearer end=2026-01-02T04:00:00Z",
		  "lifetime=3601", NO, "beyond not_after" },
		{ ends, "uid=1", "reveals=bearer", "lifetime=3600", YES },
		{ ends, "uid=1", "reveals=bearer", "lifetime=3601", NO,
		  "beyond not_after, 2026-01-02T04:00:00Z" },
		{ ends, "uid=1", "reveals=bearer", "", NO, "not known" },
		{ ends, "uid=1", "reveals=bearer",
		  "lifetime=3600 time=1767322801", NO, "beyond not_after" },
		{ ends, "uid=1", "reveals=bearer",
		  "lifetime=3601 time=1767322799", YES },
		{ ends, "uid=1", "reveals=bearer",
		  "lifetime=1 time=9999-12-31T23:59:59Z", NO, "beyond" },
		{ ends, "uid=1", "", "", YES },
	};

	(void)state;
	rows_check(rows, NELEM(rows));
}

static void test_proof_decides_last(void **state)
{
	AUTO(proof_wipe) struct proof p = { .count = 0 };
	AUTO(subject_wipe) struct subject s = { .uid = 1 };
	struct grant_request ask = { .credential = "c",
				     .op = "sign",
				     .proof = &p };
	struct grant *g = NULL;
	struct fault f;
	struct piece exe;

	(void)state;
	assert_int_equal(
		grant_of("credential=c uid=1 exe=/bin/a,/bin/b", &g, &f), OK);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_NEEDS_EXE);
	exe = grant_exe_wanted(g, &p);
	assert_memory_equal(exe.p, "/bin/a", exe.len);
	proof_set(&p, exe.p, exe.len, true, false);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_NEEDS_EXE);
	exe = grant_exe_wanted(g, &p);
	assert_memory_equal(exe.p, "/bin/b", exe.len);
	proof_set(&p, exe.p, exe.len, true, true);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_ALLOW);
	assert_int_equal(grant_admits(g, &s, &ask, now, &f), GRANT_ALLOW);
	proof_set(&p, NULL, 0, false, false);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_DENY);
	grant_free(g);
}

static void test_unit_needs_a_living_process(void **state)
{
	AUTO(proof_wipe) struct proof p = { .count = 0 };
	char unit[] = "a.service";
	struct subject s = { .uid = 1, .unit = unit };
	struct grant_request ask = { .credential = "c",
				     .op = "sign",
				     .proof = &p };
	struct grant *g = NULL;
	struct fault f;

	(void)state;
	assert_int_equal(grant_of("credential=c unit=a.service", &g, &f), OK);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_NEEDS_ALIVE);
	proof_set(&p, NULL, 0, true, false);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_ALLOW);
	proof_set(&p, NULL, 0, false, false);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_DENY);
	assert_non_null(strstr(f.text, "has ended"));
	grant_free(g);
}

static void test_admission_looks_at_no_content(void **state)
{
	struct subject s = { .uid = 1 };
	struct grant_request ask = { .credential = "c", .op = "sign" };
	struct grant *g = NULL;
	struct fault f;

	(void)state;
	assert_int_equal(grant_of("credential=c uid=1 host=a op=sign", &g, &f),
			 OK);
	assert_int_equal(grant_admits(g, &s, &ask, now, &f), GRANT_ALLOW);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_DENY);
	ask.op = "presign";
	assert_int_equal(grant_admits(g, &s, &ask, now, &f), GRANT_DENY);
	grant_free(g);
}

static void test_facts_too_long_to_judge_deny(void **state)
{
	AUTO(attrs_wipe) struct attrs facts = { 0 };
	AUTO(mem_free) char *path = xcalloc(1, 20000);
	struct subject s = { .uid = 1 };
	struct grant_request ask = { .credential = "c", .op = "sign" };
	struct grant *g = NULL;
	struct fault f;

	(void)state;
	memset(path, 'a', 19999);
	path[0] = '/';
	attrs_init(&facts);
	assert_int_equal(attrs_add_str(&facts, "path", path), OK);
	ask.facts = attrs_view(&facts);
	assert_int_equal(grant_of("credential=c uid=1 path=**", &g, &f), OK);
	assert_int_equal(grant_match(g, &s, &ask, now, &f), GRANT_DENY);
	assert_non_null(strstr(f.text, "too long"));
	grant_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_subject_over_http),
		cmocka_unit_test(test_subject_with_a_certificate),
		cmocka_unit_test(test_credential_operation_and_reveal),
		cmocka_unit_test(test_unknown_facts_deny),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_proof_decides_last),
		cmocka_unit_test(test_unit_needs_a_living_process),
		cmocka_unit_test(test_admission_looks_at_no_content),
		cmocka_unit_test(test_facts_too_long_to_judge_deny),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
