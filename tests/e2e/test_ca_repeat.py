#!/usr/bin/python3
"""Asking again for a certificate whose answer was lost (`repeat`): the same CSR gets the
same certificate, whatever died meanwhile, and never two."""
import base64
import contextlib
import os
import random
import signal
import sys
import threading
import time
import uuid

from lib.ca_client import (SECONDS, Chain, Https, NoAnswer, Problem, add_token, context,
                           enrol, init, inventory, make_csr, pem_to_der, read_log,
                           serial_hex, until_https, until_open)
from lib.case import case, check, equal, run
from lib.daemon import Ca, wait_end

from cretula_native import Refused

PROFILES = """
profile=web life=1h dns={node} dns=*.{node}
profile=batch life=1h
profile=webber life=1h capability=issue:web@{node} capability=issue:batch@{node}
profile=batcher life=1h capability=issue:batch@{node}
"""
N1, N2 = "n1.example", "n2.example"
ROUNDS = 6          # kills of one role: a supervisor gives up at 10 within a minute
SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().getrandbits(32)))
RANDOM = random.Random(SEED)
AT_ONCE = 12


def new_agent():
    """A UUIDv7 of now."""
    n = int(time.time() * 1000) << 80 | RANDOM.getrandbits(80)
    n = n & ~(0xf << 76) | 7 << 76
    return str(uuid.UUID(int=n & ~(3 << 62) | 2 << 62))


