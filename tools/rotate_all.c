/* Runs in cretula; holds sealed versions on their way, and no secret. Our store gives
 * out the current version only, and only sealed to a peer of its own; a peer takes it
 * only from a store that it knows, and only if it has the credential. So the worst that
 * can happen on the way is that it does not arrive. */
#include "tools/rotate_all.h"

#include "tools/crew.h"

#include "lib/export.h"

#include <stdlib.h>
#include <string.h>

enum {
	EXIT_AGAIN = 75,
	NODE_MS = 10000, /* for one answer of a peer */
};

enum node_state {
	NODE_ROTATED, /* has the new version since just now */
	NODE_THERE,   /* had it already */
	NODE_OLD,     /* has an older one; only in between */
	NODE_NONE,    /* has no such credential */
	NODE_NO_URL,  /* is no matter of this command */
	NODE_AWAY,    /* could not be reached, or not now */
	NODE_REFUSED,
	NODE__STATES
};

static const char *const state_name[] = {
	[NODE_ROTATED] = "rotated", [NODE_THERE] = "there",
	[NODE_OLD] = "old",         [NODE_NONE] = "none",
	[NODE_NO_URL] = "no-url",   [NODE_AWAY] = "unreachable",
	[NODE_REFUSED] = "refused",
};

_Static_assert(NELEM(state_name) == NODE__STATES, "every state has a name");

/* One of the crew at a time has it. */
struct rotate_node {
	char *name, *url;
	enum node_state state;
	uint64_t version;    /* that it has; 0: unknown or none */
	struct attrs import; /* the sealed version, on its way to it */
	char id[64];
	char text[512]; /* why */
};

/* What the crew is about. */
struct rotate_task {
	struct cli *cli;
	struct rotate_all *all;
	bool away, refused; /* some of them */
	int rc;             /* of what was printed */
};

void rotate_all_wipe(struct rotate_all *all)
{
	for (size_t i = 0; i < all->nodes; i++) {
		attrs_wipe(&all->node[i].import);
		free(all->node[i].name);
		free(all->node[i].url);
	}
	free(all->node);
	all->node = NULL;
	all->nodes = 0;
}

static bool get_text(struct attr_view v, const char *name, char *out,
		     size_t size)
{
	struct attr a;

	if (!attr_find(v, name, &a) || a.len >= size)
		return false;
	memcpy(out, a.value, a.len);
	out[a.len] = '\0';
	return true;
}

/* The current version that credential.show tells of. */
static bool current(const struct cretula_answer *shown, uint64_t *version,
		    char *id, size_t id_size, struct attr_view *item)
{
	for (unsigned i = 0; i < shown->count; i++) {
		struct attr_view v = attrs_view(&shown->item[i].a);
		struct attr a, n;

		if (!attr_find(v, "current", &a) || !attr_is(&a, "yes") ||
		    !attr_find(v, "version", &n) ||
		    attr_u64(&n, INT64_MAX, version) != OK)
			continue;
		if (!get_text(v, "id", id, id_size))
			id[0] = '\0';
		*item = v;
		return true;
	}
	return false;
}

/* Peers */

/* Who is out of reach, or has no time, is asked again later. */
static void failed(struct rotate_node *n, const struct cretula_error *err)
{
	bool later = !err->reached || err->code == CRETULA_ERR_UNAVAILABLE ||
		     err->code == CRETULA_ERR_TIMEOUT ||
		     err->code == CRETULA_ERR_LIMITED ||
		     err->code == CRETULA_ERR_SEALED;

	n->state = later ? NODE_AWAY : NODE_REFUSED;
	memcpy(n->text, err->text, MIN(sizeof n->text, sizeof err->text));
	n->text[sizeof n->text - 1] = '\0';
}

static bool node_call(const struct cli *cli, struct rotate_node *n,
		      const char *verb, const struct attrs *args,
		      struct cretula_answer **answer, struct cretula_error *err)
{
	struct cretula *c = NULL;
	enum cretula_err e = cli_connect_peer(cli, n->url, &c, err);

	if (e)
		return false;
	cretula_timeout(c, NODE_MS);
	e = client_call(c, verb, attrs_view(args), NULL, answer, err);
	cretula_close(c);
	return !e;
}

static void node_ask(void *arg, size_t i)
{
	struct rotate_task *t = arg;
	struct rotate_node *n = &t->all->node[i];
	AUTO(attrs_wipe) struct attrs args = { 0 };
	struct cretula_answer *shown = NULL;
	struct cretula_error err = { 0 };
	struct attr_view item;

	if (!n->url) {
		n->state = NODE_NO_URL;
		return;
	}
	attrs_init(&args);
	ENSURE(attrs_add_str(&args, "name", t->all->name) == OK);
	n->state = NODE_OLD;
	if (!node_call(t->cli, n, "credential.show", &args, &shown, &err)) {
		failed(n, &err);
		if (err.reached && err.code == CRETULA_ERR_NOT_FOUND)
			n->state = NODE_NONE;
	} else if (!current(shown, &n->version, n->id, sizeof n->id, &item)) {
		n->state = NODE_REFUSED;
		(void)snprintf(n->text, sizeof n->text,
			       "it does not say which version it has");
	}
	cretula_answer_free(shown);
}

