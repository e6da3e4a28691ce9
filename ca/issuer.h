/* The issuer's state and nouns (ca/issuer*.c). One file, one noun; the chain of an
 * issuance is enrol/issue (policy) -> order (signature) -> txn (durable) -> ask
 * (answered). */
#ifndef CA_ISSUER_H
#define CA_ISSUER_H

#include "ca/kinds.h"
#include "lib/audit.h"
#include "lib/call.h"
#include "lib/clock.h"
#include "lib/map.h"
#include "lib/ocsp.h"
#include "lib/profile.h"

#include <string.h>

enum {
	ISSUER_ORDERS_MAX = 4096, /* certificates being signed at once */
	ISSUER_OCSP_MAX = 4096,   /* OCSP requests being answered at once */
	ISSUER_PEERS_MAX = 32768, /* TLS connections with a certificate */
	ISSUER_ADDRESS = 64,
	ISSUER_PAGE = 500,       /* rows asked for at once */
	TOKEN_DELAY_MAX = 86400, /* seconds, of --verify-after */
};

enum {
	OCSP_LIFE = 600, /* seconds an answer may be used */
	OCSP_REFRESH = OCSP_LIFE / 2,
	CRL_LIFE = 24 * 3600,
	CRL_EVERY = 6 * 3600, /* published at least so often */
};

enum issuer_state {
	ISSUER_STARTING, /* store or signer have not told yet */
	ISSUER_EMPTY,    /* no CA yet: ca init */
	ISSUER_READY,
	ISSUER_BROKEN, /* issuer.broken says why: only reading and OCSP go on */
};

/* What a question to the signer or store was about: the top byte of its id. */
enum about {
	ABOUT_ORDER = 1,
	ABOUT_OCSP,
	ABOUT_OCSP_KEY,
	ABOUT_CRL,
	ABOUT_NOTE,
	ABOUT_INIT,
	ABOUT_TXN,
	ABOUT_PEER,
	ABOUT_FIND,
	ABOUT_DROP,
	ABOUT_PROBE,
};
#define ABOUT_ID(what, n) ((uint64_t)(what) << 56 | (n))
#define ABOUT(id)         ((enum about)((id) >> 56))
#define ABOUT_N(id)       ((id) & ((1ull << 56) - 1))

/* Who waits for an answer: a local client (call.id) or one of gate's. */
struct ask {
	struct call call;
	bool by_gate;
	uint64_t gate_id;
	uint64_t peer; /* gate's TLS connection; 0: none, or no certificate */
	char address[ISSUER_ADDRESS];
};

/* Takes over what the front or gate sent. */
struct ask ask_of_client(uint64_t id);
MUST enum err ask_of_gate(const struct msg *m, struct ask *out,
			  struct fault *f);
/* The one answer. reply gets request_id=. */
void ask_reply(const struct ask *a, struct attrs *reply);
void ask_item(const struct ask *a, struct attr_view item);
void ask_fault(const struct ask *a, const struct fault *f);
/* Appends subject= and so on, for a record; request_id=. */
MUST enum err ask_said(const struct ask *a, struct attrs *out);
MUST enum err ask_id(const struct ask *a, struct attrs *out);

/* txn: what becomes durable together. One transaction is with the store at a time;
 * what comes meanwhile gathers for the next. */
struct txn_entry {
	struct txn_entry *next;
	struct attrs ops;    /* operations for IS_COMMIT, in order */
	struct attrs cert;   /* the inventory row, which gets log= ; or empty */
	struct attrs record; /* of the audit log: event= … ; or empty */
	struct attrs once;   /* of a denial: what equal ones need not share */
	bool denial;         /* counted if one like it was written just now */
	bool alone;          /* one of a transaction that was refused */
	/* f NULL: it is durable. Called once; the entry is its owner's then. */
	void (*done)(struct txn_entry *e, const struct fault *f);
};

void txn_init(void);  /* entries may gather from now on */
void txn_begin(void); /* the log is there: they go */
bool txn_open(void);  /* there is a store to write to */
void txn_entry_init(struct txn_entry *e,
		    void (*done)(struct txn_entry *e, const struct fault *f));
