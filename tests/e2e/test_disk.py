#!/usr/bin/python3
"""A full disk: the state folder is a small tmpfs in a mount namespace of the test's
own. Nothing is signed that cannot be written down, admins go on with what is kept
for them, nothing acknowledged is lost, and with space again all is as before."""
import ctypes
import os
import re
import subprocess
import sys
import time

from lib.case import Skip, case, check, equal, run
from lib.daemon import Daemon, records
from lib.raw import KEY, SCOPE, SECRET, VANILLA, VANILLA_TEXT, right

from cretula_native import Client, Refused

MIB = 1 << 20
DISK = 96 * MIB
RESERVE = 64 * MIB      # kept for admins, as docs/audit.md says
CLONE_NEWNS = 0x20000
SECONDS = 90


def own_mounts():
    if os.getuid() != 0:
        raise Skip("needs root, to mount a small disk")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Skip("no mount namespace: %s" % os.strerror(ctypes.get_errno()))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class SmallDisk(Daemon):
    def __enter__(self):
        own_mounts()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d,mode=0700" % DISK,
                        "none", self.state], check=True)
        return super().__enter__()

    def close(self):
        self.stop()
        subprocess.run(["umount", "-l", self.state], check=False,
                       stderr=subprocess.DEVNULL)
        super().close()

    @property
    def ballast(self):
        return os.path.join(self.state, "ballast")

    def left(self):
        st = os.statvfs(self.state)
        return st.f_bavail * st.f_bsize

    def leave(self, left):
        """Fills the disk until only so many bytes are free."""
        with open(self.ballast, "ab") as f:
            while self.left() > left:
                n = min(self.left() - left, MIB)
                try:
                    os.posix_fallocate(f.fileno(), f.tell(), n)
                except OSError:
                    break
                f.seek(0, os.SEEK_END)

    def free(self):
        os.unlink(self.ballast)


def signs(daemon):
    with Client(daemon.api) as c:
        return right(c.run("prod", "sign", VANILLA))


def refused(daemon, words):
    with Client(daemon.api) as c:
        try:
            c.run("prod", "sign", VANILLA)
        except Refused as e:
            equal(e.error, "unavailable", "the error (%s)" % e.text)
            for word in words:
                check(word in e.text, "the reason has '%s'" % word, e.text)
            return
    raise AssertionError("it was signed")


def signs_again(daemon):
    """After a failure ordinary records are refused for a second; every answer
    until then is a clear one."""
    end = time.monotonic() + SECONDS
    with Client(daemon.api) as c:
        while time.monotonic() < end:
            try:
                return right(c.run("prod", "sign", VANILLA))
            except Refused as e:
                equal(e.error, "unavailable", "the error (%s)" % e.text)
    return False


def prepare(daemon):
    with daemon.admin() as a:
        a.credential_add("prod", "aws-sigv4", [("access_key", KEY)],
                         [("secret_key", SECRET)])
        a.grant_add(("credential", "prod"), ("op", "sign"), ("uid", os.getuid()),
                    ("max_skew", "any"))
    check(signs(daemon), "it signs")


@case
def nearly_full_disk_stops_signing_and_not_the_admin(daemon):
    daemon.leave(RESERVE - MIB)
    before = len(records(daemon))
    refused(daemon, ["audit log cannot be written"])
    done = daemon.cli("sign", "prod", *SCOPE, stdin=VANILLA_TEXT, check=False)
    equal((done.returncode, done.stdout), (75, b""), "exit code, output")
    daemon.cli("credential", "add", "second", "module=aws-sigv4",
               "access_key=" + KEY, "secret_key=-", stdin=SECRET.encode())
    daemon.cli("credential", "disable", "second")
    daemon.cli("credential", "remove", "second")
    ident = daemon.cli("grant", "add", "credential=prod", "op=sign", "uid=5",
                       "--field", "id").stdout.decode().strip()
    daemon.cli("grant", "remove", ident)
    got = records(daemon)
    equal([r["event"] for r in got[before:]],
          ["credential.add", "credential.disable", "credential.remove",
           "grant.add", "grant.remove"], "what was written meanwhile")
    daemon.cli("audit", "verify")


