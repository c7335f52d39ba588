"""Arguments of DAGs and tasks, in a call or in a dict: renamed, dropped, or told about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from couture_workflow.services.upgrade.rewriting.document import Document, is_none, keyword, text_of
from couture_workflow.services.upgrade.table import TASK_DROPPED, TASK_RENAMED, TRIGGER_RULES


@dataclass(frozen=True)
class Given:
    """One argument: ``name=value`` of a call or ``"name": value`` of a dict."""

    name: str
    node: cst.Arg | cst.DictElement
    key: cst.CSTNode
    value: cst.BaseExpression


class Arguments:
    """The arguments that stand together, and what shall become of them.

    :param items: all items of the call or dict, those without a name included.
    :param what: how messages call the whole, such as ``DAG`` or ``default_args``.
    """

    def __init__(
        self,
        document: Document,
        items: Sequence[cst.CSTNode],
        *,
        what: str,
        leave: frozenset[str] = frozenset(),
    ) -> None:
        self.document = document
        self.items = items
        self.what = what
        self.given = {each.name: each for each in _given(items) if each.name not in leave}
        self._doomed: list[cst.CSTNode] = []
        self._call: cst.Call | None = None
        self._added: list[str] = []

    def rename(self, old: str, new: str) -> None:
        """Give an argument another name, unless the new one is given already."""
        argument = self.given.get(old)
        if argument is None:
            return
        if new in self.given:
            self.drop(old, because=f"{new}= is given")
            return
        key = argument.key
        if isinstance(key, cst.SimpleString):
            self.document.replace(key, f"{key.prefix}{key.quote}{new}{key.quote}")
        else:
            self.document.replace(key, new)
        self.document.changed(argument.node, f"{self.what}: {old}= is now {new}=")

    def drop(self, name: str, *, because: str) -> Given | None:
        """Take an argument out."""
        argument = self.given.get(name)
        if argument is not None:
            self._doomed.append(argument.node)
            self.document.changed(argument.node, f"{self.what}: {name}= removed, for {because}")
        return argument

    def add(self, call: cst.Call, new: str) -> None:
        """Have another argument written behind those of a call that stay."""
        self._call = call
        self._added.append(new)

    def finish(self) -> None:
        """Remove what was dropped, and write what was added."""
        if self._call is not None:
            self._write(self._call)
        if self._doomed:
            self.document.remove(self.items, self._doomed)

    def _write(self, call: cst.Call) -> None:
        document = self.document
        kept = self.kept()
        if not kept:
            at = document.text.index("(", document.end(call.func)) + 1
            document.insert(at, ", ".join(self._added))
            return
        last = document.start(kept[-1])
        own_line = document.text[:last].rpartition("\n")[2]
        between = document.newline + own_line if own_line.isspace() and len(kept) > 1 else " "
        document.insert(document.end(kept[-1]), "".join(f",{between}{new}" for new in self._added))

    def kept(self) -> list[cst.CSTNode]:
        """Return the items that stay."""
        return [item for item in self.items if not any(item is each for each in self._doomed)]


def _given(items: Sequence[cst.CSTNode]) -> Iterator[Given]:
    for item in items:
        if isinstance(item, cst.Arg) and item.keyword is not None:
            yield Given(keyword(item), item, item.keyword, item.value)
        elif isinstance(item, cst.DictElement) and (name := text_of(item.key)) is not None:
            yield Given(name, item, item.key, item.value)


def task_arguments(arguments: Arguments) -> None:
    """Bring the arguments that every task takes up to date."""
    for name in sorted(TASK_DROPPED):
        arguments.drop(name, because="it is implied or has no effect now")
    for old, new in TASK_RENAMED.items():
        arguments.rename(old, new)
    _trigger_rule(arguments)
    _sla(arguments)


def _trigger_rule(arguments: Arguments) -> None:
    given = arguments.given.get("trigger_rule")
    if given is None:
        return
    value, document = given.value, arguments.document
    old = text_of(value)
    if old in TRIGGER_RULES and isinstance(value, cst.SimpleString):
        document.replace(value, f"{value.quote}{TRIGGER_RULES[old]}{value.quote}")
        document.changed(value, f"trigger rule {old} is now {TRIGGER_RULES[old]}")
    elif isinstance(value, cst.Attribute) and (new := TRIGGER_RULES.get(value.attr.value.lower())):
        document.replace(value.attr, new.upper())
        document.changed(value, f"trigger rule {value.attr.value} is now {new.upper()}")


def _sla(arguments: Arguments) -> None:
    """Take out an SLA of None. Another one stays: it counts here, see ``services.sla``."""
    given = arguments.given.get("sla")
    if given is not None and is_none(given.value):
        arguments.drop("sla", because="None says nothing")
        del arguments.given["sla"]


def of_dict(node: cst.CSTNode) -> Sequence[cst.CSTNode] | None:
    """Return the items of a dict that is written out, ``{...}`` or ``dict(...)``, None for anything else."""
    if isinstance(node, cst.Dict):
        return node.elements
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "dict":
        return node.args
    return None
