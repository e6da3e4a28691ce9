#!/usr/bin/python3
"""Enrolment tokens, rule by rule (formats.md): what spends one, what raises the theft
alarm, what it is bound to, and what the log says of each."""
import base64
import os
import sys
import threading
import time

from cryptography import x509

from lib.admin import Client, Refused
from lib.ca_client import (ENROL, NODE, SECONDS, Chain, Https, Problem, Token,
                           add_token, context, enrol, init,
                           inventory, make_csr, read_log, sha256, spki_of,
                           until_https)
from lib.case import case, check, equal, run
from lib.daemon import Ca

PROFILES = """
profile=web life=1h max_life=3h dns={node} dns=*.{node}
profile=other life=1h
"""
AGENT = "018f3a6e-0000-7000-8000-0123456789ab"
AGENT2 = "018f3a6e-0000-7000-8000-0123456789ac"


class Place:
    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)

    def token(self, **more):
        return add_token(self.ca, **more)

    def enrol(self, token, csr, **more):
        return enrol(self.ca.api, token, csr, self.chain.spki, **more)

    def https(self):
        return Https(self.ca.https, context(self.chain))

    def call(self, *attrs):
        with Client(self.ca.api) as c:
            return c.call("ca.enrol", attrs)

    def alarms(self):
        with self.ca.admin() as a:
            status = a.status()
            texts = [t.decode() if isinstance(t, bytes) else t
                     for t in status.all("attention")]
            return [t for t in texts if t.startswith("theft")]

    def records(self, token, event="enrol"):
        with self.ca.admin() as a:
            log = read_log(a)
        return [r for r in log.events(event) if r.text("token") == token.hex]

    def log_size(self):
        with self.ca.admin() as a:
            return int(a.status().text("log"))

    def denials_since(self, index):
        with self.ca.admin() as a:
            records = read_log(a).records[index:]
        return sum(int(r.text("count", "1")) for r in records
                   if r.text("result") == "refused")

    def is_unspent(self, token, **more):
        """It still enrols, once."""
        got = self.enrol(token, make_csr()[1], **more)
        self.chain.signed(got.get("certificate"))
        return got


def refused(do, error, says=""):
    try:
        do()
    except (Refused, Problem) as e:
        check(e.error == error and says in e.text, "refused with %s %r" %
              (error, says), e.error, e.text)
        return e
    raise AssertionError("it was not refused: wanted %s %r" % (error, says))


def of(place, token, csr, signature):
    return lambda: place.call(("token_id", token.id), ("csr", csr),
                              ("signature", signature))


@case
def a_wrong_signature_neither_spends_nor_alarms(place):
    token, thief = place.token(), Token()
    csr, other = make_csr()[1], make_csr()[1]
    good = token.sign(csr, place.chain.spki)
    thief.id = token.id
    bad = [bytes(64), good[:-1] + bytes([good[-1] ^ 1]),
           thief.sign(csr, place.chain.spki),           # another key
           token.sign(other, place.chain.spki),         # of another CSR
           token.key.sign(ENROL[:-1] + sha256(place.chain.spki) + token.id +
                          sha256(csr)),                 # without its NUL
           token.key.sign(ENROL + sha256(place.chain.spki) + bytes(16) +
                          sha256(csr))]                 # of another id
    for signature in bad:
        refused(of(place, token, csr, signature), "denied", "signature")
    equal(place.alarms(), [], "alarms")
    check(place.records(token), "refusals are in the log")
    for r in place.records(token):
        equal((r.text("result"), r.text("error")), ("refused", "denied"),
              "in the log")
    place.is_unspent(token)
    # nor does one for a token that was spent
    refused(of(place, token, other, bytes(64)), "denied", "signature")
    equal(place.alarms(), [], "alarms after it was spent")


@case
def a_signature_for_another_ca_is_wrong(place):
    token, (_, csr) = place.token(), make_csr()
    root = spki_of(place.chain.root.public_key())
    e = refused(of(place, token, csr, token.sign(csr, root)), "denied",
                "this CA's key")
    check(place.chain.spki.hex() not in e.text, "no key is told")
    place.is_unspent(token)


@case
def by_https_it_is_the_same(place):
    token = place.token()
    with place.https() as h:
        _, csr = make_csr()
        body = {"token_id": token.hex, "csr": base64.b64encode(csr).decode(),
                "signature": base64.b64encode(bytes(64)).decode()}
        e = refused(lambda: h.ask("POST", "/v1/enrol", body), "denied",
                    "signature")
        equal(e.status, 403, "status")
        first = h.enrol(token, csr, place.chain.spki)
        again = h.enrol(token, csr, place.chain.spki)
        for name in "certificate", "chain", "serial", "agent", "type", "node", \
                "not_before", "not_after":
            equal(again[name], first[name], name)
        e = refused(lambda: h.enrol(token, make_csr()[1], place.chain.spki),
                    "conflict", "used already")
        equal(e.status, 409, "status")
    equal(len([a for a in place.alarms() if token.hex in a]), 1, "alarms")


