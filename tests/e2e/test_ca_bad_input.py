#!/usr/bin/python3
"""What bad input gets from ca, by HTTPS and by the native protocol alike: an error that
says why, nothing issued, and honest clients served throughout."""
import base64
import contextlib
import datetime
import http.client
import json
import os
import socket
import ssl
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lib import ca_odd as odd
from lib.admin import Client, Refused
from lib.ca_client import (NODE, PASSPHRASE, SECONDS, Chain, Https, NoAnswer,
                           Problem, Token, add_token, context, enrol, init,
                           inventory, key_pem, make_csr, new_key, serial_hex,
                           until_https, PEM)
from lib.case import case, check, equal, run
from lib.daemon import Ca

PROFILES = """
profile=web life=1h max_life=2h dns={node} dns=*.{node} keys=p256,ed25519,rsa
profile=plain life=1h
profile=server life=1h usage=server
profile=brief life=60s
profile=mesh kind=spiffe life=1h
"""
CSR_MAX = 16 << 10
BODY_MAX = 64 << 10
STATUS = {"denied": 403, "unauthenticated": 401, "not_found": 404, "exists": 409,
          "invalid": 400, "expired": 410, "conflict": 409, "too_large": 413,
          "unsupported": 501, "limited": 429, "unavailable": 503}
OTHER = "018f3a6e-0000-7000-8000-0123456789ab"    # an agent, not ours


def b64(data):
    return base64.b64encode(data).decode()


class Honest:
    """Threads that have certificates made all the while, each by a way of its own;
    what goes wrong for them is kept."""

    def __init__(self, place):
        self.place, self.wrong, self.done = place, [], [0, 0]
        self.over = threading.Event()

    def by_https(self):
        p = self.place
        with Https(p.ca.https, context(p.chain, *p.node2)) as h:
            while not self.over.is_set():
                h.issue("plain", "n2.example", make_csr()[1])
                self.done[0] += 1
                self.over.wait(0.02)    # leaves the processor to others

    def by_token(self):
        p = self.place
        while not self.over.is_set():
            token = add_token(p.ca, "n2.example", "plain")
            enrol(p.ca.api, token, make_csr()[1], p.chain.spki)
            self.done[1] += 1
            self.over.wait(0.02)

    def work(self, what):
        try:
            what()
        except Exception as e:
            self.wrong.append(repr(e))

    def __enter__(self):
        self.threads = [threading.Thread(target=self.work, args=(w,))
                        for w in (self.by_https, self.by_token)]
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()


class Place:
    """A ca with what the cases need: a node's certificate, a token that nobody has
    used and, of every kind, one that must not be taken."""

    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)
        self.token = add_token(ca, NODE, "web")
        self.bearer = add_token(ca, NODE, "web", bearer="yes")
        self.node = self.have(NODE, "node")
        self.node2 = self.have("n2.example", "node")
        self.secrets = [self.token.text[4:], self.token.seed.hex(),
                        b64(self.token.seed), self.bearer.text[4:], PASSPHRASE]
        self.honest = None

    def have(self, node, type):
        """(certificate, key) by a token."""
        key, csr = make_csr()
        got = enrol(self.ca.api, add_token(self.ca, node, type), csr,
                    self.chain.spki)
        return got.get("certificate"), key

    def https(self, who=None):
        return Https(self.ca.https, context(self.chain, *(who or ())))

    def ours(self):
        """Serials of what the cases could have got: the honest are elsewhere."""
        with self.ca.admin() as a:
            return set(inventory(a, node=NODE))

    @contextlib.contextmanager
    def nothing_issued(self):
        before, served = self.ours(), list(self.honest.done)
        yield
        equal(self.ours(), before, "certificates of the node")
        end = time.monotonic() + SECONDS
        while any(n <= m for n, m in zip(self.honest.done, served)):
            equal(self.honest.wrong, [], "what the honest met")
            check(time.monotonic() < end, "the honest are served",
                  self.honest.done, served)
            time.sleep(0.005)

    # the roads by which a CSR comes; each returns (error, text)

    def native(self, csr, **more):
        try:
            enrol(self.ca.api, self.token, csr, self.chain.spki, **more)
        except Refused as e:
            return self.judge(e.error, e.text)
        return ("", "issued")

    def web(self, do):
        try:
            do()
        except Problem as e:
            equal(e.status, STATUS.get(e.error), "the status of " + e.error)
            equal(e.body.get("status"), e.status, "status in the body")
            equal(e.body.get("type"), "urn:cretula:error:" + e.error, "type")
            check(e.body.get("title") and e.body.get("request_id"),
                  "title and id", e.body)
            return self.judge(e.error, e.text, json.dumps(e.body))
        return ("", "issued")

    def judge(self, error, text, *more):
        for secret in self.secrets:
            check(all(secret not in t for t in (text,) + more),
                  "no secret is told", error)
        return (error, text)

    def roads(self, csr, names=()):
        """What each of the three says."""
        with self.https() as h, self.https(self.node) as n:
            return {
                "native": self.native(csr, names=names),
                "enrol": self.web(lambda: h.enrol(
                    self.token, csr, self.chain.spki, names=list(names))),
                "issue": self.web(lambda: n.issue(
                    "web", NODE, csr, names=list(names)))}

    def refused(self, csr, error, says, names=(), same=True):
        """By every road, with the same sentence."""
        got = self.roads(csr, names)
        for road, (err, text) in got.items():
            check(err == error and says in text, "refused by " + road,
                  (error, says), (err, text))
        if same:
            equal(len(set(got.values())), 1, "sentences for the same: %r" % got)


