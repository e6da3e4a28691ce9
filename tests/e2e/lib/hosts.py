"""Several hosts on this machine, as namespaces of the kernel: each has its own network, name,
/etc, boot id and clock, and a link to the others.

    with Net() as net:
        ca, n1 = net.host("ca.example"), net.host("n1.example")
        daemon = n1.put(Certmgr(…))     # runs there; so does what it is asked by `cli`
        n1.cut("silent"); n1.heal()
        n1.skew(3600); n1.skew(0)
        n1.restart()

A host is what one process holds, which ends when its standard input does: with the test,
however that ends. Daemons die with who started them (so: start them in the main thread). No
namespace has a name and no link is in the machine's own network, so nothing of this can be
left over but a folder, which the next Net takes away.

The wall clock of a host is tests/tool/skew.c's, by that host's own /etc/ld.so.preload: the
loader reads that file whatever the environment is, so it is also in our daemons' children.
(There is no time namespace for the wall clock, faketime is told by the environment and
opens files later than our daemons may, and the machine's own clock is everybody's.)
Boot clocks and the kernel's own stamps are the machine's, as is the kernel's keyring."""
import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import uuid

from lib.case import Skip, build, check, is_sanitized
from lib.daemon import descendants, end_held, hold

PREFIX = "cretula-hosts-"
NETWORK = "10.91.7."            # nobody else's: these networks are connected to nothing
SECONDS = 120
SKEW = os.path.join(os.path.abspath(build()), "tests", "skew.so")
FIRST_UID = 61300       # nobody's, below the roles' range
USERS = ["_cretula-" + role for role in (
    "store zygote vault door front opener gate verifier dialer worker certmgr-store "
    "keeper net view ca-store ca-signer issuer prober").split()]
BOOT_ID = "/proc/sys/kernel/random/boot_id"
CLONE_NEWNET = 0x40000000

# What holds a host, in namespaces of its own. Its /etc is a copy; its boot id a file.
HOLD = """
set -e
mount --bind "$BASE/etc" /etc
mount --bind "$BASE/boot_id" %s
hostname "$NAME"
ip link set lo up
echo ready
exec cat
""" % BOOT_ID

libc = ctypes.CDLL(None, use_errno=True)


def must_root():
    if os.geteuid():
        raise Skip("needs root, to make hosts of namespaces")


def sweep():
    """Folders of those who were killed: their names hold who made them."""
    for name in os.listdir(tempfile.gettempdir()):
        if not name.startswith(PREFIX):
            continue
        pid = name[len(PREFIX):].split("-")[0]
        if not pid.isdigit() or not os.path.exists("/proc/" + pid):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name),
                          ignore_errors=True)


def call(*words, **more):
    """Its output. Through a file: a pipe has no end as long as any process has it, and a
    fork in another thread of the test may."""
    with tempfile.TemporaryFile() as out:
        code = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out,
                              stderr=out, timeout=SECONDS, **more).returncode
        out.seek(0)
        said = out.read().decode("utf-8", "replace")
    if code:
        raise OSError("%s: %s" % (" ".join(words), said.strip()))
    return said


