/* The values a grant's sets may have. Used by vault and the command; holds nothing. */
#include "lib/grant_item.h"

#include "lib/agent_id.h"
#include "lib/capability.h"
#include "lib/dns_name.h"
#include "lib/glob.h"

#include <string.h>

enum {
	SHOWN_MAX = 80
}; /* bytes of a value in a sentence */

/* What the values of a name look like. */
enum item_form {
	FORM_CREDENTIAL,
	FORM_TYPE,
	FORM_OP,
	FORM_EXE,
	FORM_UNIT,
	FORM_NODE,
	FORM_AGENT,
	FORM_CAPABILITY,
	FORM_METHOD,
	FORM_HOST,
	FORM_PATH,
	FORM_QUERY,
	FORM_GLOB,
};

static const struct {
	const char *name;
	enum item_form form;
} set_names[] = {
	[GRANT_CREDENTIAL] = { "credential", FORM_CREDENTIAL },
	[GRANT_AGENT] = { "agent", FORM_TYPE },
	[GRANT_OP] = { "op", FORM_OP },
	[GRANT_EXE] = { "exe", FORM_EXE },
	[GRANT_UNIT] = { "unit", FORM_UNIT },
	[GRANT_USER_UNIT] = { "user_unit", FORM_UNIT },
	[GRANT_CERT_O] = { "cert.o", FORM_TYPE },
	[GRANT_CERT_OU] = { "cert.ou", FORM_NODE },
	[GRANT_CERT_UID] = { "cert.uid", FORM_AGENT },
	[GRANT_CERT_CAP] = { "cert.cap", FORM_CAPABILITY },
	[GRANT_METHOD] = { "method", FORM_METHOD },
	[GRANT_HOST] = { "host", FORM_HOST },
	[GRANT_PATH] = { "path", FORM_PATH },
	[GRANT_QUERY] = { "query", FORM_QUERY },
	[GRANT_SERVICE] = { "service", FORM_GLOB },
	[GRANT_REGION] = { "region", FORM_GLOB },
	[GRANT_ACTION] = { "action", FORM_GLOB },
};

_Static_assert(NELEM(set_names) == GRANT__NAMES, "every set has a name");

const char *grant_name(enum grant_name name)
{
	return set_names[name].name;
}

enum err grant_item_bad(const char *name, struct piece v, const char *form,
			struct fault *f)
{
	return fault_set(f, ERR_INVALID, "%s=%.*s: %s", name,
			 (int)MIN(v.len, (uint32_t)SHOWN_MAX), v.p, form);
}

static bool has(struct piece v, char c)
{
	return v.len && memchr(v.p, c, v.len);
}

static bool all_upper(struct piece v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] < 'A' || v.p[i] > 'Z')
			return false;
	return true;
}

static enum err query_check(const char *name, struct piece v, struct fault *f)
{
	const char *eq = memchr(v.p, '=', v.len);
	struct piece key = { v.p, eq ? (uint32_t)(eq - v.p) : v.len };

	if (!key.len || has(key, '*'))
		return grant_item_bad(
			name, v,
			"this is NAME or NAME=GLOB, with a name that "
			"is written out",
			f);
	if (!eq || key.len + 1 == v.len)
		return OK;
	return glob_check(GLOB_ANY, name, eq + 1, v.len - key.len - 1, f);
}

/* `*` is every type of agents that can be started; of certificates it says nothing. */
static enum err type_item_check(const char *name, struct piece v,
				struct fault *f)
{
	if (v.len == 1 && v.p[0] == '*' && !strcmp(name, "agent"))
		return OK;
	return type_check(span_of(v.p, v.len), f);
}

static enum err capability_check(struct piece v, struct fault *f)
{
	struct capability c;

	return capability_parse(span_of(v.p, v.len), false, &c, f);
}

static enum err item_form_check(const char *name, enum item_form form,
				struct piece v, struct fault *f)
{
	switch (form) {
	case FORM_CREDENTIAL:
		if (has(v, '*') || v.len > GRANT_CREDENTIAL_MAX)
			return grant_item_bad(
				name, v,
				"credentials are named one by one, at "
				"most 128 bytes, without '*'",
				f);
		return OK;
	case FORM_TYPE:
		return type_item_check(name, v, f);
	case FORM_OP:
		if (!attr_name_ok(v.p, v.len))
			return grant_item_bad(name, v,
					      "this is no operation's name", f);
		return OK;
	case FORM_EXE:
		if (v.p[0] != '/' || has(v, '*') || v.len > SUBJECT_EXE_MAX)
			return grant_item_bad(name, v,
					      "a program is an absolute path "
					      "without '*'",
					      f);
		return OK;
	case FORM_UNIT:
		if (!has(v, '.') || has(v, '*') || has(v, '/') ||
		    v.len > SUBJECT_UNIT_MAX)
			return grant_item_bad(
				name, v,
				"a unit is written with its suffix and "
				"without '*', such as backup.service",
				f);
		return OK;
	case FORM_NODE:
		return dns_name_check("node", span_of(v.p, v.len), false, f);
	case FORM_AGENT:
		return agent_id_check(span_of(v.p, v.len), f);
	case FORM_CAPABILITY:
		return capability_check(v, f);
	case FORM_METHOD:
		if (!all_upper(v))
			return grant_item_bad(
				name, v, "a method is in capitals, such as GET",
				f);
		return OK;
	case FORM_HOST:
		if (has(v, '/') || has(v, '@'))
			return grant_item_bad(name, v, "this is no host name",
					      f);
		return glob_check(GLOB_HOST, name, v.p, v.len, f);
	case FORM_PATH:
		if (v.p[0] != '/' && v.p[0] != '*')
			return grant_item_bad(name, v, "a path begins with '/'",
					      f);
		return glob_check(GLOB_PATH, name, v.p, v.len, f);
	case FORM_QUERY:
		return query_check(name, v, f);
	case FORM_GLOB:
		break;
	}
	return glob_check(GLOB_ANY, name, v.p, v.len, f);
}

enum err grant_item_check(enum grant_name name, struct piece v, struct fault *f)
{
	enum item_form form = set_names[name].form;
	bool blanks = form == FORM_EXE || form == FORM_QUERY;

	if (!v.len)
		return grant_item_bad(grant_name(name), v, "an empty value", f);
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = (uint8_t)v.p[i];

		if (c < 0x20 || c == 0x7f || (c == ' ' && !blanks))
			return grant_item_bad(
				grant_name(name), v,
				"the value holds a blank or a control "
				"character",
				f);
	}
	return item_form_check(grant_name(name), form, v, f);
}
