#!/usr/bin/python3
"""Other people's programs and what ca makes: OpenSSL, GnuTLS, NSS, strongSwan and Python
take every certificate and CRL of every key type, and read the same in them; the
exceptions are those of docs/clients.md, no more and no fewer. Name constraints hold."""
import contextlib
import datetime
import ipaddress
import os
import sys
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from lib.case import case, check, equal, run
from lib.ca_client import DER, NODE, PASSPHRASE, PEM, new_key
from lib.pki import (AGENT_KEYS, CA_KEYS, REASONS, SECONDS, Leaf, Table, World, get, put,
                     tool)
from lib import x509_text as text

AGENT = "0197b8a0-0000-7000-8000-000000000001"
ENDPOINT = "https+tcp://%s.%s:8443" % (AGENT, NODE)
SIGNER = ["sign:prod@" + NODE]
DAY = 86400
# What docs/profiles.md says each of them is: type, purposes, days, capabilities.
KINDS = {
    "node": ("node", ["client", "server"], 3, ["issue:*@" + NODE]),
    "endpoint": ("web", ["client", "server"], 1, SIGNER),
    "batch": ("batch", ["client"], 1 / 24, None),
    "mesh": ("mesh", ["client", "server"], 1 / 24, None),
    "ca-tls": ("ca-tls", ["server"], 7, None),
    "ca-ocsp": ("ca-ocsp", ["ocsp"], 7, None),
}
for _k in AGENT_KEYS:
    KINDS["agent-" + _k] = ("web", ["client", "server"], 1, SIGNER)

# STRONGSWAN_CONF: the plugins that strongswan-pki itself depends on, so that what else
# is installed changes nothing.
STRONGSWAN = ("pki { load = pem pkcs1 pkcs8 x509 constraints revocation pubkey gmp"
              " sha1 sha2 md5 random nonce hmac }\n")


class Made:
    """A world and everything that was made in it, before and after revocations."""

    def __init__(self, stack, key_type):
        self.world = w = stack.enter_context(World(key_type))
        self.leaves = {}
        for kind in AGENT_KEYS:
            self.leaves["agent-" + kind] = w.enrolled("agent-" + kind, kind=kind)
        self.leaves["endpoint"] = w.enrolled(
            "endpoint", endpoints=[ENDPOINT], agent=AGENT, names=["www." + NODE])
        for name in ("node", "mesh", "batch"):
            self.leaves[name] = w.enrolled(name, type=name)
        self.leaves["ca-tls"] = w.own_tls()
        self.leaves["ca-ocsp"] = w.ocsp_signer(self.leaves["node"])
        self.leaves["issuing"], self.leaves["root"] = w.issuing, w.root
        self.empty = {"crl": w.crl(), "root-crl": w.crl("/root.crl"),
                      "shard": w.crl(w.shard_of(self.leaves["node"]))}
        self.revoke()

    def revoke(self):
        w, self.revoked = self.world, {}
        for reason in REASONS:
            leaf = w.enrolled("revoked-" + reason)
            w.revoke(leaf.serial, reason)
            self.revoked[reason] = leaf
        all_of = [leaf.serial for leaf in self.revoked.values()]
        one = self.revoked["keyCompromise"]
        self.full = {"crl": w.crl_with(all_of),
                     "shard": w.crl_with([one.serial], w.shard_of(one))}


