/* Between crl_put.c and crl_reader.c: the fixed form of an entry of our lists.
 *
 *	30 len  02 12 serial[18]  17 0d YYMMDDhhmmssZ | 18 0f YYYYMMDDhhmmssZ
 *	[ 30 0c 30 0a 06 03 55 1d 15 04 03 0a 01 reason ]
 *
 * A million of them are written and read one byte after the other: the general DER
 * of lib/der.h takes several times as long. */
#ifndef LIB_CRL_FORM_H
#define LIB_CRL_FORM_H

#include "lib/crl.h"

enum {
	ENTRY_HEAD = 4, /* 30 len 02 12 */
	ENTRY_UTC = 13,
	ENTRY_GENERAL = 15,
	ENTRY_REASON = 13, /* before the reason's own octet */
	ENTRY_REASON_LAST = 10,
	TAG_EXTENSIONS = DER_CTX_SEQ | 0,
};

/* The first second of 2050, from which on there is no UTCTime. */
#define CRL_UTC_END 2524608000ll

extern const uint8_t crl_reason_form[ENTRY_REASON];

/* 1..6, 9, 10. */
bool crl_reason_ok(unsigned reason);

/* Tag and length of a value whose body comes later. */
MUST enum err crl_big_put(struct buf *b, unsigned tag, uint64_t n);

#endif
