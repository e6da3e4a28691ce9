#!/usr/bin/python3
"""Credentials through the command: how secrets get in, that they never come out,
versions and their ends, what is refused, and what the command prints and exits
with."""
import calendar
import contextlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time

from lib.case import build, case, check, equal, run
from lib.daemon import PASSPHRASE, Daemon, fails, records
from lib.raw import (KEY, SCOPE, SECRET, VANILLA, VANILLA_SIGNATURE,
                     VANILLA_TEXT, right)

from cretula_native import Client, Refused

NEW = "x" * 40
SECONDS = 90


def secret_file(daemon, text, name="secret"):
    path = os.path.join(daemon.base, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def add(daemon, name, *words, stdin=SECRET.encode(), check_it=True):
    if not words:
        words = ("secret_key=-",)
    return daemon.cli("credential", "add", name, "module=aws-sigv4",
                      "access_key=" + KEY, *words, stdin=stdin, check=check_it)


def signature(daemon, name):
    out = daemon.cli("sign", name, *SCOPE, "--headers",
                     stdin=VANILLA_TEXT).stdout.decode()
    return re.search("Signature=([0-9a-f]{64})", out).group(1)


@contextlib.contextmanager
def having(daemon, name, *words, stdin=SECRET.encode()):
    """That credential, everything allowed; both are gone afterwards. The number of its
    first version: none is used twice, even after a removal."""
    add(daemon, name, *words, stdin=stdin)
    grant = daemon.cli("grant", "add", "credential=" + name, "op=sign,presign",
                       "uid=%d" % os.getuid(), "max_skew=any", "lifetime=any",
                       "--field", "id").stdout.decode().strip()
    try:
        yield int(shown(daemon, name)[0]["version"])
    finally:
        daemon.cli("grant", "remove", grant)
        daemon.cli("credential", "remove", name, check=False)


def shown(daemon, name):
    out = daemon.cli("credential", "show", name, "--json").stdout
    return [json.loads(line) for line in out.splitlines()]


# How a secret gets in

@case
def secret_from_a_file_less_one_newline(daemon):
    wanted = VANILLA_SIGNATURE.decode()
    for text in (SECRET, SECRET + "\n"):
        with having(daemon, "a", "secret_key=@" + secret_file(daemon, text)):
            equal(signature(daemon, "a"), wanted, "the published signature")
    add(daemon, "b", "secret_key=@" + secret_file(daemon, SECRET + "\n\n"),
        check_it=False)
    daemon.cli("credential", "remove", "b", check=False)


@case
def secret_from_standard_input(daemon):
    with having(daemon, "a", "secret_key=-", stdin=SECRET.encode() + b"\n"):
        equal(signature(daemon, "a"), VANILLA_SIGNATURE.decode(), "signature")
    fails(daemon, "credential", "add", "a", "module=aws-sigv4", "access_key=x",
          "secret_key=-", "session_token=-", code=2, says="only one value",
          stdin=b"x")


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, daemon, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["CRETULA_CREDD"] = daemon.api
            os.execv(os.path.join(build(), "bin", "cretula"),
                     ["cretula"] + list(words))
        self.seen = b""

    def until(self, text):
        """Reads until the text has come; false at the end."""
        end = time.monotonic() + SECONDS
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError("%r did not come: %r" % (text, self.seen))
            try:
                got = os.read(self.fd, 4096)
            except OSError:     # the other end is closed
                got = b""
            if not got:
                return False
            self.seen += got
        return True

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        self.until(b"\0never")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@case
def secret_asked_on_the_terminal_and_not_echoed(daemon):
    for word in ((), ("secret_key",), ("secret_key=",)):
        t = Terminal(daemon, "credential", "add", "tty", "module=aws-sigv4",
                     "access_key=" + KEY, *word)
        check(t.until(b"secret_key"), "it asks", t.seen)
        t.type(SECRET.encode() + b"\r")
        equal(t.end(), 0, "exit code: %r" % t.seen)
        check(SECRET.encode() not in t.seen, "no echo", t.seen)
        daemon.cli("grant", "add", "credential=tty", "op=sign",
                   "uid=%d" % os.getuid(), "max_skew=any")
        equal(signature(daemon, "tty"), VANILLA_SIGNATURE.decode(), "signature")
        daemon.cli("credential", "remove", "tty")


@case
def interrupt_at_the_question_ends_it(daemon):
    t = Terminal(daemon, "credential", "add", "tty", "module=aws-sigv4",
                 "access_key=" + KEY)
    check(t.until(b"secret_key"), "it asks", t.seen)
    t.type(b"\x03")
    check(t.end() != 0, "it ends", t.seen)
    fails(daemon, "credential", "show", "tty", code=4)


@case
def passphrases_asked_twice_have_to_be_the_same(daemon):
    t = Terminal(daemon, "slot", "add", "--ops", "1", "--mem", "64M")
    check(t.until(b"passphrase"), "it asks")
    t.type(b"one\r")
    check(t.until(b"again"), "it asks again", t.seen)
    t.type(b"two\r")
    check(t.end() != 0, "they differ", t.seen)
    equal(daemon.cli("slot", "list", "--field", "slot").stdout, b"1\n", "slots")


@case
def secret_on_the_command_line_is_refused_with_the_reason(daemon):
    text = fails(daemon, "credential", "add", "a", "module=aws-sigv4",
                 "access_key=x", "secret_key=" + SECRET, code=2,
                 says=["confidential", "command line", "@FILE"])
    check(SECRET not in text, "and is not repeated", text)
    fails(daemon, "credential", "show", "a", code=4)


# It never comes out

@case
def show_and_list_never_show_a_secret(daemon):
    token = "session-" + "t" * 30
    with having(daemon, "a", "secret_key=-", "session_token=@"
                + secret_file(daemon, token)):
        for words in (("list",), ("show", "a")):
            for form in ((), ("--json",)):
                out = daemon.cli("credential", *words, *form).stdout.decode()
                check(SECRET not in out and token not in out, "no secret", out)
        out = daemon.cli("credential", "show", "a").stdout.decode()
        check("access_key=" + KEY in out, "what is shareable", out)
        check("!secret_key?" in out, "that there is one", out)
        check("!session_token?" in out, "and the other one", out)
        attributes = shown(daemon, "a")[0]["attributes"]
        equal(attributes["secret_key"], {"confidential": True}, "as JSON")
        equal(attributes["session_token"], {"confidential": True}, "as JSON")
        fails(daemon, "credential", "show", "a", "--field", "secret_key",
              says="no field")
    with having(daemon, "b"):
        out = daemon.cli("credential", "show", "b").stdout.decode()
        check("session_token" not in out, "there is none", out)


# Versions

@case
def rotate_makes_the_new_secret_current_at_once(daemon):
    with having(daemon, "a") as first:
        old = signature(daemon, "a")
        with daemon.client() as c:      # a connection from before
            check(right(c.run("a", "sign", VANILLA)), "version 1")
            out = daemon.cli("credential", "rotate", "a", "secret_key=@"
                             + secret_file(daemon, NEW), "--field", "version")
            equal(out.stdout, b"%d\n" % (first + 1), "the version")
            got = c.run("a", "sign", VANILLA)
            check(not right(got), "another signature")
            equal(got.text("version"), str(first + 1), "by the new one")
        check(signature(daemon, "a") != old, "on new connections, too")
        now = shown(daemon, "a")
        equal([(v["version"], v["current"]) for v in now], [(str(first + 1), "yes")],
              "without --grace the old one is gone")
        equal(now[0]["attributes"]["access_key"], KEY, "what was not given stays")
        daemon.cli("credential", "rotate", "a", "secret_key=-", "access_key=AK2",
                   stdin=SECRET.encode())
        equal(shown(daemon, "a")[0]["attributes"]["access_key"], "AK2",
              "what was given changes")
        equal(shown(daemon, "a")[0]["version"], str(first + 2),
              "the version")


def rotate(daemon, secret, grace):
    daemon.cli("credential", "rotate", "a", "secret_key=-", "--grace", grace,
               stdin=secret.encode())


def wait_versions(daemon, wanted):
    end = time.monotonic() + SECONDS
    while [v["version"] for v in shown(daemon, "a")] != wanted:
        check(time.monotonic() < end, "destroyed in time", shown(daemon, "a"))


def ends_of(daemon):
    """(credential, version, subject) of what the log says was destroyed."""
    return [(r["credential"], r["version"], r["subject"])
            for r in records(daemon, "credential.destroy")]


@case
def grace_keeps_the_old_version_then_destroys_it(daemon):
    with having(daemon, "a") as first:
        before = int(time.time())
        rotate(daemon, NEW, "1h")
        now = shown(daemon, "a")
        equal([(v["version"], v["current"]) for v in now],
              [(str(first + 1), "yes"), (str(first), "no")], "both versions")
        ends = calendar.timegm(time.strptime(now[1].get("destroy_at", ""),
                                             "%Y-%m-%dT%H:%M:%SZ"))
        check(ends > before + 3600, "not a moment before the grace is over",
              now[1])
        rotate(daemon, NEW[1:], "1s")
        wait_versions(daemon, [str(first + 2), str(first)])   # each look is a poll
        equal(ends_of(daemon), [("a", str(first + 1), "credd")], "the log says so")


@case
def grace_that_ends_while_sealed_is_kept_at_unseal(daemon):
    with having(daemon, "a") as first:
        before = len(ends_of(daemon))
        rotate(daemon, NEW, "5s")
        ends = shown(daemon, "a")[1]["destroy_at"]
        equal(daemon.stop(), 0, "credd ends well")
        while time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) <= ends:
            time.sleep(0.05)    # the wall clock is what decides
        daemon.start()
        daemon.unseal()
        wait_versions(daemon, [str(first + 1)])
        equal(len(ends_of(daemon)), before + 1, "once, and after the unseal")


