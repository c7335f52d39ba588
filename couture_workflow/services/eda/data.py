"""The files of sources: those that people uploaded, and those below folders that an option allows."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from couture_workflow import settings
from couture_workflow.exceptions import InvalidError, NotFoundError, StorageError
from couture_workflow.permissions import EDA
from couture_workflow.services.eda.document import Source
from couture_workflow.services.files.kinds import FileKind
from couture_workflow.store.home import Store
from couture_workflow.store.names import parse_reference, quote, reference_to

_TEXTS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
KIND = FileKind(
    noun="data",
    one="data file",
    resource=EDA,
    suffixes=(*_TEXTS, ".parquet", *(f"{text}{packed}" for packed in (".gz", ".zst") for text in _TEXTS)),
    task_fields=(),
    is_code=False,
)


def path_of(store: Store, source: Source) -> tuple[Path, str]:
    """Return where the file of a source is and which version of it that is.

    The version is ``name@3`` of an uploaded file; of another one its size and time. Raises ``NotFoundError``,
    ``InvalidError`` or ``StorageError`` with a sentence.
    """
    if source.file.data:
        name, number = parse_reference(source.file.data, what="data file")
        found = store.data.get(name).version(number)
        return store.data.path(name, found.number).resolve(), reference_to(name, found.number)
    path = allowed_path(store, source.file.path)
    status = path.stat()
    when = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="microseconds")
    return path, f"{status.st_size} bytes, changed {when}"


def shown_name(source: Source) -> str:
    """Return what the file of a source is called, by which its format is told."""
    if source.file.data:
        return parse_reference(source.file.data, what="data file")[0]
    return source.file.path.rpartition("/")[2]


def check(store: Store, source: Source) -> None:
    """Raise if a source cannot be saved as it is: its file is not there, or may not be read."""
    try:
        path_of(store, source)
    except (InvalidError, NotFoundError) as error:
        place = "file.data" if source.file.data else "file.path"
        raise InvalidError(str(error), field=place) from error


def allowed_path(store: Store, path: str) -> Path:
    """Return the file that a path leads to, without links, or raise if it is not one that may be read.

    It must be below a folder of ``[couture_workflow] eda_folders``, whatever links are on the way, and not in
    the product's home, which holds keys, unless an allowed folder is itself in there.
    """
    folders = tuple(_folders())
    if not folders:
        raise InvalidError(
            "No folder is open for sources here: upload the file, or ask an administrator to set the option "
            "[couture_workflow] eda_folders.",
            field="file.path",
        )
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise InvalidError(
            f"The path {quote(path)} is refused: it must begin with / and have no .. in it.",
            field="file.path",
        )
    _check_below(store, path, Path(path), (*settings.eda_folders(), *folders))  # nothing is told of elsewhere
    try:
        real = Path(path).resolve(strict=True)
        is_file = stat.S_ISREG(real.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        real, is_file = Path(os.path.realpath(path)), False
        missing = True
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it goes round in circles"
        raise InvalidError(f"The path {quote(path)} cannot be followed: {why}.", field="file.path") from error
    else:
        missing = False
    _check_below(store, path, real, folders)
    if missing:
        raise NotFoundError(
            f"There is no file {quote(path)}. Look whether it was moved, or name another one."
        )
    if not is_file:
        raise InvalidError(f"{quote(path)} is no file. Name a file in it.", field="file.path")
    if not os.access(real, os.R_OK):
        raise StorageError(
            f"{quote(path)} may not be read by the account that this server runs as. Change its rights."
        )
    return real


def _check_below(store: Store, path: str, real: Path, folders: tuple[Path, ...]) -> None:
    """Raise if a path is not below an allowed folder."""
    home = Path(os.path.realpath(store.root))
    below = [folder for folder in folders if real.is_relative_to(folder)]
    inside = real.is_relative_to(home)
    if not below or (inside and not any(folder.is_relative_to(home) for folder in below)):
        raise InvalidError(
            f"{quote(path)} is not below a folder that is open for sources: "
            f"{', '.join(str(folder) for folder in settings.eda_folders())}. Move or copy the file there, or "
            "upload it.",
            field="file.path",
        )


def _folders() -> Iterator[Path]:
    for folder in settings.eda_folders():
        if folder.is_absolute():
            yield Path(os.path.realpath(folder))
