#!/usr/bin/python3
"""credd by HTTP over its UNIX socket: curl and http.client get what the native protocol
gives, are who connected and never more, and everything else is a problem that says so."""
import json
import os
import re
import signal
import socket
import sys

from lib.admin import Client
from lib.case import Skip, case, check, equal, run
from lib.ca_cli import until
from lib.daemon import OTHER_UID, Daemon, as_uid, wait_end
from lib.raw import (KEY, SCOPE, SECRET, VANILLA, VANILLA_SIGNATURE, VANILLA_TEXT,
                     right)
from lib.web import (ERRORS, SECONDS, Web, ask, curl, good, http_sock, refused)

SIGNATURE = VANILLA_SIGNATURE.decode()
RUN = "/modules/aws-sigv4/operations/sign/raw"
BODY_MAX = 1 << 20


def request(**more):
    out = {}
    for name, value in VANILLA:
        out.setdefault(name, []).append(value)
    return {**{n: v if n == "header" else v[0] for n, v in out.items()}, **more}


def signed(answer):
    reply = good(answer)
    check(isinstance(reply["header"], list), "header is an array", reply)
    check(any(SIGNATURE in line for line in reply["header"]),
          "the published signature", reply)
    return reply


def root_only():
    if os.getuid():
        raise Skip("only root has other users")


@case
def curl_gets_the_signature_that_the_command_gets(daemon):
    wanted = daemon.cli("sign", "raw", "--headers", *SCOPE, stdin=VANILLA_TEXT)
    for prefix in ("", "/v1"):
        got = json.loads(curl(http_sock(daemon), prefix + RUN, "-H",
                              "Content-Type: application/json", "-d",
                              json.dumps(request())))
        equal("\n".join(got["header"]).encode(), wanted.stdout.strip(), prefix)
        equal(got["version"], "1", "version")
        check(got["request_id"], "request id")


@case
def the_ancestors_paths_answer_with_and_without_v1(daemon):
    for prefix in ("", "/v1"):
        with Web(http_sock(daemon)) as web:
            mine = good(web.ask("GET", prefix + "/credentials"))
            equal(mine["credentials"], [{"name": "raw", "module": "aws-sigv4",
                                         "op": ["sign"]}], "credentials")
            modules = {m["name"]: m for m in
                       good(web.ask("GET", prefix + "/modules"))["modules"]}
            check({"aws-sigv4", "hmac"} <= set(modules), "modules", modules)
            ops = good(web.ask("GET",
                               prefix + "/modules/aws-sigv4/operations"))
            equal(ops["operations"], modules["aws-sigv4"]["operation"],
                  "operations")
            equal([(o["name"], o["reveals"]) for o in ops["operations"]],
                  [("sign", "signature"), ("presign", "bearer")], "operations")
            signed(web.ask("POST", prefix + RUN, request()))


@case
def the_key_for_boxes_is_the_published_one(daemon):
    key = good(ask(http_sock(daemon), "GET", "/v1/transport"))["key"]["base64"]
    with open(os.path.join(daemon.folder, "transport.pub")) as f:
        check("key=%s\n" % key in f.read(), "transport.pub")


@case
def any_verb_comes_back_lossless(daemon):
    path = http_sock(daemon)
    reply = dict(good(ask(path, "POST", "/v1/verbs/status",
                          {"list": []}))["reply"])
    equal(reply["state"], "unsealed", "status")
    nested = [["credential", "raw"], ["op", "sign"],
              ["request", [list(pair) for pair in VANILLA]]]
    got = good(ask(path, "POST", "/v1/verbs/run", {"list": nested}))
    check(any(SIGNATURE in v for n, v in got["reply"] if n == "header"),
          "signed", got)
    equal(got["items"], [], "items")
    items = good(ask(path, "POST", "/v1/verbs/modules", {"list": []}))["items"]
    binary = [v for i in items for n, v in i if n == "operation"]
    check(all(list(v) == ["base64"] for v in binary), "lists as bytes", binary)
    key = dict(good(ask(path, "POST", "/v1/verbs/transport",
                        {"list": []}))["reply"])["key"]
    equal(key, good(ask(path, "GET", "/v1/transport"))["key"], "bytes")


def native(api, credential):
    with Client(api, timeout=SECONDS) as client:
        return right(client.run(credential, "sign", VANILLA))


