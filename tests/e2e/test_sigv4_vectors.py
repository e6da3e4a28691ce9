#!/usr/bin/python3
"""Replays the published SigV4 vectors, if their folder is there: canonical
request, string to sign and signature, in headers and in the query."""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
from modrun import Module, Refused  # noqa: E402

VECTORS = os.environ.get("CRETULA_VECTORS") or os.path.join(
    HERE, "..", "..", "..", "shared", "vectors")
NOW = 1440892800    # 2015-08-30
failed = 0


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


def parse(text):
    """Method, raw target, header lines (unfolded by one space), body."""
    head, _, body = text.partition(b"\n\n")
    lines = head.rstrip(b"\n").split(b"\n")
    method, target = re.match(rb"(\S+) (.*) HTTP/1\.1$", lines[0]).groups()
    headers = []
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t"):
            headers[-1] += b" " + line.strip()
        else:
            headers.append(line)
    return method, target, headers, body


def attributes(context, request):
    method, target, headers, body = parse(request)
    stamp = re.sub("[-:]", "", context["timestamp"])
    out = [("method", method), ("target", target), ("target_mode", "raw"),
           ("body", body), ("region", context["region"]), ("time", stamp),
           ("service", context["service"]), ("explain", "yes"),
           ("expires", context["expiration_in_seconds"]),
           ("normalize", "yes" if context["normalize"] else "no")]
    out += [("header", h) for h in headers]
    if context["sign_body"]:
        out.append(("sha256_header", "yes"))
    else:
        out.append(("body_mode", "ignore"))
    if context.get("omit_session_token"):
        out.append(("token", "omit"))
    return out


def parts_of(op, reply):
    value = dict(reply)
    if op == "presign":
        signature = value["query"].rpartition(b"&X-Amz-Signature=")[2]
    else:
        signature = value["header"].rpartition(b"Signature=")[2]
    return {"canonical-request": value["canonical_request"],
            "string-to-sign": value["string_to_sign"],
            "signature": signature}


def lines_of(op, folder, reply):
    """What the vector's signed request has, and ours with the reply added."""
    kind = "query" if op == "presign" else "header"
    signed = parse(read(folder, kind + "-signed-request.txt"))
    given = parse(read(folder, "request.txt"))
    if op == "presign":
        want = sorted(signed[1].partition(b"?")[2].split(b"&"))
        have = [p for p in given[1].partition(b"?")[2].split(b"&") if p]
        return want, sorted(have + dict(reply)["query"].split(b"&"))
    want = sorted(h.lower() for h in signed[2])
    have = given[2] + [v.replace(b": ", b":", 1)
                       for n, v in reply if n == "header"]
    return want, sorted(h.lower() for h in have)


def judge(folder, op, reply):
    """None, or what is wrong."""
    kind = "query" if op == "presign" else "header"
    for part, have in parts_of(op, reply).items():
        want = read(folder, "%s-%s.txt" % (kind, part)).rstrip(b"\n")
        if want != have:
            return "%s is %r, not %r" % (part, have, want)
    want, have = lines_of(op, folder, reply)
    if want != have:
        return "the signed request is %r, not %r" % (have, want)
    return None


def case(module, folder, op):
    global failed
    name = "sigv4-vector %s %s" % (os.path.basename(folder), op)
    context = json.loads(read(folder, "context.json"))
    secrets = context["credentials"]
    credential = {"access_key": secrets["access_key_id"],
                  "secret_key": secrets["secret_access_key"]}
    if "token" in secrets:
        credential["session_token"] = secrets["token"]
    try:
        module.credential(**credential)
        request = read(folder, "request.txt")
        why = judge(folder, op, module.run(op, attributes(context, request)))
    except Refused as e:
        why = "refused, %s" % e
    if why:
        failed += 1
        print("not ok %s - %s" % (name, why))
    else:
        print("ok " + name)


def main():
    top = os.path.join(VECTORS, "aws-sigv4")
    if not os.path.isdir(top):
        print("skip sigv4-vectors - left out: the folder of vectors is absent")
        return 0
    module = Module("aws-sigv4")
    module.now(NOW)
    folders = sorted(f.path for f in os.scandir(top) if f.is_dir())
    for folder in folders:
        case(module, folder, "sign")
        case(module, folder, "presign")
    if not folders:
        print("not ok sigv4-vectors - the folder is empty")
    return 1 if failed or not folders else 0


if __name__ == "__main__":
    sys.exit(main())
