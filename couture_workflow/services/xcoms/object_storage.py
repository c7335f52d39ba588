"""Large values in an object storage: S3 and what speaks like it, HDFS, and whatever else fsspec can open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms import accounts, references
from couture_workflow.services.xcoms.accounts import Account
from couture_workflow.services.xcoms.packing import Target


class ObjectStorage:
    """The files below one address.

    Nobody knows a name before its file is whole, so no file is renamed.

    :param address: such as ``s3://bucket/folder``.
    :param connection: of Airflow, "" for the account of the machine.
    """

    def __init__(self, address: str, *, connection: str) -> None:
        self._address = address
        with self._sentences():
            self._files, root = _opened(address, accounts.of(connection))
        self._root = root.rstrip("/")

    def write(self, name: str, dump: Callable[[Target], None]) -> int:
        """Keep what ``dump`` writes, and return its size in bytes."""
        memory = BytesIO()
        dump(memory)
        path = f"{self._root}/{name}"
        with self._sentences(), memory.getbuffer() as content:
            if not self._address.startswith("s3:"):  # which has no folders
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            with self._files.open(path, "wb") as file:
                file.write(content)
            return content.nbytes

    def read(self, name: str) -> bytes:
        """Return the content of a file, or raise ``FileNotFoundError``."""
        with self._sentences(missing=True):
            content: bytes = self._files.cat_file(f"{self._root}/{name}")
            return content

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._sentences():
            try:
                self._files.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return

    def names(self) -> Iterator[str]:
        """Return the names of all files that are there."""
        with self._sentences():
            found = list(self._paths())
        for path in found:
            name = "/".join(path.rsplit("/", 3)[-3:])
            if references.read_name(name):
                yield name

    def _paths(self) -> Iterator[str]:
        """Return the paths of all files; unlike ``find``, it says what the storage refuses."""
        try:
            for folder, _, names in self._files.walk(self._root, on_error="raise"):
                yield from (f"{folder}/{name}" for name in names)
        except FileNotFoundError:  # nothing was written yet, or a folder has just gone
            return

    def tidy(self) -> None:
        """Nothing is left by killed writers but files that no value names."""

    @contextmanager
    def _sentences(self, *, missing: bool = False) -> Iterator[None]:
        """Turn what the storage says into a sentence.

        :param missing: leave a file that is not there to the caller.
        """
        try:
            yield
        except FileNotFoundError as error:
            if missing:
                raise
            raise self._failed(error) from error
        except (OSError, ValueError, ImportError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> XComError:
        place, said = re.sub(r"//[^/@]*@", "//", self._address), str(error).rstrip(".")
        return XComError(
            f"The storage of values between tasks, {place}, cannot be used: {said}. Look whether it is up, "
            "at the options xcom_storage and xcom_connection, and at the rights of the account."
        )


def _opened(address: str, account: Account) -> tuple[Any, str]:
    """Return the file system of an address and the path on it."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return _s3(account), f"{parts.netloc}{parts.path}"
    import fsspec

    options = {**account.extra}
    if account.login:
        options["user"] = account.login
    if account.password:
        options["password"] = account.password
    files, path = fsspec.url_to_fs(address, skip_instance_cache=True, use_listings_cache=False, **options)
    return files, str(path)


def _s3(account: Account) -> Any:
    """Return S3 as pyarrow speaks it, so that no package is needed beside that of the frames."""
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import S3FileSystem

    endpoint = urlsplit(str(account.extra.get("endpoint_url") or ""))
    chosen = {
        "access_key": account.login,
        "secret_key": account.password,
        "session_token": account.extra.get("aws_session_token"),
        "region": account.extra.get("region_name"),
        "endpoint_override": endpoint.netloc,
        "scheme": endpoint.scheme,
    }
    return ArrowFSWrapper(S3FileSystem(**{name: value for name, value in chosen.items() if value}))
