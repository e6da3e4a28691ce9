#!/usr/bin/python3
"""What bad input gets from certmgr: tokens that are not right, claims of those who may
not, calls that ask for too much, descriptors of the wrong kind, agents that the CA makes
nothing for. Each is refused at once with the right errno, and is on record."""
import contextlib
import errno
import os
import random
import select
import signal
import socket
import statistics
import struct
import sys
import tempfile
import time

from lib import ca_cli
from lib.actor import CLONE_NEWPID, Actor, stopped, unshare_user, wait_exe
from lib.ca_cli import until
from lib.case import Skip, case, check, equal, run
from lib.certmgr import (CALL, ERROR, Certmgr, Client, ProtocolError, Refused, Spawned,
                         encode_message, send_fds, served_ca, spawn_here)
from lib.claimant import (Claimant, certificate, claim, claim_by_socket, in_child,
                          log_size, records, serial, spawn_self, token_of)
from lib.upcall import (CLEAR, GET_ID, HELPER, PROCESS, UNLINK, add_key, fresh_uid, gate,
                        keyctl, registered, waiting)

PATIENCE = 120
CLAIMS = 20         # timed
CONNECTIONS = 12    # of who sends wrong tokens, and how many
DEPTH = 100         # … are in flight on each
PROFILES = """
profile=node life=72h usage=server,client dns={node} capability=issue:*@{node} \
may_delegate=yes
profile=web life=1h dns={node} dns=*.{node}
profile=child life=1h
profile=parent life=1h capability=issue:child@{node} may_delegate=yes
"""


class Place:
    """A certmgr for all cases, and another one where tokens are claimed in 2 s."""

    def __init__(self, ca, cm, other):
        self.ca, self.cm, self.other = ca, cm, other

    def user(self, *types):
        uid = fresh_uid()
        for t in types or ("*",):
            self.cm.grant(uid, t)
        return uid

    def user_of(self, cm):
        uid = fresh_uid()
        cm.grant(uid)
        return uid

    def agent(self, uid=None, **more):
        return Claimant(self.cm, uid or self.user(), **more)

    def one_of(self, uid):
        """A process of that user, no agent."""
        return Claimant(self.cm, uid, type=None)

    def record(self, **wanted):
        found = records(self.cm, **wanted)
        check(found, "a record", wanted, records(self.cm)[-5:])
        return found[-1]

    def refused(self, error, **more):
        """There is a record of a claim that was refused so."""
        return self.record(event="agent.claim", decision="deny", error=error, **more)


# Tokens

def both_ways(place, process, spawned, code, word):
    """What a claim gives, by the kernel and by the socket; both are on record."""
    equal(process.claim(spawned), code, "request_key")
    equal(process.do(claim_by_socket, place.cm.api, spawned), word, "agent.claim")
    for way in ("keyring", "socket"):
        place.refused(word, way=way, uid=process.uid, pid=process.pid)


@case
def an_unknown_token(place):
    with place.agent() as a:
        for agent in (a.agent, str(a.agent)[:-1] + "0"):
            token = token_of(agent, os.urandom(32))
            with place.one_of(place.user()) as p:
                both_ways(place, p, Spawned(agent, a.spawned.instance, token),
                          "EKEYREJECTED", "unauthenticated")
        certificate(a.claim())


@case
def a_token_of_another_agent(place):
    with place.agent() as a:
        second = a.spawn()
        equal(a.claim(Spawned(second.agent, second.instance, a.spawned.token)),
              "EKEYREJECTED", "a name and the token of another")
        place.refused("invalid", way="keyring", pid=a.pid)
        equal(serial(a.claim(second)) != serial(a.claim()), True, "each with its own")


@case
def a_used_token_by_another_process(place):
    with place.agent(bound=False) as a, place.one_of(a.uid) as p:
        certificate(a.claim())
        both_ways(place, p, a.spawned, "EACCES", "denied")


@case
def a_token_of_another_instance(place):
    uid = place.user()
    place.other.grant(uid)
    with Claimant(place.other, uid) as a:
        here = Spawned(a.agent, place.cm.instance, a.spawned.token)
        both_ways(place, a, here, "EKEYREJECTED", "unauthenticated")
        equal(a.claim(Spawned(a.agent, "%08x" % random.getrandbits(32),
                              a.spawned.token)), "ENOKEY", "an instance that is none")
        certificate(a.claim())


