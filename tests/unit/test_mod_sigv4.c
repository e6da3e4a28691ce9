/* The aws-sigv4 module as a host sees it: replies, facts, refusals. */
#include "tests/tool/modhost.h"
#include "tests/unit/unit.h"

#define AKID   "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static struct modhost h;
static struct modlist l;

static void open_with(const char *name, const char *value)
{
	static struct modlist c;

	modlist_clear(&c);
	modlist_fill(&c, "access_key", AKID, "secret_key", SECRET, NULL);
	if (name)
		modlist_str(&c, name, value);
	assert_int_equal(modhost_open(&h, &c), CRETULA_OK);
	modlist_clear(&c);
}

static int setup(void **state)
{
	(void)state;
	h.call.now = 1369353600; /* 2013-05-24T00:00:00Z */
	open_with(NULL, NULL);
	modlist_clear(&l);
	return 0;
}

static void request(const char *method, const char *target, const char *host)
{
	char line[256];

	snprintf(line, sizeof line, "Host: %s", host);
	modlist_clear(&l);
	modlist_fill(&l, "method", method, "target", target, "header", line,
		     NULL);
}

/* The examples of the S3 API reference. */
static void s3_example_in_headers(void **state)
{
	(void)state;
	request("GET", "/test.txt", "examplebucket.s3.amazonaws.com");
	modlist_fill(&l, "header", "Range:bytes=0-9", "time",
		     "20130524T000000Z", NULL);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_string_equal(modhost_get(&h, "header", 0),
			    "X-Amz-Date: 20130524T000000Z");
	assert_non_null(strstr(modhost_get(&h, "header", 2),
			       "SignedHeaders=host;range;x-amz-content-sha256;"
			       "x-amz-date, Signature="
			       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48"
			       "dd91039c6036bdb41"));
}

static void s3_example_presigned(void **state)
{
	(void)state;
	request("GET", "/test.txt", "examplebucket.s3.amazonaws.com");
	modlist_str(&l, "expires", "24h");
	assert_int_equal(modhost_run(&h, "presign", &l), CRETULA_OK);
	assert_string_equal(
		modhost_get(&h, "query", 0),
		"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" AKID
		"%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date="
		"20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&"
		"X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265"
		"957d157751f604d404");
}

struct canon {
	const char *target, *service, *mode, *normalize, *path, *query;
};

/* Path and query as they are signed, by what is said of the target. */
static const struct canon canons[] = {
	{ "/a%20b/%2B", "s3", "wire", "yes", "/a%20b/%2B", "" },
	{ "/%61/b+c=@", "s3", "wire", "yes", "/a/b%2Bc%3D%40", "" },
	{ "/a/../b//./c", "s3", "wire", "yes", "/a/../b//./c", "" },
	{ "/a%20b", "sqs", "wire", "yes", "/a%2520b", "" },
	{ "/a/../b//./c/", "sqs", "wire", "yes", "/b/c/", "" },
	{ "/../..", "sqs", "wire", "yes", "/", "" },
	{ "/a/..", "sqs", "wire", "no", "/a/..", "" },
	{ "/\xc3\xa9 x", "sqs", "raw", "yes", "/%C3%A9%20x", "" },
	{ "/a%20b", "s3", "raw", "yes", "/a%2520b", "" },
	{ "", "s3", "wire", "yes", "/", "" },
	{ "/?b=1&a=2&a=1&a-=0", "s3", "wire", "yes", "/", "a=1&a=2&a-=0&b=1" },
	{ "/?a", "s3", "wire", "yes", "/", "a=" },
	{ "/?a==b&=c", "s3", "wire", "yes", "/", "=c&a=%3Db" },
	{ "/?&&", "s3", "wire", "yes", "/", "" },
	{ "/?", "s3", "wire", "yes", "/", "" },
	{ "/?a=b+c%2f:", "s3", "wire", "yes", "/", "a=b%2Bc%2F%3A" },
	{ "/?q= \xe6\x97\xa5", "s3", "raw", "yes", "/", "q=%20%E6%97%A5" },
	{ "/?X-Amz-M=1&X-Z=2&X-A=3", "s3", "wire", "yes", "/",
	  "X-A=3&X-Amz-M=1&X-Z=2" },
};

