#!/usr/bin/python3
"""The OCSP signer when what certifies it dies at the wrong moment: there is one again
within seconds."""
import http.client
import os
import signal
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from lib.ca_client import (DER, Chain, add_token, enrol, init, load, make_csr,
                           until_https)
from lib.case import case, check, equal, run
from lib.daemon import Ca, wait_end

SECONDS = 90


def status(ca, request):
    host, _, port = ca.http.rpartition(":")
    c = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    try:
        c.request("POST", "/ocsp", request,
                  {"Content-Type": "application/ocsp-request"})
        got = ocsp.load_der_ocsp_response(c.getresponse().read())
    finally:
        c.close()
    return got.response_status.name


def until_answered(ca, request):
    end = time.monotonic() + SECONDS
    while True:
        got = status(ca, request)
        if got == "SUCCESSFUL":
            return
        equal(got, "TRY_LATER", "the answer meanwhile")
        check(time.monotonic() < end, "an OCSP signer again", "in %d s" % SECONDS)
        time.sleep(0.05)


def killed(ca):
    """Kills the signer; the next one's pid, as soon as there is one."""
    old, = ca.roles()["signer"]
    os.kill(old, signal.SIGKILL)
    check(wait_end(old, SECONDS), "the signer ends")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        pids = [p for p in ca.roles().get("signer", []) if p != old]
        if pids:
            return pids[0]
    raise AssertionError("no signer came after %d" % old)


@case
def a_certificate_for_the_key_of_a_signer_that_died_is_not_the_last(ca):
    init(ca)
    chain = Chain(ca)
    until_https(ca, chain)
    token, csr = add_token(ca), make_csr()[1]
    der = enrol(ca.api, token, csr, chain.spki).get("certificate")
    # a nonce: not from the gate's memory
    request = (ocsp.OCSPRequestBuilder()
               .add_certificate(load(der), chain.issuing, hashes.SHA1())
               .add_extension(x509.OCSPNonce(os.urandom(16)), False).build().public_bytes(DER))
    until_answered(ca, request)
    store, = ca.roles()["store"]
    os.kill(store, signal.SIGSTOP)      # the certificate is signed, not committed
    try:
        killed(ca)
        time.sleep(2)
        pid = killed(ca)                # introduced to the issuer, still starting
        os.kill(pid, signal.SIGSTOP)
    finally:
        os.kill(store, signal.SIGCONT)
    time.sleep(1)
    os.kill(pid, signal.SIGCONT)
    until_answered(ca, request)


def main():
    with Ca(default_profile="yes", tls_names=["localhost"]) as ca:
        return run(ca)


if __name__ == "__main__":
    sys.exit(main())
