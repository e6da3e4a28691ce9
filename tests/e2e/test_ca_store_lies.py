#!/usr/bin/python3
"""What lies on ca's disk is not what was written: put back from an old copy, cut,
edited, a bit flipped, gone. Each is an error of its own in `status`, nothing is
issued, and with the right file back all is as before."""
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys

from lib.ca_client import (NODE, PASSPHRASE, Chain, add_token_by, enrol,
                           init, make_csr, read_all, until_open)
from lib.case import case, check, equal, run
from lib.daemon import Ca

from cretula_native import Refused

SEED = int(os.environ.get("CRETULA_SEED", random.SystemRandom().getrandbits(32)))
RANDOM = random.Random(SEED)
FLIPS = 8               # random ones of each kind
MARK_SLOT = 40 << 10    # bytes from one record of `mark` to the other


class World:
    """A ca that has stopped, with a copy of its folder; and an unused token."""

    def __init__(self, ca):
        self.ca = ca
        init(ca)
        self.chain = Chain(ca)
        with ca.admin() as a:
            self.token = add_token_by(a)
        self.issue(3)
        ca.stop()
        self.copy = self.keep()
        with self.sql() as db:
            covered, = db.execute("select max(size) from note").fetchone()
            size, = db.execute("select log_size from state").fetchone()
        equal(covered, size, "the last checkpoint is over everything")
        self.size = size

    def issue(self, count):
        with self.ca.admin() as a:
            tokens = [add_token_by(a, NODE) for _ in range(count)]
        for token in tokens:
            enrol(self.ca.api, token, make_csr()[1], self.chain.spki)

    def path(self, name):
        return os.path.join(self.ca.state, name)

    def keep(self):
        copy = os.path.join(self.ca.base, "copy-%d" % RANDOM.getrandbits(48))
        subprocess.run(["cp", "-a", self.ca.state, copy], check=True)
        return copy

    def put_back(self, name=None, copy=None):
        """One file or folder of it, or all."""
        whole = name is None
        there = self.ca.state if whole else self.path(name)
        kept = copy or self.copy
        kept = kept if whole else os.path.join(kept, name)
        if os.path.isdir(there):
            shutil.rmtree(there)
        elif os.path.exists(there):
            os.unlink(there)
        subprocess.run(["cp", "-a", kept, there], check=True)

    @contextlib.contextmanager
    def sql(self):
        db = sqlite3.connect(self.path("store/ca.db"))
        with contextlib.closing(db):
            yield db
            db.commit()

    def rows(self):
        with self.sql() as db:
            return (db.execute("select count(*) from cert").fetchone(),
                    db.execute("select count(*) from log").fetchone())

    def flip(self, name, low=0, high=None, at=None):
        """A random bit between two places."""
        with open(self.path(name), "r+b") as f:
            data = bytearray(f.read())
            at = RANDOM.randrange(low, high or len(data)) if at is None else at
            bit = RANDOM.randrange(8)
            data[at] ^= 1 << bit
            f.seek(0)
            f.write(data)
        return "bit %d of byte %d of %s" % (bit, at, name)

    def asks(self):
        return enrol(self.ca.api, self.token, make_csr()[1], self.chain.spki)

    @contextlib.contextmanager
    def started(self):
        self.ca.start()
        try:
            yield
        finally:
            equal(self.ca.stop(), 0, "the exit code")


def broken(w, *words, what=""):
    """It starts, says why it is broken, and issues nothing."""
    with w.started():
        with w.ca.admin() as a:
            got = a.status()
        equal(got.text("state"), "broken", "%s: the state" % what)
        told = [t.decode() for t in got.all("attention")]
        for word in words:
            check(any(word in t for t in told), "%s: it says '%s'" % (what, word),
                  told)
        try:
            w.asks()
        except Refused as e:
            equal(e.error, "unavailable", "%s (%s)" % (what, e.text))
            check(e.text in told, "the same reason", e.text, told)
        else:
            raise AssertionError("%s: it was issued" % what)


def works(w):
    with w.started():
        until_open(w.ca)
        w.issue(1)
        with w.ca.admin() as a:
            return read_all(a)


@case
def the_copy_itself_works(w):
    w.put_back()
    works(w)


@case
def an_older_database(w):
    w.put_back()
    works(w)
    newer = w.keep()
    w.put_back("store")
    before = w.rows()
    broken(w, "database is older than what its signer signed")
    equal(w.rows(), before, "rows")
    w.put_back("store", newer)
    works(w)


@case
def no_database(w):
    w.put_back()
    shutil.rmtree(w.path("store"))
    broken(w, "database is older than what its signer signed")
    w.put_back("store")
    works(w)


@case
def an_older_mark(w):
    w.put_back()
    works(w)
    newer = w.keep()
    w.put_back("signer/mark")
    broken(w, "the signer is older than the CA's database", "'mark'")
    w.put_back("signer/mark", newer)
    works(w)


@case
def no_folder_of_the_signer(w):
    w.put_back()
    before = w.rows()
    shutil.rmtree(w.path("signer"))
    broken(w, "the signer has no keys", "put the folder 'signer' back")
    with w.started():
        try:
            init(w.ca)
        except Refused:
            pass
        else:
            raise AssertionError("another CA was made over this database")
    equal(w.rows(), before, "rows")
    w.put_back("signer")
    works(w)


