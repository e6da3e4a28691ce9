#!/usr/bin/env python3
"""Benchmark: an inventory that has grown (BENCH_SCALE certificates, 200,000 if it does
not say; the targets speak of 10000000): how fast certificates are issued then beside
a new CA, by turns, and the memory of all processes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from ca_stage import (MS, ROUNDS, Stage, at_least, at_most, figure, heading,  # noqa: E402
                      median)

SCALE = int(os.environ.get("BENCH_SCALE", 200000))
CONNS = 32
OURS = 12


def pss_all(stage):
    return sum(stage.pss().values())


def main():
    rates = {"new": [], "grown": []}
    p99 = {"new": [], "grown": []}
    with Stage() as new, Stage() as grown:
        idle = pss_all(new)
        grown.fill(SCALE, SCALE // 100, 700)
        started = grown.restart()
        large = pss_all(grown)
        for s in (new, grown):
            s.issue(CONNS, 300, 1000 + MS)
        for _ in range(ROUNDS):
            for name, s in (("new", new), ("grown", grown)):
                r = s.issue(CONNS, MS, MS * OURS)
                rates[name].append(r["rate"])
                p99[name].append(r["p99_us"])
        after = {"new": pss_all(new), "grown": pss_all(grown)}
        roles = grown.pss()
    heading("%d certificates in the inventory" % SCALE)
    at_least("certificates a second / of a new CA",
             median(rates["grown"]) / median(rates["new"]), 0.9)
    at_most("PSS of all processes, idle, new", idle, 24, "MiB")
    at_most("PSS of all processes, grown", large, 96, "MiB")
    figure("certificates a second, new CA", median(rates["new"]), "/s")
    figure("certificates a second, grown", median(rates["grown"]), "/s")
    figure("  p99, new CA", median(p99["new"]), "us")
    figure("  p99, grown", median(p99["grown"]), "us")
    figure("grown: from its start to READY=1", started * 1e3, "ms")
    figure("PSS after issuing, new CA", after["new"], "MiB")
    figure("PSS after issuing, grown", after["grown"], "MiB")
    for role in sorted(roles, key=roles.get, reverse=True):
        figure("  " + role, roles[role], "MiB")


main()
