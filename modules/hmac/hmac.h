/* The request of one call and the template of one credential. */
#ifndef HMAC_H
#define HMAC_H

#include "include/cretula/module.h"
#include "lib/base.h"

#include <string.h>

#pragma GCC visibility push(hidden)

enum {
	PARTS_MAX = 32,      /* pieces of a template */
	TEMPLATE_MAX = 4096, /* bytes of one */
	TARGET_MAX = 64 << 10,
	NONCE_SIZE = 32, /* hex digits of one that is made here */
	SHA256_HEX = 64,
	NUMBER = 24, /* room for a number in decimal */
};

/* Bytes that somebody else owns; p NULL: not there. */
struct bytes {
	const uint8_t *p;
	size_t n;
};

enum field {
	FIELD_TEXT, /* the template's own bytes */
	FIELD_METHOD,
	FIELD_TARGET,
	FIELD_PATH,
	FIELD_QUERY,
	FIELD_HOST,
	FIELD_BODY,
	FIELD_BODY_SHA256,
	FIELD_TIME,
	FIELD_TIME_MS,
	FIELD_NONCE,
	FIELD_HEADER, /* `text` is its name */
};

struct part {
	enum field field;
	struct bytes text;
};

struct template
{
	size_t count; /* 0: the credential has none */
	struct part part[PARTS_MAX];
};

/* The request, as policy and signing read it; borrows from the attributes. */
struct request {
	const struct cretula_attrs *attrs;
	struct bytes data;
	struct bytes method, target, path, query, host;
	struct bytes body, body_sha256, nonce;
	bool http; /* any part of an HTTP request is there */
	int64_t time;
	char time_text[NUMBER], time_ms_text[NUMBER];
	char hash_text[SHA256_HEX + 1];
	char nonce_text[NONCE_SIZE + 1];
};

struct job {
	const struct cretula_host *host;
	struct cretula_call *call;
};

#define REFUSE(j, ...)                                                         \
	((j)->host->fail((j)->call, CRETULA_INVALID, __VA_ARGS__))

/* Returns from the calling function unless it is OK. */
#define DO(e)                                                                  \
	do {                                                                   \
		enum cretula_result do_ = (e);                                 \
		if (do_ != CRETULA_OK)                                         \
			return do_;                                            \
	} while (0)

static inline bool bytes_is(struct bytes b, const char *s)
{
	return b.n == strlen(s) && !memcmp(b.p, s, b.n);
}

/* The attribute of that name; p NULL if there is none. */
struct bytes attrs_get(const struct cretula_attrs *a, const char *name);

/* Refuses a list in which a name other than `but` (may be NULL) repeats. */
MUST enum cretula_result attrs_once(const struct job *j,
				    const struct cretula_attrs *a,
				    const char *but);

/* template.c: borrows from text, which must stay. */
MUST enum cretula_result template_parse(const struct job *j, struct bytes text,
					struct template *t);
bool template_uses(const struct template *t, enum field field);

/* request.c */
MUST enum cretula_result request_parse(const struct job *j, const char *op,
				       const struct cretula_attrs *a,
				       struct request *r);

/* The value of the n-th header of that name (any case), without the blanks around
 * it; p NULL if there are not so many. */
struct bytes request_header(const struct request *r, struct bytes name,
			    size_t n);

MUST enum cretula_result request_facts(const struct job *j,
				       const struct request *r);

#pragma GCC visibility pop

#endif
