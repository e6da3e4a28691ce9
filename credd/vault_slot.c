/* Vault: `init` and the key slots. A slot is the master key wrapped under a
 * passphrase or key file; an opener makes it, so that Argon2id stalls nobody. */
#include "credd/vault.h"

#include "lib/enc.h"

#include <stdlib.h>
#include <string.h>

struct vrow *slot_after(uint64_t number)
{
	struct vrow *v, *best = NULL;
	size_t at = 0;

	while ((v = map_next(vault.rows, &at)))
		if (v->place.table == ROW_SLOT && v->place.row > number &&
		    (!best || v->place.row < best->place.row))
			best = v;
	return best;
}

static enum err slot_number(struct job *j, uint64_t *n)
{
	unsigned count = 0;
	struct vrow *v;
	size_t at = 0;

	while ((v = map_next(vault.rows, &at)))
		count += v->place.table == ROW_SLOT;
	if (count >= VAULT_SLOTS)
		return fault_set(&j->fault, ERR_LIMITED,
				 "there are %d key slots already: remove one",
				 VAULT_SLOTS);
	*n = change_row(ROW_SLOT);
	return OK;
}

/* The question for the opener, from the call's box and numbers. */
static enum err slot_question(struct job *j)
{
	struct attr_view box = attrs_view(&j->box);
	struct attr type, secret;
	uint64_t ops, mem;

	if (attr_only(box, "secret", &secret) != OK || !secret.len ||
	    attr_only(box, "type", &type) != OK)
		return fault_set(&j->fault, ERR_INVALID,
				 "the box needs type= and secret=");
	TRY(call_number(job_attrs(j), "ops", SLOT_OPS, SLOT_OPS_MAX, &ops,
			&j->fault));
	TRY(call_number(job_attrs(j), "mem", SLOT_MEM, SLOT_MEM_MAX, &mem,
			&j->fault));
	attrs_clear(&j->plain);
	TRY(attrs_add(&j->plain, "key", ATTR_CONFIDENTIAL,
		      secret_bytes(vault.master), KEY_SIZE));
	TRY(attrs_add_u64(&j->plain, "epoch", vault.epoch));
	TRY(attrs_add(&j->plain, "type", 0, type.value, type.len));
	TRY(attrs_add(&j->plain, "secret", ATTR_CONFIDENTIAL, secret.value,
		      secret.len));
	TRY(attrs_add(&j->plain, "store", 0, vault.store_id, STORE_ID_SIZE));
	TRY(attrs_add_u64(&j->plain, "slot", j->number));
	TRY(attrs_add_u64(&j->plain, "ops", ops));
	return attrs_add_u64(&j->plain, "mem", mem);
}

/* The row of the slot that the opener has made. */
static enum err put_slot(struct job *j, struct change *c)
{
	struct attr header, blob;
	struct buf both;
	enum err e;

	if (attr_only(attrs_view(&j->plain), "header", &header) != OK ||
	    attr_only(attrs_view(&j->plain), "blob", &blob) != OK)
		return fault_set(&j->fault, ERR_INTERNAL,
				 "the opener made no slot");
	buf_init(&both, SLOT_HEADER + SLOT_BLOB);
	e = buf_put(&both, header.value, header.len);
	if (e == OK)
		e = buf_put(&both, blob.value, blob.len);
	if (e == OK)
		e = change_put_blob(c, ROW_SLOT, j->number, "", both.p,
				    both.len, NULL, &j->fault);
	buf_wipe(&both);
	attrs_wipe(&j->plain);
	return e;
}

/* slot add */

static void slot_added(struct job *j)
{
	ENSURE(attrs_add_u64(&j->reply, "slot", j->number) == OK);
}

static void slot_made(struct job *j, enum err e)
{
	struct change *c;

	if (e != OK) {
		job_done(j, e);
		return;
	}
	c = change_new();
	e = put_slot(j, c);
	if (e == OK)
		e = attrs_add_u64(&j->what, "slot", j->number);
	if (e != OK) {
		change_free(c);
		job_done(j, e);
		return;
	}
	job_commit(j, c, slot_added);
}

void verb_slot_add(struct job *j)
{
	enum err e = seal_open_box(job_attrs(j), &j->box, &j->fault);

	if (e == OK)
		e = slot_number(j, &j->number);
	if (e == OK)
		e = slot_question(j);
	if (e != OK) {
		job_done(j, e);
		return;
	}
	j->then = slot_made;
	seal_ask_opener(j, VO_MAKE, &j->plain);
}

/* slot list, remove */

static enum err slot_item(const struct vrow *v, struct attrs *item)
{
	const uint8_t *header, *blob;
	struct slot_header h;
	struct fault f;

	TRY(slot_split(v->blob, v->blob_len, &header, &blob, &f));
	TRY(slot_header_parse(header, SLOT_HEADER, &h, &f));
	TRY(attrs_add_u64(item, "slot", v->place.row));
	TRY(attrs_add_str(item, "type", slot_type_name(h.type)));
	TRY(attrs_add_u64(item, "ops", h.ops));
	return attrs_add_u64(item, "mem", h.mem);
}

