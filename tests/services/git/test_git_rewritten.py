"""A remote whose history was rewritten: what was taken away never goes back, nothing of ours is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from couture_workflow.exceptions import ConflictError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import rewritten
from couture_workflow.services.git import sync as git_sync
from couture_workflow.services.git.remote import FOLLOW, TWO_WAY, Remote
from couture_workflow.store.home import Store
from tests.support.git_server import GitServer, git

pytestmark = pytest.mark.slow

SECRET = "token = 'hunter2'\n"
NAME = "central.git"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """Return repositories that are reached by their path."""
    served = GitServer(tmp_path / "git", {})
    served.repository(NAME)
    served.commit(NAME, {"dags/a.py": "one\n", "dags/old.py": "old\n"})
    served.commit(NAME, {"dags/b.py": "b\n"})
    yield served


def connect(store: Store, server: GitServer, mode: str, branch: str = "main") -> None:
    remote = Remote(url=f"file://{server.root}/{NAME}", mode=mode, branch=branch)
    git_remote.save(store, remote, user="ann", base=git_remote.load(store).commit)


def save(store: Store, path: str, text: str | None, *, message: str = "Mine", author: str = "ann") -> str:
    changes = {path: None if text is None else text.encode()}
    return store.dags.save(changes, author=author, message=message, base=store.dags.head()).id


def kept(store: Store) -> list[str]:
    names = git(store.dags.path, "for-each-ref", "--format=%(objectname)", "refs/heads/kept")
    return names.split()


def force(server: GitServer, *commands: tuple[str, ...], branch: str = "main") -> str:
    """Rewrite the history in a clone, as somebody who has it, and push it by force."""
    clone = server.root / f"clone-of-{NAME}"
    for command in commands:
        git(clone, *command)
    git(clone, "push", "--quiet", "--force", "origin", f"HEAD:{branch}")
    return git(clone, "rev-parse", "HEAD")


def amended(server: GitServer) -> str:
    return force(
        server, ("rm", "-q", "-f", "secret.py"), ("commit", "-q", "--amend", "-m", "without", "--allow-empty")
    )


def rebased(server: GitServer) -> str:
    """Change an older commit below the newest one."""
    clone = server.root / f"clone-of-{NAME}"
    secret = git(clone, "rev-parse", "HEAD")
    (clone / "c.py").write_text("c\n")
    commands = (("add", "."), ("commit", "-q", "-m", "c"), ("rebase", "-q", "--onto", f"{secret}~1", secret))
    return force(server, *commands)


def dropped(server: GitServer) -> str:
    """Let the commit before the newest one go, without a word on the newest."""
    server.commit(NAME, {"c.py": "c\n"})
    return force(server, ("rebase", "-q", "--onto", "HEAD~2", "HEAD~1"))


def unrelated(server: GitServer) -> str:
    return force(
        server, ("checkout", "-q", "--orphan", "fresh"), ("rm", "-q", "-f", "secret.py"),
        ("commit", "-q", "-m", "all anew"), ("branch", "-q", "-D", "main"), ("branch", "-q", "-m", "main"),
    )  # fmt: skip


def went_back(server: GitServer) -> str:
    return force(server, ("reset", "-q", "--hard", "HEAD~1"))


WAYS = (amended, rebased, dropped, unrelated, went_back)
ALL = pytest.mark.parametrize("rewrite", WAYS)
BOTH = pytest.mark.parametrize("mode", [FOLLOW, TWO_WAY])


def with_secret(store: Store, server: GitServer, mode: str) -> str:
    """Bring a commit that holds a secret here, and return it."""
    connect(store, server, mode)
    secret = server.commit(NAME, {"secret.py": SECRET})
    assert git_sync.synchronise(store).local == secret
    return secret


def reachable(server: GitServer) -> set[str]:
    """Return all commits of all branches and tags of the remote."""
    return set(git(server.root / NAME, "rev-list", "--all").split())


@BOTH
@ALL
def test_where_nothing_is_ours_the_rewritten_history_is_followed(
    store: Store, server: GitServer, rewrite: Callable[[GitServer], str], mode: str
) -> None:
    secret = with_secret(store, server, mode)
    new = rewrite(server)

    state = git_sync.synchronise(store)

    assert (state.result, state.local, state.rewritten) == ("ok", new, False)
    assert "history was rewritten" in state.message and "kept/" in state.message
    assert "secret.py" not in dag_repository.read_all(store)
    assert kept(store) == [secret]
    assert git_sync.synchronise(store).message.startswith("Everything is the same")
    assert secret not in reachable(server)
    assert git(server.root / NAME, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


@BOTH
@ALL
def test_commits_of_ours_are_put_on_top_when_somebody_says_so(
    store: Store, server: GitServer, rewrite: Callable[[GitServer], str], mode: str
) -> None:
    secret = with_secret(store, server, mode)
    save(store, "dags/mine.py", "mine 1\n", message="First é", author="ann")
    mine = save(store, "dags/mine.py", "mine 2\n", message="Second\n\nwith more", author="bob")
    new = rewrite(server)

    for _ in range(2):  # the second look has seen nothing but the new history
        state = git_sync.synchronise(store)
        assert (state.result, state.rewritten, state.ahead, state.paths) == ("conflict", True, 2, ())
        assert "history was rewritten" in state.message
    assert store.dags.head() == mine
    assert git(server.root / NAME, "rev-parse", "main") == new
    with pytest.raises(ConflictError, match="rewritten"):
        git_sync.resolve(store, {}, user="ann")

    after = git_sync.put_on_top(store)

    assert after.result == ("ok" if mode == TWO_WAY else "conflict")
    assert not after.rewritten
    files = dag_repository.read_all(store)
    assert files["dags/mine.py"] == b"mine 2\n"
    assert "secret.py" not in files
    told = [(commit.author, commit.message) for commit in store.dags.history(limit=2)]
    assert told == [("bob", "Second\n\nwith more"), ("ann", "First é")]
    assert store.dags.is_ancestor(new, store.dags.head() or "")
    assert kept(store) == [mine]
    assert git(server.root / NAME, "rev-parse", "main") == (store.dags.head() if mode == TWO_WAY else new)
    assert secret not in reachable(server)


@BOTH
def test_the_rewritten_history_can_be_taken_without_ours(store: Store, server: GitServer, mode: str) -> None:
    secret = with_secret(store, server, mode)
    mine = save(store, "dags/mine.py", "mine\n")
    new = amended(server)
    git_sync.synchronise(store)

    assert git_sync.take_remote(store, user="ann").result == "ok"

    assert store.dags.head() == new
    assert kept(store) == [mine]
    assert secret not in reachable(server)


@BOTH
def test_commits_that_do_not_fit_leave_everything_as_it_was(
    store: Store, server: GitServer, mode: str
) -> None:
    secret = with_secret(store, server, mode)
    mine = save(store, "secret.py", "token = 'mine'\n", message="Change 'it' <&>")
    new = amended(server)
    git_sync.synchronise(store)

    with pytest.raises(ConflictError, match='"secret.py"') as refused:
        git_sync.put_on_top(store)

    assert refused.value.paths == ("secret.py",)
    assert "Change 'it' <&>" in str(refused.value)
    assert store.dags.head() == mine
    assert kept(store) == []
    assert git(server.root / NAME, "rev-parse", "main") == new
    assert git_sync.synchronise(store).rewritten
    assert secret not in reachable(server)


def test_a_commit_of_ours_that_the_remote_took_otherwise_is_not_made_twice(
    store: Store, server: GitServer
) -> None:
    with_secret(store, server, TWO_WAY)
    save(store, "dags/mine.py", "mine\n")
    clone = server.root / f"clone-of-{NAME}"
    (clone / "dags" / "mine.py").write_text("mine\n")
    new = force(server, ("rm", "-q", "-f", "secret.py"), ("add", "."), ("commit", "-q", "--amend", "-m", "x"))
    git_sync.synchronise(store)

    assert git_sync.put_on_top(store).result == "ok"
    assert store.dags.head() == new


def test_what_was_merged_here_and_not_pushed_is_not_given_back(store: Store, server: GitServer) -> None:
    connect(store, server, TWO_WAY)
    git_sync.synchronise(store)
    save(store, "dags/a.py", "mine\n")
    secret = server.commit(NAME, {"dags/a.py": "theirs\n", "secret.py": SECRET})
    assert git_sync.synchronise(store).paths == ("dags/a.py",)
    hook = server.root / NAME / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert git_sync.resolve(store, {"dags/a.py": "ours"}, user="ann").result == "error"
    assert store.dags.is_ancestor(secret, store.dags.head() or "")
    hook.unlink()
    amended(server)

    assert git_sync.synchronise(store).rewritten
    with pytest.raises(ConflictError, match="dags/a.py"):
        git_sync.put_on_top(store)
    assert git_sync.take_remote(store, user="ann").result == "ok"
    assert secret not in reachable(server)


@BOTH
def test_a_deleted_branch_is_not_made_again_from_here(store: Store, server: GitServer, mode: str) -> None:
    secret = with_secret(store, server, mode)
    git(server.root / NAME, "update-ref", "refs/heads/other", f"{secret}~1")
    git(server.root / NAME, "update-ref", "-d", "refs/heads/main")

    gone = git_sync.synchronise(store)
    assert (gone.result, gone.local) == ("error", secret)
    assert "no branch main any more" in gone.message and "that it has: other." in gone.message
    assert secret not in reachable(server)

    new = amended(server)
    state = git_sync.synchronise(store)
    assert (state.result, state.local) == ("ok", new)
    assert kept(store) == [secret]


def test_another_branch_is_not_made_with_what_was_taken_away(store: Store, server: GitServer) -> None:
    secret = with_secret(store, server, TWO_WAY)
    save(store, "dags/mine.py", "mine\n")
    amended(server)
    assert git_sync.synchronise(store).rewritten

    connect(store, server, TWO_WAY, branch="release")
    state = git_sync.synchronise(store)
    assert state.result == "error"
    assert "taken away from the branch main" in state.message
    assert secret not in reachable(server)
    assert not git(store.dags.path, "for-each-ref", "refs/remotes/all")

    connect(store, server, TWO_WAY)
    assert git_sync.synchronise(store).rewritten
    assert git_sync.put_on_top(store).result == "ok"
    connect(store, server, TWO_WAY, branch="release")
    assert git_sync.synchronise(store).message.startswith("Made the branch release")
    assert secret not in reachable(server)


def test_to_connect_again_forgets_nothing(store: Store, server: GitServer) -> None:
    secret = with_secret(store, server, TWO_WAY)
    git_remote.save(store, Remote(), user="ann", base=git_remote.load(store).commit)
    mine = save(store, "dags/mine.py", "mine\n")
    amended(server)

    connect(store, server, TWO_WAY)
    assert git_sync.synchronise(store).rewritten
    assert store.dags.head() == mine
    assert secret not in reachable(server)


def test_a_repository_of_before_is_followed_too(store: Store, server: GitServer) -> None:
    secret = with_secret(store, server, TWO_WAY)
    for name in git(store.dags.path, "for-each-ref", "--format=%(refname)", "refs/seen").split():
        git(store.dags.path, "update-ref", "-d", name)
    new = amended(server)

    assert git_sync.synchronise(store).local == new
    assert kept(store) == [secret]


def test_only_the_newest_commit_of_the_remote_is_remembered(store: Store, server: GitServer) -> None:
    connect(store, server, TWO_WAY)
    for number in range(3):
        newest = server.commit(NAME, {"n.py": f"{number}\n"})
        git_sync.synchronise(store)
    remote = replace(git_remote.load(store))

    assert rewritten.seen(store, remote) == {newest: "main"}


def test_a_missing_branch_names_some_that_there_are(store: Store, server: GitServer) -> None:
    head = git(server.root / NAME, "rev-parse", "main")
    for number in range(30):
        git(server.root / NAME, "update-ref", f"refs/heads/team/b{number:02}", head)
    connect(store, server, FOLLOW, branch="mian")

    message = git_sync.synchronise(store).message

    assert "has no branch mian. Choose one that it has: main, team/b00, team/b01" in message
    assert message.endswith("team/b18 and 11 more.")


def test_a_remote_without_any_branch_says_so(store: Store, server: GitServer) -> None:
    git(server.root / NAME, "update-ref", "-d", "refs/heads/main")
    connect(store, server, FOLLOW)

    assert "no branch at all: push one first" in git_sync.synchronise(store).message


def test_links_that_airflow_is_not_given_are_told(store: Store, server: GitServer, tmp_path: Path) -> None:
    clone = server.root / f"clone-of-{NAME}"
    (clone / "lib" / "deep").mkdir(parents=True)
    (clone / "lib" / "deep" / "x.py").write_text("x\n")
    targets = {
        "folder": "lib", "lib/up": "..", "out": "/etc/passwd", "gone": "nowhere.py", "turn": "turn",
        "file.py": "lib/deep/x.py", "again.py": "file.py", "a b": "lib/deep",
    }  # fmt: skip
    for name, target in targets.items():
        (clone / name).symlink_to(target)
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "links")
    git(clone, "push", "-q", "origin", "HEAD:main")
    connect(store, server, FOLLOW)

    notes = git_sync.synchronise(store).notes

    reasons = {"folder": "a folder", "lib/up": "a folder", "out": "out of", "gone": "there is no",
               "turn": "back to itself", "a b": "a folder"}  # fmt: skip
    assert len(notes) == len(reasons)
    for name, reason in reasons.items():
        assert [note for note in notes if f'link "{name}" to' in note and reason in note], name
    folder = tmp_path / "version"
    folder.mkdir()
    dag_repository.materialize(store, folder, commit=store.dags.head() or "")
    assert {p.name for p in folder.rglob("*") if p.is_symlink()} == {"file.py", "again.py"}
    assert (folder / "again.py").read_text() == "x\n"
    assert git_remote.state(store).notes == notes
