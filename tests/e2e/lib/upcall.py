"""Keys and upcalls: the key system calls, the helper put in place as tools/upcall.h
says, and a keeper that does as a test tells it."""
import contextlib
import ctypes
import errno
import fcntl
import os
import random
import socket
import struct
import tempfile

from lib.case import Skip, build
import lib.admin        # noqa: F401  finds cretula_native
from cretula_native import decode_attrs, encode_attrs, encode_message

HELPER = "/usr/libexec/cretula/cretula-request-key"
CONF = "/etc/request-key.d/cretula.conf"
USERS, CHANGE = "/run/cretula/upcall.users", "/run/cretula/upcall.change"
FOLDER = "/run/cretula/upcall"
SECONDS = 120

# enum upcall_kind
CLAIM, KEY, NO, DONE = 1, 2, 3, 4

# add_key, request_key, keyctl
NUMBERS = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219),
           "riscv64": (217, 218, 219)}
THREAD, PROCESS, SESSION, USER, USER_SESSION = -1, -2, -3, -4, -5
(GET_ID, JOIN, UPDATE, REVOKE, CHOWN, SETPERM, DESCRIBE, CLEAR, LINK, UNLINK, SEARCH,
 READ, INSTANTIATE, NEGATE, SET_REQKEY, TIMEOUT, ASSUME) = range(17)
REJECT, INVALIDATE = 19, 21

libc = ctypes.CDLL(None, use_errno=True)


def system_call(index, *arguments):
    """Its result; OSError. Strings and None are pointers."""
    def as_c(a):
        return ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a)
    numbers = NUMBERS.get(os.uname().machine)
    if not numbers:
        raise Skip("the numbers of key system calls here are not known")
    libc.syscall.restype = ctypes.c_long
    got = libc.syscall(ctypes.c_long(numbers[index]), *map(as_c, arguments))
    if got < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return got


def add_key(description, payload, ring):
    return system_call(0, b"user", description, payload, len(payload), ring)


def add_ring(name, ring):
    return system_call(0, b"keyring", name, None, 0, ring)


def request_key(description, callout, ring):
    return system_call(1, b"user", description, callout, ring)


def keyctl(operation, *arguments):
    return system_call(2, operation, *arguments)


def text_of(operation, key, size=65536):
    room = ctypes.create_string_buffer(size)
    n = keyctl_raw(operation, key, room, size)
    return room.raw[:n]


def keyctl_raw(operation, key, room, size):
    libc.syscall.restype = ctypes.c_long
    got = libc.syscall(ctypes.c_long(NUMBERS[os.uname().machine][2]),
                       ctypes.c_long(operation), ctypes.c_long(key), room,
                       ctypes.c_long(size))
    if got < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return got


def read_key(key):
    return text_of(READ, key)


def describe(key):
    """(type, uid, gid, permissions, description)"""
    kind, uid, gid, perm, name = text_of(DESCRIBE, key)[:-1].split(b";", 4)
    return kind, int(uid), int(gid), int(perm, 16), name


def error_of(function, *arguments):
    """The name of the errno that it fails with, or what it gives."""
    try:
        return function(*arguments)
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))


USED = []


def fresh_uid():
    """One whose quota nobody has used lately."""
    USED.append(random.randrange(1 << 20, 1 << 30))
    return USED[-1]


def forget_users():
    """Their rings, which the kernel would keep until it ends: every upcall looks at
    all keys that there are."""
    for uid in USED:
        if os.fork() == 0:
            with contextlib.suppress(OSError):
                os.setgroups([])
                os.setresuid(uid, uid, uid)
                # by number: looking for one makes the other anew
                for ring in [keyctl(GET_ID, r, 0) for r in (USER, USER_SESSION)]:
                    keyctl(INVALIDATE, ring)
            os._exit(0)
        os.wait()
    USED.clear()


# The helper in place

