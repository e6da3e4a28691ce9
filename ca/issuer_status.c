/* Issuer: how the CA is: what is wrong, what ends soon, what is weaker here. */
#include "ca/issuer.h"

#include "ca/kinds_sup.h"
#include "lib/child.h"
#include "lib/enc.h"

#include <stdlib.h>
#include <string.h>

enum {
	STATUS_SOON = 86400,         /* certificates that end within */
	STATUS_CA_SOON = 90 * 86400, /* the issuing CA: a person is needed */
};

struct status_ask {
	struct find counts, alarms; /* counts is first */
	struct ask ask;
	struct attrs reply;
};

static const char *state_name(void)
{
	static const char *const names[] = {
		[ISSUER_STARTING] = "starting",
		[ISSUER_EMPTY] = "uninitialised",
		[ISSUER_READY] = "ready",
		[ISSUER_BROKEN] = "broken",
	};

	return names[issuer.state];
}

static enum err attention(struct attrs *r)
{
	char text[CLOCK_TEXT];

	if (issuer.state == ISSUER_BROKEN)
		TRY(attrs_add_str(r, "attention", issuer.broken.text));
	if (issuer.state == ISSUER_EMPTY)
		TRY(attrs_add_str(r, "attention",
				  "there is no CA yet: run 'cretula ca "
				  "init'"));
	if (issuer.unlogged)
		TRY(attrs_add_fmt(r, "attention",
				  "the signer has signed %llu certificates "
				  "that are not in the log",
				  (unsigned long long)issuer.unlogged));
	if (issuer.state != ISSUER_READY)
		return OK;
	if (issuer.unwritten.code != OK)
		TRY(attrs_add_fmt(r, "attention",
				  "nothing can be issued or revoked: %s",
				  issuer.unwritten.text));
	TRY(profiles_attention(r));
	TRY(tls_attention(r));
	if (!ocsp_signer_end())
		TRY(attrs_add_str(r, "attention",
				  "there is no OCSP signer: answers say "
				  "tryLater"));
	if (issuer.scope.not_after - clock_wall() > STATUS_CA_SOON)
		return OK;
	clock_format(issuer.scope.not_after, text);
	return attrs_add_fmt(r, "attention",
			     "the issuing CA ends at %s: run 'cretula ca root "
			     "--renew' with the root key's passphrase",
			     text);
}

static enum err ends(struct attrs *r)
{
	char text[CLOCK_TEXT];

	for (unsigned i = 0; i < issuer.scope.n_domains; i++)
		TRY(attrs_add_str(r, "domain", issuer.scope.domain[i]));
	clock_format(issuer.scope.not_after, text);
	TRY(attrs_add_str(r, "issuing_ends", text));
	if (ocsp_signer_end()) {
		clock_format(ocsp_signer_end(), text);
		TRY(attrs_add_str(r, "ocsp_signer_ends", text));
	}
	TRY(attrs_add_u64(r, "log", audit_kept(issuer.audit)));
	return attrs_add_u64(r, "crl_number", issuer.crl_number);
}

static void done(struct status_ask *s)
{
	ask_reply(&s->ask, &s->reply);
	attrs_wipe(&s->reply);
	free(s);
}

/* Thefts: a token used with two keys */

static struct status_ask *of_alarms(struct find *q)
{
	return (struct status_ask *)((char *)q -
				     offsetof(struct status_ask, alarms));
}

/* Of what the token was used for. */
static void say_serial(struct attr_view row, char hex[2 * SERIAL_SIZE + 1])
{
	struct serial serial;
	struct fault f;
	struct attr tail;
	uint64_t number;

	memcpy(hex, "SERIAL", sizeof "SERIAL");
	if (call_number(row, "used", 0, SERIAL_NUMBER_MAX, &number, &f) != OK ||
	    attr_only(row, "tail", &tail) != OK || tail.len != SERIAL_TAIL)
		return;
	serial_make(issuer.scope.instance, number, tail.value, &serial);
	serial_format(&serial, hex);
}

static void alarm_item(struct find *q, struct attr_view row)
{
	struct status_ask *s = of_alarms(q);
	char token[33], text[CLOCK_TEXT] = "", node[DN_PART_MAX + 1] = "";
	char serial[2 * SERIAL_SIZE + 1];
	struct attr_view it = row, alarm;
	struct fault f;
	struct attr a;
	uint64_t t;

	if (attr_only(row, "id", &a) != OK || a.len != 16)
		child_broken("store");
	enc_hex(a.value, 16, token);
	say_serial(row, serial);
	(void)!call_text(row, "node", node, sizeof node, &f);
	while (attr_next(&it, &a)) /* the last one counts */
		if (attr_named(&a, "alarm") &&
		    attr_parse(a.value, a.len, &alarm, &f) == OK &&
		    call_number(alarm, "time", 0, INT64_MAX, &t, &f) == OK)
			clock_format((int64_t)t, text);
	ENSURE(attrs_add_fmt(&s->reply, "attention",
			     "theft: token %s of node '%s' was used with two "
			     "keys, the second time at %s: find out by whom, "
			     "and revoke what it was used for ('cretula ca "
			     "revoke %s', also if that was done before: then "
			     "this ends)",
			     token, node, text, serial) == OK);
}

static void alarm_end(struct find *q, bool more, const struct fault *f)
{
	struct status_ask *s = of_alarms(q);

	(void)more;
	(void)f;
	done(s);
}

static void counts_item(struct find *q, struct attr_view row)
{
	struct status_ask *s = (struct status_ask *)q;

	ENSURE(attrs_add_view(&s->reply, row) == OK);
}

static void counts_end(struct find *q, bool more, const struct fault *f)
{
	struct status_ask *s = (struct status_ask *)q;
	struct attrs a;

	(void)more;
	if (f) {
		done(s);
		return;
	}
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "alarms", "yes") == OK);
	s->alarms.item = alarm_item;
	s->alarms.end = alarm_end;
	find_start(&s->alarms, IS_TOKEN, attrs_view(&a));
	attrs_wipe(&a);
}

void verb_status(const struct ask *a, struct attr_view v)
{
	struct status_ask *s = xcalloc(1, sizeof *s);
	uint64_t now = (uint64_t)clock_wall();
	struct attrs ask;

	(void)v;
	s->ask = *a;
	attrs_init(&s->reply);
	ENSURE(attrs_add_str(&s->reply, "daemon", "ca") == OK);
	ENSURE(attrs_add_str(&s->reply, "state", state_name()) == OK);
	ENSURE(attrs_add_str(&s->reply, "http", issuer.http) == OK);
	ENSURE(attrs_add_str(&s->reply, "https", issuer.https) == OK);
	if (!admin_is(a) || issuer.state != ISSUER_READY) {
		ENSURE(attention(&s->reply) == OK);
		ENSURE(attrs_add_view(&s->reply, attrs_view(&issuer.notes)) ==
		       OK);
		done(s);
		return;
	}
	ENSURE(ends(&s->reply) == OK);
	ENSURE(attention(&s->reply) == OK);
	ENSURE(attrs_add_view(&s->reply, attrs_view(&issuer.notes)) == OK);
	attrs_init(&ask);
	ENSURE(attrs_add_u64(&ask, "now", now) == OK);
	ENSURE(attrs_add_u64(&ask, "soon", now + STATUS_SOON) == OK);
	s->counts.item = counts_item;
	s->counts.end = counts_end;
	find_start(&s->counts, IS_COUNT, attrs_view(&ask));
	attrs_wipe(&ask);
}
