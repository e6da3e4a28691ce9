#!/usr/bin/python3
"""Credentials that travel sealed from one store to another: who may send one, who can
open it, what an import refuses, and that nothing of it is ever seen on the way."""
import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import time

from lib.admin import Refused, encode_attrs, seal
from lib.case import Skip, build, case, check, equal, is_sanitized, run
from lib.daemon import Daemon, fails, records
from lib.memory import in_bytes, in_folder, in_memory, shapes
from lib.raw import KEY, SECRET
from lib.two import (add, knows, may_export, may_sign, put, seal_pub, shown, sign,
                     signs_right, stores, version)

BEGIN = b"-----BEGIN CRETULA SEALED EXPORT-----"


def export(daemon, name, to, *words):
    return daemon.cli("credential", "export-sealed", name, "--to", to,
                      *words).stdout


def take(daemon, data, *words):
    out = daemon.cli("credential", "import", "-", "--json", *words, stdin=data)
    return json.loads(out.stdout)


def body(armour):
    lines = armour.decode().split("-----\n", 1)[1].split("\n-----", 1)[0]
    return base64.b64decode(lines)


def seal_for(pub, *words, stdin=SECRET.encode(), cwd="/"):
    """Without any daemon in reach."""
    env = {"PATH": os.environ["PATH"], "CRETULA_CREDD": "/nonexistent/api.sock"}
    return subprocess.run([os.path.join(build(), "bin", "cretula"), "seal-for",
                           pub] + list(words), input=stdin, env=env, cwd=cwd,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120)


@case
def a_version_goes_from_store_to_store_and_signs_there():
    with stores("a", "b") as (a, b):
        add(a, "prod")
        may_export(a, "prod")
        sealed = export(a, "prod", "b")
        check(sealed.startswith(BEGIN), "armour", sealed[:60])
        got = take(b, sealed)
        equal((got["name"], got["module"], got["version"], got["from"],
               got["purpose"]), ("prod", "aws-sigv4", "1", "a", "export"),
              "what was imported")
        may_sign(b, "prod")
        check(signs_right(b, "prod"), "the published signature, there")
        equal(shown(b, "prod")[0]["id"], shown(a, "prod")[0]["id"],
              "the same version is called the same")
        rec = records(b, "credential.import")
        equal((len(rec), rec[0]["from"], rec[0]["credential"]), (1, "a", "prod"),
              "the record there")
        rec = records(a, "credential.export-sealed")
        equal((len(rec), rec[0]["outcome"], rec[0]["to"], rec[0]["version"]),
              (1, "allow", "b", "1"), "the record here")


def is_root_only(path):
    """Nobody else can write it, nor any folder on the way."""
    st = os.stat(path)
    return not st.st_mode & 0o022 and (
        path == "/" or is_root_only(os.path.dirname(path)))


@case
def an_export_needs_a_grant_that_reveals_the_secret():
    with stores("a", "b") as (a, b):
        add(a, "prod")
        words = ("credential", "export-sealed", "prod", "--to", "b")
        fails(a, *words, code=3, says="no grant")
        a.cli("grant", "add", "credential=prod", "op=export",
              "uid=%d" % os.getuid())
        fails(a, *words, code=3)
        a.cli("grant", "add", "credential=prod", "op=sign", "reveal=secret",
              "uid=%d" % os.getuid())
        fails(a, *words, code=3)
        denied = records(a, "credential.export-sealed")
        equal({(r["outcome"], r["to"]) for r in denied}, {("deny", "b")},
              "every one is on record")
        fails(a, "credential", "export-sealed", "none", "--to", "b", code=3,
              says="no grant")
        test = ("grant", "test", "uid=%d" % os.getuid(), "credential=prod",
                "op=export", "--field", "decision")
        equal(a.cli(*test, check=False).stdout, b"deny\n", "grant test says so")
        grant = may_export(a, "prod")
        equal(a.cli(*test).stdout, b"allow\n", "grant test says so")
        export(a, "prod", "b")
        a.cli("grant", "remove", grant)
        fails(a, *words, code=3)
        program = os.path.realpath(os.path.join(build(), "bin", "cretula"))
        may_export(a, "prod", "exe=" + program)
        if is_root_only(program):
            export(a, "prod", "b")
        else:                           # who could have put it there?
            fails(a, *words, code=3)
            may_export(a, "prod")
        a.cli("credential", "disable", "prod")
        fails(a, *words, code=3, says="disabled")