# CSRs

@case
def csrs_that_are_not_der(place):
    good = odd.request()
    with place.nothing_issued():
        for csr, says in [(b"x", "not DER"), (os.urandom(200), "request"),
                          (good[:-1], "cut short"), (good + b"\0", "after its"),
                          (b"\x30\x80" + good[4:] + b"\0\0", "not DER"),
                          (odd.request(version=1), "version"),
                          (good.replace(b"\x0c\x01x", b"\x1e\x01x"),
                           "UTF8String")]:
            place.refused(csr, "invalid", says)
        pem = b"-----BEGIN CERTIFICATE REQUEST-----\n!!!!\n" \
              b"-----END CERTIFICATE REQUEST-----\n"
        equal(place.native(pem)[0], "invalid", "PEM that is no base64")
        equal(place.native(pem[:40])[0], "invalid", "PEM without its end")


@case
def csrs_that_are_too_large(place):
    with place.nothing_issued():
        place.refused(odd.padded(CSR_MAX + 1), "too_large", "", same=False)
        place.refused(b"\x30" * 40000, "too_large", "", same=False)
    with place.https(place.node) as h:
        h.issue("web", NODE, odd.padded(CSR_MAX))   # the limit itself is fine


@case
def csrs_that_ask_for_power(place):
    ca = odd.extension(odd.BASIC_CONSTRAINTS,
                       odd.tlv(odd.SEQ, odd.tlv(odd.BOOL, b"\xff")), True)
    sign = odd.extension(odd.KEY_USAGE, odd.tlv(odd.BITS, b"\2\4"), True)
    caps = odd.extension(odd.CAPABILITIES, odd.tlv(
        odd.SEQ, odd.tlv(odd.UTF8, b"admin:*@*")))
    with place.nothing_issued():
        place.refused(odd.request(ca), "denied", "certificate of a CA")
        place.refused(odd.request(sign), "denied", "certificate of a CA")
        place.refused(odd.request(caps), "denied", "capabilities")
        place.refused(odd.request(odd.dns(NODE.encode()), caps), "denied",
                      "capabilities")
        place.refused(odd.request(caps, caps), "invalid", "twice")


@case
def csrs_of_a_wrong_signature(place):
    other = odd.Ec()
    thief = odd.Ec()
    thief.spki = other.spki     # another one's key, signed by one's own
    with place.nothing_issued():
        place.refused(odd.request(spoil=True), "invalid", "signature is wrong")
        place.refused(odd.request(key=thief), "invalid", "signature is wrong")


