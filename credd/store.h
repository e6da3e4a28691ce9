/* The store: sealed rows and the audit log on disk, no key. */
#ifndef CREDD_STORE_H
#define CREDD_STORE_H

/* Besides SUP_FD the role is started with the state folder, a descriptor of the
 * folder itself (O_DIRECTORY). */
enum {
	STORE_DIR_FD = 4
};

/* Runs the role until the supervisor goes away; the exit code. */
int role_store(void);

#endif
