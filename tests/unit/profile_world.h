/* What tests of profiles share: a CA's scope, one key of each type, an agent. */
#ifndef TESTS_PROFILE_WORLD_H
#define TESTS_PROFILE_WORLD_H

#include "lib/enc.h"
#include "lib/profile.h"

#include "tests/unit/unit.h"

enum {
	WORLD_NOW = 1767322800,
	WORLD_SPKI = 512,
};

#define WORLD_AGENT "019b8f3a-0000-7abc-8def-0123456789ab"
#define WORLD_OTHER "019b8f3a-0000-7abc-8def-0123456789ac"

struct world {
	struct ca_scope scope;
	uint8_t spki[KEY__MAX][WORLD_SPKI], ca_spki[WORLD_SPKI];
	struct pubkey key[KEY__MAX], ca_key;
	struct profiles *set;
};

static const char *const world_spki[KEY__MAX] = {
	[KEY_P256] =
		"3059301306072a8648ce3d020106082a8648ce3d03010703420004bc4b8b51"
		"363ba75acf1805e60c429d3b430a890084c9483e6f18b611f7a9a9efdc3b11"
		"7cdb9883b2292fd433faa7cfae7c5f025c67cba93489e125dc420010c7",
	[KEY_P384] =
		"3076301006072a8648ce3d020106052b81040022036200040f5355fe1fe406"
		"bcafce116714055bce3b119a3e76c12b97d5953a9f944b5874e76f7d4039bf"
		"dbf6858417a6923df76f4b90d232629b57525ec737aa90e68191971b13b319"
		"2250b110ac2fa06eff7020ac3656cc0b6b4cf528be368a8df085c7",
	[KEY_ED25519] =
		"302a300506032b6570032100d7733de580feba1f8c641bdf00f4d71c1c4b1c"
		"ce192b3419e25d904742228e44",
	[KEY_RSA] =
		"30820122300d06092a864886f70d01010105000382010f003082010a028201"
		"010088c01bed9b8f61a192f9ccb8c1dcfa74a5ed219fbdfa6f71a34f27493b"
		"9b2af700a10d6ee94f70b85c62aa25e4c36e9e490958195ac6963f45b4c4f0"
		"9b97f14f2dd9655693ab5dc8479cab7b393b63c3d408ffbf15877adca030ff"
		"a99a3244b9000336d479bc11b446401405ccfbc46e61aaf5b6314f578fbb92"
		"010759712f5d97fc7a069874ae22972eea22b4026c3b5ffe88ec76d04efd8f"
		"0c38e801ff4ce64ed4febde1e16b7c8f83caf727d17a46728e666fd6b036f1"
		"3ece00f24344314ca92672e4fcf502ea93530aecfc3cfbbf7562f2d9d07ff9"
		"deaaa25c3deeeacb9274186aef47cd64207d07366e8ac632ae34a5ba161a48"
		"50ef78fcd82339f851bd0203010001",
};

/* P-256 */
static const char world_ca_spki[] =
	"3059301306072a8648ce3d020106082a8648ce3d0301070342000471330ae8"
	"6f8640fcf61af712d99f46409ce8e0e86169111226aa392a1f45480c804a27"
	"14d55538700f0b5cc075b9915daf3401b1d6135e2b1d82db445190a19d";

static const char world_profiles[] =
	"# web servers\n"
	"profile=web life=24h max_life=72h usage=server,client dns={node}\n"
	"profile=wild dns=*.{node} wildcard=yes capability=sign:prod@{node}\n"
	"\n"
	"profile=strict life=1h usage=client keys=p256,ed25519\n"
	"profile=mesh kind=spiffe usage=server,client life=1h max_life=2h\n"
	"profile=boss capability=admin:credd@{node},issue:web@* "
	"capability=sign:prod@n1.example max_life=7d\n";

/* The certificate of a CA itself, as far as a scope looks at it. */
static inline struct cert world_issuing(const struct pubkey *key,
					uint8_t id[20])
{
	struct cert c = { .ca = true, .key_usage = KU_CERT_SIGN | KU_CRL_SIGN };

	pubkey_id(key, id);
	c.spki = key->spki;
	c.subject_key = span_of(id, 20);
	c.subject = (struct dn){ .domain = span_str("example"),
				 .cn = span_str("Cretula Issuing CA") };
	c.not_before = WORLD_NOW - 86400;
	c.not_after = WORLD_NOW + 300ll * 86400;
	return c;
}

static inline void key_read(const char *hex, uint8_t room[WORLD_SPKI],
			    struct pubkey *k)
{
	size_t n = strlen(hex) / 2;

	assert_int_equal(enc_hex_parse(hex, 2 * n, room, n), OK);
	assert_int_equal(pubkey_parse(span_of(room, n), k, NULL), OK);
}

static inline enum err scope_line(const char *line, struct ca_scope *s,
				  struct fault *f)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	TRY(attrs_parse_text(&a, line, strlen(line), f));
	return ca_scope_parse(attrs_view(&a), s, f);
}

static inline enum err profile_line(const char *line, struct profile *p,
				    struct fault *f)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	TRY(attrs_parse_text(&a, line, strlen(line), f));
	return profile_parse(attrs_view(&a), p, f);
}

static inline void world_open(struct world *w)
{
	struct fault f = { .code = OK };
	uint8_t id[20];
	struct cert c;

	memset(w, 0, sizeof *w);
	for (unsigned t = 0; t < KEY__MAX; t++)
		key_read(world_spki[t], w->spki[t], &w->key[t]);
	key_read(world_ca_spki, w->ca_spki, &w->ca_key);
	assert_int_equal(scope_line("domain=example,localhost "
				    "trust_domain=mesh.example shards=4 "
				    "url=http://ca.example:7080 instance=3",
				    &w->scope, &f),
			 OK);
	c = world_issuing(&w->ca_key, id);
	assert_int_equal(ca_scope_take(&w->scope, &c, &f), OK);
	w->set = profiles_new(false);
	assert_int_equal(profiles_add(w->set, "test.conf", world_profiles,
				      strlen(world_profiles), &f),
			 OK);
}

static inline void world_close(struct world *w)
{
	profiles_free(&w->set);
	ca_scope_wipe(&w->scope);
}

static inline const struct profile *world_profile(const struct world *w,
						  const char *name)
{
	const struct profile *p = profiles_find(w->set, span_str(name));

	assert_non_null(p);
	return p;
}

#endif