@case
def requests_in_flight_finish_with_their_version(daemon):
    """Under load, each answer is right for the version it names."""
    wanted, wrong, stop = {}, [], threading.Event()
    started = threading.Barrier(5)

    def work():
        with Client(daemon.api) as c:
            c.run("a", "sign", VANILLA)
            started.wait()
            while not stop.is_set():
                got = c.run("a", "sign", VANILLA)
                line = [h for h in got.all("header") if b"Signature=" in h][0]
                answers.append((got.text("version"), line[-64:].decode()))

    def watched():
        try:
            work()
        except Exception as e:
            wrong.append(repr(e))

    answers = []
    with having(daemon, "a") as first:
        threads = [threading.Thread(target=watched) for _ in range(4)]
        for t in threads:
            t.start()
        started.wait()
        try:
            for version in range(first + 1, first + 7):
                wanted[str(version - 1)] = signature(daemon, "a")
                secret = ("%d" % (version % 10)) * 40
                daemon.cli("credential", "rotate", "a", "secret_key=-", *(
                    ("--grace", "1h") if version % 2 else ()),
                    stdin=secret.encode())
            wanted[str(first + 6)] = signature(daemon, "a")
        finally:
            stop.set()
            for t in threads:
                t.join()
    equal(wrong, [], "what failed")
    check(len({v for v, _ in answers}) > 3, "several versions were used",
          len(answers))
    for version, got in answers:
        equal(got, wanted[version], "the signature of version " + version)


