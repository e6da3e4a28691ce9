#!/usr/bin/python3
"""Any verb of ca by HTTPS, for holders of the capability admin:ca@NAME: what comes back is
what admin.sock says, and nobody else gets anything."""
import contextlib
import sys

from lib.ca_client import (Chain, Https, Problem, add_token, context, enrol, init,
                           inventory, make_csr, read_log, serial_hex, until_https)
from lib.case import case, check, equal, run
from lib.daemon import Ca

NODE = "n1.example"
PROFILES = """
profile=admin life=1h capability=admin:ca@localhost may_delegate=yes
profile=elsewhere life=1h capability=admin:ca@ca.example may_delegate=yes
profile=other life=1h capability=admin:credd@localhost may_delegate=yes
profile=web life=1h
"""


class Place:
    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)
        self.who = {t: self.have(t) for t in ("admin", "elsewhere", "other", "web")}

    def have(self, type):
        key, csr = make_csr()
        got = enrol(self.ca.api, add_token(self.ca, NODE, type), csr, self.chain.spki)
        return got.get("certificate"), key

    def serial(self, type):
        return serial_hex(self.who[type][0])

    def ask(self, type, verb, *pairs):
        """(items, reply), each a list of (name, value)."""
        who = self.who[type] if type else ()
        with Https(self.ca.https, context(self.chain, *who)) as h:
            got = h.ask("POST", "/v1/verbs/" + verb, {"list": list(pairs)})
        return [[tuple(p) for p in i] for i in got["items"]], dict(
            tuple(p) for p in got["reply"])


def refused(do, error, says=""):
    try:
        got = do()
    except Problem as e:
        check(e.error == error and says in e.text, "refused with %s %r" % (error, says),
              e.error, e.text)
        return e
    raise AssertionError("it was not refused: %r" % (got,))


@case
def an_admin_sees_what_admin_sock_shows(place):
    items, reply = place.ask("admin", "ca.list")
    with place.ca.admin() as a:
        here = set(inventory(a))
    equal({dict(i)["serial"] for i in items}, here, "the inventory")
    check("request_id" in reply, "a request id", reply)
    _, reply = place.ask("admin", "status")
    check("certs" in reply, "an admin's status has counts", reply)


@case
def an_admin_revokes_on_record(place):
    got = place.have("web")
    serial = serial_hex(got[0])
    place.ask("admin", "ca.revoke", ("serial", serial), ("reason", "superseded"))
    items, _ = place.ask("admin", "ca.show", ("serial", serial))
    equal([dict(i).get("status") for i in items][:1] or ["revoked"], ["revoked"],
          "what is shown of it")
    with place.ca.admin() as a:
        log = read_log(a)
    by = log.events("revoke")
    check(by and by[-1].text("subject") == "cert:" + place.serial("admin"),
          "who did it is on record", by, log.records[-3:])


@case
def nobody_else_gets_anything(place):
    for type in "elsewhere", "other", "web":
        e = refused(lambda: place.ask(type, "ca.list"), "denied", "admin:ca@")
        equal(e.status, 403, "status")
    refused(lambda: place.ask(None, "ca.list"), "unauthenticated")
    _, reply = place.ask("web", "status")
    check("certs" not in reply, "who is no admin sees no counts", reply)


@case
def a_revoked_admin_is_none(place):
    mine = place.have("admin")
    place.who["gone"] = mine
    place.ask("gone", "ca.list")
    with place.ca.admin() as a:
        a.call("ca.revoke", [("serial", serial_hex(mine[0]))])
    refused(lambda: place.ask("gone", "ca.list"), "unauthenticated", "revoked")


@case
def a_passphrase_does_not_travel(place):
    refused(lambda: place.ask("admin", "ca.init"), "denied", "own host")
    refused(lambda: place.ask("admin", "ca.renew"), "denied", "own host")


@case
def what_is_no_call_is_said_so(place):
    refused(lambda: place.ask("admin", "ca.nothing"), "unsupported")
    refused(lambda: place.ask("admin", "ca.list", ("nonsense", "1")), "invalid",
            "nonsense")
    with Https(place.ca.https, context(place.chain, *place.who["admin"])) as h:
        for body in {}, {"list": 1}, {"list": [["a"]]}, {"list": [], "more": 1}, []:
            refused(lambda: h.ask("POST", "/v1/verbs/ca.list", body), "invalid")
        refused(lambda: h.ask("POST", "/v1/verbs/%00", {"list": []}), "not_found")
        many = {"list": [["type", "x" * 1000]] * 300}
        refused(lambda: h.ask("POST", "/v1/verbs/ca.list", many), "too_large")


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        ca = Ca(tls_names="localhost")
        ca.add_profile("all", PROFILES)
        place = Place(stack.enter_context(ca))
        code = run(place)
    sys.exit(code)
