#!/usr/bin/python3
"""`cretula sign` in all its ways: how a request is read, what each attribute does,
what is refused; signatures compared with botocore's where it signs such a thing,
and with a signer of a few lines that follows AWS's description where it does not."""
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import types
from urllib.parse import parse_qsl, quote, urlsplit

from lib.case import Skip, case, check, equal, run
from lib.daemon import Daemon
from lib.raw import KEY, SCOPE, SECRET

try:
    import datetime

    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    botocore = None

STAMP = "20150830T123600Z"
TIME = "time=" + STAMP
HOST = "Host: bucket.s3.eu-west-1.amazonaws.com\n"
GET = "GET /key HTTP/1.1\n" + HOST
PUT = "PUT /key HTTP/1.1\n" + HOST + "Content-Type: text/plain\n\nhello\n"
EMPTY = hashlib.sha256(b"").hexdigest()
TOKEN = "token/+=" + "t" * 20


def sha(data):
    return hashlib.sha256(data).hexdigest()


def cli(daemon, request, *words, name="plain"):
    if isinstance(request, str):
        request = request.encode()
    return daemon.cli("sign", name, *words, stdin=request, check=False)


def sign(daemon, request, *words, name="plain"):
    """Everything, by --json."""
    done = cli(daemon, request, *words, "--json", name=name)
    equal(done.returncode, 0, "%r %s (%s)" % (request[:60], words,
                                              done.stderr.decode()))
    return json.loads(done.stdout)


def refused(daemon, request, *words, says=(), code=1, name="plain"):
    done = cli(daemon, request, *words, name=name)
    text = done.stderr.decode()
    what = "%r %s (%s)" % (request[:60], words, text)
    equal(done.returncode, code, what)
    equal(done.stdout, b"", what + ": output")
    for word in [says] if isinstance(says, str) else says:
        check(word in text, "it says '%s'" % word, text)


def added(got):
    """The header lines that were added, as a dictionary by lower-case name."""
    lines = got.get("header", [])
    lines = [lines] if isinstance(lines, str) else lines
    return {n.lower(): v.strip() for n, _, v in
            (line.partition(":") for line in lines)}


def signature(got):
    text = json.dumps(got)
    return re.search("Signature=([0-9a-f]{64})", text).group(1)


def by_hand(to_sign, secret=SECRET):
    """The signature of a string to sign, whose scope is its third line."""
    key = ("AWS4" + secret).encode()
    for part in to_sign.split("\n")[2].split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return hmac.new(key, to_sign.encode(), "sha256").hexdigest()


def sound(got, secret=SECRET):
    """The signature fits the string to sign, and that the canonical request."""
    canonical, to_sign = got["canonical_request"], got["string_to_sign"]
    equal(to_sign.split("\n")[3], sha(canonical.encode()), "canonical's hash")
    equal(signature(got), by_hand(to_sign, secret), "the signature")
    return canonical.split("\n")


# How a request is read

@case
def line_ends_folds_and_blank_lines(daemon):
    request = ("POST /a?b=c HTTP/1.1\nHost: h.example\nX-Amz-Fold: one\n  two\n"
               "\tthree\nX-Amz-Other:  a   b  \n\nbody")
    first = sign(daemon, request, *SCOPE)
    check("x-amz-fold:one two three" in first["canonical_request"], "joined",
          first["canonical_request"])
    check("x-amz-other:a b" in first["canonical_request"], "trimmed")
    head, _, body = request.partition("\n\n")
    crlf = head.replace("\n", "\r\n")
    for other in (crlf + "\r\n\r\n" + body, crlf + "\n\r\n" + body,
                  head + "\n\r\n" + body):
        equal(signature(sign(daemon, other, *SCOPE)), signature(first), other)
    no_body = "GET /a HTTP/1.1\nHost: h.example"
    wanted = signature(sign(daemon, no_body + "\n\n", *SCOPE))
    for other in (no_body, no_body + "\n", no_body + "\r\n", no_body + "\r\n\r\n"):
        equal(signature(sign(daemon, other, *SCOPE)), wanted, repr(other))


@case
def whole_request_keeps_every_byte_of_the_body(daemon):
    for body in (b"", b"\n", b"\r\n\r\n", b"\n\nx", bytes(range(256)),
                 os.urandom(70000), os.urandom(3 << 20)):
        request = PUT.partition("\n\n")[0].encode() + b"\n\n" + body
        done = cli(daemon, request, TIME, "--request")
        equal(done.returncode, 0, "%d bytes: %r" % (len(body), done.stderr))
        equal(done.stdout.partition(b"\n\n")[2], body, "%d bytes" % len(body))
        check(("X-Amz-Content-Sha256: " + sha(body)).encode() in done.stdout,
              "and signs their hash")
        again = cli(daemon, request.replace(b"\n", b"\r\n", 3), TIME)
        equal(again.returncode, 0, "with CRLF: %r" % again.stderr)


