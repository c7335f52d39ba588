"""`couture-workflow restore`: a backup in place of all state of an installation, all of it or nothing.

The backup is checked from start to end, unpacked beside what is there and brought up to date; up to then
nothing is changed. Then a plan is written (``restore_plan``) and carried out, which takes an instant.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from couture_workflow.exceptions import ArchiveError, ConflictError, CoutureError, InUseError, InvalidError
from couture_workflow.services.backup import database as backup_database
from couture_workflow.services.backup import keys as backup_keys
from couture_workflow.services.backup import place as backup_place
from couture_workflow.services.backup import restore_plan
from couture_workflow.services.backup.backup import Report, alone, check_free
from couture_workflow.services.backup.home import RESTORED_KEYS, is_state
from couture_workflow.services.backup.place import Place
from couture_workflow.services.backup.restore_database import check_revisions, migrate, schemas_of
from couture_workflow.services.backup.restore_plan import Move, Plan
from couture_workflow.services.backup.restore_staging import FOLDER, Staging
from couture_workflow.services.git import watch as git_watch
from couture_workflow.services.workbench import airflow_settings as embedded_settings
from couture_workflow.services.workbench import checks as embedded_checks
from couture_workflow.services.workbench import database as embedded_database
from couture_workflow.services.workbench import doctor, server_address, server_database
from couture_workflow.store import atomic, backup_archives
from couture_workflow.store.backup_archives import Backup, Visitor
from couture_workflow.store.blobs import CHUNK
from couture_workflow.store.home import LAYOUT, Store

#: Seconds since its last sign of life in which a service may still be running, and between two looks.
ALIVE, POLL = 30, 0.5


@dataclass(frozen=True)
class _Context:
    """What all steps of one restore need."""

    place: Place
    backup: Backup
    keys: dict[str, str]
    report: Report

    @property
    def work(self) -> Path:
        return self.place.home / FOLDER


def restore(
    home: Path | None,
    file: Path | None,
    *,
    replace: bool,
    passphrase: Callable[[], str | None],
    report: Report,
) -> list[doctor.Finding]:
    """Restore a backup and return what the doctor finds in what was restored.

    :param home: the home; None: the one that is configured.
    :param file: the backup; None: standard input.
    :param replace: whether there may be something that is lost by it.
    :param passphrase: gives what the keys are encrypted with; called if they are.
    """
    if file is not None and not file.is_file():
        raise InvalidError(f"There is no file {file}. Check the name.")
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(_input(file, home))
        report("Checking the backup.")
        backup = _read(source, file)
        given = passphrase() if backup_keys.is_sealed(backup.keys) else None
        keys = backup_keys.open_(backup.keys, backup.manifest, given)
        place = backup_place.target(home, embedded_backup=bool(backup.about.get("embedded")))
        _check_fits(backup, place)
        context = _Context(place, backup, keys, report)
        stack.enter_context(_stopped(place, report))
        if _finish_earlier(context):
            return _examine(context)
        if not replace:
            _check_empty(place)
        check_free(place.home, 2 * backup.size, "The unpacked backup beside what is there")
        plan = _prepare(context, lambda visit: _read(source, file, visit))
        plan.write(place.home)
        _carry_out(plan, context)
        return _examine(context)


@contextlib.contextmanager
def _input(file: Path | None, home: Path | None) -> Iterator[BinaryIO]:
    """Give the backup as a file that can be read twice."""
    if file is not None:
        with atomic.reading_errors(file):
            source = file.open("rb")
        with source:
            yield source
        return
    import tempfile

    folder = home or Path(os.environ.get("AIRFLOW__COUTURE_WORKFLOW__HOME") or tempfile.gettempdir())
    folder = folder if folder.is_dir() else Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=folder, prefix=atomic.PREFIX) as kept:
        with atomic.storage_errors(folder):
            shutil.copyfileobj(sys.stdin.buffer, kept, CHUNK)
        kept.seek(0)
        yield kept


def _read(source: BinaryIO, file: Path | None, visit: Visitor | None = None) -> Backup:
    source.seek(0)
    with atomic.reading_errors(file or Path("/dev/stdin")):
        return backup_archives.read(source, visit=visit)


def _check_fits(backup: Backup, place: Place) -> None:
    about = backup.about
    try:
        layout, database = int(about["layout"]), dict(about["database"])
        kind, revisions = str(database["kind"]), dict(database["revisions"])
        version, airflow = str(about["product_version"]), str(about["airflow_version"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(
            f"The manifest of the backup makes no sense: {error!r}. Take another backup."
        ) from error
    if layout > LAYOUT:
        raise ArchiveError(
            f"The backup is of a newer Couture Workflow ({version}, layout {layout}; this one knows "
            f"{LAYOUT}). "
            "Upgrade Couture Workflow, then restore."
        )
    check_revisions(revisions, airflow)
    here = _server(place) if place.kind == "mysql" else place.kind
    if kind != here:
        raise ArchiveError(
            f"The backup is of a database of the kind {kind}, and the database here is {here}: one cannot be "
            "made of the other (COUTURE_DATABASE names the one of an embedded workbench). "
            "Export and import carry DAGs, configurations and files from one to the other."
        )


def _server(place: Place) -> str:
    with backup_database.errors("The database cannot be asked what it is"):
        with backup_database.connect(place.url) as connection:
            return backup_database.prepare_session(connection)


@contextlib.contextmanager
def _stopped(place: Place, report: Report) -> Iterator[None]:
    """Refuse an installation whose services run, and keep another restore, and an embedded workbench, out."""
    with atomic.storage_errors(place.home):
        place.home.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone(place.home))
        if place.embedded:
            stack.enter_context(embedded_checks.locked(place.layout))
            if address := place.server:
                claim = server_database.Claim(address)
                claim.take()
                stack.callback(claim.release)
        else:
            _check_services(place, report)
        yield


def _check_services(place: Place, report: Report) -> None:
    """Refuse services that run. One that was killed shows no further sign of life while it is waited for."""
    first = _signs(place)
    connected = schemas_of(place).users() if place.kind != "sqlite" else []
    if first and not connected:
        report(f"Waiting up to {ALIVE} s for {', '.join(sorted(first))}, to see whether they have ended.")
    now = first
    while now and not connected and all(first.get(name) == sign for name, sign in now.items()):
        time.sleep(POLL)
        now = _signs(place)
    running = {*now, *(f"a program on {host}" for host in connected)}
    if running:
        raise InUseError(
            f"Services are running: {', '.join(sorted(running))}. Stop all of them, then restore (in "
            "containers: docker compose stop api-server scheduler dag-processor triggerer dag-sync "
            "jupyter worker)."
        )


def _signs(place: Place) -> dict[str, object]:
    """Return the services that gave a sign of life in the last ``ALIVE`` seconds, each with its last sign."""
    since = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=ALIVE)
    query = (
        "SELECT job_type, hostname, latest_heartbeat FROM job "
        "WHERE state = 'running' AND latest_heartbeat > :since"
    )
    found: dict[str, object] = {
        f"{kind} on {host}": str(sign)
        for kind, host, sign in _ask(place, query, {"since": _moment(place, since)})
    }
    if sign := git_watch.last_sign(Store(place.home)):
        found["couture-workflow dags sync"] = sign
    return found


def _moment(place: Place, moment: datetime) -> str:
    """Return a moment in UTC as the database compares it: PostgreSQL would take it for its own time zone."""
    return f"{moment}+00" if place.kind == "postgresql" else str(moment)


def _ask(place: Place, query: str, values: dict[str, Any] | None = None) -> list[Any]:
    """Return what the database answers, nothing if it has no such table."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    if place.kind == "sqlite" and not place.database.is_file():
        return []
    with contextlib.suppress(SQLAlchemyError), backup_database.connect(place.url) as connection:
        return list(connection.execute(text(query), values or {}).all())
    return []