@case
def a_wrong_key_file(w):
    w.put_back()
    with open(w.path("keyfile"), "r+b") as f:
        f.write(os.urandom(64))
    broken(w, "key file is not the one that sealed 'issuing'")
    w.put_back("keyfile")
    works(w)


@case
def no_key_file_is_not_simply_another_one(w):
    w.put_back()
    os.unlink(w.path("keyfile"))
    broken(w, "key file is not the one that sealed 'issuing'")
    w.put_back("keyfile")
    works(w)


@case
def a_bit_of_issuing(w):
    for _ in range(FLIPS):
        w.put_back()
        what = w.flip("signer/issuing")
        broken(w, "'issuing'", what=what)
    w.put_back("signer")
    works(w)


@case
def issuing_cut_short(w):
    for _ in range(2):
        w.put_back()
        size = RANDOM.randrange(os.path.getsize(w.path("signer/issuing")))
        os.truncate(w.path("signer/issuing"), size)
        broken(w, "'issuing'", what="%d bytes" % size)


@case
def a_bit_of_both_records_of_mark(w):
    size = os.path.getsize(w.path("signer/mark")) - MARK_SLOT
    size = min(size, 150)       # of a record
    for _ in range(FLIPS // 2):
        w.put_back()
        what = w.flip("signer/mark", 0, size)
        what += ", " + w.flip("signer/mark", MARK_SLOT, MARK_SLOT + size)
        broken(w, "high-water mark is damaged", what=what)


@case
def a_bit_of_one_record_of_mark_gives_a_block_of_numbers_up(w):
    for slot in (0, MARK_SLOT):
        w.put_back()
        with w.sql() as db:
            before, = db.execute("select max(number) from cert").fetchone()
        w.flip("signer/mark", slot, slot + 100)
        rows, _ = works(w)
        new = sorted(int(s[2:12], 16) for s in rows)
        check(before < new[-1] <= before + 3 * 1024, "the next number", new)
        equal(len(set(new)), len(new), "numbers")


@case
def no_mark(w):
    w.put_back()
    os.unlink(w.path("signer/mark"))
    broken(w, "high-water mark is missing")
    w.put_back("signer/mark")
    works(w)


@case
def a_bit_of_the_root_key_is_told_when_it_is_needed(w):
    w.put_back()
    size = os.path.getsize(w.path("signer/root.key"))
    w.flip("signer/root.key", size - 40)
    with w.started():
        until_open(w.ca)
        w.issue(1)              # nobody needs the root for that
        with w.ca.admin() as a:
            before = len(read_all(a)[0])
            try:
                a.boxed("ca.renew", [], [("passphrase", PASSPHRASE)])
            except Refused as e:
                check("root.key" in e.text and "damaged" in e.text, "why", e)
            else:
                raise AssertionError("renewed by a damaged key")
            equal(len(read_all(a)[0]), before, "the inventory")


@case
def a_bit_of_a_record(w):
    for _ in range(FLIPS):
        w.put_back()
        index = RANDOM.randrange(w.size)
        with w.sql() as db:
            data = bytearray(db.execute("select record from log where idx = ?",
                                        (index,)).fetchone()[0])
            at = RANDOM.randrange(len(data))
            data[at] ^= 1 << RANDOM.randrange(8)
            db.execute("update log set record = ? where idx = ?",
                       (bytes(data), index))
        broken(w, "ca.db was edited or is damaged",
               what="byte %d of record %d" % (at, index))


@case
def a_bit_of_the_last_checkpoint(w):
    for _ in range(FLIPS):
        w.put_back()
        with w.sql() as db:
            idx, text = db.execute("select idx, cast(text as blob) from note "
                                   "order by idx desc limit 1").fetchone()
            data = bytearray(text)
            at = RANDOM.randrange(len(data))
            data[at] ^= 1 << RANDOM.randrange(8)
            db.execute("update note set text = cast(? as text) where idx = ?",
                       (bytes(data), idx))
        broken(w, "checkpoint", what="byte %d of the checkpoint" % at)


@case
def a_frontier_that_is_none(w):
    w.put_back()
    with w.sql() as db:
        db.execute("update state set frontier = zeroblob(length(frontier))")
    broken(w, "last checkpoint in the database is damaged")


@case
def a_record_that_is_missing(w):
    w.put_back()
    with w.sql() as db:
        db.execute("delete from log where idx = ?", (RANDOM.randrange(w.size),))
    broken(w, "a record of its log is missing")


@case
def a_log_that_was_cut(w):
    w.put_back()
    with w.sql() as db:
        db.execute("delete from log where idx = ?", (w.size - 1,))
        db.execute("update state set log_size = log_size - 1")
    broken(w, "was cut")


@case
def a_file_that_is_no_database(w):
    w.put_back()
    with w.sql() as db:         # the header has its copy in the log beside it
        db.execute("pragma wal_checkpoint(truncate)")
    with open(w.path("store/ca.db"), "r+b") as f:
        f.write(os.urandom(100))
    broken(w, "ca.db is damaged")
    w.put_back("store")
    works(w)


def main():
    with Ca(default_profile="yes", tls_names=["localhost"]) as ca:
        return run(World(ca))


if __name__ == "__main__":
    print("CRETULA_SEED=%d" % SEED)
    sys.exit(main())
