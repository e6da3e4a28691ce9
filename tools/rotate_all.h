/* cretula credential rotate --all: one new version for every store that has the
 * credential (docs/operations.md, "Rotation in the large"). */
#ifndef TOOLS_ROTATE_ALL_H
#define TOOLS_ROTATE_ALL_H

#include "tools/cli.h"

enum {
	ROTATE_GRACE = 3600, /* s that old versions stay, unless --grace says */
};

struct rotate_node;

struct rotate_all {
	const char *name; /* of the credential */
	uint64_t version; /* the one that all are to have */
	uint64_t grace;   /* s */
	uint64_t own;     /* our store's current version, */
	char id[64];      /* … what it is called everywhere, */
	char module[ATTR_NAME_MAX + 1];
	struct rotate_node *node;
	size_t nodes;
};

/* Asks our store and every peer which version of the credential it has. 0 or an exit
 * code; wiped by the caller in any case. */
int rotate_all_ask(struct cli *cli, struct rotate_all *all);

/* Has our store's version sealed to each that has the credential and lacks this version,
 * delivers it, and says how it went. An exit code: 0 all have it; 75 some could not be
 * reached; 1 some refused. */
int rotate_all_send(struct cli *cli, struct rotate_all *all);

void rotate_all_wipe(struct rotate_all *all);

#endif
