#!/usr/bin/python3
"""Grants through the real command: what each limit lets pass and what not, who is
let in, which grant decides, and what is said to those who have none."""
import calendar
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from lib.case import Skip, build, case, check, equal, run
from lib.daemon import OTHER_UID, Daemon, records
from lib.raw import KEY, SECRET

from cretula_native import Refused

S3 = b"GET /bucket/key HTTP/1.1\nHost: s3.eu-west-1.amazonaws.com\n"
LIST = b"GET /bucket?list-type=2&prefix=a HTTP/1.1\nHost: s3.amazonaws.com\n"
PUT = b"PUT /bucket/key HTTP/1.1\nHost: s3.eu-west-1.amazonaws.com\n\nbody"
IAM = (b"POST / HTTP/1.1\nHost: iam.amazonaws.com\n"
       b"Content-Type: application/x-www-form-urlencoded\n\n"
       b"Action=ListUsers&Version=2010-05-08")
STS = IAM.replace(b"iam.", b"sts.").replace(b"ListUsers", b"AssumeRole")


def request(method="GET", host="s3.amazonaws.com", target="/bucket/key"):
    return ("%s %s HTTP/1.1\nHost: %s\n" % (method, target, host)).encode()


@contextlib.contextmanager
def granted(daemon, *grants, credential="prod"):
    """These grants, attributes as words, and no others; their ids."""
    ids = []
    try:
        for words in grants:
            words = words.split() if isinstance(words, str) else list(words)
            if not any(w.startswith(("uid=", "gid=", "exe=", "cert.")) for w in words):
                words.append("uid=%d" % os.getuid())
            if not any(w.startswith("credential=") for w in words):
                words.append("credential=" + credential)
            ids.append(daemon.cli("grant", "add", *words, "--field",
                                  "id").stdout.decode().strip())
        yield ids
    finally:
        for ident in ids:
            daemon.cli("grant", "remove", ident)


def sign(daemon, stdin, *words, credential="prod", who=None):
    """(exit code, what was said)"""
    if who is None:
        done = daemon.cli("sign", credential, *words, stdin=stdin, check=False)
    else:
        done = subprocess.run(
            [daemon.command, "sign", credential] + list(words), input=stdin,
            env={"CRETULA_CREDD": daemon.api}, cwd="/", timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **who)
    if done.returncode == 0:
        check(b"AWS4-HMAC-SHA256" in done.stdout, "signed", done.stdout)
    else:
        equal(done.stdout, b"", "no output with an error")
    return done.returncode, done.stderr.decode()


def passes(daemon, stdin, *words, **options):
    code, text = sign(daemon, stdin, *words, **options)
    equal(code, 0, "%r %s is signed (%s)" % (stdin[:60], words, text))


def denied(daemon, stdin, *words, says=(), **options):
    code, text = sign(daemon, stdin, *words, **options)
    equal(code, 3, "%r %s is denied (%s)" % (stdin[:60], words, text))
    for word in [says] if isinstance(says, str) else says:
        check(word in text, "it says '%s'" % word, text)
    return text


def limits(daemon, grant, good, bad):
    """With this grant the good requests pass, the bad ones do not."""
    with granted(daemon, "op=sign,presign " + grant):
        for one in good:
            passes(daemon, one)
        for one in bad:
            denied(daemon, one)


@contextlib.contextmanager
def own_copy():
    """The command where others can start it and, unlike in /tmp, nobody can put
    another in its place."""
    with tempfile.TemporaryDirectory(
            prefix="cretula-test-",
            dir="/var/lib" if os.getuid() == 0 else None) as folder:
        os.chmod(folder, 0o755)
        yield shutil.copy(os.path.join(build(), "bin", "cretula"), folder)


# Without a grant

@case
def denial_is_the_same_whether_the_credential_exists_or_not(daemon):
    def normal(text, name):
        return text.partition(" [request")[0].replace(name, "NAME")

    texts = {normal(denied(daemon, S3, credential=name), name)
             for name in ("prod", "webhook", "no-such", "another-one")}
    equal(len(texts), 1, "the sentences: %r" % texts)
    for name in ("prod", "webhook", "no-such"):
        for words in (("op=presign",), ("op=no-such",)):
            text = normal(denied(daemon, S3, *words, credential=name), name)
            check("no grant lets uid" in text, "by the first stage", text)
    with granted(daemon, "op=sign uid=%d" % OTHER_UID):
        equal({normal(denied(daemon, S3, credential=n), n)
               for n in ("prod", "no-such")}, texts, "another's grant")
    # what the request says does not matter, either
    equal({normal(denied(daemon, b"GET / HTTP/1.1\nHost:a\n", "region=x",
                         "service=y", credential=n), n)
           for n in ("prod", "no-such")}, texts, "another request")


