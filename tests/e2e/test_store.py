#!/usr/bin/python3
"""The store's life: made, opened, sealed, its key slots; what status says of each
state. tests/e2e/test_tamper.py does things to the files."""
import json
import os
import sys

from lib.case import case, check, equal, run
from lib.daemon import PASSPHRASE, Daemon, fails
from lib.raw import KEY, SCOPE, SECRET, VANILLA_TEXT

CHEAP = ("--ops", "1", "--mem", "64M")


def secret_file(daemon, name, text):
    path = os.path.join(daemon.base, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, 0o600)
    return path


def state(daemon, code):
    done = daemon.cli("status", "--json", check=False)
    equal(done.returncode, code, "status: exit code")
    return json.loads(done.stdout)


def sign(daemon, check_it=True):
    return daemon.cli("sign", "prod", *SCOPE, "--headers", stdin=VANILLA_TEXT,
                      check=check_it)


def made(daemon):
    """A store with a credential and a grant, through the command."""
    phrase = secret_file(daemon, "phrase", PASSPHRASE + "\n")
    out = daemon.cli("init", "--passphrase", "@" + phrase, *CHEAP, "--json")
    answer = json.loads(out.stdout)
    equal(answer["slot"], "1", "the first slot")
    equal(len(answer["store"]), 32, "a store id of 16 bytes")
    daemon.cli("credential", "add", "prod", "module=aws-sigv4",
               "access_key=" + KEY, "secret_key=-", stdin=SECRET.encode())
    daemon.cli("grant", "add", "credential=prod", "op=sign",
               "uid=%d" % os.getuid(), "max_skew=any")
    sign(daemon)
    return phrase


def restart(daemon):
    equal(daemon.stop(), 0, "credd ends well")
    daemon.start()


@case
def a_new_daemon_has_no_store_and_says_what_to_do():
    with Daemon(unsealed=False) as d:
        got = state(d, 7)
        equal(got["state"], "uninitialised", "the state")
        check("cretula init" in got["attention"], "what to do", got)
        text = d.cli("status", check=False)
        check(b"needs attention: there is no store yet" in text.stdout,
              "the same for people", text)
        for words in (("unseal", "--passphrase", "-"), ("credential", "list"),
                      ("grant", "list"), ("audit", "show"), ("seal",)):
            done = d.cli(*words, stdin=b"x", check=False)
            check(done.returncode in (4, 5), "refused: %s" % " ".join(words),
                  done)
            check(b"cretula init" in done.stderr, "with what to do", done)
        equal(sign(d, False).returncode, 5, "nothing is signed")


@case
def init_makes_a_store_once():
    with Daemon(unsealed=False) as d:
        phrase = made(d)
        got = state(d, 0)
        equal((got["state"], got["credentials"], got["grants"]),
              ("unsealed", "1", "1"), "the state")
        fails(d, "init", "--passphrase", "@" + phrase, code=1,
              says="there is a store already")
        check("attention" not in got, "nothing to attend to", got)


@case
def init_refuses_what_it_cannot_keep():
    with Daemon(unsealed=False) as d:
        short = secret_file(d, "short", b"x" * 31)
        fails(d, "init", "--passphrase", "correct horse", code=2,
              says=["command line", "@FILE"])
        fails(d, "init", "--passphrase", "-", code=1, says="passphrase")
        fails(d, "init", "--key-file", short, code=1, says="at least 32")
        fails(d, "init", "--key-file", "/nonexistent", code=1,
              says="cannot be opened")
        for words in (("--ops", "0"), ("--ops", "11"), ("--mem", "1M"),
                      ("--mem", "2G"), ("--ops", "x")):
            fails(d, "init", "--passphrase", "-", *words, code=2,
                  says=words[0], stdin=b"x")
        equal(state(d, 7)["state"], "uninitialised", "still no store")
        equal(os.listdir(d.state), [], "and no file")


@case
def seal_stops_all_service_and_unseal_brings_it_back():
    with Daemon(unsealed=False) as d:
        phrase = made(d)
        before = sign(d).stdout
        d.cli("seal")
        got = state(d, 7)
        equal(got["state"], "sealed", "the state")
        check("cretula unseal" in got["attention"], "what to do", got)
        equal(sign(d, False).returncode, 5, "sign")
        for words in (("credential", "list"), ("grant", "list"),
                      ("credential", "show", "prod"), ("audit", "show"),
                      ("audit", "verify"), ("seal",)):
            fails(d, *words, code=5, says="cretula unseal")
        fails(d, "unseal", "--passphrase", "-", stdin=b"wrong\n", code=3,
              says="wrong passphrase")
        equal(state(d, 7)["state"], "sealed", "after a wrong passphrase")
        equal(d.cli("slot", "list", "--field", "type").stdout, b"passphrase\n",
              "what opens it can be seen")
        equal(d.cli("unseal", "--passphrase", "@" + phrase).stdout, b"slot=1\n",
              "the slot that opened it")
        equal(sign(d).stdout, before, "the same signature")
        fails(d, "unseal", "--passphrase", "@" + phrase, code=1,
              says="open already")