@case
def csrs_of_weak_and_strange_keys(place):
    e3 = by_numbers(3)
    with place.nothing_issued():
        for csr, says in [
                (odd.by_openssl("-newkey", "rsa:1024"), "1024 bits"),
                (odd.by_openssl("-newkey", "rsa:4608"), "4608 bits"),
                (odd.request(key=odd.E1()), "exponent 1 "),
                (e3, "exponent 3 "),
                (odd.by_openssl("-newkey", "ec", "-pkeyopt",
                                "ec_paramgen_curve:prime192v1"), "curve"),
                (odd.by_openssl("-newkey", "ec", "-pkeyopt",
                                "ec_paramgen_curve:secp256k1"), "curve"),
                (odd.by_openssl("-newkey", "ec", "-pkeyopt",
                                "ec_paramgen_curve:P-521"), "curve"),
                (odd.by_openssl("-newkey", "ed448"), "algorithm"),
                (odd.by_openssl("-newkey", "rsa:2048", "-sha1"), "algorithm")]:
            place.refused(csr, "invalid", says)
        place.refused(make_csr(kind="p384")[1], "denied", "p384")


def by_numbers(e):
    return odd.by_openssl("-newkey", "rsa:2048", "-pkeyopt",
                          "rsa_keygen_pubexp:%d" % e)


# Names

OUTSIDE = [
    ("evil.com", "denied", "none of the domains"),
    ("example", "denied", ""),
    ("n2.example", "denied", "not among those"),
    ("evil-n1.example", "denied", "not among those"),
    ("n1.example.evil.com", "denied", "none of the domains"),
    (OTHER + ".n1.example", "denied", "another agent"),
    ("a." + OTHER + ".n1.example", "denied", "another agent"),
    ("*.n1.example", "denied", "wildcard"),
    ("*", "invalid", "'*'"),
    ("a*.n1.example", "invalid", "first label"),
    ("n1.example.", "invalid", "n1.example."),
    ("a..n1.example", "invalid", "empty label"),
    ("N1.example", "invalid", "lower-case"),
    ("-a.n1.example", "invalid", "hyphen"),
    ("a_b.n1.example", "invalid", "letters"),
    ("a b.n1.example", "invalid", "letters"),
    ("%s.n1.example" % ("a" * 64), "invalid", "63"),
    (".".join(["a" * 60] * 5) + ".n1.example", None, ""),
    ("192.0.2.1", None, ""),
]


@case
def names_outside_the_policy(place):
    with place.nothing_issued():
        for name, error, says in OUTSIDE:
            asked = place.roads(odd.request(), names=[name])
            in_csr = place.roads(odd.request(odd.dns(name.encode())))
            got = set(asked.values()) | set(in_csr.values())
            if error is None:       # the gate has a word for it as well
                check(all(e in ("invalid", "denied", "too_large")
                          for e, _ in got), "'%s' is refused" % name, got)
                continue
            equal(len(got), 1, "one sentence for '%s': %r %r" %
                  (name, asked, in_csr))
            e, text = got.pop()
            check(e == error and says in text, name, (e, text), (error, says))


@case
def names_with_bytes_that_names_have_not(place):
    with place.nothing_issued():
        for name, says in [(b"n1.example\0.evil.com", "NUL"),
                           (b"a\0.n1.example", "NUL"),
                           ("münchen.n1.example".encode(), "ASCII"),
                           (b"\xff.n1.example", "ASCII"), (b"", "empty"),
                           (b"a\n.n1.example", "ASCII")]:
            place.refused(odd.request(odd.dns(name)), "invalid", says)
            equal(place.native(odd.request(), names=[name])[0], "invalid",
                  "beside the CSR: %r" % name)
        with place.https(place.node) as h:
            for name in "n1.example\0.evil.com", "münchen.n1.example", "":
                equal(place.web(lambda n=name: h.issue(
                    "web", NODE, odd.request(), names=[n]))[0], "invalid",
                    "in JSON: %r" % name)


