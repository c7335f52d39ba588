"""The changes of DAG files that make, change and delete a schedule; who calls saves them through the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from couture_workflow import settings
from couture_workflow.exceptions import ConflictError, InvalidError, NotFoundError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.notebooks import document as notebook_document
from couture_workflow.services.notebooks import folders, people
from couture_workflow.services.notebooks.document import Document
from couture_workflow.services.schedules import dag_file, library
from couture_workflow.services.schedules import origin as origins
from couture_workflow.services.schedules.checking import Description
from couture_workflow.services.schedules.form import Form
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.services.schedules.origin import ORIGIN, Origin
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change, ready to be saved.

    :param changes: new content by path, None to delete it.
    :param base: the version that it starts from.
    """

    changes: Mapping[str, bytes | None]
    message: str
    base: str | None


def created(store: Store, description: Description, account: str) -> Change:
    """Return what makes a schedule of a form without errors, described with its copy."""
    form, document = _ready(description)
    now = library.now()
    folder = library.folder_of(store, form.name)
    head = store.dags.head()
    copies = _copies(store, form, document, form.files)
    origin = _origin(form, document, account, copies, now)
    changes = {f"{folder}/{path}": content for path, content in copies.items()}
    changes |= _written(folder, form, origin, notebook=_name(form))
    return Change(changes=changes, message=f"Schedule the notebook {form.name}", base=head)


def updated(
    store: Store, schedule: Schedule, description: Description, account: str, *, replace_edited: bool = False
) -> Change:
    """Return what gives a schedule another form; its copy stays while the notebook is the same.

    :param replace_edited: a DAG file that somebody changed by hand may be written anew.
    """
    form = description.form
    if schedule.edited and not replace_edited:
        raise ConflictError(
            f"The DAG file of {quote(schedule.name)} was changed by hand, and saving this form would write "
            "it anew. Change the file in Edit DAG, or confirm that the changes may go.",
            paths=(schedule.path,),
            base=schedule.origin.dag_sha256,
            theirs=schedule.commit,
        )
    now = library.now()
    old = schedule.origin
    changes: dict[str, bytes | None] = {}
    if form.notebook == old.source and schedule.notebook:
        name = schedule.notebook.rpartition("/")[2]
        added = [path for path in form.files if path not in schedule.beside]
        copies = _read_files(store, form, added)
        kept = {path: old.files.get(path, "") for path in form.files if path in schedule.beside}
        digests = {path: origins.digest(content) for path, content in copies.items()}
        origin = replace(old, files=kept | digests)
    else:
        ready, document = _ready(description)
        name = _name(ready)
        copies = _copies(store, ready, document, form.files)
        origin = _origin(form, document, account, copies, now)
        if schedule.notebook:
            changes[schedule.notebook] = None
    changes |= {f"{schedule.folder}/{path}": None for path in schedule.beside if path not in form.files}
    changes |= {f"{schedule.folder}/{path}": content for path, content in copies.items()}
    same = form.when == schedule.form.when and old.started_at
    origin = replace(
        origin,
        account=account,
        saved_at=now.isoformat(),
        started_at=old.started_at if same else now.isoformat(),
    )
    changes |= _written(schedule.folder, form, origin, notebook=name)
    return Change(changes=changes, message=f"Change the schedule {schedule.name}", base=schedule.commit)


def copied(store: Store, schedule: Schedule, account: str) -> Change:
    """Return what takes a new copy of the notebook and its files; the DAG file stays as it is."""
    form = schedule.form
    if not schedule.origin.source:
        raise InvalidError(
            schedule.problem
            or f"Where the notebook of {quote(schedule.name)} came from is not known any more. Save the "
            "schedule with a notebook."
        )
    path = folders.checked(schedule.origin.source, account)
    document = notebook_document.read(people.top(store.root), path, copy=True)
    now = library.now()
    copies = _copies(store, replace(form, notebook=path), document, form.files)
    name = schedule.notebook.rpartition("/")[2] or _name(form)
    source = path.rpartition("/")[2]
    copies = {name if each == source else each: content for each, content in copies.items()}
    old = schedule.origin
    origin = replace(
        _origin(form, document, account, copies, now),
        started_at=old.started_at,
        dag_sha256=old.dag_sha256,
        source=path,
    )
    changes = {f"{schedule.folder}/{each}": content for each, content in copies.items()}
    changes[f"{schedule.folder}/{ORIGIN}"] = origins.written(form, origin)
    return Change(
        changes=changes, message=f"Update the copy of the notebook of {schedule.name}", base=schedule.commit
    )


def removed(store: Store, schedule: Schedule) -> Change:
    """Return what deletes a schedule with all that is in its folder."""
    prefix = f"{schedule.folder}/"
    found = [file.path for file in dag_repository.files(store, commit=schedule.commit)]
    changes = dict.fromkeys(path for path in found if path.startswith(prefix))
    return Change(changes=changes, message=f"Delete the schedule {schedule.name}", base=schedule.commit)


def _ready(description: Description) -> tuple[Form, Document]:
    if description.document is None or description.errors:
        raise InvalidError("The schedule has errors.", field="notebook")
    return description.form, description.document


def _name(form: Form) -> str:
    return form.notebook.rpartition("/")[2]


def _copies(store: Store, form: Form, document: Document, files: tuple[str, ...]) -> dict[str, bytes]:
    """Return what is pinned: the notebook and its files, by path from the schedule's folder."""
    return {_name(form): document.copy, **_read_files(store, form, files)}


def _read_files(store: Store, form: Form, files: list[str] | tuple[str, ...]) -> dict[str, bytes]:
    left = settings.max_notebook_files_size()
    folder = form.notebook.rpartition("/")[0]
    found: dict[str, bytes] = {}
    for path in files:
        try:
            found[path] = folders.read(people.top(store.root), f"{folder}/{path}", largest=left)
        except NotFoundError as error:
            raise InvalidError(f"{error} Take it off the list of files.", field="files") from error
        left -= len(found[path])
    return found


def _origin(
    form: Form, document: Document, account: str, copies: Mapping[str, bytes], now: datetime
) -> Origin:
    return Origin(
        account=account,
        pinned_by=account,
        source=form.notebook,
        sha256=document.sha256,
        files={path: origins.digest(content) for path, content in copies.items() if path != _name(form)},
        saved_at=now.isoformat(),
        pinned_at=now.isoformat(),
        started_at=now.isoformat(),
    )


def _written(folder: str, form: Form, origin: Origin, *, notebook: str) -> dict[str, bytes]:
    """Return the two files that are written: the DAG's and the origin's."""
    started = datetime.fromisoformat(origin.started_at).astimezone(UTC)
    saved = datetime.fromisoformat(origin.saved_at).astimezone(UTC)
    source = dag_file.written(
        form, notebook=notebook, account=origin.account, saved=saved, started=started
    ).encode()
    origin = replace(origin, dag_sha256=origins.digest(source))
    return {
        f"{folder}/{form.name}.py": source,
        f"{folder}/{ORIGIN}": origins.written(form, origin),
    }
