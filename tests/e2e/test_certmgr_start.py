#!/usr/bin/python3
"""The processes of certmgr: what is there when it says READY, how its node gets its
certificate, what the supervisor makes, mounts and refuses, what comes back when it
dies, what is gone when it ends."""
import errno
import functools
import os
import signal
import stat
import subprocess
import sys

from lib import ca_cli
from lib.ca_cli import SECONDS, until
from lib.case import Skip, build, case, check, equal, run
from lib.certmgr import NODE, OWNER, UPCALL, Certmgr, is_root, mount_id, node, served_ca
from lib.daemon import wait_end

ROLES = ["dialer", "door", "keeper", "net", "store"] \
    + (["view"] if is_root() else [])
PROGRAM = os.path.join(build(), "bin", "certmgr")


def children(cm):
    """Without fronts, which come and go with users."""
    return {role: pids for role, pids in cm.roles().items()
            if role not in ("supervisor", "front")}


def status_of(pid, field):
    with open("/proc/%d/status" % pid) as f:
        return f.read().split("\n%s:\t" % field)[1].split("\n")[0].split()[0]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def needs_root():
    if not is_root():
        raise Skip("only root mounts and answers the kernel")


def certificates(ca):
    """Serials of the node's own certificates, as the CA has them."""
    done = ca.cli("ca", "list", "--node", NODE, "--type", "node", "--field",
                  "serial", check=False)
    return done.stdout.decode().split()


class Nowhere:
    """In the place of a CA: there is none at that address."""

    def __init__(self, folder):
        self.base = folder
        self.https = "127.0.0.1:9"


def lone(**options):
    """A certmgr whose CA does not answer: with it."""
    cm = Certmgr(Nowhere("/nowhere"), enrolled=False, **options)
    root = os.path.join(cm.base, "root.pem")
    with open(root, "wb") as f:
        f.write(a_root())
    cm.options["ca_root"] = root
    return cm


@functools.lru_cache(None)
def a_root():
    """Some CA's, which is gone."""
    with served_ca() as ca:
        ca_cli.init(ca)
        return read(ca_cli.path(ca, "root.pem"))


def refuses(code, says, prepare=None, before=(), **options):
    """It does not start, with this exit code and sentence. None takes one away."""
    cm = lone()
    try:
        for name, value in options.items():
            cm.options[name] = value
            if value is None:
                del cm.options[name]
        if prepare:
            prepare(cm)
        cm.write_conf()
        done = subprocess.run(list(before) + [PROGRAM, "--config", cm.conf],
                              stdout=subprocess.PIPE, timeout=SECONDS,
                              stderr=subprocess.STDOUT)
        text = done.stdout.decode()
        check(says in text, says, text)
        equal(done.returncode, code, "exit code: " + text)
        check("event=ready" not in text, "is not ready", text)
    finally:
        cm.close()


@case
def every_role_is_there():
    with lone() as cm:
        roles = children(cm)
        equal(sorted(roles), ROLES, "roles")
        uids = set()
        for role, pids in roles.items():
            equal(status_of(pids[0], "Seccomp"), "2", "%s has a filter" % role)
            uids.add(status_of(pids[0], "Uid"))
        if is_root():
            equal(len(uids), len(ROLES), "uids differ")
            check("0" not in uids, "nobody is root")


@case
def its_sockets_are_there():
    with lone() as cm:
        check(os.path.exists(cm.api), "api.sock")
        mode = os.stat(os.path.join(cm.folder, "admin.sock")).st_mode
        equal(stat.S_IMODE(mode), 0o660, "mode of admin.sock")


@case
def what_is_made_once_is_kept():
    with lone() as cm:
        key = os.path.join(cm.state, "audit.key")
        st = os.stat(key)
        equal((stat.S_IMODE(st.st_mode), st.st_size), (0o600, 32), "audit key")
        check(len(cm.instance) == 8 and
              set(cm.instance) <= set("0123456789abcdef"), "instance", cm.instance)
        before = read(key), cm.instance
        cm.stop()
        cm.start()
        equal((read(key), cm.instance), before, "after a start")


