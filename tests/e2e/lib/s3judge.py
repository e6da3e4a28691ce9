"""A real verifier of AWS signatures: Debian's Swift, its s3api and tempauth
middleware over a shelf in memory, behind HTTP on the loopback.

Runs in the test, or alone (`s3judge.py judge`, as the tour uses it):

    printf %s SECRET >key; s3judge.py judge USER:NAME key <signed-request.txt

prints the verdict on one request text as it travels and exits 0 if accepted.

Traps that are stepped around here: wsgiref invents a Content-Type and an empty
Content-Length; s3api signs over RAW_PATH_INFO, which wsgiref does not set; whoever
does not read a body never checks its hash; authorization happens in the innermost
application, so a shelf that forgets it accepts everybody.
"""
import hashlib
import io
import json
import logging
import socketserver
import sys
import threading
import time
import wsgiref.simple_server

from swift.common import swob
from swift.common.middleware import tempauth
from swift.common.middleware.s3api import s3api
from swift.common.utils import split_path

logging.getLogger().addHandler(logging.NullHandler())


class Shelf:
    """The innermost application: Swift's accounts, containers and objects."""

    def __init__(self):
        self.containers = {}
        self.puts = []          # (path, SHA-256 of the body) in order

    def __call__(self, env, start_response):
        req = swob.Request(env)
        refused = env["swift.authorize"](req) if "swift.authorize" in env \
            else swob.HTTPForbidden(request=req)
        if refused is not None:
            return refused(env, start_response)
        return self.answer(req)(env, start_response)

    def answer(self, req):
        _, _, container, name = split_path(
            swob.wsgi_to_str(req.environ["PATH_INFO"]), 2, 4, True)
        if not container:
            return self.account(req)
        if not name:
            return self.container(req, container)
        if container not in self.containers:
            return swob.HTTPNotFound(request=req)
        return self.object(req, container, name)

    def account(self, req):
        rows = [{"name": c, "count": len(o), "bytes": 0,
                 "last_modified": "2026-01-01T00:00:00.000000"}
                for c, o in sorted(self.containers.items())]
        return swob.HTTPOk(request=req, body=json.dumps(rows).encode(),
                           content_type="application/json")

    def container(self, req, container):
        if req.method == "PUT":
            self.containers.setdefault(container, {})
            return swob.HTTPCreated(request=req)
        if container not in self.containers:
            return swob.HTTPNotFound(request=req)
        if req.method == "HEAD":
            return swob.HTTPNoContent(request=req)
        if req.method == "DELETE":
            del self.containers[container]
            return swob.HTTPNoContent(request=req)
        rows = [{"name": n, "hash": hashlib.md5(b).hexdigest(),
                 "bytes": len(b), "content_type": "text/plain",
                 "last_modified": "2026-01-01T00:00:00.000000"}
                for n, b in sorted(self.containers[container].items())]
        return swob.HTTPOk(request=req, body=json.dumps(rows).encode(),
                           content_type="application/json")

    def object(self, req, container, name):
        objects = self.containers[container]
        if req.method == "PUT":
            body = req.environ["wsgi.input"].read(int(req.content_length or 0))
            objects[name] = body
            self.puts.append((name, hashlib.sha256(body).hexdigest()))
            return swob.HTTPCreated(request=req, etag=md5(body))
        if name not in objects:
            return swob.HTTPNotFound(request=req)
        if req.method == "DELETE":
            del objects[name]
            return swob.HTTPNoContent(request=req)
        body = objects[name]
        return swob.HTTPOk(request=req, body=body, etag=md5(body),
                           headers={"X-Timestamp": "%.5f" % time.time(),
                                    "Last-Modified": "Thu, 01 Jan 2026 "
                                    "00:00:00 GMT"})


def md5(body):
    return hashlib.md5(body).hexdigest()


class Cache:
    """What s3api and tempauth expect at swift.cache; must be true if empty."""

    def __init__(self):
        self.values = {}

    def get(self, key, *_, **__):
        return self.values.get(key)

    def set(self, key, value, *_, **__):
        self.values[key] = value


def pipeline(users, shelf):
    """s3api, tempauth, shelf. users: {"account:name": secret}."""
    conf = {"reseller_prefix": "AUTH"}
    for user, secret in users.items():
        account, name = user.split(":")
        conf["user_%s_%s" % (account, name)] = "%s .admin" % secret
    app = tempauth.filter_factory({}, **conf)(shelf)
    app = s3api.filter_factory({}, allow_multipart_uploads="no")(app)
    cache = Cache()

    def entry(env, start_response):
        env["swift.cache"] = cache
        env["swift.trans_id"] = "tx"
        return app(env, start_response)

    return entry


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    """wsgiref's, with the environment as Swift's own server makes it."""

    def parse_request(self):
        good = super().parse_request()
        if good and self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return good

    def get_environ(self):
        env = super().get_environ()
        if self.headers.get("Content-Type") is None:
            env.pop("CONTENT_TYPE", None)
        if not env.get("CONTENT_LENGTH"):
            env.pop("CONTENT_LENGTH", None)
        env["RAW_PATH_INFO"] = self.path.split("?", 1)[0]
        return env

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Swift:
    """The verifier on a free loopback port: `with Swift({...}) as s: s.url`."""

    def __init__(self, users):
        self.shelf = Shelf()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.set_app(pipeline(users, self.shelf))
        self.host = "127.0.0.1:%d" % self.server.server_port
        self.url = "http://" + self.host

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def judge(text, users):
    """(status, body) of one HTTP/1.1 request text, without any socket."""
    head, _, body = text.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines = head.decode("latin-1").rstrip("\n").split("\n")
    method, target, _ = lines[0].split(" ", 2)
    path, _, query = target.partition("?")
    shelf = Shelf()
    bucket = path.split("/")[1]
    if bucket:
        shelf.containers[bucket] = {}
    env = {"REQUEST_METHOD": method, "QUERY_STRING": query, "SCRIPT_NAME": "",
           "PATH_INFO": unquoted(path), "RAW_PATH_INFO": path,
           "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "localhost",
           "SERVER_PORT": "80", "wsgi.version": (1, 0), "wsgi.errors": sys.stderr,
           "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
           "wsgi.multithread": False, "wsgi.multiprocess": False,
           "wsgi.run_once": True}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        key = name.strip().upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        env[key] = value.strip()
    if body and "CONTENT_LENGTH" not in env:
        env["CONTENT_LENGTH"] = str(len(body))
    elif method == "PUT":
        env.setdefault("CONTENT_LENGTH", "0")
    answer = {}

    def start_response(status, headers, exc_info=None):
        answer["status"] = int(status.split()[0])

    out = b"".join(pipeline(users, shelf)(env, start_response))
    return answer["status"], out


def unquoted(path):
    from urllib.parse import unquote_to_bytes
    return unquote_to_bytes(path).decode("latin-1")


def main(argv):
    if len(argv) != 4 or argv[1] != "judge":
        print("usage: s3judge.py judge USER:NAME KEY-FILE <REQUEST", file=sys.stderr)
        return 2
    with open(argv[3]) as f:
        users = {argv[2]: f.read().rstrip("\n")}
    status, body = judge(sys.stdin.buffer.read(), users)
    if status < 300:
        print("accepted: HTTP %d" % status)
        return 0
    code = body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()
    print("refused: HTTP %d %s" % (status, code))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
