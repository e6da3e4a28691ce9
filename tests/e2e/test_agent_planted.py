#!/usr/bin/python3
"""What others who share a keyring with an agent can do to its claim."""
import json
import sys

from lib.case import Skip, case, check, equal, is_sanitized, run
from lib.certmgr import CRETULA, OWNER, is_root, node
from lib.upcall import registered

# In a session that somebody else is in as well.
PLANTED = """
k=$(keyctl add user "cretula:cert:$CRETULA_AGENT" 'whatever they like' @s)
keyctl setperm $k 0x3f3f0000
exec "$0" agent claim --way keyring --json
"""


@case
def keys_of_others_under_its_name_are_not_taken():
    if not is_root():
        raise Skip("only root can have the kernel call certmgr")
    with registered(), node() as (_, cm):
        cm.grant(OWNER)
        done = cm.run_agent("keyctl", "session", "-", "/bin/sh", "-c", PLANTED,
                            CRETULA, uid=OWNER)
        equal(done.returncode, 0, done.stderr)
        got = json.loads(done.stdout)
        check(got["serial"] and got["way"] == "keyring", "its own", got)


@case
def without_a_thread_it_asks_the_socket():
    if not is_root():
        raise Skip("only root starts it as another user")
    if is_sanitized():
        raise Skip("LeakSanitizer needs a thread as well")
    with node() as (_, cm):
        cm.grant(OWNER)
        done = cm.run_agent("prlimit", "--nproc=1", CRETULA, "agent", "claim",
                            "--json", uid=OWNER)
        equal(done.returncode, 0, done.stderr)
        equal(json.loads(done.stdout)["way"], "socket", "the way")
        check(b"no thread" in done.stderr, "why", done.stderr)


if __name__ == "__main__":
    sys.exit(run())