class Clients:
    """Each program: whether it takes an artefact (None, or what it says), and what it
    reads in it."""

    def __init__(self, made, folder):
        self.made, self.dir = made, folder
        self.world = made.world
        self.db = "sql:" + folder
        self.env = {"STRONGSWAN_CONF": put(os.path.join(
            folder, "strongswan.conf"), STRONGSWAN.encode())}
        code, out = tool("certutil", "-N", "-d", self.db, "--empty-password")
        check(code == 0, "an NSS database", out)
        self.trusted()

    def trusted(self):
        for name, trust in (("root", "CT,C,C"), ("issuing", ",,")):
            self.nss_add(self.made.leaves[name], trust)

    def bundle(self, name, *lists):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            for one in lists:
                with open(one, "rb") as g:
                    f.write(g.read())
        return path

    def lists(self, full="crl"):
        """The newest CRL of the issuing CA (all or a shard) and the root's."""
        return self.bundle("lists-" + full, self.made.full[full][1],
                           self.made.empty["root-crl"][1])

    # OpenSSL

    def openssl_takes(self, leaf, full="crl"):
        purpose = {"ca-ocsp": "ocsphelper", "batch": "sslclient",
                   "issuing": "any", "root": "any"}.get(leaf.id, "sslserver")
        code, out = tool(
            "openssl", "verify", "-x509_strict", "-crl_check_all", "-purpose",
            purpose, "-CAfile", self.world.root.pem, "-untrusted",
            self.world.issuing.pem, "-CRLfile", self.lists(full), leaf.pem)
        return None if code == 0 and out == leaf.pem + ": OK\n" else out

    def openssl_reads(self, leaf):
        code, out = tool("openssl", "x509", "-in", leaf.pem, "-noout", "-text",
                         "-nameopt", "RFC2253", "-certopt",
                         "no_pubkey,no_sigdump")
        return text.of_openssl(out)

    def openssl_takes_crl(self, crl, by):
        code, out = tool("openssl", "crl", "-in", crl, "-noout", "-CAfile", by.pem)
        return None if code == 0 and "verify OK" in out else out

    def openssl_reads_crl(self, crl):
        return text.crl_of_openssl(tool("openssl", "crl", "-in", crl, "-noout",
                                        "-text", "-nameopt", "RFC2253")[1])

    # GnuTLS

    def gnutls_takes(self, leaf, full="crl"):
        chain = [leaf.pem, self.world.issuing.pem]
        if leaf.id in ("issuing", "root"):
            chain = [leaf.pem]
        code, out = tool(
            "certtool", "--verify", "--load-ca-certificate", self.world.root.pem,
            "--load-crl", self.lists(full), "--infile",
            self.bundle("chain", *chain))
        good = "Chain verification output: Verified." in out
        return None if code == 0 and good else out

    def gnutls_reads(self, leaf):
        return text.of_certtool(tool("certtool", "-i", "--infile", leaf.pem)[1])

    def gnutls_takes_crl(self, crl, by):
        code, out = tool("certtool", "--verify-crl", "--load-ca-certificate",
                         by.pem, "--infile", crl)
        return None if code == 0 and "Verification output: Verified." in out \
            else out

    def gnutls_reads_crl(self, crl):
        return text.crl_of_certtool(tool("certtool", "--crl-info", "--infile",
                                         crl)[1])

    # NSS

    def nss_add(self, leaf, trust=",,"):
        return tool("certutil", "-A", "-d", self.db, "-n", leaf.id, "-t", trust,
                    "-a", "-i", leaf.pem)

    def nss_takes(self, leaf):
        code, out = self.nss_add(leaf) if leaf.id not in ("root", "issuing") \
            else (0, "")
        if code:
            return out
        use = {"ca-ocsp": "O", "batch": "C", "issuing": "L",
               "root": "L"}.get(leaf.id, "V")
        code, out = tool("certutil", "-V", "-d", self.db, "-n", leaf.id, "-u", use,
                         "-e")
        if code or out != "certutil: certificate is valid\n":
            return out
        if use not in "VC":
            return None
        code, out = tool("vfychain", "-d", self.db, "-pp", "-u",
                         "1" if use == "V" else "0", "-a", leaf.pem)
        return None if code == 0 and "Chain is good!" in out else out

    def nss_reads(self, leaf):
        code, out = tool("certutil", "-L", "-d", self.db, "-n", leaf.id)
        return text.of_nss(out) if code == 0 else {}

    def nss_takes_crl(self, crl, by):
        code, out = tool("crlutil", "-I", "-d", self.db, "-i", crl + ".der")
        return None if code == 0 else out

    def nss_reads_crl(self, crl):
        name = "root" if "root" in os.path.basename(crl) else "issuing"
        code, out = tool("crlutil", "-I", "-d", self.db, "-i", crl + ".der")
        if code:
            return {}
        code, out = tool("crlutil", "-L", "-d", self.db, "-n", name)
        return text.crl_of_nss(out)

    # strongSwan

    def strongswan_takes(self, leaf):
        code, out = tool("pki", "--print", "--in", leaf.pem, env=self.env)
        if code == 0 and leaf.id == "root":
            code, out = tool("pki", "--verify", "--in", leaf.pem, "--cacert",
                             leaf.pem, env=self.env)
        return None if code == 0 else out

    def strongswan_reads(self, leaf):
        code, out = tool("pki", "--print", "--in", leaf.pem, env=self.env)
        return text.of_strongswan(out) if code == 0 else {}

    def strongswan_takes_crl(self, crl, by):
        code, out = tool("pki", "--print", "--type", "crl", "--in", crl + ".der",
                         env=self.env)
        return None if code == 0 else out

    def strongswan_reads_crl(self, crl):
        code, out = tool("pki", "--print", "--type", "crl", "--in", crl + ".der",
                         env=self.env)
        return text.crl_of_strongswan(out) if code == 0 else {}

    # Python

    def python_takes(self, leaf):
        text.of_python(leaf.cert)       # raises for what it does not understand
        return None

    def python_takes_crl(self, crl, by):
        with open(crl, "rb") as f:
            loaded = x509.load_pem_x509_crl(f.read())
        try:
            good = loaded.is_signature_valid(by.cert.public_key())
        except TypeError as e:
            return str(e)
        return None if good else "the signature is not the issuer's"


