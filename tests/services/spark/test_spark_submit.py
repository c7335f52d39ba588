"""A submission: its lines, its end, and what a job may see. The jobs are scripts in place of Spark."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from couture_workflow.services.processes import reaper
from couture_workflow.services.processes.led_command import Outcome
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark.command import Job
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.environment import environment, write_properties
from couture_workflow.services.spark.submit import Submission
from couture_workflow.services.spark.tracking import Tracking

RUNTIME = SparkRuntime(Path("/opt/spark"), "/usr/bin/python3", "4.2.1", "/opt/jdk/bin/java", "17.0.1")
FOREVER = "import time; print('ready', flush=True); time.sleep(600)"


class Recorder:
    """Run a script as a job and keep what it says."""

    def __init__(self, script: str, folder: Path, **options: Any) -> None:
        self.lines: list[tuple[str, str]] = []
        self.tracking: list[Tracking] = []
        self.at: dict[str, Callable[[], object]] = {}
        self.submission = Submission(
            [sys.executable, "-c", script],
            **{
                "kill_command": lambda identifier: [],
                "environment": dict(os.environ),
                "folder": folder,
                "grace": 5,
                "on_line": self._line,
                "on_tracking": self.tracking.append,
                **options,
            },
        )

    def _line(self, stream: str, line: str) -> None:
        self.lines.append((stream, line))
        if line in self.at:
            self.at[line]()

    def run(self) -> Outcome:
        return self.submission.run()

    def of(self, stream: str) -> list[str]:
        return [line for name, line in self.lines if name == stream]


def gone(pid: int) -> bool:
    """Tell whether a process has ended, buried or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_lines_come_one_by_one_from_each_stream(tmp_path: Path) -> None:
    script = (
        "import sys, os\n"
        "os.write(1, 'ü'.encode()[:1]); os.write(2, b'log 1\\r\\nlog 2\\n'); os.write(1, 'ü'.encode()[1:])\n"
        "os.write(1, b'\\n\\xff\\nno end')\n"
        "sys.exit(4)"
    )
    job = Recorder(script, tmp_path)

    outcome = job.run()

    assert job.of("output") == ["ü", "\ufffd", "no end"]
    assert job.of("log") == ["log 1", "log 2"]
    assert outcome == Outcome(4, False, ("ü", "\ufffd", "no end"), ("log 1", "log 2"))


def test_a_line_comes_while_the_job_runs(tmp_path: Path) -> None:
    job = Recorder("print('now', flush=True)\ninput_ = open('go').read()\nprint(input_)", tmp_path)
    os.mkfifo(tmp_path / "go")
    job.at["now"] = lambda: threading.Thread(target=(tmp_path / "go").write_text, args=("went on",)).start()

    outcome = job.run()

    assert outcome.output == ("now", "went on")


def test_the_tail_is_bounded_and_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    job = Recorder("import sys\nfor n in range(5000): print(n)\nsys.stdout.write('x' * 1_000_000)", tmp_path)

    outcome = job.run()

    assert len(outcome.output) == 2000
    assert max(map(len, job.of("output"))) < 200_000
    assert sum(len(line) for line in job.of("output") if line.startswith("x")) == 1_000_000


@pytest.mark.slow
def test_the_application_is_known_while_it_runs_and_the_reaper_is_told_what_kills_it(tmp_path: Path) -> None:
    log = (
        "25/06/01 10:00:00 INFO Client: Submitted application application_1700000000000_0007\n"
        "\\t tracking URL: http://yarn:8088/proxy/application_1700000000000_0007/\n"
    )
    script = f"import sys, time\nsys.stderr.write('''{log}''')\nsys.stderr.flush()\n{FOREVER}"
    job = Recorder(
        script, tmp_path, kill_command=lambda name: ["/bin/touch", str(tmp_path.parent / name)], here=False
    )
    job.at["ready"] = lambda: threading.Timer(0.5, job.submission.stop).start()

    outcome = job.run()

    assert outcome.stopped
    assert job.tracking[-1] == Tracking(
        "application_1700000000000_0007",
        "http://yarn:8088/proxy/application_1700000000000_0007/",
        "application_1700000000000_0007",
    )
    assert (tmp_path.parent / "application_1700000000000_0007").exists()


