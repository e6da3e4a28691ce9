#!/usr/bin/python3
"""`cretula playground`: passes on exit codes, and leaves neither process nor file
behind, however it or its keeper ends."""
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

from lib.case import Skip, build, case, check, equal, run

CRETULA = os.path.join(os.path.abspath(build()), "bin", "cretula")
DEADLINE = 120
NOBODY = 61237         # nobody's, below the roles' range

# Says where it is and who is below it, then waits for ever in two ways.
STAY = """
setsid sleep 1000 & a=$!
sleep 1000 & b=$!
echo "$CRETULA_PLAYGROUND $a $b $$"
wait
"""


def play(*command):
    return subprocess.run([CRETULA, "playground", "--", *command],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=300, check=False)


def parent(pid):
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[1])


def gone(pid):
    """True once the process is no more (or only waits to be reaped)."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], DEADLINE)[0])
    finally:
        os.close(fd)


def left_of(folder):
    """What there is of it: itself, mounts, certmgr's socket for the kernel."""
    left = [folder] if os.path.exists(folder) else []
    with open("/proc/self/mountinfo") as f:
        left += [line for line in f if folder in line]
    return left


def ended_by(end, wanted):
    """Starts a playground, ends it, and looks for what is left."""
    p = subprocess.Popen([CRETULA, "playground", "--", "sh", "-c", STAY],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    folder, *pids = p.stdout.readline().decode().split()
    pids = [int(x) for x in pids]
    keeper = parent(pids[-1])
    end(p, keeper)
    equal(p.wait(DEADLINE), wanted, "the exit code")
    for pid in pids + [keeper]:
        check(gone(pid), "process %d is still there" % pid)
    until = time.monotonic() + DEADLINE
    while left_of(folder) and time.monotonic() < until:
        time.sleep(0.01)  # nothing tells when a folder goes
    equal(left_of(folder), [], "what is still there")
    p.stdout.close()


@case
def codes_are_passed_on(*_):
    equal(play("true").returncode, 0, "true")
    equal(play("sh", "-c", "exit 42").returncode, 42, "exit 42")
    equal(play("sh", "-c", "kill -9 $$").returncode, 128 + 9, "killed")
    equal(play("/nowhere/to/be/found").returncode, 127, "not found")
    with tempfile.NamedTemporaryFile() as f:
        equal(play(f.name).returncode, 126, "not executable")


@case
def the_environment_names_what_there_is(*_):
    done = play("sh", "-c", 'test -S "$CRETULA_CREDD" && '
                'test -d "$CRETULA_PLAYGROUND" && command -v cretula')
    equal(done.returncode, 0, "the environment")
    equal(os.path.realpath(done.stdout.decode().strip()),
          os.path.realpath(CRETULA), "PATH")


# What a client does: a certificate over HTTPS, and what is on the plain port.
ENROL = """
set -e
cd "$CRETULA_PLAYGROUND"
test -S "$CRETULA_CA"
cretula ca token --node web.example --verify-after no >token
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
	-keyout key -subj / -out csr 2>/dev/null
cretula ca enrol --token @token --csr csr --url "$CRETULA_CA_URL" >chain.pem
curl -sSf "$CRETULA_CA_HTTP/crl" -o crl
curl -sSf "$CRETULA_CA_HTTP/issuer.pem" -o issuer.pem
openssl verify -x509_strict -CAfile "$CRETULA_CA_ROOT" -untrusted issuer.pem \\
	chain.pem
openssl ocsp -CAfile "$CRETULA_CA_ROOT" -issuer issuer.pem -cert chain.pem \\
	-url "$CRETULA_CA_HTTP/ocsp"
"""


@case
def the_ca_serves_at_once(*_):
    done = play("sh", "-c", ENROL)
    equal(done.returncode, 0, done.stderr.decode())
    text = done.stdout.decode()
    check("chain.pem: OK" in text, "the chain", text)
    check("chain.pem: good" in text, "the status", text)


# Types need no profile, and the caller no grant of his own.
AGENT = """
set -e
test -S "$CRETULA_CERTMGR"
cretula status --field state
cretula agent run --type anything -- cretula agent claim --pem >agent.pem
openssl verify -x509_strict -CAfile "$CRETULA_CA_ROOT" -untrusted agent.pem agent.pem
"""


@case
def agents_have_certificates_at_once(*_):
    with tempfile.TemporaryDirectory() as folder:
        done = play("sh", "-c", "cd '%s'\n%s" % (folder, AGENT))
    equal(done.returncode, 0, done.stderr.decode())
    text = done.stdout.decode()
    check("agent.pem: OK" in text, "the chain", text)
    equal(text.split()[:3], ["unsealed", "ready", "ready"], "states")


@case
def the_file_view_is_there_for_root(*_):
    if os.geteuid():
        raise Skip("only root mounts")
    done = play("cretula", "agent", "run", "--type", "web", "--view", "--",
                "sh", "-c", 'openssl x509 -noout -subject -in "$CRETULA_DIR/cert.pem"')
    equal(done.returncode, 0, done.stderr.decode())
    check("O = web, OU = localhost" in done.stdout.decode(), "subject", done.stdout)


@case
def without_root_agents_claim_over_the_socket(*_):
    if os.geteuid():
        raise Skip("tried by root, who becomes nobody")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        done = subprocess.run(
            [CRETULA, "playground", "--", "sh", "-c", "cd '%s'\n%s" % (folder, AGENT)],
            user=NOBODY, group=NOBODY, extra_groups=[], timeout=300,
            stdin=subprocess.DEVNULL, capture_output=True,
            env={"PATH": "/usr/bin:/bin", "HOME": folder})
    check("agent.pem: OK" in done.stdout.decode(), "the chain", done)


# An agent's signature over mutual TLS is Amazon's published one; admins are by type.
REMOTE = """
set -e
printf 'GET / HTTP/1.1\\nHost:example.amazonaws.com\\nX-Amz-Date:20150830T123600Z\\n' \\
	>request
cretula agent run --type web -- cretula sign sample --connect "$CRETULA_CREDD_URL" \\
	region=us-east-1 service=service --headers <request
for url in $CRETULA_CREDD_URL $CRETULA_CERTMGR_URL; do
	cretula agent run --type admin -- cretula status --connect $url --field state
	! cretula agent run --type web -- cretula grant list --connect $url || exit 1
done
curl -s --cacert "$CRETULA_CA_ROOT" "$CRETULA_CREDD_URL/credentials"
"""
PUBLISHED = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


def is_remote(done):
    equal(done.returncode, 0, done.stderr.decode())
    text, refused = done.stdout.decode(), done.stderr.decode()
    check("Signature=" + PUBLISHED in text, "the signature", text)
    check("\nunsealed\nready\n" in text, "what admins see", text)
    for daemon in ("credd", "certmgr"):
        check("lacks the capability admin:%s@localhost" % daemon in refused,
              "who is no admin is told so", refused)
    check('"status":401' in text, "who has no certificate is told so", text)


@case
def agents_sign_and_admins_look_by_https(*_):
    with tempfile.TemporaryDirectory() as folder:
        is_remote(play("sh", "-c", "cd '%s'\n%s" % (folder, REMOTE)))


@case
def the_same_without_root(*_):
    if os.geteuid():
        raise Skip("tried by root, who becomes nobody")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, NOBODY, NOBODY)
        is_remote(subprocess.run(
            [CRETULA, "playground", "--", "sh", "-c", "cd '%s'\n%s" % (folder, REMOTE)],
            user=NOBODY, group=NOBODY, extra_groups=[], timeout=300,
            stdin=subprocess.DEVNULL, capture_output=True,
            env={"PATH": "/usr/bin:/bin", "HOME": folder}))


@case
def every_module_has_a_sample(*_):
    done = play("sh", "-c", "cretula module list --field name; echo; "
                "cretula credential list --field name")
    modules, samples = done.stdout.decode().split("\n\n")
    wanted = {"sample" if m == "aws-sigv4" else "sample-" + m
              for m in modules.split()}
    equal(set(samples.split()), wanted, "samples")


@case
def nothing_stays_when_the_command_leaves_children(*_):
    done = play("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & "
                "echo $CRETULA_PLAYGROUND $!")
    folder, pid = done.stdout.decode().split()
    check(gone(int(pid)), "the child is still there")
    check(not os.path.exists(folder), "the folder is still there")


@case
def nothing_stays_after_a_signal(*_):
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        ended_by(lambda p, _, s=sig: p.send_signal(s), 128 + sig)


@case
def nothing_stays_after_kill_9(*_):
    ended_by(lambda p, _: p.kill(), -signal.SIGKILL)


@case
def nothing_stays_after_kill_9_of_the_keeper(*_):
    ended_by(lambda _, keeper: os.kill(keeper, signal.SIGKILL),
             128 + signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run())
