/* Opener: holds one passphrase or key file and the master key it opens or wraps, for
 * as long as Argon2id takes; then it ends, and its memory with it.
 *
 *	supervisor -> opener	SUP_START, SUP_PEER peer=vault
 *	opener -> supervisor	SUP_READY
 *	vault -> opener		VO_OPEN or VO_MAKE, once
 *	opener -> vault		VO_KEY, VO_SLOT or VO_FAILED */
#include "credd/kinds.h"
#include "credd/roles.h"
#include "lib/child.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/slot.h"

#include <sys/stat.h>
#include <unistd.h>

enum {
	KEYFILE_FD = 4,     /* a configured key file, if there is one */
	OPENER_WAIT_S = 30, /* for what to do, before it gives up */
};

static struct loop *loop;
static struct buf keyfile; /* its bytes; empty: there is none */

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
	if (!attr_find(v, "secret", &secret))
		secret = (struct attr){ .value = keyfile.p,
					.len = (uint32_t)keyfile.len };
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
	AUTO(buf_wipe) struct buf header = { 0 }, blob = { 0 };
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

static enum err answer_one(int vault, struct fault *f)
{
	uint64_t until = clock_boot() + OPENER_WAIT_S * CLOCK_SECOND;
	AUTO(attrs_wipe) struct attrs out = { 0 };
	AUTO(buf_wipe) struct buf in = { 0 };
	uint32_t kind;
	struct msg m;

	attrs_init_secret(&out);
	buf_init_secret(&in, MSG_MAX + MSG_HEAD);
	TRY(chan_get1(vault, &in, &m, NULL, until, f));
	kind = do_one(&m, &out);
	return chan_put1(vault, kind, m.id, attrs_view(&out));
}

/* Nothing else is to be done by this process, so it may block and then end. */
static void peer_came(const char *peer, const struct msg *m, int fd)
{
	struct fault f = { .text = "the vault went away" };
	enum err e;

	(void)m;
	if (strcmp(peer, "vault") != 0)
		child_broken("supervisor");
	e = answer_one(fd, &f);
	buf_wipe(&keyfile);
	if (e != OK)
		log_text(LOG_ERR, "opener_failed", "%s", f.text);
	_exit(e != OK);
}

/* The key file is read while it can be; its offset is shared with the openers before
 * and after this one. Another descriptor in its place is not looked at. */
static void read_keyfile(const struct msg *m)
{
	struct stat st;
	uint8_t *at;
	ssize_t n;

	(void)m;
	buf_init_secret(&keyfile, SLOT_SECRET_MAX + 1);
	if (fstat(KEYFILE_FD, &st) || !S_ISREG(st.st_mode))
		return;
	ENSURE(buf_grow(&keyfile, SLOT_SECRET_MAX + 1, &at) == OK);
	n = pread(KEYFILE_FD, at, SLOT_SECRET_MAX + 1, 0);
	keyfile.len = n > 0 ? (size_t)n : 0;
	close(KEYFILE_FD);
}

int role_opener(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .start = read_keyfile };
	static struct chan sup;

	loop = loop_new();
	child_start(loop, &sup, CONFINE_OPENER, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
