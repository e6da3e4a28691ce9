#!/usr/bin/python3
"""A client program for tests: asks credd to sign and prints what it got. Run by
/usr/bin/python3, or by a copy of it at a path that a grant names.

    asker.py ask SOCKET CREDENTIAL      connects, asks
    asker.py send FD CREDENTIAL         asks over a connection it was given
    asker.py read FD                    waits for the answer to another's request
    asker.py hold SOCKET LINK           connects, gives the connection to LINK, waits
    asker.py exec SOCKET CREDENTIAL PROGRAM   connects, asks for what is not there;
                                        PROGRAM then asks over that connection
    asker.py exec-sharing …             the same, with a clone that keeps its memory,
                                        whose pid it prints
    asker.py wait FD                    does nothing until FD ends"""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib.actor import (Link, ask, greeted, outcome, send_run,    # noqa: E402
                       share_memory)


def main(verb, *a):
    if verb == "ask":
        print(ask(a[0], a[1]))
    elif verb == "send":
        sock = socket.socket(fileno=int(a[0]))
        send_run(sock, a[1])
        print(outcome(sock))
    elif verb == "read":
        print(outcome(socket.socket(fileno=int(a[0]))))
    elif verb == "hold":
        link = Link(socket.socket(fileno=int(a[1])))
        with greeted(a[0]) as sock:
            link.tell("connected", sock.fileno())
            while True:
                (credential, _) = link.hear()
                send_run(sock, credential)
                link.tell(outcome(sock))
    elif verb in ("exec", "exec-sharing"):
        sock = greeted(a[0])
        send_run(sock, "none")
        print(outcome(sock), flush=True)    # so the hello is behind us
        sock.set_inheritable(True)
        if verb == "exec-sharing":
            print(share_memory(), flush=True)
        os.execv(a[2], [a[2], os.path.abspath(__file__), "send",
                        str(sock.fileno()), a[1]])
    elif verb == "wait":
        os.read(int(a[0]), 1)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EOFError:
        pass
