/* Issuer: revocation lists, one full and one for each shard. A list is written piece by
 * piece into a memory file as the store gives its pages, checked and signed by the
 * signer from there, and handed to gate as a descriptor. Nothing waits for it.
 *	issuer -> store	IS_REVOKED_FROM	store -> issuer	IS_REVOKED
 *	issuer -> signer IG_CRL		signer -> issuer IG_CRL_SIGNED
 *	issuer -> gate	GI_CRL */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/crl.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	CRL_SHARDS_MAX = 256,
	CRL_PAGE = 4000, /* entries asked for at once */
	CRL_PACKED = 8 + SERIAL_TAIL + 8 + 1,
	CRL_ROOM = CRL_HEAD_MAX + 64, /* before the first entry */
	CRL_RETRY = 5,                /* seconds after a failure */
	CRL_FULL = 0, /* list 0 is the full one, then the shards */
	CRL_REST = 8, /* a list takes at most an eighth of the time */
};

enum crl_state {
	CRL_IDLE,
	CRL_NUMBER, /* its number is being made durable */
	CRL_READING,
	CRL_SIGNING,
};

struct crl_list {
	bool dirty;
	int fd; /* of the one that gate has; -1: none yet */
	uint64_t number, entries, size, offset;
	int64_t this_update, next_update;
	uint64_t not_before; /* boottime: a big one is not made all the time */
};

static struct {
	struct crl_list list[1 + CRL_SHARDS_MAX];
	unsigned lists;
	enum crl_state state;
	unsigned at; /* the list being made */
	struct txn_entry entry;
	int fd;
	uint64_t end; /* of what was written */
	uint64_t after, entries, id, began;
	struct crl_head head;
	uint64_t head_size, tbs_size;
	char point[URI_MAX];
	struct buf page;
	struct loop_timer timer;
} crl;

static void step(void);

/* Writing to the file */

static enum err put_at(const void *p, size_t n, uint64_t at)
{
	const uint8_t *from = p;

	while (n) {
		ssize_t k = pwrite(crl.fd, from, n, (off_t)at);

		if (k <= 0)
			return ERR_UNAVAILABLE;
		from += k;
		at += (uint64_t)k;
		n -= (size_t)k;
	}
	return OK;
}

static enum err append(const struct buf *b)
{
	TRY(put_at(b->p, b->len, crl.end));
	crl.end += b->len;
	return OK;
}

/* Which one next, and when */

/* Two lists of one second would be the same one for who goes by the time: NSS refuses
 * the second of them as old, and If-Modified-Since gets a 304. */
static bool is_due(const struct crl_list *l, int64_t now, uint64_t boot)
{
	if (boot < l->not_before || now == l->this_update)
		return false;
	return l->dirty || l->fd < 0 || now >= l->this_update + CRL_EVERY;
}

static bool choose(void)
{
	uint64_t boot = loop_now(issuer.loop);
	int64_t now = clock_wall();

	/* shards first: they are small, and what certificates point to */
	for (unsigned i = 0; i < crl.lists; i++) {
		unsigned at = (i + 1) % crl.lists;

		if (!is_due(&crl.list[at], now, boot))
			continue;
		crl.at = at;
		return true;
	}
	return false;
}

static void again_later(const char *why)
{
	log_text(LOG_ERR, "crl", "%s", why);
	crl.list[crl.at].dirty = true;
	crl.list[crl.at].not_before =
		loop_now(issuer.loop) + CRL_RETRY * CLOCK_SECOND;
	crl.state = CRL_IDLE;
	fd_close(&crl.fd);
}

/* The number: durable before anything carries it */

static void numbered(struct txn_entry *e, const struct fault *f);

static void begin(void)
{
	struct attrs op;

	crl.state = CRL_NUMBER;
	crl.list[crl.at].dirty = false;
	crl.began = clock_boot();
	txn_entry_init(&crl.entry, numbered);
	attrs_init(&op);
	ENSURE(attrs_add_str(&op, "name", "crl_number") == OK);
	ENSURE(attrs_add_u64(&op, "value", ++issuer.crl_number) == OK);
	ENSURE(attrs_add(&crl.entry.ops, "meta", 0, op.bytes.p, op.bytes.len) ==
	       OK);
	attrs_wipe(&op);
	txn_add(&crl.entry);
}

