"""What OpenSSL, GnuTLS, NSS, strongSwan and Python say of certificates and CRLs, each in
its own words, read into the same fields. A client's dict has the fields it speaks of:
serial subject issuer not_before not_after ca path_len usage purposes names crl ocsp
issuers subject_key authority_key permit exclude nocheck caps."""
import calendar
import re
import time

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID as AIA
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

CAPS_OID = ("1.2.840.113556.1.8000.2554.579.31074.48361.18620.45779.16163002."
            "10061261.1")
CAP = re.compile(r"[a-z]+:[a-z0-9*-]+@[a-z0-9.*-]+")
USAGES = {"digital signature": "sign", "key encipherment": "encipher",
          "certificate sign": "certs", "certificate signing": "certs",
          "crl sign": "crls", "crl signing": "crls"}
PURPOSES = {"tls web server authentication": "server", "tls www server": "server",
            "tls web server authentication certificate": "server",
            "tls web client authentication": "client", "tls www client": "client",
            "tls web client authentication certificate": "client",
            "ocsp signing": "ocsp", "ocsp responder certificate": "ocsp"}


def when(text):
    """Seconds of any of: Nov 21 15:47:54 2026 GMT, Sat Nov 21 15:47:54 UTC 2026,
    Sat Nov 21 15:47:54 2026."""
    t = re.sub(r"\b(GMT|UTC|Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b", "", text.split(",")[0])
    return calendar.timegm(time.strptime(" ".join(t.split()),
                                         "%b %d %H:%M:%S %Y"))


def words(table, text, sep):
    found = [w.strip().rstrip(".").lower() for w in re.split(sep, text)]
    return sorted(table[w] for w in found if w)


def hexes(text):
    return re.sub(r"[^0-9a-f]", "", text.lower())


def address(text):
    """The two ways to say all of IPv4 and all of IPv6."""
    if text in ("0.0.0.0/0.0.0.0", "0.0.0.0/0", "00" * 8):
        return "IP:0.0.0.0/0"
    if text in ("0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0", "::/0", "00" * 32):
        return "IP:::/0"
    return "IP:" + text


def blocks(text, indent):
    """{header: [lines]} of lines at that indent and what is below each."""
    out, lines = {}, None
    for line in text.splitlines():
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        if depth == indent:
            lines = out.setdefault(line.strip(), [])
        elif depth < indent:
            lines = None
        elif lines is not None:
            lines.append(line.strip())
    return out


def named(found, head):
    """The lines below the header that begins so; None: there is none."""
    for name, lines in found.items():
        if name.startswith(head):
            return lines
    return None


def one(pattern, text, none=None):
    m = re.search(pattern, text, re.M)
    return m.group(1).strip() if m else none


# Python cryptography, from which the others must not differ

def of_python(cert):
    out = {"serial": "%036x" % cert.serial_number,
           "subject": cert.subject.rfc4514_string(),
           "issuer": cert.issuer.rfc4514_string(),
           "not_before": calendar.timegm(cert.not_valid_before.timetuple()),
           "not_after": calendar.timegm(cert.not_valid_after.timetuple())}
    for extension in cert.extensions:
        read = PYTHON.get(extension.oid)
        if read:
            read(extension.value, out)
        elif extension.oid.dotted_string == CAPS_OID:
            out["caps"] = CAP.findall(extension.value.value.decode("latin-1"))
        else:
            raise AssertionError("an extension nobody looks at: %s"
                                 % extension.oid)
    return out


def py_basic(v, out):
    out["ca"] = v.ca
    if v.ca:
        out["path_len"] = v.path_length


def py_usage(v, out):
    out["usage"] = sorted(n for n, there in (
        ("sign", v.digital_signature), ("encipher", v.key_encipherment),
        ("certs", v.key_cert_sign), ("crls", v.crl_sign)) if there)


def py_purposes(v, out):
    table = {ExtendedKeyUsageOID.SERVER_AUTH: "server",
             ExtendedKeyUsageOID.CLIENT_AUTH: "client",
             ExtendedKeyUsageOID.OCSP_SIGNING: "ocsp"}
    out["purposes"] = sorted(table[p] for p in v)


def py_name(n):
    if isinstance(n, x509.DNSName):
        return "DNS:" + n.value
    if isinstance(n, x509.IPAddress):
        return address(str(n.value))
    return "URI:" + n.value


def py_access(v, out):
    for d in v:
        name = {AIA.OCSP: "ocsp", AIA.CA_ISSUERS: "issuers"}[d.access_method]
        out[name] = d.access_location.value


def py_constraints(v, out):
    out["permit"] = [py_name(n) for n in v.permitted_subtrees]
    out["exclude"] = [py_name(n) for n in v.excluded_subtrees]