@case
def exportable_no_is_for_ever():
    with stores("a", "b") as (a, b):
        add(a, "prod", "exportable=no")
        may_export(a, "prod")
        fails(a, "credential", "export-sealed", "prod", "--to", "b", code=3,
              says="exportable=no")
        equal(shown(a, "prod")[0]["exportable"], "no", "it is shown")
        fails(a, "credential", "rotate", "prod", "exportable=yes",
              "secret_key=-", stdin=SECRET.encode(), says="never changes")
        a.cli("credential", "rotate", "prod", "secret_key=-", "--grace", "1h",
              stdin=SECRET.encode())
        a.cli("credential", "disable", "prod")
        a.cli("credential", "enable", "prod")
        a.stop()
        a.start()
        a.unseal()
        fails(a, "credential", "export-sealed", "prod", "--to", "b", code=3,
              says="exportable=no")
        with a.admin() as admin:
            try:
                admin.call("credential.seal-rotation",
                           [("name", "prod"), ("to", "b")])
                raise AssertionError("sealed all the same")
            except Refused as e:
                equal(e.error, "denied", "seal-rotation")


@case
def only_its_recipient_opens_it():
    with stores("a", "b", "c") as (a, b, c):
        add(a, "prod")
        may_export(a, "prod")
        sealed = export(a, "prod", "b")
        fails(c, "credential", "import", "-", stdin=sealed, says="sealed to key")
        fails(c, "credential", "import", "-", "--anonymous", stdin=sealed,
              says="sealed to key")
        fails(a, "credential", "import", "-", stdin=sealed, says="sealed to key")
        b.cli("peer", "remove", "a")
        fails(b, "credential", "import", "-", code=3, stdin=sealed,
              says=["no peer", "--anonymous"])
        denied = records(b, "credential.import")[-1]
        equal((denied["outcome"], denied["credential"], len(denied["sender"])),
              ("deny", "prod", 64), "on record, with the key that signed it")
        check("no peer" in denied["reason"], "why", denied)
        equal(records(c, "credential.import")[-1]["outcome"], "deny",
              "what was for another")
        got = take(b, sealed, "--anonymous")
        equal(got["from"], "anonymous", "a sender who is not known")
        rec = records(b, "credential.import")[-1]
        equal(rec["from"], "anonymous", "on record")
        equal(len(rec["sender"]), 64, "with the key that signed it")


@case
def the_same_again_is_there_already_and_an_old_one_is_refused():
    with stores("a", "b") as (a, b):
        add(a, "prod")
        may_export(a, "prod")
        first, again = export(a, "prod", "b"), export(a, "prod", "b")
        check(first != again, "no two exports are the same bytes")
        take(b, first)
        for data in (first, again):
            before = b.cli("credential", "show", "prod", "--json").stdout
            done = b.cli("credential", "import", "-", stdin=data)
            check(b"there already" in done.stderr, "said", done.stderr)
            equal(b.cli("credential", "show", "prod", "--json").stdout, before,
                  "nothing changed")
        a.cli("credential", "rotate", "prod", "secret_key=-", stdin=b"x" * 40)
        second = export(a, "prod", "b")
        equal(take(b, second)["version"], "2", "the next version")
        fails(b, "credential", "import", "-", stdin=first,
              says="not above 2")
        rec = records(b, "credential.import")[-1]
        equal((rec["outcome"], rec["from"], rec["credential"]),
              ("deny", "a", "prod"), "who tried is on record")
        b.cli("credential", "remove", "prod")
        for data in (first, second):
            fails(b, "credential", "import", "-", stdin=data, says="not above 2")
        b.stop()
        b.start()
        b.unseal()
        fails(b, "credential", "import", "-", stdin=second, says="not above 2")
        add(b, "prod")
        equal(version(b, "prod"), 3, "no number is used twice")
        b.cli("credential", "remove", "prod")
        fails(b, "credential", "import", "-", stdin=second, says="not above 3")


@case
def an_old_version_can_be_named_while_it_is_kept():
    with stores("a", "b") as (a, b):
        add(a, "prod")
        may_export(a, "prod")
        a.cli("credential", "rotate", "prod", "secret_key=-", "--grace", "1h",
              stdin=b"x" * 40)
        equal(take(b, export(a, "prod", "b", "--version", "1"))["version"], "1",
              "the old one")
        may_sign(b, "prod")
        check(signs_right(b, "prod"), "it is the old secret")
        equal(take(b, export(a, "prod", "b"), "--grace", "1h")["version"], "2",
              "then the new one")
        equal([v["version"] for v in shown(b, "prod")], ["2", "1"],
              "and the old one is kept as long as was said")
        fails(a, "credential", "export-sealed", "prod", "--to", "b", "--version",
              "7", code=4, says="no version 7")


