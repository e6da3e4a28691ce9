/* What the two files of the view that speak libfuse share. */
#ifndef CERTMGR_VIEW_FUSE_H
#define CERTMGR_VIEW_FUSE_H

#define FUSE_USE_VERSION 314

#include "certmgr/view.h"

#include <fuse3/fuse_lowlevel.h>

/* Operations on open files (view_open.c). */
void view_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void view_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	       struct fuse_file_info *fi);
void view_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* An answer to the kernel; a caller that has gone meanwhile needs none. */
void view_no(fuse_req_t req, int error);

/* True if the inode is a file's. */
bool view_is_file(fuse_ino_t ino, enum view_file *file);

#endif
