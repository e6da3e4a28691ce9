#!/usr/bin/python3
"""OCSP as other people's programs ask and read it: OpenSSL, GnuTLS's ocsptool, NSS and
Python take each kind of answer under each CA key and agree; and by raw HTTP: paths as
clients send them, HEAD, ETag, dates, what may be kept, and that a revocation
replaces what was kept."""
import base64
import calendar
import contextlib
import email.utils
import hashlib
import http.client
import os
import re
import signal
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.x509 import ocsp

from lib.ca_cli import until
from lib.case import case, check, equal, run
from lib.daemon import wait_end
from lib.pki import CA_KEYS, REASONS, Table, World, get, put, request_of, tool
from lib.x509_text import hexes, one, when

HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}
CODES = {code or 0: name for name, code in REASONS.items()}
CODES[0] = None
NONCE = b"\xff" * 7 + b"\xfb\xef\xbe" * 4 + b"\0" * 5     # many / and + in base64
IMF = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|"
                 r"Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT")
NEVER = 0x0100_0000_00ab_cdef_0100_0000_00ab_cdef_0100
HAMMERS = 8
SECONDS = 90


class Made:
    def __init__(self, stack, key_type):
        self.key_type = key_type
        self.world = w = stack.enter_context(World(key_type))
        self.good = w.enrolled("good")
        self.rsa = w.enrolled("good-rsa", kind="rsa2048")
        self.revoked = {}
        for reason in REASONS:
            self.revoked[reason] = leaf = w.enrolled("revoked-" + reason)
            w.revoke(leaf.serial, reason)
        self.db = "sql:" + w.path("db")
        os.mkdir(w.path("db"))
        tool("certutil", "-N", "-d", self.db, "--empty-password")
        for leaf, trust in ((w.root, "CT,C,C"), (w.issuing, ",,")):
            tool("certutil", "-A", "-d", self.db, "-n", leaf.id, "-t", trust, "-a",
                 "-i", leaf.pem)

    def kinds(self):
        """{name: (leaf or None, serial, wanted status, wanted reason)}"""
        out = {"good": (self.good, self.good.cert.serial_number, "good", None)}
        for reason, leaf in self.revoked.items():
            out["revoked-" + reason] = (
                leaf, leaf.cert.serial_number, "revoked",
                None if reason == "unspecified" else reason)
        out["unknown"] = (None, NEVER, "unknown", None)
        return out


# The fields of an answer, as each client shows them: status, serial, hash,
# this_update, next_update, responder, revoked, reason, nonce

def of_python(response):
    out = {"status": response.certificate_status.name.lower(),
           "serial": "%036x" % response.serial_number,
           "hash": response.hash_algorithm.name,
           "this_update": calendar.timegm(response.this_update.timetuple()),
           "next_update": calendar.timegm(response.next_update.timetuple()),
           "responder": response.responder_key_hash.hex()}
    if response.revocation_time:
        out["revoked"] = calendar.timegm(response.revocation_time.timetuple())
        reason = response.revocation_reason
        out["reason"] = reason.value if reason else None
    with contextlib.suppress(x509.ExtensionNotFound):
        out["nonce"] = response.extensions.get_extension_for_class(
            x509.OCSPNonce).value.nonce.hex()
    return out


def of_openssl(text):
    text = text.split("\nCertificate:")[0]
    out = {"status": one(r"Cert Status: (\S+)", text),
           "serial": hexes(one(r"Serial Number: (\S+)", text)),
           "hash": one(r"Hash Algorithm: (\S+)", text),
           "this_update": when(one(r"This Update: (.*)", text)),
           "next_update": when(one(r"Next Update: (.*)", text)),
           "responder": hexes(one(r"Responder Id: (\S+)", text))}
    if "Revocation Time" in text:
        out["revoked"] = when(one(r"Revocation Time: (.*)", text))
        out["reason"] = CODES[int(one(r"Revocation Reason: .*\((0x\w+)\)", text,
                                      "0"), 0)]     # it has no word for 9
    if "OCSP Nonce" in text:
        out["nonce"] = hexes(one(r"OCSP Nonce: \n\s+(\S+)", text))
        check(out["nonce"].startswith("04%02x" % len(NONCE)), "a nonce", out)
        out["nonce"] = out["nonce"][4:]
    return out


def of_gnutls(text):
    out = {"status": one(r"Certificate Status: (\S+)", text),
           "serial": one(r"Serial Number: (\S+)", text),
           "hash": one(r"Hash Algorithm: (\S+)", text).lower(),
           "this_update": when(one(r"This Update: (.*)", text)),
           "next_update": when(one(r"Next Update: (.*)", text)),
           "responder": one(r"Responder Key ID: (\S+)", text)}
    if "Revocation time" in text:
        out["revoked"] = when(one(r"Revocation time: (.*)", text))
    if "Nonce:" in text:
        out["nonce"] = one(r"Nonce: (\S+)", text)
    return out


