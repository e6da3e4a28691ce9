#!/usr/bin/python3
"""What somebody who can write to the disk may do to the store and its log while
credd is down: each deed is an error of its own at unseal, and nothing is served."""
import os
import re
import stat
import subprocess
import sys

from lib.case import Skip, case, check, equal, run
from lib.daemon import PASSPHRASE, Daemon, descendants
from lib.raw import KEY, SECRET, VANILLA
from lib.vandal import Vandal

from cretula_native import Client, Refused

OTHER = "a second passphrase"
SAID = {}       # deed: the sentence it got, numbers aside


class Site:
    """A daemon, its store as it should be, and copies of it from earlier."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.vandal = Vandal(daemon)
        with daemon.admin() as a:
            a.init(PASSPHRASE)
            for name in ("prod", "test"):
                a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                                 [("secret_key", SECRET)])
                a.grant_add(("credential", name), ("op", "sign"),
                            ("uid", os.getuid()), ("max_skew", "any"))
            a.grant_add(("credential", "old"), ("op", "sign"), ("uid", 5))
            self.slot_add(a)
        equal(daemon.stop(), 0, "credd ends well")
        self.old = self.vandal.keep()
        daemon.start()
        daemon.unseal()
        with daemon.admin() as a:
            a.call("slot.remove", [("slot", 2)])
            a.call("grant.remove", [("id", 3)])
            a.credential_rotate("prod", [], [("secret_key", "another" * 5)])
            a.call("credential.disable", [("name", "test")])
            a.call("credential.enable", [("name", "test")])
            self.slot_add(a)
        equal(daemon.stop(), 0, "credd ends well")
        self.good = self.vandal.keep()

    def slot_add(self, admin):
        admin.call("slot.add", [
            admin.box([("type", "passphrase"), ("secret", OTHER)]),
            ("ops", 1), ("mem", 64 << 20)])

    def fresh(self):
        self.vandal.put_back(self.good)

    def row(self, table, number=None, folder=None):
        """A row of that table, the first or that one."""
        rows = self.vandal.rows(table, folder or self.good)
        return rows[min(rows) if number is None else (table, number)]


def served(daemon):
    try:
        with Client(daemon.api) as c:
            c.run("test", "sign", VANILLA)
        return True
    except Refused:
        return False


def what_is_said(site, passphrase=PASSPHRASE):
    """Starts credd and unseals: the error and its sentence. Nothing may be
    served, and status has to say the same."""
    daemon = site.daemon
    daemon.start()
    try:
        with daemon.admin() as a:
            try:
                a.unseal(passphrase)
            except Refused as e:
                error, text = e.error, e.text
            else:
                raise AssertionError("the store was opened")
            status = a.status()
        check(status.text("state") in ("sealed", "broken"), "not open",
              list(status))
        if error != "denied":
            check(text in [v.decode() for v in status.all("attention")],
                  "status says it, too", text, list(status))
        check(not served(daemon), "nothing is served")
        return error, text
    finally:
        daemon.stop()


def deed(name, *words, error=None):
    """A case that spoils the good store by function(site) and hears these
    words."""
    def wrap(function):
        def tried(site):
            site.fresh()
            function(site)
            got, text = what_is_said(site)
            for word in words:
                check(re.search(word, text), "the sentence has '%s'" % word, text)
            if error:
                equal(got, error, "the error (%s)" % text)
            SAID[name] = re.sub(r"\d+", "N", text)
        tried.__name__ = function.__name__
        return case(tried)
    return wrap


def positions(blob, count=7):
    """Offsets spread over a blob, its first and last byte included."""
    last = len(blob) - 1
    return sorted({last * i // (count - 1) for i in range(count)} | {1, 5})


def flips(site, table, wanted, number=None):
    """A bit flipped at many places of a row's blob: always refused, by name."""
    row = site.row(table, number)
    where = row[:2]
    for n, at in enumerate(positions(row[-1])):
        site.fresh()
        site.vandal.flip(where, at, n % 8)
        _, text = what_is_said(site)
        check(re.search(wanted, text), "byte %d of %s" % (at, where), text)
        if number is None:
            SAID["flip " + table] = re.sub(r"\d+", "N", text)


SEALED_ROW = r"row %s/\d+ .*(was edited|cut short|newer version|key epoch)"


