#!/usr/bin/python3
"""The file view from outside: to whom an agent's folder exists, what is on record, what
an open file gives while certificates are renewed, revoked and their keepers killed."""
import contextlib
import ctypes
import errno
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lib.actor import libc
from lib.ca_cli import until
from lib.case import case, check, equal, run
from lib.certmgr import FILES, OWNER, STRANGER, is_root, node
from lib.daemon import as_uid, wait_end

SECONDS = 90
GONE, REVOKED = "No such file or directory", "Key has been revoked"
PIDFD_GETFD = 438
RENEWALS = 12
READERS = 3
PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n.*?-----END \1-----\n", re.S)


def error_of(function, *arguments):
    """Its result, or the name of its errno."""
    try:
        return function(*arguments)
    except OSError as e:
        return errno.errorcode[e.errno]


def read_file(path):
    with open(path, "rb", buffering=0) as f:
        return f.read()


def look(folder):
    """What a process sees of it: each way by itself."""
    root, name = os.path.split(folder)
    seen = {"list": name in os.listdir(root),
            "stat": error_of(os.stat, folder),
            "listed": error_of(os.listdir, folder),
            "chdir": error_of(os.chdir, folder),
            "access": os.access(folder, os.F_OK)}
    for one in FILES:
        path = os.path.join(folder, one + ".pem")
        seen["stat " + one] = error_of(os.stat, path)
        seen["open " + one] = error_of(read_file, path)
    return seen


BLIND = {**{"stat": "ENOENT", "listed": "ENOENT", "chdir": "ENOENT", "list": False,
            "access": False},
         **{"%s %s" % (what, f): "ENOENT" for what in ("stat", "open") for f in FILES}}

# The same as a program of its own, which an agent starts.
LOOK = """
import sys; sys.path.insert(0, %r)
from test_agent_view import BLIND, look
seen = look(%r)
if seen == BLIND:
    print("blind")
elif seen["list"] and len(seen["listed"]) == 5 and seen["access"] and all(
        seen["stat " + f[:-4]].st_size == len(seen["open " + f[:-4]]) > 100
        for f in seen["listed"]):
    print("sees")
else:
    print(seen)
"""


