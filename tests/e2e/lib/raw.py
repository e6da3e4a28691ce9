"""The native protocol by hand, for those who break it: bytes are sent as given,
answers are read with a deadline, the end of a connection is seen."""
import socket
import struct

from lib.admin import Client
from cretula_native import (CALL, CONNECTION_ID, ERROR, ITEM, REPLY,
                            ProtocolError, decode_attrs, encode_attrs,
                            encode_message)

SECONDS = 120

# Amazon's published example, so that a right answer can be told from a wrong one.
KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
VANILLA = [("method", "GET"), ("target", "/"),
           ("header", "Host:example.amazonaws.com"),
           ("region", "us-east-1"), ("service", "service"),
           ("time", "20150830T123600Z")]
VANILLA_TEXT = b"GET / HTTP/1.1\nHost:example.amazonaws.com\n"
SCOPE = ("region=us-east-1", "service=service", "time=20150830T123600Z")
VANILLA_SIGNATURE = (
    b"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")


class Raw:
    """A connection; with hello=False it has only been accepted."""

    def __init__(self, path, hello=True):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(path)
        self.nonce = None
        if hello:
            self.greet()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def greeting(self):
        first = self.exactly(20)
        self.nonce = first[:16]
        return struct.unpack(">HH", first[16:])

    def greet(self):
        self.greeting()
        self.send(self.nonce + b"\0\1")

    def send(self, data):
        self.sock.sendall(data)

    def call(self, ident, attrs):
        self.send(encode_message(CALL, ident, attrs))

    def exactly(self, n):
        data = b""
        while len(data) < n:
            got = self.sock.recv(n - len(data))
            if not got:
                raise ProtocolError("closed after %d of %d bytes" % (len(data), n))
            data += got
        return data

    def receive(self):
        (length,) = struct.unpack(">I", self.exactly(4))
        body = self.exactly(length)
        kind, ident = struct.unpack_from(">IQ", body)
        return kind, ident, decode_attrs(body[12:])

    def last_words(self):
        """The error about the connection, after which it must be closed; None if
        it was closed without one."""
        error = None
        try:
            while True:
                kind, ident, attrs = self.receive()
                if kind == ERROR and ident == CONNECTION_ID:
                    error = attrs.text("error")
                    if not attrs.text("text"):
                        raise AssertionError("an error without a sentence")
        except (ProtocolError, ConnectionResetError, BrokenPipeError):
            return error


def run_attrs(credential="raw", op="sign", request=VANILLA):
    return [("verb", "run"), ("credential", credential), ("op", op),
            ("request", encode_attrs(request))]


def signs(path):
    """A new connection signs, and the answer is the published one."""
    with Client(path, timeout=SECONDS) as client:
        return right(client.run("raw", "sign", VANILLA))


def right(reply):
    return any(VANILLA_SIGNATURE in line for line in reply.all("header"))


__all__ = ["CALL", "ERROR", "ITEM", "REPLY", "Raw", "signs", "right", "run_attrs",
           "encode_message", "encode_attrs", "VANILLA", "VANILLA_TEXT", "SCOPE",
           "KEY", "SECRET"]
