/* Bootstrap sources, as certmgr's net takes them apart (certmgr/net_boot_text.c). */
#include "certmgr/net_boot.h"

#include "tests/unit/role_test.h"

#include <stdio.h>
#include <string.h>

#define HASH                                                                   \
	"sha256:"                                                              \
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CA "https://ca.example.org:7443"

typedef enum err parse_fn(struct span text, struct boot *b, struct fault *f);

static char token[TOKEN_TEXT + 1];
static uint8_t token_id[TOKEN_ID];

static int make_token(void **state)
{
	AUTO(token_wipe) struct token t = { 0 };
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	token_make(&t);
	buf_init_secret(&b, 256);
	assert_int_equal(token_format(&t, &b), OK);
	memcpy(token, b.p, b.len);
	memcpy(token_id, t.id, sizeof token_id);
	return 0;
}

/* %T in it is the token. */
static struct span text_of(const char *form)
{
	static char text[8192];
	const char *at = strstr(form, "%T");

	(void)snprintf(text, sizeof text, "%.*s%s%s",
		       at ? (int)(at - form) : (int)strlen(form), form,
		       at ? token : "", at ? at + 2 : "");
	return span_str(text);
}

static void takes_all(parse_fn *parse, const char *form)
{
	AUTO(boot_wipe) struct boot b = { 0 };
	struct fault f = { 0 };

	fault_ok(parse(text_of(form), &b, &f), &f);
	assert_non_null(b.token.seed);
	assert_memory_equal(b.token.id, token_id, TOKEN_ID);
	assert_string_equal(b.ca, CA);
	assert_true(b.has_hash);
	assert_int_equal(b.hash[1], 0x11);
	assert_string_equal(b.node, "n1.example.org");
	assert_string_equal(b.endpoint, "n1.example.org:7446");
}

static void refuses(parse_fn *parse, const char *form, const char *words)
{
	AUTO(boot_wipe) struct boot b = { 0 };
	struct fault f = { 0 };

	if (parse(text_of(form), &b, &f) == OK)
		fail_msg("taken: %s", form);
	if (!strstr(f.text, words))
		fail_msg("'%s' for: %s", f.text, form);
	assert_null(b.token.seed);
	assert_null(strstr(f.text, token + 4));
}

/* Every beginning of it is refused, or says less. */
static void sweep(parse_fn *parse, const char *form)
{
	const struct span whole = text_of(form);

	for (size_t n = 0; n <= whole.n; n++) {
		AUTO(boot_wipe) struct boot b = { 0 };
		struct fault f = { 0 };
		uint8_t *cut = xmemdup(whole.p, n ? n : 1);

		if (parse(span_of(cut, n), &b, &f) == OK)
			assert_true(b.token.seed || b.ca[0] || b.has_hash ||
				    b.node[0] || b.endpoint[0]);
		else
			assert_true(f.text[0]);
		mem_free(&cut);
	}
}

#define FILE_ALL                                                               \
	"# from the CA's host\n\ntoken=%T\nca=" CA " ca_hash=" HASH            \
	"\nnode=n1.example.org\nverify_endpoint=\"n1.example.org:7446\"\n"
#define CMDLINE_ALL                                                            \
	"root=/dev/vda1 ro quiet dyndbg=\"file x.c +p cretula.ca=no\" "        \
	"cretula.token=%T cretula.ca=" CA " cretula.ca_hash=" HASH             \
	" cretula.node=n1.example.org "                                        \
	"cretula.verify_endpoint=n1.example.org:7446\n"
#define USER_ALL                                                               \
	"#cloud-config\npackages:\n  - certmgr\nwrite_files:\n"                \
	"  - content: |\n      cretula:\n        ca: none\n"                   \
	"cretula:   # of ours\n  # and this\n\n  token: %T\n  ca: " CA         \
	"\n  ca_hash: '" HASH "'\n  node: \"n1.example.org\"\n"                \
	"  verify_endpoint: n1.example.org:7446\nusers:\n  - default\n"

static void test_a_file_is_attributes(void **state)
{
	(void)state;
	takes_all(boot_parse_file, FILE_ALL);
	sweep(boot_parse_file, FILE_ALL);
}