@case
def denial_is_in_the_log_with_its_reason(daemon):
    text = denied(daemon, S3)
    ident = text.partition("[request ")[2].partition("]")[0]
    for r in records(daemon):
        if r.get("request_id") == ident:
            equal((r["outcome"], r["credential"], r["op"], r["subject"]),
                  ("deny", "prod", "sign", "uid:%d" % os.getuid()), "the record")
            check(r["reason"] in text, "the reason", r, text)
            return
    raise AssertionError("no record of request " + ident)


# Limits

@case
def op_limits(daemon):
    with granted(daemon, "op=sign"):
        passes(daemon, S3)
        denied(daemon, S3, "op=presign")
    with granted(daemon, "op=presign"):
        denied(daemon, S3)
        passes(daemon, S3, "op=presign", "--url")
    with granted(daemon, "op=sign"):
        code, text = sign(daemon, S3, "op=no-such")
        check(code in (1, 3), "an operation there is not", code, text)


@case
def method_limits(daemon):
    limits(daemon, "method=GET,HEAD", [S3, request("HEAD")],
           [PUT, request("DELETE")])


@case
def host_limits(daemon):
    limits(daemon, "host=s3.*.amazonaws.com",
           [S3, request(host="s3.dualstack.us-east-1.amazonaws.com"),
            request(host="S3.eu-west-1.AMAZONAWS.com"),
            request(host="s3.eu-west-1.amazonaws.com:8443")],
           [request(), IAM])
    with granted(daemon, "op=sign host=s3.*.amazonaws.com"):
        denied(daemon, request(host="s3.eu-west-1.amazonaws.com.evil.org"),
               "service=s3", "region=eu-west-1")


@case
def path_limits(daemon):
    limits(daemon, "path=/bucket/*,/other/**",
           [S3, request(target="/other/a/b/c"), request(target="/other/")],
           [request(target="/bucket/"), request(target="/bucket/a/b"),
            request(target="/bucket"), request(target="/"),
            request(target="/bucket/a%2fb/c")])


@case
def path_limit_refuses_what_a_service_could_read_otherwise(daemon):
    api = "execute-api.eu-west-1.amazonaws.com"
    with granted(daemon, "op=sign path=/public/**"):
        passes(daemon, request(host=api, target="/public/a"))
        for target in ("/public/../secret", "/secret/../public/a", "/public/%2e%2e/secret",
                       "/public//secret", "/public/./a", "/public/%2fa",
                       "/public\\a", "/public/%5ca", "/public/%252e%252e/a"):
            code, text = sign(daemon, request(host=api, target=target))
            check(code in (1, 3), "%s is not signed (%s)" % (target, text), code)


@case
def query_limits(daemon):
    with granted(daemon, ("op=sign", "query=list-type,prefix=a*")):
        passes(daemon, LIST)
        passes(daemon, request())
        denied(daemon, LIST.replace(b"prefix=a", b"prefix=b"))
        denied(daemon, LIST.replace(b"prefix=a", b"pre%66ix=b"))
        denied(daemon, LIST.replace(b"prefix=a", b"prefix=a&acl"))
        denied(daemon, LIST.replace(b"prefix=a", b"prefix=a&prefix=b"))
        passes(daemon, LIST.replace(b"prefix=a", b"prefix=%61bc"))


@case
def service_and_region_limits(daemon):
    limits(daemon, "service=s3 region=eu-*", [S3, PUT], [LIST, IAM, STS])
    with granted(daemon, "op=sign service=s3"):
        denied(daemon, S3, "service=sts")
        passes(daemon, S3, "region=elsewhere")


@case
def action_limits(daemon):
    limits(daemon, "action=GetObject,ListUsers", [S3, IAM],
           [PUT, STS, LIST, IAM.replace(b"Action=ListUsers", b"Verb=ListUsers")])
    limits(daemon, "action=List*", [IAM, LIST], [S3, STS])


