/* Vault: one request to use a credential, from the call to the answer:
 *	subject, credential and operation admitted?	-> denied
 *	facts from the module without a credential
 *	decision (door looks at the process again where a grant wants that)
 *	record to the store, request to the worker, at the same time
 *	record acknowledged and reply there		-> answer */
#include "credd/vault.h"

#include "lib/log.h"
#include "lib/secret.h"

#include <stdlib.h>
#include <string.h>

/* The answer, once the record is safe */

static void run_finish(struct run *r)
{
	if (!r->answered || !r->written)
		return;
	if (r->fault.code != OK) {
		call_fault(&r->call, &r->fault);
	} else if (attrs_add_u64(&r->reply, "version", r->version_number) ==
		   OK) {
		call_reply(&r->call, &r->reply);
	} else {
		call_error(&r->call, ERR_MODULE_FAILED,
			   "the module's answer is too large");
	}
	run_free(r);
}

static void run_deny(struct run *r, const struct fault *why)
{
	const struct subject *s = run_subject(r);
	struct fault f;
	enum err e;

	if (!s) {
		run_free(r);
		return;
	}
	f.code = ERR_UNAVAILABLE;
	e = run_record_denied(r, why, &f);
	if (e != OK) {
		run_end_with(r, &f);
		return;
	}
	r->phase = RUN_DENIED;
	r->fault = *why;
	r->answered = true;
}

/* Signing */

/* What was denied is on record. */
static void run_refuse_export(struct run *r, const struct fault *f)
{
	if (f->code == ERR_DENIED)
		run_deny(r, f);
	else
		run_end_with(r, f);
}

static void run_sign(struct run *r, const struct subject *s)
{
	struct worker *w = r->version->worker;
	struct fault f = { .code = ERR_UNAVAILABLE };

	r->phase = RUN_SIGNING;
	if (r->want && export_run(r, &f) != OK) {
		run_refuse_export(r, &f);
		return;
	}
	if (run_record_allowed(r, &f) != OK) {
		run_end_with(r, &f);
		return;
	}
	if (r->want) {
		r->answered = true;
		run_finish(r);
		return;
	}
	if (!w)
		w = worker_start(r->cred->module, r->cred, r->version,
				 subject_node_account(s), &f);
	if (w)
		worker_run(w, r, VW_RUN);
	else
		run_failed(r, f.code, f.text);
}

/* Deciding */

/* The sentences, and first of all what no grant could help with. */
static enum err test_reason(const struct run *r, const struct grant_request *rq,
			    struct buf *text)
{
	if (!r->cred->enabled)
		TRY(buf_fmt(text, "credential '%s' is disabled\n",
			    r->credential));
	TRY(grants_explain(vault.grants, &r->tested, rq, r->now, text));
	if (text->len && text->p[text->len - 1] == '\n')
		text->len--;
	return OK;
}

static void test_decided(struct run *r, const struct grant_request *rq,
			 const struct grant_decision *d)
{
	struct attr_view facts = rq->facts;
	struct attr one;
	struct buf text;
	enum err e;

	buf_init(&text, ATTR_VALUE_MAX / 2);
	e = test_reason(r, rq, &text);
	if (e == OK)
		e = attrs_add_str(&r->reply, "decision",
				  d->verdict == GRANT_ALLOW && r->cred->enabled
					  ? "allow"
					  : "deny");
	if (e == OK && d->grant)
		e = attrs_add_u64(&r->reply, "grant", d->grant->id);
	if (e == OK)
		e = attrs_add(&r->reply, "reason", 0, text.p, text.len);
	while (e == OK && attr_next(&facts, &one))
		e = attrs_add_fmt(&r->reply, "fact", "%.*s=%.*s", one.name_len,
				  one.name, (int)one.len, one.value);
	buf_wipe(&text);
	if (e == OK)
		call_reply(&r->call, &r->reply);
	else
		call_error(&r->call, e, "the explanation is too large");
	run_free(r);
}

/* What door would be asked; a test believes what the tester wrote. */
static void test_proof(struct run *r, const struct grant_decision *d)
{
	const char *exe = r->tested.exe;
	bool same = d->exe.len && exe && strlen(exe) == d->exe.len &&
		    !memcmp(exe, d->exe.p, d->exe.len);

	proof_set(&r->proof, d->exe.p, d->exe.len, true, same);
}