def mark_of(path):
    st = os.lstat(path)
    return "%d %d.%d\n" % (st.st_ino, st.st_mtime_ns // 10**9, st.st_mtime_ns % 10**9)


def marked(path):
    folder, name = os.path.split(path)
    return os.path.join(folder, ".%s.playground" % name)


def is_ours(path):
    try:
        with open(marked(path)) as f:
            return mark_of(path) in f.read().splitlines(True)
    except FileNotFoundError:
        return False


def put(path, data, mode):
    if os.path.lexists(path):
        if not is_ours(path):
            return
        with open(path, "rb") as f:
            if f.read() == data:
                return
    folder, name = os.path.split(path)
    os.makedirs(folder, 0o755, exist_ok=True)
    temp = os.path.join(folder, ".%s.new" % name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temp)
    with open(temp, "xb") as f:
        f.write(data)
        os.fchmod(f.fileno(), mode)
    with open(marked(path), "w") as f:
        f.write(mark_of(temp))
    os.rename(temp, path)


def take_away(path):
    if is_ours(path):
        os.unlink(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(marked(path))


def locked(path, how):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, how)
    return fd


CONF_TEXT = (b"# Put here by a cretula playground or a test; the last one takes it "
             b"away.\ncreate\tuser\tcretula:cert:*\t*\t%s %%k\n" % HELPER.encode())


@contextlib.contextmanager
def registered(binary=None):
    """The helper and its line are in place, as long as nobody dies for it."""
    if os.geteuid():
        raise Skip("only root can register what the kernel calls")
    if not os.access("/sbin/request-key", os.X_OK):
        raise Skip("there is no /sbin/request-key")
    with open(binary or os.path.join(build(), "bin/cretula-request-key"), "rb") as f:
        helper = f.read()
    os.makedirs("/run/cretula", 0o755, exist_ok=True)
    change = locked(CHANGE, fcntl.LOCK_EX)
    users = locked(USERS, fcntl.LOCK_SH)
    try:
        put(HELPER, helper, 0o755)
        put(CONF, CONF_TEXT, 0o644)
        os.close(change)
        change = -1
        yield
    finally:
        forget_users()
        if change < 0:
            change = locked(CHANGE, fcntl.LOCK_EX)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            take_away(CONF)
            take_away(HELPER)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(HELPER))
        os.close(users)
        os.close(change)


# The helper, held up

GATE = """#!/usr/bin/python3
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(%r)
s.sendall(sys.argv[1].encode() + b"\\n")
s.recv(1)
os.execv(%r, [%r, sys.argv[1]])
"""


@contextlib.contextmanager
def gate(keeper):
    """/sbin/request-key starts a program that waits for go() in the helper's stead,
    and then becomes it."""
    with tempfile.TemporaryDirectory(prefix="cretula-test-") as folder:
        place, program = folder + "/sock", folder + "/gate"
        conf = "/etc/request-key.d/cretula-test-%s.conf" % keeper.instance
        with open(program, "w") as f:
            f.write(GATE % (place, HELPER, HELPER))
        os.chmod(program, 0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(place)
            listener.listen(4)
            listener.settimeout(SECONDS)
            with open(conf, "w") as f:
                f.write("create user cretula:cert:%s:* * %s %%k\n" % (
                    keeper.instance, program))
            try:
                yield listener
            finally:
                os.unlink(conf)


def waiting(listener):
    """(connection to let it go, serial of the key)"""
    sock = listener.accept()[0]
    sock.settimeout(SECONDS)
    return sock, int(sock.makefile().readline())


# A keeper

class Claim:
    """What a helper asks. Answered by key(), no() or raw bytes."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(SECONDS)
        self.helper = struct.unpack("iII", sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        self.kind, self.id, self.attrs = self.receive()

    def __getitem__(self, name):
        return self.attrs.text(name)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            got = self.sock.recv(n - len(data))
            if not got:
                raise EOFError("closed after %d of %d bytes" % (len(data), n))
            data += got
        return data

    def receive(self):
        (length,) = struct.unpack(">I", self.exactly(4))
        body = self.exactly(length)
        kind, ident = struct.unpack_from(">IQ", body)
        return kind, ident, decode_attrs(body[12:])

    def say(self, kind, attrs):
        self.sock.sendall(encode_message(kind, self.id, attrs))

    def key(self, payload, seconds=3600):
        self.say(KEY, [("payload", payload), ("seconds", str(seconds))])

    def no(self, code, seconds=0):
        self.say(NO, [("errno", str(code)), ("seconds", str(seconds)),
                      ("text", "no")])

    def done(self):
        """The errno of UC_DONE; None if the helper has gone without."""
        try:
            kind, ident, attrs = self.receive()
        except (EOFError, ConnectionResetError):
            return None
        assert (kind, ident) == (DONE, self.id), (kind, ident)
        return int(attrs.text("errno"))

    def ended(self):
        """Waits until the helper has gone."""
        try:
            while self.sock.recv(4096):
                pass
        except ConnectionResetError:
            pass

    def close(self):
        self.sock.close()


class Keeper:
    """Listens as an instance of certmgr would."""

    def __init__(self, instance=None):
        self.instance = instance or "%08x" % random.getrandbits(32)
        os.makedirs(FOLDER, 0o700, exist_ok=True)
        self.path = os.path.join(FOLDER, self.instance)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o600)
        self.sock.listen(64)
        self.sock.settimeout(SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def claim(self):
        return Claim(self.sock.accept()[0])

    def nobody_came(self):
        self.sock.settimeout(0)
        try:
            self.sock.accept()[0].close()
            return False
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(SECONDS)


__all__ = [n for n in dir() if not n.startswith("_")] + ["encode_attrs"]