@case
def damage_is_refused_and_nothing_is_told():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    with stores("a", "b") as (a, b):
        add(a, "prod")
        may_export(a, "prod")
        good = body(export(a, "prod", "b"))
        equal(body(export(a, "prod", "b"))[:13], good[:13], "its head")
        tries = [good[:n] for n in (0, 3, 4, 5, 12, 13, 60, len(good) - 1)]
        for _ in range(20):
            bad = bytearray(good)
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            tries.append(bytes(bad))
        tries.append(good + b"x")
        for bad in tries:
            text = fails(b, "credential", "import", "-", stdin=bad)
            check(SECRET not in text, "no secret in the error", text)
        fails(b, "credential", "import", "-", stdin=b"-----BEGIN CERTIFICATE---"
              b"--\nAAAA\n-----END CERTIFICATE-----\n", says="no sealed export")
        fails(b, "credential", "show", "prod", code=4)
        path = put(b, "prod.csx", good)
        equal(b.cli("credential", "import", path, "--field",
                    "version").stdout, b"1\n", "bytes as they are")


@case
def an_export_that_is_over_is_refused():
    with stores("a", "b") as (a, b):
        add(a, "prod")
        may_export(a, "prod")
        sealed = export(a, "prod", "b", "--expires", "1s")
        end = time.monotonic() + 120
        while True:             # its second is over when the clock says so
            done = b.cli("credential", "import", "-", "--dry-run", stdin=sealed,
                         check=False)
            if done.returncode or time.monotonic() > end:
                break
        equal(done.returncode, 1, "over")
        check(b"was to be imported before" in done.stderr, "said", done.stderr)
        later = export(a, "prod", "b", "--expires", "1h")
        equal(take(b, later)["version"], "1", "in time")
        fails(a, "credential", "export-sealed", "prod", "--to", "b",
              "--expires", "x", code=2, says="--expires")


@case
def dry_run_checks_and_changes_nothing():
    with stores("a", "b") as (a, b):
        add(a, "prod")
        may_export(a, "prod")
        sealed = export(a, "prod", "b")
        got = take(b, sealed, "--dry-run")
        equal((got["version"], got["dry_run"]), ("1", "yes"), "what it would be")
        fails(b, "credential", "show", "prod", code=4)
        equal(records(b, "credential.import"), [], "no record of a change")
        equal(take(b, sealed)["version"], "1", "then it is done")


@case
def seal_for_works_without_a_daemon_and_is_anonymous():
    with stores("a", "b") as (a, _):
        key = put(a, "key", SECRET + "\n")
        done = seal_for(seal_pub(a), "name=prod", "module=aws-sigv4",
                        "access_key=" + KEY, "secret_key=@" + key)
        equal(done.returncode, 0, "seal-for: %r" % done.stderr)
        fails(a, "credential", "import", "-", code=3, stdin=done.stdout,
              says=["anonymous", "--anonymous"])
        got = take(a, done.stdout, "--anonymous")
        equal((got["from"], got["purpose"], got["version"]),
              ("anonymous", "seal", "1"), "what was imported")
        may_sign(a, "prod")
        check(signs_right(a, "prod"), "the published signature")
        equal(take(a, done.stdout, "--anonymous")["already"], "yes", "again")
        a.cli("credential", "rotate", "prod", "secret_key=-", stdin=b"x" * 40)
        fails(a, "credential", "import", "-", "--anonymous", stdin=done.stdout,
              says="not younger")
        a.cli("credential", "remove", "prod")
        fails(a, "credential", "import", "-", "--anonymous", stdin=done.stdout,
              says="not younger")


def crafted(daemon, made, number=None, secret=SECRET):
    """An anonymous export of `prod` as seal-for makes it, but dated as we like."""
    with open(seal_pub(daemon)) as f:
        words = dict(w.split("=", 1) for w in f.read().split())
    key = words["seal"].strip('"')
    key = base64.b64decode(key + "=" * (-len(key) % 4))
    inner = encode_attrs([("access_key", KEY), ("secret_key", secret, 1)])
    plain = encode_attrs(
        [("purpose", "seal"), ("to", key), ("from", "anonymous"),
         ("name", "prod"), ("module", "aws-sigv4")]
        + ([("version", str(number))] if number else [])
        + [("made", str(made)), ("id", os.urandom(16)),
           ("attributes", inner, 1)])
    head = b"CSX1\x01" + hashlib.blake2b(key, digest_size=32).digest()[:8]
    return head + seal(plain, key)


