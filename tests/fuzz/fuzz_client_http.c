/* What a server answers to libcretula: HTTP, and the JSON in it. The first byte says whether
 * the connection ends behind it. Whatever comes, what is left and what was taken are
 * within what was there, and every refusal has a sentence. */
#include "lib/client_http.h"
#include "lib/client_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_json(const struct buf *body)
{
	struct cretula_error err = { .code = CRETULA_ERR_NONE };
	struct cretula_answer *a = NULL;
	struct fault f = { 0 };

	if (client_json_answer(body->p, body->len, &a, &f) != OK)
		ENSURE(!a && f.text[0]);
	cretula_answer_free(a);
	if (client_json_problem(body->p, body->len, ERR_INTERNAL, &err) == OK)
		ENSURE(err.code && err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in, body;
	enum err e = OK;

	if (!size || size > 1 << 16)
		return 0;
	buf_init(&in, 1 << 17);
	buf_init(&body, 1 << 15);
	ENSURE(buf_put(&in, data + 1, size - 1) == OK);
	while (e == OK && in.len) {
		struct client_http h = { .status = 0 };
		struct fault f = { 0 };
		size_t before = in.len;

		buf_clear(&body);
		e = client_http_take(&in, data[0] & 1, &h, &body, &f);
		ENSURE(e == OK ? in.len < before && h.status >= 100
			       : in.len == before && !body.len);
		ENSURE(e == OK || e == ERR_PENDING || f.text[0]);
		if (e == OK)
			read_json(&body);
	}
	buf_wipe(&in);
	buf_wipe(&body);
	return 0;
}
