/* cretula status: what is wrong, what is weaker here, what to do; of every daemon there
 * is. Runs in cretula; holds nothing. */
#include "tools/ca.h"

#include "lib/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What all that was asked comes to. */
struct seen {
	unsigned answers;
	bool field; /* somebody has the one that is asked for */
	bool attention, failed, unreached;
	int code; /* of what failed */
};

/* The value of name as a C string; "" if absent. Freed by the caller. */
static char *text_of(struct attr_view v, const char *name)
{
	struct attr a;
	char *s;

	if (!attr_find(v, name, &a) || attr_str(&a, &s) != OK)
		return xstrdup("");
	return s;
}

/* Prints "  LABEL: VALUE" if there is such an attribute; several, with blanks. */
static void line(struct attr_view v, const char *label, const char *name)
{
	bool any = false;
	struct attr a;

	while (attr_next(&v, &a)) {
		if (!attr_named(&a, name) || !a.len)
			continue;
		if (!any)
			printf("  %s:", label);
		printf(" ");
		cli_plain(stdout, a.value, a.len);
		any = true;
	}
	if (any)
		printf("\n");
}

/* Of seconds since 1970. */
static void time_line(struct attr_view v, const char *label, const char *name)
{
	char text[CLOCK_TEXT];
	struct attr a;
	uint64_t t;

	if (!attr_find(v, name, &a) || attr_u64(&a, 253402300799ull, &t) != OK)
		return;
	clock_format((int64_t)t, text);
	printf("  %s: %s\n", label, text);
}

static void each(struct attr_view v, const char *label, const char *name)
{
	struct attr a;

	while (attr_next(&v, &a))
		if (attr_named(&a, name)) {
			printf("%s: ", label);
			cli_plain(stdout, a.value, a.len);
			printf("\n");
		}
}

/* What to do about a state that serves nobody; NULL if it serves, or says itself. */
static const char *advice(struct attr_view v)
{
	struct attr a;

	if (attr_count(v, "attention"))
		return NULL;
	if (!attr_find(v, "state", &a))
		return "the daemon does not say in which state it is";
	if (attr_is(&a, "uninitialised"))
		return "there is no store yet: run 'cretula init'";
	if (attr_is(&a, "sealed"))
		return "the store is sealed: run 'cretula unseal'";
	return NULL;
}

static void print_status(enum client_daemon d, struct attr_view v)
{
	static const struct {
		const char *label, *name;
	} lines[] = {
		{ "store", "store" },
		{ "generation", "generation" },
		{ "credentials", "credentials" },
		{ "grants", "grants" },
		{ "workers", "workers" },
		{ "connections", "connections" },
		{ "audit records", "audit_size" },
		{ "audit records", "log" },
		{ "domains", "domain" },
		{ "HTTPS", "https" },
		{ "HTTP", "http" },
		{ "revocation by", "revocation" },
		{ "clients refused", "remote_refused" },
		{ "remote admins may", "remote_admin" },
		{ "node", "node" },
		{ "agents", "agents" },
		{ "waiting for the CA", "waiting" },
		{ "revocations to tell the CA", "revocations_owed" },
		{ "certificates", "certs" },
		{ "valid", "valid" },
		{ "ending within a day", "expiring" },
		{ "revoked", "revoked" },
		{ "issuing CA ends", "issuing_ends" },
		{ "OCSP signer ends", "ocsp_signer_ends" },
	};
	AUTO(mem_free) char *state = text_of(v, "state");

	printf("%s: %s\n", client_name(d),
	       state[0] ? state : "in an unknown state");
	for (size_t i = 0; i < NELEM(lines); i++)
		line(v, lines[i].label, lines[i].name);
	time_line(v, "node's certificate ends", "node_not_after");
	time_line(v, "the CA is away since", "ca_away_since");
	time_line(v, "started", "started");
	each(v, "weaker here", "weaker");
	each(v, "needs attention", "attention");
	if (advice(v))
		printf("needs attention: %s\n", advice(v));
}

static void not_reached(const struct cli *cli, enum client_daemon d,
			const struct cretula_error *err, struct seen *seen)
{
	struct attrs a;
	int code = cli_failed(err);

	if (!seen->failed)
		seen->code = code;
	seen->failed = true;
	seen->unreached |= !err->reached;
	if (!cli->json || err->reached)
		return;
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "daemon", client_name(d)) == OK);
	ENSURE(attrs_add_str(&a, "state", "not_reached") == OK);
	ENSURE(attrs_add_str(&a, "attention", err->text) == OK);
	(void)out_list(cli, attrs_view(&a), NULL);
	attrs_wipe(&a);
}

