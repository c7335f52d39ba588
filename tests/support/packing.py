"""Archives and jars as people make them, and what is in one."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping


def packed(files: Mapping[str, bytes | str]) -> bytes:
    """Return a .tar.gz with files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as made:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            header = tarfile.TarInfo(name)
            header.size = len(data)
            made.addfile(header, io.BytesIO(data))
    return target.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    """Return the files of a .tar.gz that holds nothing else."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as found:
        return {member.name: found.extractfile(member).read() for member in found}  # type: ignore[union-attr]


def jar(text: str = "hello") -> bytes:
    """Return a jar with one text in it, the same bytes for the same text."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(zipfile.ZipInfo("a.txt"), text)
    return content.getvalue()