@case
def restart_comes_back_sealed_with_nothing_lost():
    with Daemon(unsealed=False) as d:
        phrase = made(d)
        shown = d.cli("credential", "show", "prod").stdout
        grants = d.cli("grant", "list").stdout
        records = d.cli("audit", "show").stdout
        restart(d)
        equal(state(d, 7)["state"], "sealed", "after a restart")
        equal(sign(d, False).returncode, 5, "sign")
        d.cli("unseal", "--passphrase", "@" + phrase)
        sign(d)
        equal(d.cli("credential", "show", "prod").stdout, shown, "credential")
        equal(d.cli("grant", "list").stdout, grants, "grants")
        check(d.cli("audit", "show").stdout.startswith(records), "the log")
        d.cli("audit", "verify")


@case
def each_slot_opens_and_a_removed_one_does_not():
    with Daemon(unsealed=False) as d:
        phrase = made(d)
        second = secret_file(d, "second", "another one\n")
        key = secret_file(d, "key", os.urandom(64))
        equal(d.cli("slot", "add", "--passphrase", "@" + second,
                    *CHEAP).stdout, b"slot=2\n", "the second")
        equal(d.cli("slot", "add", "--key-file", key, *CHEAP).stdout,
              b"slot=3\n", "the third")
        slots = [json.loads(s) for s in
                 d.cli("slot", "list", "--json").stdout.splitlines()]
        equal([(s["slot"], s["type"], s["ops"], s["mem"]) for s in slots],
              [("1", "passphrase", "1", "67108864"),
               ("2", "passphrase", "1", "67108864"),
               ("3", "keyfile", "1", "67108864")], "slot list")
        for words, slot in ((("--passphrase", "@" + phrase), 1),
                            (("--passphrase", "@" + second), 2),
                            (("--key-file", key), 3)):
            d.cli("seal")
            equal(d.cli("unseal", *words).stdout, b"slot=%d\n" % slot, "slot")
        d.cli("seal")
        fails(d, "unseal", "--passphrase", "-", stdin=b"neither\n", code=3,
              says=["wrong passphrase", "none of the 2 slots"])
        d.cli("unseal", "--passphrase", "@" + second)
        d.cli("slot", "remove", "1")
        d.cli("slot", "remove", "3")
        fails(d, "slot", "remove", "3", code=4, says="no key slot 3")
        fails(d, "slot", "remove", "2", code=1, says="the last one")
        restart(d)
        fails(d, "unseal", "--passphrase", "@" + phrase, code=3,
              says="wrong passphrase")
        fails(d, "unseal", "--key-file", key, code=4,
              says="no key slot for a key file")
        d.cli("unseal", "--passphrase", "@" + second)
        sign(d)
        equal(d.cli("slot", "add", "--passphrase", "@" + phrase, *CHEAP).stdout,
              b"slot=4\n", "a number is not used again")


@case
def a_key_file_is_every_byte_of_it():
    with Daemon(unsealed=False) as d:
        bytes_of = os.urandom(40) + b"\0\n"
        key = secret_file(d, "key", bytes_of)
        d.cli("init", "--key-file", key, *CHEAP)
        d.cli("seal")
        for other in (bytes_of[:-1], bytes_of + b"\n"):
            fails(d, "unseal", "--key-file", secret_file(d, "other", other),
                  code=3, says="wrong key file")
        d.cli("unseal", "--key-file", key)


@case
def unseal_keyfile_in_the_configuration_opens_at_start():
    with Daemon(unsealed=False) as d:
        made(d)
        key = secret_file(d, "key", os.urandom(32))
        d.cli("slot", "add", "--key-file", key, *CHEAP)
        d.options["unseal_keyfile"] = key
        equal(d.stop(), 0, "credd ends well")
        d.start()
        sign(d)
        records = [json.loads(r)["record"] for r in d.cli(
            "audit", "show", "--last", "3", "--json").stdout.splitlines()]
        check(any(r.get("event") == "unseal" and r.get("slot") == "2"
                  for r in records), "and is in the log", records)


@case
def a_wrong_unseal_keyfile_leaves_it_sealed():
    with Daemon(unsealed=False) as d:
        phrase = made(d)
        d.options["unseal_keyfile"] = secret_file(d, "key", os.urandom(32))
        restart(d)
        fails(d, "credential", "list", code=5, says="sealed")
        d.cli("unseal", "--passphrase", "@" + phrase)
        sign(d)


@case
def a_key_file_others_can_read_is_refused():
    with Daemon(unsealed=False) as d:
        key = secret_file(d, "key", os.urandom(32))
        os.chmod(key, 0o644)
        d.stop()
        d.options["unseal_keyfile"] = key
        try:
            d.start()
        except AssertionError:
            check("only its owner can read" in d.log(), "the reason", d.log())
        else:
            raise AssertionError("credd started")


@case
def status_without_a_daemon_is_not_reached():
    with Daemon(unsealed=False) as d:
        d.stop()
        done = d.cli("status", check=False)
        equal(done.returncode, 6, "exit code")
        done = d.cli("status", "--json", check=False)
        equal((done.returncode, json.loads(done.stdout)["state"]),
              (6, "not_reached"), "as JSON")


if __name__ == "__main__":
    sys.exit(run())
