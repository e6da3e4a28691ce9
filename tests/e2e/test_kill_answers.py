#!/usr/bin/python3
"""kill -9 of each process but the supervisor under load: every answer that came was
right, is in the audit log exactly once, and the log verifies; what an admin was told
is done is there after a restart; a vault that keeps dying stays sealed; SIGTERM ends
cleanly in the midst of work.

test: alone"""
import os
import random
import signal
import sys
import threading
import time

from lib.case import Skip, case, check, equal, is_sanitized, run
from lib.daemon import Daemon, wait_end
from lib.load import PASSING, Load, check_log
from lib.raw import Raw, encode_attrs

from cretula_native import ProtocolError, Refused

KEY = os.urandom(32)
SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().randrange(1 << 32)))
ANSWERS = 300           # right ones between two deaths
BACK_SECONDS = 10 if is_sanitized() else 1.0
SECONDS = 120
ANOTHER = "a passphrase that takes its time"
SLOW = 10               # passes of an opener, which is to be met at work
TRY_AGAIN = 75          # the exit code while the store is started anew


def prepare(daemon):
    with daemon.admin() as a:
        a.credential_add("load", "hmac", [], [("key", KEY)])
        a.grant_add(("credential", "load"), ("op", "sign"), ("uid", os.getuid()))


def load_on(daemon):
    return Load(daemon.api, "load", KEY)


def kill(daemon, role):
    """One process of the role; returns when it has ended."""
    end = time.monotonic() + SECONDS
    pids = daemon.roles().get(role)
    while not pids:                 # it may still be on its way back
        check(time.monotonic() < end, "a %s to kill" % role, daemon.roles())
        pids = daemon.roles().get(role)
    os.kill(pids[0], signal.SIGKILL)
    check(wait_end(pids[0], SECONDS), "the %s ends" % role)


def verify(daemon):
    end = time.monotonic() + SECONDS
    done = daemon.cli("audit", "verify", check=False)
    while done.returncode == TRY_AGAIN and time.monotonic() < end:
        done = daemon.cli("audit", "verify", check=False)
    equal(done.returncode, 0, done.stderr.decode("utf-8", "replace"))


@case
def every_answer_is_right_and_logged_once(daemon):
    roles = ["front", "worker", "zygote", "door", "store", "vault", "worker", "store",
             "door"]
    random.Random(SEED).shuffle(roles)
    with load_on(daemon) as load:
        for role in roles:
            load.wait_more(ANSWERS)
            kill(daemon, role)
            began = time.monotonic()
            load.wait_more(1)
            took = time.monotonic() - began
            print("%s: a right answer %.3f s after its death" % (role, took))
            check(took < BACK_SECONDS, "an answer within %s s" % BACK_SECONDS, took)
        load.wait_more(ANSWERS)
    equal(load.wrong, [], "wrong answers")
    print("%d right answers, %d passing errors" % (len(load.answered), load.passing))
    with daemon.admin() as a:
        check_log(a, load.answered)
    verify(daemon)


@case
def sigterm_in_the_midst_of_work_ends_cleanly(daemon):
    with load_on(daemon) as load:
        load.wait_more(ANSWERS)
        pids = [p for some in daemon.roles().values() for p in some]
        load.stop.set()     # nobody is there to connect to afterwards
        equal(daemon.stop(), 0, "the exit code")
    equal([p for p in pids if not wait_end(p, SECONDS)], [], "processes left")
    equal(load.wrong, [], "wrong answers")
    daemon.start()
    daemon.unseal()
    with daemon.admin() as a:
        check_log(a, load.answered)
    verify(daemon)


