#!/usr/bin/python3
"""The tour of `make demo` comes to its end: whole for root, without what needs root for
others; it fails where something is not as it says; and it leaves nothing behind."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from lib.case import Skip, build, case, check, equal, run_at_once
from lib.daemon import OTHER_UID, playground

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEMO = os.path.join(TOP, "scripts", "demo")
SECONDS = 900           # less is for who runs all tests to say
# What every tour shows, in this order.
STORY = (r"root_sha256=([0-9a-f]{64})", r"token=ct1_.{6}… .*ca_hash=sha256:\1",
         r"type=node node=\S+ .*status=good", r"!secret_key\?",
         r"serial=[0-9a-f]{36} .* way=(?:keyring|socket)",
         r"Authorization: AWS4-HMAC-SHA256 Credential=test:first/",
         r"accepted: HTTP 200", r"refused: HTTP 40", r"method 'DELETE' is not within",
         r"5000 signatures, each of them right: [1-9]\d* by test:first, "
         r"[1-9]\d* by test:second", r"revoked=1 ",
         r"the client certificate was revoked at \S+ \(keyCompromise\)",
         r"grep finds neither", r"event=refused error=denied reason=\"the client "
         r"certificate was revoked", r"\d+ records agree", r"\d+ records agree",
         r"\d+ records agree", r"That was all of it, in \d+ seconds")


def told(out):
    found = re.search(".*?".join(STORY), out, re.S)
    if not found:
        for n in range(len(STORY)):
            check(re.search(".*?".join(STORY[:n + 1]), out, re.S),
                  "the tour shows " + STORY[n], out)


def nothing_is_left(done):
    where = re.search(rb"/tmp/cretula-\w{6}", done.stdout).group().decode()
    check(not os.path.exists(where), "its folder", where)
    with open("/proc/self/mountinfo") as f:
        check(where not in f.read(), "a mount of it")
    for pid in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                check(where.encode() not in f.read(), "a process of it", pid)
        except OSError:
            continue


@case
def tour_comes_to_its_end():
    done = playground(DEMO, timeout=SECONDS)
    out = done.stdout.decode("utf-8", "replace")
    check(done.returncode == 0, "exit code %d:\n%s\n%s" % (
        done.returncode, out, done.stderr.decode("utf-8", "replace")))
    told(out)
    if os.geteuid() == 0:
        check("way=keyring" in out, "the agent claims by the keyring", out)
    nothing_is_left(done)


@case
def who_is_not_root_is_told_what_is_left_out():
    if os.geteuid():
        raise Skip("that is the tour before")
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, OTHER_UID, OTHER_UID)
        done = subprocess.run(
            [os.path.join(os.path.abspath(build()), "bin", "cretula"), "playground",
             "--", DEMO], user=OTHER_UID, group=OTHER_UID, extra_groups=[], cwd=home,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": home},
            stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS)
    if b"Permission denied" in done.stderr and not done.stdout:
        raise Skip("the tree is not readable for others")
    out = done.stdout.decode("utf-8", "replace")
    equal(done.returncode, 0, "exit code: %s %s" % (out, done.stderr))
    told(out)
    for words in ("hosts of their own", "no file view", "the kernel's keyring"):
        check(words in out.split("\n1. ")[0], "left out: " + words, out)


def wrong(what, by, at, says):
    """A tour where BY makes the file WHAT another one before it is looked AT."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(os.path.join(TOP, "scripts"), os.path.join(folder, "scripts"))
        for part in ("tests", "build"):
            os.symlink(os.path.join(TOP, part), os.path.join(folder, part))
        path = os.path.join(folder, "scripts", "demo")
        with open(path) as f:
            text = f.read()
        check(text.count(at) == 1, "where it is looked at", at)
        with open(path, "w") as f:
            f.write(text.replace(at, "%s %s\n%s" % (by, what, at)))
        done = playground(path, timeout=SECONDS)
    equal(done.returncode, 1, "exit code, wrong %s: %s" % (what, done.stdout))
    check(says.encode() in done.stderr, "it says why", done.stderr)


@case
def a_provider_with_another_key_ends_the_tour():
    wrong("first.key", "echo other >", 'printf \'   \' && "${judge[@]}" <signed.txt',
          "the provider refuses")


@case
def a_load_that_somebody_else_answers_ends_the_tour():
    wrong("answers", "echo '{}' >>", '"${run_judge[@]}" | tee', "answer ")


@case
def playground_passes_on_the_exit_code_and_is_gone_afterwards():
    done = playground("sh", "-c", "echo $CRETULA_PLAYGROUND; exit 42")
    equal(done.returncode, 42, done.stderr)
    folder = done.stdout.decode().strip()
    check(folder.startswith("/"), "a folder", folder)
    check(not os.path.exists(folder), "the folder is gone", folder)


if __name__ == "__main__":
    sys.exit(run_at_once())
