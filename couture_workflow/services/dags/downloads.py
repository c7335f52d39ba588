"""DAG files as a zip archive that is made while it is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator

#: Every member has the same time, so the same files make the same archive.
_TIME = (1980, 1, 1, 0, 0, 0)


class _Outlet(io.RawIOBase):
    """A file that cannot be sought in; what was written is taken out."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken, self._written = b"".join(self._written), []
        return taken


def zipped(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield a zip archive in pieces.

    :param files: path and content of each member.
    """
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files:
            member = zipfile.ZipInfo(path, _TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            archive.writestr(member, content)
            yield outlet.take()
    yield outlet.take()


def chosen(paths: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Return those of the paths that are wanted: themselves, or as part of a wanted folder."""
    wanted = {path.rstrip("/") for path in wanted}
    return [path for path in paths if path in wanted or any(part in wanted for part in _folders(path))]


def _folders(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
