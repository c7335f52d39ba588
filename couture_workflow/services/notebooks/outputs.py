"""What runs of notebooks leave: a folder for each try, its files, and when they go.

Below ``outputs/notebook-runs/<dag>/<task>/<map index>/run=<run>/<try>`` of the home ::

    output.ipynb           the notebook with its results
    output.html            the same as a page
    output-no-code.html    without the code
    files/...              what the cells wrote

What ``output_nb`` names lies below ``outputs/notebooks`` besides. It goes with its run, unless another one
has replaced it; it is swept only where a task says itself what it keeps.
"""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from couture_workflow.services.notebooks import cell_files, workspace
from couture_workflow.services.notebooks.cell_files import Walk
from couture_workflow.services.runs import records
from couture_workflow.store import atomic
from couture_workflow.store.names import is_text

if TYPE_CHECKING:
    from couture_workflow.services.runs.records import RunKey
    from couture_workflow.store.home import Store

Kind = Literal["notebook", "html", "html without code", "file"]

FILES = workspace.FILES
NOTEBOOK, HTML, HTML_WITHOUT_CODE = "output.ipynb", "output.html", "output-no-code.html"
_KINDS: dict[str, Kind] = {NOTEBOOK: "notebook", HTML: "html", HTML_WITHOUT_CODE: "html without code"}

#: What a run says of its progress, and seconds without a word after which it has been killed.
PROGRESS, _SILENCE = "progress.json", 3_600
_ABOUT, _KEEP, _NAMED = "about.json", "keep.json", "named.json"

#: Folders from the top to the own one of a try.
_DEPTH = 5

#: A list has no more files than that, and looks at no more entries of folders.
MOST, _MOST_LOOKED_AT = 1_000, 20_000


@dataclass(frozen=True)
class Output:
    """One file that a run left.

    :param name: path from the run's own folder, such as ``output.html`` or ``files/plots/a.png``.
    """

    name: str
    kind: Kind
    size: int


@dataclass(frozen=True)
class Listing:
    """The files of a run, the notebook and its pages first.

    :param left_out: how many more there are at least.
    """

    outputs: tuple[Output, ...]
    left_out: int = 0


@dataclass(frozen=True)
class Room:
    """What outputs take: how many tries have any, and their bytes.

    :param is_whole: whether all were looked at; if not, they take more.
    """

    tries: int
    size: int
    is_whole: bool = True


@dataclass(frozen=True)
class Keep:
    """How long the outputs of a task are kept, those of each map index by themselves.

    :param outputs: of how many runs; 0: of all.
    :param days: those that began earlier go; 0: none.
    :param named: what ``output_nb`` named goes, too.
    """

    outputs: int = 30
    days: float = 0
    named: bool = False


def top(store: Store) -> Path:
    """Return the folder of all runs' outputs."""
    return store.outputs / "notebook-runs"


def folder(store: Store, key: RunKey) -> Path:
    """Return the own folder of a try, which need not be there."""
    return top(store) / records.place(key)


def listing(store: Store, key: RunKey) -> Listing:
    """Return what a try left; links and the like that cells made are not among it."""
    return listed(folder(store, key))


def listed(own: Path) -> Listing:
    """Return what the own folder of a run has."""
    found = [
        Output(name, kind, size) for name, kind in _KINDS.items() if (size := _size(own / name)) is not None
    ]
    left_out = 0
    walk = Walk(own / FILES, entries=_MOST_LOOKED_AT)
    for path, status in walk:
        if len(found) < MOST and is_text(path):
            found.append(Output(f"{FILES}/{path}", "file", status.st_size))
        else:
            left_out += 1
    return Listing(tuple(found), left_out + (not walk.is_whole))


def delete(store: Store, key: RunKey) -> None:
    """Delete what one try left; its record stays."""
    _remove(store, folder(store, key))


def delete_task(store: Store, dag_id: str, task_id: str | None = None) -> None:
    """Delete what all tries of a task left, or of a DAG's tasks."""
    _remove(store, top(store) / records.task_place(dag_id, task_id))


def room(store: Store, dag_id: str, task_id: str | None = None) -> Room:
    """Return what the outputs of a task, or of a DAG's tasks, take."""
    place = top(store) / records.task_place(dag_id, task_id)
    tries = list(place.glob("*/run=*/*" if task_id is not None else "*/*/run=*/*"))
    size, left, is_whole = 0, _MOST_LOOKED_AT, True
    for own in tries:
        walk = Walk(own, entries=left)
        size += sum(status.st_size for _, status in walk)
        left, is_whole = walk.left, is_whole and walk.is_whole
    return Room(len(tries), size, is_whole)