NAMES = {"openssl": "OpenSSL", "gnutls": "GnuTLS", "nss": "NSS",
         "strongswan": "strongSwan", "python": "Python"}
# What NSS, GnuTLS and OpenSSL show, they show all of; strongSwan's pki shows these.
STRONGSWAN_SHOWS = {"serial", "subject", "issuer", "not_before", "not_after",
                    "subject_key", "ca"}


class Everything:
    def __init__(self, stack):
        self.made = {}
        self.clients = {}
        self.table = Table(*NAMES.values())
        for key_type in CA_KEYS:
            self.made[key_type] = m = Made(stack, key_type)
            folder = stack.enter_context(tempfile.TemporaryDirectory(
                prefix="cretula-clients-"))
            self.clients[key_type] = Clients(m, folder)

    def each(self):
        for key_type in CA_KEYS:
            yield key_type, self.made[key_type], self.clients[key_type]


def judge_all(all_of, ask):
    """ask(key_type, made, clients) gives (client, artefact, said); every one is
    judged before the case fails."""
    wrong = []
    for key_type, made, clients in all_of.each():
        for client, artefact, said in ask(made, clients):
            w = all_of.table.judge(NAMES[client], "%s/%s" % (key_type, artefact),
                                   said)
            if w:
                wrong.append(w)
    check(not wrong, "clients and docs/clients.md agree", *wrong)


@case
def certificates_say_what_their_profile_says(all_of):
    for key_type, made, _ in all_of.each():
        for name, (type, purposes, days, caps) in KINDS.items():
            got = text.of_python(made.leaves[name].cert)
            what = "%s/%s" % (key_type, name)
            check(",O=%s," % type in got["subject"], what, got)
            equal(got["purposes"], purposes, what)
            equal(got["not_after"] - got["not_before"], int(days * DAY) + 60, what)
            equal(got.get("caps"), caps, what)
            equal(got["usage"], ["encipher", "sign"] if name == "agent-rsa2048"
                  else ["sign"], what)
            equal(got["ca"], False, what)
            equal("ocsp" in got and "crl" in got, name != "ca-ocsp", what)
        equal(sorted(text.of_python(made.leaves["endpoint"].cert)["names"]), sorted(
            ["DNS:%s.%s" % (AGENT, NODE), "DNS:www." + NODE, "URI:" + ENDPOINT]),
            "names of the endpoint")
        names = text.of_python(made.leaves["mesh"].cert)["names"]
        check(len(names) == 1 and names[0].startswith("URI:spiffe://example/mesh/"),
              "one SPIFFE id", names)


