"""What a notebook's Spark session is made from: a file that the kernel's ``couture.spark_session()`` reads.

The kernel finds the file by the environment variable ``COUTURE_SPARK_SESSION``. It is read when a session is
made, so a file that is written anew holds for the next session of each kernel. A configuration that cannot be
used is no reason to refuse a kernel: the file then says what is wrong, and ``spark_session()`` raises that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError, SparkSubmitError
from couture_workflow.services.runtimes import class_data, installed
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark.command import FLAGS, masked
from couture_workflow.services.spark.configuration import SparkConfiguration, is_secret
from couture_workflow.services.spark.document import SECRET
from couture_workflow.services.spark.environment import LATE_COMPILER, environment
from couture_workflow.services.spark.options import known
from couture_workflow.services.spark.rules import ELSEWHERE, NO_SUBMISSION, PASSWORD_IN_TEXT, errors
from couture_workflow.store import atomic
from couture_workflow.store.files import Files
from couture_workflow.store.home import Store

#: Environment variable of a kernel: the path of the file.
VARIABLE = "COUTURE_SPARK_SESSION"
VERSION = 1

_HADOOP, _AUTHENTICATION = "spark.hadoop.", "spark.authenticate.secret"
#: Of this process's environment, what a session needs too. No ticket cache: that is this account's own.
_PASSED_ON = ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_CONF_DIR", "KRB5_CONFIG", "LD_LIBRARY_PATH")
_OF_SPARK = ("SPARK_HOME", "JAVA_HOME", "SPARK_LAUNCHER_OPTS", "SPARK_SUBMIT_OPTS", *_PASSED_ON)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Whose kernel reads the file, if that is another account of the operating system.

    :param uid: its number; file and copies become its property.
    :param gid: number of its group.
    """

    uid: int
    gid: int


def write(
    store: Store,
    target: Path,
    *,
    app_name: str = "",
    scratch: Path | None = None,
    copies: Path | None = None,
    reader: Reader | None = None,
    train: bool = False,
    cache: Path | None = None,
    keep_secret: Callable[[str], object] = str,
) -> dict[str, str]:
    """Write the file whole, with mode 0600, and return the environment variables that a kernel needs.

    Call it when a kernel's surroundings are made, and again whenever they may be out of date: it costs about
    20 ms, and files that were copied before are not copied again. The newest *Spark Configuration* then holds
    for the next session. For a server of Jupyter::

        environment |= notebook_session.write(
            store, folder / "spark-session.json", copies=folder / "spark-files", reader=..., train=True
        )

    The kernel's account must be able to read the Spark runtime, the Java and the package's ``runtimes/lib``,
    and to enter the folders of the file and of the copies. Only the caller may be able to write to these two
    folders, since it would follow a link that somebody else puts there; remove them with the server.

    :param app_name: of the sessions, where a cell gives none; "": the notebook's name, if it is known.
    :param scratch: for temporary files of Spark and Java; None: where the kernel's ``TMPDIR`` says.
    :param copies: folder in which jars and py-files are put for a kernel that cannot read the home; None: the
        session copies them from the home itself, when it is made.
    :param reader: None: the kernel runs as this account.
    :param train: make a class-data archive in the background if there is none.
    :param cache: folder of such archives; None: that of the home.
    :param keep_secret: told each secret value of the file, so that logs mask it.
    """
    found = described(
        store, app_name=app_name, scratch=scratch, copies=copies, reader=reader, train=train, cache=cache
    )
    for value in (*found.get("hadoop_secrets", {}).values(), found.get("authentication_secret", "")):
        if value:
            keep_secret(value)
    content = json.dumps(found)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic.storage_errors(target):
        descriptor, aside = atomic.temporary(target.parent, mode=0o600)
        try:
            atomic.write_all(descriptor, content.encode())
            if reader is not None:
                os.fchown(descriptor, reader.uid, reader.gid)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
            os.close(descriptor)
    return {VARIABLE: str(target)}


