#!/usr/bin/python3
"""TLS servers and clients of others honour a revocation: each accepts a certificate
before `ca revoke` and refuses it after; the time from the command to the refusal is
printed. OpenSSL's s_server and s_client, nginx and curl, by CRL and by OCSP."""
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

from lib.case import case, check, run
from lib.ca_client import NODE
from lib.pki import World, free_port, put, tool

HOST = "www." + NODE
NOBODY = 65534
SECONDS = 90
NGINX = """\
daemon off; pid {dir}/pid; error_log {dir}/errors info; worker_processes 1;
events {{ worker_connections 64; }}
http {{
	access_log off; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
	fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
	server {{
		listen 127.0.0.1:{port} ssl; server_name {host};
		ssl_session_cache off; ssl_session_tickets off;
		ssl_certificate {chain}; ssl_certificate_key {key};
		{more}
		location / {{ return 200 "here\\n"; }}
	}}
}}
"""


class Place:
    """The CA and an order of revocation, by the command and by the verb."""

    def __init__(self, stack):
        self.w = stack.enter_context(World("p256"))
        self.server = self.leaf("server")       # of those that check clients
        self.root_crl = self.w.crl("/root.crl")[1]

    def leaf(self, id):
        leaf = self.w.enrolled(id, names=[HOST])
        with open(leaf.pem, "rb") as f, open(self.w.issuing.pem, "rb") as g:
            leaf.chain = put(self.w.path(id + ".chain"), f.read() + g.read())
        return leaf

    def revoke(self, leaf, by):
        if by == "verb":
            self.w.revoke(leaf.serial)
        else:       # in the other spelling of a serial
            text = leaf.serial.upper()
            self.w.ca.cli("ca", "revoke", ":".join(
                text[i:i + 2] for i in range(0, len(text), 2)),
                "--reason", "keyCompromise")

    def lists(self):
        """A file with the CRLs as they are now."""
        with open(self.w.crl()[1], "rb") as f, open(self.root_crl, "rb") as g:
            return put(self.w.path("lists.pem"), f.read() + g.read())

    def honoured(self, what, leaf, attempt, refusal, by="command", at_revoke=None):
        """attempt() gives (whether it was accepted, what was said). at_revoke: what
        else the server needs; its old process may take one more then."""
        until(what + ": accepted before", lambda: attempt()[0], attempt)
        start = time.monotonic()
        self.revoke(leaf, by)
        told = time.monotonic()
        if at_revoke:
            at_revoke()
        end = start + SECONDS
        while True:
            taken, said = attempt()
            now = time.monotonic()
            if not taken and (not at_revoke or re.search(refusal, said)):
                break
            check(now < end, what + ": refused after", said)
        check(re.search(refusal, said), what + ": for that reason", said)
        check(at_revoke or not attempt()[0], what + ": and it stays so")
        print("# %5.0f ms from the command to the refusal (%3.0f ms to its end): %s,"
              " revoked by the %s" % ((now - start) * 1e3, (told - start) * 1e3,
                                      what, by), flush=True)


def until(what, done, detail):
    """Asked again and again: each attempt waits for an answer of its own."""
    end = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > end:
            check(False, what, detail())


def ended(process):
    process.terminate()
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def s_server(place, leaf, *more):
    """openssl s_server -www; its port."""
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", leaf.pem, "-key",
         leaf.key_pem, "-cert_chain", place.w.issuing.pem, "-www", *more],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=dict(os.environ, LC_ALL="C"))
    try:
        said = b""
        for line in process.stdout:
            said += line
            m = re.match(rb"ACCEPT 127\.0\.0\.1:(\d+)", line)
            if m:
                break
        else:
            raise AssertionError("s_server did not start: %r" % said)
        yield int(m[1])
    finally:
        ended(process)
        process.stdout.close()


def s_client(place, port, *more):
    code, out = tool("openssl", "s_client", "-connect", "127.0.0.1:%d" % port,
                     "-servername", HOST, "-verify_hostname", HOST, "-CAfile",
                     place.w.root.pem, "-verify_return_error", *more)
    return code == 0 and "Verify return code: 0 (ok)" in out, out


