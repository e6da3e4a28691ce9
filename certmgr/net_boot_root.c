/* net: where the CA is, and its root certificate when only its hash was given: it is
 * asked for over TLS that is not believed, and believed if it has that hash. Kept in the
 * state folder. Holds an address and a certificate. */
#include "certmgr/net_boot.h"

#include "lib/child.h"
#include "lib/evp.h"
#include "lib/log.h"

#include <string.h>
#include <unistd.h>

static const char file[] = "ca";

static struct {
	/* the configuration's word */
	char ca[BOOT_URL]; /* "": none */
	bool root_given, hash_given;
	uint8_t hash[BOOT_HASH];
	/* in force */
	bool known;
	bool rooted; /* there is another root than before */
	struct web_place at;
	/* being found */
	struct web_place next;
	bool want_hash;
	uint8_t want[BOOT_HASH];
	place_done *done;
} place;

static bool has_hash(struct span der, const uint8_t hash[BOOT_HASH])
{
	uint8_t got[EVP_MAX_MD_SIZE];

	return der.n && evp_digest(EVP_HASH_SHA256, der, got) == BOOT_HASH &&
	       !memcmp(got, hash, BOOT_HASH);
}

/* ---- the end of the search */

static void finish(enum outcome o, const struct fault *f)
{
	place_done *done = place.done;

	place.done = NULL;
	done(o, f);
}

static void tell_root(void)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	const struct span root = trust_root();

	if (place.root_given)
		return;
	attrs_init(&a);
	ENSURE(attrs_add(&a, "root", 0, root.p, root.n) == OK);
	net_tell_supervisor(SUP_CA_ROOT, attrs_view(&a));
}

/* A disk that is full: it is found out anew after the next start. */
static void keep(void)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	const struct span root = trust_root();
	struct fault f;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "ca", place.at.url) == OK);
	ENSURE(attrs_add(&a, "root", 0, root.p, root.n) == OK);
	if (net_file_write(file, &a, &f) != OK)
		log_text(LOG_ERR, "not_kept", "%s", f.text);
}

static void settle(void)
{
	if (!place.known || place.rooted ||
	    strcmp(place.at.url, place.next.url) != 0)
		net_point(&place.next, trust_root());
	place.at = place.next;
	place.known = true;
	place.rooted = false;
	keep();
	tell_root();
	finish(OUTCOME_DONE, NULL);
}

/* ---- the root */

static enum err judge_root(const struct web_answer *a, struct fault *f)
{
	AUTO(buf_wipe) struct buf der = { 0 };

	buf_init(&der, CERT_MAX);
	TRY(answer_root(a->body, &der, f));
	if (!has_hash(span_of(der.p, der.len), place.want))
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the root certificate that '%s' shows has not "
				 "the hash that was given (ca_hash=): either "
				 "it is not your CA that answers there, or the "
				 "hash is of another one: 'cretula ca root "
				 "--field hash' on the CA's host prints it",
				 place.next.url);
	TRY(trust_set_root(span_of(der.p, der.len), f));
	place.rooted = true;
	return OK;
}

static void rooted(enum outcome o, const struct web_answer *a,
		   const struct fault *f)
{
	struct fault g = *f;

	if (o == OUTCOME_DONE && judge_root(a, &g) != OK)
		o = OUTCOME_STRANGE;
	else if (a->status &&
		 o != OUTCOME_DONE) /* nobody has to believe his words */
		(void)fault_set(&g, ERR_UNAVAILABLE,
				"who answers at '%s' shows no root certificate "
				"(status %u): is it the CA that is there?",
				place.next.url, a->status);
	if (o == OUTCOME_DONE)
		settle();
	else
		finish(o, &g);
}

static void find_root(void)
{
	struct fault f;

	if (place.root_given ||
	    (place.want_hash && has_hash(trust_root(), place.want))) {
		settle();
		return;
	}
	if (!place.want_hash) {
		(void)fault_set(&f, ERR_NOT_FOUND,
				"nobody said whom to believe: with the token "
				"has to come ca_hash=sha256:HEX, unless "
				"ca_root= or ca_hash= is in the configuration");
		finish(OUTCOME_STRANGE, &f);
		return;
	}
	node_ask_stranger(&place.next, "/v1/ca", rooted);
}

/* ---- the address */

static enum err one_txt(struct attr_view texts, char url[BOOT_URL],
			struct fault *f)
{
	char other[BOOT_URL];
	struct attr a;
	bool any = false;
	enum err e;