void txn_entry_wipe(struct txn_entry *e);
/* Takes e until done is called, in this turn at the earliest at its end. */
void txn_add(struct txn_entry *e);
/* The store said so. */
void txn_done(uint64_t id, const struct fault *f);
/* Writes what there is and a checkpoint, then ends this process. */
void txn_end(void);
/* The store was started anew: it has generation; what was in flight is known now. */
void txn_resume(uint64_t generation);
/* Nothing will be written any more: who waits for that is told. */
void txn_broken(const struct fault *f);
/* A checkpoint when one is due, or at once. */
void txn_note(bool now);
void txn_noted(const struct msg *m);
void txn_note_refused(const struct fault *f);
struct audit_now issuer_now(void);

/* A record that nobody waits for, or an answer that waits for nothing but it. */
void txn_tell(struct attr_view record);
/* Refuses a after writing why: event= … result=denied error= text=. */
void txn_refuse(const struct ask *a, const char *event, struct attr_view about,
		const struct fault *f);
/* The same for who has shown nothing yet: what he says is in the first record, and
 * whatever else he says within a second is only counted. Else anybody fills the log. */
void txn_refuse_stranger(const struct ask *a, const char *event,
			 struct attr_view about, const struct fault *f);

/* order: one certificate on its way. */
struct order {
	struct txn_entry entry; /* first member */
	struct ask ask;
	char profile[PROFILE_NAME_MAX + 1];
	char node[DN_PART_MAX + 1];
	char agent[AGENT_ID_LEN + 1];
	struct attrs asked; /* dns= and uri= of the request */
	struct buf csr;     /* DER */
	bool bare_key;      /* … or only a key, in parsed already */
	struct csr parsed;  /* borrows from csr */
	/* of a renewal, until it is with the signer: what it takes the place of */
	const struct cert *old;
	uint8_t csr_hash[32];
	uint64_t life, delay;
	uint64_t number;
	struct serial serial;
	int64_t not_before, not_after;
	struct buf der;    /* the certificate */
	const char *event; /* of its record: enrol issue renew ca.tls ca.ocsp */
	char by[2 * SERIAL_SIZE +
		1]; /* serial of the issuer's certificate, or "" */
	struct serial replaces;
	bool has_replaces;
	uint8_t token[16];
	bool has_token;
	char endpoint[DNS_NAME_MAX + 8]; /* host:port for the probe, or "" */
	/* f NULL: durable, o->der is the certificate. Frees the order. */
	void (*finish)(struct order *o, const struct fault *f);
	bool turn;             /* it is among those with its CSR: repeat_end */
	struct order *waiting; /* for these */
};

struct order *order_new(const struct ask *a);
void order_free(struct order *o);
/* csr (PEM or DER bytes) and names of a request into o. */
MUST enum err order_take(struct order *o, struct attr_view request,
			 struct fault *f);
/* Judges by the profile, signs, makes durable, finishes. */
void order_run(struct order *o);
void order_signed(uint64_t number, const struct msg *m);
void order_refused(uint64_t number, const struct msg *m, const struct fault *f);
/* The signer is gone, and with it what it had. */
void orders_fail(const struct fault *f);
/* The next number, as far as store and signer are. */
void orders_number(void);
/* Appends certificate= issuer= serial= agent= … */
MUST enum err order_answer(const struct order *o, struct attrs *reply);

/* What order_answer tells, from o->der, a certificate of the inventory. */
MUST enum err order_again(struct order *o, struct fault *f);

/* repeat: an order that names its agent, after order_take. Runs it as order_run does;
 * one that says `repeat` after all others with its CSR, and it gets the certificate
 * that these got, or that is in the inventory. repeat_end: when it is answered. */
void repeat_init(void);
void repeat_run(struct order *o, bool repeat);
void repeat_end(const struct order *o);

/* enrol: tokens. */
void enrol_init(void);
void enrol_run(const struct ask *a, struct attr_view v);
void verb_token(const struct ask *a, struct attr_view v);

/* peer: holders of certificates, as gate shows their chains. */
enum peer_state {
	PEER_ASKED,   /* the store is asked whether it is revoked */
	PEER_UNKNOWN, /* who should know was being started anew; fault says so */
	PEER_GOOD,
	PEER_REFUSED, /* fault says why */
};

struct tls_peer {
	uint64_t id;
	enum peer_state state;
	struct fault fault;
	struct buf der;
	struct cert cert; /* borrows from der */
	struct serial serial;
	struct gate_call
		*waiting; /* calls that came before the store's answer */
};

/* A call of gate that may have to wait for its peer. */
struct gate_call {
	struct gate_call *next;
	struct ask ask;
	struct attrs said;
};

