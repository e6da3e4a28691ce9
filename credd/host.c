/* Worker: calls into the module, and what the module calls back. Holds the one
 * credential. The module is not trusted: whatever it returns is checked, and the
 * process around it is what keeps it from the rest. */
#include "credd/host.h"

#include "credd/host_list.h"
#include "cretula/module.h"
#include "lib/secret.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
	uint64_t id;
	void *state;
	bool used;
};

struct host {
	const struct cretula_module *module;
	struct host_list credential; /* secret memory */
	struct host_list request;
	bool has_credential;
	bool is_open;
	void *state;
	struct session session[HOST_SESSIONS_MAX];
	unsigned next_session;
};

/* One call into the module. */
struct cretula_call {
	struct attrs *reply;
	int64_t now;
	bool facts;    /* fact() may be called, reply() may not */
	bool overflow; /* something did not fit, whatever the module makes of it */
	bool misuse; /* a function was called that this call does not have */
	struct fault fault;
};

static enum cretula_result call_add(struct cretula_call *call, const char *name,
				    const void *value, size_t len)
{
	enum err e = ERR_TOO_LARGE;

	if (len <= HOST_REPLY_MAX &&
	    call->reply->bytes.len <= HOST_REPLY_MAX - len)
		e = attrs_add_named(call->reply, name, strlen(name), 0, value,
				    len);
	if (e == OK)
		return CRETULA_OK;
	if (e == ERR_TOO_LARGE)
		call->overflow = true;
	else
		call->misuse = true;
	return e == ERR_TOO_LARGE ? CRETULA_TOO_LARGE : CRETULA_FAILED;
}

static enum cretula_result host_on_reply(struct cretula_call *call,
					 const char *name, const void *value,
					 size_t len)
{
	if (!call->facts)
		return call_add(call, name, value, len);
	call->misuse = true;
	return CRETULA_FAILED;
}

static enum cretula_result host_on_fact(struct cretula_call *call,
					const char *name, const void *value,
					size_t len)
{
	if (call->facts)
		return call_add(call, name, value, len);
	call->misuse = true;
	return CRETULA_FAILED;
}

__attribute__((format(printf, 3, 4))) static enum cretula_result host_on_fail(
	struct cretula_call *call, enum cretula_result result, const char *fmt,
	...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(call->fault.text, sizeof call->fault.text, fmt, ap);
	va_end(ap);
	return result;
}

static int64_t host_on_now(const struct cretula_call *call)
{
	return call->now;
}

static const struct cretula_host functions = {
	.abi = CRETULA_MODULE_ABI,
	.reply = host_on_reply,
	.fact = host_on_fact,
	.fail = host_on_fail,
	.now = host_on_now,
};

enum err host_load(const char *path, struct host **out, struct fault *f)
{
	const struct cretula_module *(*entry)(void);
	const struct cretula_module *m;
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	struct host *h;

	if (!so)
		return fault_set(f, ERR_MODULE_FAILED,
				 "the module cannot be loaded: %s", dlerror());
	*(void **)&entry = dlsym(so, "cretula_module");
	m = entry ? entry() : NULL;
	if (!m)
		return fault_set(f, ERR_MODULE_FAILED,
				 "the module exports no cretula_module()");
	if (m->abi != CRETULA_MODULE_ABI)
		return fault_set(f, ERR_MODULE_FAILED,
				 "the module is of ABI %u, this host of %d: "
				 "build it anew",
				 m->abi, CRETULA_MODULE_ABI);
	if (!m->name || !m->attributes || !m->operations || !m->request ||
	    !m->open || !m->run || !m->close)
		return fault_set(f, ERR_MODULE_FAILED,
				 "the module leaves out a part that the ABI "
				 "requires");
	h = xcalloc(1, sizeof *h);
	h->module = m;
	host_list_init(&h->credential, true);
	host_list_init(&h->request, false);
	*out = h;
	return OK;
}

