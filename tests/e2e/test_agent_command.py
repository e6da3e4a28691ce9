#!/usr/bin/python3
"""`cretula agent …` against a certmgr that is played: what COMMAND is started with, whose
it is, what becomes of descriptors and signals, the exit codes; how the other verbs ask and
what they print. Certificates are in the tests of certmgr."""
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile

from lib.case import Skip, build, case, check, equal, run
from lib.played_certmgr import (AGENT, INSTANCE, TOKEN, Played, refuse,
                                spawner)

CRETULA = os.path.join(build(), "bin/cretula")
SECONDS = 60
PYTHON = "/usr/bin/python3"

# What COMMAND prints about itself.
LOOK = """
import json, os, signal
fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))
token = os.environ.get("CRETULA_TOKEN_FD")
print(json.dumps({
    "env": dict(os.environ), "pid": os.getpid(), "fds": fds,
    "ids": os.getresuid() + os.getresgid(), "groups": os.getgroups(),
    "token": os.read(int(token), 1000).decode() if token else None,
    "pipe": signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN,
    "status": open("/proc/self/status").read()}))
"""


def cretula(played, *words, env=None, **more):
    environment = dict(os.environ, CRETULA_CERTMGR=played.path)
    environment.update(env or {})
    return subprocess.run([CRETULA, *words], env=environment, timeout=SECONDS,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, **more)


def look(played, *options, **more):
    done = cretula(played, "agent", "run", "--type", "web", *options, "--",
                   PYTHON, "-c", LOOK, **more)
    equal(done.returncode, 0, "%r" % done.stderr)
    return json.loads(done.stdout)


def run_rc(played, *words, **more):
    done = cretula(played, "agent", "run", *words, **more)
    return done.returncode, done.stderr.decode()


@case
def command_is_the_agent():
    with Played(spawner()) as played:
        seen = look(played)
        env = seen["env"]
        equal(env["CRETULA_AGENT"], INSTANCE + ":" + AGENT, "its name")
        equal(seen["token"], TOKEN.decode(), "its token")
        equal(env["CRETULA_TOKEN_FD"], "3", "the first descriptor that is free")
        check("CRETULA_DIR" not in env, "a folder without a view")
        (door, verb, attrs, fds), = played.calls
        equal((door, verb, fds), ("api", "agent.spawn", 2), "the call")
        equal(attrs.text("type"), "web", "the type")
        equal(attrs.text("wait"), None, "waits without a view")


@case
def the_process_that_is_named_becomes_command():
    pids = []

    def answer(verb, attrs, fds):
        with open("/proc/self/fdinfo/%d" % fds[1], encoding="ascii") as f:
            pids.extend(int(line.split()[1]) for line in f
                        if line.startswith("Pid:"))
        return spawner()(verb, attrs, fds)

    with Played(answer) as played:
        equal([look(played)["pid"]], pids, "the process of the pidfd")


@case
def descriptors_are_closed_but_the_service_managers():
    with Played(spawner()) as played, tempfile.TemporaryFile() as stray:
        seen = look(played, pass_fds=[stray.fileno()])
        # listing the folder takes one itself
        equal(seen["fds"], [0, 1, 2, 3, 4], "open descriptors")
        ends = socket.socketpair()
        # as systemd passes one: number 3, and the pid of who is executed
        done = subprocess.run(
            ["/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&%d"
             % ends[0].fileno(), "sh", CRETULA, "agent", "run", "--type", "web",
             "--", PYTHON, "-c", LOOK], pass_fds=[ends[0].fileno()],
            env=dict(os.environ, CRETULA_CERTMGR=played.path),
            stdout=subprocess.PIPE, timeout=SECONDS, check=True)
        seen = json.loads(done.stdout)
        equal(seen["fds"], [0, 1, 2, 3, 4, 5], "open descriptors")
        equal(seen["env"]["CRETULA_TOKEN_FD"], "4", "the token's")
        equal(seen["token"], TOKEN.decode(), "the token")
        for end in ends:
            end.close()


@case
def signals_are_as_they_were():
    with Played(spawner()) as played:
        # (Python itself ignores SIGPIPE: what counts is what it was started with)
        for ignored in (False, True):
            def prepare(ignored=ignored):
                signal.signal(signal.SIGPIPE, signal.SIG_IGN if ignored
                              else signal.SIG_DFL)
            done = cretula(played, "agent", "run", "--type", "web", "--",
                           "/bin/grep", "SigIgn", "/proc/self/status",
                           preexec_fn=prepare)
            mask = int(done.stdout.split()[1], 16)
            equal(bool(mask >> (signal.SIGPIPE - 1) & 1), ignored, "SIGPIPE")