@case
def names_of_other_kinds(place):
    with place.nothing_issued():
        for pair in [(odd.IP, b"\x7f\0\0\1"), (odd.IP, bytes(16)),
                     (odd.MAIL, b"a@n1.example"),
                     (odd.DIRECTORY, odd.cn(b"x"))]:
            place.refused(odd.request(odd.names(pair)), "denied", "other than")
        place.refused(odd.request(odd.names((odd.URI, b"https://n1.example/"))),
                      "invalid", "URI")
        place.refused(odd.request(odd.names((0x89, b"x"))), "invalid",
                      "subjectAltName")
        place.refused(odd.request(odd.extension(odd.SAN, b"\x30\0")), "invalid",
                      "subjectAltName")
        place.refused(odd.request(odd.dns(b"n1.example"), odd.dns(b"evil.com")),
                      "invalid", "twice")


@case
def common_names_that_are_hosts(place):
    def wish(value, tag=odd.UTF8):
        return odd.request(subject=odd.cn(value, tag))

    with place.nothing_issued():
        place.refused(wish(b"evil.com"), "denied", "none of the domains")
        place.refused(wish(b"n2.example"), "denied", "not among")
        place.refused(wish(b"*.n1.example"), "denied", "wildcard")
        place.refused(wish(OTHER.encode() + b".n1.example"), "denied",
                      "another agent")
        place.refused(wish(b"n1.example\0.evil.com"), "invalid", "NUL")
        place.refused(wish("münchen".encode()), "invalid", "ASCII")
        place.refused(wish(b"\0n\0001", odd.BMP), "invalid", "UTF8String")
        place.refused(wish(b"a b"), "invalid", "a?b")
    with place.https(place.node) as h:      # what is one's own is no harm
        for mine in b"whatever", b"n1.example", b"a.n1.example":
            got = h.issue("web", NODE, wish(mine))["certificate"]
            subject = x509.load_pem_x509_certificate(got.encode()).subject
            equal([a.value for a in subject.get_attributes_for_oid(
                NameOID.COMMON_NAME) if a.value == mine.decode()], [],
                "the common name of a CSR is never copied")


@case
def more_names_than_there_may_be(place):
    many = ["a%d.n1.example" % i for i in range(300)]
    with place.nothing_issued():
        csr = odd.request(odd.dns(*[n.encode() for n in many]))
        place.refused(csr, "invalid", "more than")
        got = place.roads(odd.request(), names=many)
        equal({e for e, _ in got.values()}, {"too_large"}, "beside the CSR")


# Who asks

def forged(subject, issuer, key, by, usage=(ExtendedKeyUsageOID.CLIENT_AUTH,),
           days=1):
    now = datetime.datetime.now(datetime.timezone.utc)
    b = x509.CertificateBuilder(issuer, subject, key.public_key(), 1 << 140,
                                now - datetime.timedelta(hours=1),
                                now + datetime.timedelta(days=days))
    b = b.add_extension(x509.ExtendedKeyUsage(usage), False)
    return b.sign(by, hashes.SHA256()).public_bytes(
        odd.serialization.Encoding.DER)


def cannot_ask(place, who, says, error="unauthenticated", type="web"):
    serial = serial_hex(place.node[0])
    with place.https(who) as h:
        for do in (lambda: h.issue(type, NODE, make_csr()[1]),
                   lambda: h.renew(make_csr()[1]),
                   lambda: h.ask("GET", "/v1/certificates/" + serial),
                   lambda: h.ask("POST", "/v1/certificates/%s/revoke" % serial,
                                 {"reason": "superseded"})):
            got = place.web(do)
            check(got[0] == error and says in got[1], "who asks", got, says)


@case
def strangers(place):
    ours = x509.load_der_x509_certificate(place.node[0])
    key = new_key()
    with place.nothing_issued():
        cannot_ask(place, None, "needs a client certificate")
        cannot_ask(place, (forged(ours.subject, ours.subject, key, key), key),
                   "not one of this")
        cannot_ask(place, (forged(ours.subject, ours.issuer, key, new_key()),
                           key), "not one of this")
        cannot_ask(place, (forged(ours.subject, ours.issuer, key, new_key(),
                                  [ExtendedKeyUsageOID.OCSP_SIGNING]), key),
                   "not one of this")
    with place.https(place.node) as h:
        equal(h.ask("GET", "/v1/certificates/" + serial_hex(place.node[0]))
              ["status"], "good", "the one they wanted to revoke")


