/* A core (vault, keeper, issuer): the writing side of the audit log. Holds the log's
 * Ed25519 seed, the tree of what is kept, and the records that are not kept yet.
 *	core -> store	RS_APPEND records | RS_CHECKPOINT note frontier
 *	store -> core	RS_APPENDED size | RS_FAILED first | RS_DONE */
#include "lib/audit.h"

#include "lib/audit_state.h"
#include "lib/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
	RING_FIRST = 1024,
	RECORD_EXTRA = 16, /* what a record costs in a batch beside its bytes */
	WHEN_POINT = sizeof "2026-01-02T03:04:05" - 1, /* then .123456Z */
};

struct waiting *audit_waiting_at(const struct audit *a, size_t i)
{
	return &a->ring[(a->head + i) & (a->cap - 1)];
}

void audit_take_note(struct audit *a, const struct audit_tail *t)
{
	a->noting = false;
	a->noted = t->noted;
	a->note_size = t->noted ? t->note.size : 0;
	a->note_generation = t->noted ? t->note.generation : 0;
}

struct audit *audit_new_unsigned(const struct audit_tail *t, const char *origin,
				 const uint8_t key[NOTE_PUBLIC],
				 const struct audit_sink *sink)
{
	struct audit *a = xcalloc(1, sizeof *a);
	size_t n = strnlen(origin, NOTE_ORIGIN_MAX + 1);

	ENSURE(n <= NOTE_ORIGIN_MAX);
	memcpy(a->origin, origin, n);
	a->sink = *sink;
	memcpy(a->key, key, NOTE_PUBLIC);
	a->kept = t->tree;
	audit_take_note(a, t);
	a->cap = RING_FIRST;
	a->ring = xcalloc(a->cap, sizeof *a->ring);
	a->batch = xcalloc(AUDIT_BATCH_MAX, sizeof *a->batch);
	attrs_init(&a->scratch);
	a->second = -1;
	return a;
}

struct audit *audit_new(const struct audit_tail *t, const char *origin,
			const struct secret *seed,
			const struct audit_sink *sink, bool sync)
{
	uint8_t key[NOTE_PUBLIC];
	struct audit *a;

	note_public(seed, key);
	a = audit_new_unsigned(t, origin, key, sink);
	a->seed = secret_from(secret_bytes(seed));
	a->sync = sync;
	return a;
}

/* Forgets the newest record. */
static void drop_last(struct audit *a)
{
	struct waiting *w = audit_waiting_at(a, --a->count);

	a->bytes -= w->len;
	mem_free(&w->p);
}

void audit_keep_first(struct audit *a)
{
	struct waiting *w = audit_waiting_at(a, 0);
	struct merkle_hash leaf;

	merkle_leaf(w->p, w->len, &leaf);
	merkle_append(&a->kept, &leaf);
	a->bytes -= w->len;
	mem_free(&w->p);
	a->head = (a->head + 1) & (a->cap - 1);
	a->count--;
}

void audit_free(struct audit **ap)
{
	struct audit *a = *ap;

	if (!a)
		return;
	while (a->count)
		drop_last(a);
	denials_wipe(&a->denials);
	attrs_wipe(&a->scratch);
	secret_drop(&a->seed);
	free(a->batch);
	free(a->ring);
	free(a);
	*ap = NULL;
}

uint64_t audit_size(const struct audit *a)
{
	return a->kept.size + a->count;
}

uint64_t audit_kept(const struct audit *a)
{
	return a->kept.size;
}

const uint8_t *audit_key(const struct audit *a)
{
	return a->key;
}

/* Records */

static void ring_grow(struct audit *a)
{
	struct waiting *ring = xcalloc(2 * a->cap, sizeof *ring);

	for (size_t i = 0; i < a->count; i++)
		ring[i] = *audit_waiting_at(a, i);
	free(a->ring);
	a->ring = ring;
	a->cap *= 2;
	a->head = 0;
}

static enum err add_time(struct audit *a, uint64_t wall)
{
	int64_t second = (int64_t)(wall / CLOCK_SECOND);
	uint64_t us = wall % CLOCK_SECOND / 1000;

	if (second != a->second) {
		clock_format(second, a->when);
		a->second = second;
		a->when[WHEN_POINT] = '.';
		a->when[WHEN_POINT + 7] = 'Z';
	}
	for (size_t i = 6; i > 0; i--, us /= 10)
		a->when[WHEN_POINT + i] = (char)('0' + us % 10);
	return attrs_add(&a->scratch, "time", 0, a->when, WHEN_POINT + 8);
}

