/* Who asks, as door verified it: the subject of a grant. */
#ifndef LIB_SUBJECT_H
#define LIB_SUBJECT_H

#include "lib/attr.h"

enum {
	SUBJECT_GIDS_MAX = 256,
	SUBJECT_UNIT_MAX = 256, /* what systemd takes */
	SUBJECT_EXE_MAX = 4096,
	PROOF_MAX = 32, /* programs asked about in one request */
};

struct subject {
	uint32_t uid;
	uint32_t *gids; /* sorted, each once; primary and supplementary */
	unsigned gid_count;
	uint32_t gid; /* the primary one */
	int32_t pid;
	bool admin; /* came over admin.sock */
	bool gate;  /* came over HTTP: no local attribute is its own */
	char *exe;  /* as door read it; to be shown, never to be decided on */
	char *unit; /* system unit; NULL: none */
	char *user_unit; /* unit of a user's manager; NULL: none */
};

/* From uid= gid= groups= pid= [unit=] [user_unit=] [exe=] [admin=yes] [via=gate].
 * groups= is a comma-separated set; of more than SUBJECT_GIDS_MAX the lowest are
 * kept (which can only deny). Unknown, repeated or unreadable: ERR_INVALID. In
 * a list a person wrote, gid= and pid= may be absent. Wipe s in either case. */
MUST enum err subject_parse(struct attr_view v, struct subject *s,
			    struct fault *f);
void subject_wipe(struct subject *s);

bool subject_in_group(const struct subject *s, uint32_t gid);

/* Appends subject=uid:1000 pid=… [exe=] [unit=] [user_unit=] [via=gate], for
 * audit and logs. */
MUST enum err subject_format(const struct subject *s, struct attrs *out);

/* What door answered while one request was decided: is the process still the one
 * examined, and is its program the file at a path? Begins empty ({ 0 }). */
enum proof_state {
	PROOF_UNKNOWN,
	PROOF_YES,
	PROOF_NO,
};

struct proof {
	enum proof_state alive;
	unsigned count;
	struct {
		char *path;
		bool is;
	} exe[PROOF_MAX];
};

/* Records an answer. path may be NULL when only `alive` was asked. */
void proof_set(struct proof *p, const char *path, size_t path_len, bool alive,
	       bool exe);
void proof_wipe(struct proof *p);

/* What is known of a path; PROOF_NO once the process is gone, or when PROOF_MAX
 * programs were asked about and this is another. NULL p: nothing is known. */
enum proof_state proof_exe(const struct proof *p, const char *path, size_t len);
enum proof_state proof_alive(const struct proof *p);

#endif