@case
def the_same_csr_gets_the_same_certificate(place):
    token, (_, csr) = place.token(), make_csr(["a.n1.example"])
    first = place.enrol(token, csr)
    with place.ca.admin() as a:
        before = len(inventory(a))
    for _ in range(3):
        again = place.enrol(token, csr)
        for name in "certificate", "issuer", "serial", "agent", "type", "node", \
                "not_before", "not_after":
            equal(again.get(name), first.get(name), name)
    # PEM of the same, and by the other road
    with place.https() as h:
        equal(int(h.enrol(token, csr, place.chain.spki)["serial"], 16),
              int(first.text("serial"), 16), "by HTTPS")
    with place.ca.admin() as a:
        equal(len(inventory(a)), before, "certificates")
    equal(len(place.records(token)), 1, "one record of its enrolment")
    equal([x for x in place.alarms() if token.hex in x], [], "alarms")


@case
def another_csr_is_refused_and_alarms(place):
    token = place.token()
    first = place.enrol(token, make_csr()[1])
    for _ in range(2):
        refused(lambda: place.enrol(token, make_csr()[1]), "conflict",
                "stole")
    alarms = [a for a in place.alarms() if token.hex in a]
    equal(len(alarms), 1, "one alarm of a token")
    check(NODE in alarms[0] and "revoke" in alarms[0], "what to do", alarms)
    thefts = place.records(token, "token.theft")
    equal(len(thefts), 2, "each is in the log")
    number = int(first.text("serial"), 16) >> 96 & (1 << 40) - 1
    equal(thefts[0].text("number"), str(number), "which certificate")
    with place.ca.admin() as a:
        equal(a.call("ca.show", [("serial", first.text("serial"))])
              .text("status"), "good", "the first one's certificate")
    place.ca.stop()
    place.ca.start()
    until_https(place.ca, place.chain)
    equal(len([a for a in place.alarms() if token.hex in a]), 1,
          "after a start")


@case
def the_same_key_in_another_csr_is_another_csr(place):
    token, key = place.token(), make_csr()[0]
    place.enrol(token, make_csr(key=key)[1])
    refused(lambda: place.enrol(token, make_csr(key=key, cn="y")[1]),
            "conflict")


@case
def an_unknown_token(place):
    token, (_, csr) = Token(), make_csr()
    refused(lambda: place.enrol(token, csr), "denied", "not valid")
    refused(lambda: place.call(("token", token.text), ("csr", csr)), "denied",
            "not valid")
    got = place.records(token)
    check(got, "it is in the log")
    for r in got:
        equal((r.text("result"), r.text("error")), ("refused", "denied"),
              "in the log")
    equal([a for a in place.alarms() if token.hex in a], [], "alarms")


@case
def a_token_that_expired(place):
    token = place.token(ttl=1)
    kept = place.token(ttl=1)
    _, csr = make_csr()
    first = place.enrol(kept, csr)
    end = time.time() + 2.0     # after it, by the clock
    while time.time() < end:
        time.sleep(end - time.time() + 0.001)
    refused(lambda: place.enrol(token, make_csr()[1]), "expired", "make another")
    equal([r.text("error") for r in place.records(token)], ["expired"],
          "in the log")
    # what was enrolled before may be fetched still, and theft is theft
    equal(place.enrol(kept, csr).get("certificate"), first.get("certificate"),
          "the same CSR")
    refused(lambda: place.enrol(kept, make_csr()[1]), "conflict")


@case
def what_a_token_is_bound_to(place):
    got = place.enrol(place.token(type="web", agent=AGENT), make_csr()[1])
    cert = x509.load_der_x509_certificate(got.get("certificate"))
    equal((got.text("node"), got.text("type"), got.text("agent")),
          (NODE, "web", AGENT), "node, type, agent")
    subject = {a.oid.dotted_string: a.value for a in cert.subject}
    equal((subject["2.5.4.10"], subject["2.5.4.11"],
           subject["0.9.2342.19200300.100.1.1"]), ("web", NODE, AGENT), "subject")
    token = place.token(agent=AGENT)
    refused(lambda: place.enrol(token, make_csr()[1], agent=AGENT2), "denied",
            AGENT)
    equal(place.is_unspent(token, agent=AGENT).text("agent"), AGENT,
          "the bound one may be named")
    token = place.token()
    refused(lambda: place.enrol(token, make_csr(["n2.example"])[1]), "denied",
            "not among")
    refused(lambda: place.enrol(token, make_csr()[1], names=["b.n2.example"]),
            "denied", "not among")
    for more in {"node": "n2.example"}, {"type": "other"}:
        refused(lambda m=more: place.enrol(token, make_csr()[1], **m),
                "invalid")
    place.is_unspent(token)


