#!/usr/bin/python3
"""What changes while ca runs: its own TLS certificate, the OCSP signer, the profiles. None
of it costs a connection or an answer."""
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from lib.admin import Refused
from lib.ca_client import (DER, PASSPHRASE, PEM, SECONDS, Chain, Https,
                           NoAnswer, Problem, add_token, context, enrol, init,
                           load, make_csr, until_https, until_open)
from lib.case import case, check, equal, run
from lib.daemon import Ca, wait_end

NODE = "n1.example"
BASE = "profile=web life=1h dns={node}\n"


def until(what, condition, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not (got := condition()):
        check(time.monotonic() < end, what, "not within %d s" % seconds)
        time.sleep(0.02)
    return got


class Place:
    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)
        self.node = self.have("node")

    def have(self, type, **more):
        key, csr = make_csr()
        got = enrol(self.ca.api, add_token(self.ca, NODE, type), csr,
                    self.chain.spki, **more)
        return got.get("certificate"), key

    def https(self, who=None):
        return Https(self.ca.https, context(self.chain, *(who or self.node)))

    def kill(self, role):
        pid = self.ca.roles()[role][0]
        os.kill(pid, signal.SIGKILL)
        check(wait_end(pid, SECONDS), role + " ends")
        until(role + " is back",
              lambda: self.ca.roles().get(role, [pid])[0] != pid)

    def tls_serial(self):
        """Of the certificate that a new connection is shown."""
        with self.connected() as s:
            return load(s.getpeercert(True)).serial_number

    def connected(self):
        host, _, port = self.ca.https.rpartition(":")
        plain = socket.create_connection((host, int(port)), SECONDS)
        try:
            return context(self.chain).wrap_socket(plain,
                                                   server_hostname="localhost")
        except BaseException:
            plain.close()
            raise

    def profiles(self):
        with self.ca.admin() as a:
            return {i.text("profile"): i for i in a.call("ca.profiles").items}

    def reload(self):
        """By the verb; what was wrong."""
        with self.ca.admin() as a:
            got = a.call("ca.reload")
        return [w.decode() if isinstance(w, bytes) else w
                for w in got.all("wrong")]


class Steady:
    """A kept connection that has certificates made all the while: it may not break."""

    def __init__(self, place):
        self.place, self.done, self.wrong = place, 0, []
        self.over = threading.Event()

    def work(self):
        try:
            with self.place.https() as h:
                while not self.over.is_set():
                    h.issue("node", NODE, make_csr()[1])
                    self.done += 1
                    self.over.wait(0.01)
        except Exception as e:
            self.wrong.append(repr(e))

    def more(self):
        """It has gone on since."""
        seen = self.done
        until("the kept connection goes on",
              lambda: self.wrong or self.done > seen + 1)
        equal(self.wrong, [], "the kept connection")

    def __enter__(self):
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        until("it has begun", lambda: self.done or self.wrong)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


# The gate's own certificate

