from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from couture_workflow.services.runtimes import class_data, installed
from couture_workflow.services.runtimes.installed import SparkRuntime

#: Stands in for spark-submit: "trains" by writing the archive that it is asked for.
TRAINER = """#!/bin/sh
for word in "$@"; do
  case $word in
    *ArchiveClassesAtExit=*) part=${word#*ArchiveClassesAtExit=}; part=${part%%\\"*};;
  esac
done
echo training >> "$SPARK_HOME/trained"
%s
"""


@pytest.fixture
def runtime(tmp_path: Path) -> SparkRuntime:
    """Return a Spark that trains at once."""
    home = tmp_path / "spark home"
    (home / "jars").mkdir(parents=True)
    (home / "jars" / "spark-core_2.13-4.2.1.jar").write_bytes(b"jar")
    (home / "bin").mkdir()
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    java = tmp_path / "jdk" / "bin" / "java"
    java.touch()
    found = SparkRuntime(home=home, python="python3", version="4.2.1", java=str(java), java_version="17.0.15")
    trains_by(found, 'echo archive > "$part"')
    return found


def trains_by(runtime: SparkRuntime, command: str) -> None:
    submit = runtime.home / "bin" / "spark-submit"
    submit.write_text(TRAINER % command)
    submit.chmod(0o755)


def trainings(runtime: SparkRuntime) -> int:
    path = runtime.home / "trained"
    return len(path.read_text().splitlines()) if path.exists() else 0


def build(runtime: SparkRuntime, archive: Path) -> bool:
    return class_data.build(runtime.home, runtime.java_home, runtime.python, archive)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} was not made"
        time.sleep(0.05)


def test_the_first_job_does_not_wait_and_a_later_one_finds_the_archive(
    runtime: SparkRuntime, tmp_path: Path
) -> None:
    cache = tmp_path / "cache ü"

    assert class_data.class_data_archive(runtime, cache) is None
    archive = cache / f"{class_data.fingerprint(runtime)}.jsa"
    wait_for(archive)

    assert class_data.class_data_archive(runtime, cache) == archive
    assert trainings(runtime) == 1
    assert class_data.class_data_options(archive)[0] == f"-XX:SharedArchiveFile={archive}"


def test_another_jar_or_java_needs_another_archive(runtime: SparkRuntime) -> None:
    before = class_data.fingerprint(runtime)

    assert class_data.fingerprint(runtime) == before
    assert class_data.fingerprint(replace(runtime, java_version="17.0.16")) != before
    (runtime.home / "jars" / "added.jar").touch()
    assert class_data.fingerprint(runtime) != before


@pytest.mark.slow
def test_a_failed_training_is_kept_for_a_look_and_not_repeated_at_once(
    runtime: SparkRuntime, tmp_path: Path
) -> None:
    trains_by(runtime, "echo no such option; exit 1")
    archive = tmp_path / f"{class_data.fingerprint(runtime)}.jsa"

    assert not build(runtime, archive)
    failed = archive.with_suffix(".failed")
    assert failed.read_text() == "no such option\n"
    assert class_data.class_data_archive(runtime, tmp_path) is None
    time.sleep(0.5)
    assert trainings(runtime) == 1

    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(failed, (two_days_ago, two_days_ago))
    trains_by(runtime, 'echo archive > "$part"')
    class_data.class_data_archive(runtime, tmp_path)
    wait_for(archive)


def test_a_cache_that_cannot_be_used_costs_no_job(runtime: SparkRuntime, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert class_data.class_data_archive(runtime, tmp_path / "file" / "cache") is None
    assert class_data.class_data_archive(runtime, tmp_path / "a:b") is None
    assert class_data.class_data_archive(replace(runtime, home=tmp_path / "gone"), tmp_path) is None
    assert trainings(runtime) == 0


def test_archives_that_nobody_uses_are_removed(runtime: SparkRuntime, tmp_path: Path) -> None:
    for age, name in enumerate(("newest", "newer", "older", "oldest")):
        path = tmp_path / f"{name}.jsa"
        path.touch()
        os.utime(path, (time.time() - 1000 * (age + 1),) * 2)
    (tmp_path / "broken-off.part").touch()

    build(runtime, tmp_path / "now.jsa")

    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix in (".jsa", ".part")) == [
        "newer.jsa",
        "newest.jsa",
        "now.jsa",
    ]


@pytest.mark.slow
def test_only_one_process_builds(runtime: SparkRuntime, tmp_path: Path) -> None:
    trains_by(runtime, 'sleep 2; echo archive > "$part"')
    for _ in range(3):
        assert class_data.class_data_archive(runtime, tmp_path / "cache") is None
    wait_for(tmp_path / "cache" / f"{class_data.fingerprint(runtime)}.jsa")

    assert trainings(runtime) == 1


@pytest.mark.spark
@pytest.mark.slow
def test_a_real_driver_takes_its_classes_from_the_archive(tmp_path: Path) -> None:
    runtime = installed.spark()
    archive = tmp_path / "real.jsa"
    loaded = tmp_path / "loaded.txt"

    assert build(runtime, archive)
    options = (*class_data.class_data_options(archive), f"-Xlog:class+load:file={loaded}")
    done = subprocess.run(
        [str(runtime.home / "bin" / "spark-submit"), "--version"],
        env={**os.environ, "JAVA_HOME": str(runtime.java_home), "SPARK_SUBMIT_OPTS": " ".join(options)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0
    lines = [line for line in loaded.read_text().splitlines() if " org.apache.spark." in line]
    assert len(lines) > 5
    assert all("shared objects file (top)" in line for line in lines if "$$Lambda" not in line)
