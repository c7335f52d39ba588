"""The schedules: each a folder of the DAG repository with a DAG file, a pinned notebook and files beside it.

``schedule.json`` in the folder says what was asked for and where the notebook came from. People may change
any of the files: what can be read of them is used, and the rest is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags.repository import DagFile
from couture_workflow.services.notebooks import document as notebook_document
from couture_workflow.services.notebooks import outputs as notebook_outputs
from couture_workflow.services.notebooks.parameters import Parameter
from couture_workflow.services.schedules import dag_file, dag_reading
from couture_workflow.services.schedules import origin as origins
from couture_workflow.services.schedules.form import Form
from couture_workflow.services.schedules.origin import LARGEST, ORIGIN, Origin
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

#: Folder of all schedules, below the folder that Airflow reads.
FOLDER = "notebook_schedules"
#: Endings of the newest output, which stands beside those of all runs.
_NEWEST = (".ipynb", ".html", "-no-code.html")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule as it is in the newest version.

    :param name: of its folder, and id of its DAG.
    :param dag_id: of its DAG; another one only if somebody changed the file.
    :param form: what it does, as far as it can be read.
    :param path: of the DAG file in the repository.
    :param notebook: path of the pinned copy, "" if it is gone, or larger than any copy that was taken.
    :param blob: id of the content of that copy: the same for the same bytes.
    :param beside: paths of the files that were pinned with it, from its folder, with their bytes.
    :param edited: whether somebody changed the DAG file by hand.
    :param unknown: fields of the form that cannot be read from a changed file.
    :param problem: why what ``schedule.json`` says is not used, "" if it is.
    :param commit: the version that it was read from, which a change of it names as its base.
    """

    name: str
    dag_id: str
    form: Form
    origin: Origin
    path: str
    notebook: str
    blob: str = ""
    beside: Mapping[str, int] = field(default_factory=dict)
    edited: bool = False
    unknown: tuple[str, ...] = ()
    problem: str = ""
    commit: str = ""

    @property
    def folder(self) -> str:
        """Return its folder in the repository."""
        return self.path.rpartition("/")[0]


def folder_of(store: Store, name: str = "") -> str:
    """Return the folder of a schedule in the repository, or of all of them."""
    return dag_root.whole(dag_root.current(store.root), f"{FOLDER}/{name}".rstrip("/"))


def listed(store: Store) -> tuple[Schedule, ...]:
    """Return all schedules, by name."""
    head = store.dags.head()
    return _listed(store, head, folder_of(store)) if head else ()


def read(store: Store, name: str) -> Schedule:
    """Return a schedule or raise ``NotFoundError``."""
    for schedule in listed(store):
        if schedule.name == name:
            return schedule
    raise missing(name)


def missing(name: str) -> NotFoundError:
    """Return the error of a schedule that is not there, or that the account may not know of."""
    return NotFoundError(
        f"There is no schedule {quote(name)} whose DAG you may read. If it was deleted, reload the list."
    )


def pinned(store: Store, schedule: Schedule) -> bytes:
    """Return the pinned notebook, or raise ``NotFoundError`` if somebody deleted it."""
    if not schedule.notebook:
        raise NotFoundError(
            f"The copy of the notebook of {quote(schedule.name)} was deleted, or is too large now. Update "
            "the copy, or delete the schedule."
        )
    return dag_repository.read(store, schedule.notebook, commit=schedule.commit)


def parameters(store: Store, schedule: Schedule) -> tuple[Parameter, ...]:
    """Return the parameters of the pinned notebook; none if there is no copy, or they cannot be found."""
    return _parameters(pinned(store, schedule)) if schedule.notebook else ()


@lru_cache(maxsize=32)
def _parameters(content: bytes) -> tuple[Parameter, ...]:
    return notebook_document.parameters_of(content)


