/* Used by ca's issuer and signer and by the command; holds nothing. */
#include "lib/dns_name.h"

#include <string.h>

const char *dns_shown(struct span text, char room[DNS_SHOWN])
{
	size_t n = MIN(text.n, (size_t)DNS_SHOWN - 1);

	for (size_t i = 0; i < n; i++) {
		uint8_t c = text.p[i];

		room[i] = c > ' ' && c < 0x7f && c != '\'' ? (char)c : '?';
	}
	room[n] = 0;
	if (n < text.n)
		memcpy(room + DNS_SHOWN - 4, "...", 4);
	return room;
}

bool dns_label_next(struct span *left, struct span *label)
{
	const uint8_t *dot;

	if (!left->n)
		return false;
	dot = memchr(left->p, '.', left->n);
	label->p = left->p;
	label->n = dot ? (size_t)(dot - left->p) : left->n;
	*left = dot ? span_of(dot + 1, left->n - label->n - 1)
		    : span_of(left->p, 0);
	return true;
}

static const char *label_fault(struct span l)
{
	if (!l.n)
		return "it has an empty label";
	if (l.n > DNS_LABEL_MAX)
		return "a label of it is longer than 63 bytes";
	if (l.p[0] == '-' || l.p[l.n - 1] == '-')
		return "a label of it begins or ends with a hyphen";
	for (size_t i = 0; i < l.n; i++) {
		uint8_t c = l.p[i];

		if (c == '*')
			return "'*' may only be the whole first label";
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-')
			return "labels have lower-case letters, digits and "
			       "hyphens only (names in other scripts as "
			       "xn-- labels)";
	}
	return NULL;
}

static const char *name_fault(struct span name, bool star)
{
	struct span left = name, label;
	const char *bad;

	if (!name.n)
		return "it is empty";
	if (name.n > DNS_MAX)
		return "it is longer than 253 bytes";
	if (name.p[name.n - 1] == '.')
		return "it ends with a dot";
	if (name.p[0] == '*' && !star)
		return "it has a wildcard";
	if (name.n > 2 && !memcmp(name.p, "*.", 2))
		left = span_of(name.p + 2, name.n - 2);
	while (dns_label_next(&left, &label))
		if ((bad = label_fault(label)))
			return bad;
	return NULL;
}

enum err dns_name_check(const char *what, struct span name, bool star,
			struct fault *f)
{
	const char *bad = name_fault(name, star);
	char room[DNS_SHOWN];

	if (!bad)
		return OK;
	return fault_set(f, ERR_INVALID, "%s '%s': %s", what,
			 dns_shown(name, room), bad);
}

bool dns_name_below(struct span name, struct span domain)
{
	size_t head;

	if (!domain.n || name.n < domain.n + 2)
		return false;
	head = name.n - domain.n;
	return name.p[head - 1] == '.' &&
	       !memcmp(name.p + head, domain.p, domain.n);
}
