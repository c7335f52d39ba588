"""`couture-workflow dags lint`: what it prints, its exit codes, and that it needs nothing but the files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.workbench import command

SOUND = "from airflow.sdk import DAG\n\nwith DAG('sound', schedule=None):\n    pass\n"
BROKEN = "from airflow.sdk import DAG\nimport nowhere\n"


def lint(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "COUTURE"))}
    home = folder.parent / "a home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [*command(), "dags", "lint", *arguments],
        cwd=folder,
        env={**kept, "HOME": str(home), **variables},
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "dags" / "lib").mkdir(parents=True)
    (folder / "dags" / "sound.py").write_text(f"from lib.names import NAME\n{SOUND}print(NAME)\n")
    (folder / "dags" / "lib" / "__init__.py").write_text("")
    (folder / "dags" / "lib" / "names.py").write_text("NAME = 1\n")
    return folder


@pytest.mark.slow
def test_a_sound_folder_passes_and_leaves_nothing_behind(project: Path) -> None:
    before = sorted(project.rglob("*"))

    done = lint(project, "dags")

    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout == "3 file(s) checked, 1 DAG(s): 0 error(s), 0 warning(s), 0 note(s).\n"
        or "sandbox" in done.stdout
    )
    assert sorted(project.rglob("*")) == before
    assert not (project.parent / "a home" / "airflow").exists()


@pytest.mark.slow
def test_errors_are_printed_with_their_place(project: Path) -> None:
    (project / "dags" / "broken.py").write_text(BROKEN)

    done = lint(project, "dags")

    assert done.returncode == 1
    assert "dags/broken.py:2:1: error: No module named 'nowhere'. [import]\n" in done.stdout
    assert done.stdout.endswith("note(s).\n")


@pytest.mark.slow
def test_one_file_is_checked_below_a_root(project: Path) -> None:
    (project / "dags" / "broken.py").write_text(BROKEN)

    done = lint(project, "--root", "dags", "dags/sound.py")

    assert done.returncode == 0, done.stdout
    assert "1 file(s) checked, 1 DAG(s)" in done.stdout


@pytest.mark.slow
def test_json_is_for_programs(project: Path) -> None:
    (project / "dags" / "broken.py").write_text(BROKEN)

    answer = json.loads(lint(project, "--format", "json", "dags").stdout)

    assert (answer["passed"], answer["files"], answer["dags"]) == (False, 4, ["sound"])
    (problem,) = [each for each in answer["problems"] if each["level"] == "error"]
    assert (problem["path"], problem["line"], problem["code"]) == ("dags/broken.py", 2, "import")


@pytest.mark.slow
def test_annotations_are_escaped_for_github(project: Path) -> None:
    (project / "dags" / "100%, a:b.py").write_text(BROKEN)

    done = lint(project, "--format", "github", "dags")

    assert (
        "::error file=dags/100%25%2C a%3Ab.py,line=2,endLine=2,col=1,title=import::No module named 'nowhere'."
        in done.stdout
    )


@pytest.mark.slow
def test_warnings_count_only_if_strict(project: Path) -> None:
    (project / "dags" / "data.yaml").write_text("a: [1\nb: 2\n")

    assert lint(project, "dags").returncode == 0
    assert lint(project, "--strict", "dags").returncode == 1


@pytest.mark.slow
def test_without_parsing_nothing_is_run(project: Path) -> None:
    (project / "dags" / "broken.py").write_text(BROKEN)

    assert lint(project, "--no-parse", "dags").returncode == 0


@pytest.mark.slow
def test_variables_come_from_the_environment(project: Path) -> None:
    (project / "dags" / "variable.py").write_text(
        "from airflow.sdk import DAG, Variable\nd = DAG(Variable.get('name')['x'], schedule=None)\n".replace(
            "'name')", "'name', deserialize_json=True)"
        )
    )

    unset = lint(project, "dags")
    done = lint(project, "--format", "json", "dags", AIRFLOW_VAR_NAME='{"x": "from_the_environment"}')

    assert unset.returncode == 0 and "[needs-variable]" in unset.stdout
    assert json.loads(done.stdout)["dags"] == ["from_the_environment", "sound"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere",),
        ("--root", "dags", "."),
        ("--root", "dags/sound.py", "dags/sound.py"),
        (),
        ("--format", "x", "dags"),
    ],
    ids=["no file", "outside", "root is a file", "no path", "unknown format"],
)
def test_wrong_usage_is_told_apart(project: Path, arguments: tuple[str, ...]) -> None:
    done = lint(project, *arguments)

    assert done.returncode == 2
    assert done.stderr.strip() and not done.stdout