static void ask_door(struct run *r, const struct grant_decision *d)
{
	size_t n = d->verdict == GRANT_NEEDS_EXE ? d->exe.len : 0;

	/* of who is no process here, no grant wants a proof (lib/grant_subject.c) */
	ENSURE(run_subject(r)->via == VIA_SOCKET);
	if (n >= sizeof r->wanted) {
		proof_set(&r->proof, d->exe.p, n, true, false);
		run_decide(r);
		return;
	}
	r->phase = RUN_PROOF;
	memcpy(r->wanted, d->exe.p ? d->exe.p : "", n);
	r->wanted_len = n;
	conn_check(r, (uint32_t)(r->call.id >> 32), r->wanted, n);
}

/* While facts or a proof were on their way, the credential may have been rotated,
 * disabled or removed. */
static bool still_there(struct run *r)
{
	r->cred = cred_find(r->credential, strlen(r->credential));
	if (!r->cred || (!r->cred->enabled && !r->test))
		return false;
	r->version = r->cred->current;
	r->version_number = r->version->number;
	return true;
}

void run_decide(struct run *r)
{
	const struct subject *s = run_subject(r);
	bool there = still_there(r);
	struct grant_request rq = {
		.credential = r->credential,
		.op = r->op,
		.reveals = r->reveals,
		.facts = { .p = r->facts.p, .len = r->facts.len },
		.credential_not_after = there ? r->version->not_after : 0,
		.proof = &r->proof,
	};
	struct grant_decision d;

	if (!s) { /* the client is gone: nothing was decided or signed */
		run_free(r);
		return;
	}
	if (!there) {
		(void)fault_set(&d.why, ERR_DENIED,
				"credential '%s' was disabled or removed just "
				"now",
				r->credential);
		run_deny(r, &d.why);
		return;
	}
	grants_decide(vault.grants, s, &rq, r->now, &d);
	while (r->test && (d.verdict == GRANT_NEEDS_ALIVE ||
			   d.verdict == GRANT_NEEDS_EXE)) {
		test_proof(r, &d);
		grants_decide(vault.grants, s, &rq, r->now, &d);
	}
	if (r->test) {
		test_decided(r, &rq, &d);
		return;
	}
	switch (d.verdict) {
	case GRANT_DENY:
		run_deny(r, &d.why);
		return;
	case GRANT_NEEDS_ALIVE:
	case GRANT_NEEDS_EXE:
		ask_door(r, &d);
		return;
	case GRANT_ALLOW:
		r->grant = d.grant->id;
		run_sign(r, s);
		return;
	}
}

void run_proof(uint64_t serial, bool alive, bool exe)
{
	struct run *r = map_find(vault.runs, &serial, sizeof serial);

	if (!r || r->phase != RUN_PROOF)
		return;
	proof_set(&r->proof, r->wanted_len ? r->wanted : NULL, r->wanted_len,
		  alive, exe);
	run_decide(r);
}

/* Facts */

static void run_facts(struct run *r)
{
	struct module *m = r->cred->module;
	struct fault f;

	r->phase = RUN_FACTS;
	if (!m->has_facts || r->want || (r->test && !strcmp(r->op, "export"))) {
		run_decide(r);
		return;
	}
	if (!m->facts)
		m->facts = worker_start(m, NULL, NULL, UINT32_MAX, &f);
	if (m->facts)
		worker_run(m->facts, r, VW_FACTS);
	else
		run_failed(r, f.code, f.text);
}

/* What workers say */

void run_reply(struct run *r, struct attr_view v)
{
	if (r->phase == RUN_FACTS) {
		ENSURE(buf_put(&r->facts, v.p, v.len) == OK);
		run_decide(r);
		return;
	}
	r->answered = true;
	if (attrs_add_view(&r->reply, v) != OK)
		(void)fault_set(&r->fault, ERR_MODULE_FAILED,
				"the module's answer is too large");
	run_finish(r);
}

void run_failed(struct run *r, enum err e, const char *text)
{
	struct fault f;

	(void)fault_set(&f, e, "%s", text);
	if (r->tripwire)
		run_record_tripwire(r);
	if (r->phase != RUN_SIGNING) {
		run_end_with(r, &f);
		return;
	}
	r->fault = f;
	r->answered = true;
	run_finish(r);
}

void run_written(struct audit_wait *w, const struct fault *why)
{
	struct run *r = (struct run *)((char *)w - offsetof(struct run, wait));
	struct fault f;

	if (!why) {
		r->written = true;
		run_finish(r);
		return;
	}
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"the audit log cannot be written, and nothing is "
			"signed without it: 'cretula status' says why");
	run_end_with(r, &f);
}

