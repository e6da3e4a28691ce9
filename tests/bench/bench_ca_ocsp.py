#!/usr/bin/env python3
"""Benchmark: OCSP answers, from memory beside a bare libmicrohttpd handler, and
signed live beside one core that only signs them; the same among ten thousand idle
connections and a hundred that crawl."""
import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from ca_stage import (MS, ROUNDS, Stage, at_least, build, figure, hashes,  # noqa: E402
                      heading, median, serialization, tool, x509)
from cryptography.x509 import ocsp                              # noqa: E402

CONNS = 64
IDLE = int(os.environ.get("BENCH_IDLE", 10000))
CRAWL = 100
CRAWL_SECONDS = 0.1     # between two bytes of one


class Bare:
    """ca_bare with that body."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [os.path.join(build(), "bench", "tool", "ca_bare"), path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.address = "127.0.0.1:%d" % int(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()


class Crowd:
    """Connections that say nothing, and some that say a byte now and then. Those
    that the server ends are made again: it has that many all the time."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.at = (host, int(port))
        self.idle = [socket.create_connection(self.at) for _ in range(IDLE)]
        self.crawling = [socket.create_connection(self.at)
                         for _ in range(CRAWL)]
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        text = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Crawl: "
        n = 0
        while not self.end.wait(CRAWL_SECONDS):
            byte = text[n:n + 1] or b"x"
            n += 1
            for i, s in enumerate(self.crawling):
                try:
                    s.send(byte)
                except OSError:
                    self.crawling[i] = socket.create_connection(self.at)
            for i in range(n % 50, IDLE, 50):
                with contextlib.suppress(BlockingIOError):
                    if not self.idle[i].recv(1, socket.MSG_DONTWAIT):
                        self.idle[i].close()
                        self.idle[i] = socket.create_connection(self.at)

    def close(self):
        self.end.set()
        self.thread.join()
        for s in self.idle + self.crawling:
            s.close()


def request(stage, nonce):
    b = ocsp.OCSPRequestBuilder().add_certificate(stage.cert, stage.issuing,
                                                  hashes.SHA1())
    if nonce:
        b = b.add_extension(x509.OCSPNonce(os.urandom(16)), False)
    return b.build().public_bytes(serialization.Encoding.DER)


def fetch(address, der):
    q = urllib.request.Request("http://%s/ocsp" % address, der,
                               {"Content-Type": "application/ocsp-request"})
    with urllib.request.urlopen(q, timeout=10) as r:
        body = r.read()
    if ocsp.load_der_ocsp_response(body).certificate_status != \
            ocsp.OCSPCertStatus.GOOD:
        raise SystemExit("the certificate is not good")
    return body


def rounds(s, bare, loop):
    """Each way by turns: lists of results."""
    got = {"memory": [], "bare": [], "live": [], "loop": []}
    for _ in range(ROUNDS):
        if bare:
            got["bare"].append(tool("ca_ocsp", "post", bare.address, CONNS, MS,
                                    s.path("plain.req")))
        got["memory"].append(tool("ca_ocsp", "post", s.ca.http, CONNS, MS,
                                  s.path("plain.req")))
        got["live"].append(tool("ca_ocsp", "nonce", s.ca.http, CONNS, MS,
                                s.path("nonce.req")))
        if loop:
            got["loop"].append(tool("ca_loop", "ocsp", MS))
    return got


def rate(got, name, field="rate"):
    return median([r[field] for r in got[name]])


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Stage() as s:
        for name, nonce in (("plain.req", False), ("nonce.req", True)):
            with open(s.path(name), "wb") as f:
                f.write(request(s, nonce))
            with open(s.path(name), "rb") as f:
                body = fetch(s.ca.http, f.read())
        with open(s.path("plain.req"), "rb") as f:
            body = fetch(s.ca.http, f.read())
        with open(s.path("answer"), "wb") as f:
            f.write(body)
        bare = Bare(s.path("answer"))
        alone = rounds(s, bare, True)
        used = s.used()
        n = tool("ca_ocsp", "nonce", s.ca.http, CONNS, MS, s.path("nonce.req"))
        used = {r: (v - used[r]) * 1e6 / n["answers"]
                for r, v in s.used().items()}
        crowd = Crowd(s.ca.http)
        among = rounds(s, None, False)
        crowd.close()
        bare.close()
    heading("OCSP: 64 connections")
    at_least("from memory / a bare handler",
             rate(alone, "memory") / rate(alone, "bare"), 0.8)
    at_least("signed live / signed in a loop",
             rate(alone, "live") / rate(alone, "loop"), 0.6)
    at_least("from memory: among %d idle, %d crawling / alone" % (IDLE, CRAWL),
             rate(among, "memory") / rate(alone, "memory"), 0.9)
    at_least("signed live: among those / alone",
             rate(among, "live") / rate(alone, "live"), 0.9)
    for name, what in (("memory", "from memory"), ("bare", "bare handler"),
                       ("live", "signed live")):
        figure(what, rate(alone, name), "/s")
        figure("  p50", rate(alone, name, "p50_us"), "us")
        figure("  p99", rate(alone, name, "p99_us"), "us")
    figure("signed in a loop", rate(alone, "loop"), "/s")
    for role in sorted(used, key=used.get, reverse=True):
        if used[role] >= 0.5:
            figure("  processor for a live answer: " + role, used[role], "us")


main()
