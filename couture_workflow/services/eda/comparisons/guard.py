"""Which rules of ``fail_when`` an output breaks, each with a sentence that has both numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from couture_workflow.services.eda.comparisons import comparison
from couture_workflow.services.eda.comparisons.comparison import ColumnChange, Comparison
from couture_workflow.services.eda.comparisons.distribution import ORDERED, count_of, family_of, number_of
from couture_workflow.services.eda.comparisons.drift import Side
from couture_workflow.services.eda.comparisons.guard_rules import (
    ANY,
    COLUMN,
    Amount,
    ByColumn,
    Rules,
    as_mapping,
    column_of,
    parse,
)

__all__ = ["Broken", "Rules", "as_mapping", "check", "parse"]

#: Columns that a rule for ``any`` names; the others are counted.
_NAMED = 10
#: Characters of a column's name or of a value in a sentence.
_LONGEST = 80


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A rule that is broken, or that could not be looked at.

    :param rule: its path, such as ``missing.age``.
    :param column: "" where it is about no column in particular.
    :param fails: the task fails for it; if not, it is a note on why the rule says nothing.
    """

    rule: str
    column: str = ""
    message: str
    fails: bool = True

    def json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def check(
    rules: Rules,
    profile: Mapping[str, Any],
    compared_with: Mapping[str, Any] | None = None,
    *,
    sensitive: Collection[str] = (),
) -> tuple[Broken, ...]:
    """Return the rules that an output breaks, in the order in which rules are documented.

    :param compared_with: the profile of the output that it is compared with; None if there is none: rules
        that need one then give a note, and break nothing.
    :param sensitive: columns whose values are hidden although the profiles have them.
    """
    found = [*_rows(rules, profile), *_missing(rules.missing, profile)]
    if rules.compares and compared_with is None:
        asked = ", ".join(f"fail_when.{name}" for name in _comparing(rules))
        said = (
            "There is no other output to compare with: none is there yet, or compare_with is not given. So "
            f"{asked} said nothing."
        )
        found.append(Broken(rule="compare_with", message=said, fails=False))
    if rules.compares and compared_with is not None:
        compared = comparison.compare(compared_with, profile, sensitive=sensitive)
        found += _change(rules, compared)
        found += _drift(rules, compared)
        found += _categories(rules.new_categories, compared, profile)
        found += _columns(rules.columns, compared)
    found += _amount("duplicates", rules.duplicates, profile)
    found += _amount("bad_lines", rules.bad_lines, profile)
    return tuple(found)


def _comparing(rules: Rules) -> Iterator[str]:
    if rules.rows_change is not None:
        yield "rows.change"
    for name in ("drift", "ks", "new_categories", "columns"):
        if getattr(rules, name):
            yield name


def _rows(rules: Rules, profile: Mapping[str, Any]) -> Iterator[Broken]:
    rows = count_of(profile.get("rows"))
    if rules.least_rows is not None and rows < rules.least_rows:
        yield Broken(
            rule="rows.min",
            message=f"{_there(rows)}, and fail_when.rows.min is {rules.least_rows:,}.",
        )
    if rules.most_rows is not None and rows > rules.most_rows:
        yield Broken(
            rule="rows.max",
            message=f"{_there(rows)}, and fail_when.rows.max is {rules.most_rows:,}.",
        )


def _change(rules: Rules, compared: Comparison) -> Iterator[Broken]:
    old, new = compared.rows
    limit = rules.rows_change
    if limit is None or old == new:
        return
    change = abs(new - old) / old if old else math.inf
    if not _is_beyond(change, limit):
        return
    found, most = _percents(change, limit)
    said = f"{_there(new)} after {old:,} before, {found} {'more' if new > old else 'fewer'}"
    if not old:
        said = f"{_there(new)} after none before: that is more than any change in percent"
    yield Broken(rule="rows.change", message=f"{said}, and fail_when.rows.change is {most}.")


def _missing(limits: ByColumn | None, profile: Mapping[str, Any]) -> Iterator[Broken]:
    if limits is None:
        return
    rows = count_of(profile.get("rows"))
    shares = {
        str(each.get("name")): Side(each, rows).missing / rows if rows else 0.0 for each in _listed(profile)
    }
    yield from _unknown("missing", limits.named, shares)

    def said(column: str, limit: float) -> str:
        share, most = _percents(shares[column], limit)
        return (
            f"The column {_quoted(column)} has no value in {share} of the rows, and "
            f"fail_when.{_path('missing', limits, column)} is {most}."
        )

    yield from _beyond("missing", limits, shares, said)


def _drift(rules: Rules, compared: Comparison) -> Iterator[Broken]:
    asked = [(name, limits) for name, limits in (("drift", rules.drift), ("ks", rules.ks)) if limits]
    old, new = compared.rows
    for name, limits in asked:
        if not old or not new:
            said = f"{_there(new)} after {_rows_of(old)} before, so fail_when.{name} cannot be told."
            yield Broken(rule=name, message=said, fails=bool(old))
            continue
        yield from _drift_by(name, limits, compared)


