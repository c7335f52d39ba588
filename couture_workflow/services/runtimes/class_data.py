"""Class-data archives: what a JVM has loaded and parsed once, kept so that the next driver starts faster.

An archive fits one JDK build and one set of jars, so its name is a fingerprint of both. It is made by a
training job of idle priority in a process of its own; the job that first finds it missing does not wait. The
JVM checks an archive by itself and runs without one that does not fit, so nothing here can fail a job.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from couture_workflow.services.runtimes.installed import SparkRuntime

log = logging.getLogger(__name__)

TRAINING_JOB = Path(__file__).parents[2] / "runtimes" / "class_data_job.py"

_KEPT = 3
_TRY_AGAIN_AFTER = 24 * 3600.0
_LONGEST_TRAINING = 15 * 60.0
_SMALLEST_DISK = 1 << 30
#: Set by people for their own jobs; in training they would only change the class path or the output.
_NOT_FOR_TRAINING = (
    "HADOOP_CONF_DIR",
    "YARN_CONF_DIR",
    "SPARK_CONF_DIR",
    "SPARK_SUBMIT_OPTS",
    "SPARK_LAUNCHER_OPTS",
)


def class_data_archive(runtime: SparkRuntime, cache: Path, *, build: bool = True) -> Path | None:
    """Return the archive that fits this Spark and Java; None while there is none, and then one is being made.

    :param cache: folder of the archives; where it cannot be written, only what lies there is used.
    :param build: False: none is made.
    """
    if ":" in str(cache):  # separates archives in the JVM's option
        return None
    try:
        archive = cache / f"{fingerprint(runtime)}.jsa"
        if archive.is_file():
            with contextlib.suppress(OSError):
                os.utime(archive)  # the last use, for the choice of which to keep
            return archive
        if build and _may_build(archive):
            _start_builder(runtime, archive)
    except OSError as error:
        log.debug("No class-data archive in %s: %s", cache, error)
    return None


def class_data_options(archive: Path) -> tuple[str, ...]:
    """Return the JVM options that use an archive; a misfit is passed over without a word."""
    return (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds*=off")


def fingerprint(runtime: SparkRuntime) -> str:
    """Return what an archive depends on: paths, sizes and times of the JVM and of Spark's jars."""
    machine = Path(runtime.java).parent.parent / "lib" / "server" / "libjvm.so"
    seen = hashlib.sha256(f"{runtime.java}\0{runtime.java_version}\0{runtime.home}\0".encode())
    files = [machine] if machine.is_file() else [Path(runtime.java)]
    with os.scandir(runtime.home / "jars") as jars:
        files.extend(sorted(Path(jar.path) for jar in jars if jar.name.endswith(".jar")))
    for file in files:
        status = file.stat()
        seen.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return f"spark-{runtime.version}-{seen.hexdigest()[:16]}"


def build(home: Path, java_home: Path, python: str, archive: Path) -> bool:
    """Make an archive by running the training job, unless another process does so; tell whether it is there.

    Beyond three archives, those that were not used for longest are removed.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (archive.parent / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if archive.is_file():
            return True
        for unfinished in archive.parent.glob("*.part"):
            unfinished.unlink(missing_ok=True)
        part = archive.with_suffix(".part")
        output = _train(home, java_home, python, part)
        if not part.is_file():
            archive.with_suffix(".failed").write_text(output[-4000:], errors="replace")
            return False
        part.replace(archive)
        _forget_old(archive)
        return True


def _may_build(archive: Path) -> bool:
    archive.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(archive.parent, os.W_OK) or shutil.disk_usage(archive.parent).free < _SMALLEST_DISK:
        return False
    failed = archive.with_suffix(".failed")
    return not failed.is_file() or time.time() - failed.stat().st_mtime > _TRY_AGAIN_AFTER


def _start_builder(runtime: SparkRuntime, archive: Path) -> None:
    """Start the builder in a session of its own, so that the end of the job that asked does not end it."""
    command = [
        sys.executable,
        "-P",
        "-m",
        __name__,
        str(runtime.home),
        str(runtime.java_home),
        runtime.python,
    ]
    subprocess.Popen(  # noqa: S603
        [*command, str(archive)],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=archive.parent,
    )


def _train(home: Path, java_home: Path, python: str, part: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_TRAINING}
    environment |= {"JAVA_HOME": str(java_home), "SPARK_HOME": str(home), "PYSPARK_PYTHON": python}
    with tempfile.TemporaryDirectory(prefix="couture-class-data-") as folder:
        defaults = Path(folder) / "spark.properties"
        defaults.write_text("spark.ui.port=0\nspark.driver.host=127.0.0.1\nspark.sql.shuffle.partitions=1\n")
        command = [
            str(home / "bin" / "spark-submit"),
            *("--master", "local[1]", "--properties-file", str(defaults), "--name", "class-data training"),
            *("--driver-java-options", f'"-XX:ArchiveClassesAtExit={part}" -Xlog:disable'),
            *(str(TRAINING_JOB), folder),
        ]
        return _run(command, environment, folder)


def _run(command: list[str], environment: dict[str, str], folder: str) -> str:
    process = subprocess.Popen(  # noqa: S603
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=_LONGEST_TRAINING)
    except subprocess.TimeoutExpired:
        output = "The training job did not end in time."
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return output


def _forget_old(newest: Path) -> None:
    others = [path for path in newest.parent.glob("*.jsa") if path != newest]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in [*others[_KEPT - 1 :], *newest.parent.glob("*.failed")]:
        path.unlink(missing_ok=True)


def _idle() -> None:
    """Take only the processor time that nobody else wants."""
    with contextlib.suppress(OSError):
        os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def main(arguments: list[str]) -> int:
    """Build one archive: the program that ``class_data_archive`` starts."""
    home, java_home, python, archive = arguments
    signal.signal(signal.SIGTERM, _stop)
    _idle()
    return 0 if build(Path(home), Path(java_home), python, Path(archive)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