@case
def a_token_that_nobody_used_in_time(place):
    uid = place.user()
    place.other.grant(uid)
    with Claimant(place.other, uid, bound=False) as a:
        until("it has expired", lambda: records(
            place.other, event="agent.unclaimed", agent=a.agent))
        equal(a.claim(), "EKEYEXPIRED", "request_key")
        equal(a.do(claim_by_socket, place.other.api, a.spawned), "expired", "the socket")
        equal([r["error"] for r in records(place.other, event="agent.claim",
                                           agent=a.agent, decision="deny")],
              ["expired"] * 2, "records")


@case
def a_token_of_an_agent_that_has_ended(place):
    with place.agent() as a, place.one_of(a.uid) as p:
        a.end()
        until("it has ended", lambda: records(place.cm, event="agent.ended",
                                              agent=a.agent))
        both_ways(place, p, a.spawned, "EKEYREVOKED", "conflict")


@case
def a_token_of_an_agent_that_was_revoked(place):
    for claimed in (False, True):
        with place.agent() as a:
            if claimed:
                certificate(a.claim())
            place.cm.cli("agent", "revoke", a.agent)
            place.record(event="agent.revoke", agent=a.agent)
            if claimed:         # the key that it has still stands in the way
                a.do(keyctl, CLEAR, PROCESS)
            both_ways(place, a, a.spawned, "EKEYREVOKED", "conflict")


def damages(token):
    """(what, token) for each way to be no token."""
    at = random.randrange(5, len(token))
    put = lambda c: token[:at] + c + token[at + 1:]   # noqa: E731
    other = put(b"b" if token[at:at + 1] == b"a" else b"a")
    return [("a letter", other), ("upper case", token.upper()),
            ("no base32 digit", put(b"1")), ("a sign", put(b"/")),
            ("padding", token + b"===="), ("a blank", put(b" ")),
            ("a line end", put(b"\n")), ("a control character", put(b"\x01")),
            ("a high byte", put(b"\xff")), ("UTF-8", put("é".encode())),
            ("shorter", token[:-1]), ("longer", token + b"a"),
            ("no prefix", token[4:]), ("another prefix", b"ct1_" + token[4:]),
            ("a later version", b"ca2_" + token[4:]), ("twice", token + token),
            ("two lines", token + b"\n" + token), ("empty", b""), ("a blank only", b" "),
            ("4095 bytes", (token * 50)[:4095]), ("4095 letters", b"a" * 4095)]


@case
def a_damaged_token(place):
    with place.agent() as a:
        for what, token in damages(a.spawned.token):
            with place.one_of(fresh_uid()) as p:    # the same twice is counted only
                spawned = Spawned(a.agent, a.spawned.instance, token)
                equal(p.claim(spawned), "EKEYREJECTED", what)
                place.refused("unsupported" if token[:4] == b"ca2_" else "invalid",
                              way="keyring", pid=p.pid)
        equal(a.claim(token=b"a" * 4096), "EINVAL", "the kernel itself")
        certificate(a.claim())


@case
def a_damaged_token_over_the_socket(place):
    with place.agent() as a, place.one_of(a.uid) as p:
        for what, token in damages(a.spawned.token):
            spawned = Spawned(a.agent, a.spawned.instance, token)
            got = p.do(claim_by_socket, place.cm.api, spawned)
            check(got in ("invalid", "unsupported"), what, got)
        certificate(a.claim())


# Who may not

def in_user_namespace(function, *arguments):
    unshare_user(0)
    return function(*arguments)


def in_pid_namespace(function, *arguments):
    unshare_user(CLONE_NEWPID)
    return in_child(function, *arguments)


@case
def a_claim_of_another_user(place):
    for bound in (True, False):
        with place.agent(bound=bound) as a, place.one_of(place.user()) as p:
            both_ways(place, p, a.spawned, "EACCES", "denied")
            certificate(a.claim())


