#!/usr/bin/python3
"""What keeper must not be talked into, and what it must not forget: tokens that only
look right, programs that took an agent's place while keeper was away, rows of agents
that have ended."""
import base64
import hashlib
import os
import sys
import uuid

from lib.case import Skip, case, equal, run
from lib.certmgr import is_root, node, spawn_here
from lib.daemon import as_uid
from lib.upcall import PROCESS, error_of, fresh_uid, registered, request_key


def forged(agent):
    """A token for that agent by somebody who was given none."""
    plain = uuid.UUID(agent).bytes + os.urandom(32)
    body = plain + hashlib.blake2b(plain, digest_size=32).digest()[:4]
    return b"ca1_" + base64.b32encode(body).rstrip(b"=").lower()


def ask(spawned, token):
    return error_of(request_key, spawned.description.encode(), token, PROCESS)


def self_spawned(api):
    """This process is the agent; what it gets for a forged token."""
    fd = os.pidfd_open(os.getpid())
    try:
        spawned = spawn_here(api, [("type", "web")], fd)
    finally:
        os.close(fd)
    return ask(spawned, forged(spawned.agent))


@case
def a_forged_token_is_refused_to_everybody(cm):
    """With the id of an agent and a secret of his own."""
    uid = fresh_uid()
    cm.grant(uid)
    loose = cm.spawn(uid)
    equal(as_uid(uid, ask, loose, forged(loose.agent)), "EKEYREJECTED",
          "a process of the user, of an agent that has none yet")
    equal(as_uid(uid, self_spawned, cm.api), "EKEYREJECTED", "the agent's own process")



def main():
    if not is_root():
        raise Skip("only root answers the kernel")
    with registered(), node(audit="durable") as (_, cm):
        run(cm)


if __name__ == "__main__":
    sys.exit(main())
