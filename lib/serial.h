/* Serial numbers of certificates (formats.md): which instance of the CA, which of its
 * issuances, and random bytes that nobody can foresee. */
#ifndef LIB_SERIAL_H
#define LIB_SERIAL_H

#include "lib/err.h"

enum {
	SERIAL_SIZE = 18, /* instance u8 | number u40 | random[12] */
	SERIAL_TAIL = 12, /* the random part */
	SERIAL_INSTANCE_MAX = 0x7f,
};

#define SERIAL_NUMBER_MAX ((1ull << 40) - 1)

struct serial {
	uint8_t b[SERIAL_SIZE];
};

/* instance 1..127, number 1..2^40-1. */
void serial_make(uint8_t instance, uint64_t number,
		 const uint8_t tail[SERIAL_TAIL], struct serial *s);
uint8_t serial_instance(const struct serial *s);
uint64_t serial_number(const struct serial *s);
const uint8_t *serial_tail(const struct serial *s);
/* 36 lower-case hex digits and NUL; and back: either case, colons between octets
 * allowed. ERR_INVALID for anything else. */
void serial_format(const struct serial *s, char out[2 * SERIAL_SIZE + 1]);
MUST enum err serial_parse(const char *text, size_t len, struct serial *s);

#endif
