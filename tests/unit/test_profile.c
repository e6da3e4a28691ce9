/* lib/profile, lib/profile_set: what a file of profiles may say, what it then means,
 * and that it is written as it is read. */
#include "tests/unit/profile_world.h"

static struct profile good(const char *line)
{
	struct profile p = { .n_dns = 0 };
	struct fault f = { .code = OK };

	if (profile_line(line, &p, &f) != OK)
		fail_msg("'%s': %s", line, f.text);
	return p;
}

static void test_reads_every_attribute(void **state)
{
	AUTO(profile_wipe)
	struct profile p = good(
		"profile=web kind=agent life=12h max_life=2d usage=client "
		"keys=p256,ed25519 dns={node} dns=*.{node},{agent}.x.{node} "
		"wildcard=yes capability=sign:prod@{node} may_delegate=yes");

	(void)state;
	assert_string_equal(p.name, "web");
	assert_int_equal(p.kind, PROFILE_AGENT);
	assert_int_equal(p.life, 43200);
	assert_int_equal(p.max_life, 2 * 86400);
	assert_int_equal(p.usage, EKU_CLIENT);
	assert_int_equal(p.keys, 1 << KEY_P256 | 1 << KEY_ED25519);
	assert_int_equal(p.n_dns, 3);
	assert_string_equal(p.dns[2], "{agent}.x.{node}");
	assert_true(p.wildcard && p.may_delegate);
	assert_int_equal(p.n_caps, 1);
	assert_string_equal(p.cap[0], "sign:prod@{node}");
}

static void test_presets(void **state)
{
	AUTO(profile_wipe) struct profile p = good("profile=a");
	AUTO(profile_wipe) struct profile q = good("profile=b max_life=1h");

	(void)state;
	assert_int_equal(p.life, 86400);
	assert_int_equal(p.max_life, 86400);
	assert_int_equal(p.usage, EKU_SERVER | EKU_CLIENT);
	assert_int_equal(p.keys, (1 << KEY__MAX) - 1);
	assert_false(p.wildcard || p.may_delegate || p.n_dns || p.n_caps);
	assert_int_equal(q.life, 3600);
}

static const char *const bad[] = {
	"life=24h",
	"profile=",
	"profile=Web",
	"profile=1web",
	"profile=w.eb",
	"profile=ca-tls",
	"profile=ca-other",
	"profile=a profile=a",
	"profile=a life=24h life=24h",
	"profile=a life=24",
	"profile=a life=0s",
	"profile=a life=59s",
	"profile=a life=-1h",
	"profile=a life=91d",
	"profile=a max_life=2161h",
	"profile=a life=2h max_life=1h",
	"profile=a kind=tls",
	"profile=a kind=ocsp",
	"profile=a kind=",
	"profile=a usage=ocsp",
	"profile=a usage=server,server",
	"profile=a usage=server,",
	"profile=a usage=",
	"profile=a keys=dsa",
	"profile=a keys=p192",
	"profile=a wildcard=true",
	"profile=a may_delegate=1",
	"profile=a dns=",
	"profile=a dns={node}.",
	"profile=a dns=.{node}",
	"profile=a dns=a..b",
	"profile=a dns=*{node}",
	"profile=a dns=x{node}",
	"profile=a dns={node}x",
	"profile=a dns={host}",
	"profile=a dns={node}.{node}",
	"profile=a dns=**.{node}",
	"profile=a dns=A.{node}",
	"profile=a dns=a_b.{node}",
	"profile=a dns={node},{node}",
	"profile=a capability=sign",
	"profile=a capability=sign:prod",
	"profile=a capability=sign:prod@{agent}",
	"profile=a capability=sign:{node}@n1",
	"profile=a capability=a:b@c,a:b@c",
	"profile=a kind=spiffe dns={node}",
	"profile=a kind=spiffe wildcard=yes",
	"profile=a color=red",
	"profile=a !life=24h",
	"profile=a instance=1",
};

