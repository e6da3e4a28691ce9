"""Agents by the dozen, each a process that asks for itself again and again until it is
answered, as programs do whose certmgr is being killed; and the history of their
certificates as the CA's log has it.

    with Crowd(cm, 20, uids, Random(seed)) as crowd:
        crowd.agents[0].begin()
        crowd.until("it has claimed", lambda: crowd.agents[0].held)
"""
import base64
import calendar
import contextlib
import errno
import json
import os
import re
import select
import signal
import socket
import time
import traceback

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from lib.admin import Client, Refused
from lib.ca_client import (DER, SPKI, Tree, leaf, read_items, read_log, serial_hex,
                           sha256)
from lib.case import check, equal
from lib.certmgr import SECONDS, call_fds, spawn_here
from lib.upcall import (PROCESS, UNLINK, describe, keyctl, read_key, request_key)

from cretula_native import ProtocolError, decode_attrs

# What a client may hear while something is being started anew.
PASSING = ("unavailable", "limited", "timeout", "pending")
PASSING_READ = (errno.EAGAIN, errno.ENOTCONN, errno.ECONNABORTED, errno.EIO,
                errno.ENOENT, errno.ENODEV)
PAUSE = 0.02            # nobody tells when it is there again
BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n", re.S)


class Lost(Exception):
    """The token is nobody's any more."""


def bundle(pem, agent):
    """The serial of a payload whose key, certificate and chain fit."""
    blocks = [m.group(1) for m in BLOCK.finditer(pem)]
    equal(blocks, [b"PRIVATE KEY", b"CERTIFICATE", b"CERTIFICATE"], "its blocks")
    key, der, above = [m.group(0) for m in BLOCK.finditer(pem)]
    cert = x509.load_pem_x509_certificate(der)
    ca = x509.load_pem_x509_certificate(above)
    spki = serialization.load_pem_private_key(key, None).public_key() \
        .public_bytes(DER, SPKI)
    equal(cert.public_key().public_bytes(DER, SPKI), spki, "the key's certificate")
    equal(cert.issuer, ca.subject, "its issuer")
    uid, = cert.subject.get_attributes_for_oid(NameOID.USER_ID)
    equal(uid.value, agent, "whose it is")
    return serial_hex(cert.public_bytes(DER))


# In the agent's own process

def by_socket(api, spawned):
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(SECONDS)
        ours.sendall(spawned.token)
        try:
            with Client(api) as c, theirs:
                call_fds(c, "agent.claim", [("agent", spawned.agent)],
                         [theirs.fileno()])
        except (ProtocolError, OSError):
            theirs.close()
            with contextlib.suppress(OSError):
                return whole(ours)      # only the answer was lost
            raise
        return whole(ours)


def whole(sock):
    with sock.makefile("rb") as f:
        pem = f.read()
    if not pem.endswith(b"-----END CERTIFICATE-----\n"):
        raise OSError("there is no payload")
    return pem


def by_keyring(api, spawned):
    try:
        key = request_key(spawned.description.encode(), spawned.token, PROCESS)
    except OSError as e:
        if e.errno == errno.EKEYREJECTED:
            raise Lost from e
        check(e.errno == errno.ENOKEY, "an errno that says to try again", e)
        raise
    check(describe(key)[3] == 0x0b000000, "permissions", describe(key))
    pem = read_key(key)
    keyctl(UNLINK, key, PROCESS)
    return pem


def by_view(api, spawned):
    with open(os.path.join(spawned.dir, "bundle.pem"), "rb") as f:
        return f.read()


WAYS = {"socket": by_socket, "keyring": by_keyring, "view": by_view}


def insist(what, *arguments):
    """Again until there is an answer; (answer, how often it was asked)."""
    end, times = time.monotonic() + 3 * SECONDS, 0
    while True:
        times += 1
        try:
            return what(*arguments), times
        except TimeoutError:
            raise
        except Refused as e:
            if e.error == "unauthenticated" and "nobody has been given" in e.text:
                raise Lost from e
            if e.error not in PASSING and "ended, or runs another" not in e.text:
                raise
            last = e
        except ProtocolError as e:
            last = e
        except OSError as e:
            check(what is not by_view or e.errno in PASSING_READ,
                  "an errno that says to try again", e)
            last = e
        check(time.monotonic() < end, "an answer at last", repr(last))
        time.sleep(PAUSE)


