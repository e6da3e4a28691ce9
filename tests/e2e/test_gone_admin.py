#!/usr/bin/python3
"""An admin who sends changes and is gone before they are made: the changes are made
in order, and the log says whose they were. Refused admin verbs keep to the quota."""
import os
import sys

from lib.case import case, check, equal, run
from lib.daemon import Daemon
from lib.raw import KEY, SECRET, encode_attrs

from cretula_native import ERROR, REPLY, Client, decode_attrs

CHANGES = 20


def records(daemon, event):
    with daemon.admin() as a:
        items = a.call("audit.show", [("from", 0)]).items
    lists = [decode_attrs(value) for item in items
             for name, value, _ in item if name == "record"]
    return [r for r in lists if r.text("event") == event]


@case
def changes_of_who_has_left_have_a_subject(daemon):
    with daemon.admin() as a:
        a.credential_add("first", "aws-sigv4", [("access_key", KEY)],
                         [("secret_key", SECRET)])
        # a slow job first, so that the others still wait when we are gone
        a.client.send([("verb", "credential.rotate"), ("name", "first"),
                       ("attributes", encode_attrs([("access_key", KEY)])),
                       a.box([("secret_key", SECRET, 1)])])
        for i in range(CHANGES):
            a.client.send([("verb", "grant.add"), ("grant", encode_attrs(
                [("credential", "first"), ("uid", 1000 + i)]))])
    # jobs are done in order: an answer to this one means those are over
    with daemon.admin() as a:
        a.call("credential.disable", [("name", "first")])
        equal(len(a.call("grant.list").items), CHANGES, "grants")
    found = records(daemon, "grant.add")
    equal(len(found), CHANGES, "records")
    for r in found:
        equal(r.text("subject"), "uid:%d" % os.getuid(), "whose %r" % r)
        check(r.text("pid") == str(os.getpid()), "and which process", r)


@case
def refused_verbs_are_on_record(daemon):
    with Client(daemon.api) as c:
        for _ in range(3):
            c.send([("verb", "grant.list")])
        errors = [c.receive()[2].text("error") for _ in range(3)]
    equal(errors, ["denied"] * 3, "answers")
    found = records(daemon, "grant.list")
    check(found, "a record")
    for r in found:
        equal((r.text("outcome"), r.text("subject")),
              ("deny", "uid:%d" % os.getuid()), "record")


@case
def what_waits_behind_a_seal_is_told_that_it_is_sealed(daemon):
    vault = daemon.roles()["vault"]
    with daemon.admin() as a:
        sealed = a.client.send([("verb", "seal")])
        late = a.client.send([("verb", "grant.add"), ("grant", encode_attrs(
            [("credential", "first"), ("uid", 1)]))])
        got = {}
        while len(got) < 2:
            kind, ident, answer = a.client.receive()
            got[ident] = (kind, answer)
    equal(got[sealed][0], REPLY, "the seal")
    kind, answer = got[late]
    equal((kind, kind == ERROR and answer.text("error")), (ERROR, "sealed"),
          "what came behind it")
    equal(daemon.roles()["vault"], vault, "the vault lives")
    daemon.unseal()


if __name__ == "__main__":
    with Daemon() as d:
        status = run(d)
    sys.exit(status)