@case
def every_client_takes_every_certificate(all_of):
    def ask(made, clients):
        for leaf in made.leaves.values():
            for client in NAMES:
                yield client, leaf.id, getattr(clients, client + "_takes")(leaf)
    judge_all(all_of, ask)


@case
def every_client_reads_the_same_in_certificates(all_of):
    for key_type, made, clients in all_of.each():
        for leaf in made.leaves.values():
            wanted = text.of_python(leaf.cert)
            for client in ("openssl", "gnutls", "nss", "strongswan"):
                got = getattr(clients, client + "_reads")(leaf)
                what = "%s of %s/%s" % (client, key_type, leaf.id)
                equal(text.differences(got, wanted), {}, what)
                if got or client in ("openssl", "gnutls"):
                    shown = STRONGSWAN_SHOWS if client == "strongswan" \
                        else set(wanted)
                    equal(shown - set(got), set(), what + ": fields it lacks")


@case
def every_client_takes_every_crl(all_of):
    def ask(made, clients):
        for state, lists in (("empty", made.empty), ("full", made.full)):
            for name, (_, path) in lists.items():
                by = made.world.root if name == "root-crl" else made.world.issuing
                for client in NAMES:
                    yield client, "%s-%s" % (name, state) if name != "root-crl" \
                        else name, getattr(clients, client + "_takes_crl")(path, by)
    judge_all(all_of, ask)


def without_reasons(crl):
    return dict(crl, entries={s: (t, None) for s, (t, _) in crl["entries"].items()})


@case
def every_client_reads_the_same_in_crls(all_of):
    for key_type, made, clients in all_of.each():
        for lists in (made.empty, made.full):
            for name, (der, path) in lists.items():
                wanted = text.crl_of_python(x509.load_der_x509_crl(der))
                for client in ("openssl", "gnutls", "nss", "strongswan"):
                    if client == "nss" and path == made.empty["crl"][1]:
                        continue        # it keeps the newest only
                    got = getattr(clients, client + "_reads_crl")(path)
                    equal(text.differences(got, without_reasons(wanted)
                                           if client == "gnutls" else wanted), {},
                          "%s of %s/%s" % (client, key_type, name))
                    check(set(got) == set(wanted) or not got and all_of.table.find(
                        NAMES[client], "%s/%s-full" % (key_type, name)),
                        "nothing is left out", client, name, got)
        entries = text.crl_of_python(x509.load_der_x509_crl(
            made.full["crl"][0]))["entries"]
        equal({s: r for s, (_, r) in entries.items()},
              {leaf.serial: reason.lower()
               for reason, leaf in made.revoked.items()}, "reasons")


@case
def every_client_refuses_the_revoked(all_of):
    for key_type, made, clients in all_of.each():
        one = made.revoked["keyCompromise"]
        for full in ("crl", "shard"):
            for client, words in (("openssl", "certificate revoked"),
                                  ("gnutls", "revoked")):
                said = getattr(clients, client + "_takes")(one, full)
                check(said and words in said, "%s/%s: %s refuses what %s lists" % (
                    key_type, one.id, client, full), said)
        good = made.leaves["agent-p256"]
        check(clients.openssl_takes(good) is None, "what is not listed is good")
        if key_type != "ed25519":       # NSS: docs/clients.md
            said = clients.nss_takes(one)
            check(said and "Certificate has been revoked" in said,
                  "NSS knows it by the list", said)


