"""Where the host of Jupyter servers keeps its state, and how the API server finds it.

Sockets need short paths (107 bytes), which a home need not have, so the state is among the machine's
temporary files, for this account alone. The home tells where: in a file that code in notebooks cannot read.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from couture_workflow import settings
from couture_workflow.exceptions import JupyterError
from couture_workflow.store import atomic

#: Where temporary files have short paths.
_SHORT = Path("/tmp")  # noqa: S108


@dataclass(frozen=True)
class Endpoint:
    """How to reach the host.

    :param socket: path of its socket.
    :param secret: that it asks for: any process of this account could connect.
    """

    socket: str
    secret: str


def endpoint_file(home: Path) -> Path:
    """Return the file of a home that tells where the host is."""
    return home / "cache" / "jupyter-host.json"


def write_endpoint(home: Path, endpoint: Endpoint) -> None:
    """Tell the API servers of a home where the host is."""
    path = endpoint_file(home)
    path.parent.mkdir(exist_ok=True)
    atomic.write(path, json.dumps(endpoint.__dict__).encode(), mode=0o600)


def read_endpoint(home: Path) -> Endpoint | None:
    """Return where the host of a home is, None if there is none."""
    try:
        found = json.loads(endpoint_file(home).read_text(encoding="utf-8"))
        return Endpoint(str(found["socket"]), str(found["secret"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def state_folder(home: Path) -> Path:
    """Return the folder for the state of a home's host, for this account alone, made if it is not there."""
    if (given := settings.jupyter_state()) is not None:
        return given
    digest = hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:12]
    folder = _SHORT / f"couture-jupyter-{os.geteuid()}-{digest}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise JupyterError(
                f"{folder} belongs to somebody else, so no Jupyter server can be started. Remove it."
            ) from None
        folder.chmod(0o700)
    return folder
