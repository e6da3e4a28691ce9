/* The command's frame: verbs, their options, how results and errors look. */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include "lib/attr.h"
#include "lib/client.h"

#include <stdio.h>

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_REACHED = 6,
	EXIT_ATTENTION = 7,
	CLI_OPTS_MAX = 12,
	CLI_SECRET_MAX = 64 << 10, /* a confidential value */
	CLI_FILE_MAX = 1 << 20,    /* any other value from a file */
	CLI_OUT_MAX = 64 << 20,    /* one printed record */
};

struct opt {
	const char *name; /* without "--" */
	/* what the help calls its value; NULL: a flag; one that begins with "[="
	 * may be left out ("" then); one that ends in "…" may be given more than
	 * once */
	const char *arg;
	const char *help;
};

struct cli;

struct verb {
	const char *noun;
	const char *verb; /* NULL: the noun alone */
	const char *args; /* for the usage line */
	const char *help; /* a line */
	const char *more; /* lines, or NULL */
	const char *example;
	const struct opt *opts; /* ends with name NULL; may be NULL */
	int (*run)(struct cli *cli);
};

struct cli {
	const struct verb *verb;
	char **word; /* what is neither option nor value of one */
	size_t words;
	const char *opt[CLI_OPTS_MAX]; /* values by place; "" for a flag */
	struct given {
		const struct opt *opt;
		const char *value;
	} * given; /* all of them, in their order */
	size_t givens;
	bool json;
	const char *field;
	/* by HTTPS: where (NULL: what the environment says), as whom, whom we believe */
	const char *connect, *identity, *ca;
	enum client_daemon daemon; /* who is asked */
	struct cretula *c;
	void (*sigpipe)(int); /* how we found it, for what we execute */
};

/* Tables of the nouns (tools/cmd_*.c), each ended by noun NULL. */
extern const struct verb verbs_store[], verbs_slot[], verbs_status[],
	verbs_credential[], verbs_grant[], verbs_sign[], verbs_module[],
	verbs_audit[], verbs_ca[], verbs_agent[], verbs_playground[],
	verbs_peer[], verbs_export[];

/* Reads options and words; returns -1 to go on, or an exit code. The first `leading` words
 * stood before the noun: options of every verb, whatever its own are called. */
int cli_parse(struct cli *cli, int argc, char **argv, int leading);
const char *cli_opt(const struct cli *cli, const char *name);
/* Every value of that option: size_t at = 0; while ((v = cli_next(…, &at))) … */
const char *cli_next(const struct cli *cli, const char *name, size_t *at);
/* Options as attributes (`name`, of the option called `opt`), if they were given: as
 * they are, every one; or as seconds, where it is a duration (bare: or a number of
 * seconds). 0 or an exit code. */
int cli_add(const struct cli *cli, const char *opt, const char *name,
	    struct attrs *out);
int cli_add_time(const struct cli *cli, const char *opt, const char *name,
		 bool bare, struct attrs *out);
/* 0, or the exit code when there are more than max words. */
int cli_words(const struct cli *cli, size_t max);
void cli_help(const struct verb *v);
void cli_usage_line(const struct verb *v, FILE *to);

/* Messages on standard error; all return the exit code. */
int cli_usage(const struct cli *cli, const char *fmt, ...) PRINTF(2, 3);
int cli_failed(const struct cretula_error *err);
int cli_fault(enum err e, const struct fault *f);
void cli_say(const char *fmt, ...) PRINTF(1, 2);
/* What others say, a server that nobody has verified too, is not for the terminal to
 * obey: its control characters are shown. */
void cli_plain(FILE *f, const void *text, size_t n);

/* Is it said where that daemon is, or is there a socket where it would be? With --connect
 * it is the one that is asked. */
bool cli_expects(const struct cli *cli, enum client_daemon d);
/* Asks that daemon from now on. */
void cli_turn(struct cli *cli, enum client_daemon d);

/* Refuses --connect for what cannot go there: 0 or an exit code. */
int cli_check_connect(const struct cli *cli);
/* A connection to that daemon, wherever it is said to be. */
enum cretula_err cli_connect(const struct cli *cli, enum client_daemon d,
			     bool admin, struct cretula **c,
			     struct cretula_error *err);
/* A connection to an admin's side of the credd there: https://… or unix:///PATH. */
enum cretula_err cli_connect_peer(const struct cli *cli, const char *url,
				  struct cretula **c,
				  struct cretula_error *err);

/* Opens the connection once, to our own credd where none is named: --identity and --ca
 * are for the peers then. 0 or an exit code. */
int cli_open_own(struct cli *cli);
/* Opens the connection once; 0 or an exit code. */
int cli_open(struct cli *cli, bool admin);

/* Calls a verb over admin.sock (or api.sock) and keeps the answer; 0 or an exit
 * code after saying what went wrong. */
int cli_ask(struct cli *cli, bool admin, const char *verb,
	    struct attr_view args, const struct attrs *box,
	    struct cretula_answer **answer);

/* The same of whoever asks: the verb of admins where he is one (who may use admin.sock;
 * by HTTPS, whose certificate says so), else the one of everybody. */
int cli_ask_either(struct cli *cli, const char *admins, const char *everybodys,
		   struct cretula_answer **answer);

/* Output (tools/out.c). All return an exit code. `nested` names an attribute whose
 * value is a list: shown as its attributes (text) or as an object (JSON). */
int out_list(const struct cli *cli, struct attr_view v, const char *nested);
int out_items(const struct cli *cli, const struct cretula_answer *a,
	      const char *nested);
/* … in the order of that attribute, where the daemon has them in none. */
int out_items_by(const struct cli *cli, struct cretula_answer *a,
		 const char *name);
void items_sort(struct cretula_answer *a, const char *name);
int out_reply(const struct cli *cli, const struct cretula_answer *a);
int out_bytes(const void *p, size_t n);
/* The values of that name as they are, a newline after each; EXIT_FAILED, said,
 * if there is none. */
int out_field(const char *name, struct attr_view v);
/* Appends what out_list prints as JSON, without newline. */
MUST enum err out_json(struct attr_view v, const char *nested, struct buf *b);

/* Input (tools/input.c). */

/* name=value taken apart; value NULL if there is no '='. False (and said) if the
 * name is none. */
bool word_split(const char *word, char name[ATTR_NAME_MAX + 1],
		const char **value);
/* Appends words[from..] as attributes, values as they are. 0 or exit code. */
int words_attrs(const struct cli *cli, size_t from, struct attrs *out);

/* A value from FILE, "-" (standard input) or the terminal (source NULL: asked as
 * `what`, without echo), into out (secret). chomp: less one final newline. ERR_*
 * with the reason. */
MUST enum err secret_read(const char *source, const char *what, bool chomp,
			  struct buf *out, struct fault *f);
/* From the terminal, twice; ERR_INVALID if they differ. */
MUST enum err secret_ask_twice(const char *what, struct buf *out,
			       struct fault *f);
/* A file's bytes, "-": standard input. */
MUST enum err file_read(const char *path, size_t max, struct buf *out,
			struct fault *f);

/* A request from standard input (tools/body.c): its head, and a body that may be
 * larger than memory. */
struct request_in {
	struct buf head;
	struct buf body; /* all of it, while it is small */
	int spool;       /* an unnamed file with all of it, or -1 */
	struct client_body about;
};

/* keep: the body will be printed. 0 or an exit code; r is to be wiped in any
 * case. */
int request_read(struct request_in *r, bool keep);
int request_body_out(const struct request_in *r);
void request_wipe(struct request_in *r);

#endif