static int by_name(const void *a, const void *b)
{
	const struct rotate_node *const n[] = { a, b };

	return strcmp(n[0]->name, n[1]->name);
}

static void take_peers(struct rotate_all *all,
		       const struct cretula_answer *list)
{
	all->node = xcalloc(list->count + 1, sizeof *all->node);
	for (unsigned i = 0; i < list->count; i++) {
		struct attr_view v = attrs_view(&list->item[i].a);
		struct rotate_node *n = &all->node[all->nodes];
		struct attr a;

		if (!attr_find(v, "name", &a) || attr_str(&a, &n->name) != OK)
			continue;
		if (attr_find(v, "url", &a) && attr_str(&a, &n->url) != OK)
			n->url = NULL;
		all->nodes++;
	}
	if (all->nodes)
		qsort(all->node, all->nodes, sizeof *all->node, by_name);
}

/* Something to show to peers. Whether they take it they say themselves, but without any
 * the new version would be in this store alone. */
static bool has_identity(const struct cli *cli)
{
	static const char *const from[] = { "CRETULA_IDENTITY", "CRETULA_DIR",
					    "CRETULA_AGENT" };
	bool has = cli->identity;

	for (size_t i = 0; i < NELEM(from) && !has; i++)
		has = getenv(from[i]);
	return has;
}

static int look_for_identity(const struct cli *cli,
			     const struct rotate_all *all)
{
	for (size_t i = 0; i < all->nodes && !has_identity(cli); i++) {
		const struct rotate_node *n = &all->node[i];

		if (!n->url || strncmp(n->url, "https://", 8))
			continue;
		cli_say("nothing was done: peer '%s' wants a certificate with "
			"the capability admin:credd@NODE: --identity FILE "
			"(PEM: key, certificate, chain), or CRETULA_IDENTITY",
			n->name);
		return err_exit(ERR_UNAUTHENTICATED);
	}
	return 0;
}

static int ask_peers(struct cli *cli, struct rotate_all *all)
{
	struct rotate_task task = { .cli = cli, .all = all };
	struct cretula_answer *list = NULL;
	struct attr_view none = { 0 };
	int rc = cli_ask(cli, true, "peer.list", none, NULL, &list);

	if (!rc)
		take_peers(all, list);
	cretula_answer_free(list);
	if (!rc)
		rc = look_for_identity(cli, all);
	if (!rc)
		crew_run(&(struct crew_job){
			.count = all->nodes, .work = node_ask, .arg = &task });
	return rc;
}

/* The new version is above what each has; who says a number that cannot be is left out,
 * and the others get theirs. */
static void choose_version(struct rotate_all *all)
{
	all->version = all->own;
	for (size_t i = 0; i < all->nodes; i++) {
		struct rotate_node *n = &all->node[i];

		if (n->version <= all->own ||
		    n->version - all->own <= EXPORT_AHEAD_MAX) {
			all->version = MAX(all->version, n->version);
			continue;
		}
		n->state = NODE_REFUSED;
		(void)snprintf(n->text, sizeof n->text,
			       "it says that it has version %llu, far above "
			       "ours, %llu: that is no version of this "
			       "credential",
			       (unsigned long long)n->version,
			       (unsigned long long)all->own);
	}
	all->version++;
}

/* Our store */

static int ask_own(struct cli *cli, struct rotate_all *all)
{
	AUTO(attrs_wipe) struct attrs args = { 0 };
	struct cretula_answer *shown = NULL;
	struct attr_view item;
	struct attr a;
	int rc;

	attrs_init(&args);
	ENSURE(attrs_add_str(&args, "name", all->name) == OK);
	rc = cli_ask(cli, true, "credential.show", attrs_view(&args), NULL,
		     &shown);
	if (!rc &&
	    (!current(shown, &all->own, all->id, sizeof all->id, &item) ||
	     !get_text(item, "module", all->module, sizeof all->module))) {
		cli_say("credd does not say which version of '%s' it has",
			all->name);
		rc = EXIT_FAILED;
	}
	if (!rc && attr_find(item, "exportable", &a) && attr_is(&a, "no")) {
		cli_say("credential '%s' was made with exportable=no and never "
			"leaves this store: rotate it in each store by itself",
			all->name);
		rc = err_exit(ERR_DENIED);
	}
	cretula_answer_free(shown);
	return rc;
}

int rotate_all_ask(struct cli *cli, struct rotate_all *all)
{
	int rc = cli_open_own(cli);

	if (!rc)
		rc = ask_own(cli, all);
	if (!rc)
		rc = ask_peers(cli, all);
	choose_version(all);
	return rc;
}

/* Sending */

static void seal_for(struct cli *cli, const struct rotate_all *all,
		     struct rotate_node *n)
{
	AUTO(attrs_wipe) struct attrs args = { 0 };
	struct cretula_answer *sealed = NULL;
	struct cretula_error err = { 0 };
	bool good = false;
	struct attr a;

