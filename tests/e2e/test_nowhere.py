#!/usr/bin/python3
"""The secret is nowhere, beside test_secret_nowhere.py: which worker holds what, what
passes a front (traced), what is left after rotation and after sealing, the pages the
kernel shows to nobody. Secrets are added by the command, as people do it."""
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile

from lib.ca_cli import until
from lib.case import Skip, case, check, equal, is_sanitized, run
from lib.daemon import PASSPHRASE, Daemon, wait_end
from lib.memory import in_arguments, in_bytes, in_folder, in_memory, shapes
from lib.raw import CALL, KEY, REPLY, VANILLA, Raw, encode_message, run_attrs

NAMES = ("one", "two", "three")
SIGNATURES = 1000
DEPTH = 32
SECONDS = 120


def made_up():
    """Looks like a secret key, and can be nothing else."""
    return os.urandom(20).hex().encode()


class Vaulted:
    """The daemon, and the secrets only we and it know."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.secret = {name: made_up() for name in NAMES}
        for name in NAMES:
            self.add(name)
            daemon.cli("grant", "add", "credential=" + name, "op=sign",
                       "uid=%d" % os.getuid(), "max_skew=any")

    def add(self, name, verb="add", more=()):
        with secret_file(self.secret[name]) as path:
            module = ["module=aws-sigv4"] if verb == "add" else []
            return self.daemon.cli("credential", verb, name, *module,
                                   "access_key=" + KEY, "secret_key=@" + path, *more)

    def sign(self, name, count):
        """Pipelined, each request another one."""
        with Raw(self.daemon.api) as raw:
            sent = got = 0
            while got < count:
                while sent < count and sent - got < DEPTH:
                    sent += 1
                    raw.send(encode_message(CALL, sent, run_attrs(
                        name, request=VANILLA + [("header", "X-N:%d" % sent)])))
                kind, _, attrs = raw.receive()
                equal(kind, REPLY, "the answer: %r" % attrs)
                got += 1

    def holders(self, value):
        """{role: number of processes} in whose memory the value is."""
        found = {}
        for role, pids in self.daemon.roles().items():
            for pid in pids:
                if in_memory(pid, shapes(value)):
                    found[role] = found.get(role, 0) + 1
        return found

    def workers(self):
        return self.daemon.roles().get("worker", [])


@contextlib.contextmanager
def secret_file(value):
    """In memory only, and gone at once."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as f:
        f.write(value + b"\n")
        f.flush()
        yield f.name


def need_memory():
    if os.getuid() != 0:
        raise Skip("needs root, to look into others")
    if is_sanitized():
        raise Skip("the sanitizer keeps what was freed")


@case
def each_secret_is_in_one_worker_and_nowhere_else(world):
    need_memory()
    for name in NAMES:
        world.sign(name, SIGNATURES)
    for name in NAMES:
        equal(world.holders(world.secret[name]), {"worker": 1}, "who holds " + name)
    # and no worker holds two
    for pid in world.workers():
        held = [n for n in NAMES if in_memory(pid, shapes(world.secret[n]))]
        check(len(held) <= 1, "one worker, one credential", held)


@case
def nothing_is_in_arguments_or_environment(world):
    for role, pids in world.daemon.roles().items():
        for pid in pids:
            for value in list(world.secret.values()) + [PASSPHRASE.encode()]:
                equal(in_arguments(pid, shapes(value)), [], role)


@case
def value_on_the_command_line_is_refused(world):
    value = made_up().decode()
    done = world.daemon.cli("credential", "add", "argv", "module=aws-sigv4",
                            "access_key=" + KEY, "secret_key=" + value, check=False)
    equal(done.returncode, 2, "the exit code")
    check(value.encode() not in done.stdout + done.stderr, "nor repeated")
    check(b"secret_key" in done.stderr, "it says which", done.stderr)
    equal(in_folder(world.daemon.base, shapes(value.encode())), [], "found")


@case
def nobody_can_be_dumped(world):
    """No core files, and /proc does not belong to the process's own user."""
    for role, pids in world.daemon.roles().items():
        for pid in pids:
            with open("/proc/%d/status" % pid) as f:
                uid = int(re.search(r"^Uid:\s+(\d+)", f.read(), re.M).group(1))
            # the zygote is root in a namespace of its own
            if os.getuid() == 0 and uid != 0 and role != "zygote":
                check(os.stat("/proc/%d/mem" % pid).st_uid != uid,
                      "%s is not dumpable" % role)
            with open("/proc/%d/limits" % pid) as f:
                core = re.search(r"^Max core file size +(\S+) +(\S+)", f.read(), re.M)
            if role != "supervisor":
                equal(core.groups(), ("0", "0"), "the core limit of " + role)


