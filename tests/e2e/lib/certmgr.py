"""A certmgr of one's own, with the CA that it is a node of: start, enrolment, grants,
agents, what the file view shows, and what is killed.

    with node() as (ca, cm):
        cm.grant(OWNER)
        with cm.shell(uid=OWNER, view=True) as agent:
            code, pem = agent("cat $CRETULA_DIR/cert.pem")

Nothing here sleeps where something tells; what tells nobody is asked for (until)."""
import contextlib
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import time

from lib import ca_cli
from lib.admin import Client, Refused
from lib.case import build, check, equal
from lib.ca_cli import SECONDS, until
from lib.daemon import BROKEN, OTHER_UID, Ca, Service, as_uid, wait_end

from cretula_native import (CALL, ERROR, ITEM, REPLY, ProtocolError, decode_attrs,
                            encode_message)

NODE = "n1.example"
OWNER = OTHER_UID               # who may start agents
STRANGER = OTHER_UID + 1        # who may not
FILES = ("cert", "chain", "key", "ca", "bundle")
UPCALL = "/run/cretula/upcall"
CRETULA = os.path.join(os.path.abspath(build()), "bin", "cretula")


def is_root():
    return os.geteuid() == 0


def mount_id(folder):
    """Of the uppermost mount there; None. Asks not the mount, which may not answer."""
    found = None
    with open("/proc/self/mountinfo") as f:
        for line in f:
            words = line.split()
            if words[4] == folder:
                found = words[0]
    return found


held_ports = []


