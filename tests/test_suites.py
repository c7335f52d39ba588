"""``tools/suites.py``: when the whole of a long suite runs, and when its digest is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEFINITION = """
name = "boats"
whole = ["tests/boats"]
short = ["tests/boats", "-m", "always"]
covers = ["harbour/", "boat.txt", "sail*.txt"]
may_skip = ["no wind"]
not_with = ["OTHER_SEA"]
"""
TESTS = """
import pathlib
import pytest

ROOT = pathlib.Path(__file__).parents[2]

@pytest.mark.always
def test_short():
    (ROOT / "out" / "short").touch()

def test_long():
    (ROOT / "out" / "long").touch()
"""
TOGETHER = ('short = ["tests/boats", "-m", "always"]', "together = true")
CONFTEST = """
from tests.support.long_suites import is_left_out, leave_out

def pytest_ignore_collect(collection_path, config):
    return True if is_left_out(collection_path, config) else None

def pytest_collection_modifyitems(config, items):
    leave_out(config, items)
"""
PATHS = ("harbour/quay.txt", "harbour/deep/pier.txt", "boat.txt", "sails.txt", "elsewhere.txt", "harbour.txt")
AS_IT_WAS = "boats: the covered files are as they were when the whole passed: the short part runs."


@dataclass
class Project:
    """A repository with one suite."""

    folder: Path

    def git(self, *words: str) -> str:
        """Run git as a person whose settings are unknown."""
        names = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *names, *words], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout

    def commit(self) -> None:
        """Commit all that there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change")

    def suites(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Type ``python tools/suites.py`` and these words."""
        return self.python("tools/suites.py", *words, **variables)

    def pytest(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type ``pytest`` and these words."""
        return self.python("-m", "pytest", "-q", *words)

    def python(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Type ``python`` and these words."""
        known = {name: value for name, value in os.environ.items() if name != "CI"}
        command = [sys.executable, *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**known, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables},
            capture_output=True,
            text=True,
        )

    def status(self) -> str:
        """Return what the program finds."""
        done = self.suites("status")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, path: str, content: str) -> None:
        """Write a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def ran(self) -> set[str]:
        """Return which tests ran since the last call."""
        files = list((self.folder / "out").glob("[ls]*"))
        for file in files:
            file.unlink()
        return {file.name for file in files}

    @property
    def digest(self) -> Path:
        """The digest of the suite."""
        return self.folder / "tests/boats/suite.digest"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make a repository whose first commit has a suite, and whose second the digest of its whole."""
    made = Project(tmp_path_factory.mktemp("template") / "project")
    made.folder.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    for path in PATHS:
        made.write(path, f"{path}\n")
    made.write("tests/boats/suite.toml", DEFINITION)
    made.write("tests/boats/test_boats.py", TESTS)
    made.write("pytest.ini", "[pytest]\nmarkers = always\naddopts = -p no:cacheprovider\n")
    made.write(".gitignore", "/out/\n__pycache__/\nharbour/*.log\n")
    made.write("out/.keep", "")
    (made.folder / "tools").mkdir()
    shutil.copy(ROOT / "tools/suites.py", made.folder / "tools")
    made.commit()
    done = made.suites("run", "boats")
    assert done.returncode == 0, done.stdout + done.stderr
    made.commit()
    made.ran()
    return made


@pytest.fixture
def passed(template: Project, tmp_path: Path) -> Project:
    """Have a repository with a suite whose whole has passed."""
    shutil.copytree(template.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


@pytest.fixture
def project(passed: Project) -> Project:
    """Have a repository with a suite whose whole has not run yet."""
    passed.digest.unlink()
    return passed


@pytest.mark.slow
def test_the_whole_runs_until_it_has_passed_and_then_the_short_part(project: Project) -> None:
    first = project.suites("ci")
    ran_first = project.ran()
    second = project.suites("ci")

    assert first.returncode == 0, first.stdout
    assert ran_first == {"short", "long"}
    assert first.stdout.startswith(
        "boats: there is no tests/boats/suite.digest that tells of a whole that passed"
    )
    assert "Commit tests/boats/suite.digest" in first.stdout
    assert second.returncode == 0, second.stdout
    assert project.ran() == {"short"}
    assert second.stdout.startswith(AS_IT_WAS)


def test_another_clone_with_other_times_finds_the_same(passed: Project, tmp_path: Path) -> None:
    passed.git("clone", "--quiet", str(passed.folder), str(tmp_path / "another clone"))
    clone = Project(tmp_path / "another clone")
    os.utime(clone.folder / "boat.txt", (1, 1))

    assert clone.status() == AS_IT_WAS
    (clone.folder / "out").mkdir()
    assert clone.suites("run", "boats").returncode == 0
    assert clone.digest.read_bytes() == passed.digest.read_bytes()


def write(project: Project) -> None:
    project.write("harbour/quay.txt", "another\n")


def carriage_return(project: Project) -> None:
    (project.folder / "boat.txt").write_bytes(b"boat.txt\r\n")


def add(project: Project) -> None:
    project.write("sails of tomorrow.txt", "")


def remove(project: Project) -> None:
    (project.folder / "boat.txt").unlink()


def rename(project: Project) -> None:
    (project.folder / "harbour/deep/pier.txt").rename(project.folder / "harbour/pier ü.txt")


def make_executable(project: Project) -> None:
    (project.folder / "boat.txt").chmod(0o755)


def make_link(project: Project) -> None:
    (project.folder / "boat.txt").unlink()
    (project.folder / "boat.txt").symlink_to("sails.txt")


def change_a_test(project: Project) -> None:
    project.write("tests/boats/test_boats.py", f"{TESTS}\n")


def cover_less(project: Project) -> None:
    project.write("tests/boats/suite.toml", DEFINITION.replace('"harbour/", ', '"harbour/q*", '))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (write, "1 covered file changed since the whole passed (harbour/quay.txt)"),
        (carriage_return, "1 covered file changed since the whole passed (boat.txt)"),
        (add, "1 covered file changed since the whole passed (sails of tomorrow.txt is new)"),
        (remove, "1 covered file changed since the whole passed (boat.txt is gone)"),
        (rename, "(harbour/deep/pier.txt is gone, harbour/pier ü.txt is new)"),
        (make_executable, "1 covered file changed since the whole passed (boat.txt in its mode)"),
        (make_link, "1 covered file changed since the whole passed (boat.txt)"),
        (change_a_test, "1 covered file changed since the whole passed (tests/boats/test_boats.py)"),
        (cover_less, "(harbour/deep/pier.txt is gone, tests/boats/suite.toml)"),
    ],
)
@pytest.mark.parametrize("committed", [False, True], ids=["not committed", "committed"])
def test_what_has_changed_is_named(passed: Project, change: object, said: str, committed: bool) -> None:
    assert callable(change)
    change(passed)
    if committed:
        passed.commit()

    assert f"{said}: the whole runs." in passed.status()


def test_many_changes_are_counted(passed: Project) -> None:
    for number in range(8):
        passed.write(f"harbour/{number}.txt", "")

    assert "8 covered files changed" in passed.status()
    assert "harbour/4.txt is new, and 3 more): the whole runs." in passed.status()


def test_what_is_not_covered_changes_nothing(passed: Project) -> None:
    passed.write("elsewhere.txt", "another\n")
    passed.write("harbour.txt", "another\n")
    passed.write("deep/boat.txt", "")
    passed.write("tests/test_more.py", "")
    passed.write("harbour/ignored.log", "")

    assert passed.status() == AS_IT_WAS


def test_two_digests_that_were_merged_are_no_digest(passed: Project) -> None:
    add(passed)
    line = next(line for line in passed.digest.read_text().splitlines() if line.endswith("sails.txt"))
    with passed.digest.open("a") as file:
        file.write(line.replace("sails.txt", "sails of tomorrow.txt") + "\n")

    assert "suite.digest is not what a run has written" in passed.status()


FAILS = "\n\ndef test_fails():\n    assert False\n"
SKIPS = "\n\ndef test_skips():\n    pytest.skip('no container engine runs')\n"
CALM = "\n\ndef test_calm():\n    pytest.skip('no wind today')\n"
WRITES = "\n\ndef test_writes():\n    (ROOT / 'boat.txt').write_text('repainted')\n"


@pytest.mark.parametrize(
    ("test", "code", "said"),
    [
        (FAILS, 1, "no digest is written: it has failed."),
        (SKIPS, 0, "no digest is written: 1 of its tests did not run (no container engine runs)."),
        (WRITES, 0, "no digest is written: covered files changed while it ran (boat.txt)."),
    ],
    ids=["fails", "skips", "changes a covered file"],
)
def test_a_run_that_proves_nothing_writes_no_digest(
    project: Project, test: str, code: int, said: str
) -> None:
    project.write("tests/boats/test_boats.py", TESTS + test)

    done = project.suites("run", "boats")

    assert done.returncode == code, done.stdout
    assert said in done.stdout
    assert not project.digest.exists()


def test_a_run_without_any_test_fails(project: Project) -> None:
    (project.folder / "tests/boats/test_boats.py").unlink()

    done = project.suites("run", "boats")

    assert done.returncode != 0
    assert not project.digest.exists()


def test_a_failure_keeps_what_an_earlier_run_wrote(passed: Project) -> None:
    before = passed.digest.read_bytes()
    passed.write("tests/boats/test_boats.py", TESTS + FAILS)

    done = passed.suites("ci")

    assert done.returncode == 1
    assert done.stdout.endswith("Failed: boats.\n")
    assert passed.digest.read_bytes() == before


def test_a_skip_that_nobody_can_help_is_allowed(project: Project) -> None:
    project.write("tests/boats/test_boats.py", TESTS + CALM)

    assert project.suites("run", "boats").returncode == 0
    assert project.digest.exists()


def test_a_run_with_something_else_in_place_writes_no_digest(project: Project) -> None:
    done = project.suites("run", "boats", OTHER_SEA="baltic")

    assert done.returncode == 0
    assert "no digest is written: it ran with OTHER_SEA." in done.stdout
    assert not project.digest.exists()


def test_the_environment_cannot_take_tests_out_of_the_whole(project: Project) -> None:
    done = project.suites("run", "boats", PYTEST_ADDOPTS="-k short")

    assert done.returncode == 0
    assert project.ran() == {"short", "long"}


def test_the_short_part_writes_no_digest(project: Project) -> None:
    done = project.suites("short", "boats")

    assert done.returncode == 0
    assert project.ran() == {"short"}
    assert not project.digest.exists()


def test_a_suite_without_a_short_part_runs_only_when_it_must(project: Project) -> None:
    project.write("tests/boats/suite.toml", DEFINITION.replace("short =", "#"))
    project.suites("run", "boats")
    project.ran()

    done = project.suites("ci")

    assert done.returncode == 0
    assert project.ran() == set()
    assert done.stdout == f"{AS_IT_WAS.replace('the short part', 'nothing')}\n"


@pytest.fixture
def together(project: Project) -> Project:
    """Have a project whose suite is one of ``make test``, and whose whole has passed."""
    project.write("tests/boats/suite.toml", DEFINITION.replace(*TOGETHER))
    project.write("tests/conftest.py", CONFTEST)
    project.write("tests/support/long_suites.py", (ROOT / "tests/support/long_suites.py").read_text())
    project.write("pytest.ini", f"{(project.folder / 'pytest.ini').read_text()}pythonpath = .\n")
    done = project.suites("run", "boats")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.ran() == {"short", "long"}
    return project


@pytest.mark.slow
def test_a_suite_that_is_together_with_others_runs_where_all_tests_run(together: Project) -> None:
    assert together.status().endswith("when the whole passed: make test runs what is marked always.")
    done = together.pytest()
    assert (done.returncode, together.ran()) == (0, {"short"}), done.stdout
    assert "1 passed, 1 deselected" in done.stdout
    assert together.pytest("tests/boats/test_boats.py").returncode == 0
    assert together.ran() == {"short", "long"}

    write(together)

    assert together.status().endswith("(harbour/quay.txt): make test runs all of it.")
    assert together.pytest().returncode == 0
    assert together.ran() == {"short", "long"}
    assert together.suites("ci").returncode == 0
    assert together.ran() == set()
    assert together.suites("short", "boats").returncode == 0
    assert together.ran() == {"short"}


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        (
            ("short =", "together = true\nshort ="),
            ("ci",),
            "tests/boats/suite.toml has both short and together: see the first lines of tools/suites.py.\n",
        ),
        ((), ("run", "ships"), "There is no suite ships. There is: boats.\n"),
        (
            ("whole", "hole"),
            ("ci",),
            "tests/boats/suite.toml lacks whole: see the first lines of tools/suites.py.\n",
        ),
        (("short", "brief"), ("ci",), "tests/boats/suite.toml has the unknown brief: see the first lines of"),
    ],
    ids=["both parts", "unknown name", "missing key", "unknown key"],
)
def test_mistakes_get_a_sentence(
    project: Project, change: tuple[str, ...], words: tuple[str, ...], said: str
) -> None:
    if change:
        project.write("tests/boats/suite.toml", DEFINITION.replace(*change))

    done = project.suites(*words)

    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert project.ran() == set()


def test_two_suites_of_one_name_get_a_sentence(project: Project) -> None:
    project.write("tests/ships/suite.toml", DEFINITION)

    done = project.suites("status")

    assert done.returncode == 2
    assert done.stderr.startswith("Two suites are called boats")


def test_a_folder_without_git_gets_a_sentence(project: Project) -> None:
    shutil.rmtree(project.folder / ".git")

    done = project.suites("ci", GIT_CEILING_DIRECTORIES=str(project.folder.parent))

    assert done.returncode == 2
    assert done.stderr.startswith("git cannot list the files of")


def test_every_suite_of_this_project_has_a_target_and_every_path_that_it_covers_exists() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import suites
    finally:
        sys.path.remove(str(ROOT / "tools"))

    for suite in suites.suites():
        assert f"\ntest-{suite.name}: " in (ROOT / "Makefile").read_text()
        paths = [line.split(" ", 2)[2] for line in suites.fingerprints(suite)]
        for covered in suite.covers:
            alone = suites.Suite(suite.folder, suite.name, suite.whole, (covered,))
            elsewhere = [path for path in paths if not (ROOT / path).is_relative_to(suite.folder)]
            assert any(alone.is_about(path) for path in elsewhere), covered
