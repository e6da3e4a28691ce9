/* cretula audit prove: shows that a record is in the log, to somebody who trusts only the
 * log's key; and checks what was shown. Runs in cretula; holds nothing. */
#include "tools/audit.h"
#include "tools/ca.h"

#include "lib/clock.h"
#include "lib/num.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PROOF_TEXT_MAX = 256 << 10,
	COVER_WAIT_S = 15, /* for a checkpoint that covers the record */
	COVER_LOOK_MS = 100,
};

/* Where the record is, and a proof of size records (0: all). ca keeps the tree. */
static int ask_proof(struct cli *cli, const char *name, const char *value,
		     uint64_t size, struct cretula_answer **answer)
{
	struct attrs args;
	int rc;

	attrs_init(&args);
	ENSURE(attrs_add_str(&args, name, value) == OK);
	if (size)
		ENSURE(attrs_add_u64(&args, "size", size) == OK);
	rc = cli_ask(cli, true, "audit.prove", attrs_view(&args), NULL, answer);
	attrs_wipe(&args);
	return rc;
}

static int find_index(struct cli *cli, const char *serial, uint64_t *index)
{
	struct cretula_answer *answer = NULL;
	struct attr a;
	int rc = ask_proof(cli, "serial", serial, 0, &answer);

	if (!rc && (!attr_find(attrs_view(&answer->reply.a), "index", &a) ||
		    attr_u64(&a, INT64_MAX, index) != OK)) {
		cli_say("ca does not say where the record is");
		rc = EXIT_FAILED;
	}
	cretula_answer_free(answer);
	return rc;
}

/* The last checkpoint. */
static int take_note(const struct cli *cli, const struct cretula_answer *notes,
		     struct audit_proof *p)
{
	struct fault f = { 0 };
	struct note note;
	struct attr a;
	enum err e;
	int rc = audit_log_of(cli, notes, &p->log);

	if (!rc && p->index >= p->log.size) {
		cli_say("the log has %llu records, and no record %llu",
			(unsigned long long)p->log.size,
			(unsigned long long)p->index);
		rc = err_exit(ERR_NOT_FOUND);
	}
	p->log.size = 0;
	buf_clear(&p->note);
	if (rc || !notes->count ||
	    !attr_find(attrs_view(&notes->item[notes->count - 1].a), "note",
		       &a))
		return rc;
	e = note_verify(a.value, a.len, p->log.key, p->log.origin, &note, &f);
	if (e == OK)
		e = buf_put(&p->note, a.value, a.len);
	if (e != OK)
		return cli_fault(e, &f);
	p->log.size = note.size;
	return 0;
}

/* A checkpoint that covers the record: signed soon after it, and nobody says when. */
static int cover(struct cli *cli, struct audit_proof *p)
{
	uint64_t end = clock_boot() + COVER_WAIT_S * CLOCK_SECOND;
	struct attr_view none = { 0 };
	uint64_t size;
	int rc;

	for (;;) {
		struct cretula_answer *notes = NULL;

		rc = cli_ask(cli, true, "audit.notes", none, NULL, &notes);
		if (!rc)
			rc = take_note(cli, notes, p);
		cretula_answer_free(notes);
		size = p->log.size;
		if (rc || size > p->index)
			return rc;
		if (clock_boot() >= end)
			break;
		(void)poll(NULL, 0, COVER_LOOK_MS);
	}
	cli_say("no checkpoint covers record %llu: the log has %llu signed ones",
		(unsigned long long)p->index, (unsigned long long)size);
	return err_exit(ERR_NOT_FOUND);
}

static int take_record(void *arg, const struct cretula_answer *page)
{
	struct audit_proof *p = arg;
	struct attr a;

	if (page->count != 1 ||
	    !attr_find(attrs_view(&page->item[0].a), "record", &a) ||
	    buf_put(&p->record, a.value, a.len) != OK) {
		cli_say("the log does not give record %llu",
			(unsigned long long)p->index);
		return EXIT_FAILED;
	}
	return 0;
}

