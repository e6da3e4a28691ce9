"""A credd or ca of one's own: folders, start, readiness, end, and a look at its
processes. Nothing here sleeps to wait: readiness is READY=1 on NOTIFY_SOCKET, the
end of a process its pidfd."""
import contextlib
import json
import os
import pickle
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from lib.admin import Admin, Client
from lib.case import build, check, equal

PASSPHRASE = "correct horse battery staple"
READY_SECONDS = 60
END_SECONDS = 60
# Lines of a log that stand for a bug, whatever the case was about.
BROKEN = re.compile(r"event=bug\b|event=broken_peer\b|runtime error: "
                    r"|ERROR: (Address|Leak)Sanitizer")
# The same where a module crashes on purpose: its worker reports that.
BROKEN_DAEMON = re.compile(r"event=bug\b|event=broken_peer\b")
OTHER_UID = 61234       # nobody's, below the roles' range


def program(name):
    return os.path.join(os.path.abspath(build()), "bin", name)


class Service:
    """One of the daemons. Options become configuration: lists repeat a name."""

    NAME = None         # of the program, as a subclass says
    ENV = None          # by which the command finds its socket
    host = None         # where it runs (lib/hosts.py), unless here

    def __init__(self, broken=BROKEN, **options):
        self.broken = broken
        self.base = tempfile.mkdtemp(prefix="cretula-test-")
        os.chmod(self.base, 0o755)      # roles and clients have other uids
        self.run = os.path.join(self.base, "run")
        self.state = os.path.join(self.base, "state")
        self.conf = os.path.join(self.base, self.NAME + ".conf")
        self.log_path = os.path.join(self.base, "log")
        self.process = None
        os.mkdir(self.run, 0o755)
        os.mkdir(self.state, 0o700)
        self.options = {"run": self.run, "state": self.state}
        self.options.update(options)

    def begin(self):
        """What a case expects to be done when `with` begins."""
        self.start()

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.say_log()
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        self.stop()
        broken = [line for line in self.log().splitlines()
                  if self.broken.search(line)]
        if kind is not None or broken:
            self.say_log()
        self.close()
        if broken and kind is None:
            raise AssertionError("%s has a bug: %s" % (self.NAME, broken[0]))

    def close(self):
        self.stop()
        shutil.rmtree(self.base, ignore_errors=True)

    def write_conf(self):
        with open(self.conf, "w") as f:
            for name, value in self.options.items():
                for one in value if isinstance(value, list) else [value]:
                    f.write('%s="%s"\n' % (name, one))
        os.chmod(self.conf, 0o600)

    def start(self):
        """Starts it and waits for READY=1."""
        self.write_conf()
        notify = os.path.join(self.base, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(notify)
            os.chmod(notify, 0o666)
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(
                    self.there(program(self.NAME), "--config", self.conf,
                               dies=True),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env=dict(os.environ, NOTIFY_SOCKET=notify))
            self.wait_ready(ready)

    def there(self, *command, **how):
        """The command line that runs it where the daemon is."""
        return self.host.words(*command, **how) if self.host else list(command)

    def wait_ready(self, ready):
        pidfd = os.pidfd_open(self.process.pid)
        try:
            end = time.monotonic() + READY_SECONDS
            while True:
                left = end - time.monotonic()
                got = select.select([ready, pidfd], [], [], max(left, 0))[0]
                if ready in got and b"READY=1" in ready.recv(4096).split(b"\n"):
                    return
                if pidfd in got:
                    raise AssertionError("%s ended with %d before it was ready"
                                         % (self.NAME, self.process.wait()))
                if not got:
                    raise AssertionError("%s was not ready after %d s"
                                         % (self.NAME, READY_SECONDS))
        finally:
            os.close(pidfd)

    @property
    def folder(self):
        """Where the sockets are: run= itself or its NAME/."""
        inner = os.path.join(self.run, self.NAME)
        return inner if os.path.isdir(inner) else self.run

    @property
    def api(self):
        return os.path.join(self.folder, "api.sock")

    def admin(self):
        return Admin(self.folder)

    def client(self, **options):
        return Client(self.api, **options)

    def cli(self, *arguments, stdin=b"", check=True, env=None, timeout=60):
        """The command against this daemon; its CompletedProcess."""
        full = dict(os.environ)
        full[self.ENV] = self.api
        full.update(env or {})
        done = subprocess.run(self.there(program("cretula"), *arguments),
                              input=stdin, env=full,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError("cretula %s: exit code %d: %s" % (
                " ".join(arguments), done.returncode,
                done.stderr.decode("utf-8", "replace")))
        return done

    def stop(self, sig=signal.SIGTERM):
        """Ends it, by force if it does not go; its exit code, or None."""
        if self.process is None:
            return None
        children = self.hold_all()
        code = self.end(sig)
        for pidfd in children:
            end_held(pidfd)
        return code

    def end(self, sig=signal.SIGTERM):
        """The same, but that nobody helps its children to end."""
        self.process.send_signal(sig)
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        return code

    def hold_all(self):
        return hold(pid for pids in self.roles().values() for pid in pids)

    def roles(self):
        """{role: [pid, …]} of all its processes, the supervisor's too."""
        out = {"supervisor": [self.process.pid]}
        parents, workers = children_of_all(), []
        for pid in descendants(self.process.pid, parents):
            role = "worker" if pid in workers else role_of(pid)
            if role == "zygote":        # what it forks keeps its name
                workers += descendants(pid, parents)
            out.setdefault(role, []).append(pid)
        return out

    def log(self):
        with open(self.log_path, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def say_log(self):
        print("---- log of %s\n%s----" % (self.NAME, self.log()[-20000:]),
              flush=True)


class Daemon(Service):
    """with Daemon() as d: an unsealed credd."""

    NAME = "credd"
    ENV = "CRETULA_CREDD"

    def __init__(self, unsealed=True, broken=BROKEN, **options):
        super().__init__(broken, **{"modules": os.path.join(build(), "modules"),
                                    **options})
        self.unsealed = unsealed

    def begin(self):
        self.start()
        if self.unsealed:
            self.init()

    def init(self):
        with self.admin() as a:
            return a.init(PASSPHRASE)

    def unseal(self):
        with self.admin() as a:
            return a.unseal(PASSPHRASE)


class Ca(Service):
    """with Ca() as c: a ca at free loopback ports, c.https and c.http."""

    NAME = "ca"
    ENV = "CRETULA_CA"

    def __init__(self, broken=BROKEN, **options):
        super().__init__(broken, **options)
        preset = {"listen": "127.0.0.1:0", "listen_http": "127.0.0.1:0",
                  "profiles": os.path.join(self.base, "profiles.d")}
        self.options = {**preset, **self.options}

    def addresses(self):
        """{"https": "127.0.0.1:PORT", "http": …} as it has published them."""
        with open(os.path.join(self.folder, "addresses")) as f:
            return dict(w.split("=", 1) for w in shlex.split(f.read()))

    @property
    def https(self):
        return self.addresses()["https"]

    @property
    def http(self):
        return self.addresses()["http"]

    def add_profile(self, name, text):
        """Writes NAME.conf; its path."""
        os.makedirs(self.options["profiles"], 0o755, exist_ok=True)
        path = os.path.join(self.options["profiles"], name + ".conf")
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def reload(self):
        self.process.send_signal(signal.SIGHUP)


def hold(pids):
    """A pidfd of each: a number alone may soon be somebody else's."""
    held = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            held.append(os.pidfd_open(pid))
    return held


def end_held(pidfd):
    """Kills it and waits until it is gone: until then it has its ports and files, and
    who is started in its place does not get them."""
    try:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        check(select.select([pidfd], [], [], END_SECONDS)[0], "a child ends")
    finally:
        os.close(pidfd)


def children_of_all():
    """{pid: [child, …]} of what lives now."""
    parents = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):
            with open("/proc/%s/stat" % name) as f:
                rest = f.read().rpartition(")")[2].split()
            if rest[0] not in "ZX":
                parents.setdefault(int(rest[1]), []).append(int(name))
    return parents


def descendants(pid, parents=None):
    """Every living process below pid, breadth first."""
    parents = children_of_all() if parents is None else parents
    found, todo = [], [pid]
    while todo:
        for child in sorted(parents.get(todo.pop(0), [])):
            found.append(child)
            todo.append(child)
    return found


def role_of(pid):
    """From --role= in the arguments, else from the name DAEMON-ROLE."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            m = re.search(rb"--role[=\0]([a-z]+)", f.read())
        with open("/proc/%d/comm" % pid) as f:
            comm = f.read().strip()
        for service in (Daemon, Ca):
            if comm.startswith(service.NAME + "-"):
                return comm[len(service.NAME) + 1:]
        if m:
            return m.group(1).decode()
        return comm
    return "gone"


def wait_end(pid, seconds):
    """True once the process (not necessarily a child) has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], seconds)[0])
    finally:
        os.close(fd)


