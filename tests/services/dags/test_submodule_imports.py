"""Files of a submodule import what lies in their own repository, and nobody else finds that."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from couture_workflow.services.dags import submodule_imports


@pytest.fixture
def central(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a repository with two teams whose modules have the same names, on the import path."""
    before = list(sys.meta_path)
    submodule_imports.install()
    text = ""
    for team in ("team_a", "nested/team b"):
        text += f'[submodule "{team}"]\n\tpath = {team}\n\turl = ../x.git\n'
        folder = tmp_path / team
        for name, content in {
            "couture_shared/__init__.py": "",
            "couture_shared/name.py": f"NAME = {team!r}\n",
            "dags/job.py": "from couture_shared.name import NAME\n",
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
    (tmp_path / ".gitmodules").write_text(text)
    (tmp_path / "own.py").write_text("from couture_shared.name import NAME\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.meta_path[:] = before
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.startswith("couture_shared")]:
        del sys.modules[name]


def test_each_team_gets_its_own(central: Path) -> None:
    for team in ("team_a", "nested/team b"):
        _forget()  # each DAG file has a process of its own
        assert runpy.run_path(str(central / team / "dags" / "job.py"))["NAME"] == team


def test_it_is_found_in_a_folder_of_the_repository_that_airflow_reads(
    central: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(central / "nested"), *sys.path[1:]])

    assert runpy.run_path(str(central / "nested/team b/dags/job.py"))["NAME"] == "nested/team b"


@pytest.mark.parametrize("text", ['[submodule "x"]\npath = ..\nurl = x\n', "[submodule", "\0"])
def test_nobody_else_finds_it(central: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(ModuleNotFoundError):  # the central repository itself
        runpy.run_path(str(central / "own.py"))

    (central / ".gitmodules").write_text(text)
    with pytest.raises(ModuleNotFoundError):  # a .gitmodules that names no folder of it
        runpy.run_path(str(central / "team_a/dags/job.py"))

    monkeypatch.setattr(sys, "path", sys.path[1:])
    with pytest.raises(ModuleNotFoundError):  # nothing of it is on the import path
        runpy.run_path(str(central / "team_a/dags/job.py"))
