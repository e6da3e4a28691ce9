/* Vault: unseal. The key slots are tried one after the other, an opener each, so that
 * Argon2id stalls nobody; what opens brings the master key, and with it the store is
 * opened and checked. */
#include "credd/vault.h"

#include <string.h>

static void unseal_recorded(struct job *j, enum err e)
{
	(void)e;
	peers_job_done(j);
}

/* What is damaged is for 'cretula status', too. At start clients wait until the key
 * file was tried. */
static void unseal_failed(struct job *j, enum err e)
{
	if (e != ERR_DENIED && vault.broken.code == OK)
		vault.broken = j->fault;
	if (vault.state == VAULT_STARTING)
		seal_set_state(VAULT_SEALED);
	job_done(j, e);
}

static void unsealed(enum err e, const struct fault *f)
{
	struct job *j = vault.job;

	if (e != OK) {
		j->fault = *f;
		vault.broken = *f;
		unseal_failed(j, e);
		return;
	}
	vault.broken = (struct fault){ 0 };
	seal_now_open();
	ENSURE(attrs_add_u64(&j->reply, "slot", j->number) == OK);
	ENSURE(attrs_add_u64(&j->what, "slot", j->number) == OK);
	j->then = unseal_recorded;
	if (job_event(j) == OK)
		audit_job_record(j, attrs_view(&j->what));
	else
		peers_job_done(j);
}

/* Slots */

/* The type of slot the secret is for; false: any. */
static bool wanted_type(const struct job *j, enum slot_type *type)
{
	struct attr a;

	return attr_only(attrs_view(&j->box), "type", &a) == OK &&
	       slot_type_parse(a.value, a.len, type) == OK;
}

/* Of another type, as far as its header can be read. */
static bool other_type(const struct job *j, const struct vrow *v)
{
	const uint8_t *header, *blob;
	enum slot_type type;
	struct slot_header h;
	struct fault f;

	return wanted_type(j, &type) &&
	       slot_split(v->blob, v->blob_len, &header, &blob, &f) == OK &&
	       slot_header_parse(header, SLOT_HEADER, &h, &f) == OK &&
	       h.type != type;
}

static struct vrow *next_slot(const struct job *j)
{
	struct vrow *v = slot_after(j->number);

	while (v && other_type(j, v))
		v = slot_after(v->place.row);
	return v;
}

/* The header is in the clear: it says which store it was made for. */
static enum err slot_is_ours(const struct vrow *v, const uint8_t **header,
			     const uint8_t **blob, struct fault *f)
{
	struct slot_header h;

	TRY(slot_split(v->blob, v->blob_len, header, blob, f));
	TRY(slot_header_parse(*header, SLOT_HEADER, &h, f));
	if (memcmp(h.store, vault.store_id, STORE_ID_SIZE) != 0)
		return fault_set(f, ERR_INVALID,
				 "slot %llu was made for another store: the "
				 "store's id or the slot was changed",
				 (unsigned long long)v->place.row);
	if (h.slot != v->place.row)
		return fault_set(f, ERR_INVALID,
				 "slot %llu was made as slot %u and moved from "
				 "there",
				 (unsigned long long)v->place.row, h.slot);
	return OK;
}

/* None opened. A slot that is damaged is worth more words than those that the
 * secret is not for. */
static enum err none_opened(struct job *j)
{
	const char *what = "passphrase or key file";
	enum slot_type type;

	if (wanted_type(j, &type))
		what = type == SLOT_KEYFILE ? "key file" : "passphrase";
	if (!j->tried)
		return fault_set(&j->fault, ERR_NOT_FOUND,
				 "the store has no key slot for a %s", what);
	if (j->damage.code != OK) {
		j->fault = j->damage;
		return j->fault.code;
	}
	if (j->tried > 1)
		return fault_set(&j->fault, ERR_DENIED,
				 "wrong %s: none of the %zu slots opens", what,
				 j->tried);
	return j->fault.code;
}

