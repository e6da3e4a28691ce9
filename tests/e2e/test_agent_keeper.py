#!/usr/bin/python3
"""What keeper must not be talked into, and what it must not forget: tokens that only
look right, programs that took an agent's place while keeper was away, rows of agents
that have ended."""
import base64
import collections
import concurrent.futures
import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid

from lib.admin import Client, Refused
from lib.ca_cli import until
from lib.case import Skip, case, check, equal, run
from lib.certmgr import call_fds, claim_here, is_root, node, spawn_here
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



CLAIMS = """
import os, sys
from lib.certmgr import spawn_here
from lib.upcall import PROCESS, request_key
fd = os.pidfd_open(os.getpid())
s = spawn_here(sys.argv[1], [("type", "web")], fd)
request_key(s.description.encode(), s.token, PROCESS)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], s.description, s.token])
"""
CLAIMS_AGAIN = """
import sys
from lib.upcall import PROCESS, error_of, request_key
print("other", flush=True)
sys.stdin.readline()
print(error_of(request_key, sys.argv[1].encode(), sys.argv[2].encode(), PROCESS))
"""


def program(cm, uid, code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *arguments], user=uid,
                            group=uid, extra_groups=[], text=True,
                            env={"PYTHONPATH": ":".join(sys.path)},
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@case
def an_exec_ends_the_agent_also_while_keeper_is_away(cm):
    """What a new keeper sees for the first time is not what claimed."""
    uid = fresh_uid()
    cm.grant(uid)
    with program(cm, uid, CLAIMS, cm.api, CLAIMS_AGAIN) as p:
        equal(p.stdout.readline(), "other\n", "it claimed, and is another program")
        cm.kill("keeper")
        cm.wait_ready_node()
        equal(p.communicate("\n")[0].strip(), "EKEYREVOKED", "its claim")


TOLD = """
import os, signal, sys
from lib.certmgr import spawn_here
from lib.upcall import PROCESS, request_key
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
fd = os.pidfd_open(os.getpid())
s = spawn_here(sys.argv[1], [("type", "web"), ("on_renew", "USR1")], fd)
request_key(s.description.encode(), s.token, PROCESS)
print(s.agent, flush=True)
print(signal.sigtimedwait({signal.SIGUSR1}, 90) is not None)
"""


@case
def an_agent_without_files_is_told_too(cm):
    uid = fresh_uid()
    cm.grant(uid)
    with program(cm, uid, TOLD, cm.api) as p:
        cm.cli("agent", "renew", p.stdout.readline().strip())
        equal(p.communicate()[0].strip(), "True", "the signal came")


@case
def an_agent_whose_key_was_lost_is_told(cm):
    """Its files have another certificate, and the one that it loaded is revoked."""
    uid = fresh_uid()
    cm.grant(uid)
    with cm.shell(uid=uid, view=True, options=["--on-renew", "USR1"]) as agent:
        told = "/tmp/cretula-test-told-%s" % agent.agent
        agent("trap 'touch %s' USR1; echo $$" % told)
        cm.wait_agent(agent.agent, "it has files", lambda a: a.get("serial"))
        try:
            cm.kill_all()
            cm.start()
            until("the signal has come",
                  lambda: agent("true") and os.path.exists(told))
            equal(agent("cat $CRETULA_DIR/bundle.pem")[0], 0, "reading then")
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(told)


@case
def a_key_is_never_given_without_its_chain(cm):
    """Not by a keeper that net has told nothing yet."""
    uid = fresh_uid()
    cm.grant(uid)
    spawned = cm.spawn(uid, wait="yes")
    net = cm.roles()["net"][0]
    os.kill(net, signal.SIGSTOP)
    try:
        cm.kill("keeper")
        until("keeper answers", lambda: cm.status().text("state") != "starting")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            claim = pool.submit(cm.claim, spawned, uid)
            concurrent.futures.wait([claim], timeout=0.5)   # it waits for net
            os.kill(net, signal.SIGCONT)
            pem, _ = claim.result()
    finally:
        os.kill(net, signal.SIGCONT)
    equal(pem.count(b"BEGIN CERTIFICATE"), 2, "its certificate and the CA's")


