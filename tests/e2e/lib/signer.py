"""A running credd that looks like lib/modrun.py's Module, so that the same cases can
be put to both: a credential of its own for each set of attributes that is used."""
from lib.admin import Client
from lib.raw import encode_attrs
from modrun import Refused, to_bytes

from cretula_native import Refused as Denied

CONFIDENTIAL = ("secret_key", "session_token")


class Signer:
    def __init__(self, daemon, module, uid):
        self.daemon, self.module, self.uid = daemon, module, uid
        self.client = Client(daemon.api)
        self.known = {}
        self.name = None

    def credential(self, **attributes):
        key = tuple(sorted(attributes.items()))
        if key not in self.known:
            self.known[key] = "c%d" % len(self.known)
            self.add(self.known[key], attributes)
        self.name = self.known[key]

    def add(self, name, attributes):
        split = ([], [])
        for n, v in attributes.items():
            split[n in CONFIDENTIAL].append((n, v))
        with self.daemon.admin() as a:
            a.credential_add(name, self.module, *split)
            a.call("grant.add", [("grant", encode_attrs(
                [("credential", name), ("uid", self.uid), ("max_skew", "any"),
                 ("lifetime", "any")]))])

    def run(self, op, attributes):
        try:
            reply = self.client.run(self.name, op, [
                (n, to_bytes(v)) for n, v in attributes])
        except Denied as e:
            raise Refused("error", str(e)) from e
        return [(n, v) for n, v, _ in reply]
