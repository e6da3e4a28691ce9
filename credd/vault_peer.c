/* Vault: other stores, to which versions of credentials are sealed and from which they
 * come; and this store's own keys for that: sealing (X25519) and signing (Ed25519), each
 * a random row of its own, apart from the transport key.
 * Row of a peer: node= store= seal= sign= [url=] added= */
#include "credd/vault.h"

#include "lib/child.h"
#include "lib/enc.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

static void peer_key(const void *value, const void **key, size_t *len)
{
	const struct peer *p = value;

	*key = p->name;
	*len = strlen(p->name);
}

void peers_init(void)
{
	vault.peers = map_new(peer_key);
}

void peers_close(void)
{
	struct peer *p;
	size_t at = 0;

	while ((p = map_next(vault.peers, &at)))
		free(p);
	map_free(vault.peers);
	peers_init();
	export_keys_drop(&vault.export_keys);
	secret_drop(&vault.sealing);
	secret_drop(&vault.signing);
}

struct peer *peer_find(const char *name)
{
	return map_find(vault.peers, name, strlen(name));
}

struct peer *peer_signing(const uint8_t sign[EXPORT_KEY])
{
	struct peer *p;
	size_t at = 0;

	while ((p = map_next(vault.peers, &at)))
		if (!memcmp(p->pub.sign, sign, EXPORT_KEY))
			return p;
	return NULL;
}

enum err peer_need(struct job *j, const char *attr)
{
	char name[VAULT_NAME_MAX + 1];

	TRY(call_need(job_attrs(j), attr, name, sizeof name, &j->fault));
	j->peer = peer_find(name);
	if (!j->peer)
		return fault_set(&j->fault, ERR_NOT_FOUND,
				 "there is no peer '%s': 'cretula peer list' "
				 "shows which there are",
				 name);
	return OK;
}

/* Rows and lists */

static enum err get_bytes(struct attr_view v, const char *name, uint8_t *out,
			  size_t n, struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || a.len != n)
		return fault_set(f, ERR_INVALID, "%s= is not %zu bytes", name,
				 n);
	memcpy(out, a.value, n);
	return OK;
}

static enum err pub_parse(struct attr_view v, struct export_pub *p,
			  struct fault *f)
{
	enum err e;

	TRY(call_need(v, "node", p->node, sizeof p->node, f));
	TRY(get_bytes(v, "store", p->store, EXPORT_STORE, f));
	TRY(get_bytes(v, "seal", p->seal, EXPORT_KEY, f));
	TRY(get_bytes(v, "sign", p->sign, EXPORT_KEY, f));
	e = call_text(v, "url", p->url, sizeof p->url, f);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	return export_pub_check(p, f);
}

static enum err pub_format(const struct export_pub *p, struct attrs *a)
{
	TRY(attrs_add_str(a, "node", p->node));
	TRY(attrs_add(a, "store", 0, p->store, EXPORT_STORE));
	TRY(attrs_add(a, "seal", 0, p->seal, EXPORT_KEY));
	TRY(attrs_add(a, "sign", 0, p->sign, EXPORT_KEY));
	return p->url[0] ? attrs_add_str(a, "url", p->url) : OK;
}

enum err peer_load_row(struct vrow *v, struct fault *f)
{
	struct peer *p = xcalloc(1, sizeof *p);
	uint64_t added = 0;
	struct attrs a;
	enum err e;

	attrs_init(&a);
	e = rows_open(v, &a, f);
	if (e == OK)
		e = pub_parse(attrs_view(&a), &p->pub, f);
	if (e == OK)
		e = call_number(attrs_view(&a), "added", 0, INT64_MAX, &added,
				f);
	if (e == OK && (!cred_name_ok(v->name) || peer_find(v->name)))
		e = fault_set(f, ERR_INVALID, "the store has peer '%s' twice",
			      v->name);
	attrs_wipe(&a);
	if (e != OK) {
		free(p);
		return e;
	}
	memcpy(p->name, v->name, strlen(v->name) + 1);
	p->added = (int64_t)added;
	p->row = v;
	map_add(vault.peers, p);
	return OK;
}

/* add */

static void added(struct job *j)
{
	j->peer_made->row = j->made;
	map_add(vault.peers, j->peer_made);
	j->peer_made = NULL;
}

static enum err peer_new(struct job *j, struct peer *p)
{
	struct peer *other;
	size_t at = 0;

