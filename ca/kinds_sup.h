/* What ca's supervisor and its children say to each other, beside what is in
 * lib/kinds.h. Profiles are sent to both when issuer or signer starts, at SIGHUP,
 * and when the issuer asks; a list replaces the one before when it is complete. */
#ifndef CA_KINDS_SUP_H
#define CA_KINDS_SUP_H

#include "lib/kinds.h"

enum ca_sup_kind {
	/* supervisor -> issuer, signer: a list of profiles begins */
	SUP_PROFILES = SUP_OWN,
	/* … one of them: name= (its file's, without .conf) text= (as it is) */
	SUP_PROFILE,
	/* … that was all; error=TEXT if the folder could not be read */
	SUP_PROFILES_END,
	/* issuer -> supervisor: read the profiles again and send them to both */
	SUP_RELOAD,
	/* signer -> supervisor: transport key=BYTES to publish beside api.sock */
	SUP_TRANSPORT,
};

#endif
