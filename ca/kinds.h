/* What ca's processes say to each other: one enum per pair (the supervisor's own in
 * ca/kinds_sup.h, the pairs with door and fronts in lib/kinds.h). Attributes are named
 * here; LIST is a value that is an attribute list; "fd:" a descriptor beside it.
 * Times are seconds of the wall clock; numbers are issuance numbers (serial.h). */
#ifndef CA_KINDS_H
#define CA_KINDS_H

enum gate_issuer_kind {
	/* gate -> issuer, id: a TLS connection's own number, 1..2^56; cert=DER … leaf first,
	 * as the client showed them. No answer: calls name it by peer=N */
	GI_PEER = 1,
	/* gate -> issuer, id: that connection ended */
	GI_PEER_GONE,
	/* gate -> issuer, id: any; verb=enrol|issue|renew|revoke|show|status
	 * [peer=N] [address=TEXT] and the fields of the JSON body as attributes
	 * (docs/http.md); or verb=call call=LIST: one of the native protocol, an
	 * admin's. Answered by GI_ITEM … (of call only), GI_REPLY: attributes, or error=
	 * text= [retry_after=]; always request_id= */
	GI_CALL,
	GI_REPLY,
	GI_ITEM,
	/* gate -> issuer, id: any; request=DER. Answered by GI_OCSP_ANSWER:
	 * response=DER status=N; and, if it may be kept: this_update= next_update=
	 * refresh=SECONDS (wall: make again after) number=N … (those it speaks of) */
	GI_OCSP,
	GI_OCSP_ANSWER,
	/* issuer -> gate, id: any: forget kept answers about number=N … (none: all);
	 * answered by GI_DROPPED, same id, when no old one can leave any more */
	GI_DROP,
	GI_DROPPED,
	/* issuer -> gate, id: any: a CRL, replacing the one before; shard=N (absent: the
	 * full one) number= this_update= next_update= size= offset= fd: a memfd.
	 * Answered by GI_DROPPED, same id */
	GI_CRL,
	/* issuer -> gate: issuer=DER root=DER, when there are such */
	GI_CHAIN,
	/* gate -> issuer, id: any: its own certificate is wanted or soon to end; csr=DER;
	 * answered by GI_REPLY with certificate=DER not_after= */
	GI_TLS,
};

enum issuer_store_kind {
	/* issuer -> store. store -> issuer, IS_STATE: meta=LIST(name= value=) …
	 * generation=N next=N (lowest number never used; 1 at first) log_size=N
	 * [note=TEXT frontier=BYTES of the last checkpoint], then IS_RECORD for every
	 * record after that checkpoint (id: its index), IS_READY. Or IS_FAILED: the
	 * file cannot be used; asking again tries again. It comes before all else */
	IS_LOAD = 1,
	IS_STATE,
	IS_RECORD, /* record=BYTES */
	IS_READY,
	/* issuer -> store, id: any: one transaction, synced; its operations, in order:
	 *   cert=LIST(number= tail=BYTES(12) agent= node= type= not_before= not_after=
	 *     shard= der=BYTES [request=BYTES(32)] [valid_after_proof=yes]
	 *     [log=INDEX: of its audit record, one of this transaction])
	 *   proven=LIST(number=): its valid_after_proof is over
	 *   token=LIST(id=BYTES(16) public=BYTES(32) [expires=TIME] …any shareable
	 *     attributes)
	 *   use=LIST(id= number= request=BYTES(32) address=): fails unless unused
	 *   alarm=LIST(id= text= time=): kept beside the token, the first 16 until they
	 *     are settled; all are counted
	 *   revoke=LIST(number= time= reason=N [settle=yes]): fails if there is no such
	 *     row; one that is revoked already keeps its time, reason only to
	 *     keyCompromise; settle: the alarms about it are over
	 *   meta=LIST(name= value=): an empty value forgets the name
	 *   first=INDEX record=BYTES …: of the audit log
	 *   note=LIST(text= frontier=): a checkpoint, after the records it covers
	 * generation= the transaction's, one more than the last. Answered by IS_DONE or
	 * IS_FAILED error= text=, same id; nothing of it was done then: exists (number
	 * or token id), conflict (used token, generation, first), not_found (nothing
	 * to revoke, use, …), unavailable (the disk) */
	IS_COMMIT,
	IS_DONE,
	IS_FAILED,
	/* issuer -> store, id: any: number=N …; IS_STATUSES row=LIST(number= tail=
	 * not_after= [revoked= reason=]) for each there is, same id */
	IS_STATUS,
	IS_STATUSES,
	/* issuer -> store, id: any: token=BYTES(16), or alarms=yes (those that have
	 * any, and whose certificate was not revoked since), or tokens=yes (unused
	 * and unexpired, now=); IS_ITEM for each, IS_DONE:
	 * the token's own attributes, [used=NUMBER request= address=] [alarms=N [tail=]
	 * alarm=LIST(time= text=) …]. At most 1,000 */
	IS_TOKEN,
	IS_ITEM,
	/* issuer -> store, id: any: filters [type=] [node=] [agent=] [expires_before=]
	 * [not_expired=NOW] [revoked=yes|no] [unproven=yes] [number=] [tail=] [after=NUMBER:
	 * page] limit=N (1..1000) [der=yes]; IS_ITEM for each, by number descending:
	 * the attributes of cert above, [revoked=TIME reason=N]; IS_DONE [more=yes
	 * after=NUMBER]. One answer looks at a bounded number of rows, so it may have
	 * fewer items than limit, or none, and more=yes */
	IS_FIND,
	/* issuer -> store, id: any: after=NUMBER [shard=N] expired_before=TIME limit=N
	 * (1..16000); IS_REVOKED entries=BYTES (number u64 | tail[12] | time u64 |
	 * reason u8, each) after=NUMBER [more=yes], same id; ascending by number. It
	 * may have fewer than limit, and more=yes: go on with its after= */
	IS_REVOKED_FROM,
	IS_REVOKED,
	/* issuer -> store, id: any: from=N count=N: IS_RECORD with id = index …, then
	 * IS_DONE; notes=yes: IS_NOTE text= instead, oldest first (id: its place, from
	 * which from= goes on). Commits wait until it is done: ask for a few thousand */
	IS_READ,
	IS_NOTE,
	/* issuer -> store, id: any: index=N size=N: IS_PROOF hash=BYTES(32) …;
	 * old=N size=N: a consistency proof. number=N instead of index: the record of
	 * that certificate's issuance (IS_PROOF has index= size= or old= size= too).
	 * Without size: all that the log has */
	IS_PROVE,
	IS_PROOF,
	/* issuer -> store, id: any: now=TIME soon=TIME; IS_COUNTS certs= revoked=
	 * (ever) valid= (not expired, not revoked) expiring= (valid ones that end
	 * before soon) alarms= (ever), same id */
	IS_COUNT,
	IS_COUNTS,
};