/* The call */

static enum err run_parse(struct attr_view v, struct run *r, struct fault *f)
{
	enum err e = call_text(v, "module", r->module, sizeof r->module, f);

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	TRY(call_need(v, "credential", r->credential, sizeof r->credential, f));
	TRY(call_need(v, "op", r->op, sizeof r->op, f));
	if (!attr_name_ok(r->op, strlen(r->op)))
		return fault_set(f, ERR_INVALID,
				 "op= is no name of an operation");
	return OK;
}

/* Subject, credential and operation first: without a grant the answer is the same
 * whatever the request says and whether the credential exists. */
static void run_admit(struct run *r)
{
	const struct subject *s = run_subject(r);
	struct cred *c = cred_find(r->credential, strlen(r->credential));
	struct fault no_op = { .code = OK };
	struct grant_request rq = { .credential = r->credential, .op = r->op };
	struct grant_decision d;

	if (r->test && !strcmp(r->op, "export"))
		r->reveals = CRETULA_REVEAL_SECRET; /* no module's */
	else if (c && !r->want &&
		 module_operation(c->module, r->op, &r->reveals, &no_op) != OK)
		r->reveals = CRETULA_REVEAL_SIGNATURE;
	rq.reveals = r->reveals;
	grants_admit(vault.grants, s, &rq, r->now, &d);
	if (d.verdict == GRANT_DENY && !r->test) {
		run_deny(r, &d.why);
		return;
	}
	if (c && r->module[0] && strcmp(c->module->name, r->module) != 0)
		(void)fault_set(&no_op, ERR_NOT_FOUND,
				"the credential is not of module '%s'",
				r->module);
	if (!c)
		(void)fault_set(&no_op, ERR_NOT_FOUND,
				"there is no credential of that name");
	if (no_op.code != OK) {
		run_end_with(r, &no_op);
		return;
	}
	if (!c->enabled && !r->test) {
		(void)fault_set(&d.why, ERR_DENIED,
				"credential '%s' is disabled: run 'cretula "
				"credential enable %s'",
				c->name, c->name);
		run_deny(r, &d.why);
		return;
	}
	r->cred = c;
	r->version = c->current;
	r->version_number = c->current->number;
	run_facts(r);
}

void run_admit_export(struct run *r)
{
	run_admit(r);
}

static struct run *run_begin(const struct call *c, struct attr_view v,
			     struct fault *f)
{
	const struct conn *conn = call_conn(c);
	struct attr_view request;
	struct user *u;
	struct run *r;

	if (call_open(f) != OK || call_list(v, "request", &request, f) != OK)
		return NULL;
	if (request.len > VAULT_REQUEST_MAX) {
		(void)fault_set(f, ERR_TOO_LARGE,
				"the request is over %d bytes: send a body's "
				"hash instead of the body",
				VAULT_REQUEST_MAX);
		return NULL;
	}
	u = run_room(&conn->subject, f);
	if (!u)
		return NULL;
	r = run_new(c, u, request);
	if (run_parse(v, r, f) == OK)
		return r;
	run_free(r);
	return NULL;
}

void run_refuse_verb(const struct call *c, const char *verb,
		     const struct fault *why)
{
	struct fault full;
	struct user *u = run_room(&call_conn(c)->subject, &full);
	struct run *r;

	if (!u) {
		call_fault(c, &full);
		return;
	}
	r = run_new(c, u, (struct attr_view){ 0 });
	ENSURE(strlen(verb) < sizeof r->op);
	memcpy(r->op, verb, strlen(verb) + 1);
	r->verb = true;
	run_deny(r, why);
}

void verb_run(const struct call *c, struct attr_view v)
{
	struct fault f;
	struct run *r = run_begin(c, v, &f);

	if (r)
		run_admit(r);
	else
		call_fault(c, &f);
}

void verb_grant_test(const struct call *c, struct attr_view v)
{
	struct fault f;
	struct attr_view subject;
	struct run *r = run_begin(c, v, &f);

	if (!r) {
		call_fault(c, &f);
		return;
	}
	if (call_list(v, "subject", &subject, &f) != OK ||
	    subject_parse(subject, &r->tested, &f) != OK) {
		run_end_with(r, &f);
		return;
	}
	r->test = true;
	run_admit(r);
}
