/* Issuer: the dialogue with the signer: who an answer is for. */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"

static void signer_refused(const struct msg *m)
{
	char text[FAULT_TEXT_MAX / 2], name[32];
	struct fault f = { .code = ERR_INTERNAL };

	if (call_need(m->attrs, "text", text, sizeof text, &f) != OK ||
	    call_need(m->attrs, "error", name, sizeof name, &f) != OK ||
	    err_parse(name, strlen(name), &f.code) != OK)
		child_broken("signer");
	(void)fault_set(&f, f.code, "%s", text);
	if (ABOUT(m->id) != ABOUT_INIT)
		log_text(LOG_ERR, "signer_refused", "%s", text);
	switch (ABOUT(m->id)) {
	case ABOUT_ORDER:
		order_refused(ABOUT_N(m->id), m, &f);
		return;
	case ABOUT_OCSP:
		ocsp_refused(m->id, &f);
		return;
	case ABOUT_CRL:
		crl_refused(m->id, &f);
		return;
	case ABOUT_NOTE:
		txn_note_refused(&f);
		return;
	case ABOUT_INIT:
		init_done(m->id, &f);
		return;
	case ABOUT_OCSP_KEY:
		ocsp_signer_refused(m->id);
		return;
	case ABOUT_TXN:
	case ABOUT_PEER:
	case ABOUT_FIND:
	case ABOUT_DROP:
	case ABOUT_PROBE:
		break;
	}
	child_broken("signer");
}

void signer_message(struct chan *ch, const struct msg *m)
{
	(void)ch;
	switch ((enum issuer_signer_kind)m->kind) {
	case IG_STATE:
		init_state(m);
		return;
	case IG_DONE:
		if (ABOUT(m->id) == ABOUT_INIT)
			init_done(m->id, NULL);
		return;
	case IG_REFUSED:
		signer_refused(m);
		return;
	case IG_SIGNED:
		order_signed(ABOUT_N(m->id), m);
		return;
	case IG_OCSP_KEY:
		ocsp_signer_key(m);
		return;
	case IG_OCSP_SIGNED:
		ocsp_signed(m->id, m);
		return;
	case IG_CRL_SIGNED:
		crl_signed(m->id, m);
		return;
	case IG_NOTED:
		txn_noted(m);
		return;
	case IG_INIT:
	case IG_RENEW:
	case IG_SIGN:
	case IG_OCSP_NEW:
	case IG_OCSP_USE:
	case IG_OCSP:
	case IG_CRL:
	case IG_NOTE:
		break;
	}
	child_broken("signer");
}

void signer_end(struct chan *ch, const struct fault *why)
{
	struct fault f;

	(void)why;
	chan_close(ch);
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"the CA's signer was started anew: try again");
	issuer.signer_told = false;
	orders_fail(&f);
	ocsp_fail_all();
	ocsp_signer_gone();
	crl_refused(0, &f);
	txn_note_refused(&f);
	init_done(0, &f);
}
