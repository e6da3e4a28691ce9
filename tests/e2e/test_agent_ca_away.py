#!/usr/bin/python3
"""Agents while the CA is away, slow or held: who is started is answered, what is made is
claimed, what is wanted or owed waits, outlives everybody, and is done when the CA is
back, with nobody's help and no more requests than are due."""
import concurrent.futures
import contextlib
import errno
import os
import signal
import socket
import sys
import time

from lib.between import (ME, Between, apart, claim, each_has_one, grant, has_key,
                         number, try_claim, until_away, until_back, valid)
from lib.ca_cli import until
from lib.case import Skip, case, check, equal, is_sanitized, run
from lib.certmgr import (CALL, CRETULA, Certmgr, Client, Spawned, encode_message,
                         is_root, read_all)
from lib.raw import REPLY, Raw
from lib.storm import history, nothing_waits
from lib.upcall import registered

THOUSAND = 200 if is_sanitized() else 1000
LANES = 8               # connections of a node
WAITS = 64              # calls that wait for one agent


def claims_by_keyring(cm):
    """`agent claim` as an agent of its own; needs the helper."""
    return cm.run_agent(CRETULA, "agent", "claim", "--way", "keyring", uid=ME)


@contextlib.contextmanager
def helper():
    """True, with the kernel's helper, for root."""
    with contextlib.ExitStack() as stack:
        if is_root():
            stack.enter_context(registered())
        yield is_root()


@case
def who_comes_while_it_is_away_is_told():
    with helper() as keyring, apart() as (ca, cm, relay), \
            concurrent.futures.ThreadPoolExecutor() as pool:
        grant(cm)
        made = cm.spawn(ME)
        until("it is made", lambda: number(cm, "certificates") == 1)
        began = int(time.time())
        relay.do("drop")
        early, late, later = [cm.spawn(ME) for _ in range(3)]
        until_away(cm)
        since = number(cm, "ca_away_since")
        check(began <= since <= time.time(), "since when", began, since)
        has_key(claim(cm, made))
        by_keyring = pool.submit(claims_by_keyring, cm) if keyring else None
        error, text = claim(cm, early)
        equal(error, "pending", "over the socket")
        check("the CA does not answer" in text and "not reached" in text,
              "it says why", text)
        if keyring:
            done = by_keyring.result()
            equal(done.returncode, 75, "to be tried again: %r" % done.stderr)
            check(b"has no certificate yet" in done.stderr, "ENOKEY",
                  done.stderr)
        waiting = pool.submit(claim, cm, late)
        relay.do("pass")
        has_key(waiting.result())
        has_key(claim(cm, later))
        until_back(cm)
        if keyring:
            done = claims_by_keyring(cm)
            equal(done.returncode, 0, "by request_key: %r" % done.stderr)


@case
def few_wait_for_one_agent_and_the_others_are_told():
    """Each that waits would be looked at for each that ends."""
    with apart() as (ca, cm, relay):
        grant(cm)
        agent = cm.spawn(ME).agent
        until("it is made", lambda: number(cm, "certificates") == 1)
        relay.do("drop")
        with Raw(os.path.join(cm.run, "admin.sock")) as raw:
            for ident in range(1, WAITS + 2):
                raw.call(ident, [("verb", "agent.renew"), ("agent", agent)])
            kind, ident, attrs = raw.receive()
            equal((kind, ident), (REPLY, WAITS + 1), "one too many is told first")
            check(attrs.text("state"), "how it is", attrs)
            relay.do("pass")
            got = [raw.receive()[1] for _ in range(WAITS)]
        equal(sorted(got), list(range(1, WAITS + 1)), "the others when it is made")


