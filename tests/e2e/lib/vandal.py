"""Somebody who can write to the disk: keeps copies of a state folder, edits
store.db and the audit log while the daemon is down, and puts things back."""
import contextlib
import os
import shutil
import sqlite3
import subprocess

COLUMNS = ("tbl", "row", "name", "module", "version", "generation", "blob")


class Vandal:
    def __init__(self, daemon):
        self.daemon = daemon
        self.state = daemon.state
        self.copies = 0

    def keep(self):
        """A copy of the state folder, owners and modes included."""
        self.copies += 1
        copy = os.path.join(self.daemon.base, "copy-%d" % self.copies)
        subprocess.run(["cp", "-a", self.state, copy], check=True)
        return copy

    def put_back(self, copy):
        shutil.rmtree(self.state)
        subprocess.run(["cp", "-a", copy, self.state], check=True)

    @contextlib.contextmanager
    def sql(self, folder=None):
        path = os.path.join(folder or self.state, "store.db")
        db = sqlite3.connect(path)
        try:
            yield db
            db.commit()
        finally:
            db.close()

    def rows(self, table=None, folder=None):
        """{(table, row): the row as a tuple of COLUMNS}"""
        with self.sql(folder) as db:
            found = db.execute("select %s from rows" % ", ".join(COLUMNS))
            return {r[:2]: r for r in found if table in (None, r[0])}

    def change(self, where, **columns):
        """Sets columns of the row at `where`, a (table, row)."""
        with self.sql() as db:
            sets = ", ".join("%s = ?" % c for c in columns)
            done = db.execute("update rows set %s where tbl = ? and row = ?" % sets,
                              list(columns.values()) + list(where))
            if done.rowcount != 1:
                raise AssertionError("there is no row %r" % (where,))

    def flip(self, where, at, bit=0):
        """One bit of a row's blob."""
        blob = bytearray(self.rows()[where][-1])
        blob[at] ^= 1 << bit
        self.change(where, blob=bytes(blob))

    def delete(self, where):
        with self.sql() as db:
            db.execute("delete from rows where tbl = ? and row = ?", where)

    def insert(self, row):
        with self.sql() as db:
            db.execute("insert or replace into rows (%s) values (%s)" % (
                ", ".join(COLUMNS), ", ".join("?" * len(COLUMNS))), row)

    def meta(self, name, value):
        with self.sql() as db:
            done = db.execute("update meta set value = ? where name = ?",
                              (value, name))
            if done.rowcount != 1:
                raise AssertionError("meta has no %s" % name)

    def store_from(self, copy):
        """store.db and its write-ahead log as in the copy; the rest stays."""
        for name in ("store.db", "store.db-wal"):
            path = os.path.join(self.state, name)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            if os.path.exists(os.path.join(copy, name)):
                subprocess.run(["cp", "-a", os.path.join(copy, name), path],
                               check=True)

    def log_path(self, name="log-00000001"):
        return os.path.join(self.state, "audit", name)

    def log_records(self):
        """Where each record of the first segment begins, and the end."""
        with open(self.log_path(), "rb") as f:
            data = f.read()
        at, out = 16, []
        while at < len(data):
            out.append(at)
            at += 4 + int.from_bytes(data[at:at + 4], "big")
        return out + [at]

    def edit_file(self, path, edit):
        """The file's bytes, changed in place by edit(bytearray)."""
        with open(path, "r+b") as f:
            data = bytearray(f.read())
            edit(data)
            f.seek(0)
            f.write(data)
            f.truncate()
