/* cretula audit verify: recomputes the log's tree from every record and compares
 * it with the signed checkpoints; of a daemon, or of an exported log. Holds nothing. */
#include "tools/audit.h"

#include "lib/audit_chain.h"
#include "lib/audit_verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NOTE_TEXT_MAX = 64 << 10,
};

struct check {
	struct audit_verify *v;
	uint64_t size; /* what the log says of itself */
	/* of a CA's log: its signer's running hash */
	struct audit_chain chain;
	struct note last;
	struct fault broken; /* code OK: it follows */
};

/* The tree is audit_verify's matter; this is the signer's. */
static void chain_note(struct check *ch, const void *text, size_t len)
{
	struct note n;

	if (note_parse(text, len, &n, NULL) == OK && n.size >= ch->last.size)
		ch->last = n;
}

static void chain_record(struct check *ch, const void *record, size_t len)
{
	struct attr_view v;

	if (ch->broken.code == OK && attr_parse(record, len, &v, NULL) == OK)
		(void)!audit_chain_record(&ch->chain, v, &ch->broken);
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

	for (unsigned i = 0; i < notes->count; i++) {
		if (!attr_find(attrs_view(&notes->item[i].a), "note", &a))
			continue;
		chain_note(ch, a.value, a.len);
		if (audit_verify_note(ch->v, a.value, a.len) != OK)
			return;
	}
}

