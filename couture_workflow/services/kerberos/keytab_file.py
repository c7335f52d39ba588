"""The format of keytab files, as MIT Kerberos documents it: read within limits, anything else refused.

https://web.mit.edu/kerberos/krb5-devel/doc/formats/keytab_file_format.html: the bytes 5 and 2 (5 and 1 for
the older form, with numbers in the order of the machine), then records behind a signed length; a negative
length is a hole, a length of 0 the end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from couture_workflow.exceptions import InvalidError, TooLargeError
from couture_workflow.services.kerberos.binary import CutOffError, Reader
from couture_workflow.store.names import quote

#: Bytes of a file, records in it, characters of a principal: far beyond what a KDC hands out.
MAX_BYTES = 256 * 2**10
MAX_ENTRIES = 2000
MAX_PRINCIPAL = 256

#: Number of an encryption type -> its name, bytes of a key (0: not known), whether it counts as weak.
_TYPES: dict[int, tuple[str, int, bool]] = {
    1: ("des-cbc-crc", 8, True),
    2: ("des-cbc-md4", 8, True),
    3: ("des-cbc-md5", 8, True),
    5: ("des3-cbc-md5", 24, True),
    7: ("des3-cbc-sha1-old", 24, True),
    16: ("des3-cbc-sha1", 24, True),
    17: ("aes128-cts-hmac-sha1-96", 16, False),
    18: ("aes256-cts-hmac-sha1-96", 32, False),
    19: ("aes128-cts-hmac-sha256-128", 16, False),
    20: ("aes256-cts-hmac-sha384-192", 32, False),
    23: ("arcfour-hmac", 16, True),
    24: ("arcfour-hmac-exp", 16, True),
    25: ("camellia128-cts-cmac", 16, False),
    26: ("camellia256-cts-cmac", 32, False),
}

#: What other files begin with -> what they are, for the message.
_OTHERS = (
    (b"\x05\x04", "a ticket cache"),
    (b"\x05\x03", "a ticket cache"),
    (b"-----BEGIN", "a certificate or key in PEM form"),
    (b"\xfe\xed\xfe\xed", "a Java key store"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
)
_REMEDY = "Choose the file that ktadd, ktutil, ktpass or msktutil wrote."


@dataclass(frozen=True)
class Entry:
    """One key, without the key itself.

    :param kvno: number of the key's version.
    :param type: number of its encryption type.
    :param made: when it was put into the file, None if the file does not say.
    """

    principal: str
    kvno: int
    type: int
    made: datetime | None = None

    @property
    def encryption(self) -> str:
        """Name of the encryption type."""
        return _TYPES[self.type][0] if self.type in _TYPES else f"type {self.type}"

    @property
    def is_weak(self) -> bool:
        """Tell whether the encryption type is broken or outdated."""
        return self.type in _TYPES and _TYPES[self.type][2]


def parse(content: bytes) -> tuple[Entry, ...]:
    """Return what is in a keytab file, or raise ``InvalidError`` with the reason."""
    if len(content) > MAX_BYTES:
        raise TooLargeError(f"A keytab has at most {MAX_BYTES} bytes. {_REMEDY}")
    version = _version(content)
    try:
        entries = tuple(_entries(content[2:], version))
    except CutOffError as error:
        raise _refused(f"it is cut off or damaged: {error}") from None
    if not entries:
        raise _refused("it holds no key")
    return entries


def principals(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Return the principals in the order in which they come."""
    return tuple(dict.fromkeys(entry.principal for entry in entries))


def _version(content: bytes) -> int:
    if content[:2] in (b"\x05\x01", b"\x05\x02"):
        return content[1]
    if not content:
        raise _refused("it is empty")
    for beginning, what in _OTHERS:
        if content.startswith(beginning):
            raise _refused(f"it is {what}")
    raise _refused(f"it begins with the bytes {content[:2].hex(' ')}, and a keytab with 05 02 or 05 01")


def _entries(content: bytes, version: int) -> Iterator[Entry]:
    order = "big" if version == 2 else sys.byteorder
    reader = Reader(content, order)
    found = 0
    while reader.left:
        if reader.left < 4 and not any(reader.take(reader.left)):
            return  # padding
        size = reader.number(4, signed=True)
        if size == 0:
            return
        record = reader.take(abs(size))
        if size < 0:
            continue  # a hole: an entry that was deleted
        found += 1
        if found > MAX_ENTRIES:
            raise _refused(f"it holds more than {MAX_ENTRIES} keys")
        yield _entry(Reader(record, order), version)


def _entry(reader: Reader, version: int) -> Entry:
    count = reader.number(2) - (1 if version == 1 else 0)
    realm = reader.counted(2)
    if count < 1:
        raise _refused("a key in it belongs to no principal")
    parts = [reader.counted(2) for _ in range(count)]
    if version == 2:
        reader.take(4)  # the kind of the name
    seconds = reader.number(4)
    kvno = reader.number(1)
    kind = reader.number(2)
    key = reader.counted(2)
    if reader.left >= 4:
        kvno = reader.number(4) or kvno
    principal = _principal(parts, realm)
    expected = _TYPES[kind][1] if kind in _TYPES else 0
    if not key or (expected and len(key) != expected):
        raise _refused(
            f"the key of {quote(principal)} has {len(key)} bytes, which is no key of its encryption type"
        )
    made = datetime.fromtimestamp(seconds, UTC) if seconds else None
    return Entry(principal, kvno, kind, made)


def _principal(parts: list[bytes], realm: bytes) -> str:
    """Return a principal as Kerberos's programs write and read it."""
    try:
        text = "/".join(map(_escaped, parts)) + "@" + _escaped(realm)
    except UnicodeDecodeError:
        raise _refused("the name of a principal in it is not UTF-8") from None
    if not realm or not any(parts) or not text.isprintable() or len(text) > MAX_PRINCIPAL:
        raise _refused(
            f"the name of a principal in it is empty, longer than {MAX_PRINCIPAL} characters, or has "
            f"control characters: {quote(text)}"
        )
    return text


def _escaped(part: bytes) -> str:
    text = part.decode("utf-8")
    return "".join(f"\\{character}" if character in "\\/@" else character for character in text)


def _refused(why: str) -> InvalidError:
    return InvalidError(f"The file is no keytab that can be used: {why}. {_REMEDY}", field="keytab")