def verify(public, signature, data, algorithm):
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(signature, data)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(signature, data, ec.ECDSA(algorithm))
    else:
        public.verify(signature, data, padding.PKCS1v15(), algorithm)


def signed(response, issuing):
    """Raises unless the delegate signed it, and the CA the delegate."""
    signer = response.certificates[0]
    verify(signer.public_key(), response.signature, response.tbs_response_bytes,
           response.signature_hash_algorithm)
    verify(issuing.public_key(), signer.signature, signer.tbs_certificate_bytes,
           signer.signature_hash_algorithm)
    equal(response.responder_key_hash, x509.SubjectKeyIdentifier.from_public_key(
        signer.public_key()).digest, "the responder is the key that signed")


def openssl_says(made, path, serial, algorithm):
    w = made.world
    return tool("openssl", "ocsp", "-respin", path, "-issuer", w.issuing.pem,
                "-" + algorithm, "-serial", "0x%x" % serial, "-CAfile", w.root.pem,
                "-resp_text", "-no_nonce")


def gnutls_says(made, path, name):
    """ocsptool takes an answer if its trust anchor issued the signer."""
    w = made.world
    return tool("ocsptool", "-e", "--load-response", path, "--load-trust",
                w.issuing.pem, *(["--load-cert", name] if name else []))


def answers_agree(made, name, algorithm, nonce, by):
    leaf, serial, status, reason = made.kinds()[name]
    w = made.world
    what = "%s/%s %s %s %s" % (made.key_type, name, algorithm,
                               "nonce" if nonce else "-", by)
    request = request_of(leaf, w.issuing, HASHES[algorithm](), nonce, serial)
    _, headers, der = w.ocsp_raw(request, by)
    response = ocsp.load_der_ocsp_response(der)
    signed(response, w.issuing.cert)
    wanted = of_python(response)
    equal((wanted["status"], wanted["serial"], wanted["hash"], wanted.get("reason"),
           wanted.get("nonce")), (status, "%036x" % serial, algorithm, reason,
                                  nonce.hex() if nonce else None), what)
    equal("no-store" in headers["cache-control"], bool(nonce), what + ": kept")
    path = put(w.path("answer"), der)
    code, out = openssl_says(made, path, serial, algorithm)
    check(code == 0 and "Response verify OK" in out, what + ": OpenSSL", out)
    got = of_openssl(out)
    equal(got, wanted, what + ": OpenSSL")
    code, out = tool("ocsptool", "-j", "--infile", path)
    got = of_gnutls(out)
    wanted.pop("reason", None)          # ocsptool shows none
    equal(got, wanted, what + ": ocsptool")
    code, out = gnutls_says(made, path, leaf and leaf.pem)
    check("Verifying OCSP Response: Success" in out, what + ": ocsptool", out)


@case
def every_client_takes_every_answer(worlds):
    for made in worlds:
        for name in made.kinds():
            for algorithm in HASHES:
                answers_agree(made, name, algorithm, None, "GET")
        for name in ("good", "revoked-keyCompromise", "unknown"):
            answers_agree(made, name, "sha256", NONCE, "POST")
            answers_agree(made, name, "sha1", NONCE, "GET")
            answers_agree(made, name, "sha1", None, "POST")


@case
def openssl_asks_for_itself(worlds):
    for made in worlds:
        w = made.world
        base = ["openssl", "ocsp", "-url", w.url + "/ocsp", "-CAfile", w.root.pem,
                "-issuer", w.issuing.pem]
        for more in (["-nonce"], ["-no_nonce"]):
            code, out = tool(*base, *more, "-cert", made.good.pem, "-cert",
                             made.revoked["superseded"].pem, "-sha256", "-serial",
                             "0x%x" % NEVER)
            check(code == 0 and "Response verify OK" in out, "several in one", out)
            equal(re.findall(r"^\S+: (good|revoked|unknown)$", out, re.M),
                  ["good", "revoked", "unknown"], "each has its answer")
            check("Reason: superseded" in out, "with the reason", out)
            check("WARNING: no nonce" not in out, "and the nonce", out)


