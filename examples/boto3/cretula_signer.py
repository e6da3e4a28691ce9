"""boto3 and botocore sign through credd; no AWS secret is in this process.

    import boto3, cretula_signer
    session = cretula_signer.boto3_session("prod", region_name="eu-west-1")
    session.client("s3").list_buckets()

`attach` does the same to a botocore session that exists. From then on every
client made from the session asks credd for each signature, in the header or, for
generate_presigned_url, in the query. Credentials named here are Cretula's names.
"""
import os
import threading
from urllib.parse import urlencode, urlsplit

import botocore.auth
import botocore.credentials
import botocore.exceptions
import botocore.session

import cretula_native

S3_FAMILY = ("s3", "s3-outposts", "s3-object-lambda", "s3express")
# A body of a form decides what it does (Action=), so policy gets to see it.
FORM_MAX = 256 << 10
FORM = "application/x-www-form-urlencoded"
STREAMING = "STREAMING-"
# Added by whoever signs: what a former attempt left must go.
ADDED = ("Authorization", "Date", "X-Amz-Date", "X-Amz-Security-Token",
         "X-Amz-Content-SHA256")


class Signer:
    """Asks credd for signatures by one credential. For any number of threads
    and across fork: each thread of each process has its own connection,
    because credd answers only the process that connected."""

    def __init__(self, credential, path=None):
        self.credential = credential
        self.path = path
        self.local = threading.local()

    def client(self):
        client = getattr(self.local, "client", None)
        if client is None or self.local.pid != os.getpid():
            client = cretula_native.Client(self.path)
            self.local.client = client
            self.local.pid = os.getpid()
            return client, True
        return client, False

    def drop(self):
        self.local.client.close()
        self.local.client = None

    def run(self, operation, request):
        """A connection may have ended while it was idle (credd restarted):
        then once more on a new one. Signing twice does no harm."""
        client, fresh = self.client()
        try:
            return client.run(self.credential, operation, request)
        except (cretula_native.ProtocolError, OSError):
            self.drop()
            if fresh:
                raise
        return self.client()[0].run(self.credential, operation, request)


class Credentials(botocore.credentials.Credentials):
    """Stands where botocore wants a key pair; carries the signer instead."""

    def __init__(self, signer):
        super().__init__(access_key="cretula:" + signer.credential,
                         secret_key="kept-by-credd", method="cretula")
        self.signer = signer

    def get_frozen_credentials(self):
        return self


class Provider:
    """What a botocore session calls its credential_provider."""

    def __init__(self, signer):
        self.credentials = Credentials(signer)

    def load_credentials(self):
        return self.credentials


class CretulaAuth(botocore.auth.BaseSigner):
    """SigV4 in the Authorization header."""

    REQUIRES_REGION = True
    operation = "sign"

    def __init__(self, credentials, service_name, region_name):
        if not isinstance(credentials, Credentials):
            raise botocore.exceptions.NoCredentialsError()
        self.signer = credentials.signer
        self.service = service_name
        self.region = region_name

    def add_auth(self, request):
        self.prepare(request)
        reply = self.signer.run(self.operation, self.describe(request))
        self.add(request, reply)

    def prepare(self, request):
        for name in ADDED:
            del request.headers[name]

    def describe(self, request):
        """The request as docs/protocol.md wants it. Of its headers those that
        are there by now; the HTTP library adds others, which stay unsigned."""
        prepared = request.prepare()
        url = urlsplit(prepared.url)
        target = (url.path or "/") + ("?" + url.query if url.query else "")
        out = [("method", request.method.upper()), ("target", target)]
        if "Host" not in request.headers:
            out.append(("header", "Host:" + host_of(url)))
        for name, value in request.headers.items():
            if isinstance(value, bytes):
                value = value.decode("utf-8")
            out.append(("header", "%s:%s" % (name, value)))
        out += [("region", self.region), ("service", self.service)]
        return out + self.payload(request)

    def payload(self, request):
        body = request.body
        content_type = request.headers.get("Content-Type", "")
        if isinstance(content_type, bytes):
            content_type = content_type.decode("latin-1")
        digest = self.digest(request)
        if digest.startswith(STREAMING):
            raise botocore.exceptions.UnsupportedSignatureVersionError(
                signature_version="checksum trailers")
        if digest == botocore.auth.UNSIGNED_PAYLOAD:
            return [("payload", "unsigned"), ("sha256_header", "yes")]
        if content_type.startswith(FORM) and isinstance(body, bytes) \
                and len(body) <= FORM_MAX:
            return [("body", body)]
        return [("body_sha256", digest)]

    def digest(self, request):
        """botocore's own judgement of what of the body is to be signed."""
        base = botocore.auth.SigV4Auth
        if self.service in S3_FAMILY:
            base = botocore.auth.S3SigV4Auth
        return base(None, self.service, self.region).payload(request)

    def add(self, request, reply):
        for line in reply.all("header"):
            name, _, value = line.decode("utf-8").partition(":")
            del request.headers[name]
            request.headers[name] = value.strip()