def _drift_by(name: str, limits: ByColumn, compared: Comparison) -> Iterator[Broken]:
    """Apply the limits of the PSI (``drift``) or of the Kolmogorov-Smirnov distance (``ks``)."""
    columns = {each.name: each for each in compared.columns if each.state != "removed"}
    yield from _unknown(name, limits.named, columns)
    found: dict[str, float] = {}
    unlike: list[str] = []
    for column in columns.values():
        if column.state == "other kind" and limits.limit(column.name) is not None:
            unlike.append(column.name)
        value = column.drift.psi if name == "drift" else column.drift.ks
        if value is not None:
            found[column.name] = value
        elif limits.named.get(column.name) is not None and column.state != "other kind":
            yield _untold(name, column)
    for column_name in unlike[:_NAMED]:
        yield Broken(
            rule=_rule(name, limits, column_name),
            column=column_name,
            message=f"The column {_quoted(column_name)} is of another kind: {columns[column_name].drift.why}",
        )
    yield from _more(name, len(unlike) - _NAMED, "are of another kind, too")

    def said(column: str, limit: float) -> str:
        what = "drift (PSI)" if name == "drift" else "drift (Kolmogorov-Smirnov)"
        if columns[column].drift.basis == "missing":
            what = "drift (PSI, of missing and not missing alone)"
        value, most = _told_apart(found[column], limit)
        return (
            f"The {what} of the column {_quoted(column)} is {value}, and "
            f"fail_when.{_path(name, limits, column)} is {most}."
        )

    yield from _beyond(name, limits, found, said)


def _untold(name: str, column: ColumnChange) -> Broken:
    """Tell why the drift of a column that a rule names is not known."""
    rule, quoted = f"{name}.{column.name}", _quoted(column.name)
    if column.state == "added":
        said = f"The column {quoted} was not there before, so its drift cannot be told."
        return Broken(rule=rule, column=column.name, message=said, fails=False)
    if column.hidden:
        said = f"The column {quoted} is sensitive: its values are not compared. Use drift, or missing."
        return Broken(rule=rule, column=column.name, message=said, fails=False)
    has_order = any(family_of({"kind": kind}) in ORDERED for kind in column.kinds)
    if has_order or "empty" in column.kinds:
        said = f"The column {quoted} has no values to compare in one of the outputs."
        return Broken(rule=rule, column=column.name, message=said, fails=False)
    said = (
        f"The column {quoted} is {column.kinds[1]}, which has no order: fail_when.ks is for numbers and "
        "dates. Use fail_when.drift for it."
    )
    return Broken(rule=rule, column=column.name, message=said)


def _categories(asked: tuple[str, ...], compared: Comparison, profile: Mapping[str, Any]) -> Iterator[Broken]:
    columns = {each.name: each for each in compared.columns if each.state != "removed"}
    named = {column_of(name) for name in asked if name != ANY}
    yield from _unknown("new_categories", named, {str(each.get("name")): None for each in _listed(profile)})
    broken = 0
    for column in columns.values():
        is_named = column.name in named
        if not is_named and ANY not in asked:
            continue
        found = _new_in(column) if column.drift.knows_new else _not_told(column) if is_named else None
        broken += bool(found and not is_named)
        if found and (is_named or broken <= _NAMED):
            yield found
    yield from _more("new_categories", broken - _NAMED, "have new values, too")


def _new_in(column: ColumnChange) -> Broken | None:
    new = column.drift.new
    if not new:
        return None
    first = ", ".join(f"{_quoted(value)} ({_rows_of(count)})" for value, count in new[:5])
    more = f" and {len(new) - 5:,} more" if len(new) > 5 else ""
    many = f"{len(new):,} values that were" if len(new) > 1 else "a value that was"
    said = f"The column {_quoted(column.name)} has {many} not there before: {first}{more}."
    return Broken(rule=f"new_categories.{column.name}", column=column.name, message=said)


def _not_told(column: ColumnChange) -> Broken:
    quoted = _quoted(column.name)
    why, fails = f"The column {quoted} has too many different values to tell which are new.", False
    if column.state == "added":
        why = f"The column {quoted} was not there before, so all its values are new."
    elif column.hidden:
        why = f"The column {quoted} is sensitive: its values are not kept, so new ones cannot be told."
    elif column.state == "other kind":
        why, fails = f"New values of the column {quoted} cannot be told. {column.drift.why}", True
    elif column.drift.why:
        why = f"New values of the column {quoted} cannot be told. {column.drift.why}"
    elif family_of({"kind": column.kinds[1]}) not in ("text", "boolean") and "empty" not in column.kinds:
        fails = True
        why = (
            f"The column {quoted} is {column.kinds[1]}, and fail_when.new_categories is for texts and "
            "booleans. Use fail_when.drift for it."
        )
    return Broken(rule=f"new_categories.{column.name}", column=column.name, message=why, fails=fails)