static void test_the_command_line_has_words_of_ours(void **state)
{
	(void)state;
	takes_all(boot_parse_cmdline, CMDLINE_ALL);
	sweep(boot_parse_cmdline, CMDLINE_ALL);
	refuses(boot_parse_cmdline, "root=/dev/vda1 ro", "nothing in it");
	refuses(boot_parse_cmdline, "cretula.token", "NAME=VALUE");
	refuses(boot_parse_cmdline, "cretula.token=\"%T\"", "without quotes");
	refuses(boot_parse_cmdline, "cretula.tokens=%T", "none of token");
}

static void test_user_data_has_a_block_of_ours(void **state)
{
	(void)state;
	takes_all(boot_parse_user_data, USER_ALL);
	sweep(boot_parse_user_data, USER_ALL);
	refuses(boot_parse_user_data, "#!/bin/sh\necho\n", "#cloud-config");
	refuses(boot_parse_user_data, "#cloud-config\nusers:\n  - x\n",
		"nothing in it");
	refuses(boot_parse_user_data,
		"#cloud-config\ncretula:\n  ca: " CA "\ncretula:\n  node: a\n",
		"there once");
	refuses(boot_parse_user_data, "#cloud-config\ncretula: {token: %T}\n",
		"nothing behind");
	refuses(boot_parse_user_data, "#cloud-config\ncretula:\n  - %T\n",
		"NAME: VALUE");
	refuses(boot_parse_user_data,
		"#cloud-config\ncretula:\n  node: a\n    ca: " CA "\n",
		"begin alike");
	refuses(boot_parse_user_data,
		"#cloud-config\ncretula:\n  node: *alias\n", "put others");
	refuses(boot_parse_user_data,
		"#cloud-config\ncretula:\n  node: \"a\\x62\"\n", "quotes");
	refuses(boot_parse_user_data, "#cloud-config\ncretula:\n\ttoken: %T\n",
		"nothing in it");
}

static void test_values_are_what_they_have_to_be(void **state)
{
	(void)state;
	refuses(boot_parse_file, "token=ct1_abc", "token");
	refuses(boot_parse_file, "ca=http://ca.example.org", "https://");
	refuses(boot_parse_file, "ca=dns:", "dns:");
	refuses(boot_parse_file, "ca=\"dns:a b\"", "dns:");
	refuses(boot_parse_file, "ca_hash=sha256:00", "sha256:");
	refuses(boot_parse_file, "ca_hash=sha512:00", "sha256:");
	refuses(boot_parse_file, "node=\"N 1\"", "node");
	refuses(boot_parse_file, "verify_endpoint=here", "HOST:PORT");
	refuses(boot_parse_file, "node=a node=b", "twice");
	refuses(boot_parse_file, "verify=no", "none of token");
	refuses(boot_parse_file, "token=%T junk\n", "");
}

static void test_a_txt_record_is_an_address(void **state)
{
	struct fault f = { 0 };
	char url[BOOT_URL];

	(void)state;
	fault_ok(boot_parse_txt(span_str("cretula-ca=" CA), url, &f), &f);
	assert_string_equal(url, CA);
	assert_int_equal(boot_parse_txt(span_str("v=spf1 -all"), url, &f),
			 ERR_NOT_FOUND);
	assert_int_equal(boot_parse_txt(span_str("cretula-ca="), url, &f),
			 ERR_INVALID);
	assert_int_equal(
		boot_parse_txt(span_str("cretula-ca=http://a"), url, &f),
		ERR_INVALID);
	assert_int_equal(
		boot_parse_txt(span_of("cretula-ca=https://a\0b", 22), url, &f),
		ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_is_attributes),
		cmocka_unit_test(test_the_command_line_has_words_of_ours),
		cmocka_unit_test(test_user_data_has_a_block_of_ours),
		cmocka_unit_test(test_values_are_what_they_have_to_be),
		cmocka_unit_test(test_a_txt_record_is_an_address),
	};

	return cmocka_run_group_tests(tests, make_token, NULL);
}
