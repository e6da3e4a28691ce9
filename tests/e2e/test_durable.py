#!/usr/bin/python3
"""audit=durable: every answer leaves after its record has been synced; audit=normal
does not sync for each. Seen by what the store asks the kernel for."""
import os
import signal
import subprocess
import sys
import tempfile

from lib.case import Skip, case, check, equal, run
from lib.daemon import Daemon
from lib.raw import VANILLA, right
from lib.steady import prepare

from cretula_native import Client

REQUESTS = 25
SECONDS = 90


def syncs_of_the_store(daemon):
    """How often the store syncs while REQUESTS are signed one after another."""
    with tempfile.NamedTemporaryFile() as out:
        try:
            strace = subprocess.Popen(
                ["strace", "-f", "-o", out.name, "-e", "trace=fsync,fdatasync",
                 "-p", str(daemon.roles()["store"][0])], stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise Skip("no strace") from None
        said = strace.stderr.readline()
        if b"attached" not in said:
            strace.wait()
            raise Skip("strace: %s" % said.decode())
        try:
            with Client(daemon.api) as c:
                for _ in range(REQUESTS):
                    check(right(c.run("raw", "sign", VANILLA)), "it signs")
        finally:
            strace.send_signal(signal.SIGINT)
            strace.communicate(timeout=SECONDS)
        return sum(b"sync(" in line for line in out)


def counted(mode):
    with Daemon(audit=mode) as daemon:
        prepare(daemon)
        count = syncs_of_the_store(daemon)
        equal(daemon.cli("audit", "verify", check=False).returncode, 0, "verify")
        return count


@case
def durable_syncs_each_record():
    count = counted("durable")
    check(count >= REQUESTS, "a sync for each answer", count)


@case
def normal_does_not():
    count = counted("normal")
    check(count < REQUESTS, "few syncs", count)


@case
def anything_else_is_refused():
    d = Daemon(unsealed=False, audit="sometimes")
    try:
        d.start()
    except AssertionError:
        check("audit= is 'normal' or 'durable', not 'sometimes'" in d.log(),
              "the log says what is wrong")
    else:
        raise AssertionError("it started")
    finally:
        d.close()


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    sys.exit(run())