def _check_empty(place: Place) -> None:
    store = Store(place.home)
    found = [f"commits in {r.path.name}" for r in store.repositories if r.exists() and r.head()]
    found += [f"{files.kind}" for files in store.kinds if files.manifests.names()]
    found += ["secrets"] if store.secrets.names() else []
    for what, query in (
        ("DAG runs", "SELECT 1 FROM dag_run LIMIT 1"),
        ("connections", "SELECT 1 FROM connection LIMIT 1"),
        ("variables", "SELECT 1 FROM variable LIMIT 1"),
        ("accounts", "SELECT id FROM ab_user LIMIT 2"),
    ):
        if len(_ask(place, query)) > (1 if what == "accounts" else 0):
            found.append(what)
    if found:
        raise ConflictError(
            f"The home {place.home} and its database are not empty: they hold {', '.join(found)}. Back them "
            "up if "
            "they are needed, then add --replace, and the backup takes the place of all of it."
        )


def _finish_earlier(context: _Context) -> bool:
    """Finish a restore that was killed; tell whether it was one of this backup."""
    plan = restore_plan.load(context.place.home)
    if plan is None:
        return False
    context.report("Finishing a restore that was interrupted.")
    _carry_out(plan, context)
    return plan.backup == context.backup.id


def _prepare(context: _Context, unpack: Callable[[Visitor], object]) -> Plan:
    """Unpack the backup and bring its database up to date; return what is to be moved.

    :param unpack: reads the backup again, and gives each file of it.
    """
    place, report = context.place, context.report
    report(f"Unpacking {len(context.backup.about['members']):,} files, {context.backup.size:,} bytes.")
    staging = Staging(context.work)
    try:
        unpack(staging.take)
        staging.finish_home()
        if place.embedded and not embedded_settings.has_keys_apart(place.layout):
            _make_embedded(place)
        report("Bringing the database of the backup up to date.")
        moves = [*_home_moves(context, staging), *_key_moves(context)]
        tables: set[str] = set()
        if place.kind == "sqlite":
            moves += _sqlite_moves(context, staging)
        else:
            schemas = schemas_of(place)
            schemas.load(staging)
            migrate(schemas.address(schemas.new), place, context.work / "migration.log")
            tables = schemas.tables()
        return Plan(context.backup.id, moves, sorted(tables), [str(context.work)])
    except BaseException:
        _discard(place, context.work)
        raise


