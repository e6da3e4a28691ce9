#!/usr/bin/python3
"""Rotations under load: ten thousand signatures over mutual TLS and as many over UNIX
sockets (kept connections, requests pipelined) while the credential is rotated again and
again, in one store and in two. Each is right for the version that it names, none is
refused, no connection ends, and what began after a rotation was acknowledged, or after
anybody has seen the new version, has the new one. Then: the gate's own certificate is
renewed, and connections stay."""
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import socket
import ssl
import sys
import threading
import time

from lib.ca_cli import until
from lib.case import Skip, case, check, equal, is_sanitized, run
from lib.hosts import must_root
from lib.raw import CALL, REPLY, Raw, encode_attrs, encode_message
from lib.two import Remote, knows, may_export
from lib.web import http_sock

SECONDS = 120
IDLE_SECONDS = 10        # far less than GATE_IDLE_S
COUNT = 2000 if is_sanitized() else 10000
ROTATIONS = 6           # in one store
EVERYWHERE = 4          # in all that have it
PROFILES = """
profile=node life=72h usage=server,client dns={node} capability=issue:*@{node} \
capability=admin:*@{node} may_delegate=yes
profile=gate life=60s usage=server,client dns={node}
profile=ops life=1h capability=admin:credd@{node} may_delegate=yes
profile=web life=1h
"""
PATH = "/v1/modules/hmac/operations/sign/load"
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.I)


class Versions:
    """The key of each version, of all stores."""

    def __init__(self):
        self.keys = {}

    def make(self, number):
        """The key of a version that is about to be made."""
        text = "%d-%s" % (number, secrets.token_hex(16))
        self.keys[number] = hmac.new(text.encode(), digestmod=hashlib.sha256)
        return text

    @property
    def newest(self):
        return max(self.keys)

    def signature(self, number, data):
        h = self.keys[number].copy()
        h.update(data)
        return h.hexdigest()


class Store:
    """A credd, and the version that at least it has for whoever asks from now on."""

    def __init__(self, daemon, versions):
        self.daemon, self.versions = daemon, versions
        self.at_least = 1
        self.lock = threading.Lock()

    def has(self, version):
        with self.lock:
            self.at_least = max(self.at_least, version)


# Connections. sign(list of data) asks for all at once and gives (version, signature) each.

class Native:
    kind = "native"

    def __init__(self, path):
        self.raw = Raw(path)
        self.raw.sock.settimeout(SECONDS)
        self.next = 1

    def close(self):
        self.raw.close()

    def sign(self, asked):
        first, self.next = self.next, self.next + len(asked)
        self.raw.send(b"".join(encode_message(CALL, first + n, [
            ("verb", "run"), ("credential", "load"), ("op", "sign"),
            ("request", encode_attrs([("data", data)]))])
            for n, data in enumerate(asked)))
        got = {}
        for _ in asked:
            kind, ident, attrs = self.raw.receive()
            equal(kind, REPLY, "an answer: %r" % (attrs,))
            got[ident] = (int(attrs.text("version")), attrs.text("signature"))
        return [got[first + n] for n in range(len(asked))]


class Http:
    kind = "http.sock"

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(path)
        self.have = b""

    def close(self):
        self.sock.close()

    def sign(self, asked):
        self.sock.sendall(b"".join(self.request(data) for data in asked))
        return [self.answer() for _ in asked]

    @staticmethod
    def request(data):
        body = b'{"data":"%s"}' % data
        return (b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                b"application/json\r\nContent-Length: %d\r\n\r\n%s" % (
                    PATH.encode(), len(body), body))

    def more(self):
        got = self.sock.recv(1 << 16)
        check(got, "the connection stays", self.have)
        self.have += got

    def answer(self):
        while b"\r\n\r\n" not in self.have:
            self.more()
        head, _, self.have = self.have.partition(b"\r\n\r\n")
        length = int(LENGTH.search(head + b"\r\n").group(1))
        while len(self.have) < length:
            self.more()
        body, self.have = self.have[:length], self.have[length:]
        check(head.startswith(b"HTTP/1.1 200 "), "an answer", head, body)
        reply = json.loads(body)
        return int(reply["version"]), reply["signature"]


class Tls(Http):
    kind = "TLS"

    def __init__(self, world, daemon):
        plain = socket.create_connection(("localhost", port_of(daemon)), SECONDS)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = world.context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise
        self.have = b""