def curl(place, port, *more):
    code, out = tool("curl", "-sS", "-o", "/dev/null", "--cacert", place.w.root.pem,
                     "--connect-to", "%s:443:127.0.0.1:%d" % (HOST, port),
                     "https://%s/" % HOST, *more)
    return code == 0, "%d %s" % (code, out)


def as_client(place, port, leaf):
    """A TLS client with that certificate, and one request."""
    ctx = ssl.create_default_context(cafile=place.w.root.pem)
    ctx.load_cert_chain(leaf.chain, leaf.key_pem)
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as s, \
                ctx.wrap_socket(s, server_hostname=HOST) as t:
            t.sendall(b"GET / HTTP/1.0\r\n\r\n")
            got = b""
            while True:
                part = t.recv(4096)
                if not part:
                    break
                got += part
    except OSError as e:
        return False, repr(e)
    return b" 200 " in got.split(b"\r\n")[0], got.decode("latin-1")


# By the responder that the configuration names, and the one that the leaf names.
NGINX_OCSP = {"command": "leaf; ssl_ocsp_responder %(url)s/ocsp;", "verb": "leaf;"}
NGINX_OCSP_ON = {"on": "on;",
                 "on-responder": "on; ssl_ocsp_responder %(url)s/ocsp;"}


class Nginx:
    """As nobody, in the foreground, at a free port, in a folder of its own."""

    def __init__(self, place, name, leaf, more):
        self.place, self.port = place, free_port()
        self.dir = place.w.path(name)
        os.mkdir(self.dir, 0o755)
        os.chown(self.dir, NOBODY, NOBODY)
        self.conf = put(os.path.join(self.dir, "conf"), NGINX.format(
            dir=self.dir, port=self.port, host=HOST, chain=leaf.chain,
            key=leaf.key_pem, more=more).encode())

    def __enter__(self):
        ids = {"user": NOBODY, "group": NOBODY, "extra_groups": []} \
            if os.geteuid() == 0 else {}
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", self.dir, "-c", self.conf, "-e",
             os.path.join(self.dir, "errors")], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **ids)
        until("nginx listens", self.listens, self.errors)
        return self

    def __exit__(self, *_):
        ended(self.process)

    def listens(self):
        check(self.process.poll() is None, "nginx runs", self.errors())
        try:
            socket.create_connection(("127.0.0.1", self.port), SECONDS).close()
        except ConnectionRefusedError:
            return False
        return True

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def errors(self):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(self.dir, "errors")) as f:
                return f.read()[-4000:]
        return ""


def by_both(place, name, run_one):
    for by in ("command", "verb"):
        leaf = place.leaf("%s-%s" % (name, by))
        run_one(leaf, by)


@case
def s_client_by_a_crl(place):
    def one(leaf, by):
        with s_server(place, leaf) as port:
            place.honoured("openssl s_client -CRL", leaf, lambda: s_client(
                place, port, "-CRL", place.w.crl()[1], "-crl_check"),
                "certificate revoked", by)
    by_both(place, "s_client", one)


@case
def s_client_that_downloads_crls(place):
    """From where the certificate says: its shard. (All of the chain it cannot: it looks
    for the root's list where the root says, and the root says nothing.)"""
    def one(leaf, by):
        with s_server(place, leaf) as port:
            place.honoured("openssl s_client -crl_download", leaf,
                           lambda: s_client(place, port, "-crl_check",
                                            "-crl_download"),
                           "certificate revoked", by)
    by_both(place, "download", one)


@case
def s_server_by_a_crl(place):
    def one(leaf, by):
        def attempt():
            with s_server(place, place.server, "-Verify", "3", "-verify_return_error",
                          "-CAfile", place.w.root.pem, "-CRL", place.w.crl()[1],
                          "-crl_check") as port:
                return as_client(place, port, leaf)
        place.honoured("openssl s_server -Verify -CRL", leaf, attempt,
                       "(?i)alert certificate revoked|ALERT_CERTIFICATE_REVOKED", by)
    by_both(place, "s_server", one)


