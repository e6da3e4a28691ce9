/* Store: the inventory of certificates, tokens and the audit log (SQLite); never a key.
 * A signature whose transaction is not in here was never sent.
 *
 *	supervisor -> store	SUP_START, SUP_PEER peer=issuer (again when one died)
 *	store -> supervisor	SUP_READY
 *	issuer <-> store	enum issuer_store_kind in ca/kinds.h, one at a time,
 *				answered in order; IS_LOAD comes first
 *
 * Memory: SQLite's page cache of 6 MiB, the index of its write-ahead log, one message
 * in and at most a few MiB of answers, whatever the inventory holds. */
#include "ca/kinds.h"
#include "ca/roles.h"
#include "ca/store_db.h"
#include "ca/store_role.h"
#include "lib/child.h"
#include "lib/clock.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "lib/state_dir.h"

#include <poll.h>
#include <string.h>

enum {
	STREAM_HIGH = 1 << 20, /* bytes of an answer waiting to be written */
	WAL_LOW = 64,          /* pages not worth a checkpoint */
	IDLE_MS = 20,          /* nothing was asked for so long */
	RETRY_MS = 5000,       /* after a checkpoint that failed */
};

static struct store store;

static const struct {
	uint32_t kind;
	void (*on)(struct store *s, const struct msg *m);
} verbs[] = {
	{ IS_LOAD, store_load },     { IS_COMMIT, store_commit },
	{ IS_STATUS, store_status }, { IS_TOKEN, store_token },
	{ IS_FIND, store_find },     { IS_REVOKED_FROM, store_revoked },
	{ IS_READ, store_read },     { IS_PROVE, store_prove },
	{ IS_COUNT, store_count },
};

/* Answers */

void store_send(struct store *s, uint32_t kind, uint64_t id)
{
	enum err e = chan_send(&s->issuer, kind, id, attrs_view(&s->item));

	if (e != OK && e != ERR_UNAVAILABLE)
		log_text(LOG_ERR, "answer_lost", "kind %u: %s", kind,
			 err_name(e));
}

void store_done(struct store *s, uint64_t id)
{
	attrs_clear(&s->item);
	store_send(s, IS_DONE, id);
}

void store_failed(struct store *s, uint64_t id, const struct fault *f)
{
	attrs_clear(&s->item);
	if (attrs_add_str(&s->item, "error", err_name(f->code)) == OK &&
	    attrs_add_str(&s->item, "text", f->text) == OK)
		store_send(s, IS_FAILED, id);
	log_text(LOG_WARN, "store_failed", "%s", f->text);
}

/* Long answers: more is made only when the issuer has taken what there was, and is
 * there: what is written to one that has died vanishes at once, so that all the rest
 * would be read for nobody before the next one is looked at. */

static bool issuer_is_there(const struct store *s)
{
	struct pollfd p = { .fd = s->issuer.watch.fd };

	return poll(&p, 1, 0) <= 0;
}

static void stream_end(struct store *s)
{
	s->more = NULL;
	chan_pause(&s->issuer, false);
}

static void stream_run(struct store *s)
{
	while (s->more) {
		while (s->more && s->issuer.out.len < STREAM_HIGH) {
			if (!issuer_is_there(s))
				s->more = NULL; /* its end will be seen */
			else if (!s->more(s))
				stream_end(s);
		}
		chan_flush(&s->issuer);
		if (s->issuer.out.len)
			return; /* until it has drained */
	}
}

void store_stream(struct store *s, uint64_t id, store_more *more)
{
	ENSURE(!s->more);
	s->id = id;
	s->more = more;
	chan_pause(&s->issuer, true);
	stream_run(s);
}

/* The write-ahead log is emptied when nothing is asked for a moment; or after an
 * answer has left, when it has grown so large that it cannot wait. */

static void checkpoint(struct store *s)
{
	struct fault f = { 0 };
	uint64_t wait = RETRY_MS * CLOCK_MS;

	if (store_db_checkpoint(s->db, &f) == OK)
		return;
	log_text(LOG_WARN, "checkpoint_failed", "%s", f.text);
	loop_arm(s->loop, &s->idle, loop_now(s->loop) + wait);
}

static void on_idle(struct loop_timer *t)
{
	(void)t;
	if (store.db && store.db->wal >= WAL_LOW)
		checkpoint(&store);
}

static void after_message(struct store *s)
{
	if (!s->db)
		return;
	store_db_rest(s->db);
	if (s->db->wal < WAL_LOW)
		return;
	if (s->db->wal < MAX(STORE_WAL_HIGH, s->db->wal_next)) {
		loop_arm(s->loop, &s->idle,
			 loop_now(s->loop) + IDLE_MS * CLOCK_MS);
		return;
	}
	chan_flush(&s->issuer);
	checkpoint(s);
	/* Not again at once when there was no room for it. */
	s->db->wal_next = s->db->wal + STORE_WAL_HIGH;
}

/* The issuer */

static void issuer_close(struct store *s)
{
	s->more = NULL;
	s->loaded = false;
	chan_close(&s->issuer);
}

static void from_issuer(struct chan *c, const struct msg *m)
{
	(void)c;
	if (!store.loaded && m->kind != IS_LOAD)
		child_broken("issuer");
	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (verbs[i].kind == m->kind) {
			verbs[i].on(&store, m);
			after_message(&store);
			return;
		}
	}
	child_broken("issuer");
}

/* The next issuer comes by the supervisor; the inventory stays open. */
static void issuer_end(struct chan *c, const struct fault *why)
{
	(void)c;
	(void)why;
	issuer_close(&store);
}

static void issuer_drained(struct chan *c)
{
	(void)c;
	stream_run(&store);
}

/* The supervisor */

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	static const struct chan_ops ops = { from_issuer, issuer_end,
					     issuer_drained };

	(void)m;
	if (strcmp(peer, "issuer") != 0)
		child_broken("supervisor");
	issuer_close(&store);
	/* Nothing confidential passes here. */
	chan_open(&store.issuer, store.loop, fd, false, &ops);
}

/* OpenSSL reads its configuration at its first hash: before there is Landlock. */
static void warm(void)
{
	struct merkle_hash h;

	merkle_leaf("", 0, &h);
}

int role_store(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .start = state_dir_enter,
					      .confine = state_dir_confine };

	warm();
	attrs_init(&store.item);
	attrs_init(&store.row);
	store.loop = loop_new();
	store.idle.on = on_idle;
	child_start(store.loop, &store.sup, CONFINE_CA_STORE, &ops);
	child_ready(&store.sup);
	loop_run(store.loop);
	return 0;
}
