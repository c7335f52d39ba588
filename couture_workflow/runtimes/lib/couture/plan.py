"""What a session is made with: the page's settings, the cell's over them, as words for ``spark-submit``."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import SparkSessionError

#: Environment variable: the path of the file in which the workbench says what a session is made with.
VARIABLE = "COUTURE_SPARK_SESSION"
#: Configurations that arguments of spark-submit stand for: a cell may say either, and goes over both.
ARGUMENT_OF = {
    "spark.archives": "archives",
    "spark.cores.max": "total-executor-cores",
    "spark.driver.cores": "driver-cores",
    "spark.driver.extraClassPath": "driver-class-path",
    "spark.driver.extraJavaOptions": "driver-java-options",
    "spark.driver.extraLibraryPath": "driver-library-path",
    "spark.driver.memory": "driver-memory",
    "spark.executor.cores": "executor-cores",
    "spark.executor.instances": "num-executors",
    "spark.executor.memory": "executor-memory",
    "spark.files": "files",
    "spark.jars.excludes": "exclude-packages",
    "spark.jars.packages": "packages",
    "spark.jars.repositories": "repositories",
    "spark.kerberos.keytab": "keytab",
    "spark.kerberos.principal": "principal",
    "spark.master": "master",
    "spark.submit.deployMode": "deploy-mode",
    "spark.yarn.queue": "queue",
}
_FILES = {"jars": "jars", "py-files": "py_files", "spark.jars": "jars", "spark.submit.pyFiles": "py_files"}
_HADOOP, _AUTHENTICATION = "spark.hadoop.", "spark.authenticate.secret"
_HEAP = re.compile(r"[1-9][0-9]*[kmgt]", re.IGNORECASE)
#: Stands in spark.conf for a secret that Spark must find there, and then takes from its environment.
HIDDEN = "*********(redacted)"
#: Unless somebody says otherwise: a free port for Spark's page, no progress bars among the results.
_DEFAULTS = {"spark.ui.port": "0", "spark.ui.showConsoleProgress": "false"}


@dataclass(frozen=True)
class Overrides:
    """What a cell asks for over the page's settings; None as a value removes one.

    :param files: paths in place of the page's "jars" or "py_files".
    """

    arguments: Mapping[str, str | None] = field(default_factory=dict)
    configurations: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a session is made with; secrets are in the clear and never in its ``repr``.

    :param hadoop_secrets: settings of Hadoop that are set in the running session alone.
    :param left_out: setting -> why the session goes without it.
    :param files: "jars" and "py_files" -> name, path and, if it is the store's, sha256.
    """

    app_name: str
    arguments: Mapping[str, str]
    configurations: Mapping[str, str]
    files: Mapping[str, tuple[Mapping[str, str], ...]]
    left_out: Mapping[str, str]
    hadoop_secrets: Mapping[str, str] = field(repr=False)
    authentication_secret: str = field(repr=False)

    @property
    def master(self) -> str:
        """Return the master."""
        return self.arguments["master"]

    @property
    def is_local(self) -> bool:
        """Tell whether the executors are on this machine too."""
        return self.master.startswith("local")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the names of the secrets that the session has."""
        own = (_AUTHENTICATION,) if self.authentication_secret else ()
        return (*(_HADOOP + name for name in self.hadoop_secrets), *own)

    def setting(self, name: str) -> str | None:
        """Return what a configuration is, secrets included; None: it is not set."""
        if name == _AUTHENTICATION:
            return self.authentication_secret or None
        found = self.hadoop_secrets.get(name.removeprefix(_HADOOP)) if name.startswith(_HADOOP) else None
        return self.configurations.get(name) if found is None else found

    def paths(self, kind: str) -> list[str]:
        """Return the paths of "jars" or "py_files"."""
        return [file["path"] for file in self.files[kind]]

    def words(self, flags: Iterable[str], paths: Mapping[str, Iterable[Path | str]]) -> list[str]:
        """Return the arguments of ``spark-submit``, without any secret.

        :param flags: arguments that take no value.
        :param paths: "jars" and "py_files" -> where they are for this session.
        """
        words = ["--name", self.app_name]
        for name, value in sorted(self.arguments.items()):
            if name not in flags:
                words += [f"--{name}", value]
            elif value.strip().lower() != "false":
                words.append(f"--{name}")
        for name, option in (("jars", "--jars"), ("py_files", "--py-files")):
            if given := ",".join(map(str, paths.get(name, ()))):
                words += [option, given]
        shown = {_AUTHENTICATION: HIDDEN} if self.authentication_secret else {}
        for name, value in sorted({**self.configurations, **shown}.items()):
            words += ["--conf", f"{name}={value}"]
        return [*words, "pyspark-shell"]


def described() -> dict[str, Any]:
    """Return what the workbench wrote for this kernel, or raise why there can be no session."""
    place = os.environ.get(VARIABLE, "")
    if not place:
        raise SparkSessionError(
            f"This kernel was not started by the workbench: {VARIABLE} is not set. Open the notebook in "
            "Developer > Jupyter Notebook, or run it as a task; elsewhere, use SparkSession.builder."
        )
    try:
        found: dict[str, Any] = json.loads(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SparkSessionError(
            f"{place} cannot be read ({type(error).__name__}: {error}). Open Developer > Jupyter Notebook "
            "anew, or run the task again: the file is then written anew."
        ) from error
    if found["error"]:
        raise SparkSessionError(found["error"])
    return found


def overrides(
    described: Mapping[str, Any], conf: Mapping[str, object] | None, keywords: Mapping[str, object]
) -> Overrides:
    """Return what a cell asks for, its names checked.

    :param conf: names as Spark writes them, ``spark.*`` or arguments of spark-submit.
    :param keywords: the same; arguments with ``_`` in place of ``-``.
    """
    arguments: dict[str, str | None] = {}
    configurations: dict[str, str | None] = {}
    files: dict[str, tuple[str, ...]] = {}
    for given, value in (*(conf or {}).items(), *keywords.items()):
        name = given if given.startswith("spark.") else given.removeprefix("--").replace("_", "-")
        name = ARGUMENT_OF.get(name, name)
        if name in _FILES:
            files[_FILES[name]] = _paths(value)
        elif name.startswith("spark.") and name != "spark.app.name":
            configurations[name] = _text(value)
        elif name in described["argument_names"]:
            arguments[name] = _checked(name, _text(value))
        else:
            raise SparkSessionError(_unknown(given, name, described["argument_names"]))
    return Overrides(arguments, configurations, files)


def _unknown(given: str, name: str, names: list[str]) -> str:
    if name in ("name", "spark.app.name"):
        return f"The name of the application is app_name, not {given}: spark_session('daily report')."
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0].replace('-', '_')}? " if near else ""
    return (
        f"Spark has no argument {given!r}. {hint}Give an argument of spark-submit, such as "
        "driver_memory='2g', or a setting: conf={'spark.sql.shuffle.partitions': 8}."
    )


def _checked(name: str, value: str | None) -> str | None:
    if name == "deploy-mode" and value == "cluster":
        raise SparkSessionError(
            "The driver of a notebook's session is the notebook, so its deploy mode is client. Leave "
            "deploy_mode out, or run the code as a Spark job."
        )
    if name == "driver-memory" and value is not None and not _HEAP.fullmatch(value):
        raise SparkSessionError(
            f"driver_memory is {value!r}. Use a whole number and k, m, g or t, such as '512m' or '4g'."
        )
    return value


def _text(value: object) -> str | None:
    """Return a value as Spark reads it."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _paths(value: object) -> tuple[str, ...]:
    parts = (
        [value] if isinstance(value, (str, Path)) else list(value) if isinstance(value, (list, tuple)) else []
    )
    given = [part for each in parts for part in str(each).split(",") if part.strip()]
    for path in given:
        if "://" not in path and not Path(path).is_file():
            raise SparkSessionError(f"There is no file {path!r}. Give the paths of jars and py_files here.")
    return tuple(path if "://" in path else str(Path(path).resolve()) for path in given)


