#!/usr/bin/python3
"""`cretula audit … --ca`: the log shown, verified, proven, exported; and what was
exported or proven, checked by who has nothing else."""
import base64
import json
import sys

from lib.ca_cli import (NOWHERE, enrol, init, path, refused, served, text,
                        usage, write)
from lib.case import case, check, equal, run


@case
def the_log_is_shown_and_verified(ca):
    serial, _ = enrol(ca)
    check("serial=" + serial in text(ca.cli("audit", "show", "--ca", "--last",
                                            "30")), "show")
    done = ca.cli("audit", "verify", "--ca")
    check("records agree with" in text(done), "verify", done)
    note = ca.cli("audit", "show", "--ca", "--checkpoint").stdout
    check(note.startswith(b"cretula/ca/"), "a checkpoint", note)
    write(ca, "note", note)
    done = ca.cli("audit", "verify", "--ca", "--since", path(ca, "note"),
                  "--json")
    equal(json.loads(done.stdout)["since"], "yes", "since")


@case
def a_certificate_is_proven(ca):
    serial, _ = enrol(ca)
    done = ca.cli("audit", "prove", serial)
    proof = json.loads(done.stdout)
    write(ca, "proof", done.stdout)
    checked = ca.cli("audit", "prove", "--verify", path(ca, "proof"),
                     env={"CRETULA_CA": NOWHERE})
    check("serial=" + serial in text(checked), "which one", checked)
    check("is it the log's?" in text(checked), "the key is not trusted")
    got = json.loads(ca.cli("audit", "prove", "--verify", path(ca, "proof"),
                            "--key", proof["key"], "--json").stdout)
    equal((got["good"], got["key_given"], got["record"]["serial"]),
          ("yes", "yes", serial), "as JSON")
    equal(json.loads(ca.cli("audit", "prove", "--ca", "--index", str(
        proof["index"])).stdout)["record"], proof["record"], "by its index")
    key = base64.b64encode(bytes(32)).decode()
    refused(ca, 1, "another key", "audit", "prove", "--verify",
            path(ca, "proof"), "--key", key)
    flipped = bytearray(base64.b64decode(proof["record"]))
    flipped[-1] ^= 1
    for change in ({"index": proof["index"] - 1}, {"size": proof["size"] + 1},
                   {"record": base64.b64encode(flipped).decode()},
                   {"hashes": proof["hashes"][:-1]},
                   {"hashes": proof["hashes"] + [key]},
                   {"checkpoint": proof["checkpoint"].replace("epoch=1",
                                                              "epoch=2")},
                   {"origin": "cretula/ca/" + "0" * 32},
                   {"hashes": "x"}, {"type": "x"}, {"index": -1},
                   {"key": None}):
        refused(ca, 1, "", "audit", "prove", "--verify", write(
            ca, "bad", json.dumps({**proof, **change}).encode()))
    for end in range(0, len(done.stdout) - 1, 97):
        refused(ca, 1, "no proof", "audit", "prove", "--verify",
                write(ca, "cut", done.stdout[:end]))


@case
def what_cannot_be_proven(ca):
    refused(ca, 4, "no record", "audit", "prove", "--ca", "--index", "99999")
    usage(ca, "say which", "audit", "prove")
    usage(ca, "no serial", "audit", "prove", "xyz")
    usage(ca, "--index is a number", "audit", "prove", "--index", "x")
    usage(ca, "goes alone", "audit", "prove", "--verify", "f", "--index", "1")
    usage(ca, "--key is", "audit", "prove", "--verify", "f", "--key", "AA==")


@case
def an_export_is_verified_elsewhere(ca):
    done = ca.cli("audit", "export", "--ca")
    lines = done.stdout.splitlines(keepends=True)
    first = json.loads(lines[0])
    records = [i for i, line in enumerate(lines) if b'"record"' in line]
    equal(len(records), first["size"], "every record")
    nobody = {"CRETULA_CA": NOWHERE}

    def verify(data, *more):
        return ca.cli("audit", "verify", "--from", write(ca, "log", data),
                      "--json", *more, env=nobody, check=False)
    good = verify(done.stdout, "--key", first["key"])
    equal((good.returncode, json.loads(good.stdout)["good"]), (0, "yes"),
          "whole")
    bad = verify(b"".join(lines[:records[0]] + lines[records[0] + 1:]))
    equal((bad.returncode, json.loads(bad.stdout)["good"]), (1, "no"),
          "one record less")
    swapped = list(lines)
    a, b = records[:2]
    swapped[a], swapped[b] = swapped[b], swapped[a]
    equal(verify(b"".join(swapped)).returncode, 1, "two in another order")
    equal(verify(done.stdout, "--key", base64.b64encode(
        bytes(32)).decode()).returncode, 1, "another key")
    for data in (b"", b"{}\n", b"".join(lines[1:]), done.stdout[:-1],
                 lines[0] + done.stdout, b"x" * 300000 + b"\n"):
        equal(verify(data).returncode, 1, "no export")
    usage(ca, "exclude", "audit", "verify", "--ca", "--from", path(ca, "log"))


def main():
    with served() as ca:
        init(ca)
        return run(ca)


if __name__ == "__main__":
    sys.exit(main())
