"""Saving DAG files: checked by the gate, then written as one commit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from couture_workflow.exceptions import ConflictError, GateError, InvalidError, NotAllowedError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags import sources as dag_sources
from couture_workflow.services.dags import versions as dag_versions
from couture_workflow.services.dags.repository import Changes
from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate.parses import Parses
from couture_workflow.services.gate.problems import Known, Report
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import watch as git_watch
from couture_workflow.store.names import quote
from couture_workflow.store.repository import Commit

if TYPE_CHECKING:
    from couture_workflow.store.home import Store


#: Checks of one save, while others save DAGs with the same ids.
_TRIES = 3


@dataclass(frozen=True)
class Saved:
    """What a save did.

    :param overridden: errors were found and it was saved all the same.
    """

    commit: Commit
    report: Report
    overridden: bool = False


def check(store: Store, changes: Changes, *, known: Known | None = None, pushed: bool = False) -> Report:
    """Check what the newest version would become; ``InvalidError`` for a path that may not be.

    :param pushed: new files may have any name that others could push.
    """
    _refuse_following(store)
    checked = store.dags.checked(changes, pushed=pushed)
    before = dag_repository.read_all(store)
    _refuse_submodules(store, checked)
    after = {path: content for path, content in before.items() if path not in checked}
    after |= {path: content for path, content in checked.items() if content is not None}
    replaced = {path: before[path] for path in checked if path in before}
    return dag_gate.check(after, checked, store=store, known=known, replaced=replaced)


def save(
    store: Store,
    changes: Changes,
    *,
    user: str,
    message: str,
    base: str | None,
    known: Known | None = None,
    override: bool = False,
    pushed: bool = False,
) -> Saved:
    """Check and save changes as one commit.

    :param base: the commit that the caller started from.
    :param override: save in spite of errors.
    :param pushed: new files may have any name that others could push, as in an export.

    Raises ``GateError`` if errors were found, ``ConflictError`` if somebody else changed the same files since
    ``base``, ``InvalidError`` for a path that is not allowed. Nothing is saved then.
    """
    if not changes:
        raise InvalidError("There is nothing to save. Change a file first.")
    text = message.strip() or _default_message(changes)
    for _ in range(_TRIES):
        head = store.dags.head()
        report = check(store, changes, known=known, pushed=pushed)
        if report.errors and not override:
            raise GateError(refusal(report), problems=[problem.json() for problem in report.problems])
        try:
            commit = store.dags.save(
                changes,
                author=user,
                message=text,
                base=base,
                before=partial(_refuse_same_dags, store, report, head),
                pushed=pushed,
            )
        except _SameDagsError:  # what the check looked at is no longer what there is
            continue
        if git_remote.settings(store).is_set:
            git_watch.ask(store)
        return Saved(commit, report, overridden=bool(report.errors))
    raise ConflictError(
        "Others save DAGs with the same ids at this moment. Nothing was saved; try again.",
        paths=sorted(changes),
        base=base or "",
        theirs=store.dags.head() or "",
    )


class _SameDagsError(Exception):
    """Somebody saved DAGs with the same ids while these were checked."""


def _refuse_same_dags(store: Store, report: Report, checked: str | None, head: str | None) -> None:
    """Raise if what others saved since the check has DAGs that the checked files have too."""
    ids = {graph.dag_id for graph in report.graphs}
    if head is None or head == checked or not ids:
        return
    folder, parses = dag_root.current(store.root), Parses(store)
    for path in store.dags.changed(checked, head):
        inside = dag_root.inside(folder, path)
        content = dag_versions.content(store, path, head) if inside and path.endswith(".py") else None
        if inside and content is not None:
            parse = parses.get(inside, content)
            theirs = dag_sources.dag_ids(content.decode("utf-8", "replace"))
            if ids & (theirs | set(parse.dag_ids if parse else ())):
                raise _SameDagsError


def refusal(report: Report) -> str:
    """Return the sentence that a refused save ends with."""
    first, *others = report.errors
    where = (
        f"{first.path}:{first.line}: "
        if first.path and first.line
        else f"{first.path}: "
        if first.path
        else ""
    )
    more = f" ({len(others)} more below.)" if others else ""
    return f"Nothing was saved: {where}{first.message}{more}"


def _refuse_following(store: Store) -> None:
    if url := git_remote.follows(store):
        raise NotAllowedError(
            f"The DAG files follow {url}, so they are changed there alone. Push the change to it, or let an "
            "administrator synchronise both ways in Developer > DAG Repository."
        )


def _refuse_submodules(store: Store, changes: Changes) -> None:
    folders = dag_repository.submodule_folders(store)
    for path in changes:
        for folder in folders:
            if path == folder or path.startswith(f"{folder}/"):
                raise InvalidError(
                    f"{quote(path)} belongs to the submodule {quote(folder)} and can only be changed in its "
                    "own repository.",
                    field="path",
                )


def _default_message(changes: Changes) -> str:
    names = sorted(changes)
    verb = "Delete" if all(content is None for content in changes.values()) else "Change"
    return f"{verb} {names[0]}" if len(names) == 1 else f"{verb} {len(names)} files"