@case
def arena_is_shown_to_nobody(world):
    need_memory()
    with world.daemon.admin() as a:
        if any(b"memfd_secret" in w for w in a.status().all("weaker")):
            raise Skip("no memfd_secret here")
    for role, pids in world.daemon.roles().items():
        for pid in pids:
            with open("/proc/%d/maps" % pid) as f:
                hidden = [line.split()[0] for line in f if "secretmem" in line]
            equal(bool(hidden), role == "vault", "%s maps the arena" % role)
            for area in hidden:
                low = int(area.split("-")[0], 16)
                with open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
                    try:
                        data = os.pread(mem.fileno(), 16, low)
                    except OSError:
                        data = b""
                equal(data, b"", "what can be read of it")


# What a front reads and writes

class Trace:
    """with Trace(pid) as t: …; t.bytes() is all that the process read and wrote."""

    def __init__(self, pid):
        self.out = tempfile.TemporaryFile()
        try:
            self.strace = subprocess.Popen(
                ["strace", "-f", "-xx", "-s", "10000000", "-o", "/dev/fd/%d"
                 % self.out.fileno(), "-p", str(pid), "-e", "trace=read,readv,"
                 "recvfrom,recvmsg,recvmmsg,write,writev,sendto,sendmsg,sendmmsg"],
                pass_fds=[self.out.fileno()], stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise Skip("no strace")
        said = self.strace.stderr.readline()
        if b"attached" not in said:
            self.strace.wait()
            raise Skip("strace: %s" % said.decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.strace.send_signal(signal.SIGINT)
        self.strace.communicate(timeout=SECONDS)

    def bytes(self):
        self.out.seek(0)
        text = self.out.read()
        return b"".join(bytes.fromhex(s.replace(b"\\x", b"").decode())
                        for s in re.findall(rb'"((?:\\x[0-9a-f]{2})+)"', text))


@case
def nothing_confidential_passes_a_front(world):
    need_memory()
    secret = world.secret["traced"] = made_up()
    later = made_up()
    with world.daemon.admin():      # so that there is a front to trace
        front = world.daemon.roles()["front"][0]
        with Trace(front) as trace:
            world.add("traced")
            world.daemon.cli("grant", "add", "credential=traced", "op=sign",
                             "uid=%d" % os.getuid(), "max_skew=any")
            world.sign("traced", DEPTH)
            world.secret["traced"] = later
            world.add("traced", "rotate")
            world.sign("traced", DEPTH)
            world.daemon.cli("seal")
            world.daemon.unseal()
        equal(world.daemon.roles()["front"], [front], "the front")
    seen = trace.bytes()
    check(KEY.encode() in seen, "the trace shows what is shareable", len(seen))
    check(b"credential.rotate" in seen and b"unseal" in seen, "and the calls")
    for value in (secret, later, PASSPHRASE.encode()):
        equal(in_bytes(seen, shapes(value)), [], "confidential in the trace")


# What is left

@case
def rotated_secret_is_gone(world):
    need_memory()
    old = world.secret["one"]
    world.sign("one", 1)
    before = [p for p in world.workers() if in_memory(p, shapes(old))]
    equal(len(before), 1, "workers that hold it")
    world.secret["one"] = made_up()
    world.add("one", "rotate", ["--grace", "0s"])
    check(wait_end(before[0], SECONDS), "the worker of the old version ends")
    world.sign("one", 1)
    equal(world.holders(old), {}, "who holds the old one")
    equal(world.holders(world.secret["one"]), {"worker": 1}, "who holds the new one")


@case
def sealing_leaves_nothing(world):
    need_memory()
    for name in NAMES:
        world.sign(name, 1)
    workers = world.workers()
    world.daemon.cli("seal")
    equal([p for p in workers if not wait_end(p, SECONDS)], [], "workers left")
    for name in NAMES:
        equal(world.holders(world.secret[name]), {}, "who holds %s, sealed" % name)
    equal(world.holders(PASSPHRASE.encode()), {}, "who holds the passphrase")
    world.daemon.unseal()
    until("the opener is gone", lambda: "opener" not in world.daemon.roles())
    equal(world.holders(PASSPHRASE.encode()), {}, "who holds it after unsealing")
    for name in NAMES:
        equal(world.holders(world.secret[name]), {}, "who holds %s, unused" % name)


@case
def nothing_is_in_any_file(world):
    for value in list(world.secret.values()) + [PASSPHRASE.encode()]:
        equal(in_folder(world.daemon.base, shapes(value)), [], "found")


def main():
    with Daemon() as daemon:
        return run(Vaulted(daemon))


if __name__ == "__main__":
    sys.exit(main())
