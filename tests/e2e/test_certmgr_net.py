#!/usr/bin/python3
"""The node and its CA: what becomes of both when one of them is away, revoked, given a
wrong token, or old."""
import os
import sys
import time

from lib import ca_cli
from lib.between import apart
from lib.ca_cli import until
from lib.ca_client import Token
from lib.case import case, check, equal, run
from lib.certmgr import OWNER, Certmgr, node, served_ca

SHORT = """
profile=node life=60s usage=server,client dns={node} capability=issue:*@{node} \
may_delegate=yes
profile=web life=60s usage=client
"""


def serial(cm):
    return cm.status().text("node_serial", "")


def says(cm, words):
    return any(words in text for text in cm.attention())


def issued(cm):
    return int(cm.status().text("certificates", "0"))


@case
def what_is_wanted_while_the_ca_is_away_comes_later():
    with node() as (ca, cm):
        cm.grant(OWNER)
        ca.stop()
        cm.spawn(uid=OWNER)
        until("status says that the CA is away",
              lambda: says(cm, "is not reached"))
        equal(issued(cm), 0, "certificates")
        ca.start()
        until("the certificate is there", lambda: issued(cm) == 1)
        cm.wait_ready_node()


@case
def a_node_that_is_revoked_needs_a_new_token():
    with node() as (ca, cm):
        cm.grant(OWNER)
        before = serial(cm)
        ca.cli("ca", "revoke", before)
        cm.spawn(uid=OWNER)
        until("status says that it was revoked", lambda: says(cm, "revoked"))
        equal(issued(cm), 0, "certificates")
        cm.enrol()
        cm.reload()
        until("the certificate is there", lambda: issued(cm) == 1)
        cm.wait_ready_node()
        check(serial(cm) not in ("", before), "another certificate", serial(cm))


@case
def a_wrong_token_is_said():
    with served_ca() as ca:
        ca_cli.init(ca)
        with Certmgr(ca, enrolled=False) as cm:
            fd = os.open(cm.token, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(fd, "w") as f:
                f.write(Token().text)
            cm.reload()
            until("status says so", lambda: says(cm, "the token is not valid"))
            check(says(cm, "cretula ca token"), "and what to do", cm.attention())
            cm.enrol()
            cm.reload()
            cm.wait_ready_node()


@case
def a_node_renews_and_goes_on():
    with node(profiles=SHORT) as (ca, cm):
        cm.grant(OWNER)
        before = serial(cm)
        until("it is renewed", lambda: serial(cm) not in ("", before))
        check("event=token_theft" not in ca.log(), "nobody was suspected")
        cm.spawn(uid=OWNER)
        until("the certificate is there", lambda: issued(cm) == 1)
        equal(cm.attention(), [], "attention")


@case
def a_node_renews_when_its_ca_is_back():
    with apart(profiles=SHORT) as (ca, cm, relay):
        cm.grant(OWNER)
        before, ends = serial(cm), int(cm.status().text("node_not_after"))
        relay.do("drop")
        # two thirds of two minutes, one of which was before it was made, and a
        # thirtieth more
        until("it is due", lambda: time.time() > ends - 36)
        cm.spawn(uid=OWNER)
        until("status says that the CA is away",
              lambda: says(cm, "is not reached"))
        equal(serial(cm), before, "the certificate")
        relay.do("pass")
        until("it is renewed", lambda: serial(cm) not in ("", before))
        until("the agent's is there", lambda: issued(cm) == 1)
        cm.wait_ready_node()


if __name__ == "__main__":
    sys.exit(run())
