#!/usr/bin/python3
"""The descriptions that the gates serve: they are valid, the gates do what they say and
nothing besides: every path of them answers, requests made from them get only answers
that they describe, and no other path or method is answered."""
import contextlib
import itertools
import os
import random
import re
import sys

import jsonschema
from hypothesis import HealthCheck, given, seed, settings

from lib import ca_client
from lib.case import case, check, equal, is_sanitized, run
from lib.certmgr import is_root, node
from lib.daemon import Daemon
from lib.described import STRUCTURE, Described
from lib.raw import KEY, SECRET
from lib.web import TlsWeb, Web, http_sock, refused

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().getrandbits(32)))
EXAMPLES = 25 if is_sanitized() else 120    # of each operation
OTHER_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
SAMPLE = "sample"


class Served:
    """A daemon and what its gate says of itself. web: makes a connection; known: words
    that mean something there; source: where its routes are; not_here: operations
    whose example cannot succeed here; strict: a query is refused."""

    def __init__(self, service, web, known, source="lib/api_route.c",
                 not_here=(), strict=True, **real):
        self.web, self.known, self.real = web, known, real
        self.name, self.source = service.NAME, source
        self.not_here, self.strict = not_here, strict
        self.text = self.ask("GET", "/openapi.json").body
        self.described = Described(self.text)

    def ask(self, *request, **headers):
        with self.web() as web:
            return web.ask(*request, **headers)

    def real_of(self, o):
        """What stands for the examples of an operation that can succeed."""
        return {} if o.operation["operationId"] in self.not_here else self.real


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
    with served.web() as web:
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
        target, body = o.example(**served.real_of(o))
        with served.web() as web:
            answer = o.ask(web, target, body)
        o.judge(answer)
        if o.operation["operationId"] not in served.not_here:
            equal(answer.status, 200, "%s: %r" % (o, answer))


@each
def requests_from_the_description_get_what_it_describes(served):
    for o in served.described.operations():
        seen = set()
        with served.web() as web:
            try_requests(served, o, web, seen)
        print("%s: %s" % (o, sorted(seen)))


def try_requests(served, o, web, seen):
    @seed(SEED)
    @settings(max_examples=EXAMPLES if o.parameters or o.body else 3,
              database=None, deadline=None,
              suppress_health_check=list(HealthCheck))
    @given(o.requests(served.known, **served.real_of(o)))
    def one(request):
        answer = o.ask(web, *request)
        o.judge(answer)
        seen.add(answer.status)
    one()


def templates(served):
    """{path with * or ** for parameters: methods}"""
    out = {}
    for o in served.described.operations():
        path = re.sub(r"\{\w+\}", "**" if o.rest else "*", o.path)
        out.setdefault(path, set()).add(o.method)
    return out


def routes(served):
    """The same of the source."""
    with open(os.path.join(TOP, served.source)) as f:
        text = f.read()
    out = {}
    if served.name == "ca":
        for path, methods in re.findall(
                r'\.path = "([^"]+)",[^}]*?\.methods = ([A-Z_ |]+),', text):
            out[path] = {m.strip()[len("GATE_"):] for m in methods.split("|")}
        return out
    table = text[text.index(served.name + "_routes[]"):]
    pages = text[text.index("#define PAGES"):]
    for what, path in re.findall(r'\b(GET|POST|PAGE)\("([^"]+)"',
                                 table[:table.index("};")]
                                 + pages[:pages.index("static")]):
        out.setdefault(path, set()).add("POST" if what == "POST" else "GET")
    return out


@each
def the_routes_are_those_that_are_described(served):
    equal(routes(served), templates(served), served.name)


@each
def nothing_else_is_answered(served):
    known = templates(served)
    fits = [re.compile(re.escape(t).replace(r"\*\*", ".*")
                       .replace(r"\*", "[^/]+") + r"\Z") for t in known]
    with served.web() as web:
        for path in sorted(variants(known)):
            if any(f.match(path) for f in fits):
                continue
            refused(web.ask("GET", path), "not_found", "nothing at this path")
        for o in served.described.operations():
            target, body = o.example(**served.real_of(o))
            answer = o.ask(web, target.partition("?")[0] + "?strange=1", body)
            if o.operation["tags"] == ["health"]:
                equal(answer.status, 200, target)
            elif served.strict:
                refused(answer, "invalid", "'strange'")
        for t, methods in known.items():
            path = t.replace("**", "x").replace("*", "x")
            for method in set(OTHER_METHODS) - methods:
                answer = web.ask(method, path)
                refused(answer, "unsupported", "method", 405)
                equal(answer.headers["Allow"].replace(", HEAD", ""),
                      ", ".join(sorted(methods)), path)
            if "GET" in methods:
                head = web.ask("HEAD", path)
                check(head.status != 405 and not head.body, "HEAD", path, head)


def variants(known):
    for t in known:
        path = t.replace("**", "x").replace("*", "x")
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
        yield Served(daemon, lambda: Web(http_sock(daemon)), [
                              SAMPLE, "aws-sigv4", "hmac", "sign", "presign",
                              "status", "run", "credentials", "slot.list"])


@contextlib.contextmanager
def served_certmgr(cm):
    cm.grant(os.getuid())
    with cm.shell(uid=os.getuid()) as agent:
        yield Served(cm, lambda: Web(http_sock(cm)),
                     [agent.agent, "status", "agent.list", "agent.spawn"],
                     agent=agent.agent)


def served_ca(ca):
    """As a node, who may issue, but is no admin."""
    chain = ca_client.Chain(ca)
    certificate, key = ca_client.issuer_of(ca, chain)
    context = ca_client.context(chain, certificate, key)
    own = ca_client.serial_hex(certificate)
    return Served(ca, lambda: TlsWeb(ca.https, context),
                  ["status", "ca.list"], "ca/gate_core.c",
                  ("enrol", "revoke", "renew", "call"), False, serial=own)


def main():
    print("CRETULA_SEED=%d" % SEED)
    with served_credd() as credd:
        if not is_root():
            return run([credd])
        with node() as (ca, cm), served_certmgr(cm) as certmgr:
            return run([credd, certmgr, served_ca(ca)])


if __name__ == "__main__":
    sys.exit(main())