@case
def ocsptool_asks_for_itself(worlds):
    for made in worlds:
        w = made.world
        for leaf, status in ((made.good, "good"),
                             (made.revoked["superseded"], "revoked")):
            for more in ([], ["--nonce"]):
                code, out = tool("ocsptool", "--ask", "--load-issuer", w.issuing.pem,
                                 "--load-cert", leaf.pem, "--load-trust",
                                 w.issuing.pem, *more)
                equal(of_gnutls(out)["status"], status, "ocsptool --ask")
                check("Verifying OCSP Response: Success" in out, "verified", out)
                equal("Nonce:" in out, bool(more), "with a nonce if asked")


@case
def ocsptool_wants_the_issuing_ca_as_its_trust(worlds):
    table, wrong = Table("ocsptool"), []
    for made in worlds:
        w = made.world
        path = put(w.path("answer"), w.ocsp_raw(request_of(made.good, w.issuing))[2])
        code, out = tool("ocsptool", "-e", "--load-response", path, "--load-trust",
                         w.root.pem, "--load-cert", made.good.pem)
        good = "Verifying OCSP Response: Success" in out
        wrong.append(table.judge("ocsptool", made.key_type + "/ocsp-by-root",
                                 None if good else out))
    check(not any(wrong), "as the table says", *wrong)
    check(not table.unmet(), "rows that nothing fits", table.unmet())


@case
def nss_asks_for_itself(worlds):
    for made in worlds:
        if made.key_type == "ed25519":      # docs/clients.md
            continue
        ask = ["vfychain", "-d", made.db, "-pp", "-u", "1", "-g", "leaf", "-h",
               "requireFreshInfo", "-m", "ocsp", "-s", "failIfNoInfo", "-a"]
        for leaf in (made.good, made.rsa):
            code, out = tool(*ask, leaf.pem)
            check(code == 0 and "Chain is good!" in out, "NSS by OCSP", out)
        code, out = tool(*ask, made.revoked["keyCompromise"].pem)
        check("Chain is bad!" in out and "Certificate has been revoked" in out,
              "NSS by OCSP", out)


def error_everywhere(made, der, python, openssl, gnutls):
    w = made.world
    equal(ocsp.load_der_ocsp_response(der).response_status.name, python, "Python")
    path = put(w.path("error"), der)
    code, out = tool("openssl", "ocsp", "-respin", path, "-issuer", w.issuing.pem,
                     "-cert", made.good.pem, "-CAfile", w.root.pem)
    check(code and "Responder Error: " + openssl in out, "OpenSSL", out)
    code, out = tool("ocsptool", "-j", "--infile", path)
    check("Response Status: " + gnutls in out, "ocsptool", out)


def not_kept(headers):
    equal(headers["cache-control"], "no-store", "errors are for nobody to keep")
    check("etag" not in headers and "expires" not in headers, "nor named", headers)


@case
def errors_are_the_ones_of_ocsp(worlds):
    made = worlds[0]
    w = made.world
    for raw in (b"hello", b"", b"\x30\x00", request_of(made.good, w.issuing)[:-1],
                request_of(made.good, w.issuing) + b"\0"):
        status, headers, der = w.ocsp_raw(raw)
        not_kept(headers)
        error_everywhere(made, der, "MALFORMED_REQUEST", "malformedrequest (1)",
                         "malformedRequest")
    for path in ("/ocsp/", "/ocsp/!!!!", "/ocsp/MA%", "/ocsp/MA%3", "/ocsp/MA=="):
        status, headers, der = get(w.plain, path)
        equal(status, 200, path)
        not_kept(headers)
        equal(ocsp.load_der_ocsp_response(der).response_status.name,
              "MALFORMED_REQUEST", path)
    for algorithm in HASHES.values():
        request = request_of(w.root, w.root, algorithm())
        status, headers, der = w.ocsp_raw(request, "GET")
        not_kept(headers)
        error_everywhere(made, der, "UNAUTHORIZED", "unauthorized (6)",
                         "unauthorized")


@case
def try_later_while_the_issuer_is_away(worlds):
    made = worlds[0]
    w = made.world
    for attempt in range(5):
        pid = w.ca.roles()["issuer"][0]
        os.kill(pid, signal.SIGSTOP)
        c = http.client.HTTPConnection("127.0.0.1", int(w.plain.split(":")[1]),
                                       timeout=SECONDS)
        with contextlib.closing(c):
            c.request("POST", "/ocsp", request_of(
                made.good, w.issuing, nonce=os.urandom(16)),
                {"Content-Type": "application/ocsp-request"})
            os.kill(pid, signal.SIGKILL)
            r = c.getresponse()
            der, headers = r.read(), {k.lower(): v for k, v in r.getheaders()}
        check(wait_end(pid, SECONDS), "the issuer ends")
        until("there is another", lambda: w.ca.roles().get("issuer"))
        if ocsp.load_der_ocsp_response(der).response_status.name == "TRY_LATER":
            break
    equal(r.status, 200, "status")
    not_kept(headers)
    check(int(headers["retry-after"]) >= 1, "when to come again", headers)
    error_everywhere(made, der, "TRY_LATER", "trylater (3)", "tryLater")
    end = time.monotonic() + SECONDS
    while w.ocsp(request_of(made.good, w.issuing)).response_status.name != \
            "SUCCESSFUL":
        check(time.monotonic() < end, "the issuer comes again")


