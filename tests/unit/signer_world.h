/* A signer in a folder of its own, and what an issuer asks of it: certificates filled
 * by the profiles, which a test then spoils. */
#ifndef TESTS_SIGNER_WORLD_H
#define TESTS_SIGNER_WORLD_H

#include "ca/kinds.h"
#include "ca/signer.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

#define WORLD_NOW   INT64_C(1800000000) /* wall clock of these tests */
#define WORLD_AGENT "01890a5d-ac96-774b-bcce-b302099a8057"
#define WORLD_PASS  "correct horse battery staple"

static const char world_profiles[] =
	"profile=web life=24h usage=server,client dns={node} dns=*.{node} "
	"capability=sign:prod@{node}\n"
	"profile=plain life=1h usage=client\n"
	"# made by: the tests\n"
	"profile=spiffe kind=spiffe life=1h\n";

/* What the issuer has besides: a file that the signer does not know of. */
static const char world_other[] =
	"profile=strong life=1h usage=client capability=admin:ca@* "
	"may_delegate=yes\n";

struct world {
	char path[64];
	struct signer s;
	struct profiles *profiles, *other; /* the issuer's */
	struct signkey *key;               /* an agent's */
	struct attrs ask, reply;
	struct fault f;
	uint64_t next;
};

static inline void world_ok(enum err e, const struct fault *f)
{
	if (e != OK)
		fail_msg("%s: %s", err_name(e), f->text);
}

static inline struct profiles *world_profiles_of(const char *text)
{
	struct profiles *p = profiles_new(false);
	struct fault f = { 0 };

	world_ok(profiles_add(p, "test.conf", text, strlen(text), &f), &f);
	return p;
}

static inline void world_keyfile(struct buf *b, char fill)
{
	uint8_t *at;

	buf_init_secret(b, KEYS_KEYFILE_MAX);
	assert_int_equal(buf_grow(b, 64, &at), OK);
	memset(at, fill, 64);
}

/* The signer starts (anew) on its folder. */
static inline void world_start(struct world *w)
{
	struct buf keyfile;
	int dir = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(dir >= 0);
	world_keyfile(&keyfile, 'k');
	signer_init(&w->s, dir, &keyfile);
	signer_profiles(&w->s, world_profiles_of(world_profiles));
}

static inline void world_restart(struct world *w)
{
	signer_wipe(&w->s);
	world_start(w);
}

/* Sends w->ask; the answer's attributes are in w->reply. */
static inline enum err world_call(struct world *w, uint32_t kind, int fd,
				  uint32_t *answer)
{
	struct signer_reply r = { .out = &w->reply };
	struct msg m = { .kind = kind, .attrs = attrs_view(&w->ask) };
	enum err e;

	attrs_clear(&w->reply);
	w->f.text[0] = 0;
	e = signer_call(&w->s, &m, fd, WORLD_NOW, &r, &w->f);
	if (answer)
		*answer = r.kind;
	return e;
}

/* It is refused, with that error and these words, and says so to the issuer. */
static inline void world_refused(struct world *w, uint32_t kind, int fd,
				 enum err want, const char *words)
{
	uint32_t answer = 0;
	enum err e = world_call(w, kind, fd, &answer);
	struct attr a;

	if (e != want || !strstr(w->f.text, words))
		fail_msg("%s: %s", err_name(e), w->f.text);
	assert_int_equal(answer, IG_REFUSED);
	assert_int_equal(attr_only(attrs_view(&w->reply), "text", &a), OK);
	assert_int_equal(attr_only(attrs_view(&w->reply), "error", &a), OK);
	assert_true(attr_is(&a, err_name(want)));
	assert_int_equal(attr_count(attrs_view(&w->reply), "certificate"), 0);
}

static inline void world_add(struct world *w, const char *name, const void *p,
			     size_t n)
{
	assert_int_equal(attrs_add(&w->ask, name, 0, p, n), OK);
}

static inline void world_add_box(struct world *w, const char *passphrase)
{
	AUTO(attrs_wipe) struct attrs list = { 0 };
	AUTO(buf_wipe) struct buf box = { 0 };

	attrs_init(&list);
	buf_init(&box, 4096);
	assert_int_equal(attrs_add_str(&list, "passphrase", passphrase), OK);
	assert_int_equal(
		box_seal(box_public(w->s.box), attrs_view(&list), &box), OK);
	world_add(w, "box", box.p, box.len);
}

/* IG_INIT with that key type and scope. */
static inline enum err world_init_with(struct world *w, const char *type,
				       const char *scope)
{
	AUTO(attrs_wipe) struct attrs list = { 0 };

	attrs_init(&list);
	attrs_clear(&w->ask);
	world_ok(attrs_parse_text(&list, scope, strlen(scope), &w->f), &w->f);
	world_add_box(w, WORLD_PASS);
	world_add(w, "scope", list.bytes.p, list.bytes.len);
	assert_int_equal(attrs_add_str(&w->ask, "key_type", type), OK);
	if (!strcmp(type, "rsa"))
		assert_int_equal(attrs_add_u64(&w->ask, "bits", 2048), OK);
	return world_call(w, IG_INIT, -1, NULL);
}

