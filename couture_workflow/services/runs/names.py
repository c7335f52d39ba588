"""What the files and folders of a run are called: safe names for Airflow's ids, which may be any text."""

from __future__ import annotations

import hashlib
import re

_LONGEST_NAME = 150
_SAFE = re.compile(rb"[A-Za-z0-9_+-]")


def quoted(name: str) -> str:
    """Return a file name for any text: unsafe characters as %XX, the end as a hash where it is long."""
    raw = name.encode()
    safe = "".join(
        chr(byte) if _SAFE.match(bytes([byte])) or (byte == ord(".") and position) else f"%{byte:02X}"
        for position, byte in enumerate(raw)
    )
    if len(safe) <= _LONGEST_NAME:
        return safe or "%"
    return f"{safe[: _LONGEST_NAME - 33]}~{hashlib.sha256(raw).hexdigest()[:32]}"
