/* What is in a fresh playground: a store with a random passphrase, one sample
 * credential a module, and a grant of everything for the caller. Holds values that
 * everybody knows. */
#include "tools/declared.h"
#include "tools/play.h"

#include "lib/enc.h"
#include "lib/secret.h"

#include <cretula/module.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Amazon's published example, which every module's sample uses. */
#define SAMPLE_ID     "AKIDEXAMPLE"
#define SAMPLE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

enum {
	PASSPHRASE_BYTES = 24,
	CREDENTIAL_NAME_MAX = 128,
};

static int said(struct cretula_error *err, const char *what)
{
	cli_say("the playground's %s failed: %s", what, err->text);
	return PLAY_FAILED;
}

/* In the folder, for those who seal and want to unseal. */
bool play_passphrase(const struct play *p, const char *file, struct buf *pass)
{
	uint8_t random[PASSPHRASE_BYTES];

	random_fill(random, sizeof random);
	ENSURE(enc_base64(random, sizeof random, pass) == OK);
	secret_zero(random, sizeof random);
	return play_write_file(p, file, pass->p, pass->len, 0600);
}

static int initialise(const struct play *p, struct cretula *c)
{
	struct cretula_list *args = cretula_list_new();
	struct cretula_list *box = cretula_list_new_secret();
	struct cretula_answer *answer = NULL;
	struct cretula_error err = { 0 };
	struct buf pass;
	int rc = 0;

	buf_init_secret(&pass, 256);
	/* The least the key derivation allows: this secret is random. */
	if (!play_passphrase(p, "passphrase", &pass) ||
	    cretula_list_add_str(args, "ops", "1") ||
	    cretula_list_add_str(args, "mem", "67108864") ||
	    cretula_list_add_str(box, "type", "passphrase") ||
	    cretula_list_add(box, "secret", pass.p, pass.len) ||
	    cretula_call(c, "init", args, box, &answer, &err))
		rc = said(&err, "init");
	cretula_answer_free(answer);
	buf_wipe(&pass);
	cretula_list_free(box);
	cretula_list_free(args);
	return rc;
}

/* Values for all that the module requires. */
static enum err sample_values(struct attr_view decl, struct attrs *plain,
			      struct attrs *sealed)
{
	char name[ATTR_NAME_MAX + 1];
	unsigned kind;

	while (declared_next(&decl, name, &kind)) {
		if (!(kind & CRETULA_REQUIRED))
			continue;
		if (kind & CRETULA_CONFIDENTIAL)
			TRY(attrs_add_str(sealed, name, SAMPLE_SECRET));
		else
			TRY(attrs_add_str(plain, name, SAMPLE_ID));
	}
	return OK;
}

static enum cretula_err add_credential(struct cretula *c, const char *name,
				       const struct attr *module,
				       struct attr_view decl,
				       struct cretula_error *err)
{
	struct cretula_answer *answer = NULL;
	struct attrs args, plain, sealed;
	enum cretula_err e;

	attrs_init(&args);
	attrs_init(&plain);
	attrs_init_secret(&sealed);
	if (sample_values(decl, &plain, &sealed) != OK ||
	    attrs_add_str(&args, "name", name) != OK ||
	    attrs_add(&args, "module", 0, module->value, module->len) != OK ||
	    attrs_add(&args, "attributes", 0, plain.bytes.p, plain.bytes.len) !=
		    OK)
		e = client_fail(err, ERR_TOO_LARGE, "too many attributes");
	else
		e = client_call(c, "credential.add", attrs_view(&args), &sealed,
				&answer, err);
	cretula_answer_free(answer);
	attrs_wipe(&sealed);
	attrs_wipe(&plain);
	attrs_wipe(&args);
	return e;
}

/* The names of the module's operations with commas between, and what has to be
 * said for those that reveal more than a signature. */
static enum err put_operations(struct attr_view decl, struct attrs *grant)
{
	bool token = false, secret = false;
	struct attr_view one;
	struct attr a, n, r;
	struct buf ops;
	enum err e = OK;

