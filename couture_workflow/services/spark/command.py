"""The ``spark-submit`` command line of a job: pure functions, so that pages preview what a task will run.

Secrets never stand on a command line, where every user of the machine can read them:
``secret_properties`` gives the text of a properties file that only its owner may read. Such a file takes
the place of ``spark-defaults.conf`` in Spark before 4.0, so its writer puts the defaults on top of it,
and no version of Spark needs a case of its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from couture_workflow.services.spark.configuration import SparkConfiguration, is_secret

#: Options of spark-submit that take no value.
FLAGS = frozenset({"supervise", "verbose", "load-spark-defaults"})

#: What Spark itself prints in place of a secret.
REDACTED = "*********(redacted)"

_FIRST = ("master", "deploy-mode", "name", "class")
_LAST = ("jars", "py-files", "files", "archives")
_PYTHON, _DRIVER_PYTHON = "spark.pyspark.python", "spark.pyspark.driver.python"
_DRIVER = {
    "driver-memory": "spark.driver.memory",
    "driver-cores": "spark.driver.cores",
    "driver-java-options": "spark.driver.extraJavaOptions",
    "driver-class-path": "spark.driver.extraClassPath",
    "driver-library-path": "spark.driver.extraLibraryPath",
    "supervise": "spark.driver.supervise",
}
# Each begins where a word of its kind begins and never takes a piece twice (``++``), so that the time grows
# with the text and no faster.
_NAME = re.compile(r"(?<![^\s=\"'])[^\s=\"']++=")
_VALUE = re.compile(r"\"[^\"]*+\"|'[^']*+'|\S++")
_URL_PASSWORD = re.compile(r"(?P<head>(?<![a-z0-9+.-])[a-z0-9+.-]++://[^\s:/@]*+:)[^\s/@]++@", re.IGNORECASE)


@dataclass(frozen=True)
class Job:
    """All that ``spark-submit`` needs to know, with every file at hand.

    :param application: the jar, Python file or archive that is run.
    :param class_path: the main class of a jar.
    :param python: the Python of driver and executors; it goes before what the configuration says.
    :param files: what driver and executors find in their working folder; ``archives`` is unpacked there into
        a folder that is called like the archive without its suffix.
    """

    app_name: str
    application: Path
    class_path: str | None
    arguments: tuple[str, ...]
    configuration: SparkConfiguration
    jars: tuple[Path, ...] = ()
    py_files: tuple[Path, ...] = ()
    python: str | None = None
    files: tuple[Path, ...] = ()
    archives: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Options:
    """The options in the order in which they stand on the line."""

    words: list[str] = field(default_factory=list)

    def add(self, name: str, value: str) -> None:
        if name not in FLAGS:
            self.words.extend((f"--{name}", value))
        elif value.strip().lower() != "false":
            self.words.append(f"--{name}")


def spark_submit(job: Job, *, spark_home: Path, properties_file: Path | None) -> list[str]:
    """Return the argument list that submits the job.

    :param properties_file: where the text of ``secret_properties`` stands; needed when it is not empty.
    """
    options = _Options()
    arguments = _arguments(job)
    if properties_file is not None:
        arguments.pop("load-spark-defaults", None)
        arguments["properties-file"] = str(properties_file)
    for name in (*_FIRST, *sorted(set(arguments) - {*_FIRST, *_LAST}), *_LAST):
        if arguments.get(name):
            options.add(name, arguments[name])
    for key, value in sorted(configurations(job).items()):
        if not is_secret(key):
            options.add("conf", f"{key}={value}")
    return [str(spark_home / "bin" / "spark-submit"), *options.words, str(job.application), *job.arguments]


def standalone_request(
    job: Job,
    *,
    spark_home: Path,
    properties_file: Path | None,
    spark_version: str,
    python_starter: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Return the request that runs the job in cluster mode through the REST server of a standalone master.

    What the master starts on a worker is ``SparkSubmit`` itself, in client mode: it runs Python as well,
    which ``spark-submit --deploy-mode cluster`` refuses, and it reads secrets from the properties file. So
    the paths must be the same on the workers.

    :param python_starter: copy of ``driver.py`` that a Python file is started by.
    :param variables: of the driver's environment.
    """
    outer = {key: value for key, value in configurations(job).items() if not is_secret(key)}
    arguments = dict(job.configuration.arguments)
    for argument, key in _DRIVER.items():
        if arguments.get(argument):
            outer[key] = arguments[argument]
    outer |= {"spark.app.name": job.app_name, "spark.master": arguments.get("master", "")}
    for argument in ("supervise", "verbose"):
        arguments.pop(argument, None)
    if python_starter is not None:
        job = replace(job, application=python_starter, arguments=(str(job.application), *job.arguments))
    inside = replace(
        job, configuration=replace(job.configuration, arguments={**arguments, "deploy-mode": "client"})
    )
    return {
        "action": "CreateSubmissionRequest",
        "clientSparkVersion": spark_version,
        "appResource": job.application.as_uri(),
        "mainClass": "org.apache.spark.deploy.SparkSubmit",
        "appArgs": spark_submit(inside, spark_home=spark_home, properties_file=properties_file)[1:],
        "sparkProperties": outer,
        "environmentVariables": dict(variables or {}),
    }


