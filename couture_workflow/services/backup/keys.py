"""The keys in a backup: encrypted with a passphrase, and bound to the manifest of just that backup.

scrypt makes a key of the passphrase, AES-256-GCM encrypts with it and signs the manifest along, which holds
the sha256 of every file: so a passphrase also shows that nothing in the backup was changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping

from couture_workflow.exceptions import ArchiveError, SecretKeyError

_N, _R, _P = 2**17, 8, 1
#: Most work that a file may ask for: a hostile one would take all memory.
_MOST = (2**20, 16, 4)
LEAST_LENGTH = 8


def seal(keys: Mapping[str, str], manifest: bytes, passphrase: str | None) -> bytes:
    """Return the file of the keys.

    :param passphrase: None: the keys stand in it as they are.
    """
    if passphrase is None:
        return (json.dumps({"encrypted": False, "keys": dict(keys)}, indent=1) + "\n").encode()
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = os.urandom(16), os.urandom(12)
    key, check = _derive(passphrase, salt, (_N, _R, _P))
    content = AESGCM(key).encrypt(nonce, json.dumps(dict(keys)).encode(), _bound(manifest))
    data = {
        "encrypted": True,
        "scrypt": [_N, _R, _P],
        "salt": _text(salt),
        "check": _text(check),
        "nonce": _text(nonce),
        "keys": _text(content),
    }
    return (json.dumps(data, indent=1) + "\n").encode()


def is_sealed(file: bytes) -> bool:
    """Tell whether a passphrase is needed."""
    return bool(_load(file).get("encrypted"))


def open_(file: bytes, manifest: bytes, passphrase: str | None) -> dict[str, str]:
    """Return the keys; ``SecretKeyError`` for a wrong passphrase, ``ArchiveError`` for a changed backup."""
    data = _load(file)
    try:
        if not data.get("encrypted"):
            return _keys(data["keys"])
        return _decrypt(data, manifest, passphrase)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged() from error


def _decrypt(data: Mapping[str, object], manifest: bytes, passphrase: str | None) -> dict[str, str]:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if passphrase is None:
        raise SecretKeyError(
            "The keys in this backup are encrypted. Give the passphrase: in the variable "
            "COUTURE_BACKUP_PASSPHRASE, or in a file that --passphrase-file names."
        )
    cost = data["scrypt"]
    if not isinstance(cost, list) or len(cost) != 3 or any(a > b for a, b in zip(cost, _MOST, strict=True)):
        raise _damaged()
    key, check = _derive(passphrase, _bytes(data["salt"]), (cost[0], cost[1], cost[2]))
    if not hmac.compare_digest(check, _bytes(data["check"])):
        raise SecretKeyError(
            "The passphrase is not the one that the backup was made with. Nothing was changed."
        )
    try:
        content = AESGCM(key).decrypt(_bytes(data["nonce"]), _bytes(data["keys"]), _bound(manifest))
    except InvalidTag:
        raise _damaged() from None
    return _keys(json.loads(content))


def _derive(passphrase: str, salt: bytes, cost: tuple[int, int, int]) -> tuple[bytes, bytes]:
    """Return the key, and what tells a wrong passphrase from a changed file."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    n, r, p = cost
    made = Scrypt(salt=salt, length=64, n=n, r=r, p=p).derive(passphrase.encode())
    return made[:32], made[32:]


def _bound(manifest: bytes) -> bytes:
    return hashlib.sha256(manifest).digest()


def _load(file: bytes) -> dict[str, object]:
    try:
        return {**json.loads(file)}
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged() from error


def _keys(data: object) -> dict[str, str]:
    if not isinstance(data, dict):
        raise _damaged()
    return {str(name): str(value) for name, value in data.items()}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: object) -> bytes:
    return base64.b64decode(str(text), validate=True)


def _damaged() -> ArchiveError:
    return ArchiveError(
        "The backup is damaged or was changed: its keys do not belong to it. Copy the file of the backup "
        "again, or take another backup."
    )