@case
def any_bit_of_a_credential_row_counts(site):
    flips(site, "credential", SEALED_ROW % "credential")


@case
def any_bit_of_a_grant_row_counts(site):
    flips(site, "grant", SEALED_ROW % "grant")


@case
def any_bit_of_a_module_row_counts(site):
    flips(site, "module", SEALED_ROW % "module")


@case
def any_bit_of_a_key_row_counts(site):
    flips(site, "key", SEALED_ROW % "key")


@case
def any_bit_of_the_state_row_counts(site):
    flips(site, "state", SEALED_ROW % "state")


@case
def any_bit_of_the_slot_in_use_counts(site):
    flips(site, "slot", r"slot \d+ (is damaged|is of an unknown type|was made)|"
          r"Argon2id|newer version")


@case
def any_bit_of_another_slot_counts(site):
    """The passphrase opens slot 1; a change to the other one is noticed."""
    numbers = sorted(n for _, n in site.vandal.rows("slot", site.good))
    equal(len(numbers), 2, "slots")
    flips(site, "slot", "not the one last written|slot|Argon2id|newer version",
          numbers[1])


def column(name, value):
    @deed("column " + name, r"was sealed as credential/\d+ '\w+' \(aws-sigv4, version \d+, "
          r"generation \d+\) and its columns were edited", error="invalid")
    def change(site):
        site.vandal.change(site.row("credential")[:2], **{name: value})
    change.__name__ = "edited_%s_is_refused" % name
    return change


for _name, _value in (("name", "admin"), ("version", 7), ("generation", 1)):
    column(_name, _value).__name__ = "edited_%s_is_refused" % _name


@deed("column module", "aws-sigv4, .* and its columns were edited")
def edited_module_is_refused(site):
    site.vandal.change(site.row("credential")[:2], module="hmac")


@deed("cut", "cut short")
def cut_blob_is_refused(site):
    site.vandal.change(site.row("grant")[:2], blob=site.row("grant")[-1][:20])


@deed("deleted", "rows and should have", "were deleted", error="invalid")
def deleted_grant_is_noticed(site):
    site.vandal.delete(site.row("grant")[:2])


@case
def deleted_row_of_each_table_is_noticed(site):
    for table, words in (("credential", "were deleted"),
                         ("module", "does not pin|were deleted"),
                         ("key", "were deleted"), ("slot", "were deleted|no key")):
        site.fresh()
        rows = site.vandal.rows(table)
        site.vandal.delete(max(rows))
        _, text = what_is_said(site)
        check(re.search(words, text), "a row of %s" % table, text)


@deed("state deleted", "state row is gone")
def deleted_state_row_is_noticed(site):
    site.vandal.delete(site.row("state")[:2])


@deed("slots deleted", "no key slot")
def deleted_slots_are_noticed(site):
    for where in site.vandal.rows("slot"):
        site.vandal.delete(where)


@deed("copied", "was sealed as grant/1 ", "moved from there")
def copied_row_is_noticed(site):
    row = list(site.row("grant", 1))
    row[1] = 77
    site.vandal.insert(row)


@deed("swapped", "was sealed as credential/", "moved from there")
def swapped_blobs_are_noticed(site):
    rows = site.vandal.rows("credential")
    (a, one), (b, two) = sorted(rows.items())[:2]
    site.vandal.change(a, blob=two[-1])
    site.vandal.change(b, blob=one[-1])


@deed("slot copied", "rows were added or put back")
def copied_slot_is_noticed(site):
    row = list(site.row("slot", 1))
    row[1] = 9
    site.vandal.insert(row)


@deed("grant put back", "rows were added or put back")
def removed_grant_put_back_is_noticed(site):
    site.vandal.insert(site.row("grant", 3, site.old))


@deed("slot put back", "rows were added or put back")
def removed_slot_put_back_is_noticed(site):
    site.vandal.insert(site.row("slot", 2, site.old))


@case
def removed_slot_put_back_opens_nothing_with_its_passphrase(site):
    """Alone in the store, it opens, and what it opens is refused."""
    site.fresh()
    for where in site.vandal.rows("slot"):
        site.vandal.delete(where)
    site.vandal.insert(site.row("slot", 2, site.old))
    _, text = what_is_said(site, OTHER)
    check(re.search("rows were|not the one last written", text), "refused", text)


