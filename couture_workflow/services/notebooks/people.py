"""Whose notebooks they are: the folder of each account below ``notebooks`` of the home."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

#: Folder of the home that has them all.
TOP = "notebooks"
#: Folder that everybody reads and writes, and that of examples to copy from; no account's folder.
SHARED, EXAMPLES = "shared", "examples"
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_OTHER = re.compile(r"[^a-z0-9_-]+")


def folder_name(account: str) -> str:
    """Return what the folder of an account is called, and its part of addresses: short, ASCII and its alone.

    :param account: the user name in Airflow, any text.
    """
    if _PLAIN.fullmatch(account) and account not in (SHARED, EXAMPLES):
        return account
    words = _OTHER.sub("-", account.lower()).strip("-_")[:16].strip("-_")
    digest = hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{words or 'user'}.{digest}"  # a plain name has no dot


def top(home: Path) -> Path:
    """Return the folder of all notebooks."""
    return home / TOP


def own(home: Path, account: str) -> Path:
    """Return the folder of an account's notebooks."""
    return top(home) / folder_name(account)


def shared(home: Path) -> Path:
    """Return the folder of the notebooks that belong to all."""
    return top(home) / SHARED
