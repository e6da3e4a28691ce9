#!/usr/bin/python3
"""The upcall on the real kernel, with /sbin/request-key and the built helper, against
a keeper that does what each case tells it: every trap that docs/keyring.md names is
sprung. (The registration: tests/unit/test_upcall_register.c.)"""
import contextlib
import ctypes
import errno
import os
import signal
import struct
import subprocess
import sys
import threading

from lib.actor import (CLONE_NEWNS, CLONE_NEWPID, Actor, must, performed, state_of,
                       unshare_user)
from lib.case import Skip, case, check, equal, run
from lib.upcall import (ASSUME, CHOWN, CLEAR, HELPER, INVALIDATE, JOIN, LINK, PROCESS,
                        REVOKE, SEARCH, SESSION, SETPERM, THREAD, TIMEOUT,
                        UNLINK, UPDATE, USER, USER_SESSION, GET_ID, Keeper, add_key,
                        add_ring, describe, error_of, fresh_uid, gate, keyctl,
                        read_key, registered, request_key, waiting)

AGENT = "01890a5d-ac96-774b-bcce-b302099a8057"
TOKEN = "ca1_" + "abcdefghijklmnopqrstuvwxyz234567" * 2 + "q" * 20
PAYLOAD = b"-----BEGIN PRIVATE KEY-----\n" + b"x" * 1400
PATIENCE = 120
SHORT = 2           # seconds: the kernel's clock of keys ticks in whole ones, so at least one
AT_RANDOM = 25


def name_of(keeper, agent=AGENT):
    return ("cretula:cert:%s:%s" % (keeper.instance, agent)).encode()


def ask(keeper, ring=PROCESS, token=TOKEN, agent=AGENT, description=None):
    """What request_key gives: the payload, or the name of an errno."""
    try:
        key = request_key(description or name_of(keeper, agent),
                          token.encode() if isinstance(token, str) else token, ring)
        return read_key(key)
    except OSError as e:
        return errno.errorcode[e.errno]


def asking(keeper, uid=None, before=None, **options):
    """An actor that asks once and tells what it got."""
    def play(link):
        if before:
            before()
        link.tell(ask(keeper, **options))
        link.hear()
    return Actor(play, uid=fresh_uid() if uid is None else uid)


def refused(keeper, wanted, what, before=None, **options):
    """Asks; no claim is made; the errno."""
    with asking(keeper, before=before, **options) as a:
        equal(a.hear()[0], wanted, what)
    check(keeper.nobody_came(), "%s: nobody asks the keeper" % what)


def join():
    keyctl(JOIN, None)


# What an honest agent gets

@case
def each_private_ring_gets_the_key(_):
    for ring, before in ((THREAD, None), (PROCESS, None), (SESSION, join),
                         (0, lambda: keyctl(GET_ID, PROCESS, 1))):
        with Keeper() as k, asking(k, ring=ring, before=before) as a:
            claim = k.claim()
            claim.key(PAYLOAD)
            equal(claim.done(), 0, "the helper says that it is there")
            equal(a.hear()[0], PAYLOAD, "ring %d" % ring)


@case
def the_claim_says_who_asks(_):
    uid = fresh_uid()
    with Keeper() as k, asking(k, uid=uid) as a:
        claim = k.claim()
        equal((claim.kind, claim["agent"], claim["token"]), (1, AGENT, TOKEN), "claim")
        equal([f for n, _, f in claim.attrs if n == "token"], [1], "confidential")
        exe = os.stat("/proc/%d/exe" % a.pid)
        equal([claim[n] for n in ("pid", "parent", "uid", "euid", "fsuid", "gid",
                                  "exe_dev", "exe_ino", "user_ns", "pid_ns",
                                  "dumpable")],
              [str(v) for v in (a.pid, os.getpid(), uid, uid, uid, uid, exe.st_dev,
                                exe.st_ino, os.stat("/proc/self/ns/user").st_ino,
                                os.stat("/proc/self/ns/pid").st_ino, "yes")], "who")
        with open("/proc/%d/stat" % a.pid) as f:
            fields = f.read().rpartition(")")[2].split()
        equal((fields[0], claim["start"]), ("D", fields[19]), "frozen; start")
        claim.key(PAYLOAD)
        equal(a.hear()[0], PAYLOAD, "payload")


