"""A program that looks into one uploaded file, which may be hostile, and writes what it found as JSON.

``contents`` runs it as a child process, so that whatever the file does costs no more than the limits
below. It imports nothing but the standard library, because the Python of the Spark runtime runs it too.
"""

from __future__ import annotations

import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

MEMORY = 2**30
SECONDS = 10
CHECKED_BYTES = 64 * 2**20
SCANNED_BYTES = 128 * 2**20
LISTED_MEMBERS = 1000
LISTED_CLASSES = 200
NAME_LENGTH = 300
TEXT_BYTES = 64 * 2**10

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    OverflowError,
    RuntimeError,
)

_MAIN_NAME = b"\x01\x00\x04main"
_MAIN_TYPE = b"([Ljava/lang/String;)V"
#: Tag of an entry of a class file's constant pool -> its length (text, tag 1, has its own).
_ENTRY_LENGTHS = {
    3: 5,
    4: 5,
    5: 9,
    6: 9,
    7: 3,
    8: 3,
    9: 5,
    10: 5,
    11: 5,
    12: 5,
    15: 4,
    16: 3,
    17: 5,
    18: 5,
    19: 3,
    20: 3,
}
_PUBLIC_STATIC = 0x0009


def syntax(path: str) -> dict[str, Any]:
    """Tell why a Python file does not compile: ``{"line": 3, "problem": ...}``, ``{}`` if it does."""
    source = Path(path).read_bytes()
    version = ".".join(str(part) for part in sys.version_info[:2])
    try:
        compile(source, "file", "exec", dont_inherit=True)
    except SyntaxError as error:
        return {"line": error.lineno or 0, "problem": error.msg, "python": version}
    except (ValueError, RecursionError) as error:
        return {"line": 0, "problem": str(error), "python": version}
    return {}


def check(path: str) -> dict[str, Any]:
    """Tell what is wrong with an archive: ``{"problem": ...}``, ``{}`` if nothing is found.

    The directory is read as a whole, the checksums of members up to a limit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            left = CHECKED_BYTES
            for member in archive.infolist():
                if left <= 0:
                    break
                if member.flag_bits & 1:
                    return {"problem": f"{_short(member.filename)} is encrypted"}
                with archive.open(member) as content:
                    while left > 0:
                        chunk = content.read(2**20)
                        if not chunk:
                            break
                        left -= len(chunk)
    except BROKEN as error:
        return {"problem": _short(str(error) or type(error).__name__)}
    return {}


def contents(path: str) -> dict[str, Any]:
    """List the members of an archive, the manifest of a jar and its classes with a main method."""
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        return {
            "members": [[_short(member.filename), member.file_size] for member in members[:LISTED_MEMBERS]],
            "count": len(members),
            "size": sum(member.file_size for member in members),
            "manifest": _manifest(archive),
            **_main_classes(archive, members),
        }


def _short(text: str) -> str:
    return text if len(text) <= NAME_LENGTH else text[: NAME_LENGTH - 1] + "\u2026"


def _manifest(archive: zipfile.ZipFile) -> list[list[str]]:
    """Return the main section of a jar's manifest as [name, value] pairs; a space continues a line."""
    try:
        with archive.open("META-INF/MANIFEST.MF") as file:
            text = file.read(TEXT_BYTES).decode("utf-8", "replace")
    except (KeyError, *BROKEN):
        return []
    pairs: list[list[str]] = []
    for line in text.splitlines():
        if not line.strip():
            break
        if line.startswith(" ") and pairs:
            pairs[-1][1] += line[1:]
        elif ":" in line:
            name, _, value = line.partition(":")
            pairs.append([_short(name.strip()), value.strip()])
    return [[name, _short(value)] for name, value in pairs]


def _main_classes(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> dict[str, Any]:
    found: list[str] = []
    left = SCANNED_BYTES
    complete = True
    for member in members:
        if not member.filename.endswith(".class") or member.file_size > 2**20:
            continue
        if left <= 0 or len(found) >= LISTED_CLASSES:
            complete = False
            break
        left -= member.file_size
        try:
            with archive.open(member) as file:
                data = file.read(2**20)
        except BROKEN:
            continue
        if has_main(data):
            found.append(_short(member.filename[: -len(".class")].replace("/", ".")))
    return {"main_classes": sorted(found), "main_classes_complete": complete}


def has_main(data: bytes) -> bool:
    """Tell whether a Java class file has ``public static void main(String[])``."""
    if data[:4] != b"\xca\xfe\xba\xbe" or _MAIN_NAME not in data or _MAIN_TYPE not in data:
        return False
    try:
        texts, offset = _constant_texts(data)
        (interfaces,) = struct.unpack_from(">H", data, offset + 6)
        offset, _ = _members(data, offset + 8 + 2 * interfaces)
        _, methods = _members(data, offset)
    except (struct.error, KeyError, IndexError):
        return False
    return any(
        flags & _PUBLIC_STATIC == _PUBLIC_STATIC
        and texts.get(name) == b"main"
        and texts.get(descriptor) == _MAIN_TYPE
        for flags, name, descriptor in methods
    )


def _constant_texts(data: bytes) -> tuple[dict[int, bytes], int]:
    """Return index -> text of the constant pool, and where the pool ends."""
    (count,) = struct.unpack_from(">H", data, 8)
    texts: dict[int, bytes] = {}
    offset, index = 10, 1
    while index < count:
        tag = data[offset]
        if tag == 1:
            (length,) = struct.unpack_from(">H", data, offset + 1)
            texts[index] = data[offset + 3 : offset + 3 + length]
            offset += 3 + length
        else:
            offset += _ENTRY_LENGTHS[tag]
        index += 2 if tag in (5, 6) else 1
    return texts, offset


def _members(data: bytes, offset: int) -> tuple[int, list[tuple[int, int, int]]]:
    """Read the fields or the methods of a class: where they end, and flags, name and type of each."""
    (count,) = struct.unpack_from(">H", data, offset)
    offset += 2
    found: list[tuple[int, int, int]] = []
    for _ in range(count):
        flags, name, descriptor, attributes = struct.unpack_from(">4H", data, offset)
        found.append((flags, name, descriptor))
        offset += 8
        for _ in range(attributes):
            (length,) = struct.unpack_from(">I", data, offset + 2)
            offset += 6 + length
    return offset, found


def main(arguments: list[str]) -> None:
    """Run one of the looks, by name, at a path, within the limits."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    look, path = arguments
    json.dump({"syntax": syntax, "check": check, "contents": contents}[look](path), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
