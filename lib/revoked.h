/* Whether a certificate is revoked, from what came over the network: an OCSP answer or a
 * revocation list. Pure: no clock, nothing fetched. What cannot be believed (not signed by
 * whom the CA has appointed, about another certificate, too old, to come) is no answer:
 * ERR_UNAVAILABLE with the reason.
 *
 * An answer with our nonce was made after we asked: how old what it says is, is the
 * CA's own difference of producedAt and thisUpdate. Without one (a responder may leave
 * it out) and for lists the wall clocks of both decide. That somebody is revoked is final:
 * it counts however old the answer is. */
#ifndef LIB_REVOKED_H
#define LIB_REVOKED_H

#include "lib/chain.h"
#include "lib/crl.h"
#include "lib/ocsp.h"

enum {
	REVOKED_NONCE = 32,
	REVOKED_LEEWAY =
		300, /* seconds that our clock and the CA's may differ */
	REVOKED_LIST_MAX = 16 << 20, /* bytes of a list */
};

/* One certificate and who issued it. */
struct revoked_about {
	const struct chain_ca *ca;
	struct span serial; /* 18 octets */
};

struct revoked_answer {
	bool revoked;
	int64_t revoked_at;
	unsigned reason; /* CRLReason */
	int64_t age;     /* seconds: as of when, before it was asked for */
};

/* "keyCompromise" and the like; static. */
const char *revoked_reason(unsigned reason);

/* Appends the request. */
MUST enum err revoked_ocsp_ask(const struct revoked_about *about,
			       const uint8_t nonce[REVOKED_NONCE],
			       struct buf *out);
MUST enum err revoked_ocsp_judge(const struct revoked_about *about,
				 const uint8_t nonce[REVOKED_NONCE],
				 struct span der, int64_t now, int64_t max_age,
				 struct revoked_answer *out, struct fault *f);

/* A list that was checked. */
struct revoked_list {
	uint64_t number;
	int64_t this_update, next_update;
	struct buf entries; /* packed, by ascending serial number */
};
void revoked_list_wipe(
	struct revoked_list *l); /* AUTO-able, if zeroed at first */

/* point: the URL that it was asked at, which its issuingDistributionPoint has to name.
 * least: the number of the one before. */
MUST enum err revoked_list_take(const struct chain_ca *ca, struct span point,
				uint8_t instance, uint64_t least,
				struct span der, int64_t now,
				struct revoked_list *out, struct fault *f);
/* Over a list that was taken; expired by now: ERR_UNAVAILABLE. */
MUST enum err revoked_list_judge(const struct revoked_list *l,
				 struct span serial, int64_t now,
				 struct revoked_answer *out, struct fault *f);

#endif
