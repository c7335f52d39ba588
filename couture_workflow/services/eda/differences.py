"""What differs between two versions of a source, setting by setting."""

from __future__ import annotations

from typing import Any

from couture_workflow.services.eda.document import Source
from couture_workflow.services.spark.document import Change


def changes(old: Source | None, new: Source | None) -> list[Change]:
    """Return what differs between two versions, one line for each setting; None: there was, or is, none."""
    before, after = _flat(old), _flat(new)
    found = []
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name, ""), after.get(name, "")
        if one != other:
            kind = "changed" if one and other else "added" if other else "removed"
            found.append(Change("", name, kind, one, other))
    return found


def _flat(source: Source | None) -> dict[str, str]:
    if source is None:
        return {}
    data = source.json()
    place = data.pop(source.kind)
    data |= {f"{source.kind}.{name}": value for name, value in place.items()}
    flat: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            for key, each in value.items():
                inner = each.items() if isinstance(each, dict) else [("", each)]
                flat |= {f"{name}.{key}{f'.{last}' if last else ''}": _shown(one) for last, one in inner}
        else:
            flat[name] = _shown(value)
    return flat


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(repr(each) if each != each.strip() or not each else each for each in value)
    return {"\t": "tab"}.get(value, value) if isinstance(value, str) else str(value)