/* From ca. */
static int path_of_ca(struct cli *cli, struct audit_proof *p)
{
	struct cretula_answer *answer = NULL;
	struct attr_view v;
	char text[NUM_DIGITS + 1];
	struct attr a;
	int rc;

	text[num_format(p->index, text)] = '\0';
	rc = ask_proof(cli, "index", text, p->log.size, &answer);
	if (rc)
		return rc;
	v = attrs_view(&answer->reply.a);
	while (attr_next(&v, &a)) {
		if (!attr_named(&a, "hash"))
			continue;
		if (a.len != MERKLE_HASH || p->path.count == MERKLE_PROOF_MAX) {
			cli_say("ca's proof is none");
			rc = EXIT_FAILED;
			break;
		}
		memcpy(p->path.path[p->path.count++].b, a.value, MERKLE_HASH);
	}
	cretula_answer_free(answer);
	return rc;
}

/* credd only gives records: the proof is made here, of all of them. */
struct leaves {
	struct merkle_hash *at;
	uint64_t count, room;
};

static int take_leaves(void *arg, const struct cretula_answer *page)
{
	struct leaves *l = arg;
	struct attr a;

	for (unsigned i = 0; i < page->count; i++) {
		if (!attr_find(attrs_view(&page->item[i].a), "record", &a))
			return EXIT_FAILED;
		if (l->count == l->room) {
			l->room = l->room ? 2 * l->room : 1024;
			l->at = xrealloc(l->at, l->room * sizeof *l->at);
		}
		merkle_leaf(a.value, a.len, &l->at[l->count++]);
	}
	return 0;
}

static enum err leaf_at(void *arg, uint64_t index, struct merkle_hash *out)
{
	const struct leaves *l = arg;

	if (index >= l->count)
		return ERR_INVALID;
	*out = l->at[index];
	return OK;
}

static int path_of_records(struct cli *cli, struct audit_proof *p)
{
	struct leaves l = { 0 };
	struct merkle_source src = { .leaf = leaf_at, .arg = &l };
	int rc = audit_pages(cli, 0, p->log.size, take_leaves, &l);

	if (!rc &&
	    merkle_inclusion(&src, p->index, p->log.size, &p->path) != OK) {
		cli_say("the log is shorter than its checkpoint says");
		rc = EXIT_FAILED;
	}
	free(l.at);
	return rc;
}

/* The record that was asked for, and no other. */
static int check_serial(const struct audit_proof *p, const char *serial)
{
	struct attr_view v;
	struct attr a;

	if (!serial ||
	    (attr_parse(p->record.p, p->record.len, &v, NULL) == OK &&
	     attr_find(v, "serial", &a) && attr_is(&a, serial)))
		return 0;
	cli_say("ca has shown a record that is not of certificate %s", serial);
	return EXIT_FAILED;
}

static int print_proof(const struct audit_proof *p)
{
	struct buf text;
	enum err e;
	int rc;

	buf_init(&text, PROOF_TEXT_MAX);
	e = audit_proof_format(p, &text);
	rc = e == OK ? out_bytes(text.p, text.len) : cli_fault(e, NULL);
	buf_wipe(&text);
	return rc;
}

/* serial NULL: of the record p->index. */
static int prove(struct cli *cli, const char *serial, struct audit_proof *p)
{
	struct fault f = { 0 };
	struct note note;
	enum err e;
	int rc = serial ? find_index(cli, serial, &p->index) : 0;

	if (!rc)
		rc = cover(cli, p);
	if (!rc)
		rc = audit_pages(cli, p->index, 1, take_record, p);
	if (!rc)
		rc = check_serial(p, serial);
	if (!rc)
		rc = cli->daemon == CLIENT_CA ? path_of_ca(cli, p)
					      : path_of_records(cli, p);
	if (rc)
		return rc;
	e = audit_proof_check(p, &note, &f);
	return e == OK ? print_proof(p) : cli_fault(e, &f);
}

/* Checking */

