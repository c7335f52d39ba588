"""DAG files in an ordinary folder, to be checked by the save gate without a home."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate.problems import Known, Report

#: Bytes from which on a file is no source of a DAG.
_LARGEST = 8 * 2**20
#: Bytes that are looked at in all.
_MOST = 512 * 2**20
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
_CHECKED = (".py", ".yaml", ".yml", ".json", ".sql")
_VARIABLE = "AIRFLOW_VAR_"


@dataclass(frozen=True)
class Folder:
    """The files below a root, and those of them that are to be checked, as paths below the root."""

    root: Path
    files: Mapping[str, bytes]
    chosen: frozenset[str]

    def check(self, *, parse: bool) -> Report:
        """Check the chosen files; what they mean is known from the environment only."""
        return dag_gate.check(self.files, self.chosen, store=None, known=_known(), parse=parse)


def read(paths: Sequence[Path], *, root: Path | None) -> Folder:
    """Return what is to be checked, or raise ``InvalidError``.

    :param paths: files and folders; of a folder all files are checked.
    :param root: the folder that DAG files import modules from; None: the one folder that is given, else the
        current folder.
    """
    for path in paths:
        if not path.exists():
            raise InvalidError(f"There is no {path}. Name a DAG file, or a folder with DAG files.")
    root = (root or (paths[0] if len(paths) == 1 and paths[0].is_dir() else Path.cwd())).resolve()
    if not root.is_dir():
        raise InvalidError(f"{root} is not a folder. Name the folder that DAG files import modules from.")
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise InvalidError(f"{path} is not below {root}. Name a folder that holds it with --root.")
    files = dict(_files(root))
    chosen = {name for name in files for path in paths if _is_below(root / name, path.resolve())}
    return Folder(root, files, frozenset(name for name in chosen if _is_checked(name)))


def without_home() -> None:
    """Keep Airflow from making a folder of its own in the user's home, where none is set or there yet."""
    if "AIRFLOW_HOME" not in os.environ and not Path("~/airflow").expanduser().exists():
        os.environ["AIRFLOW_HOME"] = str(Path(tempfile.gettempdir()) / f"couture-lint-{os.getuid()}")


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    size = 0
    for where, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(names):
            path = Path(where, name)
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= _LARGEST:
                content = path.read_bytes()
                size += len(content)
                if size > _MOST:
                    raise InvalidError(
                        f"{root} holds more than {_MOST // 2**20} MB. Name the folder of the DAG files with "
                        "--root."
                    )
                yield path.relative_to(root).as_posix(), content


def _is_below(file: Path, path: Path) -> bool:
    return file == path or file.is_relative_to(path)


def _is_checked(name: str) -> bool:
    return name.endswith(_CHECKED) or name.rpartition("/")[2] == ".airflowignore"


def _known() -> Known:
    found = {
        name.removeprefix(_VARIABLE): value
        for name, value in os.environ.items()
        if name.startswith(_VARIABLE)
    }
    return Known(
        variables={**{name.lower(): value for name, value in found.items()}, **found}, complete=False
    )