@case
def an_old_one_does_not_come_back_whatever_the_clocks_say():
    """Of two without a version the younger one counts, also after one that was dated by
    a clock that is ahead, or by one that is behind."""
    with Daemon() as a:
        now = int(time.time())
        ahead = crafted(a, now + 200)
        take(a, ahead, "--anonymous")
        a.cli("credential", "rotate", "prod", "secret_key=-", stdin=b"x" * 40)
        fails(a, "credential", "import", "-", "--anonymous", stdin=ahead,
              says="not younger")
        take(a, crafted(a, now - 86400, 3, b"y" * 40), "--anonymous")
        for _ in range(2):
            fails(a, "credential", "import", "-", "--anonymous", stdin=ahead,
                  says="not younger")
            a.stop()
            a.start()
            a.unseal()
        a.cli("credential", "remove", "prod")
        fails(a, "credential", "import", "-", "--anonymous", stdin=ahead,
              says="not younger")
        later = crafted(a, now + 250)
        equal(take(a, later, "--anonymous")["version"], "4", "a younger one")


@case
def the_numbers_of_a_name_cannot_be_used_up():
    """By who may send one version: no other could follow."""
    most = 10 ** 15
    with Daemon() as a:
        for data in (crafted(a, int(time.time()), most),
                     crafted(a, int(time.time()), 10 ** 10 + 1)):
            fails(a, "credential", "import", "-", "--anonymous", stdin=data,
                  says="far above")
        fails(a, "credential", "show", "prod", code=4)
        take(a, crafted(a, int(time.time()), 10 ** 10), "--anonymous")
        with a.admin() as admin:
            def rotate(number):
                return admin.boxed("credential.rotate", [
                    ("name", "prod"), ("version", str(number)),
                    ("attributes", b"")], [("secret_key", SECRET, 1)])
            try:
                rotate(most)
                raise AssertionError("rotated to %d" % most)
            except Refused as e:
                check("far above" in e.text, "why", e.text)
            rotate(2 * 10 ** 10)


@case
def seal_for_from_standard_input_and_as_bytes():
    with Daemon() as a:
        out = os.path.join(a.base, "out.csx")
        done = seal_for(seal_pub(a), "name=prod", "module=aws-sigv4",
                        "access_key=" + KEY, "secret_key=-", "--binary",
                        "--out", out, "--version", "41")
        equal((done.returncode, done.stdout), (0, b""), "%r" % done.stderr)
        with open(out, "rb") as f:
            data = f.read()
        equal(data[:5], b"CSX1\x01", "bytes")
        check(SECRET.encode() not in data and KEY.encode() not in data,
              "nothing of it is readable")
        equal(a.cli("credential", "import", out, "--anonymous", "--field",
                    "version").stdout, b"41\n", "the version it says")


@case
def what_the_module_does_not_take_is_refused():
    with Daemon() as a:
        for words, says in (
                (("module=aws-sigv4", "access_key=" + KEY), "needs"),
                (("module=nothing", "a=b"), "not installed"),
                (("module=aws-sigv4", "access_key=" + KEY, "secret_key=open"),
                 "confidential"),
                (("module=aws-sigv4", "access_key=" + KEY, "secret_key=-",
                  "color=red"), "no attribute 'color'"),
                (("module=aws-sigv4", "access_key=" + KEY, "secret_key=-",
                  "exportable=maybe"), "exportable="),
                (("module=aws-sigv4", "access_key=-", "secret_key=open"),
                 "confidential")):
            done = seal_for(seal_pub(a), "name=prod", *words)
            equal(done.returncode, 0, "%s: %r" % (words, done.stderr))
            code = 4 if "nothing" in words[0] else 1
            fails(a, "credential", "import", "-", "--anonymous", code=code,
                  stdin=done.stdout, says=says)
        fails(a, "credential", "show", "prod", code=4)
        add(a, "prod")
        done = seal_for(seal_pub(a), "name=prod", "module=hmac", "key=-",
                        "--version", "2")
        fails(a, "credential", "import", "-", "--anonymous", stdin=done.stdout,
              says="of module 'aws-sigv4' here")


