#!/usr/bin/python3
"""Who comes over the network with a certificate: which grants match him, what an admin
may do there and what not, what records say, and what certmgr lets an agent see."""
import contextlib
import http.client
import json
import os
import ssl
import sys
import tempfile

from lib import ca_cli
from lib.ca_cli import path as ca_path, until
from lib.case import case, check, equal, run
from lib.certmgr import NODE, Certmgr, free_port, is_root, served_ca
from lib.daemon import Daemon, records
from lib.raw import KEY, SECRET, VANILLA_SIGNATURE

SECONDS = 120
MAX_AGE = "3s"          # of what is known of a revocation
BY_TOKEN = ("ops", "other", "user")
PROFILES = """
profile=web life=1h dns={node}
profile=db life=1h
profile=gate life=1h usage=server,client dns={node}
profile=ops life=1h capability=admin:credd@{node} capability=admin:certmgr@{node}
profile=other life=1h capability=admin:ca@{node} capability=admin:credd@other.example
profile=user life=1h capability=use:*@{node}
"""
SIGN = "/modules/aws-sigv4/operations/sign/"
REQUEST = {"method": "GET", "target": "/", "header": ["Host:example.amazonaws.com"],
           "region": "us-east-1", "service": "service", "time": "20150830T123600Z"}


class World:
    """A CA, its node, and credd and certmgr of that node reached by HTTPS."""

    def __init__(self, stack, **options):
        listen = "127.0.0.1:%d" % free_port()
        self.ca = stack.enter_context(served_ca(default_profile="no"))
        self.ca.add_profile("test", PROFILES)
        self.ca.reload()
        ca_cli.init(self.ca)
        self.cm = Certmgr(self.ca, listen=listen, revocation_max_age=MAX_AGE)
        self.cm.options["node"] = NODE
        stack.enter_context(self.cm)
        self.cm_at = listen
        self.credd = stack.enter_context(Daemon(
            listen="127.0.0.1:%d" % free_port(), node=NODE,
            ca_root=os.path.join(self.cm.run, "root.pem"), certmgr=self.cm.run,
            revocation_max_age=MAX_AGE, **options))
        self.credd_at = self.credd.options["listen"]
        self.cm.grant(0)
        self.cm.grant(self.gate_uid(), agent="gate")
        self.agents = {}
        for at in (self.cm_at, self.credd_at):
            until("%s answers" % at, lambda at=at: self.answers(at))

    def gate_uid(self):
        """Of credd's gate for remote clients, the only one there is yet."""
        pid = self.credd.roles()["gate"][0]
        return os.stat("/proc/%d" % pid).st_uid

    def answers(self, at):
        try:
            return self.agent("web").ask(at, "GET", "/healthz")[0] == 200
        except (OSError, ssl.SSLError):
            return False

    def agent(self, type, new=False):
        """Those with capabilities have theirs from the CA itself: nobody hands out
        what he has not."""
        if new or type not in self.agents:
            made = Holder if type in BY_TOKEN else Agent
            self.agents[type] = made(self, type)
        return self.agents[type]


class Agent:
    """An agent of that type on the node, with its certificate."""

    def __init__(self, world, type):
        self.world = world
        spawned = world.cm.spawn(type=type)
        until("the certificate of %s" % type,
              lambda: "serial" in world.cm.show(spawned.agent))
        self.id = spawned.agent
        self.pem = world.cm.claim(spawned)[0]
        self.serial = world.cm.show(self.id)["serial"]
        self.context = context(ca_path(world.ca, "root.pem"), self.pem)

    def ask(self, at, method, path, body=None):
        return ask(self.context, at, method, path, body)

    def verb(self, at, name, pairs=()):
        return self.ask(at, "POST", "/v1/verbs/" + name,
                        {"list": [[n, v] for n, v in pairs]})

    def sign(self, name):
        """signed, or the sentence"""
        status, body = self.ask(self.world.credd_at, "POST", SIGN + name, REQUEST)
        if status == 200:
            check(VANILLA_SIGNATURE.decode() in json.dumps(body), "signed", body)
            return "signed"
        equal(status, 403, body)
        return body["detail"]


class Holder(Agent):
    """Somebody with a certificate by a token of the CA's."""

    def __init__(self, world, type):
        ca = world.ca
        token = ca_cli.write(ca, type, ca.cli("ca", "token", "--node", NODE, "--type",
                                              type).stdout)
        csr = ca_cli.csr(ca, type + ".csr")
        got = json.loads(ca.cli("ca", "enrol", "--token", "@" + token, "--csr", csr,
                                "--json").stdout)
        with open(csr + ".key", "rb") as f:
            self.pem = f.read() + (got["certificate"] + got["chain"]).encode()
        self.world, self.serial = world, got["serial"]
        self.id = got["agent"]
        self.context = context(ca_path(ca, "root.pem"), self.pem)


