"""A code brick as data and as the YAML text that is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.texts import plain_yaml
from couture_workflow.store.names import quote

#: Type of a parameter -> how its value stands in the code.
TYPES: dict[str, str] = {
    "text": "a Python string; within quotes: the bare text",
    "name": "a Python name, such as a variable",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "True or False",
    "choice": "one of the choices, as a string",
    "code": "Python as it is typed",
}


@dataclass(frozen=True)
class Parameter:
    """Something that is asked for when a brick is inserted; ``${name}`` in the code stands for it.

    :param type: one of ``TYPES``.
    :param default: what the form begins with.
    :param choices: of the type ``choice``.
    """

    name: str
    type: str = "text"
    default: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Brick:
    """A piece of code with a title.

    :param code: Python; imports stand at its top.
    :param hidden: a brick that came with the package and was deleted here.
    """

    name: str
    title: str
    description: str = ""
    tags: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    code: str = ""
    hidden: bool = False

    def text(self) -> str:
        """Return all that a search looks into, in lower case."""
        return "\n".join((self.name, self.title, self.description, *self.tags, self.code)).casefold()


def parse(name: str, text: str) -> Brick:
    """Return the brick of a YAML text, or raise ``InvalidError``."""
    try:
        data = plain_yaml.load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        reason = " ".join(str(error).split())
        raise _damaged(name, f"it is not YAML: {reason}") from error
    if not isinstance(data, dict) or not isinstance(data.get("code", ""), str):
        raise _damaged(name, "it must be a mapping with title and code")
    try:
        parameters = tuple(_parameter(entry) for entry in data.get("parameters") or ())
        tags = tuple(str(tag) for tag in data.get("tags") or ())
    except (AttributeError, TypeError, ValueError) as error:
        raise _damaged(name, "tags and parameters must be lists, each parameter with a name") from error
    return Brick(
        name=name,
        title=str(data.get("title") or name),
        description=str(data.get("description") or "").strip(),
        tags=tags,
        parameters=parameters,
        code=tidy(str(data.get("code") or "")),
        hidden=bool(data.get("hidden", False)),
    )


def dump(brick: Brick) -> str:
    """Return the YAML text of a brick: the same text for the same brick, the code as a readable block."""
    data: dict[str, Any] = {"title": brick.title}
    if brick.description:
        data["description"] = _Block(brick.description) if "\n" in brick.description else brick.description
    if brick.tags:
        data["tags"] = list(brick.tags)
    if brick.parameters:
        data["parameters"] = [_entry(parameter) for parameter in brick.parameters]
    if brick.hidden:
        data["hidden"] = True
    data["code"] = _Block(tidy(brick.code))
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def tidy(code: str) -> str:
    """Return code with one kind of line ending, without space at line ends, with one newline at the end."""
    lines = [line.rstrip() for line in code.expandtabs(4).replace("\r\n", "\n").split("\n")]
    return "\n".join(lines).strip("\n") + "\n"


def _parameter(entry: Mapping[str, Any]) -> Parameter:
    default = entry.get("default")
    return Parameter(
        name=str(entry["name"] if "name" in entry else ""),
        type=str(entry.get("type") or "text"),
        default="" if default is None else str(default),
        help=str(entry.get("help") or ""),
        choices=tuple(str(choice) for choice in entry.get("choices") or ()),
    )


def _entry(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"name": parameter.name, "type": parameter.type}
    if parameter.default:
        found["default"] = parameter.default
    if parameter.help:
        found["help"] = parameter.help
    if parameter.choices:
        found["choices"] = list(parameter.choices)
    return found


def _damaged(name: str, why: str) -> InvalidError:
    return InvalidError(
        f"The brick {quote(name)} cannot be read: {why}. Edit it, or restore a version of its history.",
        field="code",
    )


class _Block(str):
    """Text that is written as a block, line by line."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's own way, with blocks."""


def _represent_block(dumper: yaml.SafeDumper, text: _Block) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")


_Dumper.add_representer(_Block, _represent_block)
