#!/usr/bin/env python3
"""Benchmark: a CRL of a million entries (BENCH_CRL) beside its bare encoding and
signing; and how long a revocation takes to be everywhere."""
import os
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from ca_stage import (Stage, at_most, figure, hashes, heading,  # noqa: E402
                      median, serialization, tool, x509)
from cryptography.x509 import ocsp                              # noqa: E402

ENTRIES = int(os.environ.get("BENCH_CRL", 1000000))
TRIES = 3
REST = 8        # times as long as it took a list is left alone: issuer_crl.c
SMALL = 20      # revocations of a small CA


def etag(address, path):
    """Of what is at that path; None if there is nothing."""
    q = urllib.request.Request("http://%s%s" % (address, path), method="HEAD")
    try:
        with urllib.request.urlopen(q, timeout=60) as r:
            return r.headers["ETag"]
    except urllib.error.HTTPError:
        return None


def until(change, seconds=600):
    """Seconds until it is true."""
    start = time.monotonic()
    while not change():
        if time.monotonic() - start > seconds:
            raise SystemExit("a list is not published")
        time.sleep(0.0005)
    return time.monotonic() - start


def wait_quiet(s):
    """Until the roles that make lists have nothing to do."""
    quiet, before = 0, s.used()
    while quiet < 5:
        time.sleep(0.5)
        now = s.used()
        busy = sum(now[r] - before[r] for r in ("store", "issuer", "signer"))
        quiet = quiet + 1 if busy < 0.02 else 0
        before = now


def serial_of(cert):
    return "%036x" % cert.serial_number


def good(s, cert):
    der = ocsp.OCSPRequestBuilder().add_certificate(
        cert, s.issuing, hashes.SHA1()).build().public_bytes(
            serialization.Encoding.DER)
    q = urllib.request.Request("http://%s/ocsp" % s.ca.http, der,
                               {"Content-Type": "application/ocsp-request"})
    with urllib.request.urlopen(q, timeout=10) as r:
        return ocsp.load_der_ocsp_response(r.read()).certificate_status == \
            ocsp.OCSPCertStatus.GOOD


def shard_of(cert):
    points = cert.extensions.get_extension_for_class(
        x509.CRLDistributionPoints).value
    return "/crl/" + points[0].full_name[0].value.rsplit("/", 1)[1]


def revoke(s, admin):
    """Revokes one; {place: ms from the beginning}."""
    cert, _ = s.enrol(admin, "web")
    shard, at = shard_of(cert), {}
    if not good(s, cert):
        raise SystemExit("a new certificate is not good")
    old = {p: etag(s.ca.http, p) for p in ("/crl", shard)}
    start = time.monotonic()
    admin.call("ca.revoke", [("serial", serial_of(cert)),
                             ("reason", "keyCompromise")])
    at["reply"] = time.monotonic() - start
    until(lambda: not good(s, cert))
    at["ocsp"] = time.monotonic() - start
    until(lambda: etag(s.ca.http, shard) != old[shard])
    at["shard"] = time.monotonic() - start
    until(lambda: etag(s.ca.http, "/crl") != old["/crl"])
    at["full"] = time.monotonic() - start
    return at


def main():
    with Stage() as small, small.ca.admin() as a:
        wait_quiet(small)
        few = []
        for _ in range(SMALL):
            few.append(revoke(small, a))
            wait_quiet(small)
    with Stage() as s:
        s.fill(ENTRIES, ENTRIES, 16)
        s.restart()
        until(lambda: etag(s.ca.http, "/crl"))
        with s.ca.admin() as a:
            theirs = tool("ca_crl", "openssl", ENTRIES)["ms"]
            many, own, used, took = [], [], [], 2
            for _ in range(TRIES):
                time.sleep(REST * took)
                wait_quiet(s)
                own.append(tool("ca_crl", "own", ENTRIES)["ms"])
                before = s.used()
                many.append(revoke(s, a))
                used.append({r: v - before[r] for r, v in s.used().items()})
                took = many[-1]["full"]
        size = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w",
                               "%{size_download} %{time_total}",
                               "http://%s/crl" % s.ca.http],
                              stdout=subprocess.PIPE, check=True).stdout
    took = median([(m["full"] - m["shard"]) * 1e3 for m in many])
    heading("a CRL of %d entries" % ENTRIES)
    at_most("published / encoded and signed by OpenSSL",
            took / theirs, 2)
    figure("published / encoded and signed by our encoder alone",
           took / median(own), "")
    figure("read, encoded, checked, signed, published", took, "ms")
    figure("OpenSSL: made, sorted, encoded, signed", theirs, "ms")
    figure("our encoder and one signature", median(own), "ms")
    for role in ("issuer", "store", "signer"):
        figure("  processor: " + role, median([u[role] for u in used]) * 1e3, "ms")
    figure("bytes", float(size.split()[0]), "B")
    figure("fetched over HTTP in", float(size.split()[1]) * 1e3, "ms")
    heading("from a revocation to every place")
    for name, got in (("", few), (", %d entries" % ENTRIES, many)):
        for place, what in (("reply", "the admin's reply"),
                            ("ocsp", "the OCSP answer"),
                            ("shard", "the shard's CRL"),
                            ("full", "the full CRL")):
            figure(what + name, median([g[place] for g in got]) * 1e3, "ms")


main()