static void target_is_canonical(void **state)
{
	char want[256];

	(void)state;
	for (size_t i = 0; i < NELEM(canons); i++) {
		const struct canon *c = &canons[i];

		request("GET", c->target, "h");
		modlist_fill(&l, "service", c->service, "region", "r",
			     "target_mode", c->mode, "normalize", c->normalize,
			     "explain", "yes", NULL);
		assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
		snprintf(want, sizeof want, "GET\n%s\n%s\nhost:h\n", c->path,
			 c->query);
		assert_memory_equal(modhost_get(&h, "canonical_request", 0),
				    want, strlen(want));
	}
}

static void headers_are_canonical(void **state)
{
	(void)state;
	request("PUT", "/", "H:80");
	modlist_fill(&l, "service", "x", "region", "r", "explain", "yes",
		     "header", "My-B:  \"a   b\"\t c ", "header", "my-a:2",
		     "header", "MY-A:1", "header", "Empty:", "header",
		     "Connection: close", "header", "User-Agent: u", "header",
		     "proxy-x: y", "header", "X-Amzn-Trace-Id: t", NULL);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_non_null(strstr(modhost_get(&h, "canonical_request", 0),
			       "PUT\n/\n\nempty:\nhost:H:80\nmy-a:2,1\n"
			       "my-b:\"a b\" c\nx-amz-date:20130524T000000Z\n\n"
			       "empty;host;my-a;my-b;x-amz-date\n"));
}

static void token_is_signed_or_omitted(void **state)
{
	(void)state;
	open_with("session_token", "to/k+en=");
	request("GET", "/", "sts.amazonaws.com");
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_string_equal(modhost_get(&h, "header", 1),
			    "X-Amz-Security-Token: to/k+en=");
	assert_non_null(strstr(modhost_get(&h, "header", 2),
			       "host;x-amz-date;x-amz-security-token,"));
	modlist_str(&l, "token", "omit");
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_string_equal(modhost_get(&h, "header", 1),
			    "X-Amz-Security-Token: to/k+en=");
	assert_non_null(
		strstr(modhost_get(&h, "header", 2), "=host;x-amz-date,"));
	assert_int_equal(modhost_run(&h, "presign", &l), CRETULA_OK);
	assert_non_null(strstr(modhost_get(&h, "query", 0),
			       "=host&X-Amz-Security-Token=to%2Fk%2Ben%3D&"
			       "X-Amz-Signature="));
}

static void resign_drops_what_was_there(void **state)
{
	(void)state;
	request("GET", "/k?a=1&X-Amz-Signature=aa&x-amz-date=2",
		"b.s3.amazonaws.com");
	modlist_fill(&l, "header", "Authorization: old", "header",
		     "x-amz-date: 20010101T000000Z", NULL);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_INVALID);
	modlist_fill(&l, "resign", "yes", "explain", "yes", NULL);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_string_equal(modhost_get(&h, "drop_header", 0), "Authorization");
	assert_string_equal(modhost_get(&h, "drop_header", 1), "x-amz-date");
	assert_string_equal(modhost_get(&h, "drop_query", 0),
			    "X-Amz-Signature");
	assert_string_equal(modhost_get(&h, "drop_query", 1), "x-amz-date");
	assert_non_null(strstr(modhost_get(&h, "canonical_request", 0),
			       "GET\n/k\na=1\nhost:"));
	assert_int_equal(modhost_facts(&h, "sign", &l), CRETULA_OK);
	assert_string_equal(modhost_get(&h, "query", 0), "a=1");
	assert_null(modhost_get(&h, "query", 1));
	assert_string_equal(modhost_get(&h, "time", 0), "1369353600");
}

