"""What the editor shows of one DAG file: the text, the version that it is of, what happened to it since."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags.drafts import Draft
from couture_workflow.services.dags.versions import content as content_of
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_path, quote
from couture_workflow.store.repository import Commit

_NAME = re.compile(rb"^(?:async +def|def|class) +(\w+)|^(\w+) *(?::[^=\n]+)?=(?!=)", re.MULTILINE)
_MOST_MODULES, _LARGEST_MODULE = 500, 256 * 2**10


@dataclass(frozen=True)
class Opened:
    """A file as the editor opens it.

    :param exists: whether the newest version has it; if not, this is a new file.
    :param base: the newest commit, None if nothing was saved yet.
    :param text: its text, "" if it cannot be edited.
    :param obstacle: why it cannot be edited here, "" if it can.
    :param size: bytes.
    """

    path: str
    exists: bool
    base: str | None
    text: str = ""
    obstacle: str = ""
    size: int = 0


def open_file(store: Store, path: str) -> Opened:
    """Open a file of the newest version, or a new one; ``InvalidNameError`` if no file can be called that."""
    base = store.dags.head()
    file = (
        next((file for file in dag_repository.files(store, commit=base) if file.path == path), None)
        if base
        else None
    )
    if file is None:
        return Opened(check_path(path), exists=False, base=base)
    if file.submodule:
        content = content_of(store, path, base) if file.size <= dag_repository.MAX_EDITABLE else b""
        text, _ = _decoded(content or b"")
        why = f"It belongs to the submodule {file.submodule}, so it is changed in that repository."
        return Opened(path, True, base, text or "", why, file.size)
    if file.size > dag_repository.MAX_EDITABLE:
        why = f"It has {file.size:,} bytes; the editor opens {dag_repository.MAX_EDITABLE:,} at most."
        return Opened(path, True, base, "", why, file.size)
    text, why = _decoded(dag_repository.read(store, path, commit=base))
    return Opened(path, True, base, text or "", why, file.size)


def line_of(store: Store, path: str, dag_id: str) -> int | None:
    """Return the first line of a saved file that has the id of a DAG in quotes, None if no line has."""
    wanted = re.compile(rf"""(["'])({re.escape(dag_id)})\1""")
    lines = open_file(store, path).text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if wanted.search(line)), None)


def _decoded(content: bytes) -> tuple[str | None, str]:
    if b"\0" in content:
        return None, "It is a binary file."
    try:
        return content.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        return None, f"It is not text in UTF-8 (byte {error.start + 1:,} is something else)."


def keep(
    store: Store, user: str, path: str, *, base: str | None, content: str, expected: str | None
) -> Draft | None:
    """Keep a text as the account's draft; None if it is what is saved, so that there is nothing to keep.

    :param base: commit that the text started from.
    :param expected: see ``dags.drafts.put``.
    """
    if base is not None:
        store.dags.commit(base)
    saved = content_of(store, path, store.dags.head())
    if saved is not None and saved == content.encode("utf-8", "surrogatepass"):
        present = dag_drafts.get(store, user, path)
        if present is None or expected in (dag_drafts.ANY, present.revision):
            dag_drafts.delete(store, user, path)
            return None
    return dag_drafts.put(store, user, path, base=base, content=content, expected=expected)


def changed_since(store: Store, path: str, base: str | None) -> Commit | None:
    """Return the newest commit of a file if it is not what it was at a commit, None if it is."""
    head = store.dags.head()
    if head == base or head is None or content_of(store, path, head) == content_of(store, path, base):
        return None
    return next(iter(dag_repository.history(store, path, limit=1)), None)


def modules(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the modules of the repository with the names that they define.

    Found by pattern, not by parsing: text made to break a parser cannot hurt the server.

    :param files: content of every file by path.
    """
    found: dict[str, list[str]] = {}
    for path, content in sorted(files.items()):
        if not path.endswith(".py") or len(found) >= _MOST_MODULES:
            continue
        parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
        if all(part.isidentifier() for part in parts):
            names = (match[1] or match[2] for match in _NAME.finditer(content[:_LARGEST_MODULE]))
            public = (name.decode("utf-8", "replace") for name in names if not name.startswith(b"_"))
            found[".".join(parts)] = list(dict.fromkeys(public))
    return found


def version_text(store: Store, path: str, commit: str | None) -> str:
    """Return the text of a file at a commit, "" if it was not there or is none."""
    content = content_of(store, path, commit)
    return (_decoded(content)[0] or "") if content is not None else ""


def content(store: Store, path: str) -> bytes:
    """Return the newest version of a file or raise ``NotFoundError`` in words of the page."""
    found = content_of(store, path, store.dags.head())
    if found is None:
        raise NotFoundError(f"There is no file {quote(path)} yet. Save it first.")
    return found