PYTHON = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER:
        lambda v, out: out.update(authority_key=v.key_identifier.hex()),
    ExtensionOID.SUBJECT_KEY_IDENTIFIER:
        lambda v, out: out.update(subject_key=v.digest.hex()),
    ExtensionOID.BASIC_CONSTRAINTS: py_basic,
    ExtensionOID.KEY_USAGE: py_usage,
    ExtensionOID.EXTENDED_KEY_USAGE: py_purposes,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
        lambda v, out: out.update(names=[py_name(n) for n in v]),
    ExtensionOID.CRL_DISTRIBUTION_POINTS:
        lambda v, out: out.update(crl=v[0].full_name[0].value),
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: py_access,
    ExtensionOID.NAME_CONSTRAINTS: py_constraints,
    ExtensionOID.OCSP_NO_CHECK: lambda v, out: out.update(nocheck=True),
}


def crl_of_python(crl):
    """{number, this_update, next_update, point, entries: {serial: (time, reason)}}"""
    out = {"issuer": crl.issuer.rfc4514_string(),
           "this_update": calendar.timegm(crl.last_update.timetuple()),
           "next_update": calendar.timegm(crl.next_update.timetuple()),
           "number": crl.extensions.get_extension_for_class(
               x509.CRLNumber).value.crl_number,
           "authority_key": crl.extensions.get_extension_for_class(
               x509.AuthorityKeyIdentifier).value.key_identifier.hex(),
           "entries": {}}
    for r in crl:
        reason = "unspecified"
        if len(r.extensions):
            reason = r.extensions[0].value.reason.value
        out["entries"]["%036x" % r.serial_number] = (
            calendar.timegm(r.revocation_date.timetuple()), reason.lower())
    return out


# openssl x509 -text -nameopt RFC2253 -certopt no_pubkey,no_sigdump

def of_openssl(text):
    found = blocks(text, 12)
    out = {"serial": hexes(named(blocks(text, 8), "Serial Number")[0]),
           "subject": one(r"Subject: (.*)", text),
           "issuer": one(r"Issuer: (.*)", text),
           "not_before": when(one(r"Not Before: (.*)", text)),
           "not_after": when(one(r"Not After : (.*)", text))}
    for head, name in (("X509v3 Subject Key", "subject_key"),
                       ("X509v3 Authority Key", "authority_key")):
        lines = named(found, head)
        if lines:
            out[name] = hexes(lines[0])
    ossl_ca(named(found, "X509v3 Basic"), out)
    for head, name, table in (("X509v3 Key Usage", "usage", USAGES),
                              ("X509v3 Extended", "purposes", PURPOSES)):
        lines = named(found, head)
        if lines:
            out[name] = words(table, lines[0], ",")
    lines = named(found, "X509v3 Subject Alternative")
    if lines:
        out["names"] = lines[0].split(", ")
    lines = named(found, "X509v3 CRL Distribution")
    if lines:
        out["crl"] = one(r"URI:(.*)", "\n".join(lines))
    lines = named(found, "Authority Information")
    if lines:
        out["ocsp"] = one(r"OCSP - URI:(.*)", "\n".join(lines))
        out["issuers"] = one(r"CA Issuers - URI:(.*)", "\n".join(lines))
    ossl_constraints(named(found, "X509v3 Name Constraints"), out)
    if named(found, "OCSP No Check") is not None:
        out["nocheck"] = True
    lines = named(found, CAPS_OID)
    if lines:
        out["caps"] = CAP.findall(lines[0])
    return out


def ossl_ca(lines, out):
    out["ca"] = "CA:TRUE" in lines[0]
    if out["ca"]:
        length = one(r"pathlen:(\d+)", lines[0])
        out["path_len"] = None if length is None else int(length)


def ossl_constraints(lines, out):
    to = None
    for line in lines or []:
        if line in ("Permitted:", "Excluded:"):
            to = out.setdefault({"P": "permit", "E": "exclude"}[line[0]], [])
        elif line.startswith("IP:"):
            to.append(address(line[3:]))
        else:
            to.append(line)


def crl_of_openssl(text):
    out = {"issuer": one(r"Issuer: (.*)", text),
           "this_update": when(one(r"Last Update: (.*)", text)),
           "next_update": when(one(r"Next Update: (.*)", text)),
           "number": int(one(r"CRL Number: \n\s+(\S+)", text), 0),
           "authority_key": hexes(one(r"Authority Key Identifier: \n\s+(\S+)",
                                      text)), "entries": {}}
    for part in text.split("Serial Number:")[1:]:
        reason = one(r"CRL Reason Code: \n\s+(.*)", part, "unspecified")
        out["entries"][hexes(part.splitlines()[0])] = (
            when(one(r"Revocation Date: (.*)", part)),
            reason.replace(" ", "").lower())
    return out