@case
def what_was_given_stays_as_it_was(daemon):
    out = cli(daemon, PUT, TIME).stdout.decode()
    lines = out.partition("\n\n")[0].split("\n")
    equal(lines[:3], PUT.partition("\n\n")[0].split("\n"), "the given lines")
    equal([line.partition(":")[0] for line in lines[3:]],
          ["X-Amz-Date", "X-Amz-Content-Sha256", "Authorization"], "the added")
    equal(cli(daemon, PUT, TIME, "--headers").stdout.decode(),
          "\n".join(lines[3:]) + "\n", "--headers")
    crlf = cli(daemon, PUT.replace("\n", "\r\n", 4), TIME).stdout
    head = crlf.partition(b"\r\n\r\n")[0]
    equal(head.count(b"\n"), head.count(b"\r\n"), "CRLF stays CRLF")


@case
def content_length_has_to_be_right(daemon):
    request = PUT.replace("Content-Type", "Content-Length: 6\nContent-Type")
    sign(daemon, request, TIME)
    refused(daemon, request + "more", TIME, says=["Content-Length", "10"])


@case
def form_goes_along_whole_and_large_bodies_as_a_hash(daemon):
    for size in (10, 65536, 65537, 200000):
        body = b"Action=ListUsers&Version=2010-05-08&x=" + b"y" * size
        request = (b"POST / HTTP/1.1\nHost: iam.amazonaws.com\nContent-Type: "
                   b"application/x-www-form-urlencoded\n\n" + body)
        canonical = sound(sign(daemon, request, TIME))
        equal(canonical[-1], sha(body), "the hash of %d bytes" % size)


# What the attributes do

@case
def payload_signed_unsigned_and_given(daemon):
    got = sign(daemon, PUT, TIME)
    equal(sound(got)[-1], sha(b"hello\n"), "signed by default")
    equal(added(got)["x-amz-content-sha256"], sha(b"hello\n"), "and said")
    equal(signature(sign(daemon, PUT, TIME, "payload=signed")), signature(got),
          "payload=signed")
    got = sign(daemon, PUT, TIME, "payload=unsigned")
    equal(sound(got)[-1], "UNSIGNED-PAYLOAD", "unsigned")
    equal(added(got)["x-amz-content-sha256"], "UNSIGNED-PAYLOAD", "and said")
    other = sha(b"something else")
    got = sign(daemon, PUT.partition("\n\n")[0], TIME, "payload=" + other)
    equal(sound(got)[-1], other, "given")
    refused(daemon, PUT, TIME, "payload=" + other[:-1], says="payload")
    refused(daemon, PUT, TIME, "payload=maybe", says="payload")


@case
def body_ignore_is_the_hash_of_nothing(daemon):
    got = sign(daemon, PUT, TIME, "body=ignore")
    equal(sound(got)[-1], EMPTY, "the hash")
    refused(daemon, PUT, TIME, "body=ignore", "payload=unsigned", says="payload")
    refused(daemon, PUT, TIME, "body=maybe", code=1, says="sign or ignore")


@case
def sha256_header_is_for_s3_unless_said(daemon):
    host = "GET / HTTP/1.1\nHost: h.example\n"
    for service, wanted in (("s3", True), ("s3-outposts", True),
                            ("s3-object-lambda", True), ("s3express", True),
                            ("iam", False), ("s3tables", False)):
        words = ("region=us-east-1", "service=" + service, TIME)
        name = "x-amz-content-sha256"
        equal(name in added(sign(daemon, host, *words)), wanted, service)
        got = sign(daemon, host, *words, "sha256_header=yes")
        check(name in added(got) and name in sound(got)[-2], "yes: " + service)
        got = sign(daemon, host, *words, "sha256_header=no")
        check(name not in added(got) and name not in sound(got)[-2],
              "no: " + service)
    refused(daemon, host, *SCOPE, "sha256_header=perhaps", says="sha256_header")


