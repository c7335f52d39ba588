"""The runtimes that jobs need beside Airflow's own environment: Spark with its Python, Java, Jupyter.

Nothing is imported or started to find them: versions stand in file names and in the JDK's ``release`` file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from couture_workflow import settings
from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.runtimes.install import INSTALL_COMMAND, SERVING_COMMAND

_CORE_JAR = re.compile(r"spark-core_\d+\.\d+-(.+)\.jar")
_RUNTIME_VERSION = re.compile(r'^JAVA_RUNTIME_VERSION="([^"]+)"', re.MULTILINE)
_PRINTED_VERSION = re.compile(r'version "([^"]+)"')


@dataclass(frozen=True)
class SparkRuntime:
    """A Spark installation with the Python and the Java that run it.

    :param home: what ``SPARK_HOME`` must be; ``bin/spark-submit`` is below it.
    :param java: path of the ``java`` program; ``java_home`` is what ``JAVA_HOME`` must be.
    """

    home: Path
    python: str
    version: str
    java: str
    java_version: str

    @property
    def java_home(self) -> Path:
        """Return what ``JAVA_HOME`` must be for this runtime."""
        return Path(self.java).parent.parent


def spark() -> SparkRuntime:
    """Return the Spark runtime to use; RuntimeMissingError says what to type."""
    home = _spark_home()
    version = _spark_version(home)
    program, java_version = java(version)
    return SparkRuntime(
        home=home, python=_python(home), version=version, java=program, java_version=java_version
    )


def jupyter() -> str:
    """Return the Python that has papermill; RuntimeMissingError says what to type."""
    runtime = settings.runtimes_path() / "jupyter"
    if any(runtime.glob("lib/python3.*/site-packages/papermill")) and (runtime / "bin" / "python").is_file():
        return str(runtime / "bin" / "python")
    raise RuntimeMissingError(f"There is no Jupyter runtime in {runtime}. Type: {INSTALL_COMMAND}")


def jupyterlab() -> str:
    """Return the Python that has JupyterLab; RuntimeMissingError says what to type."""
    python = jupyter()
    if any(Path(python).parents[1].glob("lib/python3.*/site-packages/jupyterlab")):
        return python
    raise RuntimeMissingError(
        f"The Jupyter runtime in {Path(python).parents[1]} has no JupyterLab. Type: {INSTALL_COMMAND}"
    )


def serving() -> str:
    """Return the Python that serves models; RuntimeMissingError says what to type."""
    runtime = settings.runtimes_path() / "serving"
    packages = ("openvino", "openvino_tokenizers", "onnxruntime", "grpc", "httptools", "orjson", "uvloop")
    lacking = [each for each in packages if not any(runtime.glob(f"lib/python3.*/site-packages/{each}"))]
    if not lacking and (runtime / "bin" / "python").is_file():
        return str(runtime / "bin" / "python")
    raise RuntimeMissingError(f"There is no complete model server in {runtime}. Type: {SERVING_COMMAND}")


def data() -> str:
    """Return the Python that reads and profiles data; RuntimeMissingError says what to type."""
    runtime = settings.runtimes_path() / "jupyter"
    packages = ("duckdb", "pyarrow", "pandas", "data_profiling", "pymysql", "psycopg")
    lacking = [each for each in packages if not any(runtime.glob(f"lib/python3.*/site-packages/{each}"))]
    if not lacking and (runtime / "bin" / "python").is_file():
        return str(runtime / "bin" / "python")
    raise RuntimeMissingError(
        f"The Jupyter runtime in {runtime} has no {', '.join(lacking) or 'Python'}, which exploratory data "
        f"analysis needs. Type: {INSTALL_COMMAND}"
    )


def readable_by_notebooks() -> tuple[Path, ...]:
    """Return the folders that a notebook reads beside its own: Spark, Java, Hadoop's files, example data."""
    found = [settings.runtimes_path() / "spark", settings.spark_home(), os.environ.get("JAVA_HOME")]
    found += [os.environ.get(name) for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_CONF_DIR")]
    package = Path(__file__).parents[2]
    found += [folder / "examples" / "data" for folder in (package, package.parent)]
    return tuple(Path(each).resolve() for each in found if each)


def java(spark_version: str = "") -> tuple[str, str]:
    """Return path and version of the ``java`` to use, checked against what that Spark needs."""
    program = _java_program()
    version = _java_version(str(program), program.stat().st_mtime_ns)
    least = 17 if _major(spark_version) >= 4 or not spark_version else 8
    if _major(version.removeprefix("1.")) < least:
        raise RuntimeMissingError(
            f"Spark {spark_version or '4'} needs Java {least} or newer, but {program} is Java {version}. "
            f"{_INSTALL_JAVA} or set JAVA_HOME to a newer one."
        )
    return str(program), version


_INSTALL_JAVA = "Type: apt-get install --yes openjdk-17-jre-headless"


def _spark_home() -> Path:
    given = settings.spark_home()
    if given is not None:
        if (given / "bin" / "spark-submit").is_file():
            return given.resolve()
        raise RuntimeMissingError(
            f"There is no bin/spark-submit below {given}, where [couture_workflow] spark_home or SPARK_HOME "
            "points. Set it to the folder of a Spark distribution, or leave both empty to use the runtime of "
            f"{INSTALL_COMMAND!r}."
        )
    runtime = settings.runtimes_path() / "spark"
    for home in sorted(runtime.glob("lib/python3.*/site-packages/pyspark")):
        if (home / "bin" / "spark-submit").is_file():
            return home.resolve()
    raise RuntimeMissingError(
        f"There is no Spark in {runtime}. Type: {INSTALL_COMMAND}, or set SPARK_HOME to a Spark distribution."
    )


def _spark_version(home: Path) -> str:
    for jar in (home / "jars").glob("spark-core_*.jar"):
        if match := _CORE_JAR.fullmatch(jar.name):
            return match[1]
    raise RuntimeMissingError(
        f"There is no spark-core jar in {home / 'jars'}: this Spark is not complete. Install it anew, or "
        f"type: {INSTALL_COMMAND} and leave SPARK_HOME empty."
    )


def _python(home: Path) -> str:
    """Return the Python of jobs: the option's, the one that Spark lies in, the runtime's or the PATH's."""
    if given := settings.spark_python():
        return given
    own = settings.runtimes_path() / "spark" / "bin" / "python"
    candidates = [own]
    if home.name == "pyspark" and len(home.parents) > 3:
        candidates.insert(0, home.parents[3] / "bin" / "python")
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate)
    if found := shutil.which("python3"):
        return found
    raise RuntimeMissingError(
        "There is no Python for Spark jobs. Set [couture_workflow] spark_python to one, or type: "
        + INSTALL_COMMAND
    )


