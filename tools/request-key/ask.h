/* The helper's dialogue with the keeper of the certmgr that an agent belongs to
 * (certmgr/kinds.h, enum upcall_kind). */
#ifndef REQUEST_KEY_ASK_H
#define REQUEST_KEY_ASK_H

#include "lib/buf.h"
#include "lib/procinfo.h"
#include "tools/request-key/text.h"

enum {
	SECONDS_MAX = 366 * 86400, /* that a key may live */
	REFUSE_S_MAX = 60,         /* that a refusal may stand */
	REFUSE_S = 1,              /* it stands if nobody says otherwise */
	PAYLOAD_MAX = 32767,       /* bytes: what a key of type user takes */
};

/* What came of it. A payload borrows from `in`. */
struct answer {
	int refused; /* an errno; 0: there is a payload */
	unsigned seconds;
	const uint8_t *payload;
	size_t len;
};

/* Connects; only to a socket of root's in a folder of root's. -1: there is none. */
int ask_connect(const char instance[INSTANCE_LEN + 1]);

/* Sends the claim. */
MUST enum err ask_claim(int sock, const struct wanted *w,
			const struct buf *token, const struct procinfo *p);

/* Waits for the answer; in is a secret buffer. ERR_UNAVAILABLE: no answer, or no
 * readable one. */
MUST enum err ask_answer(int sock, struct buf *in, struct answer *a);

/* Tells what became of the key. */
void ask_done(int sock, int err_no);

#endif
