"""What cells have shown, reduced to what a page may show: texts, tables of texts, verified pictures.

A notebook's results are data of others: this is for a process apart. No HTML and no script goes on from here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Literal

from couture_workflow.services.notebooks import document

Kind = Literal["text", "table", "picture", "other"]

#: Bytes of a notebook that is compared at most.
LARGEST = 128 * 2**20
#: Code cells that are looked at, and results of each that are compared.
CELLS, RESULTS = 2_000, 50
#: Characters of a source and of a text that are shown.
_SOURCE, _TEXT = 20_000, 200_000
#: Of a table: characters of HTML that are read, rows, columns, characters of a cell.
_HTML, _ROWS, _COLUMNS, _CELL = 200_000, 100, 30, 200
#: Bytes of a picture that is shown, and its pixels: a small file may hold a picture that fills all memory.
_PICTURE, _PIXELS = 2 * 2**20, 40_000_000

_ANSI = re.compile(r"\x1b\[[0-9;?]{0,32}[ -/]?[@-~]|\x1b[@-Z\\-_]")
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})


@dataclass(frozen=True)
class Result:
    """One thing that a cell has shown.

    :param label: what it is called: "Output", "Warnings", "Error", "Result", or the MIME type of what cannot
        be shown.
    :param digest: of all of it; two that are equal have the same.
    :param text: of a text; what is said of what cannot be shown; of a table what is not shown of it.
    :param rows: of a table, the first row its head.
    :param picture: a ``data:`` address of PNG or JPEG.
    """

    kind: Kind
    label: str
    digest: str
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    picture: str = ""


@dataclass(frozen=True)
class CodeCell:
    """A code cell that may have run.

    :param number: from 1, counting code cells alone.
    :param name: what tells it from others in both runs, "" if nothing does.
    """

    number: int
    name: str
    source: str
    results: tuple[Result, ...] = field(default=())
    left_out: int = 0


def cells_of(content: bytes) -> list[CodeCell]:
    """Return the code cells of a notebook; raise ``InvalidError`` for what is none."""
    data = document.parsed(content, "the output")
    code = (cell for cell in document.cells_of(data) if cell.get("cell_type") == "code")
    return [_cell(number, cell) for number, cell in zip(range(1, CELLS + 1), code, strict=False)]


def plain(text: str) -> str:
    """Return a text without the codes of a terminal; of a line that was written over, the last."""
    text = _ANSI.sub("", text)
    if "\r" in text:
        lines = text.replace("\r\n", "\n").split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    return text


def _cell(number: int, cell: Mapping[str, Any]) -> CodeCell:
    injected = document.is_tagged(cell, "injected-parameters")
    outputs = cell.get("outputs")
    merged = list(_merged(outputs if isinstance(outputs, list) else []))
    return CodeCell(
        number=number,
        name="injected-parameters" if injected else str(cell.get("id") or "")[:100],
        source=document.source_of(cell)[:_SOURCE],
        results=tuple(_result(each) for each in merged[:RESULTS]),
        left_out=max(0, len(merged) - RESULTS),
    )


def _merged(outputs: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the results of a cell, all that goes to one stream as one, where its first piece stands."""
    streams: dict[str, list[str]] = {}
    found: list[Mapping[str, Any]] = []
    for output in outputs:
        if not isinstance(output, dict):
            continue
        if output.get("output_type") != "stream":
            found.append(output)
            continue
        name = str(output.get("name") or "stdout")
        if name not in streams:
            found.append({"output_type": "stream", "name": name})
        streams.setdefault(name, []).append(_joined(output.get("text")))
    for output in found:
        whole = streams.get(str(output.get("name"))) if output.get("output_type") == "stream" else None
        yield output if whole is None else {**output, "text": "".join(whole)}


def _result(output: Mapping[str, Any]) -> Result:
    kind = output.get("output_type")
    if kind == "stream":
        return _text("Warnings" if output["name"] == "stderr" else "Output", str(output["text"]))
    if kind == "error":
        lines = output.get("traceback")
        said = f"{output.get('ename')}: {output.get('evalue')}"
        return _text("Error", "\n".join(map(str, lines)) if isinstance(lines, list) and lines else said)
    data = output.get("data")
    return _richest(data if isinstance(data, dict) else {})


