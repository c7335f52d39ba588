"""Copies the files that a job names out of the store, and tells of those that cannot be read."""

from __future__ import annotations

import zipfile
from pathlib import Path

from couture_workflow.exceptions import SparkSubmitError
from couture_workflow.services.runs.records import FileUse, Role
from couture_workflow.store.files import Files

_ARCHIVES = (".jar", ".zip", ".whl", ".egg")
_NOUNS: dict[Role, str] = {
    "application": "code artifact",
    "jar": "jar",
    "py-file": "py-file",
    "model": "model",
}


def fetch(files: Files, reference: str, role: Role, folder: Path) -> tuple[Path, FileUse]:
    """Copy a version of a file into the folder under its own name."""
    file, version = files.resolve(reference)
    path = files.materialize(file.name, folder, version=version.number)
    if path.suffix.lower() in _ARCHIVES:
        try:
            zipfile.ZipFile(path).close()
        except (zipfile.BadZipFile, OSError) as error:
            raise SparkSubmitError(
                f"The {_NOUNS[role]} {file.name!r} (version {version.number}) is not a {path.suffix[1:]} "
                f"that can be read: {error}. Upload it again, or name an earlier version."
            ) from error
    use = FileUse(role=role, name=file.name, version=version.number, sha256=version.sha256, size=version.size)
    return path, use
