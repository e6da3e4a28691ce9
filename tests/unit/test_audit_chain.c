/* lib/audit_chain.c: the signer's running hash, followed and broken. */
#include "lib/audit_chain.h"
#include "lib/enc.h"
#include "lib/serial.h"
#include "tests/unit/unit.h"

#include <string.h>

/* A signer: each signature makes a record. */
struct signer {
	uint64_t count;
	struct merkle_hash chain;
};

static void sign(struct signer *s, uint64_t number, struct attrs *record)
{
	uint8_t in[2 * MERKLE_HASH + 8] = { 0 };
	char hex[2 * MERKLE_HASH + 1];
	struct merkle_hash tbs;
	struct serial serial;
	uint8_t tail[SERIAL_TAIL] = { 7 };

	merkle_sha256(&number, sizeof number, NULL, 0, &tbs);
	memcpy(in, s->chain.b, MERKLE_HASH);
	for (int i = 0; i < 8; i++)
		in[MERKLE_HASH + i] = (uint8_t)(number >> (56 - 8 * i));
	memcpy(in + MERKLE_HASH + 8, tbs.b, MERKLE_HASH);
	merkle_sha256(in, sizeof in, NULL, 0, &s->chain);
	s->count++;
	if (!record)
		return;
	attrs_clear(record);
	serial_make(1, number, tail, &serial);
	serial_format(&serial, hex);
	assert_int_equal(attrs_add_str(record, "serial", hex), OK);
	assert_int_equal(attrs_add_u64(record, "signed", s->count), OK);
	enc_hex(s->chain.b, MERKLE_HASH, hex);
	assert_int_equal(attrs_add_str(record, "chain", hex), OK);
	enc_hex(tbs.b, MERKLE_HASH, hex);
	assert_int_equal(attrs_add_str(record, "tbs", hex), OK);
}

static struct note note_of(const struct signer *s)
{
	struct note n = { .chained = true, .count = s->count };

	n.chain = s->chain;
	return n;
}

struct place {
	struct signer signer;
	struct audit_chain chain;
	struct attrs record;
	struct fault f;
};

static void begin(struct place *p)
{
	*p = (struct place){ .f = { .code = OK } };
	attrs_init(&p->record);
	for (uint64_t n = 3; n < 9; n++) {
		sign(&p->signer, n, &p->record);
		assert_int_equal(audit_chain_record(&p->chain,
						    attrs_view(&p->record),
						    &p->f),
				 OK);
	}
}

static enum err give(struct place *p)
{
	return audit_chain_record(&p->chain, attrs_view(&p->record), &p->f);
}

static void test_what_was_logged_follows(void **state)
{
	struct place p;
	struct note n;

	(void)state;
	begin(&p);
	n = note_of(&p.signer);
	assert_int_equal(audit_chain_end(&p.chain, &n, &p.f), OK);
	assert_int_equal(p.chain.count, 6);
	assert_int_equal(p.chain.missing, 0);
	attrs_wipe(&p.record);
}

static void test_other_records_do_not_matter(void **state)
{
	struct place p;

	(void)state;
	begin(&p);
	attrs_clear(&p.record);
	assert_int_equal(attrs_add_str(&p.record, "event", "revoke"), OK);
	assert_int_equal(give(&p), OK);
	assert_int_equal(p.chain.count, 6);
	attrs_wipe(&p.record);
}

static void test_one_that_is_left_out_is_missing(void **state)
{
	struct place p;

	(void)state;
	begin(&p);
	sign(&p.signer, 9, NULL);
	sign(&p.signer, 10, &p.record);
	assert_int_equal(give(&p), OK);
	assert_int_equal(p.chain.missing, 1);
	attrs_wipe(&p.record);
}

static void test_one_at_the_end_is_missing_by_the_checkpoint(void **state)
{
	struct place p;
	struct note n;

	(void)state;
	begin(&p);
	sign(&p.signer, 9, NULL);
	n = note_of(&p.signer);
	assert_int_equal(audit_chain_end(&p.chain, &n, &p.f), OK);
	assert_int_equal(p.chain.missing, 1);
	attrs_wipe(&p.record);
}

/* Signed twice in one place, logged once: the number of signatures fits, the hash
 * does not. */
static void test_one_that_is_exchanged_breaks_the_chain(void **state)
{
	struct signer forged;
	struct place p;

	(void)state;
	begin(&p);
	forged = p.signer;
	sign(&p.signer, 9, NULL);
	sign(&forged, 10, NULL);
	sign(&p.signer, 11, &p.record);
	p.chain.count = forged.count;
	p.chain.chain = forged.chain;
	assert_int_equal(give(&p), ERR_INVALID);
	assert_non_null(strstr(p.f.text, "does not follow"));
	attrs_wipe(&p.record);
}

static void test_a_checkpoint_of_another_chain_is_a_fault(void **state)
{
	struct place p;
	struct note n;

	(void)state;
	begin(&p);
	n = note_of(&p.signer);
	n.chain.b[0] ^= 1;
	assert_int_equal(audit_chain_end(&p.chain, &n, &p.f), ERR_INVALID);
	attrs_wipe(&p.record);
}

static void test_a_signer_that_lost_count_is_counted(void **state)
{
	struct place p;

	(void)state;
	begin(&p);
	p.signer.count = 2;
	sign(&p.signer, 9, &p.record);
	assert_int_equal(give(&p), OK);
	assert_int_equal(p.chain.restarts, 1);
	sign(&p.signer, 10, &p.record);
	assert_int_equal(give(&p), OK);
	attrs_wipe(&p.record);
}

static void test_a_record_that_cannot_be_read_is_a_fault(void **state)
{
	struct place p;

	(void)state;
	begin(&p);
	attrs_clear(&p.record);
	assert_int_equal(attrs_add_str(&p.record, "chain", "00"), OK);
	assert_int_equal(give(&p), ERR_INVALID);
	attrs_wipe(&p.record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_logged_follows),
		cmocka_unit_test(test_other_records_do_not_matter),
		cmocka_unit_test(test_one_that_is_left_out_is_missing),
		cmocka_unit_test(
			test_one_at_the_end_is_missing_by_the_checkpoint),
		cmocka_unit_test(test_one_that_is_exchanged_breaks_the_chain),
		cmocka_unit_test(test_a_checkpoint_of_another_chain_is_a_fault),
		cmocka_unit_test(test_a_signer_that_lost_count_is_counted),
		cmocka_unit_test(test_a_record_that_cannot_be_read_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
