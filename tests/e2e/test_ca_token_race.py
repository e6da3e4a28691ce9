#!/usr/bin/python3
"""One token, two hundred enrolments at once with different CSRs, half by api.sock and
half over HTTPS: exactly one certificate, whichever process of ca is killed in the
middle. What every client heard, the inventory, the token and the log are compared
whole.

test: alone"""
import contextlib
import os
import random
import signal
import sys
import threading
from collections import Counter

from lib.ca_client import (Chain, Https, NoAnswer, Problem, add_token,
                           context, enrol, enrol_attrs, init, make_csr, pem_to_der, read_all,
                           read_log, serial_hex, sha256, shown, until_https,
                           until_open)
from lib.case import case, check, equal, is_sanitized, run
from lib.daemon import Ca, wait_end

from cretula_native import Client, Refused

CLIENTS = 60 if is_sanitized() else 200
WAIT = 60
# What a loser may hear: it was too late, or ca was being started anew.
ANSWERS = ("conflict", "unavailable", "limited", "timeout")
SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().getrandbits(32)))
RANDOM = random.Random(SEED)


class Race:
    """.heard[i]: ("won", DER), ("refused", error, text, request_id) or
    ("nothing", why)."""

    def __init__(self, ca, chain, clients=CLIENTS):
        self.ca, self.chain = ca, chain
        self.token = add_token(ca)
        self.csrs = [make_csr(cn="client-%d" % i)[1] for i in range(clients)]
        self.heard = [("nothing", "not asked")] * clients
        self.answered = threading.Semaphore(0)
        self.lines = threading.Barrier(clients + 1)
        self.https = ca.https
        self.ctx = context(chain)

    def ask(self, i):
        """One enrolment, connected before all begin."""
        token, csr, spki = self.token, self.csrs[i], self.chain.spki
        if i % 2:
            with Https(self.https, self.ctx, WAIT) as h:
                with contextlib.suppress(OSError):
                    h.connection.connect()
                self.lines.wait(WAIT)
                return pem_to_der(h.enrol(token, csr, spki)["certificate"])
        self.lines.wait(WAIT)
        return enrol(self.ca.api, token, csr, spki, WAIT).get("certificate")

    def work(self, i):
        try:
            self.heard[i] = ("won", self.ask(i))
        except (Refused, Problem) as e:
            self.heard[i] = ("refused", e.error, e.text, e.request_id)
        except NoAnswer as e:
            self.heard[i] = ("nothing", str(e))
        except Exception as e:
            self.heard[i] = ("wrong", repr(e))
        self.answered.release()

    def run(self, meanwhile=None):
        threads = [threading.Thread(target=self.work, args=(i,))
                   for i in range(len(self.csrs))]
        for t in threads:
            t.start()
        self.lines.wait(WAIT)
        if meanwhile:
            meanwhile(self)
        for t in threads:
            t.join()
        self.answers_are_allowed()

    def answers_are_allowed(self):
        for i, what in enumerate(self.heard):
            check(what[0] != "wrong", "client %d" % i, what)
            if what[0] == "refused":
                check(what[1] in ANSWERS, "the refusal of client %d" % i, what)

    def won(self):
        return [(i, h[1]) for i, h in enumerate(self.heard) if h[0] == "won"]

    def told(self):
        heard = Counter(h[1] if h[0] == "refused" else h[0] for h in self.heard)
        return ", ".join("%d %s" % (n, what) for what, n in heard.most_common())

    def count(self, what):
        return sum(1 for h in self.heard if h[0] == what)


def alarms_of(token, log):
    """The request_id of each."""
    return [r.text("request_id") for r in log.events("token.theft")
            if r.text("token") == token.hex]


def judge(ca, race):
    """At most one client won; inventory, log and token know of one certificate
    or none. Returns its number in race.csrs and DER, or None."""
    won = race.won()
    check(len(won) <= 1, "at most one certificate", [i for i, _ in won])
    with ca.admin() as a:
        rows, log = read_all(a)
        found = [r for r in log.events("enrol") if r.get("sha256") and
                 r.text("token") == race.token.hex]
        check(len(found) <= 1, "one in the log at most", found)
        if not found:
            check(not won, "a certificate that is not in the log", won)
            return None
        serial = found[0].text("serial")
        check(serial in rows, "and in the inventory", serial)
        der = shown(a, serial).get("certificate")
    equal(found[0].text("sha256"), sha256(der).hex(), "its hash in the log")
    equal(serial_hex(der), serial, "its serial")
    race.chain.signed(der)
    for _, got in won:
        equal(got, der, "what the winner has")
    missing = {h[3] for h in race.heard if h[0] == "refused" and
               h[1] == "conflict"} - set(alarms_of(race.token, log))
    check(not missing, "who was told of a theft is in the log", missing)
    return der


