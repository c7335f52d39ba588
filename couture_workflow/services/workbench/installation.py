"""What a home needs around its files: its database, keys, port, rights, this machine's clock and runtimes.

Each is looked at, not asked about: the database is read, the keys open what they should, the port is tried,
the runtimes are started. Nothing is changed.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from couture_workflow.exceptions import CoutureError, InvalidError, SecretKeyError, StartError
from couture_workflow.services.runtimes import installed
from couture_workflow.services.runtimes.install import INSTALL_COMMAND
from couture_workflow.services.workbench import checks, database_check, doctor_models, server_address
from couture_workflow.services.workbench.airflow_settings import KEYS, Layout, local_address
from couture_workflow.services.workbench.doctor import Finding
from couture_workflow.store.home import RESTORE_PLAN, Store

#: Seconds that a clock may differ.
DRIFT = 300.0
#: Free entries of a file system below which it is reported.
LOW_INODES = 10_000
_START_TIMEOUT = 30

_FIND = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"


def check(store: Store) -> list[Finding]:
    """Return what is wrong around the files of a home."""
    with ThreadPoolExecutor(1) as apart:  # a runtime takes a moment to start
        runtimes = apart.submit(lambda: [*check_runtimes()])
        found = [*_check_restore(store), *_check_rights(store), *_check_clock(store), *_check_inodes(store)]
        layout = Layout(store.root)
        if layout.config.is_file():
            found += _check_embedded(layout)
        elif _is_configured(store):
            found += _check_configured()
        return found + runtimes.result()


def _check_embedded(layout: Layout) -> Iterator[Finding]:
    running = is_running(layout)
    found = [*check_keys(layout)]
    yield from found
    keys = [] if found else [(layout.keys / "fernet_key").read_text(encoding="utf-8").strip()]
    try:
        address = server_address.wanted(layout, os.environ)
    except InvalidError as error:
        yield Finding("database", str(error), "")
    else:
        if address is None:
            yield from database_check.check_file(layout, running=running, keys=keys)
        else:
            yield from database_check.check_server(address, keys=keys)
    yield from check_port(layout, running=running)
    if running:
        yield from (Finding(*each) for each in doctor_models.look_at_own(layout))


def _is_configured(store: Store) -> bool:
    from couture_workflow import settings

    return "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in os.environ or (
        "AIRFLOW_HOME" in os.environ and settings.home().absolute() == store.root
    )


def _check_restore(store: Store) -> Iterator[Finding]:
    if (plan := store.root / RESTORE_PLAN).exists():
        remedy = "Type the same command again: couture-workflow restore FILE --replace finishes it."
        yield Finding(plan, "A restore was interrupted while it put everything in place.", remedy)


def database_in_words(store: Store) -> str:
    """Return which server has the database of an embedded workbench, "" for the file in its home."""
    layout = Layout(store.root)
    with contextlib.suppress(InvalidError):
        if layout.config.is_file() and (address := server_address.wanted(layout, os.environ)):
            return address.shown
    return ""


def is_running(layout: Layout) -> bool:
    """Tell whether a workbench holds the home."""
    try:
        with layout.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def check_keys(layout: Layout) -> Iterator[Finding]:
    """Look at each file of keys: it is there, nobody else reads it, and what is in it is a key."""
    lost = "Restore it from a backup. Without it a start makes a new one, which opens no secret."
    if not layout.keys.is_dir():
        if layout.database.exists():
            yield Finding(layout.keys, "The folder of the keys is missing.", lost)
        return
    for name in KEYS:
        path = layout.keys / name
        try:
            text = path.read_text(encoding="utf-8").strip()
            mode = stat.S_IMODE(path.stat().st_mode)
        except (OSError, ValueError) as error:
            yield Finding(path, f"The key cannot be read: {getattr(error, 'strerror', None) or error}.", lost)
            continue
        if mode & 0o077:
            yield Finding(path, f"Others may read the key (mode {mode:o}).", f"Type: chmod 600 {path}")
        if not (_is_fernet(text) if name == "fernet_key" else text):
            yield Finding(path, "There is no usable key in it.", lost)


def _is_fernet(key: str) -> bool:
    from cryptography.fernet import Fernet

    try:
        return bool(Fernet(key))
    except ValueError:
        return False


def check_port(layout: Layout, *, running: bool) -> Iterator[Finding]:
    """Look whether the port of the workbench is free for it, or whether it listens there."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(layout.config, encoding="utf-8")
        host = parser.get("api", "host")
        port = int(parser.get("api", "port") if running else _wanted_port(parser.get("api", "port")))
    except (configparser.Error, ValueError) as error:
        remedy = "It is written anew at the next start."
        yield Finding(layout.config, f"The file is damaged: {' '.join(str(error).split())}.", remedy)
        return
    if not running:
        try:
            checks.check_port(host, port)
        except StartError as error:
            yield Finding(f"port {port}", str(error), "")
        return
    try:
        with socket.create_connection((local_address(host).strip("[]"), port), timeout=5):
            return
    except OSError as error:
        problem = f"A workbench runs on this home, but nothing answers on its port ({error})."
        log = layout.logs / "api-server.log"
        remedy = f"If it has been started just now, look again; if not, read {log}."
        yield Finding(f"port {port}", problem, remedy)


def _wanted_port(last: str) -> str:
    return os.environ.get("COUTURE_PORT") or last


