#!/usr/bin/python3
"""What holders of certificates may have of ca by HTTPS: issue by capability, renew their
own, revoke and look at what is theirs."""
import base64
import contextlib
import os
import signal
import sys
import time

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from lib.ca_client import (SECONDS, Chain, Https, Problem, add_token, context, enrol,
                           init, inventory, make_csr, new_key, pem_to_der,
                           read_log, serial_hex, sha256, spki_of, until_https)
from lib.ca_odd import CAPABILITIES
from lib.case import case, check, equal, run
from lib.daemon import Ca

PROFILES = """
profile=web life=1h max_life=2h dns={node} dns=*.{node} capability=sign:prod@{node}
profile=batch life=1h
profile=admin life=1h capability=admin:ca@{node} may_delegate=yes
profile=boss life=1h capability=admin:ca@{node}
profile=wide life=1h capability=sign:*@*
profile=webber life=1h capability=issue:web@{node} capability=sign:prod@{node} may_delegate=yes
profile=nosign life=1h capability=issue:web@{node} may_delegate=yes
profile=all life=1h capability=issue:*@* capability=sign:*@* capability=admin:*@* may_delegate=yes
"""
N1, N2 = "n1.example", "n2.example"
CAPS_OID = "1.2.840.113556.1.8000.2554.579.31074.48361.18620.45779.16163002." \
           "10061261.1"


class Place:
    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        until_https(ca, self.chain)
        self.webber = self.have(N1, "webber")
        self.all = self.have(N1, "all")
        self.node = self.have(N1, "node")

    def have(self, node, type, names=(), **more):
        key, csr = make_csr(names)
        got = enrol(self.ca.api, add_token(self.ca, node, type), csr,
                    self.chain.spki, **more)
        return got.get("certificate"), key

    def https(self, who):
        return Https(self.ca.https, context(self.chain, *who))

    def count(self):
        with self.ca.admin() as a:
            return len(inventory(a))

    def show(self, der):
        with self.ca.admin() as a:
            return a.call("ca.show", [("serial", serial_hex(der))])

    def log(self):
        with self.ca.admin() as a:
            return read_log(a)


def refused(do, error, says=""):
    try:
        do()
    except Problem as e:
        check(e.error == error and says in e.text, "refused with %s %r" %
              (error, says), e.error, e.text)
        return e
    raise AssertionError("it was not refused: wanted %s %r" % (error, says))


def der_of(answer):
    return pem_to_der(answer["certificate"])


def cert_of(der):
    return x509.load_der_x509_certificate(der)


def caps_of(der):
    """The capabilities as they are written: a SEQUENCE of UTF8String."""
    for e in cert_of(der).extensions:
        if e.oid.dotted_string == CAPS_OID:
            body, out = e.value.value[2:], []
            while body:
                check(body[0] == 0x0c, "UTF8String", body)
                out.append(body[2:2 + body[1]].decode())
                body = body[2 + body[1]:]
            return out
    return []