class Agent:
    """A shell as an agent; sees(…): what a process that it starts so sees."""

    def __init__(self, cm, uid, **more):
        self.cm, self.uid = cm, uid
        self.shell = cm.shell(uid, **{"view": True, **more})
        self.agent, self.dir, self.pid = (self.shell.agent, self.shell.dir,
                                          self.shell.pid)
        fd, self.script = tempfile.mkstemp(dir=cm.base, suffix=".py")
        with os.fdopen(fd, "w") as f:
            f.write(LOOK % (os.path.dirname(os.path.abspath(__file__)), self.dir))
        os.chmod(self.script, 0o644)
        self.program = "/usr/bin/python3 " + shlex.quote(self.script)
        until("it has its certificate",
              lambda: cm.show(self.agent).get("serial"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shell.end()

    def sees(self, before="", after=""):
        code, out = self.shell("%s %s %s" % (before, self.program, after))
        return out.decode().strip().splitlines()[-1] if out.strip() else code

    def serial(self):
        return self.cm.show(self.agent)["serial"]

    def renew(self):
        old = self.serial()
        self.cm.cli("agent", "renew", self.agent)
        until("it is renewed", lambda: self.serial() != old)
        return self.serial()

    def bundle(self):
        code, out = self.shell.read("bundle")
        check(code == 0, "it reads its bundle", out)
        return out

    def reads(self, decision):
        return [r for r in self.cm.records("agent.read")
                if r.text("agent") == self.agent and r.text("decision") == decision]

    def denied_to(self, pid):
        return [r for r in self.reads("deny") if r.text("pid") == str(pid)]


def is_pair(bundle):
    """The serial of a bundle whose key, certificate and chain belong together."""
    blocks = list(PEM.finditer(bundle))
    equal([b[1] for b in blocks], [b"PRIVATE KEY", b"CERTIFICATE", b"CERTIFICATE"],
          "blocks of the bundle")
    equal(b"".join(b[0] for b in blocks), bundle, "nothing between them")
    key = serialization.load_pem_private_key(blocks[0][0], None)
    cert, issuer = (x509.load_pem_x509_certificate(b[0]) for b in blocks[1:])
    equal(cert.public_key().public_numbers(), key.public_key().public_numbers(),
          "the key of the certificate")
    equal(cert.issuer, issuer.subject, "who issued it")
    return "%036x" % cert.serial_number


def status_at_ca(cm, serial):
    return cm.ca.cli("ca", "show", serial, "--field", "status").stdout.strip()


@case
def the_agent_and_its_descendants_see_it(cm):
    for uid in (OWNER, 0):
        with Agent(cm, uid) as a:
            equal(a.shell('read line <"$CRETULA_DIR/key.pem" && echo "$line"')[1],
                  b"-----BEGIN PRIVATE KEY-----\n", "the agent itself")
            equal(a.sees(), "sees", "a child")
            equal(a.sees("timeout 30 nice"), "sees", "a child's child")
            equal(a.sees("setsid"), "sees", "a child in a session of its own")
            code, out = a.shell("stat -c '%a %u %F' \"$CRETULA_DIR\" "
                                '"$CRETULA_DIR/key.pem"')
            equal(out, b"500 %d directory\n400 %d regular file\n" % (uid, uid),
                  "modes and owner")
            for write in ('echo x >"$CRETULA_DIR/key.pem"', 'rm "$CRETULA_DIR/key.pem"',
                          'touch "$CRETULA_DIR/new"', 'mkdir "$CRETULA_DIR/new"',
                          'chmod 777 "$CRETULA_DIR"'):
                check(a.shell(write)[0] != 0, "nothing can be written", write)
            agent = a.agent
        until("it has gone", lambda: agent not in [x["agent"] for x in cm.list()])


@case
def nobody_else_sees_it(cm):
    with Agent(cm, OWNER) as a:
        for uid, who in ((None, "root"), (0, "a child of root's"),
                         (STRANGER, "another user"), (OWNER, "another of its user")):
            seen = look(a.dir) if uid is None else as_uid(uid, look, a.dir)
            equal(seen, BLIND, who)
        root = os.path.dirname(a.dir)
        for name in ("0" * 36, a.agent[:-1], a.agent + "0", a.agent.upper(), "..%2f"):
            equal(error_of(os.stat, os.path.join(root, name)), "ENOENT", name)
        with Agent(cm, OWNER) as other:
            equal(a.sees(), "sees", "the first agent its folder")
            code, out = other.shell("ls %s; ls %s" % (shlex.quote(root),
                                                      shlex.quote(a.dir)))
            equal(out.decode().splitlines()[0], other.agent, "only its own")
            check(GONE in out.decode() and a.agent not in
                  out.decode().splitlines()[:-1], "not that of another agent", out)
        equal(look("/proc/%d/root%s" % (a.pid, a.dir)), BLIND,
              "root by /proc/PID/root")
        who = subprocess.Popen(["/usr/bin/python3", a.script], user=OWNER, group=OWNER,
                               extra_groups=[], stdout=subprocess.PIPE)
        equal(who.communicate(timeout=SECONDS)[0], b"blind\n", "a program of its user")
        until("that is on record", lambda: a.denied_to(who.pid))
        record = a.denied_to(who.pid)[0]    # one each second that it took
        equal((record.text("uid"), record.text("file")), (str(OWNER), None), "whose")
        check(record.text("exe_ino") == str(os.stat("/usr/bin/python3").st_ino),
              "by which program", record)


@case
def self_is_without_descendants(cm):
    with Agent(cm, OWNER, view="self") as a:
        equal(a.shell('read line <"$CRETULA_DIR/key.pem" && echo "$line"')[1],
              b"-----BEGIN PRIVATE KEY-----\n", "the agent itself")
        equal(a.sees(), "blind", "a child")
        code, out = a.shell("exec 5<\"$CRETULA_DIR/cert.pem\"; cat <&5 | head -1")
        equal(out, b"-----BEGIN CERTIFICATE-----\n", "what it opens for a child")


@case
def descendants_that_became_somebody_else(cm):
    """Another uid, by root's leave or by a set-user-id program; back again is fine."""
    with Agent(cm, 0) as a:
        drop = "setpriv --reuid %d --clear-groups" % OWNER
        equal(a.sees(drop), "blind", "a descendant of root after setuid")
        equal(a.sees("setpriv --euid %d" % OWNER), "blind", "only the effective uid")
        equal(a.sees("setpriv --ruid %d" % OWNER), "blind", "only the real uid")
        equal(a.sees("setpriv --regid %d --clear-groups" % OWNER), "sees", "the gid")
    with Agent(cm, OWNER) as a:
        cat, who = os.path.join(cm.base, "cat"), os.path.join(cm.base, "id")
        shutil.copy("/bin/cat", cat)
        shutil.copy("/usr/bin/id", who)
        os.chown(who, STRANGER, 0)
        os.chmod(who, 0o4755)
        equal(a.shell(who + " -u")[1].split(), [b"%d" % STRANGER],
              "a set-user-id program is one here")
        for uid, mode, what, good in ((STRANGER, 0o4755, "set-user-id", False),
                                      (0, 0o4755, "set-user-id of root", False),
                                      (STRANGER, 0o755, "as itself", True)):
            os.chown(cat, uid, 0)
            os.chmod(cat, mode)
            code, out = a.shell(cat + ' "$CRETULA_DIR/key.pem"')
            equal(code == 0, good, what)
            equal(b"PRIVATE KEY" in out, good, what)


@case
def namespaces(cm):
    with Agent(cm, OWNER) as a:
        code, out = a.shell("unshare -U true")
        if code == 0:
            for flags in ("-U", "-Ur", "-Urm", "-Urpf", "-Urmpf --mount-proc"):
                equal(a.sees("unshare " + flags), "blind", "unshare " + flags)
    with Agent(cm, 0) as a:
        for flags in ("-m", "-pf", "-n", "-u", "-i", "-mpf --mount-proc"):
            equal(a.sees("unshare " + flags), "sees", "unshare " + flags)
        equal(a.sees("unshare -Ur"), "blind", "root in a user namespace")
        equal(a.sees("unshare -m unshare -U"), "blind", "within another")


@case
def orphans(cm):
    """Who was given to init (or to a subreaper) is no descendant any more."""
    with Agent(cm, OWNER) as a:
        out = os.path.join(cm.base, "orphan")
        fifo = out + ".fifo"
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
        os.chmod(cm.base, 0o777)
        try:
            code, said = a.shell("(sh -c 'read x <%s; %s >%s.new; mv %s.new %s' & echo $!)"
                                 % (fifo, a.program, out, out, out))
            equal(code, 0, said)
            pid = int(said.split()[0])
            until("it is an orphan", lambda: parent_of(pid) != a.pid and
                  parent_of(parent_of(pid)) != a.pid)
            with open(fifo, "w") as f:
                f.write("go\n")
            until("it has looked", lambda: os.path.exists(out))
        finally:
            os.chmod(cm.base, 0o755)
        equal(read_file(out), b"blind\n", "an orphan")
        check(wait_end(pid, SECONDS), "it ends")


def parent_of(pid):
    with contextlib.suppress(OSError), open("/proc/%d/stat" % pid) as f:
        return int(f.read().rpartition(")")[2].split()[1])
    return 0


@contextlib.contextmanager
def descriptor_of(pid, number):
    """Another process's open file, as a socket would have passed it."""
    pidfd = os.pidfd_open(pid)
    try:
        fd = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
        check(fd >= 0, "pidfd_getfd", os.strerror(ctypes.get_errno()))
        try:
            yield fd
        finally:
            os.close(fd)
    finally:
        os.close(pidfd)


@case
def a_descriptor_that_was_passed_reads_on(cm):
    """Opening is judged, not reading: who gives his open file away has given it."""
    with Agent(cm, OWNER) as a:
        a.shell('exec 5<"$CRETULA_DIR/key.pem" 6<"$CRETULA_DIR"')
        want = a.shell.read("key")[1]
        with descriptor_of(a.pid, 5) as fd:
            equal(os.pread(fd, 65536, 0), want, "root with the open file")
            equal(os.fstat(fd).st_size, len(want), "its size")
            equal(as_uid(STRANGER, os.pread, fd, 65536, 0), want, "and another user")
            equal(error_of(os.open, "/proc/self/fd/%d" % fd, os.O_RDONLY), "ENOENT",
                  "opening it anew is judged")
            with descriptor_of(a.pid, 6) as folder:
                equal(error_of(lambda: os.open("key.pem", os.O_RDONLY, dir_fd=folder)),
                      "ENOENT", "so is opening in a folder that was passed")
                equal(error_of(os.listdir, folder), "ENOENT", "and listing it")
            equal(error_of(os.open, "/proc/%d/fd/5" % a.pid, os.O_RDONLY), "ENOENT",
                  "root by /proc/PID/fd")
            cm.cli("agent", "revoke", a.agent)
            equal(error_of(os.pread, fd, 65536, 0), "EKEYREVOKED",
                  "a revoked one, passed or not")


@case
def reads_are_on_record(cm):
    with Agent(cm, OWNER) as a:
        before = len(a.reads("allow"))
        for name in FILES:
            equal(a.shell.read(name)[0], 0, name)
        a.shell('exec 5<"$CRETULA_DIR/key.pem"; cat <&5 >/dev/null; cat <&5 >/dev/null')
        a.shell('ls -l "$CRETULA_DIR" >/dev/null')
        until("opens are on record",
              lambda: len(a.reads("allow")) >= before + len(FILES) + 1)
        got = a.reads("allow")[before:]
        equal([r.text("file") for r in got], list(FILES) + ["key"],
              "one for each open; none for a look or for reading again")
        equal({r.text("uid") for r in got}, {str(OWNER)}, "by whom")
        cat = str(os.stat("/bin/cat").st_ino)
        equal([r.text("exe_ino") == cat for r in got], [True] * len(FILES) + [False],
              "by which program")
        equal((got[0].text("pid") != str(a.pid), got[-1].text("pid")),
              (True, str(a.pid)), "by which process")


def open_file_ends(cm, end, closes):
    with Agent(cm, OWNER) as a:
        serial = a.serial()
        a.shell('exec 5<"$CRETULA_DIR/bundle.pem"')
        with descriptor_of(a.pid, 5) as fd:
            check(os.pread(fd, 10, 0), "it is open")
            end(a)
            until("the open file ends",
                  lambda: error_of(os.pread, fd, 10, 0) == "EKEYREVOKED")
            equal(error_of(os.pread, fd, 65536, 0), "EKEYREVOKED", "and stays so")
            # of one process at most one a second: there may have been another
            until("who reads on is on record", lambda:
                  error_of(os.pread, fd, 1, 0) == "EKEYREVOKED" and
                  a.denied_to(os.getpid()))
        equal(as_uid(a.uid, look, a.dir), BLIND, "nothing to others")
        if not closes:
            for line in ('cat "$CRETULA_DIR/key.pem"', 'ls "$CRETULA_DIR"',
                         'stat "$CRETULA_DIR/key.pem"', 'cat <&5',
                         'read x <"$CRETULA_DIR/key.pem"'):
                code, out = a.shell(line)
                check(code != 0 and (REVOKED in out.decode() or "cannot open" in
                                     out.decode()), "a clear error", line, out)
            equal(a.shell('ls "${CRETULA_DIR%/*}"'), (0, b""), "no folder is listed")
            until("a try is on record", lambda: a.shell(
                'read x <"$CRETULA_DIR/key.pem"')[0] and a.denied_to(a.pid))
        until("the CA has revoked it",
              lambda: status_at_ca(cm, serial) == b"revoked")


@case
def revocation_ends_open_files(cm):
    open_file_ends(cm, lambda a: cm.cli("agent", "revoke", a.agent), False)


@case
def the_agents_end_ends_open_files(cm):
    open_file_ends(cm, lambda a: a.shell.end(), True)


READER = r"""
import mmap, os, socket, sys
sys.path.insert(0, %r)
d, stop = os.environ["CRETULA_DIR"], sys.argv[1]
path = os.path.join(d, "bundle.pem")
seen, i, away = set(), 0, socket.socketpair()
print("reading", flush=True)
while not os.path.exists(stop):
    i += 1
    with open(path, "rb", buffering=0) as f:
        size = os.fstat(f.fileno()).st_size
        way = i %% 4
        if way == 0:
            data = f.read(65536)
        elif way == 1:      # a byte more than a line at a time
            data = b"".join(iter(lambda: f.read(65), b""))
        elif way == 2:
            n = os.sendfile(away[0].fileno(), f.fileno(), 0, 65536)
            data = away[1].recv(n, socket.MSG_WAITALL)
        else:
            with mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as m:
                data = m[:]
        assert size == len(data) == os.fstat(f.fileno()).st_size, (way, size, len(data))
        assert f.read(1) == b"" or way > 1
    seen.add(data)
from test_agent_view import is_pair
print(i, *sorted(is_pair(data) for data in seen), flush=True)
"""


@case
def a_bundle_never_tears(cm):
    """Readers that each look at all they got, by every way of reading."""
    script = os.path.join(cm.base, "reader.py")
    stop = os.path.join(cm.base, "stop")
    with open(script, "w") as f:
        f.write(READER % os.path.dirname(os.path.abspath(__file__)))
    os.chmod(script, 0o644)
    with Agent(cm, OWNER) as a:
        serials = [a.serial()]
        out = [os.path.join(cm.base, "out.%d" % i) for i in range(READERS)]
        for path in out:
            with open(path, "wb"):
                os.chown(path, OWNER, OWNER)
            code, said = a.shell("/usr/bin/python3 %s %s >%s 2>&1 &"
                                 % (script, stop, path))
            equal(code, 0, said)
        try:
            for path in out:
                until("it reads", lambda: os.path.getsize(path))
            for _ in range(RENEWALS):
                serials.append(a.renew())
        finally:
            with open(stop, "w"):
                pass
        code, said = a.shell("wait")
        seen = set()
        for path in out:
            said = read_file(path).decode()
            words = said.splitlines()[-1].split()
            check(words[0].isdigit(), "a reader ends well", said)
            check(int(words[0]) > RENEWALS, "it has read often", said)
            check(set(words[1:]) <= set(serials), "what it read was made", said)
            seen |= set(words[1:])
        check(len(seen) > RENEWALS // 2, "they saw most of them", seen)
        os.unlink(stop)


TWO = r"""
import mmap, os, socket, sys
path = os.path.join(os.environ["CRETULA_DIR"], "bundle.pem")
away = socket.socketpair()
def sent(f):
    n = os.sendfile(away[0].fileno(), f.fileno(), 0, 65536)
    return away[1].recv(n, socket.MSG_WAITALL)
def mapped(f):
    return mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
def seen(f):
    return os.pread(f.fileno(), 65536, 0), sent(f)
old = open(path, "rb", buffering=0)
was = os.pread(old.fileno(), 65536, 0)
assert seen(old) == (was, was)
with mapped(old) as m:
    print("renew", flush=True)
    sys.stdin.readline()
    new = open(path, "rb", buffering=0)
    now = os.pread(new.fileno(), 65536, 0)
    assert now != was, "another certificate"
    with mapped(new) as n:
        for _ in range(2):
            assert seen(old) == (was, was), "the old one"
            assert seen(new) == (now, now), "the new one"
            assert (m[:], n[:]) == (was, now), "mapped"
    assert os.fstat(old.fileno()).st_size == len(was)
    assert os.fstat(new.fileno()).st_size == os.stat(path).st_size == len(now)
    assert os.fstat(old.fileno()).st_ino != os.fstat(new.fileno()).st_ino
print("all well")
"""


@case
def an_open_file_is_of_one_certificate(cm):
    """Also by the kernel's pages, which sendfile and mmap take."""
    with cm.popen(*cm.agent_words("/usr/bin/python3", "-c", TWO, view=True), uid=OWNER,
                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        try:
            equal(p.stdout.readline(), b"renew\n", "it has read")
            agent, = [a for a in cm.list() if a["pid"] == str(p.pid)]
            cm.cli("agent", "renew", agent["agent"])
            until("it is renewed", lambda: cm.show(agent["agent"])["serial"]
                  != agent["serial"])
            equal(p.communicate(b"\n", SECONDS)[0], b"all well\n", "what it reads")
        finally:
            p.kill()


@case
def kept_over_the_death_of(cm):
    """Whichever process is killed: the path works again, with the same certificate."""
    with Agent(cm, OWNER) as a:
        was = a.bundle()
        for role in ("view", "keeper", "store", "door", "net", "view", "keeper"):
            a.shell('exec 5<"$CRETULA_DIR/bundle.pem"')
            cm.kill(role)
            until("%s killed: the path works again" % role,
                  lambda: a.shell.read("bundle") == (0, was))
            equal(a.sees(), "sees", "the folder after %s" % role)
            equal(as_uid(OWNER, look, a.dir), BLIND, "to others")
            check(status_at_ca(cm, is_pair(was)) == b"good", "still good")
        until("nothing is wrong", lambda: not cm.attention())


@case
def somebody_unmounts_it(cm):
    with Agent(cm, OWNER) as a:
        was = a.bundle()
        subprocess.run(["umount", "-l", cm.options["view"]], check=True)
        until("it is mounted anew", lambda: a.shell.read("bundle") == (0, was))


@case
def certmgr_is_killed_and_started(cm):
    """The keys have gone with it: the living agent has another certificate, and the
    old one is revoked; who ended meanwhile has none."""
    with Agent(cm, OWNER) as a, Agent(cm, OWNER) as dead:
        old, lost = is_pair(a.bundle()), is_pair(dead.bundle())
        a.shell('exec 5<"$CRETULA_DIR/bundle.pem"')
        cm.kill_all()
        code, out = a.shell.read("key")
        check(code != 0 and b"PRIVATE" not in out, "nothing without certmgr", out)
        check(a.shell("cat <&5")[0] != 0, "nor by what is open")
        dead.shell.end()
        cm.start()
        until("the path works again", lambda: a.shell.read("bundle")[0] == 0)
        new = is_pair(a.bundle())
        check(new != old, "another certificate")
        equal(a.sees(), "sees", "all of it")
        equal(as_uid(OWNER, look, a.dir), BLIND, "to others")
        for serial in (old, lost):
            until("the old ones are revoked",
                  lambda: status_at_ca(cm, serial) == b"revoked")
        equal(status_at_ca(cm, new), b"good", "the new one")
        equal([x["agent"] for x in cm.list()], [a.agent], "who is left")
        a.renew()
        check(is_pair(a.bundle()) not in (old, new), "it is renewed as ever")
    cm.stop()
    check(not os.path.ismount(cm.options["view"]), "its end unmounts")
    cm.start()


def main():
    if not is_root():
        print("skip view - the file view needs root")
        return 0
    with node() as (_, cm):
        cm.grant(OWNER)
        cm.grant(0)
        return run(cm)


if __name__ == "__main__":
    sys.exit(main())
