#!/usr/bin/python3
"""boto3's clients of five services sign through credd, with the example plug-in.
What reached the wire is signed once more by botocore itself, with the key in its
hands and the same date: header for header and bit for bit the same signature."""
import contextlib
import datetime
import os
import re
import subprocess
import sys
import threading
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import boto3
import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError

from lib.capture import Capture
from lib.case import case, check, equal, run
from lib.daemon import Daemon

import cretula_native
import cretula_signer

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "AQoDYXdzEPT//////////wEXAMPLE+token/with=signs=="
REGION = "eu-west-1"
JSON = ("application/x-amz-json-1.0", b"{}")
XML = ("application/xml", b"<a/>")
CONFIG = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})

# What a client says to an answer that is not the service's. Not Refused.
UNREADABLE = (BotoCoreError, ResponseParserError, KeyError)

# service, method of the client, its arguments, what the server answers
CALLS = [
    ("s3", "list_buckets", {}, XML),
    ("s3", "put_object", {"Bucket": "bucket", "Key": "a b/ü+%2f~!'()*",
                          "Body": b"body", "ContentType": "text/plain",
                          "Metadata": {"note": "two  blanks"}}, XML),
    ("s3", "put_object", {"Bucket": "bucket", "Key": "empty", "Body": b""}, XML),
    ("s3", "list_objects_v2", {"Bucket": "bucket", "Prefix": "a b&=+/ü",
                               "Delimiter": "/", "MaxKeys": 7}, XML),
    ("s3", "get_object", {"Bucket": "bucket", "Key": "a//b/../c",
                          "Range": "bytes=0-9"}, XML),
    ("s3", "delete_object", {"Bucket": "bucket", "Key": "k",
                             "VersionId": "null"}, XML),
    ("s3", "get_bucket_acl", {"Bucket": "bucket"}, XML),
    ("sts", "get_caller_identity", {}, XML),
    ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/r",
                            "RoleSessionName": "a+b=c@d"}, XML),
    ("dynamodb", "list_tables", {"Limit": 3}, JSON),
    ("dynamodb", "get_item", {"TableName": "table", "Key": {"id": {"S": "ü"}}}, JSON),
    ("sqs", "list_queues", {"QueueNamePrefix": "a b"}, XML),
    ("ec2", "describe_instances", {"Filters": [
        {"Name": "tag:Name", "Values": ["a b", "*", "~"]}]}, XML),
]


def session(daemon, name="boto"):
    s = botocore.session.Session()
    return cretula_signer.attach(s, name, daemon.api)


def credd_client(daemon, service, url=None, name="boto", config=CONFIG):
    return session(daemon, name).create_client(
        service, endpoint_url=url, region_name=REGION, config=config)


def own_client(service, url=None, token=None, **options):
    return botocore.session.Session().create_client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id=KEY,
        aws_secret_access_key=SECRET, aws_session_token=token,
        config=CONFIG.merge(Config(**options)))


@contextlib.contextmanager
def time_is(stamp):
    """botocore's clock stands at YYYYMMDDTHHMMSSZ."""
    then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
    with mock.patch("botocore.auth.datetime") as fake:
        fake.datetime.utcnow.return_value = then
        fake.datetime.strptime = datetime.datetime.strptime
        yield


def parse_authorization(text):
    m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^,]+), ?"
                     r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})", text)
    check(m, "an Authorization header of this form", text)
    return m.group(1), m.group(2).split(";"), m.group(3)


def signed_by_botocore(request, service, url, token=None):
    """The Authorization that botocore gives what reached the wire."""
    _, signed, _ = parse_authorization(request.get("Authorization"))
    again = AWSRequest(request.method, url + request.target, data=request.body)
    for name, value in request.headers:
        lower = name.lower()
        if lower in signed and lower not in (
                "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"):
            # the server decodes header lines as Latin-1
            again.headers[name] = value
    s3 = service == "s3"
    base = botocore.auth.S3SigV4Auth if s3 else botocore.auth.SigV4Auth
    auth = base(Credentials(KEY, SECRET, token), service, REGION)
    with time_is(request.get("X-Amz-Date")):
        auth.add_auth(again)
    return again.headers["Authorization"]


