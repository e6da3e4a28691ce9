#!/usr/bin/python3
"""Who asks is who asked: nobody gets a grant that is not its own by becoming another
program, putting one in its place, or arranging mounts. What honest clients get stands
beside each attack. (Connections and pids: test_who_passed.py.)

Not tried, because it is out of scope (SECURITY.md): ptrace and LD_PRELOAD of a
process of one's own user, which is then no longer the program it is taken for."""
import os
import shutil
import signal
import socket
import subprocess
import sys

from lib.actor import (CLONE_NEWNS, SECONDS, Actor, ask, bind, greeted, outcome,
                       performed, send_run, share_memory, unshare_user, wait_exe)
from lib.case import Skip, case, equal
from lib.raw import Raw
from lib.world import (ASKER, GROUP, OWNER, PYTHON, STRANGER, cgroups, exec_trusted,
                       hold, main, need_unit, refused)


# What honest clients get

@case
def honest_program_gets_its_grant(world):
    equal(world.program(world.trusted, "ask", world.api, "exe"), "allowed",
          "the trusted program")
    equal(world.program(PYTHON, "ask", world.api, "exe"), "denied",
          "another program of that user")
    equal(world.program(world.trusted, "ask", world.api, "exe", uid=STRANGER),
          "denied", "the trusted program of another user")


@case
def uid_and_gid_are_the_kernels(world):
    def asks(credential):
        return lambda link: link.tell(ask(world.api, credential))
    for uid, gid, groups, credential, wanted in (
            (OWNER, None, (), "uid", "allowed"),
            (STRANGER, None, (), "uid", "denied"),
            (STRANGER, GROUP, (), "gid", "allowed"),
            (STRANGER, None, (GROUP,), "gid", "allowed"),
            (STRANGER, None, (), "gid", "denied"),
            (OWNER, None, (), "root", "denied"),
            (None, None, (), "root", "allowed")):
        equal(performed(asks(credential), uid=uid, gid=gid, groups=groups), wanted,
              "%s %s %s asks for %s" % (uid, gid, groups, credential))


@case
def unit_is_where_the_process_is(world):
    need_unit(world)
    inner = os.path.join(cgroups(), "other-" + world.unit, world.unit)
    os.makedirs(inner)
    try:
        for cgroup, wanted in ((os.path.join(cgroups(), world.unit), "allowed"),
                               (inner, "denied"), (None, "denied")):
            equal(performed(lambda link: link.tell(ask(world.api, "unit")),
                            uid=OWNER, cgroup=cgroup), wanted, cgroup)
    finally:
        os.rmdir(inner)
        os.rmdir(os.path.dirname(inner))


# Another program

@case
def program_that_execs_a_trusted_one_after_the_hello(world):
    equal(world.program(PYTHON, "exec", world.api, "exe", world.trusted),
          "denied\ndenied", "before and after")
    equal(world.program(PYTHON, "exec", world.api, "uid", world.trusted),
          "denied\nallowed", "its user is the same")


@case
def trusted_program_that_execs_another(world):
    equal(world.program(world.trusted, "exec", world.api, "exe", PYTHON),
          "denied\ndenied", "before and after")
    equal(world.program(world.trusted, "exec", world.api, "exe", world.trusted),
          "denied\ndenied", "the same program, started anew by we do not know what")


@case
def trusted_program_that_execs_another_beside_a_clone(world):
    """The trusted program's memory lives on, so maps does not tell of the exec."""
    r, w = os.pipe()
    asker = subprocess.Popen(
        [world.trusted, ASKER, "exec-sharing", world.api, "exe", PYTHON], user=OWNER,
        group=OWNER, extra_groups=[], stdout=w, env={})
    os.close(w)
    with asker, os.fdopen(r) as out:
        equal(out.readline(), "denied\n", "what is not there")
        clone = int(out.readline())
        try:
            equal(out.readline(), "denied\n", "what it execs")
        finally:
            os.kill(clone, signal.SIGKILL)


def request_then_exec(world, credential, sibling):
    """A stranger program asks, and has become the trusted one when door is asked
    who it is. With a sibling, its old memory lives on."""
    def attack(link):
        sock = greeted(world.api)
        sock.set_inheritable(True)
        link.sock.set_inheritable(True)
        link.tell(share_memory() if sibling else 0, sock.fileno())
        link.hear()
        send_run(sock, credential)
        exec_trusted(world, "wait", link.sock.fileno())

    with Actor(attack, uid=OWNER) as a:
        pid, (fd,) = a.hear()
        try:
            with world.door() as door, socket.socket(fileno=fd) as sock:
                a.tell("door is stopped")
                wait_exe(a.pid, world.trusted)
                os.kill(a.pid, signal.SIGSTOP)      # the answer is for us
                door.go()
                return outcome(sock)
        finally:
            if pid:
                os.kill(pid, signal.SIGKILL)


@case
def request_in_flight_when_its_program_becomes_the_trusted_one(world):
    refused(request_then_exec(world, "exe", False), "the program before")


