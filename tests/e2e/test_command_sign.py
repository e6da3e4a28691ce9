#!/usr/bin/python3
"""`cretula sign` as its users meet it: the published vectors through the command,
client library, front, vault and worker; every form of output; bad requests."""
import json
import os
import re
import sys

from lib.case import Skip, case, check, equal, run
from lib.daemon import Daemon

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
VANILLA = b"GET / HTTP/1.1\nHost:example.amazonaws.com\n"
SIGNATURE = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
SCOPE = ("region=us-east-1", "service=service", "time=20150830T123600Z")


def vectors():
    folder = os.path.join(os.environ.get("CRETULA_VECTORS", ""), "aws-sigv4")
    if not os.path.isdir(folder):
        raise Skip("the published vectors are not here: CRETULA_VECTORS")
    for name in sorted(os.listdir(folder)):
        yield name, os.path.join(folder, name)


def text(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


def context(folder):
    return json.loads(text(folder, "context.json"))


def words(about, mode):
    """A vector's context as attributes of the command."""
    def yes(flag):
        return "yes" if flag else "no"

    stamp = re.sub(r"[-:]", "", about["timestamp"])
    out = ["region=" + about["region"], "service=" + about["service"],
           "time=" + stamp, "target=raw", "normalize=" + yes(about["normalize"]),
           "body=" + ("sign" if about["sign_body"] else "ignore")]
    if mode == "query":
        return out + ["op=presign", "expires=%d" % about["expiration_in_seconds"]]
    return out + ["sha256_header=" + yes(about["sign_body"])]


def credential(daemon, about):
    """The vector's credential, made when it is first needed."""
    keys = about["credentials"]
    token = keys.get("token")
    name = "vector-token" if token else "vector"
    if name in daemon.made:
        return name
    equal(keys["access_key_id"], KEY, "the vectors' key")
    confidential = [("secret_key", keys["secret_access_key"])]
    if token:
        confidential.append(("session_token", token))
    add(daemon, name, confidential)
    return name


def add(daemon, name, confidential):
    with daemon.admin() as a:
        a.credential_add(name, "aws-sigv4", [("access_key", KEY)], confidential)
        a.grant_add(("credential", name), ("op", "sign,presign"),
                    ("uid", os.getuid()), ("max_skew", "any"),
                    ("lifetime", "any"))
    daemon.made.add(name)


def sign_vector(daemon, folder, mode, form):
    about = context(folder)
    arguments = ["sign", credential(daemon, about)] + words(about, mode)
    if about.get("omit_session_token"):
        arguments.append("token=omit")
    return daemon.cli(*arguments, form,
                      stdin=text(folder, "request.txt")).stdout


def try_vectors(daemon, mode):
    count = 0
    for name, folder in vectors():
        got = json.loads(sign_vector(daemon, folder, mode, "--json"))
        for field, file in (("canonical_request", "canonical-request"),
                            ("string_to_sign", "string-to-sign")):
            equal(got[field], text(folder, "%s-%s.txt" % (mode, file)).decode(),
                  "%s of %s" % (field, name))
        wanted = text(folder, mode + "-signature.txt").decode().strip()
        check(wanted in json.dumps(got), "the signature of " + name, got)
        count += 1
    print("%d vectors" % count)


@case
def vectors_in_the_header(daemon):
    try_vectors(daemon, "header")


@case
def vectors_in_the_query(daemon):
    try_vectors(daemon, "query")


@case
def whole_request_has_headers_body_and_signature(daemon):
    for name, folder in vectors():
        got = sign_vector(daemon, folder, "header", "--request")
        wanted = text(folder, "header-signed-request.txt")
        head, _, body = got.replace(b"\r\n", b"\n").partition(b"\n\n")
        want_head, _, want_body = wanted.partition(b"\n\n")
        equal(body.rstrip(b"\n"), want_body.rstrip(b"\n"), "body of " + name)
        equal(headers(head), headers(want_head), "headers of " + name)


def headers(head):
    """The header lines, order aside, folds joined, blanks as signing sees them."""
    lines = re.sub(rb"\n[ \t]+", b" ", head).split(b"\n")[1:]
    out = []
    for line in lines:
        name, _, value = line.partition(b":")
        value = b" ".join(value.replace(b", ", b",").split())
        out.append((name.strip().lower(), value))
    return sorted(out)


@case
def headers_form_prints_only_what_was_added(daemon):
    out = daemon.cli("sign", "plain", *SCOPE, "--headers", stdin=VANILLA).stdout
    lines = out.decode().splitlines()
    equal(sorted(line.partition(":")[0].lower() for line in lines),
          ["authorization", "x-amz-date"], "the header lines")
    check(SIGNATURE in out.decode(), "the published signature", lines)


@case
def url_form_prints_one_url(daemon):
    for scheme in ("https", "http"):
        out = daemon.cli("sign", "plain", "op=presign", *SCOPE, "expires=60",
                         "scheme=" + scheme, "--url", stdin=VANILLA).stdout
        url = out.decode()
        check(re.fullmatch(scheme + r"://example\.amazonaws\.com/\?\S*"
                           r"X-Amz-Signature=[0-9a-f]{64}\n", url), "a URL", url)


@case
def line_ends_folds_and_missing_blank_lines_are_alike(daemon):
    forms = [VANILLA, VANILLA + b"\n", VANILLA.replace(b"\n", b"\r\n"),
             VANILLA.replace(b"\n", b"\r\n") + b"\r\n", VANILLA[:-1],
             b"GET / HTTP/1.1\nHost: example.amazonaws.com\n\n"]
    for form in forms:
        out = daemon.cli("sign", "plain", *SCOPE, "--headers", stdin=form).stdout
        check(SIGNATURE in out.decode(), "the signature of %r" % form, out)


@case
def date_in_the_request_counts_as_time(daemon):
    dated = VANILLA + b"X-Amz-Date:20150830T123600Z\n"
    out = daemon.cli("sign", "plain", *SCOPE[:2], "--headers", stdin=dated).stdout
    check(SIGNATURE in out.decode(), "the published signature", out)
    done = daemon.cli("sign", "plain", *SCOPE[:2], "time=20150830T123601Z",
                      stdin=dated, check=False)
    equal((done.returncode, done.stdout), (1, b""), "a contradiction")


@case
def region_and_service_follow_from_aws_hosts(daemon):
    for host, scope in (("bucket.s3.eu-west-1.amazonaws.com", "eu-west-1/s3"),
                        ("dynamodb.eu-central-1.amazonaws.com",
                         "eu-central-1/dynamodb"),
                        ("iam.amazonaws.com", "us-east-1/iam"),
                        ("sts.amazonaws.com", "us-east-1/sts"),
                        ("route53.amazonaws.com", "us-east-1/route53"),
                        ("cloudfront.amazonaws.com", "us-east-1/cloudfront")):
        request = ("GET / HTTP/1.1\nHost: %s\n" % host).encode()
        out = daemon.cli("sign", "plain", "--headers", stdin=request).stdout
        check("/%s/aws4_request" % scope in out.decode(), host, out)
    done = daemon.cli("sign", "plain", stdin=b"GET / HTTP/1.1\nHost: a.example\n",
                      check=False)
    check(done.returncode in (1, 2) and done.stderr, "no region, no service", done)


@case
def bad_requests_get_a_sentence_and_no_signature(daemon):
    bad = [b"", b"\n", b"GET\n", b"GET /\n", b"GET / HTTP/1.1\nNoColon\n",
           b"GET / HTTP/1.1\nHost:a\0b\n", b"GET /a\0b HTTP/1.1\nHost:a\n",
           b"GET / HTTP/1.1\n: empty\n", b"GET / HTTP/1.1\n fold:first\n",
           b"GET / HTTP/1.1\nHost:a\nAuthorization:x\n",
           b"GET /?X-Amz-Signature=x HTTP/1.1\nHost:a\n",
           b"GET / HTTP/1.1\n" + b"A:b\n" * 5000,
           b"GET /" + b"a" * (2 << 20) + b" HTTP/1.1\nHost:a\n"]
    for request in bad:
        done = daemon.cli("sign", "plain", *SCOPE, stdin=request, check=False)
        what = "%r" % request[:60]
        check(done.returncode in (1, 2), what + ": exit code", done.returncode)
        equal(done.stdout, b"", what + ": output")
        check(done.stderr.strip() and b"\n" not in done.stderr.strip(b"\n"),
              what + ": one sentence", done.stderr)


@case
def bad_attributes_are_refused(daemon):
    for word in ("region=a/b", "region=a\nb", "service=", "time=2015", "expires=x",
                 "payload=maybe", "no_such=x", "normalize=perhaps",
                 "payload=unsigned body=ignore", "secret_key=x"):
        done = daemon.cli("sign", "plain", *word.split(" "), stdin=VANILLA,
                          check=False)
        check(done.returncode in (1, 2), word + ": exit code", done)
        equal(done.stdout, b"", word + ": output")


@case
def exit_codes_tell_what_happened(daemon):
    equal(daemon.cli("sign", "no-such", *SCOPE, stdin=VANILLA,
                     check=False).returncode, 3, "no grant")
    gone = {"CRETULA_CREDD": os.path.join(daemon.base, "no.sock")}
    equal(daemon.cli("sign", "plain", *SCOPE, stdin=VANILLA, env=gone,
                     check=False).returncode, 6, "no daemon")
    equal(daemon.cli("sign", check=False).returncode, 2, "no name")
    with daemon.admin() as a:
        a.seal_store()
    try:
        equal(daemon.cli("sign", "plain", *SCOPE, stdin=VANILLA,
                         check=False).returncode, 5, "sealed")
    finally:
        daemon.unseal()
    daemon.cli("sign", "plain", *SCOPE, stdin=VANILLA)


def main():
    with Daemon() as daemon:
        daemon.made = set()
        add(daemon, "plain", [("secret_key", SECRET)])
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
