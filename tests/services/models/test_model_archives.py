"""Archives of models: what is understood, what is refused and by which name, and what reaches the disk."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from couture_workflow.exceptions import ArchiveError, CoutureError, StorageFullError, TooLargeError
from couture_workflow.services.models.archives import archive, unpacking
from couture_workflow.store.archive_reader import Limits, Member

LIMITS = Limits(members=200, size=64 * 2**20, ratio=100)
PB = "saved_model.pb"


def tarred(files: Mapping[str, bytes], *odd: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    """Return a tar with files and other members."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for each in odd:
            tar.addfile(each)
    return made.getvalue()


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


def unpacked(content: bytes, folder: Path, *, limits: Limits = LIMITS) -> list[str]:
    """Unpack in the other process and return the paths of the files."""
    sent = folder / "sent"
    sent.write_bytes(content)
    target = folder / "target"
    target.mkdir()
    unpacking.run(sent, target, limits=limits, shown="here")
    return [each.relative_to(target).as_posix() for each in target.rglob("*") if each.is_file()]


def found_in(*paths: str) -> archive.Layout:
    return archive.layout([Member(path, 10, "0" * 64) for path in sorted(paths)])


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_files_are_unpacked_as_they_are(tmp_path: Path, mode: str) -> None:
    files = {
        "m/saved_model.pb": b"\x01" * 3_000_000,
        "m/assets/my words, \u00fc.txt": b"a\nb",
        "m/a/b/c": b"",
    }
    assert sorted(unpacked(tarred(files, mode=mode), tmp_path)) == sorted(files)
    assert {name: (tmp_path / "target" / name).read_bytes() for name in files} == files


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (member("m/link", tarfile.SYMTYPE, "/etc/passwd"), '"m/link" is a symbolic link'),
        (member("m/hard", tarfile.LNKTYPE, "saved_model.pb"), '"m/hard" is a hard link'),
        (member("m/null", tarfile.CHRTYPE), '"m/null" is a device'),
        (member("m/pipe", tarfile.FIFOTYPE), '"m/pipe" is a named pipe'),
        (member("../out", tarfile.REGTYPE), '"../out", which leads out'),
        (member("/etc/x", tarfile.REGTYPE), 'absolute path "/etc/x"'),
        (member("m/.git/config", tarfile.REGTYPE), '"m/.git/config" is refused'),
        (member("m/saved_model.pb", tarfile.REGTYPE), '"m/saved_model.pb" twice'),
    ],
)
def test_what_leads_elsewhere_is_refused_by_name(tmp_path: Path, odd: tarfile.TarInfo, said: str) -> None:
    content = tarred({"m/saved_model.pb": b"x"}, odd)
    with pytest.raises(ArchiveError) as error:
        unpacked(content, tmp_path)
    assert said in str(error.value)
    assert error.value.member.strip("/") == odd.name.strip("/")
    assert not (tmp_path / "out").exists()
    assert all(
        path.is_relative_to(tmp_path / "target") or path.name in ("sent", "target")
        for path in tmp_path.rglob("*")
    )


def test_bombs_are_refused(tmp_path: Path) -> None:
    zeros = tarred({PB: bytes(30 * 2**20)})
    many = tarred({f"m/{number}": b"" for number in range(201)})
    cases = [(zeros, LIMITS, f'times its size.* at "{PB}"'), (many, LIMITS, '200 members.* at "m/199"')]
    cases.append((tarred({PB: bytes(2**20)}), Limits(members=9, size=2**19, ratio=10**6), "524,288 bytes"))
    for number, (content, limits, said) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(TooLargeError, match=said):
            unpacked(content, folder, limits=limits)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"hello, I am no model" * 100, "neither an archive nor ONNX"),
        (b"PK\x03\x04" + bytes(600), "a zip file"),
        (b"\x89HDF\r\n" + bytes(600), "an HDF5 file"),
        (b"\x80\x04\x95" + bytes(600), "a pickle, which would run code"),
        (tarred({PB: bytes(range(256)) * 4000})[:700], "ends in the middle"),
        (tarred({PB: b"a" * 5000}, mode="w")[:3000], "ends in the middle"),
        (tarred({}), "holds no files"),
        (gzip.compress(b"no tar" * 1000), "broken"),
    ],
    ids=["empty", "text", "zip", "hdf5", "pickle", "half gzip", "half tar", "no files", "no tar"],
)
def test_what_is_no_archive_is_told_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ArchiveError, match=said) as error:
        unpacked(content, tmp_path)
    assert "dags" not in str(error.value)