@case
def nearly_full_disk_is_said_by_status(daemon):
    refused(daemon, [])
    done = daemon.cli("status", check=False)
    equal(done.returncode, 7, "exit code")
    check(b"disk" in done.stdout, "the reason", done.stdout)


@case
def space_again_and_it_signs_again(daemon):
    daemon.free()
    check(signs_again(daemon), "it signs")
    daemon.cli("audit", "verify")
    done = daemon.cli("status", check=False)
    equal(done.returncode, 0, "status")


@case
def quite_full_disk_refuses_admins_too_and_changes_nothing(daemon):
    shown = daemon.cli("credential", "list").stdout
    grants = daemon.cli("grant", "list").stdout
    daemon.leave(0)
    refused(daemon, ["audit log cannot be written"])
    failed = None
    for i in range(2000):       # what is left of the last pages is used up
        done = daemon.cli("grant", "add", "credential=prod", "op=sign",
                          "uid=%d" % (100 + i), check=False)
        if done.returncode:
            failed = done
            break
        grants = daemon.cli("grant", "list").stdout
    check(failed is not None, "at last it is full")
    equal(failed.returncode, 75, "exit code: %r" % failed.stderr)
    check(b"disk is full" in failed.stderr, "the reason", failed.stderr)
    daemon.failed = re.search(rb"\[request ([^]]+)\]", failed.stderr).group(1)
    equal(daemon.cli("credential", "list").stdout, shown, "credentials")
    equal(daemon.cli("grant", "list").stdout, grants, "grants")
    daemon.cli("status", check=False)


@case
def space_again_and_all_of_it_works(daemon):
    shown = daemon.cli("credential", "list").stdout
    grants = daemon.cli("grant", "list").stdout
    daemon.free()
    check(signs_again(daemon), "it signs")
    told = [r for r in records(daemon)
            if r.get("request_id") == daemon.failed.decode()]
    check(not told or told[-1].get("outcome") == "failed",
          "the log does not say that it was done", told)
    daemon.cli("grant", "add", "credential=prod", "op=sign", "uid=7")
    added = daemon.cli("grant", "list").stdout
    check(added.startswith(grants) and added != grants, "a grant more", added)
    daemon.cli("audit", "verify")
    equal(daemon.stop(), 0, "credd ends well")
    daemon.start()
    daemon.unseal()
    check(signs(daemon), "it signs after a restart")
    equal(daemon.cli("credential", "list").stdout, shown, "credentials")
    equal(daemon.cli("grant", "list").stdout, added, "grants")
    daemon.cli("audit", "verify")


@case
def restart_on_a_full_disk_opens_and_is_whole(daemon):
    with Client(daemon.api) as c:
        last = c.run("prod", "sign", VANILLA).text("request_id")
    daemon.leave(0)
    daemon.stop()
    daemon.start()
    daemon.unseal()
    daemon.cli("audit", "verify")
    check(any(r.get("request_id") == last for r in records(daemon)),
          "the last answered request is in the log", last)
    refused(daemon, [])
    daemon.free()
    check(signs_again(daemon), "it signs")


@case
def kill_on_a_full_disk_loses_nothing_acknowledged(daemon):
    daemon.leave(RESERVE + 64 * 1024)
    answered = []
    with Client(daemon.api) as c:
        try:
            for _ in range(2000):
                answered.append(c.run("prod", "sign", VANILLA)
                                .text("request_id"))
        except Refused as e:
            equal(e.error, "unavailable", "the error (%s)" % e.text)
        else:
            raise AssertionError("the disk did not fill")
    check(answered, "some were answered")
    for pid in daemon.roles()["store"]:
        os.kill(pid, 9)
    daemon.free()
    check(signs_again(daemon), "it signs")
    seen = {r.get("request_id") for r in records(daemon)}
    equal([i for i in answered if i not in seen], [], "answers without a record")
    daemon.cli("audit", "verify")


def main():
    try:
        with SmallDisk() as daemon:
            prepare(daemon)
            return run(daemon)
    except Skip as e:
        print("skip full_disk - %s" % e)
        return 0


if __name__ == "__main__":
    sys.exit(main())