@case
def body_too_large_to_be_seen_has_no_action(daemon):
    """Only the hash of a large body travels, unless it is a form; a limit on a
    fact that is not known denies."""
    big = b"POST / HTTP/1.1\nHost: iam.amazonaws.com\n" \
          b"Content-Type: application/octet-stream\n\n" + b"x" * (1 << 20)
    with granted(daemon, "op=sign action=*"):
        denied(daemon, big)
    with granted(daemon, "op=sign"):
        passes(daemon, big)


def stamp(offset):
    return time.strftime("time=%Y%m%dT%H%M%SZ", time.gmtime(time.time() + offset))


@case
def max_skew_limits(daemon):
    with granted(daemon, "op=sign"):
        passes(daemon, S3)
        for offset in (-800, 800):
            passes(daemon, S3, stamp(offset))
        for offset in (-1000, 1000):
            denied(daemon, S3, stamp(offset), says="max_skew")
    with granted(daemon, "op=sign max_skew=60s"):
        passes(daemon, S3, stamp(-30))
        denied(daemon, S3, stamp(-90))
        denied(daemon, S3, stamp(120))
        dated = S3 + stamp(-90).replace("time=", "X-Amz-Date: ").encode()
        denied(daemon, dated)
    with granted(daemon, "op=sign max_skew=any"):
        passes(daemon, S3, "time=20000101T000000Z")


@case
def lifetime_limits(daemon):
    with granted(daemon, "op=sign,presign"):
        passes(daemon, S3, "expires=900", "--url")
        denied(daemon, S3, "expires=901", "--url", says="lifetime")
        passes(daemon, S3)
    with granted(daemon, "op=presign lifetime=60s"):
        passes(daemon, S3, "expires=60", "--url")
        denied(daemon, S3, "expires=2m", "--url")
        denied(daemon, S3, "--url")     # the module's own 900 s
    with granted(daemon, "op=presign lifetime=any"):
        passes(daemon, S3, "expires=7d", "--url")
        code, _ = sign(daemon, S3, "expires=8d", "--url")
        equal(code, 1, "more than AWS takes")


def moment(offset):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))


@case
def not_before_and_not_after_limits(daemon):
    with granted(daemon, "op=sign not_before=" + moment(3600)):
        denied(daemon, S3)
    with granted(daemon, "op=sign not_after=" + moment(-1)):
        denied(daemon, S3)
    with granted(daemon, "op=sign,presign not_before=%s not_after=%s"
                 % (moment(-60), moment(300))):
        passes(daemon, S3)
        passes(daemon, S3, "expires=200", "--url")
        denied(daemon, S3, "expires=400", "--url", says="not_after")


@case
def credential_that_ends_bounds_what_it_signs(daemon):
    daemon.cli("credential", "add", "ends", "module=aws-sigv4",
               "access_key=" + KEY, "secret_key=-", "not_after=" + moment(300),
               stdin=SECRET.encode())
    try:
        with granted(daemon, "op=sign,presign lifetime=any", credential="ends"):
            passes(daemon, S3, credential="ends")
            passes(daemon, S3, "expires=200", "--url", credential="ends")
            denied(daemon, S3, "expires=400", "--url", credential="ends")
    finally:
        daemon.cli("credential", "remove", "ends")


@case
def limits_of_different_grants_are_not_added_up(daemon):
    with granted(daemon, "op=sign method=GET host=iam.*",
                 "op=sign method=POST host=s3.*"):
        denied(daemon, S3)
        denied(daemon, IAM)
        passes(daemon, request(host="iam.amazonaws.com", target="/"))


# Which grant decides

@case
def oldest_matching_grant_decides(daemon):
    def decided():
        passes(daemon, S3)
        return records(daemon)[-1]["grant"]

    with granted(daemon, "op=sign host=iam.*", "op=sign host=s3.*",
                 "op=sign") as ids:
        equal(decided(), ids[1], "the oldest that matches")
        equal(test(daemon, S3)["grant"], ids[1], "grant test says so, too")
        with granted(daemon, "op=sign host=s3.*"):
            equal(decided(), ids[1], "a younger one does not matter")
    with granted(daemon, "op=sign") as ids:
        equal(decided(), ids[0], "after they were removed")


# Who

