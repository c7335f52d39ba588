"""Secrets at rest: files that only their owner may read, encrypted with Fernet keys kept elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from couture_workflow.exceptions import NotFoundError, SecretKeyError
from couture_workflow.store import atomic
from couture_workflow.store.names import check_name, quote

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

#: Shown in place of a secret; sent back, it means "leave it as it is".
MASK = "******"

#: What to do about a key that is missing or wrong.
REMEDY = (
    "Set [couture_workflow] secret_key to the key that the secrets were saved with (several keys: comma "
    "separated, newest first); a new key is 32 random bytes in URL-safe base64, as "
    "cryptography.fernet.Fernet.generate_key() makes it."
)


class Secrets:
    """The secrets of one home.

    :param folder: where the encrypted files are.
    :param key: Fernet keys, comma separated, newest first; None: the option ``secret_key``, read when it is
        needed.
    """

    def __init__(self, folder: Path, key: str | None = None) -> None:
        self.folder = folder
        self._key = key

    def put(self, name: str, value: bytes) -> None:
        """Save a secret."""
        path = self.folder / check_name(name, what="secret")
        atomic.write(path, self._fernet().encrypt(value), mode=0o600)

    def get(self, name: str) -> bytes:
        """Return a secret or raise ``NotFoundError``; ``SecretKeyError`` if no key of ours opens it."""
        path = self.folder / check_name(name, what="secret")
        try:
            with atomic.reading_errors(path):
                token = path.read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"There is no secret {quote(name)}. Save it first.") from None
        return self._decrypt(token, f"The secret {quote(name)} ({path})")

    def names(self) -> tuple[str, ...]:
        """Return the names of all secrets."""
        try:
            return tuple(sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(".")))
        except FileNotFoundError:
            return ()

    def delete(self, name: str) -> None:
        """Remove a secret for good."""
        path = self.folder / check_name(name, what="secret")
        with atomic.storage_errors(self.folder):
            try:
                path.unlink()
            except FileNotFoundError:
                raise NotFoundError(f"There is no secret {quote(name)}.") from None
            atomic.sync_folder(self.folder)

    def encrypt(self, text: str) -> str:
        """Return text encrypted, to be kept inside another file."""
        return self._fernet().encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Return the text that ``encrypt`` hid."""
        return self._decrypt(token.encode(), "A secret").decode()

    def _decrypt(self, token: bytes, what: str) -> bytes:
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().decrypt(token)
        except InvalidToken:
            raise SecretKeyError(
                f"{what} cannot be decrypted: it is damaged, or was saved with another key. {REMEDY} If the "
                "key is lost, enter the secret again."
            ) from None

    def _fernet(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet

        key = self._key
        if key is None:
            from couture_workflow import settings

            key = settings.secret_key()
        keys = [part.strip() for part in key.split(",") if part.strip()]
        if not keys:
            raise SecretKeyError(f"There is no key for secrets. {REMEDY}")
        try:
            return MultiFernet([Fernet(part) for part in keys])
        except ValueError:
            raise SecretKeyError(f"A key for secrets is not a Fernet key. {REMEDY}") from None
