/* Keeper: keys made ahead, with their certification requests, so that nobody waits for
 * one. A request says nothing but the key: names and type go beside it. Holds private
 * keys that are nobody's yet. */
#include "certmgr/keeper.h"

#include "lib/csr.h"
#include "lib/signkey.h"

#include <stdlib.h>
#include <string.h>

struct ready {
	uint8_t pkcs8[KEEPER_PKCS8];
	size_t pkcs8_len;
	uint8_t *csr;
	size_t csr_len;
};

static struct ready *pool; /* in secret memory */
static unsigned count;
static struct loop_timer timer;

static void make(struct ready *r)
{
	AUTO(signkey_free) struct signkey *k = NULL;
	struct buf key, csr;
	struct fault f;

	buf_init_secret(&key, 256);
	buf_init(&csr, CSR_MAX);
	ENSURE(signkey_new(KEY_P256, 0, &k, &f) == OK);
	ENSURE(signkey_format(k, &key) == OK);
	ENSURE(csr_build(k, NULL, NULL, &csr) == OK);
	memcpy(r->pkcs8, key.p, key.len);
	r->pkcs8_len = key.len;
	r->csr = xmemdup(csr.p, csr.len);
	r->csr_len = csr.len;
	buf_wipe(&key);
	buf_wipe(&csr);
}

/* One at a time, between two looks at what comes in; with a slot to put it in. */
static void refill(struct loop_timer *t)
{
	if (count == KEEPER_POOL)
		return;
	make(&pool[count++]);
	arena_warm(MIN(count, (unsigned)KEEPER_WARM));
	loop_arm(keeper.loop, t, loop_now(keeper.loop) + CLOCK_MS);
}

void pool_init(void)
{
	pool = secret_alloc(KEEPER_POOL * sizeof *pool);
	timer.on = refill;
	pool_refill();
}

void pool_refill(void)
{
	if (!timer.loop)
		loop_arm(keeper.loop, &timer, loop_now(keeper.loop) + CLOCK_MS);
}

unsigned pool_count(void)
{
	return count;
}

void pool_key(unsigned slot, unsigned key, uint8_t **csr, size_t *len)
{
	struct ready *r;

	if (!count)
		make(&pool[count++]);
	r = &pool[--count];
	arena_key_put(slot, key, r->pkcs8, r->pkcs8_len);
	*csr = r->csr;
	*len = r->csr_len;
	secret_zero(r, sizeof *r);
	pool_refill();
}
