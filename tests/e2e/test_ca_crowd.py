#!/usr/bin/python3
"""Crowds before ca: ten thousand idle and a thousand slow connections on both ports, and
honest clients who are served all the same.

test: alone"""
import contextlib
import os
import resource
import select
import socket
import struct
import sys
import time

from lib import ca_cli
from lib.ca_client import (NODE, SECONDS, Chain, Https, add_token, context,
                           enrol, init, inventory, make_csr, until_https)
from lib.case import case, check, equal, is_sanitized, run
from lib.daemon import Ca

IDLE = 10000            # on both ports together
SLOW = 1000
FILES = 20000
CHILDREN = 4
BOUND = 20.0 if is_sanitized() else 5.0     # seconds for one honest request
# A sanitizer keeps what was freed, and pads what is not: there, only an end.
MORE = 4 if is_sanitized() else 1
PSS_MAX = MORE * 512 << 20      # of all roles, with all those connections
PSS_LEFT = MORE * 24 << 20      # of the gate, when they have gone
PSS_PLAIN = MORE * 12 << 10     # bytes a connection may cost on the plain port
SLOW_HEAD = b"POST /v1/enrol HTTP/1.1\r\nHost: localhost\r\nContent-Type: " \
            b"application/json\r\nContent-Length: 60000\r\n\r\n"


def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def memory(ca):
    """{role: PSS}"""
    out = {}
    for role, pids in ca.roles().items():
        for pid in pids:
            with contextlib.suppress(OSError):
                out[role] = out.get(role, 0) + pss(pid)
    return out


def said(sizes):
    return " ".join("%s=%.1f" % (r, n / (1 << 20))
                    for r, n in sorted(sizes.items())) + \
        " sum=%.1f MiB" % (sum(sizes.values()) / (1 << 20))


def target(address):
    host, _, port = address.rpartition(":")
    return host, int(port)


class Crowd:
    """Children that open connections by `open`, each its part, and hold them."""

    def __init__(self, count, open, step=None):
        self.count, self.open, self.step = count, open, step

    def __enter__(self):
        self.pids, totals = [], [0, 0]
        release, self.hold = os.pipe()
        pipes = []
        for i in range(CHILDREN):
            r, w = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(self.hold)
                self.child(self.count // CHILDREN, w, release)
            os.close(w)
            self.pids.append(pid)
            pipes.append(r)
        os.close(release)
        for r in pipes:
            with os.fdopen(r, "rb") as f:
                data = f.read(8)
            check(len(data) == 8, "a child has its connections")
            totals = [a + b for a, b in zip(totals, struct.unpack(">II", data))]
        self.opened, self.failed = totals
        return self

    def child(self, count, w, release):
        code = 1
        try:
            held, failed = [], 0
            for _ in range(count):
                try:
                    held.append(self.open())
                except OSError:
                    failed += 1
            os.write(w, struct.pack(">II", len(held), failed))
            os.close(w)
            os.set_blocking(release, False)
            self.until_released(held, release)
            code = 0
        finally:
            os._exit(code)

    def until_released(self, held, release):
        while True:
            for s in held if self.step else ():
                with contextlib.suppress(OSError):
                    self.step(s)
                if not self.goes_on(release, 0):
                    return
            if not self.goes_on(release, 0.2 if self.step else None):
                return

    @staticmethod
    def goes_on(release, seconds):
        return release not in select.select([release], [], [], seconds)[0]

    def __exit__(self, *_):
        os.close(self.hold)
        for pid in self.pids:
            os.waitpid(pid, 0)


class Place:
    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)
        key, csr = make_csr()
        got = enrol(ca.api, add_token(ca, NODE, "node"), csr, self.chain.spki)
        self.node = (got.get("certificate"), key)
        self.https, self.http = target(ca.https), target(ca.http)
        ca_cli.until("its list is published", self.has_list)
        self.quiet = memory(ca)
        print("# PSS before: " + said(self.quiet), flush=True)

    # what a crowd is made of

    def plain(self):
        return socket.create_connection(self.http, SECONDS)

    def tcp(self):
        """On the TLS port, before its handshake."""
        return socket.create_connection(self.https, SECONDS)

    def tls(self):
        ctx = getattr(self, "ctx", None)
        if not ctx:
            self.ctx = ctx = context(self.chain)
        s = self.tcp()
        try:
            return ctx.wrap_socket(s, server_hostname="localhost")
        except BaseException:
            s.close()
            raise

    def idle(self):
        """One on either port in turn; every tenth of them with its handshake."""
        self.turn = getattr(self, "turn", 0) + 1
        if self.turn % 20 == 0:
            return self.tls()
        return self.tcp() if self.turn % 2 else self.plain()

    def slow(self):
        self.turn = getattr(self, "turn", 0) + 1
        s = self.tls() if self.turn % 2 else self.plain()
        s.sendall(SLOW_HEAD[:20])
        return s

    # what an honest client does

    def serve(self, kept, times=10):
        """The slowest of all that an honest client does, in seconds."""
        slowest = 0.0
        for _ in range(times):
            for what in self.all_of(kept):
                began = time.monotonic()
                what()
                slowest = max(slowest, time.monotonic() - began)
        return slowest

    def all_of(self, kept):
        return [lambda: kept.issue("node", NODE, make_csr()[1]),
                self.new_https, self.crl,
                lambda: enrol(self.ca.api, add_token(self.ca, NODE, "node"),
                              make_csr()[1], self.chain.spki)]

    def new_https(self):
        with Https(self.ca.https, context(self.chain, *self.node)) as h:
            h.issue("node", NODE, make_csr()[1])

    def get_list(self):
        with socket.create_connection(self.http, SECONDS) as s:
            s.sendall(b"GET /crl HTTP/1.0\r\n\r\n")
            got = b""
            while b := s.recv(65536):
                got += b
        return got

    def has_list(self):
        """503 until it is there, and nothing else."""
        status = self.get_list().split(b" ", 2)[1]
        check(status in (b"200", b"503"), "/crl", status)
        return status == b"200"

    def crl(self):
        got = self.get_list()
        check(got.startswith(b"HTTP/1.1 200") or got.startswith(b"HTTP/1.0 200"),
              "the CRL", got[:100])

    def is_served(self, what):
        with self.kept() as kept:
            slowest = self.serve(kept)
        print("# %s: the slowest honest request took %.3f s" % (what, slowest),
              flush=True)
        check(slowest < BOUND, "honest clients are served", what, slowest)

    def kept(self):
        return Https(self.ca.https, context(self.chain, *self.node))

    def is_bounded(self, what):
        sizes = memory(self.ca)
        print("# PSS with %s: %s" % (what, said(sizes)), flush=True)
        check(sum(sizes.values()) < PSS_MAX, "memory", sizes)
        return sizes


