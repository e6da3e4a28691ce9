/* What credd's processes say to each other: one enum per pair. Every message is
 * lib/msg.h's; its attributes are named here. "fd:" is a descriptor beside it.
 *
 * `conn` is a client connection as door numbered it (never used again while door
 * lives). Client ids are u32, so that conn << 32 | client id names a request. */
#ifndef CREDD_KINDS_H
#define CREDD_KINDS_H

/* Every child's first descriptors: 3 is its channel to the supervisor. */
enum {
	SUP_FD = 3
};

enum sup_kind {
	/* supervisor -> child: role-specific attributes (see each role's head) */
	SUP_START = 1,
	/* supervisor -> child: a new channel to another process; fd: the channel.
	 * peer=vault|door|store|zygote|front|opener [uid=N for a front] */
	SUP_PEER,
	/* child -> supervisor: confined and reading. weaker=TEXT (repeats): a
	 * protection this kernel or user does not give */
	SUP_READY,
	/* door -> supervisor: a front for uid=N is wanted */
	SUP_FRONT,
	/* front -> supervisor: no connections left, ending on purpose */
	SUP_IDLE,
	/* vault -> supervisor: an opener is wanted; answered by SUP_PEER */
	SUP_OPENER,
	/* vault -> supervisor: the modules, please; supervisor -> vault: one of
	 * them, name=M, fd: a sealed memfd with its bytes; SUP_MODULES_END */
	SUP_MODULES,
	SUP_MODULE,
	SUP_MODULES_END,
	/* vault -> supervisor: transport key=BYTES to publish beside api.sock */
	SUP_TRANSPORT,
	/* supervisor -> vault: role=R weaker=TEXT …, for status */
	SUP_NOTE,
	/* vault -> supervisor: unsealed, the arena holds the key; sealed */
	SUP_UNSEALED,
	SUP_SEALED,
};

enum door_vault_kind {
	/* door -> vault, id conn: who is behind it. uid= gid= groups= pid=
	 * [unit=] [user_unit=] [exe=] [admin=yes] */
	DV_CONN = 1,
	/* vault -> door, id conn: known; hand it to its front */
	DV_KNOWN,
	/* door -> vault, id conn: the process died or the connection ended */
	DV_GONE,
	/* vault -> door, id conn: is the process of conn still the one examined,
	 * and its program the file at exe=PATH (may be absent)? ref=N */
	DV_CHECK,
	/* door -> vault, id conn: alive=yes|no exe=yes|no ref=N */
	DV_CHECKED,
};

enum door_front_kind {
	/* door -> front, id conn: pid=N [admin=yes]; fds: the connection, the
	 * pidfd of its process */
	DF_CONN = 1,
	/* front -> door, id conn: it ended */
	DF_CLOSED,
	/* door -> front, id conn: close it */
	DF_DROP,
};

/* front <-> vault, and the native protocol itself (docs/protocol.md):
 * id is conn << 32 | the client's id between front and vault. */
enum client_kind {
	CLIENT_CALL = 1, /* verb=V …; run: credential= op= request=LIST */
	CLIENT_REPLY,    /* the last answer */
	CLIENT_ERROR, /* error=NAME text=SENTENCE request_id=ID [retry_after=S] */
	CLIENT_ITEM, /* one of several answers; a reply follows */
};

enum front_vault_kind {
	FV_CLOSED = 16, /* front -> vault, id conn << 32 */
	FV_DROP,        /* vault -> front, id conn << 32: close it */
};

/* Rows are lists: table= row= name= module= version= generation= blob=
 * (tables: credential grant module key state slot). */
enum vault_store_kind {
	/* vault -> store: everything; store -> vault: store=BYTES(16) format=N
	 * or nothing at all if there is no store yet; VS_ROW …, VS_LOADED */
	VS_LOAD = 1,
	VS_ROW,
	VS_LOADED,
	/* vault -> store: one transaction. [create=BYTES store id]
	 * put=ROW … drop=LIST(table= row=) …; answered by VS_DONE or VS_FAILED */
	VS_COMMIT,
	VS_DONE,
	VS_FAILED, /* error= text= */
	/* vault -> store: where the log stands. store -> vault: size=N
	 * [note=TEXT frontier=BYTES of the last checkpoint], then VS_RECORD for
	 * every record after that checkpoint (id: its index), VS_AUDIT_READY */
	VS_AUDIT_OPEN,
	VS_RECORD,
	VS_AUDIT_READY,
	/* vault -> store, id: index of the first; record=BYTES … [sync=yes]
	 * [admin=yes: may use the reserve];
	 * store -> vault VS_APPENDED, id: size of the log now; or VS_FAILED
	 * with id: the first index that was not written */
	VS_APPEND,
	VS_APPENDED,
	/* vault -> store: note=TEXT frontier=BYTES, written and synced, never
	 * before the records it covers. Answered by VS_DONE/VS_FAILED, same id */
	VS_CHECKPOINT,
	/* vault -> store, id: any; from=N count=N; answered by VS_RECORD with
	 * id: index, then VS_DONE. notes=yes: checkpoints instead: note= */
	VS_READ,
	VS_NOTE,
};

enum vault_zygote_kind {
	/* vault -> zygote, id: worker; memory=BYTES; fds: its channel, the module
	 * (sealed memfd) */
	VZ_SPAWN = 1,
	/* vault -> zygote, id: worker */
	VZ_KILL,
	/* zygote -> vault, id: worker; reason=TEXT [signal=N] */
	VZ_ENDED,
};

enum vault_worker_kind {
	/* worker -> vault: the module is loaded; declaration=LIST */
	VW_READY = 1,
	/* vault -> worker: the credential's attributes (once) */
	VW_CREDENTIAL,
	/* vault -> worker, id: request. op= now=SECONDS request=LIST */
	VW_RUN,
	/* the same, in a worker without a credential; the reply is facts */
	VW_FACTS,
	/* vault -> worker, id: check the credential given before */
	VW_CHECK,
	/* worker -> vault, id: request. What to add; or the facts */
	VW_REPLY,
	/* worker -> vault, id: request. error= text= [tripwire=yes] */
	VW_FAILED,
	/* worker -> vault, id: request. Answered, and waits for the next step */
	VW_MORE,
};

enum vault_opener_kind {
	/* vault -> opener: header=BYTES blob=BYTES [secret=BYTES; without it the
	 * configured key file is tried] */
	VO_OPEN = 1,
	/* opener -> vault: key=BYTES(32) epoch=N */
	VO_KEY,
	/* vault -> opener: key=BYTES(32) epoch=N type=passphrase|keyfile
	 * secret=BYTES store=BYTES(16) slot=N ops=N mem=BYTES */
	VO_MAKE,
	/* opener -> vault: header=BYTES blob=BYTES */
	VO_SLOT,
	/* opener -> vault: error= text= */
	VO_FAILED,
};

#endif