# HTTP

def forms(text):
    """The ways in which clients write that base64 into a path."""
    part = lambda t, **table: "".join(table.get(names.get(c, c), c) for c in t)
    names = {"+": "plus", "/": "slash", "=": "pad"}
    full = part(text, plus="%2B", slash="%2F", pad="%3D")
    return {"as it is": text, "all encoded": full, "lower case": full.lower()
            if full.lower() == full else re.sub(
                "%..", lambda m: m[0].lower(), full),
            "slashes kept": part(text, plus="%2B", pad="%3D"),
            "plus kept": part(text, slash="%2F", pad="%3D"),
            "plus only": part(text, plus="%2b"),
            "no padding": text.rstrip("="),
            "no padding, encoded": full.replace("%3D", ""),
            "one more slash": "/" + text}


@case
def paths_as_clients_send_them(worlds):
    w, good = worlds[0].world, worlds[0].good
    request = request_of(good, w.issuing, hashes.SHA1(), NONCE)
    text = base64.b64encode(request).decode()
    check("+" in text and "//" in text, "a request with all of it", text)
    for name, form in forms(text).items():
        status, headers, der = get(w.plain, "/ocsp/" + form)
        got = of_python(ocsp.load_der_ocsp_response(der))
        equal((status, got["status"], got["serial"], got["nonce"]),
              (200, "good", good.serial, NONCE.hex()), name)
    kept = {get(w.plain, "/ocsp/" + form)[2] for form in forms(
        base64.b64encode(request_of(good, w.issuing)).decode()).values()}
    equal(len(kept), 1, "answers that are kept: however it is written, the same")


def kept_path(made, leaf=None, algorithm=None):
    request = request_of(leaf or made.good, made.world.issuing, algorithm)
    return "/ocsp/" + base64.b64encode(request).decode().replace(
        "+", "%2B").replace("/", "%2F")


def http_time(text):
    check(IMF.fullmatch(text), "an IMF-fixdate", text)
    t = calendar.timegm(email.utils.parsedate(text))
    equal(email.utils.formatdate(t, usegmt=True), text, "the right day of the week")
    return t


@case
def headers_are_exact(worlds):
    for made in worlds:
        w = made.world
        for by in ("GET", "POST"):
            before = time.time()
            status, h, der = w.ocsp_raw(request_of(made.good, w.issuing), by)
            after = time.time()
            got = of_python(ocsp.load_der_ocsp_response(der))
            equal(h["content-type"], "application/ocsp-response", "type")
            equal(int(h["content-length"]), len(der), "length")
            check(before - 2 <= http_time(h["date"]) <= after + 1, "Date", h)
            equal(http_time(h["last-modified"]), got["this_update"], "thisUpdate")
            equal(http_time(h["expires"]), got["next_update"], "nextUpdate")
            equal(h["etag"], '"%s"' % hashlib.sha256(der).hexdigest(), "ETag")
            words = [x.strip() for x in h["cache-control"].split(",")]
            age = int(words[0].partition("max-age=")[2])
            equal(words[1:], ["public", "no-transform", "must-revalidate"], "words")
            check(got["this_update"] <= before + 1 and 0 < age and
                  after + age < got["next_update"], "max-age", age, got, after)
            check("pragma" not in h, "no Pragma", h)


