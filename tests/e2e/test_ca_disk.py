#!/usr/bin/python3
"""A full disk under ca: its state folder is a small tmpfs in a mount namespace of the
test's own. Nothing is issued or revoked that cannot be written down, and that is said;
nothing is half written; OCSP and CRL go on; with space again all is as before, without
a restart."""
import contextlib
import ctypes
import http.client
import os
import signal
import subprocess
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from lib import ca_cli
from lib.ca_client import (DER, NODE, Chain, Https, Problem, Token, add_token,
                           add_token_by, context, enrol, init, issuer_of, load,
                           make_csr, pem_to_der, read_all, serial_hex,
                           until_https, until_open)
from lib.case import Skip, case, check, equal, run
from lib.daemon import Ca, wait_end

from cretula_native import Refused

MIB = 1 << 20
DISK = 48 * MIB
SECONDS = 90
BLOCK = 1024  # numbers that the signer reserves at once
CLONE_NEWNS = 0x20000


def own_mounts():
    if os.getuid() != 0:
        raise Skip("needs root, to mount a small disk")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Skip("no mount namespace: %s" % os.strerror(ctypes.get_errno()))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class SmallDisk(Ca):
    def __enter__(self):
        own_mounts()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=0700" % DISK,
                        "none", self.state], check=True)
        return super().__enter__()

    def close(self):
        self.stop()
        subprocess.run(["umount", "-l", self.state], check=False,
                       stderr=subprocess.DEVNULL)
        super().close()

    @property
    def ballast(self):
        return os.path.join(self.state, "ballast")

    def left(self):
        st = os.statvfs(self.state)
        return st.f_bavail * st.f_bsize

    def leave(self, left):
        """Fills the disk until only so many bytes are free."""
        with open(self.ballast, "ab") as f:
            while self.left() > left:
                n = min(self.left() - left, MIB)
                try:
                    os.posix_fallocate(f.fileno(), f.tell(), n)
                except OSError:
                    break
                f.seek(0, os.SEEK_END)

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.ballast)


class World:
    """A ca with a few certificates, and who may have more issued."""

    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)
        self.who = issuer_of(ca, self.chain)
        self.certs = [self.enrol(add_token(ca), make_csr()[1])
                      for _ in range(4)]
        ca_cli.until("its list is published", lambda: self.get("/crl")[0] == 200)

    def enrol(self, token, csr):
        return enrol(self.ca.api, token, csr, self.chain.spki).get("certificate")

    def issue(self, csr):
        with Https(self.ca.https, context(self.chain, *self.who)) as h:
            return pem_to_der(h.issue("web", NODE, csr)["certificate"])

    def revoke(self, der):
        with self.ca.admin() as a:
            return a.call("ca.revoke", [("serial", serial_hex(der)),
                                        ("reason", "keyCompromise")])

    def everything(self):
        """What is written down, judged."""
        with self.ca.admin() as a:
            rows, log = read_all(a)
        return rows, [list(r) for r in log.records]

    def get(self, path, method="GET", body=None):
        host, _, port = self.ca.http.rpartition(":")
        c = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
        with contextlib.closing(c):
            c.request(method, path, body, {
                "Content-Type": "application/ocsp-request"} if body else {})
            r = c.getresponse()
            return r.status, r.read()

    def http(self, method, path, body=None):
        status, got = self.get(path, method, body)
        equal(status, 200, path)
        return got

    def ocsp(self, der, nonce):
        b = ocsp.OCSPRequestBuilder().add_certificate(
            load(der), self.chain.issuing, hashes.SHA1())
        if nonce:
            b = b.add_extension(x509.OCSPNonce(os.urandom(16)), False)
        got = ocsp.load_der_ocsp_response(
            self.http("POST", "/ocsp", b.build().public_bytes(DER)))
        equal(got.response_status, ocsp.OCSPResponseStatus.SUCCESSFUL, "OCSP")
        return got.certificate_status.name

    def crl(self):
        """Serials on it."""
        got = x509.load_der_x509_crl(self.http("GET", "/crl"))
        check(got.is_signature_valid(self.chain.issuing.public_key()), "CRL")
        return {"%036x" % r.serial_number for r in got}


def refuses(what, function, *arguments):
    try:
        function(*arguments)
    except (Refused, Problem) as e:
        equal(e.error, "unavailable", "%s: the error (%s)" % (what, e.text))
        check("disk is full" in e.text, "%s: the sentence" % what, e.text)
        return
    raise AssertionError("%s was done" % what)