@case
def the_key_is_its_possessors_only(_):
    def play(link):
        key = request_key(name_of(k), TOKEN.encode(), PROCESS)
        link.tell((key, describe(key), error_of(keyctl, SETPERM, key, 0x3f3f3f3f),
                   error_of(keyctl, TIMEOUT, key, 9999),
                   error_of(keyctl, UPDATE, key, b"x", 1),
                   error_of(keyctl, LINK, key, USER_SESSION),
                   read_key(key), error_of(keyctl, UNLINK, key, PROCESS),
                   error_of(read_key, key)))
    with Keeper() as k, Actor(play, uid=fresh_uid()) as a:
        k.claim().key(PAYLOAD)
        key, said, perm, late, update, link, got, unlink, gone = a.hear()[0]
        equal(said[3:], (0x0b000000, name_of(k)), "permissions")
        equal((perm, late, update, link), ("EACCES",) * 4, "loosening")
        equal((got, unlink, gone), (PAYLOAD, 0, "EACCES"), "read, unlinked, gone")


@case
def another_process_of_the_user_gets_nothing(_):
    uid = fresh_uid()

    def hold(link):
        join()
        key = request_key(name_of(k), TOKEN.encode(), ring)
        link.tell((key, keyctl(GET_ID, ring, 0)))
        if os.fork() == 0:
            link.tell(error_of(read_key, key))
            os._exit(0)
        link.hear()

    def attack(link):
        join()
        tries = {"read": (read_key, key), "link": (keyctl, LINK, key, SESSION),
                 "describe": (describe, key), "search": (
                     keyctl, SEARCH, holders, b"user", name_of(k), 0),
                 "read ring": (read_key, holders),
                 "link ring": (keyctl, LINK, holders, SESSION),
                 "setperm": (keyctl, SETPERM, key, 0x3f3f0000),
                 "chown": (keyctl, CHOWN, key, uid, -1),
                 "revoke": (keyctl, REVOKE, key),
                 "invalidate": (keyctl, INVALIDATE, key),
                 "update": (keyctl, UPDATE, key, b"x", 1),
                 "timeout": (keyctl, TIMEOUT, key, 1),
                 "unlink": (keyctl, UNLINK, key, holders),
                 "assume": (keyctl, ASSUME, key),
                 "look up": (request_key, name_of(k), None, 0)}
        got = {n: error_of(*t) for n, t in tries.items()}
        with open("/proc/keys", "rb") as f:
            got["seen"] = name_of(k) in f.read()
        link.tell(got)

    for ring in (PROCESS, SESSION):
        with Keeper() as k, Actor(hold, uid=uid) as a:
            k.claim().key(PAYLOAD)
            key, holders = a.hear()[0]
            child = a.hear()[0]
            equal(child, "EACCES" if ring == PROCESS else PAYLOAD, "its child")
            got = performed(attack, uid=uid)
            equal(got.pop("seen"), False, "in /proc/keys")
            if ring == SESSION:     # numbers of keys, which are of no use
                equal(len(got.pop("read ring")), 4, "what is in the ring")
            equal({n: v for n, v in got.items() if v not in ("EACCES", "ENOKEY")}, {},
                  "what was possible")
            if ring == PROCESS:
                equal(error_of(read_key, key), "EACCES", "even root, by its id")


@case
def it_claims_again_after_expiry(_):
    def play(link):
        key = request_key(name_of(k), TOKEN.encode(), PROCESS)
        # valid yet: a look-up finds it; into a ring it may not be linked
        link.tell((error_of(request_key, name_of(k), TOKEN.encode(), 0) == key,
                   error_of(request_key, name_of(k), TOKEN.encode(), PROCESS)))
        for ring in (PROCESS, 0):
            while error_of(read_key, key) != "EKEYEXPIRED":
                os.sched_yield()
            key = request_key(name_of(k), TOKEN.encode(), ring)
            link.tell(read_key(key))
        count = len(read_key(PROCESS)) // 4
        link.tell(count)
    with Keeper() as k, Actor(play, uid=fresh_uid()) as a:
        k.claim().key(b"first", SHORT)
        equal(a.hear()[0], (True, "EACCES"), "while it is valid")
        k.claim().key(b"second", SHORT)
        equal(a.hear()[0], b"second", "into the ring again")
        k.claim().key(b"third", 100)
        equal(a.hear()[0], b"third", "into the default ring")
        equal(a.hear()[0], 1, "one key is in the ring, not three")