def _richest(data: Mapping[str, Any]) -> Result:
    """Return what a page can show best of the forms that a result has."""
    for mime in ("image/png", "image/jpeg"):
        if mime in data:
            return _picture(mime, _joined(data[mime]))
    html = _joined(data.get("text/html"))
    if html and (table := _table(html)):
        return table
    for mime in ("text/plain", "text/markdown", "text/latex"):
        if mime in data:
            return _text("Result", _joined(data[mime]))
    mime = next(iter(map(str, data)), "nothing")
    whole = json.dumps(data, sort_keys=True)
    return Result("other", mime[:100], _digest(whole), "It can be looked at in the output of the run alone.")


def _text(label: str, text: str) -> Result:
    shown = plain(text)
    rest = len(shown) - _TEXT
    if rest > 0:
        shown = f"{shown[:_TEXT]}\n[{rest:,} characters more]"
    return Result("text", label, _digest(text), shown)


def _picture(mime: str, coded: str) -> Result:
    try:
        content = base64.b64decode("".join(coded.split()), validate=True)
    except (binascii.Error, ValueError):
        return Result("other", mime, _digest(coded), "It is no picture.")
    pixels = _pixels(mime, content)
    if not pixels:
        return Result("other", mime, _digest(coded), "It is no picture.")
    digest = hashlib.sha256(content).hexdigest()
    if len(content) > _PICTURE or pixels > _PIXELS:
        return Result("other", mime, digest, "The picture is too large to be shown here.")
    address = f"data:{mime};base64,{base64.b64encode(content).decode()}"
    return Result("picture", "Picture", digest, picture=address)


def _pixels(mime: str, content: bytes) -> int:
    """Return how many pixels a picture has as its head says, 0 if it is none of its kind."""
    if mime == "image/png":
        if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 24:
            return 0
        width, height = struct.unpack(">II", content[16:24])
        return int(width * height)
    place = 2 if content[:3] == b"\xff\xd8\xff" else len(content)
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return int(width * height)
        place += 2 + max(length, 2)
    return 0


class _Table(HTMLParser):
    """Reads the texts of the first table."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.cut = False
        self._depth = 0
        self._done = False
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row or a cell."""
        if tag == "table":
            self._depth += 1
        elif self._depth != 1 or self._done:
            return
        elif tag == "tr":
            self._close()
            self.rows.append([])
        elif tag in ("td", "th"):
            self._close()
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        """End one."""
        if tag == "table" and self._depth:
            self._close()
            self._depth -= 1
            self._done = self._done or not self._depth
        elif tag in ("td", "th", "tr") and self._depth == 1:
            self._close()

    def handle_data(self, data: str) -> None:
        """Take the text of a cell."""
        if self._cell is not None and not self._done:
            self._cell.append(data)

    def _close(self) -> None:
        if self._cell is None:
            return
        text = " ".join("".join(self._cell).split())
        self._cell = None
        if not self.rows or len(self.rows) > _ROWS + 1:
            return
        self.cut = self.cut or len(text) > _CELL or len(self.rows[-1]) >= _COLUMNS
        if len(self.rows[-1]) < _COLUMNS:
            self.rows[-1].append(text[:_CELL])


def _table(html: str) -> Result | None:
    if "<table" not in html:
        return None
    parser = _Table()
    parser.feed(html[:_HTML])
    parser.close()
    rows = tuple(tuple(row) for row in parser.rows[: _ROWS + 1] if row)
    if not rows:
        return None
    more = len(parser.rows) - _ROWS - 1
    if more > 0 or len(html) > _HTML or parser.cut:
        said = f"{more:,} rows more" if more > 0 else "shortened"
        return Result("table", "Table", _digest(html), said, rows)
    return Result("table", "Table", _digest(json.dumps(rows)), rows=rows)


def _joined(value: Any) -> str:
    """Return a text of a notebook: one, or the list of its lines."""
    if isinstance(value, list):
        return "".join(map(str, value))
    return "" if value is None else str(value)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
