/* Reading the audit log, for the verbs that do. */
#ifndef TOOLS_AUDIT_H
#define TOOLS_AUDIT_H

#include "tools/cli.h"

#include "lib/note.h"

enum {
	AUDIT_LINE_MAX = 256 << 10, /* of an exported log */
};

/* Which log a daemon keeps. */
struct audit_log {
	char origin[NOTE_ORIGIN_MAX + 1];
	uint8_t key[NOTE_PUBLIC];
	uint64_t size; /* records, by its own word */
};

/* Whose log: --ca or --certmgr says. 0, or said. */
int audit_choose(struct cli *cli);

/* What a reply of audit.show or audit.notes says of the log. 0, or said. */
int audit_log_of(const struct cli *cli, const struct cretula_answer *answer,
		 struct audit_log *log);

/* The option --key, if it is given, into key; *given says whether. 0 or said. */
int audit_key(const struct cli *cli, uint8_t key[NOTE_PUBLIC], bool *given);

/* Calls on for each page of records from record `from` on, at most count in all,
 * until it returns other than 0. 0 or an exit code. */
int audit_pages(struct cli *cli, uint64_t from, uint64_t count,
		int (*on)(void *arg, const struct cretula_answer *page),
		void *arg);

/* A proof that a record is in the log, with all that is needed to check it but the
 * trust in the key. */
struct audit_proof {
	struct audit_log log; /* size: of the checkpoint */
	uint64_t index;
	struct buf record, note;
	struct merkle_proof path;
};

void audit_proof_init(struct audit_proof *p);
void audit_proof_wipe(struct audit_proof *p);
/* One line of JSON, appended; and back. */
MUST enum err audit_proof_format(const struct audit_proof *p, struct buf *out);
MUST enum err audit_proof_parse(const void *text, size_t len,
				struct audit_proof *p, struct fault *f);
/* ERR_INVALID, with what is wrong; note: what the checkpoint says. */
MUST enum err audit_proof_check(const struct audit_proof *p, struct note *note,
				struct fault *f);

/* An exported log (docs/audit.md): a line of JSON of each kind. */
MUST enum err audit_line_log(const struct audit_log *log, struct buf *out);
MUST enum err audit_line_note(struct attr note, struct buf *out);
MUST enum err audit_line_record(uint64_t index, struct attr record,
				struct buf *out);
/* Reads one. kind: 'l', 'n' or 'r'; log, or bytes (cleared first), is filled. */
MUST enum err audit_line_parse(const char *line, size_t len, char *kind,
			       struct audit_log *log, struct buf *bytes,
			       struct fault *f);

/* tools/cmd_audit_verify.c, _prove.c, _export.c */
int audit_verify_run(struct cli *cli);
int audit_prove_run(struct cli *cli);
int audit_export_run(struct cli *cli);

#endif
