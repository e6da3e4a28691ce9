"""One line a case, as scripts/run-tests reads it: ok, not ok, skip.

A test file registers functions by @case and ends with `run(globals)`; a case that
raises has failed, its traceback goes to standard output before its line."""
import os
import sys
import traceback

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


def run(*arguments):
    """Runs every case (or those named on the command line) with arguments, in
    order, and exits."""
    wanted = sys.argv[1:]
    failed = False
    for function in CASES:
        name = function.__name__
        if (wanted and name not in wanted) or \
                function.__module__.startswith("test_"):    # imported for its tools
            continue
        try:
            function(*arguments)
        except Skip as e:
            print("skip %s - %s" % (name, one_line(e)), flush=True)
        except Exception as e:
            failed = True
            traceback.print_exc(file=sys.stdout)
            print("not ok %s - %s" % (name, one_line(e) or type(e).__name__),
                  flush=True)
        else:
            print("ok %s" % name, flush=True)
    return 1 if failed else 0


def build():
    """The folder of the build under test."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))))
    return os.environ.get("CRETULA_BUILD", os.path.join(top, "build"))


def is_sanitized():
    return os.environ.get("CRETULA_VARIANT") == "san"
