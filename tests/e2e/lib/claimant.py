"""Agents that claim by request_key(2) alone: unprivileged processes that do as they are
told, their certificates, and tokens of one's own making.

    with Claimant(cm, uid) as a:        # spawns itself, as an agent of that uid
        pem = a.claim()                 # what the key holds, or the name of an errno
        a.do(os.getpid)                 # any function of the test, in that process"""
import base64
import ctypes
import errno
import functools
import hashlib
import os
import uuid

from cryptography import x509

from lib.actor import Actor, must
from lib.case import check
from lib.certmgr import Refused, claim_here, spawn_here
from lib.upcall import PROCESS, error_of, read_key, request_key

from cretula_native import Attrs, decode_attrs

SET_DUMPABLE, SET_NO_NEW_PRIVS = 4, 38
libc = ctypes.CDLL(None, use_errno=True)


def set_dumpable(yes):
    must(libc.prctl(SET_DUMPABLE, int(yes), 0, 0, 0), "PR_SET_DUMPABLE")


# In the process

def claim(spawned, ring=PROCESS, token=None, description=None):
    """What the key holds, or the name of an errno."""
    try:
        return read_key(request_key(
            (description or spawned.description).encode(),
            spawned.token if token is None else token, ring))
    except OSError as e:
        return errno.errorcode[e.errno]


def claim_by_socket(api, spawned):
    """What comes back through the socket, or the word of a refusal."""
    try:
        return claim_here(api, spawned)[0]
    except Refused as e:
        return e.error


def in_child(function, *arguments):
    """What function gives in a forked child, as text or bytes."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            got = function(*arguments)
            os.write(w, got if isinstance(got, bytes) else str(got).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        got = f.read()
    os.waitpid(pid, 0)
    return got if got.startswith(b"-----") else got.decode()


def unprivileged():
    """No way back to any right: what the process says of itself."""
    must(libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    with open("/proc/self/status") as f:
        said = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    check([said[n] for n in ("NoNewPrivs", "CapEff", "CapPrm", "CapAmb")] ==
          ["1"] + 3 * ["0" * 16], "no right is left", said)


def obey(link):
    unprivileged()
    while True:
        (function, arguments), _ = link.hear()
        try:
            link.tell((True, function(*arguments)))
        except Refused as e:
            link.tell((Refused, Attrs([("error", e.error.encode(), 0),
                                       ("text", e.text.encode(), 0)])))
        except Exception as e:
            link.tell((False, e))


def spawn_self(api, attrs, bound):
    if not bound:
        return spawn_here(api, attrs)
    me = os.pidfd_open(os.getpid())
    try:
        return spawn_here(api, attrs, me)
    finally:
        os.close(me)


class Claimant(Actor):
    """bound: names itself by a pidfd. type=None: no agent (yet)."""

    def __init__(self, cm, uid, type="web", bound=True, **more):
        super().__init__(obey, uid=uid)
        self.cm, self.uid = cm, uid
        try:
            self.spawned = self.spawn(type, bound, **more) if type else None
        except BaseException:
            self.__exit__()
            raise

    def do(self, function, *arguments, **named):
        if named:
            function = functools.partial(function, **named)
        self.tell((function, arguments))
        good, value = self.hear()[0]
        if good is Refused:
            raise Refused(value)
        if not good:
            raise value
        return value

    def spawn(self, type="web", bound=True, **more):
        attrs = [("type", type)] + list(more.items())
        return self.do(spawn_self, self.cm.api, attrs, bound)

    def claim(self, spawned=None, **more):
        return self.do(claim, spawned or self.spawned, **more)

    @property
    def agent(self):
        return self.spawned.agent


# Certificates and tokens

def certificate(pem):
    check(isinstance(pem, bytes) and b"PRIVATE KEY" in pem, "a key's payload", pem)
    return x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE"):])


def serial(pem):
    return "%036x" % certificate(pem).serial_number


def token_of(agent, secret):
    """The text of that agent's token, if its secret were this."""
    body = uuid.UUID(agent).bytes + secret
    body += hashlib.blake2b(body, digest_size=32).digest()[:4]
    return b"ca1_" + base64.b32encode(body).rstrip(b"=").lower()


# The log

def records(cm, since=0, **wanted):
    """The log's records from that index on, as {name: text}, that have these values."""
    out, at = [], since
    with cm.admin() as admin:
        while True:
            items = admin.call("audit.show", [("from", at), ("count", 1000)]).items
            for item in items:
                r = decode_attrs(item.get("record"))
                r = {n: r.text(n) for n, _, _ in r}
                r["index"] = int(item.text("index"))
                out.append(r)
            if not items:
                break
            at += len(items)
    return [r for r in out if all(r.get(n) == str(v) for n, v in wanted.items())]


def log_size(cm):
    """How many records there are."""
    with cm.admin() as admin:
        return int(admin.call("audit.notes").text("size"))


__all__ = [n for n in dir() if not n.startswith("_")] + ["error_of"]