	TRY(call_need(job_attrs(j), "name", p->name, sizeof p->name,
		      &j->fault));
	TRY(pub_parse(job_attrs(j), &p->pub, &j->fault));
	if (!cred_name_ok(p->name))
		return fault_set(&j->fault, ERR_INVALID,
				 "a peer's name has letters, digits and ._-/@ "
				 "and begins with a letter or digit");
	if (peer_find(p->name))
		return fault_set(&j->fault, ERR_EXISTS,
				 "peer '%s' exists: 'cretula peer remove %s' "
				 "first, if its keys are others now",
				 p->name, p->name);
	if (map_count(vault.peers) >= VAULT_PEERS)
		return fault_set(&j->fault, ERR_LIMITED,
				 "there are %d peers already", VAULT_PEERS);
	while ((other = map_next(vault.peers, &at)))
		if (!memcmp(other->pub.sign, p->pub.sign, EXPORT_KEY) ||
		    !memcmp(other->pub.seal, p->pub.seal, EXPORT_KEY))
			return fault_set(&j->fault, ERR_EXISTS,
					 "peer '%s' has these keys already",
					 other->name);
	TRY(export_ready(&j->fault));
	if (!memcmp(p->pub.sign, export_sign_key(vault.export_keys),
		    EXPORT_KEY) ||
	    !memcmp(p->pub.seal, export_seal_key(vault.export_keys),
		    EXPORT_KEY))
		return fault_set(&j->fault, ERR_INVALID,
				 "these are this store's own keys: the file of "
				 "the other one is needed");
	p->added = clock_wall();
	return OK;
}

static void key_text(const uint8_t seal[EXPORT_KEY],
		     char text[2 * EXPORT_KEY_ID + 1])
{
	uint8_t id[EXPORT_KEY_ID];

	export_key_id(seal, id);
	enc_hex(id, sizeof id, text);
}

enum err peer_audit(const struct peer *p, const char *as, struct attrs *what)
{
	char key[2 * EXPORT_KEY_ID + 1];

	key_text(p->pub.seal, key);
	TRY(attrs_add_str(what, as, p->name));
	return attrs_add_str(what, "key", key);
}

static enum err put_peer(struct job *j, struct change *c, const struct peer *p)
{
	struct attrs a;
	enum err e;

	attrs_init(&a);
	e = pub_format(&p->pub, &a);
	if (e == OK)
		e = attrs_add_u64(&a, "added", (uint64_t)p->added);
	if (e == OK)
		e = change_put(c, ROW_PEER, change_row(ROW_PEER), p->name, "",
			       0, attrs_view(&a), &j->made, &j->fault);
	attrs_wipe(&a);
	if (e == OK)
		e = peer_audit(p, "peer", &j->what);
	if (e == OK)
		e = attrs_add_str(&j->what, "node", p->pub.node);
	return e;
}

void verb_peer_add(struct job *j)
{
	AUTO(mem_free) struct peer *p = xcalloc(1, sizeof *p);
	enum err e = peer_new(j, p);
	struct change *c;

	if (e != OK) {
		job_done(j, e);
		return;
	}
	c = change_new();
	e = put_peer(j, c, p);
	if (e != OK) {
		change_free(c);
		job_done(j, e);
		return;
	}
	j->peer_made = p;
	p = NULL;
	job_commit(j, c, added);
}

/* remove */

static void removed(struct job *j)
{
	free(map_drop(vault.peers, j->peer->name, strlen(j->peer->name)));
	j->peer = NULL;
}

void verb_peer_remove(struct job *j)
{
	enum err e = peer_need(j, "name");
	struct change *c;

	if (e == OK)
		e = peer_audit(j->peer, "peer", &j->what);
	if (e != OK) {
		job_done(j, e);
		return;
	}
	c = change_new();
	change_drop(c, j->peer->row);
	job_commit(j, c, removed);
}

/* list, self */

static enum err peer_item(const struct peer *p, struct attrs *item)
{
	char store[2 * EXPORT_STORE + 1], key[2 * EXPORT_KEY_ID + 1];

	enc_hex(p->pub.store, EXPORT_STORE, store);
	key_text(p->pub.seal, key);
	TRY(attrs_add_str(item, "name", p->name));
	TRY(attrs_add_str(item, "node", p->pub.node));
	TRY(attrs_add_str(item, "key", key));
	if (p->pub.url[0])
		TRY(attrs_add_str(item, "url", p->pub.url));
	TRY(attrs_add_str(item, "store", store));
	return attrs_add_u64(item, "made", (uint64_t)p->added);
}

