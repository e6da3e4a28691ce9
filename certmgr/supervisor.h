/* What is certmgr's own in its supervisor (certmgr/supervisor.c, certmgr/setup.c,
 * certmgr/setup_upcall.c). */
#ifndef CERTMGR_SUPERVISOR_H
#define CERTMGR_SUPERVISOR_H

#include "certmgr/kinds.h"
#include "lib/procinfo.h"
#include "lib/supervisor.h"

enum {
	/* bytes of the key arena, a page an agent: only what is used is taken. Who is
	 * not root may lock less */
	CERTMGR_ARENA = 16 << 20,
	CERTMGR_ARENA_USER = 4 << 20,
	CERTMGR_LOCKED =
		64 << 20, /* that each process may lock, if we may say so */
	CERTMGR_KEEPER_DEATHS = 3,  /* within a minute: the arena is dropped */
	CERTMGR_AUDIT_KEY = 32,     /* bytes */
	CERTMGR_INSTANCE = 8,       /* hex digits */
	CERTMGR_ROOT_MAX = 1 << 20, /* bytes of ca_root */
	CERTMGR_GIVEN = 4,          /* token, file, cmdline, nocloud */
};

enum certmgr_role {
	ROLE_STORE,
	ROLE_KEEPER,
	ROLE_DIALER,
	ROLE_NET,
	ROLE_VIEW,
	ROLE_DOOR,
	ROLE_FRONT,
	ROLE_GATE,
	ROLE_VERIFIER,
	ROLE__MAX
};

struct certmgr {
	char *ca; /* https:// URL, or dns:NAME; NULL: a bootstrap source says it */
	char *ca_root; /* path of the CA's root, PEM; NULL: its hash is known */
	char *ca_hash; /* sha256:HEX; NULL: it comes with the token */
	char *token;   /* path of the enrolment token; NULL: none is said */
	struct attrs source; /* source=NAME …: bootstrap, in order */
	char *boot_file, *boot_nocloud; /* paths; NULL: none */
	char *imds_url;                 /* NULL: the usual one */
	char *verify_listen;            /* ADDRESS:PORT; NULL: not at all */
	char *verify_endpoint; /* HOST:PORT; NULL: our name and that port */
	char *view;            /* where the file view is; NULL: there is none */
	bool upcall;           /* listen for the kernel's helper */
	bool durable;
	uint64_t claim_within; /* s */
	char instance[CERTMGR_INSTANCE + 1];
	char boot[BOOT_ID + 1];
	int store_fd, net_fd; /* folders */
	int root_fd;
	struct buf root; /* DER that net said has the right hash */
	int audit_key_fd;
	int arena_fd; /* never mapped here */
	int upcall_fd;
	int view_fd; /* of the mount that no view serves yet */
	bool mounted;
	struct attrs weaker; /* weaker=TEXT …: what is not given here */
};

extern struct certmgr certmgr;

extern const struct conf_decl certmgr_decls[];

/* Hooks of the daemon (certmgr/setup.c). */
MUST enum err certmgr_configure(struct attr_view conf, struct fault *f);
MUST enum err certmgr_prepare(struct fault *f);

/* A new arena, or -1, and a note, where there is no memfd_secret. */
int certmgr_arena(void);

/* What net is given (certmgr/setup_boot.c): the files with the token and of the bootstrap
 * sources, opened anew: given=NAME … for fd[], which has room for CERTMGR_GIVEN and is
 * the caller's to close. What cannot be used is logged and left out. */
size_t certmgr_given(struct attrs *a, int *fd);
/* bootstrap= and what goes with it, from the configuration. */
MUST enum err certmgr_boot_configure(struct attr_view conf, struct fault *f);
/* At the start a file that others can read is no small thing: it is refused. */
MUST enum err certmgr_boot_prepare(struct fault *f);
/* root.pem, beside the sockets: the file of ca_root=; or what net says. */
MUST enum err certmgr_publish_root(struct fault *f);
MUST enum err certmgr_take_root(const void *der, size_t len, struct fault *f);

/* Mounts the file view for a new view process: view_fd. Nothing may hold the old
 * one any more. */
MUST enum err certmgr_mount(struct fault *f);

/* Keeps a sentence for status. */
void certmgr_weaker(const char *text);

/* Where the kernel's helper connects (certmgr/setup_upcall.c): upcall_fd; and its
 * socket is taken away. */
MUST enum err certmgr_upcall_open(struct fault *f);
void certmgr_upcall_close(void);

#endif
