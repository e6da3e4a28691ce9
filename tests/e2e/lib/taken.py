"""Processes of a daemon that somebody got into, or ends; descriptors as he has them."""
import contextlib
import ctypes
import os
import signal
import socket

from lib.ca_cli import until
from lib.case import Skip, check
from lib.daemon import wait_end

SECONDS = 120
DEATHS = 10         # of a role that all need end a daemon
PIDFD_GETFD = 438
SUPERVISOR = 3

libc = ctypes.CDLL(None, use_errno=True)


def _sockets(pid, names):
    if os.getuid():
        raise Skip("only root takes descriptors of another process")
    pidfd = os.pidfd_open(pid)
    try:
        for name in names:
            fd = libc.syscall(PIDFD_GETFD, pidfd, name, 0)
            if fd < 0:          # closed meanwhile
                continue
            with contextlib.suppress(OSError):
                yield socket.socket(fileno=fd)
    finally:
        os.close(pidfd)


def supervisor(pid):
    """Its channel to the supervisor."""
    return next(_sockets(pid, [SUPERVISOR]))


def channels(pid):
    """Its channels to other roles, in the order in which it got them: unnamed sockets
    besides the supervisor's."""
    found = []
    numbers = sorted(int(n) for n in os.listdir("/proc/%d/fd" % pid))
    for s in _sockets(pid, [n for n in numbers if n > SUPERVISOR]):
        if s.family == socket.AF_UNIX and not s.getsockname():
            found.append(s)
        else:
            s.close()
    return found


def only(daemon, role):
    """Its pid, once there is one: others come and go with local clients."""
    found = []
    until("a " + role, lambda: found.extend(daemon.roles().get(role, [])) or found)
    return found[0]


def dies_often(daemon, role):
    """Each time it is longer until there is another one, ten seconds for the lot."""
    for _ in range(DEATHS):
        pid = only(daemon, role)
        until("it is confined", lambda p=pid: channels(p))
        os.kill(pid, signal.SIGKILL)
        check(wait_end(pid, SECONDS), "it dies")
    only(daemon, role)
