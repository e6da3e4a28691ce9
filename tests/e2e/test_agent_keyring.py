#!/usr/bin/python3
"""An unprivileged process gets its certificate by request_key(2) alone, serves with it and
renews it while connections go on; who else of its user tries to get at it, in every way
that there is, gets nothing; and what becomes of its right when it forks, execs or ends."""
import ctypes
import errno
import os
import select
import socket
import ssl
import struct
import sys
import threading
import time

from lib.actor import Actor, must
from lib.ca_cli import until
from lib.case import Skip, case, check, equal, run
from lib.certmgr import CRETULA, Spawned, node
from lib.claimant import (Claimant, certificate, claim, claim_by_socket, in_child,
                          libc, records, serial, set_dumpable, spawn_self,
                          unprivileged)
from lib.daemon import wait_end
from lib.upcall import (GET_ID, JOIN, LINK, PROCESS, READ, SEARCH, SESSION, THREAD,
                        UNLINK, USER, describe, error_of, fresh_uid, keyctl, read_key,
                        registered, request_key)

LIFE = "60"         # seconds; it starts a minute before, so that it is renewed after 20 s
CHANGES = 2
CLIENTS = 4
MORE = 20           # lines after the last change
PATIENCE = 90
PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SEIZE = 16, 17, 0x4206
PIDFD_GETFD, PROCESS_VM_READV = 438, 310
HELD = []           # in an agent's process: the key, and what it holds


# In the process of the agent that serves

