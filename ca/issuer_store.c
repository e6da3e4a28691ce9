/* Issuer: the dialogue with the store: where the database stands at its start, and who
 * an answer is for.
 *	issuer -> store	IS_LOAD		store -> issuer	IS_STATE, IS_RECORD, IS_READY */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"

/* The signer counts its starts and what it signs, and each checkpoint says both. */
static enum err check_signer(const struct note *n, struct fault *f)
{
	if (n->epoch < issuer.signer_epoch ||
	    (n->epoch == issuer.signer_epoch &&
	     n->count <= issuer.signer_count))
		return OK;
	return fault_set(f, ERR_CONFLICT,
			 "the signer is older than the CA's database: in its "
			 "start %llu it has signed %llu certificates, a "
			 "checkpoint says %llu and %llu: put back the newer "
			 "file 'mark' in the folder 'signer'",
			 (unsigned long long)issuer.signer_epoch,
			 (unsigned long long)issuer.signer_count,
			 (unsigned long long)n->epoch,
			 (unsigned long long)n->count);
}

/* The log of the database, against what the signer remembers of it. */
static enum err open_log(struct fault *f)
{
	struct note n;

	if (issuer.tail_note_len) {
		TRY(note_verify(issuer.tail_note, issuer.tail_note_len,
				issuer.log_key, issuer.origin, &n, f));
		TRY(check_signer(&n, f));
	}
	TRY(audit_tail_end(&issuer.tail, issuer.tail_size, f));
	if (issuer.audit)
		return audit_resume(issuer.audit, &issuer.tail, f);
	if (issuer.tail_size >= issuer.signer_log)
		return OK;
	return fault_set(f, ERR_CONFLICT,
			 "the CA's database is older than what its signer "
			 "signed: it holds %llu log records, a checkpoint over "
			 "%llu was signed: put back the newer ca.db",
			 (unsigned long long)issuer.tail_size,
			 (unsigned long long)issuer.signer_log);
}

/* Whoever asks is answered from now on. */
static void serve(void)
{
	conns_pause(&issuer.conns, false);
	if (chan_is_open(&issuer.gate))
		chan_pause(&issuer.gate, false);
}

/* The first reason stays: what follows may come of it. Whoever asks is told that it is
 * the CA's trouble, not his. */
void issuer_break(const struct fault *f)
{
	log_text(LOG_CRIT, "broken", "%s", f->text);
	if (issuer.state != ISSUER_BROKEN)
		(void)fault_set(&issuer.broken, ERR_UNAVAILABLE, "%s", f->text);
	issuer.state = ISSUER_BROKEN;
	if (issuer.audit)
		txn_broken(&issuer.broken);
	serve();
}

/* Signed and never committed, because somebody died in between; or by a signer that was
 * asked behind our back. Nobody can tell, so it is written down. */
static void tell_unlogged(void)
{
	struct attrs r;

	if (issuer.signer_count <= issuer.logged)
		return;
	attrs_init(&r);
	ENSURE(attrs_add_str(&r, "event", "ca.unlogged") == OK);
	ENSURE(attrs_add_str(&r, "subject", "ca") == OK);
	ENSURE(attrs_add_u64(&r, "logged", issuer.logged) == OK);
	ENSURE(attrs_add_u64(&r, "signed", issuer.signer_count) == OK);
	txn_tell(attrs_view(&r));
	attrs_wipe(&r);
}

static void begin(void)
{
	struct fault f;
	bool again = issuer.audit != NULL;

	/* the signer alone may have been started anew */
	if (issuer.store_fresh && open_log(&f) != OK) {
		issuer_break(&f);
		return;
	}
	orders_number();
	if (!again)
		txn_begin();
	issuer.state = ISSUER_READY;
	if (issuer.store_fresh)
		txn_resume(issuer.generation);
	issuer.store_fresh = false;
	gate_tell_chain();
	ocsp_signer_check();
	if (!again) {
		tell_unlogged();
		crl_start();
	}
}

void issuer_settle(void)
{
	if (!issuer.store_told || !issuer.signer_told ||
	    issuer.state == ISSUER_BROKEN)
		return;
	if (!issuer.signer_ready && issuer.tail_size) {
		struct fault f;

		(void)fault_set(&f, ERR_CONFLICT,
				"there is a database, but the signer has no "
				"keys: put the folder 'signer' back");
		issuer_break(&f);
	} else if (!issuer.signer_ready) {
		issuer.state = ISSUER_EMPTY;
	} else {
		begin();
	}
	serve();
}

/* Store */

static void load_meta(struct attr_view list)
{
	struct attr name, value;
	char text[128];
	uint64_t n;

	if (attr_only(list, "name", &name) != OK ||
	    attr_only(list, "value", &value) != OK || name.len >= sizeof text)
		child_broken("store");
	memcpy(text, name.value, name.len);
	text[name.len] = 0;
	if (!strcmp(text, "crl_number") &&
	    attr_u64(&value, UINT64_MAX, &n) == OK)
		issuer.crl_number = MAX(n, issuer.crl_number);
	else
		probe_meta(text, (struct attr_view){ value.value, value.len });
}

static void keep_note(const struct msg *m, struct attr_view *note,
		      struct attr_view *frontier)
{
	struct attr a;

