"""Secrets in files of Hadoop's XML form: taken out before an export, put back at an import."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import unescape

from couture_workflow.exceptions import ArchiveError
from couture_workflow.services.spark.document import MASK, is_secret
from couture_workflow.store.names import quote

# Never past the next "<", so that the time grows with the text and no faster.
_TAG = re.compile(r"<(/?)(property|name|value)\b[^<>]*+>")


def check_xml(content: bytes, path: str) -> None:
    """Raise ``ArchiveError`` if a file is no XML, or defines entities, which Hadoop has no use for."""
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ArchiveError(f"{quote(path)} has a document type or entities. Remove them.", member=path)

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ArchiveError(
            f"{quote(path)} is not well-formed XML: {error}. Correct it.", member=path
        ) from error


def without_secrets(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return an XML file with its secrets masked, and the names of those."""
    names: list[str] = []

    def masked(text: str) -> str:
        name, value = _read(text)
        if not is_secret(name) or not value:
            return text
        names.append(name)
        return _with_value(text, MASK)

    text = _replaced(content.decode("utf-8", "surrogateescape"), "property", masked)
    return text.encode("utf-8", "surrogateescape"), tuple(names)


def with_secrets(content: bytes, present: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return an XML file with the secrets that are here in place of masks, and names of those that are not.

    :param present: the file as it is here, empty if there is none.
    """
    known = dict(_secrets(present.decode("utf-8", "surrogateescape")))
    wanting: list[str] = []

    def filled(text: str) -> str:
        name, value = _read(text)
        if not is_secret(name) or value != MASK:
            return text
        if name not in known:
            wanting.append(name)
        return _with_value(text, known.get(name, ""))

    text = _replaced(content.decode("utf-8", "surrogateescape"), "property", filled)
    return text.encode("utf-8", "surrogateescape"), tuple(wanting)


@dataclass(frozen=True)
class _Element:
    """Where an element begins and ends in a text, and its content."""

    start: int
    inside: int
    outside: int
    end: int


def _elements(text: str, name: str) -> Iterator[_Element]:
    """Iterate over the elements of a name; an end that is missing makes it none."""
    opened: re.Match[str] | None = None
    for tag in _TAG.finditer(text):
        if tag[2] != name or tag[0].endswith("/>"):
            continue
        if not tag[1]:
            opened = opened or tag
        elif opened:
            yield _Element(opened.start(), opened.end(), tag.start(), tag.end())
            opened = None


def _replaced(text: str, name: str, change: Callable[[str], str], *, inside: bool = False) -> str:
    """Return a text with each element of a name, or what is inside of it, as the function has it."""
    pieces: list[str] = []
    done = 0
    for element in _elements(text, name):
        start, end = (element.inside, element.outside) if inside else (element.start, element.end)
        pieces += [text[done:start], change(text[start:end])]
        done = end
    return "".join([*pieces, text[done:]])


def _secrets(text: str) -> Iterator[tuple[str, str]]:
    for element in _elements(text, "property"):
        part = text[element.start : element.end]
        name, _ = _read(part)
        value = _content(part, "value")
        if is_secret(name) and value is not None:
            yield name, value


def _read(text: str) -> tuple[str, str]:
    return unescape((_content(text, "name") or "").strip()), (_content(text, "value") or "").strip()


def _content(text: str, name: str) -> str | None:
    element = next(_elements(text, name), None)
    return text[element.inside : element.outside] if element else None


def _with_value(text: str, value: str) -> str:
    return _replaced(text, "value", lambda _: value, inside=True)
