/* Signer: the keys of issuing CA and OCSP; signs what it has parsed and checked.
 *	issuer <-> signer	enum issuer_signer_kind (ca/kinds.h)
 *	supervisor -> signer	SUP_PROFILES …
 * Descriptors at start: 3 supervisor, 4 its folder, 5 the key file. */
#include "ca/kinds_sup.h"
#include "ca/roles.h"
#include "lib/child.h"
#include "lib/log.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SIGNER_FOLDER = SUP_FD + 1
};

static struct loop *loop;
static struct chan sup;

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	(void)peer;
	(void)m;
	close(fd);
}

static void from_sup(const struct msg *m)
{
	if (m->kind != SUP_PROFILES && m->kind != SUP_PROFILE &&
	    m->kind != SUP_PROFILES_END)
		child_broken("supervisor");
}

/* While every folder above can still be searched: the current folder is ours. */
static void enter(const struct msg *m)
{
	(void)m;
	umask(0077);
	if (!fchdir(SIGNER_FOLDER))
		return;
	log_text(LOG_CRIT, "not_started", "the folder cannot be entered: %s",
		 strerror(errno));
	_exit(1);
}

static void own_folder(struct confine_spec *spec)
{
	spec->path[spec->paths++] = (struct landlock_path){
		.fd = SIGNER_FOLDER, .rights = LANDLOCK_READ | LANDLOCK_WRITE
	};
}

int role_signer(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .other = from_sup,
					      .start = enter,
					      .confine = own_folder };

	loop = loop_new();
	child_start(loop, &sup, CONFINE_CA_SIGNER, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
