"""Keytab files for tests, written by the documented format: with real keys or made-up ones."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence

AES256, AES128, RC4, DES = 18, 17, 23, 1
_LENGTHS = {AES256: 32, AES128: 16, RC4: 16, DES: 8}


def counted(data: bytes, order: str = ">") -> bytes:
    """Return bytes behind their number."""
    return struct.pack(f"{order}H", len(data)) + data


def record(
    principal: str = "etl",
    *,
    realm: str = "LAB.TEST",
    kvno: int = 1,
    kind: int = AES256,
    key: bytes | None = None,
    seconds: int = 1_700_000_000,
    version: int = 2,
    long_kvno: bool = True,
) -> bytes:
    """Return one key with its length before it."""
    order = ">" if version == 2 else {"little": "<", "big": ">"}[sys.byteorder]
    parts = principal.split("/")
    key = b"k" * _LENGTHS.get(kind, 16) if key is None else key
    body = struct.pack(f"{order}H", len(parts) + (version == 1)) + counted(realm.encode(), order)
    body += b"".join(counted(part.encode(), order) for part in parts)
    if version == 2:
        body += struct.pack(f"{order}I", 1)
    body += struct.pack(f"{order}IBH", seconds, kvno & 0xFF, kind) + counted(key, order)
    if long_kvno:
        body += struct.pack(f"{order}I", kvno)
    return struct.pack(f"{order}i", len(body)) + body


def keytab(records: Sequence[bytes] | None = None, *, version: int = 2) -> bytes:
    """Return a file of these keys; of one key if none are given."""
    return bytes((5, version)) + b"".join([record(version=version)] if records is None else records)


def keys_of(content: bytes) -> list[tuple[str, str, int, int, bytes]]:
    """Return principal, realm, version, kind and key of each key in a file of the newer form."""
    found, at = [], 2
    while at + 4 <= len(content):
        (size,) = struct.unpack_from(">i", content, at)
        at += 4
        if size > 0:
            found.append(_key(content[at : at + size]))
        at += abs(size)
    return found


def older_form(content: bytes) -> bytes:
    """Return a keytab in the form 0x0501."""
    return keytab(
        [
            record(principal, realm=realm, kvno=kvno, kind=kind, key=key, version=1, long_kvno=False)
            for principal, realm, kvno, kind, key in keys_of(content)
        ],
        version=1,
    )


def _key(body: bytes) -> tuple[str, str, int, int, bytes]:
    (count,) = struct.unpack_from(">H", body)
    at, words = 2, []
    for _ in range(count + 1):
        (size,) = struct.unpack_from(">H", body, at)
        words.append(body[at + 2 : at + 2 + size].decode())
        at += 2 + size
    kvno, kind, size = struct.unpack_from(">BHH", body, at + 8)
    return "/".join(words[1:]), words[0], kvno, kind, body[at + 13 : at + 13 + size]