static void ask_page(void)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "after", crl.after) == OK);
	ENSURE(attrs_add_u64(&a, "limit", CRL_PAGE) == OK);
	ENSURE(attrs_add_u64(&a, "expired_before",
			     (uint64_t)(crl.head.this_update - CRL_LIFE)) ==
	       OK);
	if (crl.at != CRL_FULL)
		ENSURE(attrs_add_u64(&a, "shard", crl.at - 1) == OK);
	crl.id = issuer_id(ABOUT_CRL);
	if (chan_send(&issuer.store, IS_REVOKED_FROM, crl.id, attrs_view(&a)) !=
	    OK)
		again_later("the store cannot be asked");
	attrs_wipe(&a);
}

static void make_head(void)
{
	crl.head = (struct crl_head){
		.alg = issuer.scope.alg,
		.this_update = clock_wall(),
		.number = issuer.crl_number,
		.authority_key = span_of(issuer.scope.key_id, 20),
	};
	crl.head.next_update =
		MIN(crl.head.this_update + CRL_LIFE, issuer.scope.not_after);
	if (crl.at == CRL_FULL)
		return;
	(void)snprintf(crl.point, sizeof crl.point, "%s/crl/%u",
		       issuer.scope.url, crl.at - 1);
	crl.head.point = span_str(crl.point);
}

static void numbered(struct txn_entry *e, const struct fault *f)
{
	txn_entry_wipe(e);
	if (f) {
		again_later(f->text);
		step();
		return;
	}
	crl.fd = memfd_create("crl", MFD_CLOEXEC);
	if (crl.fd < 0) {
		again_later("no memory for a list");
		return;
	}
	crl.state = CRL_READING;
	crl.end = CRL_ROOM;
	crl.after = crl.entries = 0;
	make_head();
	ask_page();
}

/* Pages */

static enum err take_entry(struct rd *r)
{
	struct crl_entry e;
	const uint8_t *tail;
	uint64_t number, at;
	uint8_t reason;

	TRY(rd_u64(r, &number));
	TRY(rd_bytes(r, SERIAL_TAIL, &tail));
	TRY(rd_u64(r, &at));
	TRY(rd_u8(r, &reason));
	serial_make(issuer.scope.instance, number, tail, &e.serial);
	e.at = (int64_t)at;
	e.reason = reason;
	crl.after = number;
	crl.entries++;
	return crl_entry_put(&crl.page, &e);
}

static void send_list(void);

static void list_read(void)
{
	AUTO(buf_wipe) struct buf b = { .max = CRL_HEAD_MAX };
	uint64_t body = crl.end - CRL_ROOM;

	/* not before: a signer that comes anew says the scope anew */
	crl.head.issuer = issuer.scope.name;
	if (crl_head_put(&b, &crl.head, body) != OK ||
	    put_at(b.p, b.len, CRL_ROOM - b.len) != OK) {
		again_later("the list's head cannot be written");
		return;
	}
	crl.head_size = b.len;
	buf_clear(&b);
	if (crl_tail_put(&b, &crl.head) != OK || append(&b) != OK) {
		again_later("the list cannot be written");
		return;
	}
	crl.tbs_size = crl.end - CRL_ROOM + crl.head_size;
	send_list();
}

void crl_page(const struct msg *m)
{
	struct attr entries, more, after;
	struct rd r;

	if (crl.state != CRL_READING || m->id != crl.id)
		return;
	if (attr_only(m->attrs, "entries", &entries) != OK ||
	    entries.len % CRL_PACKED ||
	    attr_only(m->attrs, "after", &after) != OK)
		child_broken("store");
	r = rd_from(entries.value, entries.len);
	buf_clear(&crl.page);
	while (rd_left(&r))
		if (take_entry(&r) != OK)
			child_broken("store");
	/* a page may be empty: the last one looked at had expired */
	if (attr_u64(&after, SERIAL_NUMBER_MAX, &crl.after) != OK)
		child_broken("store");
	if (append(&crl.page) != OK) {
		again_later("no memory for a list");
		return;
	}
	if (attr_only(m->attrs, "more", &more) == OK && attr_is(&more, "yes"))
		ask_page();
	else
		list_read();
}

