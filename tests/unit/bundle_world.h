/* What certmgr hands to agents, made of the world's certificates. */
#ifndef TESTS_UNIT_BUNDLE_WORLD_H
#define TESTS_UNIT_BUNDLE_WORLD_H

#include "lib/agent_bundle.h"
#include "lib/signkey.h"

#include "tests/unit/cert_world.h"

static inline void bundle_cert(const struct cert *c, const struct world_key *by,
			       struct buf *out)
{
	AUTO(buf_wipe) struct buf der = { 0 };

	world_sign(c, by, &der);
	assert_int_equal(pem_put("CERTIFICATE", span_of(der.p, der.len), out),
			 OK);
}

static inline void bundle_key(const struct world_key *k, struct buf *out)
{
	AUTO(buf_wipe) struct buf der = { 0 };

	buf_init_secret(&der, AGENT_BUNDLE_MAX);
	assert_int_equal(signkey_format(k->key, &der), OK);
	assert_int_equal(pem_put("PRIVATE KEY", span_of(der.p, der.len), out),
			 OK);
}

/* Key, certificate leaf of it, issuing CA. */
static inline void bundle_make(const struct world *w,
			       const struct world_key *key,
			       const struct cert *leaf, struct buf *out)
{
	struct cert ca = world_issuing(w);

	buf_init_secret(out, 2 * AGENT_BUNDLE_MAX);
	bundle_key(key, out);
	bundle_cert(leaf, &w->issuing, out);
	bundle_cert(&ca, &w->root, out);
}

#endif
