"""The rules that a Spark configuration must keep, and what is told beside the field that breaks one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.spark.document import Sealed, is_secret
from couture_workflow.services.spark.options import Known, Option, known, nearest
from couture_workflow.services.spark.values import check
from couture_workflow.store.home import Store
from couture_workflow.store.names import parse_reference, quote

ERROR, WARNING, NOTE = "error", "warning", "note"
NAME, VALUE = "name", "value"

KEY = re.compile(r"[^\s=:#!\\\x00-\x1f\x7f]+")
PASSWORD_IN_TEXT = re.compile(r"(?i)(secret|password|token|access[.]?key|credential)[\w.-]{0,100}+=\S")
JAR_SUFFIXES = (".jar",)
PYTHON_SUFFIXES = (".zip", ".egg", ".whl", ".py")

#: Unknown names for which a known one is looked for, and characters of one.
_MOST_HINTS, _LONGEST_HINTED = 50, 200
#: Arguments that have another place, with that place.
ELSEWHERE = {
    "class": "Set class_path on the task instead.",
    "conf": "Add it below Configurations instead.",
    "extra-properties-file": "Add its settings below Configurations instead.",
    "jars": "Choose uploaded dependencies below Jars instead.",
    "name": "Set app_name on the task instead.",
    "properties-file": "Add its settings below Configurations instead.",
    "py-files": "Choose uploaded dependencies below Py-files instead.",
}
#: Arguments that do not submit a job.
NO_SUBMISSION = ("help", "kill", "status", "usage-error", "version")
#: Configurations that have another place, with that place.
CONFIGURATIONS_ELSEWHERE = {
    "spark.app.name": "Set app_name on the task instead.",
    "spark.jars": "Choose uploaded dependencies below Jars instead.",
    "spark.master": "Set the argument master instead.",
    "spark.submit.deployMode": "Set the argument deploy-mode instead.",
    "spark.submit.pyFiles": "Choose uploaded dependencies below Py-files instead.",
}
#: What the help text of spark-submit begins with -> masters that read the argument.
MASTERS = {
    "Spark standalone only": ("spark://",),
    "Spark standalone, YARN and Kubernetes only": ("spark://", "yarn", "k8s://"),
    "Spark on YARN and Kubernetes only": ("yarn", "k8s://"),
    "Spark on YARN only": ("yarn",),
}


@dataclass(frozen=True)
class Problem:
    """Something to tell about one field.

    :param field: such as "arguments.driver-memory" or "jars.a.jar".
    :param level: "error" stops a save; "warning" and "note" do not.
    :param part: whether the "name" or the "value" of the entry is meant.
    """

    field: str
    message: str
    level: str = ERROR
    part: str = VALUE


class Settings(Protocol):
    """What is checked: a document with sealed secrets, or a configuration in the clear."""

    @property
    def arguments(self) -> Mapping[str, str]:
        """Return the arguments of spark-submit."""

    @property
    def configurations(self) -> Mapping[str, str | Sealed]:
        """Return the configurations."""

    @property
    def jars(self) -> tuple[str, ...]:
        """Return the references to jars."""

    @property
    def py_files(self) -> tuple[str, ...]:
        """Return the references to Python files."""


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that stop a save."""
    return [problem for problem in problems if problem.level == ERROR]


def validate(configuration: Settings, store: Store) -> list[Problem]:
    """Return everything that is wrong with, or worth knowing of, a configuration."""
    options, hints = known(), _Hints()
    return [
        *(
            problem
            for item in configuration.arguments.items()
            for problem in _argument(*item, options, hints)
        ),
        *_combinations(configuration.arguments),
        *_unused(configuration.arguments, options),
        *(
            problem
            for item in configuration.configurations.items()
            for problem in _configuration(*item, configuration.arguments, options, hints)
        ),
        *_files("jars", configuration.jars, JAR_SUFFIXES, store),
        *_files("py_files", configuration.py_files, PYTHON_SUFFIXES, store),
    ]


class _Hints:
    """What is most like names that nobody knows: of the first ones alone, as a look takes a millisecond."""

    def __init__(self) -> None:
        self._left = _MOST_HINTS

    def of(self, name: str, names: Collection[str]) -> str:
        """Return the known name that is most like another one, "" if none is."""
        self._left -= 1
        return nearest(name, names) if self._left >= 0 and len(name) <= _LONGEST_HINTED else ""


def _argument(name: str, value: str, options: Known, hints: _Hints) -> Iterator[Problem]:
    field = f"arguments.{name}"
    if refusal := _refused_argument(name, options, hints):
        yield Problem(field, refusal, part=NAME)
    elif not value.strip():
        yield Problem(field, "A value is missing. Type one, or delete the row.")
    elif wrong := check(options.arguments[name], value):
        yield Problem(field, wrong)
    elif PASSWORD_IN_TEXT.search(value):
        yield Problem(field, _exposed("an argument"), WARNING)


def _exposed(what: str) -> str:
    return (
        f"This looks like a secret, and everybody on the machine can read {what} while a job runs. "
        "A configuration with secret, password, token or credential in its name is kept encrypted."
    )


