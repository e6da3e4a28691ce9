/* Signer: the only process that holds a CA key: the issuing key, the log's, the OCSP
 * signer's, and while a CA is made or renewed the root's. Signs nothing that it has
 * not parsed, checked against its own copy of the profiles, and built again to the
 * same bytes; the issuer, which asks, is not believed.
 *	supervisor -> signer	SUP_START [default_profile=yes], SUP_PROFILES …
 *	signer -> supervisor	SUP_READY, SUP_TRANSPORT
 *	issuer <-> signer	enum issuer_signer_kind (ca/kinds.h)
 * Descriptors at start: 3 supervisor, 4 its folder, 5 the key file. */
#include "ca/signer.h"

#include "ca/kinds.h"
#include "ca/kinds_sup.h"
#include "ca/roles.h"
#include "lib/child.h"
#include "lib/clock.h"
#include "lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FOLDER = SUP_FD + 1,
	KEYFILE = SUP_FD + 2,
	NAME_ROOM = PROFILE_NAME_MAX + 32,
};

static struct loop *loop;
static struct chan sup, issuer;
static struct signer signer;
static struct buf keyfile; /* until the signer takes it */
static struct attrs reply;
static bool default_profile;

/* Profiles as they come; NULL: no list is on its way. */
static struct profiles *coming;
static bool coming_bad, have_profiles;

/* CRL numbers, written once for all CRLs of a turn. */
static struct loop_work crl_numbers;

static void write_mark(struct loop_work *w)
{
	struct fault f;

	(void)w;
	if (signer.state == SIGNER_READY && mark_write(&signer.mark, &f) != OK)
		log_text(LOG_ERR, "mark_not_written", "%s", f.text);
}

static void tell_state(void)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(signer_state_format(&signer, &a) == OK);
	chan_tell(&issuer, IG_STATE, 0, attrs_view(&a));
	attrs_wipe(&a);
}

static void from_issuer(struct chan *c, const struct msg *m)
{
	AUTO(fd_close) int fd = m->kind == IG_CRL ? chan_take_fd(c) : -1;
	struct signer_reply r = { .out = &reply };
	struct fault f;
	enum err e;

	attrs_clear(&reply);
	e = signer_call(&signer, m, fd, clock_wall(), &r, &f);
	if (e != OK)
		log_text(LOG_ERR, "refused", "%s", f.text);
	else if (m->kind == IG_CRL)
		loop_defer(loop, &crl_numbers);
	if (r.changed)
		tell_state();
	chan_tell(c, r.kind, m->id, attrs_view(&reply));
}

/* An issuer that starts anew is introduced anew. */
static void issuer_end(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
}

/* The issuer begins when it knows the state, and that is not before the profiles:
 * what it then asks for is known here too. */
static void greet(void)
{
	if (have_profiles && chan_is_open(&issuer))
		tell_state();
}

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	static const struct chan_ops ops = { from_issuer, issuer_end, NULL };

	(void)m;
	if (strcmp(peer, "issuer") != 0)
		child_broken("supervisor");
	chan_close(&issuer);
	chan_open(&issuer, loop, fd, false, &ops);
	greet();
}

static void profiles_begin(void)
{
	profiles_free(&coming);
	coming = profiles_new(default_profile);
	coming_bad = false;
}

static void profiles_one(const struct msg *m)
{
	char name[NAME_ROOM];
	struct fault f;
	struct span text;

	if (!coming)
		child_broken("supervisor");
	(void)snprintf(name, sizeof name, "%s.conf", child_text(m, "name"));
	if (attr_count(m->attrs, "text") != 1)
		child_broken("supervisor");
	/* An empty file is fine. */
	if (signer_bytes(m->attrs, "text", 0, &text, &f) != OK)
		return;
	if (profiles_add(coming, name, (const char *)text.p, text.n, &f) == OK)
		return;
	log_text(LOG_ERR, "profile_refused", "%s", f.text);
	coming_bad = true;
}

/* A list with a mistake in it does not replace a good one. At the start there is
 * none, and what could be read is used. */
static void profiles_end(const struct msg *m)
{
	struct attr a;

	if (!coming)
		child_broken("supervisor");
	if (attr_find(m->attrs, "error", &a)) /* nobody could read them */
		coming_bad = true;
	if (coming_bad && have_profiles) {
		log_text(LOG_ERR, "profiles_kept",
			 "the profiles stay as they were: mend the mistake and "
			 "reload");
		profiles_free(&coming);
		return;
	}
	signer_profiles(&signer, coming);
	coming = NULL;
	if (have_profiles)
		return;
	have_profiles = true;
	greet();
}

static void from_sup(const struct msg *m)
{
	switch (m->kind) {
	case SUP_PROFILES:
		profiles_begin();
		return;
	case SUP_PROFILE:
		profiles_one(m);
		return;
	case SUP_PROFILES_END:
		profiles_end(m);
		return;
	default:
		child_broken("supervisor");
	}
}

static _Noreturn void not_started(const char *what)
{
	log_text(LOG_CRIT, "not_started", "%s: %s", what, strerror(errno));
	_exit(1);
}

/* The key file's offset is shared with the signers before and after this one. Without
 * a key file (another descriptor is none) an existing CA cannot be opened, and the
 * issuer is told. */
static void keyfile_read(void)
{
	struct stat st;
	uint8_t *at;
	ssize_t n;

	buf_init_secret(&keyfile, KEYS_KEYFILE_MAX + 1);
	if (fstat(KEYFILE, &st) || !S_ISREG(st.st_mode))
		return;
	ENSURE(buf_grow(&keyfile, KEYS_KEYFILE_MAX + 1, &at) == OK);
	n = pread(KEYFILE, at, KEYS_KEYFILE_MAX + 1, 0);
	keyfile.len = n > 0 ? (size_t)n : 0;
	close(KEYFILE);
}

/* While every folder above can still be searched: the current folder is ours. And
 * OpenSSL does now what it does at its first use. */
static void enter(const struct msg *m)
{
	struct attr a;

	umask(0077);
	if (fchdir(FOLDER))
		not_started("the folder cannot be entered");
	default_profile = attr_find(m->attrs, "default_profile", &a) &&
			  attr_is(&a, "yes");
	pubkey_warm();
	keyfile_read();
}

static void own_folder(struct confine_spec *spec)
{
	spec->path[spec->paths++] = (struct landlock_path){
		.fd = FOLDER, .rights = LANDLOCK_READ | LANDLOCK_WRITE
	};
}

/* What was counted since the mark was last written is written. */
static void end(void)
{
	write_mark(&crl_numbers);
	signer_wipe(&signer);
	_exit(0);
}

static void publish_box(void)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add(&a, "key", 0, box_public(signer.box), BOX_KEY) == OK);
	chan_tell(&sup, SUP_TRANSPORT, 0, attrs_view(&a));
	attrs_wipe(&a);
}

int role_signer(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .other = from_sup,
					      .start = enter,
					      .confine = own_folder,
					      .end = end };

	loop = loop_new();
	attrs_init(&reply);
	crl_numbers.on = write_mark;
	child_start(loop, &sup, CONFINE_CA_SIGNER, &ops);
	signer_init(&signer, FOLDER, &keyfile);
	if (signer.state == SIGNER_BROKEN)
		log_text(LOG_CRIT, "no_keys", "%s", signer.why.text);
	publish_box();
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
