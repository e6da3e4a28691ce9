/* The request of one call, as parsed once: what policy is told and what is signed
 * are read from this one structure, so they cannot differ.
 *
 * Sources: AWS "Signature Version 4 for API requests"; for S3, "Authenticating
 * Requests (AWS Signature Version 4)" of the S3 API reference. */
#ifndef SIGV4_H
#define SIGV4_H

#include "include/cretula/module.h"
#include "modules/aws-sigv4/arena.h"

#pragma GCC visibility push(hidden)

enum {
	METHOD_MAX = 32,
	TARGET_MAX = 128 << 10,
	QUERY_MAX = 2048,        /* parameters */
	HEADERS_MAX = 1024,      /* lines */
	HEADER_MAX = 64 << 10,   /* bytes of one line */
	HEADERS_SUM = 256 << 10, /* bytes of all lines */
	SCOPE_MAX = 64,          /* bytes of a region, of a service */
	EXPIRES_DEFAULT = 900,
	EXPIRES_MAX = 604800, /* seven days, AWS's own limit */
	STAMP = 16,           /* YYYYMMDDTHHMMSSZ */
	DAY = 8,              /* its first bytes */
	HASH_HEX = 64,
};

/* What is special about a header. */
enum header_kind {
	HEADER_PLAIN,
	HEADER_NEVER, /* sent, not signed: proxies change or drop it */
	HEADER_HOST,
	HEADER_DATE,   /* x-amz-date */
	HEADER_SHA256, /* x-amz-content-sha256 */
	HEADER_AUTH,   /* of an earlier signing */
	HEADER_TARGET, /* x-amz-target */
	HEADER_TYPE,   /* content-type */
	HEADER_LENGTH, /* content-length */
	HEADER_COPY,   /* x-amz-copy-source */
};

struct header {
	struct str name;  /* lower case */
	struct str value; /* trimmed, inner blanks collapsed */
	struct str given; /* the name as it came */
	unsigned order;
	enum header_kind kind;
};

/* A query parameter, percent-encoded canonically. */
struct pair {
	struct str name;
	struct str value;
};

enum payload {
	PAYLOAD_DEFAULT, /* nothing was said */
	PAYLOAD_SIGNED,
	PAYLOAD_UNSIGNED,
	PAYLOAD_HASH,    /* the client said which hash */
	PAYLOAD_IGNORED, /* the hash of nothing, whatever the body */
};

/* Where a bucket's name is, if the host tells. */
enum style {
	STYLE_UNKNOWN,
	STYLE_PATH,    /* /bucket/key */
	STYLE_VIRTUAL, /* bucket.host/key */
};

struct request {
	bool presign;
	bool raw;
	bool resign;
	bool token_unsigned;
	bool explain;
	bool s3; /* encode once, never normalise */
	bool has_body;
	enum style style;
	struct str method;
	struct str path; /* canonical */
	struct str
		path_sent; /* as it travels, if that was normalised; or empty */
	struct pair *pair; /* canonical, sorted; never NULL */
	size_t pairs;
	struct header *header; /* sorted by name, then arrival */
	size_t headers;
	size_t headers_sum;   /* bytes of all names and values */
	struct str host;      /* lower case, no port */
	struct str host_name; /* the same, without a final dot */
	struct str region;
	struct str service;
	char stamp[STAMP + 1];
	int64_t time;
	bool add_date;
	uint32_t expires;
	enum payload payload;
	struct str hash; /* PAYLOAD_HASH: 64 hex digits */
	struct str body;
	struct str body_hash; /* body_sha256=, n 0 if not given */
	bool send_hash;       /* add X-Amz-Content-Sha256 */
	const struct header *x_target, *type, *copy; /* NULL: not there */
	struct str *drop_header; /* names to take out before sending */
	size_t drop_headers;
	struct str *drop_query; /* as they stand in the target */
	size_t drop_queries;
};

/* One call of the host's. */
struct job {
	const struct cretula_host *host;
	struct cretula_call *call;
	struct arena *arena;
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

/* request.c: reads the attributes into r, which borrows from them and from the
 * job's arena. Everything that is wrong with a request's form is refused here. */
MUST enum cretula_result request_parse(const struct job *j,
				       const char *operation,
				       const struct cretula_attrs *a,
				       struct request *r);

/* header.c: the header lines. Fills header…, host, and what the request says
 * about itself: its own date and hash come back in *date and *hash (n 0: none),
 * its content length in *length (0: none or none given). */
struct header_says {
	struct str date;
	struct str hash;
	bool has_length; /* content-length is there and not 0 */
};
MUST enum cretula_result headers_parse(const struct job *j,
				       const struct cretula_attrs *a,
				       struct request *r,
				       struct header_says *says);

/* The value of a header that is there once; empty if h is NULL or one of
 * several: what a service makes of those is not certain. */
struct str header_only(const struct request *r, const struct header *h);

/* target.c: splits the target and makes path and pair… of it. r->s3, raw and
 * resign are set. normalize: of the services that are not S3. */
MUST enum cretula_result target_parse(const struct job *j, struct str target,
				      bool normalize, struct request *r);

/* text.c: percent encoding. What is not A-Z a-z 0-9 - . _ ~ becomes %HH. */
void encode(struct pen *w, struct str s, bool keep_slash);

/* Undoes %HH; false if a '%' is not followed by two hex digits. */
MUST bool decode(struct pen *w, struct str s);

/* True if s is 64 lower-case hex digits. */
bool hash_ok(struct str s);

/* stamp.c: YYYYMMDDTHHMMSSZ and seconds since the epoch. */
MUST bool stamp_parse(struct str s, int64_t *t);

/* False outside the years 0000 to 9999. */
MUST bool stamp_format(int64_t t, char text[STAMP + 1]);

/* host.c: region, service and bucket style as an AWS host name tells them; n 0
 * where it does not. */
struct endpoint {
	struct str region;
	struct str service;
	enum style style;
};
void endpoint_read(struct str host, struct endpoint *e);
bool service_is_s3(struct str service);

/* action.c: the API operation a request asks for; n 0 if that is not certain. */
struct str action_find(const struct job *j, const struct request *r);

/* s3op.c: the same for S3, by method, path and sub-resource. */
struct str s3op_find(const struct job *j, const struct request *r);

/* facts.c: states the facts of r. */
MUST enum cretula_result facts_state(const struct job *j,
				     const struct request *r);

#pragma GCC visibility pop

#endif