	*note = *frontier = (struct attr_view){ 0 };
	issuer.tail_note_len = 0;
	if (attr_only(m->attrs, "note", &a) == OK &&
	    a.len <= sizeof issuer.tail_note) {
		memcpy(issuer.tail_note, a.value, a.len);
		issuer.tail_note_len = a.len;
		*note = (struct attr_view){ issuer.tail_note, a.len };
	}
	if (attr_only(m->attrs, "frontier", &a) == OK)
		*frontier = (struct attr_view){ a.value, a.len };
}

/* The note's signature is checked when the signer has told its key; until then its
 * text says where the records that follow belong. */
static void load_state(const struct msg *m)
{
	struct attr_view it = m->attrs, note, frontier, list;
	struct fault f;
	struct attr a;

	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "meta"))
			continue;
		if (attr_parse(a.value, a.len, &list, &f) != OK)
			child_broken("store");
		load_meta(list);
	}
	issuer.generation = child_number(m, "generation", INT64_MAX);
	issuer.store_next = child_number(m, "next", SERIAL_NUMBER_MAX);
	issuer.tail_size = child_number(m, "log_size", INT64_MAX);
	keep_note(m, &note, &frontier);
	merkle_init(&issuer.tail.tree);
	issuer.tail.noted = note.len > 0;
	issuer.logged = 0;
	if (!note.len)
		return;
	if (note_parse(note.p, note.len, &issuer.tail.note, &f) != OK ||
	    merkle_parse(frontier.p, frontier.len, &issuer.tail.tree) != OK ||
	    issuer.tail.tree.size != issuer.tail.note.size) {
		(void)fault_set(&f, ERR_INVALID,
				"the last checkpoint in the database is "
				"damaged");
		issuer_break(&f);
	}
	if (issuer.tail.note.chained)
		issuer.logged = issuer.tail.note.count;
}

/* How many signatures the log knows of. */
static void load_count(struct attr_view record)
{
	struct fault f;
	struct attr a;
	uint64_t n;

	if (attr_parse(record.p, record.len, &record, &f) == OK &&
	    attr_only(record, "signed", &a) == OK &&
	    attr_u64(&a, INT64_MAX, &n) == OK)
		issuer.logged = MAX(issuer.logged, n);
}

static void load_record(const struct msg *m)
{
	struct fault f;
	struct attr a;

	if (attr_only(m->attrs, "record", &a) != OK)
		child_broken("store");
	load_count((struct attr_view){ a.value, a.len });
	if (audit_tail_add(&issuer.tail, m->id,
			   (struct attr_view){ a.value, a.len }, &f) != OK)
		issuer_break(&f);
}

static void store_failed(const struct msg *m)
{
	char text[FAULT_TEXT_MAX / 2], name[32];
	struct fault f = { .code = ERR_INTERNAL };

	if (call_need(m->attrs, "text", text, sizeof text, &f) != OK ||
	    call_need(m->attrs, "error", name, sizeof name, &f) != OK ||
	    err_parse(name, strlen(name), &f.code) != OK)
		child_broken("store");
	(void)fault_set(&f, f.code, "%s", text);
	log_text(LOG_ERR, "store", "%s", text);
	if (!m->id) { /* it cannot even be loaded */
		issuer_break(&f);
		issuer.store_told = true;
		issuer_settle();
		return;
	}
	switch (ABOUT(m->id)) {
	case ABOUT_TXN:
		txn_done(m->id, &f);
		return;
	case ABOUT_FIND:
		(void)find_message(m);
		return;
	case ABOUT_OCSP:
		ocsp_lookup_failed(m->id);
		return;
	case ABOUT_PEER:
		peer_lookup_failed(m->id, &f);
		return;
	case ABOUT_CRL:
		crl_page_failed(m->id, &f);
		return;
	case ABOUT_ORDER:
	case ABOUT_OCSP_KEY:
	case ABOUT_NOTE:
	case ABOUT_INIT:
	case ABOUT_DROP:
	case ABOUT_PROBE:
		break;
	}
	child_broken("store");
}

void store_message(struct chan *ch, const struct msg *m)
{
	(void)ch;
	switch ((enum issuer_store_kind)m->kind) {
	case IS_STATE:
		load_state(m);
		return;
	case IS_READY:
		issuer.store_told = issuer.store_fresh = true;
		issuer_settle();
		return;
	case IS_RECORD:
		if (issuer.store_told)
			(void)find_message(m);
		else
			load_record(m);
		return;
	case IS_DONE:
		if (ABOUT(m->id) == ABOUT_TXN)
			txn_done(m->id, NULL);
		else
			(void)find_message(m);
		return;
	case IS_FAILED:
		store_failed(m);
		return;
	case IS_STATUSES:
		if (ABOUT(m->id) == ABOUT_OCSP)
			ocsp_status(m);
		else
			peer_status(m->id, m);
		return;
	case IS_ITEM:
	case IS_NOTE:
	case IS_PROOF:
	case IS_COUNTS:
		(void)find_message(m);
		return;
	case IS_REVOKED:
		crl_page(m);
		return;
	case IS_LOAD:
	case IS_COMMIT:
	case IS_STATUS:
	case IS_TOKEN:
	case IS_FIND:
	case IS_REVOKED_FROM:
	case IS_READ:
	case IS_PROVE:
	case IS_COUNT:
		break;
	}
	child_broken("store");
}

void store_end(struct chan *ch, const struct fault *why)
{
	struct fault f;

	(void)why;
	chan_close(ch);
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"the CA's store was started anew: try again");
	issuer.store_told = false;
	finds_fail(&f);
	ocsp_fail_all();
	peers_store_gone(&f);
	crl_store_gone();
}
