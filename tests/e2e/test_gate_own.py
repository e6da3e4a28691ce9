#!/usr/bin/python3
"""The certificate of credd's gate for remote clients: an agent's like any other, from
certmgr over its socket, for the node's name; whatever dies, it has one again by itself."""
import http.client
import os
import signal
import socket
import ssl
import sys

from lib import ca_cli
from lib.ca_cli import SECONDS, until
from lib.case import case, check, equal, run
from lib.certmgr import NODE, Certmgr, served_ca
from lib.daemon import Daemon, wait_end


def uid_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(f.read().split("\nUid:\t")[1].split()[0])


class Place:
    """CA, certmgr and a credd that listens; certmgr and credd on one node."""

    def __init__(self, ca, cm, credd):
        self.ca, self.cm, self.credd = ca, cm, credd
        self.context = ssl.create_default_context(
            cafile=ca_cli.path(ca, "root.pem"))

    @property
    def gate(self):
        """The one for remote clients: others come and go with local ones."""
        return self.credd.roles()["gate"][0]

    def address(self):
        with open(os.path.join(self.credd.run, "addresses")) as f:
            host, port = f.read().strip().split("=")[1].rsplit(":", 1)
        return host, int(port)

    def connect(self):
        plain = socket.create_connection(self.address(), SECONDS)
        try:
            return self.context.wrap_socket(plain, server_hostname=NODE)
        except BaseException:
            plain.close()
            raise

    def serial(self):
        """Of the certificate that new connections see; None without one."""
        try:
            with self.connect() as s:
                return s.getpeercert()["serialNumber"].lower()
        except OSError:
            return None

    def wait_serial(self, but=()):
        until("the gate has a certificate", lambda: self.serial() not in
              (None, *but))
        return self.serial()


def ask(s, path):
    s.sendall(b"GET %s HTTP/1.1\r\nHost: credd\r\n\r\n" % path.encode())
    with http.client.HTTPResponse(s) as answer:
        answer.begin()
        answer.read()
        return answer.status


@case
def it_is_for_the_nodes_name(place):
    serial = place.wait_serial()
    agents = [a for a in place.cm.list() if a["type"] == "gate"]
    equal(len(agents), 1, "agents of type gate")
    equal(int(agents[0]["pid"]), place.gate, "whose it is")
    equal(agents[0]["serial"].lower(), serial, "its certificate")
    with place.connect() as s:
        equal(ask(s, "/healthz"), 200, "a request without certificate")
        equal(ask(s, "/v1/modules"), 401, "one that needs one")


@case
def another_gate_has_another_one(place):
    before = place.wait_serial()
    old = place.gate
    os.kill(old, signal.SIGKILL)
    check(wait_end(old, SECONDS), "the gate ends")
    place.wait_serial(but=(before,))
    until("the old one is revoked", lambda: place.ca.cli(
        "ca", "show", before).stdout.find(b"revoked") >= 0)


@case
def it_outlives_certmgr(place):
    """Connections and handshakes go on without certmgr."""
    before = place.wait_serial()
    with place.connect() as s:
        place.cm.stop()
        equal(ask(s, "/healthz"), 200, "a connection that was there")
        equal(place.serial(), before, "a handshake without certmgr")
        place.cm.start()
        place.cm.wait_ready_node()
        equal(ask(s, "/healthz"), 200, "the same connection")


@case
def it_waits_for_certmgr(place):
    """A gate that comes before certmgr."""
    place.cm.stop()
    old = place.gate
    os.kill(old, signal.SIGKILL)
    check(wait_end(old, SECONDS), "the gate ends")
    until("another one says what it lacks",
          lambda: "certmgr is not reached" in place.credd.log())
    equal(place.serial(), None, "a handshake without certificate")
    place.cm.start()
    place.wait_serial()


@case
def status_says_what_it_lacks(place):
    def attention():
        return place.credd.cli("status", "--field", "attention").stdout

    place.wait_serial()
    check(b"gate" not in attention(), "nothing to say", attention())
    place.cm.stop()
    os.kill(place.gate, signal.SIGKILL)
    until("status says it", lambda: b"no certificate: certmgr is not" in
          attention())
    place.cm.start()
    place.wait_serial()
    until("and says it no more", lambda: b"gate" not in attention())


@case
def what_the_ca_refuses_is_no_heap_of_agents(place):
    """It asks again and again, and certmgr keeps one of those that failed."""
    def spawned():
        return int(place.cm.status().text("spawned"))

    before = spawned()
    with Daemon(listen="127.0.0.1:0", node=NODE, certmgr=place.cm.run,
                gate_type="spiffe", ca_root=place.credd.options["ca_root"]) as credd:
        place.cm.grant(uid_of(credd.roles()["gate"][0]), agent="spiffe")
        until("it has asked four times", lambda: spawned() >= before + 4)
        failed = [a for a in place.cm.list() if a["type"] == "spiffe"]
        check(len(failed) <= 1, "one at a time", failed)


def main():
    with served_ca() as ca:
        ca_cli.init(ca)
        with Certmgr(ca) as cm, \
                Daemon(listen="127.0.0.1:0", node=NODE, certmgr=cm.run,
                      ca_root=ca_cli.path(ca, "root.pem")) as credd:
            place = Place(ca, cm, credd)
            cm.grant(uid_of(place.gate), agent="gate")
            return run(place)


if __name__ == "__main__":
    sys.exit(main())
