#!/usr/bin/python3
"""What is asked of ca while one of its processes is out: an error that passes, and
nothing of it stays when all are back."""
import contextlib
import os
import signal
import sys
import time

from lib.ca_client import (NODE, SECONDS, Chain, Https, Problem, context, init,
                           issuer_of, make_csr, until_https, until_open)
from lib.case import case, check, equal, run
from lib.daemon import Ca, wait_end

PASSING = ("unavailable", "limited", "timeout")


class Place:
    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)
        self.who = issuer_of(ca, self.chain)

    def https(self):
        return Https(self.ca.https, context(self.chain, *self.who))

    @contextlib.contextmanager
    def without(self, *roles):
        """They are dead, and nobody starts them anew."""
        supervisor = self.ca.process.pid
        os.kill(supervisor, signal.SIGSTOP)
        try:
            for role in roles:
                for pid in self.ca.roles()[role]:
                    os.kill(pid, signal.SIGKILL)
                    check(wait_end(pid, SECONDS), role + " ends")
            yield
        finally:
            os.kill(supervisor, signal.SIGCONT)


def error_of(ask):
    try:
        ask()
    except Problem as e:
        return e.error
    return None


def until_issued(h):
    """On this very connection."""
    _, csr = make_csr()
    end = time.monotonic() + SECONDS
    while (e := error_of(lambda: h.issue("web", NODE, csr))):
        check(e in PASSING, "the error passes", e)
        check(time.monotonic() < end, "it is issued", e)
        time.sleep(0.02)


def first_shown_without(place, role):
    with place.https() as h:
        with place.without(role):
            # the issuer has seen the end of it, too, when it says so
            equal(error_of(lambda: h.issue("web", NODE, make_csr()[1])),
                  "unavailable", "without " + role)
        until_issued(h)
    until_open(place.ca)


@case
def a_client_that_came_without_signer_is_served_later(place):
    first_shown_without(place, "signer")


@case
def a_client_that_came_without_store_is_served_later(place):
    first_shown_without(place, "store")


def stop_next(ca, role):
    """The next one of it, as early as can be."""
    end = time.monotonic() + SECONDS
    while not (pids := ca.roles().get(role)):
        check(time.monotonic() < end, role + " is started")
    os.kill(pids[0], signal.SIGSTOP)
    return pids[0]


@case
def strangers_are_refused_when_the_store_is_back_before_the_signer(place):
    ca, body = place.ca, {"token_id": "00" * 16, "csr": "AAAA", "signature": "AAAA"}
    with place.without("signer", "store"):
        pass
    signer = stop_next(ca, "signer")
    try:
        end = time.monotonic() + 3
        with Https(ca.https, context(place.chain)) as h:
            while time.monotonic() < end:
                check(error_of(lambda: h.ask("POST", "/v1/enrol", body)),
                      "he is refused")
                time.sleep(0.05)
    finally:
        os.kill(signer, signal.SIGCONT)
    until_open(ca)
    with place.https() as h:
        until_issued(h)


def main():
    with Ca(default_profile="yes", tls_names=["localhost"]) as ca:
        return run(Place(ca))


if __name__ == "__main__":
    sys.exit(main())
