"""Processes of other users that do as they are told, for tests of who may do what.
Nothing waits by sleeping: an actor tells what it has done, and its link ends when
it execs (the link is close-on-exec) or dies."""
import contextlib
import ctypes
import os
import pickle
import signal
import socket
import struct
import sys
import time
import traceback

from lib.raw import ERROR, REPLY, Raw, encode_message, right, run_attrs

from cretula_native import CALL, ProtocolError

SECONDS = 120
CLONE_VM, CLONE_NEWNS = 0x100, 0x20000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000

libc = ctypes.CDLL(None, use_errno=True)


def must(value, what):
    if value < 0:
        code = ctypes.get_errno()
        raise OSError(code, "%s: %s" % (what, os.strerror(code)))
    return value


class Link:
    """Pickled messages and descriptors over a SOCK_SEQPACKET socket."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(SECONDS)

    def tell(self, value, *fds):
        socket.send_fds(self.sock, [pickle.dumps(value)], fds)

    def hear(self):
        """(value, [descriptor]); EOFError when the other end has gone."""
        data, fds, _, _ = socket.recv_fds(self.sock, 65536, 4)
        if not data:
            raise EOFError("the actor is gone")
        value = pickle.loads(data)
        if isinstance(value, Exception):
            raise value
        return value, fds

    def wait_end(self):
        """Until it execs or dies."""
        try:
            while True:
                self.hear()
        except (EOFError, ConnectionResetError):
            return


def become(uid, gid=None, groups=()):
    gid = uid if gid is None else gid
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # a process that has changed its ids is not dumpable, and then its
    # /proc/self/uid_map is root's
    libc.prctl(4, 1, 0, 0, 0)


class Actor:
    """with Actor(function, uid=…) as a: function(link) runs in a process of that
    uid; a.hear() and a.tell() talk to it. It is killed at the end."""

    def __init__(self, function, uid=None, gid=None, groups=(), cgroup=None,
                 fork=os.fork):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = fork()
        if self.pid == 0:
            ours.close()
            self.play(function, Link(theirs), uid, gid, groups, cgroup)
        theirs.close()
        self.link = Link(ours)
        self.tell, self.hear = self.link.tell, self.link.hear
        self.wait_end = self.link.wait_end

    @staticmethod
    def play(function, link, uid, gid, groups, cgroup):
        code = 1
        try:
            if cgroup is not None:
                with open(os.path.join(cgroup, "cgroup.procs"), "w") as f:
                    f.write("0")
            if uid is not None:
                become(uid, gid, groups)
            function(link)
            code = 0
        except Exception as e:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
            with contextlib.suppress(Exception):
                link.tell(RuntimeError("actor: %r" % e))
        finally:
            os._exit(code)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.link.sock.close()

    def end(self):
        """Killed and reaped: its pid is free afterwards."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


def performed(function, **options):
    """What function(link) tells at last."""
    with Actor(function, **options) as a:
        value = None
        with contextlib.suppress(EOFError):
            while True:
                value, _ = a.hear()
        return value


# Talking to credd over a socket whose owner may be somebody else

def send_run(sock, credential, ancillary=()):
    try:
        sock.sendmsg([encode_message(CALL, 1, run_attrs(credential))], ancillary)
    except (BrokenPipeError, ConnectionResetError):
        pass        # closed already: the outcome says so


def outcome(sock):
    """allowed; or the name of the error; or closed."""
    sock.settimeout(SECONDS)
    raw = Raw.__new__(Raw)
    raw.sock = sock
    try:
        kind, _, attrs = raw.receive()
    except (ProtocolError, ConnectionResetError):
        return "closed"
    if kind == ERROR:
        return attrs.text("error")
    if kind == REPLY and right(attrs):
        return "allowed"
    return "wrong: %d %r" % (kind, attrs)


def greeted(path):
    """A socket whose hello this process has answered."""
    raw = Raw(path)
    return raw.sock


def ask(path, credential):
    try:
        with greeted(path) as sock:
            send_run(sock, credential)
            return outcome(sock)
    except (ProtocolError, ConnectionError):
        return "closed"


def credentials(pid, uid, gid):
    return [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS,
             struct.pack("iII", pid, uid, gid))]


# Namespaces and pids

def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def unshare_user(more):
    """Root of a user namespace of one's own. PermissionError where users may not."""
    uid, gid = os.getuid(), os.getgid()
    must(libc.unshare(CLONE_NEWUSER | more), "unshare")
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", "0 %d 1" % uid)
    write("/proc/self/gid_map", "0 %d 1" % gid)


def bind(source, target):
    must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    must(libc.mount(source.encode(), target.encode(), None, MS_BIND, None),
         "mount --bind")


LAST_PID = "/proc/sys/kernel/ns_last_pid"


def fork_as(wanted, tries=2000):
    """fork, with this pid in our pid namespace; a number taken by others in
    between costs another try."""
    for _ in range(tries):
        write(LAST_PID, str(wanted - 1))
        pid = os.fork()
        if pid == 0:
            if os.getpid() == wanted:
                return 0
            os._exit(0)
        if pid == wanted:
            return pid
        os.waitpid(pid, 0)
    raise OSError("pid %d does not become free" % wanted)


def share_memory():
    """The pid of a process that shares our memory, and keeps it over our exec."""
    size = 1 << 16
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [
        ctypes.c_int] + [ctypes.c_long]
    stack = libc.mmap(None, size, 3, 0x22, -1, 0)
    return must(libc.clone(libc.pause, ctypes.c_void_p(stack + size),
                           CLONE_VM | signal.SIGCHLD, None), "clone")


def stopped(pid):
    """A context in which pid does not run."""
    return Stopped(pid)


class Stopped:
    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        while state_of(self.pid) != "T":
            os.sched_yield()
        return self

    def go(self):
        os.kill(self.pid, signal.SIGCONT)

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.go()


def wait_exe(pid, path):
    """Until pid runs the program at path. For whoever's link a clone keeps open."""
    end = time.monotonic() + SECONDS
    while os.readlink("/proc/%d/exe" % pid) != path:
        if time.monotonic() > end:
            raise TimeoutError("process %d does not exec" % pid)
        os.sched_yield()


def state_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0]