static bool is_plain(struct attr_view v)
{
	struct attr one;

	while (attr_next(&v, &one))
		if (one.flags & ATTR_CONFIDENTIAL)
			return false;
	return true;
}

/* Copies, but of a confidential attribute only that there was one. */
static enum err add_view(struct attrs *to, struct attr_view v)
{
	struct attr one;

	if (is_plain(v))
		return attrs_add_view(to, v);
	while (attr_next(&v, &one)) {
		if (one.flags & ATTR_CONFIDENTIAL)
			one.len = 0;
		TRY(attrs_add_attr(to, &one));
	}
	return OK;
}

static enum err check_waiting(const struct audit *a, uint64_t boot,
			      unsigned flags, struct fault *f)
{
	if (!(flags & AUDIT_ADMIN) && boot < a->full_until)
		return fault_set(
			f, ERR_UNAVAILABLE,
			"the audit log cannot be written, so nothing is "
			"done: is the disk full");
	if (a->count < AUDIT_PENDING_MAX &&
	    a->bytes + a->scratch.bytes.len <= AUDIT_PENDING_BYTES)
		return OK;
	return fault_set(f, ERR_UNAVAILABLE,
			 "too many audit records wait to be written: try again "
			 "later");
}

/* The record in scratch joins those that wait. */
static enum err record_wait(struct audit *a, uint64_t boot, unsigned flags,
			    uint64_t *index, struct fault *f)
{
	const struct buf *b = &a->scratch.bytes;

	if (b->len > AUDIT_RECORD_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the audit record would be over %d bytes",
				 AUDIT_RECORD_MAX);
	TRY(check_waiting(a, boot, flags, f));
	if (a->count == a->cap)
		ring_grow(a);
	*index = audit_size(a);
	*audit_waiting_at(a, a->count) =
		(struct waiting){ .p = xmemdup(b->p, b->len),
				  .len = (uint32_t)b->len,
				  .admin = flags & AUDIT_ADMIN };
	a->bytes += b->len;
	a->count++;
	return OK;
}

static enum err too_large(enum err e, struct fault *f)
{
	return e == OK ? OK : fault_set(f, e, "the audit record is too large");
}

enum err audit_record(struct audit *a, struct audit_now now,
		      struct attr_view what, unsigned flags, uint64_t *index,
		      struct fault *f)
{
	attrs_clear(&a->scratch);
	TRY(add_time(a, now.wall));
	TRY(too_large(add_view(&a->scratch, what), f));
	return record_wait(a, now.boot, flags, index, f);
}

enum err audit_denial(struct audit *a, struct audit_now now,
		      struct attr_view what, struct attr_view once,
		      uint64_t *index, struct fault *f)
{
	struct denial *one = denials_find(&a->denials, what, now.boot);

	if (one) {
		one->count++;
		*index = one->index;
		return OK;
	}
	audit_denials(a, now, false);
	attrs_clear(&a->scratch);
	TRY(add_time(a, now.wall));
	TRY(too_large(add_view(&a->scratch, what), f));
	TRY(too_large(add_view(&a->scratch, once), f));
	TRY(record_wait(a, now.boot, 0, index, f));
	(void)denials_add(&a->denials, what, *index, now.boot + CLOCK_SECOND);
	return OK;
}

static enum err write_count(struct audit *a, struct audit_now now,
			    const struct denial *one)
{
	struct attr_view what = { one->what, one->len };
	uint64_t index;

	attrs_clear(&a->scratch);
	TRY(add_time(a, now.wall));
	TRY(add_view(&a->scratch, what));
	TRY(attrs_add_u64(&a->scratch, "count", one->count));
	return record_wait(a, now.boot, 0, &index, NULL);
}

void audit_denials(struct audit *a, struct audit_now now, bool all)
{
	struct denials *d = &a->denials;

	for (unsigned i = d->used; i-- > 0;) {
		struct denial *one = &d->at[i];

		if (!one->what || (!all && now.boot < one->until))
			continue;
		if (one->count && write_count(a, now, one) != OK)
			one->until = now.boot + CLOCK_SECOND;
		else
			denials_drop(d, one);
	}
}

/* To the sink and back */

/* The oldest records of one class (admin or not) that fit one message. */
static unsigned next_batch(struct audit *a, bool *admin)
{
	unsigned n = 0;
	size_t bytes = 0;

	*admin = audit_waiting_at(a, 0)->admin;
	while (n < a->count && n < AUDIT_BATCH_MAX) {
		const struct waiting *w = audit_waiting_at(a, n);

		bytes += w->len + RECORD_EXTRA;
		if (w->admin != *admin || bytes > AUDIT_BATCH_BYTES)
			break;
		a->batch[n++] = (struct attr_view){ w->p, w->len };
	}
	return n;
}