	buf_init(&ops, CLI_FILE_MAX);
	while (e == OK && attr_next(&decl, &a)) {
		if (!attr_named(&a, "operation") ||
		    attr_parse(a.value, a.len, &one, NULL) != OK ||
		    !attr_find(one, "name", &n))
			continue;
		if (ops.len)
			e = buf_u8(&ops, ',');
		if (e == OK)
			e = buf_put(&ops, n.value, n.len);
		token |= attr_find(one, "reveals", &r) && attr_is(&r, "token");
		secret |=
			attr_find(one, "reveals", &r) && attr_is(&r, "secret");
	}
	if (e == OK)
		e = attrs_add(grant, "op", 0, ops.p, ops.len);
	if (e == OK && (token || secret))
		e = attrs_add_str(grant, "reveal",
				  token && secret ? "token,secret"
				  : token         ? "token"
						  : "secret");
	buf_wipe(&ops);
	return e;
}

/* Who may use it: the caller, and over the network the agents of this node, which only
 * the caller may start. */
static enum err put_subject(bool remote, struct attrs *grant)
{
	if (remote)
		return attrs_add_str(grant, "cert.ou", PLAY_NODE);
	return attrs_add_u64(grant, "uid", getuid());
}

static enum err grant_attrs(const char *name, struct attr_view decl,
			    bool remote, struct attrs *grant)
{
	TRY(attrs_add_str(grant, "credential", name));
	TRY(put_operations(decl, grant));
	TRY(put_subject(remote, grant));
	TRY(attrs_add_str(grant, "max_skew", "any"));
	return attrs_add_str(grant, "lifetime", "any");
}

static enum cretula_err add_grant(struct cretula *c, const char *name,
				  struct attr_view decl, bool remote,
				  struct cretula_error *err)
{
	struct cretula_answer *answer = NULL;
	struct attrs args, grant;
	enum cretula_err e;

	attrs_init(&args);
	attrs_init(&grant);
	if (grant_attrs(name, decl, remote, &grant) != OK ||
	    attrs_add(&args, "grant", 0, grant.bytes.p, grant.bytes.len) != OK)
		e = client_fail(err, ERR_TOO_LARGE, "too many attributes");
	else
		e = client_call(c, "grant.add", attrs_view(&args), NULL,
				&answer, err);
	cretula_answer_free(answer);
	attrs_wipe(&grant);
	attrs_wipe(&args);
	return e;
}

/* A module that wants what we cannot make up has no sample; its being there does
 * not keep anybody from the others. */
static int add_sample(struct cretula *c, struct attr_view item, bool remote)
{
	char name[CREDENTIAL_NAME_MAX];
	struct cretula_error err = { 0 };
	struct attr_view decl;
	struct attr module, a;

	if (!attr_find(item, "name", &module) ||
	    !attr_find(item, "declaration", &a) ||
	    attr_parse(a.value, a.len, &decl, NULL) != OK)
		return PLAY_FAILED;
	(void)snprintf(name, sizeof name, "sample%s%.*s",
		       attr_is(&module, "aws-sigv4") ? "" : "-",
		       attr_is(&module, "aws-sigv4") ? 0 : (int)module.len,
		       (const char *)module.value);
	if (add_credential(c, name, &module, decl, &err) ||
	    add_grant(c, name, decl, false, &err) ||
	    (remote && add_grant(c, name, decl, true, &err)))
		cli_say("the playground has no credential '%s': %s", name,
			err.text);
	return 0;
}

static int add_samples(struct cretula *c, bool remote)
{
	struct cretula_answer *modules = NULL;
	struct cretula_error err;
	int rc = 0;

	if (cretula_call(c, "module.list", NULL, NULL, &modules, &err))
		return said(&err, "list of modules");
	for (unsigned i = 0; i < modules->count && !rc; i++)
		rc = add_sample(c, attrs_view(&modules->item[i].a), remote);
	cretula_answer_free(modules);
	return rc;
}

int play_fill(const struct play *p)
{
	struct cretula *c = NULL;
	struct cretula_error err;
	int rc;

	if (cretula_open_admin(p->api, &c, &err))
		return said(&err, "connection");
	rc = initialise(p, c);
	if (!rc)
		rc = add_samples(c, p->cm_api[0]);
	cretula_close(c);
	return rc;
}
