#!/usr/bin/python3
"""What bad input gets: a clear error to that client, and nobody else notices. After
every case the processes of credd are the same ones as before it, and another client
gets the right signature."""
import contextlib
import os
import random
import struct
import sys
import time

from lib.case import check, equal, run
from lib.daemon import Daemon
from lib.raw import (CALL, ERROR, REPLY, VANILLA, Raw, encode_attrs, right,
                     run_attrs, signs)
from lib.steady import prepare, steady

from cretula_native import Client, ProtocolError, Refused

MIB = 1 << 20
REQUEST_MAX = (1 << 20) - 64 - 512      # of one request to a module


def ends_with(daemon, data, wanted, what):
    """These bytes end the connection, with that error."""
    with Raw(daemon.api) as c:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            c.send(data)
        error = c.last_words()
    check(error in wanted, "%s ends with %s" % (what, "|".join(wanted)), error)


def answered_with(daemon, attrs, wanted, what):
    """This call gets that error, and the connection goes on."""
    with Raw(daemon.api) as c:
        c.call(7, attrs)
        kind, ident, answer = c.receive()
        equal((kind, ident), (ERROR, 7), what)
        check(answer.text("error") in wanted, "%s gets %s" % (
            what, "|".join(wanted)), list(answer))
        check(answer.text("text"), what + " gets a sentence", list(answer))
        c.call(8, run_attrs())
        kind, ident, answer = c.receive()
        equal((kind, ident), (REPLY, 8), "the next call, after " + what)
        check(right(answer), "it is right")


def attr(name, value=b"", flags=0, name_len=None, value_len=None):
    """One attribute, with lengths that may lie."""
    return struct.pack(">BBI", len(name) if name_len is None else name_len, flags,
                       len(value) if value_len is None else value_len) \
        + name + value


def call(payload, kind=CALL, ident=7, length=None):
    length = 12 + len(payload) if length is None else length
    return struct.pack(">IIQ", length, kind, ident) + payload


# The hello

@steady
def wrong_nonce_is_unauthenticated(daemon):
    with Raw(daemon.api, hello=False) as c:
        c.greeting()
        c.send(bytes(b ^ 1 for b in c.nonce) + b"\0\1")
        equal(c.last_words(), "unauthenticated", "the error")


@steady
def unknown_version_is_unsupported(daemon):
    for version in (0, 2, 65535):
        with Raw(daemon.api, hello=False) as c:
            low, high = c.greeting()
            equal((low, high), (1, 1), "the versions offered")
            c.send(c.nonce + struct.pack(">H", version))
            equal(c.last_words(), "unsupported", "version %d" % version)


@steady
def hello_in_pieces_is_refused(daemon):
    with Raw(daemon.api, hello=False) as c:
        c.greeting()
        c.send(c.nonce)
        equal(c.last_words(), "invalid", "the error")


@steady
def unanswered_hello_times_out(daemon):
    began = time.monotonic()
    with Raw(daemon.api, hello=False) as c:
        c.greeting()
        equal(c.last_words(), "timeout", "the error")
        took = time.monotonic() - began
        check(took > 4, "after about five seconds", took)


@steady
def nonce_of_another_connection_is_unauthenticated(daemon):
    with Raw(daemon.api, hello=False) as a, Raw(daemon.api, hello=False) as b:
        a.greeting()
        b.greeting()
        check(a.nonce != b.nonce, "nonces differ")
        a.send(b.nonce + b"\0\1")
        equal(a.last_words(), "unauthenticated", "the error")


# Framing

@steady
def impossible_lengths_end_the_connection(daemon):
    for length in (0, 1, 4, 11):
        ends_with(daemon, call(b"", length=length) + bytes(64), ("invalid",),
                  "length %d" % length)
    for length in (MIB + 1, 1 << 24, 0xFFFFFFFF):
        ends_with(daemon, call(b"", length=length), ("too_large",),
                  "length %d" % length)


@steady
def only_calls_are_taken(daemon):
    payload = encode_attrs(run_attrs())
    for kind in (0, 2, 3, 4, 5, 16, 0xFFFFFFFF):
        ends_with(daemon, call(payload, kind=kind), ("invalid",),
                  "kind %d" % kind)
    for ident in (0xFFFFFFFF, 1 << 32, (1 << 64) - 1):
        ends_with(daemon, call(payload, ident=ident), ("invalid",),
                  "id %d" % ident)


