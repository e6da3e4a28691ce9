#!/usr/bin/python3
"""A client on a host of its own asks the node's credd by mutual TLS, over and over, with a
good certificate and with one that was revoked, while links are cut and healed, hosts
are started anew and clocks are wrong by an hour: the good one gets the right signature or
a clear error, the revoked one never a signature; and all returns by itself. Each case has
hosts of its own; they run at once."""
import contextlib
import sys

from lib.case import Skip, case, is_sanitized, run_at_once
from lib.three import RIGHT, Asker, Credd, World, enrolled

HOUR = 3600
NOTHING = "nothing: "
# While the CA is not reached, what is known of a revocation is too old.
GOOD = "right|nothing: |503 "
REVOKED = "nothing: |503 |403 the client certificate was revoked at "
# By a wrong clock a certificate may be one to come, or one of the past.
ODD_CLOCK = "|403 the client certificate is not valid before "

class Asked(World):
    """With credd on the node, and two who ask."""

    def __init__(self, stack):
        super().__init__(stack)
        self.credd = self.on_node.put(Credd(self))
        stack.enter_context(self.credd)
        self.cm.grant(self.credd.init(), agent="gate")
        identity, _ = enrolled(self, "good")
        bad, serial = enrolled(self, "bad")
        self.good = stack.enter_context(Asker(self, identity))
        self.bad = stack.enter_context(Asker(self, bad))
        for asker in (self.good, self.bad):
            asker.wait("both may", RIGHT)
        self.ca.cli("ca", "revoke", serial)
        self.bad.wait("one may no more", "403 .*revoked")
        self.bad.seen.clear()

    def returns(self):
        self.good.wait("signatures come again", RIGHT)
        self.bad.wait("and refusals", "403 .*revoked")


@contextlib.contextmanager
def asked():
    with contextlib.ExitStack() as stack:
        w = Asked(stack)
        yield w
        print(w.good.summary(), w.bad.summary(), flush=True)


def not_here(why):
    if is_sanitized():
        raise Skip("not under the sanitizers: " + why)


@case
def clocks_are_wrong_by_an_hour():
    not_here("they and a clock of one's own are not for one process")
    with asked() as w:
        for host in (w.on_node, w.on_ca):
            for ahead in (HOUR, -HOUR):
                host.skew(ahead)
                w.good.wait("judged by that clock: %+d s, %s" % (ahead, host.name),
                            "503 |403 the client certificate is not valid before ")
                host.skew(0)
                w.returns()
        w.good.only(GOOD + ODD_CLOCK)
        w.bad.only(REVOKED + ODD_CLOCK)


def cut_and_healed(who, how, hears):
    with asked() as w:
        host = getattr(w, who)
        host.cut(how)
        w.good.wait("what the client hears", hears)
        host.heal()
        w.returns()
        w.good.only(GOOD)
        w.bad.only(REVOKED)


@case
def what_the_client_is_sent_is_lost():
    cut_and_healed("on_client", "silent", NOTHING)


@case
def the_clients_cable_is_out():
    not_here("to the node it is as if the client were sent nothing")
    cut_and_healed("on_client", "down", NOTHING)


@case
def what_the_node_is_sent_is_lost():
    not_here("to the client it is as if the node had no network")
    cut_and_healed("on_node", "silent", NOTHING)


@case
def the_node_has_no_network():
    cut_and_healed("on_node", "gone", NOTHING)


@case
def what_the_ca_is_sent_is_lost():
    """What is known of a revocation is soon too old."""
    cut_and_healed("on_ca", "silent", "503 ")


@case
def hosts_are_started_anew():
    with asked() as w:
        for host in (w.on_node, w.on_ca):
            host.restart()
            w.returns()
        for host in (w.on_ca, w.on_node):
            host.kill()
        for host in (w.on_node, w.on_ca):
            host.restart()
        w.returns()
        w.good.only(GOOD)
        w.bad.only(REVOKED)


if __name__ == "__main__":
    sys.exit(run_at_once())
