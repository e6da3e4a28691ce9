#!/usr/bin/python3
"""The TLS gates of credd and certmgr, asked by programs that are none of ours: curl,
Python's requests, Node's https, OpenSSL's s_client and gnutls-cli. Each with a
certificate gets an AWS signature that botocore computes as well, and its own agent;
each without one gets 401 as problem+json with WWW-Authenticate; and each refuses a gate
whose CA is not the one that it was given."""
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import types

from lib.ca_cli import until
from lib.case import Skip, case, check, equal, run
from lib.hosts import must_root
from lib.raw import KEY, SECRET
from lib.two import Remote, put

SECONDS = 120
SIGN = "/v1/modules/aws-sigv4/operations/sign/prod"
AGENTS = "/v1/agents"
BODY = '{"TableName":"Öfen & \\"Töpfe\\"","Limit":%d}'
HOST = "dynamodb.eu-central-1.amazonaws.com"
CLEAN = {n: v for n, v in os.environ.items()
         if not n.lower().endswith("_proxy") and n not in (
             "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
             "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS", "NODE_TLS_REJECT_UNAUTHORIZED")}


class Answer:
    """What a client says it got."""

    def __init__(self, status, headers, body):
        self.status = int(status)
        self.headers = {n.lower(): v for n, v in headers.items()}
        self.body = body if isinstance(body, bytes) else body.encode()

    @property
    def type(self):
        return self.headers.get("content-type", "").split(";")[0]

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%d %r %r" % (self.status, self.headers, self.body[:400])


def parse(data):
    """An HTTP/1.1 answer as it travelled, and what follows it."""
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, _ = first.split(" ", 2)
    equal(version, "HTTP/1.1", "version")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int({n.lower(): v for n, v in headers.items()}["content-length"])
    check(len(rest) >= length, "the answer is whole", data)
    return Answer(status, headers, rest[:length]), rest[length:]


def signing(number):
    """A request to be signed, as the body of a request to credd."""
    return {"method": "POST", "target": "/?number=%d&a=%%20b" % number,
            "header": ["Host: " + HOST, "Content-Type: application/x-amz-json-1.0",
                       "X-Amz-Target: DynamoDB_20120810.Scan", "X-Amz-Meta-N:  a   b "],
            "body": BODY % number}


def signature_of(request, added):
    """What botocore computes for that request with the headers that were added."""
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    made = AWSRequest(request["method"], "https://" + HOST + request["target"],
                      data=request["body"].encode())
    for line in request["header"] + added:
        name, _, value = line.partition(":")
        if name.lower() != "authorization":
            made.headers[name] = value.strip()
    made.context["timestamp"] = made.headers["X-Amz-Date"]
    made.context["client_config"] = types.SimpleNamespace(s3={})
    signer = botocore.auth.SigV4Auth(Credentials(KEY, SECRET), "dynamodb",
                                     "eu-central-1")
    return signer.signature(signer.string_to_sign(
        made, signer.canonical_request(made)), made)


def signed(answer, number, body=None):
    """It is the right signature of that request, or of one with that body."""
    equal((answer.status, answer.type), (200, "application/json"), answer)
    added = answer.json["header"]
    line = [h for h in added if h.startswith("Authorization:")]
    equal(len(line), 1, "one Authorization")
    got = re.search("Signature=([0-9a-f]{64})$", line[0])
    check(got, "a signature", line)
    request = signing(number)
    request["body"] = body or request["body"]
    equal(got.group(1), signature_of(request, added), "what botocore computes")


def is_401(answer):
    equal((answer.status, answer.type), (401, "application/problem+json"), answer)
    equal(answer.headers.get("www-authenticate"), 'TLS-Certificate realm="cretula"',
          "WWW-Authenticate")
    p = answer.json
    equal((p["type"], p["status"]), ("urn:cretula:error:unauthenticated", 401), p)
    check("client certificate" in p["detail"] and p["title"] and p["request_id"],
          "says what to do", p)


def tool(*words, stdin=b"", **more):
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(words, input=stdin, stdout=subprocess.PIPE, timeout=SECONDS,
                              stderr=subprocess.PIPE, env={**CLEAN, **more})
    raise Skip("%s is not installed" % words[0])


class Failed(Exception):
    """The client did not ask: what it says."""