void verb_peer_list(const struct call *c, struct attr_view v)
{
	struct attrs item, reply;
	struct peer *p;
	size_t at = 0;

	(void)v;
	attrs_init(&item);
	attrs_init(&reply);
	while ((p = map_next(vault.peers, &at))) {
		attrs_clear(&item);
		ENSURE(peer_item(p, &item) == OK);
		call_item(c, attrs_view(&item));
	}
	call_reply(c, &reply);
	attrs_wipe(&item);
	attrs_wipe(&reply);
}

static void own_pub(struct export_pub *p)
{
	*p = (struct export_pub){ .node = "localhost" };
	if (vault.node[0])
		memcpy(p->node, vault.node, sizeof p->node);
	memcpy(p->url, vault.url, sizeof p->url);
	memcpy(p->store, vault.store_id, EXPORT_STORE);
	memcpy(p->seal, export_seal_key(vault.export_keys), EXPORT_KEY);
	memcpy(p->sign, export_sign_key(vault.export_keys), EXPORT_KEY);
}

static enum err own_line(struct buf *line)
{
	struct export_pub p;

	own_pub(&p);
	return export_pub_format(&p, line);
}

void verb_peer_self(const struct call *c, struct attr_view v)
{
	char key[2 * EXPORT_KEY_ID + 1];
	struct attrs reply;
	struct buf line;
	struct fault f;

	(void)v;
	if (export_ready(&f) != OK) {
		call_fault(c, &f);
		return;
	}
	key_text(export_seal_key(vault.export_keys), key);
	attrs_init(&reply);
	buf_init(&line, EXPORT_PUB_MAX);
	ENSURE(own_line(&line) == OK);
	ENSURE(attrs_add(&reply, "pub", 0, line.p, line.len) == OK);
	ENSURE(attrs_add_str(&reply, "key", key) == OK);
	call_reply(c, &reply);
	buf_wipe(&line);
	attrs_wipe(&reply);
}

/* Keys */

static void publish(void)
{
	struct attrs a;
	struct buf line;

	vault.export_keys = export_keys_new(secret_bytes(vault.sealing),
					    secret_bytes(vault.signing));
	attrs_init(&a);
	buf_init(&line, EXPORT_PUB_MAX);
	ENSURE(own_line(&line) == OK);
	ENSURE(attrs_add(&a, "text", 0, line.p, line.len) == OK);
	chan_tell(&vault.sup, SUP_SEAL_PUB, 0, attrs_view(&a));
	vault.publishing++;
	buf_wipe(&line);
	attrs_wipe(&a);
}

void peers_published(void)
{
	if (!vault.publishing) {
		child_broken("supervisor");
		return;
	}
	vault.publishing--;
	if (!vault.publishing && vault.answer_waits) {
		vault.answer_waits = false;
		job_done(vault.job, OK);
	}
}

void peers_job_done(struct job *j)
{
	ENSURE(vault.job == j);
	if (vault.publishing)
		vault.answer_waits = true;
	else
		job_done(j, OK);
}

static void keys_made(struct job *j)
{
	struct fault f;
	struct vrow *v;
	size_t at = 0;

	(void)j;
	while ((v = map_next(vault.rows, &at)))
		if (v->place.table == ROW_KEY && (!strcmp(v->name, "sealing") ||
						  !strcmp(v->name, "signing")))
			ENSURE(key_load_row(v, &f) == OK);
	publish();
}

/* A store of before there were exports. */
static void make_first(struct job *j)
{
	struct change *c;
	enum err e = OK;

	if (vault.state != VAULT_OPEN || vault.export_keys) {
		job_done(j, OK);
		return;
	}
	c = change_new();
	if (!vault.sealing)
		e = key_put(c, change_row(ROW_KEY), "sealing", &j->fault);
	if (e == OK && !vault.signing)
		e = key_put(c, change_row(ROW_KEY), "signing", &j->fault);
	if (e != OK) {
		change_free(c);
		job_done(j, e);
		return;
	}
	job_commit(j, c, keys_made);
}

/* What a full disk had kept from being made is made when it is wanted. */
enum err export_ready(struct fault *f)
{
	if (vault.export_keys)
		return OK;
	peers_opened();
	return fault_set(f, ERR_UNAVAILABLE,
			 "this store's keys for exports are being made: try "
			 "again");
}

void peers_opened(void)
{
	if (vault.sealing && vault.signing)
		publish();
	else
		job_start(job_internal("peer.keys"), make_first);
}
