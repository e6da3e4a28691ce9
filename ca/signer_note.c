/* Part of the signer: checkpoints of the CA's log. They carry what was signed besides,
 * so that a log that leaves out a certificate is seen. */
#include "ca/signer.h"

#include <string.h>

static enum err note_take(const struct signer *s, struct attr_view v,
			  int64_t now, struct note *n, struct fault *f)
{
	uint64_t time;
	struct span root;

	TRY(signer_number(v, "size", MERKLE_SIZE_MAX, &n->size, f));
	TRY(signer_bytes(v, "root", MERKLE_HASH, &root, f));
	TRY(signer_number(v, "time", INT64_MAX, &time, f));
	TRY(signer_number(v, "generation", UINT64_MAX, &n->generation, f));
	memcpy(n->root.b, root.p, MERKLE_HASH);
	n->time = (int64_t)time;
	if (n->size < s->mark.now.log_size)
		return fault_set(f, ERR_CONFLICT,
				 "the log has %llu records, and had %llu when "
				 "its last checkpoint was signed",
				 (unsigned long long)n->size,
				 (unsigned long long)s->mark.now.log_size);
	if (!signer_near(n->time, now))
		return fault_set(
			f, ERR_INVALID,
			"the checkpoint's time is over 10 minutes off");
	return OK;
}

/* The size is on the disk before the checkpoint is anybody's. */
static enum err size_keep(struct mark *m, uint64_t size, struct fault *f)
{
	uint64_t before = m->now.log_size;
	enum err e;

	m->now.log_size = size;
	e = mark_write(m, f);
	if (e != OK)
		m->now.log_size = before;
	return e;
}

enum err signer_note(struct signer *s, struct attr_view v, int64_t now,
		     struct attrs *out, struct fault *f)
{
	struct note n = { .chained = true,
			  .count = s->mark.now.count,
			  .epoch = s->mark.now.epoch,
			  .chain = s->mark.now.chain };
	AUTO(buf_wipe) struct buf text = { 0 };

	buf_init(&text, NOTE_MAX);
	note_origin("ca", s->keys.store, n.origin);
	TRY(note_take(s, v, now, &n, f));
	TRY(note_sign(&n, s->keys.log_seed, &text));
	TRY(size_keep(&s->mark, n.size, f));
	return attrs_add(out, "note", 0, text.p, text.len);
}
