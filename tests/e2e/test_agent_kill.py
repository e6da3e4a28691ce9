#!/usr/bin/python3
"""kill -9 of each process of certmgr, of ca, and of agents, in storms. The CA's log
judges: what belongs to nobody any more is revoked within two seconds of the moment when
both daemons are up again, what belongs to somebody is not, and no token stands for two
certificates at once. CRETULA_SEED=N repeats a storm.

test: alone"""
import contextlib
import os
import random
import signal
import statistics
import sys
import threading
import time

from lib import ca_cli, upcall
from lib.ca_cli import SECONDS, until
from lib.case import case, check, equal, is_sanitized, run
from lib.certmgr import node
from lib.daemon import wait_end
from lib.storm import Crowd, certmgr_log, history, nothing_waits

from cretula_native import ProtocolError, Refused

SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().getrandbits(32)))
USERS = 5               # whose quota of keys is used
BOUND = 6 if is_sanitized() else 2      # seconds until what is nobody's is revoked
AGENTS = 60 if is_sanitized() else 150
AT_ONCE = 20            # that live
LEFT = 15               # alive at the end of a storm
# Ten deaths of a role within a minute end a daemon.
CM_KILLS = ["store", "net", "door", "dialer", "front"] * 3 + ["view"] * 2 + \
    ["keeper"] * 4 + ["supervisor"] * 2
CA_KILLS = ["issuer", "store", "signer", "gate"] * 3 + ["door", "dialer",
                                                        "supervisor"]
QUIET = 3               # pauses that are longer than BOUND


@contextlib.contextmanager
def world(**options):
    """(ca, cm, uids): users who may start agents of any type."""
    with upcall.registered(), node(**options) as (ca, cm):
        uids = [upcall.fresh_uid() for _ in range(USERS)]
        for uid in uids:
            cm.grant(uid)
        try:
            yield ca, cm, uids
        except BaseException:
            say_denials(cm)
            raise


def say_denials(cm):
    with contextlib.suppress(Exception):
        for r in certmgr_log(cm):
            if r.text("decision") == "deny":
                print(" ".join("%s=%r" % (n, v) for n, v, _ in r))


# Judging

def all_revoked(certs):
    return all(c.revoked for c in certs)


def never_two(agent, certs, renewals=False):
    """The one before is revoked before the next is made, unless that renews it."""
    for a, b in zip(certs, certs[1:]):
        check((a.revoked_index or 1 << 40) < b.index or
              (renewals and b.replaces == a.serial),
              "%s: never two at once" % agent, a, b)


def one_is_good(agent, certs, serial, renewals=False):
    """All but the last are revoked, and that is what the agent has."""
    check(certs, "the CA knows of %s" % agent)
    check(all(a.revoked or renewals and b.replaces == a.serial
              for a, b in zip(certs, certs[1:])), "the earlier ones are revoked",
          certs)
    check(not certs[-1].revoked, "what it has is good", agent, certs)
    equal(serial, certs[-1].serial, "what %s has" % agent)


def ids_of(records):
    """{pid: {agent id}} of everybody who was ever started."""
    out = {}
    for r in records:
        if r.text("event") == "agent.spawn" and r.text("decision") == "allow":
            out.setdefault(int(r.text("pid")), set()).add(r.text("agent"))
    return out


def until_settled(ca, cm, dead):
    """The CA has revoked what was ever made for them."""
    def settled():
        try:
            owned = ids_of(certmgr_log(cm))
            known = history(ca)
        except Refused as e:
            equal(e.error, "unavailable", "while a store is started anew")
            return False
        return nothing_waits(cm) and all(
            all_revoked(known.get(i, ())) for a in dead
            for i in owned.get(a.pid, set()) | set(a.ids))
    until("what the dead had is revoked", settled)


def claims_are_recorded(crowd, records):
    seen = {(r.text("agent"), r.text("serial")) for r in records
            if r.text("event") == "agent.claim" and
            r.text("decision") == "allow"}
    for a in crowd.agents:
        for _, serial, agent in a.held if a.way != "view" else ():
            check((agent, serial) in seen, "a claim is on record", agent, serial)


def ok(ca, cm, roles):
    """Both answer, and every process is there."""
    try:
        return ca_cli.ready(ca) and cm.status().text("state") and \
            roles <= set(cm.roles())
    except (OSError, Refused, ProtocolError):
        return False


# Without storms

