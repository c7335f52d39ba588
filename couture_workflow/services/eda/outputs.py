"""What runs leave: a folder for each output, its files and its record, and when it goes.

Below ``outputs/eda/<source>`` of the home ::

    numbers.json          the last number that was given: none is used twice
    <number>/output.json  the record: who, when, of what, and how it ended
    <number>/profile.json, report.html     both there as soon as the record says so
    <number>/progress.json, stop, work/    while it runs
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from couture_workflow.exceptions import CorruptError, InUseError, NotFoundError
from couture_workflow.services.eda.document import check_source_name
from couture_workflow.store import atomic
from couture_workflow.store.names import quote

if TYPE_CHECKING:
    from couture_workflow.services.runs.records import RunKey
    from couture_workflow.store.home import Store

State = Literal["queued", "running", "success", "failed", "stopped"]

#: States of an output that is not over.
GOING_ON: tuple[State, ...] = ("queued", "running")
#: Files of an output, the folder that its run works in, and the note that asks for its end.
RECORD, PROFILE, REPORT, PROGRESS = "output.json", "profile.json", "report.html", "progress.json"
WORK, STOP = "work", "stop"

_NUMBERS, _LOCK = "numbers.json", ".lock"
#: Seconds without a sign of life after which a run counts as dead where nobody can ask Airflow.
_SILENCE = 3_600
#: Characters of a message that are kept.
_LONGEST = 2_000


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output of a source.

    :param source_version: commit that the source was read at.
    :param data_version: version of an uploaded file, "" where there is none.
    :param seconds: from the start to the end.
    :param message: how it ended, in a sentence; "" for a success without more to tell.
    :param by: account that pressed *Play*, "" for a schedule.
    :param guard: rules that were broken: ``rule``, ``column``, ``message``, ``fails``.
    :param bytes: of the data.
    :param missing_share: of all cells.
    :param compared_with: number of the output that the rules compared it with.
    :param has_report: whether there are numbers and a report; there are if rules were broken, too.
    """

    number: int
    source: str
    source_version: str = ""
    data_version: str = ""
    rows: int | None = None
    columns: int | None = None
    started_at: datetime
    ended_at: datetime | None = None
    seconds: float | None = None
    state: State = "queued"
    message: str = ""
    by: str = ""
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 0
    sample_rows: int | None = None
    guard: tuple[Mapping[str, Any], ...] = ()
    bytes: int | None = None
    alerts: int = 0
    missing_share: float | None = None
    compared_with: int | None = None
    has_report: bool = False

    @property
    def is_over(self) -> bool:
        """Tell whether its run has ended."""
        return self.state not in GOING_ON

    def json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        moments = {name: when and when.isoformat() for name, when in self._moments().items()}
        return {**asdict(self), "guard": [dict(each) for each in self.guard], **moments}

    def _moments(self) -> dict[str, datetime | None]:
        return {"started_at": self.started_at, "ended_at": self.ended_at}


def top(store: Store) -> Path:
    """Return the folder of all outputs."""
    return store.outputs / "eda"


def folder(store: Store, source: str, number: int) -> Path:
    """Return the folder of an output, which need not be there."""
    return _of_source(store, source) / str(int(number))


def listed(store: Store, source: str) -> tuple[Output, ...]:
    """Return the outputs of a source, newest first; damaged records are left out."""
    return tuple(_known(store, source))


def get(store: Store, source: str, number: int) -> Output:
    """Return one output; NotFoundError if there is none."""
    try:
        return _read(folder(store, source, number))
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no output {number} of the source {quote(source)}: it was deleted, or swept because "
            "there are newer ones."
        ) from None


def latest(store: Store, source: str) -> Output | None:
    """Return the newest output of a source."""
    return next(_known(store, source), None)


def latest_success(store: Store, source: str) -> Output | None:
    """Return the newest output of a source whose run went well, its rules included."""
    return next((each for each in _known(store, source) if each.state == "success"), None)


def latest_of_all(store: Store) -> dict[str, Output]:
    """Return the newest output of each source that has any."""
    try:
        names = sorted(path.name for path in top(store).iterdir() if path.is_dir())
    except OSError:
        return {}
    return {name: found for name in names if (found := latest(store, name)) is not None}


