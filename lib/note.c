/* Checkpoints. Vault and ca sign (they hold the seed); store and command only read. */
#include "lib/note.h"

#include "lib/clock.h"
#include "lib/enc.h"
#include "lib/num.h"

#include <sodium.h>
#include <string.h>

enum {
	KEY_ID = 4,
	ALG_ED25519 = 1,
	SIG_BYTES = KEY_ID + NOTE_SIG
};

#define SIG_START "\xe2\x80\x94 " /* em dash and a blank */

void note_origin(const char *daemon, const uint8_t store[NOTE_STORE_ID],
		 char origin[NOTE_ORIGIN_MAX + 1])
{
	size_t n = strlen(daemon);
	static const char head[] = "cretula/";

	ENSURE(n && sizeof head + n + 2 * NOTE_STORE_ID <= NOTE_ORIGIN_MAX);
	memcpy(origin, head, sizeof head - 1);
	memcpy(origin + sizeof head - 1, daemon, n);
	origin[sizeof head - 1 + n] = '/';
	enc_hex(store, NOTE_STORE_ID, origin + sizeof head + n);
}

/* libsodium's form of the secret key: seed and public key. */
static uint8_t *key_pair(const struct secret *seed, uint8_t pub[NOTE_PUBLIC])
{
	uint8_t *sk = secret_alloc(crypto_sign_SECRETKEYBYTES);

	ENSURE(!crypto_sign_seed_keypair(pub, sk, secret_bytes(seed)));
	return sk;
}

void note_public(const struct secret *seed, uint8_t out[NOTE_PUBLIC])
{
	secret_free(key_pair(seed, out));
}

static void key_id(const char *name, const uint8_t pub[NOTE_PUBLIC],
		   uint8_t id[KEY_ID])
{
	uint8_t tail[2 + NOTE_PUBLIC] = { '\n', ALG_ED25519 };
	struct merkle_hash h;

	memcpy(tail + 2, pub, NOTE_PUBLIC);
	merkle_sha256(name, strlen(name), tail, sizeof tail, &h);
	memcpy(id, h.b, KEY_ID);
}

static bool origin_ok(const char *s, size_t n)
{
	static const char more[] = "/._-";

	if (!n || n > NOTE_ORIGIN_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
		    (c < '0' || c > '9') && (!c || !strchr(more, c)))
			return false;
	}
	return true;
}

static enum err chain_format(const struct note *n, struct buf *out)
{
	char hex[2 * MERKLE_HASH + 1];

	enc_hex(n->chain.b, MERKLE_HASH, hex);
	return buf_fmt(out, " signed=%llu epoch=%llu chain=%s",
		       (unsigned long long)n->count,
		       (unsigned long long)n->epoch, hex);
}

/* The signed part, up to and without the empty line. */
static enum err body_format(const struct note *n, struct buf *out)
{
	char when[CLOCK_TEXT];

	if (!origin_ok(n->origin, strnlen(n->origin, sizeof n->origin)) ||
	    n->size > MERKLE_SIZE_MAX)
		return ERR_INVALID;
	clock_format(n->time, when);
	TRY(buf_fmt(out, "%s\n%llu\n", n->origin, (unsigned long long)n->size));
	TRY(enc_base64(n->root.b, MERKLE_HASH, out));
	TRY(buf_fmt(out, "\ntime=%s generation=%llu", when,
		    (unsigned long long)n->generation));
	if (n->chained)
		TRY(chain_format(n, out));
	return buf_str(out, "\n");
}

enum err note_sign(const struct note *n, const struct secret *seed,
		   struct buf *out)
{
	AUTO(buf_wipe) struct buf body = { 0 };
	uint8_t sig[SIG_BYTES], pub[NOTE_PUBLIC];
	uint8_t *sk;

	buf_init(&body, NOTE_MAX);
	TRY(body_format(n, &body));
	sk = key_pair(seed, pub);
	key_id(n->origin, pub, sig);
	ENSURE(!crypto_sign_detached(sig + KEY_ID, NULL, body.p, body.len, sk));
	secret_free(sk);
	TRY(buf_put(out, body.p, body.len));
	TRY(buf_fmt(out, "\n" SIG_START "%s ", n->origin));
	TRY(enc_base64(sig, sizeof sig, out));
	return buf_str(out, "\n");
}

/* Takes the text up to the next newline, and the newline. */
static enum err line(struct rd *r, const char **text, size_t *len)
{
	const uint8_t *start = r->p, *nl;

	if (!rd_left(r) || !(nl = memchr(start, '\n', rd_left(r))))
		return ERR_INVALID;
	*text = (const char *)start;
	*len = (size_t)(nl - start);
	return rd_bytes(r, *len + 1, &start);
}

static enum err prefix(const char **text, size_t *len, const char *want)
{
	size_t n = strlen(want);

	if (*len < n || memcmp(*text, want, n))
		return ERR_INVALID;
	*text += n;
	*len -= n;
	return OK;
}

