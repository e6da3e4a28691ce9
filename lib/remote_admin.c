/* Used by vault and keeper; pure functions; holds nothing. */
#include "lib/remote_admin.h"

static const struct {
	const char *name;
	enum remote_admin bit;
} names[] = {
	{ "init", REMOTE_INIT },
	{ "unseal", REMOTE_UNSEAL },
	{ "slot", REMOTE_SLOT },
	{ "rekey", REMOTE_REKEY },
	{ "restore", REMOTE_RESTORE },
	{ "module", REMOTE_MODULE },
	{ "export-sealed", REMOTE_EXPORT },
	{ "reveal", REMOTE_REVEAL },
};

unsigned remote_admin_parse(struct attr_view v)
{
	unsigned bits = 0;
	struct attr a;

	while (attr_next(&v, &a))
		for (size_t i = 0; i < NELEM(names); i++)
			if (attr_named(&a, "remote_admin") &&
			    attr_is(&a, names[i].name))
				bits |= names[i].bit;
	return bits;
}

enum err remote_admin_check(unsigned allowed, unsigned need,
			    const struct subject *s, const char *verb,
			    struct fault *f)
{
	unsigned lacking = need & REMOTE_ALL & ~allowed;

	if (s->via == VIA_SOCKET || !lacking)
		return OK;
	for (size_t i = 0; i < NELEM(names); i++)
		if (lacking & names[i].bit)
			return fault_set(
				f, ERR_DENIED,
				"'%s'%s is not done over the network: "
				"do it on this machine, or name '%s' "
				"in remote_admin= of the configuration",
				verb,
				names[i].bit == REMOTE_REVEAL ? " with reveal="
							      : "",
				names[i].name);
	UNREACHABLE("a bit has a name");
}

enum err remote_admin_deny(const struct subject *s, const char *daemon,
			   const char *node, const char *verb, struct fault *f)
{
	if (s->via == VIA_TLS)
		return fault_set(
			f, ERR_DENIED,
			"'%s' is for admins: the certificate lacks the "
			"capability admin:%s@%s",
			verb, daemon, node);
	return fault_set(f, ERR_DENIED,
			 "'%s' is for admins: connect to admin.sock", verb);
}
