"""The format of ticket caches that are files, as MIT Kerberos documents it: until when a ticket is good.

https://web.mit.edu/kerberos/krb5-devel/doc/formats/ccache_file_format.html, version 4. Read instead of what
``klist`` prints, whose dates depend on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from couture_workflow.services.kerberos.binary import CutOffError, Reader

#: Credentials in one cache, far beyond what kinit writes.
_MOST = 100


@dataclass(frozen=True)
class Life:
    """How long a ticket-granting ticket is good.

    :param renewable: until when it can be renewed, None if it cannot.
    """

    ends: datetime
    renewable: datetime | None


def life(content: bytes) -> Life | None:
    """Return the life of the ticket-granting ticket in a cache, None if there is none to be read."""
    reader = Reader(content)
    try:
        if reader.number(2) != 0x0504:
            return None
        reader.counted(2)  # fields of the head
        _principal(reader)
        for _ in range(_MOST):
            found = _credential(reader)
            if found is not None:
                return found
    except CutOffError:
        return None
    return None


def _credential(reader: Reader) -> Life | None:
    _principal(reader)
    server = _principal(reader)
    reader.take(2)  # kind of the session's key
    reader.counted(4)  # the key
    reader.take(8)  # when it was issued, and when it begins
    ends, renewable = reader.number(4), reader.number(4)
    reader.take(1 + 4)  # whose key encrypts it; its flags
    for _ in range(2):  # addresses, then data of authorisation
        for _ in range(reader.number(4)):
            reader.take(2)
            reader.counted(4)
    reader.counted(4)  # the ticket
    reader.counted(4)  # another one
    if server[:1] != [b"krbtgt"]:
        return None
    return Life(_moment(ends), _moment(renewable) if renewable > ends else None)


def _principal(reader: Reader) -> list[bytes]:
    """Return the parts of a principal, without its realm."""
    reader.take(4)
    count = reader.number(4)
    reader.counted(4)
    return [reader.counted(4) for _ in range(count)]


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
