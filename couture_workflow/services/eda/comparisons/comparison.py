"""Two outputs of a source side by side: rows, columns that came, went or changed their type, drift of each.

All columns are compared, which is linear in their number; charts are made for those that are shown alone. Two
profiles of many columns are read in a process of their own, so that no other request waits for them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couture_workflow.exceptions import CorruptError, InUseError, InvalidError, NotFoundError, TooLargeError
from couture_workflow.services.eda import outputs, sources
from couture_workflow.services.eda.comparisons import charts, drift
from couture_workflow.services.eda.comparisons.column_types import are_alike
from couture_workflow.services.eda.comparisons.distribution import count_of, number_of
from couture_workflow.services.eda.comparisons.drift import Drift, Side
from couture_workflow.services.eda.outputs import Output
from couture_workflow.services.processes import apart
from couture_workflow.store.names import quote

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

#: States of a column, in the order of a list that is sorted by how much has changed.
STATES = ("removed", "added", "other kind", "retyped", "same")
#: What a list may be narrowed to, beside "".
ONLY = ("changed", "added", "removed", "retyped", "drift")
#: Columns that one answer may have.
MOST_SHOWN = 500
#: Bytes of both profiles up to which they are compared right here, and those that are not read at all.
_SMALL, _TOO_LARGE = 2 * 2**20, 200 * 2**20
#: Seconds that a comparison may take.
_PATIENCE = 50.0
#: Values that are named of those that came or went.
_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class ColumnChange:
    """A column in two profiles; None on the side where it is not.

    :param state: one of ``STATES``; "other kind" is a type whose values cannot be compared with the old ones.
    :param hidden: it is sensitive in one of them or now: values are neither compared nor shown.
    :param missing: share of the rows without a value, on both sides; None where there are no rows.
    """

    name: str
    state: str
    hidden: bool = False
    types: tuple[str | None, str | None] = (None, None)
    kinds: tuple[str | None, str | None] = (None, None)
    missing: tuple[float | None, float | None] = (None, None)
    drift: Drift = Drift()

    @property
    def retyped(self) -> bool:
        """Tell whether its type is another one."""
        return self.state in ("other kind", "retyped")

    @property
    def is_unchanged(self) -> bool:
        """Tell whether nothing at all is different."""
        return self.state == "same" and not self.drift.psi and not self.drift.ks and not self.drift.why

    @property
    def rank(self) -> tuple[int, float, float]:
        """Return what a list is sorted by, the largest change first."""
        whole = STATES.index(self.state) if self.state in STATES[:3] else len(STATES)
        return whole, -(self.drift.psi or 0.0), -(self.drift.ks or 0.0)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two profiles, compared.

    :param rows: of both. So are ``duplicates`` and ``bad``: None where it was not counted.
    :param columns: all of both, the most changed first.
    """

    rows: tuple[int, int]
    duplicates: tuple[int | None, int | None]
    bad: tuple[int | None, int | None]
    engines: tuple[str, str]
    columns: tuple[ColumnChange, ...]

    def named(self, *states: str) -> tuple[str, ...]:
        """Return the names of the columns in some states."""
        return tuple(each.name for each in self.columns if each.state in states)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Which columns are shown.

    :param text: in their name, in any case.
    :param only: one of ``ONLY``, or "" for all.
    """

    text: str = ""
    only: str = ""
    offset: int = 0
    limit: int = 100

    def __post_init__(self) -> None:
        if self.only and self.only not in ONLY:
            raise InvalidError(
                f"only is {self.only[:60]!r}: give one of {', '.join(ONLY)}, or leave it out.", field="only"
            )
        if not 0 <= self.limit <= MOST_SHOWN or self.offset < 0:
            raise InvalidError(f"limit is from 0 to {MOST_SHOWN}, and offset from 0 on.", field="limit")

    def fits(self, column: ColumnChange) -> bool:
        """Tell whether a column is among those that are meant."""
        fitting = {
            "": True,
            "changed": not column.is_unchanged,
            "added": column.state == "added",
            "removed": column.state == "removed",
            "retyped": column.retyped,
            "drift": column.drift.level in ("some", "much"),
        }
        return fitting[self.only] and self.text.casefold() in column.name.casefold()


def compare(old: Mapping[str, Any], new: Mapping[str, Any], *, sensitive: Collection[str] = ()) -> Comparison:
    """Compare two profiles, the older one first.

    :param sensitive: columns whose values are hidden although the profiles have them.
    """
    rows = count_of(old.get("rows")), count_of(new.get("rows"))
    before, after = _columns(old), _columns(new)
    names = [*before, *(name for name in after if name not in before)]
    hidden = frozenset(sensitive)
    engines = str(old.get("engine", "")), str(new.get("engine", ""))
    changes = [
        _change(name, (before.get(name), after.get(name)), rows, hide=name in hidden, engines=engines)
        for name in names
    ]
    changes.sort(key=lambda each: each.rank)
    return Comparison(
        rows=rows,
        duplicates=(_counted(old, "duplicates", "rows"), _counted(new, "duplicates", "rows")),
        bad=(_counted(old, "bad", "count"), _counted(new, "bad", "count")),
        engines=engines,
        columns=tuple(changes),
    )


def two_of(store: Store, source: str, old: int | None, new: int | None) -> tuple[Output, Output]:
    """Return the outputs that are meant: without numbers the newest one with a report and the one before it.

    :raises NotFoundError: if one of them is not there, or there are no two of them.
    """
    with_report = [each for each in outputs.listed(store, source) if each.has_report]
    later = outputs.get(store, source, new) if new is not None else next(iter(with_report), None)
    if old is not None:
        earlier: Output | None = outputs.get(store, source, old)
    else:
        earlier = next((each for each in with_report if later and each.number < later.number), None)
    if later is None or earlier is None:
        raise NotFoundError(
            f"The source {quote(source)} has no two outputs with a report to compare. Run it again, or name "
            "two of them."
        )
    return earlier, later


def shown(store: Store, source: str, old: int, new: int, *, wish: Wish) -> dict[str, Any]:
    """Compare two outputs of a source and return what a page and the REST API show of it, as JSON has it.

    Columns that the source says now are sensitive are hidden, whatever it said when the outputs were made.

    :raises CoutureError: if one of them is not there, is damaged, or both together are too large.
    """
    sensitive = sources.get(store, source).sensitive
    paths = [str(outputs.file(store, source, number, outputs.PROFILE)) for number in (old, new)]
    try:
        size = sum(Path(path).stat().st_size for path in paths)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"One of the outputs {old} and {new} was deleted a moment ago. Choose two of the list."
        ) from error
    if size > _TOO_LARGE:
        raise TooLargeError(
            f"The profiles of the outputs {old} and {new} have {size:,} bytes together; those of up to "
            f"{_TOO_LARGE:,} can be compared. Read fewer columns: by a query, or a file with less of them."
        )
    asked = {"paths": paths, "wish": asdict(wish), "sensitive": sorted(sensitive)}
    if size <= _SMALL:
        return look(None, asked)
    (answer,) = apart.each("eda.comparisons.comparison.look", None, [asked], seconds=_PATIENCE)
    if answer.why in ("late", "time"):
        raise InUseError(
            "The comparison takes longer than it may: the server is busy, or there are too many columns. Try "
            "again in a moment."
        )
    if answer.why:
        raise CorruptError(
            f"The outputs {old} and {new} cannot be compared: the profile of one of them is damaged. Run the "
            "source again.",
            path=paths[1],
        )
    found: dict[str, Any] = answer.value
    return found


def look(_common: None, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two files of profiles, in whichever process."""
    old, new = (_read(Path(path)) for path in asked["paths"])
    compared = compare(old, new, sensitive=asked["sensitive"])
    wish = Wish(**asked["wish"])
    fitting = [column for column in compared.columns if wish.fits(column)]
    here = fitting[wish.offset : wish.offset + wish.limit]
    before, after = _columns(old), _columns(new)
    return {
        "rows": compared.rows,
        "duplicates": compared.duplicates,
        "bad": compared.bad,
        "engines": compared.engines,
        "added": len(compared.named("added")),
        "removed": len(compared.named("removed")),
        "retyped": len(compared.named("retyped", "other kind")),
        "drifted": sum(column.drift.level in ("some", "much") for column in compared.columns),
        "total": len(compared.columns),
        "fitting": len(fitting),
        "offset": wish.offset,
        "columns": [
            _shown(column, before.get(column.name), after.get(column.name), compared.rows) for column in here
        ],
    }


