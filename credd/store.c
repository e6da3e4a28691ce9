/* Store: sealed rows (SQLite) and audit files; never a key, so that who breaks it
 * gets ciphertext. Its syncs stall nobody but who waits for them.
 *
 *	supervisor -> store	SUP_START, SUP_PEER peer=vault (again when a vault died)
 *	store -> supervisor	SUP_READY
 *	vault <-> store		enum vault_store_kind in credd/kinds.h, one at a time,
 *				answered in order */
#include "credd/store.h"

#include "credd/kinds.h"
#include "credd/store_db.h"
#include "credd/store_role.h"
#include "lib/audit_file.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STREAM_HIGH = 1 << 20, /* bytes of an answer waiting to be written */
	PUMP_FD_MIN = 5,
};

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
		log_text(LOG_ERR, "answer-lost", "kind %u: %s", kind,
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
	log_text(LOG_WARN, "store-failed", "%s", f->text);
}

/* Long answers: the socket is watched through a descriptor of its own, so that
 * more is made only when the vault has taken what there was. */

static void stream_end(struct store *s)
{
	s->more = NULL;
	loop_unwatch(&s->pump);
	chan_pause(&s->vault, false);
}

static void on_pump(struct loop_fd *w, uint32_t events)
{
	struct store *s =
		(struct store *)((char *)w - offsetof(struct store, pump));

	(void)events;
	while (s->more && s->vault.out.len < STREAM_HIGH)
		if (!s->more(s))
			stream_end(s);
}

void store_stream(struct store *s, uint64_t id, store_more *more)
{
	ENSURE(!s->more);
	s->id = id;
	s->more = more;
	chan_pause(&s->vault, true);
	ENSURE(loop_watch(s->loop, &s->pump) == OK);
}

/* The vault */

static void vault_close(struct store *s)
{
	if (s->more)
		stream_end(s);
	if (s->db) {
		store_db_rest(s->db);
		store_db_rollback(s->db);
	}
	fd_close(&s->pump.fd);
	chan_close(&s->vault);
}

static struct store *of_vault(struct chan *c)
{
	return (struct store *)((char *)c - offsetof(struct store, vault));
}

static void on_vault(struct chan *c, const struct msg *m)
{
	struct store *s = of_vault(c);

	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (verbs[i].kind == m->kind) {
			verbs[i].on(s, m);
			return;
		}
	}
	log_text(LOG_ERR, "vault-dropped", "unknown message %u", m->kind);
	vault_close(s);
}

static void on_vault_end(struct chan *c, const struct fault *why)
{
	log_text(LOG_INFO, "vault-gone", "%s", why->text);
	vault_close(of_vault(c));
}

static void vault_open(struct store *s, int fd)
{
	static const struct chan_ops ops = { .on_msg = on_vault,
					     .on_end = on_vault_end };

	vault_close(s);
	s->pump = (struct loop_fd){
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, PUMP_FD_MIN),
		.events = EPOLLOUT,
		.on = on_pump,
	};
	ENSURE(s->pump.fd >= 0);
	/* Nothing confidential passes here: rows are sealed. */
	chan_open(&s->vault, s->loop, fd, false, &ops);
}

/* The supervisor */

static struct store *of_sup(struct chan *c)
{
	return (struct store *)((char *)c - offsetof(struct store, sup));
}

static void on_sup(struct chan *c, const struct msg *m)
{
	struct store *s = of_sup(c);
	struct attr peer;
	int fd;

	if (m->kind != SUP_PEER)
		return;
	fd = chan_take_fd(c);
	if (fd >= 0 && attr_only(m->attrs, "peer", &peer) == OK &&
	    attr_is(&peer, "vault")) {
		vault_open(s, fd);
		return;
	}
	fd_close(&fd);
	log_text(LOG_ERR, "peer-refused", "a peer that is no vault");
}

static void on_sup_end(struct chan *c, const struct fault *why)
{
	(void)why;
	loop_stop(of_sup(c)->loop);
}

/* The one place where this role gives up what it does not need: it keeps reading and
 * writing files below the current folder, and its channels. */
static enum err confine_store(struct attrs *weaker, struct fault *f)
{
	(void)weaker;
	(void)f;
	return OK;
}

static enum err prepare(struct store *s, struct fault *f)
{
	umask(0077);
	if (fchdir(STORE_DIR_FD))
		return fault_set(f, ERR_UNAVAILABLE,
				 "the state folder cannot be entered: %s",
				 strerror(errno));
	return confine_store(&s->item, f);
}

static void store_init(struct store *s)
{
	static const struct chan_ops ops = { .on_msg = on_sup,
					     .on_end = on_sup_end };

	s->loop = loop_new();
	s->pump.fd = -1;
	chan_open(&s->sup, s->loop, SUP_FD, false, &ops);
}

static void store_wipe(struct store *s)
{
	vault_close(s);
	chan_close(&s->sup);
	store_db_close(s->db);
	audit_file_close(&s->log);
	attrs_wipe(&s->item);
	loop_free(s->loop);
}

int role_store(void)
{
	struct store s = { 0 };
	struct fault f;

	attrs_init(&s.item);
	if (prepare(&s, &f) != OK) {
		log_text(LOG_CRIT, "store-refused", "%s", f.text);
		attrs_wipe(&s.item);
		return 1;
	}
	store_init(&s);
	if (chan_send(&s.sup, SUP_READY, 0, attrs_view(&s.item)) == OK)
		loop_run(s.loop);
	store_wipe(&s);
	return 0;
}
