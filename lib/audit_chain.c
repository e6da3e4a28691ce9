/* Replays a signer's running hash; the command's audit verify. Holds nothing. */
#include "lib/audit_chain.h"

#include "lib/enc.h"
#include "lib/serial.h"

#include <string.h>

enum {
	CHAIN_NUMBER = 8, /* bytes of a number in the hash */
};

struct link {
	uint64_t count, number;
	struct merkle_hash chain, tbs;
};

static enum err get_hash(struct attr_view v, const char *name,
			 struct merkle_hash *out)
{
	struct attr a;

	TRY(attr_only(v, name, &a));
	return enc_hex_parse((const char *)a.value, a.len, out->b,
			     sizeof out->b);
}

static enum err get_link(struct attr_view v, struct link *l)
{
	struct serial s;
	struct attr a;

	TRY(attr_only(v, "signed", &a));
	TRY(attr_u64(&a, INT64_MAX, &l->count));
	TRY(attr_only(v, "serial", &a));
	TRY(serial_parse((const char *)a.value, a.len, &s));
	l->number = serial_number(&s);
	TRY(get_hash(v, "chain", &l->chain));
	return get_hash(v, "tbs", &l->tbs);
}

static void follow(const struct audit_chain *c, const struct link *l,
		   struct merkle_hash *out)
{
	uint8_t head[MERKLE_HASH + CHAIN_NUMBER];

	memcpy(head, c->chain.b, MERKLE_HASH);
	for (size_t i = 0; i < CHAIN_NUMBER; i++)
		head[MERKLE_HASH + i] =
			(uint8_t)(l->number >> 8 * (CHAIN_NUMBER - 1 - i));
	merkle_sha256(head, sizeof head, l->tbs.b, MERKLE_HASH, out);
}

enum err audit_chain_record(struct audit_chain *c, struct attr_view record,
			    struct fault *f)
{
	struct merkle_hash next;
	struct link l = { 0 };
	struct attr a;

	if (!attr_find(record, "chain", &a))
		return OK;
	if (get_link(record, &l) != OK)
		return fault_set(f, ERR_INVALID,
				 "a record of an issuance has no readable "
				 "signed=, serial=, chain= and tbs=");
	follow(c, &l, &next);
	if (c->begun && l.count == c->count + 1 &&
	    !merkle_equal(&next, &l.chain))
		return fault_set(
			f, ERR_INVALID,
			"the signer's running hash at its signature %llu does "
			"not follow from the one before: a certificate was "
			"exchanged or left out",
			(unsigned long long)l.count);
	if (c->begun && l.count > c->count + 1)
		c->missing += l.count - c->count - 1;
	if (c->begun && l.count <= c->count)
		c->restarts++;
	c->begun = true;
	c->count = l.count;
	c->chain = l.chain;
	return OK;
}

enum err audit_chain_end(struct audit_chain *c, const struct note *last,
			 struct fault *f)
{
	if (!last->chained || !c->begun)
		return OK;
	if (last->count > c->count)
		c->missing += last->count - c->count;
	if (last->count != c->count || merkle_equal(&last->chain, &c->chain))
		return OK;
	return fault_set(f, ERR_INVALID,
			 "the last checkpoint says another running hash of the "
			 "signer than the log");
}
