#!/usr/bin/python3
"""Known answers for rows, wrapped keys, slots, boxes and the set, made from the
description of the formats alone (docs/store.md), with PyNaCl and hashlib.
Prints tests/unit/kat_store.h."""
import hashlib
from nacl import bindings as na

MASTER = bytes(range(32))
STORE = bytes(range(0xA0, 0xB0))
EPOCH = 7


def be(n, size):
    return n.to_bytes(size, "big")


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
        out += be(len(name), 1) + be(flags, 1) + be(len(value), 4)
        out += name.encode() + value
    return out


def blake(data, key=b"", size=32, **more):
    return hashlib.blake2b(data, key=key, digest_size=size, **more).digest()


def subkey(use):
    return blake(b"", key=MASTER, salt=STORE, person=use.ljust(16, b"\0"))


def aead(key, nonce, aad, plain):
    return nonce + na.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain, aad, nonce, key)


def nonce(seed):
    return hashlib.sha256(seed).digest()[:24]


HEAD = (("table", "credential"), ("row", 12), ("name", "prod"),
        ("module", "hmac"), ("version", 3), ("generation", 41))
PLAIN = attrs(("algorithm", "sha256"), ("note", "two words"))
SECRET = attrs(("!key", b"\0secret\xff"))
DEK = bytes(range(0x40, 0x60))
FORMAT = (("format", 1), ("suite", 1))

row_aad = attrs(*FORMAT, ("epoch", EPOCH), ("store", STORE), *HEAD)
row = b"\x01\x01" + be(EPOCH, 4) + aead(
    subkey(b"cretula-row"), nonce(b"row"), row_aad,
    attrs(("place", attrs(*HEAD))) + PLAIN)

place = HEAD[:-1]
dek_aad = attrs(*FORMAT, ("epoch", EPOCH), ("store", STORE), ("use", "dek"),
                *place)
wrap = subkey(b"cretula-wrap")
wrapped = aead(wrap, nonce(b"dek"), dek_aad, DEK) + blake(dek_aad, key=wrap)

sealed = aead(DEK, nonce(b"sealed"),
              attrs(*FORMAT, ("store", STORE), ("use", "confidential"), *place),
              SECRET)

one = blake(b"credential" + be(12, 8) + be(41, 8) +
            hashlib.sha256(row).digest(), key=subkey(b"cretula-set"))
two = blake(b"slot" + be(1, 8) + be(2, 8) +
            hashlib.sha256(b"other").digest(), key=subkey(b"cretula-set"))
both = bytes(a ^ b for a, b in zip(one, two))

OPS, MEM, SALT, PASS = 1, 64 << 20, bytes(range(0x10, 0x20)), b"correct horse"
header = (b"\x01\x01" + STORE + be(5, 4) + be(EPOCH, 4) + SALT + be(OPS, 4) +
          be(MEM, 8))
kek = na.crypto_pwhash_alg(32, PASS, SALT, OPS, MEM,
                           na.crypto_pwhash_ALG_ARGON2ID13)
blob = aead(kek, nonce(b"slot"), header, MASTER) + blake(header, key=kek)
blob += blake(header + blob)[:8]

box_pub = na.crypto_scalarmult_base(bytes(range(1, 33)))
eph = bytes(range(33, 65))
eph_pub = na.crypto_scalarmult_base(eph)
box = eph_pub + na.crypto_box(PLAIN, blake(eph_pub + box_pub, size=24),
                              box_pub, eph)

print("/* Made by tests/data/store_kat.py; do not edit. */")
print("/* clang-format off */")
print("#ifndef TESTS_KAT_STORE_H\n#define TESTS_KAT_STORE_H\n")
for name, value in (("master", MASTER), ("store", STORE), ("plain", PLAIN),
                    ("secret", SECRET), ("row", row), ("wrapped", wrapped),
                    ("sealed", sealed), ("set_one", one), ("set_both", both),
                    ("slot_header", header), ("slot_blob", blob),
                    ("box_public", box_pub), ("box", box)):
    digits = value.hex()
    print("static const char kat_%s[] =" % name)
    lines = [digits[i:i + 64] for i in range(0, len(digits), 64)]
    print("\n".join('\t"%s"' % line for line in lines) + ";\n")
print("#endif")
