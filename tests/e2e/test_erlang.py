#!/usr/bin/python3
"""examples/erlang: nodes that are agents form a cluster, and nobody else gets into it. Who
should not get in has his certificate in a folder that looks like the file view's."""
import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lib import ca_cli
from lib.ca_client import (SECONDS, Chain, add_token, enrol, init, key_pem, load, make_csr,
                           serial_hex, until_https)
from lib.case import case, check, equal, run
from lib.certmgr import CRETULA, FILES, Certmgr, free_port, is_root, until
from lib.daemon import Ca

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(HERE, "examples", "erlang")
HOST = "localhost"
REFUSALS = 3        # one could be of a node that is not up yet
PROFILES = """
profile=erlang life=1h usage=server,client dns={node}
profile=web life=1h usage=server,client dns={node}
profile=nameless life=1h usage=server,client
"""


def pem(der):
    return load(der).public_bytes(serialization.Encoding.PEM)


class Folder:
    """What the file view shows an agent."""

    def __init__(self, place, chain=None, ca=None, type="erlang", names=(HOST,)):
        self.path = tempfile.mkdtemp(dir=place.base)
        self.chain, self.place, self.type, self.names = chain, place, type, names
        self.renew(chain or place.chain, ca or place.ca)
        self.put("ca.pem", place.chain.root_pem())

    def renew(self, chain=None, ca=None):
        """Another certificate, as the view would show it; the old one."""
        ca, chain = ca or self.place.ca, chain or self.place.chain
        old = getattr(self, "der", None)
        key, csr = make_csr(self.names)
        self.der = enrol(ca.api, add_token(ca, HOST, self.type), csr,
                         chain.spki).get("certificate")
        chain_pem = pem(chain.issuing_der)
        self.put("chain.pem", chain_pem)
        self.put("cert.pem", pem(self.der))
        self.put("key.pem", key_pem(key))
        self.put("bundle.pem", key_pem(key) + pem(self.der) + chain_pem)
        return old

    def certificate(self):
        """The DER of what is in there."""
        with open(os.path.join(self.path, "cert.pem"), "rb") as f:
            return x509.load_pem_x509_certificate(f.read()).public_bytes(
                serialization.Encoding.DER)

    def put(self, name, data):
        with open(os.path.join(self.path, name + ".new"), "wb") as f:
            f.write(data)
        os.rename(f.name, os.path.join(self.path, name))


class Node:
    """with Node(…) as n: a node, running, with that folder's certificate or as an agent
    of that type; n.lines: what it says."""

    def __init__(self, place, folder, *peers, **environ):
        self.port = free_port()
        self.name = "n%d@%s" % (self.port, HOST)
        self.said, self.lines = [], queue.Queue()
        command = [os.path.join(EXAMPLE, "start"), self.name] + \
                  [p.name for p in peers]
        env = dict(os.environ, ERL_EBIN=place.base, HOME=place.base,
                   TMPDIR=place.base, **environ)
        if isinstance(folder, Folder):
            env["CRETULA_DIR"] = folder.path
        else:
            env["CRETULA_CERTMGR"] = place.cm.api
            command = [CRETULA, "agent", "run", "--type", folder, "--view",
                       "--name", HOST, "--"] + command
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait(self, *words, seconds=SECONDS):
        """Until it has said all of these lines, each once."""
        end = time.monotonic() + seconds
        left = list(words)
        while left:
            try:
                line = self.lines.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                line = None
            check(line is not None, "%s says %s" % (self.name, left), self.said)
            self.said.append(line)
            for word in left:
                if word in line:
                    left.remove(word)
                    break

    def has_said(self, word):
        while not self.lines.empty():
            self.said.append(self.lines.get() or "")
        return any(word in line for line in self.said)

    def __enter__(self):
        self.wait("is " + self.name)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