#define WORLD_SCOPE                                                            \
	"domain=example domain=localhost trust_domain=td.example shards=4 "    \
	"url=http://ca.example:7080 instance=7"

static inline void world_init(struct world *w, const char *type)
{
	world_ok(world_init_with(w, type, WORLD_SCOPE), &w->f);
}

/* A world without a CA yet. */
static inline void world_open(struct world *w)
{
	memset(w, 0, sizeof *w);
	(void)snprintf(w->path, sizeof w->path, "%s",
		       "/tmp/test_signer.XXXXXX");
	assert_non_null(mkdtemp(w->path));
	attrs_init(&w->ask);
	attrs_init(&w->reply);
	w->profiles = world_profiles_of(world_profiles);
	w->other = world_profiles_of(world_other);
	world_ok(signkey_new(KEY_P256, 0, &w->key, &w->f), &w->f);
	w->next = SIGNER_FIRST;
	world_start(w);
}

static inline void world_close(struct world *w)
{
	static const char *const file[] = { KEYS_FILE, ROOT_FILE, MARK_FILE,
					    "away" };
	char path[128];

	signer_wipe(&w->s);
	profiles_free(&w->profiles);
	profiles_free(&w->other);
	signkey_free(&w->key);
	attrs_wipe(&w->ask);
	attrs_wipe(&w->reply);
	for (size_t i = 0; i < NELEM(file); i++) {
		snprintf(path, sizeof path, "%s/%s", w->path, file[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(w->path), 0);
}

/* A certificate as profile_fill makes it, to be spoiled and built. */
struct draft {
	struct cert c;
	struct profile_room room;
	struct serial serial;
	struct pubkey key;
};

static inline void draft_wipe(struct draft *d)
{
	profile_room_wipe(&d->room);
}

static inline void draft_number(struct world *w, struct draft *d,
				uint64_t number)
{
	uint8_t tail[SERIAL_TAIL];

	random_fill(tail, sizeof tail);
	serial_make(w->s.scope.instance, number, tail, &d->serial);
	d->c.serial = span_of(d->serial.b, SERIAL_SIZE);
}

static inline void draft_of(struct world *w, struct draft *d,
			    struct profiles *from, const char *profile,
			    struct span spki)
{
	const struct profile *p = profiles_find(from, span_str(profile));
	uint8_t tail[SERIAL_TAIL] = { 1 };
	struct wish wish = { .node = span_str("n1.example"),
			     .agent = span_str(WORLD_AGENT),
			     .key = &d->key,
			     .now = WORLD_NOW,
			     .serial = &d->serial };

	memset(d, 0, sizeof *d);
	assert_non_null(p);
	if (p->kind == PROFILE_OCSP || p->kind == PROFILE_TLS)
		wish.node = wish.agent = (struct span){ 0 };
	if (p->kind == PROFILE_TLS) {
		wish.dns.at[0] = span_str("ca.example");
		wish.dns.count = 1;
	}
	world_ok(pubkey_parse(spki, &d->key, &w->f), &w->f);
	serial_make(w->s.scope.instance, w->next, tail, &d->serial);
	world_ok(profile_fill(p, &w->s.scope, &wish, &d->room, &d->c, &w->f),
		 &w->f);
	draft_number(w, d, w->next);
}

/* Asks for it to be signed; nothing is sent yet. */
static inline void world_ask_raw(struct world *w, const char *profile,
				 const void *tbs, size_t len)
{
	attrs_clear(&w->ask);
	assert_int_equal(attrs_add_str(&w->ask, "profile", profile), OK);
	world_add(w, "tbs", tbs, len);
}

static inline void world_ask(struct world *w, const char *profile,
			     const struct draft *d)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };

	buf_init(&tbs, CERT_TBS_MAX);
	assert_int_equal(cert_build(&d->c, &tbs), OK);
	world_ask_raw(w, profile, tbs.p, tbs.len);
}

/* A good certificate for that key, signed; DER in w->reply. */
static inline struct span world_sign(struct world *w, const char *profile,
				     struct span spki)
{
	AUTO(draft_wipe) struct draft d = { 0 };
	struct attr a;

	draft_of(w, &d, w->profiles, profile, spki);
	world_ask(w, profile, &d);
	world_ok(world_call(w, IG_SIGN, -1, NULL), &w->f);
	assert_int_equal(attr_only(attrs_view(&w->reply), "certificate", &a),
			 OK);
	w->next++;
	return span_of(a.value, a.len);
}

/* A signature by the CA's own key over a certificate's TBS. */
static inline void world_check_signed(struct world *w, struct span der)
{
	struct cert_signed split;

	world_ok(cert_split(der, &split, &w->f), &w->f);
	assert_int_equal(pubkey_verify(&w->s.issuing_key, split.alg, split.tbs,
				       split.sig),
			 OK);
}

#endif