	while (attr_next(&texts, &a)) {
		if (!attr_named(&a, "text"))
			continue;
		e = boot_parse_txt(span_of(a.value, a.len), any ? other : url,
				   f);
		if (e == ERR_NOT_FOUND)
			continue;
		TRY(e);
		if (any)
			return fault_set(f, ERR_INVALID,
					 "there is more than one TXT record "
					 "cretula-ca=");
		any = true;
	}
	return any ? OK
		   : fault_set(f, ERR_NOT_FOUND,
			       "there is no TXT record "
			       "cretula-ca=https://HOST:PORT");
}

static void txt_came(const struct msg *m)
{
	struct fault f = { .code = OK };
	char url[BOOT_URL];

	node_not_busy();
	if (m->kind == DIAL_FAILED)
		(void)fault_set(&f, ERR_UNAVAILABLE, "%s",
				child_text(m, "text"));
	else if (one_txt(m->attrs, url, &f) == OK &&
		 web_place_parse("https", url, &place.next, &f) == OK) {
		find_root();
		node_settle();
		return;
	}
	finish(OUTCOME_AWAY, &f);
	node_settle();
}

static void find_address(const char *ca)
{
	struct fault f;

	if (!strncmp(ca, "dns:", 4)) {
		node_busy();
		web_txt(ca + 4, txt_came);
		return;
	}
	if (web_place_parse("https", ca, &place.next, &f) == OK)
		find_root();
	else
		finish(OUTCOME_STRANGE, &f);
}

void place_find(const struct boot *b, place_done *done)
{
	const char *ca = place.ca[0] ? place.ca : b->ca;
	struct fault f;

	ENSURE(!place.done);
	place.done = done;
	place.want_hash = place.hash_given || b->has_hash;
	memcpy(place.want, place.hash_given ? place.hash : b->hash, BOOT_HASH);
	if (ca[0]) {
		find_address(ca);
	} else if (place.known) {
		place.next = place.at;
		find_root();
	} else {
		(void)fault_set(&f, ERR_NOT_FOUND,
				"nobody said where the CA is: ca= is neither "
				"in the configuration nor beside the token");
		finish(OUTCOME_STRANGE, &f);
	}
}

void place_cancel(void)
{
	place.done = NULL;
	web_txt_cancel();
}

/* ---- the start */

/* What an earlier net has found out, unless the configuration says otherwise now. */
static void load(void)
{
	AUTO(attrs_wipe) struct attrs kept = { 0 };
	struct attr ca, root;
	struct fault f;
	char url[BOOT_URL] = "";

	attrs_init(&kept);
	if (net_file_read(file, &kept, &f) != OK ||
	    attr_only(attrs_view(&kept), "ca", &ca) != OK ||
	    attr_only(attrs_view(&kept), "root", &root) != OK ||
	    ca.len >= sizeof url)
		return;
	memcpy(url, ca.value, ca.len);
	if (!place.at.host[0])
		(void)!web_place_parse("https", url, &place.at, &f);
	if (place.root_given)
		return;
	if (place.hash_given &&
	    !has_hash(span_of(root.value, root.len), place.hash))
		return;
	if (trust_set_root(span_of(root.value, root.len), &f) != OK)
		log_text(LOG_ERR, "root_lost", "%s", f.text);
}

static enum err take_said(struct attr_view said, struct fault *f)
{
	struct attr a;

	if (attr_find(said, "ca_hash", &a)) {
		TRY(boot_parse_hash(span_of(a.value, a.len), place.hash, f));
		place.hash_given = true;
	}
	if (!attr_find(said, "ca", &a))
		return OK;
	if (a.len >= sizeof place.ca)
		return fault_set(f, ERR_INVALID, "ca= is too long");
	memcpy(place.ca, a.value, a.len);
	return strncmp(place.ca, "dns:", 4)
		       ? web_place_parse("https", place.ca, &place.at, f)
		       : OK;
}

void place_open(struct attr_view said, bool root)
{
	struct fault f;

	place.root_given = root;
	if (take_said(said, &f) != OK) {
		log_text(LOG_CRIT, "not_started", "%s", f.text);
		_exit(1);
	}
}

void place_begin(void)
{
	load();
	if (trust_root().n)
		tell_root();
	if (!place.at.host[0] || !trust_root().n)
		return;
	place.known = true;
	net_point(&place.at, trust_root());
}
