#!/usr/bin/python3
"""nginx as it comes with Debian, and other programs that want paths, with the file view:
unchanged, with the certificate that was renewed meanwhile, and without a lost connection."""
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time

from lib.ca_cli import until, url
from lib.case import Skip, case, check, equal, run
from lib.certmgr import OWNER, free_port, is_root, node
from lib.daemon import wait_end

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(TOP, "examples", "nginx")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 90
RENEWALS = 3
HOST = "localhost"
PROFILES = "profile=web life=24h usage=server,client dns={node}\n"
WORKER = "www-data"
LARGE = 8 << 20     # more than all buffers between nginx and who reads


def prefix_free(text):
    return text.strip().lower().lstrip("0")


class Nginx:
    """examples/nginx/start as an agent, or the same with another configuration."""

    def __init__(self, cm, uid, edit=None, options=()):
        if not shutil.which("nginx", path=PATH):
            raise Skip("there is no nginx")
        self.cm, self.port = cm, free_port()
        self.run = tempfile.mkdtemp(dir=cm.base)
        os.chown(self.run, uid, uid)
        os.chmod(self.run, 0o755)
        example = EXAMPLE
        if edit:
            example = os.path.join(self.run, "example")
            shutil.copytree(EXAMPLE, example)
            with open(os.path.join(example, "nginx.conf"), "r+") as f:
                text = edit(f.read(), self.run)
                f.seek(0)
                f.truncate()
                f.write(text)
        self.said = open(os.path.join(cm.base, "nginx.%d" % self.port), "w+b")
        known = {a["agent"] for a in cm.list()}
        words = cm.agent_words(
            "/usr/bin/env", "PATH=" + PATH, "RUN=" + self.run,
            os.path.join(example, "start"), "127.0.0.1:%d" % self.port, view=True,
            options=["--on-renew", "HUP", "--name", HOST] + list(options))
        self.process = cm.popen(*words, uid=uid, stderr=self.said)
        try:
            until("nginx serves", self.serves)
            self.agent, = {a["agent"] for a in cm.list()} - known
        except BaseException:
            self.close()
            raise

    def serves(self):
        check(self.process.poll() is None, "nginx runs", self.errors(b""))
        with contextlib.suppress(ConnectionRefusedError):
            self.serial()
            return True
        return False

    def connect(self, receive=None):
        """A verified connection; receive: the size of its buffer."""
        context = ssl.create_default_context(cafile=self.cm.options["ca_root"])
        plain = socket.socket()
        try:
            if receive:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            plain.settimeout(SECONDS)
            plain.connect(("127.0.0.1", self.port))
            return context.wrap_socket(plain, server_hostname=HOST,
                                       suppress_ragged_eofs=False)
        except BaseException:
            plain.close()
            raise

    def serial(self):
        with self.connect() as c:
            return prefix_free(c.getpeercert()["serialNumber"])

    def shown(self):
        return prefix_free(self.cm.show(self.agent)["serial"])

    def renew(self):
        """A new certificate, served; its serial."""
        old = self.shown()
        self.cm.cli("agent", "renew", self.agent)
        until("there is a renewed one", lambda: self.shown() != old)
        new = self.shown()
        until("nginx serves the renewed one", lambda: self.serial() == new)
        return new

    def workers(self):
        """{pid: uid} of those that take connections."""
        out = {}
        with open("/proc/%d/task/%d/children" % ((self.process.pid,) * 2)) as f:
            for pid in f.read().split():
                with contextlib.suppress(OSError):
                    with open("/proc/%s/cmdline" % pid, "rb") as g:
                        if b"worker process is shutting down" not in g.read():
                            out[int(pid)] = os.stat("/proc/" + pid).st_uid
        return out

    def errors(self, pattern=rb"\[(emerg|alert|crit|error)\]"):
        self.said.seek(0)
        return [line for line in self.said if re.search(pattern, line)]

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(SECONDS)
        self.said.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        wrong = self.errors()
        self.close()
        if kind is None:
            equal(wrong, [], "errors of nginx")


def ask(c, path="/"):
    c.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
    return answer(c)


