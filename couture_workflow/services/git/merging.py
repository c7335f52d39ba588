"""Two histories brought together in objects of git alone: merged, or our commits put on top of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from couture_workflow.exceptions import ConflictError, RemoteError
from couture_workflow.store import trees
from couture_workflow.store.git_process import Git
from couture_workflow.store.home import Store
from couture_workflow.store.names import printable, quote

_MERGE = (
    *("merge-tree", "--write-tree", "--allow-unrelated-histories"),
    *("--name-only", "-z", "--no-messages"),
)
_STORE = {"GIT_COMMITTER_NAME": "Couture Workflow", "GIT_COMMITTER_EMAIL": "store@couture-workflow"}
_ANYBODY = {**_STORE, "GIT_AUTHOR_NAME": "Couture Workflow", "GIT_AUTHOR_EMAIL": "store@couture-workflow"}
_FIELDS = "--format=%an%x00%ae%x00%ad%x00%P%x00%T%x00%B"

#: Files that a message names at most.
_NAMED = 10


@dataclass(frozen=True)
class Merge:
    """What merging two commits gives.

    :param tree: id of the merged tree; with conflicts in it if there are paths.
    """

    tree: str
    paths: tuple[str, ...]


def merge(store: Store, ours: str, theirs: str) -> Merge:
    """Merge two commits without touching anything; git 2.38 or newer."""
    with store.dags.writing() as git:
        return _merged(git, ours, theirs)


def resolved(store: Store, found: Merge, chosen: Mapping[str, str]) -> str:
    """Return the merged tree with each conflicting file as one of the commits has it.

    :param chosen: commit by path.
    """
    sides = {
        commit: {entry.path: entry for entry in trees.entries(store.dags.git, commit, sizes=False)}
        for commit in set(chosen.values())
    }
    lines = []
    for path, commit in chosen.items():
        entry = sides[commit].get(path)
        lines.append(f"{entry.mode} {entry.blob}\t{path}\0" if entry else f"0 {'0' * 40}\t{path}\0")
    with store.dags.writing() as git:
        git.run("read-tree", found.tree)
        git.run("update-index", "-z", "--index-info", stdin="".join(lines).encode("utf-8", "surrogateescape"))
        return git.text("write-tree")


def on_top(store: Store, commits: Sequence[str], base: str) -> str:
    """Return the last of the commits, each made again on top of another commit; no branch is moved.

    What the base has already makes no commit of its own. ``ConflictError`` names the files that do not fit.

    :param commits: oldest first.
    """
    with store.dags.writing() as git:
        newest = base
        for commit in commits:
            newest = _again(git, commit, newest)
        return newest


def _again(git: Git, commit: str, base: str) -> str:
    """Make a commit again on another one.

    Git merges from the commit before it: the base's tree as a child of that one, and the commit itself.
    """
    read = git.run("log", "--max-count=1", "-z", "--encoding=UTF-8", "--date=raw", _FIELDS, commit)
    name, mail, date, parents, tree, message = read.removesuffix(b"\0").split(b"\0", 5)
    before = parents.decode().split(" ")[0] or _commit(git, git.text("mktree"))
    base_tree = git.text("rev-parse", f"{base}^{{tree}}")
    found = _merged(git, _commit(git, base_tree, before), _commit(git, tree.decode(), before))
    if found.paths:
        raise _does_not_fit(git, commit, found.paths)
    if found.tree == base_tree:
        return base
    author = {
        "GIT_AUTHOR_NAME": _known(name),
        "GIT_AUTHOR_EMAIL": _known(mail),
        "GIT_AUTHOR_DATE": date.decode(),
    }
    return git.text("commit-tree", found.tree, "-p", base, stdin=message, environment={**_STORE, **author})


def _known(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip() or "unknown"


def _commit(git: Git, tree: str, *parents: str) -> str:
    """Write a commit that only a merge is computed from."""
    return git.text(
        "commit-tree", tree, *(word for parent in parents for word in ("-p", parent)), environment=_ANYBODY
    )


def _merged(git: Git, ours: str, theirs: str) -> Merge:
    code, output, errors = git.execute(*_MERGE, ours, theirs)
    if code not in (0, 1) or not output:
        said = " ".join(errors.decode("utf-8", "replace").split())
        raise RemoteError(
            f"The two histories cannot be merged: git says: {said}. Merging needs git 2.38 or newer; you can "
            "also merge them in a clone and push."
        )
    tree, *paths = output.decode("utf-8", "surrogateescape").split("\0")
    return Merge(tree, tuple(dict.fromkeys(path for path in paths if path)))


def _does_not_fit(git: Git, commit: str, paths: tuple[str, ...]) -> ConflictError:
    title = git.text("log", "--max-count=1", "--format=%s", commit)
    names = ", ".join(quote(printable(path)) for path in paths[:_NAMED])
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ConflictError(
        f"Our commits were not put on top: {commit[:12]} ({quote(title)}) changes {names}{more}, which the "
        "remote changed in another way. Everything is as it was. Put them on top in a clone and push, or "
        "take the remote's state; what is here is then kept as a branch.",
        paths=[printable(path) for path in paths],
    )