#define BKT  "b.s3.amazonaws.com"
#define FORM "Content-Type: application/x-www-form-urlencoded"

struct refusal {
	const char *name, *value; /* replaces, or adds to, a good request */
	enum cretula_result result;
	const char *text;
};

static const struct refusal refusals[] = {
	{ "method", "get", CRETULA_INVALID, "upper-case" },
	{ "method", "", CRETULA_INVALID, "no method" },
	{ "target", "/a b", CRETULA_INVALID, "blank" },
	{ "target", "/a\nb", CRETULA_INVALID, "control" },
	{ "target", "/a\rb", CRETULA_INVALID, "control" },
	{ "target", "/\xc3\xa9", CRETULA_INVALID, "ASCII" },
	{ "target", "/a%2", CRETULA_INVALID, "hex" },
	{ "target", "/?a=%zz", CRETULA_INVALID, "hex" },
	{ "target", "/a#b", CRETULA_INVALID, "fragment" },
	{ "target", "http://h/", CRETULA_INVALID, "start with '/'" },
	{ "target", "h:443", CRETULA_INVALID, "start with '/'" },
	{ "target", "*", CRETULA_INVALID, "start with '/'" },
	{ "target", "/?X-Amz-Signature=1", CRETULA_INVALID, "resign" },
	{ "target", "/?X-Amz-%53ignature=1", CRETULA_INVALID, "resign" },
	{ "header", "Authorization: x", CRETULA_INVALID, "resign" },
	{ "header", "X-Amz-Security-Token: x", CRETULA_INVALID, "resign" },
	{ "header", "no colon", CRETULA_INVALID, "':'" },
	{ "header", "a b: c", CRETULA_INVALID, "name" },
	{ "header", ": c", CRETULA_INVALID, "name" },
	{ "header", "a: b\nc: d", CRETULA_INVALID, "control" },
	{ "header", "Host: two", CRETULA_INVALID, "more than once" },
	{ "header", "x-amz-date: yesterday", CRETULA_INVALID, "time" },
	{ "header", "x-amz-content-sha256: x", CRETULA_INVALID, "hex" },
	{ "header", "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
	  CRETULA_UNSUPPORTED, "chunked" },
	{ "header", "Content-Length: 3", CRETULA_INVALID, "body" },
	{ "region", "us-east-1/s3", CRETULA_INVALID, "region" },
	{ "region", "us-east-1\n", CRETULA_INVALID, "region" },
	{ "region", "US", CRETULA_INVALID, "region" },
	{ "service", "", CRETULA_INVALID, "service" },
	{ "service", "s3/x", CRETULA_INVALID, "service" },
	{ "time", "20130229T000000Z", CRETULA_INVALID, "time" },
	{ "time", "20130524T000000", CRETULA_INVALID, "time" },
	{ "expires", "0", CRETULA_INVALID, "604800" },
	{ "expires", "604801", CRETULA_INVALID, "604800" },
	{ "expires", "-1", CRETULA_INVALID, "604800" },
	{ "payload", "maybe", CRETULA_INVALID, "payload" },
	{ "body_sha256", "00", CRETULA_INVALID, "hex" },
	{ "body_mode", "perhaps", CRETULA_INVALID, "body_mode" },
	{ "resign", "1", CRETULA_INVALID, "resign" },
	{ "target_mode", "cooked", CRETULA_INVALID, "target_mode" },
	{ "colour", "red", CRETULA_INVALID, "unknown attribute" },
};

