/* Other stores, as the command meets them. */
#ifndef TOOLS_PEER_H
#define TOOLS_PEER_H

#include "tools/cli.h"

#include "lib/export.h"

/* Reads a HOST.pub. */
MUST enum err peer_pub_read(const char *path, struct export_pub *pub,
			    struct fault *f);

#endif
