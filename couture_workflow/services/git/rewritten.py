"""History that was rewritten in the remote: which commits it had, which are ours alone, what is kept.

Each commit of the remote that was fetched or pushed is remembered below ``refs/seen``, until the branch of
ours is at a newer one. If one that ours has is no longer in the remote's branch, it was taken away there, by
an amended commit or a forced push, and never goes back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime

from couture_workflow.services.git.remote import Remote
from couture_workflow.store.home import Store
from couture_workflow.store.repository import BRANCH

#: Where a head of ours is kept that another took the place of; never pushed.
KEPT = "refs/heads/kept"
#: Commits that a remote had: below it the remote, the branch and "=", which no branch's name has.
_SEEN = "refs/seen"


def remember(store: Store, remote: Remote, commit: str, *, alone: bool = False) -> None:
    """Remember that the remote's branch has, or had, a commit.

    :param alone: the branch of ours is there now, so those that were seen before say nothing more.
    """
    known = {name for name, branch in seen(store, remote).items() if branch == remote.branch}
    others = known - {commit} if alone else set()
    if commit in known and not others:
        return
    folder = f"{_folder(remote)}/{remote.branch}/="
    lines = [f"update {folder}/{commit} {commit}", *(f"delete {folder}/{other}" for other in others)]
    with store.dags.writing() as git:
        git.run("update-ref", "--stdin", stdin="".join(f"{line}\n" for line in lines).encode())


def seen(store: Store, remote: Remote) -> dict[str, str]:
    """Return the commits that were seen in the remote, with the branch that had them."""
    folder = _folder(remote)
    found = {}
    for name in store.dags.git.text("for-each-ref", "--format=%(refname)", f"{folder}/").splitlines():
        branch, _, commit = name.removeprefix(f"{folder}/").rpartition("/=/")
        found[commit] = branch
    return found


def removed(store: Store, remote: Remote, ours: str, theirs: str) -> list[str]:
    """Return the commits of the remote that are in our branch and no longer in the remote's."""
    if store.dags.is_ancestor(ours, theirs):
        return []
    return [
        commit
        for commit in seen(store, remote)
        if store.dags.is_ancestor(commit, ours) and not store.dags.is_ancestor(commit, theirs)
    ]


def own(store: Store, ours: str, theirs: str, gone: Collection[str]) -> list[str]:
    """Return the commits that were made here and that the remote never had, oldest first; no merges."""
    without = [f"^{commit}" for commit in (theirs, *gone)]
    return store.dags.git.text("rev-list", "--reverse", "--topo-order", "--no-merges", ours, *without).split()


def move(store: Store, ours: str | None, new: str) -> bool:
    """Move the branch of ours and keep what it was at, if the new commit does not have it.

    Both happen or neither; False if somebody moved the branch meanwhile.
    """
    lines = [f"update {BRANCH} {new} {ours or '0' * 40}"]
    if ours and not store.dags.is_ancestor(ours, new):
        lines.insert(0, f"update {KEPT}/{datetime.now(UTC):%Y%m%dT%H%M%S}-{ours[:8]} {ours}")
    with store.dags.writing() as git:
        code, _, errors = git.execute(
            "update-ref", "--stdin", stdin="".join(f"{n}\n" for n in lines).encode()
        )
        if code and store.dags.head() == ours:
            raise git.error(("update-ref",), errors)
        return code == 0


def _folder(remote: Remote) -> str:
    return f"{_SEEN}/{hashlib.sha256(remote.url.encode()).hexdigest()[:16]}"