static enum err base64_exact(const char *text, size_t len, uint8_t *out,
			     size_t n)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, NOTE_MAX);
	TRY(enc_base64_parse(text, len, &b));
	if (b.len != n)
		return ERR_INVALID;
	memcpy(out, b.p, n);
	return OK;
}

/* Cuts the text before the next blank, or all that is left, off r. */
static void word(struct rd *r, const char **text, size_t *len)
{
	const uint8_t *blank = memchr(r->p, ' ', rd_left(r));

	*text = (const char *)r->p;
	*len = blank ? (size_t)(blank - r->p) : rd_left(r);
	r->p += *len + (blank != NULL);
}

static enum err number(struct rd *r, const char *name, uint64_t *v)
{
	const char *t;
	size_t len;

	word(r, &t, &len);
	TRY(prefix(&t, &len, name));
	return num_u64(t, len, UINT64_MAX, v);
}

static enum err chain_read(struct rd *r, struct note *n)
{
	const char *t;
	size_t len;

	n->chained = true;
	TRY(number(r, "signed=", &n->count));
	TRY(number(r, "epoch=", &n->epoch));
	word(r, &t, &len);
	TRY(prefix(&t, &len, "chain="));
	return enc_hex_parse(t, len, n->chain.b, MERKLE_HASH);
}

static enum err extension(const char *text, size_t len, struct note *n)
{
	struct rd r = rd_from(text, len);
	const char *t;

	word(&r, &t, &len);
	TRY(prefix(&t, &len, "time="));
	TRY(clock_parse(t, len, &n->time));
	TRY(number(&r, "generation=", &n->generation));
	if (rd_left(&r))
		TRY(chain_read(&r, n));
	return rd_end(&r);
}

static enum err body_read(struct rd *r, struct note *n)
{
	const char *t;
	size_t len;

	TRY(line(r, &t, &len));
	if (!origin_ok(t, len))
		return ERR_INVALID;
	memcpy(n->origin, t, len);
	n->origin[len] = 0;
	TRY(line(r, &t, &len));
	TRY(num_u64(t, len, MERKLE_SIZE_MAX, &n->size));
	TRY(line(r, &t, &len));
	TRY(base64_exact(t, len, n->root.b, MERKLE_HASH));
	TRY(line(r, &t, &len));
	return extension(t, len, n);
}

static enum err sig_read(struct rd *r, const char *origin,
			 uint8_t sig[SIG_BYTES])
{
	const char *t;
	size_t len;

	TRY(line(r, &t, &len));
	if (len)
		return ERR_INVALID;
	TRY(line(r, &t, &len));
	TRY(prefix(&t, &len, SIG_START));
	TRY(prefix(&t, &len, origin));
	TRY(prefix(&t, &len, " "));
	TRY(base64_exact(t, len, sig, SIG_BYTES));
	return rd_end(r);
}

/* Reads all of it, then insists that this is the one way to write it. body: its
 * length, which is what the signature covers. */
static enum err note_read(const void *text, size_t len, struct note *n,
			  uint8_t sig[SIG_BYTES], size_t *body)
{
	struct rd r = rd_from(text, len);
	AUTO(buf_wipe) struct buf again = { 0 };
	struct note got = { 0 };

	buf_init(&again, NOTE_MAX);
	if (len > NOTE_MAX)
		return ERR_INVALID;
	TRY(body_read(&r, &got));
	*body = len - rd_left(&r);
	TRY(sig_read(&r, got.origin, sig));
	TRY(body_format(&got, &again));
	if (again.len != *body || memcmp(again.p, text, *body))
		return ERR_INVALID;
	*n = got;
	return OK;
}

enum err note_parse(const void *text, size_t len, struct note *n,
		    struct fault *f)
{
	uint8_t sig[SIG_BYTES];
	size_t body;

	if (note_read(text, len, n, sig, &body) != OK)
		return fault_set(f, ERR_INVALID,
				 "this is not the text of a checkpoint");
	return OK;
}

enum err note_verify(const void *text, size_t len,
		     const uint8_t key[NOTE_PUBLIC], const char *origin,
		     struct note *n, struct fault *f)
{
	uint8_t sig[SIG_BYTES], id[KEY_ID];
	struct note got;
	size_t body;

	if (note_read(text, len, &got, sig, &body) != OK)
		return fault_set(f, ERR_INVALID,
				 "this is not the text of a checkpoint");
	if (origin && strcmp(got.origin, origin))
		return fault_set(f, ERR_INVALID,
				 "the checkpoint is of the log '%s', not '%s'",
				 got.origin, origin);
	key_id(got.origin, key, id);
	if (memcmp(id, sig, KEY_ID))
		return fault_set(f, ERR_INVALID,
				 "the checkpoint of size %llu is signed by "
				 "another key than the log's",
				 (unsigned long long)got.size);
	if (crypto_sign_verify_detached(sig + KEY_ID, text, body, key))
		return fault_set(
			f, ERR_INVALID,
			"the signature of the checkpoint of size %llu "
			"is wrong: it was changed or made by another key",
			(unsigned long long)got.size);
	*n = got;
	return OK;
}