class CretulaQueryAuth(CretulaAuth):
    """SigV4 in the query: a presigned URL."""

    operation = "presign"

    def __init__(self, credentials, service_name, region_name, expires=3600):
        super().__init__(credentials, service_name, region_name)
        self.expires = expires

    def prepare(self, request):
        super().prepare(request)
        content_type = request.headers.get("Content-Type", "")
        if content_type.startswith(FORM):
            del request.headers["Content-Type"]
        # What would be the form of a POST has to stand in the URL.
        if isinstance(request.data, dict) and request.data:
            add_query(request, urlencode(request.data, doseq=True))
            request.data = ""
        request.url = request.prepare().url
        request.params = {}

    def payload(self, request):
        if self.service in S3_FAMILY:
            return [("expires", self.expires)]
        return [("expires", self.expires)] + super().payload(request)

    def add(self, request, reply):
        super().add(request, reply)
        for query in reply.all("query"):
            add_query(request, query.decode("utf-8"))


def host_of(url):
    """As botocore's HTTP library will send it: without the default port."""
    host = url.hostname or ""
    if ":" in host:
        host = "[%s]" % host
    default = {"http": 80, "https": 443}.get(url.scheme)
    if url.port is not None and url.port != default:
        host = "%s:%d" % (host, url.port)
    return host


def add_query(request, query):
    delimiter = "&" if urlsplit(request.url).query else "?"
    request.url += delimiter + query


def choose_signer(signature_version, context, **_):
    """Takes the place of botocore's own choice wherever that is SigV4."""
    wanted = context.get("auth_type") or signature_version
    if not isinstance(signature_version, str) or wanted in ("none", "bearer"):
        return None     # not to be signed, or not by a key
    if wanted.startswith("v4a") or signature_version.endswith("-presign-post"):
        raise botocore.exceptions.UnsupportedSignatureVersionError(
            signature_version=signature_version)
    if wanted == "v4-unsigned-body":
        context["payload_signing_enabled"] = False
    query = signature_version.endswith("-query")
    return "cretula-query" if query else "cretula"


def attach(session, credential, path=None):
    """Makes every client created from this botocore session sign by the
    credential of that name. path: credd's socket, else CRETULA_CREDD."""
    botocore.auth.AUTH_TYPE_MAPS["cretula"] = CretulaAuth
    botocore.auth.AUTH_TYPE_MAPS["cretula-query"] = CretulaQueryAuth
    session.register_component("credential_provider",
                               Provider(Signer(credential, path)))
    events = session.get_component("event_emitter")
    # botocore has an opinion of its own about S3, and asks the longer name first.
    for name in ("choose-signer.s3", "choose-signer"):
        events.register_first(name, choose_signer, unique_id="cretula-" + name)
    return session


def boto3_session(credential, path=None, **options):
    """A boto3.Session (options are its own) that signs through credd."""
    import boto3
    session = attach(botocore.session.Session(), credential, path)
    return boto3.Session(botocore_session=session, **options)
