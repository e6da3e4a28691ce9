/* Store of ca: certificates, tokens and the audit log in SQLite; never a key.
 *	issuer <-> store	enum issuer_store_kind (ca/kinds.h)
 * Descriptors at start: 3 supervisor, 4 its folder. */
#include "ca/roles.h"
#include "lib/child.h"
#include "lib/log.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STORE_FOLDER = SUP_FD + 1
};

static struct loop *loop;
static struct chan sup;

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	(void)peer;
	(void)m;
	close(fd);
}

/* While every folder above can still be searched: the current folder is ours. */
static void enter(const struct msg *m)
{
	(void)m;
	umask(0077);
	if (!fchdir(STORE_FOLDER))
		return;
	log_text(LOG_CRIT, "not_started", "the folder cannot be entered: %s",
		 strerror(errno));
	_exit(1);
}

static void own_folder(struct confine_spec *spec)
{
	spec->path[spec->paths++] = (struct landlock_path){
		.fd = STORE_FOLDER, .rights = LANDLOCK_READ | LANDLOCK_WRITE
	};
}

int role_store(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .start = enter,
					      .confine = own_folder };

	loop = loop_new();
	child_start(loop, &sup, CONFINE_CA_STORE, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