def _refused_argument(name: str, options: Known, hints: _Hints) -> str:
    """Return why an argument has no place here, "" if it has one."""
    if not name:
        return "A name is missing. Type one, or delete the row."
    if name in ELSEWHERE:
        return f"The product sets {name} itself. {ELSEWHERE[name]}"
    if name in NO_SUBMISSION:
        return f"{name} does not submit a job. Delete the row."
    if name in options.arguments:
        return ""
    if name.startswith("spark."):
        return f"{quote(name)} is a configuration. Add it below Configurations instead."
    hint = hints.of(name, set(options.arguments) - {*ELSEWHERE, *NO_SUBMISSION})
    remedy = f"Did you mean {hint}?" if hint else "Choose one of the suggested names."
    return f"spark-submit has no argument {quote(name)}. {remedy}"


def _combinations(arguments: Mapping[str, str]) -> Iterator[Problem]:
    """Check what Spark refuses in combination."""
    master = arguments.get("master", "local[*]")
    if arguments.get("deploy-mode") == "cluster" and master.startswith("local"):
        yield Problem(
            "arguments.deploy-mode",
            f"Deploy mode cluster needs a cluster, and master is {master}. Use client, or another master.",
        )
    if "remote" in arguments and not {"master", "deploy-mode"}.isdisjoint(arguments):
        yield Problem(
            "arguments.remote",
            "remote cannot stand beside master or deploy-mode. Delete them, or this row.",
            part=NAME,
        )
    if "proxy-user" in arguments and not {"principal", "keytab"}.isdisjoint(arguments):
        yield Problem(
            "arguments.proxy-user",
            "proxy-user cannot stand beside principal and keytab. Delete one.",
            part=NAME,
        )
    for name, other in (("principal", "keytab"), ("keytab", "principal")):
        if name in arguments and other not in arguments:
            yield Problem(f"arguments.{name}", f"{name} needs {other} beside it. Add {other}.", part=NAME)


def _unused(arguments: Mapping[str, str], options: Known) -> Iterator[Problem]:
    """Note the arguments that the master does not read."""
    master = arguments.get("master", "local[*]")
    for name in arguments:
        heading = options.arguments[name].doc.partition(":")[0] if name in options.arguments else ""
        if heading in MASTERS and not master.startswith(MASTERS[heading]):
            yield Problem(f"arguments.{name}", f"Has no effect with master {master}. {heading}.", NOTE)


def _configuration(
    name: str, value: str | Sealed, arguments: Mapping[str, str], options: Known, hints: _Hints
) -> Iterator[Problem]:
    field = f"configurations.{name}"
    if refusal := _refused_configuration(name, options, hints):
        yield Problem(field, refusal, part=NAME)
        return
    if isinstance(value, str):
        if wrong := _configuration_value(name, value, options):
            yield Problem(field, wrong)
        elif not is_secret(name) and PASSWORD_IN_TEXT.search(value):
            yield Problem(field, _exposed("this value"), WARNING)
    yield from _remarks(name, arguments, options, hints)


def _configuration_value(name: str, value: str, options: Known) -> str:
    if not value.strip():
        return "A value is missing. Type one, or delete the row."
    return check(options.configurations.get(name, Option(name)), value)


def _refused_configuration(name: str, options: Known, hints: _Hints) -> str:
    """Return why a configuration has no place here, "" if it has one."""
    if not name:
        return "A name is missing. Type one, or delete the row."
    if name in CONFIGURATIONS_ELSEWHERE:
        return f"The product sets {name} itself. {CONFIGURATIONS_ELSEWHERE[name]}"
    if name in options.arguments:
        return f"{quote(name)} is an argument of spark-submit. Add it below Arguments instead."
    if not name.startswith("spark.") or name == "spark.":
        hint = hints.of(f"spark.{name}", options.configurations)
        remedy = f"Did you mean {hint}?" if hint else "Settings of Hadoop begin with spark.hadoop. here."
        return f"Spark reads only names that begin with spark. and ignores {quote(name)}. {remedy}"
    if not KEY.fullmatch(name):
        return f"{quote(name)} has a blank, = : # ! or \\ in it. Remove it."
    return ""


def _remarks(name: str, arguments: Mapping[str, str], options: Known, hints: _Hints) -> Iterator[Problem]:
    """Tell what is allowed and still worth knowing."""
    field = f"configurations.{name}"
    if note := options.deprecated.get(name):
        yield Problem(field, note, WARNING, NAME)
    elif not options.names(name):
        hint = hints.of(name, options.configurations)
        remedy = f" Did you mean {hint}?" if hint else " It is passed on as it is."
        yield Problem(field, f"Spark {options.spark} does not know this name.{remedy}", WARNING, NAME)
    if argument := options.argument_of(name):
        if argument in arguments:
            yield Problem(field, f"The argument {argument} says the same and goes before it.", WARNING, NAME)
        else:
            yield Problem(field, f"The argument {argument} says the same.", NOTE, NAME)


def _files(
    section: str, references: Iterable[str], suffixes: tuple[str, ...], store: Store
) -> Iterator[Problem]:
    seen: set[str] = set()
    for reference in references:
        field = f"{section}.{reference}"
        try:
            name, version = parse_reference(reference, what="dependency")
            stored = store.dependencies.get(name)
        except CoutureError as error:
            yield Problem(field, str(error))
            continue
        if version is not None and all(known_version.number != version for known_version in stored.versions):
            numbers = ", ".join(str(known_version.number) for known_version in stored.versions)
            yield Problem(field, f"{name} has no version {version}. Choose one of {numbers}.")
        if not name.casefold().endswith(suffixes):
            yield Problem(field, f"{name} does not end in {', '.join(suffixes)}. Choose another file.")
        if name in seen:
            yield Problem(field, f"{name} stands in the list already. Delete one.")
        seen.add(name)
