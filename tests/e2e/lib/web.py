"""HTTP over a daemon's UNIX socket, by Python's own http.client and by curl."""
import http.client
import json
import os
import socket
import subprocess

from lib.case import check, equal

SECONDS = 120
JSON = "application/json"
PROBLEM = "application/problem+json"
ERRORS = {"denied": 403, "unauthenticated": 401, "not_found": 404, "exists": 409,
          "invalid": 400, "sealed": 503, "expired": 410, "limited": 429,
          "conflict": 409, "pending": 202, "unavailable": 503, "timeout": 504,
          "module_failed": 502, "too_large": 413, "unsupported": 501,
          "internal": 500}


def http_sock(service):
    return os.path.join(service.folder, "http.sock")


class Web(http.client.HTTPConnection):
    """One keep-alive connection to http.sock."""

    def __init__(self, path):
        super().__init__("localhost", timeout=SECONDS)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, method, path, body=None, **headers):
        """An Answer. body: bytes as they are, anything else as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content_Type", JSON)
        self.request(method, path, body,
                     {k.replace("_", "-"): v for k, v in headers.items()})
        return self.answer()

    def answer(self):
        return Answer(self.getresponse())


class TlsWeb(Web):
    """One keep-alive connection by TLS to `127.0.0.1:PORT`."""

    def __init__(self, address, context):
        super().__init__(None)
        self.address, self.context = address, context

    def connect(self):
        host, _, port = self.address.rpartition(":")
        plain = socket.create_connection((host, int(port)), SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.context.wrap_socket(plain, server_hostname="localhost")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.type = (response.headers.get("Content-Type") or "").split(";")[0]
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%d %s %r" % (self.status, self.type, self.body[:300])


def ask(path, method, target, body=None, **headers):
    """One request on a connection of its own."""
    with Web(path) as web:
        return web.ask(method, target, body, **headers)


def good(answer):
    equal((answer.status, answer.type), (200, JSON), repr(answer))
    return answer.json


def refused(answer, error, words="", status=None):
    """It is that error as problem+json; its members."""
    equal(answer.type, PROBLEM, repr(answer))
    p = answer.json
    equal(p["type"], "urn:cretula:error:" + error, repr(answer))
    equal(p["status"], answer.status, "status in the body")
    equal(answer.status, status or ERRORS[error], "status of " + error)
    check(p["title"] and p["request_id"], "title and request id", p)
    check(words in p["detail"], "the sentence", p["detail"], words)
    if answer.status in (429, 503):
        check(int(answer.headers["Retry-After"]) > 0, "Retry-After")
    return p


def curl(path, target, *words, stdin=b""):
    """What curl prints; it has to succeed."""
    done = subprocess.run(["curl", "-sS", "--max-time", str(SECONDS), "--fail",
                           "--unix-socket", path, *words,
                           "http://localhost" + target], input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(done.returncode == 0, "curl", done.stderr, done.stdout)
    return done.stdout