@case
def seal_for_refuses_what_it_cannot_do():
    with Daemon() as a:
        pub = seal_pub(a)
        for words, says in (((), "name="), (("name=x",), "module="),
                            (("name=x", "module=m"), "nothing to seal"),
                            (("name=x", "module=m", "a=1", "a=2"), "twice"),
                            (("name=x", "module=m", "a=-", "b=-"), "only one"),
                            (("name=x", "module=m", "A=1"), "no attribute")):
            done = seal_for(pub, *words)
            equal(done.returncode, 2, "%s" % (words,))
            check(says in done.stderr.decode(), says, done.stderr)
        done = seal_for(pub, "name=x", "module=m", "a=-", "--connect",
                        "https://localhost:1")
        equal((done.returncode, done.stdout), (2, b""), "it asks no daemon")
        broken = put(a, "x.pub", open(pub).read()[:-20])
        done = seal_for(broken, "name=x", "module=m", "a=-")
        equal((done.returncode, done.stdout), (1, b""), "a cut HOST.pub")
        check(b"HOST.pub" in done.stderr, "says so", done.stderr)


@case
def peers_are_added_listed_and_removed():
    with Daemon() as a, Daemon() as b:
        line = a.cli("peer", "self").stdout
        with open(seal_pub(a), "rb") as f:
            equal(f.read(), line, "seal.pub is what 'peer self' prints")
        fails(a, "peer", "add", "me", seal_pub(a), says="own keys")
        knows(a, "b", b)
        fails(a, "peer", "add", "b", seal_pub(b), says="exists")
        fails(a, "peer", "add", "b2", seal_pub(b), says="has these keys")
        fails(a, "peer", "add", "c", "/nonexistent", says="cannot be opened")
        fails(a, "peer", "add", "c", seal_pub(b), "--url", "http://x:1",
              says="https://")
        got = json.loads(a.cli("peer", "list", "--json").stdout)
        equal(got["name"], "b", "the list")
        equal(got["key"], b.cli("peer", "self", "--field",
                                "key").stdout.decode().strip(), "its key id")
        a.stop()
        a.start()
        a.unseal()
        equal(a.cli("peer", "self").stdout, line, "the same keys")
        equal(a.cli("peer", "list", "--field", "name").stdout, b"b\n",
              "and the same peers")
        a.cli("peer", "remove", "b")
        fails(a, "peer", "remove", "b", code=4, says="no peer")
        equal(a.cli("peer", "list").stdout, b"", "none")
        equal([r["event"] for r in records(a, "peer.add")
               + records(a, "peer.remove")], ["peer.add", "peer.remove"],
              "on record")
        add(a, "prod")
        may_export(a, "prod")
        fails(a, "credential", "export-sealed", "prod", "--to", "b", code=4,
              says="no peer 'b'")


@case
def the_secret_is_nowhere_on_its_way():
    """In no memory of either store but the workers', no file, no log."""
    if os.getuid() != 0:
        raise Skip("needs root, to read the memory of others")
    if is_sanitized():
        raise Skip("the sanitizer keeps what was freed")
    secret = base64.b64encode(os.urandom(30)).decode()
    wanted = shapes(secret.encode())
    with stores("a", "b") as (a, b):
        add(a, "prod", secret=secret)
        may_export(a, "prod")
        sealed = export(a, "prod", "b")
        take(b, sealed)
        a.cli("credential", "rotate", "prod", "secret_key=-",
              stdin=secret.encode())
        with a.admin() as admin:
            again = admin.call("credential.seal-rotation",
                               [("name", "prod"), ("to", "b")]).get("export")
        take(b, again)
        for name in ("prod", "new"):
            done = seal_for(seal_pub(b), "name=" + name, "module=aws-sigv4",
                            "access_key=" + KEY, "secret_key=-", "--version",
                            "9", stdin=secret.encode())
            take(b, done.stdout, "--anonymous")
        equal(in_bytes(sealed + again + done.stdout, wanted), [], "in what goes")
        may_sign(b, "prod")
        sign(b, "prod")
        check(any(in_memory(pid, wanted) for pid in b.roles()["worker"]),
              "the search finds it where it has to be: in a worker")
        for d in (a, b):
            for role, pids in d.roles().items():
                for pid in pids if role != "worker" else []:
                    equal(in_memory(pid, wanted), [], "found in " + role)
            equal(in_folder(d.base, wanted), [], "found in a file")


@case
def admins_only():
    with stores("a", "b") as (a, _):
        with a.client() as client:
            for verb in ("peer.self", "peer.list", "credential.import",
                         "credential.export-sealed",
                         "credential.seal-rotation"):
                try:
                    client.call(verb, [])
                    raise AssertionError("%s over api.sock" % verb)
                except Refused as e:
                    equal(e.error, "denied", verb)


if __name__ == "__main__":
    sys.exit(run())
