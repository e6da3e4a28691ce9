/* Signing an HTTP request: text in, text with the signature out. Runs in clients;
 * holds the request, never a secret. */
#include "lib/client.h"
#include "lib/enc.h"

#include <stdlib.h>
#include <string.h>

static struct cretula_signed *signed_new(const char *head, size_t len)
{
	struct cretula_signed *s = xcalloc(1, sizeof *s);

	s->head = xmemdup(head, len);
	buf_init(&s->body, SIZE_MAX / 4);
	for (size_t i = 0; i < NELEM(s->text); i++)
		buf_init(&s->text[i], SIZE_MAX / 4);
	return s;
}

void cretula_signed_free(struct cretula_signed *s)
{
	if (!s)
		return;
	http_wipe(&s->request);
	free(s->head);
	buf_wipe(&s->body);
	for (size_t i = 0; i < NELEM(s->text); i++)
		buf_wipe(&s->text[i]);
	cretula_answer_free(s->answer);
	free(s);
}

static enum cretula_err run_request(struct cretula *c, const char *credential,
				    const struct client_options *o,
				    const struct client_body *body,
				    struct cretula_signed *s,
				    struct cretula_error *err)
{
	struct cretula_list list;
	struct fault f = { 0 };
	enum cretula_err ce;
	enum err e;

	attrs_init(&list.a);
	ce = client_request(&s->request, o, body, &list.a, err);
	if (!ce)
		ce = cretula_run(c, credential, o->op, &list, &s->answer, err);
	attrs_wipe(&list.a);
	if (ce)
		return ce;
	e = http_additions_check(attrs_view(&s->answer->reply.a), &f);
	return e == OK ? CRETULA_ERR_NONE : client_fault(err, e, &f);
}

enum cretula_err client_sign(struct cretula *c, const char *credential,
			     const struct client_options *o, const char *head,
			     size_t head_len, const struct client_body *body,
			     struct cretula_signed **out,
			     struct cretula_error *err)
{
	struct cretula_signed *s = signed_new(head, head_len);
	struct fault f = { 0 };
	enum err parsed =
		http_parse(s->head, head_len, o->raw, &s->request, &f);
	enum cretula_err e;

	memcpy(s->scheme, o->scheme, sizeof s->scheme);
	if (parsed != OK)
		e = client_fault(err, parsed, &f);
	else
		e = run_request(c, credential, o, body, s, err);
	if (e) {
		cretula_signed_free(s);
		return e;
	}
	*out = s;
	return CRETULA_ERR_NONE;
}

static enum cretula_err sign_whole(struct cretula *c, const char *credential,
				   const struct cretula_list *options,
				   const char *head, size_t head_len,
				   const struct client_body *body,
				   struct cretula_signed **out,
				   struct cretula_error *err)
{
	struct attr_view given =
		options ? attrs_view(&options->a) : (struct attr_view){ 0 };
	struct client_options o;
	enum cretula_err e = client_options(given, &o, err);

	if (e)
		return e;
	e = client_sign(c, credential, &o, head, head_len, body, out, err);
	client_options_wipe(&o);
	if (!e && body->p && body->len) {
		enum err put =
			buf_put(&(*out)->body, body->p, (size_t)body->len);
		ENSURE(put == OK);
	}
	return e;
}

enum cretula_err cretula_sign_http(struct cretula *c, const char *credential,
				   const struct cretula_list *options,
				   const void *text, size_t len,
				   struct cretula_signed **s,
				   struct cretula_error *err)
{
	struct client_body body = { 0 };
	size_t head_len;

	(void)http_head_ends(text, len, &head_len);
	body.p = (const char *)text + head_len;
	body.len = len - head_len;
	return sign_whole(c, credential, options, text, head_len, &body, s,
			  err);
}

/* Text that stays within its line. */
static bool one_line(const char *s)
{
	return s && !strpbrk(s, "\r\n");
}

static enum cretula_err head_of(const struct cretula_request *r,
				struct buf *head, struct cretula_error *err)
{
	enum err e = OK;

