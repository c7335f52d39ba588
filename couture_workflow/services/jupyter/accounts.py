"""Accounts of the operating system for people's Jupyter servers: a fixed number for each person's folder.

They are taken where the host may take them: as root, or with the capabilities that the service ``jupyter``
of ``docker-compose.yml`` has. No account of the system is made: a number needs none, and what asks for its
name finds it in a copy of ``/etc/passwd`` that only that server sees, or by ``libnss-extrausers``.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.notebooks import people
from couture_workflow.services.processes import walls
from couture_workflow.store import atomic
from couture_workflow.store.home import ACCOUNTS

#: Where ``libnss-extrausers`` looks for further accounts; the image has it.
EXTRA = Path("/var/lib/extrausers")
_LOCK = ".accounts.lock"
#: linux/capability.h: change owners, pass by rights, as an owner, keep setgid, signal, change group and user.
_NEEDED = sum(1 << number for number in (0, 1, 3, 4, 5, 6, 7))
#: What everybody may do with a folder that is only passed through; who shares a folder; who has one alone.
_PASS, _SHARED, _OWN = 0o001, 0o2775, 0o2770


@dataclass(frozen=True)
class Account:
    """An account of the operating system.

    :param uid: its number, which is also that of its group.
    :param name: what it is called where somebody asks.
    :param shared: number of the group of all people.
    """

    uid: int
    name: str
    shared: int


class Accounts:
    """The numbers of one home. A number is given once and never to somebody else.

    :param first: the group of all people; people get the numbers after it.
    :param rooms: each server has a room of its own (``walls.enter_room``); else the folders above people's
        let other accounts through, and names are given by ``libnss-extrausers``.
    """

    def __init__(self, home: Path, first: int, *, rooms: bool) -> None:
        self._home, self._first, self._rooms = home, first, rooms
        self._register = home / ACCOUNTS

    def of(self, person: str) -> Account:
        """Return the account of a person, with a number from now on, or raise ``JupyterError``.

        :param person: the user name in Airflow.
        """
        name = people.folder_name(person)
        with atomic.locked(people.top(self._home) / _LOCK):
            numbers = self._numbers()
            if name not in numbers:
                numbers[name] = max(numbers.values(), default=self._first) + 1
                atomic.write(self._register, json.dumps(numbers, indent=1).encode(), mode=0o600)
        return Account(numbers[name], _called(name, numbers[name]), self._first)

    def _numbers(self) -> dict[str, int]:
        try:
            found = json.loads(self._register.read_text(encoding="utf-8"))
            numbers = {str(name): int(number) for name, number in found.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError) as error:
            raise JupyterError(
                f"{self._register} is damaged: it should say which number each person's account has. Restore "
                "it from a backup; without it somebody could get the notebooks of another."
            ) from error
        if len(set(numbers.values())) < len(numbers):
            raise JupyterError(f"{self._register} gives two people one number. Restore it from a backup.")
        return numbers

    def hand_over(self, account: Account, own: Path, shared: Path) -> None:
        """Give a person the own folder with all that the product has in it, and a part in the shared one.

        :raises JupyterError: the file system lets nobody change owners.
        """
        try:
            _give(own, uid=account.uid, gid=0, mode=_OWN)
            _give(shared, uid=-1, gid=account.shared, mode=_SHARED)
        except PermissionError as error:
            raise JupyterError(
                f"{error.filename} cannot be given to the user id {account.uid}: the file system of "
                f"{people.top(self._home)} lets nobody here change owners, as NFS with root_squash. Mount "
                "it without that option here, or use a JupyterHub (docs/jupyter.md)."
            ) from error
        for folder in (people.top(self._home), self._home):
            if not self._rooms and not (mode := stat.S_IMODE(folder.stat().st_mode)) & _PASS:
                folder.chmod(mode | _PASS)

    def name(self, account: Account, folder: Path, own: Path) -> dict[str, str]:
        """Give an account a name; return which file of ``/etc`` its room has to show as which other one.

        :param folder: for the copies, to which the account has no right to write.
        :param own: the folder that is the account's home.
        """
        user = f"{account.name}:x:{account.uid}:{account.uid}::{own}:/bin/bash\n"
        groups = f"{account.name}:x:{account.uid}:\nnotebooks:x:{account.shared}:{account.name}\n"
        over = {}
        for file, more in (("passwd", user), ("group", groups)):
            if self._rooms:
                copy = folder / file
                copy.write_bytes(Path("/etc", file).read_bytes() + more.encode())
                copy.chmod(0o644)
                over[f"/etc/{file}"] = str(copy)
            else:
                _put(EXTRA / file, more)
        return over


def of_home(home: Path, first: int) -> Accounts | None:
    """Return the accounts of a home, None where this process may take none, or they would have no names.

    It must have no threads yet.
    """
    rooms = walls.can_make_rooms()
    named = rooms or os.access(EXTRA, os.W_OK | os.X_OK)
    return Accounts(home, first, rooms=rooms) if named and _may_take() else None


def _may_take() -> bool:
    """Tell whether this process may take other accounts."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("CapEff:"):
                return int(line.partition(":")[2], 16) & _NEEDED == _NEEDED
    return False


