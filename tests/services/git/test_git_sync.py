"""The DAG repository and a real git remote over HTTP with tokens: what moves, and that nothing is lost."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from couture_workflow.exceptions import ConflictError, InvalidError, NotAllowedError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import sync as git_sync
from couture_workflow.services.git import watch as git_watch
from couture_workflow.services.git.remote import FOLLOW, TWO_WAY, Credential, Remote
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.store.home import Store
from tests.support.git_server import GitServer, git, git_server

TOKEN = "t0k'en \"<&>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "git", {"ci": TOKEN, "team": "other"}) as running:
        running.repository("central.git")
        running.commit("central.git", {"dags/a.py": "one\n", "shared/x.py": "x\n"})
        yield running


def connect(store: Store, server: GitServer, mode: str = TWO_WAY, **settings: object) -> Remote:
    remote = Remote(
        url=f"{server.url}/central.git",
        mode=mode,
        credentials=(Credential(f"{server.url}/", "ci"),),
        **settings,
    )
    base = git_remote.load(store).commit
    return git_remote.save(store, remote, user="ann", base=base, values={f"{server.url}/": TOKEN})


def save(store: Store, **files: str | None) -> str:
    changes = {name.replace("__", "/") + ".py": text and text.encode() for name, text in files.items()}
    return store.dags.save(changes, author="ann", message="here", base=store.dags.head()).id


@pytest.mark.slow
def test_follow_takes_what_is_there_and_what_comes(store: Store, server: GitServer) -> None:
    connect(store, server, FOLLOW)
    moves: list[tuple[str | None, str]] = []

    first = git_sync.synchronise(store, moved=lambda old, new: moves.append((old, new)))
    assert (first.result, first.paths) == ("ok", ())
    assert dag_repository.read(store, "dags/a.py") == b"one\n"

    newest = server.commit("central.git", {"dags/a.py": "two\n"})
    second = git_sync.synchronise(store, moved=lambda old, new: moves.append((old, new)))

    assert (second.result, second.local, second.remote) == ("ok", newest, newest)
    assert dag_repository.read(store, "dags/a.py") == b"two\n"
    assert store.dags.history(limit=1)[0].author == "Rita Remote"
    assert moves == [(None, first.local), (first.local, newest)]
    assert git_remote.state(store) == second
    assert git_remote.follows(store) == f"{server.url}/central.git"


@pytest.mark.slow
def test_files_that_follow_a_remote_cannot_be_changed_here(store: Store, server: GitServer) -> None:
    connect(store, server, FOLLOW)
    git_sync.synchronise(store)
    with pytest.raises(NotAllowedError, match="central.git"):
        dag_saving.save(store, {"x.sql": b"select 1"}, user="ann", message="", base=store.dags.head())

    connect(store, server, TWO_WAY)
    dag_saving.save(store, {"x.sql": b"select 1"}, user="ann", message="", base=store.dags.head())
    assert (store.root / git_watch.WANTED).exists()


@pytest.mark.slow
def test_two_way_gives_what_was_saved_here(store: Store, server: GitServer) -> None:
    connect(store, server)
    git_sync.synchronise(store)
    mine = save(store, dags__b="mine\n")

    assert git_sync.synchronise(store).result == "ok"
    assert server.file("central.git", "dags/b.py") == "mine"
    assert git(server.root / "central.git", "rev-parse", "main") == mine
    assert git_sync.synchronise(store).message.startswith("Everything is the same")


@pytest.mark.slow
def test_changes_on_both_sides_are_merged(store: Store, server: GitServer) -> None:
    connect(store, server)
    git_sync.synchronise(store)
    save(store, dags__b="mine\n")
    server.commit("central.git", {"dags/a.py": "theirs\n"})

    assert git_sync.synchronise(store).result == "ok"
    assert dag_repository.read(store, "dags/a.py") == b"theirs\n"
    assert dag_repository.read(store, "dags/b.py") == b"mine\n"
    assert server.file("central.git", "dags/b.py") == "mine"


@pytest.mark.slow
def test_files_from_before_the_connection_are_kept(store: Store, server: GitServer) -> None:
    save(store, dags__old="old\n")
    connect(store, server)

    assert git_sync.synchronise(store).result == "ok"
    assert dag_repository.read(store, "dags/old.py") == b"old\n"
    assert server.file("central.git", "dags/old.py") == "old"


@pytest.mark.slow
@pytest.mark.parametrize(("choice", "text"), [("ours", "mine"), ("theirs", "theirs")])
def test_a_conflict_overwrites_nobody_until_somebody_chooses(
    store: Store, server: GitServer, choice: str, text: str
) -> None:
    connect(store, server)
    git_sync.synchronise(store)
    mine = save(store, dags__a="mine\n", dags__b="b\n")
    theirs = server.commit("central.git", {"dags/a.py": "theirs\n", "dags/c.py": "c\n"})

    state = git_sync.synchronise(store)
    assert (state.result, state.paths, state.ahead, state.behind) == ("conflict", ("dags/a.py",), 1, 1)
    assert store.dags.head() == mine
    assert git(server.root / "central.git", "rev-parse", "main") == theirs

    with pytest.raises(InvalidError, match="Choose"):
        git_sync.resolve(store, {}, user="ann")
    assert git_sync.resolve(store, {"dags/a.py": choice}, user="ann").result == "ok"
    for path, content in {"dags/a.py": text, "dags/b.py": "b", "dags/c.py": "c"}.items():
        assert (
            dag_repository.read(store, path).decode().strip() == server.file("central.git", path) == content
        )
    assert store.dags.is_ancestor(mine, store.dags.head() or "")
    assert store.dags.is_ancestor(theirs, store.dags.head() or "")


@pytest.mark.slow
def test_a_deleted_file_that_the_other_side_changed_is_a_conflict(store: Store, server: GitServer) -> None:
    connect(store, server)
    git_sync.synchronise(store)
    save(store, dags__a=None)
    server.commit("central.git", {"dags/a.py": "theirs\n"})

    assert git_sync.synchronise(store).paths == ("dags/a.py",)
    assert git_sync.resolve(store, {"dags/a.py": "ours"}, user="ann").result == "ok"
    assert "dags/a.py" not in {file.path for file in dag_repository.files(store)}


@pytest.mark.slow
def test_following_never_drops_what_is_here(store: Store, server: GitServer) -> None:
    connect(store, server, FOLLOW)
    git_sync.synchronise(store)
    mine = save(store, dags__b="mine\n")
    theirs = server.commit("central.git", {"dags/a.py": "theirs\n"})

    state = git_sync.synchronise(store)
    assert (state.result, state.ahead, state.behind) == ("conflict", 1, 1)
    assert store.dags.head() == mine

    assert git_sync.take_remote(store, user="ann").result == "ok"
    assert store.dags.head() == theirs
    kept = git(store.dags.path, "for-each-ref", "--format=%(objectname)", "refs/heads/kept")
    assert kept == mine


@pytest.mark.slow
def test_a_wrong_token_is_told_and_the_right_one_heals(store: Store, server: GitServer) -> None:
    remote = connect(store, server)
    git_remote.save(store, remote, user="ann", base=remote.commit, values={f"{server.url}/": "wrong"})

    state = git_sync.synchronise(store)
    assert state.result == "error"
    assert "token is wrong" in state.message
    assert "wrong" not in state.message.replace("token is wrong", "")

    git_remote.save(
        store, git_remote.load(store), user="ann", base=git_remote.load(store).commit,
        values={f"{server.url}/": TOKEN},
    )  # fmt: skip
    assert git_sync.synchronise(store).result == "ok"


@pytest.mark.slow
def test_submodules_in_other_private_repositories(store: Store, server: GitServer) -> None:
    server.repository("team/lib.git")
    one = server.commit("team/lib.git", {"lib.py": "VALUE = 1\n"})
    server.add_submodule("central.git", "team", "../team/lib.git", one)
    remote = connect(store, server, FOLLOW)
    credentials = (*remote.credentials, Credential(f"{server.url}/team/", "team"))
    from dataclasses import replace

    git_remote.save(
        store, replace(remote, credentials=credentials), user="ann", base=remote.commit,
        values={f"{server.url}/team/": "other"},
    )  # fmt: skip

    assert git_sync.synchronise(store).result == "ok"
    assert dag_repository.read(store, "team/lib.py") == b"VALUE = 1\n"
    assert any(line.startswith("team /team/lib.git") for line in server.seen)
    assert not any(line.startswith("ci /team/") for line in server.seen)
    first = store.dags.head() or ""

    two = server.commit("team/lib.git", {"lib.py": "VALUE = 2\n"})
    server.bump_submodule("central.git", "team", two)
    assert git_sync.synchronise(store).result == "ok"
    assert dag_repository.read(store, "team/lib.py") == b"VALUE = 2\n"
    assert dag_repository.read(store, "team/lib.py", commit=first) == b"VALUE = 1\n"


@pytest.mark.slow
def test_a_submodule_that_cannot_be_fetched_keeps_the_branch_where_it_is(
    store: Store, server: GitServer
) -> None:
    connect(store, server, FOLLOW)
    before = git_sync.synchronise(store).local
    server.add_submodule("central.git", "gone", f"{server.url}/nowhere.git", "1" * 40)

    state = git_sync.synchronise(store)
    assert state.result == "error"
    assert "nowhere.git" in state.message
    assert store.dags.head() == before


@pytest.mark.slow
@pytest.mark.parametrize("url", ["/etc", "file:///etc", "ext::sh -c id", "--upload-pack=id"])
def test_a_submodule_cannot_reach_into_this_machine(store: Store, server: GitServer, url: str) -> None:
    server.add_submodule("central.git", "evil", url, "1" * 40)
    connect(store, server, FOLLOW)

    state = git_sync.synchronise(store)
    assert state.result == "error"
    assert store.dags.head() is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["..", ".git", ".GIT"])
@pytest.mark.parametrize("where", ["central.git", "team.git"], ids=["own", "submodule"])
def test_a_tree_cannot_lead_out_of_its_folder(store: Store, server: GitServer, name: str, where: str) -> None:
    before = git(server.root / "central.git", "rev-parse", "main")
    connect(store, server, FOLLOW)
    assert git_sync.synchronise(store).result == "ok"
    if where != "central.git":
        server.repository(where)
    crafted = _made_by_hand(server.root / where, name)
    if where != "central.git":
        server.add_submodule("central.git", "evil", f"../{where}", crafted)

    state = git_sync.synchronise(store)

    assert state.result == "error"
    assert f"{name}/evil.py" in state.message
    assert store.dags.head() == before


def _made_by_hand(repository: Path, name: str) -> str:
    """Commit a folder of a name that git itself refuses, on the main branch."""

    def written(*arguments: str, content: bytes) -> str:
        command = ["git", "hash-object", "-w", "--stdin", *arguments]
        return (
            subprocess.run(command, cwd=repository, input=content, capture_output=True)
            .stdout.decode()
            .strip()
        )

    blob = written(content=b"evil = 1\n")
    tree = ("-t", "tree", "--literally")
    inner = written(*tree, content=b"100644 evil.py\0" + bytes.fromhex(blob))
    outer = written(*tree, content=b"40000 %b\0%b" % (name.encode(), bytes.fromhex(inner)))
    parents = ["-p", "main"] if git(repository, "branch", "--list", "main") else []
    commit = git(repository, "commit-tree", outer, *parents, "-m", "by hand")
    git(repository, "update-ref", "refs/heads/main", commit)
    return commit


@pytest.mark.slow
def test_a_branch_that_is_not_there(store: Store, server: GitServer) -> None:
    connect(store, server, FOLLOW, branch="release")
    assert "no branch release" in git_sync.synchronise(store).message

    save(store, dags__a="mine\n")
    connect(store, server, TWO_WAY, branch="release")
    assert git_sync.synchronise(store).result == "ok"
    assert git(server.root / "central.git", "show", "release:dags/a.py") == "mine"


@pytest.mark.slow
def test_a_path_is_a_remote_too(store: Store, server: GitServer) -> None:
    git_remote.save(
        store, Remote(url=f"file://{server.root}/central.git", mode=TWO_WAY), user="ann", base=None
    )
    assert git_sync.synchronise(store).result == "ok"
    assert dag_repository.read(store, "dags/a.py") == b"one\n"


@pytest.mark.slow
def test_tokens_are_in_no_file_but_encrypted(store: Store, server: GitServer) -> None:
    connect(store, server)
    git_sync.synchronise(store)

    for path in store.root.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
    assert TOKEN not in str(git_remote.as_form(git_remote.load(store)))
    (secret,) = (store.root / "secrets").iterdir()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


@pytest.mark.slow
def test_disconnecting_forgets_the_secrets_and_keeps_the_files(store: Store, server: GitServer) -> None:
    remote = connect(store, server)
    git_sync.synchronise(store)
    git_remote.save(store, Remote(), user="ann", base=remote.commit)

    assert store.secrets.names() == ()
    assert dag_repository.read(store, "dags/a.py") == b"one\n"
    assert git_sync.synchronise(store).result == ""


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"url": "https://ann:secret@example.org/x.git"}, "url"),
        ({"url": "ext::sh -c id"}, "url"),
        ({"url": "--upload-pack=id"}, "url"),
        ({"url": "https://example.org"}, "url"),
        ({"url": "https://example.org/x.git", "branch": "a..b"}, "branch"),
        ({"url": "https://example.org/x.git", "branch": "-x"}, "branch"),
        ({"url": "https://example.org/x.git", "folder": "../x"}, "path"),
        ({"url": "https://example.org/x.git", "mode": "push"}, "mode"),
        ({"url": "https://example.org/x.git", "interval": 1}, "interval"),
        ({"url": "https://example.org/x.git", "credentials": (Credential("https://", "x"),)}, "credentials"),
        (
            {"url": "https://example.org/x.git", "credentials": (Credential("https://a/", "x"),)},
            "credentials",
        ),
    ],
)
def test_settings_that_break_a_rule_are_refused(
    store: Store, settings: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        git_remote.save(store, Remote(**settings), user="ann", base=None)  # type: ignore[arg-type]

    assert refused.value.field == field
    assert git_remote.load(store) == Remote()
    assert "secret" not in str(refused.value)


@pytest.mark.slow
def test_settings_are_saved_by_one_person_at_a_time(store: Store, server: GitServer) -> None:
    first = connect(store, server)
    git_remote.save(store, Remote(), user="ann", base=first.commit)
    with pytest.raises(ConflictError):
        git_remote.save(store, first, user="bob", base=first.commit, values={f"{server.url}/": TOKEN})


def test_a_credential_never_serves_another_host() -> None:
    remote = Remote(
        credentials=(
            Credential("https://git.example.org", "x"),
            Credential("https://git.example.org/a/", "y"),
        )
    )

    def user(url: str) -> str | None:
        found = git_remote.credential_for(remote, url)
        return found.username if found else None

    assert user("https://git.example.org/b.git") == "x"
    assert user("https://git.example.org/a/b.git") == "y"
    assert user("https://git.example.org.evil.net/b.git") is None
    assert user("http://git.example.org/b.git") is None