void host_free(struct host *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < HOST_SESSIONS_MAX; i++)
		if (h->session[i].used && h->module->forget)
			h->module->forget(h->state, h->session[i].state);
	if (h->is_open)
		h->module->close(h->state);
	host_list_wipe(&h->credential);
	host_list_wipe(&h->request);
	free(h);
}

static enum err declare_list(struct attrs *out, const char *as,
			     const char *name, const char *key,
			     const char *value, const char *help)
{
	struct attrs one;
	enum err e;

	attrs_init(&one);
	e = attrs_add_str(&one, "name", name);
	if (e == OK)
		e = attrs_add_str(&one, key, value);
	if (e == OK && help)
		e = attrs_add_str(&one, "help", help);
	if (e == OK)
		e = attrs_add(out, as, 0, one.bytes.p, one.bytes.len);
	attrs_wipe(&one);
	return e;
}

static const char *reveal_name(enum cretula_reveal r)
{
	static const char *const names[] = {
		[CRETULA_REVEAL_SIGNATURE] = "signature",
		[CRETULA_REVEAL_BEARER] = "bearer",
		[CRETULA_REVEAL_TOKEN] = "token",
		[CRETULA_REVEAL_SECRET] = "secret",
	};

	return (unsigned)r < NELEM(names) ? names[r] : NULL;
}

static enum err declare_all(const struct cretula_module *m, struct attrs *out)
{
	char kind[16];

	TRY(attrs_add_u64(out, "abi", m->abi));
	TRY(attrs_add_str(out, "name", m->name));
	TRY(attrs_add_str(out, "summary", m->summary ? m->summary : ""));
	TRY(attrs_add_str(out, "facts", m->facts ? "yes" : "no"));
	for (const struct cretula_attr_decl *a = m->attributes; a->name; a++) {
		if (!attr_name_ok(a->name, strlen(a->name)))
			return ERR_INVALID;
		(void)snprintf(kind, sizeof kind, "%u", a->kind);
		TRY(declare_list(out, "attribute", a->name, "kind", kind,
				 a->help));
	}
	for (const struct cretula_operation_decl *o = m->operations; o->name;
	     o++) {
		if (!reveal_name(o->reveals))
			return ERR_INVALID;
		TRY(declare_list(out, "operation", o->name, "reveals",
				 reveal_name(o->reveals), o->help));
	}
	for (const char *const *r = m->request; *r; r++)
		TRY(attrs_add_str(out, "request", *r));
	return OK;
}

enum err host_declare(const struct host *h, struct attrs *out, struct fault *f)
{
	if (declare_all(h->module, out) == OK)
		return OK;
	return fault_set(f, ERR_MODULE_FAILED,
			 "the module's declaration is not well-formed");
}

enum err host_credential(struct host *h, struct attr_view credential,
			 struct fault *f)
{
	if (h->has_credential)
		return fault_set(f, ERR_CONFLICT,
				 "this worker has its credential already");
	TRY(host_list_set(&h->credential, credential));
	h->has_credential = true;
	return OK;
}

static enum err result_err(enum cretula_result r)
{
	switch (r) {
	case CRETULA_OK:
	case CRETULA_MORE:
		return OK;
	case CRETULA_INVALID:
		return ERR_INVALID;
	case CRETULA_EXPIRED:
		return ERR_EXPIRED;
	case CRETULA_UNSUPPORTED:
		return ERR_UNSUPPORTED;
	case CRETULA_TOO_LARGE:
		return ERR_TOO_LARGE;
	case CRETULA_FAILED:
		break;
	}
	return ERR_MODULE_FAILED;
}

static unsigned kind_of(const struct cretula_module *m, const char *name)
{
	for (const struct cretula_attr_decl *a = m->attributes; a->name; a++)
		if (!strcmp(a->name, name))
			return a->kind;
	return 0;
}

/* Whether p holds a confidential value that the request did not. */
static bool tripped(const struct host *h, const void *p, size_t len,
		    struct attr_view request)
{
	const struct cretula_attrs *c = &h->credential.view;