@case
def grants_match_by_uid_and_gid_and_never_by_program(daemon):
    root_only()
    path = http_sock(daemon)
    body = request()

    def other(name):
        return as_uid(OTHER_UID, ask, path, "POST",
                      "/modules/aws-sigv4/operations/sign/" + name, body)

    # the interpreter, where its file can be trusted; HTTP proves no program
    exe = os.path.realpath(sys.executable)
    with daemon.admin() as a:
        for name, grant in (("by-uid", [("uid", OTHER_UID)]),
                            ("by-gid", [("gid", OTHER_UID)]),
                            ("by-exe", [("uid", OTHER_UID), ("exe", exe)])):
            a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.grant_add(("credential", name), ("op", "sign"),
                        ("max_skew", "any"), *grant)
    refused(other("raw"), "denied", "no grant")
    refused(other("none"), "denied", "no grant")
    signed(other("by-uid"))
    signed(other("by-gid"))
    refused(other("by-exe"), "denied")
    check(as_uid(OTHER_UID, native, daemon.api, "by-exe"),
          "the same program by the native protocol")
    seen = good(as_uid(OTHER_UID, ask, path, "GET", "/credentials"))
    equal(sorted(c["name"] for c in seen["credentials"]), ["by-gid", "by-uid"],
          "what the other may use")


@case
def nobody_is_an_admin_here(daemon):
    for verb in ("slot.list", "credential.list", "grant.list", "audit.show"):
        refused(ask(http_sock(daemon), "POST", "/v1/verbs/" + verb,
                    {"list": []}), "denied", "admin")


WRONG = (
    ("POST", RUN, b"", "invalid", "not JSON"),
    ("POST", RUN, b"[]", "invalid", "JSON object"),
    ("POST", RUN, b'{"method":"GET","method":"GET"}', "invalid", "duplicate"),
    ("POST", RUN, b'{"Method":"GET"}', "invalid", "no name"),
    ("POST", RUN, b'{"a":1.5}', "invalid", "fraction"),
    ("POST", RUN, b'{"strange":"x"}', "invalid", "strange"),
    ("POST", RUN, b'{"k":{"confidential":true}}', "invalid", "transport.pub"),
    ("POST", RUN, b'{"k":{"confidential":"pw"}}', "invalid", "transport.pub"),
    ("POST", "/modules/hmac/operations/sign/raw", b"{}", "not_found", "'hmac'"),
    ("POST", "/modules/none/operations/sign/raw", b"{}", "not_found", "'none'"),
    ("POST", "/modules/%zz/operations/sign/raw", b"{}", "invalid", "'%'"),
    ("POST", "/modules/%00/operations/sign/raw", b"{}", "invalid", "NUL"),
    ("POST", "/modules/%ff/operations/sign/raw", b"{}", "invalid", "UTF-8"),
    ("POST", "/modules/%s/operations/sign/raw" % ("a" * 257), b"{}",
     "too_large", "256"),
    ("GET", "/modules/none/operations", None, "not_found", "no module"),
    ("POST", "/v1/verbs/none", b'{"list":[]}', "unsupported", "no verb"),
    ("POST", "/v1/verbs/status", b"{}", "invalid", "'list'"),
    ("POST", "/v1/verbs/status", b'{"list":[["verb","seal"]]}', "invalid",
     "in the path"),
    ("POST", "/v1/verbs/status", b'{"list":[["fds","1"]]}', "unsupported",
     "descriptors"),
    ("POST", "/v1/verbs/status", b'{"list":[["x","1"]]}', "invalid", "'x'"),
    ("POST", "/v1/verbs/status", b'{"list":[["x",{"confidential":true}]]}',
     "invalid", "transport.pub"),
    ("POST", "/v1/verbs/run", b'{"list":[["credential","raw"],["op","sign"],'
     b'["request","text"]]}', "invalid", ""),
    ("GET", "/v1", None, "not_found", "/openapi.json"),
    ("GET", "/v1/credentials/", None, "not_found", "/openapi.json"),
    ("GET", "/transport", None, "not_found", "/openapi.json"),
    ("GET", "/credentials?name=raw", None, "invalid", "'name'"),
)


@case
def what_is_wrong_is_a_problem_that_says_what(daemon):
    with Web(http_sock(daemon)) as web:
        for method, path, body, error, words in WRONG:
            p = refused(web.ask(method, path, body), error, words)
            check("pw" not in p["detail"], "the value is not repeated", p)
        p = refused(web.ask("GET", RUN), "unsupported", "method", 405)
        answer = web.ask("PUT", "/credentials", b"{}")
        refused(answer, "unsupported", "method", 405)
        equal(answer.headers["Allow"], "GET, HEAD", "Allow")
    refused(ask(http_sock(daemon), "POST", RUN, b"{}", Content_Type="text/xml"),
            "unsupported", "application/json", 415)


@case
def a_body_may_have_a_mebibyte_and_no_byte_more(daemon):
    path = http_sock(daemon)
    full = b'{"list":[]}'.ljust(BODY_MAX)
    good(ask(path, "POST", "/v1/verbs/status", full))
    refused(ask(path, "POST", "/v1/verbs/status", full + b" "), "too_large",
            "1 MiB")

    def chunks():
        yield full
        yield b" "

    with Web(path) as web:
        web.request("POST", "/v1/verbs/status", chunks(),
                    {"Content-Type": "application/json"}, encode_chunked=True)
        refused(web.answer(), "too_large", "1 MiB")
    text = json.dumps({"list": [["x", "y" * (BODY_MAX - 100)]]}).encode()
    refused(ask(path, "POST", "/v1/verbs/status", text), "invalid", "'x'")