def live(tell, orders, cm, uid, way):
    """The process of an agent: spawns itself, claims, and does as it is told."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    spawned = None
    me = os.pidfd_open(os.getpid())
    attrs = [("type", "web")] + ([("view", "yes")] if way == "view" else [])
    while True:
        order = os.read(orders, 1)
        if not order:
            return
        if order == b"s":
            spawned, times = insist(spawn_here, cm.api, attrs, me)
            spawned.dir = os.path.join(cm.options["view"], spawned.agent)
            tell(spawned=spawned.agent, times=times)
        elif order == b"c":
            try:
                pem, times = insist(WAYS[way], cm.api, spawned)
                tell(held=bundle(pem, spawned.agent), times=times)
            except Lost:
                tell(lost=spawned.agent)


class Agent:
    """.id, .ids (all that it was told), .held (serials), .lost, .wrong; .began and
    .died: times."""

    def __init__(self, crowd, uid, way):
        self.crowd, self.uid, self.way = crowd, uid, way
        self.id = self.died = self.began = self.wrong = None
        self.ids, self.held, self.lost, self.times = [], [], [], 0
        self.claims = True
        self.text = b""
        self.events, tell = os.pipe()
        orders, self.orders = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            self.child(tell, orders)
        os.close(tell)
        os.close(orders)
        self.pidfd = os.pidfd_open(self.pid)

    def child(self, out, orders):
        def tell(**what):
            os.write(out, json.dumps(what).encode() + b"\n")
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            keep = sorted((out, orders))
            os.closerange(3, keep[0])
            os.closerange(keep[0] + 1, keep[1])
            os.closerange(keep[1] + 1, 4096)
            live(tell, orders, self.crowd.cm, self.uid, self.way)
        except BaseException:
            tell(wrong=traceback.format_exc())
        finally:
            os._exit(0)

    def begin(self, claims=True):
        """It spawns itself, and claims unless it shall not."""
        self.claims = claims
        self.began = time.time()
        os.write(self.orders, b"s")

    def claim(self):
        os.write(self.orders, b"c")

    def heard(self, what):
        self.times += what.get("times", 0)
        if "wrong" in what:
            self.wrong = what["wrong"]
        elif "spawned" in what:
            self.id = what["spawned"]
            self.ids.append(self.id)
            if self.claims:
                self.claim()
        elif "held" in what:
            self.held.append((time.time(), what["held"], self.id))
        else:       # as a program would that is told so: another agent
            self.lost.append((time.time(), what["lost"]))
            os.write(self.orders, b"s")

    def hear(self):
        got = os.read(self.events, 65536)
        *lines, self.text = (self.text + got).split(b"\n")
        for line in lines:
            self.heard(json.loads(line))
        return bool(got)

    @property
    def alive(self):
        return self.died is None

    @property
    def serial(self):
        """What it holds of the agent that it is."""
        of_now = [s for _, s, agent in self.held if agent == self.id]
        return of_now[-1] if of_now else None

    def end(self, sig=signal.SIGKILL):
        """By a signal, or by itself. It is dead when this returns."""
        if not self.alive:
            return
        self.died = time.time()
        if sig:
            signal.pidfd_send_signal(self.pidfd, sig)
        else:
            os.close(self.orders)
            self.orders = -1
        os.waitpid(self.pid, 0)
        if not sig:     # it has ended what it was doing
            self.died = time.time()

    def close(self):
        self.end()
        for fd in (self.events, self.orders, self.pidfd):
            if fd >= 0:
                os.close(fd)


class Crowd:
    """Processes that wait for their begin()."""

    def __init__(self, cm, count, uids, rng, ways=tuple(WAYS)):
        self.cm, self.agents = cm, []
        try:
            for i in range(count):
                self.agents.append(Agent(self, rng.choice(uids),
                                         ways[i % len(ways)]))
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for a in self.agents:
            a.close()

    def hear(self, seconds=0.0):
        """What they have said, and whether that was anything."""
        by_fd = {a.events: a for a in self.agents if a.alive}
        p = select.poll()
        for fd in by_fd:
            p.register(fd, select.POLLIN)
        for fd, _ in p.poll(seconds * 1000):
            by_fd[fd].hear()
        for a in self.agents:
            check(not a.wrong, "answers are right, or clear errors", a.id,
                  a.wrong)

    def until(self, what, condition, seconds=3 * SECONDS):
        end = time.monotonic() + seconds
        while not condition():
            check(time.monotonic() < end, what)
            self.hear(0.05)

    def living(self):
        return [a for a in self.agents if a.alive and a.began]

    def dead(self):
        return [a for a in self.agents if not a.alive and a.began]


# What the CA says

def seconds_of(record):
    """time= of a record, microseconds kept."""
    whole_s, _, part = record.text("time").rstrip("Z").partition(".")
    at = time.strptime(whole_s, "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(at) + float("0." + (part or "0"))


class Cert:
    """.agent .serial .index .made .revoked (None) .revoked_index"""

    def __init__(self, record, index):
        self.serial = record.text("serial")
        self.number = int(self.serial[2:12], 16)
        self.agent = record.text("agent")
        self.replaces = record.text("replaces")
        self.index, self.made = index, seconds_of(record)
        self.revoked = self.revoked_index = None

    def __repr__(self):
        return "%s of %s made %.3f [%d] revoked %s [%s]" % (
            self.serial, self.agent, self.made, self.index, self.revoked,
            self.revoked_index)


def history(ca):
    """{agent id: [Cert, …] in the order of issue} by the CA's log, which verifies."""
    with ca.admin() as a:
        log = read_log(a)
    by_number, out = {}, {}
    for i, r in enumerate(log.records):
        if r.get("sha256") is not None and r.text("type") == "web":
            c = Cert(r, i)
            by_number[c.number] = c
            out.setdefault(c.agent, []).append(c)
        elif r.text("event") == "revoke":
            for n in r.all("number"):
                c = by_number.get(int(n))
                if c and c.revoked is None:
                    c.revoked, c.revoked_index = seconds_of(r), i
    return out


