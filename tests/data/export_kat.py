#!/usr/bin/python3
"""Known answers for sealed exports, made from the description of the format alone
(docs/store.md), with PyNaCl and hashlib. Prints tests/unit/kat_export.h."""
import hashlib
from nacl import bindings as na

SEAL = bytes(range(1, 33))              # the recipient's
SIGN = bytes(range(0x41, 0x61))         # the sender's seed
EPHEMERAL = bytes(range(0x81, 0xA1))


def attrs(*pairs):
    out = b""
    for name, value in pairs:
        flags = 0
        if name.startswith("!"):
            name, flags = name[1:], 1
        if isinstance(value, int):
            value = str(value)
        if isinstance(value, str):
            value = value.encode()
        out += bytes([len(name), flags]) + len(value).to_bytes(4, "big")
        out += name.encode() + value
    return out


def seal(plain, to, ephemeral):
    """crypto_box_seal with a chosen ephemeral key."""
    pub = na.crypto_scalarmult_base(ephemeral)
    nonce = hashlib.blake2b(pub + to, digest_size=24).digest()
    return pub + na.crypto_box(plain, nonce, to, ephemeral)


def key_id(pub):
    return hashlib.blake2b(pub, digest_size=32).digest()[:8]


seal_pub = na.crypto_scalarmult_base(SEAL)
sign_pub, sign_secret = na.crypto_sign_seed_keypair(SIGN)
inner = attrs(("access_key", "AKID"), ("!secret_key", b"\0hunter2"))
ID = bytes(range(0xE0, 0xF0))


def make(sender, version, purpose):
    list_ = attrs(("purpose", purpose), ("to", seal_pub), ("from", sender),
                  ("name", "prod"), ("module", "aws-sigv4"))
    if version:
        list_ += attrs(("version", version))
    list_ += attrs(("made", 1700000000), ("not_after", 1700086400),
                   ("id", ID), ("!attributes", inner))
    if sender != "anonymous":
        signature = na.crypto_sign(b"cretula-export-v1\0" + list_,
                                   sign_secret)[:64]
        list_ += attrs(("signature", signature))
    return b"CSX1\x01" + key_id(seal_pub) + seal(list_, seal_pub, EPHEMERAL)


def show(name, data):
    print("\nstatic const char %s[] =" % name)
    text = data.hex()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    print("\n".join('\t"%s"' % line for line in lines) + ";")


print("/* Made by tests/data/export_kat.py; do not edit. */\n/* clang-format off */")
print("#ifndef TESTS_UNIT_KAT_EXPORT_H")
print("#define TESTS_UNIT_KAT_EXPORT_H")
show("kat_seal_public", seal_pub)
show("kat_sign_public", sign_pub)
show("kat_attributes", inner)
show("kat_signed", make(sign_pub, 7, "export"))
show("kat_anonymous", make("anonymous", 0, "seal"))
print("\n#endif")
