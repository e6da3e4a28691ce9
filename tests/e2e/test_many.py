#!/usr/bin/python3
"""Many credentials and grants, added by pipelined calls: how long that takes, a
restart and an unseal with them, and that signing is as right as with few.
CRETULA_MANY=N sets how many.

test: alone"""
import os
import sys
import time

from lib.admin import transport_key, seal
from lib.case import case, check, equal, is_sanitized, run
from lib.daemon import Daemon
from lib.raw import (CALL, ERROR, KEY, REPLY, SECRET, VANILLA, Raw, encode_attrs,
                     encode_message, right)

from cretula_native import Client, Refused

MANY = int(os.environ.get("CRETULA_MANY") or (200 if is_sanitized() else 2000))
WINDOW = 100        # calls in flight on one connection; 128 are allowed


def name(i):
    return "cred-%06d" % i


def pipelined(daemon, calls):
    """Sends calls, at most WINDOW of them unanswered; their number by kind of
    answer and the seconds it took."""
    begun, done, sent = time.monotonic(), 0, 0
    with Raw(os.path.join(daemon.folder, "admin.sock")) as c:
        c.sock.settimeout(300)
        calls = iter(calls)
        more = True
        while more or done < sent:
            while more and sent - done < WINDOW:
                attrs = next(calls, None)
                if attrs is None:
                    more = False
                    break
                c.send(encode_message(CALL, sent, attrs))
                sent += 1
            if done < sent:
                kind, _, answer = c.receive()
                if kind == ERROR:
                    raise AssertionError("%s: %s" % (answer.text("error"),
                                                     answer.text("text")))
                done += kind == REPLY
    return sent, time.monotonic() - begun


def credentials(daemon, count):
    key = transport_key(daemon.folder)
    shared = encode_attrs([("access_key", KEY)])
    for i in range(count):
        box = seal(encode_attrs([("secret_key", SECRET, 1)]), key)
        yield [("verb", "credential.add"), ("name", name(i)),
               ("module", "aws-sigv4"), ("attributes", shared), ("box", box)]


def grants(count):
    for i in range(count):
        yield [("verb", "grant.add"), ("grant", encode_attrs(
            [("credential", name(i)), ("op", "sign"), ("uid", os.getuid()),
             ("max_skew", "any")]))]


def say(what, count, seconds):
    print("%s: %d in %.2f s, %.0f a second" % (what, count, seconds,
                                               count / max(seconds, 1e-9)))


def sign_each(daemon, some):
    """Those sign, one after the other; seconds for one, worst."""
    worst = 0.0
    with Client(daemon.api) as c:
        for i in some:
            begun = time.monotonic()
            check(right(c.run(name(i), "sign", VANILLA)), "signed by " + name(i))
            worst = max(worst, time.monotonic() - begun)
    return worst


SOME = sorted({0, 1, MANY // 3, MANY // 2, MANY - 2, MANY - 1})


@case
def many_are_added(daemon):
    say("credentials added", *pipelined(daemon, credentials(daemon, MANY)))
    say("grants added", *pipelined(daemon, grants(MANY)))
    with daemon.admin() as a:
        status = a.status()
    equal((status.text("credentials"), status.text("grants")),
          (str(MANY), str(MANY)), "how many there are")


@case
def each_signs_and_no_other_is_allowed(daemon):
    print("worst of the first signatures: %.1f ms" % (
        1000 * sign_each(daemon, SOME)))
    print("and of the second ones: %.1f ms" % (1000 * sign_each(daemon, SOME)))
    with Client(daemon.api) as c:
        try:
            c.run(name(MANY), "sign", VANILLA)
        except Refused as e:
            equal(e.error, "denied", "the error")
        else:
            raise AssertionError("signed by a credential there is not")


@case
def lists_are_whole(daemon):
    out = daemon.cli("credential", "list", "--field", "name").stdout.split()
    equal(out, [name(i).encode() for i in range(MANY)], "credential list")
    out = daemon.cli("grant", "list", "--field", "credential").stdout.split()
    equal(out, [name(i).encode() for i in range(MANY)], "grant list")


@case
def restart_and_unseal_bring_all_of_them_back(daemon):
    begun = time.monotonic()
    equal(daemon.stop(), 0, "credd ends well")
    print("stop: %.2f s" % (time.monotonic() - begun))
    begun = time.monotonic()
    daemon.start()
    print("start: %.2f s" % (time.monotonic() - begun))
    begun = time.monotonic()
    daemon.unseal()
    print("unseal: %.2f s" % (time.monotonic() - begun))
    with daemon.admin() as a:
        status = a.status()
    equal((status.text("credentials"), status.text("grants")),
          (str(MANY), str(MANY)), "how many there are")
    sign_each(daemon, SOME)


@case
def log_of_it_verifies(daemon):
    begun = time.monotonic()
    out = daemon.cli("audit", "verify", "--field", "records").stdout
    say("records verified", int(out), time.monotonic() - begun)
    check(int(out) >= 2 * MANY, "one for each at least", out)


@case
def many_are_removed(daemon):
    say("credentials removed", *pipelined(daemon, (
        [("verb", "credential.remove"), ("name", name(i))]
        for i in range(MANY))))
    with daemon.admin() as a:
        equal(a.status().text("credentials"), "0", "how many there are")


def main():
    with Daemon() as daemon:
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
