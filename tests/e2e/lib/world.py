"""The daemon, programs and users that the tests of who may do what share."""
import atexit
import os
import shutil
import socket
import subprocess
import tempfile

from lib.actor import SECONDS, Actor, Stopped
from lib.case import Skip, check, run
from lib.daemon import Daemon
from lib.raw import KEY, SECRET

PYTHON = os.path.realpath("/usr/bin/python3")
OWNER, STRANGER = 61234, 61235      # nobody's, below the roles' range
GROUP = 61236
NOT_OURS = ("denied", "unauthenticated", "closed")


def readable_asker():
    """asker.py and what it needs, copied to where every uid may read: the tree
    itself may lie in a home folder that is closed to others."""
    top = os.path.abspath(__file__).rsplit("/tests/e2e/lib/", 1)[0]
    folder = tempfile.mkdtemp(prefix="cretula-test-")
    atexit.register(shutil.rmtree, folder, True)
    for part in ("tests/e2e/lib", "examples/boto3"):
        shutil.copytree(os.path.join(top, part), os.path.join(folder, part),
                        ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    return os.path.join(folder, "tests/e2e/lib/asker.py")


ASKER = readable_asker()


class World:
    """The daemon, a program only root can change, and a cgroup that is a unit."""

    def __init__(self, daemon, folder, unit):
        self.daemon, self.api = daemon, daemon.api
        self.folder, self.unit = folder, unit
        self.trusted = os.path.join(folder, "trusted")
        self.owned = os.path.join(folder, "owned")
        self.theirs = os.path.join(folder, "theirs", "trusted")

    def door(self):
        return Stopped(self.daemon.roles()["door"][0])

    def program(self, path, *arguments, uid=OWNER, fds=()):
        """What asker.py prints, run by the interpreter at path."""
        done = subprocess.run([path, ASKER] + list(arguments), user=uid, group=uid,
                              extra_groups=[], pass_fds=fds, timeout=SECONDS,
                              env={}, stdout=subprocess.PIPE)
        return done.stdout.decode().strip()


def hold(world, uid=OWNER, cgroup=None):
    """An Actor that runs the trusted program, which connects and passes us the
    connection: (actor, socket)."""
    def become_trusted(link):
        link.sock.set_inheritable(True)
        os.execve(world.trusted, [world.trusted, ASKER, "hold", world.api,
                                  str(link.sock.fileno())], {})
    actor = Actor(become_trusted, uid=uid, cgroup=cgroup)
    _, (fd,) = actor.hear()
    return actor, socket.socket(fileno=fd)


def exec_trusted(world, *arguments):
    os.execve(world.trusted, [world.trusted, ASKER] + [str(a) for a in arguments],
              {})


def refused(got, what):
    check(got in NOT_OURS, "%s gets nothing" % what, got)


# Making it

def cgroups():
    for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(os.path.join(path, "cgroup.procs")) and os.path.exists(
                os.path.join(path, "cgroup.controllers")):
            return path
    return None


def need_unit(world):
    if world.unit is None:
        raise Skip("no cgroup v2 to make a unit in")


def make_unit():
    name = "cretula-test-%d.service" % os.getpid()
    try:
        os.mkdir(os.path.join(cgroups() or "/nowhere", name))
    except OSError:
        return None
    return name


def make_programs(world):
    """Copies of the interpreter: one root's, one the subject's own, one in a folder
    of the subject's."""
    os.chmod(world.folder, 0o755)
    shutil.copy(PYTHON, world.trusted)
    shutil.copy(PYTHON, world.owned)
    os.mkdir(os.path.dirname(world.theirs))
    shutil.copy(PYTHON, world.theirs)
    os.chown(world.owned, OWNER, OWNER)
    os.chown(os.path.dirname(world.theirs), OWNER, OWNER)


def prepare(world):
    grants = {"exe": [("exe", world.trusted), ("uid", OWNER)],
              "owned": [("exe", world.owned), ("uid", OWNER)],
              "theirs": [("exe", world.theirs), ("uid", OWNER)],
              "uid": [("uid", OWNER)], "gid": [("gid", GROUP)],
              "root": [("uid", 0)]}
    if world.unit:
        grants["unit"] = [("unit", world.unit)]
    with world.daemon.admin() as a:
        for name, subject in grants.items():
            a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.grant_add(("credential", name), ("op", "sign"), ("max_skew", "any"),
                        *subject)


def main():
    """Runs the cases in a world that is gone afterwards."""
    if os.getuid() != 0:
        print("skip who - needs root, to be several users")
        return 0
    unit = make_unit()
    # not /tmp: everybody can write there
    folder = tempfile.mkdtemp(prefix="cretula-test-", dir="/var/lib")
    try:
        with Daemon() as daemon:
            world = World(daemon, folder, unit)
            make_programs(world)
            prepare(world)
            return run(world)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if unit:
            os.rmdir(os.path.join(cgroups(), unit))