@case
def the_end_is_told_to_the_ca_at_once():
    rng = random.Random(SEED)
    with world() as (ca, cm, uids), Crowd(cm, 20, uids, rng) as crowd:
        for a in crowd.agents:
            a.begin()
        crowd.until("all have claimed", lambda: all(a.held for a in crowd.agents))
        for a in crowd.agents:
            a.end()
        until_settled(ca, cm, crowd.agents)
        known = history(ca)
        took = [c.revoked - a.died for a in crowd.agents for c in known[a.id]]
        equal(len(took), 20, "certificates")
        print("from an agent's death to its revocation: median %.1f ms, at most "
              "%.1f ms" % (statistics.median(took) * 1e3, max(took) * 1e3))
        check(statistics.median(took) < 1, "within a second", took)
        equal(cm.list(), [], "agents")
        equal(cm.stop(), 0, "exit code")


def memory_lost(lose):
    """Agents of all kinds before and after keeper's memory is lost by lose(cm), which
    calls what it is given while keeper is away."""
    rng = random.Random(SEED)
    with world() as (ca, cm, uids), Crowd(cm, 14, uids, rng) as crowd:
        claimed, viewed = [[a for a in crowd.agents if (a.way == "view") == v]
                           for v in (False, True)]
        unclaimed, claimed = claimed[:4], claimed[4:]
        for a in crowd.agents:
            a.begin(claims=a not in unclaimed)
        crowd.until("all are there", lambda: all(
            a.id and (a.held or not a.claims) for a in crowd.agents))
        until("all have certificates", lambda: len(history(ca)) == 14)
        before = {i: certs[-1].serial for i, certs in history(ca).items()}
        dead = [unclaimed.pop(), claimed.pop(), viewed.pop()]

        def meanwhile():
            for a in dead:
                a.end()
        lose(cm, meanwhile)
        until_settled(ca, cm, dead)
        for a in unclaimed + viewed:
            a.claim()
        crowd.until("who needs one has another", lambda: all(
            a.serial not in (None, before[a.id]) for a in unclaimed + viewed))
        known, records = history(ca), certmgr_log(cm)
        equal(sorted(known), sorted(a.id for a in crowd.agents), "agents")
        for a in crowd.living():
            one_is_good(a.id, known[a.id], a.serial)
        for a in claimed:
            equal(len(known[a.id]), 1, "certificates of who had claimed")
        for agent, certs in known.items():
            never_two(agent, certs)
        for a in dead:
            equal(len(known[a.id]), 1, "certificates of the dead")
        claims_are_recorded(crowd, records)
        equal(sorted(a["agent"] for a in cm.list()),
              sorted(a.id for a in crowd.living()), "agents that live")


@case
def all_of_certmgr_is_killed():
    def lose(cm, meanwhile):
        cm.kill_all()
        meanwhile()
        cm.start()
    memory_lost(lose)


@case
def keeper_dies_three_times():
    def lose(cm, meanwhile):
        cm.kill("keeper")
        meanwhile()
        cm.kill("keeper")
        cm.kill("keeper")
        check("event=arena_dropped" in cm.log() or "memfd_secret" in cm.log(),
              "the arena is dropped")
    memory_lost(lose)


# Storms

class Killer(threading.Thread):
    """Kills this and that at random moments. .outages: [(from, to)] of what is not up;
    .forgot: when keeper's memory may have been lost."""

    def __init__(self, ca, cm, rng):
        super().__init__(daemon=True)
        self.ca, self.cm, self.rng = ca, cm, rng
        self.roles = set(cm.roles()) - {"front"}
        self.todo = [(cm, r) for r in CM_KILLS] + [(ca, r) for r in CA_KILLS]
        rng.shuffle(self.todo)
        self.quiet = set(rng.sample(range(len(self.todo)), QUIET))
        self.outages, self.forgot, self.error = [], [], None
        self.halt = threading.Event()

    def supervisor(self, daemon):
        if daemon is self.cm:
            self.cm.kill_all()
        else:
            daemon.stop(signal.SIGKILL)
        daemon.start()

    def one(self, daemon, role):
        if role == "supervisor":
            self.supervisor(daemon)
            return
        pids = daemon.roles().get(role, [])
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        for pid in pids:
            check(wait_end(pid, SECONDS), "%s ends" % role)

    def kill(self, daemon, role):
        began = time.time()
        if daemon is self.cm and role in ("supervisor", "keeper"):
            self.forgot.append(began)
        self.one(daemon, role)
        until("both are up again after a kill of %s" % role,
              lambda: ok(self.ca, self.cm, self.roles))
        self.outages.append((began, time.time()))

    def run(self):
        try:
            for i, (daemon, role) in enumerate(self.todo):
                self.halt.wait(self.rng.uniform(0, 0.25) +
                               (1.5 * BOUND if i in self.quiet else 0))
                if self.halt.is_set():
                    return
                self.kill(daemon, role)
        except BaseException as e:
            self.error = e


