/* The mount of the file view. The descriptor that goes with it belongs to the process
 * that serves it alone: when that one ends, whoever waits for an answer has an error at
 * once, and a new mount takes the place of the dead one. */
#ifndef CERTMGR_MOUNT_H
#define CERTMGR_MOUNT_H

#include "lib/err.h"

/* As root: takes away what an earlier certmgr mounted on path, makes the folder (and
 * those above it) if it is not there, and mounts anew: read-only, seen by all users.
 * *fuse_fd, close-on-exec, is for the process that serves it; whoever hands it over
 * closes its own copy. ERR_UNSUPPORTED: the kernel has no FUSE; ERR_DENIED: the folder
 * is not root's alone, or not ours to mount on. */
MUST enum err view_mount(const char *path, int *fuse_fd, struct fault *f);

/* Takes away what is mounted there by certmgr, however deep; OK if nothing is. Does
 * not wait for whoever still has a file open. */
MUST enum err view_unmount(const char *path, struct fault *f);

/* How many mounts of certmgr's lie on a folder, by the text of /proc/self/mountinfo;
 * *other: the uppermost mount there is somebody else's. ERR_INVALID if it is not that
 * text. folder: absolute, as the kernel has it (no links, no . or ..). */
MUST enum err view_mounts_count(const char *text, size_t len,
				const char *folder, size_t *count, bool *other);

#endif