def running(store: Store, source: str) -> tuple[Output, ...]:
    """Return the outputs of a source that are not over."""
    return tuple(each for each in _known(store, source) if not each.is_over)


def profile(store: Store, source: str, number: int) -> dict[str, Any]:
    """Return the numbers of an output: what is in its ``profile.json``."""
    path = file(store, source, number, PROFILE)
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(found, dict):
        raise _damaged(path, "it is no object")
    return found


def report(store: Store, source: str, number: int) -> Path:
    """Return where the report of an output is."""
    return file(store, source, number, REPORT)


def file(store: Store, source: str, number: int, name: str) -> Path:
    """Return where a file of an output with a report is; NotFoundError tells why there is none."""
    output = get(store, source, number)
    path = folder(store, source, number) / name
    if not output.has_report or not path.is_file():
        why = output.message or "its run failed." if output.is_over else f"it is {output.state}."
        raise NotFoundError(f"Output {number} of the source {quote(source)} has no {name}: {why}")
    return path


def add(store: Store, output: Output) -> Output:
    """Give a new output its number and its folder, and return it.

    :param output: as it begins; its number does not matter.
    """
    own = _of_source(store, output.source)
    with atomic.storage_errors(own):
        own.mkdir(parents=True, exist_ok=True)
    with atomic.locked(own / _LOCK):
        number = max(_last_number(own), *(int(path.name) for path in _folders(own)), 0) + 1
        atomic.write(own / _NUMBERS, json.dumps({"last": number}).encode())
        added = replace(output, number=number)
        with atomic.storage_errors(own):
            (own / str(number)).mkdir()
        _write(own, added)
    return added


def queued(store: Store, source: str, key: RunKey) -> Output | None:
    """Return the output that was promised to a task when its run was asked for."""
    for each in running(store, source):
        ours = (each.dag_id, each.run_id, each.task_id, each.map_index)
        if each.state == "queued" and ours == (key.dag_id, key.run_id, key.task_id, key.map_index):
            return each
    return None


def change(store: Store, output: Output, **changed: Any) -> Output:
    """Write other values into the record of an output that is not over, and return what is there now.

    What has ended stays as it ended: of two that close an output, the first one is right.
    """
    own = _of_source(store, output.source)
    with atomic.locked(own / _LOCK):
        present = get(store, output.source, output.number)
        if present.is_over:
            return present
        new = replace(present, **changed)
        _write(own, new)
    return new


def close(
    store: Store, output: Output, state: State, message: str = "", *, now: datetime | None = None, **more: Any
) -> Output:
    """Let an output end, and remove what its run worked with."""
    ended = now or datetime.now(UTC)
    closed = change(
        store,
        output,
        state=state,
        message=message[:_LONGEST],
        ended_at=ended,
        seconds=round(max(0.0, (ended - output.started_at).total_seconds()), 3),
        **more,
    )
    own = folder(store, output.source, output.number)
    for name in (PROGRESS, STOP):
        (own / name).unlink(missing_ok=True)
    shutil.rmtree(own / WORK, ignore_errors=True)
    return closed


def ask_to_stop(store: Store, output: Output, by: str) -> None:
    """Ask the run of an output to end; it looks a few times a second, on whatever machine it is."""
    own = folder(store, output.source, output.number)
    if own.is_dir():
        atomic.write(own / STOP, by.encode("utf-8", "replace"))


def asked_to_stop(store: Store, output: Output) -> str | None:
    """Return who asked for the end of a run, None if nobody did."""
    try:
        return (folder(store, output.source, output.number) / STOP).read_text("utf-8", "replace")
    except OSError:
        return None


def delete(store: Store, source: str, number: int) -> None:
    """Delete an output; InUseError if its run goes on."""
    own = _of_source(store, source)
    if not folder(store, source, number).is_dir():
        get(store, source, number)
    with atomic.locked(own / _LOCK):
        with contextlib.suppress(CorruptError):  # what is damaged goes all the same
            if not get(store, source, number).is_over:
                raise InUseError(f"Output {number} of {quote(source)} is being made. Stop its run first.")
        _remove(own / str(number))