def free_port():
    """Nobody else's as long as this process lives: each test holds a name for its ports,
    and what connects to somebody is given none of these."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind("\0cretula-test-port-%d" % port)
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        held_ports.append(name)
        return port


def served_ca(**options):
    """A Ca for agents and nodes of `example`, which keeps its port when it is started
    again; not initialised."""
    return Ca(**{"probe_loopback": "yes", "tls_names": "localhost",
                 "default_profile": "yes",
                 "listen": "127.0.0.1:%d" % free_port(), **options})


@contextlib.contextmanager
def node(profiles=None, ca_options=None, **options):
    """(ca, cm): an enrolled certmgr and its CA. profiles: text of a file."""
    with served_ca(**(ca_options or {})) as ca:
        if profiles:
            ca.add_profile("test", profiles)
            ca.reload()
        ca_cli.init(ca)
        with Certmgr(ca, **options) as cm:
            yield ca, cm


class Certmgr(Service):
    """with Certmgr(ca) as cm: a certmgr that has its node's certificate. Options are
    configuration: claim_within="2s", view="no", audit="durable", …"""

    NAME = "certmgr"
    ENV = "CRETULA_CERTMGR"

    def __init__(self, ca, node=NODE, enrolled=True, broken=BROKEN, **options):
        super().__init__(broken, **options)
        self.ca = ca
        self.node = node
        self.enrolled = enrolled
        self.token = os.path.join(self.base, "token")
        preset = {"ca": ca_cli.url(ca), "token": self.token,
                  "ca_root": ca_cli.path(ca, "root.pem"),
                  # the port that it would take is one for all tests at a time
                  "verify_listen": "127.0.0.1:0",
                  "view": os.path.join(self.base, "fs") if is_root() else "no"}
        self.options = {**preset, **self.options}

    # Life

    def begin(self):
        if self.enrolled:
            self.enrol()
        self.start()
        if self.enrolled:
            self.wait_ready_node()

    def enrol(self, **more):
        """A token for the node, where certmgr finds it; of a certificate that begins
        at once."""
        more = {"verify_after": "0", **more}
        words = [w for name, value in more.items()
                 for w in ("--" + name.replace("_", "-"), str(value))]
        done = self.ca.cli("ca", "token", "--node", self.node, *words)
        fd = os.open(self.token, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as f:
            f.write(done.stdout)

    def wait_ready_node(self):
        until("the node has its certificate", lambda: not self.attention())

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        """Also what a certmgr that was killed has left behind."""
        self.stop()
        if is_root():
            fs = self.options["view"]
            while mount_id(fs):
                subprocess.run(["umount", "-l", fs], check=True)
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(UPCALL, self.instance))
        super().close()

    def kill(self, role):
        """Kills a role and waits until there is another one; its old pid."""
        old = self.roles()[role][0]
        os.kill(old, signal.SIGKILL)
        check(wait_end(old, SECONDS), "%s ends" % role)
        until("%s is back" % role,
              lambda: self.roles().get(role, [old])[0] != old)
        return old

    def kill_all(self):
        """Ends every process at once, as a crash of the machine's owner would."""
        self.stop(signal.SIGKILL)

    # What it says

    @property
    def instance(self):
        with open(os.path.join(self.state, "instance")) as f:
            return f.read().strip()

    def status(self):
        with self.admin() as a:
            return a.status()

    def attention(self):
        """What status says is wrong: sentences; also while nobody answers."""
        try:
            return [v.decode() for v in self.status().all("attention")]
        except (OSError, Refused, ProtocolError) as e:
            return [str(e)]

    def records(self, event=None):
        """The log's records, as Attrs."""
        found, at = [], 0
        with self.admin() as a:
            while True:
                items = a.call("audit.show", [("from", at)]).items
                at += len(items)
                if not items:
                    return [r for r in found
                            if event is None or r.text("event") == event]
                found += [decode_attrs(i.get("record")) for i in items]

    # Who may

    def grant(self, uid=OWNER, agent="*", **more):
        with self.admin() as a:
            return a.grant_add(("agent", agent), ("uid", uid), *more.items())

    # Agents, by the protocol

    def spawn(self, uid=None, type="web", pidfd=None, **more):
        """agent.spawn by a process of that uid: Spawned. What is refused raises
        Refused. Values that are lists repeat their name."""
        attrs = [("type", type)]
        for name, value in more.items():
            for one in value if isinstance(value, list) else [value]:
                attrs.append((name, one))
        if uid is None:
            return spawn_here(self.api, attrs, pidfd)
        return as_uid(uid, spawn_here, self.api, attrs, pidfd)

    def claim(self, spawned, uid=None):
        """agent.claim over the socket by a fresh process of that uid: PEM, reply."""
        if uid is None:
            return claim_here(self.api, spawned)
        return as_uid(uid, claim_here, self.api, spawned)

    # Agents, by the command

    def environment(self):
        return {"PATH": os.path.dirname(CRETULA) + ":/usr/bin:/bin",
                self.ENV: self.api}

    def popen(self, *command, uid=None, **more):
        """The command, or another program, as that uid."""
        if self.host:
            return subprocess.Popen(self.there(*command, uid=uid),
                                    env=self.environment(), **more)
        who = {} if uid is None else {"user": uid, "group": uid,
                                      "extra_groups": []}
        return subprocess.Popen(command, env=self.environment(), **who, **more)

    def agent_words(self, *command, type="web", view=None, options=()):
        """`cretula agent run` with COMMAND; view: True, "self" or None."""
        words = [CRETULA, "agent", "run", "--type", type]
        if view:
            words.append("--view" if view is True else "--view=" + view)
        return words + list(options) + ["--"] + list(command)

    def run_agent(self, *command, uid=None, timeout=60, stdin=b"", **more):
        """COMMAND as an agent until it ends: its CompletedProcess."""
        with self.popen(*self.agent_words(*command, **more), uid=uid,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE) as p:
            try:
                out, err = p.communicate(stdin, timeout)
            except BaseException:
                p.kill()
                raise
        return subprocess.CompletedProcess(p.args, p.returncode, out, err)

    def shell(self, uid=None, **more):
        """A shell as an agent, which runs lines: Shell."""
        return Shell(self, uid, **more)

    def list(self, *words):
        done = self.cli("agent", "list", "--json", *words)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def show(self, agent):
        return json.loads(self.cli("agent", "show", agent, "--json").stdout)

    def wait_agent(self, agent, what, condition):
        """Until `agent show` (a dict; {} where there is none) fulfils it."""
        def now():
            done = self.cli("agent", "show", agent, "--json", check=False)
            return condition(json.loads(done.stdout or b"{}"))
        until("agent %s: %s" % (agent, what), now)

    # The file view

    def folder_of(self, agent):
        return os.path.join(self.options["view"], agent)

    def file_of(self, agent, name):
        check(name in FILES, "a file of the view", name)
        return os.path.join(self.folder_of(agent), name + ".pem")


