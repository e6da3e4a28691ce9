"""Who stands between certmgr and its CA: a relay that may drop, hold, cut or garble what
passes, and an impostor that answers in the CA's place."""
import contextlib
import http.server
import json
import os
import selectors
import socket
import ssl
import subprocess
import threading
import time

from lib import ca_cli
from lib.ca_cli import until
from lib.case import check, equal
from lib.certmgr import NODE, OWNER, Certmgr, Refused, claim_here, is_root, served_ca
from lib.daemon import as_uid

SECONDS = 120
ME = OWNER if is_root() else None       # who the agents are


def end(sock):
    """Also for those who share it: a fork may hold a copy."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class Between:
    """A port of its own in front of the address HOST:PORT. What it does with who comes:
    pass, drop (closes at once), hold (takes it and is silent) or say (these bytes)."""

    def __init__(self, address):
        self.real = self.address = address
        self.doing, self.words = "pass", b""
        self.came = []          # when: one for each connection
        self.answered = 0       # bytes of the CA
        self.left = None        # so many more of them, then all is cut
        self.piece = 65536      # so many at once
        self.cuts = 0
        self.pairs = {}
        self.held = []
        self.changed = threading.Condition()
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = "https://localhost:%d" % self.listener.getsockname()[1]
        self.ours, self.theirs = socket.socketpair()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.theirs, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ours.close()
        self.thread.join(SECONDS)
        self.drop_all()
        for sock in (self.listener, self.theirs):
            sock.close()
        self.selector.close()

    # What a test tells it

    def tell(self, **what):
        """Takes effect before it returns; True: it was done."""
        with self.changed:
            self.todo = what
            self.ours.send(b"x")
            check(self.changed.wait_for(lambda: self.todo is None, SECONDS),
                  "the relay goes on")

    def do(self, doing, words=b"", address=None):
        """From now on; what was connected is not any more."""
        self.tell(doing=doing, words=words, address=address or self.real,
                  drop=doing != "hold")

    def cut_after(self, left):
        """After so many more bytes of answers all connections end."""
        self.tell(left=left)

    def wait(self, what, condition):
        """Until it holds: looked at whenever something has happened here."""
        with self.changed:
            check(self.changed.wait_for(condition, SECONDS), what,
                  "not within %d s" % SECONDS)

    def wait_came(self, n):
        self.wait("%d connections come" % n, lambda: len(self.came) >= n)

    # Its thread

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.theirs:
                    if not self.theirs.recv(1):
                        return
                    self.take_order()
                elif key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj in self.pairs:
                    self.carry(key.fileobj)
            with self.changed:
                self.changed.notify_all()

    def take_order(self):
        with self.changed:
            if self.todo.pop("drop", False):
                self.drop_all()
            for name, value in self.todo.items():
                setattr(self, name, value)
            self.todo = None

    def drop_all(self):
        for sock in list(self.pairs):
            if sock in self.pairs:
                self.part(sock)
        while self.held:
            end(self.held.pop())

    def part(self, sock):
        other, _ = self.pairs.pop(sock)
        del self.pairs[other]
        for one in (sock, other):
            with contextlib.suppress(KeyError):
                self.selector.unregister(one)
            end(one)

    def accept(self):
        sock, _ = self.listener.accept()
        self.came.append(time.monotonic())
        if self.doing == "hold":
            self.held.append(sock)
        elif self.doing == "pass":
            self.join(sock)
        else:
            with contextlib.suppress(OSError):
                sock.sendall(self.words)
            end(sock)

    def join(self, sock):
        host, port = self.address.rsplit(":", 1)
        try:
            other = socket.create_connection((host, int(port)), SECONDS)
        except OSError:
            end(sock)
            return
        self.pairs[sock] = other, False
        self.pairs[other] = sock, True
        for one in (sock, other):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(one, selectors.EVENT_READ)

    def carry(self, sock):
        other, answers = self.pairs[sock]
        if self.doing == "hold":
            self.selector.unregister(sock)
            return
        try:
            data = sock.recv(self.piece)
            if answers and self.left is not None:
                data, self.left = data[:self.left], self.left - len(data)
            other.sendall(data)
        except OSError:
            data = b""
        if answers:
            self.answered += len(data)
        if self.left is not None and self.left <= 0:
            self.left = None
            self.cuts += 1
            self.drop_all()
        elif not data:
            self.part(sock)


class Impostor:
    """Answers over TLS with that certificate: answer(path) is (status, bytes)."""

    def __init__(self, cert, key, answer):
        owner = self
        self.asked = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.do_GET()

            def do_GET(self):
                owner.asked += 1
                status, body = answer(self.path)
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, address):
                request.settimeout(SECONDS)
                with contextlib.suppress(OSError):
                    with context.wrap_socket(request, server_side=True) as s:
                        self.RequestHandlerClass(s, address, self)

            def handle_error(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       args=(0.05,), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(SECONDS)


def self_signed(folder):
    """(certificate, key) of somebody who says that he is localhost."""
    cert, key = (os.path.join(folder, n) for n in ("odd.pem", "odd.key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                    cert, "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True,
                   stderr=subprocess.DEVNULL)
    return cert, key


@contextlib.contextmanager
def apart(profiles=None, **options):
    """(ca, cm, relay): a node whose CA is behind a relay."""
    with contextlib.ExitStack() as stack:
        ca = stack.enter_context(served_ca())
        if profiles:
            ca.add_profile("test", profiles)
            ca.reload()
        ca_cli.init(ca)
        relay = stack.enter_context(Between(ca.https))
        cm = Certmgr(ca, **options)
        cm.options["ca"] = relay.url
        stack.enter_context(cm)
        yield ca, cm, relay


# What is seen of it

def grant(cm):
    cm.grant(OWNER if is_root() else os.geteuid())


def number(cm, name):
    return int(cm.status().text(name, "0"))


def says(cm, words):
    return any(words in text for text in cm.attention())


def until_away(cm, words="is not reached"):
    until("status says that the CA does not answer", lambda: says(cm, words))


def until_back(cm):
    """All is done, and status has nothing to say."""
    until("all certificates are made", lambda: number(cm, "waiting") == 0)
    until("status says nothing more", lambda: not cm.attention())
    s = cm.status()
    equal((s.text("state"), s.text("ca_away_since")), ("ready", None), "state")


def valid(ca):
    """{agent: [serials]} that the CA has issued and nobody has revoked."""
    out = {}
    for line in ca.cli("ca", "list", "--node", NODE, "--type", "web", "--valid",
                       "--json").stdout.splitlines():
        got = json.loads(line)
        out.setdefault(got["agent"], []).append(got["serial"])
    return out


def each_has_one(ca, agents):
    now = valid(ca)
    equal({a: len(s) for a, s in now.items()}, {a: 1 for a in agents},
          "valid certificates")


def try_claim(api, spawned):
    try:
        return True, claim_here(api, spawned)[0].decode()
    except Refused as e:
        return e.error, e.text


def claim(cm, spawned):
    """Over the socket, by a process that it binds: (True, PEM) or (error, text)."""
    if ME is None:
        return try_claim(cm.api, spawned)
    return as_uid(ME, try_claim, cm.api, spawned)


def has_key(got):
    check(got[0] is True and "PRIVATE KEY" in got[1], "a key", got)