void verb_slot_list(const struct call *c, struct attr_view attrs)
{
	struct attrs item, reply;

	(void)attrs;
	attrs_init(&item);
	attrs_init(&reply);
	for (struct vrow *v = slot_after(0); v; v = slot_after(v->place.row)) {
		attrs_clear(&item);
		if (slot_item(v, &item) == OK)
			call_item(c, attrs_view(&item));
	}
	call_reply(c, &reply);
	attrs_wipe(&item);
	attrs_wipe(&reply);
}

static void slot_removed(struct job *j)
{
	(void)j;
}

static enum err slot_remove(struct job *j, struct vrow **v)
{
	unsigned count = 0;
	struct vrow *other;
	size_t at = 0;

	TRY(call_number(job_attrs(j), "slot", 0, UINT32_MAX, &j->number,
			&j->fault));
	*v = rows_find(ROW_SLOT, j->number);
	if (!*v)
		return fault_set(&j->fault, ERR_NOT_FOUND,
				 "there is no key slot %llu",
				 (unsigned long long)j->number);
	while ((other = map_next(vault.rows, &at)))
		count += other->place.table == ROW_SLOT;
	if (count == 1)
		return fault_set(&j->fault, ERR_CONFLICT,
				 "slot %llu is the last one: without it nobody "
				 "could unseal the store again",
				 (unsigned long long)j->number);
	return attrs_add_u64(&j->what, "slot", j->number);
}

void verb_slot_remove(struct job *j)
{
	struct vrow *v = NULL;
	enum err e = slot_remove(j, &v);
	struct change *c;

	if (e != OK) {
		job_done(j, e);
		return;
	}
	c = change_new();
	change_drop(c, v);
	job_commit(j, c, slot_removed);
}

/* init: module declarations, then the first slot, then everything in one
 * transaction, then the log */

static void init_noted(struct job *j, enum err e)
{
	char id[2 * STORE_ID_SIZE + 1];

	(void)e;
	enc_hex(vault.store_id, STORE_ID_SIZE, id);
	ENSURE(attrs_add_str(&j->reply, "store", id) == OK);
	ENSURE(attrs_add_u64(&j->reply, "slot", j->number) == OK);
	peers_job_done(j);
}

static void init_recorded(struct job *j, enum err e)
{
	if (e != OK) {
		job_done(j, e);
		return;
	}
	j->then = init_noted;
	audit_job_note(j);
}

static void init_opened(enum err e, const struct fault *f)
{
	struct job *j = vault.job;

	if (e != OK) {
		j->fault = *f;
		job_done(j, e);
		return;
	}
	seal_now_open();
	j->then = init_recorded;
	if (job_event(j) == OK)
		audit_job_record(j, attrs_view(&j->what));
	else
		init_recorded(j, ERR_TOO_LARGE);
}

static void init_stored(struct job *j, enum err e)
{
	if (e != OK) {
		seal_forget();
		vault.has_store = false;
		job_done(j, e);
		return;
	}
	seal_keys_drop(&vault.keys); /* opened anew, as at every unseal */
	seal_open_store(init_opened);
}

enum err key_put(struct change *c, uint64_t row, const char *name,
		 struct fault *f)
{
	AUTO(secret_drop) struct secret *key = secret_random();
	struct attrs a;
	enum err e;

	attrs_init_secret(&a);
	e = attrs_add(&a, "key", ATTR_CONFIDENTIAL, secret_bytes(key),
		      KEY_SIZE);
	if (e == OK)
		e = change_put(c, ROW_KEY, row, name, "", 0, attrs_view(&a),
			       NULL, f);
	attrs_wipe(&a);
	return e;
}

static void init_slot_made(struct job *j, enum err e)
{
	struct change *c;

	if (e != OK) {
		seal_forget();
		job_done(j, e);
		return;
	}
	c = change_new();
	c->create = true;
	e = put_slot(j, c);
	if (e == OK)
		e = key_put(c, 1, "audit", &j->fault);
	if (e == OK)
		e = key_put(c, 2, "transport", &j->fault);
	if (e == OK)
		e = key_put(c, 3, "sealing", &j->fault);
	if (e == OK)
		e = key_put(c, 4, "signing", &j->fault);
	if (e == OK)
		e = modules_put(c, &j->fault);
	if (e != OK) {
		change_free(c);
		seal_forget();
		job_done(j, e);
		return;
	}
	j->then = init_stored;
	change_run(c, j);
}

static void init_pinned(struct job *j, enum err e)
{
	if (e != OK) {
		job_done(j, e);
		return;
	}
	vault.epoch = 1;
	vault.generation = 0;
	set_init(&vault.set);
	secret_drop(&vault.master);
	vault.master = secret_random();
	random_fill(vault.store_id, STORE_ID_SIZE);
	vault.keys = seal_keys_new(secret_bytes(vault.master), vault.store_id,
				   vault.epoch);
	j->number = change_row(ROW_SLOT);
	e = slot_question(j);
	if (e != OK) {
		seal_forget();
		job_done(j, e);
		return;
	}
	j->then = init_slot_made;
	seal_ask_opener(j, VO_MAKE, &j->plain);
}

void verb_init(struct job *j)
{
	enum err e = OK;

	if (vault.state != VAULT_EMPTY)
		e = fault_set(&j->fault, ERR_EXISTS,
			      "there is a store already: 'cretula status' says "
			      "in which state");
	if (e == OK)
		e = seal_open_box(job_attrs(j), &j->box, &j->fault);
	if (e != OK) {
		job_done(j, e);
		return;
	}
	j->then = init_pinned;
	modules_pin(j);
}
