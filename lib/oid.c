/* The object identifiers we know, one table. Used wherever certificates are read or
 * made; holds nothing. */
#include "lib/oid.h"

#include <string.h>

struct entry {
	const char *bytes; /* a literal, because it has room for NULs */
	size_t n;
};

#define O(text)                                                                \
	{                                                                      \
		text, sizeof(text) - 1                                         \
	}
#define ANSI_X962 "\x2a\x86\x48\xce\x3d"
#define PKCS      "\x2a\x86\x48\x86\xf7\x0d\x01"
#define PILOT     "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01"
#define ID_AT     "\x55\x04"
#define ID_CE     "\x55\x1d"
#define PKIX      "\x2b\x06\x01\x05\x05\x07"
#define CAPABILITIES                                                           \
	"\x2a\x86\x48\x86\xf7\x14\x01\xbe\x40\x93\x7a\x84\x43\x81\xf2\x62\x82" \
	"\xf9\x69\x81\x91\x3c\x82\xe5\x53\x87\xda\xc1\x3a\x84\xe6\x8b\x4d\x01"

static const struct entry table[] = {
	[OID_NONE] = O(""),
	[OID_EC_KEY] = O(ANSI_X962 "\x02\x01"),
	[OID_P256] = O(ANSI_X962 "\x03\x01\x07"),
	[OID_P384] = O("\x2b\x81\x04\x00\x22"),
	[OID_RSA] = O(PKCS "\x01\x01"),
	[OID_ED25519] = O("\x2b\x65\x70"),
	[OID_ECDSA_SHA256] = O(ANSI_X962 "\x04\x03\x02"),
	[OID_ECDSA_SHA384] = O(ANSI_X962 "\x04\x03\x03"),
	[OID_RSA_SHA256] = O(PKCS "\x01\x0b"),
	[OID_RSA_SHA384] = O(PKCS "\x01\x0c"),
	[OID_RSA_SHA512] = O(PKCS "\x01\x0d"),
	[OID_CN] = O(ID_AT "\x03"),
	[OID_O] = O(ID_AT "\x0a"),
	[OID_OU] = O(ID_AT "\x0b"),
	[OID_UID] = O(PILOT "\x01"),
	[OID_DC] = O(PILOT "\x19"),
	[OID_SUBJECT_KEY_ID] = O(ID_CE "\x0e"),
	[OID_AUTHORITY_KEY_ID] = O(ID_CE "\x23"),
	[OID_KEY_USAGE] = O(ID_CE "\x0f"),
	[OID_SUBJECT_ALT_NAME] = O(ID_CE "\x11"),
	[OID_BASIC_CONSTRAINTS] = O(ID_CE "\x13"),
	[OID_NAME_CONSTRAINTS] = O(ID_CE "\x1e"),
	[OID_EXT_KEY_USAGE] = O(ID_CE "\x25"),
	[OID_CRL_POINTS] = O(ID_CE "\x1f"),
	[OID_AUTHORITY_INFO] = O(PKIX "\x01\x01"),
	[OID_CAPABILITIES] = O(CAPABILITIES),
	[OID_OCSP_NOCHECK] = O(PKIX "\x30\x01\x05"),
	[OID_CRL_NUMBER] = O(ID_CE "\x14"),
	[OID_CRL_REASON] = O(ID_CE "\x15"),
	[OID_ISSUING_POINT] = O(ID_CE "\x1c"),
	[OID_SERVER_AUTH] = O(PKIX "\x03\x01"),
	[OID_CLIENT_AUTH] = O(PKIX "\x03\x02"),
	[OID_OCSP_SIGNING] = O(PKIX "\x03\x09"),
	[OID_ACCESS_OCSP] = O(PKIX "\x30\x01"),
	[OID_ACCESS_ISSUERS] = O(PKIX "\x30\x02"),
	[OID_OCSP_BASIC] = O(PKIX "\x30\x01\x01"),
	[OID_OCSP_NONCE] = O(PKIX "\x30\x01\x02"),
	[OID_SHA1] = O("\x2b\x0e\x03\x02\x1a"),
	[OID_SHA256] = O("\x60\x86\x48\x01\x65\x03\x04\x02\x01"),
	[OID_EXTENSION_REQUEST] = O(PKCS "\x09\x0e"),
};
_Static_assert(NELEM(table) == OID__MAX, "every identifier has its octets");

struct span oid_bytes(enum oid o)
{
	ENSURE(o < OID__MAX && table[o].n);
	return span_of(table[o].bytes, table[o].n);
}

enum oid oid_find(struct span bytes)
{
	uint8_t last;

	if (!bytes.n)
		return OID_NONE;
	/* They differ at their ends. */
	last = bytes.p[bytes.n - 1];
	for (unsigned i = OID_NONE + 1; i < OID__MAX; i++)
		if (table[i].n == bytes.n &&
		    (uint8_t)table[i].bytes[bytes.n - 1] == last &&
		    !memcmp(table[i].bytes, bytes.p, bytes.n))
			return (enum oid)i;
	return OID_NONE;
}

enum err oid_get(struct rd *r, enum oid *o)
{
	struct span bytes;

	TRY(der_oid(r, &bytes));
	*o = oid_find(bytes);
	return OK;
}

enum err oid_put(struct buf *b, enum oid o)
{
	return der_put_span(b, DER_OID, oid_bytes(o));
}