@case
def folders_are_their_roles():
    with lone() as cm:
        for name in ("store", "net"):
            st = os.stat(os.path.join(cm.state, name))
            equal(stat.S_IMODE(st.st_mode), 0o700, "mode of " + name)
            equal(str(st.st_uid), status_of(children(cm)[name][0], "Uid"),
                  "owner of " + name)


@case
def the_node_enrols_once():
    with node() as (ca, cm):
        equal(len(certificates(ca)), 1, "certificates of the node")
        before = certificates(ca)
        os.unlink(cm.token)
        cm.stop()
        cm.start()
        cm.wait_ready_node()
        equal(certificates(ca), before, "after a start")


@case
def a_token_may_come_later():
    with served_ca() as ca:
        ca_cli.init(ca)
        with Certmgr(ca, enrolled=False) as cm:
            until("status says that a token is missing",
                  lambda: any("token" in s for s in cm.attention()))
            cm.enrol()
            net = children(cm)["net"][0]
            cm.reload()
            cm.wait_ready_node()
            equal(len(certificates(ca)), 1, "certificates of the node")
            equal(children(cm)["net"][0], net, "net goes on")


@case
def a_token_that_others_read_is_not_taken():
    def prepare(cm):
        with open(cm.token, "w") as f:
            f.write("ct1_nothing\n")
        os.chmod(cm.token, 0o644)
    refuses(1, "is not a file that only its owner can read", prepare)


@case
def what_dies_comes_back():
    with node() as (ca, cm):
        for role in ROLES:
            cm.kill(role)
        equal(sorted(children(cm)), ROLES, "roles")
        cm.wait_ready_node()
        equal(len(certificates(ca)), 1, "certificates of the node")


@case
def a_killed_certmgr_starts_again():
    with node() as (ca, cm):
        before = cm.instance
        cm.kill_all()
        cm.start()
        cm.wait_ready_node()
        equal(cm.instance, before, "instance")
        equal(sorted(children(cm)), ROLES, "roles")
        equal(len(certificates(ca)), 1, "certificates of the node")


@case
def the_end_is_everybodys():
    with lone() as cm:
        pids = [p[0] for p in children(cm).values()]
        sock = os.path.join(UPCALL, cm.instance)
        if is_root():
            check(mount_id(cm.options["view"]), "the view is mounted")
            equal(stat.S_IMODE(os.stat(sock).st_mode), 0o600, "mode of " + sock)
            equal(stat.S_IMODE(os.stat(UPCALL).st_mode), 0o700,
                  "mode of " + UPCALL)
        equal(cm.end(), 0, "exit code")
        for pid in pids:
            check(wait_end(pid, 0), "a child has ended")
        check(not mount_id(cm.options["view"]), "the view is gone")
        check(not os.path.exists(sock), "the helper's socket is gone")


def serves(folder):
    """Somebody answers for what is mounted there."""
    try:
        return mount_id(folder) is not None and os.listdir(folder) == []
    except OSError as e:
        equal(e.errno, errno.ENOTCONN, "what a dead mount says")
        return False


@case
def every_view_has_a_mount_of_its_own():
    needs_root()
    with lone() as cm:
        folder = cm.options["view"]
        check(serves(folder), "the view is mounted")
        cm.kill("view")
        until("a new mount serves", lambda: serves(folder))
        old = children(cm)["view"][0]
        subprocess.run(["umount", "-l", folder], check=True)
        check(wait_end(old, SECONDS), "that view ends")
        until("another mount serves", lambda: serves(folder))
        check("was unmounted" in cm.log(), "the log says so", cm.log())


def serial_of(shell):
    """Of the certificate that an agent sees; None while there is none."""
    code, out = shell("openssl x509 -noout -serial -in $CRETULA_DIR/bundle.pem")
    return out.decode().strip().partition("=")[2].lower() if code == 0 else None


def revoked(ca):
    lines = ca.cli("ca", "list", "--node", NODE, "--type", "web").stdout.decode()
    return {ca_cli.fields(line)["serial"] for line in lines.splitlines()
            if " status=revoked" in line}


