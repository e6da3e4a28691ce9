/* The command (`cretula audit verify`): holds the log's public key and hashes. Nothing
 * it is given is trusted but the key and the `since` checkpoint. */
#include "lib/audit_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

struct expected {
	uint64_t number, size;
	struct merkle_hash root;
};

struct audit_verify {
	uint8_t key[NOTE_PUBLIC];
	char origin[NOTE_ORIGIN_MAX + 1]; /* empty: not known yet */
	struct merkle tree;
	struct expected *at; /* checkpoints whose records are to come */
	size_t head, count, cap;
	uint64_t notes; /* given */
	struct note last;
	bool since;
	struct note since_note;
	struct audit_verdict got;
};

struct audit_verify *audit_verify_new(const char *origin,
				      const uint8_t key[NOTE_PUBLIC])
{
	struct audit_verify *v = xcalloc(1, sizeof *v);

	if (origin) {
		size_t n = strnlen(origin, NOTE_ORIGIN_MAX);

		memcpy(v->origin, origin, n);
	}
	memcpy(v->key, key, NOTE_PUBLIC);
	merkle_init(&v->tree);
	v->got.good = true;
	return v;
}

void audit_verify_free(struct audit_verify **v)
{
	if (!*v)
		return;
	free((*v)->at);
	free(*v);
	*v = NULL;
}

/* Only the first fault is told: what follows one may follow from it. */
#define BAD(v, ...)                                                            \
	((v)->got.good = false,                                                \
	 fault_set(&(v)->got.fault, ERR_INVALID, __VA_ARGS__))

static enum err check_root(struct audit_verify *v, uint64_t number,
			   const struct merkle_hash *want)
{
	struct merkle_hash root;

	merkle_root(&v->tree, &root);
	if (merkle_equal(&root, want)) {
		v->got.notes++;
		v->got.covered = v->tree.size;
		return OK;
	}
	if (v->got.covered == v->tree.size)
		return BAD(v,
			   "checkpoint %llu contradicts the one before it, of "
			   "the same size %llu",
			   (ull)number, (ull)v->tree.size);
	return BAD(v,
		   "the records do not agree with checkpoint %llu: one of "
		   "records %llu to %llu was changed, moved, added or removed",
		   (ull)number, (ull)v->got.covered, (ull)v->tree.size - 1);
}

static enum err check_since(struct audit_verify *v)
{
	struct merkle_hash root;

	if (!v->since || v->since_note.size != v->tree.size)
		return OK;
	merkle_root(&v->tree, &root);
	if (!merkle_equal(&root, &v->since_note.root))
		return BAD(
			v,
			"the log is not the one the given checkpoint was made "
			"of: its first %llu records are others now",
			(ull)v->tree.size);
	v->got.since = true;
	return OK;
}

/* Whatever was said about a tree of the present size. */
static enum err check_here(struct audit_verify *v)
{
	while (v->head < v->count && v->at[v->head].size == v->tree.size) {
		struct expected *e = &v->at[v->head++];

		TRY(check_root(v, e->number, &e->root));
	}
	return check_since(v);
}

enum err audit_verify_since(struct audit_verify *v, const void *text,
			    size_t len, struct fault *f)
{
	TRY(note_verify(text, len, v->key, *v->origin ? v->origin : NULL,
			&v->since_note, f));
	if (v->tree.size || v->since)
		return fault_set(
			f, ERR_CONFLICT,
			"the checkpoint to begin with must come before "
			"the records");
	memcpy(v->origin, v->since_note.origin, sizeof v->origin);
	v->since = true;
	v->got.since_size = v->since_note.size;
	return v->got.good ? check_since(v) : OK;
}

static enum err expect(struct audit_verify *v, const struct note *n)
{
	if (v->head == v->count)
		v->head = v->count = 0;
	if (v->count == VERIFY_NOTES_MAX)
		return BAD(v, "more than %d checkpoints at once",
			   VERIFY_NOTES_MAX);
	if (v->count == v->cap) {
		v->cap = v->cap ? 2 * v->cap : 64;
		v->at = xrealloc(v->at, v->cap * sizeof *v->at);
	}
	v->at[v->count++] = (struct expected){ .number = v->notes,
					       .size = n->size,
					       .root = n->root };
	return OK;
}

