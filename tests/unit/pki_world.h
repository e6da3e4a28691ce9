/* A CA made by OpenSSL alone, for tests that show libcrypto and real programs what
 * this project made: root certificate, its key, a delegated OCSP signer. And a folder
 * with what those programs read. */
#ifndef TESTS_UNIT_PKI_WORLD_H
#define TESTS_UNIT_PKI_WORLD_H

#include "tests/unit/unit.h"

#include "lib/der.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/wait.h>
#include <unistd.h>

struct pki {
	EVP_PKEY *ca_key, *ocsp_key;
	X509 *ca, *ocsp;
	struct span ca_name, ca_bits; /* Name, and the key's BIT STRING */
	uint8_t ca_id[20];            /* SHA-1 of ca_bits */
	uint8_t ocsp_id[20];
	uint8_t *ocsp_der;
	size_t ocsp_der_n;
	char folder[64];
};

static inline void pki_extend(X509 *cert, X509 *issuer, int nid,
			      const char *text)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

/* Adds DER names as section 8 of the design: DC, O. */
static inline X509 *pki_cert(const char *name, EVP_PKEY *key, X509 *issuer,
			     long serial)
{
	X509 *cert = X509_new();
	X509_NAME *n = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_NAME_add_entry_by_txt(n, "DC", MBSTRING_ASC,
				   (const uint8_t *)"example", -1, -1, 0);
	X509_NAME_add_entry_by_txt(n, "O", V_ASN1_UTF8STRING,
				   (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : n);
	X509_gmtime_adj(X509_getm_notBefore(cert), -86400 * 365L);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400 * 365L);
	X509_set_pubkey(cert, key);
	return cert;
}

static inline void pki_make_ca(struct pki *w)
{
	w->ca_key = EVP_EC_gen("P-256");
	w->ca = pki_cert("issuing", w->ca_key, NULL, 1);
	pki_extend(w->ca, w->ca, NID_basic_constraints,
		   "critical,CA:TRUE,pathlen:0");
	pki_extend(w->ca, w->ca, NID_key_usage, "critical,keyCertSign,cRLSign");
	pki_extend(w->ca, w->ca, NID_subject_key_identifier, "hash");
	assert_true(X509_sign(w->ca, w->ca_key, EVP_sha256()) > 0);
}

static inline void pki_make_ocsp(struct pki *w, EVP_PKEY *key)
{
	uint8_t *der = NULL;
	int n;

	w->ocsp_key = key;
	w->ocsp = pki_cert("ocsp", w->ocsp_key, w->ca, 2);
	pki_extend(w->ocsp, w->ca, NID_key_usage, "critical,digitalSignature");
	pki_extend(w->ocsp, w->ca, NID_ext_key_usage, "OCSPSigning");
	pki_extend(w->ocsp, w->ca, NID_id_pkix_OCSP_noCheck, "NULL");
	assert_true(X509_sign(w->ocsp, w->ca_key, EVP_sha256()) > 0);
	assert_int_equal(
		X509_pubkey_digest(w->ocsp, EVP_sha1(), w->ocsp_id, NULL), 1);
	n = i2d_X509(w->ocsp, &der);
	assert_true(n > 0);
	w->ocsp_der = der;
	w->ocsp_der_n = (size_t)n;
}

/* Writes a file into the world's folder. */
static inline void pki_write(const struct pki *w, const char *name,
			     const void *p, size_t n)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", w->folder, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(p, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
}

static inline void pki_write_pem(const struct pki *w, const char *name,
				 X509 *cert)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", w->folder, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_X509(out, cert), 1);
	assert_int_equal(fclose(out), 0);
}

static inline void pki_open(struct pki *w)
{
	const uint8_t *p;
	size_t n;

	*w = (struct pki){ .folder = "/tmp/cretula-pki-XXXXXX" };
	assert_non_null(mkdtemp(w->folder));
	pki_make_ca(w);
	pki_make_ocsp(w, EVP_EC_gen("P-256"));
	assert_int_equal(
		X509_NAME_get0_der(X509_get_subject_name(w->ca), &p, &n), 1);
	w->ca_name = span_of(p, n);
	w->ca_bits = span_of(
		ASN1_STRING_get0_data(X509_get0_pubkey_bitstr(w->ca)),
		(size_t)ASN1_STRING_length(X509_get0_pubkey_bitstr(w->ca)));
	assert_int_equal(X509_pubkey_digest(w->ca, EVP_sha1(), w->ca_id, NULL),
			 1);
	pki_write_pem(w, "ca.pem", w->ca);
	pki_write_pem(w, "ocsp.pem", w->ocsp);
}

static inline void pki_close(struct pki *w)
{
	DIR *dir = opendir(w->folder);
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(dir), e->d_name, 0), 0);
	closedir(dir);
	assert_int_equal(rmdir(w->folder), 0);
	X509_free(w->ca);
	X509_free(w->ocsp);
	EVP_PKEY_free(w->ca_key);
	EVP_PKEY_free(w->ocsp_key);
	OPENSSL_free(w->ocsp_der);
}

/* A signature over data; md NULL for Ed25519. */
static inline struct span pki_sign(EVP_PKEY *key, const EVP_MD *md,
				   struct span data, uint8_t room[600])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = 600;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, room, &n, data.p, data.n), 1);
	EVP_MD_CTX_free(ctx);
	return span_of(room, n);
}

/* Runs a shell command in the world's folder; what it said on both outputs in out.
 * Gives its exit code, -1 if it was killed. */
static inline int pki_run(const struct pki *w, const char *command, char *out,
			  size_t room)
{
	int ends[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (chdir(w->folder) == 0 && dup2(ends[1], 1) == 1 &&
		    dup2(ends[1], 2) == 2)
			execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	while (n < room - 1 && (got = read(ends[0], out + n, room - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = 0;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The command ends well and says that text. */
static inline void pki_says(const struct pki *w, const char *command,
			    const char *text)
{
	static char out[64 << 10];

	if (pki_run(w, command, out, sizeof out) != 0 || !strstr(out, text)) {
		print_error("%s\n%s\nnot there: %s\n", command, out, text);
		fail();
	}
}

static inline bool pki_has(const struct pki *w, const char *program)
{
	char line[128], said[256];

	snprintf(line, sizeof line, "command -v %s", program);
	if (pki_run(w, line, said, sizeof said) == 0)
		return true;
	print_message("%s is not installed\n", program);
	return false;
}

#endif