@case
def target_as_it_travels_and_raw(daemon):
    def path(target, *words, service="execute-api"):
        got = sign(daemon, "GET %s HTTP/1.1\nHost: h.example\n" % target, TIME,
                   "region=us-east-1", "service=" + service, *words)
        return sound(got)[1:3], got["target"]

    equal(path("/a%20b?c=d%20e")[0], ["/a%2520b", "c=d%20e"], "wire")
    equal(path("/a%20b", service="s3")[0], ["/a%20b", ""], "wire, S3")
    equal(path("/a b?c=d e", "target=raw")[0], ["/a%20b", "c=d%20e"], "raw")
    equal(path("/\u00fc/%20", "target=raw")[0], ["/%C3%BC/%2520", ""], "UTF-8")
    equal(path("/b?z=1&a=2&a=1&A=3")[0][1], "A=3&a=1&a=2&z=1", "sorted")
    equal(path("/b?a&b=")[0][1], "a=&b=", "without a value")
    equal(path("/a/../b/./c//d")[0][0], "/b/c/d", "normalised")
    equal(path("/a/../b/./c//d", "normalize=no")[0][0], "/a/../b/./c//d", "not")
    equal(path("/a/../b//c", service="s3")[0][0], "/a/../b//c", "S3 never")
    equal(path("/a/../b//c", "normalize=yes", service="s3")[0][0],
          "/a/../b//c", "S3 never, whatever is said")
    refused(daemon, "GET /a b HTTP/1.1\nHost: h.example\n", *SCOPE)
    refused(daemon, b"GET /\xff HTTP/1.1\nHost: h.example\n", *SCOPE,
            "target=raw", says="UTF-8")
    refused(daemon, "GET / HTTP/1.1\nHost: h\n", *SCOPE, "target=cooked",
            says="wire or raw")


@case
def some_headers_are_never_signed(daemon):
    never = ["Connection: close", "Expect: 100-continue", "Keep-Alive: 5",
             "Proxy-Anything: x", "TE: trailers", "Trailer: x",
             "Transfer-Encoding: identity", "Upgrade: h2c", "User-Agent: x",
             "X-Amzn-Trace-Id: x", "Sec-WebSocket-Key: x"]
    always = ["Accept: */*", "X-Amz-Meta-A: b", "Range: bytes=0-1", "Date: now"]
    got = sign(daemon, GET + "\n".join(never + always) + "\n", TIME)
    equal(sound(got)[-2], "accept;date;host;range;x-amz-content-sha256;"
          "x-amz-date;x-amz-meta-a", "the signed headers")


@case
def date_and_hash_in_the_request_count(daemon):
    plain = signature(sign(daemon, PUT, TIME))
    dated = PUT.replace(HOST, HOST + "X-Amz-Date: %s\n" % STAMP)
    equal(signature(sign(daemon, dated)), plain, "X-Amz-Date is time=")
    equal(signature(sign(daemon, dated, TIME)), plain, "both, agreeing")
    refused(daemon, dated, "time=20150830T123601Z", says=["time=", "x-amz-date"])
    hashed = PUT.replace(HOST, HOST + "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\n")
    got = sign(daemon, hashed, TIME)
    equal(sound(got)[-1], "UNSIGNED-PAYLOAD", "the header is payload=")
    refused(daemon, hashed, TIME, "payload=" + EMPTY, says="payload")
    wrong = PUT.replace(HOST, HOST + "X-Amz-Content-Sha256: %s\n" % EMPTY)
    refused(daemon, wrong, TIME)


@case
def region_and_service_come_from_the_host_or_the_words(daemon):
    refused(daemon, "GET / HTTP/1.1\nHost: h.example\n", TIME,
            says=["region=", "service="])
    got = sign(daemon, GET, TIME)
    equal(got["string_to_sign"].split("\n")[2],
          "20150830/eu-west-1/s3/aws4_request", "from the host")
    got = sign(daemon, GET, TIME, "region=elsewhere", "service=other")
    equal(got["string_to_sign"].split("\n")[2],
          "20150830/elsewhere/other/aws4_request", "from the words")


@case
def session_token_signed_or_omitted(daemon):
    got = sign(daemon, GET, TIME, name="token")
    equal(added(got)["x-amz-security-token"], TOKEN, "added")
    check("x-amz-security-token" in sound(got)[-2], "and signed")
    got = sign(daemon, GET, TIME, "token=omit", name="token")
    equal(added(got)["x-amz-security-token"], TOKEN, "added")
    check("x-amz-security-token" not in sound(got)[-2], "and not signed")
    url = cli(daemon, GET, TIME, "--url", name="token").stdout.decode()
    check("X-Amz-Security-Token=" + quote(TOKEN, safe="") in url, "in the URL",
          url)
    check("x-amz-security-token" not in added(sign(daemon, GET, TIME)),
          "none without one")