def let_read(path: Path, account: Account) -> None:
    """Let an account read a file, and nobody else but its owner."""
    os.chown(path, -1, account.uid)
    path.chmod(0o640)


def closed(paths: Iterable[str]) -> list[str]:
    """Return the topmost folder above each path that others than its owner cannot pass through."""
    found = set[str]()
    for path in paths:
        for folder in reversed(Path(os.path.abspath(path)).parents):  # noqa: PTH100 - links are not followed
            with contextlib.suppress(OSError):
                if not folder.stat().st_mode & _PASS:
                    found.add(str(folder))
                    break
    return sorted(found)


def unreadable(paths: Iterable[Path]) -> Path | None:
    """Return the first path that others than its owner cannot read."""
    for path in paths:
        needed = 0o005 if path.is_dir() else 0o004
        if path.exists() and path.stat().st_mode & needed != needed:
            return path
    return None


def _called(name: str, uid: int) -> str:
    """Return what a person is called, which is nobody else's name on this system."""
    taken = set[int]()
    with contextlib.suppress(KeyError):
        taken.add(pwd.getpwnam(name).pw_uid)
    with contextlib.suppress(KeyError):
        taken.add(grp.getgrnam(name).gr_gid)
    return f"{name}.notebooks" if taken - {uid} else name


def _put(file: Path, lines: str) -> None:
    """Put lines into a file of accounts, in place of those of the same names."""
    with atomic.locked(file.with_name(".lock")):
        try:
            there = file.read_text(encoding="utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            there = []
        ours = [line.partition(":")[0] + ":" for line in lines.splitlines()]
        kept = [line for line in there if not line.startswith(tuple(ours))]
        atomic.write(file, "".join([*kept, lines]).encode())
        file.chmod(0o644)


def _give(top: Path, *, uid: int, gid: int, mode: int) -> None:
    """Give away what is the product's own in a folder, by descriptors, which cannot become links meanwhile.

    :param uid: -1: the owner stays, and the group alone changes.
    """
    top.chmod(mode)
    os.chown(top, uid, gid)
    top.chmod(mode)  # a change of the owner may have cost the bit of the group
    for _, folders, names, folder in os.fwalk(top, follow_symlinks=False):
        for name in (*folders, *names):
            with contextlib.suppress(OSError):
                _give_one(name, folder, uid, gid, mode)


def _give_one(name: str, folder: int, uid: int, gid: int, mode: int) -> None:
    """Give one file or folder away; links, and files with a second name, stay what they are."""
    number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(number)
        if status.st_uid != os.geteuid() or (uid == -1 and status.st_gid == gid):
            return
        if stat.S_ISDIR(status.st_mode):
            os.fchown(number, uid, gid)
            os.fchmod(number, mode)
        elif stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            os.fchown(number, uid, gid)
            os.fchmod(number, stat.S_IMODE(status.st_mode) | 0o660)
    finally:
        os.close(number)
