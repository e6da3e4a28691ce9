#!/usr/bin/env python3
"""Benchmark: certificates issued over mutual TLS, beside cfssl and beside one core
that only verifies CSRs and signs, by turns in one run."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from ca_stage import (Cfssl, MS, ROUNDS, Stage, at_least, figure, heading,  # noqa: E402
                      median, tool)

CONNS = 32
OURS, THEIRS = 12, 3    # requests made for each millisecond of a round


def say_use(before, after, certs):
    for role in sorted(after, key=lambda r: before.get(r, 0) - after[r]):
        us = (after[role] - before.get(role, 0)) * 1e6 / certs
        if us >= 0.5:
            figure("  processor for a certificate: " + role, us, "us")


def main():
    ours, theirs, loop = [], [], []
    with Stage() as s, Cfssl() as c:
        s.issue(CONNS, MS // 4 + 1, MS * OURS // 4 + 1)
        used, certs = s.used(), 0
        for _ in range(ROUNDS):
            theirs.append(c.issue(CONNS, MS, MS * THEIRS))
            ours.append(s.issue(CONNS, MS, MS * OURS))
            loop.append(tool("ca_loop", "csr", MS))
            certs += ours[-1]["answers"]
        rows = c.rows()
        now = s.used()
    if rows < sum(r["answers"] for r in theirs):
        raise SystemExit("cfssl has recorded %d certificates only" % rows)
    rate = median([r["rate"] for r in ours])
    heading("issuing: mutual TLS, 32 connections, P-256, FULL")
    at_least("certificates a second / cfssl's",
             rate / median([r["rate"] for r in theirs]), 8)
    at_least("certificates a second / one core's verify and sign",
             rate / median([r["rate"] for r in loop]), 0.5)
    figure("certificates a second", rate, "/s")
    figure("  p50", median([r["p50_us"] for r in ours]), "us")
    figure("  p99", median([r["p99_us"] for r in ours]), "us")
    figure("cfssl, plain HTTP", median([r["rate"] for r in theirs]), "/s")
    figure("  p50", median([r["p50_us"] for r in theirs]), "us")
    figure("verify and sign in a loop", median([r["rate"] for r in loop]), "/s")
    say_use(used, now, certs)


main()