def as_uid(uid, function, *arguments):
    """The result of function, run in a child with this uid and no groups. What
    it raises is raised here. As root only."""
    return begin_as_uid(uid, function, *arguments)()


def begin_as_uid(uid, function, *arguments):
    """The same, while the caller goes on: what it returns waits for the result. Not by
    threads: what one of them forks keeps open what another one is just opening."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(r)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            try:
                result = (True, function(*arguments))
            except Exception as e:
                result = (False, e)
            with os.fdopen(w, "wb") as f:
                pickle.dump(result, f)
            code = 0
        finally:
            os._exit(code)
    os.close(w)

    def result():
        with os.fdopen(r, "rb") as f:
            data = f.read()
        _, status = os.waitpid(pid, 0)
        if not data:
            raise AssertionError("the child of uid %d ended with %d" % (uid, status))
        good, value = pickle.loads(data)
        if not good:
            raise value
        return value

    return result


def playground(*command, stdin=b"", timeout=120):
    """`cretula playground -- COMMAND`; its CompletedProcess."""
    return subprocess.run(
        [os.path.join(build(), "bin", "cretula"), "playground", "--"]
        + list(command), input=stdin, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=timeout)


def fails(daemon, *words, code=1, says="", stdin=b""):
    """The command ends with that code, one sentence with these words and nothing on
    standard output; the sentence."""
    done = daemon.cli(*words, stdin=stdin, check=False)
    text = done.stderr.decode()
    equal(done.returncode, code, "%s: exit code (%s)" % (" ".join(words), text))
    for word in [says] if isinstance(says, str) else says:
        check(word in text, "%s says '%s'" % (" ".join(words), word), text)
    equal(done.stdout, b"", "%s: output" % " ".join(words))
    return text


def records(daemon, event=None, *words):
    """Those of that event (None: of any) in its log, the oldest first."""
    out = daemon.cli("audit", "show", "--json", *words).stdout
    got = [json.loads(line)["record"] for line in out.splitlines()]
    return [r for r in got if event in (None, r["event"])]