	if (!one_line(r->method) || !one_line(r->target))
		return client_fail(err, ERR_INVALID,
				   "method or target is missing, or holds a "
				   "line end");
	e = buf_fmt(head, "%s %s HTTP/1.1\r\n", r->method, r->target);
	for (size_t i = 0; r->header && r->header[i] && e == OK; i++) {
		const char *h = r->header[i];

		if (!one_line(h) || h[0] == ' ' || h[0] == '\t' || !h[0])
			return client_fail(err, ERR_INVALID,
					   "header %zu is not one line 'Name: "
					   "value'",
					   i);
		e = buf_fmt(head, "%s\r\n", h);
	}
	if (e == OK)
		e = buf_str(head, "\r\n");
	if (e != OK)
		return client_fail(err, e,
				   "the request's head is over %d bytes",
				   HTTP_HEAD_MAX);
	return CRETULA_ERR_NONE;
}

static enum cretula_err body_of(const struct cretula_request *r,
				struct client_body *body,
				struct cretula_error *err)
{
	uint8_t hash[32];

	body->p = r->body;
	body->len = r->body ? r->body_len : 0;
	if (!r->body_sha256)
		return CRETULA_ERR_NONE;
	if (strlen(r->body_sha256) != 64 ||
	    enc_hex_parse(r->body_sha256, 64, hash, sizeof hash) != OK)
		return client_fail(err, ERR_INVALID,
				   "body_sha256 is not 64 hex digits");
	if (r->body)
		return client_fail(err, ERR_INVALID,
				   "a request has a body or its digest, not "
				   "both");
	enc_hex(hash, sizeof hash, body->sha256);
	return CRETULA_ERR_NONE;
}

enum cretula_err cretula_sign_request(struct cretula *c, const char *credential,
				      const struct cretula_list *options,
				      const struct cretula_request *request,
				      struct cretula_signed **s,
				      struct cretula_error *err)
{
	struct client_body body = { 0 };
	enum cretula_err e = body_of(request, &body, err);
	struct buf head;

	if (e)
		return e;
	buf_init(&head, HTTP_HEAD_MAX);
	e = head_of(request, &head, err);
	if (!e)
		e = sign_whole(c, credential, options, (const char *)head.p,
			       head.len, &body, s, err);
	buf_wipe(&head);
	return e;
}

static enum err compose(struct cretula_signed *s, enum cretula_form form,
			struct buf *out, struct fault *f)
{
	struct attr_view reply = attrs_view(&s->answer->reply.a);

	switch (form) {
	case CRETULA_SIGNED_REQUEST:
		TRY(http_out_head(&s->request, reply, out));
		return buf_put(out, s->body.p, s->body.len);
	case CRETULA_SIGNED_HEAD:
		return http_out_head(&s->request, reply, out);
	case CRETULA_SIGNED_HEADERS:
		return http_out_headers(reply, out);
	case CRETULA_SIGNED_TARGET:
		return http_out_target(&s->request, reply, out);
	case CRETULA_SIGNED_URL:
		if (!attr_count(reply, "query"))
			return fault_set(f, ERR_INVALID,
					 "nothing was added to the URL: ask "
					 "for it with op=presign");
		return http_out_url(&s->request, reply, s->scheme, out, f);
	}
	return ERR_INVALID;
}

enum cretula_err cretula_signed_get(struct cretula_signed *s,
				    enum cretula_form form,
				    struct cretula_text *text,
				    struct cretula_error *err)
{
	struct fault f = { 0 };
	struct buf *b;
	enum err e = OK;

	if ((unsigned)form >= NELEM(s->text))
		return client_fail(err, ERR_INVALID, "no such form");
	b = &s->text[form];
	if (!b->p) {
		e = compose(s, form, b, &f);
		if (e == OK)
			e = buf_u8(b, 0);
		if (e != OK) {
			buf_wipe(b);
			return client_fault(err, e, &f);
		}
	}
	*text = (struct cretula_text){ (const char *)b->p, b->len - 1 };
	return CRETULA_ERR_NONE;
}

const struct cretula_list *cretula_signed_reply(const struct cretula_signed *s)
{
	return &s->answer->reply;
}
