"""Stores that know each other, and what the tests of exports do with them."""
import contextlib
import json
import os

from lib import ca_cli
from lib.ca_cli import until
from lib.certmgr import Certmgr, free_port, served_ca
from lib.daemon import Daemon
from lib.raw import KEY, SCOPE, SECRET, VANILLA_SIGNATURE, VANILLA_TEXT


def put(daemon, name, data):
    path = os.path.join(daemon.base, name)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path, 0o600)
    return path


def seal_pub(daemon):
    return os.path.join(daemon.folder, "seal.pub")


def knows(daemon, name, other, url=False):
    """daemon has `other` as peer `name`."""
    words = ["peer", "add", name, seal_pub(other)]
    if url:
        words += ["--url", getattr(other, "url", "unix://" + other.api)]
    daemon.cli(*words)


@contextlib.contextmanager
def stores(*names, url=False):
    """That many unsealed credds, each knowing all others by their names."""
    with contextlib.ExitStack() as stack:
        all_ = {n: stack.enter_context(Daemon()) for n in names}
        for n, d in all_.items():
            for m, other in all_.items():
                if m != n:
                    knows(d, m, other, url)
        yield tuple(all_.values())


PROFILES = """
profile=node life=72h usage=server,client dns={node} capability=issue:*@{node} \
capability=admin:*@{node} may_delegate=yes
profile=gate life=1h usage=server,client dns={node}
profile=ops life=1h capability=admin:credd@{node} may_delegate=yes
profile=web life=1h
"""
HOST = "localhost"      # a node whose name leads here


def url_of(listen):
    return "https://%s:%s" % (HOST, listen.rsplit(":", 1)[1])


class Remote:
    """credds that are reached by HTTPS, with a CA and a certmgr: w.store(NAME), and
    w.identity(TYPE) of an agent, for --identity."""

    def __init__(self, stack, profiles=PROFILES, listens=False):
        """listens: certmgr is reached by HTTPS as well, at w.cm.url."""
        self.stack = stack
        self.ca = stack.enter_context(served_ca(default_profile="no"))
        self.ca.add_profile("test", profiles)
        self.ca.reload()
        ca_cli.init(self.ca)
        self.cm = Certmgr(self.ca, node=HOST)
        if listens:
            listen = "127.0.0.1:%d" % free_port()
            self.cm.options.update(node=HOST, listen=listen)
            self.cm.url = url_of(listen)
        stack.enter_context(self.cm)
        self.cm.grant(0)
        self.root = ca_cli.path(self.ca, "root.pem")
        self.files = {}

    def store(self, **options):
        """One that answers over the network."""
        d = Daemon(listen="127.0.0.1:%d" % free_port(), node=HOST,
                   ca_root=self.root, certmgr=self.cm.run, **options)
        self.stack.enter_context(d)
        self.admit(d)
        d.url = url_of(d.options["listen"])
        return d

    def admit(self, daemon):
        """Its gate, whose uid is another one at each start."""
        gate = os.stat("/proc/%d" % daemon.roles()["gate"][0]).st_uid
        self.cm.grant(gate, agent="gate")

    def identity(self, type):
        """Path of a PEM file with key and certificates."""
        if type not in self.files:
            spawned = self.cm.spawn(type=type)
            until("the certificate of %s" % type,
                  lambda: "serial" in self.cm.show(spawned.agent))
            self.files[type] = put(self.cm, type + ".pem",
                                   self.cm.claim(spawned)[0])
        return self.files[type]

    def as_(self, type):
        """Options for the command."""
        return ("--identity", self.identity(type), "--ca", self.root)

    def reached(self, daemon):
        """Once its gate has a certificate and knows ours."""
        until("%s answers" % daemon.url, lambda: daemon.cli(
            "credential", "list", "--connect", daemon.url, *self.as_("ops"),
            check=False).returncode == 0)


def add(daemon, name, *words, secret=SECRET):
    daemon.cli("credential", "add", name, "module=aws-sigv4",
               "access_key=" + KEY, "secret_key=-", *words,
               stdin=secret.encode())


def may_export(daemon, name, *limits):
    out = daemon.cli("grant", "add", "credential=" + name, "op=export",
                     "reveal=secret", "uid=%d" % os.getuid(), *limits,
                     "--field", "id")
    return out.stdout.decode().strip()


def may_sign(daemon, name):
    daemon.cli("grant", "add", "credential=" + name, "op=sign",
               "uid=%d" % os.getuid(), "max_skew=any")


def sign(daemon, name, check_it=True):
    return daemon.cli("sign", name, *SCOPE, "--headers", stdin=VANILLA_TEXT,
                      check=check_it)


def signs_right(daemon, name):
    return VANILLA_SIGNATURE in sign(daemon, name).stdout


def shown(daemon, name):
    """Its versions, the current one first."""
    out = daemon.cli("credential", "show", name, "--json").stdout
    return [json.loads(line) for line in out.splitlines()]


def version(daemon, name):
    return int(shown(daemon, name)[0]["version"])


__all__ = ["Remote", "put", "seal_pub", "knows", "stores", "add", "may_export",
           "may_sign", "sign", "signs_right", "shown", "version"]
