#!/usr/bin/python3
"""A node that has nothing: what it is told by a file, the kernel's command line, user data
of a cloud, and DNS; whom it believes then, and whom not; that a token which somebody else
has used is noticed on both sides; that a certificate which is not proven is revoked before
it begins."""
import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lib import ca_cli
from lib.ca_cli import until
from lib.case import case, check, equal, run_at_once
from lib.certmgr import NODE, Certmgr, served_ca
from lib.daemon import Ca
from lib.hosts import Net, must_root


@contextlib.contextmanager
def world(**options):
    with served_ca(**options) as ca:
        ca_cli.init(ca)
        yield ca


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, text, mode=0o600):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def root_der(pem):
    return x509.load_pem_x509_certificate(pem)


def hash_of(ca):
    """As the command says it; and as others reckon it."""
    said = json.loads(ca.cli("ca", "root", "--json").stdout)["hash"]
    other = root_der(read(ca_cli.path(ca, "root.pem"))).fingerprint(hashes.SHA256())
    equal(said, "sha256:" + other.hex(), "the hash is the root's")
    return said


def make_token(ca, *more, node=NODE, verify="0"):
    return ca.cli("ca", "token", "--node", node, "--verify-after", verify,
                  *more).stdout.decode().strip()


class Bare(Certmgr):
    """Knows what its options say, and is not started."""

    def __init__(self, ca, **options):
        super().__init__(ca, enrolled=False, **options)
        for name in ("ca", "ca_root", "token"):
            if name not in options:
                self.options.pop(name)

    def begin(self):
        write(self.log_path, "")


def listed(ca, node, *more):
    return [json.loads(line) for line in
            ca.cli("ca", "list", "--node", node, "--json", *more).stdout.splitlines()]


def published(cm):
    return os.path.join(os.path.dirname(cm.api), "root.pem")


def wait_attention(cm, pattern):
    found = []

    def look():
        found[:] = [a for a in cm.attention() if re.search(pattern, a)]
        return found
    until("status says %r" % pattern, look)
    return found[0]


def filed(path, **attrs):
    return write(path, "# made by hand\n\n" + "".join(
        "%s=%s\n" % (n.rstrip("_"), v) for n, v in attrs.items()))


@case
def a_file_gives_token_address_and_hash():
    with world() as ca, Bare(ca) as cm:
        path = filed(os.path.join(cm.base, "boot"), token=make_token(ca),
                     ca=ca_cli.url(ca), ca_hash=hash_of(ca), node=NODE)
        cm.options["bootstrap"] = "file:" + path
        cm.start()
        cm.wait_ready_node()
        equal(cm.status().text("node"), NODE, "it is that node")
        pem = read(published(cm))
        equal(root_der(pem), root_der(read(ca_cli.path(ca, "root.pem"))),
              "the root is published")
        equal(os.stat(published(cm)).st_mode & 0o777, 0o644, "everybody reads it")
        os.unlink(path)
        cm.stop()
        os.unlink(published(cm))
        cm.start()
        cm.wait_ready_node()
        equal(read(published(cm)), pem, "and after a start without any source")


@case
def the_root_of_the_configuration_is_published():
    with world() as ca, Certmgr(ca) as cm:
        equal(read(published(cm)), read(ca_cli.path(ca, "root.pem")),
              "as it is in the file")


@case
def a_root_of_another_hash_is_not_believed():
    with world() as ca, world() as other, Bare(ca) as cm:
        token = make_token(ca)
        path = filed(os.path.join(cm.base, "boot"), token=token,
                     ca=ca_cli.url(ca), ca_hash=hash_of(other))
        cm.options["bootstrap"] = "file:" + path
        cm.start()
        wait_attention(cm, "has not the hash that was given")
        check(not os.path.exists(published(cm)), "nothing is published")
        # another CA, which answers where ours should
        filed(path, token=token, ca=ca_cli.url(other), ca_hash=hash_of(ca))
        cm.reload()
        wait_attention(cm, "'%s' shows has not the hash" % re.escape(ca_cli.url(other)))
        equal(len(ca.cli("ca", "list", "--node", NODE, "--json").stdout), 0,
              "nothing was issued")
        # and the right one
        filed(path, token=token, ca=ca_cli.url(ca), ca_hash=hash_of(ca))
        cm.reload()
        cm.wait_ready_node()