@case
def disable_enable_remove(daemon):
    with having(daemon, "a") as first:
        signature(daemon, "a")
        daemon.cli("credential", "disable", "a")
        equal(shown(daemon, "a")[0]["enabled"], "no", "shown")
        fails(daemon, "sign", "a", *SCOPE, code=3, stdin=VANILLA_TEXT,
              says=["disabled", "credential enable"])
        daemon.cli("credential", "disable", "a")        # twice is no error
        daemon.cli("credential", "rotate", "a", "secret_key=-",
                   stdin=SECRET.encode())
        equal(shown(daemon, "a")[0]["enabled"], "no", "rotation does not enable")
        daemon.cli("credential", "enable", "a")
        equal(signature(daemon, "a"), VANILLA_SIGNATURE.decode(), "signature")
        daemon.cli("credential", "remove", "a")
        fails(daemon, "sign", "a", *SCOPE, code=4, stdin=VANILLA_TEXT)
        for verb in ("show", "rotate", "disable", "enable", "remove"):
            fails(daemon, "credential", verb, "a", code=4, says="no credential")
        add(daemon, "a")
        equal(shown(daemon, "a")[0]["version"], str(first + 2), "a new one")


# What is refused

@case
def attributes_a_module_does_not_have_or_needs(daemon):
    fails(daemon, "credential", "add", "a", "module=aws-sigv4", "access_key=x",
          "nonsense=1", "secret_key=-", code=2, says="no attribute 'nonsense'")
    fails(daemon, "credential", "add", "a", "module=aws-sigv4", "secret_key=-",
          stdin=SECRET.encode(), says="needs access_key=")
    fails(daemon, "credential", "add", "a", "module=aws-sigv4", "access_key=x",
          says="no terminal")
    fails(daemon, "credential", "add", "a", "module=nope", "x=y", code=4,
          says="no module 'nope'")
    fails(daemon, "credential", "add", "a", "access_key=x", code=2,
          says="which module")
    fails(daemon, "credential", "add", "module=aws-sigv4", code=2, says="name")
    fails(daemon, "credential", "add", "a", "module=aws-sigv4", "access_key=x",
          "access_key=y", "secret_key=-", stdin=SECRET.encode(), says="access_key")
    with daemon.admin() as a:       # not only the command looks
        for attrs, confidential in (
                ([("access_key", "x"), ("nonsense", "1")], [("secret_key", "s")]),
                ([("access_key", "x"), ("secret_key", "s")], []),
                ([], [("secret_key", "s"), ("access_key", "x")]),
                ([("access_key", "x")], [])):
            try:
                a.credential_add("a", "aws-sigv4", attrs, confidential)
            except Refused as e:
                equal(e.error, "invalid", "the error (%s)" % e.text)
            else:
                raise AssertionError("taken: %r %r" % (attrs, confidential))
    fails(daemon, "credential", "show", "a", code=4)


