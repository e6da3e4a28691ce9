/* Worker: canonical request, string to sign, signature and reply. Holds one
 * credential. */
#include "modules/aws-sigv4/sign.h"

#include "lib/enc.h"

#include <stdlib.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define EMPTY_HASH                                                             \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* The pieces of one signature, all in the call's arena. */
struct work {
	const struct job *j;
	struct signer *s;
	struct request *r;
	struct str scope;   /* day/region/service/aws4_request */
	struct str signed_; /* the names of what is signed, joined by ';' */
	struct str query;   /* canonical, complete */
	struct str added;   /* presign: what is added to the query */
	struct str hash;    /* the payload's, or UNSIGNED-PAYLOAD */
	struct str canonical;
	struct str to_sign;
	struct str signature;
};

static enum cretula_result failed(const struct job *j)
{
	return j->host->fail(j->call, CRETULA_FAILED,
			     "libcrypto refused to compute a hash");
}

static enum cretula_result sha256(struct work *w, struct str data,
				  struct str *hex)
{
	uint8_t hash[SHA256_SIZE];
	char *text = arena_get(w->j->arena, HASH_HEX + 1);

	if (EVP_DigestInit_ex(w->s->digest, w->s->sha256, NULL) != 1 ||
	    EVP_DigestUpdate(w->s->digest, data.p, data.n) != 1 ||
	    EVP_DigestFinal_ex(w->s->digest, hash, NULL) != 1)
		return failed(w->j);
	enc_hex(hash, sizeof hash, text);
	*hex = (struct str){ (const uint8_t *)text, HASH_HEX };
	return CRETULA_OK;
}

/* The hash of the body that is there, against what was said of it. */
static enum cretula_result body_hash(struct work *w)
{
	const struct request *r = w->r;
	struct str said = r->payload == PAYLOAD_HASH ? r->hash : r->body_hash;

	if (!r->has_body) {
		w->hash = said.n ? said : STR(EMPTY_HASH);
		return CRETULA_OK;
	}
	DO(sha256(w, r->body, &w->hash));
	if (said.n && !str_is(said, w->hash))
		return REFUSE(w->j, "the body's SHA-256 is not the one that "
				    "the request states");
	return CRETULA_OK;
}

static enum cretula_result hash_make(struct work *w)
{
	switch (w->r->payload) {
	case PAYLOAD_UNSIGNED:
		w->hash = STR("UNSIGNED-PAYLOAD");
		return CRETULA_OK;
	case PAYLOAD_IGNORED:
		w->hash = STR(EMPTY_HASH);
		return CRETULA_OK;
	case PAYLOAD_DEFAULT:
	case PAYLOAD_SIGNED:
	case PAYLOAD_HASH:
		return body_hash(w);
	}
	return failed(w->j);
}

/* Puts a header of ours among the sorted ones, after those of its name (there are
 * none: the parser refused or dropped them). */
static void header_insert(struct request *r, struct str name, struct str value)
{
	size_t at = r->headers;

	while (at && str_order(r->header[at - 1].name, name) > 0) {
		r->header[at] = r->header[at - 1];
		at--;
	}
	r->header[at] = (struct header){ .name = name, .value = value };
	r->headers++;
	r->headers_sum += name.n + value.n;
}

static struct str stamp(const struct request *r)
{
	return (struct str){ (const uint8_t *)r->stamp, STAMP };
}

/* The headers we add, in header mode, take part in signing. */
static void headers_add(struct work *w)
{
	enum {
		ADDED = 3
	};
	struct request *r = w->r;
	struct header *all =
		arena_get(w->j->arena, (r->headers + ADDED) * sizeof *all);

	memcpy(all, r->header, r->headers * sizeof *all);
	r->header = all;
	if (r->presign)
		return;
	if (r->add_date)
		header_insert(r, STR("x-amz-date"), stamp(r));
	if (r->send_hash)
		header_insert(r, STR("x-amz-content-sha256"), w->hash);
	if (w->s->token.n && !r->token_unsigned)
		header_insert(r, STR("x-amz-security-token"), w->s->token);
}

