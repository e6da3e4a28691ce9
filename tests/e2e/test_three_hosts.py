#!/usr/bin/python3
"""A CA, a node and a client, each a host of its own: their links are cut and healed, their
clocks are wrong by an hour, each is started anew. No answer is ever wrong, and all
returns by itself: nobody here does more than end the fault.
Each case has hosts of its own, where mostly nothing happens: they run at once."""
import contextlib
import sys

from lib import ca_cli
from lib.between import claim, has_key, number, try_claim, until_away, until_back
from lib.ca_cli import until
from lib.case import Skip, case, check, equal, is_sanitized, run_at_once
from lib.certmgr import OWNER
from lib.daemon import as_uid, begin_as_uid
from lib.three import NODE, World, patient, read_cert

HOUR = 3600


@contextlib.contextmanager
def world():
    with contextlib.ExitStack() as stack:
        yield World(stack)


def not_here(why):
    if is_sanitized():
        raise Skip("not under the sanitizers: " + why)


def clock_is_wrong(who):
    not_here("they and a clock of one's own are not for one process")
    with world() as w:
        host = getattr(w, who)
        with w.agent() as before, w.agent() as gone:
            old, revoked = read_cert(before), read_cert(gone)
            w.cm.cli("agent", "revoke", gone.agent)
            until("the CA knows", lambda: w.all_revoked(gone.agent))
            for ahead in (HOUR, -HOUR):
                wrong_clock(w, host, ahead, old, revoked)
                until_back(w.cm)
                equal((w.judged(old), w.judged(revoked)),
                      ("good", "revoked"), "afterwards")
            w.new_agent_works()


def wrong_clock(w, host, ahead, old, revoked):
    """No answer is the wrong one; who is started meanwhile has what the client believes
    as soon as all clocks are right."""
    what = ", while %s is %+d s ahead" % (host.name, ahead)
    host.skew(ahead)
    check(w.judged(revoked) != "good", "revoked" + what)
    check(w.judged(old) != "revoked", "not revoked" + what)
    spawned = w.cm.spawn(OWNER)
    got = as_uid(OWNER, try_claim, w.cm.api, w.cm.spawn(OWNER))
    check(got[0] in (True, "pending"), "a key or none yet" + what, got)
    host.skew(0)
    has_key(as_uid(OWNER, patient, w.cm.api, spawned))


@case
def the_cas_clock_is_wrong_by_an_hour():
    clock_is_wrong("on_ca")


@case
def the_nodes_clock_is_wrong_by_an_hour():
    clock_is_wrong("on_node")


@case
def the_clients_clock_is_wrong_by_an_hour():
    clock_is_wrong("on_client")


@case
def an_agent_has_a_certificate_until_it_is_revoked():
    with world() as w:
        with w.agent() as agent:
            cert = read_cert(agent)
            check(w.verifies(cert), "the client believes it", cert)
            check("OU = " + NODE in ca_cli.x509(cert, "-subject"), "its node", cert)
            equal(w.judged(cert), "good", "what the client hears")
            w.cm.cli("agent", "revoke", agent.agent)
            until("the CA knows", lambda: w.all_revoked(agent.agent))
            equal(w.judged(cert), "revoked", "what the client hears")
            check(agent.read("key")[0] != 0, "the key is gone")
        w.new_agent_works()


def cut_and_healed(who, how, wait=False):
    """wait: so long that a claim is told to come again, where it may."""
    with world() as w:
        who = getattr(w, who)
        with w.agent() as old:
            cert = read_cert(old)
            who.cut(how)
            told, early, late, later = [w.cm.spawn(OWNER) for _ in range(4)]
            waiting = [begin_as_uid(OWNER, patient, w.cm.api, early)]
            until_away(w.cm)
            equal(read_cert(old), cert, "what is there is there")
            if who is w.on_ca:
                equal(w.judged(cert, 3), None, "no answer is no answer")
            if wait:
                error, text = claim(w.cm, told)
                equal(error, "pending", text)
        until("its end is owed", lambda: number(w.cm, "revocations_owed"))
        waiting.append(begin_as_uid(OWNER, patient, w.cm.api, late))
        who.heal()
        for one in waiting:
            has_key(one())
        has_key(as_uid(OWNER, patient, w.cm.api, later))
        until("the CA knows the end of " + old.agent,
              lambda: w.all_revoked(old.agent))
        until_back(w.cm)
        equal(w.judged(cert), "revoked", "once it is told")
        w.new_agent_works()


@case
def what_the_ca_is_sent_is_lost():
    cut_and_healed("on_ca", "silent", wait=True)


@case
def what_the_node_is_sent_is_lost():
    not_here("to certmgr it is as if the CA were sent nothing")
    cut_and_healed("on_node", "silent")


@case
def the_nodes_cable_is_out():
    cut_and_healed("on_node", "down")


@case
def the_node_has_no_network():
    not_here("to certmgr it is as if the cable were out")
    cut_and_healed("on_node", "gone")


@case
def hosts_are_started_anew():
    with world() as w:
        with w.agent() as agent:
            cert = read_cert(agent)
            w.on_ca.restart()
            check(w.state(agent.agent) in ("made", "claimed"), "the agent lives on")
            until("the responder answers", lambda: w.judged(cert) is not None)
            equal(w.judged(cert), "good", "the CA has forgotten nothing")
            w.on_node.restart()
            until("what lived before is revoked",
                  lambda: w.all_revoked(agent.agent))
            equal(w.judged(cert), "revoked", "and the client hears it")
            until_back(w.cm)
        w.new_agent_works()
        for host in (w.on_ca, w.on_node):
            host.kill()
        for host in (w.on_node, w.on_ca):       # the node waits for its CA
            host.restart()
        until_back(w.cm)
        equal(w.judged(cert), "revoked", "after all of it")
        w.new_agent_works()


if __name__ == "__main__":
    sys.exit(run_at_once())
