/* What the vault's files offer each other; included by vault.h. */
#ifndef CREDD_VAULT_NOUNS_H
#define CREDD_VAULT_NOUNS_H

/* vault_call.c: one CLIENT_CALL: finds the verb, checks who may, runs it. */
void call_run(const struct conn *conn, const struct msg *m);
/* ERR_SEALED and the like unless the vault is open. */
enum err call_open(struct fault *f);

/* vault_conn.c: who is behind a connection, door's proofs, whom the verifier refused */
void conn_init(void);
/* Asks door about run r's process; run_proof is called with the answer. */
void conn_check(struct run *r, uint32_t conn, const char *path, size_t len);

/* vault_rows.c: rows in memory, loading, changes */
/* Ids of messages to the store; the log's are below them. */
#define STORE_ID_COMMIT STORE_ID_OWN
#define STORE_ID_LOAD   (STORE_ID_OWN + 1)
void rows_init(void);
void rows_load(void);
void rows_forget(void); /* frees what a load had brought so far */
void rows_from_store(const struct msg *m);
struct vrow *rows_find(enum row_table table, uint64_t row);
struct row vrow_row(const struct vrow *v);
void vrow_free(struct vrow *v);
enum err rows_open(const struct vrow *v, struct attrs *out, struct fault *f);
/* Makes a new change; the generation it will have is vault.change->generation. */
struct change *change_new(void);
/* Adds a row to put: seals plain under vault.keys (or keeps blob as it is, for
 * slots). *made is the new row. A row that is put again must be dropped, too. */
enum err change_put(struct change *c, enum row_table table, uint64_t row,
		    const char *name, const char *module, uint64_t version,
		    struct attr_view plain, struct vrow **made,
		    struct fault *f);
enum err change_put_blob(struct change *c, enum row_table table, uint64_t row,
			 const char *name, const void *blob, size_t len,
			 struct vrow **made, struct fault *f);
void change_drop(struct change *c, struct vrow *old);
/* Head that change_put would use, for sealing confidential attributes to it. */
enum err change_head(struct change *c, enum row_table table, uint64_t row,
		     const char *name, const char *module, uint64_t version,
		     struct row_head *h, struct fault *f);
/* Sends it; j->then is called when it is in the store (rows in memory changed)
 * or not (nothing changed). Takes c. */
void change_run(struct change *c, struct job *j);
void change_free(struct change *c);
/* A row id nobody has had in this store. */
uint64_t change_row(enum row_table table);
/* Which those are, from the state row. */
enum err next_rows_parse(struct attr_view state, struct fault *f);

/* vault_seal.c: state of the store: open, sealed, initialised */
void seal_loaded(void);
void seal_from_opener(struct chan *c, const struct msg *m);
void seal_opener_end(struct chan *c, const struct fault *why);
void seal_opener_came(int fd);
/* Asks an opener (kind VO_OPEN or VO_MAKE) what *question says, which is wiped when
 * sent; j->then gets its answer in j->plain. */
void seal_ask_opener(struct job *j, uint32_t kind, struct attrs *question);
/* Opens rows and log with vault.master; `opening` is told how it went. */
void seal_open_store(void (*opening)(enum err e, const struct fault *f));
void seal_now_open(void);
enum err key_load_row(struct vrow *v, struct fault *f);
void seal_forget(void); /* back to sealed rows and nothing else */
void seal_set_state(enum vault_state s);
/* The log is there; or why not. */
void seal_opened_log(const struct fault *why);
void seal_publish(void);
/* The keys that boxes are made for now. */
const struct box_keys *seal_box_keys(void);
void seal_break(const struct fault *f);
void verb_seal(struct job *j);
/* Opens a box with whichever transport key it was made for. */
enum err seal_open_box(struct attr_view v, struct attrs *out, struct fault *f);

/* vault_unseal.c */
void verb_unseal(struct job *j);
/* Tries the key file of the configuration; false if there is none. */
bool unseal_by_keyfile(void);

/* vault_slot.c */
void verb_slot_remove(struct job *j);
void verb_slot_add(struct job *j);
void verb_init(struct job *j);
void verb_slot_list(const struct call *c, struct attr_view v);
/* A row with a new random key of that name. */
enum err key_put(struct change *c, uint64_t row, const char *name,
		 struct fault *f);
/* The slot with the lowest number above that one, or NULL. */
struct vrow *slot_after(uint64_t number);