	attrs_init(&n->import);
	ENSURE(attrs_add_u64(&n->import, "grace", all->grace) == OK);
	attrs_init(&args);
	ENSURE(attrs_add_str(&args, "name", all->name) == OK);
	ENSURE(attrs_add_str(&args, "to", n->name) == OK);
	ENSURE(attrs_add_u64(&args, "version", all->version) == OK);
	if (client_call(cli->c, "credential.seal-rotation", attrs_view(&args),
			NULL, &sealed, &err))
		failed(n, &err);
	else
		good = attr_find(attrs_view(&sealed->reply.a), "export", &a) &&
		       attrs_add(&n->import, "export", 0, a.value, a.len) == OK;
	if (!good && n->state == NODE_OLD) {
		n->state = NODE_REFUSED;
		(void)snprintf(n->text, sizeof n->text,
			       "our store has sealed nothing for it");
	}
	cretula_answer_free(sealed);
}

/* It says which version it has now. */
static void took(const struct rotate_all *all, struct rotate_node *n,
		 struct attr_view reply)
{
	struct attr a;
	uint64_t now = 0;

	n->state = attr_find(reply, "already", &a) ? NODE_THERE : NODE_ROTATED;
	if (attr_find(reply, "version", &a) &&
	    attr_u64(&a, INT64_MAX, &now) == OK && now >= all->version) {
		n->version = now;
		return;
	}
	n->state = NODE_REFUSED;
	(void)snprintf(n->text, sizeof n->text,
		       "it does not say that it has version %llu now",
		       (unsigned long long)all->version);
}

/* To whom something was sealed. */
static void deliver(void *arg, size_t i)
{
	const struct rotate_task *t = arg;
	struct rotate_node *n = &t->all->node[i];
	struct cretula_answer *done = NULL;
	struct cretula_error err = { 0 };

	if (n->state != NODE_OLD)
		return;
	if (node_call(t->cli, n, "credential.import", &n->import, &done, &err))
		took(t->all, n, attrs_view(&done->reply.a));
	else
		failed(n, &err);
	cretula_answer_free(done);
	attrs_wipe(&n->import);
}

/* Two stores that were rotated at the same time, each by its own administrator. */
static void other_version(const struct rotate_all *all, struct rotate_node *n)
{
	n->state = NODE_REFUSED;
	(void)snprintf(n->text, sizeof n->text,
		       "it has a version %llu of its own: somebody else has "
		       "rotated '%s'; rotate anew, for all",
		       (unsigned long long)n->version, all->name);
}

/* Our own store seals for one after the other. */
static void prepare(void *arg, size_t i)
{
	const struct rotate_task *t = arg;
	const struct rotate_all *all = t->all;
	struct rotate_node *n = &t->all->node[i];

	if (n->state != NODE_OLD)
		return;
	if (n->version < all->version)
		seal_for(t->cli, all, n);
	else if (n->version == all->version && !strcmp(n->id, all->id))
		n->state = NODE_THERE;
	else
		other_version(all, n);
}

static enum err node_item(const struct rotate_node *n, struct attrs *item)
{
	TRY(attrs_add_str(item, "peer", n->name));
	TRY(attrs_add_str(item, "result", state_name[n->state]));
	if (n->version)
		TRY(attrs_add_u64(item, "version", n->version));
	return n->text[0] && n->state != NODE_NONE
		       ? attrs_add_str(item, "text", n->text)
		       : OK;
}

static int say(struct cli *cli, const struct rotate_node *n)
{
	AUTO(attrs_wipe) struct attrs item = { 0 };
	int rc;

	attrs_init(&item);
	if (node_item(n, &item) != OK)
		return EXIT_FAILED;
	rc = out_list(cli, attrs_view(&item), NULL);
	(void)fflush(stdout); /* it may take a while to the next */
	return rc;
}

static void tell(void *arg, size_t i)
{
	struct rotate_task *t = arg;
	const struct rotate_node *n = &t->all->node[i];

	t->away |= n->state == NODE_AWAY;
	t->refused |= n->state == NODE_REFUSED;
	if (!t->rc)
		t->rc = say(t->cli, n);
}

int rotate_all_send(struct cli *cli, struct rotate_all *all)
{
	static char self[] = "-"; /* no peer has that name */
	const struct rotate_node own = { .name = self,
					 .version = all->version,
					 .state = all->own == all->version
							  ? NODE_THERE
							  : NODE_ROTATED };
	struct rotate_task t = { .cli = cli, .all = all, .rc = say(cli, &own) };

	crew_run(&(struct crew_job){ .count = all->nodes,
				     .begin = prepare,
				     .work = deliver,
				     .done = tell,
				     .arg = &t });
	if (t.away || t.refused)
		cli_say("not all have version %llu of '%s': when that is "
			"mended, 'cretula credential rotate %s --all --resume' "
			"sends it to the rest; do not end the old secret at "
			"its provider before",
			(unsigned long long)all->version, all->name, all->name);
	return t.rc        ? t.rc
	       : t.refused ? EXIT_FAILED
	       : t.away    ? EXIT_AGAIN
			   : EXIT_DONE;
}
