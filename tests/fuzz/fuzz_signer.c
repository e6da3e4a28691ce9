/* ca/signer: whatever an issuer sends, no certificate of a CA is signed, and nothing
 * breaks. The first byte says what the rest is. */
#include "ca/kinds.h"
#include "ca/signer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	NOW = 1800000000
};

static struct signer s;
static struct attrs out;

static enum err call(uint32_t kind, const struct attrs *a, int fd)
{
	struct msg m = { .kind = kind, .attrs = attrs_view(a) };
	struct signer_reply r = { .out = &out };
	struct fault f;

	attrs_clear(&out);
	return signer_call(&s, &m, fd, NOW, &r, &f);
}

/* A CA in a folder that is gone at once. */
static void begin(void)
{
	static const char scope[] = "domain=example url=http://ca.example:7080";
	char path[] = "/tmp/fuzz_signer.XXXXXX";
	struct attrs a, list, pass;
	struct buf key, box;
	struct fault f;
	uint8_t *at;

	attrs_init(&a);
	attrs_init(&out);
	attrs_init(&list);
	attrs_init(&pass);
	buf_init(&box, 4096);
	buf_init_secret(&key, KEYS_KEYFILE_MAX);
	ENSURE(buf_grow(&key, 32, &at) == OK && mkdtemp(path));
	signer_init(&s, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &key);
	ENSURE(attrs_parse_text(&list, scope, sizeof scope - 1, &f) == OK);
	ENSURE(attrs_add_str(&pass, "passphrase", "x") == OK);
	ENSURE(box_seal(box_public(s.box), attrs_view(&pass), &box) == OK);
	ENSURE(attrs_add(&a, "box", 0, box.p, box.len) == OK);
	ENSURE(attrs_add(&a, "scope", 0, list.bytes.p, list.bytes.len) == OK);
	ENSURE(attrs_add_str(&a, "key_type", "p256") == OK);
	ENSURE(call(IG_INIT, &a, -1) == OK);
	(void)unlinkat(s.dir, KEYS_FILE, 0);
	(void)unlinkat(s.dir, ROOT_FILE, 0);
	(void)unlinkat(s.dir, MARK_FILE, 0);
	(void)rmdir(path);
	attrs_wipe(&a);
	attrs_wipe(&list);
	attrs_wipe(&pass);
	buf_wipe(&box);
}

static void cert(const uint8_t *p, size_t n)
{
	struct cert_signed split;
	struct attrs a;
	struct attr der;
	struct cert c;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "profile", "node") == OK);
	if (attrs_add(&a, "tbs", 0, p, n) == OK &&
	    call(IG_SIGN, &a, -1) == OK) {
		ENSURE(attr_find(attrs_view(&out), "certificate", &der));
		ENSURE(cert_split(span_of(der.value, der.len), &split, NULL) ==
		       OK);
		ENSURE(cert_parse_tbs(split.tbs, &c, NULL) == OK && !c.ca);
	}
	attrs_wipe(&a);
}

static void crl(const uint8_t *p, size_t n)
{
	AUTO(fd_close) int fd = memfd_create("crl", MFD_CLOEXEC);
	struct attrs a;

	attrs_init(&a);
	ENSURE(write(fd, p, n) == (ssize_t)n);
	ENSURE(attrs_add_u64(&a, "size", n) == OK);
	(void)!call(IG_CRL, &a, fd);
	attrs_wipe(&a);
}

static void ocsp(const uint8_t *p, size_t n)
{
	struct attrs a;

	attrs_init(&a);
	if (!s.ocsp.key) {
		ENSURE(signkey_new(KEY_P256, 0, &s.ocsp.key, NULL) == OK);
		s.ocsp.not_after = INT64_MAX;
	}
	if (attrs_add(&a, "data", 0, p, n) == OK)
		(void)!call(IG_OCSP, &a, -1);
	attrs_wipe(&a);
}

static void files(const uint8_t *p, size_t n)
{
	struct mark_record r;
	struct signer_keys k;
	struct fault f;

	ENSURE(mark_parse(p, n, s.keys.mark_key, &r) != OK);
	ENSURE(keys_parse(&k, p, n, &s.keyfile, &f) != OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const what[])(const uint8_t *, size_t) = { cert, crl,
								 ocsp, files };

	if (!s.box)
		begin();
	if (size)
		what[data[0] % NELEM(what)](data + 1, size - 1);
	return 0;
}