def do(client, method, arguments, capture, reply):
    """Makes the call and gives what reached the wire."""
    capture.reply(*reply)
    capture.take()
    with contextlib.suppress(*UNREADABLE):
        getattr(client, method)(**arguments)
    taken = capture.take()
    equal(len(taken), 1, "requests of " + method)
    return taken[0]


@case
def every_call_is_signed_as_botocore_signs_it(daemon, capture):
    for service, method, arguments, reply in CALLS:
        what = "%s.%s" % (service, method)
        client = credd_client(daemon, service, capture.url)
        got = do(client, method, arguments, capture, reply)
        equal(parse_authorization(got.get("Authorization")),
              parse_authorization(signed_by_botocore(got, service, capture.url)),
              what + " " + got.target)
        own = do(own_client(service, capture.url), method, arguments, capture,
                 reply)
        equal(parse_authorization(got.get("Authorization"))[1],
              parse_authorization(own.get("Authorization"))[1],
              what + ": the signed headers")


@case
def session_token_is_sent_and_signed(daemon, capture):
    client = credd_client(daemon, "s3", capture.url, "boto-token")
    got = do(client, "list_buckets", {}, capture, XML)
    equal(got.get("X-Amz-Security-Token"), TOKEN, "the token")
    authorization = parse_authorization(got.get("Authorization"))
    check("x-amz-security-token" in authorization[1], "the token is signed")
    equal(authorization, parse_authorization(
        signed_by_botocore(got, "s3", capture.url, TOKEN)), "the signature")


@case
def presigned_urls_are_those_of_botocore(daemon, _):
    cases = [("s3", "get_object", {"Bucket": "bucket", "Key": "a b/ü+%2f~"}),
             ("s3", "put_object", {"Bucket": "bucket", "Key": "k",
                                   "ContentType": "text/plain"}),
             ("s3", "list_objects_v2", {"Bucket": "bucket", "Prefix": "a &b"}),
             ("sts", "get_caller_identity", {})]
    for service, method, arguments in cases:
        for name, token in (("boto", None), ("boto-token", TOKEN)):
            options = {"signature_version": "s3v4"} if service == "s3" else {}
            got = credd_client(daemon, service, "https://api.example", name)
            own = own_client(service, "https://api.example", token, **options)
            how = {"Params": arguments, "ExpiresIn": 61}
            url = got.generate_presigned_url(method, **how)
            query = dict(parse_qsl(urlsplit(url).query))
            with time_is(query["X-Amz-Date"]):
                wanted = own.generate_presigned_url(method, **how)
            equal(sorted(parse_qsl(urlsplit(url).query, True)),
                  sorted(parse_qsl(urlsplit(wanted).query, True)),
                  "%s.%s presigned with %s" % (service, method, name))
            equal(urlsplit(url)[:3], urlsplit(wanted)[:3], "the rest of it")


def sent_to_aws(client, method, arguments):
    """What would go to the real endpoint, which it never reaches."""
    kept = []

    def keep(request, **_):
        kept.append(request)
        return AWSResponse(request.url, 200, {}, Nothing())

    client.meta.events.register("before-send", keep)
    with contextlib.suppress(*UNREADABLE):
        getattr(client, method)(**arguments)
    return kept[0]


class Nothing:
    def stream(self):
        return iter(())


def text(value):
    return value.decode() if isinstance(value, bytes) else value


@case
def real_endpoints_over_https_are_signed_alike(daemon, _):
    cases = [("s3", "list_buckets", {}),
             ("s3", "get_object", {"Bucket": "bucket", "Key": "a/b"}),
             ("s3", "put_object", {"Bucket": "bucket", "Key": "a",
                                   "Body": b"b", "ContentMD5": "x"}),
             ("iam", "list_users", {}), ("route53", "list_hosted_zones", {}),
             ("lambda", "list_functions", {"MaxItems": 3}),
             ("sts", "get_caller_identity", {})]
    for service, method, arguments in cases:
        what = "%s.%s" % (service, method)
        config = Config(s3={"addressing_style": "virtual"})
        got = sent_to_aws(credd_client(daemon, service, config=config),
                          method, arguments)
        stamp = text(got.headers["X-Amz-Date"])
        own = own_client(service, s3={"addressing_style": "virtual"})
        with time_is(stamp):
            wanted = sent_to_aws(own, method, arguments)
        equal(parse_authorization(text(got.headers["Authorization"])),
              parse_authorization(text(wanted.headers["Authorization"])), what)
        equal(got.headers.get("X-Amz-Content-SHA256"),
              wanted.headers.get("X-Amz-Content-SHA256"), what + ": payload")


