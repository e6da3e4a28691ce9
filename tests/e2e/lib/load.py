"""Clients that keep many requests in flight and judge every answer: each request
is another one, its HMAC is computed here, and its record looked up in the log."""
import base64
import hashlib
import hmac
import threading
import time

from lib.case import check, equal
from lib.raw import CALL, ERROR, REPLY, Raw, encode_attrs, encode_message

from cretula_native import ProtocolError, decode_attrs

SECONDS = 120
# What a client may hear while something is being started anew.
PASSING = ("unavailable", "module_failed", "timeout")


class Load:
    """with Load(path, credential, key) as load: runs until the end of the block.
    .answered maps the request_id of every right answer to the request's bytes."""

    def __init__(self, path, credential, key, connections=8, depth=16):
        self.path, self.credential, self.key = path, credential, key
        self.connections, self.depth = connections, depth
        self.answered, self.wrong = {}, []
        self.passing = self.last = 0
        self.changed = threading.Condition()
        self.stop = threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.work, args=(n,))
                        for n in range(self.connections)]
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def wait_more(self, count):
        """Until so many more answers were right."""
        with self.changed:
            wanted = len(self.answered) + count
            good = self.changed.wait_for(
                lambda: self.wrong or len(self.answered) >= wanted, SECONDS)
        equal(self.wrong, [], "wrong answers")
        check(good, "the load goes on", len(self.answered))

    def work(self, thread):
        serial = 0
        while not self.stop.is_set():
            try:
                with Raw(self.path) as raw:
                    serial = self.keep_asking(raw, thread, serial)
            except (ProtocolError, ConnectionError):
                self.note(None)     # closed: another connection
            except Exception as e:
                self.note("%r" % e)

    def keep_asking(self, raw, thread, serial):
        asked = {}
        while asked or not self.stop.is_set():
            while len(asked) < self.depth and not self.stop.is_set():
                serial += 1
                data = b"%d:%d" % (thread, serial)
                asked[serial] = (data, encode_attrs([("data", data)]))
                raw.send(encode_message(CALL, serial, [
                    ("verb", "run"), ("credential", self.credential),
                    ("op", "sign"), ("request", asked[serial][1])]))
            self.judge(asked, *raw.receive())
        return serial

    def judge(self, asked, kind, ident, attrs):
        data, request = asked.pop(ident, (None, None))
        if kind == ERROR:
            allowed = attrs.text("error") in PASSING and data is not None
            self.note(None if allowed else "refused: %r" % attrs)
            return
        wanted = data and hmac.new(self.key, data, hashlib.sha256).hexdigest()
        request_id = attrs.text("request_id")
        if (kind != REPLY or attrs.text("signature") != wanted or
                not request_id or request_id in self.answered):
            self.note("to %r: %d %r" % (data, kind, attrs))
            return
        with self.changed:
            self.answered[request_id] = request
            self.last = time.monotonic()
            self.changed.notify_all()

    def note(self, wrong):
        with self.changed:
            self.passing += 1
            if wrong:
                self.wrong.append(wrong)
            self.changed.notify_all()


def records(admin):
    """Every record of the audit log, in order."""
    at = 0
    while True:
        reply = admin.call("audit.show", [("from", at), ("count", 1000)])
        for item in reply.items:
            equal(int(item.text("index")), at, "the index of a record")
            yield decode_attrs(item.get("record"))
            at += 1
        if not reply.items:
            return


def check_log(admin, answered):
    """Each answered request is in the log, allowed, once, and is that request."""
    times = dict.fromkeys(answered, 0)
    for record in records(admin):
        request_id = record.text("request_id")
        if record.text("outcome") != "allow" or request_id not in times:
            continue
        times[request_id] += 1
        salt = base64.b64decode(record.get("salt"))
        digest = hashlib.sha256(salt + answered[request_id]).digest()
        equal(base64.b64decode(record.get("digest")), digest, "the digest")
    bad = [(r, n) for r, n in times.items() if n != 1]
    equal(bad, [], "answered requests that are not in the log once")
