/* The text of an HTTP/1.1 request (RFC 9112), as a person or a program hands it
 * over to be signed, and the same text with what a signature added.
 *
 * Request line, header lines, blank line, body; the blank line may be missing when
 * there is no body. Lines end in LF or CRLF. Folded lines are joined by one blank.
 * All else is strict. The parser runs in the client only: credd never reads HTTP
 * text of a stranger. */
#ifndef LIB_HTTP_H
#define LIB_HTTP_H

#include "lib/attr.h"

enum {
	HTTP_METHOD_MAX = 32,
	HTTP_TARGET_MAX = 64 << 10, /* bytes of the request target */
	HTTP_HEAD_MAX = 1 << 20,    /* bytes up to and with the blank line */
	HTTP_HEADERS_MAX = 1000,    /* header lines */
	HTTP_OUT_MAX = 4 << 20,     /* a composed head */
};

/* Bytes borrowed from the text. */
struct http_str {
	const char *p;
	size_t len;
};

struct http_header {
	struct http_str name;
	struct http_str value; /* without blanks around it, unfolded */
	struct http_str line;  /* as it came, without its line end */
	char *unfolded;        /* owned; NULL for a line that was not folded */
};

struct http_request {
	struct http_str method;
	struct http_str target;
	struct http_str version; /* HTTP/1.1 or HTTP/1.0 */
	const char *eol;         /* "\n" or "\r\n", as the request line ends */
	struct http_header *header; /* owned array */
	size_t count;
};

/* True once text holds the whole head: a blank line was seen. *head_len is the
 * bytes of the head with its blank line. A text without blank line is a head
 * only if nothing follows it (head_len = len then). */
bool http_head_ends(const char *text, size_t len, size_t *head_len);

/* Parses a head of len bytes; r borrows from text. raw: the target may hold
 * blanks and bytes over 127 (target=raw); NUL, CR and LF never. ERR_INVALID or
 * ERR_TOO_LARGE with the reason in f; r needs no wiping then. */
MUST enum err http_parse(const char *text, size_t len, bool raw,
			 struct http_request *r, struct fault *f);
void http_wipe(struct http_request *r);

/* The first header of that name, in any case; NULL if there is none. */
const struct http_header *http_find(const struct http_request *r,
				    const char *name);
bool http_name_is(struct http_str name, const char *other);

/* Appends method= target= header=NAME:VALUE … */
MUST enum err http_attrs(const struct http_request *r, struct attrs *out);

/* What a module's reply asks for: header= to add ("Name: value"), query= to append
 * to the target, drop_header= and drop_query= (names) to leave out, target= to put
 * in place of the target. Refuses additions that would break the text:
 * ERR_MODULE_FAILED. */
MUST enum err http_additions_check(struct attr_view reply, struct fault *f);

/* The target with the reply's changes. */
MUST enum err http_out_target(const struct http_request *r,
			      struct attr_view reply, struct buf *out);
/* The whole head, blank line included, for the body to follow. */
MUST enum err http_out_head(const struct http_request *r,
			    struct attr_view reply, struct buf *out);
/* Only the header lines that were added, each ended by LF. */
MUST enum err http_out_headers(struct attr_view reply, struct buf *out);
/* scheme://host/target, bytes that no URL may hold percent-encoded. ERR_INVALID
 * when there is not exactly one Host header. */
MUST enum err http_out_url(const struct http_request *r, struct attr_view reply,
			   const char *scheme, struct buf *out,
			   struct fault *f);

#endif