class Holder:
    """One process that holds namespaces."""

    def __init__(self, words, **environment):
        self.process = subprocess.Popen(
            ["unshare", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=dict(os.environ, **environment))
        said = self.process.stdout.readline()
        if said != b"ready\n":
            why = said + self.process.stdout.read()
            self.end()
            raise Skip("no namespaces here: " + why.decode("utf-8", "replace"))

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(SECONDS)


class Net:
    """The switch between hosts, and all of them."""

    def __init__(self):
        must_root()
        sweep()
        self.base = tempfile.mkdtemp(prefix="%s%d-" % (PREFIX, os.getpid()))
        os.chmod(self.base, 0o755)
        self.hosts = []
        self.holder = None
        atexit.register(self.close)
        try:
            self.holder = Holder(["--net", "sh", "-c", "echo ready; exec cat"])
            self.ip("link", "add", "name", "switch", "type", "bridge")
            self.ip("link", "set", "switch", "up")
        except OSError as e:
            self.close()
            raise Skip("no bridge in a network of its own: %s" % e) from e
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Also after half a beginning, and twice."""
        atexit.unregister(self.close)
        for host in reversed(self.hosts):
            host.close()
        self.hosts = []
        if self.holder:
            self.holder.end()
            self.holder = None
        shutil.rmtree(self.base, ignore_errors=True)

    def ip(self, *words):
        return call("nsenter", "--net=/proc/%d/ns/net" % self.holder.pid, "ip",
                    *words)

    def host(self, name):
        """A new one, that the others find by its name."""
        host = Host(self, name, len(self.hosts) + 1)
        self.hosts.append(host)
        try:
            host.begin()
        except BaseException:
            self.hosts.remove(host)
            host.close()
            raise
        for one in self.hosts:
            one.write_names()
        return host


class Host:
    """One host. Its daemons are what `put` was given."""

    def __init__(self, net, name, number):
        self.net, self.name = net, name
        self.address = NETWORK + str(number)
        self.port = "port%d" % number
        self.base = os.path.join(net.base, name)
        self.services = []
        self.holder = None
        self.cut_how = None
        self.ahead = 0

    # Its beginning and end

    def begin(self):
        # but what the kernel's helper is told: tests beside this one change it
        shutil.copytree("/etc", os.path.join(self.base, "etc"), symlinks=True,
                        ignore_dangling_symlinks=True,
                        ignore=shutil.ignore_patterns("request-key.d"))
        os.chmod(self.base, 0o755)
        self.write("hostname", self.name + "\n")
        self.write("resolv.conf", "")
        self.write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        self.add_users()
        self.write_names()
        self.new_boot()
        self.make_clock()
        self.holder = Holder(["--net", "--mount", "--uts", "sh", "-c", HOLD],
                             BASE=self.base, NAME=self.name)
        self.net.ip("link", "add", "name", self.port, "type", "veth", "peer",
                    "name", "eth0", "netns", str(self.holder.pid))
        self.net.ip("link", "set", self.port, "master", "switch", "up")
        self.link_up()

    def link_up(self):
        self.run("ip", "address", "replace", self.address + "/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def close(self):
        if self.holder:
            self.kill()
            self.holder.end()
            self.holder = None

    # Its files

    def write(self, name, text):
        """A file of its /etc; what was there, be it a link, is gone."""
        path = os.path.join(self.base, "etc", name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)

    def write_names(self):
        lines = ["127.0.0.1 localhost"]
        lines += ["%s %s" % (h.address, h.name) for h in self.net.hosts or [self]]
        self.write("hosts", "\n".join(lines) + "\n")

    def add_users(self):
        """Those of an installation: a role has the same uid at each start."""
        for file, line in (("passwd", "%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n"),
                           ("group", "%s:x:%d:\n")):
            path = os.path.join(self.base, "etc", file)
            with open(path) as f:
                text = f.read()
            for n, name in enumerate(USERS):
                uid = FIRST_UID + n
                text += line % ((name, uid, uid) if file == "passwd" else (name, uid))
            self.write(file, text)

    def new_boot(self):
        """In place: it is mounted."""
        with open(os.path.join(self.base, "boot_id"), "w") as f:
            f.write("%s\n" % uuid.uuid4())

    # Its clock

    def make_clock(self):
        self.has_clock = os.path.exists(SKEW) and not is_sanitized()
        if not self.has_clock:
            return
        etc = os.path.join(self.base, "etc")
        shutil.copy(SKEW, os.path.join(etc, "cretula-skew.so"))
        with open(os.path.join(etc, "cretula-skew"), "wb") as f:
            f.write(struct.pack("=q", 0))
        os.chmod(os.path.join(etc, "cretula-skew"), 0o644)
        self.write("ld.so.preload", "/etc/cretula-skew.so\n")

    def skew(self, seconds):
        """From now on its wall clock is so much ahead of ours, in every process."""
        if not self.has_clock:
            raise Skip("a clock of one's own needs build/tests/skew.so, and no "
                       "sanitizer beside it")
        fd = os.open(os.path.join(self.base, "etc", "cretula-skew"), os.O_WRONLY)
        with contextlib.closing(os.fdopen(fd, "wb", buffering=0)) as f:
            f.write(struct.pack("=q", seconds))
        self.ahead = seconds

    # Being there

    def words(self, *command, uid=None, dies=False):
        """The command line that runs it there. dies: together with who started it."""
        where = "/proc/%d/ns/" % self.holder.pid
        words = ["nsenter", "--mount=" + where + "mnt", "--uts=" + where + "uts",
                 "--net=" + where + "net"]
        if uid is not None:
            words += ["--setuid", str(uid), "--setgid", str(uid)]
        if dies:
            words += ["setpriv", "--pdeathsig", "KILL", "--"]
        return words + list(command)

    def run(self, *command, **more):
        """Its output; OSError with it if it fails."""
        return call(*self.words(*command), **more)

    @contextlib.contextmanager
    def inside(self):
        """This thread's sockets, and the processes that it starts, are in its network."""
        with open("/proc/self/ns/net") as ours, \
                open("/proc/%d/ns/net" % self.holder.pid) as theirs:
            enter(theirs)
            try:
                yield self
            finally:
                enter(ours)

    def put(self, service):
        """A daemon that is not started yet: it will run here."""
        service.host = self
        self.services.append(service)
        return service

    # Faults

    def cut(self, how="down"):
        """down: the cable is out, and both ends know. silent: what is sent is lost, and
        nobody is told. gone: the host itself has no network any more."""
        check(self.cut_how is None, "its link is whole", self.cut_how)
        if how == "down":
            self.net.ip("link", "set", self.port, "down")
        elif how == "silent":
            self.net.ip("link", "set", self.port, "nomaster")
        else:
            self.run("ip", "link", "set", "eth0", "down")
        self.cut_how = how

    def heal(self):
        self.net.ip("link", "set", self.port, "master", "switch", "up")
        self.link_up()
        self.cut_how = None

    def processes(self):
        """All that runs there, but its holder."""
        mine = os.readlink("/proc/%d/ns/uts" % self.holder.pid)
        found = set()
        for service in self.services:
            if service.process:
                found.update(descendants(service.process.pid))
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and \
                        os.readlink("/proc/%s/ns/uts" % name) == mine:
                    found.add(int(name))
        return found - {self.holder.pid}

    def kill(self):
        """All of it at once, until there is nothing. Who is about to end has left its
        namespaces before its sockets are closed: it is held before that."""
        held = hold(self.processes())
        for service in self.services:   # first: it would start the others again
            if service.process:
                service.process.kill()
        while held:
            for pidfd in held:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            for pidfd in held:
                end_held(pidfd)
            held = hold(self.processes())
        for service in self.services:
            if service.process:
                service.process.wait(SECONDS)
                service.process = None

    def restart(self):
        """As after a loss of power: another boot id, nothing in the folders of what
        runs, the daemons started in the order in which they came."""
        self.kill()
        self.new_boot()
        for service in self.services:
            for name in os.listdir(service.run):
                path = os.path.join(service.run, name)
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
        for service in self.services:
            service.start()


def enter(namespace):
    if libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