static int print_checked(const struct cli *cli, const struct audit_proof *p,
			 const struct note *note, bool given)
{
	char time[CLOCK_TEXT];
	struct attrs a;
	int rc;

	attrs_init(&a);
	clock_format(note->time, time);
	if (!cli->json && !cli->field) {
		printf("record %llu is in the log %s as it was signed at %s, "
		       "with %llu records%s\n",
		       (unsigned long long)p->index, p->log.origin, time,
		       (unsigned long long)note->size,
		       given ? ""
			     : " (by the key in the proof itself: is it "
			       "the log's?)");
	} else {
		ENSURE(attrs_add_str(&a, "good", "yes") == OK);
		ENSURE(attrs_add_str(&a, "origin", p->log.origin) == OK);
		ENSURE(attrs_add_u64(&a, "index", p->index) == OK);
		ENSURE(attrs_add_u64(&a, "size", note->size) == OK);
		ENSURE(attrs_add_str(&a, "signed", time) == OK);
		ENSURE(attrs_add_str(&a, "key_given", given ? "yes" : "no") ==
		       OK);
	}
	if (attrs_add(&a, "record", 0, p->record.p, p->record.len) != OK)
		rc = cli_fault(ERR_TOO_LARGE, NULL);
	else
		rc = out_list(cli, attrs_view(&a), "record");
	attrs_wipe(&a);
	return rc;
}

static enum err read_proof(const char *path, struct audit_proof *p,
			   struct fault *f)
{
	struct buf text;
	enum err e;

	buf_init(&text, 2 * PROOF_TEXT_MAX);
	e = file_read(path[0] == '@' ? path + 1 : path, PROOF_TEXT_MAX, &text,
		      f);
	if (e == OK)
		e = audit_proof_parse(text.p, text.len, p, f);
	buf_wipe(&text);
	return e;
}

static int verify(const struct cli *cli, struct audit_proof *p)
{
	struct fault f = { 0 };
	uint8_t key[NOTE_PUBLIC];
	struct note note;
	bool given;
	enum err e;
	int rc = audit_key(cli, key, &given);

	if (rc)
		return rc;
	e = read_proof(cli_opt(cli, "verify"), p, &f);
	if (e == OK && given)
		memcpy(p->log.key, key, sizeof key);
	if (e == OK)
		e = audit_proof_check(p, &note, &f);
	if (e != OK)
		return cli_fault(e, &f);
	return print_checked(cli, p, &note, given);
}

static int which(struct cli *cli, struct audit_proof *p, char *hex)
{
	const char *index = cli_opt(cli, "index");
	struct serial s;
	int rc = cli_words(cli, 1);

	hex[0] = '\0';
	if (!rc && !index == !cli->words)
		rc = cli_usage(cli, "say which: SERIAL or --index N");
	if (!rc && cli->words && cli_opt(cli, "certmgr"))
		rc = cli_usage(cli, "SERIAL is of ca's log: of certmgr's, say "
				    "--index N");
	if (!rc && cli_opt(cli, "key"))
		rc = cli_usage(cli, "--key goes with --verify");
	if (!rc && index &&
	    num_u64(index, strlen(index), INT64_MAX, &p->index) != OK)
		rc = cli_usage(cli, "--index is a number");
	if (!rc && cli->words)
		rc = ca_serial(cli, cli->word[0], &s);
	if (!rc && cli->words) {
		serial_format(&s, hex);
		cli->daemon = CLIENT_CA;
	}
	return rc;
}

int audit_prove_run(struct cli *cli)
{
	char hex[2 * SERIAL_SIZE + 1];
	struct audit_proof p;
	int rc = audit_choose(cli);

	audit_proof_init(&p);
	if (!rc && cli_opt(cli, "verify")) {
		rc = cli->words || cli_opt(cli, "index")
			     ? cli_usage(cli, "--verify goes alone, or with "
					      "--key")
			     : verify(cli, &p);
	} else if (!rc) {
		rc = which(cli, &p, hex);
		if (!rc)
			rc = prove(cli, hex[0] ? hex : NULL, &p);
	}
	audit_proof_wipe(&p);
	return rc;
}