# certtool -i

def of_certtool(text):
    text = text.expandtabs(8)
    found = blocks(text, 16)
    out = {"serial": one(r"Serial Number \(hex\): (\S+)", text),
           "subject": one(r"^ +Subject: (.*)", text),
           "issuer": one(r"^ +Issuer: (.*)", text),
           "not_before": when(one(r"Not Before: (.*)", text)),
           "not_after": when(one(r"Not After: (.*)", text))}
    for head, name in (("Subject Key Id", "subject_key"),
                       ("Authority Key Id", "authority_key")):
        lines = named(found, head)
        if lines:
            out[name] = lines[0]
    lines = "\n".join(named(found, "Basic Constraints"))
    out["ca"] = "(CA): TRUE" in lines
    if out["ca"]:
        length = one(r"Path Length Constraint: (\d+)", lines)
        out["path_len"] = None if length is None else int(length)
    for head, name, table in (("Key Usage", "usage", USAGES),
                              ("Key Purpose", "purposes", PURPOSES)):
        lines = named(found, head)
        if lines:
            out[name] = words(table, "\n".join(lines), "\n")
    lines = named(found, "Subject Alternative")
    if lines:
        out["names"] = [tls_name(n) for n in lines]
    lines = named(found, "CRL Distribution")
    if lines:
        out["crl"] = one(r"URI: (.*)", "\n".join(lines))
    lines = named(found, "Authority Information")
    if lines:
        out["ocsp"] = lines[1].split("URI: ")[1]
        out["issuers"] = lines[3].split("URI: ")[1]
    tls_constraints(named(found, "Name Constraints"), out)
    lines = named(found, "Unknown extension 1.3.6.1.5.5.7.48.1.5")
    if lines:
        out["nocheck"] = lines[1] == "Hexdump: 0500"
    lines = named(found, "Unknown extension " + CAPS_OID)
    if lines:
        out["caps"] = CAP.findall(bytes.fromhex(
            lines[1].split(": ")[1]).decode("latin-1"))
    return out


def tls_name(line):
    kind, _, value = line.partition(": ")
    if kind == "IPAddress":
        return address(value)
    return {"DNSname": "DNS:", "URI": "URI:"}[kind] + value


def tls_constraints(lines, out):
    to = None
    for line in lines or []:
        if line in ("Permitted:", "Excluded:"):
            to = out.setdefault({"P": "permit", "E": "exclude"}[line[0]], [])
        else:
            to.append(tls_name(line))


def crl_of_certtool(text):
    text = text.expandtabs(8)
    out = {"issuer": one(r"Issuer: (.*)", text),
           "this_update": when(one(r"Issued: (.*)", text)),
           "next_update": when(one(r"Next at: (.*)", text)),
           "number": int(one(r"CRL Number \(not critical\): (\S+)", text), 16),
           "authority_key": one(r"Authority Key Identifier [^\n]*\n +(\S+)",
                                text), "entries": {}}
    for part in text.split("Serial Number (hex): ")[1:]:
        out["entries"][part.split()[0]] = (
            when(one(r"Revoked at: (.*)", part)), None)     # it shows no reasons
    return out


# certutil -L -n

def of_nss(text):
    text = re.sub(r'"([^"\n]*)\n\s+([^"\n]*)"', r'"\1\2"', text)
    text = re.sub(r'"([^"\n]*)\n\s+([^"\n]*)"', r'"\1\2"', text)
    extensions = {}
    for part in re.split(r"\n +Name: ", text.split("    Signature Algorithm:")[-2]
                         if text.count("    Signature Algorithm:") > 1
                         else text)[1:]:
        head, _, rest = part.partition("\n")
        extensions[head.strip()] = rest
    out = {"serial": hexes(one(r"Serial Number:\s((?:.*\n)*?) +Signature Alg",
                               text)),
           "subject": one(r'Subject: "(.*)"', text),
           "issuer": one(r'Issuer: "(.*)"', text),
           "not_before": when(one(r"Not Before: (.*)", text)),
           "not_after": when(one(r"Not After : (.*)", text))}
    for name, value in extensions.items():
        nss_extension(name, value, out)
    return out