def _java_program() -> Path:
    if home := os.environ.get("JAVA_HOME"):
        program = Path(home) / "bin" / "java"
        if program.is_file():
            return program.resolve()
        raise RuntimeMissingError(
            f"JAVA_HOME is {home}, but there is no {program}. Set JAVA_HOME to a Java 17 or newer, or unset "
            "it to use the java on the PATH."
        )
    if found := shutil.which("java"):
        return Path(found).resolve()
    raise RuntimeMissingError(
        f"Spark needs Java 17 or newer, and there is no java on the PATH. {_INSTALL_JAVA} or set JAVA_HOME."
    )


@lru_cache(maxsize=8)
def _java_version(program: str, changed: int) -> str:
    """Return the full version of a ``java``; its modification time ``changed`` is for the cache alone."""
    release = Path(program).parent.parent / "release"
    if release.is_file() and (match := _RUNTIME_VERSION.search(release.read_text(errors="replace"))):
        return match[1]
    try:
        shown = subprocess.run(  # noqa: S603
            [program, "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeMissingError(
            f"{program} does not run ({error}). {_INSTALL_JAVA} or set JAVA_HOME."
        ) from error
    if match := _PRINTED_VERSION.search(shown.stderr + shown.stdout):
        return match[1]
    raise RuntimeMissingError(f"{program} does not tell its version. {_INSTALL_JAVA} or set JAVA_HOME.")


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0
