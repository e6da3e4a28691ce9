#!/usr/bin/python3
"""One rotation for every store that has the credential: what each answers, what is left
when one is out of reach or refuses, and that it can be repeated until all have it."""
import base64
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lib.admin import Client, Refused
from lib.ca_cli import until
from lib.case import build, case, check, equal, run
from lib.daemon import Daemon, fails, records, wait_end
from lib.hosts import must_root
from lib.raw import KEY, SECRET, VANILLA
from lib.two import (Remote, add, knows, may_export, may_sign, put, seal_pub,
                     shown, sign, signs_right, stores, version)

NEW = "n" * 40


def share(a, name, *others):
    """`a` has the credential and gives it to these, {peer name: daemon}."""
    add(a, name)
    may_export(a, name)
    for peer, d in others:
        sealed = a.cli("credential", "export-sealed", name, "--to", peer).stdout
        d.cli("credential", "import", "-", stdin=sealed)


def rotate_all(daemon, name, *words, secret=SECRET):
    """(exit code, {peer: (result, version)}, what it said)"""
    done = daemon.cli("credential", "rotate", name, "--all", "--json", *words,
                      stdin=secret.encode(), check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return (done.returncode, {r["peer"]: (r["result"], r.get("version"))
                              for r in rows}, done.stderr.decode())


@case
def all_that_have_it_get_the_new_version():
    with stores("a", "b", "c", "d", url=True) as (a, b, c, d):
        share(a, "prod", ("b", b), ("c", c))
        may_sign(b, "prod")
        code, got, said = rotate_all(a, "prod", "secret_key=-")
        equal((code, got), (0, {"-": ("rotated", "2"), "b": ("rotated", "2"),
                                "c": ("rotated", "2"), "d": ("none", None)}),
              "what came of it: " + said)
        equal(len({shown(x, "prod")[0]["id"] for x in (a, b, c)}), 1,
              "it is the same version")
        for x in (a, b, c):
            kept = shown(x, "prod")[1]
            equal((kept["version"], "destroy_at" in kept), ("1", True),
                  "the old one stays for a while")
        fails(d, "credential", "show", "prod", code=4)
        check(signs_right(b, "prod"), "it signs there")
        sealed = records(a, "credential.seal-rotation")
        equal([(r["to"], r["version"]) for r in sealed],
              [("b", "2"), ("c", "2")], "on record here")
        rec = records(b, "credential.import")[-1]
        equal((rec["purpose"], rec["from"]), ("rotate", "a"), "and there")


@case
def the_secret_is_read_once_and_asked_for_at_the_end():
    with stores("a", "b", url=True) as (a, b):
        share(a, "prod", ("b", b))
        code, got, said = rotate_all(a, "prod", "secret_key=@/nonexistent")
        equal((code, got), (1, {}), said)
        equal((version(a, "prod"), version(b, "prod")), (1, 1), "nothing is done")
        code, got, said = rotate_all(a, "prod", "secret_key=-", "access_key=not a key")
        equal((code, got), (1, {}), "what the module refuses goes nowhere")
        equal((version(a, "prod"), version(b, "prod")), (1, 1), "nothing is done")


@case
def one_that_is_away_gets_it_later():
    with stores("a", "b", "c", url=True) as (a, b, c):
        share(a, "prod", ("b", b), ("c", c))
        may_sign(c, "prod")
        before = sign(c, "prod").stdout
        c.stop()
        code, got, said = rotate_all(a, "prod", "secret_key=-", secret=NEW)
        equal((code, got["b"], got["c"][0]),
              (75, ("rotated", "2"), "unreachable"), "one is away")
        check("--all --resume" in said, "what to do", said)
        code, got, said = rotate_all(a, "prod", "--resume")
        equal((code, got["-"][0], got["b"], got["c"][0]),
              (75, "there", ("there", "2"), "unreachable"), "still away")
        c.start()
        code, got, said = rotate_all(a, "prod", "--resume")
        equal((code, got["c"][0]), (75, "unreachable"), "sealed: asked later")
        c.unseal()
        equal(sign(c, "prod").stdout, before, "it still has the old one")
        code, got, said = rotate_all(a, "prod", "--resume")
        equal((code, got["b"], got["c"]), (0, ("there", "2"), ("rotated", "2")),
              said)
        check(sign(c, "prod").stdout != before, "the new one")
        equal(version(a, "prod"), 2, "resuming makes no version")
        equal(rotate_all(a, "prod", "--resume")[0], 0, "and again, nothing to do")


def mute(daemon, name, listener, all_asked):
    """A peer that accepts, and ends without a word once all like it were asked; its
    thread, which says whether they were."""
    folder = os.path.join(daemon.base, name)
    os.mkdir(folder)
    listener.bind(os.path.join(folder, "admin.sock"))
    listener.listen()
    listener.settimeout(60)
    keys = [base64.b64encode(kind.generate().public_key().public_bytes(
                Encoding.Raw, PublicFormat.Raw)).decode()
            for kind in (X25519PrivateKey, Ed25519PrivateKey)]
    daemon.cli("peer", "add", name, put(
        daemon, name + ".pub", "version=1 name=%s store=%s seal=%s sign=%s\n" % (
            name, os.urandom(16).hex(), *keys)),
        "--url", "unix://%s/api.sock" % folder)

    def answer():
        asked, _ = listener.accept()
        with asked:
            all_asked.wait(60)
    return answer


@case
def many_that_are_dead_are_waited_for_at_once():
    """None of them answers before all were asked; the lines are in their order."""
    with stores("a", "m", url=True) as (a, m), contextlib.ExitStack() as stack:
        share(a, "prod", ("m", m))
        names = ["%s%d" % (c, n) for c in "bz" for n in range(6)]
        all_asked = threading.Barrier(len(names))
        dead = [mute(a, name, stack.enter_context(socket.socket(socket.AF_UNIX)),
                     all_asked) for name in names]
        pool = stack.enter_context(ThreadPoolExecutor(len(names)))
        asked = [pool.submit(one) for one in dead]
        code, got, said = rotate_all(a, "prod", "secret_key=-")
        for one in asked:
            one.result()        # or how it ended
        want = {n: ("unreachable", None) for n in names}
        want.update({"-": ("rotated", "2"), "m": ("rotated", "2")})
        equal((code, got, list(got)), (75, want, sorted(want)), said)


@case
def a_command_that_is_killed_is_resumed():
    """At every line that it has printed, the first of which says that our own store has
    the new version."""
    with stores("a", "b", "c", url=True) as (a, b, c):
        share(a, "prod", ("b", b), ("c", c))
        for lines in (1, 2):
            number = version(a, "prod") + 1
            new = put(a, "new", str(number) * 40)
            p = subprocess.Popen(
                [os.path.join(build(), "bin", "cretula"), "credential",
                 "rotate", "prod", "--all", "secret_key=@" + new],
                env=dict(os.environ, CRETULA_CREDD=a.api),
                stdout=subprocess.PIPE)
            for _ in range(lines):
                p.stdout.readline()
            p.kill()
            p.communicate()
            equal(version(a, "prod"), number, "our own is done")
            check(all(version(d, "prod") in (number - 1, number)
                      for d in (b, c)), "the others have one of the two")
            code, got, said = rotate_all(a, "prod", "--resume")
            equal((code, {v for _, v in got.values()}), (0, {str(number)}), said)


@case
def a_vault_that_dies_meanwhile_has_the_old_one_or_the_new():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    with stores("a", "b", url=True) as (a, b):
        share(a, "prod", ("b", b))
        for number in (2, 3):   # three deaths a minute, and it stays sealed
            new = put(a, "new", str(number) * 40)
            p = subprocess.Popen(
                [os.path.join(build(), "bin", "cretula"), "credential",
                 "rotate", "prod", "--all", "secret_key=@" + new],
                env=dict(os.environ, CRETULA_CREDD=a.api),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            p.stdout.readline()
            old = b.roles()["vault"][0]
            time.sleep(rng.random() / 50)       # not to wait: to hit anywhere
            os.kill(old, signal.SIGKILL)
            check(wait_end(old, 120), "it is dead")
            said = p.communicate(timeout=300)
            check(p.returncode in (0, 75), "nothing refused", said)
            until("b is open again", lambda: b.cli(
                "credential", "show", "prod", check=False).returncode == 0)
            check(version(b, "prod") in (number - 1, number), "one of the two")
            code, got, said = rotate_all(a, "prod", "--resume")
            equal((code, got["b"][1]), (0, str(number)), said)


@case
def one_that_refuses_keeps_what_it_has():
    with stores("a", "b", "c", url=True) as (a, b, c):
        share(a, "prod", ("b", b), ("c", c))
        may_sign(b, "prod")
        b.cli("peer", "remove", "a")
        code, got, said = rotate_all(a, "prod", "secret_key=-", secret=NEW)
        equal((code, got["b"], got["c"]), (1, ("refused", "1"), ("rotated", "2")),
              "one knows us no more")
        check(signs_right(b, "prod"), "and signs with the old one")
        knows(b, "a", a, url=True)
        equal(rotate_all(a, "prod", "--resume")[0], 0, "known again")
        equal(version(b, "prod"), 2, "it has it")


@case
def the_version_is_above_what_anybody_has():
    with stores("a", "b", url=True) as (a, b):
        share(a, "prod", ("b", b))
        for _ in range(3):
            b.cli("credential", "rotate", "prod", "secret_key=-",
                  stdin=NEW.encode())
        code, got, said = rotate_all(a, "prod", "secret_key=-")
        equal((code, got), (0, {"-": ("rotated", "5"), "b": ("rotated", "5")}),
              said)


@case
def a_store_from_a_backup_rotates_anew():
    """What it makes then is not taken for what it had made before it was put back."""
    with stores("a", "b", url=True) as (a, b):
        share(a, "prod", ("b", b))
        may_sign(b, "prod")
        a.stop()
        copy = os.path.join(a.base, "copy")
        shutil.copytree(a.state, copy)
        a.start()
        a.unseal()
        lost = rotate_all(a, "prod", "secret_key=-", secret=NEW)
        equal((lost[0], lost[1]["b"]), (0, ("rotated", "2")), lost[2])
        a.stop()
        shutil.rmtree(a.state)
        os.rename(copy, a.state)
        a.start()
        a.unseal()
        code, got, said = rotate_all(a, "prod", "--resume")
        equal((code, got["b"][0]), (1, "refused"), "b has a newer one: " + said)
        code, got, said = rotate_all(a, "prod", "secret_key=-")
        equal((code, got), (0, {"-": ("rotated", "3"), "b": ("rotated", "3")}),
              said)
        equal(version(b, "prod"), 3, "b has it")
        check(signs_right(b, "prod"), "and signs with it")


@case
def one_that_says_a_number_far_above_is_left_out():
    """It is broken or lies; the others get the new version, and numbers are not used up."""
    with stores("a", "b", "c", url=True) as (a, b, c):
        share(a, "prod", ("b", b), ("c", c))
        with b.admin() as admin:
            admin.boxed("credential.rotate", [
                ("name", "prod"), ("version", str(10 ** 9)),
                ("attributes", b"")], [("secret_key", NEW, 1)])
        code, got, said = rotate_all(a, "prod", "secret_key=-")
        equal((code, got["-"], got["b"], got["c"]),
              (1, ("rotated", "2"), ("refused", str(10 ** 9)),
               ("rotated", "2")), said)
        code, got, said = rotate_all(a, "prod", "--resume")
        equal((code, got["b"][0], got["c"][0]), (1, "refused", "there"), said)


@case
def two_at_the_same_time_end_in_a_conflict_that_is_said():
    with stores("a", "b", "c", url=True) as (a, b, c):
        share(a, "prod", ("b", b), ("c", c))
        # both have chosen version 2; each rotated its own store
        for d in (a, b):
            d.cli("credential", "rotate", "prod", "secret_key=-",
                  stdin=NEW.encode())
        code, got, said = rotate_all(a, "prod", "--resume")
        equal((code, got["b"], got["c"]), (1, ("refused", "2"), ("rotated", "2")),
              "a was first at c")
        code, got, said = rotate_all(b, "prod", "--resume")
        equal((code, got["a"], got["c"]), (1, ("refused", "2"), ("refused", "2")),
              "b is told")
        code, got, said = rotate_all(b, "prod", "secret_key=-")
        equal((code, set(got.values())), (0, {("rotated", "3")}),
              "once more, for all")


@case
def of_two_rotations_of_one_store_one_is_refused():
    with stores("a", "b", url=True) as (a, b):
        share(a, "prod", ("b", b))
        command = [os.path.join(build(), "bin", "cretula"), "credential",
                   "rotate", "prod", "--all", "--json",
                   "secret_key=@" + put(a, "new", NEW)]
        env = dict(os.environ, CRETULA_CREDD=a.api)
        both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE) for _ in range(2)]
        for p in both:
            p.communicate(timeout=300)
        codes = sorted(p.returncode for p in both)
        # either they met, and one chose its version too late, or they did not
        check(codes in ([0, 0], [0, 1]), "how both ended", codes)
        equal(rotate_all(a, "prod", "--resume")[0], 0, "all have one of them")
        equal(shown(a, "prod")[0]["id"], shown(b, "prod")[0]["id"], "the same")