def names_of(der):
    san = cert_of(der).extensions.get_extension_for_oid(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    return (san.get_values_for_type(x509.DNSName),
            san.get_values_for_type(x509.UniformResourceIdentifier))


@case
def issued_by_a_capability(place):
    with place.https(place.webber) as h:
        key, csr = make_csr(["n1.example"])
        got = h.issue("web", N1, csr, names=["a.n1.example"], lifetime="10m")
    der = der_of(got)
    place.chain.signed(der)
    equal((got["type"], got["node"]), ("web", N1), "type, node")
    equal(spki_of(cert_of(der).public_key()), spki_of(key.public_key()), "key")
    equal(names_of(der), ([got["agent"] + ".n1.example", "n1.example",
                           "a.n1.example"], []), "names")
    equal(caps_of(der), ["sign:prod@n1.example"], "capabilities")
    life = cert_of(der).not_valid_after - cert_of(der).not_valid_before
    equal(life.total_seconds(), 660, "life")
    equal(pem_to_der(got["chain"]), place.chain.issuing_der, "chain")
    equal(place.show(der).get("certificate"), der, "the inventory's")


@case
def a_star_covers_all(place):
    with place.https(place.all) as h:
        for type in "web", "batch", "admin", "wide", "webber", "node":
            for node in N1, N2:
                if type == "boss":
                    continue
                place.chain.signed(der_of(h.issue(type, node, make_csr()[1])))


@case
def another_node_is_refused(place):
    before = place.count()
    with place.https(place.webber) as h:
        refused(lambda: h.issue("web", N2, make_csr()[1]), "denied",
                "issue:web@n2.example")
        refused(lambda: h.issue("web", "a.n1.example", make_csr()[1]), "denied",
                "issue:web@a.n1.example")
        refused(lambda: h.issue("web", "example", make_csr()[1]), "denied")
    equal(place.count(), before, "certificates")


@case
def another_type_is_refused(place):
    before = place.count()
    with place.https(place.webber) as h:
        for type in "batch", "admin", "webber", "node", "wide":
            refused(lambda t=type: h.issue(t, N1, make_csr()[1]), "denied",
                    "issue:%s@n1.example" % type)
        refused(lambda: h.issue("nosuch", N1, make_csr()[1]), "denied", "nosuch")
    equal(place.count(), before, "certificates")


@case
def nobody_hands_out_what_he_has_not(place):
    """A node may issue everything of its own, but has no sign: itself."""
    before = place.count()
    with place.https(place.node) as h:
        refused(lambda: h.issue("web", N1, make_csr()[1]), "denied",
                "sign:prod@n1.example")
        refused(lambda: h.issue("wide", N1, make_csr()[1]), "denied", "sign:*@*")
        refused(lambda: h.issue("admin", N1, make_csr()[1]), "denied",
                "admin:ca@n1.example")
        refused(lambda: h.issue("webber", N1, make_csr()[1]), "denied", "sign:")
        refused(lambda: h.issue("all", N1, make_csr()[1]), "denied")
    with place.https(place.have(N1, "nosign")) as h:
        refused(lambda: h.issue("web", N1, make_csr()[1]), "denied",
                "sign:prod@n1.example")
    equal(place.count(), before + 1, "certificates: the issuer's own")
    with place.https(place.node) as h:      # which node may hand out itself
        h.issue("batch", N1, make_csr()[1])
        h.issue("node", N1, make_csr()[1])


@case
def admin_capabilities_need_may_delegate(place):
    before = place.count()
    with place.https(place.all) as h:
        refused(lambda: h.issue("boss", N1, make_csr()[1]), "denied",
                "may_delegate")
    equal(place.count(), before, "certificates")
    equal(caps_of(place.have(N1, "boss")[0]), ["admin:ca@n1.example"],
          "by a token it is made")


@case
def a_renewed_one_is_the_same_but_for_its_key(place):
    der, key = place.have(N1, "web", ["a.n1.example", "n1.example"])
    with place.https((der, key)) as h:
        fresh, csr = make_csr()
        got = h.renew(csr)
    new = der_of(got)
    place.chain.signed(new)
    equal(names_of(new), names_of(der), "names")
    equal(cert_of(new).subject, cert_of(der).subject, "subject")
    equal(caps_of(new), caps_of(der), "capabilities")
    equal((got["type"], got["node"]), ("web", N1), "type, node")
    equal(spki_of(cert_of(new).public_key()), spki_of(fresh.public_key()), "key")
    check(cert_of(new).serial_number != cert_of(der).serial_number, "serial")
    equal(place.show(der).text("status"), "good", "the old one")
    record = place.log().certificates()[serial_hex(new)]
    equal((record.text("event"), record.text("replaces")),
          ("renew", serial_hex(der)), "in the log")
    with place.https((new, fresh)) as h:    # and so on
        equal(names_of(der_of(h.renew(make_csr()[1]))), names_of(der), "again")


@case
def a_renewal_may_not_ask_for_more(place):
    der, key = place.have(N1, "web", ["a.n1.example"])
    before = place.count()
    with place.https((der, key)) as h:
        csr = base64.b64encode(make_csr()[1]).decode()
        for more in ({"names": ["b.n1.example"]}, {"type": "node"},
                     {"node": N2}, {"agent": "x"}, {"lifetime": "2h"}):
            refused(lambda m=more: h.ask("POST", "/v1/certificates/renew",
                                         dict({"csr": csr}, **m)), "invalid",
                    "not one of this")
        refused(lambda: h.renew(make_csr(["evil.com"])[1]), "denied")
        refused(lambda: h.renew(make_csr(["n2.example"])[1]), "denied")
    equal(place.count(), before, "certificates")


@case
def a_renewal_adds_no_name_by_its_csr(place):
    """Names are the certificate's own, also where the profile would allow more."""
    der, key = place.have(N1, "web", ["a.n1.example"])
    with place.https((der, key)) as h:
        refused(lambda: h.renew(make_csr(["b.n1.example"])[1]), "denied",
                "'b.n1.example' is not in the certificate")
        got = der_of(h.renew(make_csr(["a.n1.example"])[1]))
    equal(names_of(got), names_of(der), "names")


@case
def a_renewal_needs_a_fresh_key(place):
    der, key = place.have(N1, "web")
    before = place.count()
    with place.https((der, key)) as h:
        refused(lambda: h.renew(make_csr(key=key)[1]), "invalid", "key")
    equal(place.count(), before, "certificates")


@case
def a_revoked_one_may_not_renew(place):
    der, key = place.have(N1, "web")
    with place.https((der, key)) as h:
        h.renew(make_csr()[1])
        with place.ca.admin() as a:
            a.call("ca.revoke", [("serial", serial_hex(der)),
                                 ("reason", "superseded")])
        refused(lambda: h.renew(make_csr()[1]), "unauthenticated", "revoked")
    with place.https((der, key)) as h:
        refused(lambda: h.renew(make_csr()[1]), "unauthenticated", "revoked")


def revoke(h, der, **body):
    return h.ask("POST", "/v1/certificates/%s/revoke" % serial_hex(der),
                 body or {"reason": "superseded"})


@case
def the_holder_revokes_his_own(place):
    mine = place.have(N1, "web")
    other = place.have(N1, "web")
    with place.https(mine) as h:
        refused(lambda: revoke(h, other[0]), "denied", "your own")
        refused(lambda: revoke(h, place.node[0]), "denied", "your own")
        refused(lambda: revoke(h, mine[0], reason="nosuch"), "invalid", "nosuch")
        refused(lambda: revoke(h, mine[0], reason="cACompromise"), "invalid")
        got = revoke(h, mine[0], reason="keyCompromise")
        check(got["good_until"] and got["request_id"], "the answer", got)
        refused(lambda: revoke(h, mine[0]), "unauthenticated", "revoked")
    row = place.show(mine[0])
    equal((row.text("status"), row.text("reason")), ("revoked", "keyCompromise"),
          "its row")
    equal(place.show(other[0]).text("status"), "good", "the other")
    records = [r for r in place.log().events("revoke")
               if r.text("result") is None]
    equal(records[-1].text("reason"), "keyCompromise", "in the log")
    check(serial_hex(mine[0]) in str(records[-1]), "by whom", records[-1])


@case
def the_issuer_revokes_what_he_could_have_issued(place):
    victim = place.have(N1, "web")
    far = place.have(N2, "web")
    other = place.have(N1, "batch")
    with place.https(place.webber) as h:
        refused(lambda: revoke(h, far[0]), "denied")
        refused(lambda: revoke(h, other[0]), "denied")
        refused(lambda: revoke(h, place.all[0]), "denied")
        equal(place.show(victim[0]).text("status"), "good", "so far")
        revoke(h, victim[0])
        again = revoke(h, victim[0])
        check(again["request_id"], "twice is once", again)
    equal(place.show(victim[0]).text("reason"), "superseded", "its row")
    with place.https(place.webber) as h:    # only keyCompromise says more
        revoke(h, victim[0], reason="unspecified")
        equal(place.show(victim[0]).text("reason"), "superseded", "not weaker")
        revoke(h, victim[0], reason="keyCompromise")
        equal(place.show(victim[0]).text("reason"), "keyCompromise", "stronger")
    for who in far, other:
        equal(place.show(who[0]).text("status"), "good", "the others")


@case
def what_is_not_there_is_not_told(place):
    """Who may not have it hears `denied` whether there is such a one or not."""
    there = serial_hex(place.have(N2, "web")[0])
    none = there[:-1] + ("0" if there[-1] != "0" else "1")
    with place.https(place.webber) as h:
        for method, tail, body in (("GET", "", None),
                                   ("POST", "/revoke", {"reason": "superseded"})):
            said = [refused(lambda s=s: h.ask(
                method, "/v1/certificates/" + s + tail, body), "denied").text
                for s in (there, none)]
            equal(said[0], said[1], "one sentence")


@case
def everybody_sees_his_own(place):
    mine, other = place.have(N1, "web"), place.have(N1, "web")
    hex = serial_hex(mine[0])
    with place.https(mine) as h:
        for text in (hex, hex.upper(),
                     ":".join(hex[i:i + 2] for i in range(0, 36, 2))):
            got = h.ask("GET", "/v1/certificates/" + text)
            equal((der_of(got), got["serial"], got["status"], got["type"],
                   got["node"]), (mine[0], hex, "good", "web", N1), "his own")
        for der in other[0], place.node[0]:
            refused(lambda d=der: h.ask("GET", "/v1/certificates/" +
                                        serial_hex(d)), "denied")
    with place.https(place.all) as h:
        refused(lambda: h.ask("GET", "/v1/certificates/" + hex), "denied", "own")


@case
def replaces_is_for_the_log(place):
    der, _ = place.have(N1, "web")
    with place.https(place.webber) as h:
        new = der_of(h.issue("web", N1, make_csr()[1],
                             replaces=serial_hex(der).upper()))
        refused(lambda: h.issue("web", N1, make_csr()[1], replaces="zz"),
                "invalid", "serial")
    record = place.log().certificates()[serial_hex(new)]
    equal((record.text("event"), record.text("replaces")),
          ("issue", serial_hex(der)), "in the log")
    equal(place.show(der).text("status"), "good", "the old one")
    by = record.text("subject") or ""
    check(serial_hex(place.webber[0]) in str(record) or
          serial_hex(place.webber[0]) in by, "who had it issued", record)


@case
def every_kind_of_key(place):
    with place.https(place.webber) as h:
        for kind in "p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096":
            key, csr = make_csr(kind=kind)
            der = der_of(h.issue("web", N1, csr))
            equal(spki_of(cert_of(der).public_key()), spki_of(key.public_key()),
                  "the key: " + kind)


def peers_shown(place):
    with Https(place.ca.https, context(place.chain)) as h:
        text = h.ask("GET", "/metrics")["raw"].decode()
    return int(text.partition("\ncretula_ca_gate_peers_total ")[2].split()[0])


@case
def a_client_shown_while_the_store_died_is_looked_up_again(place):
    """On the same connection: who asks again is not refused for ever."""
    before, got, end = peers_shown(place), [], time.monotonic() + SECONDS
    store, = place.ca.roles()["store"]
    with contextlib.ExitStack() as stack:
        h = [stack.enter_context(place.https(place.webber)) for _ in range(3)]
        os.kill(store, signal.SIGSTOP)
        for one in h:
            one.connection.request("GET", "/v1/certificates/" +
                                   serial_hex(place.webber[0]))
        while peers_shown(place) < before + len(h):
            check(time.monotonic() < end, "the issuer hears of them")
        os.kill(store, signal.SIGKILL)
        for one in h:
            r = one.connection.getresponse()
            r.read()
            got.append(r.status)
        equal(got, [503] * len(h), "while the store is dead")
        for one in h:
            while True:
                try:
                    one.issue("web", N1, make_csr()[1])
                    break
                except Problem as e:
                    equal(e.error, "unavailable", "until it is back")
                    check(time.monotonic() < end, "it is served again", e)
                    time.sleep(0.02)


def main():
    with Ca(tls_names="localhost") as ca:
        ca.stop()
        ca.add_profile("all", PROFILES)
        ca.start()
        return run(Place(ca))


if __name__ == "__main__":
    sys.exit(main())