@case
def clone_that_keeps_the_old_memory_readable(world):
    refused(request_then_exec(world, "exe", True), "the program before")


@case
def connect_then_exec_before_door_looks(world):
    """Door finds the trusted program at the other end, but a sibling answers."""
    def attack(link):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(world.api)
        sock.set_inheritable(True)
        link.tell("connected", sock.fileno())
        waits, held = os.pipe()
        os.set_inheritable(waits, True)
        os.set_inheritable(held, True)
        exec_trusted(world, "wait", waits)

    with world.door() as door, Actor(attack, uid=OWNER) as a:
        _, (fd,) = a.hear()
        wait_exe(a.pid, world.trusted)
        door.go()

        def sibling(link):
            raw = Raw.__new__(Raw)
            raw.sock = socket.socket(fileno=fd)
            raw.sock.settimeout(SECONDS)
            raw.greet()
            send_run(raw.sock, "exe")
            link.tell(outcome(raw.sock))
        refused(performed(sibling, uid=OWNER), "the sibling")
        os.close(fd)


@case
def loader_that_runs_the_trusted_program(world):
    loader = os.path.realpath("/lib64/ld-linux-x86-64.so.2")
    if not os.path.exists(loader):
        raise Skip("another loader")
    done = subprocess.run([loader, world.trusted, ASKER, "ask", world.api, "exe"],
                          user=OWNER, group=OWNER, extra_groups=[],
                          stdout=subprocess.PIPE, timeout=SECONDS, env={})
    equal(done.stdout, b"denied\n", "the loader is not the program")


# Mounts

def in_namespace(world, source, target, program, credential="exe"):
    """PROGRAM asks, in a user and mount namespace with source mounted on target."""
    def attack(link):
        try:
            unshare_user(CLONE_NEWNS)
        except PermissionError as e:
            link.tell(e)
            return
        bind(source, target)
        r, w = os.pipe()
        if os.fork() == 0:
            os.dup2(w, 1)
            os.execve(program, [program, ASKER, "ask", world.api, credential], {})
        os.close(w)
        with os.fdopen(r) as f:
            link.tell(f.read().strip())
        os.wait()
    try:
        return performed(attack, uid=OWNER)
    except PermissionError:
        raise Skip("users may not make user namespaces here")


@case
def own_program_mounted_over_the_trusted_one(world):
    equal(in_namespace(world, world.owned, world.trusted, world.trusted), "denied",
          "the own program")


@case
def trusted_program_mounted_over_an_own_one(world):
    equal(in_namespace(world, world.trusted, world.owned, world.owned), "denied",
          "the trusted program at another place")


@case
def trusted_program_among_mounts_of_its_user(world):
    """What it loads there is its user's choice, so it proves nothing."""
    equal(in_namespace(world, world.owned, world.theirs, world.trusted), "denied",
          "the trusted program")
    equal(in_namespace(world, world.owned, world.theirs, world.trusted, "uid"),
          "allowed", "its user, who is the same")


@case
def root_of_a_user_namespace_is_not_root(world):
    equal(in_namespace(world, world.owned, world.theirs, PYTHON, "root"), "denied",
          "uid 0 of a namespace")


@case
def program_its_user_can_change(world):
    for credential, path in (("owned", world.owned), ("theirs", world.theirs)):
        equal(world.program(path, "ask", world.api, credential), "denied", path)


@case
def program_others_can_change(world):
    """Group or world may write it, or the folder it is in; group root's bits may
    stand for an access list."""
    folder = os.path.dirname(world.trusted)
    for path, mode, gid in ((world.trusted, 0o757, 0), (folder, 0o757, 0),
                            (world.trusted, 0o775, GROUP), (folder, 0o775, GROUP),
                            (world.trusted, 0o775, 0), (folder, 0o775, 0)):
        was = os.stat(path)
        try:
            os.chown(path, 0, gid)
            os.chmod(path, mode)
            equal(world.program(world.trusted, "ask", world.api, "exe"), "denied",
                  "%s with mode %o and group %d" % (path, mode, gid))
        finally:
            os.chown(path, was.st_uid, was.st_gid)
            os.chmod(path, was.st_mode & 0o7777)
    equal(world.program(world.trusted, "ask", world.api, "exe"), "allowed",
          "as it was")


@case
def program_that_was_replaced(world):
    """The file at the path is another one than what runs."""
    kept = world.trusted + ".kept"
    a, sock = hold(world)
    with a, sock:
        a.tell("exe")
        equal(a.hear()[0], "allowed", "before")
        os.rename(world.trusted, kept)
        try:
            shutil.copy2(kept, world.trusted)
            a.tell("exe")
            equal(a.hear()[0], "denied", "what is no longer at the path")
        finally:
            os.rename(kept, world.trusted)
        a.tell("exe")
        equal(a.hear()[0], "allowed", "what is there again")


if __name__ == "__main__":
    sys.exit(main())
