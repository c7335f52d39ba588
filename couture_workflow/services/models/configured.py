"""What the model server is told to serve: the labelled versions of all models, and those that are tried."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from couture_workflow.services.models import config_file, serving, texts
from couture_workflow.services.models.archives import unpacked
from couture_workflow.services.models.config_file import ServedModel
from couture_workflow.services.models.document import SERVED, Document
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.manifests import StoredFile

_SUFFIX = ".tried"


def write(store: Store) -> None:
    """Write the configuration if it is not as it should be; the server follows it.

    A model whose text is damaged stays in it as it is: what it shall serve is not known, and what it serves
    is not taken away.
    """
    with atomic.locked(unpacked.work_folder(store) / ".configuration.lock"):
        found, path = texts.snapshot(store), serving.config_of(store.root)
        content = _content(path)
        before = config_file.parse(content, path.parent) if found.damaged else {}
        models = []
        for file in store.models.list():
            kind, _, name = file.name.partition(".")
            if kind != SERVED:
                continue
            is_damaged = (SERVED, name) in found.damaged
            served = before.get(name) if is_damaged else _served(store, file, found.get(SERVED, name))
            if served is not None:
                models.append(served)
        if content != config_file.render(models):
            config_file.write(path, models)


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _served(store: Store, file: StoredFile, found: Document) -> ServedModel | None:
    """Return what the server is told of a model, None if it shall serve nothing of it."""
    labelled = found.labels if found.is_served else {}
    wanted = {*labelled.values(), *tried(store, found.name)}
    versions = {
        each.number
        for each in file.versions
        if each.number in wanted and unpacked.is_there(store, found.name, each.number, sha256=each.sha256)
    }
    labels = {label: version for label, version in labelled.items() if version in versions}
    if not versions:
        return None
    return ServedModel(
        found.name, unpacked.root(store) / found.name, tuple(sorted(versions)), dict(sorted(labels.items()))
    )


def tried(store: Store, name: str) -> set[int]:
    """Return the versions that are served without a label while a change is on its way."""
    try:
        found = json.loads(_tried(store, name).read_bytes())
    except (FileNotFoundError, ValueError):
        return set()
    return {each for each in found if isinstance(each, int)} if isinstance(found, list) else set()


def set_tried(store: Store, name: str, versions: Collection[int]) -> None:
    """Serve versions without a label too, or no more, and write the configuration."""
    path = _tried(store, name)
    if versions:
        atomic.write(path, json.dumps(sorted(versions)).encode(), mode=0o600)
    else:
        path.unlink(missing_ok=True)
    write(store)


def forget_tried(store: Store) -> None:
    """Forget what changes that were killed have left."""
    for path in unpacked.work_folder(store).glob(f"*{_SUFFIX}"):
        if not atomic.is_locked(path.with_name(f"{path.name.removesuffix(_SUFFIX)}.lock")):
            path.unlink(missing_ok=True)


def _tried(store: Store, name: str) -> Path:
    return unpacked.work_folder(store) / f"{name}{_SUFFIX}"