def _columns(asked: tuple[str, ...], compared: Comparison) -> Iterator[Broken]:
    types = {each.name: each.types for each in compared.columns}
    states = {"added": ("added",), "removed": ("removed",), "retyped": ("retyped", "other kind")}
    words = {"added": "came", "removed": "went", "retyped": "changed type"}
    for change in asked:
        names = compared.named(*states[change])
        if not names:
            continue
        first = [
            f"{_quoted(name)} ({types[name][0]} to {types[name][1]})"
            if change == "retyped"
            else _quoted(name)
            for name in names[:_NAMED]
        ]
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        many = f"{len(names):,} columns" if len(names) > 1 else "A column"
        said = f"{many} {words[change]}: {', '.join(first)}{more}, and fail_when.columns has {change!r}."
        yield Broken(rule=f"columns.{change}", column=names[0] if len(names) == 1 else "", message=said)


def _amount(name: str, limit: Amount | None, profile: Mapping[str, Any]) -> Iterator[Broken]:
    """Apply the limit of duplicates or of lines that could not be read."""
    if limit is None:
        return
    part, key = ("duplicates", "rows") if name == "duplicates" else ("bad", "count")
    inner = profile.get(part)
    found = number_of(inner.get(key)) if isinstance(inner, Mapping) else None
    if found is None:
        what = _counted_of(name, profile)
        said = f"How many {what} there are was not counted, so fail_when.{name} said nothing."
        yield Broken(rule=name, message=said, fails=False)
        return
    count, rows = int(found), count_of(profile.get("rows"))
    of = rows if name == "duplicates" else rows + count
    share = count / of if of else 0.0
    if not (count > limit.most if limit.share is None else _is_beyond(share, limit.share)):
        return
    is_one = count == 1
    said = f"There {'is' if is_one else 'are'} {count:,} {_counted_of(name, profile, one=is_one)}"
    if limit.share is None:
        yield Broken(rule=name, message=f"{said}, and fail_when.{name} is {limit.most:,}.")
    else:
        found_share, most = _percents(share, limit.share)
        yield Broken(rule=name, message=f"{said}, {found_share} of all, and fail_when.{name} is {most}.")


def _counted_of(name: str, profile: Mapping[str, Any], *, one: bool = False) -> str:
    if name == "duplicates":
        return "duplicate row" if one else "duplicate rows"
    is_database = profile.get("kind") == "sql"
    if is_database:
        return "value that cannot be kept as it is" if one else "values that cannot be kept as they are"
    return "line that cannot be read" if one else "lines that cannot be read"


def _listed(profile: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    columns = profile.get("columns")
    return [each for each in columns if isinstance(each, Mapping)] if isinstance(columns, list) else []


def _unknown(rule: str, named: Iterable[str], columns: Collection[str]) -> Iterator[Broken]:
    """Tell which columns a rule names that are not there: such a rule would pass for ever."""
    for name in sorted(each for each in named if each not in columns):
        said = (
            f"There is no column {_quoted(name)} in this output, and fail_when.{rule} names it. See why it "
            "went, or take it out of the rule."
        )
        yield Broken(rule=f"{rule}.{name}", column=name, message=said)


def _beyond(
    rule: str, limits: ByColumn, found: Mapping[str, float], said: Callable[[str, float], str]
) -> Iterator[Broken]:
    """Tell which columns are beyond their limits, the farthest first: all named ones, ten of the others."""
    others = 0
    for column in sorted(found, key=lambda name: -found[name]):
        limit = limits.limit(column)
        if limit is None or not _is_beyond(found[column], limit):
            continue
        is_named = column in limits.named
        others += not is_named
        if is_named or others <= _NAMED:
            yield Broken(rule=_rule(rule, limits, column), column=column, message=said(column, limit))
    yield from _more(rule, others - _NAMED, f"are beyond fail_when.{rule}.any, too")


def _more(rule: str, count: int, words: str) -> Iterator[Broken]:
    if count > 0:
        many = "1 more column" if count == 1 else f"{count:,} more columns"
        yield Broken(rule=f"{rule}.any", message=f"{many} {words}.")


def _rule(rule: str, limits: ByColumn, column: str) -> str:
    if column not in limits.named:
        return f"{rule}.{ANY}"
    return f"{rule}.{COLUMN if column == ANY else ''}{column}"


def _path(rule: str, limits: ByColumn, column: str) -> str:
    """Return a rule as it stands in a sentence: on one line, and no longer than that."""
    text = "".join(each if each.isprintable() else "?" for each in _rule(rule, limits, column))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _there(count: int) -> str:
    return f"There {'is' if count == 1 else 'are'} {_rows_of(count)}"


def _rows_of(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _is_beyond(found: float, limit: float) -> bool:
    """Tell whether a number is larger than its limit: by more than the rounding of a division."""
    return found > limit * (1 + 1e-12)


def _told_apart(found: float, limit: float) -> tuple[str, str]:
    """Return both numbers with as many digits as it takes to see that they differ."""
    for digits in (4, 6, 9, 17):
        pair = f"{found:.{digits}g}", f"{limit:.{digits}g}"
        if pair[0] != pair[1]:
            break
    return pair


def _percents(found: float, limit: float) -> tuple[str, str]:
    first, second = _told_apart(found * 100, limit * 100)
    return f"{first} %", f"{second} %"


def _quoted(text: str) -> str:
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return repr(shown)
