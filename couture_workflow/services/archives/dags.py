"""Export and import of the DAG repository; what an import brings goes through the save gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from couture_workflow.permissions import DAG_FILES
from couture_workflow.services.archives import trees
from couture_workflow.services.archives.plans import (
    Item,
    Missing,
    OnConflict,
    Plan,
    Prepared,
    action,
)
from couture_workflow.services.gate.problems import Known, Report
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.services.upgrade import apart as upgrade_apart
from couture_workflow.services.upgrade import upgrading
from couture_workflow.store import archives
from couture_workflow.store.archive_reader import Archive
from couture_workflow.store.archives import Export
from couture_workflow.store.home import Store

FOLDER = "dags"


def export(store: Store) -> Export:
    """Return the newest version as an archive; submodules and links are left out and named."""
    entries, left_out = trees.entries(store.dags, store.dags.head(), folder=f"{FOLDER}/")
    return archives.export(FOLDER, entries, left_out=left_out)


def prepare(
    store: Store,
    archive: Archive,
    contents: Mapping[str, bytes],
    *,
    on_conflict: OnConflict,
    upgraded: bool = False,
) -> Prepared:
    """Plan an import.

    :param contents: the archive's members.
    :param upgraded: rewrite files that were written for an older Airflow.
    """
    base = store.dags.head()
    present = trees.present(store.dags, base)
    paths = trees.without_folder({path: path for path in contents}, FOLDER)
    files = [(path, contents[member]) for member, path in sorted(paths.items(), key=lambda pair: pair[1])]
    items, changes, told = [], {}, {}
    if upgraded:
        done = upgrade_apart.contents(files)
        told = {path: _told(each) for (path, _), (_, each) in zip(files, done, strict=True) if _says(each)}
        files = [(path, content) for (path, _), (content, _) in zip(files, done, strict=True)]
    for path, content in files:
        before = present[path].blob if path in present else ""
        same = before == trees.blob_id(content)
        item = Item(
            path, action(before, same=same, on_conflict=on_conflict), len(content), DAG_FILES, before=before
        )
        items.append(item)
        if item.action in ("create", "update"):
            changes[path] = content
    plan = Plan(FOLDER, on_conflict, tuple(items), ignored=archive.ignored, upgraded=told)
    return Prepared(plan, changes, base)


def checked(store: Store, prepared: Prepared, *, known: Known | None) -> Prepared:
    """Return the same with what the save gate says, and the artifacts and files that it misses."""
    if not prepared.changes:
        return replace(prepared, plan=replace(prepared.plan, gate=_gate(Report())))
    report = dag_saving.check(store, prepared.changes, known=known, pushed=True)
    missing = tuple(
        Missing(problem.path, problem.message, f"{problem.message} {problem.advice}".strip(), blocks=False)
        for problem in report.problems
        if problem.code.startswith("missing-")
    )
    return replace(prepared, plan=replace(prepared.plan, gate=_gate(report), missing=missing))


def _gate(report: Report) -> dict[str, Any]:
    return {"passed": report.passed, "problems": [problem.json() for problem in report.problems]}


def _says(done: upgrading.Upgrade) -> bool:
    return bool(done.changes or done.notes)


def _told(done: upgrading.Upgrade) -> dict[str, Any]:
    return {
        "changes": [{"line": change.line, "message": change.message} for change in done.changes],
        "notes": [{"line": note.line, "message": note.message, "advice": note.advice} for note in done.notes],
    }
