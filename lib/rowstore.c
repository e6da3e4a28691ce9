/* Store: the opaque rows of a core (SQLite) and its audit files: credd's vault, which
 * seals its rows, so that who breaks this process gets ciphertext, and certmgr's keeper,
 * whose rows say nothing secret. Never a key. Its syncs stall nobody but who waits for
 * them.
 *
 *	supervisor -> store	SUP_START, SUP_PEER peer= the core (again when that died)
 *	store -> supervisor	SUP_READY
 *	core <-> store		enum rowstore_kind in lib/kinds.h, one at a time,
 *				answered in order */
#include "lib/audit_file.h"
#include "lib/child.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "lib/roles.h"
#include "lib/rowstore_db.h"
#include "lib/rowstore_role.h"
#include "lib/state_dir.h"

#include <string.h>

enum {
	STREAM_HIGH = 1 << 20, /* bytes of an answer waiting to be written */
};

static struct rowstore store;

static const struct {
	uint32_t kind;
	void (*on)(struct rowstore *s, const struct msg *m);
} verbs[] = {
	{ RS_LOAD, rowstore_load },
	{ RS_COMMIT, rowstore_commit },
	{ RS_AUDIT_OPEN, rowstore_audit_open },
	{ RS_APPEND, rowstore_append },
	{ RS_CHECKPOINT, rowstore_checkpoint },
	{ RS_READ, rowstore_read },
};

/* Answers */

void rowstore_send(struct rowstore *s, uint32_t kind, uint64_t id)
{
	enum err e = chan_send(&s->core, kind, id, attrs_view(&s->item));

	if (e != OK && e != ERR_UNAVAILABLE)
		log_text(LOG_ERR, "answer_lost", "kind %u: %s", kind,
			 err_name(e));
}

void rowstore_done(struct rowstore *s, uint64_t id)
{
	attrs_clear(&s->item);
	rowstore_send(s, RS_DONE, id);
}

void rowstore_failed(struct rowstore *s, uint64_t id, const struct fault *f)
{
	attrs_clear(&s->item);
	if (attrs_add_str(&s->item, "error", err_name(f->code)) == OK &&
	    attrs_add_str(&s->item, "text", f->text) == OK)
		rowstore_send(s, RS_FAILED, id);
	log_text(LOG_WARN, "store_failed", "%s", f->text);
}

/* Long answers: more is made only when the core has taken what there was. */

static void stream_end(struct rowstore *s)
{
	s->more = NULL;
	chan_pause(&s->core, false);
}

static void stream_run(struct rowstore *s)
{
	while (s->more) {
		while (s->more && s->core.out.len < STREAM_HIGH)
			if (!s->more(s))
				stream_end(s);
		chan_flush(&s->core);
		if (s->core.out.len)
			return; /* until it has drained */
	}
}

void rowstore_stream(struct rowstore *s, uint64_t id, rowstore_more *more)
{
	ENSURE(!s->more);
	s->id = id;
	s->more = more;
	chan_pause(&s->core, true);
	stream_run(s);
}

/* The core */

static void core_close(struct rowstore *s)
{
	s->more = NULL;
	if (s->db) {
		rowstore_db_rest(s->db);
		rowstore_db_rollback(s->db);
	}
	chan_close(&s->core);
}

static void from_core(struct chan *c, const struct msg *m)
{
	(void)c;
	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (verbs[i].kind == m->kind) {
			verbs[i].on(&store, m);
			return;
		}
	}
	child_broken("core");
}

/* The next core comes by the supervisor; the log and the rows stay open. */
static void core_end(struct chan *c, const struct fault *why)
{
	(void)c;
	(void)why;
	core_close(&store);
}

static void core_drained(struct chan *c)
{
	(void)c;
	stream_run(&store);
}

/* The supervisor */

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	static const struct chan_ops ops = { from_core, core_end,
					     core_drained };

	(void)peer;
	(void)m;
	core_close(&store);
	/* Nothing confidential passes here: rows are sealed, or tell no secret. */
	chan_open(&store.core, store.loop, fd, false, &ops);
}

int role_rowstore(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .start = state_dir_enter,
					      .confine = state_dir_confine };

	attrs_init(&store.item);
	store.loop = loop_new();
	child_start(store.loop, &store.sup, CONFINE_STORE, &ops);
	child_ready(&store.sup);
	loop_run(store.loop);
	return 0;
}
