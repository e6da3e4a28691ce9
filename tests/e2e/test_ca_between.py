#!/usr/bin/python3
"""What is asked of ca while one of its processes is out: an error that passes, and
nothing of it stays when all are back."""
import contextlib
import os
import signal
import sys
import time

from lib.ca_client import (NODE, SECONDS, Chain, Https, Problem, Token, add_token_by,
                           context, enrol_attrs, init, issuer_of, make_csr,
                           until_https, until_open)
from lib.case import case, check, equal, run
from lib.daemon import Ca, wait_end

from cretula_native import Client

ORDERS = 2200           # more than two of the signer's blocks of numbers
IN_FLIGHT = 100         # calls of one connection
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


@case
def a_signer_dies_that_had_thousands_to_sign(place):
    """Those numbers were never taken: the next signer is not that far."""
    ca, (_, csr) = place.ca, make_csr()
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(ca.admin())
        tokens = [add_token_by(admin) for _ in range(ORDERS)]
        signer, = ca.roles()["signer"]
        some = [stack.enter_context(Client(ca.api, timeout=2 * SECONDS))
                for _ in range(-(-ORDERS // IN_FLIGHT))]
        os.kill(signer, signal.SIGSTOP)
        for i, token in enumerate(tokens):
            some[i % len(some)].send([("verb", "ca.enrol")] + enrol_attrs(
                token, csr, place.chain.spki))
        for c in some:      # the issuer has read them when it answers this
            c.send([("verb", "ca.chain")])
            equal(c.receive()[2].text("error"), None, "ca.chain")
        admin.call("ca.list", [("limit", 1)])   # and the store the tokens
        os.kill(signer, signal.SIGKILL)
        for i in range(ORDERS):
            equal(some[i % len(some)].receive()[2].text("error"), "unavailable",
                  "each is answered")
    until_open(ca)
    with place.https() as h:
        until_issued(h)


@case
def who_waits_is_told_when_the_database_is_no_more(place):
    """The last case: its CA is broken then."""
    ca, token = place.ca, Token()
    with ca.admin() as a:
        store, = ca.roles()["store"]
        os.kill(store, signal.SIGSTOP)
        a.client.send([("verb", "ca.token"), ("id", token.id),
                       ("public", token.public), ("node", NODE), ("type", "web")])
        a.client.send([("verb", "ca.chain")])   # answered when that was read
        equal(a.client.receive()[2].text("error"), None, "ca.chain")
        with place.without("store"):
            for name in os.listdir(ca.state + "/store"):
                with open(ca.state + "/store/" + name, "r+b") as f:
                    f.write(b"no database at all" * 10)
        equal(a.client.receive()[2].text("error"), "unavailable", "the token")


def main():
    with Ca(default_profile="yes", tls_names=["localhost"]) as ca:
        return run(Place(ca))


if __name__ == "__main__":
    sys.exit(main())