@case
def those_who_are_no_clients(place):
    server = place.have(NODE, "server")
    with place.nothing_issued():
        cannot_ask(place, server, "not for TLS clients")


@case
def the_revoked(place):
    bad = place.have(NODE, "node")
    with place.https(bad) as kept:
        kept.issue("web", NODE, make_csr()[1])
        with place.ca.admin() as a:
            a.call("ca.revoke", [("serial", serial_hex(bad[0])),
                                 ("reason", "keyCompromise")])
        with place.nothing_issued():
            got = place.web(lambda: kept.issue("web", NODE, make_csr()[1]))
            check(got[0] == "unauthenticated" and "revoked" in got[1],
                  "a connection from before", got)
            cannot_ask(place, bad, "was revoked")


@case
def those_who_may_not(place):
    with place.nothing_issued():
        with place.https(place.have("n3.example", "plain")) as h:
            got = place.web(lambda: h.issue("web", NODE, make_csr()[1]))
            check(got[0] == "denied" and "issue:web@n1.example" in got[1],
                  "no capability", got)
        with place.https(place.node) as h:
            for type in "ca-tls", "ca-ocsp", "nosuch", "../web", "WEB", "*":
                got = place.web(lambda t=type: h.issue(t, NODE, make_csr()[1]))
                check(got[0] in ("denied", "invalid"), "type " + type, got)
            for node in "n2.example", "example", "evil.com", "*", "a/../b":
                got = place.web(lambda n=node: h.issue("web", n,
                                                       make_csr()[1]))
                check(got[0] in ("denied", "invalid"), "node " + node, got)


# HTTP

class Raw:
    """A TLS connection for bytes that are no request."""

    def __init__(self, place, who=None):
        host, _, port = place.ca.https.rpartition(":")
        plain = socket.create_connection((host, int(port)), timeout=SECONDS)
        self.tls = context(place.chain, *(who or ())).wrap_socket(
            plain, server_hostname="localhost")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tls.close()

    def send(self, data):
        self.tls.sendall(data)

    def rest(self):
        """All that comes until the end."""
        out = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while got := self.tls.recv(65536):
                out += got
        return out


def asks(place, method, path, headers=(), body=b"", who=None):
    """(status, headers, body) of one request as it is written here."""
    head = "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % (
        method, path)
    head += "".join("%s: %s\r\n" % h for h in headers) + "\r\n"
    with Raw(place, who) as c:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            c.send(head.encode("latin-1") + body)
        got = c.rest()
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    check(lines[0].startswith("HTTP/1.1 "), "an answer", method, path, got[:200])
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), fields, body


JSON = ("Content-Type", "application/json")


def length(n):
    return ("Content-Length", str(n))


def is_problem(place, got, status, says, what):
    equal(got[0], status, what)
    check("application/problem+json" in got[1].get("content-type", ""), what,
          got)
    body = json.loads(got[2])
    equal(body["status"], status, what)
    check(body["type"].startswith("urn:cretula:error:") and
          says in body["detail"], what, body, says)
    place.judge("", got[2].decode())


