#!/usr/bin/python3
"""What is seen of agents by who looks at them: the table of `agent list`, one that has
ended and who ended it, and certmgr's own log: shown, verified, proved, exported."""
import json
import os
import re
import signal
import sys
import tempfile
import time

from lib.admin import Client, Refused
from lib.ca_cli import SECONDS, until
from lib.case import Skip, case, check, equal, run
from lib.certmgr import OWNER, STRANGER, is_root, node

AT_ONCE, EACH = 4, 15           # KEEPER_RENEWALS, KEEPER_RENEWAL_S


def look(cm, *words, check_rc=True, env=None):
    return cm.cli("agent", *words, check=check_rc, env=env)


@case
def the_table_is_as_wide_as_what_is_in_it():
    with node() as (_, cm):
        cm.grant(os.getuid())
        with cm.shell(type="web") as one, \
                cm.shell(type="a-rather-long-name-of-a-type") as two:
            head, *rows = look(cm, "list").stdout.decode().splitlines()
            equal([row.split()[0] for row in rows], [one.agent, two.agent],
                  "the oldest first")
            for row in rows:
                equal(row, row.rstrip(), "no blanks at its end")
                for title in ("TYPE", "UID", "STATE", "PTRACEABLE"):
                    at = head.index(title)
                    check(row[at - 1] == " " and row[at] != " ",
                          "a cell begins below its title", head, row)
            equal(look(cm, "list", "--field", "agent").stdout.decode().split(),
                  [one.agent, two.agent], "--field")


def ended(cm, agent):
    shown = json.loads(look(cm, "show", agent, "--json").stdout)
    equal((shown["agent"], shown["state"]), (agent, "ended"), "it has ended")
    check(shown["ended"].endswith("Z"), "a time", shown)
    return shown


@case
def who_has_ended_is_remembered_with_the_reason():
    with node() as (_, cm):
        cm.grant(os.getuid())
        with cm.shell() as agent:
            cm.wait_agent(agent.agent, "made", lambda a: "serial" in a)
            serial = cm.show(agent.agent)["serial"]
            done = look(cm, "revoke", agent.agent, "--reason", "keyCompromise",
                        "--json")
            equal(json.loads(done.stdout)["state"], "revoked", "the CA knows")
            shown = ended(cm, agent.agent)
            equal((shown["serial"], shown["reason"]), (serial, "keyCompromise"),
                  "what was revoked, and why")
            check("revoked" in shown["text"], "by whom", shown)
            for verb in ("revoke", "renew"):
                done = look(cm, verb, agent.agent, check_rc=False)
                equal(done.returncode, 1, verb)
                check(b"has ended" in done.stderr, verb, done.stderr)
        with cm.shell() as agent:
            pass
        until("its end is seen", lambda: not cm.list())
        check("process ended" in ended(cm, agent.agent)["text"], "by itself")
        asked = [r for r in cm.records("call") if r.text("verb") == "agent.revoke"]
        equal([r.text("subject") for r in asked], ["uid:%d" % os.getuid()],
              "who has revoked is on record")
        check(asked[0].text("request_id"), "and by which call")


@case
def renewals_of_who_is_no_admin_are_bounded():
    """Each makes a row at the CA that stays."""
    if not is_root():
        raise Skip("needs root")
    with node() as (ca, cm):
        cm.grant(os.getuid())
        with cm.shell(view=True) as agent, Client(cm.api) as anybody:
            cm.wait_agent(agent.agent, "made", lambda a: "serial" in a)
            serials = {cm.show(agent.agent)["serial"]}

            def renewed(call):
                call("agent.renew", [("agent", agent.agent)])
                serials.add(cm.show(agent.agent)["serial"])

            began = time.monotonic()
            refused = None
            while not refused:
                made = len(serials)
                try:
                    renewed(anybody.call)
                    equal(len(serials), made + 1, "another certificate")
                except Refused as e:
                    refused = e
                check(len(serials) <= 1 + AT_ONCE +
                      (time.monotonic() - began) / EACH, "too many", len(serials))
            equal(refused.error, "limited", refused)
            check(re.search("again in [0-9]+ s", str(refused)), "when", refused)
            check(len(serials) > AT_ONCE, "that many at once", len(serials))
            with cm.admin() as a:
                for _ in range(AT_ONCE + 1):
                    renewed(a.call)
        made = ca.cli("ca", "list", "--type", "web", "--json").stdout.splitlines()
        equal(len(made), len(serials), "of what was refused the CA knows nothing")


@case
def who_claims_is_told_by_its_signal_that_it_can_claim_anew():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    me = os.pidfd_open(os.getpid())
    with node() as (_, cm):
        cm.grant(os.getuid())
        agent = cm.spawn(pidfd=me, on_renew="USR1")
        old = cm.claim(agent)[1].text("serial")
        equal(signal.sigtimedwait({signal.SIGUSR1}, 0), None, "not for its own")
        cm.cli("agent", "renew", agent.agent)
        check(signal.sigtimedwait({signal.SIGUSR1}, SECONDS), "the signal")
        check(cm.claim(agent)[1].text("serial") != old, "another certificate")
        cm.cli("agent", "revoke", agent.agent)
    os.close(me)


@case
def others_do_not_learn_that_there_was_one():
    if not is_root():
        raise Skip("needs root")
    with node() as (_, cm):
        cm.grant(OWNER)
        with cm.shell(uid=OWNER) as agent:
            pass
        until("its end is seen", lambda: not cm.list())
        with cm.popen("cretula", "agent", "show", agent.agent, uid=STRANGER,
                      stderr=-1) as p:
            text = p.communicate()[1]
        equal(p.returncode, 4, text)
        check(b"there is no agent" in text, "not found", text)


@case
def the_log_is_shown_verified_proved_and_exported():
    with node() as (_, cm), tempfile.TemporaryDirectory() as folder:
        cm.grant(os.getuid())
        cm.run_agent("/bin/true")
        until("its end is seen", lambda: not cm.list())

        def audit(*words, **more):
            return cm.cli("audit", *words, **more)

        check(b"event=agent.spawn" in audit("show", "--certmgr").stdout, "show")
        audit("verify", "--certmgr")
        proof = os.path.join(folder, "proof")
        with open(proof, "wb") as f:
            f.write(audit("prove", "--certmgr", "--index", "1").stdout)
        done = audit("prove", "--verify", proof, "--json")
        equal(json.loads(done.stdout)["good"], "yes", "the proof")
        log = os.path.join(folder, "log")
        whole = audit("export", "--certmgr").stdout
        with open(log, "wb") as f:
            f.write(whole)
        audit("verify", "--from", log)
        lines = whole.splitlines(keepends=True)
        first = next(i for i, li in enumerate(lines) if b'"record"' in li)
        lines[first] = lines[first].replace(
            json.loads(lines[first])["record"].encode(),
            json.loads(lines[first + 1])["record"].encode())
        with open(log, "wb") as f:  # one record exchanged for another
            f.writelines(lines)
        equal(audit("verify", "--from", log, check=False).returncode, 1,
              "an exchanged record shows")
        for words in (("show", "--ca", "--certmgr"),
                      ("verify", "--certmgr", "--from", log),
                      ("prove", "--certmgr", "01" * 18)):
            equal(audit(*words, check=False).returncode, 2, words)


if __name__ == "__main__":
    sys.exit(run())