@case
def signed_requests_are_refused_or_signed_anew(daemon):
    out = cli(daemon, PUT, TIME).stdout
    refused(daemon, out, TIME, says=["resign=yes"])
    again = cli(daemon, out, TIME, "resign=yes").stdout
    equal(sorted(again.split(b"\n")), sorted(out.split(b"\n")), "the same again")
    other = sign(daemon, out, "time=20150831T000000Z", "resign=yes")
    equal(added(other)["x-amz-date"], "20150831T000000Z", "the new date")
    sound(other)
    url = cli(daemon, GET, TIME, "--url").stdout.decode().strip()
    parts = urlsplit(url)
    signed = "GET %s?%s HTTP/1.1\nHost: %s\n" % (parts.path, parts.query,
                                                 parts.netloc)
    refused(daemon, signed, TIME, says=["resign=yes"])
    equal(cli(daemon, signed, TIME, "resign=yes", "--url").stdout.decode().strip(),
          url, "the URL again")
    for line in ("Authorization: Basic eA==", "X-Amz-Security-Token: t"):
        refused(daemon, GET + line + "\n", TIME)


# Presigning

@case
def presign_and_its_forms(daemon):
    url = cli(daemon, GET, TIME, "--url").stdout.decode()
    equal(url.count("\n"), 1, "one line")
    parts = urlsplit(url.strip())
    query = dict(parse_qsl(parts.query))
    equal((parts.scheme, parts.netloc, parts.path),
          ("https", "bucket.s3.eu-west-1.amazonaws.com", "/key"), "the URL")
    equal({n: query[n] for n in query if n != "X-Amz-Signature"},
          {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": STAMP,
           "X-Amz-Credential": KEY + "/20150830/eu-west-1/s3/aws4_request",
           "X-Amz-Expires": "900", "X-Amz-SignedHeaders": "host"},
          "the parameters")
    got = sign(daemon, GET, TIME, "op=presign")
    equal(got["url"], url.strip(), "the same in --json")
    equal(sound(got)[-1], "UNSIGNED-PAYLOAD", "what S3 signs")
    whole = cli(daemon, GET, TIME, "op=presign").stdout.decode()
    equal(whole.split("\n")[0], "GET /key?%s HTTP/1.1" % parts.query, "--request")
    equal(cli(daemon, GET, TIME, "op=presign", "--field", "url").stdout.decode(),
          url, "--field url")
    check(cli(daemon, GET, TIME, "--url", "scheme=http").stdout
          .startswith(b"http://bucket"), "scheme=http")
    refused(daemon, GET, TIME, "--url", "scheme=ftp", says="https or http")


@case
def expires_is_a_duration_or_seconds(daemon):
    for word, seconds in (("60", 60), ("90s", 90), ("15m", 900), ("2h", 7200),
                          ("7d", 604800), ("604800", 604800)):
        url = cli(daemon, GET, TIME, "--url", "expires=" + word).stdout.decode()
        check("X-Amz-Expires=%d&" % seconds in url, word, url)
    for word in ("0", "8d", "604801", "-1", "1.5h", "soon", "", "1h30"):
        refused(daemon, GET, TIME, "--url", "expires=" + word, says="expires")


@case
def presign_of_others_signs_the_body(daemon):
    request = "POST / HTTP/1.1\nHost: h.example\n\nbody"
    got = sign(daemon, request, *SCOPE, "op=presign")
    equal(sound(got)[-1], sha(b"body"), "the hash")
    got = sign(daemon, request, *SCOPE, "op=presign", "payload=unsigned")
    equal(sound(got)[-1], "UNSIGNED-PAYLOAD", "unless said")


# Words

@case
def words_are_checked(daemon):
    for words, code in ((("nonsense=1",), 1), (("region",), 2), (("=x",), 2),
                        (("Region=x",), 2), (("region=a", "region=b"), 1),
                        (("time=now",), 1), (("op=dance",), 3),
                        (("token=maybe",), 1), (("resign=maybe",), 1),
                        (("normalize=maybe",), 1), (("header=A:b",), 1),
                        (("method=PUT",), 1), (("body_mode=ignore",), 1),
                        (("--headers", "--url"), 2), (("--json", "--url"), 2),
                        (("--nonsense",), 2)):
        done = cli(daemon, GET, *words)
        equal(done.returncode, code, "%s (%r)" % (words, done.stderr))
        equal(done.stdout, b"", "%s: output" % (words,))


