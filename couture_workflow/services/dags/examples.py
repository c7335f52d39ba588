"""The shipped example DAGs as files to begin with: copies of them, with the data that they read."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import couture_workflow
from couture_workflow.exceptions import NotFoundError
from couture_workflow.store.names import check_path, quote

#: What the id of a copied DAG ends in where the copy is nobody's in particular: the original keeps its id in
#: the bundle of the examples.
SUFFIX = "_copy"

_DAG_ID = re.compile(r"""(\b\w*dag_id\s*=\s*)(["'])([\w.\-]+)\2""")


@dataclass(frozen=True)
class Example:
    """One example.

    :param summary: the first sentence of what it says of itself.
    """

    name: str
    summary: str


def examples_folder() -> Path | None:
    """Return the folder of the shipped example DAGs, None if this installation has none."""
    package = Path(couture_workflow.__file__).parent
    for folder in (package / "examples" / "dags", package.parent / "examples" / "dags"):
        if folder.is_dir():
            return folder
    return None


def examples() -> list[Example]:
    """Return the examples, by name; none if this installation has none."""
    folder = examples_folder()
    if folder is None:
        return []
    return [Example(path.name, _summary(path)) for path in sorted(folder.glob("*.py"))]


def copies(names: Collection[str], *, folder: str = "", user: str = "") -> dict[str, bytes]:
    """Return copies of examples, with their data and notebooks, by path below a folder of the repository.

    :param user: whose copies these are, so that several people may copy the same one; "" for nobody's.

    Raises ``NotFoundError`` for a name that is not an example's, ``InvalidNameError`` for the folder.
    """
    root = examples_folder()
    known = {example.name for example in examples()}
    prefix = f"{check_path(folder)}/" if folder else ""
    found: dict[str, bytes] = {}
    for name in names:
        if root is None or name not in known:
            raise NotFoundError(f"There is no example {quote(name)}. Reload the page.")
        source = (root / name).read_text(encoding="utf-8")
        found[f"{prefix}dags/{name}"] = _renamed(source, f"_{user}" if user else SUFFIX).encode()
        found |= {
            f"{prefix}{kind}/{path.name}": path.read_bytes()
            for kind in ("dags", "data", "notebooks")
            for path in _named(root.parent / kind, source)
        }
    return found


def _renamed(source: str, suffix: str) -> str:
    """Return a source with other ids for its DAGs, also where one of them runs another (``run_dag_id=``)."""
    own = {match[3] for match in _DAG_ID.finditer(source) if match[1].startswith("dag_id")}

    def other(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{match[3]}{suffix if match[3] in own else ''}{match[2]}"

    return _DAG_ID.sub(other, source)


def _named(folder: Path, source: str) -> list[Path]:
    """Return the files of a folder that a source names, DAG files left out."""
    files = [path for path in sorted(folder.glob("*")) if path.is_file() and path.suffix != ".py"]
    return [path for path in files if f'"{path.name}"' in source]


def _summary(path: Path) -> str:
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(words.split("\n\n")[0].split())
