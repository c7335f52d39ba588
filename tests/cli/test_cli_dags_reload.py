"""`couture-workflow dags reload` on the machine of the home; elsewhere: tests/test_team_repository.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couture_workflow import cli
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git.remote import Remote
from tests.support.git_server import git


@pytest.mark.slow
def test_a_home_looks_at_its_remote_and_says_what_came(
    store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "clone")
    (clone / "ok.py").write_text("one = 1\n")
    (clone / "bad.py").write_text("def f(:\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "begin")
    git_remote.save(store, Remote(url=f"file://{clone}"), user="ann", base=store.config.head())

    first = cli.main(["dags", "reload", "--home", str(store.root)])
    said = capsys.readouterr().out
    second = cli.main(["dags", "reload", "--home", str(store.root)])
    again = capsys.readouterr().out
    clone.rename(tmp_path / "gone")
    third = cli.main(["dags", "reload", "--home", str(store.root)])

    assert (first, second, third) == (1, 0, 1)
    assert "added: bad.py\nadded: ok.py\nbad.py:1:" in said and "would have refused" in said
    assert again == "Everything is the same here and there.\nNo DAG file has changed.\n"
    assert f"file://{clone} cannot be used" in capsys.readouterr().out


def test_without_a_remote_there_is_nothing_to_look_at(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dags", "reload", "--home", str(store.root)]) == 0
    assert "There is no remote." in capsys.readouterr().out


def test_a_workbench_elsewhere_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["dags", "reload", "--url", "http://127.0.0.1:9"]) == 1
    assert "Say who you are" in capsys.readouterr().err

    monkeypatch.setenv("COUTURE_HOOK_SECRET", "secret")
    assert cli.main(["dags", "reload", "--url", "http://127.0.0.1:9"]) == 1
    assert "http://127.0.0.1:9 cannot be reached" in capsys.readouterr().err
