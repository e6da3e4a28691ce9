/* The node's own certificate: inside of net_node.c, net_enrol.c, net_self.c and
 * net_key.c. */
#ifndef CERTMGR_NET_SELF_H
#define CERTMGR_NET_SELF_H

#include "certmgr/net.h"
#include "lib/token.h"

enum {
	SELF_NODE_MAX = DN_PART_MAX,
	SELF_ENDPOINT = WEB_HOST + 8,
};

/* Where a node may be told what it needs to begin, in the words of the configuration
 * (net_boot.h). */
enum boot_source {
	BOOT_FILE,
	BOOT_CMDLINE,
	BOOT_NOCLOUD,
	BOOT_IMDS,
	BOOT__SOURCES
};

/* ---- the certificate there is (net_self.c) */

struct self {
	bool there;                   /* it may be shown to the CA */
	char node[SELF_NODE_MAX + 1]; /* … and then these are known */
	char serial[2 * SERIAL_SIZE + 1];
	int64_t not_before, not_after;
	bool enrolled;           /* by that token, which is used up */
	uint8_t token[TOKEN_ID]; /* also known of a certificate that ended */
	char endpoint[SELF_ENDPOINT]; /* where the CA looks for the key until it
					 begins; "": it began at once */
};

/* The one in the folder. want: the name it must be of, or NULL. ERR_NOT_FOUND: there is
 * none; other errors: one that is of no use, with the reason. */
MUST enum err self_load(const char *want, struct self *s, struct fault *f);
/* One that the CA made for the key in `pending`: judged, kept, and shown from now on.
 * s is as it was if it is not good. */
MUST enum err self_take(const struct attrs *pending,
			const struct answer_cert *c, const char *want,
			const uint8_t *token, const char *endpoint,
			struct self *s, struct fault *f);

/* ---- the next one's key (net_key.c) */

/* The key and the request in the file `name`, made and kept there if there are none, or
 * for another node: who asks again, after a crash too, asks with the same. node:
 * asked for as a DNS name, or NULL. */
MUST enum err key_next(const char *name, const char *node, struct attrs *out,
		       struct fault *f);
/* JSON of POST /v1/enrol, /v1/certificates/renew. */
/* endpoint: where the key can be proven; source: how the token came, if others may have
 * seen it; each may be NULL. */
MUST enum err key_enrol_json(const struct attrs *next, const struct token *t,
			     const char *endpoint, const char *source,
			     struct buf *out, struct fault *f);
MUST enum err key_renew_json(const struct attrs *next, struct buf *out,
			     struct fault *f);
/* The token in the file fd (-1: none). */
MUST enum err key_token(int fd, struct token *t, struct fault *f);

/* ---- the node (net_node.c) */

typedef void node_done(enum outcome o, const struct web_answer *a,
		       const struct fault *f);

struct node {
	struct loop *loop;
	struct loop_timer timer;
	struct chan *keeper;
	struct attrs told; /* the last KN_STATE */
	const char *want;  /* node= of the configuration */
	int token_fd;
	struct self self;
	enum boot_source source; /* where the token came from */
	bool refused;            /* the CA does not take the certificate */
	bool proving;            /* it begins later, and has to be proven */
	bool looked_early;       /* … and time was given to it */
	uint64_t proof_least;    /* … and it is not given up before then */
	bool heard;              /* … has answered since the start */
	int64_t away_since;      /* 0: it answers */
	struct fault why;        /* of none or away */
	/* the request of its own */
	struct web_ask ask;
	node_done *done;
	void (*done_raw)(const struct web_answer *a); /* … instead */
	bool busy;
	unsigned tries;     /* in vain, of what is being tried */
	unsigned looks;     /* while the CA refuses our certificate */
	struct attrs next;  /* key and CSR */
	struct token token; /* being enrolled with */
	bool bad;           /* the CA has refused the token of that id … */
	uint8_t bad_id[TOKEN_ID];
	uint64_t bad_until; /* … which is tried again then */
	unsigned bad_times;
	int64_t renew_at;    /* wall clock */
	uint64_t renew_wait; /* not before, after a refusal */
};

extern struct node me;

/* It may be shown to the CA, as far as we know. */
bool node_usable(void);

/* There was none, and the one in the folder is good (again). */
bool node_has_again(void);

/* One request of its own at a time. body is taken; NULL: GET. */
void node_ask(const char *path, struct buf *body, node_done *done);
/* GET from a CA whose root is not known yet. */
void node_ask_stranger(const struct web_place *p, const char *path,
		       node_done *done);
/* GET or PUT, to a cloud's metadata service, with a header that lives on; its answer as it
 * came. */
void node_ask_metadata(const struct web_place *p, const char *path, bool put,
		       const char *header,
		       void (*done)(const struct web_answer *a));
/* The same for what is no request: begun; its answer is there, and is dealt with now;
 * that was it. */
void node_busy(void);
void node_not_busy(void);
void node_settle(void);
/* What it met: whether the CA answers, and takes us; without a word to keeper yet. */
void node_learn(enum outcome o, const struct fault *f);
/* The CA answers. */
void node_answers(void);
/* Does the CA take us? */
void node_look(void);

/* Looks what is to be done after that time at the latest; soon, but later each time. */
void node_wait(uint64_t ns);
void node_again(void);
/* Seconds as ns, a quarter more or less. */
uint64_t node_jitter(uint64_t s);
/* s, doubled so many times, at most max. */
uint64_t node_doubled(uint64_t s, unsigned times, uint64_t max);

/* ---- its certificate is to be had (net_enrol.c) */

/* host= verify_endpoint= of SUP_START. */
void enrol_open(struct attr_view said);
/* The certificate is there and does not count yet: has the CA found its key? fresh: the
 * CA has made it just now. */
void proof_begin(bool fresh);
void proof_look(void);
/* By a token, if there is one that was not used; else says what is missing. */
void enrol_begin(void);
void renew_begin(void);
/* When to renew the certificate there is. */
void renew_plan(void);
/* The token in use, if any, is let go. */
void enrol_forget(void);

#endif