/* A page of records. The first fault ends the reading, not with an error. */
static int add_records(void *arg, const struct cretula_answer *page)
{
	struct check *ch = arg;
	struct attr a;

	for (unsigned i = 0; i < page->count; i++) {
		if (!attr_find(attrs_view(&page->item[i].a), "record", &a)) {
			cli_say("a record came without its bytes");
			return EXIT_FAILED;
		}
		chain_record(ch, a.value, a.len);
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

/* What the log cannot show by itself: signatures that are not in it. */
static void print_chain(const struct audit_chain *c)
{
	if (!c->begun)
		return;
	printf("the signer has signed %llu certificates",
	       (unsigned long long)c->count);
	if (c->missing)
		printf(", of which %llu are not in the log (signed, and not "
		       "kept when a process died; or by a broken issuer)",
		       (unsigned long long)c->missing);
	if (c->restarts)
		printf("; it died and lost count %llu times",
		       (unsigned long long)c->restarts);
	printf("\n");
}

static int print_verdict(const struct cli *cli, struct check *ch,
			 struct audit_verdict *v)
{
	struct attrs a;
	int rc = EXIT_DONE;

	if (ch->broken.code == OK)
		(void)!audit_chain_end(&ch->chain, &ch->last, &ch->broken);
	if (v->good && ch->broken.code != OK) {
		v->good = false;
		v->fault = ch->broken;
		memcpy(v->summary, ch->broken.text, sizeof v->summary);
	}
	attrs_init(&a);
	if (!cli->json && !cli->field) {
		printf("%s\n", v->summary);
		if (v->good)
			print_chain(&ch->chain);
	} else if (verdict_attrs(v, &a) == OK &&
		   (!ch->chain.begun ||
		    (attrs_add_u64(&a, "signed", ch->chain.count) == OK &&
		     attrs_add_u64(&a, "not_logged", ch->chain.missing) ==
			     OK))) {
		rc = out_list(cli, attrs_view(&a), NULL);
	}
	attrs_wipe(&a);
	return rc == EXIT_DONE && !v->good ? EXIT_FAILED : rc;
}

/* The log of a daemon. */
static int read_daemon(struct cli *cli, struct check *ch)
{
	struct cretula_answer *notes = NULL;
	struct attr_view none = { 0 };
	struct audit_log log;
	int rc;

	if (cli_opt(cli, "key"))
		return cli_usage(cli, "--key goes with --from");
	/* The notes first: every record they cover is there by then. */
	rc = cli_ask(cli, true, "audit.notes", none, NULL, &notes);
	if (!rc)
		rc = audit_log_of(cli, notes, &log);
	if (!rc) {
		ch->v = audit_verify_new(log.origin, log.key);
		ch->size = log.size;
		rc = since(cli, ch);
	}
	if (!rc) {
		add_notes(notes, ch);
		rc = audit_pages(cli, 0, ch->size, add_records, ch);
	}
	cretula_answer_free(notes);
	return rc;
}

/* An exported log. */

static int line_log(const struct cli *cli, const struct audit_log *log,
		    struct check *ch)
{
	uint8_t key[NOTE_PUBLIC];
	bool given;
	int rc = audit_key(cli, key, &given);

	if (rc)
		return rc;
	ch->v = audit_verify_new(log->origin, given ? key : log->key);
	ch->size = log->size;
	return since(cli, ch);
}

/* What is wrong with a checkpoint or record stays in the verdict. */
static int one_line(const struct cli *cli, const char *line, size_t len,
		    struct check *ch, struct buf *bytes, struct fault *f)
{
	struct audit_log log;
	char kind;
	enum err e = audit_line_parse(line, len, &kind, &log, bytes, f);

	if (e == OK && (kind == 'l') == !!ch->v)
		e = fault_set(f, ERR_INVALID,
			      "the first line, and no other, says which log it "
			      "is");
	if (e != OK)
		return cli_fault(e, f);
	switch (kind) {
	case 'l':
		return line_log(cli, &log, ch);
	case 'n':
		chain_note(ch, bytes->p, bytes->len);
		(void)!audit_verify_note(ch->v, bytes->p, bytes->len);
		return 0;
	default:
		chain_record(ch, bytes->p, bytes->len);
		(void)!audit_verify_record(ch->v, bytes->p, bytes->len);
		return 0;
	}
}

static int read_lines(const struct cli *cli, FILE *in, struct check *ch)
{
	char *line = xcalloc(1, AUDIT_LINE_MAX);
	struct fault f = { 0 };
	struct buf bytes;
	int rc = 0;

	buf_init(&bytes, AUDIT_LINE_MAX);
	while (!rc && fgets(line, AUDIT_LINE_MAX, in)) {
		size_t n = strlen(line);

		if (n && line[n - 1] == '\n')
			rc = one_line(cli, line, n, ch, &bytes, &f);
		else
			rc = cli_fault(fault_set(&f, ERR_INVALID,
						 "the export ends within a "
						 "line, or has one that is too "
						 "long"),
				       &f);
	}
	buf_wipe(&bytes);
	free(line);
	return rc;
}

static int read_file(const struct cli *cli, const char *path, struct check *ch)
{
	bool standard = !strcmp(path, "-");
	FILE *in = standard ? stdin : fopen(path, "re");
	struct fault f;
	int rc;

	if (cli_opt(cli, "ca") || cli_opt(cli, "certmgr"))
		return cli_usage(cli,
				 "--from and --ca or --certmgr exclude each "
				 "other");
	if (!in)
		return cli_fault(fault_set(&f, ERR_INVALID,
					   "'%s' cannot be opened: %s", path,
					   strerror(errno)),
				 &f);
	rc = read_lines(cli, in, ch);
	if (!rc && !ch->v)
		rc = cli_fault(fault_set(&f, ERR_INVALID,
					 "'%s' is no exported log", path),
			       &f);
	if (!standard)
		(void)fclose(in);
	return rc;
}

int audit_verify_run(struct cli *cli)
{
	const char *from = cli_opt(cli, "from");
	struct audit_verdict verdict;
	struct check ch = { 0 };
	int rc = cli_words(cli, 0);

	if (!rc)
		rc = audit_choose(cli);
	if (rc)
		return rc;
	rc = from ? read_file(cli, from, &ch) : read_daemon(cli, &ch);
	if (!rc) {
		/* A fault is in the verdict, and said there. */
		(void)!audit_verify_end(ch.v, ch.size, &verdict);
		rc = print_verdict(cli, &ch, &verdict);
	}
	audit_verify_free(&ch.v);
	return rc;
}