@case
def json_has_everything(daemon):
    got = sign(daemon, PUT, TIME)
    for field in ("header", "version", "request_id", "method", "target", "head",
                  "canonical_request", "string_to_sign"):
        check(got.get(field), field, got)
    equal(got["head"], cli(daemon, PUT, TIME).stdout.decode()
          .partition("hello")[0], "head")
    equal(cli(daemon, PUT, TIME, "--field", "string_to_sign").stdout.decode(),
          got["string_to_sign"] + "\n", "--field")
    check("canonical_request" not in
          sign(daemon, PUT, TIME, "explain=no"), "unless not wanted")


# Given bytes

@case
def data_is_signed_by_hmac(daemon):
    def mac(data, algorithm="sha256"):
        return hmac.new(b"a key", data, algorithm).hexdigest()

    path = os.path.join(daemon.base, "data")
    with open(path, "wb") as f:
        f.write(b"bytes\0and\n")
    for words, stdin, data in ((("data=text",), b"", b"text"),
                               (("data=-",), b"from\nstdin\n", b"from\nstdin\n"),
                               (("data=@" + path,), b"", b"bytes\0and\n"),
                               (("data=",), b"", b"")):
        done = cli(daemon, stdin, *words, name="hook")
        equal((done.returncode, done.stdout.decode()), (0, mac(data) + "\n"),
              "%s (%r)" % (words, done.stderr))
    got = json.loads(cli(daemon, b"", "data=x", "--json", name="hook").stdout)
    equal(got["signature"], mac(b"x"), "as JSON")
    done = cli(daemon, b"", "data=x", "--url", name="hook")
    equal(done.returncode, 2, "there is no URL")
    done = cli(daemon, b"", "data=@/nonexistent", name="hook")
    equal(done.returncode, 1, "no such file")


@case
def template_signs_a_request(daemon):
    request = "POST /x?y=z HTTP/1.1\nHost: h.example\n\nbody"
    out = cli(daemon, request, "time=1440938160", name="templated").stdout
    wanted = base64.b64encode(hmac.new(
        b"a key", b"1440938160.POST./x?y=z.body", "sha512").digest()).decode()
    check("X-Sign: v1=" + wanted in out.decode(), "the header", out)
    done = cli(daemon, request, "time=1440938160", "--json", name="templated")
    equal(json.loads(done.stdout)["signature"], wanted, "as JSON")


# botocore

@case
def botocore_signs_the_same(daemon):
    if botocore is None:
        raise Skip("python3-botocore is not installed")
    moment = datetime.datetime(2015, 8, 30, 12, 36)

    class Clock(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return moment

    botocore.auth.datetime = types.SimpleNamespace(datetime=Clock)
    auth = botocore.auth
    for service, kind in (("s3", auth.S3SigV4Auth), ("sqs", auth.SigV4Auth)):
        for name, token in (("plain", None), ("token", TOKEN)):
            for method, target, body in (
                    ("GET", "/", b""), ("GET", "/a%20b/c?x=1&y=%2F", b""),
                    ("PUT", "/k~-_.", b"body\0\n"), ("POST", "/?q", b"x" * 99999)):
                request = AWSRequest(method, "https://h.example" + target,
                                     data=body, headers={
                                         "Host": "h.example",
                                         "X-Amz-Meta-A": "b  c"})
                request.context["client_config"] = types.SimpleNamespace(
                    s3={"payload_signing_enabled": True})
                kind(Credentials(KEY, SECRET, token), service,
                     "eu-west-1").add_auth(request)
                text = ("%s %s HTTP/1.1\nHost: h.example\nX-Amz-Meta-A: b  c\n\n"
                        % (method, target)).encode() + body
                got = added(sign(daemon, text, TIME, "service=" + service,
                                 "region=eu-west-1", name=name))
                equal(got["authorization"], request.headers["Authorization"],
                      "%s %s %s" % (service, method, target))


def main():
    with Daemon() as daemon:
        with daemon.admin() as a:
            a.credential_add("plain", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
            a.credential_add("token", "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET), ("session_token", TOKEN)])
            a.credential_add("hook", "hmac", [], [("key", "a key")])
            a.credential_add("templated", "hmac", [
                ("template", "{time}.{method}.{target}.{body}"),
                ("algorithm", "sha512"), ("format", "base64"),
                ("header", "X-Sign"), ("prefix", "v1=")], [("key", "a key")])
            a.grant_add(("credential", "plain,token,hook,templated"),
                        ("op", "sign,presign"), ("uid", os.getuid()),
                        ("max_skew", "any"), ("lifetime", "any"))
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
