#!/usr/bin/python3
"""The example server as an agent of an unprivileged user, with a real CA, certmgr and,
for root, keyring: it serves with what it claimed, renews across the end of its first
certificate without dropping a connection, and others of its user get nothing of it."""
import contextlib
import ctypes
import errno
import os
import select
import socket
import ssl
import sys
import time

from lib.ca_cli import until
from lib.case import Skip, build, case, check, equal, run
from lib.certmgr import (CRETULA, OWNER, Spawned, Refused, claim_here, is_root,
                         node)
from lib.daemon import as_uid, wait_end
from lib.upcall import registered

SERVE = os.path.join(os.path.abspath(build()), "examples/serve")
SECONDS = 60
LIFE = 60       # seconds; notBefore is as far back, so that it is due after 20
PTRACE_ATTACH = 16

libc = ctypes.CDLL(None, use_errno=True)


class Server:
    """serve, as an agent: the attributes of the lines it prints."""

    def __init__(self, cm, *words, uid=None, options=()):
        self.root = cm.options["ca_root"]
        self.process = cm.popen(*cm.agent_words(SERVE, "0", *words,
                                                options=options),
                                uid=uid, stdout=-1)
        self.rest = b""
        self.claimed = self.line("claimed")
        self.port = int(self.line("listening")["port"])

    def line(self, event):
        while b"\n" not in self.rest:
            check(select.select([self.process.stdout], [], [], SECONDS)[0],
                  "serve says '%s'" % event)
            got = os.read(self.process.stdout.fileno(), 4096)
            check(got, "serve still runs, to say '%s'" % event)
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        words = line.decode().split()
        equal(words[0], event, line)
        return dict(word.split("=", 1) for word in words[1:])

    def connect(self, pem=None):
        context = ssl.create_default_context(cafile=self.root)
        context.check_hostname = False
        if pem:
            context.load_cert_chain(pem)
        return Connection(context, self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait(SECONDS)


class Connection:
    def __init__(self, context, port):
        plain = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.sock = context.wrap_socket(plain)
        about = self.sock.getpeercert()
        self.serial = about["serialNumber"].lower()
        self.ends = ssl.cert_time_to_seconds(about["notAfter"])
        self.lines = 0

    def ask(self):
        self.lines += 1
        line = b"line %d\n" % self.lines
        self.sock.sendall(line)
        got = b""
        while not got.endswith(b"\n"):
            piece = self.sock.recv(100)
            check(piece, "the connection holds", self.lines)
            got += piece
        equal(got, line, "what comes back")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def owner():
    return OWNER if is_root() else None


@contextlib.contextmanager
def serving(*words, **more):
    with contextlib.ExitStack() as stack:
        if is_root():
            stack.enter_context(registered())
        _, cm = stack.enter_context(node())
        cm.grant(OWNER if is_root() else os.geteuid())
        with Server(cm, *words, uid=owner(), **more) as server:
            yield cm, server


def way():
    return "keyring" if is_root() else "socket"


@case
def it_renews_without_dropping_a_connection():
    with serving(options=["--lifetime", "%ds" % LIFE]) as (cm, server):
        equal(server.claimed["way"], way(), "how it claimed")
        with server.connect() as old:
            equal(old.serial, server.claimed["serial"], "the certificate")
            renewed = 0
            while time.time() < old.ends + 1:
                if select.select([server.process.stdout], [], [], 0)[0]:
                    now = server.line("renewed")
                    renewed += 1
                    with server.connect() as new:
                        new.ask()
                        equal(new.serial, now["serial"], "new connections")
                        check(new.ends >= old.ends, "lives longer")
                old.ask()
                time.sleep(0.05)
            check(renewed >= 1, "was renewed", renewed)
            # the first certificate has ended; who connects now gets another
            with server.connect() as late:
                late.ask()
                check(late.ends > old.ends, "a certificate that is valid")
            old.ask()
        agent, = cm.list()
        equal((agent["state"], agent["ptraceable"]), ("claimed", "no"), "agent")


def errno_of(result):
    return errno.errorcode.get(ctypes.get_errno()) if result < 0 else "done"


def read_of(path):
    try:
        with open(path, "rb") as f:
            return "%d bytes" % len(f.read(10))
    except OSError as e:
        return errno.errorcode[e.errno]


def tries(pid, api, agent, instance):
    """What another process of the same user can do to it."""
    seen = {name: read_of("/proc/%d/%s" % (pid, name))
            for name in ("mem", "environ", "maps", "fd/3")}
    seen["ptrace"] = errno_of(libc.ptrace(PTRACE_ATTACH, pid, 0, 0))
    token = b"ca1_" + b"a" * 84
    try:
        claim_here(api, Spawned(agent, instance, token))
        seen["claim"] = "done"
    except Refused as e:
        seen["claim"] = e.error
    with open("/proc/keys", encoding="ascii", errors="replace") as f:
        seen["keys"] = [line for line in f if "cretula:cert:" in line
                        and agent in line]
    return seen


@case
def others_of_its_user_get_nothing():
    if not is_root():
        raise Skip("only root makes processes of another user")
    with serving() as (cm, server):
        equal(server.claimed["way"], "keyring", "how it claimed")
        agent, = cm.list()
        seen = as_uid(OWNER, tries, server.process.pid, cm.api, agent["agent"],
                      cm.instance)
        equal(seen.pop("claim") in ("invalid", "unauthenticated", "denied"), True,
              "a claim with a token that was made up")
        equal(seen.pop("keys"), [], "what is left in a keyring")
        equal(set(seen.values()) <= {"EACCES", "EPERM"}, True, "%r" % seen)
        with server.connect() as c:
            c.ask()


@case
def peers_need_a_certificate_if_asked_for():
    with serving("mutual") as (cm, server):
        done = cm.run_agent(CRETULA, "agent", "claim", "--pem", uid=owner())
        equal(done.returncode, 0, done.stderr)
        pem = os.path.join(cm.base, "client.pem")
        with open(pem, "wb") as f:
            f.write(done.stdout)
        with server.connect(pem) as c:
            c.ask()
        try:
            with server.connect() as c:
                c.ask()
        except (ssl.SSLError, ConnectionError, AssertionError):
            return
        raise AssertionError("a client without certificate is served")


@case
def its_end_revokes_it():
    with serving() as (cm, server):
        server.process.terminate()
        check(wait_end(server.process.pid, SECONDS), "serve ends")
        until("the CA has revoked it", lambda: cm.ca.cli(
            "ca", "show", server.claimed["serial"], "--field",
            "status").stdout == b"revoked\n")
        until("no agent is left", lambda: not cm.list())


if __name__ == "__main__":
    sys.exit(run())