static void scope_make(struct work *w)
{
	const struct request *r = w->r;
	struct pen p =
		pen_on(w->j->arena, DAY + r->region.n + r->service.n + 16);

	pen_put(&p, r->stamp, DAY);
	pen_byte(&p, '/');
	pen_str(&p, r->region);
	pen_byte(&p, '/');
	pen_str(&p, r->service);
	PEN_TEXT(&p, "/aws4_request");
	w->scope = pen_done(&p);
}

/* True if header i is the first of its name. */
static bool first_of_name(const struct request *r, size_t i)
{
	return !i || !str_is(r->header[i].name, r->header[i - 1].name);
}

static void signed_names(struct work *w)
{
	const struct request *r = w->r;
	struct pen p = pen_on(w->j->arena, r->headers_sum + r->headers);

	for (size_t i = 0; i < r->headers; i++) {
		if (r->header[i].kind == HEADER_NEVER || !first_of_name(r, i))
			continue;
		if (p.len)
			pen_byte(&p, ';');
		pen_str(&p, r->header[i].name);
	}
	w->signed_ = pen_done(&p);
}

static void param(struct pen *p, struct str name, struct str value)
{
	if (p->len)
		pen_byte(p, '&');
	pen_str(p, name);
	pen_byte(p, '=');
	encode(p, value, false);
}

static struct str credential(struct work *w)
{
	struct pen p = pen_on(w->j->arena, w->s->access_key.n + 1 + w->scope.n);

	pen_str(&p, w->s->access_key);
	pen_byte(&p, '/');
	pen_str(&p, w->scope);
	return pen_done(&p);
}

static struct str decimal(struct arena *arena, uint32_t v)
{
	enum {
		DIGITS = 10
	};
	uint8_t *p = arena_get(arena, DIGITS);
	size_t at = DIGITS;

	do
		p[--at] = (uint8_t)('0' + v % 10);
	while (v /= 10);
	return (struct str){ p + at, DIGITS - at };
}

/* What presigning adds. These names and values sort as they are written here, and
 * the token too unless it is left unsigned: then it comes last. */
static void presign_params(struct work *w)
{
	struct str token = w->s->token, cred = credential(w);
	struct str expires = decimal(w->j->arena, w->r->expires);
	struct pen p = pen_on(w->j->arena,
			      256 + 3 * (cred.n + token.n + w->signed_.n));

	param(&p, STR("X-Amz-Algorithm"), STR(ALGORITHM));
	param(&p, STR("X-Amz-Credential"), cred);
	param(&p, STR("X-Amz-Date"), stamp(w->r));
	param(&p, STR("X-Amz-Expires"), expires);
	if (token.n && !w->r->token_unsigned)
		param(&p, STR("X-Amz-Security-Token"), token);
	param(&p, STR("X-Amz-SignedHeaders"), w->signed_);
	w->added = pen_done(&p);
}

static void pair_put(struct pen *p, const struct pair *q)
{
	if (p->len)
		pen_byte(p, '&');
	pen_str(p, q->name);
	pen_byte(p, '=');
	pen_str(p, q->value);
}

/* Sorted pairs with the added block where it belongs: its parameters are
 * neighbours unless the request has one that sorts between them. */
static bool sorts_inside(const struct request *r)
{
	for (size_t i = 0; i < r->pairs; i++)
		if (str_order(r->pair[i].name, STR("X-Amz-Algorithm")) >= 0 &&
		    str_order(r->pair[i].name, STR("X-Amz-SignedHeaders")) <= 0)
			return true;
	return false;
}

static int pair_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int d = str_order(x->name, y->name);

	return d ? d : str_order(x->value, y->value);
}

