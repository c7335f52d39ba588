from __future__ import annotations

import struct
import time
import zipfile
from pathlib import Path

import pytest

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.files import contents as file_contents
from couture_workflow.services.files.reader import has_main


def java_class(*methods: tuple[int, str, str], texts: tuple[str, ...] = ()) -> bytes:
    """Return a class file with these methods: (flags, name, descriptor)."""
    words = [*texts, *(word for _, name, descriptor in methods for word in (name, descriptor))]
    pool = b"".join(b"\x01" + struct.pack(">H", len(word)) + word.encode() for word in words)
    pool += b"\x05" + bytes(8)  # a long takes two places
    body = struct.pack(">HHHHHH", 0x21, 0, 0, 0, 0, len(methods))
    for flags, name, descriptor in methods:
        body += struct.pack(">HHHH", flags, words.index(name) + 1, words.index(descriptor) + 1, 0)
    return b"\xca\xfe\xba\xbe" + struct.pack(">HHH", 0, 61, len(words) + 3) + pool + body + bytes(2)


MAIN = (0x9, "main", "([Ljava/lang/String;)V")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (java_class(MAIN), True),
        (java_class((0x1, "main", "([Ljava/lang/String;)V")), False),
        (java_class((0x9, "run", "([Ljava/lang/String;)V"), texts=("main",)), False),
        (java_class(MAIN)[:-20], False),
        (b"\xca\xfe\xba\xbe\x01\x00\x04main([Ljava/lang/String;)V", False),
        (b"", False),
    ],
    ids=["main", "not static", "only called", "cut off", "nonsense", "empty"],
)
def test_a_class_with_a_main_method_is_told(content: bytes, expected: bool) -> None:
    assert has_main(content) is expected


def test_a_jar_shows_manifest_main_classes_and_members(tmp_path: Path) -> None:
    path = tmp_path / "job.jar"
    with zipfile.ZipFile(path, "w") as jar:
        manifest = "Manifest-Version: 1.0\r\nMain-Class: org.examp\r\n le.Main\r\n\r\nName: x\r\n"
        jar.writestr("META-INF/MANIFEST.MF", manifest)
        jar.writestr("org/example/Main.class", java_class(MAIN))
        jar.writestr("org/example/Other.class", java_class())
        jar.writestr("a'b\"<&>ü.txt", "x" * 10)

    archive = file_contents.archive(path)

    assert archive is not None
    assert archive.main_class == "org.example.Main"
    assert archive.manifest == (("Manifest-Version", "1.0"), ("Main-Class", "org.example.Main"))
    assert archive.main_classes == ("org.example.Main",)
    assert archive.members[-1] == file_contents.Member("a'b\"<&>ü.txt", 10)
    assert archive.count == 4


@pytest.mark.slow
def test_a_bomb_costs_little_time(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for number in range(4):
            with bomb.open(f"zeros{number}.class", "w") as member:
                for _ in range(75):
                    member.write(bytes(2**20))

    started = time.monotonic()

    assert file_contents.check(path, "bomb.zip") == ""
    archive = file_contents.archive(path)
    assert archive is not None
    assert archive.size == 300 * 2**20
    assert time.monotonic() - started < 30


def test_a_directory_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lies.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "x")
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 16] = b"\xff\xff\xff\x7f"
    path.write_bytes(content)

    with pytest.raises(InvalidError, match="not a sound .zip file"):
        file_contents.check(path, "lies.zip")
    assert file_contents.archive(path) is None


def test_many_members_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number:05}" + "x" * 400, "")

    found = file_contents.archive(path)

    assert found is not None
    assert (found.count, len(found.members)) == (3000, 1000)
    assert len(found.members[0].name) == 300


@pytest.mark.parametrize(
    "content",
    [b"(" * 100_000, b"x = " + b"-" * 200_000 + b"1", b"x = 1\x00", b"\xff\xfe\xff"],
    ids=["brackets", "minus", "null byte", "no utf-8"],
)
def test_hostile_python_is_a_warning_and_no_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)

    assert file_contents.check(path, "job.py").startswith("job.py ")


def test_source_is_split_into_coloured_lines(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b'"""a\nb"""\n\nimport os  # <b>\n')

    source = file_contents.source(path)

    assert ["".join(text for _, text in line) for line in source.lines] == [
        '"""a',
        'b"""',
        "",
        "import os  # <b>",
    ]
    assert source.lines[0] == (("sd", '"""a'),)
    assert ("kn", "import") in source.lines[3]
    assert ("c1", "# <b>") in source.lines[3]
    assert source.complete


@pytest.mark.slow
def test_long_source_is_cut_at_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x = 1\n" * 30_000)

    source = file_contents.source(path)

    assert not source.complete
    assert "".join(text for _, text in source.lines[-1]) == "x = 1"


def test_source_in_another_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("# coding: latin-1\nx = 'ü'\n".encode("latin-1"))

    assert any("ü" in text for _, text in file_contents.source(path).lines[1])
