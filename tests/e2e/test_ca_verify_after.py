#!/usr/bin/python3
"""--verify-after: a certificate that begins later, and by then has to be proven by a TLS
1.3 handshake with its key at the endpoint; if not, it is revoked before it begins."""
import contextlib
import datetime
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from lib.admin import Refused
from lib.ca_client import (PEM, SECONDS, Chain, Https, Problem, add_token,
                           context, enrol, init, inventory, key_pem, make_csr,
                           new_key, read_log, serial_hex, until_https,
                           until_open)
from lib.case import case, check, equal, run
from lib.certmgr import free_port
from lib.daemon import Ca, wait_end

NODE = "localhost"
ALPN = "cretula-verify"
DELAY = 3               # whole seconds: of the first one a part may be over
LATER = 60              # where it is not waited for


def until(what, condition, seconds=SECONDS):
    """The value of condition when it is one. Nobody tells us, so it is asked."""
    end = time.monotonic() + seconds
    while not (got := condition()):
        check(time.monotonic() < end, what, "not within %d s" % seconds)
        time.sleep(0.02)
    return got


def server_context(key, alpn=(ALPN,), version=None):
    """With a certificate of its own making: only the key counts."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "any")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    der = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day,
                                  now + day).sign(key, hashes.SHA256())
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    if version:
        ctx.maximum_version = version
    with tempfile.NamedTemporaryFile(suffix=".pem") as f:
        f.write(key_pem(key) + der.public_bytes(PEM))
        f.flush()
        ctx.load_cert_chain(f.name)
    return ctx


class Server:
    """One that is probed. ctx None: it takes connections and says nothing."""

    def __init__(self, ctx=None, port=0, junk=b""):
        self.ctx, self.junk, self.seen, self.held = ctx, junk, 0, []
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    @property
    def endpoint(self):
        return "%s:%d" % (NODE, self.port)

    def work(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            self.seen += 1
            s.settimeout(SECONDS)
            with contextlib.suppress(OSError):
                if self.ctx:
                    with self.ctx.wrap_socket(s, server_side=True) as t:
                        t.recv(1)
                else:
                    self.held.append(s)
                    s.sendall(self.junk)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(SECONDS)
        for s in self.held:
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pending:
    """A certificate that waits for its proof."""

    def __init__(self, place, endpoint, key=None, delay=DELAY):
        self.place = place
        self.key, csr = make_csr(key=key)
        self.answer = enrol(place.ca.api, add_token(
            place.ca, NODE, "web", verify_after=delay), csr, place.chain.spki,
            endpoint=endpoint)
        self.der = self.answer.get("certificate")
        self.serial = serial_hex(self.der)
        self.begins = x509.load_der_x509_certificate(self.der) \
            .not_valid_before.replace(tzinfo=datetime.timezone.utc).timestamp()
        check(self.begins > time.time(), "it begins later")

    def row(self):
        with self.place.ca.admin() as a:
            return a.call("ca.show", [("serial", self.serial)])

    def probes(self):
        number = str(int(self.serial, 16) >> 96 & (1 << 40) - 1)
        with self.place.ca.admin() as a:
            return [r.text("result") for r in read_log(a).events("probe")
                    if r.text("number") == number]

    def wait_begin(self):
        while (left := self.begins - time.time()) > -0.05:
            time.sleep(max(left + 0.05, 0.01))

    def is_proven(self):
        until("it is proven", self.probes)
        check(time.time() < self.begins, "in time")
        self.is_good()

    def is_good(self):
        equal(self.probes(), ["proven"], "the log")
        equal(self.row().text("status"), "good", "its status")

    def stays_good(self):
        self.wait_begin()
        self.is_good()
        with Https(self.place.ca.https, context(self.place.chain, self.der,
                                                self.key)) as h:
            equal(h.ask("GET", "/v1/certificates/" + self.serial)["status"],
                  "good", "it can be used")

    def is_revoked(self, in_time=True):
        row = until("it is revoked", lambda: self.revoked_row())
        equal(row.text("reason"), "privilegeWithdrawn", "the reason")
        when = datetime.datetime.fromisoformat(
            row.text("revoked").replace("Z", "+00:00")).timestamp()
        if in_time:
            check(when <= self.begins, "revoked before it begins", when,
                  self.begins)     # both are whole seconds
        until("the log says so", self.probes)
        equal(self.probes(), ["unproven"], "the log")

    def revoked_row(self):
        row = self.row()
        return row if row.text("status") == "revoked" else None


class Place:
    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)

    def kill(self, role):
        """kill -9, and until another one is there."""
        pid = self.ca.roles()[role][0]
        os.kill(pid, signal.SIGKILL)
        check(wait_end(pid, SECONDS), role + " ends")
        until(role + " is back",
              lambda: self.ca.roles().get(role, [pid])[0] != pid)


def refused(do, error, says=""):
    try:
        do()
    except (Refused, Problem) as e:
        check(e.error == error and says in e.text, "refused with %s %r" %
              (error, says), e.error, e.text)
        return
    raise AssertionError("it was not refused: wanted %s %r" % (error, says))


@case
def who_has_the_key_is_good(place):
    key = new_key()
    with Server(server_context(key)) as s:
        p = Pending(place, s.endpoint, key)
        check(p.answer.text("verify_by"), "the answer says by when")
        equal(p.row().text("status"), "good", "so far")
        with Https(place.ca.https, context(place.chain, p.der, key)) as h:
            refused(lambda: h.ask("GET", "/v1/certificates/" + p.serial),
                    "unauthenticated", "valid from")
        p.is_proven()
        p.stays_good()
        equal(s.seen, 1, "looks at what was proven")


@case
def every_kind_of_key_is_proven(place):
    with contextlib.ExitStack() as stack:
        todo = []
        for kind in "p384", "rsa2048":
            key = new_key(kind)
            s = stack.enter_context(Server(server_context(key)))
            todo.append(Pending(place, s.endpoint, key))
            todo[-1].is_proven()
        for p in todo:
            p.stays_good()


@case
def who_has_not_the_key_is_revoked_before_it_begins(place):
    """All at once: each by a server that is wrong in its own way."""
    with contextlib.ExitStack() as stack:
        keys = [new_key() for _ in range(6)]
        servers = [
            Server(server_context(new_key())),                      # another key
            Server(server_context(keys[1], alpn=())),               # no ALPN
            Server(server_context(keys[2], alpn=("http/1.1",))),
            Server(server_context(keys[3], version=ssl.TLSVersion.TLSv1_2)),
            Server(),                                               # silence
            Server(junk=b"HTTP/1.1 400 no\r\n\r\n" * 100)]
        for s in servers:
            stack.callback(s.close)
        todo = [Pending(place, s.endpoint, k) for s, k in zip(servers, keys)]
        todo.append(Pending(place, "%s:%d" % (NODE, free_port())))
        for p in todo:
            p.is_revoked()
        for i, s in enumerate(servers):
            check(s.seen > 0, "server %d was asked" % i)


@case
def a_server_may_come_late(place):
    key, port = new_key(), free_port()
    p = Pending(place, "%s:%d" % (NODE, port), key, LATER)
    until("it was looked for in vain",
          lambda: ":%d" % port in place.ca.log())
    with Server(server_context(key), port):
        p.is_proven()


@case
def endpoints_that_are_refused(place):
    with place.ca.admin() as a:
        before = len(inventory(a))
    token = add_token(place.ca, NODE, "web", verify_after=DELAY)

    def ask(**more):
        return lambda: enrol(place.ca.api, token, make_csr()[1],
                             place.chain.spki, **more)

    refused(ask(), "invalid", "'endpoint'")
    for endpoint in ("evil.com:443", "example:443", "127.0.0.1:443", "[::1]:443",
                     "notlocalhost:443", "localhost.evil.com:443",
                     "localhost.:443"):
        refused(ask(endpoint=endpoint), "denied", "not on node")
    for endpoint in ("localhost", "localhost:", ":443", "localhost:0",
                     "localhost:65536", "localhost:-1", "localhost:443x"):
        refused(ask(endpoint=endpoint), "invalid", "host:port")
    with place.ca.admin() as a:
        equal(len(inventory(a)), before, "certificates")
    with Server() as s:     # the token is good still
        enrol(place.ca.api, token, make_csr()[1], place.chain.spki,
              endpoint=s.endpoint)


@case
def a_port_that_the_token_fixes_is_the_only_one(place):
    """An admin can choose one that is nobody's but root's on that machine."""
    with Server() as right, Server() as wrong:
        token = add_token(place.ca, NODE, "web", verify_after=DELAY,
                          verify_port=right.port)

        def ask(endpoint):
            return enrol(place.ca.api, token, make_csr()[1], place.chain.spki,
                         endpoint=endpoint)
        refused(lambda: ask(wrong.endpoint), "denied", "port %d" % right.port)
        ask(right.endpoint)     # the token is good still
        equal(wrong.seen, 0, "who asked for it was not called")
    for more in ({"verify_after": DELAY, "verify_port": 65536},
                 {"verify_port": 446}):
        refused(lambda: add_token(place.ca, NODE, "web", **more), "invalid",
                "verify_port")


@case
def an_admin_may_revoke_it_meanwhile(place):
    key = new_key()
    port = free_port()
    p = Pending(place, "%s:%d" % (NODE, port), key)
    with place.ca.admin() as a:
        a.call("ca.revoke", [("serial", p.serial), ("reason", "superseded")])
    with Server(server_context(key), port):
        until("it is decided", p.probes)
    equal((p.row().text("status"), p.row().text("reason")),
          ("revoked", "superseded"), "it stays as it was")


@case
def a_killed_issuer_forgets_nothing(place):
    key, port = new_key(), free_port()
    good = Pending(place, "%s:%d" % (NODE, port), key, LATER)
    bad = Pending(place, "%s:%d" % (NODE, free_port()), None, 2 * DELAY)
    place.kill("issuer")
    with Server(server_context(key), port):
        until_open(place.ca)
        until_https(place.ca, place.chain)
        good.is_proven()
    bad.is_revoked()


@case
def a_killed_prober_is_another_try(place):
    key = new_key()
    with Server(port=free_port()) as silent:
        p = Pending(place, silent.endpoint, key, LATER)
        bad = Pending(place, silent.endpoint)
        pids = until("probers run", lambda: place.ca.roles().get("prober"))
        port = silent.port
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        check(wait_end(pid, SECONDS), "a prober ends")
    with Server(server_context(key), port):
        p.is_proven()
        bad.is_revoked()


@case
def a_killed_dialer_is_another_try(place):
    key, port = new_key(), free_port()
    p = Pending(place, "%s:%d" % (NODE, port), key, LATER)
    place.kill("dialer")
    with Server(server_context(key), port):
        p.is_proven()


@case
def a_ca_that_was_away_decides_when_it_is_back(place):
    """Stopped before it was decided, started after it should have been."""
    key = new_key()
    with Server(server_context(key)) as s:
        late = Pending(place, "%s:%d" % (NODE, free_port()))
        place.ca.stop(signal.SIGKILL)
        late.wait_begin()
        place.ca.start()
        until_open(place.ca)
        late.is_revoked(in_time=False)
        until_https(place.ca, place.chain)
        Pending(place, s.endpoint, key, LATER).is_proven()


@case
def what_is_settled_is_forgotten(place):
    """A start does not look again at what was decided."""
    with place.ca.admin() as a:
        before = len(read_log(a).events("probe"))
    place.ca.stop()
    place.ca.start()
    until_open(place.ca)
    with place.ca.admin() as a:
        equal(len(read_log(a).events("probe")), before, "decisions in the log")


@case
def loopback_is_refused_outside_a_playground(_):
    with Ca(tls_names="localhost", default_profile="yes") as ca:
        place = Place(ca)
        key = new_key()
        with Server(server_context(key)) as s:
            p = Pending(place, s.endpoint, key)
            p.is_revoked()
            equal(s.seen, 0, "connections to it")
        check("may not be dialled" in ca.log(), "the log says why")


def main():
    with Ca(tls_names="localhost", default_profile="yes",
            probe_loopback="yes") as ca:
        return run(Place(ca))


if __name__ == "__main__":
    sys.exit(main())