	for (size_t i = 0; len && i < c->count; i++) {
		const struct cretula_attr *a = &c->item[i];
		unsigned kind = kind_of(h->module, a->name);

		if (a->len < HOST_TRIPWIRE_MIN ||
		    !(kind & CRETULA_CONFIDENTIAL) || (kind & CRETULA_SENT))
			continue;
		if (memmem(p, len, a->value, a->len) &&
		    !(request.len &&
		      memmem(request.p, request.len, a->value, a->len)))
			return true;
	}
	return false;
}

static enum err trip(struct cretula_call *call, struct host_end *end,
		     const char *what)
{
	attrs_clear(call->reply);
	end->tripwire = true;
	end->more = false;
	return fault_set(
		&end->fault, ERR_MODULE_FAILED,
		"the module's %s was withheld: it holds a confidential "
		"value",
		what);
}

/* What the module's word and its deeds amount to. */
static enum err call_end(const struct host *h, struct cretula_call *call,
			 enum cretula_result r, bool reveals,
			 struct attr_view request, struct host_end *end)
{
	enum err e = result_err(r);

	if (e == OK && call->overflow)
		e = fault_set(&call->fault, ERR_TOO_LARGE,
			      "the module's reply is over %d bytes",
			      HOST_REPLY_MAX);
	if (e == OK && call->misuse)
		e = fault_set(&call->fault, ERR_MODULE_FAILED,
			      "the module misused its host");
	end->more = e == OK && r == CRETULA_MORE;
	if (e == OK && !reveals &&
	    tripped(h, call->reply->bytes.p, call->reply->bytes.len, request))
		return trip(call, end, "reply");
	if (e == OK)
		return OK;
	call->fault.text[sizeof call->fault.text - 1] = 0;
	if (tripped(h, call->fault.text, strlen(call->fault.text), request))
		return trip(call, end, "error text");
	attrs_clear(call->reply);
	return fault_set(&end->fault, e, "%s",
			 call->fault.text[0] ? call->fault.text
					     : "the module failed and does not "
					       "say why");
}

static bool request_known(const struct cretula_module *m, const char *name)
{
	for (const char *const *r = m->request; *r; r++)
		if ((*r)[0] == name[0] && !strcmp(*r, name))
			return true;
	return false;
}

/* The operation's declaration and the request as the module takes it. */
static enum err request_take(struct host *h, const char *op,
			     struct attr_view request,
			     const struct cretula_operation_decl **decl,
			     struct fault *f)
{
	const struct cretula_operation_decl *o = h->module->operations;

	while (o->name && strcmp(o->name, op))
		o++;
	if (!o->name)
		return fault_set(f, ERR_UNSUPPORTED,
				 "module '%s' has no operation '%s'",
				 h->module->name, op);
	TRY(host_list_set(&h->request, request));
	for (size_t i = 0; i < h->request.view.count; i++) {
		const char *name = h->request.view.item[i].name;

		if (!request_known(h->module, name))
			return fault_set(
				f, ERR_INVALID,
				"module '%s' does not know the request "
				"attribute '%s'",
				h->module->name, name);
	}
	*decl = o;
	return OK;
}

static struct session *session_find(struct host *h, uint64_t id)
{
	for (unsigned i = 0; i < HOST_SESSIONS_MAX; i++)
		if (h->session[i].used && h->session[i].id == id)
			return &h->session[i];
	return NULL;
}

/* Where a new session goes; the one that was there longest is forgotten. */
static struct session *session_new(struct host *h, uint64_t id)
{
	struct session *s = &h->session[h->next_session++ % HOST_SESSIONS_MAX];

	if (s->used && h->module->forget)
		h->module->forget(h->state, s->state);
	*s = (struct session){ .id = id };
	return s;
}

