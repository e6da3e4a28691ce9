#!/usr/bin/python3
"""The command and libcretula by HTTPS, against the real gates of credd and certmgr: verbs
of admins and of everybody, with files and with what an agent claims; and what is said
when somebody is not who he should be."""
import contextlib
import json
import os
import subprocess
import sys

from lib import ca_cli
from lib.ca_cli import path as ca_path, until
from lib.case import build, case, check, equal, run
from lib.certmgr import CRETULA, Certmgr, free_port, is_root, served_ca
from lib.daemon import Daemon, records
from lib.raw import KEY, SCOPE, SECRET, VANILLA_SIGNATURE, VANILLA_TEXT

NODE = "localhost"              # so that its name has an address
PROFILES = """
profile=web life=1h dns={node}
profile=gate life=1h usage=server,client dns={node}
profile=ops life=1h capability=admin:credd@{node} capability=admin:certmgr@{node}
"""
CLEAR = ("CRETULA_AGENT", "CRETULA_DIR", "CRETULA_IDENTITY", "CRETULA_CA_ROOT",
         "CRETULA_CREDD", "CRETULA_CERTMGR", "CRETULA_CA")


class World:
    """A CA, its node, credd and certmgr of that node at https addresses."""

    def __init__(self, stack):
        self.ca = stack.enter_context(served_ca(default_profile="no"))
        self.ca.add_profile("test", PROFILES)
        self.ca.reload()
        ca_cli.init(self.ca)
        self.root = ca_path(self.ca, "root.pem")
        self.cm = Certmgr(self.ca, node=NODE,
                          listen="127.0.0.1:%d" % free_port(),
                          revocation_max_age="1s")
        self.cm.options["node"] = NODE
        stack.enter_context(self.cm)
        self.credd = stack.enter_context(Daemon(
            listen="127.0.0.1:%d" % free_port(), node=NODE, ca_root=self.root,
            certmgr=self.cm.run, revocation_max_age="1s"))
        self.cm.grant(0)
        self.cm.grant(self.gate_uid(), agent="gate")
        self.url = url(self.credd)
        self.cm_url = url(self.cm)
        self.ops = self.holder("ops")
        for at in (self.url, self.cm_url):
            until("%s answers" % at, lambda at=at: self.at(
                "status", url=at).returncode == 0)

    def gate_uid(self):
        pid = self.credd.roles()["gate"][0]
        return os.stat("/proc/%d" % pid).st_uid

    def holder(self, type):
        """A file with key, certificate and chain, by a token of the CA's."""
        token = ca_cli.write(self.ca, type, self.ca.cli(
            "ca", "token", "--node", NODE, "--type", type).stdout)
        csr = ca_cli.csr(self.ca, type + ".csr")
        got = json.loads(self.ca.cli("ca", "enrol", "--token", "@" + token,
                                     "--csr", csr, "--json").stdout)
        with open(csr + ".key", "rb") as f:
            pem = f.read() + (got["certificate"] + got["chain"]).encode()
        return ca_cli.write(self.ca, type + ".pem", pem)

    def environment(self, **more):
        clean = {n: v for n, v in os.environ.items() if n not in CLEAR}
        return {**clean, **more}

    def at(self, *words, url=None, identity=None, root=None, stdin=b""):
        """The command by HTTPS, as an admin unless somebody else is said."""
        return subprocess.run(
            [CRETULA, "--connect", url or self.url, "--identity",
             identity or self.ops, "--ca", root or self.root, *words],
            input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment(), timeout=60)

    def good(self, *words, **more):
        done = self.at(*words, **more)
        equal(done.returncode, 0, "%s: %s" % (words, done.stderr.decode()))
        return done.stdout

    def refused(self, code, says, *words, **more):
        done = self.at(*words, **more)
        equal(done.returncode, code, "%s: %s" % (words, done.stderr.decode()))
        check(says in done.stderr.decode(), says, done.stderr.decode())
        equal(done.stdout, b"", "nothing is printed")