@case
def wrong_methods_types_and_paths(place):
    with place.nothing_issued():
        for method, path, headers, body, status, says in [
                ("GET", "/v1/enrol", [], b"", 405, "method"),
                ("PUT", "/v1/certificates", [JSON, length(2)], b"{}", 405, ""),
                ("DELETE", "/v1/certificates/" + "0" * 36, [], b"", 405, ""),
                ("PATCH", "/v1/ca", [length(0)], b"", 405, ""),
                ("TRACE", "/v1/ca", [], b"", 405, ""),
                ("OPTIONS", "/v1/enrol", [], b"", 405, ""),
                ("BREW", "/v1/enrol", [], b"", 405, ""),
                ("POST", "/v1/enrol", [length(2)], b"{}", 415, "Content-Type"),
                ("POST", "/v1/enrol", [("Content-Type", "text/plain"),
                                       length(2)], b"{}", 415, "Content-Type"),
                ("POST", "/v1/enrol", [("Content-Type", "application/jsonx"),
                                       length(2)], b"{}", 415, ""),
                ("GET", "/v1/ca", [JSON, length(2)], b"{}", 400, "GET"),
                ("GET", "/", [], b"", 404, "nothing"),
                ("GET", "/v1", [], b"", 404, ""),
                ("GET", "/v2/ca", [], b"", 404, ""),
                ("GET", "/v1/ca/", [], b"", 404, ""),
                ("GET", "//v1/ca", [], b"", 404, ""),
                ("GET", "/V1/CA", [], b"", 404, ""),
                ("GET", "/v1/../v1/ca", [], b"", 404, ""),
                ("GET", "/v1/%2e%2e/v1/ca", [], b"", 404, ""),
                ("GET", "/v1/%2E%2E%2Fetc/passwd", [], b"", 404, ""),
                ("GET", "/../../etc/passwd", [], b"", 404, ""),
                ("GET", "/crl/../issuer.pem", [], b"", 404, ""),
                ("GET", "/crl/9999999", [], b"", 404, ""),
                ("GET", "/crl/-1", [], b"", 404, ""),
                ("POST", "/v1/enrol/%2e%2e/ca", [JSON, length(2)], b"{}", 404,
                 "")]:
            is_problem(place, asks(place, method, path, headers, body), status,
                       says, "%s %s" % (method, path))
        for rest in ("..", "%2e%2e", "../enrol", "%2e%2e%2frenew", "0x12", "%00",
                     "1" * 65, "a b", "%ff"):
            got = asks(place, "GET", "/v1/certificates/" + rest.replace(
                " ", "%20"), who=place.node)
            is_problem(place, got, 400, "serial", rest)
            got = asks(place, "POST", "/v1/certificates/%s/revoke" %
                       rest.replace(" ", "%20"), [JSON, length(2)], b"{}",
                       who=place.node)
            is_problem(place, got, 400, "serial", rest)


@case
def bodies_over_the_limit(place):
    full = b'{"names":["' + b"a" * (BODY_MAX - 14) + b'"]}'
    equal(len(full), BODY_MAX, "a body of the limit")
    with place.nothing_issued():
        is_problem(place, asks(place, "POST", "/v1/enrol",
                               [JSON, length(BODY_MAX)], full), 413, "field",
                   "at the limit it is read")
        is_problem(place, asks(place, "POST", "/v1/enrol",
                               [JSON, length(BODY_MAX + 1)], full + b" "), 413,
                   "64 KiB", "one more")
        is_problem(place, asks(place, "POST", "/v1/enrol",
                               [JSON, length(1 << 60)]), 413, "64 KiB",
                   "a length that nobody has")
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in
                          [b" " * 8000] * 9) + b"0\r\n\r\n"
        is_problem(place, asks(place, "POST", "/v1/enrol", [
            JSON, ("Transfer-Encoding", "chunked")], chunks), 413, "64 KiB",
            "one whose length was not said")
        equal(asks(place, "POST", "/v1/enrol", [JSON, ("Content-Length", "x")])
              [0], 400, "no number")
        equal(asks(place, "GET", "/" + "a" * 9000)[0] in (414, 431), True,
              "a path over the limit")
        equal(asks(place, "GET", "/v1/ca", [("X", "y" * 9000)])[0], 431,
              "a head over the limit")