def churn(crowd, killer, rng):
    """Agents begin, live for a while, and end, as long as somebody kills."""
    todo = list(crowd.agents)
    done = False
    while killer.is_alive() or not done:
        check(not killer.error, "the killer", repr(killer.error))
        crowd.hear(rng.uniform(0, 0.05))
        living = crowd.living()
        if todo and len(living) < AT_ONCE and rng.random() < 0.7:
            todo.pop().begin(claims=rng.random() < 0.9)
        elif len(living) > LEFT and rng.random() < 0.5:
            rng.choice(living).end(rng.choice((9, 15, None)))
        done = not todo or not killer.is_alive()
    crowd.until("who lives has what it asked for", lambda: all(
        a.serial or not a.claims and a.id for a in crowd.living()))


def up_for(outages, start, end):
    """The longest time between start and end that both were up."""
    longest, at = 0, start
    for a, b in outages + [(end, end)]:
        longest = max(longest, min(a, end) - at)
        at = max(at, b)
    return longest


def judge_dead(dead, owned, known, outages):
    took = []
    for a in dead:
        for i in owned.get(a.pid, set()) | set(a.ids):
            for c in known.get(i, ()):
                late = max(a.died, c.made)
                took.append(up_for(outages, late, c.revoked))
                check(took[-1] <= BOUND, "revoked within %d s" % BOUND, c,
                      "died %.3f" % a.died,
                      [o for o in outages if o[1] > late - 1 and
                       o[0] < c.revoked + 1])
    print("%d certificates of the dead, revoked after at most %.3f s, median "
          "%.3f s" % (len(took), max(took), statistics.median(took)))


def judge_living(living, owned, known, listed):
    for a in living:
        if not a.held and a.id not in known:
            continue        # it has not asked, and the CA not been asked
        certs = known[a.id]
        one_is_good(a.id, certs, a.serial or certs[-1].serial, renewals=True)
        shown = listed.get(a.id)
        check(shown, "certmgr knows of %s" % a.id)
        equal(shown.get("serial"), certs[-1].serial, "its serial in the list")


def judge_lost(crowd, killer, known):
    for a in crowd.agents:
        for when, agent in a.lost:
            check(any(a.began - 1 < t < when for t in killer.forgot),
                  "a token is forgotten with keeper's memory", a.began, when,
                  killer.forgot)
            check(all_revoked(known.get(agent, ())), "and nothing is valid",
                  agent, known.get(agent))


def read_again(crowd):
    """Files are others where their key was lost."""
    todo = {a: len(a.held) for a in crowd.living() if a.held and a.way == "view"}
    for a in todo:
        a.claim()
    crowd.until("files are read", lambda: all(
        len(a.held) > n for a, n in todo.items()))


def judge(ca, cm, crowd, killer):
    until_settled(ca, cm, crowd.dead())
    read_again(crowd)
    records, known = certmgr_log(cm), history(ca)
    owned = ids_of(records)
    judge_dead(crowd.dead(), owned, known, killer.outages)
    judge_living(crowd.living(), owned, known, {a["agent"]: a for a in cm.list()})
    judge_lost(crowd, killer, known)
    claims_are_recorded(crowd, records)
    for agent, certs in known.items():
        never_two(agent, certs, renewals=True)
    for a in crowd.agents:
        for _, serial, agent in a.held:
            check(serial in [c.serial for c in known[agent]], "the CA made it",
                  agent, serial)
    equal([r for r in records if r.text("event") == "agent.revoke_refused"], [],
          "revocations that the CA refused")
    print("%d agents, %d certificates, %d records, %d kills, %d answers lost, "
          "%d tokens forgotten" % (
              len(known), sum(map(len, known.values())), len(records),
              len(killer.outages), sum(a.times for a in crowd.agents) -
              sum(len(a.ids) + len(a.held) for a in crowd.agents),
              sum(len(a.lost) for a in crowd.agents)))


@case
def everything_is_killed_in_a_storm():
    rng = random.Random(SEED)
    began = time.monotonic()
    with world() as (ca, cm, uids), Crowd(cm, AGENTS, uids, rng) as crowd:
        killer = Killer(ca, cm, random.Random(SEED + 1))
        killer.start()
        try:
            churn(crowd, killer, rng)
        finally:
            killer.halt.set()
            killer.join()
        check(not killer.error, "the killer", repr(killer.error))
        print("the storm took %.1f s" % (time.monotonic() - began))
        judge(ca, cm, crowd, killer)
        for a in crowd.living():
            a.end()
        until_settled(ca, cm, crowd.dead())
        until("nobody is left", lambda: not cm.list())


if __name__ == "__main__":
    print("CRETULA_SEED=%d" % SEED)
    sys.exit(run())