def url(service):
    return "https://localhost:" + service.options["listen"].rsplit(":", 1)[1]


@contextlib.contextmanager
def granted(world, **limits):
    with world.credd.admin() as a:
        made = a.grant_add(("credential", "prod"), ("max_skew", "any"),
                           *((n.replace("_", "."), v) for n, v in limits.items()))
        try:
            yield
        finally:
            a.call("grant.remove", [("id", made.text("id"))])


@case
def verbs_of_admins_say_the_same_as_on_the_host(world):
    secret = ca_cli.write(world.ca, "secret", SECRET.encode())
    world.good("credential", "add", "far", "module=aws-sigv4",
               "access_key=" + KEY, "secret_key=@" + secret)
    for words in (("credential", "list"), ("credential", "show", "far"),
                  ("grant", "list"), ("module", "list")):
        equal(world.good(*words, "--json"),
              world.credd.cli(*words, "--json").stdout, words)
    added = json.loads(world.good("grant", "add", "credential=far",
                                  "cert.o=web", "op=sign", "--json"))
    listed = [json.loads(line)["id"] for line in
              world.good("grant", "list", "--json").splitlines()]
    check(added["id"] in listed, "listed", listed)
    world.good("grant", "remove", added["id"])
    world.good("credential", "rotate", "far", "access_key=" + KEY,
               "secret_key=@" + secret)
    check(b"credential.add" in world.good("audit", "show"), "the audit")
    world.good("credential", "remove", "far")
    for words in (("slot", "list"), ("unseal", "--passphrase", "@" + secret)):
        world.refused(3, "in remote_admin=", *words)


@case
def who_is_no_admin_sees_what_he_may_use(world):
    """An admin is whose certificate says so; nothing else is tried first."""
    web = world.holder("web")
    before = len(records(world.credd))
    equal(world.good("credential", "list", identity=web), b"", "without a grant")
    with granted(world, cert_o="web", op="sign"):
        equal(json.loads(world.good("credential", "list", "--json", identity=web)),
              {"name": "prod", "module": "aws-sigv4", "op": "sign"}, "his")
    check(b"aws-sigv4" in world.good("module", "list", "--field", "name",
                                     identity=web).split(), "the modules")
    equal([r["event"] for r in records(world.credd)[before:]],
          ["grant.add", "grant.remove"], "nothing was refused")


@case
def the_command_signs_over_the_network(world):
    wanted = world.credd.cli("sign", "prod", *SCOPE, stdin=VANILLA_TEXT).stdout
    check(VANILLA_SIGNATURE in wanted, "the published signature", wanted)
    web = world.holder("web")
    world.refused(3, "no grant lets agent ", "sign", "prod", *SCOPE, identity=web,
                  stdin=VANILLA_TEXT)
    with granted(world, cert_o="web", op="sign"):
        equal(world.good("sign", "prod", *SCOPE, identity=web,
                         stdin=VANILLA_TEXT), wanted, "the same")
        done = subprocess.run(
            [CRETULA, "sign", "prod", *SCOPE], input=VANILLA_TEXT,
            stdout=subprocess.PIPE, check=True, env=world.environment(
                CRETULA_CREDD=world.url, CRETULA_IDENTITY=web))
        equal(done.stdout, wanted, "by the environment, believing our own CA")
        done = subprocess.run(
            [os.path.join(build(), "examples", "sign"), "prod",
             "s3.eu-west-1.amazonaws.com", "/"], stdout=subprocess.PIPE, check=True,
            env=world.environment(CRETULA_CREDD=world.url,
                                  CRETULA_IDENTITY=web,
                                  CRETULA_CA_ROOT=world.root))
        check(b"AWS4-HMAC-SHA256" in done.stdout, "the example", done.stdout)