@case
def a_claim_from_a_container(place):
    """Bound or not: by somebody of the same user who made it."""
    for inside in (in_user_namespace, in_pid_namespace):
        for bound in (True, False):
            with place.agent(bound=bound) as a, place.one_of(a.uid) as p:
                equal(p.do(inside, claim, a.spawned), "EACCES", inside.__name__)
                place.refused("denied", agent=a.agent, uid=a.uid)
                certificate(a.claim())
    with place.agent() as a:
        place.cm.wait_agent(a.agent, "it was looked at", lambda s: "ptraceable" in s)
        equal(a.do(in_user_namespace, claim, a.spawned), "EACCES",
              "the agent, if it has gone elsewhere")
        place.refused("denied", agent=a.agent, pid=a.pid)


# Many of them

def hammer(api, agent):
    """Wrong tokens, of ever other agents, many on each of many connections and as fast as
    they are answered, until told to end: how many there were, in how many seconds, and
    what was answered."""
    def play(link):
        answers, n, begun = set(), 0, time.monotonic()
        clients = [Client(api) for _ in range(CONNECTIONS)]
        for c in clients:
            c.call("agent.list")        # then it takes descriptors
        waits = dict.fromkeys(clients, 0)
        while not select.select([link.sock], [], [], 0)[0]:
            for c in clients:
                while waits[c] < DEPTH:
                    n += 1
                    waits[c] += 1
                    wrong_token(c, n, agent[:-12] + "%012x" % random.getrandbits(48))
                kind, _, answer = c.receive()
                waits[c] -= 1
                answers.add(answer.text("error") if kind == ERROR else "allowed")
        link.hear()
        link.tell((n, time.monotonic() - begun, answers))
    return play


def wrong_token(client, ident, agent):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(token_of(agent, os.urandom(32)))
        data = encode_message(CALL, ident + 1, [("verb", "agent.claim"), ("fds", 1),
                                                ("agent", agent)])
        equal(send_fds(client.sock, data, [theirs.fileno()]), len(data), "sent")


def ask_wrongly(api, spawned):
    """The same by the kernel."""
    def play(link):
        n, answers = 0, set()
        while not select.select([link.sock], [], [], 0)[0]:
            answers.add(claim(spawned, token=token_of(spawned.agent, os.urandom(32))))
            n += 1
        link.hear()
        link.tell((n, answers))
    return play


def timed_claims(api, count):
    """Agents one after the other: how long each claim took."""
    took = []
    for _ in range(count):
        spawned = spawn_self(api, [("type", "web"), ("wait", "yes")], True)
        begun = time.monotonic()
        certificate(claim(spawned))
        took.append(time.monotonic() - begun)
        keyctl(CLEAR, PROCESS)
    return took


@case
def a_storm_of_wrong_tokens_harms_nobody_else(place):
    api = place.cm.api
    with place.one_of(place.user()) as good, place.agent() as bad:
        calm = good.do(timed_claims, api, CLAIMS)
        before = log_size(place.cm)
        with Actor(hammer(api, bad.agent), uid=bad.uid) as one, \
                Actor(ask_wrongly(api, bad.spawned), uid=bad.uid) as other:
            storm = good.do(timed_claims, api, CLAIMS)
            one.tell("end")
            other.tell("end")
            n, seconds, answers = one.hear()[0]
            upcalls, errors = other.hear()[0]
    check({"unauthenticated"} <= answers <= {"unauthenticated", "limited"} and
          errors <= {"EKEYREJECTED", "ENOKEY"}, "answers", answers, errors)
    grown = log_size(place.cm) - before
    a, b = statistics.median(calm), statistics.median(storm)
    print("# %d wrong tokens in %.1f s and %d by upcalls: %d records; a claim took "
          "%.1f ms, then %.1f ms" % (n, seconds, upcalls, grown, 1e3 * a, 1e3 * b))
    # of each way one a second and its count; an agent of the other's has a few
    check(grown < 8 * CLAIMS + 4 * (seconds + 2), "the log does not grow with them",
          grown, n, seconds)
    check(n > 20 * grown, "there were many", n, grown)
    check(b < 60 * a, "a claim of another user", a, b)