def planned(described: Mapping[str, Any], asked: Overrides, *, app_name: str | None) -> Plan:
    """Put what a cell asks for over the page's settings."""
    page = {
        name: value
        for name, value in described["configurations"].items()
        if ARGUMENT_OF.get(name) not in asked.arguments
    }
    arguments = _over(described["arguments"], asked.arguments)
    left_out = {
        name: why
        for name, why in described["left_out"].items()
        if name not in asked.configurations and ARGUMENT_OF.get(name, name) not in asked.arguments
    }
    _check_remote(arguments)
    if arguments.pop("deploy-mode", "client") == "cluster":
        left_out["deploy-mode"] = "the driver of a notebook's session is the notebook"
    arguments.setdefault("master", "local[*]")
    hadoop, authentication, plain = _apart(described, asked)
    return Plan(
        app_name=app_name or described["app_name"] or _notebook_name(),
        arguments=arguments,
        configurations={**_DEFAULTS, **_over(page, plain)},
        files={
            kind: tuple({"name": Path(path).name, "path": path} for path in asked.files[kind])
            if kind in asked.files
            else tuple(described[kind])
            for kind in ("jars", "py_files")
        },
        left_out=left_out,
        hadoop_secrets=hadoop,
        authentication_secret=authentication,
    )


def _over(page: Mapping[str, str], cell: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**page, **cell}.items() if value is not None}


def _check_remote(arguments: Mapping[str, str]) -> None:
    if "remote" in arguments:
        raise SparkSessionError(
            f"remote is {arguments['remote']}: a notebook's session runs in the notebook and takes no server "
            "of Spark Connect. Give another master and remote=None, or use SparkSession.builder.remote."
        )


def _apart(
    described: Mapping[str, Any], asked: Overrides
) -> tuple[dict[str, str], str, Mapping[str, str | None]]:
    """Return the secrets for Hadoop, the one for Spark's connections, and a cell's settings without them."""
    secret = re.compile(described["secret_names"])
    hadoop: dict[str, str | None] = {**described["hadoop_secrets"]}
    authentication: str | None = described["authentication_secret"]
    plain: dict[str, str | None] = {}
    for name, value in asked.configurations.items():
        if not secret.search(name):
            plain[name] = value
        elif name.startswith(_HADOOP):
            hadoop[name.removeprefix(_HADOOP)] = value
        elif name == _AUTHENTICATION:
            authentication = value
        elif value is not None:
            raise SparkSessionError(
                f"{name} is a secret, and Spark would show it to each cell in spark.conf. Leave it out here; "
                "a Spark job may have it."
            )
    return _over({}, hadoop), authentication or "", plain


def _notebook_name() -> str:
    """Return the name of the notebook, as Jupyter tells it to kernels."""
    return Path(os.environ.get("JPY_SESSION_NAME", "")).stem or "notebook"
