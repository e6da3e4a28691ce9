#!/usr/bin/python3
"""The processes of ca: what is there when it says READY, which uids they have, what
the supervisor makes and refuses, what comes back when it dies, and SIGHUP."""
import os
import signal
import socket
import stat
import subprocess
import sys
import time

from lib.case import build, case, check, equal, run
from lib.daemon import Ca, wait_end

ROLES = ["dialer", "door", "gate", "issuer", "signer", "store"]
SECONDS = 90


def until(what, condition):
    """Waits for what tells nobody: a process that another one starts, a line."""
    end = time.monotonic() + SECONDS
    while not condition():
        check(time.monotonic() < end, what, "not within %d s" % SECONDS)
        time.sleep(0.01)


def children(ca):
    roles = ca.roles()
    del roles["supervisor"]
    return roles


def connects(address):
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS):
        return True


def refuses(says, **options):
    """It does not start; its exit code."""
    ca = Ca(**options)
    try:
        ca.write_conf()
        done = subprocess.run(
            [os.path.join(build(), "bin", "ca"), "--config", ca.conf],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
        check(says in done.stdout.decode(), says, done.stdout.decode())
        return done.returncode
    finally:
        ca.close()


@case
def every_role_is_there():
    with Ca() as ca:
        roles = children(ca)
        equal(sorted(roles), ROLES, "roles")
        uids = set()
        for role, pids in roles.items():
            with open("/proc/%d/status" % pids[0]) as f:
                text = f.read()
            check("\nSeccomp:\t2\n" in text, "%s has a filter" % role)
            uids.add(text.split("\nUid:\t")[1].split("\t")[0])
        if os.geteuid() == 0:
            equal(len(uids), len(ROLES), "uids differ")
            check("0" not in uids, "nobody is root")


@case
def it_listens_where_it_says():
    with Ca() as ca:
        check(connects(ca.https), "https")
        check(connects(ca.http), "http")
        check(os.path.exists(ca.api), "api.sock")
        mode = os.stat(os.path.join(ca.folder, "admin.sock")).st_mode
        equal(stat.S_IMODE(mode), 0o660, "mode of admin.sock")


@case
def an_ipv6_address():
    with Ca(listen="[::1]:0") as ca:
        check(ca.https.startswith("[::1]:"), "https", ca.https)


@case
def the_key_file_is_made_once():
    with Ca() as ca:
        path = os.path.join(ca.state, "keyfile")
        st = os.stat(path)
        equal((stat.S_IMODE(st.st_mode), st.st_size), (0o600, 64), "key file")
        with open(path, "rb") as f:
            before = f.read()
        ca.stop()
        ca.start()
        with open(path, "rb") as f:
            equal(f.read(), before, "key file after a start")


@case
def folders_are_their_roles():
    with Ca() as ca:
        for name in ("store", "signer"):
            st = os.stat(os.path.join(ca.state, name))
            equal(stat.S_IMODE(st.st_mode), 0o700, "mode of " + name)
            with open("/proc/%d/status" % children(ca)[name][0]) as f:
                uid = f.read().split("\nUid:\t")[1].split("\t")[0]
            equal(str(st.st_uid), uid, "owner of " + name)


@case
def what_dies_comes_back():
    with Ca() as ca:
        for role in ROLES:
            old = children(ca)[role][0]
            os.kill(old, signal.SIGKILL)
            check(wait_end(old, SECONDS), "%s ends" % role)
            until("%s is back" % role,
                  lambda r=role, o=old: children(ca).get(r, [o])[0] != o)
        equal(sorted(children(ca)), ROLES, "roles")
        check(connects(ca.https), "https")


@case
def the_end_is_everybodys():
    with Ca() as ca:
        pids = [p[0] for p in children(ca).values()]
        equal(ca.end(), 0, "exit code")
        for pid in pids:
            check(wait_end(pid, 0), "a child has ended")


@case
def profiles_are_read_again():
    with Ca() as ca:
        ca.add_profile("one", "# nothing\n")
        os.chmod(ca.add_profile("bad", "# nothing\n"), 0o666)
        ca.add_profile("two", "#\n" * 40000)    # over 64 KiB
        ca.reload()
        until("reload is logged", lambda: "event=reload" in ca.log())
        check('text="1 profiles in' in ca.log(), "one is good", ca.log())
        for name in ("bad.conf", "two.conf"):
            check("'%s' has to belong" % name in ca.log(), name)


@case
def bad_configuration_is_refused():
    equal(refuses("is not an address", listen="localhost:0"), 2, "a name")
    equal(refuses("is not an address", listen="127.0.0.1"), 2, "no port")
    equal(refuses("is not an address", listen="[127.0.0.1]:0"), 2, "brackets")
    equal(refuses("is not an address", listen_http="127.0.0.1:65536"), 2,
          "a port too high")
    equal(refuses("public_url=", public_url="https://ca.example"), 2, "https")
    equal(refuses("public_url=", public_url="http://ca.example/"), 2, "slash")
    equal(refuses("keyfile", keyfile="/dev/null"), 1, "no plain file")
    with Ca() as ca:
        equal(refuses("cannot listen", listen=ca.https), 1, "a taken port")


if __name__ == "__main__":
    sys.exit(run())
