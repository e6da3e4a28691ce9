#!/usr/bin/python3
"""The secret is nowhere: after a thousand signatures no confidential value is in the
readable memory of any process but the worker's, nor in store, logs, audit, argv or
environment; raw, in hex or in base64. Before that the search is shown to find."""
import base64
import ctypes
import os
import sys

from lib.case import Skip, case, check, equal, is_sanitized, run
from lib.daemon import PASSPHRASE, Daemon
from lib.memory import in_arguments, in_bytes, in_folder, in_memory, shapes
from lib.raw import KEY, VANILLA

SIGNATURES = 1000


def need_root():
    if os.getuid() != 0:
        raise Skip("needs root, to read the memory of others")
    if is_sanitized():
        raise Skip("the sanitizer keeps what was freed")


@case
def search_finds_every_shape(_, secret):
    wanted = shapes(secret)
    for name, data in (("raw", secret), ("hex", secret.hex().encode()),
                       ("base64+0", base64.b64encode(secret)),
                       ("base64+1", base64.b64encode(b"x" + secret + b"yz")),
                       ("base64+2", base64.b64encode(b"xx" + secret + b"y"))):
        check(name in in_bytes(b"before" + data + b"after", wanted),
              "the search finds " + name, in_bytes(data, wanted))
    equal(in_bytes(os.urandom(4096), wanted), [], "the search finds nothing")


@case
def search_finds_a_value_in_memory(_, secret):
    other = os.urandom(32)
    wanted = shapes(other)
    held = ctypes.create_string_buffer(other.hex().encode())
    check("hex" in in_memory(os.getpid(), wanted), "found in our own memory")
    del held, secret


@case
def secret_is_in_no_memory_but_the_workers(daemon, secret):
    need_root()
    wanted = shapes(secret)
    roles = daemon.roles()
    check("worker" in roles, "there is a worker", roles)
    found = [in_memory(pid, wanted) for pid in roles["worker"]]
    check(any(found), "the search finds it where it has to be: in a worker")
    for role, pids in sorted(roles.items()):
        if role == "worker":
            continue
        for pid in pids:
            equal(in_memory(pid, wanted), [], "found in %s (pid %d)" % (role, pid))
            equal(in_arguments(pid, wanted), [], "found in argv of " + role)


@case
def session_token_is_in_no_memory_but_the_workers_and_the_way_out(daemon, _):
    """A session token is part of every signed request by design; it may pass the
    vault and the front on its way to the client, but must not be in the store."""
    wanted = shapes(TOKEN)
    equal(in_folder(daemon.state, wanted), [], "found in the store")


@case
def passphrase_and_its_traces_are_gone(daemon, _):
    need_root()
    wanted = {"raw": PASSPHRASE.encode()}
    for role, pids in sorted(daemon.roles().items()):
        for pid in pids:
            equal(in_memory(pid, wanted), [], "found in " + role)


@case
def secret_is_in_no_file(daemon, secret):
    for value in (secret, PASSPHRASE.encode()):
        equal(in_folder(daemon.base, shapes(value)), [], "found")


@case
def no_process_leaves_a_core_file(daemon, _):
    for role, pids in sorted(daemon.roles().items()):
        for pid in pids:
            with open("/proc/%d/limits" % pid) as f:
                limit = [x.split()[4] for x in f if x.startswith("Max core")]
            if role != "supervisor":
                equal(limit, ["0"], "the core limit of " + role)


TOKEN = base64.b64encode(os.urandom(48))


def prepare(daemon, secret):
    with daemon.admin() as a:
        for name, extra in (("memory", []),
                            ("memory-token", [("session_token", TOKEN)])):
            a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", secret)] + extra)
            a.grant_add(("credential", name), ("op", "sign,presign"),
                        ("uid", os.getuid()), ("max_skew", "any"))
    with daemon.client() as c:
        for i in range(SIGNATURES):
            c.run("memory", "sign", VANILLA + [("header", "X-N:%d" % i)])
        c.run("memory-token", "sign", VANILLA)


def main():
    secret = base64.b64encode(os.urandom(30))
    with Daemon() as daemon:
        prepare(daemon, secret)
        return run(daemon, secret)


if __name__ == "__main__":
    sys.exit(main())
