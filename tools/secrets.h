/* Secrets as the command takes them: --passphrase, and --key-file of key slots. */
#ifndef TOOLS_SECRETS_H
#define TOOLS_SECRETS_H

#include "tools/cli.h"

#define SLOT_SECRET_OPTS                                                       \
	{ "passphrase", "SOURCE",                                              \
	  "@FILE, or - for standard input; without: asked" },                  \
	{                                                                      \
		"key-file", "FILE", "the file's bytes open the store"          \
	}

#define SLOT_MAKE_OPTS                                                         \
	SLOT_SECRET_OPTS, { "ops", "N", "Argon2id passes, 1 to 10" },          \
	{                                                                      \
		"mem", "SIZE", "Argon2id memory, 64M to 1G"                    \
	}

/* Refuses the option `name` if its value is not @FILE or "-". 0 or an exit code. */
int source_check(const struct cli *cli, const char *name);

/* What source names (NULL: asked on the terminal, twice if `twice`), less a final
 * newline, appended to out (secret). */
MUST enum err passphrase_read(const char *source, bool twice, struct buf *out,
			      struct fault *f);

/* Refuses words, and options that exclude each other or give the secret away. 0 or
 * an exit code. */
int slot_check(const struct cli *cli);

/* Appends what the options say to box (secret): type= (when making) and secret=.
 * twice: a passphrase from the terminal is asked for twice. 0 or an exit code. */
int slot_secret(struct cli *cli, bool making, struct attrs *box);

/* Appends ops= and mem=. 0 or an exit code. */
int slot_cost(struct cli *cli, struct attrs *args);

/* init, slot add: makes a slot with what the options say, prints the reply. */
int slot_make(struct cli *cli, const char *verb);

#endif