def delete_outputs(store: Store, schedule: Schedule) -> None:
    """Delete what the runs of a schedule left: the folder of each, and the newest output."""
    notebook_outputs.delete_task(store, schedule.dag_id, dag_file.TASK)
    for ending in _NEWEST:
        with suppress(OSError):  # a folder of somebody else's output, or a file that is not ours to delete
            (store.outputs / "notebooks" / f"{schedule.name}{ending}").unlink(missing_ok=True)


@lru_cache(maxsize=4)
def _listed(store: Store, head: str, top: str) -> tuple[Schedule, ...]:
    """Return the schedules of a version, which never change."""
    folders: dict[str, dict[str, DagFile]] = {}
    for file in dag_repository.files(store, commit=head):
        name, _, rest = file.path.removeprefix(f"{top}/").partition("/")
        if file.path.startswith(f"{top}/") and rest:
            folders.setdefault(name, {})[rest] = file
    found = {
        name: files for name, files in sorted(folders.items()) if f"{name}.py" in files and ORIGIN in files
    }
    wanted = [files[path] for name, files in found.items() for path in (f"{name}.py", ORIGIN)]
    small = [file for file in wanted if file.size <= LARGEST]
    contents = dict(dag_repository.contents(store, small, commit=head))
    return tuple(_read_all([_Folder(head, name, files, contents) for name, files in found.items()]))


@dataclass(frozen=True)
class _Folder:
    """The folder of a schedule.

    :param contents: by path in the repository; those of files that are too large are not there.
    """

    head: str
    name: str
    files: Mapping[str, DagFile]
    contents: Mapping[str, bytes]

    def content(self, path: str) -> bytes:
        return self.contents.get(self.files[path].path, b"")

    def said(self) -> tuple[Form, Origin, str]:
        """Return what ``schedule.json`` says, or nothing and why it is not used."""
        try:
            return *origins.read(self.content(ORIGIN), self.name), ""
        except InvalidError as error:
            return Form(name=self.name), Origin(), str(error)

    def schedule(self, form: Form, origin: Origin, **more: Any) -> Schedule:
        own = {f"{self.name}.py", ORIGIN}
        name = more.pop("input_nb", "") or origin.source.rpartition("/")[2]
        fit = {path for path, file in self.files.items() if file.size <= notebook_document.LARGEST_COPY}
        notebook = next(
            (path for path in (name, f"{name}.ipynb") if path in fit),
            next((path for path in sorted(fit) if path.endswith(".ipynb")), ""),
        )
        return Schedule(
            name=self.name,
            form=form,
            origin=origin,
            path=self.files[f"{self.name}.py"].path,
            notebook=self.files[notebook].path if notebook else "",
            blob=self.files[notebook].blob if notebook else "",
            beside={
                path: file.size for path, file in self.files.items() if path not in own and path != notebook
            },
            commit=self.head,
            **more,
        )


def _read_all(folders: list[_Folder]) -> Iterator[Schedule]:
    """Iterate over schedules; files that were changed by hand are read together, in a process apart."""
    contents = [folder.content(f"{folder.name}.py") for folder in folders]
    said = [folder.said() for folder in folders]
    changed = [
        number
        for number, (content, (_, origin, _)) in enumerate(zip(contents, said, strict=True))
        if origin.dag_sha256 != origins.digest(content)
    ]
    readings = dict(zip(changed, dag_reading.read([contents[number] for number in changed]), strict=True))
    for number, folder in enumerate(folders):
        form, origin, problem = said[number]
        reading = readings.get(number)
        if reading is None:
            yield folder.schedule(form, origin, dag_id=folder.name)
            continue
        form, unknown = dag_reading.applied(form, reading)
        yield folder.schedule(
            form,
            origin,
            dag_id=dag_reading.dag_id(reading) or folder.name,
            input_nb=str(reading.values.get("input_nb") or ""),
            edited=True,
            unknown=unknown,
            problem=problem,
        )


def now() -> datetime:
    """Return the time of a save: whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)
