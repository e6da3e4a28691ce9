#!/usr/bin/python3
"""`cretula ca …`: every verb with good and bad input, its exit code and what it
prints."""
import base64
import hashlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading

from lib.ca_cli import (NOWHERE, csr, enrol, fields, init, path, refused, served,
                        text, token, until, url, usage, write, x509)
from lib.case import case, check, equal, run
from lib.daemon import OTHER_UID, as_uid

from cretula_native import Refused

TOKEN = re.compile(r"ct1_[a-z2-7]{84}\n")
SERIAL = re.compile(r"[0-9a-f]{36}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


# init, root, status

@case
def init_makes_a_ca_of_each_key_type(_):
    for kind, says in (("ed25519", "ED25519"), ("rsa2048", "(2048 bit)"),
                       ("rsa3072", "(3072 bit)")):
        with served() as ca:
            init(ca, "--key-type", kind, "--instance", "7", "--shards", "4")
            check(says in x509(text(ca.cli("ca", "root", "--issuing")),
                               "-text"), kind)
            equal(len(text(ca.cli("ca", "crl")).splitlines()), 5, "lists")
            check(enrol(ca)[0].startswith("07"), "the instance")


@case
def init_is_done_once_and_properly(_):
    with served() as ca:
        p = ("--passphrase", "-")
        usage(ca, "--domain", "ca", "init", *p)
        usage(ca, "on the command line", "ca", "init", "--domain", "example",
              "--passphrase", "secret")
        usage(ca, "--key-type is", "ca", "init", "--domain", "example",
              "--key-type", "rsa1024")
        usage(ca, "--root-life is a duration", "ca", "init", "--domain",
              "example", "--root-life", "100")
        usage(ca, "one word too many", "ca", "init", "example")
        refused(ca, 1, "passphrase is empty", "ca", "init", "--domain",
                "example", *p)
        refused(ca, 1, "shards", "ca", "init", "--domain", "example",
                "--shards", "many", *p, stdin=b"secret")
        equal(ca.cli("ca", "status", check=False).returncode, 7, "attention")
        refused(ca, 5, "cretula ca init", "ca", "root")
        refused(ca, 5, "cretula ca init", "ca", "token", "--node", "a.example")
        init(ca)
        refused(ca, 1, "there is a CA already", "ca", "init", "--domain",
                "example", *p, stdin=b"secret")


@case
def without_a_daemon_it_is_not_reached(ca):
    env = {"CRETULA_CA": NOWHERE}
    for words in (("ca", "root"), ("ca", "list"), ("ca", "status"),
                  ("ca", "init", "--domain", "example"),
                  ("audit", "show", "--ca"),
                  ("ca", "token", "--node", "web.example")):
        refused(ca, 6, "ca is not reached at '" + NOWHERE.replace(
            "api.sock", ""), *words, env=env)
    refused(ca, 6, "say in CRETULA_CA where", "ca", "root", env=env)


@case
def the_root_is_a_certificate(ca):
    root = text(ca.cli("ca", "root"))
    issuing = text(ca.cli("ca", "root", "--issuing"))
    check("root CA" in x509(root, "-subject"), "root")
    equal(x509(issuing, "-issuer").replace("issuer", "subject"),
          x509(root, "-subject"), "the root has signed the issuing CA")
    der = base64.b64decode("".join(root.split("\n")[1:-2]))
    equal(json.loads(ca.cli("ca", "root", "--json").stdout),
          {"hash": "sha256:" + hashlib.sha256(der).hexdigest(), "root": root,
           "issuing": issuing}, "both as JSON, and the root's hash")
    usage(ca, "go with --renew", "ca", "root", "--issuing-life", "90d")
    usage(ca, "exclude", "ca", "root", "--renew", "--issuing")


@case
def the_issuing_ca_is_renewed(ca):
    before = text(ca.cli("ca", "root", "--issuing"))
    refused(ca, 3, "passphrase", "ca", "root", "--renew", "--passphrase", "-",
            stdin=b"wrong")
    done = ca.cli("ca", "root", "--renew", "--issuing-life", "400d",
                  "--passphrase", "@" + path(ca, "pass"))
    check("issuing_ends=" in text(done), "the reply", done)
    after = text(ca.cli("ca", "root", "--issuing"))
    check(before != after, "another certificate")
    equal(x509(before, "-pubkey"), x509(after, "-pubkey"), "the same key")


@case
def status_says_how_it_is(ca):
    for words in (("ca", "status"), ("status",)):
        done = ca.cli(*words)
        check(text(done).startswith("ca: ready\n"), "for people", done)
        check("issuing CA ends: 20" in text(done), "for people", done)
        check("credd" not in text(done), "only who is there", done)
        got = json.loads(ca.cli(*words, "--json").stdout)
        equal((got["daemon"], got["state"]), ("ca", "ready"), "JSON")
        equal(got["domain"], ["example", "localhost"], "domains")
    check(TIME.fullmatch(text(ca.cli("ca", "status", "--field",
                                     "issuing_ends")).strip()), "a field")
    refused(ca, 1, "no field 'nothing'", "ca", "status", "--field", "nothing")


@case
def status_is_of_every_daemon_that_was_named(ca):
    done = ca.cli("status", check=False, env={"CRETULA_CREDD": NOWHERE})
    equal(done.returncode, 6, "one is not reached")
    check(b"credd is not reached" in done.stderr, "it is said", done)
    check(b"ca: ready" in done.stdout, "the other is shown", done)
    done = ca.cli("status", "--json", check=False,
                  env={"CRETULA_CREDD": NOWHERE})
    equal([json.loads(line)["state"] for line in text(done).splitlines()],
          ["not_reached", "ready"], "an object each")


# token, enrol

@case
def a_token_is_all_that_is_printed(ca):
    done = ca.cli("ca", "token", "--node", "web.example", "--ttl", "10m",
                  "--lifetime", "24h", "--verify-after", "30",
                  "--verify-port", "446")
    check(TOKEN.fullmatch(text(done)), "the token", done)
    check(not done.stderr, "and nothing else", done)
    got = json.loads(ca.cli("ca", "token", "--node", "web.example",
                            "--json").stdout)
    check(TOKEN.fullmatch(got["token"] + "\n"), "as JSON", got)
    check(re.fullmatch("[0-9a-f]{32}", got["id"]), "its id", got)
    check(TIME.fullmatch(got["expires"]), "its end", got)
    # its lists are records as well, and made whenever it likes
    log = text(ca.cli("audit", "show", "--ca", "--last", "30"))
    check("token=" + got["id"] in log, "the log knows the id", log)
    check(got["token"][40:] not in log, "and not the token")


@case
def bad_tokens_are_not_made(ca):
    usage(ca, "--node", "ca", "token")
    usage(ca, "--ttl is a duration", "ca", "token", "--node", "a.example",
          "--ttl", "soon")
    usage(ca, "--ttl is given twice", "ca", "token", "--ttl", "1h", "--ttl",
          "2h")
    refused(ca, 3, "a.elsewhere", "ca", "token", "--node", "a.elsewhere")
    refused(ca, 4, "there is no profile 'nothing'", "ca", "token", "--node",
            "a.example", "--type", "nothing")
    refused(ca, 1, "agent", "ca", "token", "--node", "a.example", "--agent",
            "me")


@case
def an_enrolment_by_the_socket(ca):
    done = ca.cli("ca", "enrol", "--token", token(ca), "--csr",
                  csr(ca, "one"), "--name", "web.example", "--lifetime", "2h")
    equal(text(done).count("BEGIN CERTIFICATE"), 2, "certificate and issuer")
    write(ca, "chain.pem", done.stdout)
    out = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", path(ca, "root.pem"),
         "-untrusted", path(ca, "chain.pem"), path(ca, "chain.pem")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    equal(out.returncode, 0, out.stdout)
    check("DNS:web.example" in x509(text(done), "-ext", "subjectAltName"),
          "the name")


@case
def the_same_request_gets_the_same_certificate(ca):
    words = ("ca", "enrol", "--token", token(ca), "--csr", csr(ca, "again"))
    equal(text(ca.cli(*words)), text(ca.cli(*words)), "twice")
    refused(ca, 1, "with another key", *words[:4], "--csr", csr(ca, "thief"))
    done = ca.cli("ca", "status", check=False)
    equal(done.returncode, 7, "attention")
    check("theft: token" in text(done), "it is said", done)


@case
def an_enrolment_by_https(ca):
    more = ("--url", url(ca), "--ca", path(ca, "root.pem"))
    serial, chain = enrol(ca, *more, "--name", "web.example", "--lifetime",
                          "1h")
    check(SERIAL.fullmatch(serial), "serial", serial)
    check("DNS:web.example" in x509(chain, "-ext", "subjectAltName"), "name")
    done = ca.cli("ca", "enrol", "--token", token(ca), "--csr",
                  csr(ca, "env"), env={"CRETULA_CA": url(ca) + "/",
                                       "CRETULA_CA_ROOT": path(ca, "root.pem")})
    equal(text(done).count("BEGIN CERTIFICATE"), 2, "by the environment")


@case
def enrolments_that_are_refused_by_https(ca):
    more = ("--csr", csr(ca, "bad"), "--url", url(ca), "--ca",
            path(ca, "root.pem"))
    refused(ca, 3, "a.elsewhere", "ca", "enrol", "--token", token(ca), *more,
            "--name", "a.elsewhere")
    with served() as other:
        init(other)
        stolen = token(other)
        refused(ca, 3, "not valid [request ", "ca", "enrol", "--token",
                stolen, *more)
        # The one asked is not the one whose root is given.
        refused(ca, 3, "is not the CA that", "ca", "enrol", "--token", stolen,
                "--csr", path(ca, "bad"), "--url", url(ca), "--ca",
                path(other, "root.pem"))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        refused(ca, 6, "is not reached", "ca", "enrol", "--token", token(ca),
                "--csr", path(ca, "bad"), "--ca", path(ca, "root.pem"),
                "--url", "https://localhost:%d" % s.getsockname()[1])


@case
def enrolments_that_are_not_asked_for(ca):
    good = token(ca)
    usage(ca, "needs --token and --csr", "ca", "enrol", "--token", good)
    usage(ca, "token on the command line", "ca", "enrol", "--token", "ct1_abc",
          "--csr", csr(ca))
    usage(ca, "needs --ca", "ca", "enrol", "--token", good, "--csr", csr(ca),
          "--url", url(ca))
    usage(ca, "--url is https://", "ca", "enrol", "--token", good, "--csr",
          csr(ca), "--url", "http://" + ca.http)
    usage(ca, "standard input is either", "ca", "enrol", "--token", "-",
          "--csr", "-")
    refused(ca, 1, "no certificate request", "ca", "enrol", "--token", good,
            "--csr", path(ca, "pass"))
    refused(ca, 1, "cannot be opened", "ca", "enrol", "--token", good,
            "--csr", "/nowhere")
    refused(ca, 1, "", "ca", "enrol", "--token", "@" + path(ca, "pass"),
            "--csr", csr(ca))
    refused(ca, 1, "", "ca", "enrol", "--token", good, "--csr", csr(ca),
            "--agent", "me")


@case
def a_request_in_any_form(ca):
    pem = csr(ca, "form")
    der = path(ca, "form.der")
    subprocess.run(["openssl", "req", "-in", pem, "-outform", "der", "-out",
                    der], check=True)
    with open(pem, "rb") as f:
        old = f.read().replace(b" CERTIFICATE REQUEST",
                               b" NEW CERTIFICATE REQUEST")
    for given in (pem, der, write(ca, "form.old", old)):
        done = ca.cli("ca", "enrol", "--token", token(ca), "--csr", given)
        equal(text(done).count("BEGIN CERTIFICATE"), 2, given)
    with open(token(ca)[1:], "rb") as f:
        ca.cli("ca", "enrol", "--token", "-", "--csr", pem, stdin=f.read())


# list, show, revoke

@case
def what_was_issued_is_shown(ca):
    serial, chain = enrol(ca)
    got = json.loads(ca.cli("ca", "show", serial, "--json").stdout)
    equal((got["serial"], got["node"], got["type"], got["key"], got["usage"]),
          (serial, "web.example", "node", "p256", ["server", "client"]),
          "fields")
    equal(got["certificate"], chain[:len(got["certificate"])], "certificate")
    colons = ":".join(serial[i:i + 2] for i in range(0, 36, 2)).upper()
    equal(text(ca.cli("ca", "show", colons, "--pem")), got["certificate"],
          "PEM, the serial with colons")
    lines = text(ca.cli("ca", "show", serial)).splitlines()
    check("node: web.example" in lines and "status: good" in lines,
          "for people", lines)
    usage(ca, "'12' is no serial", "ca", "show", "12")
    usage(ca, "say which", "ca", "show")
    refused(ca, 4, "no such certificate", "ca", "show", serial[:-2] +
            ("00" if serial[-2:] != "00" else "01"))


@case
def lists_are_filtered(ca):
    serial, _ = enrol(ca)
    revoked, _ = enrol(ca)
    ca.cli("ca", "revoke", revoked)

    def serials(*words):
        return text(ca.cli("ca", "list", "--field", "serial",
                           *words)).split()
    check({serial, revoked} <= set(serials()), "all")
    equal(serials("--limit", "2"), [revoked, serial], "the newest first")
    check(revoked in serials("--revoked") and serial not in
          serials("--revoked"), "revoked ones")
    check(serial in serials("--valid") and revoked not in serials("--valid"),
          "valid ones")
    check(serial in serials("--node", "web.example", "--type", "node"),
          "by node and type")
    equal(serials("--node", "other.example"), [], "of nobody")
    check(serial in serials("--expiring", "90d"), "soon enough")
    equal(serials("--expiring", "60s", "--type", "node"), [], "not soon")
    agent = json.loads(ca.cli("ca", "show", serial, "--json").stdout)["agent"]
    equal(serials("--agent", agent), [serial], "by agent")
    usage(ca, "exclude", "ca", "list", "--valid", "--revoked")
    usage(ca, "one word too many", "ca", "list", "all")
    refused(ca, 1, "limit", "ca", "list", "--limit", "x")


@case
def what_cannot_be_asked_for_ends_no_process(ca):
    """The store believes the issuer, who therefore looks at what an admin sends."""
    def bad(says, verb, *asks):
        with ca.admin() as a:
            try:
                a.call(verb, asks)
            except Refused as e:
                equal(e.error, "invalid" if says != "bytes long" else "too_large",
                      "%s %s" % (verb, asks))
                check(says in str(e), says, e)
                return
        check(False, "refused", verb, asks)

    before = ca.roles()
    refused(ca, 1, "limit", "ca", "list", "--limit", "0")
    long = "n" * 300
    for verb in ("ca.list", "ca.revoke"):
        for name in ("type", "node", "agent"):
            bad("bytes long", verb, (name, long))
        # the second one must not make it a question about all nodes
        bad("more than once", verb, ("type", "node"), ("node", "a"), ("node", "b"))
    bad("more than once", "ca.revoke", ("serial", "01"), ("serial", "02"),
        ("node", "a"))
    bad("yes or no", "ca.list", ("revoked", "maybe"))
    bad("index", "audit.prove", ("index", (1 << 63) - 1))
    equal(ca.roles(), before, "processes")


@case
def a_revocation(ca):
    serial, chain = enrol(ca)
    done = fields(text(ca.cli("ca", "revoke", serial.upper(), "--reason",
                              "keyCompromise")))
    equal(done["revoked"], "1", "how many")
    check(TIME.fullmatch(done["good_until"]), "until when", done)
    got = json.loads(ca.cli("ca", "show", serial, "--json").stdout)
    equal((got["status"], got["reason"]), ("revoked", "keyCompromise"), "shown")
    write(ca, "revoked.pem", chain.encode())
    write(ca, "issuing.pem", ca.cli("ca", "root", "--issuing").stdout)
    out = subprocess.run(
        ["openssl", "ocsp", "-CAfile", path(ca, "root.pem"), "-issuer",
         path(ca, "issuing.pem"), "-cert", path(ca, "revoked.pem"), "-url",
         "http://%s/ocsp" % ca.http], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False).stdout.decode()
    check("revoked.pem: revoked" in out, "OCSP", out)
    again = fields(text(ca.cli("ca", "revoke", serial)))
    equal((again["revoked"], again["already"]), ("0", "1"), "again")


@case
def revocations_of_many(ca):
    ca.cli("ca", "revoke", "--node", "web.example", check=False)
    enrol(ca)
    enrol(ca)
    done = fields(text(ca.cli("ca", "revoke", "--node", "web.example",
                              "--type", "node")))
    equal(done["revoked"], "2", "how many")
    refused(ca, 4, "no certificate", "ca", "revoke", "--node", "web.example")
    usage(ca, "say which", "ca", "revoke")
    usage(ca, "exclude", "ca", "revoke", "01" * 18, "--node", "web.example")
    usage(ca, "no serial", "ca", "revoke", "xyz")
    refused(ca, 1, "keyCompromise", "ca", "revoke", "--node", "web.example",
            "--reason", "bored")


# profile, crl

@case
def profiles_are_set_and_removed(ca):
    done = ca.cli("ca", "profile", "set", "shop", "life=2h", "usage=server",
                  "dns=*.{node}")
    check(text(done).startswith("profile=shop life=2h"), "what is set", done)
    file = os.path.join(ca.options["profiles"], "shop.conf")
    with open(file) as f:
        equal(f.read(), text(done), "the file")
    equal(os.listdir(ca.options["profiles"]), ["shop.conf"], "no other file")
    check("shop" in text(ca.cli("ca", "profile", "list", "--field",
                                "profile")).split(), "listed")
    equal(text(ca.cli("ca", "profile", "show", "shop", "--field", "life")),
          "2h\n", "shown")
    ca.cli("ca", "token", "--node", "a.example", "--type", "shop")
    ca.cli("ca", "profile", "set", "shop", "life=3h")
    equal(text(ca.cli("ca", "profile", "show", "shop", "--field", "life")),
          "3h\n", "replaced")
    ca.cli("ca", "profile", "remove", "shop")
    check(not os.path.exists(file), "removed")
    refused(ca, 4, "no profile 'shop'", "ca", "profile", "show", "shop")
    refused(ca, 4, "no file 'shop.conf'", "ca", "profile", "remove", "shop")


@case
def bad_profiles_are_not_written(ca):
    for code, says, words in (
            (1, "no attribute 'lif'", ("shop", "lif=1h")),
            (1, "ca-", ("ca-tls", "life=1h")),
            (1, "type '../shop'", ("../shop", "life=1h")),
            (1, "life", ("shop", "life=400d")),
            (2, "no value", ("shop", "life")),
            (2, "say which", ())):
        refused(ca, code, says, "ca", "profile", "set", *words)
    usage(ca, "say what", "ca", "profile")
    usage(ca, "there is no 'ca profile sett'", "ca", "profile", "sett", "x")
    usage(ca, "no profile's name", "ca", "profile", "remove", "../x")
    check(not os.path.exists(path(ca, "shop.conf")), "nothing outside")
    ca.add_profile("two", "profile=one\nprofile=two\n")
    refused(ca, 1, "several profiles", "ca", "profile", "set", "two",
            "life=1h")
    os.unlink(ca.add_profile("two", ""))
    # Somebody else's mistake is said, too.
    bad = ca.add_profile("broken", "profile=broken life=never\n")
    refused(ca, 1, "broken", "ca", "profile", "set", "fine", "life=1h")
    os.unlink(bad)
    ca.cli("ca", "profile", "remove", "fine")


@case
def lists_of_revoked_ones(ca):
    serial, revoked = enrol(ca)
    ca.cli("ca", "revoke", serial)
    env = {"CRETULA_CA_HTTP": "http://" + ca.http}
    lines = text(ca.cli("ca", "crl")).splitlines()
    equal(len(lines), 17, "the full one and the shards")

    def in_list(*words):
        pem = ca.cli("ca", "crl", "--pem", *words, env=env).stdout
        out = subprocess.run(["openssl", "crl", "-noout", "-text"], input=pem,
                             check=True, stdout=subprocess.PIPE)
        return serial.upper() in out.stdout.decode()
    until("the full list has it", lambda: in_list("--full"))
    shard = str(int(serial[2:12], 16) % 16)
    until("its shard has it", lambda: in_list("--shard", shard))
    check(not in_list("--shard", str((int(shard) + 1) % 16)), "no other")
    ca.cli("ca", "crl", "--full", "--out", path(ca, "full.crl"))
    with open(path(ca, "full.crl"), "rb") as f:
        check(f.read() == ca.cli("ca", "crl", "--full").stdout, "the file")
    write(ca, "root.crl", ca.cli("ca", "crl", "--root", "--pem",
                                 env=env).stdout)
    write(ca, "full.pem", ca.cli("ca", "crl", "--full", "--pem").stdout)
    _, good = enrol(ca)
    for chain, code in ((good, 0), (revoked, 2)):
        done = subprocess.run(
            ["openssl", "verify", "-crl_check_all", "-CAfile",
             path(ca, "root.pem"), "-untrusted", write(
                 ca, "issuing.pem", ca.cli("ca", "root", "--issuing").stdout),
             "-CRLfile", path(ca, "root.crl"), "-CRLfile",
             path(ca, "full.pem"), write(ca, "leaf.pem", chain.encode())],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        equal(done.returncode, code, done.stdout)
    usage(ca, "exclude", "ca", "crl", "--full", "--root")
    refused(ca, 4, "the shards are 0 to 15", "ca", "crl", "--shard", "16")
    usage(ca, "exclude", "ca", "crl", "--full", "--shard", "1")
    usage(ca, "--shard is a number", "ca", "crl", "--shard", "one")
    usage(ca, "go with", "ca", "crl", "--pem")
    refused(ca, 1, "cannot be written", "ca", "crl", "--full", "--out",
            "/nowhere/crl")


class Terminal(http.server.BaseHTTPRequestHandler):
    """Who answers plain HTTP may be anybody."""

    def do_GET(self):
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b'{"detail": "gone\\u001b[2J\\u009b2J\\n\\u00e4"}')

    def log_message(self, *_):
        pass


@case
def what_a_server_says_is_not_for_the_terminal(ca):
    with http.server.HTTPServer(("127.0.0.1", 0), Terminal) as server:
        threading.Thread(target=server.handle_request).start()
        done = ca.cli("ca", "crl", "--full", check=False, env={
            "CRETULA_CA_HTTP": "http://127.0.0.1:%d" % server.server_port})
    equal((done.returncode, done.stderr.decode()),
          (4, "cretula: gone\\x1B[2J\\xC2\\x9B2J\\x0A\u00e4\n"), "as text")


@case
def lists_are_published_anew(ca):
    def numbers(*words):
        return [int(n) for n in text(ca.cli("ca", "crl", "--field", "number",
                                            *words)).split()]
    before = numbers()
    numbers("--publish")
    until("all are new", lambda: all(
        a > b for a, b in zip(numbers(), before)))


# the frame

@case
def every_verb_has_help(ca):
    for words in (("init",), ("status",), ("token",), ("list",), ("show",),
                  ("revoke",), ("profile",), ("crl",), ("root",), ("enrol",)):
        done = ca.cli("ca", *words, "--help")
        check("usage: cretula ca " + words[0] in text(done), "usage", done)
        check("\nexample:\n  cretula ca " + words[0] in text(done), "example")
        for serial in re.findall(r"\b0[0-9a-f]{20,}", text(done)):
            check(SERIAL.fullmatch(serial), "a serial in an example", serial)
    for verb in ("prove", "export", "show", "verify"):
        done = text(ca.cli("audit", verb, "--help"))
        check("example:" in done, verb)
        for serial in re.findall(r"\b0[0-9a-f]{20,}", done):
            check(SERIAL.fullmatch(serial), "a serial in an example", serial)
    usage(ca, "did you mean 'token'", "ca", "tokn")
    usage(ca, "needs a verb", "ca")


@case
def who_is_no_admin(ca):
    if os.geteuid() != 0:
        return

    def other(*words):
        done = ca.cli(*words, check=False)
        return done.returncode, done.stdout, done.stderr
    code, out, _ = as_uid(OTHER_UID, other, "ca", "root")
    equal((code, out), (0, ca.cli("ca", "root").stdout), "the root")
    code, out, err = as_uid(OTHER_UID, other, "ca", "token", "--node",
                            "a.example")
    equal((code, out), (3, b""), "no token")
    check(b"cretula-admin" in err, "why", err)
    code, out, _ = as_uid(OTHER_UID, other, "ca", "status")
    check(out.startswith(b"ca: ready"), "status", out)


def main():
    with served() as ca:
        init(ca)
        return run(ca)


if __name__ == "__main__":
    sys.exit(main())