def claims_at_once(api, count):
    """The serials that so many claims of one process get, all asked for at once."""
    fd = os.pidfd_open(os.getpid())
    spawned = spawn_here(api, [("type", "web")], fd)

    def one(_):
        try:
            return claim_here(api, spawned)[1].text("serial")
        except Refused:
            return None
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return {s for s in pool.map(one, range(count)) if s}


@case
def claims_at_once_get_one_certificate(cm):
    uid = fresh_uid()
    cm.grant(uid)
    for _ in range(5):
        equal(len(as_uid(uid, claims_at_once, cm.api, 6)), 1, "certificates")


@contextlib.contextmanager
def store_stopped(cm):
    """Nothing is written meanwhile."""
    store = os.pidfd_open(cm.roles()["store"][0])
    signal.pidfd_send_signal(store, signal.SIGSTOP)
    try:
        yield store
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(store, signal.SIGCONT)
        os.close(store)


@case
def a_start_that_was_answered_is_known_to_the_next_keeper(cm):
    """Also if keeper dies before the store has heard of it, and the store with it."""
    uid = fresh_uid()
    cm.grant(uid)
    with store_stopped(cm) as store:
        spawned = cm.spawn(uid)
        cm.kill("keeper")
        signal.pidfd_send_signal(store, signal.SIGKILL)
    cm.wait_ready_node()
    check(cm.claim(spawned, uid)[0], "its token is taken")


def untaken(api):
    """What a start gets whose token nobody takes."""
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs, Client(api) as c:
        try:
            call_fds(c, "agent.spawn", [("type", "web")], [theirs.fileno()])
        except Refused as e:
            return e.error
    return None


@case
def a_start_whose_token_nobody_takes_leaves_nothing(cm):
    """Nor what a next keeper would take up again."""
    uid = fresh_uid()
    cm.grant(uid)
    with store_stopped(cm):
        equal(as_uid(uid, untaken, cm.api), "invalid", "the answer")
        cm.kill("keeper")
    cm.wait_ready_node()
    with cm.admin() as a:
        equal([i.text("agent") for i in a.call("agent.list").items
               if i.text("uid") == str(uid)], [], "agents of the new keeper")


def many(api, count):
    """That many agents without a process, over one connection; how many there are."""
    made = 0
    with Client(api) as c:
        for _ in range(count):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                try:
                    call_fds(c, "agent.spawn", [("type", "web")], [theirs.fileno()])
                except Refused:
                    break
            made += 1
    return made


def without_process(cm):
    """Nobody's end is the end of these: {uid: how many}."""
    return collections.Counter(int(a["uid"]) for a in cm.list() if "pid" not in a)


@case
def a_node_that_is_full_is_so_after_a_restart(cm):
    """Every slot of the arena is taken: those who have one need no other."""
    most = int(cm.status().text("agents_max"))
    made = {}
    while not made or made[uid]:        # not for a fresh user either: it is full
        uid = fresh_uid()
        cm.grant(uid)
        made[uid] = as_uid(uid, many, cm.api, most)
    check(sum(made.values()) > most // 2, "they are many", made, most)
    cm.kill("keeper")
    cm.wait_ready_node()
    there = without_process(cm)
    equal({uid: there[uid] for uid in made}, made, "agents of the new keeper")


@case
def a_store_that_dies_while_it_is_read_is_read_on(cm):
    """Of a thousand rows, somewhere in the middle: none is taken for there twice."""
    before = without_process(cm)
    for _ in range(3):
        os.kill(cm.roles()["store"][0], signal.SIGSTOP)
        cm.kill("keeper")
        store = cm.roles()["store"][0]
        os.kill(store, signal.SIGCONT)
        time.sleep(random.random() / 30)    # whenever: any moment has to do
        os.kill(store, signal.SIGKILL)
        cm.wait_ready_node()
        equal(without_process(cm), before, "agents of the new keeper")


def main():
    if not is_root():
        raise Skip("only root answers the kernel")
    with registered(), node(audit="durable") as (_, cm):
        return run(cm)


if __name__ == "__main__":
    sys.exit(main())
