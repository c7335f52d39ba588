"""The file of a backup: what is damaged, hostile or of another time is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from couture_workflow.exceptions import ArchiveError, SecretKeyError, StorageError
from couture_workflow.services.backup import keys as backup_keys
from couture_workflow.store import backup_archives

HOSTILE = "home/outputs/a'b\"<&>ü \udcff\n/x"


def archive(**about: object) -> bytes:
    """Return a whole small backup."""
    out = io.BytesIO()
    writer = backup_archives.Writer(out.write)
    writer.add_bytes("home/version", b"1\n")
    writer.add_bytes(HOSTILE, b"x" * 3000, mode=0o640)
    writer.finish(about, lambda manifest: backup_keys.seal({"fernet_key": "k"}, manifest, None))
    return out.getvalue()


def made(*members: tuple[str, bytes], **header: object) -> bytes:
    """Return an archive that was made by hand, with a manifest that fits what it holds."""
    out = io.BytesIO()
    said = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in members}
    manifest = json.dumps({"product": backup_archives.PRODUCT, "format": 1, "members": said}).encode()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in (*members, ("manifest.json", manifest), ("keys.json", b"{}")):
            about = tarfile.TarInfo(name)
            about.size = len(content)
            if name.startswith("home/evil"):
                for field, value in header.items():
                    setattr(about, field, value)
            tar.addfile(about, io.BytesIO(content))
    return out.getvalue()


def test_a_backup_is_read_back_with_every_name_and_mode() -> None:
    found: dict[str, tuple[int, bytes]] = {}

    def visit(path: str, mode: int, pieces: object) -> None:
        found[path] = (mode, b"".join(pieces))  # type: ignore[arg-type]

    backup = backup_archives.read(io.BytesIO(archive(layout=1)), visit=visit)

    assert found == {"home/version": (0o600, b"1\n"), HOSTILE: (0o640, b"x" * 3000)}
    assert (backup.size, backup.about["layout"]) == (3002, 1)


def test_tar_itself_can_list_a_backup() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        assert tar.getnames() == ["home/version", HOSTILE, "manifest.json", "keys.json"]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(share: float) -> None:
    whole = archive()

    with pytest.raises(ArchiveError, match="backup"):
        backup_archives.read(io.BytesIO(whole[: int(len(whole) * share)]))


def test_every_flipped_byte_is_found() -> None:
    whole = bytearray(gzip.decompress(archive()))
    for place in range(0, len(whole) - 10240, 97):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        try:
            backup = backup_archives.read(io.BytesIO(gzip.compress(bytes(damaged), 1)))
        except ArchiveError:
            continue
        # Only what nobody relies on may differ: times and owners in headers, and the padding between files.
        assert backup.about["members"] == backup_archives.read(io.BytesIO(archive())).about["members"]


@pytest.mark.parametrize(
    ("name", "header", "why"),
    [
        ("/etc/passwd", {}, "leads out"),
        ("home/../../x", {}, "leads out"),
        ("home//x", {}, "leads out"),
        ("home/./x", {}, "leads out"),
        ("elsewhere/x", {}, "leads out"),
        ("x", {}, "leads out"),
        ("home/evil", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0}, "no plain file"),
        ("home/evil", {"type": tarfile.LNKTYPE, "linkname": "home/version", "size": 0}, "no plain file"),
        ("home/evil", {"type": tarfile.CHRTYPE, "size": 0}, "no plain file"),
        ("home/evil", {"type": tarfile.DIRTYPE, "size": 0}, "no plain file"),
    ],
)
def test_hostile_members_are_refused(name: str, header: dict[str, object], why: str) -> None:
    with pytest.raises(ArchiveError, match=why):
        backup_archives.read(io.BytesIO(made((name, b""), **header)))


@pytest.mark.parametrize("twice", [("home/a", "home/a"), ("home/a", "home/a/b"), ("home/a/b", "home/a")])
def test_a_path_that_is_there_twice_is_refused(twice: tuple[str, str]) -> None:
    with pytest.raises(ArchiveError, match="is there twice"):
        backup_archives.read(io.BytesIO(made(*((name, b"") for name in twice))))


def test_what_stands_behind_the_end_is_refused() -> None:
    out = io.BytesIO(gzip.decompress(made(("home/a", b""))))
    with tarfile.open(fileobj=out, mode="a") as tar:
        tar.addfile(tarfile.TarInfo("home/late"))

    with pytest.raises(ArchiveError, match="behind the end"):
        backup_archives.read(io.BytesIO(gzip.compress(out.getvalue())))


def test_a_bomb_is_found_without_being_unpacked_to_disk() -> None:
    class Zeros(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        about = tarfile.TarInfo("home/evil")
        about.size = 64 * 2**20
        tar.addfile(about, Zeros())

    with pytest.raises(ArchiveError, match=r"no manifest\.json"):
        backup_archives.read(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"plain text\n" * 100])
def test_another_file_is_no_backup(content: bytes) -> None:
    with pytest.raises(ArchiveError):
        backup_archives.read(io.BytesIO(content))


def test_a_newer_format_names_the_version_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_archives, "FORMAT", 2)
    newer = archive(product_version="9.8")
    monkeypatch.undo()

    with pytest.raises(ArchiveError, match=r"format 2.*reads format 1.*9\.8"):
        backup_archives.read(io.BytesIO(newer))


def test_a_file_that_shrinks_while_it_is_read_ends_the_backup() -> None:
    writer = backup_archives.Writer(lambda _piece: None)

    with pytest.raises(StorageError, match="became shorter"):
        writer.add("home/x", 10, (b"123",))


@pytest.mark.slow
def test_keys_come_back_with_the_passphrase_alone() -> None:
    sealed = backup_keys.seal({"fernet_key": "kéy"}, b"manifest", "pass phrase ü")

    assert backup_keys.is_sealed(sealed)
    assert b"k\xc3\xa9y" not in sealed
    assert backup_keys.open_(sealed, b"manifest", "pass phrase ü") == {"fernet_key": "kéy"}
    with pytest.raises(SecretKeyError, match="not the one"):
        backup_keys.open_(sealed, b"manifest", "pass phrase u")
    with pytest.raises(SecretKeyError, match="Give the passphrase"):
        backup_keys.open_(sealed, b"manifest", None)


@pytest.mark.slow
def test_the_passphrase_shows_that_the_manifest_was_changed() -> None:
    sealed = backup_keys.seal({"fernet_key": "key"}, b"manifest", "pass phrase")

    with pytest.raises(ArchiveError, match="was changed"):
        backup_keys.open_(sealed, b"manifest!", "pass phrase")


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(scrypt=[2**30, 8, 1]),
        lambda data: data.update(scrypt=[3, 8, 1]),
        lambda data: data.update(scrypt="x"),
        lambda data: data.update(salt="?"),
        lambda data: data.pop("nonce"),
        lambda data: data.update(keys="AAAA"),
    ],
)
def test_keys_that_make_no_sense_are_refused(change: Callable[[dict[str, object]], object]) -> None:
    data = json.loads(backup_keys.seal({"fernet_key": "key"}, b"manifest", "pass phrase"))
    change(data)

    with pytest.raises((ArchiveError, SecretKeyError)):
        backup_keys.open_(json.dumps(data).encode(), b"manifest", "pass phrase")


def test_nothing_of_a_refused_archive_is_written(tmp_path: Path) -> None:
    from couture_workflow.services.backup.restore_staging import Staging

    staging = Staging(tmp_path / "work")

    with pytest.raises(ArchiveError, match="belongs to no home"):
        staging.take("home/airflow/airflow.cfg", 0o600, iter((b"x",)))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
