"""What a test asks a ca, and what it believes of the answers: CSRs, tokens, enrolling by
api.sock and by HTTPS, issuing by a client certificate, and an inventory and a log
that are read whole and judged here (signatures, tree, proofs), not by ca."""
import base64
import hashlib
import http.client
import json
import os
import re
import ssl
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from lib.admin import Client, Refused
from lib.case import check, equal

from cretula_native import ProtocolError, decode_attrs

PASSPHRASE = "correct horse battery staple"
DOMAIN = "example"
NODE = "n1.example"
SECONDS = 120
ENROL = b"cretula-enrol-v1\0"
DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM
RAW = serialization.Encoding.Raw
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def sha256(data):
    return hashlib.sha256(data).digest()


def spki_of(public_key):
    return public_key.public_bytes(DER, SPKI)


# Requests

def new_key(kind="p256"):
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    return ec.generate_private_key({"p256": ec.SECP256R1,
                                    "p384": ec.SECP384R1}[kind]())


def key_pem(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def make_csr(names=(), cn="x", key=None, kind="p256", extensions=()):
    """(key, DER of a PKCS#10 request)"""
    key = key or new_key(kind)
    b = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]))
    if names:
        b = b.add_extension(x509.SubjectAlternativeName(
            [x509.DNSName(n) for n in names]), False)
    for extension in extensions:
        b = b.add_extension(extension, False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) \
        else hashes.SHA256()
    return key, b.sign(key, digest).public_bytes(DER)


def load(der):
    return x509.load_der_x509_certificate(der)


def pem_to_der(text):
    return x509.load_pem_x509_certificate(text.encode()).public_bytes(DER)


def serial_hex(der):
    """As ca writes it: 36 hex digits."""
    return "%036x" % load(der).serial_number


class Token:
    """An enrolment token: ct1_ text or its parts. The CA gets id and public."""

    def __init__(self, text=None):
        if text is None:
            self.id, self.seed = os.urandom(16), os.urandom(32)
        else:
            body = text.strip()
            if not body.startswith("ct1_"):
                raise ValueError("no token")
            body = body[4:].upper()
            raw = base64.b32decode(body + "=" * (-len(body) % 8))
            self.id, self.seed = raw[:16], raw[16:48]
            equal(raw[48:], self.sum(), "the token's checksum")
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public = self.key.public_key().public_bytes(
            RAW, serialization.PublicFormat.Raw)

    def sum(self):
        return hashlib.blake2b(self.id + self.seed, digest_size=32).digest()[:4]

    @property
    def text(self):
        raw = base64.b32encode(self.id + self.seed + self.sum()).decode()
        return "ct1_" + raw.rstrip("=").lower()

    @property
    def hex(self):
        return self.id.hex()

    def sign(self, csr, spki):
        """spki: of the issuing CA, DER."""
        return self.key.sign(ENROL + sha256(spki) + self.id + sha256(csr))


# Setting up, as an admin

def init(ca, domains=(DOMAIN, "localhost"), key_type="p256", **more):
    """`ca init`; its answer."""
    with ca.admin() as a:
        return a.boxed("ca.init", [("domain", d) for d in domains] +
                       [("key_type", key_type)] + list(more.items()),
                       [("passphrase", PASSPHRASE)])