@case
def a_version_is_chosen_once():
    with Daemon() as a, a.admin() as admin:
        add(a, "prod")

        def rotate(number):
            return admin.boxed("credential.rotate", [
                ("name", "prod"), ("version", number), ("attributes", b"")],
                [("secret_key", NEW, 1)])
        equal(rotate("7").text("version"), "7", "a number is left out")
        for number in ("7", "1"):
            try:
                rotate(number)
                raise AssertionError("version %s twice" % number)
            except Refused as e:
                equal(e.error, "conflict", number)
        a.cli("credential", "rotate", "prod", "secret_key=-",
              stdin=SECRET.encode())
        equal(version(a, "prod"), 8, "the next one")


@case
def only_the_current_version_is_sealed_for_others():
    with stores("a", "b", url=True) as (a, b):
        share(a, "prod", ("b", b))
        with a.admin() as admin:
            def seal(*attrs):
                return admin.call("credential.seal-rotation",
                                  [("name", "prod"), ("to", "b")] + list(attrs))
            sealed = seal().get("export")
            a.cli("credential", "rotate", "prod", "secret_key=-", "--grace",
                  "1h", stdin=NEW.encode())
            try:
                seal(("version", "1"))
                raise AssertionError("an old version was sealed")
            except Refused as e:
                equal(e.error, "conflict", "an old version")
            fresh = seal(("version", "2")).get("export")
        b.cli("credential", "remove", "prod")
        path = put(b, "x", fresh)
        fails(b, "credential", "import", path, code=4, says="no credential")
        fails(b, "credential", "import", put(b, "y", sealed), code=4,
              says="no credential")