# Rings

@case
def shared_rings_are_refused(_):
    def own_ring():
        keyctl(GET_ID, PROCESS, 1)
        add_ring(b"mine", PROCESS)

    with Keeper() as k:
        refused(k, "EACCES", "@us", ring=USER_SESSION)
        refused(k, "EACCES", "@us with a session", ring=USER_SESSION, before=join)
        refused(k, "EACCES", "@u", ring=USER)
        refused(k, "EACCES", "none, and no private ring", ring=0, before=shared_session)

        def play(link):
            own_ring()
            ring = keyctl(SEARCH, PROCESS, b"keyring", b"mine", 0)
            link.tell(ask(k, ring=ring))
        with Actor(play, uid=fresh_uid()) as a:
            equal(a.hear()[0], "EACCES", "a ring of one's own making")
        check(k.nobody_came(), "no claim")


def shared_session():
    """The user's session keyring is the default, as after a login without PAM."""
    keyctl(JOIN, b"shared")


# Deception

def forge(key, form, count):
    """As the user: keys whose descriptions hold lines like the one that tells who
    asks for `key`. Tells how many lines there are then that begin like it."""
    def play(link):
        auth, seen = None, 0
        with open("/proc/keys", errors="replace") as f:
            for line in f:
                if "key:%x pid:" % key in line:
                    auth = line.split()[0]
        for i in range(count):
            text = form.format(auth=auth, key="%x" % key, uid=os.getuid())
            forged = add_key(b"x%d" % i + text.encode(), b"z", PROCESS)
            keyctl(SETPERM, forged, 0x3f3f0101)
        with open("/proc/keys", errors="replace") as f:
            seen = sum(line.startswith(auth + " ") for line in f)
        link.tell(seen)
        link.hear()
    return play


REAL = ("\n{auth} I------     5 perm 1b010000 {uid:5d} {uid:5d} .request_ key:{key} "
        "pid:1 ci:88")


@case
def a_forged_line_makes_both_worthless(_):
    forms = {"whole": (REAL, 20), "one": (REAL, 1), "bare": ("\n{auth} ", 1),
             "two in one": (REAL + REAL, 1)}
    for what, (form, count) in forms.items():
        uid = fresh_uid()
        with Keeper() as k, gate(k) as g, asking(k, uid=uid) as a:
            go, key = waiting(g)
            with Actor(forge(key, form, count), uid=uid) as forger:
                seen = forger.hear()[0]
                check(seen > 1, "%s: lines are forged" % what, seen)
                go.sendall(b"g")
                equal(a.hear()[0], "EKEYREJECTED", what)
            check(k.nobody_came(), "no claim")


@case
def other_descriptions_deceive_nobody(_):
    """Text that does not begin a line, and lines of other keys."""
    for form in (REAL[1:], "\n{auth}x", "\n {auth} I", REAL.replace("{auth}", "00000007"),
                 "y" * 3000 + REAL[1:]):
        uid = fresh_uid()
        with Keeper() as k, gate(k) as g, asking(k, uid=uid) as a:
            go, key = waiting(g)
            with Actor(forge(key, form, 3), uid=uid) as forger:
                equal(forger.hear()[0], 1, "lines")
                go.sendall(b"g")
                claim = k.claim()
                equal(claim["pid"], str(a.pid), "who asks")
                claim.key(PAYLOAD)
                equal(a.hear()[0], PAYLOAD, "gets it")


@case
def bad_callouts_go_no_further(_):
    """The keeper hears who came with one, and not what it was."""
    with Keeper() as k:
        for token in (b"", b" \n", b"a" * 257, b"a" * 4000, TOKEN.encode() + b"\xff",
                      b"ca1_\nabc", b"ca1_;x", b"%c%d", b"ca1_/x"):
            with asking(k, token=token) as a:
                claim = k.claim()
                equal((claim["token"], claim["pid"]), ("", str(a.pid)),
                      "token %r" % token[:20])
                claim.no(errno.EKEYREJECTED)
                equal(a.hear()[0], "EKEYREJECTED", "token %r" % token[:20])
        refused(k, "EINVAL", "more than the kernel takes", token=b"a" * 4096)
        refused(k, "ENOKEY", "no callout: no upcall", token=None)


