"""Artefacts of a CA for other people's programs: certificates of each kind, CRLs and OCSP
answers as files, and how these programs are asked. What a CA and its clients do with
each other by our own protocol is in ca_client.py."""
import base64
import contextlib
import datetime
import fnmatch
import http.client
import os
import re
import socket
import subprocess
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from lib.ca_client import (DER, NODE, PEM, Chain, add_token, context, enrol,
                           init, key_pem, load, make_csr, new_key, until_https)
from lib.case import check
from lib.certmgr import free_port
from lib.daemon import Ca

CA_KEYS = ("p256", "ed25519", "rsa2048", "rsa3072")
AGENT_KEYS = ("p256", "p384", "ed25519", "rsa2048")
REASONS = {"unspecified": None, "keyCompromise": 1, "affiliationChanged": 3,
           "superseded": 4, "cessationOfOperation": 5, "privilegeWithdrawn": 9}
SECONDS = 120
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..",
                     "docs", "clients.md")
PROFILES = """\
profile=web life=24h usage=server,client dns={node} dns=*.{node} capability=sign:prod@{node}
profile=mesh kind=spiffe life=1h
profile=batch life=1h usage=client
"""


class Table:
    """The exceptions of docs/clients.md: rows of client, artefacts, words."""

    def __init__(self, *clients):
        """Of these clients; the test that knows the others has theirs."""
        with open(TABLE) as f:
            rows = re.findall(r"^\| (\w+) \| `([^`]+)` \| `([^`]+)` \|", f.read(),
                              re.M)
        self.rows = {row: False for row in rows if row[0] in clients}
        check(self.rows, "docs/clients.md has exceptions of", clients)

    def find(self, client, artefact):
        for row in self.rows:
            if row[0] == client and fnmatch.fnmatchcase(artefact, row[1]):
                return row
        return None

    def judge(self, client, artefact, said):
        """None if that is as the table says, else what is wrong."""
        row = self.find(client, artefact)
        if row is None:
            return None if said is None else "%s says of %s: %s" % (
                client, artefact, said)
        self.rows[row] = True
        if said is None:
            return "%s is right about %s now: an exception of docs/clients.md is " \
                "gone" % (client, artefact)
        if row[2] not in said:
            return "%s says of %s: %s\n  and not: %s" % (client, artefact, said,
                                                         row[2])
        return None

    def unmet(self):
        return [row for row, met in self.rows.items() if not met]


def tool(*command, stdin=b"", env=None, timeout=SECONDS):
    """(exit code, both outputs as text) of a program, in the C locale and UTC."""
    full = dict(os.environ, LC_ALL="C", TZ="UTC", **(env or {}))
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=full, timeout=timeout)
    return done.returncode, done.stdout.decode("utf-8", "replace")


class Leaf:
    """A certificate and its key, also as files; id: what the tables call it."""

    def __init__(self, folder, id, der, key=None):
        self.id, self.der, self.key = id, der, key
        self.cert = load(der)
        base = os.path.join(folder, id.replace("/", "_"))
        self.pem, self.raw, self.key_pem = (base + s for s in
                                            (".pem", ".der", ".key"))
        put(self.pem, self.cert.public_bytes(PEM))
        put(self.raw, der)
        if key is not None:
            put(self.key_pem, key_pem(key))

    @property
    def serial(self):
        return "%036x" % self.cert.serial_number


def put(path, data):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o644)
    return path


def get(address, path, method="GET", body=None, headers=None):
    """(status, headers with lower-case names, body) of one plain request."""
    host, _, port = address.rpartition(":")
    c = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    with contextlib.closing(c):
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, data