@case
def module_has_its_own_say(daemon):
    for words, says in ((("not_after=tomorrow",), "not_after"),
                        (("not_after=2001-02-30T00:00:00Z",), "not_after"),
                        (("access_key=a/b",), "access_key")):
        words = [w for w in ("access_key=" + KEY,)
                 if not words[0].startswith("access_key")] + list(words)
        fails(daemon, "credential", "add", "a", "module=aws-sigv4", *words,
              "secret_key=-", stdin=SECRET.encode(), says=says)
    text = fails(daemon, "credential", "add", "a", "module=aws-sigv4",
                 "access_key=x", "secret_key=-", stdin=b"with a blank",
                 says="secret_key")
    check("with a blank" not in text, "without the value", text)
    with having(daemon, "a"):
        fails(daemon, "credential", "rotate", "a", "secret_key=-",
              stdin=b"with a blank", says="secret_key")
        equal(signature(daemon, "a"), VANILLA_SIGNATURE.decode(),
              "the old one is still there")


@case
def names_have_limits(daemon):
    for name in ("a" * 65, ".a", "-a", "a b", "a\nb", "ä", "", "a*", "a,b"):
        done = daemon.cli("credential", "add", "--", name, "module=aws-sigv4",
                          "access_key=x", "secret_key=-", stdin=SECRET.encode(),
                          check=False)
        check(done.returncode in (1, 2), "%r is refused" % name, done)
        check(done.stderr, "with a reason")
    for name in ("a" * 64, "0", "Prod.eu-1_x/y@z"):
        add(daemon, name)
        equal(shown(daemon, name)[0]["name"], name, "the name")
        daemon.cli("credential", "remove", name)
    add(daemon, "twice")
    fails(daemon, "credential", "add", "twice", "module=aws-sigv4",
          "access_key=x", "secret_key=-", stdin=SECRET.encode(),
          says=["exists", "rotate"])
    daemon.cli("credential", "remove", "twice")


@case
def a_credential_holds_64_KiB_and_not_a_byte_more(daemon):
    limit, key_max = 64 << 10, 16 << 10     # of all of it; of hmac's key
    head = 6 + len("key")       # bytes of an attribute besides its value

    def tried(size):
        with daemon.admin() as a:
            try:
                a.credential_add("big", "hmac", [], [("key", "k" * size)])
            except Refused as e:
                equal(e.error, "too_large", "the error (%s)" % e.text)
                return e.text
        return "taken"

    equal(tried(key_max), "taken", "the largest key")
    daemon.cli("grant", "add", "credential=big", "op=sign",
               "uid=%d" % os.getuid())
    daemon.cli("sign", "big", "data=x")
    daemon.cli("credential", "remove", "big")
    for size in (key_max + 1, limit - head):
        check("key= is over 16384" in tried(size), "by the module", tried(size))
    for size in (limit - head + 1, limit, 1 << 19):
        check("over 65536 bytes" in tried(size), "by credd", tried(size))
    fails(daemon, "credential", "add", "bigger", "module=hmac", "key=@"
          + secret_file(daemon, b"k" * (limit + 1)), says="65536")
    fails(daemon, "credential", "show", "big", code=4)


# What is printed