@case
def what_is_kept_here_is_not_rotated_there():
    with stores("a", "b", url=True) as (a, b):
        add(a, "prod", "exportable=no")
        code, got, said = rotate_all(a, "prod", "secret_key=-")
        equal((code, got), (3, {}), "refused")
        check("exportable=no" in said, "said why", said)
        equal(version(a, "prod"), 1, "nothing is done")


@case
def nobody_who_signs_at_a_peer_notices():
    """Each answer is right for the version that it names; none is refused."""
    answers, wrong, stop = set(), [], threading.Event()
    started = threading.Barrier(4)

    def work(path):
        try:
            with Client(path) as c:
                first = True
                while first or not stop.is_set():
                    got = c.run("prod", "sign", VANILLA)
                    line = [h for h in got.all("header") if b"Signature=" in h]
                    answers.add((got.text("version"), line[0][-64:]))
                    if first:
                        started.wait(120)
                    first = False
        except Exception as e:
            wrong.append(repr(e))

    with stores("a", "b", url=True) as (a, b):
        share(a, "prod", ("b", b))
        may_sign(b, "prod")
        threads = [threading.Thread(target=work, args=(b.api,))
                   for _ in range(3)]
        for t in threads:
            t.start()
        try:
            started.wait(120)
            for n in range(2, 6):
                code, _, said = rotate_all(a, "prod", "secret_key=-",
                                           secret=str(n) * 40)
                equal(code, 0, said)
                sign(b, "prod")
        finally:
            stop.set()
            for t in threads:
                t.join(120)
        equal(wrong, [], "refused")
        versions = [v for v, _ in answers]
        check(len(versions) > 1, "signed meanwhile", answers)
        equal(len(set(versions)), len(versions),
              "one signature for each version")


