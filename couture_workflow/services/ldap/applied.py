"""Which version of the settings the API server runs with: it takes them up when it starts, and notes that."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from couture_workflow.services.ldap.document import PATH
from couture_workflow.store import atomic
from couture_workflow.store.home import Store

STATE = "ldap-applied.json"


@dataclass(frozen=True)
class Applied:
    """What an API server did with the settings when it started.

    :param commit: the version, "" if nothing had been saved.
    :param log_in: "database" or "ldap": how people log in since.
    :param problem: why that is not what the version says, "" if it is.
    :param when: ISO 8601, "" if no API server has started since the settings exist.
    """

    commit: str = ""
    log_in: str = ""
    problem: str = ""
    when: str = ""


def record(store: Store, found: Applied) -> Applied:
    """Note what was applied."""
    found = replace(found, when=datetime.now(UTC).isoformat(timespec="seconds"))
    atomic.write(store.root / STATE, json.dumps(asdict(found)).encode(), mode=0o600)
    return found


def last(store: Store) -> Applied:
    """Return what was applied last, by whichever API server."""
    try:
        data = json.loads((store.root / STATE).read_text(encoding="utf-8"))
        return Applied(**{name: str(data.get(name, "")) for name in Applied.__dataclass_fields__})
    except (OSError, ValueError, AttributeError):
        return Applied()


def newest(store: Store) -> str:
    """Return the newest version that was saved, "" if there is none."""
    found = store.config.history(PATH, limit=1)
    return found[0].id if found else ""


def is_pending(store: Store, found: Applied) -> bool:
    """Tell whether there is a newer version than the one that was applied."""
    return newest(store) not in ("", found.commit)


def finding(store: Store) -> tuple[str, str] | None:
    """Return a problem and its remedy for whoever looks after the installation, None if all is well."""
    found = last(store)
    if is_pending(store, found):
        return (
            "The settings of log-in by a directory were saved and are not applied yet.",
            "Restart the API server.",
        )
    if found.problem:
        return (
            f"People log in by local accounts, since the settings of LDAP cannot be applied: {found.problem}",
            "Mend it, then restart the API server.",
        )
    return None