@steady
def malformed_attributes_end_the_connection(daemon):
    good = encode_attrs(run_attrs())
    cases = {
        "no name": attr(b"", b"x"),
        "upper case": attr(b"Verb", b"x"),
        "a digit first": attr(b"1verb", b"x"),
        "a blank in the name": attr(b"ve rb", b"x"),
        "a NUL in the name": attr(b"ve\0rb", b"x"),
        "a name of 65 bytes": attr(b"a" * 65, b"x"),
        "an unknown flag": attr(b"verb", b"x", flags=2),
        "all flags": attr(b"verb", b"x", flags=255),
        "a value past the end": attr(b"verb", b"x", value_len=2),
        "a value of 4 GiB": attr(b"verb", b"x", value_len=0xFFFFFFFF),
        "a name past the end": attr(b"verb", b"", name_len=60),
        "half an attribute": good + b"\4\0\0",
    }
    for what, payload in cases.items():
        ends_with(daemon, call(payload), ("invalid",), what)
    ends_with(daemon, call(attr(b"a") * 4097), ("too_large", "invalid"),
              "4097 attributes")


@steady
def every_truncation_ends_quietly(daemon):
    """A client that goes away in the middle of a message."""
    message = call(encode_attrs(run_attrs()))
    for cut in range(1, len(message), 3):
        with Raw(daemon.api) as c:
            c.send(message[:cut])


@steady
def slow_message_is_answered_when_it_is_whole(daemon):
    message = call(encode_attrs(run_attrs()))
    with Raw(daemon.api) as slow:
        for i in range(len(message)):
            slow.send(message[i:i + 1])
            if i % 32 == 0:
                check(signs(daemon.api), "others are served meanwhile")
        kind, ident, answer = slow.receive()
        equal((kind, ident), (REPLY, 7), "the answer")
        check(right(answer), "it is right")


@steady
def largest_request_is_signed_and_one_byte_more_is_not(daemon):
    def padded(size):
        request = [a for a in VANILLA if a[0] != "method"]
        request = [("method", "POST")] + request + [("body", b"")]
        request[-1] = ("body", b"x" * (size - len(encode_attrs(request))))
        return encode_attrs(run_attrs(request=request))

    with Raw(daemon.api) as c:
        c.send(call(padded(REQUEST_MAX)))
        kind, ident, answer = c.receive()
        equal((kind, ident), (REPLY, 7), "as large as may be: %r" % answer)
        c.send(call(padded(REQUEST_MAX + 1), ident=8))
        kind, ident, answer = c.receive()
        equal((kind, answer.text("error")), (ERROR, "too_large"), "more")
        check("hash" in answer.text("text"), "it says what to do", answer)
    data = call(padded(MIB + 1))
    ends_with(daemon, data, ("too_large",), "1 MiB and a byte")


# Calls

@steady
def unknown_verbs_are_answered(daemon):
    for attrs in ([], [("verb", "")], [("verb", "no.such")],
                  [("verb", "run"), ("verb", "run")],
                  [("verb", b"run\0")], [("verb", "x" * 10000)]):
        answered_with(daemon, attrs, ("invalid", "unsupported", "not_found"),
                      "verb %r" % (attrs[:1],))


@steady
def admin_verbs_are_denied_on_the_public_socket(daemon):
    for verb in ("init", "unseal", "seal", "slot.add", "slot.list", "slot.remove",
                 "credential.add", "credential.list", "credential.show",
                 "credential.rotate", "credential.disable", "credential.remove",
                 "grant.add", "grant.list", "grant.remove", "grant.test",
                 "audit.show", "module.list"):
        answered_with(daemon, [("verb", verb)], ("denied",), verb)


@steady
def unknown_and_repeated_attributes_are_refused(daemon):
    base = run_attrs()
    answered_with(daemon, base + [("no_such", "x")], ("invalid",),
                  "an unknown attribute")
    answered_with(daemon, base + [("op", "sign")], ("invalid",), "op twice")
    answered_with(daemon, base + [("credential", "raw")], ("invalid",),
                  "credential twice")
    answered_with(daemon, base[:3], ("invalid",), "no request")
    answered_with(daemon, run_attrs(request=VANILLA + [("no_such", "x")]),
                  ("invalid",), "an unknown attribute of the request")
    answered_with(daemon, run_attrs(request=VANILLA + [("region", "eu-west-1")]),
                  ("invalid",), "region twice")


@steady
def confidential_value_in_a_call_is_refused(daemon):
    answered_with(daemon, run_attrs() + [("note", "x", 1)], ("invalid",),
                  "a confidential attribute")
    answered_with(daemon, run_attrs(request=VANILLA + [("secret_key", "x", 1)]),
                  ("invalid",), "a confidential attribute in the request")


@steady
def malformed_inner_list_is_refused(daemon):
    for inner in (b"\1", attr(b"Method", b"GET"), attr(b"method", b"x",
                                                      value_len=9)):
        attrs = run_attrs()[:3] + [("request", inner)]
        answered_with(daemon, attrs, ("invalid",), "request %r" % inner)


