/* Worker: the request target: path and query in the canonical form that is
 * signed. S3 reads the path as it is and encodes it once; the other services
 * normalise it and encode once more what travelled encoded already. */
#include "lib/enc.h"
#include "modules/aws-sigv4/sigv4.h"

#include <stdlib.h>

/* Parameters that an earlier presigning leaves behind. */
static const struct str stale_query[] = {
	STR_OF("x-amz-algorithm"),      STR_OF("x-amz-credential"),
	STR_OF("x-amz-date"),           STR_OF("x-amz-expires"),
	STR_OF("x-amz-security-token"), STR_OF("x-amz-signature"),
	STR_OF("x-amz-signedheaders"),  STR_OF("x-amz-region-set"),
};

/* The same of S3's version 2, which no other service knows. */
static const struct str stale_query_s3[] = { STR_OF("awsaccesskeyid"),
					     STR_OF("signature") };

static bool is_stale(struct str name, bool s3)
{
	if (name.n > 6 && (name.p[0] == 'x' || name.p[0] == 'X'))
		for (size_t i = 0; i < NELEM(stale_query); i++)
			if (str_is_nocase(name, stale_query[i]))
				return true;
	for (size_t i = 0; s3 && i < NELEM(stale_query_s3); i++)
		if (str_is_nocase(name, stale_query_s3[i]))
			return true;
	return false;
}

static enum cretula_result wire_check(const struct job *j, struct str t)
{
	for (size_t i = 0; i < t.n; i++) {
		uint8_t c = t.p[i];

		if (c > 0x7e)
			return REFUSE(j, "the target has a byte that is not "
					 "ASCII: percent-encode it, or give "
					 "target=raw");
		if (c == ' ')
			return REFUSE(j, "the target has a blank: "
					 "percent-encode it, or give "
					 "target=raw");
		if (c == '#')
			return REFUSE(j, "the target has a fragment ('#'), "
					 "which is never sent: take it out, "
					 "or write %%23");
	}
	return CRETULA_OK;
}

static enum cretula_result form_check(const struct job *j, struct str t,
				      bool raw)
{
	if (t.n > TARGET_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "the target is over %d bytes", TARGET_MAX);
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] < 0x20 || t.p[i] == 0x7f)
			return REFUSE(j, "the target has a control character: "
					 "percent-encode it");
	if (t.n && t.p[0] != '/' && t.p[0] != '?')
		return REFUSE(j, "the target does not start with '/': give "
				 "path and query only, and the host in the "
				 "host header");
	if (!raw)
		return wire_check(j, t);
	if (!enc_utf8_ok(t.p, t.n))
		return REFUSE(j, "the target is not valid UTF-8");
	return CRETULA_OK;
}

/* Takes out empty and '.' segments and what '..' goes back over, as AWS does
 * it: a final '/' stays, a final '/.' leaves none. */
static struct str normalized(struct arena *arena, struct str path)
{
	struct pen w = pen_on(arena, path.n + 1);
	size_t at = 0;

	while (at < path.n) {
		size_t end = str_find(path, at, '/');
		struct str seg = str_cut(path, at, end);

		at = end + 1;
		if (!seg.n || str_is(seg, STR(".")))
			continue;
		if (!str_is(seg, STR(".."))) {
			pen_byte(&w, '/');
			pen_str(&w, seg);
			continue;
		}
		while (w.len && w.p[--w.len] != '/')
			;
	}
	if (!w.len || path.p[path.n - 1] == '/')
		pen_byte(&w, '/');
	return pen_done(&w);
}

static enum cretula_result escapes_bad(const struct job *j)
{
	return REFUSE(j, "the target has a '%%' that two hex digits do not "
			 "follow: write %%25, or give target=raw");
}

/* An encoded path with every sequence undone and done again the one way. */
static enum cretula_result path_make(const struct job *j, struct str path,
				     bool normalize, struct request *r)
{
	struct pen plain, w;

	if (!path.n)
		path = STR("/");
	plain = pen_on(j->arena, path.n);
	if (!r->raw && !decode(&plain, path))
		return escapes_bad(j);
	if (r->s3 && !r->raw)
		path = pen_done(&plain);
	if (!r->s3 && normalize) {
		struct str sent = path;

		path = normalized(j->arena, path);
		if (!str_is(path, sent)) {
			w = pen_on(j->arena, 3 * sent.n);
			encode(&w, sent, true);
			r->path_sent = pen_done(&w);
		}
	}
	w = pen_on(j->arena, 3 * path.n);
	encode(&w, path, true);
	r->path = pen_done(&w);
	return CRETULA_OK;
}

/* One canonical piece: decoded, unless raw, and encoded. */
static bool piece_make(struct arena *arena, struct str s, bool raw,
		       struct str *out)
{
	struct pen w = pen_on(arena, 3 * s.n);

	if (!raw && str_find(s, 0, '%') < s.n) {
		struct pen plain = pen_on(arena, s.n);

		if (!decode(&plain, s))
			return false;
		s = pen_done(&plain);
	}
	encode(&w, s, false);
	*out = pen_done(&w);
	return true;
}

static enum cretula_result pair_add(const struct job *j, struct str piece,
				    struct request *r)
{
	struct pair *one = &r->pair[r->pairs];
	size_t eq = str_find(piece, 0, '=');
	size_t value = eq < piece.n ? eq + 1 : eq;
	struct str name = str_cut(piece, 0, eq);

	if (!piece_make(j->arena, name, r->raw, &one->name) ||
	    !piece_make(j->arena, str_cut(piece, value, piece.n), r->raw,
			&one->value))
		return escapes_bad(j);
	if (!is_stale(one->name, r->s3)) {
		r->pairs++;
		return CRETULA_OK;
	}
	if (!r->resign)
		return REFUSE(j,
			      "the query carries '%.*s' of an earlier "
			      "signing: take it out, or give resign=yes",
			      (int)one->name.n, (const char *)one->name.p);
	r->drop_query[r->drop_queries++] = name;
	return CRETULA_OK;
}

static int pair_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int d = str_order(x->name, y->name);

	return d ? d : str_order(x->value, y->value);
}

static size_t pieces(struct str query)
{
	size_t n = 1;

	for (size_t at = 0; (at = str_find(query, at, '&')) < query.n; at++)
		n++;
	return n;
}

static enum cretula_result query_make(const struct job *j, struct str query,
				      struct request *r)
{
	size_t n = pieces(query);

	if (n > QUERY_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "the query has over %d parameters",
				     QUERY_MAX);
	r->pair = arena_get(j->arena, n * sizeof *r->pair);
	r->drop_query = arena_get(j->arena, n * sizeof *r->drop_query);
	for (size_t at = 0; at < query.n;) {
		size_t end = str_find(query, at, '&');

		/* '&&' and a final '&' are no parameters. */
		if (end > at)
			DO(pair_add(j, str_cut(query, at, end), r));
		at = end + 1;
	}
	if (r->pairs > 1)
		qsort(r->pair, r->pairs, sizeof *r->pair, pair_order);
	return CRETULA_OK;
}

enum cretula_result target_parse(const struct job *j, struct str target,
				 bool normalize, struct request *r)
{
	size_t mark = str_find(target, 0, '?');
	size_t query = mark < target.n ? mark + 1 : mark;

	DO(form_check(j, target, r->raw));
	DO(path_make(j, str_cut(target, 0, mark), normalize, r));
	return query_make(j, str_cut(target, query, target.n), r);
}
