/* Store: what the core asks about the audit log, whose files lib/audit_file keeps. */
#include "lib/audit_file.h"
#include "lib/kinds.h"
#include "lib/rowstore_role.h"
#include "lib/state_dir.h"

#include <string.h>

enum {
	READ_STEP = 64 /* records sent between two looks at the socket */
};

/* The log is beside the store's file. */
static enum err log_open_file(struct rowstore *s, struct fault *f)
{
	return s->log ? OK : audit_file_open(STATE_DIR_FD, &s->log, f);
}

/* Reading */

static enum err send_record(void *arg, uint64_t index, struct attr_view bytes)
{
	struct rowstore *s = arg;

	attrs_clear(&s->item);
	TRY(attrs_add(&s->item, s->notes ? "note" : "record", 0, bytes.p,
		      bytes.len));
	rowstore_send(s, s->notes ? RS_NOTE : RS_RECORD, index);
	s->from = index + 1;
	return OK;
}

/* The next records; *done when there are no more to send. */
static enum err read_step(struct rowstore *s, bool *done, struct fault *f)
{
	uint64_t n = MIN(s->left, READ_STEP);
	uint64_t from = s->from;

	*done = true;
	if (s->notes)
		return audit_file_notes(s->log, send_record, s, f);
	TRY(audit_file_read(s->log, from, n, send_record, s, f));
	s->left -= n;
	*done = !s->left || s->from - from < n;
	return OK;
}

static bool read_more(struct rowstore *s, uint32_t last)
{
	struct fault f = { .code = ERR_INTERNAL };
	bool done;

	if (read_step(s, &done, &f) != OK) {
		rowstore_failed(s, s->id, &f);
		return false;
	}
	if (!done)
		return true;
	attrs_clear(&s->item);
	rowstore_send(s, last, s->id);
	return false;
}

static bool open_more(struct rowstore *s)
{
	return read_more(s, RS_AUDIT_READY);
}

static bool show_more(struct rowstore *s)
{
	return read_more(s, RS_DONE);
}

static enum err where(struct rowstore *s, struct fault *f)
{
	struct attr_view note, frontier;
	uint64_t size;

	TRY(log_open_file(s, f));
	s->from = 0;
	s->notes = false;
	attrs_clear(&s->item);
	TRY(attrs_add_u64(&s->item, "size", audit_file_size(s->log)));
	if (audit_file_note(s->log, &note, &frontier, &size)) {
		TRY(attrs_add(&s->item, "note", 0, note.p, note.len));
		TRY(attrs_add(&s->item, "frontier", 0, frontier.p,
			      frontier.len));
		s->from = size;
	}
	s->left = audit_file_size(s->log) - s->from;
	return OK;
}

void rowstore_audit_open(struct rowstore *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (where(s, &f) != OK) {
		rowstore_failed(s, m->id, &f);
		return;
	}
	rowstore_send(s, RS_AUDIT_OPEN, m->id);
	rowstore_stream(s, m->id, open_more);
}

static enum err get_number(struct attr_view v, const char *name, uint64_t *n,
			   struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || attr_u64(&a, INT64_MAX, n) != OK)
		return fault_set(f, ERR_INVALID,
				 "reading the log needs a number '%s'", name);
	return OK;
}

static enum err read_begin(struct rowstore *s, const struct msg *m,
			   struct fault *f)
{
	struct attr a;

	TRY(log_open_file(s, f));
	s->notes = attr_find(m->attrs, "notes", &a) && attr_is(&a, "yes");
	if (s->notes)
		return OK;
	TRY(get_number(m->attrs, "from", &s->from, f));
	return get_number(m->attrs, "count", &s->left, f);
}

void rowstore_read(struct rowstore *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (read_begin(s, m, &f) == OK)
		rowstore_stream(s, m->id, show_more);
	else
		rowstore_failed(s, m->id, &f);
}

/* Writing */

static unsigned get_flags(struct attr_view v)
{
	struct attr a;
	unsigned flags = 0;

	if (attr_find(v, "sync", &a) && attr_is(&a, "yes"))
		flags |= AUDIT_SYNC;
	if (attr_find(v, "admin", &a) && attr_is(&a, "yes"))
		flags |= AUDIT_ADMIN;
	return flags;
}

static enum err append(struct rowstore *s, const struct msg *m, struct fault *f)
{
	static struct attr_view record[AUDIT_BATCH_MAX];
	struct attr_view it = m->attrs;
	struct attr a;
	unsigned n = 0;

	TRY(log_open_file(s, f));
	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "record"))
			continue;
		if (n == AUDIT_BATCH_MAX)
			return fault_set(f, ERR_TOO_LARGE,
					 "more than %d audit records at once",
					 AUDIT_BATCH_MAX);
		record[n++] = (struct attr_view){ .p = a.value, .len = a.len };
	}
	return audit_file_append(s->log, m->id, record, n, get_flags(m->attrs),
				 f);
}

void rowstore_append(struct rowstore *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (append(s, m, &f) != OK) {
		rowstore_failed(s, m->id, &f);
		return;
	}
	attrs_clear(&s->item);
	rowstore_send(s, RS_APPENDED, audit_file_size(s->log));
}

static enum err checkpoint(struct rowstore *s, struct attr_view v,
			   struct fault *f)
{
	struct attr note, frontier;

	TRY(log_open_file(s, f));
	if (attr_only(v, "note", &note) != OK ||
	    attr_only(v, "frontier", &frontier) != OK)
		return fault_set(f, ERR_INVALID,
				 "a checkpoint needs 'note' and 'frontier'");
	return audit_file_checkpoint(s->log, note.value, note.len,
				     frontier.value, frontier.len, f);
}

void rowstore_checkpoint(struct rowstore *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (checkpoint(s, m->attrs, &f) == OK)
		rowstore_done(s, m->id);
	else
		rowstore_failed(s, m->id, &f);
}