class World(Remote):
    def __init__(self, stack):
        super().__init__(stack, listens=True)
        self.credd = self.store()
        self.mine = self.identity("web")
        self.other_root = self.foreign_root()
        with self.credd.admin() as a:
            a.credential_add("prod", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.grant_add(("credential", "prod"), ("cert.o", "web"), ("op", "sign"))
        self.reached(self.credd)
        until("certmgr's gate answers", lambda: self.credd.cli(
            "status", "--connect", self.cm.url, *self.as_("web"),
            check=False).returncode == 0)
        self.agent = [a["agent"] for a in self.cm.list() if a["type"] == "web"]

    def foreign_root(self):
        """Of a CA that has nothing to do with the gates."""
        path = put(self.cm, "foreign.pem", "")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        path + ".key", "-out", path, "-subj", "/CN=other"],
                       check=True, stderr=subprocess.DEVNULL)
        return path


# The clients. Each function asks requests in order over one connection that is kept, and
# gives the answers: ask(world, url, [(method, path, JSON or None)], mine, root).

def by_curl(w, url, asked, mine, root):
    out = os.path.join(w.cm.base, "curl")
    words = ["curl"]
    for n, (method, path, body) in enumerate(asked):
        words += (["--next"] if n else []) + [
            "-sS", "--max-time", str(SECONDS), "--cacert", root, "-X", method,
            "-D", "%s.head%d" % (out, n), "-o", "%s.body%d" % (out, n), "-w",
            "%{http_version} %{num_connects} %{ssl_verify_result}\n"]
        words += ["--cert", mine] if mine else []
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        words.append(url + path)
    done = tool(*words)
    if done.returncode:
        raise Failed("%d %s" % (done.returncode, done.stderr.decode()))
    equal(done.stdout.decode().split("\n")[:-1],
          ["1.1 %d 0" % (n == 0) for n in range(len(asked))],
          "HTTP/1.1 over one connection")
    return [parse(content("%s.head%d" % (out, n)) + content("%s.body%d" % (out, n)))[0]
            for n in range(len(asked))]


def content(path):
    with open(path, "rb") as f:
        return f.read()


def by_requests(_, url, asked, mine, root):
    try:
        import requests
    except ImportError:
        raise Skip("python3-requests is not installed") from None
    with requests.Session() as s:
        s.trust_env, s.verify, s.cert = False, root, mine
        got = []
        for method, path, body in asked:
            try:
                r = s.request(method, url + path, json=body, timeout=SECONDS)
            except requests.exceptions.SSLError as e:
                raise Failed(str(e)) from e
            got.append(Answer(r.status_code, r.headers, r.content))
        pools = s.get_adapter(url).poolmanager.pools
        made = sum(pools[k].num_connections for k in pools.keys())
        equal(made, 1, "connections made")
    return got


NODE_JS = """
const https = require('https'), fs = require('fs');
const [url, root, mine, text] = process.argv.slice(1);
const pem = mine ? fs.readFileSync(mine) : undefined;
const agent = new https.Agent({keepAlive: true, maxSockets: 1, ca: fs.readFileSync(root),
                               key: pem, cert: pem});
function ask([method, path, body]) {
    return new Promise((good, bad) => {
        const data = body === null ? undefined : JSON.stringify(body);
        const headers = data === undefined ? {} : {'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(data)};
        const q = https.request(url + path, {method, agent, headers}, r => {
            const parts = [];
            r.on('data', d => parts.push(d));
            r.on('end', () => good({status: r.statusCode, headers: r.headers,
                again: q.reusedSocket, version: r.httpVersion,
                body: Buffer.concat(parts).toString()}));
            r.on('error', bad);
        });
        q.on('error', bad);
        q.end(data);
    });
}
(async () => {
    const out = [];
    for (const one of JSON.parse(text))
        out.push(await ask(one));
    console.log(JSON.stringify(out));
    agent.destroy();
})().catch(e => { console.error(e.code); process.exit(9); });
"""


def by_node(_, url, asked, mine, root):
    done = tool("node", "-e", NODE_JS, url, root, mine or "", json.dumps(asked))
    if done.returncode:
        equal(done.returncode, 9, done.stderr)
        raise Failed(done.stderr.decode())
    got = json.loads(done.stdout)
    equal([(a["again"], a["version"]) for a in got],
          [(n > 0, "1.1") for n in range(len(asked))], "one connection, kept")
    return [Answer(a["status"], a["headers"], a["body"]) for a in got]


def by_hand(asked):
    """The bytes of these requests, the last of which ends the connection; they are sent
    without waiting for answers."""
    out = b""
    for n, (method, path, body) in enumerate(asked):
        data = b"" if body is None else json.dumps(body).encode()
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: localhost"]
        if body is not None:
            lines += ["Content-Type: application/json", "Content-Length: %d" % len(data)]
        if n == len(asked) - 1:
            lines.append("Connection: close")
        out += "\r\n".join(lines + ["", ""]).encode() + data
    return out