@case
def usage():
    with stores("a", "b") as (a, b):
        share(a, "prod", ("b", b))
        fails(a, "credential", "rotate", "prod", "--resume", code=2,
              says="--all")
        fails(a, "credential", "rotate", "prod", "--all", "--resume",
              "access_key=" + KEY, code=2, says="one word too many")
        fails(a, "credential", "rotate", "--all", code=2, says="which")
        fails(a, "credential", "rotate", "prod", "--all", "--grace", "0s",
              code=2, says="not 0")
        fails(a, "credential", "rotate", "nope", "--all", code=4, says="nope")
        code, got, said = rotate_all(a, "prod", "secret_key=-")
        equal((code, got["b"][0]), (0, "no-url"), said)
        equal(version(b, "prod"), 1, "who has no url is not asked")


# Over the network

def remote(stack, *names):
    """Stores that know each other and are reached by HTTPS."""
    must_root()
    w = Remote(stack)
    all_ = {n: w.store() for n in names}
    for n, d in all_.items():
        w.reached(d)
        for m, other in all_.items():
            if m != n:
                knows(d, m, other, url=True)
    return (w, *all_.values())


@case
def by_https_as_an_admin_with_a_certificate():
    with contextlib.ExitStack() as stack:
        w, a, b, c = remote(stack, "a", "b", "c")
        line = b.cli("peer", "self").stdout.decode()
        check(" url=%s" % b.url in line, "HOST.pub says where", line)
        share(a, "prod", ("b", b), ("c", c))
        may_sign(b, "prod")
        code, got, said = rotate_all(a, "prod", "secret_key=-", *w.as_("ops"))
        equal((code, set(got.values())), (0, {("rotated", "2")}), said)
        check(signs_right(b, "prod"), "it signs there")
        rec = records(b, "credential.import")[-1]
        equal((rec["purpose"], rec["from"]), ("rotate", "a"), "on record there")
        equal((rec["via"], rec["type"], rec["subject"].split(":")[0]),
              ("tls", "ops", "agent"), "with who brought it")
        code, got, said = rotate_all(a, "prod", "secret_key=-", *w.as_("web"))
        equal((code, got["-"], got["b"][0], got["c"][0]),
              (1, ("rotated", "3"), "refused", "refused"), "no admin there")
        equal((version(b, "prod"), version(c, "prod")), (2, 2), "nothing is done")
        b.stop()
        code, got, said = rotate_all(a, "prod", "--resume", *w.as_("ops"))
        equal((code, got["b"][0], got["c"]), (75, "unreachable",
                                              ("rotated", "3")), said)
        b.start()
        b.unseal()
        w.admit(b)
        w.reached(b)
        code, got, said = rotate_all(a, "prod", "--resume", *w.as_("ops"))
        equal((code, got["b"], got["c"]),
              (0, ("rotated", "3"), ("there", "3")), said)


@case
def all_of_it_from_afar():
    """The command is on no node: --connect to one, certificates for all."""
    with contextlib.ExitStack() as stack:
        w, a, b = remote(stack, "a", "b")
        share(a, "prod", ("b", b))
        code, got, said = rotate_all(a, "prod", "secret_key=-", "--connect",
                                     a.url, *w.as_("ops"))
        equal((code, set(got.values())), (0, {("rotated", "2")}), said)
        far = ("--connect", a.url) + w.as_("ops")
        for words in (("credential", "export-sealed", "prod", "--to", "b"),
                      ("peer", "add", "c", seal_pub(b))):
            fails(a, *words, *far, code=3, says="remote_admin=")
        equal(a.cli("peer", "list", "--field", "name", *far).stdout, b"b\n",
              "what may be seen")
        may_export(b, "prod")
        a.cli("credential", "remove", "prod")
        b.cli("credential", "rotate", "prod", "secret_key=-", stdin=NEW.encode())
        sealed = b.cli("credential", "export-sealed", "prod", "--to", "a").stdout
        equal(a.cli("credential", "import", "-", "--field", "version", *far,
                    stdin=sealed).stdout, b"3\n", "an import from afar")


if __name__ == "__main__":
    sys.exit(run())