class Place:
    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)
        self.webber = self.have(N1, "webber")

    def have(self, node, type):
        key, csr = make_csr()
        got = enrol(self.ca.api, add_token(self.ca, node, type), csr,
                    self.chain.spki)
        return got.get("certificate"), key

    def https(self, who=None, **more):
        return Https(self.ca.https, context(self.chain, *(who or self.webber)),
                     **more)

    def of(self, agent):
        """The serials of that agent's certificates; a CA that is being started anew
        is asked again."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                with self.ca.admin() as a:
                    return sorted(inventory(a, agent=agent))
            except Refused as e:
                check(e.error == "unavailable" and time.monotonic() < end, e.text)
                time.sleep(0.02)

    def log(self):
        with self.ca.admin() as a:
            return read_log(a)

    def until_issued(self, agent, csr, seconds=SECONDS, **more):
        """Asks with `repeat` until there is an answer."""
        end = time.monotonic() + seconds
        while True:
            try:
                with self.https() as h:
                    return h.issue("web", N1, csr, agent=agent, repeat=True,
                                   **more)
            except (NoAnswer, OSError, Problem) as e:
                if isinstance(e, Problem):
                    check(e.error in ("unavailable", "timeout", "limited"),
                          "nothing but 'try again'", e)
                check(time.monotonic() < end, "it is served again", e)
                time.sleep(0.01)


def refused(do, error, says=""):
    try:
        do()
    except Problem as e:
        check(e.error == error and says in e.text, "refused with %s %r" %
              (error, says), e.error, e.text)
        return e
    raise AssertionError("it was not refused: wanted %s %r" % (error, says))


def der_of(answer):
    return pem_to_der(answer["certificate"])


def together(*asks):
    """All at once; what they returned, or raised."""
    got = [None] * len(asks)
    ready = threading.Barrier(len(asks))

    def one(i, ask):
        try:
            ready.wait(SECONDS)
            got[i] = ask()
        except Exception as e:                     # for who looks at it
            got[i] = e
    threads = [threading.Thread(target=one, args=a) for a in enumerate(asks)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return got


@case
def who_asks_again_gets_the_same(place):
    for first in ({}, {"repeat": False}, {"repeat": True}):
        agent, csr = new_agent(), make_csr()[1]
        with place.https() as h:
            one = h.issue("web", N1, csr, agent=agent, **first)
            again = h.issue("web", N1, csr, agent=agent, repeat=True)
        with place.https() as h:
            third = h.issue("web", N1, csr, agent=agent, repeat=True)
        for got in again, third:
            for field in ("certificate", "chain", "serial", "agent", "type",
                          "node", "not_before", "not_after"):
                equal(got[field], one[field], field)
            check(got["request_id"] != one["request_id"], "its own request")
        equal(place.of(agent), [one["serial"]], "certificates")
        place.chain.signed(der_of(again))


@case
def it_is_in_the_log(place):
    agent, csr = new_agent(), make_csr()[1]
    with place.https() as h:
        one = h.issue("web", N1, csr, agent=agent, repeat=True)
        again = h.issue("web", N1, csr, agent=agent, repeat=True)
    log = place.log()
    equal(log.certificates()[one["serial"]].text("event"), "issue", "made once")
    record, = [r for r in log.events("issue.repeat")
               if r.text("serial") == one["serial"]]
    equal([record.text(n) for n in ("type", "node", "agent", "request_id",
                                    "subject")],
          ["web", N1, agent, again["request_id"],
           "cert:" + serial_hex(place.webber[0])], "told again")


@case
def without_repeat_everybody_gets_his_own(place):
    agent, csr = new_agent(), make_csr()[1]
    with place.https() as h:
        made = {h.issue("web", N1, csr, agent=agent)["serial"] for _ in range(3)}
        equal(len(made), 3, "each a new one")
        last = h.issue("web", N1, csr, agent=agent, repeat=True)["serial"]
        equal(last, max(made), "the newest of them")
    equal(len(place.of(agent)), 3, "certificates")


@case
def another_request_gets_another(place):
    agent, (key, csr) = new_agent(), make_csr()
    with place.https() as h:
        first = h.issue("web", N1, csr, agent=agent, repeat=True)["serial"]
        others = [h.issue("batch", N1, csr, agent=agent, repeat=True),
                  h.issue("web", N1, csr, agent=new_agent(), repeat=True),
                  h.issue("web", N1, make_csr(key=key, names=["a." + N1])[1],
                          agent=agent, repeat=True),
                  h.issue("web", N1, make_csr()[1], agent=agent, repeat=True)]
        made = {got["serial"] for got in others} | {first}
        equal(len(made), 5, "another type, agent, CSR, key: another certificate")
        equal(h.issue("web", N1, csr, agent=agent, repeat=True)["serial"], first,
              "the first one")


@case
def many_of_one_agent_are_looked_through(place):
    """More than the store tells at once."""
    agent, csr = new_agent(), make_csr()[1]
    with place.https() as h:
        first = h.issue("web", N1, csr, agent=agent)["serial"]
        for _ in range(70):
            h.issue("web", N1, make_csr()[1], agent=agent)
        equal(h.issue("web", N1, csr, agent=agent, repeat=True)["serial"], first,
              "the oldest of them")


@case
def repeat_needs_the_agent(place):
    csr = make_csr()[1]
    with place.https() as h:
        refused(lambda: h.issue("web", N1, csr, repeat=True), "invalid",
                "'repeat' needs 'agent'")
        for wrong in "yes", 1, "true", [True]:
            refused(lambda w=wrong: h.issue("web", N1, csr, agent=new_agent(),
                                            repeat=w),
                    "invalid", "must be true or false")
        h.issue("web", N1, csr, repeat=False)
        refused(lambda: h.ask("POST", "/v1/certificates/renew", {
            "csr": base64.b64encode(csr).decode(), "repeat": True}), "invalid",
            "not one of this")


@case
def who_may_not_have_it_issued_is_not_told(place):
    agent, csr = new_agent(), make_csr()[1]
    with place.https() as h:
        made = h.issue("web", N1, csr, agent=agent)
    for who in place.have(N1, "batcher"), place.have(N2, "webber"):
        with place.https(who) as h:
            texts = {refused(lambda a=a: h.issue("web", N1, csr, agent=a,
                                                 repeat=True),
                             "denied").text for a in (agent, new_agent())}
            equal(len(texts), 1, "the same whether there is one or not")
    with place.https(place.have(N1, "webber")) as h:
        equal(h.issue("web", N1, csr, agent=agent, repeat=True)["serial"],
              made["serial"], "another who may")


@case
def a_revoked_one_is_not_told_again(place):
    agent, csr = new_agent(), make_csr()[1]
    with place.https() as h:
        made = h.issue("web", N1, csr, agent=agent)
        h.ask("POST", "/v1/certificates/%s/revoke" % made["serial"],
              {"reason": "superseded"})
        refused(lambda: h.issue("web", N1, csr, agent=agent, repeat=True),
                "conflict", "is revoked")
        equal(place.of(agent), [made["serial"]], "and there is no other")
        new = h.issue("web", N1, csr, agent=agent)
        equal(h.issue("web", N1, csr, agent=agent, repeat=True)["serial"],
              new["serial"], "one beside it that is good")


@case
def at_once_they_get_one(place):
    for _ in range(4):
        agent, csr = new_agent(), make_csr()[1]
        with contextlib.ExitStack() as stack:
            asks = []
            for _ in range(AT_ONCE):
                h = stack.enter_context(place.https())
                h.ask("GET", "/v1/ca")          # it is connected
                asks.append(lambda h=h: h.issue("web", N1, csr, agent=agent,
                                                repeat=True))
            got = together(*asks)
        serials = {g["serial"] if isinstance(g, dict) else repr(g) for g in got}
        equal(sorted(serials), place.of(agent), "one certificate for all")
        equal(len(serials), 1, "one")


def calls_of(place):
    with Https(place.ca.https, context(place.chain)) as h:
        text = h.ask("GET", "/metrics")["raw"].decode()
    line, = [l for l in text.split("\n")
             if l.startswith("cretula_ca_gate_calls_in_flight ")]
    return int(line.split()[-1])


@case
def one_that_is_under_way_is_waited_for(place):
    """The first did not say `repeat`, and the signer had not answered yet."""
    agent, csr = new_agent(), make_csr()[1]
    signer, = place.ca.roles()["signer"]
    with contextlib.ExitStack() as stack:
        h = [stack.enter_context(place.https()) for _ in range(4)]
        for one in h:
            one.ask("GET", "/v1/ca")
        os.kill(signer, signal.SIGSTOP)
        try:
            got = [None] * len(h)

            def ask(i):
                got[i] = h[i].issue("web", N1, csr, agent=agent, **(
                    {"repeat": True} if i else {}))
            asks = [threading.Thread(target=ask, args=(i,)) for i in range(len(h))]
            asks[0].start()
            until_waiting(place, 1)
            for t in asks[1:]:
                t.start()
            until_waiting(place, len(h))
        finally:
            os.kill(signer, signal.SIGCONT)
        for t in asks:
            t.join()
    equal({g["serial"] for g in got}, {got[0]["serial"]}, "what all were told")
    equal(place.of(agent), [got[0]["serial"]], "certificates")


def until_waiting(place, n):
    end = time.monotonic() + SECONDS
    while calls_of(place) < n:
        check(time.monotonic() < end, "%d are with the issuer" % n)
        time.sleep(0.01)


def pid_of(place, role):
    end = time.monotonic() + SECONDS
    while True:             # it may be dead just now: nothing tells when it is back
        pids = place.ca.roles().get(role, [])
        if pids:
            return pids[0]
        check(time.monotonic() < end, "there is a %s" % role)


def lose(place, role, agent, csr, wait, **first):
    """Asks, and kills that process wait seconds later: the answer, or None."""
    pid = pid_of(place, role)
    got = []

    def ask():
        try:
            got.append(h.issue("web", N1, csr, agent=agent, **first))
        except (NoAnswer, Problem) as e:
            if isinstance(e, Problem):
                check(e.error in ("unavailable", "timeout"), "it is lost", e)
    with until_known(place) as h:
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(wait)            # the point of it: any moment may be the one
        os.kill(pid, signal.SIGKILL)
        thread.join()
    check(wait_end(pid, SECONDS), "the %s ends" % role)
    return got[0] if got else None


def until_known(place):
    """A connection whose client the issuer has looked up."""
    end = time.monotonic() + SECONDS
    while True:
        h = place.https()
        try:
            h.ask("GET", "/v1/certificates/" + serial_hex(place.webber[0]))
            return h
        except (NoAnswer, Problem) as e:
            h.close()
            check(time.monotonic() < end, "it is served again", e)
            time.sleep(0.01)


def killed(place, role):
    lost = again = 0
    for i in range(ROUNDS):
        agent, csr = new_agent(), make_csr()[1]
        first = lose(place, role, agent, csr, RANDOM.uniform(0, 0.008),
                     **({"repeat": True} if i % 2 else {}))
        before = place.of(agent) if first is None and until_open(place.ca) else []
        got = place.until_issued(agent, csr)
        equal(place.of(agent), [got["serial"]],
              "certificates after a kill of the %s" % role)
        if first is not None:
            equal(got["serial"], first["serial"], "what was told before")
        lost += first is None
        again += bool(before)
        place.chain.signed(der_of(got))
    print("# %s: %d of %d answers lost, %d of them made" %
          (role, lost, ROUNDS, again), flush=True)


@case
def the_issuer_dies_between(place):
    killed(place, "issuer")


@case
def the_store_dies_between(place):
    killed(place, "store")


@case
def the_signer_dies_between(place):
    killed(place, "signer")


@case
def the_gate_dies_between(place):
    killed(place, "gate")


@case
def the_issuer_dies_while_the_store_writes(place):
    """What it was told to write it writes, or forgets, and nobody hears which."""
    made = 0
    for i in range(3):
        agent, csr = new_agent(), make_csr()[1]
        with until_known(place) as h:
            issuer, store = pid_of(place, "issuer"), hold_store(place)
            thread = threading.Thread(target=lambda: silent(
                lambda: h.issue("web", N1, csr, agent=agent)))
            thread.start()
            until_waiting(place, 1)
            time.sleep(0.02)        # the signer signs: nothing tells
            if i:                   # it is written, or it is not
                os.kill(store, signal.SIGCONT)
            os.kill(issuer, signal.SIGKILL)
            os.kill(store, signal.SIGCONT)
            thread.join()
        until_open(place.ca)
        before = place.of(agent)
        got = place.until_issued(agent, csr)
        equal(place.of(agent), [got["serial"]], "certificates")
        equal(before or place.of(agent), [got["serial"]], "the one of before")
        made += bool(before)
    print("# %d of 3 were made" % made, flush=True)


@case
def made_and_never_told(place):
    """The issuer is held when all it does next is to answer, and killed."""
    for _ in range(3):
        agent, csr = new_agent(), make_csr()[1]
        gate, = place.ca.roles()["gate"]
        with place.https() as h:
            h.ask("GET", "/v1/ca")
            thread = threading.Thread(target=lambda: silent(
                lambda: h.issue("web", N1, csr, agent=agent)))
            held = hold_store(place)
            thread.start()
            until_waiting(place, 1)
            # what comes out of the issuer from now on, the gate does not read
            os.kill(gate, signal.SIGSTOP)
            os.kill(held, signal.SIGCONT)
            end = time.monotonic() + SECONDS
            while not place.of(agent):
                check(time.monotonic() < end, "it is made")
                time.sleep(0.01)
            os.kill(gate, signal.SIGKILL)
            thread.join()
        made, = place.of(agent)
        equal(place.until_issued(agent, csr)["serial"], made, "the one of before")
        equal(place.of(agent), [made], "certificates")


def hold_store(place):
    pid, = place.ca.roles()["store"]
    os.kill(pid, signal.SIGSTOP)
    return pid


def silent(do):
    with contextlib.suppress(NoAnswer, OSError, Problem):
        do()


def main():
    print("CRETULA_SEED=%d" % SEED)
    with Ca(tls_names="localhost") as ca:
        ca.stop()
        ca.add_profile("all", PROFILES)
        ca.start()
        return run(Place(ca))


if __name__ == "__main__":
    sys.exit(main())
