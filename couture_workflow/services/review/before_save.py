"""What a person reviews before a save: drafts, the newest version, and what others did to it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags.drafts import Draft
from couture_workflow.services.dags.versions import content, decoded, renamed_since
from couture_workflow.services.review.merge import Part, merge
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote
from couture_workflow.store.repository import Commit

#: Files that one review takes.
MOST = 50


@dataclass(frozen=True)
class Reviewed:
    """One file of a review.

    :param mine: the draft.
    :param revision: names what the draft says.
    :param old: the text of the newest version, "" if there is none.
    :param exists: whether the newest version has the file.
    :param meanwhile: what others did since the draft was begun: "nothing", "changed", "deleted", "renamed",
        or "binary" if what is there now is no text.
    :param renamed_to: the path that the file has now.
    :param theirs: the newest commit of the file, if others changed it.
    :param parts: if others changed it: the three-way merge.
    """

    path: str
    mine: str
    revision: str
    begun: str | None
    saved: str
    old: str
    exists: bool
    meanwhile: str = "nothing"
    renamed_to: str = ""
    theirs: Commit | None = None
    parts: tuple[Part, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return it as plain data."""
        theirs = {**asdict(self.theirs), "when": self.theirs.when.isoformat()} if self.theirs else None
        return {**asdict(self), "theirs": theirs}


@dataclass(frozen=True)
class Review:
    """Several files that are saved as one commit.

    :param head: the newest commit, against which all is shown.
    :param missing: paths that were asked for and have no draft.
    """

    head: str | None
    files: tuple[Reviewed, ...]
    missing: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "head": self.head,
            "files": [file.json() for file in self.files],
            "missing": list(self.missing),
        }


def review(store: Store, user: str, paths: Sequence[str]) -> Review:
    """Return the account's drafts of some files beside the newest version.

    :param paths: none: all of the account's drafts.
    """
    head = store.dags.head()
    if paths:
        found = {path: dag_drafts.get(store, user, path) for path in dict.fromkeys(paths[:MOST])}
    else:
        found = {draft.path: draft for draft in dag_drafts.all_of(store, user)[:MOST]}
    files = tuple(_reviewed(store, draft, head) for draft in found.values() if draft)
    return Review(head, files, tuple(path for path, draft in found.items() if draft is None))


def move(store: Store, user: str, path: str, new: str) -> Draft:
    """Make a draft of a file the draft of another one, to which somebody renamed the file meanwhile."""
    draft = dag_drafts.get(store, user, path)
    if draft is None:
        raise NotFoundError(f"You have no draft of {quote(path)}. It may have been saved in another window.")
    moved = dag_drafts.put(store, user, new, base=draft.base, content=draft.content, expected=None)
    dag_drafts.delete(store, user, path)
    return moved


def drop_saved(store: Store, user: str, path: str, text: str, revision: str) -> None:
    """Discard the draft of a file that was saved, unless it says something else by now.

    :param revision: the draft that the saved content was made from.
    """
    draft = dag_drafts.get(store, user, path)
    if draft and (draft.revision == revision or draft.content == text):
        dag_drafts.delete(store, user, path)


def encoded(path: str, text: str) -> bytes:
    """Return a draft as it is stored in the repository."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise InvalidError(
            f"Line {line} of {quote(path)} holds half of a character, which no file can. Delete it.",
            field="content",
        ) from error


def _reviewed(store: Store, draft: Draft, head: str | None) -> Reviewed:
    present = content(store, draft.path, head)
    old = decoded(present)
    plain = Reviewed(
        path=draft.path,
        mine=draft.content,
        revision=draft.revision,
        begun=draft.base,
        saved=draft.saved.isoformat(),
        old=old or "",
        exists=present is not None,
    )
    source = _source(store, draft, head)
    before = content(store, source, _known(store, draft.base))
    if before == present:
        return plain
    theirs = next(iter(dag_repository.history(store, draft.path, limit=1)), None)
    changed = {**plain.__dict__, "theirs": theirs}
    if present is None:
        new = renamed_since(store, draft.base, head).get(draft.path, "") if draft.base and head else ""
        return Reviewed(**{**changed, "meanwhile": "renamed" if new else "deleted", "renamed_to": new})
    if old is None:
        return Reviewed(**{**changed, "meanwhile": "binary"})
    if old == draft.content:
        return plain
    parts = merge(store.dags.git, decoded(before) or "", draft.content, old)
    return Reviewed(**{**changed, "meanwhile": "changed", "parts": parts})


def _source(store: Store, draft: Draft, head: str | None) -> str:
    """Return what the file was called when the draft was begun."""
    if draft.base and head and content(store, draft.path, _known(store, draft.base)) is None:
        origins = {new: old for old, new in renamed_since(store, draft.base, head).items()}
        return origins.get(draft.path, draft.path)
    return draft.path


def _known(store: Store, commit: str | None) -> str | None:
    """Return a commit, None if the repository does not have it (it was restored from a backup, say)."""
    if commit is None:
        return None
    try:
        return store.dags.known(commit)
    except NotFoundError:
        return None
