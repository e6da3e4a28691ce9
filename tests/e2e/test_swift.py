#!/usr/bin/python3
"""The main job: Swift's s3api and tempauth, an independent verifier, accepts what
credd signed and refuses it after one changed byte. The verifier is first shown
to refuse with botocore's own signer, so that its consent means something."""
import io
import os
import sys
import urllib.error
import urllib.request

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from lib.case import case, check, equal, run
from lib.daemon import Daemon
from lib.s3judge import Swift

import cretula_signer

USER = "test:tester"
SECRET = "testing-9f1c3b"
BUCKET = "bucket"
KEYS = ["plain", "a b", "ü/é ~!$&'()*+,;=:@", "a//b", "x/./y/../z", "50%25",
        "a+b"]
CONFIG = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})


class Changed:
    """Between client and verifier: sends the request after `change` was at it."""

    def __init__(self, client, change):
        self.client = client
        self.change = change

    def __enter__(self):
        self.client.meta.events.register("before-send.s3", self.mangle)
        return self.client

    def __exit__(self, *_):
        self.client.meta.events.unregister("before-send.s3", self.mangle)

    def mangle(self, request, **_):
        self.change(request)


def own_client(url, secret=SECRET, **options):
    """botocore as it comes, with the secret in its hands."""
    return botocore.session.Session().create_client(
        "s3", endpoint_url=url, region_name="us-east-1",
        aws_access_key_id=USER, aws_secret_access_key=secret,
        config=CONFIG.merge(Config(signature_version="s3v4", **options)))


def credd_client(daemon, url, name="swift"):
    session = botocore.session.Session()
    cretula_signer.attach(session, name, daemon.api)
    return session.create_client("s3", endpoint_url=url,
                                 region_name="us-east-1", config=CONFIG)


def refused(what, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except ClientError as e:
        status = e.response["ResponseMetadata"]["HTTPStatusCode"]
        check(status in (400, 401, 403), what + ": refused, but by", status)
        return
    except urllib.error.HTTPError as e:
        check(e.code in (400, 401, 403), what + ": refused, but by", e.code)
        return
    raise AssertionError(what + " was accepted")


def fetch(url):
    with urllib.request.urlopen(url, timeout=120) as r:
        return r.read()


def change_path(request):
    request.url = request.url.replace("/bucket/good", "/bucket/evil")


def change_body(request):
    request.body = io.BytesIO(b"evil")


def change_query(request):
    request.url += ("&" if "?" in request.url else "?") + "x=1"


def drop_auth(request):
    del request.headers["Authorization"]


def flip(url):
    """The presigned URL with the last digit of its signature changed."""
    head, mark, rest = url.partition("X-Amz-Signature=")
    return head + mark + ("1" if rest[0] == "0" else "0") + rest[1:]


def put(client):
    client.put_object(Bucket=BUCKET, Key="good", Body=b"good")


def try_everything(client, presigner):
    """What every signer has to pass: good accepted, changed refused."""
    put(client)
    for change in (change_path, change_body, change_query, drop_auth):
        with Changed(client, change):
            refused(change.__name__, put, client)
    url = presigner.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": "good"}, ExpiresIn=300)
    equal(fetch(url), b"good", "the presigned body")
    refused("a presigned URL for another path", fetch,
            url.replace("/good", "/evil"))
    refused("a presigned URL with another signature", fetch, flip(url))
    refused("a presigned URL that expires later", fetch,
            url.replace("X-Amz-Expires=300", "X-Amz-Expires=301"))


@case
def verifier_refuses_what_botocore_did_not_sign_right(_, swift):
    good = own_client(swift.url)
    good.create_bucket(Bucket=BUCKET)
    try_everything(good, good)
    wrong = own_client(swift.url, SECRET + "x")
    refused("a wrong key", wrong.list_buckets)
    refused("no authentication", fetch, swift.url + "/bucket/good")


@case
def signed_by_credd_in_the_header_is_accepted(daemon, swift):
    client = credd_client(daemon, swift.url)
    names = [b["Name"] for b in client.list_buckets()["Buckets"]]
    equal(names, [BUCKET], "the buckets")
    for key in KEYS:
        body = ("body of " + key).encode()
        client.put_object(Bucket=BUCKET, Key=key, Body=body,
                          Metadata={"note": "two  blanks"})
        got = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        equal(got, body, "the object " + key)
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix="", MaxKeys=100)
    got = [o["Key"] for o in listed["Contents"]]
    equal([k for k in KEYS if k not in got], [], "keys that are not listed")


@case
def signed_by_credd_and_changed_is_refused(daemon, swift):
    client = credd_client(daemon, swift.url)
    try_everything(client, client)


@case
def presigned_by_credd_is_accepted_for_every_kind_of_name(daemon, swift):
    client = credd_client(daemon, swift.url)
    for key in KEYS:
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        url = client.generate_presigned_url(
            "get_object", Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=60)
        equal(fetch(url), key.encode(), "the presigned object " + key)


@case
def presigned_put_by_credd_is_accepted(daemon, swift):
    client = credd_client(daemon, swift.url)
    url = client.generate_presigned_url(
        "put_object", Params={"Bucket": BUCKET, "Key": "put"}, ExpiresIn=60)
    request = urllib.request.Request(
        url, data=b"from outside", method="PUT",
        headers={"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=120) as r:
        equal(r.status, 200, "the presigned PUT")
    got = client.get_object(Bucket=BUCKET, Key="put")["Body"].read()
    equal(got, b"from outside", "what was put")


@case
def wrong_key_in_credd_is_refused(daemon, swift):
    client = credd_client(daemon, swift.url, "wrong")
    refused("a wrong key", client.list_buckets)


@case
def rotated_key_is_accepted_at_once(daemon, swift):
    client = credd_client(daemon, swift.url, "wrong")
    with daemon.admin() as a:
        a.credential_rotate("wrong", [("access_key", USER)],
                            [("secret_key", SECRET)])
    client.list_buckets()


def prepare(daemon):
    uid = os.getuid()
    with daemon.admin() as a:
        for name, secret in (("swift", SECRET), ("wrong", SECRET + "x")):
            a.credential_add(name, "aws-sigv4", [("access_key", USER)],
                             [("secret_key", secret)])
            a.grant_add(("credential", name), ("op", "sign,presign"),
                        ("uid", uid))


def main():
    with Daemon() as daemon, Swift({USER: SECRET}) as swift:
        prepare(daemon)
        return run(daemon, swift)


if __name__ == "__main__":
    sys.exit(main())