/* The rare case: split the block, and sort all. */
static void query_resort(struct work *w)
{
	enum {
		BLOCK = 8
	};
	struct request *r = w->r;
	struct pair *all =
		arena_get(w->j->arena, (r->pairs + BLOCK) * sizeof *all);

	memcpy(all, r->pair, r->pairs * sizeof *all);
	r->pair = all;
	for (size_t at = 0; at < w->added.n;) {
		size_t end = str_find(w->added, at, '&');
		size_t eq = str_find(w->added, at, '=');

		all[r->pairs++] = (struct pair){
			.name = str_cut(w->added, at, eq),
			.value = str_cut(w->added, eq + 1, end),
		};
		at = end + 1;
	}
	qsort(all, r->pairs, sizeof *all, pair_order);
}

static size_t query_size(const struct work *w)
{
	size_t n = w->added.n + 1;

	for (size_t i = 0; i < w->r->pairs; i++)
		n += w->r->pair[i].name.n + w->r->pair[i].value.n + 2;
	return n;
}

static void query_canonical(struct work *w)
{
	struct str block = w->added;
	struct request *r = w->r;
	struct pen p;
	size_t i = 0;

	if (block.n && sorts_inside(r)) {
		query_resort(w);
		block.n = 0;
	}
	p = pen_on(w->j->arena, query_size(w));
	if (block.n)
		for (; i < r->pairs && str_order(r->pair[i].name, block) < 0;
		     i++)
			pair_put(&p, &r->pair[i]);
	if (block.n && p.len)
		pen_byte(&p, '&');
	pen_str(&p, block);
	for (; i < r->pairs; i++)
		pair_put(&p, &r->pair[i]);
	w->query = pen_done(&p);
}

static void headers_canonical(const struct request *r, struct pen *p)
{
	bool open = false;

	for (size_t i = 0; i < r->headers; i++) {
		const struct header *h = &r->header[i];

		if (h->kind == HEADER_NEVER)
			continue;
		if (first_of_name(r, i)) {
			if (open)
				pen_byte(p, '\n');
			pen_str(p, h->name);
			pen_byte(p, ':');
		} else {
			pen_byte(p, ',');
		}
		pen_str(p, h->value);
		open = true;
	}
	pen_byte(p, '\n');
}

static void canonical_make(struct work *w)
{
	const struct request *r = w->r;
	struct pen p =
		pen_on(w->j->arena, r->method.n + r->path.n + w->query.n +
					    r->headers_sum + 2 * r->headers +
					    w->signed_.n + w->hash.n + 8);

	pen_str(&p, r->method);
	pen_byte(&p, '\n');
	pen_str(&p, r->path);
	pen_byte(&p, '\n');
	pen_str(&p, w->query);
	pen_byte(&p, '\n');
	headers_canonical(r, &p);
	pen_byte(&p, '\n');
	pen_str(&p, w->signed_);
	pen_byte(&p, '\n');
	pen_str(&p, w->hash);
	w->canonical = pen_done(&p);
}

static enum cretula_result to_sign_make(struct work *w)
{
	struct str hash;
	struct pen p = pen_on(w->j->arena, 32 + STAMP + w->scope.n + HASH_HEX);

	DO(sha256(w, w->canonical, &hash));
	PEN_TEXT(&p, ALGORITHM "\n");
	pen_str(&p, stamp(w->r));
	pen_byte(&p, '\n');
	pen_str(&p, w->scope);
	pen_byte(&p, '\n');
	pen_str(&p, hash);
	w->to_sign = pen_done(&p);
	return CRETULA_OK;
}

static enum cretula_result signature_make(struct work *w)
{
	uint8_t mac[SHA256_SIZE];
	char *text = arena_get(w->j->arena, HASH_HEX + 1);

	if (!keys_sign(w->s->keys, w->r->stamp, w->r->region, w->r->service,
		       w->to_sign, mac))
		return failed(w->j);
	enc_hex(mac, sizeof mac, text);
	w->signature = (struct str){ (const uint8_t *)text, HASH_HEX };
	return CRETULA_OK;
}

