"""One line a case, as scripts/run-tests reads it: ok, not ok, skip.

A test file registers functions by @case and ends with `run(globals)`; a case that
raises has failed, its traceback goes to standard output before its line."""
import os
import signal
import sys
import tempfile
import traceback

# A shell that starts something in the background has it ignore these, and so would
# everything that the tests start.
for _number in signal.SIGINT, signal.SIGQUIT:
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

CASES = []


class Skip(Exception):
    """Raised by a case that cannot be tried here, with the reason."""


def case(function):
    CASES.append(function)
    return function


def check(condition, why, *details):
    """An assertion that stays in and says what was seen."""
    if not condition:
        raise AssertionError("%s%s" % (why, "".join("\n  %r" % (d,)
                                                    for d in details)))


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError("%s:\n  got    %r\n  wanted %r" % (what, got, wanted))


def one_line(text):
    return " ".join(str(text).split())[:200]


def run_one(function, *arguments):
    """Says how it ended; True unless it failed."""
    name = function.__name__
    try:
        function(*arguments)
    except Skip as e:
        print("skip %s - %s" % (name, one_line(e)), flush=True)
    except Exception as e:
        traceback.print_exc(file=sys.stdout)
        print("not ok %s - %s" % (name, one_line(e) or type(e).__name__), flush=True)
        return False
    else:
        print("ok %s" % name, flush=True)
    return True


def wanted():
    """Every case, or those named on the command line, in order."""
    names = sys.argv[1:]
    return [f for f in CASES if (not names or f.__name__ in names) and
            not f.__module__.startswith("test_")]       # imported for its tools


def run(*arguments):
    """Runs the wanted cases with arguments; the exit code."""
    return 0 if all([run_one(f, *arguments) for f in wanted()]) else 1


def run_at_once(most=4):
    """The same for cases that share nothing and mostly wait: each in a process of its
    own, at most so many of them at a time, in order. What each has printed comes in one
    piece when it ends."""
    todo, outputs, failed = wanted(), {}, False
    while todo or outputs:
        while todo and len(outputs) < most:
            out = tempfile.TemporaryFile()
            outputs[fork_case(todo.pop(0), out)] = out
        pid, status = os.wait()
        failed |= status != 0
        with outputs.pop(pid) as out:
            out.seek(0)
            sys.stdout.buffer.write(out.read())
        if os.WIFSIGNALED(status):
            print("not ok a case died by signal %d" % os.WTERMSIG(status))
        sys.stdout.flush()
    return 1 if failed else 0


def fork_case(function, out):
    """Its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        code = 0 if run_one(function) else 1
    finally:
        os._exit(code)


def build():
    """The folder of the build under test."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))))
    return os.environ.get("CRETULA_BUILD", os.path.join(top, "build"))


def is_sanitized():
    return os.environ.get("CRETULA_VARIANT") == "san"
