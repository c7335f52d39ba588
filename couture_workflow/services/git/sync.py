"""One look at the git remote: take what is new there, give it what is new here, lose nothing.

Submodules are fetched before the branch moves, so that what Airflow reads is whole. Two histories that grew
apart are merged as git does; where both changed the same lines nothing moves, and an administrator chooses
file by file. Where the remote's history was rewritten, what was taken away there never goes back.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace

from couture_workflow.exceptions import ConflictError, CoutureError, InvalidError, RemoteError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.git import branches, merging, rewritten, transport
from couture_workflow.services.git.remote import FOLLOW, Remote, State, record, settings
from couture_workflow.store import atomic, submodules, trees
from couture_workflow.store.git_process import Git
from couture_workflow.store.home import Store
from couture_workflow.store.repository import BRANCH

#: Where the remote's branch is kept in our repository.
TRACKING = "refs/remotes/origin/main"

#: Held, in the home, during a look at the remote.
LOCK = "git-remote.lock"

_ATTEMPTS = 4

#: Which side a file is taken from where both changed it.
OURS, THEIRS = "ours", "theirs"


def synchronise(store: Store, *, moved: Callable[[str | None, str], None] | None = None) -> State:
    """Look at the remote once and return the state, which is kept too. Errors become a state.

    :param moved: told the old and the new commit when the branch of ours has moved.
    """
    remote = settings(store)
    if not remote.is_set:
        return record(store, State())
    with atomic.locked(store.root / LOCK):
        before = store.dags.head()
        try:
            found = _synchronise(store, remote)
        except CoutureError as error:
            found = State("error", str(error), local=before or "")
        except subprocess.SubprocessError as error:
            found = State("error", f"git could not be run: {error}", local=before or "")
        after = store.dags.head()
        found = record(store, replace(found, notes=notes(store)))
    if moved and after and after != before:
        moved(before, after)
    return found


def notes(store: Store) -> tuple[str, ...]:
    """Return what in the newest version Airflow does not see, and why."""
    try:
        return dag_repository.links_left_out(store)
    except CoutureError:  # a submodule that is not here yet: the look itself says so
        return ()


def is_looking(store: Store) -> bool:
    """Tell whether the remote is looked at in this moment, by any process."""
    return atomic.is_locked(store.root / LOCK)


def resolve(store: Store, choices: Mapping[str, str], *, user: str) -> State:
    """Merge the remote's commits, taking each file that both changed from the chosen side; then look again.

    :param choices: ``ours`` or ``theirs`` by path, for every path of the conflict.
    """
    remote = settings(store)
    with atomic.locked(store.root / LOCK):
        ours, theirs = store.dags.head(), _tracked(store)
        if not ours or not theirs:
            raise ConflictError("There is no conflict any more. Synchronise again.")
        if rewritten.removed(store, remote, ours, theirs):
            raise ConflictError(
                f"The history of {remote.url} was rewritten meanwhile. Reload the page: a merge would give "
                "back what was taken away there."
            )
        merge = merging.merge(store, ours, theirs)
        if missing := [path for path in merge.paths if choices.get(path) not in (OURS, THEIRS)]:
            raise InvalidError(f"Choose which {missing[0]} is to be kept: ours or theirs.", field="choices")
        sides = {OURS: ours, THEIRS: theirs}
        chosen = {path: sides[choices[path]] for path in merge.paths}
        tree = merging.resolved(store, merge, chosen)
        lines = [f"{path}: {'kept ours' if choices[path] == OURS else 'took theirs'}" for path in merge.paths]
        message = f"Merge {remote.branch} of {remote.url}\n\n" + "\n".join(lines)
        store.dags.save_merge(tree, parents=(ours, theirs), author=user, message=message)
    return synchronise(store)


def take_remote(store: Store, *, user: str) -> State:
    """Put the remote's state in place of ours; what was ours stays as a branch ``kept/<time>``."""
    with atomic.locked(store.root / LOCK):
        ours, theirs = store.dags.head(), _tracked(store)
        if not theirs:
            raise ConflictError("Nothing was fetched from the remote yet. Synchronise first.")
        if not rewritten.move(store, ours, theirs):
            raise ConflictError(f"Somebody saved while {user} took the remote's state. Look again.")
    return synchronise(store)


