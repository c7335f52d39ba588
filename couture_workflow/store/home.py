"""The home: one folder with all the product's state, its layout and its version."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Self

from couture_workflow.exceptions import HomeError
from couture_workflow.store import atomic, pending_files
from couture_workflow.store.blobs import Blobs
from couture_workflow.store.files import KINDS, Files
from couture_workflow.store.repository import Repository
from couture_workflow.store.secrets import Secrets

#: Number of the layout that this code reads and writes.
LAYOUT = 1
#: File of the home that is there while a restore puts everything in place.
RESTORE_PLAN = ".restore-plan.json"

_FOLDERS = (
    "files/.tmp",
    "files/blobs",
    *(f"files/{kind}/.deleted" for kind in KINDS),
    "secrets",
    "drafts",
    "imports",
    "runs",
    "outputs",
)


#: What others may pass through, and not list, in the home of a group, if people have accounts of their own
#: for Jupyter servers; the file that says so; the right to pass.
_PASSED_THROUGH, ACCOUNTS, _PASS = ("", "notebooks"), "notebooks/.accounts.json", 0o001

#: Folders that are for the owner alone even where the home is shared by a group.
_PRIVATE = ("secrets", "airflow")


class Store:
    """Everything below one home. Cheap to make; ``open`` also makes sure of the layout.

    :param secret_key: Fernet keys for secrets; None: the option ``secret_key``, read when it is needed.
    """

    def __init__(self, root: Path, *, secret_key: str | None = None) -> None:
        self.root = root
        self.config = Repository(root / "config.git")
        self.dags = Repository(root / "dags.git")
        self.drafts = root / "drafts"
        self.imports = root / "imports"
        self.dependencies = Files(root / "files", "dependencies")
        self.artifacts = Files(root / "files", "artifacts")
        self.data = Files(root / "files", "data")
        self.models = Files(root / "files", "models")
        self.secrets = Secrets(root / "secrets", secret_key)
        self.runs = root / "runs"
        self.outputs = root / "outputs"

    @classmethod
    def open(cls, root: Path | None = None, *, secret_key: str | None = None) -> Self:
        """Return the store of a home, made if it is not there, or raise ``HomeError``.

        :param root: the home; None: the option ``home``.
        """
        if root is None:
            from couture_workflow import settings

            root = settings.home()
        store = cls(Path(os.path.abspath(root.expanduser())), secret_key=secret_key)  # noqa: PTH100
        if (store.root / RESTORE_PLAN).exists():
            raise HomeError(
                f"A restore of the home {store.root} was interrupted while it put everything in place. "
                "Type the same command again (couture-workflow restore FILE --replace): it finishes "
                "what is left."
            )
        if store.layout() != LAYOUT or not store._is_complete():
            store._make()
        store._check_rights()
        tighten(store.root)
        pending_files.recover(store.blobs.root.parent)
        return store

    @property
    def kinds(self) -> tuple[Files, ...]:
        """Every kind of file."""
        return (self.dependencies, self.artifacts, self.data, self.models)

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """Everything that is kept in git."""
        return (self.config, self.dags)

    def folders(self) -> tuple[Path, ...]:
        """Return the folders that a home consists of."""
        return tuple(self.root / folder for folder in _FOLDERS)

    @property
    def blobs(self) -> Blobs:
        """The contents that all kinds share."""
        return self.dependencies.blobs

    def layout(self) -> int | None:
        """Return the layout number of the home, None if it has none yet, or raise ``HomeError``."""
        path = self.root / "version"
        try:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise HomeError(_unwritable(self.root, f"{path} cannot be read: {error.strerror}")) from error
        if not (text.isascii() and text.isdigit()):
            raise HomeError(
                f"{path} is damaged: it should hold the number of a layout. Write {LAYOUT} into it if this "
                "home was used by this version, else restore it from a backup."
            )
        if int(text) > LAYOUT:
            raise HomeError(
                f"The home {self.root} was written by a newer Couture Workflow (layout {text}; this one "
                f"knows {LAYOUT}). Upgrade Couture Workflow, or choose another home (COUTURE_HOME, or "
                "[couture_workflow] home)."
            )
        return int(text)

    def _is_complete(self) -> bool:
        return all(folder.is_dir() for folder in self.folders()) and all(
            repository.exists() for repository in self.repositories
        )

    def _check_rights(self) -> None:
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise HomeError(_unwritable(self.root, f"user {os.geteuid()} may not write there"))

    def _make(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._check_rights()
            with atomic.locked(self.root / ".lock"):
                tighten(self.root)
                for folder in _FOLDERS:
                    mode = 0o700 if folder in _PRIVATE else 0o770
                    (self.root / folder).mkdir(mode=mode, parents=True, exist_ok=True)
                for repository in self.repositories:
                    repository.create()
                if self.layout() is None:
                    atomic.write(self.root / "version", f"{LAYOUT}\n".encode())
        except OSError as error:
            raise HomeError(_unwritable(self.root, str(error.strerror))) from error


def open_to(root: Path) -> int:
    """Return the bits that no mode may have in a home: others', and the group's if it is no group's.

    A home is a group's if its group may write to it and is set on purpose: it is passed on to what is made
    there (setgid), or it is group 0 of containers, in which any user id may run.
    """
    status = root.stat()
    chosen = status.st_mode & stat.S_ISGID or (status.st_gid == 0 and os.geteuid() != 0)
    return 0o007 if chosen and status.st_mode & stat.S_IWGRP else 0o077


def tighten(root: Path) -> None:
    """Take from everybody else what they may do with the home and what lies in it.

    A home of an earlier version is open to all users of the machine. What is not ours is left as it is: who
    mounted it decides. Below the first level nothing needs to change: nobody else gets there.
    """
    surplus = open_to(root)
    passed = _PASSED_THROUGH if surplus == 0o007 and (root / ACCOUNTS).exists() else ()
    for path in (root, *root.iterdir()):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
                continue
            mode = stat.S_IMODE(status.st_mode)
            name = "" if path == root else path.name
            unwanted = 0o077 if name in _PRIVATE else surplus & ~_PASS if name in passed else surplus
            if left := mode & unwanted:
                path.chmod(mode & ~left)


def _unwritable(root: Path, why: str) -> str:
    return (
        f"The home {root} cannot be used: {why}. Make it a folder that this user may write to, or choose "
        "another one (COUTURE_HOME, or [couture_workflow] home)."
    )