def configurations(job: Job) -> dict[str, str]:
    """Return the ``spark.*`` settings of the job, secrets included."""
    settings = dict(job.configuration.configurations)
    if job.python:
        settings[_PYTHON] = job.python
        if _DRIVER_PYTHON in settings:
            settings[_DRIVER_PYTHON] = job.python
    return settings


def secret_properties(job: Job) -> str:
    """Return the job's secret settings as the text of a Java properties file, "" when there are none."""
    secrets = {key: value for key, value in sorted(configurations(job).items()) if is_secret(key)}
    return "".join(f"{_escaped(key, key=True)}={_escaped(value)}\n" for key, value in secrets.items())


def masked(command: Sequence[str]) -> list[str]:
    """Return the command with every secret that can be told by its name replaced."""
    return list(_masked(command))


def display(command: Iterable[str]) -> str:
    """Return the command as one line that a shell reads back as the same arguments."""
    return shlex.join(command)


def _arguments(job: Job) -> dict[str, str]:
    arguments = dict(job.configuration.arguments)
    arguments["name"] = job.app_name
    if job.class_path:
        arguments["class"] = job.class_path
    archives = [f"{path}#{path.stem}" for path in job.archives]
    for name, files in (
        ("jars", job.jars),
        ("py-files", job.py_files),
        ("files", job.files),
        ("archives", archives),
    ):
        given = [part for part in arguments.get(name, "").split(",") if part]
        if files or name not in ("files", "archives"):
            arguments[name] = ",".join([*given, *map(str, files)])
    return arguments


def _escaped(text: str, *, key: bool = False) -> str:
    """Escape for ``java.util.Properties``, which Spark reads as UTF-8."""
    escapes: Mapping[str, str] = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
    escaped = "".join(escapes.get(letter, letter) for letter in text)
    if key:
        return re.sub(r"([ :=#!])", r"\\\1", escaped)
    return "\\" + escaped if escaped.startswith(" ") else escaped


def _masked(command: Sequence[str]) -> Iterator[str]:
    hide_next = False
    for word in command:
        if hide_next and not word.startswith("--"):
            hide_next = False
            yield REDACTED
            continue
        hide_next = word.startswith("-") and "=" not in word and " " not in word and is_secret(word)
        yield _masked_word(word)


def _without_properties(word: str) -> str:
    """Return a word in which the value of each ``-Dname=value`` is masked if the name is that of a secret."""
    pieces: list[str] = []
    done = 0
    for name in _NAME.finditer(word):
        _, option, key = name[0].partition("-D")
        if name.start() < done or not option or not is_secret(key):
            continue
        if value := _VALUE.match(word, name.end()):
            pieces += [word[done : name.end()], REDACTED]
            done = value.end()
    return "".join([*pieces, word[done:]])


def _masked_word(word: str) -> str:
    key, equals, _ = word.partition("=")
    if equals and not word.startswith("-D") and not re.search(r"\s", key) and is_secret(key):
        return f"{key}={REDACTED}"
    return _URL_PASSWORD.sub(rf"\g<head>{REDACTED}@", _without_properties(word))