def context_of(pem):
    """OpenSSL takes files only: one that is in memory."""
    fd = os.memfd_create("certificate")
    try:
        os.write(fd, pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/proc/self/fd/%d" % fd)
        return context
    finally:
        os.close(fd)


def take(spawned):
    """(key, context, serial) by request_key(2)."""
    key = request_key(spawned.description.encode(), spawned.token, PROCESS)
    pem = read_key(key)
    return key, context_of(pem), serial(pem)


def answer(sock, rest):
    """Sends whole lines back; False when the client has gone."""
    data = sock.recv(4096)
    lines, nl, rest[sock] = (rest[sock] + data).rpartition(b"\n")
    sock.sendall(lines + nl)
    return bool(data)


def serving(api):
    """Tells its port and its serial. Takes the next certificate when the key has
    expired, whatever its clients are doing."""
    def play(link):
        unprivileged()
        spawned = spawn_self(api, [("type", "web"), ("lifetime", LIFE)], True)
        key, context, number = take(spawned)
        listener, rest = socket.create_server(("127.0.0.1", 0)), {}
        link.tell((listener.getsockname()[1], number))
        while True:
            for ready in select.select([listener, *rest], [], [], 0.05)[0]:
                if ready is listener:
                    rest[context.wrap_socket(listener.accept()[0],
                                             server_side=True)] = b""
                elif not answer(ready, rest):
                    rest.pop(ready)
                    ready.close()
            if error_of(read_key, key) == "EKEYEXPIRED":
                key, context, _ = take(spawned)
    return play


# Its clients

class Connection:
    def __init__(self, port, root):
        context = ssl.create_default_context(cafile=root)
        context.check_hostname = False
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.sock = context.wrap_socket(plain)
        self.serial = self.sock.getpeercert()["serialNumber"].lower()
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


def using(port, root):
    """Keeps connections busy until new ones have seen all changes of the certificate,
    and for a while after. Tells the serials in order, and how many lines each kept
    connection had got back at each change and at the end."""
    def play(link):
        kept = [Connection(port, root) for _ in range(CLIENTS)]
        seen, lines = [kept[0].serial], []
        while len(lines) <= CHANGES:
            for c in kept:
                c.ask()
            now = Connection(port, root)
            now.ask()
            now.sock.close()
            if now.serial != seen[-1] or (len(seen) > CHANGES and
                                          kept[0].lines > lines[-1][0] + MORE):
                lines.append([c.lines for c in kept])
                seen += [now.serial] if now.serial != seen[-1] else []
            time.sleep(0.02)
        link.tell((seen, lines))
    return play


class Place:
    """One certmgr for all cases, and an agent that serves meanwhile."""

    def __init__(self, ca, cm):
        self.ca, self.cm = ca, cm
        self.owner = self.user()

    def user(self):
        """Somebody who may start agents, whose keys nobody has counted yet."""
        uid = fresh_uid()
        self.cm.grant(uid)
        return uid

    def agent(self, **more):
        return Claimant(self.cm, self.user(), **more)

    def is_revoked(self, number):
        until("the CA has revoked it", lambda: self.ca.cli(
            "ca", "show", number, "--field", "status").stdout == b"revoked\n")

    def is_gone(self, agent):
        until("agent %s is gone" % agent, lambda: agent not in [
            a["agent"] for a in self.cm.list()])

    def record(self, **wanted):
        """The one that there must be."""
        found = records(self.cm, **wanted)
        check(found, "a record", wanted, records(self.cm)[-5:])
        return found[-1]

    def claims(self):
        """Serials of who serves: he goes on with it as long as the other cases take."""
        return [r["serial"] for r in records(self.cm, event="agent.claim", way="keyring",
                                             decision="allow", uid=self.owner)]

    def is_up_to_date(self):
        agent, = [a for a in self.cm.list() if a["uid"] == str(self.owner)]
        return (agent["state"], agent["serial"]) == ("claimed", self.claims()[-1])

    def refused(self, agent, error, **more):
        return self.record(event="agent.claim", agent=agent, decision="deny",
                           error=error, **more)


# Who shall not get at it

def hold(spawned, ring):
    """Keeps the key in that ring: its number, the rings' numbers, where a copy of what
    it holds is in memory."""
    keyctl(JOIN, None)
    key = request_key(spawned.description.encode(), spawned.token, ring)
    HELD[:] = key, read_key(key)
    at = id(HELD[1]) + bytes.__basicsize__ - 1
    rings = [keyctl(GET_ID, r, 1) for r in (THREAD, PROCESS, SESSION)]
    return key, rings, at


def still_held():
    key, pem = HELD
    return read_key(key) == pem


def what_a_description_shows():
    with open("/proc/keys", "rb") as f:
        return repr(describe(HELD[0])).encode() + f.read()


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def vm_readv(pid, at, size):
    room = ctypes.create_string_buffer(size)
    ours, theirs = Iovec(ctypes.addressof(room), size), Iovec(at, size)
    one = ctypes.c_ulong(1)
    must(libc.syscall(PROCESS_VM_READV, pid, ctypes.byref(ours), one,
                      ctypes.byref(theirs), one, ctypes.c_ulong(0)),
         "process_vm_readv")
    return room.raw


def mem(pid, at, size):
    with open("/proc/%d/mem" % pid, "rb", 0) as f:
        return os.pread(f.fileno(), size, at)


def traced(request):
    def trace(pid):
        must(libc.ptrace(request, pid, 0, 0), "ptrace")
        os.waitpid(pid, 0x40000000)        # __WALL
        must(libc.ptrace(PTRACE_DETACH, pid, 0, 0), "ptrace")
    return trace


def seized(pid):
    must(libc.ptrace(PTRACE_SEIZE, pid, 0, 0), "ptrace")


def taken_fd(pid, fd):
    """Its descriptor, as ours."""
    handle = os.pidfd_open(pid)
    try:
        return must(libc.syscall(PIDFD_GETFD, handle, fd, 0), "pidfd_getfd")
    finally:
        os.close(handle)


def content(path):
    with open(path, "rb") as f:
        return f.read()


def peeked(pid):
    """What each way to look into a process gives: True, or the name of an errno."""
    tries = {"mem": lambda: mem(pid[0], pid[1], 27), "maps": lambda: content(
                 "/proc/%d/maps" % pid[0]),
             "vm_readv": lambda: vm_readv(pid[0], pid[1], 27),
             "fd": lambda: os.listdir("/proc/%d/fd" % pid[0]),
             "cwd": lambda: os.readlink("/proc/%d/cwd" % pid[0]),
             "environ": lambda: content("/proc/%d/environ" % pid[0]),
             "pidfd_getfd": lambda: taken_fd(pid[0], 0),
             "attach": lambda: traced(PTRACE_ATTACH)(pid[0]),
             "map_files": lambda: os.listdir("/proc/%d/map_files" % pid[0])}
    got = {n: error_of(t) for n, t in tries.items()}
    found = {n: v for n, v in got.items() if n in ("mem", "vm_readv")}
    return {n: v if isinstance(v, str) and v[0] == "E" else True
            for n, v in got.items()}, found


def keys_tried(key, rings, description, token):
    """What the key calls give another process of the user."""
    keyctl(JOIN, None)
    got = {"read": error_of(read_key, key), "describe": error_of(describe, key)}
    for to in (PROCESS, SESSION, USER):
        got["link %d" % to] = error_of(keyctl, LINK, key, to)
    for n, ring in enumerate(rings):
        got["read ring %d" % n] = error_of(keyctl, READ, ring, None, 0)
        got["search %d" % n] = error_of(keyctl, SEARCH, ring, b"user", description, 0)
        got["search into %d" % n] = error_of(keyctl, SEARCH, ring, b"user", description,
                                             PROCESS)
        got["link ring %d" % n] = error_of(keyctl, LINK, ring, SESSION)
        got["unlink %d" % n] = error_of(keyctl, UNLINK, key, ring)
    for ring in (0, THREAD, PROCESS, SESSION):
        got["look up %d" % ring] = error_of(request_key, description, None, ring)
    got["claim"] = error_of(request_key, description, token, PROCESS)
    return got


@case
def others_cannot_use_the_keys_of_an_agent(place):
    for ring in (PROCESS, THREAD, SESSION):
        with place.agent() as a, Claimant(place.cm, a.uid, type=None) as other:
            key, rings, _ = a.do(hold, a.spawned, ring)
            got = other.do(keys_tried, key, rings, a.spawned.description.encode(),
                           a.spawned.token)
            for n, name in enumerate(("thread", "process", "session")):
                if isinstance(got["read ring %d" % n], int):    # numbers of keys only
                    equal(name, "session", "a ring that can be looked into")
                    del got["read ring %d" % n]
            equal({n: v for n, v in got.items()
                   if v not in ("EACCES", "ENOKEY", "EPERM")}, {}, "what was possible")
            place.refused(a.agent, "denied", way="keyring", uid=a.uid)
            shown = a.do(what_a_description_shows)
            check(b"cretula:cert:" in shown, "the key is shown to its owner", shown)
            check(b"PRIVATE" not in shown and b"ca1_" not in shown, "a secret", shown)
            check(a.do(still_held), "it can be read by the agent")


@case
def others_cannot_look_into_an_agent(place):
    with place.agent() as a, Claimant(place.cm, a.uid, type=None) as other:
        _, _, at = a.do(hold, a.spawned, PROCESS)
        got, found = other.do(peeked, (a.pid, at))
        got.pop("map_files")        # wants CAP_CHECKPOINT_RESTORE besides
        equal({n: v for n, v in got.items() if v is not True}, {},
              "what is not possible while it lets itself be traced")
        equal(set(found.values()), {b"-----BEGIN PRIVATE KEY-----"}, "what is there")
        a.do(set_dumpable, False)
        got, found = other.do(peeked, (a.pid, at))
        equal({n: v for n, v in got.items() if v not in ("EACCES", "EPERM")}, {},
              "what is possible when it does not")
        equal(other.do(error_of, seized, a.pid), "EPERM", "PTRACE_SEIZE")
        check(a.do(still_held), "it goes on")


def token_of_another(pid, fd):
    """Left in the socket, for the agent."""
    try:
        with open("/proc/%d/fd/%d" % (pid, fd), "rb"):
            opened = "opened"
    except OSError as e:
        opened = errno.errorcode[e.errno]
    with socket.socket(fileno=taken_fd(pid, fd)) as s:
        return opened, s.recv(200, socket.MSG_PEEK), content("/proc/%d/environ" % pid)


@case
def a_token_that_was_stolen_is_worthless(place):
    """Before it claims an agent can be traced, and its token be taken."""
    uid = place.user()
    with place.cm.shell(uid=uid) as shell, \
            Claimant(place.cm, uid, type=None) as thief:
        fd = int(shell("echo $CRETULA_TOKEN_FD")[1])
        opened, token, environ = thief.do(token_of_another, shell.pid, fd)
        equal(opened, "ENXIO", "opening its descriptor anew")
        check(shell.agent.encode() in environ and b"ca1_" not in environ,
              "no token in the environment", environ)
        stolen = Spawned(shell.agent, shell.instance, token)
        equal(thief.claim(stolen), "EACCES", "by request_key")
        place.refused(shell.agent, "denied", way="keyring", pid=thief.pid)
        equal(thief.do(claim_by_socket, place.cm.api, stolen), "denied", "the socket")
        place.refused(shell.agent, "denied", way="socket", pid=thief.pid)
        shell.process.stdin.write(b"exec %s agent claim --pem\n" % CRETULA.encode())
        shell.process.stdin.close()
        certificate(shell.process.stdout.read())
        equal(shell.process.wait(PATIENCE), 0, "its own claim")


@case
def others_do_not_see_its_folder(place):
    uid = place.user()
    with place.cm.shell(uid=uid, view=True) as shell, \
            Claimant(place.cm, uid, type=None) as other:
        equal(shell.read("key")[0], 0, "the agent reads it")
        seen = other.do(os.listdir, place.cm.options["view"])
        check(shell.agent not in seen, "it is listed", seen)
        for path in (shell.dir, shell.dir + "/key.pem", shell.dir + "/bundle.pem",
                     shell.dir + "/cert.pem"):
            for function in (os.stat, os.open, os.listdir):
                more = (os.O_RDONLY,) if function is os.open else ()
                got = other.do(error_of, function, path, *more)
                check(got in ("ENOENT", "EACCES"), "%s of %s" % (
                    function.__name__, path), got)
        equal(shell.read("key")[0], 0, "the agent reads it")


# The same process, again

@case
def it_may_ask_again_before_it_expires(place):
    with place.agent() as a:
        pem = a.claim()
        equal(a.claim(), "EACCES", "into a ring, while the key is there")
        equal(a.claim(ring=0), pem, "without a ring: what is there")
        a.do(forget)
        equal(a.claim(), "ENOKEY", "anew, at once")
        place.refused(a.agent, "limited", way="keyring", pid=a.pid)
        equal(place.cm.show(a.agent)["serial"], serial(pem), "the certificate")


def forget():
    for key in struct.unpack("%dI" % (len(read_key(PROCESS)) // 4), read_key(PROCESS)):
        keyctl(UNLINK, key, PROCESS)


def in_threads(spawned, ring):
    """A claim in each of two threads, one after the other, and what they see then."""
    got = []
    for _ in range(2):
        t = threading.Thread(target=lambda: got.append(claim(spawned, ring)))
        t.start()
        t.join()
    return got


@case
def a_thread_may_claim(place):
    with place.agent() as a:
        a.do(keyctl, GET_ID, PROCESS, 1)    # one for all threads that come
        first, second = a.do(in_threads, a.spawned, PROCESS)
        certificate(first)
        equal(second, "EACCES", "the process keyring has it")
        equal(a.claim(ring=0), first, "and any thread reads it")
    with place.agent() as a:
        first, second = a.do(in_threads, a.spawned, THREAD)
        certificate(first)
        equal(second, "ENOKEY", "another thread, at once")
        place.refused(a.agent, "limited")


# fork, exec, death

def claim_in_child(spawned):
    return in_child(claim, spawned)


def claim_in_child_by_socket(api, spawned):
    return in_child(claim_by_socket, api, spawned)


@case
def a_child_may_not_claim(place):
    for before in (True, False):
        with place.agent() as a:
            if before:
                certificate(a.claim())
            equal(a.do(claim_in_child, a.spawned), "EACCES", "a forked child")
            place.refused(a.agent, "denied", way="keyring", uid=a.uid)
            equal(a.do(claim_in_child_by_socket, place.cm.api, a.spawned), "denied",
                  "over the socket")
            place.refused(a.agent, "denied", way="socket", uid=a.uid)
            if not before:
                certificate(a.claim())


AGAIN = """
import signal, sys
sys.path[:0] = %r
from lib.claimant import claim, claim_by_socket
from lib.certmgr import Spawned
api, agent, instance, token, fd = sys.argv[1:]
spawned = Spawned(agent, instance, token.encode())
got = claim(spawned) if api == "-" else claim_by_socket(api, spawned)
with open(int(fd), "wb") as f:
    f.write(got if isinstance(got, bytes) else got.encode())
signal.pause()
"""


def become_another_program(api, spawned, fd):
    """It claims at once."""
    os.set_inheritable(fd, True)
    os.execv("/usr/bin/python3", ["python3", "-c", AGAIN % sys.path, api, spawned.agent,
                                  spawned.instance, spawned.token.decode(), str(fd)])


class Told:
    """A pipe whose writer is in a process that is made later."""

    def __init__(self):
        self.r, self.w = os.pipe()

    def hear(self):
        os.close(self.w)
        with os.fdopen(self.r, "rb") as f:
            got = f.read()
        return got if got.startswith(b"-----") else got.decode()


@case
def exec_is_free_before_the_first_claim(place):
    for api in ("-", place.cm.api):
        told = Told()
        with place.agent() as a:
            a.tell((become_another_program, (api, a.spawned, told.w)))
            certificate(told.hear())


@case
def exec_ends_the_right_and_the_agent(place):
    for api, error in (("-", "EKEYREVOKED"), (place.cm.api, "conflict")):
        told = Told()
        with place.agent() as a:
            pem = a.claim()
            a.tell((become_another_program, (api, a.spawned, told.w)))
            equal(told.hear(), error, "the program that came after")
            place.refused(a.agent, "conflict", pid=a.pid)
            place.record(event="agent.other_program", agent=a.agent)
            place.is_gone(a.agent)
            place.is_revoked(serial(pem))
            check(not wait_end(a.pid, 0), "the process lives")


def fork_one_that_waits(spawned, r, w):
    """A child that claims when its parent has ended; its pid."""
    pid = os.fork()
    if pid == 0:
        os.read(r, 1)
        os.write(w, claim(spawned).encode())
        os._exit(0)
    return pid


@case
def its_death_ends_it_whoever_is_left(place):
    told, go = Told(), os.pipe()
    with place.agent() as a:
        pem = a.claim()
        a.do(fork_one_that_waits, a.spawned, go[0], told.w)
        a.end()
        place.is_gone(a.agent)
        place.is_revoked(serial(pem))
        place.record(event="agent.ended", agent=a.agent)
        os.write(go[1], b"g")
        equal(told.hear(), "EKEYREVOKED", "its child")
        place.refused(a.agent, "conflict", way="keyring", uid=a.uid)
    for fd in go:
        os.close(fd)


# While it serves

@case
def it_serves_and_renews_while_connections_go_on(place):
    """Begun before the other cases, as it takes its time."""
    seen, lines = place.clients.hear()[0]
    equal((len(seen), len(set(seen))), (CHANGES + 1,) * 2, "serials")
    equal(seen[0], place.serial, "the first one")
    equal(place.claims()[:len(seen)], seen, "what was claimed")
    for before, after in zip(lines, lines[1:]):
        check(all(x < y for x, y in zip(before, after)), "lines went on", lines)
    until("it has claimed what certmgr has made last", place.is_up_to_date)


def main():
    try:
        with registered(), node() as (ca, cm):
            place = Place(ca, cm)
            with Actor(serving(cm.api), uid=place.owner) as server:
                port, place.serial = server.hear()[0]
                with Actor(using(port, cm.options["ca_root"])) as place.clients:
                    place.clients.link.sock.settimeout(PATIENCE)
                    return run(place)
    except Skip as e:
        print("skip test_agent_keyring - %s" % e)
        return 0


if __name__ == "__main__":
    sys.exit(main())
