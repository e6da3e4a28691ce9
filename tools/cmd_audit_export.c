/* cretula audit export: the whole log as lines of JSON, so that it can be verified
 * elsewhere, offline (`audit verify --from`). Runs in cretula; holds nothing. */
#include "tools/audit.h"

struct export
{
	uint64_t next; /* index of the next record */
	struct buf line;
};

static int put(struct buf *line, enum err e)
{
	int rc = e == OK ? out_bytes(line->p, line->len) : cli_fault(e, NULL);

	buf_clear(line);
	return rc;
}

static int put_records(void *arg, const struct cretula_answer *page)
{
	struct export *x = arg;
	struct attr a;
	int rc = 0;

	for (unsigned i = 0; !rc && i < page->count; i++) {
		if (!attr_find(attrs_view(&page->item[i].a), "record", &a)) {
			cli_say("a record came without its bytes");
			return EXIT_FAILED;
		}
		rc = put(&x->line, audit_line_record(x->next++, a, &x->line));
	}
	return rc;
}

static int put_notes(struct export *x, const struct cretula_answer *notes)
{
	struct attr a;
	int rc = 0;

	for (unsigned i = 0; !rc && i < notes->count; i++)
		if (attr_find(attrs_view(&notes->item[i].a), "note", &a))
			rc = put(&x->line, audit_line_note(a, &x->line));
	return rc;
}

int audit_export_run(struct cli *cli)
{
	struct cretula_answer *notes = NULL;
	struct attr_view none = { 0 };
	struct export x = { 0 };
	struct audit_log log;
	int rc = cli_words(cli, 0);

	if (!rc && cli->field)
		rc = cli_usage(cli, "an export is JSON: --field is not for it");
	if (!rc)
		rc = audit_choose(cli);
	if (rc)
		return rc;
	buf_init(&x.line, AUDIT_LINE_MAX);
	/* The notes first: every record they cover is there by then. */
	rc = cli_ask(cli, true, "audit.notes", none, NULL, &notes);
	if (!rc)
		rc = audit_log_of(cli, notes, &log);
	if (!rc)
		rc = put(&x.line, audit_line_log(&log, &x.line));
	if (!rc)
		rc = put_notes(&x, notes);
	cretula_answer_free(notes);
	if (!rc)
		rc = audit_pages(cli, 0, log.size, put_records, &x);
	buf_wipe(&x.line);
	return rc;
}