def put_on_top(store: Store) -> State:
    """Take the remote's rewritten history and put the commits that are ours alone on top of it.

    Where they do not fit, ``ConflictError`` names the files and everything is as it was. What was here stays
    as a branch ``kept/<time>``.
    """
    remote = settings(store)
    with atomic.locked(store.root / LOCK):
        ours, theirs = store.dags.head(), _tracked(store)
        gone = rewritten.removed(store, remote, ours, theirs) if ours and theirs else []
        if not ours or not theirs or not gone:
            raise ConflictError(
                "The history in the remote is not a rewritten one any more. Synchronise again."
            )
        new = merging.on_top(store, rewritten.own(store, ours, theirs, gone), theirs)
        if not rewritten.move(store, ours, new):
            raise ConflictError(
                "Somebody saved meanwhile, so nothing was moved. Put the commits on top again."
            )
    return synchronise(store)


def _synchronise(store: Store, remote: Remote) -> State:
    for _ in range(_ATTEMPTS):
        theirs = _fetch(store, remote)
        ours = store.dags.head()
        if theirs is None:
            if transport.push(store, store.dags.git, remote, branches.new(store, remote, ours)):
                return _done(store, remote, f"Made the branch {remote.branch} with what is here.")
            continue
        if (found := _step(store, remote, ours, theirs)) is not None:
            return found
    raise RemoteError(f"{remote.url} changed all the time. Synchronise again in a moment.")


def _step(store: Store, remote: Remote, ours: str | None, theirs: str) -> State | None:
    """Bring the two heads together; None if something moved meanwhile and it must be tried again."""
    if ours == theirs:
        return _done(store, remote, "Everything is the same here and there.")
    _fetch_submodules(store, remote, theirs)
    if ours is None or store.dags.is_ancestor(ours, theirs):
        moved = rewritten.move(store, ours, theirs)
        return _done(store, remote, "Pulled what was new there.") if moved else None
    if gone := rewritten.removed(store, remote, ours, theirs):
        return _rewritten(store, remote, ours, theirs, gone)
    if remote.mode == FOLLOW:
        return _diverged(store, remote, ours, theirs)
    if not store.dags.is_ancestor(theirs, ours):
        merge = merging.merge(store, ours, theirs)
        if merge.paths:
            return _conflict(store, remote, ours, theirs, merge.paths)
        message = f"Merge {remote.branch} of {remote.url}"
        merged = store.dags.save_merge(
            merge.tree, parents=(ours, theirs), author="Couture Workflow", message=message
        )
        if merged is None:
            return None
    head = store.dags.head() or ""
    if transport.push(store, store.dags.git, remote, head):
        _track(store, head)
        return _done(store, remote, "Pushed what was new here.")
    return None


def _rewritten(store: Store, remote: Remote, ours: str, theirs: str, gone: list[str]) -> State | None:
    """Follow a history that was rewritten; a conflict if there are commits of ours, None to try again."""
    mine = rewritten.own(store, ours, theirs, gone)
    what = f"The history was rewritten: the branch {remote.branch} of {remote.url} lacks commits that it had"
    if not mine:
        if not rewritten.move(store, ours, theirs):
            return None
        return _done(
            store, remote, f"{what}. Took its state; what was here is kept as a branch kept/… of dags.git."
        )
    _, behind = _counts(store, ours, theirs)
    message = (
        f"{what}, and {len(mine)} commit(s) were made here alone. Nothing was overwritten, and what was "
        "taken away there is not given back: put our commits on top of the remote's, or take its state "
        "without them; what is here is then kept as a branch."
    )
    return State(
        "conflict", message, remote=theirs, local=ours, ahead=len(mine), behind=behind, rewritten=True
    )