@case
def head_and_conditions(worlds):
    made = worlds[0]
    w, path = made.world, kept_path(made)
    status, h, der = get(w.plain, path)
    head = get(w.plain, path, "HEAD")
    equal((head[0], head[2]), (200, b""), "HEAD")
    for name in ("content-length", "content-type", "etag", "expires",
                 "last-modified"):
        equal(head[1][name], h[name], "HEAD has the headers of GET")
    other = '"%s"' % ("0" * 64)
    for value, wanted in ((h["etag"], 304), ("W/" + h["etag"], 304), ("*", 304),
                          (other + ", " + h["etag"], 304), (other, 200),
                          (h["etag"].strip('"'), 200)):
        for method in ("GET", "HEAD"):
            got = get(w.plain, path, method, headers={"If-None-Match": value})
            equal(got[0], wanted, "%s If-None-Match: %s" % (method, value))
            equal(got[1]["etag"], h["etag"], "with the ETag")
            check(wanted == 200 or got[2] == b"", "without a body")
            check("max-age" in got[1]["cache-control"] and
                  got[1]["expires"] == h["expires"], "304 refreshes", got)
    modified = http_time(h["last-modified"])
    for t, wanted in ((modified, 304), (modified + 60, 304), (modified - 1, 200)):
        got = get(w.plain, path, headers={
            "If-Modified-Since": email.utils.formatdate(t, usegmt=True)})
        equal(got[0], wanted, "If-Modified-Since")
    got = get(w.plain, path, headers={
        "If-Modified-Since": h["last-modified"], "If-None-Match": other})
    equal(got[0], 200, "If-None-Match goes first")


@case
def good_is_for_what_was_issued(worlds):
    for made in worlds:
        w = made.world
        serial = made.good.cert.serial_number
        near = [serial + 1, serial - 1, serial ^ (1 << 95), serial + (1 << 96),
                serial ^ (1 << 136), serial & ((1 << 96) - 1), serial << 8,
                serial >> 8, 1, 127, (1 << 159) - 1]
        for other in near:
            for algorithm in HASHES.values():
                got = w.ocsp(request_of(None, w.issuing, algorithm(),
                                        serial=other), "GET")
                check(got.response_status.name == "SUCCESSFUL", "an answer", other)
                equal(got.certificate_status.name, "UNKNOWN", hex(other))
        for own in (w.issuing, w.own_tls(), w.ocsp_signer(made.good)):
            got = w.ocsp(request_of(None, w.issuing, serial=own.cert.serial_number))
            equal(got.certificate_status.name,
                  "UNKNOWN" if own is w.issuing else "GOOD", own.id)


class Hammer(threading.Thread):
    """Asks the same on a kept connection; [(when it began, status)]."""

    def __init__(self, address, path, stop):
        super().__init__()
        self.address, self.path, self.stop = address, path, stop
        self.seen, self.error = [], None
        self.began = threading.Event()

    def run(self):
        host, _, port = self.address.rpartition(":")
        c = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
        try:
            with contextlib.closing(c):
                while not self.stop.is_set() or len(self.seen) < 2:
                    began = time.monotonic()
                    c.request("GET", self.path)
                    self.seen.append((began, c.getresponse().read()))
                    self.began.set()
        except Exception as e:
            self.error = e
            self.began.set()


def hammered(made, algorithm):
    """Revokes what eight ask for; [(after the reply?, status)] of their answers."""
    w = made.world
    leaf = w.enrolled("hammered")
    path, stop = kept_path(made, leaf, algorithm), threading.Event()
    equal(ocsp.load_der_ocsp_response(get(w.plain, path)[2])
          .certificate_status.name, "GOOD", "before")
    hammers = [Hammer(w.plain, path, stop) for _ in range(HAMMERS)]
    for h in hammers:
        h.start()
    try:
        for h in hammers:
            check(h.began.wait(SECONDS), "each asks")
        w.revoke(leaf.serial, "keyCompromise")
        replied = time.monotonic()
        after = get(w.plain, path)[2]
        for h in hammers:               # each has one that began after the reply
            n, end = len(h.seen), time.monotonic() + SECONDS
            while len(h.seen) < n + 3 and h.error is None:
                check(time.monotonic() < end, "they go on")
                os.sched_yield()
    finally:
        stop.set()
        for h in hammers:
            h.join()
    for h in hammers:
        check(h.error is None, "every one was answered", h.error)
    status = {der: ocsp.load_der_ocsp_response(der).certificate_status.name
              for h in hammers for _, der in h.seen}
    equal(ocsp.load_der_ocsp_response(after).certificate_status.name, "REVOKED",
          "asked after")
    return [(t > replied, status[der]) for h in hammers for t, der in h.seen]


@case
def a_revocation_replaces_what_is_kept(worlds):
    made, count = worlds[0], [0, 0]
    for i in range(6):
        seen = hammered(made, list(HASHES.values())[i % 2]())
        equal({s for after, s in seen if after}, {"REVOKED"},
              "after the reply to revoke")
        check({s for after, s in seen} <= {"GOOD", "REVOKED"}, "nothing else", seen)
        check(any(s == "GOOD" for after, s in seen), "some were before it")
        for after, _ in seen:
            count[after] += 1
    print("# %d answers before, %d after the replies to revoke" % tuple(count))


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        code = run([Made(stack, k) for k in CA_KEYS])
    sys.exit(code)
