/* Inside of the linter: a TBSCertificate cut into its parts, and the list of rules,
 * each of which is a function over them. */
#ifndef LIB_LINT_CERT_H
#define LIB_LINT_CERT_H

#include "lib/lint.h"
#include "lib/oid.h"

enum {
	LINT_EXTS_MAX = 24,
	/* GeneralName */
	LINT_DNS = DER_CTX | 2,
	LINT_URI = DER_CTX | 6,
	LINT_IP = DER_CTX | 7,
	/* keyUsage */
	LINT_KU_SIGN = 1 << 0,
	LINT_KU_ENCIPHER = 1 << 2,
	LINT_KU_CERTS = 1 << 5,
	LINT_KU_CRLS = 1 << 6,
};

struct lint_ext {
	enum oid oid;
	struct span id; /* content of the OID */
	bool critical;
	bool said_false; /* critical FALSE written out */
	struct span value;
};

/* Bodies unless said otherwise. */
struct lint_cert {
	const struct lint_issuer *from;
	const char *unreadable; /* what is no TBSCertificate in it, or NULL */
	struct span version;    /* inside of [0]; empty if absent */
	struct span serial;
	struct span alg, issuer, subject, spki; /* with their heads */
	struct span validity;
	bool unique_ids;
	struct lint_ext ext[LINT_EXTS_MAX];
	unsigned exts;
	/* what many rules ask, answered once */
	bool ca, ocsp;
	unsigned usage;
	enum oid key;
};

/* lib/lint_read.c: cuts; what cannot be cut is told by unreadable. */
void lint_read(struct span tbs, const struct lint_issuer *from,
	       struct lint_cert *c);
/* NULL if it has none of that kind. */
const struct lint_ext *lint_find(const struct lint_cert *c, enum oid o);
/* Its value to read, of no bytes if it has none. */
struct rd lint_value(const struct lint_cert *c, enum oid o);
/* cA is TRUE; one of its purposes; its keyUsage (0: none or unreadable). */
bool lint_is_ca(const struct lint_cert *c);
bool lint_has_purpose(const struct lint_cert *c, struct span oid);
bool lint_is_ocsp(const struct lint_cert *c);
unsigned lint_key_usage(const struct lint_cert *c);
enum oid lint_key_oid(const struct lint_cert *c);
MUST enum err lint_key_bits(const struct lint_cert *c, struct span *bits);
bool lint_no_subject(const struct lint_cert *c);
/* Letters, digits, hyphens; the hyphens inside; labels with dots between. */
bool lint_ldh_label(struct span s);
bool lint_ldh_name(struct span s);
/* Takes what stands before the first c, or all; c itself is dropped. False when
 * nothing is left. */
bool lint_cut(struct span *rest, char c, struct span *head);

/* What a rule says when it is broken. */
#define BROKEN(...) fault_set(why, ERR_INVALID, __VA_ARGS__)

/* X(function, name, source), in the order they are tried: the first one stands for
 * the cutting, and those that read a value stand behind the one that checks its form. */
