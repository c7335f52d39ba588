"""Run records: what one try of a Spark task used and how it ended.

One JSON file per try, ``runs/<dag>/<task>/<map index>/run=<run>/<try>.json`` below the home. A success also
leaves a marker beside its run, ``successes/<start>-<hash>``, so that the success before a run is found by one
listing. Any record may be deleted at any time: a marker without its record is passed over. Lists of runs read
the small entries that ``index`` keeps of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from couture_workflow.exceptions import CorruptError, NotFoundError
from couture_workflow.services.runs import index, names, notebook_use
from couture_workflow.services.runs.differences import Change as Change
from couture_workflow.services.runs.differences import changes as changes
from couture_workflow.services.runs.run import FileUse as FileUse
from couture_workflow.services.runs.run import Kind as Kind
from couture_workflow.services.runs.run import Role as Role
from couture_workflow.services.runs.run import Run as Run
from couture_workflow.services.runs.run import RunKey as RunKey
from couture_workflow.services.runs.run import State as State
from couture_workflow.store import atomic

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

FORMAT = 1


@dataclass(frozen=True)
class Details:
    """All that is known of one try.

    :param last_success: the success that it is compared with, None if the task has not succeeded before.
    :param changes: what differs from that success.
    """

    run: Run
    tries: tuple[Run, ...]
    last_success: Run | None
    changes: tuple[Change, ...]


def write(store: Store, run: Run) -> None:
    """Write a run's record, replacing what an earlier call wrote for the same try."""
    path = _path(store, run.key)
    record = {"format": FORMAT, **dataclasses.asdict(run)}
    _write(path, json.dumps(record, ensure_ascii=False, indent=1, default=_encode).encode(errors="replace"))
    marker = _marker(store, run)
    if run.state == "success":
        _write(marker, f"{path.parent.name}/{path.name}".encode())
    else:
        marker.unlink(missing_ok=True)
    index.put(store, *_entry(run))


def exists(store: Store, key: RunKey) -> bool:
    """Tell whether there is a record of a try."""
    return _path(store, key).is_file()


def complete_index(store: Store) -> None:
    """Let ``index`` have an entry of every record, those of versions that kept none included."""
    index.complete(store, lambda: map(_entry, _all(store)))


def read(store: Store, key: RunKey) -> Run:
    """Return the record of one try; NotFoundError if there is none, CorruptError if it is damaged."""
    path = _path(store, key)
    try:
        run = _load(path)
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no record of try {key.try_number} of the task {key.task_id!r} in the run "
            f"{key.run_id!r} of the DAG {key.dag_id!r}."
        ) from None
    if run.key != key:
        raise _damaged(path, "it belongs to another task")
    return run


def tries(store: Store, key: RunKey) -> list[Run]:
    """Return the records of all tries of a task instance, first try first; the damaged ones are left out."""
    numbers = sorted(
        int(path.stem) for path in _path(store, key).parent.glob("*.json") if path.stem.isdecimal()
    )
    found = []
    for number in numbers:
        try:
            found.append(read(store, dataclasses.replace(key, try_number=number)))
        except (NotFoundError, CorruptError):
            continue
    return found


def last_success(store: Store, key: RunKey) -> Run | None:
    """Return the success of the same task and map index that started last before this run.

    A run that has no record yet counts as the newest.
    """
    try:
        before = _stamp(read(store, key).started_at)
    except NotFoundError:
        before = None
    task = _task_folder(store, key)
    for marker in _newest_first(task / "successes"):
        if before is not None and marker.name >= before:
            continue
        try:
            run = _load(task / marker.read_text())
        except (FileNotFoundError, CorruptError):
            continue
        if run.key != key and run.state == "success":
            return run
    return None


def details(store: Store, key: RunKey) -> Details:
    """Return a run with its other tries and what changed since the last success."""
    run = read(store, key)
    success = last_success(store, key)
    return Details(
        run=run,
        tries=tuple(tries(store, key)),
        last_success=success,
        changes=tuple(changes(success, run)) if success else (),
    )


def place(key: RunKey) -> str:
    """Return a relative path for a try, of safe names: ``<dag>/<task>/<map index>/run=<run>/<try>``."""
    run = f"run={names.quoted(key.run_id)}/{int(key.try_number)}"
    return f"{task_place(key.dag_id, key.task_id)}/{int(key.map_index)}/{run}"


def task_place(dag_id: str, task_id: str | None = None) -> str:
    """Return the relative path of all tries of a task, or of a DAG."""
    return names.quoted(dag_id) if task_id is None else f"{names.quoted(dag_id)}/{names.quoted(task_id)}"


def _all(store: Store) -> Iterator[Run]:
    for path in store.runs.glob("*/*/*/run=*/*.json"):
        try:
            yield _load(path)
        except (FileNotFoundError, CorruptError):
            continue


def _entry(run: Run) -> tuple[str, dict[str, Any]]:
    """Return the name of a run's entry in the index, and what lists show and ask of a run."""
    key = dataclasses.asdict(run.key)
    digest = hashlib.sha256("\0".join(map(str, key.values())).encode(errors="replace")).hexdigest()[:16]
    shown = (
        "state",
        "kind",
        "started_at",
        "ended_at",
        "app_name",
        "triggered_by",
        "owner",
        "user",
        "application_id",
    )
    said = {name: getattr(run, name) for name in shown}
    moments = {
        name: when.astimezone(UTC).isoformat() for name, when in said.items() if isinstance(when, datetime)
    }
    return index.name(run.started_at, digest), {"key": key, **said, **moments}


def _task_folder(store: Store, key: RunKey) -> Path:
    return (store.runs / place(key)).parent.parent


def _path(store: Store, key: RunKey) -> Path:
    return store.runs / f"{place(key)}.json"


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _marker(store: Store, run: Run) -> Path:
    name = hashlib.sha256(f"{run.key.run_id}\0{run.key.try_number}".encode()).hexdigest()[:16]
    return _task_folder(store, run.key) / "successes" / f"{_stamp(run.started_at)}-{name}"


def _newest_first(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), reverse=True)
    except FileNotFoundError:
        return []


def _write(path: Path, content: bytes) -> None:
    with atomic.storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, content)


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"A run record cannot hold {value!r}.")


def _load(path: Path) -> Run:
    try:
        return _decode(json.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error


def _decode(record: Mapping[str, Any]) -> Run:
    """Build a run from a record of this or a newer format: fields that are not known are passed over."""
    given = notebook_use.known(Run, record)
    if given["state"] not in get_args(State):
        raise ValueError(f"{given['state']!r} is not a state")
    given["key"] = RunKey(**notebook_use.known(RunKey, given["key"]))
    given["files"] = tuple(FileUse(**notebook_use.known(FileUse, use)) for use in given.get("files", ()))
    given["application_arguments"] = tuple(given.get("application_arguments", ()))
    given["notebook"] = notebook_use.decoded(given.get("notebook"))
    given["started_at"] = datetime.fromisoformat(given["started_at"])
    given["ended_at"] = datetime.fromisoformat(given["ended_at"]) if given.get("ended_at") else None
    return Run(**given)


def _damaged(path: Path, why: str) -> CorruptError:
    return CorruptError(
        f"The run record {path} is damaged ({why}). Delete the file: only this run's details are lost.",
        path=str(path),
    )