# Help that fails

def fill():
    """The user's keys, but for a few hundred bytes."""
    step, n = 4000, 0
    keyctl(GET_ID, PROCESS, 1)
    while step >= 500:
        try:
            add_key(b"fill%d" % n, b"x" * step, PROCESS)
            n += 1
        except OSError as e:
            if e.errno != errno.EDQUOT:
                raise
            step //= 2


@case
def a_quota_that_is_full(place):
    with open("/proc/sys/kernel/keys/maxbytes") as f, open(
            "/proc/sys/kernel/keys/maxkeys") as g:
        if int(f.read()) > 4000 * (int(g.read()) - 20):
            raise Skip("the quota of bytes cannot be reached here")
    with place.agent(wait="yes") as a:
        number = place.cm.show(a.agent)["serial"]
        a.do(fill)
        equal(a.claim(), "EDQUOT", "request_key")
        place.record(event="agent.key_not_made", agent=a.agent,
                     error=os.strerror(errno.EDQUOT))
        check("the user's key quota is full" in place.cm.log(), "the log says so")
        a.do(keyctl, CLEAR, PROCESS)
        until("the kernel has counted again", lambda: a.do(room))
        equal(serial(a.claim()), number, "the certificate that was there")


def room():
    """Is there some?"""
    try:
        keyctl(UNLINK, add_key(b"room", b"x" * 8000, PROCESS), PROCESS)
        return True
    except OSError as e:
        equal(e.errno, errno.EDQUOT, "what is wrong")
        return False


def filters(pid):
    with open("/proc/%d/status" % pid) as f:
        return f.read().split("\nSeccomp_filters:\t")[1].split()[0]


