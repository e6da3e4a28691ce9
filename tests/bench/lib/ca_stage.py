"""Benchmarks of ca: a CA to measure, cfssl to compare it with, what their processes
use, and the table."""
import hashlib
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import shutil
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "e2e"))
from cryptography import x509                                   # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: E402
from cryptography.x509.oid import NameOID                       # noqa: E402
from lib.case import build                                      # noqa: E402
from lib.daemon import Ca                                       # noqa: E402

NODE = "n1.example"
PASSPHRASE = "correct horse battery"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
MS = int(os.environ.get("BENCH_MS", 1000))
CLOCK_TICK = os.sysconf("SC_CLK_TCK")


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def der(cert):
    return cert.public_bytes(serialization.Encoding.DER)


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM,
                             serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def csr(cn="bench"):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    made = x509.CertificateSigningRequestBuilder().subject_name(name)
    return key, der(made.sign(key, hashes.SHA256()))


def tool(name, *arguments, **options):
    """One of tests/bench/tool, its line of JSON."""
    done = subprocess.run([os.path.join(build(), "bench", "tool", name)]
                          + [str(a) for a in arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=3600, **options)
    if done.returncode or done.stderr:
        raise SystemExit("%s: %s" % (name, done.stderr.decode()))
    return json.loads(done.stdout)


class Stage:
    """A CA with a node that may have certificates issued."""

    def __init__(self, **options):
        self.ca = Ca(default_profile="yes", probe_loopback="yes",
                     tls_names=["localhost"], **options)

    def __enter__(self):
        self.ca.start()
        with self.ca.admin() as a:
            a.boxed("ca.init", [("domain", "example"), ("domain", "localhost"),
                                ("key_type", "p256")],
                    [("passphrase", PASSPHRASE)])
            self.read_chain(a)
            self.cert, self.key = self.enrol(a, "node")
        self.files()
        self.wait_tls()
        return self

    def __exit__(self, *_):
        if os.environ.get("BENCH_LOG"):
            print(self.ca.log()[-4000:])
        self.ca.close()

    def read_chain(self, admin):
        chain = admin.call("ca.chain")
        self.issuing = x509.load_der_x509_certificate(chain.get("issuer"))
        self.root = x509.load_der_x509_certificate(chain.get("root"))

    def enrol(self, admin, kind):
        """A certificate of that type for NODE by a token, and its key."""
        token = ed25519.Ed25519PrivateKey.generate()
        public = token.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        spki = self.issuing.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        id_ = os.urandom(16)
        admin.call("ca.token", [("id", id_), ("public", public), ("node", NODE),
                                ("type", kind), ("verify_after", "0")])
        key, request = csr()
        said = (b"cretula-enrol-v1\0" + hashlib.sha256(spki).digest() + id_ +
                hashlib.sha256(request).digest())
        reply = admin.call("ca.enrol", [("token_id", id_), ("csr", request),
                                        ("signature", token.sign(said))])
        return x509.load_der_x509_certificate(reply.get("certificate")), key

    def path(self, name):
        return os.path.join(self.ca.base, name)

    def files(self):
        for name, data in (("root.pem", pem(self.root)),
                           ("issuer.pem", pem(self.issuing)),
                           ("node.pem", pem(self.cert)),
                           ("node.key", key_pem(self.key))):
            with open(self.path(name), "wb") as f:
                f.write(data)

    def wait_tls(self):
        """Until the gate has its own certificate: a handshake goes through."""
        end = time.monotonic() + 15
        while subprocess.run(
                ["openssl", "s_client", "-connect", self.ca.https],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, timeout=15).returncode:
            if time.monotonic() > end:
                raise SystemExit("the gate has no certificate")

    def issue(self, conns, ms, count):
        return tool("ca_issue", "cretula", self.ca.https, conns, ms, count,
                    self.path("root.pem"), self.path("node.pem"),
                    self.path("node.key"), "web", NODE)

    def fill(self, count, revoked, der_bytes):
        """Adds so many certificates to the inventory; the CA is stopped."""
        self.ca.stop()
        return tool("ca_fill", self.ca.options["state"], count, revoked,
                    der_bytes)

    def restart(self):
        """Starts it anew; seconds until it was ready."""
        start = time.monotonic()
        self.ca.start()
        took = time.monotonic() - start
        self.wait_tls()
        return took

    def used(self):
        """{role: seconds of processor}"""
        return {role: sum(cpu_seconds(p) for p in pids)
                for role, pids in self.ca.roles().items()}

    def pss(self):
        """{role: MiB}"""
        return {role: sum(pss_mib(p) for p in pids)
                for role, pids in self.ca.roles().items()}


def cpu_seconds(pid):
    with open("/proc/%d/schedstat" % pid) as f:
        return int(f.read().split()[0]) / 1e9


def pss_mib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0


class Cfssl:
    """`cfssl serve` with a P-256 CA and an SQLite database, on plain HTTP, which
    is in its favour."""

    TABLES = """
    CREATE TABLE certificates (serial_number blob NOT NULL,
      authority_key_identifier blob NOT NULL, ca_label blob, status blob NOT NULL,
      reason int, expiry timestamp, revoked_at timestamp, pem blob NOT NULL,
      PRIMARY KEY(serial_number, authority_key_identifier));
    CREATE TABLE ocsp_responses (serial_number blob NOT NULL,
      authority_key_identifier blob NOT NULL, body blob NOT NULL,
      expiry timestamp, PRIMARY KEY(serial_number, authority_key_identifier));
    """

    def __enter__(self):
        self.base = tempfile.mkdtemp(prefix="cretula-cfssl-")
        self.port = free_port()
        self.make_ca()
        with sqlite3.connect(self.file("certs.db")) as db:
            db.executescript(self.TABLES)
        with open(self.file("db.json"), "w") as f:
            json.dump({"driver": "sqlite3",
                       "data_source": self.file("certs.db")}, f)
        self.log = open(self.file("log"), "wb")
        self.process = subprocess.Popen(
            ["cfssl", "serve", "-address=127.0.0.1", "-port=%d" % self.port,
             "-ca=" + self.file("ca.pem"), "-ca-key=" + self.file("ca-key.pem"),
             "-db-config=" + self.file("db.json"), "-loglevel=5"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            cwd=self.base)
        wait_port(self.port)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.base, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.base, name)

    def make_ca(self):
        with open(self.file("csr.json"), "w") as f:
            json.dump({"CN": "bench", "key": {"algo": "ecdsa", "size": 256}}, f)
        made = subprocess.run(["cfssl", "gencert", "-initca",
                               self.file("csr.json")],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=True)
        ca = json.loads(made.stdout)
        for name, field in (("ca.pem", "cert"), ("ca-key.pem", "key")):
            with open(self.file(name), "w") as f:
                f.write(ca[field])

    def rows(self):
        with sqlite3.connect(self.file("certs.db")) as db:
            return db.execute("SELECT count(*) FROM certificates").fetchone()[0]

    def issue(self, conns, ms, count):
        return tool("ca_issue", "cfssl", "127.0.0.1:%d" % self.port, conns, ms,
                    count)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port):
    end = time.monotonic() + 15
    while True:
        with socket.socket() as s:
            if not s.connect_ex(("127.0.0.1", port)):
                return
        if time.monotonic() > end:
            raise SystemExit("port %d does not open" % port)
        time.sleep(0.02)    # nothing tells that a foreign server listens


def median(values):
    return statistics.median(values)


# The table: as bench_at_least and its likes of stage.h print it.

def heading(what):
    print("\n%-52s %14s  %-14s %s" % (what, "measured", "target", "reached"))


def at_least(what, measured, target):
    print("%-52s %14.2f  at least %-5.2f %s" % (
        what, measured, target, "yes" if measured >= target else "NO"),
        flush=True)


def at_most(what, measured, target, unit=""):
    print("%-52s %9.2f %-4s  at most %-6.1f %s" % (
        what, measured, unit, target, "yes" if measured <= target else "NO"),
        flush=True)


def figure(what, measured, unit):
    print("%-52s %12.*f %s" % (what, 0 if measured >= 1000 else 1, measured,
                               unit), flush=True)