def context(root, pem=None):
    c = ssl.create_default_context(cafile=root)
    c.check_hostname = False        # by address here; that names fit is tested elsewhere
    if pem:
        with tempfile.NamedTemporaryFile() as f:
            f.write(pem if isinstance(pem, bytes) else pem.encode())
            f.flush()
            c.load_cert_chain(f.name)
    return c


def ask(ctx, at, method, path, body=None):
    host, port = at.split(":")
    c = http.client.HTTPSConnection(host, int(port), timeout=SECONDS, context=ctx)
    try:
        headers = {} if body is None else {"Content-Type": "application/json"}
        c.request(method, path, None if body is None else json.dumps(body), headers)
        r = c.getresponse()
        data = r.read()
        try:
            return r.status, json.loads(data)
        except ValueError:
            return r.status, data
    finally:
        c.close()


@contextlib.contextmanager
def granted(world, **limits):
    """This grant on `prod`, and no other."""
    with world.credd.admin() as a:
        made = a.grant_add(("credential", "prod"), ("max_skew", "any"),
                           *((n.replace("_", "."), v) for n, v in limits.items()))
        yield made.text("id")
        a.call("grant.remove", [("id", made.text("id"))])


@case
def grants_for_certificates_match(world):
    web, db, user = (world.agent(t) for t in ("web", "db", "user"))
    with granted(world, op="sign", cert_ou=NODE, cert_o="web") as ident:
        equal(web.sign("prod"), "signed", "by type and node")
        why = db.sign("prod")
        check("no grant lets agent %s run 'sign' with credential 'prod'" % db.id in why
              and "cert.ou=%s cert.o=db" % NODE in why, "who, and what to do", why)
        last = [r for r in records(world.credd, "run") if r["outcome"] == "allow"][-1]
        equal({n: last[n] for n in ("subject", "type", "node", "serial", "via", "grant")},
              {"subject": "agent:" + web.id, "type": "web", "node": NODE,
               "serial": web.serial, "via": "tls", "grant": ident}, "the record")
        denied = records(world.credd, "run")[-1]
        equal((denied["outcome"], denied["subject"]), ("deny", "agent:" + db.id),
              "the denial's")
    with granted(world, cert_ou=NODE, cert_uid=db.id):
        equal(db.sign("prod"), "signed", "by id")
        check(web.sign("prod") != "signed", "not another")
    with granted(world, cert_cap="use:prod@" + NODE):
        equal(user.sign("prod"), "signed", "by a capability that covers it")
        check(web.sign("prod") != "signed", "not without")
    with granted(world, cert_cap="use:prod@*"):
        check(user.sign("prod") != "signed", "the capability is narrower")
    with granted(world, cert_ou="n2.example"):
        check(web.sign("prod") != "signed", "another node")
    with granted(world, uid=0):
        check(web.sign("prod") != "signed", "nothing local is his")


@case
def what_may_be_used_is_listed(world):
    web = world.agent("web")
    with granted(world, op="sign", cert_o="web"):
        status, body = web.ask(world.credd_at, "GET", "/credentials")
        equal((status, [(c["name"], c["op"]) for c in body["credentials"]]),
              (200, [("prod", ["sign"])]), "his")
        status, body = world.agent("db").ask(world.credd_at, "GET", "/credentials")
        equal(body["credentials"], [], "another's")
        status, body = world.agent("ops").ask(world.credd_at, "GET", "/credentials")
        equal([c["name"] for c in body["credentials"]], ["prod"], "an admin's")


@case
def admins_by_capability(world):
    ops = world.agent("ops")
    at = world.credd_at
    status, body = ops.verb(at, "grant.list")
    equal(status, 200, body)
    status, body = ops.verb(at, "credential.disable", [("name", "prod")])
    equal(status, 200, body)
    status, body = ops.verb(at, "credential.enable", [("name", "prod")])
    equal(status, 200, body)
    last = records(world.credd, "credential.enable")[-1]
    equal((last["subject"], last["via"]), ("agent:" + ops.id, "tls"), "the record")
    for type in ("web", "other"):
        status, body = world.agent(type).verb(at, "grant.list")
        equal(status, 403, body)
        check("the capability admin:credd@" + NODE in body["detail"], type, body)