# What certmgr says

def nothing_waits(cm):
    """It has nothing to ask the CA for and nothing to tell it: of a request without an
    answer it finds out first what was made, then that is owed."""
    s = cm.status()
    return (s.text("waiting"), s.text("revocations_owed")) == ("0", "0")


NOTE = re.compile(rb"\A((cretula/certmgr/[0-9a-f]+)\n(\d+)\n(\S+)\ntime=[^\n]*\n)"
                  rb"\n\xe2\x80\x94 \2 (\S+)\n\Z")


def signed_sizes(a, origin, key):
    """{size: root} of its checkpoints, whose signatures are right."""
    out = {}
    for i in read_items(a, "audit.notes").items:
        m = NOTE.match(i.get("note"))
        check(m and m[2].decode() == origin, "a checkpoint", i.get("note"))
        sig = base64.b64decode(m[5])
        equal(sig[:4], sha256(m[2] + b"\n\1" + key)[:4], "key id")
        ed25519.Ed25519PublicKey.from_public_bytes(key).verify(sig[4:], m[1])
        out[int(m[3])] = base64.b64decode(m[4])
    return out


def certmgr_log(cm):
    """Its whole log: records. Raises unless signatures, sizes and roots are right."""
    tree, records = Tree(), []
    with cm.admin() as a:
        first = read_page(a, 0)
        roots = signed_sizes(a, first.text("origin"),
                             base64.b64decode(first.get("key")))
        while True:
            page = read_page(a, len(records)).items
            if not page:
                break
            for item in page:
                equal(int(item.text("index")), len(records), "the next index")
                records.append(decode_attrs(item.get("record")))
                tree.add(leaf(item.get("record")))
                if tree.size in roots:
                    equal(roots.pop(tree.size), tree.root(), "the signed root")
    equal(roots, {}, "checkpoints over what is not there")
    return records


def read_page(a, start):
    end = time.monotonic() + SECONDS
    while True:
        try:
            return a.call("audit.show", [("from", start)])
        except Refused as e:
            if e.error != "limited" or time.monotonic() > end:
                raise
            time.sleep(PAUSE)