static void test_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct profile p = { .life = 7 };
		struct fault f = { .code = OK };

		if (profile_line(bad[i], &p, &f) != ERR_INVALID)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(p.life, 7);
		assert_null(p.dns[0]);
		assert_true(f.text[0]);
	}
}

static void test_too_many(void **state)
{
	char line[8192];
	struct profile p;
	struct fault f;

	(void)state;
	for (size_t n = PROFILE_DNS_MAX; n <= PROFILE_DNS_MAX + 1; n++) {
		size_t at = (size_t)snprintf(line, sizeof line, "profile=a");

		for (size_t i = 0; i < n; i++)
			at += (size_t)snprintf(line + at, sizeof line - at,
					       " dns=d%zu.{node}", i);
		assert_int_equal(profile_line(line, &p, &f),
				 n > PROFILE_DNS_MAX ? ERR_INVALID : OK);
		if (n <= PROFILE_DNS_MAX)
			profile_wipe(&p);
	}
	for (size_t n = CERT_CAPS_MAX; n <= CERT_CAPS_MAX + 1; n++) {
		size_t at = (size_t)snprintf(line, sizeof line, "profile=a");

		for (size_t i = 0; i < n; i++)
			at += (size_t)snprintf(line + at, sizeof line - at,
					       " capability=sign:c%zu@*", i);
		assert_int_equal(profile_line(line, &p, &f),
				 n > CERT_CAPS_MAX ? ERR_INVALID : OK);
		if (n <= CERT_CAPS_MAX)
			profile_wipe(&p);
	}
}

static void text_of(const struct profile *p, struct buf *out)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	assert_int_equal(profile_format(p, &a), OK);
	assert_int_equal(attr_format_text(attrs_view(&a), out), OK);
	assert_int_equal(buf_u8(out, 0), OK);
}

static void test_is_written_as_it_is_read(void **state)
{
	static const char *const lines[] = {
		"profile=web kind=agent life=24h max_life=72h "
		"usage=server,client keys=p256,ed25519 dns={node} "
		"dns=*.{node} wildcard=yes capability=sign:prod@{node} "
		"may_delegate=yes",
		"profile=m kind=spiffe life=90s max_life=90m usage=client "
		"keys=rsa",
		"profile=x kind=agent life=4d max_life=90d usage=server "
		"keys=p256,p384,ed25519,rsa capability=issue:*@*",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(lines); i++) {
		AUTO(profile_wipe) struct profile p = good(lines[i]);
		AUTO(buf_wipe) struct buf b = { .max = 4096 };

		text_of(&p, &b);
		assert_string_equal((char *)b.p, lines[i]);
	}
}

/* No beginning of a line means more than the line. */
static void test_cut_short(void **state)
{
	static const char line[] = "profile=web life=24h max_life=72h "
				   "usage=server dns=*.{node} "
				   "capability=sign:prod@{node} wildcard=yes";
	char cut[sizeof line];

	(void)state;
	for (size_t n = 0; n < sizeof line; n++) {
		AUTO(profile_wipe) struct profile p = { .n_dns = 0 };
		struct fault f = { .code = OK };

		memcpy(cut, line, n);
		cut[n] = 0;
		if (profile_line(cut, &p, &f) != OK)
			assert_true(f.text[0]);
		else
			assert_true(p.name[0] && p.life <= p.max_life);
	}
}

/* The set. */

static enum err add(struct profiles *s, const char *text, struct fault *f)
{
	return profiles_add(s, "web.conf", text, strlen(text), f);
}

static void test_a_file_of_profiles(void **state)
{
	AUTO(profiles_free) struct profiles *s = profiles_new(false);
	const struct profile *p;
	size_t at = 0, n = 0;
	struct fault f;

	(void)state;
	assert_int_equal(add(s,
			     "# both\n\nprofile=a life=1h\n \t\n  # x\n"
			     "profile=b",
			     &f),
			 OK);
	p = profiles_find(s, span_str("a"));
	assert_non_null(p);
	assert_int_equal(p->life, 3600);
	assert_non_null(profiles_find(s, span_str("b")));
	assert_null(profiles_find(s, span_str("c")));
	while (profiles_next(s, &at))
		n++;
	assert_int_equal(n, 3); /* and node */
}

