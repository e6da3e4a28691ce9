/* Opener: holds one passphrase or key file and the master key it opens or wraps, for
 * as long as Argon2id takes; then it ends, and its memory with it.
 *
 *	supervisor -> opener	SUP_START, SUP_PEER peer=vault
 *	opener -> supervisor	SUP_READY
 *	vault -> opener		VO_OPEN or VO_MAKE, once
 *	opener -> vault		VO_KEY, VO_SLOT or VO_FAILED */
#include "credd/opener.h"

#include "credd/kinds.h"
#include "lib/chan.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/slot.h"

#include <string.h>

enum {
	OPENER_WAIT_S = 30 /* for what to do, before it gives up */
};

/* The one place where this role gives up what it does not need: it keeps its channels
 * and up to 1 GiB of memory. */
static enum err confine_opener(struct attrs *weaker, struct fault *f)
{
	(void)weaker;
	(void)f;
	return OK;
}

/* Exactly one attribute of that name and, if size is not 0, of that size. */
static enum err get_bytes(struct attr_view v, const char *name, size_t size,
			  struct attr *a, struct fault *f)
{
	if (attr_only(v, name, a) != OK || (size && a->len != size))
		return fault_set(f, ERR_INTERNAL,
				 "the opener was asked without a usable '%s'",
				 name);
	return OK;
}

static enum err get_number(struct attr_view v, const char *name, uint64_t max,
			   uint64_t *n, struct fault *f)
{
	struct attr a;

	TRY(get_bytes(v, name, 0, &a, f));
	if (attr_u64(&a, max, n) != OK)
		return fault_set(f, ERR_INVALID,
				 "'%s' is no number of at most %llu", name,
				 (unsigned long long)max);
	return OK;
}

static enum err open_slot(struct attr_view v, struct attrs *out,
			  struct fault *f)
{
	AUTO(secret_drop) struct secret *master = NULL;
	struct attr header, blob, secret;
	struct slot_header h;

	TRY(get_bytes(v, "header", 0, &header, f));
	TRY(get_bytes(v, "blob", 0, &blob, f));
	TRY(get_bytes(v, "secret", 0, &secret, f));
	TRY(slot_open(header.value, header.len, blob.value, blob.len,
		      secret.value, secret.len, &h, &master, f));
	TRY(attrs_add(out, "key", ATTR_CONFIDENTIAL, secret_bytes(master),
		      KEY_SIZE));
	return attrs_add_u64(out, "epoch", h.epoch);
}

/* ops= and mem= may be absent; what is there is checked by slot_make. */
static enum err get_cost(struct attr_view v, struct slot_header *h,
			 struct fault *f)
{
	uint64_t ops = SLOT_OPS;
	struct attr a;

	h->mem = SLOT_MEM;
	if (attr_find(v, "ops", &a))
		TRY(get_number(v, "ops", SLOT_OPS_MAX, &ops, f));
	if (attr_find(v, "mem", &a))
		TRY(get_number(v, "mem", SLOT_MEM_MAX, &h->mem, f));
	h->ops = (uint32_t)ops;
	return OK;
}

static enum err get_header(struct attr_view v, struct slot_header *h,
			   struct fault *f)
{
	struct attr type, store;
	uint64_t epoch, slot;

	TRY(get_bytes(v, "type", 0, &type, f));
	TRY(get_bytes(v, "store", STORE_ID_SIZE, &store, f));
	TRY(get_number(v, "epoch", UINT32_MAX, &epoch, f));
	TRY(get_number(v, "slot", UINT32_MAX, &slot, f));
	if (slot_type_parse(type.value, type.len, &h->type) != OK)
		return fault_set(f, ERR_INVALID,
				 "a slot's type is passphrase or keyfile");
	memcpy(h->store, store.value, STORE_ID_SIZE);
	h->epoch = (uint32_t)epoch;
	h->slot = (uint32_t)slot;
	return get_cost(v, h, f);
}

static enum err make_slot(struct attr_view v, struct attrs *out,
			  struct fault *f)
{
	AUTO(secret_drop) struct secret *master = NULL;
	AUTO(buf_wipe) struct buf header, blob;
	struct slot_header h = { 0 };
	struct attr key, secret;

	buf_init(&header, SLOT_HEADER);
	buf_init(&blob, SLOT_BLOB);
	TRY(get_header(v, &h, f));
	TRY(get_bytes(v, "key", KEY_SIZE, &key, f));
	TRY(get_bytes(v, "secret", 0, &secret, f));
	master = secret_from(key.value);
	TRY(slot_make(&h, secret.value, secret.len, master, &header, &blob, f));
	TRY(attrs_add(out, "header", 0, header.p, header.len));
	return attrs_add(out, "blob", 0, blob.p, blob.len);
}

/* Does what is asked; the kind of the answer. */
static uint32_t do_one(const struct msg *m, struct attrs *out)
{
	struct fault f = { .code = ERR_INTERNAL };
	enum err e;

	if (m->kind == VO_OPEN)
		e = open_slot(m->attrs, out, &f);
	else if (m->kind == VO_MAKE)
		e = make_slot(m->attrs, out, &f);
	else
		e = fault_set(&f, ERR_INTERNAL,
			      "the opener was asked for message %u", m->kind);
	if (e == OK)
		return m->kind == VO_OPEN ? VO_KEY : VO_SLOT;
	attrs_clear(out);
	ENSURE(attrs_add_str(out, "error", err_name(e)) == OK);
	ENSURE(attrs_add_str(out, "text", f.text) == OK);
	return VO_FAILED;
}

/* Waits for the supervisor to hand over the vault's channel. */
static enum err get_vault(int *vault, struct fault *f)
{
	uint64_t until = clock_boot() + OPENER_WAIT_S * CLOCK_SECOND;
	AUTO(buf_wipe) struct buf in;
	AUTO(fd_close) int fd = -1;
	struct attr peer;
	struct msg m;

	buf_init(&in, MSG_MAX + MSG_HEAD);
	for (;;) {
		TRY(chan_get1(SUP_FD, &in, &m, &fd, until, f));
		if (m.kind == SUP_PEER && fd >= 0 &&
		    attr_only(m.attrs, "peer", &peer) == OK &&
		    attr_is(&peer, "vault"))
			break;
		fd_close(&fd);
	}
	*vault = fd;
	fd = -1;
	return OK;
}

static enum err run(struct fault *f)
{
	uint64_t until = clock_boot() + OPENER_WAIT_S * CLOCK_SECOND;
	AUTO(attrs_wipe) struct attrs out;
	AUTO(buf_wipe) struct buf in;
	AUTO(fd_close) int vault = -1;
	uint32_t kind;
	struct msg m;

	attrs_init_secret(&out);
	buf_init_secret(&in, MSG_MAX + MSG_HEAD);
	TRY(confine_opener(&out, f));
	TRY(chan_put1(SUP_FD, SUP_READY, 0, attrs_view(&out)));
	attrs_clear(&out);
	TRY(get_vault(&vault, f));
	TRY(chan_get1(vault, &in, &m, NULL, until, f));
	kind = do_one(&m, &out);
	return chan_put1(vault, kind, m.id, attrs_view(&out));
}

int role_opener(void)
{
	struct fault f = { .text = "the vault or the supervisor went away" };

	if (run(&f) == OK)
		return 0;
	log_text(LOG_ERR, "opener-failed", "%s", f.text);
	return 1;
}