@case
def bad_descriptions_are_refused_at_once(_):
    with Keeper() as k:
        good = name_of(k)
        for bad in (good + b"\n", good + b" ", good[:-1], good.upper(), good + b":x",
                    good.replace(b"-774b", b"-474b"), good.replace(b"cert:", b"cert::"),
                    b"cretula:cert:" + good[14:], b"cretula:cert:../../x:" + good[22:],
                    b"cretula:cert:", good + b"\n00000000 I a", good + b"x" * 3000,
                    good.replace(k.instance.encode(), k.instance.upper().encode() + b"F")):
            got = performed(lambda link: link.tell(ask(k, description=bad)),
                            uid=fresh_uid())
            check(got in ("EINVAL", "ENOKEY"), "description %r" % bad[:60], got)
            check(k.nobody_came(), "no claim")
        refused(k, "EINVAL", "a line end", description=good + b"\nx")


# Who asks

@case
def a_thread_is_its_process(_):
    def play(link):
        got = []
        t = threading.Thread(target=lambda: got.append((threading.get_native_id(),
                                                        ask(k, ring=ring))))
        t.start()
        t.join()
        link.tell(got[0])
    for ring in (THREAD, PROCESS):
        with Keeper() as k, Actor(play, uid=fresh_uid()) as a:
            claim = k.claim()
            equal(claim["pid"], str(a.pid), "its process")
            with open("/proc/%d/stat" % a.pid) as f:
                start = f.read().rpartition(")")[2].split()[19]
            equal(claim["start"], start, "the start of the process")
            check(state_of(a.pid) != "D", "the leader is not frozen")
            claim.key(PAYLOAD)
            tid, got = a.hear()[0]
            check(tid != a.pid, "another thread")
            equal(got, PAYLOAD, "payload")


@case
def namespaces_and_chroot_do_not_hide_who_asks(_):
    def user_ns():
        unshare_user(0)

    def user_and_mounts():
        unshare_user(CLONE_NEWNS)

    def chroot():
        unshare_user(0)
        os.chroot("/proc/self/fdinfo")

    for before in (user_ns, user_and_mounts, chroot):
        uid = fresh_uid()
        with Keeper() as k, asking(k, uid=uid, before=before) as a:
            claim = k.claim()
            equal((claim["pid"], claim["fsuid"]), (str(a.pid), str(uid)),
                  before.__name__)
            check(int(claim["user_ns"]) != os.stat("/proc/self/ns/user").st_ino,
                  "its user namespace")
            check(int(claim["exe_ino"]) and int(claim["image"]), "its program")
            claim.key(PAYLOAD)
            equal(a.hear()[0], PAYLOAD, before.__name__)


