"""What an import would do, as plain data: one line for each file, and what stands in its way."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from couture_workflow.exceptions import ConflictError, InvalidError

Action = Literal["create", "update", "same", "skip", "conflict"]
#: What to do about a file that is here with another content.
OnConflict = Literal["fail", "skip", "replace"]
ON_CONFLICT: tuple[OnConflict, ...] = ("fail", "skip", "replace")

#: Paths that a message lists.
_LISTED = 5

#: Tells whether the caller has the right to read a resource of ``permissions``.
Readable = Callable[[str], bool]


@dataclass(frozen=True)
class Item:
    """One file of an archive and what becomes of it.

    :param path: where it goes: in the repository, or kind/name.
    :param resource: the resource in ``permissions`` that guards it.
    :param before: what is there now: id of the content or number of the version, "" if nothing is.
    :param note: something worth knowing, such as that it does not compile.
    """

    path: str
    action: Action
    size: int
    resource: str
    before: str = ""
    note: str = ""


@dataclass(frozen=True)
class Missing:
    """Something that a file of an archive names, and that is neither here nor in the archive.

    :param reference: the name, such as "a.jar@3".
    :param blocks: whether the import is refused for it.
    """

    path: str
    reference: str
    message: str
    blocks: bool = True


@dataclass(frozen=True)
class Plan:
    """What the import of an archive would do.

    :param ignored: leftovers of other programs in the archive.
    :param notes: what else is worth knowing, such as secrets that are not in the archive.
    :param gate: what the save gate says about DAGs, None for other nouns or if it was not asked.
    :param upgraded: DAG file -> what an upgrade rewrote in it and what is left to a person.
    """

    noun: str
    on_conflict: OnConflict
    items: tuple[Item, ...]
    missing: tuple[Missing, ...] = ()
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gate: Mapping[str, Any] | None = None
    upgraded: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many files there are of each action."""
        counted = Counter(item.action for item in self.items)
        return {action: counted[action] for action in ("create", "update", "same", "skip", "conflict")}

    @property
    def writes(self) -> tuple[Item, ...]:
        """The files that are written."""
        return tuple(item for item in self.items if item.action in ("create", "update"))

    @property
    def token(self) -> str:
        """The same as long as the import would do the same: what was shown is what is applied."""
        shown: list[object] = [self.noun, self.on_conflict, [asdict(item) for item in self.items]]
        shown += [[asdict(missing) for missing in self.missing if missing.blocks], dict(self.upgraded)]
        return hashlib.sha256(json.dumps(shown, sort_keys=True, default=dict).encode()).hexdigest()

    def json(self) -> dict[str, Any]:
        """Return it as the JSON object that every edge shows."""
        items = [{name: value for name, value in asdict(item).items() if value != ""} for item in self.items]
        return {
            "noun": self.noun,
            "on_conflict": self.on_conflict,
            "counts": self.counts,
            "items": items,
            "missing": [asdict(missing) for missing in self.missing],
            "ignored": list(self.ignored),
            "notes": list(self.notes),
            "gate": None if self.gate is None else dict(self.gate),
            "upgraded": {path: dict(told) for path, told in self.upgraded.items()},
            "token": self.token,
        }

    def refuse(self) -> None:
        """Raise if the plan cannot be applied: ``ConflictError`` or ``InvalidError``."""
        conflicts = [item.path for item in self.items if item.action == "conflict"]
        if conflicts:
            raise ConflictError(
                f"Nothing was imported: {_some(conflicts)} {'are' if len(conflicts) > 1 else 'is'} here with "
                "another content. Choose on_conflict=replace or on_conflict=skip, or leave them out.",
                paths=conflicts,
            )
        blocking = [missing for missing in self.missing if missing.blocks]
        if blocking:
            more = f" ({len(blocking) - 1} more are missing.)" if len(blocking) > 1 else ""
            raise InvalidError(f"Nothing was imported: {blocking[0].message}{more}", field=blocking[0].path)


def action(before: str, *, same: bool, on_conflict: OnConflict) -> Action:
    """Return what becomes of a file.

    :param before: what is there now, "" if nothing is.
    """
    if not before:
        return "create"
    if same:
        return "same"
    actions: dict[OnConflict, Action] = {"fail": "conflict", "skip": "skip", "replace": "update"}
    return actions[on_conflict]


@dataclass(frozen=True)
class Prepared:
    """A plan and all that is needed to carry it out.

    :param changes: what is written to the repository, for nouns that are kept in git.
    :param base: the commit that the plan was made from.
    """

    plan: Plan
    changes: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    base: str | None = None


@dataclass(frozen=True)
class Applied:
    """What an import did.

    :param commit: id of the commit, "" for files and if nothing was to be written.
    """

    plan: Plan
    commit: str = ""


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    return ", ".join(paths[:_LISTED]) + more