class World(contextlib.ExitStack):
    """with World("p256") as w: a CA that is reachable where its certificates say."""

    def __init__(self, key_type="p256", **options):
        super().__init__()
        self.key_type, self.options = key_type, options

    def __enter__(self):
        super().__enter__()
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def begin(self):
        self.dir = self.enter_context(tempfile.TemporaryDirectory(
            prefix="cretula-pki-"))
        os.chmod(self.dir, 0o755)
        port = free_port()
        ca = Ca(listen_http="127.0.0.1:%d" % port,
                public_url="http://127.0.0.1:%d" % port,
                tls_names=["localhost"], **self.options)
        ca.add_profile("test", PROFILES)
        self.ca = self.enter_context(ca)
        if self.key_type.startswith("rsa"):
            init(self.ca, key_type="rsa", bits=self.key_type[3:])
        else:
            init(self.ca, key_type=self.key_type)
        self.chain = Chain(self.ca)
        self.admin = self.enter_context(self.ca.admin())
        self.plain, self.url = self.ca.http, "http://127.0.0.1:%d" % port
        self.root = Leaf(self.dir, "root", self.chain.root_der)
        self.issuing = Leaf(self.dir, "issuing", self.chain.issuing_der)
        self.listed()
        self.issuing.bundle = put(self.path("bundle.pem"), self.chain.issuing.
                                  public_bytes(PEM) + self.chain.root_pem())

    def listed(self):
        """Waits for the first lists; the full one is the last of them."""
        end = time.monotonic() + SECONDS
        while get(self.plain, "/crl")[0] != 200:
            check(time.monotonic() < end, "the CA publishes its lists")
            time.sleep(0.005)

    def path(self, name):
        return os.path.join(self.dir, name)

    # Certificates

    def enrolled(self, id, type="web", kind="p256", node=NODE, names=(),
                 endpoints=(), agent=None):
        key, csr = make_csr(kind=kind)
        more = {"agent": agent} if agent else {}
        got = enrol(self.ca.api, add_token(self.ca, node, type), csr,
                    self.chain.spki, names=names, endpoints=endpoints, **more)
        return Leaf(self.dir, id, got.get("certificate"), key)

    def own_tls(self):
        """The certificate of the CA's own HTTPS."""
        until_https(self.ca, self.chain)
        host, _, port = self.ca.https.rpartition(":")
        with socket.create_connection((host, int(port)), SECONDS) as s, \
                context(self.chain).wrap_socket(
                    s, server_hostname="localhost") as t:
            return Leaf(self.dir, "ca-tls", t.getpeercert(True))

    def ocsp_signer(self, leaf):
        answer = self.ocsp(request_of(leaf, self.issuing))
        return Leaf(self.dir, "ca-ocsp",
                    answer.certificates[0].public_bytes(DER))

    def revoke(self, serial, reason="keyCompromise"):
        return self.admin.call("ca.revoke", [("serial", serial),
                                             ("reason", reason)])

    # Lists

    def crl(self, name="/crl"):
        """(its DER, the path of it as PEM). The list is looked up, not made."""
        status, _, der = get(self.plain, name)
        check(status == 200, "%s is there" % name, status, der[:200])
        crl = x509.load_der_x509_crl(der)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber)
        path = self.path("%s-%d.crl" % (name.strip("/").replace("/", "_"),
                                        number.value.crl_number))
        put(path, crl.public_bytes(PEM))
        put(path + ".der", der)
        return der, path

    def crl_with(self, serials, name="/crl"):
        """The same as soon as it has those entries: asked for until it has."""
        end = time.monotonic() + SECONDS
        while True:
            status, _, der = get(self.plain, name)
            if status == 200:
                crl = x509.load_der_x509_crl(der)
                if all(crl.get_revoked_certificate_by_serial_number(int(s, 16))
                       for s in serials):
                    return self.crl(name)
            check(time.monotonic() < end, "%s has these entries" % name, serials)
            time.sleep(0.01)

    def shard_of(self, leaf):
        point = leaf.cert.extensions.get_extension_for_class(
            x509.CRLDistributionPoints).value[0].full_name[0].value
        check(point.startswith(self.url + "/crl/"), "a shard", point)
        return point[len(self.url):]

    # OCSP

    def ocsp_raw(self, request, by="POST"):
        if by == "POST":
            got = get(self.plain, "/ocsp", "POST", request,
                      {"Content-Type": "application/ocsp-request"})
        else:
            got = get(self.plain, "/ocsp/" + quoted(request))
        check(got[0] == 200, "OCSP answers 200", got)
        return got

    def ocsp(self, request, by="POST"):
        return ocsp.load_der_ocsp_response(self.ocsp_raw(request, by)[2])


def quoted(request):
    text = base64.b64encode(request).decode()
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def numbered(issuing, serial):
    """A certificate with that serial, signed by nobody who counts."""
    key, now = new_key(), datetime.datetime.utcnow()
    return x509.CertificateBuilder(
        issuing.subject, issuing.subject, key.public_key(), serial, now,
        now + datetime.timedelta(hours=1)).sign(key, hashes.SHA256())


def request_of(leaf, issuing, algorithm=None, nonce=None, serial=None):
    """DER of an OCSPRequest for one certificate, or for that serial."""
    cert = leaf.cert if leaf else numbered(issuing.cert, serial)
    b = ocsp.OCSPRequestBuilder().add_certificate(
        cert, issuing.cert, algorithm or hashes.SHA256())
    if nonce is not None:
        b = b.add_extension(x509.OCSPNonce(nonce), False)
    return b.build().public_bytes(DER)


__all__ = [n for n in dir() if not n.startswith("_")]