def life_of(got):
    cert = x509.load_der_x509_certificate(got.get("certificate"))
    return (cert.not_valid_after - cert.not_valid_before) \
        .total_seconds() - 60


@case
def lifetimes(place):
    """At most the token's, and the profile's."""
    for token, asked, gets in [({}, None, 3600), ({}, 7200, 7200),
                               ({"lifetime": 600}, None, 600),
                               ({"lifetime": 600}, 7200, 600),
                               ({"lifetime": 600}, 120, 120)]:
        more = {} if asked is None else {"lifetime": asked}
        got = place.enrol(place.token(**token), make_csr()[1], **more)
        equal(life_of(got), gets, "life for %r, %r" % (token, asked))
    token = place.token()
    refused(lambda: place.enrol(token, make_csr()[1], lifetime=4 * 3600),
            "denied", "")
    place.is_unspent(token)


@case
def a_bearer_token_only_where_it_was_made_so(place):
    token = place.token()
    _, csr = make_csr()
    refused(lambda: place.call(("token", token.text), ("csr", csr)), "denied",
            "may not be sent itself")
    with place.https() as h:
        e = refused(lambda: h.ask("POST", "/v1/enrol", {
            "token": token.text, "csr": base64.b64encode(csr).decode()}),
            "denied", "may not be sent itself")
        check(token.text[4:] not in str(e.body), "it is not told")
    place.is_unspent(token)
    bearer = place.token(bearer="yes")
    wrong = Token()
    wrong.id = bearer.id
    refused(lambda: place.call(("token", wrong.text), ("csr", csr)), "denied",
            "not valid")
    with place.https() as h:
        got = h.ask("POST", "/v1/enrol", {
            "token": bearer.text, "csr": base64.b64encode(csr).decode()})
    equal(place.call(("token", bearer.text), ("csr", csr)).text("serial"),
          got["serial"], "the same again")
    refused(lambda: place.call(("token", bearer.text), ("csr", make_csr()[1])),
            "conflict")
    signs = place.token(bearer="yes")
    place.is_unspent(signs)     # it may sign as well
    secret = [token.text[4:], bearer.text[4:], bearer.seed.hex()]
    with place.ca.admin() as a:
        for r in read_log(a).records:
            for _, value, _ in r:
                raw = value if isinstance(value, bytes) else str(value).encode()
                check(all(s.encode() not in raw for s in secret) and
                      bearer.seed not in raw, "the log tells no token", r)
    check(all(s not in place.ca.log() for s in secret), "nor does the other log")


@case
def bad_text_of_a_token(place):
    _, csr = make_csr()
    good = place.token(bearer="yes")
    for text in ("", "ct1_", good.text[:-1], good.text + "a", "ct2" + good.text[3:],
                 good.text.replace(good.text[10], "1"), "ca1" + good.text[3:],
                 good.text[:20] + ("b" if good.text[20] == "a" else "a") +
                 good.text[21:]):
        e = refused(lambda t=text: place.call(("token", t), ("csr", csr)),
                    "unsupported" if text[:3] == "ct2" else "invalid")
        check(len(text) < 9 or text[4:] not in e.text, "it is not told", e.text)
    equal([a for a in place.alarms() if good.hex in a], [], "alarms")
    place.is_unspent(good)


@case
def tokens_that_cannot_be_made(place):
    for more, error in [({"node": "evil.com"}, "denied"),
                        ({"node": "n1.example."}, "invalid"),
                        ({"node": "*.example"}, "invalid"),
                        ({"type": "nosuch"}, "not_found"),
                        ({"type": "ca-tls"}, "not_found"),
                        ({"type": "ca-ocsp"}, "not_found"),
                        ({"agent": "x"}, "invalid"),
                        ({"ttl": 31 * 86400}, "invalid"),
                        ({"ttl": "x"}, "invalid"),
                        ({"verify_after": 86401}, "invalid"),
                        ({"lifetime": 91 * 86400}, "invalid")]:
        try:
            place.token(**more)
        except Refused as e:
            check(e.error in (error, "invalid", "denied"), repr(more), e.error,
                  e.text)
        else:
            raise AssertionError("a token was made for %r" % more)
    token = place.token()
    refused(lambda: place.token(token=token), "exists")
    refused(lambda: place.token(token=token, bearer="yes"), "exists")


