#!/usr/bin/python3
"""What reads the network's bytes in ca, taken over by somebody out there: it is ended and
started anew, and nobody else notices, however often he does it."""
import contextlib
import os
import sys

from lib import ca_cli
from lib.ca_cli import until
from lib.ca_client import Chain, Https, NoAnswer, Problem, context
from lib.case import Skip, case, check, equal, run
from lib.certmgr import served_ca
from lib.daemon import wait_end
from lib.taken import channels, dies_often, only

from cretula_native import encode_message

GI_PEER, GI_CALL, GI_REPLY, GI_OCSP = 1, 3, 4, 6
NOBODYS = 99                # a kind of message that nobody sends
SECONDS = 60


def call(*attrs):
    return encode_message(GI_CALL, 1, attrs)


NONSENSE = [
    b"\xff" * 64, encode_message(NOBODYS, 0, []), encode_message(GI_REPLY, 1, []),
    call(), call(("verb", "call"), ("call", b"\xff")),
    call(("verb", "status"), ("peer", "me")), encode_message(GI_OCSP, 1, []),
    encode_message(GI_PEER, 1 << 60, []),
    encode_message(GI_PEER, 1 << 50, []) * 2,
]


def standing(ca):
    roles = ca.roles()
    return {r: roles.get(r) for r in ("supervisor", "door", "issuer", "store", "signer")}


def until_some(what):
    found = []
    until("there are some", lambda: found.extend(what()) or found)
    return found


def broken(ca, role, said):
    """One that said that is ended; another one is there."""
    old = only(ca, role)
    (to_issuer,) = until_some(lambda: channels(old))
    to_issuer.sendall(said)
    check(wait_end(old, SECONDS), "the broken one is ended")
    to_issuer.close()
    until("another " + role, lambda: only(ca, role) != old)


def steady(function):
    """Wraps a case: the same processes, and whoever comes is served. Each has a ca of its
    own: after many deaths the next gate is long in coming."""
    def wrapped():
        with served_ca() as ca:
            ca_cli.init(ca)
            before = standing(ca)
            function(ca)
            until("it is served", lambda: served(ca))
            equal(standing(ca), before, "ca's processes")
    wrapped.__name__ = function.__name__
    return case(wrapped)


def served(ca):
    with contextlib.suppress(NoAnswer, Problem):
        with Https(ca.https, context(Chain(ca))) as web:
            return "root" in web.ask("GET", "/v1/ca")
    return False


@steady
def a_gate_that_breaks_the_dialogue_is_started_anew(ca):
    for said in NONSENSE:
        broken(ca, "gate", said)


@steady
def so_is_a_dialer(ca):
    for said in (b"\xff" * 64, encode_message(NOBODYS, 0, [])):
        broken(ca, "dialer", said)


@steady
def a_gate_that_dies_ends_nobody_else(ca):
    dies_often(ca, "gate")


def main():
    if os.getuid():
        raise Skip("only root takes descriptors of another process")
    return run()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Skip as e:
        print("skip ca_broken - %s" % e)
