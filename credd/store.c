/* Store: sealed rows (SQLite) and audit files; never a key, so that who breaks it
 * gets ciphertext. Its syncs stall nobody but who waits for them.
 *
 *	supervisor -> store	SUP_START, SUP_PEER peer=vault (again when a vault died)
 *	store -> supervisor	SUP_READY
 *	vault <-> store		enum vault_store_kind in credd/kinds.h, one at a time,
 *				answered in order */
#include "credd/roles.h"
#include "credd/store_db.h"
#include "credd/store_role.h"
#include "lib/audit_file.h"
#include "lib/child.h"
#include "lib/confine.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STREAM_HIGH = 1 << 20, /* bytes of an answer waiting to be written */
};

static struct store store;

static const struct {
	uint32_t kind;
	void (*on)(struct store *s, const struct msg *m);
} verbs[] = {
	{ VS_LOAD, store_load },
	{ VS_COMMIT, store_commit },
	{ VS_AUDIT_OPEN, store_audit_open },
	{ VS_APPEND, store_append },
	{ VS_CHECKPOINT, store_checkpoint },
	{ VS_READ, store_read },
};

/* Answers */

void store_send(struct store *s, uint32_t kind, uint64_t id)
{
	enum err e = chan_send(&s->vault, kind, id, attrs_view(&s->item));

	if (e != OK && e != ERR_UNAVAILABLE)
		log_text(LOG_ERR, "answer_lost", "kind %u: %s", kind,
			 err_name(e));
}

void store_done(struct store *s, uint64_t id)
{
	attrs_clear(&s->item);
	store_send(s, VS_DONE, id);
}

void store_failed(struct store *s, uint64_t id, const struct fault *f)
{
	attrs_clear(&s->item);
	if (attrs_add_str(&s->item, "error", err_name(f->code)) == OK &&
	    attrs_add_str(&s->item, "text", f->text) == OK)
		store_send(s, VS_FAILED, id);
	log_text(LOG_WARN, "store_failed", "%s", f->text);
}

/* Long answers: more is made only when the vault has taken what there was. */

static void stream_end(struct store *s)
{
	s->more = NULL;
	chan_pause(&s->vault, false);
}

static void stream_run(struct store *s)
{
	while (s->more) {
		while (s->more && s->vault.out.len < STREAM_HIGH)
			if (!s->more(s))
				stream_end(s);
		chan_flush(&s->vault);
		if (s->vault.out.len)
			return; /* until it has drained */
	}
}

void store_stream(struct store *s, uint64_t id, store_more *more)
{
	ENSURE(!s->more);
	s->id = id;
	s->more = more;
	chan_pause(&s->vault, true);
	stream_run(s);
}

/* The vault */

static void vault_close(struct store *s)
{
	s->more = NULL;
	if (s->db) {
		store_db_rest(s->db);
		store_db_rollback(s->db);
	}
	chan_close(&s->vault);
}

static void from_vault(struct chan *c, const struct msg *m)
{
	(void)c;
	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (verbs[i].kind == m->kind) {
			verbs[i].on(&store, m);
			return;
		}
	}
	child_broken("vault");
}

/* The next vault comes by the supervisor; the log and the rows stay open. */
static void vault_end(struct chan *c, const struct fault *why)
{
	(void)c;
	(void)why;
	vault_close(&store);
}

static void vault_drained(struct chan *c)
{
	(void)c;
	stream_run(&store);
}

/* The supervisor */

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	static const struct chan_ops ops = { from_vault, vault_end,
					     vault_drained };

	(void)m;
	if (strcmp(peer, "vault") != 0)
		child_broken("supervisor");
	vault_close(&store);
	/* Nothing confidential passes here: rows are sealed. */
	chan_open(&store.vault, store.loop, fd, false, &ops);
}

/* While every folder above can still be searched: the current folder is ours. */
static void enter(const struct msg *m)
{
	(void)m;
	umask(0077);
	if (!fchdir(STORE_DIR_FD))
		return;
	log_text(LOG_CRIT, "not_started",
		 "the state folder cannot be entered: %s", strerror(errno));
	_exit(1);
}

static void own_folder(struct confine_spec *spec)
{
	spec->path[spec->paths++] = (struct landlock_path){
		.fd = STORE_DIR_FD, .rights = LANDLOCK_READ | LANDLOCK_WRITE
	};
}

int role_store(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .start = enter,
					      .confine = own_folder };

	attrs_init(&store.item);
	store.loop = loop_new();
	child_start(store.loop, &store.sup, CONFINE_STORE, &ops);
	child_ready(&store.sup);
	loop_run(store.loop);
	return 0;
}