static void test_errors_name_file_and_line(void **state)
{
	AUTO(profiles_free) struct profiles *s = profiles_new(false);
	struct fault f;

	(void)state;
	assert_int_equal(add(s, "profile=a\n\nprofile=b life=1\n", &f),
			 ERR_INVALID);
	assert_non_null(strstr(f.text, "web.conf:3: "));
	assert_null(profiles_find(s, span_str("a"))); /* a file is whole */
	assert_int_equal(add(s, "profile=c\nprofile=c\n", &f), ERR_EXISTS);
	assert_non_null(strstr(f.text, "web.conf:2: "));
	assert_int_equal(add(s, "profile=d \"\n", &f), ERR_INVALID);
}

static void test_too_large_a_file(void **state)
{
	AUTO(profiles_free) struct profiles *s = profiles_new(false);
	char *text = xcalloc(PROFILE_TEXT_MAX + 2, 1);
	struct fault f;

	(void)state;
	memset(text, '\n', PROFILE_TEXT_MAX + 1);
	assert_int_equal(profiles_add(s, "x", text, PROFILE_TEXT_MAX, &f), OK);
	assert_int_equal(profiles_add(s, "x", text, PROFILE_TEXT_MAX + 1, &f),
			 ERR_TOO_LARGE);
	free(text);
}

static void test_node_is_always_there(void **state)
{
	AUTO(profiles_free) struct profiles *s = profiles_new(false);
	const struct profile *p = profiles_find(s, span_str("node"));
	struct fault f;

	(void)state;
	assert_non_null(p);
	assert_int_equal(p->life, 72 * 3600);
	assert_true(p->may_delegate);
	assert_string_equal(p->cap[0], "issue:*@{node}");
	assert_int_equal(add(s, "profile=node life=1h\n", &f), OK);
	p = profiles_find(s, span_str("node"));
	assert_int_equal(p->life, 3600);
	assert_int_equal(p->n_caps, 0);
	assert_int_equal(add(s, "profile=node life=1h\n", &f), ERR_EXISTS);
}

static void test_the_own_ones_are_always_there(void **state)
{
	AUTO(profiles_free) struct profiles *s = profiles_new(false);
	const struct profile *p = profiles_find(s, span_str("ca-tls"));

	(void)state;
	assert_non_null(p);
	assert_int_equal(p->kind, PROFILE_TLS);
	assert_int_equal(p->life, 7 * 86400);
	p = profiles_find(s, span_str("ca-ocsp"));
	assert_non_null(p);
	assert_int_equal(p->kind, PROFILE_OCSP);
	assert_null(profiles_find(s, span_str("ca-other")));
}

static void test_every_type_where_there_is_a_default(void **state)
{
	AUTO(profiles_free) struct profiles *s = profiles_new(true);
	const struct profile *p = profiles_find(s, span_str("anything"));
	struct fault f;

	(void)state;
	assert_non_null(p);
	assert_string_equal(p->name, "anything");
	assert_true(p->wildcard && p->n_dns == 2 && !p->n_caps);
	assert_ptr_equal(profiles_find(s, span_str("anything")), p);
	assert_null(profiles_find(s, span_str("No")));
	assert_null(profiles_find(s, span_str("ca-other")));
	assert_null(profiles_find(s, span_of("", 0)));
	assert_int_equal(profiles_find(s, span_str("spiffe"))->kind,
			 PROFILE_SPIFFE);
	/* a file may still say it */
	assert_int_equal(add(s, "profile=anything life=1h\n", &f), OK);
	assert_int_equal(p->life, 3600);
}

