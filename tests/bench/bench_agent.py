#!/usr/bin/env python3
"""Benchmark: agents of certmgr: spawn to token beside a bare round trip, the first
request_key beside a helper that answers a constant, files of the view beside a bare FUSE
file system, each by turns in one run; how many agents, and how much memory. Needs root."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from ca_stage import (MS, ROUNDS, at_most, cpu_seconds, figure, heading,  # noqa: E402
                      median, pss_mib, tool)
from lib.ca_cli import until                                    # noqa: E402
from lib.case import build                                      # noqa: E402
from lib.certmgr import node                                    # noqa: E402
from lib.upcall import registered                               # noqa: E402

SPAWNS, KEYS, READS = 150, 100, 1500    # a round
AT_ONCE = 32
CROWD = 1000
BARE_CONF = "/etc/request-key.d/cretula-bench.conf"


def program(name):
    return os.path.abspath(os.path.join(build(), "bench", "tool", name))


def drained(cm):
    """Nobody is left, and the CA has been told."""
    def now():
        s = cm.status()
        return all(s.text(name) == "0" for name in
                   ("agents", "waiting", "revocations_owed"))
    until("all agents are gone", now)


def rounds(cm, ask, *names):
    """{name: median of the rounds' figures}; _p99 as well."""
    all_of = []
    for _ in range(ROUNDS):
        all_of.append(ask())
        drained(cm)
    return {name + end: median([one[name + end] for one in all_of])
            for name in names for end in ("_us", "_p99_us")}


def both(what, got, name):
    figure(what, got[name + "_us"], "us")
    figure("  p99", got[name + "_p99_us"], "us")


def spawn_rows(cm):
    got = rounds(cm, lambda: tool("agent_spawn", cm.api, SPAWNS),
                 "bare", "way", "spawn", "cert")
    heading("agents: started one after the other on a kept connection")
    at_most("spawn to token / a bare round trip",
            got["spawn_us"] / got["bare_us"], 3)
    both("spawn to token", got, "spawn")
    both("token to certificate, over the socket", got, "cert")
    both("the way of a spawn, through processes that do nothing", got, "way")
    both("a bare round trip (UNIX socket, client and server)", got, "bare")


@contextlib.contextmanager
def bare_helper():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "helper")
        with open(program("request_key_bare"), "rb") as f, open(path, "wb") as g:
            g.write(f.read())
        os.chmod(path, 0o755)
        with open(BARE_CONF, "w") as f:
            f.write("create\tuser\tbench:bare:*\t*\t%s %%k\n" % path)
        try:
            yield
        finally:
            os.unlink(BARE_CONF)


def key_rows(cm):
    with bare_helper():
        got = rounds(cm, lambda: tool("agent_key", cm.api, KEYS),
                     "first", "bare", "cached")
    heading("request_key(2), the certificate being made")
    at_most("first request_key / one whose helper answers a constant",
            got["first_us"] / got["bare_us"], 1.3)
    both("first request_key", got, "first")
    both("the same, a constant", got, "bare")
    both("cached request_key", got, "cached")


@contextlib.contextmanager
def bare_view(sizes):
    with tempfile.TemporaryDirectory() as folder:
        mounted = os.path.join(folder, "bare")
        with subprocess.Popen([program("fuse_bare"), mounted, "agent"] + sizes,
                              stdout=subprocess.PIPE) as p:
            try:
                if p.stdout.readline() != b"ready\n":
                    raise SystemExit("fuse_bare does not mount")
                yield os.path.join(mounted, "agent")
            finally:
                p.terminate()


def read_files(cm):
    with subprocess.Popen([program("agent_view"), cm.api, str(READS)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        with bare_view(p.stdout.readline().decode().split()) as folder:
            out, _ = p.communicate(folder.encode() + b"\n")
        if p.returncode:
            raise SystemExit("agent_view ended with %d" % p.returncode)
    return json.loads(out)


def view_rows(cm):
    got = rounds(cm, lambda: read_files(cm), "view", "bare")
    heading("certificate and key read in the file view")
    at_most("reading both / from a bare FUSE file system",
            got["view_us"] / got["bare_us"], 1.3)
    both("reading both", got, "view")
    both("the same, bare", got, "bare")


def used(*services):
    """{"daemon role": seconds of processor}"""
    return {s.NAME + " " + role: sum(cpu_seconds(p) for p in pids)
            for s in services for role, pids in s.roles().items()}


def sustained_rows(ca, cm):
    rates = []
    before, agents = used(ca, cm), 0
    for _ in range(ROUNDS):
        got = tool("agent_many", "run", cm.api, AT_ONCE, MS)
        drained(cm)
        rates.append(got["agents"] / got["seconds"])
        agents += got["agents"]
    heading("agents sustained: spawn, certificate, end, 32 at a time, beside the CA")
    figure("agents a second", median(rates), "/s")
    now = used(ca, cm)
    for role in sorted(now, key=lambda r: before.get(r, 0) - now[r]):
        us = (now[role] - before.get(role, 0)) * 1e6 / agents
        if us >= 5:
            figure("  processor for an agent: " + role, us, "us")


def pss(cm):
    return {role: sum(pss_mib(p) for p in pids)
            for role, pids in cm.roles().items()}


def idle_rows(cm):
    now = pss(cm)
    heading("memory, all processes (PSS)")
    at_most("idle", sum(now.values()), 20, "MiB")
    for role in sorted(now, key=now.get, reverse=True):
        figure("  " + role, now[role], "MiB")


def crowd_rows(cm):
    idle = sum(pss(cm).values())
    with subprocess.Popen([program("agent_many"), "hold", cm.api, str(CROWD)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        p.stdout.readline()
        until("certificates are there",
              lambda: cm.status().text("waiting") == "0")
        full = pss(cm)
        p.communicate(b"")
    heading("memory with a thousand agents (PSS)")
    figure("all processes", sum(full.values()), "MiB")
    figure("  for an agent", (sum(full.values()) - idle) * 1024 / CROWD, "KiB")
    for role in sorted(full, key=full.get, reverse=True):
        figure("  " + role, full[role], "MiB")
    drained(cm)


def main():
    if os.geteuid():
        print("agents: not measured: the kernel calls, and mounts for, root only")
        return
    wanted = sys.argv[1:]
    with registered(), node() as (ca, cm):
        cm.grant(0)
        until("keys are ready", lambda: cm.status().text("keys_ready") == "64")
        for name, rows in (("idle", idle_rows), ("spawn", spawn_rows),
                           ("key", key_rows), ("view", view_rows),
                           ("sustained", lambda cm: sustained_rows(ca, cm)),
                           ("crowd", crowd_rows)):
            if not wanted or name in wanted:
                rows(cm)


main()