@case
def uid_and_gid_of_others(daemon):
    if os.getuid() != 0:
        raise Skip("needs root, to have other uids")
    me = dict(user=OTHER_UID, group=OTHER_UID, extra_groups=[])
    other = dict(user=OTHER_UID + 1, group=OTHER_UID + 1, extra_groups=[])
    grouped = dict(user=OTHER_UID + 2, group=OTHER_UID + 3,
                   extra_groups=[OTHER_UID + 4])
    with granted(daemon, "op=sign uid=%d" % OTHER_UID):
        passes(daemon, S3, who=me)
        denied(daemon, S3, who=other, says="uid %d" % (OTHER_UID + 1))
        denied(daemon, S3)          # root is nobody special
    with granted(daemon, "op=sign gid=%d,%d" % (OTHER_UID + 3, OTHER_UID + 9)):
        passes(daemon, S3, who=grouped)
        denied(daemon, S3, who=me)
    with granted(daemon, "op=sign gid=%d" % (OTHER_UID + 4)):
        passes(daemon, S3, who=grouped)     # supplementary
        denied(daemon, S3, who=other)
    with granted(daemon, "op=sign uid=%d gid=%d" % (OTHER_UID, OTHER_UID + 4)):
        denied(daemon, S3, who=me)
        denied(daemon, S3, who=grouped)


@case
def names_of_users_and_groups_become_numbers(daemon):
    with granted(daemon, "op=sign uid=daemon,nobody gid=0") as ids:
        grants = [json.loads(line) for line in
                  daemon.cli("grant", "list", "--json").stdout.splitlines()]
        mine = [g["grant"] for g in grants if g["id"] == ids[0]]
        equal(mine[0]["uid"], "1,65534", "the uids")
    done = daemon.cli("grant", "add", "credential=prod", "uid=no-such-user",
                      check=False)
    equal(done.returncode, 2, "a user there is not")
    check(b"no-such-user" in done.stderr, "by name", done.stderr)


@case
def exe_narrows_to_one_program(daemon):
    if os.getuid() != 0:
        raise Skip("needs root, to have other uids")
    me = dict(user=OTHER_UID, group=OTHER_UID, extra_groups=[])
    with granted(daemon, "op=sign uid=%d exe=%s" % (OTHER_UID, daemon.command)):
        passes(daemon, S3, who=me)
    with granted(daemon, "op=sign uid=%d exe=/bin/true" % OTHER_UID):
        denied(daemon, S3, who=me)


def other_user(daemon, *words):
    """The command, started by one who may not use admin.sock."""
    if os.getuid() != 0:
        raise Skip("needs root, to have other uids")
    return subprocess.run(
        [daemon.command, *words], cwd="/",
        env={"CRETULA_CREDD": daemon.api}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, user=OTHER_UID, group=OTHER_UID, extra_groups=[])


@case
def other_users_are_not_admins(daemon):
    done = other_user(daemon, "grant", "list")
    check(done.returncode != 0 and not done.stdout, "refused", done)
    check(b"may not be used by you" in done.stderr, "with the reason", done.stderr)


@case
def other_users_see_what_they_may_use(daemon):
    def listed(*words):
        done = other_user(daemon, *words, "list", "--json")
        equal(done.returncode, 0, done.stderr)
        return {one["name"]: one for one in
                map(json.loads, done.stdout.splitlines())}

    with granted(daemon, "op=sign uid=%d" % OTHER_UID):
        equal(listed("credential"), {"prod": {
            "name": "prod", "module": "aws-sigv4", "op": "sign"}}, "with a grant")
    equal(listed("credential"), {}, "without")
    module = listed("module")["aws-sigv4"]
    equal(sorted(module), ["name", "operation", "summary"], module)
    check("sign" in module["operation"], "what it does", module)


# test, list, remove

def test(daemon, stdin, *words, uid=None, code=0):
    done = daemon.cli("grant", "test", "credential=prod", "op=sign",
                      "uid=%d" % (os.getuid() if uid is None else uid), *words,
                      "--json", stdin=stdin, check=False)
    equal(done.returncode, code, "grant test: exit code (%r)" % done.stderr)
    return json.loads(done.stdout)