def test_one_onnx_file_is_taken_as_it_is(tmp_path: Path) -> None:
    content = b"\x08\x08" + b"x" * 1000
    assert unpacked(content, tmp_path) == ["model.onnx"]
    assert (tmp_path / "target" / "model.onnx").read_bytes() == content
    (again := tmp_path / "again").mkdir()
    found = unpacking.models(tmp_path / "sent", again, limits=LIMITS, shown="here")
    assert found.said == "The ONNX file was sent as it is."


def test_a_full_disk_is_told_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(tarred({PB: b"x"}))
    (tmp_path / "target").mkdir()
    monkeypatch.setattr(archive, "_SPARE", 2**62)
    with pytest.raises(StorageFullError, match="No space is left"):
        archive.unpack(sent, tmp_path / "target", limits=LIMITS)


@pytest.mark.parametrize(
    ("paths", "folders", "said"),
    [
        ((PB, "variables/v"), [""], "at the top"),
        (
            (f"export/{PB}", "export/variables/v", "export/assets/a"),
            ["export"],
            "folder export/, which is taken",
        ),
        ((f"m/3/{PB}", "m/3/variables/v"), ["m/3"], "version folder m/3/"),
        (("m/net.onnx", "README.md"), ["m"], "1 other file is left out"),
        ((f"{PB}", f"assets/inner/{PB}"), [""], "at the top"),
        (("model.onnx",), [""], "The ONNX is at the top of the archive."),
        ((f"1/{PB}", f"2/{PB}", f"10/{PB}"), ["1", "2", "10"], "3 versions of a model: 1, 2, 10"),
        ((f"a/{PB}", "b/net.onnx"), ["a", "b"], "2 models: a, b. Choose"),
    ],
)
def test_layouts_are_understood(paths: tuple[str, ...], folders: list[str], said: str) -> None:
    found = found_in(*paths)
    assert [each.path for each in found.folders] == folders
    assert said in found.said
    assert "sent as it is" not in found.said
    taken = archive.chosen(found, None)
    assert (taken.path if taken else None) == (folders[0] if len(folders) == 1 else None)


def test_very_many_models_are_refused_soon() -> None:
    with pytest.raises(ArchiveError, match="holds 20,000 models, and 100 at most"):
        found_in(*(f"{number}/{PB}" for number in range(20_000)))


def test_a_folder_can_be_chosen_and_a_wrong_one_is_told() -> None:
    found = found_in(f"1/{PB}", f"2/{PB}")
    assert archive.chosen(found, "2/") == found.folders[1]
    with pytest.raises(ArchiveError, match='"3" of the archive is no model. Choose one of these: "1", "2"'):
        archive.chosen(found, "3")


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (("a/model.keras",), "Keras's own format"),
        (("a/saved_model.pbtxt",), "as text"),
        (("model.pkl",), "a pickle"),
        (("a.txt", "b.txt"), '2 files, such as "a.txt", "b.txt"'),
        (("m/a.onnx", "m/b.onnx"), "One folder of the archive holds 2 .onnx files"),
    ],
)
def test_what_holds_no_model_is_told(paths: tuple[str, ...], said: str) -> None:
    with pytest.raises(CoutureError, match=said):
        found_in(*paths)
