"""Spark settings as other installations have them: ``spark.yaml`` and ``spark-defaults.conf``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from couture_workflow.exceptions import ArchiveError
from couture_workflow.services.spark.document import VERSION, Document
from couture_workflow.services.texts import plain_yaml
from couture_workflow.store.names import quote

#: Setting that is an argument here -> the argument.
_ARGUMENTS = {"spark.master": "master", "spark.submit.deployMode": "deploy-mode"}
_LINE = re.compile(r"([^\s=:]+)(?:\s*[=:]\s*|\s+)(.*)")
_SECTIONS = {"version", "arguments", "configurations", "jars", "py_files", "py-files"}


def read_settings(path: str, content: bytes, *, member: str) -> tuple[Document, tuple[str, ...]]:
    """Return the settings of a file and the names of secrets that it holds sealed, which are dropped.

    :param path: tells the form of the file.
    :param member: the file's path in the archive, for messages.
    """
    try:
        text = content.decode("utf-8-sig")
        if path.endswith(".conf"):
            return _properties(text), ()
        return _settings(plain_yaml.load(text))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise ArchiveError(
            f"{quote(member)} cannot be read as Spark settings: {said}. Correct it.", member=member
        ) from error


def _properties(text: str) -> Document:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith(("#", "!")):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number} has no value")
        found[match[1]] = match[2].strip()
    arguments = {argument: found.pop(name) for name, argument in _ARGUMENTS.items() if name in found}
    return Document(arguments=arguments, configurations=found)


def _settings(data: object) -> tuple[Document, tuple[str, ...]]:
    if not isinstance(data, Mapping):
        raise ValueError("it is no mapping of sections")
    if unknown := sorted(str(name) for name in data.keys() - _SECTIONS):
        raise ValueError(
            f"there is no section {unknown[0]}; arguments, configurations, jars and py_files are"
        )
    if data.get("version", VERSION) != VERSION:
        raise ValueError(f"its version is {data['version']}, and this one knows {VERSION}")
    configurations = _section(data, "configurations")
    sealed = tuple(str(name) for name, value in configurations.items() if isinstance(value, Mapping))
    document = Document(
        arguments={str(name): _text(name, value) for name, value in _section(data, "arguments").items()},
        configurations={
            str(name): _text(name, value) for name, value in configurations.items() if str(name) not in sealed
        },
        jars=_list(data, "jars"),
        py_files=_list(data, "py_files") or _list(data, "py-files"),
    )
    return document, sealed


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = data.get(name) or {}
    if not isinstance(section, Mapping):
        raise ValueError(f"{name} is no mapping of names and values")
    return section


def _list(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    section = data.get(name) or ()
    if not isinstance(section, list | tuple) or not all(isinstance(each, str) for each in section):
        raise ValueError(f"{name} is no list of names")
    return tuple(section)


def _text(name: object, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise ValueError(f"the value of {name} is no text")
    return str(value)