static void try_slot(struct job *j);

static void slot_tried(struct job *j, enum err e)
{
	struct attr key, epoch;
	uint64_t n;

	if ((e == ERR_INVALID || e == ERR_UNSUPPORTED) && j->damage.code == OK)
		j->damage = j->fault;
	if (e == ERR_DENIED || e == ERR_INVALID || e == ERR_UNSUPPORTED) {
		try_slot(j);
		return;
	}
	if (e == OK &&
	    (attr_only(attrs_view(&j->plain), "key", &key) != OK ||
	     key.len != KEY_SIZE ||
	     attr_only(attrs_view(&j->plain), "epoch", &epoch) != OK ||
	     attr_u64(&epoch, UINT32_MAX, &n) != OK))
		e = fault_set(&j->fault, ERR_INTERNAL,
			      "the opener gave no key");
	if (e != OK) {
		unseal_failed(j, e);
		return;
	}
	vault.epoch = (uint32_t)n;
	secret_drop(&vault.master);
	vault.master = secret_from(key.value);
	attrs_wipe(&j->plain);
	seal_open_store(unsealed);
}

static void try_slot(struct job *j)
{
	struct vrow *v = next_slot(j);
	const uint8_t *header, *blob;
	struct attr secret;
	enum err e;

	if (!v) {
		unseal_failed(j, none_opened(j));
		return;
	}
	j->number = v->place.row;
	j->tried++;
	e = slot_is_ours(v, &header, &blob, &j->fault);
	if (e != OK) {
		slot_tried(j, e);
		return;
	}
	attrs_clear(&j->plain);
	ENSURE(attrs_add(&j->plain, "header", 0, header, SLOT_HEADER) == OK);
	ENSURE(attrs_add(&j->plain, "blob", 0, blob,
			 v->blob_len - SLOT_HEADER) == OK);
	if (attr_find(attrs_view(&j->box), "secret", &secret))
		ENSURE(attrs_add(&j->plain, "secret", ATTR_CONFIDENTIAL,
				 secret.value, secret.len) == OK);
	j->then = slot_tried;
	seal_ask_opener(j, VO_OPEN, &j->plain);
}

/* The verb */

static enum err box_secret_ok(struct job *j)
{
	struct attr a;

	if (attr_only(attrs_view(&j->box), "secret", &a) != OK || !a.len ||
	    a.len > SLOT_SECRET_MAX)
		return fault_set(&j->fault, ERR_INVALID,
				 "the box has no 'secret' of 1 to %d bytes",
				 SLOT_SECRET_MAX);
	return OK;
}

static enum err can_unseal(struct job *j)
{
	if (vault.state == VAULT_OPEN)
		return fault_set(&j->fault, ERR_CONFLICT,
				 "the store is open already");
	if (vault.state == VAULT_EMPTY)
		return fault_set(&j->fault, ERR_NOT_FOUND,
				 "there is no store yet: run 'cretula init'");
	if (vault.state == VAULT_BROKEN)
		return fault_set(&j->fault, vault.broken.code, "%s",
				 vault.broken.text);
	return OK;
}

void verb_unseal(struct job *j)
{
	enum err e = can_unseal(j);

	if (e == OK)
		e = seal_open_box(job_attrs(j), &j->box, &j->fault);
	if (e == OK)
		e = box_secret_ok(j);
	if (e != OK) {
		job_done(j, e);
		return;
	}
	try_slot(j);
}

/* A key file named in the configuration opens the store at start: a question without
 * a secret, to which the opener adds it. */
static void keyfile_first(struct job *j)
{
	ENSURE(attrs_add_str(&j->box, "type", "keyfile") == OK);
	try_slot(j);
}

bool unseal_by_keyfile(void)
{
	if (vault.keyfile)
		job_start(job_internal("unseal"), keyfile_first);
	return vault.keyfile;
}