class Fresh:
    """A TLS connection, with its handshake, each time."""

    kind = "TLS, new each time"

    def __init__(self, world, daemon):
        self.world, self.daemon = world, daemon

    def close(self):
        pass

    def sign(self, asked):
        with contextlib.closing(Tls(self.world, self.daemon)) as c:
            return c.sign(asked)


def port_of(daemon):
    return int(daemon.options["listen"].rsplit(":", 1)[1])


class Load:
    """with Load(…) as load: askers, [(store, connection, requests at once)], ask until
    the end of the block; each judges its answers."""

    def __init__(self, versions, askers):
        self.versions, self.askers = versions, askers
        self.counts = {}        # {kind: {version: answers}}
        self.between = 0        # answers by an older version than the newest that is being made
        self.wrong = []
        self.stop = threading.Event()
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self.work, args=(n, *a))
                        for n, a in enumerate(askers)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()
        for _, connection, _ in self.askers:
            connection.close()

    def work(self, number, store, connection, at_once):
        serial = 0
        try:
            while not self.stop.is_set():
                asked = [b"%d:%d" % (number, serial + n) for n in range(at_once)]
                serial += at_once
                at_least = store.at_least
                got = connection.sign(asked)
                self.judge(store, connection.kind, at_least, zip(asked, got))
        except Exception as e:
            with self.changed:
                self.wrong.append("%s: %r" % (connection.kind, e))
                self.changed.notify_all()

    def judge(self, store, kind, at_least, answers):
        newest = self.versions.newest
        for data, (version, signature) in answers:
            equal(signature, self.versions.signature(version, data),
                  "the signature of %r by version %d" % (data, version))
            check(version >= at_least, "not an older one than there was",
                  version, at_least)
            store.has(version)
            with self.changed:
                of = self.counts.setdefault(kind, {})
                of[version] = of.get(version, 0) + 1
                self.between += version < newest
                self.changed.notify_all()

    def total(self, *kinds):
        return sum(sum(self.counts.get(k, {}).values()) for k in kinds)

    def wait_more(self, count, *kinds):
        """Until there are so many more of these kinds together."""
        with self.changed:
            wanted = self.total(*kinds) + count
            good = self.changed.wait_for(
                lambda: self.wrong or self.total(*kinds) >= wanted, SECONDS)
        equal(self.wrong, [], "wrong, refused or ended")
        check(good, "the load goes on", self.counts)

    def say(self, what):
        for kind, of in sorted(self.counts.items()):
            print("%s: %s: %d signatures, by version %s" % (
                what, kind, sum(of.values()), sorted(of.items())))
        print("%s: %d by an older version than was made or there; %d wrong" % (
            what, self.between, len(self.wrong)), flush=True)


class World(Remote):
    """Two credds that have the same credential; clients of both kinds."""

    def __init__(self, stack):
        super().__init__(stack, PROFILES)
        self.versions = Versions()
        self.a, self.b = (Store(self.store(), self.versions) for _ in range(2))
        self.context = ssl.create_default_context(cafile=self.root)
        self.context.load_cert_chain(self.identity("web"))
        for one, name, other in ((self.a, "b", self.b), (self.b, "a", self.a)):
            self.reached(one.daemon)
            knows(one.daemon, name, other.daemon, url=True)
        self.share()

    def share(self):
        a, b = self.a.daemon, self.b.daemon
        a.cli("credential", "add", "load", "module=hmac", "key=-",
              stdin=self.versions.make(1).encode())
        may_export(a, "load")
        sealed = a.cli("credential", "export-sealed", "load", "--to", "b").stdout
        b.cli("credential", "import", "-", stdin=sealed)
        for d in (a, b):
            for who in ("uid=%d" % os.getuid(), "cert.o=web"):
                d.cli("grant", "add", "credential=load", "op=sign", who)

    def askers(self, store, tls, http, native):
        """Of so many connections each, and one that makes a new one each time."""
        d = store.daemon
        return ([(store, Tls(self, d), 4) for _ in range(tls)]
                + [(store, Fresh(self, d), 2)]
                + [(store, Http(http_sock(d)), 4) for _ in range(http)]
                + [(store, Native(d.api), 8) for _ in range(native)])

    def rotate(self, words, *stores):
        """Makes a new version; in these stores it is there once that is acknowledged."""
        number = self.versions.newest + 1
        done = self.a.daemon.cli("credential", "rotate", "load", "key=-", "--json", *words,
                                 stdin=self.versions.make(number).encode())
        said = [json.loads(line) for line in done.stdout.splitlines()]
        equal({int(r["version"]) for r in said}, {number}, "the version")
        equal(len(said), len(stores), "stores that have it")
        for store in stores:
            store.has(number)

    def serial(self, store):
        """Of the gate's certificate."""
        with contextlib.closing(Tls(self, store.daemon)) as c:
            return c.sock.getpeercert()["serialNumber"]


