/* Worker: the API operation a request asks for: X-Amz-Target of the JSON
 * protocols, Action of the Query protocols, S3's by method and path. Stated only
 * when the service can read it one way alone. */
#include "modules/aws-sigv4/sigv4.h"

static const struct str none = { NULL, 0 };

/* What was found so far; two that differ make it uncertain. */
struct found {
	struct str action;
	bool sure;
};

static void found_add(struct found *f, struct str action)
{
	if (f->action.p && !str_is(f->action, action))
		f->sure = false;
	f->action = action;
}

/* A service's operation is letters and digits; anything else is not one. */
static bool action_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z') &&
		    (c < '0' || c > '9') && c != '_')
			return false;
	}
	return s.n != 0;
}

static void query_read(const struct request *r, struct found *f)
{
	for (size_t i = 0; i < r->pairs; i++)
		if (str_is_nocase(r->pair[i].name, STR("action")))
			found_add(f, r->pair[i].value);
}

/* One name=value of a form, where blanks may be '+'; a name that decodes to
 * action counts however it is written. */
static void field_read(const struct job *j, struct str piece, struct found *f)
{
	enum {
		NAME_MAX_ENCODED = 18
	}; /* six letters as %HH */
	size_t eq = str_find(piece, 0, '=');
	uint8_t plain[NAME_MAX_ENCODED];
	struct pen name = { .p = plain, .cap = sizeof plain }, value;

	if (eq > NAME_MAX_ENCODED || !decode(&name, str_cut(piece, 0, eq)) ||
	    !str_is_nocase(pen_done(&name), STR("action")))
		return;
	value = pen_on(j->arena, piece.n);
	if (eq < piece.n && !decode(&value, str_cut(piece, eq + 1, piece.n)))
		f->sure = false;
	found_add(f, pen_done(&value));
}

static bool is_form(const struct request *r)
{
	static const char form[] = "application/x-www-form-urlencoded";
	struct str type = header_only(r, r->type);
	size_t end = str_find(type, 0, ';');

	while (end && type.p[end - 1] == ' ')
		end--;
	return str_is_nocase(str_cut(type, 0, end), str_from(form));
}

/* The form in the body. An action there counts only if it is a form by its
 * header too; found in anything else it makes the answer uncertain. */
static void body_read(const struct job *j, const struct request *r,
		      struct found *f)
{
	struct found own = { .sure = true };

	for (size_t at = 0; at < r->body.n;) {
		size_t end = str_find(r->body, at, '&');

		field_read(j, str_cut(r->body, at, end), &own);
		at = end + 1;
	}
	if (!own.action.p)
		return;
	if (!own.sure || !is_form(r))
		f->sure = false;
	found_add(f, own.action);
}

/* True if the request has no body but the one that policy sees and that the
 * signature covers. */
static bool body_certain(const struct request *r)
{
	bool bound =
		r->payload != PAYLOAD_UNSIGNED && r->payload != PAYLOAD_IGNORED;
	bool shown =
		r->has_body || (!r->body_hash.p && r->payload != PAYLOAD_HASH);

	return bound && shown;
}

static struct str action_query(const struct job *j, const struct request *r)
{
	struct found f = { .sure = true };

	query_read(r, &f);
	if (!body_certain(r))
		f.sure = str_is(r->method, STR("GET")) && f.sure;
	body_read(j, r, &f);
	return f.sure && action_ok(f.action) ? f.action : none;
}

/* Service_20120810.Operation: what follows the last dot. */
static struct str action_target(const struct request *r)
{
	struct str t = header_only(r, r->x_target);
	size_t at = 0;

	for (size_t dot; (dot = str_find(t, at, '.')) < t.n;)
		at = dot + 1;
	return str_cut(t, at, t.n);
}

struct str action_find(const struct job *j, const struct request *r)
{
	struct str action, other;

	if (r->s3)
		return s3op_find(j, r);
	other = action_query(j, r);
	if (!r->x_target)
		return other;
	action = action_target(r);
	if (!action_ok(action) || (other.p && !str_is(action, other)))
		return none;
	return action;
}