@case
def many_threads_sign_at_once(daemon, _):
    """Results are those of one thread: each answer to its own question."""
    client = credd_client(daemon, "s3", "https://api.example")
    wrong = []

    def work(number):
        try:
            for i in range(20):
                key = "k-%d-%d" % (number, i)
                url = client.generate_presigned_url(
                    "get_object", Params={"Bucket": "bucket", "Key": key})
                query = dict(parse_qsl(urlsplit(url).query))
                request = AWSRequest("GET", "https://api.example/bucket/" + key)
                auth = botocore.auth.S3SigV4QueryAuth(
                    Credentials(KEY, SECRET), "s3", REGION, expires=3600)
                request.context["timestamp"] = query["X-Amz-Date"]
                auth._modify_request_before_signing(request)
                wanted = auth.signature(auth.string_to_sign(
                    request, auth.canonical_request(request)), request)
                if query["X-Amz-Signature"] != wanted:
                    wrong.append(key)
        except Exception as e:
            wrong.append(repr(e))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(wrong, [], "what went wrong")


@case
def forked_process_signs_over_a_connection_of_its_own(daemon, _):
    client = credd_client(daemon, "s3", "https://api.example")
    how = {"Params": {"Bucket": "bucket", "Key": "k"}}
    client.generate_presigned_url("get_object", **how)
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(Exception):
            client.generate_presigned_url("get_object", **how)
            code = 0
        os._exit(code)
    equal(os.waitpid(pid, 0)[1], 0, "the child's exit")
    client.generate_presigned_url("get_object", **how)


@case
def what_has_no_grant_is_denied_and_says_so(daemon, _):
    for name in ("boto-nobody", "no-such-credential"):
        client = credd_client(daemon, "s3", "https://api.example", name)
        try:
            client.generate_presigned_url(
                "get_object", Params={"Bucket": "bucket", "Key": "k"})
        except cretula_native.Refused as e:
            equal(e.error, "denied", name)
            check(e.text and e.request_id, "a sentence and a request id", vars(e))
        else:
            raise AssertionError(name + " was signed")


@case
def example_program_runs(daemon, capture):
    capture.reply("application/xml", b"<ListAllMyBucketsResult><Buckets><Bucket>"
                  b"<Name>mine</Name></Bucket></Buckets></ListAllMyBucketsResult>")
    program = os.path.join(os.path.dirname(cretula_signer.__file__), "buckets.py")
    done = subprocess.run(
        ["/usr/bin/python3", program, "boto", REGION, capture.url, "bucket", "k"],
        env=dict(os.environ, CRETULA_CREDD=daemon.api), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=60)
    lines = done.stdout.decode().splitlines()
    equal((done.returncode, lines[:1]), (0, ["mine"]), done.stderr.decode())
    check("X-Amz-Signature=" in lines[1], "a presigned URL", lines)


@case
def boto3_session_of_the_example_works(daemon, capture):
    s = cretula_signer.boto3_session("boto", daemon.api, region_name=REGION)
    check(isinstance(s, boto3.Session), "a boto3 session")
    client = s.client("dynamodb", endpoint_url=capture.url, config=CONFIG)
    got = do(client, "list_tables", {}, capture, JSON)
    equal(parse_authorization(got.get("Authorization")), parse_authorization(
        signed_by_botocore(got, "dynamodb", capture.url)), "the signature")


def prepare(daemon):
    with daemon.admin() as a:
        for name, token in (("boto", None), ("boto-token", TOKEN),
                            ("boto-nobody", None)):
            confidential = [("secret_key", SECRET)]
            if token:
                confidential.append(("session_token", token))
            a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                             confidential)
            if name != "boto-nobody":
                a.grant_add(("credential", name), ("op", "sign,presign"),
                            ("uid", os.getuid()), ("lifetime", "2h"))


def main():
    with Daemon() as daemon, Capture() as capture:
        prepare(daemon)
        return run(daemon, capture)


if __name__ == "__main__":
    sys.exit(main())