def _read(path: Path) -> dict[str, Any]:
    """Return a profile; CorruptError if it is none, or of a format that is not known."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptError(
            f"The profile {path.parent.name}/{path.name} cannot be read. Run the source again.",
            path=str(path),
        ) from error
    if not isinstance(found, dict) or found.get("format") != 1:
        raise CorruptError(
            f"The profile {path.parent.name}/{path.name} is of a format that this version does not know. Run "
            "the source again.",
            path=str(path),
        )
    return found


def _columns(profile: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = profile.get("columns")
    columns: Iterable[Any] = found if isinstance(found, list) else ()
    return {str(each.get("name")): each for each in columns if isinstance(each, Mapping)}


def _counted(profile: Mapping[str, Any], part: str, name: str) -> int | None:
    inner = profile.get(part)
    found = number_of(inner.get(name)) if isinstance(inner, Mapping) else None
    return None if found is None else int(found)


def _change(
    name: str,
    sides: Sequence[Mapping[str, Any] | None],
    rows: tuple[int, int],
    *,
    hide: bool,
    engines: tuple[str, str],
) -> ColumnChange:
    old, new = sides
    hidden = hide or any(side is not None and bool(side.get("sensitive")) for side in sides)
    found = Drift()
    if old is None or new is None:
        state = "added" if old is None else "removed"
    else:
        found = drift.between(Side(old, rows[0]), Side(new, rows[1]), hidden=hidden)
        state = _state(old, new, comparable=not found.other_kind, engines=engines)
    return ColumnChange(
        name=name,
        state=state,
        hidden=hidden,
        types=(_text(old, "type"), _text(new, "type")),
        kinds=(_text(old, "kind"), _text(new, "kind")),
        missing=(_missing(old, rows[0]), _missing(new, rows[1])),
        drift=found,
    )


def _state(
    old: Mapping[str, Any], new: Mapping[str, Any], *, comparable: bool, engines: tuple[str, str]
) -> str:
    if not comparable:
        return "other kind"
    if are_alike(old, new, engines=engines):
        return "same"
    return "retyped"


def _text(column: Mapping[str, Any] | None, name: str) -> str | None:
    return None if column is None else str(column.get(name, ""))


def _missing(column: Mapping[str, Any] | None, rows: int) -> float | None:
    return Side(column, rows).missing / rows if column is not None and rows else None


def _shown(
    column: ColumnChange, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, rows: tuple[int, int]
) -> dict[str, Any]:
    """Return all that is shown of a column."""
    found = column.drift
    return {
        "name": column.name,
        "state": column.state,
        "hidden": column.hidden,
        "types": column.types,
        "kinds": column.kinds,
        "facts": charts.facts(old, new, hidden=column.hidden),
        "missing": column.missing,
        "psi": found.psi,
        "ks": found.ks,
        "level": found.level,
        "resolution": found.resolution,
        "basis": found.basis,
        "at_least": found.at_least,
        "why": found.why,
        "new_values": _values(found.new, known=found.knows_new),
        "vanished_values": _values(found.vanished, known=found.knows_vanished),
        "chart": None if column.hidden or column.state == "other kind" else charts.chart(old, new, rows=rows),
    }


def _values(values: Sequence[tuple[str, int]], *, known: bool) -> dict[str, Any] | None:
    """Return how many values came or went and the first of them; None where that cannot be told."""
    if not known:
        return None
    return {
        "count": len(values),
        "first": [{"value": charts.cut(value), "count": count} for value, count in values[:_NAMED]],
    }
