"""Strange requests, byte by byte: what no library would let a test write. PKCS#10 from
parts, keys of kinds that nobody should use, and JSON that is only nearly JSON."""
import hashlib
import os
import subprocess
import tempfile

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

SEQ, SET, OID, INT, BITS, OCTETS, NULL, BOOL = \
    0x30, 0x31, 0x06, 0x02, 0x03, 0x04, 0x05, 0x01
UTF8, BMP = 0x0c, 0x1e
CN = bytes.fromhex("550403")
EXTENSION_REQUEST = bytes.fromhex("2a864886f70d01090e")
ECDSA_SHA256 = bytes.fromhex("2a8648ce3d040302")
RSA_SHA256 = bytes.fromhex("2a864886f70d01010b")
RSA = bytes.fromhex("2a864886f70d010101")
SAN = bytes.fromhex("551d11")
BASIC_CONSTRAINTS = bytes.fromhex("551d13")
KEY_USAGE = bytes.fromhex("551d0f")
CAPABILITIES = bytes.fromhex("2a864886f71401be40937a844381f26282f96981913c82e5"
                             "5387dac13a84e68b4d01")
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
DNS, MAIL, URI, IP, DIRECTORY = 0x82, 0x81, 0x86, 0x87, 0xa4


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    if n < 128:
        return bytes((tag, n)) + body
    size = (n.bit_length() + 7) // 8
    return bytes((tag, 128 | size)) + n.to_bytes(size, "big") + body


def integer(v):
    return tlv(INT, v.to_bytes(v.bit_length() // 8 + 1, "big"))


def cn(value, tag=UTF8):
    """A subject of one common name."""
    return tlv(SEQ, tlv(SET, tlv(SEQ, tlv(OID, CN), tlv(tag, value))))


def extension(oid, value, critical=False):
    return tlv(SEQ, tlv(OID, oid), tlv(BOOL, b"\xff") if critical else b"",
               tlv(OCTETS, value))


def names(*pairs):
    """subjectAltName of (tag, bytes)"""
    return extension(SAN, tlv(SEQ, *[tlv(t, v) for t, v in pairs]))


def dns(*values):
    return names(*[(DNS, v) for v in values])


class Ec:
    """P-256: what every good request here is signed with."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.spki = self.key.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        self.alg = tlv(SEQ, tlv(OID, ECDSA_SHA256))

    def sign(self, data):
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


class E1:
    """RSA of 2048 bits where e = 1: anybody's signature is right."""

    def __init__(self):
        self.n = rsa.generate_private_key(65537, 2048).public_key() \
            .public_numbers().n
        key = tlv(SEQ, integer(self.n), integer(1))
        self.spki = tlv(SEQ, tlv(SEQ, tlv(OID, RSA), tlv(NULL)),
                        tlv(BITS, b"\0", key))
        self.alg = tlv(SEQ, tlv(OID, RSA_SHA256), tlv(NULL))

    def sign(self, data):
        info = SHA256_INFO + hashlib.sha256(data).digest()
        return b"\0\1" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info


def request(*extensions, subject=None, key=None, version=0, spoil=False,
            attributes=None):
    """DER of a PKCS#10 request that is right but for what it was made of."""
    key = key or Ec()
    if attributes is None:
        attributes = tlv(SEQ, tlv(OID, EXTENSION_REQUEST), tlv(
            SET, tlv(SEQ, *extensions))) if extensions else b""
    info = tlv(SEQ, integer(version), cn(b"x") if subject is None else subject,
               key.spki, tlv(0xa0, attributes))
    signed = info.replace(b"\x0c\x01x", b"\x0c\x01y") if spoil else info
    return tlv(SEQ, info, key.alg, tlv(BITS, b"\0", key.sign(signed)))


def padded(size):
    """A good request of exactly size bytes: an attribute of no meaning is long."""
    key, extra = Ec(), 0
    while True:
        odd = tlv(SEQ, tlv(OID, b"\x2a\x03\x04"),
                  tlv(SET, tlv(OCTETS, b"\0" * extra)))
        der = request(key=key, attributes=odd)
        if len(der) == size:
            return der
        extra += min(size - len(der), 10000)    # signatures vary by a byte


def by_openssl(*arguments):
    """The same made by `openssl req`, with a key of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "csr")
        subprocess.run(["openssl", "req", "-new", "-nodes", "-subj", "/CN=x",
                        "-keyout", os.path.join(folder, "key"), "-outform",
                        "DER", "-out", out] + list(arguments), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(out, "rb") as f:
            return f.read()
