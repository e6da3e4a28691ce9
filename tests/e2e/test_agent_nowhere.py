#!/usr/bin/python3
"""No private key of an agent is ever on a disk: certmgr and CA live on a file system of the
test's own, agents of all kinds get, renew and lose their keys there, all processes crash
with core files allowed; then every byte of that disk is searched, free space too, for the
keys they got. Nor is one in a log, a record, or the arguments of any process."""
import base64
import contextlib
import ctypes
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lib.actor import CLONE_NEWNS, MS_PRIVATE, MS_REC, libc, must
from lib.ca_cli import until
from lib.case import Skip, build, case, check, equal, is_sanitized, run
from lib.certmgr import CRETULA, OWNER, SECONDS, is_root, node
from lib.daemon import wait_end
from lib.memory import in_arguments, in_bytes, in_folder, shapes
from lib.upcall import registered

IMAGE = 96 << 20
BLOCK = 4096
LINE = 64           # base64 digits in a line of PEM
SCALAR_AT = 36      # of the 32 bytes in PKCS #8 of P-256
SCALAR = 32
KEY = re.compile(rb"-----BEGIN PRIVATE KEY-----\n(.*?)-----END PRIVATE KEY-----\n", re.S)
PKCS8 = bytes.fromhex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b"
                      "0201010420")
# The sanitizer takes the others for a bug.
CRASH = (signal.SIGKILL,) if is_sanitized() else (signal.SIGSEGV, signal.SIGABRT,
                                                  signal.SIGQUIT)


def key_shapes(pem):
    """Every form in which a key would be a leak: its scalar, and the lines of its text
    that have a part of it."""
    key = serialization.load_pem_private_key(pem, None)
    scalar = key.private_numbers().private_value.to_bytes(SCALAR, "big")
    out = shapes(scalar)
    out["little-endian"] = scalar[::-1]
    lines = KEY.search(pem)[1].split()
    first, last = SCALAR_AT * 4 // 3, (SCALAR_AT + SCALAR) * 4 // 3
    for n in range(first // LINE, last // LINE + 1):
        out["line %d" % n] = lines[n]
    return out


def new_pem():
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())