@case
def a_pid_namespace_does_not_hide_who_asks(_):
    def play(link):
        unshare_user(CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            link.tell((os.getpid(), ask(k)))
            os._exit(0)
        link.tell(pid)
        os.waitpid(pid, 0)
    with Keeper() as k, Actor(play, uid=fresh_uid()) as a:
        pid = a.hear()[0]
        claim = k.claim()
        equal(claim["pid"], str(pid), "the pid that the host knows")
        check(int(claim["pid_ns"]) != os.stat("/proc/self/ns/pid").st_ino, "namespace")
        claim.key(PAYLOAD)
        equal(a.hear()[0], (1, PAYLOAD), "it is 1 inside")


@case
def who_cannot_be_looked_into_is_looked_at(_):
    def hide():
        must(ctypes.CDLL(None).prctl(4, 0, 0, 0, 0), "prctl")
    with Keeper() as k, asking(k, before=hide) as a:
        claim = k.claim()
        equal(claim["dumpable"], "no", "not dumpable")
        check(int(claim["exe_ino"]) and int(claim["image"]), "its program")
        claim.key(PAYLOAD)
        equal(a.hear()[0], PAYLOAD, "payload")


# What others see of the helper, and can do with it

@case
def the_token_is_nowhere_to_be_seen(_):
    uid = fresh_uid()
    with Keeper() as k, asking(k, uid=uid) as a:
        claim = k.claim()

        def look(link):
            seen = b""
            for name in os.listdir("/proc"):
                for part in ("cmdline", "environ") if name.isdigit() else ():
                    with contextlib.suppress(OSError):
                        with open("/proc/%s/%s" % (name, part), "rb") as f:
                            seen += f.read()
            with open("/proc/keys", "rb") as f:
                seen += f.read()
            link.tell(TOKEN.encode() in seen)
        equal(performed(look, uid=uid), False, "seen by the user")
        with open("/proc/%d/cmdline" % claim.helper, "rb") as f:
            words = f.read().split(b"\0")
        equal((len(words), words[0], words[1].isdigit()),
              (3, os.path.basename(HELPER).encode(), True), "arguments")
        with open("/proc/%d/environ" % claim.helper, "rb") as f:
            check(TOKEN.encode() not in f.read(), "environment")
        claim.key(PAYLOAD)
        equal(a.hear()[0], PAYLOAD, "payload")


@case
def the_helper_is_confined_while_it_waits(_):
    with Keeper() as k, asking(k) as a:
        claim = k.claim()
        status = {}
        while status.get("Seccomp_filters") != "2":     # the last step, after the claim
            with open("/proc/%d/status" % claim.helper) as f:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in f
                              if ":\t" in line)
        equal([status[n] for n in ("NoNewPrivs", "Seccomp", "Seccomp_filters", "CapEff",
                                   "CapPrm", "Uid")],
              ["1", "2", "2", "0" * 16, "0" * 16, "0\t0\t0\t0"], "status")
        locked = int(status["VmLck"].split()[0])
        check(locked > 0, "what is secret is locked", locked)
        fds = os.listdir("/proc/%d/fd" % claim.helper)
        equal(sorted(map(int, fds))[:3], [0, 1, 2], "descriptors")
        equal(len(fds), 4, "nothing but the connection is open")
        claim.key(PAYLOAD)
        a.hear()


def memory_of(pid):
    """[(from, to, rights, name)]"""
    found = []
    with open("/proc/%d/maps" % pid) as f:
        for line in f:
            words = line.split(None, 5)
            a, b = (int(n, 16) for n in words[0].split("-"))
            found.append((a, b, words[1], words[5].strip() if len(words) > 5 else ""))
    return found


def bytes_at(pid, place, n):
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as f:
        return os.pread(f.fileno(), n, place)


def random_of(pid):
    """The bytes that the kernel gave the program for its start."""
    with open("/proc/%d/auxv" % pid, "rb") as f:
        data = f.read()
    found = dict(struct.iter_unpack("QQ", data))
    return bytes_at(pid, found[AT_RANDOM], 16)


@case
def the_helper_is_hardened(_):
    def look():
        with Keeper() as k, asking(k) as a:
            claim = k.claim()
            memory = memory_of(claim.helper)
            check(not [m for m in memory if "w" in m[2] and "x" in m[2]],
                  "nothing is written and executed", memory)
            own = [m for m in memory if m[3] == HELPER]
            equal([m[2] for m in own][:4], ["r--p", "r-xp", "r--p", "r--p"],
                  "what is never written again is read-only")
            check("rw-p" in [m[2] for m in own], "the rest is not", own)
            given = random_of(claim.helper)     # musl ends a text at its second
            canary = given[:1] + b"\0" + given[2:8]
            stack = next(m for m in memory if m[3] == "[stack]")
            check(canary in bytes_at(claim.helper, stack[0], stack[1] - stack[0]),
                  "the canary is on the stack")
            claim.key(PAYLOAD)
            a.hear()
            return own[0][0], canary
    places = [look() for _ in range(3)]
    equal([len(set(column)) for column in zip(*places)], [3, 3],
          "another place and another canary each time")


