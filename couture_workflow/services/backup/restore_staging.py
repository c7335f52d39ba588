"""A backup on its way in: unpacked beside what is there, and made complete before anything is changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from couture_workflow.exceptions import ArchiveError, CoutureError
from couture_workflow.services.backup import database
from couture_workflow.services.backup.home import HOME, REPOSITORIES, is_state
from couture_workflow.store import atomic
from couture_workflow.store.repository import BRANCH, Repository

#: Folder of the home that a restore works in.
FOLDER = ".restore"


class Staging:
    """The folder that a backup is unpacked into.

    :param folder: it; what it holds is removed.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.database = folder / "database"
        self._packs = folder / "packs"
        with atomic.storage_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            for new in (self.home, self.database, self._packs):
                new.mkdir(mode=0o700, parents=True)

    def take(self, path: str, mode: int, pieces: Iterator[bytes]) -> None:
        """Write a file of the backup to where it is needed."""
        if path.startswith(HOME):
            relative = path.removeprefix(HOME)
            if not is_state(relative.partition("/")[0]):
                raise ArchiveError(
                    f"The backup is damaged or was changed: {path!r} belongs to no home.", member=path
                )
            self._write(self.home / relative, pieces, mode)
        elif path.startswith(REPOSITORIES):
            self._write(self._packs / path.removeprefix(REPOSITORIES), pieces, 0o600)
        else:
            self._write(self.database.parent / path, pieces, 0o600)

    def _write(self, target: Path, pieces: Iterator[bytes], mode: int) -> None:
        with atomic.storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
            try:
                for piece in pieces:
                    atomic.write_all(descriptor, piece)
                os.fchmod(descriptor, mode | 0o600)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def finish_home(self) -> None:
        """Make the repositories, and give folders the rights that they need."""
        for about in sorted(self._packs.rglob("refs.json")):
            folder = about.parent
            name = folder.relative_to(self._packs).as_posix()
            if not name.endswith(".git") or not is_state(name.partition("/")[0]):
                raise ArchiveError(
                    f"The backup is damaged or was changed: {name!r} is no repository of a home."
                )
            _make_repository(self.home / name, about.read_bytes(), folder / "pack")
        shutil.rmtree(self._packs)
        secrets = self.home / "secrets"
        secrets.mkdir(exist_ok=True)
        secrets.chmod(0o700)
        for folder_name, _, _ in os.walk(self.home):
            atomic.sync_folder(Path(folder_name))

    def tables(self) -> list[database.Table]:
        """Return the tables of a backup of MySQL."""
        return database.parse_schema((self.database / "schema.json").read_bytes())

    def rows(self, number: int) -> list[Path]:
        """Return the files with the rows of a table, by its number in ``tables``."""
        return sorted((self.database / "rows" / f"{number:04}").glob("*.jsonl"))

    def pieces(self, number: int) -> list[Path]:
        """Return the same of a backup of PostgreSQL."""
        return sorted((self.database / "rows" / f"{number:04}").glob("*.copy"))


def _make_repository(path: Path, about: bytes, pack: Path) -> None:
    """Make a repository from its references and its pack, which git checks."""
    try:
        data = json.loads(about)
        refs = {str(ref): str(commit) for ref, commit in data["refs"].items()}
        head, origin = str(data["head"]), str(data["origin"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArchiveError(f"The references of {path.name} in the backup cannot be read: {error}.") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    repository = Repository(path)
    repository.create()
    git = repository.git
    try:
        if pack.is_file():
            name = hashlib.sha256(path.name.encode()).hexdigest()[:40]
            target = path / "objects" / "pack" / f"pack-{name}.pack"
            target.parent.mkdir(parents=True, exist_ok=True)
            pack.replace(target)
            git.run("index-pack", str(target))
        lines = "".join(f"create {ref} {commit}\n" for ref, commit in sorted(refs.items()))
        git.run("update-ref", "--stdin", stdin=lines.encode())
        if head != BRANCH and head.startswith("refs/heads/"):
            git.run("symbolic-ref", "HEAD", head)
        if origin:
            git.run("config", "--local", "remote.origin.url", origin)
    except CoutureError as error:
        raise ArchiveError(f"The repository {path.name} in the backup is damaged: {error}") from error
