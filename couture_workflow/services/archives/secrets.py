"""Secrets in files of Hadoop's XML form: taken out before an export, put back at an import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat
from xml.sax.saxutils import unescape

from couture_workflow.exceptions import ArchiveError
from couture_workflow.services.spark.document import MASK, is_secret
from couture_workflow.store.names import quote

_PROPERTY = re.compile(r"<property\b[^>]*>.*?</property\s*>", re.DOTALL)
_NAME = re.compile(r"<name\s*>\s*(.*?)\s*</name\s*>", re.DOTALL)
_VALUE = re.compile(r"(<value\s*>)(.*?)(</value\s*>)", re.DOTALL)


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
    text = content.decode("utf-8", "surrogateescape")
    names: list[str] = []

    def masked(match: re.Match[str]) -> str:
        name, value = _read(match[0])
        if not is_secret(name) or not value:
            return match[0]
        names.append(name)
        return _with_value(match[0], MASK)

    return _PROPERTY.sub(masked, text).encode("utf-8", "surrogateescape"), tuple(names)


def with_secrets(content: bytes, present: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return an XML file with the secrets that are here in place of masks, and names of those that are not.

    :param present: the file as it is here, empty if there is none.
    """
    known = dict(_secrets(present.decode("utf-8", "surrogateescape")))
    wanting: list[str] = []

    def filled(match: re.Match[str]) -> str:
        name, value = _read(match[0])
        if not is_secret(name) or value != MASK:
            return match[0]
        if name not in known:
            wanting.append(name)
        return _with_value(match[0], known.get(name, ""))

    text = content.decode("utf-8", "surrogateescape")
    return _PROPERTY.sub(filled, text).encode("utf-8", "surrogateescape"), tuple(wanting)


def _secrets(text: str) -> Iterator[tuple[str, str]]:
    for match in _PROPERTY.finditer(text):
        name, _ = _read(match[0])
        value = _VALUE.search(match[0])
        if is_secret(name) and value:
            yield name, value[2]


def _read(text: str) -> tuple[str, str]:
    name, value = _NAME.search(text), _VALUE.search(text)
    return unescape(name[1]) if name else "", value[2].strip() if value else ""


def _with_value(text: str, value: str) -> str:
    return _VALUE.sub(lambda match: f"{match[1]}{value}{match[3]}", text)