@case
def grant_test_explains(daemon):
    with granted(daemon, "op=sign method=PUT", "op=sign host=iam.*",
                 "op=sign uid=5", "op=sign service=s3 region=eu-*") as ids:
        got = test(daemon, S3)
        equal((got["decision"], got["grant"]), ("allow", ids[3]), "the decision")
        lines = got["reason"].split("\n")
        equal([line.partition(":")[0] for line in lines],
              ["grant " + i for i in ids], "a line for each grant")
        for line, word in zip(lines, ("method", "host", "uid", "allows it")):
            check(word in line, "the first limit that fails", line)
        for fact in ("service=s3", "region=eu-west-1", "action=GetObject",
                     "method=GET", "path=/bucket/key"):
            check(fact in got["fact"], "fact " + fact, got["fact"])
        got = test(daemon, IAM, code=0)
        equal(got["grant"], ids[1], "another request")
        got = test(daemon, LIST, code=3)
        equal(got["decision"], "deny", "the decision")
        check("grant" not in got, "no grant decides a denial", got)
        got = test(daemon, PUT, uid=5)
        equal(got["grant"], ids[2], "for another subject")
    got = test(daemon, S3, code=3)
    equal(got["decision"], "deny", "without a grant")
    check("no grant names credential 'prod'" in got["reason"], "the reason", got)


@case
def grant_test_for_people_is_lines(daemon):
    with granted(daemon, "op=sign"):
        out = daemon.cli("grant", "test", "credential=prod", "op=sign",
                         "uid=%d" % os.getuid(), stdin=S3).stdout.decode()
        lines = out.splitlines()
        check(lines[0].startswith("decision=allow grant="), "first", lines)
        check(lines[1].endswith(": allows it"), "second", lines)
        check("fact: service=s3" in lines, "facts", lines)


@case
def grant_test_says_when_a_credential_is_disabled(daemon):
    with granted(daemon, "op=sign"):
        daemon.cli("credential", "disable", "prod")
        try:
            got = test(daemon, S3, code=3)
            check("is disabled" in got["reason"], "the reason", got)
        finally:
            daemon.cli("credential", "enable", "prod")


@case
def grant_test_uses_nothing_and_signs_nothing(daemon):
    with granted(daemon, "op=sign"):
        before = records(daemon, "run")
        got = test(daemon, S3)
        check("Signature" not in json.dumps(got), "no signature", got)
        equal(records(daemon, "run"), before, "no use in the log")


@case
def unreadable_grants_are_refused(daemon):
    before = daemon.cli("grant", "list").stdout
    for words, says in (
            ("credential=prod uid=0 foo=bar", "no limit 'foo'"),
            ("credential=prod uid=0 uses=3", "not supported yet"),
            ("credential=prod uid=0 confirm=yes", "not supported yet"),
            ("credential=prod uid=0 cert.o=web", "could never match"),
            ("credential=prod uid=0 max_skew=1m max_skew=2m", "twice"),
            ("credential=prod uid=0 max_skew=soon", "max_skew"),
            ("credential=prod uid=0 max_skew=-1s", "max_skew"),
            ("credential=prod uid=0 not_after=tomorrow", "not_after"),
            ("credential=prod uid=0 method=", "method"),
            ("credential=prod uid=-1", "user"),
            ("credential=prod", "needs a subject"),
            ("uid=0", "needs a credential"),
            ("credential=prod exe=/bin/true", "only narrows"),
            ("credential=prod uid=0 exe=true", "exe"),
            ("credential=prod uid=0 reveal=all", "reveal"),
            ("credential=prod uid=0 not_before=2030-01-02T03:04:05Z "
             "not_after=2030-01-02T03:04:05Z", "never hold")):
        done = daemon.cli("grant", "add", *words.split(), check=False)
        check(done.returncode in (1, 2), words + ": exit code", done)
        check(says in done.stderr.decode(), words, done.stderr)
    equal(daemon.cli("grant", "list").stdout, before, "nothing was added")


@case
def list_shows_grants_by_age_and_by_credential(daemon):
    with granted(daemon, "op=sign uid=1", "op=sign uid=2",
                 "op=sign credential=webhook uid=3", "op=sign uid=4") as ids:
        out = daemon.cli("grant", "list", "--field", "id").stdout.decode().split()
        equal(out, ids, "the oldest first")
        out = daemon.cli("grant", "list", "credential=webhook", "--field",
                         "uid").stdout.decode().split()
        equal(out, ["3"], "of one credential")
    done = daemon.cli("grant", "remove", ids[0], check=False)
    equal(done.returncode, 4, "one that is gone")
    done = daemon.cli("grant", "remove", "x", check=False)
    check(done.returncode in (1, 2), "no number", done)


