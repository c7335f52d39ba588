from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import RuntimeMissingError, StorageFullError
from couture_workflow.services.runtimes import install, installed
from couture_workflow.services.runtimes import install as runtime_install
from couture_workflow.services.runtimes.progress import Progress
from couture_workflow.services.workbench import embedded

DEBIAN = 'openjdk version "17.0.15" 2025-04-15'


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def spark_at(home: Path, version: str = "4.2.1") -> Path:
    executable(home / "bin" / "spark-submit")
    (home / "jars").mkdir(parents=True)
    (home / "jars" / f"spark-core_2.13-{version}.jar").touch()
    return home


def java_at(home: Path, shown: str = DEBIAN) -> Path:
    executable(home / "bin" / "java", f"#!/bin/sh\necho '{shown}' >&2\n")
    return home


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty machine: no Spark, no Java, an empty folder of runtimes."""
    for name in ("SPARK_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__RUNTIMES_PATH", str(tmp_path / "runtimes"))
    return tmp_path


def test_the_runtime_is_found_with_its_python(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = spark_at(machine / "runtimes/spark/lib/python3.12/site-packages/pyspark")
    executable(machine / "runtimes/spark/bin/python")
    java = java_at(machine / "jdk")
    (machine / "bin" / "java").symlink_to(java / "bin" / "java")

    found = installed.spark()

    assert found == installed.SparkRuntime(
        home=home,
        python=str(machine / "runtimes/spark/bin/python"),
        version="4.2.1",
        java=str(java / "bin" / "java"),
        java_version="17.0.15",
    )
    assert found.java_home == java


def test_the_users_own_spark_python_and_java_go_first(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spark_at(machine / "runtimes/spark/lib/python3.12/site-packages/pyspark")
    java_at(machine)
    monkeypatch.setenv("SPARK_HOME", str(spark_at(machine / "my spark ü", "3.5.9")))
    monkeypatch.setenv("JAVA_HOME", str(java_at(machine / "my java", 'java version "1.8.0_402"')))
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SPARK_PYTHON", "/usr/bin/python3.9")

    found = installed.spark()

    assert (found.home.name, found.version, found.python) == ("my spark ü", "3.5.9", "/usr/bin/python3.9")
    assert (found.java_home.name, found.java_version) == ("my java", "1.8.0_402")


def test_the_release_file_of_a_jdk_goes_before_starting_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jdk = java_at(machine / "jdk", "must not be started")
    (jdk / "release").write_text('IMPLEMENTOR="Debian"\nJAVA_RUNTIME_VERSION="21.0.8+9-Debian"\n')
    monkeypatch.setenv("JAVA_HOME", str(jdk))

    assert installed.java() == (str(jdk / "bin" / "java"), "21.0.8+9-Debian")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "There is no Spark in .*runtimes/spark. Type: couture-workflow install, or set SPARK_HOME"),
        ({"SPARK_HOME": "{}/nothing"}, "no bin/spark-submit below .*nothing, where .* SPARK_HOME points"),
        ({"SPARK_HOME": "{}/broken"}, "no spark-core jar in .*broken/jars: this Spark is not complete"),
        (
            {"SPARK_HOME": "{}/good"},
            "no java on the PATH. Type: apt-get install --yes openjdk-17-jre-headless",
        ),
        (
            {"SPARK_HOME": "{}/good", "JAVA_HOME": "{}/nothing"},
            "JAVA_HOME is .*nothing, but there is no .*bin/java",
        ),
        (
            {"SPARK_HOME": "{}/good", "JAVA_HOME": "{}/old"},
            "Spark 4.2.1 needs Java 17 or newer, but .* is Java 11.0.2",
        ),
        ({"SPARK_HOME": "{}/good", "JAVA_HOME": "{}/odd"}, "does not tell its version"),
    ],
    ids=["no spark", "wrong home", "broken spark", "no java", "wrong java home", "old java", "odd java"],
)
def test_what_is_missing_is_named_with_what_to_type(
    machine: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], says: str
) -> None:
    spark_at(machine / "good")
    executable(machine / "broken" / "bin" / "spark-submit")
    java_at(machine / "old", 'openjdk version "11.0.2" 2019-01-15')
    java_at(machine / "odd", "I am no Java")
    monkeypatch.setenv(
        "PATH", "/usr/bin:/bin" if "odd" in str(environment) or "old" in str(environment) else ""
    )
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(machine))

    with pytest.raises(RuntimeMissingError, match=says):
        installed.spark()


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    """Return a set of pins that needs no download."""
    path = tmp_path / "pins.txt"
    path.write_text("# nothing to download\n")
    return path


@pytest.mark.slow
def test_an_installation_is_made_once_continued_and_made_anew_for_other_pins(
    tmp_path: Path, pins: Path
) -> None:
    def install() -> list[str]:
        said = io.StringIO()
        progress = Progress(1, stream=said)
        assert runtime_install.install_spark(progress=progress, folder=tmp_path / "r", pins=pins) == link
        return said.getvalue().splitlines()

    link = tmp_path / "r" / "spark"
    first, again = install(), install()
    before = link.resolve()
    (link / ".complete").unlink()
    (link / "pyvenv.cfg").unlink()
    install()
    continued = link.resolve()
    pins.write_text("# other pins\n")
    install()

    title = f"Step 1 of 1: the Spark runtime in {link}"
    assert (first[0], again[0]) == (f"{title}.", f"{title}.")
    assert first[-1].startswith(f"{title}: done, ")
    assert len(again) == 2 and again[1].startswith(f"{title}: it is there, ")
    assert continued == before
    assert (before / "pyvenv.cfg").is_file()
    assert link.resolve() != before  # which stays: a job may still run in it
    assert (link / "bin" / "python").exists()


@pytest.mark.slow
def test_two_installations_at_once_make_one(tmp_path: Path, pins: Path) -> None:
    said = [io.StringIO(), io.StringIO()]
    threads = [
        threading.Thread(
            target=install.install_spark,
            kwargs={"progress": Progress(1, stream=stream), "folder": tmp_path / "r", "pins": pins},
        )
        for stream in said
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    texts = [stream.getvalue() for stream in said]
    assert sum(": done, " in text for text in texts) == 1
    assert sum(": made by the other installation, " in text for text in texts) == 1
    assert sum("\nAnother installation" in text for text in texts) == 1


@pytest.mark.slow
def test_a_failed_installation_says_why_and_leaves_no_runtime(tmp_path: Path, pins: Path) -> None:
    pins.write_text("./no-such-folder\n")

    with pytest.raises(
        RuntimeMissingError,
        match="(?s)could not be made. pip says:\n.*no-such-folder.*couture-workflow install",
    ):
        install.install_spark(progress=Progress(1, stream=io.StringIO()), folder=tmp_path / "r", pins=pins)

    assert not (tmp_path / "r" / "spark").exists()


def test_an_environment_made_by_hand_is_left_alone(tmp_path: Path, pins: Path) -> None:
    own = tmp_path / "r" / "spark"
    (own / "lib/python3.11/site-packages/pyspark-4.2.1.dist-info").mkdir(parents=True)
    pins.write_text("pyspark==4.2.1\npandas==2.3.3\n")
    said = io.StringIO()

    made = install.install_spark(progress=Progress(1, stream=said), folder=tmp_path / "r", pins=pins)

    assert made == own
    assert "left as it is. It differs from the tested set: pandas==2.3.3." in said.getvalue().splitlines()[1]


def test_too_little_disk_is_said_before_anything_is_made(
    tmp_path: Path, pins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(runtime_install._NEEDED_BYTES, "spark", 1 << 60)

    with pytest.raises(StorageFullError, match="GiB of disk, but .* MiB are free"):
        install.install_spark(progress=Progress(1, stream=io.StringIO()), folder=tmp_path / "r", pins=pins)

    assert [path.name for path in (tmp_path / "r").iterdir()] == [".spark.lock"]


def test_the_shipped_pins_are_exact() -> None:
    lines: list[Any] = [line for line in runtime_install.PINS.read_text().splitlines() if line[:1] != "#"]

    assert all(len(line.split("==")) == 2 for line in lines)
    assert {"pyspark==4.2.1", "pandas==2.3.3"} <= set(lines)


def made_by(folder: Path, name: str, *, earlier: bool = False) -> None:
    """Make what the command leaves of a runtime: a complete folder of these or other pins, and a link."""
    pins = {"spark": install.PINS, "jupyter": install.JUPYTER_PINS, "serving": install.SERVING_PINS}[name]
    fingerprint = "0" * 12 if earlier else install._fingerprint(pins, sys.executable)
    whole = folder / f"{name}-{fingerprint}"
    whole.mkdir(parents=True)
    (whole / ".complete").touch()
    (folder / name).symlink_to(whole.name)


@pytest.mark.parametrize(
    ("spark", "jupyter", "outdated"),
    [
        ("now", "now", False),
        ("now", "earlier", True),
        ("now", "none", True),
        ("earlier", "now", True),
        ("now", "own", False),
        ("own", "own", False),
        ("own", "none", False),
        ("none", "none", False),
        ("none", "now", False),
        ("none", "earlier", True),
    ],
)
def test_runtimes_of_an_earlier_version_are_noticed(
    tmp_path: Path, spark: str, jupyter: str, outdated: bool
) -> None:
    for name, how in (("spark", spark), ("jupyter", jupyter)):
        if how == "own":
            (tmp_path / name).mkdir()
        elif how != "none":
            made_by(tmp_path, name, earlier=how == "earlier")

    assert install.is_outdated(tmp_path) is outdated


@pytest.mark.parametrize(("how", "outdated"), [("now", False), ("earlier", True), ("none", False)])
def test_the_model_servers_runtime_is_kept_up_to_date_where_it_was_made(
    tmp_path: Path, how: str, outdated: bool
) -> None:
    for name in ("spark", "jupyter"):
        made_by(tmp_path, name)
    if how != "none":
        made_by(tmp_path, "serving", earlier=how == "earlier")

    assert install.is_outdated(tmp_path) is outdated
    assert install.has_serving(tmp_path) is (how != "none")


def test_a_runtime_that_was_not_completed_is_outdated(tmp_path: Path) -> None:
    for name in ("spark", "jupyter"):
        made_by(tmp_path, name)
    next(tmp_path.glob("jupyter-*/.complete")).unlink()

    assert install.is_outdated(tmp_path)


@pytest.mark.parametrize(
    ("earlier", "code", "installs", "said"),
    [(False, 1, 0, False), (True, 0, 1, False), (True, 1, 1, True)],
)
def test_a_start_renews_runtimes_of_an_earlier_version_and_goes_on_without(
    machine: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool, code: int, installs: int, said: bool
) -> None:
    folder = machine / "runtimes"
    made_by(folder, "spark", earlier=earlier)
    made_by(folder, "jupyter")
    spark_at(folder / "spark" / "lib" / "python3.12" / "site-packages" / "pyspark")
    for program in ("java", "git"):
        executable(machine / "bin" / program)
    monkeypatch.setattr(sys, "prefix", str(machine))
    monkeypatch.setattr(embedded.system_packages, "FOR_RUNNING", ())
    calls: list[list[str]] = []

    def run(command: list[str], env: dict[str, str], umask: int) -> subprocess.CompletedProcess[str]:
        assert umask == 0o022  # people's Jupyter servers run as other accounts
        calls.append(command)
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(subprocess, "run", run)
    told: list[str] = []
    embedded._ensure_runtimes({}, told.append)

    assert (len(calls), bool(told)) == (installs, said)
    assert all("couture-workflow install" in each for each in told)


def test_a_start_without_spark_ends_where_it_cannot_be_installed(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(machine))
    monkeypatch.setattr(
        subprocess, "run", lambda command, env, umask: subprocess.CompletedProcess(command, 3)
    )

    with pytest.raises(SystemExit, match="3"):
        embedded._ensure_runtimes({}, [].append)