void peer_init(void);
MUST enum err peer_came(const struct msg *m, struct fault *f);
void peer_gone(uint64_t id);
void peers_gone(void);
struct tls_peer *peer_find(uint64_t id);
/* False: it is being looked up (again, if that failed), and calls have to wait. */
bool peer_looked_up(struct tls_peer *p);
void peer_status(uint64_t id, const struct msg *m);
void peer_lookup_failed(uint64_t id, const struct fault *f);
void peers_store_gone(const struct fault *f);
/* Those who hold it are refused from now on. */
void peers_revoked(const uint64_t *number, size_t n); /* descending */
/* OK, or why p (NULL: no certificate was shown) may not ask now. */
MUST enum err peer_check(const struct tls_peer *p, struct fault *f);

/* gate */
void gate_message(struct chan *ch, const struct msg *m);
void gate_verb(const struct ask *a, struct attr_view v);
void gate_tell_chain(void);
/* Forgets answers about these numbers; then is called when no old one is left. */
void gate_drop(const uint64_t *number, size_t n, void (*then)(void *arg),
	       void *arg);
void gate_dropped(uint64_t id);
void gate_ended(struct chan *ch, const struct fault *why);

/* issue, renew, and what belongs to them */
void issue_run(const struct ask *a, struct attr_view v);
void renew_run(const struct ask *a, struct attr_view v);
/* A new key, and no other names than the certificate's. */
MUST enum err renew_check(const struct order *o, struct fault *f);
void tls_run(const struct ask *a, struct attr_view v); /* gate's own */
void show_run(const struct ask *a, struct attr_view v);

/* revoke */
void revoke_run(const struct ask *a, struct attr_view v);  /* of a peer */
void verb_revoke(const struct ask *a, struct attr_view v); /* of an admin */
MUST enum err reason_parse(const char *text, unsigned *reason);
const char *reason_name(unsigned reason);

/* find: answers of the store that come as items. The store takes what it is asked for
 * well formed, and ends if it is not. */
enum {
	FIND_NAME_MAX = 255 /* bytes of a type, node or agent */
};

/* type=, node=, agent= of a call into a question; *any: there is one of them. */
MUST enum err find_names(struct attr_view v, struct attrs *out, bool *any,
			 struct fault *f);

struct find {
	void (*item)(struct find *q, struct attr_view row);
	/* more: there are more rows after these. f: it failed. */
	void (*end)(struct find *q, bool more, const struct fault *f);
	uint64_t id;
	uint64_t index; /* of the record at hand, when the log is read */
	uint64_t after; /* where the next page begins, if there are more */
};
/* kind IS_FIND, IS_TOKEN, IS_READ, IS_PROVE, IS_COUNT; q stays the caller's until end. */
void find_start(struct find *q, uint32_t kind, struct attr_view ask);
void find_init(void);
bool find_message(const struct msg *m);
void finds_fail(const struct fault *f);
void verb_list(const struct ask *a, struct attr_view v);
void verb_show(const struct ask *a, struct attr_view v);
void verb_audit_show(const struct ask *a, struct attr_view v);
void verb_audit_notes(const struct ask *a, struct attr_view v);
void verb_audit_prove(const struct ask *a, struct attr_view v);

/* ocsp */
void ocsp_init(void);
MUST enum err ocsp_run(const struct msg *m, struct fault *f);
void ocsp_status(const struct msg *m);
void ocsp_lookup_failed(uint64_t id);
void ocsp_signed(uint64_t id, const struct msg *m);
void ocsp_refused(uint64_t id, const struct fault *f);
void ocsp_fail_all(void);
/* The delegated signer: a new one when there is none or it gets old. */
void ocsp_signer_check(void);
void ocsp_signer_key(const struct msg *m);
void ocsp_signer_gone(void);
/* The signer refused what that message asked for. */
void ocsp_signer_refused(uint64_t id);
int64_t ocsp_signer_end(void);       /* notAfter; 0: there is none */
const uint8_t *ocsp_signer_id(void); /* SHA-1 of its key */

/* crl */
void crl_init(void);
void crl_start(void); /* the CA is there: publish everything */
void crl_revoked(uint64_t number);
void crl_page(const struct msg *m);
void crl_signed(uint64_t id, const struct msg *m);
void crl_refused(uint64_t id, const struct fault *f);
void crl_page_failed(uint64_t id, const struct fault *f);
void crl_store_gone(void);
void crl_to_gate(void); /* a new gate gets what there is */
void verb_crl(const struct ask *a, struct attr_view v);