def until(what, function, *arguments):
    """After a failure records are refused for a second; every answer until then
    is a clear one."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return function(*arguments)
        except (Refused, Problem) as e:
            equal(e.error, "unavailable", "%s (%s)" % (what, e.text))
            check(time.monotonic() < end, "%s works again" % what, e.text)
            time.sleep(0.02)


def fill(w):
    """Until nothing more is issued: what is left of the last pages is used up."""
    w.ca.leave(0)
    for _ in range(2000):
        try:
            w.issue(make_csr()[1])
        except Problem as e:
            equal(e.error, "unavailable", "the error (%s)" % e.text)
            return
    raise AssertionError("the disk does not fill")


@case
def full_disk_refuses_everything_that_is_to_be_written(w):
    with w.ca.admin() as a:
        w.tokens = [add_token_by(a) for _ in range(3)]
    w.csrs = [make_csr()[1] for _ in w.tokens]
    fill(w)
    before = w.everything()
    for token, csr in zip(w.tokens, w.csrs):
        refuses("enrol", w.enrol, token, csr)
    refuses("issue", w.issue, make_csr()[1])
    refuses("revoke", w.revoke, w.certs[0])
    refuses("token", add_token, w.ca)
    equal(w.everything(), before, "what is written down")


@case
def full_disk_ocsp_and_crl_go_on(w):
    for der in w.certs:
        equal([w.ocsp(der, True), w.ocsp(der, False)], ["GOOD"] * 2, "OCSP")
    equal(w.crl(), set(), "nothing was revoked")


@case
def full_disk_is_told_by_status(w):
    refuses("issue", w.issue, make_csr()[1])
    with w.ca.admin() as a:
        got = a.status()
    equal(got.text("state"), "ready", "the state")
    check(any(b"disk is full" in t for t in got.all("attention")), "attention",
          got)


@case
def space_again_and_all_of_it_works(w):
    w.ca.free()
    pids = w.ca.roles()
    issued = [until("enrol", w.enrol, t, c) for t, c in zip(w.tokens, w.csrs)]
    issued.append(w.issue(make_csr()[1]))
    w.revoke(w.certs[0])
    equal(w.ocsp(w.certs[0], False), "REVOKED", "OCSP")
    until_crl(w, {serial_hex(w.certs[0])})
    rows, _ = w.everything()
    check({serial_hex(d) for d in issued} <= set(rows), "the inventory")
    with w.ca.admin() as a:
        got = a.status()
    check(not any(b"disk" in t for t in got.all("attention")), "status", got)
    equal({r: p for r, p in w.ca.roles().items() if r != "front"},
          {r: p for r, p in pids.items() if r != "front"}, "nobody has died")


@case
def deaths_on_a_full_disk_lose_nothing(w):
    fill(w)
    before = w.everything()
    for role in ("store", "signer", "issuer"):
        for pid in w.ca.roles()[role]:
            os.kill(pid, signal.SIGKILL)
            check(wait_end(pid, SECONDS), "the %s ends" % role)
        until_open(w.ca)
        equal(w.everything()[0], before[0], "the inventory, %s killed" % role)
        with w.ca.admin() as a:
            equal(a.status().text("state"), "ready", "the state")
    w.ca.free()
    until("issue", w.issue, make_csr()[1])
    equal(until_ocsp(w, w.certs[1]), "GOOD", "OCSP")
    w.everything()


def until_crl(w, serials):
    """A revocation is acknowledged when OCSP tells it; the list follows."""
    end = time.monotonic() + SECONDS
    while w.crl() != serials:
        check(time.monotonic() < end, "the CRL", w.crl(), serials)
        time.sleep(0.02)


def until_ocsp(w, der):
    """tryLater until the OCSP signer is certified anew: that is looked at every
    second."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return w.ocsp(der, False)
        except AssertionError as e:
            if "TRY_LATER" not in str(e) or time.monotonic() > end:
                raise
            time.sleep(0.05)


@case
def restart_on_a_full_disk(w):
    fill(w)
    before = w.everything()
    w.ca.stop()
    w.ca.start()
    until_open(w.ca)
    equal(w.everything()[0], before[0], "the inventory after a restart")
    w.ca.free()
    with w.ca.admin() as a:
        until("token", add_token_by, a, NODE, "web", Token())
    until_https(w.ca, w.chain)
    until("issue", w.issue, make_csr()[1])
    equal(until_ocsp(w, w.certs[1]), "GOOD", "OCSP")


def punch(path):
    """From now on its bytes need room on the disk again, as on file systems that
    write no block in place."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "r+b") as f:
        got = libc.fallocate(f.fileno(), 3, ctypes.c_long(0),
                             ctypes.c_long(os.path.getsize(path)))
        check(got == 0, "fallocate", os.strerror(ctypes.get_errno()))


def number_of(der):
    """The issuance number in its serial; blocks begin with 3, 3 + BLOCK, ..."""
    return int(serial_hex(der)[2:12], 16)


def refused_by_the_signer(h, csr):
    """True if the signer was asked and said that it cannot write its mark."""
    try:
        h.issue("web", NODE, csr)
    except Problem as e:
        equal(e.error, "unavailable", "issue (%s)" % e.text)
        return "high-water mark" in e.text
    raise AssertionError("issue was done")


@case
def more_refusals_than_a_block_has_numbers_and_all_of_it_works(w):
    csr = make_csr()[1]
    with Https(w.ca.https, context(w.chain, *w.who)) as h:
        last = 0
        while (last + 1 - 3) % BLOCK:
            der = pem_to_der(h.issue("web", NODE, csr)["certificate"])
            last = number_of(der)
        punch(os.path.join(w.ca.state, "signer", "mark"))
        w.ca.leave(0)
        end, refusals = time.monotonic() + SECONDS, 0
        while refusals <= BLOCK:
            refusals += refused_by_the_signer(h, csr)
            check(time.monotonic() < end, "the refusals", refusals)
    w.ca.free()
    der = until("issue", w.issue, csr)
    equal(number_of(der), last + 1, "the next number")


def main():
    try:
        with SmallDisk(default_profile="yes", tls_names=["localhost"]) as ca:
            return run(World(ca))
    except Skip as e:
        print("skip full_disk - %s" % e)
        return 0


if __name__ == "__main__":
    sys.exit(main())