@case
def garbage_and_half_sent_http(place):
    with place.nothing_issued():
        for junk in (b"\0" * 100, b"hello\r\n\r\n", os.urandom(2000),
                     b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"\x16\x03\x01\x02\0" + bytes(100), b"\r\n" * 50 + b"x",
                     b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"):
            with Raw(place) as c:
                with contextlib.suppress(OSError, ValueError):
                    c.send(junk)
                    # what waits for more bytes gets none
                    c.tls.unwrap().shutdown(socket.SHUT_WR)
                got = b""
                with contextlib.suppress(OSError, ValueError):
                    got = c.rest()
                check(not got or got.startswith(b"HTTP/1.1 4") or
                      got.startswith(b"HTTP/1.0 4") or
                      got.startswith(b"HTTP/1.1 505"), "garbage", junk[:40],
                      got[:200])
        host, _, port = place.ca.https.rpartition(":")
        for junk in b"GET /v1/ca HTTP/1.1\r\n\r\n", os.urandom(500), b"\x16":
            with socket.create_connection((host, int(port)), SECONDS) as s:
                s.sendall(junk)
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    while s.recv(4096):
                        pass
        half_sent(place)


def half_sent(place):
    """Left in the middle of a head and of a body: nothing comes of it."""
    der = odd.request()
    body = json.dumps({"type": "web", "node": NODE, "csr": b64(der)}).encode()
    head = (b"POST /v1/certificates HTTP/1.1\r\nHost: x\r\nContent-Type: "
            b"application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
    whole = head + body
    for n in [1, 20, len(head) - 1, len(head), len(head) + 10, len(whole) - 1]:
        with Raw(place, place.node) as c:
            c.send(whole[:n])


JSONS = [
    (b"", "JSON"), (b"{", "JSON"), (b"[]", "object"), (b'"x"', ""),
    (b"null", ""), (b"{}x", "JSON"), (b"\xff\xfe{}", "JSON"),
    (b'{"csr":"\xff"}', "JSON"), (b"\xef\xbb\xbf{}", "JSON"),
    (b"[" * 30000, "JSON"), (b'{"csr":' * 8000, "JSON"),
    (b'{"names":' + b"[" * 3000 + b"]" * 3000 + b"}", ""),
    (b'{"csr":"AA==","csr":"AAA="}', "duplicate"),
    (b'{"c\\u0073r":"AA==","csr":"AAA="}', "duplicate"),
    (b'{"evil":1}', "'evil'"), (b'{"' + b"x" * 5000 + b'":1}', "not one of"),
    (b'{"csr":1}', "'csr'"), (b'{"csr":[]}', "'csr'"),
    (b'{"csr":true}', "'csr'"), (b'{"csr":{"csr":"AA=="}}', "'csr'"),
    (b'{"csr":""}', "'csr'"), (b'{"csr":"!!!"}', "'csr'"),
    (b'{"csr":null}', ""), (b'{"csr":"AA==\\u0000"}', ""),
    (b'{"csr":1e999}', ""), (b'{"csr":' + b"9" * 5000 + b"}", ""),
    (b'{"names":{"a":"b"}}', "'names'"), (b'{"names":[1]}', "'names'"),
    (b'{"names":[["a"]]}', "'names'"), (b'{"names":[null]}', "'names'"),
    (b'{"lifetime":"forever"}', "'lifetime'"), (b'{"lifetime":"-1s"}',
                                                 "'lifetime'"),
    (b'{"lifetime":60}', "'lifetime'"),
    (b'{"lifetime":"99999999999999999h"}', "'lifetime'"),
]


@case
def json_that_is_none(place):
    extra = {"/v1/enrol": [(b'{"token_id":"zz"}', "'token_id'"),
                           (b'{"signature":"AA=="}', ""),
                           (b'{"token":"ct1_x"}', ""), (b"{}", "token_id")],
             "/v1/certificates": [(b"{}", "type"), (b'{"type":"web"}', "node"),
                                  (b'{"replaces":"x","type":"web",'
                                   b'"node":"n1.example","csr":"AAAA"}',
                                   "serial")]}
    with place.nothing_issued():
        for path, more in extra.items():
            for body, says in JSONS + more:
                got = asks(place, "POST", path, [JSON, length(len(body))], body,
                           who=place.node)
                is_problem(place, got, 400, says, "%s %r" % (path, body[:60]))
        got = asks(place, "POST", "/v1/certificates", [JSON, length(0)],
                   who=place.node)
        is_problem(place, got, 400, "", "no body")
        many = json.dumps({"names": ["a"] * 1000}).encode()
        got = asks(place, "POST", "/v1/certificates", [JSON, length(len(many))],
                   many, who=place.node)
        is_problem(place, got, 413, "'names'", "too many items")


@case
def a_field_of_another_request(place):
    """What only a CA's own may say is no field; nor is a token sent in vain told."""
    with place.nothing_issued(), place.https(place.node) as h:
        for more in ({"serial": "1"}, {"capability": ["admin:*@*"]},
                     {"token": place.bearer.text}, {"peer": 1},
                     {"verb": "revoke"}, {"address": "::1"}):
            got = place.web(lambda m=more: h.issue("web", NODE, odd.request(),
                                                   **m))
            check(got[0] == "invalid" and "not one of this" in got[1],
                  "field %s" % list(more), got)
        for life in "1s", "59s", "3h", "90d":
            got = place.web(lambda n=life: h.issue("web", NODE, odd.request(),
                                                   lifetime=n))
            check(got[0] in ("invalid", "denied") and "live" in got[1] or
                  "life" in got[1], "lifetime " + life, got)


# The native protocol

@case
def calls_that_are_none(place):
    csr = odd.request()
    good = [("token_id", place.token.id), ("csr", csr),
            ("signature", place.token.sign(csr, place.chain.spki))]
    with place.nothing_issued(), Client(place.ca.api) as c:
        for attrs, error in [
                ([], "invalid"), (good[:2], "invalid"), (good[1:], "invalid"),
                ([("token_id", b"x")] + good[1:], "invalid"),
                (good[:2] + [("signature", b"x")], "invalid"),
                (good + [("csr", csr)], "invalid"),
                (good + [("evil", "1")], "invalid"),
                (good + [("peer", "1")], "invalid"),
                (good + [("agent", "x")], "invalid"),
                (good + [("agent", OTHER), ("agent", OTHER)], "invalid"),
                (good + [("lifetime", "x")], "invalid"),
                (good + [("lifetime", str(1 << 64))], "invalid"),
                (good + [("token", place.bearer.text[:-1])], "invalid")]:
            try:
                c.call("ca.enrol", attrs)
                equal("issued", error, "attributes %r" % [a[0] for a in attrs])
            except Refused as e:
                equal(e.error, error, "%r: %s" % ([a[0] for a in attrs], e.text))
                place.judge(e.error, e.text)
        for verb in "ca.token", "ca.list", "ca.revoke", "ca.init", "audit.show":
            try:
                c.call(verb)
                equal("done", "denied", verb)
            except Refused as e:
                equal(e.error, "denied", verb)


# The end of all that

@case
def nothing_was_lost_by_it(place):
    """The token that all of them used in vain is good still."""
    key, csr = make_csr(["a.n1.example"])
    got = enrol(place.ca.api, place.token, csr, place.chain.spki)
    place.chain.signed(got.get("certificate"))
    with place.ca.admin() as a:
        check(not [t for t in a.status().all("attention")
                   if b"theft" in (t if isinstance(t, bytes) else t.encode())],
              "no alarm")


@case
def the_expired(place):
    """By the clock: it was enrolled before all the others."""
    end = x509.load_der_x509_certificate(
        place.brief[0]).not_valid_after.replace(tzinfo=datetime.timezone.utc)
    with place.https(place.brief) as kept:
        got = place.web(lambda: kept.issue("web", NODE, make_csr()[1]))
        said = "denied" if datetime.datetime.now(
            datetime.timezone.utc) < end else "unauthenticated"
        check(got[0] in ("denied", "unauthenticated"), "so far " + said, got)
        limit = time.monotonic() + 70
        while got[0] == "denied":
            check(time.monotonic() < limit, "it expires")
            time.sleep(0.1)
            got = place.web(lambda: kept.issue("web", NODE, make_csr()[1]))
        check(got[0] == "unauthenticated" and "expired" in got[1],
              "on a connection from before", got)
        check(datetime.datetime.now(datetime.timezone.utc) >= end,
              "not before its time")
    with place.nothing_issued():
        cannot_ask(place, place.brief, "expired")


def main():
    with Ca(tls_names="localhost") as ca:
        ca.stop()
        ca.add_profile("all", PROFILES)
        ca.start()
        place = Place(ca)
        place.brief = place.have(NODE, "brief")
        with Honest(place) as place.honest:
            code = run(place)
        if place.honest.wrong:
            print("not ok honest_clients - %s" % place.honest.wrong, flush=True)
            return 1
        print("# honest clients got %d and %d certificates" %
              tuple(place.honest.done), flush=True)
        return code


if __name__ == "__main__":
    sys.exit(main())
