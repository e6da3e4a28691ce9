/* What is credd's own in its supervisor (credd/supervisor*.c). */
#ifndef CREDD_SUPERVISOR_H
#define CREDD_SUPERVISOR_H

#include "credd/kinds.h"
#include "lib/supervisor.h"

enum {
	CREDD_VAULT_DEATHS = 3,      /* within a minute: the arena is dropped */
	CREDD_MODULE_MAX = 16 << 20, /* bytes of a module's file */
};

enum credd_role {
	ROLE_STORE,
	ROLE_ZYGOTE,
	ROLE_VAULT,
	ROLE_DOOR,
	ROLE_FRONT,
	ROLE_OPENER,
	ROLE_GATE,
	ROLE_VERIFIER,
	ROLE_DIALER,
	ROLE__MAX
};

struct credd {
	char *modules; /* their folder */
	int store_fd;  /* the state folder */
	int arena;     /* memfd_secret, -1 where there is none */
	int keyfile;   /* unseal_keyfile, -1: none */
	bool durable;  /* audit=durable */
	bool unsealed;
};

extern struct credd credd;

extern const struct conf_decl credd_decls[];

/* Hooks of the daemon (credd/supervisor_setup.c). */
MUST enum err credd_configure(struct attr_view conf, struct fault *f);
MUST enum err credd_prepare(struct fault *f);

/* A new, empty arena; -1 where the kernel has no memfd_secret. */
int credd_arena(void);

/* Writes transport.pub beside the sockets, atomically. */
MUST enum err credd_transport(const void *key, size_t len, struct fault *f);

/* Calls each(name, fd) for every module of the folder, fd being a sealed memfd
 * with its bytes, closed afterwards. Files that are not root's or ours, or that
 * others can write, are left out with a log line. */
void credd_modules(void (*each)(const char *name, int fd));

#endif