@case
def run_by_hand_it_does_nothing(_):
    made = add_key(b"cretula-test", b"z", PROCESS)
    for uid in (None, fresh_uid()):
        for arguments in ((), ("",), ("0",), ("-1",), ("x",), ("1x",), (" 1",), ("1", "2"),
                          (str(made),), ("99999999999",), ("2147483647",)):
            done = subprocess.run([HELPER] + list(arguments), user=uid, env={"A": "b"},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=PATIENCE)
            equal((done.returncode, done.stdout), (1, b""), "%s %s" % (uid, arguments))
    equal(read_key(made), b"z", "the key")


@case
def killed_in_the_middle_it_hangs_nobody(_):
    def play(link):
        link.tell(ask(k))
        link.tell(ask(k))           # the kernel's own refusal stands for a minute
        keyctl(CLEAR, PROCESS)
        link.tell(ask(k))
    with Keeper() as k, Actor(play, uid=fresh_uid()) as a:
        claim = k.claim()
        os.kill(claim.helper, signal.SIGKILL)
        equal(a.hear()[0], "ENOKEY", "the requester")
        equal(a.hear()[0], "ENOKEY", "once more")
        claim.ended()
        k.claim().key(PAYLOAD)      # the second one did not come here
        equal(a.hear()[0], PAYLOAD, "after it has cleared its ring")


@case
def told_to_end_it_refuses_for_a_moment(_):
    def play(link):
        link.tell(ask(k))
        while ask(k) == "ENOKEY":
            os.sched_yield()
        link.tell("heard")
    for sig in (signal.SIGTERM, signal.SIGALRM):
        with Keeper() as k, Actor(play, uid=fresh_uid()) as a:
            claim = k.claim()
            os.kill(claim.helper, sig)
            equal(a.hear()[0], "ENOKEY", "the requester")
            k.claim().key(PAYLOAD)
            equal(a.hear()[0], "heard", "soon afterwards")


@case
def a_keeper_that_hangs_hangs_nobody(_):
    """One that says nothing, and one that goes on saying a little, until the alarm."""
    with Keeper() as k, asking(k) as still, asking(k) as drip:
        claims = {int(c["pid"]): c for c in (k.claim(), k.claim())}
        stop = threading.Event()

        def trickle():
            with contextlib.suppress(OSError):
                for b in (b"\0\0\4\0" + b"\0" * 1000):
                    claims[drip.pid].sock.sendall(bytes([b]))
                    if stop.wait(1):
                        return
        t = threading.Thread(target=trickle)
        t.start()
        try:
            equal(still.hear()[0], "ENOKEY", "silence")
            equal(drip.hear()[0], "ENOKEY", "a drip")
        finally:
            stop.set()
            t.join()


@case
def without_a_keeper_there_is_no_key(_):
    k = Keeper()
    k.sock.close()
    refuse = lambda what: equal(performed(lambda link: link.tell(ask(k)),  # noqa: E731
                                          uid=fresh_uid()), "ENOKEY", what)
    refuse("a socket nobody listens on")
    os.unlink(k.path)
    refuse("no socket")
    with open(k.path, "w"):
        refuse("a file")
    os.unlink(k.path)
    with Keeper() as other:
        os.symlink(other.path, k.path)
        refuse("a link to another's socket")
        check(other.nobody_came(), "nobody came")
        os.unlink(k.path)
    with Keeper() as other:
        os.chown(other.path, fresh_uid(), -1)
        equal(performed(lambda link: link.tell(ask(other)), uid=fresh_uid()), "ENOKEY",
              "a socket that is not root's")
        check(other.nobody_came(), "nobody came")
    with Keeper() as other:
        os.chmod(other.path, 0o666)
        equal(performed(lambda link: link.tell(ask(other)), uid=fresh_uid()), "ENOKEY",
              "a socket that all can connect to")
        check(other.nobody_came(), "nobody came")


# What the keeper says

@case
def its_refusal_arrives(_):
    with Keeper() as k:
        for name in ("ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED", "EACCES",
                     "EDQUOT"):
            for seconds in (0, 1, 1 << 40):
                with asking(k) as a:
                    k.claim().no(getattr(errno, name), seconds)
                    equal(a.hear()[0], name, "what the keeper said")