def answer(c):
    """The body of one answer with a length."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        got = c.recv(1)
        check(got, "an answer has a head", head)
        head += got
    check(head.startswith(b"HTTP/1.1 200 "), "it is an answer", head)
    left = int(re.search(rb"Content-Length: (\d+)", head)[1])
    body = b""
    while len(body) < left:
        got = c.recv(min(left - len(body), 65536))
        check(got, "an answer is whole", len(body), left)
        body += got
    return body


@contextlib.contextmanager
def hammered(nginx):
    """New connections all the time; what became of them: [error or serial]."""
    seen, stop = [], threading.Event()

    def go():
        while not stop.is_set():
            try:
                with nginx.connect() as c:
                    check(ask(c).startswith(b"TLSv1."), "the example's answer")
                    seen.append(prefix_free(c.getpeercert()["serialNumber"]))
            except Exception as e:      # the case says which
                seen.append(e)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


@case
def it_serves_and_reloads(cm):
    with Nginx(cm, OWNER) as nginx:
        serials = [nginx.serial()]
        equal(nginx.shown(), serials[0], "what agent show says")
        with nginx.connect() as idle, nginx.connect() as busy, \
                hammered(nginx) as seen:
            ask(idle)
            ask(busy)
            busy.sendall(b"GET / HTTP/1.1\r\nHost: ")
            for _ in range(RENEWALS):
                serials.append(nginx.renew())
            busy.sendall(b"localhost\r\n\r\n")
            check(answer(busy).startswith(b"TLSv1."),
                  "a request that had begun is answered by the old worker")
            # nginx ends what idles at a reload, in order: no cut, no reset
            equal(idle.recv(1), b"", "a connection without request ends")
        equal([s for s in seen if s not in serials], [], "no connection fails")
        equal(len(set(serials)), RENEWALS + 1, "each renewal is another serial")
        records = [r.text("agent") for r in cm.records("agent.read")]
        check(records.count(nginx.agent) >= 2 * (RENEWALS + 1),
              "each read is on record", len(records))
        agent, pid = nginx.agent, nginx.process.pid
    check(wait_end(pid, SECONDS), "nginx ends")
    until("its end is the agent's", lambda: agent not in
          [a["agent"] for a in cm.list()])


def as_another(text, run):
    """As README.md says for root, and a file that takes its time."""
    with open(os.path.join(run, "large"), "wb") as f:
        f.truncate(LARGE)
    return text.replace("events {", "user %s;\nworker_processes 2;\nevents {"
                        % WORKER, 1).replace(
        "location / {", "location = /large { root %s; }\n\t\tlocation / {" % run, 1)


@case
def workers_of_another_user_serve_what_the_master_read(cm):
    import pwd
    uid = pwd.getpwnam(WORKER).pw_uid
    with Nginx(cm, 0, edit=as_another) as nginx:
        # each is the master's until it has changed its ids
        until("workers are " + WORKER,
              lambda: set(nginx.workers().values()) == {uid})
        old = nginx.workers()
        with nginx.connect(receive=4096) as slow:
            slow.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check(slow.recv(1) == b"H", "it has begun")
            nginx.renew()
            until("other workers serve, theirs too",
                  lambda: not set(nginx.workers()) & set(old) and
                  set(nginx.workers().values()) == {uid})
            got = 1
            while got < LARGE:
                piece = slow.recv(1 << 20)
                check(piece, "a download goes on over a reload", got)
                got += len(piece)


@case
def openssl_s_server_and_s_client(cm):
    port = free_port()
    with cm.shell(OWNER, view=True, options=["--name", HOST]) as agent:
        code, out = agent(
            "cd $CRETULA_DIR && { sleep 60 | openssl s_server -accept 127.0.0.1:%d"
            " -cert cert.pem -key key.pem -cert_chain chain.pem -CAfile ca.pem -Verify 3"
            " -verify_return_error -www -quiet; } >/dev/null 2>&1 & echo started" % port)
        equal(code, 0, out)
        line = ("cd $CRETULA_DIR && printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 20 "
                "openssl s_client -connect 127.0.0.1:%d -servername localhost "
                "-verify_hostname localhost -verify_return_error -CAfile %s "
                "-cert bundle.pem -key bundle.pem -cert_chain chain.pem -ign_eof"
                % (port, cm.options["ca_root"]))
        said = []

        def served():
            said[:] = [agent(line)]
            return b"connect:errno=111" not in said[0][1]
        until("s_server listens", served)
        code, out = said[0]
        check(code == 0 and b"Verify return code: 0 (ok)" in out
              and b"HTTP/1.0 200 ok" in out, "s_client is served", out)


@case
def curl_shows_it_to_the_ca(cm):
    with cm.shell(OWNER, view=True) as agent:
        serials = []
        for _ in range(2):
            serial = cm.show(agent.agent)["serial"]
            code, out = agent(
                "curl -sS --max-time 20 --cacert %s --cert $CRETULA_DIR/cert.pem "
                "--key $CRETULA_DIR/key.pem %s/v1/certificates/%s"
                % (cm.options["ca_root"], url(cm.ca), serial))
            equal(code, 0, out)
            got = json.loads(out)
            equal((got["serial"], got["status"]), (serial, "good"), "what the CA says")
            serials.append(serial)
            cm.cli("agent", "renew", agent.agent)
            until("renewed", lambda: cm.show(agent.agent)["serial"] not in serials)


PYTHON = r"""
import mmap, os, shutil, socket, ssl, sys
d, out = os.environ["CRETULA_DIR"], sys.argv[1]
bundle = os.path.join(d, "bundle.pem")
with open(bundle, "rb") as f:
    want = f.read()
    assert len(want) == os.fstat(f.fileno()).st_size == os.stat(bundle).st_size
    with mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as m:
        assert m[:] == want, "mmap"
    a, b = socket.socketpair()
    assert os.sendfile(a.fileno(), f.fileno(), 0, len(want)) == len(want)
    assert b.recv(1 << 16) == want, "sendfile"
    r, w = os.pipe()
    assert os.splice(f.fileno(), w, len(want), 0) == len(want)
    assert os.read(r, 1 << 16) == want, "splice"