enum issuer_signer_kind {
	/* signer -> issuer, at its start, after INIT and RENEW: state=none; state=broken
	 * text=SENTENCE (the keys are there but cannot be used); or state=ready
	 * scope=LIST root=DER root_says=LIST(crl= ocsp_sha1= ocsp_sha256=) issuing=DER
	 * store=BYTES(16) (of the log's origin, note_origin("ca", store))
	 * root_key=yes|no (root.key is in the folder)
	 * next=N (numbers below are spent; at most 1,024 may be left out)
	 * log_key=BYTES(32) log_size=N (of the last checkpoint it signed) epoch=N
	 * signed=N chain=BYTES(32) */
	IG_STATE = 1,
	/* issuer -> signer, id: any: box=BYTES (to the signer's transport key: LIST
	 * passphrase=) scope=LIST key_type= bits= root_life= issuing_life=; answered by
	 * IG_STATE then IG_DONE, or IG_REFUSED error= text= */
	IG_INIT,
	/* issuer -> signer, id: any: box=BYTES (passphrase of the root key)
	 * issuing_life=: a new certificate for the same issuing key, signed by the
	 * root; IG_STATE, IG_DONE */
	IG_RENEW,
	IG_DONE,
	IG_REFUSED,
	/* issuer -> signer, id: any: profile=NAME tbs=DER [delay=N]; answered by
	 * IG_SIGNED certificate=DER signed=N chain=BYTES(32), or IG_REFUSED error=
	 * text= [next=N: as in IG_STATE] */
	IG_SIGN,
	IG_SIGNED,
	/* issuer -> signer, id: any: a fresh OCSP key; IG_OCSP_KEY spki=DER. Then
	 * IG_OCSP_USE certificate=DER makes it the one in use (IG_DONE) */
	IG_OCSP_NEW,
	IG_OCSP_KEY,
	IG_OCSP_USE,
	/* issuer -> signer, id: any: data=DER (ResponseData); IG_OCSP_SIGNED
	 * response=DER (the whole OCSPResponse), or IG_REFUSED */
	IG_OCSP,
	IG_OCSP_SIGNED,
	/* issuer -> signer, id: any: offset= size= fd: a memfd with a TBSCertList;
	 * IG_CRL_SIGNED signature=BYTES, or IG_REFUSED */
	IG_CRL,
	IG_CRL_SIGNED,
	/* issuer -> signer, id: any: size=N root=BYTES(32) time= generation=N;
	 * IG_NOTED note=TEXT (signed; carries epoch, count and chain) or IG_REFUSED */
	IG_NOTE,
	IG_NOTED,
};

/* issuer <-> dialer is enum dial_kind of lib/kinds.h. */

enum issuer_prober_kind {
	/* issuer -> prober: spki=DER host=NAME fd: the connection; then it answers
	 * IP_RESULT proven=yes|no text= and ends */
	IP_PROBE = 1,
	IP_RESULT,
};

#endif