@case
def an_agent_keeps_its_key_until_memory_is_lost():
    needs_root()
    with node() as (ca, cm):
        cm.grant(OWNER)
        with cm.shell(uid=OWNER, view=True) as agent:
            until("it has a certificate", lambda: serial_of(agent))
            first = serial_of(agent)
            for role in ("keeper", "view", "net", "store"):
                cm.kill(role)
                until("it reads", lambda: serial_of(agent))
                equal(serial_of(agent), first, "serial after %s died" % role)
            cm.stop()
            cm.start()
            until("another certificate",
                  lambda: serial_of(agent) not in (None, first))
            until("the old one is revoked", lambda: revoked(ca) == {first})
            second = serial_of(agent)
        until("all are revoked", lambda: revoked(ca) == {first, second})


@case
def without_view_and_upcall():
    with lone(view="no", upcall="no") as cm:
        equal(sorted(children(cm)), [r for r in ROLES if r != "view"], "roles")
        check(not os.path.exists(os.path.join(UPCALL, cm.instance)),
              "no socket for the helper")


@case
def three_deaths_drop_the_arena():
    with lone() as cm:
        for _ in range(3):
            cm.kill("keeper")
        check("event=arena_dropped" in cm.log() or
              "memfd_secret" in cm.log(), "the log says so", cm.log())
        until("it answers", lambda: cm.status().text("state", "x"))


@case
def a_wrong_configuration_is_refused():
    refuses(2, "say ca=, the https:// address of the CA", ca=None)
    refuses(2, "say ca_root=, a file with the CA's root certificate",
            ca_root=None)
    refuses(2, "https://HOST[:PORT]", ca="http://ca.example")
    refuses(2, "https://HOST[:PORT]", ca="https://ca.example/")
    refuses(2, "https://HOST[:PORT]", ca="https://")
    refuses(2, "audit= is 'normal' or 'durable', not 'never'", audit="never")
    refuses(2, "view= is a folder, an absolute path, or 'no'", view="fs")
    refuses(2, "claim_within", claim_within="0s")
    refuses(2, "claim_within", claim_within="2d")
    refuses(2, "nonsense", nonsense="1")
    refuses(1, "cannot be read: No such file or directory",
            ca_root="/nowhere/root.pem")
    refuses(1, "that nobody else can write", lambda cm: os.chmod(
        cm.options["ca_root"], 0o666))


@case
def wrong_state_is_refused():
    def write(name, data):
        def prepare(cm):
            path = os.path.join(cm.state, name)
            with open(path, "wb") as f:
                f.write(data)
            os.chmod(path, 0o600)
        return prepare
    refuses(2, "does not hold 8 hex digits", write("instance", b"0123456\n"))
    refuses(2, "does not hold 8 hex digits", write("instance", b"0123456G\n"))
    refuses(2, "does not hold 8 hex digits", write("instance", b"012345678\n"))
    refuses(2, "has not 32 bytes", write("audit.key", b"short"))


@case
def an_upcall_folder_of_others_is_refused():
    needs_root()
    for make, says in (
            ("mkdir -p -m 755 %s", "closed to others"),
            ("mkdir -p -m 700 %s && chown 61234 %s", "closed to others"),
            ("ln -s /tmp %s", "cannot be opened"),
            ("rm -rf /run/cretula; mkdir -m 777 /run/cretula", "has to be root's")):
        script = "mount -t tmpfs none /run && mkdir -m 755 /run/cretula && " \
            + make.replace("%s", UPCALL) + ' && exec "$@"'
        refuses(1, says, before=["unshare", "-m", "sh", "-c", script, "sh"])


@case
def a_signal_ends_it_while_it_starts():
    cm = lone()
    try:
        cm.write_conf()
        p = subprocess.Popen([PROGRAM, "--config", cm.conf],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        p.send_signal(signal.SIGKILL)
        p.wait(SECONDS)
        cm.start()
        equal(sorted(children(cm)), ROLES, "roles")
    finally:
        cm.close()


if __name__ == "__main__":
    sys.exit(run())
