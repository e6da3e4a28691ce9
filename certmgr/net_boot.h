/* Bootstrap: what a node that has nothing is told by the place it runs at: a token, where
 * the CA is, and the hash of its root certificate. net_boot_text.c takes that apart,
 * net_boot.c finds it, net_boot_root.c gets the root that the hash is of. */
#ifndef CERTMGR_NET_BOOT_H
#define CERTMGR_NET_BOOT_H

#include "certmgr/net_self.h"

#include "lib/kinds.h"

enum {
	BOOT_TEXT_MAX = 64 << 10, /* bytes of a source */
	BOOT_LINE_MAX = 1024,
	BOOT_HASH = 32, /* SHA-256 */
	BOOT_URL = WEB_HOST + 32,
	BOOT_ENDPOINT = WEB_HOST + 8,
	BOOT_SOURCES = 8, /* of one configuration */
};

/* Zeroed at first; wiped with boot_wipe. What was not said is empty. */
struct boot {
	struct token token; /* seed NULL: none */
	char ca[BOOT_URL];  /* https://HOST[:PORT] or dns:NAME */
	bool has_hash;
	uint8_t hash[BOOT_HASH]; /* of the root certificate's DER */
	char node[SELF_NODE_MAX + 1];
	char endpoint[BOOT_ENDPOINT]; /* host:port, where the key is proven */
};
void boot_wipe(struct boot *b); /* AUTO-able */

/* "file", "cmdline", "nocloud", "imds"; static. */
const char *boot_source_name(enum boot_source s);
MUST enum err boot_source_parse(struct span name, enum boot_source *s);
/* May others than root of this machine read it? */
bool boot_source_open(enum boot_source s);

/* Each fills in what is there, and refuses what it does not understand, with a sentence
 * that never has the token. ERR_NOT_FOUND: there is nothing for us in it.
 *
 * Attribute text: token= ca= ca_hash= node= verify_endpoint=, on one line or several;
 * blank lines, and comments that begin with '#'. */
MUST enum err boot_parse_file(struct span text, struct boot *b,
			      struct fault *f);
/* The kernel's command line: words cretula.NAME=VALUE, no quotes. */
MUST enum err boot_parse_cmdline(struct span text, struct boot *b,
				 struct fault *f);
/* Cloud user data: begins with the line #cloud-config, and has one block `cretula:` of
 * lines `  NAME: VALUE`. */
MUST enum err boot_parse_user_data(struct span text, struct boot *b,
				   struct fault *f);
/* "sha256:HEX". */
MUST enum err boot_parse_hash(struct span text, uint8_t hash[BOOT_HASH],
			      struct fault *f);
/* What a DNS TXT record says; ERR_NOT_FOUND: it is none of ours. */
MUST enum err boot_parse_txt(struct span text, char url[BOOT_URL],
			     struct fault *f);

/* ---- the search (net_boot.c) */

/* source=NAME … of SUP_START: the order in which they are looked at. */
void boot_open(struct attr_view said);
bool boot_any(void);
/* The descriptor of one; taken. False: there is no such source. */
bool boot_give(struct span name, int fd);
/* All of them are closed: others come. */
void boot_take_back(void);

/* b: what the first source said that says anything, borrowed; or NULL: none does, f says
 * why. */
typedef void boot_found(enum boot_source s, struct boot *b,
			const struct fault *f);
/* Called once, maybe at once. One at a time. */
void boot_find(boot_found *found);
/* What is being asked is not wanted any more: found is not called. */
void boot_cancel(void);

/* ---- a cloud's metadata service (net_boot_imds.c) */

void imds_open(const char *url); /* NULL: the usual one */
/* Its user data, or bad says why there is none. */
void imds_ask(void (*heard)(struct span text, const struct fault *bad));

/* ---- the CA and its root (net_boot_root.c) */

/* ca= ca_hash= of SUP_START; root: it was given. Ends the process if what is said is not
 * good. */
void place_open(struct attr_view said, bool root);
/* After confinement: what an earlier net found out is there again, requests go there, and
 * the supervisor is told which root there is. */
void place_begin(void);
/* Finds out where the CA is and what its root is, as said by b and by the configuration,
 * whose word is the last; then requests go there, and done(OK) is called, or why not. */
typedef void place_done(enum outcome o, const struct fault *f);
void place_find(const struct boot *b, place_done *done);
/* What is being found is not wanted any more: done is not called. */
void place_cancel(void);

#endif