@case
def a_plain_connection_costs_little(place):
    before = memory(place.ca)["gate"]
    with Crowd(4000, place.plain) as crowd:
        equal(crowd.failed, 0, "connections refused")
        place.crl()         # the gate has taken all that came before
        each = (memory(place.ca)["gate"] - before) / crowd.opened
    print("# %.1f KiB a plain connection" % (each / 1024), flush=True)
    check(each < PSS_PLAIN, "bytes of a connection", each)


@case
def ten_thousand_idle_connections(place):
    with place.kept() as kept:
        kept.issue("node", NODE, make_csr()[1])
        with Crowd(IDLE, place.idle) as crowd:
            equal((crowd.opened, crowd.failed), (IDLE, 0), "connections")
            sizes = place.is_bounded("%d idle" % IDLE)
            for role in "issuer", "signer", "store":
                check(sizes[role] < place.quiet[role] + (MORE * 8 << 20),
                      "idle connections cost %s nothing" % role, sizes,
                      place.quiet)
            slowest = place.serve(kept)     # the one from before as well
            check(slowest < BOUND, "an old connection", slowest)
            place.is_served("%d idle" % IDLE)


@case
def a_thousand_slow_connections(place):
    """A byte now and then, of heads and of bodies."""
    def step(s):
        s.sendall(b"x")

    with Crowd(SLOW, place.slow, step) as crowd:
        equal((crowd.opened, crowd.failed), (SLOW, 0), "connections")
        place.is_bounded("%d slow" % SLOW)
        place.is_served("%d slow" % SLOW)


@case
def bodies_that_never_come(place):
    """A thousand requests of 60,000 bytes each, most of which is sent."""
    def begin():
        s = place.tls()
        s.sendall(SLOW_HEAD + b'{"names":["' + b"a" * 50000)
        return s

    with Crowd(SLOW, begin) as crowd:
        check(crowd.opened > SLOW // 2, "connections", crowd.opened,
              crowd.failed)
        sizes = place.is_bounded("%d half-sent bodies" % crowd.opened)
        check(sizes["gate"] - place.quiet["gate"] < MORE * 256 << 20,
              "bodies being received are bounded", sizes)
        place.is_served("half-sent bodies")
        place.crl()


@case
def both_crowds_at_once(place):
    with Crowd(IDLE, place.idle) as idle, \
            Crowd(SLOW, place.slow, lambda s: s.sendall(b"x")) as slow:
        equal(idle.failed + slow.failed, 0, "connections refused")
        place.is_bounded("%d idle and %d slow" % (idle.opened, slow.opened))
        place.is_served("both")


@case
def they_leave_nothing_behind(place):
    """Served as before, nothing lost, and what they cost is given back."""
    end = time.monotonic() + SECONDS
    gate = place.ca.roles()["gate"][0]
    while (n := len(os.listdir("/proc/%d/fd" % gate))) > 200:
        check(time.monotonic() < end, "descriptors of the gate", n)
        time.sleep(0.05)
    place.is_served("nobody")
    while (n := pss(gate)) > PSS_LEFT and not is_sanitized():
        check(time.monotonic() < end, "memory of the gate", n)
        time.sleep(0.05)
    place.is_bounded("nobody")
    equal(place.ca.roles()["gate"], [gate], "the gate is the same")
    with place.ca.admin() as a:
        check(len(inventory(a)) > 30, "what was issued meanwhile")


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, min(FILES, hard if hard > 0 else FILES))
    if wanted < FILES:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
        except (ValueError, OSError):
            print("skip all - %d open files are allowed, not %d" %
                  (hard, FILES))
            return 0
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    with Ca(tls_names="localhost") as ca:
        return run(Place(ca))


if __name__ == "__main__":
    sys.exit(main())
