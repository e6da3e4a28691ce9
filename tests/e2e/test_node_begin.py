#!/usr/bin/python3
"""A node begins, and something is in the way: the CA's answer is lost, the clocks differ,
somebody has the port of the proof, the place says another name than before, another has
written the file that it is to believe."""
import contextlib
import os
import socket
import sys
import time

from lib import ca_cli
from lib.between import Between, Impostor, self_signed
from lib.ca_cli import until
from lib.case import case, check, equal, run
from lib.certmgr import free_port
from lib.daemon import OTHER_UID
from lib.hosts import must_root

from test_bootstrap import (CA_URL, NODE_HERE, NODE_HOST, Bare, filed, hash_of, hosts,
                            listed, make_token, wait_attention, world, write)


LIES = b'{"type": "urn:cretula:error:denied", "detail": "run sesame to go on"}'


class Deaf(Between):
    """Once a client has said as much as an enrolment takes, it hears no answer."""
    ENROL = 1500    # bytes: a handshake and a question are less

    def __init__(self, address):
        self.said = {}
        super().__init__(address)

    def join(self, sock):
        super().join(sock)
        self.said[sock] = 0

    def carry(self, sock):
        other, answers = self.pairs[sock]
        if not answers:
            with contextlib.suppress(OSError):
                self.said[sock] += len(sock.recv(65536, socket.MSG_PEEK))
        elif not self.cuts and self.said[other] > self.ENROL:
            self.left = 0
        super().carry(sock)


def begun(ca, node):
    """The CA has decided about its one certificate, which has begun."""
    made, = listed(ca, node)
    until("it begins", lambda: time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime()) >= made["not_before"])


@case
def an_answer_that_was_lost_is_had_again_with_all_it_says():
    with world() as ca, Bare(ca) as cm, \
            Deaf(ca_cli.url(ca).split("//")[1]) as relay:
        token = make_token(ca, "--for", "user-data", node=NODE_HERE, verify="5")
        seed = os.path.join(cm.base, "user-data")
        with open(seed, "w") as f:
            f.write("#cloud-config\ncretula:\n  token: %s\n  ca: %s\n  ca_hash: %s\n"
                    "  node: %s\n" % (token.split("token: ")[-1].split()[0],
                                      relay.url, hash_of(ca), NODE_HERE))
        cm.options.update(bootstrap="nocloud:" + seed,
                          verify_listen="127.0.0.1:%d" % free_port())
        cm.start()
        cm.wait_ready_node()
        begun(ca, NODE_HERE)
        equal(relay.cuts, 1, "an answer was lost")
        equal(len(listed(ca, NODE_HERE)), 1, "one certificate was made")
        equal(listed(ca, NODE_HERE, "--revoked"), [], "which was proven")


@case
def a_node_whose_clock_is_ahead_is_proven():
    with hosts(bootstrap="nocloud:/nowhere") as (w, _):
        seed = os.path.join(w.cm.base, "user-data")
        w.on_node.skew(3600)
        w.cm.options["bootstrap"] = "nocloud:" + seed
        with open(seed, "w") as f:
            f.write(w.told("user-data"))
        w.cm.start()
        w.cm.wait_ready_node()
        begun(w.ca, NODE_HOST)
        check("clock_ahead" in w.cm.log(), "it is said")
        equal(listed(w.ca, NODE_HOST, "--revoked"), [], "and was proven")


@case
def who_has_the_port_of_the_proof_is_told_of():
    with hosts(bootstrap="nocloud:/nowhere") as (w, _):
        seed = os.path.join(w.cm.base, "user-data")
        w.cm.options["bootstrap"] = "nocloud:" + seed
        with open(seed, "w") as f:
            f.write(w.told("user-data"))
        with w.on_node.inside():
            squatter = socket.create_server(("", 7446))
        with squatter:
            w.cm.start()
            said = wait_attention(w.cm, "7446")
            check("free the port" in said, "what to do", said)
            equal(listed(w.ca, NODE_HOST), [], "the token is not spent")
        w.cm.wait_ready_node()