class Adds:
    """A thread that adds credentials; .done were acknowledged, .open were not
    refused and not acknowledged either."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.done, self.open, self.wrong = [], [], []
        self.changed = threading.Condition()
        self.stop = threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.work)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def work(self):
        while not self.stop.is_set():
            name = "c%d" % (len(self.done) + len(self.open))
            to = None               # until it has been asked for
            try:
                with self.daemon.admin() as a:
                    to = self.open
                    a.credential_add(name, "hmac", [], [("key", KEY)])
                to = self.done
            except Refused as e:
                if e.error not in PASSING + ("conflict", "sealed"):
                    self.wrong.append("%s: %s" % (name, e))
            except (ProtocolError, OSError) as e:
                if isinstance(e, TimeoutError):
                    self.wrong.append("%s: %r" % (name, e))
            with self.changed:
                if to is not None:
                    to.append(name)
                self.changed.notify_all()

    def wait_more(self, count):
        with self.changed:
            wanted = len(self.done) + count
            good = self.changed.wait_for(
                lambda: self.wrong or len(self.done) >= wanted, SECONDS)
        equal(self.wrong, [], "what went wrong")
        check(good, "credentials are added", len(self.done), len(self.open))


@case
def acknowledged_credentials_survive_the_store(daemon):
    with Adds(daemon) as adds:
        for role in ("store", "store", "vault", "store", "zygote", "store"):
            adds.wait_more(10)
            kill(daemon, role)
        adds.wait_more(10)
        adds.stop.set()     # in the midst of one, perhaps
        daemon.stop(signal.SIGKILL)
    equal(adds.wrong, [], "what went wrong")
    daemon.start()
    daemon.unseal()
    with daemon.admin() as a:
        there = [i.text("name") for i in a.call("credential.list").items]
        equal(sorted(set(adds.done) - set(there)), [], "acknowledged and lost")
        equal(sorted(set(there) - set(adds.done) - set(adds.open) - {"load"}), [],
              "there and never asked for")
        for name in there:
            a.call("credential.show", [("name", name)])
        a.grant_add(("credential", ",".join(there)), ("op", "sign"),
                    ("uid", os.getuid()))
    print("%d acknowledged, %d not, %d there" % (len(adds.done), len(adds.open),
                                                 len(there)))
    for name in there:
        with Load(daemon.api, name, KEY, connections=1, depth=1) as load:
            load.wait_more(1)
        equal(load.wrong, [], "credential " + name)
    verify(daemon)


@case
def log_is_read_whole_or_not_at_all_when_the_store_dies(daemon):
    stop, ends, wrong = threading.Event(), [], []

    def read():
        while not stop.is_set():
            try:
                with daemon.admin() as a:
                    reply = a.call("audit.show", [("from", 0), ("count", 1000)])
                    indexes = [int(i.text("index")) for i in reply.items]
                    if indexes != list(range(len(indexes))) or not indexes:
                        wrong.append(indexes)
                    ends.append("read")
            except Refused as e:
                ends.append(e.error)
            except Exception as e:
                wrong.append("%r" % e)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(3):
            wanted = ends.count("read") + 5
            end = time.monotonic() + SECONDS
            while ends.count("read") < wanted and not wrong:
                check(time.monotonic() < end, "the log is read", ends)
                os.sched_yield()
            kill(daemon, "store")
    finally:
        stop.set()
        thread.join()
    equal(wrong, [], "what went wrong")
    check(set(ends) <= {"read", "unavailable"}, "how reading ended", set(ends))
    verify(daemon)


@case
def opener_that_dies_leaves_the_store_sealed(daemon):
    with daemon.admin() as a:
        a.boxed("slot.add", [("ops", SLOW), ("mem", 64 << 20)],
                [("type", "passphrase"), ("secret", ANOTHER)])
        a.seal_store()
        heard = []

        def unseal():
            try:
                with daemon.admin() as other:
                    other.unseal(ANOTHER)
                heard.append("unsealed")
            except Refused as e:
                heard.append(e.error)
        thread = threading.Thread(target=unseal)
        thread.start()
        end = time.monotonic() + SECONDS
        while "opener" not in daemon.roles():
            check(not heard and time.monotonic() < end, "an opener to kill", heard)
        kill(daemon, "opener")
        thread.join()
        equal(heard, ["unavailable"], "what the caller hears")
        equal(a.status().text("state"), "sealed", "the state")
    daemon.unseal()
    with load_on(daemon) as load:
        load.wait_more(10)


@case
def vault_that_keeps_dying_stays_sealed(_):
    with Daemon() as daemon:
        with daemon.admin() as a:
            if any("memfd_secret" in w.decode() for w in a.status().all("weaker")):
                raise Skip("no memfd_secret here: every restart is sealed")
        prepare(daemon)
        for _ in range(2):
            with load_on(daemon) as load:
                load.wait_more(10)
                kill(daemon, "vault")
                load.wait_more(10)
            equal(load.wrong, [], "wrong answers")
        kill(daemon, "vault")
        with daemon.admin() as a:
            status = a.status()
        equal(status.text("state"), "sealed", "the state after the third death")
        check(status.all("attention"), "status says so", status)
        done = daemon.cli("status", check=False)
        equal(done.returncode, 7, "the exit code of status: needs attention")
        with Raw(daemon.api) as raw:
            raw.call(1, [("verb", "run"), ("credential", "load"), ("op", "sign"),
                         ("request", encode_attrs([("data", "x")]))])
            _, _, attrs = raw.receive()
            equal(attrs.text("error"), "sealed", "what a client hears")
        daemon.unseal()
        with load_on(daemon) as load:
            load.wait_more(10)
        verify(daemon)


def main():
    print("seed %d" % SEED)
    with Daemon() as daemon:
        prepare(daemon)
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
