#!/usr/bin/python3
"""A module that crashes, hangs, allocates without end, floods or leaks, in a whole
credd: who asked for that gets `module_failed`, everybody whose requests were in
flight with the same worker gets the right answer, other modules go on."""
import os
import random
import shutil
import sys

from lib.case import build, case, check, equal, is_sanitized, run
from lib.daemon import BROKEN_DAEMON, Daemon
from lib.raw import KEY, SECRET, VANILLA, right

from cretula_native import ERROR, REPLY, Client, encode_attrs

UID = os.getuid()
KEY_TEXT = "a key that nobody may ever see 4711"
# Under the sanitizers what is forbidden fails instead of killing.
FORBIDDEN = ("socket_inet", "fork", "ptrace", "keyctl", "allocate")
FAULTS = (() if is_sanitized() else FORBIDDEN) + (
    "abort", "flood", "flood_replies", "loop")
IN_FLIGHT = 40          # of one connection, with the fault in their middle


def modules_folder(base):
    """The built modules and the hostile one."""
    folder = os.path.join(base, "modules")
    os.mkdir(folder, 0o755)
    for source in (os.path.join(build(), "modules"),
                   os.path.join(build(), "tests", "modules")):
        for name in os.listdir(source):
            if name in ("hostile.so", "hmac.so", "aws-sigv4.so"):
                shutil.copy(os.path.join(source, name), folder)
                os.chmod(os.path.join(folder, name), 0o755)
    return folder


def send_run(client, op, request, credential="bad"):
    return client.send([("verb", "run"), ("credential", credential),
                        ("op", op), ("request", encode_attrs(request))])


def answers(client, count):
    """Last answers by id."""
    got = {}
    while len(got) < count:
        kind, ident, answer = client.receive()
        check(ident not in got, "answered once", ident)
        got[ident] = (kind, answer)
    return got


def fault_in_the_middle(daemon, attack):
    """Echoes before and after one attack, all pipelined at once."""
    with Client(daemon.api) as c:
        middle = random.randrange(IN_FLIGHT)
        texts, bad = {}, None
        for i in range(IN_FLIGHT):
            if i == middle:
                bad = send_run(c, "attack", [("attack", attack)])
            else:
                text = "text %d" % i
                texts[send_run(c, "echo", [("text", text)])] = text
        got = answers(c, IN_FLIGHT)
    kind, answer = got.pop(bad)
    if attack == "allocate":        # refused memory is survived
        check(kind in (REPLY, ERROR), "an answer")
    else:
        equal((kind, kind == ERROR and answer.text("error")),
              (ERROR, "module_failed"), "to who attacked: %r" % answer)
    for ident, text in texts.items():
        kind, answer = got[ident]
        check(kind == REPLY and answer.text("text") == text,
              "the right answer to '%s'" % text, answer)


def others_go_on(daemon):
    with Client(daemon.api) as c:
        check(right(c.run("good", "sign", VANILLA)), "another module signs")


@case
def each_fault_hits_only_who_asked_for_it(daemon):
    for attack in FAULTS:
        fault_in_the_middle(daemon, attack)
        others_go_on(daemon)


@case
def two_users_of_one_worker(daemon):
    """The fault and the honest requests come over different connections."""
    with Client(daemon.api) as bad, Client(daemon.api) as good:
        for round_ in range(20):
            mine = send_run(bad, "attack", [("attack", "abort")])
            texts = {send_run(good, "echo", [("text", "x%d" % i)]): "x%d" % i
                     for i in range(8)}
            got = answers(good, len(texts))
            for ident, text in texts.items():
                check(got[ident][0] == REPLY and
                      got[ident][1].text("text") == text, "right", got[ident])
            equal(answers(bad, 1)[mine][0], ERROR, "the fault")


@case
def leaks_are_withheld_and_written_down(daemon):
    for op in ("leak", "leak_error"):
        with Client(daemon.api) as c:
            ident = send_run(c, op, [])
            kind, answer = answers(c, 1)[ident]
            equal((kind, answer.text("error")), (ERROR, "module_failed"), op)
            check(KEY_TEXT not in answer.text("text"), "no key in the error")
    with daemon.admin() as a:
        items = a.call("audit.show", [("from", 0)]).items
    check(any(b"withheld" in value for item in items
              for name, value, _ in item if name == "record"),
          "the log says that a reply was withheld")


@case
def a_module_that_dies_at_once_fails_everybody_who_needs_it(daemon):
    with Client(daemon.api) as c:
        idents = [send_run(c, "attack", [("attack", "abort")])
                  for _ in range(10)]
        got = answers(c, len(idents))
    equal({(k, a.text("error")) for k, a in got.values()},
          {(ERROR, "module_failed")}, "every answer")
    others_go_on(daemon)


def main():
    seed = int(os.environ.get("CRETULA_SEED", random.randrange(1 << 32)))
    random.seed(seed)
    print("seed %d" % seed)
    with Daemon(unsealed=False, broken=BROKEN_DAEMON) as daemon:
        daemon.stop()
        daemon.options["modules"] = modules_folder(daemon.base)
        daemon.start()
        daemon.init()
        with daemon.admin() as a:
            a.credential_add("good", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.credential_add("bad", "hostile", [], [("key", KEY_TEXT)])
            for name, ops in (("good", "sign"),
                              ("bad", "attack,echo,leak,leak_error")):
                a.call("grant.add", [("grant", encode_attrs(
                    [("credential", name), ("op", ops), ("uid", UID),
                     ("max_skew", "any")]))])
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