@case
def a_helper_killed_in_the_middle(place):
    with place.agent(wait="yes") as a:
        number = place.cm.show(a.agent)["serial"]
        with gate(place.cm) as g, stopped(place.cm.roles()["keeper"][0]):
            a.tell((claim, (a.spawned,)))
            go, _ = waiting(g)
            pid = struct.unpack("iII", go.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            go.sendall(b"g")
            wait_exe(pid, HELPER)
            until("it has asked", lambda: filters(pid) == "2")
            os.kill(pid, signal.SIGKILL)
            equal(a.hear()[0], (True, "ENOKEY"), "who waited")
            go.close()
        a.do(keyctl, CLEAR, PROCESS)    # the kernel's own refusal stands for a minute
        equal(serial(a.claim()), number, "the certificate that was there")


# Starting agents

def refusal(function, *arguments):
    """(word, sentence), or what function gives."""
    try:
        return function(*arguments)
    except Refused as e:
        return e.error, e.text


def spawn_refused(place, process, word, says, type="web", bound=True, recorded=False,
                  **more):
    try:
        got = process.spawn(type, bound, **more)
        raise AssertionError("was started: %r %r" % (more, got))
    except Refused as e:
        equal(e.error, word, "%r: %s" % (more, e.text))
        check(says in e.text, says, e.text)
    if recorded:
        place.record(event="agent.spawn", decision="deny", type=type,
                     subject="uid:%d" % process.uid)


@case
def who_may_not_start_agents(place):
    with place.one_of(fresh_uid()) as p:
        spawn_refused(place, p, "denied", "", recorded=True)
    with place.one_of(place.user("child")) as p:
        spawn_refused(place, p, "denied", "", recorded=True)
        p.spawn("child")
    with place.one_of(place.user()) as p:
        spawn_refused(place, p, "denied", "only root starts agents of other users",
                      uid=fresh_uid(), recorded=True)
    with place.one_of(place.user()) as p:
        spawn_refused(place, p, "denied", "only root starts agents of other users",
                      uid=0, recorded=True)


def spawn_for(api, pid, ended=False):
    fd = os.pidfd_open(pid)
    if ended:
        os.waitpid(pid, 0)
    try:
        return spawn_here(api, [("type", "web")], fd)
    finally:
        os.close(fd)


def spawn_for_the_dead(api):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return spawn_for(api, pid, True)


@case
def processes_that_cannot_be_agents(place):
    with place.one_of(place.user()) as p:
        got = p.do(refusal, spawn_for, place.cm.api, os.getpid())
        equal(isinstance(got, tuple) and got[0], "denied", "of another user")
        place.record(event="agent.spawn", decision="deny", type="web",
                     subject="uid:%d" % p.uid)
        got = p.do(refusal, spawn_for_the_dead, place.cm.api)
        equal(isinstance(got, tuple) and got[0], "not_found", "one that has ended")
        check(p.spawn().agent, "it goes on")


def keep_signals(link):
    """Tells whether one came, when asked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    while True:
        link.tell(signal.SIGUSR1 in signal.sigpending())
        link.hear()


def has_signal(actor):
    actor.tell("look")
    return actor.hear()[0]


@case
def a_signal_is_for_the_agents_user_only(place):
    """Of a process that is another's now, as after the exec of a setuid program."""
    place.cm.grant(0)
    for uid, comes in ((0, True), (fresh_uid(), False)):
        with Actor(keep_signals) as a:
            a.hear()
            fd = os.pidfd_open(a.pid)
            spawned = spawn_here(place.cm.api, [("type", "web"), ("on_renew", "USR1"),
                                                ("uid", uid), ("wait", "yes")], fd)
            os.close(fd)
            place.cm.cli("agent", "renew", spawned.agent)
            if comes:
                until("the signal is there", lambda: has_signal(a))
            else:
                until("the log says so", lambda: "signal %d is not sent: process %d" % (
                    signal.SIGUSR1, a.pid) in place.cm.log())
                check(not has_signal(a), "no signal")


def odd_descriptors(folder):
    """(what, [descriptor …])"""
    def own(fd):
        return [fd]
    path = os.path.join(folder, "f")
    os.mkfifo(path + "ifo")
    listener = socket.create_server(("127.0.0.1", 0))
    tcp = socket.create_connection(listener.getsockname())
    full = socket.create_connection(listener.getsockname())
    full.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 120))
    full.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            full.send(b"x" * 65536)
    waits = socket.socket(socket.AF_UNIX)
    waits.bind(path + ".sock")
    waits.listen()
    pair, closed = socket.socketpair(), socket.socketpair()
    closed[0].close()
    blocked = socket.socketpair()
    blocked[1].setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            blocked[1].send(b"x" * 65536)
    datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    packets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    r, w = os.pipe()
    me = os.pidfd_open(os.getpid())
    lone = socket.socket(socket.AF_UNIX)
    memory = os.memfd_create("x")
    return [("a file", [os.open(path, os.O_RDWR | os.O_CREAT)]),
            ("a folder", [os.open(folder, os.O_RDONLY)]),
            ("a path", [os.open(folder, os.O_PATH)]),
            ("a FIFO", [os.open(path + "ifo", os.O_RDWR)]),
            ("a pipe", [w]), ("memory", [memory]), ("epoll", [select.epoll()]),
            ("TCP", [tcp]), ("TCP that lingers", [full]), ("datagrams", [datagrams[0]]),
            ("packets", [packets[0]]), ("a listener", [waits]), ("a lone one", [lone]),
            ("closed", [closed[1]]), ("blocked", [blocked[1]]), ("a pidfd", [me]),
            ("the wrong way round", [me, pair[0]]), ("two sockets", list(pair)),
            ("two pidfds", [me, me]), ("a socket and a file", [pair[0], memory]),
            ("three", [pair[0], me, memory]), ("none", []),
            (None, [listener, closed, datagrams, packets, r, blocked, pair])]


def number_of(fd):
    return fd if isinstance(fd, int) else fd.fileno()


def spawn_with(api, fds, said, lingers=None):
    """What certmgr says to a spawn with these descriptors beside it. lingers: is closed
    here when they are on their way, so that certmgr's close is the last one."""
    with Client(api) as c:
        c.call("agent.list")
        data = encode_message(CALL, 7, [("verb", "agent.spawn"), ("type", "web"),
                                        ("fds", said)])
        try:
            equal(send_fds(c.sock, data[:1], fds), 1, "sent")
            if lingers:
                lingers.close()
            c.sock.sendall(data[1:])
            kind, _, answer = c.receive()
        except (ConnectionError, ProtocolError):
            return "closed"
        return answer.text("error") if kind == ERROR else "started"


