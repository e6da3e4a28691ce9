/* cretula-request-key: speaks with the keeper; holds the token on its way there and
 * the agent's private key on its way back.
 *	helper -> keeper	UC_CLAIM agent= token= PROC
 *	keeper -> helper	UC_KEY payload= seconds= | UC_NO errno= seconds= text=
 *	helper -> keeper	UC_DONE errno= */
#include "tools/request-key/ask.h"

#include "certmgr/kinds.h"
#include "lib/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CLAIM_ID = 1,
	CLAIM_MAX = 4096,
	DONE_MAX = 128,
	/* beyond what the keeper keeps us waiting */
	ASK_MS = UPCALL_MS + 1000,
	/* an answer: the payload, its neighbours and a sentence */
	ANSWER_MAX = PAYLOAD_MAX + 4096,
	FIRST = 4096, /* as much as most answers have */
	ERRNO_MAX = 511,
};

static bool of_root(int folder, const char *name, mode_t kind, mode_t never)
{
	struct stat st;

	return !fstatat(folder, name, &st,
			AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) &&
	       (st.st_mode & S_IFMT) == kind && !st.st_uid &&
	       !(st.st_mode & never);
}

static bool set_patience(int sock)
{
	const struct timeval t = { .tv_sec = ASK_MS / 1000,
				   .tv_usec = ASK_MS % 1000 * 1000 };

	return !setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) &&
	       !setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

int ask_connect(const char instance[INSTANCE_LEN + 1])
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO(fd_close)
	int folder = openat(AT_FDCWD, UPCALL_FOLDER,
			    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(fd_close) int sock = -1;
	int out;

	if (folder < 0 || !of_root(folder, "", S_IFDIR, 077) ||
	    !of_root(folder, instance, S_IFSOCK, 022))
		return -1;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || !set_patience(sock))
		return -1;
	/* by the folder that was looked at, whatever has its name now */
	(void)snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s",
		       folder, instance);
	if (connect(sock, (const struct sockaddr *)&a, sizeof a))
		return -1;
	out = sock;
	sock = -1;
	return out;
}

static enum err send_all(int sock, const struct buf *b)
{
	for (size_t done = 0; done < b->len;) {
		ssize_t k =
			send(sock, b->p + done, b->len - done, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return ERR_UNAVAILABLE;
		done += (size_t)k;
	}
	return OK;
}

enum err ask_claim(int sock, const struct wanted *w, const struct buf *token,
		   const struct procinfo *p)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(buf_wipe) struct buf out = { 0 };

	attrs_init_secret(&a);
	buf_init_secret(&out, CLAIM_MAX);
	TRY(attrs_add_str(&a, "agent", w->agent));
	TRY(attrs_add(&a, "token", ATTR_CONFIDENTIAL, token->p, token->len));
	TRY(procinfo_format(p, &a));
	TRY(msg_put(&out, UC_CLAIM, CLAIM_ID, attrs_view(&a)));
	return send_all(sock, &out);
}

static enum err get_number(struct attr_view v, const char *name, uint64_t max,
			   uint64_t *n)
{
	struct attr a;

	TRY(attr_only(v, name, &a));
	return attr_u64(&a, max, n);
}

static enum err read_key(struct attr_view v, struct answer *out)
{
	struct attr payload;
	uint64_t seconds;

	TRY(attr_only(v, "payload", &payload));
	TRY(get_number(v, "seconds", SECONDS_MAX, &seconds));
	/* to the kernel, 0 seconds are for ever */
	if (!payload.len || payload.len > PAYLOAD_MAX || !seconds)
		return ERR_INVALID;
	*out = (struct answer){ .seconds = (unsigned)seconds,
				.payload = payload.value,
				.len = payload.len };
	return OK;
}

static enum err read_no(struct attr_view v, struct answer *out)
{
	uint64_t seconds, refused;

	TRY(get_number(v, "errno", ERRNO_MAX, &refused));
	TRY(get_number(v, "seconds", UINT64_MAX, &seconds));
	if (!refused)
		return ERR_INVALID;
	*out = (struct answer){ .seconds = (unsigned)MIN(seconds, REFUSE_S_MAX),
				.refused = (int)refused };
	return OK;
}

/* One read more of the answer. */
static enum err more(int sock, struct buf *in)
{
	uint32_t whole = 0;
	struct rd r = rd_from(in->p, in->len);
	ssize_t k;

	/* room for all of it at once, as soon as its length is known */
	if (rd_u32(&r, &whole) != OK)
		whole = FIRST;
	if (whole + 4 > in->len)
		TRY(buf_reserve(in, whole + 4 - in->len));
	do
		k = recv(sock, in->p + in->len, in->cap - in->len, 0);
	while (k < 0 && errno == EINTR);
	if (k <= 0)
		return ERR_UNAVAILABLE;
	in->len += (size_t)k;
	return OK;
}

enum err ask_answer(int sock, struct buf *in, struct answer *a)
{
	size_t used = 0;
	struct msg m;
	enum err e;

	buf_init_secret(in, ANSWER_MAX);
	for (;;) {
		if (more(sock, in) != OK)
			return ERR_UNAVAILABLE;
		e = msg_get(in->p, in->len, &m, &used, NULL);
		if (e != ERR_PENDING)
			break;
	}
	if (e != OK || used != in->len || m.id != CLAIM_ID)
		return ERR_UNAVAILABLE;
	e = m.kind == UC_KEY  ? read_key(m.attrs, a)
	    : m.kind == UC_NO ? read_no(m.attrs, a)
			      : ERR_INVALID;
	return e == OK ? OK : ERR_UNAVAILABLE;
}

void ask_done(int sock, int err_no)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(buf_wipe) struct buf out = { 0 };

	attrs_init(&a);
	buf_init(&out, DONE_MAX);
	if (attrs_add_u64(&a, "errno", (uint64_t)err_no) == OK &&
	    msg_put(&out, UC_DONE, CLAIM_ID, attrs_view(&a)) == OK)
		/* a keeper that has gone does not need to know */
		(void)!send_all(sock, &out);
}