def described(
    store: Store,
    *,
    app_name: str = "",
    scratch: Path | None = None,
    copies: Path | None = None,
    reader: Reader | None = None,
    train: bool = False,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Return what ``write`` writes, secrets in the clear; "error" says why there can be no session."""
    found: dict[str, Any] = {"version": VERSION, "error": "", "app_name": app_name}
    found |= {"scratch": str(scratch) if scratch else "", "secret_names": SECRET.pattern}
    names = known().arguments.keys() - ELSEWHERE.keys() - set(NO_SUBMISSION)
    found |= {"argument_names": sorted(names), "flags": sorted(FLAGS)}
    try:
        runtime = installed.spark()
        configuration = _checked(store)
        return {
            **found,
            **_settings(configuration),
            **_surroundings(cache or store.root / "cache" / "class-data", runtime, train=train),
            "jars": [_file(store.dependencies, name, copies, reader) for name in configuration.jars],
            "py_files": [_file(store.dependencies, name, copies, reader) for name in configuration.py_files],
        }
    except CoutureError as error:
        return {**found, "error": str(error)}


def _checked(store: Store) -> SparkConfiguration:
    configuration = spark_configuration.load(store)
    if wrong := errors(spark_configuration.validate(configuration, store)):
        raise SparkSubmitError(
            "\n".join(f"The Spark configuration is wrong in {each.field}: {each.message}" for each in wrong)
        )
    return configuration


def _settings(configuration: SparkConfiguration) -> dict[str, Any]:
    """Return the settings apart: those that anybody may see, the secrets, and what is left out and why."""
    hadoop: dict[str, str] = {}
    shown: dict[str, str] = {}
    left_out: dict[str, str] = {}
    authentication = ""
    for name, value in configuration.configurations.items():
        if is_secret(name) and name.startswith(_HADOOP):
            hadoop[name.removeprefix(_HADOOP)] = value
        elif name == _AUTHENTICATION:
            authentication = value
        elif is_secret(name):
            left_out[name] = "it is a secret, and Spark would show it to each cell in spark.conf"
        elif _holds_secret(value):
            left_out[name] = _INSIDE
        else:
            shown[name] = value
    arguments = {name: value for name, value in configuration.arguments.items() if not _holds_secret(value)}
    left_out |= {name: _INSIDE for name in configuration.arguments.keys() - arguments.keys()}
    return {
        "commit": configuration.commit or "",
        "arguments": arguments,
        "configurations": shown,
        "hadoop_secrets": hadoop,
        "authentication_secret": authentication,
        "left_out": left_out,
    }


_INSIDE = "a secret seems to be in its value, and Spark would show it to each cell in spark.conf"


def _holds_secret(value: str) -> bool:
    return masked([value]) != [value] or bool(PASSWORD_IN_TEXT.search(value))


def _surroundings(cache: Path, runtime: SparkRuntime, *, train: bool) -> dict[str, Any]:
    options = LATE_COMPILER
    if settings.class_data_archive():
        archive = class_data.class_data_archive(runtime, cache, build=train)
        options += class_data.class_data_options(archive) if archive else ()
    around: Mapping[str, str] = environment(runtime, java_options=options)
    return {
        "spark_home": str(runtime.home),
        "spark_version": runtime.version,
        "java": runtime.java,
        "python": runtime.python,
        "environment": {name: around[name] for name in _OF_SPARK if name in around},
    }


def _file(files: Files, reference: str, copies: Path | None, reader: Reader | None) -> dict[str, str]:
    """Return name, content and place of a file, copied if the kernel cannot read it where it is."""
    file, version = files.resolve(reference)
    if copies is None:
        path = files.path(file.name, version.number)
    else:
        folder = copies / version.sha256[:16]
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != version.size:
            _enterable(copies)
            _enterable(folder)
            files.materialize(file.name, folder, version=version.number)
            if reader is not None:
                os.chown(path, reader.uid, reader.gid, follow_symlinks=False)
    return {"name": file.name, "path": str(path), "sha256": version.sha256}


def _enterable(folder: Path) -> None:
    """Make a folder that others may pass through and not list; what is in it says who may read it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
