"""The JVM of a session: which Spark and Java it is, what surrounds it, its start and its end."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import SparkSessionError
from .plan import Plan

#: They would make another session than the one that is asked for.
_MISLEADING = ("SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_CONNECT_MODE_ENABLED", "SPARK_CONNECT_MODE")
#: Variables that are always the workbench's; a kernel's own values of the others hold.
_OURS = ("SPARK_HOME", "JAVA_HOME", "SPARK_SUBMIT_OPTS")
_SUBMIT, _SECRET = "PYSPARK_SUBMIT_ARGS", "_SPARK_AUTH_SECRET"
_NUMBERS = re.compile(r"\d+\.\d+\.\d+")
_PATIENCE = 20
#: What was put into the environment for the session that runs.
_given: dict[str, str] = {}


def use_spark_of(found: Mapping[str, Any]) -> None:
    """Make sure that ``import pyspark`` is that of the workbench's Spark, and that Java is there."""
    home, java = Path(found["spark_home"]), found["java"]
    if not os.access(java, os.X_OK):
        raise SparkSessionError(
            f"Spark needs Java, and {java} is gone or may not be run by this kernel. Ask an administrator to "
            "install it, then open Developer > Jupyter Notebook anew."
        )
    if "pyspark" not in sys.modules and (home / "python" / "pyspark").is_dir():
        # A distribution of Spark: its own Python side goes before the runtime's.
        archives = sorted(map(str, (home / "python" / "lib").glob("py4j-*.zip")))
        sys.path[:0] = [each for each in (str(home / "python"), *archives) if each not in sys.path]
    if importlib.util.find_spec("pyspark") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        raise SparkSessionError(
            f"This kernel's Python {version} has no pyspark. Type: couture-workflow install, which joins the "
            "Spark runtime to a Jupyter runtime of the same Python; elsewhere: pip install "
            f"pyspark=={found['spark_version']}"
        )
    import pyspark

    if _numbers(pyspark.__version__) != _numbers(found["spark_version"]):
        raise SparkSessionError(
            f"This kernel's pyspark is {pyspark.__version__}, and the workbench's Spark is "
            f"{found['spark_version']}. Restart the kernel, and import pyspark after spark_session()."
        )


def _numbers(version: str) -> str:
    match = _NUMBERS.match(version)
    return match[0] if match else version


def spark_errors() -> tuple[type[Exception], ...]:
    """Return what pyspark raises when its JVM does not start, does not answer or refuses."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return (Py4JError, PySparkException, OSError, ValueError, RuntimeError)


def start(found: Mapping[str, Any], plan: Plan, folder: Path) -> Any:
    """Start the JVM and return its session.

    :param folder: for files that are copied; it need not exist.
    """
    from pyspark.sql import SparkSession

    paths = {kind: [_at_hand(each, folder) for each in files] for kind, files in plan.files.items()}
    _surround(found, plan)
    with _told(plan.words(found["flags"], paths), plan.authentication_secret):
        session = SparkSession.builder.getOrCreate()
    hadoop = session.sparkContext._jsc.hadoopConfiguration()
    for name, value in plan.hadoop_secrets.items():
        hadoop.set(name, value)  # after its start: neither in SparkConf nor in a list of settings
    return session


def folder_for_copies(found: Mapping[str, Any]) -> Path:
    """Return a folder that does not exist yet."""
    return _temporary(found) / f"couture-spark-{os.getpid()}-{os.urandom(4).hex()}"


def _temporary(found: Mapping[str, Any]) -> Path:
    """Return where temporary files go: Java's own default may be closed to this kernel."""
    folder = Path(found["scratch"] or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def is_alive(session: Any) -> bool:
    """Tell whether a session was not stopped and its JVM runs."""
    return _runs(session.sparkContext)


def _runs(context: Any) -> bool:
    process = getattr(context._gateway, "proc", None)
    return context._jsc is not None and (process is None or process.poll() is None)


def foreign() -> Any:
    """Return a session of this kernel that runs and was not made here, None if there is none."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    context = SparkContext._active_spark_context
    return SparkSession(context) if context is not None and _runs(context) else None


def end() -> None:
    """End what is left of an earlier session and its JVM, so that the next one starts from nothing."""
    from pyspark import SparkContext

    context, gateway = SparkContext._active_spark_context, SparkContext._gateway
    if context is not None:  # its JVM has died
        with contextlib.suppress(*spark_errors()):
            context.stop()
        SparkContext._active_spark_context = None
    if gateway is not None:
        with contextlib.suppress(*spark_errors()):
            gateway.shutdown()
        _end(getattr(gateway, "proc", None))
    SparkContext._gateway = SparkContext._jvm = None
    for name, value in _given.items():
        if os.environ.get(name) == value:
            del os.environ[name]
    _given.clear()


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """Close the standard input of the JVM, which ends it."""
    if process is None:
        return
    with contextlib.suppress(OSError):
        if process.stdin:
            process.stdin.close()
    try:
        process.wait(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _at_hand(file: Mapping[str, str], folder: Path) -> Path | str:
    """Return where a file is under its own name, copied from the home if it lies there under another."""
    path = file["path"]
    if "sha256" not in file or Path(path).name == file["name"]:
        return path
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    atexit.register(remove, folder)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SparkSessionError(
            f"{file['name']} of Spark Configuration cannot be read ({error.strerror}). Open Developer > "
            "Jupyter Notebook anew, or run the task again."
        ) from error
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        raise SparkSessionError(
            f"{file['name']} of Spark Configuration is not what was uploaded: its file {path} is damaged. "
            "Upload it again, or restore it from a backup."
        )
    target = folder / file["name"]
    target.write_bytes(content)
    return target


def _surround(found: Mapping[str, Any], plan: Plan) -> None:
    """Set the environment of the JVM and of Python's workers."""
    for name in _MISLEADING:
        os.environ.pop(name, None)
    ours = {name: value for name, value in found["environment"].items() if name in _OURS}
    defaults = {name: value for name, value in found["environment"].items() if name not in _OURS}
    temporary = str(_temporary(found))
    options = (shlex.join([f"-Djava.io.tmpdir={temporary}"]), ours.get("SPARK_SUBMIT_OPTS", ""))
    ours["SPARK_SUBMIT_OPTS"] = " ".join(filter(None, options))
    if "spark.local.dir" not in plan.configurations:
        defaults["SPARK_LOCAL_DIRS"] = temporary
    if plan.is_local:
        defaults["SPARK_LOCAL_IP"] = "127.0.0.1"
    python = plan.configurations.get("spark.pyspark.python", "")
    if python:
        ours["PYSPARK_PYTHON"] = python
    elif plan.is_local:
        defaults["PYSPARK_PYTHON"] = sys.executable
    elif plan.master.startswith("spark://"):  # machines that share the runtime
        defaults["PYSPARK_PYTHON"] = found["python"]
    for name, value in {**{k: v for k, v in defaults.items() if k not in os.environ}, **ours}.items():
        os.environ[name] = _given[name] = value


@contextlib.contextmanager
def _told(words: list[str], secret: str) -> Iterator[None]:
    """Tell ``spark-submit`` below pyspark what to start, and forget it afterwards."""
    before = os.environ.get(_SUBMIT)
    os.environ[_SUBMIT] = shlex.join(words)
    if secret:
        os.environ[_SECRET] = secret
    try:
        yield
    finally:
        os.environ.pop(_SECRET, None)
        del os.environ[_SUBMIT]
        if before is not None:
            os.environ[_SUBMIT] = before


def remove(folder: Path) -> None:
    """Remove what was copied for a session."""
    shutil.rmtree(folder, ignore_errors=True)