for copy in (shutil.copyfile, shutil.copy, shutil.copy2):
    copy(bundle, out)
    with open(out, "rb") as f:
        assert f.read() == want, copy
    os.unlink(out)
parts = {n: open(os.path.join(d, n + ".pem"), "rb").read()
         for n in ("key", "cert", "chain", "ca")}
assert want == parts["key"] + parts["cert"] + parts["chain"], "bundle"
for pair in ((bundle,), (os.path.join(d, "cert.pem"), os.path.join(d, "key.pem"))):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*pair)
    client = ssl.create_default_context(cafile=os.path.join(d, "ca.pem"))
    client.load_cert_chain(*pair)
    server.load_verify_locations(os.path.join(d, "chain.pem"))
    client.load_verify_locations(os.path.join(d, "chain.pem"))
    server.load_verify_locations(os.path.join(d, "ca.pem"))
    server.verify_mode = ssl.CERT_REQUIRED
    ends = [ssl.MemoryBIO() for _ in range(2)]
    s = server.wrap_bio(ends[0], ends[1], server_side=True)
    c = client.wrap_bio(ends[1], ends[0], server_hostname="localhost")
    left = [c, s]
    for i in range(10):
        for x in list(left):
            try:
                x.do_handshake()
                left.remove(x)
            except ssl.SSLWantReadError:
                pass
    assert not left, "handshake"
    assert s.getpeercert() == c.getpeercert()
print("all well")
"""


@case
def python_reads_maps_copies_and_loads(cm):
    out = tempfile.mkdtemp(dir=cm.base)
    os.chown(out, OWNER, OWNER)
    done = cm.run_agent("/usr/bin/python3", "-c", PYTHON, os.path.join(out, "copy"),
                        uid=OWNER, view=True, options=["--name", HOST])
    equal((done.returncode, done.stdout), (0, b"all well\n"), done.stderr.decode())


@case
def two_thirds_of_its_life_renew_it(cm):
    """Nobody asks for it: the least life that the CA gives, of which a third is over
    at once, so that it is due after 20 seconds."""
    with Nginx(cm, OWNER, options=["--lifetime", "60s"]) as nginx:
        old = nginx.serial()
        with nginx.connect() as c, hammered(nginx) as seen:
            ask(c)
            end = time.monotonic() + 60
            while nginx.serial() == old:
                check(time.monotonic() < end, "it is renewed by itself")
                time.sleep(0.1)
        new = nginx.shown()
        equal([s for s in seen if s not in (old, new)], [], "no connection fails")


def main():
    if not is_root():
        print("skip nginx - the file view needs root")
        return 0
    with node(profiles=PROFILES, node=HOST) as (_, cm):
        cm.grant(OWNER)
        cm.grant(0)
        return run(cm)


if __name__ == "__main__":
    sys.exit(main())
