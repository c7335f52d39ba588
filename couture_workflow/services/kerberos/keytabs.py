"""Keytabs that are kept: encrypted in ``secrets/`` with who uploaded them, and which one is the default.

The keys leave the store in ``content`` alone, for a run's private folder. What others may see of a keytab is
a ``Keytab``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from couture_workflow.exceptions import CorruptError, CoutureError, InUseError, InvalidError, NotFoundError
from couture_workflow.services.kerberos import keytab_file
from couture_workflow.services.kerberos.keytab_file import Entry
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_name, quote

#: What the names of the secrets begin with.
PREFIX = "kerberos-keytab-"
#: File of the home that names the default.
STATE = "kerberos.json"
#: Folder of the home with the last log-in of each keytab that went well.
SUCCESSES = "cache/kerberos"
#: Characters of a name.
LONGEST = 100

#: Returns who uses the keytab of a name, in words a person can look up.
Users = Callable[[Store, str], Iterable[str]]

_asked: list[Users] = []


@dataclass(frozen=True)
class Keytab:
    """A keytab as it may be shown.

    :param principal: the one that was chosen; tickets are taken for it.
    :param entries: all keys of the file, without the keys themselves.
    :param fingerprint: SHA-256 of the file, in hexadecimal.
    :param last_success: when a ticket was last taken with it, None for never.
    """

    name: str
    principal: str
    entries: tuple[Entry, ...]
    fingerprint: str
    uploaded_by: str
    uploaded_at: datetime
    is_default: bool = False
    last_success: datetime | None = None

    @property
    def own(self) -> tuple[Entry, ...]:
        """The keys of the principal."""
        return tuple(entry for entry in self.entries if entry.principal == self.principal)

    @property
    def kvno(self) -> int:
        """Version of the principal's newest key."""
        return max(entry.kvno for entry in self.own)

    @property
    def is_weak(self) -> bool:
        """Tell whether every newest key of the principal is of a weak encryption type."""
        return all(entry.is_weak for entry in self.own if entry.kvno == self.kvno)


def tell_users(users: Users) -> Users:
    """Have a function asked before a keytab is deleted, by whatever refers to keytabs; a decorator."""
    if users not in _asked:
        _asked.append(users)
    return users


def users_of(store: Store, name: str) -> tuple[str, ...]:
    """Return who uses a keytab."""
    return tuple(dict.fromkeys(user for users in _asked for user in users(store, name)))


def names(store: Store) -> tuple[str, ...]:
    """Return the names of all keytabs, also of those that cannot be read."""
    return tuple(name.removeprefix(PREFIX) for name in store.secrets.names() if name.startswith(PREFIX))


def listed(store: Store) -> list[Keytab]:
    """Return all keytabs that can be read, by name."""
    default = default_name(store)
    found = []
    for name in names(store):
        with contextlib.suppress(CoutureError):
            found.append(_keytab(store, name, default))
    return found


def problems(store: Store) -> dict[str, str]:
    """Return why keytabs cannot be read, by name."""
    found = {}
    for name in names(store):
        try:
            _opened(store, name)
        except CoutureError as error:
            found[name] = str(error)
    return found


def get(store: Store, name: str) -> Keytab:
    """Return a keytab or raise ``NotFoundError``."""
    return _keytab(store, name, default_name(store))


def default_name(store: Store) -> str | None:
    """Return the name of the keytab that counts where nobody names one, None if there is none."""
    with contextlib.suppress(FileNotFoundError, ValueError, AttributeError):
        name = json.loads((store.root / STATE).read_text(encoding="utf-8")).get("default")
        return str(name) if name in names(store) else None
    return None


def inspect(content: bytes) -> tuple[Entry, ...]:
    """Return what is in a file that somebody wants to upload, or raise ``InvalidError``; nothing is kept."""
    return keytab_file.parse(content)


def upload(store: Store, name: str, content: bytes, *, user: str, principal: str = "") -> Keytab:
    """Keep a keytab and return it; one of the same name is replaced. The first one becomes the default.

    :param principal: one of those in the file; "": the only one.
    """
    name = _checked(name)
    chosen = _chosen(keytab_file.parse(content), principal)
    record = {
        "principal": chosen,
        "uploaded_by": user,
        "uploaded_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "content": base64.b64encode(content).decode(),
    }
    store.secrets.put(PREFIX + name, json.dumps(record).encode())
    if default_name(store) is None:
        _write_default(store, name)
    return get(store, name)


