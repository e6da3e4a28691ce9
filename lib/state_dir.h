/* The folder of state of a role that has one, from the supervisor: opened for reading,
 * so that it can be synced, and its current folder before it is confined. */
#ifndef LIB_STATE_DIR_H
#define LIB_STATE_DIR_H

#include "lib/chan.h"
#include "lib/confine.h"

enum {
	STATE_DIR_FD = 4
};

/* For child_ops.start: enters it, while every folder above can still be searched; new
 * files are the role's alone. Ends the process if it cannot. */
void state_dir_enter(const struct msg *m);

/* For child_ops.confine: to be read and written, all below it. */
void state_dir_confine(struct confine_spec *spec);

#endif
