"""The page *Compare outputs*: two outputs of a data source side by side."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import request, url_for

from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import EDA, READ, Permission
from couture_workflow.services.eda import outputs
from couture_workflow.services.eda.comparisons import comparison
from couture_workflow.services.eda.outputs import Output
from couture_workflow.views.base import CouturePage, expose, number_asked, requires
from couture_workflow.views.eda import histograms
from couture_workflow.web.state import store

CAN_READ = Permission(READ, EDA)

#: Columns on a page.
PART = 100
#: Outputs that can be chosen on the page.
_OFFERED = 500
_BADGES = {"much": "badge-error", "some": "badge-warn", "none": "badge-ok"}
_LEVELS = {"much": "much drift", "some": "some drift", "none": "no drift"}
_ONLY = {
    "": "All columns",
    "changed": "Changed in any way",
    "drift": "With drift",
    "added": "Added",
    "removed": "Removed",
    "retyped": "With another type",
}


class EdaComparePage(CouturePage):
    """The page."""

    route_base = "/exploratory-data-analysis/compare"
    title = "Compare outputs"

    @expose("/<name>")
    @requires(CAN_READ)
    def index(self, name: str) -> str:
        """Compare the outputs ``?a=`` and ``?b=``, the older one first; without them the two newest."""
        asked = {key: request.args.get(key, "").strip() for key in ("q", "only")}
        problem, offset = "", number_asked("offset", 0)
        try:
            wish = comparison.Wish(text=asked["q"][:1000], only=asked["only"], offset=offset, limit=PART)
        except InvalidError as error:
            problem, wish = str(error), comparison.Wish(offset=offset, limit=PART)
        numbers = number_asked("a", None, least=1), number_asked("b", None, least=1)
        old, new = comparison.two_of(store(), name, *numbers)
        found = comparison.shown(store(), name, old.number, new.number, wish=wish)

        def address(**news: Any) -> str:
            values = {"a": old.number, "b": new.number, "q": wish.text, "only": wish.only, **news}
            given = {key: value for key, value in values.items() if value}
            return f"{url_for('EdaComparePage.index', name=name)}?{urlencode(given)}"

        last = min(offset + PART, found["fitting"])
        return self.page(
            "eda/compare.html",
            title=f"Compare outputs of {name}",
            name=name,
            outputs=(old, new),
            offered=_offered(name, (old, new)),
            wish=wish,
            problem=problem,
            found=found,
            columns=[
                _column(column, found["rows"], place=offset + place)
                for place, column in enumerate(found["columns"], start=1)
            ],
            badges=_BADGES,
            levels=_LEVELS,
            only=_ONLY,
            address=address,
            back=address(offset=max(offset - PART, 0)) if offset else "",
            on=address(offset=offset + PART) if last < found["fitting"] else "",
            place=f"Columns {offset + 1:,} to {last:,} of {found['fitting']:,}" if last > offset else "",
        )


def _offered(name: str, chosen: tuple[Output, Output]) -> list[Output]:
    """Return the outputs that can be compared, newest first: those that are chosen among them."""
    there = [each for each in outputs.listed(store(), name) if each.has_report]
    numbers = {each.number for each in chosen}
    return [each for place, each in enumerate(there) if place < _OFFERED or each.number in numbers]


def _column(column: dict[str, Any], rows: tuple[int, int], *, place: int) -> dict[str, Any]:
    """Return a column with what is drawn of it, its numbers as people read them."""
    return {
        **column,
        "place": place,
        "facts": [
            {"name": fact["name"], "old": said(fact["old"]), "new": said(fact["new"])}
            for fact in column["facts"]
        ],
        "missing": [None if share is None else histograms.percent(share) for share in column["missing"]],
        "drawn": histograms.drawn(column["chart"]) if column["chart"] and all(rows) else None,
    }


def said(value: float | int | str | None) -> str:
    """Return a fact as it stands on the page, "" for none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
