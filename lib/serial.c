/* Used by ca (issuer, store, signer), its responder and the command; holds nothing. */
#include "lib/serial.h"

#include "lib/base.h"
#include "lib/enc.h"

#include <string.h>

enum {
	NUMBER_AT = 1,
	NUMBER_SIZE = 5,
	TAIL_AT = NUMBER_AT + NUMBER_SIZE,
	COLON_TEXT = 3 * SERIAL_SIZE - 1,
};

void serial_make(uint8_t instance, uint64_t number,
		 const uint8_t tail[SERIAL_TAIL], struct serial *s)
{
	ENSURE(instance > 0 && instance <= SERIAL_INSTANCE_MAX);
	ENSURE(number > 0 && number <= SERIAL_NUMBER_MAX);
	s->b[0] = instance;
	for (size_t i = NUMBER_SIZE; i > 0; i--, number >>= 8)
		s->b[i] = (uint8_t)number;
	memcpy(s->b + TAIL_AT, tail, SERIAL_TAIL);
}

uint8_t serial_instance(const struct serial *s)
{
	return s->b[0];
}

uint64_t serial_number(const struct serial *s)
{
	uint64_t v = 0;

	for (size_t i = NUMBER_AT; i < TAIL_AT; i++)
		v = v << 8 | s->b[i];
	return v;
}

const uint8_t *serial_tail(const struct serial *s)
{
	return s->b + TAIL_AT;
}

void serial_format(const struct serial *s, char out[2 * SERIAL_SIZE + 1])
{
	enc_hex(s->b, SERIAL_SIZE, out);
}

/* Colons stand between all octets or nowhere. */
static enum err serial_colons(const char *text, struct serial *s)
{
	for (size_t i = 0; i < SERIAL_SIZE; i++) {
		if (i && text[3 * i - 1] != ':')
			return ERR_INVALID;
		TRY(enc_hex_parse(text + 3 * i, 2, s->b + i, 1));
	}
	return OK;
}

enum err serial_parse(const char *text, size_t len, struct serial *s)
{
	struct serial got;

	if (len == COLON_TEXT)
		TRY(serial_colons(text, &got));
	else
		TRY(enc_hex_parse(text, len, got.b, SERIAL_SIZE));
	if (!got.b[0] || got.b[0] > SERIAL_INSTANCE_MAX || !serial_number(&got))
		return ERR_INVALID;
	*s = got;
	return OK;
}