@case
def a_token_made_twice_hurts_nobody_else(place):
    """What the store refuses is refused alone, whoever is in its transaction."""
    token, over, twice = place.token(), threading.Event(), []

    def again():
        while not over.is_set():
            try:
                place.token(token=token)
                twice.append("made")
            except Refused as e:
                twice.append(e.error)

    threads = [threading.Thread(target=again) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for _ in range(30):
            place.is_unspent(place.token())
    finally:
        over.set()
        for t in threads:
            t.join()
    equal(set(twice), {"exists"}, "a second one of that id")
    place.is_unspent(token)


@case
def the_log_has_all_of_it(place):
    token = place.token(lifetime=600)
    made = place.records(token, "token")
    equal(len(made), 1, "the token's making")
    r = made[0]
    equal((r.text("node"), r.text("type"), r.text("life")),
          (NODE, "web", "600"), "what it is bound to")
    check(r.get("public") is None and r.text("subject"), "who, and no key", r)
    _, csr = make_csr()
    got = place.enrol(token, csr)
    done = place.records(token)
    equal(len(done), 1, "the enrolment")
    equal((done[0].text("serial"), done[0].text("sha256"),
           done[0].text("type"), done[0].text("node"), done[0].text("agent")),
          (got.text("serial"), sha256(got.get("certificate")).hex(), "web", NODE,
           got.text("agent")), "its record")
    refused(lambda: place.enrol(token, make_csr()[1]), "conflict")
    equal(len(place.records(token, "token.theft")), 1, "the theft")


@case
def one_token_and_many_at_once(place):
    """Forty different CSRs, by both roads: one certificate."""
    token = place.token()
    csrs = [make_csr()[1] for _ in range(40)]
    results, start = [None] * len(csrs), threading.Barrier(len(csrs))

    def work(i):
        start.wait(SECONDS)
        try:
            if i % 2:
                with place.https() as h:
                    results[i] = int(h.enrol(token, csrs[i],
                                             place.chain.spki)["serial"], 16)
            else:
                results[i] = int(place.enrol(token, csrs[i]).text("serial"), 16)
        except (Refused, Problem) as e:
            results[i] = e.error

    threads = [threading.Thread(target=work, args=(i,))
               for i in range(len(csrs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(sorted(str(r) for r in results if not isinstance(r, int)),
          ["conflict"] * (len(csrs) - 1), "the others")


def flood(path, spki, seconds, least, out):
    """Wrong tokens, as fast as one connection sends them, and so many at least: unknown
    ids, and good ids with a wrong signature. A process of its own, so that others are not slowed by
    our interpreter."""
    _, csr = make_csr()
    known, sent, denied = out["token"], 0, 0
    end = time.monotonic() + seconds
    with Client(path) as c:
        while time.monotonic() < end or sent < least:
            for i in range(100):
                c.send([("verb", "ca.enrol"),
                        ("token_id", known.id if i % 2 else os.urandom(16)),
                        ("csr", csr), ("signature", os.urandom(64))])
            sent += 100
            for i in range(100):
                kind, _, attrs = c.receive()
                denied += attrs.text("error") == "denied"
    return sent, denied


@case
def thousands_of_wrong_tokens_hurt_nobody(place):
    token = place.token()
    good = [place.token() for _ in range(40)]
    before, begun = place.log_size(), time.monotonic()
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            got = flood(place.ca.api, place.chain.spki, 2, 2000, {"token": token})
            os.write(w, b"%d %d" % got)
            code = 0
        finally:
            os._exit(code)
    os.close(w)
    slowest = served = 0
    with place.https() as h:
        for i, one in enumerate(good):
            began = time.monotonic()
            if i % 2:
                h.enrol(one, make_csr()[1], place.chain.spki)
            else:
                place.enrol(one, make_csr()[1])
            served += 1
            slowest = max(slowest, time.monotonic() - began)
    with os.fdopen(r, "rb") as f:
        sent, denied = map(int, f.read().split())
    os.waitpid(pid, 0)
    took = time.monotonic() - begun
    print("# %d wrong tokens in %.1f s; slowest of %d good ones %.3f s" %
          (sent, took, served, slowest), flush=True)
    equal(denied, sent, "each is denied")
    check(slowest < 5, "the others", slowest)
    grown = place.log_size() - before
    check(grown < 2 * served + 40 + 4 * took, "denials are counted, not written one by "
          "one", grown, took)
    end = time.monotonic() + SECONDS
    while (counted := place.denials_since(before)) < denied:
        check(time.monotonic() < end, "the counts are written", counted, denied)
        time.sleep(0.05)        # a count is written when its second is over
    check(counted < denied + 100, "and no more", counted, denied)   # of before
    equal([a for a in place.alarms() if token.hex in a], [], "alarms")
    place.is_unspent(token)


def main():
    with Ca(tls_names="localhost") as ca:
        ca.stop()
        ca.add_profile("all", PROFILES)
        ca.start()
        return run(Place(ca))


if __name__ == "__main__":
    sys.exit(main())
