"""Names in a directory: full names (DN), filters, and the name that a person is bound with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}(;[A-Za-z0-9-]{1,127})*+|\d{1,40}(\.\d{1,40}){1,40}")
_TYPE = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]{0,127}|\d{1,40}(?:\.\d{1,40}){1,40})\s*=")
_ITEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9.;-]{0,250}(:dn)?(:[A-Za-z0-9.-]{1,250})?(:=|~=|>=|<=|=)|:dn:")
#: What Python's own "%" would fail at, or replace by something else.
_PLACES = re.compile("%.?", re.DOTALL)


def is_attribute(text: str) -> bool:
    """Tell whether a text is the name of an attribute."""
    return bool(_ATTRIBUTE.fullmatch(text))


def parts_of_dn(text: str) -> list[str]:
    """Return the parts of a full name, split at commas that are neither escaped nor quoted."""
    parts, current, position, quoted = [], [], 0, False
    while position < len(text):
        letter = text[position]
        if letter == "\\":
            current.append(text[position : position + 2])
            position += 2
            continue
        quoted ^= letter == '"'
        if letter == "," and not quoted:
            parts.append("".join(current))
            current = []
        else:
            current.append(letter)
        position += 1
    return [*parts, "".join(current)]


def is_dn(text: str) -> bool:
    """Tell whether a text is a full name, such as ``ou=people,dc=example,dc=com``."""
    return bool(text) and all(_TYPE.match(part) for part in parts_of_dn(text))


def same_dn(text: str) -> str:
    """Return what is equal for full names that differ in case and in blanks around ``,`` and ``=`` alone."""
    pairs = (part.partition("=") for part in parts_of_dn(text))
    return ",".join(f"{name.strip()}{sign}{value.strip()}" for name, sign, value in pairs).casefold()


def filter_problem(text: str) -> str:
    """Return what is wrong with an LDAP filter, "" if nothing is; in one walk, whatever it holds."""
    opened: list[_Opened] = []
    position, done = 0, False
    while position < len(text):
        if text[position] == " ":
            position += 1
            continue
        if done:
            return f"something follows its last bracket: {text[position : position + 20]!r}"
        problem, position, is_whole = _step(text, position, opened)
        if problem:
            return problem
        if is_whole and opened:
            opened[-1].filters += 1
        done = is_whole and not opened
    if opened:
        return f"{len(opened)} bracket(s) ) are missing at its end"
    return "" if done else "it is empty"


@dataclass
class _Opened:
    """A filter of filters that is not closed yet.

    :param filters: how many it has so far.
    """

    operator: str
    filters: int = 0


def _step(text: str, position: int, opened: list[_Opened]) -> tuple[str, int, bool]:
    """Return what is wrong, the position behind what stands here, and whether a filter ends there."""
    if text[position] == ")":
        return _closed(opened), position + 1, True
    if text[position] != "(":
        return f"a bracket ( is missing before {text[position : position + 20]!r}", position, False
    operator = text[position + 1 : position + 2]
    if operator and operator in "&|!":
        opened.append(_Opened(operator))
        return "", position + 2, False
    end = text.find(")", position)
    if end < 0:
        return "a bracket ) is missing at its end", position, False
    return _item_problem(text[position + 1 : end]), end + 1, True


def _closed(opened: list[_Opened]) -> str:
    if not opened:
        return "there is a bracket ) too many"
    last = opened.pop()
    if last.filters == 0 or (last.operator == "!" and last.filters != 1):
        return f"({last.operator}...) needs {'one filter' if last.operator == '!' else 'a filter'} in it"
    return ""


def _item_problem(item: str) -> str:
    if "(" in item:
        return f"{item[:40]!r} has a bracket in it; write \\28 for ( and \\29 for ) in a value"
    if not _ITEM.match(item):
        return f"{item[:40]!r} is no condition such as objectClass=person"
    return ""


def format_problem(text: str) -> str:
    """Return what is wrong with the form of a name to bind with, "" if nothing is."""
    places = _PLACES.findall(text)
    if places == ["%s"]:
        return ""
    if "%s" not in places:
        return "it has no %s where the user name goes"
    return "it must have exactly one %s and no other %"


class NameFormat(str):
    """The form of a name to bind with: what is put in cannot end its own part of a full name."""

    __slots__ = ()

    def __mod__(self, name: Any) -> str:
        """Return the name to bind with."""
        before, _, after = self.partition("%s")
        return before + (escaped(str(name)) if is_dn(self) else str(name)) + after


def escaped(value: str) -> str:
    """Return a value as it stands in a full name."""
    letters = [f"\\{letter}" if letter in '\\,+"<>;=' else letter for letter in value]
    if letters and letters[0] in ("#", " "):
        letters[0] = f"\\{letters[0]}"
    if len(letters) > 1 and letters[-1] == " ":
        letters[-1] = "\\ "
    return "".join(letters).replace("\0", "\\00")


def name_to_bind(values: Mapping[str, Any], name: str) -> str:
    """Return the name that a person is bound with where there is no service account."""
    if domain := values["AUTH_LDAP_APPEND_DOMAIN"]:
        name = f"{name}@{domain}"
    if form := values["AUTH_LDAP_USERNAME_FORMAT"]:
        name = NameFormat(form) % name
    return name
