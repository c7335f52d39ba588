"""python-ldap, which this package does without: whether it is there, and the one line that brings it."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys

#: What its build needs, as Debian and Ubuntu name it, and as Red Hat does.
_DEBIAN = "gcc python3-dev libldap-dev libsasl2-dev"
_RED_HAT = "gcc python3-devel openldap-devel cyrus-sasl-devel"


def is_installed() -> bool:
    """Tell whether python-ldap is there."""
    return importlib.util.find_spec("_ldap") is not None and importlib.util.find_spec("ldap") is not None


def line() -> str:
    """Return the one line to type on the machine of the API server."""
    tool = (
        f"dnf install --assumeyes {_RED_HAT}"
        if shutil.which("dnf") and not shutil.which("apt-get")
        else f"apt-get install --yes {_DEBIAN}"
    )
    return f"sudo {tool} && {shlex.quote(sys.executable)} -m pip install python-ldap"


def problem() -> str:
    """Return why people cannot log in by a directory on this machine, "" if they can."""
    if is_installed():
        return ""
    return f"The Python package python-ldap is missing on the machine of the API server. Type: {line()}"