static void session_keep(struct host *h, uint64_t id, struct session *s,
			 void *state, bool more)
{
	if (!s && more)
		s = session_new(h, id);
	if (!s)
		return;
	s->used = more;
	s->state = more ? state : NULL;
}

static enum err ensure_open(struct host *h, struct cretula_call *call,
			    struct host_end *end)
{
	const struct attr_view none = { NULL, 0 };
	enum cretula_result r;

	if (h->is_open)
		return OK;
	if (!h->has_credential)
		return fault_set(&end->fault, ERR_CONFLICT,
				 "this worker has no credential");
	r = h->module->open(&functions, call, &h->credential.view, &h->state);
	TRY(call_end(h, call, r, false, none, end));
	h->is_open = true;
	return OK;
}

enum err host_run(struct host *h, uint64_t id, const char *op, int64_t now,
		  struct attr_view request, struct attrs *reply,
		  struct host_end *end)
{
	struct cretula_call call = { .reply = reply, .now = now };
	struct session *s = session_find(h, id);
	const struct cretula_operation_decl *decl;
	void *step = s ? s->state : NULL;
	enum cretula_result r;

	attrs_clear(reply);
	end->more = end->tripwire = false;
	TRY(ensure_open(h, &call, end));
	attrs_clear(reply);
	TRY(request_take(h, op, request, &decl, &end->fault));
	r = h->module->run(&functions, &call, h->state, op, &h->request.view,
			   &step);
	session_keep(h, id, s, step, r == CRETULA_MORE);
	return call_end(h, &call, r, decl->reveals >= CRETULA_REVEAL_TOKEN,
			request, end);
}

enum err host_facts(struct host *h, const char *op, int64_t now,
		    struct attr_view request, struct attrs *reply,
		    struct host_end *end)
{
	struct cretula_call call = { .reply = reply,
				     .now = now,
				     .facts = true };
	const struct cretula_operation_decl *decl;
	enum cretula_result r = CRETULA_OK;

	attrs_clear(reply);
	end->more = end->tripwire = false;
	if (h->has_credential)
		return fault_set(&end->fault, ERR_CONFLICT,
				 "facts are stated without a credential");
	TRY(request_take(h, op, request, &decl, &end->fault));
	if (h->module->facts)
		r = h->module->facts(&functions, &call, op, &h->request.view);
	return call_end(h, &call, r, false, request, end);
}

static enum err check_declared(const struct host *h, struct fault *f)
{
	const struct cretula_attrs *c = &h->credential.view;

	for (size_t i = 0; i < c->count; i++) {
		const struct cretula_attr_decl *a = h->module->attributes;

		while (a->name && strcmp(a->name, c->item[i].name))
			a++;
		if (!a->name)
			return fault_set(f, ERR_INVALID,
					 "module '%s' has no attribute '%s'",
					 h->module->name, c->item[i].name);
	}
	for (const struct cretula_attr_decl *a = h->module->attributes; a->name;
	     a++) {
		size_t i = 0;

		if (!(a->kind & CRETULA_REQUIRED))
			continue;
		while (i < c->count && strcmp(a->name, c->item[i].name))
			i++;
		if (i == c->count)
			return fault_set(f, ERR_INVALID,
					 "module '%s' requires the attribute "
					 "'%s'",
					 h->module->name, a->name);
	}
	return OK;
}

enum err host_check(struct host *h, int64_t now, struct host_end *end)
{
	const struct attr_view none = { NULL, 0 };
	struct attrs unused;
	struct cretula_call call = { .reply = &unused, .now = now };
	enum cretula_result r = CRETULA_OK;
	enum err e;

	end->more = end->tripwire = false;
	if (!h->has_credential)
		return fault_set(&end->fault, ERR_CONFLICT,
				 "there is no credential to check");
	TRY(check_declared(h, &end->fault));
	attrs_init(&unused);
	if (h->module->check)
		r = h->module->check(&functions, &call, &h->credential.view);
	e = call_end(h, &call, r, false, none, end);
	attrs_wipe(&unused);
	return e;
}
