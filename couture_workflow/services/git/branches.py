"""A branch that the remote does not have: which it has, and whether it may be made with what is here."""

from __future__ import annotations

from collections.abc import Collection

from couture_workflow.exceptions import RemoteError
from couture_workflow.services.git import rewritten, transport
from couture_workflow.services.git.remote import FOLLOW, Remote
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

#: Branches that a message names at most.
_NAMED = 20
#: Where the remote's branches are for the time of one question.
_ALL = "refs/remotes/all"


def new(store: Store, remote: Remote, ours: str | None) -> str:
    """Return the commit that the branch may be made with in the remote, or raise ``RemoteError``."""
    known = rewritten.seen(store, remote)
    if remote.branch in known.values():
        raise RemoteError(
            f"{remote.url} has no branch {remote.branch} any more: it was deleted or renamed there, and is "
            f"not made again from here. {_choice(transport.branches(store, store.dags.git, remote))} "
            "What is here stays as it is."
        )
    if remote.mode == FOLLOW or ours is None:
        there = transport.branches(store, store.dags.git, remote)
        raise RemoteError(f"{remote.url} has no branch {remote.branch}. {_choice(there)}")
    if [commit for commit in known if store.dags.is_ancestor(commit, ours)]:
        _refuse_removed(store, remote, ours, known)
    return ours


def _refuse_removed(store: Store, remote: Remote, ours: str, known: dict[str, str]) -> None:
    """Raise if a commit of ours was taken away in the remote's other branches."""
    git = store.dags.git
    transport.fetch(store, git, remote, remote.url, f"+refs/heads/*:{_ALL}/*", own=True)
    try:
        for commit, branch in known.items():
            if not store.dags.is_ancestor(commit, ours):
                continue
            if not git.run("for-each-ref", "--count=1", f"--contains={commit}", f"{_ALL}/"):
                raise RemoteError(
                    f"{remote.url} has no branch {remote.branch}, and it is not made from here: what is here "
                    f"has commits that were taken away from the branch {branch}. Make it in a clone and push."
                )
    finally:
        names = git.text("for-each-ref", "--format=%(refname)", f"{_ALL}/").splitlines()
        with store.dags.writing() as writer:
            writer.run("update-ref", "--stdin", stdin="".join(f"delete {name}\n" for name in names).encode())


def _choice(there: Collection[str]) -> str:
    if not there:
        return "It has no branch at all: push one first."
    names = sorted(there)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    shown = ", ".join(name if name.isprintable() else quote(name) for name in names[:_NAMED])
    return f"Choose one that it has: {shown}{more}."
