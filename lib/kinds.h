/* What the processes that every daemon has say to each other: one enum per pair.
 * Every message is lib/msg.h's; its attributes are named here. "fd:" is a descriptor
 * beside it. The core is the process behind the fronts: credd's vault, ca's issuer,
 * certmgr's keeper.
 *
 * `conn` is a client connection as door numbered it (never used again while door
 * lives). Client ids are u32, so that conn << 32 | client id names a request. */
#ifndef LIB_KINDS_H
#define LIB_KINDS_H

/* Every child's first descriptors: 3 is its channel to the supervisor. */
enum {
	SUP_FD = 3
};

enum sup_kind {
	/* supervisor -> child: daemon= role= [uid= gid=], and role-specific
	 * attributes (see each role's head) */
	SUP_START = 1,
	/* supervisor -> child: a new channel to another process; fd: the channel.
	 * peer=ROLE [uid=N of a front] [ref=N of one that the core wanted] */
	SUP_PEER,
	/* child -> supervisor: confined and reading. weaker=TEXT (repeats): a
	 * protection this kernel or user does not give */
	SUP_READY,
	/* door -> supervisor: a front for uid=N is wanted */
	SUP_FRONT,
	/* front -> supervisor: no connections left, ending on purpose */
	SUP_IDLE,
	/* core -> supervisor: a one-shot child is wanted, role=ROLE ref=N (its
	 * choice); answered by SUP_PEER, or by nothing if it cannot be had */
	SUP_WANT,
	/* supervisor -> core: role=R weaker=TEXT …, for status */
	SUP_NOTE,
	/* door, core -> supervisor: the front of uid=N broke the dialogue: end it. Door
	 * asks for another when one is wanted */
	SUP_BROKEN,
	/* a daemon's own kinds begin here (its kinds.h) */
	SUP_OWN = 16,
};

enum door_core_kind {
	/* door -> core, id conn: who is behind it. uid= gid= groups= pid=
	 * [unit=] [user_unit=] [exe=] [admin=yes] */
	DC_CONN = 1,
	/* core -> door, id conn: known; hand it to its front */
	DC_KNOWN,
	/* door -> core, id conn: the process died or the connection ended.
	 * handed=yes: its front has had it, and says FC_CLOSED behind what came over
	 * it: until then the core keeps who that was */
	DC_GONE,
	/* core -> door, id conn: is the process of conn still the one examined,
	 * and its program the file at exe=PATH (may be absent)? ref=N */
	DC_CHECK,
	/* door -> core, id conn: alive=yes|no exe=yes|no ref=N */
	DC_CHECKED,
	/* core -> door, id: any: look at a process: fd: its pidfd; or conn=N: the one
	 * behind that connection, if it has not exec'ed since; or pid=N start=N: one
	 * that was examined earlier in this boot (start=0: whoever has that pid) */
	DC_EXAMINE,
	/* door -> core, same id: alive=no (it has ended, or the descriptor is no
	 * pidfd), or alive=yes and what procinfo_format (lib/procinfo.h) says; fd: a
	 * pidfd of it */
	DC_EXAMINED,
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

/* front <-> core, and the native protocol itself (docs/protocol.md):
 * id is conn << 32 | the client's id between front and core. */
enum client_kind {
	/* verb=V …; run: credential= op= request=LIST. fds=N (1 or 2): so many
	 * descriptors beside it, which fronts pass on unread */
	CLIENT_CALL = 1,
	CLIENT_REPLY, /* the last answer */
	CLIENT_ERROR, /* error=NAME text=SENTENCE request_id=ID [retry_after=S] */
	CLIENT_ITEM, /* one of several answers; a reply follows */
};

enum front_core_kind {
	FC_CLOSED = 16, /* front -> core, id conn << 32 */
	FC_DROP,        /* core -> front, id conn << 32: close it */
	/* core -> front, fd: one that came with a call: close it. The last close of
	 * what a stranger sent can take as long as he likes */
	FC_CLOSE,
};

/* The core and the store of opaque rows (credd's vault, certmgr's keeper; lib/rowstore.c).
 * Rows are lists: table= row= name= module= version= generation= blob=
 * (tables: lib/row.h). One question at a time is answered, in order. */
enum rowstore_kind {
	/* core -> store: everything; store -> core: store=BYTES(16) format=N
	 * or nothing at all if there is no store yet; RS_ROW …, RS_LOADED */
	RS_LOAD = 1,
	RS_ROW,
	RS_LOADED,
	/* core -> store: one transaction. [create=BYTES store id]
	 * put=ROW … drop=LIST(table= row=) …; answered by RS_DONE or RS_FAILED */
	RS_COMMIT,
	RS_DONE,
	RS_FAILED, /* error= text= */
	/* core -> store: where the log stands. store -> core: size=N
	 * [note=TEXT frontier=BYTES of the last checkpoint], then RS_RECORD for
	 * every record after that checkpoint (id: its index), RS_AUDIT_READY */
	RS_AUDIT_OPEN,
	RS_RECORD,
	RS_AUDIT_READY,
	/* core -> store, id: index of the first; record=BYTES … [sync=yes]
	 * [admin=yes: may use the reserve];
	 * store -> core RS_APPENDED, id: size of the log now; or RS_FAILED
	 * with id: the first index that was not written */
	RS_APPEND,
	RS_APPENDED,
	/* core -> store: note=TEXT frontier=BYTES, written and synced, never
	 * before the records it covers. Answered by RS_DONE/RS_FAILED, same id */
	RS_CHECKPOINT,
	/* core -> store, id: any; from=N count=N; answered by RS_RECORD with
	 * id: index, then RS_DONE. notes=yes: checkpoints instead: note= */
	RS_READ,
	RS_NOTE,
};

/* Whoever wants a connection (ca's issuer, certmgr's net) and the dialer. */
enum dial_kind {
	/* -> dialer, id: any: host= port=N [loopback=yes]; DIAL_CONNECTED
	 * address=TEXT fd: the connection (nonblocking); or DIAL_FAILED text=; within
	 * 9 s: 4 for its turn, 5 for names and all addresses */
	DIAL = 1,
	DIAL_CONNECTED,
	DIAL_FAILED,
};

#endif