@case
def two_lists_of_one_name_never_have_the_same_time(all_of):
    """Else NSS takes the second one for old, and a 304 hides it."""
    w, seen = all_of.made["p256"].world, []
    for i in range(3):
        leaf = w.enrolled("in-a-row-%d" % i)
        w.revoke(leaf.serial)
        w.crl_with([leaf.serial])
        status, headers, der = get(w.plain, "/crl")
        seen.append(text.crl_of_python(x509.load_der_x509_crl(der))["this_update"])
        if i:
            equal(get(w.plain, "/crl", headers={"If-Modified-Since": before})[0],
                  200, "what is new is given")
        before = headers["last-modified"]
        equal(get(w.plain, "/crl", headers={"If-Modified-Since": before})[0], 304,
              "what is not is not")
    equal(seen, sorted(set(seen)), "each has a later thisUpdate")


@case
def openssl_takes_a_shard_for_its_own_certificates_only(all_of):
    for key_type, made, clients in all_of.each():
        w = made.world
        node = made.leaves["node"]
        clients.bundle("own-shard", w.crl(w.shard_of(node))[1],
                       made.empty["root-crl"][1])
        other = w.crl("/crl/%d" % ((int(w.shard_of(node)[5:]) + 1) % 16))[1]
        for path, good in ((w.crl(w.shard_of(node))[1], True), (other, False)):
            code, out = tool("openssl", "verify", "-crl_check", "-CAfile",
                             w.root.pem, "-untrusted", w.issuing.pem, "-CRLfile",
                             path, node.pem)
            equal(code == 0, good, "OpenSSL with a shard of its own or another")
            check(good or "different CRL scope" in out, "it says why", out)


# Name constraints: what an issuing key would do in a thief's hands

class Thief:
    """A CA with the very constraints of ours, that signs anything."""

    def __init__(self, made, folder):
        self.dir = folder
        ours = made.world.issuing.cert
        self.key, root_key = new_key(), new_key()
        now = datetime.datetime.utcnow()
        self.times = (now - datetime.timedelta(minutes=5),
                      now + datetime.timedelta(hours=1))
        root = self.sign(made.world.root.cert.subject, made.world.root.cert.subject,
                         root_key, root_key, self.ca(1))
        limits = ours.extensions.get_extension_for_class(x509.NameConstraints)
        cert = self.sign(ours.subject, root.subject, self.key, root_key,
                         self.ca(0) + [(limits.value, True)])
        equal(der_of(cert, x509.NameConstraints), der_of(ours, x509.NameConstraints),
              "the constraints' bytes")
        self.name = cert.subject
        self.root = Leaf(folder, "thief-root", root.public_bytes(DER))
        self.issuing = Leaf(folder, "thief-issuing", cert.public_bytes(DER))

    def ca(self, depth):
        usage = dict.fromkeys(("digital_signature", "content_commitment",
                               "key_encipherment", "data_encipherment",
                               "key_agreement", "encipher_only",
                               "decipher_only"), False)
        return [(x509.BasicConstraints(True, depth), True),
                (x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), True)]

    def sign(self, subject, issuer, key, by, extensions):
        b = x509.CertificateBuilder(issuer, subject, key.public_key(),
                                    x509.random_serial_number(), *self.times)
        b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(
            key.public_key()), False)
        b = b.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()),
            False)
        for value, critical in extensions:
            b = b.add_extension(value, critical)
        return b.sign(by, hashes.SHA256())

    def leaf(self, *names):
        # no CN: without DNS names GnuTLS takes it for one
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "x")])
        cert = self.sign(subject, self.name, new_key(), self.key, [
            (x509.BasicConstraints(False, None), True),
            (x509.SubjectAlternativeName(names), False)])
        return put(os.path.join(self.dir, "stolen.pem"), cert.public_bytes(PEM))

    def openssl(self, path):
        code, out = tool("openssl", "verify", "-x509_strict", "-CAfile",
                         self.root.pem, "-untrusted", self.issuing.pem, path)
        return code == 0, out

    def gnutls(self, path):
        with open(path, "rb") as f, open(self.issuing.pem, "rb") as g:
            chain = f.read() + g.read()
        code, out = tool("certtool", "--verify", "--load-ca-certificate",
                         self.root.pem, stdin=chain)
        return code == 0 and "output: Verified." in out, out


