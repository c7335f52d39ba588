"""Inside the sandbox: what a task's templates need: files that are there, and a syntax that can be read.

Texts are taken from the template fields before Airflow puts the contents of files in their place. They are
read by the environment that the task would be rendered with, and nothing is rendered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Texts of one DAG that are looked at, characters of them that are read with one environment (Jinja takes up
#: to a second for 100,000), and how deep they may be nested.
_MOST, _MOST_CHARACTERS, _DEEPEST = 5_000, 2**19, 20
_SHOWN = 80


@dataclass(frozen=True)
class Text:
    """A text in a template field.

    :param is_file: whether Airflow takes it for the name of a file.
    """

    task: Any
    field: str
    text: str
    is_file: bool


@dataclass(frozen=True)
class Fault:
    """What is wrong with a text.

    :param code: "missing-template", "missing-include" or "template".
    :param path: the template file that it is in, "" if it is the DAG file.
    :param line: a line of that.
    """

    code: str
    text: Text
    message: str
    path: str = ""
    line: int = 0


def texts(dag: Any) -> list[Text]:
    """Return the texts of a DAG's template fields; no code of the file is run for it."""
    found: list[Text] = []
    for task in dag.tasks:
        extensions = tuple(each for each in task.template_ext or () if isinstance(each, str))
        for field, value in fields(task):
            for text in strings(value):
                if len(found) >= _MOST:
                    return found
                found.append(Text(task, field, text, bool(extensions) and text.endswith(extensions)))
    return found


def faults(given: Sequence[Text], *, tree: str) -> Iterator[Fault]:
    """Iterate over what is wrong with some texts, each time that it is.

    :param tree: the folder of the DAG files, with a slash at its end; what there is elsewhere is not known.
    """
    readers: dict[object, _Reader | None] = {}
    for each in given:
        key = _environment_key(each.task)
        if key not in readers:
            readers[key] = _reader(each.task, tree)
        if (reader := readers[key]) is not None:
            yield from reader.faults(each)


def fields(task: Any) -> Iterator[tuple[str, Any]]:
    """Iterate over (name, value) of a task's template fields, also of those that are expanded at run time."""
    given: list[Mapping[str, Any]] = [task.partial_kwargs if task.is_mapped else vars(task)]
    if task.is_mapped:
        expanded: Any = getattr(task.expand_input, "value", None)
        several = expanded if type(expanded) in (list, tuple) else (expanded,)
        given += [each for each in several if type(each) is dict]
    for field in task.template_fields:
        for where in given:
            if field in where:
                yield str(field), where[field]


def strings(value: Any, deepest: int = _DEEPEST) -> Iterator[str]:
    """Iterate over the texts that Airflow would render in a value of Python's own types."""
    if isinstance(value, str):
        yield str.__str__(value)
    elif deepest and type(value) in (list, tuple, set):
        for part in value:
            yield from strings(part, deepest - 1)
    elif deepest and type(value) is dict:
        for part in value.values():
            yield from strings(part, deepest - 1)


def _environment_key(task: Any) -> object:
    """Return the same for tasks that are rendered with the same environment."""
    from airflow.sdk.definitions._internal.abstractoperator import AbstractOperator

    is_own = getattr(type(task), "get_template_env", None) is not AbstractOperator.get_template_env
    return id(task) if is_own else (id(task.dag), getattr(task, "render_template_as_native_obj", None))


def _reader(task: Any, tree: str) -> _Reader | None:
    with contextlib.suppress(Exception):  # whatever the file's own settings of Jinja raise
        return _Reader(task.get_template_env(), tree)
    return None


class _Reader:
    """Reads templates with one environment."""

    def __init__(self, environment: Any, tree: str) -> None:
        from jinja2 import FileSystemLoader

        self._environment = environment
        self._tree = tree
        self._left = _MOST_CHARACTERS
        folders = environment.loader.searchpath if type(environment.loader) is FileSystemLoader else []
        # A relative folder is one of the place where tasks run: nobody knows what is there.
        inside = [f"{os.path.normpath(folder)}/".startswith(tree) for folder in map(str, folders)]
        self._knows_files = bool(inside) and all(inside)
        starts = (environment.variable_start_string, environment.block_start_string)
        self._starts = (*starts, environment.comment_start_string)
        self._known: dict[tuple[str, bool], tuple[tuple[str, str, str, int], ...]] = {}

    def faults(self, given: Text) -> Iterator[Fault]:
        """Iterate over what is wrong with one text."""
        key = (given.text, given.is_file)
        if key not in self._known:
            found = self._named(given.text) if given.is_file else self._read(given.text, "")
            with contextlib.suppress(Exception):  # whatever the file's own extensions of Jinja raise
                self._known[key] = tuple(found)
        for code, message, path, line in self._known.setdefault(key, ()):
            yield Fault(code, given, message, path, line)

    def _named(self, name: str) -> Iterator[tuple[str, str, str, int]]:
        """Iterate over what is wrong with a template file."""
        from jinja2 import TemplateNotFound

        if self._environment.loader is None:
            return
        try:
            source, path, _ = self._environment.loader.get_source(self._environment, name)
        except TemplateNotFound:
            if self._knows_files:
                yield "missing-template", name, "", 0
            return
        except UnicodeDecodeError:
            yield "template", f"the template file {_short(name)} is not UTF-8", "", 0
            return
        inside = path.removeprefix(self._tree) if path and path.startswith(self._tree) else ""
        yield from self._read(source, inside)

    def _read(self, source: str, path: str) -> Iterator[tuple[str, str, str, int]]:
        """Iterate over what is wrong with the text of a template.

        :param path: the file that it is in, "" for the DAG file.
        """
        from jinja2 import TemplateSyntaxError

        if not any(start in source for start in self._starts) and not self._environment.line_statement_prefix:
            return
        if len(source) > self._left:
            return
        self._left -= len(source)
        try:
            parsed = self._environment.parse(source)
            if not self._names_known(parsed):
                self._environment.compile(parsed, raw=True)  # takes longer, and knows which of them matter
        except TemplateSyntaxError as error:
            where = f" (line {error.lineno} of it)" if not path and error.lineno > 1 else ""
            yield "template", f"{str(error.message).rstrip('.')}{where}", path, error.lineno if path else 0
            return
        yield from self._included(parsed, path)

    def _names_known(self, parsed: Any) -> bool:
        """Tell whether all filters and tests of a template are known."""
        from jinja2 import nodes

        filters, tests = self._environment.filters, self._environment.tests
        return all(
            each.name in (filters if isinstance(each, nodes.Filter) else tests)
            for each in parsed.find_all((nodes.Filter, nodes.Test))
        )

    def _included(self, parsed: Any, path: str) -> Iterator[tuple[str, str, str, int]]:
        """Iterate over files that a template includes and that are not there."""
        from jinja2 import TemplateNotFound, nodes

        if not self._knows_files:
            return
        for node in parsed.find_all((nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)):
            name = node.template.value if isinstance(node.template, nodes.Const) else None
            if isinstance(name, str) and not getattr(node, "ignore_missing", False):
                try:
                    self._environment.loader.get_source(self._environment, name)
                except (TemplateNotFound, UnicodeDecodeError):
                    yield "missing-include", name, path, node.lineno if path else 0


def _short(text: str) -> str:
    return f'"{text}"' if len(text) <= _SHOWN else f'"...{text[-_SHOWN:]}"'