def _discard(place: Place, work: Path) -> None:
    """Remove what was prepared in vain; the log of the migration stays."""
    for folder in ("home", "database", "packs"):
        shutil.rmtree(work / folder, ignore_errors=True)
    parts = [place.database] if place.kind == "sqlite" else []
    for path in [*parts, *place.key_files().values()]:
        for leftover in path.parent.glob(f".restore-{path.name}*"):
            leftover.unlink(missing_ok=True)
    if place.kind != "sqlite":
        with contextlib.suppress(CoutureError):
            schemas_of(place).clean()


def _make_embedded(place: Place) -> None:
    layout = place.layout
    layout.airflow.mkdir(mode=0o700, parents=True, exist_ok=True)
    layout.logs.mkdir(exist_ok=True)
    embedded_settings.write_config(layout, host="127.0.0.1", port=8080, examples=True)


def _home_moves(context: _Context, staging: Staging) -> list[Move]:
    home, old = context.place.home, context.work / "old"
    names = {path.name for path in [*home.iterdir(), *staging.home.iterdir()] if is_state(path.name)}
    return [
        Move(str(new) if (new := staging.home / name).exists() else "", str(home / name), str(old / name))
        for name in sorted(names)
    ]


def _sqlite_moves(context: _Context, staging: Staging) -> list[Move]:
    """Return the moves of the database; it waits beside its place, which may be on another disk."""
    database = context.place.database
    part = database.with_name(f".restore-{database.name}")
    for leftover in database.parent.glob(f"{part.name}*"):
        leftover.unlink()
    shutil.move(staging.database / "airflow.db", part)
    migrate(f"sqlite:///{part}", context.place, context.work / "migration.log")
    with contextlib.closing(sqlite3.connect(part)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    part.chmod(0o600)

    def old(name: str) -> str:
        return str(database.with_name(f".restore-old-{name}"))

    names = [f"{database.name}{suffix}" for suffix in ("-wal", "-shm", "-journal")]
    moves = [Move("", str(database.with_name(name)), old(name)) for name in names]
    moves.append(Move(str(part), str(database), old(database.name)))
    if context.place.embedded:
        new = context.work / "migrated"
        new.write_text(embedded_database.versions(), encoding="utf-8")
        target = context.place.layout.migrated
        moves.append(Move(str(new), str(target), old(target.name)))
    return moves


def _key_moves(context: _Context) -> list[Move]:
    """Return the moves of the keys; those that are in no file that can be replaced are told about."""
    present, files, moves = context.place.keys(), context.place.key_files(), []
    open_ = {}
    for name, key in context.keys.items():
        if (
            not key
            or key == present.get(name)
            or (name == "secret_key" and key == context.keys["fernet_key"])
        ):
            continue
        path = files.get(name)
        if path is None or not os.access(path.parent, os.W_OK):
            open_[name] = key
            continue
        new = path.with_name(f".restore-{path.name}")
        new.unlink(missing_ok=True)
        mode = path.stat().st_mode & 0o777 if path.is_file() else 0o600
        atomic.write(new, f"{key}\n".encode(), mode=mode)
        moves.append(Move(str(new), str(path), str(path.with_name(f".restore-old-{path.name}"))))
    if open_:
        moves.append(_keep_keys(context, open_))
    return moves


def _keep_keys(context: _Context, keys: dict[str, str]) -> Move:
    import json

    new, target = context.work / RESTORED_KEYS, context.place.home / RESTORED_KEYS
    atomic.write(new, (json.dumps(keys, indent=1) + "\n").encode(), mode=0o600)
    names = {"fernet_key": "[core] fernet_key", "secret_key": "[couture_workflow] secret_key"}
    context.report(
        "The backup has other keys than this installation, which cannot be set from here. They are in "
        f"{target}: "
        f"set {' and '.join(names[name] for name in keys)} to them before you start, then remove the file."
    )
    return Move(str(new), str(target), str(context.work / "old" / RESTORED_KEYS))


def _carry_out(plan: Plan, context: _Context) -> None:
    """Do what the plan says, or what is left of it."""
    context.report("Putting everything in place.")
    for move in plan.moves:
        with atomic.storage_errors(Path(move.target)):
            move.make()
    if plan.tables:
        schemas = schemas_of(context.place)
        schemas.swap(set(plan.tables))
        schemas.clean()
    if context.place.embedded:
        server_address.keep(context.place.layout, context.place.server)
    for path in restore_plan.end(plan, context.place.home):
        context.report(f"{path} has what was there before; this account may not remove all of it.")


def _examine(context: _Context) -> list[doctor.Finding]:
    context.report("Looking for damage in what was restored.")
    keys = list(dict.fromkeys(key for key in (context.keys["secret_key"], context.keys["fernet_key"]) if key))
    return doctor.check(Store.open(context.place.home, secret_key=",".join(keys)))
