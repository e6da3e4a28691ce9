/* The audit log outside of its daemon: proofs and exported logs as JSON. Runs in
 * cretula; holds nothing: what is read may be anybody's. */
#include "tools/audit.h"

#include "lib/enc.h"

#include <jansson.h>
#include <string.h>

#define PROOF_TYPE "cretula-audit-proof-1"
#define LOG_TYPE   "cretula-audit-log-1"

enum {
	RECORD_MAX = 64 << 10, /* docs/audit.md */
};

static void json_end(json_t **j)
{
	json_decref(*j);
}

/* Writing */

static enum err dump(const json_t *j, struct buf *out)
{
	AUTO(mem_free) char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	if (!text)
		return ERR_INVALID;
	TRY(buf_str(out, text));
	return buf_u8(out, '\n');
}

static json_t *base64(const void *p, size_t n)
{
	struct buf b;
	json_t *j = NULL;

	buf_init(&b, 2 * RECORD_MAX);
	if (enc_base64(p, n, &b) == OK)
		j = json_stringn((const char *)b.p, b.len);
	buf_wipe(&b);
	return j;
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

void audit_proof_init(struct audit_proof *p)
{
	*p = (struct audit_proof){ 0 };
	buf_init(&p->record, RECORD_MAX);
	buf_init(&p->note, NOTE_MAX);
}

void audit_proof_wipe(struct audit_proof *p)
{
	buf_wipe(&p->record);
	buf_wipe(&p->note);
}

enum err audit_proof_format(const struct audit_proof *p, struct buf *out)
{
	json_t *path = json_array();

	for (unsigned i = 0; i < p->path.count; i++)
		(void)json_array_append_new(
			path, base64(p->path.path[i].b, MERKLE_HASH));
	AUTO(json_end)
	json_t *j = json_pack(
		"{ss, ss, so, so, so, so, so, so}", "type", PROOF_TYPE,
		"origin", p->log.origin, "key", base64(p->log.key, NOTE_PUBLIC),
		"index", number(p->index), "size", number(p->log.size),
		"record", base64(p->record.p, p->record.len), "hashes", path,
		"checkpoint",
		json_stringn((const char *)p->note.p, p->note.len));
	return dump(j, out);
}

enum err audit_line_log(const struct audit_log *log, struct buf *out)
{
	AUTO(json_end)
	json_t *j = json_pack("{ss, ss, so, so}", "type", LOG_TYPE, "origin",
			      log->origin, "key", base64(log->key, NOTE_PUBLIC),
			      "size", number(log->size));

	return dump(j, out);
}

enum err audit_line_note(struct attr note, struct buf *out)
{
	AUTO(json_end)
	json_t *j = json_pack("{so}", "checkpoint",
			      json_stringn((const char *)note.value, note.len));

	return dump(j, out);
}

enum err audit_line_record(uint64_t index, struct attr record, struct buf *out)
{
	AUTO(json_end)
	json_t *j = json_pack("{so, so}", "index", number(index), "record",
			      base64(record.value, record.len));

	return dump(j, out);
}

/* Reading */

static enum err missing(const char *name, struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "'%s' is missing, or not what it has "
			 "to be",
			 name);
}

static enum err take_text(const json_t *j, const char *name, const char **text,
			  size_t *len, struct fault *f)
{
	const json_t *v = json_object_get(j, name);

	if (!json_is_string(v))
		return missing(name, f);
	*text = json_string_value(v);
	*len = json_string_length(v);
	return OK;
}

static enum err take_base64(const json_t *v, const char *name, struct buf *out,
			    struct fault *f)
{
	if (!json_is_string(v) ||
	    enc_base64_parse(json_string_value(v), json_string_length(v),
			     out) != OK)
		return missing(name, f);
	return OK;
}

static enum err take_fixed(const json_t *v, const char *name, uint8_t *out,
			   size_t n, struct fault *f)
{
	struct buf b;
	enum err e;

	buf_init(&b, n);
	e = take_base64(v, name, &b, f);
	if (e == OK && b.len != n)
		e = missing(name, f);
	if (e == OK)
		memcpy(out, b.p, n);
	buf_wipe(&b);
	return e;
}