@case
def another_name_than_before_is_asked_for():
    with world() as ca, Bare(ca) as cm:
        path = os.path.join(cm.base, "boot")
        cm.options["bootstrap"] = "file:" + path
        # a token of another node's: it is not spent, and the key is kept
        filed(path, token=make_token(ca, node="n1.example"), ca=ca_cli.url(ca),
              ca_hash=hash_of(ca), node="n2.example")
        cm.start()
        wait_attention(cm, "enrolment token")
        filed(path, token=make_token(ca, node="n3.example"), ca=ca_cli.url(ca),
              ca_hash=hash_of(ca), node="n3.example")
        cm.reload()
        cm.wait_ready_node()


@case
def a_file_of_somebody_else_is_not_believed():
    must_root()
    with world() as ca, Bare(ca) as cm:
        path = os.path.join(cm.base, "boot")
        cm.options["bootstrap"] = "file:" + path
        filed(path, token=make_token(ca), ca=ca_cli.url(ca), ca_hash=hash_of(ca))
        cm.start()
        cm.wait_ready_node()
        for spoil in (lambda: os.chown(path, OTHER_UID, 0),
                      lambda: (os.unlink(path), os.mkfifo(path, 0o600))):
            spoil()
            cm.reload()
            until("it is left out", lambda: cm.log().count("event=token") == 1)
            write(cm.log_path, "")
        write(cm.log_path, "")


def thefts(ca):
    with ca.admin() as a:
        return [text.decode() for text in a.call("status").all("attention")
                if text.startswith(b"theft")]


@case
def an_alarm_stays_until_an_admin_has_seen_it():
    with world() as ca:
        token = write(os.path.join(ca.base, "token"),
                      make_token(ca, node=NODE_HERE, verify="2"))

        def enrol(name):
            return ca.cli("ca", "enrol", "--token", "@" + token, "--csr",
                          ca_cli.csr(ca, name), "--endpoint", NODE_HERE + ":9",
                          check=False)
        equal(enrol("thief").returncode, 0, "who comes first has one")
        check(b"used already" in enrol("node").stderr, "the other not")
        made, = listed(ca, NODE_HERE)
        until("it is not proven", lambda: listed(ca, NODE_HERE, "--revoked"))
        said, = thefts(ca)
        check("cretula ca revoke " + made["serial"] in said, "what to do", said)
        ca.cli("ca", "revoke", "--node", NODE_HERE, check=False)
        equal(len(thefts(ca)), 1, "what was revoked before is not by that")
        ca.cli("ca", "revoke", made["serial"])
        equal(thefts(ca), [], "it is settled")
        enrol("another")
        equal(len(thefts(ca)), 1, "and comes again")
        ca.cli("ca", "revoke", made["serial"], "--reason", "keyCompromise")
        equal(thefts(ca), [], "until it is settled again")


@case
def no_proxy_of_the_environment_is_asked():
    with world() as ca:
        token = write(os.path.join(ca.base, "token"), make_token(ca))
        ca.cli("ca", "enrol", "--token", "@" + token, "--csr", ca_cli.csr(ca, "one"),
               "--url", ca_cli.url(ca), "--ca", ca_cli.path(ca, "root.pem"),
               env={name: "http://127.0.0.1:9"
                    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY")})


@case
def a_strangers_words_are_not_passed_on():
    with world() as ca, Bare(ca) as cm:
        with Impostor(*self_signed(ca.base), lambda path: (403, LIES)) as stranger:
            path = filed(os.path.join(cm.base, "boot"), token=make_token(ca),
                         ca="https://" + stranger.address, ca_hash=hash_of(ca))
            cm.options["bootstrap"] = "file:" + path
            cm.start()
            wait_attention(cm, "shows no root certificate .status 403.")
            check("sesame" not in cm.log(), "nor logged")


@case
def one_that_was_revoked_takes_another_token():
    with world() as ca, Bare(ca) as cm:
        path = os.path.join(cm.base, "boot")
        cm.options.update(bootstrap="file:" + path, verify_listen="127.0.0.1:0")
        filed(path, token=make_token(ca, node=NODE_HERE, verify="3"),
              ca=ca_cli.url(ca), ca_hash=hash_of(ca), node=NODE_HERE,
              verify_endpoint="localhost:9")
        cm.start()
        wait_attention(cm, "has not found this node's key at 'localhost:9'")
        filed(path, token=make_token(ca, node=NODE_HERE, verify="3"),
              ca=ca_cli.url(ca), ca_hash=hash_of(ca), node=NODE_HERE)
        cm.reload()
        cm.wait_ready_node()


if __name__ == "__main__":
    sys.exit(run())