@case
def what_only_an_admin_here_does(world):
    ops, at = world.agent("ops"), world.credd_at
    for verb, name in (("unseal", "unseal"), ("init", "init"), ("slot.list", "slot"),
                       ("slot.add", "slot"), ("slot.remove", "slot"),
                       ("credential.export-sealed", "export-sealed"),
                       ("peer.add", "export-sealed")):
        status, body = ops.verb(at, verb)
        equal(status, 403, (verb, body))
        check("name '%s' in remote_admin=" % name in body["detail"], verb, body)
        equal(records(world.credd, verb)[-1]["outcome"], "deny", "on record")
    pairs = [["credential", "prod"], ["cert.o", "web"], ["op", "sign"]]
    status, body = ops.ask(at, "POST", "/v1/verbs/grant.add",
                           {"list": [["grant", pairs]]})
    equal(status, 200, body)
    ident = dict(body["reply"])["id"]
    status, body = ops.verb(at, "grant.remove", [("id", ident)])
    equal(status, 200, body)
    status, body = ops.ask(at, "POST", "/v1/verbs/grant.add", {
        "list": [["grant", pairs + [["reveal", "secret"]]]]})
    equal(status, 403, body)
    check("name 'reveal' in remote_admin=" in body["detail"], "why", body)
    status, body = world.agent("web").ask(at, "GET", "/healthz")
    equal(status, 200, body)


@case
def remote_admin_names_what_he_may(_):
    with contextlib.ExitStack() as stack:
        world = World(stack, remote_admin="slot,reveal")
        ops, at = world.agent("ops"), world.credd_at
        status, body = ops.verb(at, "slot.list")
        equal(status, 200, body)
        status, body = ops.verb(at, "init")
        equal(status, 403, body)
        weaker = world.credd.cli("status", check=False).stdout.decode()
        check("remote_admin=reveal: admins do that over the network" in weaker,
              "status", weaker)


@case
def refused_ones_are_logged_and_on_record(world):
    gone = world.agent("db", new=True)
    status, body = world.agent("ops").ask(
        world.cm_at, "POST", "/v1/agents/%s/revoke" % gone.id, {})
    equal((status, body.get("state")), (200, "revoked"), body)
    until("it is refused", lambda: gone.ask(world.credd_at, "GET",
                                            "/credentials")[0] == 403)
    del world.agents["db"]
    # the core is told beside the answer
    until("it is on record, who and why", lambda: any(
        r.get("cert.o") == "db" and r.get("cert.uid") == gone.id and
        "revoked" in r["reason"] and r.get("serial") == gone.serial
        for r in records(world.credd, "refused")))
    until("it is in the log", lambda: any(
        "event=refused" in line and gone.serial in line
        for line in world.credd.log().splitlines()))


@case
def agents_over_the_network(world):
    at, ops = world.cm_at, world.agent("ops")
    mine, other = world.agent("web", new=True), world.agent("db")
    status, body = mine.ask(at, "GET", "/v1/agents")
    equal((status, [a["agent"] for a in body["agents"]]), (200, [mine.id]), "himself")
    status, body = ops.ask(at, "GET", "/v1/agents")
    found = [a["agent"] for a in body["agents"]]
    check(mine.id in found and other.id in found, "an admin sees all", found)
    status, body = mine.ask(at, "POST", "/v1/agents/%s/revoke" % other.id, {})
    equal(status, 404, body)
    status, body = mine.ask(at, "POST", "/v1/agents/%s/renew" % mine.id, {})
    equal(status, 200, body)
    for verb in ("agent.spawn", "agent.claim"):
        status, body = mine.verb(at, verb, [("type", "web")])
        equal(status, 501, body)
    status, body = mine.verb(at, "grant.list")
    equal(status, 403, body)
    check("the capability admin:certmgr@" + NODE in body["detail"], "why", body)
    status, body = mine.ask(at, "POST", "/v1/agents/%s/revoke" % mine.id, {})
    equal((status, body.get("state")), (200, "revoked"), body)
    del world.agents["web"]


@case
def the_gate_of_certmgr_needs_no_grant(world):
    got = [r for r in world.cm.records("agent.spawn") if r.text("type") == "gate"]
    by = [(r.text("by"), bool(r.text("grant"))) for r in got
          if r.text("decision") == "allow"]
    check(("gate", False) in by, "certmgr's own", by)
    check((None, True) in by, "credd's, by a grant", by)


def main():
    if not is_root():
        print("skip grant_cert - needs root", flush=True)
        return 0
    with contextlib.ExitStack() as stack:
        world = World(stack)
        with world.credd.admin() as a:
            a.credential_add("prod", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
        return run(world)


if __name__ == "__main__":
    sys.exit(main())