@case
def every_printing_verb_has_json_and_fields(daemon):
    with having(daemon, "a"):
        signature(daemon, "a")
        for words, field, wanted in (
                (("status",), "state", "unsealed"),
                (("credential", "list"), "name", "a"),
                (("credential", "show", "a"), "access_key", KEY),
                (("credential", "show", "a"), "module", "aws-sigv4"),
                (("grant", "list", "credential=a"), "op", "sign,presign"),
                (("module", "list"), "name", None),
                (("slot", "list"), "type", "passphrase"),
                (("audit", "show", "--last", "1"), "credential", "a"),
                (("audit", "verify"), "good", "yes"),
                (("version",), "protocol", "1")):
            what = " ".join(words)
            lines = daemon.cli(*words, "--json").stdout.decode().splitlines()
            check(lines, what + " --json prints")
            for line in lines:
                check(isinstance(json.loads(line), dict), "an object", line)
            out = daemon.cli(*words, "--field", field).stdout.decode()
            if wanted is not None:
                equal(out, wanted + "\n", what + " --field " + field)
            equal(daemon.cli(*words, "--field=" + field).stdout.decode(), out,
                  what + " --field=")
            fails(daemon, *words, "--field", "nonsense", code=1,
                  says="no field 'nonsense'")
            fails(daemon, *words, "--json", "--field", field, code=2)


@case
def times_are_printed_as_times(daemon):
    with having(daemon, "a"):
        stamp = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        check(stamp.match(shown(daemon, "a")[0]["made"]), "made")
        got = json.loads(daemon.cli("status", "--json").stdout)
        check(stamp.match(got["started"]), "started", got)


@case
def list_is_sorted_by_name(daemon):
    names = ["zebra", "alpha", "mike", "Xray", "0day"]
    for name in names:
        add(daemon, name)
    out = daemon.cli("credential", "list", "--field", "name").stdout.decode()
    equal(out.split(), sorted(names), "the names")
    for name in names:
        daemon.cli("credential", "remove", name)


@case
def exit_codes_say_what_happened(daemon):
    with having(daemon, "a"):
        sign = ("sign", "a") + SCOPE
        equal(daemon.cli(*sign, stdin=VANILLA_TEXT).returncode, 0, "done")
        fails(daemon, *sign, stdin=b"nonsense", code=1)
        fails(daemon, "sing", code=2, says="did you mean 'sign'")
        fails(daemon, "sign", code=2)
        fails(daemon, "credential", "nonsense", code=2)
        fails(daemon, "credential", code=2)
        fails(daemon, "credential", "list", "--nonsense", code=2)
        fails(daemon, "credential", "list", "more", code=2)
        fails(daemon, "sign", "other", *SCOPE, stdin=VANILLA_TEXT, code=3)
        fails(daemon, "credential", "show", "other", code=4)
        daemon.cli("seal")
        fails(daemon, *sign, stdin=VANILLA_TEXT, code=5)
        equal(daemon.cli("status", check=False).returncode, 7, "attention")
        daemon.cli("unseal", "--passphrase", "-", stdin=PASSPHRASE.encode())
        gone = {"CRETULA_CREDD": os.path.join(daemon.base, "gone.sock")}
        for words in (sign, ("credential", "list"), ("status",)):
            done = daemon.cli(*words, stdin=VANILLA_TEXT, check=False, env=gone)
            equal(done.returncode, 6, "not reached: " + words[0])
            check(daemon.base.encode() in done.stderr, "where", done.stderr)


@case
def every_verb_has_help_with_an_example(daemon):
    out = daemon.cli("--help").stdout.decode()
    verbs = [(line[2:12].strip(), line[13:26].strip())     # two columns
             for line in out.splitlines() if re.match(r"  \w", line)]
    check(len(verbs) > 20, "the verbs", verbs)
    for noun, verb in verbs:
        words = [noun] + ([verb] if verb else [])
        done = daemon.cli(*words, "--help")
        text = done.stdout.decode()
        check(text.startswith("usage: cretula " + " ".join(words)), "usage", text)
        check("example:\n  " in text and "--json" in text, "example", text)
        equal(done.stderr, b"", "errors")
        for line in text.splitlines():
            check(line == line.rstrip(), "no blanks at the end", line)
        daemon.cli(noun, "--help")


@case
def output_that_cannot_be_written_is_a_failure(daemon):
    with having(daemon, "a"):
        full = os.open("/dev/full", os.O_WRONLY)
        try:
            for words in (("credential", "list"), ("status",), ("version",),
                          ("sign", "a") + SCOPE):
                done = subprocess.run(
                    [os.path.join(build(), "bin", "cretula")] + list(words),
                    input=VANILLA_TEXT, stdout=full, stderr=subprocess.PIPE,
                    env=dict(os.environ, CRETULA_CREDD=daemon.api))
                check(done.returncode != 0, "%s notices" % " ".join(words), done)
        finally:
            os.close(full)


def main():
    with Daemon() as daemon:
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
