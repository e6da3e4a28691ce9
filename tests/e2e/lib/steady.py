"""Cases after which credd must stand as it did before."""
import os

from lib.case import case, check, equal
from lib.raw import KEY, SECRET, signs


def steady(function):
    """Wraps a case: same processes, still signing."""
    def wrapped(daemon):
        before = standing(daemon)
        function(daemon)
        check(signs(daemon.api), "another client gets the right signature")
        equal(standing(daemon), before, "credd's processes")
    wrapped.__name__ = function.__name__
    return case(wrapped)


def standing(daemon):
    """Workers come and go; these stay."""
    roles = daemon.roles()
    return {r: roles.get(r) for r in ("supervisor", "door", "vault", "store",
                                      "zygote")}


def prepare(daemon):
    with daemon.admin() as a:
        for name in ("raw", "nobody-s"):
            a.credential_add(name, "aws-sigv4", [("access_key", KEY)],
                             [("secret_key", SECRET)])
        a.grant_add(("credential", "raw"), ("op", "sign"), ("uid", os.getuid()),
                    ("max_skew", "any"))
