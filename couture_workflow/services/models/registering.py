"""Registers a model that a task has trained, with its metrics and the run that made it."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from couture_workflow.exceptions import InvalidError, NotFoundError, StorageError
from couture_workflow.services.models.arrival import background
from couture_workflow.services.models.arrival.uploads import Received, Reception, Wishes
from couture_workflow.services.models.document import NO_LABEL
from couture_workflow.store.blobs import CHUNK
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

__all__ = ["Received", "register_model", "wait"]

wait = background.wait


def register_model(
    store: Store,
    path: Path,
    *,
    name: str,
    kind: str,
    user: str,
    metrics: Mapping[str, Any] | None = None,
    note: str = "",
    stage: str | None = None,
    run: Mapping[str, Any] | None = None,
) -> Received:
    """Register a file or a folder as the newest version of a model, and return which version that is.

    :param stage: the label that it gets when it has passed its check; None: none.
    :param run: the task that made it: ``dag_id``, ``run_id``, ``task_id``, ``try_number``, ``dag_version``.

    Raises ``NotFoundError``, ``InvalidError`` or ``StorageError``. ``wait`` waits until it is served.
    """
    wishes = Wishes(label=stage or NO_LABEL, note=note, metrics=metrics, run=run)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"There is no file or folder {path} to register as {quote(name)}.") from error
    reception = Reception(store, kind, name, user=user, may_replace=True, wishes=wishes)
    with reception:
        try:
            if stat.S_ISDIR(status.st_mode):
                _write_folder(path, reception)
            elif stat.S_ISREG(status.st_mode):
                with path.open("rb") as file:
                    while piece := file.read(CHUNK):
                        reception.write(piece)
            else:
                raise InvalidError(f"{path} is neither a file nor a folder, so it cannot be registered.")
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror or error}.") from error
        return reception.finish()


class _Sink:
    """What ``tarfile`` writes to."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def write(self, content: bytes) -> int:
        self._reception.write(bytes(content))
        return len(content)


def _write_folder(folder: Path, reception: Reception) -> None:
    """Write a tar of a folder, which is the same for the same content."""
    sink = cast(BinaryIO, _Sink(reception))
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        count = 0
        for place, folders, files in os.walk(folder, followlinks=False):
            folders.sort()
            for name in sorted(files):
                count += 1
                _add(tar, Path(place) / name, folder)
            for name in folders:
                if (Path(place) / name).is_symlink():
                    raise _link(Path(place) / name)
    if not count:
        raise InvalidError(f"The folder {folder} has no files, so there is nothing to register.")


def _add(tar: tarfile.TarFile, path: Path, folder: Path) -> None:
    if path.is_symlink():
        raise _link(path)
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InvalidError(f"{path} is no plain file. Register a folder with plain files alone.")
        member = tarfile.TarInfo(path.relative_to(folder).as_posix())
        member.size, member.mode, member.mtime = status.st_size, 0o644, 0
        tar.addfile(member, file)


def _link(path: Path) -> InvalidError:
    return InvalidError(f"{path} is a link. Register a folder with plain files alone.")