class Place:
    def __init__(self, ca, cm, base):
        self.ca, self.cm, self.base = ca, cm, base
        self.chain = Chain(ca)
        cm.grant(os.getuid(), "erlang,web")

    def shown(self, node):
        """The serial of the certificate that a node shows, who asks having none."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % node.port],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=SECONDS)
        done = subprocess.run(["openssl", "x509", "-noout", "-serial"],
                              input=done.stdout, stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().strip().partition("=")[2].lower()

    def revoke(self, der):
        with self.ca.admin() as a:
            a.call("ca.revoke", [("serial", serial_hex(der)),
                                 ("reason", "superseded")])
        self.until_listed(der)

    def until_listed(self, der):
        """Lists follow a revocation; nodes look nowhere else."""
        cert = load(der)
        point = cert.extensions.get_extension_for_class(
            x509.CRLDistributionPoints).value[0].full_name[0].value

        def there():
            with urllib.request.urlopen(point, timeout=SECONDS) as answer:
                crl = x509.load_der_x509_crl(answer.read())
            return crl.get_revoked_certificate_by_serial_number(
                cert.serial_number) is not None
        until("the list has the revocation", there)


def refused(place, folder, by, why, seconds=SECONDS):
    """A node with that folder does not get in where `by` is."""
    with Node(place, folder, by) as n:
        n.wait(*["refused by " + by.name] * REFUSALS, seconds=seconds)
        by.wait(why)
        check(not n.has_said("up " + by.name) and
              not by.has_said("up " + n.name), "it was never in", n.said, by.said)


@case
def nodes_form_a_cluster(place):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(Node(place, "erlang"))
        second = stack.enter_context(Node(place, "erlang", first))
        second.wait("up " + first.name)
        first.wait("up " + second.name)
        third = stack.enter_context(Node(place, "erlang", first, second))
        third.wait("up " + first.name, "up " + second.name)
        first.wait("up " + third.name)
        second.process.kill()
        first.wait("down " + second.name)
        third.wait("down " + second.name)
    equal([n for n in os.listdir(place.base) if n.startswith("tmp.")], [],
          "option files that stayed")


@case
def who_was_revoked_is_refused(place):
    """What an agent once had is worth nothing when the agent is revoked."""
    copy = Folder(place)
    with Node(place, "erlang") as inside:
        with place.cm.shell(type="erlang", view=True,
                            options=("--name", HOST)) as agent:
            for name in FILES:
                code, data = agent.read(name)
                equal(code, 0, "it reads its own")
                copy.put(name + ".pem", data)
            with Node(place, copy, inside) as n:    # so far it gets in
                n.wait("up " + inside.name)
                inside.wait("up " + n.name)
            inside.wait("down " + n.name)
            place.cm.cli("agent", "revoke", agent.agent)
            place.until_listed(copy.certificate())
            refused(place, copy, inside, "Certificate Revoked")
        with Node(place, "erlang", inside) as other:
            other.wait("up " + inside.name)


@case
def nobody_connects_to_a_revoked_one(place):
    folder = Folder(place)
    with Node(place, folder) as bad:
        place.revoke(folder.der)
        with Node(place, "erlang", bad) as n:
            n.wait("Certificate Revoked", "refused by " + bad.name)
            check(not bad.has_said("up " + n.name), "never connected", bad.said)


@case
def agents_of_another_type_are_refused(place):
    with Node(place, "erlang") as inside:
        refused(place, "web", inside, "agent_of_type")
    with Node(place, "web", ERL_TYPE="web") as inside:
        with Node(place, "web", inside, ERL_TYPE="web") as n:
            n.wait("up " + inside.name)


@case
def certificates_of_another_ca_are_refused(place):
    with Ca(tls_names="localhost") as other:
        other.stop()
        other.add_profile("all", PROFILES)
        other.start()
        init(other)
        chain = Chain(other)
        until_https(other, chain)
        folder = Folder(place, chain, other)
        with Node(place, "erlang") as inside:
            refused(place, folder, inside, "unknown_ca")


@case
def a_node_of_another_host_is_not_believed(place):
    """Its certificate does not have the host that is in its name."""
    with Node(place, Folder(place, type="nameless", names=()),
              ERL_TYPE="nameless") as bad:
        with Node(place, "erlang", bad, ERL_TYPE="nameless") as n:
            n.wait("hostname_check_failed", "refused by " + bad.name)
            check(not n.has_said("up " + bad.name), "never connected", n.said)


@case
def renewed_files_are_used(place):
    with Node(place, "erlang") as inside:
        mine, = [a["agent"] for a in place.cm.list()
                 if int(a["pid"]) == inside.process.pid]
        with Node(place, "erlang", inside) as other:
            other.wait("up " + inside.name)
            old = place.shown(inside)
            equal(place.shown(inside), old, "the same again")
            place.cm.cli("agent", "renew", mine)
            until("the renewed one is shown", lambda: place.shown(inside) != old)
            with Node(place, "erlang", inside) as after:
                after.wait("up " + inside.name)
            check(not other.has_said("down " + inside.name),
                  "a connection that stands goes on", other.said)


def main():
    if not is_root():
        print("skip erlang - the file view needs root")
        return 0
    if not shutil.which("erlc"):
        print("skip erlang - erlc is not there: install erlang-base, erlang-ssl")
        return 0
    with tempfile.TemporaryDirectory(prefix="cretula-test-") as base:
        subprocess.run(["erlc", "-Wall", "-Werror", "-o", base,
                        os.path.join(EXAMPLE, "cretula_dist.erl")], check=True,
                       env=dict(os.environ, HOME=base))
        http = free_port()
        with Ca(tls_names="localhost", listen_http="127.0.0.1:%d" % http,
                public_url="http://127.0.0.1:%d" % http) as ca:
            ca.stop()
            ca.add_profile("all", PROFILES)
            ca.start()
            ca_cli.init(ca)
            with Certmgr(ca, node=HOST) as cm:
                return run(Place(ca, cm, base))


if __name__ == "__main__":
    sys.exit(main())