/* A good request with one attribute replaced (headers are added). */
static void request_with(const char *name, const char *value)
{
	static const char *const good[][2] = {
		{ "method", "GET" },
		{ "target", "/" },
		{ "region", "r" },
		{ "service", "s" },
	};

	modlist_clear(&l);
	modlist_str(&l, "header", "Host: h");
	for (size_t i = 0; i < NELEM(good); i++)
		if (strcmp(good[i][0], name) != 0)
			modlist_str(&l, good[i][0], good[i][1]);
	modlist_str(&l, name, value);
}

static void bad_requests_are_refused_by_run_and_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(refusals); i++) {
		const struct refusal *c = &refusals[i];

		request_with(c->name, c->value);
		assert_int_equal(modhost_run(&h, "presign", &l), c->result);
		assert_non_null(strstr(h.call.text, c->text));
		assert_int_equal(modhost_facts(&h, "presign", &l), c->result);
		assert_int_equal(modhost_run(&h, "sign", &l), c->result);
	}
}

static void nul_and_bad_utf8_are_refused(void **state)
{
	(void)state;
	modlist_clear(&l);
	modlist_fill(&l, "method", "GET", "header", "host:h", "region", "r",
		     "service", "s", "target_mode", "raw", NULL);
	modlist_add(&l, "target", "/a\0b", 4);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_INVALID);
	modlist_clear(&l);
	modlist_fill(&l, "method", "GET", "header", "host:h", "region", "r",
		     "service", "s", "target_mode", "raw", "target",
		     "/\xc0\xaf", NULL);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_INVALID);
	assert_non_null(strstr(h.call.text, "UTF-8"));
}

static void contradictions_are_refused(void **state)
{
	static const char *const pairs[][4] = {
		{ "time", "20130524T000001Z", "header",
		  "X-Amz-Date: 20130524T000000Z" },
		{ "payload", "signed", "header",
		  "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD" },
		{ "payload", "signed", "body_mode", "ignore" },
		{ "payload", "unsigned", "body_mode", "ignore" },
		{ "region", "a", "region", "a" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(pairs); i++) {
		request_with(pairs[i][0], pairs[i][1]);
		modlist_str(&l, pairs[i][2], pairs[i][3]);
		assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_INVALID);
		assert_int_equal(modhost_facts(&h, "sign", &l),
				 CRETULA_INVALID);
	}
	request_with("body", "x");
	modlist_str(&l, "body_sha256",
		    "00000000000000000000000000000000"
		    "00000000000000000000000000000000");
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_INVALID);
}

static void nothing_outlives_the_credential(void **state)
{
	(void)state;
	open_with("not_after", "2013-05-24T00:10:00Z");
	request("GET", "/k", BKT);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_int_equal(modhost_run(&h, "presign", &l), CRETULA_INVALID);
	assert_non_null(strstr(h.call.text, "at most 600"));
	modlist_str(&l, "expires", "600");
	assert_int_equal(modhost_run(&h, "presign", &l), CRETULA_OK);
	h.call.now += 600;
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_EXPIRED);
}

static void bad_credentials_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "A/B", "s" },
		{ "A B", "s" },
		{ "", "s" },
		{ "AKID", "" },
		{ "AKID", "s3kr1t-9\n" },
		{ "AKID", "s3kr1t-9 x" },
		{ "A,B", "s" },
	};
	static struct modlist c;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		modlist_clear(&c);
		modlist_fill(&c, "access_key", bad[i][0], "secret_key",
			     bad[i][1], NULL);
		assert_int_equal(modhost_check(&h, &c), CRETULA_INVALID);
		assert_null(strstr(h.call.text, "s3kr1t"));
	}
	modlist_clear(&c);
	modlist_fill(&c, "access_key", "A", "secret_key", "s", "not_after",
		     "tomorrow", NULL);
	assert_int_equal(modhost_check(&h, &c), CRETULA_INVALID);
	modlist_clear(&c);
}

static void sign_in(unsigned region, char signature[65])
{
	char name[32];
	const char *line;

	snprintf(name, sizeof name, "r%u", region);
	request_with("region", name);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	line = modhost_get(&h, "header", 1);
	memcpy(signature, line + strlen(line) - 64, 65);
}