static void test_defaults_are_bounded(void **state)
{
	AUTO(profiles_free) struct profiles *s = profiles_new(true);
	char name[16];
	size_t made = 0;

	(void)state;
	for (unsigned i = 0; i < PROFILES_MAX + 10; i++) {
		snprintf(name, sizeof name, "t%u", i);
		made += profiles_find(s, span_str(name)) != NULL;
	}
	assert_int_equal(made, PROFILES_MAX - 1); /* and node */
}

/* Who may issue. */

static enum err may(const char *line, const char *have)
{
	AUTO(profile_wipe) struct profile p = good(line);
	struct cert_names h = { .at = { span_str(have) }, .count = 1 };
	struct fault f = { .code = OK };
	enum err e = profile_may_issue(&p, span_str("n1.example"), &h, &f);

	assert_int_equal(f.code, e);
	return e;
}

static void test_issue_needs_the_capability_for_type_and_node(void **state)
{
	(void)state;
	assert_int_equal(may("profile=web", "issue:web@n1.example"), OK);
	assert_int_equal(may("profile=web", "issue:*@n1.example"), OK);
	assert_int_equal(may("profile=web", "issue:web@*"), OK);
	assert_int_equal(may("profile=web", "issue:db@*"), ERR_DENIED);
	assert_int_equal(may("profile=web", "issue:web@n2.example"),
			 ERR_DENIED);
	assert_int_equal(may("profile=web", "sign:web@*"), ERR_DENIED);
	assert_int_equal(may("profile=web", "garbage"), ERR_DENIED);
}

static void test_issue_needs_every_capability_of_the_profile(void **state)
{
	static const char line[] = "profile=web capability=sign:prod@{node}";
	AUTO(profile_wipe) struct profile p = good(line);
	struct cert_names h = { .at = { span_str("issue:web@*"),
					span_str("sign:prod@n1.example") },
				.count = 2 };
	struct fault f;

	(void)state;
	assert_int_equal(may(line, "issue:web@*"), ERR_DENIED);
	assert_int_equal(profile_may_issue(&p, span_str("n1.example"), &h, &f),
			 OK);
	assert_int_equal(profile_may_issue(&p, span_str("n2.example"), &h, &f),
			 ERR_DENIED);
}

static void test_delegation_needs_may_delegate(void **state)
{
	(void)state;
	assert_int_equal(
		may("profile=a capability=issue:b@{node}", "issue:*@*"),
		ERR_DENIED);
	assert_int_equal(may("profile=a capability=issue:b@{node} "
			     "may_delegate=yes",
			     "issue:*@*"),
			 OK);
	assert_int_equal(may("profile=a capability=issue:b@* may_delegate=yes",
			     "issue:*@n1.example"),
			 ERR_DENIED);
}

static void test_nobody_issues_the_own_ones(void **state)
{
	AUTO(profiles_free) struct profiles *s = profiles_new(false);
	struct cert_names h = { .at = { span_str("issue:*@*") }, .count = 1 };
	struct fault f;

	(void)state;
	assert_int_equal(
		profile_may_issue(profiles_find(s, span_str("ca-ocsp")),
				  span_str("n1.example"), &h, &f),
		ERR_DENIED);
	assert_int_equal(profile_may_issue(profiles_find(s, span_str("ca-tls")),
					   span_str("n1.example"), &h, &f),
			 ERR_DENIED);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_every_attribute),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_is_written_as_it_is_read),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_a_file_of_profiles),
		cmocka_unit_test(test_errors_name_file_and_line),
		cmocka_unit_test(test_too_large_a_file),
		cmocka_unit_test(test_node_is_always_there),
		cmocka_unit_test(test_the_own_ones_are_always_there),
		cmocka_unit_test(test_every_type_where_there_is_a_default),
		cmocka_unit_test(test_defaults_are_bounded),
		cmocka_unit_test(
			test_issue_needs_the_capability_for_type_and_node),
		cmocka_unit_test(
			test_issue_needs_every_capability_of_the_profile),
		cmocka_unit_test(test_delegation_needs_may_delegate),
		cmocka_unit_test(test_nobody_issues_the_own_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
