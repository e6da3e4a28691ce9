/* Vault: modules. Their bytes come from the supervisor as sealed memfds and are
 * hashed here; hash and declaration are pinned in the store at init, and only a
 * module that still is what was pinned is ever started with a credential. */
#include "credd/vault.h"
#include "lib/child.h"

#include "lib/enc.h"
#include "lib/log.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct module *module_find(const char *name)
{
	for (size_t i = 0; i < vault.modules; i++)
		if (!strcmp(vault.module[i].name, name))
			return &vault.module[i];
	return NULL;
}

static struct module *module_get(const char *name)
{
	struct module *m = module_find(name);

	if (m || vault.modules == VAULT_MODULES)
		return m;
	m = &vault.module[vault.modules++];
	*m = (struct module){ .image = -1 };
	memcpy(m->name, name, strlen(name) + 1);
	attrs_init(&m->declaration);
	return m;
}

/* Nobody can change the bytes between this look and the worker's. */
static bool hash_image(int fd, uint8_t hash[32])
{
	const int sealed = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
	struct stat st;
	void *p;

	if (fstat(fd, &st) || st.st_size <= 0 ||
	    (fcntl(fd, F_GET_SEALS) & sealed) != sealed)
		return false;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	crypto_hash_sha256(hash, p, (unsigned long long)st.st_size);
	munmap(p, (size_t)st.st_size);
	return true;
}

void module_from_sup(const struct msg *m, int fd)
{
	const char *name = child_text(m, "name");
	struct module *mod;

	if (!attr_name_ok(name, strlen(name)))
		child_broken("supervisor");
	mod = module_get(name);
	if (!mod || !hash_image(fd, mod->hash)) {
		log_text(LOG_ERR, "module", "'%s' cannot be used", name);
		close(fd);
		return;
	}
	fd_close(&mod->image);
	mod->image = fd;
}

/* Declarations */

static enum err reveal_parse(const struct attr *a, enum cretula_reveal *out)
{
	static const char *const name[] = { "signature", "bearer", "token",
					    "secret" };

	for (size_t i = 0; i < NELEM(name); i++) {
		if (attr_is(a, name[i])) {
			*out = (enum cretula_reveal)i;
			return OK;
		}
	}
	return ERR_INVALID;
}

static enum err take_operation(struct module *m, const struct attr *a)
{
	struct module_op *op;
	struct attr_view one;
	struct attr name, r;

	if (m->ops == MODULE_OPS)
		return ERR_TOO_LARGE;
	op = &m->op[m->ops];
	TRY(attr_parse(a->value, a->len, &one, NULL));
	TRY(attr_only(one, "name", &name));
	TRY(attr_only(one, "reveals", &r));
	TRY(reveal_parse(&r, &op->reveals));
	if (name.len > ATTR_NAME_MAX)
		return ERR_TOO_LARGE;
	memcpy(op->name, name.value, name.len);
	op->name[name.len] = 0;
	m->ops++;
	return OK;
}

/* Keeps what the module declares; its operations, which every request asks for, as
 * they are looked for. */
static enum err declaration_take(struct module *m, struct attr_view decl)
{
	struct attr_view it = decl;
	struct attr a;

	attrs_clear(&m->declaration);
	m->ops = 0;
	while (attr_next(&it, &a))
		if (attr_named(&a, "operation"))
			TRY(take_operation(m, &a));
	return attrs_add_view(&m->declaration, decl);
}

enum err module_operation(const struct module *m, const char *op,
			  enum cretula_reveal *reveals, struct fault *f)
{
	for (size_t i = 0; i < m->ops; i++) {
		if (strcmp(m->op[i].name, op) != 0)
			continue;
		*reveals = m->op[i].reveals;
		return OK;
	}
	return fault_set(f, ERR_UNSUPPORTED,
			 "module '%s' has no operation '%s'", m->name, op);
}

