/* Stores: the folder that they write. */
#include "lib/state_dir.h"

#include "lib/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void state_dir_enter(const struct msg *m)
{
	(void)m;
	umask(0077);
	if (!fchdir(STATE_DIR_FD))
		return;
	log_text(LOG_CRIT, "not_started",
		 "the state folder cannot be entered: %s", strerror(errno));
	_exit(1);
}

void state_dir_confine(struct confine_spec *spec)
{
	spec->path[spec->paths++] = (struct landlock_path){
		.fd = STATE_DIR_FD, .rights = LANDLOCK_READ | LANDLOCK_WRITE
	};
}
