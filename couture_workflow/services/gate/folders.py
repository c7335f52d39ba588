"""DAG files in an ordinary folder, to be checked by the save gate without a home."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate import progress
from couture_workflow.services.gate.problems import Known, Problem, Report, ordered

#: Bytes from which on a file is no source of a DAG.
_LARGEST = 8 * 2**20
#: Bytes that are looked at in all.
_MOST = 512 * 2**20
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
_CHECKED = (".py", ".yaml", ".yml", ".json", ".sql")
_VARIABLE = "AIRFLOW_VAR_"


@dataclass(frozen=True)
class Folder:
    """The files below a root, and those of them that are to be checked, as paths below the root.

    :param found: what is wrong with files that cannot be checked.
    """

    root: Path
    files: Mapping[str, bytes]
    chosen: frozenset[str]
    found: tuple[Problem, ...] = ()

    def check(self, *, parse: bool, told: progress.Told = progress.to_nobody) -> Report:
        """Check the chosen files; what they mean is known from the environment only.

        :param told: is told how far it is.
        """
        report = dag_gate.check(self.files, self.chosen, store=None, known=_known(), parse=parse, told=told)
        return replace(report, problems=ordered([*self.found, *report.problems]))


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
    files, found = _files(root)
    asked = [path.resolve() for path in paths]

    def is_chosen(name: str) -> bool:
        return any(_is_below(root / name, path) for path in asked)

    return Folder(
        root,
        files,
        frozenset(name for name in files if _is_checked(name) and is_chosen(name)),
        tuple(problem for problem in found if is_chosen(problem.path)),
    )


def walk(root: Path, *, left_out: Callable[[str], None] | None = None) -> Iterator[tuple[str, Path]]:
    """Iterate over the files below a folder as Airflow would be given them: path below it, and the file.

    A symbolic link to a file below the folder is followed, any other one is left out. Hidden folders and
    environments of Python are no part of a repository of DAGs.

    :param left_out: is told the path of each link that is left out.
    """
    for where, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        if "pyvenv.cfg" in names:
            folders.clear()
            continue
        for name in sorted([*names, *folders]):
            path = Path(where, name)
            if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(root)):
                if left_out is not None:
                    left_out(path.relative_to(root).as_posix())
            elif path.is_file():
                yield path.relative_to(root).as_posix(), path


def without_home() -> None:
    """Keep Airflow from making a folder of its own in the user's home, where none is set or there yet."""
    if "AIRFLOW_HOME" not in os.environ and not Path("~/airflow").expanduser().exists():
        os.environ["AIRFLOW_HOME"] = str(Path(tempfile.gettempdir()) / f"couture-lint-{os.getuid()}")


def _files(root: Path) -> tuple[dict[str, bytes], list[Problem]]:
    """Return the files by path, and what is wrong with those that cannot be looked at."""
    files: dict[str, bytes] = {}
    found: list[Problem] = []
    links: list[str] = []
    total = 0
    for name, path in walk(root, left_out=links.append):
        size = path.stat().st_size
        if size > _LARGEST:
            found += [_too_large(name, size)] if _is_checked(name) else []
            continue
        total += size
        if total > _MOST:
            raise InvalidError(
                f"{root} holds more than {_MOST // 2**20} MB. Name the folder of the DAG files with --root."
            )
        try:
            files[name] = path.read_bytes()
        except OSError as error:
            found.append(_unreadable(name, error))
    return files, [*found, *map(_link, links)]


def _link(name: str) -> Problem:
    return Problem(
        "warning",
        "link",
        "The symbolic link leads to a folder, out of the repository or nowhere: Airflow is not given it.",
        name,
        advice="Put the file itself there, or import from where it is.",
    )


def _too_large(name: str, size: int) -> Problem:
    return Problem(
        "error",
        "too-large",
        f"The file has {size / 2**20:.0f} MB and was not looked at.",
        name,
        advice=f"A file has at most {_LARGEST // 2**20} MB. Keep data beside the DAG files, not in them.",
    )


def _unreadable(name: str, error: OSError) -> Problem:
    return Problem(
        "error",
        "unreadable",
        f"The file cannot be read: {error.strerror}.",
        name,
        advice="Give yourself the right to read it, or leave it out.",
    )


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
