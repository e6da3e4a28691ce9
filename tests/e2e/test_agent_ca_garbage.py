#!/usr/bin/python3
"""A CA that answers garbage, or another in its place, or only half an answer: nothing of
it is believed, nothing is given up, no agent has two certificates."""
import json
import os
import random
import sys
import threading

from lib.between import (ME, Impostor, apart, claim, each_has_one, grant, has_key,
                         number, self_signed, until_away, until_back)
from lib.ca_cli import csr, until
from lib.case import case, check, equal, is_sanitized, run

SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().getrandbits(32)))
RANDOM = random.Random(SEED)
CUTS = 15 if is_sanitized() else 40
ENDLESS = b"x" * (4 << 20)


def answers_garbage(cm, relay, says, **what):
    """It waits and says why, until there is a CA again."""
    relay.do(**what)
    n = len(relay.came)
    late = cm.spawn(ME)
    until_away(cm, says)
    relay.wait_came(n + 1)
    relay.do("pass")
    until_back(cm)
    return late.agent


def real_one(ca, *more):
    """(certificate, key) that the CA has made for somebody else."""
    token, cert = (os.path.join(ca.base, "localhost" + s) for s in
                   (".token", ".pem"))
    with open(token, "wb") as f:
        f.write(ca.cli("ca", "token", "--node", "localhost", "--type",
                       "web").stdout)
    request = csr(ca, "localhost")
    made = json.loads(ca.cli("ca", "enrol", "--token", "@" + token, "--csr",
                             request, "--json", *more).stdout)
    with open(cert, "w") as f:
        f.write(made["certificate"] + made["chain"])
    return cert, request + ".key"


@case
def what_is_no_ca_is_not_believed():
    with apart() as (ca, cm, relay):
        grant(cm)
        agents = []
        for words in (RANDOM.randbytes(3000),
                      b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                      b"\x15\x03\x03\x00\x02\x02\x28",
                      b"\x16\x03\x03\xff\xff" + bytes(70000)):
            agents.append(answers_garbage(cm, relay, "is not reached",
                                          doing="say", words=words))
        for who in (self_signed(ca.base), real_one(ca)):
            with Impostor(*who, lambda path: (200, b"{}")) as odd:
                agents.append(answers_garbage(
                    cm, relay, "is not the CA whose root", doing="pass",
                    address=odd.address))
                equal(odd.asked, 0, "requests that a stranger got")
        each_has_one(ca, agents)


def odd_answers(certificate, chain):
    other = json.dumps({"certificate": certificate, "chain": chain})
    return [(200, b"{}"), (200, b""), (200, other.encode()),
            (200, b'{"certificate": "-----BEGIN CERTIFICATE-----\\n", "chain": 1}'),
            (200, b"<html>Welcome</html>"), (200, b"[" * 100000),
            (200, ENDLESS), (204, b""), (302, b""), (403, b"no"),
            (404, b"{}"), (404, b"<html>not found</html>"),
            (500, b'{"type": "urn:cretula:error:denied", "detail": "x"}')]


@case
def nothing_odd_that_is_answered_is_final():
    """Whoever has a certificate for the CA's name may be asked; what he says is
    looked at."""
    with apart() as (ca, cm, relay):
        grant(cm)
        cert, key = real_one(ca, "--name", "localhost")
        with open(cert) as f:
            certificate, chain = f.read().split("-----END CERTIFICATE-----\n")[:2]
        certificate += "-----END CERTIFICATE-----\n"
        odd = odd_answers(certificate, chain + "-----END CERTIFICATE-----\n")
        said, lock = [], threading.Lock()

        def answer(path):
            with lock:
                one = odd[len(said) % len(odd)]
                said.append(one)
            return one
        with Impostor(cert, key, answer) as impostor:
            relay.do("pass", address=impostor.address)
            late = cm.spawn(ME)
            agents = [late.agent]
            until("two are asked", lambda: impostor.asked >= 2)
            for _ in range(2):
                agents.append(cm.spawn(ME).agent)
                cm.kill("net")      # which asks at once
            until("all is said", lambda: len(said) >= len(odd))
            equal(number(cm, "certificates"), 0, "certificates")
            equal([a["state"] for a in cm.list()], ["queued"] * 3, "agents")
            check(cm.attention(), "something is wrong")
        relay.do("pass")
        until_back(cm)
        each_has_one(ca, agents)
        has_key(claim(cm, late))


@case
def half_an_answer_never_makes_two():
    with apart() as (ca, cm, relay):
        grant(cm)
        agents = []
        for i in range(CUTS):
            relay.cut_after(RANDOM.randrange(1, 2500))
            agents.append(cm.spawn(ME).agent)
            if i == CUTS // 4:
                cm.kill("net")
            elif i == CUTS // 2:
                cm.kill("keeper")
            elif i == CUTS * 3 // 4:
                cm.kill_all()
                cm.start()
            until("it is made", lambda: number(cm, "waiting") == 0)
        check(relay.cuts >= CUTS // 2, "many were cut", relay.cuts)
        relay.tell(left=None)
        until("all is told", lambda: number(cm, "revocations_owed") == 0)
        until_back(cm)
        each_has_one(ca, agents)


if __name__ == "__main__":
    print("seed=%d" % SEED, flush=True)
    sys.exit(run())