def test_stop_ends_the_job(tmp_path: Path) -> None:
    job = Recorder(FOREVER, tmp_path)
    job.at["ready"] = job.submission.stop

    outcome = job.run()

    assert (outcome.exit_code, outcome.stopped) == (reaper.STOPPED, True)


def test_a_stop_before_the_start_is_not_lost(tmp_path: Path) -> None:
    job = Recorder(FOREVER, tmp_path)
    job.submission.stop()

    assert job.run().stopped


def test_an_exception_ends_the_job(tmp_path: Path) -> None:
    job = Recorder(f"import os; print(os.getpid())\n{FOREVER}", tmp_path)

    def fail() -> None:
        raise KeyboardInterrupt

    job.at["ready"] = fail

    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert gone(int(job.lines[0][1]))


@pytest.mark.slow
def test_the_job_ends_when_the_supervisor_is_gone(tmp_path: Path) -> None:
    started = time.monotonic()
    job = Recorder(FOREVER, tmp_path, keep_going=lambda: time.monotonic() < started + 1)

    assert job.run().stopped


def test_the_job_ends_when_its_reaper_is_killed(tmp_path: Path) -> None:
    job = Recorder(f"import os; print(os.getpid())\n{FOREVER}", tmp_path)
    job.at["ready"] = lambda: os.kill(os.getsid(int(job.lines[0][1])), signal.SIGKILL)

    outcome = job.run()

    assert outcome.exit_code == 137
    assert gone(int(job.lines[0][1]))


def test_a_job_sees_its_runtime_and_none_of_airflows_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "secret")
    monkeypatch.setenv("AIRFLOW_CONN_DB", "secret")
    monkeypatch.setenv("SPARK_REMOTE", "sc://elsewhere")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "kept")
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dmine=1")

    seen = environment(
        RUNTIME, scratch=Path("/run/scratch"), java_options=("-XX:SharedArchiveFile=/a b.jsa",)
    )

    assert not {"AIRFLOW__CORE__FERNET_KEY", "AIRFLOW_CONN_DB", "SPARK_REMOTE"} & set(seen)
    assert {
        name: seen[name] for name in ("SPARK_HOME", "JAVA_HOME", "SPARK_LOCAL_DIRS", "AIRFLOW_CTX_DAG_ID")
    } == {
        "SPARK_HOME": "/opt/spark",
        "JAVA_HOME": "/opt/jdk",
        "SPARK_LOCAL_DIRS": "/run/scratch",
        "AIRFLOW_CTX_DAG_ID": "kept",
    }
    assert seen["SPARK_SUBMIT_OPTS"] == "'-XX:SharedArchiveFile=/a b.jsa' -Dmine=1"


def test_a_local_job_listens_on_loopback_unless_the_machine_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)

    assert environment(RUNTIME, loopback=True)["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert "SPARK_LOCAL_IP" not in environment(RUNTIME)
    monkeypatch.setenv("SPARK_LOCAL_IP", "10.0.0.7")
    assert environment(RUNTIME, loopback=True)["SPARK_LOCAL_IP"] == "10.0.0.7"


def test_secrets_are_in_a_private_file_of_a_private_folder_below_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_text("spark.ui.port 4050")
    job = Job(
        "n", Path("/x.py"), None, (), SparkConfiguration(configurations={"spark.my.password": "hidden"})
    )

    with private_folder() as folder:
        path = write_properties(job, folder, spark_home=tmp_path)

        assert path is not None
        assert path.read_text() == "spark.ui.port 4050\nspark.my.password=hidden\n"
        assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    assert not folder.exists()


def test_a_job_without_secrets_has_no_properties_file(tmp_path: Path) -> None:
    job = Job("n", Path("/x.py"), None, (), SparkConfiguration(configurations={"spark.ui.port": "4050"}))

    assert write_properties(job, tmp_path, spark_home=tmp_path) is None
