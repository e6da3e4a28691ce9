/* Used by ca's issuer and signer, certmgr and the command; holds nothing. */
#include "lib/agent_id.h"

#include "lib/dns_name.h"
#include "lib/enc.h"
#include "lib/secret.h"

#include <string.h>

/* Hex digits before each hyphen. */
static const uint8_t groups[] = { 8, 4, 4, 4, 12 };

void agent_id_text(const uint8_t id[AGENT_ID_BYTES], char out[AGENT_ID_LEN + 1])
{
	char hex[2 * AGENT_ID_BYTES + 1];
	const char *from = hex;

	enc_hex(id, AGENT_ID_BYTES, hex);
	for (size_t i = 0; i < NELEM(groups); i++) {
		memcpy(out, from, groups[i]);
		from += groups[i];
		out += groups[i];
		*out++ = i + 1 < NELEM(groups) ? '-' : 0;
	}
}

void agent_id_make(uint64_t wall_ms, char out[AGENT_ID_LEN + 1])
{
	uint8_t b[AGENT_ID_BYTES];

	random_fill(b, sizeof b);
	for (size_t i = 0; i < 6; i++)
		b[i] = (uint8_t)(wall_ms >> (40 - 8 * i));
	b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	agent_id_text(b, out);
}

static bool hex_lower(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool uuid7(struct span s)
{
	size_t at = 0;

	if (s.n != AGENT_ID_LEN)
		return false;
	for (size_t i = 0; i < NELEM(groups); i++) {
		for (size_t n = groups[i]; n; n--)
			if (!hex_lower(s.p[at++]))
				return false;
		if (i + 1 < NELEM(groups) && s.p[at++] != '-')
			return false;
	}
	/* version 7, variant 10 */
	return s.p[14] == '7' && memchr("89ab", s.p[19], 4);
}

enum err agent_id_check(struct span agent, struct fault *f)
{
	char room[DNS_SHOWN];

	if (uuid7(agent))
		return OK;
	return fault_set(f, ERR_INVALID,
			 "agent id '%s' is not a UUIDv7 in lower case",
			 dns_shown(agent, room));
}

enum err agent_id_bytes(const char *agent, uint8_t out[AGENT_ID_BYTES])
{
	char hex[2 * AGENT_ID_BYTES];
	size_t n = 0;

	TRY(agent_id_check(span_str(agent), NULL));
	for (; *agent; agent++)
		if (*agent != '-')
			hex[n++] = *agent;
	return enc_hex_parse(hex, n, out, AGENT_ID_BYTES);
}

static bool type_ok(struct span t)
{
	if (!t.n || t.n > TYPE_MAX || t.p[0] < 'a' || t.p[0] > 'z')
		return false;
	for (size_t i = 0; i < t.n; i++) {
		uint8_t c = t.p[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-')
			return false;
	}
	return true;
}

enum err type_check(struct span type, struct fault *f)
{
	char room[DNS_SHOWN];

	if (!type_ok(type))
		return fault_set(f, ERR_INVALID,
				 "type '%s': a type begins with a letter and "
				 "has lower-case letters, digits and hyphens, "
				 "at most %d",
				 dns_shown(type, room), TYPE_MAX);
	if (type.n >= 3 && !memcmp(type.p, "ca-", 3))
		return fault_set(f, ERR_INVALID,
				 "type '%s': names that begin with 'ca-' are "
				 "the CA's own",
				 dns_shown(type, room));
	return OK;
}
