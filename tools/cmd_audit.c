/* cretula audit …: the log's records. Holds nothing: a record has no secret. */
#include "tools/audit.h"

#include "lib/enc.h"
#include "lib/num.h"

#include <stdlib.h>
#include <string.h>

enum {
	AUDIT_PAGE = 1000, /* what audit.show gives at once */
};

int audit_choose(struct cli *cli)
{
	bool ca = cli_opt(cli, "ca"), certmgr = cli_opt(cli, "certmgr");

	if (ca && certmgr)
		return cli_usage(cli, "--ca and --certmgr exclude each other");
	if (ca)
		cli->daemon = CLIENT_CA;
	if (certmgr)
		cli->daemon = CLIENT_CERTMGR;
	return 0;
}

/* As it is, or as base64. */
static bool take_key(struct attr a, uint8_t key[NOTE_PUBLIC])
{
	struct buf b;
	bool good;

	buf_init(&b, NOTE_PUBLIC);
	good = a.len == NOTE_PUBLIC ? buf_put(&b, a.value, a.len) == OK
				    : enc_base64_parse((const char *)a.value,
						       a.len, &b) == OK;
	good = good && b.len == NOTE_PUBLIC;
	if (good)
		memcpy(key, b.p, NOTE_PUBLIC);
	buf_wipe(&b);
	return good;
}

int audit_log_of(const struct cli *cli, const struct cretula_answer *answer,
		 struct audit_log *log)
{
	struct attr_view v = attrs_view(&answer->reply.a);
	struct attr origin, key, size;

	if (!attr_find(v, "origin", &origin) || !attr_find(v, "key", &key) ||
	    !attr_find(v, "size", &size) || origin.len > NOTE_ORIGIN_MAX ||
	    !take_key(key, log->key) ||
	    attr_u64(&size, UINT64_MAX, &log->size) != OK) {
		cli_say("%s does not say which log it keeps",
			client_name(cli->daemon));
		return EXIT_FAILED;
	}
	memcpy(log->origin, origin.value, origin.len);
	log->origin[origin.len] = '\0';
	return 0;
}

int audit_key(const struct cli *cli, uint8_t key[NOTE_PUBLIC], bool *given)
{
	const char *text = cli_opt(cli, "key");
	struct buf b;
	bool good;

	*given = text;
	if (!text)
		return 0;
	buf_init(&b, NOTE_PUBLIC);
	good = enc_base64_parse(text, strlen(text), &b) == OK &&
	       b.len == NOTE_PUBLIC;
	if (good)
		memcpy(key, b.p, NOTE_PUBLIC);
	buf_wipe(&b);
	return good ? 0
		    : cli_usage(cli, "--key is the log's public key, 32 bytes "
				     "as base64");
}

int audit_pages(struct cli *cli, uint64_t from, uint64_t count,
		int (*on)(void *arg, const struct cretula_answer *page),
		void *arg)
{
	int rc = 0;

	while (!rc && count) {
		struct cretula_answer *page = NULL;
		uint64_t want = MIN(count, AUDIT_PAGE);
		struct attrs args;
		unsigned got = 0;

		attrs_init(&args);
		ENSURE(attrs_add_u64(&args, "from", from) == OK &&
		       attrs_add_u64(&args, "count", want) == OK);
		rc = cli_ask(cli, true, "audit.show", attrs_view(&args), NULL,
			     &page);
		attrs_wipe(&args);
		if (!rc) {
			got = page->count;
			rc = on(arg, page);
		}
		cretula_answer_free(page);
		from += got;
		count -= MIN(count, got);
		if (got < want)
			break;
	}
	return rc;
}

static int print_page(void *arg, const struct cretula_answer *page)
{
	return out_items(arg, page, "record");
}

static int number(const struct cli *cli, const char *name, uint64_t otherwise,
		  uint64_t *n)
{
	const char *text = cli_opt(cli, name);

	*n = otherwise;
	if (text && num_u64(text, strlen(text), INT64_MAX, n) != OK)
		return cli_usage(cli, "--%s is a number", name);
	return 0;
}

/* How many records there are. */
static int log_size(struct cli *cli, uint64_t *size)
{
	struct cretula_answer *page = NULL;
	struct attrs args;
	struct attr a;
	int rc;

	attrs_init(&args);
	ENSURE(attrs_add_u64(&args, "from", 0) == OK &&
	       attrs_add_u64(&args, "count", 1) == OK);
	rc = cli_ask(cli, true, "audit.show", attrs_view(&args), NULL, &page);
	if (!rc && (!attr_find(attrs_view(&page->reply.a), "size", &a) ||
		    attr_u64(&a, UINT64_MAX, size) != OK)) {
		cli_say("%s does not say how long its log is",
			client_name(cli->daemon));
		rc = EXIT_FAILED;
	}
	cretula_answer_free(page);
	attrs_wipe(&args);
	return rc;
}