@case
def another_user():
    if os.geteuid() != 0:
        raise Skip("only root starts agents of others")
    nobody = pwd.getpwnam("nobody")
    with Played(spawner()) as played:
        for name in ("nobody", str(nobody.pw_uid)):
            seen = look(played, "--user", name)
            equal(seen["ids"], [nobody.pw_uid] * 3 + [nobody.pw_gid] * 3, "ids")
            equal(seen["groups"], [nobody.pw_gid], "groups")
            equal([seen["env"][k] for k in ("HOME", "USER", "LOGNAME", "SHELL")],
                  [nobody.pw_dir, "nobody", "nobody", nobody.pw_shell], "names")
            check("CapEff:\t0000000000000000" in seen["status"], "capabilities")
            equal(played.calls[-1][2].text("uid"), str(nobody.pw_uid), "uid=")
        rc, said = run_rc(played, "--type", "web", "--user", "no-such-user",
                          "--", "/bin/true")
        equal(rc, 2, said)


@case
def another_user_does_not_share_our_keys():
    if os.geteuid() != 0:
        raise Skip("only root starts agents of others")

    def seen(played, *who):
        done = subprocess.run(
            ["keyctl", "session", "-", "/bin/sh", "-c",
             'KEY=$(keyctl add user ours "what is ours" @s) exec "$0" "$@"',
             CRETULA, "agent", "run", "--type", "web", *who, "--",
             "/bin/sh", "-c", 'keyctl rdescribe @s; keyctl print "$KEY"'],
            env=dict(os.environ, CRETULA_CERTMGR=played.path), timeout=SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.stdout.decode()
    with Played(spawner()) as played:
        said = seen(played)
        check("keyring;0;" in said and "what is ours" in said, "as we are", said)
        said = seen(played, "--user", "nobody")
        uid = pwd.getpwnam("nobody").pw_uid
        check("keyring;%d;" % uid in said, "a ring of his own", said)
        check("what is ours" not in said, "not our keys", said)


@case
def only_root_becomes_another_user():
    if os.geteuid() != 0:
        raise Skip("root tries as another")
    with Played(spawner()) as played:
        rc, said = run_rc(played, "--type", "web", "--user", "nobody", "--",
                          "/bin/true", user="nobody", group="nogroup",
                          extra_groups=[])
        equal(rc, 2, said)
        check("for root" in said, "what is wrong", said)


@case
def options_are_asked_for():
    with Played(spawner()) as played:
        look(played, "--name", "a.example", "--name=b.example", "--endpoint",
             "https+tcp://x:1", "--lifetime", "2h", "--on-renew", "HUP")
        attrs = played.calls[-1][2]
        equal(attrs.all("name"), [b"a.example", b"b.example"], "name=")
        equal(attrs.all("uri"), [b"https+tcp://x:1"], "uri=")
        equal(attrs.text("lifetime"), "7200", "lifetime=")
        equal(attrs.text("on_renew"), "HUP", "on_renew=")


@case
def a_view_is_waited_for():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with open(folder + "/bundle.pem", "w", encoding="ascii"):
            pass
        with Played(spawner(folder)) as played:
            equal(look(played, "--view")["env"]["CRETULA_DIR"], folder, "folder")
            attrs = played.calls[-1][2]
            equal((attrs.text("view"), attrs.text("wait")), ("yes", "yes"),
                  "what is asked for")
            look(played, "--view=self")
            equal(played.calls[-1][2].text("view"), "self", "view=")
            rc, said = run_rc(played, "--type", "web", "--view=all", "--",
                              "/bin/true")
            equal(rc, 2, said)


@case
def a_view_that_never_shows_it():
    with tempfile.TemporaryDirectory() as folder:
        with Played(spawner(folder)) as played:
            rc, said = run_rc(played, "--type", "web", "--view", "--",
                              "/bin/echo", "started")
            equal(rc, 125, said)
            check(folder + "/bundle.pem" in said, "which file", said)


@case
def exit_codes():
    with Played(spawner()) as played, tempfile.NamedTemporaryFile() as plain:
        for want, *command in ((0, "/bin/true"), (7, "/bin/sh", "-c", "exit 7"),
                               (127, "/no/such/program"), (127, "no-such-word"),
                               (126, plain.name), (126, "/etc")):
            rc, said = run_rc(played, "--type", "web", "--", *command)
            equal(rc, want, "%r: %s" % (command, said))
        rc, said = run_rc(played, "--type", "web")
        equal(rc, 2, said)
        rc, said = run_rc(played, "--", "/bin/true")
        equal(rc, 2, said)

    def denied(*_):
        raise refuse("denied", "no grant lets you start agents of type 'web'")

    with Played(denied) as played:
        rc, said = run_rc(played, "--type", "web", "--", "/bin/true")
        equal(rc, 125, said)
        check("no grant" in said, "certmgr's sentence", said)
    rc, said = run_rc(played, "--type", "web", "--", "/bin/true")
    equal(rc, 125, said)
    check("not reached" in said, "nobody is there", said)


ITEM = [("agent", AGENT), ("type", "web"), ("node", "n1.example"), ("uid", "33"),
        ("pid", "4711"), ("state", "claimed"), ("serial", "03ab"),
        ("not_after", "1767322800"), ("renew_at", "1767320000"),
        ("view", "no"), ("ptraceable", "no")]


def looks(verb, attrs, _):
    if verb == "agent.list":
        return [ITEM, [("agent", AGENT), ("type", "db"), ("uid", "0"),
                       ("state", "queued"), ("text", "the CA is away\x1b[2J")]], []
    if attrs.text("agent") != AGENT:
        raise refuse("not_found", "there is no such agent")
    return ITEM + [("certificate", b"\x30\x03\x02\x01\x05"), ("request_id", "0a")]


@case
def agents_are_listed():
    with Played(looks) as played:
        lines = cretula(played, "agent", "list").stdout.decode().splitlines()
        equal(len(lines), 3, "lines")
        equal(lines[0].split()[:3], ["AGENT", "TYPE", "UID"], "the head")
        equal(lines[1].split(), [AGENT, "web", "33", "4711", "claimed",
                                 "2026-01-02T03:00:00Z", "no", "no"], "an agent")
        check(lines[2].endswith("the CA is away\\x1B[2J"), "why it has none", lines[2])
        out = cretula(played, "agent", "list", "--type", "web", "--json").stdout
        items = [json.loads(line) for line in out.splitlines()]
        equal(items[0]["not_after"], "2026-01-02T03:00:00Z", "JSON")
        equal(len(items), 2, "objects")
        equal(played.calls[-1][2].text("type"), "web", "type=")
        out = cretula(played, "agent", "list", "--field", "state").stdout
        equal(out, b"claimed\nqueued\n", "a field")


@case
def one_is_shown_renewed_revoked():
    with Played(looks) as played:
        out = cretula(played, "agent", "show", AGENT).stdout.decode()
        check("not_after: 2026-01-02T03:00:00Z\n" in out, "lines", out)
        check("certificate" not in out and "request_id" not in out, "lines", out)
        out = cretula(played, "agent", "show", INSTANCE + ":" + AGENT, "--field",
                      "certificate").stdout.decode()
        check(out.startswith("-----BEGIN CERTIFICATE-----\n"), "PEM", out)
        equal(played.calls[-1][2].text("agent"), AGENT, "the id alone")
        equal(cretula(played, "agent", "renew", AGENT).returncode, 0, "renew")
        equal(played.calls[-1][1], "agent.renew", "the verb")
        cretula(played, "agent", "revoke", AGENT, "--reason", "keyCompromise")
        equal((played.calls[-1][1], played.calls[-1][2].text("reason")),
              ("agent.revoke", "keyCompromise"), "the call")
        other = AGENT[:-1] + "2"
        equal(cretula(played, "agent", "show", other).returncode, 4, "not found")
        for words in ((), ("x",), (AGENT, AGENT)):
            equal(cretula(played, "agent", "revoke", *words).returncode, 2,
                  "which agent")


@case
def admins_ask_at_their_socket():
    with Played(looks, admin=True) as played:
        cretula(played, "agent", "list")
        equal(played.calls[-1][0], "admin", "the socket")
    with Played(looks) as played:
        cretula(played, "agent", "list")
        equal(played.calls[-1][0], "api", "the socket")


@case
def a_claim_needs_an_agent():
    with Played(looks) as played:
        done = cretula(played, "agent", "claim")
        equal(done.returncode, 4, "%r" % done.stderr)
        check(b"CRETULA_AGENT is not set" in done.stderr, "why", done.stderr)
        equal(cretula(played, "agent", "claim", "--way", "mail").returncode, 2,
              "no such way")


if __name__ == "__main__":
    sys.exit(run())