static enum cretula_result reply(struct work *w, const char *name, struct str v)
{
	return w->j->host->reply(w->j->call, name, v.p, v.n);
}

static enum cretula_result reply_header(struct work *w, struct str name,
					struct str value)
{
	struct pen p = pen_on(w->j->arena, name.n + 2 + value.n);

	pen_str(&p, name);
	PEN_TEXT(&p, ": ");
	pen_str(&p, value);
	return reply(w, "header", pen_done(&p));
}

static struct str authorization(struct work *w)
{
	struct str cred = credential(w);
	struct pen p =
		pen_on(w->j->arena, 80 + cred.n + w->signed_.n + HASH_HEX);

	PEN_TEXT(&p, ALGORITHM " Credential=");
	pen_str(&p, cred);
	PEN_TEXT(&p, ", SignedHeaders=");
	pen_str(&p, w->signed_);
	PEN_TEXT(&p, ", Signature=");
	pen_str(&p, w->signature);
	return pen_done(&p);
}

static enum cretula_result reply_headers(struct work *w)
{
	const struct request *r = w->r;

	if (r->add_date)
		DO(reply_header(w, STR("X-Amz-Date"), stamp(r)));
	if (r->send_hash)
		DO(reply_header(w, STR("X-Amz-Content-Sha256"), w->hash));
	if (w->s->token.n)
		DO(reply_header(w, STR("X-Amz-Security-Token"), w->s->token));
	return reply_header(w, STR("Authorization"), authorization(w));
}

static enum cretula_result reply_query(struct work *w)
{
	struct str token = w->s->token;
	struct pen p =
		pen_on(w->j->arena, w->added.n + 3 * token.n + HASH_HEX + 64);

	pen_str(&p, w->added);
	if (token.n && w->r->token_unsigned)
		param(&p, STR("X-Amz-Security-Token"), token);
	param(&p, STR("X-Amz-Signature"), w->signature);
	return reply(w, "query", pen_done(&p));
}

static enum cretula_result reply_drops(struct work *w)
{
	const struct request *r = w->r;

	for (size_t i = 0; i < r->drop_headers; i++)
		DO(reply(w, "drop_header", r->drop_header[i]));
	for (size_t i = 0; i < r->drop_queries; i++)
		DO(reply(w, "drop_query", r->drop_query[i]));
	return CRETULA_OK;
}

static enum cretula_result reply_all(struct work *w)
{
	DO(reply_drops(w));
	DO(w->r->presign ? reply_query(w) : reply_headers(w));
	if (!w->r->explain)
		return CRETULA_OK;
	DO(reply(w, "canonical_request", w->canonical));
	return reply(w, "string_to_sign", w->to_sign);
}

/* Nothing is signed that outlives the credential. */
static enum cretula_result life_check(const struct job *j,
				      const struct signer *s,
				      const struct request *r)
{
	int64_t now = j->host->now(j->call);
	int64_t from = r->time > now ? r->time : now;

	if (!s->ends)
		return CRETULA_OK;
	if (from >= s->not_after)
		return j->host->fail(j->call, CRETULA_EXPIRED,
				     "the credential ended at %s: rotate it",
				     s->ends_text);
	if (r->presign && r->time + r->expires > s->not_after)
		return REFUSE(j,
			      "the presigned request would outlive the "
			      "credential, which ends at %s: give expires= "
			      "of at most %lld",
			      s->ends_text,
			      (long long)(s->not_after - r->time));
	return CRETULA_OK;
}

enum cretula_result sign_request(const struct job *j, struct signer *s,
				 struct request *r)
{
	struct work w = { .j = j, .s = s, .r = r };

	DO(life_check(j, s, r));
	DO(hash_make(&w));
	headers_add(&w);
	scope_make(&w);
	signed_names(&w);
	if (r->presign)
		presign_params(&w);
	query_canonical(&w);
	canonical_make(&w);
	DO(to_sign_make(&w));
	DO(signature_make(&w));
	return reply_all(&w);
}
