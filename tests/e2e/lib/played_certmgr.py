"""A certmgr that is played: its sockets, its hello, and answers that a test gives. For
what the command does by itself, whatever certmgr is like; the real one is in the tests
of certmgr."""
import os
import select
import shutil
import socket
import struct
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "..", "examples", "boto3"))
from cretula_native import (CALL, ERROR, ITEM, REPLY, Refused, decode_attrs,
                            encode_message)

AGENT = "01975c0e-0000-7000-8000-000000000001"
INSTANCE = "0a1b2c3d"
TOKEN = b"ca1_played"


class Played:
    """answer(verb, attrs, fds) gives the reply's attributes, or (items, reply), or raises
    Refused; descriptors are closed afterwards."""

    def __init__(self, answer, admin=False):
        self.folder = tempfile.mkdtemp(prefix="cretula-played-")
        os.chmod(self.folder, 0o711)
        self.answer = answer
        self.calls = []
        self.sockets = [self.listen("api.sock")]
        if admin:
            self.sockets.append(self.listen("admin.sock"))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def listen(self, name):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = os.path.join(self.folder, name)
        sock.bind(path)
        os.chmod(path, 0o666)
        sock.listen(8)
        return sock

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.sockets:
            sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for sock in self.sockets:
            sock.close()
        shutil.rmtree(self.folder)

    @property
    def path(self):
        return os.path.join(self.folder, "api.sock")

    def run(self):
        while True:
            for sock in select.select(self.sockets, [], [])[0]:
                try:
                    conn, _ = sock.accept()
                except OSError:
                    return
                with conn:
                    self.serve(conn, "admin" if sock is not self.sockets[0]
                               else "api")

    def serve(self, conn, door):
        nonce = os.urandom(16)
        conn.sendall(nonce + struct.pack(">HH", 1, 1))
        if conn.recv(18, socket.MSG_WAITALL) != nonce + b"\0\1":
            return
        data, fds = b"", []
        while True:
            piece, got, _, _ = socket.recv_fds(conn, 65536, 8)
            fds += got
            data += piece
            if not piece:
                return
            while len(data) >= 4:
                (n,) = struct.unpack(">I", data[:4])
                if len(data) < 4 + n:
                    break
                body, data = data[4:4 + n], data[4 + n:]
                self.call(conn, door, body, fds)
                fds = []

    def call(self, conn, door, body, fds):
        kind, ident = struct.unpack_from(">IQ", body)
        attrs = decode_attrs(body[12:])
        assert kind == CALL
        if attrs.text("verb") is None:      # asks only whether we are there
            conn.sendall(encode_message(ERROR, ident, [("error", "invalid")]))
            return
        self.calls.append((door, attrs.text("verb"), attrs, len(fds)))
        try:
            reply = self.answer(attrs.text("verb"), attrs, fds)
        except Refused as e:
            conn.sendall(encode_message(ERROR, ident, list(e.args[1])))
            return
        finally:
            for fd in fds:
                os.close(fd)
        items, reply = reply if isinstance(reply, tuple) else ([], reply)
        for item in items:
            conn.sendall(encode_message(ITEM, ident, item))
        conn.sendall(encode_message(REPLY, ident, reply))


def refuse(error, text):
    e = Refused(decode_attrs(b""))
    e.args = (error, [("error", error), ("text", text)])
    return e


def spawner(folder=None):
    """Answers agent.spawn as certmgr does."""
    def answer(verb, _, fds):
        if verb != "agent.spawn":
            raise refuse("not_found", "no such verb is played")
        os.write(fds[0], TOKEN)
        reply = [("agent", AGENT), ("instance", INSTANCE)]
        return reply + ([("dir", folder)] if folder else [])
    return answer
