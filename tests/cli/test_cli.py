"""The command line: exit codes, one sentence on standard error, nothing heavy imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import couture_workflow
from couture_workflow import cli
from couture_workflow.services.notebooks import outputs
from couture_workflow.services.runs.records import RunKey
from couture_workflow.services.workbench import installation
from tests.support.workbench import command


def couture(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return subprocess.run(
        [*command(), *arguments], env={**environment, **variables}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("arguments", [("version",), ("--version",)], ids=["verb", "option"])
def test_the_version_is_printed(arguments: tuple[str, ...]) -> None:
    assert couture(*arguments).stdout == f"couture-workflow {couture_workflow.__version__}\n"


@pytest.mark.parametrize("verb", ["run", "demo", "doctor", "gc", "install", "version"])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])

    assert ended.value.code == 0
    assert cli.COMMANDS[verb].function.__doc__ in " ".join(capsys.readouterr().out.split())


def test_a_verb_that_does_not_exist_is_refused() -> None:
    done = couture("frobnicate")

    assert done.returncode == 2
    assert "invalid choice: 'frobnicate'" in done.stderr


def test_a_port_that_is_no_number_is_refused() -> None:
    done = couture("run", COUTURE_PORT="eighty")

    assert done.returncode == 2
    assert "eighty" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("verb", ["doctor", "gc"])
def test_a_folder_that_is_no_home_is_refused(verb: str, tmp_path: Path) -> None:
    done = couture(verb, "--home", str(tmp_path))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"couture-workflow: There is no home of a workbench in {tmp_path}: choose one with --home or "
        "COUTURE_HOME.\n"
    )


@pytest.fixture
def nothing_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the doctor looks at around a home: here that is the one of the tests."""
    monkeypatch.setattr(installation, "check", lambda store: [])


@pytest.mark.usefixtures("nothing_around")
def test_the_doctor_finds_a_healthy_home_well(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--home", str(store.root)]) == 0
    assert capsys.readouterr().out == f"{store.root}: all is well.\n"


@pytest.mark.usefixtures("nothing_around")
def test_the_doctor_reports_damage(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = store.artifacts.put("jöb+1.py", [b"print(1)"], user="me")
    path = store.artifacts.path(file.name)
    path.chmod(0o600)
    path.write_bytes(b"damage!!")

    code = cli.main(["doctor", "--home", str(store.root)])
    said = capsys.readouterr().out

    assert code == 1
    assert str(path) in said
    assert said.endswith(f"{store.root}: 1 problem(s) found.\n")


def test_garbage_is_collected(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["gc", "--home", str(store.root)]) == 0
    assert capsys.readouterr().out == f"{store.root}: removed 0 file(s), 0 bytes.\n"


def test_outputs_of_notebooks_that_are_not_kept_are_garbage(
    store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        outputs.begin(store, RunKey("d", str(number), "t"), outputs.Keep(1))

    assert cli.main(["gc", "--home", str(store.root)]) == 0

    assert "Removed the outputs of 2 run(s) of notebooks" in capsys.readouterr().out
    assert outputs.room(store, "d").tries == 1


def test_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys; from couture_workflow import cli; cli.parser(); print(*sys.modules)"
    code = "import couture_workflow.services.workbench.embedded;" + code

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"airflow", "flask", "fastapi", "sqlalchemy", "httpx"} & set(loaded)
