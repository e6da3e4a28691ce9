"""Looks for a value in the memory of processes, in files, in argv and environment:
as it is, in hex, and in base64 wherever it may begin in a longer text."""
import base64
import contextlib
import os

CHUNK = 4 << 20


def shapes(value):
    """{name: bytes} of every form in which value would be a leak."""
    out = {"raw": value, "hex": value.hex().encode(),
           "HEX": value.hex().upper().encode()}
    for shift in range(3):
        # Only the digits that no neighbour can change.
        coded = base64.b64encode(bytes(shift) + value)
        first = 0 if shift == 0 else shift + 1
        whole = coded[first:(shift + len(value)) * 8 // 6]
        out["base64+%d" % shift] = whole
        out["base64url+%d" % shift] = whole.translate(
            bytes.maketrans(b"+/", b"-_"))
    return out


def in_bytes(data, wanted):
    return sorted(name for name, shape in wanted.items() if shape in data)


def in_memory(pid, wanted):
    """Names of the shapes found in what of the process can be read. What the
    kernel shows to nobody (memfd_secret) is not readable, and so not found; who has
    ended meanwhile, as idle ones do, holds nothing."""
    found = set()
    longest = max(len(s) for s in wanted.values())
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
            open("/proc/%d/maps" % pid) as f, \
            open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
        for area in [line.split() for line in f]:
            if "r" not in area[1] or area[-1] in ("[vvar]", "[vsyscall]"):
                continue
            low, high = (int(x, 16) for x in area[0].split("-"))
            for data in pieces(mem, low, high, longest):
                found.update(in_bytes(data, wanted))
    return sorted(found)


def pieces(mem, low, high, overlap):
    at, tail = low, b""
    while at < high:
        try:
            data = os.pread(mem.fileno(), min(CHUNK, high - at), at)
        except (OSError, OverflowError):
            return
        if not data:
            return
        yield tail + data
        tail = data[-overlap:]
        at += len(data)


def in_folder(folder, wanted):
    """[(path, shapes)] of the files below folder that hold one."""
    out = []
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            if not os.path.isfile(path) or os.path.islink(path):
                continue
            with open(path, "rb") as f:
                found = in_bytes(f.read(), wanted)
            if found:
                out.append((path, found))
    return out


def in_arguments(pid, wanted):
    found = []
    for name in ("cmdline", "environ"):
        with contextlib.suppress(OSError):
            with open("/proc/%d/%s" % (pid, name), "rb") as f:
                found += [(name, s) for s in in_bytes(f.read(), wanted)]
    return found