static enum err take_number(const json_t *j, const char *name, uint64_t *n,
			    struct fault *f)
{
	const json_t *v = json_object_get(j, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return missing(name, f);
	*n = (uint64_t)json_integer_value(v);
	return OK;
}

static enum err take_log(const json_t *j, struct audit_log *log,
			 struct fault *f)
{
	const char *origin;
	size_t n;

	TRY(take_text(j, "origin", &origin, &n, f));
	if (!n || n > NOTE_ORIGIN_MAX || strlen(origin) != n)
		return missing("origin", f);
	memcpy(log->origin, origin, n + 1);
	TRY(take_fixed(json_object_get(j, "key"), "key", log->key, NOTE_PUBLIC,
		       f));
	return take_number(j, "size", &log->size, f);
}

static enum err take_path(const json_t *j, struct merkle_proof *path,
			  struct fault *f)
{
	const json_t *all = json_object_get(j, "hashes");

	if (!json_is_array(all) || json_array_size(all) > MERKLE_PROOF_MAX)
		return missing("hashes", f);
	path->count = (unsigned)json_array_size(all);
	for (unsigned i = 0; i < path->count; i++)
		TRY(take_fixed(json_array_get(all, i), "hashes",
			       path->path[i].b, MERKLE_HASH, f));
	return OK;
}

static bool is_type(const json_t *j, const char *type)
{
	const char *is = json_string_value(json_object_get(j, "type"));

	return is && !strcmp(is, type);
}

enum err audit_proof_parse(const void *text, size_t len, struct audit_proof *p,
			   struct fault *f)
{
	AUTO(json_end)
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *note;
	size_t n;

	if (!j || !is_type(j, PROOF_TYPE))
		return fault_set(f, ERR_INVALID,
				 "this is no proof that 'cretula audit prove' "
				 "has made");
	TRY(take_log(j, &p->log, f));
	TRY(take_number(j, "index", &p->index, f));
	TRY(take_base64(json_object_get(j, "record"), "record", &p->record, f));
	TRY(take_path(j, &p->path, f));
	TRY(take_text(j, "checkpoint", &note, &n, f));
	return buf_put(&p->note, note, n) == OK ? OK : missing("checkpoint", f);
}

enum err audit_line_parse(const char *line, size_t len, char *kind,
			  struct audit_log *log, struct buf *bytes,
			  struct fault *f)
{
	AUTO(json_end)
	json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const char *note;
	size_t n;

	buf_clear(bytes);
	if (!json_is_object(j))
		return fault_set(f, ERR_INVALID, "it is no JSON object");
	if (json_object_get(j, "record")) {
		*kind = 'r';
		return take_base64(json_object_get(j, "record"), "record",
				   bytes, f);
	}
	if (json_object_get(j, "checkpoint")) {
		*kind = 'n';
		TRY(take_text(j, "checkpoint", &note, &n, f));
		return buf_put(bytes, note, n) == OK ? OK
						     : missing("checkpoint", f);
	}
	*kind = 'l';
	if (is_type(j, LOG_TYPE))
		return take_log(j, log, f);
	return fault_set(f, ERR_INVALID,
			 "it is neither log nor checkpoint nor record");
}

/* Checking */

enum err audit_proof_check(const struct audit_proof *p, struct note *note,
			   struct fault *f)
{
	struct attr_view v;
	struct merkle_hash leaf;

	TRY(note_verify(p->note.p, p->note.len, p->log.key, p->log.origin, note,
			f));
	TRY(attr_parse(p->record.p, p->record.len, &v, f));
	merkle_leaf(p->record.p, p->record.len, &leaf);
	if (note->size == p->log.size &&
	    merkle_inclusion_check(&leaf, p->index, note->size, &p->path,
				   &note->root) == OK)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "the hashes do not lead from this record to the "
			 "checkpoint's root");
}
