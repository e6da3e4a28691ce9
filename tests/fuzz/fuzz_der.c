/* DER, every reader at every value: what is read is written to the same bytes, which
 * is what makes it DER. Goes down into what is constructed. */
#include "lib/der.h"
#include "lib/oid.h"

#include <string.h>

enum {
	DEPTH_MAX = 16,
	OUT_MAX = 1 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(struct buf *b, struct span whole)
{
	ENSURE(span_equal(span_of(b->p, b->len), whole));
	buf_clear(b);
}

static void check_value(struct rd r, struct span whole, struct buf *b)
{
	struct rd start = r;
	struct span s;
	uint64_t n;
	int64_t t;
	unsigned bits;
	bool v;

	if (der_bool(&r, &v) == OK) {
		ENSURE(der_put_bool(b, v) == OK);
		same(b, whole);
	} else if (der_u64(&r, DER_INTEGER, UINT64_MAX, &n) == OK) {
		ENSURE(der_put_u64(b, DER_INTEGER, n) == OK);
		same(b, whole);
	} else if (der_uint(&r, &s) == OK) {
		ENSURE(der_put_uint(b, s) == OK);
		same(b, whole);
	} else if (der_null(&r) == OK) {
		ENSURE(der_put_null(b) == OK);
		same(b, whole);
	} else if (der_time(&r, &t) == OK) {
		ENSURE(der_put_time(b, t) == OK);
		same(b, whole);
	} else if (der_gtime(&r, &t) == OK) {
		ENSURE(der_put_gtime(b, t) == OK);
		same(b, whole);
	} else if (der_oid(&r, &s) == OK) {
		ENSURE(der_put_span(b, DER_OID, s) == OK);
		same(b, whole);
		if (oid_find(s) != OID_NONE)
			ENSURE(span_equal(oid_bytes(oid_find(s)), s));
	}
	r = start;
	if (der_named_bits(&r, &bits) == OK) {
		ENSURE(der_put_named_bits(b, bits) == OK);
		same(b, whole);
	}
	r = start;
	if (der_bits(&r, &s) == OK) {
		ENSURE(der_put_bits(b, s.p, s.n) == OK);
		same(b, whole);
	}
}

static void walk(struct rd r, struct buf *b, int depth)
{
	struct span whole;
	struct rd body;
	unsigned tag;
	size_t mark;

	while (rd_left(&r)) {
		struct rd start = r;

		if (der_any(&r, &tag, &body, &whole) != OK)
			return;
		ENSURE(whole.p == start.p && whole.p + whole.n == r.p);
		ENSURE(whole.n ==
		       der_head_size(rd_left(&body)) + rd_left(&body));
		ENSURE(der_begin(b, tag, &mark) == OK);
		ENSURE(buf_put(b, body.p, rd_left(&body)) == OK);
		ENSURE(der_end(b, mark) == OK);
		same(b, whole);
		check_value(rd_from(whole.p, whole.n), whole, b);
		if (tag & 0x20 && depth < DEPTH_MAX)
			walk(body, b, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b;

	buf_init(&b, OUT_MAX);
	if (size <= OUT_MAX)
		walk(rd_from(data, size), &b, 0);
	buf_wipe(&b);
	return 0;
}