@case
def a_hundred_requests_on_one_connection(daemon):
    with Web(http_sock(daemon)) as web:
        web.connect()
        number = web.sock.fileno()
        ids = {signed(web.ask("POST", RUN, request()))["request_id"]
               for _ in range(100)}
        equal(len(ids), 100, "request ids")
        equal(web.sock.fileno(), number, "the connection")


@case
def pipelined_requests_are_answered_in_order(daemon):
    body = json.dumps(request()).encode()
    one = (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
           b"Content-Length: %d\r\n\r\n%s" % (RUN.encode(), len(body), body))
    other = b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(SECONDS)
        s.connect(http_sock(daemon))
        s.sendall(one * 20 + other + one + last)
        data = b""
        while True:
            got = s.recv(65536)
            if not got:
                break
            data += got
    status = re.findall(rb"HTTP/1\.1 (\d+) ", data)
    equal(status, [b"200"] * 20 + [b"404", b"200", b"200"], "answers")
    equal(data.count(VANILLA_SIGNATURE), 21, "signatures")


@case
def health_and_metrics(daemon):
    with Web(http_sock(daemon)) as web:
        for page in ("/healthz", "/readyz"):
            answer = web.ask("GET", page)
            equal((answer.status, answer.body), (200, b"ok\n"), page)
        answer = web.ask("HEAD", "/credentials")
        equal((answer.status, answer.body), (200, b""), "HEAD")
        before = metric(web, "requests_total")
        web.ask("GET", "/healthz")
        equal(metric(web, "requests_total"), before + 2, "requests")
        equal(metric(web, "up"), 1, "up")


def metric(web, name):
    wanted = "cretula_credd_gate_" + name
    for line in web.ask("GET", "/metrics").body.decode().splitlines():
        words = line.split()
        if words[0] == wanted:
            return int(words[1])
    raise AssertionError("no metric " + wanted)


@case
def a_client_that_leaves_is_not_waited_for(daemon):
    body = json.dumps(request()).encode()
    head = (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (RUN.encode(), len(body)))
    for sent in (head, head + body[:9], head + body, head + body + head):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(http_sock(daemon))
            s.sendall(sent)
    with Web(http_sock(daemon)) as web:
        signed(web.ask("POST", RUN, request()))
        until("their calls are over", lambda: metric(web, "connections") == 1)
        equal(metric(web, "calls_in_flight"), 0, "calls in flight")
        equal(metric(web, "answers_held_bytes"), 0, "answers held")


@case
def the_core_dies_with_a_call_in_flight(daemon):
    path = http_sock(daemon)
    with Web(path) as web, Web(path) as watch:
        signed(web.ask("POST", RUN, request()))
        equal(metric(watch, "calls_in_flight"), 0, "calls in flight")
        vault = daemon.roles()["vault"][0]
        os.kill(vault, signal.SIGSTOP)
        web.request("POST", RUN, json.dumps(request()),
                    {"Content-Type": "application/json"})
        until("the call is in flight",
              lambda: metric(watch, "calls_in_flight") == 1)
        os.kill(vault, signal.SIGKILL)
        refused(web.answer(), "unavailable", "anew")
        check(wait_end(vault, SECONDS), "the vault ends")
        until("it is ready again",
              lambda: watch.ask("GET", "/readyz").status == 200)
        open_again(daemon)
        # both connections are those from before
        until("the connection is known again",
              lambda: web.ask("POST", RUN, request()).status == 200)
        signed(watch.ask("POST", RUN, request()))


def open_again(daemon):
    """Without memfd_secret the new vault is sealed."""
    with daemon.admin() as a:
        until("the vault has started",
              lambda: a.status().text("state") != "starting")
        if a.status().text("state") == "sealed":
            daemon.unseal()


@case
def a_gate_that_dies_is_its_own_loss(daemon):
    path = http_sock(daemon)
    with Web(path) as web:
        signed(web.ask("POST", RUN, request()))
        for gate in daemon.roles()["gate"]:     # one for each user
            os.kill(gate, signal.SIGKILL)
            check(wait_end(gate, SECONDS), "the gate ends")
    signed(ask(path, "POST", RUN, request()))


@case
def a_sealed_store_says_so(daemon):
    with daemon.admin() as a:
        a.seal_store()
    try:
        for method, path, body in (("GET", "/credentials", None),
                                   ("POST", RUN, request())):
            answer = ask(http_sock(daemon), method, path, body)
            equal(answer.status, ERRORS["sealed"], repr(answer))
            check("cretula unseal" in answer.json["detail"], "what to do")
    finally:
        daemon.unseal()


def main():
    with Daemon() as daemon:
        with daemon.admin() as a:
            a.credential_add("raw", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.grant_add(("credential", "raw"), ("op", "sign"),
                        ("uid", os.getuid()), ("max_skew", "any"))
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
