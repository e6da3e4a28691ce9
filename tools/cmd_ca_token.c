/* cretula ca token. Runs in cretula; holds a token in locked memory until it is printed:
 * the daemon gets no more of it than its public key. */
#include "tools/ca.h"
#include "tools/secrets.h"

#include "lib/enc.h"
#include "lib/evp.h"
#include "lib/token.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	TOKEN_ROOM = 2048, /* a token, with what goes beside it */
	HASH_TEXT = 7 + 2 * EVP_MAX_MD_SIZE + 1,
};

static int add_verify_after(struct cli *cli, struct attrs *args)
{
	const char *said = cli_opt(cli, "verify-after");

	if (!said || strcmp(said, "no") != 0)
		return cli_add_time(cli, "verify-after", "verify_after", true,
				    args);
	ENSURE(attrs_add_u64(args, "verify_after", 0) == OK);
	return 0;
}

static int token_args(struct cli *cli, const struct token *t,
		      struct attrs *args)
{
	uint8_t public[TOKEN_PUBLIC];
	int rc;

	token_public(t, public);
	ENSURE(attrs_add(args, "id", 0, t->id, TOKEN_ID) == OK);
	ENSURE(attrs_add(args, "public", 0, public, sizeof public) == OK);
	rc = cli_add(cli, "node", "node", args);
	if (!rc)
		rc = cli_add(cli, "type", "type", args);
	if (!rc)
		rc = cli_add(cli, "agent", "agent", args);
	if (!rc)
		rc = cli_add_time(cli, "ttl", "ttl", false, args);
	if (!rc)
		rc = cli_add_time(cli, "lifetime", "lifetime", false, args);
	if (!rc)
		rc = add_verify_after(cli, args);
	if (!rc)
		rc = cli_add(cli, "verify-port", "verify_port", args);
	if (!rc)
		rc = cli_add(cli, "for", "for", args);
	if (!rc && cli_opt(cli, "bearer"))
		ENSURE(attrs_add_str(args, "bearer", "yes") == OK);
	return rc;
}

/* Not through stdio: its buffer is neither locked nor wiped. */
static int print_secret(const struct buf *b)
{
	size_t at = 0;

	while (at < b->len) {
		ssize_t n = write(STDOUT_FILENO, b->p + at, b->len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			cli_say("standard output cannot be written to: %s",
				strerror(errno));
			return EXIT_FAILED;
		}
		at += (size_t)n;
	}
	return EXIT_DONE;
}

static enum err token_json(const struct token *t, const struct buf *text,
			   struct attr_view reply, struct buf *out)
{
	char id[2 * TOKEN_ID + 1];
	struct attrs a;
	struct attr end;
	enum err e;

	enc_hex(t->id, TOKEN_ID, id);
	attrs_init_secret(&a);
	e = attrs_add(&a, "token", 0, text->p, text->len);
	if (e == OK)
		e = attrs_add_str(&a, "id", id);
	if (e == OK && attr_find(reply, "expires", &end))
		e = attrs_add_attr(&a, &end);
	if (e == OK)
		e = attr_format_json(attrs_view(&a), out);
	attrs_wipe(&a);
	return e;
}

/* One line a name, as certmgr's bootstrap sources have them. */

struct way {
	const char *name, *begin;
	const char *before, *between, *after; /* of name and value */
	const char *end;
};

static const struct way *way_of(const struct cli *cli)
{
	static const struct way ways[] = {
		{ "file", "", "", "=", "\n", "" },
		{ "cmdline", "", "cretula.", "=", " ", "\n" },
		{ "user-data", "#cloud-config\ncretula:\n", "  ", ": ", "\n",
		  "" },
	};
	const char *name = cli_opt(cli, "for");

	for (size_t i = 0; name && i < NELEM(ways); i++)
		if (!strcmp(name, ways[i].name))
			return &ways[i];
	return NULL;
}

static enum err way_line(const struct way *w, const char *name, const char *v,
			 struct buf *out)
{
	if (!v)
		return OK;
	return buf_fmt(out, "%s%s%s%s%s", w->before, name, w->between, v,
		       w->after);
}

/* text: the token, a C string. */
static enum err way_format(const struct cli *cli, const struct way *w,
			   const char *text, const char *hash, struct buf *out)
{
	TRY(buf_str(out, w->begin));
	TRY(way_line(w, "token", text, out));
	TRY(way_line(w, "ca", cli_opt(cli, "url"), out));
	TRY(way_line(w, "ca_hash", hash, out));
	TRY(way_line(w, "node", cli_opt(cli, "node"), out));
	return buf_str(out, w->end);
}

static int root_hash(struct cli *cli, char hash[HASH_TEXT])
{
	struct cretula_answer *answer = NULL;
	struct attr_view none = { 0 };
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct span root;
	int rc = ca_ask(cli, false, "ca.chain", none, NULL, &answer);

	if (!rc)
		rc = ca_cert_of(answer, "root", &root);
	if (!rc) {
		memcpy(hash, "sha256:", 7);
		enc_hex(digest, evp_digest(EVP_HASH_SHA256, root, digest),
			hash + 7);
	}
	cretula_answer_free(answer);
	return rc;
}

static int print_token(struct cli *cli, const struct token *t,
		       const struct cretula_answer *answer)
{
	struct attr_view reply = attrs_view(&answer->reply.a);
	const struct way *way = cli->json ? NULL : way_of(cli);
	char hash[HASH_TEXT] = "";
	struct buf text, out;
	enum err e;
	int rc = way ? root_hash(cli, hash) : 0;

	if (rc)
		return rc;
	buf_init_secret(&text, TOKEN_ROOM);
	buf_init_secret(&out, TOKEN_ROOM);
	e = token_format(t, &text);
	if (e == OK && cli->json)
		e = token_json(t, &text, reply, &out);
	if (e == OK && way)
		e = buf_u8(&text, 0);
	if (e == OK && way)
		e = way_format(cli, way, (const char *)text.p, hash, &out);
	else if (e == OK)
		e = buf_u8(cli->json ? &out : &text, '\n');
	if (e != OK)
		rc = cli_fault(e, NULL);
	else
		rc = print_secret(cli->json || way ? &out : &text);
	buf_wipe(&out);
	buf_wipe(&text);
	return rc;
}

int ca_token_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct token t = { 0 };
	struct attrs args;
	int rc = cli_words(cli, 0);

	if (!rc && !cli_opt(cli, "node"))
		rc = cli_usage(cli, "a token is for a node: --node DNS-NAME");
	if (!rc && cli_opt(cli, "for") && !way_of(cli))
		rc = cli_usage(cli, "--for is file, cmdline or user-data");
	if (!rc && cli_opt(cli, "url") && !cli_opt(cli, "for"))
		rc = cli_usage(cli, "--url goes with --for");
	if (rc)
		return rc;
	attrs_init(&args);
	token_make(&t);
	rc = token_args(cli, &t, &args);
	if (!rc)
		rc = ca_ask(cli, true, "ca.token", attrs_view(&args), NULL,
			    &answer);
	if (!rc && cli->field && strcmp(cli->field, "token") != 0)
		rc = out_field(cli->field, attrs_view(&answer->reply.a));
	else if (!rc)
		rc = print_token(cli, &t, answer);
	cretula_answer_free(answer);
	token_wipe(&t);
	attrs_wipe(&args);
	return rc;
}
