"""Hadoop's configuration files, read as Hadoop reads them, by a parser that lets them do nothing else.

There is no document type, so there are no entities and nothing is fetched; XInclude, which Hadoop follows, is
refused. A file is parsed in one pass of expat, whose cost grows with its size, and that is limited. Nothing
beside expat is needed: what defusedxml would forbid cannot be written without a document type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import unescape

from couture_workflow.exceptions import InvalidError, TooLargeError
from couture_workflow.store.names import quote

#: Limits of one file.
MOST_BYTES = 2**20
MOST_DEPTH = 32
MOST_PROPERTIES = 20_000

ROOT = "configuration"

_BOM = b"\xef\xbb\xbf"
#: Encodings in which plain ASCII is the same as in UTF-8.
_LIKE_ASCII = frozenset({"us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252"})
_PARTS = ("name", "value", "final", "source", "tag", "description")
#: Those that hold text alone.
_PLAIN = frozenset({"name", "value", "final"})
_ATTRIBUTE = re.compile(rb"""\s+([^\s=>]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
# Never past the next "<", so that the time grows with the text and no faster.
_TAG = re.compile(rb"<(/?)(property|name|value)\b[^<>]*+>")


@dataclass(frozen=True)
class Property:
    """One property that Hadoop takes from a file.

    :param line: where it begins, from 1.
    """

    name: str
    value: str
    final: bool = False
    description: str = ""
    line: int = 0


@dataclass(frozen=True)
class Remark:
    """Something in a file that Hadoop does not do as it looks, and what to do about it."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}"


@dataclass(frozen=True)
class Place:
    """Where the value of a property stands in a file.

    :param start, end: bytes of what is between the tags, or between the quotes of an attribute.
    :param kind: "value", "attribute", or "comment" for one that is commented out.
    :param text: the value.
    """

    start: int
    end: int
    name: str
    kind: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Document:
    """A file that was read.

    :param root: name of the outermost element.
    :param places: of every value, in the order of the file.
    """

    root: str
    properties: tuple[Property, ...]
    remarks: tuple[Remark, ...]
    places: tuple[Place, ...] = field(repr=False)

    def effective(self) -> dict[str, Property]:
        """Return the properties that count: of two with a name the later one, unless the first is final."""
        found: dict[str, Property] = {}
        for each in self.properties:
            if each.name not in found or not found[each.name].final:
                found[each.name] = each
        return found


def check_size(size: int, name: str) -> None:
    """Raise ``TooLargeError`` for a file that is larger than a configuration file ever is."""
    if size > MOST_BYTES:
        raise TooLargeError(
            f"{quote(name)} has more than {MOST_BYTES:,} bytes. A configuration file of Hadoop has some "
            "thousand: choose that file alone."
        )


def parse(content: bytes, *, name: str) -> Document:
    """Read a file, or raise ``InvalidError`` or ``TooLargeError`` with what is wrong and where.

    :param name: what the file is called, for messages.
    """
    check_size(len(content), name)
    return _Reader(content, name).read()


def without_mark(content: bytes) -> bytes:
    """Return a file without the byte order mark that some editors put before the text."""
    return content.removeprefix(_BOM)


class _Reader:
    """One pass over a file."""

    def __init__(self, content: bytes, name: str) -> None:
        self._content, self._name = content, name
        self._parser = expat.ParserCreate("utf-8")
        self._root = ""
        self._open: list[str] = []
        self._properties: list[Property] = []
        self._remarks: list[Remark] = []
        self._places: list[Place] = []
        self._property: _Property | None = None
        self._text: list[str] | None = None
        #: Byte at which the element began whose content is being read, and at which its content began.
        self._began, self._inside = -1, -1

    def read(self) -> Document:
        parser = self._parser
        parser.XmlDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = self._document_type
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.CommentHandler = self._comment
        parser.ProcessingInstructionHandler = lambda *_: self._met()
        parser.StartCdataSectionHandler = self._met
        try:
            parser.Parse(self._content, True)
        except expat.ExpatError as error:
            said = expat.ErrorString(error.code)
            raise self._wrong(
                f"is not well-formed XML: {said}. Correct it.", error.lineno, error.offset + 1
            ) from None
        return Document(
            self._root, tuple(self._properties), tuple(self._remarks), tuple(sorted(self._places, key=_start))
        )

    def _wrong(self, what: str, line: int = 0, column: int = 0) -> InvalidError:
        where = f", line {line}" if line else ""
        where += f", column {column}" if column else ""
        return InvalidError(f"{quote(self._name)}{where} {what}", field="text")

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        given = (encoding or "utf-8").lower()
        if given == "utf-8" or (given in _LIKE_ASCII and self._content.isascii()):
            return
        raise self._wrong(f"says that its encoding is {quote(given)}. Save it in UTF-8, and say so.", 1)

    def _document_type(self, *_: object) -> None:
        raise self._wrong(
            "has a document type (<!DOCTYPE ...>), which could define entities or fetch other files. "
            "Remove it; Hadoop needs none.",
            self._parser.CurrentLineNumber,
        )

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._met()
        local, line = tag.rpartition(":")[2], self._parser.CurrentLineNumber
        self._check(local, line)
        self._open.append(local)
        self._root = self._root or local
        if local == "property":
            self._property = _Property(line)
            self._take_attributes(tag, attributes)
        elif local in _PARTS:
            if self._property is None and local in ("name", "value"):
                self._remark(f"<{local}> stands outside of a <property>, so Hadoop does not load it.", line)
            self._text = []
            self._began, self._inside = self._parser.CurrentByteIndex, -1

    def _check(self, local: str, line: int) -> None:
        if len(self._open) >= MOST_DEPTH:
            raise self._wrong(f"nests elements deeper than {MOST_DEPTH}. Hadoop's files need three.", line)
        if local == "include":
            raise self._wrong(
                "includes another file (<include>), which is refused: it could be any file of the machine "
                "that reads it. Copy its properties here.",
                line,
            )
        if self._open and self._open[-1] in _PLAIN:
            raise self._wrong(
                f"has an element inside of <{self._open[-1]}>, where there can be text alone. Write "
                "&lt; for <.",
                line,
            )
        if local == "property" and len(self._properties) >= MOST_PROPERTIES:
            raise self._wrong(f"has more than {MOST_PROPERTIES:,} properties. Split it.", line)

    def _take_attributes(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Read a property that is written ``<property name="a" value="b"/>``, which Hadoop takes too."""
        if self._property is None or not attributes:
            return
        for part, text in attributes.items():
            self._property.take(part, text)
        if "value" not in attributes:
            return
        position = self._parser.CurrentByteIndex + len(f"<{tag}".encode())
        while match := _ATTRIBUTE.match(self._content, position):
            position = match.end()
            if match[1] == b"value":
                start, end = match.span(2) if match[2] is not None else match.span(3)
                self._property.places.append((start, end, "attribute", attributes["value"]))

    def _end(self, tag: str) -> None:
        index = self._parser.CurrentByteIndex
        self._met()
        local = tag.rpartition(":")[2]
        self._open.pop()
        if local == "property":
            self._finish()
        elif local in _PARTS and self._text is not None:
            text, self._text = "".join(self._text), None
            if self._property is None:
                return
            self._property.take(local, text)
            if local == "value" and index > self._began:
                self._property.places.append((self._inside, index, "value", text))

    def _finish(self) -> None:
        found, self._property = self._property, None
        if found is None:
            return
        self._places += [Place(start, end, found.name, kind, text) for start, end, kind, text in found.places]
        if why := found.refused():
            self._remark(why, found.line)
        else:
            if found.odd_final:
                self._remark(
                    f"{found.name}: <final> is {quote(found.odd_final)}, which Hadoop takes for false. Write "
                    "true, without blanks.",
                    found.line,
                )
            self._properties.append(found.made())

    def _characters(self, text: str) -> None:
        self._met()
        if self._text is not None:
            self._text.append(text)

    def _comment(self, text: str) -> None:
        index = self._parser.CurrentByteIndex
        self._met()
        if "<value" in text:
            start = index + len(b"<!--")
            comment = self._content[start : self._content.index(b"-->", start)]
            self._places += places_in_fragment(comment, kind="comment", offset=start)

    def _met(self) -> None:
        """Note where the content of the element begins: at the first thing after its tag."""
        if self._inside < 0 <= self._began:
            self._inside = self._parser.CurrentByteIndex

    def _remark(self, message: str, line: int) -> None:
        self._remarks.append(Remark(line, message))


@dataclass
class _Property:
    """A property while it is read."""

    line: int
    name: str = ""
    value: str = ""
    final: str = ""
    description: str = ""
    places: list[tuple[int, int, str, str]] = field(default_factory=list)

    def take(self, part: str, text: str) -> None:
        """Take a part as Hadoop does: what is empty leaves what was before."""
        if part == "name":
            self.name = text.strip() or self.name
        elif part == "value":
            self.value = text or self.value
        elif part == "final":
            self.final = text
        elif part == "description":
            self.description = " ".join(text.split())

    @property
    def odd_final(self) -> str:
        """Return what ``final`` says if it is neither true nor false."""
        return self.final if self.final not in ("", "true", "false") else ""

    def refused(self) -> str:
        """Return why Hadoop would not load the property, "" if it would."""
        if not self.name:
            return "A property has no name, so Hadoop does not load it. Give it one, or remove it."
        if not self.value:
            return f"{self.name} has no value, so Hadoop does not load it. Give it one, or remove it."
        return ""

    def made(self) -> Property:
        """Return it as it was read."""
        return Property(self.name, self.value, self.final == "true", self.description, self.line)


def _start(place: Place) -> int:
    return place.start


@dataclass(frozen=True)
class _Element:
    """Where an element begins and ends in a text, and its content."""

    start: int
    inside: int
    outside: int
    end: int


def places_in_fragment(content: bytes, *, kind: str, offset: int = 0) -> Iterator[Place]:
    """Iterate over the values of properties in text that is no whole XML, such as a comment.

    :param offset: byte at which it begins.
    """
    for element in _elements(content, b"property", 0, len(content)):
        name = next(_elements(content, b"name", element.inside, element.outside), None)
        value = next(_elements(content, b"value", element.inside, element.outside), None)
        if name is None or value is None:
            continue
        words = unescape(content[name.inside : name.outside].decode("utf-8", "surrogateescape"))
        text = unescape(content[value.inside : value.outside].decode("utf-8", "surrogateescape"))
        yield Place(offset + value.inside, offset + value.outside, words.strip(), kind, text)


def _elements(content: bytes, name: bytes, start: int, end: int) -> Iterator[_Element]:
    """Iterate over the elements of a name; an end that is missing makes it none."""
    opened: re.Match[bytes] | None = None
    for tag in _TAG.finditer(content, start, end):
        if tag[2] != name or tag[0].endswith(b"/>"):
            continue
        if not tag[1]:
            opened = opened or tag
        elif opened:
            yield _Element(opened.start(), opened.end(), tag.start(), tag.end())
            opened = None