@case
def a_new_tls_certificate_costs_no_connection(place):
    """The issuing CA is renewed; the gate then shows another chain."""
    old = place.tls_serial()
    idle = [place.connected() for _ in range(20)]
    with Steady(place) as steady:
        with place.ca.admin() as a:
            a.boxed("ca.renew", [], [("passphrase", PASSPHRASE)])
        until("handshakes show a new one", lambda: place.tls_serial() != old)
        steady.more()
    before, place.chain = place.chain, Chain(place.ca)
    check(before.issuing_der != place.chain.issuing_der, "the issuing CA's")
    equal(before.spki, place.chain.spki, "its key")
    for s in idle:
        with s:
            s.sendall(b"GET /v1/ca HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check(s.recv(100).startswith(b"HTTP/1.1 200"), "an idle one")
    place.chain.signed(place.node[0])
    with place.https() as h:
        h.issue("node", NODE, make_csr()[1])


@case
def a_killed_gate_has_another_key(place):
    old = place.tls_serial()
    place.kill("gate")
    until_https(place.ca, place.chain)
    check(place.tls_serial() != old, "another certificate")
    with place.https() as h:
        h.issue("node", NODE, make_csr()[1])


@case
def a_killed_issuer_costs_no_certificate_of_the_gate(place):
    """The gate keeps it, and its connections: a call meanwhile is told so."""
    old = place.tls_serial()
    with place.https() as h:
        h.issue("node", NODE, make_csr()[1])
        place.kill("issuer")
        end = time.monotonic() + SECONDS
        while True:
            try:
                h.issue("node", NODE, make_csr()[1])
                break
            except Problem as e:
                check(e.error in ("unavailable", "timeout") and
                      time.monotonic() < end, "meanwhile", e)
                time.sleep(0.02)
    equal(place.tls_serial(), old, "the gate's certificate")


# OCSP

def asked(place, der, nonce=None):
    """An answer of the responder, judged: (status, key hash of who signed). None: it
    says to come again."""
    b = ocsp.OCSPRequestBuilder().add_certificate(
        load(der), place.chain.issuing, hashes.SHA256())
    if nonce:
        b = b.add_extension(x509.OCSPNonce(nonce), False)
    host, _, port = place.ca.http.rpartition(":")
    c = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    c.request("POST", "/ocsp", b.build().public_bytes(DER),
              {"Content-Type": "application/ocsp-request"})
    r = c.getresponse()
    body = r.read()
    c.close()
    equal(r.status, 200, "the status of HTTP")
    got = ocsp.load_der_ocsp_response(body)
    if got.response_status == ocsp.OCSPResponseStatus.TRY_LATER:
        return None
    equal(got.response_status, ocsp.OCSPResponseStatus.SUCCESSFUL, "status")
    signer, = got.certificates
    place.chain.signed(signer.public_bytes(DER))
    usage = signer.extensions.get_extension_for_oid(
        ExtensionOID.EXTENDED_KEY_USAGE).value
    equal(list(usage), [ExtendedKeyUsageOID.OCSP_SIGNING], "its purpose")
    signer.public_key().verify(got.signature, got.tbs_response_bytes,
                               ec.ECDSA(got.signature_hash_algorithm))
    if nonce:
        equal(got.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce,
              nonce, "the nonce")
    return got.certificate_status, got.responder_key_hash


@case
def the_ocsp_signer_is_another_after_the_signers_death(place):
    der, _ = place.have("node")
    _, first = until("an answer", lambda: asked(place, der, os.urandom(32)))
    kept = until("one that is kept", lambda: asked(place, der))
    equal(kept, (ocsp.OCSPCertStatus.GOOD, first), "one that is kept")
    wrong, over, answers = [], threading.Event(), [0, 0]

    def ask():      # every answer is either right or says to come again
        while not over.is_set():
            try:
                got = asked(place, der, os.urandom(32))
                answers[got is None] += 1
                if got:
                    equal(got[0], ocsp.OCSPCertStatus.GOOD, "status")
                got = asked(place, der)
                equal(got and got[0], ocsp.OCSPCertStatus.GOOD, "kept")
            except Exception as e:
                wrong.append(repr(e))
                return

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        place.kill("signer")
        until_open(place.ca)
        second = until("another signer answers", lambda: (
            lambda got: got and got[1] != first and got[1])(
                asked(place, der, os.urandom(32))))
        seen = answers[0]
        until("answers go on", lambda: wrong or answers[0] > seen + 3)
    finally:
        over.set()
        thread.join()
    equal(wrong, [], "what was wrong")
    check(second != first, "the key")
    with place.ca.admin() as a:
        check(a.status().text("ocsp_signer_ends"), "status knows of it")
        a.call("ca.revoke", [("serial", "%036x" % load(der).serial_number),
                             ("reason", "superseded")])
    for nonce in None, os.urandom(32):
        equal(asked(place, der, nonce)[0], ocsp.OCSPCertStatus.REVOKED,
              "revoked at once")
    openssl_agrees(place, der)


def openssl_agrees(place, der):
    with tempfile.TemporaryDirectory() as d:
        paths = {}
        for name, cert in [("issuer", place.chain.issuing),
                           ("root", place.chain.root), ("cert", load(der))]:
            paths[name] = os.path.join(d, name)
            with open(paths[name], "wb") as f:
                f.write(cert.public_bytes(PEM))
        done = subprocess.run(
            ["openssl", "ocsp", "-issuer", paths["issuer"], "-cert",
             paths["cert"], "-url", "http://%s/ocsp" % place.ca.http,
             "-CAfile", paths["root"]], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=SECONDS)
    text = done.stdout.decode()
    check("Response verify OK" in text and ": revoked" in text, "openssl", text)


# Profiles

def issues(place, type):
    with place.https() as h:
        return h.issue(type, NODE, make_csr()[1])


def refused(do, error, says=""):
    try:
        do()
    except (Refused, Problem) as e:
        check(e.error == error and says in e.text, "refused", e.error, e.text)
        return
    raise AssertionError("it was not refused: wanted %s %r" % (error, says))


def life(answer):
    cert = x509.load_pem_x509_certificate(answer["certificate"].encode())
    return (cert.not_valid_after - cert.not_valid_before) \
        .total_seconds() - 60


def lives(place, type):
    """None while something is being started anew."""
    try:
        return life(issues(place, type))
    except (Problem, NoAnswer):
        return None


@case
def a_new_profile_by_the_verb(place):
    refused(lambda: issues(place, "fresh"), "denied", "fresh")
    place.ca.add_profile("fresh", "profile=fresh life=20m\n")
    refused(lambda: issues(place, "fresh"), "denied", "fresh")  # not yet
    with Steady(place) as steady:
        equal(place.reload(), [], "what is wrong")
        equal(life(issues(place, "fresh")), 1200, "issuer and signer have it")
        steady.more()


@case
def a_changed_profile_by_sighup(place):
    place.ca.add_profile("fresh", "profile=fresh life=30m max_life=40m\n")
    place.ca.reload()
    until("it is read", lambda: "1800" in str(place.profiles().get("fresh")) or
          "30m" in str(place.profiles().get("fresh")))
    equal(life(issues(place, "fresh")), 1800, "its life")
    place.ca.add_profile("fresh", "profile=fresh life=10m\n")
    equal(place.reload(), [], "what is wrong")
    equal(life(issues(place, "fresh")), 600, "narrower")
    with place.https() as h:
        refused(lambda: h.issue("fresh", NODE, make_csr()[1], lifetime="40m"),
                "denied", "life")


@case
def a_removed_profile(place):
    path = place.ca.add_profile("gone", "profile=gone life=1h\n")
    equal(place.reload(), [], "what is wrong")
    der, key = place.have("gone")
    token = add_token(place.ca, NODE, "gone")
    os.unlink(path)
    equal(place.reload(), [], "what is wrong")
    refused(lambda: issues(place, "gone"), "denied", "gone")
    refused(lambda: add_token(place.ca, NODE, "gone"), "not_found", "gone")
    refused(lambda: enrol(place.ca.api, token, make_csr()[1],
                          place.chain.spki), "not_found", "gone")
    with place.https((der, key)) as h:
        refused(lambda: h.renew(make_csr()[1]), "not_found", "gone")
        equal(h.ask("GET", "/v1/certificates/%036x" % load(der).serial_number)
              ["status"], "good", "what was issued stays")


BROKEN = [("life=1h\n", "profile"), ("profile=bad evil=1\n", "evil"),
          ("profile=bad life=1s\n", "life"),
          ("profile=bad capability=x\n", "capability"),
          ("profile=bad dns=web-{node}\n", "{node}"),
          ("profile=ca-tls\n", "ca-"), ("profile=bad life=1h life=2h\n", "life"),
          ("# fine\n\nprofile=\"\n", ":3"), ("\0\n", ""), ("profile=web\n", "web")]


@case
def a_broken_file_is_reported_and_the_others_stay(place):
    place.ca.add_profile("fresh", "profile=fresh life=20m\n")
    equal(place.reload(), [], "what is wrong before")
    before = sorted(place.profiles())
    place.ca.add_profile("fresh", "profile=fresh life=25m\n")
    for text, says in BROKEN:
        path = place.ca.add_profile("wrong", text)
        wrong = place.reload()
        equal(len(wrong), 1, "complaints about %r: %r" % (text, wrong))
        check("wrong" in wrong[0] and says in wrong[0], "the sentence", wrong,
              says)
        check(wrong[0] in place.ca.log() or "event=profile" in place.ca.log(),
              "it is logged")
        equal(sorted(place.profiles()), before, "the others stay: %r" % text)
        equal(life(issues(place, "fresh")), 1200, "and are issued as before")
    os.unlink(path)
    equal(place.reload(), [], "what is wrong afterwards")
    equal(life(issues(place, "fresh")), 1500, "what waited for that")


@case
def half_a_file_is_no_file(place):
    """A file that is refused gives none of its profiles, in either copy."""
    path = place.ca.add_profile(
        "half", "profile=halfgood life=1h\nprofile=halfbad evil=1\n")
    equal(len(place.reload()), 1, "complaints")
    check("halfgood" not in place.profiles(), "the good half", place.profiles())
    refused(lambda: issues(place, "halfgood"), "denied", "halfgood")
    place.kill("issuer")        # who has none yet takes what is whole
    until_open(place.ca)
    check("halfgood" not in place.profiles() and "fresh" in place.profiles(),
          "after a death", place.profiles())
    os.unlink(path)
    equal(place.reload(), [], "afterwards")


@case
def files_that_nobody_should_trust_are_left_out(place):
    path = place.ca.add_profile("open", "profile=open life=1h\n")
    os.chmod(path, 0o666)
    place.reload()
    check("open" not in place.profiles(), "a file that anybody may write")
    check("open.conf" in place.ca.log(), "the log says so")
    os.unlink(path)
    os.symlink("/etc/hostname", path)
    place.reload()
    check("open" not in place.profiles(), "a link")
    os.unlink(path)


@case
def profiles_outlive_deaths(place):
    """Who is started anew has what is in force."""
    place.ca.add_profile("fresh", "profile=fresh life=20m\n")
    equal(place.reload(), [], "what is wrong")
    for role in "signer", "issuer":
        place.kill(role)
        until_open(place.ca)
        end = time.monotonic() + SECONDS
        while True:
            try:
                equal(life(issues(place, "fresh")), 1200, role + " has it")
                break
            except (Problem, NoAnswer) as e:
                check(getattr(e, "error", "unavailable") in
                      ("unavailable", "timeout") and time.monotonic() < end,
                      role, e)
                time.sleep(0.02)


@case
def a_death_does_not_leave_issuer_and_signer_with_different_profiles(place):
    """Who edits files and has not said so yet must not find that nothing is issued
    because one process was started anew, and has read them."""
    for minutes, role in (20, "issuer"), (21, "signer"):
        place.ca.add_profile("edited", "profile=edited life=%dm\n" % minutes)
        place.kill(role)
        until_open(place.ca)
        until("both have it, when the %s died" % role,
              lambda: lives(place, "edited") == 60 * minutes)


@case
def reloads_without_end_disturb_nobody(place):
    with Steady(place) as steady:
        for i in range(50):
            place.ca.add_profile("fresh", "profile=fresh life=%dm\n" %
                                 (10 + i % 2))
            place.ca.reload()
            equal(place.reload(), [], "what is wrong")
        steady.more()
    check(life(issues(place, "fresh")) == 660, "the last one counts")


def main():
    with Ca(tls_names="localhost") as ca:
        ca.stop()
        ca.add_profile("base", BASE)
        ca.start()
        return run(Place(ca))


if __name__ == "__main__":
    sys.exit(main())
