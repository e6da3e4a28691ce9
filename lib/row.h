/* A row of the store: what it is called in the clear (its head), and its blob, which
 * the store never looks into (sealed for the vault, a list for the keeper). Core and
 * store exchange rows as attribute lists
 *	table= row= name= module= version= generation= blob=
 * and the same list without blob= is part of what a sealed blob is bound
 * to. */
#ifndef LIB_ROW_H
#define LIB_ROW_H

#include "lib/attr.h"

enum {
	STORE_ID_SIZE = 16,
	ROW_NAME_MAX = 255,
	ROW_MODULE_MAX = 64,
	ROW_BLOB_MAX = 960 << 10, /* a commit of one row fits one message */
	ROW_LABEL = 160,
};

/* Row ids, versions and generations: SQLite's integers are signed. */
#define ROW_NUMBER_MAX ((uint64_t)INT64_MAX)

enum row_table {
	ROW_CREDENTIAL,
	ROW_GRANT,
	ROW_MODULE,
	ROW_KEY,
	ROW_STATE,
	ROW_SLOT,
	ROW_AGENT,
	ROW_OWED, /* revocations owed to the CA */
	ROW_META,
	ROW_PEER, /* other stores that exports go to and come from */
	ROW_SEEN, /* the highest version of a name whose credential is gone */
	ROW__MAX
};

struct row_head {
	enum row_table table;
	uint64_t row;
	uint64_t version;
	uint64_t generation; /* of the store, when the row was sealed */
	char name[ROW_NAME_MAX + 1];
	char module[ROW_MODULE_MAX + 1];
};

/* A row whose blob somebody else owns. */
struct row {
	struct row_head head;
	const uint8_t *blob;
	size_t blob_len;
};

/* "credential", "grant", …; static. */
const char *row_table_name(enum row_table t);

/* ERR_INVALID if there is no such table. */
MUST enum err row_table_parse(const void *name, size_t len, enum row_table *t);

/* Sets name and module (NULL: empty). ERR_TOO_LARGE. */
MUST enum err row_head_name(struct row_head *h, const char *name,
			    const char *module);

/* Appends table= row= name= module= version= generation= to a; row_format also
 * blob=. */
MUST enum err row_head_format(const struct row_head *h, struct attrs *a);
MUST enum err row_format(const struct row *r, struct attrs *a);

/* Reads such a list: each attribute once, nothing else. r borrows its blob.
 * ERR_INVALID or ERR_TOO_LARGE, with the reason. */
MUST enum err row_head_parse(struct attr_view v, struct row_head *h,
			     struct fault *f);
MUST enum err row_parse(struct attr_view v, struct row *r, struct fault *f);

/* Reads table= row= of a row to drop. */
MUST enum err row_parse_place(struct attr_view v, enum row_table *t,
			      uint64_t *row, struct fault *f);

/* "credential/12 'prod'" for error sentences, printable whatever the name holds,
 * cut if it is long. */
void row_label(const struct row_head *h, char text[ROW_LABEL]);

#endif
