#!/usr/bin/python3
"""Who asks is who asked: nobody gets a grant that is not its own by passing a
connection on, taking over a pid, or lying about its pid.

test: alone (it chooses pids, and others may still mean who had them before)"""
import contextlib
import os
import signal
import socket
import sys

from lib.actor import (CLONE_NEWPID, LAST_PID, SECONDS, Actor, credentials, fork_as,
                       greeted, libc, must, outcome, performed, send_run,
                       unshare_user)
from lib.case import Skip, case, equal
from lib.raw import CALL, Raw, encode_message, run_attrs
from lib.world import (OWNER, STRANGER, cgroups, exec_trusted, hold, main, need_unit,
                       refused)


# Connections that are passed on

def use(sock, credential):
    """A function for an Actor that asks over another's connection."""
    def attack(link):
        send_run(sock, credential)
        link.tell(outcome(sock))
    return attack


@case
def connection_that_is_passed_on(world):
    for uid in (OWNER, STRANGER, None):
        for credential in ("exe", "uid", "root"):
            a, sock = hold(world)
            with a, sock:
                refused(performed(use(sock, credential), uid=uid),
                        "uid %s with %s" % (uid, credential))
                a.tell("exe")
                equal(a.hear()[0], "closed", "the connection afterwards")
    equal(world.program(world.trusted, "ask", world.api, "exe"), "allowed",
          "the honest program, connected anew")


@case
def connection_inherited_by_a_fork(world):
    def attack(link):
        sock = greeted(world.api)
        if os.fork() == 0:
            send_run(sock, "uid")
            os._exit(0)
        os.wait()
        link.tell(outcome(sock))
    refused(performed(attack, uid=OWNER), "a child")


@case
def nonce_that_is_passed_on(world):
    """The process that connected gives the nonce away; another answers."""
    def attack(asks):
        def connect(link):
            raw = Raw(world.api, hello=False)
            raw.greeting()
            if os.fork() == 0:
                raw.send(raw.nonce + b"\0\1")
                if asks == "child":
                    send_run(raw.sock, "uid")
                os._exit(0)
            os.wait()
            if asks == "owner":
                send_run(raw.sock, "uid")
            link.tell(outcome(raw.sock))
        return connect
    for asks in ("child", "owner"):
        refused(performed(attack(asks), uid=OWNER), "the hello of a child")


@case
def half_a_request_from_each_of_two_processes(world):
    message = encode_message(CALL, 1, run_attrs("uid"))

    def attack(link):
        sock = greeted(world.api)
        sock.sendall(message[:20])
        if os.fork() == 0:
            sock.sendall(message[20:])
            os._exit(0)
        os.wait()
        link.tell(outcome(sock))
    refused(performed(attack, uid=OWNER), "the second half of a child")


# Pids

def need_last_pid():
    if not os.access(LAST_PID, os.W_OK):
        raise Skip("no ns_last_pid to choose pids with")


def recycled(world, credential, uid, cgroup=None):
    """The owner of a connection dies unnoticed, and a process of uid gets its pid
    and the connection. A deadline passes where only door can answer."""
    a, sock = hold(world, cgroup=cgroup)
    with world.door() as door, a, sock:
        old = a.pid
        a.end()
        with Actor(use(sock, credential), uid=uid,
                   fork=lambda: fork_as(old)) as thief:
            equal(thief.pid, old, "the pid")
            thief.link.sock.settimeout(1)
            with contextlib.suppress(TimeoutError, socket.timeout):
                return thief.hear()[0]
            thief.link.sock.settimeout(SECONDS)
            door.go()
            return thief.hear()[0]


@case
def recycled_pid(world):
    need_last_pid()
    for credential in ("exe", "uid"):
        refused(recycled(world, credential, STRANGER),
                "a stranger with the pid of who had " + credential)
    refused(recycled(world, "exe", OWNER), "another program with the pid")


@case
def recycled_pid_out_of_a_unit(world):
    need_last_pid()
    need_unit(world)
    refused(recycled(world, "unit", STRANGER, os.path.join(cgroups(), world.unit)),
            "who is not in the unit")


@case
def same_pid_in_a_namespace(world):
    """The number is the same only for those inside."""
    need_last_pid()
    a, sock = hold(world)

    def attack(link):
        must(libc.unshare(CLONE_NEWPID), "unshare")
        if os.fork():
            os.wait()
            return
        if fork_as(a.pid):
            os.wait()
            os._exit(0)
        send_run(sock, "uid")
        link.tell((os.getpid(), outcome(sock)))
        os._exit(0)
    with a, sock:
        pid, got = performed(attack)
        equal(pid, a.pid, "the pid it has there")
        refused(got, "it")


def spoof(world, credential):
    """Root of a user and pid namespace says that what it sends comes from a sibling
    that execs the trusted program before door looks."""
    def attack(link):
        try:
            unshare_user(CLONE_NEWPID)
        except PermissionError as e:
            link.tell(e)
            return
        if os.fork():
            os.wait()
            return
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(SECONDS)
        sock.set_inheritable(True)
        r, w = os.pipe()            # ends for us when the sibling execs
        sibling = os.fork()
        if sibling == 0:
            os.close(r)
            sock.connect(world.api)
            waits, held = os.pipe()
            os.set_inheritable(waits, True)
            os.set_inheritable(held, True)
            exec_trusted(world, "wait", waits)
        os.close(w)
        os.read(r, 1)
        link.tell("ready")
        link.hear()
        raw = Raw.__new__(Raw)
        raw.sock = sock
        raw.greeting()
        lie = credentials(sibling, 0, 0)
        sock.sendmsg([raw.nonce + b"\0\1"], lie)
        send_run(sock, credential, lie)
        link.tell(outcome(sock))
        os.kill(sibling, signal.SIGKILL)
        os._exit(0)

    with world.door() as door, Actor(attack, uid=OWNER) as a:
        try:
            a.hear()
        except PermissionError:
            raise Skip("users may not make user namespaces here")
        a.tell("go")
        door.go()
        return a.hear()[0]


@case
def pid_spoofed_as_that_of_a_trusted_sibling(world):
    equal(spoof(world, "uid"), "allowed", "the lie is believed, for what is theirs")
    refused(spoof(world, "exe"), "the liar")
    refused(spoof(world, "root"), "the liar")


if __name__ == "__main__":
    sys.exit(main())