class Disk:
    """A file system in a file, in a mount namespace of our own: whatever happens, the
    mount goes with the process."""

    def __init__(self):
        self.real = tempfile.mkdtemp(prefix="cretula-test-")
        os.chmod(self.real, 0o755)
        self.image = os.path.join(self.real, "image")
        self.at = os.path.join(self.real, "disk")
        self.mounted = False

    def mount(self):
        must(libc.unshare(CLONE_NEWNS), "unshare")
        must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount")
        os.mkdir(self.at)
        with open(self.image, "wb") as f:
            f.truncate(IMAGE)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        done = subprocess.run(["mount", "-o", "loop,nodiscard", self.image, self.at],
                              stderr=subprocess.PIPE)
        if done.returncode:
            raise Skip("nothing can be mounted: " + done.stderr.decode())
        self.mounted = True
        os.chmod(self.at, 0o777)
        tempfile.tempdir = self.at
        os.environ["TMPDIR"] = self.at
        os.chdir(self.at)

    def sync(self):
        subprocess.run(["sync", "-f", self.at], check=True)

    def umount(self):
        if self.mounted:
            os.chdir("/")
            subprocess.run(["umount", self.at], check=True)
            self.mounted = False

    def find(self, wanted):
        """The shapes that are anywhere on it, in files or in free space."""
        return sorted({name for part in self.parts()
                       for name in in_bytes(part, wanted)})

    def parts(self):
        """What is not empty."""
        with open(self.image, "rb") as f:
            data = f.read()
        empty, runs, begin = bytes(BLOCK), [], None
        for at in range(0, len(data) + BLOCK, BLOCK):
            full = data[at:at + BLOCK] not in (empty, b"")
            if full and begin is None:
                begin = at
            elif not full and begin is not None:
                runs.append(data[begin:at])
                begin = None
        check(sum(map(len, runs)) > 1 << 20, "there is something on it")
        return runs

    def cores(self):
        return [os.path.join(base, name) for base, _, names in os.walk(self.at)
                for name in names if name.startswith("core")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        tempfile.tempdir = None
        os.chdir("/")
        if self.mounted:
            subprocess.run(["umount", "-l", self.at], check=False)
        shutil.rmtree(self.real, ignore_errors=True)


# Agents

# Claims by libcretula, as often as it is told; crashes at the end.
CLAIMER = r"""
import ctypes, os, signal, sys
lib = ctypes.CDLL(sys.argv[1])
for f in ("certificate", "chain", "key", "serial"):
    getattr(lib, "cretula_agent_" + f).restype = ctypes.c_char_p
lib.cretula_agent_key.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
lib.cretula_way_name.restype = ctypes.c_char_p
agent, err = ctypes.c_void_p(), ctypes.create_string_buffer(4096)
assert not lib.cretula_agent_new(ctypes.byref(agent), err), err.raw
while True:
    assert not lib.cretula_agent_claim(agent, err), err.raw
    n = ctypes.c_size_t()
    key = lib.cretula_agent_key(agent, ctypes.byref(n))
    print(lib.cretula_way_name(lib.cretula_agent_way(agent)).decode(), flush=True)
    os.write(1, key)
    if sys.stdin.readline() == "crash\n":
        os.kill(os.getpid(), signal.SIGSEGV)
"""


class Claimer:
    def __init__(self, world, cm, uid):
        self.process = cm.popen(*cm.agent_words(
            "/usr/bin/python3", "-c", CLAIMER,
            os.path.join(os.path.abspath(build()), "lib", "libcretula.so")), uid=uid,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.world = world
        self.take()
        self.agent, = [a["agent"] for a in cm.list()
                       if a["pid"] == str(self.process.pid)]

    def take(self):
        self.way = self.process.stdout.readline().decode().strip()
        text = b""
        while not text.endswith(b"-----END PRIVATE KEY-----\n"):
            line = self.process.stdout.readline()
            check(line, "the claimer lives")
            text += line
        self.world.got("claimed by " + self.way, text)

    def claim(self):
        self.process.stdin.write(b"again\n")
        self.process.stdin.flush()
        self.take()

    def crash(self):
        self.process.stdin.write(b"crash\n")
        self.process.stdin.flush()
        check(wait_end(self.process.pid, SECONDS), "the claimer crashes")
        _, status = os.waitpid(self.process.pid, 0)
        self.process.returncode = -os.WTERMSIG(status)
        equal((os.WTERMSIG(status), os.WCOREDUMP(status)), (signal.SIGSEGV, False),
              "how it crashed")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class World:
    """What was done, and what the searches found."""

    def __init__(self, disk):
        self.disk = disk
        self.keys = {}          # text of a key: how it was got
        self.found = {}         # where: what was found there
        self.cores = []

    def got(self, how, pem):
        """Remembers each key in pem."""
        m = KEY.search(pem)
        check(m, "a key was got: " + how, pem[:200])
        self.keys.setdefault(m[0], how)

    def wanted(self):
        return {"%s: %s" % (how, name): shape
                for pem, how in self.keys.items()
                for name, shape in key_shapes(pem).items()}

    def note(self, where, what):
        if what:
            self.found.setdefault(where, []).extend(what)

    def look(self, cm):
        """What is seen only while it runs."""
        wanted = self.wanted()
        self.disk.sync()
        self.note("the disk", self.disk.find(wanted))
        self.note("files", in_folder(self.disk.at, wanted))
        for record in cm.records():
            text = b"".join(bytes(v) for _, v, _ in record)
            self.note("records", in_bytes(text, wanted))
        for name in os.listdir("/proc"):
            if name.isdigit():
                self.note("arguments", in_arguments(int(name), wanted))
        for role, pids in cm.roles().items():
            for pid in pids:
                self.note("other disks", writes_elsewhere(role, pid, self.disk.at))
        self.cores += self.disk.cores()


def writes_elsewhere(role, pid, folder):
    """Regular files that it has open for writing and that are not on the disk."""
    out = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            path = "/proc/%d/fd/%s" % (pid, fd)
            name = os.readlink(path)
            with open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
                flags = int(re.search(r"flags:\s*(\d+)", f.read())[1], 8)
            if stat.S_ISREG(os.stat(path).st_mode) and name.startswith("/") and \
                    flags & os.O_ACCMODE != os.O_RDONLY and \
                    not name.startswith(("/memfd:", "/secretmem", folder + "/")):
                out.append((role, name))
    return out


def viewed(world, shell, how):
    until("it reads " + how, lambda: shell.read("key")[0] == 0)
    world.got(how, shell.read("bundle")[1])
    world.got(how, shell.read("key")[1])


def crash_all(world, cm, shell):
    """Each process in turn, with a core file if it may have one."""
    for i, role in enumerate(("keeper", "view", "net", "door", "store", "dialer",
                              "front", "keeper", "view")):
        pid = cm.roles()[role][0]
        os.kill(pid, CRASH[i % len(CRASH)])
        check(wait_end(pid, SECONDS), "%s crashes" % role)
        until("it reads again", lambda: shell.read("bundle")[0] == 0)
        viewed(world, shell, "after the crash of " + role)


def live(world):
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    with registered(), node() as (_, cm), contextlib.ExitStack() as stack:
        cm.grant(OWNER)
        world.log = cm.log
        pem, _ = cm.claim(cm.spawn(uid=OWNER), uid=OWNER)
        world.got("claimed over the socket", pem)
        claimer = None
        if not is_sanitized():      # such a library is not for Python
            claimer = stack.enter_context(Claimer(world, cm, OWNER))
            equal(claimer.way, "keyring", "how it claims")
        done = cm.run_agent(CRETULA, "agent", "claim", "--pem", uid=OWNER)
        world.got("printed", done.stdout)
        view = stack.enter_context(cm.shell(OWNER, view=True))
        gone = stack.enter_context(cm.shell(OWNER, view=True))
        viewed(world, view, "read in the view")
        viewed(world, gone, "read, then revoked")
        both = cm.run_agent("/bin/sh", "-c", "cat $CRETULA_DIR/key.pem; ulimit -c",
                            uid=OWNER, view=True)
        world.got("read, then ended", both.stdout)
        check(is_sanitized() or both.stdout.endswith(b"unlimited\n"),
              "core files are allowed", both.stdout[-20:])
        for _ in range(2):
            cm.cli("agent", "renew", view.agent)
            viewed(world, view, "renewed in the view")
            if claimer:
                cm.cli("agent", "renew", claimer.agent)
                claimer.claim()
        world.look(cm)
        cm.cli("agent", "revoke", gone.agent)
        crash_all(world, cm, view)
        if claimer:
            claimer.crash()
        world.node_key = node_key(world, cm)
        cm.stop(CRASH[0])
        cm.start()
        viewed(world, view, "after certmgr's crash")
        cm.kill_all()
        cm.start()
        viewed(world, view, "after certmgr's start")
        world.look(cm)
        with cm.admin() as a:
            world.status = a.status()
    world.cores += world.disk.cores()
    world.disk.umount()


def node_key(world, cm):
    """The exception: where that key is, of all files on the disk."""
    for base, _, names in os.walk(os.path.join(cm.state, "net")):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as f:
                data = f.read()
            at = data.find(PKCS8) + len(PKCS8)
            if at >= len(PKCS8):
                wanted = shapes(data[at:at + SCALAR])
                mode = stat.S_IMODE(os.stat(path).st_mode)
                return wanted, path, mode, in_folder(world.disk.at, wanted)
    raise AssertionError("the node has no key")


# What it all comes to

@case
def the_search_finds_what_was_on_the_disk(world):
    """The node's key was, in a file that has gone with its folder by now."""
    wanted, path, mode, where = world.node_key
    check("/state/net/" in path, "where it is", path)
    equal((where, oct(mode)), ([(path, ["raw"])], "0o600"),
          "it is there and nowhere else")
    equal(world.disk.find(wanted), ["raw"], "found in free space")


@case
def the_search_finds_what_is_planted(world):
    """In a file, in a core file, and in either after it was deleted."""
    with Disk() as disk:
        forms = {}
        for name in ("pem", "der", "core", "hex"):
            forms[name] = new_pem()
        child = os.fork()
        disk_in_child(child, disk, forms)
        for name, shape in (("pem", "line 1"), ("der", "raw"), ("core", "raw"),
                            ("hex", "hex")):
            check(shape in disk.find(key_shapes(forms[name])), "found", name)
        equal(disk.find(key_shapes(new_pem())), [], "and nothing else")


def disk_in_child(child, disk, forms):
    """In a namespace of its own, and through with it when this returns."""
    if child:
        _, status = os.waitpid(child, 0)
        equal(status, 0, "planting")
        return
    code = 1
    try:
        disk.mount()
        plant(disk, forms)
        code = 0
    finally:
        os._exit(code)


def scalar_of(pem):
    return key_shapes(pem)["raw"]


def plant(disk, forms):
    for name, data in (("pem", forms["pem"]), ("der", scalar_of(forms["der"])),
                       ("hex", scalar_of(forms["hex"]).hex().encode())):
        path = os.path.join(disk.at, name)
        with open(path, "wb") as f:
            f.write(os.urandom(1 << 20) + data)
            os.fsync(f.fileno())
    held = ctypes.create_string_buffer(scalar_of(forms["core"]))
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    os.waitpid(child, 0)
    del held
    check(disk.cores(), "a process that may leaves a core file")
    disk.sync()
    # at the end, lest one be written where another was
    for name in os.listdir(disk.at):
        if name != "lost+found":
            os.unlink(os.path.join(disk.at, name))
    disk.umount()


@case
def keys_were_got_in_every_way(world):
    ways = set(world.keys.values())
    for how in ("claimed over the socket", "printed",
                "read in the view", "renewed in the view", "read, then revoked",
                "read, then ended", "after certmgr's crash", "after certmgr's start"):
        check(how in ways, "a key was got: " + how, ways)
    equal(list(world.keys.values()).count("claimed by keyring"),
          0 if is_sanitized() else 3, "keys by the keyring, and renewed by claims")


@case
def no_key_is_on_the_disk(world):
    equal(world.disk.find(world.wanted()), [], "on the disk, at the end")
    equal(world.found.get("the disk", []), [], "on the disk, meanwhile")
    equal(world.found.get("files", []), [], "in files")
    equal(world.found.get("other disks", []), [], "files on other disks")


@case
def no_key_of_anybodys_is_on_the_disk(world):
    """Also none that nobody got: of the pool, lost, or asked for in vain."""
    wanted, _, _, _ = world.node_key
    texts = {"PEM": b"PRIVATE KEY-----", "base64": base64.b64encode(PKCS8)[:40]}
    equal(world.disk.find(texts), [], "keys as text")
    others = set()
    for part in world.disk.parts():
        others |= {part[m.end():m.end() + SCALAR]
                   for m in re.finditer(re.escape(PKCS8), part)}
    equal(len(others), 1, "keys as DER")
    equal(others, {wanted["raw"]}, "it is the node's")


@case
def no_crash_leaves_a_core_file(world):
    equal(world.cores, [], "core files")


@case
def no_key_is_in_records_or_arguments(world):
    equal(world.found.get("records", []), [], "in records")
    equal(world.found.get("arguments", []), [], "in arguments")


@case
def no_key_is_in_swap(world):
    with open("/proc/swaps") as f:
        swaps = [line.split()[0] for line in f][1:]
    if not swaps:
        raise Skip("there is no swap")
    wanted = world.wanted()
    for path in swaps:
        with open(path, "rb") as f:
            while True:
                data = f.read(64 << 20)
                if not data:
                    break
                equal(in_bytes(data, wanted), [], "in " + path)


def main():
    if not is_root():
        print("skip nowhere - mounting a disk needs root")
        return 0
    with Disk() as disk:
        world = World(disk)
        try:
            disk.mount()
        except Skip as e:
            print("skip nowhere - %s" % e)
            return 0
        live(world)
        return run(world)


if __name__ == "__main__":
    sys.exit(main())