@case
def one_store_is_rotated_under_load(w):
    first = w.versions.newest
    with Load(w.versions, w.askers(w.a, tls=4, http=2, native=1)) as load:
        for n in range(ROTATIONS + 1):
            if n:
                far = ("--connect", w.a.daemon.url, *w.as_("ops")) if n % 2 else ()
                w.rotate(("--grace", "1h", *far), w.a)
            each = COUNT // (ROTATIONS + 1) + 1
            load.wait_more(each, "TLS")
            left = (n + 1) * each - load.total("native", "http.sock")
            load.wait_more(max(left, 1), "native", "http.sock")
    load.say("one store")
    equal(load.wrong, [], "wrong, refused or ended")
    check(load.total("TLS") >= COUNT, "over TLS", load.total("TLS"))
    check(load.total("native", "http.sock") >= COUNT, "over UNIX sockets")
    for kind in ("TLS", "http.sock", "native"):
        equal(set(load.counts[kind]), set(range(first, first + ROTATIONS + 1)),
              "%s: each version was used" % kind)
    check(load.total(Fresh.kind), "new connections, too")
    check(load.between, "somebody signed while a version was being made")


@case
def all_stores_are_rotated_under_load(w):
    askers = w.askers(w.a, tls=1, http=0, native=1) + w.askers(w.b, tls=2, http=1, native=1)
    with Load(w.versions, askers) as load:
        for n in range(EVERYWHERE + 1):
            if n:
                words = ("--grace", "1h", "--all", *w.as_("ops"))
                w.rotate(words, w.a, w.b)
            load.wait_more(COUNT // 4 // (EVERYWHERE + 1), "TLS")
    load.say("two stores")
    equal(load.wrong, [], "wrong, refused or ended")
    equal(w.a.at_least, w.b.at_least, "both have the same")


@case
def without_grace_nobody_notices_either(w):
    """The old version is destroyed at once."""
    with Load(w.versions, w.askers(w.a, tls=2, http=1, native=1)) as load:
        for _ in range(4):
            load.wait_more(COUNT // 50, "TLS")
            w.rotate((), w.a)
        load.wait_more(COUNT // 50, "TLS")
    load.say("without grace")
    equal(load.wrong, [], "wrong, refused or ended")


@case
def a_renewed_gate_keeps_its_connections(w):
    """Of both gates; one that is mostly idle as well: what is idle for GATE_IDLE_S ends."""
    first = [w.serial(s) for s in (w.a, w.b)]
    idle = [Tls(w, s.daemon) for s in (w.a, w.b)]
    busy = [(s, Tls(w, s.daemon)) for s in (w.a, w.b) for _ in range(4)]
    count, asked_idle = 0, time.monotonic()

    def ask(store, connection):
        nonlocal count
        at_least, data = store.at_least, b"%d" % count
        (version, signature), = connection.sign([data])
        equal((signature, version >= at_least),
              (w.versions.signature(version, data), True), "signed")
        count += 1

    def renewed():
        nonlocal asked_idle
        for store, connection in busy:
            ask(store, connection)
        if time.monotonic() - asked_idle > IDLE_SECONDS:
            asked_idle = time.monotonic()
            for store, connection in zip((w.a, w.b), idle):
                ask(store, connection)
        return all(w.serial(s) != was for s, was in zip((w.a, w.b), first))

    with contextlib.ExitStack() as stack:
        for connection in idle + [c for _, c in busy]:
            stack.callback(connection.close)
        until("both gates have another certificate", renewed)
        for store, connection in busy:
            ask(store, connection)
        for store, connection in zip((w.a, w.b), idle):
            ask(store, connection)
            with contextlib.closing(Tls(w, store.daemon)) as fresh:
                ask(store, fresh)
    print("renewed: %d signatures over %d connections that stayed" % (
        count, len(busy) + len(idle)))


def main():
    try:
        must_root()
    except Skip as e:
        print("skip rotate_load - %s" % e, flush=True)
        return 0
    with contextlib.ExitStack() as stack:
        return run(World(stack))


if __name__ == "__main__":
    sys.exit(main())