def begin(store: Store, key: RunKey, keep: Keep) -> Path:
    """Make the own folder of a try, empty, and return it; what its task keeps holds from now on."""
    own = folder(store, key)
    with atomic.storage_errors(own):
        _remove(store, own, named=False)
        own.mkdir(parents=True)
        began = {"run": asdict(key), "began_at": datetime.now(UTC).isoformat()}
        atomic.write(own / _ABOUT, json.dumps(began).encode())
        atomic.write(_keep_file(store, key.dag_id, key.task_id), json.dumps(asdict(keep)).encode())
    return own


def sweep_task(store: Store, dag_id: str, task_id: str) -> int:
    """Delete what a task need not keep, and return of how many runs; never that of its newest run."""
    return _sweep(store, _keep_file(store, dag_id, task_id).parent)


def sweep(store: Store) -> int:
    """Do so for all tasks, and put in order what killed runs left."""
    for work in top(store).glob(f"*/*/*/run=*/*/{workspace.WORK}"):
        if not _runs(work.parent):
            workspace.collect(work.parent)
    return sum(_sweep(store, task) for task in top(store).glob("*/*") if task.is_dir())


def named(store: Store, own: Path, paths: Iterable[Path]) -> None:
    """Take note of what ``output_nb`` named, which a run has just written."""
    written = {
        path.relative_to(store.outputs).as_posix(): stamp
        for path in paths
        if path.is_relative_to(store.outputs) and (stamp := _stamp(path)) is not None
    }
    atomic.write(own / _NAMED, json.dumps(written).encode())


def _sweep(store: Store, task: Path) -> int:
    keep = _kept(task / _KEEP)
    if not keep.outputs and not keep.days:
        return 0
    return sum(_sweep_runs(store, index, keep) for index in task.glob("*") if index.is_dir())


def _sweep_runs(store: Store, index: Path, keep: Keep) -> int:
    newest_first = sorted(((_began(run), run) for run in index.glob("run=*")), reverse=True)
    gone = 0
    for number, (began, run) in enumerate(newest_first):
        many = keep.outputs and number >= keep.outputs
        old = keep.days and (datetime.now(UTC) - began).total_seconds() > keep.days * 86400
        if number and (many or old) and not any(map(_runs, run.iterdir())):
            _remove(store, run, named=keep.named)
            gone += 1
    return gone


def _began(run: Path) -> datetime:
    """Return when the newest try of a run began."""
    moments = [datetime.fromtimestamp(0, UTC)]
    for about in run.glob(f"*/{_ABOUT}"):
        try:
            moments.append(datetime.fromisoformat(json.loads(about.read_bytes())["began_at"]))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return max(moments)


def _runs(own: Path) -> bool:
    """Tell whether a try still runs: it says so again and again."""
    try:
        said = (own / PROGRESS).stat().st_mtime
    except OSError:
        return False
    return datetime.now(UTC).timestamp() - said < _SILENCE


def _keep_file(store: Store, dag_id: str, task_id: str) -> Path:
    return top(store) / records.task_place(dag_id, task_id) / _KEEP


def _kept(path: Path) -> Keep:
    try:
        said = json.loads(path.read_bytes())
        return Keep(int(said["outputs"]), float(said["days"]), bool(said.get("named")))
    except (OSError, ValueError, TypeError, KeyError):
        return Keep()


def _size(path: Path) -> int | None:
    """Return the bytes of a regular file, None if there is none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _stamp(path: Path) -> list[int] | None:
    """Return what tells a file from one that has replaced it, None if there is none."""
    size = _size(path)
    return None if size is None else [size, path.lstat().st_mtime_ns]


def _named_file(store: Store, name: str) -> Path | None:
    """Return where a file is that a note names, None if that is elsewhere: cells can write into notes."""
    notebooks = store.outputs / "notebooks"
    path = notebooks / name.removeprefix("notebooks/")
    try:
        fits = (
            "\0" not in name
            and ".." not in path.parts
            and path.parent.resolve().is_relative_to(notebooks.resolve())
        )
        return path if fits and path.is_relative_to(notebooks) else None
    except (ValueError, OSError, RuntimeError):  # a name that no file can have, or links in a circle
        return None


def _remove(store: Store, folder: Path, *, named: bool = True) -> None:
    """Remove a folder of one try or many; with what ``output_nb`` named, if no other run has replaced it."""
    deeper = _DEPTH - len(folder.relative_to(top(store)).parts)
    for note in folder.glob("*/" * deeper + _NAMED) if named else ():
        try:
            written = dict(json.loads(note.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            continue
        for name, stamp in written.items():
            path = _named_file(store, name)
            if path is not None and _stamp(path) == stamp:
                with contextlib.suppress(OSError):  # until a folder is not empty
                    path.unlink(missing_ok=True)
                    for parent in path.relative_to(store.outputs / "notebooks").parents[:-1]:
                        (store.outputs / "notebooks" / parent).rmdir()
    cell_files.remove(folder)
