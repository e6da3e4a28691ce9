#!/usr/bin/python3
"""A front that somebody has taken over, or that dies of what its user sends, is its
user's loss alone: it is ended and started anew, and nobody else notices."""
import os
import signal
import sys

from lib.case import check, equal, run
from lib.daemon import Daemon, wait_end
from lib.raw import signs
from lib.steady import prepare, steady
from lib.taken import channels

DEATHS = 12         # more than a daemon bears of a role that all need
SECONDS = 120


def front_of(daemon):
    """The only one."""
    fronts = daemon.roles().get("front", [])
    equal(len(fronts), 1, "fronts")
    return fronts[0]


@steady
def one_that_breaks_the_dialogue_is_started_anew(daemon):
    for which in range(2):
        check(signs(daemon.api), "it serves")
        front = front_of(daemon)
        taken = channels(front)
        equal(len(taken), 2, "channels of a front")
        # a message that is longer than any, at once to door or to the core
        taken[which].send(b"\xff" * 64)
        check(wait_end(front, SECONDS), "the broken front is ended")
        for s in taken:
            s.close()
        check(signs(daemon.api), "its user is served by another one")
        check(front_of(daemon) != front, "another front")


@steady
def those_that_die_end_nobody_else(daemon):
    for _ in range(DEATHS):
        check(signs(daemon.api), "it serves")
        front = front_of(daemon)
        os.kill(front, signal.SIGKILL)
        check(wait_end(front, SECONDS), "the front dies")


def main():
    with Daemon() as daemon:
        prepare(daemon)
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
