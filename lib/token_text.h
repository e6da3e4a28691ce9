/* The text of the one-time tokens (formats.md): a head that names kind and version,
 * then base32(id[16] | secret[32] | check[4]), the check being the first bytes of
 * BLAKE2b-256(id | secret): against typing errors, not against people. */
#ifndef LIB_TOKEN_TEXT_H
#define LIB_TOKEN_TEXT_H

#include "lib/buf.h"
#include "lib/secret.h"

enum {
	TOKEN_TEXT_ID = 16,
	TOKEN_TEXT_BODY = TOKEN_TEXT_ID + KEY_SIZE + 4,
	TOKEN_TEXT_LEN = 4 + 84, /* characters */
};

enum token_kind {
	TOKEN_ENROLMENT, /* ct1_ */
	TOKEN_AGENT,     /* ca1_ */
};

/* Appends the text without newline to a secret buffer. */
MUST enum err token_text_format(enum token_kind k,
				const uint8_t id[TOKEN_TEXT_ID],
				const struct secret *s, struct buf *out);

/* And back, blanks around it and one newline after it allowed. *s is made.
 * ERR_UNSUPPORTED: another version; ERR_INVALID says what is wrong (length, letter,
 * check) and never the token. */
MUST enum err token_text_parse(enum token_kind k, const char *text, size_t len,
			       uint8_t id[TOKEN_TEXT_ID], struct secret **s,
			       struct fault *f);

#endif
