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
	 * peer=ROLE [uid=N of a front or gate] [ref=N of one that the core wanted] */
	SUP_PEER,
	/* child -> supervisor: confined and reading. weaker=TEXT (repeats): a
	 * protection this kernel or user does not give */
	SUP_READY,
	/* door -> supervisor: a front for uid=N is wanted; http=yes: a gate */
	SUP_FRONT,
	/* front, gate -> supervisor: no connections left, ending on purpose */
	SUP_IDLE,
	/* core -> supervisor: a one-shot child is wanted, role=ROLE ref=N (its
	 * choice); answered by SUP_PEER: with a channel that has ended if it cannot be had,
	 * and by nothing if there are too many */
	SUP_WANT,
	/* supervisor -> core: role=R weaker=TEXT …, for status */
	SUP_NOTE,
	/* door, core, verifier -> supervisor: the front (http=yes: the gate) of uid=N broke
	 * the dialogue: end it. Door asks for another when one is wanted. Core: role=ROLE
	 * [ref=N of a one-shot] did, that reads what comes from the network */
	SUP_BROKEN,
	/* gate -> supervisor: where is certmgr? supervisor -> gate, node=NAME (of this
	 * machine), fd: the folder of certmgr's sockets (O_PATH); no fd: it is not there,
	 * or has no node's certificate yet: ask again later */
	SUP_CERTMGR,
	/* supervisor -> verifier, at its start, after SIGHUP and until both are known: [node=
	 * NAME: of this machine]; fd: the file with the CA's
	 * root certificate (PEM), to be read from its beginning; until it is there nobody
	 * comes in */
	SUP_ROOT,
	/* supervisor -> door: uid=N [http=yes] text=SENTENCE: there is no front, or gate,
	 * for him and none can be had now: those of his who wait for it are told why */
	SUP_NO_FRONT,
	/* a daemon's own kinds begin here (its kinds.h) */
	SUP_OWN = 16,
};

/* Door and the core. The verifier says DC_CONN and DC_GONE as door does, of connections
 * of the gate for remote clients, whose numbers begin with a 1 (CONN_REMOTE); door's
 * begin with a 0. */
#define CONN_REMOTE UINT32_C(0x80000000)

enum door_core_kind {
	/* door -> core, id conn: who is behind it. uid= gid= groups= pid=
	 * [unit=] [user_unit=] [exe=] [admin=yes] [via=gate: it speaks HTTP: uid and gid
	 * are those of who connected, the rest is not proved].
	 * verifier -> core: via=tls cert.o= cert.ou= cert.uid= [cert.cap=]… serial=HEX
	 * [admin=yes] (lib/subject.h) */
	DC_CONN = 1,
	/* core -> door, verifier, id conn: known; hand it to its front */
	DC_KNOWN,
	/* door -> core, id conn: the process died or the connection ended.
	 * handed=yes: its front has had it, and says FC_CLOSED behind what came over
	 * it: until then the core keeps who that was. Not said to a core that came later:
	 * the front may have said FC_CLOSED to the one before, or to none */
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
	/* verifier -> core, for the log: somebody was refused, or a connection ended early:
	 * error=NAME reason=SENTENCE [peer=ADDRESS] [serial=HEX] [cert.o= cert.ou=
	 * cert.uid= as its certificate says, believed or not]; at most one a second with
	 * the same reason and serial, count=N */
	DC_REFUSED,
	/* verifier -> core, for the audit, before DC_CONN: fail=open lets somebody in
	 * although it cannot be known whether he is revoked: reason= and the rest as of
	 * DC_REFUSED; once for a certificate, until more is known of it */
	DC_UNCHECKED,
};

enum door_front_kind {
	/* door -> front, id conn: pid=N [admin=yes]; fds: the connection, the
	 * pidfd of its process. To a gate: the connection only */
	DF_CONN = 1,
	/* front, gate -> door, id conn: it ended */
	DF_CLOSED,
	/* door -> front, gate, id conn: close it */
	DF_DROP,
};

/* The gate for remote clients and the verifier. id: a connection, as the gate numbered it
 * (CONN_REMOTE | …, from anywhere, never used again while the gate lives). */
enum gate_verifier_kind {
	/* gate -> verifier, after the handshake: cert=DER … (the client's own first; GnuTLS
	 * has seen that it has the key) [peer=ADDRESS]; answered by GV_KNOWN or GV_BAD.
	 * Sent again, for every connection, to a new verifier */
	GV_CHAIN = 1,
	/* verifier -> gate: the core knows who it is: its calls may go there. Said again
	 * of every connection after the core died */
	GV_KNOWN,
	/* verifier -> gate, at once or at any time later: error=NAME text=SENTENCE: this is
	 * what every request of it is answered from now on */
	GV_BAD,
	/* gate -> verifier: it ended */
	GV_GONE,
	/* gate -> verifier, whenever it has a new one: cert=DER …: the gate's own chain: a
	 * hint at the issuing CA, judged like everybody's */
	GV_OWN,
	/* verifier -> gate: that chain is not good (text=), or good: issuing=DER root=DER;
	 * for clients that ask, and for status */
	GV_OWNED,
};

/* front, gate <-> core, and the native protocol itself (docs/protocol.md):
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
	/* gate of remote clients -> core, for status: text=SENTENCE: why it has no
	 * certificate of its own; without: it has one */
	FC_OWN,
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
	/* core -> store: one transaction. [create=BYTES store id] [boot=yes: it is of no use
	 * once the machine has gone down: not synced] put=ROW … drop=LIST(table= row=) …;
	 * answered by RS_DONE or RS_FAILED */
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

/* Whoever wants a connection (ca's issuer, certmgr's net, a verifier) and the dialer. */
enum dial_kind {
	/* -> dialer, id: any: host= port=N [loopback=yes] [link_local=yes: there a cloud's
	 * metadata service may be]; DIAL_CONNECTED
	 * address=TEXT fd: the connection (nonblocking); or DIAL_FAILED text=; within
	 * 9 s: 4 for its turn, 5 for names and all addresses */
	DIAL = 1,
	DIAL_CONNECTED,
	DIAL_FAILED,
	/* -> dialer, id: any: name=: its TXT records are wanted; DIAL_TEXTS text=BYTES …
	 * (at most 16, of 512 bytes) or DIAL_FAILED text=; within 5 s */
	DIAL_TXT,
	DIAL_TEXTS,
};

#endif
