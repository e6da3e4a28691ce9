/* Used by who makes, carries or checks a token of either kind; holds nothing. */
#include "lib/token_text.h"

#include "lib/enc.h"

#include <sodium.h>
#include <string.h>

enum {
	HEAD = 4,
	CHECK = 4,
	PLAIN = TOKEN_TEXT_ID + KEY_SIZE, /* what the check is of */
	BLANKS_MAX = 64,                  /* around a token */
};

_Static_assert(TOKEN_TEXT_BODY == PLAIN + CHECK, "id, secret, check");
_Static_assert(TOKEN_TEXT_LEN == HEAD + (8 * TOKEN_TEXT_BODY + 4) / 5,
	       "letters of base32");

static const struct {
	const char *head;
	const char *one;
} kinds[] = {
	[TOKEN_ENROLMENT] = { "ct1_", "an enrolment token" },
	[TOKEN_AGENT] = { "ca1_", "an agent's token" },
};

static void checksum(const uint8_t *body, uint8_t out[CHECK])
{
	uint8_t h[crypto_generichash_BYTES];

	ENSURE(!crypto_generichash(h, sizeof h, body, PLAIN, NULL, 0));
	memcpy(out, h, CHECK);
	secret_zero(h, sizeof h);
}

enum err token_text_format(enum token_kind k, const uint8_t id[TOKEN_TEXT_ID],
			   const struct secret *s, struct buf *out)
{
	AUTO(buf_wipe) struct buf body = { 0 };
	uint8_t check[CHECK];

	buf_init_secret(&body, TOKEN_TEXT_BODY);
	TRY(buf_put(&body, id, TOKEN_TEXT_ID));
	TRY(buf_put(&body, secret_bytes(s), KEY_SIZE));
	checksum(body.p, check);
	TRY(buf_put(&body, check, CHECK));
	TRY(buf_reserve(out, TOKEN_TEXT_LEN));
	TRY(buf_str(out, kinds[k].head));
	return enc_base32(body.p, body.len, out);
}

/* Takes blanks off both ends, and one newline (as files end) off the last. */
static enum err trim(const char **text, size_t *len)
{
	const char *p = *text;
	size_t n = *len;

	if (n > TOKEN_TEXT_LEN + 2 * BLANKS_MAX)
		return ERR_INVALID;
	if (n && p[n - 1] == '\n') {
		n--;
		if (n && p[n - 1] == '\r')
			n--;
	}
	while (n && (p[0] == ' ' || p[0] == '\t')) {
		p++;
		n--;
	}
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	*text = p;
	*len = n;
	return OK;
}

static enum err head_check(enum token_kind k, const char *p, size_t n,
			   struct fault *f)
{
	if (n >= HEAD && !memcmp(p, kinds[k].head, HEAD))
		return OK;
	if (n >= HEAD && !memcmp(p, kinds[k].head, 2) && p[2] >= '0' &&
	    p[2] <= '9' && p[3] == '_')
		return fault_set(f, ERR_UNSUPPORTED,
				 "this is %s of version %c: only version 1 is "
				 "known here",
				 kinds[k].one, p[2]);
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (n >= HEAD && !memcmp(p, kinds[i].head, HEAD))
			return fault_set(f, ERR_INVALID,
					 "this is %s, not %s: those begin with "
					 "'%s'",
					 kinds[i].one, kinds[k].one,
					 kinds[k].head);
	return fault_set(f, ERR_INVALID, "%s begins with '%s'", kinds[k].one,
			 kinds[k].head);
}

static enum err letters_check(enum token_kind k, const char *p, size_t n,
			      struct fault *f)
{
	for (size_t i = HEAD; i < n; i++)
		if ((p[i] < 'a' || p[i] > 'z') && (p[i] < '2' || p[i] > '7'))
			return fault_set(f, ERR_INVALID,
					 "character %zu of the token is none "
					 "that a token has (a to z, 2 to 7)",
					 i + 1);
	if (n != TOKEN_TEXT_LEN)
		return fault_set(f, ERR_INVALID,
				 "%s has %d characters, not %zu: it was not "
				 "copied whole",
				 kinds[k].one, TOKEN_TEXT_LEN, n);
	return OK;
}

enum err token_text_parse(enum token_kind k, const char *text, size_t len,
			  uint8_t id[TOKEN_TEXT_ID], struct secret **s,
			  struct fault *f)
{
	AUTO(buf_wipe) struct buf body = { 0 };
	uint8_t check[CHECK];

	buf_init_secret(&body, TOKEN_TEXT_BODY);
	if (trim(&text, &len) != OK)
		return fault_set(f, ERR_INVALID, "this is too long for %s",
				 kinds[k].one);
	TRY(head_check(k, text, len, f));
	TRY(letters_check(k, text, len, f));
	if (enc_base32_parse(text + HEAD, len - HEAD, &body) != OK)
		return fault_set(f, ERR_INVALID,
				 "the last character of the token is wrong");
	ENSURE(body.len == TOKEN_TEXT_BODY);
	checksum(body.p, check);
	if (!secret_equal(check, body.p + PLAIN, CHECK))
		return fault_set(f, ERR_INVALID,
				 "the token's check does not fit: a character "
				 "of it is wrong");
	memcpy(id, body.p, TOKEN_TEXT_ID);
	*s = secret_from(body.p + TOKEN_TEXT_ID);
	return OK;
}
