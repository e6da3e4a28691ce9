"""credd's native protocol in plain Python, without dependencies.

Runs in a client and holds no secret: it asks credd to use one. The bytes are
those of docs/protocol.md.

    with Client() as credd:
        reply = credd.run("prod", "sign", [("method", "GET"), ...])
        reply.get("header")

An attribute is (name, value) or (name, value, flags); values are bytes, or text
that is sent as UTF-8. A Client is for one thread: calls wait for their answer.
"""
import os
import socket
import struct

VERSION = 1
MSG_MAX = 1 << 20
NAME_MAX = 64
CALL, REPLY, ERROR, ITEM = 1, 2, 3, 4
CONFIDENTIAL = 1
CONNECTION_ID = 0xFFFFFFFF      # an error about the connection itself


class ProtocolError(Exception):
    """What came is not the protocol, or the connection ended."""


class Refused(Exception):
    """credd answered with an error: `.error` of the closed set, `.text` the
    sentence, `.request_id` for `cretula why`."""

    def __init__(self, attrs):
        self.error = attrs.text("error", "internal")
        self.text = attrs.text("text", "")
        self.request_id = attrs.text("request_id", "")
        self.retry_after = attrs.text("retry_after", "")
        super().__init__("%s: %s" % (self.error, self.text))


class Attrs(list):
    """An ordered list of (name, value, flags)."""

    def all(self, name):
        return [value for n, value, _ in self if n == name]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0] if found else default

    def text(self, name, default=None):
        value = self.get(name)
        return default if value is None else value.decode("utf-8", "replace")

    def list(self, name):
        return decode_attrs(self.get(name, b""))


def encode_attr(name, value, flags=0):
    name = name.encode() if isinstance(name, str) else name
    if isinstance(value, int):
        value = str(value)
    value = value.encode() if isinstance(value, str) else bytes(value)
    return struct.pack(">BBI", len(name), flags, len(value)) + name + value


def encode_attrs(attrs):
    return b"".join(encode_attr(*attr) for attr in attrs)


def decode_attrs(data):
    out = Attrs()
    at = 0
    while at < len(data):
        if len(data) - at < 6:
            raise ProtocolError("attribute cut short")
        name_len, flags, value_len = struct.unpack_from(">BBI", data, at)
        at += 6
        end = at + name_len + value_len
        if not 0 < name_len <= NAME_MAX or end > len(data):
            raise ProtocolError("attribute of impossible length")
        out.append((data[at:at + name_len].decode("ascii"),
                    bytes(data[at + name_len:end]), flags))
        at = end
    return out


def encode_message(kind, ident, attrs):
    body = attrs if isinstance(attrs, bytes) else encode_attrs(attrs)
    return struct.pack(">IIQ", 12 + len(body), kind, ident) + body


def default_path():
    """CRETULA_CREDD (a path or unix://path), else where credd listens."""
    path = os.environ.get("CRETULA_CREDD", "/run/cretula/credd/api.sock")
    return path[len("unix://"):] if path.startswith("unix://") else path


class Client:
    def __init__(self, path=None, timeout=30.0):
        self.path = path or default_path()
        self.next_id = 1
        self.sock = socket.socket(socket.AF_UNIX,
                                  socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(self.path)
            self.hello()
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def hello(self):
        """The kernel attaches our pid to the answer; nothing to do for that."""
        first = self.read(20)
        nonce, low, high = struct.unpack(">16sHH", first)
        if low > high:
            # Refused before the hello: an ERROR stands where the nonce does.
            self.refused(first)
        if not low <= VERSION <= high:
            raise ProtocolError("the server speaks versions %d to %d, this "
                                "client %d" % (low, high, VERSION))
        self.sock.sendall(nonce + struct.pack(">H", VERSION))

    def refused(self, first):
        (length,) = struct.unpack_from(">I", first)
        if not 16 <= length <= MSG_MAX:
            raise ProtocolError("neither a hello nor an error")
        raise Refused(decode_attrs((first + self.read(length - 16))[16:]))

    def read(self, n):
        data = bytearray()
        while len(data) < n:
            got = self.sock.recv(n - len(data))
            if not got:
                raise ProtocolError("the server closed the connection")
            data += got
        return bytes(data)

    def receive(self):
        """The next message: kind, id, attributes."""
        (length,) = struct.unpack(">I", self.read(4))
        if not 12 <= length <= MSG_MAX:
            raise ProtocolError("message of %d bytes" % length)
        body = self.read(length)
        kind, ident = struct.unpack_from(">IQ", body)
        return kind, ident, decode_attrs(body[12:])

    def send(self, attrs, ident=None):
        """Sends a CALL without waiting; returns its id."""
        if ident is None:
            ident = self.next_id
            self.next_id = self.next_id % (CONNECTION_ID - 1) + 1
        self.sock.sendall(encode_message(CALL, ident, attrs))
        return ident

    def call(self, verb, attrs=()):
        """One call and its last answer. Raises Refused. The answers before it
        are in `.items` of what is returned."""
        ident = self.send([("verb", verb)] + list(attrs))
        items = []
        while True:
            kind, about, answer = self.receive()
            if kind == ERROR and about in (ident, CONNECTION_ID):
                raise Refused(answer)
            if about != ident:
                raise ProtocolError("answer to a call that was not made")
            if kind == ITEM:
                items.append(answer)
                continue
            if kind != REPLY:
                raise ProtocolError("message of unknown kind %d" % kind)
            answer.items = items
            return answer

    def run(self, credential, operation, request):
        return self.call("run", [("credential", credential), ("op", operation),
                                 ("request", encode_attrs(request))])
