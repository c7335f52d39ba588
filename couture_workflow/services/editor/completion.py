"""What the DAG editor completes: the index of the installed packages, made once for each set of versions.

Making it imports every operator and sensor that is installed, so a process apart does it. Its result is kept
in the home's folder ``cache``, which may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distributions
from pathlib import Path

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.editor import completion_index
from couture_workflow.store import atomic
from couture_workflow.store.home import Store

log = logging.getLogger(__name__)

#: Distributions whose version changes what the index holds.
_PREFIXES = ("apache-airflow", "couture-workflow")
#: Seconds; the program itself stops reading modules earlier.
_TIMEOUT = completion_index.BUDGET + 60
_KEPT = 3


@dataclass(frozen=True)
class Index:
    """The index as it is served.

    :param fingerprint: another one whenever the content may be another one.
    :param body: JSON in UTF-8; ``completion_index.build`` says what is in it.
    """

    fingerprint: str
    body: bytes


def index(store: Store) -> Index:
    """Return the index of what is installed now, made if it is not there yet; a first time takes seconds."""
    fingerprint = _fingerprint()
    folder = store.root / "cache"
    path = folder / f"completion-{fingerprint}.json"
    if not path.is_file():
        with atomic.storage_errors(folder):
            folder.mkdir(exist_ok=True)
        with atomic.locked(folder / ".completion.lock"):
            if not path.is_file():  # nobody made it while we waited
                atomic.write(path, _make())
                _forget_old(folder, path)
    return Index(fingerprint, path.read_bytes())


def _make() -> bytes:
    command = [sys.executable, "-m", completion_index.__name__]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
            # Connections and variables of the environment are nothing that an import should see.
            env={name: value for name, value in os.environ.items() if not _is_secret(name)},
        )
    except subprocess.TimeoutExpired as error:
        raise CoutureError(_failure("it took too long")) from error
    if done.returncode != 0 or not done.stdout.startswith(b"{"):
        log.error(
            "The index for completion could not be made: %s", done.stderr.decode("utf-8", "replace")[-4000:]
        )
        raise CoutureError(_failure("the log of the API server says why"))
    if not json.loads(done.stdout)["complete"]:
        log.warning("The index for completion holds only what could be read in %s s", completion_index.BUDGET)
    return done.stdout


def _failure(why: str) -> str:
    return (
        f"The editor cannot complete names: what is installed could not be read ({why}). Reload to try again."
    )


def _is_secret(name: str) -> bool:
    return name.startswith(("AIRFLOW_CONN_", "AIRFLOW_VAR_")) or name.endswith(
        ("_KEY", "_SECRET", "_PASSWORD")
    )


@lru_cache(maxsize=1)
def _fingerprint() -> str:
    """Return a digest of what the index is made of; new packages need a restart of the server anyway."""
    digest = hashlib.sha256(sys.version.encode())
    for name, version in sorted(_versions()):
        digest.update(f"{name}={version}\n".encode())
    # The arguments of ours change without a new version while somebody works on them.
    here = Path(__file__).parent
    for path in sorted([*(here.parents[1] / "operators").glob("*.py"), *here.glob("completion*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _versions() -> set[tuple[str, str]]:
    return {
        (name.lower(), distribution.version)
        for distribution in distributions()
        if (name := str(distribution.name or "")).lower().startswith(_PREFIXES)
    }


def _forget_old(folder: Path, newest: Path) -> None:
    """Delete the indexes of versions that are no longer in use, all but a few."""
    others = sorted(folder.glob("completion-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in [path for path in others if path != newest][_KEPT - 1 :]:
        path.unlink(missing_ok=True)