/* vault_module.c */
void module_from_sup(const struct msg *m, int fd);
struct module *module_find(const char *name);
enum err module_load_row(struct vrow *v, struct fault *f);
void modules_close(void);
void modules_pin(struct job *j); /* declarations of all; then j->then */
enum err modules_put(struct change *c, struct fault *f);
/* What the declaration says of an operation or attribute. */
enum err module_operation(const struct module *m, const char *op,
			  enum cretula_reveal *reveals, struct fault *f);
bool module_attribute(const struct module *m, const struct attr *a,
		      unsigned *kind);
enum err module_check_attributes(const struct module *m, struct attr_view open,
				 struct attr_view confidential,
				 struct fault *f);
void verb_module_list(const struct call *c, struct attr_view v);

/* vault_cred.c, vault_cred_admin.c */
void creds_init(void);
bool cred_name_ok(const char *name);
/* The credential of that name, made if there is none. */
struct cred *cred_get(const char *name, struct module *m);
/* Keeps the current version first. */
void cred_link_version(struct cred *c, struct version *v, bool current);
/* not_after= of a version's shareable attributes; 0: none. */
int64_t cred_end_of(struct attr_view shared);
/* vault_cred_add.c: the credential the call names, in j->cred. */
enum err cred_need(struct job *j);
enum err cred_put_enabled(struct change *c, const struct cred *cred,
			  bool enabled, struct vrow **made, struct fault *f);
void cred_drop_version(struct cred *c, struct version *v);
void cred_free(struct cred *c);
enum err cred_load_row(struct vrow *v, struct fault *f);
enum err creds_check(struct fault *f);
void creds_close(void);
struct cred *cred_find(const char *name, size_t len);
/* The confidential and shareable attributes of a version, in secret memory. */
enum err cred_attributes(const struct version *v, struct attrs *out,
			 struct fault *f);
/* j->shared, j->plain, j->want and j->name of j->module: the module looks at them, then
 * they become a version; j->number: how long the one it replaces stays. */
void cred_make(struct job *j);
/* ERR_LIMITED if j->number is a grace, and j->cred keeps too many versions already. */
enum err cred_room(struct job *j);
/* Takes exportable= out of j->shared; it is the credential's and never changes. */
enum err cred_take_exportable(struct job *j);
void verb_cred_add(struct job *j);
void verb_cred_rotate(struct job *j);
void verb_cred_enable(struct job *j);
void verb_cred_disable(struct job *j);
void verb_cred_remove(struct job *j);
void verb_cred_list(const struct call *c, struct attr_view v);
void verb_cred_show(const struct call *c, struct attr_view v);
void cred_sweep(void);
/* … at that time of the wall clock, or earlier. */
void cred_sweep_by(int64_t wall);

/* vault_seen.c: the highest version there ever was of a name */
void seen_init(void);
void seen_close(void);
enum err seen_load_row(struct vrow *v, struct fault *f);
struct export_seen seen_of(const char *name);
/* Remembers, in c, what is known of a credential that is being removed; in memory with
 * seen_apply(*made). */
enum err seen_put(struct change *c, const struct cred *cred, struct vrow **made,
		  struct fault *f);
void seen_apply(struct vrow *made, int64_t when);

/* vault_peer.c: other stores, and this store's own keys for exports */
void peers_init(void);
void peers_close(void);
enum err peer_load_row(struct vrow *v, struct fault *f);
struct peer *peer_find(const char *name);
struct peer *peer_signing(const uint8_t sign[EXPORT_KEY]);
/* With the peer's name from an attribute of the call. */
enum err peer_need(struct job *j, const char *attr);
/* Adds as=NAME key=ID, for records. */
enum err peer_audit(const struct peer *p, const char *as, struct attrs *what);
/* The store is open: its keys are made if it is an older one, and published. */
void peers_opened(void);
/* The supervisor has written one. */
void peers_published(void);
/* The end of a job that opened the store: who has its answer finds seal.pub and
 * transport.pub. */
void peers_job_done(struct job *j);
void verb_peer_add(struct job *j);
void verb_peer_remove(struct job *j);
void verb_peer_list(const struct call *c, struct attr_view v);
void verb_peer_self(const struct call *c, struct attr_view v);

/* vault_export.c, vault_import.c */
enum err export_ready(struct fault *f);
void verb_cred_export(const struct call *c, struct attr_view v);
/* A grant allows r: its answer. */
enum err export_run(struct run *r, struct fault *f);
void verb_cred_seal_rotation(struct job *j);
void verb_cred_import(struct job *j);

