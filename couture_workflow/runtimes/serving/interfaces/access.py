"""The token that requests need, if there is one: a file, looked at again when it changes."""

from __future__ import annotations

import hmac
from pathlib import Path

from ..status import UNAUTHENTICATED, ServingError, invalid

_SCHEME = "bearer "
_MIN_CHARACTERS = 16


class Token:
    """What stands in the file of the token; without a file everybody may ask."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._token = b""
        if file is not None:
            self._token = _read(file)

    def refresh(self) -> None:
        """Read the file again.

        :raises ServingError: it is gone or empty; the token of before stays.
        """
        if self._file is not None:
            self._token = _read(self._file)

    def demand(self, authorization: str) -> None:
        """Refuse a request whose header is not ``Bearer TOKEN``.

        :raises ServingError: it is another.
        """
        if self._file is None:
            return
        given = authorization[len(_SCHEME) :] if authorization.lower().startswith(_SCHEME) else ""
        if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token):
            raise ServingError(UNAUTHENTICATED, "This server wants a token: 'Authorization: Bearer TOKEN'.")


def _read(file: Path) -> bytes:
    try:
        token = file.read_text().strip().encode()
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"The token cannot be read from {file}: {error}") from error
    if len(token) < _MIN_CHARACTERS or len(token.split()) != 1:
        raise invalid(
            f"{file} has to hold one token of at least {_MIN_CHARACTERS} characters and nothing else."
        )
    return token