@case
def s_client_sees_what_is_stapled(place):
    """s_client only shows it; who refuses by it is curl."""
    leaf = place.leaf("stapled")
    def staple():
        code, out = tool("openssl", "ocsp", "-issuer", place.w.issuing.pem, "-cert",
                         leaf.pem, "-url", place.w.url + "/ocsp", "-CAfile",
                         place.w.root.pem, "-no_nonce", "-respout",
                         place.w.path("staple"))
        check("Response verify OK" in out, "an answer to staple", out)
        with s_server(place, leaf, "-status_file", place.w.path("staple")) as port:
            taken, out = s_client(place, port, "-status")
            check(taken and "OCSP Response Status: successful" in out, "stapled", out)
            return "Cert Status: good" in out, out
    place.honoured("openssl s_server -status_file, s_client -status", leaf, staple,
                   "Cert Status: revoked")


@case
def curl_by_a_stapled_answer(place):
    """s_server -status asks ca for each handshake, by the address in the leaf."""
    def one(leaf, by):
        with s_server(place, leaf, "-status", "-CAfile", place.w.issuing.bundle) as port:
            place.honoured("openssl s_server -status, curl --cert-status", leaf,
                           lambda: curl(place, port, "--cert-status"),
                           "^91 .*revocation reason: keyCompromise", by)
    by_both(place, "curl-status", one)


@case
def curl_by_a_crl(place):
    def one(leaf, by):
        with s_server(place, leaf) as port:
            place.honoured("curl --crlfile", leaf, lambda: curl(
                place, port, "--crlfile", place.lists()),
                "^60 .*certificate revoked", by)
    by_both(place, "curl-crl", one)


def nginx_ocsp(place, name, how):
    return Nginx(place, name, place.server, "ssl_verify_client on; ssl_verify_depth 3;"
                 " ssl_client_certificate %s; ssl_ocsp %s" % (
                     place.w.issuing.bundle, how % {"url": place.w.url}))


@case
def nginx_asks_about_its_clients(place):
    def one(leaf, by):
        with nginx_ocsp(place, "nginx-" + by, NGINX_OCSP[by]) as nginx:
            place.honoured("nginx ssl_ocsp " + NGINX_OCSP[by].split(";")[0], leaf,
                           lambda: with_errors(nginx, as_client(
                               place, nginx.port, leaf)),
                           'certificate status "revoked"|certificate revoked', by)
    by_both(place, "nginx-client", one)


@case
def nginx_asks_about_the_issuing_ca_too(place):
    """What the root said of it beforehand."""
    for name, how in NGINX_OCSP_ON.items():
        leaf = place.leaf("nginx-on-" + name)
        with nginx_ocsp(place, name, how) as nginx:
            place.honoured("nginx ssl_ocsp " + name, leaf,
                           lambda n=nginx, one=leaf: with_errors(n, as_client(
                               place, n.port, one)),
                           'certificate status "revoked"|certificate revoked',
                           "command")


def with_errors(nginx, got):
    return got[0], got[1] + nginx.errors()


@case
def nginx_by_a_crl(place):
    leaf = place.leaf("nginx-crl-client")
    lists = place.lists()
    with Nginx(place, "nginx-crl", place.server, "ssl_verify_client on;"
               " ssl_verify_depth 3; ssl_client_certificate %s; ssl_crl %s;" % (
                   place.w.issuing.bundle, lists)) as nginx:
        def anew():
            place.w.crl_with([leaf.serial])
            place.lists()
            nginx.reload()
        place.honoured("nginx ssl_crl, a new list and SIGHUP", leaf,
                       lambda: with_errors(nginx, as_client(
                           place, nginx.port, leaf)), "revoked", at_revoke=anew)


@case
def curl_by_what_nginx_staples(place):
    """nginx keeps what it staples for 5 minutes at least: a reload makes it ask."""
    leaf = place.leaf("nginx-stapled")
    with Nginx(place, "nginx-stapling", leaf, "ssl_stapling on; ssl_stapling_verify"
               " on; ssl_trusted_certificate %s;" % place.w.issuing.bundle) as nginx:
        place.honoured("nginx ssl_stapling and SIGHUP, curl --cert-status", leaf,
                       lambda: with_errors(nginx, curl(place, nginx.port,
                                                       "--cert-status")),
                       r"^91 (.|\n)*revoked", at_revoke=nginx.reload)


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        code = run(Place(stack))
    sys.exit(code)