def sweep(store: Store, source: str, *, keep: int, spare: frozenset[int] = frozenset()) -> tuple[int, ...]:
    """Delete outputs of a source beyond the newest ones, and return their numbers.

    Those that run stay, and the newest success: the next run is compared with it.

    :param keep: how many stay, counting those that have ended.
    :param spare: numbers that stay whatever their age.
    """
    own = _of_source(store, source)
    if not own.is_dir():
        return ()
    with atomic.locked(own / _LOCK):
        known = listed(store, source)
        over = [each for each in known if not _is_alive(own, each)]
        newest = next((each.number for each in known if each.state == "success"), 0)
        gone = [each.number for each in over[keep:] if each.number not in {newest, *spare}]
        for number in gone:
            _remove(own / str(number))
        for path in _folders(own):
            if not (path / RECORD).exists():  # whoever made it was killed in that instant
                _remove(path)
    return tuple(gone)


def rename(store: Store, old: str, new: str) -> None:
    """Let the outputs of a source belong to its new name."""
    was, becomes = _of_source(store, old), _of_source(store, new)
    if not was.is_dir():
        return
    with atomic.locked(was / _LOCK), atomic.storage_errors(becomes):
        last = max(_last_number(was), _last_number(becomes))
        becomes.mkdir(parents=True, exist_ok=True)
        for path in _folders(was):
            _remove(becomes / path.name)  # of a source that was deleted while it ran
            path.rename(becomes / path.name)
        atomic.write(becomes / _NUMBERS, json.dumps({"last": last}).encode())
    shutil.rmtree(was, ignore_errors=True)


def delete_all(store: Store, source: str) -> None:
    """Delete the outputs of a source; InUseError if one is being made. Their numbers stay used."""
    own = _of_source(store, source)
    if not own.is_dir():
        return
    with atomic.locked(own / _LOCK):
        if going := running(store, source):
            raise InUseError(
                f"Output {going[0].number} of {quote(source)} is being made. Stop its run first."
            )
        for path in _folders(own):
            _remove(path)


def _of_source(store: Store, source: str) -> Path:
    return top(store) / check_source_name(source)


def _known(store: Store, source: str) -> Iterator[Output]:
    for path in _folders(_of_source(store, source)):
        with contextlib.suppress(FileNotFoundError, CorruptError):
            yield _read(path, source)


def _folders(own: Path) -> list[Path]:
    """Return the folders of a source's outputs, newest first."""
    try:
        found = [path for path in own.iterdir() if path.name.isascii() and path.name.isdecimal()]
    except OSError:
        return []
    return sorted(found, key=lambda path: -int(path.name))


def _last_number(own: Path) -> int:
    try:
        return int(json.loads((own / _NUMBERS).read_bytes())["last"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def _is_alive(own: Path, output: Output) -> bool:
    """Tell whether a run goes on, as far as this can be told by its files."""
    if output.is_over:
        return False
    said = [(own / str(output.number) / name) for name in (PROGRESS, RECORD)]
    moments = [path.stat().st_mtime for path in said if path.is_file()]
    return not moments or datetime.now(UTC).timestamp() - max(moments) < _SILENCE


def _remove(path: Path) -> None:
    aside = path.with_name(f".gone-{path.name}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _write(own: Path, output: Output) -> None:
    content = json.dumps(output.json(), ensure_ascii=False, indent=1).encode("utf-8", "replace")
    atomic.write(own / str(output.number) / RECORD, content)


def _read(path: Path, source: str = "") -> Output:
    record = path / RECORD
    try:
        given = json.loads(record.read_bytes())
        names = {each.name for each in fields(Output)}
        known = {name: value for name, value in given.items() if name in names}
        known["started_at"] = datetime.fromisoformat(known["started_at"])
        known["ended_at"] = datetime.fromisoformat(known["ended_at"]) if known.get("ended_at") else None
        known["guard"] = tuple(known.get("guard") or ())
        if known["state"] not in get_args(State):
            raise ValueError(f"{known['state']!r} is no state")
        return Output(**{**known, "number": int(path.name), "source": source or path.parent.name})
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(record, str(error)) from error


def _damaged(path: Path, why: str) -> CorruptError:
    return CorruptError(
        f"{path} is damaged ({why}). Delete the output: the source can be run again.", path=str(path)
    )
