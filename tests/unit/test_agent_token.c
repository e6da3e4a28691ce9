/* lib/agent_token: a token made by another implementation is read and made the same,
 * its hash is what that one says, and no other text than a token is one. */
#include "lib/agent_token.h"

#include "lib/enc.h"

#include "tests/unit/unit.h"

/* Made by Python's hashlib and base64: secret 00 01 … 1f. */
static const char known[] =
	"ca1_agmphivuyb6v5cq3fq6u4x3aoeaacaqdaqcqmbyibefawdanbyhraeiscmkbkfqxda"
	"mrugy4dupb6uuqfh4a";
static const char known_agent[] = "0198f3a2-b4c0-7d5e-8a1b-2c3d4e5f6071";
static const char known_hash[] =
	"cb2f5160fc1f7e05a55ef49d340b48da2e5a78099d53393351cd579dd42503d6";
/* The same secret, its check right, for the id a0 a1 … af: no UUIDv7. */
static const char no_agent[] =
	"ca1_ucq2fi5euwtkpkfjvkv2zlnov4aacaqdaqcqmbyibefawdanbyhraeiscmkbkfqxda"
	"mrugy4dupb6nbw4joq";

static struct agent_token sample(void)
{
	struct agent_token t = { .secret = NULL };

	assert_int_equal(agent_token_parse(known, strlen(known), &t, NULL), OK);
	return t;
}

static void test_reads_the_known_token(void **state)
{
	AUTO(agent_token_wipe) struct agent_token t = sample();

	(void)state;
	assert_string_equal(t.agent, known_agent);
	for (size_t i = 0; i < KEY_SIZE; i++)
		assert_int_equal(secret_bytes(t.secret)[i], i);
}

static void test_writes_the_known_token(void **state)
{
	AUTO(agent_token_wipe) struct agent_token t = sample();
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init_secret(&b, AGENT_TOKEN_TEXT);
	assert_int_equal(agent_token_format(&t, &b), OK);
	assert_int_equal(b.len, AGENT_TOKEN_TEXT);
	assert_memory_equal(b.p, known, AGENT_TOKEN_TEXT);
}

static void test_has_the_known_hash(void **state)
{
	AUTO(agent_token_wipe) struct agent_token t = sample();
	uint8_t hash[AGENT_TOKEN_HASH];
	char hex[2 * AGENT_TOKEN_HASH + 1];

	(void)state;
	agent_token_hash(&t, hash);
	enc_hex(hash, sizeof hash, hex);
	assert_string_equal(hex, known_hash);
}

static void test_made_ones_differ_and_are_read_again(void **state)
{
	AUTO(agent_token_wipe) struct agent_token a = { .secret = NULL };
	AUTO(agent_token_wipe) struct agent_token b = { .secret = NULL };
	AUTO(agent_token_wipe) struct agent_token c = { .secret = NULL };
	AUTO(buf_wipe) struct buf text = { 0 };
	char agent[AGENT_ID_LEN + 1];

	(void)state;
	buf_init_secret(&text, AGENT_TOKEN_TEXT);
	agent_id_make(1761000000000, agent);
	agent_token_make(agent, &a);
	agent_token_make(agent, &b);
	assert_memory_not_equal(secret_bytes(a.secret), secret_bytes(b.secret),
				KEY_SIZE);
	assert_int_equal(agent_token_format(&a, &text), OK);
	assert_int_equal(
		agent_token_parse((const char *)text.p, text.len, &c, NULL),
		OK);
	assert_string_equal(c.agent, agent);
	assert_memory_equal(secret_bytes(a.secret), secret_bytes(c.secret),
			    KEY_SIZE);
}

static void test_a_buffer_that_is_too_small_gets_nothing(void **state)
{
	AUTO(agent_token_wipe) struct agent_token t = sample();
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init_secret(&b, AGENT_TOKEN_TEXT - 1);
	assert_int_equal(agent_token_format(&t, &b), ERR_TOO_LARGE);
	assert_int_equal(b.len, 0);
}

/* Refused, with a sentence that shows nothing of the token; t stays as it was. */
static void refused(const char *text, size_t len, enum err want)
{
	struct agent_token t = { .secret = NULL };
	struct fault f = { .code = OK };

	assert_int_equal(agent_token_parse(text, len, &t, &f), want);
	assert_null(t.secret);
	assert_string_equal(t.agent, "");
	assert_int_equal(f.code, want);
	assert_true(f.text[0]);
	for (size_t i = 4; i + 6 <= strlen(known); i++)
		assert_null(memmem(f.text, strlen(f.text), known + i, 6));
}

static void test_cut_short(void **state)
{
	(void)state;
	for (size_t n = 0; n < strlen(known); n++)
		refused(known, n, ERR_INVALID);
}

/* One letter changed: the check tells, or the last one's bits. */
static void test_a_wrong_letter_anywhere(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	char text[sizeof known];

	(void)state;
	for (size_t i = 4; i < strlen(known); i++) {
		for (size_t k = 0; k < 32; k++) {
			memcpy(text, known, sizeof known);
			if (text[i] == letters[k])
				continue;
			text[i] = letters[k];
			refused(text, strlen(text), ERR_INVALID);
		}
	}
}

static void test_what_is_no_letter_of_a_token(void **state)
{
	static const char bad[] = "ABZ0189=-_. \n\t\xc3";
	char text[sizeof known];

	(void)state;
	for (size_t i = 4; i < strlen(known); i++) {
		for (size_t k = 0; k < sizeof bad; k++) { /* NUL too */
			memcpy(text, known, sizeof known);
			text[i] = bad[k];
			refused(text, strlen(known), ERR_INVALID);
		}
	}
}

static void test_other_versions_and_other_things(void **state)
{
	char text[sizeof known];

	(void)state;
	memcpy(text, known, sizeof known);
	text[2] = '2';
	refused(text, strlen(text), ERR_UNSUPPORTED);
	text[2] = '0';
	refused(text, strlen(text), ERR_UNSUPPORTED);
	memcpy(text, known, sizeof known);
	text[1] = 't'; /* an enrolment token */
	refused(text, strlen(text), ERR_INVALID);
	refused(no_agent, strlen(no_agent), ERR_INVALID);
}

static void test_blanks_and_one_newline_around_it(void **state)
{
	AUTO(agent_token_wipe) struct agent_token t = { .secret = NULL };
	char text[sizeof known + 8];

	(void)state;
	snprintf(text, sizeof text, " \t%s \r\n", known);
	assert_int_equal(agent_token_parse(text, strlen(text), &t, NULL), OK);
	snprintf(text, sizeof text, "%s\n\n", known);
	refused(text, strlen(text), ERR_INVALID);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_the_known_token),
		cmocka_unit_test(test_writes_the_known_token),
		cmocka_unit_test(test_has_the_known_hash),
		cmocka_unit_test(test_made_ones_differ_and_are_read_again),
		cmocka_unit_test(test_a_buffer_that_is_too_small_gets_nothing),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_a_wrong_letter_anywhere),
		cmocka_unit_test(test_what_is_no_letter_of_a_token),
		cmocka_unit_test(test_other_versions_and_other_things),
		cmocka_unit_test(test_blanks_and_one_newline_around_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