bool module_attribute(const struct module *m, const struct attr *want,
		      unsigned *kind)
{
	struct attr_view it = attrs_view(&m->declaration), one;
	struct attr a, name, k;
	uint64_t n;

	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "attribute") ||
		    attr_parse(a.value, a.len, &one, NULL) != OK ||
		    attr_only(one, "name", &name) != OK ||
		    name.len != want->name_len ||
		    memcmp(name.value, want->name, name.len))
			continue;
		if (attr_only(one, "kind", &k) != OK ||
		    attr_u64(&k, UINT32_MAX, &n) != OK)
			return false;
		*kind = (unsigned)n;
		return true;
	}
	return false;
}

static bool is_repeated(struct attr_view v, const struct attr *a)
{
	struct attr other;
	unsigned n = 0;

	while (attr_next(&v, &other))
		n += other.name_len == a->name_len &&
		     !memcmp(other.name, a->name, a->name_len);
	return n > 1;
}

static enum err check_list(const struct module *m, struct attr_view v,
			   bool confidential, struct fault *f)
{
	struct attr_view it = v;
	struct attr a;
	unsigned kind;

	while (attr_next(&it, &a)) {
		if (!module_attribute(m, &a, &kind))
			return fault_set(f, ERR_INVALID,
					 "module '%s' has no attribute '%.*s': "
					 "'cretula module list' shows which it "
					 "has",
					 m->name, a.name_len, a.name);
		if (confidential != !!(kind & CRETULA_CONFIDENTIAL))
			return fault_set(f, ERR_INVALID,
					 "'%.*s' of module '%s' is%s "
					 "confidential",
					 a.name_len, a.name, m->name,
					 confidential ? " not" : "");
		if (is_repeated(v, &a))
			return fault_set(f, ERR_INVALID,
					 "'%.*s' is there more than once",
					 a.name_len, a.name);
	}
	return OK;
}

static enum err check_required(const struct module *m, struct attr_view shared,
			       struct attr_view confidential, struct fault *f)
{
	struct attr_view it = attrs_view(&m->declaration), one;
	struct attr a, k, found;
	uint64_t n;

	while (attr_next(&it, &a)) {
		struct attr_view in;
		char text[ATTR_NAME_MAX + 1];

		if (!attr_named(&a, "attribute") ||
		    attr_parse(a.value, a.len, &one, NULL) != OK ||
		    attr_only(one, "kind", &k) != OK ||
		    attr_u64(&k, UINT32_MAX, &n) != OK ||
		    !(n & CRETULA_REQUIRED) ||
		    call_text(one, "name", text, sizeof text, f) != OK)
			continue;
		in = n & CRETULA_CONFIDENTIAL ? confidential : shared;
		if (!attr_find(in, text, &found))
			return fault_set(f, ERR_INVALID,
					 "module '%s' needs %s%s=", m->name,
					 n & CRETULA_CONFIDENTIAL
						 ? "the "
						   "confidential "
						 : "",
					 text);
	}
	return OK;
}

enum err module_check_attributes(const struct module *m,
				 struct attr_view shared,
				 struct attr_view confidential, struct fault *f)
{
	TRY(check_list(m, shared, false, f));
	TRY(check_list(m, confidential, true, f));
	return check_required(m, shared, confidential, f);
}

/* Pins */

enum err module_load_row(struct vrow *v, struct fault *f)
{
	struct module *m = module_get(v->name);
	struct attr hash, decl, facts;
	struct attr_view inner;
	struct attrs a;
	enum err e;

	if (!m)
		return fault_set(f, ERR_TOO_LARGE, "more than %d modules",
				 VAULT_MODULES);
	attrs_init(&a);
	e = rows_open(v, &a, f);
	if (e == OK && (attr_only(attrs_view(&a), "sha256", &hash) != OK ||
			hash.len != sizeof m->hash ||
			attr_only(attrs_view(&a), "declaration", &decl) != OK ||
			attr_parse(decl.value, decl.len, &inner, f) != OK))
		e = fault_set(f, ERR_INVALID,
			      "the row of module '%s' is not "
			      "complete",
			      v->name);
	if (e == OK) {
		m->row = v;
		m->pinned = m->image >= 0 &&
			    !memcmp(hash.value, m->hash, sizeof m->hash);
		m->has_facts = attr_find(inner, "facts", &facts) &&
			       attr_is(&facts, "yes");
		e = declaration_take(m, inner);
		if (e != OK)
			(void)fault_set(f, e,
					"the declaration of module '%s' is "
					"not well-formed",
					v->name);
		if (!m->pinned)
			log_text(LOG_ERR, "module_changed",
				 "module '%s' is not what was pinned at init",
				 m->name);
	}
	attrs_wipe(&a);
	return e;
}