@steady
def targets_that_cannot_be_sent_are_refused(daemon):
    for target in (b"/a\0b", b"/a\rb", b"/a\nb", b"a", b"/a b",
                   b"/?X-Amz-Signature=x"):
        request = [a if a[0] != "target" else ("target", target) for a in VANILLA]
        answered_with(daemon, run_attrs(request=request), ("invalid",),
                      "target %r" % target)
    for target in (b"/\xff", b"/\xc3(", b"/\xed\xa0\x80", b"/\xc0\xaf"):
        request = [a if a[0] != "target" else ("target", target) for a in VANILLA]
        request.append(("target_mode", "raw"))
        answered_with(daemon, run_attrs(request=request), ("invalid",),
                      "raw target %r" % target)


@steady
def values_that_break_the_scope_are_refused(daemon):
    for name in ("region", "service"):
        for value in (b"", b"a/b", b"a\nb", b"a\0b", b"a b", b"a,b", b"\xff"):
            request = [a if a[0] != name else (name, value) for a in VANILLA]
            answered_with(daemon, run_attrs(request=request), ("invalid",),
                          "%s %r" % (name, value))
    for value in ("20150830", "20150830T123600", "20151330T123600Z",
                  "20150830T123600Z\n", "20150830t123600z"):
        request = [a if a[0] != "time" else ("time", value) for a in VANILLA]
        answered_with(daemon, run_attrs(request=request), ("invalid",),
                      "time %r" % value)


@steady
def headers_that_cannot_be_sent_are_refused(daemon):
    for header in (b"", b"NoColon", b":empty", b"A b:c", b"A:b\r\nC:d", b"A:b\0c",
                   b"Authorization:x", b"X-Amz-Security-Token:x"):
        answered_with(daemon, run_attrs(request=VANILLA + [("header", header)]),
                      ("invalid",), "header %r" % header)


@steady
def unknown_credential_and_foreign_one_look_alike(daemon):
    def ask(name):
        with Client(daemon.api) as c:
            try:
                c.run(name, "sign", VANILLA)
            except Refused as e:
                return e.error, e.text.replace(name, "NAME")
        raise AssertionError("signed by " + name)

    equal(ask("nobody-s"), ask("unknown-"), "the answers")
    equal(ask("nobody-s")[0], "denied", "the error")


# More than is allowed

@steady
def more_in_flight_than_allowed_is_limited(daemon):
    """200 calls in one write: 128 at least are answered right, each other one
    gets `limited`, and the connection goes on."""
    with Raw(daemon.api) as c:
        count = 200
        c.send(b"".join(call(encode_attrs(run_attrs()), ident=i)
                        for i in range(count)))
        seen, limited = set(), 0
        for _ in range(count):
            kind, ident, answer = c.receive()
            check(ident not in seen, "one answer a call", ident)
            seen.add(ident)
            if kind == ERROR:
                equal(answer.text("error"), "limited", "the error")
                check(answer.get("retry_after"), "with retry_after")
                limited += 1
            else:
                check(right(answer), "a right answer", ident)
        check(limited >= 1, "some were too many", limited)
        check(count - limited >= 128, "128 were not", limited)
        c.call(1000, run_attrs())
        equal(c.receive()[:2], (REPLY, 1000), "the connection goes on")


@steady
def same_id_twice_in_flight_ends_the_connection(daemon):
    data = encode_attrs(run_attrs())
    ends_with(daemon, call(data, ident=5) * 2, ("invalid",), "one id twice")


@steady
def client_that_never_reads_stops_only_itself(daemon):
    with Raw(daemon.api) as c:
        c.sock.settimeout(0.5)
        data = call(encode_attrs([("verb", "status")]))
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 64 * MIB:
                batch = b"".join(data[:8] + struct.pack(">Q", (sent + i) % 0xFFFF)
                                 + data[16:] for i in range(100))
                c.sock.sendall(batch)
                sent += len(batch)
        for _ in range(20):
            check(signs(daemon.api), "others are served")


@steady
def thousand_connections_that_close_at_once(daemon):
    for i in range(1000):
        with Raw(daemon.api, hello=i % 2 == 0):
            pass


@steady
def seeded_garbage_disturbs_nobody(daemon):
    seed = int(os.environ.get("CRETULA_SEED") or time.time_ns() % (1 << 32))
    print("seed %d" % seed)
    rng = random.Random(seed)
    good = call(encode_attrs(run_attrs()))
    for _ in range(400):
        data = bytearray(good * rng.randint(1, 3))
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(data))
            what = rng.randrange(3)
            if what == 0:
                data[at] = rng.randrange(256)
            elif what == 1:
                del data[at:at + rng.randint(1, 9)]
            else:
                data[at:at] = rng.randbytes(rng.randint(1, 9))
            if not data:
                data = bytearray(b"\0")
        with Raw(daemon.api) as c:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                c.send(bytes(data))
            if rng.random() < 0.3:
                c.sock.settimeout(0.01)
                with contextlib.suppress(OSError, ProtocolError):
                    c.receive()


def main():
    with Daemon() as daemon:
        prepare(daemon)
        return run(daemon)


if __name__ == "__main__":
    sys.exit(main())