/* probe */
/* host:port on that node? wanted: its port; 0: any. */
MUST enum err probe_check(const char *endpoint, const char *node,
			  uint64_t wanted, struct fault *f);
/* Remembers that the certificate has to be proven before `deadline` (wall, s). */
MUST enum err probe_op(const struct order *o, struct attrs *ops);
void probe_start(const struct order *o);
void probe_meta(const char *name, struct attr_view value); /* at load */
void probe_dialled(const struct msg *m, int fd);
void probe_prober(uint64_t ref, int fd);
void probe_dialer_gone(void);

/* profiles: files of this host, which the supervisor reads for us and the signer. */
void reload_message(const struct msg *m);
/* ERR_UNAVAILABLE until they were read: what a file says may be narrower than what is
 * there without one, and who asks early is not to hear that there is no such type. */
MUST enum err profiles_read(struct fault *f);
/* Appends attention=, for status. */
MUST enum err profiles_attention(struct attrs *out);
MUST enum err tls_attention(struct attrs *out);
void verb_profiles(const struct ask *a, struct attr_view v);
void verb_reload(const struct ask *a, struct attr_view v);

/* admin */
/* Root and issuing certificate, domains, where gate listens. */
void chain_run(const struct ask *a, struct attr_view v);
void admin_call(const struct conn *c, const struct msg *m);
/* The same of whoever asks: by gate, call is what its client sent. */
void admin_run(const struct ask *a, struct attr_view call);
/* True if he may see what admins see. */
bool admin_is(const struct ask *a);
void verb_status(const struct ask *a, struct attr_view v);
void init_state(const struct msg *m); /* IG_STATE */
void init_done(uint64_t id, const struct fault *f);
void verb_init(const struct ask *a, struct attr_view v);
void verb_renew(const struct ask *a, struct attr_view v);

struct issuer {
	struct loop *loop;
	struct chan sup, gate, store, signer, dialer;
	struct conns conns;
	struct call_server server;
	enum issuer_state state;
	struct fault broken;
	/* from the supervisor */
	struct profiles *profiles;
	char url[URI_MAX];
	char http[URI_MAX], https[URI_MAX]; /* where gate listens */
	char profile_folder[4096];
	bool default_profile, probe_loopback;
	struct attrs tls_names; /* name= … */
	struct attrs notes;     /* note=LIST … of the roles, for status */
	/* from the signer */
	bool signer_told, signer_ready;
	struct buf root, issuing; /* DER */
	struct buf root_says;     /* LIST: crl= ocsp_sha1= ocsp_sha256= */
	struct ocsp_issuer root_ocsp;
	struct ca_scope scope;
	struct cert issuing_cert; /* borrows from issuing */
	struct pubkey issuing_key;
	struct sig_check *sig_check;
	struct ocsp_issuer ocsp_issuer;
	uint8_t log_key[NOTE_PUBLIC];
	char origin[NOTE_ORIGIN_MAX + 1];
	uint64_t signer_next, signer_epoch, signer_count, signer_log;
	uint8_t signer_chain[32];
	/* from the store */
	bool store_told, store_fresh; /* … since the log was last compared */
	uint64_t store_next, generation;
	struct audit_tail tail;
	uint64_t tail_size;
	uint8_t tail_note[NOTE_MAX];
	size_t tail_note_len;
	uint64_t crl_number;
	uint64_t unlogged;
	uint64_t logged; /* signatures that the log knows of, at its start */
	struct audit *audit;
	/* why the last transaction was not written; OK: it was */
	struct fault unwritten;
	uint64_t next;  /* number of the next certificate */
	uint64_t spent; /* below it all that came back from the signer */
	uint64_t ids;   /* of what we ask others */
	struct loop_timer tick;
};

extern struct issuer issuer;

/* An id for a question to another process. */
uint64_t issuer_id(enum about what);
/* OK, or why nothing can be issued now. */
MUST enum err issuer_open(struct fault *f);
/* Nothing is issued from now on. */
void issuer_break(const struct fault *f);
/* The dialogues with store and signer. */
void store_message(struct chan *ch, const struct msg *m);
void store_end(struct chan *ch, const struct fault *why);
void signer_message(struct chan *ch, const struct msg *m);
void signer_end(struct chan *ch, const struct fault *why);
/* Store and signer have told: go on. */
void issuer_settle(void);

#endif