def afterwards(ca, race):
    """Everybody asks again: one CSR gets the certificate, every other one is a
    thief; the alarms are counted."""
    der = judge(ca, race)
    again, refused = [], []
    known = {i for i, _ in race.won()}
    if der is None:     # nobody has used the token yet: somebody does now
        der = enrol(ca.api, race.token, race.csrs[0], race.chain.spki).get(
            "certificate")
    for i, csr in enumerate(race.csrs):
        try:
            got = enrol(ca.api, race.token, csr, race.chain.spki)
            again.append((i, got.get("certificate")))
        except Refused as e:
            equal(e.error, "conflict", "client %d again (%s)" % (i, e.text))
            refused.append(e.request_id)
    equal(len(again), 1, "one CSR is the token's")
    equal(again[0][1], der, "and gets the same certificate")
    check(known <= {again[0][0]}, "who won is who can fetch it", known, again[0][0])
    with ca.admin() as a:
        alarms = alarms_of(race.token, read_log(a))
        equal(len(set(alarms)), len(alarms), "alarms of one request")
        check(set(refused) <= set(alarms), "an alarm for each of the others",
              len(refused), set(refused) - set(alarms))
        check(any("theft: token " + race.token.hex in t.decode()
                  for t in a.status().all("attention")), "status tells it",
              a.status())
    equal(judge(ca, race), der, "still one certificate")


@contextlib.contextmanager
def a_ca():
    with Ca(default_profile="yes", tls_names=["localhost"]) as ca:
        init(ca)
        chain = Chain(ca)
        until_https(ca, chain)
        yield ca, chain


@case
def one_of_two_hundred_wins():
    with a_ca() as (ca, chain):
        for _ in range(3):
            race = Race(ca, chain)
            race.run()
            equal((race.count("won"), race.count("refused")),
                  (1, CLIENTS - 1), "winners, losers")
            equal({h[1] for h in race.heard if h[0] == "refused"},
                  {"conflict"}, "what the losers heard")
            with ca.admin() as a:
                equal(len(alarms_of(race.token, read_log(a))), CLIENTS - 1,
                      "alarms")
            afterwards(ca, race)


@case
def the_same_csr_two_hundred_times_is_one_certificate():
    with a_ca() as (ca, chain):
        race = Race(ca, chain)
        race.csrs = [race.csrs[0]] * CLIENTS
        race.run()
        equal(race.count("won"), CLIENTS, "all of them are answered")
        equal(len({der for _, der in race.won()}), 1, "with one certificate")
        with ca.admin() as a:
            equal(alarms_of(race.token, read_all(a)[1]), [], "alarms")


def kill_in_the_middle(role, count):
    """After so many answers, the role is killed."""
    def kill(race):
        for _ in range(count):
            check(race.answered.acquire(timeout=WAIT), "answers")
        if role == "supervisor":
            pids = [race.ca.process.pid]
        else:
            pids = race.ca.roles().get(role, [])
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            check(wait_end(pid, WAIT), "the %s ends" % role)
    return kill


def killed(role, rounds=4):
    with a_ca() as (ca, chain):
        for n in range(rounds):
            race = Race(ca, chain)
            # the certificate is made in the first milliseconds
            after = RANDOM.choice([0, 0, 0, 1, RANDOM.randrange(CLIENTS // 2)])
            race.run(kill_in_the_middle(role, after))
            print("%s killed after %d answers: %s" % (role, after, race.told()))
            if role == "supervisor":
                ca.process.wait()
                ca.start()
            until_open(ca)
            until_https(ca, chain)
            afterwards(ca, race)


@case
def issuer_dies():
    killed("issuer")


@case
def store_dies():
    killed("store")


@case
def signer_dies():
    killed("signer")


@case
def gate_dies():
    killed("gate", 2)


@case
def front_dies():
    killed("front", 2)


@case
def door_dies():
    killed("door", 2)


@case
def thousands_wait_for_one_token_and_the_store_dies():
    """All of them are answered at once, by the same issuer."""
    clients, calls = 160, 16000
    with a_ca() as (ca, chain):
        race = Race(ca, chain, 1)
        issuer = ca.roles()["issuer"]
        call = [("verb", "ca.enrol")] + enrol_attrs(race.token, race.csrs[0],
                                                    chain.spki)
        with contextlib.ExitStack() as stack:
            some = [stack.enter_context(Client(ca.api, timeout=WAIT))
                    for _ in range(clients)]
            store, = ca.roles()["store"]
            os.kill(store, signal.SIGSTOP)
            for i in range(calls):
                some[i % clients].send(call)
            # the issuer answers this alone: it has read what came before
            for c in some:
                c.send([("verb", "ca.chain")])
                equal(c.receive()[2].text("error"), None, "ca.chain")
            heard = Counter()
            os.kill(store, signal.SIGKILL)
            for c in some:
                for _ in range(calls // clients):
                    heard[c.receive()[2].text("error", "none")] += 1
        check(set(heard) <= {"none", "unavailable", "limited"}, "answers", heard)
        equal(ca.roles()["issuer"], issuer, "the issuer")
        until_open(ca)
        judge(ca, race)


@case
def supervisor_dies():
    killed("supervisor")


if __name__ == "__main__":
    print("CRETULA_SEED=%d" % SEED)
    sys.exit(run())
