#!/usr/bin/python3
"""Who asks over HTTP on this machine is his uid and his groups, and nothing else: what
grants match, what is never proved, and that nobody is an admin there."""
import json
import os
import sys

from lib import web
from lib.actor import performed
from lib.case import Skip, case, check, equal, run
from lib.certmgr import OWNER, STRANGER, is_root, node
from lib.daemon import Daemon, records
from lib.raw import KEY, SECRET, VANILLA_SIGNATURE

NOBODY = 65534
GROUP = 61333
ONE = "/modules/aws-sigv4/operations/sign/"
REQUEST = {"method": "GET", "target": "/", "header": ["Host:example.amazonaws.com"],
           "region": "us-east-1", "service": "service", "time": "20150830T123600Z"}


def as_uid(function, uid=NOBODY, groups=()):
    return performed(lambda link: link.tell(function()), uid=uid, groups=groups)


def ask(daemon, method, path, body=None):
    """(status, JSON), over a connection of its own."""
    answer = web.ask(web.http_sock(daemon), method, path, body)
    return answer.status, answer.json


def verb(daemon, name, pairs=()):
    return ask(daemon, "POST", "/v1/verbs/" + name, {"list": [list(p) for p in pairs]})


def sign(daemon, name, uid=NOBODY, groups=()):
    """(status, signed or the sentence)"""
    status, body = as_uid(lambda: ask(daemon, "POST", ONE + name, REQUEST), uid,
                          groups)
    if status == 200:
        check(VANILLA_SIGNATURE.decode() in json.dumps(body), "signed", body)
        return status, "signed"
    return status, body["detail"]


@case
def grants_for_uid_and_gid_match(daemon):
    equal(sign(daemon, "uid"), (200, "signed"), "by uid")
    equal(sign(daemon, "gid", groups=[GROUP]), (200, "signed"), "by group")
    status, why = sign(daemon, "gid")
    equal(status, 403, why)
    status, why = sign(daemon, "uid", uid=OWNER)
    equal(status, 403, why)
    check("no grant lets uid %d run 'sign'" % OWNER in why, "who", why)
    equal(sign(daemon, "uid", uid=0)[0], 403, "root has no grant")


@case
def program_and_unit_are_never_proved(daemon):
    exe = os.path.realpath(sys.executable)
    with daemon.admin() as a:
        for name, extra in (("exe", ("exe", exe)), ("unit", ("user_unit", "a.service"))):
            a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.grant_add(("credential", name), ("uid", NOBODY), extra,
                        ("max_skew", "any"))
    for name in ("exe", "unit"):
        status, why = sign(daemon, name)
        equal(status, 403, why)
    done = daemon.cli("grant", "test", "credential=exe", "op=sign",
                      "uid=%d" % NOBODY, "exe=" + exe, "via=gate", "region=x",
                      "service=s3", check=False,
                      stdin=b"GET / HTTP/1.1\nHost: a\n")
    check(b"it limits the exe, which nobody proves over HTTP" in done.stdout,
          "why", done)


@case
def what_may_be_used_is_listed(daemon):
    status, body = as_uid(lambda: ask(daemon, "GET", "/credentials"))
    equal(status, 200, body)
    equal([c["name"] for c in body["credentials"]], ["uid"], "of that uid")
    status, body = as_uid(lambda: ask(daemon, "GET", "/credentials"), OWNER)
    equal(body["credentials"], [], "of another")


@case
def nobody_is_an_admin(daemon):
    before = len(records(daemon, "seal"))
    for uid in (0, NOBODY):
        status, body = as_uid(lambda: verb(daemon, "seal"), uid)
        equal(status, 403, body)
        check("connect to admin.sock" in body["detail"], "where", body)
    got = records(daemon, "seal")[before:]
    equal([(r["outcome"], r["subject"], r["via"]) for r in got],
          [("deny", "uid:%d" % u, "gate") for u in (0, NOBODY)], "on record")


@case
def records_say_how_he_came(daemon):
    equal(sign(daemon, "uid"), (200, "signed"), "signed")
    last = records(daemon, "run")[-1]
    equal((last["subject"], last["via"], last["outcome"]),
          ("uid:%d" % NOBODY, "gate", "allow"), "the record")
    check("exe" not in last and "unit" not in last, "no program", last)


@case
def agents_of_ones_own(_):
    if not is_root():
        raise Skip("agents of others: root only")
    with node() as (_ca, cm):
        cm.grant(OWNER)
        with cm.shell(uid=OWNER) as agent:
            def listed(uid):
                status, body = as_uid(lambda: ask(cm, "GET", "/v1/agents"), uid)
                equal(status, 200, body)
                return [a["agent"] for a in body["agents"]]
            equal(listed(OWNER), [agent.agent], "his own")
            equal(listed(STRANGER), [], "a stranger's")
            equal(listed(0), [], "root is no admin here")
            path = "/v1/agents/%s/revoke" % agent.agent
            status, body = as_uid(lambda: ask(cm, "POST", path, {}), STRANGER)
            equal(status, 404, body)
            for name in ("agent.spawn", "agent.claim"):
                status, body = as_uid(lambda: verb(cm, name, [("type", "web")]),
                                      OWNER)
                equal(status, 501, body)
                check("api.sock" in body["detail"], name, body)
            status, body = as_uid(lambda: ask(cm, "POST", path, {}), OWNER)
            equal((status, body.get("state")), (200, "revoked"), body)
        asked = [r for r in cm.records("call") if r.text("verb") == "agent.revoke"]
        equal([(r.text("subject"), r.text("via")) for r in asked],
              [("uid:%d" % OWNER, "gate")], "who")


def main():
    with Daemon() as daemon:
        with daemon.admin() as a:
            for name, who in (("uid", ("uid", NOBODY)), ("gid", ("gid", GROUP))):
                a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                                 [("secret_key", SECRET)])
                a.grant_add(("credential", name), ("op", "sign"), who,
                            ("max_skew", "any"))
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