class Spawned:
    """What agent.spawn gives: the id, the instance, the token's text."""

    def __init__(self, agent, instance, token):
        self.agent = agent
        self.instance = instance
        self.token = token

    @property
    def description(self):
        return "cretula:cert:%s:%s" % (self.instance, self.agent)


def send_fds(sock, data, fds):
    """A daemon takes none (EPERM) until it knows who we are, and tells nobody when."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return socket.send_fds(sock, [data], fds)
        except PermissionError:
            check(time.monotonic() < end, "descriptors are taken")
            time.sleep(0.0001)


def call_fds(client, verb, attrs, fds):
    """One call with descriptors beside it, and its answer. They pass only once the
    hello has been accepted, which another answer shows."""
    with contextlib.suppress(Refused):
        client.call("agent.list")
    ident = client.next_id
    client.next_id += 1
    data = encode_message(CALL, ident, [("verb", verb), ("fds", len(fds))]
                          + list(attrs))
    sent = send_fds(client.sock, data, fds)
    client.sock.sendall(data[sent:])
    items = []
    while True:
        kind, _, answer = client.receive()
        if kind == ERROR:
            raise Refused(answer)
        if kind == ITEM:
            items.append(answer)
            continue
        equal(kind, REPLY, "kind of the answer")
        answer.items = items
        return answer


def read_all(sock):
    with sock.makefile("rb") as f:
        return f.read()


def spawn_here(api, attrs, pidfd=None):
    """agent.spawn by this process."""
    ours, theirs = socket.socketpair()
    with ours, Client(api) as c:
        with theirs:
            fds = [theirs.fileno()] + ([] if pidfd is None else [pidfd])
            reply = call_fds(c, "agent.spawn", attrs, fds)
        return Spawned(reply.text("agent"), reply.text("instance"),
                       read_all(ours))


def claim_here(api, spawned):
    """agent.claim by this process: (PEM, reply)."""
    ours, theirs = socket.socketpair()
    with ours, Client(api) as c:
        ours.sendall(spawned.token)
        with theirs:
            reply = call_fds(c, "agent.claim", [("agent", spawned.agent)],
                             [theirs.fileno()])
        return read_all(ours), reply


class Shell:
    """/bin/sh as an agent: agent(line) runs a line there and gives (code, output).
    The agent lives until `with` ends, or end()."""

    MARK = b"--cretula-test--"

    def __init__(self, cm, uid=None, **more):
        self.cm = cm
        self.process = cm.popen(*cm.agent_words("/bin/sh", **more), uid=uid,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        try:
            code, out = self("echo $CRETULA_AGENT:$CRETULA_DIR")
            equal(code, 0, "the shell answers")
            words = out.decode().strip().splitlines()[-1].split(":", 2)
            self.instance, self.agent, self.dir = words
        except BaseException:
            self.end()
            raise

    def __call__(self, line):
        """Standard input is not the line's."""
        self.process.stdin.write(b"{ %s\n} </dev/null 2>&1; code=$?; echo; "
                                 b"echo %s $code\n" % (line.encode(), self.MARK))
        self.process.stdin.flush()
        out = b""
        while True:
            got = self.process.stdout.readline()
            if got.startswith(self.MARK):
                return int(got.split()[1]), out[:-1]
            check(got, "the shell still lives", line, out)
            out += got

    def read(self, name):
        """(code, output) of reading one of its files."""
        return self("cat " + shlex.quote(os.path.join(self.dir, name + ".pem")))

    @property
    def pid(self):
        """COMMAND takes the place of `agent run`."""
        return self.process.pid

    def end(self, sig=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