def parse_all(data, count):
    got = []
    for _ in range(count):
        answer, data = parse(data[data.index(b"HTTP/1.1 "):])
        got.append(answer)
    return got


def port_of(url):
    return url.rsplit(":", 1)[1]


def s_client(*more):
    def ask(_, url, asked, mine, root):
        words = ["openssl", "s_client", "-connect", "localhost:" + port_of(url),
                 "-servername", "localhost", "-verify_hostname", "localhost", "-CAfile",
                 root, "-verify_return_error", "-ign_eof", "-nocommands", *more]
        if mine:
            words += ["-cert", mine, "-key", mine, "-cert_chain", mine]
        done = tool(*words, stdin=by_hand(asked))
        said = done.stdout.decode("latin-1")
        if done.returncode:
            check("HTTP/1.1 " not in said, "nothing was asked", said)
            raise Failed(done.stderr.decode())
        check("Verify return code: 0 (ok)" in said, "it believes the gate", said)
        version = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}[more[0]]
        check("New, %s, Cipher is " % version in said, version, said)
        chosen = re.search("^(No ALPN negotiated|ALPN protocol: .*)$", said, re.M)
        equal(chosen.group(1), "ALPN protocol: http/1.1" if "-alpn" in more else
              "No ALPN negotiated", "the protocol")
        return parse_all(done.stdout, len(asked))
    return ask


def by_gnutls(_, url, asked, mine, root):
    words = ["gnutls-cli", "--port", port_of(url), "--x509cafile", root,
             "--logfile=/dev/stderr", "localhost"]
    if mine:
        words += ["--x509certfile", mine, "--x509keyfile", mine]
    done = tool(*words, stdin=by_hand(asked))
    if b"Handshake was completed" not in done.stderr:
        check(done.returncode, "it ends as it should", done)
        raise Failed(done.stderr.decode() + done.stdout.decode())
    return parse_all(done.stdout, len(asked))


def asks(name, ask, refuses):
    """The cases of a client. refuses: what it says of a gate that it does not believe."""
    def signs(w):
        asked = [("POST", SIGN, signing(n)) for n in range(3)]
        for n, answer in enumerate(ask(w, w.credd.url, asked, w.mine, w.root)):
            signed(answer, n)
        one, = ask(w, w.cm.url, [("GET", AGENTS, None)], w.mine, w.root)
        equal((one.status, one.type), (200, "application/json"), one)
        equal([a["agent"] for a in one.json["agents"]], w.agent, "itself")

    def without(w):
        asked = [("GET", "/v1/credentials", None), ("GET", "/healthz", None),
                 ("POST", SIGN, signing(1))]
        first, good, last = ask(w, w.credd.url, asked, None, w.root)
        is_401(first)
        equal((good.status, good.body.strip()), (200, b"ok"), "what is for everybody")
        is_401(last)
        equal(last.headers["connection"].lower(), "close", "as its body is not read")
        refused, good = ask(w, w.cm.url, [("GET", AGENTS, None),
                                          ("GET", "/readyz", None)], None, w.root)
        is_401(refused)
        equal(good.status, 200, "what is for everybody")

    def wrong(w):
        for url in (w.credd.url, w.cm.url):
            try:
                got = ask(w, url, [("GET", "/healthz", None)], w.mine, w.other_root)
            except Failed as e:
                check(re.search(refuses, str(e)), "why", str(e))
            else:
                raise AssertionError("it believes a foreign CA: %r" % got)

    for function, what in ((signs, "with_a_certificate"), (without, "without_one"),
                           (wrong, "believes_only_its_ca")):
        function.__name__ = "%s_%s" % (name, what)
        case(function)


asks("curl", by_curl, "^60 .*certificate")
asks("requests", by_requests, "CERTIFICATE_VERIFY_FAILED")
asks("node", by_node, "^(UNABLE_TO_|SELF_SIGNED_)")
asks("s_client_tls12", s_client("-tls1_2", "-alpn", "http/1.1"), "verify error")
asks("s_client_tls13", s_client("-tls1_3", "-alpn", "h2,http/1.1"), "verify error")
asks("s_client_no_alpn", s_client("-tls1_3"), "verify error")
asks("gnutls_cli", by_gnutls, "certificate is NOT trusted")


# What one of them does that the others do not