#define LINT_RULES(X)                                                          \
	X(structure, "structure", "RFC 5280 4.1")                              \
	X(version, "version-3", "RFC 5280 4.1.2.1")                            \
	X(serial_minimal, "serial-minimal", "X.690 8.3.2")                     \
	X(serial_positive, "serial-positive", "RFC 5280 4.1.2.2")              \
	X(serial_length, "serial-length", "RFC 5280 4.1.2.2")                  \
	X(algorithm, "signature-algorithm", "RFC 5280 4.1.1.2, 5758, 8410")    \
	X(issuer_empty, "issuer-empty", "RFC 5280 4.1.2.4")                    \
	X(issuer_name, "issuer-name", "RFC 5280 6.1.3")                        \
	X(root_name, "root-name", "RFC 5280 3.2")                              \
	X(time_form, "validity-form", "RFC 5280 4.1.2.5")                      \
	X(time_order, "validity-order", "RFC 5280 4.1.2.5")                    \
	X(time_issuer, "validity-issuer", "RFC 5280 6.1, cretula")             \
	X(subject_form, "subject-form", "RFC 5280 4.1.2.6")                    \
	X(subject_known, "subject-known", "cretula")                           \
	X(subject_once, "subject-once", "cretula")                             \
	X(subject_type, "subject-type", "RFC 5280 4.1.2.4, 4519 2.4")          \
	X(subject_value, "subject-value-empty", "RFC 5280 A.1")                \
	X(subject_length, "subject-length", "RFC 5280 A.1")                    \
	X(subject_text, "subject-text", "RFC 5280 4.1.2.4, 3629")              \
	X(key_known, "key-known", "RFC 3279 2.3, 5480, 8410")                  \
	X(key_form, "key-form", "RFC 3279 2.3, 5480 2, 8410 4")                \
	X(key_strength, "key-strength", "BR 6.1.5, 6.1.6")                     \
	X(unique_ids, "unique-ids", "RFC 5280 4.1.2.8")                        \
	X(ext_once, "extension-once", "RFC 5280 4.2")                          \
	X(ext_known, "extension-known", "cretula")                             \
	X(ext_empty, "extension-empty", "RFC 5280 4.2")                        \
	X(ext_false, "extension-default", "X.690 11.5")                        \
	X(ext_critical, "extension-critical", "RFC 5280 4.2.1")                \
	X(basic_there, "basic-constraints", "RFC 5280 4.2.1.9")                \
	X(basic_form, "basic-constraints-form", "RFC 5280 4.2.1.9")            \
	X(path_length, "path-length-ca", "RFC 5280 4.2.1.9")                   \
	X(root_ca, "root-ca", "RFC 5280 4.2.1.9")                              \
	X(ca_subject, "ca-subject", "RFC 5280 4.1.2.6")                        \
	X(usage_form, "key-usage-form", "RFC 5280 4.2.1.3, X.690 11.2.2")      \
	X(ca_usage, "ca-key-usage", "RFC 5280 4.2.1.3")                        \
	X(sign_ca, "cert-sign-ca", "RFC 5280 4.2.1.3, 4.2.1.9")                \
	X(leaf_usage, "leaf-key-usage", "RFC 5280 4.2.1.3, BR 7.1.2.7")        \
	X(encipher_rsa, "key-encipherment-rsa", "RFC 8813 3, 8410 5")          \
	X(usage_known, "key-usage-known", "cretula")                           \
	X(purpose_form, "ext-key-usage-form", "RFC 5280 4.2.1.12")             \
	X(purpose_leaf, "leaf-ext-key-usage", "BR 7.1.2.7")                    \
	X(purpose_any, "any-ext-key-usage", "BR 7.1.2.7")                      \
	X(purpose_known, "ext-key-usage-known", "cretula")                     \
	X(san_form, "alt-name-form", "RFC 5280 4.2.1.6")                       \
	X(san_no_subject, "empty-subject", "RFC 5280 4.1.2.6")                 \
	X(san_critical, "alt-name-critical", "RFC 5280 4.2.1.6")               \
	X(san_leaf, "leaf-alt-name", "BR 7.1.2.7")                             \
	X(san_kind, "alt-name-kind", "cretula")                                \
	X(san_ip, "ip-length", "RFC 5280 4.2.1.6")                             \
	X(dns_length, "dns-length", "RFC 1034 3.1")                            \
	X(dns_dot, "dns-trailing-dot", "RFC 5280 4.2.1.6")                     \
	X(dns_underscore, "dns-underscore", "BR 7.1.4.2")                      \
	X(dns_wildcard, "dns-wildcard", "RFC 6125 6.4.3")                      \
	X(dns_label, "dns-label", "RFC 1034 3.5, 1123 2.1")                    \
	X(dns_alabel, "dns-a-label", "RFC 5890 2.3.1")                         \
	X(uri_text, "uri-text", "RFC 3986 2")                                  \
	X(uri_absolute, "uri-absolute", "RFC 5280 4.2.1.6")                    \
	X(uri_host, "uri-host", "RFC 5280 4.2.1.6, 4.2.1.10")                  \
	X(spiffe_alone, "spiffe-alone", "SPIFFE X509-SVID 2")                  \
	X(spiffe_form, "spiffe-form", "SPIFFE-ID 2")                           \
	X(issuer_key_there, "authority-key", "RFC 5280 4.2.1.1")               \
	X(issuer_key_form, "authority-key-form", "RFC 5280 4.2.1.1")           \
	X(issuer_key_same, "authority-key-same", "RFC 5280 4.2.1.1")           \
	X(key_id_ca, "ca-subject-key", "RFC 5280 4.2.1.2")                     \
	X(key_id_form, "subject-key-form", "RFC 5280 4.2.1.2")                 \
	X(key_id_hash, "subject-key-hash", "RFC 5280 4.2.1.2 (1)")             \
	X(limits_ca, "name-constraints-ca", "RFC 5280 4.2.1.10")               \
	X(limits_form, "name-constraints-form", "RFC 5280 4.2.1.10")           \
	X(limits_base, "name-constraints-base", "RFC 5280 4.2.1.10")           \
	X(crl_form, "crl-points-form", "RFC 5280 4.2.1.13")                    \
	X(crl_http, "crl-points-http", "BR 7.1.2.11")                          \
	X(info_form, "authority-info-form", "RFC 5280 4.2.2.1")                \
	X(info_http, "authority-info-http", "BR 7.1.2.10")                     \
	X(ocsp_alone, "ocsp-signing-alone", "RFC 6960 4.2.2.2")                \
	X(ocsp_nocheck, "ocsp-nocheck", "RFC 6960 4.2.2.2.1")                  \
	X(ocsp_pointers, "ocsp-no-pointers", "BR 7.1.2.8")                     \
	X(nocheck_form, "nocheck-form", "RFC 6960 4.2.2.2.1")                  \
	X(nocheck_ocsp, "nocheck-ocsp", "RFC 6960 4.2.2.2.1")                  \
	X(caps_form, "capabilities-form", "cretula")                           \
	X(caps_size, "capabilities-size", "cretula")                           \
	X(caps_sorted, "capabilities-sorted", "cretula")                       \
	X(caps_text, "capabilities-text", "cretula")                           \
	X(caps_leaf, "capabilities-leaf", "cretula")                           \
	X(leaf_life, "leaf-life", "cretula")

/* OK, or ERR_INVALID with what is wrong in why. */
#define LINT_PROTOTYPE(fn, name, source)                                       \
	MUST enum err lint_##fn(const struct lint_cert *c, struct fault *why);
LINT_RULES(LINT_PROTOTYPE)
#undef LINT_PROTOTYPE

#endif
