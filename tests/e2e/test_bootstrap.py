#!/usr/bin/python3
"""A node that has nothing: what it is told by a file, the kernel's command line, user data
of a cloud, and DNS; whom it believes then, and whom not; that a token which somebody else
has used is noticed on both sides; that a certificate which is not proven is revoked before
it begins."""
import contextlib
import json
import os
import re
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lib import ca_cli
from lib.ca_cli import until
from lib.case import case, check, equal, run
from lib.certmgr import NODE, Certmgr, served_ca


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
        cm.options.update(bootstrap="file:" + path, verify_listen="127.0.0.1:0")
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
        cm.options.update(bootstrap="file:" + path, verify_listen="127.0.0.1:0")
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


if __name__ == "__main__":
    sys.exit(run())
