#!/usr/bin/python3
"""The tour of `make demo` comes to its end, and leaves nothing behind."""
import os
import re
import sys

from lib.case import case, check, equal, run
from lib.daemon import playground

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@case
def tour_comes_to_its_end():
    done = playground(os.path.join(TOP, "scripts", "demo"), timeout=240)
    out = done.stdout.decode("utf-8", "replace")
    check(done.returncode == 0, "exit code %d:\n%s\n%s" % (
        done.returncode, out, done.stderr.decode("utf-8", "replace")))
    equal(len(re.findall(r"verifier: accepted", out)), 1, "acceptances")
    equal(len(re.findall(r"verifier: refused", out)), 4, "refusals")
    way = "keyring" if os.geteuid() == 0 else "socket"
    serial = re.search(r"serial=([0-9a-f]{36}) .* way=%s" % way, out)
    check(serial, "the agent claims by the " + way, out)
    check(re.search(r"serial=%s .*status=revoked" % serial.group(1), out),
          "its end is the certificate's", out)


@case
def playground_passes_on_the_exit_code_and_is_gone_afterwards():
    done = playground("sh", "-c", "echo $CRETULA_PLAYGROUND; exit 42")
    equal(done.returncode, 42, done.stderr)
    folder = done.stdout.decode().strip()
    check(folder.startswith("/"), "a folder", folder)
    check(not os.path.exists(folder), "the folder is gone", folder)


if __name__ == "__main__":
    sys.exit(run())
