/* Signs one request with a credential that this program never sees.
 *
 *	cc -o sign sign.c -lcretula
 *	./sign prod s3.eu-west-1.amazonaws.com /
 *	./sign prod bucket.s3.amazonaws.com /key 15m	(prints a presigned URL)
 */
#include <cretula/client.h>

#include <stdio.h>
#include <string.h>

static int failed(const struct cretula_error *err)
{
	fprintf(stderr, "sign: %s: %s\n", cretula_err_name(err->code),
		err->text);
	if (err->request_id[0])
		fprintf(stderr, "sign: request %s\n", err->request_id);
	return 1;
}

/* Signs GET target; a presigned URL that lives for `expires` if there is one. */
static enum cretula_err sign(struct cretula *c, const char *credential,
			     const char *host, const char *target,
			     const char *expires, struct cretula_signed **s,
			     struct cretula_error *err)
{
	struct cretula_list *options = cretula_list_new();
	const char *header[] = { host, NULL };
	struct cretula_request request = {
		.method = "GET",
		.target = target,
		.header = header,
	};
	enum cretula_err e = CRETULA_ERR_NONE;

	if (expires) {
		e = cretula_list_add_str(options, "op", "presign");
		if (!e)
			e = cretula_list_add_str(options, "expires", expires);
	}
	if (!e)
		e = cretula_sign_request(c, credential, options, &request, s,
					 err);
	cretula_list_free(options);
	return e;
}

int main(int argc, char **argv)
{
	struct cretula_signed *s = NULL;
	struct cretula_error err = { 0 };
	struct cretula *c = NULL;
	struct cretula_text text;
	char host[512];
	int rc = 0;

	if (argc < 4 || argc > 5) {
		fprintf(stderr,
			"usage: sign CREDENTIAL HOST TARGET [EXPIRES]\n");
		return 2;
	}
	(void)snprintf(host, sizeof host, "Host: %s", argv[2]);
	if (cretula_open(NULL, &c, &err))
		return failed(&err);
	if (sign(c, argv[1], host, argv[3], argc > 4 ? argv[4] : NULL, &s,
		 &err) ||
	    cretula_signed_get(
		    s, argc > 4 ? CRETULA_SIGNED_URL : CRETULA_SIGNED_REQUEST,
		    &text, &err))
		rc = failed(&err);
	else
		(void)fwrite(text.p, 1, text.len, stdout);
	cretula_signed_free(s);
	cretula_close(c);
	return rc;
}
