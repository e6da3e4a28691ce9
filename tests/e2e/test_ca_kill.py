#!/usr/bin/python3
"""kill -9 of each process of ca at random moments while ten thousand certificates are
issued, by mutual TLS and by token. Then the whole history is compared: every
certificate that a client received is in the inventory and in the log, byte for
byte; no serial, number or token twice; the log verifies; the signer's running hash
is right from record to record, and breaks off only where something was killed.

test: alone"""
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import sys
import time

from lib.ca_client import (NODE, Chain, Https, NoAnswer, Problem, add_token_by,
                           context, enrol_attrs, init, issuer_of, load, make_csr,
                           pem_to_der, read_all, serial_hex, sha256, shown,
                           until_https, until_open)
from lib.case import case, check, equal, is_sanitized, run
from lib.daemon import Ca, wait_end

from cretula_native import Client, ProtocolError, Refused

WANTED = 1500 if is_sanitized() else 10000
TOKENS = 100 if is_sanitized() else 500
ISSUERS = 4             # processes that issue
SECONDS = 550
STALLED = 60            # no certificate for so long: it does not come back
# A core role that dies ten times within a minute ends ca; one kill of all is the
# supervisor's, so the count begins anew.
KILLS = ["issuer", "store", "signer", "gate", "front", "door", "dialer"] * 4 + \
        ["supervisor"] * 3
# What a client may hear while something is being started anew.
PASSING = ("unavailable", "limited", "timeout")
SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().getrandbits(32)))
RANDOM = random.Random(SEED)


class Worker:
    """A process that asks until it is told to stop, and tells what it got:
    ("cert", DER, token id or None), ("wrong", why, …) or, once, "done"."""

    def __init__(self, target, *arguments):
        self.results, sender = multiprocessing.Pipe(duplex=False)
        self.stop = multiprocessing.Event()
        self.process = multiprocessing.Process(
            target=self.main, args=(target, sender) + arguments, daemon=True)
        self.process.start()
        sender.close()

    def main(self, target, sender, *arguments):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            target(self.stop, sender, *arguments)
        except Exception as e:
            sender.send(("wrong", repr(e), None))


def issue(stop, sender, ca, chain, who):
    """By mutual TLS, each time another CSR on the kept connection."""
    ctx, h = context(chain, *who), None
    key, csr = make_csr()
    while not stop.is_set():
        try:
            h = h or Https(ca.https, ctx, 20)
            got = h.issue("web", NODE, csr)
            sender.send(("cert", pem_to_der(got["certificate"]), None))
        except (NoAnswer, Problem, OSError, ValueError) as e:
            if isinstance(e, Problem) and e.error not in PASSING:
                sender.send(("wrong", str(e), None))
                return
            if h and not isinstance(e, Problem):
                h.close()
                h = None
                stop.wait(0.01)     # nothing tells when it listens again
            continue        # the same CSR again: it may have been issued
        csr = make_csr(key=key, cn="again")[1]


def linger(stop, ca):
    """A client of api.sock that is there whenever it can be, for its front."""
    while not stop.is_set():
        try:
            with Client(ca.api, timeout=20) as client:
                while not stop.wait(0.05):
                    client.call("status")
        except (Refused, ProtocolError, OSError):
            stop.wait(0.01)     # nothing tells when it listens again


def enrol_all(stop, sender, ca, chain, tokens):
    """Each token by one CSR, asked again until there is an answer."""
    client = None
    for token in tokens:
        _, csr = make_csr()
        while not stop.is_set():
            try:
                client = client or Client(ca.api, timeout=20)
                got = client.call("ca.enrol", enrol_attrs(token, csr, chain.spki))
                sender.send(("cert", got.get("certificate"), token.id))
                break
            except Refused as e:
                if e.error not in PASSING:
                    sender.send(("wrong", str(e), token.id))
                    return
            except (ProtocolError, OSError):
                if client:
                    client.close()
                client = None
                stop.wait(0.01)     # nothing tells when it listens again
    sender.send(("done", None, None))
    linger(stop, ca)


class Load:
    """.got: [(DER, token id or None)] in the order of arrival."""

    def __init__(self, ca, chain, who, tokens):
        self.got, self.wrong, self.done = [], [], 0
        share = len(tokens) // 2
        self.enrolling = [Worker(enrol_all, ca, chain, tokens[:share]),
                          Worker(enrol_all, ca, chain, tokens[share:])]
        self.workers = self.enrolling + [Worker(issue, ca, chain, who)
                                         for _ in range(ISSUERS)]
        self.open = [w.results for w in self.workers]

    def take(self, timeout):
        ready = multiprocessing.connection.wait(self.open, timeout)
        for r in ready:
            try:
                what, value, token = r.recv()
            except EOFError:
                self.open.remove(r)
                continue
            if what == "wrong":
                self.wrong.append(value)
            elif what == "done":
                self.done += 1
            else:
                self.got.append((value, token))
        return bool(ready)

    def reaches(self, count, end):
        while len(self.got) < count and not self.wrong:
            check(time.monotonic() < end, "%d certificates" % count,
                  len(self.got))
            check(self.take(STALLED), "certificates go on", len(self.got))
        equal(self.wrong, [], "answers that are none of the passing ones")

    def finish(self):
        """The enrolments to their end, then the rest."""
        while self.done < len(self.enrolling) and not self.wrong:
            check(self.take(STALLED), "enrolments go on", len(self.got))
        self.halt()
        while self.open:
            check(self.take(STALLED), "the others end")
        equal(self.wrong, [], "answers that are none of the passing ones")

    def halt(self):
        for w in self.workers:
            w.stop.set()

    def close(self):
        for w in self.workers:
            w.process.kill()
            w.process.join()


