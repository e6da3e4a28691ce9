/* Benchmark: what one core does of the bare work, in a loop with the CA's own code.
 *	ca_loop csr MS	verify a CSR and sign a TBSCertificate (P-256)
 *	ca_loop ocsp MS	make and sign an OCSP response of one certificate, with nonce */
#include "lib/clock.h"
#include "lib/csr.h"
#include "lib/num.h"
#include "lib/ocsp.h"
#include "lib/signkey.h"
#include "tests/bench/lib/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CSRS = 256,
	TBS = 600, /* bytes, as large as one of ours */
	SIG_ROOM = 256,
};

struct work {
	struct signkey *key;
	struct buf csr[CSRS], sig, data, out;
	unsigned next;
	uint8_t tbs[TBS];
};

static void csr_init(struct work *w)
{
	struct fault f;

	for (unsigned i = 0; i < CSRS; i++) {
		AUTO(signkey_free) struct signkey *k = NULL;

		buf_init(&w->csr[i], CSR_MAX);
		ENSURE(signkey_new(KEY_P256, 0, &k, &f) == OK);
		ENSURE(csr_build(k, "bench", NULL, &w->csr[i]) == OK);
	}
}

static void csr_once(struct work *w)
{
	const struct buf *b = &w->csr[w->next++ % CSRS];
	struct fault f;
	struct csr c;

	if (csr_parse(span_of(b->p, b->len), &c, &f) != OK)
		bench_die("%s", f.text);
	buf_clear(&w->sig);
	ENSURE(signkey_sign(w->key, span_of(w->tbs, TBS), &w->sig) == OK);
}

/* Its parts are of the right size and mean nothing. */
static void ocsp_once(struct work *w)
{
	static struct ocsp_basic b;
	static const uint8_t id[] = {
		0x30, 0x45, 0x30,     0x09, 0x06, 0x05, 0x2b,     0x0e,
		0x03, 0x02, 0x1a,     0x05, 0x00, 0x04, 0x14,     [34] = 0,
		0x04, 0x14, [56] = 0, 0x02, 0x12, 0x01, [70] = 0,
	};
	struct ocsp_single *s = &b.single[0];

	b.produced_at = s->this_update = clock_wall();
	s->next_update = s->this_update + 600;
	s->status = OCSP_GOOD;
	s->id.der = span_of(id, sizeof id);
	b.count = 1;
	b.nonce = span_of(w->tbs, 32);
	buf_clear(&w->data);
	buf_clear(&w->sig);
	buf_clear(&w->out);
	ENSURE(ocsp_data_build(&b, &w->data) == OK);
	ENSURE(signkey_sign(w->key, span_of(w->data.p, w->data.len), &w->sig) ==
	       OK);
	ENSURE(ocsp_response_join(span_of(w->data.p, w->data.len),
				  signkey_alg(w->key),
				  span_of(w->sig.p, w->sig.len),
				  span_of(w->tbs, TBS), &w->out) == OK);
}

int main(int argc, char **argv)
{
	static struct work w;
	uint64_t ms, start, n = 0;
	struct fault f;
	bool csr;

	if (argc != 3 || num_u64(argv[2], strlen(argv[2]), 600000, &ms) != OK)
		bench_die("usage: ca_loop csr|ocsp MS");
	csr = !strcmp(argv[1], "csr");
	ENSURE(signkey_new(KEY_P256, 0, &w.key, &f) == OK);
	buf_init(&w.sig, SIG_ROOM);
	buf_init(&w.data, OCSP_RESPONSE_MAX);
	buf_init(&w.out, OCSP_RESPONSE_MAX);
	if (csr)
		csr_init(&w);
	start = clock_boot();
	for (; clock_boot() - start < ms * CLOCK_MS; n++)
		(csr ? csr_once : ocsp_once)(&w);
	printf("{\"rate\": %.1f}\n",
	       (double)n * 1e9 / (double)(clock_boot() - start));
	signkey_free(&w.key);
	return 0;
}
