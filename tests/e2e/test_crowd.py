#!/usr/bin/python3
"""Crowds: thousands of idle connections, and good clients beside bad ones. Who
passes his limit hears so; everybody else is served as before.

test: alone"""
import contextlib
import os
import resource
import struct
import sys
import threading
import time

from lib.actor import performed
from lib.case import Skip, case, check, equal, run
from lib.daemon import OTHER_UID, Daemon, as_uid
from lib.raw import VANILLA, Raw, right, signs
from lib.steady import prepare, steady

from cretula_native import Client, ProtocolError, Refused, encode_message

IDLE_UIDS = 10
IDLE_EACH = 1000


def hold_open(path, count, opened, release):
    """Opens connections, writes (kept, refused with limited, other) and holds
    them until release ends."""
    kept, limited, other = [], 0, 0
    for _ in range(count):
        try:
            kept.append(Client(path))
        except Refused as e:
            limited += e.error == "limited"
            other += e.error != "limited"
        except (OSError, ProtocolError):
            other += 1
    # the last ones must be past door, not only past our end of the hello
    for c in kept[-1:]:
        with contextlib.suppress(Refused):
            c.call("status")
    os.write(opened, struct.pack(">III", len(kept), limited, other))
    os.read(release, 1)


class Idle:
    """Children, each of a uid of its own, that hold connections open."""

    def __init__(self, path, uids, count):
        self.path, self.uids, self.count = path, uids, count

    def __enter__(self):
        self.pids = []
        release, self.hold = os.pipe()
        totals = [0, 0, 0]
        for uid in self.uids:
            r, w = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(self.hold)
                self.child(uid, w, release)
            os.close(w)
            self.pids.append(pid)
            with os.fdopen(r, "rb") as f:
                data = f.read(12)
            check(len(data) == 12, "uid %d holds its connections" % uid)
            totals = [a + b for a, b in zip(totals, struct.unpack(">III", data))]
        os.close(release)
        return totals

    def child(self, uid, opened, release):
        code = 1
        try:
            if uid != os.getuid():
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            hold_open(self.path, self.count, opened, release)
            code = 0
        finally:
            os._exit(code)

    def __exit__(self, *_):
        os.close(self.hold)
        for pid in self.pids:
            os.waitpid(pid, 0)


def need_root():
    if os.getuid() != 0:
        raise Skip("needs root, to have other uids")


def sign_many(daemon, times):
    """New connections and an old one sign; the slowest of them, in seconds."""
    slowest = 0.0
    with Client(daemon.api) as old:
        for _ in range(times):
            began = time.monotonic()
            check(right(old.run("raw", "sign", VANILLA)), "the old connection")
            check(signs(daemon.api), "a new connection")
            slowest = max(slowest, time.monotonic() - began)
    return slowest


@steady
def one_user_with_ten_thousand_connections_is_limited(daemon):
    need_root()
    with Idle(daemon.api, [OTHER_UID], IDLE_UIDS * IDLE_EACH) as totals:
        kept, limited, other = totals
        check(kept >= 500, "some hundred are allowed", totals)
        equal(other, 0, "refusals other than limited")
        check(limited > 0, "the rest is limited", totals)
        check(sign_many(daemon, 20) < 5, "others sign")
    check(as_uid(OTHER_UID, ask_status, daemon.api), "afterwards it may again")


def ask_status(path):
    with Client(path) as c:
        return c.call("status").text("state") is not None


@steady
def ten_thousand_idle_connections_disturb_nobody(daemon):
    need_root()
    uids = range(OTHER_UID, OTHER_UID + IDLE_UIDS)
    with Idle(daemon.api, uids, IDLE_EACH) as totals:
        equal(totals, [IDLE_UIDS * IDLE_EACH, 0, 0],
              "kept, limited, refused otherwise")
        check(sign_many(daemon, 20) < 5, "others sign")


@steady
def connections_beside_idle_threads_are_right(daemon):
    """Eight threads sign while bad clients come and go."""
    stop = threading.Event()
    wrong = []

    def work():
        try:
            with Client(daemon.api) as c:
                while not stop.is_set():
                    if not right(c.run("raw", "sign", VANILLA)):
                        wrong.append("a wrong signature")
        except Exception as e:
            wrong.append(repr(e))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    try:
        for i in range(100):
            with Raw(daemon.api) as c:
                with contextlib.suppress(OSError):
                    c.send(encode_message(1, i, b"\3\0\0\0\0\0Bad"))
                    c.last_words()
    finally:
        stop.set()
        for t in threads:
            t.join()
    equal(wrong, [], "what went wrong")


def with_few_descriptors(link):
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    with Daemon() as daemon:
        prepare(daemon)
        kept, refused = [], []
        for _ in range(200):
            try:
                kept.append(Client(daemon.api))
            except Refused as e:
                refused.append(e.error)
        check(kept and refused, "some are kept", len(kept), refused)
        equal(set(refused), {"limited"}, "what the others hear")
        check(right(kept[0].run("raw", "sign", VANILLA)), "one of those kept")
        for c in kept:
            c.close()
        while True:
            with contextlib.suppress(Refused):      # until door has seen the ends
                check(signs(daemon.api), "a new one")
                break
        equal(daemon.stop(), 0, "the exit code")
        link.tell("done")


@case
def few_descriptors_limit_connections_and_nothing_else(_):
    equal(performed(with_few_descriptors), "done", "it stands")


def main():
    with Daemon() as daemon:
        prepare(daemon)
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