class Chain:
    """The CA's two certificates."""

    def __init__(self, ca):
        with Client(ca.api) as c:
            got = c.call("ca.chain")
        self.issuing_der, self.root_der = got.get("issuer"), got.get("root")
        self.issuing, self.root = load(self.issuing_der), load(self.root_der)
        self.spki = spki_of(self.issuing.public_key())

    def root_pem(self):
        return self.root.public_bytes(PEM)

    def signed(self, der):
        """Raises unless the issuing CA signed that certificate."""
        cert, key = load(der), self.issuing.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(cert.signature, cert.tbs_certificate_bytes,
                       ec.ECDSA(cert.signature_hash_algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(cert.signature, cert.tbs_certificate_bytes)
        else:
            from cryptography.hazmat.primitives.asymmetric import padding
            key.verify(cert.signature, cert.tbs_certificate_bytes,
                       padding.PKCS1v15(), cert.signature_hash_algorithm)


def add_token(ca, node=NODE, type="web", token=None, **more):
    """A Token that the CA knows now."""
    with ca.admin() as a:
        return add_token_by(a, node, type, token, **more)


def add_token_by(admin, node=NODE, type="web", token=None, **more):
    token = token or Token()
    more = {"verify_after": 0, **more}
    admin.call("ca.token", [("id", token.id), ("public", token.public),
                            ("node", node), ("type", type)] +
               list(more.items()))
    return token


# Enrolling

class Problem(Exception):
    """An application/problem+json answer; .error as in Refused."""

    def __init__(self, status, body):
        self.status, self.body = status, body
        self.error = body.get("type", "").rpartition(":")[2]
        self.text = body.get("detail", "")
        self.request_id = body.get("request_id", "")
        super().__init__("%d %s: %s" % (status, self.error, self.text))


class NoAnswer(Exception):
    """The connection ended, or there was none: who asked does not know."""


def enrol_attrs(token, csr, spki, names=(), endpoints=(), **more):
    return ([("token_id", token.id), ("csr", csr),
             ("signature", token.sign(csr, spki))] +
            [("name", n) for n in names] + [("uri", u) for u in endpoints] +
            list(more.items()))


def enrol(path, token, csr, spki, timeout=SECONDS, **more):
    """By api.sock: the answer's attributes. Raises Refused or NoAnswer."""
    try:
        with Client(path, timeout=timeout) as c:
            return c.call("ca.enrol", enrol_attrs(token, csr, spki, **more))
    except (ProtocolError, OSError) as e:
        raise NoAnswer(repr(e)) from e


def context(chain, certificate=None, key=None):
    """A TLS client's; certificate (DER) and key: who it is."""
    ctx = ssl.create_default_context(cadata=chain.root_pem().decode())
    if certificate is not None:
        with tempfile.NamedTemporaryFile(suffix=".pem") as f:
            f.write(key_pem(key) + load(certificate).public_bytes(PEM) +
                    chain.issuing.public_bytes(PEM))
            f.flush()
            ctx.load_cert_chain(f.name)
    return ctx


class Https:
    """A kept connection to the TLS port. Calls raise Problem or NoAnswer."""

    def __init__(self, address, ctx, timeout=SECONDS):
        host, _, port = address.rpartition(":")
        self.connection = http.client.HTTPSConnection(
            "localhost", int(port), context=ctx, timeout=timeout)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            self.connection.request(method, path, data, headers)
            r = self.connection.getresponse()
            got = r.read()
        except (OSError, http.client.HTTPException) as e:
            self.connection.close()
            raise NoAnswer(repr(e)) from e
        answer = json.loads(got) if got[:1] == b"{" else {"raw": got}
        if r.status not in (200, 201):
            raise Problem(r.status, answer)
        return answer

    def enrol(self, token, csr, spki, **more):
        return self.ask("POST", "/v1/enrol", dict({
            "token_id": token.hex, "csr": base64.b64encode(csr).decode(),
            "signature": base64.b64encode(token.sign(csr, spki)).decode()},
            **more))

    def issue(self, type, node, csr, **more):
        return self.ask("POST", "/v1/certificates", dict({
            "type": type, "node": node,
            "csr": base64.b64encode(csr).decode()}, **more))

    def renew(self, csr):
        return self.ask("POST", "/v1/certificates/renew",
                        {"csr": base64.b64encode(csr).decode()})


def until_https(ca, chain, seconds=SECONDS):
    """Waits until the gate has a certificate: nothing tells, so it is tried."""
    ctx, end = context(chain), time.monotonic() + seconds
    while True:
        try:
            with Https(ca.https, ctx) as h:
                return h.ask("GET", "/v1/ca")
        except (NoAnswer, Problem, OSError) as e:
            check(time.monotonic() < end, "the TLS port answers", e)
            time.sleep(0.02)


def until_open(ca, seconds=SECONDS):
    """Waits until the CA is ready again, after one of its processes died."""
    end = time.monotonic() + seconds
    while True:
        try:
            with ca.admin() as a:
                got = a.call("ca.list", [("limit", 1)])
                if a.status().text("state") == "ready":
                    return got
        except (Refused, ProtocolError, OSError) as e:
            check(time.monotonic() < end, "the CA is ready again", e)
            time.sleep(0.02)


def issuer_of(ca, chain, node="*", type="node"):
    """(certificate, key) of somebody who may issue: enrolled by a token."""
    token = add_token(ca, NODE if node == "*" else node, type)
    key, csr = make_csr()
    got = enrol(ca.api, token, csr, chain.spki)
    return got.get("certificate"), key


# Looking, all of it

def inventory(admin, **filters):
    """{serial: row} of every certificate."""
    got = admin.call("ca.list", list(filters.items()))
    rows = {}
    for row in got.items:
        serial = row.text("serial")
        check(serial not in rows, "a serial is listed once", serial)
        rows[serial] = row
    equal(int(got.text("count")), len(rows), "the count of ca.list")
    return rows


def shown(admin, serial):
    return admin.call("ca.show", [("serial", serial)])


# The log

def leaf(record):
    return sha256(b"\0" + record)


def node(left, right):
    return sha256(b"\1" + left + right)


class Tree:
    """RFC 6962: roots of growing sizes from leaves that come in order."""

    def __init__(self):
        self.stack, self.size = [], 0      # (height, hash)

    def add(self, hash):
        height = 0
        while self.stack and self.stack[-1][0] == height:
            hash = node(self.stack.pop()[1], hash)
            height += 1
        self.stack.append((height, hash))
        self.size += 1

    def root(self):
        if not self.stack:
            return sha256(b"")
        hash = self.stack[-1][1]
        for _, left in reversed(self.stack[:-1]):
            hash = node(left, hash)
        return hash


NOTE = re.compile(
    r"\A(?P<body>(?P<origin>[^\n]+)\n(?P<size>\d+)\n(?P<root>[^\n]+)\n"
    r"time=(?P<time>\S+) generation=(?P<generation>\d+)"
    r" signed=(?P<signed>\d+) epoch=(?P<epoch>\d+) chain=(?P<chain>[0-9a-f]{64})"
    r"\n)\n\u2014 (?P=origin) (?P<sig>\S+)\n\Z")


class Note:
    """A checkpoint whose signature is right."""

    def __init__(self, text, origin, key):
        m = NOTE.match(text.decode())
        check(m, "a checkpoint", text)
        equal(m["origin"], origin, "its origin")
        sig = base64.b64decode(m["sig"])
        equal(sig[:4], sha256(origin.encode() + b"\n\1" + key)[:4], "key id")
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(
            sig[4:], m["body"].encode())
        self.size, self.root = int(m["size"]), base64.b64decode(m["root"])
        for name in ("generation", "signed", "epoch"):
            setattr(self, name, int(m[name]))
        self.chain = m["chain"]


class Log:
    """.records (Attrs) and .notes, all of them; every checkpoint covers them."""

    def __init__(self, records, notes):
        self.records, self.notes = records, notes

    def events(self, *names):
        return [r for r in self.records if r.text("event") in names]

    def certificates(self):
        """{serial: record} of everything that was certified."""
        out = {}
        for r in self.records:
            if r.get("sha256") is not None:
                serial = r.text("serial")
                check(serial not in out, "a serial is in the log once", serial)
                out[serial] = r
        return out


def read_items(admin, verb):
    """One reader of the log at a time: another one is waited for."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return admin.call(verb)
        except Refused as e:
            if e.error != "limited" or time.monotonic() > end:
                raise
            time.sleep(0.02)


def read_log(admin):
    """The whole log. Raises unless signatures, sizes and roots are right."""
    got_notes = read_items(admin, "audit.notes")
    got = read_items(admin, "audit.show")
    origin, key = got.text("origin"), got.get("key")
    notes = [Note(i.get("note"), origin, key) for i in got_notes.items]
    tree, records, todo = Tree(), [], list(notes)
    for item in got.items:
        equal(int(item.text("index")), len(records), "the next record's index")
        records.append(decode_attrs(item.get("record")))
        tree.add(leaf(item.get("record")))
        while todo and todo[0].size == tree.size:
            equal(todo.pop(0).root, tree.root(), "the root at %d" % tree.size)
    equal(int(got.text("size")), len(records), "the size of the log")
    equal([n.size for n in todo], [], "checkpoints over what is not there")
    for a, b in zip(notes, notes[1:]):
        check(a.size <= b.size and a.generation <= b.generation and
              (a.epoch, a.signed) <= (b.epoch, b.signed),
              "checkpoints grow", vars(a), vars(b))
    return Log(records, notes)


def read_all(admin):
    """(inventory, log) that agree. ca certifies its own keys whenever it likes, so
    the log is read before the inventory and after it: what is in the first is in
    the inventory, what is in the inventory is in the second. The first is the
    log that is returned."""
    first, rows, last = read_log(admin), inventory(admin), read_log(admin)
    equal(last.records[:len(first.records)], first.records, "the log only grows")
    inner, outer = set(first.certificates()), set(last.certificates())
    check(inner <= set(rows), "what is in the log is in the inventory",
          inner - set(rows))
    check(set(rows) <= outer, "what is in the inventory is in the log",
          set(rows) - outer)
    return rows, first


__all__ = [n for n in dir() if not n.startswith("_")]
