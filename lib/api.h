/* The role `gate` of credd and certmgr, which is called api here, as lib/gate.h is the HTTP
 * below it, that ca's has too. What its files share: HTTP and JSON in front of a core that
 * is behind a channel, as fronts are for the native protocol. Calls and their answers;
 * who a caller is, door or the verifier tells the core. On top of lib/gate.h.
 *
 *	api.c         the role: its beginning, its channels, its end
 *	api_local.c   connections that door hands over
 *	api_remote.c  the TLS listener, the verifier
 *	api_own.c     the gate's own certificate
 *	api_route.c   the paths of each daemon, and what is called for them
 *	api_call.c    calls in flight
 *	api_answer.c  answers to JSON
 *	api_page.c    health, metrics, the description */
#ifndef LIB_API_H
#define LIB_API_H

#include "lib/chan.h"
#include "lib/gate.h"
#include "lib/kinds.h"

enum {
	API_BODY_MAX = 1 << 20,
	API_CALL_S =
		120, /* as long as anything here waits: a person who confirms */
	API_NODE_MAX = 255,        /* bytes of this machine's name */
	API_ANSWER_MAX = 16 << 20, /* bytes of JSON of one answer */
	API_ANSWERS_MAX = 64
			  << 20, /* … of all that are collected or not read */
	API_READ_S = 10,         /* an answer is read in peace */
	API_WAITING = 1024,      /* handed over before the core is there */
	API_NAME_MAX = 256,      /* bytes of a name in a path, decoded */
	API_LOCAL_CONNS =
		1024 + GATE_CONNS_SLACK, /* as many as door gives one uid */
	API_FILES_BESIDE = 256, /* descriptors that are no connection's */
};

/* Where the call of a request and its answer take their form from. */
struct api_form {
	const char *name;           /* gate_route.verb */
	const char *verb;           /* of the call; NULL: the path says it */
	const char *var[GATE_VARS]; /* attributes that are in the path */
	enum {
		API_NO_BODY,
		API_MEMBERS, /* the body's members are the call's attributes */
		API_REQUEST, /* the body is the attribute `request` */
		API_PAIRS,   /* lossless, and so is the answer */
	} body;
	/* names that the query may have, each between blanks; NULL: none */
	const char *query;
	/* names that are arrays even if there is one; NULL: none */
	const char *arrays;
	/* member that the items go to; NULL: there are none */
	const char *items;
	bool one_module; /* of the items only that of var 0, its operations */
};

enum api_known {
	API_NOT_ASKED, /* the verifier has not been told of it */
	API_ASKED,
	API_KNOWN,
	API_REFUSED, /* `why` is what each request is answered with */
};

struct api_conn {
	struct gate_conn
		http;  /* first member; its id: the core's number of it */
	bool listed;   /* in api.conns: not dropped by who handed it over */
	uint32_t call; /* number of the last one */
	bool called;   /* it is in flight, its deadline is http.due */
	struct buf items;
	bool has_items;
	size_t held;       /* bytes of its answer, in api.held */
	uint64_t answered; /* when it could begin to read the last one */
	/* of the TLS port only */
	enum api_known known;
	/* a request waits for what the verifier says; its deadline is http.due */
	bool judging;
	struct fault why;
};

struct api {
	const char *daemon; /* credd, certmgr */
	bool remote; /* of clients by TLS; else of those that door hands over */
	struct chan sup, door, core;
	bool up; /* core's channel is open */
	struct gate_port port;
	struct map *conns; /* by http.id */
	struct gate_dues dues;
	unsigned in_flight;
	size_t held;
	/* an answer that is read for longer makes room for others; API_READ_S: tests
	 * cannot wait that long */
	uint64_t read_ns;
	uint64_t calls_done, calls_failed;
};

extern struct api api;

static inline struct api_conn *api_conn_of(struct gate_conn *c)
{
	return (struct api_conn *)c;
}

struct api_conn *api_find(uint64_t id);
/* It is forgotten by who handed it over: the core is told, and it ends soon. */
void api_conn_drop(struct api_conn *c);

/* api_route.c */
const struct gate_route *api_routes(size_t *count); /* api.daemon's */
const struct api_form *api_form_of(const struct api_conn *c);
/* The attributes of the call that c's request asks for. */
MUST enum err api_call_make(const struct api_conn *c, struct attrs *out,
			    struct fault *f);
/* A segment of the path, percent-decoded, as a C string. */
MUST enum err api_var(const struct api_conn *c, unsigned i,
		      char out[API_NAME_MAX + 1], struct fault *f);

/* api_call.c */
void api_call_open(void);
enum MHD_Result api_call_run(struct gate_conn *c); /* gate_route.run */
void api_call_answer(const struct msg *m);         /* from the core */
void api_call_lost(void);                          /* the core is */
void api_call_forget(struct api_conn *c); /* its client is, or it is answered */
/* Ends the call in flight with an error of ours. */
void api_call_fail(struct api_conn *c, enum err code, const char *text);

/* api_answer.c. Answers of the core to c's call; api_answer_drop when c's request is over. */
MUST enum err api_answer_item(struct api_conn *c, struct attr_view v,
			      struct fault *f);
MUST enum err api_answer_reply(struct api_conn *c, struct attr_view v,
			       struct MHD_Response **out, struct fault *f);
struct MHD_Response *api_answer_error(struct attr_view v, unsigned *status);
void api_answer_drop(struct api_conn *c);

/* api_page.c: gate_route.run of what is not asked of the core */
enum MHD_Result api_page_health(struct gate_conn *c);
enum MHD_Result api_page_ready(struct gate_conn *c);
enum MHD_Result api_page_metrics(struct gate_conn *c);

/* api_local.c */
void api_local_door(int fd); /* a new channel to door; taken */
void api_local_core(void);   /* the core is there: who waited comes in */
void api_local_gone(const struct api_conn *c); /* door is told */
void api_local_idle(
	void); /* if nobody is connected or waits: the end is near */

/* api_remote.c */
MUST enum err api_remote_open(const struct msg *start, struct fault *f);
void api_remote_run(void);
void api_remote_verifier(int fd);         /* a new channel to it; taken */
bool api_remote_sup(const struct msg *m); /* false: not its */
/* What is known of c; the verifier is asked if it has not been. */
enum api_known api_remote_look(struct api_conn *c);
/* May c's request go on? API_REFUSED: c->why says why not. API_ASKED: it is to be set
 * aside until api_remote.c resumes it with gate_resume(c, 0, NULL), which runs it again. */
enum api_known api_remote_admit(struct api_conn *c);
enum MHD_Result api_remote_refuse(struct api_conn *c); /* API_REFUSED */
void api_remote_forget(struct api_conn *c);            /* its request is over */
void api_remote_drop(struct api_conn *c); /* what waits is answered */
void api_remote_gone(struct api_conn *c);
const char *api_remote_unready(void); /* a sentence, or NULL: it is ready */
void api_remote_own(void);            /* there is a certificate of ours */

/* api_own.c */
MUST enum err api_own_open(struct fault *f);
/* An agent of that type (borrowed), with a certificate for that name. */
void api_own_run(const char *type);
void api_own_certmgr(const struct msg *m,
		     int fd); /* SUP_CERTMGR came; taken; -1: there is none */
void api_own_core(void);      /* there is one, which knows nothing of it yet */
const char *api_own_unready(void);

/* For gate_route.run of what only somebody known may ask: true: go on; else *result is
 * what run returns. */
bool api_admitted(struct api_conn *c, enum MHD_Result *result);

#endif
