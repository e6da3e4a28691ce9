"""A CA, a node and a client, each a host of its own, and what the client sees of it all."""
import http.client
import json
import os
import re
import socket
import ssl
import threading
import time

from lib import ca_cli
from lib.between import grant, try_claim
from lib.ca_cli import SECONDS, until
from lib.case import check, equal
from lib.certmgr import CRETULA, OWNER, Certmgr
from lib.daemon import Ca, Daemon
from lib.hosts import Net, must_root
from lib.raw import KEY, SECRET, VANILLA_SIGNATURE

PATIENCE = 180          # the CA is asked again after a minute at the latest
CA, NODE, CLIENT = "ca.example", "n1.example", "c1.example"


class World:
    """The three hosts and what runs there."""

    def __init__(self, stack):
        must_root()
        self.net = stack.enter_context(Net())
        self.on_ca, self.on_node, self.on_client = [
            self.net.host(name) for name in (CA, NODE, CLIENT)]
        self.ca = self.on_ca.put(Ca(
            listen=self.on_ca.address + ":7443", tls_names=CA, default_profile="yes",
            listen_http=self.on_ca.address + ":7080",
            public_url="http://%s:7080" % CA))
        stack.enter_context(self.ca)
        with self.on_ca.inside():
            ca_cli.init(self.ca)
        self.root = ca_cli.path(self.ca, "root.pem")
        self.issuer = ca_cli.path(self.ca, "issuer.pem")
        self.on_client.run("curl", "-sSf", "-o", self.issuer,
                           "http://%s:7080/issuer.pem" % CA)
        self.cm = self.on_node.put(Certmgr(self.ca, NODE))
        self.cm.options["ca"] = "https://%s:7443" % CA
        stack.enter_context(self.cm)
        grant(self.cm)

    # What the client sees

    def judged(self, cert, patience=60):
        """What the responder says of a certificate, as the client hears it: good,
        revoked, or None: nothing that it can believe, within so many seconds."""
        path = os.path.join(self.net.base, "judged.pem")
        with open(path, "w") as f:
            f.write(cert)
        try:
            said = self.on_client.run(
                "openssl", "ocsp", "-issuer", self.issuer, "-CAfile", self.root,
                "-cert", path, "-timeout", str(patience), "-url", "http://%s:7080/ocsp" % CA)
        except OSError as e:
            said = str(e)
        if "Response verify OK" not in said or "Status times invalid" in said:
            return None
        return re.search(r"judged.pem: (\w+)", said).group(1)

    def verifies(self, cert):
        """By its chain and the client's clock."""
        path = os.path.join(self.net.base, "verified.pem")
        with open(path, "w") as f:
            f.write(cert)
        try:
            self.on_client.run("openssl", "verify", "-x509_strict", "-CAfile",
                               self.root, "-untrusted", self.issuer, path)
        except OSError:
            return False
        return True

    # Agents of the node

    def agent(self):
        return self.cm.shell(uid=OWNER, view=True)

    def state(self, agent):
        return self.cm.show(agent)["state"]

    def known(self, agent):
        """The CA's certificates of an agent: [dict]."""
        done = self.ca.cli("ca", "list", "--agent", agent, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def all_revoked(self, agent):
        known = self.known(agent)
        return known and all(c["status"] == "revoked" for c in known)

    def new_agent_works(self):
        """One that is started now gets what the client believes, and loses it."""
        with self.agent() as agent:
            cert = read_cert(agent)
            check(self.verifies(cert), "the client believes it", cert)
            equal(self.judged(cert), "good", "while it lives")
        until("the CA knows its end", lambda: self.all_revoked(agent.agent))
        equal(self.judged(cert), "revoked", "after its end")


def read_cert(agent):
    """Its certificate, once it is there."""
    got = []

    def there():
        code, out = agent.read("cert")
        got[:] = [out.decode()]
        return code == 0
    until("the agent has its certificate", there)
    return got[0]


def patient(api, spawned):
    """A process that tries again as long as the answer is that it should."""
    end = time.monotonic() + PATIENCE
    while True:
        got = try_claim(api, spawned)
        if got[0] != "pending" or time.monotonic() > end:
            return got


# credd on the node, and who asks it from the client's host

ASK = {"method": "GET", "target": "/", "header": ["Host:example.amazonaws.com"],
       "region": "us-east-1", "service": "service", "time": "20150830T123600Z"}
PATH = "/v1/modules/aws-sigv4/operations/sign/sample"
PORT = 7442
KINDS = ("fresh", "kept")
RIGHT = "right"


class Credd(Daemon):
    """Of the node: opens its store by itself, believes what is 2 s old."""

    def __init__(self, w):
        super().__init__(unsealed=False, node=NODE, certmgr=w.cm.run,
                         listen="%s:%d" % (w.on_node.address, PORT),
                         ca_root=os.path.join(w.cm.run, "root.pem"),
                         revocation_max_age="2s")
        self.key = self.options["unseal_keyfile"] = os.path.join(self.base, "key")
        with open(self.key, "wb") as f:
            f.write(os.urandom(32))
        os.chmod(self.key, 0o600)

    def init(self):
        self.cli("init", "--key-file", self.key)
        with self.admin() as a:
            a.credential_add("sample", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.grant_add(("credential", "sample"), ("op", "sign"), ("max_skew", "any"),
                        ("cert.o", "web"), ("cert.ou", CLIENT))
            return int(a.status().text("gate_uid"))


def enrolled(w, name):
    """A certificate for the client's host, as who has a token gets it: path of key and
    chain, serial."""
    base = os.path.join(w.net.base, name)
    done = w.ca.cli("ca", "token", "--node", CLIENT, "--type", "web")
    with open(base + ".token", "wb") as f:
        f.write(done.stdout)
    w.on_client.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=x", "-keyout",
                    base + ".key", "-out", base + ".csr")
    got = json.loads(w.on_client.run(
        CRETULA, "ca", "enrol", "--token", "@%s.token" % base, "--csr", base + ".csr",
        "--url", "https://%s:7443" % CA, "--ca", w.root, "--json"))
    with open(base + ".key") as key, open(base + ".pem", "w") as f:
        f.write(key.read() + got["certificate"] + got["chain"])
    return base + ".pem", got["serial"]


class Asker(threading.Thread):
    """On the client's host, again and again: the same request over one connection that is
    kept as long as it lives, and each time over a fresh one."""

    def __init__(self, w, identity):
        super().__init__(daemon=True)
        self.w = w
        self.context = ssl.create_default_context(cafile=w.root)
        self.context.load_cert_chain(identity)
        self.kept = None
        self.ending = threading.Event()
        self.changed = threading.Condition()
        self.seen = []          # (which, what it was answered)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(SECONDS)

    def connect(self):
        plain = socket.create_connection((self.w.on_node.address, PORT), 3)
        conn = http.client.HTTPConnection(NODE)
        conn.auto_open = 0      # it would look for the name on this host
        conn.sock = self.context.wrap_socket(plain, server_hostname=NODE)
        return conn

    def ask(self, conn):
        conn.request("POST", PATH, json.dumps(ASK), {"Content-Type": "application/json"})
        with conn.getresponse() as r:
            got = json.loads(r.read())
        if r.status != 200:
            return "%d %s" % (r.status, got.get("detail"))
        lines = [h for h in got["header"] if h.startswith("Authorization:")]
        end = "Signature=" + VANILLA_SIGNATURE.decode()
        return RIGHT if len(lines) == 1 and lines[0].endswith(end) else "wrong: %r" % got

    def answer(self, which):
        """What the client has of one request; nothing: no answer that it could read."""
        conn = self.kept if which == "kept" else None
        try:
            conn = conn or self.connect()
            got = self.ask(conn)
            if which == "kept":
                self.kept, conn = conn, None
            return got
        except (OSError, ValueError, http.client.HTTPException) as e:
            if which == "kept":
                self.kept = None
            return "nothing: %s" % e
        finally:
            if conn:
                conn.close()

    def run(self):
        with self.w.on_client.inside():
            while not self.ending.wait(0.05):
                for which in KINDS:
                    got = self.answer(which)
                    with self.changed:
                        self.seen.append((which, got))
                        self.changed.notify_all()

    # What a test looks at

    def wait(self, what, like, kinds=KINDS):
        """Until from now on each kind has been answered like that once."""
        left, at = set(kinds), len(self.seen)
        end = time.monotonic() + PATIENCE
        with self.changed:
            while left:
                left -= {k for k, got in self.seen[at:] if re.match(like, got)}
                check(self.changed.wait(end - time.monotonic()) or not left, what,
                      "not within %d s" % PATIENCE, self.summary())

    def summary(self):
        """How often what was said, without numbers and times."""
        out = {}
        for which, got in self.seen:
            key = which + ": " + re.sub(r"[0-9-]+[T0-9:-]*Z?", "#", got)[:160]
            out[key] = out.get(key, 0) + 1
        return out

    def only(self, like):
        """Nothing was ever answered otherwise."""
        odd = [(k, got) for k, got in self.seen if not re.match(like, got)]
        check(not odd, "no answer is wrong", odd[:5], self.summary())