@case
def a_refusal_stands_for_a_moment(_):
    """One of ENOKEY: of another errno the kernel thinks nothing in a thread or process
    ring, if there is a session (it goes on looking there), and upcalls again."""
    def play(link):
        for _ in range(2):
            link.tell(ask(k))
        for _ in range(50):
            if ask(k) != "ENOKEY":
                link.tell("it did not stand")
        while ask(k) == "ENOKEY":
            os.sched_yield()
        link.tell("upcalled")

    def play_session(link):
        join()
        link.tell(ask(k, ring=SESSION))
        for _ in range(50):
            if ask(k, ring=SESSION) != "EACCES":
                link.tell("it did not stand")
        link.tell("stood")

    with Keeper() as k, Actor(play, uid=fresh_uid()) as a:
        k.claim().no(errno.ENOKEY, 0)
        equal(a.hear()[0], "ENOKEY", "for no time")
        k.claim().no(errno.ENOKEY, SHORT)   # upcalls again at once
        equal(a.hear()[0], "ENOKEY", "for a moment")
        k.claim().key(PAYLOAD)              # only when it is over
        equal(a.hear()[0], "upcalled", "then it upcalls again")
    with Keeper() as k, Actor(play_session, uid=fresh_uid()) as a:
        k.claim().no(errno.EACCES, 5)
        equal(a.hear()[0], "EACCES", "another errno")
        equal(a.hear()[0], "stood", "in a session ring")


@case
def garbage_from_the_keeper_makes_no_key(_):
    def say(kind, *attrs):
        return lambda c: c.say(kind, list(attrs))
    payload, seconds = ("payload", b"x"), ("seconds", "5")
    for what, answer in (
            ("for ever", say(2, payload, ("seconds", "0"))),
            ("no time", say(2, payload)), ("two times", say(2, payload, seconds, seconds)),
            ("no payload", say(2, seconds)),
            ("nothing", say(2, ("payload", b""), seconds)),
            ("too much", say(2, ("payload", b"x" * 32768), seconds)),
            ("another kind", say(7, payload, seconds)),
            ("no errno", say(3, seconds)), ("errno 0", say(3, ("errno", "0"), seconds)),
            ("errno 512", say(3, ("errno", "512"), seconds)),
            ("bytes", lambda c: c.sock.sendall(b"\xff" * 64)),
            ("too short", lambda c: c.sock.sendall(b"\0\0\0\1x")),
            ("the end", lambda c: c.close()),
            ("half", lambda c: (c.sock.sendall(b"\0\0\1\0half"), c.close())),
            ("two answers", lambda c: (c.sock.sendall(2 * bytes.fromhex(
                "0000000c00000002") + b"\0" * 8)))):
        with Keeper() as k, asking(k) as a:
            claim = k.claim()
            answer(claim)
            equal(a.hear()[0], "ENOKEY", what)


@case
def the_quota_is_a_clear_error(_):
    def fill():
        step, n = 4000, 0
        keyctl(GET_ID, PROCESS, 1)
        while step >= 500:
            try:
                add_key(b"fill%d" % n, b"x" * step, PROCESS)
                n += 1
            except OSError as e:
                if e.errno != errno.EDQUOT:
                    raise
                step //= 2
    with open("/proc/sys/kernel/keys/maxbytes") as f, open(
            "/proc/sys/kernel/keys/maxkeys") as g:
        if int(f.read()) > 4000 * (int(g.read()) - 20):
            raise Skip("the quota of bytes cannot be reached here")
    with Keeper() as k, asking(k, before=fill) as a:
        claim = k.claim()
        claim.key(PAYLOAD)
        equal(claim.done(), errno.EDQUOT, "the keeper is told")
        equal(a.hear()[0], "EDQUOT", "and so is the requester")


@case
def several_agents_fit_the_default_quota(_):
    agents = [AGENT[:-2] + "%02x" % i for i in range(8)]

    def play(link):
        link.tell([ask(k, agent=a) for a in agents])
    with Keeper() as k, Actor(play, uid=fresh_uid()) as a:
        for _ in agents:
            k.claim().key(PAYLOAD)
        equal(a.hear()[0], [PAYLOAD] * len(agents), "all of them")


def main():
    try:
        with registered():
            return run(None)
    except Skip as e:
        print("skip test_upcall_traps - %s" % e)
        return 0


if __name__ == "__main__":
    sys.exit(main())
