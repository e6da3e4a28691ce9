/* Who asks, as door verified it: the subject of a grant. */
#ifndef LIB_SUBJECT_H
#define LIB_SUBJECT_H

#include "lib/attr.h"

enum {
	SUBJECT_GIDS_MAX = 256,
	SUBJECT_UNIT_MAX = 256, /* what systemd takes */
	SUBJECT_EXE_MAX = 4096,
	SUBJECT_CERT_MAX = 256, /* bytes of a name in a certificate */
	SUBJECT_CAPS_MAX = 32,
	PROOF_MAX = 32, /* programs asked about in one request */
};

/* The uid and gid of who is not on this machine: nobody's (the kernel's "no id"), so
 * that what names a uid never means him. */
#define SUBJECT_NO_ID UINT32_MAX

/* How he came. */
enum subject_via {
	VIA_SOCKET, /* the native protocol: door examined and heard him */
	VIA_GATE, /* HTTP over a UNIX socket: uid and gid are who connected, exe and unit
		       are not proved and never match */
	VIA_TLS, /* HTTP by TLS: the holder of a certificate that the verifier checked;
		       there is no local attribute */
};

/* What his certificate says (VIA_TLS). */
struct subject_cert {
	char *o, *ou, *uid; /* agent type, node, agent id */
	char *serial;       /* hex */
	char *cap[SUBJECT_CAPS_MAX];
	unsigned caps;
};

struct subject {
	uint32_t uid;
	uint32_t *gids; /* sorted, each once; primary and supplementary */
	unsigned gid_count;
	uint32_t gid; /* the primary one */
	int32_t pid;
	bool admin; /* came over admin.sock, or has the capability admin:DAEMON@NODE */
	enum subject_via via;
	struct subject_cert cert;
	char *exe;  /* as door read it; to be shown, never to be decided on */
	char *unit; /* system unit; NULL: none */
	char *user_unit; /* unit of a user's manager; NULL: none */
};

/* From uid= gid= groups= pid= [unit=] [user_unit=] [exe=] [admin=yes] [via=gate]; or from
 * via=tls cert.o= cert.ou= cert.uid= [cert.cap=]… serial= [admin=yes] (uid and gid are
 * SUBJECT_NO_ID then).
 * groups= is a comma-separated set; of more than SUBJECT_GIDS_MAX the lowest are
 * kept (which can only deny). Unknown, repeated or unreadable: ERR_INVALID. In
 * a list a person wrote, gid= and pid= may be absent. Wipe s in either case. */
MUST enum err subject_parse(struct attr_view v, struct subject *s,
			    struct fault *f);
void subject_wipe(struct subject *s);

bool subject_in_group(const struct subject *s, uint32_t gid);

/* Appends subject=uid:1000 pid=… [exe=] [unit=] [user_unit=] [via=gate], or subject=agent:ID
 * type= node= serial= via=tls, for audit and logs. */
MUST enum err subject_format(const struct subject *s, struct attrs *out);

/* Whose quota his requests are: his uid's; of who is remote, one of his node's and agent
 * id's (serial's, if he has none), above 2^32. */
uint64_t subject_account(const struct subject *s);
/* Whose quota they are besides, since agent ids are to be had by starting agents: of who
 * is remote, his node's, above 2^32 too; else his account again. */
uint64_t subject_node_account(const struct subject *s);

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