enum err modules_put(struct change *c, struct fault *f)
{
	for (size_t i = 0; i < vault.modules; i++) {
		struct module *m = &vault.module[i];
		struct attrs a;
		enum err e;

		if (m->image < 0 || !m->declaration.count)
			continue;
		attrs_init(&a);
		e = attrs_add(&a, "sha256", 0, m->hash, sizeof m->hash);
		if (e == OK)
			e = attrs_add(&a, "declaration", 0,
				      m->declaration.bytes.p,
				      m->declaration.bytes.len);
		if (e == OK)
			e = change_put(c, ROW_MODULE, change_row(ROW_MODULE),
				       m->name, m->name, 0, attrs_view(&a),
				       NULL, f);
		attrs_wipe(&a);
		TRY(e);
	}
	return OK;
}

void modules_close(void)
{
	for (size_t i = 0; i < vault.modules; i++) {
		vault.module[i].row = NULL;
		vault.module[i].pinned = false;
	}
}

/* Every module is started once without a credential, to say what it declares. */
static void pin_next(struct job *j);

static void pin_declared(struct job *j, enum err e)
{
	struct module *m = j->module;
	struct attr decl;
	struct attr_view inner;

	if (e == OK &&
	    attr_only(attrs_view(&j->reply), "declaration", &decl) == OK &&
	    attr_parse(decl.value, decl.len, &inner, NULL) == OK)
		e = declaration_take(m, inner);
	if (e != OK)
		log_text(LOG_ERR, "module", "'%s' is left out: %s", m->name,
			 j->fault.text);
	attrs_clear(&j->reply);
	pin_next(j);
}

static void pin_next(struct job *j)
{
	struct module *m;
	struct worker *w;

	while (j->tried < vault.modules && vault.module[j->tried].image < 0)
		j->tried++;
	if (j->tried == vault.modules) {
		j->then = j->after;
		j->then(j, OK);
		return;
	}
	m = &vault.module[j->tried++];
	j->module = m;
	j->then = pin_declared;
	w = worker_start(m, NULL, NULL, 0, &j->fault);
	if (w)
		worker_job(w, j);
	else
		pin_declared(j, j->fault.code);
}

void modules_pin(struct job *j)
{
	j->after = j->then;
	j->tried = 0;
	pin_next(j);
}

/* module list */

void verb_module_list(const struct call *c, struct attr_view v)
{
	struct attrs item, reply;

	(void)v;
	attrs_init(&item);
	attrs_init(&reply);
	for (size_t i = 0; i < vault.modules; i++) {
		struct module *m = &vault.module[i];
		char hex[2 * sizeof m->hash + 1];
		struct attr summary;

		if (!m->row)
			continue;
		enc_hex(m->hash, sizeof m->hash, hex);
		attrs_clear(&item);
		ENSURE(attrs_add_str(&item, "name", m->name) == OK);
		ENSURE(attrs_add_str(&item, "sha256", hex) == OK);
		ENSURE(attrs_add_str(&item, "usable",
				     m->pinned ? "yes" : "no") == OK);
		if (attr_find(attrs_view(&m->declaration), "summary", &summary))
			ENSURE(attrs_add_attr(&item, &summary) == OK);
		ENSURE(attrs_add(&item, "declaration", 0,
				 m->declaration.bytes.p,
				 m->declaration.bytes.len) == OK);
		call_item(c, attrs_view(&item));
	}
	call_reply(c, &reply);
	attrs_wipe(&item);
	attrs_wipe(&reply);
}