def spawns_with_odd_descriptors(api, folder):
    """{what: answer}, each with the number that there are, and others."""
    got, odd = {}, odd_descriptors(folder)
    for what, fds in odd[:-1]:
        numbers = [number_of(fd) for fd in fds]
        if what == "TCP that lingers":
            got[what, 1] = spawn_with(api, numbers, 1, fds[0])
            continue
        for said in {len(fds), 1, 2}:
            got[what, said] = spawn_with(api, numbers, said)
    for said in (0, 3, -1, "x", 1 << 64, ""):
        got["number", said] = spawn_with(api, [number_of(odd[-1][1][-1][0])], said)
    return got


@case
def descriptors_of_the_wrong_kind(place):
    with tempfile.TemporaryDirectory() as folder, place.one_of(place.user()) as p:
        os.chmod(folder, 0o777)
        got = p.do(spawns_with_odd_descriptors, place.cm.api, folder)
        started = {k for k, v in got.items() if v not in ("invalid", "closed")}
        # more than are said: those are closed
        equal(started, {("three", 1), ("two sockets", 1), ("a socket and a file", 1),
                        ("three", 2)} & started, "what was taken")
        certificate(p.claim(p.spawn()))


# More than there may be

DAY = 86400


@case
def values_that_cannot_be(place):
    long = "a" * 63
    with place.one_of(place.user()) as p:
        for word, says, more in (
                ("invalid", "", {"type": ""}), ("invalid", "", {"type": "a b"}),
                ("too_large", "64 bytes", {"type": "a" * 65}),
                ("invalid", "", {"type": "-a/b"}),
                ("invalid", "uid", {"uid": 1 << 32}), ("invalid", "uid", {"uid": "x"}),
                ("invalid", "uid", {"uid": (1 << 32) - 1}),
                ("invalid", "lifetime", {"lifetime": 90 * DAY + 1}),
                ("invalid", "lifetime", {"lifetime": "1h"}),
                ("invalid", "lifetime", {"lifetime": -1}),
                ("invalid", "view=", {"view": "perhaps"}),
                ("invalid", "by a pidfd", {"view": "yes", "bound": False}),
                ("invalid", "by a pidfd", {"view": "self", "bound": False}),
                ("invalid", "by a pidfd", {"on_renew": "HUP", "bound": False}),
                ("invalid", "on_renew=", {"on_renew": "KILL"}),
                ("too_large", "on_renew", {"on_renew": "H" * 100}),
                ("too_large", "2048 bytes", {"name": "%s.%s.%s" % (long, long, "x" * 2000)}),
                ("too_large", "2048 bytes", {"uri": "https+tcp://%s:1" % ("x" * 2048)}),
                ("invalid", "", {"nonsense": "1"})):
            spawn_refused(place, p, word, says, **more)
        for name in ("type", "uid", "view", "on_renew", "lifetime"):
            value = {"type": "web", "uid": p.uid, "view": "no", "on_renew": "HUP",
                     "lifetime": 60}[name]
            got = p.do(refusal, spawn_self, place.cm.api,
                       [("type", "web")] * (name != "type") + [(name, value)] * 2, True)
            equal(isinstance(got, tuple) and got[0], "invalid", "%s= twice" % name)
        certificate(p.claim(p.spawn("a" * 64 if False else "web")))


def spawn_many(api, names):
    return spawn_self(api, [("type", "web")] + [("name", n) for n in names], True)


