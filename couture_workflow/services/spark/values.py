"""The syntax of values as Spark reads them: sizes, times, numbers, booleans, choices and master URLs.

Each check returns a sentence that names the rule and the remedy, "" if the value is well formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from couture_workflow.services.spark.options import Option
from couture_workflow.store.names import quote

SIZE = re.compile(r"[0-9]+(b|k|kb|m|mb|g|gb|t|tb|p|pb)?", re.IGNORECASE)
TIME = re.compile(r"-?[0-9]+(us|ms|s|m|min|h|d)?", re.IGNORECASE)
INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
HEAP = re.compile(r"[1-9][0-9]*[kmgt]", re.IGNORECASE)
LOCAL = re.compile(r"local(\[(\*|[1-9][0-9]*)(,[0-9]+)?\])?")
CLUSTER = re.compile(r"local-cluster\[[0-9]+,[0-9]+,[0-9]+\]")
HOST = r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"
STANDALONE = re.compile(rf"spark://{HOST}(,{HOST})*")
KUBERNETES = re.compile(r"k8s://(https?://)?[\w.\[\]:-]+(/\S*)?")
UNITS = {"us": "microseconds", "ms": "milliseconds", "s": "seconds", "b": "bytes", "k": "KiB", "m": "MiB"}

#: The JVM gets these as -Xmx, before Spark reads them: one letter, no default unit.
HEAP_OPTIONS = ("driver-memory", "spark.driver.memory")


def check(option: Option, value: str) -> str:
    """Return what is wrong with a value of an option, "" if nothing is."""
    if wrong := check_characters(value):
        return wrong
    if option.name in ("master", "spark.master"):
        return check_master(value)
    if option.name in ("deploy-mode", "spark.submit.deployMode"):
        return (
            ""
            if value in ("client", "cluster")
            else f"{quote(value)} is not a deploy mode. Use client or cluster."
        )
    if option.name in HEAP_OPTIONS:
        return check_heap(value)
    checker = CHECKERS.get(option.kind)
    return checker(option, value.strip()) if checker else ""


def check_characters(value: str) -> str:
    """Refuse characters that no command line or properties file carries."""
    if any(ord(char) < 32 and char != "\t" or ord(char) == 127 for char in value):
        return "A value is one line without control characters. Remove the line break or control character."
    return ""


def check_master(value: str) -> str:
    """Check a master URL."""
    patterns = (LOCAL, CLUSTER, STANDALONE, KUBERNETES)
    if value == "yarn" or any(pattern.fullmatch(value) for pattern in patterns):
        return ""
    return (
        f"{quote(value)} is not a master. Use local, local[4], local[*], spark://host:7077, yarn "
        "or k8s://https://host:6443."
    )


def check_heap(value: str) -> str:
    """Check the memory of a driver, which is handed to the JVM as it is."""
    if HEAP.fullmatch(value):
        return ""
    return (
        f"{quote(value)} is not an amount of memory. Use a whole number and k, m, g or t, such as 512m or 4g."
    )


def _bytes(option: Option, value: str) -> str:
    if SIZE.fullmatch(value):
        return ""
    return (
        f"{quote(value)} is not an amount of memory. Use a whole number and k, m, g or t, such as 512m or 4g"
        f"{_bare(option)}."
    )


def _time(option: Option, value: str) -> str:
    if TIME.fullmatch(value):
        return ""
    return (
        f"{quote(value)} is not a time. Use a whole number and us, ms, s, m, h or d, such as 30s or 5m"
        f"{_bare(option)}."
    )


def _bare(option: Option) -> str:
    return f"; a bare number counts {UNITS[option.unit]}" if option.unit else ""


def _integer(option: Option, value: str) -> str:
    if not INTEGER.fullmatch(value):
        return f"{quote(value)} is not a whole number. Use digits alone, such as 4."
    if option.least is not None and int(value) < option.least:
        return f"{value} is too small. Use {option.least} or more."
    return ""


def _number(_option: Option, value: str) -> str:
    return "" if NUMBER.fullmatch(value) else f"{quote(value)} is not a number. Use a number such as 0.6."


def _boolean(_option: Option, value: str) -> str:
    return (
        ""
        if value.lower() in ("true", "false")
        else f"{quote(value)} is neither true nor false. Use one of them."
    )


def _choice(option: Option, value: str) -> str:
    if value in option.choices:
        return ""
    if option.any_case and value.casefold() in {choice.casefold() for choice in option.choices}:
        return ""
    return f"{quote(value)} is not one of its values. Use {', '.join(option.choices)}."


CHECKERS: dict[str, Callable[[Option, str], str]] = {
    "bytes": _bytes,
    "time": _time,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "flag": _boolean,
    "choice": _choice,
}