@deed("old row", "not the one last written", "put back from an old copy")
def row_put_back_from_an_old_copy_is_noticed(site):
    """Disabled and enabled since: the same name and version, an older row."""
    old = [r for r in site.vandal.rows("credential", site.old).values()
           if r[2] == "test"]
    site.vandal.insert(old[0])


@deed("old state row", "the state row is of generation", "old copy")
def state_row_put_back_is_noticed(site):
    site.vandal.insert(site.row("state", folder=site.old))


@deed("old store", "generation", "the log", error="conflict")
def old_store_beside_its_newer_log_is_noticed(site):
    site.vandal.store_from(site.old)


@deed("store id", "slot 1 was made for another store")
def changed_store_id_is_noticed(site):
    site.vandal.meta("store", bytes(16))


@deed("newer store", "format 2", "newer version", error="unsupported")
def store_of_a_newer_format_is_refused(site):
    site.vandal.meta("format", b"\2")


@deed("newer row", "newer version", error="unsupported")
def row_of_a_newer_format_is_refused(site):
    row = site.row("grant")
    site.vandal.change(row[:2], blob=b"\2" + row[-1][1:])


@deed("newer slot", "key slot is of version 2", "newer version",
      error="unsupported")
def slot_of_a_newer_version_is_refused(site):
    for where, row in site.vandal.rows("slot").items():
        site.vandal.change(where, blob=b"\2" + row[-1][1:])


@deed("foreign row", "no version has written|unknown table")
def row_of_no_table_is_refused(site):
    row = list(site.row("grant"))
    row[0] = "nonsense"
    site.vandal.insert(row)


@deed("no database", "damaged")
def overwritten_file_is_refused(site):
    path = os.path.join(site.vandal.state, "store.db")
    site.vandal.edit_file(path, lambda d: d.__setitem__(
        slice(0, 4096), os.urandom(4096)))


@deed("pages", "damaged|edited")
def damaged_pages_are_refused(site):
    with site.vandal.sql() as db:       # all of it into the file
        db.execute("pragma wal_checkpoint(truncate)")
    path = os.path.join(site.vandal.state, "store.db")
    site.vandal.edit_file(path, lambda d: d.__setitem__(
        slice(4096, len(d)), bytes(len(d) - 4096)))


@deed("trigger", "no version has written|not a store|edited|view|cannot")
def view_in_place_of_the_table_is_refused(site):
    with site.vandal.sql() as db:
        db.execute("alter table rows rename to kept")
        db.execute("create view rows as select * from kept")


# The log

@deed("log cut", "audit log was cut", error="conflict")
def log_cut_between_records_is_noticed(site):
    at = site.vandal.log_records()[-3]
    site.vandal.edit_file(site.vandal.log_path(),
                          lambda d: d.__delitem__(slice(at, None)))


@deed("log torn", "ends in the middle of record", "cut or damaged")
def log_cut_within_a_record_is_noticed(site):
    at = site.vandal.log_records()[-3] + 9
    site.vandal.edit_file(site.vandal.log_path(),
                          lambda d: d.__delitem__(slice(at, None)))


@deed("log gone", "audit log")
def deleted_log_is_noticed(site):
    os.unlink(site.vandal.log_path())


@deed("all of the log gone", "audit log was cut|holds 0 records")
def deleted_audit_folder_is_noticed(site):
    subprocess.run(["rm", "-r", os.path.join(site.vandal.state, "audit")],
                   check=True)


@deed("log head", "log-00000001.*does not begin")
def log_of_another_version_is_refused(site):
    site.vandal.edit_file(site.vandal.log_path(),
                          lambda d: d.__setitem__(7, ord("9")))


def last_note(data):
    """Where the last checkpoint begins."""
    return data.rindex(b"cretula/credd/")


@deed("note", "checkpoint")
def edited_checkpoint_is_noticed(site):
    def edit(data):
        at = data.index(b"\n", last_note(data)) + 1
        data[at] = ord("1") if data[at] != ord("1") else ord("2")
    site.vandal.edit_file(site.vandal.log_path("checkpoints"), edit)