def _check_rights(store: Store) -> Iterator[Finding]:
    """Look who may enter the home: whoever may not enter it reads nothing below it.

    An embedded workbench is its owner's alone. Services in containers share a home by their group.
    """
    root = store.root
    try:
        found = root.stat()
    except OSError:
        return  # told with the folders
    mode = stat.S_IMODE(found.st_mode)
    if Layout(root).config.is_file():
        if mode & 0o077:
            yield Finding(root, f"Others may use it (mode {mode:o}).", f"Type: chmod 700 {root}")
    elif mode & 0o007:
        yield Finding(root, f"Everybody may use it (mode {mode:o}).", f"Type: chmod o-rwx {root}")
    elif mode & 0o070 and found.st_gid not in {0, os.getegid()}:
        problem = f"The group {found.st_gid} may use it (mode {mode:o}), which is not the services' own."
        yield Finding(root, problem, f"Type: chgrp {os.getegid()} {root}")


def _check_clock(store: Store) -> Iterator[Finding]:
    """Look whether something was changed later than now."""
    layout = Layout(store.root)
    paths = [store.root / "version", layout.database, layout.migrated, layout.config, store.runs]
    paths += [path / name for path in (r.path for r in store.repositories) for name in ("HEAD", "refs/heads")]
    times = {}
    for path in paths:
        with contextlib.suppress(OSError):
            times[path] = path.stat().st_mtime
    path, newest = max(times.items(), key=lambda each: each[1], default=(store.root, 0.0))
    if newest > time.time() + DRIFT:
        changed = datetime.fromtimestamp(newest).isoformat(" ", "seconds")
        yield Finding(
            path,
            f"It was changed in the future, at {changed}: the clock of this machine is slow, or was fast.",
            "Set the clock (timedatectl set-ntp true). If it is right, wait until then, or type: touch "
            f"{path}",
        )


def _check_inodes(store: Store) -> Iterator[Finding]:
    with contextlib.suppress(OSError):
        disk = os.statvfs(store.root)
        if disk.f_files and disk.f_favail < LOW_INODES:
            problem = f"Only {disk.f_favail} more files can be made on its disk."
            yield Finding(store.root, problem, "Remove files that nobody needs, or ask for a larger disk.")


def check_runtimes() -> Iterator[Finding]:
    """Start each runtime for a moment, side by side."""
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda look: [*look()], (_check_spark, _check_jupyter, _check_git)):
            yield from found


def _check_spark() -> Iterator[Finding]:
    try:
        runtime = installed.spark()
    except CoutureError as error:
        yield Finding("runtime spark", str(error), "")
        return
    python = [runtime.python, "-c", _FIND, "pyspark"] if runtime.home.name == "pyspark" else None
    yield from _started("runtime java", [runtime.java, "-Xshare:auto", "-version"])
    yield from _started("runtime spark", python or [runtime.python, "--version"])


def _check_jupyter() -> Iterator[Finding]:
    try:
        python = installed.jupyter()
    except CoutureError as error:
        yield Finding("runtime jupyter", str(error), "")
        return
    yield from _started("runtime jupyter", [python, "-c", _FIND, "papermill"])


def _check_git() -> Iterator[Finding]:
    yield from _started("git", [shutil.which("git") or "git", "--version"])


def _started(name: str, command: list[str]) -> Iterator[Finding]:
    """Return a finding for a program that does not start, or does not end well."""
    remedy = f"Type: {INSTALL_COMMAND}"
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_START_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or f"no answer within {_START_TIMEOUT} s"
        yield Finding(name, f"{command[0]} does not start: {reason}.", remedy)
        return
    if done.returncode:
        last = (done.stderr.strip() or "it says nothing").splitlines()[-1]
        yield Finding(name, f"{command[0]} ends with exit code {done.returncode}: {last}", remedy)


def _check_configured() -> Iterator[Finding]:
    """Look at the database that Airflow is configured with, and at its clock."""
    from airflow.configuration import conf
    from airflow.exceptions import AirflowConfigException
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    name = "database"
    try:
        url = str(conf.get("database", "sql_alchemy_conn"))
        keys = [key.strip() for key in str(conf.get("core", "fernet_key")).split(",") if key.strip()]
        with create_engine(url, poolclass=NullPool).connect() as connection:

            def ask(query: str) -> list[Any]:
                with connection.begin():  # PostgreSQL answers nothing more after one that failed
                    return list(connection.execute(text(query)).all())

            yield from database_check.check_contents(ask, name=name, keys=keys)
            yield from _check_servers_clock(ask, url)
    except (AirflowConfigException, SecretKeyError) as error:
        yield Finding(name, str(error), "Set it in airflow.cfg, or restore the file of the secret.")
    except (SQLAlchemyError, ImportError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        remedy = "Start the database, or correct [database] sql_alchemy_conn."
        yield Finding(name, f"The database cannot be read: {reason}.", remedy)


def _check_servers_clock(ask: database_check.Ask, url: str) -> Iterator[Finding]:
    if url.startswith("postgres"):
        (row,) = ask("SELECT EXTRACT(EPOCH FROM clock_timestamp())")
    elif url.startswith(("mysql", "mariadb")):
        (row,) = ask("SELECT UNIX_TIMESTAMP()")
    else:
        return
    apart = abs(float(row[0]) - time.time())
    if apart > DRIFT:
        problem = f"The clock of its machine and the one of this machine are {apart:.0f} s apart."
        yield Finding("database", problem, "Set both clocks (timedatectl set-ntp true).")
