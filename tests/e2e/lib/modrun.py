"""Talks to build/tests/modrun: a module in a process of its own, no sandbox."""
import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
BUILD = os.environ.get("CRETULA_BUILD") or os.path.join(TOP, "build")


class Refused(Exception):
    def __init__(self, result, text):
        super().__init__("%s: %s" % (result, text))
        self.result, self.text = result, text


def to_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


class Module:
    def __init__(self, name):
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tests", "modrun"),
             os.path.join(BUILD, "modules", name + ".so")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(self, verb, attributes):
        """Attributes: (name, value) pairs. The answer is such a list too."""
        words = ["%s=%s" % (n, to_bytes(v).hex()) for n, v in attributes]
        self.process.stdin.write((" ".join([verb] + words) + "\n").encode())
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode().rstrip("\n")
        if not line:
            raise RuntimeError("modrun died")
        state, _, rest = line.partition(" ")
        if state != "ok":
            result, _, text = rest.partition(" ")
            raise Refused(result, bytes.fromhex(text).decode())
        pairs = (word.partition("=") for word in rest.split())
        return [(name, bytes.fromhex(value)) for name, _, value in pairs]

    def credential(self, **attributes):
        return self.call("credential", attributes.items())

    def now(self, seconds):
        self.process.stdin.write(b"now %d\n" % seconds)

    def run(self, op, attributes):
        return self.call("run " + op, attributes)

    def facts(self, op, attributes):
        return self.call("facts " + op, attributes)
