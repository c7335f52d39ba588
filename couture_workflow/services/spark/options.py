"""What Spark itself knows of its options: names, kinds, defaults and texts, loaded when first asked for.

The data file is made from Spark's own jars by ``tools/spark_options.py``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Option:
    """One argument of ``spark-submit`` or one configuration.

    :param kind: "text", "flag", "boolean", "integer", "number", "time", "bytes" or "choice".
    :param unit: what a bare number of kind "time" or "bytes" counts.
    :param least: least whole number that is allowed, None if there is no bound.
    :param any_case: whether upper and lower case of a choice are the same.
    :param configuration: the configuration that the argument stands for, "" if it is none.
    """

    name: str
    kind: str = "text"
    doc: str = ""
    default: str = ""
    version: str = ""
    unit: str = ""
    least: int | None = None
    choices: tuple[str, ...] = ()
    any_case: bool = False
    configuration: str = ""


@dataclass(frozen=True)
class Known:
    """Everything that one version of Spark knows.

    :param internal: names of configurations that Spark has and does not document.
    :param prefixes: beginnings below which names are free, such as ``spark.hadoop.``.
    :param deprecated: configuration -> what Spark says of it.
    """

    spark: str
    arguments: Mapping[str, Option]
    configurations: Mapping[str, Option]
    internal: frozenset[str]
    prefixes: tuple[str, ...]
    deprecated: Mapping[str, str]

    def argument_of(self, configuration: str) -> str:
        """Return the argument that stands for a configuration, "" if there is none."""
        return next(
            (name for name, option in self.arguments.items() if option.configuration == configuration), ""
        )

    def names(self, configuration: str) -> bool:
        """Tell whether Spark reads a configuration of this name."""
        return (
            configuration in self.configurations
            or configuration in self.internal
            or configuration.startswith(self.prefixes)
            or bool(self.argument_of(configuration))
        )


@cache
def known() -> Known:
    """Return what the Spark of this release knows."""
    data = json.loads((files(__package__) / "data" / "spark-options.json").read_text(encoding="utf-8"))
    configurations = {name: _option(name, item) for name, item in data["configurations"].items()}
    return Known(
        spark=data["spark"],
        arguments={name: _argument(name, item, configurations) for name, item in data["arguments"].items()},
        configurations=configurations,
        internal=frozenset(data["internal"]),
        prefixes=tuple(data["prefixes"]),
        deprecated=data["deprecated"],
    )


def _option(name: str, item: Mapping[str, Any]) -> Option:
    return Option(name=name, **{**item, "choices": tuple(item.get("choices", ()))})


def _argument(name: str, item: Mapping[str, Any], configurations: Mapping[str, Option]) -> Option:
    """Return an argument with kind and default of the configuration that it stands for."""
    twin = configurations.get(item.get("configuration", ""), Option(name=""))
    inherited = {field: getattr(twin, field) for field in ("kind", "default", "unit", "least", "choices")}
    return Option(name=name, **{**inherited, **item})


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the known name that is most like one that was typed, "" if none is."""
    folded = {known_name.casefold(): known_name for known_name in names}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.75)
    return folded[found[0]] if found else ""