def make_default(store: Store, name: str) -> Keytab:
    """Let a keytab count where nobody names one."""
    get(store, name)
    _write_default(store, name)
    return get(store, name)


def delete(store: Store, name: str) -> None:
    """Remove a keytab for good, or raise ``InUseError`` if something refers to it."""
    if name not in names(store):
        raise _unknown(name)
    if users := users_of(store, name):
        raise InUseError(
            f"The keytab {quote(name)} is in use: {', '.join(users)}. Choose another keytab there, then "
            "delete this one.",
            users=users,
        )
    if default_name(store) == name and len(names(store)) > 1:
        raise InUseError(
            f"The keytab {quote(name)} is the default. Make another one the default, then delete this one.",
            users=("the default",),
        )
    store.secrets.delete(PREFIX + name)
    with contextlib.suppress(OSError):
        _success_file(store, name).unlink()


def content(store: Store, name: str) -> bytes:
    """Return the file itself, keys and all."""
    return _opened(store, name)[1]


def note_success(store: Store, keytab: Keytab) -> None:
    """Keep when a ticket was taken with a keytab."""
    record = {"fingerprint": keytab.fingerprint, "when": datetime.now(UTC).isoformat(timespec="seconds")}
    path = _success_file(store, keytab.name)
    with atomic.storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, json.dumps(record).encode(), mode=0o660)


def _keytab(store: Store, name: str, default: str | None) -> Keytab:
    record, file = _opened(store, name)
    fingerprint = hashlib.sha256(file).hexdigest()
    return Keytab(
        name=name,
        principal=record["principal"],
        entries=keytab_file.parse(file),
        fingerprint=fingerprint,
        uploaded_by=record["uploaded_by"],
        uploaded_at=datetime.fromisoformat(record["uploaded_at"]),
        is_default=name == default,
        last_success=_last_success(store, name, fingerprint),
    )


def _opened(store: Store, name: str) -> tuple[dict[str, str], bytes]:
    if name not in names(store):
        raise _unknown(name)
    secret = store.secrets.get(PREFIX + name)
    try:
        record = {key: str(value) for key, value in json.loads(secret).items()}
        file = base64.b64decode(record.pop("content"), validate=True)
        entries = keytab_file.parse(file)
        if record["principal"] not in keytab_file.principals(entries):
            raise ValueError("its principal is not in it")
        datetime.fromisoformat(record["uploaded_at"])
        record.setdefault("uploaded_by", "")
    except (ValueError, KeyError, AttributeError, binascii.Error, InvalidError) as error:
        raise CorruptError(
            f"The keytab {quote(name)} is damaged ({error}). Upload it again.",
            path=str(store.secrets.folder / (PREFIX + name)),
        ) from error
    return record, file


def _chosen(entries: tuple[Entry, ...], principal: str) -> str:
    found = keytab_file.principals(entries)
    if not principal and len(found) == 1:
        return found[0]
    if principal in found:
        return principal
    some = ", ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
    what = (
        f"The principal {quote(principal)} is not in the keytab"
        if principal
        else (f"The keytab has {len(found)} principals")
    )
    raise InvalidError(f"{what}. Choose one of {some}.", field="principal")


def _checked(name: str) -> str:
    name = check_name(name, what="keytab")
    if len(name) > LONGEST or len(name.encode()) > 2 * LONGEST - len(PREFIX):
        raise InvalidError(
            f"The name {quote(name)} is too long. Choose one of at most {LONGEST} letters.", field="name"
        )
    return name


def _write_default(store: Store, name: str) -> None:
    atomic.write(store.root / STATE, json.dumps({"default": name}).encode(), mode=0o660)


def _last_success(store: Store, name: str, fingerprint: str) -> datetime | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(_success_file(store, name).read_text(encoding="utf-8"))
        if record["fingerprint"] == fingerprint:
            return datetime.fromisoformat(record["when"])
    return None


def _success_file(store: Store, name: str) -> Path:
    return store.root / SUCCESSES / f"{name}.json"


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(
        f"There is no keytab {quote(name)}. Choose one of Admin > Kerberos Configuration, or upload it there."
    )