/* The last signed checkpoint: what to keep elsewhere, for --since. */
static int show_checkpoint(struct cli *cli)
{
	struct cretula_answer *notes = NULL;
	struct attr_view none = { 0 };
	struct attr a;
	int rc = cli_ask(cli, true, "audit.notes", none, NULL, &notes);

	if (!rc && (!notes->count ||
		    !attr_find(attrs_view(&notes->item[notes->count - 1].a),
			       "note", &a))) {
		cli_say("there is no checkpoint yet");
		rc = EXIT_FAILED;
	}
	if (!rc)
		rc = cli->json || cli->field
			     ? out_list(
				       cli,
				       attrs_view(&notes->item[notes->count - 1]
							   .a),
				       NULL)
			     : out_bytes(a.value, a.len);
	cretula_answer_free(notes);
	return rc;
}

static int run_show(struct cli *cli)
{
	uint64_t from, count, last, size = 0;
	int rc = audit_choose(cli);

	if (!rc && cli_opt(cli, "checkpoint"))
		return show_checkpoint(cli);
	if (!rc)
		rc = number(cli, "from", 0, &from);
	if (!rc)
		rc = number(cli, "count", UINT64_MAX, &count);
	if (!rc)
		rc = number(cli, "last", 0, &last);
	if (!rc && last && cli_opt(cli, "from"))
		rc = cli_usage(cli, "--from and --last exclude each other");
	if (!rc && cli->words)
		rc = cli_usage(cli, "'%s' is one word too many", cli->word[0]);
	if (!rc && last)
		rc = log_size(cli, &size);
	if (rc)
		return rc;
	if (last)
		from = size > last ? size - last : 0;
	return audit_pages(cli, from, count, print_page, cli);
}

#define CA_OPT                                                                 \
	{                                                                      \
		"ca", NULL, "of ca, not of credd"                              \
	}
#define CERTMGR_OPT                                                            \
	{                                                                      \
		"certmgr", NULL, "of certmgr, not of credd"                    \
	}

static const struct opt show_opts[] = {
	{ "from", "N", "the first record, counted from 0" },
	{ "count", "N", "how many; without: all" },
	{ "last", "N", "only the last N" },
	{ "checkpoint", NULL, "the last signed checkpoint instead" },
	CA_OPT,
	CERTMGR_OPT,
	{ 0 },
};

static const struct opt verify_opts[] = {
	{ "since", "FILE", "a checkpoint kept from before" },
	{ "from", "FILE", "what 'audit export' has written, not a daemon" },
	{ "key", "BASE64", "with --from: the log's key, not what FILE says" },
	CA_OPT,
	CERTMGR_OPT,
	{ 0 },
};

static const struct opt prove_opts[] = {
	{ "index", "N", "of that record" },
	{ "verify", "FILE", "check a proof" },
	{ "key", "BASE64", "with --verify: the log's key, not the proof's" },
	CA_OPT,
	CERTMGR_OPT,
	{ 0 },
};

static const struct opt export_opts[] = {
	CA_OPT,
	CERTMGR_OPT,
	{ 0 },
};

const struct verb verbs_audit[] = {
	{ "audit", "show",
	  "[--ca | --certmgr] [--from N | --last N] [--count N] | --checkpoint",
	  "the records of every decision", NULL,
	  "cretula audit show --last 20 --json", show_opts, run_show },
	{ "audit", "verify",
	  "[--ca | --certmgr | --from FILE [--key BASE64]] [--since FILE]",
	  "whether the log is whole and as it was signed", NULL,
	  "cretula audit verify --since /mnt/elsewhere/checkpoint", verify_opts,
	  audit_verify_run },
	{ "audit", "prove",
	  "SERIAL | [--ca | --certmgr] --index N | --verify FILE "
	  "[--key BASE64]",
	  "that a record is in the log, for others to check", NULL,
	  "cretula audit prove 0100000000178c1f0e4d5a6b7c8d9eafb0c1 >proof",
	  prove_opts, audit_prove_run },
	{ "audit", "export", "[--ca | --certmgr]",
	  "all of the log, to be verified elsewhere", NULL,
	  "cretula audit export --ca >log.ndjson", export_opts,
	  audit_export_run },
	{ 0 },
};