@case
def curl_sends_bodies_in_every_way(w):
    """700 kB: of a length that is said or not, waiting for 100 Continue or not. Without
    a certificate nobody reads them, and curl reads the answer all the same."""
    request = {**signing(3), "body": "x" * 700000}
    body = put(w.cm, "body", json.dumps(request))
    chunked = ("-H", "Transfer-Encoding: chunked")
    expect = ("-H", "Expect: 100-continue")
    for more in ((), expect, chunked, chunked + expect, ("--http2",),
                 ("--tls-max", "1.2", "--compressed")):
        words = ["curl", "-sSi", "--max-time", str(SECONDS), "--cacert", w.root,
                 "-H", "Content-Type: application/json", "--data-binary", "@" + body,
                 *more, w.credd.url + SIGN]
        done = tool(*words, "--cert", w.mine)
        equal((done.returncode, done.stderr), (0, b""), more)
        said, rest = done.stdout, b"HTTP/1.1 100 Continue\r\n\r\n"
        equal(said.startswith(rest), "Expect: 100-continue" in more, "it was waited for")
        signed(parse(said[len(rest) if said.startswith(rest) else 0:])[0], 3,
               request["body"])
        done = tool(*words)
        equal(done.returncode, 0, (more, done.stderr))
        is_401(parse(done.stdout)[0])


@case
def requests_sends_what_has_no_length(w):
    try:
        import requests
    except ImportError:
        raise Skip("python3-requests is not installed") from None
    with requests.Session() as s:
        s.trust_env, s.verify, s.cert = False, w.root, w.mine
        for n in range(2):
            data = json.dumps(signing(n)).encode()
            r = s.post(w.credd.url + SIGN, timeout=SECONDS,
                       data=(data[i:i + 7] for i in range(0, len(data), 7)),
                       headers={"Content-Type": "application/json"})
            signed(Answer(r.status_code, r.headers, r.content), n)


@case
def no_session_is_resumed(w):
    """Who comes with somebody's TLS session, and no certificate, is nobody."""
    asked = by_hand([("GET", "/v1/credentials", None)])
    words = ["openssl", "s_client", "-connect", "localhost:" + port_of(w.credd.url),
             "-CAfile", w.root, "-ign_eof", "-nocommands"]
    for version in ("-tls1_2", "-tls1_3"):
        kept = os.path.join(w.cm.base, "session" + version)
        done = tool(*words, version, "-cert", w.mine, "-key", w.mine, "-sess_out", kept,
                    stdin=asked)
        equal(parse_all(done.stdout, 1)[0].status, 200, "with a certificate")
        if not os.path.exists(kept):
            continue        # there was no ticket
        done = tool(*words, version, "-sess_in", kept, stdin=asked)
        check(b"New, " in done.stdout and b"Reused, " not in done.stdout, version)
        is_401(parse_all(done.stdout, 1)[0])


@case
def nobody_negotiates_again(w):
    """In TLS 1.2 a client may want to; its connection ends, the gate goes on."""
    gate = w.credd.roles()["gate"][0]
    with tempfile.TemporaryFile() as out, subprocess.Popen(
            ["openssl", "s_client", "-connect", "localhost:" + port_of(w.credd.url),
             "-CAfile", w.root, "-tls1_2", "-cert", w.mine, "-key", w.mine],
            stdin=subprocess.PIPE, stdout=out, stderr=out) as p:
        p.stdin.write(b"R\n")       # and no end: only the gate ends this
        p.stdin.flush()
        try:
            p.wait(SECONDS)
        finally:
            p.kill()
        out.seek(0)
        said = out.read()
    check(b"RENEGOTIATING" in said, "it wants to", said)
    equal(w.credd.roles()["gate"][0], gate, "the gate")
    signed(by_curl(w, w.credd.url, [("POST", SIGN, signing(1))], w.mine, w.root)[0], 1)


@case
def the_command_gives_the_same_signature(w):
    """The same request at the same time, by `cretula sign` on the host and by curl."""
    request = {**signing(7), "time": "20260102T030405Z"}
    with w.credd.admin() as a:
        a.grant_add(("credential", "prod"), ("cert.o", "web"), ("op", "sign"),
                    ("max_skew", "any"))
        a.grant_add(("credential", "prod"), ("uid", os.getuid()), ("max_skew", "any"))
    text = "\r\n".join(["%(method)s %(target)s HTTP/1.1" % request, *request["header"],
                        "", request["body"]])
    wanted = w.credd.cli("sign", "prod", "time=" + request["time"], "--headers",
                         stdin=text.encode()).stdout.decode()
    got, = by_curl(w, w.credd.url, [("POST", SIGN, request)], w.mine, w.root)
    equal(got.status, 200, got)
    equal("\n".join(got.json["header"]).strip(), wanted.strip(), "the same headers")


def main():
    try:
        must_root()
    except Skip as e:
        print("skip gate_clients - %s" % e, flush=True)
        return 0
    with contextlib.ExitStack() as stack:
        return run(World(stack))


if __name__ == "__main__":
    sys.exit(main())
