/* What is ca's own in its supervisor (ca/supervisor.c, ca/setup.c,
 * ca/profiles.c). */
#ifndef CA_SUPERVISOR_H
#define CA_SUPERVISOR_H

#include "ca/kinds_sup.h"
#include "lib/listen.h"
#include "lib/supervisor.h"

enum {
	CA_PROFILES = 1000,          /* files */
	CA_PROFILE_MAX = 64 << 10,   /* bytes of one */
	CA_PROFILE_BYTES = 16 << 20, /* of all */
	CA_PROFILE_NAME = 64,        /* bytes of a name, with NUL */
	CA_KEYFILE_SIZE = 64,        /* bytes of one that we make */
};

enum ca_role {
	ROLE_STORE,
	ROLE_SIGNER,
	ROLE_ISSUER,
	ROLE_DIALER,
	ROLE_GATE,
	ROLE_DOOR,
	ROLE_FRONT,
	ROLE_PROBER,
	ROLE__MAX
};

struct ca {
	char *listen, *listen_http;
	char *public_url;
	char *profiles; /* their folder */
	char *keyfile;  /* NULL: one of our own making */
	struct attrs tls_names;
	bool default_profile, probe_loopback;
	int https_fd, http_fd;                  /* listeners */
	char https[LISTEN_AT], http[LISTEN_AT]; /* where they are */
	int store_fd, signer_fd;                /* folders */
	int keyfile_fd;
};

extern struct ca ca;

extern const struct conf_decl ca_decls[];

/* Hooks of the daemon (ca/setup.c). */
MUST enum err ca_configure(struct attr_view conf, struct fault *f);
MUST enum err ca_prepare(struct fault *f);

/* Reads the folder and sends every profile to c (ca/profiles.c); how many. */
size_t ca_send_profiles(struct sup_child *c);

#endif
