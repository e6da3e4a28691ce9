#!/usr/bin/python3
"""Who comes over TLS with a certificate: let in, or refused as configured, with the reason
in the answer and in the log and audit of credd, or of certmgr: another CA's, a self-signed
one with all the right names, another use, expired, revoked, and an OCSP responder that is
down or lies."""
import contextlib
import datetime
import http.client
import os
import ssl
import sys
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lib import ca_cli
from lib.ca_cli import until
from lib.ca_client import (DER, PEM, Chain, add_token, context, enrol, key_pem, load,
                           make_csr, new_key, serial_hex)
from lib.case import Skip, case, check, equal, is_sanitized, run
from lib.certmgr import Certmgr, served_ca
from lib.daemon import Daemon, records
from lib.responder import Responder
from lib.web import Answer

NODE = "n1.example"
WHO, AGENTS = "/v1/credentials", "/v1/agents"   # of credd, of certmgr
SECONDS = 120
HALF_MINUTE = datetime.timedelta(seconds=30)
PROFILES = """\
profile=web life=24h usage=client
profile=served life=24h usage=server
profile=gate life=24h usage=server dns={node}
profile=short life=24h usage=client
"""


class Client:
    """One kept connection to the TLS port."""

    def __init__(self, address, ctx):
        host, _, port = address.rpartition(":")
        self.c = http.client.HTTPSConnection(host, int(port), context=ctx,
                                             timeout=SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.c.close()

    def get(self, path=WHO):
        self.c.request("GET", path)
        return Answer(self.c.getresponse())


class Place:
    def __init__(self, stack):
        if os.getuid():
            raise Skip("only root gives a daemon's roles uids of their own")
        self.between = stack.enter_context(Responder())
        self.ca = served_ca(public_url=self.between.url)
        self.ca.add_profile("test", PROFILES)
        stack.enter_context(self.ca)
        ca_cli.init(self.ca)
        self.between.target = self.ca.http
        self.chain = self.between.chain = Chain(self.ca)
        self.cm = stack.enter_context(Certmgr(self.ca, NODE, listen="127.0.0.1:0"))
        self.credd = stack.enter_context(Daemon(
            listen="127.0.0.1:0", node=NODE, certmgr=self.cm.folder,
            ca_root=ca_cli.path(self.ca, "root.pem")))
        self.between.other = self.made()[0]
        self.serve()
        until("certmgr's gate has one too", lambda: self.answers(self.cm))
        self.both = self.credd, self.cm
        self.short = self.made("short", lifetime=60)    # so it expires meanwhile

    def serve(self):
        """Waits until the gate has its certificate."""
        self.cm.grant(uid_of(self.credd.roles()["gate"][0]), "gate")
        self.address = address_of(self.credd)
        until("the gate has a certificate", lambda: self.answers(self.credd))

    def answers(self, daemon):
        with contextlib.suppress(OSError, http.client.HTTPException):
            with Client(address_of(daemon), self.ctx()) as c:
                return c.get("/healthz").status == 200
        return False

    def ctx(self, *mine):
        """A client's; it makes sure that this is the node's gate. mine: certificate
        and key, as files are made of them."""
        ctx = ssl.create_default_context(cadata=self.chain.root_pem().decode())
        ctx.check_hostname = False
        if mine:
            with tempfile.NamedTemporaryFile(suffix=".pem") as f:
                f.write(b"".join(mine))
                f.flush()
                ctx.load_cert_chain(f.name)
        return ctx

    def made(self, type="web", ca=None, chain=None, **more):
        """(certificate, key): of our CA, enrolled by a token."""
        ca, chain = ca or self.ca, chain or self.chain
        key, csr = make_csr()
        got = enrol(ca.api, add_token(ca, NODE, type, **more), csr, chain.spki)
        return got.get("certificate"), key

    def pem(self, made, chain=None):
        cert, key = made
        return (key_pem(key), load(cert).public_bytes(PEM),
                (chain or self.chain).issuing.public_bytes(PEM))

    def come(self, made, chain=None, to=None):
        """What who has that certificate is answered by that daemon, or credd."""
        with Client(address_of(to or self.credd),
                    self.ctx(*self.pem(made, chain))) as c:
            return c.get(AGENTS if to is self.cm else WHO)

    def refused(self, answer, status, words, error=None, serial=None, by=None):
        """That problem; and the same reason in the log and in the audit."""
        equal((answer.status, answer.type), (status, "application/problem+json"),
              repr(answer))
        check(words in answer.json["detail"], "says " + words, answer)
        until("the log says so", lambda: any(
            "event=refused" in line and words in line and (serial or "") in line
            for line in (by or self.credd).log().splitlines()))
        until("it is on record: " + words, lambda: any(
            words in r.get("reason", "") and error in (None, r.get("error")) and
            serial in (None, r.get("serial")) for r in self.records(by)))

    def records(self, of=None, event="refused"):
        which = ["--certmgr"] if of is self.cm else []
        return records(of or self.credd, event, *which)

    def again(self, **options):
        """credd anew, configured otherwise."""
        self.credd.stop()
        self.credd.options.update(options)
        self.credd.start()
        self.credd.unseal()
        self.serve()


def address_of(daemon):
    with open(os.path.join(daemon.folder, "addresses")) as f:
        return f.read().strip().split("=", 1)[1]


def uid_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(f.read().split("\nUid:\t")[1].split()[0])


@contextlib.contextmanager
def lying(place, mode):
    place.between.mode = mode
    try:
        yield
    finally:
        place.between.mode = "pass"


# Who may

@case
def a_good_one_comes_in(place):
    made = place.made()
    place.between.asked.clear()
    for _ in range(3):
        answer = place.come(made)
        equal((answer.status, answer.json["credentials"]), (200, []), repr(answer))
    equal(place.between.asked, ["/ocsp"], "many connections cost one question")
    answer = place.come(made, to=place.cm)
    equal((answer.status, answer.json["agents"]), (200, []), repr(answer))


@case
def who_shows_none_gets_no_further(place):
    with Client(place.address, place.ctx()) as c:
        equal(c.get("/healthz").status, 200, "healthz")
        equal(c.get().status, 401, "all else")


# Whose

@case
def another_cas_is_refused(place):
    with served_ca() as other:
        ca_cli.init(other)
        chain = Chain(other)
        made = place.made(ca=other, chain=chain)
        for to in place.both:
            place.refused(place.come(made, chain, to), 403,
                          "the client certificate is of another CA: its issuing CA "
                          "is not signed by the root", "denied",
                          serial_hex(made[0]), to)


@case
def a_self_signed_one_with_all_the_right_names_is_refused(place):
    like, key = load(place.made()[0]), new_key()
    b = (x509.CertificateBuilder().subject_name(like.subject)
         .issuer_name(like.subject).public_key(key.public_key())
         .serial_number(like.serial_number)
         .not_valid_before(like.not_valid_before)
         .not_valid_after(like.not_valid_after))
    for e in like.extensions:
        b = b.add_extension(e.value, e.critical)
    der = b.sign(key, hashes.SHA256()).public_bytes(DER)
    place.refused(place.come((der, key)), 403, "is self-signed", "denied")


@case
def our_issuer_named_is_not_our_issuer_signed(place):
    like, key, liar = load(place.made()[0]), new_key(), new_key()
    b = (x509.CertificateBuilder().subject_name(like.subject)
         .issuer_name(like.issuer).public_key(key.public_key())
         .serial_number(like.serial_number)
         .not_valid_before(like.not_valid_before)
         .not_valid_after(like.not_valid_after))
    for e in like.extensions:
        b = b.add_extension(e.value, e.critical)
    der = b.sign(liar, hashes.SHA256()).public_bytes(DER)
    place.refused(place.come((der, key)), 403, "whose key has not signed it",
                  "denied")


@case
def one_for_servers_is_refused(place):
    made = place.made("served")
    for to in place.both:
        place.refused(place.come(made, to=to), 403, "is not for clients", "denied",
                      serial_hex(made[0]), to)


# Revoked

@case
def a_revoked_one_is_refused(place):
    made = place.made()
    revoke(place, made)
    for to in place.both:
        place.refused(place.come(made, to=to), 403, "was revoked at ", "denied",
                      serial_hex(made[0]), to)


def revoke(place, made):
    with place.ca.admin() as a:
        a.call("ca.revoke", [("serial", serial_hex(made[0]))])


@case
def an_open_connection_does_not_outlive_its_revocation(place):
    place.again(revocation_max_age="3s")
    made = place.made()
    with Client(place.address, place.ctx(*place.pem(made))) as c:
        equal(c.get().status, 200, "before")
        revoke(place, made)
        until("it is refused", lambda: c.get().status == 403)
        place.refused(c.get(), 403, "was revoked at ", "denied",
                      serial_hex(made[0]))


# Lies

LIES = [("down", "is not reached"), ("garbage", "what came is no OCSP answer"),
        ("empty", "what came is no OCSP answer"), ("error", "HTTP status 500"),
        ("redirect", "HTTP status 302"),
        ("forged", "signed by somebody whom the CA has not appointed"),
        ("other", "is about another certificate"),
        ("replay", "to another question")]


@case
def whoever_lies_has_not_answered(place):
    for mode, words in LIES:
        made = place.made()
        equal(place.come(place.made()).status, 200, "an answer to be replayed")
        with lying(place, mode):
            place.refused(place.come(made), 503, words, "unavailable",
                          serial_hex(made[0]))


@case
def a_revoked_one_is_not_saved_by_a_lie(place):
    made = place.made()
    revoke(place, made)
    for mode in "forged", "other", "replay":
        with lying(place, mode):
            equal(place.come(made).status, 503, mode)


@case
def fail_open_lets_in_and_says_so(place):
    place.again(revocation_fail="open")
    for mode, words in LIES[:1] + LIES[5:6]:
        with lying(place, mode):
            made = place.made()
            for _ in range(2):
                equal(place.come(made).status, 200, mode)
            found = [r for r in place.records(event="unchecked")
                     if r["serial"] == serial_hex(made[0])]
            equal(len(found), 1, "on record once, however often he comes")
            check(words in found[0]["reason"], "why", found)
            until("it is in the log", lambda: any(
                "event=weaker" in line and words in line
                for line in place.credd.log().splitlines()))
    made = place.made()
    revoke(place, made)
    place.refused(place.come(made), 403, "was revoked at ", "denied",
                  serial_hex(made[0]))
    place.again(revocation_fail="closed")


# Lists

@case
def lists_say_the_same(place):
    place.again(revocation="crl")
    good, bad = place.made(), place.made()
    revoke(place, bad)
    until("its list says so", lambda: place.come(bad).status == 403)
    place.refused(place.come(bad), 403, "was revoked at ", "denied",
                  serial_hex(bad[0]))
    equal(place.come(good).status, 200, "who is not in it")
    check(any(p.startswith("/crl/") for p in place.between.asked), "asked for lists",
          place.between.asked)
    place.again(revocation="ocsp")


# Expired: last, since it takes a minute to be so

@case
def an_expired_one_is_refused(place):
    if is_sanitized():
        raise Skip("not under the sanitizers: it takes a minute; tests/unit/test_verifier.c "
                   "has it by another clock")
    made = place.short
    if load(made[0]).not_valid_after - datetime.datetime.utcnow() < HALF_MINUTE:
        made = place.made("short", lifetime=60)
    with Client(place.address, place.ctx(*place.pem(made))) as c:
        equal(c.get().status, 200, "before")
        until_refused(c, load(made[0]).not_valid_after)
        place.refused(c.get(), 403, "expired at ", "expired", serial_hex(made[0]))
    for to in place.both:
        place.refused(place.come(made, to=to), 403, "expired at ", "expired",
                      serial_hex(made[0]), to)


def until_refused(client, end):
    """The wall clock is what is waited for: nothing else makes a certificate expire.
    Asks on meanwhile, since what is idle is closed."""
    while client.get().status == 200:
        check(datetime.datetime.utcnow() < end + HALF_MINUTE,
              "it is refused within 30 s of its end")
        time.sleep(0.5)


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        try:
            place = Place(stack)
        except Skip as e:
            print("skip verifier - %s" % e)
            sys.exit(0)
        code = run(place)
    sys.exit(code)