@deed("frontier", "frontier")
def edited_frontier_is_noticed(site):
    def edit(data):
        at = data.rindex(b"frontier=") + 30
        data[at] = ord("A") if data[at] != ord("A") else ord("B")
    site.vandal.edit_file(site.vandal.log_path("checkpoints"), edit)


@case
def flipped_byte_of_a_record_is_named_by_verify(site):
    """The log is not read in full at unseal; verify does that."""
    for n in (0, 1, 4):
        site.fresh()
        at = site.vandal.log_records()[n] + 4 + 20
        site.vandal.edit_file(site.vandal.log_path(), lambda d:
                              d.__setitem__(at, d[at] ^ 1))
        site.daemon.start()
        try:
            site.daemon.unseal()
            done = site.daemon.cli("audit", "verify", check=False)
            equal(done.returncode, 1, "verify's exit code")
            check(re.search(rb"records? .*(changed|readable)", done.stdout
                            + done.stderr), "it says so", done)
        finally:
            site.daemon.stop()


# Folder and file

@case
def folder_and_file_have_to_be_ours_alone(site):
    db = os.path.join(site.vandal.state, "store.db")

    def link():
        os.rename(db, db + ".real")
        os.symlink("store.db.real", db)

    for name, do, words in (
            ("folder mode", lambda: os.chmod(site.vandal.state, 0o750),
             "state folder has mode 0750"),
            ("file mode", lambda: os.chmod(db, 0o640),
             "store.db has mode 0640"),
            ("link", link, "store.db is not a plain file"),
            ("second name", lambda: os.link(db, db + "2"), "has 2 names")):
        site.fresh()
        do()
        _, text = what_is_said(site)
        check(words in text, name, text)
        SAID[name] = re.sub(r"\d+", "N", text)


def does_not_start(site, words):
    try:
        site.daemon.start()
    except AssertionError:
        text = site.daemon.log().splitlines()[-1]
        check(re.search(words, text), "the log says '%s'" % words, text)
    else:
        site.daemon.stop()
        raise AssertionError("credd started")


@case
def folder_of_somebody_else_is_refused(site):
    if os.getuid() != 0:
        raise Skip("needs root, to have other uids")
    site.fresh()
    os.chown(site.vandal.state, 1234, 1234)
    does_not_start(site, "belongs to uid 1234")
    site.fresh()
    os.chown(os.path.join(site.vandal.state, "store.db"), 1234, 1234)
    _, text = what_is_said(site)
    check("store.db belongs to uid 1234" in text, "a file of his", text)
    SAID["owner"] = text


@case
def folder_others_may_write_is_refused(site):
    site.fresh()
    os.chmod(site.vandal.state, stat.S_IRWXU | stat.S_IWOTH | stat.S_IXOTH)
    does_not_start(site, "can be written by others")


@case
def wrong_passphrase_is_none_of_these(site):
    site.fresh()
    error, text = what_is_said(site, "wrong")
    equal(error, "denied", "the error")
    SAID["wrong passphrase"] = re.sub(r"\d+", "N", text)


@case
def each_deed_has_a_sentence_of_its_own(site):
    """Deeds that differ in kind differ in words."""
    kinds = ("flip grant", "flip slot", "column name", "cut", "deleted",
             "state deleted", "slots deleted", "grant put back", "old row",
             "old state row", "old store", "store id", "newer store", "newer row",
             "newer slot", "no database", "log cut", "log torn", "log head",
             "note", "frontier", "folder mode", "file mode", "link",
             "second name", "wrong passphrase")
    if not all(k in SAID for k in kinds):
        raise Skip("not all cases ran: %s" % sorted(set(kinds) - set(SAID)))
    seen = {}
    for kind in kinds:
        text = SAID[kind]
        check(text not in seen, "%s and %s differ" % (kind, seen.get(text)), text)
        check(not text.endswith(".") and text[0].islower() or
              text.startswith("store"), "a sentence in house style", text)
        seen[text] = kind


@case
def untouched_store_still_opens(site):
    """And who puts things right is served again."""
    site.fresh()
    site.daemon.start()
    site.daemon.unseal()
    check(served(site.daemon), "it signs")
    site.daemon.cli("audit", "verify")
    check(descendants(site.daemon.process.pid), "processes")


def main():
    with Daemon(unsealed=False) as daemon:
        return run(Site(daemon))


if __name__ == "__main__":
    sys.exit(main())