/* Signing */

static void send_list(void)
{
	struct attrs a;

	/* a descriptor is sent at once, after all that waits: not to a signer
	 * that does not read, or everybody waits */
	if (issuer.signer.out.len) {
		again_later("the signer is behind");
		return;
	}
	crl.state = CRL_SIGNING;
	crl.id = issuer_id(ABOUT_CRL);
	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "offset", CRL_ROOM - crl.head_size) == OK);
	ENSURE(attrs_add_u64(&a, "size", crl.tbs_size) == OK);
	if (!chan_is_open(&issuer.signer) ||
	    chan_send_fds(&issuer.signer, IG_CRL, crl.id, attrs_view(&a),
			  &crl.fd, 1) != OK)
		again_later("the signer cannot be asked");
	attrs_wipe(&a);
}

static void give(unsigned at)
{
	struct crl_list *l = &crl.list[at];
	struct attrs a;

	if (l->fd < 0 || !chan_is_open(&issuer.gate))
		return;
	attrs_init(&a);
	if (at != CRL_FULL)
		ENSURE(attrs_add_u64(&a, "shard", at - 1) == OK);
	ENSURE(attrs_add_u64(&a, "number", l->number) == OK);
	ENSURE(attrs_add_u64(&a, "this_update", (uint64_t)l->this_update) ==
	       OK);
	ENSURE(attrs_add_u64(&a, "next_update", (uint64_t)l->next_update) ==
	       OK);
	ENSURE(attrs_add_u64(&a, "size", l->size) == OK);
	ENSURE(attrs_add_u64(&a, "offset", l->offset) == OK);
	(void)!chan_send_fds(&issuer.gate, GI_CRL, issuer_id(ABOUT_CRL),
			     attrs_view(&a), &l->fd, 1);
	attrs_wipe(&a);
}

void crl_to_gate(void)
{
	for (unsigned i = 0; i < crl.lists; i++)
		give(i);
}

static void record(const struct crl_list *l)
{
	struct attrs r;

	attrs_init(&r);
	ENSURE(attrs_add_str(&r, "event", "crl") == OK);
	ENSURE(attrs_add_str(&r, "subject", "ca") == OK);
	if (crl.at != CRL_FULL)
		ENSURE(attrs_add_u64(&r, "shard", crl.at - 1) == OK);
	ENSURE(attrs_add_u64(&r, "crl_number", l->number) == OK);
	ENSURE(attrs_add_u64(&r, "entries", l->entries) == OK);
	txn_tell(attrs_view(&r));
	attrs_wipe(&r);
}

static void publish(uint64_t offset)
{
	struct crl_list *l = &crl.list[crl.at];
	uint64_t took = clock_boot() - crl.began;

	fd_close(&l->fd);
	l->fd = crl.fd;
	crl.fd = -1;
	l->number = crl.head.number;
	l->entries = crl.entries;
	l->this_update = crl.head.this_update;
	l->next_update = crl.head.next_update;
	l->offset = offset;
	l->size = crl.end - offset;
	l->not_before = clock_boot() + took * CRL_REST;
	record(l);
	give(crl.at);
	crl.state = CRL_IDLE;
	step();
}

