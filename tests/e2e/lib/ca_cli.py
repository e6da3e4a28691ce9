"""What tests of `cretula ca …` share: a CA that serves, tokens, enrolments, and how a
refusal looks."""
import json
import os
import socket
import subprocess
import time

from lib.case import check, equal
from lib.daemon import Ca, PASSPHRASE

SECONDS = 120           # nothing takes so long: the CA is asked again after a minute
NOWHERE = "/nowhere/api.sock"


def path(ca, name):
    return os.path.join(ca.base, name)


def served():
    return Ca(probe_loopback="yes", tls_names="localhost")


def write(ca, name, data):
    with open(path(ca, name), "wb") as f:
        f.write(data)
    return path(ca, name)


def until(what, condition):
    """Waits for what tells nobody."""
    end = time.monotonic() + SECONDS
    while not condition():
        check(time.monotonic() < end, what, "not within %d s" % SECONDS)
        time.sleep(0.02)


def init(ca, *more):
    write(ca, "pass", PASSPHRASE.encode() + b"\n")
    ca.cli("ca", "init", "--domain", "example", "--domain", "localhost",
           "--passphrase", "@" + path(ca, "pass"), *more)
    with open(path(ca, "root.pem"), "wb") as f:
        f.write(ca.cli("ca", "root").stdout)
    until("ca serves", lambda: ca.cli(
        "ca", "status", check=False).returncode == 0 and ready(ca))


def ready(ca):
    host, port = ca.http.rsplit(":", 1)
    with socket.create_connection((host, int(port)), SECONDS) as s:
        s.sendall(b"GET /readyz HTTP/1.1\r\nHost: ca\r\n"
                  b"Connection: close\r\n\r\n")
        return b" 200 " in s.makefile("rb").readline()


def url(ca):
    return "https://localhost:" + ca.https.rsplit(":", 1)[1]


def text(done):
    return done.stdout.decode()


def fields(line):
    return dict(w.split("=", 1) for w in line.split())


def refused(ca, code, says, *words, **options):
    """The command ends with that code, and an error that says this."""
    done = ca.cli(*words, check=False, **options)
    equal(done.returncode, code, "exit code of %s: %s" % (words, done.stderr))
    check(says in done.stderr.decode(), "says " + says, done.stderr)
    check(not done.stdout, "nothing is printed", done.stdout)
    check(done.stderr.startswith(b"cretula: "), "one line", done.stderr)


def usage(ca, says, *words):
    refused(ca, 2, says, *words)


def csr(ca, name="csr", *more):
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    path(ca, name + ".key"), "-out", path(ca, name), "-subj",
                    "/", *more], check=True, stderr=subprocess.DEVNULL)
    return path(ca, name)


def token(ca, *more, name="token"):
    """Of a certificate that begins at once, unless more says otherwise."""
    if "--verify-after" not in more:
        more += ("--verify-after", "no")
    done = ca.cli("ca", "token", "--node", "web.example", *more)
    return "@" + write(ca, name, done.stdout)


def enrol(ca, *more, name="csr"):
    """A certificate as (serial, PEM chain)."""
    done = ca.cli("ca", "enrol", "--token", token(ca), "--csr",
                  csr(ca, name), "--json", *more)
    got = json.loads(done.stdout)
    return got["serial"], got["certificate"] + got["chain"]


def x509(pem, *what):
    return subprocess.run(["openssl", "x509", "-noout", *what], check=True,
                          input=pem.encode(),
                          stdout=subprocess.PIPE).stdout.decode()
