"""Large values in Redis: for tasks that share no folder, and a memory that is large enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms import accounts, references
from couture_workflow.services.xcoms.packing import Target

#: What the keys of all values begin with.
PREFIX = "couture-xcoms:"
#: Bytes of one element; Redis allows 512 MiB.
_PART = 64 * 2**20
#: Seconds until a server is away that takes no connection, or does not go on. The address may say others.
_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 60.0


class RedisStorage:
    """One list of parts for each value.

    :param address: such as ``redis://host:6379/0``, ``rediss://`` for TLS.
    :param connection: of Airflow with the account, "" for that of the address.
    """

    def __init__(self, address: str, *, connection: str) -> None:
        self._place = urlsplit(address).hostname or address
        try:
            import redis
        except ImportError as error:
            raise XComError(
                "Values between tasks are in Redis, by the option xcom_storage, and its client is not here. "
                "Install it: pip install redis."
            ) from error
        account = accounts.of(connection)
        given = {"username": account.login, "password": account.password}
        self._errors = redis.RedisError
        with self._sentences():
            chosen = {name: value for name, value in given.items() if value}
            times = {"socket_connect_timeout": _CONNECT_SECONDS, "socket_timeout": _ANSWER_SECONDS}
            self._redis: Any = redis.Redis.from_url(address, **{**times, **chosen})

    def write(self, name: str, dump: Callable[[Target], None]) -> int:
        """Keep what ``dump`` writes, and return its size in bytes."""
        memory = BytesIO()
        dump(memory)
        with self._sentences(), memory.getbuffer() as content:
            try:
                for start in range(0, content.nbytes, _PART):
                    self._redis.rpush(PREFIX + name, content[start : start + _PART])
            except self._errors:  # its memory may be full: of parts
                with suppress(self._errors, OSError):
                    self._redis.delete(PREFIX + name)
                raise
            return content.nbytes

    def read(self, name: str) -> bytes:
        """Return the content of a value, or raise ``FileNotFoundError``."""
        with self._sentences():
            parts = self._redis.lrange(PREFIX + name, 0, -1)
        if not parts:
            raise FileNotFoundError(name)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def delete(self, name: str) -> None:
        """Remove a value, if it is there."""
        with self._sentences():
            self._redis.delete(PREFIX + name)

    def names(self) -> Iterator[str]:
        """Return the names of all values that are there."""
        with self._sentences():
            keys = [bytes(key).decode(errors="replace") for key in self._redis.scan_iter(f"{PREFIX}*", 1000)]
        for name in dict.fromkeys(key.removeprefix(PREFIX) for key in keys):  # a scan may tell a key twice
            if references.read_name(name):
                yield name

    def tidy(self) -> None:
        """Nothing is left by killed writers but values that nobody names."""

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turn what Redis says into a sentence."""
        try:
            yield
        except (self._errors, ValueError, OSError) as error:
            said = str(error).rstrip(".")
            raise XComError(
                f"The storage of values between tasks, Redis at {self._place}, cannot be used: {said}. Look "
                "whether it is up and has room, and at the options xcom_storage and xcom_connection."
            ) from error