/* More scopes than keys are kept, over midnight and back. */
static void kept_keys_are_the_right_ones(void **state)
{
	enum {
		REGIONS = 40
	};
	char want[REGIONS][65], have[65];

	(void)state;
	for (unsigned i = 0; i < REGIONS; i++) {
		open_with(NULL, NULL);
		sign_in(i, want[i]);
	}
	for (unsigned n = 0; n < 3 * REGIONS; n++) {
		unsigned i = n * 7 % REGIONS;

		sign_in(i, have);
		assert_string_equal(have, want[i]);
	}
	h.call.now += 86400;
	sign_in(0, have);
	assert_string_not_equal(have, want[0]);
	h.call.now -= 86400;
	sign_in(0, have);
	assert_string_equal(have, want[0]);
}

static void many_parameters_are_sorted_or_refused(void **state)
{
	enum {
		PIECES = 10000,
		PIECE = 8
	};
	static char target[PIECES * PIECE + 8];
	size_t n = 0;

	(void)state;
	target[n++] = '/';
	for (unsigned i = 0; i < PIECES; i++) {
		n += (size_t)snprintf(target + n, sizeof target - n, "%c%05u",
				      i ? '&' : '?', PIECES - i);
		if (i != 1999)
			continue;
		request_with("target", target);
		assert_int_equal(modhost_facts(&h, "sign", &l), CRETULA_OK);
		assert_string_equal(modhost_get(&h, "query", 0), "08001=");
		assert_string_equal(modhost_get(&h, "query", 1999), "10000=");
	}
	request_with("target", target);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_TOO_LARGE);
	assert_non_null(strstr(h.call.text, "2048"));
}

/* Every prefix of every value: an answer, whichever. */
static void cut_short_values_end_cleanly(void **state)
{
	(void)state;
	request("GET", "/a/%2e/../b?x=%41&X-Amz-Date=1&y", BKT);
	modlist_fill(&l, "header", "Authorization: a", "header",
		     "x-amz-date:20130524T000000Z", "resign", "yes", "time",
		     "20130524T000000Z", "expires", "15m", "body", "%41ction=x",
		     "header", FORM, "payload", "signed", NULL);
	for (size_t i = 0; i < l.count; i++) {
		size_t whole = l.item[i].len;

		for (size_t n = 0; n < whole; n++) {
			l.item[i].len = n;
			(void)modhost_run(&h, "presign", &l);
			(void)modhost_facts(&h, "sign", &l);
		}
		l.item[i].len = whole;
	}
	assert_int_equal(modhost_run(&h, "presign", &l), CRETULA_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(s3_example_in_headers, setup),
		cmocka_unit_test_setup(s3_example_presigned, setup),
		cmocka_unit_test_setup(target_is_canonical, setup),
		cmocka_unit_test_setup(headers_are_canonical, setup),
		cmocka_unit_test_setup(token_is_signed_or_omitted, setup),
		cmocka_unit_test_setup(resign_drops_what_was_there, setup),
		cmocka_unit_test_setup(
			bad_requests_are_refused_by_run_and_facts, setup),
		cmocka_unit_test_setup(nul_and_bad_utf8_are_refused, setup),
		cmocka_unit_test_setup(contradictions_are_refused, setup),
		cmocka_unit_test_setup(nothing_outlives_the_credential, setup),
		cmocka_unit_test_setup(bad_credentials_are_refused, setup),
		cmocka_unit_test_setup(kept_keys_are_the_right_ones, setup),
		cmocka_unit_test_setup(many_parameters_are_sorted_or_refused,
				       setup),
		cmocka_unit_test_setup(cut_short_values_end_cleanly, setup),
	};
	int failed;

	modhost_load_named(&h, "aws-sigv4");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	modlist_clear(&l);
	modhost_close(&h);
	return failed;
}
