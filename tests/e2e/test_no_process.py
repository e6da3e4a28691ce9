#!/usr/bin/python3
"""Where no more processes can be made, credd and ca go on: who needs one for himself is
told so, everybody else is served, and what died is there again as soon as there is room.
Only ordinary users are held to RLIMIT_NPROC, so the daemons run as one."""
import contextlib
import http.client
import os
import resource
import signal
import sys

from lib import ca_cli
from lib.ca_cli import until
from lib.case import Skip, case, check, equal, run
from lib.daemon import OTHER_UID, PASSPHRASE, Ca, Daemon, as_uid, wait_end
from lib.raw import ERROR, VANILLA, Client, Raw, right, signs
from lib.steady import prepare
from lib.web import PROBLEM, Answer, Web, http_sock

from cretula_native import CONNECTION_ID, Refused

GUEST = OTHER_UID + 1
SECONDS = 20
WHY = "there may be no more processes here"


class Ordinary:
    """A daemon of an ordinary user's; the command is root's."""

    def there(self, *command, dies=False):
        if not dies:
            return super().there(*command)
        for path in self.base, self.run, self.state, self.conf:
            os.chown(path, OTHER_UID, OTHER_UID)
        return ["setpriv", "--reuid=%d" % OTHER_UID, "--regid=%d" % OTHER_UID,
                "--clear-groups", "--", *command]


class Credd(Ordinary, Daemon):
    pass


class OrdinaryCa(Ordinary, Ca):
    pass


@contextlib.contextmanager
def no_process(daemon):
    """Its supervisor can make none meanwhile."""
    soft, hard = limit(daemon)
    limit(daemon, (0, hard))
    try:
        yield
    finally:
        limit(daemon, (soft, hard))


def limit(daemon, *new):
    """Its user may; root may not everywhere."""
    return as_uid(OTHER_UID, resource.prlimit, daemon.process.pid,
                  resource.RLIMIT_NPROC, *new)


def greeted(path):
    """What who comes is told before he says anything."""
    with Raw(path) as raw:
        kind, ident, attrs = raw.receive()
        equal((kind, ident), (ERROR, CONNECTION_ID), "about the connection")
        return [attrs.text(n) for n in ("error", "text", "retry_after")]


def unasked(web):
    """The same by HTTP: who sends meanwhile may find the connection closed."""
    web.connect()
    response = http.client.HTTPResponse(web.sock, method="GET")
    response.begin()
    return Answer(response)


def check_answered(path):
    with Raw(path) as raw:
        raw.call(1, [("verb", "status")])
        equal(raw.receive()[1], 1, "an answer to his call")


def failures(daemon, role):
    return daemon.log().count('event=not_started text="%s: ' % role)


def check_refused(daemon, path):
    before = failures(daemon, "front")
    error, text, retry = as_uid(GUEST, greeted, path)
    equal((error, retry), ("unavailable", "1"), "how")
    check(WHY in text, "why", text)
    equal(failures(daemon, "front"), before + 1, "lines of the log")


def come_back(daemon, roles, serves):
    """Whichever dies meanwhile is there as soon as it can be."""
    for role in roles:
        old = daemon.roles()[role][0]
        before = failures(daemon, role)
        with no_process(daemon):
            os.kill(old, signal.SIGKILL)
            check(wait_end(old, SECONDS), "it dies")
            until("it is tried again", lambda: failures(daemon, role) > before + 1)
        until(role + " is there again", lambda: daemon.roles().get(role))
        until("all is as it was", serves)


@case
def who_comes_is_told_and_nobody_else_notices(credd, ca):
    with Client(credd.api, timeout=SECONDS) as client:
        check(right(client.run("raw", "sign", VANILLA)), "his front is there")
        with no_process(credd):
            check_refused(credd, credd.api)
            with Web(http_sock(credd)) as web:
                answer = unasked(web)
                equal((answer.status, answer.type), (503, PROBLEM), "by HTTP")
                equal(answer.headers["Retry-After"], "1", "Retry-After")
                check(WHY in answer.json["detail"], "why", answer.json)
            check(right(client.run("raw", "sign", VANILLA)), "who is served")
            check(signs(credd.api), "… also if he comes anew")
    as_uid(GUEST, check_answered, credd.api)
    with Web(http_sock(credd)) as web:
        equal(web.ask("GET", "/v1/credentials").status, 200, "there is room again")


@case
def who_comes_to_the_ca_is_told_too(credd, ca):
    with no_process(ca):
        check_refused(ca, ca.api)
        ca.cli("ca", "status")
    as_uid(GUEST, check_answered, ca.api)


@case
def what_dies_in_credd_comes_back(credd, ca):
    come_back(credd, ["store", "zygote", "door"], lambda: answers(credd))


@case
def what_dies_in_the_ca_comes_back(credd, ca):
    come_back(ca, ["store", "signer", "issuer", "gate", "door"],
              lambda: ca.cli("ca", "status", check=False).returncode in (0, 7))


def answers(credd):
    with contextlib.suppress(OSError, Refused):
        return signs(credd.api)
    return False


@case
def who_wants_an_opener_is_told(credd, ca):
    with Credd(unsealed=False) as new, new.admin() as a:
        a.status()
        with no_process(new):
            try:
                a.init(PASSPHRASE)
                check(False, "there is one")
            except Refused as e:
                equal(e.error, "unavailable", e.text)
            equal(failures(new, "opener"), 1, "lines of the log")
        a.init(PASSPHRASE)


def main():
    if os.getuid():
        raise Skip("only root starts a daemon as somebody else")
    with Credd() as credd, OrdinaryCa(tls_names="localhost") as ca:
        prepare(credd)
        ca_cli.init(ca)
        return run(credd, ca)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Skip as e:
        print("skip no_process - %s" % e)
