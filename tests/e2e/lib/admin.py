"""An admin of a daemon under test, by the native protocol: sets up what a case
needs without trusting the command. Boxes are made by libsodium through ctypes."""
import base64
import ctypes
import ctypes.util
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "..", "examples", "boto3"))
from cretula_native import Client, Refused, encode_attrs    # noqa: E402

SEAL_BYTES = 48
SECONDS = 120     # for an answer, and for the supervisor to write transport.pub

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
if _sodium.sodium_init() < 0:
    raise OSError("libsodium does not start")


def seal(data, public_key):
    """crypto_box_seal"""
    out = ctypes.create_string_buffer(len(data) + SEAL_BYTES)
    if _sodium.crypto_box_seal(out, data, ctypes.c_ulonglong(len(data)),
                               public_key) != 0:
        raise ValueError("crypto_box_seal failed")
    return out.raw


def transport_key(run_folder):
    """The key in transport.pub: one line, version=1 key=BASE64."""
    with open(os.path.join(run_folder, "transport.pub")) as f:
        fields = dict(w.split("=", 1) for w in f.read().split())
    if fields.get("version") != "1":
        raise ValueError("transport.pub of version %s" % fields.get("version"))
    key = fields["key"].strip('"')
    return base64.b64decode(key + "=" * (-len(key) % 4))


class Admin:
    """A connection to admin.sock, and a verb a method."""

    def __init__(self, folder):
        self.folder = folder
        self.client = Client(os.path.join(folder, "admin.sock"), timeout=SECONDS)

    def close(self):
        self.client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, verb, attrs=()):
        return self.client.call(verb, attrs)

    def box(self, attrs):
        return ("box", seal(encode_attrs(attrs), transport_key(self.folder)))

    def boxed(self, verb, attrs, confidential):
        """A call with a box. The key is another one for a moment after sealing and
        unsealing; `conflict` means to read it again."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                return self.call(verb, list(attrs) + [self.box(confidential)])
            except Refused as e:
                if e.error != "conflict" or "transport" not in e.text or \
                        time.monotonic() > end:
                    raise

    def status(self):
        return self.call("status")

    def init(self, passphrase):
        """The cheapest Argon2id that is allowed: 1 pass over 64 MiB."""
        return self.boxed("init", [("ops", 1), ("mem", 64 << 20)],
                          [("type", "passphrase"), ("secret", passphrase)])

    def unseal(self, passphrase):
        return self.boxed("unseal", [], [("secret", passphrase)])

    def seal_store(self):
        return self.call("seal")

    def credential_add(self, name, module, attrs, confidential):
        return self.boxed("credential.add", [
            ("name", name), ("module", module), ("attributes", encode_attrs(attrs))],
            [(n, v, 1) for n, v in confidential])

    def credential_rotate(self, name, attrs, confidential, grace=None):
        extra = [] if grace is None else [("grace", grace)]
        return self.boxed("credential.rotate", [
            ("name", name), ("attributes", encode_attrs(attrs))] + extra,
            [(n, v, 1) for n, v in confidential])

    def grant_add(self, *attrs):
        return self.call("grant.add", [("grant", encode_attrs(attrs))])


__all__ = ["Admin", "Client", "Refused", "seal", "transport_key"]
