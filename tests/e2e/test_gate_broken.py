#!/usr/bin/python3
"""The gate of remote clients, taken over by one of them: it is ended and started anew, and
nobody else notices. What reads strangers' bytes may die as often as they like."""
import contextlib
import os
import signal
import socket
import sys

from lib.ca_cli import until
from lib.case import check, equal, run
from lib.daemon import Daemon, wait_end
from lib.steady import prepare, steady
from lib.taken import channels, dies_often, only, supervisor

from cretula_native import encode_message

SUP_READY, SUP_CERTMGR = 3, 9
NOBODYS = 99                # a kind of message that nobody sends
FLOOD = 4096                # questions, more than a socket takes of answers
SECONDS = 120


def ended(daemon, gate):
    """It is, and there is another one."""
    check(wait_end(gate, SECONDS), "the broken gate is ended")
    until("another gate", lambda: only(daemon, "gate") != gate)


@steady
def one_that_breaks_the_dialogue_is_started_anew(daemon):
    """Whoever it breaks it with: door, the core or the verifier."""
    verifier = only(daemon, "verifier")
    for nonsense in (encode_message(NOBODYS, 0, []), b"\xff" * 64):
        for which in range(3):
            gate = only(daemon, "gate")
            until("its channels", lambda gate=gate: len(channels(gate)) == 3)
            channels(gate)[which].send(nonsense)
            ended(daemon, gate)
            equal(only(daemon, "verifier"), verifier, "the same verifier")


@steady
def one_that_asks_and_does_not_listen_makes_nobody_wait(daemon):
    gate = only(daemon, "gate")
    channel = supervisor(gate)
    channel.settimeout(SECONDS)
    os.kill(gate, signal.SIGSTOP)
    question = encode_message(SUP_CERTMGR, 0, [])
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(FLOOD):
            channel.sendall(question)
    ended(daemon, gate)


@steady
def none_passes_a_descriptor_to_anybody(daemon):
    """Whose last close may take as long as somebody likes."""
    gate = only(daemon, "gate")
    until("its channels", lambda: len(channels(gate)) == 3)
    with socket.socketpair()[0] as passed:
        for channel in [supervisor(gate), *channels(gate)]:
            try:
                socket.send_fds(channel, [b"\0"], [passed.fileno()])
                check(False, "it is passed")
            except PermissionError:
                pass
    equal(only(daemon, "gate"), gate, "the gate")


@steady
def what_it_says_of_itself_once_more_is_not_heard(daemon):
    """The core believes the supervisor what it says of a child."""
    before = daemon.cli("status", check=False).stdout
    gate = only(daemon, "gate")
    channel = supervisor(gate)
    for said in ([("role", "x")], [("weaker", "nothing is safe")]):
        channel.send(encode_message(SUP_READY, 0, said))
    channel.send(encode_message(NOBODYS, 0, []))
    ended(daemon, gate)
    after = daemon.cli("status", check=False).stdout
    equal(after.count(b"weaker"), before.count(b"weaker"),
          "weaker than it was")


@steady
def a_verifier_that_dies_ends_nobody_else(daemon):
    dies_often(daemon, "verifier")


def main():
    with Daemon(listen="127.0.0.1:0", node="n1.example") as daemon:
        prepare(daemon)
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
