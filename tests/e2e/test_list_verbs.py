#!/usr/bin/python3
"""What everybody may ask credd: `credentials`, `modules`, `transport`."""
import sys

from lib.actor import performed
from lib.admin import transport_key
from lib.case import case, check, equal, run
from lib.daemon import Daemon
from lib.raw import KEY, SECRET

from cretula_native import Client, Refused, decode_attrs

NOBODY = 65534


def listed(daemon, uid=None, verb="credentials"):
    """As that uid sees it: name -> (module, operations)."""
    def ask(link):
        with Client(daemon.api) as c:
            link.tell({i.text("name"): (i.text("module"), i.all("op"))
                       for i in c.call(verb).items})
    return performed(ask, uid=uid)


def add(daemon, name):
    with daemon.admin() as a:
        a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                         [("secret_key", SECRET)])


@case
def credentials_are_those_with_a_grant(daemon):
    with daemon.admin() as a:
        for name in ("one", "two", "three"):
            add(daemon, name)
        equal(listed(daemon, NOBODY), {}, "without grants")
        a.grant_add(("credential", "one,gone"), ("op", "sign"), ("uid", NOBODY))
        a.grant_add(("credential", "two"), ("uid", NOBODY))
        a.grant_add(("credential", "three"), ("uid", NOBODY),
                    ("not_after", "2001-01-01T00:00:00Z"))
        seen = listed(daemon, NOBODY)
        equal(sorted(seen), ["one", "two"], "with grants")
        equal(seen["one"], ("aws-sigv4", [b"sign"]), "one operation")
        check(len(seen["two"][1]) > 1, "all operations", seen)
        equal(listed(daemon, 0), {}, "root has no grant")
        a.call("credential.disable", [("name", "two")])
        equal(sorted(listed(daemon, NOBODY)), ["one"], "one is disabled")
        mine = {i.text("name"): i.text("enabled")
                for i in a.call("credentials").items}
        equal(mine, {"one": "yes", "two": "no", "three": "yes"}, "an admin's")


@case
def modules_say_their_operations(daemon):
    with Client(daemon.api) as c:
        items = {i.text("name"): [decode_attrs(o).text("name")
                                  for o in i.all("operation")]
                 for i in c.call("modules").items}
    check("sign" in items["aws-sigv4"], "aws-sigv4 signs", items)


@case
def transport_is_the_published_key(daemon):
    with Client(daemon.api) as c:
        equal(c.call("transport").get("key"), transport_key(daemon.folder),
              "the key")
        with daemon.admin() as a:
            a.seal_store()
        sealed = c.call("transport").get("key")
        equal(len(sealed), 32, "while sealed")
        for verb in ("credentials", "modules"):
            try:
                c.call(verb)
            except Refused as e:
                equal(e.error, "sealed", verb)
            else:
                check(False, verb + " while sealed")


def main():
    with Daemon() as daemon:
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
