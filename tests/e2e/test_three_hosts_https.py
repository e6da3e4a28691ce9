#!/usr/bin/python3
"""A client on a host of its own asks the node's credd by mutual TLS, over and over, with a
good certificate and with one that was revoked, while links are cut and healed, hosts
are started anew and clocks are wrong by an hour: the good one gets the right signature or
a clear error, the revoked one never a signature; and all returns by itself. Each case has
hosts of its own; they run at once.
test: seconds=300"""
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


def cut_and_healed(who, *ways):
    """Under the sanitizers only one of the ways, since it is the same to the node."""
    with asked() as w:
        host = getattr(w, who)
        for how in ways[:1] if is_sanitized() else ways:
            host.cut(how)
            w.good.wait("nothing is heard, %s of %s" % (how, host.name), NOTHING)
            host.heal()
            w.returns()
        w.good.only(GOOD)
        w.bad.only(REVOKED)
    if is_sanitized():
        raise Skip("not under the sanitizers: %s (%s is done)" % (ways[1], ways[0]))


@case
def the_clients_link_is_cut():
    cut_and_healed("on_client", "silent", "down")


@case
def the_nodes_link_is_cut():
    cut_and_healed("on_node", "gone", "silent")


@case
def the_cas_link_is_cut():
    with asked() as w:
        w.on_ca.cut("silent")
        w.good.wait("what is known is too old", "503 ")
        w.on_ca.heal()
        w.returns()
        w.good.only(GOOD)
        w.bad.only(REVOKED)


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


@case
def clocks_are_wrong_by_an_hour():
    if is_sanitized():
        raise Skip("not under the sanitizers: they and a clock of one's own are not for "
                   "one process")
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


if __name__ == "__main__":
    sys.exit(run_at_once())
