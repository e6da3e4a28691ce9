/* Issuer: its copy of the profiles. They are files that root writes; the supervisor
 * reads them for us and for the signer, so that nobody gets one into the signer by way
 * of the issuer.
 *	supervisor -> issuer SUP_PROFILES, SUP_PROFILE, SUP_PROFILES_END
 *	issuer -> supervisor SUP_RELOAD */
#include "ca/issuer.h"

#include "ca/kinds_sup.h"
#include "lib/child.h"
#include "lib/log.h"

#include <stdlib.h>

enum {
	RELOADS_MAX = 64 /* admins who wait for one */
};

static struct {
	struct profiles *loading; /* being told anew */
	struct attrs wrong;       /* text= of what could not be taken */
	bool taken;               /* those in force came from the files */
	struct ask waiting[RELOADS_MAX];
	unsigned count;
} reload;

static void take(const struct msg *m)
{
	struct attr name, text;
	char file[256];
	struct fault f;

	if (!reload.loading || attr_only(m->attrs, "name", &name) != OK ||
	    attr_only(m->attrs, "text", &text) != OK || name.len >= sizeof file)
		child_broken("supervisor");
	memcpy(file, name.value, name.len);
	file[name.len] = 0;
	if (profiles_add(reload.loading, file, (const char *)text.value,
			 text.len, &f) == OK)
		return;
	log_text(LOG_ERR, "profile", "%s", f.text);
	(void)!attrs_add_str(&reload.wrong, "wrong", f.text);
}

static void answer(void)
{
	struct attrs r;

	for (unsigned i = 0; i < reload.count; i++) {
		attrs_init(&r);
		ENSURE(attrs_add_view(&r, attrs_view(&reload.wrong)) == OK);
		ask_reply(&reload.waiting[i], &r);
		attrs_wipe(&r);
	}
	reload.count = 0;
}

/* A list with a mistake in it does not replace a good one; the signer does the same,
 * so that both have the same ones. */
static void all_told(const struct msg *m)
{
	struct attr a;

	if (attr_only(m->attrs, "error", &a) == OK)
		(void)!attrs_add(&reload.wrong, "wrong", 0, a.value, a.len);
	if (reload.wrong.count && reload.taken) {
		log_text(LOG_ERR, "profiles_kept",
			 "the profiles stay as they were: mend the mistake and "
			 "reload");
		profiles_free(&reload.loading);
	} else {
		profiles_free(&issuer.profiles);
		issuer.profiles = reload.loading;
		reload.loading = NULL;
		reload.taken = true;
	}
	answer();
}

void reload_message(const struct msg *m)
{
	switch ((enum ca_sup_kind)m->kind) {
	case SUP_PROFILES:
		profiles_free(&reload.loading);
		reload.loading = profiles_new(issuer.default_profile);
		attrs_wipe(&reload.wrong);
		attrs_init(&reload.wrong);
		return;
	case SUP_PROFILE:
		take(m);
		return;
	case SUP_PROFILES_END:
		if (!reload.loading)
			child_broken("supervisor");
		all_told(m);
		return;
	case SUP_RELOAD:
	case SUP_TRANSPORT:
		break;
	}
	child_broken("supervisor");
}

enum err profiles_read(struct fault *f)
{
	if (reload.taken)
		return OK;
	return fault_set(f, ERR_UNAVAILABLE,
			 "the CA is starting, its profiles are being read: try "
			 "again");
}

enum err profiles_attention(struct attrs *out)
{
	struct attr_view it = attrs_view(&reload.wrong);
	struct attr a;

	while (attr_next(&it, &a))
		TRY(attrs_add_fmt(out, "attention",
				  "a profile cannot be read: %.*s", (int)a.len,
				  (const char *)a.value));
	return OK;
}

void verb_reload(const struct ask *a, struct attr_view v)
{
	struct fault f;

	(void)v;
	if (reload.count == RELOADS_MAX) {
		(void)fault_set(&f, ERR_LIMITED,
				"too many wait for the profiles: try again");
		ask_fault(a, &f);
		return;
	}
	reload.waiting[reload.count++] = *a;
	chan_tell(&issuer.sup, SUP_RELOAD, 0, (struct attr_view){ 0 });
}

void verb_profiles(const struct ask *a, struct attr_view v)
{
	const struct profile *p;
	struct attrs r, item;
	size_t at = 0, n = 0;

	(void)v;
	while ((p = profiles_next(issuer.profiles, &at))) {
		attrs_init(&item);
		ENSURE(profile_format(p, &item) == OK);
		ask_item(a, attrs_view(&item));
		attrs_wipe(&item);
		n++;
	}
	attrs_init(&r);
	ENSURE(attrs_add_u64(&r, "count", n) == OK);
	ENSURE(attrs_add_str(&r, "folder", issuer.profile_folder) == OK);
	ask_reply(a, &r);
	attrs_wipe(&r);
}