/* vault_grant.c */
enum err grant_load_row(struct vrow *v, struct fault *f);
void verb_grant_add(struct job *j);
void verb_grant_remove(struct job *j);
void verb_grant_list(const struct call *c, struct attr_view v);

/* vault_list.c: for everybody */
void verb_credentials(const struct call *c, struct attr_view v);
void verb_modules(const struct call *c, struct attr_view v);
void verb_transport(const struct call *c, struct attr_view v);

/* vault_worker.c */
void worker_zygote_came(int fd);
struct worker *worker_start(struct module *m, struct cred *c, struct version *v,
			    uint64_t account, struct fault *f);
void worker_run(struct worker *w, struct run *r, uint32_t kind);
void worker_forget(struct run *r);
void worker_kill(struct worker *w, const char *why);
void worker_end(struct worker *w, const char *text);
void worker_said(struct chan *ch, const struct msg *m);
void worker_gone(struct chan *ch, const struct fault *why);
void worker_time(struct loop_timer *t);
void worker_retire(struct worker *w); /* finishes what it has, gets no more */
void workers_kill_all(void);
/* A new UTC day: workers that hold keys derived for the day before end. */
void workers_new_day(void);
/* For checks and declarations: j->then when done, with the attributes in
 * j->reply or the fault. */
void worker_job(struct worker *w, struct job *j);

/* vault_run_table.c: the requests in flight */
/* Who another request of that subject counts for; NULL if there is no room for it. Used
 * at once: run_new. */
struct user *run_room(const struct subject *s, struct fault *f);
struct run *run_new(const struct call *c, struct user *u,
		    struct attr_view request);
void run_free(struct run *r);
/* Who asks; NULL if the connection is gone. */
const struct subject *run_subject(const struct run *r);
/* Answers with f and frees r. */
void run_end_with(struct run *r, const struct fault *f);

/* vault_run_record.c: records of decisions, which r waits for: run_written is called */
enum err run_record_allowed(struct run *r, struct fault *f);
enum err run_record_denied(struct run *r, const struct fault *why,
			   struct fault *f);
void run_record_tripwire(struct run *r);

/* vault_run.c */
void run_init(void);
/* An admin verb over api.sock: refused, and on record. */
void run_refuse_verb(const struct call *c, const char *verb,
		     const struct fault *why);
void verb_run(const struct call *c, struct attr_view v);
/* r->want: subject, credential and what it reveals, then the whole decision. */
void run_admit_export(struct run *r);
void run_decide(struct run *r);
void run_reply(struct run *r, struct attr_view v);
void run_failed(struct run *r, enum err e, const char *text);
void run_proof(uint64_t serial, bool alive, bool exe);
/* Door is gone, and with it every connection: answers go nowhere. */
void runs_orphan(void);
void runs_fail(enum err e, const char *text);
/* Its record is in the log; or cannot get there. */
void run_written(struct audit_wait *w, const struct fault *why);
void verb_grant_test(const struct call *c, struct attr_view v);

/* vault_audit.c: vault.log, and what jobs wait for there: j->then is called */
void audit_init(void);
void audit_open_log(void);
void audit_job_record(struct job *j, struct attr_view what);
void audit_job_note(struct job *j);
void verb_audit_show(const struct call *c, struct attr_view v);
void verb_audit_notes(const struct call *c, struct attr_view v);

/* vault_job.c */
/* needs_open: refused if the store is not open when its turn comes. */
void job_queue(const struct call *c, const char *verb, bool needs_open,
	       struct attr_view v, void (*first)(struct job *j));
void job_done(struct job *j, enum err e); /* replies or says j->fault */
void jobs_orphan(void);
/* A job with nobody to answer (the key file at start), and its beginning. */
struct job *job_internal(const char *verb);
void job_start(struct job *j, void (*first)(struct job *j));
struct attr_view job_attrs(const struct job *j);
/* Makes j->what the log's event: verb, subject, and what the verb put there. */
enum err job_event(struct job *j);
/* Record, transaction, then apply(j) and a checkpoint, then the answer j->reply.
 * Takes c. */
void job_commit(struct job *j, struct change *c, void (*apply)(struct job *j));

/* vault.c: leaving VAULT_STARTING tells the supervisor, once. */
void vault_is_ready(void);

/* vault_status.c */
void verb_status(const struct call *c, struct attr_view v);

#endif