/* Asks; ca tells admins more. */
static enum cretula_err ask(const struct cli *cli, enum client_daemon d,
			    struct cretula_answer **answer,
			    struct cretula_error *err)
{
	struct attr_view none = { 0 };
	struct cretula *c = NULL;
	enum cretula_err e = CRETULA_ERR_DENIED;

	if (d == CLIENT_CA)
		e = cli_connect(cli, d, true, &c, err);
	if (e)
		e = cli_connect(cli, d, false, &c, err);
	if (!e)
		e = client_call(c, "status", none, NULL, answer, err);
	cretula_close(c);
	return e;
}

static void print_answer(const struct cli *cli, enum client_daemon d,
			 struct attr_view v, struct seen *seen)
{
	struct attrs named;
	struct attr a;

	if (cli->field) {
		if (!attr_find(v, cli->field, &a))
			return;
		seen->field = true;
		seen->failed |= out_field(cli->field, v) != EXIT_DONE;
		return;
	}
	if (!cli->json) {
		print_status(d, v);
		return;
	}
	attrs_init(&named);
	if (!attr_find(v, "daemon", &a))
		ENSURE(attrs_add_str(&named, "daemon", client_name(d)) == OK);
	if (attrs_add_view(&named, v) != OK ||
	    out_list(cli, attrs_view(&named), NULL) != EXIT_DONE)
		seen->failed = true;
	attrs_wipe(&named);
}

/* Whose answer that is, where the address does not say. */
static enum client_daemon who_answers(struct attr_view v)
{
	struct attr a;

	if (attr_find(v, "daemon", &a))
		for (enum client_daemon d = 0; d < CLIENT__DAEMONS; d++)
			if (attr_is(&a, client_name(d)))
				return d;
	return attr_count(v, "agents") ? CLIENT_CERTMGR : CLIENT_CREDD;
}

static void look(const struct cli *cli, enum client_daemon d, struct seen *seen)
{
	struct cretula_answer *answer = NULL;
	struct cretula_error err;
	struct attr_view v;

	if (ask(cli, d, &answer, &err)) {
		not_reached(cli, d, &err, seen);
		return;
	}
	v = attrs_view(&answer->reply.a);
	if (cli->connect)
		d = who_answers(v);
	seen->answers++;
	print_answer(cli, d, v, seen);
	seen->attention |= advice(v) || attr_count(v, "attention");
	cretula_answer_free(answer);
}

/* Where there is none, that is the answer. */
static bool may_be_absent(const char *field)
{
	return !strcmp(field, "attention") || !strcmp(field, "weaker");
}

static int verdict(const struct cli *cli, const struct seen *seen)
{
	if (seen->unreached)
		return EXIT_NOT_REACHED;
	if (seen->failed)
		return seen->code ? seen->code : EXIT_FAILED;
	if (cli->field && !seen->field && !may_be_absent(cli->field)) {
		cli_say("the answer has no field '%s'", cli->field);
		return EXIT_FAILED;
	}
	return seen->attention && !cli->field ? EXIT_ATTENTION : EXIT_DONE;
}

static int run_status(struct cli *cli)
{
	struct seen seen = { 0 };
	bool any = false;
	int rc = cli_words(cli, 0);

	if (rc)
		return rc;
	for (enum client_daemon d = 0; d < CLIENT__DAEMONS; d++) {
		if (!cli_expects(cli, d))
			continue;
		any = true;
		look(cli, d, &seen);
	}
	if (!any)
		look(cli, CLIENT_CREDD, &seen);
	return verdict(cli, &seen);
}

int ca_status_run(struct cli *cli)
{
	struct seen seen = { 0 };
	int rc = cli_words(cli, 0);

	if (rc)
		return rc;
	look(cli, CLIENT_CA, &seen);
	return verdict(cli, &seen);
}

const struct verb verbs_status[] = {
	{ "status", NULL, "", "what is wrong, what is weaker here, what to do",
	  NULL, "cretula status", NULL, run_status },
	{ 0 },
};
