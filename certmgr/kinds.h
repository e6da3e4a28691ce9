/* What certmgr's processes say to each other, beside what is in lib/kinds.h: one enum
 * per pair. Every message is lib/msg.h's; attributes are named here. LIST is a value
 * that is an attribute list; "fd:" a descriptor beside it; times are seconds of the
 * wall clock unless said otherwise. PROC is what procinfo_format writes. */
#ifndef CERTMGR_KINDS_H
#define CERTMGR_KINDS_H

#include "lib/kinds.h"

enum certmgr_sup_kind {
	/* keeper -> supervisor: send signal=N to the process, if it is uid='s; fd: its
	 * pidfd */
	SUP_SIGNAL = SUP_OWN,
	/* view -> supervisor: the connection to the kernel is gone: end me, and mount
	 * anew for the next one */
	SUP_UNMOUNTED,
	/* supervisor -> net, after SIGHUP: given=NAME …, a descriptor beside it for each,
	 * opened anew: what there is of token (the file of token=), file, cmdline,
	 * nocloud (bootstrap sources). In SUP_START likewise, and root (of ca_root=) */
	SUP_GIVEN,
	/* net -> supervisor: root=DER: the CA's root, which had the hash that was to be:
	 * to be published. One in a supervisor's life */
	SUP_CA_ROOT,
	/* net -> supervisor: node=FQDN: of the certificate that this node has now: to be
	 * published */
	SUP_NODE,
	/* net -> supervisor: a listener for the CA's prober is wanted. supervisor -> net:
	 * fd: it, port=N; or text=WHY */
	SUP_PROOF,
};

enum keeper_net_kind {
	/* net -> keeper, at its start and whenever it changes: what it is and whether
	 * the CA answers. state=none (no certificate yet: text= why) | ready | away
	 * (text= why, since=TIME) node=FQDN serial=HEX not_after=TIME root=DER
	 * issuing=DER (those only once there is a certificate) */
	KN_STATE = 1,
	/* keeper -> net, id: any. Bounded by NET_IN_FLIGHT. type= agent=ID csr=DER
	 * [name=DNS …] [uri=URI …] [lifetime=S] [replaces=HEX]
	 * [repeat=yes: it may have been asked before, the same CSR]. Answered by
	 * KN_ISSUED certificate=DER [verify_by=], or KN_FAILED */
	KN_ISSUE,
	KN_ISSUED,
	/* keeper -> net, id: any: serial=HEX reason=NAME; KN_REVOKED or KN_FAILED.
	 * One that is revoked already counts as done */
	KN_REVOKE,
	KN_REVOKED,
	/* error=NAME text=SENTENCE [final=yes: the CA itself has said no: asking
	 * again is no use] [retry_after=S]. Without final nothing is known: it may
	 * have been done. An answer that is not understood is not final: it may be
	 * another's, who stands in the CA's place for a while */
	KN_FAILED,
};

/* net <-> dialer is enum dial_kind of lib/kinds.h. */

enum {
	NET_IN_FLIGHT = 256, /* requests that net takes at once */
};

enum keeper_view_kind {
	/* keeper -> view: an agent with a file view, or what changed of it. agent=ID
	 * pid= start= uid= (the agent's process; the uid is judged when it opens)
	 * user_ns=N [self=yes: not for descendants] changed=TIME (its files' mtime)
	 * [serial=HEX, at most 64 characters: with another one they are other files]
	 * size.cert= size.chain= size.key= size.ca= size.bundle= (bytes; all 0: there
	 * is no certificate yet: its folder is there, opening gives EAGAIN) */
	KV_AGENT = 1,
	/* keeper -> view: agent=ID: its folder goes at once; its process, if it lives
	 * on, and its descendants get EKEYREVOKED instead */
	KV_GONE,
	/* keeper -> view, once after the view came: these were all agents there are.
	 * What an earlier keeper said and this one did not is gone then; until then
	 * (3 s at most) a new view lets callers wait */
	KV_ALL,
	/* view -> keeper, id: any: agent=ID file=cert|chain|key|ca|bundle and the
	 * PROC of who opens. Answered, same id, by KV_CONTENT content=BYTES
	 * (confidential; 64 KiB at most) or KV_REFUSED error= (denied EACCES, conflict:
	 * the agent is not live EKEYREVOKED, expired EKEYEXPIRED, not_found ENOENT;
	 * pending limited unavailable timeout EAGAIN; others EIO) */
	KV_OPEN,
	KV_CONTENT,
	KV_REFUSED,
	/* view -> keeper: somebody else wanted in, or somebody to read after the
	 * agent's end: agent=ID and his PROC; for the log; at most one a second for a
	 * process */
	KV_DENIED,
};

/* cretula-request-key <-> keeper, over /run/cretula/upcall/INSTANCE (only root gets
 * there, and only what the kernel started connects); one claim a connection. */
enum upcall_kind {
	/* helper -> keeper: agent=ID token=TEXT (confidential: the callout) and the
	 * PROC of the requester, who is frozen until the helper ends; the key is of
	 * his fsuid= */
	UC_CLAIM = 1,
	/* keeper -> helper: payload=BYTES (confidential; docs/keyring.md)
	 * seconds=N: until the key expires */
	UC_KEY,
	/* keeper -> helper: errno=N (ENOKEY, EKEYEXPIRED, EKEYREVOKED, EKEYREJECTED,
	 * EACCES, EDQUOT…) seconds=N: how long the refusal stands (0: not at all if
	 * it is ENOKEY, else as 1); text=SENTENCE */
	UC_NO,
	/* helper -> keeper: errno=0: the key is there; or it could not be made: errno=N */
	UC_DONE,
};

enum {
	UPCALL_MS = 8000, /* how long keeper keeps a claim waiting */
};

#define UPCALL_FOLDER "/run/cretula/upcall"

#endif