def _fetch(store: Store, remote: Remote) -> str | None:
    """Fetch the remote's branch and return its commit, None if there is no such branch."""
    git = store.dags.git
    if git.run("config", "--get", "remote.origin.url", accept=(0, 1)).decode().strip() != remote.url:
        with store.dags.writing() as writer:
            writer.run("config", "remote.origin.url", remote.url)
            writer.run("update-ref", "-d", TRACKING, accept=(0, 1, 128))
    elif (before := _tracked(store)) and not rewritten.seen(store, remote):
        rewritten.remember(store, remote, before)  # fetched by a version that did not remember
    try:
        transport.fetch(store, git, remote, remote.url, f"+refs/heads/{remote.branch}:{TRACKING}", own=True)
    except RemoteError as error:
        if "couldn't find remote ref" in str(error):
            with store.dags.writing() as writer:
                writer.run("update-ref", "-d", TRACKING, accept=(0, 1, 128))
            return None
        raise
    if found := _tracked(store):
        rewritten.remember(store, remote, found)
    return found


def _tracked(store: Store) -> str | None:
    found = store.dags.git.run("rev-parse", "--verify", "--quiet", TRACKING, accept=(0, 1))
    return found.decode().strip() or None


def _track(store: Store, commit: str) -> None:
    with store.dags.writing() as git:
        git.run("update-ref", TRACKING, commit)


def _fetch_submodules(store: Store, remote: Remote, commit: str) -> None:
    """Fetch the mirrors of all submodules of a commit that lack what it names.

    A tree that must not be written to a disk, also one of a submodule, is refused here.
    """
    git = store.dags.git
    if not remote.submodules:
        trees.entries(git, commit, sizes=False)
        return
    pending = [(git, commit, remote.url, 1)]
    while pending:
        parent, wanted, base, depth = pending.pop()
        entries = trees.entries(parent, wanted, sizes=False)
        for submodule in submodules.named(parent, wanted, entries, base=base):
            if depth > submodules.DEPTH:
                raise RemoteError(
                    f"The submodule {submodule.path} is nested more than {submodules.DEPTH} deep. Flatten it."
                )
            mirror = _mirror(store, remote, submodule)
            pending.append((mirror, submodule.commit, submodule.url, depth + 1))


def _mirror(store: Store, remote: Remote, submodule: submodules.Submodule) -> Git:
    folder = dag_repository.mirrors(store)
    folder.mkdir(exist_ok=True)
    git = Git(submodules.mirror(folder, submodule.url))
    if not (git.path / "HEAD").is_file():
        git.create(BRANCH)
    if not _has(git, submodule.commit):
        own = remote.url.startswith("file://")
        transport.fetch(
            store,
            git,
            remote,
            submodule.url,
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
            own=own,
        )
        if not _has(git, submodule.commit):
            # A commit that no branch holds any more; many servers give it when it is asked for by name.
            kept = f"refs/kept/{submodule.commit}"
            transport.fetch(store, git, remote, submodule.url, f"+{submodule.commit}:{kept}", own=own)
    return git


def _has(git: Git, commit: str) -> bool:
    code, _, _ = git.execute("cat-file", "-e", f"{commit}^{{commit}}")
    return code == 0


def _done(store: Store, remote: Remote, message: str) -> State:
    head = store.dags.head() or ""
    there = _tracked(store) or head
    if there == head:
        rewritten.remember(store, remote, head, alone=True)
    return State("ok", message, remote=there, local=head)


def _counts(store: Store, ours: str, theirs: str) -> tuple[int, int]:
    output = store.dags.git.text("rev-list", "--left-right", "--count", f"{ours}...{theirs}")
    ahead, behind = output.split()
    return int(ahead), int(behind)


def _conflict(store: Store, remote: Remote, ours: str, theirs: str, paths: tuple[str, ...]) -> State:
    ahead, behind = _counts(store, ours, theirs)
    message = (
        f"{len(paths)} file(s) were changed here and in {remote.url} in different ways. Nothing was "
        "overwritten: choose below which to keep, or merge them in a clone and push."
    )
    return State("conflict", message, remote=theirs, local=ours, ahead=ahead, behind=behind, paths=paths)


def _diverged(store: Store, remote: Remote, ours: str, theirs: str) -> State:
    ahead, behind = _counts(store, ours, theirs)
    message = (
        f"There are {ahead} commit(s) here that {remote.url} does not have, and it is only followed. Nothing "
        "was overwritten: synchronise both ways, or take the remote's state; what is here is then kept as a "
        "branch."
    )
    return State("conflict", message, remote=theirs, local=ours, ahead=ahead, behind=behind)