@case
def a_token_without_a_hash_goes_nowhere():
    with world() as ca, Bare(ca) as cm:
        path = filed(os.path.join(cm.base, "boot"), token=make_token(ca),
                     ca=ca_cli.url(ca))
        cm.options["bootstrap"] = "file:" + path
        cm.start()
        wait_attention(cm, "nobody said whom to believe")


# A node's name that leads to this machine, as in a hosts file
NODE_HERE = "localhost"


@case
def a_certificate_counts_once_it_is_proven():
    with world() as ca, Bare(ca) as cm:
        token = make_token(ca, node=NODE_HERE, verify="4")
        path = filed(os.path.join(cm.base, "boot"), token=token,
                     ca=ca_cli.url(ca), ca_hash=hash_of(ca), node=NODE_HERE)
        cm.options["bootstrap"] = "file:" + path
        cm.start()
        wait_attention(cm, "until then the CA looks for the key at 'localhost:")
        cm.wait_ready_node()
        equal(len(listed(ca, NODE_HERE, "--revoked")), 0, "it was proven")
        equal(len(listed(ca, NODE_HERE, "--valid")), 1, "and is valid")


@case
def a_certificate_that_is_not_proven_is_revoked_before_it_begins():
    with world() as ca, Bare(ca) as cm:
        token = make_token(ca, node=NODE_HERE, verify="3")
        path = filed(os.path.join(cm.base, "boot"), token=token,
                     ca=ca_cli.url(ca), ca_hash=hash_of(ca), node=NODE_HERE,
                     verify_endpoint="localhost:9")
        cm.options["bootstrap"] = "file:" + path
        cm.start()
        said = wait_attention(cm, "has not found this node's key at 'localhost:9'")
        check("make another token" in said, "and what to do", said)
        revoked, = listed(ca, NODE_HERE, "--revoked")
        check(revoked["revoked"] <= revoked["not_before"], "before it began", revoked)


@case
def a_token_of_somebody_else_is_an_alarm_on_both_sides():
    with world() as ca, Bare(ca) as cm:
        token = make_token(ca)
        thief = write(os.path.join(cm.base, "stolen"), token)
        ca.cli("ca", "enrol", "--token", "@" + thief, "--csr",
               ca_cli.csr(ca, "thief"))
        path = filed(os.path.join(cm.base, "boot"), token=token,
                     ca=ca_cli.url(ca), ca_hash=hash_of(ca), node=NODE)
        cm.options["bootstrap"] = "file:" + path
        cm.start()
        said = wait_attention(cm, "the token was used by somebody else")
        check("cretula ca revoke --node " + NODE in said, "what to do", said)
        done = cm.cli("status", check=False)
        equal(done.returncode, 7, "status needs attention")
        check(b"theft: token" in ca.cli("status", check=False).stdout, "the CA's status")
        # what is to be done then
        ca.cli("ca", "revoke", "--node", NODE)
        check(b"theft" not in ca.cli("status", check=False).stdout, "is done")
        filed(path, token=make_token(ca), ca=ca_cli.url(ca),
              ca_hash=hash_of(ca), node=NODE)
        cm.reload()
        cm.wait_ready_node()


# By the network, with each source as it is in life

CA_HOST, NODE_HOST, CLOUD_HOST = "ca.example", "n1.example", "cloud.example"
CA_URL = "https://%s:7443" % CA_HOST
METADATA = "169.254.169.254"
TXT = "_cretula.example"


