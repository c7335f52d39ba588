from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from couture_workflow.services.runtimes import joined

VERSION = f"python3.{sys.version_info.minor}"


def packages(parent: Path, name: str, version: str = VERSION) -> Path:
    """Make a runtime as the installation does: a folder behind a link."""
    folder = parent / f"{name}-123" / "lib" / version / "site-packages"
    folder.mkdir(parents=True)
    (parent / name).symlink_to(f"{name}-123")
    return parent / name / "lib" / version / "site-packages"


def join(parent: Path) -> str:
    said: list[str] = []
    joined.join(report=said.append, folder=parent)
    return "\n".join(said)


def test_the_jupyter_runtime_sees_spark_and_the_package_behind_its_own(tmp_path: Path) -> None:
    parent = tmp_path / "my ü runtimes"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(parent / "jupyter")], check=True)
    own = parent / "jupyter" / "lib" / VERSION / "site-packages"
    spark = packages(parent, "spark")
    (own / "both.py").write_text("place = 'jupyter'")
    for name in ("both", "only"):
        (spark / f"{name}.py").write_text("place = 'spark'")

    assert join(parent) == ""
    script = "import both, only, couture, sys; print(both.place, only.place, couture.__file__, sys.path[-2:])"
    done = subprocess.run(
        [str(parent / "jupyter" / "bin" / "python"), "-I", "-c", script], capture_output=True, text=True
    )

    assert done.stdout.split()[:3] == ["jupyter", "spark", str(joined.LIBRARY / "couture" / "__init__.py")]
    assert str(spark) in done.stdout  # by way of the link, which is turned when the runtime is made anew


def test_joining_again_changes_nothing_and_follows_a_move(tmp_path: Path) -> None:
    own, _ = packages(tmp_path, "jupyter"), packages(tmp_path, "spark")
    join(tmp_path)
    before = (own / joined.SPARK).stat()
    join(tmp_path)
    after = (own / joined.SPARK).stat()  # but for the time of its last reading
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)
    assert stat.S_IMODE(before.st_mode) == 0o644
    (own / joined.OWN).write_text("/gone\n")
    join(tmp_path)
    assert (own / joined.OWN).read_text() == f"{joined.LIBRARY}\n"


def test_another_python_is_refused_in_words(tmp_path: Path) -> None:
    own, spark = packages(tmp_path, "jupyter"), packages(tmp_path, "spark", "python3.9")
    (own / joined.SPARK).write_text("left by an earlier pair\n")

    said = join(tmp_path)

    assert "python3.9" in said and VERSION in said and "couture-workflow install" in said
    assert not (own / joined.SPARK).exists()
    assert (own / joined.OWN).is_file()
    assert spark.is_dir()


def test_a_runtime_that_cannot_be_written_to_is_told_and_stops_nothing(tmp_path: Path) -> None:
    own, _ = packages(tmp_path, "jupyter"), packages(tmp_path, "spark")
    (own / joined.OWN).mkdir()  # as root, any file could be written

    assert "Notebooks may have no Spark" in join(tmp_path)


@pytest.mark.parametrize("there", ["jupyter", "spark", "neither"])
def test_what_is_not_there_is_not_joined(tmp_path: Path, there: str) -> None:
    if there != "neither":
        packages(tmp_path, there)

    assert join(tmp_path) == ""
    assert {path.name for path in tmp_path.rglob("*.pth")} == ({joined.OWN} if there == "jupyter" else set())