enum err audit_send(struct audit *a)
{
	unsigned flags = a->sync ? AUDIT_SYNC : 0, n;
	bool admin;
	enum err e;

	if (a->flying || !a->count)
		return OK;
	n = next_batch(a, &admin);
	a->flying = n; /* a sink may answer before it returns */
	e = a->sink.append(a->sink.arg, a->kept.size, a->batch, n,
			   flags | (admin ? AUDIT_ADMIN : 0));
	if (e != OK)
		a->flying = 0;
	return e;
}

enum err audit_again(struct audit *a, unsigned n)
{
	if (a->flying || n > a->count)
		return ERR_INVALID;
	a->flying = n;
	return OK;
}

bool audit_behind(const struct audit *a, size_t records, size_t bytes)
{
	return a->count - a->flying > records || a->bytes > bytes;
}

enum err audit_acked(struct audit *a, uint64_t size)
{
	if (!a->flying || size != a->kept.size + a->flying)
		return ERR_INVALID;
	for (; a->flying; a->flying--)
		audit_keep_first(a);
	return OK;
}

/* Denials are counted on top of a record; without that record, so not. */
static void drop_denials(struct audit *a, uint64_t first)
{
	for (unsigned i = a->denials.used; i-- > 0;) {
		struct denial *one = &a->denials.at[i];

		if (one->what && one->index >= first)
			denials_drop(&a->denials, one);
	}
}

enum err audit_failed(struct audit *a, uint64_t first, uint64_t boot)
{
	if (!a->flying || first < a->kept.size ||
	    first >= a->kept.size + a->flying)
		return ERR_INVALID;
	while (a->kept.size < first)
		audit_keep_first(a);
	while (a->count)
		drop_last(a);
	a->flying = 0;
	if (boot)
		a->full_until = boot + CLOCK_SECOND;
	drop_denials(a, first);
	return OK;
}

/* Checkpoints */

/* When the next checkpoint is due, if there is anything for it to cover. */
static uint64_t checkpoint_at(const struct audit *a)
{
	uint64_t more = a->kept.size - a->note_size;
	uint64_t wait = more >= AUDIT_CHECKPOINT_RECORDS
				? AUDIT_CHECKPOINT_APART
				: AUDIT_CHECKPOINT_SECONDS;

	if (a->noting || !more)
		return UINT64_MAX;
	return a->note_boot + wait * CLOCK_SECOND;
}

bool audit_checkpoint_due(const struct audit *a, uint64_t boot)
{
	uint64_t at = checkpoint_at(a);

	return at != UINT64_MAX && (!a->note_boot || boot >= at);
}

static enum err make_note(const struct audit *a, const struct note *n,
			  struct buf *text, struct buf *frontier)
{
	if (a->seed)
		TRY(note_sign(n, a->seed, text));
	return merkle_format(&a->kept, frontier);
}

enum err audit_checkpoint(struct audit *a, struct audit_now now,
			  uint64_t generation)
{
	struct note n = { .size = a->kept.size,
			  .time = (int64_t)(now.wall / CLOCK_SECOND),
			  .generation = generation };
	AUTO(buf_wipe) struct buf text = { .max = NOTE_MAX };
	AUTO(buf_wipe) struct buf frontier = { .max = MERKLE_BYTES_MAX };
	enum err e;

	if (a->noting || (a->noted && a->note_size == n.size &&
			  a->note_generation == generation))
		return OK;
	memcpy(n.origin, a->origin, sizeof n.origin);
	merkle_root(&a->kept, &n.root);
	TRY(make_note(a, &n, &text, &frontier));
	a->note_boot = now.boot;
	a->noting = true; /* a sink may answer before it returns */
	a->next_size = n.size;
	a->next_generation = generation;
	e = a->sink.checkpoint(a->sink.arg, &n,
			       (struct attr_view){ text.p, text.len },
			       (struct attr_view){ frontier.p, frontier.len });
	if (e != OK)
		a->noting = false;
	return e;
}

void audit_noted(struct audit *a, bool written)
{
	if (!a->noting)
		return;
	a->noting = false;
	if (!written)
		return;
	a->noted = true;
	a->note_size = a->next_size;
	a->note_generation = a->next_generation;
}

uint64_t audit_deadline(const struct audit *a)
{
	uint64_t at = denials_deadline(&a->denials);

	if (a->count && !a->flying)
		return 0;
	return MIN(at, checkpoint_at(a));
}