class Metadata(http.server.BaseHTTPRequestHandler):
    """A metadata service by the rules of its second version; data: None or bytes."""
    data, session, asked = None, "AQAEAL-session-token==", []

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        self.asked.append(self.path)
        if self.path != "/latest/api/token":
            self.answer(404)
        elif not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            self.answer(400)
        else:
            self.answer(200, self.session.encode())

    def do_GET(self):
        self.asked.append(self.path)
        if self.headers.get("X-aws-ec2-metadata-token") != self.session:
            self.answer(401)
        elif self.path != "/latest/user-data" or self.data is None:
            self.answer(404)
        else:
            self.answer(200, self.data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def metadata(at, data):
    handler = type("Handler", (Metadata,), {"data": data, "asked": []})
    server = http.server.ThreadingHTTPServer(at, handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Hosts:
    """A CA, a node that knows nothing, and what a cloud has beside them."""

    def __init__(self, stack, **options):
        must_root()
        self.net = stack.enter_context(Net())
        self.on_ca, self.on_node, self.on_cloud = [
            self.net.host(name) for name in (CA_HOST, NODE_HOST, CLOUD_HOST)]
        self.ca = self.on_ca.put(Ca(
            listen=self.on_ca.address + ":7443", tls_names=CA_HOST,
            default_profile="yes", listen_http=self.on_ca.address + ":7080",
            public_url="http://%s:7080" % CA_HOST))
        stack.enter_context(self.ca)
        with self.on_ca.inside():
            ca_cli.init(self.ca)
        self.cm = self.on_node.put(Bare(self.ca, **options))
        del self.cm.options["verify_listen"]    # a host has it for itself
        stack.enter_context(self.cm)

    def told(self, way, url=CA_URL, **more):
        """What `ca token` prints for a source."""
        words = [w for n, v in {"verify-after": "4s", **more}.items()
                 for w in ("--" + n, v)]
        return self.ca.cli("ca", "token", "--node", NODE_HOST, "--for", way,
                           "--url", url, *words).stdout.decode()

    def names(self, stack, *records):
        """A name server on the cloud's host, which the node asks."""
        server = subprocess.Popen(self.on_cloud.words(
            "/usr/sbin/dnsmasq", "--keep-in-foreground", "--no-resolv",
            "--no-hosts", "--conf-file=/dev/null", "--user=root",
            "--listen-address=" + self.on_cloud.address, "--bind-interfaces",
            "--pid-file=", "--log-facility=-",
            *["--txt-record=%s,%s" % r for r in records],
            "--address=/%s/%s" % (CA_HOST, self.on_ca.address)),
            stderr=subprocess.PIPE)
        stack.callback(lambda: (server.kill(), server.wait(), server.stderr.close()))
        for line in server.stderr:
            if b"started" in line:
                break
        self.on_node.write("resolv.conf",
                           "nameserver %s\n" % self.on_cloud.address)
        self.on_node.write("nsswitch.conf",
                           "passwd: files\ngroup: files\nhosts: files dns\n")
        self.on_node.write("hosts", "127.0.0.1 localhost\n")

    def link_local(self):
        self.on_cloud.run("ip", "address", "add", METADATA + "/32", "dev", "eth0")
        self.on_node.run("ip", "route", "add", METADATA + "/32", "dev", "eth0")

    def enrolled(self):
        """It has its certificate, which was proven."""
        wait_attention(self.cm, "until then the CA looks for the key at "
                       "'%s:7446'" % NODE_HOST)
        self.cm.wait_ready_node()
        equal(len(listed(self.ca, NODE_HOST, "--valid")), 1, "it is valid")
        equal(listed(self.ca, NODE_HOST, "--revoked"), [], "and was proven")
        with self.on_node.inside():
            check(refused(self.on_node.address, 7446), "nobody listens any more")


def refused(host, port):
    with socket.socket() as s:
        return s.connect_ex((host, port)) != 0


@contextlib.contextmanager
def hosts(**options):
    with contextlib.ExitStack() as stack:
        yield Hosts(stack, **options), stack


@case
def user_data_of_a_metadata_service_and_the_address_from_dns():
    with hosts(bootstrap="imds") as (w, stack):
        w.names(stack, (TXT, "v=spf1 -all"), (TXT, "cretula-ca=" + CA_URL))
        w.link_local()
        data = w.told("user-data", url="dns:" + TXT)
        data = data.replace("cretula:", "packages:\n  - certmgr\ncretula:") + \
            "users:\n  - default\n"
        with w.on_cloud.inside():
            handler, _ = stack.enter_context(metadata((METADATA, 80), data.encode()))
        w.cm.start()
        w.enrolled()
        equal(handler.asked[:2], ["/latest/api/token", "/latest/user-data"], "asked")
        check(os.path.exists(published(w.cm)), "the root is published")


@case
def the_kernels_command_line():
    with hosts(bootstrap="cmdline") as (w, _):
        line = write(os.path.join(w.cm.base, "cmdline"),
                     "root=/dev/vda1 ro quiet " + w.told("cmdline"), 0o444)
        w.on_node.run("mount", "--bind", line, "/proc/cmdline")
        w.cm.start()
        w.enrolled()


@case
def a_nocloud_file_when_there_is_no_metadata_service():
    with hosts() as (w, stack):
        seed = write(os.path.join(w.cm.base, "user-data"), w.told("user-data"))
        with w.on_node.inside():
            handler, port = stack.enter_context(metadata(("127.0.0.1", 0), None))
        w.cm.options.update(bootstrap="imds,nocloud:" + seed,
                            imds_url="http://127.0.0.1:%d" % port)
        w.cm.start()
        w.enrolled()
        check("/latest/user-data" in handler.asked, "it was asked before")


@case
def a_token_that_lives_too_long_is_not_taken_from_user_data():
    with hosts() as (w, _):
        for more, verify in (("1h", "4s"), ("5m", "no")):
            done = w.ca.cli("ca", "token", "--node", NODE_HOST, "--for", "user-data",
                            "--ttl", more, "--verify-after", verify, check=False)
            equal(done.returncode, 3, "it is not made for that")
            check(b"others may read" in done.stderr, "why", done.stderr)
        seed = os.path.join(w.cm.base, "user-data")
        w.cm.options["bootstrap"] = "nocloud:" + seed
        for i, (ttl, verify) in enumerate((("1h", "4s"), ("5m", "no"))):
            token = make_token(w.ca, "--ttl", ttl, node=NODE_HOST, verify=verify)
            write(seed, "#cloud-config\ncretula:\n  token: %s\n  ca: %s\n"
                  "  ca_hash: %s\n  node: %s\n" % (token, CA_URL, hash_of(w.ca),
                                                  NODE_HOST))
            if i:
                w.cm.reload()
            else:
                w.cm.start()
            wait_attention(w.cm, "by a way that others can read")
            equal(listed(w.ca, NODE_HOST), [], "nothing is issued")
        # a file that others cannot read may have it
        filed(os.path.join(w.cm.base, "boot"), token=token, ca=CA_URL,
              ca_hash=hash_of(w.ca), node=NODE_HOST)
        w.cm.stop()
        w.cm.options["bootstrap"] = "file:" + os.path.join(w.cm.base, "boot")
        w.cm.start()
        w.cm.wait_ready_node()


@case
def names_that_say_nothing_or_too_much():
    with hosts(bootstrap="nocloud:/nowhere") as (w, stack):
        w.names(stack, ("two.example", "cretula-ca=" + CA_URL),
                ("two.example", "cretula-ca=https://other.example:7443"),
                ("none.example", "v=spf1 -all"),
                ("bad.example", "cretula-ca=http://plain.example"))
        seed = os.path.join(w.cm.base, "user-data")
        w.cm.options["bootstrap"] = "nocloud:" + seed
        for name, says in (("two.example", "more than one TXT"),
                           ("none.example", "there is no TXT record"),
                           ("bad.example", "is not where a CA is"),
                           ("missing.example", "missing.example")):
            write(seed, w.told("user-data", url="dns:" + name))
            if w.cm.process and w.cm.process.poll() is None:
                w.cm.reload()
            else:
                w.cm.start()
            wait_attention(w.cm, says)
        equal(listed(w.ca, NODE_HOST), [], "nothing is issued")


@case
def what_is_no_user_data_is_said():
    with world() as ca, Bare(ca) as cm:
        seed = write(os.path.join(cm.base, "user-data"), "#!/bin/sh\n")
        with metadata(("127.0.0.1", 0), b"#cloud-config\n" + b"x: y\n" * 40000) \
                as (handler, port):
            cm.options.update(bootstrap=["imds", "nocloud:" + seed],
                              imds_url="http://127.0.0.1:%d" % port)
            cm.start()
            said = wait_attention(cm, "no bootstrap source has one")
            check("imds: the answer from" in said and "is larger" in said,
                  "too much", said)
            check("nocloud: it does not begin with" in said, "another form", said)
            handler.session = "two lines\nof it"
            cm.reload()
            wait_attention(cm, "gives no session token")
        write(seed, "#cloud-config\ncretula:\n  token: ct1_x\n", 0o666)
        cm.reload()
        until("it is left out", lambda: "file_left_out" in cm.log())


if __name__ == "__main__":
    sys.exit(run_at_once())
