"""Keytab files: what MIT documents is read, anything else is refused with the reason, and quickly."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from couture_workflow.exceptions import InvalidError, TooLargeError
from couture_workflow.services.kerberos import keytab_file
from couture_workflow.services.kerberos.keytab_file import MAX_BYTES, MAX_ENTRIES, parse
from tests.support.keytabs import AES128, AES256, DES, RC4, counted, keytab, record


def test_principals_versions_and_types_are_read() -> None:
    entries = parse(
        keytab(
            [
                record("etl", kvno=3, kind=AES256),
                record("etl", kvno=3, kind=AES128),
                record("HTTP/web.example.org", kvno=300, kind=RC4),
                record("a'b\"<&>ü", kvno=1, kind=99, key=b"x"),
            ]
        )
    )

    assert keytab_file.principals(entries) == (
        "etl@LAB.TEST",
        "HTTP/web.example.org@LAB.TEST",
        "a'b\"<&>ü@LAB.TEST",
    )
    assert [(entry.kvno, entry.encryption, entry.is_weak) for entry in entries] == [
        (3, "aes256-cts-hmac-sha1-96", False),
        (3, "aes128-cts-hmac-sha1-96", False),
        (300, "arcfour-hmac", True),
        (1, "type 99", False),
    ]
    assert entries[0].made == datetime.fromtimestamp(1_700_000_000, UTC)


def test_the_older_form_is_read_in_the_order_of_this_machine() -> None:
    (entry,) = parse(keytab([record("etl/node", kvno=7, kind=DES, version=1, long_kvno=False)], version=1))

    assert (entry.principal, entry.kvno, entry.is_weak) == ("etl/node@LAB.TEST", 7, True)


def test_a_short_version_counts_where_the_long_one_is_missing_or_padding() -> None:
    without = parse(keytab([record(kvno=5, long_kvno=False)]))
    padded = record(kvno=5, long_kvno=False)
    padded = struct.pack(">i", len(padded) - 4 + 4) + padded[4:] + b"\0\0\0\0"

    assert without[0].kvno == 5
    assert parse(keytab([padded]))[0].kvno == 5


def test_holes_and_the_end_are_passed_over() -> None:
    hole = struct.pack(">i", -20) + b"\0" * 20
    content = keytab([hole, record("etl"), hole, struct.pack(">i", 0), b"left over"])

    assert [entry.principal for entry in parse(content)] == ["etl@LAB.TEST"]
    assert len(parse(keytab([record()]) + b"\0\0")) == 1


def test_what_separates_the_parts_of_a_name_is_escaped() -> None:
    body = record("x")
    odd = body.replace(counted(b"x"), counted(b"a/b@c\\d"))
    odd = struct.pack(">i", len(odd) - 4) + odd[4:]

    assert parse(keytab([odd]))[0].principal == "a\\/b\\@c\\\\d@LAB.TEST"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\x05\x04\x00\x0c", "it is a ticket cache"),
        (b"-----BEGIN PRIVATE KEY-----", "a certificate or key in PEM form"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\xfe\xed\xfe\xed", "a Java key store"),
        (b"password", "begins with the bytes 70 61, and a keytab with 05 02 or 05 01"),
        (b"\x05", "begins with the bytes 05"),
        (b"\x05\x02", "it holds no key"),
        (b"\x05\x02" + struct.pack(">i", -4) + b"\0\0\0\0", "it holds no key"),
        (keytab()[:-1], "cut off or damaged"),
        (keytab()[:20], "cut off or damaged"),
        (keytab() + b"\0\0\1", "cut off or damaged"),
        (b"\x05\x02" + struct.pack(">i", 2**31 - 1), "cut off or damaged"),
        (b"\x05\x02" + struct.pack(">i", -(2**31)), "cut off or damaged"),
        (b"\x05\x02" + struct.pack(">iH", 2, 65535), "cut off or damaged"),
        (b"\x05\x02" + struct.pack(">i", 4) + b"\0\0\0\0", "belongs to no principal"),
        (keytab([record(key=b"short")]), "has 5 bytes, which is no key of its encryption type"),
        (keytab([record(kind=77, key=b"")]), "has 0 bytes"),
        (keytab([record("a\nb")]), "control characters"),
        (keytab([record("", realm="X")]), "is empty"),
        (keytab([record(realm="")]), "is empty"),
        (keytab([record("x" * 300)]), "longer than 256"),
        (keytab([record("\u202eetl")]), "control characters"),
        (keytab([record()] * (MAX_ENTRIES + 1)), f"more than {MAX_ENTRIES} keys"),
    ],
)
def test_anything_else_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidError, match="no keytab that can be used") as refused:
        parse(content)

    assert reason in str(refused.value)
    assert "Choose the file that ktadd" in str(refused.value)
    assert refused.value.field == "keytab"


def test_a_name_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(InvalidError, match="not UTF-8"):
        parse(keytab([record("xy").replace(b"xy", b"\xff\xfe")]))


def test_every_cut_and_every_changed_byte_is_read_or_refused() -> None:
    content = keytab([record("etl", kvno=3), record("HTTP/web", kind=AES128)])
    for at in range(len(content)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]):
            try:
                assert parse(damaged)
            except InvalidError as error:
                assert "no keytab that can be used" in str(error)


def test_a_file_that_is_too_large_is_not_looked_at() -> None:
    with pytest.raises(TooLargeError, match=str(MAX_BYTES)):
        parse(keytab() + b"\0" * MAX_BYTES)
