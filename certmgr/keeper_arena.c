/* Keeper: the arena. One slot an agent, in memory that outlives this process: a new
 * keeper finds the private keys there, and the plans of agents that were promised and
 * not stored yet. Private keys are nowhere else but in what is on its way to an agent.
 *
 * A slot carries a check over itself, written last: one that a dying keeper left half
 * written is free. Before the slots is a page that says which are used, so that memory
 * that nobody needs is never touched, and so never taken. */
#include "certmgr/keeper.h"

#include "lib/log.h"

#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	SLOT_SIZE = 4096,
	SLOT_CHECK = 16,
	ARENA_SMALL = 1024, /* pages */
};

_Static_assert((int)KEEPER_AGENTS <= (int)SLOT_SIZE,
	       "the first page has room for all");

struct arena_slot {
	uint8_t check[SLOT_CHECK]; /* first member; of all that follows */
	char owner[AGENT_ID_LEN + 1];
	uint16_t key_len[ARENA_KEYS];
	uint16_t plan_len;
	uint8_t key[ARENA_KEYS][KEEPER_PKCS8];
	uint8_t plan[KEEPER_PLAN];
};

_Static_assert(sizeof(struct arena_slot) <= SLOT_SIZE, "a slot has room");

/* Slots without an owner, the one to be used next at the end. */
static unsigned *free_slot, free_slots;

static struct arena_slot *at(unsigned slot)
{
	ENSURE(slot < keeper.slots);
	return (struct arena_slot *)(void *)(keeper.arena +
					     (size_t)(slot + 1) * SLOT_SIZE);
}

static bool used(unsigned slot)
{
	return keeper.arena[slot];
}

static void sum(const struct arena_slot *s, uint8_t out[SLOT_CHECK])
{
	ENSURE(!crypto_generichash(
		out, SLOT_CHECK, (const uint8_t *)s + SLOT_CHECK,
		offsetof(struct arena_slot, plan) - SLOT_CHECK + s->plan_len,
		NULL, 0));
}

static void seal(struct arena_slot *s)
{
	sum(s, s->check);
}

static bool whole(const struct arena_slot *s)
{
	uint8_t check[SLOT_CHECK];

	if (s->plan_len > KEEPER_PLAN || !s->owner[0] || s->owner[AGENT_ID_LEN])
		return false;
	for (unsigned k = 0; k < ARENA_KEYS; k++)
		if (s->key_len[k] > KEEPER_PKCS8)
			return false;
	sum(s, check);
	return secret_equal(check, s->check, SLOT_CHECK);
}

/* From the highest on, so that few pages are used. */
static void find_free(void)
{
	free_slot = xcalloc(keeper.slots, sizeof *free_slot);
	for (unsigned i = keeper.slots; i-- > 0;) {
		if (used(i) && whole(at(i)))
			continue;
		if (used(i)) {
			log_text(LOG_WARN, "arena",
				 "slot %u was left half written", i);
			secret_zero(at(i), sizeof(struct arena_slot));
			keeper.arena[i] = 0;
		}
		free_slot[free_slots++] = i;
	}
}

void arena_init(int fd)
{
	/* without memfd_secret no more than anybody may lock */
	size_t size =
		(size_t)(fd < 0 ? ARENA_SMALL : KEEPER_AGENTS + 1) * SLOT_SIZE;
	struct stat st;
	void *p;

	if (fd >= 0) {
		ENSURE(!fstat(fd, &st) && st.st_size >= 2 * SLOT_SIZE);
		size = MIN(size, (size_t)st.st_size);
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	ENSURE(p != MAP_FAILED);
	(void)madvise(p, size, MADV_DONTDUMP);
	if (fd < 0)
		(void)mlock2(p, size, MLOCK_ONFAULT);
	keeper.arena = p;
	keeper.slots = (unsigned)(size / SLOT_SIZE) - 1;
	keeper.arena_survives = fd >= 0;
	find_free();
}

unsigned arena_take(void)
{
	if (!free_slots)
		return UINT_MAX;
	keeper.arena[free_slot[--free_slots]] = 1;
	return free_slot[free_slots];
}

/* The first byte that is written to a page of it costs as much as all the rest of an
 * agent's start. */
void arena_warm(unsigned n)
{
	volatile uint8_t *first;

	if (!n || n > free_slots)
		return;
	first = (volatile uint8_t *)at(free_slot[free_slots - n]);
	*first = 0; /* as all of a free one */
}

void arena_free(unsigned slot)
{
	secret_zero(at(slot), sizeof(struct arena_slot));
	keeper.arena[slot] = 0;
	free_slot[free_slots++] = slot;
}

void arena_plan(unsigned slot, const char id[AGENT_ID_LEN + 1],
		struct attr_view plan)
{
	struct arena_slot *s = at(slot);

	ENSURE(plan.len <= KEEPER_PLAN);
	memcpy(s->owner, id, AGENT_ID_LEN + 1);
	if (plan.len)
		memcpy(s->plan, plan.p, plan.len);
	s->plan_len = (uint16_t)plan.len;
	seal(s);
}

void arena_plan_stored(unsigned slot)
{
	struct arena_slot *s = at(slot);

	s->plan_len = 0;
	seal(s);
}

void arena_key_put(unsigned slot, unsigned key, const uint8_t *pkcs8,
		   size_t len)
{
	struct arena_slot *s = at(slot);

	ENSURE(key < ARENA_KEYS && len <= KEEPER_PKCS8);
	memcpy(s->key[key], pkcs8, len);
	s->key_len[key] = (uint16_t)len;
	if (s->owner[0]) /* else its plan comes next */
		seal(s);
}

void arena_key_drop(unsigned slot, unsigned key)
{
	struct arena_slot *s = at(slot);

	ENSURE(key < ARENA_KEYS);
	secret_zero(s->key[key], sizeof s->key[key]);
	s->key_len[key] = 0;
	seal(s);
}

struct span arena_key(unsigned slot, unsigned key)
{
	const struct arena_slot *s = at(slot);

	ENSURE(key < ARENA_KEYS);
	return span_of(s->key[key], s->key_len[key]);
}

const char *arena_owner(unsigned slot)
{
	return used(slot) ? at(slot)->owner : "";
}

unsigned arena_of(const char *id)
{
	for (unsigned i = 0; i < keeper.slots; i++)
		if (!strcmp(arena_owner(i), id))
			return i;
	return UINT_MAX;
}

struct attr_view arena_plan_of(unsigned slot)
{
	const struct arena_slot *s = at(slot);

	return (struct attr_view){ .p = s->plan, .len = s->plan_len };
}