static enum err check_order(struct audit_verify *v, const struct note *n)
{
	if (v->notes && n->size < v->last.size)
		return BAD(
			v,
			"checkpoint %llu covers %llu records, fewer than the "
			"%llu of the one before it",
			(ull)v->notes, (ull)n->size, (ull)v->last.size);
	if (v->notes && n->generation < v->last.generation)
		return BAD(v,
			   "checkpoint %llu is of the store's generation %llu, "
			   "the one before it of %llu: an older store was put "
			   "back",
			   (ull)v->notes, (ull)n->generation,
			   (ull)v->last.generation);
	if (n->size < v->tree.size)
		return BAD(v,
			   "checkpoint %llu, of %llu records, was given after "
			   "record %llu",
			   (ull)v->notes, (ull)n->size, (ull)v->tree.size - 1);
	return OK;
}

enum err audit_verify_note(struct audit_verify *v, const void *text, size_t len)
{
	struct fault why;
	struct note n;

	if (!v->got.good)
		return v->got.fault.code;
	if (note_verify(text, len, v->key, *v->origin ? v->origin : NULL, &n,
			&why) != OK)
		return BAD(v, "checkpoint %llu is not good: %s", (ull)v->notes,
			   why.text);
	TRY(check_order(v, &n));
	memcpy(v->origin, n.origin, sizeof v->origin);
	TRY(expect(v, &n));
	v->last = n;
	v->notes++;
	return check_here(v);
}

enum err audit_verify_record(struct audit_verify *v, const void *record,
			     size_t len)
{
	struct merkle_hash leaf;
	struct attr_view list;
	struct fault why;

	if (!v->got.good)
		return v->got.fault.code;
	if (!len)
		return BAD(v, "record %llu is empty", (ull)v->tree.size);
	if (attr_parse(record, len, &list, &why) != OK)
		return BAD(v, "record %llu is no attribute list: %s",
			   (ull)v->tree.size, why.text);
	merkle_leaf(record, len, &leaf);
	merkle_append(&v->tree, &leaf);
	return check_here(v);
}

static enum err check_end(struct audit_verify *v, uint64_t size)
{
	if (!v->got.good)
		return v->got.fault.code;
	if (v->head < v->count)
		return BAD(v,
			   "the log was cut: it holds %llu records, checkpoint "
			   "%llu covers %llu",
			   (ull)v->tree.size, (ull)v->at[v->head].number,
			   (ull)v->at[v->head].size);
	if (v->since && !v->got.since)
		return BAD(v,
			   "the log was cut: it holds %llu records, the given "
			   "checkpoint covers %llu",
			   (ull)v->tree.size, (ull)v->since_note.size);
	if (v->since && v->notes &&
	    v->last.generation < v->since_note.generation)
		return BAD(v,
			   "the last checkpoint is of the store's generation "
			   "%llu, the given one of %llu",
			   (ull)v->last.generation,
			   (ull)v->since_note.generation);
	if (size != UINT64_MAX && size != v->tree.size)
		return BAD(v,
			   "the log says that it holds %llu records, but gave "
			   "%llu",
			   (ull)size, (ull)v->tree.size);
	return OK;
}

static void summarise(struct audit_verdict *d)
{
	uint64_t bare = d->records - d->covered;
	char tail[96] = "", cut[192];

	if (!d->good) {
		memcpy(d->summary, d->fault.text, sizeof d->summary);
		return;
	}
	if (bare)
		snprintf(tail, sizeof tail,
			 "; the last %llu are not under a checkpoint yet",
			 (ull)bare);
	if (d->since)
		snprintf(
			cut, sizeof cut,
			"the log extends the given checkpoint of %llu records: "
			"none of those was cut or changed",
			(ull)d->since_size);
	else
		snprintf(
			cut, sizeof cut,
			"that its end was cut off cannot be excluded without an "
			"earlier checkpoint kept elsewhere (--since)");
	snprintf(d->summary, sizeof d->summary,
		 "%llu records agree with %llu checkpoints%s; %s",
		 (ull)d->records, (ull)d->notes, tail, cut);
}

enum err audit_verify_end(struct audit_verify *v, uint64_t size,
			  struct audit_verdict *out)
{
	enum err e = check_end(v, size);

	v->got.records = v->tree.size;
	v->got.generation = v->last.generation;
	v->got.since = v->got.since && v->got.good;
	summarise(&v->got);
	*out = v->got;
	return e;
}