def nss_extension(name, value, out):
    quoted = re.findall(r'"([^"]*)"', value)
    if name == "Certificate Authority Key Identifier":
        out["authority_key"] = hexes(value.split("Key ID:")[1])
    elif name == "Certificate Subject Key ID":
        out["subject_key"] = hexes(value.split("Data:")[1])
    elif name == "Certificate Basic Constraints":
        out["ca"] = "Is a CA" in value
        if out["ca"]:
            length = one(r"maximum path length of (\d+)", value)
            out["path_len"] = None if length is None else int(length)
    elif name == "Certificate Key Usage":
        out["usage"] = words(USAGES, value.split("Usages:")[1], "\n")
    elif name == "Extended Key Usage":
        out["purposes"] = words(PURPOSES, value, "\n")
    elif name == "Certificate Subject Alt Name":
        out["names"] = [nss_name(n) for n in re.findall(
            r'((?:DNS name|URI): "[^"]*")', value)]
    elif name == "Certificate Name Constraints":
        a, _, b = value.partition("Excluded Subtree:")
        out["permit"] = [nss_name(n) for n in re.findall(
            r'((?:DNS name|URI): "[^"]*")', a)]
        out["exclude"] = [address(hexes(n)) for n in
                          b.split("IP Address:")[1:]]
    elif name == "CRL Distribution Points":
        out["crl"] = quoted[0]
    elif name == "Authority Information Access":
        out["ocsp"], out["issuers"] = quoted
    elif name == "OCSP No Check Extension":
        out["nocheck"] = True
    elif name == "OID." + CAPS_OID:
        out["caps"] = quoted
    else:
        raise AssertionError("NSS shows an extension nobody looks at: " + name)


def crl_of_nss(text):
    """crlutil -L -n"""
    head, _, tail = text.partition("CRL Extensions:")
    out = {"issuer": one(r'Issuer: "(.*)"', text),
           "this_update": when(one(r"This Update: (.*)", text)),
           "next_update": when(one(r"Next Update: (.*)", text)),
           "number": int(one(r"Name: CRL Number\n +Data: (\d+)", tail)),
           "authority_key": hexes(re.split(r"Key ID:|Name: CRL", tail)[1]),
           "entries": {}}
    for part in head.split("Serial Number:")[1:]:
        serial, _, rest = part.partition("Revocation Date:")
        reason = int(one(r"CRL reason code\n +Data: (\d+)", rest, "0"))
        out["entries"][hexes(serial)] = (
            when(rest.splitlines()[0]),
            {0: "unspecified", 1: "keycompromise", 3: "affiliationchanged",
             4: "superseded", 5: "cessationofoperation",
             9: "privilegewithdrawn"}[reason])
    return out


def nss_name(text):
    kind, _, value = text.partition(": ")
    return {"DNS name": "DNS:", "URI": "URI:"}[kind] + value.strip('"')


# pki --print

def of_strongswan(text):
    turn = lambda s: ",".join(reversed(s.split(", ")))
    flags = one(r"^ +flags: +(.*)", text, "").split()
    out = {"serial": hexes(one(r"serial: +(\S+)", text)),
           "subject": turn(one(r'subject: +"(.*)"', text)),
           "issuer": turn(one(r'issuer: +"(.*)"', text)),
           "not_before": when(one(r"not before (.*),", text)),
           "not_after": when(one(r"not after +(.*?),", text)),
           "subject_key": hexes(one(r"subjkeyId: +(\S+)", text)),
           "ca": "CA" in flags}
    if out["ca"]:
        length = one(r"pathlen: +(\d+)", text)
        out["path_len"] = None if length is None else int(length)
    purposes = sorted({"serverAuth": "server", "clientAuth": "client",
                       "OCSPSigning": "ocsp"}.get(f, "") for f in flags)
    if any(purposes):
        out["purposes"] = [p for p in purposes if p]
    for name, pattern in (("crl", r"CRL URIs: +(\S+)"),
                          ("ocsp", r"OCSP URIs: +(\S+)"),
                          ("authority_key", r"authkeyId: +(\S+)")):
        value = one(pattern, text)
        if value:
            out[name] = hexes(value) if name == "authority_key" else value
    return out


def crl_of_strongswan(text):
    out = {"issuer": ",".join(reversed(one(r'issuer: +"(.*)"', text).split(", "))),
           "this_update": when(one(r"this on (.*),", text)),
           "next_update": when(one(r"next on (.*?),", text)),
           "number": int(hexes(one(r"serial: +(\S+)", text)), 16),
           "authority_key": hexes(one(r"authKeyId: +(\S+)", text)),
           "entries": {}}
    for m in re.finditer(r"^ +([0-9a-f:]{53}):? +(.*?), (.*)$", text, re.M):
        out["entries"][hexes(m[1])] = (when(m[2]),
                                       {"(9)": "privilegewithdrawn"}.get(
                                           m[3], m[3].replace(" ", "").lower()))
    return out


def differences(got, wanted):
    """What a client says otherwise; names in any order, as they are sets."""
    out = {}
    for name, value in got.items():
        a, b = value, wanted.get(name)
        if isinstance(a, list) and isinstance(b, list):
            a, b = sorted(a), sorted(b)
        if a != b:
            out[name] = (value, wanted.get(name))
    return out
