"""Where large values are: which storage the options choose, and what each of them can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from couture_workflow import settings
from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms.packing import Source, Target

#: Folder of the home, where no option says otherwise.
FOLDER = "xcoms"


class Storage(Protocol):
    """Keeps files by name. Each is written once, whole or not at all."""

    def write(self, name: str, dump: Callable[[Target], None]) -> int:
        """Keep what ``dump`` writes, and return its size in bytes."""

    def read(self, name: str) -> Source:
        """Return a file or its content, or raise ``FileNotFoundError``."""

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""

    def names(self) -> Iterator[str]:
        """Return the names of all files that are there."""

    def tidy(self) -> None:
        """Remove what writers left that were killed, and empty folders."""


def chosen() -> Storage:
    """Return the storage that the options choose, or raise ``XComError``."""
    place, connection = settings.xcom_storage(), settings.xcom_connection()
    scheme = urlsplit(place).scheme
    if scheme in ("redis", "rediss"):
        from couture_workflow.services.xcoms.redis_storage import RedisStorage

        return RedisStorage(place, connection=connection)
    if scheme:
        from couture_workflow.services.xcoms.object_storage import ObjectStorage

        return ObjectStorage(place, connection=connection)
    from couture_workflow.services.xcoms.folder import Folder

    if not place:
        return Folder(settings.home() / FOLDER, home=settings.home())
    if not (path := Path(place).expanduser()).is_absolute():
        raise XComError(
            f"The option xcom_storage names {place!r}, which is neither an address such as "
            "s3://bucket/folder nor the whole path of a folder. Correct it."
        )
    return Folder(path, home=path)
