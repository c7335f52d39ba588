"""Archives: what is written is the same from the same files, and what is read can do no harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couture_workflow import __version__
from couture_workflow.exceptions import ArchiveError, CorruptError, CoutureError, TooLargeError
from couture_workflow.store import archive_reader, archives
from couture_workflow.store.archive_reader import Archive, Limits, Member
from couture_workflow.store.archives import MANIFEST, Entry

LIMITS = Limits(members=100, size=64 * 2**20, ratio=100)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entry(path: str, content: bytes) -> Entry:
    return Entry(path, len(content), sha(content), lambda: [content[:3], content[3:]])


def written(files: dict[str, bytes], *, noun: str = "dags", left_out: Any = None) -> bytes:
    entries = [entry(path, content) for path, content in files.items()]
    return b"".join(archives.write(archives.export(noun, entries, left_out=left_out or {})))


def file(name: str, content: bytes = b"x", **fields: Any) -> bytes:
    """Return a member as it stands in a tar, with any field of its header as it should not be."""
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for field, value in fields.items():
        setattr(header, field, value)
    return header.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


def tar(*members: bytes, end: bytes = bytes(1024)) -> bytes:
    return gzip.compress(b"".join(members) + end, mtime=0)


def of(kind: bytes, name: str = "a.py", **fields: Any) -> bytes:
    return file(name, b"", type=kind, **fields)


def manifest(listed: dict[str, bytes], **changes: Any) -> bytes:
    data = {
        "format": 1,
        "product": "couture-workflow",
        "product_version": "9",
        "noun": "dags",
        "members": {path: {"sha256": sha(text), "size": len(text)} for path, text in listed.items()},
        "left_out": {},
        **changes,
    }
    return file(MANIFEST, json.dumps(data).encode())


def raw_header(**fields: bytes) -> bytes:
    """Return a header with raw bytes in some fields and a right checksum."""
    offsets = {"name": (0, 100), "size": (124, 12), "type": (156, 1)}
    block = bytearray(tarfile.TarInfo("a.py").tobuf(tarfile.USTAR_FORMAT))
    for field, value in fields.items():
        start, length = offsets[field]
        block[start : start + length] = value.ljust(length, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def read(content: bytes, limits: Limits = LIMITS) -> Archive:
    return archive_reader.read(io.BytesIO(content), limits=limits)


def test_archive_is_the_same_byte_for_byte_and_reads_back() -> None:
    files = {"dags/b.py": b"b" * 600, "dags/ä/a.py": b"", "dags/" + "long" * 45 + "/c.py": b"c"}

    first = written(files, left_out={"dags/x": ["z", "y"]})

    assert first == written(dict(reversed(files.items())), left_out={"dags/x": ["y", "z"]})
    archive = read(first)
    assert archive.members == tuple(
        Member(path, len(text), sha(text)) for path, text in sorted(files.items())
    )
    assert archive.manifest is not None
    assert (archive.manifest.noun, archive.manifest.format, archive.manifest.product_version) == (
        "dags",
        1,
        __version__,
    )
    assert archive.manifest.left_out == {"dags/x": ("y", "z")}


def test_archive_is_what_other_programs_read() -> None:
    files = {"dags/b.py": b"b" * 1300, "dags/ä.py": b"x"}

    with tarfile.open(fileobj=io.BytesIO(written(files)), mode="r:gz") as found:
        members = found.getmembers()

        assert [member.name for member in members] == [MANIFEST, *sorted(files)]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in members} == {(315532800, 0, 0, "", 0o644)}
        read_back = {m.name: found.extractfile(m).read() for m in members[1:]}  # type: ignore[union-attr]
    assert read_back == files
    listed = subprocess.run(["tar", "-tzf", "-"], input=written(files), capture_output=True, check=True)
    assert listed.stderr == b""


def test_tag_follows_the_content() -> None:
    def tag(content: bytes) -> str:
        return archives.export("dags", [entry("dags/a.py", content)], left_out={}).tag

    assert tag(b"1") == tag(b"1") != tag(b"2")


def test_content_that_changed_since_never_makes_a_whole_archive() -> None:
    changed = Entry("dags/a.py", 3, sha(b"old"), lambda: [b"new"])

    with pytest.raises(CorruptError, match="couture-workflow doctor"):
        list(archives.write(archives.export("dags", [changed], left_out={})))


def test_archive_of_others_is_read_without_their_leftovers() -> None:
    archive = read(
        tar(
            file("./", b"", type=tarfile.DIRTYPE),
            file("./dags//a.py"),
            file("dags/._a.py"),
            file("dags/.DS_Store"),
            file("dags/__pycache__/a.cpython-311.pyc"),
            file("dags/u\u0308.py"),
        )
    )

    assert [member.path for member in archive.members] == ["dags/a.py", "dags/\xfc.py"]
    assert archive.ignored == ("dags/.DS_Store", "dags/._a.py", "dags/__pycache__/a.cpython-311.pyc")
    assert archive.manifest is None


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_common_form_of_tar_is_read(form: int) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=form) as made:
        for name in ("dags/" + "d" * 60 + "/a.py", "dags/b.py"):
            header = tarfile.TarInfo(name)
            header.size = 1000
            made.addfile(header, io.BytesIO(bytes(1000)))

    assert [member.size for member in read(target.getvalue()).members] == [1000, 1000]


def test_archives_that_several_programs_wrote_one_after_the_other_are_one() -> None:
    whole = file("a.py", b"x" * 700) + bytes(1024)

    assert read(gzip.compress(whole[:600]) + gzip.compress(whole[600:])).members[0].size == 700


def test_padding_behind_the_end_is_nothing() -> None:
    assert read(tar(file("a.py"), end=bytes(10240)) + bytes(512)).members == (Member("a.py", 1, sha(b"x")),)


GOOD = tar(file("a.py", random.Random(1).randbytes(5000)))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "parent folder": (tar(file("../a.py")), r"leads out of it"),
    "parent folder inside": (tar(file("dags/../../a.py")), r"leads out of it"),
    "parent folder of Windows": (tar(file("..\\a.py")), r"leads out of it"),
    "folder above": (tar(file("../", b"", type=tarfile.DIRTYPE)), r"leads out of it"),
    "absolute path": (tar(file("/etc/passwd")), r"absolute path"),
    "absolute path of Windows": (tar(file("C:\\a.py")), r"absolute path"),
    "path in a pax header": (tar(file("a.py", pax_headers={"path": "/etc/a.py"})), r"absolute path"),
    "symbolic link": (tar(of(tarfile.SYMTYPE, linkname="/etc/passwd")), r"is a symbolic link"),
    "hard link": (tar(of(tarfile.LNKTYPE, linkname="/etc/passwd")), r"is a hard link"),
    "character device": (tar(of(tarfile.CHRTYPE)), r"is a device"),
    "block device": (tar(of(tarfile.BLKTYPE)), r"is a device"),
    "named pipe": (tar(of(tarfile.FIFOTYPE)), r"is a named pipe"),
    "unknown kind": (tar(of(b"Z")), r"neither a file nor a folder"),
    "sparse file": (tar(file("a.py", b"", type=tarfile.GNUTYPE_SPARSE)), r"sparse"),
    "git folder": (tar(file(".git/config")), r"Leave the folder \.git out"),
    "git folder in capitals": (tar(file("a/.GIT/hooks/x")), r"Leave the folder \.git out"),
    "blank in a name": (tar(file("my dag.py")), r'"my dag.py" is refused'),
    "hostile name": (tar(file("a'b\"<&>.py")), r"is refused"),
    "option as a name": (tar(file("--output=x")), r"is refused"),
    "newline in a name": (tar(file("a\nb.py")), r"is refused"),
    "bytes that are no text": (tar(raw_header(name=b"a\xff.py", size=b"0")), r"is refused"),
    "long name": (tar(file("a" * 300)), r"at most 200 bytes"),
    "long path": (tar(file("a/" * 600 + "a.py")), r"is refused"),
    "twice the same": (tar(file("a.py"), file("./a.py")), r'"a.py" twice'),
    "twice but for case": (tar(file("a.py"), file("A.py")), r"differ in more than case"),
    "twice but for Unicode form": (tar(file("\xfc.py"), file("u\u0308.py")), r"twice"),
    "twice but for both": (tar(file("\xdc/a.py"), file("u\u0308/a.py")), r"differ in more than case"),
    "file and folder": (tar(file("a"), file("a/b.py")), r'"a" is both a file and a folder'),
    "folder and file": (tar(file("A/b.py"), file("a")), r'"a" is both a file and a folder'),
    "nothing": (b"", r"broken"),
    "no gzip": (b"PK\3\4 a zip", r"This is no gzip file"),
    "gzip of nothing": (gzip.compress(b""), r"broken"),
    "gzip of no tar": (gzip.compress(b"hello" * 1000), r"broken"),
    "no files": (tar(of(tarfile.DIRTYPE, "dags")), r"holds no files"),
    "half a file": (GOOD[: len(GOOD) // 2], r"ends in the middle"),
    "last bytes missing": (GOOD[:-4], r"ends in the middle"),
    "one bit wrong": (GOOD[:3000] + bytes([GOOD[3000] ^ 1]) + GOOD[3001:], r"checksum is wrong|damaged"),
    "wrong checksum": (GOOD[:-8] + b"\0\0\0\0" + GOOD[-4:], r"checksum is wrong"),
    "wrong length": (GOOD[:-4] + b"\1\0\0\0", r"checksum is wrong"),
    "something behind the gzip": (GOOD + b"more", r"something stands behind its end"),
    "a second archive behind it": (GOOD + GOOD, r"something stands behind its end"),
    "something behind the tar": (tar(file("a.py"), bytes(1024), file("b.py")), r"behind its end"),
    "tar without an end": (tar(file("a.py"), end=b""), r"its end is missing"),
    "tar that ends in a file": (tar(file("a.py", bytes(2000))[:1024], end=b""), r"ends in the middle of a"),
    "tar that ends in a header": (tar(file("a.py"), file("b.py")[:100], end=b""), r"end is missing"),
    "damaged header": (tar(file("a.py"), b"\1" + file("b.py", b"")[1:]), r"headers is damaged"),
    "size below zero": (tar(raw_header(size=b"\xff" * 10 + b"\xfe\x00")), r"broken"),
    "size of eight exabytes": (
        tar(raw_header(size=b"\x80" + b"\0" * 4 + b"\x7f" + b"\xff" * 6)),
        r"64 MiB|bytes",
    ),
    "long header": (tar(raw_header(type=b"x", size=b"%o" % 2**26)), r"headers are too long"),
    "headers without an end": (tar(*[raw_header(type=b"g", size=b"0")] * 3000), r"broken"),
    "nonsense in a pax header": (tar(file("a", b"0 path=x\n", type=b"x"), file("b")), r"broken"),
    "manifest of another product": (tar(manifest({}, product="other")), r"of another product"),
    "manifest of a newer format": (tar(manifest({}, format=2)), r"has format 2; .* reads format 1"),
    "manifest that is no JSON": (tar(file(MANIFEST, b"{")), r"cannot be read"),
    "manifest of the wrong form": (tar(manifest({}, members=[1])), r"cannot be read"),
    "manifest nested deeply": (tar(file(MANIFEST, b"[" * 100_000)), r"cannot be read"),
    "manifest twice": (tar(manifest({}), manifest({})), r"twice"),
    "member missing": (tar(manifest({"a.py": b"x"})), r"is in the manifest, but not in the archive"),
    "member too many": (tar(manifest({}), file("a.py")), r'"a.py" is not in the manifest'),
    "leftover too many": (tar(file("._a.py"), manifest({})), r"is not in the manifest"),
    "wrong sha256": (tar(manifest({"a.py": b"y"}), file("a.py")), r"does not have the sha256"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_odd_and_hostile_archives_are_refused(case: str) -> None:
    content, message = HOSTILE[case]

    with pytest.raises(CoutureError, match=message) as refused:
        read(content)

    assert isinstance(refused.value, ArchiveError | TooLargeError)
    assert str(refused.value).endswith(".")


def test_refusal_names_the_member() -> None:
    with pytest.raises(ArchiveError) as refused:
        read(tar(file("a.py"), of(tarfile.SYMTYPE, "b/c.py")))

    assert (refused.value.field, refused.value.member) == ("sources", "b/c.py")


def test_too_many_members_are_refused() -> None:
    with pytest.raises(TooLargeError, match=r"more than 2 members.*max_archive_members"):
        read(tar(*(file(f"{number}.py") for number in range(3))), Limits(2, 2**20, 100))


def test_too_many_bytes_are_refused() -> None:
    limits = Limits(10, 10_000, 100, option="max_archive_text_size")

    with pytest.raises(TooLargeError, match=r"more than 10,000 bytes .*max_archive_text_size"):
        read(tar(file("a.py", bytes(6000)), file("b.py", bytes(6000))), limits)


def zeros(size: int) -> Iterator[bytes]:
    """Give a gzip of a tar with one file of zeros."""
    header = tarfile.TarInfo("zeros")
    header.size = size
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(header.tobuf())
    for _ in range(size // 2**20):
        yield packer.compress(bytes(2**20))
    yield packer.flush()


def test_bombs_are_refused_by_their_ratio() -> None:
    bomb = b"".join(zeros(100 * 2**20))
    assert len(bomb) < 2**18

    with pytest.raises(TooLargeError, match=r"more than 100 times its size.*max_archive_ratio"):
        read(bomb, Limits(10, 2**40, 100))


def test_every_cut_is_noticed() -> None:
    for end in range(0, len(GOOD) - 1, 97):
        with pytest.raises(ArchiveError):
            read(GOOD[:end])


def test_no_byte_that_is_changed_in_the_tar_passes_unseen() -> None:
    """Whatever a damaged header says, the answer is an error of ours or a well-formed list."""
    source = bytearray(manifest({"a.py": b"x"}) + file("a.py") + bytes(1024))
    generator = random.Random(2)
    for _ in range(1500):
        damaged = bytearray(source)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            archive = read(gzip.compress(bytes(damaged), 1))
        except (ArchiveError, TooLargeError):
            continue
        assert [member.path for member in archive.members] == ["a.py"]


def test_visitor_gets_each_file_and_need_not_read_it() -> None:
    seen: list[tuple[str, int]] = []

    def visit(path: str, content: Iterator[bytes]) -> None:
        seen.append((path, sum(map(len, content)) if path == "a.py" else -1))

    members = archive_reader.read(
        io.BytesIO(tar(file("a.py", bytes(700)), file("b.py", bytes(700)))), limits=LIMITS, visit=visit
    ).members

    assert seen == [("a.py", 700), ("b.py", -1)]
    assert [member.size for member in members] == [700, 700]


MEMORY = """
import hashlib, os, pathlib, re, sys
from couture_workflow.store import archive_reader, archives

def memory(name):
    return int(re.search(name + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1024

block = os.urandom(2**20)
digest = hashlib.sha256()
for _ in range(400):
    digest.update(block)
entry = archives.Entry("dags/a", 400 * 2**20, digest.hexdigest(), lambda: (block for _ in range(400)))
path = pathlib.Path(sys.argv[1])
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
with path.open("wb") as target:
    for piece in archives.write(archives.export("dags", [entry], left_out={})):
        target.write(piece)
limits = archive_reader.Limits(10, 2**30, 100)
with path.open("rb") as source:
    print(archive_reader.read(source, limits=limits).members[0].size)
print(memory("VmHWM") - before)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "x")], capture_output=True, text=True, check=True
    )

    size, growth = map(int, done.stdout.split())
    assert size == 400 * 2**20
    assert growth < 16 * 2**20
