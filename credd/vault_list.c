/* Vault: what everybody may ask for: the credentials he may use, the modules and their
 * operations, the key for boxes. An admin sees every credential. */
#include "credd/vault.h"

#include <string.h>

/* One item, or none: a credential with the operations that this subject may run. */
static void item_of(const struct call *c, const struct subject *s,
		    const struct cred *cred, struct attrs *item)
{
	const struct module *m = cred->module;
	struct grant_request rq = { .credential = cred->name };
	int64_t now = clock_wall();
	unsigned ops = 0;

	attrs_clear(item);
	ENSURE(attrs_add_str(item, "name", cred->name) == OK);
	ENSURE(attrs_add_str(item, "module", m->name) == OK);
	for (size_t i = 0; i < m->ops; i++) {
		rq.op = m->op[i].name;
		rq.reveals = m->op[i].reveals;
		if (!s->admin && !grants_may(vault.grants, s, &rq, now))
			continue;
		ENSURE(attrs_add_str(item, "op", rq.op) == OK);
		ops++;
	}
	if (s->admin)
		ENSURE(attrs_add_str(item, "enabled",
				     cred->enabled ? "yes" : "no") == OK);
	if (ops || s->admin)
		call_item(c, attrs_view(item));
}

/* One subject's credentials, being said: each once, however many grants name it. */
struct listing {
	const struct call *call;
	const struct subject *subject;
	struct attrs *item;
};

static void say_of_grant(void *arg, const struct grant *g)
{
	const struct listing *l = arg;
	struct span_set names = g->set[GRANT_CREDENTIAL];

	for (unsigned i = 0; i < names.count; i++) {
		struct cred *c = cred_find(names.item[i].p, names.item[i].len);

		if (!c || !c->enabled || c->listed == l->call->number)
			continue;
		c->listed = l->call->number;
		item_of(l->call, l->subject, c, l->item);
	}
}

static void say_all(const struct listing *l)
{
	const struct cred *cred;
	size_t at = 0;

	while ((cred = map_next(vault.creds, &at)))
		item_of(l->call, l->subject, cred, l->item);
}

void verb_credentials(const struct call *c, struct attr_view v)
{
	const struct subject *s = &call_conn(c)->subject;
	struct attrs item, reply;
	struct listing l = { .call = c, .subject = s, .item = &item };

	(void)v;
	attrs_init(&item);
	attrs_init(&reply);
	if (s->admin)
		say_all(&l);
	else
		grants_each(vault.grants, s, say_of_grant, &l);
	call_reply(c, &reply);
	attrs_wipe(&item);
	attrs_wipe(&reply);
}

static void say_module(const struct call *c, const struct module *m,
		       struct attrs *item)
{
	struct attr_view decl = attrs_view(&m->declaration);
	struct attr a;

	attrs_clear(item);
	ENSURE(attrs_add_str(item, "name", m->name) == OK);
	while (attr_next(&decl, &a))
		if (attr_named(&a, "summary") || attr_named(&a, "operation"))
			ENSURE(attrs_add_attr(item, &a) == OK);
	call_item(c, attrs_view(item));
}

void verb_modules(const struct call *c, struct attr_view v)
{
	struct attrs item, reply;

	(void)v;
	attrs_init(&item);
	attrs_init(&reply);
	for (size_t i = 0; i < vault.modules; i++)
		if (vault.module[i].row && vault.module[i].pinned)
			say_module(c, &vault.module[i], &item);
	call_reply(c, &reply);
	attrs_wipe(&item);
	attrs_wipe(&reply);
}

void verb_transport(const struct call *c, struct attr_view v)
{
	struct attrs reply;

	(void)v;
	attrs_init(&reply);
	ENSURE(attrs_add(&reply, "key", 0, box_public(seal_box_keys()),
			 BOX_KEY) == OK);
	call_reply(c, &reply);
	attrs_wipe(&reply);
}
