/* lib/crl: a list is taken or refused the same whatever the pieces; one that is taken
 * begins and ends as its head is written. The first byte says how large pieces are. */
#include "lib/crl.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err read_in(struct crl_reader *r, const uint8_t *p, size_t n,
			size_t piece, struct crl_head *h, uint64_t *count)
{
	struct span issuer;
	struct fault f;

	for (size_t at = 0; at < n; at += piece)
		TRY(crl_reader_add(r, p + at, MIN(piece, n - at), &f));
	return crl_reader_end(r, h, &issuer, count, &f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf tail = { .max = CRL_TAIL_MAX };
	AUTO(crl_reader_free) struct crl_reader *a = NULL;
	AUTO(crl_reader_free) struct crl_reader *b = NULL;
	uint64_t na = 0, nb = 0;
	struct crl_head h;
	enum err e;

	if (!size--)
		return 0;
	a = crl_reader_new(3, size);
	b = crl_reader_new(3, size);
	e = read_in(b, data + 1, size, 1 + (size_t)data[0], &h, &nb);
	ENSURE(read_in(a, data + 1, size, SIZE_MAX / 2, &h, &na) == e);
	ENSURE(na == nb);
	if (e != OK)
		return 0;
	ENSURE(crl_tail_put(&tail, &h) == OK && tail.len < size);
	ENSURE(!memcmp(tail.p, data + 1 + size - tail.len, tail.len));
	return 0;
}
