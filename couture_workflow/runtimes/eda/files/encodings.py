"""Encodings of text files: which one a file has, and the way from it to UTF-8 without a loss."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain

from ..protocol import EdaError

#: What people may choose -> Python's codec.
CODECS = {
    "utf-8": "utf-8",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "latin-1": "latin-1",
    "windows-1252": "cp1252",
}
_OTHER_NAMES = {
    "utf8": "utf-8",
    "utf-8-sig": "utf-8",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "latin1": "latin-1",
    "iso-8859-1": "latin-1",
    "iso8859-1": "latin-1",
    "cp1252": "windows-1252",
}
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
#: Bytes that mean letters or signs in Windows-1252 and control characters in Latin-1.
_WINDOWS = frozenset(range(0x80, 0xA0))
#: Share of zero bytes in every second place that makes UTF-16 of a text without a mark.
_ZEROS = 0.4
#: Control characters that texts do not have; one or two of them may be the delimiters of a table.
_CONTROLS = frozenset(range(0x01, 0x20)) - frozenset(b"\t\n\v\f\r\x1a\x1b")
#: From so many different ones on, or from this share of zero bytes on, it is no text; characters looked at.
_DIFFERENT, _EMPTY, _LOOKED_AT = 6, 0.3, 64 * 1024


def _keep_undefined(error: UnicodeError) -> tuple[str, int]:
    """Read the five bytes that Windows-1252 does not define as what browsers make of them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("couture_keep", _keep_undefined)


def named(encoding: str) -> str:
    """Return the usual name of an encoding that somebody chose; EdaError names the possible ones."""
    name = encoding.strip().lower().replace("_", "-")
    name = _OTHER_NAMES.get(name, name)
    if name == "utf-16":
        return name
    if name not in CODECS:
        raise EdaError(
            f"The encoding {encoding!r} is not one of {', '.join(CODECS)}. Choose one of them, or write the "
            "file anew as UTF-8.",
            field="reading.encoding",
        )
    return name


def detect(beginning: bytes) -> str:
    """Return the encoding of a file by its beginning: by its mark, by zero bytes, by being valid UTF-8."""
    for mark, name in _MARKS:
        if beginning.startswith(mark):
            return name
    if name := _utf_16(beginning):
        return name
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(beginning)
    except UnicodeDecodeError as error:
        return _legacy(beginning, error)
    return "utf-8"


def _utf_16(beginning: bytes) -> str:
    head = beginning[:4096]
    half = len(head) // 2
    if not half:
        return ""
    if head[1::2].count(0) > _ZEROS * half and head[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[::2].count(0) > _ZEROS * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return ""


def _legacy(beginning: bytes, error: UnicodeDecodeError) -> str:
    """Tell broken UTF-8 from a one-byte encoding, where hardly any high byte is part of valid UTF-8."""
    readable = beginning.decode("utf-8", errors="replace")
    broken = readable.count("\ufffd")
    proper = sum(1 for character in readable if ord(character) > 127) - broken
    if proper > 10 * broken:
        return "utf-8"
    return "windows-1252" if _WINDOWS.intersection(beginning[error.start :]) else "latin-1"


def is_text(beginning: bytes) -> bool:
    """Tell whether a beginning, in UTF-8, is one of a text: an image can be read as Latin-1, and is none."""
    head = beginning[:_LOOKED_AT]
    return len(_CONTROLS.intersection(head)) < _DIFFERENT and head.count(0) <= _EMPTY * len(head)


def to_utf_8(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a text in UTF-8 without its byte order mark, piece by piece.

    What is no text in UTF-8 or UTF-16 stays as bytes that are none in UTF-8 either, for the reader to find.
    """
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= 4:
            break
    for mark, name in _MARKS:
        if first.startswith(mark) and (name == encoding or encoding == "utf-16"):
            first, encoding = first[len(mark) :], name
    if encoding == "utf-16":
        encoding = _utf_16(first) or "utf-16-le"
    pieces = chain((first,), pieces)
    if encoding == "utf-8":
        yield from (piece for piece in pieces if piece)
        return
    errors = "surrogatepass" if encoding.startswith("utf-16") else "couture_keep"
    decoder = codecs.getincrementaldecoder(CODECS[encoding])(errors=errors)
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text.encode("utf-8", errors="surrogatepass")
    if rest := _rest(decoder):
        yield rest


def _rest(decoder: codecs.IncrementalDecoder) -> bytes:
    """Return what is left when the file ends in the middle of a character."""
    try:
        return decoder.decode(b"", final=True).encode("utf-8", errors="surrogatepass")
    except UnicodeDecodeError:
        return b"\xff"