@case
def an_agent_signs_with_what_it_claims(world):
    """The command is the agent: its key is never in a file."""
    words = (CRETULA, "sign", "prod", *SCOPE, "--connect", world.url)
    with granted(world, cert_o="web", cert_ou=NODE, op="sign"):
        for more in ({}, {"view": True}):
            done = world.cm.run_agent(*words, stdin=VANILLA_TEXT, **more)
            equal(done.returncode, 0, (more, done.stderr.decode()))
            check(VANILLA_SIGNATURE in done.stdout, more, done.stdout)
    done = world.cm.run_agent(*words, stdin=VANILLA_TEXT)
    equal(done.returncode, 3, done.stderr.decode())
    check(b"no grant lets agent " in done.stderr, "who", done.stderr)


@case
def certmgr_is_asked_as_well(world):
    equal(sorted(world.good("agent", "list", "--json", url=world.cm_url)
                 .splitlines()),
          sorted(world.cm.cli("agent", "list", "--json").stdout.splitlines()),
          "agents")
    check(world.good("status", url=world.cm_url).startswith(b"certmgr: "),
          "who answers")
    check(world.good("status").startswith(b"credd: "), "who answers")
    spawned = world.cm.spawn(type="web")
    world.cm.wait_agent(spawned.agent, "has a certificate",
                        lambda a: "serial" in a)
    said = json.loads(world.good("agent", "revoke", spawned.agent, "--json",
                                 url=world.cm_url))
    equal(said["state"], "revoked", said)


@case
def who_is_not_who_he_should_be_is_told(world):
    host, port = world.url.rsplit(":", 1)
    other = os.path.join(world.ca.base, "other")
    make_other(other)
    world.refused(3, "does not end in the root '%s.pem'" % other, "status",
                  root=other + ".pem")
    world.refused(3, "is not '127.0.0.1': its certificate is for '",
                  "status", url="https://127.0.0.1:" + port)
    world.refused(6, "nobody listens there", "status",
                  url="%s:%d" % (host, free_port()))
    world.refused(3, "CA", "status", identity=other + ".pem")
    done = subprocess.run([CRETULA, "status", "--connect", world.url],
                          stderr=subprocess.PIPE, env=world.environment())
    equal(done.returncode, 3, done.stderr)
    check(b"there is no certificate to show" in done.stderr, done.stderr)


@case
def one_that_was_revoked_is_told(world):
    with world.cm.shell(view=True) as agent:
        code, pem = agent.read("bundle")
    equal(code, 0, "the bundle is read")
    path = ca_cli.write(world.ca, "gone.pem", pem)
    until("it is refused as revoked", lambda: b"revoked" in world.at(
        "sign", "prod", *SCOPE, identity=path, stdin=VANILLA_TEXT).stderr)
    world.refused(3, "revoked", "credential", "list", identity=path)


@case
def verbs_in_the_wrong_place_are_told(world):
    world.refused(1, "may not be credd's address", "credential", "list",
                  url=world.cm_url)
    world.refused(1, "may not be certmgr's address", "agent", "list")
    check(world.good("status", url=ca_cli.url(world.ca)).startswith(b"ca: "),
          "who answers")
    web = world.holder("web")
    world.refused(3, "admin:credd@" + NODE, "grant", "list", identity=web)
    for words in (("agent", "run", "--type", "web", "--", "true"),
                  ("agent", "claim")):
        world.refused(2, "descriptors", *words)
    world.refused(1, "nothing is said in the clear", "status",
                  url=world.url.replace("https", "http"))


def make_other(path):
    """A CA that nobody knows, as an identity of its own."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    path + ".key", "-out", path + ".crt", "-subj", "/CN=other"],
                   check=True, stderr=subprocess.DEVNULL)
    with open(path + ".pem", "wb") as out:
        for end in (".key", ".crt"):
            with open(path + end, "rb") as f:
                out.write(f.read())


def main():
    if not is_root():
        print("skip connect - needs root", flush=True)
        return 0
    with contextlib.ExitStack() as stack:
        world = World(stack)
        with world.credd.admin() as a:
            a.credential_add("prod", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.grant_add(("credential", "prod"), ("uid", "0"),
                        ("max_skew", "any"))
        return run(world)


if __name__ == "__main__":
    sys.exit(main())
