/* Chains of certificates as files and in OpenSSL, and the programs that judge them. */
#ifndef TESTS_CERT_CHAIN_H
#define TESTS_CERT_CHAIN_H

#include "lib/cert.h"

#include "tests/unit/cert_world.h"

#include <fcntl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	OUTPUT_MAX = 1 << 18,
};

static char folder[] = "/tmp/cretula-cert-XXXXXX";
static struct world worlds[3];
static const enum key_type types[] = { KEY_P256, KEY_ED25519, KEY_RSA };

/* ---- files and programs */

static inline void write_pem(const char *name, const struct buf *const *ders,
			     size_t count)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	AUTO(fd_close) int fd = -1;
	char path[128];

	buf_init(&text, 1 << 20);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pem_put("CERTIFICATE",
					 span_of(ders[i]->p, ders[i]->len),
					 &text),
				 OK);
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.p, text.len), (ssize_t)text.len);
}

/* Runs it in the folder; what it says on both outputs is in out, with a NUL. -1 if
 * there is no such program. */
static inline int run(const char *const *argv, char *out)
{
	size_t len = 0;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char *args[16] = { NULL };

		for (size_t i = 0; argv[i] && i + 1 < NELEM(args); i++)
			args[i] = xstrdup(argv[i]);
		if (chdir(folder) < 0 || dup2(ends[1], 1) < 0 ||
		    dup2(ends[1], 2) < 0)
			_exit(126);
		execvp(args[0], args);
		_exit(127);
	}
	close(ends[1]);
	while ((n = read(ends[0], out + len, OUTPUT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = 0;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

static char said[OUTPUT_MAX];

static inline int openssl_verify(void)
{
	const char *const argv[] = { "openssl",     "verify",   "-x509_strict",
				     "-CAfile",     "root.pem", "-untrusted",
				     "issuing.pem", "leaf.pem", NULL };

	return run(argv, said);
}

static inline int certtool_verify(void)
{
	const char *const argv[] = {
		"certtool", "--verify", "--load-ca-certificate",
		"root.pem", "--infile", "chain.pem",
		NULL
	};

	return run(argv, said);
}

/* ---- chains */

struct chain {
	struct buf root, issuing, leaf;
};

static inline void chain_wipe(struct chain *ch)
{
	buf_wipe(&ch->root);
	buf_wipe(&ch->issuing);
	buf_wipe(&ch->leaf);
}

/* A leaf whose DNS name `from` is an IP address instead: of as many bytes. */
static inline void sign_with_ip(const struct world *w, const struct cert *leaf,
				const char *from, const char *ip,
				struct buf *out)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf sig = { 0 };
	uint8_t *at;

	world_tbs(leaf, &tbs);
	at = memmem(tbs.p, tbs.len, from, strlen(from));
	assert_non_null(at);
	assert_int_equal(at[-2], 0x82);
	at[-2] = 0x87;
	memcpy(at, ip, strlen(from));
	buf_init(&sig, 1024);
	buf_init(out, CERT_MAX);
	assert_int_equal(
		signkey_sign(w->issuing.key, span_of(tbs.p, tbs.len), &sig),
		OK);
	assert_int_equal(cert_join(span_of(tbs.p, tbs.len), leaf->alg,
				   span_of(sig.p, sig.len), out),
			 OK);
}

/* The CAs above ch->leaf, and all of them as files. */
static inline void chain_finish(const struct world *w, struct chain *ch)
{
	const struct buf *all[] = { &ch->leaf, &ch->issuing, &ch->root };
	const struct cert root = world_root(w), issuing = world_issuing(w);

	world_sign(&root, &w->root, &ch->root);
	world_sign(&issuing, &w->root, &ch->issuing);
	write_pem("leaf.pem", all, 1);
	write_pem("issuing.pem", all + 1, 1);
	write_pem("root.pem", all + 2, 1);
	write_pem("chain.pem", all, 2);
}

static inline void chain_make(const struct world *w, const struct cert *leaf,
			      struct chain *ch)
{
	world_sign(leaf, &w->issuing, &ch->leaf);
	chain_finish(w, ch);
}

static inline X509 *x509(const struct buf *der)
{
	const unsigned char *p = der->p;
	X509 *x = d2i_X509(NULL, &p, (long)der->len);

	assert_non_null(x);
	assert_ptr_equal(p, der->p + der->len);
	return x;
}

static inline int store_verify(const struct chain *ch)
{
	X509 *root = x509(&ch->root), *issuing = x509(&ch->issuing);
	X509 *leaf = x509(&ch->leaf);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *between = sk_X509_new_null();
	int e;

	assert_int_equal(X509_STORE_add_cert(store, root), 1);
	assert_int_equal(X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT),
			 1);
	assert_true(sk_X509_push(between, issuing) > 0);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, between), 1);
	e = X509_verify_cert(ctx) == 1 ? X509_V_OK
				       : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	sk_X509_free(between);
	X509_STORE_free(store);
	X509_free(leaf);
	X509_free(issuing);
	X509_free(root);
	return e;
}

#endif