def der_of(cert, kind):
    return cert.extensions.get_extension_for_class(kind).value.public_bytes()


def dns(name):
    return x509.DNSName(name)


def uri(name):
    return x509.UniformResourceIdentifier(name)


def ip(name):
    return x509.IPAddress(ipaddress.ip_address(name))


INSIDE = [[dns("a.n1.example")], [dns("localhost")], [dns("*.n1.example")],
          [dns("a.example"), uri(ENDPOINT)], [uri("spiffe://example/web/x")]]
# What docs/clients.md calls them: outside/NAME, where an exception takes them.
OUTSIDE = {
    "dns": [dns("www.other.test")], "dns-suffix": [dns("badexample")],
    "dns-prefix": [dns("example.test")], "dns-wildcard": [dns("*.test")],
    "ip4": [ip("127.0.0.1")], "ip6": [ip("::1")],
    "dns-second": [dns("a.n1.example"), dns("www.other.test")],
    "ip4-second": [dns("a.n1.example"), ip("10.0.0.1")],
    "uri": [uri("https+tcp://a.other.test:8443")],
    "uri-second": [dns("a.n1.example"), uri("https+tcp://a.other.test:8443")],
    "uri-spiffe": [uri("spiffe://other/web/x")],
    "uri-spiffe-below": [uri("spiffe://example.test/web/x")],
}


@case
def name_constraints_hold(all_of):
    wrong = []
    with tempfile.TemporaryDirectory(prefix="cretula-thief-") as folder:
        thief = Thief(all_of.made["p256"], folder)
        for names in INSIDE:
            for client in (thief.openssl, thief.gnutls):
                taken, out = client(thief.leaf(*names))
                check(taken, "names inside are taken", names, out)
        for what, names in OUTSIDE.items():
            for client in ("openssl", "gnutls"):
                taken, out = getattr(thief, client)(thief.leaf(*names))
                check(taken or "permitted subtree" in out or "excluded" in out or
                      "constraint" in out, "for that reason", what, out)
                w = all_of.table.judge(NAMES[client], "outside/" + what,
                                       out if taken else None)
                if w:
                    wrong.append(w)
    check(not wrong, "constraints hold", *wrong)


@case
def a_renewed_issuing_ca_comes_with_a_list_of_the_root(all_of):
    made, clients = all_of.made["p256"], all_of.clients["p256"]
    w, before = made.world, text.crl_of_python(x509.load_der_x509_crl(
        made.empty["root-crl"][0]))
    with w.ca.admin() as a:
        a.boxed("ca.renew", [], [("passphrase", PASSPHRASE)])
    end = time.monotonic() + SECONDS
    while get(w.plain, "/issuer.der")[2] == w.issuing.der:
        check(time.monotonic() < end, "the new certificate is served")
    issuing = Leaf(w.dir, "renewed", get(w.plain, "/issuer.der")[2])
    der, path = w.crl("/root.crl")
    after = text.crl_of_python(x509.load_der_x509_crl(der))
    check(after["number"] > before["number"], "the number grows", before, after)
    equal(after["next_update"], text.of_python(issuing.cert)["not_after"],
          "it ends with the issuing certificate")
    lists = clients.bundle("renewed-lists", w.crl()[1], path)
    for leaf in (made.leaves["agent-p256"], w.enrolled("after-renewal")):
        code, out = tool("openssl", "verify", "-x509_strict", "-crl_check_all",
                         "-CAfile", w.root.pem, "-untrusted", issuing.pem,
                         "-CRLfile", lists, leaf.pem)
        equal(code, 0, "certificates of before and after: " + out)


@case
def every_exception_was_met(all_of):
    """Runs last: a row of the table that fits nothing is of no use."""
    equal(all_of.table.unmet(), [], "rows of docs/clients.md that nothing fits")


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        code = run(Everything(stack))
    sys.exit(code)
