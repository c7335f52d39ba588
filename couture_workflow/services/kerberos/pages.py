"""What the page and the REST API show of Kerberos: plain data without any key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from couture_workflow.services.kerberos import keytab_file, keytabs
from couture_workflow.services.kerberos.keytab_file import Entry
from couture_workflow.services.kerberos.keytabs import Keytab
from couture_workflow.services.kerberos.tickets import Tried, in_words
from couture_workflow.store.home import Store

__all__ = ["LIMIT", "broken", "found", "row", "rows", "tried"]

#: Bytes of a keytab that are taken at most.
LIMIT = keytab_file.MAX_BYTES


def rows(store: Store) -> list[dict[str, Any]]:
    """Return every keytab that can be read, by name."""
    return [row(store, keytab) for keytab in keytabs.listed(store)]


def broken(store: Store) -> list[dict[str, str]]:
    """Return the keytabs that cannot be read, with the reason."""
    return [{"name": name, "problem": problem} for name, problem in keytabs.problems(store).items()]


def row(store: Store, keytab: Keytab) -> dict[str, Any]:
    """Return one keytab."""
    return {
        "name": keytab.name,
        "principal": keytab.principal,
        "kvno": keytab.kvno,
        "keys": [_key(entry) for entry in keytab.own],
        "others": [name for name in keytab_file.principals(keytab.entries) if name != keytab.principal],
        "weak": keytab.is_weak,
        "fingerprint": keytab.fingerprint,
        "uploaded_by": keytab.uploaded_by,
        "uploaded_at": keytab.uploaded_at.isoformat(),
        "default": keytab.is_default,
        "last_success": keytab.last_success.isoformat() if keytab.last_success else None,
        "used_by": list(keytabs.users_of(store, keytab.name)),
    }


def found(entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    """Return the principals of a file that is about to be uploaded, each with its keys."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.principal, []).append(entry)
    return [
        {
            "principal": principal,
            "kvno": max(entry.kvno for entry in own),
            "keys": [_key(entry) for entry in own],
        }
        for principal, own in groups.items()
    ]


def tried(outcome: Tried) -> dict[str, Any]:
    """Return what came of a log-in."""
    dates = ("expires_at", "renewable_until")
    told = {name: value for name, value in asdict(outcome).items() if name not in dates}
    told |= {name: moment.isoformat() if (moment := getattr(outcome, name)) else None for name in dates}
    return {**told, "left": in_words(outcome.seconds) if outcome.ok else ""}


def _key(entry: Entry) -> dict[str, Any]:
    return {
        "kvno": entry.kvno,
        "encryption": entry.encryption,
        "weak": entry.is_weak,
        "made": entry.made.isoformat() if entry.made else None,
    }
