/* cretula audit verify: recomputes the log's tree from every record and compares
 * it with the signed checkpoints. Holds nothing. */
#include "tools/audit.h"

#include "lib/audit_verify.h"
#include "lib/enc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NOTE_TEXT_MAX = 64 << 10,
};

struct check {
	struct audit_verify *v;
	uint64_t size; /* what the log says of itself */
};

/* The log's origin and key. */
static int start(const struct cretula_answer *notes, struct check *ch)
{
	struct attr_view reply = attrs_view(&notes->reply.a);
	AUTO(mem_free) char *origin = NULL;
	struct attr a, k, n;
	struct buf key;
	int rc = 0;

	buf_init(&key, NOTE_PUBLIC);
	if (!attr_find(reply, "origin", &a) || attr_str(&a, &origin) != OK ||
	    !attr_find(reply, "key", &k) ||
	    enc_base64_parse((const char *)k.value, k.len, &key) != OK ||
	    key.len != NOTE_PUBLIC || !attr_find(reply, "size", &n) ||
	    attr_u64(&n, UINT64_MAX, &ch->size) != OK) {
		cli_say("credd does not say which log it keeps");
		rc = EXIT_FAILED;
	} else {
		ch->v = audit_verify_new(origin, key.p);
	}
	buf_wipe(&key);
	return rc;
}

static int since(const struct cli *cli, struct check *ch)
{
	const char *path = cli_opt(cli, "since");
	struct fault f = { 0 };
	struct buf text;
	enum err e;

	if (!path)
		return 0;
	buf_init(&text, NOTE_TEXT_MAX * 2);
	e = file_read(path[0] == '@' ? path + 1 : path, NOTE_TEXT_MAX, &text,
		      &f);
	if (e == OK)
		e = audit_verify_since(ch->v, text.p, text.len, &f);
	buf_wipe(&text);
	return e == OK ? 0 : cli_fault(e, &f);
}

/* The checkpoints. What is wrong with one stays in the verdict. */
static void add_notes(const struct cretula_answer *notes, struct check *ch)
{
	struct attr a;

	for (unsigned i = 0; i < notes->count; i++)
		if (attr_find(attrs_view(&notes->item[i].a), "note", &a) &&
		    audit_verify_note(ch->v, a.value, a.len) != OK)
			return;
}

/* A page of records. The first fault ends the reading, not with an error. */
static int add_records(void *arg, const struct cretula_answer *page)
{
	struct check *ch = arg;
	struct attr a;

	for (unsigned i = 0; i < page->count; i++) {
		if (!attr_find(attrs_view(&page->item[i].a), "record", &a)) {
			cli_say("credd sent a record without its bytes");
			return EXIT_FAILED;
		}
		if (audit_verify_record(ch->v, a.value, a.len) != OK)
			return 0;
	}
	return 0;
}

static enum err verdict_attrs(const struct audit_verdict *v, struct attrs *a)
{
	TRY(attrs_add_str(a, "good", v->good ? "yes" : "no"));
	TRY(attrs_add_u64(a, "records", v->records));
	TRY(attrs_add_u64(a, "checkpoints", v->notes));
	TRY(attrs_add_u64(a, "covered", v->covered));
	TRY(attrs_add_u64(a, "generation", v->generation));
	TRY(attrs_add_str(a, "since", v->since ? "yes" : "no"));
	if (!v->good)
		TRY(attrs_add_str(a, "fault", v->fault.text));
	return attrs_add_str(a, "summary", v->summary);
}

static int print_verdict(const struct cli *cli, const struct audit_verdict *v)
{
	struct attrs a;
	int rc = EXIT_DONE;

	attrs_init(&a);
	if (!cli->json && !cli->field)
		printf("%s\n", v->summary);
	else if (verdict_attrs(v, &a) == OK)
		rc = out_list(cli, attrs_view(&a), NULL);
	attrs_wipe(&a);
	return rc == EXIT_DONE && !v->good ? EXIT_FAILED : rc;
}

int audit_verify_run(struct cli *cli)
{
	struct cretula_answer *notes = NULL;
	struct attr_view none = { 0 };
	struct audit_verdict verdict;
	struct check ch = { 0 };
	int rc;

	if (cli->words)
		return cli_usage(cli, "'%s' is one word too many",
				 cli->word[0]);
	/* The notes first: every record they cover is there by then. */
	rc = cli_ask(cli, true, "audit.notes", none, NULL, &notes);
	if (!rc)
		rc = start(notes, &ch);
	if (!rc)
		rc = since(cli, &ch);
	if (!rc) {
		add_notes(notes, &ch);
		rc = audit_pages(cli, 0, ch.size, add_records, &ch);
	}
	cretula_answer_free(notes);
	if (!rc) {
		/* A fault is in the verdict, and said there. */
		(void)!audit_verify_end(ch.v, ch.size, &verdict);
		rc = print_verdict(cli, &verdict);
	}
	audit_verify_free(&ch.v);
	return rc;
}