@case
def names_up_to_the_limit_and_one_more(place):
    """2048 bytes, with four of each name's own."""
    one = "n1.example"
    with place.one_of(place.user()) as p:
        low, high = 1, 2048         # it may have `low` names, not `high`
        while high - low > 1:
            n = (low + high) // 2
            got = p.do(refusal, spawn_many, place.cm.api, [one] * n)
            if isinstance(got, tuple):
                equal(got[0], "too_large", got[1])
                high = n
            else:
                low = n
        check(2048 // 30 < low < 2048 // len(one), "so many names", low)


def spawn_until_refused(api, most):
    """How many are started, and the refusal. On one connection."""
    me = os.pidfd_open(os.getpid())
    with Client(api) as c:
        for n in range(most):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                try:
                    call_fds_again(c, n, [theirs.fileno(), me])
                except Refused as e:
                    return n, e.error, e.text
    return most, None, None


def call_fds_again(client, n, fds):
    if n == 0:
        client.call("agent.list")
    data = encode_message(CALL, n + 10, [("verb", "agent.spawn"), ("type", "web"),
                                         ("fds", 2)])
    equal(send_fds(client.sock, data, fds), len(data), "sent")
    kind, _, answer = client.receive()
    if kind == ERROR:
        raise Refused(answer)


def claims_at_once(api, spawned, count):
    """The first answer of so many claims."""
    with Client(api) as c:
        c.call("agent.list")
        for n in range(count):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.sendall(spawned.token)
                data = encode_message(CALL, n + 10, [
                    ("verb", "agent.claim"), ("fds", 1), ("agent", spawned.agent)])
                equal(send_fds(c.sock, data, [theirs.fileno()]), len(data), "sent")
        kind, ident, answer = c.receive()
        return ident - 10, answer.text("error"), answer.text("text")


@case
def a_user_and_an_agent_have_limits(place):
    """Where no CA makes anything: all of them wait."""
    with Certmgr(place.ca, node="n3.example", enrolled=False) as cm:
        with Claimant(cm, place.user_of(cm)) as a:
            n, error, text = a.do(claims_at_once, cm.api, a.spawned, 9)
            equal((n, error), (8, "limited"), "one more claim than may wait: %s" % text)
            found = records(cm, event="agent.claim", decision="deny", error="limited")
            equal([r["agent"] for r in found], [a.agent], "record")
            a.link.sock.settimeout(PATIENCE)
            n, error, text = a.do(spawn_until_refused, cm.api, 1030)
            equal((n, error), (999, "limited"), text)
            check("1000 agents" in text, "how many there may be", text)
        with Claimant(cm, place.user_of(cm)) as b:
            check(b.agent, "another user may")


# What the CA refuses

@case
def agents_that_the_ca_makes_nothing_for(place):
    for says, more in (("ghost", {"type": "ghost"}),
                       ("", {"lifetime": 2 * DAY}),
                       ("evil.org", {"name": "www.evil.org"}),
                       ("", {"name": "a" * 250 + ".example"}),
                       ("", {"uri": "no endpoint"})):
        with place.agent(**more) as a:
            place.cm.wait_agent(a.agent, "the CA refuses", lambda s:
                                s.get("state") == "failed")
            text = place.cm.show(a.agent)["text"]
            check(text and says in text, "what the CA said", text)
            equal(a.claim(), "EACCES", "%r" % more)
            equal(place.refused("denied", agent=a.agent, pid=a.pid)["text"], text,
                  "the record says it")
            equal(a.do(claim_by_socket, place.cm.api, a.spawned), "denied", "the socket")


@case
def an_agent_may_start_what_its_certificate_says(place):
    uid = place.user("parent")
    with place.agent(uid, type="parent") as a, place.one_of(uid) as other:
        spawn_refused(place, a, "denied", "", "child", recorded=True)
        pem = a.claim()
        child = a.spawn("child")
        equal(place.record(event="agent.spawn", agent=child.agent)["by"], "capability",
              "why it may")
        spawn_refused(place, a, "denied", "", "web", recorded=True)
        spawn_refused(place, other, "denied", "", "child")
        equal(serial(a.claim(child)) != serial(pem), True, "the child's own")
        place.cm.cli("agent", "revoke", a.agent)
        spawn_refused(place, a, "denied", "", "child")


def main():
    try:
        with registered(), served_ca(default_profile="no") as ca:
            ca.add_profile("test", PROFILES)
            ca.reload()
            ca_cli.init(ca)
            with Certmgr(ca) as cm, \
                    Certmgr(ca, node="n2.example", claim_within="2s") as other:
                return run(Place(ca, cm, other))
    except Skip as e:
        print("skip test_agent_bad_input - %s" % e)
        return 0


if __name__ == "__main__":
    sys.exit(main())
