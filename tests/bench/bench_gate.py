#!/usr/bin/env python3
"""Benchmark: signing an S3 GET by HTTP over credd's http.sock and over mutual TLS on kept
connections, beside the native protocol on its UNIX socket, by turns in one run; what a
new connection costs; and the memory of an idle credd with listen= set. Needs root."""
import contextlib
import os
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from ca_stage import (MS, ROUNDS, at_least, at_most, cpu_seconds, figure,  # noqa: E402
                      heading, median, pss_mib, tool)
from lib.ca_cli import until                                    # noqa: E402
from lib.daemon import Daemon                                   # noqa: E402
from lib.raw import KEY, SECRET                                 # noqa: E402
from lib.two import Remote                                    # noqa: E402
from lib.web import TlsWeb, http_sock                           # noqa: E402

MANY = 32       # connections
PASSING = ("front", "worker", "opener")     # of the admin who set the stage


class Stage(Remote):
    """A credd that signs for a local uid and for an agent with a certificate."""

    def __init__(self, stack):
        super().__init__(stack)
        self.pss_without = idle(stack.enter_context(Daemon()))
        self.credd = self.store()
        self.context = ssl.create_default_context(cafile=self.root)
        until("the gate has a certificate", self.serves)
        self.pss = idle(self.credd)
        self.context.load_cert_chain(self.identity("web"))
        with self.credd.admin() as a:
            a.credential_add("sample", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            for who in (("uid", os.getuid()), ("cert.o", "web")):
                a.grant_add(("credential", "sample"), ("op", "sign"), who)
        self.where = {
            "native": (self.credd.api, ()), "http": (http_sock(self.credd), ()),
            "tls": (self.credd.options["listen"], (self.root, self.identity("web")))}

    def web(self):
        return TlsWeb(self.credd.options["listen"], self.context)

    def serves(self):
        try:
            with self.web() as c:
                return c.ask("GET", "/healthz").status == 200
        except OSError:
            return False

    def sign(self, kind, conns, ms=MS):
        where, files = self.where[kind]
        return tool("gate_sign", kind, where, conns, ms, "sample", *files)

    def used(self):
        """{role: seconds of processor}"""
        return {role: sum(cpu_seconds(p) for p in pids)
                for role, pids in self.credd.roles().items()}


def idle(credd):
    """{role: MiB} of those who stay without a client."""
    return {role: sum(pss_mib(p) for p in pids)
            for role, pids in credd.roles().items() if role not in PASSING}


def compare(s, conns):
    """{kind: medians of the rounds}, and {kind: {role: us of processor}} of one."""
    got = {kind: [] for kind in s.where}
    cost = {kind: {} for kind in s.where}
    for kind in s.where:
        s.sign(kind, conns, MS // 4 + 1)
    for _ in range(ROUNDS):
        for kind, rounds in got.items():
            before = s.used()
            rounds.append(s.sign(kind, conns))
            for role, seconds in s.used().items():
                cost[kind].setdefault(role, []).append(
                    (seconds - before.get(role, 0)) * 1e6 / rounds[-1]["answers"])
    return ({kind: {n: median([r[n] for r in rounds]) for n in rounds[0]}
             for kind, rounds in got.items()},
            {kind: {role: median(us) for role, us in roles.items()}
             for kind, roles in cost.items()})


def rate_rows(s):
    got, cost = compare(s, MANY)
    heading("signing by HTTP: %d kept connections" % MANY)
    base = got["native"]["rate"]
    at_least("http.sock / native socket, a second", got["http"]["rate"] / base, 0.4)
    at_least("mutual TLS / native socket, a second", got["tls"]["rate"] / base, 0.3)
    for kind, what in (("native", "native socket"), ("http", "http.sock"),
                       ("tls", "mutual TLS")):
        figure(what + ", signatures a second", got[kind]["rate"], "/s")
        figure("  p50", got[kind]["p50_us"], "us")
        figure("  p99", got[kind]["p99_us"], "us")
        for role in sorted(cost[kind], key=cost[kind].get, reverse=True):
            if cost[kind][role] >= 1:
                figure("  processor for a signature: " + role, cost[kind][role], "us")


def latency_rows(s):
    got, _ = compare(s, 1)
    heading("signing by HTTP: one kept connection")
    base = got["native"]["p50_us"]
    at_most("http.sock's median / the native socket's", got["http"]["p50_us"] / base, 1.5)
    at_most("mutual TLS's median / the native socket's", got["tls"]["p50_us"] / base, 2)
    for kind, what in (("native", "native socket"), ("http", "http.sock"),
                       ("tls", "mutual TLS")):
        figure(what + ", p50", got[kind]["p50_us"], "us")
        figure("  p99", got[kind]["p99_us"], "us")


def connection_rows(s):
    """Handshake, verdict on the certificate, one signed answer; no session is resumed."""
    took = []
    end = time.monotonic() + ROUNDS * MS / 1000
    while time.monotonic() < end:
        start = time.monotonic()
        with s.web() as c:
            if c.ask("GET", "/v1/credentials").status != 200:
                raise SystemExit("a connection is refused")
        took.append((time.monotonic() - start) * 1e6)
    took.sort()
    heading("a new connection with a certificate, and its first answer")
    figure("p50", median(took), "us")
    figure("  p99", took[-1 - len(took) // 100], "us")


def memory_rows(s):
    heading("memory of an idle credd (PSS)")
    at_most("with listen=, all processes", sum(s.pss.values()), 16, "MiB")
    for role in sorted(s.pss, key=s.pss.get, reverse=True):
        figure("  " + role, s.pss[role], "MiB")
    figure("without listen=, all processes", sum(s.pss_without.values()), "MiB")


def main():
    if os.geteuid():
        print("gate: not measured: only root gives the roles uids of their own")
        return
    wanted = sys.argv[1:]
    with contextlib.ExitStack() as stack:
        s = Stage(stack)
        for name, rows in (("memory", memory_rows), ("rate", rate_rows),
                           ("latency", latency_rows), ("connection", connection_rows)):
            if not wanted or name in wanted:
                rows(s)


main()
