#!/usr/bin/python3
"""Random requests, signed by the aws-sigv4 module and by botocore: they agree; and
again, signed through a running credd. CRETULA_SEED=N repeats a run, CRETULA_CASES=N
sets how many."""
import datetime
import os
import random
import sys
import types
from urllib.parse import quote, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "lib")]
from lib.daemon import Daemon  # noqa: E402
from lib.signer import Signer  # noqa: E402
from modrun import Module, Refused  # noqa: E402

try:
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    print("skip sigv4-botocore - python3-botocore is not installed")
    sys.exit(0)

SEED = int(os.environ.get("CRETULA_SEED") or random.SystemRandom().getrandbits(32))
CASES = int(os.environ.get("CRETULA_CASES") or 6000)
THROUGH_CREDD = max(CASES // 3, 1)
CREDENTIALS = 8         # that the requests through credd take turns with
MOMENT = datetime.datetime(2015, 8, 30, 12, 36, 0)
STAMP = MOMENT.strftime("%Y%m%dT%H%M%SZ")
EPOCH = 1440938160
SAFE = "-_.~"
rng = random.Random(SEED)


class Clock(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return MOMENT


botocore.auth.datetime = types.SimpleNamespace(datetime=Clock)

ALPHABET = ("abcXYZ019-._~ !\"#$%&'()*+,/:;<=>?@[\\]^`{|}"
            "\u00e9\u1234\u65e5\U0001f600")
PIECES = [".", "..", "", "a", "a b", "%", "%2F", "+", "=", "~", "*", "...",
          "\u00fc", "a:b", "@", "$", "(x)", "'", "x" * 40]


def text(most, alphabet=ALPHABET):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, most)))


def make_path():
    n = rng.choice((0, 1, 1, 2, 3, 5))
    path = "/" + "/".join(rng.choice(PIECES) if rng.random() < .6 else text(9)
                          for _ in range(n))
    if rng.random() < .3 and not path.endswith("/"):
        path += "/"
    return quote(path, safe="/~")


def make_pairs():
    names = [text(6) or "k" for _ in range(rng.choice((0, 0, 1, 2, 4, 9)))]
    if names and rng.random() < .3:
        names += [names[0], names[0] + "-", names[0] + "[]"]
    if rng.random() < .05:
        names += ["X-Amz-Meta", "X-A", "x-amz", "X-Amz-Z"]
    return [(n, text(8)) for n in names]


def make_headers(host):
    lines = [("Host", host)]
    for _ in range(rng.choice((0, 1, 2, 4, 20))):
        name = rng.choice(("X-Amz-Meta-", "x-amz-", "My-", "Range", "B")) \
            + text(3, "aZ0-")
        value = text(12, "ab1,\" \t;=/\u00e9\u65e5")
        lines += [(name, value)] * rng.choice((1, 1, 1, 2))
    if rng.random() < .3:
        lines.append(("Content-Type", rng.choice(
            ("text/plain", "application/json;  charset=utf-8"))))
    if rng.random() < .2:
        lines.append(("User-Agent", text(5, "ab ")))
    return lines


def uglier(encoded):
    """The same bytes, percent-encoded in another way."""
    out = []
    i = 0
    while i < len(encoded):
        c = encoded[i:i + 3] if encoded[i] == "%" else encoded[i]
        i += len(c)
        if rng.random() < .2:
            if len(c) == 3:
                c = rng.choice((c.lower(), c))
                if c.upper() in ("%3A", "%40", "%24", "%21", "%2A", "%2C"):
                    c = chr(int(c[1:], 16))
            elif c != "/":
                c = "%%%02x" % ord(c)
        out.append(c)
    return "".join(out)


def uglier_query(encoded):
    """Pairs in another order of escapes; `a=` may lose its '='."""
    out = []
    for pair in encoded.split("&") if encoded else []:
        name, _, value = pair.partition("=")
        pair = uglier(name) + "=" + uglier(value)
        if not value and rng.random() < .5:
            pair = pair[:-1]
        out.append(pair)
    if out and rng.random() < .2:
        out.insert(rng.randint(0, len(out)), "")    # a=b&&c=d
    return "&".join(out)


