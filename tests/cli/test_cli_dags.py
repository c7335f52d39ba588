"""`couture-workflow dags lint`: what it prints, its exit codes, and that it needs nothing but the files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from couture_workflow.cli.dags import Waiting
from couture_workflow.services.gate import folders
from tests.support import homes
from tests.support.workbench import command

SOUND = "from airflow.sdk import DAG\n\nwith DAG('sound', schedule=None):\n    pass\n"
BROKEN = "from airflow.sdk import DAG\nimport nowhere\n"


def lint(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    home = folder.parent / "a home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [*command(), "dags", "lint", *arguments],
        cwd=folder,
        env=homes.plain_environment(HOME=str(home), **variables),
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
def test_a_report_for_gitlab_names_files_that_were_not_looked_at_too(project: Path) -> None:
    (project / "dags" / "hüge 'x'.py").write_bytes(b"# airflow dag\n" * (9 * 2**20 // 14))
    (project / "dags" / "away.py").symlink_to("/etc/hostname")
    (project / "dags" / "same.py").symlink_to("sound.py")
    (project / "dags" / "folder").symlink_to("lib")
    (project / "dags" / "bytes.bin").write_bytes(bytes(range(256)))
    (project / "dags" / "broken.py").write_bytes(b"def f(:\n")

    done = lint(project, "--format", "gitlab", "--no-parse", ".")

    found = {
        (row["location"]["path"], row["location"]["lines"]["begin"], row["check_name"], row["severity"])
        for row in json.loads(done.stdout)
    }
    assert done.returncode == 1
    assert found >= {
        ("dags/hüge 'x'.py", 1, "too-large", "blocker"),
        ("dags/broken.py", 1, "syntax", "blocker"),
        ("dags/away.py", 1, "link", "minor"),
        ("dags/folder", 1, "link", "minor"),
    }
    assert not {path for path, *_ in found} & {"dags/same.py", "dags/bytes.bin"}
    assert "dags/broken.py:1:" in done.stderr


@pytest.mark.slow
def test_a_name_that_is_no_text_is_shown_all_the_same(project: Path) -> None:
    Path(os.fsdecode(bytes(project) + b"/dags/\xff.py")).write_text("import os\n")

    for kind in ("text", "json", "github", "gitlab"):
        done = lint(project, "dags", "--no-parse", "--format", kind, PYTHONIOENCODING="utf-8:strict")
        assert done.returncode == 0
        assert "udcff.py" in done.stdout


@pytest.mark.slow
def test_whoever_has_seen_enough_sees_no_traceback(project: Path) -> None:
    # More lines than a pipe holds, and not so many that the check of the file gives up on a busy machine.
    (project / "dags" / "many.py").write_text("import os\n" * 2_000)

    words = [*command(), "dags", "lint", "--no-parse", "dags"]
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "bash", *words],
        cwd=project,
        env=homes.plain_environment(),
        capture_output=True,
        text=True,
        timeout=180,
    )

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("\n") == 1


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


def test_an_ignore_file_is_read_in_the_syntax_that_is_set(project: Path) -> None:
    (project / "dags" / ".airflowignore").write_text("^lib/.*_v[0-9]\\.py$\n")
    (project / "dags" / "lib" / "old_v1.py").write_text(SOUND.replace("sound", "old"))

    regexp, glob = (
        lint(project, "--format", "json", "dags", AIRFLOW__CORE__DAG_IGNORE_FILE_SYNTAX=syntax)
        for syntax in ("regexp", "glob")
    )

    assert json.loads(regexp.stdout)["dags"] == ["sound"]
    assert json.loads(glob.stdout)["dags"] == ["old", "sound"]
    codes = [[each["code"] for each in json.loads(done.stdout)["problems"]] for done in (regexp, glob)]
    assert ["ignore-syntax" in found for found in codes] == [False, True]


def test_a_long_check_says_how_far_it_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folders.read([project], root=None)

    folder.check(parse=False, told=Waiting(every=0))
    folder.check(parse=False, told=Waiting(every=3600, many=1))
    assert capsys.readouterr().err == ""

    folder.check(parse=False, told=Waiting(every=0, many=1))
    assert capsys.readouterr().err.splitlines() == [f"read {done} of 3 files" for done in (1, 2, 3)]
