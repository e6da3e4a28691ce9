/* The helper that the kernel calls, and its line for /sbin/request-key, put in place
 * for as long as somebody needs them: a playground or a test, as root. Where a package
 * or an admin has installed them, they are left alone.
 *
 * Who needs them holds a shared flock on UPCALL_USERS for its life, so that one who is
 * killed no longer counts; UPCALL_CHANGE is held while something is put or taken away.
 * Beside each file that was put there lies `.NAME.playground`, a line for each inode:
 * a file that somebody else has put in its place since is his. */
#ifndef TOOLS_UPCALL_H
#define TOOLS_UPCALL_H

#include "lib/err.h"

#define UPCALL_HELPER "/usr/libexec/cretula/cretula-request-key"
#define UPCALL_CONF   "/etc/request-key.d/cretula.conf"
#define UPCALL_USERS  "/run/cretula/upcall.users"
#define UPCALL_CHANGE "/run/cretula/upcall.change"

/* Puts both in place, the helper a copy of helper_binary. Once in a process.
 * ERR_DENIED: not root. ERR_UNSUPPORTED: there is no /sbin/request-key. */
MUST enum err upcall_register(const char *helper_binary, struct fault *f);

/* The last one takes both away. Nothing if there was no upcall_register. */
void upcall_unregister(void);

#endif