class Case:
    def __init__(self):
        self.presign = rng.random() < .4
        self.s3 = rng.random() < .5
        self.service = "s3" if self.s3 else rng.choice(
            ("iam", "sqs", "dynamodb", "execute-api"))
        self.region = rng.choice(("us-east-1", "eu-west-3", "local"))
        self.method = rng.choice(("GET", "PUT", "POST", "DELETE", "HEAD"))
        self.host = rng.choice(("s3.amazonaws.com", "h.example:8443",
                                "BIG.Example", "[::1]:9000", "localhost"))
        self.path = make_path()
        self.pairs = make_pairs()
        self.headers = make_headers(self.host)
        self.body = None
        if not self.presign and rng.random() < .6:
            self.body = rng.randbytes(rng.choice((0, 1, 13, 64, 3000)))
        self.unsigned = self.s3 and not self.presign and rng.random() < .3
        self.token = rng.choice((None, None, "tok/+=" + text(20, "aB9/+=")))
        self.secret = "sec/+=" + text(40, "aB9/+=")
        self.expires = rng.choice((1, 60, 3600, 604800))
        self.timed = False      # the module is told what time it is

    def by_botocore(self):
        """The signed request."""
        query = "&".join("%s=%s" % (quote(n, safe=SAFE), quote(v, safe=SAFE))
                         for n, v in self.pairs)
        url = "https://unused" + self.path + ("?" + query if query else "")
        request = AWSRequest(self.method, url, data=self.body or b"")
        for name, value in self.headers:
            request.headers[name] = value
        request.context["client_config"] = types.SimpleNamespace(
            s3={"payload_signing_enabled": not self.unsigned})
        credentials = Credentials("AKIDEXAMPLE", self.secret, self.token)
        auth = botocore.auth
        if self.presign:
            kind = auth.S3SigV4QueryAuth if self.s3 else auth.SigV4QueryAuth
            signer = kind(credentials, self.service, self.region, self.expires)
        else:
            kind = auth.S3SigV4Auth if self.s3 else auth.SigV4Auth
            signer = kind(credentials, self.service, self.region)
        signer.add_auth(request)
        return request

    def attributes(self, query):
        """For the module: the same request, written uglier where that is the
        same, with headers that are never signed."""
        path = uglier(self.path) if self.s3 else self.path
        query = uglier_query(query)
        target = path + ("?" + query if query or rng.random() < .1 else "")
        headers = list(self.headers)
        if rng.random() < .2:
            headers += [("Connection", "close"), ("TE", "x"),
                        ("Proxy-Foo", "y"), ("Sec-WebSocket-Key", "z"),
                        ("Transfer-Encoding", "chunked")]
        out = [("method", self.method), ("target", target),
               ("region", self.region), ("service", self.service)]
        out += [("header", ("%s:%s" % (n, v)).encode()) for n, v in headers]
        if self.timed or rng.random() < .5:
            out.append(("time", STAMP))
        if self.presign:
            out.append(("expires", self.expires))
        if self.body is not None:
            out.append(("body", self.body))
        if self.unsigned:
            out.append(("payload", "unsigned"))
        return out

    def credential(self):
        out = {"access_key": "AKIDEXAMPLE", "secret_key": self.secret}
        if self.token:
            out["session_token"] = self.token
        return out

    def __str__(self):
        return repr(self.__dict__)


def own_query(url):
    """What of a presigned URL's query was not added by signing, and the rest."""
    query = urlsplit(url).query
    pieces = query.split("&")
    at = next(i for i, p in enumerate(pieces)
              if p.startswith("X-Amz-Algorithm="))
    return "&".join(pieces[:at]), sorted(pieces[at:])


def agree(module, case):
    """None, or the difference."""
    signed = case.by_botocore()
    module.credential(**case.credential())
    if case.presign:
        query, want = own_query(signed.url)
        reply = module.run("presign", case.attributes(query))
        have = sorted(dict(reply)["query"].decode().split("&"))
    else:
        reply = module.run("sign", case.attributes(urlsplit(signed.url).query))
        have = dict((n.lower(), v) for n, _, v in (
            value.decode().partition(": ")
            for name, value in reply if name == "header"))
        want = dict((n.lower(), signed.headers[n]) for n in have)
    return None if have == want else "%r, botocore: %r" % (have, want)


def can_differ(module):
    """The judge is one: another path is another signature."""
    case = Case()
    case.presign = False
    if agree(module, case):
        return "the unchanged case differs"
    signed = case.by_botocore()
    case.path += "x"
    reply = module.run("sign", case.attributes(urlsplit(signed.url).query))
    same = dict(reply)["header"].decode().endswith(
        signed.headers["Authorization"][-64:])
    return "a changed path has the same signature" if same else None


def all_agree(name, signer, count, prepare):
    """True if every case does; says which did not."""
    for number in range(count):
        case = Case()
        prepare(case)
        try:
            why = agree(signer, case)
        except Refused as e:
            why = "refused, %s" % e
        if why:
            print("not ok %s - seed %d case %d: %s in %s" %
                  (name, SEED, number, why, case))
            return False
    print("# seed %d, %d requests" % (SEED, count))
    print("ok %s agrees on generated requests" % name)
    return True


def through_credd():
    keys = [("sec/+=" + text(40, "aB9/+="),
             None if i % 2 else "tok/+=" + text(20, "aB9/+="))
            for i in range(CREDENTIALS)]

    def prepare(case):
        case.timed = True
        case.secret, case.token = rng.choice(keys)

    with Daemon() as daemon:
        return all_agree("sigv4-botocore-credd",
                         Signer(daemon, "aws-sigv4", os.getuid()),
                         THROUGH_CREDD, prepare)


def main():
    module = Module("aws-sigv4")
    module.now(EPOCH)
    good = all_agree("sigv4-botocore", module, CASES, lambda case: None)
    why = can_differ(module)
    print("not ok sigv4-botocore-judge - seed %d: %s" % (SEED, why) if why
          else "ok sigv4-botocore sees a changed path")
    good = through_credd() and good
    return 0 if good and not why else 1


if __name__ == "__main__":
    sys.exit(main())
