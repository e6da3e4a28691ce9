/* Answers of the CA, as certmgr's net takes them: the first byte chooses a status, the
 * rest is the body. Whatever comes, what is final has a sentence of the CA's own, and
 * what was taken is within its bounds. */
#include "certmgr/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned statuses[] = { 200, 0,   201, 302, 400, 401,
				     403, 404, 409, 429, 500, 503 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct web_answer a = { .why = { .code = ERR_UNAVAILABLE,
					 .text = "x" } };
	struct answer_cert c = { 0 };
	struct fault f = { 0 };
	enum outcome o;
	struct buf b;

	if (!size || size > NET_BODY_MAX)
		return 0;
	a.status = statuses[data[0] % NELEM(statuses)];
	a.body = span_of(data + 1, size - 1);
	o = answer_outcome(&a, &f);
	ENSURE((o == OUTCOME_DONE) == (a.status == 200));
	ENSURE(o == OUTCOME_DONE || f.text[0]);
	ENSURE(o != OUTCOME_FINAL || (a.status >= 400 && a.status < 500));
	if (answer_cert_parse(a.body, &c, &f) == OK)
		ENSURE(c.cert.len && c.issuing.len && c.verify_by >= 0);
	answer_cert_wipe(&c);
	buf_init(&b, CERT_MAX);
	if (answer_issuing(a.body, &b, &f) == OK)
		ENSURE(b.len);
	buf_wipe(&b);
	return 0;
}
