/* What credd's own processes say to each other, beside what is in lib/kinds.h: one
 * enum per pair. Every message is lib/msg.h's; its attributes are named here. "fd:"
 * is a descriptor beside it. */
#ifndef CREDD_KINDS_H
#define CREDD_KINDS_H

#include "lib/kinds.h"

enum credd_sup_kind {
	/* vault -> supervisor: the modules, please; supervisor -> vault: one of
	 * them, name=M, fd: a sealed memfd with its bytes; SUP_MODULES_END */
	SUP_MODULES = SUP_OWN,
	SUP_MODULE,
	SUP_MODULES_END,
	/* vault -> supervisor: transport key=BYTES to publish beside api.sock */
	SUP_TRANSPORT,
	/* vault -> supervisor: unsealed, the arena holds the key; sealed */
	SUP_UNSEALED,
	SUP_SEALED,
	/* vault -> supervisor: text=LINE to publish as seal.pub beside api.sock;
	 * supervisor -> vault: it is there, and so is the transport key before it,
	 * or the log says why not */
	SUP_SEAL_PUB,
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
