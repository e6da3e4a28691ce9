#!/usr/bin/python3
"""The descriptions that the gates serve: they are valid, the gates do what they say and
nothing besides: every path of them answers, requests made from them get only answers
that they describe, and no other path or method is answered.

test: seconds=240"""
import contextlib
import itertools
import os
import random
import re
import sys

import jsonschema
from hypothesis import HealthCheck, given, seed, settings

from lib.case import case, check, equal, is_sanitized, run
from lib.certmgr import is_root, node
from lib.daemon import Daemon
from lib.described import STRUCTURE, Described
from lib.raw import KEY, SECRET
from lib.web import Web, ask, http_sock, refused

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().getrandbits(32)))
EXAMPLES = 25 if is_sanitized() else 120    # of each operation
OTHER_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
SAMPLE = "sample"


class Served:
    """A daemon and what its gate says of itself."""

    def __init__(self, service, known, **real):
        self.service, self.known, self.real = service, known, real
        self.name = service.NAME
        self.path = http_sock(service)
        self.text = ask(self.path, "GET", "/openapi.json").body
        self.described = Described(self.text)


def each(function):
    """The case for one daemon after the other."""
    def wrapped(all_served):
        for served in all_served:
            function(served)
    wrapped.__name__ = function.__name__
    return case(wrapped)


@each
def the_description_is_the_one_in_the_repository(served):
    with open("%s/docs/openapi/%s.json" % (TOP, served.name), "rb") as f:
        equal(served.text, f.read(), served.name)
    with Web(served.path) as web:
        first = web.ask("GET", "/openapi.json")
        equal(first.type, "application/json", "its type")
        again = web.ask("GET", "/openapi.json",
                        If_None_Match=first.headers["ETag"])
        equal((again.status, again.body), (304, b""), "again")


@each
def the_description_is_valid(served):
    d = served.described
    jsonschema.Draft202012Validator.check_schema(STRUCTURE)
    wrong = [e.message for e in jsonschema.Draft202012Validator(STRUCTURE)
             .iter_errors(d.doc)]
    equal(wrong, [], served.name)
    for ref in d.references():
        d.resolver.resolve(ref)
    for where, schema in d.schemas():
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in d.resolve(schema).get("examples", []):
            equal(d.errors(example, schema), [], where)
    ids = {}
    for o in d.operations():
        equal(set(re.findall(r"\{(\w+)\}", o.path)),
              {p["name"] for p in o.parameters if p["in"] == "path"},
              "parameters of %s" % o)
        ids.setdefault(o.operation["operationId"], []).append(o.path)
        for p in o.parameters:
            equal(d.errors(p["example"], p["schema"]), [], str(o))
        for where, content in o.contents():
            if "example" in content:
                equal(d.errors(content["example"], content["schema"]), [],
                      where)
    for name, paths in ids.items():     # an ancestor's path is the same again
        equal(len({p.removeprefix("/v1") for p in paths}), 1, name)


@each
def every_path_answers_as_it_says(served):
    for o in served.described.operations():
        target, body = o.example(**served.real)
        answer = ask(served.path, o.method, target, body)
        o.judge(answer)
        equal(answer.status, 200, "%s: %r" % (o, answer))


@each
def requests_from_the_description_get_what_it_describes(served):
    for o in served.described.operations():
        seen = set()
        with Web(served.path) as web:
            try_requests(served, o, web, seen)
        print("%s: %s" % (o, sorted(seen)))


def try_requests(served, o, web, seen):
    @seed(SEED)
    @settings(max_examples=EXAMPLES if o.parameters else 3, database=None,
              deadline=None, suppress_health_check=list(HealthCheck))
    @given(o.requests(served.known, **served.real))
    def one(request):
        answer = web.ask(o.method, *request)
        o.judge(answer)
        seen.add(answer.status)
    one()


def templates(served):
    """{path with * for parameters: methods}"""
    out = {}
    for o in served.described.operations():
        out.setdefault(re.sub(r"\{\w+\}", "*", o.path), set()).add(o.method)
    return out


@each
def the_routes_are_those_that_are_described(served):
    with open(os.path.join(TOP, "lib/api_route.c")) as f:
        text = f.read()
    table = text[text.index(served.name + "_routes[]"):]
    table = table[:table.index("};")]
    pages = text[text.index("#define PAGES"):]
    pages = pages[:pages.index("static")]
    found = {}
    for what, path in re.findall(r'\b(GET|POST|PAGE)\("([^"]+)"',
                                 table + pages):
        found.setdefault(path, set()).add("POST" if what == "POST" else "GET")
    equal(found, templates(served), served.name)


@each
def nothing_else_is_answered(served):
    known = templates(served)
    fits = [re.compile(re.escape(t).replace(r"\*", "[^/]+") + r"\Z")
            for t in known]
    with Web(served.path) as web:
        for path in sorted(variants(known)):
            if any(f.match(path) for f in fits):
                continue
            refused(web.ask("GET", path), "not_found", "openapi.json")
        for o in served.described.operations():
            target, body = o.example(**served.real)
            answer = web.ask(o.method, target.partition("?")[0] + "?strange=1",
                             body)
            if o.operation["tags"] == ["health"]:
                equal(answer.status, 200, target)
            else:
                refused(answer, "invalid", "'strange'")
        for t, methods in known.items():
            path = t.replace("*", "x")
            for method in set(OTHER_METHODS) - methods:
                answer = web.ask(method, path)
                refused(answer, "unsupported", "method", 405)
                equal(answer.headers["Allow"],
                      "POST" if methods == {"POST"} else "GET, HEAD", path)
            if "GET" in methods:
                head = web.ask("HEAD", path)
                check(head.status != 405 and not head.body, "HEAD", path, head)


def variants(known):
    for t in known:
        path = t.replace("*", "x")
        parts = path.strip("/").split("/")
        yield from (path + "/", path + "/x", "/" + path, "/v1" + path,
                    "/v2" + path.removeprefix("/v1"), path.upper(),
                    path.removeprefix("/v1") or "/", path + "%20", path + ";x",
                    path[:-1], "/x" + path, path.replace("x", ""))
        for n in range(len(parts)):
            yield "/" + "/".join(parts[:n])
        for a, b in itertools.combinations(range(len(parts)), 2):
            swapped = list(parts)
            swapped[a], swapped[b] = parts[b], parts[a]
            yield "/" + "/".join(swapped)


@contextlib.contextmanager
def served_credd():
    with Daemon() as daemon:
        with daemon.admin() as a:
            a.credential_add(SAMPLE, "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.grant_add(("credential", SAMPLE), ("uid", os.getuid()),
                        ("max_skew", "any"))
        yield Served(daemon, [SAMPLE, "aws-sigv4", "hmac", "sign", "presign",
                              "status", "run", "credentials", "slot.list"])


@contextlib.contextmanager
def served_certmgr():
    with node() as (_, cm):
        cm.grant(os.getuid())
        with cm.shell(uid=os.getuid()) as agent:
            yield Served(cm, [agent.agent, "status", "agent.list", "agent.spawn"],
                         agent=agent.agent)


def main():
    print("CRETULA_SEED=%d" % SEED)
    with served_credd() as credd:
        if not is_root():
            return run([credd])
        with served_certmgr() as certmgr:
            return run([credd, certmgr])


if __name__ == "__main__":
    sys.exit(main())