void crl_signed(uint64_t id, const struct msg *m)
{
	AUTO(buf_wipe) struct buf b = { .max = CRL_SIG_MAX + 64 };
	uint64_t offset;
	struct attr a;

	if (crl.state != CRL_SIGNING || id != crl.id)
		return;
	if (attr_only(m->attrs, "signature", &a) != OK)
		child_broken("signer");
	offset = CRL_ROOM - crl.head_size;
	if (crl_outer_put(&b, crl.tbs_size, issuer.scope.alg, a.len) != OK ||
	    b.len > offset || put_at(b.p, b.len, offset - b.len) != OK) {
		again_later("the list cannot be written");
		return;
	}
	offset -= b.len;
	buf_clear(&b);
	if (crl_sig_put(&b, issuer.scope.alg, span_of(a.value, a.len)) != OK ||
	    append(&b) != OK) {
		again_later("the list cannot be written");
		return;
	}
	publish(offset);
}

/* id 0: whatever the signer had. */
void crl_refused(uint64_t id, const struct fault *f)
{
	if (crl.state != CRL_SIGNING || (id && id != crl.id))
		return;
	again_later(f->text);
}

void crl_page_failed(uint64_t id, const struct fault *f)
{
	if (crl.state == CRL_READING && id == crl.id)
		again_later(f->text);
}

void crl_store_gone(void)
{
	if (crl.state == CRL_READING)
		again_later("the store was started anew");
}

/* When */

static void step(void)
{
	struct fault f;

	if (crl.state != CRL_IDLE || issuer_open(&f) != OK || !choose())
		return;
	begin();
}

/* As soon as each second begins: a list may be waiting for it. */
static void time_came(struct loop_timer *t)
{
	uint64_t left = CLOCK_SECOND - clock_wall_ns() % CLOCK_SECOND;

	step();
	loop_arm(issuer.loop, t, loop_now(issuer.loop) + left + CLOCK_MS);
}

void crl_revoked(uint64_t number)
{
	if (!crl.lists)
		return;
	crl.list[CRL_FULL].dirty = true;
	crl.list[1 + number % issuer.scope.shards].dirty = true;
	step();
}

void crl_start(void)
{
	crl.lists = 1 + issuer.scope.shards;
	ENSURE(crl.lists <= NELEM(crl.list));
	step();
}

void crl_init(void)
{
	for (size_t i = 0; i < NELEM(crl.list); i++)
		crl.list[i].fd = -1;
	crl.fd = -1;
	buf_init(&crl.page, (size_t)CRL_PAGE * CRL_ENTRY_MAX);
	crl.timer.on = time_came;
	loop_arm(issuer.loop, &crl.timer, loop_now(issuer.loop) + CLOCK_SECOND);
}

/* The verb: what is published; publish=yes: all of it anew. */

static void say_list(const struct ask *a, unsigned at)
{
	const struct crl_list *l = &crl.list[at];
	char text[CLOCK_TEXT];
	struct attrs item;

	attrs_init(&item);
	if (at == CRL_FULL)
		ENSURE(attrs_add_fmt(&item, "url", "%s/crl",
				     issuer.scope.url) == OK);
	else
		ENSURE(attrs_add_fmt(&item, "url", "%s/crl/%u",
				     issuer.scope.url, at - 1) == OK);
	if (l->fd >= 0) {
		ENSURE(attrs_add_u64(&item, "number", l->number) == OK);
		ENSURE(attrs_add_u64(&item, "entries", l->entries) == OK);
		ENSURE(attrs_add_u64(&item, "bytes", l->size) == OK);
		clock_format(l->this_update, text);
		ENSURE(attrs_add_str(&item, "this_update", text) == OK);
		clock_format(l->next_update, text);
		ENSURE(attrs_add_str(&item, "next_update", text) == OK);
	}
	ask_item(a, attrs_view(&item));
	attrs_wipe(&item);
}

void verb_crl(const struct ask *a, struct attr_view v)
{
	struct attrs reply;
	struct attr one;

	if (attr_only(v, "publish", &one) == OK && attr_is(&one, "yes")) {
		for (unsigned i = 0; i < crl.lists; i++)
			crl.list[i].dirty = true;
		step();
	}
	for (unsigned i = 0; i < crl.lists; i++)
		say_list(a, i);
	attrs_init(&reply);
	ENSURE(attrs_add_u64(&reply, "count", crl.lists) == OK);
	ask_reply(a, &reply);
	attrs_wipe(&reply);
}