@case
def removed_grant_ends_at_once_also_on_open_connections(daemon):
    with daemon.client() as c:
        vanilla = [("method", "GET"), ("target", "/"), ("header", "Host:a"),
                   ("region", "us-east-1"), ("service", "s3")]
        with granted(daemon, "op=sign"):
            c.run("prod", "sign", vanilla)
        try:
            c.run("prod", "sign", vanilla)
        except Refused as e:
            equal(e.error, "denied", "the error")
        else:
            raise AssertionError("signed without a grant")


@case
def grants_for_agents_go_to_certmgr_and_no_other_daemon_keeps_them(daemon):
    """A second name of credd stands where certmgr would be: what is shown here is
    whom the command asks, and that credd does not keep what is not its."""
    there = {"CRETULA_CERTMGR": daemon.api}
    none = {"CRETULA_CERTMGR": "/nowhere/api.sock"}
    for words in ("agent=web uid=0", "agent=* unit=a.service"):
        done = daemon.cli("grant", "add", *words.split(), env=there, check=False)
        check("kept by certmgr" in done.stderr.decode(), words, done.stderr)
        done = daemon.cli("grant", "add", *words.split(), env=none, check=False)
        equal(done.returncode, 6, "certmgr is not there")
        check("certmgr is not reached" in done.stderr.decode(), words,
              done.stderr)
    for words, says in (("agent=web uid=0 op=sign", "op= limits requests"),
                        ("agent=web credential=prod uid=0", "make two"),
                        ("agent=Web uid=0", "begins with a letter")):
        done = daemon.cli("grant", "add", *words.split(), env=there, check=False)
        check(says in done.stderr.decode(), words, done.stderr)
    with granted(daemon, "op=sign uid=1") as ids:
        def listed(*words, **options):
            done = daemon.cli("grant", "list", "--field", "id", *words, **options)
            return done.stdout.decode().split()
        equal(listed(env=there), ids + ["agent/" + ids[0]], "of both")
        equal(listed("credential=prod", env=there), ids, "of credd")
        equal(listed(env=none, check=False), ids, "one is not there")
        done = daemon.cli("grant", "remove", "agent/" + ids[0], env=none,
                          check=False)
        equal(done.returncode, 6, "it is certmgr's")
        equal(listed(), ids, "credd's of that number is there")
        daemon.cli("grant", "remove", "agent/" + ids[0], env=there)
        equal(listed(), [], "gone by its other name")
        ids.clear()
    for words in ("agent=web op=sign uid=0", "agent=web credential=prod uid=0"):
        done = daemon.cli("grant", "test", *words.split(), env=there, check=False)
        equal(done.returncode, 2, "nothing but who asks: %r" % done.stderr)


@case
def certificates_through_the_command(daemon):
    ident = "01900000-0000-7000-8000-000000000001"

    def tested(*words):
        done = daemon.cli("grant", "test", "credential=prod", "op=sign", *words,
                          stdin=S3, check=False)
        return done.returncode, done.stdout.decode()
    with granted(daemon, "op=sign cert.ou=n1.example cert.o=web",
                 "op=sign cert.ou=n2.example cert.uid=" + ident,
                 "op=sign cert.cap=use:prod@n3.example") as ids:
        for words, by in (("cert.o=web cert.ou=n1.example", 0),
                          ("via=tls cert.o=db cert.ou=n2.example cert.uid="
                           + ident, 1),
                          ("cert.o=db cert.cap=use:*@n3.example", 2)):
            code, text = tested(*words.split())
            equal(code, 0, words + text)
            check("decision=allow grant=" + ids[by] in text, words, text)
        code, text = tested("cert.o=db", "cert.ou=n1.example")
        equal(code, 3, text)
        check("grant %s: cert.o 'db' is not within cert.o=web" % ids[0] in text,
              "why", text)
        code, text = tested("uid=0")
        equal(code, 3, text)
        check("it is for who comes with a certificate" in text, "why", text)
        denied(daemon, S3)


def main():
    check(calendar.timegm(time.gmtime()) > 1600000000, "a clock that is set")
    with Daemon() as daemon:
        with daemon.admin() as a:
            a.credential_add("prod", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.credential_add("webhook", "hmac", [], [("key", "k" * 20)])
        with own_copy() as daemon.command:
            return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
