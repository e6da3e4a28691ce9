"""HTTP over http.sock of a daemon, as a client without our libraries would speak it."""
import http.client
import json
import os
import socket

SECONDS = 20


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=SECONDS)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.path)


def ask(daemon, method, path, body=None):
    """(status, JSON), over a connection of its own."""
    c = Connection(os.path.join(daemon.run, "http.sock"))
    try:
        headers = {} if body is None else {"Content-Type": "application/json"}
        c.request(method, path, None if body is None else json.dumps(body),
                  headers)
        r = c.getresponse()
        return r.status, json.loads(r.read())
    finally:
        c.close()


def verb(daemon, name, pairs=()):
    return ask(daemon, "POST", "/v1/verbs/" + name,
               {"list": [[n, v] for n, v in pairs]})