def kill(ca, role):
    if role == "supervisor":
        ca.process.kill()
        ca.process.wait()
        ca.start()
        return
    end = time.monotonic() + STALLED
    pids = []
    while not pids:     # it may be dead just now: nothing tells when it is back
        pids = ca.roles().get(role, [])
        check(time.monotonic() < end, "there is a %s" % role)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        check(wait_end(pid, 30), "the %s ends" % role)


def kills(ca, load, end):
    """All of KILLS in a random order at random moments."""
    todo = list(KILLS)
    RANDOM.shuffle(todo)
    moments = sorted(RANDOM.randrange(WANTED) for _ in todo)
    for role, moment in zip(todo, moments):
        load.reaches(moment, end)
        kill(ca, role)
    load.reaches(WANTED, end)


# The history

def number_of(serial):
    return int(serial[2:12], 16)


def received_is_there(admin, got, rows, certificates):
    for der, token in got:
        serial = serial_hex(der)
        check(serial in rows, "a received certificate is in the inventory", serial)
        record = certificates.get(serial)
        check(record, "and in the log", serial)
        equal(record.text("sha256"), sha256(der).hex(), "its hash in the log")
        equal(shown(admin, serial).get("certificate"), der, "in the inventory")
        equal(record.text("token"), token and token.hex(), "its token")
    serials = [serial_hex(der) for der, _ in got]
    equal(len(set(serials)), len(serials), "serials that clients received")


def nothing_twice(rows, log):
    numbers = [number_of(s) for s in rows]
    equal(len(set(numbers)), len(numbers), "numbers")
    tokens = [r.text("token") for r in log.events("enrol")
              if r.get("sha256") is not None]
    equal(len(set(tokens)), len(tokens), "tokens used")
    equal(len(tokens), TOKENS + 1, "each is used")
    equal(log.events("token.theft"), [], "alarms")


def chain_holds(chain, admin, log):
    """signed= counts on and chain= is the hash of all that was signed; except
    where the signer or the issuer was killed: what it had signed is gone."""
    breaks, before = 0, None
    for serial, record in log.certificates().items():
        der = shown(admin, serial).get("certificate")
        chain.signed(der)
        count, now = int(record.text("signed")), bytes.fromhex(record.text("chain"))
        if before and count == before[0] + 1:
            tbs = load(der).tbs_certificate_bytes
            equal(now, sha256(before[1] + number_of(serial).to_bytes(8, "big") +
                              sha256(tbs)), "the signer's hash at %s" % serial)
        elif before:
            breaks += 1
        before = (count, now)
    allowed = sum(1 for r in KILLS if r in ("issuer", "signer", "supervisor"))
    check(breaks <= allowed, "the count breaks off at most once a kill",
          breaks, allowed)
    return breaks


def judge(ca, chain, load):
    with ca.admin() as a:
        rows, log = read_all(a)
        certificates = log.certificates()
        received_is_there(a, load.got, rows, certificates)
        nothing_twice(rows, log)
        breaks = chain_holds(chain, a, log)
        attention = [t.decode() for t in a.status().all("attention")]
        check(not any("signed" in t for t in attention), "status", attention)
    print("%d received, %d in the inventory, %d records, %d checkpoints, %d "
          "breaks of the count, %d kills" % (
              len(load.got), len(rows), len(log.records), len(log.notes), breaks,
              len(KILLS)))


@case
def ten_thousand_issuances_and_every_process_killed():
    began = time.monotonic()
    with Ca(default_profile="yes", tls_names=["localhost"]) as ca:
        init(ca)
        chain = Chain(ca)
        until_https(ca, chain)
        who = issuer_of(ca, chain)
        with ca.admin() as a:
            tokens = [add_token_by(a) for _ in range(TOKENS)]
        load = Load(ca, chain, who, tokens)
        try:
            kills(ca, load, began + SECONDS)
            load.finish()
        finally:
            load.close()
        print("%d certificates in %.1f s" % (len(load.got),
                                             time.monotonic() - began))
        until_open(ca)
        judge(ca, chain, load)
        equal(ca.stop(), 0, "the exit code on SIGTERM")
        ca.start()
        until_open(ca)
        judge(ca, chain, load)


if __name__ == "__main__":
    print("CRETULA_SEED=%d" % SEED)
    sys.exit(run())
