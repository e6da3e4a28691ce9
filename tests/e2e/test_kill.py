#!/usr/bin/python3
"""kill -9 of each process but the supervisor in turn, under load: every answer that
came was right, the service is back within a second and still unsealed, the audit log
verifies. With the supervisor all its children end.

test: alone"""
import os
import signal
import sys
import threading
import time

from lib.case import case, check, equal, is_sanitized, run
from lib.daemon import Daemon, wait_end
from lib.raw import VANILLA, right, signs
from lib.steady import prepare

from cretula_native import Client, ProtocolError, Refused

BACK_SECONDS = 10 if is_sanitized() else 1.0
END_SECONDS = 60
THREADS = 4
ANSWERS = 200           # right ones before and after each death
# What a client may hear while something is being started anew.
PASSING = ("unavailable", "module_failed", "timeout", "sealed")


class Load:
    """Threads that sign as fast as they can and judge every answer."""

    def __init__(self, path):
        self.path = path
        self.stop = threading.Event()
        self.wrong = []
        self.good = self.passing = 0
        self.lock = threading.Condition()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.work)
                        for _ in range(THREADS)]
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def reaches(self, good):
        """Waits until so many answers were right; False after a while."""
        with self.lock:
            self.lock.wait_for(lambda: self.good >= good or self.wrong,
                               timeout=120)
            return self.good >= good and not self.wrong

    def work(self):
        while not self.stop.is_set():
            try:
                with Client(self.path, timeout=END_SECONDS) as c:
                    self.sign(c)
            except Refused as e:
                self.note(e.error in PASSING, "refused: %s" % e)
            except (ProtocolError, OSError) as e:
                self.note(not isinstance(e, TimeoutError), "no answer: %r" % e)

    def sign(self, client):
        while not self.stop.is_set():
            try:
                good = right(client.run("raw", "sign", VANILLA))
            except Refused as e:
                self.note(e.error in PASSING, "refused: %s" % e)
                continue
            with self.lock:
                self.good += good
                if not good:
                    self.wrong.append("a wrong signature")
                self.lock.notify_all()

    def note(self, allowed, what):
        with self.lock:
            self.passing += 1
            if not allowed:
                self.wrong.append(what)
                self.lock.notify_all()


def seconds_until_it_signs(daemon, limit):
    began = time.monotonic()
    while time.monotonic() - began < limit:
        try:
            if signs(daemon.api):
                return time.monotonic() - began
        except (Refused, ProtocolError, OSError):
            time.sleep(0.01)        # nothing to wait on: the service is away
    return None


def kill_one(daemon, role):
    roles = daemon.roles()
    check(roles.get(role), "a %s to kill" % role, roles)
    pids = roles[role]
    with Load(daemon.api) as load:
        check(load.reaches(ANSWERS), "it signs before", load.wrong)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            check(wait_end(pid, END_SECONDS), "the %s ends" % role)
        took = seconds_until_it_signs(daemon, END_SECONDS)
        check(load.reaches(load.good + ANSWERS), "the load goes on", load.wrong)
    check(took is not None, "the service comes back")
    equal(load.wrong, [], "wrong answers")
    check(took < BACK_SECONDS, "back within %s s" % BACK_SECONDS, took)
    print("%s: back after %.3f s, %d right answers, %d passing errors" % (
        role, took, load.good, load.passing))
    with daemon.admin() as a:
        equal(a.status().text("state"), "unsealed", "the state")


@case
def front_dies(daemon):
    kill_one(daemon, "front")


@case
def worker_dies(daemon):
    kill_one(daemon, "worker")


@case
def zygote_dies(daemon):
    kill_one(daemon, "zygote")


@case
def door_dies(daemon):
    kill_one(daemon, "door")


@case
def store_dies(daemon):
    kill_one(daemon, "store")


@case
def vault_dies_and_comes_back_unsealed(daemon):
    kill_one(daemon, "vault")


@case
def audit_log_verifies_after_all_that(daemon):
    done = daemon.cli("audit", "verify", check=False)
    equal(done.returncode, 0, done.stderr.decode("utf-8", "replace"))


@case
def everything_is_there_after_a_restart(daemon):
    equal(daemon.stop(), 0, "the exit code on SIGTERM")
    daemon.start()
    daemon.unseal()
    check(signs(daemon.api), "it signs")
    equal(daemon.cli("audit", "verify", check=False).returncode, 0, "verify")


@case
def supervisor_dies_and_so_do_its_children(daemon):
    pids = [p for pids in daemon.roles().values() for p in pids]
    check(len(pids) >= 6, "processes", pids)
    os.kill(daemon.process.pid, signal.SIGKILL)
    daemon.process.wait()
    alive = [p for p in pids if not wait_end(p, END_SECONDS)]
    equal(alive, [], "processes that are left")
    daemon.start()
    daemon.unseal()
    check(signs(daemon.api), "it signs after a new start")
    equal(daemon.cli("audit", "verify", check=False).returncode, 0, "verify")


def main():
    with Daemon() as daemon:
        prepare(daemon)
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
