"""What must be true before the embedded workbench starts; each check raises one sentence with the remedy."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from couture_workflow.exceptions import HomeError, StartError
from couture_workflow.services.workbench.airflow_settings import Layout
from couture_workflow.store.home import Store

DISK_NEEDED = 2 * 2**30
PASSWORD_LENGTH = 8


def check_home(home: Path) -> Layout:
    """Make the home if there is none and return where things are in it."""
    layout = Layout(home)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_writable(home)
        home.chmod(0o700)
        Store.open(home)
        for folder in (layout.airflow, layout.logs):
            folder.mkdir(parents=True, exist_ok=True)
            _check_writable(folder)
            folder.chmod(0o700)  # password hashes, keys and logs are nobody else's business
    except OSError as error:
        raise HomeError(
            f"The home {home} cannot be written ({error.strerror}): make it writable for this user, or "
            "choose another folder with --home or COUTURE_HOME."
        ) from error
    return layout


def _check_writable(folder: Path) -> None:
    probe = folder / ".writable"
    probe.touch()
    probe.unlink()


def check_disk(home: Path) -> None:
    """Refuse a home with less than 2 GiB of free space."""
    free = shutil.disk_usage(home).free
    if free < DISK_NEEDED:
        raise StartError(
            f"Only {free / 2**30:.1f} GiB are free on the disk of {home} and the workbench needs at "
            f"least {DISK_NEEDED // 2**30} GiB: free some space, or choose another folder with --home "
            "or COUTURE_HOME."
        )


def check_port(host: str, port: int) -> None:
    """Refuse a port that something listens on, and an address that is not this machine's."""
    if not 1 <= port <= 65535:
        raise StartError(f"{port} is no port: choose one from 1 to 65535 with --port or COUTURE_PORT.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except socket.gaierror as error:
        raise StartError(f"{host} is no address: choose one of this machine with --host.") from error
    except PermissionError as error:
        raise StartError(
            f"Port {port} may be opened by root only: choose one above 1023 with --port or COUTURE_PORT."
        ) from error
    except OSError as error:
        raise StartError(
            f"Port {port} on {host} cannot be opened ({(error.strerror or str(error)).lower()}): stop the "
            "program that uses it, or choose another port with --port or COUTURE_PORT."
        ) from error


def check_password(password: str | None) -> None:
    """Refuse a given first password that is too short."""
    if password is not None and len(password) < PASSWORD_LENGTH:
        raise StartError(
            f"COUTURE_ADMIN_PASSWORD has {len(password)} characters and needs at least {PASSWORD_LENGTH}: "
            "choose a longer one, or leave it unset and one is generated."
        )


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[BinaryIO]:
    """Hold the home for this workbench alone; the lock is free again when all its holders have ended."""
    with layout.lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(
                f"A workbench runs on the home {layout.home} already: stop it, or choose another folder with "
                "--home or COUTURE_HOME."
            ) from error
        yield file