class Reader:
    """A shell that is an agent, though nobody waited for its certificate."""

    def __init__(self, cm):
        self.process = cm.popen("/bin/sh", uid=ME, stdin=-1, stdout=-1)
        fd = os.pidfd_open(self.process.pid)
        try:
            self.agent = cm.spawn(ME, pidfd=fd, view="yes").agent
        finally:
            os.close(fd)
        self.path = cm.file_of(self.agent, "bundle")

    def line(self):
        """The first of its bundle, or why there is none."""
        self.process.stdin.write(b"cat %s 2>&1 | head -1\n" % self.path.encode())
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def end(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.process.communicate()


@case
def files_come_by_themselves():
    if not is_root():
        raise Skip("only root has a file view")
    with apart() as (ca, cm, relay):
        grant(cm)
        relay.do("drop")
        with Reader(cm) as reader, concurrent.futures.ThreadPoolExecutor() as pool:
            check(os.strerror(errno.EAGAIN).encode() in reader.line(),
                  "there is none yet", reader.line())
            run = pool.submit(cm.run_agent, "/bin/sh", "-c",
                              "cat $CRETULA_DIR/key.pem", uid=ME, view=True)
            until("it is started", lambda: number(cm, "waiting") == 2)
            until_away(cm)
            relay.do("pass")
            until("the files are there",
                  lambda: reader.line().startswith(b"-----BEGIN"))
            check(b"PRIVATE KEY" in run.result().stdout, "who waited runs",
                  run.result())
            until("that one has ended and the CA knows", lambda: (
                number(cm, "agents"), number(cm, "revocations_owed")) == (1, 0))
            until("one is valid", lambda: len(valid(ca)) == 1)
            each_has_one(ca, [reader.agent])


def over(ca, cm):
    """Nobody is left and nothing owed; what was made: [Cert, …]."""
    until("nobody is left", lambda: not cm.list() and nothing_waits(cm))
    made = [c for certs in history(ca).values() for c in certs]
    check(all(c.revoked for c in made), "all is revoked", made)
    return made


def keeper_dies_once_it_is_written(cm):
    cm.grant(4711)          # the store has what came before
    cm.kill("keeper")


@contextlib.contextmanager
def has_one_and_the_ca_is_away():
    """(ca, cm, relay, reader): the reader's files are there."""
    if not is_root():
        raise Skip("only root has a file view")
    with apart() as (ca, cm, relay):
        grant(cm)
        with Reader(cm) as reader:
            until("it has one", lambda: reader.line().startswith(b"-----BEGIN"))
            relay.do("drop")
            yield ca, cm, relay, reader


@case
def a_renewal_that_nobody_answered_is_found_out_as_it_was_asked_for():
    with has_one_and_the_ca_is_away() as (ca, cm, relay, reader):
        with Raw(os.path.join(cm.run, "admin.sock")) as raw:
            raw.call(1, [("verb", "agent.renew"), ("agent", reader.agent)])
            cm.wait_agent(reader.agent, "is being renewed",
                          lambda a: a.get("state") == "renewing")
            keeper_dies_once_it_is_written(cm)
        reader.end()
        cm.wait_agent(reader.agent, "has ended",
                      lambda a: a.get("state") == "ended")
        relay.do("pass")
        before, *after = over(ca, cm)
        equal([c.replaces for c in after], [before.serial], "what it renews")


@case
def what_was_never_asked_for_is_not_made_for_the_dead():
    with has_one_and_the_ca_is_away() as (ca, cm, relay, reader):
        cm.kill_all()
        cm.start()          # its key is lost: another, when that is revoked
        cm.wait_agent(reader.agent, "has none",
                      lambda a: a.get("state") == "queued")
        keeper_dies_once_it_is_written(cm)
        reader.end()
        until("it has ended", lambda: number(cm, "agents") == 0)
        relay.do("pass")
        equal(len(over(ca, cm)), 1, "certificates")


@case
def the_queue_outlives_everybody():
    with apart() as (ca, cm, relay):
        grant(cm)
        relay.do("drop")
        late = [cm.spawn(ME) for _ in range(5)]
        for role in ("net", "store", "dialer", "door", "keeper"):
            cm.kill(role)
            late.append(cm.spawn(ME))
            equal(number(cm, "waiting"), len(late), "wait after " + role)
        cm.kill_all()
        cm.start()
        until("all are there again",
              lambda: number(cm, "waiting") == len(late))
        until_away(cm)
        relay.do("pass")
        until_back(cm)
        each_has_one(ca, [s.agent for s in late])
        for s in late:
            has_key(claim(cm, s))


def revoked(ca):
    done = ca.cli("ca", "list", "--type", "web", "--revoked", "--field", "serial")
    return set(done.stdout.decode().split())


@case
def what_is_owed_is_told():
    with apart() as (ca, cm, relay), contextlib.ExitStack() as stack:
        grant(cm)
        one, two, three = [stack.enter_context(cm.shell(uid=ME))
                           for _ in range(3)]
        until("they are made", lambda: number(cm, "certificates") == 3)
        serials = {s for all_of in valid(ca).values() for s in all_of}
        equal(len(serials), 3, "certificates")
        relay.do("drop")
        never = cm.shell(uid=ME)
        never.end()
        one.end()
        until("one is owed", lambda: number(cm, "revocations_owed") == 1)
        until_away(cm)
        cm.kill("keeper")
        two.end()
        until("two are owed", lambda: number(cm, "revocations_owed") == 2)
        cm.kill_all()
        three.end()
        cm.start()
        until("three are owed", lambda: number(cm, "revocations_owed") == 3)
        equal(revoked(ca), set(), "the CA does not know yet")
        relay.do("pass")
        until("all are told", lambda: number(cm, "revocations_owed") == 0)
        equal(valid(ca), {}, "valid certificates")
        check(serials <= revoked(ca), "all three are revoked", serials)
        until_back(cm)


def gaps(times):
    return [b - a for a, b in zip(times, times[1:])]


@case
def two_nodes_come_less_and_less_and_not_together():
    with apart() as (ca, one, first), Between(ca.https) as second, \
            concurrent.futures.ThreadPoolExecutor() as pool:
        two = Certmgr(ca, node="n2.example")
        two.options["ca"] = second.url
        with two:
            both = (one, first), (two, second)
            since = []
            for cm, relay in both:
                grant(cm)
                relay.do("hold")
                for _ in range(3 * LANES):
                    cm.spawn(ME)
                relay.do("drop")    # what is on its way fails together
                since.append(time.monotonic())
            # eight seconds, as it happens
            for told in [pool.submit(claim, cm, cm.spawn(ME))
                         for cm, _ in both]:
                equal(told.result()[0], "pending", "the claim")
            times = [[t - began for t in relay.came if t > began]
                     for (_, relay), began in zip(both, since)]
            for came in times:
                # at once each of them twice; then one each 0.5, 1, 2, 4 …
                # seconds that asks, and one that looks
                check(len(came) <= 2 * 3 * LANES + 20, "so many", came)
                check(len([t for t in came if t > 4]) <= 10, "and fewer", came)
            alone = [gaps([t for t in came if t > 1]) for came in times]
            check(any(abs(a - b) > max(a, b) / 20 for a, b in zip(*alone)),
                  "they keep different times", alone)
            for cm, relay in both:
                relay.do("pass")
                until_back(cm)


def stop_all(ca, sig):
    for pids in ca.roles().values():
        for pid in pids:
            os.kill(pid, sig)


@case
def a_slow_ca_is_waited_for():
    with apart() as (ca, cm, relay):
        grant(cm)
        agents = [cm.spawn(ME).agent]
        until("it is made", lambda: number(cm, "certificates") == 1)
        relay.tell(piece=16)        # answers in small pieces
        agents += [cm.spawn(ME).agent for _ in range(20)]
        until("they are made", lambda: number(cm, "waiting") == 0)
        relay.tell(piece=65536)
        stop_all(ca, signal.SIGSTOP)
        try:
            agents += [cm.spawn(ME).agent for _ in range(20)]
            equal(number(cm, "waiting"), 20, "wait")
            until_away(cm, "no answer in time")
        finally:
            stop_all(ca, signal.SIGCONT)
        until_back(cm)
        each_has_one(ca, agents)
        agents += [cm.spawn(ME).agent for _ in range(20)]
        ca.stop(signal.SIGKILL)
        agents += [cm.spawn(ME).agent for _ in range(20)]
        until_away(cm)
        ca.start()
        relay.real = ca.https
        until_back(cm)
        each_has_one(ca, agents)


def spawn_many(cm, n):
    """On one connection, one after the other."""
    out = []
    with Client(cm.api) as c:
        c.call("agent.list")        # descriptors pass now
        for i in range(n):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                data = encode_message(CALL, 1000 + i, [
                    ("verb", "agent.spawn"), ("fds", 1), ("type", "web")])
                socket.send_fds(c.sock, [data], [theirs.fileno()])
                theirs.close()
                reply = c.receive()[2]
                check(reply.text("agent"), "it is started", i, reply)
                out.append(Spawned(reply.text("agent"),
                                   reply.text("instance"), read_all(ours)))
    return out


@case
def a_thousand_are_done_when_it_is_back():
    with apart() as (ca, cm, relay):
        cm.grant(os.geteuid())
        relay.do("drop")
        late = spawn_many(cm, THOUSAND)
        equal(number(cm, "waiting"), THOUSAND, "wait")
        equal(len({s.token for s in late}), THOUSAND, "tokens")
        until_away(cm)
        before = len(relay.came)
        relay.do("pass")
        until_back(cm)
        each_has_one(ca, [s.agent for s in late])
        check(len(relay.came) - before <= 2 * LANES, "connections are kept",
              len(relay.came) - before)
        has_key(try_claim(cm.api, late[-1]))


if __name__ == "__main__":
    sys.exit(run())
